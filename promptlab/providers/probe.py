"""One small question to one server, over a bare asyncio socket: bounded, without redirects, cookies or retries.

The pooled client (http.py) takes 150 ms to import, half of what discovery may take in all; and where a name can't be
resolved, its resolver's thread holds up the program's end. Here both are avoided: names are looked up in a thread
that nobody waits for.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeVar

from promptlab.errors import ProviderError
from promptlab.providers.http import base, proxy_for

LARGEST = 4 * 1024 * 1024  # bytes of a body; the longest honest list of models has about 1 MB
_LONGEST_HEAD = 64 * 1024
_MOST_ADDRESSES = 4

T = TypeVar("T")
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Probe:
    """One server to look at. `base_url` is where its dialect lives, with `/v1` where that belongs to it.

    `key` goes into the header of this server and nowhere else; `key_names` are the variables it may come from, and
    with such a name and no key a server elsewhere is not asked. `usual` marks a port where such a server often listens
    and that nobody configured.
    """

    name: str
    base_url: str
    dialect: str = "openai-chat"
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    local: bool = False
    key_names: tuple[str, ...] = ()
    usual: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]  # by lower-case names
    body: bytes


class Unheard(Exception):
    """No answer that can be read: `state` is one of discovery's, `detail` says it in a few words."""

    def __init__(self, state: str, detail: str) -> None:
        super().__init__(detail)
        self.state, self.detail = state, detail


class Asker:
    """What the questions of one look share: the certificates, read once and only where TLS is spoken."""

    def __init__(self) -> None:
        self._tls: asyncio.Task[ssl.SSLContext] | None = None

    async def ask(self, probe: Probe, url: str, sent: bytes | None = None) -> Reply:
        """GET `url`, or POST the JSON in `sent` to it. Raises Unheard."""
        parts = _split(url)
        head = _head(probe, parts, sent)
        try:
            proxy = proxy_for(probe.name, url)
        except ProviderError as error:
            raise Unheard("unreachable", error.fault.message) from None
        try:
            reader, writer = await self._connect(parts, proxy)
            try:
                target = _target(parts) if proxy is None or parts.scheme == "https" else _absolute(parts)
                extra = _proxy_login(proxy) if proxy and parts.scheme == "http" else b""
                writer.write(head.replace(b"\0", target, 1) + extra + b"\r\n" + (sent or b""))
                return await _read(reader)
            finally:
                writer.transport.abort()
        except ConnectionRefusedError:
            raise Unheard("refused", "nothing listens there") from None
        except ssl.SSLCertVerificationError as error:
            raise Unheard("unreachable", f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError:
            raise Unheard("not a model server", "it does not speak TLS as expected") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Unheard("failing", "it closed the connection in the middle") from None
        except (asyncio.LimitOverrunError, ValueError, IndexError):
            raise Unheard("not a model server", "its answer is no HTTP") from None
        except OSError as error:
            raise Unheard("unreachable", error.strerror or str(error)) from None

    async def _connect(self, parts: urllib.parse.SplitResult, proxy: str | None) -> Connection:
        secure = parts.scheme == "https"
        host = parts.hostname or ""
        if proxy is None:
            return await _dial(host, _port(parts), await self._context() if secure else None)
        through = _split(proxy)
        if through.scheme != "http":
            raise Unheard("unreachable", "only proxies with an http:// address are spoken to")
        reader, writer = await _dial(through.hostname or "", _port(through), None)
        if secure:
            try:
                await _tunnel(reader, writer, f"{_bracketed(host)}:{_port(parts)}", _proxy_login(proxy))
                await writer.start_tls(await self._context(), server_hostname=host)
            except BaseException:
                writer.transport.abort()
                raise
        return reader, writer

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = asyncio.create_task(_in_thread(ssl.create_default_context))
        return await asyncio.shield(self._tls)


def root(url: str) -> str:
    """Scheme, host and port of a base URL: where a server's native API lives."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _split(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Unheard("unreachable", f"{base(url)} is no address")
    return parts


def _port(parts: urllib.parse.SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _target(parts: urllib.parse.SplitResult) -> bytes:
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{parts.query}".encode("ascii", "ignore") if parts.query else path.encode()


def _absolute(parts: urllib.parse.SplitResult) -> bytes:
    return f"{parts.scheme}://{_bracketed(parts.hostname or '')}:{_port(parts)}".encode() + _target(parts)


def _head(probe: Probe, parts: urllib.parse.SplitResult, sent: bytes | None) -> bytes:
    """The request's head but for its last line end; a NUL stands where the target goes. Raises Unheard for a key or
    a header that no request can carry."""
    host = _bracketed(parts.hostname or "")
    lines = {
        "host": host if parts.port is None else f"{host}:{parts.port}",
        "user-agent": "promptlab",
        "accept": "application/json",
        "accept-encoding": "identity" if probe.local else "gzip",
        "connection": "close",
        **_credentials(probe),
        **{name.lower(): value for name, value in probe.headers.items()},
    }
    if sent is not None:
        lines |= {"content-type": "application/json", "content-length": str(len(sent))}
    for name, value in lines.items():
        if not (f"{name}{value}".isprintable() and value.isascii() and name.isascii()):
            raise Unheard("wrong key", f"the header '{name}' holds what no request can carry")
    first = f"{'GET' if sent is None else 'POST'} \0 HTTP/1.1\r\n"
    return (first + "".join(f"{name}: {value}\r\n" for name, value in lines.items())).encode("ascii")


def _credentials(probe: Probe) -> dict[str, str]:
    if probe.dialect == "anthropic":  # the version that still describes every model
        return {"anthropic-version": "2023-06-01", **({"x-api-key": probe.key} if probe.key else {})}
    if not probe.key:
        return {}
    return {"x-goog-api-key": probe.key} if probe.dialect == "gemini" else {"authorization": f"Bearer {probe.key}"}


def _proxy_login(proxy: str) -> bytes:
    parts = urllib.parse.urlsplit(proxy)
    if not parts.username:
        return b""
    login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return b"proxy-authorization: Basic " + base64.b64encode(login.encode()) + b"\r\n"


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str, login: bytes) -> None:
    writer.write(f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n".encode() + login + b"\r\n")
    status, _ = await _read_head(reader)
    if status != 200:
        raise Unheard("unreachable", f"the proxy refuses the way there ({status})")


async def _dial(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
    """A connection to one of the host's addresses, all tried at once. Raises the first OSError where none takes one."""

    async def dial(address: str) -> Connection:
        return await asyncio.open_connection(
            address, port, ssl=tls, server_hostname=host if tls else None, limit=_LONGEST_HEAD
        )

    if host == "localhost":  # in order: a server on both is one server, and a refusal comes at once
        try:
            return await dial("127.0.0.1")
        except ConnectionRefusedError:
            return await dial("::1")
    trials = [asyncio.create_task(dial(address)) for address in await _addresses(host, port)]
    try:
        return await _quickest(trials)
    finally:
        for trial in trials:
            trial.cancel()


async def _quickest(trials: list[asyncio.Task[Connection]]) -> Connection:
    fault: BaseException | None = None
    waiting = set(trials)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        won = [trial for trial in done if not trial.exception()]
        for late in won[1:]:
            late.result()[1].transport.abort()
        if won:
            return won[0].result()
        fault = fault or next(iter(done)).exception()
    raise fault or OSError("it has no address")


async def _addresses(host: str, port: int) -> list[str]:
    with suppress(ValueError):
        return [str(ip_address(host))]
    import socket

    try:
        found = await _in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (socket.gaierror, UnicodeError):
        raise Unheard("unreachable", "there is no such host") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MOST_ADDRESSES]


