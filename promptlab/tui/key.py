"""Keys as they are told: what each does, in the user's language."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding
from textual.dom import DOMNode

from promptlab.tui.text import Say

_SHOWN = {"right_square_bracket": "]", "left_square_bracket": "[", "question_mark": "?", "escape": "esc",
          "slash": "/", "asterisk": "*"}  # fmt: skip


def translate(node: DOMNode, say: Say) -> None:
    """What its keys do, in the user's language."""
    table = node._bindings.key_to_bindings
    for key, several in table.items():
        table[key] = [_said(binding, say) for binding in several]


def _said(binding: Binding, say: Say) -> Binding:
    key = binding.description
    return replace(binding, description=say(key), tooltip=say.long(key)) if key.startswith("k_") else binding


def keys_of(node: DOMNode, prefix: str = "") -> list[tuple[str, str]]:
    """The keys that have an id, and what they do; keys that do the same on one line."""
    found: dict[str, list[str]] = {}
    for key, several in node._bindings.key_to_bindings.items():
        for binding in several:
            if binding.id and binding.id.startswith(prefix):
                shown = _SHOWN.get(key, key)
                found.setdefault(binding.tooltip or binding.description, []).append(shown.replace("ctrl+", "^"))
    return [(" ".join(keys[:3] if len(keys) < 9 else [keys[0], "…", keys[-1]]), what) for what, keys in found.items()]
