"""The desk: a profile's parts as sections, each with an editor, linted as they are written; what is typed is kept. A
file that is no profile is one section, its text as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Checkbox, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from promptlab.errors import ProfileError
from promptlab.profile.section import MORE
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.foot import Foot
from promptlab.tui.picker import Item, Question
from promptlab.tui.shelf import FILE, Attached, Draft, Look, Opened, Saved, Shelf, Told, alike, shown, unshown
from promptlab.tui.sight import SHEET, SightScreen, finding_lines, preview
from promptlab.tui.text import Say

_MOST_FILES = 40  # that are listed


class Section(TextArea):
    """One part of a profile. Controls in a text that somebody shares are shown as marks; lines that are not edited stay
    what they were."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+end", "end(True)", "k_end", id="profile.end", show=False),
        Binding("ctrl+home", "end(False)", "k_home", id="profile.home", show=False),
    ]

    def __init__(self, key: str, text: str, placeholder: str) -> None:
        # A placeholder that is a text would be read as markup, and it is from a file that somebody shares.
        super().__init__(clean(text, keep=True), placeholder=Content(placeholder), compact=True,
                         highlight_cursor_line=False, show_line_numbers=key == FILE, id=f"section-{key}",
                         classes="section")  # fmt: skip
        self.cursor_blink = False  # an idle screen is painted no more
        self.key = key
        self._hold(text)

    def action_end(self, of: bool) -> None:
        self.move_cursor(self.document.end if of else (0, 0))

    @property
    def said(self) -> str:
        text = self.text
        if text == self._clean:
            return self._raw
        return unshown(self._raw, text) if self._clean != self._raw else text

    def put(self, text: str) -> None:
        """Another text, which ctrl+z takes back."""
        self._hold(text)
        self.replace(self._clean, (0, 0), self.document.end)

    def _hold(self, text: str) -> None:
        """A text, and what is shown of it."""
        self._raw, self._clean = text, clean(text, keep=True)


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
    Desk #section-file, Desk.-short #section-file { height: 1fr; min-height: 4; max-height: 100%; }
    Desk #files { height: auto; max-height: 6; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
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
        self._all = self._seen = False
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
                for key in draft.keys:
                    yield Static(id=f"label-{key}", classes="label")
                    if key == "format":
                        yield Tick(say("profile_schema"), draft.sections.schema, compact=True, id="schema")
                    above = clean(inherited[key]) if inherited.get(key) and key != MORE else ""
                    hint = say("profile_inherited", text=above) if above else say(f"section_hint_{key}")
                    yield Section(key, draft.sections.texts.get(key, ""), hint)
                    if key == "context":
                        yield Static(id="files", classes="-hidden")
            with VerticalScroll(id="side"):
                yield Static(id="shown")
        found = OptionList(id="found", markup=False, compact=True)
        found.can_focus = False
        yield found
        yield Static(id="told", classes="-empty")
        yield Foot()

    def on_mount(self) -> None:
        text = FILE if self.draft.is_whole else "goal"
        self.query_one(f"#section-{text}" if self.draft.name else "#name").focus()
        self._reveal()
        self._title()
        if self._opened.since:
            key = "profile_draft_stale" if self._opened.stale else "profile_draft_waits"
            self.tell(self.say(key, when=clean_line(self._opened.since)))
        self.look_now()

    def on_unmount(self) -> None:
        self._keep()

    def _reveal(self) -> None:
        there = self.draft.keys if self._all else shown(self.draft, self._opened.inherited)
        for key in self.draft.keys:
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
        first, self._findings = not self._seen, look.findings
        self._seen = True
        if look.lines:  # what can't be read has none: the last ones stay
            self._look = look
            self.query_one("#shown", Static).update(preview(look, self.say))
        found = self.query_one("#found", OptionList)
        found.clear_options()
        lines = finding_lines(look.findings, self.say)
        none = Option(Content.styled(self.say("lint_none"), "$text-success"), disabled=True)
        found.add_options([Option(line) for line in lines] or [none])
        counts = {key: sum(one.section == key for one in look.findings) for key in self.draft.keys}
        for key in self.draft.keys:
            said = [(self.say(f"section_{key}"), "bold"), (f"  {self.say(f'section_about_{key}')}", "")]
            sign = [(f"  ▲ {counts[key]}", "$text-warning bold")] if counts[key] else []
            self.query_one(f"#label-{key}", Static).update(Content.assemble(said[0], *sign, said[1]))
        if look.lines and not self.draft.is_whole:
            self._tell_files(look.files)
        if first and self.draft.is_whole and not self.draft.is_changed:
            self._go(0)

    def _tell_files(self, files: Sequence[Attached]) -> None:
        """The files of context, which are named in the file and read here."""
        say, shown = self.say, self.query_one("#files", Static)
        lines = [Content.styled(say("files_of_context", count=len(files)), "dim")]
        for one in files[:_MOST_FILES]:
            told = f"✗ {one.fault}" if one.fault else say("files_size", size=one.size, tokens=one.tokens)
            lines.append(Content.assemble(f"  {clean_line(one.name)}  ",
                                          (clean_line(told), "$text-error" if one.fault else "")))  # fmt: skip
        shown.update(Content("\n").join(lines))
        shown.set_class(not files, "-hidden")

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_save(self) -> None:
        if not self.draft.name:
            self.tell(self.say("profile_name_first"), error=True)
            self.action_save_as()
            return
        self._save(self._is_saved)

    def _save(self, then: Callable[[Draft, Saved], object], *, unread: bool = False) -> None:
        """One at a time: a second one would find the file changed by the first. A whole text that is no profile is
        asked about first, unless it may be `unread`."""
        if self._saves:
            return
        self._saves, draft = True, self.draft

        def save() -> Saved | ProfileError:
            try:
                return self._shelf.save(draft, unread=unread)
            except BaseException as error:
                self._saves = False
                if isinstance(error, ProfileError) and draft.is_whole and not unread:
                    return error
                raise

        def done(saved: Saved | ProfileError) -> None:
            self._saves = False
            if isinstance(saved, Saved):
                then(draft, saved)
            else:
                self._ask(saved, lambda: self._save(then, unread=True))

        self.aside(save, done)

    def _ask(self, error: ProfileError, save: Callable[[], object]) -> None:
        """Whether a text that is no profile is to be in the file all the same."""
        say = self.say

        def answered(answer: str | None) -> None:
            if answer == "save":
                save()

        answers = [Item("on", say("profile_leave_on")), Item("save", say("profile_unread_save"))]
        self.refuse(error)
        self.app.push_screen(Question(say("profile_unread", why=say.ours(error.message)), answers), answered)

    @on(Input.Submitted, "#name")
    def name_entered(self) -> None:
        self.action_save()

    def _is_saved(self, sent: Draft, saved: Saved) -> None:
        """It is in a file; what was typed meanwhile is on top of that."""
        self._own, self._saved = True, saved.draft.name
        typed = self.draft.sections.texts
        unsaved = [key for key in self.draft.keys if typed.get(key, "") != sent.sections.texts.get(key, "")]
        self.draft = replace(saved.draft, name=saved.draft.name if self.draft.name == sent.name else self.draft.name,
                             sections=self.draft.sections)  # fmt: skip
        for key in self.draft.keys:
            text = saved.draft.sections.texts.get(key, "")
            if key not in unsaved and not alike(key, text, typed.get(key, "")):
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

            lines = look.lines or [(say.ours(one.text), "") for one in look.findings]
            spans = [(f"{clean(line)}\n", "head" if style == "bold" else "same") for line, style in lines]
            if self.app.screen is self:
                self.app.push_screen(Requests(say("profile_gets"), say("profile_gets_foot"), spans))

        self.aside(lambda: self._shelf.judge(draft, words, prompt), show)

    def action_revert(self) -> None:
        """The file's own text again; ctrl+z in a section takes that back."""
        old = self.draft.old
        for area in self.query(Section):
            if not alike(area.key, area.said, old.texts.get(area.key, "")):
                area.put(old.texts.get(area.key, ""))
        for box in self.query("#schema").results(Checkbox):
            box.value = old.schema
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
            one = self._findings[number]
            for area in self.query(f"#section-{one.section}, #label-{one.section}"):
                area.remove_class("-hidden")
                area.focus()
                if isinstance(area, Section) and one.section == FILE and one.line:
                    area.move_cursor((min(one.line, area.document.line_count) - 1, 0), center=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (action == "all" and self.draft.is_whole)

    def action_all(self) -> None:
        self._all = not self._all
        self._reveal()

    def action_leave(self) -> None:
        if self.draft.is_changed:
            ways = [Item(how, self.say(f"profile_leave_{how}")) for how in ("save", "later", "discard", "on")]
            self.app.push_screen(Question(self.say("profile_leave"), ways), self._left)
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
