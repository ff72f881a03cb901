"""Texts to numbers: how different the repeats of one prompt are, and how far a text repeats itself or drifts.

A unit is one character of a script without spaces between words (Chinese, Japanese, Thai …), else a word, a number or
a sign, after NFKC and without regard to case: so no segmenter is needed and full-width forms count as plain ones.
Measures of a set are None for fewer than two texts, don't depend on the order of the texts, and never fail.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import overload

import numpy as np
from numpy.typing import NDArray

MOST = 200
"""Texts that are compared each with each, at most: the first ones of a larger set."""
NEAR = 0.9
"""Similarity from which two texts are near-duplicates."""
SPACED, UNSPACED = range(3, 6), range(1, 3)
"""Lengths of the character n-grams of the Vendi score, for letters and for Han or kana. Measured on parallel English
and Chinese texts (8 poems of the sea: 7.67 by 3-5 in English, 7.67 by 1-2, 7.99 by 2-3 in Chinese; 6 paraphrases: 3.19,
2.79, 4.12) and on models of characters at T = 0.3 to 1.5: in Chinese 2-3 is full at 0.5 already, 1-2 goes on."""

_COMPARED = 1_000  # units of each text that near-duplicates look at
_PRESSED = 300_000  # characters of a set that `compression` looks at
_LONGEST = 20_000  # characters of a text that n-grams look at, and units that `similarity` does
_BAGS = 2_048  # buckets of the bound that spares most comparisons
_COLUMNS = 8_192  # n-grams in one step of the kernel: what bounds its memory

# Han with its marks and extensions, kana, bopomofo.
_HAN = "\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# And Thai, Lao, Myanmar and Khmer, whose marks are units as well.
_UNSPACED = _HAN + "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"


@lru_cache(maxsize=1)
def _unit() -> re.Pattern[str]:
    # Vowel signs of Indic and Hebrew or Arabic points are not \w to Python, yet belong to their words.
    unspaced = re.compile(f"[{_UNSPACED}]")
    points = (chr(code) for code in range(0x300, 0x1B00))
    marks = "".join(c for c in points if unicodedata.category(c) in ("Mn", "Mc") and not unspaced.match(c))
    return re.compile(
        rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W\d_])(?:(?![{_UNSPACED}])[^\W\d_]|[{marks}])*|\d+|[^\w\s]|_"
    )


def plain(text: str) -> str:
    """NFKC, and without case: the form in which texts are compared."""
    return unicodedata.normalize("NFKC", text).casefold()


def units(text: str) -> list[str]:
    """The units of a text in order."""
    return _unit().findall(plain(text))


class Texts(Sequence[str]):
    """A set of texts that works out only once what measures need of it; `without` shares that with its parts.

    Any measure takes it where it takes a list; several measures of one set are cheaper so, and a jackknife much.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._whole = _Whole(tuple(texts))
        self._kept: tuple[int, ...] = tuple(range(len(self._whole.texts)))

    @staticmethod
    def of(texts: Sequence[str]) -> Texts:
        return texts if isinstance(texts, Texts) else Texts(texts)

    def without(self, places: Collection[int]) -> Texts:
        """The same set without the texts at these places."""
        part = Texts.__new__(Texts)
        part._whole = self._whole
        part._kept = tuple(kept for place, kept in enumerate(self._kept) if place not in places)
        return part

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...
    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self._whole.texts[kept] for kept in self._kept[place])
        return self._whole.texts[self._kept[place]]

    def __len__(self) -> int:
        return len(self._kept)

    def _compared(self) -> list[int]:
        return [kept for kept in self._kept if kept < MOST]


def common_length(texts: Sequence[str]) -> int:
    """To how many units texts are cut before they are compared: the shortest that has at least half the median's.

    Shorter ones take part with all they have, so that one refusal of three words does not cut the others to three.
    Take it over all points of a sweep and pass it as `length` to compare the points: distinct-n falls with length
    (Liu et al. 2202.13587).
    """
    some = Texts.of(texts)
    lengths = sorted(len(some._whole.units[kept]) for kept in some._kept)
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
    cut = max(0, (common_length(some) if length is None else length) - n + 1)
    grams = some._whole.grams(n)
    taken = np.concatenate([grams[kept][:cut] for kept in some._kept])
    return int(np.count_nonzero(np.bincount(taken))) / len(taken) if len(taken) else None


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
    most = _PRESSED // min(MOST, len(some._whole.texts))
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
    return len({tuple(some._whole.units[kept][:3]) for kept in some._kept}) / len(some)


def near_duplicates(texts: Sequence[str]) -> float | None:
    """The share of pairs whose similarity is NEAR or more; of the first 200 texts and their first 1,000 units."""
    some = Texts.of(texts)
    if len(some) < 2:
        return None
    places = some._compared()
    pairs = len(places) * (len(places) - 1)
    return float(np.count_nonzero(some._whole.near[np.ix_(places, places)])) / pairs


def repetition(text: str, n: int = 4) -> float | None:
    """The share of n-grams of units that came before in this text: seq-rep-n of Welleck et al. 1908.04319.

    Catches loops. None for fewer than n units.
    """
    own = units(text)
    grams = len(own) - n + 1
    return 1 - len({tuple(own[i : i + n]) for i in range(grams)}) / grams if grams > 0 else None


def drift(text: str, prompt: str) -> float | None:
    """The share of a text's letters in scripts that the prompt has no letter of; None where one has no letters.

    A description, not a fault: a prompt may ask for a translation.
    """
    known = {_script(letter) for letter in set(plain(prompt))} - {""}
    letters = Counter(plain(text))
    scripts = [(_script(letter), count) for letter, count in letters.items()]
    total = sum(count for script, count in scripts if script)
    if not known or not total:
        return None
    return sum(count for script, count in scripts if script and script not in known) / total


