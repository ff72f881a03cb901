"""Reads a vendor's stream along while litellm pumps it: what litellm loses, the bytes still have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from promptlab.events import Answer, Event, Served, Thinking, Usage, Waiting, Withheld
from promptlab.providers import usage as usages
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.openai_chunks import ChunkFold
from promptlab.providers.shape import items, mapping, parse, text
from promptlab.providers.thinking import Mode, ThinkSplitter


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
        self._served = False
        self._splitter = ThinkSplitter(tags)  # Cohere's text; that of OpenAI's kin is split in the fold
        self._fold = ChunkFold("", "", tags)
        self._usage: dict[str, Any] = {}
        self._make_usage: Callable[[dict[str, Any]], Usage] = usages.openai
        self._silent_blocks: dict[int, bool] = {}  # Anthropic: thinking blocks without text; True: signed

    @property
    def is_over(self) -> bool:
        """Nothing more can come that matters, whether or not the connection closes."""
        return self._is_done or (self.complete and bool(self._usage))

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
        yield from self._fold.flush()

    def _read(self, line: bytes) -> Iterator[Event]:
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
            yield from self._gemini(message)
        elif isinstance(message.get("choices"), list):
            yield from self._openai(message)
        elif isinstance(kind, str) and (kind.startswith(("message_", "content_block_")) or kind == "ping"):
            yield from self._anthropic(kind, message)
        elif kind in ("message-start", "content-delta", "message-end"):
            yield from self._cohere(mapping(message.get("delta")))
        elif isinstance(message.get("done"), bool):
            self._ollama(message)
        self.error = message.get("error") or self.error

    def _serve(self, model: object, upstream: object = None, fingerprint: object = None) -> Iterator[Event]:
        if not self._served and model:
            self._served = True
            yield Served(text(model), text(upstream) or None, text(fingerprint) or None)

    def _anthropic(self, kind: str, message: dict[str, Any]) -> Iterator[Event]:
        if not self.speaks:
            self.speaks = self.knows_end = True
            self._ended, self._make_usage = False, usages.anthropic
        match kind:
            case "message_start":
                start = mapping(message.get("message"))
                self._usage |= mapping(start.get("usage"))
                yield from self._serve(start.get("model"))
            case "content_block_start" | "content_block_delta" | "content_block_stop":
                yield from self._anthropic_block(kind, int(message.get("index") or 0), message)
            case "message_delta":
                self.reason = mapping(message.get("delta")).get("stop_reason") or self.reason
                self._usage |= mapping(message.get("usage"))  # cumulative: the last one holds
            case "message_stop":
                self._ended = self._is_done = True
            case "ping":
                yield Waiting("ping")

    def _anthropic_block(self, kind: str, index: int, message: dict[str, Any]) -> Iterator[Event]:
        if kind == "content_block_stop":
            if self._silent_blocks.pop(index, False):
                yield Withheld("omitted")
            return
        part = mapping(message.get("delta") or message.get("content_block"))
        match part.get("type"):
            case "redacted_thinking":
                yield Withheld("redacted")
            case "thinking":
                self._silent_blocks[index] = bool(part.get("signature"))
        if index in self._silent_blocks and part.get("signature"):
            self._silent_blocks[index] = True
        if thought := text(part.get("thinking")):
            self._silent_blocks.pop(index, None)
            yield Thinking(thought, "summary")
        if words := text(part.get("text")):
            yield Answer(words)

    def _gemini(self, message: dict[str, Any]) -> Iterator[Event]:
        self.speaks = self.knows_end = True
        self._make_usage = usages.gemini
        yield from self._serve(message.get("modelVersion"))
        self._usage = mapping(message.get("usageMetadata")) or self._usage
        self.reason = mapping(message.get("promptFeedback")).get("blockReason") or self.reason
        candidate = mapping(next(iter(items(message.get("candidates"))), None))
        for part in map(mapping, items(mapping(candidate.get("content")).get("parts"))):
            if words := text(part.get("text")):
                yield Thinking(words, "summary") if part.get("thought") else Answer(words)
        self.reason = candidate.get("finishReason") or self.reason

    def _openai(self, message: dict[str, Any]) -> Iterator[Event]:
        self.speaks = self.knows_end = True
        yield from self._fold.read(message)
        self._usage, self.reason = self._fold.usage_block or self._usage, self._fold.finish

    def _cohere(self, delta: dict[str, Any]) -> Iterator[Event]:
        self.speaks = self.knows_end = True  # litellm's own reader stops at the first `event:` line
        content = mapping(mapping(delta.get("message")).get("content"))
        if thought := text(content.get("thinking")):
            self._splitter.field_seen()
            yield Thinking(thought)
        if words := text(content.get("text")):
            yield from self._splitter.feed(words)
        self.reason = delta.get("finish_reason") or self.reason
        tokens = mapping(mapping(delta.get("usage")).get("tokens"))
        pairs = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
        self._usage = {ours: tokens.get(theirs) for ours, theirs in pairs} if tokens else self._usage

    def _ollama(self, message: dict[str, Any]) -> None:
        """Only the end; the text is litellm's to read."""
        self.knows_end = True
        self.reason = message.get("done_reason") or self.reason
        if "eval_count" in message:
            self._usage = {name: message.get(name) for name in ("prompt_eval_count", "eval_count")}
