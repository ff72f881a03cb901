"""What the user gives beside the arguments: stdin and files, as text or as a clear refusal."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from promptlab.errors import UsageError
from promptlab.params import DEFAULT, PARAMETERS
from promptlab.profile import Variable
from promptlab.render.sanitise import clean_line

LARGEST = 10_000_000  # bytes of context; no model takes more, and a mistaken path may be a disk image
PATIENCE = 1.0  # seconds after which a silent stdin is worth a word


def stdin_text() -> str:
    """What is piped in, or an empty string where stdin is a terminal or nothing at all. Raises UsageError."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        return ""
    if not stat.S_ISREG(mode) and not select.select([sys.stdin], [], [], PATIENCE)[0]:
        sys.stderr.write("promptlab: waiting for stdin; give </dev/null if there is none\n")
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"stdin can't be read: {error.strerror}", "give a file with -f instead") from None
    return _text(raw, "stdin")


def path_of(name: str) -> Path:
    """A path as it is typed. Raises UsageError where it begins with the home of nobody."""
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{name} can't be read: {error}", "check the path") from None


def file_text(name: str) -> str:
    """A text file's content. Raises UsageError for what is no readable text."""
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            raise UsageError(f"{name} is a folder", "give a file; several with -f each")
        with path.open("rb") as file:
            return _text(file.read(LARGEST + 1), name)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ of nobody
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name} can't be read: {why}", "check the path") from None


def _text(raw: bytes, name: str) -> str:
    if len(raw) > LARGEST:
        raise UsageError(f"{name} is larger than {LARGEST // 1_000_000} MB", "give the part that matters")
    if b"\0" in raw:
        raise UsageError(f"{name} is binary, not text", "a model reads text: convert it first")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "for older Chinese files: iconv -f GB18030 -t UTF-8"
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start})", hint) from None


def objects_read(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names and texts of parameters as typed, with the file's content in the place of its name where a parameter is an
    object. Raises UsageError."""
    found = []
    for name, text in pairs:
        parameter = PARAMETERS.get(name)
        is_file = parameter is not None and parameter.kind == "object" and text != DEFAULT
        found.append((name, file_text(text) if is_file and not text.lstrip().startswith("{") else text))
    return found


def check_argument(text: str, what: str) -> str:
    """A text from the command line, which may hold bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not valid UTF-8 text", "check the terminal's encoding") from None
    return text


def ask_for(name: str, variable: Variable) -> str:
    """A value for a profile's variable, from whoever sits at the terminal; asked again until it fits. Raises
    UsageError where they leave it."""
    what = f" ({', '.join(variable.choices)})" if variable.choices else f" ({variable.help})" if variable.help else ""
    while True:
        sys.stderr.write(f"{clean_line(name + what)}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line.strip():
            raise UsageError(f"the variable '{name}' has no value", f"--var {name}=…")
        try:
            return variable.check(name, line.strip())
        except UsageError as error:
            sys.stderr.write(f"{clean_line(error.message)}\n")


def agreed(question: str, *, usual: bool) -> bool:
    """Whether whoever sits at the terminal says yes; an empty line is the usual answer, the end of input a no."""
    sys.stderr.write(f"{clean_line(question)} [{'Y/n' if usual else 'y/N'}] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    return usual if line.strip() == "" and line else line.strip().lower() in ("y", "yes", "是")
