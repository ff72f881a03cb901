"""Reading answers side by side: a screen that scrolls all of them or one, unfolds the prompt, and shows Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual import on
from textual.screen import Screen

from promptlab.tui.canvas import Canvas
from promptlab.tui.seats import Seats

if TYPE_CHECKING:
    from promptlab.tui.board import Board


class Stage(Canvas, inherit_bindings=False):
    """The canvas, without the keys of the lab: here they vote."""

    def seat(self, seats: Seats) -> None:
        self.show(cast("Board", seats))  # of a board it takes what seats have too


class Reading(Screen[None]):
    """A screen with a `Stage`; which keys it has is for the one that is made of it."""

    _seats: Seats | None = None

    @property
    def stage(self) -> Stage:
        return self.query_one(Stage)

    @property
    def seats(self) -> Seats | None:
        return self._seats

    def _with_seats(self, do: Callable[[Seats], object]) -> None:
        if self._seats is not None:
            do(self._seats)
            self.stage.paint()

    def action_lines(self, by: int) -> None:
        self._with_seats(lambda seats: seats.each(lambda pane: pane.scroll(by)))

    def action_pages(self, by: int) -> None:
        self._with_seats(lambda seats: seats.each(lambda pane: pane.scroll(by * max(1, pane.room - 1))))

    def action_ends(self, by: int) -> None:
        self._with_seats(lambda seats: seats.each(lambda pane: pane.to_end() if by > 0 else pane.to_start()))

    def action_mark(self) -> None:
        self._with_seats(lambda seats: seats.each(lambda pane: pane.mark(), -1))

    def action_one(self) -> None:
        self._with_seats(lambda seats: seats.step())

    def action_whole(self) -> None:
        if self._seats is not None:
            self._seats.unfold()
            self.stage.refresh()
            self.stage.paint()

    @on(Canvas.Chosen)
    def chosen(self, event: Canvas.Chosen) -> None:
        if self._seats is not None and event.lines:
            self._seats.each(lambda pane: pane.scroll(event.lines), event.pane)
            self.stage.paint()
