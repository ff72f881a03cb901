"""`promptlab tui`: the lab on one screen. What the screen asks for is done as `ask`, `show` and `models` do it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from promptlab.cli.tui.kept import remembered
from promptlab.cli.tui.own import own
from promptlab.cli.tui.rooms import Rooms
from promptlab.errors import UsageError
from promptlab.places import places as user_places
from promptlab.tui.quote import quoted
from promptlab.tui.text import Say, language


def tui(words: Sequence[str] = ()) -> int:
    """Open the lab; `words` stand in the field of targets, as `ask` takes them. Raises UsageError where there is no
    terminal, and ConfigError for what config.yaml says of the screen."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the lab needs a terminal to be shown on", "promptlab ask works anywhere")
    gc.disable()  # until the first frame stands: what is imported is no garbage, and to look at it takes 15 ms
    from promptlab.tui.app import LabApp, binding_ids

    places = user_places()
    mine = own(places, binding_ids)
    first = " ".join(map(quoted, words)) or remembered(places) or "-m local"
    app = LabApp(Rooms(places), Say(mine.language or language()), first, enter_sends=mine.enter == "send",
                 theme=remembered(places, "theme") or mine.theme or "", themes=mine.made(),
                 keymap=mine.keys)  # fmt: skip
    # The screen has the terminal: whatever asks by reading stdin is told that nobody is there, and says so.
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    try:
        app.run()
    finally:
        app.lab_screen.close()
    return app.return_code or 0
