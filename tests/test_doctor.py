"""`promptlab doctor` where all is well, and where folders, keys, servers, llama.cpp or the terminal are broken."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import socket
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keyring.core
import pyte
import pytest
from keyring.backends import fail

from promptlab.cli import doctor as command
from promptlab.cli.check import Check, Work, print_checks
from promptlab.cli.doctor import doctor, examine
from promptlab.cli.terminal import colours, measure
from promptlab.errors import UsageError
from promptlab.providers.weights import DEFAULT
from promptlab.render.wrap import width
from promptlab.store import MIGRATIONS, Store
from tests.command import PATIENCE, REPOSITORY, Done
from tests.test_discovery import Ollama, Page, Site, dead_url, openai_list, say_nothing, wire

KEY = "sk-planted-Qm7xZ2vLr9Tn4wKc8sJd5"
SCRIPT = "import sys; from promptlab.cli.doctor import doctor; sys.exit(doctor({}))"
LISTED = openai_list({"id": "m", "owned_by": "vllm"})


def environment(home: Path, **more: str) -> dict[str, str]:
    """A home of its own, without anybody's keys, keyring or servers."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color",
            "PYTHONPATH": str(REPOSITORY), "PROMPTLAB_HOME": str(home), "OLLAMA_HOST": dead_url(),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **more}  # fmt: skip


def alone(home: Path, format: str | None = None, *, without: tuple[str, ...] = (), **more: str) -> Done:
    """The command in a process of its own, its output in a pipe."""
    env = {name: value for name, value in environment(home, **more).items() if name not in without}
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(repr(format))], env=env, cwd=home, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60)  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Done(done.returncode, done.stdout, done.stderr)


def on_terminal(
    script: str, replies: Mapping[bytes, bytes], env: Mapping[str, str], *, columns: int = 80, rows: int = 24
) -> Done:
    """What a script writes to a terminal of its own, which answers each of `replies` whenever it is written."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", script], env={**environment(Path("/")), **env},
                               stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                               preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))  # fmt: skip
    os.close(slave)
    got, seen, deadline = b"", 0, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: the last process has closed the terminal
                break
            got += part
            for asked, answer in replies.items():
                if asked in got[seen:]:
                    seen = got.index(asked, seen) + len(asked)
                    os.write(master, answer)
        return Done(process.wait(10), got, b"")
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for checks in this process."""
    for name in list(os.environ):
        if name.endswith(("_KEY", "_TOKEN", "_proxy", "_PROXY")):
            monkeypatch.delenv(name)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    before = keyring.core._keyring_backend
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        yield tmp_path
    finally:
        keyring.core._keyring_backend = before


def look() -> dict[str, Check]:
    """The checks by name; those of a group without one by the group's."""
    return {check.name or check.group: check for check in examine(measures=False)}


def configure(home: Path, **endpoints: Mapping[str, object]) -> None:
    (home / "config.yaml").write_text(json.dumps({"endpoints": endpoints}), "utf-8")


# All is well ---------------------------------------------------------------------------------------------------------


def test_where_all_is_well_it_is_one_screen_and_exit_0(tmp_path: Path, weights: Path) -> None:
    home = tmp_path / "lab"
    (home / "cache").mkdir(parents=True)
    (home / "cache" / weights.name).symlink_to(weights)
    Store(home / "promptlab.db").close()
    (home / "keys").write_text(f"DEEPSEEK_API_KEY={KEY}\n")
    (home / "keys").chmod(0o600)
    with Ollama() as site:
        configure(home, 实验室={"base_url": site.url, "dialect": "ollama", "local": True})
        env = environment(tmp_path, COLORTERM="truecolor", OPENAI_API_KEY=KEY, PROMPTLAB_HOME=str(home))
        done = on_terminal(SCRIPT.format(""), {b"\x1b[6n": b"\x1b[7;3R"}, env)
    screen = pyte.Screen(80, 24)
    pyte.ByteStream(screen).feed(done.raw_out)
    lines = [line.rstrip() for line in screen.display]
    assert done.code == 0 and lines[0].startswith("terminal") and "nothing is broken" in lines
    text = "\n".join(lines)
    kept = f"0 runs, format {len(MIGRATIONS)}"
    for what in ("80x24, xterm-256color, 16 million colours", "雪 takes 2 columns", kept, "yours alone",
                 "openai, openai-responses (environment); deepseek (file)", "SHA-256 and size are right", "~/lab/cache",
                 "实验室 (ollama 0.14.2, 4 models)", "; the default model takes", "endpoints: 1"):  # fmt: skip
        assert what in " ".join(text.split()), what
    assert " ✗ " not in text and " ! " not in text and KEY not in text
    assert b"\x1b[32m\xe2\x9c\x93" in done.raw_out


