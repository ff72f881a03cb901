"""The measures of a sweep as a table: a row per point, a column per measure, each with its 95% interval.

Both ends of an interval are written, `0.57 [0.50, 0.64]`: most are not symmetric (Wilson's, the jackknife's near an
end), and `±` would say that they are. Where that is too wide for the terminal the interval stands under its value,
and columns that still don't fit are left out and named. Nothing is marked as best: a measure describes."""

from __future__ import annotations

from dataclasses import dataclass

from promptlab.analysis import Measure, Point, Reading
from promptlab.render import wrap
from promptlab.render.group import (
    IGNORED,
    Numbers,
    axis_name,
    groups,
    numbers,
    of,
    shades,
    value_at,
)
from promptlab.render.picture import BLANK, HEATS, Picture, Piece, Row, clipped, row
from promptlab.render.sanitise import clean_line
from promptlab.render.words import ENGLISH, Words
from promptlab.render.wrap import fit, pad, wrap_line

_BETWEEN = 2  # cells between columns
_LABEL = 16  # the most cells of one axis's values


@dataclass(frozen=True, slots=True)
class _Column:
    """One measure: its heading, how its numbers are written, and the step of the colour scale of each point."""

    name: str
    heading: tuple[str, ...]
    numbers: Numbers
    heat: dict[int, int]
    values: int
    intervals: int
    measures: tuple[Measure | None, ...]

    def cells(self, stacked: bool) -> int:
        joined = self.intervals and not stacked
        body = self.values + 1 + self.intervals if joined else max(self.values, self.intervals)
        return max(body, *map(wrap.width, self.heading))


def measures(reading: Reading, width: int, *, color: bool, words: Words = ENGLISH) -> Picture:
    """The table, at most `width` cells wide. `color`: shade each column from its least to its greatest value."""
    if not reading.points:
        return Picture()
    labels = _labels(reading, words)
    left = sum(cells for _, cells in labels) + _BETWEEN * (len(labels) - 1)
    columns = [_column(reading, name, color, words) for name in reading.measures]
    stacked = _total(left, columns, False) > width
    shown = columns
    while shown and _total(left, shown, stacked) > width:
        shown = shown[:-1]
    rows: list[Row] = [*_headings(labels, shown, stacked, words)]
    number = 0
    together = groups(reading)
    several = len({group.target for group in together}) > 1
    target = ""
    for group in together:
        if several and group.target != target:
            rows += [BLANK] * bool(target) + [row(fit(clean_line(group.target), width), "title")]
        target = group.target
        for point in group.points:
            rows += _rows(reading, point, number, labels, shown, stacked, words)
            number += 1
    rows += [row(line, "dim") for line in _legend(columns, shown, width, words)]
    return Picture(tuple(clipped(line, width) for line in rows))


def _labels(reading: Reading, words: Words) -> list[tuple[str, int]]:
    """What stands left of the numbers, with its width: the axes, and how many answered."""
    labels = []
    for name in reading.axes:
        longest = max((wrap.width(_at(point, name, words)) for point in reading.points), default=0)
        labels.append((name, min(_LABEL, max(longest, wrap.width(axis_name(name))))))
    heading = wrap.width(words("answers"))
    return [*labels, ("answers", max(heading, *(wrap.width(_answered(point, words)) for point in reading.points)))]


def _at(point: Point, axis: str, words: Words) -> str:
    said = value_at(point, axis)
    return words("ignored") if said == IGNORED else said


def _answered(point: Point, words: Words) -> str:
    count, all = point.answered, len(point.cells)
    return words("answered", count=count, all=all) if count != all else str(count)


def _column(reading: Reading, name: str, color: bool, words: Words) -> _Column:
    points = [point for group in groups(reading) for point in group.points]
    found = of(points, name)
    how = numbers(found)
    heat = shades({at: each.value for at, each in enumerate(found) if each}, HEATS) if color else {}
    return _Column(
        name, tuple(_heading(words.measure(name))), how, heat,
        max(wrap.width(how.value(each)) for each in found), max(wrap.width(how.interval(each)) for each in found),
        tuple(found),
    )  # fmt: skip


def _heading(name: str) -> list[str]:
    if wrap.width(name) <= 14:
        return [name]
    lines = wrap_line(name, 12)
    return lines if len(lines) <= 3 else [*lines[:2], fit("".join(lines[2:]), 12)]


def _total(left: int, columns: list[_Column], stacked: bool) -> int:
    return left + sum(_BETWEEN + column.cells(stacked) for column in columns)


def _headings(labels: list[tuple[str, int]], columns: list[_Column], stacked: bool, words: Words) -> list[Row]:
    height = max((len(column.heading) for column in columns), default=1)
    rows = []
    for line in range(height):
        last = line == height - 1
        named = [axis_name(name) for name, _ in labels[:-1]] + [words("answers")]
        pieces = [pad(name if last else "", cells) for name, (_, cells) in zip(named, labels, strict=True)]
        for column in columns:
            at = line - height + len(column.heading)
            pieces.append(pad(column.heading[at] if at >= 0 else "", column.cells(stacked)))
        rows.append(row((" " * _BETWEEN).join(pieces).rstrip(), "strong"))
    return rows


def _rows(
    reading: Reading, point: Point, number: int, labels: list[tuple[str, int]], columns: list[_Column], stacked: bool,
    words: Words,
) -> list[Row]:  # fmt: skip
    """One point as one row, or as two where the intervals stand under the values."""
    pieces: list[Piece] = []
    for name, cells in labels:
        counts = name == "answers" and name not in reading.axes
        told = _answered(point, words) if counts else _at(point, name, words)
        style = "dim" if not counts and name in point.void else "fault" if name == "answers" and point.failed else ""
        pieces += [Piece(pad(told, cells), style), Piece(" " * _BETWEEN)]
    under: list[Piece] = [Piece(" " * sum(wrap.width(text) for text, _ in pieces))]
    for column in columns:
        measure = point.measures.get(column.name)
        step = column.heat.get(number)
        value = column.numbers.value(measure)
        shade = Piece(" " * (column.values - wrap.width(value)) + value, f"heat{step}" if step is not None else "")
        pieces += [shade, *_beside(column, measure, stacked)]
        under += [Piece(pad(column.numbers.interval(measure), column.cells(True)), "dim"), Piece(" " * _BETWEEN)]
    pieces.pop()  # the gap that no column follows
    under.pop()
    return [tuple(pieces), tuple(under)] if stacked and columns else [tuple(pieces)]


def _beside(column: _Column, measure: Measure | None, stacked: bool) -> list[Piece]:
    """What stands right of a value: its interval, unless that has a row of its own, and the gap to the next column."""
    interval = "" if stacked else column.numbers.interval(measure)
    room = column.cells(stacked) - column.values
    return [Piece(pad(f" {interval}" if interval else "", room), "dim"), Piece(" " * _BETWEEN)]


def _legend(columns: list[_Column], shown: list[_Column], width: int, words: Words) -> list[str]:
    """What the signs mean, as far as there are any, and what had no room."""
    said = []
    if any(column.intervals for column in shown):
        said.append(words("brackets"))
    if any(measure.estimated for column in shown for measure in column.measures if measure):
        said.append(words("estimated"))
    if any(column.heat for column in shown):
        said.append(words("shades"))
    if dropped := columns[len(shown) :]:
        said.append(words("no_room", names=words.listed([column.name for column in dropped])))
    return [line for text in said for line in wrap_line(text, max(2, width))]
