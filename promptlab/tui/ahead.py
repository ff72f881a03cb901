"""The line under the words: what will come of them, found out in a thread once the typing has stopped."""

from __future__ import annotations

from textual import on, work
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from promptlab.errors import LabError
from promptlab.render.sanitise import clean_line
from promptlab.tui.lab import Lab
from promptlab.tui.text import Say

PAUSE = 0.3  # seconds without a key, after which it is worth looking


class Ahead(Static):
    """One look at a time: what is typed meanwhile is looked at when that one has ended."""

    class Found(Message):
        """What a look at these words and this prompt has found."""

        def __init__(self, asked: tuple[str, str], text: str, *, error: bool) -> None:
            super().__init__()
            self.asked, self.text, self.error = asked, text, error

    def __init__(self, lab: Lab, say: Say, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._lab, self._say = lab, say
        self._asked: tuple[str, str] | None = None
        self._wait: Timer | None = None
        self._looks = False
        self.told = ""

    def expect(self, words: str, prompt: str) -> None:
        """These stand in the fields now. What was said of other words is no longer true, and goes."""
        if self._asked == (words, prompt):
            return
        if self._asked is not None and self._asked[0] != words:
            self._tell("", error=False)
        self._asked = words, prompt
        self._pause()

    def _pause(self) -> None:
        if self._wait is not None:
            self._wait.stop()
        self._wait = self.set_timer(PAUSE, self._begin)

    def _begin(self) -> None:
        self._wait = None
        if self._asked is not None and not self._looks:
            self._looks = True
            self.look(*self._asked)

    @work(thread=True, exit_on_error=False)
    def look(self, words: str, prompt: str) -> None:
        from promptlab.tui.advice import line

        text, error = "", True
        try:
            text, error = line(self._lab.advise(words, prompt), self._say), False
        except LabError as fault:
            text = f"✗ {fault.message}" + (f" → {fault.hint}" if fault.hint else "")
        except Exception as fault:  # a bug must not silence the line for ever
            text = self._say("bug", what=f"{type(fault).__name__}: {fault}")
        self.post_message(self.Found((words, prompt), text, error=error))

    @on(Found)
    def found(self, found: Found) -> None:
        found.stop()
        self._looks = False
        if found.asked == self._asked:
            self._tell(found.text, error=found.error)
        elif self._wait is None:  # other words came while it looked, and their pause is over
            self._begin()

    def _tell(self, text: str, *, error: bool) -> None:
        told = clean_line(text)
        if told != self.told:
            self.told = told
            self.set_class(error, "-error")
            self.update(Content(told))
