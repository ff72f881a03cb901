"""The history: the same events live and replayed, and nothing lost to crashes, full disks or odd text."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab import store as store_module
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
    Sent,
    Served,
    Stamped,
    Started,
    Thinking,
    Usage,
    Waiting,
    Withheld,
    pack,
    unpack,
)
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request, Wire
from promptlab.store import FLUSH, MIGRATIONS, Recorder, Store
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
        monkeypatch.setattr(store_module, "MIGRATIONS", later[:version])
        old = Store(path)
        if version == len(MIGRATIONS):
            old.begin(plan(), {})
        old.close()
        monkeypatch.setattr(store_module, "MIGRATIONS", later)
        with closing(Store(path)) as store:
            assert [run.prompt for run in store.runs()] == (["hi"] if version == len(MIGRATIONS) else [])
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (len(later),)
            assert db.execute("SELECT count(note) FROM runs").fetchone() is not None


def test_a_step_that_fails_leaves_the_old_version_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "promptlab.db"
    Store(path).close()
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE half (x); CREATE TABLE runs (x);"))
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
SAID = st.one_of(
    st.builds(Started, VALUES, VALUES, st.integers(1, 9), st.dictionaries(TEXT, TEXT, max_size=3)),
    st.builds(Sent, TEXT, VALUES), st.builds(Opaque, st.sampled_from(["signature", "encrypted"]), TEXT, TEXT),
    st.builds(Loaded, st.floats(0, 1e6)), st.builds(Learned, TEXT, TEXT, TEXT, TEXT, JSON, JSON),
    st.builds(Accepted, st.integers(100, 599), MAYBE), st.builds(Waiting, TEXT), st.builds(Served, MAYBE, MAYBE, MAYBE),
    st.builds(Thinking, TEXT, st.sampled_from(["raw", "summary"])), st.builds(Withheld, TEXT), st.builds(Answer, TEXT),
    st.just(Relabelled()),
    st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.none() | st.floats(0, 1e6),
              st.sampled_from(["provider", "litellm", "estimate"]), VALUES),
    st.builds(Retrying, FAULT, st.floats(0, 1e6), st.integers(1, 9)),
)  # fmt: skip
LAST = st.one_of(st.builds(Finished, MAYBE, st.booleans()), st.builds(Failed, FAULT, MAYBE), st.builds(Cancelled, TEXT))


def test_every_kind_of_event_is_among_those_tried() -> None:
    from promptlab.events import _TYPES

    drawn = {Started, Sent, Accepted, Waiting, Served, Thinking, Withheld, Opaque, Loaded, Learned, Answer, Relabelled,
             Usage, Retrying, Finished, Failed, Cancelled}  # fmt: skip
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
        return any(word in content for (content,) in db.execute("SELECT content FROM events"))


def test_a_running_cell_is_written_every_quarter_second(tmp_path: Path) -> None:
    """An event that comes a quarter of a second after the last batch takes all that is held with it."""
    with closing(Store(tmp_path / "promptlab.db")) as store:
        run, recorder = store.begin(plan(), {})
        for stamped in whole()[:3]:
            recorder(stamped)
        recorder._flushed = time.monotonic() - FLUSH
        recorder(whole()[3])
        assert list(store.events(run.id or 0)) == whole()[:4]
