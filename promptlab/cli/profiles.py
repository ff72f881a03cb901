"""`promptlab profiles show`: what is in a profile, and exactly what each target gets of it, with the facts behind its
form."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab import config
from promptlab.axis import points, split_option
from promptlab.cli.shelf import check_format, write_json
from promptlab.config import Places, Settings
from promptlab.errors import Sentence, UsageError, nearest
from promptlab.knowledge import SCALES, Finding, Knowledge
from promptlab.params import BODY, Value, show
from promptlab.profile import Profile, Variable, find, listed, read
from promptlab.render.sanitise import clean, clean_line
from promptlab.request import Message, Request

if TYPE_CHECKING:  # the list is made in less time than these take to import
    from promptlab.plan import Target
    from promptlab.profile.compose import Filled, Shape
    from promptlab.providers.catalog import Endpoint

_ROLES = {"system": "a system message", "developer": "a developer message", "user": "a user message"}
_MOST_POINTS = 64  # of a profile's axes; of a larger sweep the first value of each is shown


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of `profiles show`, as typed. `prompt` stands in for what would be asked beside the profile."""

    name: str
    targets: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    diff: tuple[str, str] | None = None
    prompt: str = ""
    cot: bool = False
    allow_files: bool = False
    format: str | None = None
    color: str = "auto"


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one target gets at one point of its axes: the messages, why they have that form, each fact with the names
    of its sources, and a line on each of its parameters."""

    target: str
    messages: tuple[Message, ...]
    why: tuple[tuple[str, tuple[str, ...]], ...]
    asked: dict[str, Value]
    sent: dict[str, Value]
    verdicts: dict[str, str]
    notes: dict[str, str]

    def lines(self) -> list[str]:
        """The messages and parameters as text, as they are compared."""
        found = []
        for message in self.messages:
            found += [f"── {message.role} ──", *message.text.split("\n"), ""]
        return [*found, *(f"# {line}" for line in self.parameters())]

    def parameters(self) -> list[str]:
        from promptlab.render import facts as fact_lines

        return fact_lines.parameters(self.asked, self.sent, self.verdicts, self.notes)


def show_profile(asked: Asked, places: Places) -> int:
    """Print what is in a profile, or what targets get of it. Raises UsageError and ProfileError."""
    check_format(asked.format)
    path = find(asked.name, places.profiles)
    profile = read(path, places.profiles)
    if asked.diff and asked.targets:
        raise UsageError("--diff compares two targets by itself", "leave --for out")
    wanted = asked.diff or asked.targets
    if not wanted:
        if asked.variables or asked.cot or asked.prompt:
            raise UsageError("this tells what a target gets, and no target is given", "add --for TARGET")
        return _print_parts(profile, path, places, asked.format)
    settings = config.settings(places)
    targets = [one for text in wanted for one in _one(text, settings, asked)]
    found = renderings(profile, targets, asked, places, settings)
    if asked.diff:
        return _print_diff(found[0], found[1], asked)
    if asked.format == "json":
        records = [_rendering_record(one) for several in found for one in several]
        write_json(records)
        return 0
    _write([line for several in found for one in several for line in told(one)], asked.color)
    return 0


def renderings(
    profile: Profile, targets: Sequence[str], asked: Asked, places: Places, settings: Settings
) -> list[list[Rendering]]:  # fmt: skip
    """What each target gets of a profile, one for each point of its axes. Raises UsageError and ProfileError."""
    from promptlab.plan import parse_target

    filled = _filled(profile, asked)
    parsed = [parse_target(one) for one in targets]
    knowledge = Knowledge(findings=_findings(places)).above(settings.knowledge)
    return [list(_renderings(target, profile, filled, knowledge, settings, asked.cot)) for target in parsed]


def _one(text: str, settings: Settings, asked: Asked) -> list[str]:
    from promptlab.cli.planning import named

    found = named([text], settings)
    if asked.diff and len(found) != 1:
        raise UsageError(f"--diff compares two targets, and {text} is {len(found)}", "name one of them")
    return found


def _filled(profile: Profile, asked: Asked) -> Filled:
    """The prompt with its blanks filled; one without a value is shown as it is written, {{name}}."""
    from promptlab.profile.compose import gather, prepare, unset

    given = dict(map(split_option, asked.variables))
    blanks = {name: Variable("{{" + name + "}}") for name in unset(profile, given)}
    shown = replace(profile, variables=profile.variables | blanks)
    files = gather(profile, anywhere=asked.allow_files)
    return prepare(asked.prompt, profile=shown, variables=given, files=files)


def _renderings(
    target: Target, profile: Profile, filled: Filled, knowledge: Knowledge, settings: Settings, cot: bool
) -> Iterator[Rendering]:  # fmt: skip
    """One for each point of the axes."""
    from promptlab.profile.compose import arrange, shape_of
    from promptlab.providers import catalog
    from promptlab.providers.registry import Registry, facts_of

    endpoint = catalog.resolve(target.endpoint, settings.endpoints)
    registry = Registry({endpoint.name: endpoint}, lambda model: Path(), secrets=lambda names: None,
                        knowledge=knowledge)  # fmt: skip
    provider = registry.provider(endpoint.name, target.model, target.options)
    axes = {**profile.parameters, **target.axes}
    if math.prod(map(len, axes.values())) > _MOST_POINTS:
        axes = {name: values[:1] for name, values in axes.items()}
    for point in points(axes):
        facts = facts_of(knowledge, endpoint, target.model)
        shape = shape_of(facts, point)
        messages = arrange(filled, shape, cot=cot)
        wire = provider.wire(Request(target.model, messages, point))
        why = tuple(_why(shape, filled, messages, _Sources(knowledge, endpoint, target.model), point, cot))
        yield Rendering(
            target.text, messages, why, point, wire.sent, {name: one.word for name, one in wire.verdicts.items()},
            {name: one.note for name, one in wire.verdicts.items() if one.note},
        )  # fmt: skip


class _Sources:
    """What the knowledge says of one model, and the sources of each single fact."""

    def __init__(self, knowledge: Knowledge, endpoint: Endpoint, model: str) -> None:
        from promptlab.providers.registry import facts_of

        self.facts = facts_of(knowledge, endpoint, model)
        home = endpoint.name if endpoint.like is None else endpoint.like
        fits = [(fit, family) for family in knowledge.families
                if (fit := family.fit(home, endpoint.dialect, self.facts.model)) is not None]  # fmt: skip
        self._families = [family for _, family in sorted(fits, key=lambda pair: pair[0])]

    def of(self, fact: str) -> tuple[str, ...]:
        """The names of the sources that stand beside the fact that holds."""
        for family in reversed(self._families):
            if getattr(family, fact) is not None:
                return family.source
        return ()


def _why(
    shape: Shape, filled: Filled, messages: Sequence[Message], known: _Sources, point: Mapping[str, Value], cot: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:  # fmt: skip
    family = known.facts.family
    against = family.against or ()
    if "system" in against:
        yield Sentence("all in one user message: its maker advises against a system message"), known.of("against")
    elif family.role == "user":
        yield Sentence("all in one user message: it takes no system message"), known.of("role")
    elif len(messages) == 1:
        yield Sentence("one user message, for the profile is the entire prompt; beside a prompt it is {role}",
                       role=Sentence(_ROLES[shape.carrier])), known.of("role")  # fmt: skip
    else:
        role = Sentence(_ROLES["developer" if shape.carrier == "developer" else "system"])
        yield _usual(Sentence("instructions in {role}", role=role), known=bool(family.role)), known.of("role")
    marks = Sentence("XML tags" if shape.sections == "xml" else "Markdown headings")
    marked = Sentence("sections marked by {marks}", marks=marks)
    yield _usual(marked, known=bool(family.sections)), known.of("sections")
    if family.order:
        yield Sentence("its maker would have first: {parts}", parts=", ".join(family.order)), known.of("order")
    yield _thinking(shape, known, point), known.of("thinks")
    kept = {part for part, text in filled.parts.items() if text}
    spared = [part for part in filled.chat_only if part in kept]
    if spared and shape.reasoning:
        yield Sentence("left out as chat-only: {parts}", parts=", ".join(dict.fromkeys(spared))), ()
    unwanted = [part for part in against if part in kept and not (shape.reasoning and part in spared)]
    if unwanted:
        yield Sentence("its maker advises against {parts}: chat_only keeps them from it",
                       parts=", ".join(unwanted)), known.of("against")  # fmt: skip
    if cot:
        yield Sentence("--cot adds nothing: it thinks by itself" if shape.reasoning else
                       "--cot: it is asked to think step by step first, apart from the answer"), ()  # fmt: skip


def _usual(said: Sentence, *, known: bool) -> Sentence:
    """What is so by the knowledge, or because it mostly is."""
    return said if known else Sentence("{said}, as is usual", said=said)


def _thinking(shape: Shape, known: _Sources, point: Mapping[str, Value]) -> str:
    thinks = known.facts.family.thinks
    if thinks is None:
        return Sentence("whether it thinks is unknown: it is taken for a chat model")
    set_ = ", ".join(f"{name} {show(point[name])}" for name in SCALES if name in point)
    asked = Sentence(", asked with {what}", what=set_) if set_ and thinks not in ("always", "never") else ""
    return Sentence("a reasoning model: it thinks {thinks}{asked}" if shape.reasoning else
                    "a chat model: it thinks {thinks}{asked}", thinks=Sentence.whole(thinks), asked=asked)  # fmt: skip


def told(one: Rendering) -> Iterator[tuple[str, str]]:
    """A rendering as lines, with their styles; those of ours are Sentences."""
    varied = ", ".join(f"{name.removeprefix(BODY)} {show(value)}" for name, value in one.asked.items())
    yield f"{one.target}{f'  ({varied})' if varied else ''}", "bold"
    for fact, sources in one.why:
        line = Sentence("{said} [{sources}]", said=fact, sources=", ".join(sources)) if sources else fact
        yield Sentence("# {line}", line=line), "dim"
    for line in one.parameters():
        yield Sentence("# {line}", line=line), "dim"
    for message in one.messages:
        yield f"── {message.role} ──", "bold"
        for line in message.text.split("\n"):
            yield line, ""
    yield "", ""


def _rendering_record(one: Rendering) -> dict[str, object]:
    return {
        "target": one.target,
        "messages": [{"role": message.role, "content": message.text} for message in one.messages],
        "why": [{"fact": fact, "sources": list(sources)} for fact, sources in one.why],
        "parameters": {"asked": one.asked, "sent": one.sent, "verdicts": one.verdicts, "notes": one.notes},
    }


def _print_diff(first: Sequence[Rendering], second: Sequence[Rendering], asked: Asked) -> int:
    import difflib

    before, after = ([line for one in several for line in one.lines()] for several in (first, second))
    names = [several[0].target for several in (first, second)]
    lines = list(difflib.unified_diff(before, after, names[0], names[1], lineterm=""))
    if asked.format == "json":
        record = {"from": [_rendering_record(one) for one in first], "to": [_rendering_record(one) for one in second],
                  "diff": lines}  # fmt: skip
        write_json(record)
        return 0
    if not lines:
        sys.stderr.write(f"{clean_line(names[0])} and {clean_line(names[1])} get the same\n")
    colours = {"+": "green", "-": "red", "@": "cyan"}
    _write([(line, "bold" if number < 2 else colours.get(line[:1], "")) for number, line in enumerate(lines)],
           asked.color)  # fmt: skip
    return 0


def _print_parts(profile: Profile, path: Path, places: Places, format: str | None) -> int:
    from promptlab.profile.writing import fields, write

    record = fields(profile)
    if format == "json":
        write_json({"name": profile.name, "file": str(path), **record})
        return 0
    folders = places.profiles
    farther = folders[folders.index(path.parent) + 1 :] if path.parent in folders else ()
    hidden = [file for folder in farther for name, file in listed((folder,)).items()
              if name == path.stem and file.resolve() != path.resolve()]  # fmt: skip
    _write([(f"# {path}", "dim"), *((f"# hides {file}", "dim") for file in hidden)], "auto")
    text = write({"name": profile.name} | {key: value for key, value in record.items() if key != "name"})
    _write([(line, "") for line in text.rstrip("\n").split("\n")], "auto")
    return 0


def _write(lines: Iterable[tuple[str, str]], color: str) -> None:
    """Lines as they can be shown; into a pipe, without colours, unless they are asked for."""
    if color not in ("auto", "always", "never"):
        raise UsageError(
            f"--color: '{color}' is not one of auto, always, never",
            nearest(color, ("auto", "always")) or "auto is the usual one",
        )
    tty = sys.stdout.isatty()
    if not tty and color != "always":
        sys.stdout.writelines(f"{clean(line, keep=True)}\n" for line, _ in lines)
        return
    from rich.text import Text

    from promptlab.cli.output import console

    paper = console(color)
    for line, style in lines:
        paper.print(Text(clean(line, keep=not tty), style))


def _findings(places: Places) -> list[Finding]:
    from promptlab.store import Store

    if not places.database.exists():
        return []
    store = Store(places.database)
    try:
        return store.findings()
    finally:
        store.close()
