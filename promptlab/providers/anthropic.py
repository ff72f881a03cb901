"""The dialect of Anthropic messages: Claude itself, and the others that speak it (DeepSeek, Moonshot, llama.cpp …)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from promptlab.errors import Fault
from promptlab.knowledge import Judged, merge
from promptlab.params import BODY, Value
from promptlab.providers.anthropic_stream import AnthropicFold
from promptlab.providers.direct import Call
from promptlab.providers.shape import count, mapping
from promptlab.request import Message, Request, Verdict

# promptlab's names on the left, the dialect's on the right; what is not here goes out under its own name.
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
}
VERSION = "2023-06-01"  # later ones (2026-10-21) take no sampling parameters at all
MOST = 4096  # tokens to write at most, where nobody says how many
_LIMIT = "max_tokens"
_INSTRUCTIONS = ("system", "developer")


class Anthropic:
    """`POST {base_url}/v1/messages` with `stream: true`; see `Dialect`. The base URL ends before the `/v1`.

    `most` gives a model's longest output in tokens, or None: it is sent where a request asks for no limit, for the
    API wants one.
    """

    lines = False

    def __init__(
        self, *, version: str = VERSION, most: Callable[[str], int | None] | None = None,
        wire_names: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._version, self._most = version, most
        self._names = {**WIRE_NAMES, **(wire_names or {})}

    def path(self, model: str) -> str:
        return "/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"x-api-key": key or "none", "anthropic-version": self._version}

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        """See `Dialect.body`. A limit that nobody asked for is put into `judged.sent` and its verdicts."""
        body: dict[str, Value] = {
            "model": request.model,
            "messages": [
                {"role": message.role, "content": _content(message)}
                for message in request.messages if message.role not in _INSTRUCTIONS
            ],
            "stream": True,
        }  # fmt: skip
        system = "\n\n".join(m.text for m in request.messages if m.role in _INSTRUCTIONS and m.text)
        if system:
            body["system"] = system
        for name, value in judged.send.items():
            if name == "schema" and name not in self._names:
                merge(body, {"output_config": {"format": {"type": "json_schema", "schema": value}}})
            elif not name.startswith(BODY):
                body[self._names.get(name, name)] = value
        self._limit(request, body, judged)
        return body

    def fields(self, name: str) -> tuple[str, ...]:
        if name == "schema" and name not in self._names:
            return ("format", "schema", "json_schema", "output_format")  # `output_config` holds the effort as well
        return (self._names.get(name, name),)

    def explain(self, found: Fault, model: str) -> Fault:
        return found

    def fold(self, call: Call) -> AnthropicFold:
        return AnthropicFold(call)

    def _limit(self, request: Request, body: dict[str, Value], judged: Judged) -> None:
        """Put a limit into a body that has none, above the budget for thinking, and say so."""
        later: dict[str, Value] = {}  # what Direct merges into the body
        merge(later, judged.body)
        merge(later, {n.removeprefix(BODY): value for n, value in judged.send.items() if n.startswith(BODY)})
        field = self._names[_LIMIT]
        if field in body or field in later:
            return
        budget = count(mapping(later.get("thinking")).get("budget_tokens")) or 0
        limit = (self._most(request.model) if self._most else None) or MOST
        if isinstance(wanted := request.parameters.get(_LIMIT), int):  # it was refused: never more than that
            limit = min(limit, wanted)
        if limit <= budget:
            limit = budget + MOST
        body[field] = judged.sent[_LIMIT] = limit
        asked = judged.verdicts.get(_LIMIT)
        judged.verdicts[_LIMIT] = (
            replace(asked, note="; ".join(filter(None, (asked.note, "this API wants one: this is sent instead"))))
            if asked
            else Verdict("honoured", "this API wants one")
        )


def _content(message: Message) -> Value:
    """An answer of an earlier turn goes back with its thinking where that is signed or sealed, as the API has it:
    blocks unchanged and before the text. Two signatures are of two blocks that nobody can tell apart: then without.
    (platform.claude.com/docs, extended thinking, preserving thinking blocks)"""
    signed = [one.text for one in message.sealed if one.kind == "signature"]
    blocks: list[Value] = [{"type": "redacted_thinking", "data": one.text} for one in message.sealed
                           if one.kind == "redacted"]  # fmt: skip
    if len(signed) == 1:
        blocks.append({"type": "thinking", "thinking": message.thinking, "signature": signed[0]})
    return [*blocks, {"type": "text", "text": message.text}] if blocks else message.text
