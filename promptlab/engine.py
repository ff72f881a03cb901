"""Runs cells at once: slots, time-outs, retries, cancel; and stamps every event, once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from promptlab.errors import Fault, LabError, ProviderError
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Learned,
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
from promptlab.request import Request, Wire

Sink = Callable[[Stamped], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts. `first` is from sending to the first byte, `silence` between any two bytes after it:
    a keep-alive counts as a sign of life. `total` is for one attempt."""

    jobs: int = 64
    first: float = 600.0
    silence: float = 300.0
    total: float | None = None
    attempts: int = 4
    longest_wait: float = 120.0


@dataclass(slots=True)
class _Running:
    """One cell under way, as the watchdog sees it."""

    endpoint: str
    task: asyncio.Task[None] | None = None
    started: float | None = None
    last: float | None = None
    said: bool = False
    number: int = 0  # of the attempt
    began: bool = False  # its task has taken a first step
    learning: Learned | None = None  # from a refusal, until an attempt without the parameter proves it
    wire: Wire | None = None  # of the attempt
    overdue: Fault | None = None
    why: str = ""
    over: bool = False  # its ending has been said


@dataclass(slots=True)
class Engine:
    """`providers` gives the provider of each cell (by `Cell.index`); every sink gets every event, in order. With
    `adapt` a request is sent again without a parameter that its endpoint refuses.

    Sinks are plain functions and must be quick: they run between two reads of the network.
    """

    providers: Mapping[int, Provider]
    sinks: Sequence[Sink]
    limits: Limits = field(default_factory=Limits)
    adapt: bool = True
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _epoch: float = 0.0
    _running: dict[int, _Running] = field(default_factory=dict)
    _ready: dict[int, asyncio.Lock] = field(default_factory=dict)
    _prepared: dict[int, LabError | None] = field(default_factory=dict)
    _leaving: set[asyncio.Future[None]] = field(default_factory=set)
    _left: dict[int, int] = field(default_factory=dict)  # cells of a provider that have not ended

    async def run(self, plan: Plan) -> None:
        """Run every cell to its end. Cells fail as values; only a bug raises."""
        self._epoch = self.clock()
        everywhere = asyncio.Semaphore(self.limits.jobs)
        slots = {id(p): asyncio.Semaphore(p.slots) for p in self.providers.values()}
        self._left = Counter(id(self.providers[cell.index]) for cell in plan.cells)
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                for cell in plan.cells:
                    running = self._running[cell.index] = _Running(cell.endpoint)
                    gates = (slots[id(self.providers[cell.index])], everywhere)
                    running.task = group.create_task(self._cell(cell, running, gates))
                    running.task.add_done_callback(partial(self._after, running, self.providers[cell.index]))
            self._sweep()
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None
        except asyncio.CancelledError:
            self._sweep()
            raise
        finally:
            watch.cancel()

    def cancel(self, index: int | None = None, why: str = "cancelled") -> None:
        """Stop one cell, or all that still run; what has arrived stays."""
        for number, running in list(self._running.items()):
            if index in (None, number) and running.task is not None and not running.task.done():
                running.why = why
                running.task.cancel()

    def now(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self._epoch

    def _emit(self, cell: int, event: Event) -> None:
        stamped = Stamped(cell, self.clock() - self._epoch, event)
        for sink in self.sinks:
            sink(stamped)

    def _end(self, cell: int, running: _Running, event: Finished | Failed | Cancelled) -> None:
        if not running.over:
            running.over = True
            self._emit(cell, event)

    def _sweep(self) -> None:
        """End the cells that were cancelled before their tasks took a first step, and so could not say it."""
        for index, running in self._running.items():
            self._end(index, running, Cancelled(running.why or "cancelled"))
        self._running.clear()

    async def _cell(self, cell: Cell, running: _Running, gates: Sequence[asyncio.Semaphore]) -> None:
        running.began = True
        try:
            async with AsyncExitStack() as held:
                slots, everywhere = gates
                await held.enter_async_context(slots)
                # A model that waits for memory must not keep the others from being asked: ours is taken after it.
                await self._prepare(self.providers[cell.index])
                await held.enter_async_context(everywhere)
                await self._attempts(cell, running)
        except ProviderError as error:
            self._end(cell.index, running, Failed(error.fault, error.reason))
        except LabError as error:
            self._end(cell.index, running, Failed(Fault("unknown", error.message, error.hint, cell.endpoint)))
        except asyncio.CancelledError:
            if running.overdue is not None:
                self._end(cell.index, running, Failed(running.overdue))
            else:
                self._end(cell.index, running, Cancelled(running.why or "cancelled"))
                if not running.why:  # not ours: whoever cancelled the run must hear of it
                    raise
        finally:
            self._running.pop(cell.index, None)
            await self._release(self.providers[cell.index])

    def _after(self, running: _Running, provider: Provider, task: asyncio.Task[None]) -> None:
        """Let go for a cell that was cancelled before its task took a first step, and so could not."""
        if not running.began:
            self._leaving.add(leaving := asyncio.ensure_future(self._release(provider)))
            leaving.add_done_callback(self._leaving.discard)

    async def _release(self, provider: Provider) -> None:
        """Let go of a provider after its last cell: the next local model may wait for the memory."""
        self._left[id(provider)] -= 1
        if not self._left[id(provider)]:
            await provider.release()

    async def _prepare(self, provider: Provider) -> None:
        """Get a provider ready, once; what it fails with, every one of its cells fails with."""
        key = id(provider)
        async with self._ready.setdefault(key, asyncio.Lock()):
            if key not in self._prepared:
                try:
                    await provider.prepare()
                    self._prepared[key] = None
                except LabError as error:
                    self._prepared[key] = error
        if (failure := self._prepared[key]) is not None:
            raise failure

    async def _attempts(self, cell: Cell, running: _Running) -> None:
        """Send until it ends: what may pass later is tried again, a refused parameter is left out and told."""
        request = cell.request
        while True:
            try:
                await self._tries(cell, request, running)
                return
            except ProviderError as error:
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

    def _refused(self, cell: Cell, running: _Running, fault: Fault) -> str | None:
        """The parameter that the user asked for and the endpoint refused, if it was one."""
        wire = running.wire
        if wire is None or running.said or fault.kind not in ("param_rejected", "bad_request"):
            return None
        name = wire.blamed(fault.param, fault.message) if fault.status in (400, 422, None) else None
        return name if name is not None and name in wire.sent and name in cell.request.parameters else None

    def _tell(self, index: int, running: _Running) -> None:
        """What a refusal taught, once the endpoint has got past it."""
        learning, running.learning = running.learning, None
        if learning is not None:
            self._emit(index, learning)

    async def _tries(self, cell: Cell, request: Request, running: _Running) -> None:
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
            self._emit(cell.index, Retrying(error.fault, state.upcoming_sleep, running.number))

        retrying = AsyncRetrying(
            retry=retry_if_exception(may_pass), stop=stop_after_attempt(self.limits.attempts), wait=wait,
            before_sleep=tell, sleep=self.sleep, reraise=True,
        )  # fmt: skip
        async for attempt in retrying:
            with attempt:
                await self._attempt(cell, request, running)

    async def _attempt(self, cell: Cell, request: Request, running: _Running) -> None:
        provider = self.providers[cell.index]
        wire = running.wire = provider.wire(request)
        running.said, running.number = False, running.number + 1
        running.started, running.last = self.clock(), None
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
                stamped = Stamped(index, now - epoch, event)
                for sink in sinks:
                    sink(stamped)
        raise ProviderError(
            Fault("unknown", "the stream gave no end", "this is a bug: please report it", cell.endpoint)
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
                if fault := self._overdue(running, now):
                    running.overdue = replace(fault, provider=running.endpoint)
                    running.task.cancel()

    def _overdue(self, running: _Running, now: float) -> Fault | None:
        assert running.started is not None
        limits = self.limits
        if limits.total is not None and now - running.started > limits.total:
            return Fault("timeout", f"not finished after {limits.total:g} s", "raise --timeout to wait longer")
        if running.last is None:
            if now - running.started > limits.first:
                return Fault("timeout", f"no answer within {limits.first:g} s", "try again, or raise --timeout-first")
        elif now - running.last > limits.silence:
            return Fault("timeout", f"silent for {limits.silence:g} s in the middle of the stream",
                         "try again, or raise --timeout-silence")  # fmt: skip
        return None
