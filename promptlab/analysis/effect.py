"""Whether labels tell texts apart: permutation tests on sketches of texts, exact where there are few permutations.

Under "no effect" the answers to one prompt are exchangeable between the values of an axis, so that a permutation of
the labels within each row of a dataset gives every statistic's own distribution: the 5% level is right at any n."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.likeness import once

Floats = NDArray[np.float64]
Labels = NDArray[np.int16]

SIZE = 512  # numbers in a sketch: 1 kB a text, and cosines to about 0.04
EXACT = 2000  # all permutations are gone through up to this many, else DRAWN random ones
DRAWN = 999
LEVEL = 0.05
POWER = 0.8
SHARES = (0.25, 0.5, 0.75, 1.0)
_SIMULATED, _SIMULATED_DRAWN, _SIMULATED_SIZE = 40, 199, 240
_LONGEST = 8000  # characters of a text that its sketch is made of
_FEW = 16  # kinds up to which a product of matrices for each is faster than sorting the samples
_CHUNK = 200_000  # numbers of a block of permutations held at once


@dataclass(frozen=True, slots=True)
class Effect:
    """`p` of the omnibus test; `parts` are its parts' own p values, adjusted for being several; `least` is the
    smallest p that so few samples could give."""

    p: float
    n: int
    parts: Mapping[str, float]
    least: float


def sketch(text: str) -> NDArray[np.float16]:
    """A text as a unit vector of SIZE numbers: the set of its character n-grams (3 to 5, or 2 and 3 where most
    letters are of a script without spaces), hashed with signs, so that a product of two is about their cosine.

    Feature hashing: Weinberger et al., arXiv:0902.2206."""
    codes = np.frombuffer(f"\x02{text[:_LONGEST]}\x03".encode("utf-32-le", "replace"), dtype=np.uint32)
    wide = np.mean(codes >= 0x2E80) > 0.5  # CJK, kana and Hangul stand above
    grams = [_hashed(codes, n) for n in ((2, 3) if wide else (3, 4, 5)) if len(codes) >= n] or [_hashed(codes, 2)]
    found = once(np.concatenate(grams))
    signs = np.where(found >> np.uint64(63), 1.0, -1.0)
    vector = np.bincount((found % np.uint64(SIZE)).astype(np.intp), signs, SIZE)
    norm = float(np.linalg.norm(vector))
    return (vector / norm if norm else vector).astype(np.float16)


def _hashed(codes: NDArray[np.uint32], n: int) -> NDArray[np.uint64]:
    """One well-mixed number per n-gram, the same on every machine (Python's own hash differs by process)."""
    count = len(codes) - n + 1
    mixed = np.full(count, n, dtype=np.uint64)
    for i in range(n):
        mixed = mixed * np.uint64(0x100000001B3) + codes[i : i + count]
        mixed ^= mixed >> np.uint64(29)
    for factor, shift in ((0xBF58476D1CE4E5B9, 27), (0x94D049BB133111EB, 31)):  # the end of splitmix64
        mixed = mixed * np.uint64(factor)
        mixed ^= mixed >> np.uint64(shift)
    return mixed


# Permutations --------------------------------------------------------------------------------------------------------


def shuffles(labels: Sequence[int], strata: Sequence[int], seed: int = 0, drawn: int = DRAWN) -> Labels:
    """Labels as they are (first) and permuted within strata, one row each: all permutations that differ, where they
    are at most EXACT (and not many more than `drawn`), else `drawn` random ones."""
    own, rows = np.asarray(labels, dtype=np.int16), np.asarray(strata)
    members = [np.flatnonzero(rows == row) for row in np.unique(rows)]
    ways = math.prod(_arrangements(own[places]) for places in members)
    if ways <= min(EXACT, 2 * drawn + 2):
        listed = [list(_arranged(sorted(own[places].tolist()))) for places in members]
        every = []
        for combined in itertools.product(*listed):
            row = own.copy()
            for places, arranged in zip(members, combined, strict=True):
                row[places] = arranged
            if not np.array_equal(row, own):
                every.append(row)
        return np.stack([own, *every])
    rng = np.random.default_rng(seed)
    found = np.repeat(own[None], drawn + 1, axis=0)
    for places in members:
        found[1:, places] = rng.permuted(found[1:, places], axis=1)
    return found


def _arrangements(labels: NDArray[np.int16]) -> int:
    counts = np.bincount(labels).tolist()
    return math.factorial(len(labels)) // math.prod(math.factorial(count) for count in counts)


def _arranged(labels: list[int]) -> Iterator[tuple[int, ...]]:
    """The different orders of sorted labels."""
    if not labels:
        yield ()
    for i, label in enumerate(labels):
        if i == 0 or labels[i - 1] != label:
            for rest in _arranged(labels[:i] + labels[i + 1 :]):
                yield (label, *rest)


def least_p(labels: Sequence[int], strata: Sequence[int]) -> float:
    """The smallest p that a permutation test could give here: values of as many samples are interchangeable."""
    own, rows = np.asarray(labels, dtype=np.int16), np.asarray(strata)
    ways = math.prod(_arrangements(own[rows == row]) for row in np.unique(rows))
    sizes = np.unique(np.bincount(own)[np.unique(own)], return_counts=True)[1].tolist()
    return math.prod(math.factorial(size) for size in sizes) / ways


def p_values(statistics: Floats) -> Floats:
    """Each permutation's p value among all of them, ties counted; large is extreme. Shape as given: (permutations,)."""
    ordered = np.sort(statistics)
    return (len(statistics) - np.searchsorted(ordered, statistics, side="left")) / len(statistics)


def settled(statistics: Floats) -> Floats:
    """Statistics with the noise of summing in another order taken off, so that equal ones tie."""
    scale = float(np.max(np.abs(statistics), initial=0.0))
    return np.round(statistics / scale, 6) if scale > 1e-9 else np.zeros_like(statistics)


# The omnibus test ----------------------------------------------------------------------------------------------------


def judge(
    labels: Sequence[int], strata: Sequence[int], texts: NDArray[np.float16], scales: Mapping[str, Sequence[float]],
    seed: int = 0,
) -> Effect:  # fmt: skip
    """Whether the label of a sample tells anything of it: of its text (`texts`: a sketch each), or of one of the
    `scales` (a number each, taken as ranks within its stratum).

    Texts: the sum of squares between labels, as in PERMANOVA (Anderson 2001); as sketches are unit vectors, a mean's
    length is how alike its texts are, so that a change of spread shows as well as a change of content. The parts
    are joined by the smallest of their p values, calibrated by the same permutations (Westfall and Young 1993)."""
    permuted = shuffles(labels, strata, seed)
    statistics = _statistics(permuted, np.asarray(strata), texts.astype(np.float64), scales)
    each = {name: p_values(values) for name, values in statistics.items()}
    smallest = np.min(np.stack(list(each.values())), axis=0)
    parts = {name: float(np.mean(smallest <= values[0] + 1e-12)) for name, values in each.items()}
    return Effect(min(parts.values()), len(labels), parts, least_p(labels, strata))


def _statistics(
    permuted: Labels, strata: NDArray[np.int_], texts: Floats, scales: Mapping[str, Sequence[float]]
) -> dict[str, Floats]:
    rows = [np.flatnonzero(strata == row) for row in np.unique(strata)]
    features = {"text": texts, **{name: _ranks(np.asarray(values, float), rows) for name, values in scales.items()}}
    found: dict[str, Floats] = {}
    for name, values in features.items():
        within, across, spread = _between(permuted, rows, values)
        found[name] = settled(across)
        if name == "text" and max(len(places) for places in rows) > len(np.unique(permuted[0])):
            found["alike"] = settled(spread)
        if name == "text" and len(rows) > 1:
            # Rows have little text in common: what shows within each, and what all have in common, are two parts.
            found["text within rows"] = settled(within)
    return found


def _ranks(values: Floats, rows: Sequence[NDArray[np.intp]]) -> Floats:
    """Ranks within each row's samples, ties shared, in (0, 1)."""
    ranks = np.zeros((len(values), 1))
    for places in rows:
        own = values[places]
        ordered = np.sort(own)
        first, last = np.searchsorted(ordered, own, "left"), np.searchsorted(ordered, own, "right")
        ranks[places, 0] = (first + last) / (2 * len(own))
    return ranks


def _between(
    permuted: Labels, rows: Sequence[NDArray[np.intp]], features: Floats
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """For each permutation the sum of squares between labels, of each row by itself and of all rows together; and
    how much labels differ in how alike their own samples are, as the variance of the mean product of two of them."""
    if len(features) < features.shape[1]:
        features = _reduced(features)
    kinds = np.unique(permuted[0])
    sizes = np.array([np.sum(permuted[0] == kind) for kind in kinds])
    within, across, spread = (np.zeros(len(permuted)) for _ in range(3))
    step = max(1, _CHUNK // max(1, len(kinds) * max(features.shape)))
    for start in range(0, len(permuted), step):
        block = permuted[start : start + step]
        total, products = np.zeros((len(block), len(kinds), features.shape[1])), np.zeros((len(block), len(kinds)))
        for places in rows:
            middle = features[places].mean(axis=0)
            own = block[:, places]
            sums = _sums(own, kinds, features[places] - middle)
            counts = np.array([np.sum(own[0] == kind) for kind in kinds])
            squares = np.einsum("pkd,pkd->pk", sums, sums)
            within[start : start + step] += squares @ (1 / np.maximum(counts, 1))
            total += sums
            # Of samples as they are: |sum|^2 = the products of pairs, and each with itself, which no label changes
            # in all but does for one label; sketches are unit vectors, so that part is the count.
            whole = squares + 2 * counts * (sums @ middle) + counts**2 * (middle @ middle)
            products += (whole - counts) / np.maximum(counts * (counts - 1), 1) * (counts > 1)
        across[start : start + step] = np.einsum("pkd,pkd,k->p", total, total, 1 / sizes)
        spread[start : start + step] = products.var(axis=1)
    return within, across, spread


def _sums(labels: Labels, kinds: Labels, features: Floats) -> Floats:
    """The sum of the features of each kind for each permutation: (permutations, kinds, features)."""
    if len(kinds) <= _FEW:
        return np.stack([(labels == kind).astype(np.float64) @ features for kind in kinds], axis=1)
    found = np.zeros((len(labels), len(kinds), features.shape[1]))
    present, counts = np.unique(labels[0], return_counts=True)  # the same in every permutation
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    at = np.searchsorted(kinds, present)
    for place, own in enumerate(labels):
        found[place, at] = np.add.reduceat(features[np.argsort(own, kind="stable")], starts, axis=0)
    return found


def _reduced(features: Floats) -> Floats:
    """The same samples in as many dimensions as there are of them: every product stays."""
    values, vectors = np.linalg.eigh(features @ features.T)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)))


