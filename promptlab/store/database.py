"""The file of the history: how it is opened, brought up to date, and written to by several processes at once."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from promptlab.errors import Sentence, StoreError

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
    # `place` is where a cell stands on the axes; its `wire` (the body; older cells have their own `body`) and `checks`
    # stand in `contents`, once. The two tables of words hold no text: only which words are where.
    """
    ALTER TABLE runs ADD COLUMN sweep TEXT;
    ALTER TABLE runs ADD COLUMN digest TEXT;
    ALTER TABLE runs ADD COLUMN profiles TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE runs ADD COLUMN void TEXT NOT NULL DEFAULT '{}';
    CREATE INDEX runs_by_digest ON runs (digest) WHERE digest IS NOT NULL;
    CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        content TEXT NOT NULL
    );
    ALTER TABLE cells ADD COLUMN place TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE cells ADD COLUMN repeat INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE cells ADD COLUMN row INTEGER;
    ALTER TABLE cells ADD COLUMN checks INTEGER REFERENCES contents;
    ALTER TABLE cells ADD COLUMN wire INTEGER REFERENCES contents;
    ALTER TABLE cells ADD COLUMN key BLOB;
    ALTER TABLE cells ADD COLUMN input_tokens INTEGER;
    ALTER TABLE cells ADD COLUMN answer_tokens INTEGER;
    ALTER TABLE cells ADD COLUMN thinking_tokens INTEGER;
    ALTER TABLE cells ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE cells ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX cells_by_key ON cells (key) WHERE key IS NOT NULL AND state = 'done';
    CREATE INDEX cells_by_messages ON cells (messages);
    CREATE INDEX cells_not_indexed ON cells (id) WHERE indexed = 0;
    CREATE INDEX messages_not_indexed ON messages (id) WHERE indexed = 0;
    CREATE VIRTUAL TABLE cell_words USING fts5 (words, content='', detail=none, columnsize=0, tokenize='ascii');
    CREATE VIRTUAL TABLE message_words USING fts5 (words, content='', detail=none, columnsize=0, tokenize='ascii');
    CREATE TABLE audits (
        endpoint TEXT NOT NULL,
        base_url TEXT NOT NULL,
        model TEXT NOT NULL,
        parameter TEXT NOT NULL,
        word TEXT NOT NULL,
        p REAL,
        n INTEGER NOT NULL,
        text TEXT NOT NULL,
        detail TEXT NOT NULL,
        date TEXT NOT NULL,
        PRIMARY KEY (endpoint, base_url, model, parameter)
    ) WITHOUT ROWID;
    """,
    # What stood there is kept as it was seen: run, cell, arm, length, and whether the vote stopped it, from the left.
    """
    CREATE TABLE votes (
        id INTEGER PRIMARY KEY,
        created TEXT NOT NULL,
        voter TEXT NOT NULL,
        prompt TEXT NOT NULL,
        seen TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs,
        verdict TEXT NOT NULL,
        seconds REAL,
        note TEXT NOT NULL DEFAULT '',
        flags TEXT NOT NULL DEFAULT '[]',
        aside INTEGER NOT NULL DEFAULT 0,
        criteria TEXT NOT NULL DEFAULT '',
        words TEXT NOT NULL DEFAULT '[]',
        soft REAL
    );
    CREATE INDEX votes_by_run ON votes (run);
    CREATE TABLE grades (
        id INTEGER PRIMARY KEY,
        created TEXT NOT NULL,
        voter TEXT NOT NULL,
        run INTEGER NOT NULL REFERENCES runs,
        cell INTEGER NOT NULL,
        arm TEXT NOT NULL,
        criteria TEXT NOT NULL,
        marks TEXT NOT NULL,
        words TEXT NOT NULL
    );
    CREATE INDEX grades_by_run ON grades (run);
    """,
)
LONG = 400  # characters from which a batch of events is packed: shorter ones gain nothing


def connect(path: Path) -> sqlite3.Connection:
    """Open the history, and make or migrate it as needed: mode 0600, WAL. Raises StoreError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        path.chmod(0o600)
        _enter_wal(db)
        db.execute("PRAGMA synchronous = NORMAL")  # a crash of ours loses nothing; of the machine, seconds
        db.execute("PRAGMA foreign_keys = ON")
        _migrate(db, path)
        return db
    except (sqlite3.Error, OSError) as error:
        raise StoreError(Sentence("the history in {path} can't be opened: {error}", path=path, error=error),
                         "set PROMPTLAB_HOME to a folder of yours, or use --no-save") from None  # fmt: skip


def _enter_wal(db: sqlite3.Connection) -> None:
    """WAL mode. SQLite does not wait for a lock here as elsewhere: two first starts at once would fail."""
    deadline = time.monotonic() + 10.0
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    version = _version(db)
    if version == len(MIGRATIONS):
        return
    if version > len(MIGRATIONS):
        raise StoreError(Sentence("the history in {path} is of a newer promptlab", path=path), "upgrade promptlab-tui")
    with writing(db):  # the lock first: another process may be migrating at this moment
        for number, step in enumerate(MIGRATIONS[_version(db) :], start=_version(db) + 1):
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that has the lock from its beginning."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise


@contextmanager
def told(path: Path, hint: str = "free some space") -> Iterator[None]:
    """Errors of writing to the history, as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(Sentence("the history in {path} can't be written: {error}", path=path, error=error),
                         hint) from None  # fmt: skip


# -- what stands in a column ---------------------------------------------------------------------------------------


def to_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text if _encodable(text) else json.dumps(value, separators=(",", ":"))  # half a character


def to_text(value: str | None) -> str | None:
    """What SQLite takes as text: half a character, which no encoding has, becomes U+FFFD."""
    if value is None or _encodable(value):
        return value
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shut(text: str) -> str | bytes:
    """A batch of events as it is kept: packed, where it is long."""
    return text if len(text) < LONG else zlib.compress(text.encode(), 6)


def opened(content: str | bytes) -> str:
    """The JSON of a batch of events."""
    return content if isinstance(content, str) else zlib.decompress(content).decode()


def packed_events(content: str | bytes) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(opened(content))
    return found


def joined(batch: list[list[Any]]) -> Iterator[list[Any]]:
    """A batch of events in which pieces of thinking, or of an answer, that follow each other are two at most behind
    blank ones: the first one, with the time at which the text began, and all others as one, with that of the last."""
    first: list[Any] | None = None
    others: list[str] = []
    at = 0.0
    for packed in batch:
        if first is not None and packed[1] == first[1] and packed[3:] == first[3:]:
            others.append(packed[2])
            at = packed[0]
            continue
        if first is not None and others:
            yield [at, first[1], "".join(others), *first[3:]]
            others = []
        first = packed if packed[1] in ("Answer", "Thinking") and packed[2].strip() else None
        yield packed
    if first is not None and others:
        yield [at, first[1], "".join(others), *first[3:]]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
