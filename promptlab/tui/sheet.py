"""A text in rows: as Markdown, or as it was written. A bug in the making of Markdown ends no screen: the text is shown
as it was written then, and says so. Knows no Textual."""

from __future__ import annotations

import logging
from io import StringIO
from pathlib import Path
from traceback import extract_tb

from promptlab.render.wrap import WrapBuffer, width, wrap_line
from promptlab.tui.marked import Marked, Row, Span, joint, softly
from promptlab.tui.text import Say

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # or an error is printed over the screen


class Sheet:
    """A text that grows, sanitised already, in rows of `cells`. `plain` shows it as it was written.

    `fallen` counts how often no Markdown could be made of it: rows that were counted before are others then. Markdown
    is tried again where all rows are made anew. The error goes to the logger of this module."""

    def __init__(self, cells: int, say: Say, *, plain: bool = False) -> None:
        self._cells, self._say, self._plain = cells, say, plain
        self._text = StringIO()
        self.fallen = 0
        self._begin()

    def _begin(self) -> None:
        self._written: Written | None = None  # where Markdown has failed
        try:
            self._marked = Marked(self._cells, plain=self._plain)
            self._marked.append(self._text.getvalue())
        except Exception as error:
            self._fall(error)

    def append(self, text: str) -> None:
        self._text.write(text)
        if self._written is not None:
            self._written.append(text)
            return
        try:
            self._marked.append(text)
        except Exception as error:
            self._fall(error)

    def resize(self, cells: int, *, plain: bool | None = None) -> None:
        """Make all rows anew, at another width or as written."""
        plain = self._plain if plain is None else plain
        if (cells, plain) != (self._cells, self._plain):
            self._cells, self._plain = cells, plain
            self._begin()

    @property
    def plain(self) -> bool:
        """Whether it is shown as it was written."""
        return self._plain or self._written is not None

    def __len__(self) -> int:
        """How many rows there are, without blank ones at the end."""
        if self._written is None:
            try:
                return len(self._marked)
            except Exception as error:
                self._fall(error)
        return len(self._written or ())

    def __getitem__(self, number: int) -> Row:
        if self._written is None:
            try:
                return self._marked[number]
            except Exception as error:
                self._fall(error)
        return self._written[number] if self._written is not None else ()

    def _fall(self, error: Exception) -> None:
        _log.error("no Markdown could be made of a text", exc_info=error)
        self.fallen += 1
        where = extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}, {Path(where.filename).name}:{where.lineno}"
        self._written = Written(self._cells, self._say("mark_fault", what=what))
        self._written.append(self._text.getvalue())


class Written:
    """A text as it was written, in rows of `cells`, and below it a note. Nothing of it parses Markdown."""

    def __init__(self, cells: int, note: str) -> None:
        self._cells = cells
        self._rows: list[Row] = []  # of lines that have ended
        self._begin()
        self._note: list[Row] = [(), *((Span(line, "note"),) for line in wrap_line(note, cells))]

    def _begin(self) -> None:
        self._open: list[str] = []  # the line that has not ended
        self._line = WrapBuffer(self._cells)

    def append(self, text: str) -> None:
        first, *others = text.split("\n")
        self._extend(first)
        for piece in others:
            self._rows += softly([Span("".join(self._open), "answer")], self._line.lines) or [()]
            self._begin()
            self._extend(piece)

    def _extend(self, piece: str) -> None:
        self._open.append(piece)
        self._line.append(piece)

    def _row(self, number: int) -> Row:
        """A row of the line that has not ended."""
        lines = self._line.lines
        if number == 0:
            return (Span(lines[0], "answer"),)
        wide = width(lines[number - 1][-1:]) == 2 or width(lines[number][:1]) == 2
        return joint("" if wide else " "), Span(lines[number], "answer")

    def __len__(self) -> int:
        return len(self._rows) + len(self._line.lines) + len(self._note)

    def __getitem__(self, number: int) -> Row:
        """A row; an empty one behind the last, for what was counted while there was Markdown."""
        ended, begun = len(self._rows), len(self._line.lines)
        if number < ended:
            return self._rows[number]
        if number < ended + begun:
            return self._row(number - ended)
        return self._note[number - ended - begun] if number < len(self) else ()
