"""What is done in and with the panes: again, elsewhere, together, copied, selected, opened outside; by real servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import stat
import sys
from pathlib import Path

import pytest
from textual.widgets import OptionList

from promptlab.cli.tui.retry import retried
from promptlab.cli.tui.words import parse
from promptlab.config import settings
from promptlab.errors import UsageError
from promptlab.plan import Plan
from promptlab.request import Message, Sealed
from promptlab.tui.outside import carry_out, command
from promptlab.tui.picker import Picker
from promptlab.tui.target import Models
from tests.command import PATIENCE, Servers
from tests.replay import Replay
from tests.test_openai_chat import STOP, sse, texts
from tests.test_tui import ANSWERS, Screen, Terminal, lab_at, named, places, restored, runs, terminals

__all__ = ["terminals"]  # a fixture

FIRST = sse(*texts(["First."]), STOP)
CODE = "Two:\n```python\nx = 1\n```\nand\n- ```sh\n  ls -l\n  ```\n"


def sent(server: Replay) -> list[bytes]:
    """What was posted: pickers ask for lists of models, too."""
    return [request.body for request in server.requests if request.body]


async def listed(screen: Screen, count: int) -> None:
    """Until a picker is open and has so many to choose from."""

    def claim() -> bool:
        found = screen.app.screen.query(OptionList)
        options = found.first(OptionList).options if found else []
        is_open = isinstance(screen.app.screen, (Picker, Models))
        return is_open and sum(not option.disabled for option in options) == count

    await screen.until(claim, f"a list of {count}")


async def drag(screen: Screen, start: tuple[int, int], *to: tuple[int, int]) -> None:
    canvas = screen.app.lab_screen.canvas
    await screen.pilot.mouse_down(canvas, offset=start)
    for place in to:
        await screen.pilot.hover(canvas, offset=place)
    await screen.pilot.mouse_up(canvas, offset=to[-1])
    await screen.pilot.pause()


# Again ---------------------------------------------------------------------------------------------------------------


def test_one_pane_is_sent_again_in_its_place_while_others_stream(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(FIRST) as one, Replay(ANSWERS, hold=True) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b -t 0.5 --system Brief.") as screen:
                await screen.ask("Snow?")
                await screen.shows("First.", "First words")
                await screen.press("tab", "r", "r")  # the second comes too early, or is one more
                await screen.until(lambda: len(one.requests) >= 2 and screen.board.panes[0].said.ending)
                await screen.until(lambda: not any(f.waits(screen.board, 0) for f in screen.app.lab_screen.flights))
                assert json.loads(one.requests[0].body) == json.loads(one.requests[1].body)
                assert screen.app.lab_screen.runs and not two.disconnected.is_set() and len(two.requests) == 1
                assert [pane.cell.index for pane in screen.board.panes] == [0, 1]
                await screen.press("right", "r")
                assert screen.notice == "pane 2 still runs: x stops it"
                await screen.press("x")
                await asyncio.wait_for(two.disconnected.wait(), PATIENCE)
                await screen.until(lambda: screen.board.panes[1].said.ending)
                await screen.press("r")
                await screen.until(lambda: len(two.requests) == 2 and screen.board.panes[1].said.answer)
                assert screen.board.panes[1].said.state == "answering" and screen.board.panes[0].said.answer == "First."

    asyncio.run(main())
    kept = runs(tmp_path)
    assert len(kept) >= 3 and {run.prompt for run in kept} == {"Snow?"} and kept[0].targets == ("two/b",)


def test_another_target_gets_the_prompt_in_its_place(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(FIRST) as one, Replay(sse(*texts(["Other."]), STOP)) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -t 0,1 --system Brief.") as screen:
                await screen.ask("Snow?")
                await screen.shows("2/2 done", "First.")
                await screen.press("tab", "right", "o", *"two/b")
                await listed(screen, 1)
                await screen.press("enter")
                await screen.shows("two/b", "Other.", "2/2 done")
                body = json.loads(sent(two)[0])
                assert body["model"] == "b" and body["temperature"] == 1
                assert [m["content"] for m in body["messages"]] == ["Brief.", "Snow?"]
                assert len(sent(one)) == 2 and screen.board.panes[0].said.answer == "First."
                await screen.press("r")  # again where it is now
                await screen.until(lambda: len(sent(two)) == 2 and not screen.app.lab_screen.runs)
                await screen.press("o", *"nowhere/x")
                await listed(screen, 1)
                await screen.press("enter")
                await screen.until(lambda: "nowhere" in screen.notice)
                assert "Other." in screen.text  # what was there stays

    asyncio.run(main())
    assert [run.targets for run in runs(tmp_path)] == [("two/b",), ("two/b",), ("one/a", "one/a")]


PROFILE = "name: poem\nrole: You are a poet.\ngoal: Write about {{ topic }}.\nvariables: {topic: {help: what}}\n"


def planned(home: Path, words: str, prompt: str) -> Plan:
    from promptlab.cli.planning import make_plan

    asked, _, _ = parse(words, prompt)
    return make_plan(asked, places(home), settings(places(home)))


def retargeted(home: Path, plan: Plan, target: str, words: str) -> Plan:
    asked, _, _ = parse(words, plan.prompt)
    return retried(plan, plan.cells[0], target, asked, places(home), settings(places(home)))


def test_the_request_is_made_anew_from_the_profile_or_carried_over(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "poem.yaml").write_text(PROFILE, "utf-8")
    words = "-m local -p poem --var topic=雪 -t 0.5"
    plan = planned(tmp_path, words, "Four lines.")
    told = [message.role for message in plan.cells[0].request.messages]
    assert told == ["system", "user"]
    wanted = planned(tmp_path, words.replace("local", "openai/gpt-5-mini"), "Four lines.").cells[0].request
    made = retargeted(tmp_path, plan, "openai/gpt-5-mini", words)
    assert made.cells[0].request.messages == wanted.messages and made.cells[0].target == "openai/gpt-5-mini"
    assert made.cells[0].request.parameters["temperature"] == 0.5 and made.sweep is None
    assert made.cells[0].request.messages[0].role == "developer"
    carried = retargeted(tmp_path, plan, "openai/gpt-5-mini", "-m local")  # the words are others by now
    assert [m.role for m in carried.cells[0].request.messages] == ["developer", "user"]
    assert [m.text for m in carried.cells[0].request.messages] == [m.text for m in plan.cells[0].request.messages]
    alone = retargeted(tmp_path, plan, "deepseek/deepseek-reasoner", "-m local").cells[0].request.messages
    assert "You are a poet." in alone[0].text and "Four lines." in alone[-1].text
    own = retargeted(tmp_path, plan, "openai/gpt-5-mini?temperature=1", words).cells[0]
    assert own.request.parameters["temperature"] == 1


def test_what_another_vendor_has_sealed_stays_behind(tmp_path: Path) -> None:
    plan = planned(tmp_path, "-m local", "Snow?")
    from dataclasses import replace

    cell = plan.cells[0]
    turns = (*cell.request.messages, Message("assistant", "White.", "hm", (Sealed("signature", "xyz"),)),
             Message("user", "Why?"))  # fmt: skip
    plan = replace(plan, cells=(replace(cell, request=replace(cell.request, messages=turns)),))
    same = retried(plan, plan.cells[0], None, parse("-m local", "")[0], places(tmp_path), settings(places(tmp_path)))
    assert same.cells[0].request.messages == turns
    other = retargeted(tmp_path, plan, "openai/gpt-5-mini", "-m local").cells[0].request.messages
    assert [(m.role, m.text) for m in other] == [("user", "Snow?"), ("assistant", "White."), ("user", "Why?")]
    assert not any(m.sealed or m.thinking for m in other)


def test_a_target_that_can_not_be_in_that_pane_is_refused(tmp_path: Path) -> None:
    plan = planned(tmp_path, "-m m --base-url http://127.0.0.1:9/v1", "Snow?")
    with pytest.raises(UsageError, match="--base-url"):
        retargeted(tmp_path, plan, "openai/gpt-5-mini", "-m m")
    keyed = planned(tmp_path, "-m openai/gpt-5-mini --key-env OTHER", "Snow?")
    with pytest.raises(UsageError, match="--key-env"):
        retargeted(tmp_path, keyed, "anthropic/claude-sonnet-4-5", "-m m")  # that key is not for them
    assert retargeted(tmp_path, keyed, "openai/gpt-5", "-m m").cells[0].target == "openai/gpt-5"
    assert retargeted(tmp_path, plan, "other", "-m m").cells[0].target == "custom/other"
    assert retargeted(tmp_path, plan, "local", "-m m").cells[0].target == "local"
    with pytest.raises(UsageError, match="more than one"):
        retargeted(tmp_path, planned(tmp_path, "-m local", "x"), "local?temperature=0,1", "-m local")


# Together, copied, selected ------------------------------------------------------------------------------------------


def test_panes_scroll_together_by_the_part_that_is_above(tmp_path: Path) -> None:
    async def main() -> None:
        one, two = (sse(*texts([f"line {n}\n" for n in range(count)]), STOP) for count in (60, 120))
        async with Replay(one) as short, Replay(two) as long:
            named(tmp_path, one=short, two=long)
            async with lab_at(tmp_path, "-m one/a -m two/b") as screen:
                await screen.ask()
                await screen.shows("2/2 done", "line 119")
                await screen.press("tab", "s", "g")
                assert screen.notice == "panes scroll together" and screen.text.count("line 0") == 2
                await screen.press("pagedown")
                left, right = screen.board.panes
                assert left.part == pytest.approx(right.part, abs=0.02) and right.top > left.top > 0
                await screen.press("end")
                assert left.follows and right.follows and "line 119" in screen.text
                await screen.press("s", "g")
                assert left.top == 0 and right.follows

    asyncio.run(main())


def test_code_and_request_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_API_KEY", "sk-very-secret-0123456789")

    async def main() -> None:
        async with Replay(sse(*texts([CODE]), STOP)) as one, Replay(FIRST) as two:
            named(tmp_path, one=one, two=two)
            async with lab_at(tmp_path, "-m one/a -m two/b -t 0.5") as screen:
                await screen.ask("Snow 雪?")
                await screen.shows("2/2 done", "ls -l")
                await screen.press("tab", "c")
                await listed(screen, 2)
                await screen.press("down", "enter")
                assert screen.app.clipboard == "x = 1" and screen.notice == "copied: the code, 5 characters"
                await screen.press("c", *"ls")
                await listed(screen, 1)
                await screen.press("enter")
                assert screen.app.clipboard == "ls -l"
                await screen.press("w")
                await screen.until(lambda: screen.notice.startswith("copied: the request"))
                copied = screen.app.clipboard
                assert copied.startswith(f"POST {one.url}/v1/chat/completions") and "very-secret" not in copied
                assert json.loads(copied[copied.index("{") :]) == json.loads(one.requests[0].body)
                await screen.press("right", "c")
                assert screen.notice == "there is no block of code in this answer"

    asyncio.run(main())


def test_the_mouse_selects_by_cells_and_soft_wrapped_lines_are_copied_whole(tmp_path: Path) -> None:
    line = "独钓寒江雪 and a line that is longer than the pane is wide, so that it is wrapped somewhere"

    async def main() -> None:
        async with Replay(sse(*texts([f"{line}\nsecond\n"]), STOP)) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -m one/b", (80, 24)) as screen:
                await screen.ask()
                await screen.shows("2/2 done", "独钓寒江雪")
                await screen.press("f10")
                app = screen.app
                assert screen.lines[3].startswith("独钓寒江雪") and screen.lines[4]
                await drag(screen, (3, 3), (30, 3), (6, 4), (6, 5))
                assert app.clipboard == f"{line[1:]}\nsecond" and "copied: the selection" in screen.notice
                assert app.focused is screen.editor
                strip = app.lab_screen.canvas.render_line(4)
                assert any(segment.style and segment.style.reverse for segment in strip)
                await screen.press("right", "ctrl+c")
                assert app.clipboard == f"{line[1:]}\nsecond" and "copied" in screen.notice
                await drag(screen, (8, 3), (4, 3))  # backwards
                assert app.clipboard == "寒江雪"
                await screen.pilot.click(app.lab_screen.canvas, offset=(3, 3), times=2)
                await screen.pilot.pause()
                assert app.clipboard == "独钓寒江雪"
                await screen.pilot.click(app.lab_screen.canvas, offset=(13, 3), times=3)
                await screen.pilot.pause()
                assert app.clipboard == line
                await screen.pilot.click(app.lab_screen.canvas, offset=(13, 8))
                assert screen.board.current.selection is None

    asyncio.run(main())


def test_a_drag_beyond_the_pane_scrolls_it_and_stays_in_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with Replay(sse(*texts([f"line {n}\n" for n in range(50)]), STOP)) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a -m one/b", (80, 24)) as screen:
                await screen.ask()
                await screen.shows("2/2 done", "line 49")
                first = next(y for y, line in enumerate(screen.lines) if line.startswith("line"))
                number = int(screen.lines[first].split()[1])
                await drag(screen, (0, first), (0, 1), (1, 1), (0, 1), (60, 1))
                assert screen.app.clipboard.startswith("line ") and f"line {number - 2}" in screen.app.clipboard
                assert screen.board.panes[1].selection is None and screen.board.focus == 0

    asyncio.run(main())


# Outside -------------------------------------------------------------------------------------------------------------


def script(folder: Path, code: str) -> list[str]:
    path = folder / "program.py"
    path.write_text(f"import os, sys\npath = sys.argv[-1]\n{code}\n", "utf-8")
    return [sys.executable, str(path)]


def test_the_file_is_nobody_elses_and_is_gone_afterwards(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    words = script(tmp_path, f"""
open({str(seen)!r}, "w").write(f"{{os.stat(path).st_mode}} {{os.stat(os.path.dirname(path)).st_mode}} {{path}}")
text = open(path, encoding="utf-8").read()
open(path, "w", encoding="utf-8").write(text + " and 冰\\n")""")  # fmt: skip
    assert carry_out(words, "雪\nsnow") == "雪\nsnow and 冰"
    file, folder, path = seen.read_text().split(" ", 2)
    assert (stat.S_IMODE(int(file)), stat.S_IMODE(int(folder))) == (0o600, 0o700) and not Path(path).exists()
    assert carry_out(script(tmp_path, ""), "ends so\n") == "ends so\n"


def test_ctrl_c_is_the_programs(tmp_path: Path) -> None:
    code = "import signal\nos.kill(os.getppid(), signal.SIGINT)\nopen(path, 'a').write('!')"
    before = signal.getsignal(signal.SIGINT)
    assert carry_out(script(tmp_path, code), "still here") == "still here!"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("code", "said"),
    [("sys.exit(3)", "status 3"), ("os.remove(path)", "can't be read"),
     ("open(path, 'w').truncate(20_000_000)", "is over")],
)  # fmt: skip
def test_a_program_that_fails_changes_nothing(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        carry_out(script(tmp_path, code), "text")


def test_the_program_is_the_users_or_a_usual_one() -> None:
    named_, usual = ("VISUAL", "EDITOR"), ("no-such-editor", "sh")
    assert command(named_, usual, {}) == [shutil.which("sh")]
    assert command(named_, usual, {"EDITOR": f"'{sys.executable}' -I"}) == [sys.executable, "-I"]
    assert command(named_, usual, {"EDITOR": "no-such", "VISUAL": sys.executable}) == [sys.executable]
    with pytest.raises(UsageError, match="no such program"):
        command(named_, usual, {"EDITOR": "no-such-editor --wait"})
    with pytest.raises(UsageError, match="can't be read"):
        command(named_, usual, {"EDITOR": "'vi"})
    with pytest.raises(UsageError, match="none of"):
        command(named_, ("no-such-editor",), {})


def test_where_the_terminal_can_not_be_given_away_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Replay(FIRST) as server:
            named(tmp_path, one=server)
            async with lab_at(tmp_path, "-m one/a") as screen:
                await screen.ask()
                await screen.shows("1/1 done")
                monkeypatch.setenv("PAGER", sys.executable)
                await screen.press("tab", "e")
                assert screen.notice == "this terminal can't be given to another program"

    asyncio.run(main())


def test_pager_and_editor_have_the_terminal_and_give_it_back(
    tmp_path: Path, serve: Servers, terminals: list[Terminal]
) -> None:
    server = serve(sse(*texts(["thought"], "reasoning_content"), *texts(["Snow \x1b[31m falls 雪"]), STOP))
    (tmp_path / "outside.py").write_text(
        "import sys\ntext = open(sys.argv[-1], encoding='utf-8').read()\n"
        "print('OUTSIDE', ascii(text))\ninput('go on?')\n"
        "open(sys.argv[-1], 'w', encoding='utf-8').write(text + ' and ice\\n')\n", "utf-8",
    )  # fmt: skip
    program = f"{sys.executable} {tmp_path / 'outside.py'}"
    terminal = Terminal(tmp_path, ["-m", "m", "--base-url", f"{server.url}/v1"], 100, 26,
                        {"PAGER": program, "EDITOR": program})  # fmt: skip
    terminals.append(terminal)
    terminal.shows("-m m")
    terminal.type("hi\n")
    terminal.shows("1/1 done", "falls 雪")
    terminal.type("\t")
    terminal.shows("i Editor")
    terminal.type("e")
    terminal.shows("OUTSIDE", "go on?", "## thinking", "u241b[31m falls")
    terminal.type("\n")
    terminal.until(lambda: terminal.raw.count(b"\x1b[?1049h") == 2, "coming back")
    terminal.type("E")
    terminal.until(lambda: terminal.raw.count(b"go on?") == 2, "the editor")
    terminal.type("\n")
    terminal.shows("1/1 done", "that was a copy")
    terminal.type("i")
    terminal.until(lambda: "i Editor" not in "\n".join(terminal.screen.display), "the editor's focus")
    terminal.type("\x10")  # the palette: in the prompt, E is a letter
    terminal.shows("Search")
    terminal.type("In the editor")
    terminal.shows("from the prompt")
    terminal.type("\r")
    terminal.until(lambda: b"OUTSIDE 'hi'" in terminal.raw and terminal.raw.count(b"go on?") == 3, "the prompt there")
    terminal.type("\n")
    terminal.shows("hi and ice", "1/1 done")
    terminal.type("\x11")
    assert terminal.end() == 0 and restored(terminal.raw)
