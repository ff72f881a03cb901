"""The litellm road against real servers on 127.0.0.1: what is sent, what comes back, and what must never happen."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import json
import os
import struct
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from promptlab.errors import Fault, ProviderError
from promptlab.events import Accepted, Answer, Event, Finished, Sent, Served, Thinking, Usage, Withheld
from promptlab.params import Value
from promptlab.providers.litellm_reader import WireReader
from promptlab.providers.litellm_road import LiteLLMRoad, parameters_in
from promptlab.providers.litellm_transport import Call
from promptlab.request import Message, Request
from tests.replay import JSON, Replay, Reply

SHARED = Path(__file__).resolve().parents[2] / "shared"
T = TypeVar("T")
KEY = "sk-test-0123456789"
MODELS = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro"}
SLICES = [1, 7, None]
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the recorded streams are not at {SHARED}")

ANTHROPIC = [
    {"type": "message_start", "message": {"model": "claude-x-1", "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Größer als 😊?"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Ja: 思考 "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ends with [DONE] ."}},
    {"type": "content_block_stop", "index": 1},
    {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop"},
]
GEMINI = [
    {"candidates": [{"content": {"parts": [{"text": "Größer 😊? ", "thought": True}]}}], "modelVersion": "g-1"},
    {"candidates": [{"content": {"parts": [{"text": "Ja: "}]}}], "usageMetadata": {"promptTokenCount": 4}},
    {
        "candidates": [{"content": {"parts": [{"text": "思考."}]}, "finishReason": "MAX_TOKENS"}],
        "usageMetadata": {
            "promptTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 5, "totalTokenCount": 12,
        },
    },
]  # fmt: skip


def sse(messages: list[Any], *, named: bool = False, end: bytes = b"") -> bytes:
    def one(message: Any) -> str:
        head = f"event: {message['type']}\n" if named else ""
        return f"{head}data: {json.dumps(message, ensure_ascii=False)}\n\n"

    return "".join(map(one, messages)).encode() + end


def chat(*texts: str, finish: str | None = "stop", end: bytes = b"data: [DONE]\n\n") -> bytes:
    """An OpenAI stream of `texts`, without any usage."""
    deltas: list[dict[str, Any]] = [{"delta": {"content": text}} for text in texts]
    if finish:
        deltas.append({"delta": {}, "finish_reason": finish})
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served-1"}
    return sse([{**head, "choices": [{"index": 0, **delta}]} for delta in deltas], end=end)


def ask(model: str, **parameters: Value) -> Request:
    named = {name.replace("__", "."): value for name, value in parameters.items()}
    return Request(model, (Message("system", "be short"), Message("user", "is it?")), named)


def road(prefix: str, url: str | None, key: str | None = KEY) -> LiteLLMRoad:
    return LiteLLMRoad(prefix, prefix, base_url=url, key=key)


async def collect(provider: LiteLLMRoad, request: Request) -> tuple[list[Event], Fault | None]:
    events: list[Event] = []
    try:
        async with aclosing(provider.stream(request)) as stream:
            async for event in stream:
                events.append(event)
    except ProviderError as error:
        return events, error.fault
    finally:
        await provider.aclose()
    return events, None


def run(prefix: str, server: Replay, request: Request, key: str | None = KEY) -> tuple[list[Event], Fault | None]:
    async def main() -> tuple[list[Event], Fault | None]:
        async with server, asyncio.timeout(20):
            return await collect(road(prefix, server.url, key), request)

    return asyncio.run(main())


def text(events: list[Event], kind: type[Thinking] | type[Answer]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def only(events: list[Event], kind: type[T]) -> T:
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == 1, events
    return found[0]


@pytest.mark.parametrize("prefix", ["anthropic", "gemini", "openai"])
def test_a_key_that_the_endpoint_echoes_is_hidden(prefix: str) -> None:
    key = "sk-planted/Qm7xZ2vLr9+Tn4wKc8sJd5h"
    escaped = key.replace("/", "\\/")
    bodies = [
        json.dumps({"error": {"message": f"bad key {key}", "code": key}}).encode(),
        b'{"error": {"message": "bad key %s"}}' % escaped.encode(),
        f"<title>no {key}</title>".encode(),
    ]
    for body in bodies:
        kind = "text/html" if body.startswith(b"<") else "application/json"
        events, fault = run(prefix, Replay(body, status=401, headers={"content-type": kind}), ask("m"), key)
        assert fault is not None and key not in repr((events, fault)) and escaped not in repr((events, fault))


# ---- what comes back


@pytest.mark.parametrize("cut", SLICES)
def test_anthropic(cut: int | None) -> None:
    headers = {"content-type": "text/event-stream", "request-id": "req_7"}
    server = Replay(sse(ANTHROPIC, named=True), slice=cut, headers=headers)
    events, fault = run("anthropic", server, ask("claude-sonnet-4-5"))
    assert fault is None
    assert [type(event) for event in events[:3]] == [Sent, Accepted, Served]
    assert only(events, Accepted) == Accepted(200, "req_7")
    assert only(events, Served).model == "claude-x-1"
    assert text(events, Thinking) == "Größer als 😊?"
    assert {event.kind for event in events if isinstance(event, Thinking)} == {"summary"}
    assert text(events, Answer) == "Ja: 思考 ends with [DONE] ."
    usage = only(events, Usage)
    assert (usage.input, usage.output, usage.billed, usage.source) == (9, 12, 12, "provider")
    assert events[-1] == Finished("max_tokens", complete=True)
    assert not any(isinstance(event, Withheld) for event in events)


@pytest.mark.parametrize("cut", SLICES)
def test_gemini(cut: int | None) -> None:
    events, fault = run("gemini", Replay(sse(GEMINI), slice=cut), ask("gemini-2.5-pro"))
    assert fault is None
    assert (text(events, Thinking), text(events, Answer)) == ("Größer 😊? ", "Ja: 思考.")
    usage = only(events, Usage)
    assert (usage.input, usage.output, usage.thinking, usage.billed) == (4, 3, 5, 8)
    assert events[-1] == Finished("MAX_TOKENS", complete=True)


def recordings() -> list[Any]:
    if not SHARED.is_dir():
        return []
    index = json.loads((SHARED / "recordings/index.json").read_text())
    return [entry for entry in index.values() if entry["dialect"] in MODELS and entry["status"] == 200]


def samples() -> list[Any]:
    if not SHARED.is_dir():
        return []
    return [e for e in json.loads((SHARED / "sse_samples/expected.json").read_text()) if e["dialect"] in MODELS]


def refusals() -> list[Any]:
    if not SHARED.is_dir():
        return []
    bodies = json.loads((SHARED / "sse_samples/error_bodies.json").read_text())
    return [entry for entry in bodies if entry["vendor"] in MODELS]


@needs_shared
@pytest.mark.parametrize("cut", SLICES)
@pytest.mark.parametrize("entry", recordings(), ids=lambda entry: str(entry["file"]))
def test_recordings(entry: dict[str, Any], cut: int | None) -> None:
    expected, dialect = entry["expected"], entry["dialect"]
    body = (SHARED / "recordings" / entry["file"]).read_bytes()
    events, fault = run(dialect, Replay(body, slice=cut), ask(MODELS[dialect]))
    assert fault is None
    for kind, name in ((Thinking, "thinking"), (Answer, "answer")):
        assert hashlib.sha256(text(events, kind).strip().encode()).hexdigest() == expected[f"{name}_sha256"]
    assert only(events, Usage).raw.items() >= expected["usage"].items()
    assert events[-1] == Finished(expected["finish_reason"], complete=True)


@needs_shared
@pytest.mark.parametrize("cut", SLICES)
@pytest.mark.parametrize("entry", samples(), ids=lambda entry: str(entry["file"]))
def test_samples(entry: dict[str, Any], cut: int | None) -> None:
    dialect, wanted = entry["dialect"], entry["usage"]
    body = (SHARED / "sse_samples" / entry["file"]).read_bytes()
    events, fault = run(dialect, Replay(body, slice=cut), ask(MODELS[dialect]))
    assert text(events, Thinking).strip() == entry["thinking"].strip()
    assert text(events, Answer).strip() == entry["answer"].strip()
    usage = only(events, Usage)
    assert (usage.input, usage.output, usage.billed) == (
        wanted["prompt"],
        wanted["completion"],
        wanted["billed_output"],
    )
    assert (usage.thinking, usage.cached) == (wanted["reasoning"], wanted["cached"])
    withheld = [event.reason for event in events if isinstance(event, Withheld)]
    assert withheld == (["omitted", "redacted"] if "omitted" in entry["trace"] else [])
    if entry["error"]:
        assert fault is not None and fault.code == entry["error"]["code"]
        assert fault.kind == "overloaded" and fault.retryable
    else:
        assert fault is None
        assert events[-1] == Finished(entry["finish"], entry["complete"])


def test_cohere() -> None:
    """litellm 1.106.2 stops at the first `event:` line of this stream."""
    messages: list[dict[str, Any]] = [
        {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "hm"}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "It "}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "is."}}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE",
                                          "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}},
    ]  # fmt: skip
    server = Replay(sse(messages, named=True), slice=7)
    events, fault = run("cohere_chat", server, ask("command-r", top_k=3))
    assert fault is None
    assert server.requests[0].path == "/chat"
    assert only(events, Sent).body["k"] == 3
    assert (text(events, Thinking), text(events, Answer)) == ("hm", "It is.")
    usage = only(events, Usage)
    assert (usage.input, usage.output, usage.source) == (3, 2, "provider")
    assert events[-1] == Finished("COMPLETE", complete=True)
    events, _ = run("cohere_chat", Replay(sse(messages[:-1], named=True)), ask("command-r"))
    assert events[-1] == Finished(None, complete=False)


# ---- errors


@needs_shared
@pytest.mark.parametrize("entry", refusals(), ids=lambda entry: f"{entry['vendor']}-{entry['status']}")
def test_refusals(entry: dict[str, Any]) -> None:
    headers = {**JSON, **entry["headers"]}
    server = Replay(json.dumps(entry["body"]).encode(), status=entry["status"], headers=headers)
    events, fault = run(entry["vendor"], server, ask(MODELS[entry["vendor"]]))
    assert [type(event) for event in events] == [Sent]
    assert fault is not None
    assert (fault.kind, fault.status, fault.retryable) == (entry["kind"], entry["status"], entry["retry"])
    if "param" in entry:
        assert fault.param == entry["param"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("prefix", ["openai", "zai", "nvidia_nim", "groq", "cohere_chat"])
def test_no_hidden_retry(prefix: str) -> None:
    """zai and nvidia_nim lose litellm's max_retries=0, and the SDK under them would try three times."""
    server = Replay(b'{"error": {"message": "slow down"}}', status=429, headers={**JSON, "retry-after": "30"})
    server.then(Reply(chat("unseen second try")))
    _, fault = run(prefix, server, ask("m"))
    assert fault is not None and (fault.kind, fault.retry_after) == ("rate_limit", 30)
    assert len(server.requests) == 1


