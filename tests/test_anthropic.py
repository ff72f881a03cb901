"""The dialect of Anthropic messages over real HTTP, spoken directly and through litellm: one fold, the same events."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import aclosing, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import Fault, ProviderError
from promptlab.events import (
    Accepted,
    Answer,
    Event,
    Finished,
    Opaque,
    Served,
    Stamped,
    Thinking,
    Usage,
    Waiting,
    Withheld,
    pack,
)
from promptlab.knowledge import Effort, Facts, Family, Judge, as_asked, judge
from promptlab.params import PARAMETERS, Value
from promptlab.providers import Provider
from promptlab.providers import usage as usages
from promptlab.providers.anthropic import Anthropic
from promptlab.providers.anthropic_stream import AnthropicFold
from promptlab.providers.direct import Call, Dialect, Direct, Fold
from promptlab.providers.http import Pool
from promptlab.providers.litellm_reader import WireReader
from promptlab.providers.litellm_road import LiteLLMRoad
from promptlab.request import Message, Request, Verdict
from tests.replay import JSON, Replay

SHARED = Path(__file__).resolve().parents[2] / "shared"
SLICES = (1, 7, None)
KEY = "sk-ant-planted-Qm7xZ2vLr9"
MODEL = "claude-sonnet-4-5"
ALIKE = (Served, Thinking, Withheld, Opaque, Answer, Usage, Finished)
HELLO = (Message("user", "hi"),)

STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "claude-x-1", "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Größer als "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "😊?"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "Cg=="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "EmwK"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "Ja: 思考 "}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "[DONE]."}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop"},
]
COUNTS = Usage(9, 12, None, None, 12, raw={"input_tokens": 9, "output_tokens": 12})
TOLD: list[Event] = [
    Served("claude-x-1"), Waiting("ping"), Thinking("Größer als ", "summary"), Thinking("😊?", "summary"),
    Opaque("signature", "EqQBCg=="), Withheld("redacted"), Opaque("redacted", "EmwK"), Answer("Ja: 思考 "),
    Answer("[DONE]."), COUNTS, Finished("max_tokens", complete=True),
]  # fmt: skip


def sse(*messages: Any, named: bool = True) -> bytes:
    def one(message: Any) -> str:
        head = f"event: {message['type']}\n" if named else ""
        return f"{head}data: {json.dumps(message)}\n\n"

    return "".join(map(one, messages)).encode()


async def collect(provider: Provider, request: Request) -> tuple[list[Event], ProviderError | None]:
    """All events of one request, and the error that ended it, if one did."""
    events: list[Event] = []
    try:
        async with aclosing(provider.stream(request)) as stream:
            async for event in stream:
                events.append(event)
    except ProviderError as error:
        return events, error
    finally:
        await provider.aclose()
    return events, None


def speak(
    dialect: Dialect, server: Replay, request: Request, *, key: str | None = KEY, decide: Judge = as_asked,
    below: str = "",
) -> tuple[list[Event], ProviderError | None]:  # fmt: skip
    """One request in a dialect, spoken directly."""

    async def main() -> tuple[list[Event], ProviderError | None]:
        async with server, asyncio.timeout(20):
            pool = Pool()
            try:
                url = server.url + below
                return await collect(Direct("vendor", url, pool, dialect, key=key, judge=decide), request)
            finally:
                await pool.aclose()

    return asyncio.run(main())


def through_litellm(prefix: str, server: Replay, request: Request) -> tuple[list[Event], ProviderError | None]:
    async def main() -> tuple[list[Event], ProviderError | None]:
        async with server, asyncio.timeout(60):
            return await collect(LiteLLMRoad(prefix, prefix, base_url=server.url, key=KEY), request)

    return asyncio.run(main())


def read(body: bytes, slice: int | None = None, model: str = MODEL, **reply: Any) -> tuple[list[Event], Fault | None]:
    events, error = speak(Anthropic(), Replay(body, slice=slice, **reply), Request(model, HELLO))
    return events, error.fault if error else None


def joined(events: list[Event], kind: type[Thinking] | type[Answer]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def alike(events: list[Event]) -> list[Event]:
    """The events that do not depend on the road."""
    return [event for event in events if isinstance(event, ALIKE)]


def body_of(dialect: Dialect, parameters: dict[str, Value], decide: Judge = as_asked) -> dict[str, Any]:
    """The body that goes out for parameters, as it reaches a server."""
    server = Replay(b"{}", headers=JSON)
    speak(dialect, server, Request("m", HELLO, parameters), decide=decide)
    (sent,) = server.requests
    found: dict[str, Any] = json.loads(sent.body)
    return found


# ---- what comes back


@pytest.mark.parametrize("slice", SLICES)
def test_a_stream(slice: int | None) -> None:
    headers = {"content-type": "text/event-stream", "request-id": "req_7"}
    events, fault = read(sse(*STREAM), slice, headers=headers)
    assert fault is None
    assert events == [Accepted(200, "req_7"), *TOLD]


@pytest.mark.parametrize("slice", SLICES)
def test_litellm_gives_the_same_events(slice: int | None) -> None:
    events, error = through_litellm("anthropic", Replay(sse(*STREAM), slice=slice), Request(MODEL, HELLO))
    assert error is None
    assert alike(events) == alike(TOLD)


def recordings(dialect: str) -> list[Any]:
    index = SHARED / "recordings" / "index.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recordings beside this checkout"))]
    entries = json.loads(index.read_text("utf-8")).items()
    return [pytest.param(e, id=name) for name, e in entries if (e["dialect"], e["status"]) == (dialect, 200)]


def samples(dialect: str) -> list[Any]:
    index = SHARED / "sse_samples" / "expected.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no stream samples beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(e, id=e["file"]) for e in entries if e["dialect"] == dialect]


def refusals(vendor: str) -> list[Any]:
    index = SHARED / "sse_samples" / "error_bodies.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no error bodies beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(e, id=f"{e['status']}-{n}") for n, e in enumerate(entries) if e["vendor"] == vendor]


def check_recording(entry: dict[str, Any], events: list[Event]) -> None:
    expected = entry["expected"]
    for kind, name in ((Thinking, "thinking"), (Answer, "answer")):
        said = joined(events, kind).strip()
        assert len(said) == expected[f"{name}_chars"]
        assert hashlib.sha256(said.encode()).hexdigest() == expected[f"{name}_sha256"]
    (counts,) = [event for event in events if isinstance(event, Usage)]
    assert counts.raw == expected["usage"]
    assert events[-1] == Finished(expected["finish_reason"], complete=True)
    assert {event.kind for event in events if isinstance(event, Thinking)} <= {"summary"}


def check_sample(entry: dict[str, Any], events: list[Event], error: ProviderError | None) -> None:
    assert joined(events, Thinking).strip() == entry["thinking"].strip()
    assert joined(events, Answer).strip() == entry["answer"].strip()
    (counts,) = [event for event in events if isinstance(event, Usage)]
    wanted = entry["usage"]
    assert (counts.input, counts.output, counts.thinking, counts.cached, counts.billed) == tuple(
        wanted[name] for name in ("prompt", "completion", "reasoning", "cached", "billed_output")
    )
    if entry["error"]:
        assert error is not None and (error.fault.code, error.fault.message) == tuple(entry["error"].values())
        assert error.fault.kind == "overloaded" and error.fault.retryable and error.fault.status is None
        assert not any(isinstance(event, Finished) for event in events)
    else:
        assert error is None
        assert events[-1] == Finished(entry["finish"], entry["complete"])


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("entry", recordings("anthropic"))
def test_recorded_streams_by_both_roads(entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "recordings" / entry["file"]).read_bytes()
    ask = Request(entry["request"]["model"], HELLO)
    directly, error = speak(Anthropic(), Replay(body, slice=slice), ask)
    assert error is None
    check_recording(entry, directly)
    (signature,) = [event for event in directly if isinstance(event, Opaque)]
    assert signature.kind == "signature" and f'"{signature.text}"'.encode() in body
    assert alike(through_litellm("anthropic", Replay(body, slice=slice), ask)[0]) == alike(directly)


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("entry", samples("anthropic"))
def test_stream_samples_by_both_roads(entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "sse_samples" / entry["file"]).read_bytes()
    events, error = speak(Anthropic(), Replay(body, slice=slice), Request(MODEL, HELLO))
    check_sample(entry, events, error)
    withheld = [event.reason for event in events if isinstance(event, Withheld)]
    assert withheld == (["omitted", "redacted"] if "omitted" in entry["trace"] else [])
    kept = {event.text for event in events if isinstance(event, Opaque)}
    assert kept == set(re.findall(r'"(?:signature|data)":"([^"]+)"', body.decode()))
    assert alike(through_litellm("anthropic", Replay(body, slice=slice), Request(MODEL, HELLO))[0]) == alike(events)


def test_thinking_that_the_vendor_omits() -> None:
    def block(index: int, *deltas: dict[str, Any], **start: Any) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": {"type": "thinking", **start}},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    signed = {"type": "signature_delta", "signature": "Eo4B"}
    omitted: list[Event] = [Withheld("omitted"), Opaque("signature", "Eo4B")]
    for messages, told in [
        (block(0, signed), omitted),
        (block(0, thinking="", signature="Eo4B"), omitted),
        (block(0), []),  # nothing said, nothing signed
        (block(0, {"type": "thinking_delta", "thinking": "a"}, signed), [Thinking("a", "summary"), omitted[1]]),
        (block(0, signed)[:-1], omitted),  # message_stop ends every block
    ]:
        events, _ = read(sse(STREAM[0], *messages, *STREAM[-2:]))
        assert alike(events)[1:-2] == told


@pytest.mark.parametrize(
    ("asked", "served", "kind"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "summary"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219", "raw"),
        ("anthropic/claude-3.7-sonnet", None, "raw"),
        ("claude-opus-5", None, "summary"),
        ("claude-opus-5", "upstream-a", "summary"),
        ("fast", "Claude-Opus-5", "summary"),
        ("deepseek-v4-pro", "deepseek-v4-pro", "raw"),
    ],
)
def test_what_kind_of_thinking_a_model_shows(asked: str, served: str | None, kind: str) -> None:
    body = sse({"type": "message_start", "message": {"model": served}}, *STREAM[1:])
    events, _ = read(body, model=asked)
    assert {event.kind for event in events if isinstance(event, Thinking)} == {kind}


def test_blocks_that_are_no_answer_are_left_alone() -> None:
    odd: list[dict[str, Any]] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "text": "no"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "no"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "later_delta", "text": "no"}},
        {"type": "content_block_later", "index": 2, "delta": {"text": "no"}},
        {"type": "later"},
    ]
    events, fault = read(sse(STREAM[0], *odd, *STREAM[10:]))
    assert fault is None
    assert joined(events, Answer) == "Ja: 思考 [DONE]." and events[-1] == Finished("max_tokens", complete=True)


@pytest.mark.parametrize("slice", SLICES)
def test_missing_places_and_nulls(slice: int | None) -> None:
    bare = deepcopy(STREAM)
    for message in bare:
        message.pop("index", None)
    bare[0]["message"]["usage"] |= {"cache_read_input_tokens": None}
    bare[-2]["usage"] |= {"input_tokens": None}
    bare[-2]["delta"]["stop_sequence"] = None
    events, fault = read(sse(*bare, named=False), slice)
    assert fault is None
    told = [event for event in alike(events) if not isinstance(event, Usage)]
    assert told == [event for event in alike(TOLD) if not isinstance(event, Usage)]
    (counts,) = [event for event in events if isinstance(event, Usage)]
    assert (counts.input, counts.output, counts.cached) == (9, 12, None)


def test_a_character_split_over_two_deltas_is_whole_again() -> None:
    def words(*pieces: str) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in pieces
        ]

    events, _ = read(sse(STREAM[0], *words("a\ud83d", "\ude00b", "\ude00", "\ud83d", "c"), *STREAM[-2:]))
    assert joined(events, Answer) == "a😀b\ufffd\ufffdc"


def test_an_answer_that_is_not_streamed_is_read_whole() -> None:
    body: dict[str, Any] = {
        "type": "message", "model": "claude-x-1", "stop_reason": "end_turn",
        "content": [{"type": "thinking", "thinking": "a", "signature": "S"}, {"type": "text", "text": "c"}],
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }  # fmt: skip
    events, fault = read(json.dumps(body).encode(), headers=JSON)
    assert fault is None
    assert alike(events) == [
        Served("claude-x-1"), Thinking("a", "summary"), Opaque("signature", "S"), Answer("c"),
        Usage(3, 2, None, None, 2, raw=body["usage"]), Finished("end_turn", complete=True),
    ]  # fmt: skip


def test_cached_tokens_are_part_of_the_prompt() -> None:
    raw = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 7, "output_tokens": 2}
    counts = usages.anthropic(raw)
    assert (counts.input, counts.cached, counts.billed) == (112, 100, 2)
    assert usages.anthropic({"cache_read_input_tokens": 100}).input is None


# ---- ends and errors


def test_a_stream_without_its_end_is_not_complete() -> None:
    whole = sse(*STREAM)
    place = whole.index(b"[DONE]")
    for body, cut in ((whole, place), (whole[:place], None)):  # the connection broken, and closed in order
        events, fault = read(body, cut_after=cut)
        assert fault is None
        assert joined(events, Answer) == "Ja: 思考 " and events[-1] == Finished(None, complete=False)
    events, _ = read(sse(*STREAM[:-1]))
    assert events[-1] == Finished("max_tokens", complete=False)
    events, _ = read(sse(*STREAM[:-1]) + b"data: [DONE]\n\n")
    assert events[-1] == Finished("max_tokens", complete=False)  # a gateway's end is not Anthropic's


def test_nothing_is_waited_for_after_the_end() -> None:
    events, fault = read(sse(*STREAM), hold=True)
    assert fault is None and events[-1] == Finished("max_tokens", complete=True)


def test_a_stream_that_breaks_before_the_first_word_may_be_tried_again() -> None:
    body = sse(*STREAM)
    _, fault = read(body, cut_after=body.index(b"thinking_delta"))
    assert fault is not None and fault.kind == "connection" and fault.retryable


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "overloaded", True),
        ({"type": "rate_limit_error", "message": "slow down"}, "rate_limit", True),
        ({"type": "api_error", "message": "Internal server error"}, "server", True),
        ({"type": "authentication_error", "message": f"invalid x-api-key {KEY}"}, "auth", False),
        ({"type": "billing_error", "message": "pay"}, "no_credit", False),
        ({"type": "invalid_request_error", "message": "`top_k` is not supported"}, "param_rejected", False),
        ({"type": "new_error", "message": f"? {KEY}"}, "server", True),
        (f"a bare text {KEY}", "server", True),
        (None, "server", True),
    ],
)
@pytest.mark.parametrize("slice", SLICES)
def test_an_error_in_the_stream_keeps_what_came_before(
    error: Any, kind: str, retryable: bool, slice: int | None
) -> None:
    body = sse(*STREAM[:12], {"type": "error", "error": error}, *STREAM[12:])
    events, fault = read(body, slice)
    assert joined(events, Thinking) == "Größer als 😊?" and joined(events, Answer) == "Ja: 思考 "
    assert any(isinstance(event, Usage) for event in events)
    assert not any(isinstance(event, Finished) for event in events)
    assert fault is not None and (fault.kind, fault.retryable, fault.status) == (kind, retryable, None)
    assert fault.message and KEY not in repr(fault)


@pytest.mark.parametrize("entry", refusals("anthropic"))
def test_refusals(entry: dict[str, Any]) -> None:
    body = json.dumps(entry["body"]).encode()
    events, fault = read(body, status=entry["status"], headers={**JSON, **entry["headers"]})
    assert events == [] and fault is not None
    assert (fault.kind, fault.status, fault.retryable) == (entry["kind"], entry["status"], entry["retry"])
    assert fault.message == entry["body"]["error"]["message"]
    if "param" in entry:
        assert fault.param == entry["param"]
    if "retry-after" in entry["headers"]:
        assert fault.retry_after == float(entry["headers"]["retry-after"])


def test_a_model_that_is_not_there() -> None:
    recorded = SHARED / "recordings" / "error_anthropic_not_found.json"
    said = b'{"type":"error","error":{"type":"not_found_error","message":"model: claude-sonet-4-5"}}'
    said = recorded.read_bytes() if recorded.exists() else said
    _, fault = read(said, status=404, headers=JSON, model="claude-sonet-4-5")
    assert fault is not None and fault.kind == "model_missing" and "claude-sonet-4-5" in fault.hint


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><title>Welcome</title></html>", {"content-type": "text/html"}),
        (b"data: hello\n\n", {"content-type": "text/event-stream"}),
        (b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: {"x":1}\n\n', {"content-type": "text/event-stream"}),
        (b"[1, 2]", {"content-type": "application/json"}),
        (b"{}", {"content-type": "application/json"}),
        (b"", {"content-type": "text/event-stream"}),
    ],
)
def test_an_address_that_does_not_speak_this_says_so(body: bytes, headers: dict[str, str]) -> None:
    events, fault = read(body, headers=headers)
    assert not alike(events)
    assert fault is not None and fault.kind == "not_an_api" and "base URL" in fault.hint and "\n" not in fault.message


# ---- what goes out

FRAME = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
TABLE: dict[str, tuple[Value, dict[str, Any]]] = {  # value asked, and what it is in the body
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, {"top_k": 40}),
    "min_p": (0.1, {"min_p": 0.1}),  # no such field: the vendor says so itself
    "presence_penalty": (1.0, {"presence_penalty": 1.0}),
    "frequency_penalty": (1.0, {"frequency_penalty": 1.0}),
    "repeat_penalty": (1.1, {"repeat_penalty": 1.1}),
    "seed": (7, {"seed": 7}),
    "max_tokens": (100, {"max_tokens": 100}),
    "stop": (["X", "Y"], {"stop_sequences": ["X", "Y"]}),
    "effort": ("high", {"effort": "high"}),
    "thinking_budget": (2048, {"thinking_budget": 2048}),
    "schema": (
        {"type": "object"},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
    ),
    "top_logprobs": (5, {"top_logprobs": 5}),  # no such field: the vendor says so itself
}


def test_the_table_has_every_parameter() -> None:
    assert TABLE.keys() == PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_in_the_body(name: str) -> None:
    value, wanted = TABLE[name]
    assert body_of(Anthropic(), {name: value}) == {"max_tokens": 4096} | FRAME | wanted


def test_all_parameters_at_once_and_nothing_else() -> None:
    asked = {name: value for name, (value, _) in TABLE.items()}
    wanted = {key: value for _, fields in TABLE.values() for key, value in fields.items()}
    assert body_of(Anthropic(), asked) == FRAME | wanted
    assert body_of(Anthropic(), {}) == FRAME | {"max_tokens": 4096}
    assert body_of(Anthropic(wire_names={"seed": "random_seed"}), {"seed": 1})["random_seed"] == 1


def test_a_raw_field_of_the_body() -> None:
    body = body_of(Anthropic(), {"body.metadata": {"user_id": "me"}, "body.max_tokens": 9})
    assert body == FRAME | {"max_tokens": 9, "metadata": {"user_id": "me"}}


def test_messages_and_system() -> None:
    messages = (Message("system", "be short"), Message("user", "一"), Message("assistant", "二"),
                Message("developer", "be kind"), Message("system", ""), Message("user", "三"),
                Message("user", "四"))  # fmt: skip
    body = Anthropic().body(Request("m", messages), as_asked(Request("m", messages)))
    assert body["system"] == "be short\n\nbe kind"
    assert body["messages"] == [
        {"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}, {"role": "user", "content": "三"},
        {"role": "user", "content": "四"},
    ]  # fmt: skip


def fragment(levels: dict[str, Any]) -> Judge:
    """A judge that knows how effort and budget are written at this vendor, and what makes the thinking seen."""
    budget: dict[str, Value] = {"thinking": {"type": "enabled", "budget_tokens": "$"}}
    family = Family(thinks="on request", effort="e", trace={"thinking": {"display": "summarized"}})
    facts = Facts("vendor", "anthropic", "m", family, Effort(levels, budget))
    return lambda request: judge(facts, request)


def limits(most: int | None, decide: Judge = as_asked, **asked: Value) -> tuple[Value, Value, Verdict | None]:
    """max_tokens in the body and in `sent`, and its verdict."""
    named = {name.replace("__", "."): value for name, value in asked.items()}
    dialect = Anthropic(most=(lambda model: most))
    wire = Direct("v", "http://127.0.0.1:9", Pool(), dialect, judge=decide).wire(Request("m", HELLO, named))
    return wire.body.get("max_tokens"), wire.sent.get("max_tokens"), wire.verdicts.get("max_tokens")


def test_a_limit_that_nobody_asked_for_is_sent_and_said() -> None:
    not_asked = Verdict("honoured", "this API wants one")
    decide = fragment({})
    assert limits(None) == (4096, 4096, not_asked)
    assert limits(64000) == (64000, 64000, not_asked)
    assert limits(None, decide, thinking_budget=1024) == (4096, 4096, not_asked)
    assert limits(None, decide, thinking_budget=4096) == (8192, 8192, not_asked)
    assert limits(64000, decide, thinking_budget=32000) == (64000, 64000, not_asked)
    assert limits(None, body__thinking={"type": "enabled", "budget_tokens": 9000})[0] == 13096
    assert limits(None, body__thinking={"budget_tokens": "many"})[0] == 4096
    assert limits(64000, max_tokens=10) == (10, 10, Verdict("unknown"))
    assert limits(64000, body__max_tokens=10) == (10, None, None)


def test_a_refused_limit_is_replaced_and_said() -> None:
    facts = Facts("vendor", "anthropic", "m", Family())
    ask = Request("m", HELLO, {"max_tokens": 10**6}, without=("max_tokens",))
    wire = Direct("v", "http://127.0.0.1:9", Pool(), Anthropic(), judge=lambda r: judge(facts, r)).wire(ask)
    assert (wire.body["max_tokens"], wire.sent["max_tokens"]) == (4096, 4096)
    verdict = wire.verdicts["max_tokens"]
    assert (verdict.word, verdict.left_out) == ("refused", True) and "sent instead" in verdict.note


def test_fragments_of_the_knowledge_are_merged_into_the_body() -> None:
    decide = fragment({"high": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}})
    assert body_of(Anthropic(), {"effort": "high"}, decide) == FRAME | {
        "max_tokens": 4096, "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "high"},
    }  # fmt: skip
    budget = body_of(Anthropic(), {"thinking_budget": 2048}, decide)
    assert budget["thinking"] == {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}


def test_the_key_is_in_its_header_and_nowhere_else() -> None:
    server = Replay(sse(*STREAM))
    request = Request(MODEL, (Message("user", "é 雪 😀"),), {"top_k": 4, "max_tokens": 9})
    events, error = speak(Anthropic(), server, request, below="/proxy")
    (sent,) = server.requests
    assert error is None and sent.path == "/proxy/v1/messages"
    assert (sent.headers["x-api-key"], sent.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in sent.headers
    wire = Direct("vendor", "http://x", Pool(), Anthropic(), key=KEY).wire(request)
    assert sent.body == wire.encode()
    assert KEY not in repr((sent.path, sent.body, events, wire))
    assert Anthropic(version="2026-10-21").headers(None) == {"x-api-key": "none", "anthropic-version": "2026-10-21"}


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b'{"error":{"type":"authentication_error","message":"bad %s"}}', {"status": 401, "headers": JSON}),
        (b'{"error":{"type":"x","message":"bad %s"}}', {"headers": JSON}),
        (b"data: no %s here\n\n", {}),
        (b'{"never": "%s"}', {"headers": JSON}),
        (b"<title>%s</title>", {"headers": {"content-type": "text/html"}}),
        (b"", {"status": 302, "headers": {"location": f"https://elsewhere.example/{KEY}"}}),
    ],
)
def test_a_key_that_the_endpoint_echoes_is_hidden(said: bytes, reply: dict[str, Any]) -> None:
    events, fault = read(said.replace(b"%s", KEY.encode()), **reply)
    assert fault is not None and KEY not in repr((events, fault))


def test_a_redirect_is_not_followed_with_the_key() -> None:
    async def main() -> tuple[ProviderError | None, int]:
        async with Replay(sse(*STREAM)) as other, Replay(
            b"", status=307, headers={"location": f"{other.url}/v1/messages"}
        ) as server:  # fmt: skip
            pool = Pool()
            _, error = await collect(Direct("v", server.url, pool, Anthropic(), key=KEY), Request(MODEL, HELLO))
            await pool.aclose()
            return error, len(other.requests)

    error, requests = asyncio.run(main())
    assert requests == 0 and error is not None and "sends on to" in error.message


def test_leaving_early_closes_the_connection() -> None:
    async def main() -> None:
        async with Replay(sse(*STREAM[:12]), hold=True) as server:
            pool = Pool()
            stream = Direct("v", server.url, pool, Anthropic()).stream(Request(MODEL, HELLO))
            async with aclosing(stream):
                async for event in stream:
                    if isinstance(event, Answer):
                        break
            await asyncio.wait_for(server.disconnected.wait(), 5)
            await pool.aclose()

    asyncio.run(main())


# ---- hostile streams

WORDS = st.sampled_from(["", "a", "雪", "\ud83d", "\ude00", "\x1b[2J", "text", "thinking", "redacted_thinking",
                         "signature_delta", "text_delta", "thinking_delta", "overloaded_error"])  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats(allow_nan=False) | WORDS


def shapes(keys: list[str]) -> st.SearchStrategy[Any]:
    """Random JSON whose names are a vendor's, with values of any type."""
    names = st.sampled_from(keys)
    return st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=20
    )


