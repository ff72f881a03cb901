"""A profile: a reusable prompt in parts (role, goal, format, rules, context …), read from YAML and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from promptlab import check, document
from promptlab.axis import parse_axis
from promptlab.document import Document
from promptlab.errors import ProfileError, Sentence, UsageError, nearest
from promptlab.params import Value, lookup

SUFFIXES = (".yaml", ".yml")
DEEPEST = 8  # profiles that extend one another
Kind = Literal["reasoning", "chat", "any"]
VariableKind = Literal["text", "number", "integer", "boolean", "choice"]
OWN_SCHEMA = "schema"  # the check alone, without a file: the schema that the profile's format is
PARTS = ("role", "goal", "format", "rules", "context", "steps", "examples")


@dataclass(frozen=True, slots=True)
class Variable:
    """A blank of a profile. `default` is None where a value must be given."""

    default: str | None = None
    kind: VariableKind = "text"
    choices: tuple[str, ...] = ()
    help: str = ""

    def check(self, name: str, text: str) -> str:
        """The value as it goes into the text. Raises UsageError for one of another type."""
        wanted = {"number": "a number", "integer": "a whole number", "boolean": "true or false"}
        try:
            match self.kind:
                case "number":
                    float(text)
                case "integer":
                    int(text)
                case "boolean" if text.lower() not in ("true", "false"):
                    raise ValueError
                case "choice" if text not in self.choices:
                    raise UsageError(Sentence("{name}: '{text}' is not one of {choices}", name=name, text=text,
                                              choices=", ".join(self.choices)),
                                     nearest(text, self.choices) or self.help)  # fmt: skip
        except ValueError:
            kind = Sentence.whole(wanted[self.kind])
            raise UsageError(Sentence("{name}: '{text}' is not {wanted}", name=name, text=text, wanted=kind),
                             self.help) from None  # fmt: skip
        return text


@dataclass(frozen=True, slots=True)
class Example:
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Profile:
    """`prompt` is the user's turn as it stands, where the profile is one text rather than parts. `schema` is a JSON
    Schema for the answer. `files` are globs beside the profile whose texts are context; `homes` are the folders of
    profiles that it extends, whose own files lie there. `chat_only` names parts that
    a reasoning model does not get. `parameters` are axes: a list of one value is that value. `checks` are those of the
    answer, as they are written: see `promptlab.profile.checks`."""

    name: str
    path: Path
    description: str = ""
    kind: Kind = "any"
    role: str = ""
    goal: str = ""
    prompt: str = ""
    format: str = ""
    schema: dict[str, Any] | None = None
    rules: tuple[str, ...] = ()
    context: str = ""
    files: tuple[str, ...] = ()
    homes: tuple[Path, ...] = ()
    steps: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    chat_only: tuple[str, ...] = ()
    variables: dict[str, Variable] = field(default_factory=dict)
    parameters: dict[str, list[Value]] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    extends: tuple[str, ...] = ()
    language: str = ""
    tags: tuple[str, ...] = ()


def _known(folders: Sequence[Path]) -> dict[str, Path]:
    """Each name with its file, the nearest folder first."""
    known: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            if file.suffix in SUFFIXES:
                known.setdefault(file.stem, file)
    return known


def listed(folders: Sequence[Path]) -> dict[str, Path]:
    """Every profile that a name can mean here, with the file that it means."""
    return dict(sorted(_known(folders).items()))


def find(name: str, folders: Sequence[Path]) -> Path:
    """The file of a profile: a path as it is, or a name looked up in `folders`, the first one wins."""
    path = Path(name)
    if path.suffix in SUFFIXES or "/" in name or "\\" in name:
        try:
            path = path.expanduser()
            found = path.is_file()
        except (OSError, RuntimeError):  # too long for a path; ~ of nobody
            found = False
        if not found:
            raise UsageError(Sentence("no profile file {name}", name=name), "check the path, or give a profile's name")
        return path
    known = _known(folders)
    if name not in known:
        names = ", ".join(sorted(known)) or Sentence("none")
        raise UsageError(Sentence("no profile '{name}'", name=name),
                         nearest(name, known) or Sentence("known: {names}", names=names))  # fmt: skip
    return known[name]


def read(path: Path, folders: Sequence[Path] = ()) -> Profile:
    """Read and check a profile, with all that it extends (looked up beside it, then in `folders`). Raises ProfileError
    with file, line, key and the nearest valid key."""
    return _read(path, folders, ())


def parse(text: str, path: Path) -> Profile:
    """The profile in `text` alone; `path` is only named in errors. Raises ProfileError."""
    try:
        return _profile(document.parse(text, path))
    except ProfileError:
        raise
    except UsageError as error:
        raise ProfileError(error.message, error.hint) from None


def _read(path: Path, folders: Sequence[Path], above: tuple[Path, ...]) -> Profile:
    try:
        doc = document.load(path)
        own = _profile(doc)
    except ProfileError:
        raise
    except UsageError as error:
        raise ProfileError(error.message, error.hint) from None
    here = path.resolve()
    if here in above or len(above) >= DEEPEST:
        chain = " → ".join(file.stem for file in (*above, here))
        raise ProfileError(f"{path}: profiles that extend each other without end: {chain}", "take one extends away")
    bases = []
    for name in own.extends:
        try:
            base = find(name, (path.parent, *folders))
        except UsageError as error:
            raise ProfileError(f"{doc.where('extends')}: {error.message}", error.hint) from None
        bases.append(at_home(_read(base, folders, (*above, here)), here.parent))
    whole = composed([*bases, own])
    if not whole.goal and not whole.prompt:
        raise ProfileError(f"{path}: the goal is missing", "add a line `goal: what is wanted` (or `prompt:`)")
    return whole


def at_home(base: Profile, folder: Path) -> Profile:
    """A profile that is extended from another folder: its files stay where they are."""
    home = base.path.parent.resolve()
    if home == folder or not (base.files or base.checks):
        return base
    files = tuple(str(home / name) for name in base.files)
    checks = tuple(check.at_home(text, home) for text in base.checks)
    return replace(base, files=files, homes=(*base.homes, home), checks=checks)


def composed(profiles: Sequence[Profile]) -> Profile:
    """Several profiles as one, in order: a later text replaces an earlier one, lists are put together, variables and
    parameters are merged by name. Name, file and description are the last one's."""
    last = profiles[-1]
    merged: dict[str, Any] = {}
    for f in fields(Profile):
        if f.name in ("name", "path", "description", "extends"):
            continue
        values = [getattr(profile, f.name) for profile in profiles]
        if isinstance(values[0], tuple):
            merged[f.name] = tuple(dict.fromkeys(item for value in values for item in value))
        elif f.name in ("variables", "parameters"):
            merged[f.name] = {name: item for value in values for name, item in value.items()}
        elif f.name == "kind":
            merged[f.name] = next((value for value in reversed(values) if value != "any"), "any")
        else:
            merged[f.name] = next((value for value in reversed(values) if value), values[-1])
    if last.targets:
        merged["targets"] = last.targets
    return replace(last, **merged)


