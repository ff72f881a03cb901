"""Targets to choose from: a list of models that a few letters narrow, with ticks, favourites and groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from promptlab.errors import LabError
from promptlab.render.sanitise import clean_line
from promptlab.tui.aside import aside, told
from promptlab.tui.choice import GROUP, NARROWINGS, Choice, Choosing, Row, Stock, detail, table
from promptlab.tui.key import translate
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.screen import LabScreen

T = TypeVar("T")
_KEYS = dict(zip(NARROWINGS, ("f5", "f6", "f7", "f8"), strict=True))
_MARKS = 4  # cells before each line: ticked, favourite, loaded


class _Found(NamedTuple):
    """What there is to choose from; `problem` is why there are no groups."""

    choices: Sequence[Choice]
    favourites: Sequence[str]
    groups: Mapping[str, Sequence[str]]
    problem: str


class Letters(Input):
    """A blank ticks, unless it stands behind a letter: then it parts two words."""

    async def _on_key(self, event: events.Key) -> None:
        models = self.screen
        if event.key == "space" and isinstance(models, Models) and (models.pointed or self.value[-1:] in ("", " ")):
            event.stop()
            event.prevent_default()
            models.action_tick(0)
            return
        await super()._on_key(event)


class Narrowing(Static):
    """One of the filters, which a click turns as its key does."""

    class Turned(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, name: str) -> None:
        super().__init__(classes="narrowing", markup=False)
        self.narrows = name

    def on_click(self) -> None:
        self.post_message(self.Turned(self.narrows))


class Models(ModalScreen[list[str] | None]):
    """Gives the targets that were chosen, or None. `single`: one target, by enter or a click."""

    AUTO_FOCUS = "#letters"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  an instance variable of Screen
    CSS = """
    Models { align: center middle; }
    Models #box { width: 150; height: 90%; }
    Models.-short #box { width: 100%; max-width: 100%; height: 100%; border: none; }
    Models #letters, Models #name { margin: 0; height: 1; border: none; background: $panel; padding: 0 1; }
    Models #name { display: none; }
    Models.-names #name { display: block; }
    Models.-names #letters { display: none; }
    Models #narrow { height: 1; }
    Models .narrowing { width: auto; padding: 0 1 0 0; color: $text-muted; }
    Models .narrowing.-on { color: $text-accent; text-style: bold; }
    Models #heads { height: 1; color: $text-muted; text-style: underline; text-wrap: nowrap; }
    Models #list { padding: 0; }
    Models #detail { height: auto; max-height: 3; color: $text-muted; }
    Models.-short #detail { max-height: 2; }
    Models #told { height: auto; max-height: 2; color: $text-accent; }
    Models #told.-error { color: $text-error; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f3", "back", "k_close", id="models.back", show=False),
        Binding("down,ctrl+n", "move(1)", "k_down", id="models.down", show=False, priority=True),
        Binding("up,ctrl+p", "move(-1)", "k_up", id="models.up", show=False, priority=True),
        Binding("pagedown", "move(10)", "k_page_down", id="models.page_down", show=False, priority=True),
        Binding("pageup", "move(-10)", "k_page_up", id="models.page_up", show=False, priority=True),
        Binding("tab", "tick(1)", "k_tick", id="models.tick", show=False, priority=True),
        Binding("ctrl+f", "favour", "k_favour", id="models.favour", show=False, priority=True),
        Binding("ctrl+x", "untick", "k_none", id="models.untick", show=False, priority=True),
        Binding("ctrl+g", "group", "k_group", id="models.group", show=False, priority=True),
        Binding("ctrl+d", "drop", "k_drop", id="models.drop", show=False, priority=True),
        Binding("ctrl+r", "look(True)", "k_look", id="models.look", show=False, priority=True),
        Binding("f1", "help", "k_help", id="models.help", show=False, priority=True),
        *(Binding(key, f"narrow('{name}')", "k_narrow", id=f"models.{name}", show=False)
          for name, key in _KEYS.items()),
    ]  # fmt: skip

    def __init__(self, stock: Stock, say: Say, ticked: Sequence[str], *, title: str = "", single: bool = False) -> None:
        super().__init__()
        self._stock, self._say, self._title = stock, say, title or say("models")
        self.choosing = Choosing([] if single else list(ticked), single=single)
        self.rows: Sequence[Row] = ()
        self.pointed = False  # by keys, since a letter was typed
        self._dropping = ""
        translate(self, say)

    def compose(self) -> ComposeResult:
        say = self._say
        with Vertical(id="box"):
            yield Static(Content(self._title), id="box-title")
            for field in (Letters(placeholder=say("models_filter"), compact=True, id="letters"),
                          Input(compact=True, id="name")):  # fmt: skip
                field.cursor_blink = False
                yield field
            with Horizontal(id="narrow"):
                yield from map(Narrowing, NARROWINGS)
            yield Static(id="heads", markup=False)
            listed = OptionList(id="list", markup=False, compact=True)
            listed.can_focus = False
            yield listed
            yield Static(id="detail", markup=False)
            yield Static(id="told", markup=False)
            yield Static(id="box-foot", markup=False)

    def on_mount(self) -> None:
        self._show_narrowings()
        self.tell(self._say("models_looking"))
        self.action_look(False)

    # -- what there is ---------------------------------------------------------------------------------------------

    def action_look(self, fresh: bool) -> None:
        stock, single = self._stock, self.choosing.single

        def look() -> _Found:
            import promptlab.providers.roster  # noqa: F401  by which they are sorted: it takes a moment

            groups: Mapping[str, Sequence[str]] = {}
            problem = ""
            if not single:
                try:
                    groups = stock.groups()
                except LabError as error:
                    problem = self._say.ours(error.message)
            return _Found(stock.choices(fresh=fresh), stock.favourites(), groups, problem)

        if fresh:
            self.tell(self._say("models_looking"))
        self._aside(look, self._take)

    def _take(self, found: _Found) -> None:
        choosing = self.choosing
        choosing.choices, choosing.favourites = found.choices, set(found.favourites)
        if not found.problem:
            choosing.groups = dict(found.groups)
        self.tell(found.problem, error=bool(found.problem))
        self.fill()

    def _aside(self, do: Callable[[], T], then: Callable[[T], object]) -> None:
        aside(self, self._say, do, then, lambda error: self.tell(told(error, self._say), error=True))

    # -- what is shown ---------------------------------------------------------------------------------------------

    def tell(self, text: str, *, error: bool = False) -> None:
        told = self.query_one("#told", Static)
        told.set_class(error, "-error")
        told.display = bool(text)
        told.update(Content(clean_line(text)))

    def fill(self) -> None:
        """The list anew; the row that was pointed at stays so, where it is still there."""
        listed, before = self.query_one(OptionList), self.row
        shown = self.choosing.shown()
        self.rows = shown.rows
        room = max(10, self.query_one("#list").size.width - _MARKS - 2)
        head, lines = table(self.rows, room, self._say)
        self.query_one("#heads", Static).update(Content(" " * _MARKS + head))
        listed.clear_options()
        listed.add_options([Option(self._line(row, text)) for row, text in zip(self.rows, lines, strict=True)])
        if shown.more:
            listed.add_option(Option(Content(self._say("models_more", count=shown.more)), disabled=True))
        ids = [row.id for row in self.rows]
        keeps = before is not None and self.pointed and before.id in ids
        listed.highlighted = ids.index(before.id) if before and keeps else 0 if self.rows else None
        if self.choosing.choices:
            none = self._say("models_fits_none")
            told = str(self.query_one("#told", Static).content)
            if not self.rows or told == none:
                self.tell("" if self.rows else none)
        self._show_row()

    def _line(self, row: Row, text: str) -> Content:
        ticked, favoured = row.id in self.choosing.ticked, row.id in self.choosing.favourites
        loaded = row.choice is not None and row.choice.model.loaded
        marks = f"{'✓' if ticked else ' '}{'★' if favoured else ' '}{'●' if loaded else ' '} "
        lacks = row.choice is not None and (bool(row.choice.lacks) or not row.choice.here)
        style = "bold" if ticked else "dim" if lacks else "$text-accent" if row.choice is None else ""
        return Content.styled(marks + text, style)

    def _show_row(self) -> None:
        row, count = self.row, len(self.choosing.ticked)
        self.query_one("#detail", Static).update(Content(detail(row, self._say) if row else ""))
        ticked = f"  ·  {self._say('models_ticked', count=count)}" if count else ""
        self.query_one("#box-title", Static).update(Content(self._title + ticked))

    def _show_narrowings(self) -> None:
        for one in self.query(Narrowing):
            on = one.narrows in self.choosing.narrowed
            one.set_class(on, "-on")
            mark = "[x]" if on else "[ ]"
            if self.app.size.width < 75:
                one.update(Content(f"{_KEYS[one.narrows]}{mark}{self._say(f'models_few_{one.narrows}')}"))
            else:
                one.update(Content(f"{_KEYS[one.narrows]} {mark} {self._say(f'models_narrow_{one.narrows}')}"))

    @on(events.Resize)
    def resized(self, event: events.Resize) -> None:
        single, small = self.choosing.single, event.size.width < 100
        foot = "models_foot_one" if single else "models_foot_short" if small else "models_foot"
        self.query_one("#box-foot", Static).update(Content(self._say(foot)))
        self._show_narrowings()
        self.call_after_refresh(self.fill)

    @property
    def row(self) -> Row | None:
        at = self.query_one(OptionList).highlighted
        return self.rows[at] if at is not None and at < len(self.rows) else None

    # -- what the user does ----------------------------------------------------------------------------------------

    @on(Input.Changed, "#letters")
    def changed(self, event: Input.Changed) -> None:
        if event.value != self.choosing.letters:
            self.choosing.letters, self.pointed = event.value, False
            self.fill()

    def action_move(self, by: int) -> None:
        if self.rows:
            listed = self.query_one(OptionList)
            self.pointed = True
            listed.highlighted = max(0, min(len(self.rows) - 1, (listed.highlighted or 0) + by))

    @on(OptionList.OptionHighlighted)
    def highlighted(self) -> None:
        self._dropping = ""
        self._show_row()

    def action_tick(self, on: int) -> None:
        """Tick the row that is pointed at, and go `on` so many rows."""
        row = self.row
        if row is None or self.choosing.single or self.has_class("-names"):
            return
        self.choosing.tick(row.id)
        self.pointed = True
        self._repaint(row)
        if on:
            self.action_move(on)

    def _repaint(self, row: Row) -> None:
        """One row anew, and what is told of it."""
        at = self.rows.index(row)
        scrolled = self.query_one(OptionList).scroll_y
        self.fill()
        self.query_one(OptionList).highlighted = at
        self.query_one(OptionList).scroll_to(y=scrolled, animate=False)

    def action_untick(self) -> None:
        if not self.choosing.single:
            self.choosing.ticked.clear()
            self.fill()
            self.tell(self._say("models_all_gone"))

    def action_narrow(self, name: str) -> None:
        self.choosing.narrowed ^= {name}
        self._show_narrowings()
        self.fill()

    @on(Narrowing.Turned)
    def turned(self, event: Narrowing.Turned) -> None:
        self.action_narrow(event.name)

    def action_favour(self) -> None:
        row = self.row
        if row is None or row.choice is None:
            return
        on = row.id not in self.choosing.favourites
        self.choosing.favourites ^= {row.id}
        self._repaint(row)
        told = self._say("models_favoured" if on else "models_not_favoured", target=row.id)
        self._aside(lambda: self._stock.favour(row.id, on=on), lambda _: self.tell(told))

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_index < len(self.rows):
            self.query_one(OptionList).highlighted = event.option_index
            if self.choosing.single:
                self.apply()
            else:
                self.action_tick(0)

    @on(events.Click, "#box-foot")
    @on(Input.Submitted, "#letters")
    def apply(self) -> None:
        row = self.row
        if row is not None or self.choosing.changed:  # nothing to point at is nothing to choose
            self.dismiss(self.choosing.chosen(row.id if row else None))

    def action_back(self) -> None:
        if self.has_class("-names"):
            self._end_naming()
        else:
            self.dismiss(None)

    def action_help(self) -> None:
        from promptlab.tui.pages import open_help_of

        open_help_of(self, self._say, self._title)

    # -- groups ----------------------------------------------------------------------------------------------------

    def _group(self) -> list[str]:
        ids = self.choosing.ticked or ([self.row.id] if self.row else [])
        return self.choosing.members(ids)

    def action_group(self) -> None:
        """Ask for a name for what is ticked."""
        if self.choosing.single or not self._group():
            return
        field = self.query_one("#name", Input)
        field.placeholder = self._say("models_name", count=len(self._group()))
        self.add_class("-names")
        field.focus()

    @on(Input.Submitted, "#name")
    def named(self, event: Input.Submitted) -> None:
        name, targets = event.value.strip().removeprefix(GROUP), self._group()
        if not name:
            return

        def kept(_: None) -> None:
            self.choosing.groups = {**self.choosing.groups, name: targets}
            self.tell(self._say("models_group_kept", name=name, count=len(targets)))
            self._end_naming()
            self.fill()

        self._aside(lambda: self._stock.keep_group(name, targets), kept)

    def _end_naming(self) -> None:
        self.remove_class("-names")
        self.query_one("#name", Input).value = ""
        self.query_one("#letters").focus()

    def action_drop(self) -> None:
        """Take the group that is pointed at out of the settings, at the second press."""
        row = self.row
        if row is None or row.choice is not None or row.id[1:] not in self.choosing.groups:
            self.tell(self._say("models_group_none"))
        elif self._dropping != row.id:
            self._dropping = row.id
            self.tell(self._say("models_group_drop", name=row.id[1:]))
        else:
            self._drop(row.id)

    def _drop(self, id: str) -> None:
        name = id[1:]

        def dropped(_: None) -> None:
            self.choosing.groups = {one: targets for one, targets in self.choosing.groups.items() if one != name}
            self.choosing.ticked = [one for one in self.choosing.ticked if one != id]
            self.tell(self._say("models_group_dropped", name=name))
            self.fill()

        self._aside(lambda: self._stock.drop_group(name), dropped)


def open_models(screen: LabScreen) -> None:
    """The list, and what was chosen in the words."""
    from promptlab.tui.wording import put_targets, targets

    try:
        ticked = targets(screen.words)
    except LabError as error:
        screen.refuse(error)
        return

    def chosen(found: list[str] | None) -> None:
        if found is not None:
            screen.words = put_targets(screen.words, found)
            screen.tell(screen.say("models_used", count=len(found)))
        screen.canvas.repaint()

    screen.app.push_screen(Models(screen.lab.models, screen.say, ticked), chosen)


def open_one(screen: LabScreen, title: str, then: Callable[[str], object]) -> None:
    """The list for one target, which `then` is called with."""

    def chosen(found: list[str] | None) -> None:
        screen.canvas.repaint()
        if found:
            then(found[0])

    screen.app.push_screen(Models(screen.lab.models, screen.say, (), title=title, single=True), chosen)