def names_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in names_in(inner)}
    return {name for inner in value for name in names_in(inner)} if isinstance(value, list) else set()


def damaged(stream: list[dict[str, Any]], more: list[str]) -> st.SearchStrategy[list[Any]]:
    """A good stream with some values replaced by others of any type."""
    keys = sorted(names_in(stream)) + more

    @st.composite
    def draw_one(draw: st.DrawFn) -> list[Any]:
        messages: list[Any] = deepcopy(stream)
        for _ in range(draw(st.integers(1, 5))):
            place: Any = messages
            while True:
                steps = list(place) if isinstance(place, dict) else list(range(len(place)))
                if not steps:
                    break
                step = draw(st.sampled_from(steps))
                if isinstance(place[step], (dict, list)) and place[step] and draw(st.booleans()):
                    place = place[step]
                    continue
                place[step] = draw(shapes(keys))
                break
        return messages

    return draw_one() | st.lists(shapes(keys), max_size=8)


def survive(make: Callable[[], Fold], messages: list[Any], *, whole: bool) -> None:
    """Only a ProviderError may come of it, every event can be kept, and no text holds half a character."""
    fold, events = make(), []
    with suppress(ProviderError):
        for message in messages:
            events += fold.take(json.dumps(message).encode())
        events += fold.end(json.dumps(messages).encode() if whole else b"", "http://127.0.0.1")
    reader = WireReader()
    events += reader.feed(b"".join(b"data: %b\n\n" % json.dumps(message).encode() for message in messages))
    events += reader.close()
    assert reader.is_over in (True, False) and reader.complete in (True, False)
    events += [counts] if (counts := reader.usage()) else []
    for event in events:
        json.dumps(pack(Stamped(0, 0.0, event)))
        if isinstance(event, (Answer, Thinking)):
            assert event.text and event.text.encode()
        if isinstance(event, Finished):
            assert event.reason is None or isinstance(event.reason, str)
        if isinstance(event, Usage):
            assert event.billed is None or event.billed >= 0


