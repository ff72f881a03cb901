"""A plan: targets × axes, expanded into cells before anything is sent; and the run that carries it out."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptlab.axis import count, parse_options, places, set_only
from promptlab.check import Check
from promptlab.errors import Sentence, UsageError
from promptlab.knowledge import Mode
from promptlab.params import BODY, Value, show
from promptlab.prospect import Prospect
from promptlab.request import LOCAL, Message, Request
from promptlab.sweep import Seeds, Sweep, is_text_axis

_TARGET_OPTIONS = ("tags",)
MOST_CELLS = 100_000


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
class Spot:
    """Where a plan stands before its rows and repeats: a target, a value on each axis (None: `default`) and what is
    asked there. `values` are those of the axes that vary, `quiet` names what is asked and in no label."""

    target: Target
    parameters: dict[str, Value]
    place: Mapping[str, Value] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    quiet: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Filling:
    """What fills a spot, for one row of a dataset or for none: the messages, and the checks of the answer."""

    messages: tuple[Message, ...]
    checks: tuple[Check, ...] = ()


Fill = Callable[[Spot, int | None], Filling]


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
        parts = [f"{name.removeprefix(BODY)} {_short(show(value))}" for name, value in self.varied.items()]
        return " ".join([self.target, *parts])


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be sent: the cells, and where they come from; `mode` is what becomes of parameters that a target
    would not honour. Of a sweep, `prospects` say what each axis is at each target, `notes` what else is to be told.
    `profiles` are the SHA-256 of the profiles' files by the name under which they were asked for,
    `void` the axes of each target that do nothing there and were collapsed."""

    cells: tuple[Cell, ...]
    prompt: str
    profile: str | None = None
    base_url: str | None = None
    key_name: str | None = None
    mode: Mode = "adapt"
    plain_http: bool = False
    sweep: Sweep | None = None
    prospects: tuple[Prospect, ...] = ()
    notes: tuple[str, ...] = ()
    profiles: dict[str, str] = field(default_factory=dict)
    void: dict[str, tuple[str, ...]] = field(default_factory=dict)


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
        raise UsageError(
            Sentence("'{text}' is no target", text=text), "write ENDPOINT/MODEL, for example ollama/qwen3:4b, or local"
        )
    return Target(name, endpoint, model, axes, options)


def _query(text: str, query: str) -> tuple[dict[str, list[Value]], dict[str, str]]:
    pairs = []
    options = {}
    for part in filter(None, query.split("&")):
        name, sign, value = (urllib.parse.unquote(piece) for piece in part.partition("="))
        if not sign:
            raise UsageError(
                Sentence("'{part}' in target '{text}' is not name=value", part=part, text=text),
                "for example local?temperature=0.2",
            )
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
    checks: tuple[Check, ...] = (), own: Callable[[Target], Mapping[str, list[Value]]] | None = None,
) -> Plan:  # fmt: skip
    """Targets × axes as cells, in the order written. A target's own value wins over the command's, and the
    command's over the profile's `defaults`; what nobody asks a target's `own` give, which no label shows. `messages`
    gives what a target gets at one point of the axes."""
    all_axes = []
    for target in targets:
        asked = {**(defaults or {}), **axes, **target.axes}
        more = {name: values for name, values in (own(target) if own else {}).items() if name not in asked}
        all_axes.append((target, {**more, **asked}, frozenset(more)))
    check_size(sum(count(each) for _, each, _ in all_axes))
    names = varying((target, each) for target, each, _ in all_axes)
    spots = [
        Spot(target, set_only(place), place, {name: place.get(name) for name in names}, quiet)
        for target, each, quiet in all_axes for place in places(each)
    ]  # fmt: skip
    cells = lay_out(spots, lambda spot, row: Filling(messages(spot.target, spot.parameters), checks))
    return Plan(cells, prompt, profile, base_url, key_name, mode, plain_http)


def lay_out(
    spots: Sequence[Spot], fill: Fill, *, rows: int | None = None, repeats: int = 1, seeds: Seeds = "absent",
    seed: int = 0,
) -> tuple[Cell, ...]:  # fmt: skip
    """Spots × rows × repeats as cells, the repeats fastest. What cells have in common they share: 10,000 cells are a
    few megabytes, and nothing of one may be changed in place."""
    common = _shared([_shown(spot) for spot in spots])
    cells: list[Cell] = []
    for spot in spots:
        varied = {name: value for name, value in _shown(spot).items() if name not in common}
        fixed = spot.parameters if seeds == "absent" else {**spot.parameters, "seed": seed}
        for row in range(rows) if rows is not None else (None,):
            filling = fill(spot, row)
            request = Request(spot.target.model, filling.messages, fixed)
            for repeat in range(repeats):
                if seeds == "varied" and repeat:
                    request = replace(request, parameters={**fixed, "seed": seed + repeat})
                cells.append(Cell(
                    len(cells), spot.target.text, spot.target.endpoint, request, varied, spot.target.options,
                    spot.values, repeat, row, filling.checks,
                ))  # fmt: skip
    return tuple(cells)


def varying(axes: Iterable[tuple[Target, Mapping[str, Sequence[Value]]]]) -> list[str]:
    """Names of the axes that have several values at some target, in the order written; and of those in which a target
    that is named twice differs from itself (`local?temperature=0`, `local?temperature=1.5`)."""
    found: dict[str, None] = {}
    first: dict[str, Mapping[str, Sequence[Value]]] = {}
    for target, each in axes:
        other = first.setdefault(target.text, each)
        names = [name for name, values in each.items() if len(values) > 1 or list(other.get(name, ())) != list(values)]
        found |= dict.fromkeys([*names, *(name for name in other if name not in each)])
    return list(found)


def check_size(cells: int) -> None:
    """Raise UsageError for a plan that nobody means."""
    if cells > MOST_CELLS:
        raise UsageError(f"this plan has {cells:,} cells, and {MOST_CELLS:,} is the most",
                         "fewer values, rows or repeats; axes in step instead of crossed: --zip a,b")  # fmt: skip


def _shown(spot: Spot) -> dict[str, Value]:
    """What can tell a spot from others: what it asks, and the texts that it stands at."""
    texts = {name: value for name, value in spot.place.items() if is_text_axis(name) and value is not None}
    return {name: value for name, value in spot.parameters.items() if name not in spot.quiet} | texts


def _shared(drafts: list[dict[str, Value]]) -> set[str]:
    """Names of the parameters that have one and the same value in every cell."""
    names = {name for point in drafts for name in point}
    return {
        name for name in names
        if len(drafts) > 1 and all(name in point and point[name] == drafts[0].get(name) for point in drafts)
    }  # fmt: skip


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:39] + "…"
