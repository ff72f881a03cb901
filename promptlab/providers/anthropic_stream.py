"""What a stream of Anthropic messages says, as events: thinking with its signatures, text, usage, end and errors."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import Answer, Event, Finished, Opaque, Served, Thinking, ThinkingKind, Waiting, Withheld
from promptlab.providers import fault, usage
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.shape import count, items, mapping, shallow, text

# The statuses of the error types (platform.claude.com, errors): in a stream there is only the type.
_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
_READABLE = ("text", "thinking")
_DELTAS = ("text_delta", "thinking_delta", "signature_delta", "")
_RAW = re.compile(r"claude-3[-.]7")  # the last one that shows its own words; from Claude 4 on it is a summary
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class _Block:
    """One content block under way."""

    kind: str
    silent: bool = True
    signature: list[str] = field(default_factory=list)


class AnthropicFold:
    """One stream's messages to events; see `Fold`. A message that was not streamed is read the same way."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.usage_block: dict[str, Any] = {}
        self.finish: str | None = None
        self.stopped = False  # message_stop, which every whole stream ends with
        self.error: ProviderError | None = None
        self.said = False
        self.done = False
        self._known = False  # some message of this dialect has come
        self._odd = b""  # the first that was none
        self._served = ""
        self._blocks: dict[int, _Block] = {}
        self._latest = 0
        self._half = ""  # the first half of a character

    @property
    def complete(self) -> bool:
        return self.stopped and self.finish is not None and self.finish not in BROKEN_OFF and self.error is None

    def take(self, data: bytes) -> list[Event]:
        """The events of one message; none after an end or an error, however the bytes were cut. Raises ProviderError
        for what is no JSON."""
        if self.done or self.error:
            return []
        if data == b"[DONE]":  # no end of Anthropic's, but gateways add it
            self.done = True
            return []
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            said = fault.without_key(data[:2000].decode("utf-8", "replace"), self._call.key)[:60]
            raise ProviderError(
                Fault("not_an_api", fault.one_line(f"the stream has a line that is no JSON: {said}"),
                      "is the base URL right? it ends before /v1/messages", self._call.provider)
            ) from None  # fmt: skip
        events = self.read(message) if isinstance(message, dict) else []
        if not (self._known or self._odd):
            self._odd = data[:2000]
        return events

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
                self._fail(message.get("error") or "an error without a word")
            case _:
                if error := message.get("error"):
                    self._fail(error)
                return events
        self._known = True
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
            events.append(usage.anthropic(self.usage_block))
        if not self.error:
            events.append(Finished(self.finish, self.complete))
        return events

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
        if thought := self._whole_characters(text(part.get("thinking"))):
            block.silent = False
            events.append(Thinking(thought, self._trace()))
        if words := self._whole_characters(text(part.get("text"))):
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

    def _fail(self, error: object) -> None:
        call = self._call
        error = error if shallow(error) else "an error that can't be read"
        status = _STATUS.get(text(mapping(error).get("type")))
        if status is None:
            found = fault.from_stream(call.provider, error, model=call.model, key=call.key, key_name=call.key_name)
        else:
            body = json.dumps({"error": error}).encode()
            found = fault.from_response(
                call.provider, status, {}, body, model=call.model, key=call.key, key_name=call.key_name
            )
            found = replace(found, status=None)  # the answer's status was 200
        self.error = ProviderError(found, self.finish)

    def _trace(self) -> ThinkingKind:
        """Other makers that speak this dialect send their models' own words."""
        name = (self._served if "claude" in self._served.lower() else self._call.model).lower()
        return "summary" if "claude" in name and not _RAW.search(name) else "raw"

    def _whole_characters(self, piece: str) -> str:
        """Text without lone surrogates: a gateway may split a character over two deltas. A first half at the end
        waits for its second; a half that stays alone becomes U+FFFD."""
        if not piece or (piece.isascii() and not self._half):
            return piece
        piece, self._half = self._half + piece, ""
        if not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
