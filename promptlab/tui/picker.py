"""A list to choose from by a few letters, a line to be written, a question, and pages to be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from promptlab.errors import LabError
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import pad, width, wrap_line
from promptlab.tui.aside import is_here


class Item(NamedTuple):
    """What is chosen, and the line that stands for it."""

    id: str
    line: str


class Picker(ModalScreen[str | None]):
    """Gives the id that was chosen, or None. `load` is called with the letters typed so far, in a thread unless it is
    `quick`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "k_close", id="list.back", show=False),
        Binding("down,ctrl+n", "move(1)", "k_down", id="list.down", show=False, priority=True),
        Binding("up", "move(-1)", "k_up", id="list.up", show=False, priority=True),
        Binding("pagedown", "move(10)", "k_page_down", id="list.page_down", show=False, priority=True),
        Binding("pageup", "move(-10)", "k_page_up", id="list.page_up", show=False, priority=True),
    ]

    def __init__(
        self, title: str, hint: str, keys: str, none: str, load: Callable[[str], Sequence[Item]],
        *, quick: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._quick = quick
        self._title, self._hint, self._keys, self._none, self._load = title, hint, keys, none, load
        self._items: list[Item] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="box-title")
            field = Input(placeholder=self._hint, compact=True, id="letters")
            field.cursor_blink = False
            yield field
            yield from self.compose_list()
            yield Static(Content(self._keys), id="box-foot")

    def compose_list(self) -> ComposeResult:
        yield OptionList(id="list", markup=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#letters").focus()
        self.call_after_refresh(self._ask, "")  # nothing is filled that is not mounted yet

    @on(Input.Changed)
    def changed(self, event: Input.Changed) -> None:
        self._ask(event.value)

    def _ask(self, letters: str) -> None:
        if self._quick:
            self.fill(letters, list(self._load(letters)), self._none)
        else:
            self.find(letters)

    @work(thread=True, exclusive=True)
    def find(self, letters: str) -> None:
        try:
            items = list(self._load(letters))
            why = self._none
        except LabError as error:
            items, why = [], f"{error.message} {error.hint}"
        self.app.call_from_thread(self.fill, letters, items, why)

    def fill(self, letters: str, items: list[Item], why: str) -> None:
        if not is_here(self) or self.query_one("#letters", Input).value != letters:
            return  # it was left, or other letters were typed meanwhile
        self._items = items
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(Content(clean_line(item.line))) for item in items])
        if items:
            listed.highlighted = 0
        else:
            listed.add_option(Option(Content(clean_line(why)), disabled=True))

    def action_move(self, by: int) -> None:
        listed = self.query_one(OptionList)
        if self._items:
            listed.highlighted = max(0, min(len(self._items) - 1, (listed.highlighted or 0) + by))

    @on(Input.Submitted)
    def submitted(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._items):
            self.dismiss(self._items[at].id)

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self._items):
            self.dismiss(self._items[event.option_index].id)


class Line(ModalScreen[str | None]):
    """One line to be written: gives it, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "k_back", show=False)]

    def __init__(self, title: str, value: str, keys: str) -> None:
        super().__init__()
        self._title, self._value, self._keys = title, value, keys

    def compose(self) -> ComposeResult:
        with Vertical(id="box", classes="-line"):
            yield Static(Content(self._title), id="box-title")
            field = Input(self._value, compact=True, id="letters")
            field.cursor_blink = False
            yield field
            yield Static(Content(self._keys), id="box-foot")

    def on_mount(self) -> None:
        self.query_one("#letters").focus()

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Question(ModalScreen[str | None]):
    """Gives the id of the answer that is chosen, or None."""

    CSS = """
    Question { align: center middle; }
    Question #ask { width: 64; max-width: 96%; height: auto; max-height: 100%; background: $surface;
                    border: round $primary; padding: 0 1; }
    Question #asked { max-height: 8; }
    Question OptionList { height: auto; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "k_back", show=False)]

    def __init__(self, title: str, answers: Sequence[Item]) -> None:
        super().__init__()
        self._title, self._answers = title, answers

    def compose(self) -> ComposeResult:
        with Vertical(id="ask"):
            yield Static(Content.styled(clean(self._title), "bold"), id="asked")
            answers = [Option(Content(answer.line), id=answer.id) for answer in self._answers]
            yield OptionList(*answers, markup=False, compact=True)

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class Help(ModalScreen[None]):
    """Every key, by where it holds."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,question_mark", "dismiss(None)", "k_back")]

    def __init__(self, title: str, foot: str, parts: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        super().__init__()
        self._title, self._foot, self._parts = title, foot, parts

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="box-title")
            with VerticalScroll(id="keys"):
                for _ in self._parts:
                    yield Static(classes="part")
            yield Static(Content(self._foot), id="box-foot")

    def on_mount(self, event: events.Mount) -> None:
        self.query_one("#keys").focus()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        cells = max(20, self.query_one("#keys").outer_size.width - _BAR)
        column = min(max((width(key) for _, keys in self._parts for key, _ in keys), default=0), cells // 3)
        for part, (where, keys) in zip(self.query(".part").results(Static), self._parts, strict=True):
            told = [line for key, what in keys for line in _key_lines(key, what, column, cells)]
            heads = [Content.styled(line, "bold") for line in wrap_line(where, cells)]
            part.update(Content("\n").join([*heads, *told, Content("")]))


class Compared(ModalScreen[None]):
    """Two texts as one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,d,q", "dismiss(None)", "k_back")]

    def __init__(self, title: str, foot: str, spans: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._foot, self._spans = title, foot, spans

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self._title), id="box-title")
            with VerticalScroll(id="keys"):
                yield Static(Content.assemble(*((text, _STYLES[style]) for text, style in self._spans)))
            yield Static(Content(self._foot), id="box-foot")

    def on_mount(self) -> None:
        self.query_one("#keys").focus()


class Requests(Compared, inherit_bindings=False):
    """What would be sent: a heading for each request, in the style `head`, and its text."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f4,q", "dismiss(None)", "k_back")]


_BAR = 3  # cells that the scrollbar takes, and one for a margin
_STYLES = {"head": "bold $text-accent", "same": "", "gone": "$text-error strike", "new": "$text-success bold"}


def _key_lines(key: str, what: str, column: int, cells: int) -> list[Content]:
    """A key and what it does beside it, in as many lines as that takes; a key that is too long stands above."""
    above = [Content.assemble("  ", (key, "$text-accent"))] if width(key) > column else []
    first, *rest = wrap_line(what, max(8, cells - column - 4))
    lines = [*above, Content.assemble("  ", (pad("" if above else key, column), "$text-accent"), "  ", first)]
    return [*lines, *(Content(" " * (column + 4) + line) for line in rest)]
