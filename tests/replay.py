"""A small HTTP server on 127.0.0.1 that answers with given bytes, cut as the test wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

EVENT_STREAM: Mapping[str, str] = {"content-type": "text/event-stream"}
JSON: Mapping[str, str] = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it came in; `path` holds the query too, header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    `slice`: bytes per HTTP chunk (None: whole). `cut_after`: the connection is closed after that many bytes,
    without the end of the body. `hold`: after the body the response stays open until the client leaves.
    `pause`: seconds between slices.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(EVENT_STREAM))
    slice: int | None = None
    cut_after: int | None = None
    hold: bool = False
    pause: float = 0.0


class Replay:
    """Serves one reply, or several in order (`then`); the last one is repeated.

    `async with Replay(body) as server:` gives `server.url` (without a trailing slash), `server.requests` and
    `server.disconnected`, an event that is set when a client leaves before its response was over.
    """

    def __init__(
        self,
        body: bytes = b"",
        *,
        status: int = 200,
        headers: Mapping[str, str] = EVENT_STREAM,
        slice: int | None = None,
        cut_after: int | None = None,
        hold: bool = False,
        pause: float = 0.0,
    ) -> None:
        self.url = ""
        self.requests: list[Recorded] = []
        self.disconnected = asyncio.Event()
        self._replies = [Reply(body, status, headers, slice, cut_after, hold, pause)]
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    def then(self, reply: Reply) -> Self:
        """Add the answer to the next request."""
        self._replies.append(reply)
        return self

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while request := await _read_request(reader):
                self.requests.append(request)
                reply = self._replies[min(len(self.requests), len(self._replies)) - 1]
                if not await self._answer(reply, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.disconnected.set()
        except asyncio.CancelledError:
            pass  # the server goes away; a cancelled handler would be logged as an error
        finally:
            self._clients.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one reply; False where the connection is over with it."""
        gone = asyncio.create_task(_wait_for_end(reader))
        try:
            writer.write(_head(reply))
            body = reply.body if reply.cut_after is None else reply.body[: reply.cut_after]
            size = reply.slice or max(1, len(body))
            for start in range(0, len(body), size):
                if gone.done():
                    raise ConnectionResetError
                piece = body[start : start + size]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(reply.pause)  # lets the client read this slice on its own
            if reply.hold:
                await gone
                raise ConnectionResetError
            if reply.cut_after is not None:
                return False
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone


def _head(reply: Reply) -> bytes:
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:  # 529 is Anthropic's own
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in reply.headers.items())]
    return "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()


async def _wait_for_end(reader: asyncio.StreamReader) -> None:
    """Return when the client closes. Nothing is read: the next request's bytes stay where they are."""
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.005)


async def _read_request(reader: asyncio.StreamReader) -> Recorded | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Recorded(method, path, headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body