@pytest.mark.parametrize("prefix", ["anthropic", "gemini", "openai", "hosted_vllm", "zai", "openrouter"])
def test_refused_connection(prefix: str) -> None:
    async def main() -> tuple[list[Event], Fault | None]:
        async with Replay() as server:
            url = server.url
        return await collect(road(prefix, url), ask(MODELS.get(prefix, "m")))

    events, fault = asyncio.run(main())
    assert [type(event) for event in events] == [Sent]
    assert fault is not None and fault.kind == "connection_refused"


def test_cut_streams_are_not_complete() -> None:
    body = sse(ANTHROPIC, named=True)
    place = body.index(b"ends with")
    for server in (Replay(body, cut_after=place), Replay(body[:place])):  # connection broken, and closed in order
        events, fault = run("anthropic", server, ask("claude-sonnet-4-5"))
        assert fault is None
        assert text(events, Answer) == "Ja: 思考 "
        assert events[-1] == Finished(None, complete=False)
    events, fault = run("openai", Replay(chat("There are", finish=None, end=b"")), ask("m"))
    assert text(events, Answer) == "There are"
    assert events[-1] == Finished(None, complete=False)
    assert not any(isinstance(event, Usage) for event in events)  # litellm would have invented one


def test_message_stop_is_owed() -> None:
    events, _ = run("anthropic", Replay(sse(ANTHROPIC[:-1], named=True)), ask("claude-sonnet-4-5"))
    assert events[-1] == Finished("max_tokens", complete=False)