def test_in_a_pipe_it_is_plain_and_json_has_every_check(tmp_path: Path) -> None:
    done = alone(tmp_path)
    assert done.code == 0 and "\x1b" not in done.out and done.err == ""
    assert done.out.startswith("terminal") and "the output is no terminal\n" in done.out
    told = alone(tmp_path, "json")
    checks = told.json
    assert told.code == 0 and all(sorted(check) == ["detail", "fix", "group", "name", "state"] for check in checks)
    assert {check["state"] for check in checks} <= {"ok", "warn", "broken", "skipped"}
    groups = list(dict.fromkeys(check["group"] for check in checks))
    assert groups == ["terminal", "folders", "keys", "servers", "local model", "config", "versions"]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="text, json"):
        doctor("yaml")


def test_nothing_is_made_or_changed(home: Path) -> None:
    path = home / "promptlab.db"
    Store(path).close()
    path.chmod(0o644)
    before = {file: file.stat().st_mtime_ns for file in home.iterdir()}
    history = look()["history"]
    assert history.state == "warn" and history.fix == f"chmod 600 {path}"
    assert {file: file.stat().st_mtime_ns for file in home.iterdir() if file.name != "cache"} == before


# The terminal --------------------------------------------------------------------------------------------------------


def answering(master: int, answer: bytes, stop: threading.Event) -> None:
    said = b""
    while not stop.is_set():
        if select.select([master], [], [], 0.01)[0]:
            said += os.read(master, 1024)
            if b"\x1b[6n" in said:
                os.write(master, answer)
                said = b""


@pytest.mark.parametrize(
    ("answer", "cells"),
    [(b"\x1b[12;3R", 2), (b"\x1b[1;2R", 1), (b"typed ahead\x1b[1;3R", 2), (b"\x1b[?1;3R", None),
     (b"\x1b[1;99999999R", None), (b"R;R\x1b[6n\x00\xff", None), (b"", None)],
)  # fmt: skip
def test_the_width_of_chinese_is_measured_by_where_the_cursor_is(answer: bytes, cells: int | None) -> None:
    master, slave = pty.openpty()
    stop = threading.Event()
    thread = threading.Thread(target=answering, args=(master, answer, stop))
    try:
        before = termios.tcgetattr(slave)
        thread.start()
        began = time.monotonic()
        assert measure("雪", slave) == cells
        assert time.monotonic() - began < 50
        assert termios.tcgetattr(slave) == before
        assert not select.select([slave], [], [], 0)[0]  # nothing is left for the shell to read
    finally:
        stop.set()
        thread.join()
        os.close(slave)
        os.close(master)


def test_what_is_no_terminal_can_not_be_measured() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError):
        measure("雪", ours.fileno())


@pytest.mark.parametrize(
    ("replies", "env", "state", "said"),
    [
        ({b"\x1b[6n": b"\x1b[1;2R"}, {}, "!", "雪 takes 1 column here"),
        ({}, {}, "–", "did not say where its cursor is, in 0.2 s"),
        ({}, {"TERM": "dumb"}, "–", "TERM names no terminal that answers"),
    ],
)
def test_a_terminal_that_answers_otherwise_or_never(
    replies: dict[bytes, bytes], env: dict[str, str], state: str, said: str, tmp_path: Path
) -> None:
    done = on_terminal(SCRIPT.format("color='never'"), replies, environment(tmp_path, **env), columns=250)
    assert done.code == 0 and said in " ".join(done.out.split())
    assert any(f"{state} width " in line for line in done.out.replace("\x1b[0m", "").splitlines())
    assert (b"\x1b[6n" in done.raw_out) is (env.get("TERM") != "dumb")


