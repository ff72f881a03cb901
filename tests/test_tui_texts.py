"""The texts of the screen: each is said somewhere, each that is said exists, and gets what it asks for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from promptlab.tui.text import TEXTS, blind

PACKAGE = Path(__file__).parents[1] / "promptlab"
EN, ZH = TEXTS["en"] | blind.EN, TEXTS["zh"] | blind.ZH
TREES = {
    path: ast.parse(path.read_text("utf-8"))
    for path in PACKAGE.rglob("*.py")
    if path.parent != PACKAGE / "tui" / "text"
}
SAYS, ALIKE = {"say", "_say"}, {"known", "long"}  # a call that says a text, and methods of Say that do so


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Where something is said, and by which method of Say."""
    for path, tree in TREES.items():
        for node in ast.walk(tree) if "tui" in path.relative_to(PACKAGE).parts else ():
            if isinstance(node, ast.Call) and node.args:
                where, method = f"{path.relative_to(PACKAGE)}:{node.lineno}", ""
                name = _name(node.func)
                if name in ALIKE and isinstance(node.func, ast.Attribute):
                    name, method = _name(node.func.value), name
                if name in SAYS:
                    yield where, node, method


def _keys(node: ast.expr) -> Iterator[str | re.Pattern[str]]:
    """The keys that an argument can be: texts, and patterns of those that are put together."""
    if isinstance(node, ast.IfExp):
        yield from _keys(node.body)
        yield from _keys(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values]
        yield re.compile("".join(parts))


def test_every_text_is_used() -> None:
    written = {node.value for tree in TREES.values() for node in ast.walk(tree)
               if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    made = [key for _, call, _ in _calls() for key in _keys(call.args[0]) if isinstance(key, re.Pattern)]

    def is_used(key: str) -> bool:
        short = f"k_{key[2:]}" if key.startswith("h_") else key
        return short in written or any(pattern.fullmatch(key) for pattern in made)

    assert not [key for key in {**EN, **ZH} if not is_used(key)], "texts that nobody says"


def test_every_text_that_is_used_exists() -> None:
    for where, call, method in _calls():
        for key in _keys(call.args[0]):
            if isinstance(key, re.Pattern):
                assert any(map(key.fullmatch, {**EN, **ZH})), f"{where}: no text is like {key.pattern}"
            elif method != "known":
                assert key in {**EN, **ZH}, f"{where}: there is no text {key}"
    keys = {node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)
            and isinstance(node.value, str) and re.fullmatch(r"k_[a-z0-9_]+", node.value)}  # fmt: skip
    assert keys <= EN.keys()
    assert {key[2:] for key in EN if key.startswith("h_")} <= {key[2:] for key in EN if key.startswith("k_")}


def test_what_a_text_asks_for_is_given() -> None:
    for where, call, method in _calls():
        given = {one.arg for one in call.keywords}
        for key in _keys(call.args[0]):
            if isinstance(key, str) and key in EN and not method and None not in given:
                for text in (EN[key], ZH.get(key, "")):
                    asked = {name for _, name, _, _ in Formatter().parse(text) if name} if given else set()
                    bare = not given and re.search(r"(?<!\{)\{[a-z]+\}(?!\})", text)
                    assert asked <= given and not bare, f"{where}: {key} asks for {asked or text}, and gets {given}"
