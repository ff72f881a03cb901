"""Prices by endpoint and model, read as data from the installed litellm package, without importing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

_FILE = "model_prices_and_context_window_backup.json"
# Where an endpoint of ours has another prefix in litellm's list.
_PREFIXES = {"together": "together_ai", "zhipu": "zai", "cohere": "cohere_chat", "fireworks": "fireworks_ai"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token. `cached` is what a prompt token from the cache costs, where the list says."""

    input: float
    output: float
    cached: float | None = None


def lookup(endpoint: str, model: str) -> Price | None:
    """The listed price, or None: unknown is not free."""
    listed = _list()
    prefix = _PREFIXES.get(endpoint, endpoint)
    for name in (f"{prefix}/{model}", model):
        entry = listed.get(name)
        if isinstance(entry, dict) and (name != model or entry.get("litellm_provider") == prefix):
            return _price(entry)
    return None


def homes(model: str) -> list[str]:
    """Endpoints of ours that the list knows a model of this very name at."""
    found = _list().get(model)
    provider = found.get("litellm_provider") if isinstance(found, dict) else None
    ours = {prefix: name for name, prefix in _PREFIXES.items()}
    return [ours.get(provider, provider)] if isinstance(provider, str) else []


def _price(entry: dict[str, Any]) -> Price | None:
    asked, written = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
    if not isinstance(asked, (int, float)) or not isinstance(written, (int, float)):
        return None
    cached = entry.get("cache_read_input_token_cost")
    known = float(cached) if isinstance(cached, (int, float)) else None
    return Price(float(asked), float(written), known)


@cache
def _list() -> dict[str, Any]:
    from importlib import metadata

    try:
        files = metadata.files("litellm") or []
        file = next(f for f in files if f.name == _FILE and len(f.parts) == 2)
        found = json.loads(file.locate().read_text("utf-8"))  # type: ignore[attr-defined]
    except (metadata.PackageNotFoundError, StopIteration, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
