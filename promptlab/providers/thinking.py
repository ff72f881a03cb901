"""Finds a thinking trace inside the content: `<think>` and its kin, split over chunks anywhere.

The rules are those of the field's public clients: a tag opens thinking only at the start of the content; a
closing tag without an opening one turns all that came before it into thinking, once; a trace that is never
closed is thinking to its end; a tag that is merely mentioned later is text.
"""

from __future__ import annotations

import re
from typing import Literal

from promptlab.events import Answer, Event, Relabelled, Thinking

Mode = Literal["auto", "off", "assume-open"]
Pieces = list[Event]

# Opening and closing marker of each known kind of inline trace.
# The first six are Open WebUI's defaults; the rest are Magistral, Kimi-VL, Seed-OSS and Gemma without a parser.
PAIRS: dict[str, str] = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reason>": "</reason>",
    "<reasoning>": "</reasoning>",
    "<thought>": "</thought>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<seed:think>": "</seed:think>",
    "<思考>": "</思考>",
    "[思考]": "[/思考]",
    "<|channel>thought": "<channel|>",
}
SUMMARIES = {"<thought>"}  # Gemini's OpenAI layer: the vendor's summary, not the model's words
_ORPHANS = ("</think>", "</thinking>", "[/THINK]", "◁/think▷")  # closers whose opener a template may have eaten
_ORPHAN_HEADS = tuple({marker[0] for marker in _ORPHANS})
_QUOTES = "`'\"“‘「『"

# gpt-oss without a parser (openai/harmony, docs/format.md): header tokens between messages.
_HARMONY_START = ("<|channel|>", "<|start|>")
_OPENERS = (*PAIRS, *_HARMONY_START)
_HARMONY_TOKEN = re.compile(r"<\|(start|channel|message|end|return|call|constrain)\|>")


def _held(text: str, markers: tuple[str, ...]) -> int:
    """Length of the longest end of `text` that could be the beginning of one of `markers`."""
    longest = min(len(text), max(map(len, markers)) - 1)
    for length in range(longest, 0, -1):
        end = text[-length:]
        if any(marker.startswith(end) for marker in markers):
            return length
    return 0


