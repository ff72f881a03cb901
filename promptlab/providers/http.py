"""One pooled HTTP client for all direct dialects, and the decoder of server-sent events.

aiohttp carries the streams: 10 µs of CPU a chunk against 34 for httpx2 and 46 to 164 for httpx, whose parsers
are Python (bench/wire.py). It is imported when the first request needs it.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from promptlab.errors import Fault, ProviderError, Sentence
from promptlab.providers import fault

if TYPE_CHECKING:
    import aiohttp

LONGEST_EVENT = 16 * 1024 * 1024  # bytes; an endpoint that sends more without a line end is broken or hostile
LONGEST_ERROR = 64 * 1024
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")

_BOM = b"\xef\xbb\xbf"
COMMENT = None  # what the decoder gives for a comment line: the line is alive, and nothing was said


class EventDecoder:
    """Bytes of a text/event-stream, cut anywhere, to the data of its events (WHATWG HTML, 9.2.6).

    Line ends may be LF, CRLF or CR; several `data:` lines make one event; comments are given as COMMENT.
    An unfinished event at the end of the stream is kept in `rest` for the caller to judge.
    """

    def __init__(self) -> None:
        self._held = b""
        self._cr = False  # the last byte was a CR: an LF that follows belongs to it
        self._first = True
        self._data: list[bytes] = []
        self._size = 0  # bytes in `_data`

    def feed(self, part: bytes) -> list[bytes | None]:
        """The events that `part` completes, in order. Raises ProviderError on an endless line."""
        if self._cr and part:
            part, self._cr = b"\n" + (part[1:] if part[:1] == b"\n" else part), False
        if b"\r" in part:
            if part.endswith(b"\r"):
                part, self._cr = part[:-1], True
            part = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        text = self._held + part if self._held else part
        if self._first and not _BOM.startswith(text[: len(_BOM) - 1]):
            self._first = False
        elif self._first and len(text) >= len(_BOM):
            text, self._first = text.removeprefix(_BOM), False
        *lines, self._held = text.split(b"\n")
        events = self._events(lines)
        if len(self._held) + self._size > LONGEST_EVENT:
            raise ProviderError(Fault("not_an_api", "the stream has an event of over 16 MB", "is this a model server?"))
        return events

    def _events(self, lines: list[bytes]) -> list[bytes | None]:
        events: list[bytes | None] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                    self._size = 0
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._size += len(line)
            elif line[:1] == b":":
                events.append(COMMENT)
        return events

    @property
    def rest(self) -> bytes:
        """The data of an event that the end of the stream left without its blank line."""
        lines = [*self._data, self._held.removeprefix(b"data:").strip() if self._held[:5] == b"data:" else b""]
        return b"\n".join(line for line in lines if line)


class LineDecoder:
    """Bytes of newline-delimited JSON, cut anywhere, to its lines; the same shape as EventDecoder."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, part: bytes) -> list[bytes | None]:
        """The lines that `part` completes, in order, empty ones left out. Raises ProviderError on an endless line."""
        *lines, self._held = (self._held + part).split(b"\n")
        if len(self._held) > LONGEST_EVENT:
            raise ProviderError(Fault("not_an_api", "the stream has a line of over 16 MB", "is this a model server?"))
        return [line for line in map(bytes.strip, lines) if line]

    @property
    def rest(self) -> bytes:
        """A last line that came without its line end."""
        return self._held.strip()


class Pool:
    """Connections to every endpoint. One client, no cookies, no redirects, no key of its own.

    Proxies come from the environment, as for every program; the machine itself is always reached directly.
    """

    def __init__(self, *, connect_timeout: float = 15.0) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._connect_timeout = connect_timeout

    @asynccontextmanager
    async def post(
        self, provider: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send `body`; the response's stream is open inside the block and closed after it.

        Raises ProviderError where no connection can be had.
        """
        import aiohttp

        session = self._open()
        sent = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
        try:
            response = await session.post(
                url, data=body, headers={**sent, **headers}, proxy=proxy_for(provider, url), allow_redirects=False
            )
        except aiohttp.InvalidURL:  # its text is the entire address, secrets and all
            raise ProviderError(Fault("bad_request", Sentence("the address {url} is not usable", url=base(url)),
                                      Sentence("write it as http://HOST:PORT/v1"), provider)) from None  # fmt: skip
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ProviderError(fault.from_connection(provider, error, base_url=base(url))) from error
        except ValueError as error:  # yarl and aiohttp: the address or a header is malformed
            raise ProviderError(Fault("bad_request", f"the address {base(url)} is not usable: {error}",
                                      "write it as http://HOST:PORT/v1", provider)) from error  # fmt: skip
        try:
            yield response
        finally:
            response.close()  # an unfinished stream must not go on being paid for; a finished one is pooled already

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"user-agent": "promptlab"},
                read_bufsize=2**18,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def base(url: str) -> str:
    """An address without what may be secret in it: user, password and query."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "an address that can't be read"
    host = parts.netloc.rpartition("@")[2]
    return urllib.parse.urlunsplit((parts.scheme, host, _prefix(parts.path), "", ""))


def _prefix(path: str) -> str:
    """The path of the base URL: what a dialect puts behind it is left out."""
    for behind in ("/chat/completions", "/responses", "/v1/messages", "/api/chat"):
        path = path.removesuffix(behind)
    return path.partition("/models/")[0]


def proxy_for(provider: str, url: str) -> str | None:
    """The proxy that the environment names for `url`, or None. Raises ProviderError for one that we can't speak to."""
    parts = urllib.parse.urlsplit(url)
    if parts.hostname in LOOPBACK or not _proxies_set():
        return None
    from urllib.request import getproxies, proxy_bypass  # 15 ms, where a proxy is set only

    if proxy_bypass(parts.hostname or ""):
        return None
    known = getproxies()
    proxy = known.get(parts.scheme) or known.get("all")
    if proxy and proxy.startswith("socks"):
        raise ProviderError(Fault("connection", Sentence("a SOCKS proxy is set, and only HTTP proxies are spoken"),
                                  Sentence("set HTTPS_PROXY to the proxy's http:// address"), provider))  # fmt: skip
    return proxy


def _proxies_set() -> bool:
    return any(name.lower().endswith("_proxy") for name in os.environ)
