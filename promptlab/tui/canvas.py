"""The one widget that paints all panes: it takes rows from a board and gives them their styles.

Only what has changed is painted, each piece at its own column: a glyph whose width the terminal sees otherwise than we
do shifts nothing but the rest of its own row in its own pane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from promptlab.tui.grid import Rect
from promptlab.tui.key import in_order

if TYPE_CHECKING:
    from promptlab.tui.board import Board
    from promptlab.tui.pane import Pane
    from promptlab.tui.selection import Spot

NAMES = ("bar", "title", "title-focus", "facts", "thinking", "thinking-head", "answer", "fault", "note", "strip",
         "strip-focus", "strip-facts", "asked", "welcome", "heading", "strong", "mild", "code", "code-word",
         "code-text", "code-note", "code-number", "quote", "mark", "selected",
         "series0", "series1", "series2", "series3", "series4", "series5")  # fmt: skip
WHEEL = 3  # lines
HEAD = 2  # rows of a pane above its text


@dataclass(slots=True)
class Drag:
    """The mouse held down in a pane, and where it was pressed."""

    pane: Pane
    place: Rect
    start: Spot

    def to(self, x: int, y: int) -> bool:
        """Select as far as the mouse is, and scroll where it is beyond; whether anything is selected."""
        from promptlab.tui.selection import Selection, Spot

        y -= self.place.y
        if y < HEAD or y >= self.place.height:
            self.pane.scroll(-1 if y < HEAD else 1)
        end = self.pane.spot(x - self.place.x, y)
        first, last = sorted((self.start, end))
        self.pane.select(Selection(first, Spot(last.line, last.cell + 1)) if first != last else None)
        return self.pane.selection is not None


class Canvas(Widget, can_focus=True):
    """Shows a board, or a few lines of text while there is none."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"canvas--{name}" for name in NAMES}
    FOCUS_ON_CLICK = False  # the editor keeps its cursor: a click chooses a pane
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "screen.editor", "k_editor", id="panes.editor"),
        Binding("enter", "screen.open", "k_open", id="panes.open", show=False),
        Binding("M", "screen.measures", "k_measures", id="panes.measures", show=False),
        Binding("asterisk", "screen.best", "k_best", id="panes.best", show=False, key_display="*"),
        Binding("z", "screen.zoom", "k_zoom", id="panes.zoom"),
        Binding("t", "screen.thinking", "k_thinking", id="panes.thinking"),
        Binding("T", "screen.thinking_all", "k_thinking_all", id="panes.thinking_all", show=False),
        Binding("right,n,l", "screen.step(1)", "k_next", id="panes.next", show=False),
        Binding("left,N,h", "screen.step(-1)", "k_previous", id="panes.previous", show=False),
        Binding("right_square_bracket", "screen.turn(1)", "k_pages_on", id="panes.page_on", show=False,
                key_display="]"),
        Binding("left_square_bracket", "screen.turn(-1)", "k_pages_back", id="panes.page_back", show=False,
                key_display="["),
        Binding("down,j", "screen.scroll_lines(1)", "k_down", id="panes.down", show=False),
        Binding("up,k", "screen.scroll_lines(-1)", "k_up", id="panes.up", show=False),
        Binding("pagedown,space", "screen.scroll_pages(1)", "k_page_down", id="panes.page_down", show=False),
        Binding("pageup,b", "screen.scroll_pages(-1)", "k_page_up", id="panes.page_up", show=False),
        Binding("end,G", "screen.follow", "k_end", id="panes.end"),
        Binding("home,g", "screen.top", "k_home", id="panes.home", show=False),
        Binding("slash", "screen.find", "k_find", id="panes.find", key_display="/"),
        Binding("y", "screen.copy", "k_copy", id="panes.copy"),
        Binding("Y", "screen.copy_thinking", "k_copy_thinking", id="panes.copy_thinking", show=False),
        Binding("c", "screen.copy_code", "k_copy_code", id="panes.copy_code", show=False),
        Binding("w", "screen.copy_request", "k_copy_request", id="panes.copy_request", show=False),
        Binding("s", "screen.together", "k_together", id="panes.together", show=False),
        Binding("r", "screen.retry", "k_retry", id="panes.retry", show=False),
        Binding("o", "screen.other_target", "k_other_target", id="panes.other_target", show=False),
        Binding("e", "screen.pager", "k_pager", id="panes.pager", show=False),
        Binding("E", "screen.edit", "k_edit", id="panes.edit", show=False),
        Binding("x", "screen.stop_one", "k_stop_one", id="panes.stop", show=False),
        Binding("m", "screen.mark", "k_mark", id="panes.mark", show=False),
        Binding("d", "screen.compare", "k_compare", id="panes.compare", show=False),
        Binding("V", "screen.vote", "k_vote", id="panes.vote", show=False),
        Binding("R", "screen.again", "k_again", id="panes.again", show=False),
        Binding("v", "screen.layout", "k_layout", id="panes.layout", show=False),
        Binding("question_mark", "screen.help", "k_help", id="panes.help", show=False, key_display="?"),
        *(Binding(str(n), f"screen.jump({n})", "k_jump", id=f"panes.jump{n}", show=False) for n in range(1, 10)),
    ]  # fmt: skip

    class Chosen(Message):
        """The mouse was on a pane: pressed, or its wheel turned by `lines`; `head` where that was on the line that
        tells of its thinking."""

        def __init__(self, pane: int, lines: int = 0, head: bool = False) -> None:
            super().__init__()
            self.pane, self.lines, self.head = pane, lines, head

    class Selected(Message):
        """A piece of a pane's text has been selected."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, welcome: list[str], *, id: str) -> None:
        super().__init__(id=id)
        self._drag: Drag | None = None
        self._dragged = False
        self.welcome = welcome
        self.board: Board | None = None
        self._styles_by_name: dict[str, Style] = {}

    async def _on_key(self, event: events.Key) -> None:
        await in_order(self, event, letters=True)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show(self, board: Board | None) -> None:
        self.board = board
        if board is not None:
            board.resize(*self.size)
            board.update(everything=True)
        self.refresh()

    def paint(self) -> None:
        """Look at the board, and paint what has changed."""
        if self.board is not None and (changed := self.board.update()):
            self.refresh(*(Region(*rect) for rect in changed))

    def repaint(self) -> None:
        """Piece by piece: after the whole screen was written row by row, glyphs may have shifted what is behind."""
        if self.board is not None:
            rects = [Rect(0, 0, self.board.width, 1), *self.board.rects]
            self.refresh(*(Region(*rect) for rect in rects))

    def render_line(self, y: int) -> Strip:
        wide = self.size.width
        blank = self._style("answer")
        if self.board is None:
            return self._welcome_line(y, wide)
        segments: list[Segment] = []
        at = 0
        for x, row in self.board.row(y):
            if x > at:
                segments.append(Segment(" " * (x - at), blank))
                at = x
            for text, name in row:
                if text:
                    segments.append(Segment(text, self._style(name)))
            at = self._end_of(x, y)
        if at < wide:
            segments.append(Segment(" " * (wide - at), blank))
        return Strip(segments, wide)

    def _end_of(self, x: int, y: int) -> int:
        """The column behind the piece that begins at `x`: rows are exactly as wide as their place."""
        assert self.board is not None
        return self.board.ends(x, y)

    def _welcome_line(self, y: int, wide: int) -> Strip:
        from promptlab.render.wrap import pad, wrap_line

        lines: list[tuple[str, str]] = []
        for number, text in enumerate(self.welcome):
            name = "title-focus" if number == 0 else "welcome"
            lines += [(part, name) for part in wrap_line(text, max(10, min(72, wide - 4)))] + [("", "welcome")]
        top = max(0, (self.size.height - len(lines)) // 3)
        text, name = lines[y - top] if top <= y < top + len(lines) else ("", "welcome")
        left = max(1, (wide - 72) // 2)
        body = pad(text, max(0, wide - left)) if text else " " * max(0, wide - left)
        style = self._style("welcome") + Style(bold=name == "title-focus")
        return Strip([Segment(" " * left, self._style("welcome")), Segment(body, style)], wide)

    def _style(self, name: str) -> Style:
        style = self._styles_by_name.get(name)
        if style is None:
            style = self._styles_by_name[name] = self.get_component_rich_style(f"canvas--{name}")
        return style

    def notify_style_update(self) -> None:
        self._styles_by_name = {}
        super().notify_style_update()

    # -- what happens to it ----------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        if self.board is not None and event.size.width and event.size.height:
            self.board.resize(*event.size)
            self.board.update(everything=True)
        self.refresh()
        self.call_after_refresh(self.repaint)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._dragged = False
        board = self.board
        if board is None or event.button != 1:
            return
        self.unselect()
        for number, rect in board.visible:
            if rect.has(event.x, event.y) and event.y - rect.y >= HEAD:
                pane = board.panes[number]
                self._drag = Drag(pane, rect, pane.spot(event.x - rect.x, event.y - rect.y))
                self.capture_mouse()
        self.paint()

    def unselect(self) -> None:
        if self.board is not None:
            for number, _ in self.board.visible:
                self.board.panes[number].select(None)

    @property
    def selected(self) -> str:
        """The text that is selected in a pane that can be seen."""
        if self.board is None:
            return ""
        return next((text for number, _ in self.board.visible if (text := self.board.panes[number].selected)), "")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag is not None:
            self._dragged |= self._drag.to(event.x, event.y)
            self.paint()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        drag, self._drag = self._drag, None
        if drag is not None:
            self.release_mouse()
            if self._dragged and (text := drag.pane.selected):
                self.post_message(self.Selected(text))

    def on_click(self, event: events.Click) -> None:
        """Once chooses a pane, twice selects a word, three times a line; the end of a drag is none of these."""
        if self._dragged:
            self._dragged = False
        elif event.chain == 1:
            self._tell(event)
        elif self.board is not None:
            for number, rect in self.board.visible:
                if rect.has(event.x, event.y) and event.y - rect.y >= HEAD:
                    self._select(self.board.panes[number], event, rect)

    def _select(self, pane: Pane, event: events.Click, rect: Rect) -> None:
        spot = pane.spot(event.x - rect.x, event.y - rect.y)
        if event.chain == 2:
            pane.select_word(spot)
        else:
            pane.select_line(spot)
        self.paint()
        if pane.selected:
            self.post_message(self.Selected(pane.selected))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._tell(event, WHEEL)
        event.stop()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._tell(event, -WHEEL)
        event.stop()

    def _tell(self, event: events.MouseEvent, lines: int = 0) -> None:
        if self.board is None or (number := self.board.at(event.x, event.y)) is None:
            return
        self.post_message(self.Chosen(number, lines, self.board.on_head(event.x, event.y)))
