"""How often findings are wrong: simulated sweeps without any effect, and with one.

    python bench/findings.py [SWEEPS]

Each sweep is read whole, as `promptlab sweep` reads it. Without an effect every text is drawn from one distribution of
words, so that "changes the answers" is a false alarm: at most 5% of sweeps may have one. With an effect the
distribution is sharpened or flattened along the values, as temperature does it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from promptlab.analysis import Sample
from promptlab.analysis.interval import wilson
from promptlab.analysis.reading import read

ENGLISH = [
    a + b for a in ("ba", "den", "fol", "gri", "mo", "nar", "per", "sut") for b in ("d", "ling", "ma", "rest", "y")
]
CHINESE = [chr(0x4E00 + 97 * i) for i in range(40)]
LENGTH = 12  # words of a text


class Shape(NamedTuple):
    """`values` of an axis with `repeats` each, for every one of `rows` prompts."""

    values: int
    repeats: int
    rows: int = 1


SHAPES = (Shape(2, 5), Shape(3, 3), Shape(3, 10), Shape(7, 5), Shape(3, 2, 6), Shape(2, 1, 10))


def sweep(
    shape: Shape, words: Sequence[str], temperatures: Sequence[float], random: np.random.Generator
) -> Iterator[Sample]:  # fmt: skip
    """A simulated sweep's samples in the plan's order; row r prefers words of its own."""
    cell = 0
    base = 1.0 / np.arange(1, len(words) + 1)
    for value in range(shape.values):
        shares = base ** (1 / temperatures[value])
        shares /= shares.sum()
        for row in range(shape.rows):
            own = np.roll(words, 7 * row)
            for repeat in range(shape.repeats):
                count = int(random.integers(LENGTH - 3, LENGTH + 4))
                text = ("" if words is CHINESE else " ").join(random.choice(own, count, p=shares))
                yield Sample(cell, "simulated", {"temperature": 0.1 + value}, repeat, text,
                             row=row if shape.rows > 1 else None)  # fmt: skip
                cell += 1


def rate(
    sweeps: int, shape: Shape, words: Sequence[str], temperatures: Sequence[float], seed: int = 0
) -> Counter[str]:  # fmt: skip
    """How many of the sweeps had a finding of each kind, by its code."""
    found: Counter[str] = Counter()
    axes = {"temperature": tuple(0.1 + value for value in range(shape.values))}
    for number in range(sweeps):
        random = np.random.default_rng([seed, number])
        reading = read(sweep(shape, words, temperatures, random), axes)
        found.update({remark.code for remark in reading.remarks})
    return found


def main() -> None:
    sweeps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{'':32}{'finding of an effect':>24}   any finding of a kind of effect")
    for name, words in (("English", ENGLISH), ("Chinese", CHINESE)):
        for effect, low, high in (("none", 1.0, 1.0), ("0.7 to 1.0", 0.7, 1.0), ("0.5 to 1.3", 0.5, 1.3)):
            total: Counter[str] = Counter()
            for shape in SHAPES:
                each = sweeps // len(SHAPES) if effect == "none" else sweeps // (5 * len(SHAPES))
                found = rate(each, shape, words, np.linspace(low, high, shape.values).tolist())
                total.update({**found, "sweeps": each})
                line(f"{name} {effect} {shape.values}x{shape.repeats}x{shape.rows}", found, each)
            line(f"{name} {effect} in all", total, total["sweeps"])


def line(name: str, found: Counter[str], sweeps: int) -> None:
    low, high = wilson(found["effect"], sweeps)
    kinds = ", ".join(f"{code} {count}" for code, count in sorted(found.items()) if code not in ("effect", "sweeps"))
    print(f"{name:32}{found['effect'] / sweeps:8.1%} [{low:.1%}, {high:.1%}]   {kinds}", flush=True)


if __name__ == "__main__":
    main()
