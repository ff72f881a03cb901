"""Gemini's own dialect over real HTTP, spoken directly and through litellm: one fold, the same events."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import Fault, ProviderError
from promptlab.events import Accepted, Answer, Event, Finished, Opaque, Served, Thinking, Usage
from promptlab.knowledge import Effort, Facts, Family, as_asked, judge
from promptlab.params import PARAMETERS, Value
from promptlab.providers import usage as usages
from promptlab.providers.direct import Call, Direct
from promptlab.providers.gemini import Gemini
from promptlab.providers.gemini_stream import GeminiFold
from promptlab.providers.http import Pool
from promptlab.request import Message, Request
from tests.replay import JSON, Replay
from tests.test_anthropic import (
    HELLO,
    SHARED,
    SLICES,
    alike,
    body_of,
    check_recording,
    check_sample,
    collect,
    damaged,
    joined,
    recordings,
    refusals,
    samples,
    speak,
    survive,
    through_litellm,
)

KEY = "AIzaPlantedQm7xZ2vLr9Tn4w"
MODEL = "gemini-2.5-pro"


def part(text: str, **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": text, **fields}], "role": "model"}, "index": 0}]}


COUNTED = {"promptTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 5, "totalTokenCount": 12}
STREAM: list[dict[str, Any]] = [
    {**part("Größer ", thought=True), "modelVersion": "g-1", "usageMetadata": {"promptTokenCount": 9}},
    part("😊? ", thought=True),
    part("Ja: ", thoughtSignature="CsYB"),
    {**part("思考."), "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 1}},
    {"candidates": [{"content": {}, "finishReason": "MAX_TOKENS"}], "usageMetadata": COUNTED, "modelVersion": "g-1"},
]
TOLD: list[Event] = [
    Served("g-1"), Thinking("Größer ", "summary"), Thinking("😊? ", "summary"), Answer("Ja: "),
    Opaque("signature", "CsYB"), Answer("思考."), Usage(4, 3, 5, None, 8, raw=COUNTED),
    Finished("MAX_TOKENS", complete=True),
]  # fmt: skip


def sse(*chunks: Any, end: bytes = b"") -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(chunk).encode() for chunk in chunks) + end


def read(body: bytes, slice: int | None = None, **reply: Any) -> tuple[list[Event], Fault | None]:
    events, error = speak(Gemini(), Replay(body, slice=slice, **reply), Request(MODEL, HELLO), key=KEY)
    return events, error.fault if error else None


# ---- what comes back


@pytest.mark.parametrize("slice", SLICES)
def test_a_stream(slice: int | None) -> None:
    events, fault = read(sse(*STREAM), slice)
    assert fault is None
    assert events == [Accepted(200), *TOLD]


@pytest.mark.parametrize("slice", SLICES)
def test_litellm_gives_the_same_events(slice: int | None) -> None:
    events, error = through_litellm("gemini", Replay(sse(*STREAM), slice=slice), Request(MODEL, HELLO))
    assert error is None
    assert alike(events) == TOLD


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("entry", recordings("gemini"))
def test_recorded_streams_by_both_roads(entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "recordings" / entry["file"]).read_bytes()
    directly, error = speak(Gemini(), Replay(body, slice=slice), Request(MODEL, HELLO))
    assert error is None
    check_recording(entry, directly)
    signatures = [event.text for event in directly if isinstance(event, Opaque)]
    assert len(signatures) == body.count(b'"thoughtSignature"') and all(s.encode() in body for s in signatures)
    assert alike(through_litellm("gemini", Replay(body, slice=slice), Request(MODEL, HELLO))[0]) == alike(directly)


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("entry", samples("gemini"))
def test_stream_samples_by_both_roads(entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "sse_samples" / entry["file"]).read_bytes()
    events, error = speak(Gemini(), Replay(body, slice=slice), Request(MODEL, HELLO))
    check_sample(entry, events, error)
    assert alike(through_litellm("gemini", Replay(body, slice=slice), Request(MODEL, HELLO))[0]) == alike(events)


def test_what_can_not_be_shown_leaves_a_mark() -> None:
    parts = [
        {"text": "a"},
        {"functionCall": {"name": "weather", "args": {"city": "東京"}}, "thoughtSignature": "S1"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"executableCode": {"language": "PYTHON", "code": "1"}, "text": None},
        {"laterKind": 3, "thought": True},
        {"text": "b", "videoMetadata": {}, "functionCall": None},
        {},
    ]
    events, fault = read(sse({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}))
    assert fault is None
    assert events[1:-1] == [
        Answer("a"), Answer("[functionCall weather, not shown]"), Opaque("signature", "S1"),
        Answer("[inlineData image/png, not shown]"), Answer("[executableCode PYTHON, not shown]"),
        Thinking("[laterKind, not shown]", "summary"), Answer("b"),
    ]  # fmt: skip


def test_the_first_of_several_candidates() -> None:
    def candidate(text: str, index: int | None, reason: str | None = None) -> dict[str, Any]:
        found = {"content": {"parts": [{"text": text}]}, "index": index, "finishReason": reason}
        return {name: value for name, value in found.items() if value is not None}

    events, _ = read(
        sse(
            {"candidates": [candidate("a", 0), candidate("x", 1)]},
            {"candidates": [candidate("y", 1, "SAFETY")]},
            {"candidates": [candidate("z", 1), candidate("b", None, "STOP")]},
        )
    )
    assert joined(events, Answer) == "ab" and events[-1] == Finished("STOP", complete=True)


def test_a_blocked_prompt_ends_with_its_reason() -> None:
    chunk = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}
    events, fault = read(sse(chunk))
    assert fault is None
    told = [Usage(4, raw={"promptTokenCount": 4}), Finished("PROHIBITED_CONTENT", complete=True)]
    assert alike(events) == told
    assert alike(through_litellm("gemini", Replay(sse(chunk)), Request(MODEL, HELLO))[0]) == told


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "MALFORMED_FUNCTION_CALL", "SOMETHING_NEW"])
def test_every_finish_reason_is_shown_as_it_is(reason: str) -> None:
    events, _ = read(sse(part("a"), {"candidates": [{"finishReason": reason}]}))
    assert events[-1] == Finished(reason, complete=True)


def test_a_character_split_over_two_chunks_is_whole_again() -> None:
    events, _ = read(sse(part("a\ud83d"), part("\ude00b"), part("\ude00"), part("\ud83d"), part("c"), STREAM[-1]))
    assert joined(events, Answer) == "a😀b\ufffd\ufffdc"


@pytest.mark.parametrize("wrap", [list, lambda chunks: {**STREAM[0], **STREAM[-1]}])
def test_an_answer_that_is_not_streamed_is_read_whole(wrap: Any) -> None:
    """Where a proxy loses `alt=sse` the chunks come as one array."""
    events, fault = read(json.dumps(wrap(STREAM)).encode(), headers=JSON)
    assert fault is None
    assert alike(events) == (TOLD if wrap is list else [TOLD[0], *TOLD[-2:]])


def test_counts() -> None:
    raw = {"promptTokenCount": 4, "toolUsePromptTokenCount": 10, "thoughtsTokenCount": 5, "totalTokenCount": 19}
    counts = usages.gemini(raw)
    assert (counts.input, counts.output, counts.thinking, counts.billed) == (14, None, 5, 5)
    assert usages.gemini({"thoughtsTokenCount": 5}).billed == 5
    assert usages.gemini({"candidatesTokenCount": 3, "promptTokenCount": 9, "totalTokenCount": 4}).billed == 3
    assert usages.gemini({"promptTokenCount": 9, "cachedContentTokenCount": 8}).cached == 8
    assert usages.gemini({"promptTokenCount": 9}).billed is None


# ---- ends and errors


def test_a_stream_without_a_finish_reason_is_not_complete() -> None:
    whole = sse(*STREAM)
    place = whole.index(b"finishReason")
    for body, cut in ((whole, place), (whole[:place], None)):  # the connection broken, and closed in order
        events, fault = read(body, cut_after=cut)
        assert fault is None
        assert joined(events, Answer) == "Ja: 思考." and events[-1] == Finished(None, complete=False)
    events, _ = read(sse(*STREAM[:-1], end=b"data: [DONE]\n\n"))
    assert events[-1] == Finished(None, complete=False)


def test_no_last_blank_line() -> None:
    events, _ = read(sse(*STREAM).rstrip())
    assert alike(events) == TOLD


def test_what_follows_the_finish_reason_is_read() -> None:
    events, _ = read(
        sse(*STREAM[:-1], {"candidates": [{"finishReason": "STOP"}]}, {"usageMetadata": COUNTED}, {"responseId": "r"})
    )
    assert events[-2:] == [TOLD[-2], Finished("STOP", complete=True)]


def test_a_stream_that_breaks_before_the_first_word_may_be_tried_again() -> None:
    _, fault = read(sse(*STREAM), cut_after=20)
    assert fault is not None and fault.kind == "connection" and fault.retryable


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("error", "kind", "status", "retry_after"),
    [
        ({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}, "overloaded", 503, None),
        ({"code": 429, "message": "You exceeded your current quota, please check your plan and billing details.",
          "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "37s"}]}, "rate_limit", 429, 37.0),
        ({"code": 500, "message": "An internal error has occurred.", "status": "INTERNAL"}, "server", 500, None),
        ({"code": "odd", "message": f"no {KEY}"}, "server", None, None),
        (f"a bare text {KEY}", "server", None, None),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_keeps_what_came_before(
    error: Any, kind: str, status: int | None, retry_after: float | None, wrapped: bool, slice: int | None
) -> None:
    said: Any = [{"error": error}] if wrapped else {"error": error}
    events, fault = read(sse(*STREAM[:3], said, *STREAM[3:]), slice)
    assert joined(events, Thinking) == "Größer 😊? " and joined(events, Answer) == "Ja: "
    assert not any(isinstance(event, Finished) for event in events)
    assert fault is not None and (fault.kind, fault.status, fault.retry_after) == (kind, status, retry_after)
    assert fault.retryable and KEY not in repr(fault)


@pytest.mark.parametrize("entry", refusals("gemini"))
def test_refusals(entry: dict[str, Any]) -> None:
    body = json.dumps(entry["body"]).encode()
    events, fault = read(body, status=entry["status"], headers={**JSON, **entry["headers"]})
    assert events == [] and fault is not None
    assert (fault.kind, fault.status, fault.retryable) == (entry["kind"], entry["status"], entry["retry"])
    if isinstance(entry["body"], list):
        assert fault.retry_after == 37.0


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

FRAME = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
TABLE: dict[str, tuple[Value, dict[str, Any]]] = {  # value asked, and what it is in generationConfig
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.9, {"topP": 0.9}),
    "top_k": (40, {"topK": 40}),
    "min_p": (0.1, {"min_p": 0.1}),  # no such field: the vendor says so itself
    "presence_penalty": (1.0, {"presencePenalty": 1.0}),
    "frequency_penalty": (1.0, {"frequencyPenalty": 1.0}),
    "repeat_penalty": (1.1, {"repeat_penalty": 1.1}),
    "seed": (7, {"seed": 7}),
    "max_tokens": (100, {"maxOutputTokens": 100}),
    "stop": (["X", "Y"], {"stopSequences": ["X", "Y"]}),
    "effort": ("high", {"effort": "high"}),
    "thinking_budget": (2048, {"thinking_budget": 2048}),
    "schema": ({"type": "object"}, {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}}),
    "top_logprobs": (5, {"responseLogprobs": True, "logprobs": 5}),
}


def test_the_table_has_every_parameter() -> None:
    assert TABLE.keys() == PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_in_the_body(name: str) -> None:
    value, wanted = TABLE[name]
    assert body_of(Gemini(), {name: value}) == FRAME | {"generationConfig": wanted}


def test_all_parameters_at_once_and_nothing_else() -> None:
    asked = {name: value for name, (value, _) in TABLE.items()}
    wanted = {key: value for _, fields in TABLE.values() for key, value in fields.items()}
    assert body_of(Gemini(), asked) == FRAME | {"generationConfig": wanted}
    assert body_of(Gemini(), {}) == FRAME
    assert body_of(Gemini(wire_names={"seed": "dice"}), {"seed": 1})["generationConfig"] == {"dice": 1}


def test_a_raw_field_and_the_fragments_of_the_knowledge_meet_in_the_config() -> None:
    config: dict[str, Value] = {"thinkingConfig": {"includeThoughts": True}}
    levels: dict[str, dict[str, Value]] = {"high": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}}}
    family = Family(thinks="by default", effort="e", trace={"generationConfig": config})
    facts = Facts("vendor", "gemini", "m", family, Effort(levels))
    raw: Value = {"responseMimeType": "text/plain"}
    asked: dict[str, Value] = {"effort": "high", "temperature": 1.0, "body.generationConfig": raw}
    body = body_of(Gemini(), asked, lambda request: judge(facts, request))
    assert body == FRAME | {
        "generationConfig": {
            "temperature": 1.0, "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "high"},
            "responseMimeType": "text/plain",
        }
    }  # fmt: skip


def test_messages_and_system() -> None:
    messages = (Message("system", "be short"), Message("user", "一"), Message("assistant", "二"),
                Message("developer", "be kind"), Message("system", ""), Message("user", "三"))  # fmt: skip
    body = Gemini().body(Request("m", messages), as_asked(Request("m", messages)))
    assert body["systemInstruction"] == {"parts": [{"text": "be short\n\nbe kind"}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "一"}]}, {"role": "model", "parts": [{"text": "二"}]},
        {"role": "user", "parts": [{"text": "三"}]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-2.5-pro", "/models/gemini-2.5-pro"),
        ("models/gemini-2.5-pro", "/models/gemini-2.5-pro"),
        ("tunedModels/mine-1", "/tunedModels/mine-1"),
        ("tunedModels/../x", "/tunedModels/..%2Fx"),
        ("a/../../files", "/models/a%2F..%2F..%2Ffiles"),
        ("..", "/models/.."),
        ("x?key=1&alt=json#y", "/models/x%3Fkey=1&alt=json%23y"),
        ("a b\r\nx: y", "/models/a%20b%0D%0Ax:%20y"),
        ("a%2Fb:c", "/models/a%252Fb:c"),
        ("雪", "/models/%E9%9B%AA"),
        ("\udcff", "/models/%3F"),
        ("", "/models/"),
    ],
)
def test_the_model_in_the_path(model: str, path: str) -> None:
    """What the server is asked for is what is shown, and no name gets out of its place in the path."""
    server = Replay(sse(*STREAM))
    _, error = speak(Gemini(), server, Request(model, HELLO), below="/v1beta")
    assert error is None
    assert server.requests[0].path == f"/v1beta{path}:streamGenerateContent?alt=sse"
    wire = Direct("v", server.url + "/v1beta", Pool(), Gemini()).wire(Request(model, HELLO))
    assert wire.url == server.url + server.requests[0].path


def test_the_key_is_in_its_header_and_nowhere_else() -> None:
    server = Replay(sse(*STREAM))
    request = Request(MODEL, (Message("user", "é 雪 😀"),), {"top_k": 4})
    events, error = speak(Gemini(), server, request, key=KEY)
    (sent,) = server.requests
    assert error is None and sent.headers["x-goog-api-key"] == KEY and "authorization" not in sent.headers
    wire = Direct("vendor", "http://x", Pool(), Gemini(), key=KEY).wire(request)
    assert sent.body == wire.encode() and wire.blamed("generationConfig.topK", "") == "top_k"
    assert KEY not in repr((sent.path, sent.body, events, wire))
    assert Gemini().headers(None) == {"x-goog-api-key": "none"}


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b'[{"error":{"code":400,"message":"bad %s","status":"INVALID_ARGUMENT"}}]', {"status": 400, "headers": JSON}),
        (b'{"error":{"code":400,"message":"bad %s"}}', {"headers": JSON}),
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
            b"", status=307, headers={"location": f"{other.url}/models/x"}
        ) as server:  # fmt: skip
            pool = Pool()
            _, error = await collect(Direct("v", server.url, pool, Gemini(), key=KEY), Request(MODEL, HELLO))
            await pool.aclose()
            return error, len(other.requests)

    error, requests = asyncio.run(main())
    assert requests == 0 and error is not None and "sends on to" in error.message


# ---- hostile streams


@settings(max_examples=400, deadline=None)
@given(
    messages=damaged(STREAM, ["error", "code", "promptFeedback", "blockReason", "functionCall", "mimeType"]),
    whole=st.booleans(),
)
def test_a_hostile_stream_does_no_harm(messages: list[Any], whole: bool) -> None:
    survive(lambda: GeminiFold(Call("vendor", MODEL, KEY)), messages, whole=whole)


def test_wrong_types_everywhere_over_http() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    odd: list[Any] = [
        {"candidates": {}}, {"candidates": [None, 3]}, {"candidates": [{"content": [1]}]},
        {"candidates": [{"content": {"parts": {"text": "no"}}, "index": 0, "finishReason": ["STOP"]}]},
        {"candidates": [{"content": {"parts": [3, None, {"text": 4, "thoughtSignature": {}}]}, "index": [0]}]},
        {"modelVersion": 7, "usageMetadata": "much", "promptFeedback": {"blockReason": {"a": 1}}},
        {"usageMetadata": {"totalTokenCount": -1, "deep": deep}},
        [], None, 3, "x", [[STREAM[0]]],
    ]  # fmt: skip
    events, fault = read(sse(*odd, *deepcopy(STREAM)))
    assert fault is None
    assert alike(events) == TOLD
    _, fault = read(sse(STREAM[0], {"error": {"code": 500, "message": deep}}))
    assert fault is not None and fault.kind == "server"
