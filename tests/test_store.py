"""The history: the same events live and replayed, and nothing lost to crashes, full disks or odd text."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.audit import Audited
from promptlab.check import Check
from promptlab.errors import Fault, StoreError
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Learned,
    Loaded,
    Opaque,
    Relabelled,
    Retrying,
    Scored,
    Sent,
    Served,
    Stamped,
    Started,
    Thinking,
    Token,
    Usage,
    Waiting,
    Withheld,
    pack,
    unpack,
)
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request, Wire
from promptlab.store import FLUSH, MIGRATIONS, Hit, Recorder, Spent, Store, database
from promptlab.store.search import AT_ONCE
from promptlab.sweep import Axis, Sweep, digest
from promptlab.transcript import Transcript
from tests.replay import Replay

REPOSITORY = Path(__file__).parents[1]


def plan(*targets: str, prompt: str = "hi", messages: tuple[Message, ...] = (Message("user", "hi"),)) -> Plan:
    request = Request("m", messages, {"temperature": 0.2, "stop": ["雪"]})
    cells = (
        Cell(n, target, target, request, {"temperature": 0.2}, {"tags": "off"})
        for n, target in enumerate(targets or ("one",))
    )
    return Plan(tuple(cells), prompt, "profile", "http://h/v1", "KEY")


def wires(of: Plan) -> dict[int, Wire]:
    return {
        cell.index: Wire("http://h/v1/chat/completions", {"model": "m", "messages": [], "seed": 1}, {})
        for cell in of.cells
    }


def play(recorder: Recorder, events: list[Stamped]) -> Transcript:
    live = Transcript()
    for stamped in events:
        recorder(stamped)
        live.apply(stamped.at, stamped.event)
    return live


def whole(cell: int = 0, text: str = "b") -> list[Stamped]:
    events: list[Event] = [
        Started({"temperature": 0.2}, {"temperature": 0.2}), Accepted(200, "req"), Thinking("a"), Answer(text),
        Usage(1, 2, raw={"x": [1, None]}), Finished("stop", True),
    ]  # fmt: skip
    return [Stamped(cell, 0.1 * n, event) for n, event in enumerate(events)]


# The file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_and_its_companions_are_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "new" / "folder" / "promptlab.db"
        with closing(Store(path)) as store:
            store.begin(plan(), {})
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == ["promptlab.db", "promptlab.db-shm", "promptlab.db-wal"]
            assert [oct(mode(file)) for file in files] == ["0o600"] * 3
        assert mode(path) == 0o600 and mode(path.parent) == 0o700
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    Store(path).close()
    path.chmod(0o644)
    Store(path).close()
    assert mode(path) == 0o600


def test_it_is_in_wal_mode_and_of_the_newest_version(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_every_older_version_is_brought_up_to_date_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = (*MIGRATIONS, "ALTER TABLE runs ADD COLUMN note TEXT DEFAULT 'none'; CREATE TABLE extra (x);")
    for version in range(len(later)):
        path = tmp_path / f"{version}.db"
        monkeypatch.setattr(database, "MIGRATIONS", later[:version])
        old = Store(path)
        if version == len(MIGRATIONS):
            old.begin(plan(), {})
        old.close()
        monkeypatch.setattr(database, "MIGRATIONS", later)
        with closing(Store(path)) as store:
            assert [run.prompt for run in store.runs()] == (["hi"] if version == len(MIGRATIONS) else [])
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (len(later),)
            assert db.execute("SELECT count(note) FROM runs").fetchone() is not None


def test_a_step_that_fails_leaves_the_old_version_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "promptlab.db"
    Store(path).close()
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE half (x); CREATE TABLE runs (x);"))
    with pytest.raises(StoreError):
        Store(path)
    monkeypatch.undo()
    with closing(Store(path)) as store:
        store.begin(plan(), {})
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert "newer" in caught.value.message and "upgrade" in caught.value.hint


def refused(path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert str(path) in caught.value.message and "\n" not in caught.value.message
    assert "PROMPTLAB_HOME" in caught.value.hint and caught.value.exit_code == 1


def test_what_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but long enough to be read as one" * 100)
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("text.db", "folder.db", "file/promptlab.db"):
        refused(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refused(tmp_path / "promptlab.db")
    finally:
        tmp_path.chmod(0o700)


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "promptlab.db")) as store:
        with pytest.raises(StoreError, match="empty"):
            store.run()
        with pytest.raises(StoreError, match="no run 7"):
            store.run(7)


# What is kept


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    said = (Message("system", "s"), Message("user", "雪\0 \n"))
    asked = plan("one", "two", messages=said, prompt="雪")
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(asked, wires(asked))
        play(recorder, whole(0))
        play(recorder, whole(1))
        recorder.close("done")
    with closing(Store(tmp_path / "promptlab.db")) as store:
        again = store.run(run.id)
        assert (again.plan, again.created, again.state) == (asked, run.created, "done")
        assert store.run().id == run.id
        assert store.sent(run.id or 0) == {
            n: ("http://h/v1/chat/completions", {"model": "m", "seed": 1}) for n in (0, 1)
        }
        (summary,) = store.runs()
        assert (summary.targets, summary.states, summary.prompt) == (("one", "two"), ("done", "done"), "雪")


def test_runs_are_listed_newest_first(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "promptlab.db")) as store:
        for n in range(5):
            store.begin(plan(prompt=str(n)), {})
        assert [run.prompt for run in store.runs(2)] == ["4", "3"]
        assert [run.prompt for run in store.runs()] == list("43210")


def test_a_run_whose_process_is_gone_was_broken_off(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    with closing(Store(path)) as store:
        store.begin(plan(), {})
        assert store.run().state == "running"
        child = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
        os.waitpid(child, 0)
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE runs SET pid = ?", (child,))
            db.commit()
        assert store.run().state == store.runs()[0].state == "broken off"


def test_a_process_that_can_not_be_ours_does_not_carry_a_run_out(tmp_path: Path) -> None:
    """After a restart the number of the one that did may be anybody's."""
    with closing(Store(tmp_path / "promptlab.db")) as store:
        store.begin(plan(), {})
        sleeping = subprocess.Popen(["sleep", "60"])
        try:
            store._db.execute("UPDATE runs SET pid = ?", (sleeping.pid,))
            assert store.run().state == "broken off"
        finally:
            sleeping.kill()
            sleeping.wait()


