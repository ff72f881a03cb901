"""What verdicts tell of a judge, as pure numbers: bias, leaning, agreement with others."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from promptlab.analysis.hearing import Hearing, graded, opinions, panel, sentences, weigh
from promptlab.analysis.rating import Soft, Verdict, swapped
from promptlab.ballot import USER, Ballot, Grade, Seen
from promptlab.ballot import Verdict as Cast


def seen(cell: int, arm: str, length: int = 10) -> Seen:
    return Seen(1, cell, arm, length)


def ballot(
    row: int, verdict: Cast, arms: tuple[str, ...] = ("x", "y"), voter: str = "j", aside: bool = False
) -> Ballot:
    """A vote on the answers of a row: cells 10 x row + 0, 1 …"""
    places = tuple(seen(10 * row + number, arm) for number, arm in enumerate(arms))
    return Ballot("2026-01-01T00:00:00Z", voter, str(row), places, verdict, aside=aside)


def hearing(row: int, forward: Verdict | None, backward: Verdict | None, soft: Soft | None = None) -> Hearing:
    if forward is None or backward is None:
        return Hearing(ballot(row, "skip"), forward, backward)
    chosen = swapped(forward, backward).preferred
    cast: Cast = 0 if chosen == "a" else 1 if chosen == "b" else "tie"
    return Hearing(ballot(row, cast), forward, backward, soft)


def simulated(chance: random.Random, pairs: int, bias: float) -> list[Hearing]:
    """A judge that takes the better answer in 3 of 4 calls, and the first one instead in a share of them."""

    def call(better: Verdict, worse: Verdict) -> Verdict:
        return "first" if chance.random() < bias else better if chance.random() < 0.75 else worse

    return [hearing(row, call("first", "second"), call("second", "first")) for row in range(pairs)]


def test_a_planted_bias_is_found_out_and_none_where_there_is_none() -> None:
    chance = random.Random(5)
    found = [sum(weigh("j", simulated(chance, 40, bias)).is_biased for _ in range(100)) for bias in (0.0, 0.5)]
    assert found[0] <= 10, "about 5 in 100 at most, by the test's level"
    assert found[1] >= 90


def test_pairs_without_a_verdict_speak_for_no_side() -> None:
    heard = [hearing(0, "first", None), hearing(1, None, "first"), hearing(2, "first", "second")]
    one = weigh("j", heard)
    assert (one.heard, one.unread) == (3, 2) and one.turns is not None and one.turns.n == 1
    assert one.position is not None and one.position.value == pytest.approx(0, abs=1e-6)
    assert "no verdict could be read in 2 of 3 pairs, which don't count" in list(sentences(one))
    nothing = weigh("j", heard[:2])
    assert nothing.turns is None and nothing.position is None and not nothing.is_biased


def test_soft_verdicts_lean_by_prompt_and_by_arm_whatever_stood_first() -> None:
    heard = [hearing(row, "first", "first", Soft(0.5 + 0.1 * row, 2.0)) for row in range(4)]
    swapped_ = [Hearing(ballot(9, "tie", ("y", "x")), "first", "first", Soft(-0.9, 2.0))]
    (lean,) = weigh("j", [*heard, *swapped_]).leans
    assert (lean.a, lean.b, lean.n) == ("x", "y", 5)
    assert lean.quality.value == pytest.approx((0.5 + 0.6 + 0.7 + 0.8 + 0.9) / 5)


def test_opinions_are_of_two_answers_whatever_side_they_stood_on() -> None:
    turned = Ballot("2026-01-01T00:00:00Z", "j", "p", (seen(7, "y"), seen(3, "x")), 0)
    assert opinions([turned]) == {((1, 3), (1, 7)): "second"}
    assert opinions([turned, ballot(0, "bad")]) == {((1, 3), (1, 7)): "second", ((1, 0), (1, 1)): "tie"}
    assert opinions([ballot(0, "skip"), ballot(1, 0, aside=True)]) == {}
    assert opinions([ballot(0, 0), ballot(0, 1)]) == {((1, 0), (1, 1)): "second"}, "the last word holds"
    of_three = opinions([ballot(0, 1, ("x", "y", "z"))])
    assert of_three == {((1, 0), (1, 1)): "second", ((1, 1), (1, 2)): "first"}, "of the losers nothing was said"


def test_marks_come_to_opinions() -> None:
    def grade(cell: int, *marks: float) -> Grade:
        return Grade("2026-01-01T00:00:00Z", "j", 1, cell, "x", "c", {str(n): mark for n, mark in enumerate(marks)})

    pairs = [((1, 0), (1, 1)), ((1, 0), (1, 2)), ((1, 1), (1, 3))]
    found = graded([grade(0, 5, 7), grade(1, 4, 8), grade(2, 9, 9), grade(3)], pairs)
    assert found == {pairs[0]: "tie", pairs[1]: "second"}


def test_a_panel_holds_each_judge_against_the_user_and_the_others() -> None:
    def view(verdicts: Iterable[Cast]) -> dict[tuple[tuple[int, int], tuple[int, int]], str]:
        return opinions(ballot(row, verdict) for row, verdict in enumerate(verdicts))

    views = {USER: view([0, 0, 1, 1]), "a": view([0, 0, 1, 1, 0]), "b": view([0, 1, 1, "tie", 0]), "c": {}}
    found = panel(views, USER)
    assert [(one.one, one.other) for one in found.between] == [("a", USER), ("b", USER), ("a", "b")]
    with_user, _, judges = found.between
    assert with_user.agreement.kappa is not None and with_user.agreement.kappa.value == 1
    assert (judges.agreement.n, judges.agreement.agreed) == (5, 3)
    assert found.alpha is not None and 0 < found.alpha.value < 1
    assert panel({"a": views["a"]}, USER).alpha is None and panel({"a": views["a"]}, USER).between == ()
