"""What log probabilities tell of the decoding: surprisal and its gap, whose convention they are, the temperature that
the answers behave like, and whether the tail was cut off.

Everything here holds for answers of any length from any prompt, and with a few alternatives a token: what the others
hide is either left out of the score in a way that keeps it exact, or bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptlab.events import Token

Convention = Literal["raw", "scaled", "sampled"]
Floats = NDArray[np.float64]

_COLDEST = 60.0  # the inverse temperature that stands for "only ever the likeliest token"
_SAME = 1e-6  # nats; a sampled token's own entry among the alternatives has its very log probability
_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)  # an odd count of bins less one: the p value has a closed form
_FEWEST = 60  # tokens, for a G-test: three of them are expected in the smallest bin


class Gap(NamedTuple):
    """Mean of surprisal less entropy in nats a token, its standard error, and half the width that bounds leave."""

    value: float
    se: float
    slack: float


@dataclass(frozen=True, slots=True)
class Heat:
    """The temperature that answers behave like, with its 95% interval (`high` is inf where it is as good as flat).
    `slope` is its inverse with standard error `se`; `n` tokens told something of it."""

    value: float
    low: float
    high: float
    n: int
    slope: float
    se: float

    def off(self, temperature: float) -> float:
        """How many standard errors the inverse is away from that of `temperature`."""
        return abs(self.slope - 1 / temperature) / self.se if self.se > 0 else math.inf


class Tail(NamedTuple):
    """Whether the tail of the distribution is there: `p` of the test that it is, and the tokens looked at."""

    p: float
    n: int


def surprisal(tokens: Sequence[Token]) -> float | None:
    """Mean of -ln p over an answer's tokens, in nats; None without any. High is broken text, low is bland."""
    scores = [-token.logprob for token in tokens if math.isfinite(token.logprob)]
    return float(np.mean(scores)) if scores else None


def gap(tokens: Sequence[Token]) -> Gap | None:
    """Mean over tokens of (surprisal - entropy): zero where the text was drawn from the very distribution that the log
    probabilities describe (raw ones: at temperature 1 with nothing cut), below for colder, above for hotter text.

    Where alternatives were given, every token behind the last one shown scores as that one, in the surprisal and in
    its expectation alike: the sum stays a martingale, exactly zero at temperature 1 with any number of alternatives,
    and `slack` is 0. Without them the middle of the entropy bounds is taken, and `slack` says how far it can be off.
    None for fewer than two tokens with either.
    """
    table, drawn = _table(tokens)
    if len(drawn):
        scores, slack = _clipped(drawn, table), 0.0
    else:
        bounded = [(-t.logprob, t.low, t.high) for t in tokens if t.low is not None and t.high is not None]
        if not bounded:
            return None
        table = np.array(bounded, dtype=np.float64)
        scores = table[:, 0] - (table[:, 1] + table[:, 2]) / 2
        slack = float((table[:, 2] - table[:, 1]).mean() / 2)
    if len(scores) < 2:
        return None
    return Gap(float(scores.mean()), float(scores.std(ddof=1) / math.sqrt(len(scores))), slack)


def convention(
    at_one: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]], temperature: float = 0.5
) -> Convention | None:
    """What an endpoint's log probabilities are, from the alternatives of one prompt's first token at temperature 1 and
    at `temperature`: the model's own ("raw"), scaled by the temperature, or of the sampler at its end, with the cut
    ones gone ("sampled"). None where the two can't tell: too few in common, or neither.
    """
    first, second = dict(_finite(at_one)), dict(_finite(other))
    common = [name for name in first if name in second]
    if len(first) >= 2 and 1 <= len(second) < len(first) and _mass(second) > 0.999:
        return "sampled"
    if len(common) < 2:
        return None
    x, y = np.array([first[name] for name in common]), np.array([second[name] for name in common])
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread > _SAME else 0.0
    if slope <= 0 or temperature <= 0 or temperature == 1:
        return None
    # 1 is raw, 1 / temperature scaled: whichever is nearer as a ratio, for endpoints repeat themselves only nearly.
    steps = -math.log(slope) / math.log(temperature)
    return "raw" if -0.5 <= steps < 0.5 else "scaled" if 0.5 <= steps <= 1.5 else None


