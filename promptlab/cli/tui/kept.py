"""What was used last in the lab, kept in the cache: the words that were sent, the theme, what was typed into profiles
and not saved; and the user's favourites, which are data."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import LabError, Sentence
from promptlab.places import Places

if TYPE_CHECKING:
    from promptlab.tui.shelf import Draft

KEPT = "tui.json"
FAVOURITES = "favourites.json"
_NAMES = ("words", "theme")
_LONGEST = 20_000  # characters; words that are cut would be other words
_MOST = 500  # favourites
_LARGEST = 4_000_000  # bytes of a draft
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
        raise LabError(Sentence("{file} can't be written: {why}", file=file, why=error.strerror),
                       "the favourites are as before") from None  # fmt: skip


class Drafts:
    """What was typed into profiles and not saved: one text for each file, and one for a new profile (None)."""

    def __init__(self, places: Places) -> None:
        self._folder = places.cache / "drafts"

    def place(self, source: Path | None) -> Path:
        """Where the text of a file is kept."""
        said = str(source.resolve()).encode("utf-8", "surrogateescape") if source else b""
        return self._folder / f"{hashlib.sha256(said).hexdigest()[:20] if source else 'new'}.json"

    def put(self, draft: Draft, source: Path | None) -> None:
        record = {"origin": draft.origin, "name": draft.name, "base": draft.base, "texts": dict(draft.sections.texts),
                  "schema": draft.sections.schema}  # fmt: skip
        file = self.place(source)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, new = tempfile.mkstemp(prefix=".draft-", dir=file.parent)  # for nobody else to read
            try:
                with os.fdopen(number, "w", encoding="utf-8", errors="surrogatepass") as out:
                    json.dump(record, out, ensure_ascii=True)
                Path(new).replace(file)
            finally:
                Path(new).unlink(missing_ok=True)

    def drop(self, source: Path | None) -> None:
        with suppress(OSError):
            self.place(source).unlink(missing_ok=True)

    def get(self, source: Path | None) -> tuple[Draft, str] | None:
        """The text, and when it was kept; nothing where there is none that can be read."""
        from promptlab.profile.section import ORDER, Sections, split
        from promptlab.tui.shelf import FILE, Draft, whole

        file = self.place(source)
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, LabError):
            if file.stat().st_size > _LARGEST:
                return None
            record = json.loads(file.read_bytes())
            texts = {str(key): str(text) for key, text in record["texts"].items() if key in (*ORDER, FILE)}
            base = str(record["base"])
            old = whole(base) if FILE in texts else split(base, source) if source is not None else Sections()
            draft = Draft(str(record["name"]), Sections(texts, bool(record["schema"])),
                          source.stem if source else "", base, old)  # fmt: skip
            return draft, time.strftime("%Y-%m-%d %H:%M", time.localtime(file.stat().st_mtime))
        return None

    def copy_apart(self, source: Path, text: str | None) -> Path:
        """Keep what waits for a file under a name of its own, which nothing opens by itself: as `text`, or as it is
        kept where nobody could read that. Raises LabError."""
        suffix, apart = ".json" if text is None else ".yaml", self._folder / source.stem
        try:
            said = self.place(source).read_bytes() if text is None else text.encode("utf-8", "surrogatepass")
            for number in count(1):
                apart = self._folder / f"{source.stem}{'' if number == 1 else f'-{number}'}{suffix}"
                with suppress(FileExistsError):
                    opened = os.open(apart, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    break
            with os.fdopen(opened, "wb") as out:
                out.write(said)
        except OSError as error:
            raise LabError(Sentence("{file} can't be written: {why}", file=apart, why=error.strerror),
                           "nothing was changed") from None  # fmt: skip
        return apart


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