def reach(
    labels: Sequence[int], strata: Sequence[int], texts: NDArray[np.float16], scales: Mapping[str, Sequence[float]],
    seed: int = 0,
) -> float | None:  # fmt: skip
    """The smallest of SHARES that the test would have found four times in five: that share of the answers at one
    value become one and the same other text. None where not even all of them would have been found.

    Simulated on these samples: labels shuffled, so that nothing else is there to find, and the change planted."""
    rng = np.random.default_rng(seed)
    kept = np.arange(len(labels))[:_SIMULATED_SIZE]
    own, rows = np.asarray(labels, dtype=np.int16)[kept], np.asarray(strata)[kept]
    base = np.hstack([texts[kept].astype(np.float64), np.zeros((len(kept), 1))])
    base = _reduced(base) if len(kept) < SIZE else base
    base = np.hstack([base, np.zeros((len(kept), 1))])
    ranks = {name: np.asarray(values, float)[kept] for name, values in scales.items()}
    for share in SHARES:
        missed = 0
        for _ in range(_SIMULATED):
            missed += not _plant(own, rows, base, ranks, share, rng)
            if missed > (1 - POWER) * _SIMULATED:
                break
        else:
            return share
    return None


def _plant(
    labels: Labels, strata: NDArray[np.int_], base: Floats, ranks: Mapping[str, Floats], share: float,
    rng: np.random.Generator,
) -> bool:  # fmt: skip
    """Whether one planted change is found."""
    order = np.arange(len(labels))
    for row in np.unique(strata):
        places = np.flatnonzero(strata == row)
        order[places] = rng.permutation(places)
    texts, kind = base[order], labels[-1]
    members = rng.permutation(np.flatnonzero(labels == kind))
    changed = members[: max(1, round(share * len(members)))]
    texts[changed] = 0
    texts[changed, -1] = 1
    permuted = shuffles(labels.tolist(), strata.tolist(), int(rng.integers(1 << 30)), _SIMULATED_DRAWN)
    scales = {name: values[order].tolist() for name, values in ranks.items()}
    each = [p_values(values) for values in _statistics(permuted, strata, texts, scales).values()]
    smallest = np.min(np.stack(each), axis=0)
    return bool(np.mean(smallest <= smallest[0] + 1e-12) <= LEVEL)


