"""What is selected in a pane: a piece of its lines, by cells; its text, with soft-wrapped lines whole again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.render.wrap import width, wrap_line
from promptlab.tui.marked import JOINT, Row, Span, softly


class Spot(NamedTuple):
    """A place in a pane's text: the line, and the cell in it."""

    line: int
    cell: int


class Selection(NamedTuple):
    """From the first spot up to the last one, which is not in it. The first is where it was begun: it may be behind."""

    start: Spot
    end: Spot

    @property
    def lines(self) -> range:
        first, last = sorted(self)
        return range(first.line, last.line + 1)

    def cells(self, line: int, wide: int) -> tuple[int, int]:
        """Which cells of a line are in it; a line has `wide` of them."""
        first, last = sorted(self)
        if not first.line <= line <= last.line:
            return 0, 0
        return (first.cell if line == first.line else 0), (last.cell if line == last.line else wide)


def shaded(row: Row, start: int, end: int) -> Row:
    """A row whose cells from `start` to `end` are in the style `selected`: a wide character whole or not at all."""
    found: list[Span] = []
    at = 0
    for text, style in row:
        parts = _parted(text, start - at, end - at)
        found += [Span(part, "selected" if inside else style) for part, inside in parts]
        at += width(text)
    return tuple(found)


def _parted(text: str, start: int, end: int) -> list[tuple[str, bool]]:
    """A text in pieces, and whether they are among these cells."""
    if end <= 0 or start >= width(text) or not text:
        return [(text, False)]
    before = _index(text, start)
    inside = _index(text, end, whole=True)
    parts = [(text[:before], False), (text[before:inside], True), (text[inside:], False)]
    return [(part, chosen) for part, chosen in parts if part]


def _index(text: str, cell: int, *, whole: bool = False) -> int:
    """The character at a cell; with `whole`, the first one that begins there or later."""
    at = 0
    for number, char in enumerate(text):
        if at >= cell if whole else at + width(char) > cell:
            while whole and number < len(text) and width(text[number]) == 0:
                number += 1  # marks stay with what they are on
            return number
        at += width(char)
    return len(text)


def text_of(selection: Selection, rows: Sequence[Row]) -> str:
    """The text of the selected rows, which are all of the lines that it has. What only the layout has put there (an
    indent, a bar, the break of a line that was too long) is not in it."""
    found = ""
    for line, row in zip(selection.lines, rows, strict=True):
        gap, head, text = _layout(row)
        start, end = selection.cells(line, head + width(text))
        if line > selection.lines.start:
            found += "\n" if gap is None else gap  # a gap may be a line's end: behind a bar
        found += text[_index(text, max(0, start - head)) : _index(text, max(0, end - head), whole=True)]
    return "\n".join(line.rstrip() for line in found.split("\n")).strip("\n")


def _layout(row: Row) -> tuple[str | None, int, str]:
    """What stood before it in its line where it goes on, the cells that are layout, and its text."""
    for number, span in enumerate(row):
        if not span.text and span.style.startswith(JOINT):
            return span.style[len(JOINT) :], width(_told(row[:number])), _told(row[number:])
    return None, 0, _told(row)


def _told(row: Row) -> str:
    return "".join(span.text for span in row)


def word(rows: Sequence[Row], spot: Spot) -> Selection:
    """The word at a spot of these rows: letters of one kind, Chinese or not, also where it goes on in the next row; a
    sign stands alone."""
    first, last = bounds(rows, spot.line)
    letters: list[tuple[str, Spot]] = []
    here = None
    for line in range(first, last + 1):
        gap, cell, text = _layout(rows[line])
        letters += [(char, Spot(line, cell)) for char in (gap or "") if line > first]
        for char in text:
            if line == spot.line and cell <= spot.cell < cell + width(char):
                here = len(letters)
            letters.append((char, Spot(line, cell)))
            cell += width(char)
    if here is None:
        return Selection(spot, spot)
    kind, start, end = _kind(letters[here][0]), here, here
    while kind and start > 0 and _kind(letters[start - 1][0]) == kind:
        start -= 1
    while kind and end + 1 < len(letters) and _kind(letters[end + 1][0]) == kind:
        end += 1
    char, behind = letters[end]
    return Selection(letters[start][1], Spot(behind.line, behind.cell + width(char)))


def _kind(char: str) -> str:
    if char.isalnum() or char == "_" or width(char) == 0:
        return "wide" if width(char) == 2 else "word"
    return ""


def bounds(rows: Sequence[Row], at: int) -> tuple[int, int]:
    """The first and the last of these rows that are one line with the one at `at`."""
    first = last = at
    while first > 0 and _goes_on(rows[first]):
        first -= 1
    while last + 1 < len(rows) and _goes_on(rows[last + 1]):
        last += 1
    return first, last


def _goes_on(row: Row) -> bool:
    return _layout(row)[0] not in (None, "\n")


def rejoined(text: str, lines: Sequence[str], cells: int, style: str) -> list[Row] | None:
    """The rows of a text of many lines that was wrapped to these; None where it was another."""
    rows = [row for line in text.split("\n") for row in softly([Span(line, style)], wrap_line(line, cells))]
    return rows if [_told(row) for row in rows[: len(lines)]] == list(lines) else None
