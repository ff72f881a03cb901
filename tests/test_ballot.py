"""Votes and grades: kept as they were cast, given back the same, and turned to the votes that numbers are made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.analysis.showing import votes_of
from promptlab.ballot import Ballot, Grade, Seen
from promptlab.errors import StoreError
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request
from promptlab.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "history.db")
    cells = tuple(Cell(n, "local", "local", Request("", (Message("user", "写诗"),), {})) for n in range(2))
    store.begin(Plan(cells, "写诗"), {})
    return store


def ballot(*arms: str, verdict: object = 0) -> Ballot:
    seen = tuple(Seen(1, place, arm, 10 + place) for place, arm in enumerate(arms))
    return Ballot("2026-11-22T10:00:00.000Z", "you", "写诗", seen, verdict)  # type: ignore[arg-type]


def test_a_vote_comes_back_as_it_was_cast(store: Store) -> None:
    cast = replace(ballot("local 0.2", "local 1.3", verdict="tie"), seconds=4.5, note="都不错", flags=("a name",),
                   criteria="vivid", words=((1, 0), (1, 1)), soft=-0.25)  # fmt: skip
    number = store.cast(cast)
    assert store.votes() == [replace(cast, id=number)]
    assert store.votes(run=1, voter="you") == store.votes()
    assert store.votes(run=2) == [] and store.votes(voter="judge") == []


def test_an_undone_vote_is_gone_and_one_put_aside_stays(store: Store) -> None:
    first, second = store.cast(ballot("a", "b")), store.cast(ballot("b", "a"))
    store.put_aside(first)
    store.take_back(second)
    (left,) = store.votes()
    assert (left.id, left.aside, left.counts) == (first, True, False)
    store.put_aside(first, aside=False)
    assert store.votes()[0].counts
    with pytest.raises(StoreError, match="no vote 99"):
        store.put_aside(99)


def test_a_vote_with_a_number_takes_the_place_of_the_one_that_had_it(store: Store) -> None:
    first, second = store.cast(ballot("a", "b")), store.cast(ballot("b", "a"))
    changed = replace(store.votes()[0], note="好")
    assert store.cast(changed) == first
    assert [(one.id, one.note) for one in store.votes()] == [(first, "好"), (second, "")]


def test_grades_come_back(store: Store) -> None:
    grade = Grade("2026-11-22T10:00:00.000Z", "judge", 1, 0, "local 0.2", "vivid", {"vivid": 4.0, "形式": 2.0}, (1, 1))
    number = store.keep_grade(grade)
    assert store.grades(run=1) == [replace(grade, id=number)]


def test_votes_of_a_pair() -> None:
    (vote,) = votes_of([ballot("a", "b", verdict=1)])
    assert (vote.left, vote.right, vote.outcome, vote.lengths, vote.prompt) == ("a", "b", "right", (10, 11), "写诗")
    assert votes_of([ballot("a", "b", verdict="skip"), replace(ballot("a", "b"), aside=True)]) == []


def test_of_four_the_best_wins_three_times_and_a_tie_is_six() -> None:
    won = votes_of([ballot("a", "b", "c", "d", verdict=2)])
    assert len(won) == 3
    assert all((vote.left == "c" and vote.outcome == "left") or (vote.right == "c" and vote.outcome == "right")
               for vote in won)  # fmt: skip
    level = votes_of([ballot("a", "b", "c", "d", verdict="bad")])
    assert len(level) == 6 and {vote.outcome for vote in level} == {"bad"}
