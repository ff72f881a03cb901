"""What is kept of one sample when its texts are let go: about 2 kB, so that a sweep of any length is read flat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from promptlab.analysis import Sample
from promptlab.analysis.decoding import Gap, gap, surprisal
from promptlab.analysis.effect import sketch
from promptlab.analysis.unit import Text, drift, repetition
from promptlab.extract import extract

ANSWERED = ("done", "incomplete")
_LABEL = 64  # characters of an extracted answer that are kept
_LINE = 120  # characters of a fault and of a prompt that are kept

# Signs of a text that fell apart, set so that ordinary prose and code show none (measured with SmolLM2-135M at
# temperatures 0 to 2: up to 1 no text did, at 2 five in six do, and by surprisal all).
BROKEN_SURPRISAL = 5.0  # nats a token: as if each were drawn from 150 equally likely ones
BROKEN_REPETITION = 0.5
BROKEN_DRIFT = 0.1
BROKEN_WORDS = 0.1
_ODD = re.compile(
    r"[a-z][A-Z]|[A-Za-z]{21,}|[\ufffd\u200b-\u200f\ue000-\uf8ff]|[^\W\d_][^\w\s'’`\-.,;:!?()/\"“”*_=&@][^\W\d_]"
)


@dataclass(frozen=True, slots=True)
class Trait:
    """One sample in numbers. `text` stands for its answer and `label` for what was extracted of it: equal numbers for
    equal ones, None for none. `passed` is whether it passed every check, None where nobody can tell. `scales` are its
    measures by name; `estimated` says that tokens were counted by us. `broken`: see `signs`. `fault` is why it failed
    and `prompt` how its prompt begins, each one line."""

    cell: int
    row: int | None
    state: str
    reason: str | None
    text: int | None
    label: str | None
    correct: bool | None
    passed: bool | None
    checks: tuple[tuple[str, bool], ...]
    scales: Mapping[str, float]
    estimated: bool
    gap: tuple[Gap, int] | None
    broken: bool
    sketch: NDArray[np.float16] | None
    fault: str = ""
    prompt: str = ""

    @property
    def ended(self) -> bool:
        """Whether it ended with what may be an answer: whole, or cut."""
        return self.state in ANSWERED


def trait(sample: Sample, text: Text | None, prompt: str, how: str, expected: str | None) -> Trait:
    """A sample's trait. `text` is its answer, None where there is none; `how` is the way in which answers are
    extracted, `expected` the right one where it is known.

    A cut answer has no label: what was extracted from half a text is no vote."""
    ended = sample.state in ANSWERED
    label = extract(text.text, how) if text and sample.state == "done" else None
    scales = _scales(sample, text, prompt) if ended else {}
    scored = gap(sample.tokens) if text else None
    right = _expected(expected, how) if expected is not None else None
    return Trait(
        sample.cell, sample.row, sample.state, sample.finish_reason,
        _number(text.text) if text else None, _short(label),
        None if right is None or not ended else label == right,
        _passed(sample) if ended else None,
        tuple((outcome.name, outcome.passed) for outcome in sample.outcomes if ended and outcome.passed is not None),
        scales, sample.estimated, (scored, len(sample.tokens)) if scored else None,
        text is not None and signs(text.text, scales), sketch(text.text) if text else None,
        _line(sample.fault), _line(prompt),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _expected(expected: str, how: str) -> str:
    return extract(expected, how) or expected.strip()


def signs(text: str, scales: Mapping[str, float]) -> bool:
    """Whether a text shows a sign of having fallen apart: high surprisal, loops, another script, or odd words (case
    that changes within a word, symbols between letters, signs that stand for nothing)."""
    if scales.get("surprisal", 0) > BROKEN_SURPRISAL or scales.get("repetition", 0) > BROKEN_REPETITION:
        return True
    odd = len(_ODD.findall(text)) / max(5, scales.get("length", 0))
    return scales.get("drift", 0) > BROKEN_DRIFT or odd > BROKEN_WORDS


def _scales(sample: Sample, text: Text | None, prompt: str) -> dict[str, float]:
    found: dict[str, float | None] = {
        "repetition": repetition(text), "drift": drift(text, prompt), "length": float(len(text.units)),
        "surprisal": surprisal(sample.tokens), "speed": sample.rate,
    } if text else {}  # fmt: skip
    found |= {"answer_tokens": sample.answer_tokens, "thinking": sample.thinking_tokens,
              "thinking_time": sample.thinking_seconds, "time": sample.seconds, "cost": sample.usd}  # fmt: skip
    return {name: float(value) for name, value in found.items() if value is not None}


def _passed(sample: Sample) -> bool | None:
    told = [outcome.passed for outcome in sample.outcomes]
    if False in told:
        return False
    return True if told and None not in told else None


def _short(label: str | None) -> str | None:
    """A label, or, where it is a long text, what stands for it."""
    return label if label is None or len(label) <= _LABEL else f"{label[:_LABEL]} {_number(label):x}"


def _line(text: str) -> str:
    """The beginning of a text as one line; all of it that is looked at is bounded."""
    return " ".join(text[: 4 * _LINE].split())[:_LINE]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())