def test_events_of_cells_are_merged_by_their_times(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(plan("one", "two"), {})
        merged = sorted([*whole(0), *whole(1)], key=lambda stamped: stamped.at)
        for stamped in merged:
            recorder(stamped)
            recorder.flush()
        assert list(store.events(run.id or 0)) == merged


TEXT = st.text(max_size=20) | st.sampled_from(["\0", "\ud83d", "\ude00", "a\ud800b", "雪", "\x1b[31m", "\u2028", "😀"])
MAYBE = st.none() | TEXT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5,
)  # fmt: skip
VALUES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(TEXT, JSON, max_size=3)
COUNT = st.none() | st.integers(0, 2**53)
FAULT = st.builds(
    Fault, st.sampled_from(["auth", "server", "timeout"]), TEXT, TEXT, TEXT, COUNT, MAYBE, MAYBE, st.booleans(),
    st.none() | st.floats(0, 1e6),
)  # fmt: skip
NATS = st.floats(-1e6, 0)
TOKEN = st.builds(Token, TEXT, NATS, st.none() | NATS, st.none() | NATS, st.lists(st.tuples(TEXT, NATS)).map(tuple))
SAID = st.one_of(
    st.builds(Started, VALUES, VALUES, st.integers(1, 9), st.dictionaries(TEXT, TEXT, max_size=3), VALUES, COUNT),
    st.builds(Sent, TEXT, VALUES), st.builds(Opaque, st.sampled_from(["signature", "encrypted"]), TEXT, TEXT),
    st.builds(Loaded, st.floats(0, 1e6)), st.builds(Learned, TEXT, TEXT, TEXT, TEXT, JSON, JSON),
    st.builds(Accepted, st.integers(100, 599), MAYBE), st.builds(Waiting, TEXT), st.builds(Served, MAYBE, MAYBE, MAYBE),
    st.builds(Thinking, TEXT, st.sampled_from(["raw", "summary"])), st.builds(Withheld, TEXT), st.builds(Answer, TEXT),
    st.just(Relabelled()), st.builds(Scored, st.lists(TOKEN, max_size=2).map(tuple)),
    st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.none() | st.floats(0, 1e6),
              st.sampled_from(["provider", "litellm", "estimate"]), VALUES),
    st.builds(Retrying, FAULT, st.floats(0, 1e6), st.integers(1, 9)),
)  # fmt: skip
LAST = st.one_of(st.builds(Finished, MAYBE, st.booleans()), st.builds(Failed, FAULT, MAYBE), st.builds(Cancelled, TEXT))


