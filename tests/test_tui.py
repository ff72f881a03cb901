"""The lab as it is used: keys in, what stands on the screen out, against real servers; and on a real terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from promptlab.analysis import Reading, Sample
from promptlab.cli.tui.kept import remembered
from promptlab.cli.tui.past import Chronicle
from promptlab.cli.tui.rooms import Rooms
from promptlab.cli.tui.shelf import Profiles
from promptlab.cli.tui.under import Under
from promptlab.cli.tui.words import parse
from promptlab.errors import UsageError
from promptlab.places import Places
from promptlab.plan import Cell, Plan, Run
from promptlab.providers.listing import Model
from promptlab.render.record import Costing
from promptlab.store import Store, Summary
from promptlab.transcript import Transcript
from promptlab.tui.ahead import Ahead
from promptlab.tui.app import LabApp
from promptlab.tui.board import Board
from promptlab.tui.booth import Booth
from promptlab.tui.choice import Choice
from promptlab.tui.composer import Words
from promptlab.tui.lab import Advice, Preview, Turns
from promptlab.tui.outlook import Outlook
from promptlab.tui.picker import Compared, Help, Picker
from promptlab.tui.quote import quoted
from promptlab.tui.text import Say
from promptlab.tui.wording import profile, put_profile
from tests.command import PATIENCE, REPOSITORY, Lab, Servers
from tests.replay import Replay
from tests.terminal import Pty
from tests.test_openai_chat import STOP, sse, texts

USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14,
         "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
ANSWER = sse(*texts(["Let me ", "think."], "reasoning_content"), *texts(["Snow ", "falls 雪"]), STOP,
             {"choices": [], "usage": USAGE})  # fmt: skip
THINKS = sse(*texts(["Let me ", "think."], "reasoning_content"), done=False)
ANSWERS = sse(*texts(["Let me ", "think."], "reasoning_content"), *texts(["First ", "words"]), done=False)


def slow(pieces: Sequence[str]) -> bytes:
    return sse(*texts(pieces), STOP)


def places(home: Path) -> Places:
    return Places(home, home, home / "cache")


@dataclass
class Screen:
    """The lab, as a test drives it."""

    app: LabApp
    pilot: Pilot[None]

    @property
    def lines(self) -> list[str]:
        canvas = self.app.lab_screen.canvas
        return [canvas.render_line(y).text.rstrip() for y in range(canvas.size.height)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def notice(self) -> str:
        return str(self.app.lab_screen.query_one("#notice", Static).content)

    @property
    def board(self) -> Board:
        board = self.app.lab_screen.board
        assert board is not None
        return board

    @property
    def editor(self) -> Any:
        return self.app.lab_screen.editor

    async def until(self, claim: Callable[[], object], what: str = "it") -> None:
        deadline = time.monotonic() + PATIENCE
        while not claim():
            assert time.monotonic() < deadline, f"{what} did not happen; the screen has:\n{self.text}\n{self.notice}"
            await asyncio.sleep(0.01)

    async def shows(self, *wanted: str) -> None:
        await self.until(lambda: all(word in self.text for word in wanted), f"showing {wanted}")

    async def ask(self, prompt: str = "hi") -> None:
        self.editor.text = prompt
        await self.pilot.press("ctrl+j")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()


@asynccontextmanager
async def lab_at(home: Path, words: str, size: tuple[int, int] = (100, 34), say: str = "en") -> AsyncIterator[Screen]:
    app = LabApp(Rooms(places(home)), Say(say), words)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Screen(app, pilot)
    await asyncio.to_thread(app.lab_screen.close)


def named(home: Path, **servers: Replay) -> None:
    lines = [f"  {name}: {{base_url: '{server.url}/v1'}}" for name, server in servers.items()]
    (home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")


def runs(home: Path) -> list[Summary]:
    return Chronicle(places(home)).runs()


@pytest.mark.parametrize("size", [(40, 15), (80, 24), (120, 40), (200, 60)])
def test_a_prompt_is_sent_streamed_and_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    async def main() -> None:
        async with Replay(ANSWER, slice=40) as server, lab_at(tmp_path, "", size) as screen:
            named(tmp_path, fast=server)
            screen.app.lab_screen.query_one(Words).value = "-m fast/a -t 0.2,1.3"
            await screen.ask("Snow?")
            await screen.shows("▸ thinking 4 tok", "Snow falls 雪", "done", "2/2 done")
            assert "temperature 0.2" in screen.text
            assert json.loads(server.requests[0].body)["messages"][-1]["content"] == "Snow?"

    asyncio.run(main())
    assert [(run.prompt, run.state, run.states) for run in runs(tmp_path)] == [("Snow?", "done", ("done", "done"))]
    shown = Lab(tmp_path).shown()
    assert [cell["answer"] for cell in shown["cells"]] == ["Snow falls 雪"] * 2
    assert remembered(places(tmp_path)) == "-m fast/a -t 0.2,1.3"


def test_thinking_is_open_while_it_comes_and_its_keys_fold_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(THINKS, hold=True) as thinks, Replay(ANSWERS, hold=True) as answers:
            named(tmp_path, thinks=thinks, answers=answers)
            async with lab_at(tmp_path, "-m thinks/a -m answers/b") as screen:
                await screen.ask()
                await screen.shows("▾ thinking", "┊ Let me think.", "▸ thinking", "First words")
                assert [pane.shows for pane in screen.board.panes] == ["shown", "line"]
                await screen.press("ctrl+t")
                assert screen.board.panes[0].shows == "hidden" and "┊ Let me" not in screen.text
                assert screen.notice == "thinking: hidden"
                await screen.press("tab", "T")
                assert [pane.shows for pane in screen.board.panes] == ["line", "line"]
                await screen.press("T")
                assert screen.text.count("┊ Let me think.") == 2

    asyncio.run(main())


def test_escape_stops_this_pane_and_again_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWERS, hold=True) as one, Replay(ANSWERS, hold=True) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b") as screen:
                await screen.ask()
                await screen.until(lambda: screen.text.count("First words") == 2)
                await screen.press("escape")
                assert screen.notice == "pane 1 stopped; esc again stops all"
                await asyncio.wait_for(one.disconnected.wait(), PATIENCE)
                await screen.shows("cancelled: what had arrived is kept")
                assert screen.text.count("First words") == 2 and screen.app.lab_screen.runs
                assert not two.disconnected.is_set()
                await screen.press("f5")
                assert screen.notice == "a run is under way: esc stops it"
                await screen.press("escape")
                await asyncio.wait_for(two.disconnected.wait(), PATIENCE)
                await screen.until(lambda: not screen.app.lab_screen.runs)

    asyncio.run(main())
    assert runs(tmp_path)[0].states == ("cancelled", "cancelled")


def test_escape_on_the_only_pane_that_runs_promises_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as one, Replay(ANSWERS, hold=True) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b") as screen:
                await screen.ask()
                await screen.shows("1/2 done", "First words")
                await screen.press("f8", "escape")
                assert screen.notice == "all stopped; what had arrived is kept"
                await screen.until(lambda: not screen.app.lab_screen.runs)

    asyncio.run(main())
    assert runs(tmp_path)[0].states == ("done", "cancelled")


def test_escape_before_anything_is_sent_says_that_nothing_was() -> None:
    class Waits:
        cancelled = False

        def take(self, most: int) -> Sequence[Any]:
            return []

        def now(self) -> float:
            return 0.0

        def cancel(self, cell: int | None = None) -> None:
            self.cancelled = True

        close = cancel

    class Slow(Shelf):
        session = Waits()

        def send(self, words: str, prompt: str) -> Any:
            return self.session

    async def main() -> None:
        app = LabApp(Slow(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.ask()
            await screen.press("escape")
            assert screen.notice == "stopped; nothing was sent" and Slow.session.cancelled

    asyncio.run(main())


def test_ctrl_c_cancels_first_and_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWERS, hold=True) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a") as screen:
                await screen.ask()
                await screen.shows("First words")
                await screen.press("ctrl+c")
                assert screen.notice == "cancelled; ctrl+q quits"
                await screen.until(lambda: not screen.app.lab_screen.runs)
                await screen.press("ctrl+c")  # what was sent is selected: it is copied, as everywhere
                assert screen.app.clipboard == "hi"
                await screen.press("right", "ctrl+c")
                assert screen.notice == "nothing runs; ctrl+q quits" and screen.app.is_running

    asyncio.run(main())


def test_quitting_while_it_runs_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWERS, hold=True) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a") as screen:
                await screen.ask()
                await screen.shows("First words")
                await screen.pilot.press("ctrl+q")
                await screen.until(lambda: not screen.app.is_running)

    asyncio.run(main())
    assert (runs(tmp_path)[0].state, runs(tmp_path)[0].states) == ("cancelled", ("cancelled",))
    assert Lab(tmp_path).shown()["cells"][0]["answer"] == "First words"


def test_the_cursor_stays_in_the_editor_while_panes_stream(tmp_path: Path) -> None:
    async def main() -> None:
        pieces = [f"word{n} 雪\n" for n in range(900)]
        async with Replay(slow(pieces), slice=300, pause=0.02) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -m one/b") as screen:
                await screen.ask("first")
                await screen.shows("word")
                screen.editor.select_all()  # as the screen has done, unless its own setting of the text came after it
                await screen.press(*"中文")
                where = screen.app.cursor_position
                seen: set[str] = set()
                while len(seen) < 6:
                    assert screen.app.lab_screen.runs and screen.app.focused is screen.editor
                    assert screen.app.cursor_position == where
                    seen.add(screen.text)
                    await asyncio.sleep(0.01)  # the pilot's own pause waits for a processor that has nothing to do
                assert screen.editor.text == "中文"

    asyncio.run(main())


def test_panes_page_on_a_small_screen_and_resize(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -t 0,0.5,1", (40, 15)) as screen:
                await screen.ask()
                await screen.shows("3/3 done", "page 1/3", "temperature 0")
                assert len(screen.board.visible) == 1 and "Snow falls 雪" in screen.text
                await screen.press("f8")
                assert "page 2/3" in screen.text and "temperature 0.5" in screen.text
                await screen.pilot.resize_terminal(120, 40)
                await screen.pilot.pause()
                assert len(screen.board.visible) == 3 and screen.text.count("Snow falls 雪") == 3
                await screen.press("f10")
                assert len(screen.board.visible) == 1 and screen.app.focused is screen.editor
                await screen.press("escape", "alt+3", "f9")
                assert screen.board.focus == 2 and screen.board.style == "focus" and "pane 3/3" in screen.text
                assert max(map(len, screen.lines)) <= 120

    asyncio.run(main())


def test_a_reader_scrolls_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow([f"line {n}\n" for n in range(80)]), slice=2000, pause=0.01) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a", (80, 24)) as screen:
                await screen.ask()
                await screen.until(lambda: screen.app.lab_screen.board and screen.board.current.count > 40)
                await screen.press("pageup")
                stands = screen.lines[3]
                await screen.until(lambda: not screen.app.lab_screen.runs)
                await screen.until(lambda: "done" in screen.text)
                assert screen.lines[3] == stands and "↓" in screen.lines[2]
                await screen.press("ctrl+end")
                assert "line 79" in screen.text
                await screen.press("tab", "g")
                assert screen.lines[3] == "line 0" and screen.app.focused is screen.app.lab_screen.canvas
                await screen.press("i")
                assert screen.app.focused is screen.editor

    asyncio.run(main())


def test_what_is_wrong_is_said_in_place_and_nothing_is_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with lab_at(tmp_path, "-m nowhere/x") as screen:
            await screen.ask("a long prompt")
            await screen.until(lambda: "nowhere" in screen.notice)
            assert screen.notice.startswith("✗ ") and screen.editor.text == "a long prompt"
            for words, said in (("--colour red", "No such option"), ("-t 9 -m local", "temperature"),
                                ("-m 'local", "quote"), ("-p nothing-like-it", "profile"), ("-t 1,1", "twice"),
                                ("-m local --dry-run", "promptlab ask --dry-run")):  # fmt: skip
                screen.app.lab_screen.query_one(Words).value = words
                await screen.press("ctrl+j")
                await screen.until(lambda said=said: said in screen.notice, said)  # type: ignore[misc]
            screen.app.lab_screen.query_one(Words).value = "-m local -t 0.2,1.3"
            await screen.press("f2", "enter")
            await screen.until(lambda: screen.notice == "panes: 2")
            await screen.ask("  ")
            assert "nothing to send" in screen.notice

    asyncio.run(main())
    assert runs(tmp_path) == []


def test_a_profile_whose_variables_have_no_value_says_which(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "poem.yaml").write_text(
        "name: poem\ngoal: Write about {{ topic }}.\nvariables:\n  topic: {help: what about}\n", "utf-8"
    )
    asked, _, _ = parse("-m local -p poem", "")
    assert asked.profile == "poem"
    rooms = Rooms(places(tmp_path))
    with pytest.raises(UsageError, match="topic"):
        rooms.check("-m local -p poem", "")
    assert rooms.check("-m local -p poem --var topic=snow -t 0,1", "") == 2


def test_hostile_streams_harm_nothing(tmp_path: Path) -> None:
    evil = ["a\x1b]52;c;ZXZpbA==\x07", "\x1b[2J\x1b[31m", "[red]x[/oops] [@click=app.quit]q[/]", "\r\n",
            "\u202e\U000e0041\x9b1m"]  # fmt: skip

    async def main() -> None:
        body = sse(*texts(evil, "reasoning_content"), *texts(evil), *texts(["x" * 200_000, ""]), STOP)
        async with Replay(body) as server, Replay(ANSWER) as other:
            named(tmp_path, evil=server, other=other)
            async with lab_at(tmp_path, "-m 'evil/[red]\x1b[31m' -m other/b") as screen:
                await screen.ask("[bold]\x1b]0;x\x07")
                await screen.shows("Snow falls 雪", "2/2 done")
                await screen.press("tab", "g", "t")
                assert "[red]x[/oops]" in screen.text
                assert not [c for c in screen.text if (ord(c) < 32 and c != "\n") or c in "\x9b\u202e\U000e0041"]
                await screen.press("y")
                assert "\x1b" not in screen.app.clipboard and "[red]x[/oops]" in screen.app.clipboard
                await screen.press("ctrl+r")
                await screen.until(lambda: screen.app.screen.query(OptionList))

    asyncio.run(main())


def test_the_history_opens_in_the_same_panes_and_goes_back(tmp_path: Path, serve: Servers) -> None:
    server = serve(ANSWER)
    lab = Lab(tmp_path)
    assert lab("ask", "older 问", "-m", "openai/x", "-m", "openai/y", "--base-url", f"{server.url}/v1").code == 0

    async def main() -> None:
        async with Replay(slow(["Something else"])) as now:
            named(tmp_path, now=now)
            async with lab_at(tmp_path, "-m now/a") as screen:
                await screen.ask("newer")
                await screen.shows("Something else", "1/1 done")
                await screen.press("ctrl+r")
                picker = screen.app.screen
                assert isinstance(picker, Picker)
                await screen.until(lambda: picker.query_one(OptionList).option_count == 2)
                await screen.press(*"older")
                await screen.until(lambda: picker.query_one(OptionList).option_count == 1)
                await screen.press("enter")
                await screen.shows("history, ", "older 问", "2/2 done", "openai/y", "▸ thinking 4 tok", "Snow falls 雪")
                await screen.press("escape")
                assert "Something else" in screen.text and screen.app.focused is screen.editor
                await screen.press("tab", "R")
                await screen.shows("run 3", "1/1 done")
                assert now.requests[0].body == now.requests[1].body

    asyncio.run(main())


def test_a_follow_up_gives_each_pane_its_own_conversation(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(slow(["One."])) as one, Replay(slow(["Two."])) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b -s 'Be brief.'") as screen:
                await screen.press("f5")
                assert screen.app.lab_screen.board is None
                await screen.ask("first")
                await screen.shows("One.", "Two.", "2/2 done")
                await screen.press(*"why", "f5")
                await screen.shows("turn 2", "“why”", "2/2 done")
                await screen.press("tab", "d")
                await screen.until(lambda: isinstance(screen.app.screen, Compared))
                await screen.pilot.pause()
                assert str(screen.app.screen.query_one("#keys Static", Static).content) == "[-One-]{+Two+}."
                await screen.press("escape", "i", "right", *"!", "alt+2", "f6")
                await screen.until(lambda: len(two.requests) == 3 and not screen.app.lab_screen.runs)
                assert [pane.cell.index for pane in screen.board.panes] == [0, 1]  # it stands in its place
                assert len(screen.board.panes[1].cell.request.messages) == 6
                assert (len(one.requests), len(two.requests)) == (2, 3)
                told = [(m["role"], m["content"]) for m in json.loads(two.requests[-1].body)["messages"]]
                assert told == [("system", "Be brief."), ("user", "first"), ("assistant", "Two."), ("user", "why"),
                                ("assistant", "Two."), ("user", "why!")]  # fmt: skip

    asyncio.run(main())
    assert [run.prompt for run in runs(tmp_path)] == ["why!", "why", "first"]


def test_the_mouse_chooses_folds_and_scrolls_and_leaves_the_editor_its_cursor(tmp_path: Path) -> None:
    async def main() -> None:
        body = sse(*texts(["thought"], "reasoning_content"), *texts([f"line {n}\n" for n in range(60)]), STOP)
        async with Replay(body) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -m one/b") as screen:
                await screen.ask()
                await screen.shows("2/2 done", "line 59")
                canvas = screen.app.lab_screen.canvas
                await screen.pilot.click(canvas, offset=(70, 5))
                assert screen.board.focus == 1 and screen.app.focused is screen.editor
                screen.board.panes[0].to_start()
                canvas.paint()
                await screen.pilot.click(canvas, offset=(5, 3))
                assert screen.board.focus == 0 and screen.board.current.shows == "shown" and "┊ thought" in screen.text
                before = screen.board.panes[1].top
                await screen.pilot._post_mouse_events([events.MouseScrollUp], canvas, offset=(70, 5))
                await screen.pilot.pause()
                assert screen.board.panes[1].top == before - 3 and not screen.board.panes[1].follows

    asyncio.run(main())


def test_find_goes_to_the_pane_and_the_line_and_opens_the_thinking(tmp_path: Path) -> None:
    async def main() -> None:
        thought, said = [f"thought {n}\n" for n in range(40)], [f"line {n} 雪\n" for n in range(60)]
        body = sse(*texts(thought, "reasoning_content"), *texts(said), STOP)
        async with Replay(slow(["nothing"])) as one, Replay(body) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b", (80, 24)) as screen:
                await screen.ask()
                await screen.shows("2/2 done", "line 59")
                for letters, shown in (("Line 7 雪", "line 7 雪"), ("thought 21", "┊ thought 21")):
                    await screen.press("ctrl+g", *letters)
                    listed = screen.app.screen.query_one(OptionList)
                    assert listed.option_count == 1
                    await screen.press("enter")
                    assert screen.board.focus == 1 and shown in screen.text and screen.app.focused is screen.editor
                await screen.press("ctrl+g", *"zzz", "enter", "escape")
                assert screen.app.screen is screen.app.lab_screen

    asyncio.run(main())


class Stall:
    """Two models, and what the user keeps of them."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.named: dict[str, Sequence[str]] = {}

    def choices(self, *, fresh: bool = False) -> list[Choice]:
        return [
            Choice(Model("local", "", local=True)),
            Choice(Model("ollama", "qwen3:4b", kind="[b]chat", loaded=True)),
        ]

    def favourites(self) -> list[str]:
        return self.kept

    def favour(self, target: str, *, on: bool) -> None:
        self.kept = [one for one in self.kept if one != target] + [target] * on

    def groups(self) -> dict[str, Sequence[str]]:
        return self.named

    def keep_group(self, name: str, targets: Sequence[str]) -> None:
        self.named[name] = targets

    def drop_group(self, name: str) -> None:
        del self.named[name]


