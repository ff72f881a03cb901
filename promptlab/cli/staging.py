"""A run whose cells go out in stages: what one stage asks may depend on what those before it have said. Chains,
councils and votes are such runs, and in the history like any other. How they are agreed on, sent and shown."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.forecast import confirmed, forecast, must_ask, price_lines
from promptlab.cli.output import Output, View, notice, tick
from promptlab.cli.ready import Ready, Way, costing
from promptlab.cli.requests import print_requests
from promptlab.config import Settings
from promptlab.engine import Engine, Limits, Sink
from promptlab.events import Ending, Event, Stamped
from promptlab.plan import Cell, Plan, Run
from promptlab.providers import Provider
from promptlab.render.plain import Notes, escaped, markdown
from promptlab.render.record import cell_object, dump, run_object
from promptlab.render.sanitise import clean
from promptlab.request import LOCAL, Request, Wire
from promptlab.store import FLUSH, Recorder, now
from promptlab.transcript import Transcript

Following = Callable[[], Awaitable[Sequence[Cell]]]
"""The cells of the next stage, as they are to be sent; none ends the run. It leaves the loop free."""
USUAL = 300  # tokens of an answer that nobody has seen yet, where a price wants some number


def stood_in(tokens: int = USUAL) -> str:
    """A text that counts as so many tokens."""
    return "word" * tokens


def agreed(
    ready: Ready, guessed: Plan, output: Output, way: Way, settings: Settings, *, yes: bool, cap: float | None = None,
    notes: Iterable[str] = (),
) -> int | None:  # fmt: skip
    """Tell what it takes, by a plan with guesses for what nobody knows yet, and ask where that is much; a dry run
    prints the requests. The exit code where nothing is to be sent, None where it is."""
    ready.look_ahead(quiet=output.quiet)
    found = forecast(replace(ready, plan=guessed))
    asks = must_ask(found, settings.confirm_above, cap)
    for said in notes if not output.quiet else ():
        notice(said)
    for said in price_lines(found) if not output.quiet or (asks and not yes) else ():
        notice(said)
    if way.dry_run:
        print_requests(ready.planned(), output.format)
        return 0
    if not asks or yes or confirmed(found, settings.confirm_above):
        return None
    notice("nothing was sent")
    return 1


# -- on its way --------------------------------------------------------------------------------------------------------


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
        while not self.why:
            cells = await following()
            if not cells or self.why:  # stopped while it was found out what is next
                break
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


# -- how it is shown ---------------------------------------------------------------------------------------------------


def pipes(output: Output) -> bool:
    """Whether stdout is for the wanted text alone."""
    return output.format in (None, "text") and not paints(output)


def paints(output: Output) -> bool:
    """Whether all steps are seen on a terminal, in panes or in lines."""
    return output.format is None and sys.stdout.isatty() and not output.quiet


def view_of(stages: Stages, output: Output, ready: Ready) -> View:
    """What is seen while it runs: all on a terminal, else the facts of each cell on stderr."""
    run, tell = stages.run, costing(ready.endpoints)
    if paints(output):
        return output.view(run, tell, stages.now)
    notes = Notes(run.plan, sys.stderr, tell, thinking=not output.hide_thinking, quiet=output.quiet, usage=output.usage)

    def facts(stamped: Stamped) -> None:
        if isinstance(stamped.event, Ending):
            cell, said = stages.cells[stamped.cell], stages.said[stamped.cell]
            notes.thinking(cell, said)
            notes.end(cell, said)

    return View(facts)


def print_text(text: str, output: Output) -> None:
    """The wanted text to stdout."""
    if text:
        sys.stdout.write((text if output.raw and not sys.stdout.isatty() else clean(text, keep=True)) + "\n")


def show_steps(stages: Stages, output: Output, more: Mapping[str, Any]) -> None:
    """Write the run as data where that was asked for; `more` stands beside its cells."""
    run, tell, said = stages.whole(), costing(stages.ready.endpoints), stages.said
    if output.format == "json":
        sys.stdout.write(escaped(dump({**run_object(run, said, tell), **more}, indent=2)) + "\n")
    elif output.format == "jsonl":
        told = [cell_object(cell, said[cell.index], tell) for cell in run.plan.cells]
        sys.stdout.writelines(escaped(dump(one)) + "\n" for one in [*told, dict(more)])
    elif output.format == "md":
        sys.stdout.write(markdown(run, said, tell, thinking=not output.hide_thinking))
