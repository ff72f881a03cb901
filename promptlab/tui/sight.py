"""A screen over the lab: it tells, does things aside, and looks at what stands there when the keys have stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from promptlab.errors import LabError, Sentence
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.aside import Glance, aside, told
from promptlab.tui.key import keys_of, translate
from promptlab.tui.shelf import FILE, Look, Told
from promptlab.tui.text import Say

T = TypeVar("T")

_MOVES = ("up", "down", "page_up", "page_down", "home", "end")  # keys that are no command
_SIGNS = {"error": "✗", "warning": "▲", "note": "·"}
_STYLES = {"error": "$text-error bold", "warning": "$text-warning", "note": "$text-muted"}


SHEET = """
#shelf-title { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
#halves { height: 1fr; }
#side { width: 1fr; height: 100%; padding: 0 1; background: $surface; }
#side:focus { background: $panel; }
#told { height: auto; max-height: 3; padding: 0 1; color: $text-warning; background: $panel; }
#told.-error { color: $text-error; text-style: bold; }
#told.-empty { display: none; }
"""


class Commands(Provider):
    """What the keys of a page do, in the palette."""

    def _all(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        page = self.screen
        for binding in page._bindings.key_to_bindings.values():
            for one in binding:
                if (one.id or "").rpartition(".")[2] not in (*_MOVES, "") and page.check_action(one.action, ()):
                    yield one.description, one.tooltip, partial(page.run_action, one.action)

    async def discover(self) -> Hits:
        for name, what, do in self._all():
            yield DiscoveryHit(name, do, help=what)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, what, do in self._all():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), do, help=what)


class SightScreen(Screen[str | None]):
    """`sight` says what is to be looked at now, and `see` shows what was found; both are the screen's own."""

    PAUSE = 0.35  # seconds without a key, after which it is worth looking
    COMMANDS = {Commands}  # noqa: RUF012  an instance variable of Screen
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "help", "k_help", id="profiles.help", priority=True)]

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say
        self._glance = Glance(self, say, self.PAUSE, self.sight, self.refuse)
        translate(self, say)

    def sight(self) -> Callable[[], Callable[[], object]] | None:
        """What takes a moment, and gives what is to be done on the screen after it; None where there is nothing."""
        raise NotImplementedError

    def expect(self) -> None:
        """Something has changed. It is looked at when the keys have stopped, one look at a time."""
        self._glance.expect()

    def look_now(self) -> None:
        self._glance.begin()

    def aside(self, do: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do what takes a moment in a thread; what is wrong with it is told."""
        aside(self, self.say, do, then, self.refuse)

    def refuse(self, error: LabError) -> None:
        self.tell(told(error, self.say), error=True)

    def tell(self, text: str, *, error: bool = False) -> None:
        for notice in self.query("#told").results(Static):  # none where the screen was left meanwhile
            notice.set_class(error, "-error")
            notice.set_class(not text, "-empty")
            notice.update(Content(clean_line(text)))

    def action_help(self) -> None:
        from promptlab.tui.picker import Help

        parts = [(self.say("help_where_profiles"), keys_of(self))]
        self.app.push_screen(Help(self.say("help"), self.say("help_foot"), parts))


def finding_lines(findings: Sequence[Told], say: Say) -> list[Content]:
    """Each finding as a line: a sign, its section (of a whole file its line), what is said of it."""

    def place(one: Told) -> str:
        if one.section == FILE and one.line:
            return say("section_line", line=one.line)
        return say.known(f"section_{one.section}", one.section)

    return [Content.assemble((f"{_SIGNS[one.level]} {place(one)}: ", _STYLES[one.level]),
                             clean_line(say.ours(one.text))) for one in findings]  # fmt: skip


def preview(look: Look, say: Say) -> Content:
    """What each target would get, as it is safe on a terminal: its own words, and ours in the reader's language."""
    styles = {"bold": "bold $text-accent", "dim": "dim"}
    said = [(say.ours(line) if isinstance(line, Sentence) else line, style) for line, style in look.lines]
    return Content("\n").join([Content.styled(clean(line), styles.get(style, "")) for line, style in said])
