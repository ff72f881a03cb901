"""What a sweep shows so far: which cells have ended since the last look, and when the next look is due. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.plan import Cell, Plan
from promptlab.render.record import Costing
from promptlab.transcript import Transcript

if TYPE_CHECKING:
    from promptlab.analysis import Reading, Sample

EVERY = 1.0  # seconds between two looks at least
_SHARE = 4.0  # and so many times what the last one took: readings take no more than a fifth of the time
_LONGEST = 20.0
Turns = list[tuple[Cell, Transcript]]


class Measured:
    """`begin` gives what is to be read, `end` takes what was found. The reading itself is somebody else's, in a thread:
    cells that have ended change no more."""

    def __init__(self, plan: Plan, costing: Costing) -> None:
        self.plan, self.costing = plan, costing
        self.reading: Reading | None = None
        self.version = 0
        self.count = 0  # cells that the reading is of
        self.known: dict[int, Sample] = {}  # what was worked out of each cell
        self._from: dict[int, Transcript] = {}  # and of which transcript
        self._read: list[int] = []
        self._next = 0.0
        self.busy = False

    def is_due(self, now: float, *, over: bool = False) -> bool:
        """`over`: nothing runs any more, so that there is nothing to wait for."""
        return not self.busy and (over or now >= self._next)

    def begin(self, panes: Sequence[tuple[Cell, Transcript]]) -> Turns | None:
        """The cells to be read now; None where there is nothing new. `panes` are what stands for each cell of the
        plan."""
        ended = self._ended(panes)
        if [id(said) for _, said in ended] == self._read:
            return None
        for cell, said in ended:
            if self._from.get(cell.index) is not said:
                self.known.pop(cell.index, None)
                self._from[cell.index] = said
        self._read = [id(said) for _, said in ended]
        self.busy = True
        return ended

    def end(self, now: float, reading: Reading | None, took: float = 0.0) -> None:
        """None: it could not be read. `took` is in seconds of a processor."""
        self.busy = False
        self._next = now + max(EVERY, min(_LONGEST, _SHARE * took if self.reading is not None else 0.0))
        if reading is not None:  # the first one imports what it takes: that is no measure of the next
            self.reading, self.count = reading, len(self._read)
            self.version += 1

    def _ended(self, panes: Sequence[tuple[Cell, Transcript]]) -> Turns:
        """Cells that have ended, by the plan; a pane that was filled with something else is none of them."""
        return [
            (cell, said) for cell, (own, said) in zip(self.plan.cells, panes, strict=False)
            if said.ending and said.attempts and own.target == cell.target and own.values == cell.values
        ]  # fmt: skip
