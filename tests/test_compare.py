"""`promptlab compare` on a real terminal: a blind session by keys alone, and the bytes that a terminal gets of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptlab.store import Store
from tests.command import PATIENCE, Lab, Servers
from tests.replay import Replay
from tests.terminal import Pty
from tests.test_openai_chat import STOP, sse, texts

SNOW = sse(*texts(["secret plan"], "reasoning_content"), *texts(["Snow ", "falls 雪"]), STOP)
RAIN = sse(*texts(["Rain ", "comes down"]), STOP)
OPENED, CLOSED = b"\x1b[?1049h", b"\x1b[?1049l"
ASKS = "Which is better?"
GOES_ON = "space"


class Terminal(Pty):
    """The command in a process of its own, on a pty; its stdout is the terminal too, or a pipe."""

    def __init__(self, lab: Lab, *arguments: str, columns: int = 100, rows: int = 30, piped: bool = False) -> None:
        super().__init__(
            lambda slave: lab.start("compare", *arguments, stdin=slave, stdout=subprocess.PIPE if piped else slave,
                                    stderr=slave, start_new_session=True), columns, rows,
        )  # fmt: skip

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read(0.2)
        return self.process.wait(1)


Opens = Callable[..., Terminal]


@pytest.fixture
def compare(lab: Lab) -> Iterator[Opens]:
    opened: list[Terminal] = []

    def start(*arguments: str, columns: int = 100, rows: int = 30, piped: bool = False) -> Terminal:
        opened.append(Terminal(lab, *arguments, columns=columns, rows=rows, piped=piped))
        return opened[-1]

    yield start
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.master)


def named(home: Path, **servers: Replay) -> None:
    lines = [f"  {name}: {{base_url: '{server.url}/v1'}}" for name, server in servers.items()]
    (home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")


def two(lab: Lab, serve: Servers) -> tuple[str, ...]:
    named(lab.home, one=serve(SNOW, slice=30), two=serve(RAIN, slice=30))
    return "-m", "one/zorblax", "-m", "two/quuxify", "--yes"


def test_nothing_that_the_terminal_gets_before_the_vote_tells_the_arm(
    lab: Lab, serve: Servers, compare: Opens
) -> None:  # fmt: skip
    terminal = compare("Of the weather", *two(lab, serve))
    terminal.shows("Snow falls 雪", "Rain comes down", "Left", "Right", "complete", ASKS, "votes 0")
    terminal.read(0.3)
    before = terminal.raw[terminal.raw.index(OPENED) :].lower()
    for word in (b"zorblax", b"quuxify", b"one/", b"two/", b"secret", b"thinking", b"tok/s", b"price"):
        assert word not in before, word
    assert set(re.findall(rb"\x1b\][012];([^\x07\x1b]*)", before)) <= {b"promptlab"}, "the window's title"
    kept = {path.name for path in lab.home.rglob("*") if path.is_file()}
    assert all(re.match(r"config\.yaml|promptlab\.db|knowledge-", name) for name in kept), f"no log: {kept}"
    store = Store(lab.home / "promptlab.db")
    assert not store.votes()
    terminal.type("t")
    terminal.shows("one/zorblax", "two/quuxify", "a tie")
    (ballot,) = store.votes()
    store.close()
    left = re.search(r"Left: (\S+)", terminal.text)
    assert left is not None and left[1] == ballot.seen[0].arm
    terminal.type(" ")
    assert terminal.end() == 0


def test_a_whole_session_on_the_embedded_model_from_nothing_to_a_ranking(
    lab: Lab, weights: Path, compare: Opens
) -> None:  # fmt: skip
    (lab.home / "cache").mkdir()
    (lab.home / "cache" / weights.name).symlink_to(weights)
    terminal = compare("Name three things at the sea.", "-m", "local", "-t", "0.2,1.3", "-n", "4", "--max-tokens", "24")
    keys = ["\x1b[C", "\x1b[D", "t", "1"]
    for number, key in enumerate(keys, 1):
        terminal.shows(f"comparison {number} of 4", ASKS, "Left", "Right")
        assert "temperature" not in terminal.text and "local" not in terminal.text
        terminal.until(lambda: "…" not in terminal.text.split("Right", 1)[1].split("\n")[1], "both answers")
        terminal.type(key)
        terminal.shows("temperature 0.2", "temperature 1.3", f"votes {number}")
        if number == 2:
            terminal.type("nlovely 雪\r")
            terminal.shows("noted")
            terminal.type("u")
            terminal.shows("marked as not blind", "votes 1")
            terminal.type("b")
            terminal.shows("all bad", "votes 2")
        terminal.type(" ")
    assert terminal.end() == 0
    after = terminal.raw[terminal.raw.rindex(CLOSED) :].decode()
    assert "temperature 0.2" in after and "temperature 1.3" in after, "the numbers are printed"
    store = Store(lab.home / "promptlab.db")
    votes = store.votes()
    assert [ballot.verdict for ballot in votes] == [1, "bad", "tie", 0]
    assert votes[1].note == "lovely 雪" and votes[1].flags
    assert len({ballot.prompt for ballot in votes}) == 1 and all(ballot.seconds is not None for ballot in votes)
    assert {seen.arm for ballot in votes for seen in ballot.seen} == {"local temperature 0.2", "local temperature 1.3"}
    store.close()
    ranked = lab("rank")
    assert ranked.code == 0 and "temperature 0.2" in ranked.out and "temperature 1.3" in ranked.out
    assert lab("rank", "1", "--format", "json").json


def test_a_past_run_is_taken_up_and_the_numbers_can_be_json_in_a_pipe(
    lab: Lab, serve: Servers, compare: Opens
) -> None:  # fmt: skip
    assert lab("sweep", "Of the weather", *two(lab, serve), "-n", "2").code == 0
    terminal = compare("1", "--votes", "1", "--format", "json", piped=True)
    terminal.shows("Snow falls 雪", "Rain comes down", "comparison 1 of 1")
    terminal.type("2")
    terminal.shows("Right is better")
    terminal.type(" ")
    assert terminal.process.stdout is not None
    told = json.loads(terminal.process.stdout.read())
    assert told and terminal.end() == 0
    terminal = compare()
    terminal.shows("comparison 1 of 1", "votes 1")
    terminal.type("q")
    assert terminal.end() == 0
    assert "preferred 1 : 0" in terminal.raw[terminal.raw.rindex(CLOSED) :].decode().replace("\r\n", " ")


def test_what_may_cost_is_asked_first(lab: Lab, serve: Servers, compare: Opens) -> None:
    models = two(lab, serve)[:-1]
    terminal = compare("Of the weather", *models)
    terminal.shows("send it?", "price unknown")
    terminal.type("n\n")
    assert terminal.end() == 1 and b"nothing was sent" in terminal.raw and OPENED not in terminal.raw
    terminal = compare("Of the weather", *models)
    terminal.shows("send it?")
    terminal.type("y\n")
    terminal.shows("Snow falls 雪", "Rain comes down")


def test_it_is_left_as_it_was_and_keeps_the_votes_however_it_ends(
    lab: Lab, serve: Servers, compare: Opens
) -> None:  # fmt: skip
    models = two(lab, serve)
    terminal = compare("Of the weather", *models, "-n", "3")
    terminal.shows("Snow falls 雪", "Rain comes down")
    terminal.type("1")
    terminal.shows("Left is better")
    terminal.type("\x03")
    assert terminal.end() == 0
    assert terminal.raw.rfind(CLOSED) > terminal.raw.rfind(OPENED)
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l"), "the cursor is there again"
    terminal = compare("Of the weather", *models)
    terminal.shows("Snow falls 雪", "Rain comes down")
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.end() == 1 and b"no votes" in terminal.raw
    assert terminal.raw.rfind(CLOSED) > terminal.raw.rfind(OPENED)
    store = Store(lab.home / "promptlab.db")
    assert [ballot.verdict for ballot in store.votes()] == [0]
    store.close()


def test_what_is_foreseeable_is_one_line(lab: Lab, compare: Opens) -> None:
    commands: list[tuple[list[str], str]] = [
        (["compare", "hi", "-m", "a/b", "-m", "c/d"], "needs a terminal"),
        (["compare", "3"], "promptlab rank 3"),
        (["compare", "hi", "--dry-run"], "--dry-run"),
        (["compare", "hi", "--no-save"], "votes are kept"),
        (["compare", "hi", "--format", "html"], "not one of text, json, md"),
        (["compare", "3", "-t", "0,1"], "run 3 has its answers"),
    ]  # fmt: skip
    for (_, said), done in zip(commands, lab.each(*(command for command, _ in commands)), strict=True):
        assert done.code == 2 and said in done.err and "Traceback" not in done.err, done.err
    for arguments, told in ((["hi", "-m", "local"], b"one arm alone"), (["7"], b"there is no run 7"),
                            (["hi", "-m", "local", "-t", "0,1", "--max-cost", "1"], b"--votes")):  # fmt: skip
        terminal = compare(*arguments)
        assert terminal.end() != 0 and told in terminal.raw and OPENED not in terminal.raw
