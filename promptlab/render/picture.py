"""A finished drawing: rows of styled text, the same as plain lines for a file and as colours for a terminal.

Rows are measured in cells by who made them, and nothing in them is markup. Colour adds to what the characters say
and never says it alone, so the plain form has everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from promptlab.render.wrap import fit, width

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.style import Style

GAP = " │ "
HEATS = 5  # steps of the colour scale
COLOURS = 6  # series that have a colour of their own

_STYLES = {
    "": "", "title": "bold cyan", "strong": "bold", "dim": "dim", "fault": "bold red", "note": "yellow",
    # One hue from dark to light, each with letters that can be read on it whatever the terminal's own colours are.
    "heat0": "#c9d6e2 on #14273b", "heat1": "#dfe9f2 on #1d4468", "heat2": "#ffffff on #2b6699",
    "heat3": "#06121c on #6ba6d3", "heat4": "#06121c on #b5dcf5",
    "series0": "cyan", "series1": "yellow", "series2": "magenta", "series3": "green", "series4": "blue",
    "series5": "red",
}  # fmt: skip


class Piece(NamedTuple):
    """A piece of one row: text without newlines, and the name of its style."""

    text: str
    style: str = ""


Row = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows from top to bottom. `print(picture)` is plain text, `console.print(picture)` is coloured."""

    rows: tuple[Row, ...] = ()

    def lines(self) -> list[str]:
        """The rows as plain text, without escape codes or spaces at their ends."""
        return ["".join(piece.text for piece in row).rstrip() for row in self.rows]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for row in self.rows:
            yield from (Segment(text, _style(style)) for text, style in row)
            yield Segment.line()


@cache
def _style(name: str) -> Style:
    from rich.style import Style

    return Style.parse(_STYLES[name])


def row(text: str, style: str = "") -> Row:
    return (Piece(text, style),)


BLANK: Row = ()


def stack(pictures: Iterable[Picture]) -> Picture:
    """Pictures one under another, with a blank row between them; empty ones are left out."""
    rows: list[Row] = []
    for picture in pictures:
        if picture.rows:
            rows += [BLANK, *picture.rows] if rows else picture.rows
    return Picture(tuple(rows))


def beside(blocks: Sequence[Sequence[Row]], cells: int, gap: str = GAP) -> Iterator[Row]:
    """Blocks of rows side by side, each `cells` wide; a row that is longer is cut."""
    for number in range(max(map(len, blocks), default=0)):
        pieces: list[Piece] = []
        for place, block in enumerate(blocks):
            if place:
                pieces.append(Piece(gap, "dim"))
            pieces += _filled(block[number] if number < len(block) else BLANK, cells)
        yield tuple(pieces)


def _filled(pieces: Row, cells: int) -> Row:
    """The row cut or filled up to exactly `cells`."""
    left = cells - sum(width(text) for text, _ in pieces)
    return (*pieces, Piece(" " * left)) if left >= 0 else clipped(pieces, cells)


def clipped(pieces: Row, cells: int) -> Row:
    """The row, cut to `cells` with an ellipsis if it is wider."""
    kept: list[Piece] = []
    for number, (text, style) in enumerate(pieces):
        rest = any(text for text, _ in pieces[number + 1 :])
        room = cells - sum(width(text) for text, _ in kept)
        if width(text) < room or (width(text) == room and not rest):
            kept.append(Piece(text, style))
            continue
        cut = fit(text + "…" * rest, room) if room else ""
        return (*kept, Piece(cut + " " * (room - width(cut)), style))
    return tuple(kept)
