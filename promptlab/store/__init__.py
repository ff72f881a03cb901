"""The history, in SQLite: writes a run's events as they come, and gives them back as the same events.

One row of `events` holds what one cell said within a quarter of a second, as a JSON list, and all of it once the cell
has ended. A cell's ending is written at once, so that a killed process loses no finished cell, and of a running one at
most that quarter.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.ballot import Ballot, Grade
from promptlab.check import Check
from promptlab.errors import Sentence, StoreError
from promptlab.events import Stamped, Started, unpack
from promptlab.knowledge import Finding
from promptlab.metrics import tokens
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request, Sealed, Wire
from promptlab.store import found, search, vote
from promptlab.store.database import MIGRATIONS, connect, joined, packed_events, to_json, to_text, told, writing
from promptlab.store.recorder import FLUSH, Recorder, ended_badly
from promptlab.store.search import Hit
from promptlab.store.sweep import dump, load
from promptlab.sweep import digest
from promptlab.transcript import Transcript

if TYPE_CHECKING:
    from promptlab.audit import Audited

__all__ = ["FLUSH", "MIGRATIONS", "Hit", "Recorder", "Spent", "Store", "Summary", "key", "now"]

Wires = Mapping[int, Wire] | Callable[[Cell], Wire | None]


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the history. `axes` are those of a sweep, with how many values each has; None is no sweep."""

    id: int
    created: str
    state: str
    prompt: str
    profile: str | None
    targets: tuple[str, ...]
    states: tuple[str, ...]
    axes: tuple[tuple[str, int], ...] | None = None
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Spent:
    """What one cell of the past used, in tokens; None where nobody knows. `estimated` counts are ours."""

    input: int | None
    answer: int | None
    thinking: int | None
    estimated: bool


