"""The rungs of a ladder: which cells of a plan stand at each value of its first axis, per target and other axes; and
each of them as a sample of a line or a few. Knows no Textual."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from promptlab.plan import Cell, Plan
from promptlab.render.group import axis_name, value_text
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.words import ENGLISH, Words
from promptlab.render.wrap import fit, width, wrap_line
from promptlab.tui import status
from promptlab.tui.pane import BAR, Pane
from promptlab.tui.text import Say

BREAK = " ⏎ "  # where a line ended
_MARKS = re.compile(r"^\s{0,3}(?:#{1,6}\s+|>\s?)|\*\*|`+", re.MULTILINE)
_RULES = re.compile(r"^[\s|:*_-]*$")
_STEP = 500  # characters: the piece that is wrapped begins at a multiple, so that its rows stand still for a while


class Rung(NamedTuple):
    """One value, and the numbers of its cells: rows of a dataset, and the repeats of each."""

    title: str
    cells: tuple[int, ...]


class Side(NamedTuple):
    """The rungs of one target at one value of every axis but the first. `axis` is what its rungs differ in."""

    title: str
    axis: str
    rungs: tuple[Rung, ...]


class Spot(NamedTuple):
    """Where a cell stands: its side, its rung, and its place on it."""

    side: int
    rung: int
    place: int


def sides(plan: Plan, words: Words = ENGLISH) -> list[Side]:
    """The sides of a plan in its own order. Where nothing but the target varies, targets are the rungs of one."""
    cells = plan.cells
    names = list(dict.fromkeys(name for cell in cells for name in cell.values))
    first = names[0] if names else ""
    paired = [name for name in plan.sweep.zipped if name in names] if plan.sweep and first in plan.sweep.zipped else []
    along = paired or names[:1]
    found: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for cell in cells:
        rest = [f"{axis_name(name)} {value_text(cell.values.get(name))}" for name in names if name not in along]
        side = (clean_line(cell.target), *rest) if along else ()
        found.setdefault(side, {}).setdefault(_title(plan, cell, along, words), []).append(cell.index)
    axis = ", ".join(map(axis_name, along))
    return [
        Side(" · ".join(side), axis, tuple(Rung(title, tuple(rung)) for title, rung in rungs.items()))
        for side, rungs in found.items()
    ]  # fmt: skip


def _title(plan: Plan, cell: Cell, along: Sequence[str], words: Words) -> str:
    if not along:
        return clean_line(cell.target)
    void = plan.void.get(cell.target, ())
    return ", ".join(words("ignored") if name in void else value_text(cell.values.get(name)) for name in along)


def spots(found: Sequence[Side]) -> dict[int, Spot]:
    """Where each cell stands."""
    places: dict[int, Spot] = {}
    for side, one in enumerate(found):
        for rung, each in enumerate(one.rungs):
            places |= {cell: Spot(side, rung, place) for place, cell in enumerate(each.cells)}
    return places


def climb(found: Sequence[Side], at: Spot, by: int) -> int:
    """The cell so many rungs further along the axis, at the same place behind its value; at the end, the last one."""
    rungs = found[at.side].rungs
    rung = rungs[max(0, min(len(rungs) - 1, at.rung + by))]
    return rung.cells[min(at.place, len(rung.cells) - 1)]


# A sample ------------------------------------------------------------------------------------------------------------


def sample(pane: Pane, cells: int, lines: int, now: float, say: Say) -> list[tuple[str, str]]:
    """A cell in at most `lines` rows of `cells`, each with the name of its style: the beginning of what has ended, the
    end of what still comes. It stands for the answer, else for the thinking, else for what the cell does."""
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