def test_every_kind_of_event_is_among_those_tried() -> None:
    from promptlab.events import _TYPES

    drawn = {Started, Sent, Accepted, Waiting, Served, Thinking, Withheld, Opaque, Loaded, Learned, Answer, Scored,
             Relabelled, Usage, Retrying, Finished, Failed, Cancelled}  # fmt: skip
    assert drawn == set(_TYPES.values())


@settings(deadline=None)
@given(SAID | LAST, st.floats(0, 1e9))
def test_an_event_is_packed_and_unpacked_exactly(event: Event, at: float) -> None:
    stamped = Stamped(3, at, event)
    assert unpack(3, json.loads(json.dumps(pack(stamped)))) == stamped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "promptlab.db"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(events=st.lists(SAID, max_size=8), last=LAST, flushes=st.sets(st.integers(0, 8)))
def test_a_replay_is_the_live_run(shared: Path, events: list[Event], last: Event, flushes: set[int]) -> None:
    """Whatever the texts hold (NUL, half a character) and wherever the batches are cut."""
    with closing(Store(shared)) as store:
        run, recorder = store.begin(plan(), {})
        warned: list[str] = []
        recorder.warn = warned.append
        live = Transcript()
        stamped = [Stamped(0, n / 8, event) for n, event in enumerate([*events, last])]
        for n, one in enumerate(stamped):
            recorder(one)
            live.apply(one.at, one.event)
            if n in flushes:
                recorder.flush()
        recorder.close("done")
        found = list(store.events(run.id or 0))
        assert [(one.at, type(one.event)) for one in found] == [(one.at, type(one.event)) for one in stamped]
        # Two halves that stand side by side are one character: the one thing that is mended.
        assert [mended(pack(one)) for one in found] == [mended(pack(one)) for one in stamped]
        replayed = Transcript()
        for one in found:
            replayed.apply(one.at, one.event)
        assert mended([replayed.thinking, replayed.answer]) == mended([live.thinking, live.answer])
        assert (replayed.state, replayed.trace) == (live.state, live.trace)
        assert not warned
        assert store.runs(1)[0].states == (live.state,)


def mended(value: object) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("odd", ["\ud83d", "a\0b", "\udc80", "😀", "雪\u202e"])
def test_odd_text_anywhere_is_kept_with_all_the_rest(tmp_path: Path, odd: str) -> None:
    asked = plan(f"t{odd}", prompt=f"before {odd} after", messages=(Message("user", f"before {odd} after"),))
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(asked, wires(asked))
        events = [*whole(text=f"before {odd} after")[:-1], Stamped(0, 1.0, Finished(f"stop{odd}", True))]
        play(recorder, events)
        recorder.close("done")
        assert list(store.events(run.id or 0)) == events
        again = store.run(run.id)
        assert again.plan.cells[0].request == asked.cells[0].request
        assert again.plan.prompt.startswith("before ") and again.plan.prompt.endswith(" after")


# When things break


