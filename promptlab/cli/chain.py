"""`promptlab chain`: a question through several models in a row, each step a cell of one run."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab import chain as chains
from promptlab import config
from promptlab.axis import parse_options, split_option
from promptlab.chain import Chain, Step
from promptlab.cli.council import STEP, one_each
from promptlab.cli.inputs import check_argument, file_text, objects_read, stdin_text
from promptlab.cli.output import Output, console, notice
from promptlab.cli.planning import Asked, Forms, Reach, check_mode, hashes, targets_of
from promptlab.cli.ready import Way, made_ready
from promptlab.cli.staging import Following, Stages, agreed, carried, pipes, print_text, show_steps, stood_in, view_of
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.errors import ProfileError, UsageError, nearest
from promptlab.material import enclosed, guard, is_chinese, new_mark
from promptlab.params import Value
from promptlab.places import shipped_profiles
from promptlab.plan import Cell, Filling, Plan, Spot, Target, lay_out
from promptlab.profile import Profile, find, listed, read
from promptlab.profile.compose import gather, prepare, unset
from promptlab.render.facts import CUT
from promptlab.render.sanitise import clean_line
from promptlab.request import Message


@dataclass(frozen=True, slots=True)
class _Part:
    """A step with all that its request takes but the answers of others."""

    step: Step
    target: Target
    profile: Profile | None
    files: Sequence[tuple[str, str]]
    asked: dict[str, Value]


def folders(places: Places) -> tuple[Path, ...]:
    """Where chains are looked for, the nearest first: the project's, the user's, the shipped ones."""
    return (Path.cwd() / "chains", places.config / "chains", shipped_profiles() / "chains")


def list_chains(format: str | None, color: str) -> int:
    """Print the chains that a name can mean here."""
    if format not in (None, "text", "json"):
        raise UsageError(f"--format: '{format}' is not one of text, json")
    found = []
    for path in listed(folders(config.places())).values():
        try:
            found.append(chains.load(path, anywhere=True))
        except UsageError as error:
            notice(f"{error.message}: left out")
    if format == "json":
        told = [{"name": one.name, "file": str(one.path), "description": one.description,
                 "steps": [step.name for step in one.steps]} for one in found]  # fmt: skip
        sys.stdout.write(json.dumps(told, ensure_ascii=True) + "\n")
        return 0
    paper = console(color)
    for one in found:
        steps = " → ".join(step.name for step in one.steps)
        paper.print(clean_line(f"{one.name:16} {steps}"))
        if one.description:
            paper.print(f"{'':16} {clean_line(one.description)}", style="dim")
    return 0


def chain(name: str, asked: Asked, output: Output, limits: Limits, way: Way, *, yes: bool) -> int:
    """Carry out a chain; the exit code says how it went."""
    places = config.places()
    settings = config.settings(places)
    _check_asked(asked)
    if asked.prompt is None and re.search(r"\s", name) and not Path(name).exists():
        raise UsageError("a chain's name comes before the question", f'promptlab chain hybrid "{clean_line(name)}"')
    whole = chains.load(chains.find(name, folders(places)), anywhere=asked.allow_files)
    input = _input(asked)
    work = _Work(whole, asked, input, places, settings)
    with made_ready(work.plan, way, places, settings, quiet=output.quiet) as ready:
        if (code := agreed(ready, work.guessed(), output, way, settings, yes=yes)) is not None:
            return code
        stages, code = asyncio.run(
            carried(ready, limits, work.following, lambda stages: view_of(stages, output, ready), quiet=output.quiet)
        )
    last = stages.said[len(whole.steps) - 1]
    show_steps(stages, output, {"chain": {
        "name": whole.name, "steps": [step.name for step in whole.steps], "answer": last.answer or None,
    }})  # fmt: skip
    if pipes(output):
        print_text(last.answer, output)
    return code


def _check_asked(asked: Asked) -> None:
    if asked.profile is not None or asked.variables:
        raise UsageError("the steps of a chain have profiles of their own", "write them in the chain's file")


def _input(asked: Asked) -> str:
    """What the chain is asked: the prompt, with files and stdin as its context."""
    pieces = [(name, file_text(name)) for name in asked.files]
    if piped := stdin_text():
        pieces.append(("stdin", piped))
    filled = prepare(check_argument(asked.prompt or "", "the prompt"), context=pieces)
    told = [text if name == "stdin" else f'<file name="{name}">\n{text.strip()}\n</file>' for name, text in pieces]
    whole = "\n\n".join(filter(None, [*told, filled.prompt])).strip()
    if not whole:
        raise UsageError("there is nothing to ask", 'promptlab chain hybrid "your question" -m local')
    return whole


class _Work:
    """A chain for a question: its plan, and each step's request once the answers before it are there."""

    def __init__(self, chain: Chain, asked: Asked, input: str, places: Places, settings: Settings) -> None:
        self.chain, self._input, self._asked = chain, input, asked
        self._own_system = check_argument(asked.system or "", "the system prompt")
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        targets = _targets(chain, asked.models, settings, reach)
        self._forms = Forms(targets, settings, reach, cot=asked.cot)
        given = parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))
        self._parts: list[_Part] = []
        for step, target in zip(chain.steps, targets, strict=True):
            with _told(chain, step):
                self._parts.append(_part(step, target, given, places, self._forms, anywhere=asked.allow_files))
        profiles = {one.profile.name: one.profile for one in self._parts if one.profile}
        spots = [Spot(one.target, one.asked) for one in self._parts]
        blank = {step.name: f"(what the step {step.name} will have answered)" for step in chain.steps}
        cells = []
        for number, (spot, part) in enumerate(zip(spots, self._parts, strict=True)):
            filling = Filling(self._messages(number, blank))
            (cell,) = lay_out([spot], lambda spot, row, filling=filling: filling)  # type: ignore[misc]
            own: dict[str, Value] = {STEP: part.step.name}
            cells.append(replace(cell, index=number, varied=own, values=own))
        self.plan = Plan(
            tuple(cells), asked.prompt or input, f"chain {chain.name}", asked.base_url, asked.key_env,
            check_mode(asked.mode), asked.plain_http, profiles=hashes(profiles),
        )  # fmt: skip

    def _messages(self, number: int, answers: Mapping[str, str]) -> tuple[Message, ...]:
        """What a step is asked, with the answers of others marked off as what they are."""
        part = self._parts[number]
        used = self.chain.uses(part.step)
        mark = new_mark([self._input, *(answers[name] for name in used)])
        told = {step.name: enclosed(answers[step.name], mark, f"what step {step.name} answered")
                for step in self.chain.steps[:number]}  # fmt: skip
        step = self.chain.filled(part.step, self._input, told)
        warned = guard(mark, chinese=is_chinese(self._input)) if used else ""
        system = "\n\n".join(filter(None, (self._own_system, step.system)))
        filled = prepare("\n\n".join(filter(None, (warned, step.prompt))), profile=part.profile, system=system,
                         variables=dict(step.variables), files=part.files)  # fmt: skip
        return self._forms.messages(part.target, part.asked, filled)

    def guessed(self) -> Plan:
        """The plan with stand-ins of a likely length for what nobody knows yet, to price it by."""
        guess = {step.name: stood_in() for step in self.chain.steps}
        cells = [replace(cell, request=replace(cell.request, messages=self._messages(cell.index, guess)))
                 for cell in self.plan.cells]  # fmt: skip
        return replace(self.plan, cells=tuple(cells))

    def following(self, stages: Stages) -> Following:
        """One step at a time; a step without an answer is the last."""
        answers: dict[str, str] = {}

        async def next_step() -> Sequence[Cell]:
            number = len(answers)
            if number < len(self.plan.cells) and stages.said[number].ending:
                said = stages.said[number]
                if not said.answer or said.state in ("failed", "cancelled"):
                    name = self.chain.steps[number].name
                    stages.skip(range(number + 1, len(self.plan.cells)))
                    if stages.skipped:
                        stages.why = f"the step {name} has no answer: {len(stages.skipped)} after it are not sent"
                        stages.notes.append(stages.why)
                    return ()
                more = number + 1 < len(self.plan.cells)
                if more and (said.state == "incomplete" or said.finish_reason in CUT):
                    name = self.chain.steps[number].name
                    stages.notes.append(f"the step {name} was cut before its end: what follows builds on a part")
                answers[self.chain.steps[number].name] = said.answer
                number += 1
            if number == len(self.plan.cells):
                return ()
            cell = self.plan.cells[number]
            return (replace(cell, request=replace(cell.request, messages=self._messages(number, answers))),)

        return next_step


