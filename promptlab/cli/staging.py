"""A run whose cells go out in stages: what one stage asks may depend on what those before it have said. Chains,
councils and votes are such runs; in the history they are runs like any other."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.output import View, notice, tick
from promptlab.cli.ready import Ready
from promptlab.engine import Engine, Limits, Sink
from promptlab.events import Event, Stamped
from promptlab.plan import Cell, Run
from promptlab.providers import Provider
from promptlab.request import LOCAL, Request, Wire
from promptlab.store import FLUSH, Recorder, now
from promptlab.transcript import Transcript

Following = Callable[[], Sequence[Cell]]
"""The cells of the next stage, as they are to be sent; none ends the run."""


@dataclass(slots=True)
class Stages:
    """A run on its way. `cells` are as they were sent, `said` is what each has said, by index; `why` is set where the
    run is to stop. `skipped` were left out as not needed.
    `notes` are told when it is over: panes are painted until then."""

    ready: Ready
    run: Run
    recorder: Recorder | None
    limits: Limits
    sinks: list[Sink] = field(default_factory=list)
    watch: Callable[[Engine], Sequence[Sink]] = lambda engine: ()
    cells: dict[int, Cell] = field(default_factory=dict)
    said: dict[int, Transcript] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    why: str = ""
    _engine: Engine | None = None
    _began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._began

    def stop(self, why: str) -> None:
        """End what runs, and begin no more."""
        self.why = self.why or why
        if self._engine is not None:
            self._engine.cancel(why=why)

    def skip(self, indices: Iterable[int]) -> None:
        """Cells that are not wanted any more."""
        left = list(indices)
        self.skipped += left
        if self.recorder is not None and left:
            self.recorder.skip(left)

    async def carry(self, following: Following) -> None:
        """Send stage after stage until there is none."""
        providers = _held(self.ready)
        while not self.why and (cells := following()):
            for cell in cells:
                self._fill(cell)
            take = _Shifted(self._take, self.now())
            engine = self._engine = Engine(providers, [take], self.limits, adapt=self.run.plan.mode == "adapt")
            engine.sinks = [take, *self.watch(engine)]
            await engine.run(replace(self.run.plan, cells=tuple(cells)))
            self.why = self.why or engine.drained

    def _fill(self, cell: Cell) -> None:
        before, self.cells[cell.index] = self.cells[cell.index], cell
        store = self.ready.store
        if self.run.id is not None and store is not None and before.request != cell.request:
            store.refill(self.run.id, cell, self.ready.wire(cell))

    def _take(self, stamped: Stamped) -> None:
        self.said[stamped.cell].apply(stamped.at, stamped.event)
        for sink in self.sinks:
            sink(stamped)

    def whole(self) -> Run:
        """The run with its cells as they were sent."""
        cells = tuple(self.cells[cell.index] for cell in self.run.plan.cells)
        return replace(self.run, plan=replace(self.run.plan, cells=cells))

    def code(self) -> int:
        """The exit code of the cells that were begun."""
        begun = [said for said in self.said.values() if said.state != "queued"]
        well = sum(said.state == "done" for said in begun)
        if any(said.fault and said.fault.kind == "timeout" and said.fault.status is None for said in begun):
            return CAPPED
        if well == len(begun) and begun:
            return 0
        return SOME_FAILED if well else ALL_FAILED


Screen = Callable[[Stages], View]


async def carried(
    ready: Ready, limits: Limits, following: Callable[[Stages], Following], screen: Screen,
    watch: Callable[[Stages], Callable[[Engine], Sequence[Sink]]] | None = None, *, quiet: bool = False,
) -> tuple[Stages, int]:  # fmt: skip
    """Carry out the plan of `ready` in the stages that `following` gives; `watch` gives sinks for the engine of each.
    What came of it, and the exit code."""
    plan, store = ready.plan, ready.store
    run, recorder = Run(None, now(), plan), None
    if store is not None and ready.keeps:
        run, recorder = store.begin(plan, ready.wire)
    stages = Stages(ready, run, recorder, limits)
    stages.cells = {cell.index: cell for cell in plan.cells}
    stages.said = {cell.index: Transcript() for cell in plan.cells}
    if watch is not None:
        stages.watch = watch(stages)
    view = screen(stages)
    view.gone = lambda: stages.stop("the reader of the output has left")
    stages.sinks = [*([recorder] if recorder else []), *ready.learner(), view]
    interrupted = _on_interrupt(stages)
    view.start()
    timers = [asyncio.create_task(tick(0.1, view.refresh))]
    if recorder is not None:
        recorder.warn = notice
        timers.append(asyncio.create_task(tick(FLUSH, recorder.flush)))
    state = "cancelled"
    try:
        await stages.carry(following(stages))
        state = "cancelled" if interrupted.is_set() else "stopped" if stages.why else "done"
    finally:
        for timer in timers:
            timer.cancel()
        if recorder is not None:
            recorder.close(state)
        view.close(state)
        for said in stages.notes if not quiet else ():
            notice(said)
        await ready.registry.aclose()
    stages.run = replace(stages.run, state=state)
    return stages, CANCELLED if interrupted.is_set() else stages.code()


def _on_interrupt(stages: Stages) -> asyncio.Event:
    """Ctrl-C, a terminal that closes, or a plain kill: what runs is cancelled, kept and counted."""
    seen = asyncio.Event()

    def stop() -> None:
        if seen.is_set():  # a second time: now
            raise KeyboardInterrupt
        seen.set()
        stages.stop("cancelled by the user")

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop)
    return seen


class _Shifted:
    """A sink for the engine of one stage, whose clock begins anew: times are those of the whole run."""

    def __init__(self, sink: Sink, by: float) -> None:
        self._sink, self._by = sink, by

    def __call__(self, stamped: Stamped) -> None:
        self._sink(stamped._replace(at=round(stamped.at + self._by, 6)))


class _Held:
    """A local model that stays loaded between stages; the registry lets go of it at the end."""

    def __init__(self, provider: Provider) -> None:
        self.name, self.slots = provider.name, provider.slots
        self._provider, self._ready = provider, False

    def wire(self, request: Request) -> Wire:
        return self._provider.wire(request)

    async def prepare(self) -> None:
        if not self._ready:
            await self._provider.prepare()
            self._ready = True

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        return self._provider.stream(request)

    async def release(self) -> None:
        pass

    async def aclose(self) -> None:
        await self._provider.aclose()


def _held(ready: Ready) -> dict[int, Provider]:
    """The providers by cell. Of several local models each is let go after its stage: another may wait for the room."""
    local = {id(ready.providers[cell.index]) for cell in ready.plan.cells if cell.endpoint == LOCAL}
    if len(local) != 1:
        return dict(ready.providers)
    kept = {number: _Held(provider) for number, provider in ((id(p), p) for p in ready.providers.values())
            if number in local}  # fmt: skip
    return {index: kept.get(id(provider), provider) for index, provider in ready.providers.items()}
