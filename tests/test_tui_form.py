"""The words as tokens, and the form over them: what every target does with a parameter, and a profile's variables."""

from __future__ import annotations

import asyncio
import json
import shlex
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.widgets import Static

from promptlab.cli.options import Asking, Carrying, Sending, Sweeping
from promptlab.cli.tui.outlook import outlook
from promptlab.cli.tui.words import parse
from promptlab.errors import UsageError
from promptlab.params import PARAMETERS
from promptlab.request import Verdict
from promptlab.tui import wording
from promptlab.tui.app import LabApp
from promptlab.tui.composer import Words
from promptlab.tui.form import Ending, Entry, Form, Lines, Row
from promptlab.tui.lab import Foreseen
from promptlab.tui.outlook import Blank, Outlook, described, explained, fates, line
from promptlab.tui.text import Say
from tests.replay import Replay
from tests.test_tui import ANSWER, Screen, Shelf, lab_at, named, places

SAY = Say("en")
POEM = """\
name: poem
goal: Write about {{ topic }}, {{ tone }}, in {{ lines }} lines. {{ notes }}
variables:
  topic: {help: what about}
  tone: {choices: [merry, sad, 冷静], default: merry}
  lines: {type: integer, default: 4}
  notes: {default: ""}
parameters: {temperature: 0.9}
"""

# The words --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text("ab -='\"\\\n\t雪", max_size=20))
def test_words_are_split_as_the_shell_splits_them(words: str) -> None:
    try:
        expected = shlex.split(words)
    except ValueError:
        with pytest.raises(UsageError):
            wording.tokens(words)
        return
    found = wording.tokens(words)
    assert [token.text for token in found] == expected
    assert [shlex.split(words[token.start : token.end]) for token in found] == [[text] for text in expected]


OTHERS = ("-m local", "--model='openai/o3?effort=low'", "-mollama/qwen3:4b", "--cot", "-q", "--params strict",
          "-s '-t 3'", "-o body.x='{\"a\": 1}'", "-p  poem", "--var 'topic=雪 -t 9'", "-qj 4",
          "--max-tokens=50")  # fmt: skip
SPELLED = ("-t 0.2", "-t0.2", "--temperature 0.2", "--temperature='0.2,  1'", "-o temperature=0.2", "-qt 1")


@settings(deadline=None, max_examples=60)
@given(st.permutations(OTHERS), st.sampled_from([*SPELLED, ""]), st.integers(0, len(OTHERS)))
def test_a_parameter_is_put_and_taken_and_the_rest_stays_as_written(others: Sequence[str], own: str, at: int) -> None:
    words = "  ".join(filter(None, [*others[:at], own, *others[at:]]))
    put = wording.put_parameter(words, "temperature", "0:2:0.5, default")
    assert wording.parameter(put, "temperature") == "0:2:0.5, default"
    asked, _, _ = parse(put, "hi")
    assert [text for name, text in asked.parameters if name == "temperature"] == ["0:2:0.5, default"] or (
        "temperature=0:2:0.5, default" in asked.options
    )
    for other in others:
        assert other in put
    assert wording.put_parameter(put, "temperature", "0:2:0.5, default") == put
    gone = wording.put_parameter(put, "temperature", "")
    assert wording.parameter(gone, "temperature") == "" and all(other in gone for other in others)
    if not own:
        assert gone == words


@pytest.mark.parametrize(
    ("words", "name", "text", "then"),
    [
        ("", "temperature", "0.2", "-t 0.2"),
        ("-m a", "top_p", "0.9", "-m a --top-p 0.9"),
        ("sweep -m a --axis temperature=0,1 -n 3", "temperature", "0:2:1", "sweep -m a --axis temperature=0:2:1 -n 3"),
        ("sweep --axis temperature=0,1 -n 3", "temperature", "", "sweep -n 3"),
        ("-m a --stop END -q", "stop", "END 'a b'", "-m a --stop END --stop 'a b' -q"),
        ("-m a --stop END --stop 'a b'", "stop", "x", "-m a --stop x"),
        ("-m a", "stop", "it's", "-m a --stop 'it'\"'\"'s'"),
        ("-t 1 -m a -t 2", "temperature", "3", "-t 3 -m a"),
        ("-m a --temperature", "temperature", "3", "-m a --temperature 3"),
        ("-m a -- -t 9", "temperature", "3", "-m a -t 3 -- -t 9"),
    ],
)
def test_what_is_put_stands_where_it_stood(words: str, name: str, text: str, then: str) -> None:
    assert wording.put_parameter(words, name, text) == then


