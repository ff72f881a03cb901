"""Servers as they really answer, and as they must not: dead, silent, slow, huge, foreign and hostile ones."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from promptlab.providers import listing
from promptlab.providers.discovery import Server, look, ollama_host, together, usual_local
from promptlab.providers.embedded import EmbeddedServer
from promptlab.providers.listing import Model, NotAList
from promptlab.providers.prices import Entry, Price
from promptlab.providers.probe import Probe
from promptlab.providers.roster import Cache, Wanted, find, known, picked

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers: an object as JSON, or bytes as they are. With a `key`, only to who has it."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(JSON))
    key: tuple[str, str] | None = None  # a header and its value
    wait: threading.Event | None = None  # answered once it is set


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Site:
    """A real HTTP server on 127.0.0.1 with a page for each path, and 404 for the rest; it notes what it was asked."""

    def __init__(self, pages: Mapping[str, Page | object], *, missing: Page | None = None, tls: str = "") -> None:
        self.pages = {path: page if isinstance(page, Page) else Page(page) for path, page in pages.items()}
        self.missing = missing or Page({"error": {"message": "File Not Found", "code": 404}}, 404)
        self.seen: list[Seen] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.seen.append(Seen(self.command, self.path, headers, self.rfile.read(length)))
                page = site.pages.get(self.path.partition("?")[0], site.missing)
                if page.key and headers.get(page.key[0]) != page.key[1]:
                    page = Page({"error": {"message": "Invalid API Key", "code": 401}}, 401, page.headers)
                if page.wait:
                    page.wait.wait(20)
                body = page.body if isinstance(page.body, bytes) else json.dumps(page.body).encode()
                with suppress(OSError):
                    self.send_response_only(page.status)
                    for name, value in {**page.headers, "content-length": str(len(body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def wire(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that does with each connection whatever `speak` does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            speak(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def dead_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def see(*probes: Probe, limit: float = 5.0) -> list[Server]:
    return asyncio.run(look(probes, limit=limit))


def see_one(
    url: str, dialect: str = "openai-chat", *, limit: float = 5.0, local: bool = True, **more: object
) -> Server:
    probe = replace(Probe("lab", url, dialect, local=local), **more)  # type: ignore[arg-type]
    [server] = see(probe, limit=limit)
    return server


def openai_list(*entries: Mapping[str, object]) -> dict[str, object]:
    return {"object": "list", "data": [{"object": "model", **entry} for entry in entries]}


# Ollama --------------------------------------------------------------------------------------------------------------

TAGS = {"models": [
    {"name": "qwen3:4b", "model": "qwen3:4b", "modified_at": "2026-10-03T23:34:03.409490317-07:00", "size": 2620788019,
     "digest": "2bfd38a7daaf", "details": {"parent_model": "", "format": "gguf", "family": "qwen3",
     "families": ["qwen3"], "parameter_size": "4.0B", "quantization_level": "Q4_K_M"}},
    {"name": "gpt-oss:20b", "model": "gpt-oss:20b", "size": 13793441244, "digest": "17052f91a42e",
     "details": {"format": "gguf", "family": "gptoss", "quantization_level": "MXFP4", "context_length": 131072},
     "capabilities": ["completion", "tools", "thinking"]},
    {"name": "nomic-embed-text:latest", "size": 274302450, "details": {"family": "nomic-bert",
     "quantization_level": "F16"}},
    {"name": "glm-5.2:cloud", "remote_model": "glm-5.2", "remote_host": "https://ollama.com:443", "size": 340,
     "details": {"family": ""}, "capabilities": ["completion", "thinking"]},
]}  # fmt: skip
SHOWN = {
    "qwen3:4b": {"license": "…", "details": {"family": "qwen3"}, "capabilities": ["completion", "tools", "thinking"],
                 "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 262144}},
    "nomic-embed-text:latest": {"details": {"family": "nomic-bert"}, "capabilities": ["embedding"], "model_info":
                                {"general.architecture": "nomic-bert", "nomic-bert.context_length": 2048}},
}  # fmt: skip


class Ollama(Site):
    """Ollama as its source has it: the native API, and OpenAI's list beside it."""

    def __init__(self, **more: Page) -> None:
        super().__init__({
            "/api/version": {"version": "0.14.2"},
            "/api/tags": TAGS,
            "/api/ps": {"models": [{"name": "qwen3:4b", "size": 5_000_000_000, "context_length": 8192}]},
            "/api/show": SHOWN["qwen3:4b"],
            "/v1/models": openai_list(*({"id": entry["name"], "owned_by": "library"} for entry in TAGS["models"])),
            **more,
        })  # fmt: skip


def test_ollama_tells_size_context_thinking_and_what_is_loaded() -> None:
    with Ollama() as site:
        server = see_one(f"{site.url}/v1", "ollama")
    assert (server.state, server.software, server.version, server.age) == ("answers", "ollama", "0.14.2", 0)
    assert 0 < (server.took or 0) < 5
    qwen, oss, _, cloud = server.models
    assert qwen == Model("lab", "qwen3:4b", "", "chat", "switchable", 8192, 2620788019, "Q4_K_M", True, local=True)
    assert (oss.thinks, oss.context, oss.loaded) == ("yes", 131072, False)  # it can't be switched off
    assert (cloud.local, cloud.size, cloud.kind) == (False, None, "chat")  # it runs elsewhere, and is paid for


def test_ollama_is_asked_about_single_models_only_where_its_list_is_silent() -> None:
    with Ollama() as site:
        see_one(f"{site.url}/v1", "ollama")
        asked = sorted(json.loads(seen.body)["model"] for seen in site.seen if seen.path == "/api/show")
    assert asked == ["nomic-embed-text:latest", "qwen3:4b"]  # at once, so in either order


def test_an_embedding_model_is_no_chat_model() -> None:
    with Ollama(**{"/api/show": Page(SHOWN["nomic-embed-text:latest"])}) as site:
        embed = see_one(f"{site.url}/v1", "ollama").models[2]
    assert (embed.kind, embed.thinks, embed.context) == ("embedding", None, 2048)


