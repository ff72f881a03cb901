"""Intervals against scipy, against exact enumeration, and by what they cover."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from promptlab.analysis.agreement import exact
from promptlab.analysis.interval import GROUPS, jackknife, mean, t_quantile, wilson
from promptlab.analysis.text import compression, distinct, vendi


@given(st.floats(0.0005, 0.9995), st.integers(1, 5000))
def test_the_quantile_of_t_is_scipys(p: float, df: int) -> None:
    assert t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize(("p", "df"), [(0, 5), (1, 5), (0.5, 0), (-1, 3)])
def test_a_quantile_that_there_is_not(p: float, df: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(p, df)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(share: tuple[int, int]) -> None:
    k, n = share
    low, high = wilson(k, n)
    known = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    assert (low, high) == pytest.approx((known.low, known.high), abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1


def test_wilson_covers_as_told_where_wald_does_not() -> None:
    n, p = 5, 0.1
    covered = sum(
        math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if wilson(k, n)[0] <= p <= wilson(k, n)[1]
    )
    assert covered == pytest.approx(0.919, abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_the_mean_is_scipys_t_interval(values: list[float]) -> None:
    found = mean(values)
    if max(values) - min(values) <= 1e-12 * abs(sum(values) / len(values)):
        assert found is not None and (found.low, found.high) == (None, None)  # no spread is no certainty
        return
    assert found is not None and found.low is not None and found.high is not None
    spread = float(stats.sem(values))
    if spread > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=spread)
        assert (found.low, found.high) == pytest.approx((float(low), float(high)), rel=1e-6, abs=1e-6)


def test_a_mean_of_nothing_and_of_one_value() -> None:
    assert mean([]) is None
    assert mean([3.0]) == (3.0, None, None)
    assert mean([1.0, 3.0], rows=[7, 7]) == (2.0, None, None)
    assert mean([0.0, 1.0, 1.0], limits=(0, 1)) == pytest.approx((2 / 3, 0, 1))


def test_repeats_of_a_row_are_not_votes() -> None:
    # Rows of 4 repeats: means 1, 2, 6. By hand: mean 3, sd sqrt(7), t(2) = 4.302653.
    values, rows = [0.0, 2, 1, 1, 2, 2, 2, 2, 5, 7, 6, 6], [0] * 4 + [1] * 4 + [2] * 4
    found = mean(values, rows)
    half = 4.302652729911275 * math.sqrt(7 / 3)
    assert found == pytest.approx((3, 3 - half, 3 + half))
    wide, narrow = mean(values, rows), mean(values)
    assert wide and narrow and wide.high and narrow.high and wide.high > narrow.high


def test_clusters_hold_the_level_that_votes_break() -> None:
    chance = random.Random(1)
    alarms = {"rows": 0, "votes": 0}
    rows = [row for row in range(20) for _ in range(5)]
    for _ in range(400):
        centres = [chance.gauss(0, 1) for _ in range(20)]
        values = [centres[row] + chance.gauss(0, 1) for row in rows]
        for name, found in (("rows", mean(values, rows)), ("votes", mean(values))):
            assert found and found.low is not None and found.high is not None
            alarms[name] += not found.low <= 0 <= found.high
    assert 0.02 <= alarms["rows"] / 400 <= 0.08
    assert alarms["votes"] / 400 > 0.15


def _length(texts: Sequence[str]) -> float | None:
    return sum(map(len, texts)) / len(texts) if texts else None


@given(st.lists(st.text(max_size=30), min_size=3, max_size=GROUPS))
def test_the_jackknife_of_a_mean_is_its_t_interval(texts: list[str]) -> None:
    found, known = jackknife(_length, texts), mean([float(len(text)) for text in texts])
    assert found and known
    if found.low is not None:
        assert found == pytest.approx(known, abs=1e-6)
    else:
        assert known.low == pytest.approx(known.high, abs=1e-6)


def test_a_jackknife_of_many_leaves_out_groups_and_says_nearly_the_same() -> None:
    chance = random.Random(2)
    texts = ["x" * chance.randrange(100) for _ in range(250)]
    found, known = jackknife(_length, texts), mean([float(len(text)) for text in texts])
    assert found and known and found.low and known.low
    assert found.value == known.value
    assert found.low == pytest.approx(known.low, rel=0.03)


def test_no_interval_is_given_where_there_is_none() -> None:
    assert jackknife(vendi, []) is None
    assert jackknife(vendi, ["one"]) is None
    assert jackknife(exact, ["a", "a"]) == (1.0, None, None)
    assert jackknife(exact, ["a"] * 8) == (1.0, None, None)  # too few to show a spread is not: no spread


def test_the_bootstrap_would_miss_the_value_itself() -> None:
    chance = random.Random(3)
    texts = [" ".join(chance.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(20)) for _ in range(10)]
    value = vendi(texts)
    resampled = sorted(vendi([chance.choice(texts) for _ in texts]) or 0.0 for _ in range(200))
    assert value is not None
    assert resampled[195] < value  # duplicates make all of the upper end look alike
    found = jackknife(vendi, texts)
    assert found and found.low is not None and found.high is not None
    assert found.low <= value <= found.high


@pytest.mark.parametrize("statistic", [distinct, vendi, compression])
def test_the_jackknife_covers_what_the_statistic_is_on_the_mean(
    statistic: Callable[[Sequence[str]], float | None],
) -> None:
    chance = random.Random(4)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 8))) for _ in range(300)]
    weights = [1 / (place + 1) for place in range(300)]

    def phrase() -> str:
        return " ".join(chance.choices(words, weights, k=4))

    topics = [[phrase() for _ in range(6)] for _ in range(3)]

    def draw() -> list[str]:
        chosen = [chance.choice(topics) for _ in range(10)]
        return [
            " ".join(chance.choice(topic) if chance.random() < 0.5 else phrase() for _ in range(8)) for topic in chosen
        ]

    middle = sum(statistic(draw()) or 0.0 for _ in range(200)) / 200
    found = [jackknife(statistic, draw()) for _ in range(100)]
    covered = [one.low <= middle <= one.high for one in found if one and one.low is not None and one.high is not None]
    assert len(covered) == 100
    assert sum(covered) >= 82  # 97, 90 and 96 of 100 in a longer run
