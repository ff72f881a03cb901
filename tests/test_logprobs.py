"""Log probabilities: bounds on entropies, and tokens that are the answer's and nothing else's, in every dialect."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.events import KEPT, Answer, Event, Scored, Token, pack, unpack
from promptlab.events import Stamped as At
from promptlab.knowledge import judge
from promptlab.providers.direct import Call, Dialect, Direct, Fold
from promptlab.providers.embedded import EmbeddedServer
from promptlab.providers.gemini import Gemini
from promptlab.providers.http import Pool
from promptlab.providers.logprobs import LEAST, VOCABULARY, Scores, entropy_bounds, natural, token
from promptlab.providers.ollama import Ollama
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.providers.openai_responses import OpenAIResponses
from promptlab.request import Message, Request
from promptlab.transcript import Transcript
from tests.test_knowledge_data import facts

CALL = Call("vendor", "m")


def entropy(probabilities: Iterable[float]) -> float:
    return -math.fsum(p * math.log(p) for p in probabilities if p > 0)


# -- bounds ------------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 400), st.integers(1, 40), st.floats(0.05, 8), st.integers(0, 10_000))
def test_the_bounds_hold_the_exact_entropy(size: int, k: int, sharpness: float, seed: int) -> None:
    dice = random.Random(seed)
    weights = [math.exp(sharpness * dice.gauss(0, 1)) for _ in range(size)]
    total = math.fsum(weights)
    exact = sorted((weight / total for weight in weights), reverse=True)
    shown = [math.log(p) for p in exact[:k]]
    low, high = entropy_bounds(shown)
    nearer = entropy_bounds(shown, vocabulary=size)
    assert low - 1e-9 <= nearer[0] <= entropy(exact) + 1e-9
    assert entropy(exact) - 1e-9 <= nearer[1] <= high + 1e-9
    if k >= size:
        assert (low, high) == pytest.approx((entropy(exact), entropy(exact)), abs=1e-6)


def test_the_bounds_by_hand() -> None:
    """p = .5, .25 of 4 tokens: the rest, .25, is one token of .25, or two of .125."""
    low, high = entropy_bounds([math.log(0.5), math.log(0.25)], vocabulary=4)
    assert (low, high) == pytest.approx((1.5 * math.log(2), 1.75 * math.log(2)))
    assert entropy_bounds([0.0]) == (0.0, 0.0), "a certain token"
    assert entropy_bounds([math.log(0.1)] * 10) == pytest.approx((math.log(10), math.log(10)), abs=1e-3)
    low, high = entropy_bounds([])
    assert (low, high) == pytest.approx((0.0, math.log(VOCABULARY))), "nothing is known"


def test_a_sum_above_one_is_taken_for_all_there_is() -> None:
    exact = [0.5, 0.3, 0.2]
    low, high = entropy_bounds([math.log(p * 1.0002) for p in exact])
    assert low == high == pytest.approx(entropy(exact))


def test_the_more_alternatives_the_nearer_the_bounds() -> None:
    exact = [0.6**n * 0.4 for n in range(60)]
    shown = [entropy_bounds([math.log(p) for p in exact[:k]], vocabulary=5000) for k in (1, 2, 5, 20, 60)]
    for (low, high), (nearer, lower) in pairwise(shown):
        assert low <= nearer + 1e-12 and lower <= high + 1e-12


def test_the_sampled_token_below_the_list_narrows_the_bounds_and_in_it_says_nothing_of_the_others() -> None:
    exact = [0.4, 0.3, 0.1, 0.1, 0.1]
    top = [("a", math.log(0.4)), ("b", math.log(0.3))]
    rare = token("e", math.log(0.1), top)
    assert rare.low is not None and rare.high is not None and rare.low <= entropy(exact) <= rare.high
    without = entropy_bounds([score for _, score in top])
    assert rare.high < without[1] and rare.top == tuple(top)
    # A server that puts the sampled token in the place of the last: what is outside can be as probable as b.
    placed = token("e", math.log(0.1), [("a", math.log(0.4)), ("e", math.log(0.1))])
    assert placed.low is not None and placed.high is not None and placed.low <= entropy(exact) <= placed.high
    alone = token("e", math.log(0.1), [("e", math.log(0.1))])
    assert alone.low is not None and alone.low <= entropy(exact)


def test_only_a_few_alternatives_are_kept_and_all_count() -> None:
    top = [(str(n), math.log(0.09)) for n in range(10)]
    found = token("0", math.log(0.09), top[::-1])
    assert len(found.top) == KEPT and found.low is not None and found.low > 9 * 0.09 * -math.log(0.09)
    assert token("x", -1.0, []) == Token("x", -1.0), "no alternatives, no bounds"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(-1, -1.0), (-0.0, 0.0), (1e-9, 0.0), (float("-inf"), LEAST), (-1e300, LEAST), (float("nan"), None), (0.5, None),
     (True, None), ("-1", None), (None, None), (10**400, None), (-(10**400), LEAST)],
)  # fmt: skip
def test_what_a_log_probability_can_be(value: object, wanted: float | None) -> None:
    assert natural(value) == wanted


# -- which tokens are the answer's -------------------------------------------------------------------------------------


def entry(word: str, logprob: float = -1.0, **more: Any) -> dict[str, Any]:
    return {"token": word, "logprob": logprob, "bytes": list(word.encode()), "top_logprobs": [], **more}


def chunk(words: Iterable[str], *, content: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of chat completions whose tokens are `words`, and whose content is what they say unless it is given."""
    said = list(words)
    delta = {"content": "".join(said) if content is None else content, **fields}
    scored = {"content": [entry(word) for word in said]}
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "logprobs": scored, "finish_reason": None}]}


