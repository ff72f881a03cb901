"""The OpenAI chat dialect: OpenAI, DeepSeek, OpenRouter, Groq, Mistral, LM Studio, llama.cpp, vLLM …"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from promptlab.errors import Fault
from promptlab.knowledge import Judged, merge
from promptlab.params import BODY, Value
from promptlab.providers.direct import Call
from promptlab.providers.openai_chunks import ChunkFold
from promptlab.providers.structured import response_format
from promptlab.providers.thinking import Mode
from promptlab.request import Request

# promptlab's names on the left, the dialect's on the right; an endpoint may rename some (catalog: `wire`).
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "effort": "reasoning_effort",
    "thinking_budget": "thinking_budget",
}
# Those that become a piece of the body; and the names in it that an endpoint may blame.
PIECES: dict[str, Callable[[Value], dict[str, Value]]] = {
    "schema": lambda schema: {"response_format": response_format(schema)},
    "top_logprobs": lambda count: {"logprobs": True} | ({"top_logprobs": count} if count else {}),
}
_FIELDS = {"schema": ("response_format", "json_schema"), "top_logprobs": ("top_logprobs", "logprobs")}


class OpenAIChat:
    """`POST {base_url}/chat/completions` with `stream: true`; see `Dialect`."""

    lines = False

    def __init__(
        self, *, wire_names: Mapping[str, str] | None = None, include_usage: bool = True, tags: Mode = "auto"
    ) -> None:
        self._names = {**WIRE_NAMES, **(wire_names or {})}
        self._pieces = {name: piece for name, piece in PIECES.items() if name not in self._names}
        self._include_usage, self._tags = include_usage, tags

    def path(self, model: str) -> str:
        return "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {key or 'none'}"}

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        body: dict[str, Value] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "stream": True,
        }
        if self._include_usage:
            body["stream_options"] = {"include_usage": True}
        for name, value in judged.send.items():
            if name in self._pieces:
                merge(body, self._pieces[name](value))
            elif not name.startswith(BODY):
                body[self._names.get(name, name)] = value
        return body

    def fields(self, name: str) -> tuple[str, ...]:
        return _FIELDS[name] if name in self._pieces else (self._names.get(name, name),)

    def explain(self, found: Fault, model: str) -> Fault:
        return found

    def fold(self, call: Call) -> ChunkFold:
        return ChunkFold(call, self._tags)
