"""Every decoding parameter, declared once: its type, range and meaning. CLI options, YAML checks,
sweep grammar (axis.py) and pane headers are made from this table; each dialect has only a table of wire names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from promptlab.errors import Sentence, UsageError, nearest

Value = float | int | str | bool | list["Value"] | dict[str, "Value"] | None
Parameters = Mapping[str, Value]

DEFAULT = "default"  # the word for "leave it unset": absent from the wire, a point of its own in a sweep
BODY = "body."  # prefix of a raw field of the request body, for what no table knows

SHOWN = 60  # characters of an object that labels and facts show

Kind = Literal["number", "integer", "choice", "texts", "switch", "object"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter. `low` and `high` are inclusive bounds that hold for every endpoint; what a
    given model takes within them is the model knowledge's business. A parameter of the sampler has a `neutral` value:
    with it, the model's distribution stays as it is. An object is written as JSON: whoever takes a file's name in its
    place reads the file first."""

    name: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    flag: str = ""
    neutral: float | None = None

    def parse(self, text: str) -> Value:
        """The value written as `text`. Raises UsageError that names the parameter, the value and its range."""
        match self.kind:
            case "number" | "integer":
                return self._number(text)
            case "choice":
                if text not in self.choices:
                    raise self._refusal(text, self.range_text(), nearest(text, self.choices))
                return text
            case "texts":
                return [text]
            case "switch":
                if text.lower() not in ("true", "false"):
                    raise self._refusal(text, "true or false")
                return text.lower() == "true"
            case "object":
                return self._object(text)

    def check(self, value: Value) -> Value:
        """The same checks for a value that is typed already, as YAML gives it."""
        if isinstance(value, bool) and self.kind == "switch":
            return value
        if self.kind == "texts":
            return [str(v) for v in value] if isinstance(value, list) else [str(value)]
        if isinstance(value, dict) and self.kind == "object":
            return self._plain(value)
        if isinstance(value, (list, dict, bool)) or value is None:
            raise self._refusal(str(value), self.range_text())
        return self.parse(str(value))

    def range_text(self) -> str:
        if self.choices:
            return Sentence("one of {choices}", choices=", ".join(self.choices))
        noun = {"number": "a number", "integer": "a whole number", "texts": "text", "switch": "true or false",
                "object": "a JSON object"}[self.kind]  # fmt: skip
        noun = Sentence.whole(noun)
        if self.low is not None and self.high is not None:
            return Sentence("{noun} from {low} to {high}", noun=noun, low=f"{self.low:g}", high=f"{self.high:g}")
        return Sentence("{noun}, {low} or more", noun=noun, low=f"{self.low:g}") if self.low is not None else noun

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

    def _object(self, text: str) -> Value:
        try:
            value: Value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._refusal(_short(text), self.range_text())
        return self._plain(value)

    def _plain(self, value: dict[str, Value]) -> Value:
        """An object as JSON has it: YAML's dates and its keys that are numbers have no place on a wire."""
        try:
            plain: Value = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise self._refusal(_short(str(value)), "JSON: only texts, numbers, true, false and null") from None
        return plain

    def _refusal(self, text: str, wanted: str, hint: str = "") -> UsageError:
        refused = Sentence("{name}: '{text}' is not {wanted}", name=self.name, text=text,
                           wanted=Sentence.whole(wanted))  # fmt: skip
        return UsageError(refused, hint or self.help)


_ALL = (
    Parameter("temperature", "number", "randomness: 0 is the least, 1 the model's own distribution", 0, 5, flag="-t",
              neutral=1),
    Parameter("top_p", "number", "nucleus sampling: keep the most probable tokens up to this mass", 0, 1, neutral=1),
    Parameter("top_k", "integer", "keep only the k most probable tokens (0: all, where the server knows it)", 0,
              neutral=0),
    Parameter("min_p", "number", "keep tokens at least this share as probable as the best one", 0, 1, neutral=0),
    Parameter("presence_penalty", "number", "held against tokens that have appeared at all", -2, 2, neutral=0),
    Parameter("frequency_penalty", "number", "held against tokens by how often they have appeared", -2, 2,
              neutral=0),
    Parameter("repeat_penalty", "number", "divides the logits of repeated tokens (local servers)", 0, 10, neutral=1),
    Parameter("seed", "integer", "the sampler's seed, where the server has one", 0),
    Parameter("max_tokens", "integer", "the most tokens to write, thinking included at most vendors", 1),
    Parameter("stop", "texts", "text that ends the answer; repeat it for more"),
    Parameter("effort", "choice", "how much a reasoning model thinks",
              choices=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
    Parameter("thinking_budget", "integer", "the most tokens to think with, where the model has such a budget", 0),
    Parameter("schema", "object", "structured output: the JSON schema that the answer must fit"),
    Parameter("top_logprobs", "integer",
              "log probabilities of the answer's tokens, with this many alternatives at each", 0, 1000),
)  # fmt: skip

PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _ALL}


def lookup(name: str) -> Parameter:
    """The declaration of `name`. Raises UsageError with the nearest known name."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        hint = nearest(name, PARAMETERS) or Sentence("known: {names}", names=", ".join(PARAMETERS))
        raise UsageError(Sentence("unknown parameter '{name}'", name=name),
                         Sentence("{hint}; a field only this server knows is {body}{name}=JSON", hint=hint, body=BODY,
                                  name=name))  # fmt: skip
    return parameter


def show(value: Value) -> str:
    """A value as people write it: 0.2, high, ["a"]; of a long object, its beginning."""
    if value is None:
        return DEFAULT
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return _short(json.dumps(value, ensure_ascii=False))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