def test_in_the_background_the_terminal_is_left_alone(tmp_path: Path) -> None:
    """To read from it there would stop the process, and for good."""
    behind = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SCRIPT.format('')!r}], process_group=0)"
    done = on_terminal(behind, {}, environment(tmp_path))
    assert done.code == 0 and "runs in the background" in " ".join(done.out.split()) and b"\x1b[6n" not in done.raw_out


def test_a_narrow_or_dumb_terminal_is_told(tmp_path: Path) -> None:
    done = on_terminal(SCRIPT.format(""), {}, environment(tmp_path, TERM="dumb"))
    assert "export TERM=xterm-256color" in done.out and "no panes are painted" in " ".join(done.out.split())
    done = on_terminal(SCRIPT.format(""), {b"\x1b[6n": b"\x1b[1;3R"}, environment(tmp_path), columns=36)
    assert "widen the window" in done.out
    assert done.code == 0


@pytest.mark.parametrize(
    ("environ", "many"),
    [
        ({"TERM": "xterm-256color"}, "256 colours"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "16 million colours"),
        ({"TERM": "xterm-direct"}, "16 million colours"),
        ({"TERM": "linux"}, "16 colours"),
        ({"TERM": "dumb"}, "no colours"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "no colours (NO_COLOR)"),
        ({"TERM": "xterm", "NO_COLOR": ""}, "16 colours"),
        ({}, "no colours"),
    ],
)
def test_colours_are_what_the_environment_says(environ: dict[str, str], many: str) -> None:
    assert colours(environ) == many


def test_signs_that_the_encoding_has_not_are_ascii(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("雪: 1\n", "utf-8")
    done = alone(tmp_path, PYTHONIOENCODING="ascii")
    assert done.code == 1 and done.raw_out.isascii()
    assert " x config.yaml " in done.out and "-> " in done.out and "\\u96ea" in done.out
    assert "choose a UTF-8 locale" in done.out
    gbk = alone(tmp_path, PYTHONIOENCODING="gbk").raw_out.decode("gbk")
    assert "雪" in gbk and " x config.yaml " in gbk and "→ " in gbk


def test_lines_of_any_text_line_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check("keys", "实验室", "ok", "one"), Check("keys", "lab", "broken", "two", "mend it"),
              Check("servers", "\x1b[2Jx", "warn", "three\nfour \u202e", "fix")]  # fmt: skip
    print_checks(checks, "never")
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out
    lines = out.splitlines()
    assert {width(line.partition(word)[0]) for line, word in zip(lines, ("one", "two", "→"), strict=False)} == {
        width(lines[2].partition("→")[0])
    }
    assert lines[-1] == "1 broken, 1 to look at"


# Folders and the history ---------------------------------------------------------------------------------------------


def test_a_file_where_a_folder_should_be_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = alone(tmp_path, "json", PROMPTLAB_HOME=str(tmp_path / "file"))
    checks = {check["name"]: check for check in done.json}
    assert done.code == 1
    assert checks["config, data"]["detail"] == f"{tmp_path}/file is no folder"
    assert "PROMPTLAB_HOME" in checks["config, data"]["fix"]
    assert checks["cache"]["state"] == "broken" and "is in the way" in checks["cache"]["detail"]
    assert checks["history"]["state"] == "ok"  # nothing is there


def test_a_folder_that_can_not_be_written_to_is_broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", "/proc/self")  # nobody can make a file there, not even root
    checks = look()
    assert checks["config, data"].state == "broken" and "can't be written to" in checks["config, data"].detail


@pytest.mark.parametrize("place", ["~nobody-of-that-name/x", "x" * 5000])
def test_a_home_that_can_not_be_one(place: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", place)
    checks = examine(measures=False)
    assert any(check.state == "broken" and check.group == "folders" for check in checks)
    assert all("itself failed" not in check.detail for check in checks) and not Path(f"{os.devnull}.none").exists()
    assert [check for check in checks if check.group == "versions"]


def test_without_a_home_variable_it_still_runs(tmp_path: Path) -> None:
    done = alone(tmp_path, "json", without=("HOME", "PROMPTLAB_HOME", "TERM", "LANG"))
    assert done.json and done.err == ""


def corrupt(path: Path) -> None:
    Store(path).close()
    with path.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096)


