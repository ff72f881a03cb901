"""Ollama's own chat API: JSON lines, thinking in a field of its own, and how long the model took to load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import Event, Loaded, Served, Thinking
from promptlab.knowledge import Judged
from promptlab.params import BODY, Value
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.fold import StreamFold
from promptlab.providers.logprobs import Scores
from promptlab.providers.shape import Characters, count, mapping, text
from promptlab.providers.thinking import Mode, ThinkSplitter
from promptlab.request import Request

# promptlab's names on the left; on the right those in `options`, where most stand (docs/modelfile.md), or beside them.
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "seed": "seed",
    "max_tokens": "num_predict",
    "stop": "stop",
    "effort": "think",
    "schema": "format",
    "top_logprobs": "top_logprobs",
}
_OUTSIDE = ("think", "format", "top_logprobs")
_LEAST_LOAD = 50_000_000  # nanoseconds; a warm model has some too: the server opens the file and looks for its runner
_NOTHING_RUN = {"load", "unload"}  # the model was loaded or let go, and asked nothing
_MISSING = re.compile(r"\bmodel\b.*\bnot found\b")
_WHERE = "is the base URL right? Ollama's own API is at its address without /v1"


class Ollama:
    """`POST {base_url}/api/chat` with `stream: true`; see `Dialect`. `native` makes the base URL."""

    lines = True

    def __init__(self, *, wire_names: Mapping[str, str] | None = None, tags: Mode = "auto") -> None:
        self._names = {**WIRE_NAMES, **(wire_names or {})}
        self._tags = tags

    def path(self, model: str) -> str:
        return "/api/chat"

    def headers(self, key: str | None) -> dict[str, str]:
        """No placeholder without a key: the server on one's own machine has none, ollama.com wants one."""
        accept = {"accept": "application/x-ndjson"}
        return {**accept, "authorization": f"Bearer {key}"} if key else accept

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        # Templates leave out messages of a role that they don't know, without a word; `developer` is one.
        body: dict[str, Value] = {
            "model": request.model,
            "messages": [
                {"role": "system" if message.role == "developer" else message.role, "content": message.text}
                for message in request.messages
            ],
            "stream": True,
        }
        options: dict[str, Value] = {}
        for name, value in judged.send.items():
            if not name.startswith(BODY):
                field = self._names.get(name, name)
                (body if field in _OUTSIDE else options)[field] = value
                if name == "top_logprobs":
                    body["logprobs"] = True
        if options:
            body["options"] = options
        return body

    def fields(self, name: str) -> tuple[str, ...]:
        field = self._names.get(name, name)
        return (field, "logprobs") if name == "top_logprobs" else (field,)

    def fold(self, call: Call) -> OllamaFold:
        return OllamaFold(call, self._tags)

    def explain(self, found: Fault, model: str) -> Fault:
        """`found` with the hint that helps at an Ollama server."""
        return _explained(found, model)


class OllamaFold(StreamFold):
    """One stream's lines to events; see `Fold`. `done: true` ends it, and brings counts and durations."""

    hint = _WHERE
    end_mark = None

    def __init__(self, call: Call, tags: Mode = "auto") -> None:
        super().__init__(call)
        self._splitter = ThinkSplitter(tags)
        self._served = False
        self._field = False
        self._thoughts, self._words = Characters(), Characters()
        self._scores: Scores | None = None  # from the first log probability on

    @property
    def complete(self) -> bool:
        """An old server gives no reason with its `done: true`; that is an end all the same."""
        return self.done and self.finish not in BROKEN_OFF | _NOTHING_RUN and self.error is None

    def read(self, line: dict[str, Any]) -> list[Event]:
        """The events of one parsed line."""
        self._known = self._known or any(name in line for name in ("message", "done", "error"))
        served = self._serve(line)
        events: list[Event] = []
        message = mapping(line.get("message"))
        if thought := self._thoughts.join(text(message.get("thinking"))):
            if not self._field:
                self._field = True
                events += self._splitter.close()
                self._splitter.field_seen()
            events.append(Thinking(thought))
        if content := self._words.join(text(message.get("content"))):
            events += self._splitter.feed(content)
        self.said = self.said or bool(thought or content)
        if (scored := line.get("logprobs")) or self._scores:
            self._scores = self._scores or Scores()
            self._scores.come(self._scores.read(scored), len(content), thought=bool(thought))
            events = self._scores.settle(events, self._splitter.held)
        if error := line.get("error"):
            self._refuse(error, line.get("status"))
        elif line.get("done") is True:
            self.done, self.usage_block = True, line
            self.finish = text(line.get("done_reason")) or None
        return [*served, *events]

    def _left(self) -> list[Event]:
        rest = self._splitter.close()
        events = self._scores.settle(rest) if self._scores else rest
        load = count(self.usage_block.get("load_duration")) or 0
        if load > _LEAST_LOAD:
            events.append(Loaded(load / 1e9))
        counted = usage.ollama(self.usage_block)
        return [*events, counted] if counted.raw else events

    def _serve(self, line: dict[str, Any]) -> list[Event]:
        """A model in Ollama's cloud is served through the local server, which names the other one."""
        if self._served or not (model := text(line.get("model"))):
            return []
        self._served = True
        return [Served(text(line.get("remote_model")) or model, text(line.get("remote_host")) or None)]

    def _refuse(self, error: object, status: object) -> None:
        """An error in the stream: a text, with the HTTP status that it should have had beside it, where known."""
        self._fail(error, status=count(status), meant=404 if _MISSING.search(text(error)) else None)
        assert self.error is not None
        self.error = ProviderError(_explained(self.error.fault, self._call.model), self.finish)


def _explained(found: Fault, model: str) -> Fault:
    match found.kind:
        case "model_missing" if model:
            return replace(found, hint=f"ollama pull {model}")
        case "not_an_api":
            return replace(found, hint=_WHERE)
        case _:
            return found


def native(base_url: str) -> str:
    """The base URL of Ollama's own API, from the one that people have for its OpenAI layer."""
    url = base_url.rstrip("/")
    for behind in ("/api/chat", "/api", "/v1"):
        url = url.removesuffix(behind)
    return url.rstrip("/")
