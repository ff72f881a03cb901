"""The dialect of OpenAI Responses: reasoning summaries, encrypted reasoning; OpenAI itself, xAI, OpenRouter, vLLM …"""

from __future__ import annotations

from collections.abc import Mapping

from promptlab.errors import Fault
from promptlab.knowledge import Judged, merge
from promptlab.params import BODY, Value
from promptlab.providers.direct import Call
from promptlab.providers.openai_responses_stream import ResponseFold
from promptlab.providers.structured import named
from promptlab.providers.thinking import Mode
from promptlab.request import Message, Request

# promptlab's names on the left, the dialect's on the right, dots go inside; what is not here goes out under its own
# name: the API has neither penalties, nor a seed, nor stop texts.
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_output_tokens",
    "effort": "reasoning.effort",
}
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
# The names in the body that an endpoint may blame for those that become a piece of it.
_FIELDS = {"schema": ("format", "json_schema"), "top_logprobs": ("top_logprobs", "logprobs")}


class OpenAIResponses:
    """`POST {base_url}/responses` with `stream: true`; see `Dialect`.

    Nothing is stored at the vendor (`store: false`), so reasoning can come back for a next turn only in encrypted
    form: `encrypted` asks for it. A server that refuses `include` wants it off.
    """

    lines = False

    def __init__(
        self, *, wire_names: Mapping[str, str] | None = None, encrypted: bool = True, tags: Mode = "auto"
    ) -> None:
        self._names = {**WIRE_NAMES, **(wire_names or {})}
        self._encrypted, self._tags = encrypted, tags

    def path(self, model: str) -> str:
        return "/responses"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {key or 'none'}"}

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        body: dict[str, Value] = {
            "model": request.model,
            # Instructions stay where they were asked, in the role they were asked in. The field `instructions` holds
            # one text, in a role of the vendor's choice, before all others: a second one, or one between two turns,
            # could not be said with it.
            "input": [item for message in request.messages for item in _items(message)],
            "stream": True,
            "store": False,
        }
        include: list[Value] = []
        # Asked of a model that does not reason, this is refused: "Encrypted content is not supported with this model".
        if self._encrypted and judged.state != "off":
            include.append(ENCRYPTED)
        for name, value in judged.send.items():
            if name in self._names or not (name in _FIELDS or name.startswith(BODY)):
                merge(body, _nested(self.fields(name), value))
            elif name == "schema":
                body["text"] = {"format": {"type": "json_schema", **named(value)}}
            elif name == "top_logprobs":
                include.append(LOGPROBS)
                merge(body, {"top_logprobs": value} if value else {})
        return body | ({"include": include} if include else {})

    def fields(self, name: str) -> tuple[str, ...]:
        if name in _FIELDS and name not in self._names:
            return _FIELDS[name]
        return tuple(self._names.get(name, name).split("."))

    def explain(self, found: Fault, model: str) -> Fault:
        return found

    def fold(self, call: Call) -> ResponseFold:
        return ResponseFold(call, self._tags)


def _nested(path: tuple[str, ...], value: Value) -> dict[str, Value]:
    *above, last = path
    fragment: dict[str, Value] = {last: value}
    for name in reversed(above):
        fragment = {name: fragment}
    return fragment


def _items(message: Message) -> list[Value]:
    """A message, and before an earlier answer its encrypted reasoning, as `store: false` wants it back.
    (developers.openai.com/api/docs/guides/reasoning, encrypted reasoning items)"""
    sealed: list[Value] = [
        {"type": "reasoning", "id": one.item, "summary": [], "encrypted_content": one.text}
        for one in message.sealed if one.kind == "encrypted" and one.item
    ]  # fmt: skip
    return [*sealed, {"role": message.role, "content": message.text}]