def test_targets_profiles_and_variables_are_put_and_taken() -> None:
    words = "sweep -m local -t 0,1 --model=openai/o3 -p poem --var 'topic=a b'"
    assert wording.targets(words) == ["local", "openai/o3"]
    assert wording.put_targets(words, ["openai/o3", "x/y z"]) == (
        "sweep -t 0,1 --model=openai/o3 -m 'x/y z' -p poem --var 'topic=a b'"
    )
    assert wording.put_targets("-t 1", ["local"]) == "-t 1 -m local" and wording.put_targets("-m a", []) == ""
    assert wording.profile(words) == "poem" and wording.put_profile(words, "essay").count("-p essay") == 1
    assert wording.put_profile("-m a", "雪") == "-m a -p 雪" and wording.put_profile("-p a -q", None) == "-q"
    assert wording.variables(words) == {"topic": "a b"}
    two = wording.put_variable(words, "notes", "one\ntwo 'three'")
    assert wording.variables(two) == {"topic": "a b", "notes": "one\ntwo 'three'"}
    assert wording.put_variable(two, "notes", None) == words
    with pytest.raises(UsageError, match="can't be read"):
        wording.targets("-m 'a")


def test_only_what_asks_is_left_of_a_sweep() -> None:
    words = "sweep plan.yaml -m a -n 9 --axis temperature=0,1 --axis profile=x,y --max-cost 3 --check 're:-m b' -y"
    assert wording.asking(words) == "--model a --option temperature=0,1"
    asked, _, _ = parse(wording.asking(words), "hi")
    assert asked.models == ["a"] and asked.options == ["temperature=0,1"]


def test_the_switches_and_short_names_are_those_of_the_command_line() -> None:
    switches, short = set(), {}
    for group in (Asking, Sending, Sweeping, Carrying):
        for name, annotation in group.__annotations__.items():
            kind, info = annotation.__origin__, annotation.__metadata__[0]
            said = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
            flags = [flag for text in said for flag in text.split("/")]
            long = [flag for flag in flags if flag.startswith("--")] or [f"--{name}"]
            if kind is bool or bool in get_args(kind):
                switches.update(long)
            short.update({flag: long[0] for flag in flags if not flag.startswith("--")})
    assert switches == wording.SWITCHES
    assert short.items() <= wording.SHORT.items()
    assert wording.SHORT.keys() - short.keys() == {p.flag for p in PARAMETERS.values() if p.flag}


# The fates --------------------------------------------------------------------------------------------------------


def test_every_parameter_has_its_fate_at_every_target_asked_or_not(tmp_path: Path) -> None:
    found = outlook("sweep -m openai/o3 -m local --axis temperature=0.2,1.3 -n 4 --effort low", places(tmp_path))
    assert found.problem is None and found.panes == 12  # as the sweep has them: o3 has one temperature
    for name in PARAMETERS:
        targets = [target for several, _ in fates(found, name, SAY) for target in several]
        assert sorted(targets) == ["local", "o3"], name
    assert line(found, "temperature", SAY) == "fixed at 1: o3; ✓ local"
    assert line(found, "max_tokens", SAY) == "✓ honoured"
    assert line(found, "top_k", SAY).startswith("refused: o3")
    said = explained(found, "temperature", SAY)
    assert "sampler" in said and "(a number from 0 to 5)" in said
    asked_nothing = outlook("-m openai/o3", places(tmp_path))
    assert line(asked_nothing, "effort", SAY).startswith("takes low, medium, high")


def test_values_that_fare_differently_are_named() -> None:
    cells = [Foreseen("x/m", {"seed": 1}, {"seed": 1}, {"seed": Verdict("honoured")}),
             Foreseen("x/m", {"seed": 2}, {}, {"seed": Verdict("refused", "no \x1b[31mtwo")})]  # fmt: skip
    found = Outlook(targets=["x/m"], cells=cells)
    assert line(found, "seed", SAY) == "2 left out (refused)"
    assert "(no \x1b" in explained(found, "seed", SAY)  # cleaned where it is shown
    assert described(Blank("a", choices=("x", "y"), help="h\x1b"), SAY).splitlines() == ["a: h␛", "one of x, y"]


def test_a_profile_whose_variables_have_no_value_is_told_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "poem.yaml").write_text(POEM, "utf-8")
    found = outlook("-m openai/o3 -p poem", places(tmp_path))
    assert found.problem is None and found.defaults == {"temperature": "0.9"}
    assert [(one.name, one.default) for one in found.blanks] == [
        ("topic", None), ("tone", "merry"), ("lines", "4"), ("notes", "")
    ]  # fmt: skip
    wrong = outlook("-m openai/o3 -p poem --var tone=loud", places(tmp_path))
    assert wrong.problem is not None and "loud" in wrong.problem.message and len(wrong.blanks) == 4
    nobody = outlook("-m nowhere/x -p poem", places(tmp_path))
    assert nobody.problem is not None and len(nobody.blanks) == 4
    assert outlook("-p nothing-like-it", places(tmp_path)).problem is not None


