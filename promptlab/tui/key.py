"""Keys as they are told: what each does, in the user's language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from textual import events
from textual.binding import Binding
from textual.dom import DOMNode
from textual.widget import Widget

from promptlab.tui.text import Say

_SHOWN = {"right_square_bracket": "]", "left_square_bracket": "[", "question_mark": "?", "escape": "esc",
          "slash": "/", "asterisk": "*"}  # fmt: skip


def read_alt_digits() -> None:
    """Have alt and a digit read as that. A terminal sends ESC and the digit, which Textual takes for the character that
    one terminal on macOS has there (£ for 3); a character that is typed arrives as itself, and stays."""
    from textual import _ansi_sequences  # its table, which the parser looks into, is all that there is to change

    table = cast(dict[str, object], _ansi_sequences.ANSI_SEQUENCES_KEYS)
    for digit in range(10):
        table[f"\x1b{digit}"] = (SimpleNamespace(value=f"alt+{digit}"),)


def translate(node: DOMNode, say: Say) -> None:
    """What its keys do, in the user's language."""
    table = node._bindings.key_to_bindings
    for key, several in table.items():
        table[key] = [_said(binding, say) for binding in several]


def _said(binding: Binding, say: Say) -> Binding:
    key = binding.description
    return replace(binding, description=say(key), tooltip=say.long(key)) if key.startswith("k_") else binding


async def in_order(widget: Widget, event: events.Key, *, letters: bool = False) -> bool:
    """Carry out a key's binding at once; whether there was one. Otherwise a key that is bound goes up to the screen and
    the app before anything comes of it, and what a quick hand (or a slow line) has typed behind it is written first: a
    text would be sent without its last letters, or be written where it is not meant. What was typed for a widget that
    has lost the focus by then goes to the one that has it. `letters`: they are bound, too."""
    focused = widget.screen.focused
    if focused is not None and focused is not widget:
        _taken(event)
        focused._forward_event(events.Key(event.key, event.character))
        return True
    if event.is_printable and not letters:
        return False
    if await widget.app._check_bindings(event.key):
        _taken(event)
        return True
    return False


def _taken(event: events.Key) -> None:
    event.stop()
    event.prevent_default()


def keys_of(node: DOMNode, prefix: str = "", names: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The keys that have an id, as they are bound here, and what they do; keys that do the same on one line. With
    `names`, those of them alone (of an id what is behind its dot, without a number), in that order."""
    wanted, own = list(names), node.app._keymap
    found: dict[str, list[str]] = {}
    ranks: dict[str, int] = {}
    for key, several in node._bindings.key_to_bindings.items():
        for binding in several:
            name = (binding.id or "").rpartition(".")[2].rstrip("0123456789")
            if not binding.id or not binding.id.startswith(prefix) or (wanted and name not in wanted):
                continue
            what = binding.tooltip or binding.description
            ranks.setdefault(what, wanted.index(name) if wanted else 0)
            keys = found.setdefault(what, [])
            keys += [shown for one in own.get(binding.id, key).split(",") if (shown := _shown(one)) not in keys]
    told = sorted(found.items(), key=lambda one: ranks[one[0]])
    return [(" ".join(keys[:3] if len(keys) < 9 else [keys[0], "…", keys[-1]]), what) for what, keys in told]


def _shown(key: str) -> str:
    head, plus, last = key.rpartition("+")
    return f"{head}{plus}{_SHOWN.get(last, last)}".replace("ctrl+", "^")
