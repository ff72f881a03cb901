"""Which of many is preferred: Bradley-Terry with ties, the side and the length, and who was compared with whom.

Intervals are Wald's with a weak prior: at 5 and 10 votes a pair they cover 97% and 95%, where the percentile bootstrap
covers 86% and 90%; with 30 to 60% ties 94 to 96%, as ties are known to be steadier than wins and losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.effect import LEVEL, holm
from promptlab.analysis.exact import flip_test
from promptlab.analysis.interval import Estimate
from promptlab.analysis.logistic import PRIOR, Fit, chance, logistic
from promptlab.analysis.preference import Vote, p_value
from promptlab.errors import Sentence, UsageError

Floats = NDArray[np.float64]

_BLIND = 3.0  # log-odds beyond which Wald's error grows faster than the gap, where a side won all (Hauck, Donner 1977)


@dataclass(frozen=True, slots=True)
class Graph:
    """Who was compared with whom: `arms` as they came, `votes` by pair (in the arms' order, ties counted, skips not),
    and `groups` of arms that hang together, the largest first."""

    arms: tuple[str, ...]
    votes: Mapping[tuple[str, str], int]
    groups: tuple[tuple[str, ...], ...]

    @property
    def connected(self) -> bool:
        return len(self.groups) < 2


@dataclass(frozen=True, slots=True)
class Standing:
    """One arm: `strength` in log-odds against the average arm, its votes, and the places that it may have: `best` to
    `worst`, by the gaps that are significant after Holm."""

    arm: str
    strength: Estimate
    wins: int
    losses: int
    ties: int
    best: int
    worst: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Two arms, the stronger first: log-odds between them, the chance that the first is preferred, p by Wald, and
    corrected by Holm for all gaps of the ranking. `votes` were cast on these two themselves, maybe none. Where one of
    them won all of those and only the prior holds the gap, Wald sees nothing: there p is that of the exact test."""

    a: str
    b: str
    odds: Estimate
    chance: Estimate
    p: float
    adjusted: float
    votes: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """`standings` from the best; `gaps` of all pairs. `position` is what standing on the left is worth in log-odds,
    `length` what being all the length there is (a difference over the sum of 1); None where not in the model.
    `notes` say in plain words what a reader must know."""

    standings: tuple[Standing, ...]
    gaps: tuple[Gap, ...]
    position: Estimate | None
    length: Estimate | None
    votes: int
    notes: tuple[str, ...]


def connections(votes: Iterable[Vote]) -> Graph:
    """Who was compared with whom. A tie connects, a skip doesn't; an arm that was only skipped is not there, nor is
    one that only stood beside itself."""
    cast = [vote for vote in votes if vote.outcome != "skip" and vote.left != vote.right]
    arms = list(dict.fromkeys(name for vote in cast for name in (vote.left, vote.right)))
    place = {name: number for number, name in enumerate(arms)}
    between: Counter[tuple[str, str]] = Counter()
    root = {name: name for name in arms}
    for vote in cast:
        a, b = sorted((vote.left, vote.right), key=place.__getitem__)
        between[a, b] += 1
        if root[a] != root[b]:
            gone, kept = root[b], root[a]
            root = {name: kept if own == gone else own for name, own in root.items()}
    groups = [tuple(name for name in arms if root[name] == one) for one in dict.fromkeys(root.values())]
    return Graph(tuple(arms), dict(between), tuple(sorted(groups, key=len, reverse=True)))


def rank(votes: Iterable[Vote], *, position: bool = True, length: bool = False, prior: float = PRIOR) -> Ranking:
    """Bradley-Terry strengths by Newton: logit P(left wins) = strength of left - strength of right + position +
    length x difference of lengths over their sum. A tie, or both bad, is half a win for each.

    Each pair that was compared gets `prior` virtual wins each way, so do the position and the length. Where prompts
    have several votes, errors are clustered by prompt where that is wider. The position is left out where the votes
    can't tell it from the arms. With `length` only votes of known lengths count.

    Raises UsageError where there is no vote, or arms were never compared, even through others; `connections` tells
    which, and each of its groups can be ranked by itself. ValueError for prior 0 where an arm lost or won all."""
    cast = [vote for vote in votes if vote.outcome != "skip" and vote.left != vote.right]
    used = [vote for vote in cast if vote.lengths is not None] if length else cast
    graph = connections(used)
    _refuse(graph, length)
    arms = graph.arms
    unknown = len(cast) - len(used)
    notes: list[str] = []
    if unknown:
        notes.append(Sentence("{unknown} of {all} votes are left out: their lengths are not known", unknown=unknown,
                              all=len(cast)))  # fmt: skip
    design, has_position = _design(used, arms, position, length)
    if position and not has_position:
        notes.append(Sentence("the side is not in the model: the votes can't tell it from the arms"))
    gauge = np.zeros((design.shape[1],) * 2)
    gauge[: len(arms), : len(arms)] = 1 / len(arms)
    scores = np.array([vote.score for vote in used])
    fit = logistic(design, scores, _virtual(graph, design.shape[1]), prior, _prompts(used), gauge)
    gaps = _gaps(fit, graph, design.shape[1], used)
    values = [fit.estimate(_centred(place, len(arms), design.shape[1]))[0] for place in range(len(arms))]
    standings = _standings(graph, used, values, gaps)
    side = fit.estimate(np.eye(design.shape[1])[len(arms)])[0] if has_position else None
    long = fit.estimate(np.eye(design.shape[1])[-1])[0] if length else None
    return Ranking(standings, gaps, side, long, len(used), (*notes, *_notes(standings, gaps, fit, used)))


def _refuse(graph: Graph, length: bool) -> None:
    if not graph.arms:
        known = " with known lengths" if length else ""
        raise UsageError(f"There are no votes{known} to rank by.", "Cast some first: promptlab compare")
    if not graph.connected:
        told = " | ".join(", ".join(group) for group in graph.groups)
        first, second = graph.groups[0][0], graph.groups[1][0]
        raise UsageError(
            f"These arms were never compared, not even through others, so no ranking holds them all: {told}",
            f"Compare one of each, such as {first} with {second}, or rank each group by itself.",
        )


def _design(votes: Sequence[Vote], arms: Sequence[str], position: bool, length: bool) -> tuple[Floats, bool]:
    """A row for each vote: +1 for the left arm, -1 for the right one, then the side and the length; whether the side
    is among them."""
    place = {name: number for number, name in enumerate(arms)}
    rows = np.zeros((len(votes), len(arms)))
    every = np.arange(len(votes))
    rows[every, [place[vote.left] for vote in votes]] = 1
    rows[every, [place[vote.right] for vote in votes]] = -1
    if length:
        rows = np.column_stack([rows, [vote.longer for vote in votes]])
    sided = np.column_stack([rows[:, : len(arms)], np.ones(len(votes)), rows[:, len(arms) :]])
    told = position and np.linalg.matrix_rank(_kinds(sided)) > np.linalg.matrix_rank(_kinds(rows))
    return (sided if told else rows), bool(told)


def _kinds(rows: Floats) -> Floats:
    return np.unique(rows, axis=0)


def _virtual(graph: Graph, columns: int) -> Floats:
    """The prior's votes: each pair that was compared, the side alone and the length alone."""
    place = {name: number for number, name in enumerate(graph.arms)}
    rows = np.zeros((len(graph.votes) + columns - len(graph.arms), columns))
    for number, (a, b) in enumerate(graph.votes):
        rows[number, place[a]], rows[number, place[b]] = 1, -1
    for column in range(len(graph.arms), columns):
        rows[len(graph.votes) + column - len(graph.arms), column] = 1
    return rows


def _prompts(votes: Sequence[Vote]) -> list[Hashable]:
    return [("", place) if vote.prompt is None else (vote.prompt,) for place, vote in enumerate(votes)]


def _centred(place: int, arms: int, columns: int) -> Floats:
    along = np.zeros(columns)
    along[:arms] = -1 / arms
    along[place] += 1
    return along


def _gaps(fit: Fit, graph: Graph, columns: int, votes: Sequence[Vote]) -> tuple[Gap, ...]:
    order = sorted(range(len(graph.arms)), key=lambda place: -fit.values[place])
    found: list[tuple[int, int, Estimate, float]] = []
    for number, a in enumerate(order):
        for b in order[number + 1 :]:
            along = np.zeros(columns)
            along[a], along[b] = 1, -1
            odds, p = fit.estimate(along)
            if abs(odds.value) > _BLIND and p > LEVEL / 100:
                p = min(p, _exact(votes, graph.arms[a], graph.arms[b]))
            found.append((a, b, odds, p))
    adjusted = holm({str(number): row[3] for number, row in enumerate(found)})
    return tuple(
        Gap(graph.arms[a], graph.arms[b], odds, chance(odds), p, adjusted[str(number)],
            graph.votes.get((graph.arms[min(a, b)], graph.arms[max(a, b)]), 0))
        for number, (a, b, odds, p) in enumerate(found)
    )  # fmt: skip


def _exact(votes: Sequence[Vote], a: str, b: str) -> float:
    """The exact p, by prompt, of the votes on these two; 1 unless one of them won every one."""
    own = [vote for vote in votes if {vote.left, vote.right} == {a, b}]
    won = [vote.score == (vote.left == a) for vote in own]
    if not own or any(vote.score == 0.5 for vote in own) or len(set(won)) > 1:
        return 1.0
    prompts = _prompts(own)
    sizes = Counter(prompts) if len(set(prompts)) > 1 else Counter(range(len(own)))
    return flip_test(list(sizes.values()))


def _standings(
    graph: Graph, votes: Sequence[Vote], values: Sequence[Estimate], gaps: Sequence[Gap]
) -> tuple[Standing, ...]:
    told = [gap for gap in gaps if gap.adjusted <= LEVEL]
    above, below = Counter(gap.b for gap in told), Counter(gap.a for gap in told)
    tallies = {name: [0, 0, 0] for name in graph.arms}
    for vote in votes:
        tallies[vote.left][int(2 - 2 * vote.score)] += 1  # won, neither, lost
        tallies[vote.right][int(2 * vote.score)] += 1
    found = [
        Standing(arm, value, tallies[arm][0], tallies[arm][2], tallies[arm][1], 1 + above[arm],
                 len(graph.arms) - below[arm])
        for arm, value in zip(graph.arms, values, strict=True)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: -one.strength.value))