def test_an_answer_of_another_kind_of_server_says_where_this_dialect_lives() -> None:
    for data in (b'{"status": "ok"}', b"hello"):
        fold = AnthropicFold(Call("vendor", MODEL, KEY))
        with pytest.raises(ProviderError) as caught:
            fold.end(data, "http://127.0.0.1")
        assert "before /v1/messages" in caught.value.fault.hint


@settings(max_examples=400, deadline=None)
@given(messages=damaged(STREAM, ["error", "code", "output_tokens_details"]), whole=st.booleans())
def test_a_hostile_stream_does_no_harm(messages: list[Any], whole: bool) -> None:
    survive(lambda: AnthropicFold(Call("vendor", MODEL, KEY)), messages, whole=whole)


def test_wrong_types_everywhere_over_http() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    odd = [
        {"type": ["ping"]}, {"type": "message_start", "message": [1]}, {"type": "message_start"},
        {"type": "message_start", "message": {"model": {"a": 1}, "usage": [deep]}},
        {"type": "content_block_start", "index": {"a": 1}, "content_block": None},
        {"type": "content_block_start", "index": -1, "content_block": {"type": 3, "thinking": 4, "text": {}}},
        {"type": "content_block_delta", "index": "x", "delta": 7},
        {"type": "content_block_stop", "index": [1]},
        {"type": "message_delta", "delta": {"stop_reason": {"a": 1}}, "usage": {"output_tokens": -4, "deep": deep}},
        {"type": "message_delta", "delta": None, "usage": "much"},
        [], None, 3, "x",
    ]  # fmt: skip
    events, fault = read(sse(*odd, *STREAM, named=False))
    assert fault is None
    assert joined(events, Answer) == "Ja: 思考 [DONE]." and events[-1] == Finished("max_tokens", complete=True)
    (counts,) = [event for event in events if isinstance(event, Usage)]
    assert counts.raw == {"input_tokens": 9, "output_tokens": 12}
    _, fault = read(sse(*STREAM[:3], {"type": "error", "error": {"type": "api_error", "message": deep}}))
    assert fault is not None and fault.kind == "server"
