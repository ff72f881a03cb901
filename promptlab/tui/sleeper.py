"""A pane that wraps nothing until it is looked at, so that a thousand of them cost what those on the screen do."""

from __future__ import annotations

from collections.abc import Iterator

from promptlab.events import Answer, Stamped, Started, Thinking
from promptlab.transcript import Transcript
from promptlab.tui.marked import Row
from promptlab.tui.pane import Pane, Part


class Sleeper(Pane):
    """Asleep, it folds its events and nothing else; it wakes as it is painted, or as something is found in it."""

    awake = False
    _open = False  # its thinking was being read, and is not folded away

    def take(self, stamped: Stamped) -> None:
        if self.awake:
            super().take(stamped)
        else:
            self.said.apply(stamped.at, stamped.event)
            self.version += 1
            if self.said.ending:
                self._cost = self._costing(self.cell, self.said)
        if self.said.ending:
            self.said.lighten()

    def wake(self) -> None:
        """Read all that has been said so far, as if it came now."""
        if self.awake:
            return
        self.awake, said = True, self.said
        thought, answered = said.written
        self.said = Transcript()  # times and ends are those of the real one: this one only takes the texts
        for event in (Started({}, {}, 1), Thinking(thought), Answer(answered)) if said.attempts else ():
            if not isinstance(event, Thinking | Answer) or event.text:
                super().take(Stamped(self.cell.index, 0.0, event))
        self.said, self._folded = said, not self._open
        if said.ending:
            self._end()
        self.version += 1

    def doze(self) -> None:
        """Let go of all rows; they are made again once somebody looks."""
        if self.awake:
            cost, answered = self._cost, self.said.first_answer is not None
            self._open = answered and not self._folded
            self._clear()
            self.awake, self._cost = False, cost
            self.version += 1

    def paint(self, now: float, *, focused: bool) -> list[Row]:
        self.wake()
        return super().paint(now, focused=focused)

    def find(self, letters: str) -> Iterator[tuple[Part, int, str]]:
        """Where it sleeps, it does so again afterwards: a thousand panes are not kept awake by what is in all of
        them."""
        if not self.may_have(letters):
            return
        woken = not self.awake and not self.is_ready
        if woken:
            self.wake()
        try:
            yield from super().find(letters)
        finally:
            if woken:
                self.doze()

    def reveal(self, part: str, number: int) -> None:
        self.wake()
        super().reveal(part, number)
