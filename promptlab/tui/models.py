"""Models to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.tui.picker import Item, Picker

if TYPE_CHECKING:
    from promptlab.tui.screen import LabScreen


def open_models(screen: LabScreen) -> None:
    say = screen.say

    def load(letters: str) -> list[Item]:
        return [Item(one.target, "  ".join([one.target, *one.told])) for one in screen.lab.choices(letters)]

    def chosen(target: str | None) -> None:
        if target is not None:
            screen.words = f"{screen.words.rstrip()} -m {target}".strip()
        screen.canvas.repaint()

    picker = Picker(say("models"), say("models_filter"), say("models_keys"), say("models_none"), load)
    screen.app.push_screen(picker, chosen)