def test_what_came_in_time_is_kept_when_details_do_not() -> None:
    held = threading.Event()
    with Ollama(**{"/api/show": Page({}, wait=held)}) as site:
        server = see_one(f"{site.url}/v1", "ollama", limit=0.5)
        held.set()
    assert server.state == "answers"
    assert [model.id for model in server.models] == [entry["name"] for entry in TAGS["models"]]
    assert server.models[0].loaded is True
    assert server.models[0].thinks is None


def test_ollama_behind_the_openai_dialect_is_recognised() -> None:
    with Ollama() as site:
        server = see_one(f"{site.url}/v1")
    assert (server.software, server.models[0].size) == ("ollama", 2620788019)


def test_a_server_without_any_model_answers_with_none() -> None:
    with Site({"/v1/models": {"object": "list", "data": None}, "/api/tags": {"models": None}}) as site:
        assert [see_one(f"{site.url}/v1", dialect).state for dialect in ("openai-chat", "ollama")] == ["answers"] * 2


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", "http://localhost:11434"),
        ("0.0.0.0", "http://localhost:11434"),
        (":11500", "http://localhost:11500"),
        ("gpu-box", "http://gpu-box:11434"),
        ("gpu-box:1", "http://gpu-box:1"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("https://models.example/path", "https://models.example:443"),
        ("[::1]:11500", "http://[::1]:11500"),
        ("::1", "http://[::1]:11434"),
        ("'127.0.0.1:11435'", "http://localhost:11435"),
        ("gpu-box:many", "http://gpu-box:11434"),
    ],
)
def test_ollama_host_is_read_as_ollama_reads_it(said: str, meant: str) -> None:
    assert ollama_host(said) == meant


# Other local servers -------------------------------------------------------------------------------------------------


def test_lm_studio_by_its_own_api() -> None:
    native = {"models": [
        {"type": "llm", "publisher": "lmstudio-community", "key": "gemma-3-270m-it-qat", "display_name": "Gemma 3 270m",
         "architecture": "gemma3", "quantization": {"name": "Q4_0", "bits_per_weight": 4}, "size_bytes": 241410208,
         "params_string": "270M", "loaded_instances": [{"id": "gemma-3", "config": {"context_length": 4096}}],
         "max_context_length": 32768, "format": "gguf", "capabilities": {"vision": False}, "description": None},
        {"type": "llm", "key": "qwen/qwen3.5-9b", "display_name": "Qwen3.5 9B", "loaded_instances": [],
         "quantization": None, "size_bytes": 6548927017, "max_context_length": 262144,
         "capabilities": {"reasoning": {"allowed_options": ["off", "on"], "default": "on"}}},
        {"type": "embedding", "key": "text-embedding-nomic", "quantization": {"name": "F16"}, "size_bytes": 274290560,
         "loaded_instances": [], "max_context_length": 2048, "format": "gguf"},
    ]}  # fmt: skip
    listed = openai_list({"id": "gemma-3-270m-it-qat", "owned_by": "organization_owner"})
    with Site({"/v1/models": listed, "/api/v1/models": native}) as site:
        server = see_one(f"{site.url}/v1")
    assert server.software == "lmstudio"
    gemma, qwen, embed = server.models
    assert gemma == Model("lab", "gemma-3-270m-it-qat", "Gemma 3 270m", "chat", None, 4096, 241410208, "Q4_0", True,
                          local=True)  # fmt: skip
    assert (qwen.thinks, qwen.loaded, qwen.quantisation, qwen.context) == ("switchable", False, None, 262144)
    assert embed.kind == "embedding"


def test_an_older_lm_studio_that_answers_everything_with_200() -> None:
    older = {"object": "list", "data": [
        {"id": "qwen2-vl-7b-instruct", "object": "model", "type": "vlm", "publisher": "mlx-community",
         "arch": "qwen2_vl", "quantization": "4bit", "state": "not-loaded", "max_context_length": 32768},
        {"id": "nomic", "type": "embeddings", "quantization": "Q4_0", "state": "loaded", "max_context_length": 2048},
    ]}  # fmt: skip
    odd = Page({"error": "Unexpected endpoint or method. (GET /api/v1/models)"})
    listed = openai_list({"id": "qwen2-vl-7b-instruct", "owned_by": "organization_owner"})
    with Site({"/v1/models": listed, "/api/v0/models": older}, missing=odd) as site:
        server = see_one(f"{site.url}/v1")
    assert [(m.kind, m.loaded, m.quantisation, m.context) for m in server.models] == [
        ("chat", False, "4bit", 32768), ("embedding", True, "Q4_0", 2048)]  # fmt: skip


def test_vllm_tells_its_context_and_version() -> None:
    listed = openai_list({"id": "Qwen/Qwen3-4B", "created": 1, "owned_by": "vllm", "root": "Qwen/Qwen3-4B",
                          "max_model_len": 40960, "permission": []})  # fmt: skip
    with Site({"/v1/models": listed, "/version": {"version": "0.14.0"}}) as site:
        server = see_one(f"{site.url}/v1")
    assert (server.software, server.version) == ("vllm", "0.14.0")
    assert [(m.id, m.context) for m in server.models] == [("Qwen/Qwen3-4B", 40960)]


def test_sglang_tells_an_embedding_model() -> None:
    listed = openai_list({"id": "gte", "owned_by": "sglang", "max_model_len": 8192})
    with Site({"/v1/models": listed, "/get_model_info": {"model_path": "gte", "is_generation": False}}) as site:
        server = see_one(f"{site.url}/v1")
    assert (server.software, server.models[0].kind) == ("sglang", "embedding")


