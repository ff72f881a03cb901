"""`promptlab rank` and what exports do with votes: the real command on real histories."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.analysis.showing import showing
from promptlab.cli.export import export
from promptlab.errors import UsageError
from promptlab.render.preference import cast, text, whisker
from promptlab.render.preference_record import markdown, record
from promptlab.render.wrap import width
from tests.command import Lab
from tests.polling import HIGH, LOW, OTHER, ballot, kept, score, seen

VOTES = score(LOW, HIGH, 14, 5, 3)


def plain(votes: list[object] | object, cells: int = 100, **more: bool) -> str:
    return str(text(votes, cells, **more))  # type: ignore[arg-type]


# Text ----------------------------------------------------------------------------------------------------------------


def test_a_pair_is_told_with_everything_the_numbers_can_say() -> None:
    said = " ".join(plain(VOTES).split())
    assert f"{LOW} is preferred 14 : 5 with 3 ties; p = 0.06; about" in said and "more votes would settle it" in said
    assert re.search(r"A : B 14 : 5 3 74% \[51%, 88%\] 0\.06 ≈\d+ \d+ of 19 \d+% \[\d+%, \d+%\]", said)
    assert "looked at after every vote, the evidence is" in said and "20 to 1 settles it" in said
    assert "the longer answer won in" in said and f"at equal length {LOW} would win" in said
    assert "between equals the one on the left would win" in said
    assert "22 votes on 22 prompts, 3 ties among them; 12.5 s for a vote (median)" in said


def test_several_pairs_are_corrected_and_it_is_said() -> None:
    said = plain(score(LOW, HIGH, 14, 5) + score(HIGH, OTHER, 8, 0) + score(LOW, OTHER, 9, 0))
    assert f"{LOW} is preferred to {OTHER}, 9 : 0" in " ".join(said.split())
    assert "corrected by Holm for 3 pairs" in " ".join(said.split()) and "by Bonferroni" in said
    assert "who met whom" in said
    rows = [line.split()[:3] for line in said.splitlines() if re.match(r"\d(–\d)? +[ABC] ", line)]
    assert [row[1] for row in rows] == ["A", "B", "C"] and rows[2][0] == "3"


def test_what_never_met_is_not_ranked_together_and_the_missing_vote_is_named() -> None:
    said = " ".join(plain(score(LOW, HIGH, 3, 1) + score(OTHER, "x", 2, 1)).split())
    assert (
        f"no ranking holds all: these were never compared, not even through others: {LOW}, {HIGH} | {OTHER}, x" in said
    )
    assert f"one vote on {LOW} with {OTHER} would connect them" in said
    assert said.count("; this group alone") == 2
    assert "A B C D" in said and "·" in said  # the matrix shows who never met


def test_voters_stand_apart_and_together_it_is_said() -> None:
    votes = VOTES + score(LOW, HIGH, 3, 9, voter="openai/gpt-4.1", criteria="vivid")
    said = plain(votes)
    assert "your votes" in said and 'votes of openai/gpt-4.1 by "vivid"' in said
    assert "14 : 5" in said and "9 : 3" in said and "17 : 14" not in said
    assert 'openai/gpt-4.1 by "vivid" and you: the same on' in said and "Cohen's kappa" in said
    mixed = plain(votes, together=True)
    assert "2 voters as if they were one" in mixed and "17 : 14" in mixed and "kappa" not in mixed


@pytest.mark.parametrize("cells", [30, 48, 80, 200])
def test_no_line_is_wider_than_the_terminal(cells: int) -> None:
    votes = score(LOW, HIGH, 14, 5, 3) + score(LOW, OTHER, 3, 3) + score("一个很长的名字" * 12, OTHER, 2, 3)
    assert max(width(line) for line in text(votes, cells).lines()) <= cells


def test_names_of_others_can_do_nothing_to_a_terminal() -> None:
    evil = "a\x1b[2J\x1b]0;x\x07\u202e"
    said = plain([*score(evil, LOW, 3, 1, voter="j\x1b[31m"), ballot(evil, LOW, flags=("\x1b[5m",))])
    assert "\x1b" not in said and "\u202e" not in said and "\x07" not in said


def test_one_vote_ties_alone_and_none_are_no_trouble() -> None:
    assert plain([]) == "no votes yet"
    assert "preferred 1 : 0" in plain([ballot(LOW, HIGH)])
    assert "no preference, so that there is nothing to test" in " ".join(plain([ballot(LOW, HIGH, "tie")]).split())
    assert "0 votes on 0 prompts; not counted: 1 skipped" in plain([ballot(LOW, HIGH, "skip")])


def test_forty_arms_are_told_without_a_flood() -> None:
    votes = [ballot(f"m{a}", f"m{b}", a % 2, f"{a}.{b}") for a in range(40) for b in (a + 1, a + 7) if b < 40]
    lines = text(votes, 100).lines()
    assert len(lines) < 250 and any("more pairs: the table has them" in line for line in lines)


def test_an_exact_test_that_says_more_than_the_ranking_is_not_kept_back() -> None:
    said = " ".join(plain(score(LOW, HIGH, 9, 1) + score(LOW, OTHER, 1, 1)).split())
    assert "the exact test settles what the places of the ranking leave open" in said


def test_a_whisker_shows_where_nought_is() -> None:
    one = showing(score(LOW, HIGH, 14, 5)).ladders[0].ranking.standings[0].strength
    drawn = whisker(one, -2, 2, 21)
    assert drawn[10] in "┊┼├" and len(drawn) == 21 and drawn.count("●") == 1
    assert whisker(one, 0, 0, 21) == "" and whisker(one, -2, 2, 3) == ""


def test_flags_of_a_judge_are_told_as_such() -> None:
    votes = [replace(vote, flags=("an answer speaks to the judge",)) for vote in score(LOW, HIGH, 2, 0, voter="judge")]
    said = plain([*votes, ballot(LOW, HIGH, "skip", voter="judge")])
    assert "2 votes are flagged" in said and "given an arm away" not in said and "1 without a verdict" in said
    assert cast(showing(votes)).startswith("2 votes on 2 prompts")


# JSON and Markdown ---------------------------------------------------------------------------------------------------


def test_the_record_holds_all_that_the_text_tells() -> None:
    found = record(score(LOW, HIGH, 14, 5, 3) + score(LOW, OTHER, 3, 1))
    (one,) = found["showings"]
    pair = next(each for each in one["pairs"] if {each["a"], each["b"]} == {LOW, HIGH})
    assert (pair["wins"], pair["losses"], pair["ties"], pair["tests"], pair["correction"]) == (14, 5, 3, 2, "holm")
    assert pair["p"] == pytest.approx(0.0636, abs=1e-4) and pair["p_adjusted"] >= pair["p"]
    assert pair["anytime"]["needed"] == 40 and 0 < pair["anytime"]["low"] < 0.74
    assert one["graph"]["connected"] and one["graph"]["missing"] == []
    assert next(each["arm"] for each in one["rankings"][0]["standings"]) == LOW
    json.dumps(found)


def test_markdown_has_tables_that_no_name_breaks() -> None:
    said = "".join(markdown(score("a|b*c", HIGH, 3, 1)))
    rows = [line for line in said.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {10, 6}
    assert "a\\|b\\*c" in said and "".join(markdown([])) == "No votes yet.\n"


# The command ---------------------------------------------------------------------------------------------------------


def test_the_command_tells_writes_and_refuses(lab: Lab) -> None:
    kept(lab.home, [*VOTES, *score(LOW, HIGH, 3, 0, voter="judge")]).close()
    said, one, mine, listed, html, wrong, nobody, no_run = lab.each(
        ["rank"], ["rank", "--format", "json"], ["rank", "1", "--voter", "you"], ["rank", "--votes"],
        ["rank", "--format", "html", "-o", "out.html"], ["rank", "--format", "htm"], ["rank", "--voter", "x"],
        ["rank", "7"],
    )  # fmt: skip
    assert said.code == 0 and "14 : 5" in said.out and "votes of judge" in said.out and "\x1b" not in said.out
    assert [each["voters"] for each in one.json["showings"]] == [["you"], ["judge"]]
    assert "14 : 5" in mine.out and "judge" not in mine.out
    assert listed.out.splitlines()[0].split() == f"1 2026-11-22 10:00 · {LOW} over {HIGH} · run 1".split()
    assert html.code == 0 and (lab.home / "out.html").read_text("utf-8").startswith("<!doctype html>")
    assert wrong.code == 2 and "html" in wrong.err and nobody.code == 2 and "votes are by you, judge" in nobody.err
    assert no_run.code == 1 and "no run 7" in no_run.err
    again = lab("rank", "--format", "html", "-o", "out.html")
    assert again.code == 2 and "--force" in again.err


def test_a_vote_is_set_aside_and_counts_again(lab: Lab) -> None:
    kept(lab.home, [ballot(LOW, HIGH, 0), ballot(LOW, HIGH, 1, "q")]).close()
    without = lab("rank", "--aside", "2", "--format", "json")
    assert "vote 2 counts no more" in without.err and without.json["showings"][0]["votes"] == 1
    assert "set aside" in lab("rank", "--votes").out
    assert lab("rank", "--count", "2", "--format", "json").json["showings"][0]["votes"] == 2
    assert lab("rank", "--aside", "9").code == 1
    assert lab("rank", "--aside", "1", "--count", "1").code == 2


def test_an_answer_that_is_marked_as_the_best_is_no_vote(lab: Lab) -> None:
    mark = replace(ballot(LOW, HIGH), seen=(seen(0, LOW),), aside=True)
    kept(lab.home, [mark]).close()
    assert "there are no votes" in lab("rank").err
    kept(lab.home, [ballot(LOW, HIGH)]).close()
    told = lab("rank").out
    assert "1 vote on 1 prompt" in told and "set aside" not in told


def test_without_votes_it_says_what_to_do(lab: Lab) -> None:
    kept(lab.home, []).close()
    none, empty = lab.each(["rank"], ["rank", "1", "--format", "json"])
    assert none.code == 1 and "promptlab compare" in none.err and none.out == ""
    assert empty.code == 1 and empty.json == {"showings": [], "agreement": []}


def test_it_fits_a_terminal(lab: Lab) -> None:
    kept(lab.home, VOTES).close()
    shown = lab.on_terminal("rank", columns=60).out
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(width(line) for line in lines) <= 60 and any("14 : 5" in line for line in lines)


# Exports -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    return tmp_path


def pairs(home: Path, **more: str) -> list[dict[str, object]]:
    assert export(1, "pairs", home / "pairs.jsonl", force=True, **more) == 0  # type: ignore[arg-type]
    return [json.loads(line) for line in (home / "pairs.jsonl").read_text("utf-8").splitlines()]


def test_pairs_are_chosen_and_rejected_as_trainers_take_them(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    votes = [ballot(HIGH, LOW, 1, cells=(1, 0)), ballot(LOW, HIGH, 0, cells=(0, 1)),
             ballot(LOW, HIGH, "tie", cells=(2, 3)),
             ballot(LOW, HIGH, 0, cells=(4, 5)), ballot(LOW, HIGH, 1, cells=(4, 5)),
             ballot(LOW, HIGH, 1, cells=(0, 1), voter="judge")]  # fmt: skip
    kept(home, votes, thinking="secret").close()
    (line,) = pairs(home)
    assert line["prompt"] == [{"role": "user", "content": "写第0首"}]
    assert line["chosen"] == [{"role": "assistant", "content": "answer 0"}]
    assert line["rejected"] == [{"role": "assistant", "content": "answer 1"}]
    assert (line["voter"], line["votes"], line["chosen_arm"], line["chosen_from"]) == ("you", 2, LOW, [1, 0])
    assert "secret" not in str(line)
    told = capfd.readouterr().err
    assert "1 pairs from votes of you; 1 as many votes for the one as for the other; 1 ties or both bad" in told
    assert "terms of use" in told
    assert pairs(home, voter="judge")[0]["chosen"] == [{"role": "assistant", "content": "answer 1"}]


def test_answers_to_different_prompts_are_no_pair(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kept(home, [ballot(LOW, HIGH, 0, cells=(0, 3))]).close()
    assert pairs(home) == []
    assert "1 not asked the same" in capfd.readouterr().err


def test_only_what_votes_preferred_is_exported(home: Path) -> None:
    votes = [ballot(LOW, HIGH, 0, cells=(0, 1)), ballot(LOW, HIGH, 1, cells=(2, 3)),
             ballot(LOW, HIGH, "tie", cells=(4, 5)),
             ballot(LOW, OTHER, 1, cells=(0, 6)), replace(ballot(LOW, HIGH, 0, cells=(8, 9)), aside=True)]  # fmt: skip
    kept(home, votes).close()
    assert export(1, "jsonl", home / "out.jsonl", filter="vote") == 0
    lines = [json.loads(line) for line in (home / "out.jsonl").read_text("utf-8").splitlines()]
    assert [line["index"] for line in lines] == [3, 6]  # cell 0 won once and lost once


def test_whose_votes_must_be_plain(home: Path) -> None:
    store = kept(home, [])
    with pytest.raises(UsageError, match="nobody has voted on run 1"):
        export(1, "pairs", home / "a")
    for judge in ("j1", "j2"):
        store.cast(ballot(LOW, HIGH, voter=judge))
    store.close()
    with pytest.raises(UsageError, match="not mixed"):
        export(1, "pairs", home / "a")
    with pytest.raises(UsageError, match="'you' has not voted"):
        export(1, "jsonl", home / "a", filter="vote", voter="you")
    with pytest.raises(UsageError, match="--voter is for votes"):
        export(1, "csv", home / "a", voter="j1")
    with pytest.raises(UsageError, match="--filter is not for pairs"):
        export(1, "pairs", home / "a", filter="vote")
    assert not (home / "a").exists()
