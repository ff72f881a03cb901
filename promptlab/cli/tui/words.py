"""The words of the lab's field, read by the declarations of the command line, and the plan behind them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from promptlab.cli.options import Asking, Parameters, Sending, spread
from promptlab.errors import UsageError
from promptlab.places import Places

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Way
    from promptlab.config import Settings
    from promptlab.engine import Limits
    from promptlab.plan import Cell, Plan
    from promptlab.transcript import Transcript

MOST = 200  # panes


def parse(words: str, prompt: str) -> tuple[Asked, Limits, Way]:
    """The words of the command line for a prompt, read by the same declarations as `ask`. Raises UsageError."""
    reader = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                         context_settings={"help_option_names": []})  # fmt: skip

    found: list[tuple[Asked, Limits, Way]] = []

    def read(*, asking: Asking, sending: Sending, parameters: Parameters) -> int:
        found.append((asking.asked(prompt, parameters, sending.params), sending.limits(), sending.way()))
        return 0

    reader.command()(spread(read))
    try:
        reader(args=shlex.split(words), standalone_mode=False, prog_name="words")
    except ValueError as error:
        raise UsageError(f"these words can't be read: {error}", "a quote is missing") from None
    except typer.TyperException as error:
        raise UsageError(error.format_message(), "the words are those of promptlab ask: promptlab ask --help") from None
    return found[0]


def plan_of(asked: Asked, places: Places, settings: Settings) -> Plan:
    """The plan behind what is asked, as `ask` makes it; what it would ask for on a terminal is an error. Raises
    UsageError."""
    from promptlab.axis import split_option
    from promptlab.cli.planning import make_plan
    from promptlab.profile import find, read
    from promptlab.profile.compose import unset

    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
        if missing := unset(profile, dict(map(split_option, asked.variables))):
            given = " ".join(f"--var {name}=…" for name in missing)
            raise UsageError(f"the profile '{profile.name}' has variables without a value: {', '.join(missing)}",
                             f"add {given}")  # fmt: skip
    prompt = asked.prompt if asked.prompt and asked.prompt.strip() else None
    return make_plan(replace(asked, prompt=prompt), places, settings)


def check_sendable(way: Way) -> None:
    if way.dry_run:
        raise UsageError("--dry-run is for the command line", "promptlab ask --dry-run prints what would be sent")


def bounded(plan: Plan) -> Plan:
    if len(plan.cells) > MOST:
        raise UsageError(f"this would make {len(plan.cells):,} panes, and {MOST} is the most",
                         "promptlab sweep measures that many")  # fmt: skip
    return plan


def followed(plan: Plan, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Plan:
    """The next turn of cells that have an answer, each with its own conversation; the checks were of the turn
    before."""
    from promptlab.request import Message

    if not turns:
        raise UsageError("there is no answer to follow up", "send a prompt first")
    cells = []
    for number, (cell, said) in enumerate(turns):
        messages = (*cell.request.messages, Message("assistant", said.answer), Message("user", prompt))
        cells.append(replace(cell, index=number, request=replace(cell.request, messages=messages), checks=()))
    return replace(plan, cells=tuple(cells), prompt=prompt, sweep=None, prospects=(), notes=())
