"""Profiles on the screen: looked through, previewed for each target, edited in sections, linted, kept."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Footer, Input, OptionList, Static

from promptlab.cli.tui.rooms import Rooms
from promptlab.cli.tui.shelf import Profiles
from promptlab.cli.tui.words import MOST
from promptlab.errors import LabError, UsageError
from promptlab.places import shipped_profiles
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.tui.app import LabApp
from promptlab.tui.aside import told
from promptlab.tui.desk import Desk, Section, Tick
from promptlab.tui.library import Library
from promptlab.tui.picker import Line, Question, Requests
from promptlab.tui.shelf import Card, Draft, Look, Opened, Renamed, pick, unshown
from promptlab.tui.text import Say
from tests.command import Lab
from tests.test_tui import Screen, lab_at, places
from tests.test_tui_status import ENGLISH

WORDS = "-m local -m openai/o3 -t 0.2"
MINE = """\
# my reviewer
description: 评审代码。 # short
goal: Review the code.
rules:
  # the first
  - be brief
  - no praise
variables:
  who: us
tags: [review]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository, the shipped profiles are those of the project, too."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def kept(home: Path, name: str = "mine", text: str = MINE) -> Path:
    file = home / "profiles" / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")
    return file


class Shown(Screen):
    """The lab with a screen of profiles over it."""

    @property
    def library(self) -> Library:
        found = self.app.screen
        assert isinstance(found, Library), found
        return found

    @property
    def desk(self) -> Desk:
        found = self.app.screen
        assert isinstance(found, Desk), found
        return found

    @property
    def text(self) -> str:
        """All that stands on the terminal."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    @property
    def side(self) -> str:
        return str(self.app.screen.query_one("#shown", Static).content)

    @property
    def told(self) -> str:
        return str(self.app.screen.query_one("#told", Static).content)

    def tell_nothing(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, Library):
                screen.tell("")

    @property
    def findings(self) -> list[str]:
        found = self.app.screen.query_one("#found", OptionList)
        return [str(found.get_option_at_index(n).prompt) for n in range(found.option_count)]

    @property
    def names(self) -> list[str]:
        return [card.name for card in self.library._listed]

    def area(self, key: str) -> Section:
        return self.desk.query_one(f"#section-{key}", Section)

    async def browse(self, letters: str = "") -> None:
        await self.press("ctrl+l")
        await self.until(lambda: isinstance(self.app.screen, Library) and self.library._cards, "the library")
        await self.press(*letters)

    async def edit(self, letters: str) -> None:
        await self.browse(letters)
        await self.press("f2")
        await self.until(lambda: isinstance(self.app.screen, Desk), "the desk")
        await self.until(lambda: self.findings, "a first look")


@asynccontextmanager
async def profiles_at(
    home: Path, words: str = WORDS, size: tuple[int, int] = (120, 40), say: str = "en"
) -> AsyncIterator[Shown]:  # fmt: skip
    async with lab_at(home, words, size, say) as screen:
        yield Shown(screen.app, screen.pilot)


def test_cards_are_found_by_all_that_is_said_of_them() -> None:
    cards = [Card("mine", True, "", "评审代码", "zh", ("code",)), Card("remine", False, "", "Mines gold", "en"),
             Card("other", False, "", "of mine", "en", ("诗",))]  # fmt: skip
    origins = ("yours", "shipped")

    def names(letters: str) -> list[str]:
        return [card.name for card in pick(cards, letters, origins)]

    assert names("") == ["mine", "remine", "other"] and names("MINE") == ["mine", "remine", "other"]
    assert names("评审") == ["mine"] and names("诗") == ["other"] and names("ｃｏｄｅ") == ["mine"]
    assert names("en shipped gold") == ["remine"] and names("yours") == ["mine"] and names("zz") == []


def test_a_profile_is_found_looked_at_and_used(tmp_path: Path) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local -m openai/o3 -p summary --var points=3 -t 0.2") as screen:
            screen.editor.text = "a prompt of its own"
            await screen.browse()
            assert "summary" in screen.library.marked.name and screen.names[0] == "mine"  # type: ignore[union-attr]
            await screen.press(*"七言")
            assert screen.names == ["quatrain"]
            await screen.until(lambda: "openai/o3  (temperature 0.2)" in screen.side, "both targets")
            system, developer = screen.side.split("openai/o3  (")
            assert "── system ──" in system and "# 步骤" in system and "honoured: temperature 0.2" in system
            assert "── developer ──" in developer and "# 步骤" not in developer and "pinned" in developer
            assert "▲ more: P011" in screen.side
            await screen.press("enter")
            assert screen.app.lab_screen.words == "-m local -m openai/o3 -p quatrain --var points=3 -t 0.2"
            assert screen.editor.has_focus and screen.editor.text == "a prompt of its own"
            await screen.browse()
            assert screen.library.marked.name == "quatrain"  # type: ignore[union-attr]
            await screen.press("escape")
            assert screen.app.screen is screen.app.lab_screen

    asyncio.run(main())


def test_one_target_that_is_none_hides_no_other(tmp_path: Path) -> None:
    shelf = Profiles(places(tmp_path))
    look = shelf.look("summary", "-m nowhere/x -m local --var points=3 --var strange=1", "Here it is.")
    text = "\n".join(line for line, _ in look.lines)
    assert "unknown endpoint 'nowhere'" in text and "── user ──\nPlease" not in text and "Here it is." in text
    assert "3" in text.split("── system ──")[1]
    look = shelf.look("summary", "-m 'local", "")
    assert (
        look.lines[0][0].startswith("✗ these words can't be read")
        and ("local  (temperature 0.2)", "bold") in look.lines
    )
    look = shelf.look("summary", "-m m --base-url http://127.0.0.1:9/v1", "")
    assert look.lines[0] == ("custom/m  (temperature 0.2)", "bold")
    assert len(shelf.look("summary", " ".join(f"-m local?seed={n}" for n in range(30)), "").lines) < 1000


def test_a_shipped_profile_is_edited_into_a_copy_of_ones_own(tmp_path: Path) -> None:
    shipped = shipped_profiles() / "quatrain.yaml"
    before = shipped.read_bytes()

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("quatrain")
            assert screen.app.focused is screen.area("goal") and "shipped: saving makes a copy" in screen.text
            await screen.press("ctrl+end", *"用韵从宽", "ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")
            assert "-p quatrain (it hides the shipped one)" in screen.told and "not saved" not in screen.text
            await screen.press("ctrl+end", "x")
            await screen.until(lambda: "not saved" in screen.text, "a mark")
            await screen.press("backspace", "escape")
            await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.library._cards[0].own)
            assert screen.library.marked == screen.library._cards[0]

    asyncio.run(main())
    assert shipped.read_bytes() == before
    made = (tmp_path / "profiles" / "quatrain.yaml").read_text("utf-8")
    goal = "goal: 依所给题目写一首七言绝句，写眼前之景，见景中之情，结句有余味。"
    assert made == before.decode().replace(goal, f"{goal}用韵从宽")
    assert "用韵从宽" in Lab(tmp_path)("profiles", "show", "quatrain").out


def test_ones_own_is_saved_in_its_place_with_its_comments(tmp_path: Path) -> None:
    file = kept(tmp_path)
    file.chmod(0o640)

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            screen.area("rules").focus()
            await screen.press("ctrl+end", "enter", *"say why", "ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")
            await screen.press("f2", *"其二", "enter")
            await screen.until(lambda: "其二.yaml" in screen.told, "saving as")
            screen.desk.query_one("#name", Input).value = "mine"
            await screen.press("ctrl+s")
            await screen.until(lambda: "you have a profile 'mine' already" in screen.told, "a refusal")
            for name, said in (("a/b", "can't be a profile's name"), ("", "give it a name first")):
                screen.desk.query_one("#name", Input).value = name
                await screen.press("ctrl+s")
                await screen.until(lambda said=said: said in screen.told, said)  # type: ignore[misc]

    asyncio.run(main())
    assert file.read_text("utf-8") == MINE.replace("  - no praise\n", "  - no praise\n  - say why\n")
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in file.parent.iterdir()) == ["mine.yaml", "其二.yaml"]


def test_what_somebody_else_changed_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    file = kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            await screen.press(*"At once: ")
            file.write_text("goal: theirs\n", "utf-8")
            await screen.press("ctrl+s")
            await screen.until(lambda: "changed by somebody else" in screen.told, "a refusal")
            assert screen.area("goal").text == "At once: Review the code."
            await screen.press("f2", *"ours", "enter")
            await screen.until(lambda: "ours.yaml" in screen.told, "saving as")

    asyncio.run(main())
    assert file.read_text("utf-8") == "goal: theirs\n"
    assert 'goal: "At once: Review the code."' in (tmp_path / "profiles/ours.yaml").read_text("utf-8")


def test_lint_follows_the_typing_and_leads_to_its_section(tmp_path: Path) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path, "-m openai/o3") as screen:
            await screen.edit("mine")
            await screen.until(lambda: any("P014" in line for line in screen.findings), "an unused variable")
            screen.area("rules").focus()
            await screen.press("ctrl+end", "enter", *"think step by step")
            await screen.until(lambda: any(line.startswith("▲ rules: P001") for line in screen.findings), "P001")
            assert "rules  ▲ 1" in screen.text
            await screen.until(lambda: "- think step by step" in screen.side, "the preview")
            screen.area("variables").focus()
            await screen.press("ctrl+end", "enter", *"b: {type: number, default: x}")
            await screen.until(lambda: screen.findings[0].startswith("✗ variables: P000 line 2"), "a fault")
            assert "think step by step" in screen.side  # the last that could be made stays
            screen.area("goal").focus()
            await screen.press("f8")
            assert screen.app.focused is screen.area("variables")
            await screen.press("ctrl+s")
            await screen.until(lambda: screen.told.startswith("✗ variables, line 2"), "a refusal")
            await screen.press("f9")
            assert "steps" in screen.text and not screen.area("steps").has_class("-hidden")

    asyncio.run(main())
    assert (tmp_path / "profiles/mine.yaml").read_text("utf-8") == MINE


class Shelved(Rooms):
    """Rooms with a shelf of another kind."""

    def __init__(self, home: Path, kind: type[Profiles]) -> None:
        super().__init__(places(home))
        self._kind = kind

    @property
    def shelf(self) -> Profiles:
        return self._kind(self._places)


def test_keys_are_answered_while_it_looks_and_the_last_text_is_looked_at(tmp_path: Path) -> None:
    kept(tmp_path)
    go, judged = threading.Event(), list[str]()

    class Slow(Profiles):
        def judge(self, draft: Draft, words: str, prompt: str) -> Look:
            judged.append(draft.sections.texts["goal"])
            assert go.wait(60)
            return super().judge(draft, words, prompt)

    async def main() -> None:
        app = LabApp(Shelved(tmp_path, Slow), Say("en"), "-m local")
        async with app.run_test(size=(100, 30)) as pilot:
            screen = Shown(app, pilot)
            await screen.browse("mine")
            await screen.press("f2")
            await screen.until(lambda: judged, "a first look")
            for letter in "abc":
                await screen.press(letter)
            assert screen.area("goal").text == "abcReview the code."
            await asyncio.sleep(0.6)  # the pause of the keys is over, and the first look is not
            assert judged == ["Review the code."]
            go.set()
            await screen.until(lambda: judged[-1].startswith("abc") and screen.findings, "a second look")
            assert len(judged) == 2

    asyncio.run(main())


def test_leaving_while_it_reads_harms_nothing(tmp_path: Path) -> None:
    go, ended = threading.Event(), list[str]()

    class Slow(Profiles):
        def cards(self) -> list[Card]:
            assert go.wait(60)
            ended.append("cards")
            return super().cards()

        def open(self, name: str, prompt: str = "") -> Opened:
            assert go.wait(60)
            ended.append("open")
            raise ZeroDivisionError

    async def main() -> None:
        app = LabApp(Shelved(tmp_path, Slow), Say("en"), "-m local")
        async with app.run_test(size=(100, 30)) as pilot:
            screen = Shown(app, pilot)
            await screen.press("ctrl+l", "ctrl+n", "escape")
            go.set()
            await screen.until(lambda: len(ended) == 2, "the end of both")
            await screen.browse()
            assert screen.names and app.is_running
            await screen.press("ctrl+n")
            await screen.until(lambda: "ZeroDivisionError" in screen.told, "a bug")

    asyncio.run(main())


def test_a_text_that_is_not_saved_is_asked_about_and_waits(tmp_path: Path) -> None:
    file = kept(tmp_path)
    drafts = tmp_path / "cache" / "drafts"

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            await screen.press(*"Well, ", "escape")
            assert isinstance(screen.app.screen, Question)
            await screen.press("escape")
            assert screen.area("goal").text == "Well, Review the code."
            await screen.press("escape", "down", "enter")  # later
            await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.library._cards[0].waits)
            assert "✎" in screen.text and [one.stat().st_mode & 0o777 for one in drafts.iterdir()] == [0o600]
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and "this is what you typed" in screen.told)
            assert screen.area("goal").text == "Well, Review the code."
            await screen.press("f5")
            assert screen.area("goal").text == "Review the code."
            await screen.press("ctrl+z")
            assert screen.area("goal").text == "Well, Review the code."
            await screen.press("escape", "down", "down", "enter")  # throw it away
            await screen.until(lambda: isinstance(screen.app.screen, Library) and not screen.library._cards[0].waits)
            assert not list(drafts.iterdir()) and file.read_text("utf-8") == MINE
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk))
            await screen.press(*"Now ", "escape", "enter")  # save
            await screen.until(lambda: isinstance(screen.app.screen, Library))

    asyncio.run(main())
    assert file.read_text("utf-8") == MINE.replace("goal: Rev", "goal: Now Rev") and not list(drafts.iterdir())


def test_quitting_loses_nothing_and_a_file_that_changed_is_told(tmp_path: Path) -> None:
    file = kept(tmp_path)

    async def first() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            await screen.pilot.press(*"雪 ", "ctrl+q")
            await screen.until(lambda: not screen.app.is_running)

    async def second() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            assert screen.area("goal").text == "雪 Review the code." and "its file is another now" in screen.told
            await screen.press("ctrl+s")
            await screen.until(lambda: "changed by somebody else" in screen.told, "a refusal")

    asyncio.run(first())
    file.write_text(MINE.replace("be brief", "be long"), "utf-8")
    asyncio.run(second())
    (kept_one,) = (tmp_path / "cache" / "drafts").iterdir()
    for broken in (b"{", b"[]", b'{"texts": 3}', b'{"texts": {}, "base": "goal: [a]", "name": "", "schema": 0}'):
        kept_one.write_bytes(broken)
        assert not Profiles(places(tmp_path)).open("mine").since


def test_a_new_profile_begins_with_the_prompt(tmp_path: Path) -> None:
    async def main() -> None:
        async with profiles_at(tmp_path, size=(80, 24)) as screen:
            screen.editor.text = "写一首关于 {{what}} 的诗"
            await screen.browse()
            await screen.press("ctrl+n")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            assert screen.app.focused is screen.desk.query_one("#name")
            assert screen.area("prompt").text == "写一首关于 {{what}} 的诗"
            await screen.until(lambda: any("P013" in line for line in screen.findings), "an undeclared variable")
            await screen.press(*"poem", "tab")
            screen.area("variables").text = "what: 雪"
            screen.area("rules").text = "七言\n- 四行\n  押韵"
            await screen.press("f4")
            await screen.until(lambda: isinstance(screen.app.screen, Requests), "the preview")
            assert "写一首关于 雪 的诗" in str(screen.app.screen.query_one("#keys Static", Static).content)
            await screen.press("escape", "ctrl+s")
            await screen.until(lambda: "poem.yaml" in screen.told, "saving")
            await screen.until(lambda: "not saved" not in screen.text)
            await screen.press("escape")
            await screen.until(lambda: isinstance(screen.app.screen, Library) and "poem" in screen.names)
            assert screen.library.marked.name == "poem"  # type: ignore[union-attr]
            await screen.press("enter")
            assert screen.app.lab_screen.words == f"{WORDS} -p poem"
            await screen.until(lambda: not screen.editor.text, "the prompt, which is the profile's own now")
            await screen.press("ctrl+z")
            assert screen.editor.text.startswith("写一首")

    asyncio.run(main())
    assert (tmp_path / "profiles/poem.yaml").read_text("utf-8") == (
        "prompt: 写一首关于 {{what}} 的诗\nrules:\n  - 七言\n  - |\n    四行\n    押韵\nvariables:\n  what: 雪\n"
    )
    assert Lab(tmp_path)("ask", "-p", "poem", "-m", "local", "--dry-run").out.count("写一首关于 雪 的诗")


def test_a_schema_is_ticked(tmp_path: Path) -> None:
    kept(tmp_path, "form", "goal: g\nformat: {type: object}\n")

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("form")
            assert screen.desk.query_one("#schema", Tick).value and screen.area("format").text == "type: object"
            assert "x" in str(screen.desk.query_one(Tick).render())
            screen.area("format").text = "a list"
            await screen.until(lambda: screen.findings[0].startswith("✗ format: P000"), "a fault")
            screen.desk.query_one("#schema").focus()
            await screen.press("space")
            assert "x" not in str(screen.desk.query_one(Tick).render())
            await screen.until(lambda: not screen.findings[0].startswith("✗"), "a text")
            await screen.press("ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")

    asyncio.run(main())
    assert (tmp_path / "profiles/form.yaml").read_text("utf-8") == "goal: g\nformat: a list\n"


def test_a_shared_profile_harms_nothing_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    evil = r'"\e]52;c;ZXZpbA==\a [red]x[/oops] [@click=app.quit]q[/] ‮ \e[2J"'
    file = kept(tmp_path, "evil", f"description: {evil}\ngoal: {evil}\nrules: [{evil}]\ntags: [{evil}]\n")

    async def main() -> None:
        async with profiles_at(tmp_path, size=(140, 40)) as screen:
            await screen.browse("evil")
            await screen.until(lambda: "── " in screen.side, "the preview")
            seen = [screen.text]
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            await screen.until(lambda: "── " in screen.side, "the preview")
            seen.append(screen.text)
            assert all("[red]x[/oops]" in text for text in seen)
            assert not [c for c in "".join(seen) if (ord(c) < 32 and c != "\n") or c in "\x9b\u202e"]
            screen.area("context").focus()
            await screen.press(*"more", "ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")

    asyncio.run(main())
    assert file.read_text("utf-8").replace("context: more\n", "") == (
        f"description: {evil}\ngoal: {evil}\nrules: [{evil}]\ntags: [{evil}]\n"
    )


def test_a_broken_profile_is_told_and_not_used(tmp_path: Path) -> None:
    kept(tmp_path, "bad", "gaol: x\n")

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.browse("bad")
            assert "✗ bad" in screen.text and "unknown key 'gaol'" in screen.side
            await screen.press("enter")
            assert "unknown key 'gaol'" in screen.told
            await screen.press("end", *["backspace"] * 3, *"zzz")
            assert "no profile like that" in screen.text
            await screen.press("enter", "f2", "down", "escape")
            assert not screen.app.screen.query("#letters") and screen.app.lab_screen.words == WORDS

    asyncio.run(main())


def test_what_it_extends_is_told(tmp_path: Path) -> None:
    kept(tmp_path)
    kept(tmp_path, "child", "extends: mine\nformat: one line\n")
    opened = Profiles(places(tmp_path)).open("child")
    assert opened.inherited["goal"] == "Review the code." and "goal" not in opened.draft.sections.texts

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("child")
            assert "from what it extends: Review the code." in screen.text and "extends: mine" in screen.text

    asyncio.run(main())


def test_what_it_extends_is_no_markup(tmp_path: Path) -> None:
    kept(tmp_path, "base", 'name: base\ngoal: "Review [/oops] [@click=app.quit]all[/]."\n')
    kept(tmp_path, "child", "extends: base\nformat: one line\n")

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("child")
            assert "Review [/oops] [@click=app.quit]all[/]." in screen.text

    asyncio.run(main())


def test_saved_twice_at_once_is_saved_once(tmp_path: Path) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            screen.area("context").focus()
            await screen.press(*"more", "ctrl+s", "ctrl+s")
            await screen.until(lambda: screen.told, "saving")
            await screen.press("x", "ctrl+s")
            await screen.until(lambda: "kept as" in screen.told and not screen.desk.draft.is_changed, "saving again")

    asyncio.run(main())
    assert "context: " in (text := (tmp_path / "profiles" / "mine.yaml").read_text("utf-8")) and "morex" in text


def test_a_projects_own_profile_is_saved_there_and_hidden_by_none(tmp_path: Path) -> None:
    shelf, project = Profiles(places(tmp_path)), tmp_path / "project" / "profiles"
    project.mkdir()
    (project / "mine.yaml").write_text(MINE, "utf-8")
    assert shelf.save(shelf.open("mine").draft.put("goal", "Ours.")).file == str(project / "mine.yaml")
    assert "goal: Ours." in (project / "mine.yaml").read_text("utf-8")
    with pytest.raises(UsageError, match="you have a profile 'mine' already"):
        shelf.save(replace(shelf.open("summary").draft, name="mine"))
    assert not (tmp_path / "profiles").exists()


def test_faults_of_the_folders_are_told(tmp_path: Path) -> None:
    shelf = Profiles(places(tmp_path))
    with pytest.raises(UsageError, match="no profile 'nothing'"):
        shelf.open("nothing")
    opened = shelf.open("summary")
    (tmp_path / "profiles").write_text("a file", "utf-8")
    with pytest.raises(LabError, match="can't be written"):
        shelf.save(opened.draft.put("goal", "x"))
    (tmp_path / "cache").write_text("a file", "utf-8")
    shelf.keep(opened.draft)
    shelf.forget(opened.draft)
    gone = Draft("gone", opened.draft.sections, "gone")
    shelf.keep(gone)
    with pytest.raises(UsageError, match="gone"):
        shelf.save(gone)


@pytest.mark.parametrize("size", [(10, 5), (40, 15), (80, 24), (200, 60)])
def test_any_size_is_survived(tmp_path: Path, size: tuple[int, int]) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path, size=size) as screen:
            await screen.edit("mine")
            await screen.press("x", "f8", "f9", "tab", "f1")
            await screen.press("escape")
            await screen.pilot.resize_terminal(80, 24)
            await screen.pilot.pause()
            assert isinstance(screen.app.screen, Desk) and screen.app.screen.query(Footer)
            assert max(map(len, screen.text.split("\n"))) <= 80

    asyncio.run(main())


def test_it_speaks_chinese(tmp_path: Path) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path, say="zh") as screen:
            await screen.browse("我的")
            assert screen.names == ["mine"] and "选用" in screen.text
            await screen.until(lambda: "没有写明回答" in screen.side or "P005" in screen.side, "what lint finds")
            assert "nothing says" not in screen.side
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            for said in ("目标", "格式", "规则", "背景", "变量", "保存"):
                assert said in screen.text
            await screen.press("f1")
            await screen.pilot.pause()
            told = "\n".join(str(part.content) for part in screen.app.screen.query("#keys Static").results(Static))
            assert "换个名称" in told and "k_" not in told and "Save" not in told

    asyncio.run(main())


BROKEN = "# mine\ngoal: Review.\nrules:\n  - be brief\n - no praise\n"


def test_a_broken_profile_is_repaired_as_text(tmp_path: Path) -> None:
    file = kept(tmp_path, "bad", BROKEN.replace("\n", "\r\n"))

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local", size=(80, 24)) as screen:
            await screen.edit("bad")
            assert screen.findings[0].startswith("✗ line 5: P000") and len(screen.findings) == 1
            assert screen.area("file").cursor_location == (4, 0) and screen.area("file").has_focus
            assert "broken" not in screen.text and "- be brief" in screen.text and "f9" not in screen.text
            screen.area("file").move_cursor((0, 0))
            await screen.press("f8")
            assert screen.area("file").cursor_location == (4, 0)
            await screen.press("f9", "space")
            await screen.until(lambda: screen.findings[0].startswith("▲ line "), "a text that can be read")
            await screen.press("f4")
            await screen.until(lambda: isinstance(screen.app.screen, Requests), "the preview")
            assert "no praise" in str(screen.app.screen.query_one("#keys Static", Static).content)
            await screen.press("escape", "ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")
            assert "not saved" not in screen.text
            await screen.press("escape")
            await screen.until(lambda: isinstance(screen.app.screen, Library) and not screen.library._cards[0].fault)
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            assert screen.area("rules").text == "- be brief\n- no praise"

    asyncio.run(main())
    assert file.read_bytes() == BROKEN.replace(" - no", "  - no").replace("\n", "\r\n").encode()


def test_a_text_that_is_no_profile_is_saved_only_when_asked_twice(tmp_path: Path) -> None:
    file = kept(tmp_path, "bad", BROKEN)

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local") as screen:
            await screen.edit("bad")
            for keys in (["enter"], ["escape"]):  # the first answer goes on, and so does leaving the question
                await screen.press("雪", "ctrl+s")
                await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
                assert "bad, line " in screen.text and file.read_text("utf-8") == BROKEN
                await screen.press(*keys)
                assert isinstance(screen.app.screen, Desk) and "bad, line " in screen.told
            await screen.press("ctrl+s")
            await screen.until(lambda: isinstance(screen.app.screen, Question))
            await screen.press("down", "enter")
            await screen.until(lambda: "kept as" in screen.told, "saving")
            await screen.press("x", "f2", *"other", "enter")
            await screen.until(lambda: isinstance(screen.app.screen, Question), "a question for another name, too")
            await screen.press("down", "enter")
            await screen.until(lambda: "other.yaml" in screen.told, "saving as")

    asyncio.run(main())
    assert file.read_text("utf-8") == BROKEN.replace(" - no", "雪雪 - no")
    assert (file.parent / "other.yaml").read_text("utf-8") == BROKEN.replace(" - no", "雪雪x - no")


def test_a_broken_text_that_is_not_saved_waits_and_is_left_to_whoever_changed_it(tmp_path: Path) -> None:
    file = kept(tmp_path, "bad", BROKEN)

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local") as screen:
            await screen.edit("bad")
            await screen.press("雪", "escape", "down", "enter")  # later
            await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.library._cards[0].waits)
            file.write_text("goal: theirs\n", "utf-8")
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and "its file is another now" in screen.told)
            assert screen.area("file").text == BROKEN.replace(" - no", "雪 - no")
            await screen.press("ctrl+s")
            await screen.until(lambda: "changed by somebody else" in screen.told, "a refusal")
            await screen.press("f5")
            assert screen.area("file").text == BROKEN
            await screen.press("ctrl+z", "escape", "down", "down", "enter")  # throw it away
            await screen.until(lambda: isinstance(screen.app.screen, Library) and not screen.library._cards[0].waits)
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            assert screen.area("goal").text == "theirs"

    asyncio.run(main())
    assert file.read_text("utf-8") == "goal: theirs\n"


def test_lines_of_a_broken_text_that_are_not_edited_stay_what_they_are(tmp_path: Path) -> None:
    file = kept(tmp_path, "evil", "goal: [a\n# \x1b]0;x\x07 \u202e [red]x[/oops]\n")

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local") as screen:
            await screen.edit("evil")
            assert "[red]x[/oops]" in screen.text and not set("\x1b\x07\u202e") & set(screen.text)
            screen.area("file").move_cursor((0, 8))
            await screen.press("x", "ctrl+s")
            await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
            await screen.press("down", "enter")
            await screen.until(lambda: "kept as" in screen.told, "saving")

    asyncio.run(main())
    assert file.read_text("utf-8") == "goal: [ax\n# \x1b]0;x\x07 \u202e [red]x[/oops]\n"


def test_a_file_that_is_no_text_is_told_and_left_alone(tmp_path: Path) -> None:
    file = kept(tmp_path, "bad", BROKEN)
    shelf = Profiles(places(tmp_path))
    draft = shelf.open("bad").draft
    with pytest.raises(UsageError, match="binary"):
        shelf.save(draft.put("file", "a\0b"), unread=True)  # it could not be opened again
    file.write_bytes(b"goal: \xff\n")

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local") as screen:
            await screen.browse("bad")
            await screen.press("f2")
            await screen.until(lambda: "not UTF-8" in screen.told, "a refusal")
            assert isinstance(screen.app.screen, Library)

    asyncio.run(main())
    assert file.read_bytes() == b"goal: \xff\n"


def test_a_profile_is_renamed_with_what_was_not_saved_of_it(tmp_path: Path) -> None:
    kept(tmp_path, text=f"name: mine\n{MINE}")
    kept(tmp_path, "child", "extends: mine\nformat: one line\n")

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local -p mine -t 0.2") as screen:
            await screen.edit("mine")
            await screen.press(*"Well, ", "escape", "down", "enter")  # later
            await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.library._cards[1].waits)
            for name, said in (("a/b", "can't be a profile's name"), ("child", "you have a profile 'child' already")):
                await screen.press("f6")
                await screen.until(lambda: isinstance(screen.app.screen, Line), "a line")
                await screen.press(*name, "enter")
                await screen.until(lambda said=said: isinstance(screen.app.screen, Library) and said in screen.told)  # type: ignore[misc]
            await screen.press("f6", "enter")  # the same name
            await screen.press("f6", *"其二", "enter")
            await screen.until(lambda: "mine is called 其二 now" in screen.told and "其二" in screen.names)
            assert "child extend mine" in screen.told and screen.library.marked.name == "其二"  # type: ignore[union-attr]
            assert screen.library.marked.waits  # type: ignore[union-attr]
            assert screen.app.lab_screen.words == "-m local -p 其二 -t 0.2"
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and "and did not save" in screen.told)
            assert screen.area("goal").text == "Well, Review the code."
            await screen.press("ctrl+s")
            await screen.until(lambda: "kept as" in screen.told, "saving")

    asyncio.run(main())
    assert sorted(one.name for one in (tmp_path / "profiles").iterdir()) == ["child.yaml", "其二.yaml"]
    assert (tmp_path / "profiles/其二.yaml").read_text("utf-8").startswith("name: 其二\n# my reviewer")
    assert not list((tmp_path / "cache" / "drafts").iterdir())


def test_a_broken_profile_is_renamed_with_what_was_not_saved_of_it(tmp_path: Path) -> None:
    kept(tmp_path, "bad", BROKEN)
    shelf = Profiles(places(tmp_path))
    shelf.keep(shelf.open("bad").draft.put("file", "goal: x\n"))
    assert shelf.rename("bad", str(tmp_path / "profiles" / "bad.yaml"), "good") == Renamed("good", [])
    opened = shelf.open("good")
    assert opened.since and not opened.stale and opened.draft.sections.texts == {"file": "goal: x\n"}
    assert shelf.save(opened.draft).file == str(tmp_path / "profiles" / "good.yaml")


def test_a_profile_is_removed_once_it_is_agreed_to(tmp_path: Path) -> None:
    file = kept(tmp_path)
    kept(tmp_path, "child", "extends: mine\nformat: one line\n")
    kept(tmp_path, "quatrain", "goal: mine\n")

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.edit("mine")
            await screen.press(*"Well, ", "escape", "down", "enter")  # later
            await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.library._cards[1].waits)
            for keys in (["enter"], ["escape"]):  # it is kept unless they say otherwise
                await screen.press("f8")
                await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
                assert "extended by child" in screen.text and "did not save" in screen.text
                await screen.press(*keys)
                assert file.exists() and isinstance(screen.app.screen, Library)
            await screen.press("f8")
            await screen.until(lambda: isinstance(screen.app.screen, Question))
            await screen.press("down", "enter")
            await screen.until(lambda: "mine is removed" in screen.told and "mine" not in screen.names)
            await screen.press(*"quatrain", "f8")
            await screen.until(lambda: isinstance(screen.app.screen, Question))
            await screen.press("down", "enter")
            behind = str(shipped_profiles() / "quatrain.yaml")
            await screen.until(lambda: f"quatrain is removed; that name means {behind} now" in screen.told)
            await screen.until(lambda: screen.library.marked is not None and not screen.library.marked.own)

    asyncio.run(main())
    assert [one.name for one in file.parent.iterdir()] == ["child.yaml"]
    assert not list((tmp_path / "cache" / "drafts").iterdir())


def test_what_is_shipped_stays(tmp_path: Path) -> None:
    before = sorted(one.name for one in shipped_profiles().iterdir())

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.browse("quatrain")
            for key in ("f6", "f8"):
                screen.library.tell("")
                await screen.press(key)
                assert "quatrain is shipped with promptlab" in screen.told
                assert isinstance(screen.app.screen, Library)

    asyncio.run(main())
    shelf = Profiles(places(tmp_path))
    with pytest.raises(UsageError, match="shipped with promptlab"):
        shelf.remove("quatrain", str(shipped_profiles() / "quatrain.yaml"))
    with pytest.raises(UsageError, match="shipped with promptlab"):
        shelf.rename("quatrain", str(shipped_profiles() / "quatrain.yaml"), "mine")
    assert sorted(one.name for one in shipped_profiles().iterdir()) == before


def of_the_project(text: str = "goal: ours\n") -> Path:
    """Another profile `mine`, nearer than the one in the user's own folder."""
    file = Path.cwd() / "profiles" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    return file


