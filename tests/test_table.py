"""The table of measures: both ends of every interval, what had no room, and shades that say nothing alone."""

from __future__ import annotations

import pytest

from promptlab.analysis import Measure, Point, Reading
from promptlab.render import wrap
from promptlab.render.table import measures
from tests import reading as given


def table(values: list[Measure | None], width: int = 80, *, color: bool = False) -> list[str]:
    points = tuple(
        Point("local", {"temperature": float(at)}, (at,), at, {"compression": each} if each else {}, answered=1)
        for at, each in enumerate(values)
    )
    return measures(Reading({"temperature": (0.0, 1.0)}, points, (), ("compression",)), width, color=color).lines()


@pytest.mark.parametrize("width", [12, 30, 44, 80, *range(90, 130), 200, 400])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    for reading in (given.reading(), given.efforts()):
        lines = measures(reading, width, color=True).lines()
        assert max(map(wrap.width, lines)) <= width
        assert width < 44 or "…" not in "".join(lines)  # no number is cut


def test_both_ends_of_the_interval_beside_the_value_or_under_it() -> None:
    assert "0.1          5        0.12 [0.03, 0.19]" in str(measures(given.reading(), 400, color=False))
    lines = measures(given.reading(), 80, color=False).lines()
    at = next(number for number, line in enumerate(lines) if line.startswith("0.1"))
    assert lines[at].index("0.12") == lines[at + 1].index("[0.03, 0.19]")


def test_what_has_no_room_is_named() -> None:
    narrow = " ".join(measures(given.reading(), 80, color=False).lines())
    wide = str(measures(given.reading(), 400, color=False))
    assert "no room for lines 4x5" not in wide
    dropped = narrow.split("no room for ")[1]
    shown = narrow.split("in brackets")[0]
    for title in ("surprisal", "gap", "tokens", "time", "cost"):
        assert (title in dropped) != (title in shown)
    assert "no room" not in wide


def test_missing_estimated_and_failed_are_marked() -> None:
    text = str(measures(given.reading(), 400, color=False))
    assert "≈66.0" in text
    assert "≈: counted by an estimate" in text
    assert "4 of 5" in text
    assert next(line for line in text.splitlines() if line.startswith("ignored")).split()[1] == "14"
    assert "–" in text
    assert table([Measure(float("nan"), None, None, 1), None])[1].split() == ["0", "1", "–"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.00012, 0.5], ["0.00", "0.50"]),
        ([0.00012, 0.00034], ["0.00012", "0.00034"]),
        ([1234.5, 12.0], ["1234", "12"]),
        ([12.34, 5.0], ["12.3", "5.0"]),
        ([-0.0001, 0.9], ["0.00", "0.90"]),
    ],
)
def test_a_column_has_the_same_decimals_throughout(values: list[float], told: list[str]) -> None:
    lines = table([Measure(value, None, None, 1) for value in values])
    assert [line.split()[-1] for line in lines[1:3]] == told


def test_shades_go_from_least_to_greatest_and_only_where_colour_is_on() -> None:
    heat = [
        [piece.style for piece in row if piece.style.startswith("heat")]
        for row in measures(given.reading(), 60, color=True).rows
    ]
    first = [styles[0] for styles in heat if styles]
    assert first[0] == "heat0"
    assert first[6] == "heat4"
    assert first == [*sorted(first[:-1]), first[-1]]
    plain = measures(given.reading(), 60, color=False)
    assert not any(piece.style.startswith("heat") for row in plain.rows for piece in row)
    assert "shades" not in str(plain)
    assert [line for line in measures(given.reading(), 60, color=True).lines() if "shade" not in line][
        :20
    ] == plain.lines()[:20]


def test_equal_values_have_no_shade() -> None:
    assert not any("shade" in line for line in table([Measure(1.0, 0.9, 1.1, 3)] * 2, color=True))


def test_nothing_to_show_is_no_table() -> None:
    assert measures(Reading({}, ()), 80, color=True).lines() == []
