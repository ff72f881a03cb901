"""The samples of a run, folded into what its sweep shows: points with their measures, and findings.

One point is held at a time, so that memory stays flat; of a sample that was read only its trait stays."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from promptlab.analysis import Measure, Point, Reading, Sample, remark
from promptlab.analysis.agreement import collision, exact, maj_at_k, pass_at_k
from promptlab.analysis.decoding import Gap
from promptlab.analysis.interval import Estimate, jackknife, mean, wilson
from promptlab.analysis.measure import CHECK, MAJ, MEASURES, PASS, About, about, ordered
from promptlab.analysis.stability import Stability, deterministic
from promptlab.analysis.text import (
    Texts,
    common_length,
    compression,
    distinct,
    medoid,
    near_duplicates,
    openings,
    vendi,
)
from promptlab.analysis.trait import Trait, trait
from promptlab.params import Value
from promptlab.sweep import Axis

__all__ = ["MEASURES", "About", "Stability", "about", "deterministic", "read"]

_SHARES = tuple(name for name, told in MEASURES.items() if told.unit == "share")
_TOKENS = ("answer_tokens", "thinking", "speed", "cost")
_COMPRESSED = 4_000  # units in all, above which the interval of zlib's ratio would take seconds a point
_COMPARED = 100  # repeats at temperature 0 that are compared to the character

Statistic = Callable[[Sequence[str]], float | None]
# Measures of the repeats of one prompt as a set, by name. Those in _CUT depend on length, so that they are taken at
# several, and told at the one that all points have.
_SETS: dict[str, Statistic] = {
    "vendi": vendi, "openings": openings, "near_duplicates": near_duplicates, "agreement": exact,
}  # fmt: skip
_CUT = ("distinct_2", "compression")


@dataclass(slots=True)
class _Row:
    """What the repeats of one prompt at one point came to. `lengths` is the one that their texts have in common."""

    traits: list[Trait]
    sets: dict[str, Estimate]
    cut: dict[tuple[str, int], Estimate]
    length: int
    shown: int | None
    stability: Stability | None


@dataclass(slots=True)
class _Gathered:
    """One point while it is read; `rows` by the row of the dataset."""

    target: str
    values: dict[str, Value]
    rows: dict[int | None, _Row] = field(default_factory=dict)

    @property
    def traits(self) -> list[Trait]:
        return [one for row in self.rows.values() for one in row.traits]


def read(
    samples: Iterable[Sample], axes: Sequence[Axis] | Mapping[str, tuple[Value, ...]], *,
    prompt_of: Callable[[Sample], str] = lambda sample: "", extract_how: str = "auto",
    expected_of: Callable[[Sample], str | None] = lambda sample: None,
    void: Mapping[str, Collection[str]] | None = None, k: int | None = None,
) -> Reading:  # fmt: skip
    """What the samples of a run show, point by point in the plan's order, with findings.

    `samples` come in the plan's order: the repeats of one point and row side by side (ValueError where they don't).
    Those that failed or never ran are among them, and are told, not measured. `prompt_of` is the prompt that a sample
    answers, for script drift; `expected_of` its right answer, where a dataset has one; `void` names per target the
    axes that do nothing there (where not given: those of which all its samples have one value). `k` is that of
    pass@k and maj@k; where not given, the largest power of two of which the repeats hold two.

    Intervals are at 95%: Wilson's for shares, Student's for means, a jackknife for measures of sets. With a dataset
    a measure is worked out within each row, and its interval is that of the mean over rows (Miller, arXiv:2411.00640).
    """
    named = dict(axes) if isinstance(axes, Mapping) else {axis.name: axis.values for axis in axes}
    gathered: dict[tuple[str, str], _Gathered] = {}
    for target, values, row, group in _groups(samples, named, void):
        point = gathered.setdefault((target, _key(values)), _Gathered(target, values))
        if row in point.rows:
            raise ValueError(f"the samples of {target} at {values} do not stand side by side")
        found = [trait(one, prompt_of(one), extract_how, expected_of(one)) for one in group]
        point.rows[row] = _row(group, found, values.get("temperature", 1) == 0)
    points = list(gathered.values())
    voids = {target: set(names) for target, names in void.items()} if void is not None else _void(points, named)
    lengths = _lengths(points)
    votes = extract_how != "auto" or _mostly_read(points)
    k = k if k is not None else _largest(points)
    told = [_point(one, voids.get(one.target, set()), lengths, votes, k) for one in points]
    names = {name for point in told for name in point.measures}
    seen = [(place, one) for place, point in enumerate(points) for one in point.traits]
    stable = [(place, row.stability) for place, point in enumerate(points) for row in point.rows.values()
              if row.stability]  # fmt: skip
    return Reading(named, tuple(told), remark.remarks(named, told, seen, stable), ordered(names), _notes(points, votes))


# Groups --------------------------------------------------------------------------------------------------------------


def _groups(
    samples: Iterable[Sample], axes: Mapping[str, tuple[Value, ...]], void: Mapping[str, Collection[str]] | None
) -> Iterator[tuple[str, dict[str, Value], int | None, list[Sample]]]:
    """The samples of one point and row, each once all are there. Where an axis turned out void after it was asked at
    several values, these may stand apart: those points are held until the end."""
    held: dict[tuple[str, str, int | None], list[Sample]] = {}
    places: dict[tuple[str, str, int | None], dict[str, Value]] = {}
    apart: set[tuple[str, str, int | None]] = set()
    last: tuple[str, str, int | None] | None = None
    for sample in samples:
        idle = [name for name in (void or {}).get(sample.target, ()) if name in axes]
        values = {name: sample.values.get(name) for name in axes if name not in idle}
        key = (sample.target, _key(values), sample.row)
        if last is not None and key != last and last not in apart:
            yield last[0], places.pop(last), last[2], held.pop(last)
        if any(sample.values.get(name) is not None or None in axes[name] for name in idle):
            apart.add(key)  # a plan that knew leaves a void axis unset, and its repeats side by side
        held.setdefault(key, []).append(sample)
        places[key], last = values, key
    for key, group in held.items():
        yield key[0], places[key], key[2], group


def _key(values: Mapping[str, Value]) -> str:
    return repr([(name, type(value).__name__, value) for name, value in values.items()])


def _void(points: Sequence[_Gathered], axes: Mapping[str, tuple[Value, ...]]) -> dict[str, set[str]]:
    """Per target the axes of several values of which its samples have one: the plan collapsed them."""
    found: dict[str, set[str]] = {}
    for target in {point.target for point in points}:
        own = [point.values for point in points if point.target == target]
        found[target] = {
            name for name, values in axes.items()
            if len(values) > 1 and len({repr(place.get(name)) for place in own}) == 1
        }  # fmt: skip
    return found


def _row(group: Sequence[Sample], traits: list[Trait], cold: bool) -> _Row:
    """The measures of one prompt's repeats as a set; they take in cut answers, whose share is told beside them."""
    answered = [sample for sample, one in zip(group, traits, strict=True) if one.text is not None]
    texts = Texts([sample.answer for sample in answered])
    sets, cut = {}, {}
    for name, statistic in _SETS.items():
        most = float(len(texts)) if name == "vendi" else 1.0
        if estimate := jackknife(statistic, texts, limits=(1.0 if name == "vendi" else 0.0, most)):
            sets[name] = estimate
    labels = [one.label for one in traits if one.label is not None]
    if estimate := jackknife(collision, labels, limits=(0.0, 1.0)):
        sets["answer_agreement"] = estimate
    longest = int(max((one.scales.get("length", 0) for one in traits), default=0))
    for length in _grid(longest) if len(texts) > 1 else ():
        if estimate := jackknife(partial(distinct, n=2, length=length), texts, limits=(0.0, 1.0)):
            cut["distinct_2", length] = estimate
        squeezed = partial(compression, length=length)
        if length * len(texts) <= _COMPRESSED and (estimate := jackknife(squeezed, texts, limits=(0.0, math.inf))):
            cut["compression", length] = estimate
        elif (value := compression(texts, length)) is not None:
            cut["compression", length] = Estimate(value, None, None)
    shown = answered[medoid(texts)].cell if answered else None
    return _Row(traits, sets, cut, common_length(texts), shown, deterministic(group[:_COMPARED]) if cold else None)


