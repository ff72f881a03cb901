"""The plots: honest scales, intervals, and never a curve where the axis does nothing."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.analysis import Measure, Point, Reading
from promptlab.render import wrap
from promptlab.render.chart import charts, plane, scale
from promptlab.render.plot import plots
from tests import reading as made

BRAILLE = {chr(number) for number in range(0x2801, 0x2900)}


def swept(values: dict[float | str | None, float], *, name: str = "temperature") -> Reading:
    points = tuple(
        Point("local", {name: at}, (number,), number, {"vendi": Measure(value, value, value, 5)}, answered=5)
        for number, (at, value) in enumerate(values.items())
    )
    return Reading({name: tuple(values)}, points, (), ("vendi",))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_a_scale_holds_both_ends_between_round_ticks(low: float, size: float, most: int) -> None:
    high = low + size
    made_of = scale(low, high, most)
    slack = size * 1e-6
    assert made_of.low <= low + slack
    assert made_of.high >= high - slack
    assert 2 <= len(made_of.ticks) <= most + 2
    assert len({text for _, text in made_of.ticks}) == len(made_of.ticks)
    assert all(math.isclose(float(text), value, abs_tol=size * 1e-3) for value, text in made_of.ticks)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 1e-9, 1e9])
def test_a_scale_of_one_value_still_has_room(value: float) -> None:
    assert 0 < scale(value, value, 4).place(value) < 1


@pytest.mark.parametrize("width", [38, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [3, 8, 16])
def test_no_line_is_wider_than_the_terminal(width: int, height: int) -> None:
    for reading in (made.reading(), made.efforts()):
        assert max(map(wrap.width, plots(reading, width, height).lines())) <= width


def test_places_along_the_axis_are_those_of_its_numbers() -> None:
    chart = charts(swept({0.0: 1.0, 0.5: 2.0, 2.0: 3.0}))[0]
    assert [place for place, _ in chart.places] == [0.0, 0.25, 1.0]
    line = next(line for line in plots(swept({0.0: 1.0, 0.5: 2.0, 2.0: 3.0}), 50).lines() if "┬" in line)
    ticks = [at for at, sign in enumerate(line) if sign == "┬"]
    assert ticks[1] - ticks[0] == pytest.approx((ticks[2] - ticks[0]) / 4, abs=1)


def test_marks_rise_with_their_values() -> None:
    lines = plots(swept({0.0: 0.0, 1.0: 1.0, 2.0: 2.0}), 50, 9).lines()[1:10]
    rows = [next(at for at, line in enumerate(lines) if line[column:].startswith("●"))
            for column in sorted({line.index("●") for line in lines if "●" in line})]  # fmt: skip
    assert rows == [8, 4, 0]


def test_default_is_a_point_of_its_own_that_no_line_runs_to() -> None:
    chart = charts(swept({0.0: 1.0, 1.0: 2.0, None: 3.0}))[0]
    assert [(mark.label, mark.joined) for mark in chart.series[0].marks] == [
        ("0", True), ("1", True), ("default", False),
    ]  # fmt: skip
    assert chart.places[-1] == (1.0, "default")


def test_a_void_axis_is_one_mark_and_never_a_curve() -> None:
    for chart in charts(made.reading()):
        remote = chart.series[1]
        assert [(mark.label, mark.joined) for mark in remote.marks] in ([("ignored", False)], [])
    only = dataclasses.replace(made.reading(), points=made.reading().points[-1:])
    text = str(plots(only, 80, names=["vendi"]))
    assert not BRAILLE & set(text)
    assert "ignored" in text
    lines = plots(made.reading(), 38, names=["distinct_2"]).lines()
    assert sum(line.count("■") for line in lines) == 2  # its mark and the legend's


def test_the_whisker_reaches_both_ends_of_the_interval() -> None:
    point = Point("local", {"temperature": 1.0}, (0,), 0, {"vendi": Measure(2.0, 0.0, 4.0, 5)}, answered=5)
    other = Point("local", {"temperature": 2.0}, (1,), 1, {"vendi": Measure(2.0, 1.0, 3.0, 5)}, answered=5)
    reading = Reading({"temperature": (1.0, 2.0)}, (point, other), (), ("vendi",))
    lines = plots(reading, 40, 9, names=["vendi"]).lines()[1:10]
    first = min(line.index("●") for line in lines if "●" in line)
    assert [line[first] for line in lines] == ["│"] * 4 + ["●"] + ["│"] * 4


def test_an_axis_of_words_makes_bars_from_zero() -> None:
    lines = plots(swept({"low": 1.0, "high": 2.0}, name="effort"), 60).lines()
    low, high = (line.count("█") + line.count("▓") for line in lines[1:3])
    assert high == pytest.approx(2 * low, abs=1)
    assert not BRAILLE & set("".join(lines))


def test_bars_go_left_of_zero_and_chinese_labels_line_up() -> None:
    text = plots(made.efforts(), 60, names=["gap"]).lines()
    below, above = text[2], text[-3]
    assert below.index("█") < above.index("█")
    lines = plots(swept({"低": 1.0, "非常高": 1.0}, name="var.语气"), 60, names=["vendi"]).lines()
    assert len({wrap.width(line[: line.index("█" if "█" in line else "▓")]) for line in lines[1:3]}) == 1


def test_the_plane_has_its_line_where_the_gap_is_zero() -> None:
    surface = plane(made.reading())
    assert surface is not None
    track = surface.tracks[0]
    at_one = next(spot for spot in track.spots if spot.label == "1")
    assert track.natural == pytest.approx(at_one.along.value, abs=0.01)
    assert len(surface.tracks) == 1  # no log probabilities, no place in it
    drawn = str(plots(made.reading(), 80))
    assert "distinct-2 against surprisal" in drawn
    assert "1.8" in drawn.split("against surprisal")[1]


def test_no_line_where_the_gap_does_not_cross_zero_and_no_plane_without_log_probabilities() -> None:
    reading = made.reading()
    cold = dataclasses.replace(reading, points=reading.points[:2])
    surface = plane(cold)
    assert surface is not None
    assert surface.tracks[0].natural is None
    assert "does not cross zero" in " ".join(plots(cold, 80).lines())
    assert plane(dataclasses.replace(reading, measures=("distinct_2", "gap"))) is None


def test_what_is_not_drawn_is_named_and_numbers_that_are_none_are_left_out() -> None:
    text = " ".join(plots(made.reading(), 120).lines())
    assert "not drawn: openings, tokens, time (s); one point only, so not drawn: cost ($)" in text
    assert charts(swept({0.0: math.nan, 1.0: math.inf})) == ()
    assert plots(Reading({}, ()), 80).lines() == []


def measured(**values: float) -> Reading:
    """A reading of two points: every measure is 0 at the first, and this at the second."""
    first, second = ({name: Measure(value * at, None, None, 5) for name, value in values.items()} for at in (0, 1))
    points = (
        Point("local", {"temperature": 0.0}, (0,), 0, first),
        Point("local", {"temperature": 1.0}, (1,), 1, second),
    )
    return Reading({"temperature": (0.0, 1.0)}, points, (), tuple(values))


def test_at_most_six_are_drawn_and_those_that_tell_most() -> None:
    names = (
        "passed",
        "check:a",
        "distinct_2",
        "vendi",
        "surprisal",
        "gap",
        "repetition",
        "agreement",
        "length",
        "time",
    )
    lines = plots(measured(**dict.fromkeys(names, 1.0)), 120, 3).lines()
    assert "not drawn: a, same text, length, time (s)" in " ".join(lines)
    few = plots(measured(time=1.0, **{"check:b": 1.0}, agreement=1.0, majority=1.0), 120, 3).lines()
    assert "b" in few[0].split() and "majority" in few[0].split()
    assert "not drawn: time (s), same text" in " ".join(few)
    assert plots(measured(time=1.0), 60, 3).lines()[0].strip() == "time (s)"  # better than nothing


def test_a_measure_that_is_the_same_everywhere_is_named_and_not_drawn() -> None:
    lines = plots(measured(distinct_2=1.0, repetition=0.0), 60, 3).lines()
    assert not [line for line in lines[:-2] if "repetition" in line]
    assert "the same everywhere, so not drawn: repetition" in " ".join(lines)
    assert "the same everywhere" in " ".join(plots(measured(repetition=0.0), 60).lines())
    assert "repetition" in plots(measured(repetition=0.0), 60, names=["repetition"]).lines()[0]
    one = Reading({"temperature": (1.0,)}, measured(repetition=0.0).points[:1], (), ("repetition",))
    assert plots(one, 60).lines() == ["one point only, so not drawn: repetition"]


@pytest.mark.parametrize(
    ("name", "values", "drawn"),
    [("repetition", (0.0001, 0.0009), False), ("surprisal", (0.2204, 0.2210), False), ("surprisal", (0.1, 0.9), True),
     ("cost", (0.0001, 0.0009), True), ("cost", (0.002204, 0.002210), False), ("repetition", (0.22, 0.23), True)],
)  # fmt: skip
def test_a_range_too_narrow_to_see_is_named_and_not_drawn(name: str, values: tuple[float, float], drawn: bool) -> None:
    points = tuple(Point("local", {"temperature": at}, (at,), at, {name: Measure(value, None, None, 5)})
                   for at, value in enumerate(values))  # fmt: skip
    text = str(plots(Reading({"temperature": (0, 1)}, points, (), (name,)), 100))
    assert ("too narrow to draw, so not drawn: " not in text) is drawn and ("┤" in text) is drawn


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_share_keeps_to_its_ends(value: float) -> None:
    points = tuple(Point("local", {"temperature": at}, (at,), at, {"repetition": Measure(value, None, None, 5)})
                   for at in (0, 1))  # fmt: skip
    (chart,) = charts(Reading({"temperature": (0, 1)}, points, (), ("repetition",)))
    assert (chart.scale.low, chart.scale.high) == (0.0, 1.0)


@pytest.mark.parametrize("height", [3, 6, 7, 8, 9, 12])
@pytest.mark.parametrize("most", [0.3, 0.62, 0.75, 0.9, 1.0, 2.4, 31.0])
def test_ticks_stand_equally_far_apart(most: float, height: int) -> None:
    lines = plots(measured(vendi=most, distinct_2=min(1.0, most / 2)), 38, height, names=["vendi"]).lines()
    at = [number for number, line in enumerate(lines) if "┤" in line]
    assert len(at) > 1 and len({right - left for left, right in pairwise(at)}) == 1, lines


def test_charts_side_by_side_are_equally_high() -> None:
    lines = plots(measured(vendi=2.4, distinct_2=0.75, length=3.0), 130).lines()
    assert [line.count("└") for line in lines if "└" in line] == [3]


def test_one_series_more_than_there_are_colours_keeps_its_own_marker() -> None:
    points = tuple(
        Point(f"m/{target}", {"temperature": at}, (), None, {"vendi": Measure(target, None, None, 2)})
        for target in range(8) for at in (0.0, 1.0)
    )  # fmt: skip
    text = str(plots(Reading({"temperature": (0.0, 1.0)}, points, (), ("vendi",)), 80))
    assert all(f"{marker} m/{number}" in text for number, marker in enumerate("●■▲◆○□△◇"))
