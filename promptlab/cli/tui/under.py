"""A run under way: a thread and a loop of its own, so that what blocks for a moment (keys, weights, the history)
never blocks the keys."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from promptlab.cli.tui.kept import remember
from promptlab.cli.tui.words import bounded, check_sendable, parse
from promptlab.errors import LabError
from promptlab.places import Places
from promptlab.tui.lab import Began, Ended, News, Said

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready
    from promptlab.config import Settings
    from promptlab.engine import Engine, Limits
    from promptlab.plan import Plan

PATIENCE = 5.0  # seconds that a run may take to write down what it has, when the screen is left


class Under:
    """A run under way in a thread of its own; what it says waits here until the screen takes it."""

    def __init__(self, places: Places, words: str, plan: Callable[[Asked, Settings], Plan], prompt: str) -> None:
        self._places, self._words, self._plan, self._prompt = places, words, plan, prompt
        self._news: deque[News] = deque()
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._carry_out, daemon=True)
        self._thread.start()

    def take(self, most: int) -> list[News]:
        news = self._news
        return [news.popleft() for _ in range(min(most, len(news)))]

    def now(self) -> float:
        return self._engine.now() if self._engine is not None else 0.0

    def cancel(self, cell: int | None = None) -> None:
        with self._lock:
            self._cancelled |= cell is None
            if self._loop is not None and self._engine is not None:
                self._loop.call_soon_threadsafe(self._engine.cancel, cell, "cancelled by the user")

    def close(self) -> None:
        self.cancel()
        self._thread.join(PATIENCE)

    def _carry_out(self) -> None:
        state, failure = "cancelled", None
        try:
            state = self._sent()
        except LabError as error:
            failure = error
        except Exception as error:  # a bug, and the screen has to live on to say so
            failure = LabError(f"{type(error).__name__}: {error}", "this is a bug: please report it")
        self._news.append(Ended(state, failure))

    def _sent(self) -> str:
        from promptlab import config
        from promptlab.cli.ready import made_ready

        asked, limits, way = parse(self._words, self._prompt)
        check_sendable(way)
        settings = config.settings(self._places)
        plan = bounded(self._plan(asked, settings))
        remember(self._places, "words", self._words)
        with made_ready(plan, way, self._places, settings, quiet=True) as ready:
            ready.look_ahead(quiet=True)
            return "cancelled" if self._cancelled else asyncio.run(self._run(ready, limits))

    async def _run(self, ready: Ready, limits: Limits) -> str:
        from promptlab.cli.output import tick
        from promptlab.cli.ready import costing
        from promptlab.engine import Engine, Sink
        from promptlab.plan import Run
        from promptlab.store import FLUSH, now

        plan, store = ready.plan, ready.store
        run, recorder = Run(None, now(), plan), None
        if store is not None and ready.keeps:
            run, recorder = store.begin(plan, ready.wire)
        sinks: list[Sink] = [*([recorder] if recorder else []), *ready.learner(), self._news.append]
        engine = Engine(ready.providers, sinks, limits, adapt=plan.mode == "adapt")
        self._news.append(Began(run, costing(ready.endpoints)))
        timers = []
        if recorder is not None:
            recorder.warn = lambda message: self._news.append(Said(message))
            timers.append(asyncio.create_task(tick(FLUSH, recorder.flush)))
        state = "cancelled"
        try:
            running = asyncio.create_task(engine.run(plan))
            await asyncio.sleep(0)
            with self._lock:
                self._engine, self._loop = engine, asyncio.get_running_loop()
                if self._cancelled:
                    engine.cancel(why="cancelled by the user")
            await running
            state = "cancelled" if engine.progress().cancelled else "done"
        finally:
            with self._lock:
                self._loop = None
            for timer in timers:
                timer.cancel()
            if recorder is not None:
                recorder.close(state)
            await ready.registry.aclose()
        return state
