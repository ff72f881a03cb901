"""The blind screen as it is used: keys in, what stands on it out, against real servers."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Static

from promptlab.ballot import KNOWN, REVEALED, Ballot
from promptlab.cli.blind import Live, Past, Rules, drawn, live, past
from promptlab.cli.ready import Way
from promptlab.cli.sweeping import make_sweep_plan
from promptlab.config import Places, settings
from promptlab.engine import Limits
from promptlab.errors import UsageError
from promptlab.store import Store
from promptlab.sweep import Axis, Sweep
from promptlab.tui.blind import BlindScreen
from promptlab.tui.blind_app import BlindApp
from promptlab.tui.seats import BlindSay
from tests.command import PATIENCE
from tests.replay import JSON, Replay
from tests.test_openai_chat import STOP, sse, texts

USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
SNOW = sse(*texts(["secret plan"], "reasoning_content"), *texts(["Snow ", "falls 雪"]), STOP,
           {"choices": [], "usage": USAGE})  # fmt: skip
RAIN = sse(*texts(["Rain ", "comes down"]), STOP, {"choices": [], "usage": USAGE})
BEGUN = sse(*texts(["First ", "words"]), done=False)
REFUSED = json.dumps({"error": {"message": "the zorblax model is not here"}}).encode()


def places(home: Path) -> Places:
    return Places(home, home, home / "cache")


@dataclass
class Screen:
    """A blind vote, as a test drives it."""

    booth: Live | Past
    app: BlindApp
    pilot: Pilot[None]

    @property
    def blind(self) -> BlindScreen:
        return self.app.blind

    @property
    def text(self) -> str:
        stage = self.blind.stage
        return "\n".join(stage.render_line(y).text.rstrip() for y in range(stage.size.height))

    @property
    def told(self) -> str:
        return str(self.blind.query_one("#told", Static).content)

    async def until(self, claim: Callable[[], object], what: str = "it") -> None:
        deadline = time.monotonic() + PATIENCE
        while not claim():
            assert time.monotonic() < deadline, f"{what} did not happen; the screen has:\n{self.text}\n{self.told}"
            await asyncio.sleep(0.01)

    async def shows(self, *wanted: str) -> None:
        await self.until(lambda: all(word in self.text for word in wanted), f"showing {wanted}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def side(self, target: str) -> int:
        """Where a target's answer stands."""
        contest = self.booth.contest
        return [contest.cell(seat).target for seat in contest.match.seats].index(target)

    def votes(self) -> list[Ballot]:
        return self.booth.store.votes()


@asynccontextmanager
async def held(
    booth: Live | Past, size: tuple[int, int] = (110, 30), say: str = "en", *, ahead: int = 1, wait: bool = False,
    keymap: Mapping[str, str] | None = None,
) -> AsyncIterator[Screen]:  # fmt: skip
    app = BlindApp(booth, BlindSay(say), ahead=ahead, wait=wait, keymap=keymap)
    try:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield Screen(booth, app, pilot)
    finally:
        booth.close()


