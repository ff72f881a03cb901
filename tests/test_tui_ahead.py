"""What the lab says before anything is sent: the line under the words, and the requests as they would go out."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual import events
from textual.widgets import Static

from promptlab.errors import UsageError
from promptlab.estimate import Estimate, Share
from promptlab.request import Verdict
from promptlab.tui.advice import fates, line, price
from promptlab.tui.ahead import Ahead
from promptlab.tui.app import LabApp
from promptlab.tui.composer import Words
from promptlab.tui.lab import Advice, Foreseen
from promptlab.tui.picker import Help, Requests
from promptlab.tui.text import Say
from tests.command import REPOSITORY
from tests.replay import Replay
from tests.test_tui import ANSWER, Screen, Shelf, lab_at, named, places, runs

SAY = Say("en")
KEY = "sk-proj-abcdefghij0123456789"


def ahead(screen: Screen) -> Ahead:
    return screen.app.lab_screen.query_one(Ahead)


def words(screen: Screen, text: str) -> None:
    screen.app.lab_screen.query_one(Words).value = text


def seen(target: str, verdicts: dict[str, Verdict], *, sent: Sequence[str] = (), **asked: float) -> Foreseen:
    return Foreseen(target, asked, {name: asked[name] for name in sent}, verdicts)


def test_what_is_not_honoured_and_what_it_takes_stand_under_the_words(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, fast=server)
            async with lab_at(tmp_path, "-m openai/o3 -m fast/a -t 0.2 --max-tokens 100", (160, 40)) as screen:
                await screen.until(lambda: "o3: temperature fixed at 1" in ahead(screen).told)
                assert "panes" not in ahead(screen).told  # there is no prompt that could have a price
                screen.editor.text = "Write about snow."
                await screen.until(lambda: "panes: 2" in ahead(screen).told)
                assert "tokens" in ahead(screen).told and "$" in ahead(screen).told
                words(screen, "-m fast/a")
                await screen.until(lambda: "panes: 1" in ahead(screen).told)
                assert "price unknown" in ahead(screen).told or "no price: local" in ahead(screen).told
                assert "fixed" not in ahead(screen).told
                assert ahead(screen).region.y == screen.app.lab_screen.query_one(Words).region.y + 1
            assert server.requests == []

    asyncio.run(main())
    assert runs(tmp_path) == [] and not places(tmp_path).database.exists()


def test_wrong_words_clear_the_line_and_the_error_stands_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/o3 -t 0.2", (120, 30)) as screen:
            await screen.until(lambda: "fixed at 1" in ahead(screen).told)
            for wrong, said in (("-m nowhere/x", "nowhere"), ("--colour red", "No such option"), ("-m 'a", "quote"),
                                ("-m openai/o3 -t 0.2 --params strict", "temperature"),
                                ("-m local --dry-run", "--dry-run")):  # fmt: skip
                words(screen, wrong)
                await screen.pilot.pause()
                assert ahead(screen).told == ""  # at once: it was true of other words
                await screen.until(lambda said=said: said in ahead(screen).told, said)  # type: ignore[misc]
                assert ahead(screen).has_class("-error") and ahead(screen).told.startswith("✗ ")
            words(screen, "-m openai/o3 -t 0.2")
            await screen.until(lambda: "fixed at 1" in ahead(screen).told)
            assert not ahead(screen).has_class("-error") and screen.notice == ""

    asyncio.run(main())


def test_a_key_that_is_not_set_is_told_before_the_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "WATSONX_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    async def main() -> None:
        given = "-m openai/gpt-4o -m openai/o3 -m local"
        async with lab_at(tmp_path, given, (160, 40)) as screen:
            wanted = "no key for gpt-4o, o3: OPENAI_API_KEY is not set"
            await screen.until(lambda: ahead(screen).told == wanted)  # without a prompt, too
            screen.editor.text = "Snow?"
            await screen.until(lambda: ahead(screen).told.startswith(f"{wanted} · panes: 3"))
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            screen.app.post_message(events.AppFocus())
            await screen.until(lambda: ahead(screen).told.startswith("panes: 3"))
            assert KEY not in ahead(screen).told

    asyncio.run(main())


def test_no_key_is_said_in_chinese_and_names_are_cleaned() -> None:
    told = line(Advice([], lacks={"a/one": "A_KEY", "b/two\x1b": "A_KEY", "c/three": "C_KEY"}), Say("zh"))
    assert told == "one，two␛ 没有密钥：A_KEY 未设置 · three 没有密钥：C_KEY 未设置"


def test_the_line_is_true_again_after_config_has_changed(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server, lab_at(tmp_path, "-m fake/a", (120, 30)) as screen:
            screen.editor.text = "Snow?"
            await screen.until(lambda: "unknown endpoint 'fake'" in ahead(screen).told)
            named(tmp_path, fake=server)
            await screen.press("ctrl+j")  # without the focus ever having been elsewhere
            await screen.shows("1/1 done")
            await screen.until(lambda: ahead(screen).told.startswith("panes: 1"))
            assert not ahead(screen).has_class("-error")
            (tmp_path / "config.yaml").write_text("", "utf-8")
            screen.app.post_message(events.AppFocus())
            await screen.until(lambda: "unknown endpoint 'fake'" in ahead(screen).told)
            named(tmp_path, fake=server)
            await screen.press("f1")
            await screen.until(lambda: isinstance(screen.app.screen, Help))
            await screen.press("escape")
            await screen.until(lambda: ahead(screen).told.startswith("panes: 1"))

    asyncio.run(main())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_number_and_its_unit_stand_together(language: str) -> None:
    class Dear(Shelf):
        def advise(self, words: str, prompt: str) -> Advice:
            return Advice([], Estimate((Share("a", 1, (330, 330), (0, 0), None, True, "history"),)))

    async def main() -> None:
        app = LabApp(Dear(), Say(language), "-m a")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.until(lambda: "330 tok" in ahead(screen).told)
            for cells in range(20, 50):
                await pilot.resize_terminal(cells, 24)
                await pilot.pause()
                shown = [ahead(screen).render_line(y).text for y in range(ahead(screen).size.height)]
                assert any("330 tok" in row for row in shown), shown

    asyncio.run(main())


def test_the_lint_stands_there_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/o3", (160, 40)) as screen:
            screen.editor.text = "Think step by step. How many r are in strawberry?"
            await screen.until(lambda: "fix: " in ahead(screen).told)

    asyncio.run(main())


class Slow(Shelf):
    """A lab whose advice takes as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.free = threading.Event()
        self.breaks = False

    def advise(self, words: str, prompt: str) -> Advice:
        self.asked.append((words, prompt))
        assert self.free.wait(20)
        if self.breaks:
            raise RuntimeError("oops\x1b[2J")
        return Advice([], None, f"{words} {prompt}\x1b[31m [red]")


