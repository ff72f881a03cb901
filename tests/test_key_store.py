"""Where keys come from, and where they are kept: real keyring backends of our own, real files, a real terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import socket
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import keyring.core
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend
from keyring.errors import KeyringLocked, PasswordDeleteError, PasswordSetError

from promptlab.cli import complain
from promptlab.cli import keys as command
from promptlab.errors import LabError, UsageError
from promptlab.keys import LARGEST, LONGEST, SERVICE, Key, KeyChain, read_dotenv
from promptlab.render.wrap import width
from tests.command import PATIENCE, REPOSITORY

NAME, KEY = "OPENAI_API_KEY", "sk-planted-Qm7xZ2vLr9Tn4wKc8sJd5"
ENDPOINTS = [("openai", [NAME]), ("gemini", ["GEMINI_API_KEY", "GOOGLE_API_KEY"]), ("ollama", [])]


class Ring(KeyringBackend):
    """A keyring in this process; it counts what it is asked."""

    priority: ClassVar[float] = 5

    def __init__(self, **kept: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept, self.asked = kept, 0

    def get_password(self, service: str, username: str) -> str | None:
        assert service == SERVICE
        self.asked += 1
        return self.kept.get(username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[username] = password

    def delete_password(self, service: str, username: str) -> None:
        if username not in self.kept:
            raise PasswordDeleteError(username)
        del self.kept[username]


class PlaintextRing(Ring):
    pass


class UnlikelyRing(Ring):
    priority: ClassVar[float] = 0.6


class ReadOnlyRing(Ring):
    priority: ClassVar[float] = 9

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


class ForgetfulRing(Ring):
    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class FaultyRing(Ring):
    """Raises `error` at every question."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        raise self.error

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError(f"can't keep {password}")

    delete_password = get_password  # type: ignore[assignment]


class HangingRing(Ring):
    """Answers when `released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        self.released.wait(PATIENCE)
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        self.released.wait(PATIENCE)


class LockedRing(Ring):
    """Takes a key when somebody has typed the keyring's own password, which lasts longer than a question may."""

    def set_password(self, service: str, username: str, password: str) -> None:
        threading.Event().wait(0.7)
        self.kept[username] = password


class Chain(ChainerBackend):
    backends: ClassVar[list[KeyringBackend]] = []


# Backends register themselves; these must not be found by what else runs in this process.
KeyringBackend._classes -= {cls for cls in KeyringBackend._classes if cls.__module__ == __name__}


@pytest.fixture
def use() -> Iterator[Callable[[KeyringBackend], None]]:
    before = keyring.core._keyring_backend
    try:
        yield keyring.set_keyring
    finally:
        keyring.core._keyring_backend = before


@pytest.fixture
def ring(use: Callable[[KeyringBackend], None]) -> Ring:
    found = Ring()
    use(found)
    return found


@pytest.fixture
def none(use: Callable[[KeyringBackend], None]) -> None:
    """A system without a keyring, as a container is."""
    use(fail.Keyring())  # type: ignore[no-untyped-call]


@pytest.fixture
def hanging(use: Callable[[KeyringBackend], None]) -> Iterator[HangingRing]:
    found = HangingRing()
    use(found)
    try:
        yield found
    finally:
        found.released.set()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "keys"


