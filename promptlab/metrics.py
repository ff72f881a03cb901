"""A transcript to times, tokens, rates and cost. Pure. What is not known is None, never zero."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from promptlab.providers.prices import Price
from promptlab.transcript import Transcript

# Below this a rate says more about buffering than about the model (big-AGI uses 40 tokens or 200 ms).
LEAST_TOKENS, LEAST_SECONDS = 8, 0.2
# Tokens per character, to mark an estimate with where the endpoint counted nothing: a Han character is about
# 0.7 tokens with today's vocabularies, four letters of English about one. An order of magnitude, not a count.
_PER_HAN, _PER_OTHER = 0.7, 0.25
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")

CostReason = Literal["reported", "computed", "local", "cached", "unknown price", "no token count", "not answered"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds since the last attempt was sent: waiting for one of our slots is not in it."""

    first_thought: float | None
    first_answer: float | None
    thinking: float | None
    answer: float | None
    total: float | None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Counts as they can be told. `estimated` marks those that are ours: nobody counted them."""

    input: int | None
    output: int | None
    thinking: int | None
    answer: int | None
    estimated: bool
    answer_estimated: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars, or None with the reason why there is none."""

    usd: float | None
    reason: CostReason


def timing(cell: Transcript, now: float | None = None) -> Timing:
    """The times of a cell; `now` (seconds since the run began) stands for its end while it runs."""
    start, end = cell.started, cell.ended if cell.ended is not None else now
    if start is None:
        return Timing(None, None, None, None, None)
    thinking = answer = None
    if cell.first_thought is not None:
        until = cell.first_answer if cell.first_answer is not None else (cell.last_thought if cell.ending else end)
        thinking = None if until is None else until - cell.first_thought
    if cell.first_answer is not None and cell.last_answer is not None:
        answer = cell.last_answer - cell.first_answer

    def since(at: float | None) -> float | None:
        return None if at is None else at - start

    return Timing(since(cell.first_thought), since(cell.first_answer), thinking, answer, since(end))


def tokens(cell: Transcript) -> Tokens:
    """Token counts; where the endpoint gave none they are estimated from the text, and say so."""
    usage = cell.usage
    thought, answered = estimate(cell.thinking), estimate(cell.answer)
    if usage is None or (usage.billed is None and usage.output is None):
        said = bool(cell.thinking or cell.answer)
        return Tokens(usage.input if usage else None, thought + answered if said else None,
                      thought if cell.thinking else None, answered if cell.answer else None, said, said)  # fmt: skip
    output = usage.billed if usage.billed is not None else usage.output
    thinking: int | None = cell.hidden_tokens or None
    if thinking is None and not cell.thinking and not cell.withheld:
        return Tokens(usage.input, output, None, output, False, False)
    if thinking is not None:
        return Tokens(usage.input, output, thinking, max(0, (output or 0) - thinking), False, False)
    if not cell.answer:
        return Tokens(usage.input, output, output, 0, False, False)
    share = round((output or 0) * answered / max(1, thought + answered))  # the trace was not counted apart
    return Tokens(usage.input, output, (output or 0) - share, share, False, True)


def rate(cell: Transcript) -> float | None:
    """Answer tokens per second, first answer token to last; None where there is too little to tell."""
    count, seconds = tokens(cell).answer, timing(cell).answer
    if count is None or seconds is None or count < LEAST_TOKENS or seconds < LEAST_SECONDS:
        return None
    return count / seconds


def cost(cell: Transcript, price: Price | None, *, local: bool) -> Cost:
    """What it cost: as the provider reports it, else computed from the price list, else the reason why not."""
    usage = cell.usage
    if cell.cached is not None:  # an earlier run has paid for it
        return Cost(None, "cached")
    if usage is not None and usage.cost is not None:
        return Cost(usage.cost, "reported")
    if local:
        return Cost(None, "local")
    if usage is None or usage.input is None or (usage.billed is None and usage.output is None):
        return Cost(None, "no token count" if cell.answer or cell.thinking else "not answered")
    if price is None:
        return Cost(None, "unknown price")
    cached = usage.cached or 0
    output = usage.billed if usage.billed is not None else usage.output or 0
    fresh = (usage.input - cached) * price.input + cached * (price.input if price.cached is None else price.cached)
    return Cost(fresh + output * price.output, "computed")


def estimate(text: str) -> int:
    """About how many tokens a text is: for display with a mark, never for money."""
    han = len(_HAN.findall(text))
    return max(1, round(han * _PER_HAN + (len(text) - han) * _PER_OTHER)) if text else 0
