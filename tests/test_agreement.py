"""Votes: what was worked by hand, and every draw enumerated."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from promptlab.analysis.agreement import (
    collision,
    confident,
    decided,
    entropy,
    exact,
    leaders,
    maj_at_k,
    majority,
    pass_at_k,
)  # fmt: skip

LABELS = st.lists(st.sampled_from(["7", "8", "九", "b", None]), max_size=9)


def test_agreement_by_hand() -> None:
    assert exact(["海", "海", "天", "海"]) == 0.5  # 3 of 6 pairs
    assert exact(["a", "A"]) == 0
    assert exact(["a"]) is None and exact([]) is None
    assert collision(["1", "1", None, "2"]) == pytest.approx(1 / 3)
    assert collision([None, None, "1"]) is None


@given(LABELS)
def test_collision_is_the_share_of_equal_pairs(labels: list[str | None]) -> None:
    pairs = list(combinations([label for label in labels if label is not None], 2))
    assert collision(labels) == (pytest.approx(sum(a == b for a, b in pairs) / len(pairs)) if pairs else None)


def test_a_majority_and_a_tie() -> None:
    assert majority(["5", None, "5", "6"]) == ("5", 2, 3)
    assert majority(["5", "6"]) is None and leaders(["5", "6", None]) == ["5", "6"]
    assert majority([None]) is None and leaders([]) == []


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)), st.integers(0, 3))
@settings(max_examples=200)
def test_decided_means_that_no_outcome_changes_who_wins(counts: dict[str, int], left: int) -> None:
    now = leaders([label for label, count in counts.items() for _ in range(count)])
    ends = [Counter(counts)]
    for _ in range(left):
        ends = [end + Counter({label: 1}) for end in ends for label in "abcd"] + ends  # or an abstention
    after = [leaders(list(end.elements())) for end in ends]
    assert decided(counts, left) == (left == 0 or (len(now) == 1 and all(end == now for end in after)))


@given(st.integers(0, 60), st.integers(0, 60))
def test_confidence_is_the_beta_integral(first: int, second: int) -> None:
    assert confident(first, second) == pytest.approx(1 - float(special.betainc(first + 1, second + 1, 0.5)), abs=1e-12)


def test_confidence_by_hand() -> None:
    assert confident(0, 0) == 0.5
    assert confident(4, 0) == 1 - 1 / 32  # enough to stop at 0.95
    with pytest.raises(ValueError, match="never negative"):
        confident(-1, 0)


def test_pass_at_k_is_the_mean_over_all_draws() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                draws = list(combinations([True] * c + [False] * (n - c), k))
                assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10_000, 1, 5_000) == pytest.approx(0.5)
    for bad in ((5, 6, 1), (5, 1, 6), (5, 1, 0), (0, 0, 1)):
        with pytest.raises(ValueError, match="no pass@"):
            pass_at_k(*bad)


def _enumerated(labels: list[str | None], right: set[str], k: int) -> Fraction:
    won = Fraction(0)
    draws = list(combinations(labels, k))
    for draw in draws:
        first = leaders(draw)
        if first:
            won += Fraction(len(right & set(first)), len(first))
    return won / len(draws)


@given(LABELS.filter(bool), st.sets(st.sampled_from(["7", "8", "九"]), min_size=1), st.data())
@settings(deadline=None, max_examples=150)
def test_maj_at_k_is_the_mean_over_all_draws(labels: list[str | None], right: set[str], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(labels)))
    counts = Counter(label for label in labels if label is not None)
    found = maj_at_k(counts, right, k, abstained=labels.count(None))
    assert found == pytest.approx(float(_enumerated(labels, right, k)))


def test_maj_at_k_by_hand_and_at_its_ends() -> None:
    counts = {"a": 3, "b": 2}
    assert maj_at_k(counts, "a", 1) == pass_at_k(5, 3, 1)
    assert maj_at_k(counts, "a", 2) == pytest.approx(0.3 + 0.6 / 2)  # aa 3, ab 6, bb 1 of 10
    assert maj_at_k(counts, "a", 5) == 1 and maj_at_k(counts, "b", 5) == 0 and maj_at_k(counts, "c", 3) == 0
    assert 0.99 < maj_at_k({"a": 120, **{f"x{i}": 2 for i in range(40)}}, "a", 60) <= 1
    with pytest.raises(ValueError, match="no maj@"):
        maj_at_k(counts, "a", 6)


def test_chao_and_shens_entropy_by_hand() -> None:
    # n = 4, one single: C = 3/4; shares 9/16 and 3/16.
    by_hand = sum(-p * math.log(p) / (1 - (1 - p) ** 4) for p in (9 / 16, 3 / 16))
    assert entropy({"a": 3, "b": 1}) == pytest.approx(by_hand)
    assert entropy({"a": 4}) == 0
    assert entropy({"a": 1}) is None and entropy({}) is None
    singles = entropy({str(i): 1 for i in range(10)})
    assert singles is not None and singles > math.log(10)  # unseen ones are counted in


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=8))
def test_entropy_knows_no_names(counts: dict[str, int]) -> None:
    renamed = {f"新{place}": count for place, count in enumerate(sorted(counts.values()))}
    found, other = entropy(counts), entropy(renamed)
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert found == pytest.approx(other) and found >= 0
