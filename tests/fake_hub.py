"""A Hugging Face hub on 127.0.0.1, as far as pulling a model needs one; sound, or misbehaving as the test wants."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from tests.gguf_writer import LLAMA, Tensor, build

COMMIT = "c" * 40
MODEL = build(LLAMA, [Tensor("a.weight", (512, 1500))])  # 3 MB


@dataclass
class Hub:
    """What the hub has and how it misbehaves; `seen` is what was asked: method, path, headers, bytes of the answer."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    listing: bytes | None = None  # instead of the true one
    status: int = 200
    error_code: str = ""
    cuts: list[int] = field(default_factory=list)  # bytes after which the next downloads break off
    knows_ranges: bool = True
    elsewhere: str = ""  # another server that the files are at
    promise: dict[str, bytes] = field(default_factory=dict)  # what the listing is made of where it lies
    in_git: bool = False
    silent: threading.Event | None = None  # accepts and doesn't answer until it is set
    seen: list[tuple[str, str, dict[str, str], int]] = field(default_factory=list)

    @property
    def downloads(self) -> list[tuple[str, int]]:
        """Range header and bytes served, for each download."""
        return [(headers.get("range", ""), count) for _, path, headers, count in self.seen if "/resolve/" in path]

    def model_info(self) -> bytes:
        siblings = []
        for name, content in {**self.files, **self.promise}.items():
            digest = hashlib.sha256(content).hexdigest()
            lfs = None if self.in_git else {"sha256": digest, "size": len(content), "pointerSize": 130}
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            siblings.append({"rfilename": name, "size": len(content), "blobId": blob, "lfs": lfs})
        return json.dumps({"id": "org/name", "sha": COMMIT, "siblings": siblings}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        if hub.silent:
            hub.silent.wait()
        path = unquote(urlsplit(self.path).path)
        if hub.status != 200 and not (hub.status == 416 and "/resolve/" not in path):
            self._send(hub, hub.status, b"", {"X-Error-Code": hub.error_code} if hub.error_code else {})
        elif path == "/api/models/org/name":
            self._send(hub, 200, hub.model_info() if hub.listing is None else hub.listing)
        elif "/resolve/" not in path or (name := path.partition(f"/resolve/{COMMIT}/")[2]) not in hub.files:
            self._send(hub, 404, b"", {"X-Error-Code": "EntryNotFound" if "/resolve/" in path else "RepoNotFound"})
        elif hub.elsewhere:
            self._send(hub, 302, b"", {"Location": hub.elsewhere + self.path})
        else:
            self._file(hub, hub.files[name])

    do_HEAD = do_POST = do_GET

    def _file(self, hub: Hub, content: bytes) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if start and hub.knows_ranges:
            headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self._send(hub, 206, content[start:], headers, hub.cuts)
        else:
            self._send(hub, 200, content, {}, hub.cuts)

    def _send(
        self, hub: Hub, status: int, body: bytes, headers: dict[str, str] | None = None, cuts: list[int] | None = None
    ) -> None:
        part = body[: cuts.pop(0)] if cuts else body
        hub.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, len(part)))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the client has seen enough
            self.wfile.write(part)
            if len(part) == len(body):
                return
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub = server.hub = Hub(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of how this machine is set up for the hub."""
    for name in [*os.environ]:
        if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
