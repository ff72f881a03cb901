"""A text as one word of a command line: in quotes only where a shell, or whoever reads it, needs them."""

from __future__ import annotations

import re
import shlex

_NEEDS = re.compile(r"[^\w@%+=:,./\x80-\U0010ffff-]|\s")


def quoted(text: str) -> str:
    """In quotes where a shell needs them, and where a blank or a sign that can't be seen (a full-width blank is one)
    would be taken for the end of a word. `shlex.quote` has them around all that is not ASCII."""
    return text if text.isprintable() and text and not _NEEDS.search(text) else shlex.quote(text)
