"""Audits before a sweep, told on the screen instead of the terminal, and stopped from there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from promptlab.cli.audit import Auditing, Progress, run_audits, verdict
from promptlab.cli.auditor import Auditor
from promptlab.cli.planning import Asked, Reach
from promptlab.cli.ready import Way
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.errors import Sentence

if TYPE_CHECKING:
    from promptlab.audit import Audited
    from promptlab.plan import Target
    from promptlab.sweep import Sweep

T = TypeVar("T")
Tell = Callable[[str], None]

# Why nothing could be seen, by how an audit's text begins.
_WHY = {
    "both ends": "both ends give the same answer nearly always",
    "it may": "it may do a little",
    "too few": "too few answers came",
    "it always": "it always thinks, and each answer would cost a whole thought",
}


class Stoppable:
    """Carries out what takes a loop; any thread may `stop` it, before it begins too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._end: Callable[[], object] | None = None

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._end is not None:
                self._end()

    def __call__(self, work: Coroutine[None, None, T]) -> T:
        """Raises CancelledError where it is stopped, or was."""

        async def carry_out() -> T:
            task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
            with self._lock:
                self._end = lambda: loop.call_soon_threadsafe(task.cancel)
                if self._stopped:
                    task.cancel()
            try:
                return await task
            finally:
                with self._lock:
                    self._end = None

        return asyncio.run(carry_out())


class Checking(Progress):
    """How an audit goes, as sentences: `at` is told what it is at, again and again, and `tell` what stays."""

    def __init__(self, tell: Tell, at: Tell) -> None:
        super().__init__(quiet=True)
        self._tell, self._at = tell, at
        self._knob = self._target = ""

    def begin(self, knob: str, target: str) -> None:
        self._knob, self._target = knob, target
        self._at(Sentence("checking whether {knob} does anything at {target} … esc stops it", knob=knob, target=target))

    def __call__(self, done: int, planned: int) -> None:
        self._at(Sentence("checking whether {knob} does anything at {target}: {done} of {planned} calls … esc stops it",
                          knob=self._knob, target=self._target, done=done, planned=planned))  # fmt: skip

    def warn(self, message: str, hint: str = "") -> None:
        self._tell(Sentence("{message} → {hint}", message=message, hint=hint) if hint else message)


@dataclass(slots=True)
class Telling(Auditor):
    """An auditor that is quiet on the terminal. `tell` is given what it says, `at` what it is at, and `offer` what it
    is going to test, which is of no use to anybody once it has."""

    tell: Tell = print
    at: Tell = print
    offer: Tell = print
    carry_out: Stoppable = field(default_factory=Stoppable)

    @classmethod
    def for_sweep(
        cls, asked: Asked, sweep: Sweep, wanted: bool | None, way: Way, limits: Limits, places: Places,
        settings: Settings, tell: Tell, at: Tell, offer: Tell,
    ) -> Self:  # fmt: skip
        capped = sweep.max_cost is not None or sweep.max_tokens_total is not None
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        return cls(reach, wanted, way, limits, places, settings, capped, quiet=True, tell=tell, at=at,
                   offer=offer)  # fmt: skip

    def _audit(self, target: Target, knobs: tuple[str, ...]) -> list[Audited]:
        return run_audits([target], Auditing(knobs), self.way, self.limits, self.places, self.settings,
                          reach=self.reach, progress=Checking(self.tell, self.at), carry_out=self.carry_out,
                          quiet=True)[0]  # fmt: skip

    def _offer(self, text: str) -> None:
        self.offer(text)

    def _report(self, one: Audited) -> None:
        """The finding alone: the screen has a row for it."""
        found = verdict(one)
        for said in _WHY if one.word == "inconclusive" else ():
            if one.text.startswith(said):
                found = Sentence("{verdict}: {why}", verdict=found, why=Sentence(_WHY[said]))
        self.tell(found)

    def _say(self, text: str) -> None:
        self.tell(text)
