"""The answers behind each point of a ladder, one key away: on a terminal, after what a sweep shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptlab.analysis import Point, Reading, Sample
from promptlab.render.group import value_at
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, wrap_line

if TYPE_CHECKING:
    from rich.console import Console

KEYS = "123456789abcdefghijklmnoprstuvwxyz"  # q is for quitting
_MARKS = {"incomplete": "cut", "failed": "failed", "cancelled": "cancelled"}


def leaf(reading: Reading, sample_of: Callable[[int], Sample], paper: Console) -> None:
    """Show all answers of a point at its key, until any other one is pressed."""
    points = dict(zip(KEYS, reading.points, strict=False))
    if not points:
        return
    for line in _menu(reading, points, paper.width):
        paper.print(line, style="dim")
    with _single_keys():
        while (point := points.get(_key())) is not None:
            for line in _answers(reading, point, [sample_of(cell) for cell in point.cells], paper.width):
                paper.print(line)
            paper.print(f"another of {', '.join(points)}, or any other key to leave", style="dim")


def _menu(reading: Reading, points: dict[str, Point], cells: int) -> list[str]:
    told = "  ".join(f"{key}: {_title(reading, point)}" for key, point in points.items())
    return wrap_line(f"all answers of  {told}  (any other key to leave)", cells)


def _title(reading: Reading, point: Point) -> str:
    where = [f"{clean_line(name)} {value_at(point, name)}" for name in reading.axes]
    several = len({one.target for one in reading.points}) > 1
    return " ".join([clean_line(point.target)] * (several or not where) + where)


def _answers(reading: Reading, point: Point, samples: Sequence[Sample], cells: int) -> Iterator[str]:
    yield ""
    for number, sample in enumerate(samples, 1):
        mark = f" · {_MARKS[sample.state]}" if sample.state in _MARKS else ""
        row = f" · row {sample.row + 1}" if sample.row is not None else ""
        yield fit(f"── {_title(reading, point)}{row} · {number} of {len(samples)}{mark} ", cells)
        text = clean(sample.answer) or clean_line(sample.fault)
        for line in text.splitlines() or [""]:
            yield from wrap_line(line, cells)
        yield ""


@contextmanager
def _single_keys() -> Iterator[None]:
    """Keys as they are pressed, without Enter and unseen; the terminal is put back whatever happens."""
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _key() -> str:
    """The key that is pressed; an empty string at the end of input or Ctrl-C."""
    try:
        return os.read(sys.stdin.fileno(), 1).decode("ascii", "ignore")
    except (KeyboardInterrupt, OSError):
        return ""
