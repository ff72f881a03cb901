"""Whether one request gives one answer: how many there are, and where they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlab.analysis import Sample
from promptlab.analysis.trait import ANSWERED

_BEFORE, _AFTER = 12, 28  # characters shown on each side of a difference


@dataclass(frozen=True, slots=True)
class Stability:
    """`groups` are the numbers of the cells that gave the same answer, the commonest first. Where there are two or
    more, the earliest place where another answer parts from the commonest: `character` counts from 0, `token` from 0
    where the endpoint named the tokens of both; `left` and `right` are what stands there in the commonest and in the
    other one, untrusted text. `thoughts` counts the different thinking traces, `left_out` samples without answer."""

    n: int
    groups: tuple[tuple[int, ...], ...]
    left_out: int = 0
    thoughts: int = 0
    character: int | None = None
    token: int | None = None
    left: str = ""
    right: str = ""

    @property
    def distinct(self) -> int:
        return len(self.groups)

    @property
    def same(self) -> bool:
        """Whether all are equal to the character; one answer alone is no evidence of it."""
        return self.n > 1 and len(self.groups) == 1

    @property
    def place(self) -> str:
        """Where they part, counted from 1: `token 14` or `character 52`; empty where they don't."""
        if self.token is not None:
            return f"token {self.token + 1}"
        return "" if self.character is None else f"character {self.character + 1}"


def deterministic(samples: Sequence[Sample]) -> Stability:
    """How far answers to one and the same request are the same text. Failed and cancelled samples are left out."""
    told = [sample for sample in samples if sample.state in ANSWERED]
    by_text: dict[str, list[Sample]] = {}
    for sample in told:
        by_text.setdefault(sample.answer, []).append(sample)
    ranked = sorted(by_text.values(), key=lambda group: (-len(group), group[0].cell))
    groups = tuple(tuple(sample.cell for sample in group) for group in ranked)
    thoughts = len({sample.thinking for sample in told if sample.thinking})
    left_out = len(samples) - len(told)
    if len(ranked) < 2:
        return Stability(len(told), groups, left_out, thoughts)
    common = ranked[0][0]
    other = min((group[0] for group in ranked[1:]), key=lambda sample: _parting(common.answer, sample.answer))
    place = _parting(common.answer, other.answer)
    start = max(0, place - _BEFORE)
    return Stability(len(told), groups, left_out, thoughts, place, _token(common, other),
                     common.answer[start : place + _AFTER], other.answer[start : place + _AFTER])  # fmt: skip


def _parting(a: str, b: str) -> int:
    """The first place where two different texts differ: where one begins the other, the end of the shorter."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _token(a: Sample, b: Sample) -> int | None:
    if not a.tokens or not b.tokens:
        return None
    pairs = zip(a.tokens, b.tokens, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x.text != y.text), min(len(a.tokens), len(b.tokens)))