def fold_all(fold: Fold, messages: Iterable[object]) -> Transcript:
    transcript = Transcript()
    events = [event for message in messages for event in fold.take(json.dumps(message).encode())]
    for n, event in enumerate([*events, *fold.end(b"", "here")]):
        transcript.apply(float(n), event)
        (again,) = [unpack(0, json.loads(json.dumps(pack(At(0, 1.0, event))))).event]
        assert again == event, "it can be stored"
    return transcript


def scored(transcript: Transcript) -> str:
    return "".join(one.text for one in transcript.tokens)


def read(*chunks: dict[str, Any]) -> Transcript:
    return fold_all(OpenAIChat().fold(CALL), chunks)


STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}]}
CASES: dict[str, tuple[list[dict[str, Any]], str, str]] = {  # chunks, thinking, the answer's tokens
    "plain": ([chunk(["The"]), chunk([" sea", " is"]), chunk([" blue"])], "", "The sea is blue"),
    "a tag": ([chunk([word]) for word in ("<", "think", ">", "\n", "a b", "</", "think", ">", "\n\n", "C", " d")],
              "a b", "C d"),
    "a tag, all in one chunk": ([chunk(["<think>", "a", "</think>", "\n\n", "C", " d"])], "a", "C d"),
    "a closing tag with the answer behind it": ([chunk(["<think>a"]), chunk(["</think>", "\n", "C"])], "a", "C"),
    "a tag that is a beginning and no more": ([chunk([word]) for word in ("x", " <", "/t", "able>")], "",
                                              "x </table>"),
    "no opening tag": ([chunk(["a"]), chunk([" b"]), chunk(["</think>"]), chunk(["C"])], "a b", "C"),
    "no opening tag, in one chunk": ([chunk(["a", " b", "</think>", "C", " d"])], "a b", "C d"),
    "never closed": ([chunk(["<think>"]), chunk(["a"])], "a", ""),
    "a field": ([chunk(["a"], content="", reasoning_content="a"), chunk(["b"], content="", reasoning="b"),
                 chunk(["C"]), chunk([" d"])], "ab", "C d"),
    "a field and content in one chunk": ([chunk(["a", "C", " d"], content="C d", reasoning_content="a")], "a", "C d"),
    "tokens before their text": ([chunk(["C"], content=""), chunk([" d"], content="C d")], "", "C d"),
    "the token of the end": ([chunk(["C"]), chunk(["<|im_end|>"], content="")], "", "C"),
    "harmony": ([chunk([word]) for word in ("<|channel|>", "analysis", "<|message|>", "a", "<|end|>", "<|start|>",
                 "assistant", "<|channel|>", "final", "<|message|>", "C", " d", "<|return|>")], "a", "C d"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_answers_tokens_and_no_others(name: str) -> None:
    chunks, thinking, answer = CASES[name]
    transcript = read(*chunks, STOP)
    assert transcript.thinking == thinking
    assert scored(transcript).strip() == transcript.answer == answer


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab <>/think\n", min_size=1, max_size=6), min_size=1, max_size=20), st.booleans(),
       st.randoms())  # fmt: skip
def test_however_it_is_cut_the_tokens_make_the_answer(words: list[str], thinks: bool, dice: random.Random) -> None:
    """Each token is of one piece: with tags as tokens of their own, what is scored is the answer, letter by letter."""
    tokens = ["<think>", "so", "</think>", *words] if thinks else words
    chunks = []
    while tokens:
        cut = dice.randint(1, 3)
        chunks.append(chunk(tokens[:cut]))
        tokens = tokens[cut:]
    transcript = read(*chunks, STOP)
    assert scored(transcript).strip().endswith(transcript.answer) and transcript.answer in scored(transcript)
    if thinks:
        assert "so" not in scored(transcript)


def test_half_characters_have_no_text_and_the_last_piece_has_it_whole() -> None:
    ni = list("你".encode())
    half = [entry("\ufffd", bytes=ni[:1]), entry("\ufffd", bytes=ni[1:2])]
    whole = entry("\ufffd", bytes=ni[2:])
    escaped = [entry("\\xe5\\xa5", bytes=[0xE5, 0xA5]), entry("\\xbd", bytes=[0xBD])]
    chunks = [{"choices": [{"delta": {"content": "你"}, "logprobs": {"content": [*half, whole]}}]},
              {"choices": [{"delta": {"content": "好"}, "logprobs": {"content": escaped}}]}, STOP]  # fmt: skip
    transcript = read(*chunks)
    assert [one.text for one in transcript.tokens] == ["", "", "你", "", "好"]
    # llama.cpp sends no log probabilities with a half: then the others are what there is
    some = read({"choices": [{"delta": {"content": "你"}, "logprobs": {"content": [entry("你")]}}]},
                {"choices": [{"delta": {"content": "😀"}}]}, chunk(["好"]), STOP)  # fmt: skip
    assert (some.answer, scored(some)) == ("你😀好", "你好")


@pytest.mark.parametrize(
    "odd",
    [None, 1, "x", [], {"content": None}, {"content": "x"}, {"content": [None, 1, {}]},
     {"content": [{"token": 1, "logprob": "x"}]}, {"content": [{"token": "a", "logprob": float("nan")}]},
     {"content": [{"token": "a", "logprob": None}]}, {"tokens": ["a"], "token_logprobs": [-1]}],
)  # fmt: skip
def test_odd_log_probabilities_are_none_and_the_answer_is_whole(odd: object) -> None:
    transcript = read({"choices": [{"delta": {"content": "a<b"}, "logprobs": odd}]}, STOP)
    assert transcript.answer == "a<b" and transcript.tokens == [] and transcript.state == "done"


def test_odd_alternatives_don_t_take_the_token_away() -> None:
    top = [None, {"token": "b"}, {"logprob": -2}, {"token": "\ud83d", "logprob": -3.0}, {"token": "c", "logprob": "x"}]
    said = {"content": [entry("a", top_logprobs=top)]}
    transcript = read({"choices": [{"delta": {"content": "a"}, "logprobs": said}]})
    (found,) = transcript.tokens
    assert found.top == (("", -2.0), ("\ufffd", -3.0))


def test_a_server_that_does_not_stream() -> None:
    message = {"role": "assistant", "content": "<think>a</think>C d"}
    said = {"content": [entry(word) for word in ("<think>", "a", "</think>", "C", " d")]}
    transcript = read({"choices": [{"message": message, "finish_reason": "stop", "logprobs": said}]})
    assert (transcript.thinking, transcript.answer, scored(transcript)) == ("a", "C d", "C d")


def test_without_log_probabilities_nothing_is_made_for_them() -> None:
    fold = OpenAIChat().fold(CALL)
    for word in ("<think>", "a", "</think>", "b"):
        fold.take(json.dumps({"choices": [{"delta": {"content": word}}]}).encode())
    assert fold._scores is None


def test_events_of_the_answer_come_before_their_scores() -> None:
    fold = OpenAIChat().fold(CALL)
    events = fold.take(json.dumps(chunk(["C"])).encode())
    assert events[-2:] == [Answer("C"), Scored((Token("C", -1.0),))]
    assert Scores().settle([Answer("x")]) == [Answer("x")]


# -- the other dialects ------------------------------------------------------------------------------------------------


def line(words: list[str], *, content: str | None = None, thinking: str = "") -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(words) if content is None else content, "thinking": thinking}
    return {"model": "m", "message": message, "done": False, "logprobs": [entry(word) for word in words]}