def chain_of(file: Path, environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> KeyChain:
    return KeyChain(file, environ=environ or {}, dotenv=dotenv, patience=10, unlocking=10)


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    file.chmod(mode)
    return file


# The order, and what counts as set.


def test_the_nearest_place_wins(ring: Ring, file: Path, tmp_path: Path) -> None:
    dotenv = write(tmp_path / ".env", f"{NAME}=two\n")
    ring.kept[NAME] = "three"
    write(file, f"{NAME}=four\n")
    places = [
        (chain_of(file, {NAME: "one"}, dotenv), Key(NAME, "one", "environment")),
        (chain_of(file, {}, dotenv), Key(NAME, "two", ".env", dotenv)),
        (chain_of(file), Key(NAME, "three", "keyring")),
    ]
    assert [chain.find([NAME]) for chain, _ in places] == [key for _, key in places]
    ring.kept.clear()
    assert chain_of(file).find([NAME]) == Key(NAME, "four", "file", file)
    file.unlink()
    assert chain_of(file).find([NAME]) is None


def test_a_nearer_place_is_before_an_earlier_name(ring: Ring, file: Path) -> None:
    ring.kept["GEMINI_API_KEY"] = "kept"
    names = ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    found = chain_of(file, {"GOOGLE_API_KEY": "now"}).find(names)
    assert found and (found.name, found.source) == ("GOOGLE_API_KEY", "environment")
    both = chain_of(file, {"GOOGLE_API_KEY": "b", "GEMINI_API_KEY": "a"}).find(names)
    assert both and both.value == "a"


def test_blank_is_not_set_and_blanks_around_a_key_are_not_in_it(ring: Ring, file: Path, tmp_path: Path) -> None:
    dotenv = write(tmp_path / ".env", f"{NAME}=\n")
    ring.kept[NAME] = f" {KEY}\n"
    assert chain_of(file, {NAME: " \t\n"}, dotenv).find([NAME]) == Key(NAME, KEY, "keyring")


def test_each_place_is_read_once(ring: Ring, file: Path) -> None:
    write(file, f"{NAME}={KEY}\n")
    chain = chain_of(file)
    first = chain.find([NAME])
    file.unlink()
    assert chain.find([NAME]) == first and ring.asked == 1
    assert chain.where([NAME, "OTHER"]) == [(NAME, "file"), ("OTHER", None)] and ring.asked == 2


def test_a_dotenv_file_is_read_only_where_it_is_asked_for(
    none: None, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = write(tmp_path / ".env", f"{NAME}={KEY}\n")
    monkeypatch.chdir(tmp_path)
    assert chain_of(file).find([NAME]) is None
    found = chain_of(file, dotenv=dotenv).find([NAME])
    assert found == Key(NAME, KEY, ".env", dotenv)
    with pytest.raises(UsageError, match="nowhere can't be read"):  # even where the environment has the key
        chain_of(file, {NAME: KEY}, tmp_path / "nowhere").find([NAME])


# The keyring.


def test_a_key_goes_into_the_keyring_and_out_of_the_file(ring: Ring, file: Path) -> None:
    write(file, f"# mine\n{NAME}=old\nOTHER=stays\n")
    chain = chain_of(file)
    assert chain.where([NAME]) == [(NAME, "file")]
    assert chain.store(NAME, f"{KEY}\n") == "keyring" and not chain.problem
    assert ring.kept == {NAME: KEY} and file.read_text() == "# mine\nOTHER=stays\n"
    assert chain.find([NAME]) == Key(NAME, KEY, "keyring")
    assert chain.remove(NAME) == ["keyring"] and chain.remove(NAME) == []
    assert ring.kept == {} and chain.find([NAME]) is None


@pytest.mark.parametrize(
    "backend", [fail.Keyring, null.Keyring, PlaintextRing, UnlikelyRing], ids=lambda cls: cls.__module__ + cls.__name__
)
def test_a_keyring_that_keeps_no_secret_counts_as_none(
    backend: type[KeyringBackend], use: Callable[[KeyringBackend], None], file: Path
) -> None:
    found = backend()
    use(found)
    chain = chain_of(file)
    assert chain.store(NAME, KEY) == "file" and not chain.problem
    assert chain.find([NAME]) == Key(NAME, KEY, "file", file)
    assert not getattr(found, "kept", None)
    assert chain.remove(NAME) == ["file"] and chain.remove(NAME) == []


def test_of_several_keyrings_the_first_that_keeps_secrets_gets_the_key(
    use: Callable[[KeyringBackend], None], file: Path
) -> None:
    plain, read_only, good = PlaintextRing(), ReadOnlyRing(), Ring()
    chained = Chain()  # type: ignore[no-untyped-call]
    chained.__class__.backends = [read_only, plain, good]
    use(chained)
    assert chain_of(file).store(NAME, KEY) == "keyring"
    assert (plain.kept, read_only.kept, good.kept) == ({}, {}, {NAME: KEY})
    assert chain_of(file).find([NAME]) == Key(NAME, KEY, "keyring")
    assert chain_of(file).remove(NAME) == ["keyring"] and not good.kept
    chained.__class__.backends = [read_only, plain]
    assert chain_of(file).store(NAME, KEY) == "file" and not plain.kept


def test_a_keyring_that_takes_a_key_and_keeps_nothing_is_found_out(
    use: Callable[[KeyringBackend], None], file: Path
) -> None:
    use(ForgetfulRing())
    chain = chain_of(file)
    assert chain.store(NAME, KEY) == "file"
    assert chain.problem == "the system's keyring did not keep the key"
    assert chain.find([NAME]) == Key(NAME, KEY, "file", file)


FAULTS: list[tuple[BaseException, str]] = [
    (KeyringLocked("Failed to unlock the collection!"), "the system's keyring is locked"),
    (OSError(f"reading {KEY}"), "the system's keyring can't be used (OSError)"),
    (SystemExit(3), "the system's keyring can't be used (SystemExit)"),
]


@pytest.mark.parametrize(("error", "problem"), FAULTS, ids=lambda value: type(value).__name__)
def test_a_faulty_keyring_is_passed_over_and_said_once(
    error: BaseException, problem: str, use: Callable[[KeyringBackend], None], file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    faulty = FaultyRing(error)
    use(faulty)
    write(file, f"{NAME}={KEY}\n")
    chain = chain_of(file)
    assert chain.problem == ""
    assert chain.find([NAME, "OTHER"]) == Key(NAME, KEY, "file", file)
    assert chain.find(["THIRD"]) is None
    assert chain.problem == problem and faulty.asked == 1
    assert chain_of(file, {NAME: "x"}).problem == ""
    assert capfd.readouterr() == ("", "")


def test_what_a_keyring_says_of_a_key_that_it_refuses_is_not_repeated(
    use: Callable[[KeyringBackend], None], file: Path
) -> None:
    use(FaultyRing(OSError()))
    chain = chain_of(file)
    assert chain.store(NAME, KEY) == "file"
    assert chain.problem == "the system's keyring can't be used (PasswordSetError)"
    removing = chain_of(file)
    assert removing.remove(NAME) == ["file"] and removing.problem


def test_a_keyring_without_an_answer_is_waited_for_once(hanging: HangingRing, file: Path) -> None:
    write(file, f"{NAME}={KEY}\n")
    chain = KeyChain(file, environ={}, patience=0.2)
    began = time.monotonic()
    assert chain.find([NAME]) == Key(NAME, KEY, "file", file)
    assert chain.where(["A", "B", "C"]) == [("A", None), ("B", None), ("C", None)]
    assert time.monotonic() - began < PATIENCE / 4
    assert chain.problem == "the system's keyring did not answer within 0.2 s" and hanging.asked <= 1


def test_a_key_is_not_lost_on_a_keyring_that_hangs(hanging: HangingRing, file: Path) -> None:
    chain = KeyChain(file, environ={}, patience=10, unlocking=0.1)
    assert chain.store(NAME, KEY) == "file"
    assert chain.problem == "the system's keyring did not answer within 0.1 s"
    assert chain.find([NAME]) == Key(NAME, KEY, "file", file)


def test_a_keyring_may_be_unlocked_while_a_key_is_set(use: Callable[[KeyringBackend], None], file: Path) -> None:
    use(LockedRing())
    chain = KeyChain(file, environ={}, patience=0.5, unlocking=10)
    assert chain.store(NAME, KEY) == "keyring" and not chain.problem and not file.exists()


# The file.


def test_the_file_is_its_owners_alone_whatever_the_umask_says(none: None, file: Path) -> None:
    before = os.umask(0)
    try:
        assert chain_of(file).store(NAME, KEY) == "file"
        assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
        chain_of(file).store("OTHER_KEY", "second")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == f"{NAME}={KEY}\nOTHER_KEY=second\n"
    assert [path.name for path in file.parent.iterdir()] == ["keys"]
    assert chain_of(file).kept_in_file() == [NAME, "OTHER_KEY"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_file_that_others_can_open_is_refused(mode: int, ring: Ring, file: Path) -> None:
    write(file, f"{NAME}={KEY}\n", mode)
    chain = chain_of(file, {"OTHER": "x"})
    assert chain.find(["OTHER"])  # nobody had to look into the file
    for act in (lambda: chain.find([NAME]), lambda: chain.store(NAME, "new"), lambda: chain.remove(NAME)):
        with pytest.raises(UsageError, match="is open to other users") as caught:
            act()
        assert caught.value.hint == f"chmod 600 {file}" and KEY not in str(caught.value)
    assert ring.kept == {} and file.read_text() == f"{NAME}={KEY}\n"
    file.chmod(0o600)
    assert chain_of(file).find([NAME])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(none: None, file: Path) -> None:
    os.chown(write(file, f"{NAME}={KEY}\n"), 54321, -1)
    with pytest.raises(UsageError, match="belongs to another user"):
        chain_of(file).find([NAME])


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


SPOILT: list[tuple[Callable[[Path], object], str]] = [
    (Path.mkdir, "is no regular file"),
    (pipe, "is no regular file"),
    (lambda path: path.write_text(f"A=1\n{KEY}\n"), "keys, line 2: NAME=value is wanted"),
    (lambda path: path.write_text(f"A=1\n\n{KEY}={KEY}\n"), "keys, line 3: NAME=value is wanted"),
    (lambda path: path.write_bytes(b"A=\xff" + KEY.encode()), "is not UTF-8 text"),
    (lambda path: path.write_bytes(b"A=\0"), "is a binary file"),
    (lambda path: path.write_text("A" * (LARGEST + 1)), "is too large"),
]


@pytest.mark.parametrize(("make", "message"), SPOILT, ids=[message for _, message in SPOILT])
def test_a_spoilt_file_is_an_error_with_its_place(
    make: Callable[[Path], object], message: str, none: None, file: Path
) -> None:
    file.parent.mkdir()
    make(file)
    if file.is_file():
        file.chmod(0o600)
    for act in (lambda: chain_of(file).find([NAME]), lambda: chain_of(file).store(NAME, KEY)):
        with pytest.raises(UsageError, match=message) as caught:
            act()
        assert KEY not in shown(caught.value)


def test_a_link_to_the_file_stays_a_link(none: None, file: Path, tmp_path: Path) -> None:
    real = write(tmp_path / "elsewhere" / "kept", "OTHER=1\n")
    file.parent.mkdir()
    file.symlink_to(real)
    chain_of(file).store(NAME, KEY)
    assert file.is_symlink() and real.read_text() == f"OTHER=1\n{NAME}={KEY}\n"


def test_a_folder_that_can_t_be_made_is_an_error(none: None, tmp_path: Path) -> None:
    write(tmp_path / "config", "")
    with pytest.raises(LabError) as caught:
        chain_of(tmp_path / "config" / "keys").store(NAME, KEY)
    assert KEY not in shown(caught.value)


def test_a_full_disk_leaves_the_file_as_it_was(file: Path) -> None:
    before = "".join(f"OLD_{number}={'x' * 90}\n" for number in range(20))
    write(file, before)
    done = python(
        f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (2200, 2200))
        try:
            KeyChain(Path({str(file)!r}), environ={{}}).store("NEW", "y" * 500)
        except LabError as error:
            print(error.message)
        """
    )
    assert done.stdout == f"{file} can't be written: File too large\n" and done.returncode == 0
    assert file.read_text() == before and [path.name for path in file.parent.iterdir()] == ["keys"]


def test_keys_set_at_once_are_all_kept_and_no_reader_sees_half_a_file(none: None, file: Path) -> None:
    write(file, "".join(f"OLD_{number}={'x' * 400}\n" for number in range(40)))
    names = [f"NEW_{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        writing = [threads.submit(chain_of(file).store, name, "y" * 400) for name in names]
        seen = []
        while not all(task.done() for task in writing):
            seen.append(len(chain_of(file).kept_in_file()))
    assert [task.result() for task in writing] == ["file"] * len(names)
    assert min(seen, default=40) >= 40 and seen == sorted(seen)
    assert set(names) <= set(chain_of(file).kept_in_file())


# What a name and a value may be.

VALUES = {
    "Chinese": "密钥" + KEY, "two lines": f"{KEY}\n{KEY}", "escape": f"{KEY}\x1b[2J", "tab": f"a\t{KEY}",
    "nul": f"{KEY}\0",
    "empty": "  \n", "too long": KEY * (LONGEST // len(KEY) + 1), "no-break space": f"\u200b{KEY}",
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_that_is_no_key_is_refused_and_not_repeated(value: str, ring: Ring, file: Path) -> None:
    with pytest.raises(UsageError, match=NAME) as caught:
        chain_of(file).store(NAME, value)
    assert KEY not in shown(caught.value) and "密钥" not in shown(caught.value)
    assert caught.value.hint and ring.kept == {} and not file.exists()


@pytest.mark.parametrize("name", ["", "sk-planted", "A B", "1A", f"{NAME}={KEY}", "名", "A\n"])
def test_a_name_that_is_none_is_refused_and_not_repeated(name: str, ring: Ring, file: Path) -> None:
    for act in (lambda: chain_of(file).store(name, KEY), lambda: chain_of(file).remove(name)):
        with pytest.raises(UsageError) as caught:
            act()
        assert KEY not in shown(caught.value) and (not name.strip() or name not in caught.value.message.split())
    assert ring.kept == {} and not file.exists()


def shown(error: LabError) -> str:
    """All that could be printed of an error, with its causes."""
    return "".join(traceback.format_exception(error)) + error.message + error.hint


def test_a_key_is_not_in_what_is_shown_of_it(file: Path) -> None:
    found = chain_of(file, {NAME: KEY}).find([NAME])
    assert found and found.value == KEY
    assert KEY not in f"{found} {found!r}" and NAME in repr(found)

    def fail_with(key: Key) -> None:
        raise ValueError(key)

    try:
        fail_with(found)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert KEY not in "".join(line for line in told.format() if "KEY =" not in line)


# .env

READ = {
    "A=1": "1", "A = 1": "1", "  A=1  ": "1", "A=": "", "A= # nothing": "", "A=#1": "#1", "A=1#2": "1#2",
    "A=1 # two": "1", "export A=1": "1", "export\tA=1": "1", "A=a=b==": "a=b==", "A='a # b'": "a # b",
    "A='a' # b": "a", 'A="a"': "a", r'A="a\"b\\c"': r'a"b\c', r"A='a\b'": r"a\b", "A=$B": "$B", 'A="${B}"': "${B}",
    "A=`b`": "`b`", "A=x'y": "x'y", "A=''": "", "A=雪": "雪", "\ufeffA=1": "1", "# A=2\n\nA=1": "1",
    "A=1\r\nB=2\r": "1",
    "export=2\nA=1": "1",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), READ.items(), ids=map(repr, READ))
def test_a_dotenv_file_is_read_as_written(text: str, value: str, tmp_path: Path) -> None:
    assert read_dotenv(write(tmp_path / ".env", text + "\n"))["A"] == value


REFUSED = {
    KEY: "line 1: NAME=value", f"A=1\n{KEY}": "line 2: NAME=value", f"A-B={KEY}": "line 1: NAME=value",
    f"A=1\n\nB='{KEY}": "line 3: quotes", f"A='{KEY}' {KEY}": "line 1: quotes", f'A="{KEY}': "line 1: quotes",
    f'A="{KEY}\\n"': "line 1: quotes", f'A="\\"{KEY}': "line 1: quotes", f"A='{KEY}'#b": "line 1: quotes",
    f"A=1\nA={KEY}": "line 2: A is given twice", f"A='1\n{KEY}'": "line 1: quotes", f"名={KEY}": "line 1: NAME=value",
    f"A=\0{KEY}": "binary", f"A={'x' * LARGEST}{KEY}": "too large",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[f"{n} {m}" for n, m in enumerate(REFUSED.values())])
def test_what_a_dotenv_file_can_t_say_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / ".env", text)
    with pytest.raises(UsageError, match=message) as caught:
        read_dotenv(path)
    assert str(path) in caught.value.message and KEY not in shown(caught.value)


def test_a_dotenv_file_may_be_a_pipe_and_no_folder(none: None, file: Path, tmp_path: Path) -> None:
    pipe(path := tmp_path / "pipe")  # as a password manager serves one
    with ThreadPoolExecutor(1) as threads:
        threads.submit(path.write_text, f"{NAME}={KEY}\n")
        assert chain_of(file, dotenv=path).find([NAME]) == Key(NAME, KEY, ".env", path)
    with pytest.raises(UsageError, match="can't be read: Is a directory"):
        read_dotenv(tmp_path)


# Other processes: what is loaded, what a system has.


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own, on a system without a keyring unless `environ` says otherwise."""
    return subprocess.run(
        [sys.executable, "-c", program(code)], env=environment(**environ), capture_output=True, timeout=60, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def program(code: str) -> str:
    lines = ["import sys", "from pathlib import Path", "from promptlab.keys import KeyChain",
             "from promptlab.cli import complain", "from promptlab.errors import LabError"]  # fmt: skip
    return "\n".join(lines) + "\n" + textwrap.dedent(code)


def environment(**more: str) -> dict[str, str]:
    # No byte code is written: cut at a file-size limit, it would break every interpreter after this one.
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "LANG": "C.UTF-8",
            "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "PYTHON_KEYRING_BACKEND":
            "keyring.backends.fail.Keyring", **more}  # fmt: skip


def test_keyring_is_loaded_when_it_is_reached_and_no_sooner(file: Path) -> None:
    done = python(
        f"""
        import promptlab.cli
        chain = KeyChain(Path({str(file)!r}), environ={{"A": "1"}})
        assert chain.find(["A"]) and "keyring" not in sys.modules and "getpass" not in sys.modules
        assert chain.find(["B"]) is None and "keyring" in sys.modules
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


LOOK = """
chain = KeyChain(Path({file!r}), environ={{}})
print(chain.find(["{name}"]), chain.problem, chain.store("{name}", "k"), sep="|")
"""


def test_a_backend_that_is_set_and_not_installed_is_a_problem_and_no_crash(file: Path) -> None:
    done = python(LOOK.format(file=str(file), name=NAME), PYTHON_KEYRING_BACKEND="no.such.Ring")
    problem = "the system's keyring can't be used (ModuleNotFoundError)"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"None|{problem}|file\n", "")


def silent_bus(listening: socket.socket, released: threading.Event) -> None:
    """A D-Bus that lets a caller in and says no more."""
    caller, _ = listening.accept()
    with caller, caller.makefile("rb") as lines:
        for line in lines:
            if line.startswith(b"BEGIN"):
                released.wait(PATIENCE)
                return
            caller.sendall(b"AGREE_UNIX_FD\r\n" if line.startswith(b"NEG") else b"OK 0123456789abcdef\r\n")


@pytest.mark.parametrize(("lets_in", "problem"), [(True, "did not answer within 2 s"), (False, "did not answer")])
def test_a_message_bus_that_never_answers_is_given_up(lets_in: bool, problem: str, file: Path, tmp_path: Path) -> None:
    pytest.importorskip("secretstorage", reason="the Secret Service is spoken to on Linux only")
    released = threading.Event()
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        bus.listen()
        bus.settimeout(PATIENCE)
        serving = threading.Thread(target=silent_bus, args=(bus, released), daemon=True)
        if lets_in:
            serving.start()
        began = time.monotonic()
        done = python(
            LOOK.format(file=str(file), name=NAME),
            PYTHON_KEYRING_BACKEND="keyring.backends.SecretService.Keyring",
            DBUS_SESSION_BUS_ADDRESS=f"unix:path={tmp_path}/bus",
        )
        took = time.monotonic() - began
        if not lets_in:
            bus.accept()[0].close()  # the real backend did call
        released.set()
    assert took < PATIENCE / 2
    assert (done.returncode, done.stdout, done.stderr) == (0, f"None|the system's keyring {problem}|file\n", "")


# keys set: typed unseen, or piped.

SET = """
from promptlab.cli import keys
try:
    code = keys.set_key({name!r}, KeyChain(Path({file!r}), environ={{}}), [("openai", ["OPENAI_API_KEY"])])
except LabError as error:
    complain(error)
    code = error.exit_code
sys.exit(code)
"""
TERMINAL = "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # /dev/tty is this one


def type_key(file: Path, typed: str, name: str = "openai") -> tuple[int, str]:
    """Exit code, and all that a terminal shows, where the key is typed after the prompt has come."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL + program(SET.format(name=name, file=str(file)))], env=environment(),
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    got, asked, deadline = b"", False, time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                got += os.read(master, 65536)
            except OSError:  # EIO: the process has closed the terminal
                break
            if not asked and got.endswith(b"shown): "):
                asked = True
                os.write(master, typed.encode())
        return process.wait(10), got.decode()
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_typed_key_is_not_echoed(file: Path) -> None:
    code, screen = type_key(file, f"{KEY}\n")
    assert screen.splitlines() == [
        "OPENAI_API_KEY (what you type is not shown): ",
        f"OPENAI_API_KEY is kept in {file}, readable by you only: this system has no keyring",
    ]
    assert code == 0 and file.read_text() == f"{NAME}={KEY}\n"


@pytest.mark.parametrize(
    ("typed", "message"),
    [("密钥\n", "holds a line break or another character"), ("\n", "no key for"), ("\x04", "no key for")],
    ids=["Chinese", "empty", "end of file"],
)
def test_what_is_typed_and_is_no_key_is_refused_and_not_shown(typed: str, message: str, file: Path) -> None:
    code, screen = type_key(file, typed)
    assert code == 2 and message in screen and "密" not in screen and "Traceback" not in screen and not file.exists()


def test_a_terminal_that_can_t_hide_it_is_not_read(file: Path) -> None:
    blind = "import io, os\nos.setsid()\nsys.stdin = type('Tty', (io.StringIO,), {'isatty': lambda self: True})('"
    done = python(blind + f"{KEY}\\n')\n" + SET.format(name=NAME, file=str(file)))
    assert done.returncode == 2 and "can't hide what is typed" in done.stderr and not file.exists()


PIPED = [
    (KEY.encode(), 0, "is kept in"), (f"\ufeff{KEY}\r\n".encode(), 0, "is kept in"), (b"", 2, "no key for"),
    (f"{KEY}\n{KEY}\n".encode(), 2, "holds a line break"), (KEY.encode("utf-16"), 2, "is no text"),
    (b"k" * 1_000_000, 2, "longer than any key"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "code", "message"), PIPED, ids=range(len(PIPED)))
def test_a_key_may_come_by_stdin_in_one_line(
    raw: bytes, code: int, message: str, none: None, file: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    ended = told(lambda: command.set_key("openai", chain_of(file), ENDPOINTS), capfd)
    assert ended[0] == code and message in ended[2] and KEY not in ended[2] and not ended[1]
    assert file.exists() == (code == 0)
    if code == 0:
        assert file.read_text() == f"{NAME}={KEY}\n"


def told(act: Callable[[], int], capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, as `main` would have them."""
    capfd.readouterr()
    try:
        code = act()
    except LabError as error:
        complain(error)
        code = error.exit_code
    return code, *capfd.readouterr()


def set_key(chain: KeyChain, name: str, monkeypatch: pytest.MonkeyPatch, *rest: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(KEY.encode())))
    return command.set_key(name, chain, ENDPOINTS, rest)


def test_it_is_said_where_a_key_went_and_what_is_before_it(
    ring: Ring, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = "is kept in the system's keyring\n"
    plain = told(lambda: set_key(chain_of(file), "gemini", monkeypatch), capfd)
    assert plain == (0, "", f"GEMINI_API_KEY {kept}") and ring.kept == {"GEMINI_API_KEY": KEY}
    over = told(lambda: set_key(chain_of(file, {NAME: "x"}), NAME, monkeypatch), capfd)
    assert over[2] == f"{NAME} {kept}{NAME} is also set in the environment, and that is what is used\n"
    dotenv = write(tmp_path / ".env", f"{NAME}=x\n")
    project = told(lambda: set_key(chain_of(file, {}, dotenv), NAME, monkeypatch), capfd)
    assert f"also set in {dotenv}, and" in project[2]
    other = told(lambda: set_key(chain_of(file), "LAB_KEY", monkeypatch), capfd)
    assert other[0] == 0 and other[2].startswith(f"LAB_KEY {kept}no endpoint uses LAB_KEY yet: ")


def test_a_keyring_that_fails_is_said_with_the_place_that_is_left(
    use: Callable[[KeyringBackend], None], file: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use(FaultyRing(KeyringLocked()))
    ended = told(lambda: set_key(chain_of(file), NAME, monkeypatch), capfd)
    first, second = ended[2].splitlines()
    assert first.startswith(f"{NAME} is kept in {file}, readable by you only: the system's keyring can't be used")
    assert "from before" in second and ended[:2] == (0, "")


def test_a_refused_file_is_said_before_a_key_is_asked_for(
    none: None, file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(file, "A=1\n", 0o644)
    code, out, err = told(lambda: set_key(chain_of(file), NAME, monkeypatch), capfd)
    assert (code, out) == (2, "") and f"chmod 600 {file}" in err and sys.stdin.read() == KEY


@pytest.mark.parametrize(
    ("name", "hint"),
    [("opnai", "'openai'"), ("openai_api_key", f"'{NAME}'"), ("gsk_Qm7xZ2vLr9Tn4wKc8sJd5", "for example"),
     ("sk-planted-Qm7xZ2vLr9", "for example"), (f"{NAME}={KEY}", ""), ("密钥", "for example"), ("", "for example")],
)  # fmt: skip
def test_a_name_that_may_be_the_key_is_not_repeated(
    name: str, hint: str, none: None, file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for act in (
        lambda: set_key(chain_of(file), name, monkeypatch),
        lambda: command.remove_key(name, chain_of(file), ENDPOINTS),
    ):
        code, out, err = told(act, capfd)
        assert (code, out) == (2, "") and hint in err and "is wanted, not a key" in err
        assert KEY not in err and (not name or name not in err.split())
    assert not file.exists()


def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    none: None, file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(lambda: set_key(chain_of(file), NAME, monkeypatch, KEY), capfd)
    assert (code, out) == (2, "") and "not given on the command line" in err and KEY not in err
    assert told(lambda: set_key(chain_of(file), "ollama", monkeypatch), capfd)[0] == 2
    assert not file.exists()


# keys list, keys remove.


def test_the_list_says_what_is_set_and_from_where_and_nothing_of_the_keys(
    ring: Ring, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dotenv = write(tmp_path / ".env", f"GOOGLE_API_KEY={KEY}2\n")
    ring.kept["RING_KEY"] = f"{KEY}3"
    write(file, f"LOST_KEY={KEY}4\nRING_KEY=behind\n")
    chain = chain_of(file, {NAME: KEY}, dotenv)
    endpoints = [*ENDPOINTS, ("雪\x1b[2J", ["RING_KEY", "UNSET_KEY"])]
    code, out, err = told(lambda: command.list_keys(chain, endpoints), capfd)
    rows = [line.split(maxsplit=3) for line in out.splitlines()]
    assert (code, err) == (0, "") and rows == [
        ["endpoint", "variable", "set", "from"],
        ["openai", NAME, "yes", "the environment"],
        ["gemini", "GEMINI_API_KEY", "no"],
        ["gemini", "GOOGLE_API_KEY", "yes", str(dotenv)],
        ["雪␛[2J", "RING_KEY", "yes", "the system's keyring"],
        ["雪␛[2J", "UNSET_KEY", "no"],
        ["-", "LOST_KEY", "yes", str(file)],
    ]
    starts = {width(line[: line.index(row[1])]) for line, row in zip(out.splitlines(), rows, strict=True)}
    assert len(starts) == 1
    _, machine, _ = told(lambda: command.list_keys(chain, endpoints, "json"), capfd)
    assert json.loads(machine) == [
        {"endpoint": "openai", "variable": NAME, "set": True, "source": "environment", "path": None},
        {"endpoint": "gemini", "variable": "GEMINI_API_KEY", "set": False, "source": None, "path": None},
        {"endpoint": "gemini", "variable": "GOOGLE_API_KEY", "set": True, "source": ".env", "path": str(dotenv)},
        {"endpoint": "雪\x1b[2J", "variable": "RING_KEY", "set": True, "source": "keyring", "path": None},
        {"endpoint": "雪\x1b[2J", "variable": "UNSET_KEY", "set": False, "source": None, "path": None},
        {"endpoint": None, "variable": "LOST_KEY", "set": True, "source": "file", "path": str(file)},
    ]
    assert "planted" not in out + machine and str(len(KEY)) not in out.replace(str(tmp_path), "")
    assert told(lambda: command.list_keys(chain, endpoints, "xml"), capfd)[0] == 2


def test_what_a_silent_keyring_may_hold_is_unknown(
    use: Callable[[KeyringBackend], None], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(FaultyRing(KeyringLocked()))
    chain = chain_of(file, {"GOOGLE_API_KEY": KEY})
    code, out, err = told(lambda: command.list_keys(chain, ENDPOINTS), capfd)
    assert [line.split()[2] for line in out.splitlines()] == ["set", "unknown", "unknown", "yes"]
    assert (code, err) == (0, "the system's keyring is locked\n")
    _, machine, _ = told(lambda: command.list_keys(chain, ENDPOINTS, "json"), capfd)
    assert [item["set"] for item in json.loads(machine)] == [None, None, True]


def test_a_key_is_removed_wherever_it_was_or_the_exit_code_says_that_it_was_not_there(
    ring: Ring, file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ring.kept[NAME] = KEY
    write(file, f"{NAME}={KEY}\n")
    chain = chain_of(file, {NAME: "x"})
    code, out, err = told(lambda: command.remove_key("openai", chain, ENDPOINTS), capfd)
    assert (code, out) == (0, "") and err.splitlines() == [
        f"{NAME} is removed from the system's keyring",
        f"{NAME} is removed from {file}",
        f"{NAME} is also set in the environment, and that is what is used",
    ]
    assert ring.kept == {} and file.read_text() == ""
    again = told(lambda: command.remove_key("openai", chain_of(file), ENDPOINTS), capfd)
    assert again == (1, "", f"{NAME} is neither in a keyring nor in {file}\n")


def test_a_key_that_a_locked_keyring_may_still_hold_is_not_called_removed(
    use: Callable[[KeyringBackend], None], file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    use(FaultyRing(KeyringLocked()))
    write(file, f"{NAME}={KEY}\n")
    code, _, err = told(lambda: command.remove_key(NAME, chain_of(file), ENDPOINTS), capfd)
    assert code == 1 and err.splitlines() == [
        f"{NAME} is removed from {file}",
        f"the system's keyring is locked, and may still have {NAME}",
    ]


def test_a_long_wait_for_the_keyring_is_said(
    hanging: HangingRing, file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    chain = KeyChain(file, environ={}, patience=10, unlocking=command.WAIT + 0.5)
    code, _, err = told(lambda: set_key(chain, NAME, monkeypatch), capfd)
    assert code == 0 and err.startswith("waiting for the system's keyring, which may want to be unlocked …\n")