def test_cut_before_any_text_is_a_fault() -> None:
    _, fault = run("anthropic", Replay(sse(ANTHROPIC, named=True), cut_after=40), ask("claude-sonnet-4-5"))
    assert fault is not None and fault.kind == "connection" and fault.retryable


def test_empty_stream_is_not_complete() -> None:
    events, fault = run("openai", Replay(b""), ask("m"))
    assert fault is None and events[-1] == Finished(None, complete=False)


def test_web_page_is_not_an_api() -> None:
    page = b"<html><title>Welcome to nginx</title></html>"
    for prefix in ("anthropic", "openai"):
        _, fault = run(prefix, Replay(page, headers={"content-type": "text/html"}), ask(MODELS.get(prefix, "m")))
        assert fault is not None and fault.kind == "not_an_api" and "nginx" in fault.message


def test_error_inside_the_stream_keeps_what_came() -> None:
    tail = b'data: {"error": {"code": "server_error", "message": "upstream went away"}, "choices": []}\n\n'
    events, fault = run("openrouter", Replay(chat("There are", finish=None, end=tail)), ask("m"))
    assert text(events, Answer) == "There are"
    assert fault is not None and "upstream went away" in fault.message


@pytest.mark.parametrize("last", [b"[DONE]", b'{"error": {"message": "went away"}, "choices": []}'])
@pytest.mark.parametrize(
    "late",
    [
        b'{"choices": [{"delta": {"content": "too late"}}]}',
        b'{"type": "content-delta", "delta": {"message": {"content": {"text": "too late"}}}}',
        b'{"error": "another"}',
    ],
)
def test_nothing_is_read_after_an_end_or_an_error(last: bytes, late: bytes) -> None:
    reader = WireReader()
    lines = (b'{"choices": [{"delta": {"content": "in time"}}]}', last, late)
    events = [*reader.feed(b"".join(b"data: %b\n\n" % line for line in lines)), *reader.feed(b": alive\n")]
    assert [type(event) for event in events] == [Served, Answer] and text(events, Answer) == "in time"
    assert reader.is_over and not list(reader.close())
    assert reader.error == (None if last == b"[DONE]" else {"message": "went away"})


