"""The ladder of a sweep: one rung per value of the first axis with the answer that stands for it, per target.

Where three rungs or more fit side by side they stand as columns, else one under another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from promptlab.analysis import Point, Reading, Sample
from promptlab.render.group import Group, count, groups, step
from promptlab.render.picture import BLANK, GAP, Picture, Piece, Row, beside, row
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, wrap_line
from promptlab.render.wrap import width as cells_of

LEAST = 38  # cells of a column
HEIGHT = 8  # lines of an answer
SEPARATOR = " · "
_INDENT = "  "
_REASON = 3  # lines of a reason of failure
_MOST_READ = 20_000  # characters of an answer: more lines than any terminal shows


@dataclass(frozen=True, slots=True)
class _Rung:
    title: str
    facts: str
    troubles: str
    reason: str
    prompt: str
    lines: list[str]
    more: str


def ladder(reading: Reading, answer_of: Callable[[int], Sample], width: int, *, height: int = HEIGHT) -> Picture:
    """The ladder, at most `width` cells wide, each answer cut to `height` lines with word of how many more there are.

    `answer_of` gives the sample of a cell by its number; it is asked once a point, for the answer that is shown."""
    together = groups(reading)
    rows: list[Row] = []
    if len(reading.axes) == 0:  # targets only: they are the rungs
        everything = tuple(point for group in together for point in group.points)
        return Picture(tuple(_group(reading, Group("", (), everything, False), answer_of, width, height)))
    for group in together:
        rows += [BLANK] * bool(rows) + [row(fit(group.title, width), "title")]
        rows += _group(reading, group, answer_of, width, height)
    return Picture(tuple(rows))


def _group(reading: Reading, group: Group, answer_of: Callable[[int], Sample], width: int, height: int) -> list[Row]:
    points = group.points
    across = _across(len(points), width)
    if across > 1:
        cells = (width - len(GAP) * (across - 1)) // across
        rows: list[Row] = []
        for start in range(0, len(points), across):
            blocks = [_column(_rung(reading, group, point, answer_of, cells, height), cells)
                      for point in points[start : start + across]]  # fmt: skip
            rows += [BLANK] * bool(rows) + list(beside(blocks, cells))
        return rows
    cells = max(2, width - len(_INDENT))
    return [line for point in points for line in _lying(_rung(reading, group, point, answer_of, cells, height), width)]


def _across(number: int, width: int) -> int:
    """How many rungs stand side by side: all, or three and more in even rows; else one."""
    most = (width + len(GAP)) // (LEAST + len(GAP))
    if number <= 1 or (most < 3 and number > most):
        return 1
    rows = -(-number // min(number, most))
    return -(-number // rows)


def _rung(
    reading: Reading, group: Group, point: Point, answer_of: Callable[[int], Sample], cells: int, height: int
) -> _Rung:  # fmt: skip
    sample = answer_of(point.shown) if point.shown is not None else None
    shown = sample.answer if sample else ""
    failed = 0 if point.faults else point.failed  # else it is told with the reason
    troubles = " · ".join(f"{n} {word}" for n, word in ((failed, "failed"), (point.cut, "cut")) if n)
    lines = [part for line in _text(shown) for part in wrap_line(line, cells)] if shown else []
    more = count(len(lines) - height, "more line") if len(lines) > height else ""
    if len(shown) > _MOST_READ:
        more = f"over {more}" if more else "more"
    return _Rung(step(reading, point, group.paired), _facts(point), troubles, _reason(point), _prompt(point, sample),
                 lines[:height], more)  # fmt: skip


def _facts(point: Point) -> str:
    if not point.answered:
        return "no answer"
    if point.rows > 1:  # answers to different prompts are distinct whatever the model does
        return f"{count(point.answered, 'answer')} to {count(point.rows, 'prompt')}"
    if point.answered == 1:
        return "1 answer"
    return f"{count(point.answered, 'answer')}, {point.distinct} distinct"


def _reason(point: Point) -> str:
    """How many requests failed, and why most of them did."""
    if not point.faults:
        return ""
    why, times = point.faults[0]
    most = f", {times} of them" if times < point.failed else ""
    return f"{point.failed} failed{most}: {clean_line(why)}"


def _prompt(point: Point, sample: Sample | None) -> str:
    """Which of several prompts the shown answer answers: its row, and how it begins."""
    if sample is None or point.rows < 2:
        return ""
    row_of = [f"row {sample.row + 1}"] if sample.row is not None else []
    return ": ".join([*row_of, *([clean_line(point.prompt)] if point.prompt else [])])


def _text(answer: str) -> list[str]:
    lines = clean(answer[:_MOST_READ]).strip().split("\n")
    return [line for number, line in enumerate(lines) if line.strip() or (number and lines[number - 1].strip())]


def _body(rung: _Rung, cells: int) -> Iterable[Row]:
    if rung.reason:
        yield from (row(line, "fault") for line in wrap_line(rung.reason, cells)[:_REASON])
    if rung.prompt:
        yield row(fit(rung.prompt, cells), "dim")
    yield from (row(line) for line in rung.lines)
    if rung.more:
        yield row(f"… {rung.more}", "dim")


def _column(rung: _Rung, cells: int) -> list[Row]:
    told: list[Row] = [row(rung.facts, "dim")] if rung.facts else []
    if rung.troubles and cells_of(rung.facts + SEPARATOR + rung.troubles) <= cells:
        told = [(Piece(rung.facts + SEPARATOR, "dim"), Piece(rung.troubles, "fault"))]
    elif rung.troubles:
        told.append(row(rung.troubles, "fault"))
    return [row(rung.title, "strong"), *told, *_body(rung, cells)]


def _lying(rung: _Rung, width: int) -> list[Row]:
    """One rung over the whole width: its facts behind its title, or under it where they don't fit."""
    rows: list[list[Piece]] = [[Piece(fit(rung.title, width), "strong")]]
    left = width - cells_of(rung.title)
    for text, style in ((rung.facts, "dim"), (rung.troubles, "fault")):
        if not text:
            continue
        if cells_of(SEPARATOR + text) <= left:
            rows[-1] += [Piece(SEPARATOR, "dim"), Piece(text, style)]
            left -= cells_of(SEPARATOR + text)
        else:
            rows.append([Piece(_INDENT + fit(text, width - len(_INDENT)), style)])
            left = width - cells_of(_INDENT + text)
    return [*map(tuple, rows), *((Piece(_INDENT), *line) for line in _body(rung, max(2, width - len(_INDENT))))]