def test_keys_are_answered_while_it_looks_and_only_the_last_words_are_told() -> None:
    async def main() -> None:
        lab = Slow()
        app = LabApp(lab, SAY, "-m a")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.until(lambda: lab.asked)
            await pilot.press(*"typed on")
            assert screen.editor.text == "typed on" and ahead(screen).told == ""
            await screen.until(lambda: not ahead(screen)._glance.waits)
            assert lab.asked == [("-m a", "")]  # one look at a time
            lab.free.set()
            await screen.until(lambda: ahead(screen).told.startswith("-m a typed on"))
            assert lab.asked == [("-m a", ""), ("-m a", "typed on")]
            assert "[red]" in ahead(screen).told and "\x1b" not in ahead(screen).told
            lab.breaks = True
            await pilot.press("!")
            await screen.until(lambda: "bug" in ahead(screen).told)
            assert "oops" in ahead(screen).told and "\x1b" not in ahead(screen).told and app.is_running
            lab.breaks = False
            await pilot.press("!")
            await screen.until(lambda: ahead(screen).told.startswith("-m a typed on!!"))

    asyncio.run(main())


def test_the_preview_is_the_request_that_goes_out_without_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)

    async def main() -> None:
        async with Replay(ANSWER) as server:
            given = f"-m openai/gpt-4o -t 0.2,1.3 --base-url {server.url}/v1 --key-env SOME_KEY"
            async with lab_at(tmp_path, given, (120, 30)) as screen:
                await screen.press("f4")
                assert "nothing to send" in screen.notice
                screen.editor.text = "雪 [red]x[/oops]\x1b]0;x\x07\u202e" + "\nmore" * 40
                await screen.press("f4")
                await screen.until(lambda: isinstance(screen.app.screen, Requests))
                await screen.pilot.pause()
                told = str(screen.app.screen.query_one("#keys Static", Static).content)
                assert told.count("POST ") == 2 and "1  openai/gpt-4o" in told and '"temperature": 1.3' in told
                assert "Bearer $SOME_KEY" in told and KEY not in told
                assert "雪 [red]x[/oops]" in told and not set("\x1b\x07\u202e") & set(told)
                shown = screen.app.screen.query_one("#keys")
                await screen.press("pagedown")
                await screen.until(lambda: shown.scroll_y > 0)
                await screen.press("escape")
                assert screen.app.screen is screen.app.lab_screen and screen.app.focused is screen.editor
                assert server.requests == []
                await screen.press("ctrl+j")
                await screen.shows("2/2 done")
                assert KEY in server.requests[0].headers["authorization"] and KEY not in screen.text
                decoder = json.JSONDecoder()
                bodies = [decoder.raw_decode(part[part.index("{\n") :])[0] for part in told.split("POST ")[1:]]
                went_out = [json.loads(request.body) for request in server.requests]
                assert sorted(bodies, key=str) == sorted(went_out, key=str)

    asyncio.run(main())