def test_ollama() -> None:
    over = {"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop"}
    lines = [line(["a"], content="", thinking="a"), line(["</think>"], content=""),
             line([" b"], content="", thinking=" b"), line(["C"]), line([" d"]), over]  # fmt: skip
    transcript = fold_all(Ollama().fold(CALL), lines)
    assert (transcript.thinking, transcript.answer, scored(transcript)) == ("a b", "C d", "C d")
    tags = [line([word]) for word in ("<think>", "a", "</think>", "C", " d")]
    transcript = fold_all(Ollama().fold(CALL), [*tags, over])
    assert (transcript.thinking, transcript.answer, scored(transcript)) == ("a", "C d", "C d")


def response(*events: dict[str, Any]) -> Transcript:
    return fold_all(OpenAIResponses().fold(CALL), events)


def test_openai_responses_once_though_they_come_twice() -> None:
    alternatives = [{"token": "C", "logprob": -1.0}, {"token": "D", "logprob": -1.5}]
    first = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "C",
             "logprobs": [entry("C", top_logprobs=alternatives)]}  # fmt: skip
    second = first | {"delta": " d", "logprobs": [entry(" d")]}
    whole = [entry("C"), entry(" d")]
    done = first | {"type": "response.output_text.done", "text": "C d", "logprobs": whole}
    part = {"type": "output_text", "text": "C d", "logprobs": whole}
    over = {"type": "response.completed", "response": {"status": "completed", "output": [
        {"type": "message", "content": [part]}]}}  # fmt: skip
    thought = {"type": "response.reasoning_text.delta", "output_index": 1, "delta": "a", "logprobs": [entry("a")]}
    transcript = response(thought, first, second, done, over)
    assert (transcript.thinking, transcript.answer, scored(transcript)) == ("a", "C d", "C d")
    assert transcript.tokens[0].top == (("C", -1.0), ("D", -1.5)) and transcript.tokens[0].high is not None
    assert scored(response(over)) == "C d", "where only the whole comes"
    assert response(first | {"logprobs": []}, over).tokens == []


