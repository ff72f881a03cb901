"""The OpenAI chat dialect, spoken directly: OpenAI, DeepSeek, OpenRouter, Groq, Mistral, Ollama, llama.cpp, vLLM …"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from promptlab.errors import Fault, ProviderError
from promptlab.events import Accepted, Event, Waiting
from promptlab.params import BODY, Value
from promptlab.providers import fault
from promptlab.providers.http import LONGEST_ERROR, LONGEST_EVENT, EventDecoder, Pool, base
from promptlab.providers.openai_chunks import ChunkFold
from promptlab.providers.thinking import Mode
from promptlab.request import Request, Wire

if TYPE_CHECKING:
    import aiohttp

# promptlab's names on the left, the dialect's on the right; an endpoint may rename some (catalog: `wire`).
WIRE_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "stop": "stop",
    "effort": "reasoning_effort",
}

Address = Callable[[], Awaitable[tuple[str, str | None]]]


class OpenAIChat:
    """One endpoint that speaks `POST {base_url}/chat/completions` with `stream: true`.

    `connect`, where given, is awaited before the first request and gives base URL and key: so the embedded
    server is started when it is needed and not before.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        pool: Pool,
        *,
        key: str | None = None,
        key_name: str | None = None,
        slots: int = 16,
        wire_names: Mapping[str, str] | None = None,
        include_usage: bool = True,
        tags: Mode = "auto",
        connect: Address | None = None,
    ) -> None:
        self.name, self.slots = name, slots
        self._base_url, self._pool, self._tags = base_url.rstrip("/"), pool, tags
        self._key, self._key_name, self._connect = key, key_name, connect
        self._names = {**WIRE_NAMES, **(wire_names or {})}
        self._include_usage = include_usage

    def wire(self, request: Request) -> Wire:
        body: dict[str, Value] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "stream": True,
        }
        if self._include_usage:
            body["stream_options"] = {"include_usage": True}
        for name, value in request.parameters.items():
            body[name.removeprefix(BODY) if name.startswith(BODY) else self._names[name]] = value
        return Wire(f"{self._base_url}/chat/completions", body, dict(request.parameters))

    async def prepare(self) -> None:
        if self._connect is not None:
            base_url, self._key = await self._connect()
            self._base_url = base_url.rstrip("/")

    async def aclose(self) -> None:
        """Nothing of its own to close: the pool and the embedded server belong to whoever made them."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        import aiohttp

        wire = self.wire(request)
        headers = {"authorization": f"Bearer {self._key or 'none'}"}
        fold = ChunkFold(self.name, request.model, self._tags, key=self._key, key_name=self._key_name)
        async with self._pool.post(self.name, wire.url, wire.encode(), headers) as response:
            await self._refuse(response, request.model)
            yield Accepted(response.status, response.headers.get("x-request-id"))
            if "json" in response.headers.get("content-type", ""):  # it doesn't stream: one whole completion
                for event in fold.end(await self._whole(response), base(wire.url)):
                    yield event
                if fold.error:
                    raise fold.error
                return
            decoder = EventDecoder()
            try:
                async for part in response.content.iter_any():
                    for data in decoder.feed(part):
                        if not isinstance(data, bytes):
                            yield Waiting()
                            continue
                        for event in fold.take(data):
                            yield event
                    if fold.done or fold.error:
                        break
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if not fold.said:  # nothing lost: the engine may try again
                    raise ProviderError(fault.from_connection(self.name, error, base_url=base(wire.url))) from error
            for event in fold.end(decoder.rest, base(wire.url)):
                yield event
        if fold.error:
            raise fold.error

    async def _refuse(self, response: aiohttp.ClientResponse, model: str) -> None:
        """Raise for everything that is not the beginning of an answer."""
        if response.status < 300:
            kind = response.headers.get("content-type", "")
            if "html" not in kind:
                return
            text = (await _read(response, 2000)).decode("utf-8", "replace").strip()
            text = fault.without_key(text, self._key)
            raise ProviderError(fault.not_a_stream(self.name, response.status, kind, text, base(str(response.url))))
        where = base(str(response.url))
        if response.status < 400:
            moved = fault.without_key(base(response.headers.get("location", "elsewhere")), self._key)
            message = f"{where} sends on to {moved}; a key is never sent after it"
            raise ProviderError(Fault("not_an_api", message, "give that address as the base URL if you trust it",
                                      self.name, response.status))  # fmt: skip
        body = await _read(response, LONGEST_ERROR)
        raise ProviderError(
            fault.from_response(
                self.name, response.status, response.headers, body,
                model=model, key=self._key, key_name=self._key_name, base_url=where,
            )
        )  # fmt: skip

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        import aiohttp

        try:
            whole = bytearray()
            async for part in response.content.iter_any():
                whole += part
                if len(whole) > LONGEST_EVENT:
                    raise ProviderError(Fault("not_an_api", "the answer is over 16 MB", "is this a model server?",
                                              self.name, response.status))  # fmt: skip
            return bytes(whole)
        except (aiohttp.ClientError, OSError) as error:
            raise ProviderError(fault.from_connection(self.name, error, base_url=base(str(response.url)))) from error


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes of an error body; what can't be read is left out."""
    import aiohttp

    body = b""
    try:
        while len(body) < limit and (part := await response.content.read(limit)):
            body += part
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    return body
