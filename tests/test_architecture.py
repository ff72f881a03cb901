"""The layers of docs/design.md, kept: what may import what, and what a start loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "promptlab"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_the_import_contracts_hold() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    done = run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert done.returncode == 0, done.stdout + done.stderr


HEAVY = ("textual", "litellm", "aiohttp", "rich", "yaml", "sqlite3", "asyncio", "jinja2", "tenacity", "platformdirs",
         "xllamacpp", "importlib.metadata", "promptlab.engine", "promptlab.store",
         "promptlab.providers", "promptlab.render")  # fmt: skip


def test_the_command_line_loads_nothing_heavy_before_it_is_needed() -> None:
    done = run("-c", "import sys, promptlab.cli.argv; print('\\n'.join(sys.modules))")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "promptlab.params" in loaded
    assert not loaded & set(HEAVY)


def test_a_dry_look_at_the_catalog_loads_neither_litellm_nor_a_client() -> None:
    done = run(
        "-c",
        "import sys; from promptlab import config; from promptlab.providers import catalog, prices, registry"
        "\ncatalog.resolve('openai', config.settings(config.places()).endpoints);"
        "print('\\n'.join(sys.modules))",
    )
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"litellm", "aiohttp", "rich", "textual", "sqlite3", "xllamacpp"}


# Where a parameter may be named: its declaration, each dialect's table of wire names, a vendor's wording of an
# error, and examples in help, docstrings and texts of the screen.
DECLARED = {"params.py"}
TABLES = {
    "providers/openai_chat.py", "providers/openai_responses.py", "providers/anthropic.py", "providers/gemini.py",
    "providers/ollama.py", "providers/litellm_road.py", "profile/exchange/settings.py",
}  # fmt: skip
WORDINGS = {"providers/fault.py"}
# What the temperature of a sampler does, by mathematics, is what these are about.
SUBJECTS = {"analysis/case.py", "analysis/decoding.py", "analysis/measure.py", "analysis/reading.py",
            "analysis/remark.py", "audit.py", "cli/audit.py", "cli/stable.py", "cli/voted.py",
            "profile/lint.py"}  # fmt: skip
EXAMPLES = {"axis.py", "cli/commands.py", "cli/options.py", "plan.py", "sweep.py", "tui/text/compose.py",
            "tui/text/profile.py", "tui/text/sentence.py"}  # fmt: skip


def test_a_parameter_is_declared_once() -> None:
    named = {str(path.relative_to(PACKAGE)) for path in SOURCES if re.search(r"temperature", path.read_text("utf-8"))}
    extra = named - DECLARED - TABLES - WORDINGS - EXAMPLES - SUBJECTS
    assert not {name for name in extra if _in_code(PACKAGE / name)}, (
        "declare it in params.py, name it in a dialect's table"
    )


def _in_code(path: Path) -> bool:
    """Whether the word stands in the code: as a name, an attribute, an argument or a text that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        words: list[str | None] = []
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word) | ast.keyword(arg=word):
                words.append(word)
            case ast.Constant(value=str(word)) if id(node) not in docs:
                words.append(word)
        if any(word and "temperature" in word for word in words):
            return True
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_owns(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert not tree.body or ast.get_docstring(tree) or path.name == "__main__.py"


def test_no_module_is_a_drawer() -> None:
    modules = {path.stem for path in SOURCES if path.parent.name != "cli"}  # there, a command's own name
    assert not modules & {"utils", "util", "helpers", "common", "misc", "manager", "models"}