def test_errors_of_the_disk_warn_once_and_nothing_is_lost_if_it_recovers(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    with closing(Store(path)) as store:
        run, recorder = store.begin(plan(), {})
        warned: list[str] = []
        recorder.warn = warned.append
        with closing(sqlite3.connect(path)) as other:
            other.execute("ALTER TABLE events RENAME TO gone")
            play(recorder, whole())
            recorder.flush()
            assert len(warned) == 1 and "can't be written" in warned[0] and "\n" not in warned[0]
            recorder.close("done")
            assert warned[1:] == [f"run {run.id} is not whole in the history: save what you see here"]
            other.execute("ALTER TABLE gone RENAME TO events")
        recorder.flush()
        assert list(store.events(run.id or 0)) == whole()
        assert store.runs()[0].states == ("done",)


def test_a_full_disk_warns_once_and_says_that_it_is_full(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(plan(), {})
        warned: list[str] = []
        recorder.warn = warned.append
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        big = whole(text="x" * 100_000)
        play(recorder, big)
        play(recorder, [])
        recorder.flush()
        assert len(warned) == 1 and "full" in warned[0]
        recorder.close("done")
        assert len(warned) == 2 and "not whole" in warned[1]
        store._db.execute("PRAGMA max_page_count = 1000000")
        recorder.flush()
        assert list(store.events(run.id or 0)) == big


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    script = (
        "import sys; from pathlib import Path\n"
        "from promptlab.store import Store; from tests.test_store import plan, whole\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    run, recorder = store.begin(plan(prompt=sys.argv[2]), {})\n"
        "    recorder.warn = lambda message: sys.exit(message)\n"
        "    for stamped in whole(): recorder(stamped); recorder.flush()\n"
        "    recorder.close('done')\n"
    )

    async def go() -> list[int]:
        children = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), name, cwd=REPOSITORY)
            for name in ("first", "second")
        ]
        return [await asyncio.wait_for(child.wait(), 60) for child in children]

    assert asyncio.run(go()) == [0, 0]
    with closing(Store(path)) as store:
        runs = store.runs()
        assert sorted(run.prompt for run in runs) == ["first"] * 20 + ["second"] * 20
        for run in runs:
            assert run.state == "done" and list(store.events(run.id)) == whole()


def test_a_reader_sees_a_run_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    with closing(Store(path)) as writer, closing(Store(path)) as reader:
        run, recorder = writer.begin(plan(), {})
        for stamped in whole()[:4]:
            recorder(stamped)
        recorder.flush()
        found: list[Stamped] = []
        thread = threading.Thread(target=lambda: found.extend(reader_events(path, run.id or 0)))
        thread.start()
        thread.join(20)
        assert found == list(reader.events(run.id or 0)) == whole()[:4]


def reader_events(path: Path, run: int) -> list[Stamped]:
    with closing(Store(path)) as store:
        return list(store.events(run))


def chunks(*texts: str, finish: str | None = None) -> bytes:
    bodies: list[Any] = [{"choices": [{"delta": {"content": text}, "finish_reason": None}]} for text in texts]
    if finish:
        bodies.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies)


def test_a_killed_process_loses_no_finished_cell_and_a_quarter_second_of_a_running_one(tmp_path: Path) -> None:
    """SIGKILL, in the middle: the running cell's server has said all that it will, and holds the line."""

    async def go() -> None:
        said = [f"word{n} " for n in range(8)]
        async with Replay(chunks("the ", "end", finish="stop")) as ending, Replay(chunks(*said), hold=True) as holding:
            (tmp_path / "config.yaml").write_text(
                f"endpoints:\n  ending: {{base_url: {ending.url}/v1}}\n  holding: {{base_url: {holding.url}/v1}}\n"
            )
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "promptlab", "ask", "hi", "-m", "ending/m", "-m", "holding/m", "--plain",
                cwd=REPOSITORY, env={**os.environ, "PROMPTLAB_HOME": str(tmp_path)},
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert child.stdout and child.stderr
            try:
                # Both have been answered in full as soon as both have been asked: all else is loopback.
                await asyncio.wait_for(_until(lambda: bool(ending.requests and holding.requests)), 60)
                await asyncio.wait_for(_until(lambda: _kept(tmp_path, "word7")), FLUSH * 2 + 5)
            finally:
                child.send_signal(signal.SIGKILL)
                await child.communicate()

    asyncio.run(go())
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run = store.run()
        assert run.state == "broken off"
        cells = {n: Transcript() for n in range(2)}
        for stamped in store.events(run.id or 0):
            cells[stamped.cell].apply(stamped.at, stamped.event)
        assert (cells[0].state, cells[0].answer, cells[0].finish_reason) == ("done", "the end", "stop")
        assert cells[1].answer == " ".join(f"word{n}" for n in range(8)) and not cells[1].ending
        assert store.runs()[0].states[0] == "done"


async def _until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def _kept(home: Path, word: str) -> bool:
    with closing(sqlite3.connect(home / "promptlab.db")) as db:
        return any(word in database.opened(content) for (content,) in db.execute("SELECT content FROM events"))


def test_a_running_cell_is_written_every_quarter_second(tmp_path: Path) -> None:
    """An event that comes a quarter of a second after the last batch takes all that is held with it."""
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(plan(), {})
        for stamped in whole()[:3]:
            recorder(stamped)
        recorder._flushed = time.monotonic() - FLUSH
        recorder(whole()[3])
        assert list(store.events(run.id or 0)) == whole()[:4]


