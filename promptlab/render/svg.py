"""The charts of a reading as SVG for the report: the same scales and places as the terminal's plots.

No style and no script stands in it: colours come by class from the page (`s0` to `s5`, `axis`, `grid`), so that light,
dark and print are the page's business and a strict content policy holds. Every text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

from promptlab.analysis import Measure
from promptlab.render.chart import Chart, Mark, Plane, Scale, Series
from promptlab.render.group import Numbers, numbers
from promptlab.render.picture import COLOURS
from promptlab.render.wrap import fit

_WIDE, _HIGH = 380, 230  # user units of a chart
_PLANE_WIDE, _PLANE_HIGH = 640, 340
_RIGHT, _TOP, _BOTTOM = 14, 32, 34
_BAR, _BAR_LABEL = 20, 120


def chart(what: Chart) -> str:
    """One measure along the first axis, as one `<svg>` element."""
    return "".join(_curve(what) if what.curve else _bars(what))


def _curve(what: Chart) -> Iterator[str]:
    yield _opening(_WIDE, _HIGH, what.title)
    yield from _frame(_WIDE, _HIGH, what.scale)
    yield from _named(what)
    for series in what.series:
        joined = [mark for mark in series.marks if mark.joined]
        if len(joined) > 1:
            spots = " ".join(f"{_along(mark, series, what):.1f},{_down(what.scale, mark):.1f}" for mark in joined)
            yield f'<polyline class="line s{series.number % COLOURS}" points="{spots}"/>'
    for series in what.series:
        for mark in series.marks:
            yield _marked(what.numbers, series, mark, _along(mark, series, what), what.scale)
    yield "</svg>"


def _opening(wide: int, high: int, title: str) -> str:
    """The element and its name. A height of its own keeps print and old readers from guessing one."""
    told = escape(title)
    return (
        f'<svg viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" aria-label="{told}">'
        f'<text class="name" x="4" y="16">{told}</text>'
    )


def _left(scale: Scale) -> float:
    """Where the drawing begins: right of the longest number of its scale."""
    return 14 + 7 * max(len(text) for _, text in scale.ticks)


def _frame(wide: int, high: int, scale: Scale) -> Iterator[str]:
    left = _left(scale)
    for value, text in scale.ticks:
        down = _TOP + (1 - scale.place(value)) * (high - _TOP - _BOTTOM)
        zero = " zero" if value == 0 and scale.low < 0 else ""
        yield f'<line class="grid{zero}" x1="{left}" x2="{wide - _RIGHT}" y1="{down:.1f}" y2="{down:.1f}"/>'
        yield f'<text class="tick end" x="{left - 6}" y="{down + 4:.1f}">{escape(text)}</text>'


def _named(what: Chart) -> Iterator[str]:
    """The places along the axis; labels that would touch the one before are left out, those at the ends first in."""
    taken: list[tuple[float, float]] = []
    for at, label in [*what.places[:1], *what.places[-1:], *what.places[1:-1]]:
        middle = _place(at, what.scale)
        half = len(label) * 3.3 + 3
        if any(middle - half < right and left < middle + half for left, right in taken):
            continue
        taken.append((middle - half, middle + half))
        anchor = " end" if middle + half > _WIDE else " middle"
        where = _WIDE - 2 if anchor == " end" else middle
        yield f'<text class="tick{anchor}" x="{where:.1f}" y="{_HIGH - _BOTTOM + 16}">{escape(label)}</text>'
    yield f'<text class="tick middle" x="{(_left(what.scale) + _WIDE) / 2}" y="{_HIGH - 4}">{escape(what.axis)}</text>'


def _place(at: float, scale: Scale) -> float:
    left = _left(scale)
    return left + 12 + at * (_WIDE - left - _RIGHT - 24)


def _along(mark: Mark, series: Series, what: Chart) -> float:
    """Series stand beside one another, or the whiskers of the last would hide the others'."""
    spread = min(len(what.series), 5)
    return _place(mark.at, what.scale) + (series.number % spread - (spread - 1) / 2) * 4


def _down(scale: Scale, mark: Mark) -> float:
    return _level(scale, mark.measure.value, _HIGH)


def _level(scale: Scale, value: float, high: int) -> float:
    return _TOP + (1 - scale.place(value)) * (high - _TOP - _BOTTOM)


def _marked(how: Numbers, series: Series, mark: Mark, along: float, scale: Scale) -> str:
    """A point with its whisker, and its number where the pointer rests."""
    measure, kind = mark.measure, series.number
    told = f"{series.title}, {mark.label}: {how.both(measure)} (n = {measure.n})"
    whisker = ""
    if measure.low is not None and measure.high is not None:
        top, bottom = _level(scale, measure.high, _HIGH), _level(scale, measure.low, _HIGH)
        whisker = f'<line x1="{along:.1f}" x2="{along:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'
    shape = sign(kind, along, _down(scale, mark))
    return f'<g class="mark s{kind % COLOURS}"><title>{escape(told)}</title>{whisker}{shape}</g>'


