"""How the points of a reading stand beside one another: per target and per value of the other axes, along the first.

Ladder, table, plots and report all take this order, and the words for values and numbers from here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promptlab.analysis import Measure, Point, Reading
from promptlab.params import BODY, DEFAULT, Value, show
from promptlab.render.sanitise import clean_line
from promptlab.render.words import ENGLISH

IGNORED = "ignored"  # the word where an axis does nothing at a target
MISSING = "–"


@dataclass(frozen=True, slots=True)
class Group:
    """The points of one target at one value of every axis but the first. `rest` are the axes but the first with
    their values as text, `paired` those that go in step with it (--zip); `void`: the first axis does nothing here, so
    that there is one point."""

    target: str
    rest: tuple[tuple[str, str], ...]
    points: tuple[Point, ...]
    void: bool
    paired: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The target and what sets this group apart: `local · top_p 0.9`."""
        return " · ".join([clean_line(self.target), *(f"{name} {value}" for name, value in self.rest)])


def groups(reading: Reading) -> tuple[Group, ...]:
    """The points in groups, in the order in which each group first appears."""
    first, *others = [*reading.axes] or [""]
    paired = _paired(reading)
    others = [name for name in others if name not in paired]
    found: dict[tuple[str, tuple[tuple[str, str], ...], bool], list[Point]] = {}
    for point in reading.points:
        rest = tuple((axis_name(name), value_at(point, name)) for name in others)
        found.setdefault((point.target, rest, first in point.void), []).append(point)
    return tuple(Group(target, rest, tuple(points), void, paired) for (target, rest, void), points in found.items())


def _paired(reading: Reading) -> tuple[str, ...]:
    """The axes that go in step with the first, as `--zip` makes them: each of its values has one value of theirs."""
    first, *others = [*reading.axes] or [""]
    points = [point for point in reading.points if first not in point.void]
    pairs = []
    for name in others:
        along: dict[tuple[str, str], set[str]] = {}
        for point in points:
            along.setdefault((point.target, value_at(point, first)), set()).add(value_at(point, name))
        varied = {(target, *sorted(values)) for (target, _), values in along.items()}
        if all(len(values) == 1 for values in along.values()) and len(varied) > len({target for target, _ in along}):
            pairs.append(name)
    return tuple(pairs)


def axis_name(name: str) -> str:
    return clean_line(name.removeprefix(BODY))


def value_text(value: Value) -> str:
    return DEFAULT if value is None else clean_line(show(value))


def value_at(point: Point, axis: str) -> str:
    """Where a point stands on an axis, as text."""
    return IGNORED if axis in point.void else value_text(point.values.get(axis))


def step(reading: Reading, point: Point, paired: tuple[str, ...] = ()) -> str:
    """The title of a point within its group: `temperature 0.7`, or what is ignored and how often it was asked."""
    if not reading.axes:
        return clean_line(point.target)
    first = next(iter(reading.axes))
    if first in point.void:
        return f"{axis_name(first)} {IGNORED} here: {count(len(point.cells), 'repeat')}"
    return ", ".join(f"{axis_name(name)} {value_at(point, name)}" for name in (first, *paired))


def numeric(value: Value) -> float | None:
    """The value as a number to draw along, None where it is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def measure_name(name: str) -> str:
    """The title of a measure in English, as in tables of the command line."""
    return ENGLISH.measure(name)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True)
class Numbers:
    """How the numbers of one measure are written: all with the same decimals, so that they can be compared."""

    decimals: int

    def text(self, value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return MISSING
        written = f"{value:.{self.decimals}f}"
        return written.removeprefix("-") if float(written) == 0 else written

    def value(self, measure: Measure | None) -> str:
        """The value, with ≈ before it where it rests on an estimate of ours; a dash where there is none."""
        if measure is None:
            return MISSING
        return ("≈" if measure.estimated else "") + self.text(measure.value)

    def interval(self, measure: Measure | None) -> str:
        """The 95% interval, both ends: it is seldom symmetric, and ± would say that it is."""
        if measure is None or measure.low is None or measure.high is None:
            return ""
        return f"[{self.text(measure.low)}, {self.text(measure.high)}]"

    def both(self, measure: Measure | None) -> str:
        return f"{self.value(measure)} {self.interval(measure)}".rstrip()


def numbers(measures: Iterable[Measure | None]) -> Numbers:
    """Two decimals below 10, one below 100, none above; where all are small, two digits that count."""
    most = max((abs(each.value) for each in measures if each and math.isfinite(each.value)), default=0.0)
    if most == 0 or most >= 0.1:
        return Numbers(2 if most < 10 else 1 if most < 100 else 0)
    return Numbers(min(9, 1 - math.floor(math.log10(most))))


def of(points: Iterable[Point], name: str) -> list[Measure | None]:
    """One measure of every point, None where a point has none."""
    return [point.measures.get(name) for point in points]


def shades(values: Mapping[int, float], steps: int) -> dict[int, int]:
    """For each value its step of a scale from the least (0) to the most; empty where they are all alike."""
    finite = {key: value for key, value in values.items() if math.isfinite(value)}
    least, most = min(finite.values(), default=0.0), max(finite.values(), default=0.0)
    if most <= least:
        return {}
    return {key: min(steps - 1, int((value - least) / (most - least) * steps)) for key, value in finite.items()}
