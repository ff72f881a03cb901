"""The address of a server as people type it: taken apart, set right, and what of it was corrected."""

from __future__ import annotations

import re
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from promptlab.errors import UsageError
from promptlab.providers.http import LOOPBACK

_WIDE = str.maketrans("：／．。？＠＃", ":/..?@#")  # as a Chinese keyboard types them
_SCHEME = re.compile(r"(https?)(?::/*|/{2,})", re.IGNORECASE)
# What a dialect puts behind a base URL, and people copy with it.
_TAILS = {"/chat/completions": "openai-chat", "/completions": "openai-chat", "/embeddings": "openai-chat",
          "/responses": "openai-responses", "/messages": "anthropic", "/api/chat": "ollama",
          "/api/generate": "ollama", "/api/tags": "ollama", "/api/version": "ollama", "/models": ""}  # fmt: skip
_GEMINI_TAIL = re.compile(r"/models/[^/]+:\w+$")
# Without a scheme: only what looks like an address, for a key in its place must not be looked up as a host.
_HOST = re.compile(r"localhost|[\d.]+|\[[0-9a-f:.]+\]|(?:[a-z0-9-]+\.)+[a-z]{2,12}")


@dataclass(frozen=True, slots=True)
class Address:
    """An address as typed, taken apart. `scheme` is empty where none was; `host` has its port; `tail` is what a
    dialect puts behind a base URL, and `speaks` that dialect."""

    scheme: str
    host: str
    path: str = ""
    tail: str = ""
    speaks: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return urllib.parse.urlsplit(f"//{self.host}").hostname or ""

    @property
    def schemes(self) -> tuple[str, str]:
        """The likelier one first."""
        plain = self.scheme == "http" or (not self.scheme and (self.name in LOOPBACK or _is_private(self.name)))
        return ("http", "https") if plain else ("https", "http")


def parse_address(text: str) -> Address:
    """Raises UsageError, which repeats nothing that may be a key, for what can't be meant as a base URL."""
    plain = text.strip().strip("<>\"'`").translate(_WIDE).rstrip("/")
    if not plain.isprintable() or re.search(r"[\s\\]", plain):
        raise _no_address()
    if "://" in _SCHEME.sub("", plain, count=1):
        raise UsageError("BASE_URL: only http:// and https:// are spoken", "write it as http://HOST:PORT/v1")
    if set("@?#") & set(plain):
        raise UsageError("BASE_URL: an address is no place for a key: it has no @, ? or #",
                         "name the variable that holds the key: --key NAME")  # fmt: skip
    notes = ["full-width characters turned into plain ones"] if text.translate(_WIDE) != text else []
    match = _SCHEME.match(plain)
    scheme, rest = (match[1].lower(), plain[match.end() :]) if match else ("", plain)
    rest = f"localhost:{rest.lstrip(':')}" if re.match(r":?\d+(?:/|$)", rest) else rest
    typed, slash, path = rest.partition("/")
    host, name = _host(typed)
    if not scheme and not (_HOST.fullmatch(name) or (":" in typed and re.fullmatch(r"[a-z0-9.-]{1,63}", name))):
        raise _no_address()
    if name in ("0.0.0.0", "[::]"):
        host = host.replace(name, "localhost", 1)
        notes.append(f"{name} is where a server listens, localhost where it is reached")
    path, tail, speaks = _without_tail(re.sub("/{2,}", "/", slash + path))
    return Address(scheme, host, path, tail, speaks, tuple(notes))


def _host(typed: str) -> tuple[str, str]:
    """Host with port, and without, in lower case and ASCII. Raises UsageError."""
    with suppress(ValueError):  # an IPv6 address without its brackets
        typed = f"[{ip_address(typed)}]" if ":" in typed else typed
    try:
        parts = urllib.parse.urlsplit(f"//{typed}")
        name = (parts.hostname or "").encode("idna").decode() if "[" not in typed else f"[{parts.hostname}]"
        port = parts.port
    except ValueError:
        raise _no_address() from None
    if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", name) or port == 0:
        raise _no_address()
    return name if port is None else f"{name}:{port}", name


def _without_tail(path: str) -> tuple[str, str, str]:
    if found := _GEMINI_TAIL.search(path):
        return path[: found.start()], found[0], "gemini"
    for tail, dialect in _TAILS.items():
        if path.endswith(tail):
            return path.removesuffix(tail), tail, dialect
    return path, "", ""


def _no_address() -> UsageError:
    return UsageError("BASE_URL: that is no address of a server", "write it as http://HOST:PORT/v1")


def _is_private(name: str) -> bool:
    with suppress(ValueError):
        return ip_address(name.strip("[]")).is_private
    return "." not in name or name.endswith((".local", ".lan", ".internal", ".home"))


def corrections(address: Address, url: str) -> list[str]:
    """What was changed of what was typed, each in a few words."""
    parts = urllib.parse.urlsplit(url)
    notes, path = list(address.notes), parts.path
    if not address.scheme:
        notes.append(f"{parts.scheme}:// put in front")
    elif parts.scheme != address.scheme:
        notes.append(f"{address.scheme}:// turned into {parts.scheme}://")
    if address.tail:
        notes.append(f"{address.tail} taken off")
    if path != address.path:
        if path.startswith(address.path):
            notes.append(f"{path.removeprefix(address.path)} put behind it")
        else:
            notes.append(f"{address.path} turned into {path}" if path else f"{address.path} taken off")
    return notes
