"""Pages to be read: the requests that would go out, and every key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.render.sanitise import clean_line
from promptlab.tui.key import keys_of
from promptlab.tui.picker import Help, Requests

if TYPE_CHECKING:
    from promptlab.tui.lab import Preview
    from promptlab.tui.screen import LabScreen


def open_preview(screen: LabScreen) -> None:
    words, prompt, say = screen.words, screen.editor.text, screen.say

    def show(requests: Sequence[Preview]) -> None:
        if screen.app.screen is not screen:
            return  # something else was opened meanwhile
        spans = []
        for number, one in enumerate(requests, 1):
            spans += [(f"{number}  {clean_line(one.target)}\n", "head"), (f"{one.text}\n\n", "same")]
        screen.app.push_screen(Requests(say("preview", count=len(requests)), say("preview_foot"), spans))

    screen.aside("preview", lambda: screen.lab.preview(words, prompt), show)


def open_help(screen: LabScreen) -> None:
    say = screen.say
    everywhere = [*keys_of(screen), ("^p", say("k_palette")), ("^q", say.long("k_quit"))]
    parts = [(say("help_where_lab"), everywhere), (say("help_where_panes"), keys_of(screen.canvas)),
             (say("help_where_editor"), keys_of(screen.editor, "editor."))]  # fmt: skip
    screen.app.push_screen(Help(say("help"), say("help_foot"), parts))