def test_what_litellm_refuses_is_labelled() -> None:
    server = Replay(sse(ANTHROPIC, named=True))
    events, fault = run("anthropic", server, ask("claude-sonnet-4-5", seed=3))
    assert events == [] and server.requests == []
    assert fault is not None and (fault.kind, fault.param, fault.status) == ("param_rejected", "seed", None)
    assert fault.message.startswith("litellm (the client library) refuses")


# ---- text that litellm loses or chokes on


def test_repeated_chunks_survive() -> None:
    for prefix in ("openai", "deepseek"):
        events, fault = run(prefix, Replay(chat(*["again "] * 200)), ask("m"))
        assert fault is None and text(events, Answer) == "again " * 200
        assert events[-1] == Finished("stop", complete=True)


@pytest.mark.parametrize("prefix", ["openai", "deepseek", "hosted_vllm", "openrouter"])
def test_done_inside_the_text_survives(prefix: str) -> None:
    events, fault = run(prefix, Replay(chat("it ends with ", "data: [DONE]", " and goes on")), ask("m"))
    assert fault is None
    assert text(events, Answer) == "it ends with data: [DONE] and goes on"


def test_a_chunk_that_breaks_litellm_does_not_break_the_stream() -> None:
    broken = b'data: {"choices": [{"index": 0, "delta": null}]}\n\n'
    body = chat("a", finish=None, end=b"") + broken + chat("b")
    for prefix in ("hosted_vllm", "openrouter"):
        events, fault = run(prefix, Replay(body, slice=7), ask("m"))
        assert fault is None and text(events, Answer) == "ab"
        assert events[-1] == Finished("stop", complete=True)


