"""A profile: a reusable prompt in parts (goal, format, rules, context), read from YAML, checked and rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.document import Document
from promptlab.errors import ProfileError, UsageError, nearest
from promptlab.params import Value, lookup
from promptlab.request import Message

KEYS = ("name", "description", "role", "goal", "format", "rules", "context", "variables", "parameters")
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Profile:
    """`variables` maps a name to its default, None for one that must be given."""

    name: str
    path: Path
    goal: str = ""
    description: str = ""
    role: str = ""
    format: str = ""
    rules: tuple[str, ...] = ()
    context: str = ""
    variables: dict[str, str | None] = field(default_factory=dict)
    parameters: dict[str, Value] = field(default_factory=dict)


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
            raise UsageError(f"no profile file {name}", "check the path, or give a profile's name")
        return path
    known: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob("*")) if folder.is_dir() else ():
            if file.suffix in SUFFIXES:
                known.setdefault(file.stem, file)
    if name not in known:
        hint = nearest(name, known) or f"known: {', '.join(sorted(known)) or 'none'}"
        raise UsageError(f"no profile '{name}'", hint)
    return known[name]


def read(path: Path) -> Profile:
    """Read and check a profile. Raises ProfileError with file, line, key and the nearest valid key."""
    try:
        return _profile(document.load(path))
    except ProfileError:
        raise
    except UsageError as error:
        raise ProfileError(error.message, error.hint) from None


def _profile(doc: Document) -> Profile:
    doc.only(KEYS, doc.value)
    profile = Profile(
        name=_text(doc, "name") or doc.path.stem,
        path=doc.path,
        goal=_text(doc, "goal"),
        description=_text(doc, "description"),
        role=_text(doc, "role"),
        format=_text(doc, "format"),
        rules=_rules(doc),
        context=_text(doc, "context"),
        variables=_variables(doc),
        parameters=_parameters(doc),
    )
    if not profile.goal:
        raise ProfileError(f"{doc.path}: the goal is missing", "add a line `goal: what is wanted`")
    return profile


def _text(doc: Document, key: str) -> str:
    value = doc.value.get(key, "")
    if isinstance(value, (dict, list)):
        raise ProfileError(f"{doc.where(key)}: {key} must be text", f"write `{key}: |` and indented lines")
    return "" if value is None else doc.texts.get((key,), "").strip()


def _rules(doc: Document) -> tuple[str, ...]:
    value = doc.value.get("rules") or []
    if not isinstance(value, (list, dict)):
        return (doc.texts["rules",].strip(),)
    if not isinstance(value, list) or any(isinstance(rule, (dict, list)) for rule in value):
        raise ProfileError(f"{doc.where('rules')}: rules must be a list of lines", "a rule with ': ' needs quotes")
    return tuple(doc.texts["rules", number].strip() for number in range(len(value)))


def _variables(doc: Document) -> dict[str, str | None]:
    value = doc.value.get("variables") or {}
    if not isinstance(value, dict):
        raise ProfileError(
            f"{doc.where('variables')}: variables must be names with defaults", "for example  place: 北京"
        )
    for name, default in value.items():
        if not name.isidentifier() or isinstance(default, (dict, list)):
            raise ProfileError(f"{doc.where('variables', name)}: '{name}' is no variable with a default")
    return {name: None if default is None else doc.texts["variables", name] for name, default in value.items()}


def _parameters(doc: Document) -> dict[str, Value]:
    value = doc.value.get("parameters") or {}
    if not isinstance(value, dict):
        raise ProfileError(f"{doc.where('parameters')}: parameters must be names with values")
    found: dict[str, Value] = {}
    for name, given in value.items():
        try:
            found[name] = lookup(name).check(given)
        except UsageError as error:
            raise ProfileError(f"{doc.where('parameters', name)}: {error.message}", error.hint) from None
    return found


def compose(
    prompt: str, *, profile: Profile | None = None, system: str = "", context: Sequence[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None,
) -> tuple[Message, ...]:  # fmt: skip
    """The messages for a prompt: the profile's role, goal, format and rules as the system message; all context
    (the profile's, files, stdin, as pairs of name and text) before the instruction in the user message."""
    filled = _fill(profile, variables or {}) if profile else {}
    instructions = [
        filled.get("role", ""),
        _section("Goal", filled.get("goal", "")),
        _section("Format", filled.get("format", "")),
        _section("Rules", filled.get("rules", "")),
        system.strip(),
    ]
    blocks = [("context", filled["context"])] if filled.get("context") else []
    blocks += list(context)
    parts = [_block(name, text) for name, text in blocks] + ([prompt.strip()] if prompt.strip() else [])
    messages = []
    if text := "\n\n".join(filter(None, instructions)):
        messages.append(Message("system", text))
    if parts:
        messages.append(Message("user", "\n\n".join(parts)))
    elif messages:  # a profile can be the entire prompt: then it is what the user says
        messages = [Message("user", messages[0].text)]
    if not messages:
        raise UsageError("there is nothing to send", 'promptlab ask "your prompt" -m local')
    return tuple(messages)


def _fill(profile: Profile, given: Mapping[str, str]) -> dict[str, str]:
    """The profile's texts with their variables filled in, by Jinja2's sandbox."""
    for name in given:
        if name not in profile.variables:
            hint = nearest(name, profile.variables) or f"it has: {', '.join(profile.variables) or 'none'}"
            raise UsageError(f"profile '{profile.name}' has no variable '{name}'", hint)
    values: dict[str, str] = {name: text for name, text in profile.variables.items() if text is not None}
    values.update(given)
    rules = "\n".join(f"- {rule}" for rule in profile.rules)
    texts = {"role": profile.role, "goal": profile.goal, "format": profile.format, "rules": rules,
             "context": profile.context}  # fmt: skip
    return {key: _render(profile, key, text, values) for key, text in texts.items()}


def _render(profile: Profile, key: str, text: str, values: dict[str, Any]) -> str:
    if "{{" not in text and "{%" not in text:
        return text
    from jinja2 import StrictUndefined, UndefinedError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        return environment.from_string(text).render(values)
    except UndefinedError as error:
        name, quote, rest = str(error.message).removeprefix("'").partition("' is undefined")
        if not quote or rest:  # an attribute or item that its value has not
            raise ProfileError(f"{profile.path}: {key}: {error.message}", "variables are written {{name}}") from None
        raise ProfileError(f"{profile.path}: {key} needs the variable '{name}'", f"--var {name}=…") from None
    except Exception as error:  # a template is a program of somebody else's: it may raise anything
        said = " ".join(str(error).split()) or type(error).__name__
        raise ProfileError(f"{profile.path}: {key}: {said}", "variables are written {{name}}") from None


def _section(title: str, text: str) -> str:
    return f"# {title}\n{text}" if text else ""


def _block(name: str, text: str) -> str:
    """One piece of context. A lone piece from stdin needs no frame of its own; a file is named."""
    return text.strip("\n") if name in ("stdin", "context") else f'<file name="{name}">\n{text.strip(chr(10))}\n</file>'
