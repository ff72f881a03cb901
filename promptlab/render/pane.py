"""One cell as lines of text at a width: sanitised once, wrapped as it grows. Knows no screen and no colour."""

from __future__ import annotations

from typing import Literal, NamedTuple

from promptlab.events import Answer, Relabelled, Stamped, Started, Thinking
from promptlab.metrics import Cost
from promptlab.plan import Cell
from promptlab.render import facts
from promptlab.render.sanitise import Sanitiser, clean_line
from promptlab.render.wrap import WrapBuffer, width, wrap_line
from promptlab.transcript import Transcript

Kind = Literal["title", "thinking", "answer", "facts", "fault", "note", "blank"]
BAR = "┊ "  # marks thinking where there is no colour


class Line(NamedTuple):
    kind: Kind
    text: str


class Pane:
    """Takes a cell's events and has its lines ready. Only the last line of a text is wrapped again as it grows."""

    def __init__(self, cell: Cell, cells: int, *, thinking: bool = True) -> None:
        self.cell, self.said, self.shows_thinking = cell, Transcript(), thinking
        self.title = clean_line(f"{cell.index + 1} {cell.label}")
        self._cells = cells
        self._clear()

    def _clear(self) -> None:
        self._thought, self._answer = WrapBuffer(self._cells - len(BAR)), WrapBuffer(self._cells)
        self._thought_safe, self._answer_safe = Sanitiser(), Sanitiser()

    def resize(self, cells: int) -> None:
        self._cells = cells
        self._thought.resize(cells - len(BAR))
        self._answer.resize(cells)

    def take(self, stamped: Stamped) -> None:
        _, at, event = stamped
        said = self.said
        said.apply(at, event)
        if type(event) is Answer:
            if said.first_answer is not None:  # white space before the first word is no line
                first = said.first_answer == at and not self._answer.lines
                self._answer.append(self._answer_safe.feed(event.text.lstrip() if first else event.text))
        elif type(event) is Thinking:
            self._thought.append(self._thought_safe.feed(event.text))
        elif isinstance(event, Relabelled):
            self._clear()
            self._thought.append(self._thought_safe.feed(said.thinking))
        elif isinstance(event, Started):
            self._clear()
        elif said.ending:
            self._thought.append(self._thought_safe.close())
            self._answer.append(self._answer_safe.close())

    def body(self, start: int = 0) -> list[Line]:
        """Thinking, then answer, from line `start` on, without blank lines at the end of either."""
        lines = [*self._thoughts(), *self._answers()]
        return lines[start:]

    def settled(self) -> int:
        """How many lines of `body` can't change any more."""
        thoughts = len(self._thoughts())
        if self._answer.lines:
            return thoughts + min(self._answer.finished(), len(self._answers()))
        return min(self._thought.finished(), thoughts) if self.shows_thinking else 0

    def tail(self, count: int) -> list[Line]:
        """The last `count` lines of the body: cheap, whatever the length of the text."""
        answers = [Line("answer", text) for text in _stripped(self._answer.tail(count + 2))][-count:]
        room = count - len(answers)
        if room <= 0 or not self.shows_thinking:
            return answers
        between = [Line("blank", "")] if answers and self._thought.lines and room > 1 else []
        room -= len(between)
        thoughts = [Line("thinking", BAR + text) for text in _stripped(self._thought.tail(room + 2))][-room:]
        return [*thoughts, *between, *answers]

    def _thoughts(self) -> list[Line]:
        if not self.shows_thinking or not self._thought.lines:
            return []
        lines = [Line("thinking", BAR + text) for text in _stripped(self._thought.lines)]
        return [*lines, Line("blank", "")] if self._answer.lines else lines

    def _answers(self) -> list[Line]:
        return [Line("answer", text) for text in _stripped(self._answer.lines)]

    def footer(self, cost: Cost) -> list[Line]:
        """What is said under a cell that has ended: its fault, its end, its facts."""
        found = []
        if self.said.relabelled and self.shows_thinking:
            found.append(Line("note", "the opening tag of the thinking never came"))
        if self.said.fault is not None:
            found += [Line("fault", text) for text in facts.fault_lines(self.said.fault)]
        if note := facts.ending(self.said):
            found.append(Line("note", note))
        told = facts.parameter_lines(self.said, brief=True)
        found += [Line("facts" if text.startswith(("honoured:", "unknown:")) else "note", text) for text in told]
        wrapped = [Line(line.kind, part) for line in found for part in wrap_line(line.text, self._cells)]
        if judged := facts.checks(outcomes := facts.outcomes(self.cell, self.said)):
            failed = any(one.passed is False for one in outcomes)
            wrapped += [Line("note" if failed else "facts", part) for part in wrap_line(judged, self._cells)]
        counted = [Line("facts", text) for text in packed(facts.facts(self.said, cost), self._cells)]
        lines = [*wrapped, *counted]
        return [Line("blank", ""), *lines] if self.said.answer or self.said.thinking else lines

    def status(self, now: float, cost: Cost) -> str:
        """The line under a cell in the live region: as many facts as fit, none cut in the middle."""
        words = [facts.state(self.said, now), *facts.unheeded(self.said)]
        if self.said.ending:
            words += facts.facts(self.said, cost)
        return packed(words, self._cells)[0]


def packed(words: list[str], cells: int) -> list[str]:
    """Facts joined into as few lines as hold them, broken between facts and not inside one."""
    lines: list[str] = []
    for word in words:
        if lines and width(lines[-1]) + width(facts.SEPARATOR) + width(word) <= cells:
            lines[-1] += facts.SEPARATOR + word
        else:
            lines += wrap_line(word, cells)
    return lines


def _stripped(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]