def test_no_other_file_is_removed_or_renamed_than_was_asked_about(tmp_path: Path) -> None:
    own, nearer = kept(tmp_path), of_the_project()

    async def main() -> None:
        async with profiles_at(tmp_path) as screen:
            await screen.browse("mine")
            await screen.press("f8")
            await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
            nearer.unlink()
            await screen.press("down", "enter")
            await screen.until(lambda: "mine is another file now" in screen.told, "a refusal")
            assert own.read_text("utf-8") == MINE
            await screen.until(lambda: screen.library.marked.file == str(own), "the list anew")  # type: ignore[union-attr]
            await screen.press("f6")
            await screen.until(lambda: isinstance(screen.app.screen, Line), "a line")
            nearer.write_text("goal: new\n", "utf-8")
            await screen.press(*"其二", "enter")
            await screen.until(lambda: "mine is another file now" in screen.told, "another refusal")

    asyncio.run(main())
    assert own.read_text("utf-8") == MINE and nearer.read_text("utf-8") == "goal: new\n"
    assert [one.name for one in own.parent.iterdir()] == ["mine.yaml"] == [one.name for one in nearer.parent.iterdir()]


def test_what_is_gone_is_not_removed_again_in_the_shipped_ones_name(tmp_path: Path) -> None:
    file = kept(tmp_path, "quatrain", "goal: mine\n")
    shelf = Profiles(places(tmp_path))
    file.unlink()
    for do in (lambda: shelf.remove("quatrain", str(file)), lambda: shelf.rename("quatrain", str(file), "other")):
        with pytest.raises(UsageError, match="quatrain is another file now"):
            do()
    with pytest.raises(UsageError, match="no profile 'gone'"):
        shelf.remove("gone", str(file.with_name("gone.yaml")))


