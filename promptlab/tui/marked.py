"""Markdown as it grows, line by line: what has ended is made into rows once, only the last line and a table that may
go on are made anew. Lines stay lines, as they were written: a poem is no paragraph.

What is on a row depends on the text alone and not on how it came: streamed is the same as rendered at once.

A row that goes on from the one above has a joint in it: an empty span, whose style is `+` and the text that stood
between the two. What is before it (an indent, the bar of a quotation) is not in the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from promptlab.render.wrap import WrapBuffer, pad, width, wrap_line
from promptlab.tui.fence import Fence, closed, opened

if TYPE_CHECKING:
    from promptlab.tui.syntax import Colours

LONGEST = 1500  # characters of a line that are looked at for marks; a longer one is shown as it is
MOST_ROWS = 200  # of a table
LEAST_COLUMN = 6  # cells, under which a table is shown as it was written
MOST_CODE = 200_000  # characters of a block that are coloured
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_BULLET = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])[ \t]+(?=\S)")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_INLINE = re.compile(
    r"(?<!`)(?P<ticks>`{1,2})(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\*\*(?=[^\s*])(?P<strong>.+?)(?<=[^\s*])\*\*(?!\*)"
    r"|(?<![\w*])\*(?=[^\s*])(?P<mild>[^*]+?)(?<=[^\s*])\*(?![\w*])"
)
_CELL = re.compile(r"(?<!\\)\|")
_SEPARATOR = re.compile(r"[ \t]*:?-+:?[ \t]*")


class Span(NamedTuple):
    """A piece of a row, and the name of its style."""

    text: str
    style: str


Row = tuple[Span, ...]
JOINT = "+"


def joint(gap: str) -> Span:
    """Goes before what is a line's own in a row; `gap` is what stood between it and the row above."""
    return Span("", JOINT + gap)


