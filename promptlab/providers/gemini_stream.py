"""What a stream of Gemini's chunks says, as events: thought parts, text, signatures, usage, end and errors."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import Answer, Event, Finished, Opaque, Served, Thinking
from promptlab.providers import fault, usage
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.shape import count, items, mapping, shallow, text

_MESSAGE = ("candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId", "error")
# What a part says about itself; any other name in it is something that it holds.
_ABOUT = {"text", "thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class GeminiFold:
    """One stream's chunks to events; see `Fold`. There is no end mark: a finish reason, and then the stream's end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.usage_block: dict[str, Any] = {}
        self.finish: str | None = None
        self.error: ProviderError | None = None
        self.said = False
        self.done = False
        self._known = False  # some chunk of this dialect has come
        self._odd = b""  # the first that was none
        self._served = False
        self._half = ""  # the first half of a character

    @property
    def complete(self) -> bool:
        return self.finish is not None and self.finish not in BROKEN_OFF and self.error is None

    def take(self, data: bytes) -> list[Event]:
        """The events of one message; none after an end or an error, however the bytes were cut. Raises ProviderError
        for what is no JSON."""
        if self.done or self.error:
            return []
        if data == b"[DONE]":  # Google sends none, but gateways do
            self.done = True
            return []
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            said = fault.without_key(data[:2000].decode("utf-8", "replace"), self._call.key)[:60]
            raise ProviderError(
                Fault("not_an_api", fault.one_line(f"the stream has a line that is no JSON: {said}"),
                      "is the base URL right? Google's ends in /v1beta", self._call.provider)
            ) from None  # fmt: skip
        events: list[Event] = []
        for chunk in found if isinstance(found, list) else [found]:  # an array: an error, or `alt=sse` was lost
            if isinstance(chunk, dict):
                events += self.read(chunk)
        if not (self._known or self._odd):
            self._odd = data[:2000]
        return events

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """The events of one parsed chunk."""
        self._known = self._known or any(name in chunk for name in _MESSAGE)
        events: list[Event] = []
        if not self._served and (model := text(chunk.get("modelVersion"))):
            self._served = True
            events.append(Served(model))
        self.usage_block = mapping(chunk.get("usageMetadata")) or self.usage_block  # cumulative: the last one holds
        self._end_with(mapping(chunk.get("promptFeedback")).get("blockReason"))
        candidate = _first(chunk.get("candidates"))
        for part in map(mapping, items(mapping(candidate.get("content")).get("parts"))):
            events += self._part(part)
        self._end_with(candidate.get("finishReason"))
        if error := chunk.get("error"):
            self._fail(error)
        return events

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream; see `Fold.end`."""
        events: list[Event] = []
        if rest:
            with suppress(ProviderError):  # half a line: the stream was cut in it
                events = self.take(rest)
        if not self._known and not self.done:
            said = fault.without_key((rest or self._odd).decode("utf-8", "replace"), self._call.key)
            raise ProviderError(fault.not_a_stream(self._call.provider, 200, "", said, where))
        if self.usage_block:
            events.append(usage.gemini(self.usage_block))
        if not self.error:
            events.append(Finished(self.finish, self.complete))
        return events

    def _part(self, part: dict[str, Any]) -> list[Event]:
        words = self._whole_characters(text(part.get("text"))) + _unread(part)
        events: list[Event] = []
        if words:
            self.said = True
            events.append(Thinking(words, "summary") if part.get("thought") else Answer(words))
        if signature := text(part.get("thoughtSignature")):
            events.append(Opaque("signature", signature))
        return events

    def _end_with(self, reason: object) -> None:
        if reason and isinstance(reason, (str, int)):
            self.finish = str(reason)

    def _fail(self, error: object) -> None:
        call = self._call
        error = error if shallow(error) else "an error that can't be read"
        status = count(mapping(error).get("code")) or 0
        if 400 <= status < 600:  # beside the code there is a RetryInfo, as in the body of a refused request
            body = json.dumps({"error": error}).encode()
            found = fault.from_response(
                call.provider, status, {}, body, model=call.model, key=call.key, key_name=call.key_name
            )
        else:
            found = fault.from_stream(call.provider, error, model=call.model, key=call.key, key_name=call.key_name)
        self.error = ProviderError(found, self.finish)

    def _whole_characters(self, piece: str) -> str:
        """Text without lone surrogates: a gateway may split a character over two chunks. A first half at the end
        waits for its second; a half that stays alone becomes U+FFFD."""
        if not piece or (piece.isascii() and not self._half):
            return piece
        piece, self._half = self._half + piece, ""
        if not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _first(candidates: object) -> dict[str, Any]:
    """The first candidate: with several, a chunk may hold another one alone. An index of 0 is left out at times."""
    found = (c for c in map(mapping, items(candidates)) if not count(c.get("index")))
    return next(found, {})


def _unread(part: dict[str, Any]) -> str:
    """A mark for what a part holds beside text (a function call, a picture, code): there is no way to show it, and
    an answer must not look whole without it."""
    marks = []
    for name, value in part.items():
        if name in _ABOUT or value is None:
            continue
        held = mapping(value)
        what = text(held.get("name")) or text(held.get("mimeType")) or text(held.get("language"))
        marks.append(" ".join(filter(None, (f"[{name[:40]}", what[:60]))) + ", not shown]")
    return "".join(marks)
