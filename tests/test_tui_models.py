"""The list of models: what it tells, how it is narrowed, and what the user keeps of it, against real servers."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from promptlab import config
from promptlab.cli.planning import named as meant
from promptlab.cli.tui.kept import FAVOURITES, KEPT, favour, favourites, remember, remembered
from promptlab.cli.tui.stock import Stocked
from promptlab.errors import LabError
from promptlab.providers.listing import Model
from promptlab.render.wrap import width
from promptlab.tui.app import LabApp
from promptlab.tui.choice import Choice, Choosing, Row, detail, table
from promptlab.tui.target import Models, open_one
from promptlab.tui.text import Say
from tests.replay import JSON, Replay
from tests.test_tui import Screen, Shelf, Stall, lab_at, named, places

SAY = Say("en")
LISTED = [
    {"id": "deep-r1", "context_length": 131072, "pricing": {"prompt": "0.000001", "completion": "0.0000025"},
     "reasoning": {"mandatory": False}, "architecture": {"output_modalities": ["text"]}, "status": {"value": "loaded"}},
    {"id": "plain-4b", "context_length": 8000, "supported_parameters": ["seed"], "type": "chat"},
    {"id": "vectors", "type": "embedding"},
    {"id": "[red]evil\x1b]0;x\x07\u202e雪"},
]  # fmt: skip


def server() -> Replay:
    return Replay(json.dumps({"data": LISTED}).encode(), headers=JSON)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's keys, and no server that happens to run here under a usual name."""
    import os

    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)


def models(screen: Screen) -> Models:
    found = screen.app.screen
    assert isinstance(found, Models)
    return found


def lines(screen: Screen) -> list[str]:
    listed = models(screen).query_one(OptionList)
    return [str(listed.get_option_at_index(n).prompt) for n in range(listed.option_count)]


def of(screen: Screen, target: str) -> str:
    return next((one for one in lines(screen) if target in one.split()), "")


def told(screen: Screen, id: str = "told") -> str:
    return str(models(screen).query_one(f"#{id}", Static).content)


async def opened(screen: Screen, *targets: str) -> None:
    await screen.press("f3")
    await screen.until(lambda: isinstance(screen.app.screen, Models) and models(screen).choosing.choices, "the list")
    await screen.until(lambda: all(of(screen, target) for target in targets), f"{targets}")


async def type_in(screen: Screen, text: str) -> None:
    models(screen).query_one("#letters", Input).value = text
    await screen.pilot.pause()


def test_a_line_tells_kind_thinking_context_price_key_and_what_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-proj-abcdefghij0123456789")

    async def main() -> None:
        async with server() as here:
            (tmp_path / "config.yaml").write_text(
                f"endpoints:\n  mine: {{base_url: '{here.url}/v1', key: SOME_KEY}}\n"
                "  other: {base_url: 'http://127.0.0.1:9/v1', key: NOBODYS_KEY}\n", "utf-8"
            )  # fmt: skip
            async with lab_at(tmp_path, "-m local", (150, 40)) as screen:
                await opened(screen, "mine/deep-r1", "local")
                assert here.requests[0].headers["authorization"] == "Bearer sk-proj-abcdefghij0123456789"
                deep = of(screen, "mine/deep-r1")
                assert deep.startswith("  ● ") and deep.split()[2:] == [
                    "chat", "can", "think", "128k", "1", "/", "2.5", "environment"
                ]  # fmt: skip
                assert of(screen, "mine/plain-4b").split()[1:] == ["chat", "no", "8k", "?", "environment"]
                assert of(screen, "mine/vectors").split()[1] == "embedding"
                assert of(screen, "local").split()[:2] == ["✓", "local"]
                assert "not set" in of(screen, "openai/o3") and "sk-proj" not in "\n".join(lines(screen))
                shown = "\n".join(lines(screen))
                assert not {"\x1b", "\x07", "\u202e"} & set(shown) and "[red]evil" in shown
                for key, there, gone in (("f5", "local", "mine/deep-r1"), ("f6", "mine/deep-r1", "mine/plain-4b"),
                                         ("f7", "mine/vectors", "openai/o3")):  # fmt: skip
                    await screen.press(key)
                    assert of(screen, there) and not of(screen, gone)
                    await screen.press(key)
                await type_in(screen, "openai o3")
                assert lines(screen)[0].split()[0] == "openai/o3" and "OPENAI_API_KEY" in told(screen, "detail")

    asyncio.run(main())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("cells", [80, 120])
