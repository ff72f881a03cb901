"""The history as the lab asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.cli.tui.words import MOST
from promptlab.errors import Sentence, UsageError
from promptlab.places import Places
from promptlab.tui.lab import Past
from promptlab.tui.past import file_name

if TYPE_CHECKING:
    from promptlab.events import Stamped
    from promptlab.plan import Run
    from promptlab.store import Store, Summary

_LISTED = 1000  # runs
_FOUND = 500  # texts


@dataclass(frozen=True, slots=True)
class Told:
    """What the cells of a run said, one cell after the other, each with an end. It is read as it is asked for, and only
    that much of it is held: a sweep may have millions of events."""

    database: Path
    run: Run

    def __iter__(self) -> Iterator[Stamped]:
        from promptlab.cli.history import ended
        from promptlab.store import Store

        with closing(Store(self.database)) as store:  # of the thread that asks
            yield from ended(self.run, store.joined(self.run.id or 0))


class Chronicle:
    """See `tui.past.History`."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def _store(self) -> closing[Store]:
        from promptlab.store import Store

        return closing(Store(self._places.database))

    def runs(self) -> list[Summary]:
        if not self._places.database.exists():
            return []
        with self._store() as store:
            return store.runs(_LISTED)

    def found(self, word: str) -> dict[int, str]:
        if not self._places.database.exists():
            return {}
        with self._store() as store:
            found: dict[int, str] = {}
            for hit in store.search(word, _FOUND):
                found.setdefault(hit.run, hit.excerpt)
            return found

    def open(self, run: int) -> Past:
        from promptlab.cli.history import endpoints_then
        from promptlab.cli.ready import costing, windows

        with self._store() as store:
            found = store.run(run)
        if len(found.plan.cells) > MOST:
            raise UsageError(Sentence("run {run} has {cells} cells, and {most} panes is the most", run=run, most=MOST,
                                      cells=f"{len(found.plan.cells):,}"),
                             Sentence("promptlab show {run} shows what they tell", run=run))  # fmt: skip
        endpoints = endpoints_then(found)
        events = Told(self._places.database, found)
        return Past(found, events, costing(endpoints), windows(found.plan, endpoints))

    def export(self, run: int, format: str, file: str) -> Path:
        from promptlab.cli.export import export

        path = Path(file.strip() or file_name(run, format)).expanduser()
        export(run, format, path, places=self._places)
        return path.resolve()

    def keep(self, run: int, name: str) -> list[str]:
        from promptlab.cli.keep import Taken
        from promptlab.cli.saving import save_run

        with self._store() as store:
            try:
                return save_run(name, store.run(run), self._places, force=False)[1]
            except Taken as error:
                raise UsageError(error.message, "choose another name") from None
