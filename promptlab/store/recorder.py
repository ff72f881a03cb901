"""The sink that writes a run down as it happens."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlab.events import Answer, Ending, Finished, Stamped, Thinking, pack
from promptlab.metrics import tokens
from promptlab.store.database import opened, shut, to_json, to_text, writing
from promptlab.store.search import forget
from promptlab.transcript import Transcript

if TYPE_CHECKING:
    from promptlab.store import Store

FLUSH = 0.25  # seconds of a running cell's events that a crash may lose


@dataclass(slots=True)
class _Open:
    """A cell between its first event and its ending. Where `waits`, an earlier try is in the history that ended badly:
    it stays until this one has ended well."""

    transcript: Transcript = field(default_factory=Transcript)
    held: list[Any] = field(default_factory=list)
    id: int | None = None
    batch: int = 0
    replaces: bool = False
    waits: bool = False
    ending: type | None = None

    @property
    def due(self) -> bool:
        return bool(self.held) and not (self.waits and self.ending is None)


class Recorder:
    """A sink: takes every event of one run. What it can't write it keeps, and says so once through `warn`. Of cells
    that have not begun or have ended it holds nothing."""

    def __init__(self, store: Store, run: int, *, resumed: bool = False) -> None:
        self.warn: Callable[[str], None] = lambda message: None
        self._store, self._run, self._resumed = store, run, resumed
        self._open: dict[int, _Open] = {}
        self._flushed = time.monotonic()
        self._warned = self._closing = False
        store._db.execute("PRAGMA busy_timeout = 100")  # another process writes: the screen doesn't wait, we try again

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        cell = self._open.get(number)
        if cell is None:
            cell = self._open[number] = _Open()
        cell.held.append(pack(stamped))
        cell.transcript.apply(at, event)
        kind = type(event)
        if kind is not Answer and kind is not Thinking and isinstance(event, Ending):
            cell.ending = kind
            self._write([number])
        if time.monotonic() - self._flushed >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Write what is held; called with the events, and by a timer of the run while nothing comes."""
        self._flushed = time.monotonic()
        self._write([number for number, cell in self._open.items() if cell.due])

    def skip(self, numbers: Iterable[int]) -> None:
        """Write down that cells are not wanted any more: a later `resume` does not send them."""
        try:
            with writing(self._store._db):
                self._store._db.executemany("UPDATE cells SET state = 'skipped' WHERE run = ? AND number = ?",
                                            [(self._run, number) for number in numbers])  # fmt: skip
        except sqlite3.Error as error:
            self._complain(error)

    def close(self, state: str) -> None:
        """The run has ended: `done` or `cancelled`."""
        self._closing = True
        self._store._db.execute("PRAGMA busy_timeout = 10000")
        self.flush()
        try:
            self._store._db.execute("UPDATE runs SET state = ? WHERE id = ?", (state, self._run))
        except sqlite3.Error as error:
            self._complain(error)
        if any(cell.due for cell in self._open.values()):
            self.warn(f"run {self._run} is not whole in the history: save what you see here")

    def _write(self, numbers: list[int]) -> None:
        if not numbers:
            return
        db = self._store._db
        try:
            with writing(db):
                for number in numbers:
                    self._put(db, number, self._open[number])
        except sqlite3.Error as error:
            if "locked" not in str(error) or self._closing:  # another process writes: the next flush has it
                self._complain(error)
            return
        for number in numbers:
            cell = self._open[number]
            if cell.ending is not None:
                del self._open[number]  # it lives in the file
            elif not cell.waits:
                cell.batch, cell.replaces = cell.batch + 1, False
                cell.held.clear()

    def _put(self, db: sqlite3.Connection, number: int, cell: _Open) -> None:
        if cell.id is None:
            self._look_up(db, number, cell)
        if cell.waits and cell.ending is not Finished:
            return
        content, batch = to_json(cell.held), cell.batch
        if cell.replaces:
            forget(db, cell.id or 0)
            db.execute("DELETE FROM events WHERE cell = ?", (cell.id,))
        elif cell.ending is not None and batch:  # one row is a third of many small ones
            rows = db.execute("SELECT content FROM events WHERE cell = ? ORDER BY batch", (cell.id,)).fetchall()
            content = ",".join([*(opened(text)[:-1].removeprefix("[") for (text,) in rows), content[1:]])
            content, batch = f"[{content}", 0
            db.execute("DELETE FROM events WHERE cell = ?", (cell.id,))
        db.execute("INSERT INTO events (cell, batch, content) VALUES (?, ?, ?)", (cell.id, batch, shut(content)))
        if cell.ending is not None:
            self._outcome(db, cell)

    def _look_up(self, db: sqlite3.Connection, number: int, cell: _Open) -> None:
        cell.id, state, reason = db.execute(
            "SELECT id, state, finish_reason FROM cells WHERE run = ? AND number = ?", (self._run, number)
        ).fetchone()
        cell.replaces = self._resumed
        cell.waits = self._resumed and ended_badly(state, reason)

    def _outcome(self, db: sqlite3.Connection, cell: _Open) -> None:
        said = cell.transcript
        # An answer out of the cache used no tokens: it must not count twice in what a model is known to use.
        used = None if said.cached is not None else tokens(said)
        db.execute(
            "UPDATE cells SET state = ?, finish_reason = ?, thinking = ?, answer = ?, input_tokens = ?,"
            " answer_tokens = ?, thinking_tokens = ?, estimated = ? WHERE id = ?",
            (said.state, *map(to_text, (said.finish_reason, said.thinking, said.answer)),
             *((used.input, used.answer, used.thinking) if used else (None, None, None)),
             bool(used and (used.estimated or used.answer_estimated)), cell.id),
        )  # fmt: skip

    def _complain(self, error: sqlite3.Error) -> None:
        if not self._warned:
            self._warned = True
            self.warn(f"the history can't be written: {error}; what comes is shown, and kept for another try")


def ended_badly(state: str, reason: str | None) -> bool:
    """Whether a cell's end is an error that another try may mend: it failed, or its stream was cut. One that ran into
    its own limit of tokens would do so again."""
    return state == "failed" or (state == "incomplete" and reason is None)
