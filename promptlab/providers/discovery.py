"""Who is here: all servers asked at once, within one limit, each in the API that its software speaks best."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.providers import listing
from promptlab.providers.fault import without_key
from promptlab.providers.http import LOOPBACK, base
from promptlab.providers.listing import Model, NotAList, decode, text
from promptlab.providers.probe import Asker, Probe, Reply, Unheard, root
from promptlab.providers.shape import mapping

State = Literal[
    "answers",
    "loading",  # it is there, and not ready yet
    "no list",  # it is an API, and has no list of models
    "refused",  # nobody listens
    "silent",  # no answer within the limit
    "unreachable",  # name, route, TLS or proxy
    "not a model server",
    "wrong key",
    "no key",  # it wants one and none is set; it was not asked, or said so
    "failing",  # an error of its own
    "not asked",  # its dialect has no list that we read
]

LIMIT = 0.3  # seconds for everything
_SHOWN_AT_ONCE = 8  # requests for details of single models


@dataclass(slots=True)
class Server:
    """What one probe found. `software` is what was recognised, or empty. `took` is in seconds. `age` is how old the
    knowledge of `models` is, in seconds, or None where it is not from the server itself."""

    name: str
    base_url: str
    software: str = ""
    version: str = ""
    state: State = "silent"
    detail: str = ""
    took: float | None = None
    models: tuple[Model, ...] = ()
    age: float | None = None
    local: bool = False
    usual: bool = False
    key_names: tuple[str, ...] = ()


async def look(probes: Sequence[Probe], *, limit: float = LIMIT) -> list[Server]:
    """Ask every server at once; after `limit` seconds, what has come is kept, and the rest is silent.

    Never raises for what a server does. The servers are in the order of the probes.
    """
    asker = Asker()
    found = [Server(probe.name, probe.base_url, local=probe.local, usual=probe.usual, key_names=probe.key_names,
                    detail=f"no answer within {limit:.2g} s") for probe in probes]  # fmt: skip
    visits = [asyncio.create_task(_visit(asker, *pair)) for pair in zip(probes, found, strict=True)]
    if visits:
        await asyncio.wait(visits, timeout=limit)
    for visit in visits:
        visit.cancel()
    for ended in await asyncio.gather(*visits, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended  # a bug of ours
    return found


async def _visit(asker: Asker, probe: Probe, server: Server) -> None:
    if probe.key_names and not probe.key and not probe.local:
        server.state, server.detail = "no key", f"no key: set {probe.key_names[0]}"
        return
    if probe.dialect == "litellm" or not probe.base_url:
        server.state, server.detail = "not asked", "its models can't be listed"
        return
    await _converse(asker, probe, server)
    if server.state == "not a model server" and (other := _other_loopback(probe.base_url)):
        second = replace(server)
        await _converse(asker, replace(probe, base_url=other), second)
        if second.state in ("answers", "loading"):
            server.state, server.detail, server.took = second.state, second.detail, second.took
            server.software, server.version, server.models = second.software, second.version, second.models


def _other_loopback(url: str) -> str:
    """The same address on ::1, where `localhost` has led to 127.0.0.1 and to something else."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname != "localhost" or parts.scheme != "http":
        return ""
    return url.replace("//localhost", "//[::1]", 1)


async def _converse(asker: Asker, probe: Probe, server: Server) -> None:
    talk = _Talk(asker, probe, server)
    try:
        match probe.dialect:
            case "anthropic":
                version = "" if probe.base_url.rstrip("/").endswith("/v1") else "/v1"
                found = await talk.main(f"{probe.base_url.rstrip('/')}{version}/models?limit=1000")
                talk.answered("anthropic", listing.anthropic(probe.name, found))
            case "gemini":
                found = await talk.main(f"{probe.base_url.rstrip('/')}/models?pageSize=1000")
                talk.answered("gemini", listing.gemini(probe.name, found))
            case "ollama":
                await _ollama(talk)
            case _:
                await _openai_like(talk)
    except Unheard as error:
        if server.state != "answers":
            server.state, server.detail = error.state, error.detail  # type: ignore[assignment]
    except NotAList:
        server.state, server.detail = "not a model server", "what answers there gives no list of models"


class _Talk:
    """The questions to one server, and what came of them."""

    def __init__(self, asker: Asker, probe: Probe, server: Server) -> None:
        self.probe, self.server = probe, server
        self._asker = asker
        self._began = time.monotonic()
        self.root = root(probe.base_url)

    async def main(self, url: str) -> object:
        """The JSON of the answer that everything hangs on. Raises Unheard or NotAList."""
        reply = await self._asker.ask(self.probe, url)
        self.server.took = time.monotonic() - self._began
        if reply.headers.get("server") == "llama.cpp":
            self.server.software = "llama.cpp"
        _judge(reply, self.probe)
        return decode(reply.body)

    async def extra(self, url: str, sent: Mapping[str, object] | None = None) -> object:
        """The JSON of an answer that may as well be missing: then it is None."""
        try:
            body = None if sent is None else json.dumps(sent).encode()
            reply = await self._asker.ask(self.probe, url, body)
            return decode(reply.body) if reply.status == 200 else None
        except (Unheard, NotAList):
            return None

    def answered(self, software: str, models: tuple[Model, ...]) -> None:
        """Keep what is known by now: the limit may cut off whatever else is asked."""
        server = self.server
        if key := self.probe.key:  # some servers repeat what they are told
            models = tuple(replace(m, id=without_key(m.id, key), name=without_key(m.name, key)) for m in models)
        server.state, server.detail, server.software, server.models, server.age = "answers", "", software, models, 0.0


