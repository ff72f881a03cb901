"""What a provider is asked: messages and parameters. Frozen, and never holding a key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal

from promptlab.params import Value

LOCAL = "local"  # the name of the embedded model's endpoint
Role = Literal["system", "developer", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `model` as the endpoint names it, `parameters` by promptlab's names."""

    model: str
    messages: tuple[Message, ...]
    parameters: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes out for a request: the address, the JSON body, and which parameters it carries.

    `sent` holds promptlab's parameter names with the values on the wire. `exact` is False where another
    library makes the body and it is only known once it has been sent.
    """

    url: str
    body: dict[str, Value]
    sent: dict[str, Value]
    exact: bool = True

    def encode(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
