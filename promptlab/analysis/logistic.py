"""Logistic regression of votes: log-odds of columns, a weak prior, and intervals by prompt where votes share one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.interval import Estimate, t_quantile

Floats = NDArray[np.float64]

PRIOR = 0.1  # virtual wins each way: keeps an arm that won everything finite, and Wald's interval at its level
_ENDLESS = 25.0  # log-odds that no votes of a person could show: Newton is on its way to infinity


@dataclass(frozen=True, slots=True)
class Fit:
    """The log-odds of each column, their covariance, and that which is clustered by prompt (None where no prompt has
    several votes) over `groups` prompts."""

    values: Floats
    covariance: Floats
    clustered: Floats | None = None
    groups: int = 0

    def estimate(self, contrast: Sequence[float] | Floats) -> tuple[Estimate, float]:
        """A sum of the columns with its 95% interval, and p that it is nought: Wald's, or what clusters give where
        that is wider (Student's over the prompts)."""
        along = np.asarray(contrast, dtype=np.float64)
        value, error = float(along @ self.values), math.sqrt(max(0.0, float(along @ self.covariance @ along)))
        half, z = NormalDist().inv_cdf(0.975) * error, abs(value) / error if error else 0.0
        if self.clustered is not None:
            df = self.groups - 1
            other = math.sqrt(max(0.0, float(along @ self.clustered @ along)))
            if t_quantile(0.975, df) * other > half:
                half = t_quantile(0.975, df) * other
                # Student's t as a normal deviate (Wallace 1959): right to 0.02 here.
                z = (8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p((value / other) ** 2 / df))
        return Estimate(value, value - half, value + half), math.erfc(z / math.sqrt(2))


def logistic(
    design: Floats, scores: Floats, virtual: Floats, prior: float = PRIOR, prompts: Sequence[Hashable] = (),
    gauge: Floats | None = None,
) -> Fit:  # fmt: skip
    """Logistic regression by Newton: `design` (votes, columns), `scores` 1, 0, or a half for a tie.

    Each row of `virtual` is seen won and lost, `prior` times each. `gauge` is added to the curvature where columns
    are only known up to a constant. ValueError where the likelihood has no finite top, which only prior 0 allows."""
    rows = np.vstack([design, virtual])
    wanted = np.concatenate([scores, np.full(len(virtual), 0.5)])
    weights = np.concatenate([np.ones(len(design)), np.full(len(virtual), 2 * prior)])
    pin = np.zeros((rows.shape[1],) * 2) if gauge is None else gauge
    values = np.zeros(rows.shape[1])
    endless = ValueError("the likelihood has no finite top: one side won everything, and no prior was given")
    for _ in range(100):
        chances = _logistic(rows @ values)
        curved = rows.T @ (rows * (weights * chances * (1 - chances))[:, None]) + pin
        try:
            step = np.linalg.solve(curved, rows.T @ (weights * (wanted - chances)))
        except np.linalg.LinAlgError:
            raise endless from None
        here = _likelihood(rows @ values, wanted, weights)
        while _likelihood(rows @ (values + step), wanted, weights) < here - 1e-9 and np.abs(step).max() > 1e-12:
            step = step / 2
        values = values + step
        if np.abs(values).max() > _ENDLESS:
            raise endless
        if np.abs(step).max() < 1e-9:
            break
    inverse = np.asarray(np.linalg.inv(curved), dtype=np.float64)
    wald = inverse * _calm(scores, chances[: len(design)])
    labels = {prompt: place for place, prompt in enumerate(dict.fromkeys(prompts))}
    if not 1 < len(labels) < len(design):
        return Fit(values, wald)
    sums = np.zeros((len(labels), rows.shape[1]))
    np.add.at(sums, [labels[prompt] for prompt in prompts], design * (scores - chances[: len(design)])[:, None])
    meat = sums.T @ sums * (len(labels) / (len(labels) - 1))
    clustered = np.asarray(inverse @ meat @ inverse, dtype=np.float64)
    return Fit(values, wald, clustered, len(labels))


def _calm(scores: Floats, chances: Floats) -> float:
    """How much less than wins and losses the scores vary as some are ties: each takes 1/4 from the p(1-p) of a vote.

    A tie's share is taken as if two more votes had none, so that all ties still leave an interval. Without it, 30%
    ties make an interval of 95% cover 99%."""
    n, ties = len(scores), int((scores == 0.5).sum())
    return max(2 / (n + 2), 1 - ties * n / (n + 2) / 4 / float((chances * (1 - chances)).sum())) if ties else 1.0


def _logistic(odds: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(odds / 2)), dtype=np.float64)


def _likelihood(odds: Floats, wanted: Floats, weights: Floats) -> float:
    return float(weights @ (wanted * odds - np.logaddexp(0, odds)))


def chance(odds: Estimate) -> Estimate:
    """Log-odds as a share, with their interval."""
    low, high = (None if end is None else 0.5 * (1 + math.tanh(end / 2)) for end in odds[1:])
    return Estimate(0.5 * (1 + math.tanh(odds.value / 2)), low, high)
