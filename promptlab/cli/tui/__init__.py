"""`promptlab tui`: the lab on one screen. What the screen asks for is done as `ask`, `show` and `models` do it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from promptlab.cli.tui.kept import remembered
from promptlab.cli.tui.rooms import Rooms
from promptlab.errors import UsageError
from promptlab.places import places as user_places
from promptlab.tui.text import Say, language


def tui(words: Sequence[str] = (), *, enter_sends: bool = False, keymap: Mapping[str, str] | None = None) -> int:
    """Open the lab; `words` stand in the field of targets, as `ask` takes them; `keymap` gives keys by the ids of
    bindings. Raises UsageError where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the lab needs a terminal to be shown on", "promptlab ask works anywhere")
    from promptlab.tui.app import LabApp

    places = user_places()
    first = shlex.join(words) or remembered(places) or "-m local"
    app = LabApp(Rooms(places), Say(language()), first, enter_sends=enter_sends, theme=remembered(places, "theme"),
                 keymap=keymap)  # fmt: skip
    # The screen has the terminal: whatever asks by reading stdin is told that nobody is there, and says so.
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    try:
        app.run()
    finally:
        app.lab_screen.close()
    return app.return_code or 0
