"""Whether a judge can be relied on: its verdicts in both orders, its bias for a side, and its agreement with others.

A hard verdict is what the judge said; a soft one is read from the log probabilities of the token that says it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.exact import sign_test
from promptlab.analysis.interval import Estimate, mean, t_quantile, wilson

Floats = NDArray[np.float64]
Verdict = Literal["first", "second", "tie"]
Preferred = Literal["a", "b", "tie"]

_LEAN = {"first": 1.0, "second": -1.0, "tie": 0.0}


# Verdicts in both orders ---------------------------------------------------------------------------------------------


class Swapped(NamedTuple):
    """What two verdicts on one pair come to. `turned`: they don't name the same, which makes a tie. `lean` is how far
    they went by the side: 1 twice the first, -1 twice the second, a half where one of them was a tie."""

    preferred: Preferred
    turned: bool
    lean: float


class Turns(NamedTuple):
    """How many of `n` pairs turned with the order, as a share with Wilson's interval; how many of them went to the
    first side and how many to the second, and the exact `p` that both are as likely: small is a position bias."""

    n: int
    turned: int
    share: Estimate | None
    first: int
    second: int
    p: float


def swapped(forward: Verdict, backward: Verdict) -> Swapped:
    """Verdicts on one pair with a first, then with b first."""
    one: Preferred = "tie" if forward == "tie" else "a" if forward == "first" else "b"
    other: Preferred = "tie" if backward == "tie" else "b" if backward == "first" else "a"
    lean = (_LEAN[forward] + _LEAN[backward]) / 2
    return Swapped(one, False, 0.0) if one == other else Swapped("tie", True, lean)


def turns(verdicts: Iterable[Swapped]) -> Turns:
    """A judge's share of verdicts that turn with the order, and whether they turn to one side.

    A judge that only wavers turns to both sides alike; one with a position bias turns to one."""
    found = list(verdicts)
    turned = [one for one in found if one.turned]
    share = Estimate(len(turned) / len(found), *wilson(len(turned), len(found))) if found else None
    first, second = (sum(one.lean * side > 0 for one in turned) for side in (1, -1))
    return Turns(len(found), len(turned), share, first, second, sign_test(first, second))


# Soft verdicts -------------------------------------------------------------------------------------------------------


class Odds(NamedTuple):
    """Log-odds that the first is the better one. `bounded`: one of the words was not among the alternatives, so that
    the value is the least that it can be, away from 0."""

    value: float
    bounded: bool = False


class Soft(NamedTuple):
    """A pair's two calls taken apart, in log-odds: `quality` of a over b, and `bias` for the first side."""

    quality: float
    bias: float

    @property
    def chance(self) -> float:
        """The chance that a is the better one."""
        return 0.5 * (1 + math.tanh(self.quality / 2))


class Softness(NamedTuple):
    """The bias for the first side over all pairs, with Student's interval, and how much a pair's quality is worth
    beside it: the share of pairs on which it decides, whatever stands first."""

    n: int
    bias: Estimate | None
    decided: float | None


def odds(top: Iterable[tuple[str, float]], first: str, second: str) -> Odds | None:
    """The log-odds of two words for a verdict, from the alternatives (token, natural log probability) where it is said.

    Spellings that differ in case, spaces and marks around them (`A`, ` a`, `**A`) count together; an alternative that
    is given twice counts once. Where one word is missing, it has no more than the least alternative, nor than what
    the others leave. None where both are missing, or the one that is there may be the less likely."""
    given = dict(top)
    masses = {word: math.fsum(math.exp(value) for text, value in given.items() if _bare(text) == _bare(word))
              for word in (first, second)}  # fmt: skip
    one, other = masses[first], masses[second]
    if one > 0 and other > 0:
        return Odds(math.log(one / other))
    if one == other:
        return None
    rest = max(1 - math.fsum(math.exp(value) for value in given.values()), 1e-9)
    bound = math.log(max(one, other) / min(rest, math.exp(min(given.values()))))
    return None if bound <= 0 else Odds(bound if one else -bound, bounded=True)


def _bare(text: str) -> str:
    return text.strip(" \t\r\n▁Ġ*_`\"'[]().:").casefold()


def soft(forward: float, backward: float) -> Soft:
    """Two calls on one pair: the log-odds that the first is the better one, with a first and then with b first.

    With l1 and l2 those of a in each order: quality (l1 + l2) / 2, bias (l1 - l2) / 2. For identical answers both
    calls are the same, and the quality is exactly 0."""
    in_first, in_second = forward, -backward
    return Soft((in_first + in_second) / 2, (in_first - in_second) / 2)


