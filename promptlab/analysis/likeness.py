"""How alike two texts are: by the n-grams of characters that they share, and by their longest common subsequence."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.unit import HAN, units

NEAR = 0.9
"""Similarity from which two texts are near-duplicates."""
SPACED, UNSPACED = range(3, 6), range(1, 3)
"""Lengths of the character n-grams of the Vendi score, for letters and for Han or kana. Measured on parallel English
and Chinese texts (8 poems of the sea: 7.67 by 3-5 in English, 7.67 by 1-2, 7.99 by 2-3 in Chinese; 6 paraphrases: 3.19,
2.79, 4.12) and on models of characters at T = 0.3 to 1.5: in Chinese 2-3 is full at 0.5 already, 1-2 goes on."""
LONGEST = 20_000
"""Characters of a text that n-grams look at, and units that `similarity` does."""

_BAGS, _PAIRS = 2_048, 4_096  # buckets of the two bounds that spare most comparisons: of units, and of pairs of them
_STEPS = 8_000  # units of comparison that a text may cost on the average before fewer texts are compared
_LEAST = 25  # texts that are compared in any case
_STRIDE = 64  # units between two looks at whether a comparison is decided
_COLUMNS = 8_192  # n-grams in one step of the kernel: what bounds its memory
_BLOCK = 500_000  # n-grams of all texts that are sorted at once
_RARE = 16  # texts with an n-gram up to which their pairs are counted one by one


# By shared n-grams ---------------------------------------------------------------------------------------------------


def cosines(forms: Sequence[str]) -> NDArray[np.float64]:
    """The cosine of which n-grams of characters occur in each two texts (in the plain form), 255 texts at most."""
    spaced = [" ".join(form[:LONGEST].split()) for form in forms]
    sizes = _sizes(spaced)
    shingles = [_shingles(form, sizes) for form in spaced]
    counts = np.array([len(own) for own in shingles], dtype=np.float64)
    common = np.zeros((len(forms), len(forms)))
    parts = 1 + int(counts.sum()) // _BLOCK
    edges = np.array([(part << 64) // parts for part in range(1, parts)], dtype=np.uint64)
    cuts = [np.concatenate([[0], np.searchsorted(own, edges), [len(own)]]).astype(int) for own in shingles]
    for part in range(parts):
        # The last eight bits of a hash give way to the number of the text: one sort puts all in order.
        marked = [(own[cut[part] : cut[part + 1]] & ~np.uint64(255)) | np.uint64(number)
                  for number, (own, cut) in enumerate(zip(shingles, cuts, strict=True))]  # fmt: skip
        common += _shared(np.sort(np.concatenate(marked)), len(forms))
    np.fill_diagonal(common, counts)
    return np.asarray(common / np.sqrt(np.outer(counts, counts)))


def _sizes(forms: Sequence[str]) -> range:
    """Which n-grams suit a set: one choice for all its texts, or the kernel would compare unlike things."""
    pattern = re.compile(f"[{HAN}]+")
    han = sum(len(run) for form in forms if not form.isascii() for run in pattern.findall(form))
    return UNSPACED if han and 2 * han > sum(sum(map(str.isalpha, form)) for form in forms) else SPACED


def _shingles(form: str, sizes: range) -> NDArray[np.uint64]:
    """The n-grams of a text, each once and in order, as 64-bit hashes. A text that is too short for any is its own
    only one."""
    codes = np.frombuffer(form.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < sizes.start:
        return np.array([zlib.crc32(form.encode(errors="surrogatepass"))], dtype=np.uint64)
    rolled = np.zeros(len(codes), dtype=np.uint64)
    found = []
    for size in range(1, min(sizes.stop, len(codes) + 1)):
        # Numbers wrap at 64 bits, which is what a hash wants; the multiplier is the golden ratio's, made odd.
        rolled = (rolled[: len(codes) - size + 1] + codes[size - 1 :] + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        rolled ^= rolled >> np.uint64(29)
        if size in sizes:
            found.append(rolled)
    return once(np.concatenate(found))


def once(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sorted and each once, like numpy's `unique`, in a third of its time."""
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def _shared(marked: NDArray[np.uint64], texts: int) -> NDArray[np.float64]:
    """How many n-grams each two texts share, of sorted n-grams whose last eight bits are the text's number."""
    owner = (marked & np.uint64(255)).astype(np.intp)
    key = marked >> np.uint64(8)
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, dtype=np.intp)
    times = np.diff(np.concatenate([starts, [len(key)]]))
    many = np.repeat(times, times)
    common = np.zeros((texts, texts))
    few = (many > 1) & (many <= _RARE)
    rare, name = owner[few], key[few]
    for ahead in range(1, _RARE):
        pairs = np.flatnonzero(name[ahead:] == name[:-ahead]) if len(name) > ahead else np.zeros(0, dtype=np.intp)
        if not len(pairs):
            break
        found = np.bincount(rare[pairs] * texts + rare[pairs + ahead], minlength=texts * texts).reshape(texts, texts)
        common += found + found.T
    # The common ones as columns of a matrix, some thousand at a time.
    often = owner[many > _RARE]
    sizes = times[times > _RARE]
    column = np.repeat(np.arange(len(sizes)), sizes)
    for start in range(0, len(sizes), _COLUMNS):
        first, last = np.searchsorted(column, [start, start + _COLUMNS])
        block = np.zeros((texts, min(_COLUMNS, len(sizes) - start)), dtype=np.float32)
        block[often[first:last], column[first:last] - start] = 1
        common += block @ block.T
    return common


