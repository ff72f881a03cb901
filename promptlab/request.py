"""What a provider is asked: messages and parameters. Frozen, and never holding a key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from promptlab.params import Value

LOCAL = "local"  # the name of the embedded model's endpoint
Role = Literal["system", "developer", "user", "assistant"]
Word = Literal["honoured", "ignored", "refused", "pinned", "unknown"]
State = Literal["on", "off", "unknown"]  # of a model's thinking, in one request


class Sealed(NamedTuple):
    """What a vendor wants back with the next turn and nobody can read: see `events.Opaque`."""

    kind: str
    text: str
    item: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Of an answer that is part of a conversation, `sealed` is what its vendor wants back with it, in its
    own dialect alone, and `thinking` the trace that its signature signs."""

    role: Role
    text: str
    thinking: str = ""
    sealed: tuple[Sealed, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `model` as the endpoint names it, `parameters` by promptlab's names. `without` are those that the
    endpoint has just refused: they are not sent again."""

    model: str
    messages: tuple[Message, ...]
    parameters: dict[str, Value] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one parameter at one model. `value` is what it is pinned to, where that is known; `left_out`
    says that it was asked for and is not on the wire."""

    word: Word
    note: str = ""
    value: Value = None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes out for a request: the address, the JSON body, and which parameters it carries.

    `sent` holds promptlab's parameter names with the values on the wire, `verdicts` what becomes of each that was
    asked. `fields` are the names in the body that a parameter occupies, `state` whether the model will think. `exact`
    is False where another library makes the body and it is only known once it has been sent.
    """

    url: str
    body: dict[str, Value]
    sent: dict[str, Value]
    exact: bool = True
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    state: State = "unknown"

    def encode(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @property
    def words(self) -> dict[str, str]:
        """The verdict on each parameter as a word, as it is stored and shown."""
        return {name: verdict.word for name, verdict in self.verdicts.items()}

    @property
    def notes(self) -> dict[str, str]:
        """What more there is to say on a verdict, where there is."""
        return {name: verdict.note for name, verdict in self.verdicts.items() if verdict.note}

    def blamed(self, param: str | None, message: str) -> str | None:
        """The parameter of ours that an endpoint refuses: by its own name for it (`generationConfig.topK`), or as the
        only one that its message mentions; or None."""
        names = {_plain(name): ours for ours, names in self.fields.items() for name in names}
        if param:
            return next(
                (names[part] for part in map(_plain, re.split(r"[.\[\]]+", param)[::-1]) if part in names), None
            )
        words = set(map(_plain, re.findall(r"\w+", message))) - _COMMON
        mentioned = {names[word] for word in words if word in names}
        return mentioned.pop() if len(mentioned) == 1 else None


_COMMON = {"format"}  # a field's name, and a word that a message on anything may use


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
