"""The OpenAI chat dialect over real HTTP: every way in which thinking, usage, ends and errors arrive."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from promptlab.errors import ProviderError
from promptlab.events import Event, Usage
from promptlab.providers.direct import Direct
from promptlab.providers.http import Pool
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request
from promptlab.transcript import Transcript
from tests.replay import JSON, Replay

SHARED = Path(__file__).resolve().parents[2] / "shared"
ASK = Request("m", (Message("user", "hi"),))
SLICES = (1, 7, None)


async def _stream(server: Replay, into: Transcript, request: Request = ASK) -> list[Event]:
    pool = Pool()
    events: list[Event] = []
    provider = Direct("vendor", server.url + "/v1", pool, OpenAIChat(), key="k", key_name="VENDOR_KEY")
    try:
        async with aclosing(provider.stream(request)) as stream:
            async for event in stream:
                events.append(event)
                into.apply(float(len(events)), event)
    finally:
        await pool.aclose()
    return events


def read(body: bytes, slice: int | None = None, **reply: Any) -> tuple[Transcript, ProviderError | None]:
    """The transcript of a served body, and the error that ended it, if one did."""
    transcript = Transcript()

    async def go() -> ProviderError | None:
        async with Replay(body, slice=slice, **reply) as server:
            try:
                await _stream(server, transcript)
            except ProviderError as error:
                return error
        return None

    return transcript, asyncio.run(go())


def sse(*chunks: dict[str, Any] | str, done: bool = True) -> bytes:
    lines = [chunk if isinstance(chunk, str) else "data: " + json.dumps(chunk) for chunk in chunks]
    return ("\n\n".join([*lines, "data: [DONE]"] if done else lines) + "\n\n").encode()


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def texts(pieces: Iterable[str], field: str = "content") -> list[dict[str, Any]]:
    return [delta(**{field: piece}) for piece in pieces]


STOP = delta("stop")
SAMPLES: dict[str, tuple[bytes, str, str, str]] = {  # body, thinking, answer, kind of trace
    "reasoning_content": (sse(*texts(["a ", "b"], "reasoning_content"), *texts(["c"]), STOP), "a b", "c", "raw"),
    "reasoning": (sse(*texts(["a ", "b"], "reasoning"), *texts(["c"]), STOP), "a b", "c", "raw"),
    "reasoning twice": (
        sse(delta(reasoning="a", reasoning_details=[{"type": "reasoning.text", "text": "a"}]), *texts(["c"]), STOP),
        "a", "c", "raw",
    ),
    "details, a summary": (
        sse(delta(reasoning_details=[{"type": "reasoning.summary", "summary": "s"}]), *texts(["c"]), STOP),
        "s", "c", "summary",
    ),
    "details, encrypted": (
        sse(delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "x"}]), *texts(["c"]), STOP),
        "", "c", "withheld",
    ),
    "typed blocks": (
        sse(delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "想"}]}]),
            delta(content=[{"type": "text", "text": "答"}]), *texts(["案"]), STOP),
        "想", "答案", "raw",
    ),
    "tags": (
        sse(*texts(["<th", "ink>\na", " < b\n</thi", "nk>\n\nc ", "<think> d"]), STOP), "a < b", "c <think> d", "raw",
    ),
    "no opening tag": (sse(*texts(["a", "\n</", "think", ">\n\n", "c"]), STOP), "a", "c", "raw"),
    "never closed": (sse(*texts(["<think>a", " b"]), delta("length")), "a b", "", "raw"),
    "mentioned": (
        sse(*texts(["Write `<think>` and `", "</think>` so."]), STOP), "", "Write `<think>` and `</think>` so.", "none",
    ),
    "a field, then a tag as text": (
        sse(*texts(["a"], "reasoning_content"), *texts(["<think>no</think>"]), STOP), "a", "<think>no</think>", "raw",
    ),
    "Gemini's flag without tags": (
        sse(delta(content="a", extra_content={"google": {"thought": True}}), *texts(["c"]), STOP), "a", "c", "summary",
    ),
    "harmony": (
        sse(*texts(["<|channel|>", "analysis", "<|message|>", "a < b", "<|end|>", "<|start|>assistant", "<|channel|>",
                    "final", "<|message|>", "c", "<|return|>"]), STOP),
        "a < b", "c", "raw",
    ),
    "full-width tags": (sse(*texts(["<思", "考>甲</思考>乙"]), STOP), "甲", "乙", "raw"),
    "a split surrogate pair": (
        b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"\\ude00!"},"finish_reason":"stop"}]}\n\n',
        "", "😀!", "none",
    ),
    "keep-alives and CRLF": (
        b": queued\r\n\r\n\r\n\r\n" + sse(*texts(["c"]), STOP).replace(b"\n", b"\r\n"), "", "c", "none",
    ),
    "CR, a byte order mark, no space": (
        b"\xef\xbb\xbf" + sse(*texts(["c"]), STOP).replace(b"data: ", b"data:").replace(b"\n", b"\r"), "", "c", "none",
    ),
    "no [DONE]": (sse(*texts(["c"]), STOP, done=False), "", "c", "none"),
    "no last blank line": (sse(*texts(["c"]), STOP, done=False).rstrip(b"\n"), "", "c", "none"),
}  # fmt: skip


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("name", SAMPLES)
def test_thinking_and_answer_are_found_wherever_they_arrive(name: str, slice: int | None) -> None:
    body, thinking, answer, trace = SAMPLES[name]
    cell, error = read(body, slice)
    assert (cell.thinking, cell.answer, cell.trace) == (thinking, answer, trace)
    assert error is None and cell.complete


@pytest.mark.parametrize("slice", SLICES)
def test_usage_is_found_wherever_it_stands(slice: int | None) -> None:
    block = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 15, "cost": 0.25,
             "completion_tokens_details": {"reasoning_tokens": 4},
             "prompt_tokens_details": {"cached_tokens": 2}}  # fmt: skip
    places: list[list[dict[str, Any]]] = [
        [STOP, {"choices": [], "usage": block}],
        [{**STOP, "usage": block}],
        [{**STOP, "x_groq": {"usage": block}}],
        [{"choices": [{**STOP["choices"][0], "usage": block}]}],
        [{**delta(), "usage": {"prompt_tokens": 1}}, STOP, {"choices": [], "usage": block}],
    ]
    for place in places:
        cell, _ = read(sse(*texts(["c"]), *place), slice)
        assert cell.usage is not None
        found = cell.usage
        assert (found.input, found.output, found.thinking, found.cached, found.billed) == (5, 7, 4, 2, 10)
        assert (found.cost, found.raw, found.source) == (0.25, block, "provider")


def test_no_usage_is_none_and_never_invented() -> None:
    cell, _ = read(sse(*texts(["c"]), STOP))
    assert cell.usage is None


@pytest.mark.parametrize("cut", [True, False])
def test_a_stream_without_its_end_is_not_complete(cut: bool) -> None:
    body = sse(*texts(["There are", " **21"]), done=False) + b'data: {"choices":[{"del'
    cell, error = read(body, cut_after=len(body) if cut else None)
    assert (cell.answer, cell.complete, cell.finish_reason, cell.state) == ("There are **21", False, None, "incomplete")
    assert error is None


def test_a_stream_that_breaks_before_the_first_word_may_be_tried_again() -> None:
    body = sse(delta(role="assistant"), done=False)
    cell, error = read(body, cut_after=len(body) - 3)
    assert error is not None and error.fault.retryable and error.fault.kind == "connection"
    assert cell.answer == ""


@pytest.mark.parametrize("slice", SLICES)
def test_an_error_in_the_stream_keeps_what_came_before(slice: int | None) -> None:
    body = sse(*texts(["There"]), {"error": {"message": "engine died", "code": 500}})
    cell, error = read(body, slice)
    assert cell.answer == "There" and error is not None
    assert error.fault.message == "engine died" and error.fault.status == 500


def test_a_server_that_does_not_stream_is_read_whole() -> None:
    body = {"model": "m", "choices": [{"message": {"reasoning_content": "a", "content": "c"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}  # fmt: skip
    cell, error = read(json.dumps(body).encode(), headers=JSON)
    assert error is None
    assert (cell.thinking, cell.answer, cell.finish_reason) == ("a", "c", "stop")
    assert isinstance(cell.usage, Usage) and cell.usage.output == 2


def test_gzip_is_read_though_it_was_not_asked_for() -> None:
    import gzip

    body = gzip.compress(sse(*texts(["雪", "夜"]), STOP))
    cell, _ = read(body, 3, headers={"content-type": "text/event-stream", "content-encoding": "gzip"})
    assert cell.answer == "雪夜" and cell.complete


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><title>Welcome</title></html>", {"content-type": "text/html"}),
        (b"<!doctype html><p>hello", {"content-type": "application/octet-stream"}),
        (b"data: hello\n\n", {"content-type": "text/event-stream"}),
        (b"[1, 2]", {"content-type": "application/json"}),
        (b"", {"content-type": "text/event-stream"}),
    ],
)
def test_an_address_that_is_no_model_server_says_so(body: bytes, headers: dict[str, str]) -> None:
    _, error = read(body, headers=headers)
    assert error is not None
    assert error.fault.kind == "not_an_api" and "base URL" in error.hint
    assert "\n" not in error.message


def test_a_redirect_is_not_followed_with_the_key() -> None:
    _, error = read(b"", status=307, headers={"location": "http://elsewhere.example/v1/chat/completions"})
    assert error is not None and "http://elsewhere.example/v1" in error.message


def test_the_key_goes_into_the_header_and_nowhere_else() -> None:
    async def go() -> None:
        async with Replay(sse(*texts(["c"]), STOP)) as server:
            await _stream(server, Transcript())
            (request,) = server.requests
            assert request.headers["authorization"] == "Bearer k"
            assert json.loads(request.body) == {
                "model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True,
                "stream_options": {"include_usage": True},
            }  # fmt: skip

    asyncio.run(go())


def test_leaving_early_closes_the_connection() -> None:
    async def go() -> None:
        async with Replay(sse(*texts(["c"]), done=False), hold=True) as server:
            pool = Pool()
            provider = Direct("vendor", server.url, pool, OpenAIChat())
            async with aclosing(provider.stream(ASK)) as stream:
                async for event in stream:
                    if type(event).__name__ == "Answer":
                        break
            await asyncio.wait_for(server.disconnected.wait(), 5)
            await pool.aclose()

    asyncio.run(go())


def _recordings() -> list[Any]:
    index = SHARED / "recordings" / "index.json"
    if not index.exists():
        return [pytest.param(None, None, marks=pytest.mark.skip(reason="no recordings beside this checkout"))]
    found = json.loads(index.read_text("utf-8"))
    return [pytest.param(name, entry, id=name) for name, entry in found.items() if entry["dialect"] == "openai"]


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(("name", "entry"), _recordings())
def test_recorded_streams(name: str, entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "recordings" / entry["file"]).read_bytes()
    kind = "text/event-stream" if entry["status"] == 200 else "application/json"
    cell, error = read(body, slice, status=entry["status"], headers={"content-type": kind})
    if entry["status"] != 200:
        assert error is not None
        said = json.loads(body)["error"]
        assert said["message"].split("'")[0] in error.message
        assert f"vendor {entry['status']}" in error.message and error.hint and "\n" not in error.message
        return
    expected = entry["expected"]
    for text, name_ in ((cell.thinking, "thinking"), (cell.answer, "answer")):
        assert len(text) == expected[f"{name_}_chars"]
        assert hashlib.sha256(text.encode()).hexdigest() == expected[f"{name_}_sha256"]
    assert error is None and cell.complete
    assert cell.finish_reason == expected["finish_reason"]
    assert (cell.usage.raw if cell.usage else None) == expected["usage"]


def _samples() -> list[Any]:
    index = SHARED / "sse_samples" / "expected.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no stream samples beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(entry, id=entry["file"]) for entry in entries if entry["dialect"] == "openai-chat"]


KINDS = {"raw": "raw", "raw-inline": "raw", "raw-inline-noopen": "raw", "raw-harmony": "raw", "hidden": "hidden",
         "summary+encrypted": "summary", "summary-inline": "summary", "none": "none"}  # fmt: skip


@pytest.mark.parametrize("slice", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize("entry", _samples())
def test_stream_samples(entry: dict[str, Any], slice: int | None) -> None:
    body = (SHARED / "sse_samples" / entry["file"]).read_bytes()
    cell, error = read(body, slice)
    assert (cell.thinking, cell.answer) == (entry["thinking"].strip(), entry["answer"].strip())
    assert cell.trace == (KINDS[entry["trace"]] if cell.thinking or entry["trace"] == "hidden" else "none")
    if entry["error"]:
        assert error is not None and entry["error"]["message"] in error.message
        assert error.reason == entry["finish"]
        return
    assert error is None
    assert (cell.finish_reason, cell.complete) == (entry["finish"], entry["complete"])
    if entry["usage"] is None:
        assert cell.usage is None
        return
    found = cell.usage
    assert found is not None
    wanted = entry["usage"]
    assert (found.input, found.output, found.billed) == (
        wanted["prompt"],
        wanted["completion"],
        wanted["billed_output"],
    )
    assert (found.thinking, found.cached) == (wanted["reasoning"], wanted["cached"])
