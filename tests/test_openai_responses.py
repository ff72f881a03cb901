"""The dialect of OpenAI Responses over real HTTP: reasoning in all its kinds, ends, errors, and what is sent."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import ProviderError
from promptlab.events import Accepted, Answer, Event, Opaque, Served, Stamped, Thinking, Usage, Waiting, Withheld, pack
from promptlab.knowledge import Judge, Judged, as_asked
from promptlab.params import PARAMETERS, Value
from promptlab.providers import usage as usages
from promptlab.providers.direct import Call, Dialect, Direct, Fold
from promptlab.providers.http import Pool
from promptlab.providers.openai_responses import OpenAIResponses
from promptlab.providers.openai_responses_stream import ResponseFold
from promptlab.request import Message, Request
from promptlab.transcript import Transcript
from tests.replay import JSON, Replay

SHARED = Path(__file__).resolve().parents[2] / "shared"
SLICES = (1, 7, None)
KEY = "sk-planted-Qm7xZ2vLr9"
ASK = Request("m", (Message("user", "hi"),))
USAGE = {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 7,
         "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 12}  # fmt: skip


class Read:
    """One served body, read: the events, their transcript, and the error that ended it, if one did."""

    def __init__(self, body: bytes, slice: int | None = None, *, dialect: Dialect | None = None, **reply: Any) -> None:
        self.events: list[Event] = []
        self.cell = Transcript()
        self.error: ProviderError | None = None
        asyncio.run(self._go(body, slice, dialect or OpenAIResponses(), reply))

    async def _go(self, body: bytes, slice: int | None, dialect: Dialect, reply: dict[str, Any]) -> None:
        pool = Pool()
        async with Replay(body, slice=slice, **reply) as server:
            provider = Direct("vendor", server.url + "/v1", pool, dialect, key=KEY, key_name="VENDOR_KEY")
            try:
                async with aclosing(provider.stream(ASK)) as stream:
                    async for event in stream:
                        self.events.append(event)
                        self.cell.apply(float(len(self.events)), event)
            except ProviderError as error:
                self.error = error
            finally:
                await pool.aclose()

    def of(self, *kinds: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


def sse(*events: dict[str, Any] | str, done: bool = False) -> bytes:
    """A stream as OpenAI sends it: named events, numbered, and no [DONE]."""
    lines = []
    for number, event in enumerate(events):
        if isinstance(event, str):
            lines.append(event)
        else:
            lines.append(f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}")
    return ("\n\n".join([*lines, "data: [DONE]"] if done else lines) + "\n\n").encode()


def response(status: str = "completed", *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "created_at": 1795310400, "status": status, "model": "m-2026",
            "output": list(output), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
            "incomplete_details": None, "usage": None, **more}  # fmt: skip


def event(kind: str, item: int = 0, number: int = 0, /, **more: Any) -> dict[str, Any]:
    index = "summary_index" if "summary" in kind else "content_index"
    return {"type": f"response.{kind}", "item_id": f"i{item}", "output_index": item, index: number, **more}


def answer(*pieces: str, item: int = 0, part: int = 0) -> list[dict[str, Any]]:
    return [event("output_text.delta", item, part, delta=piece, logprobs=[]) for piece in pieces]


def summary(*pieces: str, item: int = 0, part: int = 0) -> list[dict[str, Any]]:
    return [event("reasoning_summary_text.delta", item, part, delta=piece) for piece in pieces]


def raw(*pieces: str, item: int = 0, part: int = 0) -> list[dict[str, Any]]:
    return [event("reasoning_text.delta", item, part, delta=piece) for piece in pieces]


def reasoning(
    *summaries: str, item: int = 0, encrypted: str | None = None, content: tuple[str, ...] = ()
) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"i{item}", "type": "reasoning",
                             "summary": [{"type": "summary_text", "text": text} for text in summaries]}  # fmt: skip
    if content:
        found["content"] = [{"type": "reasoning_text", "text": text} for text in content]
    return found if encrypted is None else {**found, "encrypted_content": encrypted}


def message(*texts: str, item: int = 0) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"id": f"i{item}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def item_done(item: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": number, "item": item}


def item_added(item: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": number, "item": item}


def part_added(item: int = 0, part: int = 0) -> dict[str, Any]:
    return event("reasoning_summary_part.added", item, part, part={"type": "summary_text", "text": ""})


def ended(word: str = "completed", *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": f"response.{word}", "response": response(word, *output, **more)}


CREATED = {"type": "response.created", "response": response("in_progress")}
WAITING = {"type": "response.in_progress", "response": response("in_progress")}
END = ended()


# -- thinking and answer -----------------------------------------------------------------------------------------

SAMPLES: dict[str, tuple[bytes, str, str, str]] = {  # body, thinking, answer, kind of trace
    "a summary": (sse(CREATED, WAITING, *summary("a ", "b"), *answer("c", item=1), END), "a b", "c", "summary"),
    "the model's own words": (sse(CREATED, *raw("a ", "b"), *answer("c", item=1), END), "a b", "c", "raw"),
    "two parts of a summary": (
        sse(CREATED, part_added(), *summary("a"), part_added(part=1), *summary("b", "c", part=1), *answer("d", item=1),
            END),
        "a\n\nbc", "d", "summary",
    ),
    "two parts that are not numbered": (
        sse(part_added(), *({"type": s["type"], "delta": s["delta"]} for s in summary("a", "b")), part_added(),
            {"type": "response.reasoning_summary_text.delta", "delta": "c"}, *answer("d"), END),
        "ab\n\nc", "d", "summary",
    ),
    "an empty part adds no blank line": (
        sse(part_added(), part_added(part=1), *summary("a", part=1), part_added(part=2), *answer("d", item=1), END),
        "a", "d", "summary",
    ),
    "two reasoning items": (
        sse(*summary("a"), *answer("c", item=1), *summary("b", item=2), *answer("d", item=3), END),
        "a\n\nb", "cd", "summary",
    ),
    "all of it repeated as it ends": (
        sse(CREATED, item_added(reasoning()), part_added(), *summary("a ", "b"),
            event("reasoning_summary_text.done", text="a b"),
            event("reasoning_summary_part.done", part={"type": "summary_text", "text": "a b"}),
            item_done(reasoning("a b")), item_added(message(), 1), *answer("c", "d", item=1),
            event("output_text.done", 1, text="cd", logprobs=[]),
            event("content_part.done", 1, part={"type": "output_text", "text": "cd", "annotations": []}),
            item_done(message("cd", item=1), 1), ended("completed", reasoning("a b"), message("cd", item=1))),
        "a b", "cd", "summary",
    ),
    "only in text.done": (
        sse(event("reasoning_summary_text.done", text="a"), event("output_text.done", 1, text="c", logprobs=[]), END),
        "a", "c", "summary",
    ),
    "only in part.done": (
        sse(event("reasoning_summary_part.done", part={"type": "summary_text", "text": "a"}),
            event("content_part.done", 1, part={"type": "output_text", "text": "c"}), END),
        "a", "c", "summary",
    ),
    "only in item.done": (
        sse(item_done(reasoning("a", "b")), item_done(message("c", "d", item=1), 1), END), "a\n\nb", "cd", "summary",
    ),
    "only in the end": (
        sse(CREATED, ended("completed", reasoning("a", "b"), message("c", "d", item=1))), "a\n\nb", "cd", "summary",
    ),
    "the answer in pieces, the reasoning only in the end": (
        sse(CREATED, *answer("c", item=1), ended("completed", reasoning("a"), message("c", item=1))),
        "a", "c", "summary",
    ),
    "the end leaves the reasoning out, and counts its items otherwise": (
        sse(*summary("a"), *answer("c", "d", item=1), ended("completed", message("cd"))), "a", "cd", "summary",
    ),
    "a repetition that counts its items otherwise": (
        sse(*summary("a", "b"), *answer("c", "d", item=1), event("output_text.done", 0, text="cd"), END),
        "ab", "cd", "summary",
    ),
    "a summary beside the same in its own words": (
        sse(*raw("a ", "b"), *summary("in short"), *answer("c", item=1), END), "a b", "c", "raw",
    ),
    "a whole item with both": (
        sse(item_done(reasoning("in short", content=("a b",))), *answer("c", item=1), END), "a b", "c", "raw",
    ),
    "a refusal": (
        sse(CREATED, event("refusal.delta", delta="I "), event("refusal.delta", delta="won't"),
            event("refusal.done", refusal="I won't"), END),
        "", "I won't", "none",
    ),
    "a refusal at once": (sse(event("refusal.done", refusal="I won't"), END), "", "I won't", "none"),
    "tags in the answer": (sse(*answer("<th", "ink>a</thi", "nk>\n\nc"), END), "a", "c", "raw"),
    "reasoning, then a tag as text": (
        sse(*raw("a"), *answer("<think>no</think>", item=1), END), "a", "<think>no</think>", "raw",
    ),
    "a character in two halves": (
        b'data: {"type":"response.output_text.delta","delta":"\\ud83d"}\n\n'
        b'data: {"type":"response.output_text.delta","delta":"\\ude00!"}\n\n' + sse(END),
        "", "😀!", "none",
    ),
    "half a character": (
        b'data: {"type":"response.output_text.delta","delta":"a\\ude00b"}\n\n' + sse(END), "", "a\ufffdb", "none",
    ),
    "a [DONE] after the end": (sse(CREATED, *answer("雪", "夜"), END, done=True), "", "雪夜", "none"),
    "no last blank line": (sse(CREATED, *answer("c"), END).rstrip(b"\n"), "", "c", "none"),
    "CRLF and comments": (
        b": ping\r\n\r\n" + sse(CREATED, *answer("c"), END).replace(b"\n", b"\r\n"), "", "c", "none",
    ),
    "tools of the server in between": (
        sse(CREATED, item_added({"type": "web_search_call", "id": "ws"}), event("web_search_call.searching"),
            item_done({"type": "web_search_call", "id": "ws", "action": {"query": "q"}}), *answer("c", item=1), END),
        "", "c", "none",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("name", SAMPLES)
def test_reasoning_and_answer_are_found_and_given_once(name: str, slice: int | None) -> None:
    body, thinking, said, trace = SAMPLES[name]
    found = Read(body, slice)
    assert found.error is None
    assert (found.cell.thinking, found.cell.answer, found.cell.trace) == (thinking, said, trace)
    assert (found.cell.complete, found.cell.finish_reason) == (True, "completed")


def test_the_events_come_in_the_order_of_the_stream() -> None:
    queued = {"type": "response.queued", "response": response("queued")}
    body = sse(CREATED, queued, WAITING, *summary("s"), *answer("a", item=1), ended(usage=USAGE))
    kinds = [type(event) for event in Read(body).events]
    assert kinds[:7] == [Accepted, Served, Waiting, Waiting, Thinking, Answer, Usage] and len(kinds) == 8
    assert Read(body).of(Waiting) == [Waiting("queued"), Waiting("in_progress")]
    assert Read(body).of(Served) == [Served("m-2026")]


def test_the_fixtures_have_the_shape_of_openais_own_types() -> None:
    responses = pytest.importorskip("openai.types.responses", reason="OpenAI's package is not installed")
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(responses.ResponseStreamEvent)
    known = [
        CREATED, WAITING, END, *summary("a"), *raw("a"), *answer("a"), part_added(), item_done(reasoning("a")),
        item_done(message("a")), item_added(reasoning(encrypted="x")), event("refusal.delta", delta="n"),
        event("refusal.done", refusal="n"), ended("failed", error={"code": "server_error", "message": "x"}),
        event("reasoning_summary_text.done", text="a"), event("output_text.done", text="a", logprobs=[]),
        event("content_part.done", part={"type": "output_text", "text": "a", "annotations": []}),
        ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        {"type": "error", "code": "x", "message": "y", "param": None},
    ]  # fmt: skip
    for one in known:
        assert adapter.validate_python({**one, "sequence_number": 1}).type == one["type"]


# -- encrypted reasoning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slice", SLICES)
def test_encrypted_reasoning_is_kept_with_its_item(slice: int | None) -> None:
    body = sse(
        CREATED, item_added(reasoning(encrypted="gAAA-unfinished")), *summary("a"),
        item_done(reasoning("a", encrypted="gAAA-whole")), *answer("c", item=1),
        ended("completed", reasoning("a", encrypted="gAAA-again"), message("c", item=1)),
    )  # fmt: skip
    found = Read(body, slice)
    assert found.of(Opaque) == [Opaque("encrypted", "gAAA-whole", "i0")]
    assert found.of(Withheld) == [] and found.cell.trace == "summary"


@pytest.mark.parametrize("slice", SLICES)
def test_encrypted_reasoning_without_a_summary_is_withheld(slice: int | None) -> None:
    body = sse(
        CREATED, item_done(reasoning(encrypted="g1", item=0)), item_done(reasoning(encrypted="g2", item=1), 1),
        *answer("c", item=2), END,
    )  # fmt: skip
    found = Read(body, slice)
    kinds = [type(event).__name__ for event in found.events]
    assert kinds == ["Accepted", "Served", "Opaque", "Opaque", "Withheld", "Answer", "Finished"]
    assert found.of(Withheld) == [Withheld("encrypted")] and found.cell.trace == "withheld"


def test_one_summary_among_several_items_is_enough_for_a_trace() -> None:
    body = sse(item_done(reasoning(encrypted="g1")), item_done(reasoning("s", encrypted="g2", item=1), 1),
               *answer("c", item=2), END)  # fmt: skip
    found = Read(body)
    assert found.of(Withheld) == [] and (found.cell.thinking, found.cell.trace) == ("s", "summary")


def test_encrypted_reasoning_that_comes_only_in_the_end_or_before_a_cut() -> None:
    late = Read(sse(*answer("c", item=1), ended("completed", reasoning(encrypted="g"), message("c", item=1))))
    assert late.of(Opaque) == [Opaque("encrypted", "g", "i0")] and late.cell.trace == "withheld"
    body = sse(CREATED, item_done(reasoning(encrypted="g")), 'data: {"type":"resp').rstrip()
    cut = Read(body)
    assert (cut.cell.trace, cut.cell.state) == ("withheld", "incomplete")


def test_other_kinds_of_items_are_no_reasoning() -> None:
    found = Read(sse(item_done({"type": "compaction", "id": "x", "encrypted_content": "g"}), *answer("c"), END))
    assert found.of(Opaque, Withheld) == []


# -- usage and ends ----------------------------------------------------------------------------------------------


def test_usage_stands_in_the_whole_response() -> None:
    block = {**USAGE, "cost": 0.25}
    cell = Read(sse(CREATED, *answer("c"), ended(usage=block))).cell
    assert cell.usage == Usage(5, 7, 4, 2, 7, 0.25, raw=block)
    assert Read(sse(CREATED, *answer("c"), END)).cell.usage is None


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ({}, Usage()),
        ({"input_tokens": 5, "output_tokens": 7}, Usage(5, 7, billed=7)),
        ({"input_tokens": 5, "output_tokens": 7, "total_tokens": 20}, Usage(5, 7, billed=15)),  # thinking left out
        ({"input_tokens": 50, "output_tokens": 7, "total_tokens": 20}, Usage(50, 7, billed=7)),
        ({"input_tokens": -1, "output_tokens": "7", "total_tokens": True, "cost": 1e12}, Usage()),
        ({"input_tokens_details": 3, "output_tokens_details": [1], "output_tokens": 2}, Usage(None, 2, billed=2)),
    ],
)
def test_usage_is_read_without_trust(block: dict[str, Any], wanted: Usage) -> None:
    found = usages.responses(block)
    assert found.raw == block
    assert (found.input, found.output, found.thinking, found.cached, found.billed, found.cost) == (
        wanted.input, wanted.output, wanted.thinking, wanted.cached, wanted.billed, wanted.cost,
    )  # fmt: skip


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(
    ("last", "reason", "complete"),
    [
        (END, "completed", True),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), "max_output_tokens", True),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", True),
        (ended("incomplete"), "incomplete", False),
        (ended("cancelled"), "cancelled", False),
        ({"type": "response.completed"}, "completed", True),
        ("data: [DONE]", None, False),
        (WAITING, None, False),
    ],
)
def test_the_end_is_in_the_vendors_own_word(
    last: dict[str, Any] | str, reason: str | None, complete: bool, slice: int | None
) -> None:
    found = Read(sse(CREATED, *answer("c"), last), slice)
    assert found.error is None
    assert (found.cell.answer, found.cell.finish_reason, found.cell.complete) == ("c", reason, complete)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("short", range(1, 9))
def test_a_stream_without_its_end_is_not_complete(cut: bool, short: int) -> None:
    last = json.dumps(answer("雪夜")[0], ensure_ascii=False).encode()
    body = sse(CREATED, *answer("千山", "鸟飞绝")) + b"data: " + last[: last.index("雪".encode()) + short]
    found = Read(body, cut_after=len(body) if cut else None)
    assert found.error is None and found.cell.answer == "千山鸟飞绝"
    assert (found.cell.complete, found.cell.finish_reason, found.cell.state) == (False, None, "incomplete")


def test_a_stream_that_breaks_before_the_first_word_may_be_tried_again() -> None:
    body = sse(CREATED, WAITING)
    found = Read(body, cut_after=len(body))
    assert found.error is not None and found.error.fault.retryable and found.error.fault.kind == "connection"


@pytest.mark.parametrize("indent", [None, 2])
def test_a_server_that_does_not_stream_is_read_whole(indent: int | None) -> None:
    whole = response("completed", reasoning("a", "b", encrypted="g"), message("c"), usage=USAGE)
    found = Read(json.dumps(whole, indent=indent).encode(), headers=JSON)
    assert found.error is None
    assert (found.cell.thinking, found.cell.answer, found.cell.finish_reason) == ("a\n\nb", "c", "completed")
    assert found.of(Served, Opaque) == [Served("m-2026"), Opaque("encrypted", "g", "i0")]
    assert found.cell.usage is not None and found.cell.usage.output == 7 and found.cell.complete


def test_a_whole_response_that_failed_or_never_ran() -> None:
    failed = Read(json.dumps(response("failed", error={"code": "server_error", "message": "x"})).encode(), headers=JSON)
    assert failed.error is not None and failed.error.fault.message == "x" and failed.error.reason == "failed"
    queued = Read(json.dumps(response("queued")).encode(), headers=JSON)
    assert queued.error is None and (queued.cell.complete, queued.cell.finish_reason) == (False, None)
    bare = Read(b'{"error": {"message": "no such thing", "code": 400}}', headers=JSON)
    assert bare.error is not None and bare.error.fault.message == "no such thing"


# -- errors ------------------------------------------------------------------------------------------------------

FAILED = "data: " + json.dumps({"type": "response.failed", "response": {"status": "failed"}})


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(
    ("last", "kind", "retryable", "said", "reason"),
    [
        (ended("failed", error={"code": "server_error", "message": "engine died"}), "server", True, "engine died",
         "failed"),
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "slower"}), "rate_limit", True, "slower",
         "failed"),
        (ended("failed", error={"code": "invalid_prompt", "message": "a bad prompt"}), "bad_request", False,
         "a bad prompt", "failed"),
        (ended("failed", error={"code": "insufficient_quota", "message": "pay"}), "no_credit", False, "pay", "failed"),
        (FAILED, "server", True, "does not say why", "failed"),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "slower", "param": None}, "rate_limit", True,
         "slower", None),
        ({"type": "error", "error": {"type": "invalid_request_error", "code": "context_length_exceeded",
                                     "message": "too long", "param": "input"}}, "context_overflow", False, "too long",
         None),
        ('data: {"error": {"message": "engine died", "code": 500}}', "server", True, "engine died", None),
        ('data: {"error": "engine died"}', "server", True, "engine died", None),
        ('data: {"type": "error"}', "server", True, "without a word", None),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_keeps_what_came_before(
    last: dict[str, Any] | str, kind: str, retryable: bool, said: str, reason: str | None, slice: int | None
) -> None:
    found = Read(sse(CREATED, *answer("There"), last, *answer(" more"), END, done=True), slice)
    assert found.cell.answer == "There" and found.error is not None
    fault = found.error.fault
    assert (fault.kind, fault.retryable, found.error.reason) == (kind, retryable, reason)
    assert said in fault.message and fault.hint and "\n" not in found.error.message


def test_the_codes_of_a_stream_are_kept_and_its_status_is_not_invented() -> None:
    found = Read(sse(CREATED, ended("failed", error={"code": "rate_limit_exceeded", "message": "slower"})))
    assert found.error is not None
    assert (found.error.fault.code, found.error.fault.status) == ("rate_limit_exceeded", None)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><title>Welcome</title></html>", {"content-type": "text/html"}),
        (b"data: hello\n\n", {"content-type": "text/event-stream"}),
        (b"[1, 2]", {"content-type": "application/json"}),
        (b"", {"content-type": "text/event-stream"}),
        (b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n', {"content-type": "text/event-stream"}),
    ],
)
def test_an_address_that_does_not_speak_this_says_so(body: bytes, headers: dict[str, str]) -> None:
    found = Read(body, headers=headers)
    assert found.error is not None and found.error.fault.kind == "not_an_api"
    assert "base URL" in found.error.hint and "\n" not in found.error.message


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(
    "body",
    [
        sse(ended("failed", error={"code": "server_error", "message": f"Bearer {KEY} died", "param": KEY})),
        sse({"type": "error", "code": KEY, "message": f"{KEY} is wrong", "param": KEY}),
        b"data: not json " + KEY.encode() + b"\n\n",
        b'data: {"hello": "' + KEY.encode() + b'"}\n\n',
    ],
)
def test_a_key_that_is_echoed_is_masked(body: bytes, slice: int | None) -> None:
    found = Read(body, slice)
    assert found.error is not None and KEY not in repr(found.error.fault) + found.error.message


def _error_bodies() -> list[Any]:
    index = SHARED / "sse_samples" / "error_bodies.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no error bodies beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(e, id=f"{n}-{e['kind']}") for n, e in enumerate(entries) if e["vendor"] == "openai"]


@pytest.mark.parametrize("entry", _error_bodies())
def test_refused_requests(entry: dict[str, Any]) -> None:
    found = Read(json.dumps(entry["body"]).encode(), status=entry["status"], headers={**JSON, **entry["headers"]})
    assert found.error is not None
    fault = found.error.fault
    assert (fault.kind, fault.retryable, fault.status) == (entry["kind"], entry["retry"], entry["status"])
    assert fault.param == entry.get("param", fault.param) and found.events == []


# -- what is sent ------------------------------------------------------------------------------------------------

TABLE: dict[str, tuple[Value, dict[str, Value]]] = {  # what is asked, and its piece of the body
    "temperature": (0.7, {"temperature": 0.7}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, {"top_k": 40}),
    "min_p": (0.05, {"min_p": 0.05}),
    "presence_penalty": (-0.5, {"presence_penalty": -0.5}),
    "frequency_penalty": (0.5, {"frequency_penalty": 0.5}),
    "repeat_penalty": (1.1, {"repeat_penalty": 1.1}),
    "seed": (7, {"seed": 7}),
    "max_tokens": (300, {"max_output_tokens": 300}),
    "stop": (["END", "终"], {"stop": ["END", "终"]}),
    "effort": ("high", {"reasoning": {"effort": "high"}}),
    "thinking_budget": (2048, {"thinking_budget": 2048}),
    "schema": (
        {"type": "object"},
        {"text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}}},
    ),
    "top_logprobs": (
        5,
        {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "top_logprobs": 5},
    ),
}
BARE: dict[str, Value] = {
    "model": "m", "input": [{"role": "user", "content": "hi"}], "stream": True, "store": False,
    "include": ["reasoning.encrypted_content"],
}  # fmt: skip


def sent(
    request: Request, dialect: Dialect | None = None, judge: Judge = as_asked, key: str | None = KEY
) -> tuple[dict[str, Any], dict[str, str], str]:
    """The body, the headers and the path of a request as the server got it."""

    async def go() -> tuple[dict[str, Any], dict[str, str], str]:
        pool = Pool()
        async with Replay(sse(CREATED, *answer("c"), END)) as server:
            provider = Direct("vendor", server.url + "/v1", pool, dialect or OpenAIResponses(), key=key, judge=judge)
            async with aclosing(provider.stream(request)) as stream:
                async for _ in stream:
                    pass
            await pool.aclose()
            (got,) = server.requests
            assert provider.wire(request).encode() == got.body  # known to the byte before it is sent
            return json.loads(got.body), got.headers, got.path

    return asyncio.run(go())


def test_the_table_has_every_parameter() -> None:
    assert set(TABLE) == set(PARAMETERS)


@pytest.mark.parametrize("name", TABLE)
def test_every_parameter_goes_out_as_the_table_says(name: str) -> None:
    value, piece = TABLE[name]
    body, _, _ = sent(Request("m", ASK.messages, {name: value}))
    assert body == {**BARE, **piece}


def test_all_parameters_at_once_and_none() -> None:
    asked = {name: value for name, (value, _) in TABLE.items()}
    body, headers, path = sent(Request("m", ASK.messages, asked))
    pieces = {key: value for _, piece in TABLE.values() for key, value in piece.items()}
    assert body == {**BARE, **pieces}
    assert (headers["authorization"], path) == (f"Bearer {KEY}", "/v1/responses")
    assert sent(ASK)[0] == BARE
    assert sent(ASK, key=None)[1]["authorization"] == "Bearer none"  # never nothing: no library's other key instead


def test_fragments_meet_in_the_body() -> None:
    def wants_summary(request: Request) -> Judged:
        judged = as_asked(request)
        return Judged(judged.send, {"reasoning": {"summary": "auto"}}, judged.sent, judged.verdicts, "on")

    body, _, _ = sent(Request("m", ASK.messages, {"effort": "low", "body.user": "u"}), judge=wants_summary)
    assert body == {**BARE, "reasoning": {"effort": "low", "summary": "auto"}, "user": "u"}


def test_messages_keep_their_order_and_their_roles() -> None:
    messages = (
        Message("system", "甲"), Message("developer", "乙"), Message("user", "q"), Message("assistant", "a"),
        Message("system", "丙"), Message("user", "q2"),
    )  # fmt: skip
    body, _, _ = sent(Request("m", messages))
    assert body["input"] == [{"role": m.role, "content": m.text} for m in messages] and "instructions" not in body


def test_encrypted_reasoning_is_not_asked_of_a_model_that_does_not_reason() -> None:
    def never(request: Request) -> Judged:
        judged = as_asked(request)
        return Judged(judged.send, {}, judged.sent, judged.verdicts, "off")

    assert "include" not in sent(ASK, judge=never)[0]
    assert "include" not in sent(ASK, OpenAIResponses(encrypted=False))[0]
    assert sent(Request("m", ASK.messages, {"body.include": None}))[0]["include"] is None  # the way out for a user


def test_an_endpoint_may_rename_and_blame() -> None:
    dialect = OpenAIResponses(wire_names={"max_tokens": "max_tokens"})
    assert sent(Request("m", ASK.messages, {"max_tokens": 5}), dialect)[0] == {**BARE, "max_tokens": 5}
    asked: dict[str, Value] = {"effort": "high", "max_tokens": 5, "temperature": 1.0}
    wire = Direct("v", "http://127.0.0.1:9/v1", Pool(), OpenAIResponses()).wire(Request("m", ASK.messages, asked))
    blamed = [wire.blamed(param, "") for param in ("reasoning.effort", "max_output_tokens", "temperature", "input")]
    assert blamed == ["effort", "max_tokens", "temperature", None]


# -- hostile streams ---------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6)
NAMES = st.sampled_from(
    ["type", "delta", "text", "part", "item", "response", "output", "content", "summary", "encrypted_content", "error",
     "code", "message", "usage", "status", "model", "id", "output_index", "content_index", "summary_index", "item_id",
     "incomplete_details", "reason", "refusal", "object", "input_tokens", "total_tokens", "output_tokens_details"]
)  # fmt: skip
KINDS = st.sampled_from(
    ["response.created", "response.queued", "response.output_text.delta", "response.output_text.done",
     "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done", "response.reasoning_text.delta",
     "response.reasoning_summary_part.added", "response.reasoning_summary_part.done", "response.content_part.done",
     "response.output_item.added", "response.output_item.done", "response.refusal.delta", "response.completed",
     "response.incomplete", "response.failed", "error", "keepalive", "reasoning", "message", "output_text", "response",
     "summary_text", "response.", ".", "response.output_text.x"]
)  # fmt: skip
SHAPES = st.recursive(
    SCALARS | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=24,
)
EVENTS = st.dictionaries(NAMES, SHAPES, max_size=8) | st.builds(
    lambda kind, rest: {**rest, "type": kind}, KINDS, st.dictionaries(NAMES, SHAPES, max_size=8)
)


def drain(fold: Fold, parts: list[bytes], rest: bytes = b"") -> list[Event]:
    """What a fold gives, to its end or to its error; nothing else may be raised."""
    events: list[Event] = []
    with suppress(ProviderError):
        for part in parts:
            events += fold.take(part)
        events += fold.end(rest, "http://127.0.0.1")
    return events


@settings(max_examples=120, deadline=None)
@given(st.lists(EVENTS | SHAPES, max_size=8), EVENTS | SHAPES)
def test_no_shape_of_json_breaks_the_reader(shapes: list[Any], rest: Any) -> None:
    fold = ResponseFold(Call("vendor", "m", KEY))
    events = drain(fold, [json.dumps(shape).encode() for shape in shapes], json.dumps(rest).encode())
    for found in events:
        json.dumps(pack(Stamped(0, 0.0, found)))  # the store can hold it
        if isinstance(found, (Answer, Thinking)):
            assert found.text and found.text.encode("utf-8")  # no lone surrogate


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=40))
def test_no_bytes_break_the_reader(parts: list[bytes], rest: bytes) -> None:
    drain(ResponseFold(Call("vendor", "m")), parts, rest)


@pytest.mark.parametrize("depth", [9, 90, 900, 9000, 200_000])
def test_deep_nesting_is_refused_or_left_out(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for template in ('{"type":"error","error":{"message":%s}}', '{"type":"error","message":%s}',
                     '{"type":"response.completed","response":{"usage":{"input_tokens":1,"x":%s},"output":%s}}',
                     '{"type":"response.output_text.delta","delta":%s}'):  # fmt: skip
        fold = ResponseFold(Call("vendor", "m"))
        for found in drain(fold, [template.replace("%s", deep).encode()]):
            json.dumps(pack(Stamped(0, 0.0, found)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), min_size=1, max_size=6),
       st.integers(0, 3))  # fmt: skip
def test_an_answer_is_given_once_however_often_it_comes(pieces: list[str], levels: int) -> None:
    whole = "".join(pieces)
    again = [event("output_text.done", text=whole),
             event("content_part.done", part={"type": "output_text", "text": whole}),
             item_done(message(whole)), ended("completed", message(whole))]  # fmt: skip
    for stream in ([*answer(*pieces), *again], again[levels:]):
        fold = ResponseFold(Call("vendor", "m"), "off")
        found = drain(fold, [json.dumps(one).encode() for one in stream])
        assert "".join(e.text for e in found if isinstance(e, Answer)) == whole


# -- the samples -------------------------------------------------------------------------------------------------


def _samples() -> list[Any]:
    index = SHARED / "sse_samples" / "expected.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no stream samples beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(entry, id=entry["file"]) for entry in entries if entry["dialect"] == "openai-responses"]


@pytest.mark.parametrize("slice", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize("entry", _samples())
def test_stream_samples(entry: dict[str, Any], slice: int | None) -> None:
    found = Read((SHARED / "sse_samples" / entry["file"]).read_bytes(), slice)
    cell, wanted = found.cell, entry["usage"]
    assert found.error is None
    assert (cell.thinking, cell.answer, cell.trace) == (entry["thinking"], entry["answer"], entry["trace"])
    assert (cell.finish_reason, cell.complete) == (entry["finish"], entry["complete"])
    assert cell.usage is not None
    assert (cell.usage.input, cell.usage.output, cell.usage.billed, cell.usage.thinking, cell.usage.cached) == (
        wanted["prompt"], wanted["completion"], wanted["billed_output"], wanted["reasoning"], wanted["cached"],
    )  # fmt: skip
