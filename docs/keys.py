"""Writes the tables of keys in docs/tui.md and docs/tui.zh.md from the bindings: `python docs/keys.py`. `--check`
writes nothing, and exits 1 where a page is not what the bindings say."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from textual.binding import Binding
from textual.dom import DOMNode

from promptlab.tui.app import LabApp, binding_ids
from promptlab.tui.blind import BlindScreen
from promptlab.tui.blind_app import BlindApp
from promptlab.tui.canvas import Canvas
from promptlab.tui.composer import Editor
from promptlab.tui.desk import Desk, Section
from promptlab.tui.form import Form
from promptlab.tui.history import Runs
from promptlab.tui.library import Letters, Library
from promptlab.tui.pages import MOUSE
from promptlab.tui.picker import Compared, Help, Line, Picker, Question, Requests
from promptlab.tui.screen import LabScreen
from promptlab.tui.seats import BlindSay
from promptlab.tui.sight import SightScreen
from promptlab.tui.target import Models
from promptlab.tui.text import Say

HERE = Path(__file__).parent
PAGES = {"en": HERE / "tui.md", "zh": HERE / "tui.zh.md"}
BEGIN, END = "<!-- keys: written by docs/keys.py -->", "<!-- end of keys -->"

# Where keys hold: what it is called, and what has them.
PLACES: tuple[tuple[str, str, tuple[type[DOMNode], ...]], ...] = (
    ("Everywhere", "任何地方", (LabApp, LabScreen)),
    ("In the panes (tab goes there)", "在窗格中（tab 进入）", (Canvas,)),
    ("In the editor", "在编辑框中", (Editor,)),
    ("In the list of models", "在模型列表中", (Models,)),
    ("In the form", "在表单中", (Form,)),
    ("Among the profiles", "在档案库中", (SightScreen, Letters, Library)),
    ("At a profile", "在档案编辑中", (Desk, Section)),
    ("In the history", "在历史中", (Runs,)),
    ("In other lists, lines and pages", "在其他列表、输入行与页面中",
     (Picker, Line, Question, Help, Compared, Requests)),
    ("In the blind comparison", "在盲评中", (BlindApp, BlindScreen)),
)  # fmt: skip
HEADS = {"en": "| key | does | id |\n| --- | --- | --- |", "zh": "| 按键 | 作用 | id |\n| --- | --- | --- |"}
SIGNS = {"right_square_bracket": "]", "left_square_bracket": "[", "question_mark": "?", "slash": "/", "asterisk": "*",
         "escape": "esc", "pageup": "page up", "pagedown": "page down", "left": "←", "right": "→", "up": "↑",
         "down": "↓"}  # fmt: skip
PALETTE = {"en": "Palette: every command, and themes", "zh": "命令面板：所有命令与主题"}
QUIT = {"en": "Quit: the votes are kept", "zh": "退出：所投的票已保存"}
BACK = {"en": "Back; a page is closed by the key that opened it, too", "zh": "返回；打开页面的键也可关闭它"}
WITH_MOUSE = {"en": "With the mouse", "zh": "用鼠标"}


def bindings(*holders: type[DOMNode]) -> Iterator[Binding]:
    """Those of their own."""
    for holder in holders:
        for binding in vars(holder).get("BINDINGS", ()):
            assert isinstance(binding, Binding), f"{holder}: {binding}"
            yield binding


def rows(language: str, holders: Sequence[type[DOMNode]]) -> Iterator[str]:
    """What does the same stands in one row: `alt+1` … `alt+9`."""
    say = BlindSay(language) if BlindScreen in holders else Say(language)
    found: dict[str, tuple[list[str], list[str]]] = {}
    ours = set(binding_ids())
    for binding in bindings(*holders):
        keys, ids = found.setdefault(_does(binding, say, holders), ([], []))
        keys += [key for one in binding.key.split(",") if (key := shown(one)) not in keys]
        if binding.id in ours and binding.id not in ids:
            ids.append(binding.id)
    for does, (keys, ids) in found.items():
        yield f"| {several(keys)} | {does} | {several(ids)} |".replace("|  |", "| |")
    if LabApp in holders:
        yield f"| `{LabApp.COMMAND_PALETTE_BINDING}` | {PALETTE[language]} | |"


def _does(binding: Binding, say: Say, holders: Sequence[type[DOMNode]]) -> str:
    if not binding.description:
        return QUIT[say.language]
    if binding.description == "k_back" and LabScreen not in holders:
        return BACK[say.language] if Picker in holders else say("k_back")
    if binding.description == "k_narrow":
        name = binding.action.removeprefix("narrow('").removesuffix("')")
        return f"{say('k_narrow')}: {say(f'models_narrow_{name}')}"
    return say.long(binding.description)


def shown(key: str) -> str:
    *held, last = key.split("+")
    return "+".join([*held, SIGNS.get(last, last)])


def several(words: Sequence[str]) -> str:
    short = [words[0], "…", words[-1]] if len(words) > 4 and _counts(words) else words
    return " ".join(word if word == "…" else f"`{word}`" for word in short)


def _counts(words: Sequence[str]) -> bool:
    return len({re.sub(r"\d+", "", word) for word in words}) == 1


def table(language: str) -> str:
    parts = []
    for english, chinese, holders in PLACES:
        parts.append("\n".join([f"### {english if language == 'en' else chinese}", "", HEADS[language],
                                *rows(language, holders)]))  # fmt: skip
    say = Say(language)
    mouse = [f"| {say(f'mouse_{one}')} | {say(f'mouse_{one}_does')} |" for one in MOUSE]
    parts.append("\n".join([f"### {WITH_MOUSE[language]}", "", "| | |\n| --- | --- |", *mouse]))
    return "\n\n".join(parts)


def page(language: str) -> str:
    """The page as it ought to be: its own text, with the tables of now."""
    text = PAGES[language].read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(language)}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    stale = [language for language, path in PAGES.items() if page(language) != path.read_text("utf-8")]
    if "--check" in arguments:
        for language in stale:
            print(f"{PAGES[language].name} is not what the bindings say: python docs/keys.py", file=sys.stderr)
        return 1 if stale else 0
    for language in stale:
        PAGES[language].write_text(page(language), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