def begun(home: Path, sweep: Sweep, rules: Rules | None = None, seed: int = 1, **servers: Replay) -> Live:
    """A new run whose targets are named as their servers."""
    lines = [f"  {name}: {{base_url: '{server.url}/v1'}}" for name, server in servers.items()]
    (home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")
    known = settings(places(home))
    plan = make_sweep_plan(sweep, places(home), known, scored=False)
    matches = drawn(plan, rules or Rules(), random.Random(seed))
    return live(plan, matches, Way(), Limits(attempts=1), places(home), known)


def two(prompt: str = "Of the weather", repeats: int = 1) -> Sweep:
    return Sweep(prompt=prompt, targets=("one/zorblax", "two/quuxify"), repeats=repeats)


HIDDEN = ("zorblax", "quuxify", "one/", "two/", "secret plan", "thinking", "tok", "0.", "price")


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (110, 30), (200, 50)])
def test_names_times_and_thinking_are_hidden_until_the_vote(tmp_path: Path, size: tuple[int, int]) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW, slice=40) as one,
            Replay(RAIN, slice=40) as other,
            held(begun(tmp_path, two(), one=one, two=other), size) as screen,
        ):
            await screen.shows("Snow falls 雪", "Rain comes down", "Of the weather", "Left", "Right")
            await screen.until(lambda: screen.text.count("complete") == 2)
            assert not [word for word in HIDDEN if word in screen.text + screen.told]
            await screen.press("left")
            await screen.shows("one/zorblax", "two/quuxify", "preferred", "▸ thinking")
            assert "Left is better" in screen.told
            (ballot,) = screen.votes()
            assert ballot.verdict == 0 and ballot.voter == "you" and ballot.seconds is not None
            assert {seen.arm for seen in ballot.seen} == {"one/zorblax", "two/quuxify"}
            assert not any(seen.stopped for seen in ballot.seen)
            assert ballot.seen[screen.side("one/zorblax")].length == 3
            await screen.press("space")
            await screen.until(lambda: not screen.app.is_running or screen.app._exit)

    asyncio.run(main())


def test_the_screen_is_the_same_whichever_stands_where(tmp_path: Path) -> None:
    """Two that say the same, and differ in all else: their sides can't be told from what is shown."""
    thinks = sse(*texts(["secret plan"], "reasoning_content"), *texts(["Snow falls"]), STOP,
                 {"choices": [], "usage": USAGE})  # fmt: skip
    bare = sse(*texts(["Snow ", "falls"]), STOP)
    seen: dict[int, set[str]] = {0: set(), 1: set()}

    async def main() -> None:
        for number in range(6):
            home = tmp_path / str(number)
            home.mkdir()
            async with (
                Replay(thinks) as one,
                Replay(bare) as other,
                held(begun(home, two(), seed=number, one=one, two=other)) as screen,
            ):
                await screen.until(lambda: "votes 0" in screen.text and screen.text.count("complete") == 2)
                seen[screen.side("one/zorblax")].add(screen.text + screen.told)

    asyncio.run(main())
    assert seen[0] == seen[1] and len(seen[0]) == 1


@pytest.mark.parametrize(("key", "verdict"), [("left", 0), ("right", 1), ("1", 0), ("2", 1), ("t", "tie"), ("b", "bad"),
                                              ("s", "skip")])  # fmt: skip
def test_each_verdict_has_a_key(tmp_path: Path, key: str, verdict: int | str) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other)) as screen,
        ):
            await screen.shows("Snow falls 雪", "Rain comes down")
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("3", key)
            assert [ballot.verdict for ballot in screen.votes()] == [verdict]
            await screen.press("t")
            assert len(screen.votes()) == 1 and "space goes on" in screen.told, "a match has one vote"

    asyncio.run(main())


def test_keys_are_as_the_user_has_set_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other), keymap={"blind.tie": "f9"}) as screen,
        ):
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("t", "f9")
            assert [ballot.verdict for ballot in screen.votes()] == ["tie"]

    asyncio.run(main())


def test_an_early_vote_cancels_what_still_streams_of_the_pair(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(BEGUN, hold=True) as one, Replay(RAIN) as other:
            async with held(begun(tmp_path, two(), one=one, two=other)) as screen:
                await screen.shows("First words", "Rain comes down", "writing …", "complete")
                await screen.until(lambda: screen.blind._readable is not None)
                await screen.press("12"[screen.side("two/quuxify")])
                await asyncio.wait_for(one.disconnected.wait(), PATIENCE)
                (ballot,) = screen.votes()
                stopped = {seen.arm: seen.stopped for seen in ballot.seen}
                assert stopped == {"one/zorblax": True, "two/quuxify": False}
                await screen.shows("cancelled")
            assert len(one.requests) == len(other.requests) == 1

    asyncio.run(main())
    store = Store(places(tmp_path).database)
    assert sorted(said.state for _, said in store.samples(1)) == ["cancelled", "done"]
    store.close()


def test_what_a_vote_cut_off_stays_cut_off_after_an_undo(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(BEGUN, hold=True) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other)) as screen,
        ):
            await screen.shows("First words", "Rain comes down", "writing …", "complete")
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("t")
            await screen.shows("cancelled")
            await screen.press("u")
            await screen.shows("stopped")
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("left")
            (ballot,) = screen.votes()
            assert {seen.arm: seen.stopped for seen in ballot.seen} == {"one/zorblax": True, "two/quuxify": False}

    asyncio.run(main())


