"""Findings in words, each with its test, p and n; and, where samples are too few to find anything, how many it takes.

The level is 5% for a whole reading: whether an axis does anything is one omnibus test per target and axis, corrected
by Holm for how many there are, and only where it finds an effect is it told what kind of effect it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from promptlab.analysis import Point, Remark
from promptlab.analysis.case import Case, Seen, percent, say_p, scales, sketches, tell_apart
from promptlab.analysis.effect import LEVEL, Effect, holm, judge, least_p, reach, repeats_needed
from promptlab.analysis.extent import find_break, find_collapse, find_extremes
from promptlab.analysis.measure import MEASURES
from promptlab.analysis.stability import Stability
from promptlab.analysis.trait import Trait
from promptlab.errors import Sentence
from promptlab.params import Value, show

FEWEST = 3  # answers at each value before anything is said of an axis
WORTH = 5  # repeats to ask for where there are too few: from here on the tests find what is plain to see
_PLAIN = 0.75  # share of one value's answers that must be enough to be found, before "no effect" is said
_CUT = 0.1
_SHARES = {0.25: "a quarter", 0.5: "half", 0.75: "three quarters"}
_TEMPERATURE = "temperature"


def remarks(
    axes: Mapping[str, tuple[Value, ...]], points: Sequence[Point], seen: Seen,
    stable: Sequence[tuple[int, Stability]] = (),
) -> tuple[Remark, ...]:  # fmt: skip
    """The findings of a reading, target by target. `seen` are all samples with the place of their point in `points`;
    `stable` the comparisons of repeats at temperature 0."""
    targets = list(dict.fromkeys(point.target for point in points))
    cases = [case for target in targets for axis in axes
             if not axis.startswith("var.") and (case := tell_apart(target, axis, axes, points, seen))]  # fmt: skip
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


def _judge(case: Case) -> Effect:
    return judge(case.labels, case.strata, sketches(case), scales(case))


def _too_few(case: Case, tests: int) -> bool:
    return case.least < FEWEST or least_p(case.labels, case.strata) > LEVEL / tests


# In words ------------------------------------------------------------------------------------------------------------


def _needs(case: Case, tests: int) -> Remark:
    rows = len(set(case.strata))
    have = min(Counter(zip(case.strata, case.labels, strict=True)).values())
    wanted = max(WORTH if rows == 1 else 1, have + 1, repeats_needed(len(case.values), rows, tests))
    told = Sentence("{count} repeat" if have == 1 else "{count} repeats", count=have)
    said = Sentence("too few samples to tell what {axis} does at {target}: {have} of each value, {wanted} would do",
                    axis=case.said, target=case.target, have=told, wanted=wanted)  # fmt: skip
    return Remark("too-few", said, case.target, None, len(case.traits), wanted - have)


def _nothing(case: Case, p: float) -> Remark:
    n = len(case.traits)
    whole = len(set(zip(case.strata, (one.text for one in case.traits), strict=True))) == len(set(case.strata))
    size = reach(case.labels, case.strata, sketches(case), scales(case))
    of: dict[str, str | int] = {"axis": case.said, "target": case.target, "n": n, "p": say_p(p)}
    if whole and size is not None:
        said = Sentence("{axis} had no measurable effect on {target} (n = {n}): every answer is the same text; a "
                        "prompt that leaves more room would tell more", **of)  # fmt: skip
        return Remark("no-effect", said, case.target, p, n)
    if size is not None and size <= _PLAIN:
        said = Sentence("{axis} had no measurable effect on {target} (n = {n}, {p}): {share} of the answers at one "
                        "value turning into one same text would have shown",
                        share=Sentence.whole(_SHARES[size]), **of)  # fmt: skip
        return Remark("no-effect", said, case.target, p, n)
    have = min(Counter(zip(case.strata, case.labels, strict=True)).values())
    wanted = max(WORTH, 2 * have)
    limit = Sentence("only a change of all answers at one value" if size is not None else
                     "not even a change of all answers")  # fmt: skip
    said = Sentence("no effect of {axis} was detected on {target} (n = {n}, {p}), and little can be said: {limit} "
                    "would have shown; {wanted} repeats would tell more",
                    limit=limit, wanted=wanted, **of)  # fmt: skip
    return Remark("not-detected", said, case.target, p, n, wanted - have)


def _effect(case: Case, effect: Effect, p: float, points: Sequence[Point]) -> Remark:
    n = len(case.traits)
    said = Sentence("{axis} changes the answers of {target} (n = {n}, {p}){change}", axis=case.said, target=case.target,
                    n=n, p=say_p(p), change=_change(case, effect, points))  # fmt: skip
    return Remark("effect", said, case.target, p, n)


def _change(case: Case, effect: Effect, points: Sequence[Point]) -> str:
    """What changed most plainly, from the first value to the last; empty where nothing did."""
    plain = {name for name, p in effect.parts.items() if p <= LEVEL}
    texts = plain & {"text", "alike", "text within rows"}
    order = [*(["thinking"] if "thinking" in plain else []), *(["distinct_2"] if texts else []),
             *(["length"] if "length" in plain else [])]  # fmt: skip
    for name in order:
        ends = [_mean_over([points[place] for place in _places(case, label)], name) for label in (0, -1)]
        if ends[0] is not None and ends[1] is not None and _short(ends[0]) != _short(ends[1]):
            return Sentence(": {measure} {first} at {low}, {last} at {high}",
                            measure=Sentence.whole(MEASURES[name].title), first=_short(ends[0]), last=_short(ends[1]),
                            **_outer(case))  # fmt: skip
    return ""


def _outer(case: Case) -> dict[str, str]:
    """The first and the last value of the axis."""
    return {"low": show(case.values[0]), "high": show(case.values[-1])}


def _places(case: Case, label: int) -> list[int]:
    wanted = label % len(case.values)
    return sorted({place for place, own in zip(case.points, case.labels, strict=True) if own == wanted})


def _mean_over(points: Sequence[Point], name: str) -> float | None:
    told = [point.measures[name].value for point in points if name in point.measures]
    return sum(told) / len(told) if told else None


def _kinds(case: Case, effect: Effect) -> Iterator[Remark]:
    """What kind of effect it is: where answers break, where they collapse, how lengths go."""
    if case.numeric:
        if found := find_break(case):
            yield found
        if found := find_collapse(case):
            yield found
    elif effect.parts.get("broken", 1) <= LEVEL and (found := find_extremes(case, effect.parts["broken"])):
        yield found
    if effect.parts.get("length", 1) <= LEVEL and _cut_share(case.traits) <= _CUT:
        yield _lengths(case, effect.parts["length"])


def _lengths(case: Case, p: float) -> Remark:
    ends = []
    for label in (0, len(case.values) - 1):
        own = [
            one.scales.get("length", 0.0) for one, mine in zip(case.traits, case.labels, strict=True) if mine == label
        ]
        ends.append(sum(own) / len(own))
    n = len(case.traits)
    said = Sentence("lengths change with {axis}: {first} units at {low}, {last} at {high} (n = {n}, {p})",
                    axis=case.said, first=_short(ends[0]), last=_short(ends[1]), n=n, p=say_p(p),
                    **_outer(case))  # fmt: skip
    return Remark("length", said, case.target, p, n)


# What is told without a test: it is counted, not inferred -------------------------------------------------------------


def _faults(target: str, traits: Sequence[Trait]) -> Iterator[Remark]:
    n = len(traits)
    counts = Counter(one.state for one in traits)
    empty = sum(one.ended and one.text is None for one in traits)
    unsent = n - counts["failed"] - counts["done"] - counts["incomplete"]
    why = Counter(one.fault for one in traits if one.state == "failed" and one.fault).most_common(1)
    reason, times = why[0] if why else ("they are in no measure", counts["failed"])
    failed = Sentence("{count} of {n} requests failed, {times} of them: {reason} ({target})"
                      if times < counts["failed"] else "{count} of {n} requests failed: {reason} ({target})",
                      count=counts["failed"], n=n, times=times, reason=Sentence.whole(reason),
                      target=target)  # fmt: skip
    missing = Sentence("{count} of {n} cells have no answer: cancelled or never sent ({target})", count=unsent, n=n,
                       target=target)  # fmt: skip
    blank = Sentence("{count} of {n} answers are empty ({target})", count=empty, n=n, target=target)
    for code, count, said in (("failed", counts["failed"], failed), ("missing", unsent, missing),
                              ("empty", empty, blank)):  # fmt: skip
        if count:
            yield Remark(code, said, target, None, n)


def _cuts(target: str, traits: Sequence[Trait]) -> Iterator[Remark]:
    ended = [one for one in traits if one.ended]
    cut = [one for one in ended if one.state == "incomplete"]
    if not cut:
        return
    limited = sum(one.reason in ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens") for one in cut)
    said = Sentence("{share} of {target}'s answers were cut {where}: lengths are not comparable (n = {n})",
                    share=percent(len(cut) / len(ended)), target=target, n=len(ended),
                    where=Sentence("at max_tokens" if limited == len(cut) else "before their end"))  # fmt: skip
    yield Remark("cut", said, target, None, len(ended))


def _stability(target: str, points: Sequence[Point], stable: Sequence[tuple[int, Stability]]) -> Iterator[Remark]:
    """What repeats at temperature 0 were, over rows and points: the first that is not one text is told."""
    own = [one for place, one in stable if points[place].target == target and one.n > 1]
    if not own:
        return
    n = sum(one.n for one in own)
    different = [one for one in own if not one.same]
    if different:
        one = different[0]
        more = Sentence(" (as with {count} of {all} prompts)", count=len(different), all=len(own))
        said = Sentence("{distinct} distinct answers of {n} at {parameter} 0: not deterministic at {target}, first "
                        "difference at {place}{more}", distinct=one.distinct, n=one.n, parameter=_TEMPERATURE,
                        target=target, place=_place(one), more=more if len(own) > 1 else "")  # fmt: skip
        yield Remark("not-deterministic", said, target, None, n)
    elif min(one.n for one in own) >= FEWEST:
        told = Sentence("all repeats at {parameter} 0 are the same text at {target} (n = {n})",
                        parameter=_TEMPERATURE, target=target, n=n)  # fmt: skip
        yield Remark("deterministic", told, target, None, n)


def _place(one: Stability) -> str:
    """Where texts part that do."""
    if one.token is not None:
        return Sentence("token {number}", number=one.token + 1)
    return Sentence("character {number}", number=(one.character or 0) + 1)


def _cut_share(traits: Sequence[Trait]) -> float:
    return sum(one.state == "incomplete" for one in traits) / len(traits)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
