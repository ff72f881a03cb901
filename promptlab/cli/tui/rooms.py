"""What the screen asks for, done as `ask`, `show` and `models` do it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlab.cli.tui.kept import remember
from promptlab.cli.tui.under import Under
from promptlab.cli.tui.words import MOST, bounded, check_sendable, parse, plan_of
from promptlab.errors import UsageError
from promptlab.places import Places
from promptlab.tui.lab import Advice, Choice, Foreseen, Past, Preview

if TYPE_CHECKING:
    from promptlab.cli.here import Look
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready
    from promptlab.config import Settings
    from promptlab.plan import Cell, Run
    from promptlab.providers.discovery import Server
    from promptlab.store import Summary
    from promptlab.transcript import Transcript

_LISTED = 300  # runs, models
_SHOWN = 300_000  # characters of all requests of a preview


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

    def go_on(self, words: str, run: Run, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Under:
        from promptlab.cli.follow import followed

        return Under(self._places, words, lambda asked, settings: followed(run.plan, turns, prompt), prompt)

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
        check_sendable(way)
        if asked.profile is None and not prompt.strip():
            asked = replace(asked, prompt="?")
        settings = config.settings(self._places)
        plan = bounded(plan_of(asked, self._places, settings))
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