def sign(number: int, along: float, down: float) -> str:
    """The shape of a series, so that colour is not all that tells it from the others: filled, then hollow."""
    hollow = ' class="hollow"' if number % 8 > 3 else ""
    corners: tuple[tuple[float, float], ...]
    match number % 4:
        case 0:
            return f'<circle{hollow} cx="{along:.1f}" cy="{down:.1f}" r="4"/>'
        case 1:
            return f'<rect{hollow} x="{along - 3.6:.1f}" y="{down - 3.6:.1f}" width="7.2" height="7.2"/>'
        case 2:
            corners = ((along, down - 4.8), (along + 4.6, down + 3.6), (along - 4.6, down + 3.6))
        case _:
            corners = ((along, down - 5), (along + 5, down), (along, down + 5), (along - 5, down))
    return f'<polygon{hollow} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>'


def _bars(what: Chart) -> Iterator[str]:
    several = len(what.series) > 1
    rows = sum(len(series.marks) + several for series in what.series if series.marks)
    high = _TOP + rows * _BAR + 8
    yield _opening(_WIDE, high, what.title)
    down = _TOP
    for series in what.series:
        if several and series.marks:
            shape = sign(series.number, 10, down + _BAR / 2)
            yield f'<g class="mark s{series.number % COLOURS}">{shape}</g>'
            yield f'<text class="tick" x="20" y="{down + 14}">{escape(fit(series.title, 46))}</text>'
            down += _BAR
        for mark in series.marks:
            yield from _bar(what, series, mark, down)
            down += _BAR
    yield "</svg>"


def _bar(what: Chart, series: Series, mark: Mark, down: int) -> Iterator[str]:
    said = 12 + 6.8 * max(len(what.numbers.both(each.measure)) for one in what.series for each in one.marks)

    def along(value: float) -> float:
        return _BAR_LABEL + what.scale.place(value) * (_WIDE - _BAR_LABEL - said)

    measure, middle = mark.measure, down + _BAR / 2
    start, end = sorted((along(0.0), along(measure.value)))
    yield f'<text class="tick end" x="{_BAR_LABEL - 6}" y="{middle + 4}">{escape(fit(mark.label, 16))}</text>'
    yield f'<g class="bar s{series.number % COLOURS}"><title>n = {measure.n}</title>'
    yield f'<rect x="{start:.1f}" y="{down + 4}" width="{max(1.0, end - start):.1f}" height="{_BAR - 8}"/>'
    if measure.low is not None and measure.high is not None:
        yield f'<line x1="{along(measure.low):.1f}" x2="{along(measure.high):.1f}" y1="{middle}" y2="{middle}"/>'
    yield f'</g><text class="tick" x="{_WIDE - said + 8:.1f}" y="{middle + 4}">{what.numbers.both(measure)}</text>'


def plane(what: Plane) -> str:
    """Diversity against surprisal with the line where the gap is zero, as one `<svg>` element."""
    return "".join(_plane(what))


def _plane(what: Plane) -> Iterator[str]:
    def along(value: float) -> float:
        left = _left(what.up)
        return left + 10 + what.along.place(value) * (_PLANE_WIDE - left - _RIGHT - 20)

    def down(value: float) -> float:
        return _level(what.up, value, _PLANE_HIGH)

    yield _opening(_PLANE_WIDE, _PLANE_HIGH, what.title)
    yield from _frame(_PLANE_WIDE, _PLANE_HIGH, what.up)
    bottom = _PLANE_HIGH - _BOTTOM
    for value, text in what.along.ticks:
        yield f'<text class="tick middle" x="{along(value):.1f}" y="{bottom + 16}">{escape(text)}</text>'
    yield f'<text class="tick middle" x="{_PLANE_WIDE / 2}" y="{_PLANE_HIGH - 4}">{escape(what.along_title)}</text>'
    for track in what.tracks:
        if track.natural is not None:
            here = along(track.natural)
            yield f'<line class="natural s{track.number % COLOURS}" x1="{here:.1f}" x2="{here:.1f}" '
            yield f'y1="{_TOP}" y2="{bottom}"/>'
            yield f'<text class="tick middle" x="{here:.1f}" y="{_TOP - 2}">gap 0</text>'
    every = [spot.along for track in what.tracks for spot in track.spots]
    how_along, how_up = numbers(every), numbers([spot.up for track in what.tracks for spot in track.spots])
    for track in what.tracks:
        for spot in track.spots:
            x, y = along(spot.along.value), down(spot.up.value)
            told = f"{track.title}, {spot.label}: {how_up.both(spot.up)} at {how_along.both(spot.along)}"
            yield f'<g class="mark s{track.number % COLOURS}"><title>{escape(told)}</title>'
            yield _span(spot.along, along, y, vertical=False) + _span(spot.up, down, x, vertical=True)
            yield sign(track.number, x, y) + f'</g><text class="tick" x="{x + 8:.1f}" y="{y - 6:.1f}">'
            yield f"{escape(spot.label)}</text>"
    yield "</svg>"


def _span(measure: Measure, place: Callable[[float], float], other: float, *, vertical: bool) -> str:
    if measure.low is None or measure.high is None:
        return ""
    low, high = place(measure.low), place(measure.high)
    if vertical:
        return f'<line x1="{other:.1f}" x2="{other:.1f}" y1="{high:.1f}" y2="{low:.1f}"/>'
    return f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{other:.1f}" y2="{other:.1f}"/>'
