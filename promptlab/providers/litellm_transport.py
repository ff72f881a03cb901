"""The seam under litellm: what it sends goes through here, is shown, guarded and read along.

litellm turns a cut stream into "stop", invents token counts, tries again unseen and may send to another host
than it was told. So every client that it makes gets its transport from here; the bytes are the truth.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpx

from promptlab.events import Accepted, Event, Sent
from promptlab.knowledge import merge
from promptlab.params import Value
from promptlab.providers.fault import without_key
from promptlab.providers.litellm_reader import WireReader
from promptlab.providers.shape import parse
from promptlab.providers.thinking import Mode

CALL: ContextVar[Call | None] = ContextVar("promptlab_litellm_call", default=None)

OPENAI_HOST = "api.openai.com"
_SECRET_QUERY = {"key", "api_key", "api-key", "apikey", "access_token", "token", "sig", "signature", "code"}
_OWNER_HEADERS = {"openai-organization", "openai-project"}  # the SDK takes them from the environment, for any host
_BODY_HEADERS = {"content-encoding", "content-length", "transfer-encoding"}  # no longer true of the decoded body
_REQUEST_IDS = ("request-id", "x-request-id", "x-amzn-requestid", "x-goog-request-id", "cf-ray")


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP answer that is no stream: an error, or a web page."""

    status: int
    headers: dict[str, str]
    body: bytes