class Marked:
    """A text of Markdown in rows of `cells`. It is sanitised already. `plain` shows it as it was written."""

    def __init__(self, cells: int, *, plain: bool = False) -> None:
        self._cells, self._plain = cells, plain
        self._rows: list[Row] = []  # of lines that have ended, but for a table that may go on
        self._table = Table(cells)
        self._fence: Fence | None = None
        self._colours: Colours | None = None
        self._code = 0  # characters of the block so far
        self._open: list[str] = []  # pieces of the line that has not ended
        self._size = 0  # its characters
        self._long: WrapBuffer | None = None  # it, where it is too long to be looked at
        self._tail: list[Row] | None = []  # rows of the table and of that line; None: to be made anew

    def append(self, text: str) -> None:
        first, *others = text.split("\n")
        self._extend(first)
        for piece in others:
            self._end_line()
            self._extend(piece)

    def __len__(self) -> int:
        """How many rows there are, without blank ones at the end."""
        tail = self._made()
        count = len(self._rows) + (len(self._long.lines) if self._long is not None else len(tail))
        least = max(0, count - MOST_ROWS)
        while count > least and not any(span.text.strip() for span in self[count - 1]):
            count -= 1
        return count

    def __getitem__(self, number: int) -> Row:
        if number < len(self._rows):
            return self._rows[number]
        if self._long is not None:
            return self._long_row(self._long.lines, number - len(self._rows))
        return self._made()[number - len(self._rows)]

    # -- how it grows ----------------------------------------------------------------------------------------------

    @property
    def _usual(self) -> str:
        return "code" if self._fence else "answer"

    def _extend(self, piece: str) -> None:
        if not piece:
            return
        self._open.append(piece)
        self._size += len(piece)
        self._tail = None
        if self._long is not None:
            self._long.append(piece)
        elif self._size > LONGEST:
            self._end_table()
            self._long = WrapBuffer(self._cells)
            self._long.append("".join(self._open))

    def _end_line(self) -> None:
        line = "".join(self._open)
        if self._long is not None:
            self._rows += softly([Span(line, self._usual)], self._long.lines)
        elif self._in_table(line) and len(self._table) < MOST_ROWS:
            self._table.add(line)
        else:
            self._end_table()
            self._rows += self._line(line, ended=True)
            self._go_on(line)
        self._open, self._size, self._long, self._tail = [], 0, None, None

    def _end_table(self) -> None:
        if self._table:
            self._rows += self._table.rows()
            self._table = Table(self._cells)

    def _in_table(self, line: str) -> bool:
        return not self._plain and not self._fence and line.lstrip().startswith("|")

    def _go_on(self, line: str) -> None:
        """Into a block of code, or out of it."""
        if self._plain:
            return
        if self._fence is None:
            self._fence = opened(line)
            if self._fence is not None:
                from promptlab.tui.syntax import Colours

                self._colours, self._code = Colours(self._fence.language), 0
        elif closed(self._fence, line):
            self._fence = self._colours = None
        else:
            self._code += len(line)

    def _long_row(self, lines: list[str], number: int) -> Row:
        """A row of a line that is too long to be looked at, and has not ended."""
        row = (Span(lines[number], self._usual),)
        if number == 0:
            return row
        wide = width(lines[number - 1][-1:]) == 2 or width(lines[number][:1]) == 2
        return (joint("" if wide else " "), *row)

    def _made(self) -> list[Row]:
        if self._tail is None:
            line = "".join(self._open) if self._long is None else ""
            if line and self._in_table(line):
                self._tail = self._table.rows(line)
            else:
                self._tail = [*self._table.rows(), *(self._line(line, ended=False) if line else [])]
        return self._tail

    # -- what a line looks like ------------------------------------------------------------------------------------

    def _line(self, line: str, *, ended: bool) -> list[Row]:
        if self._plain or len(line) > LONGEST:
            return wrapped([Span(line, self._usual)], self._cells)
        line = line.replace("\t", "    ")
        if self._fence is not None and not closed(self._fence, line):
            known = self._colours if self._code < MOST_CODE else None
            return cut([Span(line, "code")] if known is None else known.line(line, ended=ended), self._cells)
        if self._fence is not None or opened(line):
            return wrapped([Span(line, "mark")], self._cells)
        if _RULE.match(line):
            return [(Span("─" * self._cells, "mark"),)]
        if found := _HEADING.match(line):
            return self._hung([], inline(found[1], "heading"))
        if found := _QUOTE.match(line):
            return self._hung([Span("▎ ", "mark")], inline(line[found.end() :], "quote"), again=True)
        if found := _BULLET.match(line):
            sign = "•" if found[2] in "-*+" else found[2]
            head = [Span(found[1][: self._cells // 2], "answer"), Span(f"{sign} ", "mark")]
            return self._hung(head, inline(line[found.end() :], "answer"))
        return self._hung([], inline(line, "answer"))

    def _hung(self, head: list[Span], spans: list[Span], *, again: bool = False) -> list[Row]:
        """Wrapped behind a head; the rows after the first are indented as far, or have it `again`."""
        wide = sum(width(span.text) for span in head)
        if wide + 2 > self._cells:
            return wrapped([*head, *spans], self._cells)
        rows = wrapped(spans, self._cells - wide)
        indent = head if again else [Span(" " * wide, "answer")] if wide else []
        return [(*(head if number == 0 else indent), *row) for number, row in enumerate(rows)]


class Table:
    """The lines of a table, or of what may become one; rows of lines that have ended are made again only where a column
    gets wider."""

    def __init__(self, cells: int) -> None:
        self._cells = cells
        self._lines: list[str] = []
        self._parsed: list[list[list[Span]]] = []  # cells of these lines
        self._made: list[Row] = []
        self._count = 0  # lines that are in these rows
        self._form: object = None  # what these rows were made for

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: str) -> None:
        self._lines.append(line)
        self._parsed.append(self._cells_of(line, len(self._lines) - 1))

    def rows(self, last: str = "") -> list[Row]:
        """Aligned by cells, where it is a table and there is room; else as it was written. `last` has not ended."""
        lines = [*self._lines, last] if last else self._lines
        if len(lines) < 2 or not all(map(_SEPARATOR.fullmatch, rule := _cells(lines[1]))):
            return self._written(lines)
        parsed = [*self._parsed, self._cells_of(last, len(self._lines))] if last else self._parsed
        if len(rule) != len(parsed[0]):  # a table has as many columns as its head (GFM)
            return self._written(lines)
        columns = max(len(rule), *map(len, parsed))
        wides = [max(_wide(row[at]) for row in parsed if at < len(row)) for at in range(columns)]
        narrow = _shares(wides, self._cells - 3 * (columns - 1))
        if min(narrow) < 0 or any(len(line) > LONGEST for line in lines):
            return self._written(lines)
        right = [cell.strip().endswith(":") and not cell.strip().startswith(":") for cell in rule]
        form = narrow, right, narrow != wides
        if form != self._form:
            self._form, self._made, self._count = form, [], 0
        for number in range(self._count, len(self._lines)):
            self._made += _table_rows(parsed[number], number, narrow, right, tall=narrow != wides)
        self._count = len(self._lines)
        if not last:
            return self._made
        return self._made + _table_rows(parsed[-1], len(self._lines), narrow, right, tall=narrow != wides)

    def _cells_of(self, line: str, number: int) -> list[list[Span]]:
        if number == 1 or len(line) > LONGEST:  # the line below the head has no cells
            return [[Span("", "answer")]]
        return [inline(cell.strip().replace("\t", " "), "answer" if number else "strong") for cell in _cells(line)]

    def _written(self, lines: list[str]) -> list[Row]:
        return [row for line in lines for row in wrapped([Span(line.replace("\t", " "), "answer")], self._cells)]


def inline(text: str, style: str) -> list[Span]:
    """A line's text without its marks, as spans."""
    spans, at = [], 0
    for found in _INLINE.finditer(text):
        if found.start() > at:
            spans.append(Span(text[at : found.start()], style))
        if found["code"] is not None:
            spans.append(Span(found["code"], "code"))
        elif found["strong"] is not None:
            spans += inline(found["strong"], "strong" if style == "answer" else style)
        else:
            spans.append(Span(found["mild"], "mild" if style == "answer" else style))
        at = found.end()
    return [*spans, Span(text[at:], style)] if at < len(text) or not spans else spans


def wrapped(spans: list[Span], cells: int) -> list[Row]:
    """Spans in rows: the text is wrapped as a whole, and its pieces take their styles along."""
    return softly(spans, wrap_line("".join(span.text for span in spans), cells))


def softly(spans: list[Span], pieces: list[str]) -> list[Row]:
    """Spans in rows of these texts; between two there is nothing but spaces."""
    if len(pieces) == 1 and len(spans) == 1:
        return [(Span(pieces[0], spans[0].style),)]
    text = "".join(span.text for span in spans)
    rows: list[Row] = []
    at = 0
    for number, piece in enumerate(pieces):
        start = text.find(piece, at)
        if start < 0:  # its tabs were made spaces
            rows.append((*([joint(" ")] if number else []), Span(piece, spans[0].style)))
            continue
        gap = (joint(text[at:start]),) if number else ()
        at = start + len(piece)
        rows.append((*gap, *_cut(spans, start, at)))
    return rows


def cut(spans: list[Span], cells: int) -> list[Row]:
    """Spans in rows that are cut where they are full: in code a space is not to be lost."""
    if sum(width(span.text) for span in spans) <= cells:
        return [tuple(spans)]
    rows: list[Row] = []
    row: list[Span] = []
    left = cells
    for text, style in spans:
        start = 0
        for at, char in enumerate(text):
            wide = width(char)
            if wide > left:
                rows.append((*row, Span(text[start:at], style)))
                row, start, left = [joint("")], at, cells
            left -= wide
        row.append(Span(text[start:], style))
    return [*rows, tuple(row)]


def _cut(spans: list[Span], start: int, end: int) -> Row:
    found, begins = [], 0
    for text, style in spans:
        ends = begins + len(text)
        if part := text[max(0, start - begins) : max(0, end - begins)]:
            found.append(Span(part, style))
        begins = ends
    return tuple(found)


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.replace("\\|", "|") for cell in _CELL.split(inner)]


def _wide(spans: list[Span]) -> int:
    return sum(width(span.text) for span in spans)


def _shares(wides: list[int], cells: int) -> list[int]:
    """What each column gets of these cells: all that it wants, or as much as the other wide ones. Less than
    LEAST_COLUMN for one of these, and all get -1."""
    found, left = list(wides), cells
    for number, at in enumerate(sorted(range(len(wides)), key=lambda at: wides[at])):
        fair = left // (len(wides) - number)
        if wides[at] > fair:
            found[at] = fair if fair >= LEAST_COLUMN else -1
        left -= found[at]
    return [-1] * len(wides) if min(found, default=0) < 0 else found


def _table_rows(
    row: list[list[Span]], number: int, wides: list[int], right: list[bool], *, tall: bool
) -> list[Row]:  # fmt: skip
    """The rows of a line of a table; where cells are wrapped (`tall`), a rule parts it from the one above."""
    rule = (Span("─┼─".join("─" * wide for wide in wides), "mark"),)
    if number == 1:
        return [rule]
    if not tall:
        return [_table_row(row, wides, right)]
    parts = [wrapped(spans, max(2, wide)) for spans, wide in zip(row, wides, strict=False)]
    rows = [
        _table_row([list(part[line]) if line < len(part) else [] for part in parts], wides, right)
        for line in range(max(map(len, parts), default=0))
    ]
    return [rule, *rows] if number > 2 else rows


def _table_row(row: list[list[Span]], wides: list[int], right: list[bool]) -> Row:
    found: list[Span] = []
    for at, wide in enumerate(wides):
        spans = row[at] if at < len(row) else []
        blank = Span(pad("", wide - _wide(spans)), "answer")
        found += [Span(" │ ", "mark")] if at else []
        found += [blank, *spans] if at < len(right) and right[at] else [*spans, blank]
    return tuple(span for span in found if span.text)
