"""The ladder of a sweep on the screen: a block for each value of the axis with its samples, measures beside it, plots
where there is room, findings below. Knows no Textual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from promptlab.plan import Cell, Plan
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width, wrap_line
from promptlab.tui import gauge, grid
from promptlab.tui.grid import Rect
from promptlab.tui.marked import Row, Span
from promptlab.tui.pane import OTHER, Pane
from promptlab.tui.rung import Rung, Side, Spot, climb, sample, sides, spots
from promptlab.tui.text import Say
from promptlab.tui.text.chart import words

if TYPE_CHECKING:
    from promptlab.analysis import Point, Reading
    from promptlab.render.words import Words

PLOTS_FROM = 150  # cells from which plots stand at the side
PLOTS = 63  # their width
_PLOT_ROWS = 11  # of a row of plots
_SIDE = 60  # cells of a side, where several stand beside each other
_MOST_LINES = 8  # of one sample
_STILL = 0.25  # seconds that rows of a sample that still comes stand
_WORDED = 56  # cells from which a sample that is not of this run says so in words, too
_ANSWERS = 8  # cells of the column that counts them


class Part(NamedTuple):
    """A part of the screen, its rows, and the cell that each of them belongs to."""

    rect: Rect
    rows: list[Row]
    owners: list[int | None]


class _Kept(NamedTuple):
    """Rows of a sample, with what they were made of."""

    of: tuple[int, str, int, int]
    at: float
    rows: list[tuple[str, str]]


class Ladder:
    """`panes` are those of the board, `own` those of the run: a pane that another run has filled is shown, and not
    counted. `clock` gives each its seconds. `best` is the cell that the user has marked."""

    def __init__(
        self, plan: Plan, costing: Costing, panes: Sequence[Pane], own: Sequence[Pane], say: Say,
        clock: Callable[[int], float],
    ) -> None:  # fmt: skip
        self._words = words(say)
        self.sides = sides(plan, self._words)
        self.spots = spots(self.sides)
        self.measured = gauge.Measured(plan, costing)
        self.best: int | None = None
        self.asked = False  # whether the history has been asked for it
        self.parts: list[Part] = []
        self._plan, self._panes, self._own, self._say, self._clock = plan, panes, own, say, clock
        self._first = 0  # the first rung that is shown
        self._across = 1
        self._kept: dict[int, _Kept] = {}
        self._drawn: dict[tuple[int, int, int], list[Row]] = {}
        self._room = (0, 0)
        self._points: dict[int, Point] = {}
        self._columns: dict[tuple[int, int], list[gauge.Gauge]] = {}

    # -- where one is ----------------------------------------------------------------------------------------------

    def climb(self, cell: int, by: int) -> int:
        """The cell at the same place so many rungs further."""
        return climb(self.sides, self.spots[cell], by)

    @property
    def pages(self) -> int:
        return -(-len(self.sides) // self._across)

    def page(self, cell: int) -> int:
        return self.spots[cell].side // self._across

    def first_of(self, page: int) -> int:
        """The first cell of a page of sides."""
        return self.sides[page % self.pages * self._across].rungs[0].cells[0]

    def at(self, x: int, y: int) -> int | None:
        for rect, rows, owners in self.parts:
            if rect.has(x, y) and y - rect.y < len(rows):
                return owners[y - rect.y] if owners else None
        return None

    @property
    def axes(self) -> list[str]:
        """What each axis really is at each target, and what else there is to tell of the plan."""
        told = [one.line for one in self._plan.prospects if one.word != "real" or one.text]
        return list(map(self._say.ours, (*told, *self._plan.notes)))

    def forget(self, cell: int) -> None:
        """What was made of a cell, whose pane has been filled anew."""
        self._kept.pop(cell, None)

    # -- what is measured ------------------------------------------------------------------------------------------

    def draw(self, reading: Reading, version: int) -> dict[tuple[int, int, int], list[Row]]:
        """The plots of a reading for the room that there is now; it may be called in a thread."""
        cells, height = self._room
        return {(version, cells, height): _plots(reading, cells, height, self._words)} if cells else {}

    def take(self, reading: Reading, drawn: dict[tuple[int, int, int], list[Row]]) -> None:
        """A new reading, with its plots."""
        self._drawn, self._columns = drawn, {}
        self._points = {cell: point for point in reading.points for cell in point.cells}

    def _plots_in(self, cells: int, height: int) -> list[Row]:
        reading, key = self.measured.reading, (self.measured.version, cells, height)
        self._room = cells, height
        if reading is None:
            return []
        if key not in self._drawn:
            self._drawn = {key: _plots(reading, cells, height, self._words)}
        return self._drawn[key]

    def _gauges(self, room: int) -> list[gauge.Gauge]:
        reading = self.measured.reading
        key = (self.measured.version, room)
        if reading is not None and key not in self._columns:
            self._columns[key] = gauge.gauges(reading, room, self._words)
        return self._columns.get(key, [])

    # -- what is painted -------------------------------------------------------------------------------------------

    def paint(self, whole: Rect, focus: int) -> list[Part]:
        """All parts; rows are exactly as wide as theirs."""
        told = self._findings(whole.width, max(1, whole.height // (5 if whole.height >= 30 else 6)))
        body = whole.height - len(told)
        here, aside, below = self.spots[focus], whole.width >= PLOTS_FROM, 0
        wide = whole.width - PLOTS - 1 if aside else whole.width
        self._across = max(1, min(len(self.sides), (wide + 1) // (_SIDE + 1)))
        page = here.side // self._across * self._across
        shown = self.sides[page : page + self._across]
        if not aside:
            rungs = max(len(side.rungs) for side in shown)
            samples = max(len(rung.cells) for side in shown for rung in side.rungs)
            left = body - 2 - rungs * (1 + min(samples, 2))
            below = 2 * _PLOT_ROWS if left >= 2 * _PLOT_ROWS else _PLOT_ROWS if left >= _PLOT_ROWS else 0
        parts = self._sides(shown, Rect(whole.x, whole.y, wide, body - below), page, focus)
        if aside:
            parts.append(self._plots(Rect(whole.x + wide + 1, whole.y, PLOTS, body)))
        elif below:
            parts.append(self._plots(Rect(whole.x, whole.y + body - below, whole.width, below)))
        else:
            self._room = 0, 0
        if told:
            parts.append(Part(Rect(whole.x, whole.y + body, whole.width, len(told)), told, []))
        self.parts = parts
        return parts

    def _plots(self, rect: Rect) -> Part:
        rows = list(self._plots_in(rect.width, rect.height))
        if not rows:
            rows = [(Span(pad(fit(self._say("measured_none"), rect.width), rect.width), "facts"),)]
        blank = (Span(" " * rect.width, "answer"),)
        return Part(rect, [*rows, *[blank] * (rect.height - len(rows))], [])

    def _findings(self, cells: int, most: int) -> list[Row]:
        """What the numbers show, what each axis is, and what there is to tell of the plan, in at most so many rows;
        then how far it is measured."""
        measured = self.measured
        rows: list[Row] = []
        reading, all = measured.reading, len(self._plan.cells)
        lines = [(text, "note") for text in self.axes]
        if reading is not None:
            lines = [*((self._say.ours(one.text), "answer") for one in reading.remarks), *lines,
                     *((self._say.ours(note), "facts") for note in reading.notes)]  # fmt: skip
        for text, style in lines:
            for number, part in enumerate(wrap_line(clean_line(text), max(4, cells - 2))):
                rows.append((Span(pad(("• " if number == 0 else "  ") + part, cells), style),))
        others = sum(pane is not own for pane, own in zip(self._panes, self._own, strict=True))
        foot = [self._say("others_not", count=others)] if others else []
        if reading is None or measured.count < all:
            told = self._say("measured_of", count=measured.count, all=all) if reading else self._say("measured_none")
            foot.append(told)
        if len(rows) + bool(foot) > most:
            foot.append(self._say("found_more", count=len(rows) - most + 1))
            rows = rows[: most - 1]
        return [*rows, (Span(pad(fit("  " + " · ".join(foot), cells), cells), "facts"),)] if foot else rows

    def _sides(self, shown: Sequence[Side], rect: Rect, page: int, focus: int) -> list[Part]:
        places = grid.cells(grid.Shape(len(shown), 1, 1), rect.width, rect.height)
        return [self._side(side, place._replace(x=rect.x + place.x, y=rect.y), page + number, focus)
                for number, (side, place) in enumerate(zip(shown, places, strict=True))]  # fmt: skip

    def _side(self, side: Side, rect: Rect, number: int, focus: int) -> Part:
        wide, here = rect.width, self.spots[focus]
        label = min(max(width(side.axis), *(width(rung.title) for rung in side.rungs)) + 4, max(8, wide // 3))
        columns = self._gauges(wide - label - _ANSWERS)
        titled = bool(side.title) and (len(self.sides) > 1 or rect.height > 2 * len(side.rungs) + 2)
        room = max(2, rect.height - 1 - titled)
        fits = max(1, min(len(side.rungs), room // 2))
        first = min(max(self._first, here.rung - fits + 1), here.rung, len(side.rungs) - fits)
        if number == here.side:
            self._first = first
        rows: list[Row] = [self._title(side, number, wide, here)] if titled else []
        rows.append(self._heading(side, label, columns, wide, first, len(side.rungs) - first - fits))
        owners: list[int | None] = [None] * len(rows)
        for place in range(fits):
            rung = side.rungs[first + place]
            tall = room // fits + (place < room % fits)
            beside = here.place if number == here.side else 0
            told = [(self._head(rung, wide, label, columns, focus), rung.cells[min(beside, len(rung.cells) - 1)]),
                    *self._samples(rung, wide, tall - 1, focus)]  # fmt: skip
            rows += [row for row, _ in told]
            owners += [owner for _, owner in told]
        blank = (Span(" " * wide, "answer"),)
        left = rect.height - len(rows)
        return Part(rect, [*rows, *[blank] * left][: rect.height], [*owners, *[None] * left][: rect.height])

    def _title(self, side: Side, number: int, cells: int, here: Spot) -> Row:
        mark = "▶ " if number == here.side else "  "
        tab = f"  {number + 1}/{len(self.sides)}" if len(self.sides) > 1 else ""
        text = mark + fit(side.title, max(2, cells - 2 - width(tab))) + tab
        return (Span(pad(text, cells), "heading"),)

    def _heading(
        self, side: Side, label: int, columns: Sequence[gauge.Gauge], cells: int, above: int, below: int
    ) -> Row:  # fmt: skip
        more = " ".join([self._say("rungs_above", count=above)] * (above > 0)
                        + [self._say("rungs_below", count=below)] * (below > 0))  # fmt: skip
        head = pad("  " + fit(side.axis, label - 3), label) + pad(self._say("answers"), _ANSWERS)
        left = cells - width(more) - 1 if more else cells
        return gauge.filled([Span(pad(fit(head + gauge.heading(columns), left), left), "strong"),
                             Span(f" {more}" if more else "", "note")], cells)  # fmt: skip

    def _head(self, rung: Rung, cells: int, label: int, columns: Sequence[gauge.Gauge], focus: int) -> Row:
        """The value, how many have answered, and the measures."""
        chosen = focus in rung.cells
        states = [self._own[cell].said.state for cell in rung.cells]
        failed = states.count("failed")
        count = f"{states.count('done')}/{len(states)}" + (f" ✗{failed}" if failed else "")
        text = pad(("▶ " if chosen else "  ") + fit(rung.title, label - 3), label) + pad(count, _ANSWERS)
        text += gauge.columns(columns, self._points.get(rung.cells[0]))
        return (Span(pad(fit(text, cells), cells), "title-focus" if chosen else "title"),)

    def _samples(self, rung: Rung, cells: int, budget: int, focus: int) -> list[tuple[Row, int | None]]:
        """As many of a rung's samples as there are rows for, the one in focus among them; else the best one."""
        rows: list[tuple[Row, int | None]] = []
        if budget < 1:
            return rows
        chosen = focus in rung.cells
        fits = min(len(rung.cells), budget)
        place = rung.cells.index(focus) if chosen else rung.cells.index(self.best) if self.best in rung.cells else 0
        start = min(max(0, place - fits + 1), len(rung.cells) - fits)
        lines = min(_MOST_LINES, budget // fits)
        hidden = len(rung.cells) - fits
        for number, cell in enumerate(rung.cells[start : start + fits]):
            more = " " + self._say("rung_more", count=hidden) if hidden and number == fits - 1 else ""
            rows += [(row, cell) for row in self._sample(cell, cells, lines, focus, more)]
        blank = (Span(" " * cells, "answer"),)
        return [*rows, *[(blank, None)] * (budget - len(rows))]

    def _sample(self, cell: int, cells: int, lines: int, focus: int, more: str) -> list[Row]:
        pane, here = self._panes[cell], cell == focus
        own = self._plan.cells[cell]
        number = f"{own.row + 1}.{own.repeat + 1}" if own.row is not None else f"{own.repeat + 1}"
        other = pane is not self._own[cell]
        sign = OTHER if other else "★ " if cell == self.best else ""
        more = (f" [{self._told_of(pane, own)}]" if other and cells >= _WORDED else "") + more
        head = f"  {'▶' if here else ' '}{pane.icon()} {number} {sign}"
        room = max(4, cells - width(head) - width(more))
        told = self._rows_of(cell, pane, room, lines)
        rows: list[Row] = []
        for at in range(lines):
            text, style = told[at] if at < len(told) else ("", "answer")
            lead = Span(head if at == 0 else " " * width(head), "strip-focus" if here and at == 0 else "facts")
            tail = Span(more if at == 0 else "", "facts")
            rows.append(gauge.filled([lead, Span(pad(text, room), style), tail], cells))
        return rows

    def _told_of(self, pane: Pane, own: Cell) -> str:
        """Where an answer comes from that is not of this run."""
        run = pane.origin[0].id if pane.origin is not None else None
        told = self._say("other_run", run=run) if run is not None else self._say("other_unsaved")
        return told if pane.cell.target == own.target else f"{fit(clean_line(pane.cell.target), 20)}, {told}"

    def _rows_of(self, cell: int, pane: Pane, cells: int, lines: int) -> list[tuple[str, str]]:
        now, of = self._clock(cell), (pane.version, pane.said.state, cells, lines)
        kept = self._kept.get(cell)
        if kept is not None and kept.of[1:] == of[1:]:
            same = kept.of == of and pane.said.state not in ("connecting", "waiting")
            if same or (not pane.said.ending and abs(now - kept.at) < _STILL):
                return kept.rows
        rows = sample(pane, cells, lines, now, self._say)
        self._kept[cell] = _Kept(of, now, rows)
        return rows


def _plots(reading: Reading, cells: int, height: int, words: Words) -> list[Row]:
    from promptlab.render.plot import plots

    return gauge.drawn(plots(reading, cells, 7, words=words), cells, height)
