"""What is drawn of a reading, before anybody draws it: series, places, scales and ticks.

The terminal's plots and the report's SVG are two drawings of the same charts. A numeric axis makes a curve; any other
makes bars; a target at which the axis does nothing is one mark in a place of its own and never part of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from promptlab.analysis import Measure, Point, Reading
from promptlab.params import DEFAULT
from promptlab.render.group import (
    IGNORED,
    Group,
    Numbers,
    axis_name,
    groups,
    numbers,
    numeric,
    value_at,
)
from promptlab.render.words import ENGLISH, Words, meaning

DIVERSITY, SURPRISAL, ENTROPY_GAP = ("distinct_2", "vendi"), "surprisal", "gap"
ONE, FLAT, NARROW = "one", "flat", "narrow"  # why nothing is drawn, as `Words` has it
_FINE = 4  # decimals of ticks between which nothing can be seen
_SLOT = 0.2  # share of the width that a place outside the scale takes: default, ignored


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`, with the ticks between them as they are written."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1; what lies outside stands at the end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a series: `at` is its place along the chart from 0 to 1, `label` its value as text. `joined`: a
    line may run to it."""

    at: float
    label: str
    measure: Measure
    joined: bool


@dataclass(frozen=True, slots=True)
class Series:
    title: str
    number: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One measure along the first axis. `places` are the labels along it with their places from 0 to 1."""

    title: str
    axis: str
    curve: bool
    series: tuple[Series, ...]
    places: tuple[tuple[float, str], ...]
    scale: Scale
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of the plane: surprisal along, diversity up."""

    along: Measure
    up: Measure
    label: str


@dataclass(frozen=True, slots=True)
class Track:
    """The spots of one group. `natural` is the surprisal at which the gap between surprisal and entropy is zero,
    between two measured points; None where it never crosses zero."""

    title: str
    number: int
    spots: tuple[Spot, ...]
    natural: float | None


@dataclass(frozen=True, slots=True)
class Plane:
    """Diversity against surprisal. Left of `natural` a text is blander than what its model would say of its own,
    right of it stranger: SCIENCE's typicality gap is zero at temperature 1."""

    title: str
    along_title: str
    tracks: tuple[Track, ...]
    along: Scale
    up: Scale


def charts(reading: Reading, names: Sequence[str] | None = None, words: Words = ENGLISH) -> tuple[Chart, ...]:
    """A chart for each measure (or each of `names`) that has any value."""
    found = (_chart(reading, name, words) for name in names or reading.measures)
    return tuple(chart for chart in found if chart is not None)


def idle(reading: Reading, names: Iterable[str]) -> dict[str, str]:
    """Which of these measures make no picture, with why: one point, the same at all points, or a range that only
    ticks of four decimals and more could tell (of small numbers, as of dollars, where it is also narrow)."""
    found = {}
    for name in names:
        known = [point.measures[name] for point in reading.points if _drawable(point, name)]
        values = [each.value for each in known]
        if len(known) == 1:
            found[name] = ONE
        elif known and max(values) - min(values) <= 1e-9 * max(1e-3, *map(abs, values)):
            found[name] = FLAT
        elif known and (chart := _chart(reading, name)) is not None:
            low, high = chart.scale.low, chart.scale.high
            narrow = _share(name) or high - low < 0.05 * max(abs(low), abs(high))
            if narrow and len(chart.scale.ticks[0][1].partition(".")[2]) >= _FINE:
                found[name] = NARROW
    return found


def _share(name: str) -> bool:
    known = meaning(name)
    return known is not None and known.unit == "share"


def _chart(reading: Reading, name: str, words: Words = ENGLISH) -> Chart | None:
    together = groups(reading)
    all_points = [point for group in together for point in group.points]
    if not (known := [point.measures[name] for point in all_points if _drawable(point, name)]):
        return None
    first = next(iter(reading.axes), "")
    values = {value for value in map(numeric, reading.axes.get(first, ())) if value is not None}
    others = [value for value in reading.axes.get(first, ()) if value is not None and numeric(value) is None]
    real = any(not group.void for group in together)
    curve = len(values) > 1 and not others and real
    places = _places(reading, together, first, sorted(values)) if curve else {}
    how = numbers(known)
    series = []
    for number, group in enumerate(together):
        marks = []
        for place, point in enumerate(group.points):
            if not _drawable(point, name):
                continue
            label = value_at(point, first) if first else ""
            joined = curve and not group.void and numeric(point.values.get(first)) is not None
            at = places[label] if curve else float(place)
            marks.append(Mark(at, label, point.measures[name], joined))
        series.append(Series(group.title, number, tuple(sorted(marks, key=lambda mark: mark.at))))
    low, high = _ends(known, from_zero=not curve, share=_share(name))
    return Chart(
        words.measure(name), axis_name(first), curve, tuple(series),
        tuple(sorted({(at, label) for label, at in places.items()})), scale(low, high, 4), how,
    )  # fmt: skip