def test_unknown_finish_reason_is_kept() -> None:
    events, _ = run("openai", Replay(chat("x", finish="sensitive")), ask("m"))
    assert events[-1] == Finished("sensitive", complete=True)
    events, _ = run("deepseek", Replay(chat("x", finish="insufficient_system_resource")), ask("m"))
    assert events[-1] == Finished("insufficient_system_resource", complete=False)


def test_traces_in_tags_and_in_fields() -> None:
    events, _ = run("openai", Replay(chat("<thi", "nk>hm</th", "ink>yes")), ask("m"))
    assert (text(events, Thinking), text(events, Answer)) == ("hm", "yes")
    fields: list[dict[str, Any]] = [
        {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]},
        {"reasoning_content": "!"},
        {"content": "<think> is a tag"},
    ]
    body = sse([{"choices": [{"index": 0, "delta": delta}]} for delta in fields])
    events, _ = run("openai", Replay(body + chat()), ask("m"))
    assert (text(events, Thinking), text(events, Answer)) == ("hm!", "<think> is a tag")


# ---- streams that litellm reads


def test_ollama_lines() -> None:
    lines: list[dict[str, Any]] = [
        {"model": "q", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
        {"model": "q", "message": {"role": "assistant", "content": "yes"}, "done": False},
        {"model": "q", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "length",
         "prompt_eval_count": 5, "eval_count": 7},
    ]  # fmt: skip
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    server = Replay(body, slice=7, headers={"content-type": "application/x-ndjson"})
    events, fault = run("ollama_chat", server, ask("q"))
    assert fault is None
    assert (text(events, Thinking), text(events, Answer)) == ("hm", "yes")
    assert (only(events, Usage).input, only(events, Usage).output) == (5, 7)
    assert events[-1] == Finished("length", complete=True)


def frame(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of AWS's binary event stream."""
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    pairs = [(name.encode(), value.encode()) for name, value in names.items()]
    head = b"".join(struct.pack("!B", len(n)) + n + b"\x07" + struct.pack("!H", len(v)) + v for n, v in pairs)
    body = json.dumps(payload).encode()
    start = struct.pack("!II", 16 + len(head) + len(body), len(head))
    start += struct.pack("!I", binascii.crc32(start))
    return start + head + body + struct.pack("!I", binascii.crc32(start + head + body))


def test_bedrock_is_read_by_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION_NAME", "us-east-1")
    body = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "It is."}})
    body += frame("messageStop", {"stopReason": "end_turn"})
    body += frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}, "metrics": {}})
    server = Replay(body, slice=7, headers={"content-type": "application/vnd.amazon.eventstream"})
    events, fault = run("bedrock", server, ask("anthropic.claude-3-sonnet-20240229-v1:0", body__foo=1), key=None)
    assert fault is None
    assert only(events, Sent).body["additionalModelRequestFields"] == {"foo": 1}  # signed: litellm puts it there
    assert text(events, Answer) == "It is."
    assert only(events, Usage).source == "litellm"
    assert events[-1] == Finished("stop", complete=True)


# ---- what goes out


