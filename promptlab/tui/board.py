"""All panes of a run on the screen: which stand where, which has the focus, and the rows that they make together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from promptlab.events import Stamped
from promptlab.metrics import Cost
from promptlab.plan import Cell, Plan, Run
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width
from promptlab.transcript import Transcript
from promptlab.tui import grid
from promptlab.tui.grid import Rect, differing
from promptlab.tui.ladder import Ladder, Part
from promptlab.tui.marked import Row, Span
from promptlab.tui.pane import OTHER, Pane, Shows
from promptlab.tui.sleeper import Sleeper
from promptlab.tui.status import Field, fitted, money, title
from promptlab.tui.text import Say

Layout = Literal["grid", "focus", "ladder"]
BAR = 1  # rows above the panes
_TOLD = 12  # cells that facts need in the strip
_AWAKE = 64  # panes that keep their rows though they stand on no page that is shown


class Placed(NamedTuple):
    pane: int
    rect: Rect


class Board:
    """The panes of one run. `about` tells what the run is, in fields; `now` is in seconds since it began."""

    def __init__(
        self, panes: Sequence[Pane], say: Say, now: Callable[[], float], about: Sequence[Field] = (),
    ) -> None:  # fmt: skip
        self.panes, self.focus, self.width, self.height = list(panes), 0, 80, 20
        self.own = list(panes)  # of its run: another run's may stand in the place of one
        self.zoomed = False
        self.layout: Layout | None = None  # as the number of panes has it, until the user chooses
        self._say, self._now, self.about = say, now, list(about)
        self._clocks = [now] * len(self.panes)  # a pane that was filled anew has the clock of its own run
        self.run: Run | None = None
        self.ladder: Ladder | None = None
        self._parts: list[Part] = []  # of the ladder, where it is shown
        self._awake: list[int] = []  # panes that have been on the screen, the last ones at the end
        self._placed: list[Placed] = []
        self._strip: Rect | None = None
        self._shape = grid.Shape(1, 1, 1)
        self._shown: dict[int, list[Row]] = {}  # of each place, by the number of its pane
        self._strip_rows: list[Row] = []
        self._bar: Row = ()
        self._all = True  # everything is to be painted anew
        self._arrange()

    # -- what arrives ----------------------------------------------------------------------------------------------

    def take(self, stamped: Stamped) -> None:
        self.panes[stamped.cell].take(stamped)

    def replace(self, number: int, cell: Cell, costing: Costing, now: Callable[[], float]) -> None:
        """Fill a pane anew, from another run: what the run has said itself is kept, and counted."""
        if isinstance(own := self.panes[number], Sleeper):
            own.doze()
        self.panes[number] = Sleeper(dataclasses.replace(cell, index=number), self._say, costing)
        self._clocks[number] = now
        if self.ladder is not None:
            self.ladder.forget(number)
        self._arrange()

    def climbs_by(self, plan: Plan, costing: Costing) -> None:
        """Give it the ladder of a plan; a sweep is shown so unless the user chooses otherwise."""
        if len(self.panes) > 1:
            clocks = self._clocks  # and not the board: what goes round in a circle is let go of late
            self.ladder = Ladder(plan, costing, self.panes, self.own, self._say, lambda cell: clocks[cell]())
            self.layout = "ladder" if plan.sweep is not None else None
            self._arrange()

    @property
    def climbs(self) -> bool:
        """Whether the ladder is on the screen."""
        return self.ladder is not None and self.style == "ladder" and not self.zoomed

    @property
    def running(self) -> bool:
        return any(not pane.said.ending for pane in (*self.panes, *self.own))

    @property
    def turns(self) -> list[tuple[Cell, Transcript]]:
        """The run's own cells and what they have said, whatever stands in their places."""
        return [(pane.cell, pane.said) for pane in self.own]

    @property
    def others(self) -> int:
        """How many panes another run has filled."""
        return sum(pane is not own for pane, own in zip(self.panes, self.own, strict=True))

    @property
    def current(self) -> Pane:
        return self.panes[self.focus]

    # -- where they stand ------------------------------------------------------------------------------------------

    def resize(self, cells: int, rows: int) -> None:
        if (cells, rows) != (self.width, self.height):
            self.width, self.height = cells, rows
            self._arrange()

    @property
    def style(self) -> Layout:
        """Grid where all panes fit on a page, else one in focus beside a strip of all; a narrow screen has pages."""
        if self.layout is not None:
            return self.layout
        fits = self._shape.pages == 1 or self.width < grid.STRIP_FROM
        return "grid" if fits else "focus"

    def _arrange(self) -> None:
        self._all, self._strip, self._placed = True, None, []
        wide, tall = self.width, max(1, self.height - BAR)
        self._shape = grid.shape(len(self.panes), wide, tall)
        if not self.panes:
            return
        if self.climbs:
            self._shown = {}
            return
        if self.zoomed or len(self.panes) == 1:
            self._placed = [Placed(self.focus, Rect(0, BAR, wide, tall))]
        elif self.style == "focus":
            left = self._left
            self._strip = Rect(0, BAR, left, tall) if left else None
            start = left + 1 if left else 0
            self._placed = [Placed(self.focus, Rect(start, BAR, wide - start, tall))]
        else:
            first = self.page * self._shape.capacity
            places = grid.cells(self._shape, wide, tall)
            self._placed = [
                Placed(first + place, rect._replace(y=rect.y + BAR))
                for place, rect in enumerate(places) if first + place < len(self.panes)
            ]  # fmt: skip
        for number, _ in self._placed:
            self.panes[number].place(*self._room_of(number))
        self._shown = {}
        self._rest()

    def _room_of(self, number: int) -> tuple[int, int]:
        """Cells and rows of a pane when it is shown."""
        wide, tall = self.width, max(1, self.height - BAR)
        if self.zoomed or self.climbs or len(self.panes) == 1:
            return max(4, wide), max(3, tall)
        if self.style == "focus":
            return max(4, wide - self._left - 1 if self._left else wide), max(3, tall)
        rect = grid.cells(self._shape, wide, tall)[number % self._shape.capacity]
        return max(4, rect.width), max(3, rect.height)

    @property
    def _left(self) -> int:
        """Cells of the strip beside the pane in focus."""
        return min(grid.STRIP, self.width * 2 // 5) if self.width >= grid.STRIP_FROM else 0

    def _rest(self) -> None:
        """Of panes that are not on the screen, let those sleep that have been away for longest."""
        visible = [number for number, _ in self._placed]
        self._awake = [number for number in self._awake if number not in visible] + visible
        while len(self._awake) > max(_AWAKE, len(visible)):
            pane = self.panes[self._awake.pop(0)]
            if isinstance(pane, Sleeper):
                pane.doze()

    @property
    def visible(self) -> list[Placed]:
        return self._placed

    @property
    def rects(self) -> list[Rect]:
        """The parts of the screen that are painted each on its own."""
        parts = [part.rect for part in self._parts] if self.climbs else [placed.rect for placed in self._placed]
        return [*parts, *([self._strip] if self._strip is not None else [])]

    @property
    def pages(self) -> int:
        """How many pages there are to go through: one pane each where only one is shown."""
        if self.climbs and self.ladder is not None:
            return self.ladder.pages
        if self.zoomed or self.style == "focus":
            return len(self.panes)
        return self._shape.pages

    @property
    def page(self) -> int:
        if self.climbs and self.ladder is not None:
            return self.ladder.page(self.focus)
        return self.focus if self.zoomed or self.style == "focus" else self.focus // self._shape.capacity

    def at(self, x: int, y: int) -> int | None:
        """The pane at a place on the screen, be it in the strip or in the ladder."""
        if self.climbs and self.ladder is not None:
            return self.ladder.at(x, y)
        if self._strip is not None and self._strip.has(x, y):
            each, first = self._strip_view(self._strip)
            number = first + (y - self._strip.y) // each
            return number if number < len(self.panes) else None
        return next((number for number, rect in self._placed if rect.has(x, y)), None)

    def on_head(self, x: int, y: int) -> bool:
        """Whether the line that tells of the thinking stands there."""
        number = self.at(x, y)
        rect = next((rect for pane, rect in self._placed if pane == number), None)
        rows = self._shown.get(number, []) if number is not None else []
        if rect is None or not rect.has(x, y) or y - rect.y >= len(rows):
            return False
        return rows[y - rect.y][0].style == "thinking-head"

    def ends(self, x: int, y: int) -> int:
        """The column behind the piece that begins at `x` in a row."""
        if y < BAR:
            return self.width
        for rect in self.rects:
            if rect.x == x and rect.has(x, y):
                return rect.x + rect.width
        return x

    # -- what the user does ----------------------------------------------------------------------------------------

    def go(self, number: int) -> None:
        """Give a pane the focus; its page comes with it."""
        if not 0 <= number < len(self.panes) or number == self.focus:
            return
        before = self.page
        self.focus = number
        if self.page != before:
            self._arrange()

    def step(self, by: int) -> None:
        if self.panes:
            self.go((self.focus + by) % len(self.panes))

    def turn(self, by: int) -> None:
        """To the first pane of another page."""
        if self.climbs and self.ladder is not None:
            self.go(self.ladder.first_of(self.page + by))
        elif self.panes:
            each = 1 if self.zoomed or self.style == "focus" else self._shape.capacity
            self.go((self.page + by) % self.pages * each)

    def climb(self, by: int) -> bool:
        """In the ladder, so many rungs along the axis; whether this is one."""
        if self.climbs and self.ladder is not None:
            self.go(self.ladder.climb(self.focus, by))
            return True
        return False

    def zoom(self) -> None:
        self.zoomed = not self.zoomed
        self._arrange()

    def switch(self) -> None:
        """Grid, one in focus beside a strip, and the ladder, in turn."""
        after: dict[Layout, Layout] = {"grid": "focus", "focus": "ladder" if self.ladder else "grid", "ladder": "grid"}
        self.layout = after[self.style]
        self.zoomed = False
        self._arrange()

    def fold_all(self) -> Shows:
        """All as the focused one goes on to."""
        fold = self.current.cycle()
        for pane in self.panes:
            pane.show(fold)
        return fold

    def find(self, letters: str, most: int = 300) -> list[tuple[int, str, int, str]]:
        """Where the letters stand, the pane in focus first: pane, part, the row where they begin, text."""
        if not letters.strip():
            return []
        rooms = [self._room_of(number) for number in range(min(self._shape.capacity, len(self.panes)))]
        for number, pane in enumerate(self.panes):
            pane.place(*rooms[number % len(rooms)])  # a row's number is one of the width in which it will be shown
        order = [*range(self.focus, len(self.panes)), *range(self.focus)]
        found = ((number, *hit) for number in order for hit in self.panes[number].find(letters))
        return list(islice(found, most))

    # -- what is painted -------------------------------------------------------------------------------------------

    def update(self, *, everything: bool = False) -> list[Rect]:
        """Look at all that is on the screen: the parts of it that have changed since the last time."""
        everything = everything or self._all
        self._all = False
        changed: list[Rect] = [Rect(0, 0, self.width, self.height)] if everything else []
        bar = (Span(pad(self._top(), self.width), "bar"),)
        if bar != self._bar and not everything:
            changed.append(Rect(0, 0, self.width, BAR))
        self._bar = bar
        if self.climbs and self.ladder is not None:
            return self._update_ladder(self.ladder, changed, everything)
        for number, rect in self._placed:
            rows = self.panes[number].paint(self._clocks[number](), focused=number == self.focus)
            changed += differing(self._shown.get(number, []), rows, rect) if not everything else []
            self._shown[number] = rows
        if self._strip is not None:
            strip = self._paint_strip(self._strip)
            changed += differing(self._strip_rows, strip, self._strip) if not everything else []
            self._strip_rows = strip
        return changed

    def _update_ladder(self, ladder: Ladder, changed: list[Rect], everything: bool) -> list[Rect]:
        before, rect = self._parts, Rect(0, BAR, self.width, max(1, self.height - BAR))
        self._parts = ladder.paint(rect, self.focus)
        if everything:
            return changed
        if [part.rect for part in before] != [part.rect for part in self._parts]:
            return [Rect(0, 0, self.width, self.height)]
        for was, part in zip(before, self._parts, strict=True):
            changed += differing(was.rows, part.rows, part.rect)
        return changed

    def row(self, y: int) -> list[tuple[int, Row]]:
        """What stands in a row of the screen: pieces, and the column where each begins."""
        if y < BAR:
            return [(0, self._bar)]
        found: list[tuple[int, Row]] = []
        if self.climbs:
            return [(rect.x, rows[y - rect.y]) for rect, rows, _ in sorted(self._parts)
                    if rect.y <= y < rect.y + rect.height and y - rect.y < len(rows)]  # fmt: skip
        if self._strip is not None and self._strip.y <= y < self._strip.y + len(self._strip_rows):
            found.append((self._strip.x, self._strip_rows[y - self._strip.y]))
        for number, rect in self._placed:
            rows = self._shown.get(number, [])
            if rect.y <= y < rect.y + rect.height and y - rect.y < len(rows):
                found.append((rect.x, rows[y - rect.y]))
        return found

    def _top(self) -> str:
        say, ended = self._say, [pane.said.state for pane in self.own]
        done = ended.count("done")
        failed = ended.count("failed")
        fields = [*self.about, Field(1, say("done_of", done=done, count=len(self.panes)))] if self.panes else []
        if failed:
            fields.append(Field(1, say("failed_count", count=failed)))
        if others := self.others:
            fields.append(Field(1, say("others_count", count=others)))
        if self.pages > 1 and self.panes:
            word = "pane" if self.zoomed or self.style == "focus" else "page"
            fields.append(Field(0, say(word, page=self.page + 1, pages=self.pages)))
        if any(pane.said.queued is not None for pane in self.own):
            fields.append(Field(3, self._clock()))
        if spent := [pane.usd for pane in self.own if pane.usd is not None]:
            fields.append(Field(2, money(Cost(sum(spent), "computed"), say)))
        return " " + fitted(fields, self.width - 2, "  ")

    def _clock(self) -> str:
        """Minutes and seconds since the run began, until all have ended."""
        over = all(pane.said.ending for pane in self.own)
        passed = max((pane.said.ended or 0.0 for pane in self.own), default=0.0) if over else self._now()
        return f"{int(passed) // 60:02}:{int(passed) % 60:02}"

    def _strip_view(self, rect: Rect) -> tuple[int, int]:
        """Rows of each pane in the strip, and the pane that it begins with."""
        each = 2 if len(self.panes) * 2 <= rect.height else 1
        room = rect.height // each
        first = min(max(0, self.focus - room // 2), max(0, len(self.panes) - room))
        return each, first

    def _paint_strip(self, rect: Rect) -> list[Row]:
        each, first = self._strip_view(rect)
        rows: list[Row] = []
        for number in range(first, min(len(self.panes), first + rect.height // each)):
            pane, here, now = self.panes[number], number == self.focus, self._clocks[number]()
            style = "strip-focus" if here else "strip"
            other = OTHER if pane is not self.own[number] else ""
            head = f"{'▶' if here else ' '}{pane.icon()} {number + 1} {other}"
            name = head + title(pane.cell, max(2, rect.width - width(head) - 1))
            room = rect.width - width(name) - 3
            told = f"  {pane.facts(now, room)}" if each == 1 and room >= _TOLD else ""
            rows.append((Span(pad(name + told, rect.width), style),))
            if each == 2:
                rows.append((Span(pad(f"     {pane.facts(now, rect.width - 6)}", rect.width), "strip-facts"),))
        blank = (Span(" " * rect.width, "strip"),)
        return [*rows, *[blank] * (rect.height - len(rows))]


def board_of(
    run: Run, costing: Costing, say: Say, now: Callable[[], float], past: str = "",
    windows: Mapping[str, int] | None = None,
) -> Board:  # fmt: skip
    """The panes of a run; `past` is when it ran, for one out of the history."""
    board = Board([Sleeper(cell, say, costing) for cell in run.plan.cells], say, now,
                  about(say, run.id, run.plan.prompt, past, turn_of(run)))  # fmt: skip
    board.run = run
    for pane in board.panes:
        pane.window = (windows or {}).get(pane.cell.target)
    board.climbs_by(run.plan, costing)
    return board


def turn_of(run: Run) -> int:
    """Which turn of a conversation a run is, from 1."""
    cells = run.plan.cells
    return sum(message.role == "assistant" for message in cells[0].request.messages) + 1 if cells else 1


def about(say: Say, run: int | None, prompt: str, past: str = "", turn: int = 1) -> list[Field]:
    """What a run is, for the top bar."""
    shown = fit(clean_line(prompt), 40)
    fields = [Field(3, say("name")), Field(2, say("run", run=run) if run is not None else say("saved_not"))]
    fields += [Field(2, say("past", when=past))] if past else []
    fields += [Field(2, say("turn", turn=turn))] if turn > 1 else []
    return [*fields, Field(4, f"“{shown}”")] if shown else fields
