"""What an address is worth: asked in every dialect that it may speak, and the reading that answers best."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from promptlab.cli.address import Address
from promptlab.keys import Key
from promptlab.providers import listing
from promptlab.providers.catalog import DialectName, Endpoint
from promptlab.providers.discovery import Server, look
from promptlab.providers.http import LOOPBACK
from promptlab.providers.listing import NotAList
from promptlab.providers.probe import Asker, Probe, Unheard
from promptlab.providers.shape import mapping

THERE = ("answers", "loading", "wrong key", "no key")
_BEST_FIRST = (*THERE, "failing", "no list", "not a model server", "silent", "unreachable", "refused", "not asked")


@dataclass(frozen=True, slots=True)
class Way:
    """One scheme to reach an address by, and the dialect that it seems to speak: its only one where it is `certain`."""

    address: Address
    scheme: str
    hint: str = ""
    certain: bool = False

    def candidates(self) -> list[tuple[str, DialectName]]:
        """Base URLs with a dialect each, the likeliest first."""
        path = self.address.path
        versioned = re.search(r"/v\d+\w*$", path)
        tries = {"openai-chat": [path] if versioned else [path, f"{path}/v1"] if path else ["/v1", ""],
                 "ollama": [""] if path in ("", "/v1", "/api") else [],
                 "anthropic": [path.removesuffix("/v1")],
                 "gemini": [path if versioned and path != "/v1" else f"{path.removesuffix('/v1')}/v1beta"]}  # fmt: skip
        tries["openai-chat"] += ["/v1"] if path not in ("", "/v1") else []
        tries["openai-responses"] = tries["openai-chat"]
        tries["ollama"] = tries["ollama"] or ([re.sub("/(?:api|v1)$", "", path)] if self.hint == "ollama" else [])
        usual = [self.hint] if self.certain else [self.hint, "openai-chat", "ollama", "anthropic", "gemini"]
        at = f"{self.scheme}://{self.address.host}"
        pairs = [
            (at + behind, cast(DialectName, dialect)) for dialect in filter(None, usual) for behind in tries[dialect]
        ]
        return list(dict.fromkeys(pairs))


@dataclass(frozen=True, slots=True)
class Found:
    """The reading of an address that answered best, and why its dialect is taken. `free`: it needs no key for its
    list."""

    url: str
    dialect: DialectName
    server: Server
    why: str = ""
    free: bool = False


def try_way(name: str, way: Way, key: Key | None, patience: float) -> Found:
    """The reading of an address that answers best; `patience` is in seconds, for one look at all of them. Never raises
    for what a server does."""
    import asyncio

    value = key.value if key else None
    pairs = way.candidates()
    probes = [probe(Endpoint(name, url, dialect=dialect), value) for url, dialect in pairs]
    servers = asyncio.run(look(probes, limit=patience))
    founds = [Found(url, dialect, server) for (url, dialect), server in zip(pairs, servers, strict=True)]
    best = min(founds, key=lambda found: _BEST_FIRST.index(found.server.state))
    if way.certain:
        best = replace(best, why="you said so")
    elif best.server.state == "answers":
        best = _native(best, founds)
    elif best.server.state in THERE:
        best = _by_refusal(best, founds, asyncio.run(_refusal(best, name, value)), way.hint)
    if value and best.server.state == "answers":
        keyless = probe(Endpoint(name, best.url, dialect=best.dialect), None)
        [again] = asyncio.run(look([keyless], limit=patience))
        best = replace(best, free=again.state == "answers")
    return best


def _native(best: Found, founds: Sequence[Found]) -> Found:
    """Ollama's own API where OpenAI's was the first to be asked; koboldcpp and others imitate both."""
    server = best.server
    if best.dialect == "openai-chat" and (server.software == "ollama" or not server.models):
        for found in founds:
            if found.dialect == "ollama" and found.server.state == "answers" and found.server.version:
                return replace(found, why="it is Ollama, whose own API tells more than the OpenAI one")
    whose = {"anthropic": "Anthropic's", "gemini": "Gemini's", "ollama": "Ollama's"}.get(best.dialect, "OpenAI's")
    return replace(best, why=f"its list of models is {whose}")


def _by_refusal(best: Found, founds: Sequence[Found], said: str, hint: str) -> Found:
    for found in founds:
        if said and found.dialect == said and found.server.state == best.server.state:
            return replace(found, why="it refuses in the words of that API")
    return replace(best, why="the address says so" if hint == best.dialect else "nothing says otherwise")


async def _refusal(found: Found, name: str, key: str | None) -> str:
    """The dialect that a refusal is in the words of, or an empty string."""
    import asyncio

    asked = probe(Endpoint(name, found.url), key)
    try:
        reply = await asyncio.wait_for(Asker().ask(asked, f"{found.url}/models"), 1.0)
        said = mapping(listing.decode(reply.body))
    except (Unheard, NotAList, TimeoutError):
        return ""
    error = mapping(said.get("error"))
    if said.get("type") == "error" and listing.text(error.get("type")):
        return "anthropic"
    return "gemini" if isinstance(error.get("code"), int) and listing.text(error.get("status")).isupper() else ""


def probe(endpoint: Endpoint, key: str | None) -> Probe:
    """How an endpoint is looked at. Without a key it is asked all the same: it may want none."""
    local = endpoint.local or urllib.parse.urlsplit(endpoint.base_url).hostname in LOOPBACK
    return Probe(endpoint.name, endpoint.base_url, endpoint.dialect, key, endpoint.headers, local)


def described(server: Server) -> str:
    """`ollama 0.14.2, 3 models`"""
    count = len(server.models)
    software = " ".join(filter(None, (server.software, server.version)))
    return f"{software}, {count or 'no'} model{'s' if count != 1 else ''}"
