"""The words of the lab's field, read by the declarations of the command line, and the plan behind them."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from promptlab.cli.options import Asking, Carrying, Parameters, Sending, Sweeping, spread
from promptlab.cli.tui.refusal import refusal
from promptlab.errors import Sentence, UsageError
from promptlab.places import Places

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Way
    from promptlab.cli.sweep import Carrying as CarryingOut
    from promptlab.cli.sweeping import Learn
    from promptlab.config import Settings
    from promptlab.engine import Limits
    from promptlab.plan import Plan
    from promptlab.sweep import Sweep

MOST = 1000  # panes
_reading = threading.Lock()  # Typer sets a variable of the environment while it reads: of two at once, one fails
SWEEP = "sweep"
# What belongs to the command alone, and what to do instead.
_SHELL = {
    "--resume": "promptlab sweep --resume goes on with a run",
    "--retry-errors": "promptlab sweep --resume N --retry-errors sends them again",
    "--write-plan": "promptlab sweep --write-plan FILE writes it down",
    "--fail-under": "it sets the exit code of promptlab sweep",
    "--junit": "promptlab sweep --junit FILE writes it",
    "--allow-run": "programs are started by promptlab sweep --allow-run alone, never by a screen",
    "--format": "promptlab sweep --format prints",
    "--dry-run": "f4 shows the exact requests; promptlab sweep --dry-run prints them",
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """The words, read. Of a sweep there are `sweep` and how it is carried out besides."""

    asked: Asked
    limits: Limits
    way: Way
    sweep: Sweep | None = None
    carrying: CarryingOut | None = None


def is_sweep(words: str) -> bool:
    return words.split(None, 1)[:1] == [SWEEP]


def hear(words: str, prompt: str) -> Spoken:
    """The words of the command line for a prompt, read by the same declarations as `ask`, or as `sweep` where they
    begin so. Raises UsageError."""
    try:
        said = shlex.split(words)
    except ValueError as error:
        why, hint = Sentence.whole(str(error)), "a quote is missing" if "quotation" in str(error) else ""
        raise UsageError(Sentence("these words can't be read: {why}", why=why), hint) from None
    return _hear_sweep(said[1:], prompt) if said[:1] == [SWEEP] else _hear_ask(said, prompt)


def parse(words: str, prompt: str) -> tuple[Asked, Limits, Way]:
    """What is asked, within which limits and in which way. Raises UsageError."""
    spoken = hear(words, prompt)
    return spoken.asked, spoken.limits, spoken.way


def _hear_ask(said: Sequence[str], prompt: str) -> Spoken:
    found: list[Spoken] = []

    def read(*, asking: Asking, sending: Sending, parameters: Parameters) -> int:
        found.append(Spoken(asking.asked(prompt, parameters, sending.params), sending.limits(), sending.way()))
        return 0

    _read(read, said, "ask")
    return found[0]


def _hear_sweep(said: Sequence[str], prompt: str) -> Spoken:
    """A plan file among the words is the sweep that the others change; the prompt is above the file's."""
    for name, instead in _SHELL.items():
        if any(word == name or word.startswith(f"{name}=") for word in said):
            raise UsageError(Sentence("{name} is for the command line", name=name), instead)
    found: list[Spoken] = []

    def read(
        plan: str | None = typer.Argument(None), *, asking: Asking, sweeping: Sweeping, carrying: Carrying,
        sending: Sending, parameters: Parameters,
    ) -> int:  # fmt: skip
        from promptlab.cli.sweep import written

        if plan is not None and Path(plan).suffix not in (".yaml", ".yml"):
            raise UsageError(
                Sentence("'{plan}' is no plan file", plan=plan),
                "the prompt stands below; among the words only a PLAN.yaml",
            )
        asked = asking.asked(prompt, parameters, sending.params)
        whole = written(replace(asked, prompt=plan), sweeping, carrying.extract)
        if prompt.strip():
            whole = replace(whole, prompt=prompt)
        found.append(Spoken(asked, sending.limits(), sending.way(), whole, carrying.carrying()))
        return 0

    _read(read, said, SWEEP)
    return found[0]


def _read(command: Callable[..., int], said: Sequence[str], name: str) -> None:
    reader = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                         context_settings={"help_option_names": []})  # fmt: skip
    reader.command()(spread(command))
    try:
        with _reading:
            reader(args=list(said), standalone_mode=False, prog_name="words")
    except typer.TyperException as error:
        raise UsageError(refusal(error), Sentence("the words are those of promptlab {name}: promptlab {name} --help",
                                                  name=name)) from None  # fmt: skip


def plan_of(spoken: Spoken, places: Places, settings: Settings, learn: Learn | None = None) -> Plan:
    """The plan behind what is said, as `ask` and `sweep` make it; what they would ask for on a terminal is an error.
    `learn` may find out more about the targets of a sweep. Raises UsageError."""
    from promptlab.cli.planning import make_plan

    asked = spoken.asked
    if spoken.sweep is None:
        _check_variables(asked, places)
        prompt = asked.prompt if asked.prompt and asked.prompt.strip() else None
        return make_plan(replace(asked, prompt=prompt), places, settings)
    from promptlab.cli.planning import Reach
    from promptlab.cli.sweeping import make_sweep_plan
    from promptlab.extract import check_how

    check_how(spoken.sweep.extract)
    return make_sweep_plan(
        spoken.sweep, places, settings, reach=Reach(asked.base_url, asked.key_env, asked.plain_http), mode=asked.mode,
        cot=asked.cot, allow_files=asked.allow_files, scored=spoken.carrying.logprobs if spoken.carrying else None,
        learn=learn,
    )  # fmt: skip


def _check_variables(asked: Asked, places: Places) -> None:
    from promptlab.axis import split_option
    from promptlab.profile import find, read
    from promptlab.profile.compose import unset

    if asked.profile is None:
        return
    profile = read(find(asked.profile, places.profiles), places.profiles)
    if missing := unset(profile, dict(map(split_option, asked.variables))):
        given = " ".join(f"--var {name}=…" for name in missing)
        raise UsageError(Sentence("the profile '{profile}' has variables without a value: {names}",
                                  profile=profile.name, names=", ".join(missing)),
                         Sentence("add {given}", given=given))  # fmt: skip


def check_sendable(way: Way) -> None:
    if way.dry_run:
        raise UsageError("--dry-run is for the command line", "promptlab ask --dry-run prints what would be sent")


def bounded(plan: Plan) -> Plan:
    if len(plan.cells) > MOST:
        raise UsageError(Sentence("this would make {panes} panes, and {most} is the most",
                                  panes=f"{len(plan.cells):,}", most=f"{MOST:,}"),
                         "promptlab sweep measures that many")  # fmt: skip
    return plan