def effective_temperature(tokens: Iterable[Token]) -> Heat | None:
    """The temperature at which raw log probabilities give tokens like these (SCIENCE 6.5a, and at every position).

    Maximum likelihood in the exponential family q ∝ p^b, of each token among its alternatives: what lies outside of
    them cancels, so that nothing need be known of it, and positions of one text are as good as repeats of one prompt.
    b solves sum(ln p of the tokens) = sum(E_b ln p), its standard error is 1/sqrt(sum Var_b ln p). Tokens from outside
    their alternatives tell nothing and are left out. None for fewer than five that do.
    """
    table, own = _table(tokens)
    inside = own >= table[np.arange(len(own)), _last(table)] - _SAME
    table, own = table[inside], own[inside]
    if len(own) < 5:
        return None
    below = table - table[:, :1]  # against the likeliest: no overflow at any b
    drawn = own - table[:, 0]
    if -float(np.where(np.isfinite(below), below, 0.0).sum()) <= _SAME * len(own):  # all alike: any fits
        return None
    slope, information = _solve(below, drawn)
    if slope >= _COLDEST:
        return Heat(0.0, 0.0, 1 / _bound(below, drawn), len(own), _COLDEST, 0.0)
    if information <= 0:
        return None
    se = 1 / math.sqrt(information)
    least, most = slope - 1.96 * se, slope + 1.96 * se
    return Heat(_inverse(slope), _inverse(most), _inverse(least), len(own), slope, se)


def truncated(tokens: Sequence[Token], seed: int = 0) -> Tail | None:
    """Whether tokens drawn at temperature 1 are short of unlikely ones, as a hidden top_p, top_k or min_p makes them.

    G-test of the probability integral transform: each draw's place on the scale of cumulated probability, likeliest
    first and at random within its own share (`seed`), must be uniform. Beside it, one-sided, the mean surprisal against
    the lower bound of the entropy, which knows of all alternatives and not only of those that were kept; p is twice
    the smaller of both. Raw log probabilities only. A lower temperature makes the same gap: see
    `effective_temperature` beside it. None for fewer than 60 tokens with alternatives.
    """
    shown = _shown(tokens)
    if len(shown) < _FEWEST:
        return None
    random = np.random.default_rng(seed)
    places = np.array([random.uniform(*_share(token.logprob, top)) for token, top in shown])
    observed = np.histogram(places, _EDGES)[0].astype(float)
    expected = np.diff(_EDGES) * len(shown)
    there = observed > 0
    g = 2 * float((observed[there] * np.log(observed[there] / expected[there])).sum())
    p = _chi_square_tail(g, len(expected) - 1)
    bounded = np.array([-t.logprob - t.low for t, _ in shown if t.low is not None and math.isfinite(t.logprob)])
    if len(bounded) >= _FEWEST and (spread := float(bounded.std(ddof=1))) > 0:
        z = float(bounded.mean()) / (spread / math.sqrt(len(bounded)))
        p = min(1.0, 2 * min(p, 0.5 * math.erfc(-z / math.sqrt(2))))
    return Tail(p, len(shown))


def _finite(pairs: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(text, score) for text, score in pairs if math.isfinite(score) and score > -1000]


def _mass(scores: Mapping[str, float]) -> float:
    return sum(math.exp(min(score, 0.0)) for score in scores.values())


def _inverse(slope: float) -> float:
    return 1 / slope if slope > 0 else math.inf


def _shown(tokens: Iterable[Token]) -> list[tuple[Token, Floats]]:
    """The tokens that have alternatives, with those. Some servers (vLLM) put the token that was drawn in place of the
    last alternative: where no draw is ever outside, the last is left out of all, for it may depend on the draw."""
    shown = [(token, top) for token in tokens if (top := _top(token)) is not None]
    if any(token.logprob < top[-1] - _SAME for token, top in shown):
        return shown
    return [(token, top[:-1]) for token, top in shown if len(top) > 2]


def _top(token: Token) -> Floats | None:
    """The log probabilities of a token's alternatives, the likeliest first; None for fewer than two."""
    scores = sorted((score for _, score in _finite(token.top)), reverse=True)
    return np.array(scores) if len(scores) >= 2 and not math.isnan(token.logprob) else None