# -- one file ------------------------------------------------------------------------------------------------------


def _profile(doc: Document) -> Profile:
    doc.only(READERS, doc.value)
    found = {key: READERS[key](doc, key) for key in doc.value if key in READERS and key not in _MORE}
    for key in ("format", "context"):
        if key in doc.value:
            found |= _MORE[key](doc)
    found["name"] = found.get("name") or doc.path.stem
    found.pop("$schema", None)
    return Profile(path=doc.path, **found)


def _text(doc: Document, key: str) -> str:
    value = doc.value.get(key, "")
    if isinstance(value, (dict, list)):
        raise ProfileError(f"{doc.where(key)}: {key} must be text", f"write `{key}: |` and indented lines")
    return "" if value is None else doc.texts.get((key,), "").strip()


def _texts(doc: Document, key: str) -> tuple[str, ...]:
    value = doc.value.get(key) or []
    if not isinstance(value, (list, dict)):
        return (doc.texts[key,].strip(),)
    if not isinstance(value, list) or any(isinstance(item, (dict, list)) for item in value):
        raise ProfileError(f"{doc.where(key)}: {key} must be a list of lines", "a line with ': ' needs quotes")
    return tuple(doc.texts[key, number].strip() for number in range(len(value)))


def _word(doc: Document, value: object, known: Iterable[str], *place: str | int) -> Any:
    names = list(known)
    if value not in names:
        hint = nearest(str(value), names) or f"one of {', '.join(names)}"
        raise ProfileError(f"{doc.where(*place)}: '{value}' is not one of {', '.join(names)}", hint)
    return value


