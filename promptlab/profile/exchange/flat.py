"""A profile's parts as the one or two texts that other tools know: a system prompt and the user's own."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field

from promptlab.profile import Example, Profile
from promptlab.profile.exchange.blanks import plain

_ORDER = ("role", "goal", "format", "rules", "steps", "examples")


@dataclass(frozen=True, slots=True)
class Flat:
    """`system` and `user` are texts with our blanks in them; `examples` are those that the tool holds by itself."""

    system: str
    user: str
    examples: tuple[Example, ...] = ()
    lost: list[str] = field(default_factory=list)


def flatten(profile: Profile, tool: str, holds: Collection[str] = ()) -> Flat:
    """The texts of a profile for a tool that `holds` some of its fields by themselves."""
    parts = _parts(profile)
    examples: tuple[Example, ...] = ()
    if "examples" in holds:
        examples = profile.examples
        parts.pop("examples")
    if "schema" in holds and profile.schema is not None:
        parts.pop("format")
    told = [part for part in _ORDER if parts.get(part)]
    user = "\n\n".join(filter(None, (profile.context, profile.prompt)))
    lost = _unheld(profile, tool, holds)
    bare = told in (["role"], ["goal"])
    if told and not (bare and (told == ["role"]) == bool(user)):
        lost.append(f"the parts ({', '.join(told)}): {tool} has one text for them")
    if profile.context and profile.prompt:
        lost.append("context and prompt: they are one text there")
    elif profile.context:
        lost.append("context: it is the prompt there")
    system = parts[told[0]] if bare else "\n\n".join(_section(part, parts[part]) for part in told)
    return Flat(system, user, examples, lost)


def _parts(profile: Profile) -> dict[str, str]:
    form = profile.format
    if profile.schema is not None:
        schema = json.dumps(profile.schema, ensure_ascii=False, indent=2)
        form = plain(f"JSON that fits this schema, and nothing else:\n{schema}")
    return {
        "role": profile.role, "goal": profile.goal, "format": form,
        "rules": "\n".join(f"- {rule}" for rule in profile.rules),
        "steps": "\n".join(f"{number}. {step}" for number, step in enumerate(profile.steps, 1)),
        "examples": "\n\n".join(f"Input:\n{one.input}\n\nOutput:\n{one.output}" for one in profile.examples),
    }  # fmt: skip


def _section(part: str, text: str) -> str:
    return text if part == "role" else f"# {part.capitalize()}\n{text}"


def _unheld(profile: Profile, tool: str, holds: Collection[str]) -> list[str]:
    """A line for each field that the tool has no place for."""
    lost = []
    for key in ("description", "language", "tags"):
        if key not in holds and getattr(profile, key):
            lost.append(f"{key}: {tool} has no place for it")
    if profile.kind != "any":
        lost.append(f"kind {profile.kind}: {tool} sends every model the same")
    if profile.chat_only:
        lost.append(f"chat_only ({', '.join(profile.chat_only)}): {tool} sends every model the same")
    if profile.files:
        lost.append(f"files of context ({', '.join(profile.files)}): {tool} can't name them")
    if profile.schema is not None and "schema" not in holds:
        lost.append(f"the schema of the answer: {tool} gets it as text, and nothing checks the answer")
    return lost
