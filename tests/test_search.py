"""`promptlab search`: what is found, how it is shown, and that nothing in it can act on a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from promptlab.cli.search import _around, search
from promptlab.errors import UsageError
from promptlab.events import Answer, Event, Finished, Stamped, Started, Thinking
from promptlab.plan import Cell, Plan
from promptlab.render.wrap import width
from promptlab.request import Message, Request
from promptlab.store import Hit, Store


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    return tmp_path


def keep(home: Path, *told: tuple[str, str, str]) -> None:
    """A run of one cell for each (prompt, thinking, answer)."""
    store = Store(home / "promptlab.db")
    for prompt, thinking, answer in told:
        request = Request("m", (Message("user", prompt),))
        _, recorder = store.begin(Plan((Cell(0, "ollama/m", "ollama", request),), prompt), {})
        events: list[Event] = [
            Started(),
            *([Thinking(thinking)] if thinking else []),
            Answer(answer),
            Finished("stop", True),
        ]
        for number, event in enumerate(events):
            recorder(Stamped(0, float(number), event))
        recorder.close("done")
    store.close()


def test_two_chinese_characters_are_found_wherever_they_stand(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(history, ("写冰河", "先想温度", "雪落在河上"), ("总结", "", "请总结这篇文章的温度设置，谢谢"))
    assert search("温度", format="json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["run"], one["where"]) for one in found] == [(2, "answer"), (1, "thinking")]
    assert all(one["excerpt"][one["start"] : one["end"]] == "温度" and one["target"] == "ollama/m" for one in found)
    assert search("冰河", format="json") == 0
    assert json.loads(capsys.readouterr().out)[0]["where"] == "prompt"


def test_a_place_can_be_asked_for_even_behind_many_others(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(history, ("q", "a river of thought", "x"), *[("q", "", f"the river {n}") for n in range(30)])
    assert search("river", 2, "thinking", "jsonl") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["run"] == 1
    assert search("river", 3, "answer", "jsonl") == 0
    assert [json.loads(line)["run"] for line in capsys.readouterr().out.splitlines()] == [31, 30, 29]


def test_nothing_found_is_exit_code_1(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(history, ("hi", "", "there"))
    assert search("nowhere\x1b[2J") == 1
    told = capsys.readouterr()
    assert told.out == "" and "nowhere" in told.err and "\x1b" not in told.err
    assert search("nowhere", format="json") == 1
    assert capsys.readouterr().out == "[]\n"


def test_a_match_is_marked_and_nothing_in_it_acts(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(history, ("hi", "", "before\x1b[31m [red]river[/red] \u202e after\nnext"))
    assert search("river") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "run 1 · cell 1 · ollama/m · answer"
    assert "[red]«river»[/red]" in out and "\x1b" not in out and "\u202e" not in out
    assert len(out.splitlines()) == 2


def test_what_can_not_be_asked_is_said(history: Path) -> None:
    for arguments in (("x", 20, "anser"), ("  ", 20), ("x", 0), ("x", 20, None, "csv")):
        with pytest.raises(UsageError):
            search(*arguments)


def test_an_excerpt_fits_the_terminal_with_its_match_in_it() -> None:
    before, match, after = "前" * 40, "冰河", "后" * 40
    hit = Hit(1, 0, "t", "answer", before + match + after, 40, 42)
    for cells in (20, 21, 60, 300):
        pieces = _around(hit, cells)
        assert pieces[1] == "冰河" and width("".join(pieces)) <= cells
    assert _around(hit, 300) == (before, match, after)
    early = Hit(1, 0, "t", "answer", "冰河" + after, 0, 2)
    assert _around(early, 30)[0] == "" and width("".join(_around(early, 30))) >= 28


def test_colour_marks_the_match_where_it_is_asked_for(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(history, ("hi", "", "a river"))
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert search("river", color="always") == 0
    assert "\x1b[" in out.getvalue() and "«" not in out.getvalue()
