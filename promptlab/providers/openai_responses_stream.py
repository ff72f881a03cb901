"""What a stream of OpenAI Responses says, as events: reasoning in its kinds, the answer, usage, end and errors.

Names and shapes of the stream's events are those of openai 2.54 (types/responses), September 2026.
"""

from __future__ import annotations

from typing import Any, Literal

from promptlab.events import Event, Opaque, Served, Thinking, Waiting, Withheld
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.fold import StreamFold
from promptlab.providers.logprobs import Scores
from promptlab.providers.shape import Characters, items, mapping, text
from promptlab.providers.thinking import Mode, ThinkSplitter

Channel = Literal["answer", "summary", "raw"]
Place = tuple[Channel, int | str | None, int | str | None]  # channel, output item, part of it

# Each comes as `.delta`, and again, whole, as `.done`.
_TEXTS: dict[str, Channel] = {
    "response.output_text": "answer",
    "response.refusal": "answer",
    "response.reasoning_summary_text": "summary",
    "response.reasoning_text": "raw",
}
_PARTS: dict[str, Channel] = {
    "output_text": "answer",
    "refusal": "answer",
    "summary_text": "summary",
    "reasoning_text": "raw",
}
_ENDS = {f"response.{word}": word for word in ("completed", "incomplete", "failed", "cancelled")}
_CUT = BROKEN_OFF | {"incomplete", "failed", "cancelled"}  # `incomplete` is left where no reason is given with it
# The statuses that belong to the codes and types of errors in a stream, where the HTTP status was 200.
_STATUS = {
    "invalid_prompt": 400, "invalid_request_error": 400, "rate_limit_exceeded": 429, "rate_limit_error": 429,
    "slow_down": 429, "server_error": 500, "server_is_overloaded": 503,
}  # fmt: skip


