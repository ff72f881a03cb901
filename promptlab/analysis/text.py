"""Texts to numbers: how different the repeats of one prompt are.

Units are those of `promptlab.analysis.unit`. Measures of a set are None for fewer than two texts, don't depend on the
order of the texts, and never fail.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis.likeness import cosines, near_twins, similarity
from promptlab.analysis.unit import Text, drift, pattern, plain, repetition, units

__all__ = [
    "MOST", "Curve", "Texts", "common_length", "compression", "curve", "distinct", "drift", "medoid",
    "near_duplicates", "openings", "plain", "repetition", "similarity", "units", "vendi",
]  # fmt: skip

MOST = 200
"""Texts that are compared each with each, at most: the first ones of a larger set."""

_COMPARED = 1_000  # units of each text that near-duplicates look at
_PRESSED = 300_000  # characters of a set that `compression` looks at
_SORTED = 250_000  # pairs of units that `curve` sorts at once


class Texts(Sequence[str]):
    """A set of texts of which is kept and worked out only once what measures need; `without` shares that with its
    parts.

    Any measure takes it where it takes a list; several measures of one set are cheaper so, and a jackknife much.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._whole = _Whole()
        self._kept: list[int] = []
        for text in texts:
            self.add(Text(text))

    @staticmethod
    def of(texts: Sequence[str]) -> Texts:
        return texts if isinstance(texts, Texts) else Texts(texts)

    def add(self, text: Text) -> None:
        """One more text, before anything is measured."""
        self._kept.append(len(self._whole.texts))
        self._whole.add(text)

    def without(self, places: Collection[int]) -> Texts:
        """The same set without the texts at these places."""
        part = Texts.__new__(Texts)
        part._whole = self._whole
        part._kept = [kept for place, kept in enumerate(self._kept) if place not in places]
        return part

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self._whole.texts[kept] for kept in self._kept[place])
        return self._whole.texts[self._kept[place]]

    def __iter__(self) -> Iterator[str]:
        return (self._whole.texts[kept] for kept in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def pack(self) -> bytes:
        """What `compression` needs of the set, in little room."""
        most = _PRESSED // max(1, min(MOST, len(self)))
        beginnings = [self._whole.forms[kept][:most] for kept in self._compared()]
        return zlib.compress(json.dumps(beginnings, ensure_ascii=False).encode(errors="surrogatepass"), 1)

    @staticmethod
    def unpack(packed: bytes) -> Texts:
        """The set of which `compression` is that of the set that was packed; of the first MOST texts of it."""
        found = Texts()
        for form in json.loads(zlib.decompress(packed).decode(errors="surrogatepass")):
            found._kept.append(len(found._kept))
            found._whole.forms.append(form)
        return found

    def _compared(self) -> list[int]:
        return [kept for kept in self._kept if kept < MOST]


class _Whole:
    """What is kept of all texts of a set: their units as numbers that stand for them throughout it, and the plain form
    of the first MOST. And what is worked out of them, when it is first needed."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.forms: list[str] = []
        self.units: list[NDArray[np.int32]] = []
        self.names: defaultdict[str, int] = defaultdict()
        self.names.default_factory = self.names.__len__  # a unit that is new is the next number
        self._ends: dict[tuple[int, int], str] = {}

    def add(self, text: Text) -> None:
        self.texts.append(text.text)
        self.units.append(np.array(list(map(self.names.__getitem__, text.units)), dtype=np.int32))
        if len(self.forms) < MOST:
            self.forms.append(text.plain)

    @cached_property
    def lengths(self) -> list[int]:
        return [len(own) for own in self.units]

    @cached_property
    def openings(self) -> list[tuple[int, ...]]:
        return [tuple(own[:3].tolist()) for own in self.units]

    def beginning(self, place: int, length: int) -> str:
        """The first `length` units of a text, with what stands between them."""
        if (place, length) not in self._ends:
            form = self.forms[place]
            last = next(islice(pattern(form).finditer(form), length - 1, None), None) if length else None
            self._ends[place, length] = form[: last.end()] if last else form if length else ""
        return self._ends[place, length]

    @cached_property
    def kernel(self) -> NDArray[np.float64]:
        """The cosine of which n-grams of characters occur in each two texts."""
        return cosines(self.forms)

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """Which two different texts are near-duplicates."""
        return near_twins([own[:_COMPARED] for own in self.units[:MOST]])


def common_length(texts: Sequence[str]) -> int:
    """To how many units texts are cut before they are compared: the shortest that has at least half the median's.

    Shorter ones take part with all they have, so that one refusal of three words does not cut the others to three.
    Take it over all points of a sweep and pass it as `length` to compare the points: distinct-n falls with length
    (Liu et al. 2202.13587).
    """
    some = Texts.of(texts)
    lengths = sorted(some._whole.lengths[kept] for kept in some._kept)
    if not lengths:
        return 0
    median = (lengths[(len(lengths) - 1) // 2] + lengths[len(lengths) // 2]) / 2
    return next(length for length in lengths if 2 * length >= median)


def distinct(texts: Sequence[str], n: int = 2, length: int | None = None) -> float | None:
    """distinct-n: different n-grams of units over all of them (Li et al. 1510.03055), of texts cut to one `length`
    (`common_length` if None). None where there is no n-gram."""
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    cut = common_length(some) if length is None else length
    grams: set[tuple[int, ...]] = set()
    total = 0
    for kept in some._kept:
        own = some._whole.units[kept][: max(0, cut)].tolist()
        grams.update(zip(*(own[start:] for start in range(n)), strict=False))
        total += max(0, len(own) - n + 1)
    return len(grams) / total if total else None


class Curve(NamedTuple):
    """distinct-2 of a set of texts at one length, and of its parts without every so manieth text."""

    value: float | None
    parts: tuple[float | None, ...]


def curve(texts: Texts, lengths: Sequence[int], groups: int) -> list[Curve]:
    """`distinct` (n = 2) at each of several lengths in one go; and without each of `groups` parts in turn: the texts at
    `range(part, len(texts), groups)`, as the jackknife leaves them out. For two texts or more."""
    pairs = np.array([max(0, length - 1) for length in lengths])
    own = [texts._whole.units[kept] for kept in texts._kept]
    part_of = np.arange(len(own)) % max(1, groups)
    sizes = np.array([max(0, len(one) - 1) for one in own])
    totals = np.zeros((max(1, groups), len(pairs)), dtype=np.int64)
    np.add.at(totals, part_of, np.minimum(sizes[:, None], pairs))
    known = np.zeros(len(pairs), dtype=np.int64)  # different pairs at each length
    alone = np.zeros((max(1, groups), len(pairs)), dtype=np.int64)  # of them those of one part only
    blocks = 1 + int(sizes.sum()) // _SORTED
    for block in range(blocks):
        part, first, second = _places(own, part_of, len(texts._whole.names), block, blocks)
        at_first, at_second = (np.searchsorted(pairs, places, side="right") for places in (first, second))
        known += np.cumsum(np.bincount(at_first, minlength=len(pairs) + 1))[:-1]
        for at, sign in ((at_first, 1), (at_second, -1)):
            counts = np.bincount(part * (len(pairs) + 1) + at, minlength=max(1, groups) * (len(pairs) + 1))
            alone += sign * np.cumsum(counts.reshape(-1, len(pairs) + 1), axis=1)[:, :-1]
    whole = totals.sum(axis=0)
    return [
        Curve(_ratio(known[at], whole[at]),
              tuple(_ratio(known[at] - alone[part, at], whole[at] - totals[part, at]) for part in range(groups)))
        for at in range(len(pairs))
    ]  # fmt: skip


def _ratio(some: np.int64, whole: np.int64) -> float | None:
    return int(some) / int(whole) if whole else None


def _places(
    texts: Sequence[NDArray[np.int32]], part_of: NDArray[np.int_], size: int, block: int, blocks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each different pair of neighbouring units (of one block of them) the part in which it comes first in a text,
    the place there, and the first place in any other part: a large number where there is none."""
    codes, marks = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for own, part in zip(texts, part_of.tolist(), strict=True):
        code = own[:-1].astype(np.int64) * size + own[1:]
        mark = np.arange(len(code)) | part << 32
        if blocks > 1:
            ours = code % blocks == block
            code, mark = code[ours], mark[ours]
        codes.append(code)
        marks.append(mark)
    _, name = np.unique(np.concatenate(codes), return_inverse=True)
    # By name, part and place in one number; then by name and place, of the first in each part.
    packed = np.sort(name.astype(np.int64) << 40 | np.concatenate(marks))
    packed = packed[_changes(packed >> 32)]
    packed = np.sort(packed >> 40 << 40 | (packed & 0xFFFFFFFF) << 8 | packed >> 32 & 0xFF)
    starts = np.flatnonzero(_changes(packed >> 40))
    place = packed >> 8 & 0xFFFFFFFF
    second = np.full(len(starts), 1 << 40, dtype=np.int64)
    several = np.diff(np.append(starts, len(packed))) > 1
    second[several] = place[starts[several] + 1]
    return packed[starts] & 0xFF, place[starts], second


def _changes(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a value is another than the one before."""
    found = np.ones(len(values), dtype=np.bool_)
    found[1:] = values[1:] != values[:-1]
    return found


def compression(texts: Sequence[str], length: int | None = None) -> float | None:
    """How many times smaller zlib makes the texts, cut to one `length` as in `distinct`: more is more alike.

    Shaib et al. 2403.00553. To be compared within one language and about the same number of texts. They are sorted
    first: so their order makes no difference, and twins are near each other (zlib looks back 32 kB). Of the first
    200 texts, and of 300,000 characters in all. None where all are empty.
    """
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    cut = common_length(some) if length is None else length
    most = _PRESSED // min(MOST, len(some._whole.forms))
    beginnings = sorted(some._whole.beginning(kept, cut)[:most] for kept in some._compared())
    joined = "\n".join(beginnings).encode(errors="replace")
    return len(joined) / len(zlib.compress(joined, 9)) if joined.strip() else None


def vendi(texts: Sequence[str]) -> float | None:
    """The Vendi score, the effective number of different texts: exp of the entropy of the eigenvalues of K/n.

    Friedman and Dieng 2210.02410; K is the cosine of which character n-grams occur (not how often: that hardly
    moves), 3 to 5 characters, or 1 to 2 where most letters are Han or kana. 1 for equal texts, n for
    texts without a common n-gram. Of the first 200 texts and their first 20,000 characters.
    """
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    places = some._compared()
    eigenvalues = np.linalg.eigvalsh(some._whole.kernel[np.ix_(places, places)] / len(places))
    positive = eigenvalues[eigenvalues > 1e-12]
    score = float(np.exp(-np.sum(positive * np.log(positive))))
    return min(max(score, 1.0), float(len(places)))


def openings(texts: Sequence[str]) -> float | None:
    """The share of different openings: first three units, among all texts."""
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    return len({some._whole.openings[kept] for kept in some._kept}) / len(some)


def near_duplicates(texts: Sequence[str]) -> float | None:
    """The share of pairs whose similarity is 0.9 or more; of the first 200 texts and their first 1,000 units, and of
    fewer texts (25 or more) where so many of them are about that similar that comparing all would take too long."""
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    near = some._whole.near
    places = [kept for kept in some._kept if kept < len(near)]
    pairs = len(places) * (len(places) - 1)
    return float(np.count_nonzero(near[np.ix_(places, places)])) / pairs if pairs else None


def medoid(texts: Sequence[str]) -> int:
    """The place of the text that is nearest to all others (by the kernel of the Vendi score); the first of several.

    Of the first 200 texts. ValueError for none.
    """
    some = Texts.of(texts)
    if not len(some):
        raise ValueError("no text to choose from")
    places = some._compared()
    nearness = some._whole.kernel[np.ix_(places, places)].sum(axis=1)
    return int(np.argmax(np.round(nearness, 9)))