def test_the_key_that_the_foot_names_ticks_behind_letters_too(tmp_path: Path, language: str, cells: int) -> None:
    async def main() -> None:
        async with server() as here:
            named(tmp_path, mine=here)
            async with lab_at(tmp_path, "-m local", (cells, 30), language) as screen:
                await opened(screen, "mine/plain-4b")
                assert "tab " in told(screen, "box-foot")
                await screen.press(*"plain", "tab")
                assert of(screen, "mine/plain-4b").startswith("✓")

    asyncio.run(main())


def test_several_are_ticked_and_the_rest_of_the_words_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with server() as here:
            named(tmp_path, mine=here)
            words = "sweep -m local  -t '0, 1' --model='mine/deep-r1?effort=low' -n 3"
            async with lab_at(tmp_path, words, (120, 40)) as screen:
                await opened(screen, "mine/plain-4b", "mine/deep-r1?effort=low")
                ticked = [line for line in lines(screen) if line.startswith("✓")]
                assert len(ticked) == 2 and "local" in ticked[0] and "mine/deep-r1?effort=low" in ticked[1]
                await screen.press("space", "down")  # the first one is `local`: no longer
                await screen.press(*"plain")
                await screen.press("tab")
                await screen.press(*"x", "backspace", "space", "escape")  # a blank behind a letter is one
                assert screen.app.lab_screen.words == words
                await opened(screen, "mine/plain-4b")
                await screen.press("space", *"plain", "space", *"4b")
                assert models(screen).query_one("#letters", Input).value == "plain 4b"
                await screen.press("tab", "enter")
                assert screen.app.lab_screen.words == (
                    "sweep -t '0, 1' --model='mine/deep-r1?effort=low' -m mine/plain-4b -n 3"
                )
                await opened(screen, "mine/plain-4b")
                await screen.press("ctrl+x", *"deep", "enter")  # none, and then the one that is pointed at
                assert wording_targets(screen) == ["mine/deep-r1"]
                await screen.pilot.pause()
                assert screen.app.focused is screen.editor

    asyncio.run(main())


def wording_targets(screen: Screen) -> list[str]:
    from promptlab.tui.wording import targets

    return targets(screen.app.lab_screen.words)


def test_the_mouse_ticks_narrows_and_uses_them() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), SAY, "-t 1")
        async with app.run_test(size=(100, 30)) as pilot:
            screen = Screen(app, pilot)
            await opened(screen, "local")
            await pilot.click("#list", offset=(8, 1))
            await pilot.click("#list", offset=(8, 0))
            assert models(screen).choosing.ticked == ["ollama/qwen3:4b", "local"]
            await pilot.click(".narrowing")
            await pilot.pause()
            assert models(screen).choosing.narrowed == {"local"} and len(lines(screen)) == 1
            await pilot.click("#box-foot")
            await pilot.pause()
            assert app.lab_screen.words == "-t 1 -m ollama/qwen3:4b -m local"

    asyncio.run(main())


def test_favourites_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with server() as here:
            named(tmp_path, mine=here)
            async with lab_at(tmp_path, "-m local", (80, 24)) as screen:
                await opened(screen, "mine/plain-4b")
                await screen.press(*"plain", "ctrl+f")
                await screen.until(lambda: "a favourite now: mine/plain-4b" in told(screen))
                await screen.press("escape")
        async with lab_at(tmp_path, "-m local", (80, 24)) as screen:  # its server is gone by now
            await opened(screen, "mine/plain-4b")
            await screen.press("f8")
            assert [line.split()[:2] for line in lines(screen)] == [["★", "mine/plain-4b"]]
            await screen.press("ctrl+f")
            await screen.until(lambda: "no favourite" in told(screen))
            assert lines(screen) == []

    asyncio.run(main())
    assert favourites(places(tmp_path)) == []
    with ThreadPoolExecutor() as pool:  # two keys in a row: none of the marks is lost
        list(pool.map(lambda target: favour(places(tmp_path), target, on=True), ["a/b", "雪/c", "d/e", "a/b"]))
    assert sorted(favourites(places(tmp_path))) == ["a/b", "d/e", "雪/c"]
    for broken in (b"{", b'{"a": 1}', b"\xff", b"[1, null]"):
        (tmp_path / FAVOURITES).write_bytes(broken)
        assert favourites(places(tmp_path)) == []


