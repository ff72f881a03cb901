"""JSON from an endpoint, read without trusting its shape: what is not what it should be is empty."""

from __future__ import annotations

import json
import re
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


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


class Characters:
    r"""One text that comes in pieces, without lone surrogates: gateways written in JavaScript split 😀 into "\ud83d"
    and "\ude00" over two chunks. A first half at the end of a piece waits for its second; a half that stays alone
    becomes U+FFFD.
    """

    __slots__ = ("half",)

    def __init__(self) -> None:
        self.half = ""  # the first half of a character

    def join(self, piece: str) -> str:
        """What can be given of the text after `piece`: all of it but a half."""
        if not piece or (piece.isascii() and not self.half):
            return piece
        piece, self.half = self.half + piece, ""
        if not _SURROGATE.search(piece):
            return piece
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self.half = piece[:-1], piece[-1]
        return piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
