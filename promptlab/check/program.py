"""A program of the user's as a check: the answer on its stdin, its exit code the verdict. No shell; a time limit."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from promptlab.errors import UsageError

SECONDS = 30.0  # that a program may take for one answer
_SAID = 2_000  # bytes of its stderr that are read
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)


def words(want: str) -> list[str]:
    """The program and its arguments, in quotes where they have spaces. Raises UsageError."""
    try:
        found = shlex.split(want, posix=sys.platform != "win32")
    except ValueError as error:
        raise UsageError(f"run: {error}", 'for example run:./judge.py, or run:"./my judge" --strict') from None
    if not found:
        raise UsageError("run: names no program", "for example run:./judge.py")
    return found


def located(want: str, folder: Path | None) -> str:
    """The same command, a program that is given as a path with its full path, seen from `folder`."""
    program, *arguments = words(want)
    if "/" not in program and "\\" not in program:
        return want  # looked for on PATH
    path = (folder or Path()) / Path(program).expanduser()
    return shlex.join([str(path.absolute()), *arguments]) if sys.platform != "win32" else want


def judge(want: str, answer: str) -> tuple[bool | None, str]:
    """Run the program on an answer. It gets the environment without whatever looks like a key."""
    command = words(want)
    environment = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    with tempfile.TemporaryFile() as given:
        given.write(answer.encode("utf-8", "replace"))
        given.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            return None, f"{command[0]} can't be started: {why}"
    return _verdict(process)


def _verdict(process: subprocess.Popen[bytes]) -> tuple[bool | None, str]:
    """How it ended; at the time limit it is killed with all that it has started."""
    import threading

    said: list[bytes] = []

    def drain() -> None:
        assert process.stderr is not None
        with suppress(OSError, ValueError):
            said.append(process.stderr.read1(_SAID) or b"")  # type: ignore[attr-defined]
            while process.stderr.read1(65_536):  # type: ignore[attr-defined]
                pass

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"gave no verdict within {SECONDS:g} s"
    finally:
        _end(process)
        reader.join(1.0)
    if code == 0:
        return True, ""
    told = said[0].decode("utf-8", "replace").strip().splitlines() if said else []
    return False, told[0] if told else f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
