"""`promptlab profiles list` and `show`: which profiles there are and from where, what is in one, and exactly what each
target gets of it, with the facts behind its form."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab import config, document
from promptlab.config import Places, Settings
from promptlab.errors import LabError, UsageError, nearest
from promptlab.knowledge import SCALES, Finding, Knowledge
from promptlab.params import BODY, Value, points, show, split_option
from promptlab.profile import DEEPEST, Profile, Variable, composed, find, listed, parse, read
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, pad, width
from promptlab.request import Message, Request

if TYPE_CHECKING:  # the list is made in less time than these take to import
    from promptlab.plan import Target
    from promptlab.profile.compose import Filled, Shape
    from promptlab.providers.catalog import Endpoint

FORMATS = ("text", "json")
_MOST_POINTS = 64  # of a profile's axes; of a larger sweep the first value of each is shown


# -- list ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One name with the file that it means. `hides` are the files of that name in folders that are farther; `fault`
    is why the file can't be used."""

    name: str
    file: Path
    own: bool
    hides: tuple[Path, ...] = ()
    profile: Profile | None = None
    fault: str = ""


def list_profiles(places: Places, format: str | None = None) -> int:
    """Print every profile that a name can mean here, the nearest folder first; a broken file is a line with its
    fault."""
    _check_format(format)
    found = entries(places)
    if format == "json":
        _write_json([_record(entry) for entry in found])
        return 0
    cells = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for folder in dict.fromkeys(places.profiles):
        here = [entry for entry in found if entry.file.parent == folder]
        if not here:
            continue
        sys.stdout.write(f"{clean_line(str(folder))}  ({'yours' if here[0].own else 'shipped'})\n")
        for line in _table(here):
            sys.stdout.write(f"{line if cells is None else fit(line, cells)}\n")
    if not any(entry.own for entry in found):
        sys.stderr.write("none of your own yet → promptlab profiles new\n")
    return 0


def entries(places: Places) -> list[Entry]:
    """All names, by folder and then by name, with what stands in each file."""
    shelf = _Shelf(places.profiles)
    shipped = config.shipped_profiles().resolve()
    found = []
    for folder, files in shelf.folders.items():
        own = folder.resolve() != shipped
        for name, file in files.items():
            nearest_first = [others[name] for others in shelf.folders.values() if name in others]
            if nearest_first[0] != file:
                continue
            profile, fault = None, ""
            try:
                profile = shelf.read(file)
            except LabError as error:
                fault = error.message
            hides = tuple(other for other in nearest_first[1:] if other.resolve() != file.resolve())
            found.append(Entry(name, file, own, hides, profile, fault))
    return found