def test_the_file_that_has_the_name_now_is_told(tmp_path: Path) -> None:
    own, nearer = kept(tmp_path), of_the_project()

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local -p mine") as screen:
            await screen.browse()
            for left in (str(own), ""):
                await screen.press("f8")
                await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
                await screen.press("down", "enter")
                told = f"that name means {left} now" if left else "mine is removed"
                await screen.until(lambda told=told: told in screen.told and "is the shipped" not in screen.told)  # type: ignore[misc]
                await screen.until(lambda left=left: left in [card.file for card in screen.library._cards] or not left)  # type: ignore[misc]
                # where nothing of that name is left, it is not among the words any more
                assert screen.app.lab_screen.words == ("-m local -p mine" if left else "-m local")

    asyncio.run(main())
    assert not own.exists() and not nearer.exists()


@pytest.mark.parametrize(("key", "kind"), [("f8", Question), ("f2", Desk)])
def test_a_key_that_comes_twice_asks_once(tmp_path: Path, key: str, kind: type[Question | Desk]) -> None:
    file = kept(tmp_path)
    go, asked = threading.Event(), list[str]()

    class Slow(Profiles):
        def users(self, name: str) -> list[str]:
            asked.append(name)
            assert go.wait(60)
            return super().users(name)

        def open(self, name: str, prompt: str = "") -> Opened:
            asked.append(name)
            assert go.wait(60)
            return super().open(name, prompt)

    async def main() -> None:
        app = LabApp(Shelved(tmp_path, Slow), Say("en"), "-m local")
        async with app.run_test(size=(100, 30)) as pilot:
            screen = Shown(app, pilot)
            await screen.browse("mine")
            await screen.press(key, key)
            await screen.until(lambda: len(asked) == 2, "both")
            go.set()
            await screen.until(lambda: isinstance(app.screen, kind), "one")
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert [type(one) for one in app.screen_stack].count(kind) == 1

    asyncio.run(main())
    assert file.exists()


