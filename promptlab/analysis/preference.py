"""Which of two is preferred: votes as they were cast, and what they tell of a pair, in numbers and in a plain sentence.

Votes on one prompt are not independent of each other, so everything here goes by prompt: with one vote a prompt, or
with one prompt alone, it comes down to the plain binomial."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.effect import LEVEL, holm
from promptlab.analysis.exact import FARTHEST, Anytime, anytime, flip_test, sign_test, votes_left
from promptlab.analysis.interval import Estimate, t_quantile
from promptlab.analysis.logistic import chance, logistic
from promptlab.errors import Sentence

Floats = NDArray[np.float64]
Outcome = Literal["left", "right", "tie", "bad", "skip"]

_SCORES = {"left": 1.0, "right": 0.0, "tie": 0.5, "bad": 0.5}
_ONE = {"vote": "{count} vote", "more vote": "{count} more vote", "prompt": "{count} prompt", "tie": "{count} tie",
        "pair": "{count} pair"}  # fmt: skip
_SEVERAL = {"vote": "{count} votes", "more vote": "{count} more votes", "prompt": "{count} prompts",
            "tie": "{count} ties", "pair": "{count} pairs"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote on two answers seen side by side; `left` and `right` name the arms that stood there (left is first).

    `bad` is both bad: no preference, as a tie, but counted by itself. `skip` is no vote. Votes on one `prompt` belong
    together; None is a prompt of its own. `lengths` are those of the left and the right answer, in any one unit."""

    left: str
    right: str
    outcome: Outcome
    prompt: Hashable = None
    lengths: tuple[int, int] | None = None
    seconds: float | None = None

    @property
    def score(self) -> float:
        """1 where the left one won, 0 where the right one did, a half where neither. ValueError for a skip."""
        if self.outcome == "skip":
            raise ValueError("a skip is no vote")
        return _SCORES[self.outcome]

    @property
    def longer(self) -> float:
        """How much longer the left answer is, (left - right) / (left + right), from -1 to 1; 0 where unknown."""
        left, right = self.lengths or (0, 0)
        return (left - right) / (left + right) if left + right else 0.0


def picked(order: Sequence[str], best: str, prompt: Hashable, lengths: Sequence[int] | None = None) -> list[Vote]:
    """The best of several answers seen at once (`order`: from the left), as its votes against each of the others.

    They share the winner, so they need a `prompt` by which they belong together. ValueError where best isn't there."""
    place = order.index(best)
    found = []
    for other in range(len(order)):
        if other != place:
            left, right = min(place, other), max(place, other)
            both = (lengths[left], lengths[right]) if lengths else None
            outcome: Outcome = "left" if left == place else "right"
            found.append(Vote(order[left], order[right], outcome, prompt, both))
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """How often one side won, of the votes that were decided. `p` is exact and by prompt; `alone` is the exact sign
    test of the same votes, which tells of these prompts alone. `rate` has a Wilson interval, by prompt as well."""

    won: int
    of: int
    rate: Estimate | None
    p: float
    alone: float


@dataclass(frozen=True, slots=True)
class Pair:
    """What the votes tell of `a` against `b`. `wins` are those of a: `wins.rate` sets ties aside, `score` takes them
    (and both bad) as half a win each.

    `prompts` counts them; `clustered` where one of several has more than one vote. `adjusted` is p by Holm where
    `tests` pairs are compared at once. `left` is how many more votes would settle it at this rate (four times in
    five; on new prompts where clustered): 0 where it is settled, None where no FARTHEST would. `first` tells how
    often the left one won, `longer` how often the longer one, None where no lengths are known; `controlled` is
    `score` at equal length. `seconds` is the median time for a vote."""

    a: str
    b: str
    wins: Share
    ties: int
    bad: int
    skips: int
    prompts: int
    clustered: bool
    score: Estimate | None
    adjusted: float
    tests: int
    left: int | None
    anytime: Anytime
    first: Share
    longer: Share | None
    controlled: Estimate | None
    seconds: float | None

    @property
    def losses(self) -> int:
        return self.wins.of - self.wins.won

    @property
    def cast(self) -> int:
        return self.wins.of + self.ties + self.bad