def _kind(doc: Document, key: str) -> Kind:
    kind: Kind = _word(doc, doc.value[key], get_args(Kind), key)
    return kind


def _chat_only(doc: Document, key: str) -> tuple[str, ...]:
    return tuple(_word(doc, part, PARTS, key) for part in _texts(doc, key))


def _format(doc: Document) -> dict[str, Any]:
    value = doc.value["format"]
    if isinstance(value, dict):
        return {"schema": value}
    return {"format": _text(doc, "format")}


def _context(doc: Document) -> dict[str, Any]:
    value = doc.value["context"]
    if not isinstance(value, dict):
        return {"context": _text(doc, "context")}
    doc.only(("text", "files"), value, "context")
    files = value.get("files") or []
    files = files if isinstance(files, list) else [files]
    if not all(isinstance(name, str) and name.strip() for name in files):
        raise ProfileError(f"{doc.where('context', 'files')}: files are names or patterns", "files: [notes/*.md]")
    text = value.get("text")
    if isinstance(text, (dict, list)):
        raise ProfileError(f"{doc.where('context', 'text')}: text must be text", "write `text: |` and indented lines")
    return {"context": doc.texts.get(("context", "text"), "").strip() if text is not None else "",
            "files": tuple(files)}  # fmt: skip


def _examples(doc: Document, key: str) -> tuple[Example, ...]:
    value = doc.value[key] or []
    if not isinstance(value, list):
        raise ProfileError(f"{doc.where(key)}: examples must be a list", "- {input: …, output: …}")
    found = []
    for number, entry in enumerate(value):
        if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys():
            raise ProfileError(f"{doc.where(key, number)}: an example has an input and an output",
                               "- {input: …, output: …}")  # fmt: skip
        doc.only(("input", "output"), entry, key, number)
        if any(isinstance(text, (dict, list)) for text in entry.values()):
            raise ProfileError(f"{doc.where(key, number)}: input and output must be text", "put them in quotes")
        found.append(Example(*(doc.texts[key, number, side].strip() for side in ("input", "output"))))
    return tuple(found)


def _variables(doc: Document, key: str) -> dict[str, Variable]:
    value = doc.value.get(key) or {}
    if not isinstance(value, dict):
        raise ProfileError(f"{doc.where(key)}: variables must be names with defaults", "for example  place: 北京")
    return {name: _variable(doc, name, given) for name, given in value.items()}


