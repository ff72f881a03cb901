"""What takes a moment is done in a thread, aside from the keys; what comes of it, or what is wrong with it, is told on
the screen that asked for it, if that is still there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from textual.dom import NoScreen
from textual.timer import Timer
from textual.widget import Widget
from textual.worker import get_current_worker

from promptlab.errors import LabError
from promptlab.tui.text import Say

T = TypeVar("T")
Sight = Callable[[], Callable[[], Callable[[], object]] | None]


def told(error: LabError, say: Say | None = None) -> str:
    """A fault in one line: what is wrong, and what to do; in English where nobody says."""
    say = say or Say()
    return f"✗ {say.ours(error.message)}" + (f" → {say.ours(error.hint)}" if error.hint else "")


def is_here(node: Widget) -> bool:
    """Whether a screen, or the one that a widget is on, has not been left, and the app does not end. Textual's own
    `is_mounted` stays true of what was taken away again."""
    try:
        return node.is_attached and node.is_running and node.screen in node.app.screen_stack
    except NoScreen:
        return False


def aside(
    node: Widget, say: Say, do: Callable[[], T], then: Callable[[T], object], refuse: Callable[[LabError], object],
    *, newest: str = "",
) -> None:  # fmt: skip
    """Do what takes a moment in a thread, then give it to the screen, or refuse what is wrong with it. Of those that
    share the name in `newest` only the last one comes back."""

    app = node.app

    def carry_out() -> None:
        done: Callable[[], object]
        try:
            done = partial(then, do())
        except LabError as error:
            done = partial(refuse, error)
        except Exception as error:  # a bug, and the screen has to live on to say so
            done = partial(refuse, LabError(say("bug", what=f"{type(error).__name__}: {error}")))
        if not (newest and get_current_worker().is_cancelled):
            app.call_from_thread(finish, done)

    def finish(done: Callable[[], object]) -> None:
        if is_here(node):
            done()

    node.run_worker(carry_out, thread=True, group=newest or "aside", exclusive=bool(newest))


class Glance:
    """A look at what is typed once the keys have stopped for `pause` seconds, one at a time: what is typed meanwhile is
    looked at when that one has ended. `sight` gives what is to be done in the thread, which gives what is to be done on
    the screen; None where there is nothing to look at."""

    def __init__(
        self, node: Widget, say: Say, pause: float, sight: Sight, refuse: Callable[[LabError], object]
    ) -> None:  # fmt: skip
        self._node, self._say, self._pause, self._sight, self._refuse = node, say, pause, sight, refuse
        self._wait: Timer | None = None
        self._looks = self._stale = False

    @property
    def waits(self) -> bool:
        """Whether the keys have stopped only now."""
        return self._wait is not None

    def expect(self) -> None:
        """Something has changed."""
        if self._wait is not None:
            self._wait.stop()
        self._wait = self._node.set_timer(self._pause, self.begin)

    def begin(self) -> None:
        self._wait = None
        if self._looks:
            self._stale = True
        elif (look := self._sight()) is not None:
            self._looks, self._stale = True, False
            aside(self._node, self._say, look, self._seen, lambda error: self._seen(partial(self._refuse, error)))

    def _seen(self, then: Callable[[], object]) -> None:
        self._looks = False
        then()
        if self._stale:
            self.begin()
