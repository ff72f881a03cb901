"""Where panes stand: as many as are readable at once, the others on further pages; never smaller than can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LEAST_WIDTH, LEAST_HEIGHT = 38, 9  # cells and rows of a pane, its title and facts among them
_WIDTH, _HEIGHT = 64, 18  # what reads best
_HOLE = 0.4  # how much an empty place counts against a grid
_ROW = 0.1  # and a row: what is compared stands side by side
STRIP_FROM = 70  # cells from which a strip stands beside the pane in focus
STRIP = 30


class Rect(NamedTuple):
    """A part of the screen, in cells and rows."""

    x: int
    y: int
    width: int
    height: int

    def has(self, x: int, y: int) -> bool:
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


class Shape(NamedTuple):
    """Columns and rows of a page, and how many pages there are."""

    columns: int
    rows: int
    pages: int

    @property
    def capacity(self) -> int:
        return self.columns * self.rows


def shape(count: int, width: int, height: int) -> Shape:
    """The grid with the fewest pages, and of those the one whose panes are nearest to what reads best."""
    most_columns = max(1, (width + 1) // (LEAST_WIDTH + 1))
    most_rows = max(1, height // LEAST_HEIGHT)
    best: tuple[tuple[int, float], Shape] | None = None
    for columns in range(1, min(most_columns, count) + 1):
        for rows in range(1, most_rows + 1):
            if rows > 1 and columns * (rows - 1) >= count:
                break
            pages = -(-count // (columns * rows))
            holes = columns * rows - count if pages == 1 else 0
            off = abs(math.log(max(1, width / columns) / _WIDTH)) + abs(math.log(max(1, height / rows) / _HEIGHT))
            cost = (pages, off + _HOLE * holes + _ROW * rows)
            if best is None or cost < best[0]:
                best = cost, Shape(columns, rows, pages)
    assert best is not None or count == 0
    return best[1] if best else Shape(1, 1, 1)


def cells(form: Shape, width: int, height: int) -> list[Rect]:
    """The places of one page, row by row, with a blank column between neighbours."""
    found = []
    top = 0
    for row in range(form.rows):
        tall = height // form.rows + (row < height % form.rows)
        left, free = 0, width - (form.columns - 1)
        for column in range(form.columns):
            wide = free // form.columns + (column < free % form.columns)
            found.append(Rect(left, top, wide, tall))
            left += wide + 1
        top += tall
    return found


def differing(before: Sequence[object], rows: Sequence[object], rect: Rect) -> list[Rect]:
    """Runs of rows that are not what they were, as parts of the screen; `rect` is the place of all."""
    if before is rows:
        return []
    found: list[Rect] = []
    for number, row in enumerate(rows):
        if number < len(before) and before[number] == row:
            continue
        y = rect.y + number
        if found and found[-1].y + found[-1].height == y:
            found[-1] = found[-1]._replace(height=found[-1].height + 1)
        else:
            found.append(Rect(rect.x, y, rect.width, 1))
    return found
