"""Small plots for a terminal: each measure along the first axis with its 95% intervals, and the plane of diversity
against surprisal.

Drawn on a canvas of our own, because showing is the core and no plotting library fits it: plotext 5 counts a Chinese
character as one cell, plotext 6 (its rewrite of August 2026) is compiled, takes 0.1 s to import and draws on one figure
that the whole process shares; and neither gives the report's SVG the same scales (`render.chart`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from promptlab.analysis import Reading
from promptlab.render.chart import Chart, Mark, Plane, Scale, Series, charts, idle, plane
from promptlab.render.group import IGNORED, axis_name
from promptlab.render.picture import COLOURS, Picture, Piece, Row, beside, row, stack
from promptlab.render.words import ENGLISH, Words
from promptlab.render.wrap import fit, pad, width, wrap_line

LEAST = 38  # cells of one plot
MARKERS = "●■▲◆○□△◇"
MOST = 6  # measures that are drawn unless others are asked for
# Those that tell most, the most telling first: of each line the first one that there is.
TELLING = (("passed", "correct", "check:"), ("distinct_2",), ("vendi",), ("surprisal",), ("gap",), ("repetition",),
           ("majority", "answer_agreement", "agreement"), ("length",), ("thinking",))  # fmt: skip
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character, by row and column
_BAR_LABEL = 16


def plots(
    reading: Reading, width: int, height: int = 9, *, names: Sequence[str] | None = None, words: Words = ENGLISH
) -> Picture:  # fmt: skip
    """A plot for each of the measures that tell most (or of `names`), as many side by side as fit in `width` cells,
    each about `height` rows high within its axes; and the plane, where log probabilities are known. A measure in
    whose picture nothing could be seen is named, not drawn. `height` gives way by a few rows where ticks would stand
    unevenly."""
    still = {} if names else idle(reading, reading.measures)
    chosen = names or _telling([name for name in reading.measures if name not in still])
    drawn = charts(reading, chosen, words) if chosen else ()
    most = max(1, min(len(drawn), (width + 3) // (LEAST + 3)))
    across = max(1, -(-len(drawn) // max(1, -(-len(drawn) // most))))
    cells = min(72, (width - 3 * (across - 1)) // across)
    rows = _rows([chart.scale for chart in drawn if chart.curve], height)
    blocks = [_curve(chart, cells, rows, words) if chart.curve else _bars(chart, cells, words) for chart in drawn]
    pictures = [
        Picture(tuple(beside(blocks[start : start + across], cells, "   ")))
        for start in range(0, len(blocks), across)
    ]  # fmt: skip
    if drawn or still:
        pictures.append(Picture(tuple(_legend(reading, drawn, still, width, words, all_asked=bool(names)))))
    surface = None if names else plane(reading, words)
    if surface is not None:
        pictures.append(Picture(tuple(_plane(surface, min(width, 78), max(height, 12), width, words))))
    return stack(pictures)


def _telling(names: Sequence[str]) -> list[str]:
    """At most MOST of these measures, in their order: those that tell most, else the first ones."""
    chosen = []
    for alike in TELLING:
        chosen += [name for one in alike for name in names if name == one or (one[-1] == ":" and one in name)][:1]
    chosen = (chosen or list(names))[:MOST]
    return [name for name in names if name in chosen]


def _legend(
    reading: Reading, drawn: Sequence[Chart], still: Mapping[str, str], cells: int, words: Words, *, all_asked: bool
) -> list[Row]:  # fmt: skip
    rows: list[Row] = []
    said = []
    if drawn and drawn[0].curve:
        if len(drawn[0].series) > 1:  # bars name theirs
            rows += [(Piece(_marker(each.number) + " ", _style(each.number)), Piece(fit(each.title, cells - 2)))
                     for each in drawn[0].series]  # fmt: skip
        said.append(words("along", axis=axis_name(next(iter(reading.axes)))))
        if any(label == IGNORED for _, label in drawn[0].places):
            said.append(words("no_curve"))
    elif drawn:
        said.append(words("bars"))
    titles = {chart.title for chart in drawn}
    rest = [name for name in reading.measures if name not in still and words.measure(name) not in titles]
    if rest and not all_asked:
        said.append(words("not_drawn", names=words.listed(rest)))
    said += undrawn(still, words)
    return [*rows, *(row(line, "dim") for line in wrap_line(words("semicolon").join(said), max(2, cells)))]


def undrawn(still: Mapping[str, str], words: Words = ENGLISH) -> list[str]:
    """The measures that `idle` found nothing to draw of, with why."""
    by_reason: dict[str, list[str]] = {}
    for name, why in still.items():
        by_reason.setdefault(why, []).append(name)
    return [words("idle", why=words(why), names=words.listed(names)) for why, names in by_reason.items()]


def _marker(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def _style(number: int) -> str:
    return f"series{number % COLOURS}"


class _Canvas:
    """Cells that hold a sign each, or up to eight braille dots. Rows count from the top, columns from the left."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._dots = [[0] * columns for _ in range(rows)]
        self._signs = [[Piece("")] * columns for _ in range(rows)]
        self._styles = [[""] * columns for _ in range(rows)]

    def dot(self, along: int, down: int, style: str) -> None:
        """A braille dot; there are two along and four down a cell."""
        if 0 <= along < 2 * self.columns and 0 <= down < 4 * self.rows:
            self._dots[down // 4][along // 2] |= _DOTS[down % 4][along % 2]
            self._styles[down // 4][along // 2] = style

    def line(self, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            self.dot(round(start[0] + (end[0] - start[0]) * step / steps),
                     round(start[1] + (end[1] - start[1]) * step / steps), style)  # fmt: skip

    def sign(self, column: int, line: int, sign: str, style: str) -> None:
        if 0 <= column < self.columns and 0 <= line < self.rows:
            self._signs[line][column] = Piece(sign, style)

    def write(self, column: int, line: int, text: str, style: str) -> bool:
        """Write a text of one-cell characters where nothing stands yet; False where it has no room."""
        if not (0 <= line < self.rows and column >= 0 and column + len(text) <= self.columns):
            return False
        taken = self._signs[line][max(0, column - 1) : column + len(text) + 1]
        if any(piece.text not in ("", "┊") for piece in taken[1:]):
            return False
        for place, sign in enumerate(text):
            self.sign(column + place, line, sign, style)
        return True

    def line_of(self, number: int) -> list[Piece]:
        """One row, in as few pieces as its styles allow."""
        pieces: list[Piece] = []
        for column in range(self.columns):
            piece, dots = self._signs[number][column], self._dots[number][column]
            if not piece.text:
                piece = Piece(chr(0x2800 + dots), self._styles[number][column]) if dots else Piece(" ")
            if pieces and pieces[-1].style == piece.style:
                pieces[-1] = Piece(pieces[-1].text + piece.text, piece.style)
            else:
                pieces.append(piece)
        return pieces


def _curve(chart: Chart, cells: int, height: int, words: Words) -> list[Row]:
    label = max(len(text) for _, text in chart.scale.ticks)
    canvas = _Canvas(cells - label - 2, height)
    down = _downwards(chart.scale, height)
    along = _along(canvas, len(chart.series))
    for series in chart.series:
        _lines(canvas, series, along, down)
    for series in chart.series:
        for mark in series.marks:
            _whisker(canvas, along(mark.at, series.number), mark, down, _style(series.number))
    for series in chart.series:
        for mark in series.marks:
            line = down(mark.measure.value) // 4
            canvas.sign(along(mark.at, series.number), line, _marker(series.number), _style(series.number))
    middle = [(along(place, -1), _label(text, words)) for place, text in chart.places]
    return [row(fit(chart.title, cells), "strong"), *_framed(canvas, chart.scale, down, label, middle)]


def _along(canvas: _Canvas, count: int) -> Callable[[float, int], int]:
    """From a place (0 to 1) and a series' number (-1: the middle) to a column. Series stand beside one another, or
    the whiskers of the last would hide the others'."""
    spread = min(count, 5)
    margin = 1 + spread // 2

    def column(place: float, number: int) -> int:
        aside = 0 if number < 0 else number % spread - (spread - 1) // 2
        return margin + round(place * (canvas.columns - 1 - 2 * margin)) + aside

    return column


def _downwards(scale: Scale, height: int) -> Callable[[float], int]:
    """From a value to the dots above it."""
    return lambda value: round((1 - scale.place(value)) * (4 * height - 1))


def _rows(scales: Sequence[Scale], height: int) -> int:
    """How many rows, about `height`, on which the ticks of all these scales stand equally far apart."""
    near = sorted(range(2, height + 4), key=lambda rows: (abs(rows - height), rows))
    return next((rows for rows in near if all(_every(scale, rows) for scale in scales)), height)


def _every(scale: Scale, rows: int) -> int:
    """Each how manieth tick is named on so many rows, so that they stand equally far apart; 0 where none would."""
    steps = len(scale.ticks) - 1
    return next((every for every in range(1, steps + 1) if steps % every == 0 and (steps > every or steps == 1)
                 and (rows - 1) % (steps // every) == 0), 0)  # fmt: skip


def _lines(
    canvas: _Canvas, series: Series, along: Callable[[float, int], int], down: Callable[[float], int]
) -> None:  # fmt: skip
    joined = [mark for mark in series.marks if mark.joined]
    spots = [(2 * along(mark.at, series.number), down(mark.measure.value)) for mark in joined]
    for start, end in pairwise(spots):
        canvas.line(start, end, _style(series.number))


def _whisker(canvas: _Canvas, column: int, mark: Mark, down: Callable[[float], int], style: str) -> None:
    """From the upper to the lower end of the interval, to half a cell."""
    if mark.measure.low is None or mark.measure.high is None:
        return
    top, bottom = down(mark.measure.high), down(mark.measure.low)
    for line in range(top // 4, bottom // 4 + 1):
        starts = line == top // 4 and top % 4 >= 2
        ends = line == bottom // 4 and bottom % 4 < 2
        if not (starts and ends):
            canvas.sign(column, line, "╷" if starts else "╵" if ends else "│", style)


def _framed(
    canvas: _Canvas, scale: Scale, down: Callable[[float], int], label: int, places: Sequence[tuple[int, str]]
) -> list[Row]:
    """The canvas with its axes: ticks of the scale at the left, the places named below."""
    ticks = {down(value) // 4: text for value, text in scale.ticks[:: _every(scale, canvas.rows) or 1]}
    rows: list[Row] = [
        (Piece(ticks.get(line, "").rjust(label) + (" ┤" if line in ticks else " │"), "dim"), *canvas.line_of(line))
        for line in range(canvas.rows)
    ]
    columns = {column for column, _ in places}
    base = "".join("┬" if column in columns else "─" for column in range(canvas.columns))
    named = _named(places, canvas.columns + 1)
    return [*rows, row(" " * label + " └" + base, "dim"), row(" " * (label + 1) + named, "dim")]


def _label(text: str, words: Words) -> str:
    return words("ignored") if text == IGNORED else text


def _named(places: Sequence[tuple[int, str]], columns: int) -> str:
    """Labels centred under their places, those at the ends first; one that would touch another is left out."""
    line = [" "] * columns
    order = [*places[:1], *places[-1:], *places[1:-1]]
    for column, text in order:
        size = width(text)
        start = max(0, min(columns - size, column + 1 - size // 2))
        around = line[max(0, start - 1) : start + size + 1]
        if all(sign == " " for sign in around) and size <= columns:
            line[start : start + size] = [text, *[""] * (size - 1)] if size else []
    return "".join(line).rstrip()


def _bars(chart: Chart, cells: int, words: Words) -> list[Row]:
    """A bar per value, from zero; the shades say where the interval begins and ends."""
    several = len(chart.series) > 1
    marks = [mark for series in chart.series for mark in series.marks]
    label = min(_BAR_LABEL, max(width(_label(mark.label, words)) for mark in marks))
    left = cells - (label + 1) * bool(label) - 1
    told = chart.numbers.both
    room = left - max(width(told(mark.measure)) for mark in marks)
    if room < 8:
        told = chart.numbers.value
        room = left - max(width(told(mark.measure)) for mark in marks)
    rows = [row(fit(chart.title, cells), "strong")]
    for series in chart.series:
        style = _style(series.number)
        if several and series.marks:
            rows.append((Piece(_marker(series.number) + " ", style), Piece(fit(series.title, cells - 2))))
        for mark in series.marks:
            name = Piece(pad(_label(mark.label, words), label) + " ") if label else Piece("")
            rows.append((name, Piece(_bar(mark, chart.scale, max(1, room)), style), Piece(" " + told(mark.measure))))
    return rows


def _bar(mark: Mark, scale: Scale, cells: int) -> str:
    measure = mark.measure
    start, end = sorted((scale.place(0.0), scale.place(measure.value)))
    low = scale.place(measure.value if measure.low is None else measure.low)
    high = scale.place(measure.value if measure.high is None else measure.high)
    tip = min(cells - 1, int(scale.place(measure.value) * cells))  # a value near zero is seen, too
    signs = []
    for number in range(cells):
        middle = (number + 0.5) / cells
        filled, unsure = start <= middle <= end or number == tip, low <= middle <= high
        signs.append(("▓" if unsure else "█") if filled else "░" if unsure else " ")
    return "".join(signs)


def _plane(surface: Plane, cells: int, height: int, whole: int, words: Words) -> list[Row]:
    label = max(len(text) for _, text in surface.up.ticks)
    height = _rows([surface.up], height)
    canvas = _Canvas(cells - label - 2, height)
    down = _downwards(surface.up, height)

    def along(value: float) -> int:
        return 1 + round(surface.along.place(value) * (canvas.columns - 3))

    for track in surface.tracks:
        if track.natural is not None:
            for line in range(height):
                canvas.sign(along(track.natural), line, "┊", _style(track.number))
    for track in surface.tracks:
        for spot in track.spots:
            middle, level = 2 * along(spot.along.value), down(spot.up.value)
            for measure, vertical in ((spot.along, False), (spot.up, True)):
                if measure.low is None or measure.high is None:
                    continue
                ends = ((middle, down(measure.high)), (middle, down(measure.low))) if vertical else (
                    (2 * along(measure.low), level), (2 * along(measure.high), level))  # fmt: skip
                canvas.line(*ends, _style(track.number))
    for track in surface.tracks:
        for spot in track.spots:
            canvas.sign(along(spot.along.value), down(spot.up.value) // 4, _marker(track.number), _style(track.number))
    for track in surface.tracks:
        for spot in track.spots:
            _tell(canvas, along(spot.along.value), down(spot.up.value) // 4, spot.label)
    places = [(along(value), text) for value, text in surface.along.ticks]
    rows = [row(fit(surface.title, cells), "strong"), *_framed(canvas, surface.up, down, label, places)]
    rows.append(row(" " * (label + 2) + fit(surface.along_title, cells - label - 2), "dim"))
    return [*rows, *(row(line, "dim") for line in wrap_line(reading_aid(surface, words), max(2, whole)))]


def _tell(canvas: _Canvas, column: int, line: int, label: str) -> None:
    """The label beside its mark, wherever there is room first."""
    size = width(label)
    if not label.isascii():
        return
    for where, level in ((column + 2, line), (column - 1 - size, line), (column - size // 2, line - 1),
                         (column - size // 2, line + 1)):  # fmt: skip
        if canvas.write(where, level, label, "dim"):
            return


def reading_aid(surface: Plane, words: Words = ENGLISH) -> str:
    """What the plane tells, in a sentence."""
    return words("natural" if any(track.natural is not None for track in surface.tracks) else "no_natural")