def _judge(reply: Reply, probe: Probe) -> None:
    """Raise Unheard for a reply that is no list of models, with what is the matter."""
    status = reply.status
    if status == 200:
        return
    if status in (401, 403):
        if probe.key:
            raise Unheard("wrong key", f"it does not accept the key ({status})")
        raise Unheard("no key", f"it wants a key ({status})")
    if 300 <= status < 400:
        where = text(base(reply.headers.get("location", "")), 80)
        raise Unheard("not a model server", f"it sends us on to {where or 'another address'}")
    try:
        said = mapping(decode(reply.body))
    except NotAList:
        said = {}
    if status == 400 and mapping(said.get("error")).get("type") == "no_db_connection":
        raise Unheard("wrong key", "it does not accept the key")  # LiteLLM without a database
    if status == 503 and b"oading" in reply.body and said:
        raise Unheard("loading", "it still loads its model")
    if status in (404, 405, 501) and not (said and not probe.usual):
        raise Unheard("not a model server", f"no list of models there ({status})")
    if status in (404, 405, 501):
        raise Unheard("no list", f"no list of models there ({status})")
    raise Unheard("failing", f"it answers with an error ({status})")


# One conversation per dialect ----------------------------------------------------------------------------------------


async def _openai_like(talk: _Talk) -> None:
    probe, server = talk.probe, talk.server
    found = await talk.main(f"{probe.base_url.rstrip('/')}/models")
    models = listing.openai_like(probe.name, found, local=probe.local)
    software = server.software or _recognise(probe, listing.entries(found))
    talk.answered(software, models)
    match software:
        case "ollama":
            await _ollama(talk, certain=False)
        case "lmstudio":
            await _lmstudio(talk)
        case "llama.cpp":
            props = await talk.extra(f"{talk.root}/props")
            talk.answered(software, listing.llamacpp(models, found, props))
            server.version = text(mapping(props).get("build_info"))
        case "vllm":
            server.version = text(mapping(await talk.extra(f"{talk.root}/version")).get("version"))
        case "sglang":
            await _sglang(talk, models)
        case "koboldcpp":
            await _koboldcpp(talk, models)
        case "text-generation-webui":
            await _webui(talk, models)
        case _:
            pass


_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang", "koboldcpp": "koboldcpp",
           "organization_owner": "lmstudio", "organization-owner": "lmstudio", "library": "ollama",
           "jan": "jan"}  # fmt: skip
_PORTS = {11434: "ollama", 1234: "lmstudio", 1337: "jan", 5000: "text-generation-webui", 5001: "koboldcpp"}


def _recognise(probe: Probe, entries: Sequence[Mapping[str, object]]) -> str:
    """The software by whom it names as the owner of its models; a usual port only decides what else is asked."""
    for entry in entries:
        if software := _OWNERS.get(text(entry.get("owned_by"))):
            return software
        if "engine" in entry and "inference_params" in entry:
            return "jan"
    port = urllib.parse.urlsplit(probe.base_url).port
    return _PORTS.get(port or 0, "openai-compatible") if probe.local else "openai-compatible"


async def _ollama(talk: _Talk, *, certain: bool = True) -> None:
    """Ollama in its own API: the list, then versions, what is loaded, and each model's capabilities where the list
    does not tell them. Where it was only a guess (not `certain`), what OpenAI's list said stays."""
    probe, server = talk.probe, talk.server
    version = asyncio.create_task(talk.extra(f"{talk.root}/api/version"))
    running = asyncio.create_task(talk.extra(f"{talk.root}/api/ps"))
    try:
        url = f"{talk.root}/api/tags"
        found = await talk.main(url) if certain else await talk.extra(url)
        models = listing.ollama(probe.name, found, local=probe.local)
        talk.answered("ollama", models)
        server.version = text(mapping(await version).get("version"))
        server.models = listing.ollama_running(models, await running)
        await _show_each(talk)
    except NotAList:
        if certain:
            raise
        server.software = "openai-compatible"
    finally:
        version.cancel()
        running.cancel()


