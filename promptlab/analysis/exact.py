"""The exact test of who won more, by prompt; how many votes it takes; and what holds however often one looks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.effect import LEVEL, POWER

Floats = NDArray[np.float64]

FARTHEST = 1000  # decided votes to come that are looked ahead
_SURE = 0.99  # a chance that falls below POWER no more as votes come in


def sign_test(won: int, lost: int) -> float:
    """The exact two-sided p that winning is as likely as losing (binomial, 1/2); 1 where there is no vote."""
    return flip_test([1] * won + [-1] * lost)


def flip_test(nets: Sequence[int]) -> float:
    """The exact two-sided p that a prompt's balance (wins less losses on it) is as likely to be turned round.

    All 2^prompts ways to turn them are counted, by convolution. With one vote a prompt it is the sign test. Never
    significant below 6 prompts. At 20 prompts x 5 votes that differ by prompt with an sd of 1 in log-odds, the sign
    test over votes gives 10% false alarms and this one 4%."""
    null = _turned(tuple(sorted(abs(net) for net in nets if net)))
    middle = len(null) // 2
    seen = abs(sum(nets))
    return 1.0 if seen == 0 else min(1.0, 2 * float(null[middle + seen :].sum()))


@lru_cache(maxsize=256)
def _turned(sizes: tuple[int, ...]) -> Floats:
    """The distribution of the sum of sizes under random signs, from -sum to +sum."""
    null = np.ones(1)
    for size in sizes:
        wider = np.zeros(len(null) + 2 * size)
        wider[: len(null)] += null / 2
        wider[2 * size :] += null / 2
        null = wider
    return null


# Votes left to decide -----------------------------------------------------------------------------------------------


def votes_left(nets: Sequence[int], rate: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """How many more decided votes, each on a new prompt, it takes until the exact test finds what leads now, with
    this chance, if it goes on to win `rate` of them: from there on it stays so. None where FARTHEST don't do.

    `nets` are the balances so far, none before the first vote (0.75 then takes 35, 0.6 takes 210); the rate is the
    leader's. It is as sure as the rate is, which is a little too good where few votes were seen."""
    if rate <= 0.5:
        return None
    null, ahead = _turned(tuple(sorted(abs(net) for net in nets if net))), abs(sum(nets))
    last = np.convolve(null, _coming(FARTHEST, 0.5, 2))
    if _found(last, _coming(FARTHEST, rate), ahead, level) < power:
        return None
    coming = np.ones(1)
    short = 0  # the last number of votes that is too few
    for more in range(1, FARTHEST + 1):
        null = np.convolve(null, (0.5, 0.0, 0.5))
        coming = np.convolve(coming, (1 - rate, rate))
        chance = _found(null, coming, ahead, level)
        if chance < power - 1e-12:
            short = more
        elif chance > _SURE and more > short + 5:  # beyond the saw teeth
            break
    return short + 1


def _found(null: Floats, coming: Floats, ahead: int, level: float) -> float:
    """The chance that the test finds it: `null` is the balance's distribution under no preference (from -most to
    most), `coming` that of the wins among the votes to come, `ahead` the balance so far."""
    tail = 2 * np.cumsum(null[::-1])[::-1]
    if tail[-1] > level + 1e-12:
        return 0.0
    least = int(np.argmax(tail <= level + 1e-12)) - len(null) // 2
    more = len(coming) - 1
    return float(coming[max(0, math.ceil((least + more - ahead) / 2)) :].sum())


@lru_cache(maxsize=64)
def _coming(n: int, rate: float, step: int = 1) -> Floats:
    """The binomial distribution, with `step` places from one number to the next."""
    found = np.zeros(step * n + 1)
    won = np.log(rate)
    lost = np.log1p(-rate) if rate < 1 else -np.inf
    found[::step] = [math.exp(_ln_choose(n, k) + k * won + ((n - k) * lost if k < n else 0.0)) for k in range(n + 1)]
    return found


# Stopping at any time ------------------------------------------------------------------------------------------------


class Anytime(NamedTuple):
    """What holds however often one looks, and whenever one stops. `evidence` against no preference, to 1, is that of
    all votes; `best` the most that it ever was, which settles it at `needed`. `low` and `high` bound the rate."""

    evidence: float
    best: float
    needed: float
    low: float
    high: float

    @property
    def settled(self) -> bool:
        return self.best >= self.needed


def evidence(won: int, lost: int) -> float:
    """The evidence against no preference, to 1: the beta-binomial e-value with a flat prior, 2^n / ((n+1) C(n, won)).

    Under no preference the chance that it ever reaches 20 is at most 5%, however often one looks (Ville 1939)."""
    n = won + lost
    return math.exp(min(700.0, n * math.log(2) - math.log(n + 1) - _ln_choose(n, won)))


def anytime(won: Iterable[bool], tests: int = 1, level: float = LEVEL) -> Anytime:
    """The bound for those who stop when they like, from who won each decided vote, in the order of time.

    `tests` are the pairs looked at (Bonferroni). The rate's bounds are the confidence sequence of the same e-value
    (Robbins 1970), with all former looks in it. Votes must be independent: one a prompt."""
    signs = np.asarray(list(won), dtype=np.int64)
    needed = tests / level
    if not len(signs):
        return Anytime(1.0, 1.0, needed, 0.0, 1.0)
    wins, n = np.cumsum(signs), np.arange(1, len(signs) + 1)
    every = [evidence(int(k), int(m - k)) for k, m in zip(wins, n, strict=True)]
    # The mixture's likelihood B(k+1, n-k+1), times what is needed: rates that make the votes less likely are out.
    mixed = np.array([-math.log(m + 1) - _ln_choose(int(m), int(k)) for k, m in zip(wins, n, strict=True)])
    bar = mixed - math.log(needed)
    low = _crossing(wins, n, bar, np.zeros(len(n)))
    high = _crossing(wins, n, bar, np.ones(len(n)))
    return Anytime(every[-1], max(every), needed, float(low.max()), float(high.min()))


def _crossing(wins: NDArray[np.int64], n: NDArray[np.int64], bar: Floats, end: Floats) -> Floats:
    """Between `end` and the rate seen, where the likelihood falls below the bar, for all looks at once."""
    out, inside = end.copy(), wins / n
    for _ in range(50):
        middle = (out + inside) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            won = np.where(wins > 0, wins * np.log(middle), 0.0)
            lost = np.where(wins < n, (n - wins) * np.log1p(-middle), 0.0)
        over = won + lost >= bar
        inside, out = np.where(over, middle, inside), np.where(over, out, middle)
    return out


def _ln_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
