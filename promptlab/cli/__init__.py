"""The command line: argv to a plan, to the engine, to sinks; errors to stderr and an exit code.

Nothing heavy is imported here: `promptlab --help` is held under a tenth of a second.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

from promptlab.cli.commands import app
from promptlab.cli.groups import look
from promptlab.errors import LabError, UsageError

CANCELLED, CAPPED, SOME_FAILED, ALL_FAILED, UNDER = 130, 4, 3, 1, 100


def main() -> None:
    """The entry point: every foreseeable error is one line and what to do, with its exit code."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # typer loads pydantic; its plugin search costs 30 ms
    if sys.argv[1:2] in (["ask"], ["rerun"], ["sweep"], ["stable"], ["compare"], ["audit"], ["judge"],
                         ["vote"], ["fuse"], ["chain"]):  # fmt: skip
        threading.Thread(target=_import_client, daemon=True).start()
    _secure_streams()
    sys.argv[1:] = _whole_options(sys.argv[1:])
    if not sys.argv[1:] and sys.stdin.isatty() and sys.stdout.isatty():
        sys.argv.append("tui")
    try:
        if sys.argv[1:2] == ["models"] and not {"facts", "forget", "-h", "--help"} & set(sys.argv):
            look("--refresh" in sys.argv)
        _build_only(sys.argv[1:2])
        code = app(standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that has left is no news, and not at the interpreter's end
    except typer.TyperException as error:
        _refuse(error)
        sys.exit(error.exit_code)
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


def _build_only(wanted: list[str]) -> None:
    """Let Typer build the options of the command that is called, and of the others know the name and the first line:
    three hundred options that nobody looks at cost 50 ms of every start."""
    apart = [
        instance for group in app.registered_groups if [group.name] != wanted if (instance := group.typer_instance)
    ]
    for owner in (app, *apart):
        for command in owner.registered_commands:
            called = command.callback
            if called is not None and (owner is not app or [command.name or called.__name__] != wanted):
                command.callback = _named(called)


def _named(called: Callable[..., object]) -> Callable[[], None]:
    def nothing() -> None:
        pass

    nothing.__name__, nothing.__doc__ = called.__name__, called.__doc__
    return nothing


def _whole_options(arguments: list[str]) -> list[str]:
    """`--resume` may stand without a run's number, which Typer has no way to say: it then means the last one."""
    if arguments[:1] != ["sweep"] or "--resume" not in arguments:
        return arguments
    place = arguments.index("--resume") + 1
    bare = place == len(arguments) or not arguments[place].isdecimal()
    return [*arguments[:place], "last", *arguments[place:]] if bare else arguments


def _secure_streams() -> None:
    """Streams that take any text: one that was closed goes nowhere (and its number not to the history's file),
    and what an old locale's encoding has no room for is written as \\u96ea."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse(error: typer.TyperException) -> None:
    """What Typer finds wrong with the arguments, said as we say it."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
    else:
        complain(UsageError(error.format_message(), f"{context.command_path} --help" if context else ""))


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
