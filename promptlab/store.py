"""The history, in SQLite: writes a run's events as they come, and gives them back as the same events.

One row of `events` holds what one cell said within a quarter of a second, as a JSON list. A cell's ending is
written at once, so that a killed process loses no finished cell, and of a running one at most that quarter.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptlab.errors import StoreError
from promptlab.events import Answer, Ending, Stamped, Thinking, pack, unpack
from promptlab.knowledge import Finding
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request, Wire
from promptlab.transcript import Transcript

FLUSH = 0.25  # seconds of a running cell's events that a crash may lose

# One step a version, applied in order; a step that has shipped is never edited.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'running',
        prompt TEXT NOT NULL,
        profile TEXT,
        base_url TEXT,
        key_name TEXT,
        pid INTEGER NOT NULL
    );
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        content TEXT NOT NULL
    );
    CREATE TABLE cells (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
        number INTEGER NOT NULL,
        target TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        model TEXT NOT NULL,
        parameters TEXT NOT NULL,
        varied TEXT NOT NULL,
        options TEXT NOT NULL,
        messages INTEGER NOT NULL REFERENCES messages,
        url TEXT,
        body TEXT,
        state TEXT NOT NULL DEFAULT 'queued',
        finish_reason TEXT,
        thinking TEXT,
        answer TEXT,
        UNIQUE (run, number)
    );
    CREATE TABLE events (
        cell INTEGER NOT NULL REFERENCES cells ON DELETE CASCADE,
        batch INTEGER NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (cell, batch)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE runs ADD COLUMN mode TEXT NOT NULL DEFAULT 'adapt';
    ALTER TABLE runs ADD COLUMN plain_http INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE findings (
        endpoint TEXT NOT NULL,
        base_url TEXT NOT NULL,
        model TEXT NOT NULL,
        parameter TEXT NOT NULL,
        state TEXT NOT NULL,
        asked TEXT NOT NULL,
        verdict TEXT NOT NULL,
        value TEXT NOT NULL,
        said TEXT NOT NULL,
        date TEXT NOT NULL,
        PRIMARY KEY (endpoint, base_url, model, parameter, state, asked)
    ) WITHOUT ROWID;
    """,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the history."""

    id: int
    created: str
    state: str
    prompt: str
    profile: str | None
    targets: tuple[str, ...]
    states: tuple[str, ...]


class Store:
    """One database file, mode 0600, in WAL mode, so that runs in several terminals can write at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            path.chmod(0o600)
            self._enter_wal()
            self._db.execute("PRAGMA synchronous = NORMAL")  # a crash of ours loses nothing; of the machine, seconds
            self._db.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the history in {path} can't be opened: {error}",
                             "set PROMPTLAB_HOME to a folder of yours, or use --no-save") from None  # fmt: skip

    def _enter_wal(self) -> None:
        """WAL mode. SQLite does not wait for a lock here as elsewhere: two first starts at once would fail."""
        deadline = time.monotonic() + 10.0
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def _migrate(self) -> None:
        version = self._version()
        if version == len(MIGRATIONS):
            return
        if version > len(MIGRATIONS):
            raise StoreError(f"the history in {self.path} is of a newer promptlab", "upgrade promptlab-tui")
        with self._writing():  # the lock first: another process may be migrating at this moment
            for number, step in enumerate(MIGRATIONS[self._version() :], start=self._version() + 1):
                for statement in filter(str.strip, step.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has rolled it back already
                self._db.execute("ROLLBACK")
            raise

    def begin(self, plan: Plan, wires: dict[int, Wire]) -> tuple[Run, Recorder]:
        """Write down what is about to be sent; the recorder takes the events of it."""
        created = now()
        try:
            with self._writing():
                run = self._db.execute(
                    "INSERT INTO runs (created, prompt, profile, base_url, key_name, pid, mode, plain_http)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        created,
                        *map(_text, (plan.prompt, plan.profile, plan.base_url, plan.key_name)),
                        os.getpid(),
                        plan.mode,
                        plan.plain_http,
                    ),
                ).lastrowid
                assert run is not None
                ids = {cell.index: self._insert(run, cell, wires.get(cell.index)) for cell in plan.cells}
        except sqlite3.Error as error:
            raise StoreError(f"the history in {self.path} can't be written: {error}",
                             "free some space, or use --no-save") from None  # fmt: skip
        return Run(run, created, plan), Recorder(self, run, ids)

    def _insert(self, run: int, cell: Cell, wire: Wire | None) -> int:
        text = _json([[m.role, m.text] for m in cell.request.messages])
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self._db.execute("INSERT OR IGNORE INTO messages (digest, content) VALUES (?, ?)", (digest, text))
        (messages,) = self._db.execute("SELECT id FROM messages WHERE digest = ?", (digest,)).fetchone()
        # The messages stand in their own table, once; all else that goes out stands here as it goes out.
        body = {k: v for k, v in wire.body.items() if k != "messages"} if wire else None
        row = self._db.execute(
            "INSERT INTO cells (run, number, target, endpoint, model, parameters, varied, options, messages, url, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run, cell.index, *map(_text, (cell.target, cell.endpoint, cell.request.model)),
             _json(cell.request.parameters), _json(cell.varied), _json(cell.options), messages,
             _text(wire.url) if wire else None,
             _json(body) if body is not None else None),
        )  # fmt: skip
        assert row.lastrowid is not None
        return row.lastrowid

    def runs(self, count: int | None = None) -> list[Summary]:
        """The newest runs, newest first."""
        rows = self._db.execute(
            "SELECT id, created, state, prompt, profile, pid FROM runs ORDER BY id DESC LIMIT ?",
            (-1 if count is None else count,),
        ).fetchall()
        found = []
        for id, created, state, prompt, profile, pid in rows:
            cells = self._db.execute("SELECT target, state FROM cells WHERE run = ? ORDER BY number", (id,)).fetchall()
            targets, states = tuple(t for t, _ in cells), tuple(s for _, s in cells)
            found.append(Summary(id, created, _alive(state, pid), prompt, profile, targets, states))
        return found

    def run(self, id: int | None = None) -> Run:
        """A run with its plan, the last one without `id`. Raises StoreError where there is none."""
        row = self._db.execute(
            "SELECT id, created, state, prompt, profile, base_url, key_name, pid, mode, plain_http FROM runs"
            " WHERE id = coalesce(?, (SELECT max(id) FROM runs))",
            (id,),
        ).fetchone()
        if row is None:
            what = "the history is empty" if id is None else f"there is no run {id}"
            raise StoreError(what, "promptlab runs lists what there is")
        number, created, state, prompt, profile, base_url, key_name, pid, mode, plain_http = row
        cells = self._db.execute(
            "SELECT number, target, endpoint, model, parameters, varied, options, content FROM cells"
            " JOIN messages ON messages.id = cells.messages WHERE run = ? ORDER BY number",
            (number,),
        ).fetchall()
        plan = Plan(
            tuple(_cell(*values) for values in cells), prompt, profile, base_url, key_name, mode, bool(plain_http)
        )
        return Run(number, created, plan, _alive(state, pid))

    def events(self, run: int) -> Iterator[Stamped]:
        """All events of a run, in the order of their times."""
        rows = self._db.execute(
            "SELECT number, content FROM events JOIN cells ON cells.id = events.cell"
            " WHERE run = ? ORDER BY number, batch",
            (run,),
        )
        found = [unpack(number, packed) for number, content in rows for packed in json.loads(content)]
        return iter(sorted(found, key=lambda stamped: stamped.at))

    def sent(self, run: int) -> dict[int, tuple[str, dict[str, Any]]]:
        """Per cell: the address, and the body without its messages, as planned before the run."""
        rows = self._db.execute("SELECT number, url, body FROM cells WHERE run = ? AND body IS NOT NULL", (run,))
        return {number: (url, json.loads(body)) for number, url, body in rows}

    def learn(self, finding: Finding) -> None:
        """Keep what an endpoint said of a parameter; the newest word on it holds. Raises StoreError."""
        row = (finding.endpoint, finding.base_url, finding.model, finding.parameter, finding.state,
               _json(finding.asked), finding.word, _json(finding.value), finding.said, finding.date)  # fmt: skip
        try:
            with self._writing():
                if finding.asked is None:  # refused or pinned whatever the value: single values say nothing more
                    self._db.execute("DELETE FROM findings WHERE (endpoint, base_url, model, parameter, state)"
                                     " = (?, ?, ?, ?, ?)", row[:5])  # fmt: skip
                self._db.execute(f"INSERT OR REPLACE INTO findings VALUES ({', '.join('?' * len(row))})",
                                 [_text(value) for value in row])  # fmt: skip
        except sqlite3.Error as error:
            raise StoreError(f"the history in {self.path} can't be written: {error}", "free some space") from None

    def findings(self, model: str | None = None) -> list[Finding]:
        """What was found out about parameters, newest first; of one model by its id, or of all."""
        rows = self._db.execute(
            "SELECT endpoint, base_url, model, parameter, verdict, state, said, date, value, asked FROM findings"
            " WHERE model = coalesce(?, model) ORDER BY date DESC",
            (model,),
        )
        found = []
        for endpoint, base_url, name, parameter, word, state, said, date, value, asked in rows:
            pinned, refused = json.loads(value), json.loads(asked)
            found.append(Finding(endpoint, base_url, name, parameter, word, state, said, date, pinned, refused))
        return found

    def forget(self, endpoint: str, model: str, parameter: str | None = None) -> int:
        """Forget the findings on a model, or on one parameter of it; gives how many."""
        try:
            with self._writing():
                return self._db.execute(
                    "DELETE FROM findings WHERE endpoint = ? AND model = ? AND parameter = coalesce(?, parameter)",
                    (endpoint, model, parameter),
                ).rowcount
        except sqlite3.Error as error:
            raise StoreError(f"the history in {self.path} can't be written: {error}", "free some space") from None

    def close(self) -> None:
        self._db.close()