def candidate(parts: list[dict[str, Any]], words: list[str], **more: Any) -> dict[str, Any]:
    result = {
        "chosenCandidates": [{"token": word, "tokenId": 1, "logProbability": -1.0} for word in words],
        "topCandidates": [
            {"candidates": [{"token": word, "logProbability": -1.0}, {"token": "?", "logProbability": -2}]}
            for word in words
        ],
    }  # fmt: skip
    return {"candidates": [{"content": {"parts": parts}, "logprobsResult": result, **more}]}


def test_gemini() -> None:
    chunks = [candidate([{"text": "a b", "thought": True}], ["a", " b"]), candidate([{"text": "C d"}], ["C", " d"]),
              candidate([{"text": " e"}], ["x", " e"], finishReason="STOP")]  # fmt: skip
    transcript = fold_all(Gemini().fold(CALL), chunks)
    assert (transcript.thinking, transcript.answer, scored(transcript)) == ("a b", "C d e", "C d e")
    assert transcript.tokens[0].top == (("C", -1.0), ("?", -2.0))
    texts: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [{"text": word}]}}]} for word in ("C", " d")]
    last = candidate([], ["a", "C", " d"], finishReason="STOP")
    assert scored(fold_all(Gemini().fold(CALL), [*texts, last])) == "C d", "all of them with the last chunk"
    bare = {"candidates": [{"content": {"parts": [{"text": "C"}]}, "logprobsResult": {"chosenCandidates": "?"}}]}
    assert fold_all(Gemini().fold(CALL), [bare]).tokens == []


