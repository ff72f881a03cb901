"""Prompts of other tools as profiles, and profiles as theirs: which format a file has, reading it and writing it.

What is read is somebody else's: nothing in it is run, nothing outside the imported file's or folder's own place is
opened, and sizes, numbers and depths are bounded. Nothing is dropped in silence: what has no place is said in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.errors import UsageError, nearest
from promptlab.profile import READERS, Profile, parse, template, writing
from promptlab.profile.exchange import aichat, awesome, cherry, fabric, llm, promptfoo, text
from promptlab.profile.exchange.entry import Entry, Exported, Imported
from promptlab.profile.exchange.intake import MOST, Reader, named, parse_json, parse_yaml, short

__all__ = ["FORMATS", "Entry", "Exported", "Imported", "named", "read", "recognise", "write"]


@dataclass(frozen=True, slots=True)
class Format:
    """A tool's format. `help` says what its files are."""

    read: Callable[[Path, Reader], Imported]
    write: Callable[[Profile], Exported]
    help: str


FORMATS: dict[str, Format] = {
    "aichat": Format(aichat.read, aichat.write, "roles of aichat: Markdown with front matter"),
    "llm": Format(llm.read, llm.write, "templates of llm: YAML with prompt and system"),
    "fabric": Format(fabric.read, fabric.write, "patterns of Fabric: folders with system.md"),
    "awesome": Format(awesome.read, awesome.write, "awesome-chatgpt-prompts: CSV with act and prompt"),
    "cherry": Format(cherry.read, cherry.write, "assistants of Cherry Studio: JSON"),
    "promptfoo": Format(promptfoo.read, promptfoo.write, "prompts of promptfoo: a config in YAML or JSON, or a chat"),
    "text": Format(text.read, text.write, "plain text or Markdown"),
}


def recognise(path: Path) -> str:
    """The name of the format of a file or folder. Raises UsageError where none fits, or several do."""
    return _recognise(path, _reader(path))


def read(path: Path, format: str | None = None) -> Imported:
    """Every prompt in a file or folder as a profile that can be written, loaded and filled. Names are made unique.
    Raises UsageError where it can't be read as a whole; what is wrong with one of many is in `refused`."""
    reader = _reader(path)
    known = _format(format or _recognise(path, reader))
    found = known.read(path, _reader(path))
    if not found.entries and not found.refused:
        raise UsageError(f"{path} holds nothing that can be imported", _listed())
    if len(found.entries) > MOST:
        raise UsageError(f"{path}: more than {MOST:,} entries", "import it in parts")
    imported = Imported(refused=found.refused)
    taken: set[str] = set()
    for entry in found.entries:
        try:
            _check(entry.profile)
        except UsageError as error:
            imported.refused.append((entry.name, error.message))
            continue
        imported.entries.append(_unique(entry, taken))
    return imported


def write(profile: Profile, format: str) -> Exported:
    """A profile in another tool's format. Raises UsageError for an unknown format, ProfileError for a template that
    can't be read."""
    return _format(format).write(profile)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f"'{short(name)}' is no format that is known", nearest(name, FORMATS) or _listed())
    return FORMATS[name]


def _listed() -> str:
    return "formats: " + "; ".join(f"{name} ({one.help})" for name, one in FORMATS.items())


def _reader(path: Path) -> Reader:
    try:
        if not path.exists():
            raise UsageError(f"no file or folder {path}", "check the path")
        return Reader(path if path.is_dir() else path.parent)
    except (OSError, ValueError, RuntimeError):
        raise UsageError(f"no file or folder {path}", "check the path") from None


def _unique(entry: Entry, taken: set[str]) -> Entry:
    """The entry under a name that no earlier one has."""
    name, number = entry.name, 2
    while name in taken:
        name = f"{entry.name}-{number}"
        number += 1
    taken.add(name)
    if name == entry.name:
        return entry
    profile = replace(entry.profile, name=name, path=Path(f"{name}.yaml"))
    return Entry(name, profile, [*entry.notes, f"the name {entry.name} is taken by an earlier one"])


def _check(profile: Profile) -> None:
    """Raise UsageError for a profile that could not be loaded or filled later, or would say something else then."""
    said = [profile.role, profile.goal, profile.prompt, profile.format, profile.context, *profile.rules, *profile.steps]
    said += [side for one in profile.examples for side in (one.input, one.output)]
    large = sum(len(one.encode()) for one in said) > document.LARGEST
    for one in () if large else said:
        template.names(one, "it")
    written = "" if large else writing.write(profile)
    if large or len(written.encode()) > document.LARGEST:
        raise UsageError("it is too large for a profile", "1 MB is the limit")
    if parse(written, profile.path) != profile:
        raise UsageError("it can't be kept as it is: a text that YAML does not hold")


# -- which format ----------------------------------------------------------------------------------------------------


def _recognise(path: Path, reader: Reader) -> str:
    found = _of_folder(path, reader) if path.is_dir() else _of_file(path, reader)
    if found is None:
        raise UsageError(f"{path} has no format that is known", f"{_listed()}; --from says which")
    return found


def _of_folder(folder: Path, reader: Reader) -> str | None:
    if fabric.recognises(folder, reader):
        return "fabric"
    if any((folder / f"promptfooconfig{suffix}").is_file() for suffix in promptfoo.CONFIGS):
        return "promptfoo"
    found: set[str] = set()
    for file in reader.files(folder, ".md", ".txt", ".yaml", ".yml", ".json", ".csv", ".prompt"):
        try:
            found.add(_of_file(file, reader) or "")
        except UsageError:  # one broken file says nothing of the others; it is refused when it is read
            continue
    found -= {""}
    if found == {"aichat", "text"}:  # a role needs no front matter, and a README lies beside many
        return "aichat"
    if len(found) > 1:
        raise UsageError(f"{folder} holds several formats: {', '.join(sorted(found))}", "--from says which to take")
    return found.pop() if found else None


def _of_file(file: Path, reader: Reader) -> str | None:
    suffix = file.suffix.lower()
    if suffix == ".csv":
        return "awesome" if awesome.recognises(reader.text(file)) else None
    if suffix == ".json":
        value = parse_json(reader.text(file), file)
        return "promptfoo" if promptfoo.recognises(value) else "cherry" if cherry.recognises(value) else None
    if suffix in (".yaml", ".yml"):
        return _of_yaml(parse_yaml(reader.text(file), file), file)
    if suffix not in text.SUFFIXES:
        return None
    if file.name in (fabric.SYSTEM, fabric.USER):
        return "fabric"
    words = reader.text(file)
    return "aichat" if suffix == ".md" and aichat.recognises(words) else "text" if words else None


def _of_yaml(value: Any, file: Path) -> str | None:
    if promptfoo.recognises(value):
        return "promptfoo"
    if isinstance(value, list):
        return "aichat" if any(isinstance(one, dict) and {"name", "prompt"} <= one.keys() for one in value) else None
    if isinstance(value, str) or llm.recognises(value):
        return "llm"
    if isinstance(value, dict) and value and value.keys() <= READERS.keys():
        raise UsageError(
            f"{file} is a profile already", "promptlab ask -p FILE uses it; put it into your profiles folder"
        )
    return None
