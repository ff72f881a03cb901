"""What is done aside from the keys comes back to the screen that asked for it, or to nobody; and fields show signs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from textual.screen import Screen as Page
from textual.widgets import Static

from promptlab.errors import LabError
from promptlab.tui.app import LabApp
from promptlab.tui.aside import Glance, aside, told
from promptlab.tui.composer import Words
from promptlab.tui.measuring import measure
from promptlab.tui.screen import LabScreen
from promptlab.tui.text import Say
from tests.test_tui import Screen, Shelf
from tests.test_tui_ladder import DONE, a_board, a_plan, tell

SAY = Say("en")


def run(main: Callable[[Screen], object], shelf: Shelf | None = None) -> None:
    async def carry_out() -> None:
        app = LabApp(shelf or Shelf(), SAY, "-m local")
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            found = main(Screen(app, pilot))
            if asyncio.iscoroutine(found):
                await found

    asyncio.run(carry_out())


def test_what_is_found_and_what_is_wrong_come_back() -> None:
    async def main(screen: Screen) -> None:
        page, found, refused = screen.app.screen, list[str](), list[LabError]()

        def broken() -> str:
            raise ValueError("[red]")

        def wrong() -> str:
            raise LabError("no", "do this")

        for do in (lambda: "well", wrong, broken):
            aside(page, SAY, do, found.append, refused.append)
        await screen.until(lambda: len(found) + len(refused) == 3)
        assert found == ["well"] and {told(one) for one in refused} == {"✗ no → do this", told(refused[-1])}
        assert any("ValueError: [red]" in one.message for one in refused)

    run(main)


def test_a_screen_that_was_left_is_told_nothing() -> None:
    async def main(screen: Screen) -> None:
        free, found = threading.Event(), list[str]()
        page = Page[None]()
        await screen.app.push_screen(page)
        aside(page, SAY, lambda: "late" if free.wait(30) else "", found.append, lambda error: found.append("wrong"))
        await screen.app.pop_screen()
        assert page.is_mounted  # which is why it is not asked
        free.set()
        aside(screen.app.screen, SAY, lambda: "next", found.append, lambda error: found.append("wrong"))
        await screen.until(lambda: found)
        await screen.app.workers.wait_for_complete()
        assert found == ["next"]

    run(main)


def test_of_those_with_a_name_only_the_newest_comes_back() -> None:
    async def main(screen: Screen) -> None:
        page, free, found = screen.app.screen, threading.Event(), list[str]()
        began, ended = threading.Event(), threading.Event()

        def first() -> str:
            began.set()
            free.wait(30)
            ended.set()
            return "first"

        aside(page, SAY, first, found.append, lambda error: None, newest="open")
        await asyncio.to_thread(began.wait, 30)
        aside(page, SAY, lambda: "second", found.append, lambda error: None, newest="open")
        await screen.until(lambda: found)
        free.set()
        await asyncio.to_thread(ended.wait, 30)
        aside(page, SAY, lambda: "third", found.append, lambda error: None)
        await screen.until(lambda: "third" in found)
        assert found == ["second", "third"]

    run(main)


def test_one_look_at_a_time_and_the_last_words_are_looked_at() -> None:
    async def main(screen: Screen) -> None:
        free, looked, seen = threading.Event(), list[str](), list[str]()
        words = ["one"]

        def sight() -> Callable[[], Callable[[], object]]:
            asked = words[-1]

            def look() -> Callable[[], object]:
                looked.append(asked)
                assert free.wait(30)
                if asked == "one":
                    raise LabError(asked)
                return lambda: seen.append(asked)

            return look

        glance = Glance(screen.app.screen, SAY, 0.01, sight, lambda error: seen.append(f"✗ {error.message}"))
        glance.begin()
        await screen.until(lambda: looked)
        for word in ("two", "three"):
            words.append(word)
            glance.expect()
            await screen.until(lambda: not glance.waits)
        assert looked == ["one"]
        free.set()
        await screen.until(lambda: len(seen) == 2)
        assert seen == ["✗ one", "three"] and looked == ["one", "three"]

    run(main)


def test_a_fault_of_the_history_ends_no_measuring() -> None:
    class Broken(Shelf):
        def best(self, run: int) -> int | None:
            raise LabError("the history is broken")

    async def main(screen: Screen) -> None:
        lab, plan = screen.app.lab_screen, a_plan(repeats=2)
        board = a_board(plan)
        board.run = type("Kept", (), {"id": 7, "plan": plan})()
        lab.canvas.show(board)
        for cell in plan.cells:
            tell(board, cell.index, DONE)
            measure(lab)
            await screen.until(lambda: board.ladder is not None and not board.ladder.measured.busy)

    run(main, Broken())


def test_controls_in_a_field_are_signs_and_what_is_sent_stays_as_it_is() -> None:
    hostile = "-m 'x/\x1b]52;c;ZQ==\x07\u202e\x9b雪'\n\ta"

    async def main(screen: Screen) -> None:
        lab = screen.app.lab_screen
        lab.words = lab.editor.text = hostile
        field = lab.query_one(Words)
        await screen.pilot.pause()
        assert field._value.plain == "-m 'x/␛]52;c;ZQ==␇��雪'⏎ a" and lab.words == hostile
        assert field._position_to_cell(len(hostile)) == 26
        assert lab.editor.text == hostile
        strips = screen.app.screen._compositor.render_strips()
        shown = "".join(segment.text for strip in strips for segment in strip)
        assert "x/␛]52;c;ZQ==␇" in shown and not [c for c in shown if ord(c) < 32 or c in "\x9b\u202e"]

    run(main)


def test_panes_are_compared_though_others_are_shown_by_then() -> None:
    from promptlab.tui.finding import open_compare

    async def main(screen: Screen) -> None:
        lab = screen.app.lab_screen
        lab.canvas.show(a_board(a_plan()))
        open_compare(lab)
        await screen.pilot.pause()
        lab.canvas.show(a_board(a_plan((0.0,), repeats=1)))  # a run has begun meanwhile: one pane
        await screen.press("end", "down", "down", "enter")
        assert isinstance(screen.app.screen, LabScreen)
        assert str(lab.query_one("#notice", Static).content) == SAY("copy_none")

    run(main)
