"""A profile and a prompt to the messages that one model gets: whose turn carries the instructions, how sections are
marked, in which order, and what a reasoning model is spared. The facts behind it are the model knowledge's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

from promptlab.errors import ProfileError, Sentence, UsageError, nearest
from promptlab.knowledge import Facts
from promptlab.params import Value
from promptlab.profile import Profile, Variable
from promptlab.profile.template import fill, is_optional, names
from promptlab.request import Message, Role

ORDER = ("role", "goal", "format", "rules", "steps", "examples", "context")
MOST_FILES, LARGEST = 200, 10_000_000
# Wei et al. 2022 (arXiv:2201.11903) in the form that a pane can tell apart: the splitter reads the tag.
COT = ("Think step by step before you answer. Write the thinking between <think> and </think>, and after it the answer "
       "alone.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """The form that suits a model. `carrier` is the turn that holds the instructions; with `user` there is no other."""

    carrier: Literal["developer", "system", "user"] = "system"
    sections: Literal["markdown", "xml"] = "markdown"
    order: tuple[str, ...] = ORDER
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A prompt with its blanks filled, ready for any model: each part as text, and the pieces of context."""

    parts: dict[str, str]
    chat_only: tuple[str, ...] = ()
    context: tuple[tuple[str, str], ...] = ()
    system: str = ""
    prompt: str = ""
    language: str = ""


def shape_of(facts: Facts, asked: Mapping[str, Value]) -> Shape:
    """The form for a model that is asked with these parameters: one whose thinking is switched off is a chat model."""
    family = facts.family
    carrier: Literal["developer", "system", "user"] = "system"
    if "system" in (family.against or ()) or family.role == "user":
        carrier = "user"
    elif family.role == "developer":
        carrier = "developer"
    order = (*(family.order or ()), *(part for part in ORDER if part not in (family.order or ())))
    return Shape(carrier, "xml" if family.sections == "xml" else "markdown", order, facts.state(asked) == "on")


def schema_for(profile: Profile | None, facts: Facts) -> dict[str, list[Value]]:
    """The format of a profile as the parameter `schema`, where it is one and the model is known to honour it; else
    nothing. It is for where nobody says otherwise; the prompt says the format in words all the same."""
    if profile is None or profile.schema is None:
        return {}
    verdict = facts.verdict("schema", {"schema": profile.schema})
    return {"schema": [profile.schema]} if verdict.word == "honoured" else {}


def prepare(
    prompt: str, *, profile: Profile | None = None, system: str = "", context: Sequence[tuple[str, str]] = (),
    variables: Mapping[str, str] | None = None, files: Sequence[tuple[str, str]] = (),
) -> Filled:  # fmt: skip
    """A prompt for any model. `context` are pairs of name and text (files, stdin), `files` those of the profile.
    Raises UsageError and ProfileError."""
    if profile is None:
        return Filled({}, (), tuple(context), system.strip(), prompt.strip())
    values = _values(profile, variables or {})
    texts = {
        "role": profile.role, "goal": profile.goal, "format": profile.format, "context": profile.context,
        "rules": "\n".join(f"- {rule}" for rule in profile.rules),
        "steps": "\n".join(f"{number}. {step}" for number, step in enumerate(profile.steps, 1)),
        "prompt": profile.prompt,
    }  # fmt: skip
    parts = {key: fill(text, values, f"{profile.path}: {key}") for key, text in texts.items()}
    if profile.schema is not None:
        schema = json.dumps(profile.schema, ensure_ascii=False, indent=2)
        parts["format"] = f"JSON that fits this schema, and nothing else:\n{schema}"
    parts["examples"] = "\n\n".join(
        f"<example>\n<input>\n{fill(one.input, values, f'{profile.path}: examples')}\n</input>\n"
        f"<output>\n{fill(one.output, values, f'{profile.path}: examples')}\n</output>\n</example>"
        for one in profile.examples
    )
    own, said = parts.pop("context"), parts.pop("prompt")
    pieces = ([("context", own)] if own else []) + list(files) + list(context)
    words = "\n\n".join(filter(None, (said.strip(), prompt.strip())))
    return Filled(parts, profile.chat_only, tuple(pieces), system.strip(), words, profile.language)


