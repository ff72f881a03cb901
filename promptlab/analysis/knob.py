"""Does turning a knob change anything? A permutation test on short answers from its cold and its hot end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from promptlab.analysis.agreement import collision

Word = Literal["works", "void", "inconclusive"]
Cells = tuple[Sequence[str], Sequence[str]]  # the answers at the cold and at the hot end, of one prompt

CALLS = 12  # answers a cell
# From 2,000 simulated audits a case, of up to three prompts, on the shipped model's own distributions; rounded up. A
# short run of the same simulation is in the tests.
FALSE_ALARM = 0.05  # the most often that a dead knob is said to work
MISSED = 0.02  # the most often that a live one (temperature 0.2 against 1.2) is said to be dead

_CLEAR, _DOUBTFUL = 0.02, 0.1  # p of the first prompt: works below, void above, and one more prompt in between
_DECIDED = 0.05  # p of several prompts, below which it works
_COLLAPSED = 0.5  # the chance that two hot answers are the same one
_FEWEST = 8  # answers a cell
_ROUNDS = 4999


@dataclass(frozen=True, slots=True)
class Knob:
    """What a knob does: `p` of the permutation test (None where nothing could be tested), `n` the answers behind it,
    and `more`: another prompt may decide it."""

    word: Word
    p: float | None
    n: int
    text: str
    more: bool = False


def judge(
    cold: Sequence[str], hot: Sequence[str], *others: Cells, last: bool = False, seed: int = 0,
    rounds: int = _ROUNDS,
) -> Knob:  # fmt: skip
    """Whether cold answers agree more with each other than hot ones do: one-token answers to one prompt, about 12 a
    cell, and the same of `others`, each pair from a prompt of its own.

    Where the hot answers collapse to one as well, nothing can be seen: inconclusive, never void. In between, or
    collapsed, `more` asks for another prompt; `last` says that there is none.
    """
    cells = [(cold, hot), *others]
    n = sum(len(a) + len(b) for a, b in cells)
    if min(min(len(a), len(b)) for a, b in cells) < _FEWEST:
        return Knob("inconclusive", None, n, f"too few answers: {_FEWEST} at each end are the least")
    p = permutation(cells, seed, rounds)
    apart = [pair for pair in cells if (collision(pair[1]) or 0.0) <= _COLLAPSED]
    same = _told(cells)
    if p <= (_DECIDED if len(cells) > 1 else _CLEAR):
        return Knob("works", p, n, f"the cold answers agree more: {same}")
    if not apart:
        why = f"both ends give one answer nearly always ({same}): a mode, a cache, or a fixed seed"
        return Knob("inconclusive", p, n, why, more=not last)
    if p <= _DOUBTFUL and len(cells) == 1:
        return Knob("inconclusive", p, n, f"it may do a little: {same}", more=not last)
    return Knob("void", p, n, f"the cold answers differ as much as the hot ones: {same}")


def permutation(cells: Sequence[Cells], seed: int = 0, rounds: int = _ROUNDS) -> float:
    """One-sided p value that collisions are as likely in the cold cells as in the hot ones: answers change places
    within their prompt, `rounds` times, and the differences of the prompts are summed up."""
    random = np.random.default_rng(seed)
    seen, shuffled = 0.0, np.zeros(rounds)
    for cold, hot in cells:
        names = {label: number for number, label in enumerate(dict.fromkeys([*cold, *hot]))}
        labels = np.array([names[label] for label in [*cold, *hot]])
        mixed = random.permuted(np.broadcast_to(labels, (rounds, len(labels))), axis=1)
        seen += float((_collisions(labels[None, : len(cold)]) - _collisions(labels[None, len(cold) :]))[0])
        shuffled += _collisions(mixed[:, : len(cold)]) - _collisions(mixed[:, len(cold) :])
    return float((1 + (shuffled >= seen - 1e-9).sum()) / (rounds + 1))


def _collisions(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The share of equal pairs in each row."""
    n = rows.shape[1]
    equal = (rows[:, :, None] == rows[:, None, :]).sum(axis=(1, 2)) - n
    return np.asarray(equal / (n * (n - 1)), dtype=np.float64)


def _told(cells: Sequence[Cells]) -> str:
    """`two answers are the same in 98% of the cold pairs and in 4% of the hot ones`."""
    sides = [math.fsum(collision(pair[side]) or 0.0 for pair in cells) / len(cells) for side in (0, 1)]
    kinds = [sum(len(Counter(pair[side])) for pair in cells) for side in (0, 1)]
    counts = [sum(len(pair[side]) for pair in cells) for side in (0, 1)]
    told = [f"{k} different of {n} ({s:.0%} of the pairs agree)" for k, n, s in zip(kinds, counts, sides, strict=True)]
    return f"{told[0]} at the cold end, {told[1]} at the hot one"
