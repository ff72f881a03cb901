"""What OpenAI-like chunks say, as events: trace, usage and finish reason are found wherever they stand."""

from __future__ import annotations

from typing import Any

from promptlab.events import Answer, Event, Served, Thinking, ThinkingKind, Withheld
from promptlab.providers import usage
from promptlab.providers.direct import Call
from promptlab.providers.fold import StreamFold
from promptlab.providers.logprobs import Scores
from promptlab.providers.shape import Characters, items, mapping, text
from promptlab.providers.thinking import Mode, ThinkSplitter

REASONING_FIELDS = ("reasoning_content", "reasoning")


class ChunkFold(StreamFold):
    """One stream's chunks to events; see `Fold`: finds the trace wherever it arrives, keeps usage and finish to the
    end."""

    def __init__(self, call: Call, tags: Mode = "auto") -> None:
        super().__init__(call)
        self._splitter = ThinkSplitter(tags)
        self._thoughts, self._words = Characters(), Characters()
        self._served = False
        self._field = False
        self._flag = False  # inside thoughts that a flag marks (Gemini's layer)
        self._withheld = False
        self._scores: Scores | None = None  # from the first log probability on

    def read(self, chunk: dict[str, Any]) -> list[Event]:
        """The events of one parsed chunk."""
        self._known = True
        events: list[Event] = [] if self._served else self._serve(chunk)
        choices = chunk.get("choices")
        choice = mapping(choices[0]) if choices and isinstance(choices, list) else None
        if choice:
            delta = choice.get("delta") or choice.get("message")
            if delta and isinstance(delta, dict):
                said = self._delta(delta)
                scored = choice.get("logprobs")
                events += self._score(said, scored, delta) if scored or self._scores else said
            if (reason := choice.get("finish_reason")) and isinstance(reason, (str, int)):
                self.finish = str(reason)
        self._note_usage(chunk, choice)
        if error := chunk.get("error"):
            self._fail(error)
        return events

    def flush(self) -> list[Event]:
        """The text that was held back for a tag that never came."""
        rest = self._splitter.close()
        return self._scores.settle(rest) if self._scores else rest

    def _left(self) -> list[Event]:
        counted = [usage.openai(self.usage_block)] if self.usage_block else []
        return [*self.flush(), *counted]

    def _serve(self, chunk: dict[str, Any]) -> list[Event]:
        self._served = True
        model, upstream, fingerprint = (text(chunk.get(key)) for key in ("model", "provider", "system_fingerprint"))
        return [Served(model or None, upstream or None, fingerprint or None)]

    def _delta(self, delta: dict[str, Any]) -> list[Event]:
        thought, kind = self._thought(delta)
        if thought and (self._thoughts.half or not thought.isascii()):
            thought = self._thoughts.join(thought)
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
                if self._words.half or not content.isascii():
                    content = self._words.join(content)
                if self._flag or "extra_content" in delta:
                    self._turn(_flagged(delta), content)
                events += self._splitter.feed(content)
            elif isinstance(content, list):
                events += self._blocks(content)
        if (refusal := delta.get("refusal")) and (words := self._words.join(text(refusal))):
            events.append(Answer(words))
        if self._withheld is False and delta.get("reasoning_details"):
            events += self._encrypted(delta["reasoning_details"])
        return events

    def _score(self, said: list[Event], scored: object, delta: dict[str, Any]) -> list[Event]:
        """What a chunk said, with the scores of what of it is answer."""
        scores = self._scores or Scores()
        tokens = scores.read(mapping(scored).get("content"))
        if not tokens and self._scores is None:
            return said
        self._scores = scores
        thought, _ = self._thought(delta)
        scores.come(tokens, len(text(delta.get("content"))), thought=bool(thought))
        return scores.settle(said, self._splitter.held)

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
                if thought := self._thoughts.join(thought):
                    self._field = True
                    self._splitter.field_seen()
                    events.append(Thinking(thought))
            else:
                events += self._splitter.feed(self._words.join(text(block.get("text"))))
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
