"""The fold of one cell's events: thinking, answer, timings, usage, outcome. Pure; only `apply` changes it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from promptlab.errors import Fault
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Learned,
    Loaded,
    Opaque,
    Relabelled,
    Retrying,
    Scored,
    Sent,
    Served,
    Started,
    Thinking,
    Token,
    Usage,
    Waiting,
    Withheld,
)
from promptlab.params import Value, show

State = Literal[
    "queued", "connecting", "waiting", "thinking", "answering", "retrying", "done", "incomplete", "failed", "cancelled"
]
TraceKind = Literal["raw", "summary", "hidden", "withheld", "none"]
ENDED = ("done", "incomplete", "failed", "cancelled")


@dataclass(slots=True)
class Transcript:
    """Times are seconds since the run began, as stamped; `started` is that of the last attempt, so that no
    time is ever measured across a retry. `queued` is the first one: what it waited for a slot, or for memory."""

    state: State = "queued"
    asked: dict[str, Value] = field(default_factory=dict)
    sent: dict[str, Value] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    queued: float | None = None
    started: float | None = None
    accepted: float | None = None
    first_thought: float | None = None
    last_thought: float | None = None
    first_answer: float | None = None
    last_answer: float | None = None
    ended: float | None = None
    usage: Usage | None = None
    served: Served | None = None
    wire: Sent | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    complete: bool = False
    fault: Fault | None = None
    retried: list[Fault] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    loading: float | None = None
    tokens: list[Token] = field(default_factory=list)
    cached: int | None = None  # the run that it comes from, where nothing was sent
    relabelled: bool = False
    summary: bool = False
    _thinking: list[str] = field(default_factory=list)
    _answer: list[str] = field(default_factory=list)

    @property
    def thinking(self) -> str:
        if len(self._thinking) > 1:
            self._thinking = ["".join(self._thinking)]
        return self._thinking[0].strip() if self._thinking else ""

    @property
    def answer(self) -> str:
        if len(self._answer) > 1:
            self._answer = ["".join(self._answer)]
        return self._answer[0].strip() if self._answer else ""

    @property
    def written(self) -> tuple[str, str]:
        """Thinking and answer so far as they came, white space around them and all."""
        return "".join(self._thinking), "".join(self._answer)

    def lighten(self) -> None:
        """Let go of the alternatives of its tokens, nine tenths of them, which no measure of a sweep needs."""
        self.tokens = [replace(token, top=()) if token.top else token for token in self.tokens]

    @property
    def ending(self) -> bool:
        return self.state in ENDED

    @property
    def trace(self) -> TraceKind:
        """What kind of thinking this shows. Hidden: tokens are billed and no text comes. Withheld: the vendor
        says that there was some, and keeps it."""
        if self.thinking:
            return "summary" if self.summary else "raw"
        if self.withheld:
            return "withheld"
        return "hidden" if self.hidden_tokens else "none"

    @property
    def hidden_tokens(self) -> int:
        """Thinking tokens that the counts show, where the trace itself is not on the wire."""
        usage = self.usage
        if usage is None:
            return 0
        outside = (usage.billed or 0) - (usage.output or 0)
        return usage.thinking or max(0, outside)

    @property
    def cut_thinking(self) -> bool:
        """The tokens ran out, or the stream broke, before any answer."""
        return self.ending and not self.answer and bool(self.thinking or self.hidden_tokens)

    def apply(self, at: float, event: Event) -> None:
        match event:
            case Answer(text):
                self._answer.append(text)
                if self.first_answer is None:
                    if not text.strip():
                        return
                    self.first_answer, self.state = at, "answering"
                self.last_answer = at
            case Thinking(text, kind):
                self._thinking.append(text)
                if self.first_thought is None:
                    self.first_thought, self.summary = at, kind == "summary"
                self.last_thought = at
                self.state = "thinking"
            case Started(asked, sent, attempt, verdicts, notes):
                self._restart()
                self.queued = at if self.queued is None else self.queued
                self.asked, self.sent, self.attempts, self.started, self.state = asked, sent, attempt, at, "connecting"
                self.verdicts, self.notes, self.cached = dict(verdicts), dict(notes), event.cached
                for learned in self.learned:
                    self._learn(learned)
            case Accepted(_, request_id):
                self.accepted, self.request_id, self.state = at, request_id, "waiting"
            case Sent():
                self.wire = event
            case Waiting():
                pass
            case Served():
                self.served = event
            case Withheld(reason):
                self.withheld.append(reason)
            case Opaque():
                self.opaque.append(event)
            case Loaded(seconds):
                self.loading = seconds
            case Learned():
                self.learned.append(event)
                self._learn(event)
            case Scored(tokens):
                self.tokens += tokens
            case Relabelled():
                self._relabel()
            case Usage():
                self.usage = event
            case Retrying(fault):
                self.retried.append(fault)
                self.state = "retrying"
            case Finished(reason, complete):
                self._end(at, "done" if complete else "incomplete")
                self.finish_reason, self.complete = reason, complete
            case Failed(fault, reason):
                self._end(at, "failed")
                self.fault, self.finish_reason = fault, reason
            case Cancelled():
                self._end(at, "cancelled")
            case _:
                assert_never(event)

    def _restart(self) -> None:
        self.accepted = self.first_thought = self.last_thought = self.first_answer = self.last_answer = None
        self._thinking, self._answer, self.withheld, self.usage, self.opaque = [], [], [], None, []
        self.loading = None
        self.tokens = []

    def _learn(self, event: Learned) -> None:
        self.verdicts[event.parameter] = event.verdict
        fixed = f"fixed at {show(event.value)}, " if event.value is not None else ""
        self.notes[event.parameter] = f"{fixed}the endpoint says so"

    def _relabel(self) -> None:
        self._thinking, self._answer = [*self._thinking, *self._answer], []
        self.first_thought, self.last_thought = self.first_thought or self.first_answer, self.last_answer
        self.first_answer = self.last_answer = None
        self.tokens = []  # of the answer alone
        self.relabelled, self.state = True, "thinking"

    def _end(self, at: float, state: State) -> None:
        self.ended, self.state = at, state