def _notes(standings: Sequence[Standing], gaps: Sequence[Gap], fit: Fit, votes: Sequence[Vote]) -> list[str]:
    found: list[str] = []
    if len(gaps) > 1:
        found.append(Sentence("{told} of {gaps} gaps are significant after Holm's correction for {gaps} tests",
                              told=sum(gap.adjusted <= LEVEL for gap in gaps), gaps=len(gaps)))  # fmt: skip
    for one in standings:
        if one.ties == 0 and (one.losses == 0 or one.wins == 0):
            found.append(Sentence("{arm} never lost: a weak prior holds its strength finite, no vote bounds it"
                                  if one.losses == 0 else
                                  "{arm} never won: a weak prior holds its strength finite, no vote bounds it",
                                  arm=one.arm))  # fmt: skip
    if fit.clustered is not None:
        found.append(Sentence("errors are clustered by {groups} prompts", groups=fit.groups))
        if fit.groups < 10:
            found.append(Sentence("under 10 prompts these intervals are rough"))
    elif len(votes) > 1 and len(set(_prompts(votes))) == 1:
        found.append(Sentence("all votes are on one prompt: they tell nothing of others"))
    return found


def gap_sentence(gap: Gap, tests: int) -> str:
    """A gap in one plain sentence, without a full stop: `A is preferred to B in 72% [55%, 84%]; p = 0.012 …`."""
    low, high = gap.chance.low or 0.0, gap.chance.high or 0.0
    corrected = f" (corrected by Holm for {tests} pairs)" if tests > 1 else ""
    through = "" if gap.votes else ", known only through others"
    said = f"{gap.a} would be preferred to {gap.b} in {gap.chance.value:.0%} [{low:.0%}, {high:.0%}]"
    return f"{said}; {p_value(gap.adjusted)}{corrected}{through}"
