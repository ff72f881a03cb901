"""Votes as SVG for the report: each pair as a bar with its interval, the ranking, and who met whom.

As in `render.svg` no style stands in it: colours come by class from the page. Every text is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from promptlab.analysis.interval import Estimate
from promptlab.analysis.preference import Pair
from promptlab.analysis.ranking import Graph
from promptlab.analysis.showing import Ladder
from promptlab.render.picture import COLOURS
from promptlab.render.preference import odds, share
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, width

_WIDE, _RIGHT, _TOP, _ROW = 760, 16, 44, 34
_BAR_FROM, _BAR_TO, _RATE_FROM, _RATE_TO = 44, 372, 448, 596
_LABEL = 250  # user units for an arm's name in the ranking
_CIRCLE = 360


def colour(number: int) -> str:
    """The class of an arm's colour."""
    return f"s{number % COLOURS}"


def _opening(wide: int, high: int, told: str) -> str:
    return f'<svg viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" aria-label="{escape(told)}">'


def _said(x: float, y: float, text: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def pair_bars(found: Sequence[Pair], letters: Mapping[str, str]) -> str:
    """Each pair as a row: wins, ties and losses as a bar, and the rate with its interval from 0 to 100%."""
    return "".join(_pair_bars(found, letters))


def _pair_bars(found: Sequence[Pair], letters: Mapping[str, str]) -> Iterator[str]:
    numbers = {letter: number for number, letter in enumerate(letters.values())}
    high = _TOP + _ROW * len(found) + 8
    yield _opening(_WIDE, high, "votes by pair")
    yield _said(_BAR_FROM, 16, "votes: for the one, neither, for the other", "name")
    yield _said(_RATE_FROM, 16, "won of the decided, with 95% interval", "name")
    for part, label in ((0.0, "0%"), (0.5, "50%"), (1.0, "100%")):
        x = _RATE_FROM + part * (_RATE_TO - _RATE_FROM)
        kind = "half" if part == 0.5 else "grid"
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{high - 8}"/>'
        yield _said(x, _TOP - 9, label, "tick middle")
    for row, pair in enumerate(found):
        yield from _pair_row(pair, letters, numbers, _TOP + _ROW * row + _ROW / 2)
    yield "</svg>"


def _pair_row(pair: Pair, letters: Mapping[str, str], numbers: Mapping[str, int], middle: float) -> Iterator[str]:
    one, other = letters[pair.a], letters[pair.b]
    first, second = colour(numbers[one]), colour(numbers[other])
    neither = pair.ties + pair.bad
    unit = (_BAR_TO - _BAR_FROM) / pair.cast
    yield f'<g class="{first}">{_said(_BAR_FROM - 10, middle + 4, one, "letter end")}</g>'
    yield f'<g class="{second}">{_said(_BAR_TO + 10, middle + 4, other, "letter")}</g>'
    x = float(_BAR_FROM)
    for many, kind, which, told in ((pair.wins.won, "won", first, f"{one} won"), (neither, "tie", "", "neither"),
                                    (pair.losses, "lost", second, f"{other} won")):  # fmt: skip
        if not many:
            continue
        wide = many * unit
        yield f'<g class="{which}"><title>{escape(told)}: {many}</title>'
        yield f'<rect class="{kind}" x="{x:.1f}" y="{middle - 10:.1f}" width="{max(1.0, wide - 1):.1f}" height="20"/>'
        if wide > 8 * len(str(many)) + 4:
            yield _said(x + wide / 2, middle + 4, str(many), "inside middle" if which else "middle")
        yield "</g>"
        x += wide
    if pair.wins.rate is None:
        yield _said(_RATE_TO + 12, middle + 4, "nothing decided")
        return
    yield from _whisker(pair.wins.rate, _RATE_FROM, _RATE_TO - _RATE_FROM, 0.0, 1.0, middle, first)
    yield _said(_RATE_TO + 12, middle + 4, share(pair.wins.rate))


def _whisker(
    one: Estimate, start: float, wide: float, low: float, high: float, y: float, kind: str
) -> Iterator[str]:  # fmt: skip
    def at(value: float) -> float:
        return start + (min(max(value, low), high) - low) / (high - low) * wide

    yield f'<g class="mark {kind}">'
    if one.low is not None and one.high is not None:
        yield f'<line x1="{at(one.low):.1f}" x2="{at(one.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<circle cx="{at(one.value):.1f}" cy="{y:.1f}" r="4"/></g>'


def ranking(ladder: Ladder, letters: Mapping[str, str]) -> str:
    """The strengths with their intervals, best first; hollow: at equal length."""
    return "".join(_ranking(ladder, letters))


def _ranking(ladder: Ladder, letters: Mapping[str, str]) -> Iterator[str]:
    standings = ladder.ranking.standings
    even = {each.arm: each.strength for each in ladder.even.standings} if ladder.even else {}
    every = [*(each.strength for each in standings), *even.values()]
    low = min(0.0, *(one.value if one.low is None else one.low for one in every))
    high = max(0.0, *(one.value if one.high is None else one.high for one in every))
    wide, start = _WIDE - _LABEL - 190, _LABEL
    tall = _TOP + (_ROW + 4) * len(standings) + 8
    numbers = {letter: number for number, letter in enumerate(letters.values())}
    yield _opening(_WIDE, tall, "ranking")
    yield _said(8, 16, "strength in log-odds against the average, with 95% interval"
                + ("; hollow: at equal length" if even else ""), "name")  # fmt: skip
    for value in _ticks(low, high):
        x = start + (value - low) / (high - low) * wide
        kind = "half" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 4}" y2="{tall - 8}"/>'
        yield _said(x, _TOP - 9, f"{value:+g}" if value else "0", "tick middle")
    for row, each in enumerate(standings):
        middle = _TOP + (_ROW + 4) * row + _ROW / 2
        letter = letters[each.arm]
        kind = colour(numbers[letter])
        yield f'<g class="{kind}">{_said(8, middle + 4, letter, "letter")}</g>'
        yield _said(34, middle + 4, fit(clean_line(each.arm), 30), "")
        yield from _whisker(each.strength, start, wide, low, high, middle - (4 if even else 0), kind)
        if each.arm in even:
            yield '<g class="open">'
            yield from _whisker(even[each.arm], start, wide, low, high, middle + 7, kind)
            yield "</g>"
        yield _said(_WIDE - 174, middle + 4, odds(each.strength))
    yield "</svg>"


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers between, 0 among them, at most nine."""
    step = next(step for step in (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0) if (high - low) / step <= 8)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def graph(found: Graph, letters: Mapping[str, str]) -> str:
    """Who was compared with whom: arms on a circle, a line for each pair with its number of votes."""
    return "".join(_graph(found, letters))


def _graph(found: Graph, letters: Mapping[str, str]) -> Iterator[str]:
    names = [arm for arm in letters if arm in found.arms]
    middle, far = _CIRCLE / 2, _CIRCLE / 2 - 40
    spots = {
        arm: (middle + far * math.sin(2 * math.pi * n / len(names)),
              middle - far * math.cos(2 * math.pi * n / len(names)))
        for n, arm in enumerate(names)
    }  # fmt: skip
    most = max(found.votes.values(), default=1)
    numbers = {letter: number for number, letter in enumerate(letters.values())}
    yield _opening(_CIRCLE, _CIRCLE, "who was compared with whom")
    for (a, b), many in found.votes.items():
        (ax, ay), (bx, by) = spots[a], spots[b]
        yield f'<line class="edge" x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" '
        yield f'stroke-width="{1 + 7 * many / most:.1f}"><title>{letters[a]} and {letters[b]}: {many}</title></line>'
    if len(names) <= 10:  # beyond that numbers would hide each other; they are in the table
        for (a, b), many in found.votes.items():
            (ax, ay), (bx, by) = spots[a], spots[b]
            x, y = ax * 0.58 + bx * 0.42, ay * 0.58 + by * 0.42
            wide = 7 * width(str(many)) + 8
            yield f'<rect class="paper" x="{x - wide / 2:.1f}" y="{y - 9:.1f}" width="{wide}" height="18" rx="4"/>'
            yield _said(x, y + 4, str(many), "middle")
    for arm, (x, y) in spots.items():
        yield f'<g class="{colour(numbers[letters[arm]])}"><title>{escape(clean_line(arm))}</title>'
        yield f'<circle class="node" cx="{x:.1f}" cy="{y:.1f}" r="17"/>'
        yield f"{_said(x, y + 4, letters[arm], 'letter middle')}</g>"
    yield "</svg>"
