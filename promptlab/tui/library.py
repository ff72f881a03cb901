"""The library of profiles: a list to search, and beside it what each target would get of the one that is marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from promptlab.errors import LabError
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad
from promptlab.tui.foot import Foot
from promptlab.tui.key import translate
from promptlab.tui.shelf import Card, Look, Shelf, pick
from promptlab.tui.sight import SHEET, SightScreen, finding_lines, preview
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.screen import LabScreen
    from promptlab.tui.shelf import Opened

_NAME = 22  # cells


def open_library(screen: LabScreen) -> None:
    """Look through the profiles; the one that is chosen is put into the words, and the rest of them stays."""
    from promptlab.tui.wording import profile, put_profile

    shelf, say = screen.lab.shelf, screen.say
    try:
        marked = profile(screen.words) or ""
    except LabError as error:
        screen.refuse(error)
        return

    def chosen(name: str | None) -> None:
        if name is not None:
            screen.words = put_profile(screen.words, name)
            screen.tell(say("profile_used", name=clean_line(name)))
            screen.aside("profile", lambda: shelf.open(name).draft.old.texts.get("prompt", ""), spare)
        screen.canvas.repaint()

    def spare(prompt: str) -> None:
        if prompt and prompt.strip() == screen.editor.text.strip():  # it would be sent twice
            screen.editor.clear()
            screen.tell(say("profile_has_prompt"))

    library = Library(shelf, say, screen.words, screen.editor.text, marked)
    screen.app.push_screen(library, chosen)


class Letters(Input):
    """What is looked for. Its cursor stays here: input methods show their candidates there."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "screen.use", "k_profile_use", id="profiles.use")]

    def __init__(self, placeholder: str, say: Say) -> None:
        super().__init__(placeholder=placeholder, compact=True, id="letters")
        self.cursor_blink = False  # an idle screen is painted no more
        translate(self, say)