# Sweeps


def swept(count: int = 4, text: str = "写一首关于雪的诗", **more: Any) -> Plan:
    """A plan of one target, two temperatures and as many repeats as it takes."""
    check = Check("lines", "4x7", "form")
    cells = tuple(
        Cell(n, "one", "one", Request("m", (Message("user", text),), {"temperature": n % 2}),
             values={"temperature": n % 2 or None, "system": "short"}, repeat=n // 2, row=n % 3,
             checks=(check,) if n % 2 else ())
        for n in range(count)
    )  # fmt: skip
    axes = (Axis("temperature", (None, 1, [1, 2], {"a": "雪"})), Axis("system", ("short",)))
    sweep = Sweep(text, "quatrain", ("one",), axes, ("a", "b"), 2, "varied", 7, "s", (("place", "北京"),), ("f.txt",),
                  "rows.csv", (check, Check("schema", '{"type":"object"}')), True, 2.5, 1000, 60.0)  # fmt: skip
    return Plan(cells, text, sweep=replace(sweep, **more))


def wire_of(cell: Cell, url: str = "http://h/v1/chat/completions") -> Wire:
    messages: list[Any] = [{"role": message.role, "content": message.text} for message in cell.request.messages]
    return Wire(url, {"model": cell.request.model, "messages": messages, **cell.request.parameters}, {})


def failure(cell: int = 0, text: str = "half") -> list[Stamped]:
    fault = Fault("server", "internal error", provider="one", status=500)
    return [Stamped(cell, 0.1, Started()), Stamped(cell, 0.2, Answer(text)), Stamped(cell, 0.3, Failed(fault))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "promptlab.db")) as opened:
        yield opened


def carry_out(store: Store, of: Plan, *events: list[Stamped], state: str = "done") -> int:
    run, recorder = store.begin(of, wire_of)
    for said in events:
        play(recorder, said)
    recorder.close(state)
    assert run.id is not None
    return run.id


def test_a_sweep_comes_back_with_all_that_its_cells_stand_for(store: Store) -> None:
    of = swept()
    id = carry_out(store, of)
    assert store.run(id).plan == of
    assert [(cell.values, cell.repeat, cell.row, cell.checks) for cell, _ in store.samples(id)] == [
        (cell.values, cell.repeat, cell.row, cell.checks) for cell in of.cells
    ]


def test_the_same_sweep_is_known_again_whatever_it_may_cost(store: Store) -> None:
    of, dearer, other = swept(), swept(max_cost=9.0, max_time=1.0), swept(repeats=3)
    assert of.sweep and dearer.sweep and other.sweep
    first = carry_out(store, of)
    assert store.last_sweep(digest(dearer.sweep)) == first
    assert carry_out(store, dearer) == store.last_sweep(digest(of.sweep)) != first
    assert store.last_sweep(digest(other.sweep)) is None
    carry_out(store, plan())
    assert store.last_sweep() == first + 1, "the newest one of any sweep"


def test_what_goes_out_is_asked_for_one_cell_at_a_time(store: Store) -> None:
    asked: list[int] = []

    def wire(cell: Cell) -> Wire | None:
        asked.append(cell.index)
        return wire_of(cell) if cell.index else None

    run, _ = store.begin(swept(), wire)
    assert asked == [0, 1, 2, 3] and sorted(store.sent(run.id or 0)) == [1, 2, 3]
    assert store.sent(run.id or 0)[3] == ("http://h/v1/chat/completions", {"model": "m", "temperature": 1})


def test_samples_are_the_cells_in_order_each_with_what_it_said(store: Store) -> None:
    id = carry_out(store, swept(), whole(2, "three"), whole(0, "one"), failure(1))
    found = list(store.samples(id))
    assert [cell.index for cell, _ in found] == [0, 1, 2, 3]
    assert [(said.state, said.answer) for _, said in found] == [
        ("done", "one"), ("failed", "half"), ("done", "three"), ("queued", ""),
    ]  # fmt: skip


def test_nothing_is_held_of_cells_that_have_ended_or_not_begun(store: Store) -> None:
    _, recorder = store.begin(swept(500), wire_of)
    for number in range(400):
        play(recorder, whole(number))
        assert not recorder._open
    play(recorder, whole(400)[:3])
    assert list(recorder._open) == [400]


