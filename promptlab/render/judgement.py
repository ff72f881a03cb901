"""What judges said of a run, for a terminal or a plain file and as a record: the votes, and how far to rely on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptlab.analysis.hearing import Between, Opinion, Panel, Reliability, agreed, sentences
from promptlab.analysis.interval import Estimate, mean
from promptlab.analysis.preference import count
from promptlab.analysis.showing import showing
from promptlab.ballot import USER, Ballot, Grade
from promptlab.render.picture import Picture, Row, row, stack
from promptlab.render.preference import whole, wrapped
from promptlab.render.preference_record import ballot_record, record
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

_LISTED = 10  # pairs on which two differ that are shown


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that judges said of `run` by `criteria`; `judging` are the runs with their calls. `arms` names the arm of
    each answer, `prompts` the prompt that it belongs to."""

    run: int
    judging: tuple[int, ...]
    criteria: str
    ballots: tuple[Ballot, ...]
    grades: tuple[Grade, ...]
    judges: tuple[Reliability, ...]
    panel: Panel
    views: Mapping[str, Mapping[Opinion, str]]
    arms: Mapping[tuple[int, int], str]
    prompts: Mapping[tuple[int, int], str]


def text(one: Judgement, cells: int) -> Picture:
    """It all, in `cells` columns."""
    head = f"run {one.run} before {count(len(_voters(one)), 'judge')}: {one.criteria}"
    parts = [Picture(tuple(wrapped(head, cells, "title")))]
    for judge in one.judges:
        own = [ballot for ballot in one.ballots if ballot.voter == judge.voter]
        parts.append(whole(replace(showing(own), turned=0), cells))  # what turned is told below
        parts.append(Picture(tuple(_relied(judge, cells))))
    for voter in dict.fromkeys(grade.voter for grade in one.grades):
        parts.append(Picture(tuple(_marked(one, voter, cells))))
    parts.append(Picture(tuple(_panel(one, cells))))
    if one.judging:
        runs = ", ".join(map(str, one.judging))
        said = f"what the judges were asked, thought and said: promptlab show {runs}"
        parts.append(Picture(tuple(wrapped(said, cells, "dim"))))
    return stack(part for part in parts if part.rows)


def _relied(one: Reliability, cells: int) -> Iterator[Row]:
    yield from wrapped(f"how far to rely on {one.voter}", cells, "strong")
    for said in sentences(one):
        yield from wrapped(said, cells, "fault" if said.startswith("it goes by the side") else "", "· ")


def _panel(one: Judgement, cells: int) -> Iterator[Row]:
    for between in one.panel.between:
        beside = "you" if between.other == USER else between.other
        yield from wrapped(f"{between.one} and {beside}: {agreed(between.agreement)}", cells, "strong")
        keys = _differ(between)
        for key in keys[:_LISTED]:
            yield from wrapped(_difference(one, between, key, beside), cells, "", "  ")
        if len(keys) > _LISTED:
            yield row(fit(f"  … and {len(keys) - _LISTED} more: --format json has them", cells), "dim")
    if one.panel.alpha is not None:
        yield from wrapped(f"all judges together: Krippendorff's alpha {_estimate(one.panel.alpha)}", cells, "strong")


def _difference(one: Judgement, between: Between, key: Opinion, beside: str) -> str:
    first, second = key
    own, other = (_named(one, key, one.views[voter][key]) for voter in (between.one, between.other))
    return f"answers {first[1]} and {second[1]}: {between.one} {own}, {beside} {other}"


def _named(one: Judgement, key: Opinion, said: str) -> str:
    if said == "tie":
        return "neither"
    place = key[0] if said == "first" else key[1]
    return f"{place[1]} ({one.arms.get(place, '?')})"


def _differ(between: Between) -> list[Opinion]:
    return [key for key in between.agreement.differ if isinstance(key, tuple)]


# -- marks -------------------------------------------------------------------------------------------------------------


def means(one: Judgement, voter: str) -> dict[str, dict[str, Estimate | None]]:
    """A judge's mean mark of each arm by criterion, over the means of the prompts where there are several; under the
    empty name that of all criteria."""
    latest = {(each.run, each.cell): each for each in one.grades if each.voter == voter}
    found: dict[str, dict[str, Estimate | None]] = {}
    for arm in dict.fromkeys(each.arm for each in latest.values()):
        own = [each for each in latest.values() if each.arm == arm and each.marks]
        prompts = [one.prompts.get((each.run, each.cell), "") for each in own]
        rows = prompts if len(set(prompts)) > 1 else None
        names = dict.fromkeys(name for each in latest.values() for name in each.marks)
        found[arm] = {name: mean([each.marks[name] for each in own], rows) for name in names}
        found[arm][""] = mean([sum(each.marks.values()) / len(each.marks) for each in own], rows)
    return found


