"""Samples as they come, gathered to points and rows: of the texts of one prompt's repeats only numbers stay once all of
them are there, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptlab.analysis import Sample
from promptlab.analysis.agreement import collision
from promptlab.analysis.interval import Estimate, jackknife, left_out, parted
from promptlab.analysis.stability import Stability, deterministic
from promptlab.analysis.text import Texts, common_length, compression, curve, medoid, near_duplicates, openings, vendi
from promptlab.analysis.trait import ANSWERED, Trait, trait
from promptlab.analysis.unit import Text
from promptlab.events import Token
from promptlab.params import Value

_PRESSED = 4_000  # units in all, above which the interval of zlib's ratio would take seconds a point
_REPEATED = 100  # repeats of a point where all should be one text that are compared to the character

Statistic = Callable[[Sequence[str]], float | None]
# Measures of the repeats of one prompt as a set, by name. Distinct-2 and compression depend on length besides: they are
# told at the one that all points have in common, which nobody knows before the last of them is there.
_SETS: dict[str, Statistic] = {"vendi": vendi, "openings": openings, "near_duplicates": near_duplicates}


@dataclass(slots=True)
class Row:
    """What the repeats of one prompt at one point came to. `lengths` are those that distinct-2 is known at, the last
    of which no text exceeds; `length` is the one that the texts have in common; `packed` what `compression` needs of
    them."""

    traits: list[Trait]
    sets: dict[str, Estimate]
    distinct: dict[int, Estimate]
    packed: bytes
    lengths: tuple[int, ...]
    length: int
    shown: int | None
    stability: Stability | None

    @property
    def answered(self) -> int:
        return sum(one.text is not None for one in self.traits)

    @property
    def copies(self) -> bool:
        """Whether these are copies: at temperature 0, all that ended are one text. Where answers are drawn, equal ones
        are as many draws as they are."""
        if self.stability is None:
            return False
        ended = [one.text for one in self.traits if one.ended]
        return len(ended) > 1 and len(set(ended)) == 1

    def distinct_at(self, length: int) -> Estimate | None:
        """distinct-2 of the texts cut to a length; shorter ones take part with all they have."""
        own = [cut for cut in self.distinct if cut <= length]
        return self.distinct[max(own)] if own else None

    def compression_at(self, length: int, *, interval: bool) -> Estimate | None:
        """zlib's ratio of the texts cut to a length; its interval where they are short."""
        own = [cut for cut in self.lengths if cut <= length]
        if not own or not self.packed:
            return None
        texts = Texts.unpack(self.packed)

        def statistic(some: Sequence[str]) -> float | None:
            return compression(some, max(own))

        if interval and max(own) * self.answered <= _PRESSED:
            return jackknife(statistic, texts, limits=(0.0, float("inf")))
        value = statistic(texts)
        return None if value is None else Estimate(value, None, None)


@dataclass(slots=True)
class Gathered:
    """One point while it is read; `rows` by the row of the dataset."""

    target: str
    values: dict[str, Value]
    rows: dict[int | None, Row] = field(default_factory=dict)

    @property
    def traits(self) -> list[Trait]:
        return [one for row in self.rows.values() for one in row.traits]


Traits = Callable[[Sample, Text | None], Trait]
Cold = Callable[[Mapping[str, Value]], bool]


def traits_by(
    prompt_of: Callable[[Sample], str], how: str, expected_of: Callable[[Sample], str | None]
) -> Traits:  # fmt: skip
    """How a sample is made a trait."""
    return lambda sample, text: trait(sample, text, prompt_of(sample), how, expected_of(sample))


def gather(
    samples: Iterable[Sample], axes: Mapping[str, tuple[Value, ...]], void: Mapping[str, Collection[str]] | None,
    traits: Traits, cold: Cold,
) -> list[Gathered]:  # fmt: skip
    """The points of the samples in the plan's order; the repeats of a `cold` one are compared to the character. Raises
    ValueError where the repeats of one point and row do not stand side by side."""
    gathered: dict[tuple[str, str], Gathered] = {}
    for (target, key, row), values, repeats in _groups(samples, axes, void, traits, cold):
        point = gathered.setdefault((target, key), Gathered(target, values))
        if row in point.rows:
            raise ValueError(f"the samples of {target} at {values} do not stand side by side")
        # Over several rows a measure's interval is between them: within one it is of use where it is the only one.
        known = {name for one in point.rows.values() for name in one.sets}
        known |= {"distinct_2"} if any(one.distinct for one in point.rows.values()) else set()
        point.rows[row] = repeats.close(known)
        del repeats  # or its texts would stay while those of the next are read
    return list(gathered.values())


_Key = tuple[str, str, int | None]