def test_koboldcpp_is_not_taken_for_the_ollama_that_it_imitates() -> None:
    with Site({
        "/v1/models": openai_list({"id": "koboldcpp/Fimbulvetr-11B", "owned_by": "koboldcpp", "root": "koboldcpp"}),
        "/api/extra/version": {"result": "KoboldCpp", "version": "1.119", "llm": True},
        "/api/extra/true_max_context_length": {"value": 16384},
        "/api/tags": {"models": [{"name": "koboldcpp/Fimbulvetr-11B", "size": 1}]},
        "/api/version": {"version": "0.7.0"},
    }) as site:  # fmt: skip
        server = see_one(f"{site.url}/v1")
    assert (server.software, server.version, server.models[0].context) == ("koboldcpp", "1.119", 16384)


def test_jan_by_the_engine_of_its_models() -> None:
    entry = {"id": "Jan-v1-4B", "engine": "llama-cpp", "inference_params": {"stream": True}, "owned_by": ""}
    with Site({"/v1/models": Page(openai_list(entry), key=("authorization", "Bearer jan"))}) as site:
        assert see_one(f"{site.url}/v1", key="jan").software == "jan"
        assert see_one(f"{site.url}/v1").state == "no key"


def test_a_loading_llama_server_is_no_dead_one() -> None:
    busy = Page({"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, 503,
                {**JSON, "server": "llama.cpp"})  # fmt: skip
    with Site({"/v1/models": busy}) as site:
        server = see_one(f"{site.url}/v1")
    assert (server.state, server.software) == ("loading", "llama.cpp")


def test_the_real_llama_server(weights: Path) -> None:
    async def visit() -> list[Server]:
        embedded = EmbeddedServer(weights, slots=2, context=512)
        address = await embedded.start()
        probe = Probe("llamacpp", address.base_url, key=address.key, local=True)
        try:
            return await look([probe, replace(probe, key="another"), replace(probe, key=None)], limit=10)
        finally:
            await embedded.aclose()

    server, wrong, keyless = asyncio.run(visit())
    assert (server.state, server.software) == ("answers", "llama.cpp")
    [model] = server.models
    assert model.id == weights.stem
    assert (model.kind, model.thinks, model.context, model.quantisation) == ("chat", "no", 512, "Q4_1")
    assert (model.loaded, model.local) == (True, True)
    assert 90_000_000 < (model.size or 0) < 100_000_000
    assert (wrong.state, wrong.software) == ("wrong key", "llama.cpp")
    assert keyless.state == "no key"


def test_a_llama_server_that_embeds_and_one_with_many_models() -> None:
    entry = {"id": "nomic", "owned_by": "llamacpp", "architecture": {"output_modalities": ["text"]},
             "meta": {"n_ctx": 2048, "size": 5, "ftype": "F16"}}  # fmt: skip
    found = {"models": [{"name": "nomic", "capabilities": ["embedding"]}], "data": [entry]}
    [model] = listing.llamacpp(listing.openai_like("lab", found), found, None)
    assert (model.kind, model.context, model.size, model.quantisation) == ("embedding", 2048, 5, "F16")
    several = {"data": [{"id": "a", "owned_by": "llamacpp", "status": {"value": "loaded"}},
                        {"id": "b", "owned_by": "llamacpp", "status": {"value": "unloaded"}}]}  # fmt: skip
    props = {"role": "router", "default_generation_settings": {"n_ctx": 1}}
    routed = listing.llamacpp(listing.openai_like("lab", several), several, props)
    assert [(model.loaded, model.context) for model in routed] == [(True, None), (False, None)]


@pytest.mark.parametrize(
    ("template", "thinks"),
    [
        ("", None),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "no"),
        ("{% if enable_thinking is false %}<think>\n\n</think>{% endif %}", "switchable"),
        ("{{ '<|im_start|>assistant\n<think>\n' }}", "yes"),
        ("<|channel|>analysis", "yes"),
    ],
)
def test_a_chat_template_tells_whether_there_is_thinking(template: str, thinks: str | None) -> None:
    assert listing.template_thinks(template) == thinks


# In the cloud --------------------------------------------------------------------------------------------------------


