"""Sweeps in the lab: the words, the ladder with its measures, caps and consent; pure, and against real servers."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.widgets import Static

from promptlab.analysis import Measure, Point, Reading
from promptlab.cli.tui.rooms import Rooms
from promptlab.cli.tui.words import MOST, hear, parse
from promptlab.errors import Fault, UsageError
from promptlab.events import Answer, Cancelled, Event, Failed, Finished, Scored, Stamped, Started, Thinking, Token
from promptlab.metrics import Cost
from promptlab.params import Value
from promptlab.plan import Cell, Plan, Run
from promptlab.render.words import ENGLISH
from promptlab.render.wrap import width
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.sweep import Sweep
from promptlab.transcript import Transcript
from promptlab.tui import gauge
from promptlab.tui.board import Board, board_of
from promptlab.tui.canvas import Canvas
from promptlab.tui.gauge import EVERY, Measured
from promptlab.tui.pages import Measures
from promptlab.tui.pane import Pane
from promptlab.tui.rung import flat, sample, sides
from promptlab.tui.sleeper import Sleeper
from promptlab.tui.text import Say
from tests.command import PATIENCE
from tests.replay import Replay, Reply
from tests.test_openai_chat import STOP, sse, texts
from tests.test_tui import lab_at, named, places, runs

SAY = Say("en")
DONE = Finished("stop", True)
SWEPT = Sweep()


def costs(cell: Cell, said: Transcript) -> Cost:
    return Cost(0.0, "computed")


def a_plan(
    values: tuple[Value, ...] = (0.0, 0.7, 1.3), repeats: int = 4, targets: tuple[str, ...] = ("one/a",),
    rows: int | None = None, sweep: Sweep | None = SWEPT,
) -> Plan:  # fmt: skip
    cells: list[Cell] = []
    for target in targets:
        for value in values:
            for row in range(rows) if rows is not None else (None,):
                for repeat in range(repeats):
                    request = Request("a", (Message("user", "hi"),), {"temperature": value})
                    cells.append(Cell(len(cells), target, "one", request, {"temperature": value},
                                      values={"temperature": value}, repeat=repeat, row=row))  # fmt: skip
    return Plan(tuple(cells), "hi", sweep=sweep)


def a_board(plan: Plan, cells: int = 100, height: int = 30) -> Board:
    board = board_of(Run(7, "2026-01-01T00:00:00+00:00", plan), costs, SAY, lambda: 9.0)
    board.resize(cells, height)
    board.update()
    return board


def tell(board: Board, cell: int, *events: Event) -> None:
    for at, event in enumerate((Started({}, {}, 1), *events)):
        board.take(Stamped(cell, float(at), event))


def lines(board: Board) -> list[str]:
    board.update()
    found = []
    for y in range(board.height):
        line = ""
        for x, row in board.row(y):
            line = line.ljust(x) if width(line) == len(line) else line + " " * (x - width(line))
            line += "".join(span.text for span in row)
        assert width(line) <= board.width, line
        found.append(line.rstrip())
    return found


def a_reading(plan: Plan, remark: str = "") -> Reading:
    """Of every rung, distinct-2 by its number."""
    from promptlab.analysis import Remark

    points, (side,) = [], sides(plan)
    for number, rung in enumerate(side.rungs):
        measure = Measure(0.2 + 0.3 * number, 0.1 + 0.3 * number, min(1.0, 0.3 + 0.3 * number), 4)
        value = plan.cells[rung.cells[0]].values
        points.append(Point("one/a", value, rung.cells, rung.cells[0], {"distinct_2": measure}))
    axes = {"temperature": tuple(point.values["temperature"] for point in points)}
    return Reading(axes, tuple(points), (Remark("x", remark, "one/a"),) if remark else (), ("distinct_2",))


# The words -----------------------------------------------------------------------------------------------------------


def test_the_words_of_a_sweep_are_those_of_the_command() -> None:
    spoken = hear("sweep -m local -t 0,0.7 -n 5 --seeds varied --seed 3 --max-cost 0.5 --check lines:3 -y", "雪 falls")
    sweep = spoken.sweep
    assert sweep is not None and spoken.carrying is not None and spoken.carrying.yes
    assert (sweep.prompt, sweep.repeats, sweep.seeds, sweep.seed, sweep.max_cost) == ("雪 falls", 5, "varied", 3, 0.5)
    assert [axis.values for axis in sweep.axes] == [(0.0, 0.7)] and sweep.checks[0].kind == "lines"
    assert parse("sweep -m local -t 0,1", "hi")[0].models == ["local"]
    assert hear("-m local", "sweep the floor").sweep is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--resume", "promptlab sweep --resume"),
        ("--resume 3", "promptlab sweep --resume"),
        ("--junit=x.xml", "promptlab sweep --junit"),
        ("--fail-under 0.5", "exit code"),
        ("--allow-run", "never by a screen"),
        ("--write-plan x.yaml", "--write-plan FILE"),
        ("--dry-run", "f4"),
        ("--format json", "prints"),
    ],
)
def test_what_belongs_to_the_shell_is_refused_with_a_reason(words: str, said: str) -> None:
    with pytest.raises(UsageError, match="is for the command line") as caught:
        hear(f"sweep -m local {words}", "hi")
    assert said in (caught.value.hint or "")


def test_words_that_are_wrong_say_so() -> None:
    wrong = {"--colour red": "No such option", "'x": "quotation", "hello": "no plan file", "-n 0": "repeat",
             "-t 1,1": "twice"}  # fmt: skip
    for words, said in wrong.items():
        with pytest.raises(UsageError, match=said):
            hear(f"sweep {words}", "hi")


def test_a_plan_file_among_the_words_is_the_sweep_and_the_prompt_is_above_its_own(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("prompt: written\ntargets: [local]\naxes: {temperature: [0, 1]}\nrepeat: 3\n", "utf-8")
    sweep = hear(f"sweep {file}", "").sweep
    assert sweep is not None and (sweep.prompt, sweep.repeats, sweep.targets) == ("written", 3, ("local",))
    sweep = hear(f"sweep {file} -n 2", "typed").sweep
    assert sweep is not None and (sweep.prompt, sweep.repeats) == ("typed", 2)
    assert Rooms(places(tmp_path)).check(f"sweep {file}", "") == 6


def test_too_many_cells_are_too_many_panes(tmp_path: Path) -> None:
    rooms = Rooms(places(tmp_path))
    assert rooms.check("sweep -m local -t 0,1 -n 600", "hi") == 1200
    with pytest.raises(UsageError, match="1,000 is the most"):
        rooms.advise("sweep -m local -t 0,1 -n 600", "hi")
    advice = rooms.advise("sweep -m local -t 0,1 -n 200", "hi")
    assert len(advice.cells) == 2 and advice.price is not None and advice.price.cells == 400 <= MOST


# The ladder ----------------------------------------------------------------------------------------------------------


def test_a_sweep_stands_as_a_ladder_and_asks_as_a_grid() -> None:
    assert a_board(a_plan()).style == "ladder"
    board = a_board(a_plan(sweep=None, repeats=1))
    assert board.style == "grid"
    seen = []
    for _ in range(3):
        board.switch()
        seen.append(board.style)
    assert seen == ["focus", "ladder", "grid"]
    alone = a_board(a_plan(values=(0.0,), repeats=1))
    assert alone.ladder is None and len(alone.visible) == 1


def test_a_rung_has_its_value_its_samples_and_what_they_say() -> None:
    board = a_board(a_plan())
    tell(board, 0, Answer("# Snow\n\nfalls **softly** `雪`"), DONE)
    tell(board, 1, Thinking("let me think"))
    tell(board, 2, Answer("half an ans"))
    tell(board, 3, Failed(Fault("auth", "the key is wrong", "set another")))
    text = lines(board)
    rung = next(line for line in text if line.startswith("▶ 0 "))
    assert rung.split() == ["▶", "0", "1/4", "✗1"]
    assert next(line for line in text if "Snow" in line) == "  ▶✓ 1 Snow ⏎ falls softly 雪"
    assert any("◔ 2 ┊ let me think" in line for line in text)
    assert any("● 3 half an ans" in line for line in text)
    assert any("✗ 4 failed: " in line and "the key is wrong" in line for line in text)
    assert sum("queued" in line for line in text) == 8


def test_samples_that_have_no_room_are_counted() -> None:
    board = a_board(a_plan(repeats=9), 80, 17)
    assert sum("+" in line and "more" in line for line in lines(board)) == 3
    board.go(7)
    text = lines(board)
    assert any(line.startswith("  ▶… 8 ") for line in text)  # the one in focus is always there


def test_many_rungs_scroll_with_the_focus() -> None:
    board = a_board(a_plan(values=tuple(n / 10 for n in range(20)), repeats=2), 80, 17)
    assert "↓" in lines(board)[1] and "↑" not in lines(board)[1]
    assert board.climb(30)
    text = lines(board)
    assert any(line.startswith("▶ 1.9 ") for line in text) and "↑" in text[1] and "↓" not in text[1]
    board.climb(-1)
    assert any(line.startswith("▶ 1.8 ") for line in lines(board))


def test_steps_go_along_the_axis_and_behind_a_value() -> None:
    board = a_board(a_plan())
    board.step(1)
    assert board.focus == 1
    board.climb(1)
    assert board.focus == 5  # the same repeat at the next value
    board.climb(9)
    assert board.focus == 9
    board.climb(-9)
    assert board.focus == 1
    board.zoom()
    assert not board.climb(1) and board.focus == 1 and board.visible[0].pane == 1


def test_targets_stand_side_by_side_where_there_is_room_and_else_on_pages() -> None:
    plan = a_plan(targets=("one/a", "two/b"))
    wide = a_board(plan, 140, 30)
    text = lines(wide)
    assert "one/a  1/2" in text[1] and "two/b  2/2" in text[1] and wide.pages == 1
    narrow = a_board(plan, 80, 30)
    assert "one/a  1/2" in "\n".join(lines(narrow)) and "two/b" not in "\n".join(lines(narrow))
    narrow.turn(1)
    assert narrow.focus == 12 and "two/b  2/2" in "\n".join(lines(narrow)) and "page 2/2" in lines(narrow)[0]


def test_rows_of_a_dataset_and_targets_alone_are_rungs() -> None:
    board = a_board(a_plan(rows=2, repeats=2))
    assert any("… 2.1 queued" in line for line in lines(board))
    cells = [Cell(n, target, "x", Request("m", (Message("user", "hi"),)), repeat=n % 2)
             for n, target in enumerate(("x/雪", "x/雪", "x/b", "x/b"))]  # fmt: skip
    (side,) = sides(Plan(tuple(cells), "hi", sweep=Sweep()))
    assert [rung.title for rung in side.rungs] == ["x/雪", "x/b"] and side.title == ""


def test_axes_in_step_make_one_rung_and_what_is_void_says_so() -> None:
    cells = [Cell(n, "x/m", "x", Request("m", (Message("user", "hi"),)), values={"temperature": t, "top_p": p})
             for n, (t, p) in enumerate(((0.1, 0.9), (0.2, 0.8)))]  # fmt: skip
    (side,) = sides(Plan(tuple(cells), "hi", sweep=Sweep(zipped=("temperature", "top_p"))))
    assert [rung.title for rung in side.rungs] == ["0.1, 0.9", "0.2, 0.8"] and side.axis == "temperature, top_p"
    cells = [Cell(n, "x/m", "x", Request("m", (Message("user", "hi"),)), values={"temperature": None}, repeat=n)
             for n in range(2)]  # fmt: skip
    (side,) = sides(Plan(tuple(cells), "hi", sweep=Sweep(), void={"x/m": ("temperature",)}))
    assert [rung.title for rung in side.rungs] == ["ignored"] and side.rungs[0].cells == (0, 1)


def test_measures_stand_beside_their_rung_and_findings_below() -> None:
    plan = a_plan()
    board = a_board(plan)
    ladder = board.ladder
    assert ladder is not None and "measures come as answers end" in lines(board)[-1]
    ladder.measured.begin([])
    reading = a_reading(plan, "temperature changes \x1b[31mit")
    ladder.measured.end(0.1, reading)
    ladder.take(reading, {})
    text = lines(board)
    assert "distinct-2" in text[2]
    assert [line.split()[-3] for line in text if line[2:5] in ("0  ", "0.7", "1.3")] == ["0.20", "0.50", "0.80"]
    assert "[0.70, 0.90]" in "\n".join(text)
    assert any("▓" in line and "░" in line for line in text)
    assert any(line.startswith("• temperature changes ␛[31mit") for line in text)
    assert "measured: 0 of 12" in text[-1]


def test_plots_stand_at_the_side_where_there_is_room() -> None:
    plan = a_plan()
    for size, shown in (((200, 60), True), ((120, 60), True), ((80, 22), False)):
        board = a_board(plan, *size)
        assert board.ladder is not None
        board.ladder.measured.begin([])
        board.ladder.measured.end(0.1, a_reading(plan))
        board.ladder.take(a_reading(plan), {})
        assert ("┤" in "\n".join(lines(board))) is shown, size


@pytest.mark.parametrize("size", [(40, 15), (60, 12), (80, 24), (120, 40), (200, 60), (20, 4), (300, 100)])
def test_every_row_is_as_wide_as_its_part_and_parts_are_on_the_screen(size: tuple[int, int]) -> None:
    for plan in (
        a_plan(),
        a_plan(values=tuple(n / 9 for n in range(19)), repeats=30),
        a_plan(targets=("a/雪" * 30, "b/c")),
    ):
        board = a_board(plan, *size)
        for cell in range(0, len(plan.cells), 3):
            tell(board, cell, Answer("雪花 落下。\n" * 40 + "x" * 500), DONE)
        assert board.ladder is not None
        board.update()
        for part in board.ladder.parts:
            assert part.rect.x + part.rect.width <= size[0] and part.rect.y + part.rect.height <= max(size[1], 2)
            assert len(part.rows) == part.rect.height
            for row in part.rows:
                assert sum(width(span.text) for span in row) == part.rect.width


def test_a_click_finds_the_sample() -> None:
    board = a_board(a_plan())
    y = next(y for y, line in enumerate(lines(board)) if "… 3 queued" in line)
    assert board.at(5, y) == 2 and board.at(5, board.height - 1) is None
    head = next(y for y, line in enumerate(lines(board)) if line.startswith("  0.7 "))
    assert board.at(2, head) == 4


def test_only_what_changed_in_the_ladder_is_painted() -> None:
    board = a_board(a_plan())
    assert board.update() == []
    tell(board, 5, Answer("one line"))
    assert [rect.height for rect in board.update() if rect.y] == [1]
    assert board.update() == []


def test_a_filled_pane_is_read_anew() -> None:
    plan = a_plan()
    board = a_board(plan)
    tell(board, 0, Answer("first"), DONE)
    assert "first" in "\n".join(lines(board))
    board.replace(0, plan.cells[0], costs, lambda: 1.0)
    assert "first" not in "\n".join(lines(board))


def test_previews_show_the_end_of_what_comes_and_the_beginning_of_what_is_there() -> None:
    pane = Sleeper(a_plan().cells[0], SAY, costs)
    pane.take(Stamped(0, 0.0, Started({}, {}, 1)))
    pane.take(Stamped(0, 1.0, Answer("\n\nbegins " + "雪" * 200 + " ends")))
    ((text, style),) = sample(pane, 30, 1, 2.0, SAY)
    assert text.endswith("雪 ends") and text.startswith("…") and width(text) <= 30 and style == "answer"
    assert len(sample(pane, 30, 3, 2.0, SAY)) == 3
    pane.take(Stamped(0, 2.0, DONE))
    ((text, _),) = sample(pane, 30, 1, 2.0, SAY)
    assert text.startswith("begins 雪") and text.endswith("…") and width(text) <= 30
    assert all(width(text) <= 30 for text, _ in sample(pane, 30, 4, 2.0, SAY))
    assert flat("# a\x1b]0;t\x07b\n---\n| x | y |\n|---|---|\nq") == "a␛]0;t␇b ⏎ | x | y | ⏎ q"


def test_bars_tell_the_value_and_its_interval() -> None:
    one = gauge._gauge(a_reading(a_plan()), "distinct_2", told=False)
    assert gauge.bar(one, Measure(0.5, 0.25, 0.75, 4)) == "██▓▓░░··"
    assert gauge.bar(one, Measure(0.0, None, None, 4)) == "█·······"
    assert gauge.bar(one, Measure(1.0, None, None, 4)) == "████████"
    assert gauge.bar(one, None) == " " * gauge.BAR
    assert len(gauge.bar(one, Measure(float("nan"), None, None, 4))) == gauge.BAR


# When it is measured -------------------------------------------------------------------------------------------------


def test_it_is_measured_once_a_second_at_most_and_only_what_is_new() -> None:
    plan = a_plan(repeats=2)
    panes = [(cell, Transcript()) for cell in plan.cells]
    measured = Measured(plan, costs)

    def end(number: int, event: Event = DONE) -> None:
        for one in (Started({}, {}, 1), Answer("x"), event):
            panes[number][1].apply(1.0, one)

    assert measured.is_due(0.0) and measured.begin(panes) is None
    end(0)
    assert [cell.index for cell, _ in measured.begin(panes) or []] == [0]
    end(1)
    assert not measured.is_due(9.0, over=True)  # the first one is still under way
    measured.end(0.6, a_reading(plan), 8.0)  # which imported what it takes
    assert not measured.is_due(1.5) and measured.is_due(0.6 + EVERY) and measured.is_due(0.7, over=True)
    assert [cell.index for cell, _ in measured.begin(panes) or []] == [0, 1]
    measured.end(3.0, a_reading(plan), 2.0)  # dear: the next one waits longer
    end(2, Cancelled())
    assert not measured.is_due(10.9) and measured.is_due(11.1)
    assert [cell.index for cell, _ in measured.begin(panes) or []] == [0, 1, 2]
    measured.end(12.0, None)
    assert measured.reading is not None and measured.count == 2 and measured.begin(panes) is None


def test_a_cell_that_was_never_sent_is_not_measured() -> None:
    plan = a_plan(repeats=1)
    turns = [(cell, Transcript()) for cell in plan.cells]
    turns[0][1].apply(1.0, Cancelled("not sent"))
    assert Measured(plan, costs).begin(turns) is None


def test_an_answer_of_another_run_is_shown_and_marked_and_neither_measured_nor_counted() -> None:
    plan = a_plan()
    board = a_board(plan)
    for cell in range(12):
        tell(board, cell, Answer(f"own {cell}"), DONE)
    assert board.ladder is not None
    measured = board.ladder.measured
    ended = measured.begin(board.turns)
    assert ended is not None and len(ended) == 12
    measured.end(0.0, a_reading(plan))
    board.ladder.take(a_reading(plan), {})
    board.ladder.best = 1
    before = lines(board)
    assert "12/12 done" in before[0] and "not of this run" not in "\n".join(before)
    other = Cell(0, "two/b", "two", plan.cells[1].request, values=plan.cells[1].values)
    for again in (8, None):  # and a second time, by a run that is not kept
        board.replace(1, other, costs, lambda: 1.0)
        board.panes[1].origin = Run(again, "2026-01-01T00:00:00+00:00", Plan((other,), "hi")), other
        tell(board, 1, Answer("theirs"))
        shown = lines(board)
        assert "12/12 done" in shown[0] and "≠ 1 not of this run" in shown[0]
        rung = next(line for line in shown if line.startswith("▶ 0 "))
        assert rung == next(line for line in before if line.startswith("▶ 0 ")) and rung.split()[2] == "4/4"
        told = "run 8, not counted" if again else "not saved, not counted"
        (row,) = [line for line in shown if "theirs" in line]
        assert "● 2 ≠ theirs" in row and row.endswith(f"[two/b, {told}]") and "★" not in row
        assert "≠ 1 not of this run, and not counted" in shown[-1]
        assert [said.answer for _, said in board.turns][:3] == ["own 0", "own 1", "own 2"]
        assert measured.begin(board.turns) is None and measured.count == 12
    tell(board, 1, Failed(Fault("auth", "wrong", "")))
    assert "failed" not in lines(board)[0] and "✗1" not in "\n".join(lines(board))
    for size in ((40, 15), (80, 24), (200, 60)):
        board.resize(*size)
        shown = lines(board)
        assert any("✗ 2 ≠" in line for line in shown) and "≠ 1 not of this run" in "\n".join(shown[1:]), size
    board.switch()
    assert any("✗ 2 ≠ two/b" in line for line in lines(board))


def test_the_money_and_the_clock_of_the_bar_are_the_runs_own() -> None:
    run = Run(7, "2026-01-01T00:00:00+00:00", a_plan(repeats=1))
    board = board_of(run, lambda cell, said: Cost(0.5, "computed"), SAY, lambda: 99.0)
    board.resize(100, 30)
    for cell in range(3):
        tell(board, cell, Answer("x"), DONE)
        board.panes[cell].said.queued = 0.0
    top = lines(board)[0]
    assert "$1.5" in top and "00:02" in top
    board.replace(0, run.plan.cells[0], lambda cell, said: Cost(7.0, "computed"), lambda: 1.0)
    tell(board, 0, Answer("y"))
    assert top.split()[-2:] == lines(board)[0].split()[-2:] and board.running
    tell(board, 0, Answer("y"), DONE)
    assert "$1.5" in lines(board)[0] and not board.running


# A thousand panes ----------------------------------------------------------------------------------------------------


def said(pane: Pane) -> list[str]:
    return ["".join(span.text for span in row).rstrip() for row in pane.paint(99.0, focused=False)]


def test_a_pane_that_slept_shows_what_one_that_was_awake_shows() -> None:
    cell = a_plan().cells[0]
    pieces = ("\n ", "It ", "is\n\n- one\n", "- two  ", "**three**")
    events: list[Event] = [
        Started({}, {}, 1),
        Thinking("  let me "),
        Thinking("think 雪\n"),
        *map(Answer, pieces),
        DONE,
    ]
    for wakes in range(len(events) + 1):
        awake, sleeper = Pane(cell, SAY, costs), Sleeper(cell, SAY, costs)
        for at, event in enumerate(events):
            awake.take(Stamped(0, float(at), event))
            if at == wakes:
                sleeper.place(40, 20)
                assert len(said(sleeper)) == 20
            if at == wakes + 2:
                sleeper.doze()
            sleeper.take(Stamped(0, float(at), event))
        awake.place(40, 20)
        sleeper.place(40, 20)
        assert said(sleeper) == said(awake), wakes
        assert list(sleeper.find("two")) == list(awake.find("two")) != []


def test_thinking_that_nobody_has_seen_is_folded_and_what_is_read_stays_open() -> None:
    sleeper = Sleeper(a_plan().cells[0], SAY, costs)
    for event in (Started({}, {}, 1), Thinking("hm\n" * 40), Answer("answer\n" * 40), DONE):
        sleeper.take(Stamped(0, 1.0, event))
    sleeper.follows = False
    sleeper.place(40, 20)
    assert said(sleeper)[2].startswith("▸ thinking") and sleeper.shows == "line"
    other = Sleeper(a_plan().cells[0], SAY, costs)
    other.place(40, 20)
    for event in (Started({}, {}, 1), Thinking("hm\n" * 40)):
        other.take(Stamped(0, 1.0, event))
    said(other)
    other.scroll(-9)
    other.take(Stamped(0, 2.0, Answer("answer")))
    assert other.shows == "shown"
    before = said(other)[2:]
    other.doze()
    assert other.shows == "shown" and said(other)[2:] == before


def test_a_thousand_panes_wrap_only_what_is_looked_at() -> None:
    board = a_board(a_plan(values=tuple(n / 100 for n in range(100)), repeats=10), 120, 40)
    text = "word " * 40

    def spent(style: str) -> float:
        board.layout = None
        began = time.process_time()
        for cell in range(1000):
            board.take(Stamped(cell, 1.0, Started({}, {}, 1)))
            for _ in range(10):
                board.take(Stamped(cell, 2.0, Answer(text)))
        return time.process_time() - began

    took = spent("ladder")
    assert not any(isinstance(pane, Sleeper) and pane.awake for pane in board.panes)
    awake = Pane(a_plan().cells[0], SAY, costs)
    began = time.process_time()
    for _ in range(100):
        awake.take(Stamped(0, 1.0, Started({}, {}, 1)))
        for _ in range(10):
            awake.take(Stamped(0, 2.0, Answer(text)))
    assert took < 10 * (time.process_time() - began)  # a thousand asleep cost less than as many awake
    board.layout = "grid"
    board.resize(119, 40)
    for _ in range(40):
        board.turn(1)
        board.update()
    assert sum(isinstance(pane, Sleeper) and pane.awake for pane in board.panes) <= 64 + len(board.visible)
    assert "word" in "\n".join(lines(board))


# On the screen -------------------------------------------------------------------------------------------------------

WORDS = ("the snow falls on the hill", "a cold wind blows over the sea", "雪 falls and falls again")


def answers(*said: str) -> Replay:
    server = Replay(sse(*texts([said[0]]), STOP))
    for one in said[1:]:
        server.then(Reply(sse(*texts([one]), STOP)))
    return server


def test_a_sweep_is_sent_measured_walked_and_its_best_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with answers(*WORDS, *WORDS) as server, lab_at(tmp_path, "", (120, 40)) as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -t 0.2,1.3 -n 3 --no-audit"
            await screen.ask("Snow?")
            await screen.shows("6/6 done", "distinct-2", "same text", "temperature")
            await screen.until(lambda: screen.board.ladder and screen.board.ladder.measured.count == 6, "measured")
            await screen.until(lambda: "measured:" not in screen.text)
            assert len(server.requests) == 6 and screen.board.style == "ladder"
            assert any("•" in line for line in screen.lines)
            await screen.press("tab", "down", "right")
            assert screen.board.focus == 4
            await screen.press("asterisk")
            await screen.until(lambda: screen.notice == "★ pane 5 is marked as the best", "the mark")
            assert any("▶✓ 2 ★" in line for line in screen.lines)
            await screen.press("enter")
            assert screen.board.zoomed and screen.board.focus == 4 and len(screen.board.visible) == 1
            await screen.press("z", "up")
            assert screen.board.focus == 1 and not screen.board.zoomed
            await screen.press("M")
            await screen.until(lambda: isinstance(screen.app.screen, Measures), "the page")
            page = str(screen.app.screen.query_one("#keys Static", Static).content)
            assert "95% interval" in page and "distinct-2" in page and "•" in page
            await screen.press("escape", "v", "v", "v")
            assert screen.board.style == "ladder"

    asyncio.run(main())
    store = Store(places(tmp_path).database)
    (vote,) = store.votes(1, "you")
    store.close()
    assert (vote.seen[0].cell, vote.aside, vote.counts, vote.verdict) == (4, True, False, 0)
    rooms = Rooms(places(tmp_path))
    past = rooms.history.open(1)
    assert past.run.plan.sweep is not None and rooms.best(1) == 4
    assert rooms.mark_best(past.run, past.run.plan.cells[0], "x") and rooms.best(1) == 0
    assert not rooms.mark_best(past.run, past.run.plan.cells[0], "x") and rooms.best(1) is None


def test_a_past_sweep_stands_as_its_ladder_with_its_best(tmp_path: Path) -> None:
    from promptlab.tui.history import past_board, show

    async def main() -> None:
        async with answers(*WORDS) as server, lab_at(tmp_path, "", (120, 40)) as screen:
            named(tmp_path, fast=server)
            lab = screen.app.lab_screen
            lab.words = "sweep -y -m fast/a -t 0.2,1.3 -n 2 --no-audit"
            await screen.ask("Snow?")
            await screen.until(lambda: not lab.runs and "4/4 done" in screen.text)
            past = await asyncio.to_thread(lab.lab.history.open, 1)
            await asyncio.to_thread(lab.lab.mark_best, past.run, past.run.plan.cells[3], "x")
            show(lab, past_board(past, SAY))
            await screen.shows("history, ", "★", "distinct-2")

    asyncio.run(main())


def test_a_cap_stops_a_sweep_and_no_pane_waits_any_more(tmp_path: Path) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 50, "total_tokens": 100}}

    async def main() -> None:
        async with Replay(sse(*texts(["snow"]), STOP, usage)) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -n 30 -j 1 --max-tokens-total 250 --no-audit"
            await screen.ask("Snow?")
            await screen.until(lambda: screen.app.lab_screen.board and not screen.app.lab_screen.runs, "the end")
            states = [pane.said.state for pane in screen.board.panes]
            assert 2 <= states.count("done") < 6 and states.count("done") + states.count("cancelled") == 30
            assert "stopped by --max-tokens-total 250" in screen.notice
            assert "promptlab sweep --resume 1 goes on" in screen.notice

    asyncio.run(main())
    (run,) = runs(tmp_path)
    assert run.state == "stopped" and "queued" in run.states


def test_what_may_be_dear_is_sent_the_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOW_KEY", "x")

    async def main() -> None:
        async with Replay(sse(*texts(["snow"]), STOP)) as server, lab_at(tmp_path, "") as screen:
            config = f"endpoints: {{paid: {{base_url: '{server.url}/v1', key: SNOW_KEY}}}}\n"
            (tmp_path / "config.yaml").write_text(config, "utf-8")
            lab = screen.app.lab_screen
            lab.words = "sweep -m paid/a -n 2 --no-audit"
            await screen.ask("Snow?")
            await screen.until(lambda: "send it again to agree" in screen.notice, "being asked")
            assert "price unknown" in screen.notice and server.requests == [] and not lab.runs
            await screen.ask("Ice?")  # something else: asked again
            await screen.until(lambda: not lab.runs and "again to agree" in screen.notice)
            assert server.requests == []
            await screen.ask("Ice?")
            await screen.shows("2/2 done")
            assert len(server.requests) == 2
            lab.words = "-m paid/a"  # one request of unknown price is nobody's question
            await screen.ask("Rain?")
            await screen.shows("1/1 done")
            lab.words = "sweep -m paid/a -n 2 --no-audit -y"
            await screen.ask("Rain?")
            await screen.until(lambda: len(server.requests) == 5)

    asyncio.run(main())


def test_nothing_typed_is_lost_where_the_words_are_wrong_and_nothing_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "sweep -m local --junit x.xml") as screen:
            await screen.ask("Snow?")
            await screen.until(lambda: "--junit is for the command line" in screen.notice)
            assert screen.editor.text == "Snow?" and screen.app.lab_screen.words == "sweep -m local --junit x.xml"
            screen.app.lab_screen.words = "sweep -m local --no-save --cache -n 2"
            await screen.press("ctrl+j")
            await screen.until(lambda: "need the history" in screen.notice)

    asyncio.run(main())
    assert runs(tmp_path) == []


def test_a_dataset_needs_no_prompt_and_nothing_need_be_kept(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("prompt,contains\nSnow?,snow\nIce?,ice\n", "utf-8")

    async def main() -> None:
        async with answers(*WORDS) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = (
                f"sweep -y -m fast/a -n 2 --dataset {tmp_path / 'rows.csv'} --no-save --no-audit"
            )
            await screen.ask("")
            await screen.shows("4/4 done", "✓ 2.1 ")
            said = {json.loads(request.body)["messages"][-1]["content"] for request in server.requests}
            assert said == {"Snow?", "Ice?"} and "not saved" in screen.text
            await screen.press("tab", "asterisk")
            assert screen.notice == "a run that is not kept can't be marked"

    asyncio.run(main())
    assert runs(tmp_path) == []


def test_a_stopped_sweep_is_measured_as_far_as_it_came(tmp_path: Path) -> None:
    async def main() -> None:
        held = Reply(sse(*texts(["half"]), done=False), hold=True)
        async with answers(*WORDS[:2]).then(held) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -n 4 -j 1 --no-audit"
            await screen.ask("Snow?")
            await screen.shows("half")
            await screen.press("ctrl+c")
            await screen.until(lambda: not screen.app.lab_screen.runs)
            await asyncio.wait_for(server.disconnected.wait(), PATIENCE)
            await screen.shows("measured: 3 of 4", "distinct-2")

    asyncio.run(main())


def test_what_nobody_knows_is_tested_first_and_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(sse(*texts(["7"]), STOP)) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -t 0.2,1.3 -n 2"
            await screen.ask("Snow?")
            found = "fast/a: temperature: inconclusive (p = 1, n = 72): both ends give the same answer nearly always"
            await screen.until(lambda: found in screen.notice, "its end")
            await screen.until(lambda: screen.app.lab_screen.board and not screen.app.lab_screen.runs)
            assert len(server.requests) >= 24 + 2
            assert found in screen.notice  # it stands when the run has begun, too

    asyncio.run(main())


def test_repeats_that_could_change_no_majority_are_spared_and_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(sse(*texts(["The answer is 7."]), STOP)) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -n 9 -j 1 --until-decided --extract number --no-audit"
            await screen.ask("3 + 4?")
            await screen.until(lambda: screen.app.lab_screen.board and not screen.app.lab_screen.runs)
            states = [pane.said.state for pane in screen.board.panes]
            assert states[:5] == ["done"] * 5 and states.count("cancelled") == 9 - len(server.requests) > 0

    asyncio.run(main())


def test_a_sweep_is_run_again_as_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with answers(*WORDS) as server, lab_at(tmp_path, "") as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -t 0.2,1.3 --no-audit"
            await screen.ask("Snow?")
            await screen.until(lambda: screen.app.lab_screen.board and not screen.app.lab_screen.runs)
            await screen.press("tab", "R")
            await screen.until(lambda: screen.board.run and screen.board.run.id == 2)
            await screen.shows("2/2 done")
            assert screen.board.style == "ladder" and len(server.requests) == 4

    asyncio.run(main())


def test_alternatives_of_tokens_are_let_go_once_it_has_ended() -> None:
    token = Token("snow", -0.5, 0.1, 0.9, (("snow", -0.5), ("rain", -1.0)))
    for awake in (False, True):
        sleeper = Sleeper(a_plan().cells[0], SAY, costs)
        if awake:
            said(sleeper)
        for event in (Started({}, {}, 1), Answer("snow"), Scored((token,))):
            sleeper.take(Stamped(0, 1.0, event))
        assert sleeper.said.tokens == [token]
        sleeper.take(Stamped(0, 2.0, DONE))
        assert sleeper.said.tokens == [Token("snow", -0.5, 0.1, 0.9)]


def test_the_mouse_chooses_a_sample_and_its_wheel_goes_along_the_axis(tmp_path: Path) -> None:
    async def main() -> None:
        async with answers(*WORDS) as server, lab_at(tmp_path, "", (100, 34)) as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -t 0.2,1.3 -n 3 --no-audit"
            await screen.ask("Snow?")
            await screen.until(lambda: not screen.app.lab_screen.runs and "6/6 done" in screen.text)
            await screen.until(lambda: "measured:" not in screen.text and "distinct-2" in screen.text)
            y = [y for y, line in enumerate(screen.lines) if "✓ 2 " in line][1]
            await screen.pilot.click(Canvas, offset=(9, y))
            assert screen.board.focus == 4 and screen.app.focused is screen.editor
            screen.app.lab_screen.canvas.post_message(Canvas.Chosen(4, -3))
            await screen.pilot.pause()
            assert screen.board.focus == 1

    asyncio.run(main())


# Answers of other runs ------------------------------------------------------------------------------------------------


def test_follow_ups_retries_and_other_targets_change_no_figures(tmp_path: Path) -> None:
    async def main() -> None:
        theirs = Replay(sse(*texts(["a wholly other answer, and a long one at that"]), STOP))
        async with answers(*WORDS, *WORDS) as server, theirs as other, lab_at(tmp_path, "", (120, 40)) as screen:
            named(tmp_path, fast=server, other=other)
            lab = screen.app.lab_screen
            lab.words = "sweep -y -m fast/a -t 0.2,1.3 -n 3 --no-audit"
            await screen.ask("Snow?")
            await screen.shows("6/6 done")
            await screen.until(lambda: screen.board.ladder and screen.board.ladder.measured.count == 6, "measured")
            await screen.until(lambda: "measured:" not in screen.text)
            ladder = screen.board.ladder
            assert ladder is not None
            reading, plots = ladder.measured.reading, [part.rows for part in ladder.parts][1]
            rungs = [line for line in screen.lines if line[2:5] in ("0.2", "1.3")]

            async def fill(*keys: str, shown: str) -> None:
                await screen.press(*keys)
                await screen.until(lambda: not lab.runs and shown in screen.text, shown)
                for _ in range(3):
                    lab.measure()
                    await screen.pilot.pause()
                assert ladder.measured.reading is reading and [part.rows for part in ladder.parts][1] == plots
                assert [line for line in screen.lines if line[2:5] in ("0.2", "1.3")] == rungs
                assert "6/6 done" in screen.lines[0]
                assert any("and not counted" in line for line in screen.lines)

            screen.editor.text = "And then?"
            await fill("tab", "f6", shown="✓ 1 ≠")
            assert "[run 2, not counted]" in screen.text
            await fill("right", "r", shown="[run 3, not counted]")
            await screen.press("asterisk")
            assert screen.notice == "this pane is of another run"
            await fill("right", "o", *"other/b", "enter", shown="[other/b, run 4, not counted]")
            assert "≠ 3 not of this run" in screen.lines[0]
            await screen.press("M")
            await screen.until(lambda: isinstance(screen.app.screen, Measures), "the page")
            title = str(screen.app.screen.query_one("#box-title", Static).content)
            assert title == "measured: 6 of 6 · ≠ 3 not of this run, and not counted"

    asyncio.run(main())


# The page of all measures ---------------------------------------------------------------------------------------------


def many(plan: Plan, names: list[str]) -> Reading:
    reading = a_reading(plan)
    measures = {name: Measure(0.25 + number / 100, 0.1, 0.9, 4) for number, name in enumerate(names)}
    points = tuple(replace(point, measures=measures) for point in reading.points)
    return replace(reading, points=points, measures=tuple(names))


@pytest.mark.parametrize("cells", [20, 33, 73, 113, 193])
def test_all_measures_stand_on_their_page_however_narrow_it_is(cells: int) -> None:
    from promptlab.analysis.measure import MEASURES
    from promptlab.tui.text.chart import words

    names = list(MEASURES)
    for say in (SAY, Say("zh")):
        told = words(say)
        text = gauge.tables(many(a_plan(), names), cells, told)
        assert all(width(line) <= cells for line in text.split("\n"))
        assert told("no_room", names="")[-4:] not in text.replace("\n", "")
        values = [f"{0.25 + number / 100:.2f}" for number in range(len(names))]
        if cells > 20:  # where a number of a few kinds is written otherwise, two in three are enough to know them by
            assert sum(value in text for value in values) >= len(names) * 2 / 3
        flat = "".join(text.split())
        for name in names:
            assert "".join(told.measure(name).split())[:4] in flat, name
        assert flat.count("".join(told("brackets").split())) == (f"{told('brackets')[:5]}" in text)


def test_where_no_table_has_room_measures_are_a_list() -> None:
    told = gauge.tables(many(a_plan(), ["distinct_2", "unread"]), 33)
    assert told.rstrip().splitlines() == [
        "distinct-2 · temperature", "  0  0.25 [0.10, 0.90]", "  0.7  0.25 [0.10, 0.90]", "  1.3  0.25 [0.10, 0.90]",
        "", "unread · temperature", "  0  0.26 [0.10, 0.90]", "  0.7  0.26 [0.10, 0.90]", "  1.3  0.26 [0.10, 0.90]",
    ]  # fmt: skip


def test_the_page_of_measures_is_laid_out_for_its_screen_and_scrolled_by_the_keys_of_a_pane(tmp_path: Path) -> None:
    async def main() -> None:
        async with answers(*WORDS, *WORDS) as server, lab_at(tmp_path, "", (80, 24)) as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.words = "sweep -y -m fast/a -t 0.2,1.3 -n 3 --no-audit"
            await screen.ask("Snow?")
            await screen.shows("6/6 done")
            await screen.until(lambda: screen.board.ladder and screen.board.ladder.measured.count == 6, "measured")
            await screen.press("tab", "M")
            await screen.until(lambda: isinstance(screen.app.screen, Measures), "the page")
            page = screen.app.screen
            text, keys = page.query_one("#keys Static", Static), page.query_one("#keys", VerticalScroll)

            def wide() -> int:
                return max(map(width, str(text.content).partition("•")[0].split("\n")))

            def names() -> int:
                return sum(ENGLISH.measure(name).split()[0] in str(text.content) for name in found)

            ladder = screen.board.ladder
            assert ladder is not None and ladder.measured.reading is not None
            found = ladder.measured.reading.measures
            for size in ((80, 24), (40, 15), (200, 60), (120, 40)):
                await screen.pilot.resize_terminal(*size)
                most = Measures.room(size[0])
                least = 74 if most > 100 else 0
                await screen.until(lambda: least < wide() <= most, f"{size}")  # noqa: B023  asked at once
                assert names() == len(found) and "widen" not in str(text.content)
                assert keys.content_size.width >= most and page.query_one("#box").size.width >= size[0] - 4
            assert "space b: a page · g G: to an end" in str(page.query_one("#box-foot", Static).content)
            await screen.pilot.resize_terminal(80, 24)
            await screen.until(lambda: wide() <= 73)
            places = []
            for key in ("space", "space", "b", "G", "k", "j", "g", "pagedown", "end", "home"):
                await screen.press(key)
                await screen.until(lambda: not keys.is_scrolling)
                places.append(keys.scroll_offset.y)
            room = keys.scrollable_content_region.height
            last = int(keys.max_scroll_y)
            assert room < last and places[:3] == [room, min(2 * room, last), min(2 * room, last) - room]
            assert places[3] == last and places[4] == last - 1
            assert places[5] == places[3] and places[6] == 0 and places[7] == room and places[8:] == [places[3], 0]
            await screen.press("M")
            assert screen.app.screen is screen.app.lab_screen

    asyncio.run(main())
