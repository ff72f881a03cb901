"""What was used last in the lab, kept in the cache: the words that were sent, the theme; and the user's favourites,
which are data."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from promptlab.errors import LabError
from promptlab.places import Places

KEPT = "tui.json"
FAVOURITES = "favourites.json"
_NAMES = ("words", "theme")
_LONGEST = 20_000  # characters; words that are cut would be other words
_MOST = 500  # favourites
_changes = threading.Lock()  # what is read, changed and written: a run and the screen both do so


def remembered(places: Places, what: str = "words") -> str:
    """What was used last: the words that were sent, the theme. An empty text where nothing was."""
    with suppress(OSError, ValueError):
        said = json.loads((places.cache / KEPT).read_bytes())
        if isinstance(said, dict) and isinstance(said.get(what), str) and len(said[what]) <= _LONGEST:
            return "".join(char for char in said[what] if char.isprintable() or char in "\n\t").strip()
    return ""


def remember(places: Places, what: str, text: str) -> None:
    with _changes, suppress(OSError):
        kept = {name: remembered(places, name) for name in _NAMES} | {what: text}
        _write(places.cache / KEPT, json.dumps(kept))


def favourites(places: Places) -> list[str]:
    """The targets that the user has marked, in the order in which that was done."""
    with suppress(OSError, ValueError):
        said = json.loads((places.data / FAVOURITES).read_bytes())
        if isinstance(said, list):
            return list(dict.fromkeys(one for one in said[:_MOST] if isinstance(one, str) and one))
    return []


def favour(places: Places, target: str, *, on: bool) -> None:
    """Mark a target, or take its mark. Raises LabError where that can't be written."""
    file = places.data / FAVOURITES
    try:
        with _changes:
            kept = [one for one in favourites(places) if one != target] + [target] * on
            _write(file, json.dumps(kept, ensure_ascii=False, indent=0))
    except OSError as error:
        raise LabError(f"{file} can't be written: {error.strerror}", "the favourites are as before") from None


def _write(file: Path, text: str) -> None:
    """All of it or nothing: two labs may be open."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, name = tempfile.mkstemp(prefix=f".{file.stem}-", dir=file.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as out:
            out.write(text)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