def _drawable(point: Point, name: str) -> bool:
    measure = point.measures.get(name)
    return measure is not None and math.isfinite(measure.value)


def _places(reading: Reading, together: Iterable[Group], first: str, values: list[float]) -> dict[str, float]:
    """The place of each label along a numeric axis: its value's, and beyond them one for each that is no number."""
    beyond = [DEFAULT] * (None in reading.axes[first]) + [IGNORED] * any(group.void for group in together)
    share = 1 - _SLOT * len(beyond)
    low, high = values[0], values[-1]
    places = {}
    for group in together:
        for point in group.points:
            value = numeric(point.values.get(first))
            if value is not None and first not in point.void:
                places[value_at(point, first)] = (value - low) / (high - low) * share
    for number, label in enumerate(beyond, 1):
        places[label] = share + _SLOT * number
    return places


def _ends(known: Iterable[Measure], *, from_zero: bool = False, share: bool = False) -> tuple[float, float]:
    """The least and the greatest of the values and the ends of their intervals."""
    ends = [end for each in known for end in (each.value, each.low, each.high) if end is not None]
    finite = [end for end in ends if math.isfinite(end)]
    low, high = min(finite), max(finite)
    if from_zero or 0 < low < 0.4 * high:  # near enough to nothing that nothing belongs on the scale
        low, high = min(low, 0.0), max(high, 0.0)
    # The room around one value never goes beyond a share's own ends.
    return (0.0, 1.0) if share and high <= low else (low, high)


def scale(low: float, high: float, most: int) -> Scale:
    """A scale that holds both ends, from tick to tick, with at most `most` steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        low, high = (low - 0.5, high + 0.5) if low == 0 else (low - abs(low) / 2, high + abs(high) / 2)
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        unit = size * factor
        first, last = math.floor(low / unit + 1e-9), math.ceil(high / unit - 1e-9)
        if last - first <= most:
            break
    decimals = max(0, -math.floor(math.log10(unit) + 1e-9))
    ticks = [(number * unit, f"{number * unit:.{decimals}f}") for number in range(first, last + 1)]
    return Scale(ticks[0][0], ticks[-1][0], tuple((value, text) for value, text in ticks))


def plane(reading: Reading, words: Words = ENGLISH) -> Plane | None:
    """Diversity against surprisal, where log probabilities are known at two points or more; None elsewhere."""
    diversity = next((name for name in DIVERSITY if name in reading.measures), None)
    if diversity is None or SURPRISAL not in reading.measures:
        return None
    first = next(iter(reading.axes), "")
    tracks = []
    for number, group in enumerate(groups(reading)):
        points = [point for point in group.points if _drawable(point, diversity) and _drawable(point, SURPRISAL)]
        spots = [Spot(point.measures[SURPRISAL], point.measures[diversity], _spot_label(point, first))
                 for point in points]  # fmt: skip
        if spots:
            tracks.append(Track(group.title, number, tuple(spots), _natural(points)))
    if sum(len(track.spots) for track in tracks) < 2:
        return None
    along = [spot.along for track in tracks for spot in track.spots]
    up = [spot.up for track in tracks for spot in track.spots]
    return Plane(
        words("against", measure=words.measure(diversity)), words("surprisal"), tuple(tracks),
        scale(*_ends(along), 5), scale(*_ends(up, share=_share(diversity)), 4),
    )  # fmt: skip


def _spot_label(point: Point, first: str) -> str:
    return value_at(point, first) if first else ""


def _natural(points: Iterable[Point]) -> float | None:
    """The surprisal at which the gap is zero, on the straight line between the two points around it."""
    known = sorted(
        (point.measures[SURPRISAL].value, point.measures[ENTROPY_GAP].value)
        for point in points if _drawable(point, ENTROPY_GAP)
    )  # fmt: skip
    for (left, below), (right, above) in pairwise(known):
        if below <= 0 <= above and above > below:
            return left + (right - left) * -below / (above - below)
    return None
