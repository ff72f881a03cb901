"""Find in all panes, and two panes as one text: what both have, what only one has."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from promptlab.render.sanitise import clean
from promptlab.render.wrap import pad, width
from promptlab.tui.marked import Span
from promptlab.tui.picker import Compared, Item, Picker
from promptlab.tui.status import title

if TYPE_CHECKING:
    from promptlab.tui.board import Board
    from promptlab.tui.screen import LabScreen

_TITLED = 40  # and in a title
_NAMED = 24  # cells of a target in a list at most
MOST = 4000  # words of each text that are compared; the work grows with their product
_WORDS = re.compile(r"\n|[^\S\n]+|[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff65]|\w+|[^\w\s]")
MARKS = {"gone": ("[-", "-]"), "new": ("{+", "+}")}  # said without colour, too


def open_find(screen: LabScreen) -> None:
    say, board = screen.say, screen.board
    if board is None:
        return

    room = max(8, min(_NAMED, screen.app.size.width // 4))
    names = [title(pane.cell, room) for pane in board.panes]
    wide = max(map(width, names), default=0)

    def load(letters: str) -> list[Item]:
        found = board.find(letters)
        return [Item(f"{pane} {part} {row}", f"{pane + 1:<3} {pad(names[pane], wide)}  {text}")
                for pane, part, row, text in found]  # fmt: skip

    def go(where: str | None) -> None:
        screen.canvas.repaint()
        if where is not None:
            pane, part, row = where.split()
            board.go(int(pane))
            if board.climbs:  # whose samples are too short to show it
                screen.action_zoom()
            board.current.reveal(part, int(row))
            screen.canvas.paint()

    picker = Picker(say("find"), say("find_filter"), say("find_keys"), say("find_none"), load, quick=True)
    screen.app.push_screen(picker, go)


def open_compare(screen: LabScreen) -> None:
    """The pane in focus with another one: the other of two, or one that is picked."""
    say, board = screen.say, screen.board
    if board is None or len(board.panes) < 2:
        screen.tell(say("one_pane"))
        return
    others = [pane for pane in board.panes if pane is not board.current]
    items = [Item(str(pane.cell.index), f"{pane.cell.index + 1:<3} {title(pane.cell, 80)}") for pane in others]

    def load(letters: str) -> list[Item]:
        return [item for item in items if letters.casefold() in item.line.casefold()]

    if len(items) == 1:
        _compare(screen, board, items[0].id)
    else:
        picker = Picker(say("compare"), say("find_filter"), say("compare_keys"), say("find_none"), load, quick=True)
        screen.app.push_screen(picker, lambda other: _compare(screen, board, other))


def _compare(screen: LabScreen, board: Board, other: str | None) -> None:
    say = screen.say
    screen.canvas.repaint()
    if other is None:
        return
    one, two = board.current, board.panes[int(other)]
    first, second = one.said.answer, two.said.answer
    if not (first and second):
        first, second = one.said.thinking, two.said.thinking
    if not (first and second):
        screen.tell(say("copy_none"))
        return
    numbers = {"one": one.cell.index + 1, "two": two.cell.index + 1}
    room = (screen.app.size.width - 8) // 2 - 5
    name = " ↔ ".join(f"{pane.cell.index + 1} {title(pane.cell, max(8, min(_TITLED, room)))}" for pane in (one, two))

    def show(spans: list[Span]) -> None:
        differ = any(span.style != "same" for span in spans)
        foot = f"{say('compared', **numbers)} · " * differ + say("compared_foot")
        equal = say("compared_equal" if first == second else "compared_so_far", **numbers, count=MOST)
        screen.app.push_screen(Compared(name, foot, spans if differ else [Span(f"{equal}\n\n", "head"), *spans]))

    screen.aside("compare", lambda: difference(clean(first), clean(second)), show)  # long texts take a second


def difference(first: str, second: str) -> list[Span]:
    """Two texts as one, by words, Chinese by characters: spans of the styles same, gone and new, in reading order; gone
    and new ones stand in marks."""
    left, right = (_WORDS.findall(text) for text in (first, second))
    spans: list[Span] = []
    matcher = SequenceMatcher(None, left[:MOST], right[:MOST], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            spans.append(Span("".join(left[a:b]), "same"))
            continue
        for style, words in (("gone", left[a:b]), ("new", right[c:d])):
            if words:
                before, after = MARKS[style]
                spans.append(Span(f"{before}{''.join(words)}{after}", style))
    if len(left) > MOST or len(right) > MOST:
        spans.append(Span("\n…", "same"))
    return spans
