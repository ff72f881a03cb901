"""A run under way, and the panes of a board that it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.events import Stamped
from promptlab.tui.lab import Began, Session
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.board import Board


@dataclass(slots=True)
class Flight:
    """`places` gives the pane of each cell; without it the run has a board of its own, made once it has begun."""

    session: Session
    prompt: str
    board: Board | None = None
    places: Mapping[int, int] | None = None

    def begin(self, began: Began, say: Say) -> bool:
        """Make its panes; gives whether they are a board of its own."""
        from promptlab.tui.board import board_of

        cells = began.run.plan.cells
        if self.board is None or self.places is None:
            self.board = board_of(began.run, began.costing, say, self.session.now)
            self.places = {cell.index: cell.index for cell in cells}
            return True
        for cell in cells:
            self.board.replace(self.places[cell.index], cell, began.costing, self.session.now)
        return False

    def take(self, stamped: Stamped) -> None:
        if self.board is not None and self.places is not None:
            self.board.take(stamped._replace(cell=self.places[stamped.cell]))

    def cell_of(self, board: Board | None, pane: int) -> int | None:
        """The cell that fills a pane; None where that is none of this run's."""
        if board is None or board is not self.board or self.places is None:
            return None
        return next((cell for cell, place in self.places.items() if place == pane), None)
