"""Votes on two arms: what was worked by hand, every outcome enumerated, and voters whose taste is planted."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from promptlab.analysis.exact import anytime, evidence, flip_test, sign_test, votes_left
from promptlab.analysis.interval import wilson
from promptlab.analysis.preference import (
    Outcome,
    Pair,
    Vote,
    anytime_sentence,
    compare,
    length_sentence,
    p_value,
    pairs,
    picked,
    sentence,
)


def cast(won: int, lost: int, ties: int = 0, bad: int = 0, a: str = "A", b: str = "B") -> list[Vote]:
    """Votes each on a prompt of its own, the sides in turn."""
    kinds: dict[Outcome, int] = {"left": won, "right": lost, "tie": ties, "bad": bad}
    mine = [kind for kind, count in kinds.items() for _ in range(count)]
    turned: dict[Outcome, Outcome] = {"left": "right", "right": "left", "tie": "tie", "bad": "bad"}
    return [Vote(a, b, one) if place % 2 else Vote(b, a, turned[one]) for place, one in enumerate(mine)]


# Counting ------------------------------------------------------------------------------------------------------------


def test_votes_are_counted_by_arm_not_by_side() -> None:
    votes = [Vote("A", "B", "left"), Vote("B", "A", "left"), Vote("B", "A", "right"), Vote("A", "B", "tie"),
             Vote("A", "B", "bad"), Vote("B", "A", "skip", seconds=9.0), Vote("A", "C", "left")]  # fmt: skip
    pair = compare(votes, "A", "B")
    assert (pair.wins.won, pair.losses, pair.ties, pair.bad, pair.skips, pair.cast) == (2, 1, 1, 1, 1, 5)
    assert pair.wins.rate is not None and pair.wins.rate.value == pytest.approx(2 / 3)
    assert pair.score is not None and pair.score.value == 0.6  # 2 wins and 2 halves of 5
    assert (pair.first.won, pair.first.of) == (2, 3)
    assert pair.seconds == 9.0
    with pytest.raises(ValueError, match="no vote"):
        _ = votes[5].score


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_either_way_round_it_is_the_same(won: int, lost: int, ties: int) -> None:
    votes = cast(won, lost, ties)
    one, other = compare(votes, "A", "B"), compare(votes, "B", "A")
    assert (one.wins.p, one.left) == (other.wins.p, other.left)
    assert one.anytime.best == pytest.approx(other.anytime.best)
    if one.wins.rate and other.wins.rate and other.wins.rate.high is not None:
        assert one.wins.rate.low == pytest.approx(1 - other.wins.rate.high)
    assert one.anytime.low == pytest.approx(1 - other.anytime.high)


def test_the_best_of_four_beats_the_three_others_where_they_stood() -> None:
    votes = picked(["A", "B", "C", "D"], "C", prompt=7, lengths=[1, 2, 3, 4])
    assert [(vote.left, vote.right, vote.outcome, vote.lengths) for vote in votes] == [
        ("A", "C", "right", (1, 3)), ("B", "C", "right", (2, 3)), ("C", "D", "left", (3, 4))]  # fmt: skip
    assert {vote.prompt for vote in votes} == {7}
    with pytest.raises(ValueError):
        picked(["A", "B"], "C", 1)


# The exact test ------------------------------------------------------------------------------------------------------


def test_the_sign_test_is_the_binomial() -> None:
    for won, lost in itertools.product(range(0, 30, 3), range(0, 40, 4)):
        if won + lost:
            assert sign_test(won, lost) == pytest.approx(float(stats.binomtest(won, won + lost, 0.5).pvalue))
    assert sign_test(0, 0) == 1
    assert sign_test(900, 800) == pytest.approx(float(stats.binomtest(900, 1700, 0.5).pvalue))
    assert sign_test(6, 0) < 0.05 < sign_test(5, 0)


def test_its_size_is_right_under_no_difference() -> None:
    for n in range(1, 60):
        alarms = sum(math.comb(n, k) for k in range(n + 1) if sign_test(k, n - k) <= 0.05) / 2**n
        assert alarms <= 0.05
        assert n < 25 or alarms > 0.015  # and it is not blind


@given(st.lists(st.integers(-5, 5), max_size=9))
@settings(max_examples=60, deadline=None)
def test_turning_prompts_round_is_every_way_counted(nets: list[int]) -> None:
    ways = [sum(sign * net for sign, net in zip(signs, nets, strict=True))
            for signs in itertools.product((1, -1), repeat=len(nets))]  # fmt: skip
    assert flip_test(nets) == pytest.approx(sum(abs(way) >= abs(sum(nets)) for way in ways) / len(ways))


def planted(rng: np.random.Generator, rounds: int, prompts: int, each: int, sd: float, taste: float = 0.0,
            ) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:  # fmt: skip
    """Wins of A on each prompt of each round, where prompts differ by `sd` in log-odds."""
    odds = taste + rng.normal(0, sd, (rounds, prompts))
    return np.asarray(rng.binomial(each, 1 / (1 + np.exp(-odds))))


def test_repeats_are_not_votes() -> None:
    wins = planted(np.random.default_rng(3), 2000, 20, 5, 1.0)
    clustered = np.mean([flip_test([2 * k - 5 for k in row]) <= 0.05 for row in wins.tolist()])
    naive = np.mean([sign_test(n, 100 - n) <= 0.05 for n in wins.sum(axis=1).tolist()])
    assert 0.03 <= clustered <= 0.07
    assert naive > 0.08


def on_prompts(wins: list[int], each: int) -> list[Vote]:
    return [Vote("A", "B", "left" if number < k else "right", prompt)
            for prompt, k in enumerate(wins) for number in range(each)]  # fmt: skip


def test_the_rate_covers_by_prompt() -> None:
    rng = np.random.default_rng(5)
    true = float(np.mean(1 / (1 + np.exp(-(0.7 + rng.normal(0, 1, 200_000))))))
    inside = naive = 0
    for row in planted(rng, 200, 20, 5, 1.0, 0.7).tolist():
        rate = compare(on_prompts(row, 5), "A", "B").wins.rate
        assert rate is not None and rate.low is not None and rate.high is not None
        inside += rate.low <= true <= rate.high
        low, high = wilson(sum(row), 100)
        naive += low <= true <= high
    assert 0.92 <= inside / 200 <= 0.99
    assert naive < inside - 3


def test_a_pair_says_both_p_values() -> None:
    pair = compare(on_prompts([5, 5, 5, 5, 0], 5), "A", "B")
    assert pair.clustered and pair.prompts == 5
    assert pair.wins.p == 0.375 and pair.wins.alone == pytest.approx(sign_test(20, 5))
    once = compare(on_prompts([1, 1, 0, 1], 1), "A", "B")
    assert not once.clustered and once.wins.p == once.wins.alone
    alone = compare(on_prompts([14], 19), "A", "B")  # one prompt, of which alone they tell: the votes are independent
    assert not alone.clustered and alone.wins.p == pytest.approx(sign_test(14, 5))


def test_few_prompts_that_agree_are_no_more_than_their_number() -> None:
    rate = compare(on_prompts([10, 10, 10], 10), "A", "B").wins.rate
    assert rate is not None and rate.high == 1 and rate.low is not None and rate.low < 0.5


def test_a_vote_without_a_prompt_is_its_own() -> None:
    pair = compare(cast(14, 5), "A", "B")
    assert pair.prompts == 19 and not pair.clustered
    assert pair.wins.rate is not None and pair.wins.rate[1:] == pytest.approx(wilson(14, 19))


@pytest.mark.parametrize(("win", "tie"), [(0.4, 0.2), (0.6, 0.3), (0.05, 0.05), (0.1, 0.8)])
def test_the_score_covers_by_exact_enumeration(win: float, tie: float) -> None:
    n, covered = 12, 0.0
    for won, lost in itertools.product(range(n + 1), repeat=2):
        if won + lost <= n:
            score = compare(cast(won, lost, n - won - lost), "A", "B").score
            assert score is not None and score.low is not None and score.high is not None
            if score.low - 1e-12 <= win + tie / 2 <= score.high + 1e-12:
                ways = math.comb(n, won) * math.comb(n - won, lost)
                covered += ways * win**won * (1 - win - tie) ** lost * tie ** (n - won - lost)
    assert covered >= 0.92


# Votes left, and any time --------------------------------------------------------------------------------------------


def test_votes_left_before_the_first_vote() -> None:
    found = {rate: votes_left([], rate) for rate in (0.6, 0.65, 0.7, 0.75, 0.8, 0.9, 1.0)}
    assert found == {0.6: 210, 0.65: 97, 0.7: 54, 0.75: 35, 0.8: 23, 0.9: 12, 1.0: 6}
    assert votes_left([], 0.5) is None and votes_left([], 0.51) is None
    assert votes_left([1] * 4, 1.0) == 2
    assert votes_left([10, 10, 10], 1.0) == 3  # prompts are what is missing, not votes


@pytest.mark.parametrize(("won", "lost"), [(14, 5), (7, 4), (3, 1), (2, 0), (30, 19)])
def test_votes_left_is_the_power_given_what_was_seen(won: int, lost: int) -> None:
    rate = won / (won + lost)
    powers = [0.0]
    for more in range(1, 400):
        total = won + lost + more
        least = next((k for k in range(total // 2, total + 1) if 2 * stats.binom.sf(k - 1, total, 0.5) <= 0.05), None)
        powers.append(0.0 if least is None else float(stats.binom.sf(least - won - 1, more, rate)))
    stays = max(more for more, power in enumerate(powers) if power < 0.8) + 1
    assert votes_left([1] * won + [-1] * lost, rate) == stays


def test_ties_to_come_are_counted_in() -> None:
    without, within = compare(cast(14, 5), "A", "B").left, compare(cast(14, 5, 19), "A", "B").left
    assert without is not None and within == 2 * without
    assert compare(cast(20, 2), "A", "B").left == 0
    assert compare(cast(4, 4), "A", "B").left is None


def test_the_e_value_is_the_beta_binomial() -> None:
    for won, lost in ((0, 0), (1, 0), (14, 5), (3, 40), (8, 0)):
        n = won + lost
        ratio = float(stats.betabinom.pmf(won, n, 1, 1) / stats.binom.pmf(won, n, 0.5))
        assert evidence(won, lost) == pytest.approx(ratio)
    assert evidence(8, 0) > 20 > evidence(7, 0)
    assert evidence(5000, 0) > 1e300  # and no overflow


def test_whoever_looks_after_every_vote_is_not_fooled() -> None:
    rng = np.random.default_rng(11)
    wins = np.cumsum(rng.integers(0, 2, (2000, 150)), axis=1)
    table = np.array([[evidence(k, n - k) if k <= n else 0.0 for k in range(151)] for n in range(1, 151)])
    exact = np.array([[sign_test(k, n - k) if k <= n else 1.0 for k in range(151)] for n in range(1, 151)])
    looks = np.arange(150)
    assert np.mean((table[looks, wins] >= 20).any(axis=1)) <= 0.05
    assert np.mean((exact[looks, wins] <= 0.05).any(axis=1)) > 0.2  # the exact test is for one look


def test_the_bounds_hold_at_every_look_at_once() -> None:
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(300):
        bound = anytime((rng.random(100) < 0.65).tolist())  # low and high have all former looks in them
        held += bound.low <= 0.65 <= bound.high
    assert held / 300 >= 0.93  # 0.95 less the simulation's own error


def test_a_bound_is_where_the_likelihood_falls_below_the_mixture() -> None:
    bound = anytime([True] * 10)
    mixture = 1 / 11
    assert mixture / bound.low**10 == pytest.approx(20, rel=1e-6) and bound.high == 1
    assert bound.settled and bound.best == pytest.approx(2**10 / 11)
    assert anytime([]) == (1.0, 1.0, 20.0, 0.0, 1.0)
    assert anytime([True] * 8, tests=3).needed == pytest.approx(60)


def test_settled_once_is_settled() -> None:
    bound = anytime([True] * 9 + [False] * 9)
    assert bound.evidence < 1 < 20 < bound.best and bound.settled


def test_only_the_first_vote_of_a_prompt_is_evidence_at_any_time() -> None:
    pair = compare(on_prompts([5] * 7, 5), "A", "B")
    assert pair.anytime.best == pytest.approx(evidence(7, 0))


# Length --------------------------------------------------------------------------------------------------------------


def by_length(rng: np.random.Generator, count: int, taste: float, weight: float) -> list[Vote]:
    """A is about half longer; voters like it by `taste`, and whatever is longer by `weight`."""
    votes = []
    for _ in range(count):
        a, b = int(rng.integers(80, 220)), int(rng.integers(50, 150))
        odds = taste + weight * (a - b) / (a + b)
        won = bool(rng.random() < 1 / (1 + math.exp(-odds)))
        votes.append(Vote("A", "B", "left" if won else "right", lengths=(a, b)) if rng.random() < 0.5
                     else Vote("B", "A", "right" if won else "left", lengths=(b, a)))  # fmt: skip
    return votes


def test_a_taste_for_length_is_taken_off() -> None:
    rng = np.random.default_rng(2)
    inside = fooled = 0
    for _ in range(60):
        pair = compare(by_length(rng, 80, 0.0, 6.0), "A", "B")
        assert pair.controlled and pair.controlled.low is not None and pair.controlled.high is not None
        inside += pair.controlled.low <= 0.5 <= pair.controlled.high
        fooled += pair.wins.p <= 0.05
        assert pair.longer is not None and pair.longer.won / pair.longer.of > 0.6
    assert inside >= 53 and fooled > 50


def test_length_by_hand() -> None:
    votes = [Vote("A", "B", "left", lengths=(9, 3)), Vote("B", "A", "left", lengths=(9, 3)),
             Vote("A", "B", "right", lengths=(9, 3)), Vote("A", "B", "left", lengths=(5, 5)),
             Vote("A", "B", "tie", lengths=(9, 3)), Vote("A", "B", "left")]  # fmt: skip
    pair = compare(votes, "A", "B")
    assert pair.longer is not None and (pair.longer.won, pair.longer.of) == (2, 3)
    assert compare(cast(3, 1), "A", "B").longer is None
    assert "longer answer won in 2 of 3; p = 1; at equal length A would win" in length_sentence(pair)
    assert "tell nothing" in length_sentence(compare(cast(3, 1), "A", "B"))


def test_a_length_that_always_wins_stays_finite() -> None:
    votes = [Vote("A", "B", "left", lengths=(90 + place, 30)) for place in range(20)]
    found = compare(votes, "A", "B").controlled
    assert found is not None and found.low is not None and found.high is not None
    assert found.low < 0.3 and found.high > 0.9  # it may be all length


# Several pairs -------------------------------------------------------------------------------------------------------


def test_pairs_are_corrected_by_holm_and_it_is_said() -> None:
    votes = cast(16, 4) + cast(13, 4, a="A", b="C") + cast(9, 8, a="B", b="C")
    found = {(pair.a, pair.b): pair for pair in pairs(votes)}
    assert len(found) == 3
    ab, ac, bc = (found[key] if key in found else found[key[::-1]] for key in (("A", "B"), ("A", "C"), ("B", "C")))
    assert ab.adjusted == pytest.approx(3 * sign_test(16, 4))
    assert ac.adjusted == pytest.approx(2 * sign_test(13, 4))
    assert bc.adjusted == 1
    assert ab.left == 0 and ac.left != 0  # 0.049 x 2
    assert ab.anytime.needed == pytest.approx(60)
    assert "p = 0.035 (corrected by Holm for 3 pairs)" in sentence(ab)
    assert compare(votes, "A", "C").left == 0  # alone it would have been settled


def test_a_pair_that_nobody_voted_on_is_no_test() -> None:
    found = pairs([Vote("A", "B", "left"), Vote("C", "D", "skip"), Vote("A", "A", "left")])
    assert [(pair.a, pair.b, pair.tests) for pair in found] == [("A", "B", 1)]
    assert pairs([]) == ()


def test_what_is_not_settled_by_holm_is_never_said_to_want_a_vote_too_few() -> None:
    votes = cast(9, 2) + cast(9, 2, a="A", b="C") + cast(9, 2, a="B", b="C")  # p = 0.065 each
    lefts = {pair.left for pair in pairs(votes)}
    alone = compare(votes, "A", "B").left
    assert len(lefts) == 1 and alone is not None and (lefts.pop() or 0) > alone


# In words ------------------------------------------------------------------------------------------------------------


def of(*counts: int) -> Pair:
    won, lost, ties, bad = (*counts, 0, 0)[:4]
    return compare(cast(won, lost, ties, bad), "A", "B")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((14, 5, 3), "A is preferred 14 : 5 with 3 ties; p = 0.06; about 17 more votes would settle it at this rate"),
        ((5, 14, 1, 2), "B is preferred 14 : 5 with 1 tie and 2 both bad; p = 0.06; "
                        "about 17 more votes would settle it at this rate"),
        ((20, 4), "A is preferred 20 : 4; p = 0.002; settled, if this is the only look"),
        ((30, 0), "A is preferred 30 : 0; p < 0.001; settled, if this is the only look"),
        ((4, 4, 2), "A and B are level at 4 : 4 with 2 ties; p = 1; no number of votes would settle it at this rate"),
        ((101, 100), "A is preferred 101 : 100; p = 1; more than 1,000 more votes would be needed at this rate"),
        ((5, 0), "A is preferred 5 : 0; p = 0.06; about 1 more vote would settle it at this rate"),
        ((0, 0, 3), "A and B: 3 ties and no preference, so that there is nothing to test"),
        ((0, 0, 0, 1), "A and B: 1 both bad and no preference, so that there is nothing to test"),
        ((0, 0), "A and B: no votes yet"),
    ],
)  # fmt: skip
def test_the_plain_sentence(counts: tuple[int, ...], said: str) -> None:
    assert sentence(of(*counts)) == said


def test_the_sentence_tells_prompts() -> None:
    several = compare(on_prompts([5, 5, 5, 5, 0], 5), "A", "B")
    assert "p = 0.38 over 5 prompts (p = 0.004 for these prompts alone); about" in sentence(several)
    assert "more votes on new prompts would settle it" in sentence(several)
    assert "p = 0.06 for this one prompt;" in sentence(compare(on_prompts([14], 19), "A", "B"))


def test_the_sentence_for_those_who_stop_when_they_like() -> None:
    assert anytime_sentence(of(3, 0)) == (
        "looked at after every vote, the evidence is 2.0 to 1, and 20 to 1 settles it, whenever you stop")  # fmt: skip
    assert anytime_sentence(of(9, 0)).endswith("the evidence is 51 to 1: settled, whenever you stop")
    assert "over 1,000 to 1: settled" in anytime_sentence(of(20, 0))


def test_p_values_are_told_finely_where_it_matters() -> None:
    assert [p_value(p) for p in (0.0004, 0.0491, 0.0509, 0.0636, 0.5, 0.999, 1.0)] == [
        "p < 0.001", "p = 0.049", "p = 0.051", "p = 0.06", "p = 0.50", "p = 1", "p = 1"]  # fmt: skip
