"""A run under way, and the panes of a board that it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptlab.tui.lab import Began, Session
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.events import Stamped
    from promptlab.tui.board import Board
    from promptlab.tui.pane import Pane


@dataclass(slots=True)
class Flight:
    """`places` gives the pane of each cell; without it the run has a board of its own, made once it has begun."""

    session: Session
    prompt: str
    board: Board | None = None
    places: Mapping[int, int] | None = None
    _panes: dict[int, Pane] = field(default_factory=dict)  # by cell; filled once it has begun

    def begin(self, began: Began, say: Say) -> bool:
        """Make its panes; gives whether they are a board of its own."""
        from promptlab.tui.board import board_of

        cells, own = began.run.plan.cells, False
        if self.board is None or self.places is None:
            self.board, own = board_of(began.run, began.costing, say, self.session.now, "", began.windows), True
            self.places = {cell.index: cell.index for cell in cells}
        for cell in cells:
            place = self.places[cell.index]
            if not own:
                self.board.replace(place, cell, began.costing, self.session.now)
                self.board.panes[place].origin = began.run, cell
                self.board.panes[place].window = began.windows.get(cell.target)
            self._panes[cell.index] = self.board.panes[place]
        return own

    @property
    def has_begun(self) -> bool:
        """Whether anything of it is sent."""
        return bool(self._panes)

    @property
    def streams(self) -> bool:
        """Whether anything is still to come; a run whose cells have all ended is only being put away."""
        return not self._panes or any(not pane.said.ending for pane in self._panes.values())

    def take(self, stamped: Stamped) -> None:
        """What a cell says goes to its pane, unless that is another run's by now."""
        if self.board is not None and self.places is not None and self._has(stamped.cell):
            self.board.take(stamped._replace(cell=self.places[stamped.cell]))

    def _has(self, cell: int) -> bool:
        assert self.board is not None and self.places is not None
        return self.board.panes[self.places[cell]] is self._panes.get(cell)

    def cell_of(self, board: Board | None, pane: int) -> int | None:
        """The cell that fills a pane; None where that is none of this run's."""
        if board is None or board is not self.board or self.places is None:
            return None
        return next((cell for cell, place in self.places.items() if place == pane and self._has(cell)), None)

    def waits(self, board: Board | None, pane: int) -> bool:
        """Whether it will fill a pane, and has not begun."""
        return bool(board is self.board and self.places is not None and pane in self.places.values()
                    and not self._panes)  # fmt: skip
