"""What keys and the mouse do to the panes, and the one line in which it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.canvas import Canvas
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.board import Board

_TOLD = 6.0  # seconds that a notice stands


class PanesScreen(Screen[None]):
    """A screen with a canvas and a notice."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say
        self._hush: Timer | None = None

    @property
    def canvas(self) -> Canvas:
        return self.query_one(Canvas)

    @property
    def board(self) -> Board | None:
        return self.canvas.board

    def tell(self, text: str, *, error: bool = False) -> None:
        """A line or two over the panes' last rows; an error stays until something else is told."""
        if self._hush is not None:
            self._hush.stop()
        self._hush = self.set_timer(_TOLD, lambda: self.tell("")) if text and not error else None
        notice = self.query_one("#notice", Static)
        notice.set_class(not text, "-empty")
        notice.set_class(error, "-error")
        notice.update(Content(clean_line(text)))

    def _with_board(self, do: Callable[[Board], object]) -> None:
        if self.board is not None and self.board.panes:
            do(self.board)
            self.canvas.paint()

    def action_step(self, by: int) -> None:
        self._with_board(lambda board: board.step(by))

    def action_turn(self, by: int) -> None:
        self._with_board(lambda board: board.turn(by))

    def action_jump(self, number: int) -> None:
        self._with_board(lambda board: board.go(number - 1))

    def action_layout(self) -> None:
        self._with_board(lambda board: board.switch())

    def action_zoom(self) -> None:
        self._with_board(lambda board: board.zoom())
        zoomed = self.board is not None and self.board.zoomed
        self.set_class(zoomed and self.focused is self.canvas, "-reading")  # the editor's cursor is taken from nobody

    def action_thinking(self) -> None:
        self._with_board(lambda board: self.tell(self.say(f"thinking_{board.current.cycle()}")))

    def action_thinking_all(self) -> None:
        self._with_board(lambda board: self.tell(self.say(f"thinking_{board.fold_all()}")))

    def action_mark(self) -> None:
        self._with_board(lambda board: self.tell(self.say("marked" if board.current.mark() else "written")))

    def action_scroll_lines(self, by: int) -> None:
        self._with_board(lambda board: board.current.scroll(by))

    def action_scroll_pages(self, by: int) -> None:
        self._with_board(lambda board: board.current.scroll(by * max(1, board.current.room - 1)))

    def action_follow(self) -> None:
        self._with_board(lambda board: board.current.to_end())

    def action_top(self) -> None:
        self._with_board(lambda board: board.current.to_start())

    @on(Canvas.Chosen)
    def chosen(self, event: Canvas.Chosen) -> None:
        board = self.board
        if board is None:
            return
        if event.lines:
            board.panes[event.pane].scroll(event.lines)
        else:
            board.go(event.pane)
            if event.head:
                board.current.cycle()
        self.canvas.paint()

    def action_copy(self) -> None:
        self._with_board(lambda board: self._copy(self.say("answer"), board.current.said.answer))

    def action_copy_thinking(self) -> None:
        self._with_board(lambda board: self._copy(self.say("trace"), board.current.said.thinking))

    def _copy(self, what: str, text: str) -> None:
        if text:
            self.app.copy_to_clipboard(clean(text, keep=True))
        self.tell(self.say("copied", what=what, count=len(text)) if text else self.say("copy_none"))
