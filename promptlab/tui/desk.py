"""The desk: a profile's parts as sections, each with an editor, linted as they are written; what is typed is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Checkbox, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from promptlab.profile.section import MORE, ORDER, same
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.foot import Foot
from promptlab.tui.shelf import Draft, Look, Opened, Saved, Shelf, Told, shown
from promptlab.tui.sight import SHEET, SightScreen, finding_lines, preview
from promptlab.tui.text import Say


class Section(TextArea):
    """One part of a profile. Controls in a text that somebody shares are shown as marks; unless it is edited, the text
    stays what it was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+end", "end(True)", "k_end", id="profile.end", show=False),
        Binding("ctrl+home", "end(False)", "k_home", id="profile.home", show=False),
    ]

    def __init__(self, key: str, text: str, placeholder: str) -> None:
        # A placeholder that is a text would be read as markup, and it is from a file that somebody shares.
        super().__init__(clean(text, keep=True), placeholder=Content(placeholder), compact=True,
                         highlight_cursor_line=False, id=f"section-{key}", classes="section")  # fmt: skip
        self.cursor_blink = False  # an idle screen is painted no more
        self.key, self._raw = key, text

    def action_end(self, of: bool) -> None:
        self.move_cursor(self.document.end if of else (0, 0))

    @property
    def said(self) -> str:
        return self._raw if self.text == clean(self._raw, keep=True) else self.text

    def put(self, text: str) -> None:
        """Another text, which ctrl+z takes back."""
        self._raw = text
        self.replace(clean(text, keep=True), (0, 0), self.document.end)


class Tick(Checkbox):
    """A box whose state can be read without colours."""

    BUTTON_INNER = " "

    def watch_value(self) -> None:
        self.BUTTON_INNER = "x" if self.value else " "
        super().watch_value()


