"""The screen of the lab: panes above, words and editor below; actions, and the pump between a run and the canvas."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Input, Static, TextArea

from promptlab.errors import LabError
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.ahead import Ahead
from promptlab.tui.canvas import Canvas
from promptlab.tui.composer import Editor, Words
from promptlab.tui.key import keys_of, translate
from promptlab.tui.lab import Began, Ended, Lab, Past, Preview, Said, Session
from promptlab.tui.panes import PanesScreen
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.board import Board
    from promptlab.tui.marked import Span
    from promptlab.tui.picker import Item

RATE = 6.0 if os.environ.get("SSH_CONNECTION") else 12.5  # frames a second
_TURN = 0.02  # seconds of one frame that what has arrived may take; the rest waits for the next one
_AT_ONCE = 500
SEND = "^j"


class LabScreen(PanesScreen):
    """Runs come from `lab`; all that is shown of them is in a board."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012  an instance variable of Screen
    # A key of priority overtakes what is typed before it and not yet in the editor: sending is none.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j,ctrl+enter", "send", "k_send", id="lab.send", key_display=SEND),
        Binding("escape", "stop", "k_stop", id="lab.stop"),
        Binding("escape", "back", "k_back", id="lab.back", show=False),
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
        Binding("ctrl+r", "history", "k_history", id="lab.history", priority=True),
        Binding("f2", "words", "k_words", id="lab.words", priority=True, show=False),
        Binding("f4", "preview", "k_preview", id="lab.preview", priority=True, show=False),
        Binding("f3", "models", "k_models", id="lab.models", priority=True),
        *(Binding(f"alt+{n}", f"jump({n})", "k_jump", id=f"lab.jump{n}", show=False) for n in range(1, 10)),
    ]

    def __init__(self, lab: Lab, say: Say, words: str = "", *, enter_sends: bool = False) -> None:
        super().__init__(say)
        self._lab, self._first_words, self._enter_sends = lab, words, enter_sends
        self._session: Session | None = None
        self._live: Board | None = None  # of the run under way, or the last one
        self._sent = ""
        translate(self, say)

    def compose(self) -> ComposeResult:
        say = self._say
        canvas = Canvas([say("welcome"), say("welcome_1", keys=SEND), say("welcome_2"), say("welcome_3")], id="canvas")
        editor = Editor(say("prompt", keys=SEND), enter_sends=self._enter_sends, id="editor")
        for widget in (canvas, editor):
            translate(widget, say)
        yield canvas
        yield Static(id="notice", classes="-empty")
        yield Words(self._first_words, say("words"), id="words")
        yield Ahead(self._lab, say, id="ahead")
        yield editor
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._timer = self.set_interval(1 / RATE, self.pump, pause=True)
        self.editor.focus()
        self.set_timer(0.1, self.warm)

    @work(thread=True, exit_on_error=False)
    def warm(self) -> None:
        self._lab.warm()
        self.app.call_from_thread(self.look_ahead)

    @property
    def editor(self) -> Editor:
        return self.query_one(Editor)

    @property
    def runs(self) -> bool:
        return self._session is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "step":
            return self.board is not None and len(self.board.panes) > 1
        if action in ("zoom", "go_on"):
            return self.board is not None
        return self.runs if action == "stop" else not self.runs if action == "back" else True

    # -- what is told ----------------------------------------------------------------------------------------------

    def refuse(self, error: LabError) -> None:
        self.tell(f"✗ {error.message}" + (f" → {error.hint}" if error.hint else ""), error=True)

    # -- a run -----------------------------------------------------------------------------------------------------

    def action_send(self) -> None:
        prompt = self.editor.text
        if self.runs:
            self.tell(self._say("busy"))
        elif self._has_nothing():
            self.tell(self._say("nothing"))
        else:
            self._under(prompt, self._lab.send(self.query_one(Words).value, prompt))

    def _has_nothing(self) -> bool:
        return not self.editor.text.strip() and "-p" not in self.query_one(Words).value.split()

    def _under(self, prompt: str, session: Session) -> None:
        self._sent, self._session = prompt, session
        self.tell(self._say("sending"))
        self._timer.resume()
        self.refresh_bindings()

    def action_again(self) -> None:
        """The run that is shown once more, exactly as it was."""
        if self.runs:
            self.tell(self._say("busy"))
        elif self.board is not None and self.board.run is not None:
            run = self.board.run
            self._under(run.plan.prompt, self._lab.again(self.query_one(Words).value, run))

    def action_go_on(self) -> None:
        self._go_on(None)

    def action_go_on_one(self) -> None:
        if self.board is not None:
            self._go_on(self.board.focus)

    def _go_on(self, only: int | None) -> None:
        """A follow-up to what all panes have answered, or one."""
        board, prompt = self.board, self.editor.text
        panes = enumerate(board.panes) if board is not None else ()
        answers = {number: pane.said.answer for number, pane in panes if only in (None, number) and pane.said.answer}
        if self.runs:
            self.tell(self._say("busy"))
        elif board is None or board.run is None or not answers:
            self.tell(self._say("no_answer"))
        elif not prompt.strip():
            self.tell(self._say("nothing"))
        else:
            self._under(prompt, self._lab.go_on(self.query_one(Words).value, board.run, answers, prompt))

    def pump(self) -> None:
        """Take what has come, and paint what has changed; no more of it than keeps the keys quick."""
        session, until = self._session, time.monotonic() + _TURN
        while session is not None and (news := session.take(_AT_ONCE)):
            for one in news:
                match one:
                    case Began():
                        self._begin(one, session)
                    case Said(text):
                        self.tell(text)
                    case Ended():
                        self._end(one)
                    case stamped if self._live is not None:
                        self._live.take(stamped)
            if time.monotonic() > until:
                break
        self.canvas.paint()

    def _begin(self, began: Began, session: Session) -> None:
        from promptlab.tui.board import board_of

        self._live = board_of(began.run, began.costing, self._say, session.now)
        self.canvas.show(self._live)
        self.tell("")
        if self.editor.text == self._sent:
            self.editor.select_all()  # to be sent again with other words, or written over
        self.refresh_bindings()

    def _end(self, ended: Ended) -> None:
        self._session = None
        self._timer.pause()
        if ended.error is not None:
            self.refuse(ended.error)
        self.refresh_bindings()

    def action_stop(self) -> None:
        """This pane, and once it has stopped, all."""
        board = self._live
        if self._session is None:
            return
        if board is not None and board is self.board and board.running and not board.current.said.ending:
            self._session.cancel(board.current.cell.index)
            several = len(board.panes) > 1
            self.tell(self._say("stopped", pane=board.focus + 1) if several else self._say("stopped_all"))
        else:
            self._session.cancel()
            self.tell(self._say("stopped_all"))

    def action_stop_one(self) -> None:
        if self._session is not None and self._live is not None and self.board is self._live:
            self._session.cancel(self._live.current.cell.index)

    def action_cancel(self) -> None:
        if self._session is not None:
            self._session.cancel()
            self.tell(self._say("interrupted"))
        elif self.focused is self.editor and self.editor.selected_text:
            self._copy(self._say("selection"), self.editor.selected_text)
        else:
            self.tell(self._say("idle"))

    def action_back(self) -> None:
        """One step: out of the maximised pane, out of the history, to the editor."""
        board = self.board
        if board is not None and board.zoomed:
            self.action_zoom()
        elif board is not self._live and self._live is not None:
            self.canvas.show(self._live)
        self.tell("")
        self.action_editor()

    def close(self) -> None:
        """Stop what runs, and wait until it is written down."""
        if self._session is not None:
            self._session.close()

    # -- elsewhere -------------------------------------------------------------------------------------------------

    def action_editor(self) -> None:
        self.remove_class("-reading")
        self.editor.focus()

    def action_words(self) -> None:
        self.remove_class("-reading")
        words = self.query_one(Words)
        words.focus()
        words.cursor_position = len(words.value)

    @on(Input.Submitted, "#words")
    def submitted(self, event: Input.Submitted) -> None:
        self.action_editor()
        self.check_words(event.value, self.editor.text)

    @work(thread=True, exclusive=True, group="check")
    def check_words(self, words: str, prompt: str) -> None:
        try:
            count = self._lab.check(words, prompt or "?")
        except LabError as error:
            self.app.call_from_thread(self.refuse, error)
        else:
            self.app.call_from_thread(self.tell, self._say("cells", count=count))

    @on(Input.Changed, "#words")
    @on(TextArea.Changed, "#editor")
    def look_ahead(self) -> None:
        self.query_one(Ahead).expect(self.query_one(Words).value, self.editor.text)

    def action_preview(self) -> None:
        if self._has_nothing():
            self.tell(self._say("nothing"))
        else:
            self.preview(self.query_one(Words).value, self.editor.text)

    @work(thread=True, exclusive=True, group="preview")
    def preview(self, words: str, prompt: str) -> None:
        try:
            requests = self._lab.preview(words, prompt)
        except LabError as error:
            self.app.call_from_thread(self.refuse, error)
        else:
            self.app.call_from_thread(self.show_requests, requests)

    def show_requests(self, requests: Sequence[Preview]) -> None:
        from promptlab.tui.picker import Requests

        if self.app.screen is not self:
            return  # something else was opened meanwhile
        spans = []
        for number, one in enumerate(requests, 1):
            spans += [(f"{number}  {clean_line(one.target)}\n", "head"), (f"{one.text}\n\n", "same")]
        self.app.push_screen(Requests(self._say("preview", count=len(requests)), self._say("preview_foot"), spans))

    def action_help(self) -> None:
        from promptlab.tui.picker import Help

        say = self._say
        parts = [(say("help_where_lab"), [*keys_of(self), ("^p", say("k_palette")), ("^q", say.long("k_quit"))]),
                 (say("help_where_panes"), keys_of(self.canvas)),
                 (say("help_where_editor"), keys_of(self.editor, "editor."))]  # fmt: skip
        self.app.push_screen(Help(say("help"), say("help_foot"), parts))

    def action_models(self) -> None:
        from promptlab.tui.picker import Item, Picker

        def load(letters: str) -> list[Item]:
            return [Item(one.target, "  ".join([one.target, *one.told])) for one in self._lab.choices(letters)]

        say = self._say
        picker = Picker(say("models"), say("models_filter"), say("models_keys"), say("models_none"), load)
        self.app.push_screen(picker, self._add_target)

    def _add_target(self, target: str | None) -> None:
        words = self.query_one(Words)
        if target is not None:
            words.value = f"{words.value.rstrip()} -m {target}".strip()
        self.canvas.repaint()

    def action_history(self) -> None:
        from promptlab.tui.past import line
        from promptlab.tui.picker import Item, Picker

        items: list[Item] = []

        def load(letters: str) -> list[Item]:
            if not items:
                items.extend(Item(str(one.id), line(one, self._say)) for one in self._lab.runs())
            return [item for item in items if all(part in item.line.lower() for part in letters.lower().split())]

        say = self._say
        picker = Picker(say("history"), say("history_filter"), say("history_keys"), say("history_empty"), load)
        self.app.push_screen(picker, self._chose_run)

    def action_find(self) -> None:
        from promptlab.tui.picker import Item, Picker

        say, board = self._say, self.board
        if board is None:
            return

        def load(letters: str) -> list[Item]:
            return [Item(f"{pane} {part} {line}", f"{pane + 1:>3}  {text}") for pane, part, line, text in
                    board.find(letters)]  # fmt: skip

        picker = Picker(say("find"), say("find_filter"), say("find_keys"), say("find_none"), load, quick=True)
        self.app.push_screen(picker, self._found)

    def _found(self, where: str | None) -> None:
        self.canvas.repaint()
        if where is not None and self.board is not None:
            pane, part, line = where.split()
            self.board.go(int(pane))
            self.board.current.reveal(part, int(line))
            self.canvas.paint()

    def action_compare(self) -> None:
        """The pane in focus with another one: the other of two, or one that is picked."""
        from promptlab.tui.picker import Item, Picker
        from promptlab.tui.status import title

        say, board = self._say, self.board
        if board is None or len(board.panes) < 2:
            self.tell(self._say("one_pane"))
            return
        others = [pane for pane in board.panes if pane is not board.current]
        items = [Item(str(pane.cell.index), f"{pane.cell.index + 1:>3}  {title(pane.cell, 80)}") for pane in others]

        def load(letters: str) -> list[Item]:
            return [item for item in items if letters.casefold() in item.line.casefold()]

        if len(items) == 1:
            self._compare(items[0].id)
        else:
            picker = Picker(say("compare"), say("find_filter"), say("compare_keys"), say("find_none"), load, quick=True)
            self.app.push_screen(picker, self._compare)

    def _compare(self, other: str | None) -> None:
        board, say = self.board, self._say
        self.canvas.repaint()
        if other is None or board is None:
            return
        one, two = board.current, board.panes[int(other)]
        first, second = one.said.answer, two.said.answer
        if not (first and second):
            first, second = one.said.thinking, two.said.thinking
        if first and second:
            self.compare(say("compared", one=one.cell.index + 1, two=two.cell.index + 1), clean(first), clean(second))
        else:
            self.tell(say("copy_none"))

    @work(thread=True, exclusive=True, group="compare")
    def compare(self, name: str, first: str, second: str) -> None:
        from promptlab.tui.difference import difference

        self.app.call_from_thread(self.show_compared, name, difference(first, second))  # long texts take a second

    def show_compared(self, name: str, spans: list[Span]) -> None:
        from promptlab.tui.picker import Compared

        self.app.push_screen(Compared(name, self._say("compared_foot"), spans))

    def _chose_run(self, run: str | None) -> None:
        self.canvas.repaint()
        if run is not None:
            self.open_run(int(run))

    @work(thread=True, exclusive=True, group="open")
    def open_run(self, run: int) -> None:
        try:
            past = self._lab.open(run)
        except LabError as error:
            self.app.call_from_thread(self.refuse, error)
        else:
            self.app.call_from_thread(self.show_past, past)

    def show_past(self, past: Past) -> None:
        from promptlab.tui.board import board_of

        last = max((stamped.at for stamped in past.events), default=0.0)
        when = past.run.created[:16].replace("T", " ")
        board = board_of(past.run, past.costing, self._say, lambda: last, when)
        for stamped in past.events:
            board.take(stamped)
        for pane in board.panes:
            pane.follows = False  # a text that has ended is read from its beginning
        self.canvas.show(board)
        self.tell("")
        self.refresh_bindings()
