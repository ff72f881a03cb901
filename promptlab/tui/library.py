"""The library of profiles: a list to search, and beside it what each target would get of the one that is marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
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
from promptlab.tui.aside import aside
from promptlab.tui.foot import Foot
from promptlab.tui.key import translate
from promptlab.tui.picker import Item, Line, Question
from promptlab.tui.shelf import Card, Look, Shelf, pick
from promptlab.tui.sight import SHEET, SightScreen, finding_lines, preview
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.screen import LabScreen
    from promptlab.tui.shelf import Opened, Renamed

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

    def renamed(name: str, new: str | None) -> None:
        with suppress(LabError):  # words that can't be read name none
            if profile(screen.words) == name:
                screen.words = put_profile(screen.words, new)

    library = Library(shelf, say, screen.words, screen.editor.text, marked, renamed)
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

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-fair"), (100, "-wide")]  # noqa: RUF012  an instance variable
    PAUSE = 0.15
    CSS = f"""{SHEET}
    Library #letters {{ margin: 0; }}
    Library.-narrow #halves {{ layout: vertical; }}
    Library #cards {{ width: 45%; height: 100%; border: none; background: $background; text-wrap: nowrap;
                     text-overflow: ellipsis; }}
    Library.-fair #cards {{ width: {_NAME + 9}; }}
    Library.-narrow #cards {{ width: 100%; height: 1fr; }}
    Library.-narrow #side {{ width: 100%; height: 35%; }}
    Library.-narrow #side:focus {{ height: 75%; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "k_profile_back", id="profiles.back"),
        Binding("f2", "edit", "k_profile_edit", id="profiles.edit"),
        Binding("ctrl+n", "new", "k_profile_new", id="profiles.new"),
        Binding("f6", "rename", "k_profile_rename", id="profiles.rename"),
        Binding("f8", "remove", "k_profile_remove", id="profiles.remove"),
        Binding("down", "move('down')", "k_down", id="profiles.down", show=False),
        Binding("up", "move('up')", "k_up", id="profiles.up", show=False),
        Binding("pagedown", "move('page_down')", "k_page_down", id="profiles.page_down", show=False),
        Binding("pageup", "move('page_up')", "k_page_up", id="profiles.page_up", show=False),
    ]

    def __init__(
        self, shelf: Shelf, say: Say, words: str, prompt: str, marked: str = "",
        renamed: Callable[[str, str | None], object] = lambda name, new: None,
    ) -> None:  # fmt: skip
        """`renamed` is called with a profile's name and its new one: None where nothing has that name any more."""
        super().__init__(say)
        self._renamed = renamed
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
        told = "" if self.has_class("-fair") else clean_line(card.fault or card.description)  # it stands beside
        return Content.assemble((f"{sign} ", "$text-warning"), (name, "bold"), " ", (language, "dim"), " ", told)

    def on_resize(self) -> None:
        self.call_after_refresh(self._list_again)

    def _list_again(self) -> None:
        """What a line tells is another, where what stands beside the list does."""
        cards = self.query_one("#cards", OptionList)
        for at, card in enumerate(self._listed):
            cards.replace_option_prompt_at_index(at, self._line(card))

    @property
    def marked(self) -> Card | None:
        at = self.query_one("#cards", OptionList).highlighted
        return self._listed[at] if at is not None and at < len(self._listed) else None

    # -- beside the list -----------------------------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted, "#cards")
    def highlighted(self) -> None:
        card = self.marked
        if card is not None:
            head = [*self._head(card), Content.styled(clean_line(card.file), "dim")]
            self.query_one("#shown", Static).update(Content("\n").join(head))
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
            file = Content.styled(clean_line(card.file), "dim")
            parts = [*self._head(card), *lint, file, Content(""), preview(look, self.say)]
            self.query_one("#shown", Static).update(Content("\n").join(parts))

    def _head(self, card: Card) -> list[Content]:
        say = self.say
        origin = say("profile_origin_own" if card.own else "profile_origin_shipped")
        lines = [Content.assemble((clean_line(card.name), "bold $text-accent"), f"  {origin}  ",
                                  (" ".join(map(clean_line, [card.language, *card.tags])), "dim"))]  # fmt: skip
        lines += [Content(clean_line(text)) for text in (card.description,) if text]
        if card.waits:
            lines.append(Content.styled(say("profile_waits"), "$text-warning"))
        if card.fault:
            lines.append(Content.styled(f"✗ {clean_line(card.fault)}", "$text-error bold"))
            lines.append(Content(say("profile_broken_hint")))
        return lines

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

        if self.app.screen is self:
            self.app.push_screen(Desk(self._shelf, self.say, opened, self._words, self._prompt), left)

    def _own(self) -> Card | None:
        """The marked profile, where it is the user's; of a shipped one it is told that it stays."""
        card = self.marked
        if card is not None and not card.own:
            self.tell(self.say("profile_shipped_stays", name=clean_line(card.name)), error=True)
            return None
        return card

    def action_rename(self) -> None:
        card, say = self._own(), self.say
        if card is None:
            return

        def named(new: str | None) -> None:
            if new and new.strip() not in ("", card.name):
                aside(self, say, lambda: self._shelf.rename(card.name, card.file, new.strip()), done, self._refused)

        def done(found: Renamed) -> None:
            self._renamed(card.name, found.name)
            self._marked = found.name
            self.query_one("#letters", Input).value = ""
            told = [say("profile_renamed", name=card.name, new=found.name)]
            if found.users:
                told.append(say("profile_users", users=say("comma").join(found.users), name=card.name))
            if found.apart:
                told.append(say("profile_apart", name=found.name, file=found.apart))
            self.tell(say("comma").join(told))
            self.fill()

        self.app.push_screen(Line(say("profile_rename_to", name=clean_line(card.name)), card.name, say("line_keys")),
                             named)  # fmt: skip

    def action_remove(self) -> None:
        card = self._own()
        if card is not None:
            self.aside(lambda: self._shelf.users(card.name), lambda users: self._ask(card, users))

    def _refused(self, error: LabError) -> None:
        """What was asked about is not as it is listed: it is listed anew."""
        self.refuse(error)
        self.fill()

    def _ask(self, card: Card, users: Sequence[str]) -> None:
        if self.app.screen is not self:  # one question at a time
            return
        say, at = self.say, self._listed.index(card) if card in self._listed else 0
        asked = [say("profile_remove", name=clean_line(card.name), file=clean_line(card.file))]
        asked += [say("profile_remove_users", users=clean_line(say("comma").join(users)))] if users else []
        asked += [say("profile_remove_waits")] if card.waits else []
        left = [one for one in self._listed if one != card]

        def answered(answer: str | None) -> None:
            if answer == "yes":
                aside(self, say, lambda: self._shelf.remove(card.name, card.file), removed, self._refused)

        def removed(behind: str) -> None:
            if not behind:
                self._renamed(card.name, None)
            self._marked = card.name if behind or not left else left[min(at, len(left) - 1)].name
            if not left:
                self.query_one("#letters", Input).value = ""
            key = "profile_removed_behind" if behind else "profile_removed"
            self.tell(say(key, name=card.name, file=behind))
            self.fill()

        answers = [Item(how, say(f"profile_remove_{how}")) for how in ("no", "yes")]
        self.app.push_screen(Question("\n".join(asked), answers), answered)
