"""Letters that are looked for in the rows of a text as it was written: a line that was too long for its rows is whole
again, so that what is found does not depend on the width. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from promptlab.tui.marked import JOINT, Row

_NEAR = 60  # characters behind a hit that are read with it
_LEAD = 24  # so far from its beginning a line is told from there
_BEFORE = 12  # else so many characters before the hit
_TOLD = 240  # of a line
_QUOTED = "▎ "  # the bar of a quotation, which is no text


class Sought:
    """Rows, ready to be searched; whatever the case of the letters."""

    def __init__(self, rows: Iterable[Row]) -> None:
        folded: list[str] = []
        lines: list[list[str]] = []
        self._rows: list[int] = []  # where each begins in all the letters
        self._begins: list[int] = []  # and each line
        at = 0
        for row in rows:
            gap, text = _told(row)
            if gap is None or not lines:
                at += bool(lines)
                folded.append("\n" * bool(lines))
                lines.append([])
                self._begins.append(at)
            elif gap:
                lines[-1].append(gap)
                folded.append(gap)
                at += len(gap)
            self._rows.append(at)
            lines[-1].append(text)
            folded.append(text.casefold())
            at += len(folded[-1])
        self._letters = "".join(folded)
        self._lines = ["".join(line) for line in lines]

    def find(self, letters: str) -> Iterator[tuple[int, str]]:
        """The row where a hit begins, and what stands there; of hits that are read together only the first one."""
        wanted = letters.casefold()
        at = self._letters.find(wanted)
        while at >= 0:
            row = bisect_right(self._rows, at) - 1
            line = bisect_right(self._begins, at) - 1
            yield row, self._shown(line, at - self._begins[line])
            end = self._begins[line + 1] if line + 1 < len(self._begins) else len(self._letters)
            at = self._letters.find(wanted, min(max(at + 1, end), at + max(_NEAR, len(wanted))))

    def _shown(self, line: int, at: int) -> str:
        text = self._lines[line]
        start = 0 if at <= _LEAD else min(at, len(text)) - _BEFORE  # folded, a few letters are two: near enough
        return ("…" * (start > 0) + text[max(0, start) :][:_TOLD]).strip()


def _told(row: Row) -> tuple[str | None, str]:
    """What stood between a row and the one above where it goes on, and its own text."""
    for number, span in enumerate(row):
        if not span.text and span.style.startswith(JOINT):
            gap: str | None = span.style[len(JOINT) :]
            return (None if gap == "\n" else gap), "".join(one.text for one in row[number:])
    whole = row[1:] if row and row[0].text == _QUOTED else row
    return None, "".join(span.text for span in whole)