async def _in_thread(call: Callable[[], T]) -> T:
    """`call()` in a thread of its own that ends with the program. Executors' threads are waited for at its end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(set_: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else set_())

    def run() -> None:
        try:
            found = call()
        except Exception as error:
            fault = error
            settle(lambda: done.set_exception(fault))
        else:
            settle(lambda: done.set_result(found))

    threading.Thread(target=run, daemon=True).start()
    return await done


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    opening = await reader.readexactly(5)
    if opening != b"HTTP/":  # said at once, and not only when the banner of a mail server never goes on
        raise Unheard("not a model server", "it does not speak HTTP")
    first, *lines = (opening + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split(" ", 2)[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _read(reader: asyncio.StreamReader) -> Reply:
    status, headers = await _read_head(reader)
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        body = await _read_chunks(reader)
    elif length := headers.get("content-length"):
        body = await reader.readexactly(_bounded(int(length)))
    else:
        body = b""
        while part := await reader.read(_LONGEST_HEAD):
            body += part
            _bounded(len(body))
    return Reply(status, headers, _unpacked(body, headers))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        size = _bounded(size + length)
        parts.append(await reader.readexactly(length))
        await reader.readexactly(2)
    return b"".join(parts)


def _unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    if headers.get("content-encoding", "").lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(31)  # 31: gzip's own frame
    try:
        plain = unpacker.decompress(body, LARGEST)
    except zlib.error:
        raise Unheard("not a model server", "its answer can't be unpacked") from None
    _bounded(len(plain) + len(unpacker.unconsumed_tail))
    return plain


def _bounded(size: int) -> int:
    if not 0 <= size <= LARGEST:
        raise Unheard("not a model server", "its answer is over 4 MB")
    return size
