"""The blind screen as an application of its own: its title tells nothing, and the terminal is left as it was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from promptlab.tui.blind import BlindScreen
from promptlab.tui.booth import Booth
from promptlab.tui.own_app import OwnApp
from promptlab.tui.seats import BlindSay


class BlindApp(OwnApp):
    """One screen."""

    CSS = BlindScreen.CSS  # a screen's own is only read where it is pushed onto another one
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", show=False, priority=True)]

    def __init__(
        self, booth: Booth, say: BlindSay, *, ahead: int = 1, wait: bool = False, theme: str = "",
        themes: Iterable[Theme] = (), keymap: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(theme=theme, themes=themes, keymap=keymap)
        self.blind = BlindScreen(booth, say, ahead=ahead, wait=wait)

    def get_default_screen(self) -> Screen[None]:
        return self.blind

    def on_mount(self) -> None:
        self.dress()