def _grid(longest: int) -> Iterator[int]:
    """Lengths to cut texts to: 2, 3, 4, 6, 8, 12, 16 … up to the first that no text exceeds."""
    length = 2
    while True:
        for cut in (length, length * 3 // 2):
            yield cut
            if cut >= longest:
                return
        length *= 2


def _lengths(points: Sequence[_Gathered]) -> dict[int | None, int]:
    """Per row the length to which the texts of all points are cut: as `common_length` chooses it among texts."""
    found: dict[int | None, list[int]] = {}
    for point in points:
        for number, row in point.rows.items():
            if row.cut:
                found.setdefault(number, []).append(row.length)
    chosen = {}
    for number, lengths in found.items():
        own = sorted(lengths)
        least = next(length for length in own if 2 * length >= own[len(own) // 2])
        grid = [length for length in _grid(max(own)) if length <= max(2, least)]
        chosen[number] = grid[-1]
    return chosen


def _mostly_read(points: Sequence[_Gathered]) -> bool:
    """Whether a value could be extracted from at least half of the whole answers: else there is none to vote on."""
    whole = [one for point in points for one in point.traits if one.text is not None and one.state == "done"]
    return bool(whole) and 2 * sum(one.label is not None for one in whole) >= len(whole)


def _largest(points: Sequence[_Gathered]) -> int:
    """The largest power of two that is at most half the repeats of every point and row that has two or more."""
    sizes = [len(row.traits) for point in points for row in point.rows.values()]
    fewest = min(sizes, default=0)
    return 1 << max(0, (fewest // 2).bit_length() - 1) if fewest >= 2 else 1


# Points --------------------------------------------------------------------------------------------------------------


def _point(
    point: _Gathered, void: set[str], lengths: Mapping[int | None, int], votes: bool, k: int
) -> Point:  # fmt: skip
    traits = point.traits
    measures = {**_shares(point, votes), **_drawn(point, k, votes), **_of_sets(point, lengths, votes),
                **_means(point)}  # fmt: skip
    if scored := _gap(point):
        measures["gap"] = scored
    rows = list(point.rows.values())
    return Point(
        point.target, {name: value for name, value in point.values.items() if name not in void},
        tuple(sorted(one.cell for one in traits)),
        next((row.shown for row in rows if row.shown is not None), None),
        {name: measures[name] for name in ordered(set(measures))}, tuple(sorted(void)),
        sum(one.text is not None for one in traits), sum(one.state == "failed" for one in traits),
    )  # fmt: skip


def _shares(point: _Gathered, votes: bool) -> dict[str, Measure]:
    flags: dict[str, list[tuple[int | None, bool]]] = {}

    def note(name: str, one: Trait, flag: bool | None) -> None:
        if flag is not None:
            flags.setdefault(name, []).append((one.row, flag))

    for one in point.traits:
        if not one.ended:
            continue
        note("cut", one, one.state == "incomplete")
        note("passed", one, one.passed)
        note("correct", one, one.correct)
        for name, flag in one.checks:
            note(CHECK + name, one, flag)
        if votes and one.text is not None:
            note("unread", one, one.label is None)
    found = {name: _share(told) for name, told in flags.items()}
    majority = _majority(point) if votes else None
    return {**found, **({"majority": majority} if majority else {})}


def _share(told: Sequence[tuple[int | None, bool]]) -> Measure:
    """A share of samples. Several repeats of a row are not independent: then the mean of the rows' shares, by t, and
    where no row differs from another by Wilson's interval for as many samples as there are rows."""
    by_row: dict[int | None, list[bool]] = {}
    for row, flag in told:
        by_row.setdefault(row, []).append(flag)
    if len(by_row) == 1 or all(len(flags) == 1 for flags in by_row.values()):
        count = sum(flag for _, flag in told)
        return Measure(count / len(told), *wilson(count, len(told)), len(told))
    shares = [sum(flags) / len(flags) for flags in by_row.values()]
    middle = math.fsum(shares) / len(shares)
    estimate = mean(shares, limits=(0.0, 1.0))
    if max(shares) - min(shares) < 1e-12 or estimate is None:
        if middle in (0.0, 1.0):
            return Measure(middle, *wilson(round(middle * len(shares)), len(shares)), len(told))
        return Measure(middle, None, None, len(told))
    return Measure(estimate.value, estimate.low, estimate.high, len(told))


def _majority(point: _Gathered) -> Measure | None:
    """The share of the commonest answer among those that could be read, within each row."""
    counts = [Counter(one.label for one in row.traits if one.label is not None) for row in point.rows.values()]
    voted = [(max(count.values()), count.total()) for count in counts if count.total() > 1]
    if not voted:
        return None
    n = sum(total for _, total in voted)
    if len(voted) == 1:
        return Measure(voted[0][0] / n, *wilson(*voted[0]), n)
    return _measure(mean([first / total for first, total in voted], limits=(0.0, 1.0)), n)


def _measure(estimate: Estimate | None, n: int, estimated: bool = False) -> Measure | None:
    return Measure(estimate.value, estimate.low, estimate.high, n, estimated) if estimate else None


def _drawn(point: _Gathered, k: int, votes: bool) -> dict[str, Measure]:
    """pass@k by the expected answer, or else by the checks; maj@k by the expected answer."""
    if k < 2:
        return {}
    found: dict[str, Measure] = {}
    passed, votes_won, sizes = [], [], []
    for row in point.rows.values():
        judged = [one.correct if one.correct is not None else one.passed for one in row.traits if one.ended]
        told = [flag for flag in judged if flag is not None]
        if len(told) < k:
            continue
        sizes.append((sum(told), len(told)))
        passed.append(pass_at_k(len(told), sum(told), k))
        right = {one.label for one in row.traits if one.correct and one.label is not None}
        if votes and any(one.correct is not None for one in row.traits):
            counts = Counter(one.label for one in row.traits if one.label is not None)
            abstained = sum(one.label is None for one in row.traits if one.ended)
            votes_won.append(maj_at_k(counts, {label for label in right if label}, k, abstained))
    n = sum(size for _, size in sizes)
    if len(passed) == 1:
        low, high = (1 - (1 - end) ** k for end in wilson(*sizes[0]))
        found[f"{PASS}{k}"] = Measure(passed[0], min(low, passed[0]), max(high, passed[0]), n)
    elif measure := _measure(mean(passed, limits=(0.0, 1.0)), n):
        found[f"{PASS}{k}"] = measure
    if measure := _measure(mean(votes_won, limits=(0.0, 1.0)), n):
        found[f"{MAJ}{k}"] = measure
    return found


def _of_sets(point: _Gathered, lengths: Mapping[int | None, int], votes: bool) -> dict[str, Measure]:
    """Measures of repeats as a set, within each row; over rows their mean. Rows of one repeat have none."""
    found: dict[str, list[tuple[Estimate, int]]] = {}
    for number, row in point.rows.items():
        answered = sum(one.text is not None for one in row.traits)
        for name, estimate in row.sets.items():
            read = sum(one.label is not None for one in row.traits)
            if name != "answer_agreement" or votes:
                found.setdefault(name, []).append((estimate, read if name == "answer_agreement" else answered))
        for name in _CUT:
            if number in lengths and (cut := _at(row, name, lengths[number])):
                found.setdefault(name, []).append((cut, answered))
    measures = {}
    for name, told in found.items():
        limits = (0.0, 1.0 if name in _SHARES else math.inf)
        one = told[0][0] if len(told) == 1 else mean([estimate.value for estimate, _ in told], limits=limits)
        if measure := _measure(one, sum(n for _, n in told)):
            measures[name] = measure
    return measures


def _at(row: _Row, name: str, length: int) -> Estimate | None:
    """A measure at a length; texts that are all shorter take part with all they have."""
    own = [cut for kind, cut in row.cut if kind == name and cut <= length]
    return row.cut[name, max(own)] if own else None


def _means(point: _Gathered) -> dict[str, Measure]:
    values: dict[str, list[tuple[int | None, float]]] = {}
    for one in point.traits:
        for name, value in one.scales.items():
            values.setdefault(name, []).append((one.row, value))
    estimated = any(one.estimated for one in point.traits)
    found = {}
    for name, told in values.items():
        rows = [row for row, _ in told] if len({row for row, _ in told}) > 1 else None
        estimate = mean([value for _, value in told], rows, limits=(0.0, 1.0 if name in _SHARES else math.inf))
        if measure := _measure(estimate, len(told), estimated and name in _TOKENS):
            found[name] = measure
    return found


def _gap(point: _Gathered) -> Measure | None:
    """Surprisal less entropy over all tokens of a point. Its errors are uncorrelated from token to token, so that they
    add up over repeats as well; over rows it differs, where the temperature is not 1, and the rows' spread counts."""
    rows = [told for row in point.rows.values() if (told := _pooled(row))]
    if not rows:
        return None
    n = sum(one.gap is not None for one in point.traits)
    value, slack = math.fsum(one.value for one in rows) / len(rows), math.fsum(one.slack for one in rows) / len(rows)
    half = 1.96 * math.sqrt(math.fsum(one.se**2 for one in rows)) / len(rows)
    spread = mean([one.value for one in rows])
    if spread and spread.high is not None:
        half = max(half, spread.high - spread.value)
    if not math.isfinite(half):
        return Measure(value, None, None, n)
    return Measure(value, value - half - slack, value + half + slack, n)


def _pooled(row: _Row) -> Gap | None:
    """The gap over all tokens of a row's answers: each counts as many times as it has tokens."""
    scored = [one.gap for one in row.traits if one.gap is not None]
    n = sum(count for _, count in scored)
    if not n:
        return None
    value = math.fsum(one.value * count for one, count in scored) / n
    se = math.sqrt(math.fsum((one.se * count) ** 2 for one, count in scored)) / n
    return Gap(value, se, math.fsum(one.slack * count for one, count in scored) / n)


def _notes(points: Sequence[_Gathered], votes: bool) -> tuple[str, ...]:
    notes = []
    if len({row for point in points for row in point.rows}) > 1:
        notes.append("measures are means over the dataset's rows, and their intervals are between rows")
    answered = any(one.text is not None for point in points for one in point.traits)
    if answered and not votes and any(one.correct is not None for point in points for one in point.traits):
        notes.append("no value could be extracted from most answers: say where it stands with --extract")
    return tuple(notes)
