"""`promptlab tui`: the lab on one screen. What the screen asks for is done here, as `ask`, `show` and `models` do it.

A run has a thread and a loop of its own: what blocks for a moment (keys, weights, the history) never blocks the keys.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from promptlab.cli.options import Asking, Parameters, Sending, spread
from promptlab.errors import LabError, UsageError
from promptlab.places import places as user_places
from promptlab.tui.lab import Advice, Began, Choice, Ended, Foreseen, News, Past, Preview, Said
from promptlab.tui.text import Say, language

if TYPE_CHECKING:
    from promptlab.cli.here import Look
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready, Way
    from promptlab.config import Places, Settings
    from promptlab.engine import Engine, Limits
    from promptlab.plan import Cell, Plan, Run
    from promptlab.providers.discovery import Server
    from promptlab.store import Summary

KEPT = "tui.json"  # in the cache: what was used last
PATIENCE = 5.0  # seconds that a run may take to write down what it has, when the screen is left
_LISTED = 300  # runs, models
MOST = 200  # panes
_SHOWN = 300_000  # characters of all requests of a preview


def tui(words: Sequence[str] = (), *, enter_sends: bool = False, keymap: Mapping[str, str] | None = None) -> int:
    """Open the lab; `words` stand in the field of targets, as `ask` takes them; `keymap` gives keys by the ids of
    bindings. Raises UsageError where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the lab needs a terminal to be shown on", "promptlab ask works anywhere")
    from promptlab.tui.app import LabApp

    places = user_places()
    first = shlex.join(words) or remembered(places) or "-m local"
    app = LabApp(Rooms(places), Say(language()), first, enter_sends=enter_sends, theme=remembered(places, "theme"),
                 keymap=keymap)  # fmt: skip
    # The screen has the terminal: whatever asks by reading stdin is told that nobody is there, and says so.
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    try:
        app.run()
    finally:
        app.lab_screen.close()
    return app.return_code or 0


# The words -----------------------------------------------------------------------------------------------------------


def parse(words: str, prompt: str) -> tuple[Asked, Limits, Way]:
    """The words of the command line for a prompt, read by the same declarations as `ask`. Raises UsageError."""
    reader = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                         context_settings={"help_option_names": []})  # fmt: skip

    found: list[tuple[Asked, Limits, Way]] = []

    def read(*, asking: Asking, sending: Sending, parameters: Parameters) -> int:
        found.append((asking.asked(prompt, parameters, sending.params), sending.limits(), sending.way()))
        return 0

    reader.command()(spread(read))
    try:
        reader(args=shlex.split(words), standalone_mode=False, prog_name="words")
    except ValueError as error:
        raise UsageError(f"these words can't be read: {error}", "a quote is missing") from None
    except typer.TyperException as error:
        raise UsageError(error.format_message(), "the words are those of promptlab ask: promptlab ask --help") from None
    return found[0]


def plan_of(asked: Asked, places: Places, settings: Settings) -> Plan:
    """The plan behind what is asked, as `ask` makes it; what it would ask for on a terminal is an error. Raises
    UsageError."""
    from promptlab.axis import split_option
    from promptlab.cli.planning import make_plan
    from promptlab.profile import find, read
    from promptlab.profile.compose import unset

    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
        if missing := unset(profile, dict(map(split_option, asked.variables))):
            given = " ".join(f"--var {name}=…" for name in missing)
            raise UsageError(f"the profile '{profile.name}' has variables without a value: {', '.join(missing)}",
                             f"add {given}")  # fmt: skip
    prompt = asked.prompt if asked.prompt and asked.prompt.strip() else None
    return make_plan(replace(asked, prompt=prompt), places, settings)


def _sendable(way: Way) -> None:
    if way.dry_run:
        raise UsageError("--dry-run is for the command line", "promptlab ask --dry-run prints what would be sent")


def _bounded(plan: Plan) -> Plan:
    if len(plan.cells) > MOST:
        raise UsageError(f"this would make {len(plan.cells):,} panes, and {MOST} is the most",
                         "promptlab sweep measures that many")  # fmt: skip
    return plan


def followed(plan: Plan, answers: Mapping[int, str], prompt: str) -> Plan:
    """The next turn of those cells of a plan that have an answer, each with its own conversation; the checks were of
    the turn before."""
    from promptlab.request import Message

    said = [(cell, answers[cell.index]) for cell in plan.cells if answers.get(cell.index)]
    if not said:
        raise UsageError("there is no answer to follow up", "send a prompt first")
    cells = []
    for number, (cell, answer) in enumerate(said):
        messages = (*cell.request.messages, Message("assistant", answer), Message("user", prompt))
        cells.append(replace(cell, index=number, request=replace(cell.request, messages=messages), checks=()))
    return replace(plan, cells=tuple(cells), prompt=prompt, sweep=None, prospects=(), notes=())


def remembered(places: Places, what: str = "words") -> str:
    """What was used last: the words that were sent, the theme. An empty text where nothing was."""
    with suppress(OSError, ValueError):
        said = json.loads((places.cache / KEPT).read_bytes())
        if isinstance(said, dict) and isinstance(said.get(what), str):
            return " ".join(str(said[what])[:2000].split())
    return ""


def remember(places: Places, what: str, text: str) -> None:
    kept = {name: remembered(places, name) for name in ("words", "theme")} | {what: text}
    with suppress(OSError):
        places.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        (places.cache / KEPT).write_text(json.dumps(kept), "utf-8")