def similarity(a: str, b: str) -> float:
    """How alike two texts are, 0 to 1: twice their longest common subsequence of units over all their units.

    The ratio of rapidfuzz and of Indel distance, on units. 1 for two texts without units. Of the first 20,000 units.
    """
    return _ratio(units(a)[:_LONGEST], units(b)[:_LONGEST])


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


class _Whole:
    """What is worked out of all texts of a set, each when it is first needed."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.texts = texts
        self._grams: dict[int, list[NDArray[np.intp]]] = {}
        self._ends: dict[tuple[int, int], str] = {}

    @cached_property
    def units(self) -> list[list[str]]:
        return [units(text) for text in self.texts]

    def grams(self, n: int) -> list[NDArray[np.intp]]:
        """The n-grams of every text in order, as numbers that stand for them throughout the set."""
        if n not in self._grams:
            known: dict[tuple[str, ...], int] = {}
            self._grams[n] = [
                np.array([known.setdefault(gram, len(known)) for gram in _windows(own, n)], dtype=np.intp)
                for own in self.units
            ]
        return self._grams[n]

    def beginning(self, place: int, length: int) -> str:
        """The first `length` units of a text, with what stands between them."""
        if (place, length) not in self._ends:
            text = plain(self.texts[place])
            last = next(islice(_unit().finditer(text), length - 1, None), None) if length else None
            self._ends[place, length] = text[: last.end()] if last else text if length else ""
        return self._ends[place, length]

    @cached_property
    def kernel(self) -> NDArray[np.float64]:
        """The cosine of which n-grams of characters occur in each two texts."""
        forms = [" ".join(plain(text)[:_LONGEST].split()) for text in self.texts[:MOST]]
        sizes = _sizes(forms)
        return _cosines([_shingles(form, sizes) for form in forms])

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """Which two different texts are near-duplicates."""
        return _near([own[:_COMPARED] for own in self.units[:MOST]])


def _windows(own: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(own[start:] for start in range(n)), strict=False)


def _sizes(forms: Sequence[str]) -> range:
    """Which n-grams suit a set: one choice for all its texts, or the kernel would compare unlike things."""
    letters = han = 0
    pattern = re.compile(f"[{_HAN}]")
    for form in forms:
        letters += sum(map(str.isalpha, form))
        han += len(pattern.findall(form))
    return UNSPACED if 2 * han > letters else SPACED


def _shingles(form: str, sizes: range) -> NDArray[np.uint64]:
    """The n-grams of a text, each once, as 64-bit hashes. A text that is too short for any is its own only one."""
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
    return np.unique(np.concatenate(found))


def _cosines(shingles: Sequence[NDArray[np.uint64]]) -> NDArray[np.float64]:
    sizes = np.array([len(own) for own in shingles], dtype=np.float64)
    owner = np.repeat(np.arange(len(shingles)), [len(own) for own in shingles])
    _, column, times = np.unique(np.concatenate(shingles), return_inverse=True, return_counts=True)
    shared = times > 1  # what only one text has adds nothing off the diagonal
    renumbered = np.cumsum(shared) - 1
    owner, column = owner[shared[column]], renumbered[column[shared[column]]]
    order = np.argsort(column, kind="stable")
    owner, column = owner[order], column[order]
    common = np.zeros((len(shingles), len(shingles)))
    for start in range(0, int(shared.sum()), _COLUMNS):
        first, last = np.searchsorted(column, [start, start + _COLUMNS])
        block = np.zeros((len(shingles), _COLUMNS), dtype=np.float32)
        block[owner[first:last], column[first:last] - start] = 1
        common += block @ block.T
    np.fill_diagonal(common, sizes)
    return common / np.sqrt(np.outer(sizes, sizes))


def _near(texts: Sequence[list[str]]) -> NDArray[np.bool_]:
    near = np.zeros((len(texts), len(texts)), dtype=np.bool_)
    lengths = np.array([len(own) for own in texts])
    bags = np.zeros((len(texts), _BAGS), dtype=np.int32)
    numbers: dict[str, int] = {}
    for place, own in enumerate(texts):
        np.add.at(bags[place], [numbers.setdefault(unit, len(numbers)) % _BAGS for unit in own], 1)
    forms = [tuple(own) for own in texts]
    for place in range(len(texts) - 1):
        # A common subsequence is no longer than what the two have in common in any order.
        bound = 2 * np.minimum(bags[place], bags[place + 1 :]).sum(axis=1)
        possible = bound >= NEAR * (lengths[place] + lengths[place + 1 :])
        for other in (place + 1 + np.flatnonzero(possible)).tolist():
            alike = forms[place] == forms[other] or _ratio(texts[place], texts[other]) >= NEAR
            near[place, other] = near[other, place] = alike
    return near


def _ratio(a: Sequence[str], b: Sequence[str]) -> float:
    total = len(a) + len(b)
    return 2 * _common(a, b) / total if total else 1.0


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence, by bits of a long number (Hyyrö 2004)."""
    start, shorter = 0, min(len(a), len(b))
    while start < shorter and a[start] == b[start]:
        start += 1
    end = 0
    while end < shorter - start and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    places: dict[str, int] = {}
    for place, unit in enumerate(a):
        places[unit] = places.get(unit, 0) | 1 << place
    full = state = (1 << len(a)) - 1
    for unit in b:
        hit = state & places.get(unit, 0)
        state = (state + hit) | (state - hit)
    return start + end + len(a) - (state & full).bit_count()


@lru_cache(maxsize=16_384)
def _script(letter: str) -> str:
    """The script of a letter as Unicode's name for it begins; empty for what is no letter. The two kana are one."""
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return "KANA" if name in ("HIRAGANA", "KATAKANA") else name
