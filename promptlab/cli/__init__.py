"""The command line: argv to a plan, to the engine, to sinks; errors to stderr and an exit code.

Nothing heavy is imported here: `promptlab --help` is held under a tenth of a second.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from promptlab.errors import LabError

CANCELLED, CAPPED, SOME_FAILED, ALL_FAILED, UNDER = 130, 4, 3, 1, 100


def main() -> None:
    """The entry point: every foreseeable error is one line and what to do, with its exit code."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # typer loads pydantic; its plugin search costs 30 ms
    if sys.argv[1:2] in (["ask"], ["rerun"], ["sweep"], ["stable"], ["compare"], ["audit"], ["judge"],
                         ["vote"], ["fuse"], ["chain"]):  # fmt: skip
        threading.Thread(target=_import_client, daemon=True).start()
    _secure_streams()
    try:
        code = _carry_out(sys.argv[1:])
        sys.stdout.flush()  # here, where a reader that has left is no news, and not at the interpreter's end
    except LabError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        sys.exit(CANCELLED)
    except BrokenPipeError:  # whoever read us has left; what ran is in the history
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ALL_FAILED)
    sys.exit(code)


def _carry_out(arguments: list[str]) -> int:
    if arguments in ([], ["tui"]) and sys.stdin.isatty() and sys.stdout.isatty():
        from promptlab.cli.tui import tui  # there is nothing to read: Typer would take 50 ms of the first frame

        return tui()
    from promptlab.cli.argv import carry_out

    return carry_out(arguments)


def _secure_streams() -> None:
    """Streams that take any text: one that was closed is empty or goes nowhere (and its number not to the history's
    file), and what an old locale's encoding has no room for is written as \\u96ea."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _import_client() -> None:
    """The HTTP client takes a third of the way to the first request to import, half of it in OpenSSL without the
    interpreter's lock: it is read while the arguments are."""
    with suppress(ImportError):
        import aiohttp  # noqa: F401


def complain(error: LabError) -> None:
    """An error on stderr: what happened, and what to do next."""
    from promptlab.render.sanitise import clean_line

    sys.stderr.write(f"promptlab: {clean_line(error.message)}\n")
    if error.hint:
        sys.stderr.write(f"  → {clean_line(error.hint)}\n")
