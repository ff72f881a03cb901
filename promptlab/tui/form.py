"""The form: every parameter with what each target does with it, and the variables of the profile. What is typed stands
in the words at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from promptlab.axis import is_whole, parse_axis
from promptlab.errors import LabError, UsageError
from promptlab.params import PARAMETERS
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui import wording
from promptlab.tui.aside import Glance, told
from promptlab.tui.composer import OneLine
from promptlab.tui.key import translate
from promptlab.tui.outlook import Blank, Outlook, described, explained, line

if TYPE_CHECKING:
    from promptlab.tui.screen import LabScreen

PAUSE = 0.25  # seconds without a key, after which it is worth looking


class Ending(Suggester):
    """The rest of a word, of several with commas the last one's."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._words = tuple(word for word in words if word.isprintable())  # it is shown as it is

    async def get_suggestion(self, value: str) -> str | None:
        before, comma, last = value.rpartition(",")
        found = next((word for word in self._words if last and word.startswith(last)), None)
        return None if found is None else f"{before}{comma}{found}"


class Entry(OneLine):
    """A field of one line; `of` is the parameter or variable that it is for."""

    def __init__(self, of: str | Blank, value: str, placeholder: str = "") -> None:
        words = PARAMETERS[of].choices if isinstance(of, str) else of.choices
        super().__init__(value, placeholder, suggester=Ending(words) if words else None)
        self.of = of


class Lines(TextArea):
    """A field of several lines; from its first and last one the cursor goes on to the next field."""

    def __init__(self, of: Blank, value: str, placeholder: str = "") -> None:
        # A placeholder that is a text would be read as markup, and it is from a file that somebody shares.
        super().__init__(value, placeholder=Content(placeholder), compact=True, highlight_cursor_line=False)
        self.cursor_blink = False
        self.of = of

    def action_cursor_up(self, select: bool = False) -> None:
        if self.cursor_at_first_line and not select:
            self.screen.focus_previous()
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if self.cursor_at_last_line and not select:
            self.screen.focus_next()
        else:
            super().action_cursor_down(select)


