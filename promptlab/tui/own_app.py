"""What an application of ours has of the user: themes, keys, and a terminal that is left as it was found."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress

from textual.app import App
from textual.theme import Theme


class OwnApp(App[None]):
    """`theme` is one of Textual's or of `themes`; `keymap` gives keys by the ids of bindings."""

    CSS_PATH = "lab.tcss"
    TITLE = "promptlab"
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self, *, theme: str = "", themes: Iterable[Theme] = (), keymap: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        super().__init__()
        for one in themes:
            self.register_theme(one)
        self._wanted_theme, self._keys = theme, dict(keymap or {})

    def dress(self) -> None:
        """To be called as it is mounted, before anything listens to a change of the theme."""
        if self._wanted_theme in self.available_themes:
            self.theme = self._wanted_theme
        if self._keys:
            self.set_keymap(self._keys)
        for name in ("SIGTERM", "SIGHUP"):
            with suppress(NotImplementedError, AttributeError, ValueError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self.exit)
