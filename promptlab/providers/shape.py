"""JSON from an endpoint, read without trusting its shape: what is not what it should be is empty."""

from __future__ import annotations

import json
from typing import Any


def parse(data: bytes | str) -> dict[str, Any] | None:
    """The object in `data`, or None where it is no JSON object."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
