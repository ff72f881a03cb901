"""What a stream of Anthropic messages says, as events: thinking with its signatures, text, usage, end and errors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from promptlab.events import Answer, Event, Opaque, Served, Thinking, ThinkingKind, Waiting, Withheld
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fold import StreamFold
from promptlab.providers.shape import Characters, count, items, mapping, text

# The statuses of the error types (platform.claude.com, errors): in a stream there is only the type.
_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
_READABLE = ("text", "thinking")
_DELTAS = ("text_delta", "thinking_delta", "signature_delta", "")
_RAW = re.compile(r"claude-3[-.]7")  # the last one that shows its own words; from Claude 4 on it is a summary


@dataclass(slots=True)
class _Block:
    """One content block under way."""

    kind: str
    silent: bool = True
    signature: list[str] = field(default_factory=list)


class AnthropicFold(StreamFold):
    """One stream's messages to events; see `Fold`. A message that was not streamed is read the same way."""

    hint = "is the base URL right? it ends before /v1/messages"

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.stopped = False  # message_stop, which every whole stream ends with
        self._served = ""
        self._blocks: dict[int, _Block] = {}
        self._latest = 0
        self._characters = Characters()

    @property
    def complete(self) -> bool:
        return self.stopped and super().complete

    def read(self, message: dict[str, Any]) -> list[Event]:
        """The events of one parsed message. Kinds that are not known are left alone."""
        events: list[Event] = []
        match message.get("type"):
            case "content_block_delta":
                events = self._add(self._index(message), mapping(message.get("delta")))
            case "content_block_start":
                events = self._open(self._index(message), mapping(message.get("content_block")))
            case "content_block_stop":
                events = self._close(self._index(message))
            case "message_start":
                events = self._begin(mapping(message.get("message")))
            case "message_delta":
                self._note(mapping(message.get("delta")).get("stop_reason"), message.get("usage"))
            case "message_stop":
                events = self._stop()
            case "message":  # all at once
                events = self._whole(message)
            case "ping":
                events = [Waiting("ping")]
            case "error":
                self._refuse(message.get("error") or "an error without a word")
            case _:
                if error := message.get("error"):
                    self._refuse(error)
                return events
        self._known = True
        return events

    def _left(self) -> list[Event]:
        return [usage.anthropic(self.usage_block)] if self.usage_block else []

    def _begin(self, message: dict[str, Any]) -> list[Event]:
        self._note(message.get("stop_reason"), message.get("usage"))
        model = text(message.get("model"))
        if not model or self._served:
            return []
        self._served = model
        return [Served(model)]

    def _index(self, message: dict[str, Any]) -> int:
        """Which block a message is about; where it does not say, the one that was begun last."""
        index = count(message.get("index"))
        return self._latest if index is None else index

    def _open(self, index: int, part: dict[str, Any]) -> list[Event]:
        block = self._blocks[index] = _Block(text(part.get("type")))
        self._latest = index
        if block.kind == "redacted_thinking":
            sealed = text(part.get("data"))
            return [Withheld("redacted"), *([Opaque("redacted", sealed)] if sealed else [])]
        return self._words(block, part)

    def _add(self, index: int, delta: dict[str, Any]) -> list[Event]:
        if text(delta.get("type")) not in _DELTAS:
            return []
        block = self._blocks.get(index)
        if block is None:  # its start is missing
            block = self._blocks[index] = _Block("text" if "text" in delta else "thinking")
        return self._words(block, delta)

    def _words(self, block: _Block, part: dict[str, Any]) -> list[Event]:
        """What a block's start or a delta says; the text of other kinds (a tool's, say) is no answer."""
        if block.kind not in _READABLE:
            return []
        events: list[Event] = []
        if thought := self._characters.join(text(part.get("thinking"))):
            block.silent = False
            events.append(Thinking(thought, self._trace()))
        if words := self._characters.join(text(part.get("text"))):
            events.append(Answer(words))
        if signature := text(part.get("signature")):
            block.signature.append(signature)
        self.said = self.said or bool(events)
        return events

    def _close(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        if block is None or not block.signature:
            return []
        omitted = [Withheld("omitted")] if block.kind == "thinking" and block.silent else []
        return [*omitted, Opaque("signature", "".join(block.signature))]

    def _stop(self) -> list[Event]:
        self.stopped = self.done = True
        return [event for index in list(self._blocks) for event in self._close(index)]

    def _whole(self, message: dict[str, Any]) -> list[Event]:
        events = self._begin(message)
        for index, block in enumerate(items(message.get("content"))):
            events += self._open(index, mapping(block)) + self._close(index)
        return events + self._stop()

    def _note(self, reason: object, block: object) -> None:
        """Usage is cumulative: the last of each count holds. A null says nothing."""
        if reason and isinstance(reason, (str, int)):
            self.finish = str(reason)
        for name, value in mapping(block).items():
            if value is not None or name not in self.usage_block:
                self.usage_block[name] = value

    def _refuse(self, error: object) -> None:
        self._fail(error, meant=_STATUS.get(text(mapping(error).get("type"))))

    def _trace(self) -> ThinkingKind:
        """Other makers that speak this dialect send their models' own words."""
        name = (self._served if "claude" in self._served.lower() else self._call.model).lower()
        return "summary" if "claude" in name and not _RAW.search(name) else "raw"