def test_openrouter_tells_price_context_and_thinking() -> None:
    listed = {"data": [
        {"id": "deepseek/deepseek-r1", "name": "DeepSeek: R1", "created": 3, "context_length": 163840,
         "architecture": {"modality": "text->text", "output_modalities": ["text"]}, "expiration_date": None,
         "pricing": {"prompt": "0.0000004", "completion": "0.00000175", "request": "0"},
         "reasoning": {"mandatory": True}, "supported_parameters": ["max_tokens", "reasoning", "temperature"]},
        {"id": "z-ai/glm-5.2", "created": 2, "context_length": 1000000, "reasoning": {"mandatory": False},
         "architecture": {"output_modalities": ["text"]}, "pricing": {"prompt": "0", "completion": "0"},
         "supported_parameters": ["reasoning"], "expiration_date": "2026-12-01"},
        {"id": "openai/gpt-4", "created": 4, "architecture": {"output_modalities": ["text"]}, "context_length": 8192,
         "pricing": {"prompt": "0.00003", "completion": "0.00006"}, "supported_parameters": ["temperature"]},
        {"id": "openrouter/auto", "created": 1, "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "black-forest-labs/flux", "created": 0, "architecture": {"output_modalities": ["image"]}},
    ]}  # fmt: skip
    with Site({"/api/v1/models": listed}) as site:
        server = see_one(f"{site.url}/api/v1", local=False, key="sk-or-secret")
        assert site.paths == ["/api/v1/models"]  # nothing else is asked of a stranger's host
        assert site.seen[0].headers["authorization"] == "Bearer sk-or-secret"
    newest, r1, glm, auto, flux = server.models
    assert (newest.id, newest.thinks, newest.price) == ("openai/gpt-4", "no", (3e-05, 6e-05))
    assert r1 == Model("lab", "deepseek/deepseek-r1", "DeepSeek: R1", "chat", "yes", 163840, price=(4e-07, 1.75e-06))
    assert (glm.thinks, glm.price, glm.retires) == ("switchable", (0, 0), "2026-12-01")
    assert (auto.price, auto.thinks, auto.kind) == (None, None, None)
    assert flux.kind == "image"


def test_anthropic_has_its_own_header_and_pages() -> None:
    listed = {"data": [
        {"type": "model", "id": "claude-haiku-4-5-20251001", "display_name": "Claude Haiku 4.5",
         "created_at": "2025-10-01T00:00:00Z", "max_input_tokens": 200000, "max_tokens": 64000, "capabilities":
         {"thinking": {"supported": True, "types": {"enabled": {"supported": True}, "adaptive": {}}}}},
        {"type": "model", "id": "claude-opus-5-5", "display_name": "Claude Opus 5.5", "max_input_tokens": 1000000,
         "capabilities": {"thinking": {"supported": True, "types": {"enabled": {"supported": False}}}}},
        {"type": "model", "id": "claude-old", "display_name": "Old"},
    ], "has_more": False, "first_id": "a", "last_id": "b"}  # fmt: skip
    for base in ("", "/v1"):
        with Site({"/v1/models": Page(listed, key=("x-api-key", "sk-ant"))}) as site:
            server = see_one(site.url + base, "anthropic", local=False, key="sk-ant")
            assert site.seen[0].path == "/v1/models?limit=1000"
            assert site.seen[0].headers["anthropic-version"] == "2023-06-01"
            assert "authorization" not in site.seen[0].headers
        assert [(m.thinks, m.context, m.kind) for m in server.models] == [
            ("switchable", 200000, "chat"), ("yes", 1000000, "chat"), (None, None, "chat")]  # fmt: skip


def test_gemini_has_its_own_header_and_shape() -> None:
    listed = {"models": [
        {"name": "models/gemini-3.1-pro", "version": "3.1", "displayName": "Gemini 3.1 Pro", "thinking": True,
         "inputTokenLimit": 1048576, "outputTokenLimit": 65536,
         "supportedGenerationMethods": ["generateContent", "countTokens"], "maxTemperature": 2},
        {"name": "models/gemma-3-27b-it", "inputTokenLimit": 131072, "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/embedding-001", "inputTokenLimit": 2048, "supportedGenerationMethods": ["embedContent"]},
    ]}  # fmt: skip
    with Site({"/v1beta/models": Page(listed, key=("x-goog-api-key", "AIza"))}) as site:
        server = see_one(f"{site.url}/v1beta", "gemini", local=False, key="AIza")
        assert "key=" not in site.seen[0].path
    pro, gemma, embed = server.models
    assert pro == Model("lab", "gemini-3.1-pro", "Gemini 3.1 Pro", "chat", "yes", 1048576)
    assert (gemma.thinks, embed.thinks, embed.kind) == ("no", None, "embedding")


def test_what_mistral_groq_and_together_add_to_the_list() -> None:
    listed = [
        {"id": "mistral-small", "created": 9, "max_context_length": 131072, "deprecation": "2026-12-31T12:00:00Z",
         "capabilities": {"completion_chat": True, "reasoning": True}},
        {"id": "llama-3.3-70b", "created": 8, "active": True, "context_window": 131072},
        {"id": "gone", "created": 8, "active": False},
        {"id": "Qwen/Qwen3", "created": 7, "type": "chat", "display_name": "Qwen3", "context_length": 40960,
         "pricing": {"hourly": 0, "input": 0.2, "output": 0.6, "base": 0}},
    ]  # fmt: skip
    small, llama, qwen = listing.openai_like("lab", listed)
    assert (small.kind, small.thinks, small.context, small.retires) == ("chat", "yes", 131072, "2026-12-31")
    assert llama.context == 131072
    assert (qwen.kind, qwen.name) == ("chat", "Qwen3")
    assert qwen.price == pytest.approx((2e-7, 6e-7))


def test_a_packed_list_is_unpacked_and_bounded() -> None:
    packed = {**JSON, "content-encoding": "gzip"}
    good, bomb = gzip.compress(json.dumps(openai_list({"id": "m"})).encode()), gzip.compress(b" " * 50_000_000)
    with Site({"/v1/models": Page(good, 200, packed), "/bomb/models": Page(bomb, 200, packed)}) as site:
        assert [m.id for m in see_one(f"{site.url}/v1", local=False).models] == ["m"]
        tracemalloc.start()
        assert see_one(f"{site.url}/bomb", local=False).detail == "its answer is over 4 MB"
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 20_000_000


def test_without_its_key_an_endpoint_is_not_asked() -> None:
    with Site({"/v1/models": openai_list({"id": "m"})}) as site:
        server = see_one(f"{site.url}/v1", local=False, key_names=("LAB_KEY",))
        assert (server.state, server.detail, site.seen) == ("no key", "no key: set LAB_KEY", [])


def test_a_local_server_is_asked_without_its_key_for_it_may_not_run_at_all() -> None:
    [off] = see(Probe("jan", dead_url(), local=True, key_names=("JAN_API_KEY",)))
    assert off.state == "refused"
    with Site({"/v1/models": Page(openai_list({"id": "m"}), key=("authorization", "Bearer x"))}) as site:
        running = see_one(f"{site.url}/v1", key_names=("JAN_API_KEY",))
    assert (running.state, running.detail) == ("no key", "it wants a key (401)")


def test_a_wrong_key_is_said_and_never_shown() -> None:
    with Site({"/v1/models": Page(openai_list(), key=("authorization", "Bearer right"))}) as site:
        server = see_one(f"{site.url}/v1", local=False, key="sk-very-secret", key_names=("LAB_KEY",))
    assert server.state == "wrong key"
    assert "secret" not in repr(server)
    assert "secret" not in repr(Probe("lab", site.url, key="sk-very-secret", headers={"x": "secret"}))


def test_headers_of_a_probe_go_along_and_win() -> None:
    with Site({"/v1/models": openai_list({"id": "m"})}) as site:
        see_one(f"{site.url}/v1", local=False, key="k", headers={"Authorization": "Basic abc", "X-Team": "lab"})
        assert (site.seen[0].headers["authorization"], site.seen[0].headers["x-team"]) == ("Basic abc", "lab")


@pytest.mark.parametrize("key", ["sk-a\r\nx-evil: 1", "ключ", "sk\0"])
def test_a_key_that_no_header_can_carry_is_not_sent(key: str) -> None:
    with Site({"/v1/models": openai_list({"id": "m"})}) as site:
        server = see_one(f"{site.url}/v1", local=False, key=key)
        assert (server.state, site.seen) == ("wrong key", [])


def test_a_proxy_is_used_for_the_world_and_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with Site({"http://models.invalid:80/v1/models": openai_list({"id": "far"}),
               "/v1/models": openai_list({"id": "near"})}) as site:  # fmt: skip
        monkeypatch.setenv("http_proxy", f"http://user:pass@127.0.0.1:{site.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        far, near = see(Probe("far", "http://models.invalid/v1", key="k"), Probe("near", f"{site.url}/v1", local=True))
        login = {seen.path: seen.headers.get("proxy-authorization") for seen in site.seen}
    assert [far.models[0].id, near.models[0].id] == ["far", "near"]
    assert login["http://models.invalid:80/v1/models"] == "Basic " + base64.b64encode(b"user:pass").decode()
    assert login["/v1/models"] is None


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with a key and a certificate for 127.0.0.1 and models.test that signs itself."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "tls.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=promptlab", "-addext",
         "subjectAltName=IP:127.0.0.1,DNS:models.test", "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return str(path)


def test_tls_with_a_certificate_that_is_trusted(certificate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Site({"/v1/models": openai_list({"id": "m"})}, tls=certificate) as site:
        server = see_one(f"{site.url}/v1", local=False, key="k")
    assert (server.state, [m.id for m in server.models]) == ("answers", ["m"])


def test_tls_with_a_certificate_that_is_not(certificate: str) -> None:
    with Site({"/v1/models": openai_list({"id": "m"})}, tls=certificate) as site:
        server = see_one(f"{site.url}/v1", local=False, key="k")
        assert (server.state, site.seen) == ("unreachable", [])
    assert "certificate" in server.detail


def test_tls_through_a_proxy(certificate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Site({"/v1/models": openai_list({"id": "m"})}, tls=certificate) as site:

        def relay(client: socket.socket) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            asked.append(head.split(b"\r\n")[0])
            with socket.create_connection(("127.0.0.1", site.port)) as far:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(far, client), daemon=True)
                back.start()
                pump(client, far)
                back.join(5)

        def pump(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while part := source.recv(65536):
                    target.sendall(part)
                target.shutdown(socket.SHUT_WR)

        asked: list[bytes] = []
        with wire(relay) as proxy:
            monkeypatch.setenv("https_proxy", proxy)
            monkeypatch.setenv("no_proxy", "")
            # A name that is not this machine's: the certificate's other one.
            server = see_one(f"https://models.test:{site.port}/v1", local=False, key="k")
    assert asked == [b"CONNECT models.test:%d HTTP/1.1" % site.port]
    assert (server.state, server.detail, [m.id for m in server.models]) == ("answers", "", ["m"])


# What must not be believed, and must not hold up anything ------------------------------------------------------------


def test_dead_servers_hold_up_nothing_and_hide_nobody() -> None:
    with wire(say_nothing) as silent, Site({"/v1/models": openai_list({"id": "m"})}) as site:
        began = time.monotonic()
        alive, refused, mute, unroutable, nameless = see(
            Probe("alive", f"{site.url}/v1", local=True),
            Probe("refused", dead_url(), local=True),
            Probe("mute", silent, local=True),
            Probe("unroutable", "http://192.0.2.123:9/v1"),
            Probe("nameless", "http://no-such-host.invalid/v1"),
            limit=0.3,
        )
        took = time.monotonic() - began
    assert took < 10  # the mute one would take for ever
    assert (alive.state, refused.state, mute.state) == ("answers", "refused", "silent")
    assert mute.detail == "no answer within 0.3 s"
    assert unroutable.state in ("silent", "unreachable", "refused")  # as this machine's network has it
    assert nameless.state in ("silent", "unreachable")


def test_a_name_that_can_not_be_resolved_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(20) and [])
    began = time.monotonic()
    server = see_one("http://slow-name.example/v1", local=False, limit=0.1)
    took = time.monotonic() - began
    answered.set()
    assert (server.state, took < 10) == ("silent", True)


def test_a_server_that_drips_is_silent_at_the_limit() -> None:
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while not over.wait(0.01):
            connection.sendall(b" ")

    with wire(drip) as url:
        began = time.monotonic()
        server = see_one(url, limit=0.3)
        took = time.monotonic() - began
        over.set()
    assert (server.state, took < 10) == ("silent", True)


@pytest.mark.parametrize("usual", [True, False])
@pytest.mark.parametrize(
    "page",
    [
        Page(b"<!doctype html><title>My app</title>", headers={"content-type": "text/html"}),
        Page(b"<html>404</html>", 404, {"content-type": "text/html"}),
        Page({"users": [1, 2]}),
        Page({"data": ["a", "b"]}),
        Page({"data": [{"name": "no id"}]}),
        Page({"data": {"id": "x"}}),
        Page(b"[" * 200_000),
        Page(b'{"data": [' + b"9" * 5000 + b"]}"),
        Page(b"\xff\xfe{}"),
        Page(b""),
        Page(b" " * (10 * 1024 * 1024)),
    ],
    ids=lambda page: repr(page.body)[:30] if isinstance(page, Page) else None,
)
def test_another_kind_of_server_is_not_a_model_server(page: Page, usual: bool) -> None:
    with Site({"/v1/models": page, "/api/tags": page, "/v1beta/models": page}) as site:
        found = see(*(
            Probe("lab", f"{site.url}/{version}", dialect, local=True, usual=usual)
            for dialect, version in (("openai-chat", "v1"), ("ollama", "v1"), ("anthropic", "v1"), ("gemini", "v1beta"))
        ))  # fmt: skip
    assert [(server.state, server.models) for server in found] == [("not a model server", ())] * 4


def test_a_body_over_the_limit_ends_when_it_is_over_it() -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent += 65536

    with wire(pour) as url:
        server = see_one(url)
    assert (server.state, server.detail) == ("not a model server", "its answer is over 4 MB")
    assert sent < 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (b"220 mail.example ESMTP\r\n", "not a model server"),
        (b"HTTP/1.1\r\n\r\n", "not a model server"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "not a model server"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000, "not a model server"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "not a model server"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", "not a model server"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "not a model server"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n", "not a model server"),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"data": [', "failing"),
        (b"", "failing"),
    ],
    ids=lambda value: value[:45].decode() if isinstance(value, bytes) else None,
)
def test_broken_http_is_named(said: bytes, state: str) -> None:
    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with wire(speak) as url:
        assert see_one(url).state == state


def test_http_as_old_and_new_servers_write_it() -> None:
    body = json.dumps(openai_list({"id": "m"})).encode()
    cut = [body[i : i + 7] for i in range(0, len(body), 7)]
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in cut) + b"0\r\nTrailer: x\r\n\r\n"
    for answer in (b"HTTP/1.0 200 OK\r\n\r\n" + body,
                   b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks):  # fmt: skip

        def speak(connection: socket.socket, answer: bytes = answer) -> None:
            connection.recv(65536)
            for byte in answer[:40]:
                connection.sendall(bytes([byte]))
            connection.sendall(answer[40:])

        with wire(speak) as url:
            assert [m.id for m in see_one(url).models] == ["m"]


def test_redirects_are_not_followed_and_carry_no_key() -> None:
    with Site({"/v1/models": openai_list({"id": "trap"})}) as trap:
        away = Page(b"", 302, {"location": f"http://user:pw@127.0.0.1:{trap.port}/v1/models?token=1"})
        with Site({"/v1/models": away}) as site:
            server = see_one(f"{site.url}/v1", local=False, key="sk-secret")
        assert (server.state, server.models, trap.seen) == ("not a model server", (), [])
    assert server.detail == f"it sends us on to http://127.0.0.1:{trap.port}/v1/models"


def test_keys_go_to_their_own_server_only() -> None:
    with Site({"/v1/models": openai_list({"id": "a"})}) as one, Site({"/v1/models": openai_list({"id": "b"})}) as two:
        see(Probe("one", f"{one.url}/v1", key="key-one"), Probe("two", f"{two.url}/v1", local=True))
        assert {seen.headers.get("authorization") for seen in one.seen} == {"Bearer key-one"}
        assert {seen.headers.get("authorization") for seen in two.seen} == {None}


def test_errors_of_the_server_and_missing_lists_are_told_apart() -> None:
    with Site(
        {"/a/models": Page({"error": "overloaded"}, 500), "/b/models": Page({"error": "slow down"}, 429)}
    ) as site:
        states = [see_one(f"{site.url}/{path}", local=False).state for path in ("a", "b", "c")]
        usual = see_one(f"{site.url}/c", usual=True).state  # some other program's API on a port that we guessed
    assert (states, usual) == (["failing", "failing", "no list"], "not a model server")


def test_localhost_is_tried_at_both_addresses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blocked:
        port = blocked.getsockname()[1]
    try:
        listener = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no ::1")
    body = json.dumps(openai_list({"id": "six"})).encode()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        assert [m.id for m in see_one(f"http://localhost:{port}/v1").models] == ["six"]
        # Something else at 127.0.0.1 on the same port does not hide it.
        web = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        try:
            assert [m.id for m in see_one(f"http://localhost:{port}/v1").models] == ["six"]
        finally:
            web.shutdown()
            web.server_close()


def test_a_list_without_end_and_odd_fields_are_bounded() -> None:
    many = [{"id": f"m{i}"} for i in range(20_000)]
    assert len(listing.openai_like("lab", {"data": many})) == listing.MOST
    odd = {"id": "ok", "name": ["x"], "context_length": -1, "pricing": {"prompt": "nan", "completion": "1e999"},
           "created": "yesterday", "type": 7, "architecture": "none", "expiration_date": "2026-99", "meta": [],
           "supported_parameters": "reasoning", "max_model_len": True, "context_window": 1e400}  # fmt: skip
    listed = listing.openai_like("lab", {"data": [odd, {"id": "x" * 1000}, {"id": 5}, {"id": ""}]})
    assert listed == (Model("lab", "ok"),)
    with pytest.raises(NotAList):
        listing.decode(b"{")


def test_no_probes_is_no_error() -> None:
    assert see() == []


# Where to look -------------------------------------------------------------------------------------------------------


def test_the_usual_places_are_this_machine_s() -> None:
    usual = usual_local({})
    ports = {probe.name: int(probe.base_url.split(":")[2].split("/")[0]) for probe in usual}
    assert ports == {"ollama": 11434, "lmstudio": 1234, "llamacpp": 9931, "llamacpp-8080": 8080, "vllm": 8000,
                     "sglang": 30000, "jan": 1337, "tgwui": 5000, "koboldcpp": 5001}  # fmt: skip
    assert all(probe.local and probe.usual and probe.key is None for probe in usual)
    [ollama] = [probe for probe in usual_local({"OLLAMA_HOST": "gpu-box:99"}) if probe.name == "ollama"]
    assert (ollama.base_url, ollama.local, ollama.usual) == ("http://gpu-box:99/v1", False, False)


def test_a_configured_server_takes_the_place_of_the_usual_one() -> None:
    mine = [Probe("lab", "http://127.0.0.1:8000/v1"), Probe("jan", "http://10.0.0.7:1/v1")]
    names = [probe.name for probe in together(mine, usual_local({}))]
    assert names[:2] == ["lab", "jan"]
    assert "vllm" not in names
    assert names.count("jan") == 1
    assert "ollama" in names


# What is remembered --------------------------------------------------------------------------------------------------

NOW = 1_795_000_000.0
KNOWN = Model(
    "lab", "m", "Em", "chat", "switchable", 32768, 5_000_000_000, "Q4_K_M", True, (1e-6, 2e-6), "2026-12-31", True
)

REMEMBERED = replace(KNOWN, loaded=None, source="cache")


def answered(*models: Model, name: str = "lab", **more: object) -> Server:
    server = Server(name, "http://127.0.0.1:8000/v1", state="answers", models=models, age=0.0)
    return replace(server, **more)  # type: ignore[arg-type]


def test_what_a_server_said_is_remembered_but_not_what_will_not_last(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "models.json"
    Cache(path).keep([answered(KNOWN)], NOW)
    assert Cache(path).recall("lab", "http://127.0.0.1:8000/v1") == (
        NOW,
        (replace(KNOWN, loaded=None, source="cache"),),
    )
    assert Cache(path).recall("lab", "http://127.0.0.1:8001/v1") is None
    assert [p.name for p in path.parent.iterdir()] == ["models.json"]
    assert path.stat().st_mode & 0o077 == 0


def test_only_answers_are_remembered(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "models.json")
    cache.keep([answered(KNOWN), answered(KNOWN, name="other")], NOW)
    cache.keep([answered(KNOWN, state="silent"), answered(name="other")], NOW + 5)
    assert cache.recall("lab", "http://127.0.0.1:8000/v1") == (NOW, (REMEMBERED,))


def test_no_key_gets_into_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    with Site({"/v1/models": openai_list({"id": "m"})}) as site:
        probe = Probe("lab", f"{site.url}/v1", key="sk-secret", headers={"x-other": "secret"}, key_names=("K",))
        Cache(path).keep(see(probe), NOW)
    assert "m" in path.read_text()
    assert "secret" not in path.read_text()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"version": 2, "servers": {}}', '{"version": 1, "servers": []}', "[" * 100_000,
     '{"version": 1, "servers": {"lab http://127.0.0.1:8000/v1": 5}}',
     '{"version": 1, "servers": {"lab http://127.0.0.1:8000/v1": {"time": "now", "models": []}}}',
     '{"version": 1, "servers": {"lab http://127.0.0.1:8000/v1": {"time": 1, "models": {}}}}'],
)  # fmt: skip
def test_a_broken_cache_is_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.json"
    path.write_text(text)
    cache = Cache(path)
    assert cache.recall("lab", "http://127.0.0.1:8000/v1") is None
    cache.keep([answered(KNOWN)], NOW)
    assert Cache(path).recall("lab", "http://127.0.0.1:8000/v1") is not None


