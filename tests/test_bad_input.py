"""What people get wrong: each gives one clear line and what to do, the right exit code, and loses nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.command import Done, Lab, Servers
from tests.replay import JSON, Replay
from tests.test_cli import ANSWER, at

HTML = {"content-type": "text/html; charset=utf-8"}
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


def said(done: Done, code: int) -> tuple[str, str]:
    """The line and the hint, where there is nothing but these two."""
    assert done.code == code, done.err
    assert "Traceback" not in done.err and done.out == ""
    lines = done.err.splitlines()
    assert len(lines) == 2, done.err
    line, hint = lines
    assert hint.lstrip().startswith("→ ") and len(hint) > 6
    return line.removeprefix("promptlab: "), hint.lstrip()[2:]


def _nothing(home: Path) -> None:
    pass


def _write(name: str, text: str | bytes) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


X = ("-m", "openai/x")
# What is prepared, the arguments after `ask`, and words of the line and of the hint.
WRONG: dict[str, tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...], str]] = {
    "unknown endpoint": (_nothing, ("hi", "-m", "opnai/x"), ("unknown endpoint 'opnai'",), "did you mean 'openai'?"),
    "no endpoint like it": (_nothing, ("hi", "-m", "zzqqjj/x"), ("unknown endpoint 'zzqqjj'",), "--base-url http"),
    "no slash": (_nothing, ("hi", "-m", "zzqqjj"), ("'zzqqjj' is no target",), "ENDPOINT/MODEL"),
    "no model file": (_nothing, ("hi", "-m", "local:/no/m.gguf"), ("no model file /no/m.gguf",), "local:/path"),
    "a path too long": (_nothing, ("hi", "-m", f"local:{'a' * 300}.gguf"), ("no model file",), "local:/path"),
    "unknown profile": (_nothing, ("hi", *X, "-p", "quatrian"), ("no profile 'quatrian'",), "did you mean 'quatrain'?"),
    "no profile file": (_nothing, ("hi", *X, "-p", "~nobody/p.yaml"), ("no profile file",), "check the path"),
    "unknown variable": (
        _nothing, (*X, "-p", "quatrain", "--var", "subjct=ice"), ("no variable 'subjct'",), "did you mean 'subject'?",
    ),
    "unknown key in a profile": (
        _write("p.yaml", "goal: x\n\nrulez:\n  - y\n"), ("hi", *X, "-p", "p.yaml"),
        ("p.yaml, line 3", "unknown key 'rulez'"), "did you mean 'rules'?",
    ),
    "unknown parameter in a profile": (
        _write("p.yaml", "goal: x\nparameters:\n  temprature: 1\n"), ("hi", *X, "-p", "p.yaml"),
        ("p.yaml, line 3", "'temprature'"), "did you mean 'temperature'?",
    ),
    "billion laughs": (
        _write("p.yaml", LAUGHS + "goal: *h\n"), ("hi", *X, "-p", "p.yaml"), ("p.yaml, line", "aliases"), "write it",
    ),
    "a tag of Python's": (
        _write("p.yaml", "goal: !!python/object/apply:os.system ['touch owned']\n"), ("hi", *X, "-p", "p.yaml"),
        ("p.yaml, line 1", "tag", "refused"), "plain values",
    ),
    "no YAML": (_write("p.yaml", "goal: 'x\n"), ("hi", *X, "-p", "p.yaml"), ("p.yaml, line",), "quotes"),
    "a binary profile": (_write("p.yaml", b"goal: \x00x"), ("hi", *X, "-p", "p.yaml"), ("p.yaml", "binary"), "text"),
    "unknown key in config.yaml": (
        _write("config.yaml", "endpoints:\n  a:\n    base_ulr: http://h/v1\n"), ("hi", *X),
        ("config.yaml, line 3", "unknown key 'base_ulr'"), "did you mean 'base_url'?",
    ),
    "a key where its name belongs": (
        _write("config.yaml", "endpoints:\n  a: {base_url: 'http://h/v1', key: sk-1234}\n"), ("hi", *X),
        ("config.yaml, line 2", "the name of an environment variable is wanted"), "export",
    ),
    "unknown parameter": (
        _nothing, ("hi", *X, "-o", "temprature=1"), ("unknown parameter 'temprature'",), "did you mean 'temperature'?",
    ),
    "unknown parameter of a target": (
        _nothing, ("hi", "-m", "openai/x?topp=1"), ("unknown parameter 'topp'",), "did you mean 'top_p'?",
    ),
    "unknown option": (_nothing, ("hi", *X, "--temprature", "1"), ("--temprature", "--temperature"), "ask --help"),
    "out of range": (_nothing, ("hi", *X, "-t", "9"), ("temperature: '9' is not a number from 0 to 5",), "randomness"),
    "no number": (_nothing, ("hi", *X, "--seed", "x"), ("seed: 'x' is not a whole number",), "sampler"),
    "given twice": (_nothing, ("hi", *X, "-t", "1", "-t", "2"), ("temperature is given twice",), "temperature=1,2"),
    "no such file": (_nothing, ("hi", *X, "-f", "gone.txt"), ("gone.txt can't be read: No such file",), "path"),
    "~ of nobody": (_nothing, ("hi", *X, "-f", "~nobody/x"), ("~nobody/x can't be read",), "path"),
    "a folder": (_nothing, ("hi", *X, "-f", "."), (". is a folder",), "file"),
    "a binary file": (_write("x.bin", b"PK\x03\x04\x00\x00"), ("hi", *X, "-f", "x.bin"), ("x.bin is binary",), "text"),
    "a file of another encoding": (
        _write("x.txt", "江雪".encode("gb18030")), ("hi", *X, "-f", "x.txt"), ("x.txt is not UTF-8",), "iconv -f GB",
    ),
    "no base URL": (_nothing, ("hi", "-m", "x", "--base-url", "http://[::1/v1"), ("is no base URL",), "http://HOST"),
    "no port": (_nothing, ("hi", "-m", "x", "--base-url", "http://h:99999/v1"), ("is no base URL",), "http://HOST"),
    "nothing to send": (_nothing, X, ("there is nothing to send",), "promptlab ask"),
    "no such format": (_nothing, ("hi", *X, "--format", "jsno"), ("--format: 'jsno'",), "did you mean 'json'?"),
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Done]]:
    """Every wrong command, carried out in a home of its own; several at once, since each is mostly a start."""

    def go(name: str, lab: Lab) -> tuple[Path, Done]:
        prepare, arguments, *_ = WRONG[name]
        prepare(lab.home)
        return lab.home, lab("ask", *arguments)

    # pytest's factory is not safe for threads: two first calls at once make two base folders, and refuse both.
    labs = [Lab(tmp_path_factory.mktemp("home")) for _ in WRONG]
    with ThreadPoolExecutor(2) as threads:
        return dict(zip(WRONG, threads.map(go, WRONG, labs), strict=True))


@pytest.mark.parametrize("name", WRONG)
def test_what_is_asked_for_is_not_there(refused: dict[str, tuple[Path, Done]], name: str) -> None:
    home, done = refused[name]
    _, _, words, hint = WRONG[name]
    line, advice = said(done, 2)
    assert all(word in line for word in words), line
    assert hint in advice
    assert not (home / "promptlab.db").exists() and not (home / "owned").exists()


@pytest.mark.parametrize(
    ("raw", "word"), [(b"\x89PNG\x00\x01", "stdin is binary"), ("江雪".encode("gb18030"), "stdin is not UTF-8")]
)
def test_stdin_that_is_no_text(lab: Lab, serve: Servers, raw: bytes, word: str) -> None:
    server = serve(ANSWER)
    line, hint = said(lab("ask", "hi", *X, *at(server), stdin=raw), 2)
    assert line.startswith(word) and ("iconv" in hint or "convert" in hint)
    assert server.requests == []


def test_a_prompt_that_is_no_text(lab: Lab) -> None:
    line, _ = said(lab("ask", b"\xe9t\xe9", *X), 2)
    assert line == "the prompt is not valid UTF-8 text"


@pytest.mark.parametrize(("value", "why"), [(None, "is not set"), ("sk-a\nb", "holds a line break")])
def test_a_missing_key_is_named_and_the_run_is_kept(lab: Lab, serve: Servers, value: str | None, why: str) -> None:
    server = serve(ANSWER)
    config = f"endpoints:\n  vendor: {{base_url: '{server.url}/v1', key: VENDOR_API_KEY}}\n"
    (lab.home / "config.yaml").write_text(config, "utf-8")
    env = {"VENDOR_API_KEY": value} if value else {}
    line, hint = said(lab("ask", "hi", "-m", "vendor/x", env=env), 1)
    assert line.startswith("vendor: no key: the variable VENDOR_API_KEY") and why in line
    assert "export VENDOR_API_KEY" in hint
    assert server.requests == []
    (cell,) = lab.shown()["cells"]
    assert cell["state"] == "failed" and cell["error"]["kind"] == "auth"


def test_a_refused_connection(lab: Lab) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        line, hint = said(lab("ask", "hi", *X, "--base-url", url), 1)
    assert line == f"openai: nothing listens at {url}" and "--base-url" in hint


def _error(message: str, **more: str) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


ONCE = {**JSON, "retry-after-ms": "1"}  # the engine tries again, at once
REFUSALS: dict[str, tuple[int, bytes, dict[str, str], str, str]] = {
    "a web page": (200, b"<html><title>Welcome to nginx!</title></html>", HTML, "Welcome to nginx!", "base URL"),
    "401": (401, _error("Incorrect API key"), {**JSON}, "openai 401: Incorrect API key", "key"),
    "402": (402, _error("Insufficient Balance"), {**JSON}, "openai 402: Insufficient Balance", "top up"),
    "404 of a model": (404, _error("The model `x` does not exist"), {**JSON}, "openai 404: The model", "name 'x'"),
    "404 of a page": (404, b"<h1>Not Found</h1>", HTML, "openai 404:", "most end in /v1"),
    "429": (429, _error("Rate limit reached"), ONCE, "openai 429: Rate limit reached", "try again"),
    "500": (500, _error("The server\nhad an error"), ONCE, "openai 500: The server had an error", "try again later"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_endpoint_refuses(lab: Lab, serve: Servers, name: str) -> None:
    status, body, headers, words, advice = REFUSALS[name]
    server = serve(body, headers, status=status)
    done = lab("ask", "hi", *X, *at(server))
    retried = status in (429, 500)
    if retried:
        *before, line, hint = done.err.splitlines()
        assert len(before) == 3 and all("retrying after: " + words in earlier for earlier in before)
        assert len(server.requests) == 4
        done = Done(done.code, done.raw_out, f"{line}\n{hint}\n".encode())
    line, hint = said(done, 1)
    assert words in line and advice in hint
    (cell,) = lab.shown()["cells"]
    assert cell["state"] == "failed" and cell["error"]["message"] in line and cell["error"]["hint"] == hint
    assert (cell["error"]["status"], len(cell["retries"])) == (status, 3 if retried else 0)


def test_half_a_character_in_an_error_is_kept_and_shown(lab: Lab, serve: Servers) -> None:
    body = rb'{"error": {"message": "bad \ud83d thing", "code": "\udc00"}}'
    line, _ = said(lab("ask", "hi", *X, *at(serve(body, JSON, status=400))), 1)
    assert line == "openai 400: bad \ufffd thing"
    assert lab.shown()["cells"][0]["state"] == "failed"


def test_one_failure_takes_no_answer_down(lab: Lab, serve: Servers) -> None:
    good, bad = serve(ANSWER), serve.serve(Replay(_error("no"), status=401, headers=JSON))
    config = f"endpoints:\n  good: {{base_url: '{good.url}'}}\n  bad: {{base_url: '{bad.url}'}}\n"
    (lab.home / "config.yaml").write_text(config, "utf-8")
    done = lab("ask", "hi", "-m", "bad/x", "-m", "good/x", "-q")
    assert (done.code, done.out) == (3, "=== bad/x ===\n\n=== good/x ===\nSnow falls 雪\n")
    assert done.err.splitlines() == ["[bad/x] bad 401: no", "[bad/x] → check the key of this endpoint"]
