"""One axis at one target: the samples that tell its values apart, what is tested of them, how p and shares are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlab.analysis import Point
from promptlab.analysis.trait import Trait
from promptlab.errors import Sentence
from promptlab.params import BODY, Value

_MOST = 1000  # samples of a target that an axis is tested on

Seen = Sequence[tuple[int, Trait]]


@dataclass(frozen=True, slots=True)
class Case:
    """One axis at one target: the traits that can be compared, their labels (places among `values`, in order) and
    strata. `names` are the axis as people read it, and those that go in step with it."""

    target: str
    axis: str
    names: tuple[str, ...]
    values: tuple[Value, ...]
    traits: tuple[Trait, ...]
    points: tuple[int, ...]
    labels: tuple[int, ...]
    strata: tuple[int, ...]

    @property
    def said(self) -> str:
        """The axis as it stands in a sentence."""
        return Sentence.joined(" with ", self.names)

    @property
    def numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def least(self) -> int:
        """Samples at the value that has fewest."""
        return min(Counter(self.labels).values())


def tell_apart(
    target: str, axis: str, axes: Mapping[str, tuple[Value, ...]], points: Sequence[Point], seen: Seen
) -> Case | None:
    """The samples that tell an axis's values apart; None where there are none, or where another axis decides it."""
    own = {place: point for place, point in enumerate(points) if point.target == target and axis not in point.void}
    used = {repr(point.values.get(axis)) for point in own.values()}
    values = [value for value in axes[axis] if repr(value) in used]
    if len(used) < 2:
        return None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        values.sort(key=lambda value: float(value) if isinstance(value, int | float) else 0)
    step = [name for name in axes if name != axis and _in_step(axis, name, own.values())]
    if any(list(axes).index(name) < list(axes).index(axis) for name in step):
        return None  # told with the first of them
    others = [name for name in axes if name != axis and name not in step]
    places = {repr(value): place for place, value in enumerate(values)}
    strata: dict[tuple[object, ...], list[tuple[int, int, Trait]]] = {}
    for place, one in seen:
        if place in own and one.text is not None:
            key = (one.row, *(repr(own[place].values.get(name)) for name in others))
            strata.setdefault(key, []).append((places[repr(own[place].values.get(axis))], place, one))
    kept = [group for group in strata.values() if len({label for label, _, _ in group}) > 1]
    rows = _thinned(kept)
    if len({label for label, _, _, _ in rows}) < 2:
        return None
    # Labels of values that no sample is left of would be empty groups.
    left = sorted({label for label, _, _, _ in rows})
    labels, strata_of = tuple(left.index(label) for label, _, _, _ in rows), tuple(row[3] for row in rows)
    names = tuple(part.removeprefix(BODY) for part in [axis, *step])
    return Case(target, axis, names, tuple(values[label] for label in left), tuple(row[2] for row in rows),
                 tuple(row[1] for row in rows), labels, strata_of)  # fmt: skip


def _thinned(groups: Sequence[list[tuple[int, int, Trait]]]) -> list[tuple[int, int, Trait, int]]:
    """At most _MOST samples, the first repeats of every value and stratum; by stratum, then by label."""
    cells: dict[tuple[int, int], list[tuple[int, int, Trait, int]]] = {}
    for stratum, group in enumerate(groups):
        for label, place, one in group:
            cells.setdefault((stratum, label), []).append((label, place, one, stratum))
    each = max(1, _MOST // max(1, len(cells)))
    return [row for key in sorted(cells) for row in cells[key][:each]]


def _in_step(axis: str, other: str, points: Iterable[Point]) -> bool:
    """Whether the other axis has one value at each value of this one, and this one at each of the other."""
    pairs = {(repr(point.values.get(axis)), repr(point.values.get(other))) for point in points}
    return len(pairs) > 1 and len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})


def scales(case: Case) -> dict[str, list[float]]:
    """What is tested beside the texts: length, thinking where there is any, and whether checks pass or texts broke."""
    found = {"length": [one.scales.get("length", 0.0) for one in case.traits]}
    for name in ("thinking", "thinking_time"):
        told = [one.scales.get(name) for one in case.traits]
        if name == "thinking" and any(told):
            found["thinking"] = [value or 0.0 for value in told]
    bad = mark_bad(case)[0]
    if any(bad) and not all(bad):
        found["broken"] = [float(one) for one in bad]
    return found


def mark_bad(case: Case) -> tuple[list[bool], bool]:
    """Which samples went wrong: by the checks where there are any, else by the signs; and whether it was checks."""
    if any(one.passed is not None for one in case.traits):
        return [one.passed is False for one in case.traits], True
    return [one.broken for one in case.traits], False


def once(case: Case) -> list[int]:
    """The samples as a test of how many go wrong takes them: where all repeats of a value and stratum are one text,
    one of them, as five copies are no more evidence than one. Along the temperature only those at 0 are copies: above
    it equal answers have been drawn."""
    cells: dict[tuple[int, int], list[int]] = {}
    for place, key in enumerate(zip(case.strata, case.labels, strict=True)):
        cells.setdefault(key, []).append(place)
    kept: list[int] = []
    for places in cells.values():
        alike = {(case.traits[place].text, case.traits[place].passed) for place in places}
        drawn = case.axis == "temperature" and case.values[case.labels[places[0]]] != 0
        kept += places[:1] if len(alike) == 1 and not drawn else places
    return sorted(kept)


def sketches(case: Case) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    """The sketch of each text: samples by places of the sketch."""
    return np.stack([one.sketch for one in case.traits if one.sketch is not None])


def say_p(p: float) -> str:
    """p as findings tell it: `p = 0.03`, with a third digit below 0.1."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def percent(share: float) -> str:
    """A share in whole per cent: `93%`."""
    return f"{100 * share:.0f}%"
