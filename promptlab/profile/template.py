"""A profile's blanks, `{{name}}`, filled in by Jinja2's sandbox, with nothing in it that could run away.

A profile is a text that strangers share: besides what the sandbox forbids, there are no loops, no calls and no
arithmetic, so that what comes out is never longer than its parts, whatever is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from promptlab.errors import ProfileError

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

LONGEST = 200_000  # characters of one part; a longer text is a file
MOST_NODES = 5_000
# What a template may be made of. No For, Call, Mul, Pow, Add, Concat, Getattr, Getitem, Slice, Import, Include, Macro.
_NODES = {"Template", "Output", "TemplateData", "Name", "Const", "Filter", "If", "CondExpr", "Compare", "Operand",
          "Test", "Not", "And", "Or", "List", "Tuple"}  # fmt: skip
_FILTERS = {"capitalize", "d", "default", "lower", "title", "trim", "upper", "length", "count"}
_TESTS = {"defined", "undefined", "none", "string", "eq", "equalto", "==", "ne", "!=", "in", "lower", "upper"}


def fill(text: str, values: Mapping[str, Any], where: str) -> str:
    """`text` with its blanks filled. `where` is the file and the key. Raises ProfileError: for an unset variable,
    with its name."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return text
    from jinja2 import UndefinedError

    tree = _tree(text, where)
    try:
        return _environment().from_string(tree).render(values)
    except UndefinedError as error:
        name = str(error.message).removeprefix("'").partition("' is undefined")[0]
        raise ProfileError(f"{where} needs the variable '{name}'", f"--var {name}=…") from None
    except Exception as error:  # a template is a program of somebody else's: it may raise anything
        said = " ".join(str(error).split()) or type(error).__name__
        raise ProfileError(f"{where}: {said[:200]}", "variables are written {{name}}") from None


def names(text: str, where: str) -> set[str]:
    """The variables that a text uses. Raises ProfileError as `fill` does."""
    if "{{" not in text and "{%" not in text:
        return set()
    from jinja2 import meta

    return meta.find_undeclared_variables(_tree(text, where))


def is_optional(name: str, text: str) -> bool:
    """Whether a text says itself what holds where the variable is not set."""
    squeezed = "".join(text.split())
    return any(f"{name}{sign}" in squeezed for sign in ("|default", "|d(", "isdefined", "isnotdefined", "isundefined"))


def _tree(text: str, where: str) -> Any:
    from jinja2 import TemplateError, nodes

    if len(text) > LONGEST:
        raise ProfileError(f"{where} is longer than {LONGEST:,} characters", "pass it as a file: -f FILE")
    try:
        tree = _environment().parse(text)
    except (TemplateError, RecursionError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ProfileError(f"{where}: {said[:200]}", "variables are written {{name}}") from None
    for number, node in enumerate([tree, *tree.find_all(nodes.Node)]):
        kind = type(node).__name__
        named = (isinstance(node, nodes.Filter) and node.name not in _FILTERS) or (
            isinstance(node, nodes.Test) and node.name not in _TESTS
        )
        if kind not in _NODES or named or number > MOST_NODES:
            what = f"'{node.name}'" if named else kind.lower()  # type: ignore[attr-defined]
            raise ProfileError(f"{where}: a template can't use {what} here",
                               "only {{name}}, {% if %} and filters such as upper or default('…')")  # fmt: skip
    return tree


@cache
def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Finished and immutable: nothing of one text can reach another. No cache: each text is rendered once.
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0, optimized=False)