# Tests of one kind of change -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Break:
    """Where a share changes along ordered labels: `at` is the first label of the upper side; shares of both sides and
    their sizes; `p` is of the greatest difference over all places where it could have been."""

    at: int
    below: float
    above: float
    n_below: int
    n_above: int
    p: float


def breaks(labels: Sequence[int], strata: Sequence[int], bad: Sequence[bool], seed: int = 0) -> Break | None:
    """Where the share of bad samples changes most along the labels' order; None where there is nothing to compare."""
    kinds = np.unique(np.asarray(labels))
    marks = np.asarray(bad, dtype=np.float64)
    if len(kinds) < 2 or marks.min() == marks.max():
        return None
    permuted = shuffles(labels, strata, seed)
    spread = marks.mean() * (1 - marks.mean())
    scores = []
    for kind in kinds[1:]:
        above = permuted >= kind
        n = int(above[0].sum())
        high = above @ marks / n
        low = (~above) @ marks / (len(marks) - n)
        scores.append(np.abs(high - low) / math.sqrt(spread * (1 / n + 1 / (len(marks) - n))))
    greatest = settled(np.max(np.stack(scores), axis=0))
    best = int(np.argmax([score[0] for score in scores]))
    above = permuted[0] >= kinds[1:][best]
    return Break(int(kinds[1:][best]), float(marks[~above].mean()), float(marks[above].mean()), int((~above).sum()),
                 int(above.sum()), float(p_values(greatest)[0]))  # fmt: skip


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """p values adjusted for being several (Holm 1979), by the same names."""
    found: dict[str, float] = {}
    most = 0.0
    for rank, name in enumerate(sorted(values, key=lambda name: values[name])):
        most = max(most, min(1.0, values[name] * (len(values) - rank)))
        found[name] = most
    return found


def repeats_needed(values: int, rows: int = 1, tests: int = 1) -> int:
    """How many repeats a value needs, the same at each, before this test could find anything at the level of 5%."""
    for n in range(2 if rows == 1 else 1, 20):
        labels = [value for value in range(values) for _ in range(n)]
        every = [label for _ in range(rows) for label in labels]
        strata = [row for row in range(rows) for _ in labels]
        if rows > 12 or least_p(every, strata) <= LEVEL / tests:
            return n
    return 20
