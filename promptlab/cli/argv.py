"""argv, read by Typer: the command that is called with its options, and of the others no more than their names."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from promptlab.cli import complain
from promptlab.cli.commands import app
from promptlab.cli.groups import look
from promptlab.errors import UsageError


def carry_out(arguments: list[str]) -> int:
    """The exit code of the command that the arguments call. Raises LabError."""
    sys.argv[1:] = _whole_options(arguments)
    try:
        if arguments[:1] == ["models"] and not {"facts", "forget", "-h", "--help"} & set(arguments):
            look("--refresh" in arguments)
        _build_only(arguments[:1])
        return app(standalone_mode=False) or 0
    except typer.TyperException as error:
        _refuse(error)
        return error.exit_code


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


def _refuse(error: typer.TyperException) -> None:
    """What Typer finds wrong with the arguments, said as we say it."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{error.format_message()}\n")
    else:
        complain(UsageError(error.format_message(), f"{context.command_path} --help" if context else ""))
