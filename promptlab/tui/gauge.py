"""What a sweep measures so far: when it is read anew, and its measures as small bars in columns, one row a rung, and
drawings of others as rows of the screen. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from promptlab.plan import Cell, Plan
from promptlab.render.group import IGNORED, axis_name, groups, numbers, of, value_at
from promptlab.render.picture import Picture
from promptlab.render.picture import Row as PictureRow
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.render.words import ENGLISH, Words, meaning
from promptlab.render.wrap import fit, pad, width, wrap_line
from promptlab.transcript import Transcript
from promptlab.tui.marked import Row, Span

if TYPE_CHECKING:
    from promptlab.analysis import Measure, Point, Reading, Sample
    from promptlab.render.group import Numbers

BAR = 8  # cells
_GAP = 2
_HEADING = 15  # cells of a heading at most, where the numbers below need fewer
# What is given room first; of each line the first one that there is.
TELLING = (("passed", "correct", "check:"), ("distinct_2",), ("majority", "answer_agreement", "agreement"), ("gap",),
           ("answer_tokens",), ("thinking",), ("repetition",), ("vendi",), ("cut",), ("surprisal",), ("time",),
           ("cost",), ("length",), ("speed",))  # fmt: skip
_STYLES = {"": "answer", "title": "heading", "strong": "strong", "dim": "facts", "fault": "fault", "note": "note"}
EVERY = 1.0  # seconds between two looks at least
_SHARE = 4.0  # and so many times what the last one took: readings take no more than a fifth of the time
_LONGEST = 20.0
Turns = list[tuple[Cell, Transcript]]


class Measured:
    """`begin` gives what is to be read, `end` takes what was found. The reading itself is somebody else's, in a thread:
    cells that have ended change no more."""

    def __init__(self, plan: Plan, costing: Costing) -> None:
        self.plan, self.costing = plan, costing
        self.reading: Reading | None = None
        self.version = 0
        self.count = 0  # cells that the reading is of
        self.known: dict[int, Sample] = {}  # what was worked out of each cell
        self._from: dict[int, Transcript] = {}  # and of which transcript
        self._read: list[int] = []
        self._next = 0.0
        self.busy = False

    def is_due(self, now: float, *, over: bool = False) -> bool:
        """`over`: nothing runs any more, so that there is nothing to wait for."""
        return not self.busy and (over or now >= self._next)

    def begin(self, turns: Sequence[tuple[Cell, Transcript]]) -> Turns | None:
        """The cells to be read now; None where there is nothing new. `turns` are the plan's own cells, each with what
        it has said."""
        ended = [(cell, said) for cell, said in turns if said.ending and said.attempts]
        if [id(said) for _, said in ended] == self._read:
            return None
        for cell, said in ended:
            if self._from.get(cell.index) is not said:
                self.known.pop(cell.index, None)
                self._from[cell.index] = said
        self._read = [id(said) for _, said in ended]
        self.busy = True
        return ended

    def end(self, now: float, reading: Reading | None, took: float = 0.0) -> None:
        """None: it could not be read. `took` is in seconds of a processor."""
        self.busy = False
        self._next = now + max(EVERY, min(_LONGEST, _SHARE * took if self.reading is not None else 0.0))
        if reading is not None:  # the first one imports what it takes: that is no measure of the next
            self.reading, self.count = reading, len(self._read)
            self.version += 1


class Gauge(NamedTuple):
    """One measure of all rungs: its heading, how its numbers are written, the ends of its bars, its cells."""

    name: str
    heading: str
    numbers: Numbers
    low: float
    high: float
    cells: int
    told: bool  # intervals are written, too


def chosen(reading: Reading) -> list[str]:
    """The measures in the order in which they are given room: those that tell most first."""
    found: list[str] = []
    for alike in TELLING:
        found += [name for one in alike for name in reading.measures
                  if name not in found and (name == one or (one[-1] == ":" and name.startswith(one)))][:1]  # fmt: skip
    return found


def gauges(reading: Reading, room: int, words: Words = ENGLISH) -> list[Gauge]:
    """As many columns as fit in `room` cells, intervals written where all of the first four have room for theirs."""
    names = chosen(reading)
    written = [_gauge(reading, name, words, told=True) for name in names]
    if sum(one.cells + _GAP for one in written[:4]) > room:
        written = [_gauge(reading, name, words, told=False) for name in names]
    found: list[Gauge] = []
    for one in written:
        if sum(each.cells + _GAP for each in found) + one.cells + _GAP > room:
            break
        found.append(one)
    return found


def _gauge(reading: Reading, name: str, words: Words = ENGLISH, *, told: bool) -> Gauge:
    measures = [one for one in of(reading.points, name) if one is not None]
    how = numbers(measures)
    ends = [end for one in measures for end in (one.value, one.low, one.high) if end is not None and math.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    if _is_share(name):
        low, high = 0.0, 1.0
    text = max((width(how.both(one) if told else how.value(one)) for one in measures), default=1)
    title = words.measure(name)
    cells = max(BAR + 1 + text, min(_HEADING, width(title)))
    return Gauge(name, title, how, low, high if high > low else low + 1, cells, told)


def _is_share(name: str) -> bool:
    known = meaning(name)
    return known is not None and known.unit == "share"


def heading(found: Sequence[Gauge]) -> str:
    return "".join(" " * _GAP + pad(fit(one.heading, one.cells), one.cells) for one in found)


def columns(found: Sequence[Gauge], point: Point | None) -> str:
    """One rung's measures, as wide as the heading."""
    parts = []
    for one in found:
        measure = point.measures.get(one.name) if point is not None else None
        text = one.numbers.both(measure) if one.told else one.numbers.value(measure)
        parts.append(" " * _GAP + pad(f"{bar(one, measure)} {text}", one.cells))
    return "".join(parts)


