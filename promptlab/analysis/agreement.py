"""How far answers agree, who wins a vote and when it is decided, and pass@k and maj@k without bias.

A label is an extracted answer (`promptlab.extract`); None is an abstention, which is no vote for anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple


class Majority(NamedTuple):
    """Who leads, with how many votes of all that were cast (abstentions are not)."""

    label: str
    votes: int
    cast: int


def exact(texts: Iterable[str]) -> float | None:
    """The share of pairs that are equal to the character; None for fewer than two texts."""
    return collision(texts)


def collision(labels: Iterable[str | None]) -> float | None:
    """The chance that two different samples give one answer: sum n(n-1) / N(N-1), unbiased (Simpson 1949).

    1 over it is the effective number of answers. Abstentions don't count; None for fewer than two votes.
    """
    counts = Counter(label for label in labels if label is not None)
    n = counts.total()
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1)) if n > 1 else None


def majority(labels: Iterable[str | None]) -> Majority | None:
    """The answer with the most votes; None where nobody voted or several lead (`leaders` tells them)."""
    counts = Counter(label for label in labels if label is not None)
    first = _leaders(counts)
    return Majority(first[0], counts[first[0]], counts.total()) if len(first) == 1 else None


def leaders(labels: Iterable[str | None]) -> list[str]:
    """All answers that have the most votes, as they came; empty where nobody voted."""
    return _leaders(Counter(label for label in labels if label is not None))


def decided(counts: Mapping[str, int], left: int) -> bool:
    """Whether no outcome of the `left` samples can change who wins, or make it a tie."""
    if left <= 0:
        return True
    first, second = _two_largest(counts)
    return first - second > left


def confident(first: int, second: int) -> float:
    """How sure it is that the leading answer is the likelier of the two: 1 - I_.5(first+1, second+1).

    The Beta criterion of adaptive consistency (Aggarwal et al. 2305.11860), whose authors stop at 0.95. Exact: for
    whole numbers it is a tail of the binomial. ValueError for negative counts.
    """
    if first < 0 or second < 0:
        raise ValueError("votes are never negative")
    n = first + second + 1
    return sum(math.comb(n, k) for k in range(first + 1)) / (1 << n)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that of `k` samples one at least is right, from `c` right of `n`: 1 - C(n-c,k)/C(n,k) (2107.03374).

    Unbiased for k <= n. ValueError unless 0 <= c <= n and 1 <= k <= n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"no pass@{k} from {c} of {n}")
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def maj_at_k(counts: Mapping[str, int], correct: str | Collection[str], k: int, abstained: int = 0) -> float:
    """The chance that the majority of `k` samples is right, from votes per answer; ties are split evenly.

    Unbiased: the exact mean over all draws of k of the n samples. `correct` is the right answer, or all answers that
    are right. `abstained` samples may be drawn, too, and don't vote; where all of a draw abstain it is wrong.
    ValueError unless 1 <= k <= n. In whole numbers; the price grows with answers x k^2 (n = 200: under a second).
    """
    votes = {label: count for label, count in counts.items() if count > 0}
    n = sum(votes.values()) + abstained
    if not 1 <= k <= n or abstained < 0:
        raise ValueError(f"no maj@{k} from {n} samples")
    right = {correct} if isinstance(correct, str) else set(correct)
    ways = Fraction(0)
    for label in right & votes.keys():
        others = sorted(count for other, count in votes.items() if other != label)
        ways += sum(
            math.comb(votes[label], height) * _beaten(others, abstained, height, k - height)
            for height in range(1, min(votes[label], k) + 1)
        )
    return float(ways / math.comb(n, k))


def entropy(counts: Mapping[str, int]) -> float | None:
    """The entropy of the answers in nats by Chao and Shen (2003), which counts in what was not seen yet.

    Counting alone is far too low for few samples (true 2.51, n = 10: plug-in 1.47, this 2.02). None for fewer than
    two votes. Where all differ, one is taken as seen twice, or the coverage would be nought.
    """
    votes = [count for count in counts.values() if count > 0]
    n = sum(votes)
    if n < 2:
        return None
    once = votes.count(1)
    coverage = 1 - min(once, n - 1) / n
    shares = [coverage * count / n for count in votes]
    return math.fsum(-share * math.log(share) / -math.expm1(n * math.log1p(-share)) for share in shares if share < 1)


def _leaders(counts: Mapping[str, int]) -> list[str]:
    most = max(counts.values(), default=0)
    return [label for label, count in counts.items() if count == most]


def _two_largest(counts: Mapping[str, int]) -> tuple[int, int]:
    first, second = sorted([0, 0, *counts.values()])[-2:][::-1]
    return first, second


def _beaten(others: list[int], abstained: int, height: int, draws: int) -> Fraction:
    """In how many ways `draws` samples fall on the others with none above `height`; a way in which t of them reach
    `height` counts 1/(t+1). `others` are the sizes of the other answers."""
    # table[t][d]: ways in which d draws are used and t answers reach the height: a generating function in two
    # variables, in which an answer of m samples is sum_(i<height) C(m,i) x^i + t C(m,height) x^height.
    table = [[math.comb(abstained, drawn) for drawn in range(draws + 1)]]
    for size in others:
        below = [math.comb(size, drawn) for drawn in range(min(height - 1, size, draws) + 1)]
        reaches = math.comb(size, height)
        following = [_times(row, below, draws) for row in table]
        if reaches:
            if len(table) * height <= draws:
                following.append([0] * (draws + 1))
            for tied, row in enumerate(table[: len(following) - 1]):
                for drawn in range(draws + 1 - height):
                    following[tied + 1][drawn + height] += row[drawn] * reaches
        table = following
    return sum((Fraction(row[draws], tied + 1) for tied, row in enumerate(table)), Fraction(0))


def _times(row: list[int], factor: list[int], degree: int) -> list[int]:
    product = [0] * (degree + 1)
    for drawn, ways in enumerate(row):
        if ways:
            for more, count in enumerate(factor[: degree + 1 - drawn]):
                product[drawn + more] += ways * count
    return product
