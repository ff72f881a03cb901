"""A chain as it is written: steps in a row, each a profile and a target, that take up what earlier steps answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.document import Document
from promptlab.errors import ProfileError, UsageError, nearest
from promptlab.params import Value, lookup
from promptlab.profile import SUFFIXES, listed
from promptlab.profile.template import fill, names

INPUT, PREVIOUS = "input", "previous"  # what the user asks, and what the step before has answered
MOST_STEPS = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `prompt` and `variables` are templates: {{ input }}, {{ previous }}, {{ NAME }} of an earlier step.
    An empty `target` is for the command line to give; `parameters` are single values."""

    name: str
    profile: str = ""
    target: str = ""
    prompt: str = ""
    system: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    parameters: dict[str, Value] = field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """Every template of the step, by where it stands."""
        return {"prompt": self.prompt, "system": self.system,
                **{f"variables: {name}": text for name, text in self.variables}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    path: Path
    steps: tuple[Step, ...]
    description: str = ""

    def uses(self, step: Step) -> tuple[str, ...]:
        """The earlier steps whose answers a step takes up, in their order."""
        found = {name for key, text in step.texts().items() for name in names(text, f"{self.path}: {key}")}
        before = [one.name for one in self.steps[: self.steps.index(step)]]
        if PREVIOUS in found and before:
            found.add(before[-1])
        return tuple(name for name in before if name in found)

    def filled(self, step: Step, input: str, answers: Mapping[str, str]) -> Step:
        """A step with its templates filled. `answers` are those of the earlier steps by name. Raises ProfileError."""
        place = self.steps.index(step)
        values = {INPUT: input, **answers}
        if place:
            values[PREVIOUS] = answers[self.steps[place - 1].name]
        where = f"{self.path}: step '{step.name}'"
        return replace(
            step, prompt=fill(step.prompt, values, f"{where}: prompt"),
            system=fill(step.system, values, f"{where}: system"),
            variables=tuple((name, fill(text, values, f"{where}: {name}")) for name, text in step.variables),
        )  # fmt: skip


def find(name: str, folders: Sequence[Path]) -> Path:
    """The file of a chain: a path as it is, or a name looked up in `folders`. Raises UsageError."""
    if name.endswith(SUFFIXES) or "/" in name or "\\" in name:
        try:
            path = Path(name).expanduser()
            found = path.is_file()
        except (OSError, RuntimeError):
            found = False
        if not found:
            raise UsageError(f"no chain file {name}", "check the path, or give a chain's name: promptlab chain")
        return path
    known = listed(folders)
    if name not in known:
        raise UsageError(f"no chain '{name}'", nearest(name, known) or f"known: {', '.join(known) or 'none'}")
    return known[name]


def load(path: Path, *, anywhere: bool = False) -> Chain:
    """The chain in a file. Raises UsageError with file and line. A chain is a text that strangers share: profiles that
    it names by their path lie below its own folder, unless the user says `anywhere`."""
    doc = document.load(path, "steps")
    doc.only(("$schema", "description", "steps"), doc.value)
    steps = doc.value.get("steps")
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"{doc.where('steps')}: a chain is a list of steps", "steps: [{name: solve, profile: solve}]")
    if len(steps) > MOST_STEPS:
        raise UsageError(f"{doc.where('steps', MOST_STEPS)}: more than {MOST_STEPS} steps", "split the chain")
    found: list[Step] = []
    for number, item in enumerate(steps):
        step = _step(doc, item, number)
        _check_references(doc, step, number, [one.name for one in found])
        found.append(replace(step, profile=_placed(doc, step.profile, number, anywhere=anywhere)))
    return Chain(path.stem, path, tuple(found), doc.texts.get(("description",), "").strip())


def _step(doc: Document, item: object, number: int) -> Step:
    place = ("steps", number)
    if not isinstance(item, dict):
        raise UsageError(f"{doc.where(*place)}: a step is a mapping", "- {name: solve, profile: solve}")
    doc.only([f.name for f in fields(Step)], item, *place)
    said: dict[str, Any] = {}
    for key, value in item.items():
        if value is not None:
            said[key] = _READERS.get(key, _text)(doc, value, (*place, key))
    said.setdefault("name", f"step{number + 1}")
    said.setdefault("prompt", "{{ %s }}" % (PREVIOUS if number else INPUT))
    return Step(**said)


def _check_references(doc: Document, step: Step, number: int, before: Sequence[str]) -> None:
    where = doc.where("steps", number, "name")
    if not step.name.isidentifier() or step.name in (INPUT, PREVIOUS) or step.name in before:
        why = "is taken" if step.name in (INPUT, PREVIOUS, *before) else "is no name of letters, digits and _"
        raise UsageError(f"{where}: the step's name '{step.name}' {why}", "name: solve")
    known = [INPUT, *([PREVIOUS] if number else []), *before]
    for key, text in step.texts().items():
        try:
            unknown = names(text, key) - set(known)
        except ProfileError as error:
            raise UsageError(f"{doc.where('steps', number)}: {error.message}", error.hint) from None
        if unknown:
            word = sorted(unknown)[0]
            raise UsageError(f"{doc.where('steps', number)}: {key} uses '{word}', which no earlier step answers",
                             nearest(word, known) or f"known here: {', '.join(known)}")  # fmt: skip


def _placed(doc: Document, profile: str, number: int, *, anywhere: bool) -> str:
    if not ("/" in profile or "\\" in profile or profile.endswith(SUFFIXES)):
        return profile
    home = doc.path.resolve().parent
    try:
        path = home / Path(profile).expanduser()
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError, ValueError):
        inside, path = False, Path(profile)
    if not inside and not anywhere:
        raise UsageError(f"{doc.where('steps', number, 'profile')}: {profile} is outside the chain's folder",
                         "--allow-files lets it")  # fmt: skip
    return str(path)


def _text(doc: Document, value: object, place: tuple[str | int, ...]) -> str:
    if isinstance(value, (dict, list)):
        raise UsageError(f"{doc.where(*place)}: {place[-1]} must be text", f"write `{place[-1]}: |` and indented lines")
    return doc.texts[place].strip()


def _variables(doc: Document, value: object, place: tuple[str | int, ...]) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or any(isinstance(item, (dict, list)) for item in value.values()):
        raise UsageError(f"{doc.where(*place)}: variables must be names with texts", "for example  place: 北京")
    return tuple((name, doc.texts[(*place, name)]) for name in value)


def _parameters(doc: Document, value: object, place: tuple[str | int, ...]) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise UsageError(f"{doc.where(*place)}: parameters must be names with values", "for example  effort: high")
    found: dict[str, Value] = {}
    for name, given in value.items():
        try:
            found[name] = lookup(name).check(given)
        except UsageError as error:
            raise UsageError(f"{doc.where(*place, name)}: {error.message}", error.hint) from None
    return found


_READERS: dict[str, Callable[[Document, object, tuple[str | int, ...]], Any]] = {
    "variables": _variables, "parameters": _parameters,
}  # fmt: skip
