"""Runs under way on a screen: words and a prompt are sent, what they say goes to boards, and they are stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from promptlab.errors import LabError
from promptlab.tui.aside import aside, told
from promptlab.tui.composer import Editor, Words
from promptlab.tui.flight import Flight
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


class RunsScreen(PanesScreen):
    """Runs come from `lab`; all that is shown of them is in a board."""

    def __init__(self, lab: Lab, say: Say) -> None:
        super().__init__(say)
        self.lab = lab
        self._flights: list[Flight] = []
        self._live: Board | None = None  # of the run under way, or the last one

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / RATE, self.pump, pause=True)

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

    def action_editor(self) -> None:
        self.remove_class("-reading")
        self.set_focus(self.editor)  # at once: what is typed behind this key is for it

    @property
    def flights(self) -> list[Flight]:
        return self._flights

    @property
    def runs(self) -> bool:
        return bool(self._flights)

    @property
    def streams(self) -> bool:
        return any(flight.streams for flight in self._flights)

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
            others = self._others_run(board)
            self.tell(self.say("stopped", pane=board.focus + 1) if others else self.say("stopped_all"))
        elif self.runs:
            begun = any(flight.has_begun for flight in self._flights if flight.streams)
            self._stop_all("stopped_all" if begun else "stopped_unsent")

    def _others_run(self, board: Board) -> bool:
        """Whether anything is still to come besides the pane in focus."""
        panes = (pane for number, pane in enumerate(board.panes) if number != board.focus)
        elsewhere = (flight.streams for flight in self._flights if flight.board is not board)
        return any(elsewhere) or any(not pane.said.ending for pane in panes)

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

    def close(self) -> None:
        """Stop what runs, and wait until it is written down."""
        for flight in self._flights:
            flight.session.cancel()
        for flight in self._flights:
            flight.session.close()