class Call:
    """One request on its way through litellm: what went out, what came back, what may still go out."""

    def __init__(
        self,
        client: httpx.AsyncClient | None,
        base_url: str | None,
        *,
        extra: dict[str, Value] | None = None,
        secret: str | None = None,
        may_openai: bool = False,
        tags: Mode = "auto",
    ) -> None:
        """Without a client it is a dry run: nothing leaves. `extra` is merged into the body."""
        self.events: asyncio.Queue[Event | None] = asyncio.Queue(64)
        self.reader = WireReader(tags)
        self.sent: Sent | None = None
        self.accepted = False
        self.content_type = ""
        self.is_dry = client is None
        self.refused: Refused | None = None  # what the endpoint said no with
        self.broken: Exception | None = None  # no answer: the connection failed
        self.cut: Exception | None = None  # the connection broke inside the stream
        self.stopped = ""  # what the guard did not let out
        self._client = client
        self._target = _origin(httpx.URL(base_url)) if base_url else None
        self._extra = extra or {}
        self._secret = secret
        self._may_openai = may_openai
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    @property
    def is_readable(self) -> bool:
        """The stream is text, so that its end would have been seen."""
        return "amazon" not in self.content_type and self.content_type.startswith(("text/", "application/x-ndjson"))

    @property
    def is_no_stream(self) -> bool:
        """A text came that is not a stream of any kind."""
        text = self.content_type.startswith(("text/plain", "application/json")) or not self.content_type
        return self.accepted and text and not self.reader.knows_end and b"data:" not in self.reader.head

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send for litellm. A failure is handed over as an answer that none of its layers tries again."""
        # Several layers do: the openai SDK, litellm's own handler on a ConnectError, both unseen.
        if why := self.gate(request):
            return _stand_in(why)
        final = self._rewrite(request, await request.aread())
        if self._client is None:
            return _stand_in("dry run")
        if self.sent is not None and self._response is None:  # a redirected request is shown once
            await self.events.put(self.sent)
        try:
            response = await self._client.send(final, stream=True)
        except (httpx.TransportError, OSError) as error:
            self.broken = error
            return _stand_in("no connection")
        self._response, self._pieces = response, response.aiter_bytes()
        headers = [(k, v) for k, v in response.headers.items() if k.lower() not in _BODY_HEADERS]
        if response.status_code >= 400 or "html" in response.headers.get("content-type", ""):
            return await self._refuse(response, headers)
        if response.status_code < 300 and not self.accepted:
            self.accepted = True
            self.content_type = response.headers.get("content-type", "")
            await self.events.put(Accepted(response.status_code, _request_id(response.headers)))
        return httpx.Response(response.status_code, headers=headers, stream=_Tee(self))

    def send_aside(self, request: httpx.Request) -> httpx.Response:
        """A blocking call that litellm makes beside the stream (a model's card, a token): guarded, not shown."""
        if self._client is None:
            return _stand_in("dry run")
        if _in_event_loop():  # litellm's cost accounting does this, and would stop every other stream
            return _stand_in("would block")
        if why := self.gate(request, aside=True):  # Ollama's card is asked for at localhost, whatever the address
            return _stand_in(why)
        with httpx.Client(trust_env=not _is_loopback(request.url.host), timeout=30) as client:
            response = client.send(request)
        headers = [(k, v) for k, v in response.headers.items() if k.lower() not in _BODY_HEADERS]
        return httpx.Response(response.status_code, headers=headers, content=response.content)

    def gate(self, request: httpx.Request, *, aside: bool = False) -> str:
        """Why this must not go out, or an empty string. Only what is not `aside` counts against the call."""
        if self.refused or self.broken or self.stopped:
            return "no second try"  # retries are the engine's, where they are seen
        origin, why = _origin(request.url), ""
        if self._target is not None and origin != self._target:
            why = f"{origin[1]} instead of {self._target[1]}"
        elif request.url.host == OPENAI_HOST and not self._may_openai:
            why = f"{OPENAI_HOST}, which is not this endpoint"
        self.stopped = "" if aside else why
        return why

    async def read(self) -> bytes | None:
        """The next piece of the response, read along; None at the end. A cut is the end too: nobody tries again."""
        if self._pieces is None:
            return None
        piece: bytes | None = None
        try:
            piece = await anext(self._pieces, None)
        except (httpx.TransportError, OSError) as error:
            self.cut = error
        if piece is None:
            self._pieces = None
        for event in self.reader.close() if piece is None else self.reader.feed(piece):
            await self.events.put(event)
        return piece

    async def drain(self) -> None:
        """Read what litellm left: it stumbles over chunks that are in order, and stops."""
        while self.accepted and not self.reader.is_over and await self.read() is not None:
            pass

    async def aclose(self) -> None:
        if self._response is not None:
            await self._response.aclose()

    def _rewrite(self, request: httpx.Request, content: bytes) -> httpx.Request:
        """The request as it really goes out; what is kept for the Sent event."""
        headers = [(k, v) for k, v in request.headers.multi_items() if k.lower() not in _OWNER_HEADERS]
        if not self.accepted and request.method == "POST":
            body = parse(content)
            if body is not None and self._extra:
                merge(body, self._extra)
                content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
                headers = [(k, v) for k, v in headers if k.lower() not in _BODY_HEADERS]
            shown: dict[str, Value] = json.loads(without_key(json.dumps(body or {}), self._secret))
            self.sent = Sent(without_key(_without_secrets(request.url), self._secret), shown)
        return httpx.Request(
            request.method, request.url, headers=headers, content=content, extensions=request.extensions
        )

    async def _refuse(self, response: httpx.Response, headers: list[tuple[str, str]]) -> httpx.Response:
        try:
            body = await response.aread()
        except httpx.TransportError:
            body = b""
        await response.aclose()
        self.refused = Refused(response.status_code, dict(headers), body)
        status = max(response.status_code, 400)  # a web page under 200 is no answer either
        return httpx.Response(status, headers=[*headers, ("x-should-retry", "false")], content=body)


class _Tee(httpx.AsyncByteStream):
    """The response body for litellm; each piece has been read here before. Closing is the call's business."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._call.read()) is not None:
            yield piece


class Seam(httpx.AsyncBaseTransport):
    """What litellm's async clients send through. It holds nothing: the running call has the connection."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = CALL.get()
        return _stand_in("not a call of promptlab's") if call is None else await call.send(request)


class SyncSeam(httpx.BaseTransport):
    """The same for litellm's blocking clients."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        call = CALL.get()
        return _stand_in("not a call of promptlab's") if call is None else call.send_aside(request)


def new_client(base_url: str | None) -> httpx.AsyncClient:
    """The connections of one endpoint. A proxy of the environment is honoured, but never for this machine."""
    trust_env = not (base_url and _is_loopback(httpx.URL(base_url).host))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
    return httpx.AsyncClient(trust_env=trust_env, timeout=None, limits=limits)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _stand_in(why: str) -> httpx.Response:
    """An answer made here. 400 with `x-should-retry: false`: the one kind that neither litellm nor the SDK repeats."""
    return httpx.Response(400, headers={"x-should-retry": "false"}, json={"error": {"message": f"promptlab: {why}"}})


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _without_secrets(url: httpx.URL) -> str:
    kept = [(k, v) for k, v in url.params.multi_items() if k.lower() not in _SECRET_QUERY]
    return str(url.copy_with(params=kept or None, username=None, password=None))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _request_id(headers: httpx.Headers) -> str | None:
    return next((headers[name] for name in _REQUEST_IDS if name in headers), None)
