"""The state of a blind contest, without a screen: who meets whom, sides, votes, undo, numbers; and what gives away."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from promptlab.arm import arm_of
from promptlab.ballot import KNOWN, REVEALED
from promptlab.errors import UsageError
from promptlab.giveaway import Flag, flags_of, names_of
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request
from promptlab.tui.contest import Contest, Said, again, matches_of
from promptlab.tui.seats import BlindSay, told_so_far
from promptlab.tui.text.blind import EN, ZH

WHEN = "2026-01-01T00:00:00.000Z"


def plan(targets: Sequence[str] = ("a/x", "b/y"), rows: int = 5, repeats: int = 1) -> Plan:
    cells = [
        Cell(0, target, target[0], Request(target[2:], (Message("user", f"prompt {row}"),)), repeat=repeat, row=row)
        for target in targets for row in range(rows) for repeat in range(repeats)
    ]  # fmt: skip
    return Plan(tuple(replace(cell, index=number) for number, cell in enumerate(cells)), "prompt")


def contest(of: Plan, seed: int = 0) -> Contest:
    return Contest(of, 7, matches_of(of, random.Random(seed)))


def vote(of: Contest, verdict: int | str, lengths: Sequence[int] = (10, 20)) -> None:
    of.keep(replace(of.vote(verdict, [Said(n, True) for n in lengths], WHEN, 2.5), id=len(of.votes) + 1))  # type: ignore[arg-type]


# Who meets whom ------------------------------------------------------------------------------------------------------


def test_sides_are_fair_over_a_thousand_shuffles() -> None:
    of = plan(rows=1000)
    matches = matches_of(of, random.Random(20260101))
    left = [of.cells[match.seats[0]].target for match in matches]
    assert len(left) == 1000
    assert 438 <= left.count("a/x") <= 562, "beyond four standard deviations"
    changes = sum(first != second for first, second in pairwise(left))
    assert 436 <= changes <= 563, "and nobody can tell the next side from the last one"


def test_sides_are_drawn_anew_by_the_systems_own_randomness() -> None:
    of = plan(rows=64)
    drawn = {tuple(match.seats for match in matches_of(of, random.SystemRandom())) for _ in range(3)}
    assert len(drawn) == 3


def test_four_places_are_fair_too() -> None:
    of = plan(("a/w", "a/x", "a/y", "a/z"), rows=1000)
    stood = Counter((place, of.cells[seat].target) for match in matches_of(of, random.Random(3), answers=4)
                    for place, seat in enumerate(match.seats))  # fmt: skip
    assert len(stood) == 16 and all(195 <= count <= 305 for count in stood.values())


def test_every_pair_meets_on_every_prompt_and_each_prompt_once_before_any_again() -> None:
    of = plan(("a/x", "b/y", "c/z"), rows=6)
    matches = matches_of(of, random.Random(1))
    assert len(matches) == 18 == len({frozenset(match.seats) for match in matches})
    for match in matches:
        cells = [of.cells[seat] for seat in match.seats]
        assert len({cell.row for cell in cells}) == 1 and len({arm_of(of, cell) for cell in cells}) == 2
        assert match.asked == f"prompt {cells[0].row}"
    assert len({match.key for match in matches[:6]}) == 6
    met = Counter(frozenset(of.cells[seat].target for seat in match.seats) for match in matches[:6])
    assert set(met.values()) == {2}, "whenever one stops, all pairs have met about as often"


def test_repeats_meet_their_like_and_come_after_all_prompts() -> None:
    of = plan(rows=3, repeats=2)
    matches = matches_of(of, random.Random(1))
    assert [of.cells[match.seats[0]].repeat for match in matches] == [0, 0, 0, 1, 1, 1]
    assert all(len({of.cells[seat].repeat for seat in match.seats}) == 1 for match in matches)


def test_answers_that_are_not_there_and_what_was_voted_on_don_t_come() -> None:
    of = plan(rows=4)
    assert len(matches_of(of, random.Random(1), usable=lambda cell: cell != 0)) == 3
    assert len(matches_of(of, random.Random(1), known=[frozenset((1, 5))])) == 3


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(UsageError, match="one arm alone"):
        matches_of(plan(("a/x",)), random.Random(1))
    with pytest.raises(UsageError, match="no answers"):
        matches_of(plan(), random.Random(1), usable=lambda cell: False)
    with pytest.raises(UsageError, match="--answers"):
        matches_of(plan(), random.Random(1), answers=5)


# Votes ---------------------------------------------------------------------------------------------------------------


def test_a_vote_says_what_was_seen_in_which_order_and_how_long_it_took() -> None:
    of = contest(plan())
    seats = of.match.seats
    of.note = "because"
    ballot = of.vote(1, [Said(12, True), Said(3, False)], WHEN, 2.5, ["answer 1: model Qwen"])
    assert (ballot.voter, ballot.verdict, ballot.seconds, ballot.note) == ("you", 1, 2.5, "because")
    assert [(one.run, one.cell, one.length, one.stopped) for one in ballot.seen] == [
        (7, seats[0], 12, False), (7, seats[1], 3, True)]  # fmt: skip
    assert {one.arm for one in ballot.seen} == {"a/x", "b/y"} and ballot.prompt == of.match.key
    assert ballot.flags == ("answer 1: model Qwen",) and ballot.created == WHEN


def test_a_match_has_one_vote_for_somebody_who_sits_there() -> None:
    of = contest(plan())
    with pytest.raises(ValueError):
        of.vote(2, [Said(1, True)] * 2, WHEN, None)
    vote(of, "tie")
    with pytest.raises(ValueError):
        of.vote("bad", [Said(1, True)] * 2, WHEN, None)


def test_undo_goes_back_and_says_that_the_next_vote_is_not_blind() -> None:
    of = contest(plan())
    vote(of, 0)
    of.go_on()
    vote(of, 1)
    of.go_on()
    assert of.at == 2 and len(of.votes) == 2
    taken = of.undo()
    assert taken is not None and taken.verdict == 1 and of.at == 1 and not of.told
    vote(of, "bad")
    assert of.votes[-1].flags == (REVEALED,)
    assert of.undo() is not None and of.undo() is not None and of.undo() is None
    assert of.at == 0 and not of.votes


def test_an_answer_whose_name_was_told_in_another_match_is_not_blind_any_more() -> None:
    of = contest(plan(("a/x", "b/y", "c/z"), rows=1, repeats=2))
    flags = []
    for _ in of.matches:
        vote(of, 0)
        flags.append(of.votes[-1].flags)
        of.go_on()
    assert flags == [(), (), *[(KNOWN,)] * 4], "each of two repeats has one match of answers that nobody knows"
    later = Contest(of.plan, 7, of.matches[2:], of.votes[:2])
    vote(later, 0)
    assert later.votes[0].flags == (KNOWN,), "what an earlier session told is known too"


def test_an_answer_that_a_later_match_needs_is_not_stopped() -> None:
    of = contest(plan(("a/x", "b/y", "c/z"), rows=1))
    first, second, third = (match.seats for match in of.matches)
    later = {*second, *third}
    assert set(of.done_with()) == set(first) - later == set()
    vote(of, 0)
    of.go_on()
    assert set(of.done_with()) == set(second) - set(third) and len(of.done_with()) == 1
    assert of.coming(0) == set(second) and of.coming(1) == later


# What they tell ------------------------------------------------------------------------------------------------------


def bar(of: Contest, names: bool = True, language: str = "en") -> str:
    fields = told_so_far(of.so_far(), BlindSay(language), (lambda arm: arm) if names else None)
    return " · ".join(field.text for field in fields)


def test_the_bar_counts_and_names_nobody_before_the_vote() -> None:
    of = contest(plan(rows=30))
    assert bar(of) == "votes 0 · about 35 votes decide a 3 : 1 preference"
    for number in range(7):
        winner = number < 5
        seats = [of.plan.cells[seat].target for seat in of.match.seats]
        vote(of, "tie" if number == 6 else seats.index("a/x" if winner else "b/y"))
        of.go_on()
    assert bar(of).startswith("votes 7 · a/x 5 : 1 · ties 1 · about ") and " of 20 to 1" in bar(of)
    assert "a/x" not in bar(of, names=False) and "5 : 1" in bar(of, names=False)
    assert bar(of, language="zh").startswith("票数 7 · a/x 5 : 1 · 平 1")


def test_what_is_settled_is_said_and_what_is_set_aside_does_not_count() -> None:
    of = contest(plan(rows=30))
    for _ in range(12):
        vote(of, [of.plan.cells[seat].target for seat in of.match.seats].index("a/x"))
        of.go_on()
    assert "settled, whenever you stop" in bar(of)
    of.change(again(of.votes[-1], aside=True))
    assert "votes 11 · " in bar(of) and "1 set aside" in bar(of) and "11 : 0" in bar(of)


def test_several_arms_are_told_by_how_many_pairs_are_settled() -> None:
    of = contest(plan(("a/x", "b/y", "c/z"), rows=4))
    vote(of, 0)
    assert "pairs settled 0 of 3" in bar(of)


def test_earlier_votes_of_the_run_count_along() -> None:
    of = plan()
    first = contest(of)
    vote(first, 0)
    second = Contest(of, 7, [match for match in first.matches if match != first.match], first.votes)
    assert second.so_far().votes == 1


def test_both_languages_have_every_text() -> None:
    assert EN.keys() == ZH.keys()
    for key, text in EN.items():
        assert text.count("{") == ZH[key].count("{"), key
    assert BlindSay("zh")("queued") == "排队中", "the lab's own are there as well"


# What gives away -----------------------------------------------------------------------------------------------------


def words(*answers: str, targets: Sequence[str] = ("ollama/qwen3:4b", "local"), prompt: str = "") -> list[Flag]:
    return list(flags_of(answers, targets, prompt))


def test_names_vendors_and_tags_are_flagged_where_they_stand() -> None:
    assert words("The sea.", "I am Qwen, made by Alibaba Cloud.") == [
        Flag(1, "model", "Qwen"), Flag(1, "vendor", "Alibaba")]  # fmt: skip
    assert words("我是通义千问，由阿里云开发。", "") == [Flag(0, "model", "通义千问"), Flag(0, "vendor", "阿里云")]
    assert words("<think>well</think> Yes<|im_end|>", "") == [
        Flag(0, "tags", "<think>"), Flag(0, "tags", "</think>"), Flag(0, "tags", "<|im_end|>")]  # fmt: skip
    assert words("As GPT-4o I can", "")[0].text == "GPT-4o"
    assert words("SmolLM2 here", "")[0].kind == "model"


def test_a_name_of_the_compared_ones_is_known_by_the_target() -> None:
    assert names_of("openrouter/acme/zorblax-7b-instruct") >= {"zorblax"}
    assert words("Zorblax says", "", targets=["x/zorblax-7b"]) == [Flag(0, "model", "Zorblax")]
    assert names_of("local:/home/tom/Zorblax-7b.gguf") == {"zorblax"}, "its folders name nobody"
    assert "instruct" not in names_of("x/zorblax-7b-instruct") and "mini" not in names_of("openai/gpt-5-mini")


def test_what_the_prompt_says_and_words_that_only_look_alike_are_no_sign() -> None:
    assert not words("Claude Monet painted it.", "", prompt="Who was Claude Monet?")
    assert not words("A graphite egg, a philosopher, yippee.", "Unix is not xaipe.")
    assert not words("", "")


def test_an_answer_full_of_names_is_told_in_a_few() -> None:
    assert len(words(" ".join(f"gpt-{n}" for n in range(500)), "")) <= 6