def newer(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"garbage " * 1000), "not a database"),
        (lambda path: path.mkdir(), "is no file"),
        (os.mkfifo, "is no file"),
        (newer, "of a newer promptlab"),
        (corrupt, ""),
    ],
)
def test_a_history_that_can_not_be_read(spoil: Callable[[Path], object], said: str, home: Path) -> None:
    spoil(home / "promptlab.db")
    history = look()["history"]
    assert history.state == "broken" and said in history.detail and history.fix


def test_a_history_in_use_is_read_all_the_same(home: Path) -> None:
    store = Store(home / "promptlab.db")
    try:
        assert look()["history"].state == "ok"
    finally:
        store.close()


def test_a_history_of_before_and_an_empty_one_are_well(home: Path) -> None:
    (home / "promptlab.db").touch(0o600)
    assert look()["history"].detail.startswith("0 runs, format 0")


def test_a_disk_that_is_nearly_full_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LITTLE", 1 << 60)
    checks = look()
    assert checks["cache"].state == "warn" and "free some space" in checks["cache"].fix


# config.yaml ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"endpoints:\n  lab: {base_url: [}\n", "config.yaml, line 2: "),
        (b"endpoints:\n  lab: {base_url: 'http://localhost:1', key: " + KEY.encode() + b"}\n", "config.yaml, line 2: "),
        (b"endpoints:\n  lab: {base_url: 'http://u:" + KEY.encode() + b"@host/v1'}\n", "config.yaml, line 2: "),
        (b"endpints: {}\n", "did you mean 'endpoints'?"),
        (b"endpoints: 5\n", "line 1: "),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b"- a\n- b\n", "a mapping of keys and values"),
        (b"&a [" * 3000, ""),
    ],
)
def test_a_config_that_can_not_be_read_is_told_with_its_line(
    text: bytes, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "config.yaml").write_bytes(text)
    assert doctor() == 1
    out = capsys.readouterr().out
    assert said in out and KEY not in out and "ollama" in out
    check = look()["config.yaml"]
    assert check.state == "broken" and check.fix


def test_a_folder_in_place_of_the_config(home: Path) -> None:
    (home / "config.yaml").mkdir()
    assert look()["config.yaml"].detail == f"{home / 'config.yaml'} is no file"


# Keys ----------------------------------------------------------------------------------------------------------------


def test_keys_are_told_by_endpoint_and_source_and_never_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    (home / "keys").write_text(f"GROQ_API_KEY={KEY[::-1]}\n")
    (home / "keys").chmod(0o600)
    configure(home, lab={"base_url": dead_url(), "key": "LAB_KEY"})
    checks = look()
    assert checks["set"].detail == "deepseek (environment); groq (file)"
    assert checks["file"].state == "ok" and "1 in it" in checks["file"].detail
    assert checks["lab"].state == "warn"
    doctor()
    doctor("json")
    out = capsys.readouterr().out
    assert KEY not in out and KEY[::-1] not in out and "LAB_KEY is not set, and your 'lab' wants it" in out


def test_a_file_of_keys_that_others_can_read_is_broken_and_the_rest_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", KEY)
    (home / "keys").write_text(f"GROQ_API_KEY={KEY}\n")
    (home / "keys").chmod(0o644)
    checks = look()
    assert checks["file"].state == "broken" and checks["file"].fix == f"chmod 600 {home / 'keys'}"
    assert checks["set"].detail == "deepseek (environment)"


def test_a_key_that_no_request_can_carry_is_broken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n{KEY}")
    check = look()["OPENAI_API_KEY"]
    assert check.state == "broken" and check.fix == "promptlab keys set OPENAI_API_KEY" and KEY not in str(check)