ESC, LOOK = "a: \x1b1", "a: \u241b1"  # they look alike


@pytest.mark.parametrize(
    ("raw", "typed", "saved"),
    [
        (f"{ESC}\n{LOOK}\nb", f"{LOOK}\n{LOOK}\nbx", f"{ESC}\n{LOOK}\nbx"),
        (f"b\n{LOOK}\n{ESC}", f"bx\n{LOOK}\n{LOOK}", f"bx\n{LOOK}\n{ESC}"),
        (f"b\n{LOOK}\n{ESC}\nc", f"bx\n{LOOK}\n{LOOK}\ncx", f"bx\n{LOOK}\n{ESC}\ncx"),
        (f"b\n{LOOK}\n{ESC}\nc", f"b\nnew\n{LOOK}\n{LOOK}\nnew\nc", f"b\nnew\n{LOOK}\n{ESC}\nnew\nc"),
        (f"b\n{ESC}\nc\n{LOOK}\nd", f"bx\na: 1\nc\n{LOOK}\ndx", f"bx\na: 1\nc\n{LOOK}\ndx"),
        (f"b\n{ESC}\nc", f"c\n{LOOK}\nb", f"c\n{ESC}\nb"),  # moved
        (f"b\n{ESC}\n{ESC}\nc", f"b\n{LOOK}\nc", f"b\n{ESC}\nc"),
        (f"b\n{ESC}\n{LOOK}\nc", f"b\n{LOOK}\nc", f"b\n{LOOK}\nc"),  # which one went, nobody knows
        (f"b\n{ESC}\n{LOOK}\nc", f"b\n{LOOK}\n{LOOK}\n{LOOK}\nc", f"b\n{ESC}\n{LOOK}\n{LOOK}\nc"),
        ("one\u2028line\nb", "one\nline\nbx", "one\u2028line\nbx"),
        ("one\u2028line\nb", "one\nlinex\nb", "one\u2028linex\nb"),
        ("one\u2028line\nb", "oneline\nb", "oneline\nb"),
        ("a\rb\u2029c\n\x85", "a\nb\nnew\nc\n⟨U+0085⟩", "a\rb\u2029new\nc\n\x85"),
        (f"{ESC}\n", "", ""),
        (ESC, f"{LOOK}\nb", f"{ESC}\nb"),
        (f"b\n{ESC}\n{ESC}", f"b\n{LOOK}", f"b\n{ESC}"),
        (f"{ESC}\u2028{ESC}\nb", f"{LOOK}\nb", f"{ESC}\u2028b"),
        (f"{ESC}\nb\u2028", f"{LOOK}\n", f"{ESC}\n"),
    ],
)
def test_lines_that_are_not_edited_are_found_by_their_place(raw: str, typed: str, saved: str) -> None:
    assert unshown(raw, typed) == saved


