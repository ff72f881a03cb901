"""What docs/tui.md says of keys is what is bound, all of it, in both languages; and its config.yaml is one."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.dom import DOMNode
from textual.theme import BUILTIN_THEMES

import promptlab.tui
from docs import keys
from promptlab import config
from promptlab.cli.tui.own import own
from promptlab.tui.app import binding_ids
from tests.test_tui import places

TELLS = {path.name: path.read_text("utf-8") for path in keys.PAGES.values()}


@pytest.mark.parametrize("language", keys.PAGES)
def test_the_tables_are_those_of_the_bindings(language: str) -> None:
    path = keys.PAGES[language]
    assert path.read_text("utf-8") == keys.page(language), "python docs/keys.py writes them"


@pytest.mark.parametrize("name", TELLS)
def test_every_id_that_can_be_given_a_key_is_told_and_no_other(name: str) -> None:
    table = TELLS[name].partition(keys.BEGIN)[2].partition(keys.END)[0]
    cells = [line.split(" | ")[-1] for line in table.splitlines() if line.startswith("| ")]
    told = set(re.findall(r"`([a-z_]+\.\w+)`", "\n".join(cells)))
    jumps = {id for id in binding_ids() if re.search(r"jump[2-8]$", id)}  # between the first and the last one
    assert told == set(binding_ids()) - jumps


def _holders() -> Iterator[type[DOMNode]]:
    for module in pkgutil.walk_packages(promptlab.tui.__path__, "promptlab.tui."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, DOMNode) and value.__module__.startswith("promptlab."):
                yield value


def test_nothing_that_has_keys_is_forgotten() -> None:
    listed = {holder for _, _, holders in keys.PLACES for holder in holders}
    bound = {holder for holder in _holders() if vars(holder).get("BINDINGS")}
    assert bound <= listed, f"docs/keys.py lacks {bound - listed}"


@pytest.mark.parametrize("name", TELLS)
def test_the_config_of_the_page_is_read(name: str, tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TELLS[name], re.DOTALL)
    (tmp_path / "config.yaml").write_text(block, "utf-8")
    config.settings(places(tmp_path))
    found = own(places(tmp_path), binding_ids)
    assert (found.language, found.enter, found.theme) == ("zh", "send", "dusk")
    assert found.keys["lab.send"] == "ctrl+j,f12" and [theme.name for theme in found.made()] == ["dusk"]


@pytest.mark.parametrize("name", TELLS)
def test_the_themes_that_are_named_are_there(name: str) -> None:
    (line,) = (line for line in TELLS[name].splitlines() if line.strip().startswith("theme:"))
    named = re.findall(r"[a-z]+(?:-[a-z]+)+|nord|gruvbox", line.partition("#")[2])
    assert len(named) >= 4 and set(named) <= set(BUILTIN_THEMES)


@pytest.mark.parametrize("name", TELLS)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TELLS[name]):
        assert (keys.HERE / link).is_file(), link


@pytest.mark.parametrize("name", TELLS)
def test_the_keys_named_in_the_text_are_bound(name: str) -> None:
    """A key that the prose names is in the table, too."""
    prose, _, rest = TELLS[name].partition(keys.BEGIN)
    table = rest.partition(keys.END)[0]
    named = set(re.findall(r"`((?:ctrl|alt|shift)\+\w+|f\d+|[A-Za-z/*\[\]])`", prose))
    bound = set(re.findall(r"`([^`]+)`", table))
    assert named and named <= bound | {f"alt+{n}" for n in range(1, 10)}, named - bound
