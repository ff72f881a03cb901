"""What the screen asks for, done as `ask`, `show` and `models` do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from promptlab.cli.tui.kept import remember
from promptlab.errors import Sentence, UsageError
from promptlab.places import Places
from promptlab.tui.lab import Advice, Foreseen, Preview

if TYPE_CHECKING:
    from promptlab.analysis import Reading, Sample
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready
    from promptlab.cli.tui.past import Chronicle
    from promptlab.cli.tui.shelf import Profiles
    from promptlab.cli.tui.stock import Stocked
    from promptlab.cli.tui.under import Under
    from promptlab.config import Settings
    from promptlab.plan import Cell, Plan, Run
    from promptlab.render.record import Costing
    from promptlab.store import Store
    from promptlab.transcript import Transcript
    from promptlab.tui.booth import Booth
    from promptlab.tui.lab import Turns
    from promptlab.tui.outlook import Outlook

T = TypeVar("T")

_SHOWN = 300_000  # characters of all requests of a preview


def _foreseen(cell: Cell, ready: Ready) -> Foreseen:
    """What will become of a cell's parameters. litellm takes seconds to import, in which keys would be slow: what it
    leaves out of its own accord is told by the preview."""
    found = ready.wire(cell) or ready.registry.judge(ready.endpoints[cell.endpoint])(cell.request)
    return Foreseen(cell.target, cell.request.parameters, found.sent, found.verdicts)


def _lacking(ready: Ready) -> Iterator[tuple[str, str]]:
    """Targets whose key is not set or can't be one, and its variable."""
    from promptlab.providers.registry import Keyless

    for cell in ready.plan.cells:
        if isinstance(ready.providers[cell.index], Keyless):
            yield cell.target, ready.endpoints[cell.endpoint].keys[0]