def test_a_large_text_of_like_lines_is_typed_into_without_delay() -> None:
    raw = "\n".join(["first", *[ESC, LOOK] * 50_000, "last"])
    shown = raw.replace("\x1b", "\u241b")
    started = time.monotonic()
    assert unshown(raw, f"x{shown}x") == f"x{raw}x"
    unshown(raw, f"x\n{shown}\n{LOOK}\nx")
    assert time.monotonic() - started < 5


def test_an_edit_elsewhere_changes_no_line_that_is_shown_as_another(tmp_path: Path) -> None:
    text = f"goal: [a\n{ESC}\n{LOOK}\n# one\u2028line\n"
    file = kept(tmp_path, "bad", text)

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local") as screen:
            await screen.edit("bad")
            for place in ((0, 8), (4, 4)):
                screen.area("file").move_cursor(place)
                await screen.press("x")
            await screen.press("ctrl+s")
            await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")
            await screen.press("down", "enter")
            await screen.until(lambda: "kept as" in screen.told, "saving")

    asyncio.run(main())
    assert file.read_bytes().decode() == f"goal: [ax\n{ESC}\n{LOOK}\n# one\u2028linex\n"


@pytest.mark.parametrize("waits", [False, True])
def test_what_waits_for_an_earlier_profile_of_the_new_name_is_kept_apart(tmp_path: Path, waits: bool) -> None:
    kept(tmp_path, "a", "goal: of a\n")
    gone = kept(tmp_path, "b", "goal: of b\n")
    shelf, drafts = Profiles(places(tmp_path)), tmp_path / "cache" / "drafts"
    shelf.keep(shelf.open("b").draft.put("goal", "写入 b 的文字"))
    if waits:
        shelf.keep(shelf.open("a").draft.put("goal", "typed into a"))
    with pytest.raises(UsageError, match="you have a profile 'b' already"):
        shelf.rename("a", str(tmp_path / "profiles/a.yaml"), "b")
    assert len(list(drafts.iterdir())) == 1 + waits and shelf.open("b").since
    gone.unlink()
    (drafts / "b.yaml").write_text("another", "utf-8")

    async def main() -> None:
        async with profiles_at(tmp_path, size=(200, 40)) as screen:
            await screen.browse()
            await screen.press("f6")
            await screen.until(lambda: isinstance(screen.app.screen, Line), "a line")
            await screen.press("b", "enter")
            await screen.until(lambda: "a is called b now" in screen.told, "the new name")
            assert f"into an earlier b and not saved is in {drafts / 'b-2.yaml'}" in screen.told
            await screen.until(lambda: screen.names[0] == "b", "the list")
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk), "the desk")
            assert screen.area("goal").text == ("typed into a" if waits else "of a")

    asyncio.run(main())
    assert (drafts / "b-2.yaml").read_text("utf-8") == "goal: 写入 b 的文字\n"
    assert (drafts / "b-2.yaml").stat().st_mode & 0o777 == 0o600 and (drafts / "b.yaml").read_text("utf-8") == "another"


