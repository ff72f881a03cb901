"""Markdown as it grows, line by line: what has ended is made into rows once, only the last line and a table that may
go on are made anew. Lines stay lines, as they were written: a poem is no paragraph.

What is on a row depends on the text alone and not on how it came: streamed is the same as rendered at once.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from promptlab.render.wrap import WrapBuffer, pad, width, wrap_line

LONGEST = 1500  # characters of a line that are looked at for marks; a longer one is shown as it is
MOST_ROWS = 200  # of a table
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)$")
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


class Marked:
    """A text of Markdown in rows of `cells`. It is sanitised already. `plain` shows it as it was written."""

    def __init__(self, cells: int, *, plain: bool = False) -> None:
        self._begin(cells, plain)

    def _begin(self, cells: int, plain: bool) -> None:
        self._cells, self._plain = cells, plain
        self._written: list[str] = []  # lines that have ended
        self._rows: list[Row] = []  # of these, but for a table that may go on
        self._table: list[str] = []
        self._fence = ""
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

    def resize(self, cells: int, *, plain: bool | None = None) -> None:
        """Make all rows anew, at another width or as written."""
        plain = self._plain if plain is None else plain
        if (cells, plain) == (self._cells, self._plain):
            return
        text = "\n".join([*self._written, "".join(self._open)])
        self._begin(cells, plain)
        self.append(text)

    @property
    def plain(self) -> bool:
        return self._plain

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
            return (Span(self._long.lines[number - len(self._rows)], self._usual),)
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
        self._written.append(line)
        if self._long is not None:
            self._rows += [(Span(text, self._usual),) for text in self._long.lines]
        elif self._in_table(line) and len(self._table) < MOST_ROWS:
            self._table.append(line)
        else:
            self._end_table()
            self._rows += self._line(line)
            self._fence = self._fenced(line)
        self._open, self._size, self._long, self._tail = [], 0, None, None

    def _end_table(self) -> None:
        if self._table:
            self._rows += self._table_rows(self._table)
            self._table = []

    def _in_table(self, line: str) -> bool:
        return not self._plain and not self._fence and line.lstrip().startswith("|")

    def _fenced(self, line: str) -> str:
        """The fence that is open behind a line."""
        if self._plain or not (found := _FENCE.match(line)):
            return self._fence
        if not self._fence:
            return found[1]
        closes = found[1].startswith(self._fence) and not found[2].strip()
        return "" if closes else self._fence

    def _made(self) -> list[Row]:
        if self._tail is None:
            line = "".join(self._open) if self._long is None else ""
            if line and self._in_table(line):
                self._tail = self._table_rows([*self._table, line])
            else:
                self._tail = [*self._table_rows(self._table), *(self._line(line) if line else [])]
        return self._tail

    # -- what a line looks like ------------------------------------------------------------------------------------

    def _line(self, line: str) -> list[Row]:
        if self._plain or len(line) > LONGEST:
            return [(Span(text, self._usual),) for text in wrap_line(line, self._cells)]
        line = line.replace("\t", "    ")
        if self._fence:
            mark = _FENCE.match(line) and not self._fenced(line)
            return [(Span(text, "mark" if mark else "code"),) for text in wrap_line(line, self._cells)]
        if _FENCE.match(line):
            return [(Span(text, "mark"),) for text in wrap_line(line, self._cells)]
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

    def _table_rows(self, lines: list[str]) -> list[Row]:
        """Aligned by cells, where it is a table and there is room; else as it was written."""
        table = [_cells(line) for line in lines]
        if len(table) < 2 or not all(map(_SEPARATOR.fullmatch, table[1])) or any(len(x) > LONGEST for x in lines):
            return [row for line in lines for row in wrapped([Span(line.replace("\t", " "), "answer")], self._cells)]
        right = [cell.strip().endswith(":") and not cell.strip().startswith(":") for cell in table[1]]
        columns = max(map(len, table))
        made = [
            [inline(cell.strip().replace("\t", " "), "strong" if at == 0 else "answer") for cell in row]
            for at, row in enumerate(table) if at != 1
        ]  # fmt: skip
        wides = [max((_wide(row[at]) for row in made if at < len(row)), default=0) for at in range(columns)]
        if sum(wides) + 3 * (columns - 1) > self._cells:
            return [row for line in lines for row in wrapped([Span(line.replace("\t", " "), "answer")], self._cells)]
        rows = [_table_row(row, wides, right) for row in made]
        rule = (Span("─┼─".join("─" * wide for wide in wides), "mark"),)
        return [rows[0], rule, *rows[1:]]


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
    text = "".join(span.text for span in spans)
    rows: list[Row] = []
    at = 0
    for piece in wrap_line(text, cells):
        start = text.index(piece, at)  # between two pieces there is nothing but spaces
        at = start + len(piece)
        rows.append(_cut(spans, start, at))
    return rows


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


def _table_row(row: list[list[Span]], wides: list[int], right: list[bool]) -> Row:
    found: list[Span] = []
    for at, wide in enumerate(wides):
        spans = row[at] if at < len(row) else []
        blank = Span(pad("", wide - _wide(spans)), "answer")
        found += [Span(" │ ", "mark")] if at else []
        found += [blank, *spans] if at < len(right) and right[at] else [*spans, blank]
    return tuple(span for span in found if span.text)