# The screen -------------------------------------------------------------------------------------------------------


def form(screen: Screen) -> Form:
    found = screen.app.screen
    assert isinstance(found, Form)
    return found


def row(screen: Screen, name: str) -> Row:
    rows = form(screen).query(Row)
    return next(one for one in rows if name == (one.of.name if isinstance(one.of, Blank) else one.of))


def fate(screen: Screen, name: str) -> str:
    return str(row(screen, name).fate.content)


def told(screen: Screen, id: str) -> str:
    return str(form(screen).query_one(f"#{id}", Static).content)


async def opened(screen: Screen) -> None:
    await screen.press("ctrl+o")
    await screen.until(lambda: isinstance(screen.app.screen, Form) and told(screen, "for"), "the form")


async def into(screen: Screen, name: str) -> None:
    row(screen, name).query_one("Entry, Lines").focus()
    await screen.pilot.pause()


def test_what_is_typed_stands_in_the_words_and_the_fates_follow(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, fast=server)
            async with lab_at(tmp_path, "-m openai/o3  -m fast/a -s 'Be brief.'", (120, 40)) as screen:
                lab = screen.app.lab_screen
                await opened(screen)
                await screen.until(lambda: "fixed at 1: o3" in fate(screen, "temperature"))
                assert "openai/o3, fast/a" in told(screen, "for") and "panes: 2" in told(screen, "for")
                assert isinstance(screen.app.focused, Entry) and screen.app.focused.of == "temperature"
                assert "randomness" in told(screen, "explained") and "o3: fixed at 1" in told(screen, "explained")
                await screen.press(*"0.2,1.3")
                assert lab.words == "-m openai/o3  -m fast/a -s 'Be brief.' -t 0.2,1.3"
                await screen.until(lambda: "panes: 4" in told(screen, "for"))
                await screen.press("down", *"0.5")
                assert lab.words.endswith("-t 0.2,1.3 --top-p 0.5")
                await screen.press("up", *["backspace"] * 7)
                assert lab.words == "-m openai/o3  -m fast/a -s 'Be brief.' --top-p 0.5"
                await into(screen, "effort")
                await screen.press(*"low,h", "right")
                assert lab.words.endswith("--effort low,high")
                await screen.press("ctrl+z")
                assert lab.words == "-m openai/o3  -m fast/a -s 'Be brief.'"
                assert all(not one.value for one in form(screen).query(Entry))
                await screen.press("ctrl+o")
                assert screen.app.screen is lab and screen.app.focused is screen.editor
            assert server.requests == []

    asyncio.run(main())


def test_what_is_wrong_is_told_beside_it_and_the_rest_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/o3 -t 0.3", (120, 40)) as screen:
            await opened(screen)
            await into(screen, "top_p")
            await screen.press(*"7")
            assert fate(screen, "top_p").startswith("✗ '7' is not a number from 0 to 1")
            assert screen.app.lab_screen.words == "-m openai/o3 -t 0.3 --top-p 7"  # nothing typed is lost
            await screen.until(lambda: "fixed at 1" in fate(screen, "temperature"))
            assert not told(screen, "told")
            await into(screen, "schema")
            await screen.press(*"{")
            await screen.until(lambda: told(screen, "told").startswith("✗ "))
            assert "fixed at 1" in fate(screen, "temperature")  # what was known stays
            await screen.press("backspace")
            await screen.until(lambda: not told(screen, "told"))
            await screen.press("escape")
            assert screen.app.screen is screen.app.lab_screen

    asyncio.run(main())


def test_the_variables_of_the_profile_are_fields_and_go_out(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "poem.yaml").write_text(POEM, "utf-8")

    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, fast=server)
            async with lab_at(tmp_path, "-m fast/a -p poem", (120, 40)) as screen:
                await opened(screen)
                await screen.until(lambda: len(form(screen).query(".variable")) == 4)
                assert fate(screen, "topic") == "needs a value"
                first = form(screen).query_one(Entry)
                assert first.of == "temperature" and first.placeholder == "0.9 (profile)"
                await into(screen, "topic")
                assert isinstance(screen.app.focused, Lines)
                screen.app.post_message(events.Paste("雪 'and'\nmore \"snow\""))
                await screen.until(lambda: "more" in screen.app.lab_screen.words)
                assert fate(screen, "topic") == ""
                await screen.press("down", "end", *"s", "right")
                given = wording.variables(screen.app.lab_screen.words)
                assert given == {"topic": "雪 'and'\nmore \"snow\"", "tone": "sad"}
                assert "\n" in screen.app.lab_screen.words
                shown = screen.app.lab_screen.query_one(Words)
                assert "⏎" in shown._value.plain and "\n" not in shown._value.plain
                await screen.press("ctrl+j")
                await screen.shows("Snow falls 雪", "1/1 done")
                said = json.loads(server.requests[0].body)["messages"][-1]["content"]
                assert "Write about 雪 'and'\nmore \"snow\", sad, in 4 lines." in said
                await opened(screen)  # and they are there again
                await screen.until(lambda: len(form(screen).query(Lines)) == 2)
                assert form(screen).query(Lines).first().text == "雪 'and'\nmore \"snow\""

    asyncio.run(main())


