"""The blind screen as an application of its own: its title tells nothing, and the terminal is left as it was found."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme

from promptlab.tui.blind import BlindScreen
from promptlab.tui.booth import Booth
from promptlab.tui.seats import BlindSay


class BlindApp(App[None]):
    """One screen."""

    CSS_PATH = "lab.tcss"
    CSS = BlindScreen.CSS  # a screen's own is only read where it is pushed onto another one
    TITLE = "promptlab"
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", show=False, priority=True)]

    def __init__(
        self, booth: Booth, say: BlindSay, *, ahead: int = 1, wait: bool = False, theme: str = "",
        themes: Iterable[Theme] = (), keymap: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        for one in themes:
            self.register_theme(one)
        self._wanted_theme, self._keys = theme, dict(keymap or {})
        self.blind = BlindScreen(booth, say, ahead=ahead, wait=wait)

    def get_default_screen(self) -> Screen[None]:
        return self.blind

    def on_mount(self) -> None:
        if self._wanted_theme in self.available_themes:
            self.theme = self._wanted_theme
        if self._keys:
            self.set_keymap(self._keys)
        for name in ("SIGTERM", "SIGHUP"):
            with suppress(NotImplementedError, AttributeError, ValueError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self.exit)
