"""Where API keys come from: the environment, a .env file where one is asked for, the system's keyring, or a file of
our own that only its owner can read."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from promptlab.errors import LabError, UsageError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "promptlab"
LONGEST = 4_000  # characters of a key; a terminal on Linux cuts what is typed at 4,095, in silence
LARGEST = 64_000  # bytes of a .env file, and of ours
PATIENCE = 2.0  # seconds for a keyring to open, and to answer; over ssh it may wait for ever for a window to be seen
UNLOCKING = 30.0  # seconds for it to take or drop a key: somebody is there, and may have to type its password first

Source = Literal["environment", ".env", "keyring", "file"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Key:
    """A key and where it is from; `path` is the file's, for the sources that are files. Only `value` is secret."""

    name: str
    value: str = field(repr=False)
    source: Source
    path: Path | None = None


class KeyChain:
    """The places where a key may be, asked in this order: environment, .env, keyring, file.

    The environment is first because a value set for this one command must win over what was kept some day; .env
    belongs to the project at hand, and only `dotenv` names it; the keyring is encrypted, and the file is for systems
    without one. Nothing is read before the first question, and each place is read once.

    `ring`, where given, is a file with the names that were put into the keyring: for others it is not asked, since
    only to open it takes a tenth of a second.

    A keyring that is locked, broken or silent counts as none from then on, and `problem` says why (else it is empty;
    a system that has none is no problem). A question may take 2 × `patience` seconds where the keyring hangs.
    """

    def __init__(
        self, file: Path, *, environ: Mapping[str, str], dotenv: Path | None = None, ring: Path | None = None,
        patience: float = PATIENCE, unlocking: float = UNLOCKING,
    ) -> None:  # fmt: skip
        self.file, self.dotenv, self._ring = file, dotenv, ring
        self._environ = environ
        self._keyring = _Keyring(patience, unlocking)
        self._from_dotenv: dict[str, str] | None = None
        self._from_file: dict[str, str] | None = None

    @property
    def problem(self) -> str:
        """Why the system's keyring was passed over, as a sentence without a full stop; empty where it wasn't."""
        return self._keyring.problem

    def find(self, names: Sequence[str]) -> Key | None:
        """The key under the first of `names` in the first place that has any of them; blank is not set.

        Raises UsageError where the .env file or our own one must not be read; never for a fault of the keyring.
        """
        if self.dotenv and self._from_dotenv is None:  # at once: a file that was asked for and is not there is news
            self._from_dotenv = read_dotenv(self.dotenv)
        dotenv = self._from_dotenv or {}
        places: tuple[tuple[Source, Callable[[str], str | None], Path | None], ...] = (
            ("environment", self._environ.get, None),
            (".env", dotenv.get, self.dotenv),
            ("keyring", lambda name: self._keyring.get(name) if self._in_ring(name) else None, None),
            ("file", lambda name: self._kept().get(name), self.file),
        )
        for source, read, path in places:
            for name in names:
                if value := (read(name) or "").strip():
                    return Key(name, value, source, path)
        return None

    def where(self, names: Sequence[str]) -> list[tuple[str, Source | None]]:
        """Each name with the place that its key would be taken from, or None. A keyring can't be listed, only asked."""
        found = [(name, self.find([name])) for name in names]
        return [(name, key.source if key else None) for name, key in found]

    def kept_in_file(self) -> list[str]:
        """The names in our own file, whoever reads them."""
        return list(self._kept())

    def store(self, name: str, value: str) -> Source:
        """Keep a key, and say where: in the keyring, or in the file where there is none (`problem` may say why).

        Raises UsageError for a name or a value that can't be one, without repeating it, and before anything changes
        where the file is not private; LabError where the file can't be written.
        """
        check_name(name)
        value = check_value(name, value)
        self._kept()
        if self._keyring.put(name, value):
            self._note(name, held=True)
            self._edit(name, None)  # a copy from before there was a keyring would outlive its change
            return "keyring"
        self._edit(name, value)
        return "file"

    def remove(self, name: str) -> list[Source]:
        """Forget a key, and say where it was; the environment and .env are not ours to change.

        Raises as `store` does. With a `problem` the keyring may still hold it.
        """
        check_name(name)
        self._kept()
        removed: list[Source] = []
        if self._keyring.drop(name):
            removed.append("keyring")
            self._note(name, held=False)
        if self._edit(name, None):
            removed.append("file")
        return removed

    def _in_ring(self, name: str) -> bool:
        """Whether the keyring may have the name."""
        if self._ring is None:
            return True
        try:
            return name in self._ring.read_text("ascii").split()
        except (OSError, ValueError):
            return False

    def _note(self, name: str, *, held: bool) -> None:
        """Remember, without the key, that the keyring has the name."""
        if self._ring is None or self._in_ring(name) == held:
            return
        try:
            self._ring.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _alone_in(self._ring.parent):
                names = self._ring.read_text("ascii").split() if self._ring.exists() else []
                _replace(self._ring, [*(n for n in names if n != name), *([name] if held else [])])
        except (OSError, ValueError) as error:
            raise LabError(f"{self._ring} can't be written: {error}", "without it the key is not looked for") from None

    def _kept(self) -> dict[str, str]:
        if self._from_file is None:
            self._from_file = _entries(_read_lines(self.file), self.file)
        return self._from_file

    def _edit(self, name: str, value: str | None) -> bool:
        """Set a name in the file, or take it out; whether it was there."""
        file = Path(os.path.realpath(self.file))  # a link stays one
        try:
            if value is not None:
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            elif not file.exists():
                return False
            with _alone_in(file.parent):
                lines = _read_lines(file)
                left = [line for line in lines if line.partition("=")[0].strip() != name]
                if value is not None or left != lines:
                    _replace(file, left if value is None else [*left, f"{name}={value}"])
        except OSError as error:
            raise LabError(f"{self.file} can't be written: {error.strerror}", "nothing has been changed") from None
        self._from_file = None
        return left != lines


