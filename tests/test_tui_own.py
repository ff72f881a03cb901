"""The screen as config.yaml has it: language, enter, keys, themes; and what is wrong there, by its line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual import events

from promptlab import config
from promptlab.cli.tui.own import Own, own
from promptlab.cli.tui.rooms import Rooms
from promptlab.errors import ConfigError
from promptlab.tui.app import LabApp, binding_ids
from promptlab.tui.text import Say
from tests.test_tui import places


def written(home: Path, text: str) -> Own:
    (home / "config.yaml").write_text(text, "utf-8")
    config.settings(places(home))  # what the screen may say, every command takes
    return own(places(home), binding_ids)


def test_all_that_can_be_set(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        """
aliases: {fast: local}
tui:
  language: zh
  enter: send
  theme: dusk
  keys: {lab.send: "ctrl+j, f12", panes.next: n}
  themes: {dusk: {primary: "#c08040", background: "#101014", dark: true}}
""",
    )
    assert found == Own("zh", "send", "dusk", {"lab.send": "ctrl+j,f12", "panes.next": "n"},
                        {"dusk": {"primary": "#c08040", "background": "#101014", "dark": True}})  # fmt: skip


@pytest.mark.parametrize("text", ["", "aliases: {fast: local}", "# tui: {}\naliases: {fast: local}", "tui:"])
def test_nothing_said_is_nothing_set(tmp_path: Path, text: str) -> None:
    assert written(tmp_path, text) == Own()


def test_no_file_is_nothing_set(tmp_path: Path) -> None:
    assert own(places(tmp_path), binding_ids) == Own()


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [("tui: [1]", 1, "tui must be names", "tui:"), ("tui:\n  enter: sends", 2, "enter is send or newline", "send"),
     ("tui:\n  language: fr", 2, "language is en or zh", ""), ("tui:\n  key: {}", 2, "unknown key 'key'", "keys"),
     ("tui:\n  keys:\n    lab.sent: f12", 3, "no binding 'lab.sent'", "lab.send"),
     ("tui:\n  keys:\n    lab.send: [a]", 3, "is no key", "f12"),
     ("tui:\n  keys:\n    lab.send: 'ctrl +'", 3, "is no key", "f12"),
     ("tui:\n  themes:\n    a: {dark: true}", 3, "has a primary colour", "primary"),
     ("tui:\n  themes:\n    a: {primary: '#12'}", 3, "'#12' is no colour", "in quotes"),
     ("tui:\n  themes:\n    a: {primary: red, dark: 1}", 3, "dark is true or false", "dark: true"),
     ("tui:\n  theme: 3", 2, "theme is a word", "theme"), ("tui:\n  themes: {a: {prim: red}}", 2, "'prim'", "primary")],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_line(tmp_path: Path, text: str, line: int, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, text)
    assert f"config.yaml, line {line}" in caught.value.message and said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_key_and_a_theme_of_the_users_own_work(tmp_path: Path) -> None:
    found = written(tmp_path, "tui:\n  keys: {lab.help: f12}\n  themes: {dusk: {primary: '#c08040'}}")

    async def main() -> None:
        app = LabApp(Rooms(places(tmp_path)), Say(), "-m local", theme="dusk", themes=found.made(), keymap=found.keys)
        async with app.run_test() as pilot:
            assert app.theme == "dusk"
            await pilot.press("f12")
            assert type(app.screen).__name__ == "Help"

    asyncio.run(main())


def test_every_binding_has_an_id_and_both_languages() -> None:
    assert len(binding_ids()) > 40
    places = {"app", "lab", "panes", "editor", "models", "form", "list", "history", "profiles", "profile",
              "blind"}  # fmt: skip
    assert {id.split(".")[0] for id in binding_ids()} == places


def typed(text: str) -> list[events.Key]:
    """As a terminal gives them."""
    names = {"?": "question_mark", "-": "minus", " ": "space"}
    return [events.Key(names.get(one, one), one) for one in text]


def test_keys_that_come_at_once_are_carried_out_in_their_order(tmp_path: Path) -> None:
    async def main() -> None:
        app = LabApp(Rooms(places(tmp_path)), Say(), "-m local")
        async with app.run_test() as pilot:

            async def burst(*keys: events.Key) -> None:
                for key in keys:
                    app.post_message(key)  # all before any of them is looked at
                await pilot.pause()

            await pilot.press("tab")
            assert app.focused is app.lab_screen.canvas
            await burst(*typed("iw?y"))
            assert app.lab_screen.editor.text == "w?y" and app.screen is app.lab_screen
            await burst(events.Key("f2", None), events.Key("ctrl+u", "\x15"), *typed("-m x"), events.Key("enter", "\r"),
                        *typed(" and"), events.Key("ctrl+a", "\x01"), *typed("so "))  # fmt: skip
            assert app.lab_screen.words == "-m x" and app.lab_screen.editor.text == "so w?y and"

    asyncio.run(main())