def preferred(one: Soft, margin: float = 0.0) -> Preferred:
    """The soft verdict as a word: a tie within `margin` (log-odds) of 0."""
    return "tie" if abs(one.quality) <= margin else "a" if one.quality > 0 else "b"


def softness(verdicts: Iterable[Soft], prompts: Sequence[Hashable] | None = None) -> Softness:
    """What a judge's soft verdicts tell of it; one a pair. A bias whose interval leaves 0 out is a position bias.

    `prompts` are those of the pairs: what belongs to one is not independent, and the mean is that of their means."""
    found = list(verdicts)
    rows = prompts if prompts is not None and len(set(prompts)) > 1 else None
    decided = sum(abs(one.quality) > abs(one.bias) for one in found) / len(found) if found else None
    return Softness(len(found), mean([one.bias for one in found], rows), decided)


# Agreement -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two who rated the same things: Cohen's `kappa` (None where both always said one and the same thing), how many
    they share and agree on, what chance alone would give, where they `differ` (in order), and how often each pair of
    labels was given (`table`)."""

    kappa: Estimate | None
    n: int
    agreed: int
    expected: float
    differ: tuple[Hashable, ...]
    table: Mapping[tuple[str, str], int]


def agreement(judge: Mapping[Hashable, str], user: Mapping[Hashable, str]) -> Agreement:
    """A judge beside a user, by what they rated (a pair of answers, say); what only one rated doesn't count.

    Cohen (1960). The interval is Wilson's for the share that they agree on, carried over with the chance share as seen:
    it covers 91 to 99% at 10 to 100 things, even where one label is rare, where the usual one (Fleiss, Cohen and
    Everitt 1969) covers 31 to 96%. It takes things as independent of each other: one pair of answers, one thing."""
    shared = [key for key in judge if key in user]
    table = Counter((judge[key], user[key]) for key in shared)
    n, agreed = len(shared), sum(count for (one, other), count in table.items() if one == other)
    differ = tuple(key for key in shared if judge[key] != user[key])
    rows, columns = (Counter(side[key] for key in shared) for side in (judge, user))
    expected = sum(rows[label] * columns[label] for label in rows) / (n * n) if n else 0.0
    if not n or expected == 1:
        return Agreement(None, n, agreed, expected, differ, dict(table))
    kappa = (agreed / n - expected) / (1 - expected)
    low, high = ((end - expected) / (1 - expected) for end in wilson(agreed, n))
    estimate = Estimate(kappa, max(-1.0, low), high)
    return Agreement(estimate, n, agreed, expected, differ, dict(table))


def alpha(ratings: Iterable[Sequence[str | None]]) -> Estimate | None:
    """Krippendorff's alpha for labels: agreement of several judges beyond chance, 1 for perfect, 0 for none.

    One sequence for each thing that was rated, with a label from each judge, None where one gave none; things with
    fewer than two labels don't count. The interval is the jackknife's over the things, Student's t; none for fewer
    than three, or where all agree (then there is no spread to see). None where nothing can differ: fewer than two
    things with labels, or one label throughout."""
    counts = [Counter(label for label in unit if label is not None) for unit in ratings]
    units = [count for count in counts if count.total() > 1]
    labels = list(dict.fromkeys(label for unit in units for label in unit))
    if len(units) < 2 or len(labels) < 2:
        return None
    table = np.array([[unit[label] for label in labels] for unit in units], dtype=np.float64)
    sizes = table.sum(axis=1)
    apart = (sizes**2 - (table**2).sum(axis=1)) / (sizes - 1)  # pairs that differ in each, over its size less one

    whole = float(_alpha(apart.sum(), table.sum(axis=0)))
    parts = _alpha(apart.sum() - apart, table.sum(axis=0) - table)
    n = len(units)
    if n < 3 or not np.isfinite(parts).all() or float(np.ptp(parts)) < 1e-12:
        return Estimate(whole, None, None)
    error = math.sqrt((n - 1) / n * float(((parts - parts.mean()) ** 2).sum()))
    half = t_quantile(0.975, n - 1) * error
    return Estimate(whole, max(-1.0, whole - half), min(1.0, whole + half))


def _alpha(apart: Floats, margin: Floats) -> Floats:
    """1 - observed / expected disagreement; nan where there is one label alone. Of many at once: (n,), (n, labels)."""
    n = margin.sum(axis=-1)
    chance = n**2 - (margin**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - (n - 1) * apart / chance, dtype=np.float64)
