"""The answers of one match side by side, names and numbers hidden until the vote. Knows no Textual.

It is what the canvas shows: it has the calls of a board that a canvas makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from promptlab.plan import Cell
from promptlab.render.facts import CUT
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, pad, width, wrap_line
from promptlab.tui import grid
from promptlab.tui.contest import SoFar
from promptlab.tui.grid import Rect
from promptlab.tui.marked import Row, Span
from promptlab.tui.pane import Pane, Parts
from promptlab.tui.status import Field, fitted
from promptlab.tui.text import Say
from promptlab.tui.text.blind import EN, ZH

BAR = 1  # rows of the bar, above the prompt
_PROMPT = 3  # rows of the prompt, until it is opened
_SHARE = 0.5  # of the screen, that an opened prompt may take


class BlindSay(Say):
    """The texts of the lab, and those of the blind comparison."""

    def __init__(self, language: str = "en") -> None:
        super().__init__(language)
        self._table = self._table | EN | (ZH if self.language == "zh" else {})


class BlindPane(Pane):
    """A pane that tells nothing of its cell but the answer until `told` gives it a name. `held` keeps even that."""

    def __init__(self, cell: Cell, say: Say, costing: Costing) -> None:
        super().__init__(cell, say, costing, following=False)
        self.name: str | None = None
        self.seat, self.held, self.best = "", False, False
        self.show("hidden")

    def told(self, name: str | None, *, best: bool = False) -> None:
        """Reveal it under a name, or hide it again (None)."""
        if (name, best) == (self.name, self.best):
            return
        self.name, self.best = name, best
        self.show("hidden" if name is None else "line")

    def seated(self, seat: str, *, held: bool) -> None:
        """Where it stands, in words, and whether it waits for the others."""
        if (seat, held) != (self.seat, self.held):
            self.seat, self.held = seat, held
            self.version += 1

    def to_start(self) -> None:
        """Answers are read from their beginning, while they grow too."""
        super().to_start()
        self.follows = False

    @property
    def begun(self) -> bool:
        """Whether there is something to judge."""
        return bool(self.said.answer)

    @property
    def whole(self) -> bool:
        """Whether all of it was read that its model had to say; what a vote cut off stays cut off after an undo."""
        return self.said.ending and self.said.state != "cancelled"

    def _parts(self) -> Parts:
        if self.held:
            return Parts(0, 0, 0, 0, 0, 0)
        parts = super()._parts()
        return parts if self.name is not None else Parts(0, 0, 0, 0, parts.answers, 0)

    def _title(self, focused: bool) -> Row:
        head = f"{'▶' if focused else ' '}{self.seat}"
        if self.name is not None:
            star = f" ✓ {self._say('b_better')}" if self.best else ""
            room = self.width - width(head + star) - 2
            head += f": {fit(clean_line(self.name), max(4, room))}{star}"
        return (Span(pad(fit(head, self.width), self.width), "title-focus" if self.best else "title"),)

    def _facts(self, now: float, count: int) -> Row:
        if self.name is not None:
            return super()._facts(now, count)
        below = count - self.top - self.room
        more = " " + self._say("more_below", count=below) if below > 0 else ""
        text = pad(fit(" " + self._say(self._word()), self.width - width(more)), self.width - width(more))
        return Span(text, "facts"), Span(more, "facts")

    def _word(self) -> str:
        """What is told of a hidden one: nothing by which models differ but that it is there."""
        if self.said.ending:
            if not self.begun:
                return "b_failed"
            cut = self.said.state == "incomplete" or self.said.finish_reason in CUT
            return "b_stopped" if self.said.state == "cancelled" else "b_cut" if cut else "b_ended"
        return "b_writing" if self.begun and not self.held else "b_waiting"


class Placed(NamedTuple):
    pane: int
    rect: Rect


class Seats:
    """The panes of one match, below what the votes tell and the prompt."""

    def __init__(self, panes: Sequence[BlindPane], asked: str, say: Say, now: Callable[[], float]) -> None:
        self.panes, self.focus, self.width, self.height = list(panes), -1, 80, 20
        self.fields: list[Field] = []
        self.open = False
        self._asked, self._say, self._now = clean(asked), say, now
        self._placed: list[Placed] = []
        self._above: list[Row] = []
        self._shown: dict[int, list[Row]] = {}
        self._all = True
        self._arrange()

    # -- where they stand ------------------------------------------------------------------------------------------

    def resize(self, cells: int, rows: int) -> None:
        if (cells, rows) != (self.width, self.height):
            self.width, self.height = cells, rows
            self._arrange()

    def unfold(self) -> None:
        """The whole prompt, or its first lines."""
        self.open = not self.open
        self._arrange()

    def _lines(self) -> list[str]:
        """The prompt, in as many rows as it may have."""
        lines = [line for part in self._asked.strip().split("\n") for line in wrap_line(part, max(4, self.width - 2))]
        least = max(1, min(_PROMPT, self.height // 6))
        most = max(least, int(self.height * _SHARE)) if self.open else least
        if len(lines) > most:
            lines = [*lines[: most - 1], fit(lines[most - 1], max(2, self.width - 4)) + " …"]
        return lines

    def _arrange(self) -> None:
        self._all, self._shown = True, {}
        self._above = [(Span(pad(f" {line}", self.width), "quote"),) for line in self._lines()]
        top = BAR + len(self._above)
        tall = max(3, self.height - top)
        form = grid.shape(len(self.panes), self.width, tall)
        if form.pages > 1:  # none may stand out of sight
            form = grid.Shape(len(self.panes), 1, 1)
        places = grid.cells(form, self.width, tall)[: len(self.panes)]
        self._placed = [Placed(number, rect._replace(y=rect.y + top)) for number, rect in enumerate(places)]
        for number, rect in self._placed:
            self.panes[number].place(max(4, rect.width), max(3, rect.height))

    @property
    def visible(self) -> list[Placed]:
        return self._placed

    @property
    def rects(self) -> list[Rect]:
        return [placed.rect for placed in self._placed]

    def at(self, x: int, y: int) -> int | None:
        return next((number for number, rect in self._placed if rect.has(x, y)), None)

    def on_head(self, x: int, y: int) -> bool:
        return False

    def ends(self, x: int, y: int) -> int:
        for _, rect in self._placed:
            if rect.x == x and rect.has(x, y):
                return rect.x + rect.width
        return self.width

    # -- what the voter does ---------------------------------------------------------------------------------------

    def step(self) -> None:
        """The keys scroll the next one alone, or all again."""
        self.focus = self.focus + 1 if self.focus + 1 < len(self.panes) else -1

    def each(self, do: Callable[[BlindPane], object], only: int | None = None) -> None:
        """To the pane in focus, or all."""
        chosen = self.focus if only is None else only
        for number, pane in enumerate(self.panes):
            if chosen in (-1, number):
                do(pane)

    # -- what is painted -------------------------------------------------------------------------------------------

    def update(self, *, everything: bool = False) -> list[Rect]:
        """Look at all that is on the screen: the parts of it that have changed since the last time."""
        everything, self._all = everything or self._all, False
        now = self._now()
        changed = [Rect(0, 0, self.width, self.height)] if everything else []
        bar = (Span(pad(" " + fitted(self.fields, self.width - 2, "  "), self.width), "bar"),)
        if self._shown.get(-1) != [bar]:
            changed.append(Rect(0, 0, self.width, BAR))
            self._shown[-1] = [bar]
        for number, rect in self._placed:
            rows = self.panes[number].paint(now, focused=number == self.focus)
            before = self._shown.get(number, [])
            if rows is not before:
                changed += [Rect(rect.x, rect.y + at, rect.width, 1) for at, row in enumerate(rows)
                            if at >= len(before) or before[at] != row]  # fmt: skip
            self._shown[number] = rows
        return changed

    def row(self, y: int) -> list[tuple[int, Row]]:
        """What stands in a row of the screen: pieces, and the column where each begins."""
        if y < BAR:
            return [(0, row) for row in self._shown.get(-1, [])]
        if y < BAR + len(self._above):
            return [(0, self._above[y - BAR])]
        found = []
        for number, rect in self._placed:
            rows = self._shown.get(number, [])
            if rect.y <= y < rect.y + rect.height and y - rect.y < len(rows):
                found.append((rect.x, rows[y - rect.y]))
        return found


def told_so_far(so_far: SoFar | None, say: Say, names: Callable[[str], str] | None) -> list[Field]:
    """What the votes tell, for the bar; `names` gives what an arm is called, None while nothing may be named."""
    if so_far is None:
        return []
    fields = [Field(1, say("b_votes", count=so_far.votes))]
    if so_far.aside:
        fields.append(Field(5, say("b_aside", count=so_far.aside)))
    if so_far.arms == 2 and so_far.pairs:
        (pair,) = so_far.pairs
        ahead, behind = max(pair.wins.won, pair.losses), min(pair.wins.won, pair.losses)
        leads = (
            clean_line(names(pair.a if ahead == pair.wins.won else pair.b)) + " " if names and ahead > behind else ""
        )
        fields.append(Field(2, leads + say("b_score", won=ahead, lost=behind)))
        if pair.ties + pair.bad:
            fields.append(Field(6, say("b_ties", count=pair.ties + pair.bad)))
    elif so_far.pairs:
        count = so_far.arms * (so_far.arms - 1) // 2
        fields.append(Field(2, say("b_pairs", settled=so_far.settled, count=count)))
    return [*fields, *_to_decide(so_far, say)]


def _to_decide(so_far: SoFar, say: Say) -> list[Field]:
    """Votes left to decide, and the evidence that holds however often one looks."""
    if not so_far.pairs:
        return [Field(3, say("b_first_guess", count=so_far.first))] if so_far.arms == 2 else []
    if so_far.settled == len(so_far.pairs):
        return [Field(3, say("b_settled"))]
    least = min((pair for pair in so_far.pairs if not pair.anytime.settled), key=lambda pair: pair.anytime.best)
    left = so_far.left
    told = "b_far" if left is None else "b_left_to_decide" if left else "b_decided"
    evidence = f"{least.anytime.best:.1f}" if least.anytime.best < 10 else f"{least.anytime.best:.0f}"
    return [Field(3, say(told, count=left)),
            Field(4, say("b_evidence", evidence=evidence, needed=f"{least.anytime.needed:.0f}"))]  # fmt: skip