async def _show_each(talk: _Talk) -> None:
    """Fill in what `/api/show` tells, the loaded models first; what comes in time is kept."""
    slots = asyncio.Semaphore(_SHOWN_AT_ONCE)

    async def show(id: str) -> None:
        async with slots:
            shown = await talk.extra(f"{talk.root}/api/show", {"model": id})
        talk.server.models = tuple(
            listing.ollama_shown(model, shown) if model.id == id else model for model in talk.server.models
        )

    unknown = [model for model in talk.server.models if model.kind is None]
    async with asyncio.TaskGroup() as group:
        for model in sorted(unknown, key=lambda model: not model.loaded):
            group.create_task(show(model.id))


async def _lmstudio(talk: _Talk) -> None:
    name, local = talk.probe.name, talk.probe.local
    try:
        talk.answered("lmstudio", listing.lmstudio(name, await talk.extra(f"{talk.root}/api/v1/models"), local=local))
        return
    except NotAList:
        older = await talk.extra(f"{talk.root}/api/v0/models")
    try:
        talk.answered("lmstudio", listing.openai_like(name, older, local=local))
    except NotAList:
        owners = talk.server.models
        talk.answered("openai-compatible", owners)


async def _sglang(talk: _Talk, models: tuple[Model, ...]) -> None:
    facts = mapping(await talk.extra(f"{talk.root}/get_model_info"))
    kind = {True: "chat", False: "embedding"}.get(facts.get("is_generation") is True)
    if isinstance(facts.get("is_generation"), bool):
        talk.answered("sglang", tuple(replace(model, kind=kind, loaded=True) for model in models))


async def _koboldcpp(talk: _Talk, models: tuple[Model, ...]) -> None:
    facts = mapping(await talk.extra(f"{talk.root}/api/extra/version"))
    if facts.get("result") != "KoboldCpp":
        talk.answered("openai-compatible", models)
        return
    talk.server.version = text(facts.get("version"))
    most = mapping(await talk.extra(f"{talk.root}/api/extra/true_max_context_length")).get("value")
    talk.answered("koboldcpp", tuple(
        replace(model, context=listing.count(most) or model.context, loaded=True, kind="chat") for model in models
    ))  # fmt: skip


async def _webui(talk: _Talk, models: tuple[Model, ...]) -> None:
    facts = mapping(await talk.extra(f"{talk.root}/v1/internal/model/info"))
    if "model_name" not in facts:
        talk.answered("openai-compatible", models)
        return
    talk.answered("text-generation-webui", tuple(
        replace(model, loaded=model.id == facts["model_name"]) for model in models
    ))  # fmt: skip


# Where such servers usually listen -----------------------------------------------------------------------------------


def usual_local(environ: Mapping[str, str] = os.environ) -> list[Probe]:
    """The ports where model servers on one's own machine listen by default. OLLAMA_HOST is honoured.

    Source: each project's documentation, November 2026; llama.cpp moved from 8080 to 9931 in August 2026.
    """
    at = (("lmstudio", 1234), ("llamacpp", 9931), ("llamacpp-8080", 8080), ("vllm", 8000), ("sglang", 30000),
          ("jan", 1337), ("tgwui", 5000), ("koboldcpp", 5001))  # fmt: skip
    ollama = ollama_host(environ.get("OLLAMA_HOST", ""))
    mine = (urllib.parse.urlsplit(ollama).hostname or "") in LOOPBACK
    return [
        Probe("ollama", f"{ollama}/v1", "ollama", local=mine, usual=mine),
        *(Probe(name, f"http://localhost:{port}/v1", local=True, usual=True) for name, port in at),
    ]


def ollama_host(said: str) -> str:
    """The address that OLLAMA_HOST means, read as Ollama's own client reads it (envconfig/config.go): scheme, host and
    port may each be missing; a server that listens everywhere is reached at localhost."""
    said = said.strip().strip("\"'")
    scheme, mark, rest = said.rpartition("://")
    rest = rest.partition("/")[0]
    scheme = scheme if mark and scheme in ("http", "https") else "http"
    usual = {"http": 80, "https": 443}[scheme] if mark else 11434
    host, port = "localhost", usual
    with suppress(ValueError):  # a bracket without its partner
        parts = urllib.parse.urlsplit(f"//{rest}" if rest.count(":") < 2 or "[" in rest else f"//[{rest}]")
        host = parts.hostname or host
        port = usual if parts.port is None else parts.port
    host = "localhost" if host in ("0.0.0.0", "::", "127.0.0.1") else f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port}"


def together(configured: Iterable[Probe], usual: Iterable[Probe]) -> list[Probe]:
    """Both, but no usual place that has a configured name, or is a configured server's address."""
    found = list(configured)
    taken, names = {_place(probe) for probe in found}, {probe.name for probe in found}
    return found + [probe for probe in usual if probe.name not in names and _place(probe) not in taken]


def _place(probe: Probe) -> tuple[str, int | None]:
    try:
        parts = urllib.parse.urlsplit(probe.base_url)
        host = parts.hostname or ""
        return ("localhost" if host in LOOPBACK else host), parts.port
    except ValueError:
        return probe.base_url, None
