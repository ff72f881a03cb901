"""Whether votes are told rightly: simulated voters with strengths that are known, and with none.

    python bench/preference.py [SIMULATIONS]

Each simulation goes the whole way from ballots to the numbers that `promptlab rank` shows. Planted strengths must lie
in 95% of the 95% intervals (93 to 97). Where there is nothing, the exact test and the ranking may find something in 5%
of the simulations at most. A judge's position bias must be found out, and no other judge be blamed.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from promptlab.analysis.hearing import Hearing, weigh
from promptlab.analysis.interval import wilson
from promptlab.analysis.preference import compare
from promptlab.analysis.ranking import Ranking, rank
from promptlab.analysis.rating import Soft, Verdict
from promptlab.analysis.showing import votes_of
from promptlab.ballot import USER, Ballot, Seen
from promptlab.ballot import Verdict as Cast

TRUE = {"a": 0.9, "b": 0.3, "c": -0.3, "d": -0.9}  # log-odds
EVEN = dict.fromkeys(TRUE, 0.0)


def ballots(
    random: np.random.Generator, true: dict[str, float], each: int, *, side: float = 0.0, length: float = 0.0,
    ties: float = 0.0, prompts: int = 0, spread: float = 0.0, left_first: float = 0.5,
) -> Iterator[Ballot]:  # fmt: skip
    """`each` votes on every pair. `side` is what standing on the left is worth to the voter, `length` what length is,
    in log-odds; `ties` a share that is drawn first. With `prompts`, arms differ by prompt with sd `spread`."""
    own = random.normal(0, spread, (max(1, prompts), len(true)))
    for one, other in itertools.combinations(range(len(true)), 2):
        for number in range(each):
            places = (one, other) if random.random() < left_first else (other, one)
            prompt = number % prompts if prompts else number * 100 + one * 10 + other
            names = [list(true)[place] for place in places]
            lengths = random.integers(20, 200, 2)
            odds = true[names[0]] - true[names[1]] + side
            odds += length * (lengths[0] - lengths[1]) / lengths.sum()
            odds += own[prompt, places[0]] - own[prompt, places[1]] if prompts else 0
            chance = 1 / (1 + math.exp(-odds))
            verdict: Cast = "tie" if random.random() < ties else 0 if random.random() < chance else 1
            seen = tuple(
                Seen(1, place, name, int(size)) for place, name, size in zip(places, names, lengths, strict=True)
            )
            yield Ballot("", USER, str(prompt), seen, verdict)


def covered(found: Ranking, true: dict[str, float]) -> list[bool]:
    """Of each arm, whether its interval holds its planted strength."""
    return [(one.strength.low or 0) <= true[one.arm] <= (one.strength.high or 0) for one in found.standings]


def coverage(
    simulations: int, each: int, *, length: float = 0.0, side: float = 0.0
) -> tuple[float, float, list[float]]:
    """The share of intervals that cover and its error (arms of one simulation belong together), and the mean strength
    that was found of each arm."""
    random = np.random.default_rng([each, int(10 * side), int(10 * length)])
    shares, found = [], []
    for _ in range(simulations):
        ranking = rank(votes_of(ballots(random, TRUE, each, side=side, length=length)), length=bool(length))
        shares.append(np.mean(covered(ranking, TRUE)))
        strengths = {one.arm: one.strength.value for one in ranking.standings}
        found.append([strengths[name] for name in TRUE])
    return float(np.mean(shares)), float(np.std(shares) / math.sqrt(simulations)), np.mean(found, axis=0).tolist()


def size(simulations: int, votes: int, *, ties: float = 0.0, prompts: int = 0, spread: float = 0.0) -> int:
    """In how many simulations without a difference the exact test finds one."""
    random = np.random.default_rng([votes, int(100 * ties), prompts])
    true = dict(itertools.islice(EVEN.items(), 2))
    many = (
        votes_of(ballots(random, true, votes, ties=ties, prompts=prompts, spread=spread)) for _ in range(simulations)
    )
    return sum(compare(cast, "a", "b").wins.p <= 0.05 for cast in many)


def alarms(simulations: int, each: int) -> int:
    """In how many simulations without a difference the ranking tells any two of the four arms apart."""
    random = np.random.default_rng([each, 4])
    found = (rank(votes_of(ballots(random, EVEN, each))) for _ in range(simulations))
    return sum(any(gap.adjusted <= 0.05 for gap in one.gaps) for one in found)


def theory(n: int) -> float:
    """The size that an exact sign test of n votes has: all the outcomes that it calls significant."""
    chances = [math.comb(n, k) / 2**n for k in range(n + 1)]
    return math.fsum(chance for k, chance in enumerate(chances)
                     if 2 * math.fsum(chances[max(k, n - k):]) <= 0.05 + 1e-12)  # fmt: skip


def hearings(random: np.random.Generator, pairs: int, bias: float, quality: float, *, soft: bool) -> list[Hearing]:
    """What a judge says of pairs in both orders: `bias` is what standing first is worth to it, in log-odds."""
    found = []
    for number in range(pairs):
        worth = random.normal(quality, 1.0)
        forward, backward = (1 / (1 + math.exp(-(sign * worth + bias))) for sign in (1, -1))
        words: Sequence[Verdict] = ["first" if random.random() < chance else "second" for chance in (forward, backward)]
        heard = Soft(worth + random.normal(0, 0.2), bias + random.normal(0, 0.5)) if soft else None
        seen = (Seen(1, 2 * number, "a", 50), Seen(1, 2 * number + 1, "b", 50))
        found.append(Hearing(Ballot("", "judge", str(number), seen, "tie"), words[0], words[1], heard))
    return found


def found_out(simulations: int, pairs: int, bias: float, *, soft: bool) -> int:
    """In how many simulations the judge is said to go by the side."""
    random = np.random.default_rng([pairs, int(10 * bias), soft])
    return sum(weigh("judge", hearings(random, pairs, bias, 0.3, soft=soft)).is_biased for _ in range(simulations))


def main() -> None:
    simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    planted = ", ".join(f"{name} {value:+.1f}" for name, value in TRUE.items())
    print(f"intervals that cover ({simulations} simulations, planted {planted})")
    for each, side, length in ((5, 0.0, 0.0), (10, 0.0, 0.0), (20, 0.0, 0.0), (50, 0.0, 0.0), (20, 0.5, 0.0),
                               (20, 0.0, 1.5)):  # fmt: skip
        share, error, strengths = coverage(simulations, each, side=side, length=length)
        about = (
            f"{each} votes a pair"
            + (f", side {side:+.1f}" if side else "")
            + (f", length {length:+.1f}" if length else "")
        )
        means = ", ".join(f"{value:+.2f}" for value in strengths)
        print(f"  {about:32} {share:.1%} ± {1.96 * error:.1%}   found {means}", flush=True)
    print("\nno difference, and the exact test says there is one")
    for votes, ties, prompts, spread in ((10, 0.0, 0, 0.0), (20, 0.0, 0, 0.0), (50, 0.0, 0, 0.0), (50, 0.3, 0, 0.0),
                                         (100, 0.0, 20, 1.0)):  # fmt: skip
        wrong = size(4 * simulations, votes, ties=ties, prompts=prompts, spread=spread)
        low, high = wilson(wrong, 4 * simulations)
        about = (
            f"{votes} votes" + (f", {ties:.0%} ties" if ties else "") + (f" on {prompts} prompts" if prompts else "")
        )
        known = "" if ties or prompts else f"   exact: {theory(votes):.1%}"
        print(f"  {about:32} {wrong / simulations / 4:.1%} [{low:.1%}, {high:.1%}]{known}", flush=True)
    for each in (5, 10, 20):
        wrong = alarms(simulations, each)
        low, high = wilson(wrong, simulations)
        about = f"4 arms, {each} votes a pair: any gap"
        print(f"  {about:32} {wrong / simulations:.1%} [{low:.1%}, {high:.1%}]", flush=True)
    print("\na judge is said to go by the side, over 60 pairs")
    for soft, bias in itertools.product((False, True), (0.0, 0.5, 1.0)):
        caught = found_out(simulations, 60, bias, soft=soft)
        low, high = wilson(caught, simulations)
        about = f"{'verdicts and log-odds' if soft else 'verdicts'}, bias {bias:+.1f}"
        print(f"  {about:32} {caught / simulations:.1%} [{low:.1%}, {high:.1%}]", flush=True)


if __name__ == "__main__":
    main()
