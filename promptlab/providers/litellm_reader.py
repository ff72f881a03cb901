"""Reads a vendor's stream along while litellm pumps it: what litellm loses, the bytes still have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from promptlab.events import Event, Thinking, Usage, Waiting
from promptlab.providers import usage as usages
from promptlab.providers.anthropic_stream import AnthropicFold
from promptlab.providers.direct import Call
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.fold import StreamFold
from promptlab.providers.gemini_stream import GeminiFold
from promptlab.providers.openai_chunks import ChunkFold
from promptlab.providers.shape import mapping, parse, text
from promptlab.providers.thinking import Mode, ThinkSplitter

_NOBODY = Call("", "")  # the folds' own errors are not used here: the road makes them, from `WireReader.error`


class WireReader:
    """Reads a response along: text, finish reason and usage in the vendor's own words.

    It knows the streams of Anthropic, Gemini, Cohere and OpenAI with its kin (`speaks`: the text is taken from
    here), and the last message of Ollama's. What it doesn't know it leaves alone.
    """

    def __init__(self, tags: Mode = "auto") -> None:
        self.speaks = False
        self.knows_end = False  # the dialect's finish reason would have been seen
        self.reason: str | None = None
        self.error: object = None
        self.head = b""  # the first bytes, for an answer that is no stream
        self._is_done = False  # the closing message came
        self._ended = True  # False while a dialect with a closing message still owes it
        self._line = bytearray()
        self._splitter = ThinkSplitter(tags)  # Cohere's text; that of OpenAI's kin is split in its fold
        self._chunks = ChunkFold(_NOBODY, tags)
        self._messages = AnthropicFold(_NOBODY)
        self._gemini = GeminiFold(_NOBODY)
        self._usage: dict[str, Any] = {}
        self._make_usage: Callable[[dict[str, Any]], Usage] = usages.openai

    @property
    def is_over(self) -> bool:
        """Nothing more can come that matters, whether or not the connection closes."""
        return self._is_done or self.error is not None or (self.complete and bool(self._usage))

    @property
    def complete(self) -> bool:
        good = self.reason is not None and self.reason not in BROKEN_OFF
        return good and self._ended and self.error is None

    def usage(self) -> Usage | None:
        return self._make_usage(self._usage) if self._usage else None

    def feed(self, piece: bytes) -> Iterator[Event]:
        if len(self.head) < 200:
            self.head += piece[:200]
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._line += line
            yield from self._read(bytes(self._line))
            self._line.clear()
        self._line += rest

    def close(self) -> Iterator[Event]:
        yield from self._read(bytes(self._line))
        self._line.clear()
        yield from self._splitter.close()
        yield from self._chunks.flush()

    def _read(self, line: bytes) -> Iterator[Event]:
        """The events of one line; none after an end or an error."""
        if self._is_done or self.error is not None:
            return
        line = line.strip()
        if line.startswith(b":"):
            yield Waiting(line[1:].decode("utf-8", "replace").strip())
            return
        payload = line[5:].strip() if line.startswith(b"data:") else line
        message = parse(payload)
        if message is None:
            self._is_done = self._is_done or payload == b"[DONE]"
            return
        kind = message.get("type")
        if "candidates" in message or "usageMetadata" in message or "promptFeedback" in message:
            yield from self._follow(self._gemini, usages.gemini, message)
        elif isinstance(message.get("choices"), list):
            yield from self._follow(self._chunks, usages.openai, message)
        elif isinstance(kind, str) and (kind.startswith(("message_", "content_block_")) or kind == "ping"):
            yield from self._anthropic(message)
        elif kind in ("message-start", "content-delta", "message-end"):
            yield from self._cohere(mapping(message.get("delta")))
        elif isinstance(message.get("done"), bool):
            self._ollama(message)
        self.error = message.get("error") or self.error

    def _follow(self, fold: StreamFold, make_usage: Callable[[dict[str, Any]], Usage], message: dict[str, Any],
    ) -> Iterator[Event]:  # fmt: skip
        """Read a message by the fold of its own dialect, as where that is spoken directly."""
        self.speaks = self.knows_end = True
        yield from fold.read(message)
        self._usage, self.reason = fold.usage_block or self._usage, fold.finish or self.reason
        self._make_usage = make_usage

    def _anthropic(self, message: dict[str, Any]) -> Iterator[Event]:
        yield from self._follow(self._messages, usages.anthropic, message)
        self._ended = self._is_done = self._messages.stopped

    def _cohere(self, delta: dict[str, Any]) -> Iterator[Event]:
        self.speaks = self.knows_end = True  # litellm's own reader stops at the first `event:` line
        content = mapping(mapping(delta.get("message")).get("content"))
        if thought := text(content.get("thinking")):
            self._splitter.field_seen()
            yield Thinking(thought)
        if words := text(content.get("text")):
            yield from self._splitter.feed(words)
        self.reason = text(delta.get("finish_reason")) or self.reason
        tokens = mapping(mapping(delta.get("usage")).get("tokens"))
        pairs = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
        self._usage = {ours: tokens.get(theirs) for ours, theirs in pairs} if tokens else self._usage

    def _ollama(self, message: dict[str, Any]) -> None:
        """Only the end; the text is litellm's to read."""
        self.knows_end = True
        self.reason = text(message.get("done_reason")) or self.reason
        if "eval_count" in message:
            self._usage = {name: message.get(name) for name in ("prompt_eval_count", "eval_count")}
