"""Every decoding parameter, declared once: its type, range and meaning. CLI options, YAML checks,
sweep grammar and pane headers are made from this table; each dialect has only a table of wire names."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from promptlab.errors import UsageError, nearest

Value = float | int | str | bool | list["Value"] | dict[str, "Value"] | None
Parameters = Mapping[str, Value]

DEFAULT = "default"  # the word for "leave it unset": absent from the wire, a point of its own in a sweep
BODY = "body."  # prefix of a raw field of the request body, for what no table knows

Kind = Literal["number", "integer", "choice", "texts", "switch"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter. `low` and `high` are inclusive bounds that hold for every endpoint; what a
    given model takes within them is the model knowledge's business."""

    name: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    flag: str = ""

    def parse(self, text: str) -> Value:
        """The value written as `text`. Raises UsageError that names the parameter, the value and its range."""
        match self.kind:
            case "number" | "integer":
                return self._number(text)
            case "choice":
                if text not in self.choices:
                    raise self._refusal(text, f"one of {', '.join(self.choices)}", nearest(text, self.choices))
                return text
            case "texts":
                return [text]
            case "switch":
                if text.lower() not in ("true", "false"):
                    raise self._refusal(text, "true or false")
                return text.lower() == "true"

    def check(self, value: Value) -> Value:
        """The same checks for a value that is typed already, as YAML gives it."""
        if isinstance(value, bool) and self.kind == "switch":
            return value
        if self.kind == "texts":
            return [str(v) for v in value] if isinstance(value, list) else [str(value)]
        if isinstance(value, (list, dict, bool)) or value is None:
            raise self._refusal(str(value), self.range_text())
        return self.parse(str(value))

    def range_text(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        noun = {"number": "a number", "integer": "a whole number", "texts": "text", "switch": "true or false"}[
            self.kind
        ]
        if self.low is not None and self.high is not None:
            return f"{noun} from {self.low:g} to {self.high:g}"
        return f"{noun}, {self.low:g} or more" if self.low is not None else noun

    def _number(self, text: str) -> float | int:
        try:
            value = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            raise self._refusal(text, self.range_text()) from None
        too_low = self.low is not None and value < self.low
        too_high = self.high is not None and value > self.high
        if too_low or too_high or (isinstance(value, float) and not math.isfinite(value)):
            raise self._refusal(text, self.range_text())
        return value

    def _refusal(self, text: str, wanted: str, hint: str = "") -> UsageError:
        return UsageError(f"{self.name}: '{text}' is not {wanted}", hint or self.help)


_ALL = (
    Parameter("temperature", "number", "randomness: 0 is the least, 1 the model's own distribution", 0, 5, flag="-t"),
    Parameter("top_p", "number", "nucleus sampling: keep the most probable tokens up to this mass", 0, 1),
    Parameter("top_k", "integer", "keep only the k most probable tokens (0: all, where the server knows it)", 0),
    Parameter("min_p", "number", "keep tokens at least this share as probable as the best one", 0, 1),
    Parameter("presence_penalty", "number", "held against tokens that have appeared at all", -2, 2),
    Parameter("frequency_penalty", "number", "held against tokens by how often they have appeared", -2, 2),
    Parameter("repeat_penalty", "number", "divides the logits of repeated tokens (local servers)", 0, 10),
    Parameter("seed", "integer", "the sampler's seed, where the server has one", 0),
    Parameter("max_tokens", "integer", "the most tokens to write, thinking included at most vendors", 1),
    Parameter("stop", "texts", "text that ends the answer; repeat it for more"),
    Parameter("effort", "choice", "how much a reasoning model thinks",
              choices=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    Parameter("thinking_budget", "integer", "the most tokens to think with, where the model has such a budget", 0),
)  # fmt: skip

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _ALL}


def lookup(name: str) -> Parameter:
    """The declaration of `name`. Raises UsageError with the nearest known name."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        hint = nearest(name, PARAMETERS) or f"known: {', '.join(PARAMETERS)}"
        raise UsageError(f"unknown parameter '{name}'", f"{hint}; a field only this server knows is {BODY}{name}=JSON")
    return parameter


def parse_axis(name: str, text: str) -> list[Value]:
    """The values of one parameter as written on the command line: `0.2`, `0.2,1.3` or `default,1.3`.

    None stands for `default`. A raw body field (`body.NAME`) is JSON and always one value.
    """
    if name.startswith(BODY):
        return [_json(name, text)]
    parameter = lookup(name)
    if parameter.kind == "texts":
        return [parameter.parse(text)]
    parts = [part.strip() for part in text.split(",")]
    values = [None if part == DEFAULT else parameter.parse(part) for part in parts]
    for position, value in enumerate(values):
        if value in values[:position]:
            raise UsageError(f"{name}: '{parts[position]}' is given twice", "each value of a sweep once")
    return values


def parse_options(pairs: Iterable[tuple[str, str]]) -> dict[str, list[Value]]:
    """Axes from `name=value` pairs; a parameter of texts gathers its values, any other may come once."""
    axes: dict[str, list[Value]] = {}
    for name, text in pairs:
        values = parse_axis(name, text)
        known = axes.setdefault(name, values)
        if known is values:
            continue
        if name.startswith(BODY) or PARAMETERS[name].kind != "texts":
            raise UsageError(f"{name} is given twice", f"several values of one parameter: {name}=1,2")
        axes[name] = [[*_texts(known[0]), *_texts(values[0])]]
    return axes


def split_option(text: str) -> tuple[str, str]:
    """`name=value` as two texts. Raises UsageError where there is no `=`."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError(f"'{text}' is not name=value", "for example -o top_p=0.9")
    return name.strip(), value.strip()


def points(axes: Mapping[str, list[Value]]) -> list[dict[str, Value]]:
    """Every combination of the axes' values, the first axis slowest; an unset value is absent. A raw body field
    has no `default`: there, None is JSON's null, and is sent."""
    combined = product(*axes.values())
    return [
        {name: v for name, v in zip(axes, point, strict=True) if v is not None or name.startswith(BODY)}
        for point in combined
    ]


def show(value: Value) -> str:
    """A value as people write it: 0.2, high, ["a"]."""
    if value is None:
        return DEFAULT
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _texts(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _json(name: str, text: str) -> Value:
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value
