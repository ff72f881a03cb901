"""Keys as they are told: the last row has whole ones only, help has all of them, on every page, as they are bound."""

from __future__ import annotations

import asyncio

import pytest
from textual.widgets import OptionList, Static
from textual.widgets._footer import FooterKey

from promptlab.params import PARAMETERS
from promptlab.render.wrap import width
from promptlab.tui.app import LabApp, binding_ids
from promptlab.tui.foot import Foot, fitted
from promptlab.tui.library import Library
from promptlab.tui.outlook import explained
from promptlab.tui.pages import LAB, PANES
from promptlab.tui.picker import Help
from promptlab.tui.text import Say
from tests.test_tui import Screen, Shelf


def key(shown: str, what: str, action: str = "x") -> FooterKey:
    return FooterKey(shown, shown, what, action)


def test_the_last_row_has_whole_keys_and_keeps_the_way_out() -> None:
    keys = [key("^j", "Send"), key("esc", "Stop", "stop"), key("f1", "Keys", "help"), key("z", "Zoom"),
            key("f10", "Zoom"), key("^r", "历史记录"), key("^q", "Quit", "quit")]  # fmt: skip
    for cells in range(120):
        told = [f"{one.key_display} {one.description}" for one in fitted(keys, cells)]
        assert width(" ".join(told)) <= cells and told.count("f10 Zoom") == 0
    assert [one.key for one in fitted(keys, 120)] == ["^j", "esc", "f1", "z", "^r", "^q"]
    assert [one.key for one in fitted(keys, 24)] == ["esc", "f1", "^q"]
    assert [one.key for one in fitted(keys, 32)] == ["^j", "esc", "f1", "^q"]


def whole(foot: Foot, cells: int) -> bool:
    keys = list(foot.query(FooterKey))
    return foot.region.width == cells and bool(keys) and keys[-1].region.right <= cells


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_key_of_a_page_is_cut_at_any_width(language: str) -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say(language), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await pilot.press("ctrl+l")
            await screen.until(lambda: isinstance(app.screen, Library) and app.screen.query(FooterKey))
            for cells in (40, 33, 80):
                await pilot.resize_terminal(cells, 20)
                await screen.until(lambda: whole(app.screen.query_one(Foot), app.size.width))
                keys = app.screen.query(FooterKey)
                assert {"help", "quit"} <= {one.action.rpartition(".")[2] for one in keys}

    asyncio.run(main())


async def told(screen: Screen) -> list[str]:
    """The lines of the help that stands there."""
    await screen.until(lambda: isinstance(screen.app.screen, Help))
    parts = screen.app.screen.query(".part").results(Static)
    await screen.until(lambda: any(str(part.content) for part in parts))
    return [line for part in screen.app.screen.query(".part").results(Static) for line in str(part.content).split("\n")]


def test_every_key_is_in_a_part_of_the_help() -> None:
    names = {id.partition(".")[2].rstrip("0123456789") for id in binding_ids() if id.startswith("lab.")}
    assert names == {name for part in LAB.values() for name in part}
    names = {id.partition(".")[2].rstrip("0123456789") for id in binding_ids() if id.startswith("panes.")}
    assert names == {name for part in PANES.values() for name in part}


@pytest.mark.parametrize("cells", [40, 80, 200])
def test_help_begins_where_the_focus_is_and_its_lines_stand_beside_their_keys(cells: int) -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local", keymap={"lab.models": "f12"})
        async with app.run_test(size=(cells, 24)) as pilot:
            screen = Screen(app, pilot)
            await pilot.press("f1")
            lines = await told(screen)
            assert lines[0].startswith("Ask") and "k_" not in "\n".join(lines)
            assert any(line.split()[:2] == ["f12", "Models"] for line in lines), "a key that is bound elsewhere"
            assert all(line.startswith("  ") for line in lines if line and line[0] == " ")
            assert max(map(width, lines)) <= app.screen.query_one("#keys").region.width
            await pilot.press("escape", "tab", "question_mark")
            lines = await told(screen)
            assert lines[0].startswith("In the panes")
            assert any("Select, and copy" in line for line in lines)

    asyncio.run(main())


@pytest.mark.parametrize(("page", "wanted"), [("f3", "Keep as group"), ("ctrl+o", "As it was"), ("ctrl+r", "Export")])
def test_every_page_tells_its_own_keys(page: str, wanted: str) -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await pilot.press(page)
            await screen.until(lambda: app.screen is not app.lab_screen)
            over = app.screen
            await pilot.press("f1")
            assert wanted in "\n".join(await told(screen))
            await pilot.press("escape")
            await screen.until(lambda: app.screen is over)

    asyncio.run(main())


def test_parameters_are_explained_in_chinese() -> None:
    for name, declared in PARAMETERS.items():
        said = explained(None, name, Say("zh"))
        assert declared.help not in said and "whole number" not in said and "one of" not in said
        assert declared.help in explained(None, name, Say("en")) and declared.range_text() in explained(
            None, name, Say("en")
        )


def test_what_is_no_sweep_says_how_one_is_made() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("tab", "M")
            await pilot.pause()
            assert "sweep -m local" in Screen(app, pilot).notice

    asyncio.run(main())


def test_what_a_new_topic_takes_away_comes_back_whole() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            editor = app.lab_screen.editor
            await pilot.press(*"mine")
            editor.select_all()
            await pilot.press("x", "ctrl+z", "ctrl+n")
            assert editor.text == ""
            await pilot.press("ctrl+z")
            assert editor.text == "mine"

    asyncio.run(main())


def test_the_row_that_is_pointed_at_is_seen_without_colours() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("en"), "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await pilot.press("f3")
            await screen.until(lambda: app.screen.query(OptionList) and app.screen.query_one(OptionList).option_count)
            listed = app.screen.query_one(OptionList)
            await screen.until(lambda: listed.highlighted == 0)
            first, second = (next(iter(listed.render_line(y))).style for y in (0, 1))
            assert first is not None and first.underline and not (second and second.underline)

    asyncio.run(main())