def test_what_a_cell_said_is_one_row_once_it_has_ended(store: Store) -> None:
    run, recorder = store.begin(plan(), {})
    events = [*whole()[:3], *(Stamped(0, 0.5, Answer(f"word{n} ")) for n in range(500)), *whole()[4:]]
    for stamped in events:
        recorder(stamped)
        recorder.flush()
    recorder.close("done")
    assert list(store.events(run.id or 0)) == sorted(events, key=lambda stamped: stamped.at)
    ((content,),) = store._db.execute("SELECT content FROM events")
    assert len(content) < len(json.dumps([pack(stamped) for stamped in events])) / 4


# Taken up again


def test_what_is_missing_is_what_never_ended_of_its_own(store: Store) -> None:
    events = [whole(0), failure(1), [Stamped(2, 0.1, Started()), Stamped(2, 0.2, Cancelled())],
              [Stamped(3, 0.1, Started()), Stamped(3, 0.2, Answer("a"))],
              [Stamped(4, 0.1, Started()), Stamped(4, 0.2, Finished(None, False))],
              [Stamped(5, 0.1, Started()), Stamped(5, 0.2, Finished("length", False))]]  # fmt: skip
    run, recorder = store.begin(swept(8), wire_of)
    for said in events:
        play(recorder, said)
    recorder.skip([7])
    recorder.close("cancelled")
    assert store.unfinished(run.id or 0) == [2, 3, 6]
    assert store.unfinished(run.id or 0, errors=True) == [1, 2, 3, 4, 6]


def test_a_run_is_taken_up_and_made_whole(store: Store) -> None:
    id = carry_out(store, swept(), whole(0), whole(1)[:4], state="cancelled")
    recorder = store.resume(id, store.unfinished(id))
    assert store.run(id).state == "running"
    for number in (1, 2, 3):
        play(recorder, whole(number, "again"))
    recorder.close("done")
    assert store.run(id).state == "done" and store.unfinished(id) == []
    assert [said.answer for _, said in store.samples(id)] == ["b", "again", "again", "again"]
    assert [said.attempts for _, said in store.samples(id)] == [1] * 4, "what was broken off is gone"


@pytest.mark.parametrize(
    ("second", "state", "answer"),
    [(whole(0, "well"), "done", "well"), (failure(0, "worse"), "failed", "half"), (whole(0, "x")[:4], "failed", "half"),
     ([Stamped(0, 0.1, Started()), Stamped(0, 0.2, Cancelled())], "failed", "half")],
)  # fmt: skip
def test_an_error_stays_until_another_try_has_ended_well(
    store: Store, second: list[Stamped], state: str, answer: str
) -> None:
    id = carry_out(store, swept(1), failure(0))
    recorder = store.resume(id, store.unfinished(id, errors=True))
    warned: list[str] = []
    recorder.warn = warned.append
    for stamped in second:
        recorder(stamped)
        recorder.flush()
        if stamped is not second[-1]:
            assert [said.state for _, said in store.samples(id)] == ["failed"]
    recorder.close("done")
    ((_, said),) = store.samples(id)
    assert (said.state, said.answer, store.runs()[0].states, warned) == (state, answer, (state,), [])


def test_a_run_that_is_being_carried_out_is_not_taken_up(store: Store) -> None:
    id = carry_out(store, swept())
    with pytest.raises(StoreError, match="no run 99"):
        store.resume(99, [])
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)"], os.environ)
    try:
        store._db.execute("UPDATE runs SET state = 'running', pid = ?", (child,))
        with pytest.raises(StoreError, match=f"process {child}"):
            store.resume(id, [0])
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    store.resume(id, [0])


# Out of the cache


def test_a_finished_request_is_found_again_and_says_where_it_comes_from(store: Store) -> None:
    of = swept()
    id = carry_out(store, of, whole(0, "kept"))
    found = store.cached(of.cells[0], wire_of(of.cells[0]))
    assert found is not None and [stamped.at for stamped in found] == [stamped.at for stamped in whole()]
    said = Transcript()
    for stamped in found:
        said.apply(stamped.at, stamped.event)
    assert (said.answer, said.cached, said.state) == ("kept", id, "done")
    assert store.cached(of.cells[0], wire_of(of.cells[0]), before=id) is None
    assert store.cached(of.cells[0], None) is None