def test_what_a_profile_says_of_a_variable_is_no_markup(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    text = POEM.replace("{help: what about}", '{help: "[/oops] [@click=app.quit]what[/]"}')
    (tmp_path / "profiles" / "poem.yaml").write_text(text, "utf-8")

    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/gpt-4o -p poem", (120, 40)) as screen:
            await opened(screen)
            await screen.until(lambda: len(form(screen).query(".variable")) == 4)
            await into(screen, "topic")
            await screen.pilot.pause()
            strips = form(screen)._compositor.render_strips()
            assert "[/oops] [@click=app.quit]what[/]" in "".join(one.text for strip in strips for one in strip)

    asyncio.run(main())


def test_no_control_is_suggested() -> None:
    ending = Ending(["sad", "mad\x1b]52;c;ZQ==\x07", "merry\u202e", "冷静"])
    found = [asyncio.run(ending.get_suggestion(typed)) for typed in ("s", "x,s", "m", "冷", "")]
    assert found == ["sad", "x,sad", None, "冷静", None]


def test_the_axis_of_a_sweep_is_edited_where_it_stands(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "sweep -m openai/gpt-4o --axis temperature=0,1 -n 3", (100, 30)) as screen:
            await opened(screen)
            assert form(screen).query_one(Entry).value == "0,1"
            await screen.press("end", *",2")
            assert screen.app.lab_screen.words == "sweep -m openai/gpt-4o --axis temperature=0,1,2 -n 3"

    asyncio.run(main())


def test_words_that_cannot_be_read_are_not_touched(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m 'openai/o3") as screen:
            for key in ("ctrl+o", "f3", "ctrl+l"):
                await screen.press(key)
                assert screen.app.screen is screen.app.lab_screen and "quote" in screen.notice
                assert screen.app.lab_screen.words == "-m 'openai/o3"

    asyncio.run(main())


@pytest.mark.parametrize("size", [(20, 6), (40, 15), (80, 24), (200, 60)])
def test_the_form_can_be_used_at_any_size_and_in_chinese(tmp_path: Path, size: tuple[int, int]) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m openai/o3 -t 9", size, "zh") as screen:
            await opened(screen)
            assert "不是" in told(screen, "explained") or "not a number" in told(screen, "explained")
            await screen.press("backspace", *"0.1")
            assert screen.app.lab_screen.words == "-m openai/o3 -t 0.1"
            await screen.until(lambda: "固定为 1" in told(screen, "explained"))
            for _ in PARAMETERS:
                await screen.press("down")
                focused = screen.app.focused
                assert focused is not None and (size[1] < 8 or focused.region.height == 1)
            assert all(sum(part.cell_length for part in strip) <= size[0]
                       for strip in form(screen)._compositor.render_strips())  # fmt: skip

    asyncio.run(main())


class Slow(Shelf):
    """A lab whose outlook takes as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.free = threading.Event()

    def outlook(self, words: str) -> Outlook:
        self.asked.append(words)
        assert self.free.wait(30)
        return Outlook(targets=[f"{words}\x1b[31m[red]"], panes=len(self.asked))


def test_keys_are_answered_while_it_looks_and_only_the_last_words_are_told() -> None:
    async def main() -> None:
        lab = Slow()
        app = LabApp(lab, SAY, "-m a")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.press("ctrl+o")
            await screen.until(lambda: lab.asked)
            await screen.press(*"0.25")
            assert app.lab_screen.words == "-m a -t 0.25" and told(screen, "for") == ""
            await screen.until(lambda: not form(screen)._glance.waits)
            assert lab.asked == ["-m a"]  # one look at a time
            lab.free.set()
            await screen.until(lambda: "-t 0.25" in told(screen, "for"))
            assert lab.asked == ["-m a", "-m a -t 0.25"]
            assert "[red]" in told(screen, "for") and "\x1b" not in told(screen, "for")

    asyncio.run(main())