def test_what_waits_and_can_not_be_read_is_kept_apart_as_it_is(tmp_path: Path) -> None:
    a, b = kept(tmp_path, "a", "goal: of a\n"), kept(tmp_path, "b", "goal: of b\n")
    shelf, drafts = Profiles(places(tmp_path)), tmp_path / "cache" / "drafts"
    shelf.keep(shelf.open("b").draft.put("variables", "a: [open"))
    b.unlink()
    found = shelf.rename("a", str(a), "b")
    assert found == Renamed("b", [], str(drafts / "b.yaml")) and "a: [open" in Path(found.apart).read_text("utf-8")
    shelf.keep(shelf.open("b").draft.put("goal", "x"))
    (waiting,) = drafts.glob("*.json")
    waiting.write_bytes(b"{broken")
    b.rename(kept(tmp_path, "c"))
    assert shelf.rename("c", str(b.with_name("c.yaml")), "b").apart == str(drafts / "b.json")
    assert (drafts / "b.json").read_bytes() == b"{broken" and not waiting.exists()


def test_refusals_are_said_in_chinese(tmp_path: Path) -> None:
    kept(tmp_path)
    kept(tmp_path, "其二")

    async def main() -> None:
        async with profiles_at(tmp_path, say="zh", size=(160, 40)) as screen:
            await screen.browse("mine")
            for name in ("a/b", "x.yaml", "雪" * 61, "其二"):
                await screen.press("f6")
                await screen.until(lambda: isinstance(screen.app.screen, Line), "a line")
                screen.app.screen.query_one(Input).value = name
                screen.tell_nothing()
                await screen.press("enter")
                await screen.until(lambda: isinstance(screen.app.screen, Library) and screen.told, "a refusal")
                assert "✗" in screen.told and not ENGLISH.search(screen.told) and "--force" not in screen.told
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            screen.desk.query_one("#name", Input).value = "其二"
            await screen.press("ctrl+s")
            await screen.until(lambda: "已有自己的档案“其二” → 请换个名称" in screen.told, "a refusal")

    asyncio.run(main())


