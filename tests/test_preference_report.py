"""The HTML report of a comparison: it says what was voted, needs nothing else, and nothing in it can act."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.ballot import Ballot
from promptlab.cli.export import export
from promptlab.cli.rank import Ranking, rank
from promptlab.render.preference_report import Case, policy, report
from promptlab.render.report import hashed
from tests.polling import HIGH, LOW, OTHER, ballot, kept, score
from tests.test_report import CHROMIUM, EVIL, Seen, browser

VOTES = score(LOW, HIGH, 14, 5, 3) + score(HIGH, OTHER, 6, 1) + score(LOW, OTHER, 7, 0)


def cases(votes: Iterable[Ballot], text: str = "an answer") -> list[Case]:
    return [Case(vote, "写一首绝句", (text, f"{text} too"), ("a thought", "")) for vote in votes]


def page(votes: Sequence[Ballot] = VOTES, **more: bool) -> str:
    arms = {LOW: {"target": "local", "temperature": "0.2"}, HIGH: {"target": "local", "temperature": "1.3"}}
    return "".join(report(votes, arms, cases(votes), **more))


def hostile() -> str:
    """A report in which every text that comes from outside is an attack."""
    votes = [
        replace(
            ballot(evil, other, number % 2, evil, voter=evil, criteria=evil, flags=(evil,), note=evil), created=evil
        )
        for number, (evil, other) in enumerate(zip(EVIL, (*EVIL[1:], "x"), strict=True))
    ]
    votes += [ballot(evil, EVIL[0], 0, evil) for evil in EVIL[1:]]
    arms = {evil: {"target": evil, evil: evil} for evil in EVIL}
    told = [Case(vote, evil, (evil, evil), (evil, evil)) for vote in votes for evil in EVIL[:3]]
    return "".join(report(votes, arms, told))


@pytest.mark.parametrize("html", [page(), hostile(), page(VOTES[:22]), page([]), page(together=True)])
def test_every_element_is_closed_and_nothing_can_run_or_load(html: str) -> None:
    seen = Seen(html)
    assert seen.open == []
    assert not {tag for tag, _ in seen.elements} & {
        "script",
        "img",
        "iframe",
        "link",
        "object",
        "base",
        "a",
        "use",
        "form",
    }
    for _, attributes in seen.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("style", "src", "href")}
    assert "\x1b" not in html and "\u202e" not in html
    html.encode()


def test_the_policy_lets_no_script_in() -> None:
    assert policy().startswith("default-src 'none'; style-src 'sha256-") and "script" not in policy()


def test_someone_who_was_not_there_is_told_everything() -> None:
    said = page()
    for wanted in (
        "Which is better:", "What was compared", "A person&#x27;s votes", "without names, parameters, thinking",
        "corrected by Holm for 3 pairs", "Who was compared with whom", "How to read the numbers", "The votes",
        "between equals the one on the left", "14\u00a0:\u00a05", "✓ preferred", "not shown to the voter", "写一首绝句",
    ):  # fmt: skip
        assert wanted.casefold() in said.casefold(), wanted
    assert said.count("<svg") == 3 and said.count('<details class="vote"') == len(VOTES)
    assert "your votes" not in said.casefold()  # whose would that be, to a reader?


def test_two_arms_make_a_title_and_a_sentence() -> None:
    said = page(VOTES[:22])
    assert f"<h1>Which is better: {LOW} or {HIGH}?</h1>" in said
    assert f"{LOW} is preferred 14\u00a0:\u00a05 with 3 ties; p\u00a0=\u00a00.06" in said
    assert "Ranking" not in said and "Who was compared" not in said  # of two there is nothing more to tell


def test_voters_stand_apart_in_it() -> None:
    votes = VOTES[:22] + score(LOW, HIGH, 2, 8, voter="openai/gpt-4.1", criteria="vivid")
    said = page(votes)
    assert "Votes of openai/gpt-4.1 by &quot;vivid&quot;" in said and "Judges beside the person" in said
    assert "16\u00a0:\u00a013" not in said and "Each voter stands alone" in said
    mixed = page(votes, together=True)
    assert "16\u00a0:\u00a013" in mixed and "2 voters as if they were one" in mixed
    assert "Each voter stands alone" not in mixed


def test_groups_are_told_apart_and_what_would_connect_them() -> None:
    said = page([*VOTES[:22], *score(OTHER, "x", 2, 1)])
    assert "no ranking holds all" in said and f"one vote on {LOW} with {OTHER} would connect them" in said


def test_a_vote_set_aside_and_one_on_answers_that_are_gone_are_shown_as_such() -> None:
    vote = replace(ballot(LOW, HIGH, "bad", flags=("a name",), note="都不好"), aside=True, id=7)
    said = "".join(report([vote], {}, [Case(vote, "", (None, None))]))
    assert "set aside, not counted" in said and "could give away: a name" in said and "都不好" in said
    assert said.count("gone from the history") == 2 and "vote 7" in said and "No votes that count" in said


def test_many_arms_and_pairs_are_not_all_drawn() -> None:
    votes = [ballot(f"m{a}", f"m{b}", 0, f"{a} {b}") for a in range(30) for b in range(a + 1, 30) if b - a < 3]
    said = "".join(report(votes, {}, []))
    assert "24 of 57 pairs are drawn" in said and said.count("<svg") == 1
    assert "Which of 30 is better?" in said


def test_the_report_of_a_history_has_its_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    kept(tmp_path, VOTES, thinking="hm <b>").close()
    assert rank(Ranking(), "html", tmp_path / "v.html", "auto") == 0
    said = (tmp_path / "v.html").read_text("utf-8")
    assert "answer 0" in said and "写第0首" in said and "hm &lt;b&gt;" in said and "<td>0.2</td>" not in said
    assert "m-2026" in said and Seen(said).open == []


def test_the_page_of_a_run_that_has_votes_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    evil = [replace(vote, voter=EVIL[0], criteria=EVIL[2]) for vote in score(LOW, HIGH, 2, 8)]
    kept(tmp_path, [*VOTES[:22], *evil]).close()
    assert export(1, "html", tmp_path / "run.html") == 0
    said = (tmp_path / "run.html").read_text("utf-8")
    assert "answer 63" in said and "What the votes say" in said and Seen(said).open == []
    assert f"{LOW} is preferred 14\u00a0:\u00a05 with 3 ties" in said and "Judges beside the person" in said
    assert [tag for tag, _ in Seen(said).elements].count("script") == 1, "the page's own"
    (style,) = re.findall(r"<style>(.*?)</style>", said, re.DOTALL)
    assert hashed(style) in said, "the content policy lets it in"


def test_the_page_of_a_run_without_votes_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    kept(tmp_path, []).close()
    assert export(1, "html", tmp_path / "run.html") == 0
    said = (tmp_path / "run.html").read_text("utf-8")
    assert "votes" not in said and "details.vote" not in said


@browser
def test_nothing_hostile_happens_in_a_browser(tmp_path: Path) -> None:
    file = tmp_path / "evil.html"
    file.write_text(hostile(), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'browser'}",
         "--dump-dom", file.as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    shown = done.stdout.decode()
    title = shown[shown.index("<title>") : shown.index("</title>")]
    assert "PWNED" not in title or "&lt;" in title
    assert "<iframe" not in shown and "<img" not in shown and "<script" not in shown