class ResponseFold(StreamFold):
    """One stream's events to ours; see `Fold`. A response that was not streamed is read the same way.

    Every text comes up to four times: in pieces, with its part, with its item and with the whole response. It is
    given the first time that it comes.
    """

    def __init__(self, call: Call, tags: Mode = "auto") -> None:
        super().__init__(call)
        self._splitter = ThinkSplitter(tags)
        self._served = False
        self._given: dict[Channel, list[str]] = {"answer": [], "summary": [], "raw": []}
        self._places: set[Place] = set()
        self._characters: dict[Channel, Characters] = {channel: Characters() for channel in self._given}
        self._traces: dict[int | str | None, Channel] = {}  # summary or raw, for each reasoning item
        self._thought: Place | None = None  # the part that the last piece of thinking belongs to
        self._parted = False  # a part has begun, and nothing of it has come
        self._sealed = self._withheld = False
        self._scores: Scores | None = None  # from the first log probability on

    @property
    def complete(self) -> bool:
        return self.finish is not None and self.finish not in _CUT and self.error is None

    def read(self, event: dict[str, Any]) -> list[Event]:
        """The events of one parsed message. Kinds that are not known are left alone."""
        kind = text(event.get("type"))
        self._known = self._known or kind == "error" or kind.startswith("response.")
        name, _, stage = kind.rpartition(".")
        if name in _TEXTS:
            whole = stage == "done"
            words = (event.get("text") or event.get("refusal")) if whole else event.get("delta")
            return self._say(_place(_TEXTS[name], event), text(words), again=whole, scored=event.get("logprobs"))
        match kind:
            case "response.content_part.done" | "response.reasoning_summary_part.done":
                return self._repeat(_item(event), _number(event), mapping(event.get("part")))
            case "response.reasoning_summary_part.added":
                self._parted = self._thought is not None
            case "response.output_item.done":
                item = mapping(event.get("item"))
                return [*self._texts(_item(event), item), *self._seal(item)]
            case "error":
                told = {name: value for name in ("message", "code", "param") if (value := event.get(name)) is not None}
                self._refuse(event.get("error") or told or "an error without a word")
            case "keepalive":
                return [Waiting()]
            case "response.created":
                return self._serve(mapping(event.get("response")))
            case "response.queued" | "response.in_progress":
                return [*self._serve(mapping(event.get("response"))), Waiting(kind.removeprefix("response."))]
            case _ if kind in _ENDS:
                return self._close(mapping(event.get("response")), _ENDS[kind])
            case _ if event.get("object") == "response":  # all at once
                return self._close(event, None)
            case _ if error := event.get("error"):
                self._refuse(error)
        return []

    def _left(self) -> list[Event]:
        counted = [usage.responses(self.usage_block)] if self.usage_block else []
        rest = self._splitter.close()
        return [*(self._scores.settle(rest) if self._scores else rest), *self._withhold(), *counted]

    def _serve(self, response: dict[str, Any]) -> list[Event]:
        model = text(response.get("model"))
        if self._served or not model:
            return []
        self._served = True
        return [Served(model)]

    def _say(self, place: Place, words: str, *, again: bool = False, scored: object = None) -> list[Event]:
        """The events of a text. `again` marks one that repeats what came in pieces, where anything did; `scored` are
        the log probabilities of its tokens."""
        channel, item, _ = place
        if not words or (again and self._is_given(place, words)):
            return []
        if channel != "answer" and self._traces.setdefault(item, channel) != channel:
            return []  # a summary of what this item said in its own words already: one trace and not two
        self._places.add(place)
        self._given[channel].append(words)
        self.said = True
        words = self._characters[channel].join(words)
        if channel == "answer":
            said = self._splitter.feed(words)
            if scored or self._scores:
                self._scores = self._scores or Scores()
                self._scores.come(self._scores.read(scored), len(words))
                said = self._scores.settle(said, self._splitter.held)
            return [*self._withhold(), *said]
        events: list[Event] = []
        if self._thought is None:
            events += self._splitter.close()
            self._splitter.field_seen()
        elif self._parted or place != self._thought:
            words = "\n\n" + words
        self._thought, self._parted = place, False
        return [*events, Thinking(words, "summary" if channel == "summary" else "raw")] if words else events

    def _is_given(self, place: Place, words: str) -> bool:
        """Whether a whole text has come before: at its place, or, from gateways that count their items otherwise
        in each kind of event, as the last that was said."""
        if place in self._places:
            return True
        pieces = self._given[place[0]]
        pieces[:] = ["".join(pieces)]
        return pieces[0].endswith(words)

    def _repeat(self, item: int | str | None, number: int | str | None, part: dict[str, Any]) -> list[Event]:
        channel = _PARTS.get(text(part.get("type")))
        if channel is None:
            return []
        words = text(part.get("text") or part.get("refusal"))
        return self._say((channel, item, number), words, again=True, scored=part.get("logprobs"))

    def _texts(self, item: int | str | None, whole: dict[str, Any]) -> list[Event]:
        """What a whole item holds: the model's own words before a summary of them."""
        if whole.get("type") not in ("message", "reasoning"):
            return []
        return [
            event
            for field in ("content", "summary")
            for number, part in enumerate(map(mapping, items(whole.get(field))))
            for event in self._repeat(item, number, part)
        ]

    def _seal(self, item: dict[str, Any]) -> list[Event]:
        """Reasoning that only the vendor can read. What stands in `output_item.added` is not whole yet."""
        encrypted = text(item.get("encrypted_content"))
        if item.get("type") != "reasoning" or not encrypted:
            return []
        self._sealed = True
        return [Opaque("encrypted", encrypted, text(item.get("id")))]

    def _withhold(self) -> list[Event]:
        if not self._sealed or self._withheld or self._thought is not None:
            return []
        self._withheld = True
        return [Withheld("encrypted")]

    def _close(self, response: dict[str, Any], word: str | None) -> list[Event]:
        """The end, with the whole response in it: what of it has come is left alone, item by item of its kind."""
        self._known = True
        events = self._serve(response)
        answered, thought, sealed = bool(self._given["answer"]), self._thought is not None, self._sealed
        for number, item in enumerate(map(mapping, items(response.get("output")))):
            if not (thought if item.get("type") == "reasoning" else answered):
                events += self._texts(number, item)
            if not sealed:
                events += self._seal(item)
        if block := mapping(response.get("usage")):
            self.usage_block = block
        status = word or text(response.get("status"))
        if f"response.{status}" in _ENDS:
            reason = text(mapping(response.get("incomplete_details")).get("reason"))
            self.finish, self.done = reason or status, True
        if status == "failed" or response.get("error"):
            self._refuse(response.get("error") or "the response failed, and the endpoint does not say why")
        return events

    def _refuse(self, error: object) -> None:
        self._known = True
        words = (text(mapping(error).get(name)) for name in ("code", "type"))
        self._fail(error, meant=next((_STATUS[word] for word in words if word in _STATUS), None))


def _place(channel: Channel, event: dict[str, Any]) -> Place:
    return channel, _item(event), _number(event)


def _item(event: dict[str, Any]) -> int | str | None:
    """Which output item an event is about. Ids change from event to event at some gateways; the count does not."""
    return _name(event.get("output_index", event.get("item_id")))


def _number(event: dict[str, Any]) -> int | str | None:
    return _name(event.get("summary_index", event.get("content_index")))


def _name(value: object) -> int | str | None:
    return value if isinstance(value, (int, str)) else None
