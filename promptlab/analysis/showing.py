"""What the votes show as a whole: each voter alone, pair by pair, and ranked as far as arms hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean, median

from promptlab.analysis.hearing import opinions
from promptlab.analysis.interval import Estimate
from promptlab.analysis.preference import Pair, Share, Vote, pairs, picked
from promptlab.analysis.ranking import Graph, Ranking, connections, rank
from promptlab.analysis.rating import Agreement, agreement
from promptlab.analysis.unit import units
from promptlab.ballot import KNOWN, REVEALED, TURNED, USER, Ballot
from promptlab.errors import UsageError


@dataclass(frozen=True, slots=True)
class Ladder:
    """The arms of one group that hangs together, ranked; `even` ranks them at equal length, None where no lengths
    differ."""

    arms: tuple[str, ...]
    ranking: Ranking
    even: Ranking | None


@dataclass(frozen=True, slots=True)
class Showing:
    """What one voter said, by one set of criteria. `voters` are several only where they were asked for together.

    `votes` counts those that count, of which `ties`, `bad`, `flagged` (something could have given an arm away, and the
    vote counts all the same) and `unblind` (an answer's name had been told before); `skipped` and `aside` don't count.
    `turned` are a judge's votes that turned with the order. `lengths` is the mean length of each arm's answers,
    `seconds` the median time for a vote. `both` says that each pair was judged in both orders, which leaves no side to
    one of them."""

    voters: tuple[str, ...]
    criteria: str
    votes: int
    prompts: int
    ties: int
    bad: int
    skipped: int
    aside: int
    flagged: int
    unblind: int
    turned: int
    both: bool
    seconds: float | None
    lengths: Mapping[str, float]
    pairs: tuple[Pair, ...]
    graph: Graph
    ladders: tuple[Ladder, ...]

    @property
    def voter(self) -> str:
        return " + ".join(self.voters)

    @property
    def bridges(self) -> tuple[tuple[str, str], ...]:
        """The votes that are missing for one ranking of all: one on each of these pairs would connect the groups."""
        first, *others = [_known(self.graph, group) for group in self.graph.groups] or [""]
        return tuple((first, other) for other in others)


def _known(graph: Graph, group: Sequence[str]) -> str:
    """The arm of a group with the most votes."""
    cast: Counter[str] = Counter()
    for pair, count in graph.votes.items():
        for name in pair:
            cast[name] += count
    return max(group, key=lambda name: cast[name])


def length_of(answer: str) -> int:
    """Words, or Chinese characters: what is neither (signs) doesn't count."""
    return sum(unit[0].isalnum() for unit in units(answer))


def votes_of(ballots: Iterable[Ballot]) -> list[Vote]:
    """What counts of them, pair by pair: of several answers seen at once, the best one won against each of the others,
    and where there is none, every two of them are level."""
    found: list[Vote] = []
    for ballot in ballots:
        if not ballot.counts:
            continue
        arms, lengths, verdict = [one.arm for one in ballot.seen], [one.length for one in ballot.seen], ballot.verdict
        if isinstance(verdict, int) and len(arms) > 2:
            found += picked(arms, arms[verdict], ballot.prompt, lengths)
            continue
        for left, first in enumerate(arms):
            for right in range(left + 1, len(arms)):
                outcome = verdict if not isinstance(verdict, int) else "left" if verdict == 0 else "right"
                found.append(Vote(first, arms[right], outcome, ballot.prompt, (lengths[left], lengths[right]),
                                  ballot.seconds))  # fmt: skip
    return found


def showings(ballots: Iterable[Ballot], *, together: bool = False) -> tuple[Showing, ...]:
    """The votes by voter and, of a judge, by criteria: yours first, then as they came. With `together` all are one,
    as if one had cast them: who asks for that is told of it."""
    found: dict[tuple[str, str], list[Ballot]] = {}
    for ballot in ballots:
        found.setdefault(("", "") if together else (ballot.voter, ballot.criteria), []).append(ballot)
    return tuple(showing(found[key]) for key in sorted(found, key=lambda key: key[0] != USER))


def showing(ballots: Sequence[Ballot]) -> Showing:
    """What these votes show, whoever cast them; of each pair the one that leads stands first."""
    counting = [ballot for ballot in ballots if ballot.counts]
    votes = votes_of(counting)
    both = bool(counting) and all(len(ballot.words) > 1 for ballot in counting)
    graph = connections(votes)
    times = [ballot.seconds for ballot in counting if ballot.seconds is not None]
    criteria = dict.fromkeys(ballot.criteria for ballot in ballots)
    return Showing(
        voters=tuple(dict.fromkeys(ballot.voter for ballot in ballots)),
        criteria="; ".join(filter(None, criteria)), votes=len(counting),
        prompts=len({ballot.prompt for ballot in counting}),
        ties=sum(ballot.verdict == "tie" for ballot in counting),
        bad=sum(ballot.verdict == "bad" for ballot in counting),
        skipped=sum(ballot.verdict == "skip" for ballot in ballots),
        aside=sum(ballot.aside and ballot.verdict != "skip" for ballot in ballots),
        flagged=sum(bool(ballot.hints) for ballot in counting),
        unblind=sum(not {REVEALED, KNOWN}.isdisjoint(ballot.flags) for ballot in counting),
        turned=sum(TURNED in ballot.flags for ballot in counting), both=both,
        seconds=median(times) if times else None, lengths=_lengths(counting),
        pairs=tuple(map(leading, pairs(votes))), graph=graph,
        ladders=tuple(_ladder(group, _apart(counting, votes), position=not both) for group in graph.groups),
    )  # fmt: skip


def leading(pair: Pair) -> Pair:
    """The pair as the one tells it that won more of the decided votes."""
    if pair.wins.won >= pair.losses:
        return pair
    wins, anytime = pair.wins, pair.anytime
    own = Share(pair.losses, wins.of, _other(wins.rate), wins.p, wins.alone)
    return replace(
        pair, a=pair.b, b=pair.a, wins=own, score=_other(pair.score), controlled=_other(pair.controlled),
        anytime=anytime._replace(low=1 - anytime.high, high=1 - anytime.low),
    )  # fmt: skip


def _other(one: Estimate | None) -> Estimate | None:
    """A share as the other one of the two has it."""
    if one is None:
        return None
    return Estimate(1 - one.value, None if one.high is None else 1 - one.high, None if one.low is None else 1 - one.low)


def _lengths(ballots: Iterable[Ballot]) -> dict[str, float]:
    """The mean length of the answers of each arm; each answer once, those that a vote cut off not at all."""
    found: dict[str, dict[Hashable, int]] = {}
    for ballot in ballots:
        for one in ballot.seen:
            if one.length and not one.stopped:
                found.setdefault(one.arm, {})[one.run, one.cell] = one.length
    return {arm: fmean(lengths.values()) for arm, lengths in found.items()}


def _apart(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> Sequence[Vote]:
    """The votes as a ranking must take them: on one prompt alone, the best of several answers makes votes that belong
    together by their ballot, for they share the winner."""
    if len({ballot.prompt for ballot in ballots}) > 1 or all(len(ballot.seen) < 3 for ballot in ballots):
        return votes
    return votes_of(replace(ballot, prompt=f"{ballot.prompt} {number}") for number, ballot in enumerate(ballots))


def _ladder(group: Sequence[str], votes: Sequence[Vote], *, position: bool) -> Ladder:
    own = [vote for vote in votes if vote.left in group and vote.right in group]
    even = None
    if len({vote.longer for vote in own}) > 1:
        with suppress(UsageError):  # of those with known lengths some may hang together no more
            even = rank(own, position=position, length=True)
    return Ladder(tuple(group), rank(own, position=position), even)


# Two who voted on the same -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Beside:
    """A judge beside the user: how far they agree on the pairs of answers that both saw."""

    judge: str
    criteria: str
    agreement: Agreement


def besides(ballots: Iterable[Ballot]) -> tuple[Beside, ...]:
    """Each judge that voted on answers on which the user voted, too."""
    found: dict[tuple[str, str], list[Ballot]] = {}
    for ballot in ballots:
        found.setdefault((ballot.voter, ballot.criteria), []).append(ballot)
    own: dict[Hashable, str] = {}
    said: dict[tuple[str, str], dict[Hashable, str]] = {}
    for key, votes in found.items():
        (own if key[0] == USER else said.setdefault(key, {})).update(opinions(votes).items())
    return tuple(
        Beside(voter, criteria, agreement(words, own))
        for (voter, criteria), words in said.items()
        if words.keys() & own.keys()
    )
