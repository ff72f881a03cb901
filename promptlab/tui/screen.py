"""The screen of the lab: panes above, words and editor below, and the way to every other page."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static, TextArea

from promptlab.tui.ahead import Ahead
from promptlab.tui.canvas import Canvas
from promptlab.tui.composer import Editor, Words
from promptlab.tui.flight import Flight
from promptlab.tui.foot import Foot
from promptlab.tui.key import translate
from promptlab.tui.lab import Began, Lab
from promptlab.tui.runs import RunsScreen
from promptlab.tui.text import Say

SEND = "^j"


class LabScreen(RunsScreen):
    """Panes, words and editor, and the keys that lead to everything else."""

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
        super().__init__(lab, say)
        self._first_words, self._enter_sends = words, enter_sends
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
        self.set_timer(0.1, self.warm)

    @work(thread=True, exit_on_error=False)
    def warm(self) -> None:
        self.lab.warm()
        self.app.call_from_thread(self.look_ahead)

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

    # -- elsewhere -------------------------------------------------------------------------------------------------

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

    @on(events.ScreenResume)
    def look_again(self) -> None:
        """What was found before a page was open, a run began or somebody was elsewhere may be true no more."""
        for line in self.query(Ahead):
            line.look_again()

    def _begin(self, began: Began, flight: Flight) -> None:
        super()._begin(began, flight)
        self.look_again()

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
