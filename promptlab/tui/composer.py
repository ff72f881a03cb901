"""Where the user writes: the prompt, and the words for targets and parameters above it."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input, TextArea
from textual.widgets.text_area import EditResult

from promptlab.tui.key import in_order

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
                      "\ud800-\udfff\U000e0000-\U000e007f]")  # fmt: skip


class Editor(TextArea):
    """The prompt. Its cursor stands still while panes stream: input methods show their candidates there. Controls in
    what is pasted are shown as signs, and sent as they are."""

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

    def get_line(self, line_index: int) -> Text:
        return Text(_signs(self.document.get_line(line_index)), end="", no_wrap=True)

    def on_resize(self) -> None:
        """It may have been painted as it was wrapped before, and where it has as many rows as then nothing paints it
        anew."""
        self.refresh()

    def clear(self) -> EditResult:
        """Empty it, as a step of its own: ctrl+z has all of the text again."""
        self.history.checkpoint()
        done = super().clear()
        self.history.checkpoint()
        return done

    def action_new_line(self) -> None:
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        if await in_order(self, event):
            return
        if event.key == "enter" and self._enter_sends:
            event.stop()
            event.prevent_default()
            await self.run_action("screen.send")


class OneLine(Input):
    """A field of one line: of what is pasted no line is lost. Ends of lines and controls in it are shown as signs: it
    may have the name of a file or of a model, which anybody can have given."""

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

    @property
    def _value(self) -> Text:
        return Text(_on_one_line(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(_on_one_line(self.value[:position]))


class Words(OneLine):
    """Targets and parameters, in the words of the command line."""

    async def _on_key(self, event: events.Key) -> None:
        await in_order(self, event)

    async def action_submit(self) -> None:
        await super().action_submit()
        self.screen.set_focus(self.screen.query_one(Editor))  # at once: what is typed behind it is for the prompt


def _on_one_line(text: str) -> str:
    return _signs(text.replace("\n", "⏎").replace("\t", " "))


def _signs(text: str) -> str:
    """One character for one, so that the cursor stands where it seems to: controls of the terminal and of the direction
    of writing are signs."""
    return text if text.isprintable() else _CONTROL.sub(_sign, text)


def _sign(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "␡" if code == 0x7F else "�"
