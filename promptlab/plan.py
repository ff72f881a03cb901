"""A plan: targets × axes, expanded into cells before anything is sent; and the run that carries it out."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from promptlab.check import Check
from promptlab.errors import UsageError
from promptlab.knowledge import Mode
from promptlab.params import BODY, Value, parse_options, points, show
from promptlab.request import LOCAL, Message, Request
from promptlab.sweep import Sweep

_TARGET_OPTIONS = ("tags",)


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one endpoint, with its own options: `ENDPOINT/MODEL?temperature=0.2&top_p=0.9`.

    `model` is empty for the embedded default model and a path for a GGUF file of the user's.
    """

    text: str
    endpoint: str
    model: str
    axes: dict[str, list[Value]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


Messages = Callable[[Target, Mapping[str, Value]], tuple[Message, ...]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of a plan. `target` is what the user wrote, without the parameters; `varied` are the
    parameters that tell this cell from the others of its plan.

    In a sweep, `values` is where the cell stands on each axis (None: `default`), `repeat` counts from 0, `row` is the
    dataset's row from 0, and `checks` are carried out on its answer."""

    index: int
    target: str
    endpoint: str
    request: Request
    varied: dict[str, Value] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    repeat: int = 0
    row: int | None = None
    checks: tuple[Check, ...] = ()

    @property
    def label(self) -> str:
        """The target, and what sets this cell apart: `local temperature 0.2`."""
        parts = [f"{name.removeprefix(BODY)} {show(value)}" for name, value in self.varied.items()]
        return " ".join([self.target, *parts])


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent: the cells, and where they come from; `mode` is what becomes of parameters that a target
    would not honour."""

    cells: tuple[Cell, ...]
    prompt: str
    profile: str | None = None
    base_url: str | None = None
    key_name: str | None = None
    mode: Mode = "adapt"
    plain_http: bool = False
    sweep: Sweep | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan. `id` is None where nothing is kept; `created` is UTC, ISO 8601."""

    id: int | None
    created: str
    plan: Plan
    state: str = "running"


def parse_target(text: str) -> Target:
    """`local`, `local:FILE.gguf`, or `ENDPOINT/MODEL`, each with `?name=value&…`. Raises UsageError."""
    name, _, query = text.strip().partition("?")
    axes, options = _query(text, query)
    if name == LOCAL or name.startswith(f"{LOCAL}:"):
        return Target(name, LOCAL, name[len(LOCAL) + 1 :], axes, options)
    endpoint, slash, model = name.partition("/")
    if not slash or not endpoint or not model or re.search(r"\s", name):
        raise UsageError(f"'{text}' is no target", "write ENDPOINT/MODEL, for example ollama/qwen3:4b, or local")
    return Target(name, endpoint, model, axes, options)


def _query(text: str, query: str) -> tuple[dict[str, list[Value]], dict[str, str]]:
    pairs = []
    options = {}
    for part in filter(None, query.split("&")):
        name, sign, value = (urllib.parse.unquote(piece) for piece in part.partition("="))
        if not sign:
            raise UsageError(f"'{part}' in target '{text}' is not name=value", "for example local?temperature=0.2")
        if name in _TARGET_OPTIONS:
            options[name] = _tags(value)
        else:
            pairs.append((name, value))
    return parse_options(pairs), options


def _tags(value: str) -> str:
    if value not in ("auto", "off", "assume-open"):
        raise UsageError(f"tags: '{value}' is not one of auto, off, assume-open", "how <think> tags are read")
    return value


def expand(
    targets: Iterable[Target], axes: Mapping[str, list[Value]], messages: Messages, *,
    prompt: str, profile: str | None = None, base_url: str | None = None, key_name: str | None = None,
    defaults: Mapping[str, list[Value]] | None = None, mode: Mode = "adapt", plain_http: bool = False,
) -> Plan:  # fmt: skip
    """Targets × axes as cells, in the order written. A target's own value wins over the command's, and the
    command's over the profile's `defaults`. `messages` gives what a target gets at one point of the axes."""
    drafts: list[tuple[Target, dict[str, Value]]] = []
    for target in targets:
        drafts += [(target, point) for point in points({**(defaults or {}), **axes, **target.axes})]
    everywhere = _shared([point for _, point in drafts])
    cells = tuple(
        Cell(index, target.text, target.endpoint, Request(target.model, messages(target, point), point),
             {name: value for name, value in point.items() if name not in everywhere}, target.options)
        for index, (target, point) in enumerate(drafts)
    )  # fmt: skip
    return Plan(cells, prompt, profile, base_url, key_name, mode, plain_http)


def _shared(drafts: list[dict[str, Value]]) -> set[str]:
    """Names of the parameters that have one and the same value in every cell."""
    names = {name for point in drafts for name in point}
    return {
        name for name in names
        if len(drafts) > 1 and all(name in point and point[name] == drafts[0].get(name) for point in drafts)
    }  # fmt: skip
