"""Where a sweep stands: a sink that counts cells, tokens and dollars, tells what is left and when a cap is met."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from promptlab.errors import Sentence
from promptlab.events import Cancelled, Ending, Failed, Finished, Retrying, Stamped, Started
from promptlab.metrics import tokens
from promptlab.plan import Plan
from promptlab.render.record import Costing
from promptlab.transcript import Transcript

_WINDOW = 30  # endings that the rate is taken from: the beginning of a run says little about its end
_LEAST = 3  # endings before a rest is told at all


@dataclass(frozen=True, slots=True)
class Caps:
    """Where a run stops by itself: US dollars, tokens (in and out), seconds. None is no cap."""

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(slots=True)
class Part:
    """The cells of one target."""

    total: int = 0
    running: int = 0
    done: int = 0
    cut: int = 0
    failed: int = 0
    cancelled: int = 0
    endings: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    @property
    def ended(self) -> int:
        return self.done + self.cut + self.failed + self.cancelled

    def rest(self, now: float, began: float) -> float | None:
        """Seconds that are left at the rate of the last endings; None where too few have ended to say."""
        if len(self.endings) < _LEAST:
            return None
        since = self.endings[0] if len(self.endings) == _WINDOW else began
        counted = len(self.endings) - (1 if len(self.endings) == _WINDOW else 0)
        return (now - since) / max(1, counted) * (self.total - self.ended)


class Tracking:
    """Reads every event, keeps the transcripts of cells that run and nothing of those that have ended."""

    def __init__(self, plan: Plan, costing: Costing, caps: Caps, clock: Callable[[], float] = time.monotonic) -> None:
        self._cells = {cell.index: cell for cell in plan.cells}
        self._costing, self._caps, self._clock = costing, caps, clock
        self._running: dict[int, Transcript] = {}
        self._waiting: set[int] = set()
        self.began = clock()
        self.parts: dict[str, Part] = {}
        for cell in plan.cells:
            self.parts.setdefault(cell.target, Part()).total += 1
        self.usd = 0.0
        self.tokens = 0
        self.spent_usd, self.spent_tokens = 0.0, 0  # before, by the same run; a cap counts it
        self.cached = 0
        self.skipped = 0
        self.estimated = False  # some tokens are our own count
        self.unpriced = 0  # cells whose cost nobody knows
        self.priced = 0
        self.retried = 0
        self.timed_out = False

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        said = self._running.get(number)
        if said is None:
            said = self._running[number] = Transcript()
            self.parts[self._cells[number].target].running += 1
        said.apply(at, event)
        if isinstance(event, Started):
            self._waiting.discard(number)
        elif isinstance(event, Retrying):
            self.retried += 1
            self._waiting.add(number)
        elif isinstance(event, Ending):
            self._end(number, event)

    def _end(self, number: int, event: Finished | Failed | Cancelled) -> None:
        said = self._running.pop(number)
        self._waiting.discard(number)
        part = self.parts[self._cells[number].target]
        part.running -= 1
        part.endings.append(self._clock())
        match event:
            case Finished(_, complete):
                part.done += complete
                part.cut += not complete
            case Failed(fault):
                part.failed += 1
                self.timed_out |= fault.kind == "timeout" and fault.status is None
            case Cancelled():
                part.cancelled += 1
        if said.cached is not None:  # nothing was sent
            self.cached += 1
            return
        counts = tokens(said)
        self.tokens += (counts.input or 0) + (counts.output or 0)
        self.estimated |= counts.estimated
        cost = self._costing(self._cells[number], said)
        if cost.usd is not None:
            self.usd += cost.usd
            self.priced += 1
        elif cost.reason in ("unknown price", "no token count"):
            self.unpriced += 1

    def skip(self, indices: Iterable[int]) -> None:
        """Cells that will not be sent."""
        for index in indices:
            self.parts[self._cells[index].target].total -= 1
            self.skipped += 1

    @property
    def total(self) -> int:
        return sum(part.total for part in self.parts.values())

    @property
    def ended(self) -> int:
        return sum(part.ended for part in self.parts.values())

    def count(self, name: str) -> int:
        """How many cells are `running`, `done`, `cut`, `failed` or `cancelled`, over all targets."""
        return sum(getattr(part, name) for part in self.parts.values())

    @property
    def waiting(self) -> int:
        """Cells that wait for another attempt."""
        return len(self._waiting)

    def rest(self) -> float | None:
        """Seconds that are left: of the target that takes longest, for they run beside each other."""
        now = self._clock()
        rests = [part.rest(now, self.began) for part in self.parts.values() if part.ended < part.total]
        return None if None in rests or not rests else max(rest for rest in rests if rest is not None)

    def met(self) -> str | None:
        """Why no more cells may begin: a cap that is met, or would be once what runs has ended as the others did."""
        caps, ended = self._caps, max(1, self.ended)
        running = self.count("running")
        spent, used = self.spent_usd + self.usd, self.spent_tokens + self.tokens
        if caps.usd is not None and spent + running * self.usd / ended >= caps.usd:
            return Sentence("--max-cost {cap}: ${spent} spent, {running} cells still run", cap=f"{caps.usd:g}",
                            spent=f"{spent:.4f}", running=running)  # fmt: skip
        if caps.tokens is not None and used + running * self.tokens / ended >= caps.tokens:
            return Sentence("--max-tokens-total {cap}: {used} tokens used, {running} cells still run", cap=caps.tokens,
                            used=used, running=running)  # fmt: skip
        if caps.seconds is not None and self._clock() - self.began >= caps.seconds:
            return Sentence("--max-time: {cap} s have passed, {running} cells still run", cap=f"{caps.seconds:g}",
                            running=running)  # fmt: skip
        return None