def check_name(name: str) -> None:
    """Raise UsageError where `name` can't be a variable's: it may be the key itself, and is not repeated."""
    if not (name.isascii() and name.isidentifier()):
        raise UsageError("the name of an environment variable is wanted, not a key", "for example OPENAI_API_KEY")


def check_value(name: str, value: str) -> str:
    """The key without the blanks around it. Raises UsageError, which never repeats it, where it can't be one."""
    value = value.strip()
    if not value:
        raise UsageError(f"no key for {name} was given", "nothing has been changed")
    if not (value.isascii() and value.isprintable()):
        what = "holds a line break or another character that no key has"
        raise UsageError(f"what was given for {name} {what}", "copy the key again, and nothing beside it")
    if len(value) > LONGEST:
        raise UsageError(f"what was given for {name} is longer than any key", f"{LONGEST:,} characters are the limit")
    return value


# The system's keyring.


class _Keyring:
    """The system's keyring, each question in a thread of its own: one that hangs must not hang us."""

    def __init__(self, patience: float, unlocking: float) -> None:
        self.problem = ""
        self._patience, self._unlocking = patience, unlocking
        self._rings: list[KeyringBackend] | None = None  # None: not opened yet; empty: there is none
        self._known: dict[str, str | None] = {}

    def get(self, name: str) -> str | None:
        if name not in self._known:
            self._known[name] = self._ask(lambda rings: _get(rings, name), self._patience)
        return self._known[name]

    def put(self, name: str, value: str) -> bool:
        """Whether it keeps the value now; it is read again, since a keyring may take one and keep nothing."""
        self._known.pop(name, None)
        kept = self._ask(lambda rings: _put(rings, name, value), self._unlocking)
        if kept is False:
            self.problem = self.problem or "the system's keyring did not keep the key"
        return kept is True

    def drop(self, name: str) -> bool:
        """Whether it had the name; it has it no longer."""
        self._known.pop(name, None)
        return self._ask(lambda rings: _drop(rings, name), self._unlocking) is True

    def _ask(self, question: Callable[[list[KeyringBackend]], T], seconds: float) -> T | None:
        """The answer, or None where there is no keyring or, from the first fault on, no more."""
        if self._rings is None:
            self._rings = self._bounded(_open, self._patience)
        rings = self._rings
        return self._bounded(lambda: question(rings), seconds) if rings else None

    def _bounded(self, call: Callable[[], T], seconds: float) -> T | None:
        answers: list[T] = []
        faults: list[str] = []

        def work() -> None:
            try:
                answers.append(call())
            except BaseException as error:  # a backend is somebody else's code, whose words may hold the key
                faults.append(_fault(error))

        thread = threading.Thread(target=work, name="keyring", daemon=True)
        thread.start()
        thread.join(seconds)
        if answers:
            return answers[0]
        why = faults[0] if faults else f"did not answer within {seconds:g} s"
        self.problem = self.problem or f"the system's keyring {why}"
        self._rings = []
        return None


def _fault(error: BaseException) -> str:
    if type(error).__name__ == "KeyringLocked":
        return "is locked"
    return "did not answer" if isinstance(error, TimeoutError) else f"can't be used ({type(error).__name__})"


