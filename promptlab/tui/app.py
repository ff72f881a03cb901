"""The Textual application: one screen, its palette, and a terminal that is left as it was found."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandList, CommandPalette
from textual.content import Content
from textual.screen import Screen
from textual.theme import Theme, ThemeProvider
from textual.widgets.option_list import Option

from promptlab.tui.canvas import Canvas
from promptlab.tui.composer import Editor
from promptlab.tui.key import read_alt_digits, translate
from promptlab.tui.lab import Lab
from promptlab.tui.own_app import OwnApp
from promptlab.tui.screen import LabScreen
from promptlab.tui.text import Say

_COMMANDS = ("send", "go_on", "go_on_one", "again", "vote", "find", "compare", "history", "models", "form", "profiles",
             "words", "preview", "layout", "zoom", "thinking", "thinking_all", "mark", "copy", "copy_thinking",
             "copy_code", "copy_request", "together", "retry", "other_target", "pager", "edit", "best",
             "measures")  # fmt: skip


# What Textual's own commands are called in the tables.
_SYSTEM = {"Theme": "palette_theme", "Quit": "palette_quit", "Screenshot": "palette_screenshot"}


class Palette(CommandPalette):
    """The palette in the user's language."""

    def __init__(self, say: Say, placeholder: str, **more: Any) -> None:
        super().__init__(placeholder=placeholder, **more)
        self._say = say

    def _start_no_matches_countdown(self, search_value: str) -> None:
        """Textual has no other place for this text than the timer's own function."""
        self._stop_no_matches_countdown()
        self._no_matches_timer = self.set_timer(self._NO_MATCHES_COUNTDOWN, lambda: self._show_none(search_value))

    def _show_none(self, search_value: str) -> None:
        if search_value:
            none = Content(self._say("palette_none"))
            self.query_one(CommandList).add_option(Option(none, id=self._NO_MATCHES, disabled=True))
        self._list_visible = bool(search_value)


class LabApp(OwnApp):
    """`words` are what stands in the field of targets at first."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  of pages that have none of their own
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "k_quit", id="app.quit", priority=True, show=True),
    ]

    def __init__(
        self, lab: Lab, say: Say, words: str = "", *, enter_sends: bool = False, theme: str = "",
        themes: Iterable[Theme] = (), keymap: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(theme=theme, themes=themes, keymap=keymap)
        self._lab, self._say = lab, say
        self.lab_screen = LabScreen(lab, say, words, enter_sends=enter_sends)
        translate(self, say)
        read_alt_digits()

    def get_default_screen(self) -> Screen[None]:
        return self.lab_screen

    def on_mount(self) -> None:
        self.dress()
        self.theme_changed_signal.subscribe(self, self._keep_theme)
        self.call_after_refresh(_settle)

    def _keep_theme(self, theme: Theme) -> None:
        self.run_worker(lambda: self._lab.keep_theme(theme.name), thread=True, exit_on_error=False)

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(Palette(self._say, self._say("palette_search"), id="--command-palette"))

    def search_themes(self) -> None:
        self.push_screen(Palette(self._say, self._say("palette_themes"), providers=[ThemeProvider]))

    def on_app_focus(self) -> None:
        """Whoever comes back may have changed config.yaml or set a key."""
        self.lab_screen.look_again()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for command in super().get_system_commands(screen):
            if command.title in ("Maximize", "Minimize", "Keys"):
                continue
            if key := _SYSTEM.get(command.title):
                command = command._replace(title=self._say(key), help=self._say(f"{key}_does"))
            yield command
        if screen is self.lab_screen:
            for name in _COMMANDS:
                key, do = f"k_{name}", getattr(self.lab_screen, f"action_{name}")
                yield SystemCommand(self._say(key), self._say.long(key), do)


def binding_ids() -> list[str]:
    """The ids by which keys can be given; the pages that they are of are imported for it."""
    from promptlab.tui.blind import BlindScreen
    from promptlab.tui.desk import Desk, Section
    from promptlab.tui.form import Form
    from promptlab.tui.history import Runs
    from promptlab.tui.library import Letters, Library
    from promptlab.tui.picker import Picker
    from promptlab.tui.sight import SightScreen
    from promptlab.tui.target import Models

    pages = (Models, Form, Picker, Runs, SightScreen, Library, Letters, Desk, Section, BlindScreen)
    return sorted({binding.id for node in (LabApp, LabScreen, Canvas, Editor, *pages)
                   for binding in node.BINDINGS if isinstance(binding, Binding) and binding.id})  # fmt: skip


def _settle() -> None:
    """What has been imported stays: collections of garbage need not look at it, and come seldom (30% of a frame)."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 50, 100)