def test_models_in_a_cache_are_read_with_care(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    models = [5, {"id": ""}, {"id": "m", "thinks": "maybe", "context": "many", "price": [1], "local": "yes", "kind": 3}]
    kept = {"lab http://127.0.0.1:8000/v1": {"time": NOW, "models": models}}
    path.write_text(json.dumps({"version": 1, "servers": kept}))
    assert Cache(path).recall("lab", "http://127.0.0.1:8000/v1") == (NOW, (Model("lab", "m", source="cache"),))


def test_a_cache_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Cache(tmp_path / "file" / "models.json").keep([answered(KNOWN)], NOW)
    (tmp_path / "folder").mkdir()
    Cache(tmp_path / "folder").keep([answered(KNOWN)], NOW)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_cache_forgets_the_oldest_servers(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "models.json")
    for number in range(70):
        cache.keep([answered(KNOWN, name=f"lab{number}")], NOW + number)
    fresh = Cache(tmp_path / "models.json")
    assert fresh.recall("lab0", "http://127.0.0.1:8000/v1") is None
    assert fresh.recall("lab69", "http://127.0.0.1:8000/v1") is not None


# What is known -------------------------------------------------------------------------------------------------------

PRICES = [
    Entry("gpt-5.1", Price(1.25e-06, 1e-05), 272000, 128000, "chat", None, None),
    Entry("o3", Price(2e-06, 8e-06), 200000, 100000, "responses", True, "2026-12-11"),
    Entry("gpt-image-1", None, None, None, "image_generation", None, "someday"),
]


def prices(endpoint: str) -> list[Entry]:
    return PRICES if endpoint in ("openai", "lab") else []


def test_the_price_list_fills_in_what_a_server_left_open(tmp_path: Path) -> None:
    server = answered(
        Model("openai", "gpt-5.1"), Model("openai", "new"), Model("openai", "o3", context=1), name="openai"
    )
    [found] = known([server], Cache(tmp_path / "c"), prices, NOW)
    gpt, new, o3 = found.models
    assert gpt == Model("openai", "gpt-5.1", "", "chat", None, 272000, price=(1.25e-06, 1e-05))
    assert new == Model("openai", "new")
    assert (o3.kind, o3.thinks, o3.context, o3.retires) == ("chat", "yes", 1, "2026-12-11")
    assert {model.source for model in found.models} == {"server"}


def test_who_did_not_answer_is_known_from_before_and_then_from_the_price_list(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    silent = Server("openai", "https://api.openai.com/v1", state="silent")
    [listed] = known([silent], cache, prices, NOW)
    assert {model.source for model in listed.models} == {"price list"}
    assert [m.id for m in listed.models] == ["gpt-5.1", "o3"]  # and not what the list has neither price nor size of
    assert (listed.age, listed.models[0].kind, listed.models[0].price) == (None, "chat", (1.25e-06, 1e-05))
    cache.keep([replace(silent, state="answers", models=(Model("openai", "gpt-5.1"),))], NOW)
    [remembered] = known([silent], cache, prices, NOW + 90)
    assert [(m.id, m.source, m.price) for m in remembered.models] == [("gpt-5.1", "cache", (1.25e-06, 1e-05))]
    assert remembered.age == 90


def test_the_price_list_is_shown_with_what_people_look_for_first(tmp_path: Path) -> None:
    ids = ["chat-latest", "ft:gpt-4.1", "gpt-4.1", "gpt-4.1-2025-04-14", "gpt-5", "gpt-10", "gpt-5-mini", "gpt-4o"]
    some = Price(1e-6, 1e-6)
    [found] = known([Server("openai", "https://api.openai.com/v1")], Cache(tmp_path / "c"),
                    lambda endpoint: [Entry(id, some, 1, 1, "chat", None, None) for id in ids], NOW)  # fmt: skip
    assert [model.id for model in found.models] == [
        "chat-latest", "gpt-10", "gpt-5", "gpt-5-mini", "gpt-4.1", "gpt-4o", "gpt-4.1-2025-04-14", "ft:gpt-4.1",
    ]  # fmt: skip


def test_what_is_known_of_thinking_stands_between_the_server_and_the_price_list(tmp_path: Path) -> None:
    said = answered(Model("lab", "gpt-5.1"), Model("lab", "o3"), Model("lab", "x", thinks="no"), local=False)
    facts: dict[str, listing.Thinks] = {"gpt-5.1": "switchable", "x": "yes"}
    [found] = known([said], Cache(tmp_path / "c"), prices, NOW, thinks=lambda endpoint, id: facts.get(id))
    assert [model.thinks for model in found.models] == ["switchable", "yes", "no"]


@pytest.mark.parametrize("state", ["refused", "no key", "wrong key", "not a model server"])
def test_what_can_not_be_used_shows_no_models(tmp_path: Path, state: str) -> None:
    cache = Cache(tmp_path / "c")
    cache.keep([answered(KNOWN)], NOW)
    [found] = known([answered(state=state)], cache, prices, NOW)
    assert found.models == ()


def test_a_local_model_has_no_price_however_it_is_called(tmp_path: Path) -> None:
    [found] = known([answered(Model("lab", "gpt-5.1", local=True), local=True)], Cache(tmp_path / "c"), prices, NOW)
    assert found.models[0].price is None


# Finding -------------------------------------------------------------------------------------------------------------

SHELF = [
    Model(name.partition("/")[0], name.partition("/")[2])
    for name in (
        "deepseek/deepseek-v4-pro", "openrouter/deepseek/deepseek-r1", "groq/deepseek-r1-distill-llama-70b",
        "openrouter/deepseek/deepseek-r1-distill-qwen-32b", "ollama/qwen3:14b", "ollama/qwen3:4b", "vllm/Qwen/Qwen3-4B",
        "openai/gpt-4.1", "openai/gpt-4o", "ollama/llama3.2:3b", "ollama/通义千问:7b",
    )
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("r1 distill", {"groq/deepseek-r1-distill-llama-70b", "openrouter/deepseek/deepseek-r1-distill-qwen-32b"}),
        ("r1 distill qwen", {"openrouter/deepseek/deepseek-r1-distill-qwen-32b"}),
        ("deepseek-r1-distill-qwen-32b", {"openrouter/deepseek/deepseek-r1-distill-qwen-32b"}),
        ("GPT 4.1", {"openai/gpt-4.1"}),
        ("gpt41", {"openai/gpt-4.1"}),
        ("openai/gpt-4.1", {"openai/gpt-4.1"}),
        ("ll32", {"ollama/llama3.2:3b"}),
        ("千问", {"ollama/通义千问:7b"}),
        ("通义 7b", {"ollama/通义千问:7b"}),
        ("ｑｗｅｎ３ 4b vllm", {"vllm/Qwen/Qwen3-4B"}),
        ("zebra", set()),
        ("qwen zebra", set()),
    ],
)
def test_words_find_models(words: str, found: set[str]) -> None:
    assert {model.target for model in find([words], SHELF)} == found


@pytest.mark.parametrize(
    ("words", "best"),
    [
        (["qwen3", "4b"], ["ollama/qwen3:4b", "vllm/Qwen/Qwen3-4B", "ollama/qwen3:14b"]),
        (["dsr1"], ["openrouter/deepseek/deepseek-r1"]),
        (["deepseek"], ["deepseek/deepseek-v4-pro"]),
        (["4o"], ["openai/gpt-4o"]),
    ],
)
def test_the_best_is_first(words: Sequence[str], best: list[str]) -> None:
    assert [model.target for model in find(words, SHELF)][: len(best)] == best


def test_a_name_is_searched_like_an_id_and_chat_models_come_first() -> None:
    embed, chat = Model("a", "x1-embed", "Nova", "embedding"), Model("a", "x1-chatty", "Nova", "chat")
    assert find(["nova"], [embed, chat]) == [chat, embed]
    assert find([], [embed, chat]) == find([" "], [embed, chat]) == [embed, chat]


def test_five_thousand_models_are_searched_at_once() -> None:
    shelf = [Model("openrouter", f"vendor{i}/model-{i}-instruct-{i % 70}b", f"Vendor {i}: Model") for i in range(5000)]
    began = time.process_time()
    assert find(["model 42 instruct"], shelf)[0].id == "vendor42/model-42-instruct-42b"
    assert time.process_time() - began < 2.0


def test_what_is_not_known_does_not_pass_a_filter() -> None:
    cheap = Model("a", "cheap", price=(1e-6, 2e-6), context=128_000, thinks="switchable")
    dear, unknown = Model("a", "dear", price=(1e-6, 9e-6), context=4096, thinks="no"), Model("a", "unknown")
    mine = Model("b", "mine", local=True, context=131072, thinks="yes")
    servers = [answered(cheap, dear, unknown, name="a"), answered(mine, name="b", local=True)]

    def ids(**wanted: object) -> list[str]:
        return [model.id for model in picked(servers, replace(Wanted(), **wanted), "2026-11-22")]  # type: ignore[arg-type]

    assert ids() == ["mine", "cheap", "dear", "unknown"]
    assert ids(max_price=2) == ["mine", "cheap"]
    assert ids(min_context=128_000) == ["mine", "cheap"]
    assert ids(thinks=True) == ["mine", "cheap"]
    assert ids(local=True) == ["mine"]
    assert ids(endpoint="a", thinks=True) == ["cheap"]