class Recorder:
    """A sink: takes every event of one run. What it can't write it keeps, and says so once through `warn`."""

    def __init__(self, store: Store, run: int, cells: dict[int, int]) -> None:
        self.warn: Callable[[str], None] = lambda message: None
        self._store, self._run, self._cells = store, run, cells
        self._held: dict[int, list[Any]] = {}
        self._batch = dict.fromkeys(cells, 0)
        self._transcripts = {number: Transcript() for number in cells}
        self._flushed = time.monotonic()
        self._warned = self._closing = False
        store._db.execute("PRAGMA busy_timeout = 100")  # another process writes: the screen doesn't wait, we try again

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        held = self._held.get(number)
        if held is None:
            held = self._held[number] = []
        held.append(pack(stamped))
        kind = type(event)
        if kind is Answer or kind is Thinking:
            self._transcripts[number].apply(at, event)
            if time.monotonic() - self._flushed >= FLUSH:
                self.flush()
            return
        transcript = self._transcripts[number]
        transcript.apply(at, event)
        if isinstance(event, Ending) or time.monotonic() - self._flushed >= FLUSH:
            self.flush()

    def flush(self) -> None:
        """Write what is held; called with the events, and by a timer of the run while nothing comes."""
        self._flushed = time.monotonic()
        if not self._held:
            return
        db = self._store._db
        try:
            with self._store._writing():
                db.executemany(
                    "INSERT INTO events (cell, batch, content) VALUES (?, ?, ?)",
                    [(self._cells[n], self._batch[n], _json(held)) for n, held in self._held.items()],
                )
                for number in self._held:
                    self._outcome(db, number)
        except sqlite3.Error as error:
            if "locked" not in str(error) or self._closing:  # another process writes: the next flush has it
                self._complain(error)
            return
        for number in self._held:
            self._batch[number] += 1
            if self._transcripts[number].ending:
                self._transcripts[number] = Transcript(state=self._transcripts[number].state)  # it lives in the file
        self._held.clear()

    def _outcome(self, db: sqlite3.Connection, number: int) -> None:
        cell = self._transcripts[number]
        if not cell.ending:
            return
        db.execute(
            "UPDATE cells SET state = ?, finish_reason = ?, thinking = ?, answer = ? WHERE id = ?",
            (cell.state, *map(_text, (cell.finish_reason, cell.thinking, cell.answer)), self._cells[number]),
        )

    def close(self, state: str) -> None:
        """The run has ended: `done` or `cancelled`."""
        self._closing = True
        self._store._db.execute("PRAGMA busy_timeout = 10000")
        self.flush()
        try:
            self._store._db.execute("UPDATE runs SET state = ? WHERE id = ?", (state, self._run))
        except sqlite3.Error as error:
            self._complain(error)
        if self._held:
            self.warn(f"run {self._run} is not whole in the history: save what you see here")

    def _complain(self, error: sqlite3.Error) -> None:
        if not self._warned:
            self._warned = True
            self.warn(f"the history can't be written: {error}; what comes is shown, and kept for another try")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(
    number: int, target: str, endpoint: str, model: str, parameters: str, varied: str, options: str, messages: str
) -> Cell:
    said = tuple(Message(role, text) for role, text in json.loads(messages))
    return Cell(number, target, endpoint, Request(model, said, json.loads(parameters)), json.loads(varied),
                json.loads(options))  # fmt: skip


def _alive(state: str, pid: int) -> str:
    """A run whose process is gone did not end: it was broken off."""
    if state != "running":
        return state
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "broken off"
    except OSError:
        pass
    return state


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if _encodable(text) else json.dumps(value, separators=(",", ":"))  # half a character


def _text(value: str | None) -> str | None:
    """What SQLite takes as text: half a character, which no encoding has, becomes U+FFFD."""
    if value is None or _encodable(value):
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
