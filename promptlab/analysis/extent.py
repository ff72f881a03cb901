"""How far answers go wrong or fall together along an axis: ranges and values, each with its test, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlab.analysis import Remark
from promptlab.analysis.case import Case, mark_bad, once, percent, say_p, sketches
from promptlab.analysis.effect import LEVEL, breaks, judge, p_values, settled, shuffles
from promptlab.analysis.trait import BROKEN_DRIFT, BROKEN_REPETITION, BROKEN_SURPRISAL, Trait
from promptlab.errors import Sentence
from promptlab.params import show

_BAD, _GOOD = 0.2, 0.2  # a side breaks from this share on; a side is usable up to this one
_COLLAPSED = 0.9
_SIGNS = ": odd words, loops, another script or a surprisal above 5 nats"
_SIGN = {"repetition": "repeated 4-grams {value}", "surprisal": "surprisal {value} nats",
         "drift": "letters in another script {value}"}  # fmt: skip


def find_break(case: Case) -> Remark | None:
    """The values of an axis of numbers from or up to which answers go wrong, at one end or both; None where none do."""
    bad, checked = mark_bad(case)
    kept = once(case)
    tested = ([case.labels[at] for at in kept], [case.strata[at] for at in kept], [bad[at] for at in kept])
    if both := _ends(case, tested, bad, checked):
        return both
    found = breaks(*tested)
    if found is None or found.p > LEVEL or max(found.above, found.below) < _BAD:
        return None
    n, name = len(kept), case.said
    below, above = (_share_of(bad, case, side) for side in (range(found.at), range(found.at, len(case.values))))
    rises = found.above > found.below
    usable, share = (below, above) if rises else (above, below)
    at, before = show(case.values[found.at]), show(case.values[found.at - 1])
    if rises:
        bound = Sentence("usable up to about {axis} {value}: ", axis=name, value=before)
        rest = Sentence("below it {share}" if usable else "nothing below it breaks", share=percent(usable))
    else:
        bound = Sentence("usable from about {axis} {value}: ", axis=name, value=at)
        rest = Sentence("above it {share}" if usable else "nothing above it breaks", share=percent(usable))
    said = Sentence(
        "{bound}from {at} on {share} of the answers {what}, {rest} (n = {n}, {p}){signs}" if rises else
        "{bound}up to {before} {share} of the answers {what}, {rest} (n = {n}, {p}){signs}",
        at=at, before=before, bound=bound if usable <= _GOOD else "", share=percent(share), what=_what(checked),
        rest=rest, n=n, p=say_p(found.p), signs="" if checked else Sentence(_SIGNS),
    )  # fmt: skip
    return Remark("range", said, case.target, found.p, n)


def _ends(
    case: Case, tested: tuple[list[int], list[int], list[bool]], bad: Sequence[bool], checked: bool
) -> Remark | None:
    """Where answers go wrong at both ends: what they do there, and the values between that are usable."""
    found = window(*tested)
    if found is None or found.p > LEVEL:
        return None
    sides = (range(found.start), range(found.start, found.stop), range(found.stop, len(case.values)))
    shares = [_share_of(bad, case, side) for side in sides]
    if shares[1] > _GOOD or min(shares[0], shares[2]) < _BAD:
        return None
    *values, last = [show(case.values[label]) for label in sides[1]]
    n = len(tested[0])
    between = Sentence("only {value} is", value=last)
    if values:
        between = Sentence("{values} and {last} are", values=Sentence.joined(", ", values), last=last)
    of: dict[str, str | int] = {
        "axis": case.said, "below": show(case.values[found.start - 1]), "above": show(case.values[found.stop]),
        "between": between, "n": n, "p": say_p(found.p),
    }  # fmt: skip
    if checked:
        said = Sentence("{first} of the answers break the form at and below {axis} {below}, {last} from {above} on: "
                        "between them {between} usable (n = {n}, {p})",
                        first=percent(shares[0]), last=percent(shares[2]), **of)  # fmt: skip
    else:
        broken = [(one, label) for one, label, flag in zip(case.traits, case.labels, bad, strict=True) if flag]
        first, second = (_sign([one for one, label in broken if label in side]) for side in sides[::2])
        said = Sentence("{first} at and below {axis} {below} ({first_sign}), {last} from {above} on ({last_sign}): "
                        "between them {between} usable (n = {n}, {p})", first=first[0], first_sign=first[1],
                        last=second[0], last_sign=second[1], **of)  # fmt: skip
    return Remark("range", said, case.target, found.p, n)


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


def _share_of(bad: Sequence[bool], case: Case, side: range) -> float:
    own = [flag for flag, label in zip(bad, case.labels, strict=True) if label in side]
    return sum(own) / len(own)


def _sign(broken: Sequence[Trait]) -> tuple[str, str]:
    """What broken texts do, by the commonest of their signs, and how much of it."""
    signs = {"repetition": BROKEN_REPETITION, "surprisal": BROKEN_SURPRISAL, "drift": BROKEN_DRIFT}
    found = {name: own for name, least in signs.items()
             if (own := [value for one in broken if (value := one.scales.get(name, 0.0)) > least])}  # fmt: skip
    if not found:
        return Sentence("breaks"), Sentence("odd words")
    name = max(found, key=lambda name: len(found[name]))
    mean = sum(found[name]) / len(found[name])
    does = Sentence("repeats itself" if name == "repetition" else "breaks")
    return does, Sentence(_SIGN[name], value=f"{mean:.2g}")


def find_collapse(case: Case) -> Remark | None:
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
    n = found.n_below if low else found.n_above
    said = Sentence("answers collapse to one up to {axis} {at} (n = {n}, {p})" if low else
                    "answers collapse to one from {axis} {at} on (n = {n}, {p})",
                    axis=case.said, at=at, n=n, p=say_p(found.p))  # fmt: skip
    return Remark("collapse", said, case.target, found.p, n)


def _same(case: Case, texts: Sequence[int], label: int) -> float:
    """The share of pairs within a row that are the same text."""
    rows: dict[int, Counter[int]] = {}
    for own, stratum, text in zip(case.labels, case.strata, texts, strict=True):
        if own == label:
            rows.setdefault(stratum, Counter())[text] += 1
    pairs = sum(row.total() * (row.total() - 1) for row in rows.values())
    return sum(count * (count - 1) for row in rows.values() for count in row.values()) / pairs if pairs else 0.0


def find_extremes(case: Case, p: float) -> Remark | None:
    """Of values without an order: where most and fewest answers go wrong, if copies of one text don't decide it."""
    bad, checked = mark_bad(case)
    kept = once(case)
    if len(kept) < len(bad):  # copies took part in `p`
        scales = {"broken": [float(bad[at]) for at in kept]}
        labels, strata = [case.labels[at] for at in kept], [case.strata[at] for at in kept]
        p = max(p, judge(labels, strata, sketches(case)[kept], scales).parts["broken"])
        if p > LEVEL:
            return None
    shares = []
    for label, value in enumerate(case.values):
        own = [flag for flag, mine in zip(bad, case.labels, strict=True) if mine == label]
        shares.append((sum(own) / len(own), show(value)))
    most, fewest = max(shares), min(shares)
    said = Sentence(
        "{most} of the answers {what} at {axis} {worst}, {fewest} at {best} (n = {n}, {p})",
        most=percent(most[0]), worst=most[1], fewest=percent(fewest[0]), best=fewest[1], axis=case.said,
        what=_what(checked), n=len(kept), p=say_p(p),
    )  # fmt: skip
    return Remark("form", said, case.target, p, len(kept))


def _what(checked: bool) -> Sentence:
    """What the answers do that go wrong."""
    return Sentence("break the form" if checked else "look broken")