def _targets(chain: Chain, models: Sequence[str], settings: Settings, reach: Reach) -> list[Target]:
    """The target of each step: -m STEP=TARGET, else the chain's own, else the -m without a step's name, else local."""
    names = [step.name for step in chain.steps]
    usual: list[str] = []
    named: dict[str, str] = {}
    for text in models:
        name, sign, target = text.partition("=")
        if sign and name.isidentifier() and name not in names and "?" not in name:
            raise UsageError(f"the chain {chain.name} has no step '{name}'",
                             nearest(name, names) or f"steps: {', '.join(names)}")  # fmt: skip
        if sign and name in names:
            if not target:
                raise UsageError(f"-m {name}= names no target", f"-m {name}=ENDPOINT/MODEL")
            named[name] = target
        else:
            usual.append(text)
    if len(usual) > 1:
        raise UsageError("one target for all steps, others by name", f"-m {usual[0]} -m {names[-1]}={usual[1]}")
    found = []
    for step in chain.steps:
        text = named.get(step.name) or step.target
        with _told(chain, step):
            several = targets_of([text] if text else usual, settings, reach.base_url)
        if len(several) > 1:
            raise UsageError(f"the step {step.name} takes one target, and not {len(several)}", f"-m {step.name}=TARGET")
        found.append(several[0])
    return found


@contextmanager
def _told(chain: Chain, step: Step) -> Iterator[None]:
    """A fault with the step's name before it: a chain has many, and some are of strangers."""
    try:
        yield
    except (UsageError, ProfileError) as error:
        raise UsageError(f"{chain.name}, step {step.name}: {error.message}", error.hint) from None


def _part(
    step: Step, target: Target, given: Mapping[str, list[Value]], places: Places, forms: Forms, *, anywhere: bool
) -> _Part:
    """Raises UsageError and ProfileError."""
    profile = read(find(step.profile, places.profiles), places.profiles) if step.profile else None
    if profile is not None and (missing := unset(profile, dict(step.variables))):
        raise UsageError(f"profile '{profile.name}' needs {', '.join(missing)}", "variables: in the step")
    axes = {**(profile.parameters if profile else {}), **{name: [value] for name, value in step.parameters.items()},
            **given, **target.axes}  # fmt: skip
    asked = one_each(axes, profile, target, forms, target.text)
    return _Part(step, target, profile, gather(profile, anywhere=anywhere) if profile else (), asked)
