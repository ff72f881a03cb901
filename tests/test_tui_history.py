"""Past runs in the lab: found by filters and words, opened, run again, made a profile of, exported."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from promptlab.events import Answer, Event, Finished, Usage
from promptlab.render.facts import moment
from promptlab.render.wrap import width
from promptlab.store import Store, Summary
from promptlab.transcript import Transcript
from promptlab.tui.blind import BlindScreen
from promptlab.tui.history import Runs, row
from promptlab.tui.past import Wanted, about, fits, line, wanted
from promptlab.tui.picker import Compared, Line, Picker
from promptlab.tui.status import context
from promptlab.tui.text import Say
from tests.replay import Replay
from tests.test_tui import ANSWER, Screen, lab_at, named, runs, slow

TODAY = date(2026, 11, 22)


def summary(id: int = 3, **more: object) -> Summary:
    fields = {"created": "2026-11-20T10:11:12.000Z", "state": "done", "prompt": "写一首诗", "profile": None,
              "targets": ("local", "openai/gpt-5"), "states": ("done", "done")}  # fmt: skip
    return Summary(id, **(fields | more))  # type: ignore[arg-type]


# What is wanted -------------------------------------------------------------------------------------------------------


def test_filters_are_read_and_what_only_looks_like_one_is_a_word() -> None:
    assert wanted("is:f target:QWEN profile:诗 since:7d 雪 12:30", TODAY) == Wanted(
        ("failed",), ("qwen",), ("诗",), date(2026, 11, 15), ("雪", "12:30")
    )
    assert wanted("is: since:", TODAY) == Wanted()  # still being typed
    assert wanted("is:nonsense since:yesterday", TODAY).unknown == ("is:nonsense", "since:yesterday")
    assert wanted("since:2026-01-31 since:99999999999w", TODAY).since == TODAY - timedelta(36_500)


@pytest.mark.parametrize(
    ("letters", "fit"),
    [("", True), ("is:done", True), ("is:failed", False), ("is:sweep", False), ("target:gpt", True),
     ("target:x", False), ("since:3d", True), ("since:1d", False), ("写一首", True), ("gpt-5 写一首", True),
     ("雪", False), ("profile:a", False)],
)  # fmt: skip
def test_which_runs_fit(letters: str, fit: bool) -> None:
    one = summary()
    assert fits(one, wanted(letters, TODAY), {}, line(one, Say())) is fit


def test_words_of_answers_are_found_by_the_index_and_other_filters_still_hold() -> None:
    one = summary(states=("done", "failed"))
    assert fits(one, wanted("雪", TODAY), {"雪": {3: "大雪"}}, line(one, Say()))
    assert not fits(one, wanted("雪 is:sweep", TODAY), {"雪": {3: "大雪"}}, line(one, Say()))
    assert fits(one, wanted("is:failed", TODAY), {}, line(one, Say()))


def test_what_is_known_of_a_run() -> None:
    one = summary(axes=(("temperature", 3),), repeats=5, profile="poet", states=("done", "done", "failed"))
    told = dict(about(one, Say("zh"), "…大雪…"))
    assert told["参数轴"] == "temperature (3) × 5" and told["找到"] == "…大雪…" and told["档案"] == "poet"
    assert told["状态"] == "完成: 2 完成，1 失败"
    hostile = about(summary(prompt="a\x1b]0;x\x07b\n[red]c"), Say())
    assert "\x1b" not in str(hostile) and hostile[-1][1].endswith("\n[red]c")


@pytest.mark.parametrize(
    "prompt", ["Name three rivers of snow and what they are about", "写一首关于雪与冰河的诗，七言四句，不写标题"]
)
def test_a_row_keeps_the_prompt_longest(prompt: str) -> None:
    full = summary(prompt=prompt, profile="quatrain", axes=(("temperature", 3), ("top_p", 1)), states=("done", "done"))
    assert "local, gpt-5  [quatrain]  temperature (3)  " + prompt in row(full, Say(), 150)
    before = 99
    for cells in range(150, 0, -1):
        told = row(full, Say(), cells)
        assert width(told) <= cells
        seen = sum(what in told for what in ("temperature", "[quatrain]", "local", "11-20"))
        assert seen <= before
        before = seen
        if cells >= 24:
            assert told.startswith("3  ") and prompt[:8] in told, cells
    assert row(full, Say(), 36).startswith(f"3  11-20  2  {prompt[:8]}")
    assert "[quatrain]" not in row(full, Say(), 60) and "gpt-5" in row(full, Say(), 60)
    assert row(summary(states=("done", "failed"), state="cancelled"), Say(), 30) == "3  1/2  cancelled  写一首诗"
    assert "\x1b" not in row(summary(prompt="a\x1b]0;x\x07", profile="\x1b"), Say(), 80)


# On the screen --------------------------------------------------------------------------------------------------------


async def opened(screen: Screen) -> Runs:
    await screen.press("ctrl+r")
    await screen.until(lambda: isinstance(screen.app.screen, Runs) and screen.app.screen.query_one(OptionList).options)
    found = screen.app.screen
    assert isinstance(found, Runs)
    return found


async def typed(screen: Screen, letters: str, lines: int) -> None:
    screen.app.screen.query_one(Input).value = letters

    def there() -> bool:
        options = screen.app.screen.query_one(OptionList).options
        return len([one for one in options if not one.disabled]) == lines

    await screen.until(there, f"{lines} lines for {letters}")


async def two_runs(screen: Screen) -> None:
    for prompt in ("about rivers", "about 山"):
        await screen.ask(prompt)
        await screen.shows(f"“{prompt}”", "1/1 done")
        await screen.until(lambda: not screen.app.lab_screen.runs)


def test_a_run_is_found_by_what_was_answered_and_opened(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["Snow ", "falls 大雪"])) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a", size=(140, 40)) as screen:
                await two_runs(screen)
                await opened(screen)
                await typed(screen, "大雪 rivers", 1)
                await typed(screen, "大雪", 2)
                await screen.until(
                    lambda: "falls 大雪" in str(screen.app.screen.query_one("#about-text", Static).content)
                )
                await typed(screen, "is:failed", 0)
                await typed(screen, "what:ever is:nonsense", 0)
                listed = screen.app.screen.query_one(OptionList)
                await screen.until(lambda: "no filter is:nonsense" in str([one.prompt for one in listed.options]))
                await typed(screen, "target:one rivers", 1)
                await screen.press("enter")
                await screen.shows("“about rivers”", "history")

    asyncio.run(main())


def test_a_past_run_is_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["Snow"])) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -t 0.3") as screen:
                await two_runs(screen)
                await opened(screen)
                await typed(screen, "rivers", 1)
                await screen.press("ctrl+y")
                await screen.until(lambda: len(server.requests) == 3 and not screen.app.lab_screen.runs)
                assert server.requests[2].body == server.requests[0].body

    asyncio.run(main())
    assert [run.prompt for run in runs(tmp_path)] == ["about rivers", "about 山", "about rivers"]


def test_a_past_run_becomes_a_profile_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with Replay(slow(["Snow"])) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -t 0.3") as screen:
                await two_runs(screen)
                await opened(screen)
                await screen.press("ctrl+s")
                await screen.until(lambda: isinstance(screen.app.screen, Line))
                await screen.press(*"shan", "enter")
                await screen.until(lambda: "shan" in screen.notice)
                await opened(screen)
                await screen.press("ctrl+e")
                await screen.until(lambda: type(screen.app.screen) is Picker)
                await screen.press(*"jsonl")
                await screen.press("enter")
                await screen.until(lambda: isinstance(screen.app.screen, Line))
                await screen.press("enter")
                await screen.until(lambda: "run-2.jsonl" in screen.notice)

    asyncio.run(main())
    kept = (tmp_path / "profiles" / "shan.yaml").read_text("utf-8")
    assert "about 山" in kept and "one/a" in kept and "temperature: 0.3" in kept
    assert json.loads((tmp_path / "run-2.jsonl").read_text("utf-8"))["answer"] == "Snow"


def test_a_new_topic_is_empty_and_what_was_typed_can_be_had_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["Snow"])) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a") as screen:
                await two_runs(screen)
                screen.editor.text = "half a thought"
                await screen.press("ctrl+n")
                assert screen.app.lab_screen.board is None and screen.editor.text == ""
                await screen.press("ctrl+z")
                assert screen.editor.text == "half a thought"

    asyncio.run(main())


def test_a_conversation_stands_above_its_last_turn_with_the_context_that_is_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a", size=(90, 40)) as screen:
                await screen.ask("first 问题")
                await screen.shows("1/1 done")
                await screen.until(lambda: not screen.app.lab_screen.runs)
                assert "› first" not in screen.text and "context 12" not in screen.text  # the bar has it
                await screen.press(*"why", "f5")
                await screen.shows("turn 2", "1/1 done", "› first 问题", "› why", "context 10")
                assert screen.text.index("› first 问题") < screen.text.index("› why") < screen.text.rindex("Snow")
                await screen.press("tab", "slash")
                await screen.until(lambda: screen.app.screen.query(Input))
                await screen.press(*"snow", "enter")
                assert "Snow falls 雪" in screen.text
                await screen.until(lambda: not screen.app.lab_screen.runs)
                await opened(screen)
                await screen.press("enter")
                await screen.shows("history", "› why")

    asyncio.run(main())


def test_the_context_is_told_with_what_is_left() -> None:
    said = Transcript()
    events: tuple[Event, ...] = (Answer("Snow"), Usage(input=1000, output=200), Finished("stop", True))
    for event in events:
        said.apply(0.0, event)
    assert context(said, 8192, Say()) == "context 1,200 of 8,192, 6,992 left"
    assert context(said, None, Say("zh")) == "上下文 1,200"
    assert context(Transcript(), 8192, Say()) == ""


def test_a_run_is_voted_on_in_the_lab_and_what_the_votes_say_is_shown(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["Snow falls."])) as one, Replay(slow(["大雪纷飞。"])) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b", size=(100, 30)) as screen:
                await screen.press("tab", "V")
                assert "no run here" in screen.notice
                await screen.press("i")
                await screen.ask("winter")
                await screen.shows("2/2 done")
                await screen.until(lambda: not screen.app.lab_screen.runs)
                await screen.press("tab", "V")
                await screen.until(lambda: isinstance(screen.app.screen, BlindScreen))
                await screen.pilot.pause()
                await screen.press("left")
                await screen.press("space")
                await screen.until(lambda: isinstance(screen.app.screen, Compared))
                told = str(screen.app.screen.query_one("#keys Static", Static).content)
                assert "one/a" in told and "two/b" in told and "1" in told
                await screen.press("escape")
                await screen.press("V")
                await screen.until(lambda: "has a vote" in screen.notice)

    asyncio.run(main())
    store = Store(tmp_path / "promptlab.db")
    (ballot,) = store.votes(1)
    assert ballot.verdict == 0 and len(ballot.seen) == 2
    store.close()


def test_times_are_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert moment("2026-11-22T18:05:59.123Z") == "2026-11-23 02:05"
        assert "11-23 02:05" in line(summary(created="2026-11-22T18:05:59.123Z"), Say())
        assert moment("not a time at all") == "not a time at al"
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_small_screen_shows_what_was_asked_and_a_large_one_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["Snow"])) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/some-model-with-a-long-name -t 0.3") as screen:
                await two_runs(screen)
                await screen.pilot.resize_terminal(40, 15)
                await opened(screen)

                def rows() -> list[str]:
                    return [str(one.prompt) for one in screen.app.screen.query_one(OptionList).options]

                assert [text.partition("about ")[2] for text in rows()] == ["山", "rivers"]
                assert max(map(width, rows())) <= 36 and "temperature" not in "".join(rows())
                await screen.pilot.resize_terminal(140, 40)
                await screen.until(lambda: "some-model-with-" in rows()[0], "more of a run")
                await typed(screen, "some-model", 2)  # what has no room is found all the same

    asyncio.run(main())