RINGS = """
import time
from keyring.backend import KeyringBackend
class Hanging(KeyringBackend):
    priority = 5
    def get_password(self, service, username):
        time.sleep({seconds})
    set_password = delete_password = get_password
class Broken(KeyringBackend):
    priority = 5
    def get_password(self, service, username):
        raise ValueError("{key}")
    set_password = delete_password = get_password
"""


@pytest.mark.parametrize(
    ("ring", "said"),
    [("Hanging", "did not answer within 0.7 s"), ("Broken", "can't be used (ValueError)"), ("Absent", "can't be used")],
)
def test_a_keyring_that_hangs_or_breaks_is_a_warning_in_time(ring: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rings.py").write_text(RINGS.format(seconds=60, key=KEY))
    began = time.monotonic()
    done = alone(tmp_path, "json", PYTHON_KEYRING_BACKEND=f"rings.{ring}",
                 PYTHONPATH=f"{REPOSITORY}{os.pathsep}{tmp_path}")  # fmt: skip
    assert time.monotonic() - began < 30  # it hangs for 60 s
    [check] = [check for check in done.json if check["name"] == "keyring"]
    assert done.code == 0 and check["state"] == "warn" and said in check["detail"] and KEY not in done.out


# Servers -------------------------------------------------------------------------------------------------------------


def test_every_server_of_ones_own_is_told_by_its_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", KEY)
    guarded = Page(LISTED, key=("authorization", f"Bearer {KEY}"))
    with ExitStack() as open_:
        pages: dict[str, dict[str, Page | object]] = {
            "well": {"/v1/models": guarded, "/version": {"version": KEY}},
            "wrong": {"/v1/models": Page(LISTED, key=("authorization", "Bearer x"))},
            "keyless": {"/v1/models": guarded},
            "loading": {"/v1/models": Page({"error": {"message": "Loading model"}}, 503)},
            "bare": {"/v1/models": openai_list()},
            "moved": {"/v1/models": Page(b"", 302, {"location": f"https://x.example/{KEY}"})},
        }  # fmt: skip
        site = {name: open_.enter_context(Site(page)) for name, page in pages.items()}
        mute = open_.enter_context(wire(say_nothing))
        endpoints: dict[str, dict[str, object]] = {name: {"base_url": f"{s.url}/v1"} for name, s in site.items()}
        endpoints |= {"dead": {"base_url": dead_url()}, "mute": {"base_url": mute}}
        for name in ("well", "wrong", "moved"):
            endpoints[name]["key"] = "LAB_KEY"
        configure(home, **endpoints)
        checks = look()
    assert checks["answering"].detail.startswith("well (vllm ") and "1 model" in checks["answering"].detail
    states = {name: checks[name].state for name in ("wrong", "keyless", "loading", "bare", "moved", "dead", "mute")}
    assert states == {"wrong": "broken", "keyless": "warn", "loading": "ok", "bare": "warn", "moved": "warn",
                      "dead": "warn", "mute": "warn"}  # fmt: skip
    assert checks["wrong"].fix == "promptlab keys set LAB_KEY"
    assert "promptlab endpoints remove dead" in checks["dead"].fix
    assert KEY not in str(checks)


def test_three_servers_that_say_nothing_do_not_hold_it_up(tmp_path: Path) -> None:
    with wire(say_nothing) as one, wire(say_nothing) as two, wire(say_nothing) as three:
        configure(tmp_path, one={"base_url": one}, two={"base_url": two}, three={"base_url": three})
        times = []
        for _ in range(3):
            began = time.monotonic()
            done = alone(tmp_path, "json")
            times.append(time.monotonic() - began)
    assert min(times) < 15
    silent = [check for check in done.json if "no answer within 0.3 s" in check["detail"]]
    assert [check["name"] for check in silent] == ["one", "two", "three"]


# The embedded model ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "state", "said"),
    [
        ("import os; os.kill(os.getpid(), 4)", "broken", "lacks instructions"),
        ("import os; os.kill(os.getpid(), 11)", "broken", "it dies when it loads (signal 11)"),
        ("raise ImportError('libgomp.so.1: no \x1b[2J such file')", "broken", "ImportError: libgomp.so.1"),
        ("import time; time.sleep(60)", "warn", "does not load within 1.2 s"),
        ("print('chatter')", "ok", "loads, in"),
    ],
)
def test_a_llama_cpp_that_does_not_load_is_told_and_does_no_harm(
    module: str, state: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "xllamacpp.py").write_text(module)
    done = alone(tmp_path, PYTHONPATH=f"{tmp_path / 'fake'}{os.pathsep}{REPOSITORY}")
    [line] = [line for line in done.out.splitlines() if " llama.cpp " in line]
    assert said in line and "\x1b" not in done.out and {"ok": "✓", "warn": "!", "broken": "✗"}[state] in line
    assert done.code == (1 if state == "broken" else 0)


