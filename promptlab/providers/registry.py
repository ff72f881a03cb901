"""From a cell to the provider that speaks to its endpoint. Adapters are imported when a cell needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from promptlab.errors import Fault, ProviderError
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


# The default model is small enough to repeat itself for ever at a low temperature: its server stops it here where
# a request sets no max_tokens. That is the server's own limit, as every server has one, and the cell says it.
DEFAULT_MOST = 256


class Registry:
    """One provider per endpoint, and per file where the model is embedded; closed together.

    `weights` gives the default model's file; it is called only where the embedded default is asked for. `secrets`
    finds a key by its variables, `knowledge` and `mode` decide what of a request goes out.
    """

    def __init__(
        self, endpoints: Mapping[str, Endpoint], weights: Callable[[], Path], *,
        secrets: Secrets = from_environment, knowledge: Knowledge | None = None, mode: Mode = "adapt",
    ) -> None:  # fmt: skip
        self._endpoints, self._weights = endpoints, weights
        self._secrets, self._knowledge, self._mode = secrets, knowledge or Knowledge(), mode
        self._pool = Pool()
        self._open: dict[tuple[str, str, str], Provider] = {}
        self._servers: list[EmbeddedServer] = []

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
        for server in self._servers:
            await server.aclose()
        await self._pool.aclose()

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

        file = Path(model).expanduser() if model else self._weights()

        async def connect() -> tuple[str, str | None]:
            from promptlab.providers.embedded import EmbeddedServer

            server = EmbeddedServer(file, slots=endpoint.slots, most=-1 if model else DEFAULT_MOST)
            self._servers.append(server)
            address = await server.start()
            return address.base_url, address.key

        return Direct(
            LOCAL, "http://127.0.0.1:PORT/v1", self._pool, _dialect(endpoint, tags), slots=endpoint.slots,
            judge=self.judge(endpoint), connect=connect,
        )  # fmt: skip


def facts_of(knowledge: Knowledge, endpoint: Endpoint, model: str) -> Facts:
    """What is known of a model at an endpoint of the catalog."""
    return knowledge.facts(endpoint.name, endpoint.dialect, model, like=endpoint.like, base_url=endpoint.base_url)


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

            return Anthropic(most=lambda model: _longest(endpoint.name, model))
        case "gemini":
            from promptlab.providers.gemini import Gemini

            return Gemini()
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
        why = "holds a line break or another character that no key has" if self._set else "is not set"
        raise ProviderError(Fault("auth", f"no key: the variable {self._key_name} {why}",
                                  f"promptlab keys set {self._key_name}, or export {self._key_name}=…", self.name))  # fmt: skip

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        return self._road.stream(request)

    async def release(self) -> None:
        await self._road.release()

    async def aclose(self) -> None:
        await self._road.aclose()
