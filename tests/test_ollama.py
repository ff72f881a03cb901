"""Ollama's own chat API over real HTTP: thinking, the time to load, ends, errors, and what is sent."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import Fault, ProviderError
from promptlab.events import Accepted, Answer, Event, Finished, Loaded, Served, Stamped, Thinking, Usage, pack
from promptlab.knowledge import Judge, Judged, as_asked
from promptlab.params import PARAMETERS, Value
from promptlab.providers import usage as usages
from promptlab.providers.direct import Call, Dialect, Direct, Fold
from promptlab.providers.http import Pool
from promptlab.providers.ollama import Ollama, OllamaFold, native
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request
from promptlab.transcript import Transcript
from tests.replay import JSON, Replay

SHARED = Path(__file__).resolve().parents[2] / "shared"
SLICES = (1, 7, None)
NDJSON = {"content-type": "application/x-ndjson"}
KEY = "ollama-planted-Qm7xZ2vLr9"
ASK = Request("m", (Message("user", "hi"),))
COUNTS = {"total_duration": 2_918_374_625, "load_duration": 1_500_000_000, "prompt_eval_count": 23,
          "prompt_eval_duration": 104_332_000, "eval_count": 35, "eval_duration": 711_000_000}  # fmt: skip


class Read:
    """One served body, read: the events, their transcript, and the error that ended it, if one did."""

    def __init__(
        self, body: bytes, slice: int | None = None, *, dialect: Dialect | None = None, request: Request = ASK,
        headers: dict[str, str] = NDJSON, **reply: Any,
    ) -> None:  # fmt: skip
        self.events: list[Event] = []
        self.cell = Transcript()
        self.error: ProviderError | None = None
        asyncio.run(self._go(body, slice, dialect or Ollama(), request, {"headers": headers, **reply}))

    async def _go(
        self, body: bytes, slice: int | None, dialect: Dialect, request: Request, reply: dict[str, Any]
    ) -> None:
        pool = Pool()
        async with Replay(body, slice=slice, **reply) as server:
            provider = Direct("vendor", server.url, pool, dialect, key=KEY, key_name="OLLAMA_API_KEY")
            try:
                async with aclosing(provider.stream(request)) as stream:
                    async for event in stream:
                        self.events.append(event)
                        self.cell.apply(float(len(self.events)), event)
            except ProviderError as error:
                self.error = error
            finally:
                await pool.aclose()

    def of(self, *kinds: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


def lines(*chunks: dict[str, Any] | str) -> bytes:
    """A stream as Ollama sends it."""
    rows = (chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False) for chunk in chunks)
    return "".join(f"{row}\n" for row in rows).encode()


def says(content: str = "", thinking: str | None = None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content} | ({} if thinking is None else {"thinking": thinking})
    return {"model": "m:4b", "created_at": "2026-11-22T01:17:33.1Z", "message": message, "done": False} | more


def ended(reason: str | None = "stop", /, **more: Any) -> dict[str, Any]:
    return says(done=True) | ({} if reason is None else {"done_reason": reason}) | more


END = ended()


# -- thinking and answer -----------------------------------------------------------------------------------------

SAMPLES: dict[str, tuple[bytes, str, str, str]] = {  # body, thinking, answer, kind of trace
    "no thinking": (lines(says("There "), says("are"), END), "", "There are", "none"),
    "thinking": (lines(says(thinking="a "), says(thinking="b"), says("c"), END), "a b", "c", "raw"),
    "thinking and answer in one line": (lines(says("c", "a"), END), "a", "c", "raw"),
    "thinking after the answer began": (lines(says(thinking="a"), says("c"), says("d", "b"), END), "ab", "cd", "raw"),
    "all in the last line": (lines(ended() | {"message": {"content": "c", "thinking": "a"}}), "a", "c", "raw"),
    "tags, from an older server": (
        lines(says("<th"), says("ink>\na"), says(" < b\n</thi"), says("nk>\n\nc")) + lines(END), "a < b", "c", "raw",
    ),
    "a closing tag alone": (lines(says("a\n</think>\n\n"), says("c"), END), "a", "c", "raw"),
    "thinking, then a tag as text": (
        lines(says(thinking="a"), says("<think>no</think>"), END), "a", "<think>no</think>", "raw",
    ),
    "Chinese": (lines(says(thinking="想"), says("千山"), says("鸟飞绝"), END), "想", "千山鸟飞绝", "raw"),
    "Chinese in escapes": (lines(json.dumps(says("雪夜", "想")), END), "想", "雪夜", "raw"),
    "a character in two halves": (
        b'{"message":{"content":"\\ud83d"},"done":false}\n{"message":{"content":"\\ude00!"},"done":false}\n'
        + lines(END), "", "😀!", "none",
    ),
    "half a character": (b'{"message":{"content":"a\\ude00b"},"done":false}\n' + lines(END), "", "a\ufffdb", "none"),
    "CRLF, empty lines and no last line end": (
        lines(says("c"), "", "", END).replace(b"\n", b"\r\n").rstrip(), "", "c", "none",
    ),
    "null in place of a text": (
        b'{"message":{"content":null,"thinking":"a"}}\n{"message":{"content":"c","thinking":null}}\n' + lines(END),
        "a", "c", "raw",
    ),
}  # fmt: skip


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize("name", SAMPLES)
def test_thinking_and_answer_are_told_apart(name: str, slice: int | None) -> None:
    body, thinking, answer, trace = SAMPLES[name]
    found = Read(body, slice)
    assert found.error is None
    assert (found.cell.thinking, found.cell.answer, found.cell.trace) == (thinking, answer, trace)
    assert found.cell.complete and found.cell.finish_reason == "stop"


def test_the_mode_of_tags_is_the_callers() -> None:
    assert Read(lines(says("<think>a</think>c"), END), dialect=Ollama(tags="off")).cell.answer == "<think>a</think>c"
    opened = Read(lines(says("a</think>c"), END), dialect=Ollama(tags="assume-open")).cell
    assert (opened.thinking, opened.answer) == ("a", "c")


def test_the_events_come_in_the_order_of_the_stream() -> None:
    found = Read(lines(says(thinking="a"), says("c"), ended(**COUNTS)))
    assert [type(event) for event in found.events] == [Accepted, Served, Thinking, Answer, Loaded, Usage, Finished]


def test_a_model_of_the_cloud_is_named_with_its_host() -> None:
    remote = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"}
    assert Read(lines(says("c", **remote), END)).of(Served) == [Served("gpt-oss:120b", "https://ollama.com:443")]
    assert Read(lines(says("c"), END)).of(Served) == [Served("m:4b")]


# -- counts, durations, ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("slice", SLICES)
def test_counts_and_durations_are_kept(slice: int | None) -> None:
    found = Read(lines(says("c"), ended(**COUNTS)), slice)
    assert found.of(Usage) == [Usage(23, 35, billed=35, raw=COUNTS)]
    assert found.of(Loaded) == [Loaded(1.5)] and found.cell.loading == 1.5


@pytest.mark.parametrize("duration", [0, 1, 50_000_000, -5, "9000000000", 9e9, True, None, 2**63])
def test_what_is_no_time_to_load_is_not_told(duration: Any) -> None:
    found = Read(lines(says("c"), ended(load_duration=duration)))
    assert found.of(Loaded) == [] and found.error is None and found.cell.complete


def test_counts_that_are_not_said_are_not_invented() -> None:
    assert Read(lines(says("c"), END)).cell.usage is None
    assert usages.ollama({"eval_count": 3, "load_duration": 7}) == Usage(
        None, 3, billed=3, raw={"eval_count": 3, "load_duration": 7}
    )
    assert usages.ollama({"eval_count": "3", "prompt_eval_count": -1, "message": {}, "done": True}) == Usage()


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(
    ("last", "reason", "complete"),
    [
        (END, "stop", True),
        (ended("length"), "length", True),
        (ended("load"), "load", False),  # the model was loaded, and asked nothing
        (ended("unload"), "unload", False),
        (ended(None), None, True),  # older servers give no reason
        (ended("aborted"), "aborted", False),
        (says(), None, False),
        (says(done="true", done_reason="stop"), None, False),
    ],
)
def test_the_end_is_done_and_its_reason(
    last: dict[str, Any], reason: str | None, complete: bool, slice: int | None
) -> None:
    found = Read(lines(says("c"), last), slice)
    assert found.error is None
    assert (found.cell.answer, found.cell.finish_reason, found.cell.complete) == ("c", reason, complete)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("short", range(1, 9))
def test_a_stream_without_its_end_is_not_complete(cut: bool, short: int) -> None:
    last = json.dumps(says("雪夜"), ensure_ascii=False).encode()
    body = lines(says("千山"), says("鸟飞绝")) + last[: last.index("雪".encode()) + short]
    found = Read(body, cut_after=len(body) if cut else None)
    assert found.error is None and found.cell.answer == "千山鸟飞绝"
    assert (found.cell.complete, found.cell.finish_reason, found.cell.state) == (False, None, "incomplete")


def test_a_stream_that_breaks_before_the_first_word_may_be_tried_again() -> None:
    body = lines(says())
    found = Read(body, cut_after=len(body))
    assert found.error is not None and found.error.fault.retryable and found.error.fault.kind == "connection"


def test_a_server_that_does_not_stream_is_read_whole() -> None:
    body = json.dumps(ended(**COUNTS) | {"message": {"role": "assistant", "content": "c", "thinking": "a"}})
    found = Read(body.encode(), headers=dict(JSON))
    assert found.error is None and found.of(Loaded, Usage) == [Loaded(1.5), Usage(23, 35, billed=35, raw=COUNTS)]
    assert (found.cell.thinking, found.cell.answer, found.cell.complete) == ("a", "c", True)


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slice", SLICES)
@pytest.mark.parametrize(
    ("last", "kind", "status", "hint"),
    [
        ({"error": "an error was encountered while running the model"}, "server", None, "try again"),
        ({"error": "the prompt is too long", "status": 400}, "context_overflow", 400, "shorten"),
        ({"error": "slow down", "status": 429}, "rate_limit", 429, "try again"),
        ({"error": "unauthorized", "status": 401}, "auth", 401, "OLLAMA_API_KEY"),
        ({"error": "model 'm' not found"}, "model_missing", None, "ollama pull m"),
        ({"error": {"message": "engine died", "code": 500}}, "server", 500, "try again"),
        ({"error": '"m" does not support thinking', "status": 400}, "param_rejected", 400, "leave out think"),
        ({"error": "engine died", "status": "400"}, "server", None, "try again"),
        (says(error="engine died", done=True), "server", None, "try again"),
    ],
)
def test_an_error_in_the_stream_keeps_what_came_before(
    last: dict[str, Any], kind: str, status: int | None, hint: str, slice: int | None
) -> None:
    found = Read(lines(says("There"), last, says(" more"), END), slice)
    assert found.cell.answer == "There" and found.error is not None
    fault = found.error.fault
    assert (fault.kind, fault.status) == (kind, status) and hint in fault.hint and "\n" not in found.error.message
    assert found.of(Finished) == []


@pytest.mark.parametrize(
    ("status", "text", "kind", "param"),
    [
        (404, 'model "qwen3:4b" not found, try pulling it first', "model_missing", None),
        (404, "model 'qwen3:4b' not found", "model_missing", None),
        (400, '"gemma3:1b" does not support thinking', "param_rejected", "think"),
        (400, 'option "top_k" must be of type integer', "bad_request", None),
        (401, "unauthorized", "auth", None),
        (503, "server busy, please try again.  maximum pending requests exceeded", "overloaded", None),
        (500, "model requires more system memory (9.1 GiB) than is available (7.5 GiB)", "server", None),
    ],
)
def test_refused_requests(status: int, text: str, kind: str, param: str | None) -> None:
    found = Read(json.dumps({"error": text}).encode(), status=status, headers=dict(JSON))
    assert found.error is not None and found.events == []
    fault = found.error.fault
    assert (fault.kind, fault.param, fault.status) == (kind, param, status)
    assert " ".join(text.split()) in fault.message and fault.hint


def test_a_model_that_is_missing_can_be_pulled() -> None:
    missing = Fault("model_missing", "model 'x:1b' not found", "check the name", "ollama", 404)
    assert Ollama().explain(missing, "x:1b").hint == "ollama pull x:1b"
    assert Ollama().explain(missing, "") == missing
    other = Fault("auth", "no", "check the key", "ollama", 401)
    assert Ollama().explain(other, "x") == other
    assert "/v1" in Ollama().explain(Fault("not_an_api", "404 page not found", "most end in /v1"), "x").hint


def _error_bodies() -> list[Any]:
    index = SHARED / "sse_samples" / "error_bodies.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no error bodies beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(e, id=f"{n}-{e['kind']}") for n, e in enumerate(entries) if e["vendor"] == "ollama"]


@pytest.mark.parametrize("entry", _error_bodies())
def test_refused_requests_as_they_were_seen(entry: dict[str, Any]) -> None:
    found = Read(json.dumps(entry["body"]).encode(), status=entry["status"], headers={**JSON, **entry["headers"]})
    assert found.error is not None
    fault = found.error.fault
    assert (fault.kind, fault.retryable, fault.param) == (entry["kind"], entry["retry"], entry.get("param"))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html><title>Welcome</title></html>", {"content-type": "text/html"}),
        (b"Ollama is running", {"content-type": "text/plain"}),
        (b"data: hello\n\n", {"content-type": "text/event-stream"}),
        (b"[1, 2]\n", {"content-type": "application/json"}),
        (b"", NDJSON),
        (b'{"choices":[{"delta":{"content":"hi"}}]}\n', NDJSON),
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
        lines(says("c"), {"error": f"Bearer {KEY} is not known"}),
        lines({"error": {"message": KEY, "code": KEY, "param": KEY}, "status": 401}),
        b"not json " + KEY.encode() + b"\n",
        lines({"hello": KEY}),
    ],
)
def test_a_key_that_is_echoed_is_masked(body: bytes, slice: int | None) -> None:
    found = Read(body, slice)
    assert found.error is not None and KEY not in repr(found.error.fault) + found.error.message


# -- what is sent ------------------------------------------------------------------------------------------------

TABLE: dict[str, tuple[Value, dict[str, Value]]] = {  # what is asked, and its piece of the body
    "temperature": (0.7, {"options": {"temperature": 0.7}}),
    "top_p": (0.9, {"options": {"top_p": 0.9}}),
    "top_k": (40, {"options": {"top_k": 40}}),
    "min_p": (0.05, {"options": {"min_p": 0.05}}),
    "presence_penalty": (-0.5, {"options": {"presence_penalty": -0.5}}),
    "frequency_penalty": (0.5, {"options": {"frequency_penalty": 0.5}}),
    "repeat_penalty": (1.1, {"options": {"repeat_penalty": 1.1}}),
    "seed": (7, {"options": {"seed": 7}}),
    "max_tokens": (300, {"options": {"num_predict": 300}}),
    "stop": (["END", "终"], {"options": {"stop": ["END", "终"]}}),
    "effort": ("high", {"think": "high"}),
    "thinking_budget": (2048, {"options": {"thinking_budget": 2048}}),
    "schema": ({"type": "object"}, {"format": {"type": "object"}}),
    "top_logprobs": (5, {"logprobs": True, "top_logprobs": 5}),
}
BARE: dict[str, Value] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def sent(
    request: Request, dialect: Dialect | None = None, judge: Judge = as_asked, key: str | None = None
) -> tuple[dict[str, Any], dict[str, str], str]:
    """The body, the headers and the path of a request as the server got it."""

    async def go() -> tuple[dict[str, Any], dict[str, str], str]:
        pool = Pool()
        async with Replay(lines(says("c"), END), headers=NDJSON) as server:
            provider = Direct("vendor", native(server.url + "/v1"), pool, dialect or Ollama(), key=key, judge=judge)
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
    body, _, path = sent(Request("m", ASK.messages, asked))
    options = [piece["options"] for _, piece in TABLE.values() if "options" in piece]
    together = {key: value for one in options if isinstance(one, dict) for key, value in one.items()}
    beside: dict[str, Value] = {"think": "high", "format": {"type": "object"}, "logprobs": True, "top_logprobs": 5}
    assert len(together) == len(TABLE) - 3
    assert body == {**BARE, "options": together, **beside} and path == "/api/chat"
    assert sent(ASK)[0] == BARE


def test_a_key_goes_out_where_there_is_one_and_no_placeholder_else() -> None:
    assert sent(ASK, key=KEY)[1]["authorization"] == f"Bearer {KEY}"
    _, headers, _ = sent(ASK)
    assert "authorization" not in headers and headers["accept"] == "application/x-ndjson"


def test_fragments_and_raw_fields_meet_in_the_body() -> None:
    def thinks(request: Request) -> Judged:
        judged = as_asked(request)
        return Judged(judged.send, {"think": True}, judged.sent, judged.verdicts, "on")

    asked: dict[str, Value] = {"seed": 3, "body.options": {"num_ctx": 8192}, "body.keep_alive": "10m"}
    body, _, _ = sent(Request("m", ASK.messages, asked), judge=thinks)
    assert body == {**BARE, "options": {"seed": 3, "num_ctx": 8192}, "think": True, "keep_alive": "10m"}


def test_messages_keep_their_order_and_a_developer_is_the_system() -> None:
    messages = (Message("developer", "甲"), Message("user", "q"), Message("assistant", "a"), Message("system", "乙"))
    body, _, _ = sent(Request("m", messages))
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", "甲"), ("user", "q"), ("assistant", "a"), ("system", "乙"),
    ]  # fmt: skip


def test_an_endpoint_may_rename_and_blame() -> None:
    dialect = Ollama(wire_names={"repeat_penalty": "repetition"})
    assert sent(Request("m", ASK.messages, {"repeat_penalty": 1.2}), dialect)[0]["options"] == {"repetition": 1.2}
    asked: dict[str, Value] = {"effort": "high", "max_tokens": 5, "top_k": 1}
    wire = Direct("v", "http://127.0.0.1:9", Pool(), Ollama()).wire(Request("m", ASK.messages, asked))
    blamed = [wire.blamed(param, "") for param in ("think", "options.num_predict", "top_k", "model")]
    assert blamed == ["effort", "max_tokens", "top_k", None]


@pytest.mark.parametrize(
    ("given_url", "wanted"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("http://localhost:11434/v1", "http://localhost:11434"),
        ("http://localhost:11434/v1/", "http://localhost:11434"),
        ("http://box:11434/api", "http://box:11434"),
        ("http://box:11434/api/chat", "http://box:11434"),
        ("https://gate.example/ollama/v1", "https://gate.example/ollama"),
        ("https://ollama.com", "https://ollama.com"),
        ("", ""),
    ],
)
def test_the_address_of_the_openai_layer_will_do(given_url: str, wanted: str) -> None:
    assert native(given_url) == wanted


# -- hostile streams ---------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6)
NAMES = st.sampled_from(
    ["model", "message", "content", "thinking", "done", "done_reason", "error", "status", "load_duration", "role",
     "eval_count", "prompt_eval_count", "total_duration", "remote_model", "remote_host", "tool_calls"]
)  # fmt: skip
SHAPES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=20
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
@given(st.lists(st.dictionaries(NAMES, SHAPES, max_size=8) | SHAPES, max_size=8), SHAPES)
def test_no_shape_of_json_breaks_the_reader(shapes: list[Any], rest: Any) -> None:
    fold = OllamaFold(Call("vendor", "m", KEY))
    events = drain(fold, [json.dumps(shape).encode() for shape in shapes], json.dumps(rest).encode())
    for found in events:
        json.dumps(pack(Stamped(0, 0.0, found)))  # the store can hold it
        if isinstance(found, (Answer, Thinking)):
            assert found.text and found.text.encode("utf-8")  # no lone surrogate


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.binary(max_size=40))
def test_no_bytes_break_the_reader(parts: list[bytes], rest: bytes) -> None:
    drain(OllamaFold(Call("vendor", "m")), parts, rest)


@pytest.mark.parametrize("depth", [9, 90, 900, 9000, 200_000])
def test_deep_nesting_is_refused_or_left_out(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for template in ('{"error":{"message":%s},"status":400}', '{"error":%s}', '{"message":{"content":%s}}',
                     '{"done":true,"eval_count":%s}', '{"message":%s,"done":true}'):  # fmt: skip
        for found in drain(OllamaFold(Call("vendor", "m")), [template.replace("%s", deep).encode()]):
            json.dumps(pack(Stamped(0, 0.0, found)))


def test_an_endless_line_is_refused() -> None:
    found = Read(b'{"message":{"content":"' + b"x" * (17 * 1024 * 1024))
    assert found.error is not None and found.error.fault.kind == "not_an_api" and "16 MB" in found.error.message


# -- the samples -------------------------------------------------------------------------------------------------


def _samples() -> list[Any]:
    index = SHARED / "sse_samples" / "expected.json"
    if not index.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no stream samples beside this checkout"))]
    entries = json.loads(index.read_text("utf-8"))
    return [pytest.param(entry, id=entry["file"]) for entry in entries if entry["file"].startswith("ollama_")]


@pytest.mark.parametrize("slice", [1, 2, 3, 7, 64, None])
@pytest.mark.parametrize("entry", _samples())
def test_both_of_ollamas_apis_say_the_same(entry: dict[str, Any], slice: int | None) -> None:
    """The sample of the OpenAI layer is of the same answer: what is read does not depend on the road."""
    own = entry["dialect"] == "ollama"
    dialect, kind = (Ollama(), NDJSON) if own else (OpenAIChat(), {"content-type": "text/event-stream"})
    found = Read((SHARED / "sse_samples" / entry["file"]).read_bytes(), slice, dialect=dialect, headers=kind)
    cell, wanted = found.cell, entry["usage"]
    assert found.error is None
    assert (cell.thinking, cell.answer, cell.trace) == (entry["thinking"], entry["answer"], entry["trace"])
    assert (cell.finish_reason, cell.complete) == (entry["finish"], entry["complete"])
    assert cell.usage is not None
    assert (cell.usage.input, cell.usage.output, cell.usage.billed, cell.usage.thinking, cell.usage.cached) == (
        wanted["prompt"], wanted["completion"], wanted["billed_output"], wanted["reasoning"], wanted["cached"],
    )  # fmt: skip
    assert found.of(Loaded) == ([Loaded(0.0612735)] if own else [])
