"""What a provider says, as small frozen values; and their form in the store.

A provider yields events without times. The engine stamps each once (`Stamped`) and hands it to the sinks,
live or out of the store alike.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, NamedTuple

from promptlab.errors import Fault
from promptlab.params import Value

ThinkingKind = Literal["raw", "summary"]
OpaqueKind = Literal["signature", "redacted", "encrypted"]
UsageSource = Literal["provider", "litellm", "estimate"]


@dataclass(frozen=True, slots=True)
class Started:
    """One attempt goes out now: what was asked, what of it is on the wire (promptlab's names), and for each what
    becomes of it: honoured, ignored, refused, pinned or unknown, with a note where there is more to say. `cached` is
    the run whose answer stands here: nothing was sent."""

    asked: dict[str, Value] = field(default_factory=dict)
    sent: dict[str, Value] = field(default_factory=dict)
    attempt: int = 1
    verdicts: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    cached: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The body as it went out, where only the sending itself could tell (litellm makes it)."""

    url: str
    body: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The endpoint answered with a stream."""

    status: int = 200
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes that keep the line alive while nothing is said: queued at the vendor, or a model loading."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered, as the endpoint reports it: the resolved model, the upstream, the fingerprint."""

    model: str | None = None
    upstream: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the thinking trace: the model's own words, or a summary that the vendor wrote of them."""

    text: str
    kind: ThinkingKind = "raw"


@dataclass(frozen=True, slots=True)
class Withheld:
    """There was thinking, and the vendor keeps its text: encrypted, redacted or omitted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """What the vendor wants back with the next turn and nobody can read: a thinking block's signature, redacted
    thinking, encrypted reasoning. `item` is the vendor's id of it, where it has one."""

    kind: OpaqueKind
    text: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The endpoint spent `seconds` on loading the model before it began: no part of its speed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Learned:
    """The endpoint itself said what it does with a parameter; `state` is whether it thought (on, off, unknown).

    `value` is what the parameter is pinned to, `asked` the one value that was refused where others may do."""

    parameter: str
    verdict: str
    said: str
    state: str = "unknown"
    value: Value = None
    asked: Value = None


@dataclass(frozen=True, slots=True)
class Answer:
    text: str


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer as the endpoint scored it: its text and natural log probability, in the endpoint's own
    convention (raw, or after the sampling parameters).

    `low` and `high` bound the entropy in nats of the distribution it was drawn from, worked out from every
    alternative that was given; None where none was. `top` are the most probable alternatives, at most KEPT of them."""

    text: str
    logprob: float
    low: float | None = None
    high: float | None = None
    top: tuple[tuple[str, float], ...] = ()


KEPT = 5  # alternatives a token keeps in the history: 20 would make logprobs nine tenths of it


@dataclass(frozen=True, slots=True)
class Scored:
    """The endpoint's log probabilities of some tokens, in order. They are the answer's, and repeat no text of it."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Relabelled:
    """All that came as answer so far was thinking: a closing tag came whose opening tag never did."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the provider gave them; None is "not said", never zero.

    `output` is the vendor's own field, `billed` the output that is paid for with the thinking in it
    (total - prompt, where the vendor gives a total). `cost` is in US dollars, where the provider reports it.
    """

    input: int | None = None
    output: int | None = None
    thinking: int | None = None
    cached: int | None = None
    billed: int | None = None
    cost: float | None = None
    source: UsageSource = "provider"
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retrying:
    """The attempt failed in a way that may pass; the next one goes out after `delay` seconds."""

    fault: Fault
    delay: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream ended. `reason` is the vendor's own word, or None where the vendor gave none."""

    reason: str | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Failed:
    fault: Fault
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    why: str = "cancelled"


Event = (
    Started | Sent | Accepted | Waiting | Served | Thinking | Withheld | Opaque | Loaded | Learned | Answer | Scored
    | Relabelled | Usage | Retrying | Finished | Failed | Cancelled
)  # fmt: skip
Ending = (Finished, Failed, Cancelled)


class Stamped(NamedTuple):
    """An event of cell number `cell`, `at` seconds after the run began."""

    cell: int
    at: float
    event: Event


_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Started, Sent, Accepted, Waiting, Served, Thinking, Withheld, Opaque, Loaded, Learned, Answer, Scored,
        Relabelled, Usage, Retrying, Finished, Failed, Cancelled,
    )
}  # fmt: skip
_FIELDS = {name: tuple(f.name for f in fields(kind)) for name, kind in _TYPES.items()}


def pack(stamped: Stamped) -> list[Any]:
    """A stamped event as a JSON list: [seconds, kind, value, …], fields in declared order."""
    event = stamped.event
    if type(event) is Answer:  # nine in ten events are one of these two: no reflection for them
        return [stamped.at, "Answer", event.text]
    if type(event) is Thinking:
        return [stamped.at, "Thinking", event.text, event.kind]
    name = type(event).__name__
    if type(event) is Scored:
        return [stamped.at, name, [[t.text, t.logprob, t.low, t.high, t.top] for t in event.tokens]]
    values = asdict(event)
    return [stamped.at, name, *(values[f] for f in _FIELDS[name])]


def unpack(cell: int, packed: list[Any]) -> Stamped:
    """The stamped event that `pack` wrote."""
    at, name, *values = packed
    if name == "Answer":
        return Stamped(cell, at, Answer(values[0]))
    if name == "Thinking":
        return Stamped(cell, at, Thinking(*values))
    kind = _TYPES[name]
    arguments = dict(zip(_FIELDS[name], values, strict=False))
    if isinstance(arguments.get("fault"), dict):
        arguments["fault"] = Fault(**arguments["fault"])
    if kind is Scored:
        arguments["tokens"] = tuple(_token(*values) for values in arguments["tokens"])
    return Stamped(cell, at, kind(**arguments))


def _token(text: str, logprob: float, low: float | None, high: float | None, top: list[list[Any]]) -> Token:
    return Token(text, logprob, low, high, tuple(map(tuple, top)))