def test_no_vote_before_there_is_something_to_judge(tmp_path: Path) -> None:
    silent = sse(*texts(["hm"], "reasoning_content"), done=False)

    async def main() -> None:
        async with (
            Replay(silent, hold=True) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other)) as screen,
        ):
            await screen.shows("Rain comes down")
            await screen.press("left")
            assert screen.told == "an answer has not begun yet" and not screen.votes()
            await screen.press("s")
            assert [ballot.verdict for ballot in screen.votes()] == ["skip"]
            await asyncio.wait_for(one.disconnected.wait(), PATIENCE)

    asyncio.run(main())


def test_only_what_is_about_to_be_shown_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(repeats=6), one=one, two=other), ahead=1) as screen,
        ):
            await screen.shows("Snow falls 雪", "Rain comes down")
            await screen.until(lambda: len(one.requests) == len(other.requests) == 2)
            await screen.until(lambda: screen.text.count("complete") == 2)
            await screen.press("t", "space")
            await screen.until(lambda: len(one.requests) == len(other.requests) == 3)
            await screen.until(lambda: [pane.said.ending for pane in screen.blind._panes.values()] == [True] * 6)
            await screen.press("q")

    asyncio.run(main())
    store = Store(places(tmp_path).database)
    states = [said.state for _, said in store.samples(1)]
    assert store.run(1).state == "stopped" and states.count("done") == 6 and states.count("queued") == 6
    store.close()


def test_undo_note_and_aside(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(repeats=3), one=one, two=other)) as screen,
        ):
            await screen.shows("Snow falls 雪", "Rain comes down")
            await screen.until(lambda: screen.blind._readable is not None)
            note = screen.blind.query_one(Input)
            assert not note.display
            await screen.press("u")
            assert screen.told == "there is no vote to take back"
            await screen.press("n", *"ab t")
            assert note.display and not screen.votes(), "t is a letter of the note"
            await screen.press("enter", "left")
            assert not note.display
            assert [(ballot.note, ballot.verdict) for ballot in screen.votes()] == [("ab t", 0)]
            await screen.press("n", "x", "enter")
            assert [(ballot.note, ballot.aside) for ballot in screen.votes()] == [("ab tx", False)]
            await screen.press("x")
            assert screen.votes()[0].aside and "set aside" in screen.told
            await screen.press("x")
            assert not screen.votes()[0].aside
            await screen.press("n", "z", "escape", "space")
            await screen.shows("comparison 2 of 3", "Snow falls 雪", "Rain comes down")
            assert "zorblax" not in screen.text
            await screen.press("u")
            assert not screen.votes() and screen.booth.contest.at == 0
            await screen.shows("comparison 1 of 3", "Snow falls 雪", "Rain comes down")
            assert "zorblax" not in screen.text, "what was taken back is hidden again"
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("right")
            (ballot,) = screen.votes()
            assert ballot.verdict == 1 and ballot.note == "ab tx" and REVEALED in ballot.flags

    asyncio.run(main())


