"""The void-knob test: how often it errs, by simulation, and that it never says more than it has seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from promptlab.analysis.knob import CALLS, FALSE_ALARM, MISSED, judge, permutation

# The shipped model's log probabilities of the first token of audit.PROMPTS: the 60 likeliest, the rest spread out.
SHAPES = [np.array(row) for row in json.loads(Path(__file__).with_name("first_tokens.json").read_text())]
TAIL = 2000
ROUNDS = 399


def cumulated(row: np.ndarray, temperature: float) -> np.ndarray:
    rest = max(1e-9, 1 - np.exp(row).sum())
    whole = np.concatenate([row, np.full(TAIL, np.log(rest / TAIL))])
    weights = np.exp((whole - whole.max()) / temperature)
    return np.cumsum(weights / weights.sum())


def audits(cold: float, hot: float, times: int, shapes: list[np.ndarray] = SHAPES) -> dict[str, float]:
    """The share of each verdict over simulated audits with these true temperatures at the two ends."""
    random = np.random.default_rng(20)
    ends = [(cumulated(row, cold), cumulated(row, hot)) for row in shapes]
    words: dict[str, float] = {}
    for _ in range(times):
        cells: list[tuple[list[str], list[str]]] = []
        for number, pair in enumerate(ends):
            drawn = [[str(n) for n in np.searchsorted(end, random.random(CALLS))] for end in pair]
            cells.append((drawn[0], drawn[1]))
            knob = judge(*cells[0], *cells[1:], last=number == len(ends) - 1, rounds=ROUNDS)
            if not knob.more:
                break
        words[knob.word] = words.get(knob.word, 0) + 1 / times
    return words


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_dead_knob_is_seldom_said_to_work(temperature: float) -> None:
    found = audits(temperature, temperature, 300)
    assert found.get("works", 0) <= FALSE_ALARM + 0.025  # two standard errors of 300 audits
    assert found.get("void", 0) > 0.85


def test_a_live_knob_is_found() -> None:
    found = audits(0.2, 1.2, 200)
    assert found.get("works", 0) >= 0.97 and found.get("void", 0) <= MISSED


def test_a_model_with_one_answer_is_never_said_to_have_a_void_knob() -> None:
    mode = [np.log(np.array([0.97, *[0.03 / 59] * 59]))] * 3
    for cold, hot in ((0.2, 1.2), (1.0, 1.0)):
        found = audits(cold, hot, 60, mode)
        assert found.get("void", 0) <= 0.02 and found.get("inconclusive", 0) > 0.5


def test_identical_answers_everywhere_are_inconclusive_and_ask_for_another_prompt() -> None:
    same = ["blue"] * 12
    first = judge(same, same)
    assert (first.word, first.more) == ("inconclusive", True)
    last = judge(same, same, (same, same), (same, same), last=True)
    assert (last.word, last.more, last.n) == ("inconclusive", False, 72)


def test_a_hot_end_that_agrees_more_is_no_effect_of_the_knob() -> None:
    many = [str(n) for n in range(12)]
    found = judge(many, [*many[:11], "0"])
    assert found.word == "void" and found.p is not None and found.p > 0.5


def test_too_few_answers_decide_nothing() -> None:
    found = judge(["a"] * 12, ["b", "c", "d"])
    assert (found.word, found.p, found.more) == ("inconclusive", None, False)


def test_the_p_value_is_the_exact_one() -> None:
    # Cold: 4 the same; hot: 4 different. Of the C(8,4) = 70 ways to deal them, only this one is as telling.
    p = permutation([(list("aaaa"), list("bcde"))], rounds=20_000)
    assert p == pytest.approx(1 / 70, abs=0.003)


def test_order_and_names_do_not_matter() -> None:
    cold, hot = list("aaaaabbbaaaa"), list("abcdefghijka")
    renamed = {letter: f"词{letter}" for letter in "abcdefghijk"}
    once = permutation([(cold, hot)])
    again = permutation([([renamed[c] for c in cold[::-1]], [renamed[c] for c in hot])])
    assert once < 0.02 and again == pytest.approx(once, abs=0.01)