def test_what_the_shelf_refuses_has_its_chinese(tmp_path: Path) -> None:
    zh, file = Say("zh"), kept(tmp_path)
    shelf = Profiles(places(tmp_path))

    def refused(do: Callable[[], object]) -> str:
        with pytest.raises(LabError) as error:
            do()
        said = told(error.value, zh).replace(str(tmp_path), "")
        assert not ENGLISH.search(re.sub("promptlab [a-z ]+|Is a directory|target, target", "", said)), said
        assert "--force" not in said
        return said

    draft = shelf.open("mine").draft.put("goal", "x")
    assert refused(lambda: shelf.rename("mine", str(file), "\udcff")).startswith("✗ 名称不是有效的 UTF-8 文字")
    assert refused(lambda: shelf.rename("mine", str(file), "mine")) == "✗ 它已叫“mine” → 请换个名称"
    assert "内置档案" in refused(lambda: shelf.remove("summary", str(shipped_profiles() / "summary.yaml")))
    file.write_text("goal: theirs\n", "utf-8")
    assert "已被他人改动" in refused(lambda: shelf.save(draft))
    nearer = of_the_project()
    assert "现在是另一个文件" in refused(lambda: shelf.remove("mine", str(file)))
    nearer.unlink()
    rooms = Rooms(places(tmp_path))
    request = Request("m", (Message("user", "hi"),), {})
    store = Store(places(tmp_path).database)
    cells = tuple(Cell(number, "lab/m", "lab", request, {}) for number in range(MOST + 1))
    run = store.begin(Plan(cells, "hi"), {})[0].id
    store.close()
    assert run is not None and "最多" in refused(lambda: rooms.history.open(run))
    assert "已有自己的档案“mine”" in refused(lambda: rooms.history.keep(run, "mine"))
    (tmp_path / "favourites.json").mkdir()
    stock = rooms.models
    assert "收藏照旧" in refused(lambda: stock.favour("local", on=True))
    (tmp_path / "config.yaml").write_text("groups: {a: [local]}\n", "utf-8")
    assert "未改动" in refused(lambda: stock.keep_group("b", ["local"]))