def test_what_could_give_away_is_told_after_the_vote_and_can_be_set_aside(tmp_path: Path) -> None:
    names_itself = sse(*texts(["I am Zorblax, by OpenAI."]), STOP)

    async def main() -> None:
        async with (
            Replay(names_itself) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other)) as screen,
        ):
            await screen.shows("I am Zorblax", "Rain comes down")
            await screen.until(lambda: screen.blind._readable is not None)
            assert "⚑" not in screen.text + screen.told
            await screen.press("t")
            side = "Right" if screen.side("one/zorblax") else "Left"
            assert f"⚑ may give it away: {side} names Zorblax, {side} names OpenAI" in screen.told
            assert len(screen.votes()[0].flags) == 2
            await screen.press("x")
            assert screen.votes()[0].aside
            await screen.until(lambda: "1 set aside" in screen.text)

    asyncio.run(main())


def test_a_comparison_whose_answer_never_comes_is_left_out_and_says_no_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(REFUSED, status=404, headers=JSON) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(repeats=2), one=one, two=other)) as screen,
        ):
            await screen.until(lambda: screen.app._exit, "leaving, for nothing can be compared")
            assert screen.blind.left_out == 2 and not screen.votes()
            assert "zorblax" not in screen.text + screen.told

    asyncio.run(main())


def test_with_wait_nothing_is_shown_before_all_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(BEGUN, hold=True) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(), one=one, two=other), wait=True) as screen,
        ):
            await screen.until(lambda: all(pane.begun for pane in screen.blind.seats.panes))  # type: ignore[union-attr]
            screen.blind.pump()
            assert "Rain" not in screen.text and "First" not in screen.text
            await screen.press("left")
            assert not screen.votes()

    asyncio.run(main())


def test_four_side_by_side_and_many_arms(tmp_path: Path) -> None:
    sweep = Sweep(prompt="Of the weather", targets=("one/zorblax",), axes=(Axis("temperature", (0, 0.4, 0.8, 1.2)),))

    async def main() -> None:
        async with Replay(SNOW) as one, held(begun(tmp_path, sweep, Rules(answers=4), one=one), (170, 40)) as screen:
            await screen.until(lambda: screen.text.count("Snow falls 雪") == 4)
            assert "temperature" not in screen.text and "Answer 4" in screen.text and "1  2  3  4" in screen.told
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("left")
            assert not screen.votes(), "with four, there is no left one"
            await screen.press("4")
            assert screen.votes()[0].verdict == 3 and len(screen.votes()[0].seen) == 4
            await screen.shows("temperature 0.4", "temperature 1.2")

    asyncio.run(main())


def test_an_answer_that_stood_in_an_earlier_comparison_is_told_to_be_known(tmp_path: Path) -> None:
    sweep = Sweep(prompt="Of the weather", targets=("one/zorblax",), axes=(Axis("temperature", (0, 0.4, 0.8)),))

    async def main() -> None:
        async with Replay(SNOW) as one, held(begun(tmp_path, sweep, one=one)) as screen:
            for number in (1, 2):
                await screen.shows(f"comparison {number} of 3")
                await screen.until(lambda: screen.blind._readable is not None)
                await screen.press("right")
                assert ("in an earlier comparison" in screen.told) == (number == 2)
                await screen.press("space")
            assert [ballot.flags for ballot in screen.votes()] == [(), (KNOWN,)]

    asyncio.run(main())


def test_a_run_of_the_past_is_compared_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two(repeats=2), one=one, two=other)) as screen,
        ):
            await screen.shows("Snow falls 雪", "Rain comes down")
            await screen.until(lambda: len(one.requests) == len(other.requests) == 2)
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("left", "space")
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.until(lambda: all(p.said.ending for p in screen.blind.seats.panes))  # type: ignore[union-attr]
            await screen.press("q")
        async with held(past(places(tmp_path), 1, Rules(), random.Random(5))) as screen:
            assert len(screen.booth.contest.matches) == 1
            await screen.shows("Snow falls 雪", "Rain comes down", "comparison 1 of 1")
            assert not [word for word in HIDDEN if word in screen.text + screen.told]
            await screen.until(lambda: "votes 1" in screen.text)
            await screen.press("t")
            await screen.shows("one/zorblax", "two/quuxify", "tok")

    asyncio.run(main())
    with pytest.raises(UsageError, match="everything that can be compared has a vote"):
        past(places(tmp_path), 1, Rules(), random.Random(5))