# By what they have in common in order --------------------------------------------------------------------------------


def similarity(a: str, b: str) -> float:
    """How alike two texts are, 0 to 1: twice their longest common subsequence of units over all their units.

    The ratio of rapidfuzz and of Indel distance, on units. 1 for two texts without units. Of the first 20,000 units.
    """
    own, other = units(a)[:LONGEST], units(b)[:LONGEST]
    total = len(own) + len(other)
    return 2 * _common(own, other)[0] / total if total else 1.0


def near_twins(texts: Sequence[NDArray[np.int32]]) -> NDArray[np.bool_]:
    """Which two different texts, as numbers of units, are near-duplicates.

    Most pairs need no comparison: equal texts, those that have too few units or pairs of units in common in any order,
    and those that the triangle inequality of the distance decides. Where many do all the same, it is carried out for
    the first texts only (25 or more): the matrix is of as many."""
    forms: dict[bytes, int] = {}
    kind = [forms.setdefault(own.tobytes(), len(forms)) for own in texts]
    distinct = [np.frombuffer(form, dtype=np.int32) for form in forms]
    near = _near(distinct, _STEPS * max(_LEAST, len(texts)))
    most = next((place for place, number in enumerate(kind) if number >= len(near)), len(kind))
    places = np.array(kind[:most], dtype=np.intp)
    found = near[np.ix_(places, places)]
    np.fill_diagonal(found, False)
    return found


def _near(texts: Sequence[NDArray[np.int32]], patience: int) -> NDArray[np.bool_]:
    """Which two of different texts are near; of the first ones, where comparing takes more than `patience`."""
    count = len(texts)
    lengths = np.array([len(own) for own in texts])
    bags = np.stack([np.bincount(own % _BAGS, minlength=_BAGS) for own in texts]).astype(np.int16)
    pairs = np.stack([np.bincount(_beside(own), minlength=_PAIRS) for own in texts]).astype(np.int16)
    least, most = np.zeros((count, count), dtype=np.int64), np.zeros((count, count), dtype=np.int64)  # distances
    near = np.eye(count, dtype=np.bool_)
    for place in range(1, count):
        total = lengths[place] + lengths[:place]
        # A common subsequence is no longer than what both have in any order; and of its pairs of neighbours no more
        # are pushed apart than there are units beside it.
        in_common = np.minimum(bags[place], bags[:place]).sum(axis=1)
        beside = np.minimum(pairs[place], pairs[:place]).sum(axis=1)
        low = total - 2 * np.minimum(in_common, (total + 1 + beside) // 3)
        high = total.copy()
        while len(left := np.flatnonzero(((total - low) / total >= NEAR) & ((total - high) / total < NEAR))):
            other = int(left[0])
            if patience <= 0 and place >= _LEAST:
                return near[:place, :place]
            needed = math.ceil(NEAR * total[other] / 2 - 1e-6)
            shortest, longest = _common(texts[place].tolist(), texts[other].tolist(), needed)
            patience -= int(min(lengths[place], lengths[other]))
            low[other] = max(low[other], total[other] - 2 * longest)
            high[other] = total[other] - 2 * shortest
            if longest == shortest:  # an exact distance bounds those to all others
                own = slice(0, place)
                np.maximum(low, np.maximum(low[other] - most[other, own], least[other, own] - high[other]), out=low)
                np.minimum(high, high[other] + most[other, own], out=high)
        least[place, :place] = least[:place, place] = low
        most[place, :place] = most[:place, place] = high
        near[place, :place] = near[:place, place] = (total - high) / total >= NEAR
    return near


def _beside(units: NDArray[np.int32]) -> NDArray[np.int64]:
    """The bucket of each pair of neighbouring units."""
    return np.asarray((units[:-1].astype(np.int64) * 31 + units[1:]) % _PAIRS)


def _common(a: Sequence[object], b: Sequence[object], needed: int = 0) -> tuple[int, int]:
    """The length of the longest common subsequence, by bits of a long number (Hyyrö 2004): twice, or, once it can no
    longer come to `needed`, what is sure and what is still possible."""
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    places: dict[object, int] = {}
    for place, unit in enumerate(a):
        places[unit] = places.get(unit, 0) | 1 << place
    full = state = (1 << len(a)) - 1
    for done, part in _strides(b):
        for unit in part:
            hit = state & places.get(unit, 0)
            state = (state + hit) | (state - hit)
        sure = start + end + len(a) - (state & full).bit_count()
        if done < len(b) and sure + len(b) - done < needed:
            return sure, sure + len(b) - done
    sure = start + end + len(a) - (state & full).bit_count()
    return sure, sure


def _strides(units: Sequence[object]) -> Iterator[tuple[int, Sequence[object]]]:
    """Some units at a time, with how many there were by then."""
    for start in range(0, len(units), _STRIDE):
        yield min(len(units), start + _STRIDE), units[start : start + _STRIDE]
