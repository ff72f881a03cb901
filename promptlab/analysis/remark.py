"""Findings in words, each with its test, p and n; and, where samples are too few to find anything, how many it takes.

The level is 5% for a whole reading: whether an axis does anything is one omnibus test per target and axis, corrected
by Holm for how many there are, and only where it finds an effect is it told what kind of effect it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlab.analysis import Point, Remark
from promptlab.analysis.effect import (
    LEVEL,
    Effect,
    breaks,
    holm,
    judge,
    least_p,
    p_values,
    reach,
    repeats_needed,
    settled,
    shuffles,
)
from promptlab.analysis.measure import about
from promptlab.analysis.stability import Stability
from promptlab.analysis.trait import BROKEN_DRIFT, BROKEN_REPETITION, BROKEN_SURPRISAL, Trait
from promptlab.params import BODY, Value, show

FEWEST = 3  # answers at each value before anything is said of an axis
WORTH = 5  # repeats to ask for where there are too few: from here on the tests find what is plain to see
_MOST = 1000  # samples of a target that an axis is tested on
_PLAIN = 0.75  # share of one value's answers that must be enough to be found, before "no effect" is said
_BAD, _GOOD = 0.2, 0.2  # a side breaks from this share on; a side is usable up to this one
_COLLAPSED = 0.9
_CUT = 0.1
_SHARES = {0.25: "a quarter", 0.5: "half", 0.75: "three quarters", 1.0: "all"}

Seen = Sequence[tuple[int, Trait]]


@dataclass(frozen=True, slots=True)
class _Case:
    """One axis at one target: the traits that can be compared, their labels (places among `values`, in order) and
    strata. `name` is the axis as people read it, with those that go in step with it."""

    target: str
    axis: str
    name: str
    values: tuple[Value, ...]
    traits: tuple[Trait, ...]
    points: tuple[int, ...]
    labels: tuple[int, ...]
    strata: tuple[int, ...]

    @property
    def numeric(self) -> bool:
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    @property
    def least(self) -> int:
        """Samples at the value that has fewest."""
        return min(Counter(self.labels).values())


def remarks(
    axes: Mapping[str, tuple[Value, ...]], points: Sequence[Point], seen: Seen,
    stable: Sequence[tuple[int, Stability]] = (),
) -> tuple[Remark, ...]:  # fmt: skip
    """The findings of a reading, target by target. `seen` are all samples with the place of their point in `points`;
    `stable` the comparisons of repeats at temperature 0."""
    targets = list(dict.fromkeys(point.target for point in points))
    cases = [case for target in targets for axis in axes
             if not axis.startswith("var.") and (case := _case(target, axis, axes, points, seen))]  # fmt: skip
    judged = {place: _judge(case) for place, case in enumerate(cases) if not _too_few(case, len(cases))}
    adjusted = holm({str(place): effect.p for place, effect in judged.items()})
    found: list[Remark] = []
    for target in targets:
        own = [one for place, one in seen if points[place].target == target]
        found += _faults(target, own)
        for place, case in enumerate(cases):
            if case.target != target:
                continue
            if place not in judged:
                found.append(_needs(case, len(cases)))
            elif adjusted[str(place)] > LEVEL:
                found.append(_nothing(case, adjusted[str(place)]))
            else:
                found += [_effect(case, judged[place], adjusted[str(place)], points), *_kinds(case, judged[place])]
        found += _stability(target, points, stable)
        found += _cuts(target, own)
    return tuple(found)


# What is compared ----------------------------------------------------------------------------------------------------


def _case(
    target: str, axis: str, axes: Mapping[str, tuple[Value, ...]], points: Sequence[Point], seen: Seen
) -> _Case | None:
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
    name = " with ".join(part.removeprefix(BODY) for part in [axis, *step])
    return _Case(target, axis, name, tuple(values[label] for label in left), tuple(row[2] for row in rows),
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


def _scales(case: _Case) -> dict[str, list[float]]:
    """What is tested beside the texts: length, thinking where there is any, and whether checks pass or texts broke."""
    found = {"length": [one.scales.get("length", 0.0) for one in case.traits]}
    for name in ("thinking", "thinking_time"):
        told = [one.scales.get(name) for one in case.traits]
        if name == "thinking" and any(told):
            found["thinking"] = [value or 0.0 for value in told]
    bad = _bad(case)[0]
    if any(bad) and not all(bad):
        found["broken"] = [float(one) for one in bad]
    return found


def _bad(case: _Case) -> tuple[list[bool], bool]:
    """Which samples went wrong: by the checks where there are any, else by the signs; and whether it was checks."""
    if any(one.passed is not None for one in case.traits):
        return [one.passed is False for one in case.traits], True
    return [one.broken for one in case.traits], False


def _once(case: _Case) -> list[int]:
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


def _judge(case: _Case) -> Effect:
    return judge(case.labels, case.strata, _sketches(case), _scales(case))


def _sketches(case: _Case) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    return np.stack([one.sketch for one in case.traits if one.sketch is not None])


def _too_few(case: _Case, tests: int) -> bool:
    return case.least < FEWEST or least_p(case.labels, case.strata) > LEVEL / tests


# In words ------------------------------------------------------------------------------------------------------------


def _needs(case: _Case, tests: int) -> Remark:
    rows = len(set(case.strata))
    have = min(Counter(zip(case.strata, case.labels, strict=True)).values())
    wanted = max(WORTH if rows == 1 else 1, have + 1, repeats_needed(len(case.values), rows, tests))
    text = (f"too few samples to tell what {case.name} does at {case.target}: {_count(have, 'repeat')} of each value, "
            f"{wanted} would do")  # fmt: skip
    return Remark("too-few", text, case.target, None, len(case.traits), wanted - have)


def _nothing(case: _Case, p: float) -> Remark:
    n = len(case.traits)
    whole = len(set(zip(case.strata, (one.text for one in case.traits), strict=True))) == len(set(case.strata))
    size = reach(case.labels, case.strata, _sketches(case), _scales(case))
    head = f"{case.name} had no measurable effect on {case.target}"
    if whole and size is not None:
        tail = "every answer is the same text; a prompt that leaves more room would tell more"
        return Remark("no-effect", f"{head} (n = {n}): {tail}", case.target, p, n)
    if size is not None and size <= _PLAIN:
        tail = f"{_SHARES[size]} of the answers at one value turning into one same text would have shown"
        return Remark("no-effect", f"{head} (n = {n}, {_p(p)}): {tail}", case.target, p, n)
    have = min(Counter(zip(case.strata, case.labels, strict=True)).values())
    limit = "only a change of all answers at one value" if size is not None else "not even a change of all answers"
    text = (f"no effect of {case.name} was detected on {case.target} (n = {n}, {_p(p)}), and little can be said: "
            f"{limit} would have shown; {max(WORTH, 2 * have)} repeats would tell more")  # fmt: skip
    return Remark("not-detected", text, case.target, p, n, max(WORTH, 2 * have) - have)


def _effect(case: _Case, effect: Effect, p: float, points: Sequence[Point]) -> Remark:
    change = _change(case, effect, points)
    text = f"{case.name} changes the answers of {case.target} (n = {len(case.traits)}, {_p(p)}){change}"
    return Remark("effect", text, case.target, p, len(case.traits))


def _change(case: _Case, effect: Effect, points: Sequence[Point]) -> str:
    """What changed most plainly, from the first value to the last."""
    plain = {name for name, p in effect.parts.items() if p <= LEVEL}
    texts = plain & {"text", "alike", "text within rows"}
    order = [*(["thinking"] if "thinking" in plain else []), *(["distinct_2"] if texts else []),
             *(["length"] if "length" in plain else [])]  # fmt: skip
    for name in order:
        ends = [_mean_over([points[place] for place in _places(case, label)], name) for label in (0, -1)]
        if ends[0] is not None and ends[1] is not None and _short(ends[0]) != _short(ends[1]):
            first, last = (f"{_short(end)} at {show(case.values[place])}"
                           for end, place in zip(ends, (0, -1), strict=True) if end is not None)  # fmt: skip
            return f": {about(name).title} {first}, {last}"
    return ""


def _places(case: _Case, label: int) -> list[int]:
    wanted = label % len(case.values)
    return sorted({place for place, own in zip(case.points, case.labels, strict=True) if own == wanted})


def _mean_over(points: Sequence[Point], name: str) -> float | None:
    told = [point.measures[name].value for point in points if name in point.measures]
    return sum(told) / len(told) if told else None


def _kinds(case: _Case, effect: Effect) -> Iterator[Remark]:
    """What kind of effect it is: where answers break, where they collapse, how lengths go."""
    if case.numeric:
        if found := _broken(case):
            yield found
        if found := _collapse(case):
            yield found
    elif effect.parts.get("broken", 1) <= LEVEL and (found := _extremes(case, effect.parts["broken"])):
        yield found
    if effect.parts.get("length", 1) <= LEVEL and _cut_share(case.traits) <= _CUT:
        yield _lengths(case, effect.parts["length"])


def _broken(case: _Case) -> Remark | None:
    bad, checked = _bad(case)
    kept = _once(case)
    tested = ([case.labels[at] for at in kept], [case.strata[at] for at in kept], [bad[at] for at in kept])
    if both := _ends(case, tested, bad, checked):
        return both
    found = breaks(*tested)
    if found is None or found.p > LEVEL or max(found.above, found.below) < _BAD:
        return None
    at, before = show(case.values[found.at]), show(case.values[found.at - 1])
    what = "break the form" if checked else "look broken"
    tail = "" if checked else ": odd words, loops, another script or a surprisal above 5 nats"
    n = len(kept)
    below, above = (_share_of(bad, case, side) for side in (range(found.at), range(found.at, len(case.values))))
    if found.above > found.below:
        bound = f"usable up to about {case.name} {before}: " if below <= _GOOD else ""
        rest = f"below it {_percent(below)}" if below else "nothing below it breaks"
        text = f"{bound}from {at} on {_percent(above)} of the answers {what}, {rest}"
    else:
        bound = f"usable from about {case.name} {at}: " if above <= _GOOD else ""
        rest = f"above it {_percent(above)}" if above else "nothing above it breaks"
        text = f"{bound}up to {before} {_percent(below)} of the answers {what}, {rest}"
    return Remark("range", f"{text} (n = {n}, {_p(found.p)}){tail}", case.target, found.p, n)


def _ends(
    case: _Case, tested: tuple[list[int], list[int], list[bool]], bad: Sequence[bool], checked: bool
) -> Remark | None:
    """Where answers go wrong at both ends: what they do there, and the values between that are usable."""
    found = window(*tested)
    if found is None or found.p > LEVEL:
        return None
    sides = (range(found.start), range(found.start, found.stop), range(found.stop, len(case.values)))
    shares = [_share_of(bad, case, side) for side in sides]
    if shares[1] > _GOOD or min(shares[0], shares[2]) < _BAD:
        return None
    below, above = show(case.values[found.start - 1]), show(case.values[found.stop])
    if checked:
        text = (f"{_percent(shares[0])} of the answers break the form at and below {case.name} {below}, "
                f"{_percent(shares[2])} from {above} on")  # fmt: skip
    else:
        broken = [(one, label) for one, label, flag in zip(case.traits, case.labels, bad, strict=True) if flag]
        first, second = (_sign([one for one, label in broken if label in side]) for side in sides[::2])
        text = f"{first[0]} at and below {case.name} {below} ({first[1]}), {second[0]} from {above} on ({second[1]})"
    values = [show(case.values[label]) for label in sides[1]]
    between = f"{', '.join(values[:-1])} and {values[-1]} are" if len(values) > 1 else f"only {values[0]} is"
    n = len(tested[0])
    return Remark("range", f"{text}: between them {between} usable (n = {n}, {_p(found.p)})", case.target, found.p, n)


@dataclass(frozen=True, slots=True)
class Window:
    """Labels from `start` up to but not `stop` that differ from both sides; `p` is the largest of three: of the window
    over all that there could have been, and of each side against it."""

    start: int
    stop: int
    p: float


def window(labels: Sequence[int], strata: Sequence[int], bad: Sequence[bool], seed: int = 0) -> Window | None:
    """The labels in the middle whose share of bad samples is most below that of all others, where each side alone is
    above it, too; None where there is none. As an intersection-union test (Berger 1982) its p is the largest."""
    own, rows, marks = np.asarray(labels), np.asarray(strata), np.asarray(bad, dtype=np.float64)
    last = int(own.max(initial=0)) + 1
    if last < 3 or marks.min() == marks.max():
        return None
    permuted = shuffles(labels, strata, seed)
    places = [(start, stop) for start in range(1, last - 1) for stop in range(start + 1, last)]
    spread = marks.mean() * (1 - marks.mean())
    scores = []
    for start, stop in places:
        inside = (permuted >= start) & (permuted < stop)
        n = int(inside[0].sum())
        differs = (~inside) @ marks / (len(marks) - n) - inside @ marks / n
        scores.append(differs / math.sqrt(spread * (1 / n + 1 / (len(marks) - n))))
    greatest = settled(np.max(np.stack(scores), axis=0))
    start, stop = places[int(np.argmax([score[0] for score in scores]))]
    ps = [float(p_values(greatest)[0])]
    for kept, low in ((own < stop, True), (own >= start, False)):
        side = breaks(own[kept].tolist(), rows[kept].tolist(), (marks[kept] > 0).tolist(), seed)
        if side is None or (side.below > side.above) != low or side.at != (start if low else stop):
            return None
        ps.append(side.p)
    return Window(start, stop, max(ps))


def _share_of(bad: Sequence[bool], case: _Case, side: range) -> float:
    own = [flag for flag, label in zip(bad, case.labels, strict=True) if label in side]
    return sum(own) / len(own)


def _sign(broken: Sequence[Trait]) -> tuple[str, str]:
    """What broken texts do, by the commonest of their signs, and how much of it."""
    signs = {
        "repetition": ("repeats itself", "repeated 4-grams {}", BROKEN_REPETITION),
        "surprisal": ("breaks", "surprisal {} nats", BROKEN_SURPRISAL),
        "drift": ("breaks", "letters in another script {}", BROKEN_DRIFT),
    }
    found = {name: own for name, (_, _, least) in signs.items()
             if (own := [value for one in broken if (value := one.scales.get(name, 0.0)) > least])}  # fmt: skip
    if not found:
        return "breaks", "odd words"
    name = max(found, key=lambda name: len(found[name]))
    mean = sum(found[name]) / len(found[name])
    return signs[name][0], signs[name][1].format(f"{mean:.2g}")


def _collapse(case: _Case) -> Remark | None:
    """The values, from one end, at which nearly all repeats of a prompt are one text, as they are not elsewhere."""
    texts = [one.text or 0 for one in case.traits]
    times = Counter(zip(case.strata, texts, strict=True))
    shared = [times[key] > 1 for key in zip(case.strata, texts, strict=True)]
    found = breaks(case.labels, case.strata, shared)
    if found is None or found.p > LEVEL:
        return None
    low = found.below > found.above
    fallen = range(found.at) if low else range(found.at, len(case.values))
    if any(_same(case, texts, label) < _COLLAPSED for label in fallen):
        return None
    at = show(case.values[found.at - 1 if low else found.at])
    where = f"up to {case.name} {at}" if low else f"from {case.name} {at} on"
    n = found.n_below if low else found.n_above
    return Remark("collapse", f"answers collapse to one {where} (n = {n}, {_p(found.p)})", case.target, found.p, n)


def _same(case: _Case, texts: Sequence[int], label: int) -> float:
    """The share of pairs within a row that are the same text."""
    rows: dict[int, Counter[int]] = {}
    for own, stratum, text in zip(case.labels, case.strata, texts, strict=True):
        if own == label:
            rows.setdefault(stratum, Counter())[text] += 1
    pairs = sum(row.total() * (row.total() - 1) for row in rows.values())
    return sum(count * (count - 1) for row in rows.values() for count in row.values()) / pairs if pairs else 0.0


def _extremes(case: _Case, p: float) -> Remark | None:
    """Of values without an order: where most and fewest answers go wrong, if copies of one text don't decide it."""
    bad, checked = _bad(case)
    kept = _once(case)
    if len(kept) < len(bad):  # copies took part in `p`
        scales = {"broken": [float(bad[at]) for at in kept]}
        labels, strata = [case.labels[at] for at in kept], [case.strata[at] for at in kept]
        p = max(p, judge(labels, strata, _sketches(case)[kept], scales).parts["broken"])
        if p > LEVEL:
            return None
    shares = []
    for label, value in enumerate(case.values):
        own = [flag for flag, mine in zip(bad, case.labels, strict=True) if mine == label]
        shares.append((sum(own) / len(own), show(value)))
    most, fewest = max(shares), min(shares)
    what = "break the form" if checked else "look broken"
    text = f"{_percent(most[0])} of the answers {what} at {case.name} {most[1]}, {_percent(fewest[0])} at {fewest[1]}"
    return Remark("form", f"{text} (n = {len(kept)}, {_p(p)})", case.target, p, len(kept))


