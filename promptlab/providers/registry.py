"""From a cell to the provider that speaks to its endpoint. Adapters are imported when a cell needs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from promptlab.errors import Fault, ProviderError
from promptlab.events import Event
from promptlab.providers import Provider
from promptlab.providers.catalog import Endpoint
from promptlab.providers.http import Pool
from promptlab.providers.thinking import Mode
from promptlab.request import LOCAL, Request, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promptlab.providers.embedded import EmbeddedServer


# The default model is small enough to repeat itself for ever at a low temperature: its server stops it here where
# a request sets no max_tokens. That is the server's own limit, as every server has one, and the cell says it.
DEFAULT_MOST = 256


class Registry:
    """One provider per endpoint, and per file where the model is embedded; closed together.

    `weights` gives the default model's file; it is called only where the embedded default is asked for.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], weights: Callable[[], Path]) -> None:
        self._endpoints, self._weights = endpoints, weights
        self._pool = Pool()
        self._open: dict[tuple[str, str, str], Provider] = {}
        self._servers: list[EmbeddedServer] = []

    def provider(self, endpoint: str, model: str, options: Mapping[str, str]) -> Provider:
        """The provider for one cell; the same one for all cells that share its connection."""
        tags = options.get("tags") or self._endpoints[endpoint].tags
        key = (endpoint, model if endpoint == LOCAL else "", tags)
        if key not in self._open:
            self._open[key] = self._make(self._endpoints[endpoint], model, tags)
        return self._open[key]

    async def aclose(self) -> None:
        for provider in self._open.values():
            await provider.aclose()
        for server in self._servers:
            await server.aclose()
        await self._pool.aclose()

    def _make(self, endpoint: Endpoint, model: str, tags: str) -> Provider:
        from promptlab.providers.openai_chat import OpenAIChat

        if endpoint.name == LOCAL:
            return self._embedded(endpoint, model, cast(Mode, tags))
        key = endpoint.secret()
        if endpoint.litellm:
            from promptlab.providers.litellm_road import LiteLLMRoad

            road: Provider = LiteLLMRoad(
                endpoint.name, endpoint.litellm, base_url=endpoint.base_url or None, key=key, key_name=endpoint.key,
                slots=endpoint.slots, tags=cast(Mode, tags),
            )  # fmt: skip
        else:
            road = OpenAIChat(
                endpoint.name, endpoint.base_url, self._pool, key=key, key_name=endpoint.key, slots=endpoint.slots,
                wire_names=endpoint.wire, include_usage=endpoint.include_usage, tags=cast(Mode, tags),
            )  # fmt: skip
        if endpoint.key and not (key and key.isascii() and key.isprintable()):
            return Keyless(road, endpoint.key, set=bool(key))
        return road

    def _embedded(self, endpoint: Endpoint, model: str, tags: Mode) -> Provider:
        from promptlab.providers.openai_chat import OpenAIChat

        file = Path(model).expanduser() if model else self._weights()

        async def connect() -> tuple[str, str | None]:
            from promptlab.providers.embedded import EmbeddedServer

            server = EmbeddedServer(file, slots=endpoint.slots, most=-1 if model else DEFAULT_MOST)
            self._servers.append(server)
            address = await server.start()
            return address.base_url, address.key

        return OpenAIChat(
            LOCAL, "http://127.0.0.1:PORT/v1", self._pool, slots=endpoint.slots, tags=tags, connect=connect
        )


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
                                  f"export {self._key_name}=… and try again", self.name))  # fmt: skip

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        return self._road.stream(request)

    async def aclose(self) -> None:
        await self._road.aclose()
