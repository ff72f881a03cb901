"""The keys that matter here, in the last row: whole ones only, and the way out always among them."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from promptlab.render.wrap import width

KEPT = ("stop", "help", "leave", "dismiss(None)", "quit")  # actions that a narrow screen keeps


class Foot(Footer):
    """A footer that leaves keys out rather than cut one; what two keys do is told of the first."""

    def __init__(self) -> None:
        super().__init__(compact=True, show_command_palette=False)
        self._cells = 0  # that the keys were chosen for

    def compose(self) -> ComposeResult:
        self._cells = self.app.size.width
        yield from fitted([one for one in super().compose() if isinstance(one, FooterKey)], self._cells)

    def on_resize(self, event: events.Resize) -> None:
        if event.size.width != self._cells:
            self.call_after_refresh(self.recompose)


def fitted(keys: Sequence[FooterKey], cells: int) -> list[FooterKey]:
    """Those that have room, in their order: first what is kept, then the others as they come."""
    firsts = {one.description: one for one in reversed(keys)}
    once = [one for one in keys if firsts[one.description] is one]
    chosen, left = set(), cells
    for one in sorted(once, key=lambda one: one.action.removeprefix("screen.") not in KEPT):
        wide = width(f"{one.key_display} {one.description}")
        if wide > left:
            break
        chosen.add(one)
        left -= wide + 1
    return [one for one in once if one in chosen]