class Store:
    """One database file, mode 0600, in WAL mode, so that runs in several terminals can write at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = connect(path)

    def close(self) -> None:
        self._db.close()

    # -- writing a run ---------------------------------------------------------------------------------------------

    def begin(self, plan: Plan, wires: Wires) -> tuple[Run, Recorder]:
        """Write down what is about to be sent; the recorder takes the events of it. `wires` gives what goes out for
        each cell by its index, or, called for each cell in turn, so that they are never all held at once."""
        created = now()
        with told(self.path, "free some space, or use --no-save"), writing(self._db):
            run = self._db.execute(
                "INSERT INTO runs (created, prompt, profile, base_url, key_name, pid, mode, plain_http, sweep, digest,"
                " profiles, void) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (created, *map(to_text, (plan.prompt, plan.profile, plan.base_url, plan.key_name)), os.getpid(),
                 plan.mode, plan.plain_http,
                 *((dump(plan.sweep), digest(plan.sweep)) if plan.sweep is not None else (None, None)),
                 to_json(plan.profiles), to_json(plan.void)),
            ).lastrowid  # fmt: skip
            assert run is not None
            known: dict[bytes, int] = {}
            for cell in plan.cells:
                self._insert(run, cell, wires(cell) if callable(wires) else wires.get(cell.index), known)
        return Run(run, created, plan), Recorder(self, run)

    def resume(self, run: int, numbers: Iterable[int], wires: Wires | None = None) -> Recorder:
        """Take a run up again, to send the cells `numbers` of it. A cell that had ended with an error keeps its events
        until it has ended well. Raises StoreError where there is no such run, or it runs at this moment."""
        row = self._db.execute("SELECT state, pid FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            raise StoreError(Sentence("there is no run {run}", run=run), "promptlab runs lists what there is")
        if row[1] != os.getpid() and _alive(*row) == "running":
            raise StoreError(f"run {run} is being carried out by process {row[1]}",
                             "wait for it; if that process is no promptlab, start again once it is gone")  # fmt: skip
        cells = {cell.index: cell for cell in self.run(run).plan.cells} if wires is not None else {}
        known: dict[bytes, int] = {}
        with told(self.path), writing(self._db):
            self._db.execute("UPDATE runs SET state = 'running', pid = ? WHERE id = ?", (os.getpid(), run))
            for number in numbers:
                self._db.execute("UPDATE cells SET state = 'queued' WHERE run = ? AND number = ?"
                                 " AND state IN ('cancelled', 'skipped')", (run, number))  # fmt: skip
                cell = cells.get(number)
                wire = (wires(cell) if callable(wires) else (wires or {}).get(number)) if cell else None
                if cell is not None and wire is not None:
                    self._db.execute("UPDATE cells SET url = ?, wire = ?, key = ? WHERE run = ? AND number = ?",
                                     (*self._sent(cell, wire, known), run, number))  # fmt: skip
        return Recorder(self, run, resumed=True)

    def unfinished(self, run: int, errors: bool = False) -> list[int]:
        """The cells of a run that have not come to an end of their own; with `errors` those that failed, too."""
        rows = self._db.execute("SELECT number, state, finish_reason FROM cells WHERE run = ? ORDER BY number", (run,))
        return [
            number for number, state, reason in rows
            if state in ("queued", "cancelled") or (errors and ended_badly(state, reason))
        ]  # fmt: skip

    def refill(self, run: int, cell: Cell, wire: Wire | None) -> None:
        """Write down what a cell is asked, where only what others said could tell it. Raises StoreError."""
        known: dict[bytes, int] = {}
        with told(self.path), writing(self._db):
            messages = self._once("messages", _packed(cell.request.messages), known)
            self._db.execute("UPDATE cells SET messages = ?, url = ?, wire = ?, key = ? WHERE run = ? AND number = ?",
                             (messages, *self._sent(cell, wire, known), run, cell.index))  # fmt: skip

    def _insert(self, run: int, cell: Cell, wire: Wire | None, known: dict[bytes, int]) -> None:
        messages = self._once("messages", _packed(cell.request.messages), known)
        kinds = to_json([[check.kind, check.want, check.name] for check in cell.checks])
        checks = self._once("contents", kinds, known) if cell.checks else None
        self._db.execute(
            "INSERT INTO cells (run, number, target, endpoint, model, parameters, varied, options, messages, place,"
            " repeat, row, checks, url, wire, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run, cell.index, *map(to_text, (cell.target, cell.endpoint, cell.request.model)),
             to_json(cell.request.parameters), to_json(cell.varied), to_json(cell.options), messages,
             to_json(cell.values), cell.repeat, cell.row, checks, *self._sent(cell, wire, known)),
        )  # fmt: skip

    def _sent(
        self, cell: Cell, wire: Wire | None, known: dict[bytes, int]
    ) -> tuple[str | None, int | None, bytes | None]:
        if wire is None:
            return None, None, None
        # The messages stand in their own table, once; all else that goes out stands here as it goes out.
        # But what a vendor wants back with an earlier answer is nowhere else as it goes out.
        apart = () if any(message.sealed for message in cell.request.messages) else ("messages",)
        body = to_json({name: value for name, value in wire.body.items() if name not in apart})
        return to_text(wire.url), self._once("contents", body, known), key(cell, wire)

    def _once(self, table: str, text: str, known: dict[bytes, int]) -> int:
        """The id of a text that is kept once, however many cells have it."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        id = known.get(digest)
        if id is None:
            self._db.execute(f"INSERT OR IGNORE INTO {table} (digest, content) VALUES (?, ?)", (digest, text))
            (id,) = self._db.execute(f"SELECT id FROM {table} WHERE digest = ?", (digest,)).fetchone()
            known[digest] = id
        return id

    # -- reading runs ----------------------------------------------------------------------------------------------

    def runs(self, count: int | None = None) -> list[Summary]:
        """The newest runs, newest first."""
        rows = self._db.execute(
            "SELECT id, created, state, prompt, profile, pid, sweep FROM runs ORDER BY id DESC LIMIT ?",
            (-1 if count is None else count,),
        ).fetchall()
        listed = []
        for id, created, state, prompt, profile, pid, written in rows:
            cells = self._db.execute("SELECT target, state FROM cells WHERE run = ? ORDER BY number", (id,)).fetchall()
            targets, states = tuple(t for t, _ in cells), tuple(s for _, s in cells)
            sweep = load(written) if written else None
            axes = tuple((axis.name, len(axis.values)) for axis in sweep.axes) if sweep else None
            listed.append(Summary(id, created, _alive(state, pid), prompt, profile, targets, states, axes,
                                  sweep.repeats if sweep else 1))  # fmt: skip
        return listed

    def run(self, id: int | None = None) -> Run:
        """A run with its plan, the last one without `id`. Raises StoreError where there is none."""
        row = self._db.execute(
            "SELECT id, created, state, pid, sweep, prompt, profile, base_url, key_name, mode, plain_http,"
            " profiles, void FROM runs"
            " WHERE id = coalesce(?, (SELECT max(id) FROM runs))",
            (id,),
        ).fetchone()
        if row is None:
            what = "the history is empty" if id is None else f"there is no run {id}"
            raise StoreError(what, "promptlab runs lists what there is")
        number, created, state, pid, sweep, *about = row
        cells = tuple(cell for _, cell in self._cells(number))
        prompt, profile, base_url, key_name, mode, plain_http, profiles, void = about
        plan = Plan(cells, prompt, profile, base_url, key_name, mode, bool(plain_http), load(sweep) if sweep else None,
                    profiles=json.loads(profiles),
                    void={name: tuple(axes) for name, axes in json.loads(void).items()})  # fmt: skip
        return Run(number, created, plan, _alive(state, pid))

    def events(self, run: int) -> Iterator[Stamped]:
        """All events of a run, in the order of their times. They are all held: for many cells see `samples`."""
        told = (unpack(number, packed) for number, batch in self._batches(run) for packed in batch)
        return iter(sorted(told, key=lambda stamped: stamped.at))

    def joined(self, run: int) -> Iterator[Stamped]:
        """What a transcript needs of the events of a run, those of one cell after the other: pieces of a text that came
        one behind the other are joined. One batch is held."""
        return (unpack(number, packed) for number, batch in self._batches(run) for packed in joined(batch))

    def _batches(self, run: int) -> Iterator[tuple[int, list[list[Any]]]]:
        rows = self._db.execute(
            "SELECT number, content FROM events JOIN cells ON cells.id = events.cell"
            " WHERE run = ? ORDER BY number, batch",
            (run,),
        )
        return ((number, packed_events(content)) for number, content in rows)

    def samples(self, run: int) -> Iterator[tuple[Cell, Transcript]]:
        """Each cell of a run with what it said, in the order of the plan; one at a time is held."""
        for id, cell in self._cells(run):
            yield cell, self._transcript(id)

    def sample(self, run: int, number: int) -> tuple[Cell, Transcript]:
        """One cell of a run with what it said. Raises StoreError where there is none."""
        for id, cell in self._cells(run, number):
            return cell, self._transcript(id)
        raise StoreError(f"run {run} has no cell {number}", f"promptlab show {run}")

    def sent(self, run: int) -> dict[int, tuple[str, dict[str, Any]]]:
        """Per cell: the address, and the body without its messages, as planned before the run."""
        rows = self._db.execute(
            "SELECT number, url, coalesce(content, body) FROM cells LEFT JOIN contents ON contents.id = cells.wire"
            " WHERE run = ? AND coalesce(wire, body) IS NOT NULL",
            (run,),
        )
        return {number: (url, json.loads(body)) for number, url, body in rows}

    def last_sweep(self, digest: str | None = None) -> int | None:
        """The newest run of a sweep, by `promptlab.sweep.digest` of it; without one, of any."""
        row = self._db.execute(
            "SELECT max(id) FROM runs WHERE digest IS NOT NULL AND digest = coalesce(?, digest)", (digest,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def _cells(self, run: int, only: int | None = None) -> Iterator[tuple[int, Cell]]:
        """The cells of a run (or one of them) with their rows, in order; texts that cells share are one object."""
        rows = self._db.execute(
            "SELECT cells.id, number, target, endpoint, model, parameters, varied, options, place, repeat, row,"
            " messages, messages.content, checks, contents.content FROM cells"
            " JOIN messages ON messages.id = cells.messages LEFT JOIN contents ON contents.id = cells.checks"
            " WHERE run = ?" + ("" if only is None else " AND number = ?") + " ORDER BY number",
            (run,) if only is None else (run, only),
        )
        said: dict[int, tuple[Message, ...]] = {}
        checked: dict[int | None, tuple[Check, ...]] = {None: ()}
        for (id, number, target, endpoint, model, parameters, varied, options, place, repeat, row,
             messages, texts, checks, kinds) in rows:  # fmt: skip
            if messages not in said:
                said[messages] = _unpacked(texts)
            if checks not in checked:
                checked[checks] = tuple(Check(*check) for check in json.loads(kinds))
            yield id, Cell(number, target, endpoint, Request(model, said[messages], json.loads(parameters)),
                           json.loads(varied), json.loads(options), json.loads(place), repeat, row,
                           checked[checks])  # fmt: skip

    def _events_of(self, id: int, number: int) -> list[Stamped]:
        rows = self._db.execute("SELECT content FROM events WHERE cell = ? ORDER BY batch", (id,))
        return [unpack(number, packed) for (content,) in rows for packed in packed_events(content)]

    def _transcript(self, id: int) -> Transcript:
        said = Transcript()
        for _, at, event in self._events_of(id, 0):
            said.apply(at, event)
        return said

    # -- across runs -----------------------------------------------------------------------------------------------

    def cached(self, cell: Cell, wire: Wire | None, before: int | None = None) -> list[Stamped] | None:
        """What an identical request with the same repeat index got in an earlier run (one before run `before`), newest
        first, where it ended as it should. Its Started events say which run it comes from. None where there is none,
        or where another library makes the body (no `wire`), so that nobody can tell."""
        if wire is None:
            return None
        row = self._db.execute(
            "SELECT id, run FROM cells WHERE key = ? AND state = 'done' AND run < coalesce(?, run + 1)"
            " ORDER BY id DESC LIMIT 1",
            (key(cell, wire), before),
        ).fetchone()
        if row is None:
            return None
        return [
            Stamped(number, at, replace(event, cached=event.cached or row[1]) if isinstance(event, Started) else event)
            for number, at, event in self._events_of(row[0], cell.index)
        ]

    def spent(self, endpoint: str, model: str, count: int = 200) -> list[Spent]:
        """What the newest cells of a model used, newest first; cells out of the cache are not among them."""
        rows = self._db.execute(
            "SELECT id, input_tokens, answer_tokens, thinking_tokens, estimated FROM cells WHERE endpoint = ?"
            " AND model = ? AND state IN ('done', 'incomplete') ORDER BY id DESC LIMIT ?",
            (endpoint, model, count),
        ).fetchall()
        used = []
        for id, input, answer, thinking, estimated in rows:
            if (input, answer, thinking) != (None, None, None):
                used.append(Spent(input, answer, thinking, bool(estimated)))
            elif (said := self._transcript(id)).cached is None:  # of a time when they were not written down
                told = tokens(said)
                used.append(Spent(told.input, told.answer, told.thinking, told.estimated or told.answer_estimated))
        return used

    def search(self, text: str, limit: int = 50) -> list[Hit]:
        """The newest prompts, thinking and answers in which every word of `text` stands. Raises StoreError."""
        with told(self.path):
            return search.search(self._db, text, limit)

    def learn(self, finding: Finding) -> None:
        """Keep what an endpoint said of a parameter; the newest word on it holds. Raises StoreError."""
        with told(self.path):
            found.learn(self._db, finding)

    def findings(self, model: str | None = None) -> list[Finding]:
        """What was found out about parameters, newest first; of one model by its id, or of all."""
        return found.findings(self._db, model)

    def keep_audit(self, audit: Audited) -> None:
        """Keep what a test of a parameter showed; the newest of a model and parameter holds. Raises StoreError."""
        with told(self.path):
            found.keep(self._db, audit)

    def audits(self, endpoint: str | None = None, model: str | None = None) -> list[Audited]:
        """What tests of parameters showed, newest first; of an endpoint or a model, or of all."""
        return found.audits(self._db, endpoint, model)

    def forget(self, endpoint: str, model: str, parameter: str | None = None) -> int:
        """Forget the findings and audits on a model, or on one parameter of it; gives how many. Raises StoreError."""
        with told(self.path):
            return found.forget(self._db, endpoint, model, parameter)

    # -- votes -----------------------------------------------------------------------------------------------------

    def cast(self, ballot: Ballot) -> int:
        """Keep a vote; gives its number. Raises StoreError."""
        with told(self.path):
            return vote.cast_vote(self._db, ballot)

    def votes(self, run: int | None = None, voter: str | None = None) -> list[Ballot]:
        """In the order in which they were cast: of one run or all, of one voter or all."""
        return vote.votes(self._db, run, voter)

    def put_aside(self, number: int, *, aside: bool = True) -> None:
        """A vote that is not to count, or to count again. Raises StoreError where there is none."""
        with told(self.path):
            if not vote.put_aside(self._db, number, aside):
                raise StoreError(f"there is no vote {number}", "promptlab rank --votes lists them")

    def take_back(self, number: int) -> None:
        """Undo a vote: as if it had never been cast. Raises StoreError."""
        with told(self.path):
            vote.take_back(self._db, number)

    def keep_grade(self, grade: Grade) -> int:
        """Keep a judge's marks; gives their number. Raises StoreError."""
        with told(self.path):
            return vote.keep_grade(self._db, grade)

    def grades(self, run: int | None = None, voter: str | None = None) -> list[Grade]:
        """In the order in which they were given: of one run or all, of one judge or all."""
        return vote.grades(self._db, run, voter)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key(cell: Cell, wire: Wire) -> bytes:
    """What makes two requests one and the same: the endpoint and its address, the whole body with the model, the
    messages and the parameters as they go out, how the answer is read, and which repeat it is."""
    said = to_json([cell.endpoint, wire.url, wire.body, cell.options, cell.repeat])
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _packed(messages: Iterable[Message]) -> str:
    return to_json([[m.role, m.text, *([m.thinking, m.sealed] if m.sealed else [])] for m in messages])


def _unpacked(content: str) -> tuple[Message, ...]:
    found = []
    for role, text, *more in json.loads(content):
        thinking, sealed = more or ("", ())
        found.append(Message(role, text, thinking, tuple(Sealed(*one) for one in sealed)))
    return tuple(found)


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
    return state if pid == os.getpid() or _may_be_ours(pid) else "broken off"


def _may_be_ours(pid: int) -> bool:
    """Whether a process can be one of promptlab: after a restart its number may be anybody's."""
    import psutil

    try:
        return any(word in " ".join(psutil.Process(pid).cmdline()).lower() for word in ("python", "promptlab"))
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True