def _marked(one: Judgement, voter: str, cells: int) -> Iterator[Row]:
    """A row for each arm, a column for each criterion."""
    own = [each for each in one.grades if each.voter == voter]
    unread = sum(not each.marks for each in own)
    yield from wrapped(f'marks of {voter} by "{one.criteria}"', cells, "title")
    told = f"{count(len(own), 'answer')}" + (
        f"; in {unread} no marks could be read, which don't count" if unread else ""
    )
    yield from wrapped(told, cells, "dim")
    table = sorted(means(one, voter).items(), key=lambda pair: -(pair[1][""].value if pair[1][""] else 0.0))
    names = [name for name in dict.fromkeys(name for _, line in table for name in line) if name]
    if not names:
        return
    columns = [*names, ""] if len(names) > 1 else names
    lines = [["", *(name or "all" for name in columns)]]
    lines += [[arm, *(_estimate(line.get(name)) for name in columns)] for arm, line in table]
    sizes = [min(max(width(clean_line(each)) for each in column), 24 if n else 40)
             for n, column in enumerate(zip(*lines, strict=True))]  # fmt: skip
    for number, line in enumerate(lines):
        parts = (pad(fit(clean_line(each), size), size) for each, size in zip(line, sizes, strict=True))
        yield row(fit("  ".join(parts).rstrip(), cells), "dim" if number == 0 else "")


# -- a record ----------------------------------------------------------------------------------------------------------


def as_record(one: Judgement) -> dict[str, Any]:
    """It all as JSON has it: `showings` as `promptlab rank` has them, `judges` with their reliability."""
    between = [
        {"one": each.one, "other": each.other, "shared": each.agreement.n, "agreed": each.agreement.agreed,
         "kappa": _object(each.agreement.kappa), "sentence": agreed(each.agreement),
         "differ": [{"answers": [list(place) for place in key], each.one: one.views[each.one][key],
                     each.other: one.views[each.other][key]} for key in _differ(each)]}
        for each in one.panel.between
    ]  # fmt: skip
    voters = dict.fromkeys(grade.voter for grade in one.grades)
    return {
        "run": one.run, "judging": list(one.judging), "criteria": one.criteria,
        "showings": record(one.ballots)["showings"], "judges": [_judge(each) for each in one.judges],
        "agreement": between, "alpha": _object(one.panel.alpha),
        "votes": [ballot_record(each) for each in one.ballots],
        "marks": {voter: {arm: {name or "all": _object(each) for name, each in line.items()}
                          for arm, line in means(one, voter).items()} for voter in voters},
        "grades": [{"grade": each.id, "voter": each.voter, "run": each.run, "cell": each.cell, "arm": each.arm,
                    "marks": dict(each.marks), "words": list(each.words) if each.words else None}
                   for each in one.grades],
    }  # fmt: skip


def _judge(one: Reliability) -> dict[str, Any]:
    turns, softness = one.turns, one.softness
    return {
        "voter": one.voter, "pairs": one.heard, "no_verdict": one.unread, "by_soft": one.by_soft,
        "biased": one.is_biased,
        "turned": turns and {"n": turns.n, "turned": turns.turned, "share": _object(turns.share),
                             "first": turns.first, "second": turns.second, "p": turns.p},
        "position": _object(one.position),
        "soft": softness and {"n": softness.n, "bias": _object(softness.bias), "decided": softness.decided},
        "leans": [{"a": lean.a, "b": lean.b, "n": lean.n, "quality": _object(lean.quality)} for lean in one.leans],
        "longer": {"won": one.longer[0], "of": one.longer[1]}, "sentences": list(sentences(one)),
    }  # fmt: skip


def _object(one: Estimate | None) -> dict[str, float | None] | None:
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high}


# -- rows --------------------------------------------------------------------------------------------------------------


def _voters(one: Judgement) -> Sequence[str]:
    return list(dict.fromkeys([*(each.voter for each in one.ballots), *(each.voter for each in one.grades)]))


def _estimate(one: Estimate | None) -> str:
    if one is None:
        return "–"
    inside = f" [{one.low:.2f}, {one.high:.2f}]" if one.low is not None and one.high is not None else ""
    return f"{one.value:.2f}{inside}"
