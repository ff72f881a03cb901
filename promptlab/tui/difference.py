"""Two texts as one: what both have, what only the first has, what only the second. By words; Chinese by characters."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from promptlab.tui.marked import Span

MOST = 4000  # words of each text that are compared; the work grows with their product
_WORDS = re.compile(r"\n|[^\S\n]+|[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff65]|\w+|[^\w\s]")
MARKS = {"gone": ("[-", "-]"), "new": ("{+", "+}")}  # said without colour, too


def difference(first: str, second: str) -> list[Span]:
    """Spans of the styles same, gone and new, in reading order; gone and new ones stand in marks."""
    left, right = (_WORDS.findall(text) for text in (first, second))
    spans: list[Span] = []
    matcher = SequenceMatcher(None, left[:MOST], right[:MOST], autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            spans.append(Span("".join(left[a:b]), "same"))
            continue
        for style, words in (("gone", left[a:b]), ("new", right[c:d])):
            if words:
                before, after = MARKS[style]
                spans.append(Span(f"{before}{''.join(words)}{after}", style))
    if len(left) > MOST or len(right) > MOST:
        spans.append(Span("\n…", "same"))
    return spans
