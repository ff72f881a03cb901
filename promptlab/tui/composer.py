"""Where the user writes: the prompt, and the words for targets and parameters above it."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input, TextArea


class Editor(TextArea):
    """The prompt. Its cursor stands still while panes stream: input methods show their candidates there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "screen.scroll_pages(-1)", "k_page_up", id="editor.page_up", show=False),
        Binding("pagedown", "screen.scroll_pages(1)", "k_page_down", id="editor.page_down", show=False),
        Binding("f6", "screen.go_on_one", "k_go_on_one", id="editor.go_on_one", show=False),
        Binding("ctrl+end", "screen.follow", "k_end", id="editor.end", show=False),
        Binding("ctrl+home", "screen.top", "k_home", id="editor.home", show=False),
        Binding("tab", "app.focus_next", "k_panes", id="editor.panes", show=False),
        Binding("shift+enter,alt+enter", "new_line", "k_newline", id="editor.newline", show=False),
    ]

    def __init__(self, placeholder: str, *, enter_sends: bool, id: str) -> None:
        super().__init__(placeholder=placeholder, compact=True, highlight_cursor_line=False, id=id)
        self.cursor_blink = False  # an idle screen is painted no more
        self._enter_sends = enter_sends

    def action_new_line(self) -> None:
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter" and self._enter_sends:
            event.stop()
            event.prevent_default()
            await self.run_action("screen.send")
            return
        await super()._on_key(event)


class OneLine(Input):
    """A field of one line: of what is pasted no line is lost."""

    def __init__(
        self, value: str, placeholder: str, *, id: str | None = None, suggester: Suggester | None = None
    ) -> None:  # fmt: skip
        super().__init__(value, placeholder=placeholder, compact=True, select_on_focus=False, id=id,
                         suggester=suggester)  # fmt: skip
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(" ".join(event.text.split("\n")), *sorted(self.selection))


class Words(OneLine):
    """Targets and parameters, in the words of the command line. A variable may have several lines: their ends are shown
    as a sign."""

    @property
    def _value(self) -> Text:
        return Text(_on_one_line(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(_on_one_line(self.value[:position]))


def _on_one_line(text: str) -> str:
    return text.replace("\n", "⏎").replace("\t", " ")