def test_a_group_is_named_kept_used_on_the_command_line_and_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        async with server() as here:
            settings = f"# mine\nendpoints:\n  mine: {{base_url: '{here.url}/v1'}}  # the lab's\n"
            (tmp_path / "config.yaml").write_text(settings, "utf-8")
            async with lab_at(tmp_path, "-m mine/deep-r1 -m 'mine/plain-4b?temperature=0.2'", (120, 40)) as screen:
                await opened(screen, "mine/deep-r1")
                await screen.press("ctrl+g", *"loc al", "enter")
                await screen.until(lambda: told(screen).startswith("✗ "))  # a blank is in no name
                assert (tmp_path / "config.yaml").read_text("utf-8") == settings
                field = models(screen).query_one("#name", Input)
                assert field.value == "loc al" and screen.app.focused is field
                field.value = "两个"
                await screen.press("enter")
                await screen.until(lambda: "-m @两个 means these 2" in told(screen))
                said = (tmp_path / "config.yaml").read_text("utf-8")
                assert said.startswith(settings)
                assert meant(["@两个"], config.settings(places(tmp_path))) == [
                    "mine/deep-r1", "mine/plain-4b?temperature=0.2"
                ]  # fmt: skip
                await screen.press("ctrl+x", *"@", "enter")
                await screen.until(lambda: screen.app.screen is screen.app.lab_screen)
                assert wording_targets(screen) == ["@两个"]
                assert await asyncio.to_thread(screen.app.lab_screen.lab.check, "-m @两个 -t 0,1", "hi") == 3
                await opened(screen, "@两个")
                await screen.press("ctrl+d")
                assert "once more" in told(screen)
                await screen.press("ctrl+d")
                await screen.until(lambda: "is gone" in told(screen))
                assert not of(screen, "@两个") or "no such group" in of(screen, "@两个")
                assert "groups" not in config.settings(places(tmp_path)).groups
                await screen.press("ctrl+d")
                assert told(screen) == "no group is pointed at"

    asyncio.run(main())
    assert config.settings(places(tmp_path)).groups == {}


def test_settings_that_cannot_be_changed_are_left_as_they_are(tmp_path: Path) -> None:
    stock = Stocked(places(tmp_path))
    (tmp_path / "config.yaml").write_text("groups: {a: [local]}\naliases: {fast: local}\n", "utf-8")
    assert stock.groups() == {"a": ["local"]}
    with pytest.raises(LabError, match="braces"):
        stock.keep_group("b", ["local"])
    with pytest.raises(LabError, match="alias"):
        stock.keep_group("fast", ["local"])
    with pytest.raises(LabError, match="nothing"):
        stock.keep_group("b", [])
    assert stock.groups() == {"a": ["local"]}
    said = "groups:\n  # two\n  a: [local]\n  b:\n    - x/y\n    - local  # last\n"
    (tmp_path / "config.yaml").write_text(said, "utf-8")
    stock.keep_group("b", ["local", "x/y z"])
    stock.keep_group("c", ["local"])
    stock.drop_group("a")
    assert stock.groups() == {"b": ["local", "x/y z"], "c": ["local"]}
    assert "# two" in (tmp_path / "config.yaml").read_text("utf-8")


