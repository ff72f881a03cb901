"""Prompts as plain text or Markdown: one file, one prompt, its blanks written {{name}}."""

from __future__ import annotations

from pathlib import Path

from promptlab.errors import UsageError
from promptlab.profile import Profile
from promptlab.profile.exchange.blanks import BRACES, Writer, from_braces, no_defaults, variables
from promptlab.profile.exchange.entry import Entry, Exported, Imported
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import Reader, named

TITLE = "plain text"
SUFFIXES = (".txt", ".md", ".markdown", ".prompt", ".text", "")


def read(path: Path, reader: Reader) -> Imported:
    """The prompt in a file, or each of a folder."""
    imported = Imported()
    for file in reader.files(path, *SUFFIXES) if path.is_dir() else [path]:
        try:
            text, names = from_braces(reader.text(file).strip())
            if not text:
                raise UsageError(f"{file} is empty")
        except UsageError as error:
            if file == path:
                raise
            imported.refused.append((file.name, error.message))
            continue
        name = named(file.stem)
        profile = Profile(name, Path(f"{name}.yaml"), prompt=text, variables=variables(names))
        imported.entries.append(Entry(name, profile))
    return imported


def write(profile: Profile) -> Exported:
    """All texts of the profile in one, with its blanks."""
    flat = flatten(profile, TITLE)
    writer = Writer(profile, lambda name: "{{" + name + "}}", mark=BRACES)
    text = "\n\n".join(filter(None, (writer(flat.system), writer(flat.user))))
    lost = flat.lost + no_defaults(profile.variables, TITLE) + writer.lost(TITLE)
    if flat.system:
        lost.append("system prompt: in plain text all is the user's own prompt")
    if profile.parameters:
        lost.append(f"parameters ({', '.join(profile.parameters)})")
    if profile.targets:
        lost.append(f"targets ({', '.join(profile.targets)})")
    return Exported(f"{text}\n", lost=lost, suffix=".md")