class Rooms:
    """The lab of the screen (`tui.lab.Lab`), on the user's own history, settings and models."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._told = ""  # what the user has been told the price of

    @property
    def shelf(self) -> Profiles:
        from promptlab.cli.tui.shelf import Profiles

        return Profiles(self._places)

    @cached_property
    def models(self) -> Stocked:
        from promptlab.cli.tui.stock import Stocked

        return Stocked(self._places)

    @property
    def history(self) -> Chronicle:
        from promptlab.cli.tui.past import Chronicle  # 0.1 s of the first frame

        return Chronicle(self._places)

    def warm(self) -> None:
        import aiohttp  # noqa: F401

        import promptlab.cli.ask
        import promptlab.cli.tui.under
        import promptlab.profile.compose
        import promptlab.tui.board
        import promptlab.tui.picker  # noqa: F401
        from promptlab.cli.tui.words import parse

        parse("-m local", "")

    def keep_theme(self, name: str) -> None:
        remember(self._places, "theme", name)

    def _under(
        self, words: str, plan: Callable[[Asked, Settings], Plan] | None, prompt: str,
        agree: Callable[[], bool] | None = None,
    ) -> Under:  # fmt: skip
        from promptlab.cli.tui.under import Under  # with all that a run takes: not before the first frame

        return Under(self._places, words, plan, prompt, agree)

    def send(self, words: str, prompt: str) -> Under:
        return self._under(words, None, prompt, lambda: self._agrees(f"{words}\n{prompt}"))

    def go_on(self, words: str, run: Run, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Under:
        from promptlab.cli.follow import followed

        return self._under(words, lambda asked, settings: followed(run.plan, turns, prompt), prompt)

    def again(self, words: str, run: Run) -> Under:
        agree = partial(self._agrees, f"run {run.id} {run.created}")
        return self._under(words, lambda asked, settings: run.plan, run.plan.prompt, agree)

    def retry(self, words: str, run: Run, cell: Cell, target: str | None = None) -> Under:
        from promptlab.cli.tui.retry import retried

        return self._under(words, lambda asked, settings: retried(run.plan, cell, target, asked, self._places,
                                                                          settings), run.plan.prompt)  # fmt: skip

    def request(self, words: str, run: Run, cell: Cell, said: Transcript) -> str:
        from promptlab.cli.tui.retry import request_told

        return request_told(words, run, cell, said, self._places)

    def _agrees(self, what: str) -> bool:
        """Whether this is what the user was told the price of just now: sending it again is to agree."""
        told, self._told = self._told, what
        if told == what:
            self._told = ""
        return told == what

    def read(self, plan: Plan, ended: Turns, costing: Costing, known: dict[int, Sample]) -> Reading:
        from promptlab.cli.outcome import Wanted, read_samples, sample_of

        for cell, said in ended:
            if cell.index not in known:
                known[cell.index] = sample_of(cell, said, costing, allow_run=False)
        samples = [known[cell.index] for cell, _ in ended]
        try:
            return read_samples(plan, samples, Wanted())
        except ValueError as error:
            raise UsageError(Sentence("this run can't be measured: {why}", why=error),
                             "promptlab show has what it says") from None  # fmt: skip

    def best(self, run: int) -> int | None:
        from promptlab.cli.tui.best import best_of

        return self._in_store(lambda store: best_of(store, run))

    def mark_best(self, run: Run, cell: Cell, answer: str) -> bool:
        from promptlab.cli.tui.best import mark

        return self._in_store(lambda store: mark(store, run, cell, answer))

    def _in_store(self, do: Callable[[Store], T]) -> T:
        from promptlab.store import Store

        with closing(Store(self._places.database)) as store:
            return do(store)

    def booth(self, run: int) -> Booth:
        from random import SystemRandom

        from promptlab.cli.blind import Rules, past

        return past(self._places, run, Rules(), SystemRandom())

    def votes(self, run: int, cells: int, words: Callable[[str], str]) -> str:
        from promptlab.render.preference import text

        ballots = self._in_store(lambda store: [one for one in store.votes(run) if one.compares])
        return str(text(ballots, cells, words=words)) if ballots else ""

    def check(self, words: str, prompt: str) -> int:
        from promptlab import config
        from promptlab.cli.tui.words import hear, plan_of

        return len(plan_of(hear(words, prompt), self._places, config.settings(self._places)).cells)

    def advise(self, words: str, prompt: str) -> Advice:
        from promptlab.cli.ask import linted
        from promptlab.cli.forecast import forecast
        from promptlab.cli.lint import first

        with self._ahead(words, prompt) as (asked, settings, ready):
            if not any(endpoint.litellm for endpoint in ready.endpoints.values()):
                ready.look_ahead(quiet=True)
            cells = [_foreseen(cell, ready) for cell in ready.plan.cells if not (cell.repeat or cell.row)]
            lacks = dict(_lacking(ready))
            if not prompt.strip() and asked.profile is None:
                return Advice(cells, lacks=lacks)
            found = linted(asked, ready.plan, self._places, settings)
            return Advice(cells, forecast(ready), first(found), lacks)

    def preview(self, words: str, prompt: str) -> list[Preview]:
        from promptlab.cli.requests import request_text

        with self._ahead(words, prompt) as (_, _, ready):
            ready.look_ahead(quiet=True)
            left, found = _SHOWN, []
            for request in ready.planned():
                text = shown = request_text(request)
                if len(text) > left:
                    shown = Sentence("{start}\n… {count} characters more: promptlab ask --dry-run", start=text[:left],
                                     count=f"{len(text) - left:,}")  # fmt: skip
                found.append(Preview(request.target, shown))
                left = max(0, left - len(text))
            return found

    @contextmanager
    def _ahead(self, words: str, prompt: str) -> Iterator[tuple[Asked, Settings, Ready]]:
        """All that sending takes, and nothing is sent, fetched or kept. A prompt that is not there yet is a mark."""
        from promptlab import config
        from promptlab.cli.ready import made_ready
        from promptlab.cli.tui.words import bounded, check_sendable, hear, plan_of

        spoken = hear(words, prompt)
        check_sendable(spoken.way)
        sweep = spoken.sweep
        if spoken.asked.profile is None and not prompt.strip():
            spoken = replace(spoken, asked=replace(spoken.asked, prompt="?"))
            if sweep is not None and not (sweep.prompt or sweep.profile or sweep.dataset):
                spoken = replace(spoken, sweep=replace(sweep, prompt="?"))
        settings = config.settings(self._places)
        plan = bounded(plan_of(spoken, self._places, settings))
        with made_ready(plan, replace(spoken.way, dry_run=True), self._places, settings, quiet=True) as ready:
            yield spoken.asked, settings, ready

    def outlook(self, words: str) -> Outlook:
        from promptlab.cli.tui.outlook import outlook

        return outlook(words, self._places)
