"""Server-sent events cut anywhere; and addresses and proxies without their secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab.errors import ProviderError
from promptlab.events import Answer, Event, Failed, Finished, Stamped, Thinking, pack, unpack
from promptlab.providers.direct import Call
from promptlab.providers.http import COMMENT, LONGEST_EVENT, EventDecoder, base, proxy_for
from promptlab.providers.openai_chunks import ChunkFold


def decode(*parts: bytes) -> tuple[list[bytes | None], bytes]:
    decoder = EventDecoder()
    return [event for part in parts for event in decoder.feed(part)], decoder.rest


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r.", [b"a", b"b"]),
        (b"data: a\r\n\ndata: b\n\r\n", [b"a", b"b"]),
        (b"data: a\n\r\n\rdata: b\r\n\r.", [b"a", b"b"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": ping\n\n: pong\ndata: a\n\n", [COMMENT, COMMENT, b"a"]),
        (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\n\xef\xbb\xbfdata: a\n\n", []),
        ("data: 雪\n\n".encode(), ["雪".encode()]),
        (b"event: ping\n\n", []),
    ],
)
def test_events_are_found_whatever_the_line_ends_and_cuts(stream: bytes, events: list[bytes | None]) -> None:
    assert decode(stream)[0] == events
    assert decode(*(stream[i : i + 1] for i in range(len(stream))))[0] == events
    for place in range(len(stream)):
        assert decode(stream[:place], b"", stream[place:])[0] == events


@pytest.mark.parametrize(
    ("stream", "rest"),
    [(b"data: a", b"a"), (b"data: a\n", b"a"), (b"data: a\r", b"a"), (b"data: a\ndata: b", b"a\nb"),
     (b"data: a\n\n", b""), (b": ping", b""), (b"", b""), (b"data: a\n\ndata: [DO", b"[DO")],
)  # fmt: skip
def test_an_unfinished_event_is_kept(stream: bytes, rest: bytes) -> None:
    assert decode(stream)[1] == rest == decode(*(bytes([byte]) for byte in stream))[1]


BITS = st.lists(
    st.sampled_from([b"data: ", b"data:", b"x", b"\xe9", b"\n", b"\r", b"\r\n", b"\n\n", b": c", b"\xef\xbb\xbf",
                     b"event: e", b"\xef", b"\xbb", b"data"]),
    max_size=20,
).map(b"".join)  # fmt: skip


@settings(deadline=None)
@given(BITS, st.lists(st.integers(1, 5), max_size=40))
@example(b"\n\xef\xbb\xbfdata: x\n\n", [1])
def test_any_cut_gives_the_same_events(stream: bytes, sizes: list[int]) -> None:
    parts, place = [], 0
    for size in sizes:
        parts.append(stream[place : place + size])
        place += size
    assert decode(*parts, stream[place:]) == decode(stream)


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(blacklist_characters="\r\n", codec="utf-8")), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_was_sent_arrives(texts: list[str], end: str) -> None:
    stream = "".join(f"data: {text}{end}{end}" for text in texts).encode() + b":"
    assert decode(stream)[0] == [text.encode() for text in texts]


@pytest.mark.parametrize("part", [b"x" * 65536, b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 4096])
def test_an_endless_line_and_an_endless_event_are_refused(part: bytes) -> None:
    decoder = EventDecoder()
    with pytest.raises(ProviderError) as caught:
        for _ in range(LONGEST_EVENT // len(part) * 2 + 2):
            decoder.feed(part)
    assert caught.value.fault.kind == "not_an_api"


def test_a_long_stream_of_short_events_is_not() -> None:
    decoder, part = EventDecoder(), b"data: " + b"x" * 65536 + b"\n\n"
    assert sum(len(decoder.feed(part)) for _ in range(LONGEST_EVENT // 65536 + 2)) == LONGEST_EVENT // 65536 + 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@host:8000/v1/chat/completions", "http://host:8000/v1"),
        ("https://host/v1?key=secret#secret", "https://host/v1"),
        ("https://secret@host/v1", "https://host/v1"),
        ("http://a:sec@ret@host/v1", "http://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[secret", "an address that can't be read"),
        ("/v2?secret", "/v2"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert base(url) == shown


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme.upper()}_PROXY", raising=False)
    return monkeypatch


def test_proxies_come_from_the_environment_and_never_for_this_machine(no_proxies: pytest.MonkeyPatch) -> None:
    assert proxy_for("v", "https://api.example/v1") is None
    no_proxies.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    no_proxies.setenv("HTTP_PROXY", "http://plain.example:3128")
    assert proxy_for("v", "https://api.example/v1") == "http://proxy.example:3128"
    assert proxy_for("v", "http://api.example/v1") == "http://plain.example:3128"
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        assert proxy_for("v", f"http://{host}/v1") is None
    no_proxies.setenv("NO_PROXY", ".example")
    assert proxy_for("v", "https://api.example/v1") is None


def test_all_proxy_stands_in_and_socks_is_refused_without_its_secret(no_proxies: pytest.MonkeyPatch) -> None:
    no_proxies.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert proxy_for("v", "https://api.example/v1") == "http://proxy.example:3128"
    no_proxies.setenv("ALL_PROXY", "socks5://user:secret@proxy.example:1080")
    with pytest.raises(ProviderError) as caught:
        proxy_for("v", "https://api.example/v1")
    assert "SOCKS" in caught.value.message and "HTTPS_PROXY" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["\ud83d", "\x00", "<think>", 10**400, -(2**70), 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["text", "type", "thinking", "message", "code", "google", "thought", "usage",
                         "reasoning_tokens", "total_cost", "metadata", "raw"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
TYPED = st.sampled_from(["thinking", "text", "reasoning.encrypted", "reasoning.summary"])
BLOCKS = st.lists(
    st.fixed_dictionaries({}, optional={"type": TYPED | JSON, "thinking": JSON, "text": JSON}), max_size=2
)
DELTA = st.fixed_dictionaries({}, optional={
    "content": st.text(max_size=5) | BLOCKS | JSON, "reasoning_content": JSON, "reasoning": JSON,
    "reasoning_details": BLOCKS | JSON, "refusal": JSON, "extra_content": JSON,
})  # fmt: skip
USAGE = st.dictionaries(
    st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "cost", "prompt_tokens_details",
                     "completion_tokens_details", "cached_tokens"]), JSON)  # fmt: skip
CHUNK = st.fixed_dictionaries({}, optional={
    "model": JSON, "provider": JSON, "system_fingerprint": JSON, "usage": USAGE | JSON, "x_groq": JSON, "error": JSON,
    "choices": st.lists(st.fixed_dictionaries({}, optional={
        "delta": DELTA | JSON, "message": DELTA, "finish_reason": JSON, "usage": USAGE | JSON,
    }) | JSON, max_size=2) | JSON,
})  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(CHUNK | JSON, max_size=4))
def test_any_json_is_events_or_a_provider_error_and_can_be_stored(chunks: list[object]) -> None:
    """What a broken or hostile server sends is a failure of its cell, and never an exception of ours."""
    fold = ChunkFold(Call("vendor", "m"))
    events: list[Event] = []
    try:
        for chunk in chunks:
            events += fold.take(json.dumps(chunk).encode())
        events += fold.end(b"", "http://h/v1")
        if fold.error:
            raise fold.error
    except ProviderError as error:
        assert "\n" not in error.fault.message
        events.append(Failed(error.fault))
    for event in events:
        packed = json.loads(json.dumps(pack(Stamped(0, 1.0, event))))
        assert type(unpack(0, packed).event) is type(event)
    assert sum(isinstance(event, (Finished, Failed)) for event in events) == 1


@pytest.mark.parametrize("last", [b"[DONE]", b'{"error": {"message": "went away"}}'])
def test_nothing_comes_after_an_end_or_an_error(last: bytes) -> None:
    fold = ChunkFold(Call("vendor", "m"))
    words, late = (b'{"choices": [{"delta": {"content": "%s"}}]}' % text for text in (b"in time", b"too late"))
    events = fold.take(words) + fold.take(last) + fold.take(late) + fold.take(b"no JSON")
    events += fold.end(late, "http://h/v1")
    assert "".join(event.text for event in events if isinstance(event, Answer)) == "in time"
    assert fold.done != bool(fold.error)


def test_a_half_character_keeps_its_place() -> None:
    fold = ChunkFold(Call("vendor", "m"))
    halves = ({"reasoning_content": "so \ud83d"}, {"content": "a\ud83d"}, {"content": "b"}, {"content": "é"},
              {"refusal": "no\ude00"}, {"content": [{"type": "text", "text": "c\ud83d"}]},
              {"content": [{"type": "thinking", "thinking": "d\ude00"}, {"type": "text", "text": "\ude00"}]},
              )  # fmt: skip
    events = [event for delta in halves for event in fold.take(json.dumps({"choices": [{"delta": delta}]}).encode())]
    events += fold.end(b"", "http://h/v1")
    said = {kind: "".join(e.text for e in events if isinstance(e, kind)) for kind in (Thinking, Answer)}
    assert said == {Thinking: "so \ufffdd\ufffd", Answer: "a\ufffdbéno\ufffdc😀"}


@pytest.mark.parametrize("place", ["%s", '{"choices": %s}', '{"usage": {"a": %s}, "choices": []}', '{"error": %s}'])
@pytest.mark.parametrize("depth", [300, 100_000])
def test_json_nested_without_end_is_no_exception_of_ours(place: str, depth: int) -> None:
    fold = ChunkFold(Call("vendor", "m"))
    try:
        events = fold.take((place % ("[" * depth + "]" * depth)).encode())
        events += fold.end(b"", "http://h/v1")
    except ProviderError:
        return
    for event in events:
        json.dumps(pack(Stamped(0, 1.0, event)))