def test_sent_is_what_went_out() -> None:
    request = ask("claude-sonnet-4-5", temperature=0.2, top_k=4, stop=["X"], body__metadata={"user_id": "me"})
    server = Replay(sse(ANTHROPIC, named=True))
    events, _ = run("anthropic", server, request)
    sent = only(events, Sent)
    assert sent.url == f"{server.url}/v1/messages"
    assert sent.body == json.loads(server.requests[0].body)
    assert sent.body["metadata"] == {"user_id": "me"}
    assert parameters_in(sent.body) == {"temperature": 0.2, "top_k": 4, "stop": ["X"], "max_tokens": 64000}
    wire = road("anthropic", server.url).wire(request)
    assert (wire.url, wire.body, wire.exact) == (sent.url, sent.body, True)
    assert server.requests[0].headers["x-api-key"] == KEY
    assert KEY not in repr(events)


def test_unset_parameters_are_absent_and_lost_ones_are_seen() -> None:
    assert road("openai", "http://127.0.0.1:9/v1").wire(ask("m")).sent == {}
    wire = road("gemini", "http://127.0.0.1:9").wire(
        ask("gemini-2.5-pro", top_p=0.9, min_p=0.1, body__generationConfig={"responseMimeType": "text/plain"})
    )
    assert wire.sent == {"top_p": 0.9}  # litellm drops min_p without a word
    assert wire.body["generationConfig"] == {"top_p": 0.9, "responseMimeType": "text/plain"}


@pytest.mark.parametrize("prefix", ["anthropic", "gemini", "cohere_chat", "bedrock", "openai", "openrouter"])
def test_wire_needs_neither_key_nor_server_and_works_inside_a_loop(prefix: str) -> None:
    async def main() -> None:
        model = "anthropic.claude-3-sonnet-20240229-v1:0" if prefix == "bedrock" else MODELS.get(prefix, "m")
        wire = LiteLLMRoad(prefix, prefix).wire(ask(model, temperature=0.5))
        assert wire.exact and wire.url.startswith("https://")
        assert wire.sent["temperature"] == 0.5

    asyncio.run(main())


def test_wire_of_what_litellm_refuses_is_not_exact() -> None:
    wire = road("anthropic", "http://127.0.0.1:9").wire(ask("claude-sonnet-4-5", seed=3))
    assert not wire.exact
    assert "none" not in json.dumps(wire.body) and KEY not in json.dumps(wire.body)


@pytest.mark.parametrize("prefix", ["openai", "custom_openai", "moonshot", "dashscope", "lm_studio", "litellm_proxy"])
def test_openai_credentials_never_leave(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "LITELLM_PROXY_API_KEY")
    for name in names:
        monkeypatch.setenv(name, "planted-secret")
    server = Replay(chat("yes"))
    events, fault = run(prefix, server, ask("m"), key=None)
    assert fault is None and text(events, Answer) == "yes"
    assert "planted-secret" not in repr(server.requests)
    assert server.requests[0].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize("prefix", ["lm_studio", "hosted_vllm", "custom_openai"])
def test_a_local_server_needs_its_address(prefix: str) -> None:
    _, fault = asyncio.run(collect(road(prefix, None), ask("m")))
    assert fault is not None and "api.openai.com" in fault.message


def test_another_host_gets_nothing() -> None:
    async def redirected() -> tuple[Fault | None, int]:
        async with Replay(chat("stolen")) as other:
            moved = {**JSON, "location": f"{other.url}/v1/messages"}
            async with Replay(b"", status=307, headers=moved) as server:
                _, fault = await collect(road("anthropic", server.url), ask("claude-sonnet-4-5"))
            return fault, len(other.requests)

    fault, requests = asyncio.run(redirected())
    assert requests == 0
    assert fault is not None and "stopped before sending" in fault.message
    # replicate does not care for a base URL at all
    _, fault = run("replicate", Replay(), ask("meta/llama"))
    assert fault is not None and "api.replicate.com" in fault.message