class Form(ModalScreen[bool]):
    """Gives whether the prompt is to be sent now."""

    AUTO_FOCUS = "Entry"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  an instance variable of Screen
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-wide"), (100, "-broad")]  # noqa: RUF012
    CSS = """
    Form { align: center middle; }
    Form #box { width: 140; height: 90%; }
    Form.-short #box { width: 100%; max-width: 100%; height: 100%; border: none; }
    Form #for { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; margin: 0 0 1 0; }
    Form.-short #for { margin: 0; }
    Form #fields { height: 1fr; background: $surface; scrollbar-size-vertical: 1; }
    Form .row { height: auto; }
    Form .label { width: 19; height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    Form .row Entry { width: 18; height: 1; border: none; background: $panel; padding: 0 1; }
    Form .row Lines { width: 3fr; height: auto; max-height: 6; border: none; background: $panel; padding: 0 1; }
    Form.-broad .row Entry { width: 24; }
    Form .row.variable Entry, Form.-broad .row.variable Entry { width: 3fr; }
    Form .row .fate { width: 1fr; height: 1; padding: 0 1; color: $text-muted;
                      text-wrap: nowrap; text-overflow: ellipsis; }
    Form .variable .fate { width: 1fr; }
    Form .row.-asked .label, Form .row.-asked .fate { color: $foreground; text-style: bold; }
    Form .row.-wrong .fate { color: $text-error; }
    Form .row:focus-within .label { color: $text-accent; text-style: bold reverse; }
    Form.-narrow .fate { display: none; }
    Form.-narrow .row Entry { width: 1fr; }
    Form .heading { height: 1; text-style: bold; margin: 1 0 0 0; }
    Form.-short .heading { margin: 0; }
    Form #explained { height: 7; padding: 0 1; background: $panel; overflow: hidden; }
    Form.-short #explained { height: 4; }
    Form #told { height: auto; max-height: 2; color: $text-accent; }
    Form #told.-error { color: $text-error; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+o", "dismiss(False)", "k_close", id="form.back", show=False),
        Binding("ctrl+j,ctrl+enter", "dismiss(True)", "k_send", id="form.send", show=False),
        Binding("down", "app.focus_next", "k_down", id="form.down", show=False),
        Binding("up", "app.focus_previous", "k_up", id="form.up", show=False),
        Binding("ctrl+z", "undo", "k_restore", id="form.undo", show=False),
        Binding("f1", "help", "k_help", id="form.help", show=False, priority=True),
    ]

    def __init__(self, lab: LabScreen) -> None:
        super().__init__()
        self._lab, self._say, self._first = lab, lab.say, lab.words
        self._outlook: Outlook | None = None
        self._wrong: dict[str, str] = {}  # parameters that can't be read, and why
        self._glance = Glance(self, lab.say, PAUSE, self._sight, lambda error: self._tell(Outlook(problem=error)))
        self._profile = ""
        translate(self, lab.say)

    def compose(self) -> ComposeResult:
        words = self._lab.words
        with Vertical(id="box"):
            yield Static(Content(self._say("form")), id="box-title")
            yield Static(id="for", markup=False)
            with VerticalScroll(id="fields", can_focus=False):
                for name in PARAMETERS:
                    yield Row(name, Entry(name, wording.parameter(words, name)))
            yield Static(id="explained", markup=False)
            yield Static(id="told", markup=False)
            yield Static(id="box-foot", markup=False)

    def on_mount(self) -> None:
        for entry in self.query(Entry):
            self._check(entry)
        self._glance.begin()

    @on(events.Resize)
    def resized(self, event: events.Resize) -> None:
        short = "_short" if event.size.width < 90 else ""
        self.query_one("#box-foot", Static).update(Content(self._say(f"form_foot{short}")))

    # -- what is typed ---------------------------------------------------------------------------------------------

    @on(Input.Changed)
    @on(TextArea.Changed)
    def changed(self, event: Input.Changed | TextArea.Changed) -> None:
        field = event.control
        if not isinstance(field, (Entry, Lines)) or self._reads(field) == self._stands(field.of):
            return
        words, text = self._lab.words, self._reads(field)
        if isinstance(field.of, str):
            self._lab.words = wording.put_parameter(words, field.of, text)
            self._check(field)
        else:
            self._lab.words = wording.put_variable(words, field.of.name, text or None)
        self._show_rows()
        self._glance.expect()

    @staticmethod
    def _reads(field: Entry | Lines) -> str:
        return field.text if isinstance(field, Lines) else field.value

    def _stands(self, of: str | Blank) -> str:
        """What the words say of it."""
        words = self._lab.words
        return wording.parameter(words, of) if isinstance(of, str) else wording.variables(words).get(of.name, "")

    def _check(self, field: Widget) -> None:
        """Whether a parameter can be read; an object may be a file's name, which is read by whoever makes the plan."""
        if not isinstance(field, Entry) or not isinstance(field.of, str):
            return
        self._wrong.pop(field.of, None)
        if field.value.strip() and not is_whole(PARAMETERS[field.of]):
            try:
                parse_axis(field.of, field.value.strip())
            except UsageError as error:
                said = self._say.ours(error.message)
                self._wrong[field.of] = said.removeprefix(f"{field.of}: ").removeprefix(f"{field.of}：")

    def action_undo(self) -> None:
        """The words as they were before the form."""
        self._lab.words = self._first
        for field in (*self.query(Entry), *self.query(Lines)):
            if isinstance(field, Lines):
                field.text = self._stands(field.of)
            else:
                field.value = self._stands(field.of)
            self._check(field)
        self._show_rows()
        self._glance.expect()
        self._lab.tell(self._say("form_undone"))

    def action_help(self) -> None:
        from promptlab.tui.pages import open_help_of

        open_help_of(self, self._say, self._say("form"))

    # -- what comes of it ------------------------------------------------------------------------------------------

    def _sound(self) -> str:
        """The words without what can't be read: the rest is told all the same."""
        words = self._lab.words
        for name in self._wrong:
            words = wording.put_parameter(words, name, "")
        return words

    def _sight(self) -> Callable[[], Callable[[], object]]:
        lab, words = self._lab.lab, self._sound()

        def look() -> Callable[[], object]:
            try:
                found = lab.outlook(words)
            except LabError as error:
                found = Outlook(problem=error)
            return lambda: self._found(found, words)

        return look

    def _found(self, found: Outlook, words: str) -> None:
        if words != self._sound():
            return
        if found.problem is None or self._outlook is None:
            self._outlook = found
        self._tell(found)
        self._show_blanks(found)
        self._show_rows()

    def _tell(self, found: Outlook) -> None:
        say, notice, problem = self._say, self.query_one("#told", Static), found.problem
        if problem is None:
            targets = ", ".join(dict.fromkeys(map(clean_line, found.targets)))
            count = say("cells", count=f"{found.panes:,}")
            self.query_one("#for", Static).update(Content(f"{say('form_targets', targets=targets)}  ·  {count}"))
        notice.set_class(problem is not None, "-error")
        notice.display = problem is not None
        notice.update(Content(clean_line(told(problem, self._say)) if problem is not None else ""))

    def _show_blanks(self, found: Outlook) -> None:
        """Fields for the variables, once it is known which there are."""
        for entry in self.query(Entry):
            if isinstance(entry.of, str):
                value = found.defaults.get(entry.of)
                entry.placeholder = clean_line(self._say("form_default", value=value)) if value else ""
        if found.profile == self._profile:
            return
        self._profile = found.profile
        fields = self.query_one("#fields")
        self.query(".variable, .heading").remove()
        if found.blanks:
            name = clean_line(found.profile)
            given = wording.variables(self._lab.words)
            rows = [Row(blank, _blank_field(blank, given.get(blank.name, ""), self._note(blank)))
                    for blank in found.blanks]  # fmt: skip
            fields.mount(Static(Content(self._say("form_variables", name=name)), classes="heading"), *rows)

    def _note(self, blank: Blank) -> str:
        if blank.default is None:
            return clean_line(blank.help)
        return clean_line(self._say("form_given_default", value=blank.default)) if blank.default else ""

    def _show_rows(self) -> None:
        given = wording.variables(self._lab.words)
        for row in self.query(Row):
            of, fate = row.of, row.fate
            if isinstance(of, Blank):
                needed = of.default is None and not given.get(of.name)
                row.set_class(needed, "-wrong")
                fate.update(Content(self._say("form_needed") if needed else ""))
                continue
            wrong = self._wrong.get(of, "")
            row.set_class(bool(wrong), "-wrong")
            row.label.update(Content(f"✗ {of}" if wrong else of))
            row.set_class(bool(self._stands(of)), "-asked")
            said = f"✗ {wrong}" if wrong else line(self._outlook, of, self._say) if self._outlook else "…"
            fate.update(Content(clean_line(said)))
        self._explain()

    @on(events.DescendantFocus)
    def _explain(self) -> None:
        field, shown = self.focused, self.query_one("#explained", Static)
        if isinstance(field, Entry) and isinstance(field.of, str):
            text = explained(self._outlook, field.of, self._say)
            wrong = self._wrong.get(field.of)
            text = f"✗ {wrong}\n{text}" if wrong else text
        elif isinstance(field, (Entry, Lines)) and isinstance(field.of, Blank):
            text = described(field.of, self._say)
        else:
            return
        shown.update(Content(clean(text)))

    @on(Input.Submitted)
    def submitted(self) -> None:
        self.focus_next()


class Row(Horizontal):
    """A label, a field, and what comes of it."""

    def __init__(self, of: str | Blank, field: Widget) -> None:
        name = of.name if isinstance(of, Blank) else of
        self.of, self.fate = of, Static(classes="fate", markup=False)
        self.label = Static(Content(clean_line(name)), classes="label")
        super().__init__(self.label, field, self.fate,
                         classes="row variable" if isinstance(of, Blank) else "row")  # fmt: skip


def _blank_field(blank: Blank, value: str, placeholder: str) -> Entry | Lines:
    kind = Lines if blank.kind == "text" and not blank.choices else Entry
    return kind(blank, value, placeholder)


def open_form(screen: LabScreen) -> None:
    """The form over the words of the screen; where they can't be read, it is told what is wrong with them."""
    try:
        wording.options(screen.words)
    except LabError as error:
        screen.refuse(error)
        return

    def closed(send: bool | None) -> None:
        screen.canvas.repaint()
        if send:
            screen.action_send()

    screen.app.push_screen(Form(screen), closed)
