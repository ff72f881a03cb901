"""Runs cells at once: slots, time-outs, retries, cancel; and stamps every event, once.

Cells begin in the plan's order at each endpoint, and a task is made when a cell begins: what waits costs nothing.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from promptlab.engine.lane import TOO_MUCH, Lane
from promptlab.engine.progress import Load, Progress, Tally
from promptlab.engine.running import Limits, Running, overdue
from promptlab.errors import Fault, LabError, ProviderError, Sentence
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Opaque,
    Retrying,
    Stamped,
    Started,
    Thinking,
    Usage,
    Withheld,
)
from promptlab.knowledge import learned
from promptlab.plan import Cell, Plan
from promptlab.providers import Provider
from promptlab.request import Request

__all__ = ["Engine", "Limits", "Load", "Progress", "Sink"]

Sink = Callable[[Stamped], None]
AT_A_TIME = 100  # cells that end without having begun, between two looks at the network


@dataclass(slots=True)
class Engine:
    """`providers` gives the provider of each cell (by `Cell.index`); every sink gets every event, in order. With
    `adapt` a request is sent again without a parameter that its endpoint refuses. `replay`, where given, is asked for
    each cell in its turn: events that it gives stand for the cell, and nothing is sent. `may_begin`, where given, is
    asked before each cell: one that may not yet holds up those behind it, until `look_again`.

    Sinks are plain functions and must be quick: they run between two reads of the network.
    """

    providers: Mapping[int, Provider]
    sinks: Sequence[Sink]
    limits: Limits = field(default_factory=Limits)
    adapt: bool = True
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    replay: Callable[[Cell], Sequence[Stamped] | None] | None = None
    may_begin: Callable[[Cell], bool] | None = None
    drained: str = ""  # why no more cells are begun
    _epoch: float = 0.0
    _running: dict[int, Running] = field(default_factory=dict)
    _lanes: deque[Lane] = field(default_factory=deque)
    _dropped: deque[tuple[int, str]] = field(default_factory=deque)  # cancelled before they took a first step
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tally: Tally = field(default_factory=Tally)

    async def run(self, plan: Plan) -> None:
        """Run every cell to its end. Cells fail as values; only a bug raises."""
        self._epoch = self.clock()
        self._arrange(plan)
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                await self._dispatch(group)
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None
        except asyncio.CancelledError:
            self._drop(None, "cancelled")
            while self._dropped:
                self._say_dropped()
            raise
        finally:
            watch.cancel()
            for lane in self._lanes:
                if not lane.over:
                    await lane.provider.release()

    def cancel(self, index: int | None = None, why: str = "cancelled") -> None:
        """Stop one cell, or all; what has arrived stays. Those that have not begun end as cancelled, too."""
        for number, running in list(self._running.items()):
            if index in (None, number) and running.task is not None and not running.task.done():
                running.why = why
                running.task.cancel()
        self._drop(None if index is None else (index,), why)

    def drain(self, why: str) -> None:
        """Begin no more cells, and let what runs end; those that never began get no event."""
        self.drained = self.drained or why
        self._wake.set()

    def look_again(self) -> None:
        """Ask `may_begin` once more."""
        self._wake.set()

    def skip(self, indices: Iterable[int]) -> list[int]:
        """Leave out cells that have not begun: they get no event. Gives those that it left out."""
        indices = set(indices)
        skipped = [cell.index for lane in self._lanes for cell in lane.take(indices)]
        self._tally.skipped += len(skipped)
        self._wake.set()
        return skipped

    def now(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._epoch

    def progress(self) -> Progress:
        """How far the run is, at any time; it costs a look at every endpoint, not at every cell."""
        endpoints: dict[str, Load] = {}
        for lane in self._lanes:
            load = Load(int(lane.limit), len(lane.cells), lane.open, lane.resting, lane.ended)
            known = endpoints.get(lane.provider.name)
            endpoints[lane.provider.name] = known + load if known else load
        loads, t = endpoints.values(), self._tally
        return Progress(
            sum(load.queued for load in loads), sum(load.running for load in loads),
            sum(load.waiting for load in loads), t.done, t.incomplete, t.failed, t.cancelled, t.skipped, t.cached,
            t.retried, dict(sorted(endpoints.items())),
        )  # fmt: skip

    # -- who begins ------------------------------------------------------------------------------------------------

    def _arrange(self, plan: Plan) -> None:
        lanes: dict[int, Lane] = {}
        for cell in plan.cells:
            provider = self.providers[cell.index]
            lane = lanes.get(id(provider))
            if lane is None:
                lane = lanes[id(provider)] = Lane(provider, max(1, min(provider.slots, self.limits.jobs)))
            lane.cells.append(cell)
        self._lanes = deque(lanes.values())

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Let cells begin as places come free, one of each endpoint in turn, until all have ended."""
        while True:
            self._wake.clear()
            moved = self._say_dropped()
            for lane in list(self._lanes):
                moved |= self._step(lane, group)
            if len(self._running) >= self.limits.jobs:
                self._lanes.rotate(-1)  # where `jobs` is what is short, the same one must not always be the first
            if moved:
                await asyncio.sleep(0)
            elif all(lane.over for lane in self._lanes) and not self._dropped:
                return
            else:
                await self._wake.wait()

    def _step(self, lane: Lane, group: asyncio.TaskGroup) -> bool:
        """Do the next thing that can be done for an endpoint; whether there was one."""
        lane.admit()
        if not lane.cells or self.drained:
            self._finish(lane, group)
            return False
        cell = lane.cells[0]
        if self.may_begin is not None and not self.may_begin(cell):
            return False
        if lane.readying is None:
            # A model that waits for memory must not keep the others from being asked: it takes none of `jobs` yet.
            if self._replayed(lane, cell):
                return True
            lane.readying = group.create_task(self._prepare(lane))
        elif lane.ready and lane.failure is not None:
            if not self._replayed(lane, cell):
                lane.cells.popleft()
                lane.ended += 1
                self._end(cell.index, Running(lane, cell.endpoint), _failed(lane.failure, cell.endpoint))
            return True
        elif lane.ready and lane.free and len(self._running) < self.limits.jobs:
            if not self._replayed(lane, cell):
                self._begin(lane, lane.cells.popleft(), group)
            return True
        return False

    def _begin(self, lane: Lane, cell: Cell, group: asyncio.TaskGroup) -> None:
        running = self._running[cell.index] = Running(lane, cell.endpoint)
        lane.open += 1
        running.task = group.create_task(self._cell(cell, running))
        running.task.add_done_callback(partial(self._after, cell.index, running))

    def _after(self, index: int, running: Running, task: asyncio.Task[None]) -> None:
        """A cell's task is over, though it may have been cancelled before it took a first step."""
        del self._running[index]
        running.lane.open -= 1
        running.lane.ended += 1
        if not running.over:
            self._dropped.append((index, running.why or "cancelled"))
        self._wake.set()

    def _finish(self, lane: Lane, group: asyncio.TaskGroup) -> None:
        """Let go of a provider after its last cell: the next local model may wait for the memory."""
        if lane.over or lane.open:
            return
        if lane.readying is not None and not lane.ready:
            if not lane.left:
                lane.left = lane.readying.cancel()  # nobody is there to be readied for
        else:
            lane.over = True
            group.create_task(lane.provider.release())

    async def _prepare(self, lane: Lane) -> None:
        """Get a provider ready, once; what it fails with, every one of its cells fails with."""
        try:
            await lane.provider.prepare()
        except LabError as error:
            lane.failure = error
        finally:
            lane.ready = True
            self._wake.set()

    def _replayed(self, lane: Lane, cell: Cell) -> bool:
        """Say what an earlier run has of the same request, as if it had ended now: it was not sent again."""
        events = self.replay(cell) if self.replay is not None else None
        if not events:
            return False
        lane.cells.popleft()
        shift = self.now() - events[-1].at
        running = Running(lane, cell.endpoint)
        for _, at, event in events:
            if isinstance(event, (Finished, Failed, Cancelled)):
                self._end(cell.index, running, event)
            else:
                self._say(Stamped(cell.index, round(at + shift, 6), event))
        lane.ended += 1
        self._tally.cached += 1
        return True

    def _drop(self, indices: Iterable[int] | None, why: str) -> None:
        for lane in self._lanes:
            taken = lane.take(indices)
            self._dropped.extend((cell.index, why) for cell in taken)
            lane.ended += len(taken)
        self._wake.set()

    def _say_dropped(self) -> bool:
        """End cells that were cancelled before their tasks took a first step, and so could not say it."""
        for _ in range(min(AT_A_TIME, len(self._dropped))):
            index, why = self._dropped.popleft()
            self._tally.cancelled += 1
            self._emit(index, Cancelled(why))
        return bool(self._dropped)

    # -- one cell --------------------------------------------------------------------------------------------------

    def _say(self, stamped: Stamped) -> None:
        for sink in self.sinks:
            sink(stamped)

    def _emit(self, cell: int, event: Event) -> None:
        self._say(Stamped(cell, round(self.clock() - self._epoch, 6), event))  # microseconds: the history is smaller

    def _end(self, cell: int, running: Running, event: Finished | Failed | Cancelled) -> None:
        if running.over:
            return
        running.over = True
        match event:
            case Finished(_, complete):
                self._tally.done += complete
                self._tally.incomplete += not complete
            case Failed():
                self._tally.failed += 1
            case Cancelled():
                self._tally.cancelled += 1
        self._emit(cell, event)

    async def _cell(self, cell: Cell, running: Running) -> None:
        try:
            await self._attempts(cell, running)
            running.lane.rise(running.sent)
        except LabError as error:
            self._end(cell.index, running, _failed(error, cell.endpoint))
        except asyncio.CancelledError:
            if running.overdue is not None:
                self._end(cell.index, running, Failed(running.overdue))
            else:
                self._end(cell.index, running, Cancelled(running.why or "cancelled"))
                if not running.why:  # not ours: whoever cancelled the run must hear of it
                    raise

    async def _attempts(self, cell: Cell, running: Running) -> None:
        """Send until it ends: what may pass later is tried again, a refused parameter is left out and told."""
        request = cell.request
        while True:
            try:
                await self._tries(cell, request, running)
                return
            except ProviderError as error:
                running.lane.fall(error.fault, running.sent, self.clock())
                if running.learning is not None and error.fault.message == running.learning.said:
                    running.learning = None  # refused without it as well: it was not that
                    raise
                self._tell(cell.index, running)
                name = self._refused(cell, running, error.fault)
                if name is None or name in request.without:
                    raise
                if error.fault.status is not None:  # a library in between proves nothing about the endpoint
                    state = running.wire.state if running.wire else "unknown"
                    running.learning = learned(error.fault, name, cell.request.parameters[name], state)
                if not self.adapt:
                    if error.fault.kind == "param_rejected":
                        self._tell(cell.index, running)
                    raise
                self._emit(cell.index, Retrying(error.fault, 0.0, running.number))
                request = replace(request, without=(*request.without, name))

    def _refused(self, cell: Cell, running: Running, fault: Fault) -> str | None:
        """The parameter that the user asked for and the endpoint refused, if it was one."""
        wire = running.wire
        if wire is None or running.said or fault.kind not in ("param_rejected", "bad_request"):
            return None
        name = wire.blamed(fault.param, fault.message) if fault.status in (400, 422, None) else None
        return name if name is not None and name in wire.sent and name in cell.request.parameters else None

    def _tell(self, index: int, running: Running) -> None:
        """What a refusal taught, once the endpoint has got past it."""
        learning, running.learning = running.learning, None
        if learning is not None:
            self._emit(index, learning)

    async def _tries(self, cell: Cell, request: Request, running: Running) -> None:
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

        def may_pass(error: BaseException) -> bool:
            """Later may do, and nothing has been said yet that a second attempt would say (and bill) again."""
            if not isinstance(error, ProviderError) or running.said or not error.fault.retryable:
                return False
            return (error.fault.retry_after or 0.0) <= self.limits.longest_wait

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.fault.retry_after if isinstance(error, ProviderError) else None
            # Full jitter above half of a doubling second: many cells must not come back at the same moment.
            backoff = min(30.0, 2.0 ** (state.attempt_number - 1)) * random.uniform(0.5, 1.0)
            return max(asked, 0.05) if asked is not None else backoff

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            assert isinstance(error, ProviderError)
            running.started = running.last = None  # the wait is ours: no watchdog
            self._tally.retried += 1
            running.sent_away = error.fault.kind in TOO_MUCH
            running.lane.fall(error.fault, running.sent, self.clock())
            self._emit(cell.index, Retrying(error.fault, state.upcoming_sleep, running.number))

        retrying = AsyncRetrying(
            retry=retry_if_exception(may_pass), stop=stop_after_attempt(self.limits.attempts), wait=wait,
            before_sleep=tell, sleep=partial(self._rest, running), reraise=True,
        )  # fmt: skip
        async for attempt in retrying:
            with attempt:
                await self._attempt(cell, request, running)

    async def _rest(self, running: Running, seconds: float) -> None:
        """Wait for the next try, and then for a place among those that are sent."""
        lane, held = running.lane, running.sent_away
        lane.resting += 1
        lane.held += held
        try:
            await self.sleep(seconds)
        except BaseException:
            lane.resting -= 1
            raise
        finally:
            lane.held -= held
            self._wake.set()
        await lane.turn()

    async def _attempt(self, cell: Cell, request: Request, running: Running) -> None:
        provider = self.providers[cell.index]
        wire = running.wire = provider.wire(request)
        running.said, running.number = False, running.number + 1
        running.started = running.sent = self.clock()
        running.last = None
        self._emit(cell.index, Started(dict(request.parameters), wire.sent, running.number, wire.words, wire.notes))
        index, clock, epoch, sinks = cell.index, self.clock, self._epoch, self.sinks
        async with aclosing(provider.stream(request)) as events:
            async for event in events:
                now = clock()
                running.last = now
                if type(event) is Answer or type(event) is Thinking:
                    running.said = True
                elif type(event) is Finished:
                    self._end(index, running, event)
                    return
                elif type(event) is Accepted:
                    self._tell(index, running)
                elif isinstance(event, (Opaque, Withheld)) or (type(event) is Usage and event.output):
                    running.said = True  # paid for already: a second attempt would be billed again
                stamped = Stamped(index, round(now - epoch, 6), event)
                for sink in sinks:
                    sink(stamped)
        raise ProviderError(
            Fault("unknown", Sentence("the stream gave no end"), "this is a bug: please report it", cell.endpoint)
        )

    async def _watch(self) -> None:
        """One watchdog for all cells: a timer per read would cost more than the read."""
        pulse = min(0.25, self.limits.first / 4, self.limits.silence / 4, (self.limits.total or 1.0) / 4)
        while True:
            await asyncio.sleep(pulse)
            now = self.clock()
            for running in list(self._running.values()):
                if running.started is None or running.overdue or running.over or running.task is None:
                    continue
                if fault := overdue(running, self.limits, now):
                    running.overdue = replace(fault, provider=running.endpoint)
                    running.task.cancel()


def _failed(error: LabError, endpoint: str) -> Failed:
    if isinstance(error, ProviderError):
        return Failed(error.fault, error.reason)
    return Failed(Fault("unknown", error.message, error.hint, endpoint))