class Desk(SightScreen):
    """Gives the name under which the profile was saved last, or None."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012  an instance variable of Screen
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012
    CSS = (
        SHEET
        + """
    Desk #sections { width: 1fr; height: 100%; padding: 0 1; }
    Desk.-narrow #side { display: none; }
    Desk .label { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    Desk .-hidden { display: none; }
    Desk .section { height: auto; min-height: 2; max-height: 14; padding: 0 1; border: none; background: $surface; }
    Desk .section:focus { border: none; background: $panel; }
    Desk #section-description { min-height: 1; max-height: 3; }
    Desk.-short .section { max-height: 5; }
    Desk #name { height: 1; padding: 0 1; border: none; background: $surface; }
    Desk #name:focus { background: $panel; }
    Desk #schema { height: 1; padding: 0; border: none; background: $background; color: $text-muted; }
    Desk #found { height: auto; max-height: 5; border: none; background: $panel; padding: 0 1; text-wrap: nowrap;
                  text-overflow: ellipsis; }
    Desk.-short #found { max-height: 2; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "k_profile_back", id="profile.back"),
        Binding("ctrl+s", "save", "k_profile_save", id="profile.save"),
        Binding("f2", "save_as", "k_profile_save_as", id="profile.save_as"),
        Binding("f4", "preview", "k_preview", id="profile.preview"),
        Binding("f5", "revert", "k_profile_revert", id="profile.revert", show=False),
        Binding("f8", "finding", "k_profile_finding", id="profile.finding"),
        Binding("f9", "all", "k_profile_all_sections", id="profile.all"),
    ]

    def __init__(self, shelf: Shelf, say: Say, opened: Opened, words: str, prompt: str) -> None:
        super().__init__(say)
        self._shelf, self._opened, self._words, self._prompt = shelf, opened, words, prompt
        self.draft = opened.draft
        self._own, self._saved = opened.own, ""
        self._look = Look()
        self._findings: Sequence[Told] = ()
        self._all = False
        self._lock = threading.Lock()
        self._waits = bool(opened.since)  # a text is kept in the cache
        self._settled = False  # nothing more is to be kept
        self._saves = False

    def compose(self) -> ComposeResult:
        say, draft, inherited = self.say, self.draft, self._opened.inherited
        yield Static(id="shelf-title")
        with Horizontal(id="halves"):
            with VerticalScroll(id="sections", can_focus=False):
                yield Static(Content.styled(say("profile_name_label"), "bold"), classes="label")
                name = Input(
                    clean_line(draft.name), say("profile_name_hint"), compact=True, select_on_focus=False, id="name"
                )
                name.cursor_blink = False
                yield name
                for key in ORDER:
                    yield Static(id=f"label-{key}", classes="label")
                    if key == "format":
                        yield Tick(say("profile_schema"), draft.sections.schema, compact=True, id="schema")
                    above = clean(inherited[key]) if inherited.get(key) and key != MORE else ""
                    hint = say("profile_inherited", text=above) if above else say(f"section_hint_{key}")
                    yield Section(key, draft.sections.texts.get(key, ""), hint)
            with VerticalScroll(id="side"):
                yield Static(id="shown")
        found = OptionList(id="found", markup=False, compact=True)
        found.can_focus = False
        yield found
        yield Static(id="told", classes="-empty")
        yield Foot()

    def on_mount(self) -> None:
        first = self.query_one("#name") if not self.draft.name else self.query_one("#section-goal")
        first.focus()
        self._reveal()
        self._title()
        if self._opened.since:
            key = "profile_draft_stale" if self._opened.stale else "profile_draft_waits"
            self.tell(self.say(key, when=clean_line(self._opened.since)))
        self.look_now()

    def on_unmount(self) -> None:
        self._keep()

    def _reveal(self) -> None:
        there = ORDER if self._all else shown(self.draft, self._opened.inherited)
        for key in ORDER:
            for one in self.query(f"#label-{key}, #section-{key}"):
                one.set_class(key not in there, "-hidden")

    def _title(self) -> None:
        draft, say = self.draft, self.say
        origin = say("desk_new") if not draft.origin else say("desk_own" if self._own else "desk_shipped")
        state = say("desk_changed") if draft.is_changed else say("desk_saved") if draft.origin else ""
        title = Content.assemble((clean_line(draft.origin or say("desk_nameless")), "bold"), f"  {origin}  ", state)
        self.query_one("#shelf-title", Static).update(title)

    # -- what is typed -------------------------------------------------------------------------------------------------

    @on(TextArea.Changed)
    def typed(self, event: TextArea.Changed) -> None:
        if isinstance(event.text_area, Section):
            self.draft = self.draft.put(event.text_area.key, event.text_area.said)
            self._changed()

    @on(Input.Changed, "#name")
    def named(self, event: Input.Changed) -> None:
        self.draft = replace(self.draft, name=event.value.strip())
        self._changed()

    @on(Checkbox.Changed, "#schema")
    def formed(self, event: Checkbox.Changed) -> None:
        self.draft = replace(self.draft, sections=replace(self.draft.sections, schema=event.value))
        self._changed()

    def _changed(self) -> None:
        self._title()
        self.expect()

    def _keep(self) -> None:
        """Keep what is not saved; a thread and the end of the screen may both do so, the last text wins."""
        with self._lock:
            draft = self.draft
            if self._settled:
                return
            if draft.is_changed:
                self._shelf.keep(draft)
            elif self._waits:
                self._shelf.forget(draft)
            self._waits = draft.is_changed

    def sight(self) -> Callable[[], Callable[[], object]] | None:
        draft, words, prompt = self.draft, self._words, self._prompt

        def look() -> Callable[[], object]:
            self._keep()
            found = self._shelf.judge(draft, words, prompt)
            return lambda: self.see(found)

        return look

    def see(self, look: Look) -> None:
        self._findings = look.findings
        if look.lines:  # what can't be read has none: the last ones stay
            self._look = look
            self.query_one("#shown", Static).update(preview(look))
        found = self.query_one("#found", OptionList)
        found.clear_options()
        lines = finding_lines(look.findings, self.say)
        none = Option(Content.styled(self.say("lint_none"), "$text-success"), disabled=True)
        found.add_options([Option(line) for line in lines] or [none])
        counts = {key: sum(one.section == key for one in look.findings) for key in ORDER}
        for key in ORDER:
            said = [(self.say(f"section_{key}"), "bold"), (f"  {self.say(f'section_about_{key}')}", "")]
            sign = [(f"  ▲ {counts[key]}", "$text-warning bold")] if counts[key] else []
            self.query_one(f"#label-{key}", Static).update(Content.assemble(said[0], *sign, said[1]))

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        if not self.draft.name:
            self.tell(self.say("profile_name_first"), error=True)
            self.action_save_as()
            return
        self._save(self._is_saved)

    def _save(self, then: Callable[[Draft, Saved], object]) -> None:
        """One at a time: a second one would find the file changed by the first."""
        if self._saves:
            return
        self._saves, draft = True, self.draft

        def save() -> Saved:
            try:
                return self._shelf.save(draft)
            except BaseException:
                self._saves = False
                raise

        def done(saved: Saved) -> None:
            self._saves = False
            then(draft, saved)

        self.aside(save, done)

    @on(Input.Submitted, "#name")
    def name_entered(self) -> None:
        self.action_save()

    def _is_saved(self, sent: Draft, saved: Saved) -> None:
        """It is in a file; what was typed meanwhile is on top of that."""
        self._own, self._saved = True, saved.draft.name
        typed = self.draft.sections.texts
        unsaved = [key for key in ORDER if typed.get(key, "") != sent.sections.texts.get(key, "")]
        self.draft = replace(saved.draft, name=saved.draft.name if self.draft.name == sent.name else self.draft.name,
                             sections=self.draft.sections)  # fmt: skip
        for key in ORDER:
            text = saved.draft.sections.texts.get(key, "")
            if key not in unsaved and not same(key, text, typed.get(key, "")):
                self.query_one(f"#section-{key}", Section).put(text)
        hides = self.say("profile_hides_shipped") if saved.hides else ""
        self.tell(self.say("profile_kept_as", file=saved.file, name=saved.draft.name) + hides)
        self._changed()

    def action_save_as(self) -> None:
        name = self.query_one("#name", Input)
        name.focus()
        name.select_all()

    def action_preview(self) -> None:
        draft, words, prompt, say = self.draft, self._words, self._prompt, self.say

        def show(look: Look) -> None:
            from promptlab.tui.picker import Requests

            lines = look.lines or [(one.text, "") for one in look.findings]
            spans = [(f"{clean(line)}\n", "head" if style == "bold" else "same") for line, style in lines]
            if self.app.screen is self:
                self.app.push_screen(Requests(say("profile_gets"), say("profile_gets_foot"), spans))

        self.aside(lambda: self._shelf.judge(draft, words, prompt), show)

    def action_revert(self) -> None:
        """The file's own text again; ctrl+z in a section takes that back."""
        old = self.draft.old
        for area in self.query(Section):
            if not same(area.key, area.said, old.texts.get(area.key, "")):
                area.put(old.texts.get(area.key, ""))
        self.query_one("#schema", Checkbox).value = old.schema
        self.query_one("#name", Input).value = clean_line(self.draft.origin)
        self.tell(self.say("profile_reverted"))

    def action_finding(self) -> None:
        found = self.query_one("#found", OptionList)
        if self._findings:
            at = -1 if found.highlighted is None else found.highlighted
            found.highlighted = (at + 1) % len(self._findings)
            self._go(found.highlighted)

    @on(OptionList.OptionSelected, "#found")
    def clicked(self, event: OptionList.OptionSelected) -> None:
        self._go(event.option_index)

    def _go(self, number: int) -> None:
        """To the section that a finding is about."""
        if number < len(self._findings):
            for area in self.query(
                f"#section-{self._findings[number].section}, #label-{self._findings[number].section}"
            ):
                area.remove_class("-hidden")
                area.focus()

    def action_all(self) -> None:
        self._all = not self._all
        self._reveal()

    def action_leave(self) -> None:
        if self.draft.is_changed:
            self.app.push_screen(Leave(self.say), self._left)
        else:
            self._end()

    def _left(self, how: str | None) -> None:
        match how:
            case "save":
                self.action_save_and_leave()
            case "later":
                self._end()
            case "discard":
                self._end(discard=True)

    def action_save_and_leave(self) -> None:
        if not self.draft.name:
            self.action_save()
            return

        def leave(sent: Draft, saved: Saved) -> None:
            self._is_saved(sent, saved)
            self._end()

        self._save(leave)

    def _end(self, *, discard: bool = False) -> None:
        if discard:
            with self._lock:
                self._settled = True
                self._shelf.forget(self.draft)
        else:
            self._keep()
        self.dismiss(self._saved or None)


class Leave(ModalScreen[str | None]):
    """What becomes of a text that is not saved: save, later, discard; None goes on writing."""

    CSS = """
    Leave { align: center middle; }
    Leave #ask { width: 64; max-width: 96%; height: auto; background: $surface; border: round $primary; padding: 0 1; }
    Leave OptionList { height: auto; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "k_back", show=False)]

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def compose(self) -> ComposeResult:
        with Vertical(id="ask"):
            yield Static(Content.styled(self._say("profile_leave"), "bold"))
            ways = [Option(self._say(f"profile_leave_{how}"), id=how) for how in ("save", "later", "discard", "on")]
            yield OptionList(*ways, markup=False, compact=True)

    @on(OptionList.OptionSelected)
    def selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(None if event.option_id == "on" else event.option_id)
