"""The table of f/awesome-chatgpt-prompts, prompts.csv: act and prompt, and in later versions more columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from promptlab.errors import UsageError
from promptlab.profile import Profile
from promptlab.profile.exchange import blanks
from promptlab.profile.exchange.entry import Entry, Exported, Imported, left
from promptlab.profile.exchange.flat import flatten
from promptlab.profile.exchange.intake import LARGEST, MOST, Reader, named, short

TITLE = "awesome-chatgpt-prompts"
_TITLES, _PROMPTS = ("act", "title", "name", "label", "cmd"), ("prompt", "content")
_FLAGS = {"for_devs": "for-devs"}  # columns of TRUE and FALSE, kept as tags
_USUAL = {"type": "TEXT"}


def recognises(text: str) -> bool:
    header = next(_rows(text[:10_000], Path("x.csv"), strict=False), [])
    return _column(header, _PROMPTS) is not None and _column(header, _TITLES) is not None


def read(path: Path, reader: Reader) -> Imported:
    """Each row of a table as a profile. A row without a prompt is refused by its number."""
    imported = Imported()
    for file in reader.files(path, ".csv") if path.is_dir() else [path]:
        rows = _rows(reader.text(file), file)
        header = [cell.strip().lower() for cell in next(rows, [])]
        act, prompt = _column(header, _TITLES), _column(header, _PROMPTS)
        if act is None or prompt is None:
            raise UsageError(f"{file}: the first row has no columns act and prompt",
                             f"it has: {short(', '.join(header)) or 'nothing'}")  # fmt: skip
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                continue
            if len(imported.entries) + len(imported.refused) >= MOST:
                raise UsageError(f"{file}: more than {MOST:,} rows", "import it in parts")
            if len(row) <= max(act, prompt) or not row[prompt].strip():
                imported.refused.append((f"row {number}", "it has no prompt"))
                continue
            imported.entries.append(_entry(header, row, act, prompt))
    return imported


def _rows(text: str, file: Path, *, strict: bool = True) -> Iterator[list[str]]:
    csv.field_size_limit(LARGEST)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    except csv.Error as error:
        if strict:
            raise UsageError(f"{file}: no valid CSV ({error})", "quotes inside a cell are doubled") from None


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    cells = [cell.strip().lower() for cell in header]
    return next((cells.index(name) for name in names if name in cells), None)


def _entry(header: list[str], row: list[str], act: int, prompt: int) -> Entry:
    title = row[act].strip()
    name = named(title)
    tags, untaken = [], []
    for place, cell in enumerate(row):
        column = header[place] if place < len(header) else f"column {place + 1}"
        said = cell.strip()
        if place in (act, prompt) or not said or said == _USUAL.get(column):
            continue
        if column in _FLAGS and said.upper() in ("TRUE", "FALSE"):
            tags += [_FLAGS[column]] if said.upper() == "TRUE" else []
        else:
            untaken.append(column)
    text = blanks.plain(row[prompt].strip())
    description = title if title != name else ""
    return Entry(name, Profile(name, Path(f"{name}.yaml"), description, prompt=text, tags=tuple(tags)), left(untaken))


def write(profile: Profile) -> Exported:
    """A table with one row. Its title is the profile's description where that is what its name was made of."""
    flat = flatten(profile, TITLE, ("description", "tags"))
    writer = blanks.Writer(profile, blanks.stand_in(profile))
    text = "\n\n".join(filter(None, (writer(flat.system), writer(flat.user))))
    lost = flat.lost + blanks.no_variables(profile, TITLE) + writer.lost(TITLE)
    title = profile.description if named(profile.description, "") == profile.name else profile.name
    if profile.description and title != profile.description:
        lost.append(f"description: {TITLE} has no place for it")
    if others := [tag for tag in profile.tags if tag not in _FLAGS.values()]:
        lost.append(f"tags ({', '.join(others)}): {TITLE} has no place for them")
    if flat.system:
        lost.append(f"system prompt: in {TITLE} all is the user's own prompt")
    if profile.parameters:
        lost.append(f"parameters ({', '.join(profile.parameters)}): {TITLE} has none")
    if profile.targets:
        lost.append(f"targets ({', '.join(profile.targets)}): {TITLE} names no models")
    out = io.StringIO(newline="")
    table = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writerow(["act", "prompt", *_FLAGS])
    table.writerow([title, text, *("TRUE" if tag in profile.tags else "FALSE" for tag in _FLAGS.values())])
    return Exported(out.getvalue(), lost=lost, suffix=".csv")
