"""Pages to be read: the requests that would go out, what a sweep measures, and every key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from textual import events
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from promptlab.render.sanitise import clean_line
from promptlab.tui.aside import aside, told
from promptlab.tui.key import keys_of
from promptlab.tui.picker import Help, Requests

if TYPE_CHECKING:
    from textual.screen import Screen

    from promptlab.errors import LabError
    from promptlab.tui.lab import Preview
    from promptlab.tui.screen import LabScreen
    from promptlab.tui.text import Say

T = TypeVar("T")
Spans = Sequence[tuple[str, str]]
Draw = Callable[[int], Spans]


def open_preview(screen: LabScreen) -> None:
    words, prompt, say = screen.words, screen.editor.text, screen.say

    def show(requests: Sequence[Preview]) -> None:
        if screen.app.screen is not screen:
            return  # something else was opened meanwhile
        spans = []
        for number, one in enumerate(requests, 1):
            spans += [(f"{number}  {clean_line(one.target)}\n", "head"), (f"{say.ours(one.text)}\n\n", "same")]
        screen.app.push_screen(Requests(say("preview", count=len(requests)), say("preview_foot"), spans))

    screen.aside("preview", lambda: screen.lab.preview(words, prompt), show)


class Measures(Requests):
    """What a sweep shows, as wide as the screen, and laid out anew where that gets another size. `draw` gives its
    spans in so many cells, in a thread; `spans` are those that it has given for `cells`."""

    CSS = """
    Measures #box { width: 100%; max-width: 100%; height: 100%; }
    """

    def __init__(self, title: str, say: Say, draw: Draw, cells: int, spans: Spans) -> None:
        super().__init__(title, say("measures_foot"), spans)
        self._say, self._draw, self._cells = say, draw, cells

    @staticmethod
    def room(screen: int) -> int:
        """Cells of its text on a screen of so many: without the frame, the bar that scrolls, and a margin."""
        return max(20, screen - 7)

    def on_resize(self, event: events.Resize) -> None:
        cells = self.room(event.size.width)
        if cells != self._cells:
            self._cells = cells
            aside(self, self._say, lambda: self._draw(cells), self._lay, self._refuse, newest="measures")

    def _lay(self, spans: Spans) -> None:
        self.query_one("#keys Static", Static).update(assembled(spans))

    def _refuse(self, error: LabError) -> None:
        self.query_one("#keys Static", Static).update(Content(told(error, self._say)))

    def on_key(self, event: events.Key) -> None:
        """The keys that scroll a pane scroll it, too; the one that has opened it closes it."""
        page, key = self.query_one("#keys", VerticalScroll), event.character or event.key
        ways: dict[str, Callable[..., None]] = {
            " ": page.scroll_page_down, "b": page.scroll_page_up, "j": page.scroll_down, "k": page.scroll_up,
            "G": page.scroll_end, "g": page.scroll_home,
        }  # fmt: skip
        if key in ways:
            event.stop()
            ways[key](animate=False)
        elif key == "M":
            event.stop()
            self.dismiss()


def assembled(spans: Spans) -> Content:
    return Content.assemble(*((text, "bold $text-accent" if style == "head" else "") for text, style in spans))


# What the keys of a place are for, by the names of their bindings.
LAB = {
    "ask": ("send", "go_on", "go_on_one", "new_topic", "stop", "cancel"),
    "ready": ("words", "models", "form", "profiles", "preview"),
    "look": ("next", "previous", "jump", "zoom", "layout", "thinking", "find", "history", "back", "help"),
}
PANES = {
    "panes": ("next", "previous", "jump", "page_on", "page_back", "zoom", "open", "layout", "editor"),
    "read": ("down", "up", "page_down", "page_up", "end", "home", "thinking", "thinking_all", "mark", "find",
             "together", "compare"),
    "take": ("copy", "copy_thinking", "copy_code", "copy_request", "pager", "edit"),
    "run": ("stop", "retry", "other_target", "again", "best", "vote", "measures", "help"),
}  # fmt: skip
MOUSE = ("click", "line", "wheel", "drag", "twice", "foot")


def open_help(screen: LabScreen) -> None:
    """The keys of where the focus is come first, then those that hold everywhere."""
    say = screen.say
    panes = [(say(f"help_{part}"), keys_of(screen.canvas, "panes.", names)) for part, names in PANES.items()]
    editor = [(say("help_where_editor"), keys_of(screen.editor, "editor."))]
    lab = [(say(f"help_{part}"), keys_of(screen, "lab.", names)) for part, names in LAB.items()]
    lab[-1][1].extend([("^p", say("k_palette")), *keys_of(screen.app, "app.")])
    mouse = [(say("help_mouse"), [(say(f"mouse_{one}"), say(f"mouse_{one}_does")) for one in MOUSE])]
    parts = [*panes, *lab, *editor] if screen.focused is screen.canvas else [*lab, *editor, *panes]
    screen.app.push_screen(Help(say("help"), say("help_foot"), [*parts, *mouse]))


def open_help_of(page: Screen[T], say: Say, where: str) -> None:
    """The keys of one page that stands over the lab."""
    page.app.push_screen(Help(say("help"), say("help_foot"), [(where, keys_of(page))]))
