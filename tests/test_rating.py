"""Judges with a bias that was planted are found out, those with none are not; agreement as worked by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.analysis.rating import (
    Soft,
    Swapped,
    Verdict,
    agreement,
    alpha,
    odds,
    preferred,
    soft,
    softness,
    swapped,
    turns,
)  # fmt: skip

# Both orders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "backward", "found"),
    [
        ("first", "second", Swapped("a", False, 0)),
        ("second", "first", Swapped("b", False, 0)),
        ("tie", "tie", Swapped("tie", False, 0)),
        ("first", "first", Swapped("tie", True, 1)),
        ("second", "second", Swapped("tie", True, -1)),
        ("first", "tie", Swapped("tie", True, 0.5)),
        ("tie", "second", Swapped("tie", True, -0.5)),
    ],
)  # fmt: skip
def test_a_verdict_that_turns_is_a_tie(forward: Verdict, backward: Verdict, found: Swapped) -> None:
    assert swapped(forward, backward) == found


def judged(rng: np.random.Generator, count: int, bias: float) -> list[Swapped]:
    """A judge who sees quality with noise, and adds `bias` (log-odds) for whatever stands first."""
    found = []
    for quality in rng.normal(0, 1, count):
        said: list[Verdict] = ["first" if rng.random() < 1 / (1 + math.exp(-(sign * quality + bias))) else "second"
                               for sign in (1, -1)]  # fmt: skip
        found.append(swapped(said[0], said[1]))
    return found


def test_a_planted_position_bias_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(1)
    assert np.mean([turns(judged(rng, 60, 1.0)).p <= 0.05 for _ in range(100)]) > 0.9
    assert np.mean([turns(judged(rng, 60, 0.0)).p <= 0.05 for _ in range(400)]) <= 0.06


def test_turns_by_hand() -> None:
    verdicts = [swapped("first", "first")] * 6 + [swapped("first", "second")] * 3 + [swapped("second", "second")]
    found = turns(verdicts)
    assert (found.n, found.turned, found.first, found.second) == (10, 7, 6, 1)
    assert found.share is not None and found.share.value == 0.7 and found.p == 0.125
    assert turns([]).share is None and turns([]).p == 1


# Soft ----------------------------------------------------------------------------------------------------------------


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_quality_and_bias_come_apart(quality: float, bias: float) -> None:
    found = soft(quality + bias, -quality + bias)
    assert found.quality == pytest.approx(quality, abs=1e-9) and found.bias == pytest.approx(bias, abs=1e-9)


@given(st.floats(-50, 50))
def test_identical_answers_have_no_quality_at_all(said: float) -> None:
    found = soft(said, said)
    assert found.quality == 0 and found.chance == 0.5 and found.bias == said and preferred(found) == "tie"


def test_swapping_the_answers_turns_the_quality_and_keeps_the_bias() -> None:
    one, other = soft(2.0, -0.5), soft(-0.5, 2.0)
    assert (one.quality, one.bias) == (1.25, 0.75) and (other.quality, other.bias) == (-1.25, 0.75)
    assert preferred(one) == "a" and preferred(other) == "b" and preferred(one, margin=1.3) == "tie"


def test_a_judge_that_always_says_the_first_still_tells_by_its_odds() -> None:
    rng = np.random.default_rng(2)
    qualities = rng.normal(0, 0.4, 30)
    verdicts = [soft(quality + 2.5, -quality + 2.5) for quality in qualities]
    assert turns(swapped("first", "first") for _ in verdicts).turned == 30  # what it says is worth nothing
    assert [preferred(one) == "a" for one in verdicts] == (qualities > 0).tolist()
    found = softness(verdicts)
    assert found.n == 30 and found.bias is not None and found.bias.value == pytest.approx(2.5) and found.decided == 0


def test_a_soft_bias_shows_in_its_interval_and_none_does_not() -> None:
    rng = np.random.default_rng(3)
    shown = []
    for bias in (0.0, 0.5):
        outside = 0
        for _ in range(200):
            drawn = rng.normal(0, 0.6, (25, 2)) + bias
            found = softness(Soft(float(quality), float(lean)) for quality, lean in drawn).bias
            assert found is not None and found.low is not None and found.high is not None
            outside += not found.low <= 0 <= found.high
        shown.append(outside / 200)
    assert shown[0] <= 0.09 and shown[1] > 0.9
    assert softness([]) == (0, None, None)


def test_a_lean_that_differs_by_prompt_is_no_bias_of_the_judge() -> None:
    """Ten pairs on each of four prompts, which lean here and there: as 40 independent pairs they would be a bias."""
    leans = [middle + wobble / 50 for middle in (1.5, 1.2, -0.4, -0.3) for wobble in range(10)]
    verdicts = [Soft(0.0, lean) for lean in leans]
    alone, together = softness(verdicts).bias, softness(verdicts, [place // 10 for place in range(40)]).bias
    assert alone is not None and together is not None and alone.low is not None and together.low is not None
    assert alone.low > 0 > together.low and alone.value == pytest.approx(together.value)
    assert softness(verdicts, ["one"] * 40).bias == alone, "of one prompt alone it tells of that one"


def ln(*pairs: tuple[str, float]) -> list[tuple[str, float]]:
    return [(text, math.log(share)) for text, share in pairs]


def test_odds_gather_spellings() -> None:
    found = odds(ln((" A", 0.4), ("a", 0.1), ("**A", 0.1), ("B", 0.2), ("▁B", 0.1), ("The", 0.05)), "A", "B")
    assert found is not None and found.value == pytest.approx(math.log(0.6 / 0.3)) and not found.bounded
    twice = odds([*ln(("A", 0.5), ("B", 0.25)), *ln(("A", 0.5))], "A", "B")
    assert twice is not None and twice.value == pytest.approx(math.log(2))


def test_odds_of_a_word_that_is_not_shown_are_a_bound() -> None:
    for shown, bound in (
        ((("A", 0.9), ("The", 0.02)), math.log(0.9 / 0.02)),  # no more than the least that is shown
        ((("A", 0.97), ("The", 0.02)), math.log(0.97 / 0.01)),  # no more than what is left
        ((("B", 0.9), ("The", 0.02)), -math.log(0.9 / 0.02)),
    ):
        found = odds(ln(*shown), "A", "B")
        assert found is not None and found.bounded and found.value == pytest.approx(bound)
    assert odds(ln(("The", 0.5), ("I", 0.2)), "A", "B") is None
    assert odds(ln(("The", 0.5), ("A", 0.1)), "A", "B") is None  # B may be just as likely
    assert odds([], "A", "B") is None


# Agreement -----------------------------------------------------------------------------------------------------------


def rated(table: Mapping[tuple[str, str], int]) -> tuple[dict[object, str], dict[object, str]]:
    both = [pair for pair, count in table.items() for _ in range(count)]
    return {place: one for place, (one, _) in enumerate(both)}, {place: other for place, (_, other) in enumerate(both)}


def test_kappa_by_hand() -> None:
    judge, user = rated({("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15})
    found = agreement({**judge, "only": "a"}, {"other": "b", **user})
    assert (found.n, found.agreed, found.expected) == (50, 35, 0.5)
    assert found.kappa is not None and found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low == pytest.approx(2 * 0.5625 - 1, abs=0.01)  # Wilson's of 35 in 50
    assert found.differ == tuple(range(20, 35)) and found.table["a", "b"] == 5


def test_kappa_at_its_ends() -> None:
    same = agreement(*rated({("a", "a"): 5, ("b", "b"): 5})).kappa
    assert same is not None and same.value == 1 and same.low is not None and 0 < same.low < 0.6
    never = agreement(*rated({("a", "b"): 5, ("b", "a"): 5})).kappa
    assert never is not None and never.value == -1 and never.low == -1
    assert agreement(*rated({("a", "a"): 5})).kappa is None  # one word only: chance alone gives as much
    assert agreement({}, {}).kappa is None and agreement({1: "a"}, {2: "a"}).n == 0
    constant = agreement(*rated({("a", "a"): 5, ("a", "b"): 5})).kappa
    assert constant is not None and constant.value == pytest.approx(0)


@pytest.mark.parametrize("shares", [(0.4, 0.1, 0.1, 0.4), (0.7, 0.1, 0.1, 0.1), (0.25, 0.25, 0.25, 0.25)])
def test_kappa_covers_at_twenty(shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(4)
    expected = (shares[0] + shares[1]) * (shares[0] + shares[2]) + (shares[2] + shares[3]) * (shares[1] + shares[3])
    true = (shares[0] + shares[3] - expected) / (1 - expected)
    inside = total = 0
    labels = (("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"))
    for counts in rng.multinomial(20, shares, 600).tolist():
        found = agreement(*rated(dict(zip(labels, counts, strict=True)))).kappa
        if found is not None:
            inside += (found.low or -1) <= true <= (found.high or 1)
            total += 1
    assert 0.92 <= inside / total <= 0.995


# Krippendorff's own examples (2011, Computing Krippendorff's alpha-reliability), one string for each judge.
FOUR = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
TWO = ("0100000010", "1110010000")


def units(judges: Sequence[str]) -> list[list[str | None]]:
    return [[None if label == "." else label for label in unit] for unit in zip(*judges, strict=True)]


def test_alpha_by_its_author() -> None:
    four, two = alpha(units(FOUR)), alpha(units(TWO))
    assert four is not None and four.value == pytest.approx(0.743, abs=5e-4)
    assert two is not None and two.value == pytest.approx(0.095, abs=5e-4)
    assert four.low is not None and four.low < 0.743 < (four.high or 0) <= 1


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=3, max_size=3), min_size=2, max_size=8))
@settings(max_examples=80, deadline=None)
def test_alpha_is_one_less_observed_over_expected(ratings: list[list[str | None]]) -> None:
    kept = [[label for label in unit if label is not None] for unit in ratings]
    kept = [unit for unit in kept if len(unit) > 1]
    every = [label for unit in kept for label in unit]
    found = alpha(ratings)
    if len(kept) < 2 or len(set(every)) < 2:
        assert found is None
        return
    observed = sum(sum(a != b for a, b in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in kept)
    expected = sum(a != b for a, b in itertools.permutations(every, 2)) / (len(every) - 1)
    assert found is not None and found.value == pytest.approx(1 - observed / expected)


def test_alpha_at_its_ends() -> None:
    agreed = alpha([["a", "a"], ["b", "b"], ["a", "a"]])
    assert agreed is not None and agreed.value == 1 and agreed.low is None
    assert alpha([["a", "a"], ["a", "a"]]) is None and alpha([]) is None and alpha([["a", "b"]]) is None
    rng = np.random.default_rng(5)
    chance = alpha(rng.choice(["a", "b"], (400, 3)).tolist())
    assert chance is not None and abs(chance.value) < 0.1 and (chance.low or 0) < 0 < (chance.high or 0)
