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
    from promptlab.tui.pane import Pane

_RUNGS = 5  # that a page of the ladder is
_TOLD = 6.0  # seconds that a notice stands


class PanesScreen(Screen[None]):
    """A screen with a canvas and a notice."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say
        self._hush: Timer | None = None
        self._together = False  # whether what is seen is scrolled as one
        self._part: float | None = None  # how far

    @property
    def canvas(self) -> Canvas:
        return self.query_one(Canvas)

    @property
    def board(self) -> Board | None:
        return self.canvas.board

    def tell(self, text: str, *, error: bool = False, stays: bool = False) -> None:
        """A line or two over the panes' last rows; an error, and what `stays`, until something else is told."""
        if self._hush is not None:
            self._hush.stop()
        self._hush = self.set_timer(_TOLD, lambda: self.tell("")) if text and not (error or stays) else None
        notice = self.query_one("#notice", Static)
        notice.set_class(not text, "-empty")
        notice.set_class(error, "-error")
        notice.update(Content(clean_line(text)))

    def _with_board(self, do: Callable[[Board], object]) -> None:
        board = self.board
        if board is not None and board.panes:
            if self._together:
                self._part = board.current.part  # as it is by now: its text may have grown
            do(board)
            self._align(board)
            self.canvas.paint()

    def _scrolled(self, do: Callable[[Pane], object], number: int | None = None) -> None:
        """Scroll the pane in focus, or another one, and the others with it where they are scrolled together."""
        board = self.board
        if board is not None and board.panes:
            pane = board.current if number is None else board.panes[number]
            do(pane)
            self._part = pane.part
            self._align(board)
            self.canvas.paint()

    def _align(self, board: Board) -> None:
        """By the part of the text that is above: so all begin and end together, however long each is."""
        if self._together:
            for number, _ in board.visible:
                if board.panes[number].part != self._part:
                    board.panes[number].to_part(self._part)

    def action_together(self) -> None:
        self._together = not self._together
        self.tell(self.say("together" if self._together else "together_not"))
        self._scrolled(lambda pane: None)

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

    def _climbed(self, by: int) -> bool:
        """Where the ladder stands, lines are its rungs."""
        board = self.board
        if board is None or not board.climb(by):
            return False
        self.canvas.paint()
        return True

    def action_scroll_lines(self, by: int) -> None:
        if not self._climbed(by):
            self._scrolled(lambda pane: pane.scroll(by))

    def action_scroll_pages(self, by: int) -> None:
        if not self._climbed(by * _RUNGS):
            self._scrolled(lambda pane: pane.scroll(by * max(1, pane.room - 1)))

    def action_follow(self) -> None:
        self._scrolled(lambda pane: pane.to_end())

    def action_top(self) -> None:
        self._scrolled(lambda pane: pane.to_start())

    @on(Canvas.Chosen)
    def chosen(self, event: Canvas.Chosen) -> None:
        board = self.board
        if board is None:
            return
        if event.lines and self._climbed(1 if event.lines > 0 else -1):
            return
        if event.lines:
            self._scrolled(lambda pane: pane.scroll(event.lines), event.pane)
        else:
            board.go(event.pane)
            if event.head:
                board.current.cycle()
        self.canvas.paint()

    @on(Canvas.Selected)
    def selected(self, event: Canvas.Selected) -> None:
        self.copy(self.say("selection"), event.text)

    def action_copy(self) -> None:
        self._with_board(lambda board: self.copy(self.say("answer"), board.current.said.answer))

    def action_copy_thinking(self) -> None:
        self._with_board(lambda board: self.copy(self.say("trace"), board.current.said.thinking))

    def action_copy_code(self) -> None:
        from promptlab.tui.copying import open_blocks

        open_blocks(self)

    def copy(self, what: str, text: str) -> None:
        if text:
            self.app.copy_to_clipboard(clean(text, keep=True))
        self.tell(self.say("copied", what=what, count=len(text)) if text else self.say("copy_none"))
