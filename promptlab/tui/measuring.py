"""Between the screen and the measures of its board: when they are worked out, and what the user marks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from promptlab.errors import LabError

if TYPE_CHECKING:
    from promptlab.analysis import Reading
    from promptlab.tui.board import Board
    from promptlab.tui.ladder import Ladder
    from promptlab.tui.marked import Row
    from promptlab.tui.runs import RunsScreen

Found = tuple["Reading | None", "dict[tuple[int, int, int], list[Row]]", int | None, float]


def measure(screen: RunsScreen) -> None:
    """Read what has ended since the last look, in a thread, where it is time for it."""
    board = screen.board
    if board is None or board.ladder is None or board.style != "ladder":
        return
    ladder, now = board.ladder, time.monotonic()
    measured = ladder.measured
    if not measured.is_due(now, over=not screen.runs):
        return
    ended = measured.begin(board.turns)
    if ended is None:
        return
    lab, run = screen.lab, board.run

    def read() -> Found:
        number, best = run.id if run is not None else None, ladder.best
        began = time.thread_time()
        try:
            if number is not None and not ladder.asked:
                best = lab.best(number)
            reading = lab.read(measured.plan, ended, measured.costing, measured.known)
        except LabError:
            return None, {}, best, 0.0
        drawn = ladder.draw(reading, measured.version + 1)
        return reading, drawn, best, time.thread_time() - began

    screen.aside(f"measure {id(ladder)}", read, lambda found: _took(screen, board, ladder, found))


def _took(screen: RunsScreen, board: Board, ladder: Ladder, found: Found) -> None:
    reading, drawn, best, took = found
    ladder.measured.end(time.monotonic(), reading, took)
    ladder.best, ladder.asked = ladder.best if ladder.asked else best, True
    if reading is not None:
        ladder.take(reading, drawn)
    if screen.board is board:
        screen.canvas.paint()
        measure(screen)


def open_measures(screen: RunsScreen) -> None:
    """All that is measured, as `promptlab sweep` prints it: table, plots, findings."""
    from promptlab.render.sanitise import clean_line
    from promptlab.tui.pages import Measures

    board, say = screen.board, screen.say
    ladder = board.ladder if board is not None else None
    reading = ladder.measured.reading if ladder is not None else None
    if ladder is None or reading is None:
        screen.tell(say("measured_not" if ladder is None and not screen.runs else "measured_none"))
        return
    axes, all = ladder.axes, len(ladder.measured.plan.cells)
    title = say("measured_of", count=ladder.measured.count, all=all)
    if board is not None and board.others:
        title = f"{title} · {say('others_not', count=board.others)}"

    def drawn(cells: int) -> list[tuple[str, str]]:
        from promptlab.render.plot import plots
        from promptlab.tui.gauge import tables
        from promptlab.tui.text.chart import words

        told = words(say)
        spans = [(f"{one}\n\n", "same") for one in (tables(reading, cells, told), plots(reading, cells, words=told))]
        spans += [(f"• {clean_line(say.ours(one.text))}\n", "same") for one in reading.remarks]
        return spans + [(f"{clean_line(text)}\n", "head") for text in (*axes, *map(say.ours, reading.notes))]

    cells = Measures.room(screen.app.size.width)

    def show(spans: list[tuple[str, str]]) -> None:
        if screen.app.screen is screen:
            screen.app.push_screen(Measures(title, say, drawn, cells, spans))

    screen.aside("measures", lambda: drawn(cells), show)


def mark_best(screen: RunsScreen) -> None:
    """Mark the answer in focus as the best of its run, or take the mark back."""
    board, say = screen.board, screen.say
    if board is None or board.run is None:
        return
    run, pane, number = board.run, board.current, board.focus
    own = run.plan.cells[number]
    if not pane.said.answer or not pane.said.ending:
        screen.tell(say("best_none"))
    elif run.id is None:
        screen.tell(say("best_unsaved"))
    elif pane is not board.own[number]:
        screen.tell(say("best_other"))
    else:
        answer = pane.said.answer
        screen.aside("best", lambda: screen.lab.mark_best(run, own, answer),
                     lambda marked: _marked(screen, board, number, marked))  # fmt: skip


def _marked(screen: RunsScreen, board: Board, number: int, marked: bool) -> None:
    if board.ladder is not None:
        board.ladder.best, board.ladder.asked = number if marked else None, True
    screen.canvas.paint()
    screen.tell(screen.say("best_marked", pane=number + 1) if marked else screen.say("best_unmarked"))
