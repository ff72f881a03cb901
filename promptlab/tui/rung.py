"""The rungs of a ladder: which cells of a plan stand at each value of its first axis, per target and other axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from promptlab.plan import Cell, Plan
from promptlab.render.group import IGNORED, axis_name, value_text
from promptlab.render.sanitise import clean_line


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


def sides(plan: Plan) -> list[Side]:
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
        found.setdefault(side, {}).setdefault(_title(plan, cell, along), []).append(cell.index)
    axis = ", ".join(map(axis_name, along))
    return [
        Side(" · ".join(side), axis, tuple(Rung(title, tuple(rung)) for title, rung in rungs.items()))
        for side, rungs in found.items()
    ]  # fmt: skip


def _title(plan: Plan, cell: Cell, along: Sequence[str]) -> str:
    if not along:
        return clean_line(cell.target)
    void = plan.void.get(cell.target, ())
    return ", ".join(IGNORED if name in void else value_text(cell.values.get(name)) for name in along)


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