def _open() -> list[KeyringBackend]:
    """The keyrings that keep a secret, the best first; most systems have one, and a container none."""
    import logging

    import keyring
    from keyring.backends.chainer import ChainerBackend

    logging.getLogger("keyring").addHandler(logging.NullHandler())  # or a broken plug-in's traceback is on the screen
    ring = keyring.get_keyring()
    rings: list[KeyringBackend] = list(ring.backends) if isinstance(ring, ChainerBackend) else [ring]
    return [ring for ring in rings if _keeps_secrets(ring)]


def _keeps_secrets(ring: KeyringBackend) -> bool:
    """Whether a backend is a real one. `fail` has the priority 0 and `null` -1; below 1 are those that keyring doesn't
    recommend (keyring.backend, KeyringBackend.priority), which write plain text or ask for a password each time."""
    return ring.priority >= 1 and "plain" not in type(ring).__name__.lower()


def _get(rings: list[KeyringBackend], name: str) -> str | None:
    for ring in rings:
        if value := ring.get_password(SERVICE, name):
            return value
    return None


def _put(rings: list[KeyringBackend], name: str, value: str) -> bool:
    for ring in rings:
        with suppress(NotImplementedError):  # those of package indexes are read-only
            ring.set_password(SERVICE, name, value)
            break
    return _get(rings, name) == value


def _drop(rings: list[KeyringBackend], name: str) -> bool:
    holders = [ring for ring in rings if ring.get_password(SERVICE, name) is not None]
    for ring in holders:
        ring.delete_password(SERVICE, name)
    return bool(holders)


# Our own file: NAME=value lines, the value up to the end of its line.


def _read_lines(path: Path) -> list[str]:
    """The file's lines, or none where there is no file. Raises UsageError where anybody else could read or write it."""
    try:
        # Without O_NONBLOCK a named pipe in its place would be waited for.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            _check_private(os.fstat(number), path)
            with os.fdopen(number, "rb", closefd=False) as file:
                raw = file.read(LARGEST + 1)
        finally:
            os.close(number)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    return _text(raw, path).splitlines()


def _check_private(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is no regular file", "it is where keys are kept: move it away")
    if sys.platform == "win32":  # its modes say nothing; the user's folder is closed to others there
        return
    if status.st_uid != os.getuid():
        raise UsageError(f"{path} belongs to another user: its keys are not used", "move it away, or chown it")
    if status.st_mode & 0o077:
        raise UsageError(f"{path} is open to other users: its keys are not used", f"chmod 600 {path}")


def _entries(lines: list[str], path: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (equals and name.strip().isascii() and name.strip().isidentifier()):
            raise UsageError(f"{path}, line {number}: NAME=value is wanted", "correct or delete the line")
        found[name.strip()] = value.strip()
    return found


def _replace(file: Path, lines: list[str]) -> None:
    """Put the lines into the file as a whole: whoever reads it finds all of the old ones or all of the new ones."""
    raw = "".join(f"{line}\n" for line in lines).encode()
    if len(raw) > LARGEST:
        raise UsageError(f"{file} is full ({LARGEST:,} bytes)", "promptlab keys remove NAME")
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as out:
            out.write(raw)
            out.flush()
            os.fsync(number)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One writer at a time, or of two keys set at once one would be lost; no lock where the system knows none."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


# .env: a project's file, written by others.

_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(.*)")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\["\\])*)")(?:[ \t]+\#.*)?""")
_COMMENT = re.compile(r"[ \t]#.*")


def read_dotenv(path: Path) -> dict[str, str]:
    r"""The variables of a .env file: NAME=value lines, with `export ` before and # after them if need be.

    'single' quotes keep all as it is; in "double" ones \" and \\ stand for " and \; `$` is a character as any other.
    A value ends on its line. Raises UsageError with file and line, never with what stands there.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(_text(raw, path).split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if not match:
            raise UsageError(f"{path}, line {number}: NAME=value is wanted", "a comment starts with #")
        name, value = match[1], _unquote(match[2], f"{path}, line {number}")
        if name in found:
            raise UsageError(f"{path}, line {number}: {name} is given twice", "keep one of them")
        found[name] = value
    return found


def _unquote(text: str, where: str) -> str:
    if text.lstrip()[:1] not in ("'", '"'):
        return _COMMENT.sub("", text).strip()
    match = _QUOTED.fullmatch(text.strip())
    if not match:
        what = "quotes that don't close at the end of the value, or a backslash that stands for nothing here"
        raise UsageError(f"{where}: {what}", "'…' keeps everything as it is")
    return match[1] if match[1] is not None else re.sub(r"\\(.)", r"\1", match[2])


def _text(raw: bytes, path: Path) -> str:
    if len(raw) > LARGEST:
        raise UsageError(f"{path} is too large for a file of keys", f"{LARGEST:,} bytes are the limit")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    if "\0" in text:
        raise UsageError(f"{path} is a binary file", "NAME=value lines are wanted")
    return text
