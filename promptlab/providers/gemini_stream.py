"""What a stream of Gemini's chunks says, as events: thought parts, text, signatures, usage, end and errors."""

from __future__ import annotations

from typing import Any

from promptlab.events import Answer, Event, Opaque, Scored, Served, Thinking
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fold import StreamFold
from promptlab.providers.logprobs import last_of, natural, readable, token
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
        self._unscored = 0  # characters of the answer that no log probability has come for

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
        if scored := candidate.get("logprobsResult"):
            events += self._score(mapping(scored))
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
            if part.get("thought"):
                events.append(Thinking(words, "summary"))
            else:
                self._unscored += len(words)
                events.append(Answer(words))
        if signature := text(part.get("thoughtSignature")):
            events.append(Opaque("signature", signature))
        return events

    def _score(self, result: dict[str, Any]) -> list[Event]:
        """The answer's tokens among those that were chosen: the last ones, as many as there are letters of it to score.
        With every one come the candidates at its place."""
        chosen, ranked = map(items, (result.get("chosenCandidates"), result.get("topCandidates")))
        found = []
        for place, entry in enumerate(map(mapping, chosen)):
            if (logprob := natural(entry.get("logProbability"))) is not None:
                others = items(mapping(ranked[place]).get("candidates")) if place < len(ranked) else []
                top = [(readable(text(one.get("token"))), score) for one in map(mapping, others)
                       if (score := natural(one.get("logProbability"))) is not None]  # fmt: skip
                found.append(token(readable(text(entry.get("token"))), logprob, top))
        given = last_of(found, self._unscored)
        self._unscored = 0
        return [Scored(tuple(given))] if given else []

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
