"""What votes show as a whole: voters apart, groups apart, judges beside the user."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptlab.analysis.preference import sentence
from promptlab.analysis.showing import besides, showing, showings
from promptlab.ballot import KNOWN, REVEALED, TURNED, Ballot
from promptlab.render.preference import flags, notes
from tests.polling import HIGH, LOW, OTHER, ballot, score, seen


def test_voters_are_never_mixed_unless_that_is_asked_for() -> None:
    votes = score(LOW, HIGH, 6, 0, voter="judge", criteria="vivid") + score(LOW, HIGH, 0, 6)
    votes += score(LOW, HIGH, 3, 0, voter="judge", criteria="short")
    mine, vivid, short = showings(votes)
    assert [(one.voter, one.criteria) for one in (mine, vivid, short)] == [
        ("you", ""), ("judge", "vivid"), ("judge", "short"),
    ]  # fmt: skip
    assert [(one.pairs[0].a, one.pairs[0].wins.won) for one in (mine, vivid, short)] == [(HIGH, 6), (LOW, 6), (LOW, 3)]
    (all_,) = showings(votes, together=True)
    assert all_.voters == ("judge", "you") and all_.votes == 15 and all_.criteria == "vivid; short"


def mirrored(vote: Ballot) -> Ballot:
    """The same vote with the sides exchanged."""
    assert vote.verdict != "skip"
    return replace(vote, seen=vote.seen[::-1], verdict=1 - vote.verdict if isinstance(vote.verdict, int) else "tie")


def test_who_leads_stands_first_and_nothing_else_changes() -> None:
    votes = score(LOW, HIGH, 2, 9, 1)
    behind, ahead = showing(votes), showing(list(map(mirrored, votes)))
    (pair,), (other,) = behind.pairs, ahead.pairs
    assert (other.a, other.b) == (HIGH, LOW)
    assert (pair.a, pair.b, pair.wins.won, pair.losses) == (HIGH, LOW, 9, 2)
    assert sentence(pair) == sentence(other)
    assert pair.wins.rate == pytest.approx(other.wins.rate) and pair.score == pytest.approx(other.score)
    assert pair.anytime == pytest.approx(other.anytime)
    assert pair.controlled is not None and pair.controlled.value > 0.5


def test_what_does_not_count_is_counted_apart() -> None:
    votes = [*score(LOW, HIGH, 2, 1), ballot(LOW, HIGH, "skip"), replace(ballot(LOW, HIGH), aside=True),
             ballot(LOW, HIGH, "bad", flags=("a name",))]  # fmt: skip
    one = showing(votes)
    assert (one.votes, one.bad, one.skipped, one.aside, one.flagged) == (4, 1, 1, 1, 1)
    assert one.seconds == 12.5 and one.prompts == 4


def test_votes_that_were_not_wholly_blind_are_told_apart_from_hints_in_an_answer() -> None:
    votes = score(LOW, HIGH, 3, 1)
    votes[0] = replace(votes[0], flags=(REVEALED,))
    votes[1] = replace(votes[1], flags=("answer 1: model GPT", KNOWN))
    one = showing(votes)
    assert (one.votes, one.flagged, one.unblind) == (4, 1, 2)
    said = " ".join(notes(one))
    assert "1 vote had something in sight" in said and "2 votes were not wholly blind" in said
    assert flags(votes[1]) == ["could give away: answer 1: model GPT", KNOWN]
    assert flags(ballot(LOW, HIGH, "tie", voter="judge", flags=(TURNED,))) == ["turned with the order"]


def test_only_votes_that_do_not_count_show_no_pairs() -> None:
    one = showing([ballot(LOW, HIGH, "skip")])
    assert one.pairs == () and one.ladders == () and one.bridges == () and one.graph.arms == ()


def test_groups_that_never_met_are_ranked_by_themselves_and_the_missing_votes_named() -> None:
    votes = score(LOW, HIGH, 3, 1) + score(OTHER, "x", 2, 2) + score("y", "z", 1, 0) + score("y", "w", 4, 0)
    one = showing(votes)
    assert [set(ladder.arms) for ladder in one.ladders] == [{"y", "z", "w"}, {LOW, HIGH}, {OTHER, "x"}]
    assert one.bridges == (("y", LOW), ("y", OTHER))
    joined = showing([*votes, *(ballot(a, b) for a, b in one.bridges)])
    assert joined.graph.connected and len(joined.ladders) == 1


def test_the_best_of_four_counts_against_each_of_the_others() -> None:
    four = tuple(seen(n, arm) for n, arm in enumerate("abcd"))
    votes = [Ballot("", "you", str(n), four, 2) for n in range(7)]
    one = showing(votes)
    assert one.votes == 7 and {(pair.a, pair.b) for pair in one.pairs} == {("c", "a"), ("c", "b"), ("c", "d")}
    assert all((pair.wins.won, pair.losses) == (7, 0) for pair in one.pairs)
    assert one.ladders[0].ranking.standings[0].arm == "c"


def test_the_best_of_four_on_one_prompt_is_no_more_than_one_vote() -> None:
    four = tuple(seen(n, arm) for n, arm in enumerate("abcd"))
    votes = [Ballot("", "you", "the same", four, (0, 0, 1, 2, 3)[n % 5]) for n in range(20)]
    apart = [replace(vote, prompt=str(n)) for n, vote in enumerate(votes)]
    (one,), (other,) = showing(votes).ladders, showing(apart).ladders
    assert one.ranking.standings[0].arm == "a"
    assert one.ranking.standings[0].strength == pytest.approx(other.ranking.standings[0].strength)
    assert "errors are clustered by 20 prompts" not in " ".join(notes(showing(votes)))
    assert "all votes are on one prompt: they tell nothing of others" in notes(showing(votes))


def test_a_judge_asked_in_both_orders_has_no_side() -> None:
    votes = [replace(vote, words=((9, 0), (9, 1))) for vote in score(LOW, HIGH, 8, 4, voter="judge")]
    votes[0] = replace(votes[0], flags=(TURNED,), verdict="tie")
    one = showing(votes)
    assert one.both and one.turned == 1 and one.flagged == 0 and one.ladders[0].ranking.position is None
    assert showing(score(LOW, HIGH, 8, 4)).ladders[0].ranking.position is not None


def test_equal_lengths_leave_nothing_to_control() -> None:
    votes = [ballot(LOW, HIGH, 0, str(n)) for n in range(4)]
    assert showing(votes).ladders[0].even is None
    assert showing(score(LOW, HIGH, 4, 2)).ladders[0].even is not None


def test_mean_lengths_count_each_answer_once_and_none_that_was_cut_off() -> None:
    cut = replace(ballot(LOW, HIGH), seen=(replace(seen(0, LOW, 10), stopped=True), seen(1, HIGH, 30)))
    votes = [
        cut,
        ballot(HIGH, OTHER, cells=(1, 2), lengths=(30, 50)),
        ballot(HIGH, OTHER, cells=(3, 2), lengths=(90, 50)),
    ]
    assert showing(votes).lengths == {HIGH: 60, OTHER: 50}


def test_a_judge_beside_the_user() -> None:
    mine = score(LOW, HIGH, 6, 4)
    turned = [replace(mirrored(vote), voter="judge") for vote in mine]
    (same,) = besides([*mine, *turned])
    assert (same.judge, same.agreement.n, same.agreement.agreed) == ("judge", 10, 10)
    assert same.agreement.kappa is not None and same.agreement.kappa.value == 1
    assert besides(mine) == () and besides(turned) == ()