def _lengths(case: _Case, p: float) -> Remark:
    ends = []
    for label in (0, len(case.values) - 1):
        own = [
            one.scales.get("length", 0.0) for one, mine in zip(case.traits, case.labels, strict=True) if mine == label
        ]
        ends.append(sum(own) / len(own))
    first, last = show(case.values[0]), show(case.values[-1])
    text = f"lengths change with {case.name}: {_short(ends[0])} units at {first}, {_short(ends[1])} at {last}"
    n = len(case.traits)
    return Remark("length", f"{text} (n = {n}, {_p(p)})", case.target, p, n)


# What is told without a test: it is counted, not inferred -------------------------------------------------------------


def _faults(target: str, traits: Sequence[Trait]) -> Iterator[Remark]:
    n = len(traits)
    counts = Counter(one.state for one in traits)
    unsent = n - counts["failed"] - counts["done"] - counts["incomplete"]
    why = Counter(one.fault for one in traits if one.state == "failed" and one.fault).most_common(1)
    reason, times = why[0] if why else ("they are in no measure", counts["failed"])
    most = f", {times} of them" if times < counts["failed"] else ""
    for code, count, text in (
        ("failed", counts["failed"], f"requests failed{most}: {reason}"),
        ("missing", unsent, "cells have no answer: cancelled or never sent"),
        ("empty", sum(one.ended and one.text is None for one in traits), "answers are empty"),
    ):
        if count:
            yield Remark(code, f"{count} of {n} {text} ({target})", target, None, n)


