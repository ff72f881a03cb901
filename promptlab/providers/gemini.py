"""Gemini's own dialect: Google's generateContent API."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from promptlab.errors import Fault
from promptlab.knowledge import Judged
from promptlab.params import BODY, Value
from promptlab.providers.direct import Call
from promptlab.providers.gemini_stream import GeminiFold
from promptlab.request import Message, Request

# promptlab's names on the left, those in `generationConfig` on the right; what is not here goes out under its own.
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
}
# The names in the config that the endpoint may blame for those that become several of them.
_FIELDS = {"schema": ("responseJsonSchema", "responseMimeType"), "top_logprobs": ("responseLogprobs", "logprobs")}
_INSTRUCTIONS = ("system", "developer")
_COLLECTIONS = ("models/", "tunedModels/")
_PLAIN = ":@!$&'()*+,;=~"  # what may stand in a path as it is: so that the address shown is the one asked for


class Gemini:
    """`POST {base_url}/models/MODEL:streamGenerateContent?alt=sse`; see `Dialect`. The key is never in the address."""

    lines = False

    def __init__(self, *, wire_names: Mapping[str, str] | None = None) -> None:
        self._names = {**WIRE_NAMES, **(wire_names or {})}

    def path(self, model: str) -> str:
        """`models/x` and `tunedModels/x` are names as Google lists them; all others are of a model."""
        collection = next((c for c in _COLLECTIONS if model.startswith(c)), _COLLECTIONS[0])
        name = quote(model.removeprefix(collection), safe=_PLAIN, errors="replace")
        return f"/{collection}{name}:streamGenerateContent?alt=sse"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"x-goog-api-key": key or "none"}

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        body: dict[str, Value] = {
            "contents": [
                {"role": "model" if message.role == "assistant" else "user", "parts": [_part(message)]}
                for message in request.messages if message.role not in _INSTRUCTIONS
            ],
        }  # fmt: skip
        system = "\n\n".join(m.text for m in request.messages if m.role in _INSTRUCTIONS and m.text)
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        config: dict[str, Value] = {}
        for name, value in judged.send.items():
            if name in self._names or not (name in _FIELDS or name.startswith(BODY)):
                config[self._names.get(name, name)] = value
            elif name == "schema":
                config |= {"responseMimeType": "application/json", "responseJsonSchema": value}
            elif name == "top_logprobs":
                config |= {"responseLogprobs": True} | ({"logprobs": value} if value else {})
        if config:
            body["generationConfig"] = config
        return body

    def fields(self, name: str) -> tuple[str, ...]:
        return _FIELDS[name] if name in _FIELDS and name not in self._names else (self._names.get(name, name),)

    def explain(self, found: Fault, model: str) -> Fault:
        return found

    def fold(self, call: Call) -> GeminiFold:
        return GeminiFold(call)


def _part(message: Message) -> Value:
    """A message's text, and with an earlier answer the signature of its thoughts; of several the last, which stands
    for the whole. (ai.google.dev/gemini-api/docs/thought-signatures)"""
    signed = [one.text for one in message.sealed if one.kind == "signature"]
    return {"text": message.text, **({"thoughtSignature": signed[-1]} if signed else {})}
