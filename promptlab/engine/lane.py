"""One endpoint's cells in their order, and how many of them may run at once: few at first, more while all goes well,
fewer when the endpoint says that it is too much."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from promptlab.errors import Fault, LabError
from promptlab.plan import Cell
from promptlab.providers import Provider
from promptlab.request import LOCAL

MODERATE = 8  # at once to begin with, where the endpoint's slots allow for more
FALL = 0.8  # of what runs, once for all refusals of one burst (inspect_ai's figure)
TOO_MUCH = ("rate_limit", "overloaded")  # faults that say: fewer at once


@dataclass(slots=True)
class Lane:
    """`limit` is how many cells may be open now, `ceiling` how many ever. A cell that waits for its next try stays
    open; a new one begins only while none waits because of TOO_MUCH."""

    provider: Provider
    ceiling: int
    cells: deque[Cell] = field(default_factory=deque)
    limit: float = 1.0
    open: int = 0  # begun and not ended
    resting: int = 0  # of these: between two tries
    held: int = 0  # of these: sent away with TOO_MUCH
    ended: int = 0
    readying: asyncio.Task[None] | None = None
    ready: bool = False
    left: bool = False  # before it was ready
    failure: LabError | None = None  # what the provider could not be readied for
    over: bool = False
    _cut: float | None = None  # when the limit fell last
    _turns: deque[asyncio.Future[None]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        # The embedded server's slots are fixed, and refuse nothing.
        self.limit = self.ceiling if self.provider.name == LOCAL else min(self.ceiling, MODERATE)

    @property
    def free(self) -> bool:
        """Whether a new cell may begin."""
        return not self.held and self.open < int(self.limit)

    def take(self, indices: Iterable[int] | None) -> list[Cell]:
        """Take cells out that have not begun: those of `indices`, or all."""
        if indices is None:
            taken = list(self.cells)
            self.cells.clear()
            return taken
        wanted = set(indices)
        taken = [cell for cell in self.cells if cell.index in wanted]
        if taken:
            self.cells = deque(cell for cell in self.cells if cell.index not in wanted)
        return taken

    def rise(self, sent: float) -> None:
        """A request that went out at `sent` has ended well: one more at once until the first refusal, and after it
        about one more for each round."""
        if self._cut is None:
            self.limit = min(self.ceiling, self.limit + 1)
        elif sent > self._cut:
            self.limit = min(self.ceiling, self.limit + 1 / self.limit)

    def fall(self, fault: Fault, sent: float, now: float) -> None:
        """A request that went out at `sent` was refused. What was on its way when the limit fell is of that burst."""
        if fault.kind in TOO_MUCH and self.provider.name != LOCAL and (self._cut is None or sent > self._cut):
            self.limit, self._cut = max(1.0, min(self.limit, self.open) * FALL), now

    async def turn(self) -> None:
        """Wait until one more may be sent, and no longer be resting; cells that have been sent away once go first."""
        if not self._turns and self.open - self.resting < int(self.limit):
            self.resting -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.remove(turn)
                self.resting -= 1
            raise

    def admit(self) -> None:
        """Give turns to those that wait for one, as far as the limit goes."""
        while self._turns and self.open - self.resting < int(self.limit):
            turn = self._turns[0]
            if turn.done():  # cancelled in this very moment: it leaves by itself
                return
            self._turns.popleft()
            self.resting -= 1
            turn.set_result(None)
