"""Prices by endpoint and model, read as data from the installed litellm package, without importing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = "model_prices_and_context_window_backup.json"
# Where an endpoint of ours has another prefix in litellm's list.
_PREFIXES = {
    "together": "together_ai",
    "zhipu": "zai",
    "cohere": "cohere_chat",
    "fireworks": "fireworks_ai",
    "openai-responses": "openai",
    "moonshot-intl": "moonshot",
    "dashscope-intl": "dashscope",
}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token. `cached` is what a prompt token from the cache costs, where the list says."""

    input: float
    output: float
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What the list says of a model beside its price: the most input tokens, `chat` or another kind, whether it
    thinks, and the day from which it answers no more (ISO 8601). None is "not said"."""

    id: str
    price: Price | None
    context: int | None
    most: int | None
    kind: str | None
    thinks: bool | None
    retired: str | None


def lookup(endpoint: str, model: str) -> Price | None:
    """The listed price, or None: unknown is not free."""
    found = entry(endpoint, model)
    return found.price if found else None


def entry(endpoint: str, model: str) -> Entry | None:
    """What the list has on a model at an endpoint; a model's name alone says nothing about another server."""
    prefix = _PREFIXES.get(endpoint, endpoint)
    for name in (f"{prefix}/{model}", model):
        found = _list().get(name)
        if isinstance(found, dict) and (name != model or found.get("litellm_provider") == prefix):
            return _entry(model, found)
    return None


def entries(endpoint: str) -> list[Entry]:
    """All that the list has at an endpoint, ids as one writes them behind the slash."""
    prefix = _PREFIXES.get(endpoint, endpoint)
    found: dict[str, Entry] = {}
    for name, listed in _list().items():
        if isinstance(listed, dict) and listed.get("litellm_provider") == prefix:
            id = name.removeprefix(f"{prefix}/")
            found.setdefault(id, _entry(id, listed))
    return list(found.values())


def homes(model: str) -> list[str]:
    """Endpoints of ours that the list knows a model of this very name at."""
    found = _list().get(model)
    provider = found.get("litellm_provider") if isinstance(found, dict) else None
    ours = {prefix: name for name, prefix in reversed(_PREFIXES.items())}
    ours["openai"] = "openai"
    return [ours.get(provider, provider)] if isinstance(provider, str) else []


def _entry(id: str, listed: dict[str, Any]) -> Entry:
    context = listed.get("max_input_tokens", listed.get("max_tokens"))
    thinks, kind, retired = (listed.get(name) for name in ("supports_reasoning", "mode", "deprecation_date"))
    return Entry(
        id, _price(listed), context if isinstance(context, int) else None,
        most if isinstance(most := listed.get("max_output_tokens"), int) else None,
        kind if isinstance(kind, str) else None, thinks if isinstance(thinks, bool) else None,
        retired if isinstance(retired, str) else None,
    )  # fmt: skip


def _price(entry: dict[str, Any]) -> Price | None:
    asked, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not isinstance(asked, (int, float)) or not isinstance(written, (int, float)):
        return None
    cached = entry.get("cache_read_input_token_cost")
    known = float(cached) if isinstance(cached, (int, float)) else None
    return Price(float(asked), float(written), known)


@cache
def _list() -> dict[str, Any]:
    found = litellm_file(_FILE)
    return found if isinstance(found, dict) else {}


def litellm_file(name: str) -> object:
    """A JSON file of the installed litellm package, read without importing it; None where it is not there."""
    from importlib.util import find_spec

    try:
        spec = find_spec("litellm")
        if spec is None or spec.origin is None:
            return None
        content: object = json.loads(Path(spec.origin).with_name(name).read_bytes())
    except (ImportError, OSError, ValueError):
        return None
    return content