def _table(tokens: Iterable[Token]) -> tuple[Floats, Floats]:
    """What `_shown` gives, at once for all: a row of alternatives a token, the likeliest first and -inf behind the last
    one, and the log probabilities of the tokens themselves."""
    kept = [token for token in tokens if len(token.top) >= 2 and not math.isnan(token.logprob)]
    if not kept:
        return np.zeros((0, 2)), np.zeros(0)
    width = max(len(token.top) for token in kept)
    nothing = (-math.inf,) * width
    rows = [[score for _, score in token.top] for token in kept]
    table = np.array([(*row, *nothing[len(row) :]) for row in rows], dtype=np.float64).reshape(-1, width)
    table = -np.sort(-np.where(np.isfinite(table) & (table > -1000), table, -np.inf), axis=1)
    drawn = np.array([token.logprob for token in kept], dtype=np.float64)
    enough = np.isfinite(table[:, 1])
    table, drawn = table[enough], drawn[enough]
    rows_of = np.arange(len(drawn))
    last = _last(table)
    if not np.any(drawn < table[rows_of, last] - _SAME):
        table[rows_of, last] = -np.inf
        enough = np.isfinite(table[:, 1])
        table, drawn = table[enough], drawn[enough]
    return table[:, : int(_last(table).max(initial=1)) + 1], drawn


def _last(table: Floats) -> NDArray[np.intp]:
    """The place of the last alternative of each row."""
    return np.asarray(np.isfinite(table).sum(axis=1) - 1)


def _clipped(drawn: Floats, table: Floats) -> Floats:
    """Surprisal less its expectation, where whatever is not shown scores as the last that is; of each row."""
    last = table[np.arange(len(table)), _last(table)]
    p = np.exp(np.minimum(table, 0.0))
    rest = np.maximum(0.0, 1.0 - p.sum(axis=1))
    expected = -(p * np.where(np.isfinite(table), table, 0.0)).sum(axis=1) - rest * last
    return np.asarray(np.minimum(-drawn, -last) - expected)


def _share(logprob: float, top: Floats) -> tuple[float, float]:
    """Where a token's own probability begins and ends on the scale of cumulated probability."""
    p = np.exp(np.minimum(top, 0.0))
    upto = np.minimum(np.cumsum(p), 1.0)
    if logprob < top[-1] - _SAME:
        return float(upto[-1]), 1.0
    at = int(np.abs(top - logprob).argmin())
    return max(0.0, float(upto[at] - p[at])), float(upto[at])


def _moments(below: Floats, slope: float) -> tuple[float, float]:
    """Sum of the means and of the variances of ln p under q ∝ p^slope, over all positions."""
    finite = np.where(np.isfinite(below), below, 0.0)
    weights = np.where(np.isfinite(below), np.exp(slope * finite), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights * finite).sum(axis=1)
    return float(means.sum()), float(((weights * finite**2).sum(axis=1) - means**2).sum())


def _solve(below: Floats, drawn: Floats) -> tuple[float, float]:
    """The slope at which the tokens drawn are as likely as they can be, and the information there. Bisection: the mean
    rises with the slope throughout, where Newton's steps run away from flat tails."""
    low, high, wanted = -_COLDEST, _COLDEST, float(drawn.sum())
    if wanted >= _moments(below, high)[0]:
        return _COLDEST, 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _moments(below, middle)[0] < wanted else (low, middle)
    return (low + high) / 2, _moments(below, (low + high) / 2)[1]


def _bound(below: Floats, drawn: Floats) -> float:
    """The smallest slope that is not rejected by the likelihood ratio (95%) where none is too large."""

    def likelihood(slope: float) -> float:
        return slope * float(drawn.sum()) - float(np.log(np.exp(slope * below).sum(axis=1)).sum())

    best, low, high = likelihood(_COLDEST), 1e-3, _COLDEST
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if best - likelihood(middle) > 1.92 else (low, middle)
    return high


def _chi_square_tail(x: float, freedom: int) -> float:
    """P(chi-square > x) for an even number of degrees of freedom: a Poisson sum (Abramowitz & Stegun 26.4.21)."""
    assert freedom % 2 == 0
    half = max(x, 0.0) / 2
    return min(1.0, math.exp(-half) * sum(half**k / math.factorial(k) for k in range(freedom // 2)))