def test_a_redirect_on_the_same_host_keeps_the_body() -> None:
    server = Replay(b"", status=308, headers={**JSON, "location": "/elsewhere"}).then(Reply(sse(ANTHROPIC, named=True)))
    events, fault = run("anthropic", server, ask("claude-sonnet-4-5", body__metadata={"user_id": "me"}))
    assert fault is None and events[-1] == Finished("max_tokens", complete=True)
    assert only(events, Sent).body == json.loads(server.requests[1].body)
    assert server.requests[1].path == "/elsewhere"


def test_openai_is_no_fallback_for_others() -> None:
    call = Call(None, None)
    assert "api.openai.com" in call.gate(httpx.Request("POST", "https://api.openai.com/v1/chat/completions"))
    assert Call(None, None, may_openai=True).gate(httpx.Request("POST", "https://api.openai.com/v1/x")) == ""


def test_nothing_goes_out_after_a_failure() -> None:
    call = Call(None, "https://vendor.example")
    request = httpx.Request("POST", "https://vendor.example/x")
    assert call.gate(request) == ""
    call.broken = OSError()
    assert call.gate(request) == "no second try"


def test_keys_in_the_address_are_not_shown() -> None:
    async def main() -> Sent | None:
        call = Call(None, "https://vendor.example", secret=KEY)
        url = f"https://user:{KEY}@vendor.example/m:go?alt=sse&key={KEY}&x={KEY}"
        await call.send(httpx.Request("POST", url, json={"echo": KEY, "temperature": 1}))
        return call.sent

    sent = asyncio.run(main())
    assert sent is not None and KEY not in repr(sent)
    assert "alt=sse" in sent.url and sent.body["temperature"] == 1


def test_leaving_early_closes_the_connection() -> None:
    async def main(prefix: str, body: bytes) -> None:
        async with Replay(body, hold=True) as server:
            provider = road(prefix, server.url)
            async with aclosing(provider.stream(ask(MODELS.get(prefix, "m")))) as stream:
                async for event in stream:
                    if isinstance(event, Answer):
                        break
            await asyncio.wait_for(server.disconnected.wait(), 2)
            await provider.aclose()

    asyncio.run(main("anthropic", sse(ANTHROPIC[:7], named=True)))
    asyncio.run(main("gemini", sse(GEMINI[:2])))
    asyncio.run(main("openai", chat("a", finish=None, end=b"")))
    asyncio.run(main("openai", chat(*["a"] * 300, finish=None, end=b"")))  # more than is taken: nobody is reading


def test_streams_at_once_do_not_mix() -> None:
    async def main() -> None:
        async with Replay(chat("left"), slice=7) as left, Replay(chat("right"), slice=7) as right:
            a, b = road("openai", left.url), road("openai", right.url)
            found = await asyncio.gather(*(collect(r, ask("m")) for r in (a, b) for _ in range(4)))
            assert [text(events, Answer) for events, _ in found] == ["left"] * 4 + ["right"] * 4
            assert len(left.requests) == len(right.requests) == 4

    asyncio.run(main())


# ---- the import

_PROBE = """
import os, socket, sys
def no_network(*_):
    raise AssertionError("network")
socket.socket.connect = socket.getaddrinfo = no_network
import promptlab.providers.litellm_road as module
from promptlab.request import Message, Request
assert "litellm" not in sys.modules
import asyncio
road = module.LiteLLMRoad("anthropic", "anthropic")
asyncio.run(road.prepare())
import litellm
assert "PLANTED" not in os.environ
assert litellm.drop_params is False and litellm.callbacks == [] and litellm.suppress_debug_info
assert litellm.REPEATED_STREAMING_CHUNK_LIMIT > 10**6
assert road.wire(Request("claude-sonnet-4-5", (Message("user", "x"),))).exact
"""


def test_import_is_late_quiet_and_offline(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PLANTED=1\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LITELLM", "OR_"))}
    environment = {**kept, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
