"""An endpoint that is spoken to directly: one HTTP request, one stream, in one of our own dialects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from promptlab.errors import Fault, ProviderError, Sentence
from promptlab.events import Accepted, Event, Usage, Waiting
from promptlab.knowledge import SCALES, Judge, Judged, as_asked, merge
from promptlab.params import BODY, Value
from promptlab.providers import fault
from promptlab.providers.http import LONGEST_ERROR, LONGEST_EVENT, EventDecoder, LineDecoder, Pool, base
from promptlab.request import Request, Verdict, Wire

if TYPE_CHECKING:
    import aiohttp

Address = Callable[[], Awaitable[tuple[str, str | None]]]


@dataclass(frozen=True, slots=True)
class Call:
    """Who is asked for what, for a fold's errors; `key` is there to be masked where an endpoint echoes it."""

    provider: str
    model: str
    key: str | None = None
    key_name: str | None = None


class Fold(Protocol):
    """One stream's messages to events. `error` is set by an error inside the stream: what came before it has been
    given, and the caller raises it."""

    error: ProviderError | None
    said: bool  # some text has come
    done: bool  # the end mark has come

    def take(self, data: bytes) -> list[Event]:
        """The events of one message. Raises ProviderError for what is no JSON."""
        ...

    def end(self, rest: bytes, where: str) -> list[Event]:
        """What is left at the end of the stream: `rest` is an unfinished message, or the whole body where the endpoint
        does not stream; then held-back text, the usage, and Finished unless there is an `error`. `where` is the base
        URL, for messages. Raises ProviderError where nothing of it was an answer."""
        ...


class Dialect(Protocol):
    """How a request becomes a body, and a stream becomes events. Pure: no network, no clock, no key of its own."""

    lines: bool  # JSON lines rather than server-sent events

    def path(self, model: str) -> str:
        """What stands behind the base URL."""
        ...

    def headers(self, key: str | None) -> dict[str, str]: ...

    def body(self, request: Request, judged: Judged) -> dict[str, Value]:
        """The body for `judged.send` and the messages, without `judged.body`, which is merged into it. Raises nothing:
        a parameter that the dialect has no name for goes out under promptlab's own."""
        ...

    def fields(self, name: str) -> tuple[str, ...]:
        """The names in the body that parameter `name` may occupy."""
        ...

    def fold(self, call: Call) -> Fold: ...

    def explain(self, found: Fault, model: str) -> Fault:
        """A fault with what only this dialect's servers know of it, for example how a model is fetched."""
        ...


class Direct:
    """One endpoint in one dialect; see `Provider`.

    `connect`, where given, is awaited before the first request and gives base URL and key, and `let_go` after the
    last: so the embedded server is started when it is needed, and is gone when another model needs its memory.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        pool: Pool,
        dialect: Dialect,
        *,
        key: str | None = None,
        key_name: str | None = None,
        slots: int = 16,
        headers: Mapping[str, str] | None = None,
        judge: Judge = as_asked,
        connect: Address | None = None,
        let_go: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name, self.slots = name, slots
        self._base_url, self._pool, self._dialect = base_url.rstrip("/"), pool, dialect
        self._key, self._key_name, self._connect = key, key_name, connect
        self._headers, self._judge, self._let_go = dict(headers or {}), judge, let_go

    def wire(self, request: Request) -> Wire:
        judged = self._judge(request)
        body = self._dialect.body(request, judged)
        raw = {name.removeprefix(BODY): value for name, value in judged.send.items() if name.startswith(BODY)}
        merge(body, judged.body)
        overridden = {name for name in judged.sent for key in raw if key in self._dialect.fields(name)}
        for key in raw:
            if key in self._dialect.fields("schema"):
                body.pop(key, None)  # two descriptions of a format, put into one another, would be neither
        merge(body, raw)
        fields = {
            name: (*self._dialect.fields(name), *_keys(judged.body if name in SCALES else {}))
            for name in judged.sent
        }  # fmt: skip
        url = self._base_url + self._dialect.path(request.model)
        lost = Verdict("ignored", "a raw field of the body stands in its place", left_out=True)
        sent = {name: value for name, value in judged.sent.items() if name not in overridden}
        return Wire(url, body, sent, True, judged.verdicts | dict.fromkeys(overridden, lost), fields, judged.state)

    async def prepare(self) -> None:
        if self._connect is not None:
            base_url, self._key = await self._connect()
            self._base_url = base_url.rstrip("/")

    async def release(self) -> None:
        if self._let_go is not None:
            await self._let_go()

    async def aclose(self) -> None:
        """Nothing of its own to close: the pool and the embedded server belong to whoever made them."""

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        import aiohttp

        wire = self.wire(request)
        fold = self._dialect.fold(Call(self.name, request.model, self._key, self._key_name))
        headers = {**self._headers, **self._dialect.headers(self._key)}
        async with self._pool.post(self.name, wire.url, wire.encode(), headers) as response:
            await self._refuse(response, request.model)
            yield Accepted(response.status, _request_id(response.headers))
            kind = response.headers.get("content-type", "")
            if "json" in kind and "ndjson" not in kind and "stream" not in kind and not self._dialect.lines:
                for event in fold.end(await self._whole(response), base(wire.url)):  # it doesn't stream
                    yield event
                if fold.error:
                    raise fold.error
                return
            is_litellm = "x-litellm-call-id" in response.headers
            decoder = LineDecoder() if self._dialect.lines else EventDecoder()
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
                    if fold.done or fold.error:
                        break
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if not fold.said:  # nothing lost: the engine may try again
                    raise ProviderError(fault.from_connection(self.name, error, base_url=base(wire.url))) from error
            for event in fold.end(decoder.rest, base(wire.url)):
                yield _doubted(event) if is_litellm and isinstance(event, Usage) else event
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
            message = Sentence("{url} sends on to {other}; a key is never sent after it", url=where, other=moved)
            hint = Sentence("give that address as the base URL if you trust it")
            raise ProviderError(Fault("not_an_api", message, hint, self.name, response.status))
        body = await _read(response, LONGEST_ERROR)
        found = fault.from_response(
            self.name, response.status, response.headers, body,
            model=model, key=self._key, key_name=self._key_name, base_url=where,
        )  # fmt: skip
        raise ProviderError(self._dialect.explain(found, model))

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


def _keys(value: Value) -> tuple[str, ...]:
    """The names of a fragment's innermost values, but for those that stand in any message of an error."""
    if not isinstance(value, dict):
        return ()
    return tuple(
        name for key, inner in value.items()
        for name in (_keys(inner) if isinstance(inner, dict) else (key,)) if name not in ("type", "summary")
    )  # fmt: skip


def _request_id(headers: Mapping[str, str]) -> str | None:
    return headers.get("x-request-id") or headers.get("request-id")  # Anthropic has the second


def _doubted(usage: Usage) -> Usage:
    """Without the count of thinking that LiteLLM as a gateway makes with its own tokenizer, unmarked, where the vendor
    gives none (`streaming_chunk_builder_utils.py` of 1.106)."""
    details = usage.raw.get("completion_tokens_details")
    is_its_own = isinstance(details, dict) and set(details) == {"reasoning_tokens", "text_tokens"}
    return replace(usage, thinking=None) if is_its_own else usage