def _groups(
    samples: Iterable[Sample], axes: Mapping[str, tuple[Value, ...]], void: Mapping[str, Collection[str]] | None,
    traits: Traits, cold: Cold,
) -> Iterator[tuple[_Key, dict[str, Value], _Repeats]]:  # fmt: skip
    """The samples of one point and row, each once all are there. Where an axis turned out void after it was asked at
    several values, these may stand apart: those points are held until the end."""
    held: dict[_Key, tuple[dict[str, Value], _Repeats]] = {}
    apart: set[_Key] = set()
    last: _Key | None = None
    for sample in samples:
        idle = [name for name in (void or {}).get(sample.target, ()) if name in axes]
        values = {name: sample.values.get(name) for name in axes if name not in idle}
        key = (sample.target, _key(values), sample.row)
        if last is not None and key != last and last not in apart:
            yield last, *held.pop(last)
        if any(sample.values.get(name) is not None or None in axes[name] for name in idle):
            apart.add(key)  # a plan that knew leaves a void axis unset, and its repeats side by side
        held.setdefault(key, (values, _Repeats(cold(values))))[1].add(sample, traits)
        last = key
    for key, (values, repeats) in held.items():
        yield key, values, repeats


def _key(values: Mapping[str, Value]) -> str:
    return repr([(name, type(value).__name__, value) for name, value in values.items()])


class _Repeats:
    """The repeats of one prompt at one point, while they come. Of a sample stay its trait and its text."""

    def __init__(self, cold: bool) -> None:
        self._traits: list[Trait] = []
        self._texts = Texts()
        self._cells: list[int] = []
        self._cold: list[Sample] | None = [] if cold else None
        self._said: set[str] = set()

    def add(self, sample: Sample, traits: Traits) -> None:
        text = Text(sample.answer) if sample.state in ANSWERED and sample.answer else None
        self._traits.append(traits(sample, text))
        if text is not None:
            self._texts.add(text)
            self._cells.append(sample.cell)
        if self._cold is not None and len(self._cold) < _REPEATED:
            # Where two texts part is looked for in the first of each alone, and by what its tokens say.
            told = () if sample.answer in self._said else tuple(Token(one.text, 0.0) for one in sample.tokens)
            self._said.add(sample.answer)
            self._cold.append(replace(sample, tokens=told))

    def close(self, known: Collection[str]) -> Row:
        """The measures of the repeats as a set; they take in cut answers, whose share is told beside them. Those that
        are `known` of another row get no interval."""
        texts, traits = self._texts, self._traits
        sets = {}
        for name, statistic in _SETS.items():
            limits = (1.0, float(len(texts))) if name == "vendi" else (0.0, 1.0)
            value = statistic(texts) if name in known else None
            told = jackknife(statistic, texts, limits=limits) if name not in known else _bare(value)
            if told:
                sets[name] = told
        for name, labels in (("agreement", [str(one.text) for one in traits if one.text is not None]),
                             ("answer_agreement", [one.label for one in traits if one.label is not None])):  # fmt: skip
            if told := _agreement(labels, interval=name not in known):
                sets[name] = told
        longest = int(max((one.scales.get("length", 0) for one in traits), default=0))
        several = len(texts) > 1
        lengths = tuple(grid(longest)) if several else ()
        shown = self._cells[medoid(texts)] if len(texts) else None
        return Row(
            traits, sets, _distinct(texts, lengths, interval="distinct_2" not in known) if several else {},
            texts.pack() if several and any(map(str.strip, texts)) else b"", lengths, common_length(texts), shown,
            deterministic(self._cold) if self._cold is not None else None,
        )  # fmt: skip


def _bare(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value, None, None)


def _agreement(labels: Sequence[str], *, interval: bool) -> Estimate | None:
    value = collision(labels)
    if value is None:
        return None
    groups = parted(len(labels)) if interval else 0
    parts = [collision(label for at, label in enumerate(labels) if at % groups != part) for part in range(groups)]
    return left_out(value, parts, len(labels), (0.0, 1.0))


def _distinct(texts: Texts, lengths: Sequence[int], *, interval: bool) -> dict[int, Estimate]:
    groups = parted(len(texts)) if interval else 0
    return {length: left_out(one.value, one.parts, len(texts), (0.0, 1.0))
            for length, one in zip(lengths, curve(texts, lengths, groups), strict=True)
            if one.value is not None}  # fmt: skip


def grid(longest: int) -> Iterator[int]:
    """Lengths to cut texts to: 2, 3, 4, 6, 8, 12, 16 … up to the first that no text exceeds."""
    length = 2
    while True:
        for cut in (length, length * 3 // 2):
            yield cut
            if cut >= longest:
                return
        length *= 2


def lengths_in_common(points: Sequence[Gathered]) -> dict[int | None, int]:
    """Per row the length to which the texts of all points are cut: as `common_length` chooses it among texts."""
    found: dict[int | None, list[int]] = {}
    for point in points:
        for number, row in point.rows.items():
            if row.distinct or row.packed:
                found.setdefault(number, []).append(row.length)
    chosen = {}
    for number, lengths in found.items():
        own = sorted(lengths)
        least = next(length for length in own if 2 * length >= own[len(own) // 2])
        chosen[number] = [length for length in grid(max(own)) if length <= max(2, least)][-1]
    return chosen
