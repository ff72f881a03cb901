"""Ollama's own chat API: JSON lines, thinking in a field of its own, and how long the model took to load."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import Event, Finished, Loaded, Served, Thinking
from promptlab.knowledge import Judged
from promptlab.params import BODY, Value
from promptlab.providers import fault, usage
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.shape import count, mapping, shallow, text
from promptlab.providers.thinking import Mode, ThinkSplitter
from promptlab.request import Request

# promptlab's names on the left; on the right those in `options`, where all but `think` stand (docs/modelfile.md).
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
}
_OUTSIDE = ("think",)
_LEAST_LOAD = 50_000_000  # nanoseconds; a warm model has some too: the server opens the file and looks for its runner
_NOTHING_RUN = {"load", "unload"}  # the model was loaded or let go, and asked nothing
_MISSING = re.compile(r"\bmodel\b.*\bnot found\b")
_WHERE = "is the base URL right? Ollama's own API is at its address without /v1"
_SURROGATE = re.compile("[\ud800-\udfff]")


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
        if options:
            body["options"] = options
        return body

    def fields(self, name: str) -> tuple[str, ...]:
        return (self._names.get(name, name),)

    def fold(self, call: Call) -> OllamaFold:
        return OllamaFold(call, self._tags)

    def explain(self, found: Fault, model: str) -> Fault:
        """`found` with the hint that helps at an Ollama server."""
        return _explained(found, model)


class OllamaFold:
    """One stream's lines to events; see `Fold`. `done: true` ends it, and brings counts and durations."""

    def __init__(self, call: Call, tags: Mode = "auto") -> None:
        self._call = call
        self._splitter = ThinkSplitter(tags)
        self._last: dict[str, Any] = {}
        self.finish: str | None = None
        self.error: ProviderError | None = None
        self.said = False
        self.done = False
        self._known = False  # some line of this dialect has come
        self._odd = b""  # the first that was none
        self._served = False
        self._field = False
        self._halves: dict[str, str] = {}  # the first half of a character

    @property
    def complete(self) -> bool:
        """An old server gives no reason with its `done: true`; that is an end all the same."""
        return self.done and self.finish not in BROKEN_OFF | _NOTHING_RUN and self.error is None

    def take(self, data: bytes) -> list[Event]:
        """The events of one line. Raises ProviderError for what is no JSON."""
        if self.done or self.error:
            return []
        try:
            line = json.loads(data)
        except (ValueError, RecursionError):
            said = fault.without_key(data[:2000].decode("utf-8", "replace"), self._call.key)[:60]
            raise ProviderError(
                Fault("not_an_api", fault.one_line(f"the stream has a line that is no JSON: {said}"),
                      _WHERE, self._call.provider)
            ) from None  # fmt: skip
        events = self.read(line) if isinstance(line, dict) else []
        if not (self._known or self._odd):
            self._odd = data[:2000]
        return events

    def read(self, line: dict[str, Any]) -> list[Event]:
        """The events of one parsed line."""
        self._known = self._known or any(name in line for name in ("message", "done", "error"))
        events = self._serve(line)
        message = mapping(line.get("message"))
        if thought := self._whole_characters("thinking", text(message.get("thinking"))):
            if not self._field:
                self._field = True
                events += self._splitter.close()
                self._splitter.field_seen()
            events.append(Thinking(thought))
        if content := self._whole_characters("content", text(message.get("content"))):
            events += self._splitter.feed(content)
        self.said = self.said or bool(thought or content)
        if error := line.get("error"):
            self._fail(error, line.get("status"))
        elif line.get("done") is True:
            self.done, self._last = True, line
            self.finish = text(line.get("done_reason")) or None
        return events

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream; see `Fold.end`."""
        events: list[Event] = []
        if rest and not (self.done or self.error):
            with suppress(ProviderError):  # half a line: the stream was cut in it
                events = self.take(rest)
        if not self._known:
            said = fault.without_key((rest or self._odd).decode("utf-8", "replace"), self._call.key)
            found = fault.not_a_stream(self._call.provider, 200, "", said, where)
            raise ProviderError(_explained(found, self._call.model))
        events += self._splitter.close()
        load = count(self._last.get("load_duration")) or 0
        if load > _LEAST_LOAD:
            events.append(Loaded(load / 1e9))
        counted = usage.ollama(self._last)
        if counted.raw:
            events.append(counted)
        if not self.error:
            events.append(Finished(self.finish, self.complete))
        return events

    def _serve(self, line: dict[str, Any]) -> list[Event]:
        """A model in Ollama's cloud is served through the local server, which names the other one."""
        if self._served or not (model := text(line.get("model"))):
            return []
        self._served = True
        return [Served(text(line.get("remote_model")) or model, text(line.get("remote_host")) or None)]

    def _fail(self, error: object, status: object) -> None:
        """An error in the stream: a text, with the HTTP status that it should have had beside it, where known."""
        call = self._call
        error = error if shallow(error) else "an error that can't be read"
        told = count(status) or 0
        meant = told or (404 if _MISSING.search(text(error)) else 0)
        if 400 <= meant < 600:
            body = json.dumps({"error": error}).encode()
            found = fault.from_response(
                call.provider, meant, {}, body, model=call.model, key=call.key, key_name=call.key_name
            )
            found = replace(found, status=told or None)
        else:
            found = fault.from_stream(call.provider, error, model=call.model, key=call.key, key_name=call.key_name)
        self.error = ProviderError(_explained(found, call.model), self.finish)

    def _whole_characters(self, field: str, piece: str) -> str:
        """Text without lone surrogates: a proxy may split a character over two lines. A first half at the end waits
        for its second; a half that stays alone becomes U+FFFD."""
        if not piece or (piece.isascii() and field not in self._halves):
            return piece
        piece = self._halves.pop(field, "") + piece
        if not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._halves[field] = piece[:-1], piece[-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


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
