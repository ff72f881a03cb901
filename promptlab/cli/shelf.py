"""`promptlab profiles list`: which profiles there are, from where, and what a nearer one hides."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptlab import document
from promptlab.errors import LabError, UsageError, nearest
from promptlab.places import Places, shipped_profiles
from promptlab.profile import DEEPEST, Profile, composed, listed, parse, read
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name with the file that it means. `hides` are the files of that name in folders that are farther; `fault`
    is why the file can't be used."""

    name: str
    file: Path
    own: bool
    hides: tuple[Path, ...] = ()
    profile: Profile | None = None
    fault: str = ""


def list_profiles(places: Places, format: str | None = None) -> int:
    """Print every profile that a name can mean here, the nearest folder first; a broken file is a line with its
    fault."""
    check_format(format)
    found = entries(places)
    if format == "json":
        write_json([_record(entry) for entry in found])
        return 0
    cells = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for folder in dict.fromkeys(places.profiles):
        here = [entry for entry in found if entry.file.parent == folder]
        if not here:
            continue
        sys.stdout.write(f"{clean_line(str(folder))}  ({'yours' if here[0].own else 'shipped'})\n")
        for line in _table(here):
            sys.stdout.write(f"{line if cells is None else fit(line, cells)}\n")
    if not any(entry.own for entry in found):
        sys.stderr.write("none of your own yet → promptlab profiles new\n")
    return 0


def entries(places: Places) -> list[Entry]:
    """All names, by folder and then by name, with what stands in each file."""
    shelf = _Shelf(places.profiles)
    shipped = shipped_profiles().resolve()
    found = []
    for folder, files in shelf.folders.items():
        own = folder.resolve() != shipped
        for name, file in files.items():
            nearest_first = [others[name] for others in shelf.folders.values() if name in others]
            if nearest_first[0] != file:
                continue
            profile, fault = None, ""
            try:
                profile = shelf.read(file)
            except LabError as error:
                fault = error.message
            hides = tuple(other for other in nearest_first[1:] if other.resolve() != file.resolve())
            found.append(Entry(name, file, own, hides, profile, fault))
    return found


class _Shelf:
    """Folders of profiles, each looked through and each file parsed once, however many extend it."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = {folder: listed((folder,)) for folder in folders}
        self._known = {name: file for files in reversed(self.folders.values()) for name, file in files.items()}
        self._parsed: dict[Path, Profile] = {}

    def read(self, file: Path) -> Profile:
        """As `profile.read`, which is asked only where something is wrong or not among these."""
        whole = self._whole(file, 0)
        if whole is None or not (whole.goal or whole.prompt):
            return read(file, tuple(self.folders))
        return whole

    def _whole(self, file: Path, depth: int) -> Profile | None:
        own = self._parsed.get(file)
        if own is None:
            own = self._parsed[file] = parse(file_text(file), file)
        if not own.extends:
            return own
        bases = []
        for name in own.extends:
            base = self.folders.get(file.parent, {}).get(name) or self._known.get(name)
            whole = self._whole(base, depth + 1) if base is not None and depth < DEEPEST - 1 else None
            if whole is None:
                return None
            bases.append(whole)
        return composed([*bases, own])


def file_text(file: Path) -> str:
    """The text of a profile's file. Raises UsageError for one that can't be such a text."""
    return decoded(file_bytes(file), file)


def decoded(raw: bytes, file: Path) -> str:
    """The text in a file's bytes, as `file_text` has it."""
    if len(raw) > document.LARGEST:
        raise UsageError(f"{file} is too large for a profile", "1 MB is the limit")
    if b"\0" in raw:
        raise UsageError(f"{file} is a binary file", "a profile is text")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None


def file_bytes(file: Path) -> bytes:
    """What stands in a file, and no more than shows that it is too large."""
    try:
        with file.open("rb") as opened:
            return opened.read(document.LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}", "check the path") from None


def _table(found: Sequence[Entry]) -> Iterator[str]:
    cells = min(30, max(width(clean_line(entry.name)) for entry in found))
    for entry in found:
        name = clean_line(entry.name)
        name = pad(name, cells) if width(name) <= cells else name
        if entry.profile is None:
            yield f"  {name}  broken: {clean_line(entry.fault.replace(str(entry.file), entry.file.name))}"
        else:
            one = entry.profile
            language = pad(clean_line(one.language), 5)
            yield f"  {name}  {pad(one.kind, 9)}  {language}  {clean_line(one.description)}".rstrip()
        for file in entry.hides:
            yield f"  {' ' * cells}  hides {clean_line(str(file))}"


def _record(entry: Entry) -> dict[str, object]:
    one = entry.profile
    return {
        "name": entry.name, "kind": one.kind if one else None, "language": one.language if one else None,
        "description": one.description if one else None, "tags": list(one.tags) if one else [],
        "file": str(entry.file), "own": entry.own, "hides": [str(file) for file in entry.hides],
        "fault": entry.fault or None,
    }  # fmt: skip


def write_json(record: object) -> None:
    from promptlab.render.plain import escaped

    sys.stdout.write(escaped(json.dumps(record, ensure_ascii=False, indent=2)) + "\n")


def check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise UsageError(
            f"--format: '{format}' is not one of {', '.join(FORMATS)}",
            nearest(format, FORMATS) or "text is the usual one",
        )
