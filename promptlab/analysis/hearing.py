"""What a judge's verdicts tell of the judge: whether they turn with the order, what a side is worth to it, and what
two voters make of the same answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

from promptlab.analysis.interval import Estimate, mean
from promptlab.analysis.preference import Outcome, Share, Vote, count, p_value, pairs
from promptlab.analysis.ranking import rank
from promptlab.analysis.rating import (
    Agreement,
    Soft,
    Softness,
    Turns,
    Verdict,
    agreement,
    alpha,
    softness,
    swapped,
    turns,
)
from promptlab.ballot import Ballot, Grade
from promptlab.errors import Sentence, UsageError

Opinion = tuple[tuple[int, int], tuple[int, int]]  # two answers by run and cell, the lesser first
BY_SOFT = "by the log probabilities"  # the note of a vote that they decided, and not the words
_OUTCOMES: dict[Verdict, Outcome] = {"first": "left", "second": "right", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Hearing:
    """One pair as a judge heard it. `forward` is its verdict with the ballot's first answer first, `backward` with the
    second one first (None: not asked for, or none to be read); `soft` where both calls have log probabilities."""

    ballot: Ballot
    forward: Verdict | None
    backward: Verdict | None = None
    soft: Soft | None = None


@dataclass(frozen=True, slots=True)
class Lean:
    """How much a judge prefers `a` over `b` by its soft verdicts, in log-odds with the side taken out."""

    a: str
    b: str
    n: int
    quality: Estimate


@dataclass(frozen=True, slots=True)
class Reliability:
    """What can be said of one judge. `unread` are pairs without a verdict, which don't count, `by_soft` those that
    the log probabilities decided. `turns` are over
    pairs heard in both orders; `position` is what standing first is worth by its hard verdicts, in log-odds;
    `longer` how often it took the longer answer. None where there is nothing to tell it from."""

    voter: str
    heard: int
    unread: int
    by_soft: int
    turns: Turns | None
    position: Estimate | None
    softness: Softness | None
    leans: tuple[Lean, ...]
    longer: tuple[int, int]

    @property
    def is_biased(self) -> bool:
        """Whether it goes by the side: its soft verdicts' interval leaves no bias out or, where there are none, its
        verdicts turn to one side more often than chance would have it. Both at once would be two tests, and 7% false
        alarms."""
        bias = self.softness.bias if self.softness else None
        if bias is not None and bias.low is not None and bias.high is not None:
            return bias.low > 0 or bias.high < 0
        return self.turns is not None and self.turns.p <= 0.05


def weigh(voter: str, hearings: Sequence[Hearing]) -> Reliability:
    """A judge by all that it heard."""
    both = [swapped(one.forward, one.backward) for one in hearings if one.forward and one.backward]
    softs = [(one.soft, one.ballot.prompt) for one in hearings if one.soft is not None]
    unread = sum(one.ballot.verdict == "skip" for one in hearings)
    by_soft = sum(one.ballot.note == BY_SOFT for one in hearings)
    tallies = [longer for pair in pairs(_calls(hearings)) if (longer := _both_ways(pair.longer)) is not None]
    return Reliability(
        voter, len(hearings), unread, by_soft, turns(both) if both else None, _position(hearings),
        softness((one for one, _ in softs), [prompt for _, prompt in softs]) if softs else None, _leans(hearings),
        (sum(won for won, _ in tallies), sum(of for _, of in tallies)),
    )  # fmt: skip


def _both_ways(tally: Share | None) -> tuple[int, int] | None:
    return None if tally is None else (tally.won, tally.of)


def _calls(hearings: Iterable[Hearing]) -> list[Vote]:
    """Each call as a vote of its own, with what it was shown first on the left. Pairs with one verdict missing are left
    out, whose other one would speak for its side."""
    found = []
    for one in hearings:
        if one.ballot.verdict == "skip":
            continue
        first, second = one.ballot.seen
        for left, right, said in ((first, second, one.forward), (second, first, one.backward)):
            if said is not None:
                found.append(Vote(left.arm, right.arm, _OUTCOMES[said], one.ballot.prompt, (left.length, right.length)))
    return found


def _position(hearings: Sequence[Hearing]) -> Estimate | None:
    votes = _calls(hearings)
    try:
        return rank(votes).position if votes else None
    except UsageError:  # arms that were never compared: nothing to take the side out of
        return None


def _leans(hearings: Iterable[Hearing]) -> tuple[Lean, ...]:
    """By pair of arms, over the means of the prompts."""
    between: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for one in hearings:
        if one.soft is not None:
            first, second = (seen.arm for seen in one.ballot.seen)
            key, sign = ((first, second), 1) if first < second else ((second, first), -1)
            between.setdefault(key, []).append((sign * one.soft.quality, one.ballot.prompt))
    found = []
    for (a, b), values in between.items():
        prompts = [prompt for _, prompt in values]
        several = len(set(prompts)) > 1
        quality = mean([value for value, _ in values], prompts if several else None)
        if quality is not None:
            found.append(Lean(a, b, len(values), quality))
    return tuple(found)


# Two voters on the same answers --------------------------------------------------------------------------------------


def opinions(ballots: Iterable[Ballot]) -> dict[Opinion, str]:
    """What a voter holds of each two answers: the `first` or the `second` of the two, or `tie`. Of several votes on the
    same two the last one holds; both bad is no preference."""
    found: dict[Opinion, str] = {}
    for ballot in ballots:
        seen, best = ballot.seen, ballot.verdict
        for left in range(len(seen)) if ballot.counts else ():
            for right in range(left + 1, len(seen)):
                if isinstance(best, int) and best not in (left, right):
                    continue  # of those that are not the best nothing was said
                one, other = sorted((seen[left], seen[right]), key=lambda each: (each.run, each.cell))
                said = "tie" if not isinstance(best, int) else "first" if seen[best] is one else "second"
                found[(one.run, one.cell), (other.run, other.cell)] = said
    return found


def graded(grades: Iterable[Grade], of: Iterable[Opinion]) -> dict[Opinion, str]:
    """What a judge's marks come to on pairs of answers: the better one has the higher mean of them. Of several grades
    of one answer the last one holds; answers without marks tell nothing."""
    means = {(one.run, one.cell): fmean(one.marks.values()) for one in grades if one.marks}
    return {
        (one, other): "tie" if means[one] == means[other] else "first" if means[one] > means[other] else "second"
        for one, other in of if one in means and other in means
    }  # fmt: skip


class Between(NamedTuple):
    """How far two voters agree; `other` is `you` where the user is one of them."""

    one: str
    other: str
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Panel:
    """Several voters on the same answers: every two of them who share a pair, and Krippendorff's alpha of the judges
    (None of fewer than two)."""

    between: tuple[Between, ...]
    alpha: Estimate | None


def panel(views: Mapping[str, Mapping[Opinion, str]], user: str) -> Panel:
    """Voters by name, with their `opinions`; the judges beside `user` come first."""
    judges = [name for name in views if name != user]
    couples = [(name, user) for name in judges if user in views] + list(combinations(judges, 2))
    found = [Between(one, other, agreement(_by_key(views[one]), _by_key(views[other]))) for one, other in couples]
    keys = dict.fromkeys(key for name in judges for key in views[name])
    whole = alpha([[views[name].get(key) for name in judges] for key in keys]) if len(judges) > 1 else None
    return Panel(tuple(one for one in found if one.agreement.n), whole)


def _by_key(view: Mapping[Opinion, str]) -> dict[Hashable, str]:
    return dict(view.items())


# In words ------------------------------------------------------------------------------------------------------------


def sentences(one: Reliability) -> Iterator[str]:
    """A judge's reliability in plain sentences, without full stops and without its name."""
    if one.unread:
        yield f"no verdict could be read in {one.unread} of {one.heard} pairs, which don't count"
    if one.turns is not None:
        yield _turned(one.turns)
    if one.by_soft:
        yield f"the log probabilities, and not the words, decide {count(one.by_soft, 'vote')}"
    always = one.turns is not None and one.turns.turned == one.turns.n  # then the interval of Wald says nothing
    if one.position is not None and not always:
        yield f"to stand first is worth {_odds(one.position)} to it by its verdicts"
    if one.softness is not None and one.softness.bias is not None:
        share = one.softness.decided
        decided = "" if share is None else f"; the answers weigh more than the side in {share:.0%} of them"
        said = f"by the log probabilities of {count(one.softness.n, 'pair')}, to stand first is worth"
        yield f"{said} {_odds(one.softness.bias)}{decided}"
    for lean in one.leans:
        yield f"with the side taken out, {lean.a} over {lean.b}: {_odds(lean.quality)} on {count(lean.n, 'pair')}"
    won, of = one.longer
    if of:
        yield f"it took the longer answer in {won} of {of} calls"
    if one.is_biased:
        yield "it goes by the side, more than chance would have it"


