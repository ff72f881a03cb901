"""Strengths that were planted are found again, and choix, another's Bradley-Terry, finds the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import choix
import numpy as np
import pytest

from promptlab.analysis.logistic import logistic
from promptlab.analysis.preference import Outcome, Vote
from promptlab.analysis.ranking import Ranking, connections, gap_sentence, rank
from promptlab.errors import UsageError

TRUE = (0.9, 0.3, -0.3, -0.9)
ARMS = ("a", "b", "c", "d")


def voted(
    rng: np.random.Generator, each: int, strengths: Sequence[float] = TRUE, side: float = 0.0, ties: float = 0.0,
    left_first: float = 0.5, prompts: int = 0, sd: float = 0.0,
) -> list[Vote]:  # fmt: skip
    """Votes on every pair, `each` times; `prompts` makes them repeats of as many, on which arms differ by `sd`."""
    votes = []
    by_prompt = rng.normal(0, sd, (max(1, prompts), len(strengths)))
    for i, j in itertools.combinations(range(len(strengths)), 2):
        for number, draw in enumerate(rng.random((each, 3)).tolist()):
            left, right = (i, j) if draw[0] < left_first else (j, i)
            prompt = number % prompts if prompts else None
            odds = strengths[left] - strengths[right] + side
            if prompt is not None:
                odds += by_prompt[prompt, left] - by_prompt[prompt, right]
            outcome: Outcome = "tie" if draw[2] < ties else "left" if draw[1] < 1 / (1 + math.exp(-odds)) else "right"
            votes.append(Vote(ARMS[left], ARMS[right], outcome, prompt))
    return votes


def strengths(found: Ranking) -> dict[str, float]:
    return {one.arm: one.strength.value for one in found.standings}


def covered(found: Ranking, true: Sequence[float] = TRUE) -> list[bool]:
    return [(one.strength.low or 0) <= true[ARMS.index(one.arm)] <= (one.strength.high or 0)
            for one in found.standings]  # fmt: skip


# Planted -------------------------------------------------------------------------------------------------------------


def test_planted_strengths_are_recovered_and_covered() -> None:
    rng = np.random.default_rng(1)
    hits, found = [], []
    for _ in range(1000):
        ranking = rank(voted(rng, 10), position=False)
        hits += covered(ranking)
        found.append([strengths(ranking)[arm] for arm in ARMS])
    assert 0.93 <= np.mean(hits) <= 0.97
    assert np.median(found, axis=0) == pytest.approx(TRUE, abs=0.08)


def test_it_covers_with_ties_and_at_five_votes() -> None:
    rng = np.random.default_rng(2)
    ties = [0.5 + 0.7 * (1 / (1 + math.exp(-gap)) - 0.5) for gap in (0.6, 1.2, 1.8)]
    odds = [math.log(p / (1 - p)) for p in ties]  # what a gap looks like through 30% ties
    hits = []
    for _ in range(250):
        for gap in rank(voted(rng, 10, ties=0.3)).gaps:
            true = odds[abs(ARMS.index(gap.a) - ARMS.index(gap.b)) - 1]
            low, high = (gap.odds.low or 0, gap.odds.high or 0)
            hits.append(low <= (true if gap.a < gap.b else -true) <= high)
    assert 0.93 <= np.mean(hits) <= 0.975
    assert 0.93 <= np.mean([hit for _ in range(250) for hit in covered(rank(voted(rng, 5)))]) <= 0.985


def test_errors_are_clustered_by_prompt() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, math.sqrt(2), 20_000)
    clustered: list[bool] = []
    naive: list[bool] = []
    for _ in range(60):
        votes = voted(rng, 60, prompts=20, sd=1.0)
        apart = [Vote(vote.left, vote.right, vote.outcome) for vote in votes]
        for ranking, hits in ((rank(votes), clustered), (rank(apart), naive)):
            for gap in ranking.gaps:
                mean = float(np.mean(1 / (1 + np.exp(-(TRUE[ARMS.index(gap.a)] - TRUE[ARMS.index(gap.b)] + noise)))))
                hits.append((gap.chance.low or 0) <= mean <= (gap.chance.high or 0))
    assert np.mean(clustered) >= 0.93 and np.mean(naive) <= 0.85
    assert "errors are clustered by 20 prompts" in rank(voted(rng, 40, prompts=20)).notes


def test_under_no_difference_it_seldom_finds_one() -> None:
    rng = np.random.default_rng(4)
    alarms = [any(gap.adjusted <= 0.05 for gap in rank(voted(rng, 8, (0, 0, 0, 0))).gaps) for _ in range(400)]
    assert np.mean(alarms) <= 0.065


# Separated, relabelled, and another's numbers -------------------------------------------------------------------------


def test_separated_votes_are_finite_and_rightly_ordered() -> None:
    votes = [Vote(a, b, "left") if number % 2 else Vote(b, a, "right")
             for a, b in itertools.combinations(ARMS, 2) for number in range(5)]  # fmt: skip
    found = rank(votes)
    assert [one.arm for one in found.standings] == list(ARMS)
    assert all(math.isfinite(end or math.inf) for one in found.standings for end in one.strength)
    assert all((one.strength.high or 0) - (one.strength.low or 0) < 12 for one in found.standings)
    assert any(note.startswith("a never lost") for note in found.notes)
    assert any(note.startswith("d never won") for note in found.notes)
    with pytest.raises(ValueError, match="no finite top"):
        rank(votes, prior=0)


def test_an_arm_that_lost_everything_is_last_though_wald_sees_nothing() -> None:
    votes = [Vote(a, "c", "left") if n % 2 else Vote("c", a, "right") for a in "ab" for n in range(9)]
    even: tuple[Outcome, ...] = ("left", "right")
    found = rank([*votes, *(Vote("a", "b", outcome) for outcome in even * 4)])
    assert [(one.arm, one.best, one.worst) for one in found.standings][2] == ("c", 3, 3)
    assert all(gap.p == pytest.approx(2 / 2**9) for gap in found.gaps if "c" in (gap.a, gap.b))
    five = rank([Vote("a", "c", "left")] * 5)  # unanimous, and too few
    assert five.gaps[0].p > 0.05


def test_unanimous_votes_on_few_prompts_are_no_more_than_their_prompts() -> None:
    votes = [Vote("a", "c", "left", prompt) for prompt in range(4) for _ in range(5)]
    assert rank(votes).gaps[0].p > 0.05
    assert rank([replace(vote, prompt=None) for vote in votes]).gaps[0].p == pytest.approx(2 / 2**20)


def test_one_vote_is_enough_for_an_interval_that_says_nothing() -> None:
    found = rank([Vote("a", "b", "left")])
    assert found.standings[0].arm == "a" and found.standings[0].worst == 2
    low, high = found.gaps[0].chance.low, found.gaps[0].chance.high
    assert low is not None and high is not None and low < 0.1 and high > 0.99
    assert math.isfinite(found.gaps[0].odds.value)


def test_relabelling_permutes_the_result() -> None:
    votes = voted(np.random.default_rng(5), 12, side=0.4, ties=0.1)
    names = dict(zip(ARMS, ("d", "a", "c", "b"), strict=True))
    turned = [Vote(names[vote.left], names[vote.right], vote.outcome) for vote in reversed(votes)]
    one, other = strengths(rank(votes)), strengths(rank(turned))
    assert {names[arm]: value for arm, value in one.items()} == pytest.approx(other)
    assert sum(one.values()) == pytest.approx(0)
    assert [names[row.arm] for row in rank(votes).standings] == [row.arm for row in rank(turned).standings]


def test_it_equals_choix_on_360_votes() -> None:
    votes = voted(np.random.default_rng(6), 60)
    assert len(votes) == 360
    won = [(ARMS.index(vote.left), ARMS.index(vote.right)) if vote.outcome == "left"
           else (ARMS.index(vote.right), ARMS.index(vote.left)) for vote in votes]  # fmt: skip
    theirs = choix.opt_pairwise(4, won)
    ours = strengths(rank(votes, position=False, prior=0))
    assert [ours[arm] for arm in ARMS] == pytest.approx(theirs - theirs.mean(), abs=1e-3)


def test_ties_and_the_prior_are_what_choix_takes_as_parts_of_wins() -> None:
    votes = voted(np.random.default_rng(7), 12, ties=0.3)
    table = np.full((4, 4), 0.1) - 0.1 * np.eye(4)
    for vote in votes:
        left, right = ARMS.index(vote.left), ARMS.index(vote.right)
        table[left, right] += vote.score
        table[right, left] += 1 - vote.score
    theirs = choix.ilsr_pairwise_dense(table)
    ours = strengths(rank(votes, position=False))
    assert [ours[arm] for arm in ARMS] == pytest.approx(theirs - theirs.mean(), abs=1e-4)


# Side and length -----------------------------------------------------------------------------------------------------


def test_the_side_is_recovered_and_does_not_spoil_the_strengths() -> None:
    rng = np.random.default_rng(8)
    sides, gaps, spoilt = [], [], []
    for _ in range(40):
        votes = voted(rng, 60, (0.6, 0.0, -0.6), side=0.8, left_first=0.85)  # the stronger mostly stands first
        found = rank(votes)
        assert found.position is not None
        sides.append(found.position.value)
        gaps.append(strengths(found)["a"] - strengths(found)["c"])
        without = strengths(rank(votes, position=False))
        spoilt.append(without["a"] - without["c"])
    assert np.mean(sides) == pytest.approx(0.8, abs=0.1)
    assert np.mean(gaps) == pytest.approx(1.2, abs=0.12)
    assert np.mean(spoilt) > 1.5


def test_a_side_that_never_changed_can_not_be_told() -> None:
    votes = [Vote("a", "b", "left")] * 7 + [Vote("a", "b", "right")] * 3
    found = rank(votes)
    assert found.position is None and any("can't tell it from the arms" in note for note in found.notes)
    assert strengths(found)["a"] - strengths(found)["b"] == pytest.approx(math.log(7.1 / 3.1))


def test_a_taste_for_length_is_a_term_of_its_own() -> None:
    rng = np.random.default_rng(9)
    hits, spread, plain = [], [], []
    for _ in range(40):
        votes = []
        for i, j in itertools.combinations(range(3), 2):
            for _ in range(60):
                left, right = (i, j) if rng.random() < 0.5 else (j, i)
                lengths = [int(rng.integers(40, 100) * (1, 1.5, 2.2)[arm]) for arm in (left, right)]
                odds = 4 * (lengths[0] - lengths[1]) / sum(lengths)  # nothing but length
                won = rng.random() < 1 / (1 + math.exp(-odds))
                votes.append(Vote(ARMS[left], ARMS[right], "left" if won else "right",
                                  lengths=(lengths[0], lengths[1])))  # fmt: skip
        found = rank(votes, length=True)
        assert found.length is not None and found.length.low is not None and found.length.high is not None
        hits.append(found.length.low <= 4 <= found.length.high)
        spread.append(strengths(found)["c"] - strengths(found)["a"])
        plain.append(strengths(rank(votes))["c"] - strengths(rank(votes))["a"])
    assert sum(hits) >= 35 and abs(np.mean(spread)) < 0.25 and np.mean(plain) > 1


def test_votes_of_unknown_length_are_left_out_and_it_is_said() -> None:
    votes = [Vote("a", "b", "left", lengths=(5, 9)), Vote("b", "a", "left", lengths=(5, 9)), Vote("a", "b", "left")]
    found = rank(votes, length=True)
    assert found.votes == 2 and "1 of 3 votes are left out: their lengths are not known" in found.notes
    with pytest.raises(UsageError, match="known lengths"):
        rank([Vote("a", "b", "left")], length=True)


# Who was compared with whom -------------------------------------------------------------------------------------------


def test_the_graph() -> None:
    votes = [Vote("c", "d", "tie"), Vote("a", "b", "left"), Vote("b", "a", "bad"), Vote("e", "d", "right"),
             Vote("a", "c", "skip"), Vote("f", "f", "left")]  # fmt: skip
    graph = connections(votes)
    assert graph.groups == (("c", "d", "e"), ("a", "b")) and not graph.connected
    assert graph.votes == {("c", "d"): 1, ("a", "b"): 2, ("d", "e"): 1}
    assert connections([*votes, Vote("a", "c", "tie")]).connected
    assert connections([]).arms == ()


def test_what_is_not_connected_is_not_ranked() -> None:
    votes = [Vote("a", "b", "left"), Vote("c", "d", "left"), Vote("a", "c", "skip")]
    with pytest.raises(UsageError, match=r"never compared.*a, b \| c, d") as raised:
        rank(votes)
    assert "a with c" in raised.value.hint
    assert [one.arm for one in rank(votes[:1]).standings] == ["a", "b"]
    with pytest.raises(UsageError, match="no votes"):
        rank([votes[2]])


def test_arms_known_only_through_others_are_said_to_be() -> None:
    votes = [Vote("a", "b", "left")] * 15 + [Vote("b", "a", "left")] * 5 + [Vote("b", "c", "left")] * 15
    votes += [Vote("c", "b", "left")] * 5
    found = rank(votes, position=False)
    gap = next(gap for gap in found.gaps if {gap.a, gap.b} == {"a", "c"})
    assert gap.votes == 0
    assert gap_sentence(gap, 3).endswith("(corrected by Holm for 3 pairs), known only through others")
    assert gap.odds.value == pytest.approx(2 * math.log(15.1 / 5.1), abs=0.1)


def test_places_are_as_wide_as_the_gaps_are_open() -> None:
    won = {("a", "b"): 30, ("b", "a"): 28, ("a", "c"): 52, ("c", "a"): 6, ("b", "c"): 50, ("c", "b"): 8}
    votes = [Vote(*pair, "left") for pair, count in won.items() for _ in range(count)]
    found = rank(votes, position=False)
    assert [(one.arm, one.best, one.worst) for one in found.standings] == [("a", 1, 2), ("b", 1, 2), ("c", 3, 3)]
    assert "2 of 3 gaps are significant after Holm's correction for 3 tests" in found.notes
    first = found.standings[0]
    assert (first.wins, first.losses, first.ties) == (82, 34, 0)
    assert gap_sentence(found.gaps[0], 3).startswith("a would be preferred to b in ")


def test_one_prompt_tells_nothing_of_others() -> None:
    votes = [Vote("a", "b", "left", prompt=1), Vote("b", "a", "left", prompt=1), Vote("a", "b", "left", prompt=1)]
    assert "all votes are on one prompt: they tell nothing of others" in rank(votes).notes


def test_the_regression_is_a_table_of_two_by_two() -> None:
    design = np.array([[1.0, 0.0]] * 10 + [[1.0, 1.0]] * 10)
    scores = np.array([1.0] * 3 + [0.0] * 7 + [1.0] * 8 + [0.0] * 2)
    fit = logistic(design, scores, np.zeros((0, 2)))
    assert fit.values == pytest.approx([math.log(3 / 7), math.log(8 / 2 * 7 / 3)])
    assert fit.covariance[1, 1] == pytest.approx(1 / 3 + 1 / 7 + 1 / 8 + 1 / 2)  # Woolf 1955