def arrange(filled: Filled, shape: Shape | None = None, *, cot: bool = False) -> tuple[Message, ...]:
    """The messages of a prompt in the form that suits a model. `cot` asks a chat model to think aloud first. Raises
    UsageError where there is nothing to send."""
    shape = shape or Shape()
    told = dict(filled.parts)
    if shape.reasoning:
        told = {key: text for key, text in told.items() if key not in filled.chat_only}
    context = "\n\n".join(_piece(name, text) for name, text in filled.context)
    thinking = COT if cot and not shape.reasoning else ""
    if shape.carrier == "user" or not any(told.values()):
        return _single(told, context, filled, shape, thinking)
    below = "\n\n".join(filter(None, [context, filled.prompt]))
    if not below:  # a profile can be the entire prompt: then its goal is what the user says
        below = told.pop("goal", "")
    instructions = [_section(part, told.get(part, ""), shape, filled.language) for part in shape.order]
    above = "\n\n".join(filter(None, [*instructions, filled.system, thinking]))
    return tuple(Message(role, text) for role, text in ((_role(shape), above), ("user", below)) if text)


def _single(
    told: Mapping[str, str], context: str, filled: Filled, shape: Shape, thinking: str
) -> tuple[Message, ...]:  # fmt: skip
    """All in the user's turn, for models whose makers advise against any other; and prompts without a profile."""
    told = {**told, "context": context}
    if any(told[part] for part in told if part != "context"):
        parts = [_section(part, told.get(part, ""), shape, filled.language) for part in shape.order]
    else:
        parts = [context]
    if shape.carrier != "user" and (filled.system or thinking):
        above = "\n\n".join(filter(None, (filled.system, thinking)))
        below = "\n\n".join(filter(None, [*parts, filled.prompt]))
        return tuple(Message(role, text) for role, text in ((_role(shape), above), ("user", below)) if text)
    whole = "\n\n".join(filter(None, [filled.system, *parts, thinking, filled.prompt]))
    if not whole:
        raise UsageError("there is nothing to send", 'promptlab ask "your prompt" -m local')
    return (Message("user", whole),)


def _role(shape: Shape) -> Role:
    return "developer" if shape.carrier == "developer" else "system"


def _values(profile: Profile, given: Mapping[str, str]) -> dict[str, str]:
    known = blanks(profile)
    for name in given:
        if name not in known:
            hint = nearest(name, known) or Sentence("it has: {names}", names=", ".join(known) or Sentence("none"))
            raise UsageError(Sentence("profile '{profile}' has no variable '{name}'", profile=profile.name, name=name),
                             hint)  # fmt: skip
    values = {name: variable.default for name, variable in profile.variables.items() if variable.default is not None}
    return values | {name: known[name].check(name, text) for name, text in given.items()}


CHINESE = {"goal": "目标", "format": "格式", "rules": "规则", "steps": "步骤", "examples": "示例", "context": "背景"}


def _section(part: str, text: str, shape: Shape, language: str) -> str:
    if not text or part == "role":
        return text
    if shape.sections == "xml":
        return f"<{part}>\n{text}\n</{part}>"
    return f"# {CHINESE[part] if language.startswith('zh') else part.capitalize()}\n{text}"


def _piece(name: str, text: str) -> str:
    """One piece of context. A lone piece from stdin needs no frame of its own; a file is named."""
    inner = text.strip("\n")
    return inner if name in ("stdin", "context") else f'<file name="{escape(name)}">\n{inner}\n</file>'


