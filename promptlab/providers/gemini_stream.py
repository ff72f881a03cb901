"""What a stream of Gemini's chunks says, as events: thought parts, text, signatures, usage, end and errors."""

from __future__ import annotations

from typing import Any

from promptlab.events import Answer, Event, Opaque, Served, Thinking
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fold import StreamFold
from promptlab.providers.shape import Characters, count, items, mapping, text

_MESSAGE = ("candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId", "error")
# What a part says about itself; any other name in it is something that it holds.
_ABOUT = {"text", "thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution"}


class GeminiFold(StreamFold):
    """One stream's chunks to events; see `Fold`. There is no end mark: a finish reason, and then the stream's end."""

    hint = "is the base URL right? Google's ends in /v1beta"

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._served = False
        self._characters = Characters()

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
            # Beside the code there is a RetryInfo, as in the body of a refused request.
            self._fail(error, status=count(mapping(error).get("code")))
        return events

    def _other(self, message: object) -> list[Event]:
        """An array of chunks: an error, or `alt=sse` was lost on the way."""
        return [event for chunk in items(message) if isinstance(chunk, dict) for event in self.read(chunk)]

    def _left(self) -> list[Event]:
        return [usage.gemini(self.usage_block)] if self.usage_block else []

    def _part(self, part: dict[str, Any]) -> list[Event]:
        words = self._characters.join(text(part.get("text"))) + _unread(part)
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
