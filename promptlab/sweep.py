"""A sweep as it is written: a prompt or a profile, targets, axes, repeats, a dataset, limits. It is a value: saved and
shared as YAML, shown before anything is sent, and expanded into a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from promptlab.check import Check
from promptlab.params import Value

Seeds = Literal["fixed", "varied", "absent"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: `name` is a parameter, `profile`, `system`, or `var.NAME`; None among the values is `default`."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """`zipped` names the axes that go in step instead of being crossed. `seed` is the first seed: `fixed` gives every
    cell this one, `varied` seed + repeat. `caps`: US dollars, tokens, seconds; None is no cap."""

    prompt: str = ""
    profile: str | None = None
    targets: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    zipped: tuple[str, ...] = ()
    repeats: int = 1
    seeds: Seeds = "absent"
    seed: int = 0
    system: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    dataset: str | None = None
    checks: tuple[Check, ...] = ()
    keep_samplers: bool = False
    max_cost: float | None = None
    max_tokens_total: int | None = None
    max_time: float | None = None