# A run ---------------------------------------------------------------------------------------------------------------


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
        _sendable(way)
        settings = config.settings(self._places)
        plan = _bounded(self._plan(asked, settings))
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


# What the screen asks for --------------------------------------------------------------------------------------------


def _foreseen(cell: Cell, ready: Ready) -> Foreseen:
    """What will become of a cell's parameters. litellm takes seconds to import, in which keys would be slow: what it
    leaves out of its own accord is told by the preview."""
    found = ready.wire(cell) or ready.registry.judge(ready.endpoints[cell.endpoint])(cell.request)
    return Foreseen(cell.target, cell.request.parameters, found.sent, found.verdicts)


class Rooms:
    """The lab of the screen (`tui.lab.Lab`), on the user's own history, settings and models."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._servers: list[Server] = []
        self._looked = 0.0

    def warm(self) -> None:
        import aiohttp  # noqa: F401

        import promptlab.cli.ask
        import promptlab.profile.compose
        import promptlab.tui.board
        import promptlab.tui.picker  # noqa: F401

        parse("-m local", "")

    def keep_theme(self, name: str) -> None:
        remember(self._places, "theme", name)

    def send(self, words: str, prompt: str) -> Under:
        return Under(self._places, words, lambda asked, settings: plan_of(asked, self._places, settings), prompt)

    def go_on(self, words: str, run: Run, answers: Mapping[int, str], prompt: str) -> Under:
        return Under(self._places, words, lambda asked, settings: followed(run.plan, answers, prompt), prompt)

    def again(self, words: str, run: Run) -> Under:
        return Under(self._places, words, lambda asked, settings: run.plan, run.plan.prompt)

    def check(self, words: str, prompt: str) -> int:
        from promptlab import config

        asked, _, _ = parse(words, prompt)
        return len(plan_of(asked, self._places, config.settings(self._places)).cells)

    def advise(self, words: str, prompt: str) -> Advice:
        from promptlab.cli.ask import advice
        from promptlab.cli.forecast import forecast

        with self._ahead(words, prompt) as (asked, settings, ready):
            if not any(endpoint.litellm for endpoint in ready.endpoints.values()):
                ready.look_ahead(quiet=True)
            cells = [_foreseen(cell, ready) for cell in ready.plan.cells]
            if not prompt.strip() and asked.profile is None:
                return Advice(cells)
            return Advice(cells, forecast(ready), advice(asked, ready.plan, self._places, settings))

    def preview(self, words: str, prompt: str) -> list[Preview]:
        from promptlab.cli.requests import request_text

        with self._ahead(words, prompt) as (_, _, ready):
            ready.look_ahead(quiet=True)
            left, found = _SHOWN, []
            for request in ready.planned():
                text = request_text(request)
                cut = f"\n… {len(text) - left:,} characters more: promptlab ask --dry-run" if len(text) > left else ""
                found.append(Preview(request.target, text[:left] + cut))
                left = max(0, left - len(text))
            return found

    @contextmanager
    def _ahead(self, words: str, prompt: str) -> Iterator[tuple[Asked, Settings, Ready]]:
        """All that sending takes, and nothing is sent, fetched or kept. A prompt that is not there yet is a mark."""
        from promptlab import config
        from promptlab.cli.ready import made_ready

        asked, _, way = parse(words, prompt)
        _sendable(way)
        if asked.profile is None and not prompt.strip():
            asked = replace(asked, prompt="?")
        settings = config.settings(self._places)
        plan = _bounded(plan_of(asked, self._places, settings))
        with made_ready(plan, replace(way, dry_run=True), self._places, settings, quiet=True) as ready:
            yield asked, settings, ready

    def runs(self) -> list[Summary]:
        from promptlab.store import Store

        if not self._places.database.exists():
            return []
        store = Store(self._places.database)
        try:
            return store.runs(_LISTED)
        finally:
            store.close()

    def open(self, run: int) -> Past:
        from promptlab.cli.history import ended, endpoints_then
        from promptlab.cli.ready import costing
        from promptlab.store import Store

        store = Store(self._places.database)
        try:
            found = store.run(run)
            if len(found.plan.cells) > MOST:
                raise UsageError(f"run {run} has {len(found.plan.cells):,} cells, and {MOST} panes is the most",
                                 f"promptlab show {run} shows what they tell")  # fmt: skip
            return Past(found, ended(found, list(store.events(run))), costing(endpoints_then(found)))
        finally:
            store.close()

    def choices(self, letters: str) -> list[Choice]:
        from promptlab.cli import here
        from promptlab.providers.roster import Wanted, picked

        if not self._servers or time.monotonic() - self._looked > 60:
            begun: Look = here.look()
            self._servers, self._looked = begun.servers(), time.monotonic()
        models = picked(self._servers, Wanted((letters,) if letters.strip() else ()), time.strftime("%Y-%m-%d"))
        found = []
        for model in models[:_LISTED]:
            told = [model.kind if model.kind not in (None, "chat") else "", "thinks" if model.thinks == "yes" else
                    "can think" if model.thinks == "switchable" else "",
                    f"{model.context // 1000}k" if model.context else "",
                    f"${model.price[0] * 1e6:.3g}/{model.price[1] * 1e6:.3g}" if model.price else "",
                    "loaded" if model.loaded else ""]  # fmt: skip
            found.append(Choice(model.target, [text for text in told if text]))
        return found
