"""`promptlab search`: where words stand in the prompts, thinking and answers of the history."""

from __future__ import annotations

import json
import sys
from typing import get_args

from promptlab import config
from promptlab.cli.output import console
from promptlab.errors import UsageError, nearest
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, width
from promptlab.store import Hit, Store
from promptlab.store.search import Where

PLACES = get_args(Where)
_MARKS = ("«", "»")  # around a match where there is no colour
_INDENT = "    "


def search(
    text: str, count: int = 20, where: str | None = None, format: str | None = None, color: str = "auto"
) -> int:  # fmt: skip
    """Print the newest texts that hold every word of `text`: at most `count`, only in the prompt, thinking or answer
    if `where` says so. Gives 1 where there is none. Raises UsageError."""
    if where is not None and where not in PLACES:
        raise UsageError(f"--in: '{where}' is not one of {', '.join(PLACES)}", nearest(where, PLACES))
    if format not in (None, "text", "json", "jsonl"):
        raise UsageError(f"--format: '{format}' is not one of text, json, jsonl")
    if not text.strip():
        raise UsageError("there is nothing to search for", "promptlab search WORDS")
    if count < 1:
        raise UsageError(f"-n: {count} is less than 1", "the most that is shown, for example -n 20")
    store = Store(config.places().database)
    try:
        hits = _hits(store, text, count, where)
    finally:
        store.close()
    if format in ("json", "jsonl"):
        items = [_item(hit) for hit in hits]
        for item in items if format == "jsonl" else [items]:
            sys.stdout.write(json.dumps(item, ensure_ascii=True) + "\n")
    elif not hits:
        sys.stderr.write(f"promptlab: '{clean_line(text)[:80]}' is nowhere in the history\n")
    else:
        _print(hits, color)
        if len(hits) == count:
            sys.stderr.write(f"promptlab: the newest {count}; -n {count * 5} shows more\n")
    return 0 if hits else 1


def _hits(store: Store, text: str, count: int, where: str | None) -> list[Hit]:
    """The newest `count` in that place: those in others are read over."""
    limit = count
    while True:
        hits = store.search(text, limit)
        kept = [hit for hit in hits if where in (None, hit.where)]
        if len(kept) >= count or len(hits) < limit:
            return kept[:count]
        limit *= 4


def _item(hit: Hit) -> dict[str, object]:
    return {"run": hit.run, "cell": hit.cell, "target": hit.target, "where": hit.where, "excerpt": hit.excerpt,
            "start": hit.start, "end": hit.end}  # fmt: skip


def _print(hits: list[Hit], color: str) -> None:
    from rich.text import Text

    out = console(color)
    cells = out.width if sys.stdout.isatty() else None
    marks = ("", "") if out.is_terminal and not out.no_color else _MARKS
    for hit in hits:
        head = clean_line(f"run {hit.run} · cell {hit.cell + 1} · {hit.target} · {hit.where}")
        out.print(Text(head if cells is None else fit(head, cells), "cyan"))
        before, match, after = _around(hit, None if cells is None else cells - len(_INDENT) - 2)
        out.print(Text.assemble(_INDENT, before, (f"{marks[0]}{match}{marks[1]}", "bold yellow"), after))


def _around(hit: Hit, cells: int | None) -> tuple[str, str, str]:
    """The match with as much before and after it as there is room for, cleaned; the match in the middle."""
    pieces = (hit.excerpt[: hit.start], hit.excerpt[hit.start : hit.end], hit.excerpt[hit.end :])
    before, match, after = (" ".join(clean(piece).split("\n")).replace("\t", " ") for piece in pieces)
    if cells is None:
        return before, match, after
    match = fit(match, cells)
    room = cells - width(match)
    behind = min(width(after), max(room // 2, room - width(before)))
    if width(before) > room - behind:
        before = "…" + _last(before.lstrip("…"), room - behind - 1)
    return before, match, fit(after, behind)


def _last(text: str, cells: int) -> str:
    """As much of the end of a text as fits."""
    start = len(text)
    while start and width(text[start - 1 :]) <= cells:
        start -= 1
    return text[start:]
