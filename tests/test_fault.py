"""Why a request failed: each vendor's way of saying it, as one line with what to do next."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import Fault, FaultKind, ProviderError
from promptlab.providers.fault import from_response, from_stream, no_json, not_a_stream, one_line, parse_error
from promptlab.providers.http import Pool

SHARED = Path(__file__).resolve().parents[2] / "shared"

QUOTA = "You exceeded your current quota, please check your plan and billing details."
OPENAI = {"type": "invalid_request_error", "param": None}
Case = tuple[int, dict[str, str], Any, FaultKind, bool, float | None, str]
SAMPLES: dict[str, Case] = {  # status, headers, body, kind, may pass, seconds to wait, the vendor's words
    "wrong key": (401, {}, {"error": {"message": "Incorrect API key", "code": "invalid_request_error"}}, "auth", False,
                  None, "Incorrect API key"),
    "not allowed": (403, {}, {"error": {"message": "Country not supported"}}, "auth", False, None, "Country"),
    "no money": (402, {}, {"error": {"message": "Insufficient Balance", "code": "invalid_request_error"}}, "no_credit",
                 False, None, "Insufficient Balance"),
    "quota": (429, {}, {"error": {"message": QUOTA, "code": "insufficient_quota"}}, "no_credit", False, None,
              "current quota"),
    "balance exhausted": (429, {}, {"error": {"message": "x", "code": "credit_balance_exhausted"}}, "no_credit", False,
                          None, "x"),
    "rate, seconds": (429, {"Retry-After": "11"}, {"error": {"message": "slow"}}, "rate_limit", True, 11.0, "slow"),
    "rate, milliseconds win": (429, {"retry-after": "2", "retry-after-ms": "1840"}, {"error": {"message": "slow"}},
                               "rate_limit", True, 1.84, "slow"),
    "rate, a date": (429, {"date": "Sun, 22 Nov 2026 01:20:00 GMT", "retry-after": "Sun, 22 Nov 2026 01:21:30 GMT"},
                     {"error": {"message": "slow"}}, "rate_limit", True, 90.0, "slow"),
    "rate, a date that is past": (429, {"date": "Sun, 22 Nov 2026 01:20:00 GMT",
                                        "retry-after": "Sun, 22 Nov 2026 01:19:00 GMT"},
                                  {"error": {"message": "slow"}}, "rate_limit", True, 0.0, "slow"),
    "rate, no number": (429, {"retry-after": "soon"}, {"error": {"message": "slow"}}, "rate_limit", True, None, "slow"),
    "rate, for ever": (429, {"retry-after": "inf"}, {"error": {"message": "slow"}}, "rate_limit", True, None, "slow"),
    "rate, negative": (429, {"retry-after": "-5"}, {"error": {"message": "slow"}}, "rate_limit", True, 0.0, "slow"),
    "Gemini in a list": (429, {}, [{"error": {"code": 429, "message": QUOTA, "status": "RESOURCE_EXHAUSTED",
                                              "details": [{"retryDelay": "37s"}]}}], "rate_limit", True, 37.0, "quota"),
    "OpenRouter's reason inside": (429, {"retry-after": "20"},
                                   {"error": {"code": 429, "message": "Provider returned error",
                                              "metadata": {"raw": "rate limited upstream"}}}, "rate_limit", True, 20.0,
                                   "Provider returned error: rate limited upstream"),
    "overloaded": (529, {}, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
                   "overloaded", True, None, "Overloaded"),
    "unavailable": (503, {}, {"error": {"message": "try later"}}, "overloaded", True, None, "try later"),
    "loading": (503, {}, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, "loading",
                True, None, "Loading model"),
    "no channel": (503, {}, {"error": {"message": "No available channel for model m", "code": "model_not_found"}},
                   "model_missing", False, None, "No available channel"),
    "Ollama's text": (404, {}, {"error": "model 'm' not found"}, "model_missing", False, None, "model 'm' not found"),
    "no such path": (404, {}, {"detail": "Not Found"}, "not_an_api", False, None, "Not Found"),
    "context": (400, {}, {"error": {"message": "too long", "type": "exceed_context_size_error"}}, "context_overflow",
                False, None, "too long"),
    "moderation": (403, {}, {"error": {"message": "Your input was flagged"}}, "moderation", False, None, "flagged"),
    "temperature": (400, {}, {"error": {**OPENAI, "message": "Unsupported value: 'temperature' does not support 0.2",
                              "param": "temperature", "code": "unsupported_value"}}, "param_rejected", False, None,
                    "does not support 0.2"),
    "time-out there": (408, {}, {"error": {"message": "timed out"}}, "timeout", True, None, "timed out"),
    "another 4xx": (422, {}, {"message": "bad"}, "bad_request", False, None, "bad"),
    "500": (500, {}, {"error": {"message": "oops"}}, "server", True, None, "oops"),
    "501": (501, {}, {"error": {"message": "not implemented"}}, "server", False, None, "not implemented"),
    "no JSON": (500, {}, "plain words", "server", True, None, "plain words"),
    "nothing": (500, {}, "", "server", True, None, "no message"),
    "a gateway's page": (502, {"content-type": "text/html"}, "<html><title>502 Bad\nGateway</title></html>", "server",
                         True, None, "502 Bad Gateway"),
    "a page": (404, {"content-type": "text/html"}, "<!doctype html><h1>nginx</h1>", "not_an_api", False, None, "nginx"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_each_answer_that_is_an_error_gets_its_kind(name: str) -> None:
    status, headers, body, kind, retryable, delay, words = SAMPLES[name]
    raw = body if isinstance(body, str) else json.dumps(body)
    fault = from_response(
        "vendor", status, headers, raw.encode(), model="m", key_name="VENDOR_KEY", base_url="http://h/v1"
    )
    assert (fault.kind, fault.retryable, fault.retry_after) == (kind, retryable, delay)
    assert fault.status == status and words in fault.message
    check_line(fault, status)


def check_line(fault: Fault, status: int | None) -> None:
    line = fault.line()
    assert line.startswith("vendor") and "\n" not in line and len(line) < 400
    assert status is None or f"vendor {status}: " in line
    assert fault.hint and "\n" not in fault.hint


def test_hints_name_the_variable_the_model_the_parameter_and_the_wait() -> None:
    def hint(status: int, message: str, **headers: str) -> str:
        body = json.dumps({"error": {"message": message}}).encode()
        return from_response("vendor", status, headers, body, model="m-1", key_name="VENDOR_KEY").hint

    assert "VENDOR_KEY" in hint(401, "no")
    assert "m-1" in hint(404, "no such model")
    assert "temperature" in hint(400, "`temperature` is deprecated for this model.")
    assert "20 s" in hint(429, "slow", **{"retry-after": "20"})


def test_the_refused_parameter_is_named() -> None:
    for message, param in (
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("`top_p` may only be set to 1 when thinking is enabled.", "top_p"),
        ("seed: Extra inputs are not permitted", "seed"),
        ("invalid presence_penalty: only 0 is allowed", "presence_penalty"),
        ('"gemma3:1b" does not support thinking', "think"),
    ):
        fault = from_response("vendor", 400, {}, json.dumps({"error": {"message": message}}).encode())
        assert (fault.kind, fault.param) == ("param_rejected", param)


def test_a_body_that_echoes_the_key_is_shown_without_it() -> None:
    key = "sk-planted-0123456789"
    for body in (json.dumps({"error": {"message": f"bad key {key}", "code": key}}), f"<html>{key}</html>", f"no {key}"):
        fault = from_response("vendor", 401, {}, body.encode(), key=key, key_name="VENDOR_KEY")
        assert key not in repr(fault)
    assert key not in repr(from_stream("vendor", {"message": f"bad key {key}", "code": key}, key=key))


@pytest.mark.parametrize(
    ("error", "kind", "status", "retryable"),
    [
        ({"message": "Overloaded", "type": "overloaded_error"}, "overloaded", None, True),
        ({"message": "died", "code": 502}, "server", 502, True),
        ({"message": "died", "code": "429"}, "rate_limit", 429, True),
        ({"message": "died", "code": "²"}, "server", None, True),
        ({"message": "died", "code": "9" * 5000}, "server", None, True),
        ("just text", "server", None, True),
        ({"no": "message"}, "server", None, True),
        (["a"], "server", None, True),
    ],
)
def test_an_error_in_the_stream(error: object, kind: str, status: int | None, retryable: bool) -> None:
    fault = from_stream("vendor", error)
    assert (fault.kind, fault.status, fault.retryable) == (kind, status, retryable)
    check_line(fault, status)


def test_a_long_message_is_cut_to_one_line() -> None:
    fault = from_response("vendor", 500, {}, json.dumps({"error": {"message": "a\n\tb " * 1000}}).encode())
    assert fault.message.startswith("a b a b") and fault.message.endswith("…")
    assert one_line(" a \r\n b\u2028c ") == "a b c"


@settings(deadline=None)
@given(st.integers(400, 599), st.binary(max_size=60) | st.text(max_size=40).map(str.encode), st.text(max_size=10))
def test_any_body_is_a_fault_of_one_line(status: int, body: bytes, header: str) -> None:
    fault = from_response("vendor", status, {"retry-after": header, "date": header}, body)
    check_line(fault, status)


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["error", "message", "code", "type", "param", "metadata", "raw", "status",
                                         "detail"]),
                        inner, max_size=4), max_leaves=10))  # fmt: skip
def test_any_json_is_a_fault_of_one_line(body: object) -> None:
    check_line(from_response("vendor", 400, {}, json.dumps(body).encode()), 400)
    check_line(from_stream("vendor", body), from_stream("vendor", body).status)


def test_json_nested_without_end_is_a_fault_too() -> None:
    assert parse_error("[" * 100_000) is None
    assert from_response("vendor", 500, {}, b"[" * 100_000).kind == "server"


@pytest.mark.parametrize("depth", [9, 90, 900, 9000])
@pytest.mark.parametrize("name", ["error", "message", "code", "param", "metadata"])
def test_an_error_nested_without_end_is_a_fault_too(name: str, depth: int) -> None:
    """Such values can be read where the stack is short, and not be written where it is not."""
    deep: Any = "x"
    for level in range(depth):
        deep = [deep] if level % 2 else {"message": deep}
    error = deep if name == "error" else {"message": "died", name: deep}
    check_line(from_stream("vendor", error), None)
    check_line(from_stream("vendor", error, status=429), 429)
    nest = b'{"message":' * depth + b"1" + b"}" * depth
    body = b'{"error":%s}' % (nest if name == "error" else b'{"message":"died","%s":%s}' % (name.encode(), nest))
    check_line(from_response("vendor", 400, {}, body), 400)


def test_a_status_that_the_type_of_an_error_stands_for_is_not_shown_as_the_answers() -> None:
    told = from_stream("vendor", {"message": "slow"}, status=429)
    meant = from_stream("vendor", {"message": "slow"}, meant=429)
    assert (told.kind, told.status, told.retryable) == ("rate_limit", 429, True)
    assert (meant.kind, meant.status, meant.retryable) == ("rate_limit", None, True)


def test_a_message_that_is_no_json_is_shown_without_the_key() -> None:
    found = no_json("vendor", b"<p>sk-secret-123\n" + b"x" * 9000, "look there", key="sk-secret-123")
    assert (found.kind, found.hint, found.status) == ("not_an_api", "look there", None)
    assert "no JSON: <p>[the key] xxx" in found.message and len(found.message) < 110
    assert no_json("vendor", b"\xff").hint == "is the base URL right? most end in /v1"


def test_no_stream_names_address_and_type() -> None:
    fault = not_a_stream("vendor", 200, "text/plain", "hello", "http://h/v1")
    assert fault.kind == "not_an_api" and "http://h/v1 answered with text/plain: hello" in fault.message
    assert "base URL" in fault.hint


# Connections, for real.


async def _post(url: str) -> Fault:
    pool = Pool(connect_timeout=5)
    try:
        async with pool.post("vendor", url, b"{}", {}):
            raise AssertionError("it answered")
    except ProviderError as error:
        return error.fault
    finally:
        await pool.aclose()


async def _meet(server: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], scheme: str) -> Fault:
    """What a request to a server of that behaviour fails with."""
    async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
        return await _post(f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1")


def post(url: str) -> Fault:
    return asyncio.run(_post(url))


def test_a_refused_connection() -> None:
    with socket.socket() as held:  # bound and not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        fault = post(f"{address}/chat/completions")
    assert (fault.kind, fault.retryable, fault.status) == ("connection_refused", False, None)
    assert fault.line() == f"vendor: nothing listens at {address}" and "--base-url" in fault.hint


def test_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    fault = post("http://no-such-host.invalid/v1/chat/completions")
    assert fault.kind == "connection" and not fault.retryable
    assert "http://no-such-host.invalid/v1" in fault.message
    check_line(fault, None)


def test_tls_spoken_to_a_plain_port() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    fault = asyncio.run(_meet(refuse, "https"))
    assert fault.kind == "connection" and "TLS failed at https://127.0.0.1" in fault.message
    assert "https" in fault.hint
    check_line(fault, None)


def test_a_server_that_hangs_up_before_a_word_may_be_tried_again() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    fault = asyncio.run(_meet(hang_up, "http"))
    assert (fault.kind, fault.retryable) == ("connection", True)
    check_line(fault, None)


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:99999/v1", "http://[::1/v1", "http://user:secret@[x/v1"])
def test_an_address_that_is_none(url: str) -> None:
    fault = post(url)
    assert fault.kind == "bad_request" and "secret" not in fault.line()
    check_line(fault, None)


# What vendors really sent, and what their pages say.


def _bodies() -> list[Any]:
    file = SHARED / "sse_samples" / "error_bodies.json"
    if not file.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no error bodies beside this checkout"))]
    entries = json.loads(file.read_text("utf-8"))
    return [
        pytest.param(entry, id=f"{entry['vendor']}-{entry['status']}-{entry['kind']}")
        for entry in entries
        if entry["status"]
    ]


def said(body: Any) -> str:
    error = (body[0] if isinstance(body, list) else body)["error"]
    return str(error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize("entry", _bodies())
def test_vendors_error_bodies(entry: dict[str, Any]) -> None:
    body = entry["body"] if isinstance(entry["body"], str) else json.dumps(entry["body"])
    fault = from_response("vendor", entry["status"], entry["headers"], body.encode(), model="m", key_name="VENDOR_KEY")
    assert (fault.kind, fault.retryable) == (entry["kind"], entry["retry"])
    assert fault.param == entry["param"] if "param" in entry else True
    assert one_line(said(entry["body"])) in fault.line()
    headers = entry["headers"]
    if "retry-after-ms" in headers:
        assert fault.retry_after == int(headers["retry-after-ms"]) / 1000
    elif "retry-after" in headers:
        assert fault.retry_after == int(headers["retry-after"])
    elif "retryDelay" in body:
        assert fault.retry_after == 37
    check_line(fault, entry["status"])


def _recordings() -> list[Any]:
    index = SHARED / "recordings" / "index.json"
    if not index.exists():
        return [pytest.param("", {}, marks=pytest.mark.skip(reason="no recordings beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(name, entry, id=name) for name, entry in entries.items() if entry["status"] != 200]


KINDS = {
    "error_openai_o1_mini_system_role": "param_rejected",
    "error_openai_model_not_found": "model_missing",
    "error_openrouter_429": "rate_limit",
    "error_anthropic_not_found": "model_missing",
}


@pytest.mark.parametrize(("name", "entry"), _recordings())
def test_recorded_errors(name: str, entry: dict[str, Any]) -> None:
    body = (SHARED / "recordings" / entry["file"]).read_bytes()
    headers = {key: values[0] for key, values in entry["headers"].items()}
    fault = from_response("vendor", entry["status"], headers, body, model=entry["request"]["model"])
    assert fault.kind == KINDS[name] and fault.retryable == (name == "error_openrouter_429")
    assert said(json.loads(body)) in fault.line()
    check_line(fault, entry["status"])
