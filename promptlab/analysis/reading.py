"""The samples of a run, folded into what its sweep shows: points with their measures, and findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from promptlab.analysis import Measure, Point, Reading, Sample, remark
from promptlab.analysis.agreement import maj_at_k, pass_at_k
from promptlab.analysis.decoding import Gap
from promptlab.analysis.gather import Gathered, Row, gather, lengths_in_common, traits_by
from promptlab.analysis.interval import Estimate, mean, wilson
from promptlab.analysis.measure import CHECK, MAJ, MEASURES, PASS, About, about, ordered
from promptlab.analysis.stability import Stability, deterministic
from promptlab.analysis.text import MOST
from promptlab.analysis.trait import Trait
from promptlab.errors import Sentence
from promptlab.params import Value
from promptlab.sweep import Axis

__all__ = ["MEASURES", "About", "Stability", "about", "deterministic", "read"]

_FAULTS = 3  # reasons of failure that a point names
_SHARES = tuple(name for name, told in MEASURES.items() if told.unit == "share")
_DRAWN = 4  # repeats that pass@k and maj@k need
_TOKENS = ("answer_tokens", "thinking", "speed", "cost")


def read(
    samples: Iterable[Sample], axes: Sequence[Axis] | Mapping[str, tuple[Value, ...]], *,
    prompt_of: Callable[[Sample], str] = lambda sample: "", extract_how: str = "auto",
    expected_of: Callable[[Sample], str | None] = lambda sample: None,
    void: Mapping[str, Collection[str]] | None = None, k: int | None = None,
    tell: Callable[[int, int], None] | None = None, total: int = 0,
) -> Reading:  # fmt: skip
    """What the samples of a run show, point by point in the plan's order, with findings.

    `samples` come in the plan's order: the repeats of one point and row side by side (ValueError where they don't).
    Those that failed or never ran are among them, and are told, not measured. `prompt_of` is the prompt that a sample
    answers, for script drift; `expected_of` its right answer, where a dataset has one; `void` names per target the
    axes that do nothing there (where not given: those of which all its samples have one value). `k` is that of
    pass@k and maj@k; where not given, the largest power of two of which the repeats hold two. `tell` is told after
    each sample how many were read, of `total`.

    At temperature 0 repeats that are one text are one sample of every share: five copies are no more evidence than
    one. Intervals are at 95%: Wilson's for shares, Student's for means, a jackknife for measures of sets. With a
    dataset a measure is worked out within each row, and its interval is that of the mean over rows (Miller,
    arXiv:2411.00640).
    Above 200 repeats of one prompt the first 200 are compared with each other, above 40 the jackknife leaves out a
    fortieth at a time, and an axis is tested on 1,000 samples at most; of this what holds is among the notes.
    """
    named = dict(axes) if isinstance(axes, Mapping) else {axis.name: axis.values for axis in axes}
    came = samples if tell is None else _told(samples, tell, total)
    traits = traits_by(prompt_of, extract_how, expected_of)
    points = gather(came, named, void, traits, lambda values: values.get("temperature", 1) == 0)
    voids = {target: set(names) for target, names in void.items()} if void is not None else _void(points, named)
    lengths = lengths_in_common(points)
    votes = extract_how != "auto" or _mostly_read(points)
    k = k if k is not None else _largest(points)
    told = [_point(one, voids.get(one.target, set()), lengths, votes, k) for one in points]
    names = {name for point in told for name in point.measures} - _twin(told)
    seen = [(place, one) for place, point in enumerate(points) for one in point.traits]
    stable = [(place, row.stability) for place, point in enumerate(points) for row in point.rows.values()
              if row.stability]  # fmt: skip
    return Reading(named, tuple(told), remark.remarks(named, told, seen, stable), ordered(names),
                   tuple(_notes(points, votes)))  # fmt: skip


def _told(samples: Iterable[Sample], tell: Callable[[int, int], None], total: int) -> Iterator[Sample]:
    for number, sample in enumerate(samples, 1):
        yield sample
        tell(number, max(number, total))


def _void(points: Sequence[Gathered], axes: Mapping[str, tuple[Value, ...]]) -> dict[str, set[str]]:
    """Per target the axes of several values of which its samples have one: the plan collapsed them."""
    found: dict[str, set[str]] = {}
    for target in {point.target for point in points}:
        own = [point.values for point in points if point.target == target]
        found[target] = {
            name for name, values in axes.items()
            if len(values) > 1 and len({repr(place.get(name)) for place in own}) == 1
        }  # fmt: skip
    return found


def _mostly_read(points: Sequence[Gathered]) -> bool:
    """Whether a value could be extracted from at least half of the whole answers: else there is none to vote on."""
    whole = [one for point in points for one in point.traits if one.text is not None and one.state == "done"]
    return bool(whole) and 2 * sum(one.label is not None for one in whole) >= len(whole)


def _twin(points: Sequence[Point]) -> set[str]:
    """`passed`, where there is one check and it says no more than that: it is shown under the check's name."""
    checks = {name for point in points for name in point.measures if name.startswith(CHECK)}
    if len(checks) != 1:
        return set()
    (name,) = checks
    return {"passed"} if all(one.measures.get("passed") == one.measures.get(name) for one in points) else set()


