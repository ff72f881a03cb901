"""A sample in a line or a few: the beginning of what has ended, the end of what still comes. Pure."""

from __future__ import annotations

import re

from promptlab.render.sanitise import clean
from promptlab.render.wrap import fit, width, wrap_line
from promptlab.tui import status
from promptlab.tui.pane import BAR, Pane
from promptlab.tui.text import Say

BREAK = " ⏎ "  # where a line ended
_MARKS = re.compile(r"^\s{0,3}(?:#{1,6}\s+|>\s?)|\*\*|`+", re.MULTILINE)
_RULES = re.compile(r"^[\s|:*_-]*$")
_STEP = 500  # characters: the piece that is wrapped begins at a multiple, so that its rows stand still for a while


def rows(pane: Pane, cells: int, lines: int, now: float, say: Say) -> list[tuple[str, str]]:
    """At most `lines` rows of `cells`, each with the name of its style. It stands for the answer, else for the
    thinking, else for what the cell does."""
    said = pane.said
    _, answer = said.written
    if said.state == "failed" or not (answer.strip() or (said.state == "thinking" and said.thinking)):
        style = "fault" if said.state == "failed" else "facts"
        return [(text, style) for text in wrap_line(status.state(said, now, say), cells)[:lines]]
    if said.state == "thinking":
        return [(BAR + text, "thinking") for text in _end(said.thinking, max(4, cells - width(BAR)), lines)]
    ended = _beginning(answer, cells, lines) if said.ending else _end(answer, cells, lines)
    return [(text, "answer") for text in ended]


def flat(text: str) -> str:
    """A text on one line, without Markdown's marks; safe on a terminal."""
    kept = [line.strip() for line in _MARKS.sub("", clean(text)).split("\n") if not _RULES.match(line)]
    return BREAK.join(" ".join(line.split()) for line in kept)


def _beginning(text: str, cells: int, lines: int) -> list[str]:
    told = flat(text.lstrip()[: 4 * cells * lines + 200])
    if lines == 1:
        return [fit(told, cells)]
    found = wrap_line(told, cells)
    return found if len(found) <= lines else [*found[: lines - 1], fit(found[lines - 1] + " " + found[lines], cells)]


def _end(text: str, cells: int, lines: int) -> list[str]:
    room = 2 * cells * lines
    start = max(0, (len(text) - room) // _STEP * _STEP)
    told = flat(text[start:].rstrip())
    if lines == 1:
        return [_right(told, cells, cut=start > 0)]
    found = wrap_line(told, cells)
    return found[-lines:]


def _right(text: str, cells: int, *, cut: bool) -> str:
    """The end of a line, as much of it as fits."""
    if not cut and width(text) <= cells:
        return text
    piece = text[-cells:]
    while piece and width(piece) > cells - 1:
        piece = piece[1:]
    return "…" + piece
