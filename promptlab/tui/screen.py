"""The screen of the lab: panes above, words and editor below; actions, and the pump between a run and the canvas."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static, TextArea

from promptlab.errors import LabError
from promptlab.tui.ahead import Ahead
from promptlab.tui.aside import aside, told
from promptlab.tui.canvas import Canvas
from promptlab.tui.composer import Editor, Words
from promptlab.tui.flight import Flight
from promptlab.tui.foot import Foot
from promptlab.tui.key import translate
from promptlab.tui.lab import Began, Ended, Lab, Said, Session
from promptlab.tui.panes import PanesScreen
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.plan import Cell
    from promptlab.transcript import Transcript
    from promptlab.tui.board import Board

T = TypeVar("T")

RATE = 6.0 if os.environ.get("SSH_CONNECTION") else 12.5  # frames a second
_TURN = 0.02  # seconds of one frame that what has arrived may take; the rest waits for the next one
_AT_ONCE = 500
SEND = "^j"


class LabScreen(PanesScreen):
    """Runs come from `lab`; all that is shown of them is in a board."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012  an instance variable of Screen
    AUTO_FOCUS = "#editor"
    # A key of priority overtakes what is typed before it and not yet in the editor: sending is none.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,ctrl+enter", "send", "k_send", id="lab.send", key_display=SEND),
        Binding("escape", "stop", "k_stop", id="lab.stop"),
        Binding("escape", "back", "k_back", id="lab.back"),
        Binding("ctrl+c", "cancel", "k_cancel", id="lab.cancel", priority=True, show=False),
        Binding("f1", "help", "k_help", id="lab.help", priority=True),
        Binding("f7", "step(-1)", "k_previous", id="lab.previous", priority=True, show=False),
        Binding("f8", "step(1)", "k_next", id="lab.next", priority=True),
        Binding("f10", "zoom", "k_zoom", id="lab.zoom", priority=True),
        Binding("ctrl+t", "thinking", "k_thinking", id="lab.thinking", priority=True),
        Binding("f5", "go_on", "k_go_on", id="lab.go_on"),
        Binding("f6", "go_on_one", "k_go_on_one", id="lab.go_on_one", show=False),
        Binding("f9", "layout", "k_layout", id="lab.layout", priority=True, show=False),
        Binding("ctrl+g", "find", "k_find", id="lab.find", priority=True, show=False),
        Binding("ctrl+n", "new_topic", "k_new_topic", id="lab.new_topic", priority=True, show=False),
        Binding("ctrl+r", "history", "k_history", id="lab.history", priority=True),
        Binding("f2", "words", "k_words", id="lab.words", priority=True, show=False),
        Binding("f4", "preview", "k_preview", id="lab.preview", priority=True, show=False),
        Binding("f3", "models", "k_models", id="lab.models", priority=True),
        Binding("ctrl+o", "form", "k_form", id="lab.form", priority=True),
        Binding("ctrl+l", "profiles", "k_profiles", id="lab.profiles", priority=True),
        *(Binding(f"alt+{n}", f"jump({n})", "k_jump", id=f"lab.jump{n}", show=False) for n in range(1, 10)),
    ]

    def __init__(self, lab: Lab, say: Say, words: str = "", *, enter_sends: bool = False) -> None:
        super().__init__(say)
        self.lab, self.say = lab, say
        self._first_words, self._enter_sends = words, enter_sends
        self._flights: list[Flight] = []
        self._live: Board | None = None  # of the run under way, or the last one
        translate(self, say)

    def compose(self) -> ComposeResult:
        say = self.say
        canvas = Canvas([say("welcome"), say("welcome_1", keys=SEND), say("welcome_2"), say("welcome_3")], id="canvas")
        editor = Editor(say("prompt", keys=SEND), enter_sends=self._enter_sends, id="editor")
        for widget in (canvas, editor):
            translate(widget, say)
        yield canvas
        yield Static(id="notice", classes="-empty")
        yield Words(self._first_words, say("words"), id="words")
        yield Ahead(self.lab, say, id="ahead")
        yield editor
        yield Foot()

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / RATE, self.pump, pause=True)
        self.set_timer(0.1, self.warm)

    @work(thread=True, exit_on_error=False)
    def warm(self) -> None:
        self.lab.warm()
        self.app.call_from_thread(self.look_ahead)

    @property
    def editor(self) -> Editor:
        return self.query_one(Editor)

    @property
    def words(self) -> str:
        """What stands in the field of targets and parameters."""
        return self.query_one(Words).value

    @words.setter
    def words(self, text: str) -> None:
        self.query_one(Words).value = text

    @property
    def flights(self) -> list[Flight]:
        return self._flights

    @property
    def runs(self) -> bool:
        return bool(self._flights)

    @property
    def streams(self) -> bool:
        return any(flight.streams for flight in self._flights)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "step":
            return self.board is not None and len(self.board.panes) > 1
        if action in ("zoom", "go_on", "thinking"):
            return self.board is not None
        if action == "back":
            return not self.runs and (self._goes_back or not isinstance(self.focused, Editor))
        return self.runs if action == "stop" else True

    @property
    def _goes_back(self) -> bool:
        """Whether a step back leads out of something that is shown."""
        board = self.board
        past = board is not self._live and self._live is not None
        return (
            past
            or (board is not None and board.zoomed)
            or any(not notice.has_class("-empty") for notice in self.query("#notice"))
        )

    # -- what is told ----------------------------------------------------------------------------------------------

    def refuse(self, error: LabError) -> None:
        self.tell(told(error, self.say), error=True)

    def aside(self, group: str, do: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do what takes a moment in a thread; of a group only the last one comes back. What is wrong with it is
        told."""
        aside(self, self.say, do, then, self.refuse, newest=group)

    # -- runs ------------------------------------------------------------------------------------------------------

    def fly(self, session: Session, prompt: str, into: Mapping[int, int] | None = None) -> None:
        """Show a run as it comes: on a board of its own, or `into` panes of this one, by the numbers of its cells."""
        self._flights.append(Flight(session, prompt, self.board if into is not None else None, into))
        self.tell(self.say("sending"), stays=True)
        self._timer.resume()
        self.refresh_bindings()

    def action_send(self) -> None:
        prompt = self.editor.text
        if self.streams:
            self.tell(self.say("busy"))
        elif self._has_nothing():
            self.tell(self.say("nothing"))
        else:
            self.fly(self.lab.send(self.words, prompt), prompt)

    def _has_nothing(self) -> bool:
        words = self.words.split()
        return not self.editor.text.strip() and "-p" not in words and words[:1] != ["sweep"]

    def action_again(self) -> None:
        """The run that is shown once more, exactly as it was."""
        if self.streams:
            self.tell(self.say("busy"))
        elif self.board is not None and self.board.run is not None:
            run = self.board.run
            self.fly(self.lab.again(self.words, run), run.plan.prompt)

    def action_new_topic(self) -> None:
        """Nothing of what was said goes along: an empty screen, and an editor whose text can be had back."""
        if self.streams:
            self.tell(self.say("busy"))
            return
        self._live = None
        self.canvas.show(None)
        self.editor.clear()
        self.tell(self.say("new_topic"))
        self.action_editor()
        self.refresh_bindings()

    def action_go_on(self) -> None:
        """A follow-up to all panes that have an answer, on a board of its own."""
        if self.streams:
            self.tell(self.say("busy"))
        elif self.board is not None:
            self._go_on(range(len(self.board.panes)), None)

    def action_go_on_one(self) -> None:
        """A follow-up to the pane in focus, in its place."""
        if self.board is not None:
            self._go_on([self.board.focus], {0: self.board.focus})

    def _go_on(self, numbers: Iterable[int], into: Mapping[int, int] | None) -> None:
        board, prompt = self.board, self.editor.text
        turns: list[tuple[Cell, Transcript]] = []
        if board is not None:
            panes = [board.panes[number] for number in numbers]
            turns = [(pane.cell, pane.said) for pane in panes if pane.said.answer and pane.said.ending]
        run = board.run if board is not None else None
        if board is not None and into is not None and board.current.origin is not None:
            run = board.current.origin[0]
        if run is None or not turns:
            self.tell(self.say("no_answer"))
        elif not prompt.strip():
            self.tell(self.say("nothing"))
        else:
            self.fly(self.lab.go_on(self.words, run, turns, prompt), prompt, into)

    def pump(self) -> None:
        """Take what has come, and paint what has changed; no more of it than keeps the keys quick."""
        until = time.monotonic() + _TURN
        for flight in list(self._flights):
            while news := flight.session.take(_AT_ONCE):
                for one in news:
                    match one:
                        case Began():
                            self._begin(one, flight)
                        case Said(text):
                            self.tell(self.say.ours(text))
                        case Ended():
                            self._end(one, flight)
                        case _:
                            flight.take(one)
                if time.monotonic() > until:
                    break
        self.canvas.paint()
        self.measure()

    def measure(self) -> None:
        if self.board is not None and self.board.ladder is not None:
            from promptlab.tui.measuring import measure

            measure(self)

    def _begin(self, began: Began, flight: Flight) -> None:
        if flight.begin(began, self.say):
            self._live = flight.board
            self.canvas.show(flight.board)
        self.tell("")
        if self.editor.text == flight.prompt and self.focused is self.editor:
            self.editor.select_all()  # to be sent again with other words, or written over
        self.refresh_bindings()

    def _end(self, ended: Ended, flight: Flight) -> None:
        self._flights.remove(flight)
        if not self._flights:
            self._timer.pause()
        if ended.error is not None:
            self.refuse(ended.error)
        self.refresh_bindings()

    def action_stop(self) -> None:
        """This pane, and once it has stopped, all."""
        board = self.board
        if self.runs and board is not None and not board.current.said.ending and self._stop_pane(board):
            several = len(board.panes) > 1
            self.tell(self.say("stopped", pane=board.focus + 1) if several else self.say("stopped_all"))
        elif self.runs:
            self._stop_all("stopped_all")

    def action_stop_one(self) -> None:
        if self.board is not None:
            self._stop_pane(self.board)

    def _stop_pane(self, board: Board) -> bool:
        """Stop what fills the pane in focus; whether anything does."""
        for flight in reversed(self._flights):
            if (cell := flight.cell_of(board, board.focus)) is not None:
                flight.session.cancel(cell)
                return True
        return False

    def _stop_all(self, told: str) -> None:
        for flight in self._flights:
            flight.session.cancel()
        self.tell(self.say(told))

    def action_cancel(self) -> None:
        if self.runs:
            self._stop_all("interrupted")
        elif self.focused is self.editor and self.editor.selected_text:
            self.copy(self.say("selection"), self.editor.selected_text)
        elif text := self.canvas.selected:
            self.copy(self.say("selection"), text)
        else:
            self.tell(self.say("idle"))

    def action_back(self) -> None:
        """One step: out of the maximised pane, out of the history, to the editor."""
        board = self.board
        self.tell("")
        if board is not None and board.zoomed:
            self.action_zoom()
        elif board is not self._live and self._live is not None:
            self.canvas.show(self._live)
        else:
            self.action_editor()
        self.refresh_bindings()

    def close(self) -> None:
        """Stop what runs, and wait until it is written down."""
        for flight in self._flights:
            flight.session.cancel()
        for flight in self._flights:
            flight.session.close()

    # -- elsewhere -------------------------------------------------------------------------------------------------

    def action_editor(self) -> None:
        self.remove_class("-reading")
        self.set_focus(self.editor)  # at once: what is typed behind this key is for it

    def action_words(self) -> None:
        self.remove_class("-reading")
        words = self.query_one(Words)
        self.set_focus(words)
        words.cursor_position = len(words.value)

    @on(Input.Submitted, "#words")
    def submitted(self, event: Input.Submitted) -> None:
        self.action_editor()
        words, prompt = event.value, self.editor.text or "?"
        self.aside("check", lambda: self.lab.check(words, prompt), lambda n: self.tell(self.say("cells", count=n)))

    @on(Input.Changed, "#words")
    @on(TextArea.Changed, "#editor")
    def look_ahead(self) -> None:
        self.query_one(Ahead).expect(self.words, self.editor.text)

    # -- what has a module of its own, imported as it is called for ---------------------------------------------------

    def action_preview(self) -> None:
        from promptlab.tui.pages import open_preview

        if self._has_nothing():
            self.tell(self.say("nothing"))
        else:
            open_preview(self)

    def action_help(self) -> None:
        from promptlab.tui.pages import open_help

        open_help(self)

    def action_models(self) -> None:
        from promptlab.tui.target import open_models

        open_models(self)

    def action_form(self) -> None:
        from promptlab.tui.form import open_form

        open_form(self)

    def action_history(self) -> None:
        from promptlab.tui.history import open_history

        open_history(self)

    def action_retry(self) -> None:
        from promptlab.tui.retry import retry

        retry(self)

    def action_other_target(self) -> None:
        from promptlab.tui.retry import open_other_target

        open_other_target(self)

    def action_copy_request(self) -> None:
        from promptlab.tui.copying import copy_request

        copy_request(self)

    def action_pager(self) -> None:
        from promptlab.tui.outside import open_pager

        open_pager(self)

    def action_edit(self) -> None:
        from promptlab.tui.outside import open_editor

        open_editor(self)

    def action_profiles(self) -> None:
        from promptlab.tui.library import open_library

        open_library(self)

    def action_find(self) -> None:
        from promptlab.tui.finding import open_find

        open_find(self)

    def action_measures(self) -> None:
        from promptlab.tui.measuring import open_measures

        open_measures(self)

    def action_best(self) -> None:
        from promptlab.tui.measuring import mark_best

        mark_best(self)

    def action_layout(self) -> None:
        super().action_layout()
        self.measure()

    def action_open(self) -> None:
        """What is chosen in the ladder, in a pane; elsewhere, the editor."""
        if self.board is not None and self.board.climbs:
            self.action_zoom()
        else:
            self.action_editor()

    def action_compare(self) -> None:
        from promptlab.tui.finding import open_compare

        open_compare(self)

    def action_vote(self) -> None:
        from promptlab.tui.blind import open_votes

        open_votes(self)