def bar(gauge: Gauge, measure: Measure | None) -> str:
    """From zero to the value; `▓` and `░` are its 95% interval, within the bar and beyond it."""
    if measure is None or not math.isfinite(measure.value):
        return " " * BAR

    def place(value: float) -> float:
        return (max(gauge.low, min(gauge.high, value)) - gauge.low) / (gauge.high - gauge.low)

    start, end = sorted((place(0.0), place(measure.value)))
    low = place(measure.value if measure.low is None else measure.low)
    high = place(measure.value if measure.high is None else measure.high)
    tip = max(0, math.ceil(place(measure.value) * BAR) - 1)  # a value near zero is seen, too
    signs = []
    for number in range(BAR):
        middle = (number + 0.5) / BAR
        filled, unsure = start <= middle <= end or number == tip, low <= middle <= high
        signs.append(("▓" if unsure else "█") if filled else "░" if unsure else "·")
    return "".join(signs)


def tables(reading: Reading, cells: int, words: Words = ENGLISH) -> str:
    """All measures as `render.table` has them, in blocks below each other where they don't fit beside each other; where
    there is no room for a block of one, as a list. What the signs mean stands once, below all."""
    left = list(reading.measures)
    blocks: list[str] = []
    notes: list[str] = []
    while left:
        rows, count = _block(reading, left, cells, words)
        if rows:
            end = len(rows)
            while end and len(rows[end - 1]) == 1 and rows[end - 1][0].style == "dim":
                end -= 1
            blocks.append(str(Picture(tuple(rows[:end]))))
            notes += [line for line in Picture(tuple(rows[end:])).lines() if line not in notes]
        else:
            blocks.append("\n".join(_listed(reading, left[0], max(4, cells), words)))
        left = left[count:]
    return "\n\n".join([*blocks, "\n".join(notes)])


def _listed(reading: Reading, name: str, cells: int, words: Words) -> Iterator[str]:
    """One measure: its title with what it stands along, and a line for each point."""
    yield from wrap_line(" · ".join([words.measure(name), *map(axis_name, reading.axes)]), cells)
    points = [point for group in groups(reading) for point in group.points]
    how = numbers(of(points, name))
    several = len({point.target for point in points}) > 1
    for point in points:
        said = [value_at(point, axis) for axis in reading.axes]
        told = [clean_line(point.target)] * several + [words("ignored") if one == IGNORED else one for one in said]
        line = f"{', '.join(told)}  {how.both(point.measures.get(name))}"
        yield from ("  " + part for part in wrap_line(line, cells - 2))


def _block(reading: Reading, names: Sequence[str], cells: int, words: Words) -> tuple[Sequence[PictureRow], int]:
    """The table of the first of these measures, as many as there is room for; no rows where there is none for one."""
    from promptlab.render.table import measures

    unsaid = replace(words, texts={**words.texts, "no_room": ""})  # so that this row is an empty one
    found: Sequence[PictureRow] = ()
    for count in range(1, len(names) + 1):
        rows = measures(replace(reading, measures=tuple(names[:count])), cells, color=False, words=unsaid).rows
        if any(row and all(not piece.text for piece in row) for row in rows):
            return found, max(1, count - 1)
        found = rows
    return found, len(names)


def drawn(picture: Picture, cells: int, height: int) -> list[Row]:
    """A drawing as rows of `cells`, as many whole blocks of it as there is room for."""
    rows = list(picture.rows)
    if len(rows) > height:
        cuts = [number for number, row in enumerate(rows[: height + 1]) if not row]
        rows = rows[: cuts[-1] if cuts else height]
    return [filled((Span(text, _STYLES.get(style, style)) for text, style in row), cells) for row in rows]


def filled(row: Iterable[Span], cells: int) -> Row:
    """A row cut or filled up to exactly so many cells."""
    kept: list[Span] = []
    left = cells
    for text, style in row:
        size = width(text)
        if size > left:
            text, size = pad(fit(text, left), left), left
        if text:
            kept.append(Span(text, style))
        left -= size
        if left <= 0:
            break
    return (*kept, Span(" " * left, "answer")) if left > 0 else tuple(kept)
