"""Patterns of danielmiessler/fabric: a folder for each, with system.md, and user.md for what comes before the input."""

from __future__ import annotations

import re
from pathlib import Path

from promptlab.errors import UsageError
from promptlab.profile import Profile
from promptlab.profile.exchange.blanks import BRACES, Writer, from_braces, no_defaults, variables
from promptlab.profile.exchange.entry import Entry, Exported, Imported
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import MOST, Reader, named
from promptlab.profile.exchange.llm import INPUT

TITLE = "Fabric"
SYSTEM, USER = "system.md", "user.md"
# The headings of Fabric's own patterns, and the part that each is here.
_PARTS = {
    "identity": "goal", "identity and purpose": "goal", "identity & purpose": "goal", "purpose": "goal",
    "identity and goals": "goal", "goal": "goal", "goals": "goal", "task": "goal", "role": "role", "steps": "steps",
    "output instructions": "rules", "rules": "rules", "restrictions": "rules", "output": "format",
    "output format": "format", "output sections": "format", "format": "format", "input": "input",
}  # fmt: skip
_ITEM = re.compile(r"(?:[-*+]|\d{1,3}[.)]) (?=\S)")


def recognises(folder: Path, reader: Reader) -> bool:
    return (folder / SYSTEM).is_file() or any((one / SYSTEM).is_file() for one in reader.folders(folder))


def read(path: Path, reader: Reader) -> Imported:
    """One pattern (its folder or its system.md), or a folder of patterns."""
    if not path.is_dir():
        return Imported([_entry(path, path.parent.resolve().name if path.name == SYSTEM else path.stem, reader)])
    if (path / SYSTEM).is_file():
        return Imported([_entry(path / SYSTEM, path.resolve().name, reader)])
    imported = Imported()
    for folder in reader.folders(path):
        if not (folder / SYSTEM).is_file():
            continue
        if len(imported.entries) >= MOST:
            raise UsageError(f"{path}: more than {MOST:,} patterns", "import them in parts")
        try:
            imported.entries.append(_entry(folder / SYSTEM, folder.name, reader))
        except UsageError as error:
            imported.refused.append((folder.name, error.message))
    if not imported.entries and not imported.refused:
        raise UsageError(f"{path} has no patterns", f"a pattern is a folder with {SYSTEM} in it")
    return imported


def _entry(file: Path, title: str, reader: Reader) -> Entry:
    system = reader.text(file).strip()
    beside = file.with_name(USER)
    user = reader.text(beside).strip() if file.name == SYSTEM and beside.is_file() else ""
    if not system and not user:
        raise UsageError(f"{file} is empty")
    notes = []
    if re.search(r"\{\{plugin:", system + user):
        notes.append("{{plugin: …}} stays as text: nothing runs it here")
    prompt, names = from_braces(user)
    parts = _split(system)
    if parts is None:
        text, more = from_braces(system)
        found = {"role" if prompt else "goal": text}
        rules: tuple[str, ...] = ()
        steps: tuple[str, ...] = ()
    else:
        more = []
        found = {}
        for part in ("role", "goal", "format"):
            found[part], used = from_braces(parts.get(part, ""))
            more += used
        lists = {}
        for part in ("rules", "steps"):
            items = [from_braces(item) for item in _items(parts.get(part, "")) or ()]
            lists[part] = tuple(text for text, _ in items)
            more += [name for _, used in items for name in used]
        rules, steps = lists["rules"], lists["steps"]
    name = named(title)
    return Entry(name, Profile(
        name, Path(f"{name}.yaml"), role=found.get("role", ""), goal=found.get("goal", ""), prompt=prompt,
        format=found.get("format", ""), rules=rules, steps=steps, variables=variables([*more, *names], help=INPUT),
    ), notes)  # fmt: skip


def _split(text: str) -> dict[str, str] | None:
    """The parts of a pattern whose headings are all known ones, once each, and whose lists are lists; else None."""
    before, *sections = re.split(r"^# +(.+)$", text, flags=re.MULTILINE)
    parts: dict[str, str] = {}
    if before.strip() or not sections:
        return None
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        part = _PARTS.get(" ".join(heading.strip().rstrip(":").lower().split()))
        if part is None or part in parts:
            return None
        parts[part] = body.strip()
    if parts.pop("input", "").upper() not in ("", "INPUT:", "INPUT"):
        return None
    lists = all(_items(parts.get(part, "")) is not None for part in ("rules", "steps"))
    return parts if parts.get("goal") and lists else None


def _items(text: str) -> list[str] | None:
    """The items of a flat list; None for what is no such list."""
    items: list[str] = []
    for line in text.split("\n"):
        if found := _ITEM.match(line):
            items.append(line[found.end() :].strip())
        elif line.strip():
            return None
    return items


def write(profile: Profile) -> Exported:
    """A folder with the profile's name. A goal, rules, steps and a format get the headings of Fabric's patterns."""
    flat = flatten(profile, TITLE)
    writer = Writer(profile, lambda name: "{{" + name + "}}", mark=BRACES)
    lists = [("STEPS", profile.steps), ("OUTPUT INSTRUCTIONS", profile.rules)]
    usual = profile.goal and (profile.format or profile.rules or profile.steps) and profile.schema is None
    lost = flat.lost
    system = flat.system
    if usual and not profile.examples and not any("\n" in item for _, items in lists for item in items):
        sections = [("ROLE", profile.role), ("IDENTITY AND PURPOSE", profile.goal)]
        sections += [(title, "\n".join(f"- {item}" for item in items)) for title, items in lists]
        sections += [("OUTPUT", profile.format)]
        system = "\n\n".join(f"# {title}\n\n{text}" for title, text in sections if text)
        if _split(system) is not None:
            lost = [line for line in lost if not line.startswith("the parts (")]
    folder = named(profile.name)
    files = {f"{folder}/{SYSTEM}": f"{writer(system)}\n"}
    if flat.user:
        files[f"{folder}/{USER}"] = f"{writer(flat.user)}\n"
    if profile.parameters:
        lost.append(f"parameters ({', '.join(profile.parameters)}): {TITLE} takes them on its command line")
    if profile.targets:
        lost.append(f"targets ({', '.join(profile.targets)}): {TITLE} takes the model on its command line")
    told = [name for name, one in profile.variables.items() if (name, one.help) != ("input", INPUT)]
    kept = {name: profile.variables[name] for name in told}
    lost += no_defaults(kept, TITLE) + writer.lost(TITLE)
    return Exported(files=files, lost=lost)
