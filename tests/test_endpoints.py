"""Endpoints of one's own: real servers on 127.0.0.1 are tried, and config.yaml keeps everything that people wrote."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import keyring.core
import pytest
from keyring.backends import fail

from promptlab import config, document
from promptlab.cli import complain
from promptlab.cli import endpoints as command
from promptlab.cli.address import parse_address
from promptlab.cli.endpoints import Wanted
from promptlab.cli.entries import Uneditable, edit, own_entries, put, take
from promptlab.config import Places
from promptlab.errors import LabError, UsageError
from promptlab.keys import KeyChain
from promptlab.render.wrap import width
from tests.test_discovery import Ollama, Page, Site, dead_url, openai_list, say_nothing, wire
from tests.test_doctor import on_terminal

KEY = "sk-planted-Qm7xZ2vLr9Tn4wKc8sJd5"
VLLM = openai_list({"id": "Qwen/Qwen3-4B", "owned_by": "vllm", "max_model_len": 40960}, {"id": "b", "owned_by": "vllm"})
WRITTEN = """\
# 我的设置。  Kept by hand!
aliases:   {fast: lab/qwen3}

endpoints:
    # 实验室的机器：别动
    lab:
        base_url: "http://127.0.0.1:8000/v1"   # 雪与冰河
        key: LAB_KEY
        # slots: 8

    'home':   {base_url: 'http://localhost:1234/v1', headers: {x-team: "north"}}   # 家里

# what to ask
groups:
  all:
  - lab/qwen3   # the best
  - home/b
"""


@pytest.fixture(autouse=True)
def without_a_keyring() -> Iterator[None]:
    before = keyring.core._keyring_backend
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        keyring.core._keyring_backend = before


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "config", tmp_path / "data", tmp_path / "cache")


def written(places: Places, text: str) -> None:
    places.config.mkdir(parents=True, exist_ok=True)
    places.settings.write_bytes(text.encode())


def chain(places: Places, environ: Mapping[str, str] | None = None) -> KeyChain:
    return KeyChain(places.config / "keys", environ=environ or {})


class Said:
    """What a command has said: its streams, and its exit code as `main` makes it."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture
        self.out = self.err = ""
        self.code = 0

    def __call__(self, call: Callable[[], int]) -> Said:
        self._capture.readouterr()
        try:
            self.code = call()
        except LabError as error:
            complain(error)
            self.code = error.exit_code
        self.out, self.err = self._capture.readouterr()
        return self


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


@pytest.fixture
def add(places: Places, said: Said) -> Callable[..., Said]:
    def run(name: str, url: str, environ: Mapping[str, str] | None = None, patience: float = 5.0, **more: Any) -> Said:
        wanted = Wanted(name, url, **more)
        return said(lambda: command.add(wanted, places, chain(places, environ), patience=patience))

    return run


def entry(places: Places, name: str) -> Any:
    return own_entries(places)[name]


# What is recognised --------------------------------------------------------------------------------------------------


def test_ollama_is_recognised_and_spoken_to_in_its_own_api(places: Places, add: Callable[..., Said]) -> None:
    with Ollama() as site:
        said = add("home", f"localhost:{site.port}/v1/chat/completions")
    assert said.code == 0 and said.out == ""
    assert entry(places, "home") == {
        "base_url": f"http://localhost:{site.port}", "dialect": "ollama", "local": True, "like": "ollama", "slots": 4,
    }  # fmt: skip
    assert "ollama 0.14.2, 4 models: qwen3:4b, gpt-oss:20b" in said.err
    for what in ("http:// put in front", "/chat/completions taken off", "/v1 taken off",
                 "key: the list of models needs none", "dialect: ollama, because", "-m home/qwen3:4b"):  # fmt: skip
        assert what in said.err


def test_ollama_without_a_model_is_ollama_still(places: Places, add: Callable[..., Said]) -> None:
    pages = {"/v1/models": {"object": "list", "data": None}, "/api/tags": {"models": None},
             "/api/version": {"version": "0.14.2"}}  # fmt: skip
    with Site(pages) as site:
        said = add("home", site.url)
    assert (entry(places, "home")["dialect"], said.code) == ("ollama", 0)
    assert "ollama 0.14.2, no models" in said.err


def test_an_imitation_of_ollama_is_not_taken_for_it(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": openai_list({"id": "koboldcpp/x", "owned_by": "koboldcpp"}),
               "/api/extra/version": {"result": "KoboldCpp", "version": "1.119"}, "/api/version": {"version": "0.7.0"},
               "/api/tags": {"models": [{"name": "koboldcpp/x", "size": 1}]}}) as site:  # fmt: skip
        said = add("kobold", site.url)
    assert "dialect" not in entry(places, "kobold") and "koboldcpp 1.119, 1 model:" in said.err