def test_one_target_is_chosen_for_whoever_asks() -> None:
    async def main() -> None:
        app = LabApp(Shelf(), SAY, "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen, found = Screen(app, pilot), list[str]()
            app.lab_screen.call_later(open_one, app.lab_screen, "Another target", found.append)
            await screen.until(lambda: isinstance(app.screen, Models) and lines(screen))
            await screen.press(*"qwen", "tab", "enter")
            assert found == ["ollama/qwen3:4b"] and app.lab_screen.words == "-m local"

    asyncio.run(main())


class Slow(Stall):
    """Its servers answer when a test wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.looked: list[bool] = []

    def choices(self, *, fresh: bool = False) -> list[Choice]:
        self.looked.append(fresh)
        assert self.free.wait(30)
        if fresh:
            raise LabError("the settings are broken\x1b[2J", "mend them")
        return super().choices()


def test_keys_are_answered_while_it_looks_and_what_is_wrong_is_told() -> None:
    async def main() -> None:
        shelf = Shelf()
        shelf.models = stock = Slow()
        app = LabApp(shelf, SAY, "-m local")
        async with app.run_test(size=(80, 24)) as pilot:
            screen = Screen(app, pilot)
            await screen.press("f3", *"qwen", "enter")
            assert told(screen) == "looking around …" and models(screen).choosing.letters == "qwen"
            stock.free.set()
            await screen.until(lambda: of(screen, "ollama/qwen3:4b"))
            assert told(screen) == ""
            await screen.press("ctrl+r")
            await screen.until(lambda: told(screen) == "✗ the settings are broken␛[2J → mend them")
            assert of(screen, "ollama/qwen3:4b") and stock.looked == [False, True]
            await screen.press("enter")
            assert app.lab_screen.words == "-m local -m ollama/qwen3:4b"

    asyncio.run(main())


@pytest.mark.parametrize("size", [(20, 6), (40, 15), (80, 24), (200, 60)])
def test_the_list_can_be_used_at_any_size(size: tuple[int, int]) -> None:
    async def main() -> None:
        app = LabApp(Shelf(), Say("zh"), "-m local")
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot)
            await opened(screen, "local")
            await screen.press("down", "space", "pagedown", "up")
            assert all(sum(part.cell_length for part in strip) <= size[0]
                       for strip in models(screen)._compositor.render_strips())  # fmt: skip
            await pilot.resize_terminal(100, 30)
            await screen.press("enter")
            assert app.lab_screen.words == "-m local -m ollama/qwen3:4b"

    asyncio.run(main())


# Without a screen -----------------------------------------------------------------------------------------------------


def choice(target: str, **known: object) -> Choice:
    endpoint, _, id = target.partition("/")
    lacks = str(known.pop("lacks", ""))
    return Choice(Model(endpoint, id, **known), lacks=lacks)  # type: ignore[arg-type]


def ids(choosing: Choosing) -> list[str]:
    return [row.id for row in choosing.shown().rows]


def test_what_was_chosen_and_favourites_come_first_and_what_has_no_key_last() -> None:
    choices = [choice("a/one", lacks="A_KEY"), choice("b/two"), choice("c/three"), choice("d/four", lacks="D_KEY")]
    choosing = Choosing(["d/four", "x/gone?seed=1"], choices, {"both": ["b/two", "c/three"]}, {"c/three"})
    assert ids(choosing) == ["@both", "d/four", "x/gone?seed=1", "c/three", "b/two", "a/one"]
    choosing.letters = "o"
    assert set(ids(choosing)) == {"@both", "d/four", "b/two", "a/one", "x/gone?seed=1"} and ids(choosing)[-1] == "a/one"
    choosing.letters = "wo t"
    assert ids(choosing) == ["b/two"]
    choosing.letters, choosing.narrowed = "", {"key", "favourites"}
    assert ids(choosing) == ["c/three"]
    assert choosing.members(["@both", "b/two", "d/four"]) == ["b/two", "c/three", "d/four"]
    assert choosing.chosen("b/two") == ["d/four", "x/gone?seed=1", "b/two"]
    assert choosing.chosen("d/four") == choosing.chosen(None) == ["d/four", "x/gone?seed=1"]
    choosing.tick("d/four")
    assert choosing.chosen("b/two") == ["x/gone?seed=1"]
    assert ids(Choosing(["fast", "@lost"], choices))[:2] == ["@lost", "fast"]


@pytest.mark.parametrize("cells", [1, 10, 30, 60, 100, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_line_is_wider_than_the_room_and_columns_stand_below_each_other(cells: int, language: str) -> None:
    rows = [Row("@群组", members=("a/b",) * 40), *(Row(one.target, one) for one in (
        choice("ollama/qwen3:4b", kind="chat", thinks="yes", context=131072, local=True, loaded=True),
        choice("供应商/" + "很长的名字" * 20, kind="chat", price=(1e-6, 2e-6), retires="2027-01-01", lacks="A" * 90),
    ))]  # fmt: skip
    head, told = table(rows, cells, Say(language))
    assert all(width(line) <= cells for line in (head, *told))
    said = detail(rows[1], Say(language))
    assert "128k" in said and ("chat" if language == "en" else "对话") in said
    if cells == 200:
        assert "131072" not in told[1] and "128k" in told[1]


def test_the_last_words_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    where = places(tmp_path)
    words = "-m a --var 'text=one\n  two'"
    remember(where, "words", words)
    remember(where, "theme", "nord")
    assert (remembered(where), remembered(where, "theme")) == (words, "nord")
    remember(where, "words", "-m 'a" + "x" * 30_000)
    assert remembered(where) == "" and remembered(where, "theme") == "nord"
    (where.cache / KEPT).write_text(json.dumps({"words": "-m a\x1b[31m\u202e"}), "utf-8")
    assert remembered(where) == "-m a[31m"
    assert not list(where.cache.glob(".*"))