def test_hostile_answers_and_prompts_harm_nothing(tmp_path: Path) -> None:
    evil = sse(*texts(["\x1b]0;pwned\x07\x1b[2J", "雪" * 400, "\n" * 50, "\u202eabc"]), STOP)

    async def main() -> None:
        async with (
            Replay(evil) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two("\x1b[31mred\u202e\n" * 30), one=one, two=other), (70, 20)) as screen,
        ):
            await screen.shows("Rain comes down", "雪雪雪")
            await screen.press("p", "tab", "pagedown", "end", "m", "tab", "home")
            assert "\x1b" not in screen.text and "\u202e" not in screen.text
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("b")
            assert screen.votes()[0].verdict == "bad"

    asyncio.run(main())


def test_it_speaks_chinese_and_help_tells_every_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(SNOW) as one,
            Replay(RAIN) as other,
            held(begun(tmp_path, two("天气如何"), one=one, two=other), say="zh") as screen,
        ):
            await screen.shows("左边", "右边", "天气如何", "第 1/1 组", "已完成")
            assert screen.told.startswith("哪个更好？")
            await screen.press("question_mark")
            await screen.until(lambda: len(screen.app.screen_stack) == 2)
            await screen.press("escape")
            await screen.until(lambda: screen.blind._readable is not None)
            await screen.press("right")
            assert screen.told.startswith("右边更好；")
            await screen.shows("胜出", "思考")

    asyncio.run(main())


def test_a_vote_that_cannot_be_kept_is_said_and_can_be_cast_again(tmp_path: Path) -> None:
    from promptlab.errors import StoreError

    async def main() -> None:
        async with Replay(BEGUN, hold=True) as one, Replay(RAIN) as other:
            booth = begun(tmp_path, two(), one=one, two=other)
            keep, full = booth.cast, [True]

            def cast(ballot: Ballot) -> Ballot:
                if full[0]:
                    raise StoreError("the disk is full", "free some space")
                return keep(ballot)

            booth.cast = cast  # type: ignore[method-assign]
            async with held(booth) as screen:
                await screen.shows("First words", "Rain comes down", "complete")
                await screen.until(lambda: screen.blind._readable is not None)
                await screen.press("left")
                assert screen.told == "✗ the disk is full → free some space" and "zorblax" not in screen.text
                assert not one.disconnected.is_set() and "writing …" in screen.text, "no vote stops nothing"
                full[0] = False
                await screen.press("left")
                assert len(screen.votes()) == 1
                await asyncio.wait_for(one.disconnected.wait(), PATIENCE)

    asyncio.run(main())


def test_keys_scroll_all_or_one(tmp_path: Path) -> None:
    long = sse(*texts(["\n".join(f"line {n}" for n in range(80))]), STOP)

    async def main() -> None:
        async with (
            Replay(long) as one,
            Replay(long) as other,
            held(begun(tmp_path, two(), one=one, two=other)) as screen,
        ):
            await screen.until(lambda: screen.text.count("line 0") == 2)
            await screen.press("down", "down")
            await screen.until(lambda: "line 0" not in screen.text and screen.text.count("line 2") >= 2)
            await screen.press("tab", "end")
            await screen.until(lambda: screen.text.count("line 79") == 1)

    asyncio.run(main())


def test_it_can_stand_on_another_screen_and_goes_back_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(SNOW) as one, Replay(RAIN) as other:
            booth = begun(tmp_path, two(), one=one, two=other)
            app: App[None] = App()
            async with app.run_test(size=(100, 30)) as pilot:
                blind = BlindScreen(booth, BlindSay())
                await app.push_screen(blind)
                await pilot.pause()
                assert not blind.query_one(Input).display
                await pilot.press("q")
                await pilot.pause()
                assert app.is_running and len(app.screen_stack) == 1
            booth.close()

    asyncio.run(main())
