"""One cell as what stands in its pane: sanitised and wrapped as it grows, thinking folded, scrolled. Knows no Textual.

A chunk costs the same whatever came before: only the last line of a text is wrapped again, and a line is looked up,
never listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from promptlab.events import Answer, Relabelled, Stamped, Started, Thinking
from promptlab.metrics import Cost, estimate
from promptlab.plan import Cell, Run
from promptlab.render import facts
from promptlab.render.record import Costing
from promptlab.render.sanitise import Sanitiser, clean
from promptlab.render.wrap import WrapBuffer, pad, width
from promptlab.transcript import Transcript
from promptlab.tui import status
from promptlab.tui.marked import JOINT, Row, Span, joint, wrapped
from promptlab.tui.seek import Sought
from promptlab.tui.selection import rejoined, shaded
from promptlab.tui.sheet import Sheet
from promptlab.tui.text import Say
from promptlab.tui.turns import Turns, turns
from promptlab.tui.view import HEAD as HEAD
from promptlab.tui.view import View

Shows = Literal["shown", "line", "hidden"]
Fold = Literal["auto"] | Shows
Part = Literal["answer", "thinking"]
_NEXT: dict[Shows, Shows] = {"line": "shown", "shown": "hidden", "hidden": "line"}
BAR = "┊ "  # marks thinking where there is no colour
_BLANKS = 200  # blank lines at the end of a text that are looked for
OTHER = "≠ "  # what another run has filled
_STATUS = 0.25  # seconds between two looks at the clock
_WORDS = re.compile(r"\w+")
_UNMARKED = str.maketrans("", "", "*`\\")  # what may stand within a word, and is not shown


class Parts(NamedTuple):
    """How many lines there are of each: earlier turns, the thinking's head, the thinking, the gap, the answer, and what
    is said at the end."""

    before: int
    head: int
    thoughts: int
    gap: int
    answers: int
    tail: int


class Pane(View):
    """Takes a cell's events; `paint` gives its rows."""

    def __init__(self, cell: Cell, say: Say, costing: Costing, cells: int = 40, *, following: bool = True) -> None:
        super().__init__(cells, following=following)
        self.cell, self.said = cell, Transcript()
        self.fold: Fold = "auto"
        self.origin: tuple[Run, Cell] | None = None  # where it is of another run than its board
        self._say, self._costing = say, costing
        self.window: int | None = None  # tokens that its model has room for, where that is known
        self._turns: tuple[int, Turns] | None = None
        self._sought: tuple[object, tuple[Sought, Sought]] | None = None
        self._plain = False
        self._clear()
        self._rows: list[Row] = []
        self._painted: tuple[int, bool, float] | None = None

    def _clear(self) -> None:
        self._thought = WrapBuffer(self.width - len(BAR))
        self._answer = Sheet(self.width, self._say, plain=self._plain)
        self._thought_safe, self._answer_safe = Sanitiser(), Sanitiser()
        self._thought_new: list[str] = []
        self._answer_new: list[str] = []
        self._live = status.Live()
        self._cost: Cost | None = None
        self._tail: list[tuple[str, str]] = []
        self._tail_lines: list[Row] = []
        self._fields: list[status.Field] = []
        self._headline = ""
        self._folded = self._thinks = False
        self.selection = None

    # -- what arrives ----------------------------------------------------------------------------------------------

    def take(self, stamped: Stamped) -> None:
        _, at, event = stamped
        said, began = self.said, self.said.first_answer
        said.apply(at, event)
        self.version += 1
        kind = type(event)
        if kind is Answer:
            if said.first_answer is None:  # white space before the first word is no line
                return
            assert isinstance(event, Answer)
            text = event.text.lstrip() if began is None else event.text
            if began is None:
                self._folded = self.follows  # nobody's reading is folded away under their eyes
                self.selection = None if self._folded else self.selection
            self._answer.append(self._answer_safe.feed(text))
            self._answer_new.append(text)
        elif kind is Thinking:
            assert isinstance(event, Thinking)
            text = event.text if self._thinks else event.text.lstrip()
            self._thinks |= bool(text)
            self._thought.append(self._thought_safe.feed(text))
            self._thought_new.append(text)
        elif isinstance(event, Relabelled):
            self._clear()
            self._thinks = True
            self._thought.append(self._thought_safe.feed(said.thinking))
            self._thought_new.append(said.thinking)
        elif isinstance(event, Started):
            self._clear()
        elif said.ending:
            self._end()

    def _end(self) -> None:
        self._thought.append(self._thought_safe.close())
        self._answer.append(self._answer_safe.close())
        self._cost = self._costing(self.cell, self.said)
        said = self.said
        told = []
        if said.relabelled:
            told.append(("note", self._say("untagged")))
        if said.fault is not None:
            told += [("fault", text) for text in facts.fault_lines(said.fault)]
        if note := facts.ending(said):
            told.append(("note", note))
        lines = facts.parameter_lines(said, brief=True)
        told += [("note", text) for text in lines if not text.startswith(("honoured:", "unknown:"))]
        if judged := facts.checks(outcomes := facts.outcomes(self.cell, said)):
            told.append(("note" if any(one.passed is False for one in outcomes) else "facts", judged))
        self._tail = [(kind, self._say.ours(text)) for kind, text in told]
        self._wrap_tail()

    def _wrap_tail(self) -> None:
        self._tail_lines = [row for kind, text in self._tail for row in wrapped([Span(text, kind)], self.width)]

    # -- its lines -------------------------------------------------------------------------------------------------

    @property
    def shows(self) -> Shows:
        """What there is to be seen of the thinking now."""
        if self.fold != "auto":
            return self.fold
        return "line" if self._folded and self.said.first_answer is not None else "shown"

    @property
    def turns(self) -> Turns:
        """What was said before, in the width that it has now."""
        if self._turns is None or self._turns[0] != self.width:
            self._turns = self.width, turns(self.cell.request.messages, self.width, self._say)
        return self._turns[1]

    def _parts(self) -> Parts:
        said, shows = self.said, self.shows
        told = self._thinks or (said.ending and self._kept)
        head = 1 if told and shows != "hidden" else 0
        thoughts = _ended(self._thought.lines) if head and shows == "shown" else 0
        answers = len(self._answer)
        tail = len(self._tail_lines) if said.ending and self._tail else 0
        before, gap = len(self.turns.rows), 1 if head and answers else 0
        return Parts(before, head, thoughts, gap, answers, tail + 1 if tail and (head or answers) else tail)

    @property
    def _kept(self) -> bool:
        return self.said.trace in ("hidden", "withheld")

    @property
    def count(self) -> int:
        """How many lines there are below the facts."""
        return sum(self._parts())

    def _line(self, number: int, parts: Parts, now: float) -> Row:
        before, head, thoughts, gap, answers, tail = parts
        if number < before:
            return self.turns.rows[number]
        number -= before
        if number < head:
            return (Span(f"{'▾' if thoughts else '▸'} {self.headline(now)}", "thinking-head"),)
        number -= head
        if number < thoughts:
            return (Span(BAR + self._thought.lines[number], "thinking"),)
        number -= thoughts + gap
        if 0 <= number < answers:
            return self._answer[number]
        number -= answers + (tail > len(self._tail_lines))
        if 0 <= number < len(self._tail_lines):
            return self._tail_lines[number]
        return ()

    # -- how they are shown ----------------------------------------------------------------------------------------

    def place(self, cells: int, height: int) -> None:
        """Give it a size, in cells and rows, title and facts among them."""
        if (cells, height) == (self.width, self.height):
            return
        before = self.count
        if cells != self.width:
            self.width, self.selection = cells, None
            self._thought.resize(cells - len(BAR))
            self._answer.resize(cells)
            self._wrap_tail()
        self.height = height
        self.rescale(before)

    def to_turn(self) -> None:
        """To where this turn begins: a text that has ended is read from its beginning."""
        self.to_line(self.turns.last)

    def caught_up(self) -> None:
        """Thinking that was read while the answer began is folded once its reader has come to the end."""
        if self.follows and self.said.first_answer is not None and not self._folded:
            self._folded, self.selection = True, None

    def cycle(self) -> Shows:
        """Thinking on one line, shown, hidden: what is folded opens first."""
        self.show(_NEXT[self.shows])
        return self.shows

    def show(self, fold: Fold) -> None:
        self.fold, self.selection = fold, None
        self.version += 1

    def mark(self) -> bool:
        """The answer as Markdown, or as it was written; whether it is Markdown now."""
        self._plain, self.selection = not self._plain, None
        before = self.count
        self._answer.resize(self.width, plain=self._plain)
        self.rescale(before)
        return not self._answer.plain

    # -- finding ---------------------------------------------------------------------------------------------------

    def find(self, letters: str) -> Iterator[tuple[Part, int, str]]:
        """Where the letters stand, whatever their case: part, the row of it where they begin, the text there. What has
        ended is made ready for it once."""
        if self._sought is None or not self.is_ready:
            rows = (self._answer[number] for number in range(len(self._answer)))
            self._sought = self._state, (Sought(rows), Sought(self._thoughts()))
        answer, thinking = self._sought[1]
        for number, text in answer.find(letters):
            yield "answer", number, text
        for number, text in thinking.find(letters):
            yield "thinking", number, text

    @property
    def is_ready(self) -> bool:
        return self.said.ending and self._sought is not None and self._sought[0] == self._state

    @property
    def _state(self) -> tuple[object, ...]:
        """What the rows of a text that has ended depend on."""
        return self.width, self._plain, self._answer.fallen, self.said.ending

    def may_have(self, letters: str) -> bool:
        """False only where the letters are nowhere in it: by their words, in what was written with all its marks."""
        if self.is_ready:
            return True
        written = clean("\n".join(self.said.written)).translate(_UNMARKED).casefold()
        return all(word in written for word in _WORDS.findall(letters.casefold()))

    def reveal(self, part: str, number: int) -> None:
        """Scroll to a line that was found; thinking is opened for it."""
        if part == "thinking":
            self.show("shown")
        parts = self._parts()
        line = parts.before + parts.head + number + (parts.thoughts + parts.gap if part == "answer" else 0)
        self.to_line(line - self.room // 3)

    def rows_of(self, lines: range) -> list[Row]:
        """Lines, with the thinking's told where they go on; all of it is looked at for that."""
        parts = self._parts()
        head, thoughts = parts.before + parts.head, parts.thoughts
        told = thoughts and lines.start < head + thoughts and lines.stop > head
        whole = self._rejoined() if told else None
        rows = []
        for number in lines:
            if whole is not None and head <= number < head + thoughts:
                row = whole[number - head]
                rows.append((Span(BAR, "thinking"), *(row if _joined(row) else (joint("\n"), *row))))
            else:
                rows.append(self._line(number, parts, 0.0))
        return rows

    def _rejoined(self) -> list[Row] | None:
        """The thinking's rows, told where they go on; None where they are of another text."""
        written, text = self._thought.lines, self.said.written[0]
        for thought in (text.lstrip(), text):
            if found := rejoined(clean(thought), written, self.width - len(BAR), "thinking"):
                return found
        return None

    def _thoughts(self) -> list[Row]:
        return self._rejoined() or [(Span(text, "thinking"),) for text in self._thought.lines]

    # -- what is painted -------------------------------------------------------------------------------------------

    @property
    def usd(self) -> float | None:
        """US dollars, once it has ended and they are known."""
        return self._cost.usd if self._cost is not None else None

    def icon(self) -> str:
        return status.ICONS[self.said.state]

    def facts(self, now: float, cells: int) -> str:
        if self.said.ending and self._fields:
            return status.fitted(self._fields, cells)
        self._count()
        cost = self._cost or Cost(None, "not answered")
        fields = status.line(self.said, self._live, now, cost, self._say)
        goes_on = self.turns.last > 0
        if self.said.ending and (goes_on or self.window):
            fields.append(status.Field(2 if goes_on else 9, status.context(self.said, self.window, self._say)))
        if self.said.ending:
            self._fields = fields  # its counts read the whole text: once
        return status.fitted(fields, cells)

    def headline(self, now: float) -> str:
        if self.said.ending and self._headline:
            return self._headline
        self._count()
        text = status.headline(self.said, self._live, now, self._say)
        if self.said.ending:
            self._headline = text
        return text

    def _count(self) -> None:
        """Count what came since the last look: by the text as it is joined, not by the chunk."""
        if not self._thought_new and not self._answer_new:
            return
        thought, answered = self._live
        if self._thought_new:
            thought += estimate("".join(self._thought_new))
        if self._answer_new:
            answered += estimate("".join(self._answer_new))
        self._live = status.Live(thought, answered)
        self._thought_new.clear()
        self._answer_new.clear()

    def paint(self, now: float, *, focused: bool) -> list[Row]:
        """All rows, each exactly `width` cells wide; the same list again where nothing has changed."""
        still = self.said.ending or self.said.state == "queued"
        if self._painted is not None:
            version, was, at = self._painted
            if version == self.version and was == focused and (still or abs(now - at) < _STATUS):
                return self._rows
        self._painted, fallen = (self.version, focused, now), self._answer.fallen
        parts = self._parts()
        count = sum(parts)
        self.settle(count)
        rows = [self._title(focused), self._facts(now, count)]
        chosen = self.selection
        for number in range(self.top, self.top + self.room):
            row = _filled(self._line(number, parts, now) if number < count else (), self.width)
            rows.append(row if chosen is None else shaded(row, *chosen.cells(number, self.width)))
        self._rows = rows[: self.height]
        if self._answer.fallen != fallen:  # its rows are others than those that were counted
            self._painted = None
            return self.paint(now, focused=focused)
        return self._rows

    def _title(self, focused: bool) -> Row:
        mark = "▶" if focused else " "
        head = f"{mark}{self.icon()} {self.cell.index + 1} {OTHER if self.origin is not None else ''}"
        text = head + status.title(self.cell, max(2, self.width - width(head) - 1))
        return (Span(pad(text, self.width), "title-focus" if focused else "title"),)

    def _facts(self, now: float, count: int) -> Row:
        below = count - self.top - self.room
        more = " " + self._say("more_below", count=below) if below > 0 else ""
        room = self.width - width(more) - 1
        style = {"failed": "fault", "incomplete": "note", "cancelled": "note"}.get(self.said.state, "facts")
        return Span(pad(" " + self.facts(now, room), self.width - width(more)), style), Span(more, "facts")


def _filled(row: Row, cells: int) -> Row:
    """A row at exactly so many cells."""
    if len(row) == 1:
        return (Span(pad(row[0].text, cells), row[0].style),)
    left = cells - sum(width(span.text) for span in row)
    return (*row, Span(" " * left, "answer")) if left > 0 else row


def _joined(row: Row) -> bool:
    return not row[0].text and row[0].style.startswith(JOINT)


def _ended(lines: list[str]) -> int:
    """How many lines there are without the blank ones at the end."""
    end = len(lines)
    least = max(0, end - _BLANKS)
    while end > least and not lines[end - 1].strip():
        end -= 1
    return end
