"""JSON from an endpoint, read without trusting its shape: what is not what it should be is empty."""

from __future__ import annotations

import json
from typing import Any


def parse(data: bytes | str) -> dict[str, Any] | None:
    """The object in `data`, or None where it is no JSON object."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def count(value: object) -> int | None:
    """A count of tokens; what can be none (negative, or more than was ever written) is not said."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def shallow(value: object, depth: int = 8) -> bool:
    """Nested no deeper than any vendor nests: deeper values could be read, but not stored."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and all(shallow(item, depth - 1) for item in inner)
    return True
