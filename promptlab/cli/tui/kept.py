"""What was used last in the lab, kept in the cache: the words that were sent, the theme."""

from __future__ import annotations

import json
from contextlib import suppress

from promptlab.places import Places

KEPT = "tui.json"
_NAMES = ("words", "theme")
_LONGEST = 2000  # characters


def remembered(places: Places, what: str = "words") -> str:
    """What was used last: the words that were sent, the theme. An empty text where nothing was."""
    with suppress(OSError, ValueError):
        said = json.loads((places.cache / KEPT).read_bytes())
        if isinstance(said, dict) and isinstance(said.get(what), str):
            return " ".join(str(said[what])[:_LONGEST].split())
    return ""


def remember(places: Places, what: str, text: str) -> None:
    kept = {name: remembered(places, name) for name in _NAMES} | {what: text}
    with suppress(OSError):
        places.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        (places.cache / KEPT).write_text(json.dumps(kept), "utf-8")
