"""From a cell to the provider that speaks to its endpoint. Adapters are imported when a cell needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from promptlab.errors import Fault, ProviderError, Sentence
from promptlab.events import Event
from promptlab.knowledge import Facts, Judge, Judged, Knowledge, Mode, judge
from promptlab.providers import Provider
from promptlab.providers.catalog import Endpoint, Secrets, from_environment
from promptlab.providers.http import Pool
from promptlab.providers.thinking import Mode as Tags
from promptlab.request import LOCAL, Request, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promptlab.providers.direct import Dialect
    from promptlab.providers.embedded import EmbeddedServer
    from promptlab.providers.room import Room


# The default model is small enough to repeat itself for ever at a low temperature: its server stops it here where
# a request sets no max_tokens. That is the server's own limit, as every server has one, and the cell says it.
DEFAULT_MOST = 256
EMBEDDED = "smollm2-135m-instruct"  # the default model, which has no name in a target
CONTEXT = 8192  # tokens a slot of a local model has, where its own context is not smaller


class Registry:
    """One provider per endpoint, and per file where the model is embedded; closed together.

    `file` gives the file of a local model, the default one's for an empty name; it is called only where one is asked
    for. `secrets` finds a key by its variables, `knowledge` and `mode` decide what of a request goes out.
    """

    def __init__(
        self, endpoints: Mapping[str, Endpoint], file: Callable[[str], Path], *,
        secrets: Secrets = from_environment, knowledge: Knowledge | None = None, mode: Mode = "adapt",
        room: Room | None = None,
    ) -> None:  # fmt: skip
        self._endpoints, self._file = endpoints, file
        self._secrets, self._knowledge, self._mode = secrets, knowledge or Knowledge(), mode
        self._pool = Pool()
        self._open: dict[tuple[str, str, str], Provider] = {}
        self._loaded: list[_ModelFile] = []
        self._memory = room

    def provider(self, endpoint: str, model: str, options: Mapping[str, str]) -> Provider:
        """The provider for one cell; the same one for all cells that share its connection."""
        tags = options.get("tags") or self._endpoints[endpoint].tags
        key = (endpoint, model if endpoint == LOCAL else "", tags)
        if key not in self._open:
            self._open[key] = self._make(self._endpoints[endpoint], model, cast(Tags, tags))
        return self._open[key]

    async def aclose(self) -> None:
        for provider in self._open.values():
            await provider.aclose()
        for model_file in self._loaded:
            await model_file.unload()
        await self._pool.aclose()

    def _room(self) -> Room:
        """The memory of this machine, shared by all local models of the run."""
        if self._memory is None:
            from promptlab.providers.room import Room

            self._memory = Room()
        return self._memory

    def judge(self, endpoint: Endpoint) -> Judge:
        """What decides on the requests of an endpoint; facts are looked up once a model."""
        known: dict[str, Facts] = {}

        def decide(request: Request) -> Judged:
            facts = known.get(request.model)
            if facts is None:
                facts = known[request.model] = facts_of(self._knowledge, endpoint, request.model)
            return judge(facts, request, self._mode)

        return decide

    def _make(self, endpoint: Endpoint, model: str, tags: Tags) -> Provider:
        from promptlab.providers.direct import Direct

        if endpoint.name == LOCAL:
            return self._embedded(endpoint, model, tags)
        secret = self._secrets(endpoint.keys) if endpoint.keys else None
        key, key_name = (secret.value, secret.name) if secret else (None, next(iter(endpoint.keys), None))
        if endpoint.dialect == "litellm":
            from promptlab.providers.litellm_road import LiteLLMRoad

            road: Provider = LiteLLMRoad(
                endpoint.name, endpoint.litellm or "", base_url=endpoint.base_url or None, key=key, key_name=key_name,
                slots=endpoint.slots, tags=tags, judge=self.judge(endpoint),
            )  # fmt: skip
        else:
            road = Direct(
                endpoint.name, _root(endpoint), self._pool, _dialect(endpoint, tags), key=key, key_name=key_name,
                slots=endpoint.slots, headers=endpoint.headers, judge=self.judge(endpoint),
            )  # fmt: skip
        if endpoint.keys and not (key and key.isascii() and key.isprintable()):
            return Keyless(road, endpoint.keys[0], set=bool(key))
        return road

    def _embedded(self, endpoint: Endpoint, model: str, tags: Tags) -> Provider:
        from promptlab.providers.direct import Direct

        model_file = _ModelFile(self._file(model), endpoint.slots, -1 if model else DEFAULT_MOST, self._room)
        self._loaded.append(model_file)
        return Direct(
            LOCAL, "http://127.0.0.1:PORT/v1", self._pool, _dialect(endpoint, tags), slots=endpoint.slots,
            judge=self.judge(endpoint), connect=model_file.load, let_go=model_file.unload,
        )  # fmt: skip


class _ModelFile:
    """A model file that is loaded when there is room for it, and gone when its last request has ended."""

    def __init__(self, file: Path, slots: int, most: int, room: Callable[[], Room]) -> None:
        self._file, self._slots, self._most, self._room = file, slots, most, room
        self._server: EmbeddedServer | None = None
        self._held = 0

    async def load(self) -> tuple[str, str | None]:
        """Base URL and key of its server. Raises LabError where the file or the server can't be used."""
        from promptlab.providers import gguf
        from promptlab.providers.embedded import EmbeddedServer

        header = await asyncio.to_thread(gguf.read, self._file)
        context = min(CONTEXT, header.context or CONTEXT)
        need = gguf.memory(header, context, slots=self._slots).total
        await self._room().take(need)
        self._held = need
        self._server = EmbeddedServer(self._file, slots=self._slots, context=context, most=self._most)
        try:
            address = await self._server.start()
        except BaseException:  # cancelled while it loads: whoever waits for the memory must not wait for ever
            await self.unload()
            raise
        return address.base_url, address.key

    async def unload(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.aclose()
            self._room().give(self._held)


def facts_of(knowledge: Knowledge, endpoint: Endpoint, model: str) -> Facts:
    """What is known of a model at an endpoint of the catalog."""
    name = model or EMBEDDED if endpoint.name == LOCAL else model
    return knowledge.facts(endpoint.name, endpoint.dialect, name, like=endpoint.like, base_url=endpoint.base_url)


def _longest(endpoint: str, model: str) -> int | None:
    from promptlab.providers import prices

    listed = prices.entry(endpoint, model)
    return listed.most if listed else None


def _root(endpoint: Endpoint) -> str:
    """The address that a dialect's path goes behind: these two have a /v1 of their own, or none."""
    match endpoint.dialect:
        case "ollama":
            from promptlab.providers.ollama import native

            return native(endpoint.base_url)
        case "anthropic":
            return endpoint.base_url.rstrip("/").removesuffix("/v1")
        case _:
            return endpoint.base_url


def _dialect(endpoint: Endpoint, tags: Tags) -> Dialect:
    match endpoint.dialect:
        case "openai-responses":
            from promptlab.providers.openai_responses import OpenAIResponses

            return OpenAIResponses(wire_names=endpoint.wire, tags=tags)
        case "anthropic":
            from promptlab.providers.anthropic import Anthropic

            return Anthropic(wire_names=endpoint.wire, most=lambda model: _longest(endpoint.name, model))
        case "gemini":
            from promptlab.providers.gemini import Gemini

            return Gemini(wire_names=endpoint.wire)
        case "ollama":
            from promptlab.providers.ollama import Ollama

            return Ollama(wire_names=endpoint.wire, tags=tags)
        case _:
            from promptlab.providers.openai_chat import OpenAIChat

            return OpenAIChat(wire_names=endpoint.wire, include_usage=endpoint.include_usage, tags=tags)


class Keyless:
    """An endpoint whose key is not set, or can't be one: it can show what it would send, and every request fails
    with the reason."""

    def __init__(self, road: Provider, key_name: str, *, set: bool) -> None:
        self.name, self.slots = road.name, road.slots
        self._road, self._key_name, self._set = road, key_name, set

    def wire(self, request: Request) -> Wire:
        return self._road.wire(request)

    async def prepare(self) -> None:
        name = self._key_name
        if self._set:
            why = Sentence("no key: the variable {name} holds a line break or another character that no key has",
                           name=name)  # fmt: skip
        else:
            why = Sentence("no key: the variable {name} is not set", name=name)
        hint = Sentence("promptlab keys set {name}, or export {name}=…", name=name)
        raise ProviderError(Fault("auth", why, hint, self.name))

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        return self._road.stream(request)

    async def release(self) -> None:
        await self._road.release()

    async def aclose(self) -> None:
        await self._road.aclose()
