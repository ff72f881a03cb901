"""Many lines of which some are seen: how far they are scrolled, and what of them is selected. Knows no Textual."""

from __future__ import annotations

from abc import ABC, abstractmethod

from promptlab.tui.marked import Row
from promptlab.tui.selection import Selection, Spot, bounds, text_of, word

HEAD = 2  # rows above the lines: title and facts


class View(ABC):
    """A window of `width` cells and `height` rows on lines that grow, HEAD rows among these.

    It follows them until it is scrolled up, and again once it is scrolled to the end. `version` tells whether anything
    but the clock can have changed."""

    def __init__(self, cells: int, *, following: bool = True) -> None:
        self.width, self.height = cells, HEAD + 1
        self.follows, self.top, self.version = following, 0, 0
        self.selection: Selection | None = None

    @property
    @abstractmethod
    def count(self) -> int:
        """How many lines there are."""

    @abstractmethod
    def rows_of(self, lines: range) -> list[Row]:
        """Some of the lines, each told where it goes on from the one above."""

    @abstractmethod
    def caught_up(self) -> None:
        """Called where it may have come to follow again."""

    # -- how far it is scrolled ------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        return max(1, self.height - HEAD)

    def settle(self, count: int) -> None:
        last = max(0, count - self.room)
        self.top = last if self.follows else max(0, min(self.top, last))

    def scroll(self, lines: int) -> None:
        """Up (negative) stops following; down to the end follows again."""
        count = self.count
        self.settle(count)
        last = max(0, count - self.room)
        self.top = max(0, min(last, self.top + lines))
        self.follows = self.top >= last and (lines > 0 or self.follows)
        self.caught_up()
        self.version += 1

    def rescale(self, before: int) -> None:
        """Stand where it stood when there were so many lines."""
        if not self.follows and before:
            self.top = round(self.top * self.count / before)
        self.version += 1

    @property
    def part(self) -> float | None:
        """How far it is scrolled, from 0 at its beginning to 1 at its end; None while it follows."""
        last = self.count - self.room
        return None if self.follows or last <= 0 else max(0, min(self.top, last)) / last

    def to_part(self, part: float | None) -> None:
        """Scroll as far as another one is."""
        if part is None:
            self.follows = True
        else:
            last = max(0, self.count - self.room)
            self.top, self.follows = round(part * last), last == 0
        self.version += 1

    def to_line(self, number: int) -> None:
        """Scroll so that a line is the first one."""
        self.follows, self.top = False, max(0, number)
        self.version += 1

    def to_start(self) -> None:
        self.top, self.follows = 0, self.count <= self.room
        self.version += 1

    def to_end(self) -> None:
        self.follows = True
        self.caught_up()
        self.version += 1

    # -- what is selected ------------------------------------------------------------------------------------------

    def spot(self, x: int, y: int) -> Spot:
        """The place in its text of a cell of the window; above and below its text, the nearest there is."""
        line = max(0, min(self.top + max(0, min(y - HEAD, self.room - 1)), self.count - 1))
        return Spot(line, max(0, min(x, self.width)))

    def select(self, selection: Selection | None) -> None:
        if selection != self.selection:
            self.selection = selection
            self.version += 1

    def select_word(self, spot: Spot) -> None:
        found = word(self.rows_of(range(self.count)), spot)
        self.select(found if found.start != found.end else None)

    def select_line(self, spot: Spot) -> None:
        """The line as it was written, however many rows it has."""
        first, last = bounds(self.rows_of(range(self.count)), spot.line)
        self.select(Selection(Spot(first, 0), Spot(last, self.width)))

    @property
    def selected(self) -> str:
        """The text that is selected; lines that were too long for the window are whole in it."""
        if self.selection is None:
            return ""
        return text_of(self.selection, self.rows_of(self.selection.lines))