# -- for real ----------------------------------------------------------------------------------------------------------


class Local:
    """The embedded model behind the product's own dialect and knowledge."""

    def __init__(self, weights: Path) -> None:
        self._server = EmbeddedServer(weights)
        self._address = asyncio.run(self._server.start())

    def close(self) -> None:
        asyncio.run(self._server.aclose())

    def ask(
        self, prompt: str | tuple[Message, ...], dialect: Dialect | None = None, **parameters: Any
    ) -> Transcript:  # fmt: skip
        messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
        asked = {"temperature": 0.8, "seed": 3, "top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 40, **parameters}

        async def go() -> list[Event]:
            pool, known = Pool(), facts("local/")
            provider = Direct("local", self._address.base_url, pool, dialect or OpenAIChat(), key=self._address.key,
                              judge=lambda request: judge(known, request))  # fmt: skip
            try:
                async with aclosing(provider.stream(Request("m", messages, asked))) as stream:
                    return [event async for event in stream]
            finally:
                await pool.aclose()

        transcript = Transcript()
        for n, event in enumerate(asyncio.run(go())):
            transcript.apply(float(n), event)
        return transcript


@pytest.fixture(scope="module")
def local(weights: Path) -> Iterator[Local]:
    running = Local(weights)
    yield running
    running.close()


@pytest.mark.parametrize("prompt", ["Write a haiku about the sea.", "Repeat exactly: 北京下雪了 😀 élan 🎉"])
def test_the_tokens_of_the_embedded_model_make_its_answer(local: Local, prompt: str) -> None:
    """Text, log probability of what was sampled, and bounds that hold the exact entropy."""
    few, many = (local.ask(prompt, top_logprobs=k) for k in (20, 1000))
    assert few.answer == many.answer and few.answer
    assert scored(few).strip() == few.answer and len(few.tokens) > 5
    for one, nearer in zip(few.tokens, many.tokens, strict=True):
        assert one.logprob == pytest.approx(nearer.logprob, abs=1e-3), "single precision"
        assert one.low is not None and one.high is not None and nearer.low is not None and nearer.high is not None
        assert one.low - 2e-3 <= nearer.low <= nearer.high <= one.high + 2e-3, "of more, nearer ones, in between"
        assert len(one.top) == KEPT and one.top == tuple(sorted(one.top, key=lambda pair: -pair[1]))
        for word, score in one.top:
            assert word != one.text or score == one.logprob, "the sampled token's own"


def test_the_whole_vocabulary_gives_the_entropy_itself(local: Local) -> None:
    """Three tokens with all of the model's 49,152: past what may be asked for, and so by the raw field."""
    raw: dict[str, Any] = {"body.top_logprobs": 49_152, "body.logprobs": True}
    whole = local.ask("Tell me of the sea.", max_tokens=3, **raw).tokens
    asked = {k: local.ask("Tell me of the sea.", max_tokens=3, top_logprobs=k).tokens for k in (1, 5, 20, 1000)}
    for k, some in asked.items():
        for exact, one in zip(whole, some, strict=True):
            assert exact.low is not None and exact.high is not None and exact.high - exact.low < 2e-3
            assert one.text == exact.text and one.logprob == pytest.approx(exact.logprob, abs=1e-3)
            assert one.low is not None and one.high is not None and one.low - 2e-3 <= exact.low <= one.high + 2e-3, k


def test_the_thinking_of_a_real_stream_is_not_scored(local: Local) -> None:
    """`assume-open` reads what the model says as thinking until it closes a tag, which this one never does."""
    said = local.ask("Count to five.", OpenAIChat(tags="assume-open"), top_logprobs=2)
    assert said.thinking and not said.answer and said.tokens == []
    assert local.ask("Count to five.").tokens == [], "not asked for, none"
    assert local.ask("Count to five.", top_logprobs=0).tokens, "0: those of the sampled tokens at least"