def pairs(votes: Iterable[Vote]) -> tuple[Pair, ...]:
    """Every pair that has votes, as they came, with p corrected by Holm for how many there are.

    The e-value is held against Bonferroni's bound, which no order of looking upsets."""
    between: dict[frozenset[str], list[Vote]] = {}
    for vote in votes:
        if vote.left != vote.right:
            between.setdefault(frozenset((vote.left, vote.right)), []).append(vote)
    found = [own for own in between.values() if any(vote.outcome != "skip" for vote in own)]
    adjusted = holm({str(place): _wins(own, own[0].left).p for place, own in enumerate(found)})
    settled = sum(p <= LEVEL for p in adjusted.values())
    level = LEVEL / max(1, len(found) - settled)  # what Holm asks of the next one
    return tuple(_pair(own, own[0].left, own[0].right, adjusted[str(place)], len(found), level)
                 for place, own in enumerate(found))  # fmt: skip


def compare(votes: Iterable[Vote], a: str, b: str) -> Pair:
    """What the votes tell of two arms, all others set aside; votes come in the order in which they were cast.

    As if this were the only pair that is looked at: `pairs` corrects for several."""
    own = [vote for vote in votes if {vote.left, vote.right} == {a, b} and a != b]
    return _pair(own, a, b, _wins(own, a).p, 1, LEVEL)


def _pair(own: Sequence[Vote], a: str, b: str, adjusted: float, tests: int, level: float) -> Pair:
    cast = [vote for vote in own if vote.outcome != "skip"]
    prompts = _prompts(cast)
    scores = [_of(vote, a) for vote in cast]
    count = len(set(prompts))
    known = [(vote, prompt) for vote, prompt in zip(cast, prompts, strict=True) if vote.lengths is not None]
    longer = _tally([math.copysign(1, vote.longer) * (2 * vote.score - 1) if vote.longer else 0.0
                     for vote, _ in known], [prompt for _, prompt in known]) if known else None  # fmt: skip
    times = [vote.seconds for vote in own if vote.seconds is not None]
    return Pair(
        a=a, b=b, wins=_wins(own, a), ties=sum(vote.outcome == "tie" for vote in own),
        bad=sum(vote.outcome == "bad" for vote in own), skips=len(own) - len(cast), prompts=count,
        clustered=1 < count < len(cast), score=_score(scores, prompts), adjusted=adjusted, tests=tests,
        left=0 if adjusted <= LEVEL else _left(cast, a, level), anytime=anytime(_firsts(cast, prompts, a), tests),
        first=_tally([2 * vote.score - 1 for vote in cast], prompts), longer=longer,
        controlled=_controlled(known, a), seconds=median(times) if times else None,
    )  # fmt: skip


def _wins(own: Sequence[Vote], a: str) -> Share:
    cast = [vote for vote in own if vote.outcome != "skip"]
    return _tally([2 * _of(vote, a) - 1 for vote in cast], _prompts(cast))


def _of(vote: Vote, a: str) -> float:
    return vote.score if vote.left == a else 1 - vote.score


def _prompts(votes: Sequence[Vote]) -> list[Hashable]:
    """The prompt of each vote; a vote without one is its own."""
    return [("", place) if vote.prompt is None else (vote.prompt,) for place, vote in enumerate(votes)]


def _firsts(votes: Sequence[Vote], prompts: Sequence[Hashable], a: str) -> list[bool]:
    """Whether a won the first vote of each prompt that was decided; every vote where there is one prompt alone."""
    found: dict[Hashable, bool] = {}
    alone = len(set(prompts)) == 1
    for place, (vote, prompt) in enumerate(zip(votes, prompts, strict=True)):
        if (score := _of(vote, a)) != 0.5:
            found.setdefault(place if alone else prompt, score == 1)
    return list(found.values())


def _controlled(known: Sequence[tuple[Vote, Hashable]], a: str) -> Estimate | None:
    """The score of a at equal length: a regression with the lengths' difference over their sum, which is then set to
    0 (Dubois et al., arXiv:2404.04475). None where no lengths differ from each other."""
    gaps = [vote.longer if vote.left == a else -vote.longer for vote, _ in known]
    if len(set(gaps)) < 2:
        return None
    design = np.column_stack([np.ones(len(gaps)), gaps])
    fit = logistic(design, np.array([_of(vote, a) for vote, _ in known]), np.eye(2),
                   prompts=[prompt for _, prompt in known])  # fmt: skip
    return chance(fit.estimate((1.0, 0.0))[0])