def _turned(one: Turns) -> str:
    share = f" ({_share(one.share)})" if one.share else ""
    said = f"{one.turned} of {one.n} verdicts turned with the order{share}"
    if one.turned:
        said += f": {one.first} to the first side, {one.second} to the second; {p_value(one.p)}"
    return said


def agreed(found: Agreement) -> str:
    """How far two voters agree, in a sentence without a full stop."""
    if not found.n:
        return Sentence("there is no pair that both voted on")
    said = Sentence("the same on {agreed} of {pairs} that both saw", agreed=found.agreed, pairs=count(found.n, "pair"))
    if found.kappa is None:
        return Sentence("{said}; beyond chance nothing can be said: both always said the same one thing", said=said)
    value, low, high = found.kappa
    return Sentence("{said}; Cohen's kappa {value} [{low}, {high}] (1: always, 0: as chance would)", said=said,
                    value=f"{value:.2f}", low=f"{low:.2f}", high=f"{high:.2f}")  # fmt: skip


def _share(one: Estimate) -> str:
    return f"{one.value:.0%} [{one.low or 0:.0%}, {one.high if one.high is not None else 1:.0%}]"


def _odds(one: Estimate) -> str:
    bounds = f" [{one.low:+.2f}, {one.high:+.2f}]" if one.low is not None and one.high is not None else ""
    return f"{one.value:+.2f} log-odds{bounds}"