class _Shelf:
    """Folders of profiles, each looked through and each file parsed once, however many extend it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = {folder: listed((folder,)) for folder in folders}
        self._known = {name: file for files in reversed(self.folders.values()) for name, file in files.items()}
        self._parsed: dict[Path, Profile] = {}

    def read(self, file: Path) -> Profile:
        """As `profile.read`, which is asked only where something is wrong or not among these."""
        whole = self._whole(file, 0)
        if whole is None or not (whole.goal or whole.prompt):
            return read(file, tuple(self.folders))
        return whole

    def _whole(self, file: Path, depth: int) -> Profile | None:
        own = self._parsed.get(file)
        if own is None:
            own = self._parsed[file] = parse(file_text(file), file)
        if not own.extends:
            return own
        bases = []
        for name in own.extends:
            base = self.folders.get(file.parent, {}).get(name) or self._known.get(name)
            whole = self._whole(base, depth + 1) if base is not None and depth < DEEPEST - 1 else None
            if whole is None:
                return None
            bases.append(whole)
        return composed([*bases, own])


def file_text(file: Path) -> str:
    """The text of a profile's file. Raises UsageError for one that can't be such a text."""
    return decoded(file_bytes(file), file)


def decoded(raw: bytes, file: Path) -> str:
    """The text in a file's bytes, as `file_text` has it."""
    if len(raw) > document.LARGEST:
        raise UsageError(f"{file} is too large for a profile", "1 MB is the limit")
    if b"\0" in raw:
        raise UsageError(f"{file} is a binary file", "a profile is text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None


def file_bytes(file: Path) -> bytes:
    """What stands in a file, and no more than shows that it is too large."""
    try:
        with file.open("rb") as opened:
            return opened.read(document.LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}", "check the path") from None


def _table(found: Sequence[Entry]) -> Iterator[str]:
    cells = min(30, max(width(clean_line(entry.name)) for entry in found))
    for entry in found:
        name = clean_line(entry.name)
        name = pad(name, cells) if width(name) <= cells else name
        if entry.profile is None:
            yield f"  {name}  broken: {clean_line(entry.fault.replace(str(entry.file), entry.file.name))}"
        else:
            one = entry.profile
            language = pad(clean_line(one.language), 5)
            yield f"  {name}  {pad(one.kind, 9)}  {language}  {clean_line(one.description)}".rstrip()
        for file in entry.hides:
            yield f"  {' ' * cells}  hides {clean_line(str(file))}"


def _record(entry: Entry) -> dict[str, object]:
    one = entry.profile
    return {
        "name": entry.name, "kind": one.kind if one else None, "language": one.language if one else None,
        "description": one.description if one else None, "tags": list(one.tags) if one else [],
        "file": str(entry.file), "own": entry.own, "hides": [str(file) for file in entry.hides],
        "fault": entry.fault or None,
    }  # fmt: skip


# -- show ----------------------------------------------------------------------------------------------------------


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
    from promptlab.plan import parse_target

    _check_format(asked.format)
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
    filled = _filled(profile, asked)
    targets = [(one, parse_target(one)) for text in wanted for one in _one(text, settings, asked)]
    knowledge = Knowledge(findings=_findings(places)).above(settings.knowledge)
    found = [list(_renderings(target, profile, filled, knowledge, settings, asked.cot)) for _, target in targets]
    if asked.diff:
        return _print_diff(found[0], found[1], asked)
    if asked.format == "json":
        records = [_rendering_record(one) for several in found for one in several]
        _write_json(records)
        return 0
    _write([line for several in found for one in several for line in _told(one)], asked.color)
    return 0


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
        yield "all in one user message: its maker advises against a system message", known.of("against")
    elif family.role == "user":
        yield "all in one user message: it takes no system message", known.of("role")
    elif len(messages) == 1:
        role = f"a {shape.carrier} message"
        yield f"one user message, for the profile is the entire prompt; beside a prompt it is {role}", known.of("role")
    else:
        role = "developer message" if shape.carrier == "developer" else "system message"
        yield f"instructions in a {role}" + ("" if family.role else ", as is usual"), known.of("role")
    marks = "XML tags" if shape.sections == "xml" else "Markdown headings"
    yield f"sections marked by {marks}" + ("" if family.sections else ", as is usual"), known.of("sections")
    if family.order:
        yield f"its maker would have first: {', '.join(family.order)}", known.of("order")
    yield _thinking(shape, known, point), known.of("thinks")
    kept = {part for part, text in filled.parts.items() if text}
    spared = [part for part in filled.chat_only if part in kept]
    if spared and shape.reasoning:
        yield f"left out as chat-only: {', '.join(dict.fromkeys(spared))}", ()
    unwanted = [part for part in against if part in kept and not (shape.reasoning and part in spared)]
    if unwanted:
        yield f"its maker advises against {', '.join(unwanted)}: chat_only keeps them from it", known.of("against")
    if cot:
        yield ("--cot adds nothing: it thinks by itself" if shape.reasoning else
               "--cot: it is asked to think step by step first, apart from the answer"), ()  # fmt: skip


def _thinking(shape: Shape, known: _Sources, point: Mapping[str, Value]) -> str:
    thinks = known.facts.family.thinks
    if thinks is None:
        return "whether it thinks is unknown: it is taken for a chat model"
    set_ = ", ".join(f"{name} {show(point[name])}" for name in SCALES if name in point)
    asked = f", asked with {set_}" if set_ and thinks not in ("always", "never") else ""
    return f"{'a reasoning' if shape.reasoning else 'a chat'} model: it thinks {thinks}{asked}"


def _told(one: Rendering) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    varied = ", ".join(f"{name.removeprefix(BODY)} {show(value)}" for name, value in one.asked.items())
    yield f"{one.target}{f'  ({varied})' if varied else ''}", "bold"
    for fact, sources in one.why:
        yield f"# {fact}" + (f" [{', '.join(sources)}]" if sources else ""), "dim"
    for line in one.parameters():
        yield f"# {line}", "dim"
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
        _write_json(record)
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
        _write_json({"name": profile.name, "file": str(path), **record})
        return 0
    folders = places.profiles
    farther = folders[folders.index(path.parent) + 1 :] if path.parent in folders else ()
    hidden = [file for folder in farther for name, file in listed((folder,)).items()
              if name == path.stem and file.resolve() != path.resolve()]  # fmt: skip
    _write([(f"# {path}", "dim"), *((f"# hides {file}", "dim") for file in hidden)], "auto")
    text = write({"name": profile.name} | {key: value for key, value in record.items() if key != "name"})
    _write([(line, "") for line in text.rstrip("\n").split("\n")], "auto")
    return 0


def _write_json(record: object) -> None:
    from promptlab.render.plain import escaped

    sys.stdout.write(escaped(json.dumps(record, ensure_ascii=False, indent=2)) + "\n")


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


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise UsageError(
            f"--format: '{format}' is not one of {', '.join(FORMATS)}",
            nearest(format, FORMATS) or "text is the usual one",
        )