def test_vllm_is_recognised_and_its_ways_are_written_down(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": VLLM, "/version": {"version": "0.14.0"}}) as site:
        said = add("实验室", f":{site.port}")
    assert entry(places, "实验室") == {
        "base_url": f"http://localhost:{site.port}/v1", "local": True, "like": "vllm",
        "wire": {"repeat_penalty": "repetition_penalty"},
    }  # fmt: skip
    assert "vllm 0.14.0, 2 models: Qwen/Qwen3-4B, b\n" in said.err and "/v1 put behind it" in said.err
    endpoint = config.settings(places).endpoints["实验室"]
    assert (endpoint.base_url, endpoint.local) == (f"http://localhost:{site.port}/v1", True)


@pytest.mark.parametrize(
    ("pages", "software"),
    [
        ({"/v1/models": Page(openai_list({"id": "m", "owned_by": "llamacpp"}), headers={"server": "llama.cpp"}),
          "/models": openai_list({"id": "m", "owned_by": "llamacpp"}), "/props": {"build_info": "b7000"}},
         "llama.cpp b7000"),
        ({"/v1/models": openai_list({"id": "m", "owned_by": "organization_owner"}),
          "/api/v1/models": {"models": [{"type": "llm", "key": "m"}]}}, "lmstudio"),
        ({"/v1/models": openai_list({"id": "m"})}, "openai-compatible"),
    ],
)  # fmt: skip
def test_other_software_is_told_by_name(pages: Mapping[str, object], software: str, add: Callable[..., Said]) -> None:
    with Site(pages) as site:
        said = add("lab", site.url)
    assert f"{site.url}/v1: {software}, 1 model: m\n" in said.err
    assert "dialect: openai-chat, because its list of models is OpenAI's" in said.err


def test_an_address_without_v1_that_is_right_stays(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/openai/models": openai_list({"id": "m"})}) as site:
        said = add("lab", f"{site.url}/openai/")
    assert entry(places, "lab")["base_url"] == f"{site.url}/openai" and "corrected" not in said.err


def test_a_path_beside_the_api_leads_to_it(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": openai_list({"id": "m"})}) as site:
        said = add("lab", f"{site.url}/docs")
    assert entry(places, "lab")["base_url"] == f"{site.url}/v1" and "/docs turned into /v1" in said.err


def test_https_where_http_is_spoken_is_corrected(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": VLLM}) as site:
        said = add("lab", f"https://127.0.0.1:{site.port}/v1")
    assert entry(places, "lab")["base_url"] == f"{site.url}/v1"
    assert "https:// turned into http://" in said.err


def test_anthropic_by_its_key_by_its_refusal_and_by_its_path(places: Places, add: Callable[..., Said]) -> None:
    listed = {"data": [{"type": "model", "id": "claude-x", "display_name": "Claude X"}], "has_more": False}
    refusal = {"type": "error", "error": {"type": "authentication_error", "message": "x-api-key header is required"}}
    with Site({"/v1/models": Page(listed, key=("x-api-key", KEY))}) as site:
        said = add("one", site.url, {"MY_KEY": KEY}, key="MY_KEY")
        assert "anthropic, 1 model: claude-x" in said.err and "from the environment, is accepted" in said.err
    with Site({"/v1/models": Page(refusal, 401)}) as site:
        said = add("two", site.url)
        assert "because it refuses in the words of that API" in said.err
        said = add("three", f"{site.url}/v1/messages")
        assert "because the address says so" in said.err
    for name in ("one", "two", "three"):
        assert entry(places, name)["dialect"] == "anthropic"
        assert entry(places, name)["base_url"].count("/") == 2  # the dialect puts /v1 behind it


def test_gemini_by_its_list(places: Places, add: Callable[..., Said]) -> None:
    listed = {"models": [{"name": "models/gemini-x", "supportedGenerationMethods": ["generateContent"]}]}
    with Site({"/v1beta/models": listed}) as site:
        add("one", site.url)
        add("two", f"{site.url}/v1beta/models/gemini-x:streamGenerateContent")
        assert entry(places, "one") == entry(places, "two")
    assert entry(places, "one") == {"base_url": f"{site.url}/v1beta", "dialect": "gemini", "local": True}


def test_a_dialect_that_was_said_is_the_only_one_that_is_tried(places: Places, add: Callable[..., Said]) -> None:
    with Ollama() as site:
        said = add("home", site.url, dialect="openai-chat")
        assert "because you said so" in said.err and {"/api/tags", "/v1/models"} <= set(site.paths)
    assert entry(places, "home")["base_url"] == f"{site.url}/v1" and "dialect" not in entry(places, "home")
    said = add("other", site.url, dialect="openai")
    assert said.code == 2 and "did you mean 'openai-chat'?" in said.err


# Keys ----------------------------------------------------------------------------------------------------------------


def test_what_the_key_is_worth_is_said_and_it_is_written_nowhere(places: Places, add: Callable[..., Said]) -> None:
    guarded = {"/v1/models": Page(VLLM, key=("authorization", f"Bearer {KEY}"))}
    with Site(guarded) as site:
        right = add("right", site.url, {"LAB": KEY}, key="LAB")
        assert "the key LAB, from the environment, is accepted" in right.err
        wrong = add("wrong", site.url, {"LAB": f"{KEY}x"}, key="LAB")
        assert wrong.code == 0 and "is not accepted → promptlab keys set LAB" in wrong.err
        unset = add("unset", site.url, key="LAB")
        assert "LAB is not set → promptlab keys set LAB" in unset.err
        unnamed = add("un-named", site.url)
        assert "one is wanted → promptlab keys set UN_NAMED_API_KEY" in unnamed.err
    with Site({"/v1/models": VLLM}) as site:
        free = add("free", site.url, {"LAB": KEY}, key="LAB")
        assert "was not put to the test" in free.err
    assert [entry(places, name)["key"] for name in ("right", "unset", "un-named")] == ["LAB", "LAB", "UN_NAMED_API_KEY"]
    assert KEY not in places.settings.read_text() + right.err + wrong.err + free.err


def test_a_server_that_echoes_the_key_does_not_show_it(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": openai_list({"id": f"model-{KEY}", "owned_by": "vllm"}),
               "/version": {"version": KEY}}) as site:  # fmt: skip
        said = add("lab", site.url, {"LAB": KEY}, key="LAB")
    assert said.code == 0 and KEY not in said.err + said.out + places.settings.read_text()


def test_no_variable_is_guessed_that_may_hold_somebody_elses_key(places: Places, add: Callable[..., Said]) -> None:
    guarded = {"/v1/models": Page(VLLM, key=("authorization", "Bearer other"))}
    with Site(guarded) as site:
        said = add("OpenAI", site.url)
        assert "name its variable: --key NAME" in said.err and "key" not in entry(places, "OpenAI")
        assert all("authorization" not in seen.headers for seen in site.seen)
        add("实验室", site.url)
        assert "key" not in entry(places, "实验室")


@pytest.mark.parametrize("key", [KEY, "gsk_abcdefgh12345678", "with space", ""])
def test_a_key_in_place_of_its_variable_is_not_repeated(key: str, places: Places, add: Callable[..., Said]) -> None:
    said = add("lab", "http://127.0.0.1:1/v1", key=key or "a b")
    assert said.code == 2 and (not key or key not in said.err) and not places.settings.exists()


def test_the_vendors_own_host_brings_its_key_and_its_ways(places: Places, add: Callable[..., Said]) -> None:
    add("mine", "api.openai.com", tries=False)
    assert entry(places, "mine") == {
        "base_url": "https://api.openai.com/v1", "key": "OPENAI_API_KEY", "like": "openai",
        "wire": {"max_tokens": "max_completion_tokens"},
    }  # fmt: skip
    add("claude", "https://api.anthropic.com/v1/messages", tries=False)
    assert entry(places, "claude") == {"base_url": "https://api.anthropic.com", "key": "ANTHROPIC_API_KEY",
                                       "dialect": "anthropic", "like": "anthropic"}  # fmt: skip
    said = add("plain", "http://api.openai.com", tries=False)
    assert said.code == 2 and "--plain-http" in said.err
    add("plain", "api.openai.com:80", tries=False, plain_http=True)
    assert "key" not in entry(places, "plain")


# Addresses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "scheme", "host", "path"),
    [
        ("localhost:8000", "http", "localhost:8000", ""),
        ("8000", "http", "localhost:8000", ""),
        (":8000/v1/", "http", "localhost:8000", "/v1"),
        ("HTTP://LocalHost:8000/v1", "http", "localhost:8000", "/v1"),
        ("http:/localhost:8000", "http", "localhost:8000", ""),
        ("https//models.example", "https", "models.example", ""),
        ("models.example/api/v1", "https", "models.example", "/api/v1"),
        ("10.0.0.7:8000", "http", "10.0.0.7:8000", ""),
        ("8.8.8.8:8000", "https", "8.8.8.8:8000", ""),
        ("gpu-box:8000", "http", "gpu-box:8000", ""),
        ("http：／／localhost：8000／v1", "http", "localhost:8000", "/v1"),
        ("http://0.0.0.0:8000", "http", "localhost:8000", ""),
        ("http://[::]:8000", "http", "localhost:8000", ""),
        ("::1", "http", "[::1]", ""),
        ("http://[::1]:8000//v1//", "http", "[::1]:8000", "/v1"),
        ("  <https://models.example/v1/chat/completions>  ", "https", "models.example", "/v1"),
        ("https://models.example/v1/completions", "https", "models.example", "/v1"),
        ("https://models.example/v1/responses", "https", "models.example", "/v1"),
        ("https://models.example/v1/models", "https", "models.example", "/v1"),
        ("http://localhost:11434/api/chat", "http", "localhost:11434", ""),
        ("https://例子.cn/v1", "https", "xn--fsqu00a.cn", "/v1"),
    ],
)
def test_an_address_is_read_as_it_was_meant(typed: str, scheme: str, host: str, path: str) -> None:
    address = parse_address(typed)
    assert (address.schemes[0], address.host, address.path) == (scheme, host, path)


@pytest.mark.parametrize(
    "typed",
    ["http://user:password@host/v1", f"http://host/v1?key={KEY}", f"http://host/v1#{KEY}", KEY, f"https://{KEY} x/v1",
     "ftp://host", "wss://host", "http://", "", "   ", "http://host:0/v1", "http://host:99999", "http://[::1/v1",
     "gpubox", "http://ho\x1b[2Jst/v1", "http://host/a\nb", "http://ho\u202est/v1", "http://a..b",
     "http://x" + "y" * 300, f"http://user：{KEY}＠host"],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_anything_is_asked(
    typed: str, places: Places, add: Callable[..., Said]
) -> None:
    said = add("lab", typed)
    assert said.code == 2 and said.err.startswith("promptlab: BASE_URL: ")
    assert KEY not in said.err and "password" not in said.err and "\x1b" not in said.err
    assert not places.settings.exists()


def test_another_machine_is_reached_by_plain_http_only_where_that_is_said(
    places: Places, add: Callable[..., Said]
) -> None:
    said = add("lab", "http://10.255.0.1:8000", tries=False)
    assert said.code == 2 and "everybody on the way reads it" in said.err and "--plain-http" in said.err
    assert not places.settings.exists()
    assert add("lab", "http://10.255.0.1:8000", tries=False, plain_http=True).code == 0
    assert entry(places, "lab") == {"base_url": "http://10.255.0.1:8000/v1", "plain_http": True}


def test_a_key_never_leaves_by_plain_http_unless_that_is_said(
    places: Places, add: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site({"/v1/models": VLLM}) as site:  # it stands for another machine: what is no loopback goes by the proxy
        monkeypatch.setenv("http_proxy", site.url)
        monkeypatch.setenv("https_proxy", dead_url())
        site.pages |= {"http://models.example:80/v1/models": Page(VLLM)}
        said = add("lab", "http://models.example/v1", {"LAB": KEY}, key="LAB")
        assert said.code == 2 and "--plain-http" in said.err and "vllm" in said.err
        assert site.seen and all(KEY not in str(seen.headers) for seen in site.seen)
        said = add("lab", "http://models.example/v1", {"LAB": KEY}, key="LAB", plain_http=True)
        assert said.code == 0 and any(KEY in str(seen.headers) for seen in site.seen)


# What does not answer ------------------------------------------------------------------------------------------------


def test_what_does_not_answer_is_added_only_where_that_is_said(places: Places, add: Callable[..., Said]) -> None:
    url = dead_url()
    said = add("lab", url)
    assert said.code == 1 and "nothing listens there" in said.err and "--no-try" in said.err
    assert "tried: /v1, /, /v1beta by http and https" in said.err and not places.settings.exists()
    assert add("one", url, tries=False).code == 0 and add("two", url, yes=True).code == 0
    assert entry(places, "one") == entry(places, "two") == {"base_url": f"{url}/v1", "local": True}


@pytest.mark.parametrize(
    "page",
    [Page(b"<html>hello", headers={"content-type": "text/html"}), Page({"detail": "Not Found"}, 404), Page([1, 2]),
     Page(b"", 301, {"location": "https://elsewhere.example/?key=" + KEY}), Page(b"\xff" * 10), Page({}, 500)],
)  # fmt: skip
def test_what_answers_but_is_no_model_server_is_told_apart(
    page: Page, places: Places, add: Callable[..., Said]
) -> None:
    with Site({}, missing=page) as site:
        said = add("lab", site.url)
    assert said.code == 1 and not places.settings.exists() and KEY not in said.err


def test_a_silent_server_is_not_waited_for_long(places: Places, add: Callable[..., Said]) -> None:
    with wire(say_nothing) as url:
        began = time.monotonic()
        said = add("lab", url, patience=0.3)
    assert said.code == 1 and "no answer within 0.3 s" in said.err and time.monotonic() - began < 30


def test_a_server_that_still_loads_is_there(places: Places, add: Callable[..., Said]) -> None:
    with Site({"/v1/models": Page({"error": {"message": "Loading model", "code": 503}}, 503)}) as site:
        said = add("lab", f"{site.url}/v1")
    assert said.code == 0 and "it still loads its model" in said.err and entry(places, "lab")["local"]


SCRIPT = """
import sys
from pathlib import Path
from promptlab.cli import complain, endpoints
from promptlab.config import Places
from promptlab.errors import LabError
from promptlab.keys import KeyChain
home = Path({home!r})
try:
    wanted = endpoints.Wanted("lab", {url!r})
    sys.exit(endpoints.add(wanted, Places(home, home, home), KeyChain(home / "keys", environ={{}}), patience=0.4))
except LabError as error:
    complain(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("answer", "code"), [(b"y\r", 0), (b"\r", 1), (b"no\r", 1), (b"\x04", 1)])
def test_on_a_terminal_it_is_asked(answer: bytes, code: int, tmp_path: Path) -> None:
    with wire(say_nothing) as url:
        script = SCRIPT.format(home=str(tmp_path), url=url)
        done = on_terminal(script, {b"[y/N] ": answer}, {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert done.code == code and (tmp_path / "config.yaml").exists() is (code == 0)
    assert f"trying {url}/v1".encode() in done.raw_out and b"all the same?" in done.raw_out


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["local", "custom", "a/b", "a b", "", "-x", "x" * 41, "a\nb", "a: b", "\x1b[2Jx", "a\u202eb", "../x", "#x",
             "{x}", "&x", "*", "x?y=1", "@all"],
)  # fmt: skip
def test_a_name_that_could_not_be_used_is_refused(name: str, places: Places, add: Callable[..., Said]) -> None:
    said = add(name, "http://127.0.0.1:1/v1", tries=False)
    assert said.code == 2 and "can't be an endpoint's name" in said.err and not places.settings.exists()
    assert "\x1b" not in said.err and "\u202e" not in said.err


@pytest.mark.parametrize("name", ["null", "true", "1", "1.5", "0x1f", "2026-11-22", "no", "雪与冰河", "a.b-c_d", "1e3"])
def test_a_name_is_a_name_whatever_yaml_thinks(name: str, places: Places, add: Callable[..., Said]) -> None:
    assert add(name, "http://127.0.0.1:1/v1", tries=False).code == 0
    assert name in config.settings(places).endpoints
    assert command.remove(name, places) == 0 and own_entries(places) == {}


def test_a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced(places: Places, add: Callable[..., Said]) -> None:
    url = "http://127.0.0.1:1/v1"
    for name in ("openai", "ollama", "cohere_chat", "bedrock"):
        said = add(name, url, tries=False)
        assert said.code == 2 and "is known already" in said.err and "--replace" in said.err
    written(places, WRITTEN)
    said = add("home", url, tries=False)
    assert said.code == 2 and "you have an endpoint 'home' already" in said.err
    said = add("home", url, tries=False, replace=True)
    assert said.code == 0 and "with it its headers" in said.err
    old = "    'home':   {base_url: 'http://localhost:1234/v1', headers: {x-team: \"north\"}}   # 家里\n"
    new = f"    home:\n      base_url: {url}\n      local: true\n"
    assert places.settings.read_text() == WRITTEN.replace(old, new)
    add("ollama", url, tries=False, replace=True)
    assert config.settings(places).endpoints["ollama"].base_url == url
    assert command.remove("ollama", places) == 0
    assert config.settings(places).endpoints["ollama"].dialect == "ollama"


# config.yaml ---------------------------------------------------------------------------------------------------------


def test_a_new_file_is_private_and_explains_itself(places: Places, add: Callable[..., Said]) -> None:
    before = os.umask(0)
    try:
        add("lab", "http://127.0.0.1:8000", tries=False)
    finally:
        os.umask(before)
    assert places.settings.read_text() == (
        "# What promptlab knows beside what it is shipped with: your endpoints, aliases and groups.\n"
        "# No key belongs in here: promptlab keys set NAME keeps one.\n\n"
        "endpoints:\n  lab:\n    base_url: http://127.0.0.1:8000/v1\n    local: true\n"
    )
    assert stat.S_IMODE(places.settings.stat().st_mode) == 0o600
    assert [path.name for path in places.config.iterdir()] == ["config.yaml"]


def test_what_people_wrote_stays_to_the_byte(places: Places, add: Callable[..., Said]) -> None:
    written(places, WRITTEN)
    places.settings.chmod(0o640)
    assert add("new", "http://127.0.0.1:1/v1", tries=False).code == 0
    at = WRITTEN.index("\n# what to ask")
    lines = "    new:\n      base_url: http://127.0.0.1:1/v1\n      local: true\n"
    assert places.settings.read_text() == WRITTEN[:at] + lines + WRITTEN[at:]
    assert stat.S_IMODE(places.settings.stat().st_mode) == 0o640
    assert command.remove("new", places) == 0
    assert places.settings.read_text() == WRITTEN


def test_only_the_entry_goes_with_its_own_comments(places: Places, said: Said) -> None:
    written(places, WRITTEN)
    done = said(lambda: command.remove("lab", places))
    first, last = WRITTEN.index("    lab:"), WRITTEN.index("\n    'home'")
    assert places.settings.read_text() == WRITTEN[:first] + WRITTEN[last:]
    assert "still pointing at it: @all, fast" in done.err and "stays: # 实验室的机器：别动" in done.err
    command.remove("home", places)
    text = places.settings.read_text()
    assert own_entries(places) == {} and all(line in text for line in ("# 我的设置", "# what to ask", "# 实验室"))


ENTRY: dict[str, object] = {"base_url": "http://127.0.0.1:1/v1", "key": ["A", "B"], "local": True, "slots": 4,
                            "wire": {"max_tokens": "n"}}  # fmt: skip
TEXTS = {
    "nothing": "",
    "comments": "# only\n\n# comments",
    "marker": "---\naliases: {a: b/c}\n",
    "no endpoints": "aliases: {a: b/c}\n# end",
    "empty": "endpoints:\n# none yet\naliases: {a: b/c}\n",
    "null": "endpoints: ~   # none\naliases: {a: b/c}\n",
    "braces": "endpoints: {}\n",
    "last": "aliases: {a: b/c}\nendpoints:\n  x: {base_url: 'http://localhost:1'}",
    "crlf": "# 雪\r\nendpoints:\r\n  x:\r\n    base_url: http://localhost:1\r\n\r\n# end\r\n",
    "bom": "\ufeffendpoints:\n  x:\n    base_url: http://localhost:1\n",
    "folded": "endpoints:\n  x:\n    base_url: >-\n      http://localhost:1\n\n\n  # about y\n  y:\n    base_url: |-\n"
              "      http://localhost:2\n\n# end\n",
    "quotes": "endpoints:\n  x:\n    base_url: \"http://\\\n      localhost:1\"  # '雪'\n    headers: {a: '#',\n"
              "      b: \"x: y\"}\n",
    "anchors": "endpoints:\n  x: &x\n    base_url: http://localhost:1\n  y: *x\naliases: {a: b/c}\n",
    "tail": "endpoints:\n  x:\n    base_url: http://localhost:1\n    # slots: 2\n  # y:\n  #   base_url: no\n# end\n",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_an_entry_comes_and_goes_in_any_way_to_write(name: str, places: Places) -> None:
    text = TEXTS[name]
    written(places, text)
    before = own_entries(places)
    edit(places, lambda text: put(text, "新", ENTRY), lambda own: own | {"新": ENTRY})
    assert own_entries(places) == before | {"新": ENTRY}
    now = places.settings.read_bytes().decode()
    for line in text.splitlines():
        assert line.replace(" ~", "").replace(" {}", "").strip() in now
    assert now.count("\r\n") in (0, now.count("\n")) and now.startswith("\ufeff") is text.startswith("\ufeff")
    edit(places, lambda text: take(text, "新"), lambda own: {key: own[key] for key in own if key != "新"})
    again = places.settings.read_bytes().decode()
    assert own_entries(places) == before
    if before:
        assert again == text if text.endswith("\n") else again == text + "\n"


def scrawl(random: Random) -> tuple[str, list[str]]:
    """A config as nobody would write it, and the names of its endpoints."""
    indent = " " * random.choice((1, 2, 4, 8))

    def between(inner: str) -> str:
        return random.choice(("", "\n", "  \n\n", f"{inner}# 注释: x\n", "# top\n", f"{inner}  # deeper\n"))

    def value(inner: str) -> str:
        return random.choice((
            " http://x  # c\n", " 'a: b'\n", ' "q#\\u96ea"\n', f" |\n{inner}    lit # none\n\n{inner}    more\n",
            " ~\n", f" a\n{inner}    雪\n",
            f" {{a: 1,\n{inner} b: [2, '}}']}}\n", "\n", f"\n{inner}  # deep\n{inner}  sub: 1\n",
            f" >-\n{inner}  folded\n\n",
        ))  # fmt: skip

    text, names = random.choice(("", "# head\n\n", "---\n")), []
    for section in random.sample(("aliases", "endpoints", "groups"), 3):
        text += between("") + f"{section}:" + random.choice(("", "  # mine", " ")) + "\n"
        for number in range(random.randrange(1, 4) if section == "endpoints" else 0):
            names.append(random.choice((f"n{number}", f"雪{number}")))
            text += between(indent) + f"{indent}{names[-1]}:\n"
            for key in range(random.randrange(1, 4)):
                text += between(f"{indent}  ") + f"{indent}  f{key}:" + value(f"{indent}  ")
    text += between("")
    return (text.replace("\n", "\r\n") if random.random() < 0.2 else text), names


@pytest.mark.parametrize("seed", range(100))
def test_however_it_is_written_nothing_of_it_is_lost(seed: int) -> None:
    random = Random(seed)
    text, names = scrawl(random)
    before = document.parse(text, Path("x")).value
    now = put(text, "new", ENTRY)
    assert document.parse(now, Path("x")).value == before | {"endpoints": before["endpoints"] | {"new": ENTRY}}
    lines = iter(now.splitlines())
    assert all(line in lines for line in text.splitlines())
    assert take(now, "new") == text
    name = random.choice(names)
    left = document.parse(take(text, name), Path("x")).value
    assert (left["endpoints"] or {}) == {key: value for key, value in before["endpoints"].items() if key != name}
    assert {key: value for key, value in left.items() if key != "endpoints"} == {
        key: value for key, value in before.items() if key != "endpoints"
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{endpoints: {x: {base_url: 'http://localhost:1'}}}\n", "written in braces"),
        ("endpoints: {x: {base_url: 'http://localhost:1'}}  # 雪\n", "endpoints are written in braces"),
        ("aliases: {a: b/c}\n...\n# after the end\n", ""),
        ("endpoints:\n  ? x\n  : base_url: http://localhost:1\n  ? y\n  : base_url: http://localhost:1\n", ""),
    ],
)
def test_what_can_not_be_edited_safely_is_left_and_the_yaml_is_printed(
    text: str, reason: str, places: Places, add: Callable[..., Said]
) -> None:
    written(places, text)
    said = add("lab", "http://127.0.0.1:1/v1", tries=False)
    assert said.code == 1 and "can't be edited safely" in said.err and reason in said.err
    assert said.out == "endpoints:\n  lab:\n    base_url: http://127.0.0.1:1/v1\n    local: true\n"
    assert places.settings.read_text() == text and len(list(places.config.iterdir())) == 1


def test_an_entry_that_others_lean_on_is_not_removed(places: Places, said: Said) -> None:
    written(places, TEXTS["anchors"])
    done = said(lambda: command.remove("x", places))
    assert done.code == 1 and "line 2" in done.err and places.settings.read_text() == TEXTS["anchors"]
    assert said(lambda: command.remove("y", places)).code == 0


def test_a_broken_config_is_said_before_anything_is_tried(places: Places, add: Callable[..., Said]) -> None:
    written(places, "endpoints:\n  lab: {base_url: [}\n")
    with Site({"/v1/models": VLLM}) as site:
        said = add("new", site.url)
        assert site.seen == []
    assert said.code == 2 and f"{places.settings}, line 2" in said.err


def test_a_file_that_the_program_would_refuse_never_replaces_the_old_one(places: Places) -> None:
    written(places, WRITTEN)
    bad = {"base_url": "no address"}
    with pytest.raises(Uneditable, match=r"config\.yaml, line"):
        edit(places, lambda text: put(text, "bad", bad), lambda own: own | {"bad": bad})
    with pytest.raises(Uneditable, match="damage"):
        edit(places, lambda text: text.replace("雪", ""), lambda own: own | {"x": {}})
    assert places.settings.read_text() == WRITTEN and len(list(places.config.iterdir())) == 1


def test_a_file_that_changes_meanwhile_is_not_overwritten(places: Places) -> None:
    written(places, WRITTEN)

    def slow(text: str) -> str:
        places.settings.write_text(text + "# by another hand\n")
        return put(text, "new", ENTRY)

    with pytest.raises(Uneditable, match="somebody else"):
        edit(places, slow, lambda own: own | {"new": ENTRY})
    assert places.settings.read_text().endswith("# by another hand\n")


def test_a_link_stays_a_link(places: Places, add: Callable[..., Said], tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "promptlab.yaml"
    real.parent.mkdir()
    real.write_text(WRITTEN)
    places.config.mkdir()
    places.settings.symlink_to(real)
    assert add("new", "http://127.0.0.1:1/v1", tries=False).code == 0
    assert places.settings.is_symlink() and "new:" in real.read_text() and "# 我的设置" in real.read_text()


def test_a_place_that_can_not_be_written_gives_the_yaml_to_paste(tmp_path: Path, said: Said) -> None:
    (tmp_path / "file").write_text("")
    places = Places(tmp_path / "file" / "config", tmp_path, tmp_path)
    wanted = Wanted("lab", "http://127.0.0.1:1", tries=False)
    done = said(lambda: command.add(wanted, places, KeyChain(tmp_path / "keys", environ={})))
    assert done.code == 1 and done.out.startswith("endpoints:\n  lab:") and "Not a directory" in done.err


def test_a_pipe_in_place_of_the_file_is_not_waited_for(places: Places, add: Callable[..., Said]) -> None:
    places.config.mkdir()
    os.mkfifo(places.settings)
    ended = threading.Event()

    def run() -> None:
        add("lab", "http://127.0.0.1:1", tries=False)
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(20)


# list and remove -----------------------------------------------------------------------------------------------------


def test_the_list_has_own_ones_first_and_whether_the_key_is_set(places: Places, said: Said) -> None:
    written(places, WRITTEN)
    keys = chain(places, {"LAB_KEY": KEY, "GOOGLE_API_KEY": KEY})
    done = said(lambda: command.list_endpoints(places, keys))
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["endpoint", "address", "dialect", "key", "set", "whose"]
    assert rows[1] == ["lab", "http://127.0.0.1:8000/v1", "openai-chat", "LAB_KEY", "yes", "yours"]
    assert rows[2] == ["home", "http://localhost:1234/v1", "openai-chat", "-", "-", "yours"]
    by_name = {row[0]: row for row in rows}
    assert by_name["openai"][3:] == ["OPENAI_API_KEY", "no", "shipped"]
    assert by_name["gemini"][3:] == ["GOOGLE_API_KEY", "yes", "shipped"]
    assert KEY not in done.out + done.err


def test_the_list_as_json(places: Places, said: Said) -> None:
    written(places, WRITTEN)
    done = said(lambda: command.list_endpoints(places, chain(places, {"LAB_KEY": KEY}), "json"))
    items = {item["name"]: item for item in json.loads(done.out)}
    assert items["lab"] == {"name": "lab", "base_url": "http://127.0.0.1:8000/v1", "dialect": "openai-chat",
                            "key_names": ["LAB_KEY"], "key_set": True, "key_from": "environment", "local": False,
                            "own": True}  # fmt: skip
    assert items["openai"]["key_set"] is False and items["ollama"]["key_set"] is None
    assert said(lambda: command.list_endpoints(places, chain(places), "yaml")).code == 2


def test_columns_of_chinese_names_line_up(places: Places, said: Said, add: Callable[..., Said]) -> None:
    add("实验室", "http://127.0.0.1:1/v1", tries=False)
    done = said(lambda: command.list_endpoints(places, chain(places)))
    starts = {width(line.partition("http")[0]) for line in done.out.splitlines() if "http" in line}
    assert len(starts) == 1


def test_only_own_endpoints_can_be_removed(places: Places) -> None:
    with pytest.raises(UsageError, match="shipped"):
        command.remove("openai", places)
    written(places, WRITTEN)
    with pytest.raises(UsageError) as error:
        command.remove("hom", places)
    assert "did you mean 'home'?" in error.value.hint and places.settings.read_text() == WRITTEN
