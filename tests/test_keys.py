"""A planted key, and a search of every byte that the command leaves behind: files, stdout, stderr."""

from __future__ import annotations

import json

import pytest

from promptlab.providers.fault import HIDDEN
from tests.command import Done, Lab, Servers
from tests.replay import EVENT_STREAM, JSON, Replay
from tests.test_cli import ANSWER
from tests.test_openai_chat import STOP, delta, sse, texts

KEY = "sk-planted/Qm7xZ2vLr9+Tn4wKc8sJd5hFb3gYp6aUe1oI0=="
OTHERS = {"OPENAI_API_KEY": "sk-other-3f9e1c77aa", "ANTHROPIC_API_KEY": "sk-ant-5b2d8e4410", "DEEPSEEK_API_KEY":
          "sk-deep-91c04be2d7"}  # fmt: skip
SECRETS = [KEY, KEY[:14], KEY[-14:], *OTHERS.values()]
PLAIN = {"content-type": "text/plain"}

# Endpoints that give back what they were sent, in every place from which an error is made.
ECHOES: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "message": (401, json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}."}}).encode(), dict(JSON)),
    "slashes": (401, b'{"error": {"message": "bad %s"}}' % KEY.replace("/", "\\/").encode(), dict(JSON)),
    "fields": (400, json.dumps({"error": {"message": "m", "code": KEY, "param": KEY}}).encode(), dict(JSON)),
    "border": (403, json.dumps({"error": "x" * 270 + KEY}).encode(), dict(JSON)),
    "text": (500, b"y" * 280 + KEY.encode(), {**PLAIN, "retry-after-ms": "1"}),
    "page": (404, f"<title>{'z' * 60} no such key {KEY}</title>".encode(), {"content-type": "text/html"}),
    "fine_page": (200, f"<title>Hello {KEY}</title>".encode(), {"content-type": "text/html"}),
    "moved": (307, b"", {"location": f"http://elsewhere.example/{KEY}?key={KEY}"}),
    "instream": (200, sse(*texts(["a"]), {"error": {"message": f"key {KEY} ran dry"}}), dict(EVENT_STREAM)),
    "nojson": (200, f"data: {'w' * 40}{KEY}\n\n".encode(), dict(EVENT_STREAM)),
    "nostream": (200, f"data: {KEY}".encode(), dict(EVENT_STREAM)),
}  # fmt: skip
UNTOUCHED = sse(delta(role="assistant"), *texts(["fine"]), STOP)


@pytest.fixture
def keyed(lab: Lab, serve: Servers) -> tuple[Lab, dict[str, Replay]]:
    servers = {"good": serve(ANSWER)}
    servers |= {name: serve(body, headers, status=status) for name, (status, body, headers) in ECHOES.items()}
    lines = [f"  {name}: {{base_url: '{server.url}/v1', key: VENDOR_API_KEY}}" for name, server in servers.items()]
    (lab.home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")
    lab.environment.update({"VENDOR_API_KEY": KEY, **OTHERS})
    return lab, servers


def search(lab: Lab, *ended: Done) -> None:
    """Fail where any secret, or a telling part of one, stands in a file or in what was written."""
    places = {str(path): path.read_bytes() for path in lab.home.rglob("*") if path.is_file()}
    for number, done in enumerate(ended):
        places |= {f"stdout {number}": done.raw_out, f"stderr {number}": done.raw_err}
        assert "Traceback" not in done.err
    found = [(place, secret) for place, raw in places.items() for secret in SECRETS if secret.encode() in raw]
    escaped = [place for place, raw in places.items() if KEY.replace("/", "\\/").encode() in raw]
    assert not found and not escaped


def test_a_planted_key_is_sent_and_found_nowhere(keyed: tuple[Lab, dict[str, Replay]]) -> None:
    lab, servers = keyed
    targets = [word for name in ("good", *ECHOES) for word in ("-m", f"{name}/x")]
    text = lab("ask", "hi", "-u", *targets)
    assert text.code == 3
    assert HIDDEN in text.err and "Incorrect API key provided: [the key]." in text.err
    asked = ("ask", "hi", *targets, "--dry-run")
    views = lab.each(("show",), ("show", "--format", "json"), ("show", "--format", "md"))
    dry = lab.each(asked, (*asked, "--format", "json"))
    assert all(done.code == 0 for done in (*views, *dry))
    assert "Authorization: Bearer $VENDOR_API_KEY" in dry[0].out
    panes = lab.on_terminal("rerun", columns=120, rows=40)
    assert panes.code == 3
    search(lab, text, *views, *dry, panes)
    for name, server in servers.items():
        assert server.requests, name
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
        assert not any(other.encode() in request.body for request in server.requests for other in SECRETS)


def test_an_address_on_the_spot_gets_nobody_s_key(lab: Lab, serve: Servers) -> None:
    server = serve(UNTOUCHED)
    lab.environment.update({"VENDOR_API_KEY": KEY, **OTHERS})
    url = f"{server.url}/v1"
    bare = lab("ask", "hi", "-m", "openai/x", "-m", "deepseek/y", "--base-url", url)
    own = lab("ask", "hi", "-m", "openai/x", "--base-url", url, "--key-env", "VENDOR_API_KEY")
    assert bare.code == own.code == 0
    *first, last = (request.headers["authorization"] for request in server.requests)
    assert first == ["Bearer none", "Bearer none"] and last == f"Bearer {KEY}"
    search(lab, bare, own)


@pytest.mark.parametrize(
    "words",
    [("--base-url", f"http://user:{KEY}@127.0.0.1:9/v1"), ("--base-url", f"http://127.0.0.1:9/v1?key={KEY}"),
     ("--key-env", KEY)],
)  # fmt: skip
def test_a_key_given_where_none_belongs_is_refused_and_not_repeated(lab: Lab, words: tuple[str, ...]) -> None:
    done = lab("ask", "hi", "-m", "openai/x", *words)
    assert done.code == 2 and len(done.err.splitlines()) == 2
    search(lab, done)