class ThinkSplitter:
    """Feed it the content; it gives Thinking, Answer and, at most once, Relabelled.

    `auto` looks for tags, `off` takes all as answer, `assume-open` is for templates that end in `<think>`.
    """

    def __init__(self, mode: Mode = "auto") -> None:
        self._held = ""
        self._closer = ""
        self._summary = False
        self._harmony: _Harmony | None = None
        self._state: Literal["start", "inside", "answer", "plain"] = "plain" if mode == "off" else "start"
        if mode == "assume-open":
            self.open("<think>")
        self._fresh = True  # nothing but white space has come since the last tag
        self._seen = ""  # the last character given as answer
        self._mentioned: set[str] = set()  # openers that stand inside the answer as text: their closers are text too
        self._tail = ""  # the end of the answer, long enough to see such an opener over a boundary

    @property
    def held(self) -> int:
        """How many characters have come and are not given yet: they may be the beginning of a tag."""
        return len(self._harmony.held if self._harmony else self._held)

    def field_seen(self) -> None:
        """A field of the chunk carried the trace: from now on the content is answer, whatever it says."""
        if self._state in ("start", "answer"):
            self._state = "plain"

    def shut(self) -> None:
        """What follows is answer, as if the closing tag had come."""
        if self._state == "inside":
            self._state, self._fresh = "answer", True

    def feed(self, text: str) -> Pieces:
        if self._state == "plain" and not self._held:
            return [Answer(text)] if text else []
        if self._state == "answer" and not self._held and not any(head in text for head in _ORPHAN_HEADS):
            return self._answer(text)
        if self._harmony:
            return self._harmony.feed(text)
        self._held += text
        return self._advance(final=False)

    def close(self) -> Pieces:
        """The stream has ended: what was held back is let go."""
        if self._harmony:
            return self._harmony.close()
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> Pieces:
        pieces: Pieces = []
        while True:
            before = (self._state, len(self._held))
            match self._state:
                case "start":
                    pieces += self._at_start(final)
                case "inside":
                    pieces += self._inside(final)
                case "answer":
                    pieces += self._outside(final)
                case "plain":
                    text, self._held = self._held, ""
                    pieces += [Answer(text)] if text else []
            if self._harmony or not self._held or (self._state, len(self._held)) == before:
                return pieces

    def open(self, opener: str) -> None:
        """What follows is thinking, as if `opener` had come."""
        self._state, self._closer, self._fresh = "inside", PAIRS[opener], True
        self._summary = opener in SUMMARIES

    def _at_start(self, final: bool) -> Pieces:
        text = self._held.lstrip()
        if not text and not final:
            return []
        for opener in _OPENERS:
            if text.startswith(opener):
                if opener in _HARMONY_START:
                    self._harmony, self._held = _Harmony(), ""
                    return self._harmony.feed(text)
                self._held = text[len(opener) :]
                self.open(opener)
                return []
        if not final and any(opener.startswith(text) for opener in _OPENERS):
            return []  # still could become a tag
        self._state = "answer"
        return []

    def _inside(self, final: bool) -> Pieces:
        place = self._held.find(self._closer)
        if place >= 0:
            thought, self._held = self._held[:place].rstrip(), self._held[place + len(self._closer) :]
            closed = self._thinking(thought)
            self.shut()
            self._mentioned = set(PAIRS.values())  # a second closer is text
            return closed
        keep = 0 if final else _held(self._held, (self._closer,))
        thought, rest = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        space = 0 if final else len(thought) - len(thought.rstrip())  # white space before a tag belongs to neither
        cut = len(thought) - space
        self._held = thought[cut:] + rest
        return self._thinking(thought[:cut])

    def _thinking(self, text: str) -> Pieces:
        if self._fresh:
            text = text.lstrip()
        if not text:
            return []
        self._fresh = False
        return [Thinking(text, "summary" if self._summary else "raw")]

    def _outside(self, final: bool) -> Pieces:
        found = [(place, marker) for marker in _ORPHANS if (place := self._held.find(marker)) >= 0]
        if found:
            place, marker = min(found)
            before = self._held[:place]
            pieces = self._answer(before)
            self._held = self._held[place + len(marker) :]
            if self._is_text(marker):
                return pieces + self._answer(marker)
            self._mentioned = set(PAIRS.values())
            self._fresh = True
            return [*pieces, Relabelled()]
        keep = 0 if final else _held(self._held, _ORPHANS)
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return self._answer(text)

    def _is_text(self, closer: str) -> bool:
        """A closer that is quoted, or whose opener stands in the answer, is what the answer is about."""
        return closer in self._mentioned or self._seen in tuple(_QUOTES)

    def _answer(self, text: str) -> Pieces:
        if self._fresh:
            text = text.lstrip()
        if not text:
            return []
        self._fresh = False
        self._seen = text[-1]
        window = self._tail + text
        if "<" in window or "[" in window or "◁" in window:
            self._mentioned |= {PAIRS[opener] for opener in PAIRS if opener in window}
        self._tail = window[-24:]
        return [Answer(text)]


class _Harmony:
    """gpt-oss's own format: `analysis` messages are thinking; `final`, and `commentary` for the user, are answer."""

    def __init__(self) -> None:
        self.held = ""
        self._where: Literal["header", "body"] = "header"
        self._channel = ""
        self._header = ""
        self._unproven = ""  # all of it, until a message begins: it may be a text that merely starts with a token
        self._proven = False

    def feed(self, text: str) -> Pieces:
        self.held += text
        if not self._proven:
            self._unproven += text
        pieces: Pieces = []
        while token := _HARMONY_TOKEN.search(self.held):
            pieces += self._text(self.held[: token.start()])
            self.held = self.held[token.end() :]
            self._turn(token.group(1))
        keep = len(self.held) - self.held.rfind("<|") if "<|" in self.held else int(self.held.endswith("<"))
        if keep > len("<|constrain|>"):
            keep = int(self.held.endswith("<"))
        cut = len(self.held) - keep
        ready, self.held = self.held[:cut], self.held[cut:]
        return pieces + self._text(ready)

    def close(self) -> Pieces:
        text, self.held = self.held, ""
        return self._text(text) if self._proven else [Answer(self._unproven)]

    def _turn(self, token: str) -> None:
        if token == "message":
            self._where, self._channel = "body", self._header.strip().split(" ")[0]
            self._proven, self._unproven = True, ""
        elif token in ("start", "channel"):
            self._where, self._header = "header", ""

    def _text(self, text: str) -> Pieces:
        if not text:
            return []
        if self._where == "header":
            self._header += text
            return []
        return [Thinking(text)] if self._channel == "analysis" else [Answer(text)]