# By prompt -----------------------------------------------------------------------------------------------------------


def _nets(signs: Sequence[float], prompts: Sequence[Hashable]) -> list[int]:
    """The balance of each prompt; of each vote where there is one prompt alone, which then is all that they tell of."""
    if len(set(prompts)) < 2:
        return [int(sign) for sign in signs]
    found: dict[Hashable, int] = {}
    for sign, prompt in zip(signs, prompts, strict=True):
        found[prompt] = found.get(prompt, 0) + int(sign)
    return list(found.values())


def _tally(signs: Sequence[float], prompts: Sequence[Hashable]) -> Share:
    """Of +1 (won), -1 (lost) and 0 (neither) for each vote."""
    kept = [(sign, prompt) for sign, prompt in zip(signs, prompts, strict=True) if sign]
    won, of = sum(sign > 0 for sign, _ in kept), len(kept)
    rate = _wilson([float(sign > 0) for sign, _ in kept], [prompt for _, prompt in kept]) if kept else None
    p = flip_test(_nets(signs, prompts))
    return Share(won, of, rate, p, sign_test(won, of - won))


def _effective(values: Floats, prompts: Sequence[Hashable], variance: float) -> tuple[float, float]:
    """How many independent votes these are worth (never more than there are), and the quantile that goes with it.

    The design effect of a ratio, clustered by prompt (Kish 1965; in a Wilson interval: Korn and Graubard 1998)."""
    n, labels = len(values), {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    groups, z = len(labels), NormalDist().inv_cdf(0.975)
    if groups in (1, n):
        return n, z
    within = np.bincount([labels[prompt] for prompt in prompts], values - values.mean(), groups)
    spread = groups / (groups - 1) * float(within @ within)
    # Where all votes are the same they show no spread: then a prompt is taken as one vote.
    worth = groups if variance <= 0 else n / max(1.0, spread / (n * variance))
    return worth, t_quantile(0.975, groups - 1)


def _wilson(wins: Sequence[float], prompts: Sequence[Hashable]) -> Estimate:
    values = np.asarray(wins)
    share = float(values.mean())
    n, z = _effective(values, prompts, share * (1 - share))
    spread = z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Estimate(share, 0.0 if share == 0 else middle - half, 1.0 if share == 1 else middle + half)


def _score(scores: Sequence[float], prompts: Sequence[Hashable]) -> Estimate | None:
    """The mean score, ties as halves, with the interval of Agresti and Min (2005) for paired shares: half a vote is
    added to each side and a tie to both. Covers 95% on average over shares, and 90 to 93% at the worst (8 to 30)."""
    if not scores:
        return None
    values = np.asarray(scores)
    total = len(values)
    n, z = _effective(values, prompts, float(values.var()))
    won, lost = ((values == side).mean() * n + 0.5 for side in (1.0, 0.0))
    middle = (won - lost) / (n + 2)
    half = z * math.sqrt(max(0.0, won + lost - (won - lost) ** 2 / (n + 2))) / (n + 2)
    low, high = (1 + middle - half) / 2, (1 + middle + half) / 2
    return Estimate(float(values.sum()) / total, max(0.0, float(low)), min(1.0, float(high)))


def _left(votes: Sequence[Vote], a: str, level: float) -> int | None:
    """Votes left with those that will be ties counted in."""
    signs = [2 * _of(vote, a) - 1 for vote in votes]
    decided = sum(sign != 0 for sign in signs)
    if not decided:
        return None
    won = sum(sign > 0 for sign in signs)
    more = votes_left(_nets(signs, _prompts(votes)), max(won, decided - won) / decided, level)
    return None if more is None else math.ceil(more * len(votes) / decided - 1e-9)


# In words ------------------------------------------------------------------------------------------------------------


def sentence(pair: Pair, *, both: bool = False) -> str:
    """The pair in one plain sentence, without a full stop; names as they are, which the caller cleans. With `both` it
    names the other one too."""
    a, b = (pair.a, pair.b) if pair.wins.won >= pair.losses else (pair.b, pair.a)
    if not pair.cast:
        return Sentence("{a} and {b}: no votes yet", a=pair.a, b=pair.b)
    others = _others(pair)
    if not pair.wins.of:
        return Sentence("{a} and {b}: {others} and no preference, so that there is nothing to test", a=pair.a, b=pair.b,
                        others=others)  # fmt: skip
    within = Sentence(" with {others}", others=others) if others else ""
    score = Sentence("{won} : {lost}{within}", won=max(pair.wins.won, pair.losses), within=within,
                     lost=min(pair.wins.won, pair.losses))  # fmt: skip
    if pair.wins.won == pair.losses:
        said = Sentence("{a} and {b} are level at {score}", a=a, b=b, score=score)
    elif both:
        said = Sentence("{a} is preferred to {b}, {score}", a=a, b=b, score=score)
    else:
        said = Sentence("{a} is preferred {score}", a=a, score=score)
    return Sentence("{said}; {tested}; {settled}", said=said, tested=_tested(pair), settled=_settled(pair))


def _others(pair: Pair) -> str:
    ties = count(pair.ties, "tie") if pair.ties else ""
    bad = Sentence("{count} both bad", count=pair.bad) if pair.bad else ""
    return Sentence("{ties} and {bad}", ties=ties, bad=bad) if ties and bad else ties or bad


def _tested(pair: Pair) -> str:
    said = p_value(pair.adjusted)
    if pair.tests > 1:
        said = Sentence("{p} (corrected by Holm for {tests} pairs)", p=said, tests=pair.tests)
    if pair.clustered:
        said = Sentence("{p} over {prompts} prompts ({alone} for these prompts alone)", p=said, prompts=pair.prompts,
                        alone=p_value(pair.wins.alone))  # fmt: skip
    elif pair.prompts == 1 and pair.cast > 1:
        said = Sentence("{p} for this one prompt", p=said)
    return said


def _settled(pair: Pair) -> str:
    if pair.left == 0:
        return Sentence("settled, if this is the only look")
    if pair.wins.won == pair.losses:
        return Sentence("no number of votes would settle it at this rate")
    new = Sentence(" on new prompts") if pair.clustered else ""
    if pair.left is None:
        return Sentence("more than {most} more votes{new} would be needed at this rate", most=f"{FARTHEST:,}", new=new)
    return Sentence("about {votes}{new} would settle it at this rate", votes=count(pair.left, "more vote"), new=new)


def anytime_sentence(pair: Pair) -> str:
    """What may be said however often one looks."""
    bound = pair.anytime
    said = Sentence("looked at after every vote, the evidence is {odds} to 1", odds=_odds(bound.best))
    if bound.settled:
        return Sentence("{said}: settled, whenever you stop", said=said)
    return Sentence("{said}, and {needed} to 1 settles it, whenever you stop", said=said, needed=f"{bound.needed:.0f}")


def length_sentence(pair: Pair) -> str:
    """How often the longer answer won, and who leads at equal length."""
    if pair.longer is None or not pair.longer.of:
        return Sentence("the lengths tell nothing: unknown, equal, or no vote was decided")
    said = Sentence("the longer answer won in {won} of {of}; {p}", won=pair.longer.won, of=pair.longer.of,
                    p=p_value(pair.longer.p))  # fmt: skip
    if pair.controlled is None or pair.controlled.low is None or pair.controlled.high is None:
        return said
    rate, low, high = pair.controlled
    return Sentence("{said}; at equal length {a} would win {rate} [{low}, {high}], ties as halves", said=said, a=pair.a,
                    rate=f"{rate:.0%}", low=f"{low:.0%}", high=f"{high:.0%}")  # fmt: skip


def p_value(p: float) -> str:
    """`p = 0.06`, with a third digit where it matters: near the level and below."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.055 else f"p = {p:.2f}" if p < 0.995 else "p = 1"


def count(number: int, noun: str) -> str:
    """`1 vote`, `1,000 votes`; a Sentence where it is one of the nouns of votes."""
    if noun not in _ONE:
        return f"{number:,} {noun}{'' if number == 1 else 's'}"
    return Sentence(_ONE[noun] if number == 1 else _SEVERAL[noun], count=f"{number:,}")


def _odds(value: float) -> str:
    return Sentence("over 1,000") if value > 1000 else f"{value:.0f}" if value >= 10 else f"{value:.1f}"
