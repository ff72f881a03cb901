"""A screen over the lab: it tells, does things aside, and looks at what stands there when the keys have stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from promptlab.errors import LabError
from promptlab.render.sanitise import clean, clean_line
from promptlab.tui.key import keys_of, translate
from promptlab.tui.shelf import Look, Told
from promptlab.tui.text import Say

T = TypeVar("T")

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


class SightScreen(Screen[str | None]):
    """`sight` says what is to be looked at now, and `see` shows what was found; both are the screen's own."""

    PAUSE = 0.35  # seconds without a key, after which it is worth looking
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1", "help", "k_help", id="profiles.help", priority=True)]

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say
        self._wait: Timer | None = None
        self._looks = self._stale = False
        translate(self, say)

    def sight(self) -> Callable[[], Callable[[], object]] | None:
        """What takes a moment, and gives what is to be done on the screen after it; None where there is nothing."""
        raise NotImplementedError

    def expect(self) -> None:
        """Something has changed. It is looked at when the keys have stopped, one look at a time."""
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(self.PAUSE, self._begin)

    def _begin(self) -> None:
        self._wait = None
        if self._looks:
            self._stale = True
        elif (look := self.sight()) is not None:
            self._looks, self._stale = True, False
            self.run_worker(lambda: self._carry_out(look), thread=True, exit_on_error=False, group="look")

    def _carry_out(self, look: Callable[[], Callable[[], object]]) -> None:
        then = self._guarded(look)
        self.app.call_from_thread(self._seen, then)

    def _seen(self, then: Callable[[], object]) -> None:
        self._looks = False
        self._do(then)
        if self._stale and self.is_here:
            self._begin()

    @property
    def is_here(self) -> bool:
        """Whether the screen has not been left meanwhile."""
        return self in self.app.screen_stack

    def _do(self, then: Callable[[], object]) -> None:
        if self.is_here:
            then()

    def _guarded(self, do: Callable[[], Callable[[], object]]) -> Callable[[], object]:
        """What is to be done on the screen once this is done; what is wrong with it is told there."""
        try:
            return do()
        except LabError as error:
            return partial(self.refuse, error)
        except Exception as error:  # a bug must not blind the screen for ever
            return partial(self.tell, self.say("bug", what=f"{type(error).__name__}: {error}"), error=True)

    def aside(self, do: Callable[[], T], then: Callable[[T], object]) -> None:
        """Do what takes a moment in a thread; what is wrong with it is told."""

        def carry_out() -> None:
            done = self._guarded(lambda: partial(then, do()))
            self.app.call_from_thread(self._do, done)

        self.run_worker(carry_out, thread=True, exit_on_error=False, group="aside")

    def refuse(self, error: LabError) -> None:
        self.tell(f"✗ {error.message}" + (f" → {error.hint}" if error.hint else ""), error=True)

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
    """Each finding as a line: a sign, its section, what is said of it."""
    return [
        Content.assemble((f"{_SIGNS[one.level]} {say.known(f'section_{one.section}', one.section)}: ",
                          _STYLES[one.level]), clean_line(one.text))
        for one in findings
    ]  # fmt: skip


def preview(look: Look) -> Content:
    """What each target would get, as it is safe on a terminal."""
    styles = {"bold": "bold $text-accent", "dim": "dim"}
    return Content("\n").join([Content.styled(clean(line), styles.get(style, "")) for line, style in look.lines])
