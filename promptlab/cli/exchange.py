"""`promptlab profiles import` and `export`: prompts of other tools become profiles, and profiles theirs; what was
taken, what was not, and why, is said."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab.errors import LabError, UsageError
from promptlab.profile import SUFFIXES, Profile, exchange, writing
from promptlab.profile.exchange import Entry, Exported
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit

LONG = 20  # entries; more of them are counted, and only what is not as usual has a line


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry: its file where it was written, or why it was not. `notes` as in Entry."""

    name: str
    file: Path | None = None
    why: str = ""
    notes: tuple[str, ...] = ()


def import_profiles(
    path: Path, into: Path, *, format: str | None = None, force: bool = False, dry_run: bool = False,
    known: Mapping[str, Path] | None = None,
) -> int:  # fmt: skip
    """Write each prompt in a file or folder as a profile into the folder `into`: 0, or 1 where some were not taken.

    A file that is there already stays as it is without `force`; `known` are the profiles that a name means so far, and
    one of another folder that will be hidden is named. Raises UsageError where nothing can be read.
    """
    if _exists(into) and not into.is_dir():
        raise UsageError(f"{into} is not a folder", "--into FOLDER")
    imported = exchange.read(path, format)
    outcomes = [_keep(entry, into, force, dry_run) for entry in _told(imported.entries, into, known or {})]
    outcomes += [Outcome(name, why=why) for name, why in imported.refused]
    for line in _summary(outcomes, into, dry_run):
        sys.stdout.write(line + "\n")
    return 0 if all(one.file for one in outcomes) else 1


def _told(entries: Sequence[Entry], into: Path, known: Mapping[str, Path]) -> list[Entry]:
    hidden = {name: file for name, file in known.items() if file.parent.resolve() != into.resolve()}
    return [replace(one, notes=[*one.notes, f"it comes before {hidden[one.name]}"])
            if one.name in hidden else one for one in entries]  # fmt: skip


def _keep(entry: Entry, into: Path, force: bool, dry_run: bool) -> Outcome:
    there = [file for suffix in SUFFIXES if _exists(file := into / f"{entry.name}{suffix}")]
    if there and not force:
        return Outcome(entry.name, why=f"{there[0].name} is there already (--force replaces it)")
    file = there[0] if there else into / f"{entry.name}{SUFFIXES[0]}"
    if not dry_run:
        try:
            _write(file, writing.write(entry.profile), force)
        except FileExistsError:
            return Outcome(entry.name, why=f"{file.name} is there already (--force replaces it)")
        except OSError as error:
            return Outcome(entry.name, why=f"{file} can't be written: {error.strerror or error}")
    return Outcome(entry.name, file, notes=tuple(entry.notes))


def _exists(file: Path) -> bool:
    return os.path.lexists(file)  # a link to nowhere is there as well


def _write(file: Path, text: str, force: bool) -> None:
    """Write a file as a whole or not at all. Raises FileExistsError where it is there, unless `force`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(text, "utf-8")
        if force:
            fresh.replace(file)  # a link is replaced, not followed
        elif not _exists(file):
            fresh.rename(file)
        else:
            raise FileExistsError(file)
    finally:
        with suppress(OSError):
            fresh.unlink()


def _summary(outcomes: Sequence[Outcome], into: Path, dry_run: bool) -> list[str]:
    """A line for each, or for many of them: counts, what they have in common, and the exceptions."""
    written = [one for one in outcomes if one.file]
    verb = "would be written" if dry_run else "written"
    lines = []
    if len(outcomes) <= LONG:
        lines += [_line(one.name, "; ".join(one.notes) if one.file else f"not taken: {one.why}") for one in outcomes]
    else:
        notes = Counter(note for one in written for note in one.notes)
        common = {note for note, times in notes.items() if times > 3}
        lines += [_line(f"{notes[note]} of them", note) for note in notes if note in common]
        for one in outcomes:
            rest = "; ".join(note for note in one.notes if note not in common)
            if rest or not one.file:
                lines.append(_line(one.name, rest if one.file else f"not taken: {one.why}"))
    said = f"{len(written)} of {len(outcomes)} {verb} into {clean_line(str(into))}"
    if part := sum(bool(one.notes) for one in written):
        said += f", {part} in part"
    return [*lines, said]


def _line(name: str, said: str) -> str:
    text = clean_line(f"{name}: {said}" if said else name)
    return fit(text, max(40, shutil.get_terminal_size().columns)) if sys.stdout.isatty() else text


def export_profile(profile: Profile, format: str, out: Path | None = None, *, force: bool = False) -> int:
    """Write a profile for another tool: to stdout, or to `out`, a file, or a folder where there are several files.

    What the format can't hold is said on stderr. Raises UsageError for an unknown format, for files that are there
    without `force`, and where a folder is wanted.
    """
    exported = exchange.write(profile, format)
    if out is None:
        _show(exported)
    else:
        for file in _save(exported, profile.name, out, force):
            sys.stderr.write(f"written: {clean_line(str(file))}\n")
    for line in exported.lost:
        sys.stderr.write(f"lost: {clean_line(line)}\n")
    return 0


def _show(exported: Exported) -> None:
    if len(exported.files) > 1:
        names = ", ".join(exported.files)
        raise UsageError(f"this makes several files: {clean_line(names)}", "--out FOLDER says where they belong")
    text = next(iter(exported.files.values()), exported.text)
    sys.stdout.write(clean(text) if sys.stdout.isatty() else text)


def _save(exported: Exported, name: str, out: Path, force: bool) -> list[Path]:
    try:
        folder = out.is_dir()
    except (OSError, ValueError):
        raise UsageError(f"{out} can't be written", "check the path") from None
    if exported.files:
        if _exists(out) and not folder:
            raise UsageError(f"{out} is a file; a folder is wanted here", "--out FOLDER")
        texts = {out / Path(path): text for path, text in exported.files.items()}
    else:
        texts = {out / f"{exchange.named(name)}{exported.suffix}" if folder else out: exported.text}
    if not force and (there := next((file for file in texts if _exists(file)), None)):
        raise UsageError(f"{there} is there already: nothing was written", "--force replaces it")
    for file, text in texts.items():
        try:
            _write(file, text, force)
        except OSError as error:
            raise LabError(f"{file} can't be written: {error.strerror or error}") from None
    return list(texts)