def _cuts(target: str, traits: Sequence[Trait]) -> Iterator[Remark]:
    ended = [one for one in traits if one.ended]
    cut = [one for one in ended if one.state == "incomplete"]
    if not cut:
        return
    limited = sum(one.reason in ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens") for one in cut)
    where = "at max_tokens" if limited == len(cut) else "before their end"
    text = f"{_percent(len(cut) / len(ended))} of {target}'s answers were cut {where}: lengths are not comparable"
    yield Remark("cut", f"{text} (n = {len(ended)})", target, None, len(ended))


def _stability(target: str, points: Sequence[Point], stable: Sequence[tuple[int, Stability]]) -> Iterator[Remark]:
    """What repeats at temperature 0 were, over rows and points: the first that is not one text is told."""
    own = [one for place, one in stable if points[place].target == target and one.n > 1]
    if not own:
        return
    n = sum(one.n for one in own)
    different = [one for one in own if not one.same]
    if different:
        one = different[0]
        more = f" (as with {len(different)} of {len(own)} prompts)" if len(own) > 1 else ""
        text = (f"{one.distinct} distinct answers of {one.n} at temperature 0: not deterministic at {target}, "
                f"first difference at {one.place}{more}")  # fmt: skip
        yield Remark("not-deterministic", text, target, None, n)
    elif min(one.n for one in own) >= FEWEST:
        yield Remark("deterministic", f"all repeats at temperature 0 are the same text at {target} (n = {n})", target,
                     None, n)  # fmt: skip


def _cut_share(traits: Sequence[Trait]) -> float:
    return sum(one.state == "incomplete" for one in traits) / len(traits)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