class Library(SightScreen):
    """Gives the name of the profile that is to be used, or None."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012  an instance variable of Screen
    PAUSE = 0.15
    CSS = f"""{SHEET}
    Library #letters {{ margin: 0; }}
    Library.-narrow #halves {{ layout: vertical; }}
    Library #cards {{ width: 45%; height: 100%; border: none; background: $background; text-wrap: nowrap;
                     text-overflow: ellipsis; }}
    Library.-narrow #cards {{ width: 100%; height: 40%; }}
    Library.-narrow #side {{ height: 1fr; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "k_profile_back", id="profiles.back"),
        Binding("f2", "edit", "k_profile_edit", id="profiles.edit"),
        Binding("ctrl+n", "new", "k_profile_new", id="profiles.new"),
        Binding("down", "move('down')", "k_down", id="profiles.down", show=False),
        Binding("up", "move('up')", "k_up", id="profiles.up", show=False),
        Binding("pagedown", "move('page_down')", "k_page_down", id="profiles.page_down", show=False),
        Binding("pageup", "move('page_up')", "k_page_up", id="profiles.page_up", show=False),
    ]

    def __init__(self, shelf: Shelf, say: Say, words: str, prompt: str, marked: str = "") -> None:
        super().__init__(say)
        self._shelf, self._words, self._prompt, self._marked = shelf, words, prompt, marked
        self._cards: Sequence[Card] = ()
        self._listed: list[Card] = []

    def compose(self) -> ComposeResult:
        yield Static(Content(self.say("profiles")), id="shelf-title")
        yield Letters(self.say("profiles_filter"), self.say)
        with Horizontal(id="halves"):
            cards = OptionList(id="cards", markup=False, compact=True)
            cards.can_focus = False
            yield cards
            with VerticalScroll(id="side"):
                yield Static(id="shown")
        yield Static(id="told", classes="-empty")
        yield Foot()

    def on_mount(self) -> None:
        self.query_one("#letters").focus()
        self.fill()

    def fill(self) -> None:
        """Read the shelf, anew where a profile has been kept."""
        self.aside(self._shelf.cards, self._show)

    def _show(self, cards: Sequence[Card]) -> None:
        self._cards = cards
        self._list(self._marked)

    @on(Input.Changed, "#letters")
    def changed(self) -> None:
        self._list(self.marked.name if self.marked else "")

    def _list(self, name: str) -> None:
        letters = self.query_one("#letters", Input).value
        origins = (self.say("profile_origin_own"), self.say("profile_origin_shipped"))
        self._listed = pick(self._cards, letters, origins)
        cards = self.query_one("#cards", OptionList)
        cards.clear_options()
        cards.add_options([Option(self._line(card)) for card in self._listed])
        names = [card.name for card in self._listed]
        if names:
            cards.highlighted = names.index(name) if name in names and not letters.strip() else 0
        else:
            cards.add_option(Option(Content(self.say("profiles_none")), disabled=True))
            self.query_one("#shown", Static).update(Content(""))
        own = sum(card.own for card in self._cards)
        title = self.say("profiles_count", count=len(self._listed), of=len(self._cards), own=own)
        self.query_one("#shelf-title", Static).update(Content(title))

    def _line(self, card: Card) -> Content:
        sign = "✗" if card.fault else "✎" if card.waits else "●" if card.own else " "
        name = pad(fit(clean_line(card.name), _NAME), _NAME)
        language = pad(fit(clean_line(card.language), 2), 2)
        return Content.assemble((f"{sign} ", "$text-warning"), (name, "bold"), " ", (language, "dim"), " ",
                                clean_line(card.fault or card.description))  # fmt: skip

    @property
    def marked(self) -> Card | None:
        at = self.query_one("#cards", OptionList).highlighted
        return self._listed[at] if at is not None and at < len(self._listed) else None

    # -- beside the list -----------------------------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted, "#cards")
    def highlighted(self) -> None:
        card = self.marked
        if card is not None:
            self.query_one("#shown", Static).update(self._head(card))
            self.query_one("#side").scroll_home(animate=False)
            self.expect()

    def sight(self) -> Callable[[], Callable[[], object]] | None:
        card = self.marked
        if card is None or card.fault:
            return None
        shelf, words, prompt = self._shelf, self._words, self._prompt

        def look() -> Callable[[], object]:
            found = shelf.look(card.name, words, prompt)
            return lambda: self.see(card, found)

        return look

    def see(self, card: Card, look: Look) -> None:
        if card == self.marked:
            lint = finding_lines(look.findings, self.say) or [Content.styled(self.say("lint_none"), "$text-success")]
            parts = [self._head(card), *lint, Content(""), preview(look)]
            self.query_one("#shown", Static).update(Content("\n").join(parts))

    def _head(self, card: Card) -> Content:
        say = self.say
        origin = say("profile_origin_own" if card.own else "profile_origin_shipped")
        lines = [Content.assemble((clean_line(card.name), "bold $text-accent"), f"  {origin}  ",
                                  (" ".join(map(clean_line, [card.language, *card.tags])), "dim"))]  # fmt: skip
        lines += [Content(clean_line(text)) for text in (card.description,) if text]
        lines.append(Content.styled(clean_line(card.file), "dim"))
        if card.waits:
            lines.append(Content.styled(say("profile_waits"), "$text-warning"))
        if card.fault:
            lines.append(Content.styled(f"✗ {clean_line(card.fault)}", "$text-error bold"))
            lines.append(Content(say("profile_broken_hint", name=clean_line(card.name))))
        return Content("\n").join([*lines, Content("")])

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_move(self, way: str) -> None:
        cards = self.query_one("#cards", OptionList)
        if self._listed:
            getattr(cards, f"action_cursor_{way}" if way in ("down", "up") else f"action_{way}")()

    def action_use(self) -> None:
        card = self.marked
        if card is not None and card.fault:
            self.tell(f"✗ {card.fault}", error=True)
        elif card is not None:
            self.dismiss(card.name)

    @on(OptionList.OptionSelected, "#cards")
    def clicked(self) -> None:
        self.query_one("#letters").focus()

    def action_edit(self) -> None:
        card = self.marked
        if card is not None:
            self.aside(lambda: self._shelf.open(card.name), self._edit)

    def action_new(self) -> None:
        self.aside(lambda: self._shelf.open("", self._prompt), self._edit)

    def _edit(self, opened: Opened) -> None:
        from promptlab.tui.desk import Desk

        def left(name: str | None) -> None:
            self._marked = name or (self.marked.name if self.marked else "")
            if name is not None:
                self.query_one("#letters", Input).value = ""
            self.fill()

        self.app.push_screen(Desk(self._shelf, self.say, opened, self._words, self._prompt), left)