def test_the_preview_of_wrong_words_says_what_is_wrong(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m nowhere/x") as screen:
            screen.editor.text = "hi"
            await screen.press("f4")
            await screen.until(lambda: "nowhere" in screen.notice)
            assert screen.app.screen is screen.app.lab_screen

    asyncio.run(main())


def test_a_preview_of_very_much_is_cut_and_says_so(tmp_path: Path) -> None:
    from promptlab.cli.tui.rooms import Rooms

    requests = Rooms(places(tmp_path)).preview("-m openai/gpt-4o -t 0,1", "x" * 400_000)
    assert len(requests) == 2 and sum(len(one.text) for one in requests) < 301_000
    assert all("characters more: promptlab ask --dry-run" in one.text for one in requests)
    with pytest.raises(UsageError, match="panes"):
        Rooms(places(tmp_path)).preview("-m local -t 0,1,2 --seed 0:400:1", "x")


def test_the_smallest_screen_keeps_one_line_and_chinese_is_spoken(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/o3 -m openai/o3-mini -t 0.2 --seed 3", (40, 15), "zh") as screen:
            screen.editor.text = "写一首诗"
            await screen.until(lambda: "temperature 固定为 1" in ahead(screen).told and "窗格" in ahead(screen).told)
            assert ahead(screen).region.height == 1

    asyncio.run(main())


def test_a_vendor_behind_litellm_is_told_of_without_litellm(tmp_path: Path) -> None:
    code = ("import sys, pathlib\nfrom promptlab.cli.tui.rooms import Rooms\nfrom promptlab.places import Places\n"
            "home = pathlib.Path(sys.argv[1])\n"
            "told = Rooms(Places(home, home, home / 'cache')).advise('-m watsonx/a -t 0.3 --params strict', 'hi')\n"
            "print(told.cells[0].asked, told.price is not None, 'litellm' in sys.modules)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY,
                          stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.stdout.strip() == "{'temperature': 0.3} True False", done.stderr


# The words of it -----------------------------------------------------------------------------------------------------


def test_targets_that_do_the_same_stand_together_and_a_value_is_named_where_others_fare_better() -> None:
    fixed = {"temperature": Verdict("pinned", "fixed", 1, left_out=True)}
    fine = {"temperature": Verdict("honoured")}
    cells = [seen("openai/o3", fixed, temperature=0.2), seen("openai/o4-mini", fixed, temperature=0.2),
             seen("x/m", fine, sent=["temperature"], temperature=0.2),
             seen("x/m", {"temperature": Verdict("ignored")}, sent=["temperature"], temperature=1.3)]  # fmt: skip
    assert list(fates(cells, SAY)) == ["o3, o4-mini: temperature fixed at 1", "m: temperature 1.3 ignored"]
    same = [seen("a/m", fixed, temperature=0.2), seen("b/m", fixed, temperature=0.2)]
    assert list(fates(same, SAY)) == ["a/m, b/m: temperature fixed at 1"]


@pytest.mark.parametrize(
    ("verdict", "is_sent", "told"),
    [
        (Verdict("honoured"), True, ""),
        (Verdict("pinned", value=3), False, ""),  # it is what was asked
        (Verdict("pinned"), True, "m: seed fixed by the model"),
        (Verdict("ignored"), False, "m: seed ignored"),
        (Verdict("refused"), False, "m: seed left out (refused)"),
        (Verdict("refused"), True, "m: seed sent and refused"),
        (Verdict("unknown"), True, "m: seed effect unknown"),
        (Verdict("unknown"), False, "m: seed left out (unknown)"),
        (Verdict("honoured"), False, "m: seed left out"),
    ],
)
def test_every_fate_has_its_words(verdict: Verdict, is_sent: bool, told: str) -> None:
    cells = [seen("e/m", {"seed": verdict}, sent=["seed"] * is_sent, seed=3)]
    assert line(Advice(cells), SAY) == told
    assert bool(line(Advice(cells), Say("zh"))) == bool(told)


def test_another_value_on_the_wire_is_told() -> None:
    verdicts = {"temperature": Verdict("honoured")}
    assert list(fates([Foreseen("e/m", {"temperature": 2}, {"temperature": 1}, verdicts)], SAY)) == [
        "m: temperature sent as 1"
    ]


def test_unknown_prices_and_bounds_are_said_to_be_unknown() -> None:
    known = Share("openai/o3", 1, (10, 20), (100, 200), (0.01, 0.02), False, "max_tokens")
    nobody = Share("x/m", 1, (10, 20), (1, None), None, False, "unknown")
    free = Share("local", 1, (10, 20), (1, None), None, True, "unknown")
    assert price(Estimate((known,)), SAY) == "panes: 1, 110 to 220 tokens, $0.0100 to $0.0200"
    told = price(Estimate((known, nobody)), SAY)
    assert told.endswith("$0.0100 to $0.0200, price unknown for m, the most is unknown for m")
    assert price(Estimate((nobody,)), SAY) == "panes: 1, at least 11 tokens, price unknown, the most is unknown for m"
    assert price(Estimate((free,)), SAY) == "panes: 1, at least 11 tokens, no price: local"