def test_weights_that_are_not_there_cut_short_or_damaged(home: Path) -> None:
    assert look()["weights"].state == "skipped"
    path = home / "cache" / Path(DEFAULT.member).name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"GGUF")
    assert look()["weights"].state == "warn"
    with path.open("r+b") as file:
        file.truncate(DEFAULT.size)
    check = look()["weights"]
    assert check.state == "broken" and "is damaged (SHA-256)" in check.detail and "delete it" in check.fix


def test_weights_on_a_slow_disk_are_not_read_through(
    home: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "cache").mkdir(exist_ok=True)
    (home / "cache" / weights.name).symlink_to(weights)
    monkeypatch.setattr(command, "_HASHING", -1.0)
    check = look()["weights"]
    assert check.state == "ok" and "its size is right" in check.detail


def test_too_little_memory_for_the_model_is_a_warning(
    home: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "cache").mkdir(exist_ok=True)
    (home / "cache" / weights.name).symlink_to(weights)
    monkeypatch.setattr("promptlab.providers.room.available", lambda: 10_000_000)
    check = look()["memory"]
    assert check.state == "warn" and "10 MB free; the default model takes 8" in check.detail and check.fix


def test_versions_are_told_without_loading_what_is_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from promptlab.cli.doctor import doctor; doctor('json')\n"
         "print(sorted({'litellm', 'textual', 'xllamacpp', 'aiohttp', 'huggingface_hub'} & set(sys.modules)))"],
        env=environment(tmp_path), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    listed, loaded = done.stdout.splitlines()
    [versions] = [check for check in json.loads(listed) if check["group"] == "versions"]
    for name in ("Python 3.", "litellm ", "textual ", "xllamacpp ", "SQLite 3."):
        assert name in versions["detail"]
    assert loaded == "[]"


# Checks that fail themselves ------------------------------------------------------------------------------------------


def test_a_check_that_fails_or_takes_for_ever_is_a_check_too() -> None:
    def fails() -> Iterator[Check]:
        yield Check("keys", "set", "ok", "one")
        raise ZeroDivisionError(KEY)

    held = threading.Event()

    def hangs() -> Iterator[Check]:
        yield Check("servers", "one", "ok", "here")
        held.wait(PATIENCE)

    work = Work("keys", fails)
    assert [(c.name, c.state) for c in work.checks(time.monotonic() + 5)] == [("set", "ok"), ("", "broken")]
    assert KEY not in str([asdict(check) for check in work.checks(0)])
    late = Work("servers", hangs)
    assert [c.state for c in late.checks(time.monotonic() + 0.1)] == ["ok", "warn"]
    held.set()


def test_any_ground_gives_checks_and_no_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it broken at once."""
    ground: dict[str, Any] = {"promptlab.db": b"x" * 5000, "keys": b"\xff\x00", "config.yaml": b"\t:\n", "cache": b""}
    for name, content in ground.items():
        (home / name).write_bytes(content)
    monkeypatch.setenv("TERM", "\x1b[2J")
    monkeypatch.setenv("OLLAMA_HOST", "http://[")
    monkeypatch.setenv("https_proxy", "socks5://x:" + KEY)
    assert doctor() == 1
    out, err = capsys.readouterr()
    assert err == "" and "\x1b" not in out and KEY not in out
    for name in ("history", "file", "config.yaml", "cache"):
        assert any(f" ✗ {name} " in line for line in out.splitlines()), name