def _largest(points: Sequence[Gathered]) -> int:
    """The largest power of two that is at most half the repeats of every point and row that has two or more."""
    sizes = [len(row.traits) for point in points for row in point.rows.values()]
    fewest = min(sizes, default=0)
    return 1 << max(0, (fewest // 2).bit_length() - 1) if fewest >= 2 else 1


# Points --------------------------------------------------------------------------------------------------------------


def _point(
    point: Gathered, void: set[str], lengths: Mapping[int | None, int], votes: bool, k: int
) -> Point:  # fmt: skip
    traits = point.traits
    measures = {**_shares(point, votes), **_drawn(point, k, votes), **_of_sets(point, lengths, votes),
                **_means(point)}  # fmt: skip
    if scored := _gap(point):
        measures["gap"] = scored
    rows = list(point.rows.values())
    shown = next((row.shown for row in rows if row.shown is not None), None)
    faults = Counter(one.fault for one in traits if one.state == "failed" and one.fault)
    return Point(
        point.target, {name: value for name, value in point.values.items() if name not in void},
        tuple(sorted(one.cell for one in traits)),
        shown,
        {name: measures[name] for name in ordered(set(measures))}, tuple(sorted(void)),
        sum(row.answered for row in rows), sum(one.state == "failed" for one in traits),
        len({one.text for one in traits} - {None}), sum(one.state == "incomplete" for one in traits), len(rows),
        next((one.prompt for one in traits if one.cell == shown), ""), tuple(faults.most_common(_FAULTS)),
    )  # fmt: skip


def _shares(point: Gathered, votes: bool) -> dict[str, Measure]:
    flags: dict[str, list[tuple[int | None, bool]]] = {}
    copies = {number for number, row in point.rows.items() if row.copies}

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
    found = {name: _share(_once(told, copies)) for name, told in flags.items()}
    majority = _majority(point) if votes else None
    return {**found, **({"majority": majority} if majority else {})}


def _once(told: Sequence[tuple[int | None, bool]], copies: Collection[int | None]) -> list[tuple[int | None, bool]]:
    """Rows whose repeats are all one text, and of which all say the same, with one sample each."""
    by_row: dict[int | None, list[bool]] = {}
    for row, flag in told:
        by_row.setdefault(row, []).append(flag)
    return [(row, flag) for row, flags in by_row.items()
            for flag in (flags[:1] if row in copies and len(set(flags)) == 1 else flags)]  # fmt: skip


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
    return _over_rows(shares, len(told)) or Measure(shares[0], None, None, len(told))


def _over_rows(shares: Sequence[float], n: int) -> Measure | None:
    """The mean of the rows' shares, which rest on `n` samples."""
    estimate = mean(shares, limits=(0.0, 1.0))
    if estimate is not None and estimate.low is None and estimate.value in (0.0, 1.0):
        return Measure(estimate.value, *wilson(round(estimate.value * len(shares)), len(shares)), n)
    return _measure(estimate, n)


def _majority(point: Gathered) -> Measure | None:
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


def _drawn(point: Gathered, k: int, votes: bool) -> dict[str, Measure]:
    """pass@k by the expected answer, or else by the checks; maj@k by the expected answer. Of fewer than _DRAWN repeats
    they say nothing."""
    if k < 2:
        return {}
    found: dict[str, Measure] = {}
    passed, votes_won, sizes = [], [], []
    for row in point.rows.values():
        judged = [one.correct if one.correct is not None else one.passed for one in row.traits if one.ended]
        told = [flag for flag in judged if flag is not None]
        if len(told) < max(k, _DRAWN):
            continue
        sizes.append((sum(told[:1]), 1) if row.copies and len(set(told)) == 1 else (sum(told), len(told)))
        passed.append(pass_at_k(len(told), sum(told), k))
        right = {one.label for one in row.traits if one.correct and one.label is not None}
        if votes and any(one.correct is not None for one in row.traits):
            counts = Counter(one.label for one in row.traits if one.label is not None)
            abstained = sum(one.label is None for one in row.traits if one.ended)
            votes_won.append(maj_at_k(counts, {label for label in right if label}, k, abstained))
    n = sum(size for _, size in sizes)
    if len(passed) == 1:
        drawn = k if n > 1 else 1
        low, high = (1 - (1 - end) ** drawn for end in wilson(*sizes[0]))
        found[f"{PASS}{k}"] = Measure(passed[0], min(low, passed[0]), max(high, passed[0]), n)
    elif measure := _over_rows(passed, n):
        found[f"{PASS}{k}"] = measure
    won = _over_rows(votes_won, n) if len(votes_won) > 1 else _measure(mean(votes_won), n)
    if won:
        found[f"{MAJ}{k}"] = won
    return found


def _of_sets(point: Gathered, lengths: Mapping[int | None, int], votes: bool) -> dict[str, Measure]:
    """Measures of repeats as a set, within each row; over rows their mean. Rows of one repeat have none."""
    found: dict[str, list[tuple[Estimate, int]]] = {}
    for number, row in point.rows.items():
        answered = row.answered
        for name, estimate in row.sets.items():
            read = sum(one.label is not None for one in row.traits)
            if name != "answer_agreement" or votes:
                found.setdefault(name, []).append((estimate, read if name == "answer_agreement" else answered))
        if number not in lengths:
            continue
        if told := row.distinct_at(lengths[number]):
            found.setdefault("distinct_2", []).append((told, answered))
        if told := row.compression_at(lengths[number], interval="compression" not in found):
            found.setdefault("compression", []).append((told, answered))
    measures = {}
    for name, told_of in found.items():
        limits = (0.0, 1.0 if name in _SHARES else math.inf)
        one = told_of[0][0] if len(told_of) == 1 else mean([estimate.value for estimate, _ in told_of], limits=limits)
        if measure := _measure(one, sum(n for _, n in told_of)):
            measures[name] = measure
    return measures


def _means(point: Gathered) -> dict[str, Measure]:
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


def _gap(point: Gathered) -> Measure | None:
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
    if not math.isfinite(half) or half + slack <= 1e-12:
        return Measure(value, None, None, n)
    return Measure(value, value - half - slack, value + half + slack, n)


def _pooled(row: Row) -> Gap | None:
    """The gap over all tokens of a row's answers: each counts as many times as it has tokens."""
    scored = [one.gap for one in row.traits if one.gap is not None]
    n = sum(count for _, count in scored)
    if not n:
        return None
    value = math.fsum(one.value * count for one, count in scored) / n
    se = math.sqrt(math.fsum((one.se * count) ** 2 for one, count in scored)) / n
    return Gap(value, se, math.fsum(one.slack * count for one, count in scored) / n)


def _notes(points: Sequence[Gathered], votes: bool) -> Iterator[str]:
    if len({row for point in points for row in point.rows}) > 1:
        yield Sentence("measures are means over the dataset's rows, and their intervals are between rows")
    answered = any(one.text is not None for point in points for one in point.traits)
    if answered and not votes and any(one.correct is not None for point in points for one in point.traits):
        yield Sentence("no value could be extracted from most answers: say where it stands with --extract")
    most = max((row.answered for point in points for row in point.rows.values()), default=0)
    if most > MOST:
        yield Sentence("up to {most} repeats of one prompt: effective texts, near twins, compression and the answer "
                       "that is shown are of the first {used}", most=f"{most:,}", used=MOST)  # fmt: skip
