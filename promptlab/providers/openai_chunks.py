"""What OpenAI-like chunks say, as events: trace, usage and finish reason are found wherever they stand."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from promptlab.errors import Fault, ProviderError
from promptlab.events import Answer, Event, Finished, Served, Thinking, ThinkingKind, Withheld
from promptlab.providers import fault, usage
from promptlab.providers.fault import BROKEN_OFF
from promptlab.providers.shape import items, mapping, text
from promptlab.providers.thinking import Mode, ThinkSplitter

REASONING_FIELDS = ("reasoning_content", "reasoning")
_SURROGATE = re.compile("[\ud800-\udfff]")


class ChunkFold:
    """One stream's chunks to events: finds the trace wherever it arrives, keeps usage and finish to the end.

    `error` is set by an error inside the stream: what came before it has been given, and the caller raises it.
    """

    def __init__(
        self, provider: str, model: str, tags: Mode = "auto", key_name: str | None = None, *, key: str | None = None,
    ) -> None:  # fmt: skip
        self._provider, self._model, self._key, self._key_name = provider, model, key, key_name
        self._splitter = ThinkSplitter(tags)
        self.usage_block: dict[str, Any] | None = None
        self.finish: str | None = None
        self._served = False
        self._field = False
        self._flag = False  # inside thoughts that a flag marks (Gemini's layer)
        self._withheld = False
        self._half = ""  # the first half of a character
        self._parsed = 0
        self.error: ProviderError | None = None
        self.said = False  # some text has come
        self.done = False  # the end mark has come

    def take(self, data: bytes) -> list[Event]:
        """The events of one chunk. Raises ProviderError for a chunk that is no JSON."""
        if data == b"[DONE]":
            self.done = True
            return []
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise ProviderError(
                Fault("not_an_api",
                      fault.one_line(f"the stream has a line that is no JSON: {_excerpt(data, self._key)}"),
                      "is the base URL right? most end in /v1", self._provider)
            ) from None  # fmt: skip
        return self.read(chunk) if isinstance(chunk, dict) else []

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """The events of one parsed chunk."""
        self._parsed += 1
        events: list[Event] = [] if self._served else self._serve(chunk)
        choices = chunk.get("choices")
        choice = mapping(choices[0]) if choices and isinstance(choices, list) else None
        if choice:
            delta = choice.get("delta") or choice.get("message")
            if delta and isinstance(delta, dict):
                events += self._delta(delta)
            if (reason := choice.get("finish_reason")) and isinstance(reason, (str, int)):
                self.finish = str(reason)
        self._note_usage(chunk, choice)
        if chunk.get("error"):
            found = fault.from_stream(
                self._provider, chunk["error"], model=self._model, key=self._key, key_name=self._key_name
            )
            self.error = ProviderError(found, self.finish)
        return events

    def flush(self) -> list[Event]:
        """The text that was held back for a tag that never came."""
        return self._splitter.close()

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream: the last event without its blank line (`rest`), held-back text,
        the usage, and Finished, unless there is an `error`. `where` is the base URL, for messages."""
        events: list[Event] = []
        if rest and not (self.done or self.error):
            with suppress(ProviderError):  # half a line: the stream was cut in it
                events = self.take(rest)
        if not self._parsed and not self.done:
            said = fault.without_key(rest.decode("utf-8", "replace"), self._key)
            raise ProviderError(fault.not_a_stream(self._provider, 200, "", said, where))
        events += self.flush()
        if self.usage_block is not None:
            events.append(usage.openai(self.usage_block))
        if not self.error:
            events.append(Finished(self.finish, self.finish is not None and self.finish not in BROKEN_OFF))
        return events

    def _serve(self, chunk: dict[str, Any]) -> list[Event]:
        self._served = True
        model, upstream, fingerprint = (text(chunk.get(key)) for key in ("model", "provider", "system_fingerprint"))
        return [Served(model or None, upstream or None, fingerprint or None)]

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        thought, kind = self._thought(delta)
        if thought and not thought.isascii():
            thought = self._whole_characters(thought)
        events: list[Event] = []
        if thought:
            self.said = True
            if not self._field:
                self._field = True
                events += self._splitter.close()
                self._splitter.field_seen()
            events.append(Thinking(thought, kind))
        content = delta.get("content")
        if content:
            self.said = True
            if isinstance(content, str):
                if not content.isascii():
                    content = self._whole_characters(content)
                if self._flag or "extra_content" in delta:
                    self._turn(_flagged(delta), content)
                events += self._splitter.feed(content)
            elif isinstance(content, list):
                events += self._blocks(content)
        if refusal := delta.get("refusal"):
            events.append(Answer(str(refusal)))
        if self._withheld is False and delta.get("reasoning_details"):
            events += self._encrypted(delta["reasoning_details"])
        return events

    def _thought(self, delta: dict[str, Any]) -> tuple[str, ThinkingKind]:
        """The first non-empty of the known fields, never two of them: OpenRouter sends the same text twice."""
        for name in REASONING_FIELDS:
            thought = delta.get(name)
            if thought and isinstance(thought, str):
                return thought, "summary" if _summarised(delta.get("reasoning_details")) else "raw"
        details = delta.get("reasoning_details")
        if not details:
            return "", "raw"
        pieces = [text(mapping(item).get("text") or mapping(item).get("summary")) for item in items(details)]
        return "".join(pieces), "summary" if _summarised(details) else "raw"

    def _whole_characters(self, piece: str) -> str:
        r"""Text without lone surrogates: gateways written in JavaScript split 😀 into "\ud83d" and "\ude00" over
        two chunks. A high one at the end waits for its partner; one without a partner becomes U+FFFD."""
        piece, self._half = self._half + piece, ""
        if not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _encrypted(self, details: object) -> list[Event]:
        if any(mapping(item).get("type") == "reasoning.encrypted" for item in items(details)):
            self._withheld = True
            return [Withheld("encrypted")]
        return []

    def _blocks(self, blocks: list[Any]) -> list[Event]:
        """Typed content blocks (Mistral): a list of thinking and text blocks in place of a string."""
        events: list[Event] = []
        for block in map(mapping, blocks):
            if block.get("type") == "thinking":
                inner = block.get("thinking")
                thought = text(inner) or "".join(text(mapping(part).get("text")) for part in items(inner))
                if thought:
                    self._field = True
                    self._splitter.field_seen()
                    events.append(Thinking(thought))
            else:
                events += self._splitter.feed(text(block.get("text")))
        return events

    def _turn(self, flagged: bool, content: str) -> None:
        """Gemini's OpenAI layer flags its thoughts, and mostly puts them between tags too: where a tag is missing,
        the flag stands for it."""
        if flagged and not self._flag and not content.startswith("<thought>"):
            self._splitter.open("<thought>")
        elif self._flag and not flagged and not content.startswith("</thought>"):
            self._splitter.shut()
        self._flag = flagged

    def _note_usage(self, chunk: dict[str, Any], choice: dict[str, Any] | None) -> None:
        block = chunk.get("usage")
        if not block and choice is not None:
            block = choice.get("usage")
        if not block and "x_groq" in chunk:
            block = mapping(chunk["x_groq"]).get("usage")
        if block and isinstance(block, dict):
            self.usage_block = block  # cumulative where it comes more than once: the last one counts


def _summarised(details: object) -> bool:
    return any(mapping(item).get("type") == "reasoning.summary" for item in items(details))


def _flagged(delta: dict[str, Any]) -> bool:
    return bool(mapping(mapping(delta.get("extra_content")).get("google")).get("thought"))


def _excerpt(data: bytes, key: str | None) -> str:
    return fault.without_key(data[:2000].decode("utf-8", "replace"), key)[:60]
