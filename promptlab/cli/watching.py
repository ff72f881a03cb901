"""Who may stop a sweep while it runs: caps, targets without hope, majorities that are decided, and the user."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from promptlab.cli.output import notice
from promptlab.cli.tracking import Tracking
from promptlab.engine import Engine
from promptlab.errors import Sentence
from promptlab.events import Answer, Cancelled, Ending, Failed, Finished, Stamped, Started
from promptlab.extract import extract
from promptlab.plan import Cell, Plan
from promptlab.render.facts import CUT
from promptlab.store import Recorder

_HOPELESS = ("auth", "no_credit", "model_missing", "connection_refused", "not_an_api")
_ENOUGH = 3  # such failures, with nothing else before them


class Watch:
    """A sink, and a timer's call: begins no more cells once a cap is met, and none of a target that refuses all that it
    is sent for a reason that the next cell would meet too (a wrong key, an empty account, an unknown model)."""

    def __init__(self, engine: Engine, tracking: Tracking, plan: Plan, again: int | str) -> None:
        self._engine, self._tracking, self._again = engine, tracking, _resuming(again)
        self._cells = {cell.index: cell for cell in plan.cells}
        self._hopeless: Counter[str] = Counter()
        self.met: str | None = None
        self.given_up = 0  # cells of hopeless targets, which are not sent
        self.say: Callable[[str], None] = notice

    def __call__(self, stamped: Stamped) -> None:
        event = stamped.event
        if isinstance(event, Ending):
            self._count(self._cells[stamped.cell].target, event)
            self.look()

    def _count(self, target: str, event: Finished | Failed | Cancelled) -> None:
        if not isinstance(event, Failed) or event.fault.kind not in _HOPELESS:
            self._hopeless[target] = -sys.maxsize  # it answers, or fails in its own ways: no more is said of it
            return
        self._hopeless[target] += 1
        if self._hopeless[target] == _ENOUGH:
            left = self._engine.skip(index for index, cell in self._cells.items() if cell.target == target)
            if left:
                self.given_up += len(left)
                self._tracking.skip(left)
                told = Sentence("{count} of its cells are not sent; {again} sends them", count=len(left),
                                again=self._again)  # fmt: skip
                self.say(Sentence("{target}: {fault}; {told}", target=target, fault=event.fault.message, told=told))

    def look(self) -> None:
        if self.met is None and (why := self._tracking.met()) is not None:
            self.met = why
            self._engine.drain(why)
            self.say(Sentence("stopped by {why}; {again} goes on", why=why, again=self._again))


class Decider:
    """A sink that spares the repeats of a point whose majority can't change any more."""

    def __init__(self, engine: Engine, recorder: Recorder, tracking: Tracking, plan: Plan, how: str) -> None:
        from promptlab.analysis.agreement import decided  # numpy: only where somebody decides

        self._decided = decided
        self._engine, self._recorder, self._tracking, self._how = engine, recorder, tracking, how
        self._cells = {cell.index: cell for cell in plan.cells}
        self._left: dict[str, set[int]] = {}
        self._answers: dict[int, list[str]] = {}
        self._counts: dict[str, dict[str, int]] = {}
        for cell in plan.cells:
            self._left.setdefault(self._key(cell.index), set()).add(cell.index)

    def _key(self, index: int) -> str:
        return _place(self._cells[index])

    def know(self, cell: Cell, answer: str) -> None:
        """An answer that an earlier part of the run has."""
        if (found := extract(answer, self._how)) is not None:
            counts = self._counts.setdefault(_place(cell), {})
            counts[found] = counts.get(found, 0) + 1

    def __call__(self, stamped: Stamped) -> None:
        number, _, event = stamped
        if isinstance(event, Started):
            self._answers[number] = []
        elif isinstance(event, Answer):
            self._answers.setdefault(number, []).append(event.text)
        elif isinstance(event, Ending):
            key = self._key(number)
            left, counts = self._left[key], self._counts.setdefault(key, {})
            left.discard(number)
            text = "".join(self._answers.pop(number, []))
            whole = isinstance(event, Finished) and event.reason not in CUT
            if whole and (answer := extract(text, self._how)) is not None:
                counts[answer] = counts.get(answer, 0) + 1
            if left and counts and self._decided(counts, len(left)):
                skipped = self._engine.skip(left)
                self._recorder.skip(skipped)
                self._tracking.skip(skipped)
                left.clear()


@dataclass(slots=True)
class Interrupts:
    seen: int = 0
    say: Callable[[str], None] = notice


def on_interrupt(engine: Engine, tracking: Tracking, again: int | str) -> Interrupts:
    """Ctrl-C once: what runs ends, and no more begins. Twice: all stops. Both keep what came."""
    found = Interrupts()

    def stop() -> None:
        found.seen += 1
        if found.seen == 1:
            engine.drain("stopped by the user")
            running = tracking.count("running")
            said = f"{running} cells still run and end, no more begin; Ctrl-C again stops them"
            found.say(f"{said}; {_resuming(again)} goes on")
        elif found.seen == 2:
            engine.cancel(why="cancelled by the user")
        else:
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop)
    return found


def _resuming(again: int | str) -> str:
    """How a run is gone on with: by its number, or in other words."""
    return f"--resume {again}" if isinstance(again, int) else again


def _place(cell: Cell) -> str:
    return repr((cell.target, cell.values, cell.row))