def test_whatever_differs_in_a_request_is_another_one(store: Store) -> None:
    of = swept()
    cell = of.cells[0]
    carry_out(store, of, whole(0))
    request = cell.request
    others = [
        replace(cell, repeat=1), replace(cell, endpoint="two"), replace(cell, options={"tags": "off"}),
        replace(cell, request=replace(request, model="n")),
        replace(cell, request=replace(request, parameters={"temperature": 0.5})),
        replace(cell, request=replace(request, messages=(Message("system", request.messages[0].text),))),
    ]  # fmt: skip
    assert [store.cached(other, wire_of(other)) for other in others] == [None] * len(others)
    assert store.cached(cell, wire_of(cell, "http://elsewhere/v1")) is None
    assert store.cached(replace(cell, target="alias"), wire_of(cell)) is not None


@pytest.mark.parametrize(
    "events", [failure(), whole()[:4], [Stamped(0, 0.0, Started()), Stamped(0, 0.1, Finished("length", False))]]
)
def test_what_did_not_end_well_is_never_given_for_an_answer(store: Store, events: list[Stamped]) -> None:
    of = swept()
    carry_out(store, of, events)
    assert store.cached(of.cells[0], wire_of(of.cells[0])) is None


def test_a_copy_of_a_copy_names_the_run_that_was_sent_and_its_tokens_count_once(store: Store) -> None:
    of = swept(1)
    first = carry_out(store, of, whole(0))
    found = store.cached(of.cells[0], wire_of(of.cells[0]))
    carry_out(store, of, found or [])
    again = store.cached(of.cells[0], wire_of(of.cells[0]))
    assert again is not None and [s.event.cached for s in again if isinstance(s.event, Started)] == [first]
    assert len(store.spent("one", "m")) == 1


def test_what_a_model_has_used_is_known(store: Store) -> None:
    events = whole(0)
    events[4] = Stamped(0, 0.4, Usage(10, 30, thinking=20, billed=30))
    carry_out(store, swept(), events, whole(1)[:4] + whole(1)[5:], failure(2))
    counted, guessed = sorted(store.spent("one", "m"), key=lambda spent: spent.estimated)
    assert counted == Spent(10, 10, 20, False)
    assert guessed.estimated and guessed.input is None and guessed.answer == 1
    assert store.spent("one", "other") == [] == store.spent("two", "m")


def test_audits_are_kept_by_model_and_parameter(store: Store) -> None:
    audit = Audited("e", "http://h", "m", "temperature", "void", "no effect", "2026-11-22", 0.4, 24, {"cold": ["雪"]})
    store.keep_audit(replace(audit, date="2026-01-01", word="works"))
    store.keep_audit(audit)
    store.keep_audit(other := replace(audit, model="n", p=None, detail={}, date="2026-11-20"))
    assert store.audits() == [audit, other] and store.audits("e", "m") == [audit] and store.audits("f") == []
    assert store.forget("e", "m") == 1 and store.audits() == [other]


# Search


POEM = "第一行写雪，\n冰河之上温度很低。Temperature 与 ChatGPT 的 top_p，The Straße. 😀 done"


def texts(hits: list[Hit]) -> list[str]:
    return [hit.excerpt[hit.start : hit.end] for hit in hits]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("温度", "温度"), ("冰河之上", "冰河之上"), ("雪", "雪"), ("低", "低"), ("上温度很", "上温度很"),
        ("temp", "Temp"), ("TEMPERATURE", "Temperature"), ("top_p", "top_p"), ("chatgpt", "ChatGPT"),
        ("GPT", "GPT"), ("erature", "erature"), ("STRAßE", "Straße"), ("😀", "😀"), ("top_p，The", "top_p，The"),
        ("温度 temperature", "温度"), ("done 冰河", "done"),
        ("河冰", None), ("度温", None), ("上度", None), ("温度 winter", None), ("temperatures", None), ("雪雪", None),
        ('"', None), ("*", None), ("AND", None), ("'; DROP TABLE", None), ("words:温度", None), ("\0", None),
        ("\udc80", None), ("", None), ("  ", None),
    ],
)  # fmt: skip
def test_words_are_found_in_answers_with_and_without_spaces(store: Store, asked: str, found: str | None) -> None:
    id = carry_out(store, swept(1, "?"), whole(0, POEM))
    hits = store.search(asked)
    assert texts(hits) == ([found] if found else [])
    for hit in hits:
        assert (hit.run, hit.cell, hit.target, hit.where) == (id, 0, "one", "answer") and "\n" not in hit.excerpt