def gather(profile: Profile, *, anywhere: bool = False) -> list[tuple[str, str]]:
    """The profile's files of context, as pairs of name and text, in the order of their names.

    A profile is a text that strangers share: it reads below its own folder and, unless the user says `anywhere`,
    nowhere else, through no link either. Raises ProfileError.
    """
    home = profile.path.parent.resolve()
    found: dict[Path, str] = {}
    size = 0
    for pattern in profile.files:
        path = Path(pattern)
        known = any(path.is_relative_to(other) for other in profile.homes)
        outside = (path.is_absolute() and not known) or ".." in path.parts
        if outside and not anywhere:
            raise ProfileError(f"{profile.path}: context: {pattern} is outside the profile's folder",
                               "--allow-files lets it")  # fmt: skip
        for file in _matching(home, pattern, profile):
            if not anywhere and not any(file.resolve().is_relative_to(own) for own in (home, *profile.homes)):
                raise ProfileError(f"{profile.path}: context: {file.name} leads out of the profile's folder",
                                   "--allow-files lets it")  # fmt: skip
            if file in found or not file.is_file():
                continue
            text = _content(file, profile, LARGEST - size)
            size += len(text)
            found[file] = text
            if len(found) > MOST_FILES:
                raise ProfileError(f"{profile.path}: context: more than {MOST_FILES} files", "narrow the pattern")
    return [(str(file.relative_to(home)) if file.is_relative_to(home) else str(file), text)
            for file, text in found.items()]  # fmt: skip


def _matching(home: Path, pattern: str, profile: Profile) -> list[Path]:
    path = Path(pattern)
    try:
        if not any(sign in pattern for sign in "*?["):
            files = [home / path]
        else:
            files = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))) if path.anchor else
                           home.glob(pattern))  # fmt: skip
        missing = not any(file.is_file() for file in files)
    except (OSError, ValueError, NotImplementedError):
        missing = True
    if missing:
        raise ProfileError(f"{profile.path}: context: no file {pattern}", "paths start at the profile's folder")
    return files


def _content(file: Path, profile: Profile, most: int) -> str:
    try:
        raw = file.open("rb").read(most + 1)
        if len(raw) > most:
            raise ProfileError(f"{profile.path}: context: over {LARGEST // 1_000_000} MB of files", "fewer files")
        if b"\0" in raw:
            raise ProfileError(f"{profile.path}: context: {file.name} is binary, not text", "convert it first")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise ProfileError(f"{profile.path}: context: {file.name} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ProfileError(f"{profile.path}: context: {file.name} is not UTF-8 text (byte {error.start})",
                           "for older Chinese files: iconv -f GB18030 -t UTF-8") from None  # fmt: skip


def blanks(profile: Profile) -> dict[str, Variable]:
    """The variables of a profile: those that it declares, and those that its texts use all the same. Raises
    ProfileError for a text that is no template."""
    return dict(profile.variables) | {name: Variable() for name in _undeclared(profile)}


def unset(profile: Profile, given: Mapping[str, str]) -> list[str]:
    """Variables that must be given and were not. Raises ProfileError as `blanks` does."""
    declared = [name for name, variable in profile.variables.items() if variable.default is None]
    needed = [name for name, texts in _undeclared(profile).items()
              if not all(is_optional(name, text) for text in texts)]  # fmt: skip
    return [name for name in (*declared, *needed) if name not in given]


def _undeclared(profile: Profile) -> dict[str, list[str]]:
    """The names that texts use and nothing declares, with these texts."""
    texts = [("role", profile.role), ("goal", profile.goal), ("format", profile.format), ("context", profile.context),
             ("prompt", profile.prompt), *(("rules", rule) for rule in profile.rules),
             *(("steps", step) for step in profile.steps),
             *(("examples", text) for one in profile.examples for text in (one.input, one.output))]  # fmt: skip
    found: dict[str, list[str]] = {}
    for key, text in texts:
        for name in sorted(names(text, f"{profile.path}: {key}") - profile.variables.keys()):
            found.setdefault(name, []).append(text)
    return found
