"""Fences of code in Markdown: where one begins and ends, line by line, and the blocks of a text."""

from __future__ import annotations

import re
from typing import NamedTuple

_OPENS = re.compile(r"(?P<indent>[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?:(?P<ticks>`{3,})(?P<told>[^`]*)"
                    r"|(?P<waves>~{3,})(?P<said>.*))$")  # fmt: skip
_CLOSES = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*$")
_DEEPER = 3  # columns by which the end of a fence may be further in than its beginning
_TAB = 4


class Fence(NamedTuple):
    """An open fence: its mark, the columns before it, and the first word that was said of what is in it."""

    mark: str
    indent: int
    language: str


class Block(NamedTuple):
    """What stood between two fences, without the columns before them; `open` where the second has not come."""

    language: str
    text: str
    open: bool


def opened(line: str) -> Fence | None:
    """The fence that a line opens, be it inside a list or behind the mark of an item."""
    if "```" not in line and "~~~" not in line:
        return None
    if not (found := _OPENS.match(line)):
        return None
    words = (found["told"] or found["said"] or "").split()
    return Fence(found["ticks"] or found["waves"], _columns(found["indent"]), words[0].lower() if words else "")


def closed(fence: Fence, line: str) -> bool:
    """Whether a line ends this fence: as long a mark, nothing behind it, hardly further in."""
    found = _CLOSES.match(line) if fence.mark in line else None
    return found is not None and found[2].startswith(fence.mark) and _columns(found[1]) <= fence.indent + _DEEPER


def blocks(text: str) -> list[Block]:
    """The blocks of code in a text, in order; empty ones are none."""
    found: list[Block] = []
    fence: Fence | None = None
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if fence is None:
            fence, lines = opened(line), []
        elif closed(fence, line):
            found.append(Block(fence.language, "\n".join(lines), open=False))
            fence = None
        else:
            lines.append(_outdented(line, fence.indent))
    if fence is not None:
        found.append(Block(fence.language, "\n".join(lines), open=True))
    return [block for block in found if block.text.strip()]


def _columns(indent: str) -> int:
    return len(indent.expandtabs(_TAB))


def _outdented(line: str, columns: int) -> str:
    """Without so many columns of white space, as far as it has them."""
    at = done = 0
    while at < len(line) and done < columns and line[at] in " \t":
        done += 1 if line[at] == " " else _TAB - done % _TAB
        at += 1
    return line[at:]