def test_prompts_are_told_once_a_run_and_thinking_is_searched_too(store: Store) -> None:
    thought = [Stamped(1, 0.0, Started()), Stamped(1, 0.1, Thinking("韵脚：关于雪的")), *whole(1, "x")[3:]]
    first = carry_out(store, swept(), thought)
    second = carry_out(store, swept())
    assert [(hit.run, hit.cell, hit.where) for hit in store.search("关于雪的")] == [
        (second, 0, "prompt"), (first, 0, "prompt"), (first, 1, "thinking"),
    ]  # fmt: skip
    assert len(store.search("关于雪的", 2)) == 2 and store.search("关于雪的", 0) == []


def test_the_index_keeps_step_with_what_is_written(store: Store) -> None:
    id = carry_out(store, swept(2), failure(0, "冰"))
    assert texts(store.search("冰")) == ["冰"]
    recorder = store.resume(id, [0, 1])
    play(recorder, whole(0, "雨后"))
    play(recorder, whole(1, "雨中"))
    recorder.close("done")
    assert store.search("冰") == [] and texts(store.search("雨")) == ["雨", "雨"]
    assert store._db.execute("SELECT rowid FROM cell_words WHERE cell_words MATCH '冰'").fetchall() == []
    store._db.execute("INSERT INTO cell_words (cell_words) VALUES ('integrity-check')")


def test_more_texts_than_go_in_at_once_are_all_found_the_newest_run_first(store: Store) -> None:
    count = 2 * AT_ONCE + 3
    carry_out(store, swept(count), *(whole(n, f"answer {n} 江南") for n in range(count)))
    assert len(store.search("江南", count)) == count
    newest = carry_out(store, swept(2), whole(1, "江南"))
    assert [(hit.run, hit.cell) for hit in store.search("江南", 3)] == [(newest, 1), (newest - 1, 0), (newest - 1, 1)]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(alphabet="ab1_ éßİ雪冰河水かなハ한글กา，.-", min_size=1, max_size=30), st.integers(0, 30), st.integers(1, 6)
)
def test_whatever_stands_in_a_text_is_found(shared: Path, text: str, start: int, length: int) -> None:
    asked = text[start : start + length].strip()
    with tempfile.TemporaryDirectory(dir=shared.parent) as own, closing(Store(Path(own) / "promptlab.db")) as store:
        id = carry_out(store, swept(1, "?"), whole(0, f"|{text}|"))
        if asked:
            assert id in [hit.run for hit in store.search(asked, 100_000)]


def test_a_history_of_the_second_version_is_kept_and_searched(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"
    with closing(sqlite3.connect(path)) as db:
        for step in MIGRATIONS[:2]:
            db.executescript(step)
        db.execute("PRAGMA user_version = 2")
        db.execute("INSERT INTO runs (created, state, prompt, pid) VALUES ('2026-01-01T00:00:00.000Z', 'done', 'p', 1)")
        db.execute("INSERT INTO messages (digest, content) VALUES (x'00', '[[\"user\",\"问温度\"]]')")
        db.execute("INSERT INTO cells (run, number, target, endpoint, model, parameters, varied, options, messages,"
                   " url, body, state, answer) VALUES (1, 0, 't', 'e', 'm', '{}', '{}', '{}', 1, 'http://h',"
                   " '{\"a\":1}', 'done', '江南')")  # fmt: skip
        packed = json.dumps([pack(stamped) for stamped in whole(0, "江南")])
        db.execute("INSERT INTO events VALUES (1, 0, ?)", (packed,))
        db.commit()
    with closing(Store(path)) as store:
        (cell,) = store.run(1).plan.cells
        assert (cell.values, cell.repeat, cell.row, cell.checks, store.run(1).plan.sweep) == ({}, 0, None, (), None)
        assert list(store.events(1)) == whole(0, "江南") and store.sent(1) == {0: ("http://h", {"a": 1})}
        assert [hit.where for hit in store.search("温度")] == ["prompt"] and texts(store.search("江南")) == ["江南"]
        assert store.spent("e", "m") == [Spent(1, 1, 1, True)] and store.unfinished(1) == []