class Shelf:
    """A lab with models and nothing else."""

    def __init__(self) -> None:
        self.theme = ""
        self.models = Stall()
        self.history = Chronicle(Places(Path("/nowhere"), Path("/nowhere"), Path("/nowhere")))
        self.shelf = Profiles(Places(Path("/nowhere"), Path("/nowhere"), Path("/nowhere")))

    def warm(self) -> None: ...

    def keep_theme(self, name: str) -> None:
        self.theme = name

    def send(self, words: str, prompt: str) -> Under:
        raise NotImplementedError

    def go_on(self, words: str, run: Run, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Under:
        raise NotImplementedError

    def again(self, words: str, run: Run) -> Under:
        raise NotImplementedError

    def retry(self, words: str, run: Run, cell: Cell, target: str | None = None) -> Under:
        raise NotImplementedError

    def request(self, words: str, run: Run, cell: Cell, said: Transcript) -> str:
        return ""

    def booth(self, run: int) -> Booth:
        raise NotImplementedError

    def votes(self, run: int, cells: int, words: Callable[[str], str]) -> str:
        return ""

    def check(self, words: str, prompt: str) -> int:
        return 1

    def advise(self, words: str, prompt: str) -> Advice:
        return Advice([])

    def preview(self, words: str, prompt: str) -> Sequence[Preview]:
        return []

    def read(self, plan: Plan, ended: Turns, costing: Costing, known: dict[int, Sample]) -> Reading:
        return Reading({}, ())

    def best(self, run: int) -> int | None:
        return None

    def mark_best(self, run: Run, cell: Cell, answer: str) -> bool:
        return True

    def outlook(self, words: str) -> Outlook:
        return Outlook()


def test_a_model_is_picked_by_a_few_letters() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("f3", *"qwen")
            screen = Screen(app, pilot)
            await screen.until(lambda: app.screen.query_one(OptionList).option_count == 1)
            await pilot.press("enter")
            await pilot.pause()
            assert app.lab_screen.query_one(Words).value == "-m local -m ollama/qwen3:4b"
            assert app.focused is app.lab_screen.editor
            await pilot.press("f1")
            await pilot.pause()
            assert isinstance(app.screen, Help)
            said = "\n".join(str(part.content) for part in app.screen.query("#keys Static").results(Static))
            assert "Stop this pane; again: all" in said and "In the panes" in said and "k_" not in said
            await pilot.press("escape")

    asyncio.run(main())


def test_keys_and_enter_are_as_the_user_has_set_them_and_a_theme_is_kept() -> None:
    async def main() -> None:
        shelf = Shelf()
        app = LabApp(shelf, Say("en"), "-m local", enter_sends=True, keymap={"lab.help": "f12"}, theme="nord")
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert app.theme == "nord" and shelf.theme in ("", "nord")
            await pilot.press("f12")
            assert isinstance(app.screen, Help)
            await pilot.press("escape", "enter")
            await pilot.pause()
            notice = str(app.lab_screen.query_one("#notice", Static).content)
            assert notice == "nothing to send: write a prompt" and app.lab_screen.editor.text == ""
            app.theme = "dracula"
            await Screen(app, pilot).until(lambda: shelf.theme == "dracula", "keeping the theme")

    asyncio.run(main())


@pytest.mark.parametrize("size", [(10, 5), (6, 3), (30, 8), (300, 90)])
def test_any_size_is_survived(tmp_path: Path, size: tuple[int, int]) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -t 0,1", size) as screen:
                await screen.ask()
                await screen.until(lambda: screen.app.lab_screen.board and not screen.app.lab_screen.runs)
                await screen.press("f9", "f10", "f8", "f10")
                await screen.pilot.resize_terminal(80, 24)
                await screen.shows("2/2 done")

    asyncio.run(main())


def test_an_idle_screen_is_not_painted(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a") as screen:
                await screen.ask()
                await screen.shows("1/1 done")
                await screen.until(lambda: not screen.notice and not screen.app.lab_screen.runs)
                await screen.until(lambda: "panes: 1" in screen.app.lab_screen.query_one(Ahead).told)
                await screen.pilot.pause(0.3)  # the footer has another key now
                painted = 0
                render = screen.app._display

                def counted(*given: Any) -> None:
                    nonlocal painted
                    painted += 1
                    render(*given)

                screen.app._display = counted  # type: ignore[method-assign, assignment]
                await screen.pilot.pause(0.7)
                assert painted == 0

    asyncio.run(main())


def test_it_speaks_chinese(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(ANSWER) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a", (80, 24), "zh") as screen:
                assert "同一个提示词" in screen.text
                await screen.ask("雪")
                await screen.shows("1/1 完成", "▸ 思考 4 tok", "Snow falls 雪")
                await screen.press("ctrl+c")
                assert "已复制" in screen.notice

    asyncio.run(main())


def test_the_embedded_model(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / weights.name).symlink_to(weights)

    async def main() -> None:
        async with lab_at(tmp_path, "-m local -t 0,1 --max-tokens 12", (80, 24)) as screen:
            await screen.ask("Name a colour of snow.")
            await screen.shows("2/2 done")
            assert all(pane.said.answer for pane in screen.board.panes)

    asyncio.run(main())
    assert runs(tmp_path)[0].states == ("done", "done")


@pytest.mark.parametrize(("text", "word"), [
    ("我的雪诗", "我的雪诗"), ("name=值，“x”", "name=值，“x”"), ("a/b.c:d@e%f+g", "a/b.c:d@e%f+g"), ("", "''"),
    ("a b", "'a b'"), ("雪 诗", "'雪 诗'"), ("雪\u3000诗", "'雪\u3000诗'"), ("雪\u200b", "'雪\u200b'"),
    ("雪;rm", "'雪;rm'"), ("~", "'~'"), ("雪*", "'雪*'"), ("it's", "'it'\"'\"'s'"),
])  # fmt: skip
def test_only_what_needs_quotes_has_them(text: str, word: str) -> None:
    assert quoted(text) == word and shlex.split(word) == [text]
    words = put_profile("-m local", text)
    assert words == f"-m local -p {word}" and profile(words) == text


def test_the_palette_speaks_chinese_and_finds_it() -> None:
    async def palette(screen: Screen, placeholder: str) -> CommandPalette:
        await screen.until(lambda: isinstance(screen.app.screen, CommandPalette) and screen.app.screen.query(Input))
        over = screen.app.screen
        assert isinstance(over, CommandPalette) and over.query_one(Input).placeholder == placeholder
        return over

    def listed(over: CommandPalette) -> list[str]:
        return [str(option.prompt) for option in over.query_one(CommandList).options]

    async def main() -> None:
        app = LabApp(Shelf(), Say("zh"), "-m local")
        async with app.run_test(size=(100, 40)) as pilot:
            screen = Screen(app, pilot)
            await pilot.press("ctrl+p")
            over = await palette(screen, "查找命令…")
            await screen.until(lambda: len(listed(over)) > 20)
            whole = "\n".join(listed(over))
            assert all(f"{word}\n" in whole for word in ("主题", "退出", "截图"))
            assert not any(word in whole for word in ("Theme", "Quit", "Screenshot", "Change", "Save"))
            await pilot.press(*"没这个")
            await screen.until(lambda: listed(over) == ["没有匹配的"])
            await pilot.press(*["backspace"] * 3, *"主题")
            await screen.until(lambda: len(listed(over)) == 1 and "主题" in listed(over)[0])
            await pilot.press("enter")
            await screen.until(lambda: app.screen is not over)
            themes = await palette(screen, "查找主题…")
            await pilot.press(*"dracula")
            await screen.until(lambda: listed(themes) == ["dracula"])
            await pilot.press("enter")
            await screen.until(lambda: app.theme == "dracula")

    asyncio.run(main())


def test_the_palette_is_textuals_own_in_english() -> None:
    class Plain(App[None]):
        pass

    async def shown(app: App[None], count: int) -> tuple[str, list[str], str]:
        async with app.run_test(size=(100, 40)) as pilot:
            await pilot.press("ctrl+p")
            while not (app.screen.query(CommandList) and app.screen.query_one(CommandList).option_count >= count):
                await pilot.pause(0.01)
            found = app.screen.query_one(CommandList)
            texts = [str(one.prompt) for one in found.options]
            first = [text for text in texts if text.startswith(("Quit\nQuit the app", "Sc", "Theme"))]
            await pilot.press(*"zzzz")
            while not any(one.disabled for one in found.options):
                await pilot.pause(0.01)
            row = next(text for y in range(5) if (text := found.render_line(y).text.strip()))
            return app.screen.query_one(Input).placeholder, first, row

    async def main() -> None:
        placeholder, first, row = await shown(LabApp(Shelf(), Say("en"), "-m local"), 20)
        theirs = await shown(Plain(), 4)
        assert (placeholder, row) == (theirs[0], theirs[2]) == ("Search for commands…", "No matches found")
        assert set(theirs[1]) <= set(first) and len(theirs[1]) == 3

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


# On a real terminal --------------------------------------------------------------------------------------------------


class Terminal(Pty):
    """The lab in a process of its own, on a pty."""

    def __init__(
        self, home: Path, words: Sequence[str], columns: int, rows: int, more: Mapping[str, str] | None = None,
        extra: Path | None = None,
    ) -> None:  # fmt: skip
        code = "import sys; from promptlab.cli.tui import tui; sys.exit(tui(sys.argv[1:]))"
        path = os.pathsep.join(str(folder) for folder in (REPOSITORY, extra) if folder)
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color",
                       "PROMPTLAB_HOME": str(home), "PYTHONPATH": path, **(more or {})}  # fmt: skip
        super().__init__(
            lambda slave: subprocess.Popen(
                [sys.executable, "-c", code, *words], stdin=slave, stdout=slave, stderr=slave, env=environment,
                cwd=home, start_new_session=True,
            ), columns, rows,
        )  # fmt: skip

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read(0.2)
        return self.process.wait(1)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.master)


def restored(raw: bytes) -> bool:
    """The other screen is left, and the cursor is there again."""
    return raw.rfind(b"\x1b[?1049l") > raw.rfind(b"\x1b[?1049h") and raw.rfind(b"\x1b[?25h") > raw.rfind(b"\x1b[?25l")


def test_on_a_terminal_chinese_panes_stand_straight_and_it_is_left_as_it_was(
    tmp_path: Path, serve: Servers, terminals: list[Terminal]
) -> None:
    lines = ["雪落在江面上，", "一只乌鸦 counts “winter”…", "第三行。", "नि flag 🇨🇳 x"]
    server = serve(sse(*texts(["\n".join(lines)]), STOP))
    terminal = Terminal(tmp_path, ["-m", "m", "-t", "0.2,1.3", "--base-url", f"{server.url}/v1"], 90, 26)
    terminals.append(terminal)
    terminal.shows("-m m -t 0.2,1.3")
    terminal.type("写一首诗\n")
    terminal.shows("2/2 done", "写一首诗")
    rows = terminal.screen.display
    column = rows[1].index("2 custom/m")
    for line in range(3, 6):
        left, right = _cells(terminal.screen, line, 0, 44), _cells(terminal.screen, line, column - 4, 90)
        assert left.strip() == right.strip() == lines[line - 3].strip()
    terminal.type("\x11")  # ctrl+q
    assert terminal.end() == 0 and restored(terminal.raw)


def _cells(screen: Any, line: int, start: int, end: int) -> str:
    return "".join(screen.buffer[line][x].data for x in range(start, end))


def test_on_a_terminal_alt_and_a_digit_choose_a_pane_and_a_pound_is_a_pound(
    tmp_path: Path, serve: Servers, terminals: list[Terminal]
) -> None:
    server = serve(sse(*texts(["Snow."]), STOP))
    terminal = Terminal(tmp_path, ["-m", "m", "-t", "0.2,0.7,1.3", "--base-url", f"{server.url}/v1"], 120, 26)
    terminals.append(terminal)
    terminal.shows("-m m -t")
    terminal.type("hi\n")
    terminal.shows("3/3 done")
    terminal.type("\x1b3\x1b[21~")  # alt+3, and f10 maximises it
    terminal.until(lambda: "temperature 1.3" in terminal.text and "temperature 0.2" not in terminal.text, "pane 3")
    terminal.type("\x1b[21~\x1b2\x1b[21~")
    terminal.until(lambda: "temperature 0.7" in terminal.text and "temperature 1.3" not in terminal.text, "pane 2")
    terminal.type("£5 ™ º")
    terminal.shows("£5 ™ º")
    assert terminal.text.count("£") == 1
    terminal.type("\x11")
    assert terminal.end() == 0


def test_on_a_terminal_a_prompt_is_wrapped_anew_as_it_is_resized(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminal = Terminal(tmp_path, ["-m", "local"], 100, 24)
    terminals.append(terminal)
    terminal.shows("-m local")
    words = [f"word{number}" for number in range(20)]
    terminal.type(" ".join(words))
    terminal.shows(*words)
    terminal.screen.resize(24, 80)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.until(lambda: "^q" in terminal.screen.display[-1] and set(words) <= set(terminal.text.split()), "wrapping")
    terminal.type("\x11")
    assert terminal.end() == 0


def test_a_terminal_is_left_as_it_was_after_a_kill(tmp_path: Path, serve: Servers, terminals: list[Terminal]) -> None:
    server = serve(ANSWERS, hold=True)
    terminal = Terminal(tmp_path, ["-m", "m", "--base-url", f"{server.url}/v1"], 80, 24)
    terminals.append(terminal)
    terminal.shows("-m m")
    terminal.type("hi\n")
    terminal.shows("First words")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.end()
    assert restored(terminal.raw)
    store = Store(places(tmp_path).database)
    assert store.runs()[0].states == ("cancelled",)
    store.close()


def test_without_a_terminal_it_says_so(tmp_path: Path) -> None:
    code = "import sys; from promptlab.cli.tui import tui; tui()"
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          cwd=REPOSITORY)  # fmt: skip
    assert "UsageError: the lab needs a terminal" in done.stderr


def test_the_first_frame_loads_no_provider(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, promptlab.cli.tui as t\nfrom promptlab.tui.app import LabApp\n"
        "heavy = ('litellm', 'openai', 'aiohttp', 'sqlite3', 'yaml', 'pydantic', 'xllamacpp', 'typer',\n"
        "         'promptlab.engine', 'promptlab.plan', 'promptlab.events', 'promptlab.params')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "[]", done.stderr
