"""Past runs: a list to search, and one of them in the panes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.tui.board import board_of
from promptlab.tui.past import line
from promptlab.tui.picker import Item, Picker

if TYPE_CHECKING:
    from promptlab.tui.lab import Past
    from promptlab.tui.screen import LabScreen


def open_history(screen: LabScreen) -> None:
    say = screen.say
    items: list[Item] = []

    def load(letters: str) -> list[Item]:
        if not items:
            items.extend(Item(str(one.id), line(one, say)) for one in screen.lab.runs())
        return [item for item in items if all(part in item.line.lower() for part in letters.lower().split())]

    def chosen(run: str | None) -> None:
        screen.canvas.repaint()
        if run is not None:
            screen.aside("open", lambda: screen.lab.open(int(run)), lambda past: show(screen, past))

    picker = Picker(say("history"), say("history_filter"), say("history_keys"), say("history_empty"), load)
    screen.app.push_screen(picker, chosen)


def show(screen: LabScreen, past: Past) -> None:
    """A run of the history in the panes."""
    last = max((stamped.at for stamped in past.events), default=0.0)
    when = past.run.created[:16].replace("T", " ")
    board = board_of(past.run, past.costing, screen.say, lambda: last, when)
    for stamped in past.events:
        board.take(stamped)
    for pane in board.panes:
        pane.follows = False  # a text that has ended is read from its beginning
    screen.canvas.show(board)
    screen.tell("")
    screen.refresh_bindings()
