"""Roles of sigoden/aichat (https://github.com/sigoden/aichat/wiki/Role-Guide): Markdown with YAML front matter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError
from promptlab.profile import Example, Profile, Variable
from promptlab.profile.exchange import settings
from promptlab.profile.exchange.blanks import Writer, blanks
from promptlab.profile.exchange.entry import Entry, Exported, Imported, left
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import Reader, named, parse_yaml, short
from promptlab.profile.exchange.llm import INPUT, dump

TITLE = "aichat"
IN, OUT = "### INPUT:", "### OUTPUT:"
_HEAD = re.compile(r"\A---[ \t]*\n(?:(.*?)\n)?---[ \t]*(?:\n|\Z)", re.DOTALL)
# Filled in by aichat itself (src/config/role.rs, interpolate_variables).
_OWN = ("__os__", "__os_distro__", "__os_family__", "__arch__", "__shell__", "__locale__", "__now__", "__cwd__")
_MARKS = re.compile(r"__INPUT__|__ARG([1-9][0-9]?)__|\{\{(__[a-z_]{2,12}__)\}\}")


def recognises(text: str) -> bool:
    return bool(_HEAD.match(text) or re.search(r"__INPUT__|__ARG[1-9]__", text) or (IN in text and OUT in text))


def read(path: Path, reader: Reader) -> Imported:
    """A role file, a folder of them, or the roles.yaml of aichat before 0.21, a list."""
    imported = Imported()
    for file in reader.files(path, ".md", ".yaml", ".yml") if path.is_dir() else [path]:
        try:
            for title, text, head in _roles(reader.text(file), file):
                try:
                    imported.entries.append(_entry(title, text, head))
                except UsageError as error:
                    imported.refused.append((short(title), error.message))
        except UsageError as error:
            if file == path:
                raise
            imported.refused.append((file.name, error.message))
    return imported


def _roles(text: str, file: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Each role's name, prompt and settings."""
    if file.suffix.lower() not in (".yaml", ".yml"):
        found = _HEAD.match(text)
        head = parse_yaml(found[1] or "", file) if found else None
        if head is not None and not isinstance(head, dict):
            raise UsageError(f"{file}: the front matter must be keys and values")
        return [(file.stem, text[found.end() :] if found else text, head or {})]
    value = parse_yaml(text, file)
    if not isinstance(value, list):
        raise UsageError(f"{file}: a list of roles, each with a name and a prompt, is wanted here")
    roles: list[tuple[str, str, dict[str, Any]]] = []
    for number, role in enumerate(value, 1):
        head = dict(role) if isinstance(role, dict) else {}
        title, prompt = head.pop("name", f"role {number}"), head.pop("prompt", "")
        roles.append((str(title), prompt if isinstance(prompt, str) else "", head))
    return roles


def _entry(title: str, text: str, head: dict[str, Any]) -> Entry:
    if not text.strip():
        raise UsageError("it has no prompt")
    system, pairs = _examples(text.strip())
    parts = [_ours(part.strip()) for part in (system, *(side for pair in pairs for side in pair))]
    used = list(dict.fromkeys(name for _, names in parts for name in names))
    body, *sides = [part for part, _ in parts]
    examples = tuple(Example(*sides[place : place + 2]) for place in range(0, len(sides), 2))
    user = "__INPUT__" in system
    if user and body.endswith("\n\n{{input}}") and body.count("{{input}}") == 1 and not examples:
        body = body.removesuffix("{{input}}").strip()  # what the user says comes last here by itself
        used.remove("input")
    parameters, untaken = settings.take({key: value for key, value in head.items() if key != "model"})
    model = head.get("model")
    target = settings.take_colon(model) if isinstance(model, str) else None
    if model and not target:
        untaken.append(f"model: {short(model)}")
    own = [f"{{{{{name}}}}}" for name in used if name in _OWN]
    notes = [f"{TITLE} fills in {', '.join(own)} by itself; here they are variables"] if own else []
    name = named(title)
    return Entry(name, Profile(
        name, Path(f"{name}.yaml"), goal="" if user else body, prompt=body if user else "", examples=examples,
        variables={name: Variable(help=INPUT if name == "input" else "") for name in used}, parameters=parameters,
        targets=(target,) if target else (),
    ), notes + left(untaken))  # fmt: skip


def _examples(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The prompt and its examples, as aichat parses them: only where they alternate and each input has its output."""
    if "__INPUT__" in text:
        return text, []
    system, *marked = re.split(f"({IN}|{OUT})", text)
    marks, texts = marked[::2], marked[1::2]
    good = marks == [IN, OUT] * (len(marks) // 2) and marks and system.strip() and all(part.strip() for part in texts)
    return (system, list(zip(texts[::2], texts[1::2], strict=True))) if good else (text, [])


def _ours(text: str) -> tuple[str, list[str]]:
    def name_of(found: re.Match[str]) -> str | None:
        if found[2]:
            return found[2] if found[2] in _OWN else None
        return f"arg{found[1]}" if found[1] else "input"

    return blanks(text, _MARKS, name_of)


def write(profile: Profile) -> Exported:
    """A role. Variables other than `input` become its numbered arguments, in order."""
    prompt = bool(profile.prompt or profile.context)
    flat = flatten(profile, TITLE, ("examples",))
    numbers: dict[str, str] = {"input": "__INPUT__", **{name: "{{" + name + "}}" for name in _OWN}}
    for name in profile.variables:
        if found := re.fullmatch(r"arg([1-9][0-9]?)", name):
            numbers[name] = f"__ARG{found[1]}__"
    free = (f"__ARG{number}__" for number in range(1, 999) if f"__ARG{number}__" not in numbers.values())
    renamed = [name for name in profile.variables if name not in numbers]
    numbers |= {name: next(free) for name in renamed}
    writer = Writer(profile, lambda name: numbers.get(name, name), mark=_MARKS)
    text = "\n\n".join(filter(None, (writer(flat.system), writer(flat.user))))
    if flat.examples and ("__INPUT__" in text or not flat.system):  # it has no turns beside __INPUT__, nor alone
        flat = flatten(profile, TITLE)
        text = "\n\n".join(filter(None, (writer(flat.system), writer(flat.user))))
    lost = flat.lost
    if prompt and flat.system:
        lost.append(f"system prompt and prompt: {TITLE} has one text for both")
    elif prompt and "__INPUT__" not in text:
        text += "\n\n__INPUT__"
    text += "".join(f"\n\n{IN}\n{writer(one.input)}\n\n{OUT}\n{writer(one.output)}" for one in flat.examples)
    lost += writer.lost(TITLE)
    if renamed:
        lost.append(f"names of variables: {', '.join(f'{name} is {numbers[name]}' for name in renamed)} there")
    more = [name for name, one in profile.variables.items() if one not in (Variable(), Variable(help=INPUT))]
    lost += [f"defaults, types, choices and help of variables ({', '.join(more)})"] if more else []
    head, unheld = settings.put(profile, "aichat")
    pairs, others = settings.put_targets(profile)
    if pairs:
        head = {"model": f"{_client(pairs[0][0])}:{pairs[0][1]}", **head}
    others += [f"{vendor}/{model}" for vendor, model in pairs[1:]]
    lost += [f"targets ({', '.join(others)})"] if others else []
    front = f"---\n{dump(head) if head else ''}---\n" if head or text.startswith("---") else ""
    return Exported(f"{front}{text}\n", lost=lost + unheld, suffix=".md")


def _client(vendor: str) -> str:
    return {"anthropic": "claude", "dashscope": "qianwen", "zhipu": "zhipuai"}.get(vendor, vendor)