@pytest.mark.parametrize("say", ["en", "zh"])
def test_what_the_keys_do_is_in_the_palette(tmp_path: Path, say: str) -> None:
    kept(tmp_path)

    async def main() -> None:
        async with profiles_at(tmp_path, say=say) as screen:
            await screen.browse("mine")
            await screen.press("ctrl+p", *("remove" if say == "en" else "删除"))
            await screen.until(lambda: Say(say)("h_profile_remove")[:8] in screen.text, "the command")
            await screen.press("enter")
            await screen.until(lambda: isinstance(screen.app.screen, Question), "a question")

    asyncio.run(main())


@pytest.mark.parametrize(("size", "least"), [((80, 24), 18), ((40, 15), 7), ((120, 40), 34)])
def test_the_list_has_most_of_a_small_screen_and_the_preview_is_there(
    tmp_path: Path, size: tuple[int, int], least: int
) -> None:  # fmt: skip
    async def main() -> None:
        async with profiles_at(tmp_path, size=size) as screen:
            await screen.browse()
            await screen.until(lambda: screen.side, "what stands beside")
            seen = screen.library.query_one("#cards").region
            side = screen.library.query_one("#side")
            assert seen.height >= least and side.region.width >= 40 and side.region.height >= 4
            if size[0] < 70:
                await screen.press("tab")
                await screen.until(lambda: side.region.height >= 8, "more of the preview")
            elif size[0] < 100:
                assert all(line[:28].rstrip().endswith(("en", "zh")) for line in screen.text.split("\n")[2:20])
            await screen.pilot.resize_terminal(120, 40)
            await screen.until(lambda: "Many different ideas" in screen.text, "descriptions")

    asyncio.run(main())


def test_what_is_found_for_several_targets_is_told_once(tmp_path: Path) -> None:
    kept(tmp_path)
    look = Profiles(places(tmp_path)).look("mine", "-m a -m b --base-url http://127.0.0.1:9/v1", "")
    told = [one.text for one in look.findings if "P017" in one.text]
    assert len(told) == 1 and "custom/a, custom/b" in told[0]
    look = Profiles(places(tmp_path)).look("mine", "-m a --base-url http://127.0.0.1:9/v1", "")
    assert [one.text for one in look.findings if "P017" in one.text] == [told[0].replace(", custom/b", "")]


def test_files_of_context_are_shown(tmp_path: Path) -> None:
    kept(tmp_path, text="goal: Review.\ncontext:\n  files: [notes/*.md, gone.txt, ../up.txt]\n")
    kept(tmp_path, "plain")
    notes = tmp_path / "profiles" / "notes"
    notes.mkdir()
    (notes / "a[red].md").write_text("hello 雪", "utf-8")
    (notes / "第二份.md").write_text("x" * 1500, "utf-8")

    async def main() -> None:
        async with profiles_at(tmp_path, "-m local", size=(80, 24)) as screen:
            await screen.edit("mine")
            shown = str(screen.desk.query_one("#files", Static).content)
            assert "4" in shown and "notes/a[red].md  9 bytes" in shown and "notes/第二份.md  1,500 bytes" in shown
            assert "gone.txt  ✗ no file gone.txt" in shown and "../up.txt  ✗" in shown and "outside" in shown
            assert "notes/a[red].md" in screen.text
            (notes / "third.md").write_text("y", "utf-8")
            await screen.press("x")
            await screen.until(lambda: "third.md" in str(screen.desk.query_one("#files", Static).content), "a new file")
            await screen.press("escape", "down", "down", "enter")
            await screen.until(lambda: isinstance(screen.app.screen, Library))
            screen.library.query_one("#letters", Input).value = "plain"
            await screen.press("f2")
            await screen.until(lambda: isinstance(screen.app.screen, Desk) and screen.findings)
            assert screen.desk.query_one("#files").has_class("-hidden") and "files of context" not in screen.text

    asyncio.run(main())
