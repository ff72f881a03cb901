"""Times, tokens, rates and cost out of a transcript: what is not known is None, and an estimate is marked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import Fault
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Relabelled,
    Retrying,
    Started,
    Thinking,
    Usage,
    Withheld,
)
from promptlab.metrics import LEAST_SECONDS, LEAST_TOKENS, Cost, Timing, Tokens, cost, estimate, rate, timing, tokens
from promptlab.providers.prices import Price
from promptlab.transcript import Transcript

END = Finished("stop", True)


def cell(*events: tuple[float, Event]) -> Transcript:
    transcript = Transcript()
    for at, event in events:
        transcript.apply(at, event)
    return transcript


def said(*events: Event, usage: Usage | None = None) -> Transcript:
    listed = [Started(), Accepted(), *events, *([usage] if usage else []), END]
    return cell(*((float(n), event) for n, event in enumerate(listed)))


def test_times_of_a_whole_cell() -> None:
    found = cell(
        (2.0, Started()), (2.5, Accepted()), (3.0, Thinking("a")), (4.0, Thinking("b")), (6.0, Answer("\n")),
        (7.0, Answer("c")), (9.0, Answer("d")), (10.0, END),
    )  # fmt: skip
    assert timing(found) == Timing(first_thought=1.0, first_answer=5.0, thinking=4.0, answer=2.0, total=8.0)


def test_nothing_is_measured_before_the_start() -> None:
    assert timing(cell(), 5.0) == Timing(None, None, None, None, None)
    assert timing(cell((3.0, Cancelled()))) == Timing(None, None, None, None, None)


def test_times_of_a_cell_that_runs_are_told_by_now() -> None:
    found = cell((2.0, Started()), (3.0, Thinking("a")))
    assert timing(found, 5.0) == Timing(1.0, None, 2.0, None, 3.0)
    assert timing(found) == Timing(1.0, None, None, None, None)


def test_a_cell_cut_while_thinking_thought_until_its_last_word() -> None:
    found = cell((2.0, Started()), (3.0, Thinking("a")), (6.0, Thinking("b")), (9.0, Finished("length", True)))
    assert timing(found) == Timing(1.0, None, 3.0, None, 7.0)
    assert found.cut_thinking


def test_no_time_crosses_a_retry() -> None:
    found = cell(
        (0.0, Started()), (1.0, Accepted()), (2.0, Thinking("lost")), (3.0, Retrying(Fault("server", "x"), 30.0, 1)),
        (33.0, Started(attempt=2)), (34.0, Answer("a")), (35.0, END),
    )  # fmt: skip
    assert timing(found) == Timing(None, 1.0, None, 0.0, 2.0)
    assert found.thinking == "" and found.attempts == 2 and len(found.retried) == 1


def test_relabelled_text_was_thinking_all_along() -> None:
    found = cell(
        (0.0, Started()), (1.0, Answer("a")), (3.0, Answer("b")), (3.0, Relabelled()), (4.0, Answer("c")), (6.0, END)
    )
    assert (found.thinking, found.answer) == ("ab", "c")
    assert timing(found) == Timing(1.0, 4.0, 3.0, 0.0, 6.0)


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        (said(Answer("c"), usage=Usage(5, 7)), Tokens(5, 7, None, 7, False, False)),
        (said(Thinking("t"), Answer("c"), usage=Usage(5, 7, thinking=4, billed=7)), Tokens(5, 7, 4, 3, False, False)),
        # xAI, Gemini's layer: thinking outside of the vendor's output count
        (said(Answer("c"), usage=Usage(5, 7, thinking=4, billed=11)), Tokens(5, 11, 4, 7, False, False)),
        (said(Answer("c"), usage=Usage(5, 7, billed=11)), Tokens(5, 11, 4, 7, False, False)),
        # hidden thinking that took all
        (said(usage=Usage(5, 7, thinking=7, billed=7)), Tokens(5, 7, 7, 0, False, False)),
        # a trace that nobody counted apart: shared out, and marked
        (said(Thinking("t" * 300), Answer("c" * 100), usage=Usage(5, 40)), Tokens(5, 40, 30, 10, False, True)),
        (said(Thinking("t" * 300), usage=Usage(5, 40)), Tokens(5, 40, 40, 0, False, False)),
        # nothing counted at all: estimated, and marked
        (said(Answer("c" * 100)), Tokens(None, 25, None, 25, True, True)),
        (said(Thinking("t" * 40), Answer("c" * 100)), Tokens(None, 35, 10, 25, True, True)),
        (said(Answer("c" * 100), usage=Usage(5)), Tokens(5, 25, None, 25, True, True)),
        (said(), Tokens(None, None, None, None, False, False)),
    ],
)
def test_tokens_are_the_endpoints_or_marked(transcript: Transcript, expected: Tokens) -> None:
    assert tokens(transcript) == expected


def test_what_thinking_there_was() -> None:
    assert said(Answer("c")).trace == "none"
    assert said(Thinking("t"), Answer("c")).trace == "raw"
    assert said(Thinking("t", "summary"), Answer("c")).trace == "summary"
    assert said(Withheld("encrypted"), Answer("c")).trace == "withheld"
    assert said(Withheld("encrypted"), Thinking("t"), Answer("c")).trace == "raw"
    assert said(Answer("c"), usage=Usage(5, 7, thinking=4)).trace == "hidden"
    assert said(Answer("c"), usage=Usage(5, 7, billed=9)).trace == "hidden"
    assert said(Answer("c"), usage=Usage(5, 7, thinking=0, billed=7)).trace == "none"


def timed(count: int, seconds: float) -> Transcript:
    return cell((0.0, Started()), (1.0, Answer("a")), (1.0 + seconds, Answer("b")), (9.0, Usage(1, count)), (9.0, END))


def test_a_rate_needs_enough_tokens_and_time() -> None:
    assert rate(timed(LEAST_TOKENS, 2.0)) == LEAST_TOKENS / 2
    assert rate(timed(100, LEAST_SECONDS * 1.01)) == pytest.approx(100 / (LEAST_SECONDS * 1.01))
    assert rate(timed(LEAST_TOKENS - 1, 2.0)) is None
    assert rate(timed(100, LEAST_SECONDS / 2)) is None
    assert rate(said()) is None


def test_the_rate_is_of_the_answer_alone() -> None:
    found = cell(
        (0.0, Started()), (1.0, Thinking("t")), (5.0, Answer("a")), (7.0, Answer("b")),
        (7.0, Usage(1, 100, thinking=80, billed=100)), (7.0, END),
    )  # fmt: skip
    assert rate(found) == 10.0


PRICE = Price(2e-6, 10e-6, 1e-6)


@pytest.mark.parametrize(
    ("transcript", "price", "local", "expected"),
    [
        (said(Answer("c"), usage=Usage(5, 7, cost=0.25)), PRICE, False, Cost(0.25, "reported")),
        (said(Answer("c"), usage=Usage(5, 7, cost=0.0)), PRICE, True, Cost(0.0, "reported")),
        (said(Answer("c"), usage=Usage(5, 7)), PRICE, True, Cost(None, "local")),
        (said(Answer("c"), usage=Usage(100, 10)), None, False, Cost(None, "unknown price")),
        (said(Answer("c")), PRICE, False, Cost(None, "no token count")),
        (said(Answer("c"), usage=Usage(100)), PRICE, False, Cost(None, "no token count")),
        (said(Answer("c"), usage=Usage(None, 10)), PRICE, False, Cost(None, "no token count")),
        (cell((0.0, Started()), (1.0, Failed(Fault("auth", "no")))), PRICE, False, Cost(None, "not answered")),
    ],
)
def test_a_cost_or_the_reason_why_there_is_none(
    transcript: Transcript, price: Price | None, local: bool, expected: Cost
) -> None:
    assert cost(transcript, price, local=local) == expected


@pytest.mark.parametrize(
    ("usage", "price", "usd"),
    [
        (Usage(100, 10), PRICE, 300e-6),
        (Usage(100, 10, cached=40), PRICE, (60 * 2 + 40 + 100) * 1e-6),
        (Usage(100, 10, cached=40), Price(2e-6, 10e-6), 300e-6),
        (Usage(100, 10, thinking=5, billed=15), PRICE, 350e-6),
    ],
)
def test_a_cost_is_computed_from_what_is_billed(usage: Usage, price: Price, usd: float) -> None:
    found = cost(said(Answer("c"), usage=usage), price, local=False)
    assert found.reason == "computed" and found.usd == pytest.approx(usd)


@settings(deadline=None)
@given(st.text())
def test_an_estimate_is_never_negative_and_zero_for_nothing_only(text: str) -> None:
    assert estimate(text) >= (1 if text else 0) and estimate("") == 0


def test_chinese_takes_more_tokens_a_character() -> None:
    assert (estimate("雪" * 100), estimate("a" * 100)) == (70, 25)


COUNT = st.none() | st.integers(0, 10**6)


@settings(deadline=None)
@given(st.text(max_size=50), st.text(max_size=50),
       st.none() | st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT))  # fmt: skip
def test_no_count_is_negative_and_the_parts_are_no_more_than_the_whole(
    thought: str, answer: str, usage: Usage | None
) -> None:
    events: list[Event] = [*([Thinking(thought)] if thought else []), *([Answer(answer)] if answer else [])]
    found = tokens(said(*events, usage=usage))
    for number in (found.output, found.thinking, found.answer):
        assert number is None or number >= 0
    if usage is None:
        assert found.estimated == bool(thought.strip() or answer.strip()) and found.input is None
    if found.answer_estimated and not found.estimated:
        assert (found.thinking or 0) + (found.answer or 0) == found.output