def _variable(doc: Document, name: str, given: object) -> Variable:
    place = ("variables", name)
    if not name.isidentifier() or isinstance(given, list):
        raise ProfileError(f"{doc.where(*place)}: '{name}' is no variable with a default", "letters, digits and _")
    if not isinstance(given, dict):
        return Variable(None if given is None else doc.texts[place])
    doc.only(("type", "default", "choices", "help"), given, *place)
    choices = given.get("choices") or []
    if not isinstance(choices, list) or any(isinstance(choice, (dict, list)) for choice in choices):
        raise ProfileError(f"{doc.where(*place, 'choices')}: choices are a list of values", "choices: [a, b]")
    texts = tuple(doc.texts[(*place, "choices", number)] for number in range(len(choices)))
    kind = _word(doc, given.get("type", "choice" if texts else "text"), get_args(VariableKind), *place, "type")
    if kind == "choice" and not texts:
        raise ProfileError(f"{doc.where(*place)}: '{name}' is a choice without choices", "choices: [a, b]")
    default = doc.texts.get((*place, "default")) if given.get("default") is not None else None
    variable = Variable(default, kind, texts, str(given.get("help") or ""))
    if default is not None:
        try:
            variable.check(name, default)
        except UsageError as error:
            raise ProfileError(f"{doc.where(*place, 'default')}: {error.message}", error.hint) from None
    return variable


def _parameters(doc: Document, key: str) -> dict[str, list[Value]]:
    value = doc.value.get(key) or {}
    if not isinstance(value, dict):
        raise ProfileError(f"{doc.where(key)}: parameters must be names with values")
    found: dict[str, list[Value]] = {}
    for name, given in value.items():
        try:
            parameter = lookup(name)
            if isinstance(given, list) and parameter.kind != "texts":
                found[name] = [parameter.check(item) for item in given]
                if not found[name]:
                    raise UsageError(f"{name}: an axis needs a value", parameter.help)
            elif parameter.kind != "texts" and (text := doc.texts.get((key, name))) and re.search(r",|:|\.\.", text):
                found[name] = parse_axis(name, text)  # as typed: YAML takes 0:2:0.25 for a time of day
            else:
                found[name] = [parameter.check(given)]
        except UsageError as error:
            raise ProfileError(f"{doc.where(key, name)}: {error.message}", error.hint) from None
    return found


def _checks(doc: Document, key: str) -> tuple[str, ...]:
    """Each as `kind:want`. `kind: want` is YAML for a mapping, and taken as the same; a schema can be one, too."""
    value = doc.value[key] or []
    found = []
    for number, entry in enumerate(value if isinstance(value, list) else [value]):
        place = (key, number) if isinstance(value, list) else (key,)
        text = _check_text(doc, entry, place)
        try:
            kind, want = (text, "") if text == OWN_SCHEMA else check.split(text, examine="{{" not in text)
        except UsageError as error:
            raise ProfileError(f"{doc.where(*place)}: {error.message}", error.hint) from None
        found.append(f"{kind}:{want}" if want else kind)
    return tuple(found)


def _check_text(doc: Document, entry: object, place: tuple[str | int, ...]) -> str:
    if isinstance(entry, dict) and len(entry) == 1:
        ((kind, want),) = entry.items()
        if kind == OWN_SCHEMA and isinstance(want, dict):
            return f"{kind}:{json.dumps(want, ensure_ascii=False)}"
        if not isinstance(want, (dict, list)):
            return kind if want is None else f"{kind}:{doc.texts[*place, kind].strip()}"
    if isinstance(entry, (dict, list)) or entry is None:
        raise ProfileError(f"{doc.where(*place)}: a check is one line, kind:want", "for example  - contains:snow")
    return doc.texts[place].strip()


READERS: dict[str, Callable[[Document, str], Any]] = {
    "$schema": _text,
    "name": _text,
    "description": _text,
    "kind": _kind,
    "role": _text,
    "goal": _text,
    "prompt": _text,
    "format": _text,
    "rules": _texts,
    "context": _text,
    "steps": _texts,
    "examples": _examples,
    "chat_only": _chat_only,
    "variables": _variables,
    "parameters": _parameters,
    "checks": _checks,
    "targets": _texts,
    "extends": _texts,
    "language": _text,
    "tags": _texts,
}
_MORE: dict[str, Callable[[Document], dict[str, Any]]] = {"format": _format, "context": _context}
