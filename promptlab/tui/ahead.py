"""The line under the words: what will come of them, found out in a thread once the typing has stopped."""

from __future__ import annotations

import re
from collections.abc import Callable

from rich.segment import Segment
from textual.content import Content
from textual.selection import Selection
from textual.strip import Strip
from textual.widgets import Static

from promptlab.errors import LabError
from promptlab.render.sanitise import clean_line
from promptlab.tui.aside import Glance, told
from promptlab.tui.lab import Lab
from promptlab.tui.text import Say

PAUSE = 0.3  # seconds without a key, after which it is worth looking
_GLUE = "\u2800"  # between a number and its unit: Textual breaks lines at each blank, a no-break space among them
_UNIT = re.compile(r"(?<=\d) (?=tok)")


class Ahead(Static):
    """What was found of other words than those that stand there now is told no more."""

    def __init__(self, lab: Lab, say: Say, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._lab, self._say = lab, say
        self._asked: tuple[str, str] | None = None
        self._glance = Glance(self, say, PAUSE, self._sight, lambda error: self._tell(told(error, say), error=True))
        self.told = ""

    def expect(self, words: str, prompt: str) -> None:
        """These stand in the fields now. What was said of other words is no longer true, and goes."""
        if self._asked == (words, prompt):
            return
        if self._asked is not None and self._asked[0] != words:
            self._tell("", error=False)
        self._asked = words, prompt
        self._glance.expect()

    def look_again(self) -> None:
        """What it was found from may have changed; until that is known, it stands."""
        if self._asked is not None:
            self._glance.expect()

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if _GLUE not in strip.text:
            return strip
        return Strip([Segment(text.replace(_GLUE, " "), style, control) for text, style, control in strip],
                     strip.cell_length)  # fmt: skip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        found = super().get_selection(selection)
        return found and (found[0].replace(_GLUE, " "), found[1])

    def _sight(self) -> Callable[[], Callable[[], object]] | None:
        if self._asked is None:
            return None
        asked = words, prompt = self._asked

        def look() -> Callable[[], object]:
            from promptlab.tui.advice import line

            try:
                text, error = line(self._lab.advise(words, prompt), self._say), False
            except LabError as fault:
                text, error = told(fault, self._say), True
            return lambda: self._found(asked, text, error=error)

        return look

    def _found(self, asked: tuple[str, str], text: str, *, error: bool) -> None:
        if asked == self._asked:
            self._tell(text, error=error)

    def _tell(self, text: str, *, error: bool) -> None:
        line = clean_line(text)
        if line != self.told:
            self.told = line
            self.set_class(error, "-error")
            self.update(Content(_UNIT.sub(_GLUE, line)))
