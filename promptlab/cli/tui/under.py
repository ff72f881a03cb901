"""A run under way: a thread and a loop of its own, so that what blocks for a moment (keys, weights, the history)
never blocks the keys."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.cli.tui.kept import remember
from promptlab.cli.tui.words import Spoken, bounded, check_sendable, hear, plan_of
from promptlab.errors import LabError, Sentence, UsageError
from promptlab.events import Cancelled, Ending, Stamped
from promptlab.places import Places
from promptlab.tui.lab import Began, Ended, News, Said

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready
    from promptlab.cli.tracking import Tracking
    from promptlab.cli.tui.auditing import Telling
    from promptlab.cli.watching import Watch
    from promptlab.config import Settings
    from promptlab.engine import Engine, Sink
    from promptlab.plan import Plan, Run
    from promptlab.store import Recorder

PATIENCE = 5.0  # seconds that a run may take to write down what it has, when the screen is left
_TOLD = 3.0  # seconds after which it is told again what is checked: the screen forgets what it was told
_LOOK = 0.5  # seconds between two looks at the clock of a sweep's caps


@dataclass(slots=True)
class _Sending:
    """A run that is being sent; `tracking` and `watch` are those of a sweep."""

    ready: Ready
    run: Run
    recorder: Recorder | None
    engine: Engine
    tracking: Tracking | None = None
    watch: Watch | None = None


class Under:
    """A run under way in a thread of its own; what it says waits here until the screen takes it.

    `plan` makes what is sent; without it, it is what the words say. `agree` is asked, with what it would take, before
    something dear is sent: whether the user has agreed to that."""

    def __init__(
        self, places: Places, words: str, plan: Callable[[Asked, Settings], Plan] | None, prompt: str,
        agree: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        self._places, self._words, self._plan, self._prompt, self._agree = places, words, plan, prompt, agree
        self._news: deque[News] = deque()
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False
        self._unwanted: list[int] = []  # cells that were stopped before there was an engine
        self._lock = threading.Lock()
        self._auditor: Telling | None = None
        self._audited: list[str] = []
        self._checking = ""  # what an audit is at
        self._told = "", 0.0  # what was told of it last, and when
        self._thread = threading.Thread(target=self._carry_out, daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[News]:
        news = self._news
        found = [news.popleft() for _ in range(min(most, len(news)))]
        checking, (told, at), now = self._checking, self._told, time.monotonic()
        if checking and not self._cancelled and (checking != told or now - at > _TOLD):
            self._told = checking, now
            found.append(Said(checking))
        return found

    def now(self) -> float:
        return self._engine.now() if self._engine is not None else 0.0

    def cancel(self, cell: int | None = None) -> None:
        with self._lock:
            self._cancelled |= cell is None
            auditor = self._auditor  # its own thread takes it away when it is done
            if self._cancelled and auditor is not None:
                auditor.carry_out.stop()
            if self._loop is not None and self._engine is not None:
                self._loop.call_soon_threadsafe(self._engine.cancel, cell, "cancelled by the user")
            elif cell is not None:
                self._unwanted.append(cell)

    def close(self) -> None:
        self.cancel()
        self._thread.join(PATIENCE)

    # -- before it is sent -----------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        state, failure = "cancelled", None
        try:
            state = self._sent()
        except asyncio.CancelledError:  # as it checked what there is to be sent
            self._news.append(Said(Sentence("the audit was stopped; nothing was sent")))
        except LabError as error:
            failure = error
        except Exception as error:  # a bug, and the screen has to live on to say so
            failure = LabError(f"{type(error).__name__}: {error}", "this is a bug: please report it")
        self._news.append(Ended(state, failure))

    def _sent(self) -> str:
        from promptlab import config
        from promptlab.cli.ready import made_ready

        spoken = hear(self._words, self._prompt)
        check_sendable(spoken.way)
        settings = config.settings(self._places)
        plan = bounded(self._made(spoken, settings))
        if self._cancelled:
            return "cancelled"
        with made_ready(plan, spoken.way, self._places, settings, quiet=True) as ready:
            ready.look_ahead(quiet=True)
            self._check_agreed(ready, spoken, settings)
            remember(self._places, "words", self._words)
            return "cancelled" if self._cancelled else asyncio.run(self._run(ready, spoken))

    def _made(self, spoken: Spoken, settings: Settings) -> Plan:
        if self._plan is not None:
            return self._plan(spoken.asked, settings)
        auditor = self._auditor_for(spoken, settings)
        with self._lock:
            self._auditor = auditor
            if auditor is not None and self._cancelled:
                auditor.carry_out.stop()
        try:
            return plan_of(spoken, self._places, settings, auditor)
        finally:
            self._auditor, self._checking = None, ""

    def _auditor_for(self, spoken: Spoken, settings: Settings) -> Telling | None:
        if spoken.sweep is None or spoken.carrying is None:
            return None
        from promptlab.cli.tui.auditing import Telling

        wanted, news = spoken.carrying.audit, self._news
        if not spoken.way.save:  # an audit is of use by being kept
            if wanted:
                raise UsageError("--audit keeps what it finds", "leave out --no-save")
            wanted = False
        return Telling.for_sweep(spoken.asked, spoken.sweep, wanted, spoken.way, spoken.limits, self._places, settings,
                                 self._tell_audit, self._tell_check, lambda text: news.append(Said(text)))  # fmt: skip

    def _tell_audit(self, text: str) -> None:
        self._audited.append(text)
        self._checking = ""
        self._news.append(Said(text))

    def _tell_check(self, text: str) -> None:
        self._checking = text

    def _check_agreed(self, ready: Ready, spoken: Spoken, settings: Settings) -> None:
        """Raise UsageError for what is dear, unless the user has been told so and has sent it again."""
        from promptlab.cli.forecast import forecast, must_ask, price_lines

        if self._agree is None or (spoken.carrying is not None and spoken.carrying.yes):
            return
        found, sweep, above = forecast(ready), ready.plan.sweep, settings.confirm_above
        # Nobody is asked before a prompt whose price can't be known: only a sweep multiplies it.
        asks = must_ask(found, above, sweep.max_cost) if sweep is not None else found.usd[0] > above
        if asks and not self._agree():
            raise UsageError("; ".join(price_lines(found)), "send it again to agree, or give the sweep a --max-cost"
                             if sweep is not None else "send it again to agree")  # fmt: skip

    # -- sending ---------------------------------------------------------------------------------------------------

    async def _run(self, ready: Ready, spoken: Spoken) -> str:
        from promptlab.cli.ready import costing, windows
        from promptlab.engine import Engine
        from promptlab.plan import Run
        from promptlab.store import now

        plan, store = ready.plan, ready.store
        run, recorder = Run(None, now(), plan), None
        if store is not None and ready.keeps:
            run, recorder = store.begin(plan, ready.wire)
        engine = Engine(ready.providers, [], spoken.limits, adapt=plan.mode == "adapt")
        sending = _Sending(ready, run, recorder, engine)
        ended: set[int] = set()
        state = "cancelled"
        try:
            engine.sinks = [*([recorder] if recorder else []), *ready.learner(), *self._watchers(sending, spoken),
                            _noting(ended), self._news.append]  # fmt: skip
            self._news.append(Began(run, costing(ready.endpoints), windows(plan, ready.endpoints)))
            if self._audited:
                self._news.append(Said(Sentence.joined(" · ", self._audited)))
            state = await self._carried(sending)
        finally:
            try:
                if recorder is not None:
                    recorder.close(state)
            finally:
                await ready.registry.aclose()
                self._news.extend(_unsent(plan, ended, engine))
        return state

    async def _carried(self, sending: _Sending) -> str:
        from promptlab.cli.output import tick
        from promptlab.store import FLUSH

        engine, recorder, watch = sending.engine, sending.recorder, sending.watch
        timers = [asyncio.create_task(tick(_LOOK, watch.look))] if watch is not None else []
        if recorder is not None:
            recorder.warn = lambda message: self._news.append(Said(message))
            timers.append(asyncio.create_task(tick(FLUSH, recorder.flush)))
        try:
            running = asyncio.create_task(engine.run(sending.ready.plan))
            await asyncio.sleep(0)
            with self._lock:
                self._engine, self._loop = engine, asyncio.get_running_loop()
                for cell in [None] if self._cancelled else self._unwanted:
                    engine.cancel(cell, "cancelled by the user")
            await running
            stopped = watch is not None and (watch.met or watch.given_up)
            return "cancelled" if engine.progress().cancelled else "stopped" if stopped else "done"
        finally:
            with self._lock:
                self._loop = None
            for timer in timers:
                timer.cancel()

    def _watchers(self, sending: _Sending, spoken: Spoken) -> list[Sink]:
        """Who may stop a sweep while it runs: caps, targets without hope, majorities that are decided."""
        plan, engine, recorder, store = sending.ready.plan, sending.engine, sending.recorder, sending.ready.store
        if plan.sweep is None:
            return []
        from promptlab.cli.ready import costing
        from promptlab.cli.sweep import _caps
        from promptlab.cli.tracking import Tracking
        from promptlab.cli.watching import Decider, Watch

        run, carrying = sending.run.id, spoken.carrying
        tracking = sending.tracking = Tracking(plan, costing(sending.ready.endpoints), _caps(plan.sweep))
        again = f"promptlab sweep --resume {run}" if run is not None else "sending it again"
        watch = sending.watch = Watch(engine, tracking, plan, again)
        watch.say = lambda text: self._news.append(Said(text))
        found: list[Sink] = [tracking, watch]
        if carrying is None or not (carrying.cache or carrying.until_decided):
            return found
        if recorder is None or store is None or run is None:
            raise UsageError("--cache and --until-decided need the history", "leave out --no-save")
        if carrying.cache:
            engine.replay = lambda cell: store.cached(cell, sending.ready.wire(cell), before=run)
        if carrying.until_decided:
            found.append(Decider(engine, recorder, tracking, plan, plan.sweep.extract))
        return found


def _noting(ended: set[int]) -> Sink:
    """A sink that notes which cells have come to an end."""

    def note(stamped: Stamped) -> None:
        if isinstance(stamped.event, Ending):
            ended.add(stamped.cell)

    return note


def _unsent(plan: Plan, ended: set[int], engine: Engine) -> Iterator[Stamped]:
    """An end for each cell that was never sent: it has no event of its own, and nobody waits for it any more."""
    why, at = engine.drained or "not sent", engine.now()
    return (Stamped(cell.index, at, Cancelled(why)) for cell in plan.cells if cell.index not in ended)
