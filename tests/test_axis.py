"""Axes: values, ranges, counts, `default`, crossing and zipping."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.axis import check_zip, count, parse_axis, places, set_only
from promptlab.errors import UsageError
from promptlab.params import PARAMETERS, Value, show


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("temperature", "0:2:0.25", [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]),
        ("temperature", "0.1:0.5:0.1", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("temperature", "0:1:0.4", [0, 0.4, 0.8]),  # the end is in it where a step reaches it
        ("temperature", "2:0:-1", [2, 1, 0]),
        ("temperature", ".5:1:.5", [0.5, 1]),
        ("temperature", "0..2/9", [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]),
        ("temperature", "0..0.3/4", [0, 0.1, 0.2, 0.3]),
        ("temperature", "0..1/4", [0, 0.333333, 0.666667, 1]),
        ("temperature", "2..0/3", [2, 1, 0]),
        ("temperature", "default,0:1:0.5, 1.8", [None, 0, 0.5, 1, 1.8]),
        ("temperature", "0:0:1", [0]),
        ("presence_penalty", "-2:2:2", [-2, 0, 2]),
        ("top_k", "10:50:20", [10, 30, 50]),
        ("top_k", "0..100/5", [0, 25, 50, 75, 100]),
        ("effort", "default,low,high", [None, "low", "high"]),
        ("stop", "0:2:0.25", [["0:2:0.25"]]),
    ],
)
def test_an_axis_is_read(name: str, text: str, values: list[Value]) -> None:
    found = parse_axis(name, text)
    assert found == values
    assert [type(value) for value in found if PARAMETERS[name].kind == "integer"] == [int] * (
        len(values) if PARAMETERS[name].kind == "integer" else 0
    )


def test_a_range_is_of_exact_decimals() -> None:
    found = parse_axis("temperature", "0:2:0.1")
    assert [repr(value) for value in found] == [str(float(Decimal(number) / 10)) for number in range(21)]
    assert 0.30000000000000004 not in found and 0.3 in found


@pytest.mark.parametrize("text", ["0..1/3", "0..1/7", "0..2/12", "0.1..0.2/4"])
def test_what_is_shown_of_a_count_is_what_is_sent(text: str) -> None:
    assert [float(show(value)) for value in parse_axis("temperature", text)] == parse_axis("temperature", text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0:2", "is no range"),
        ("0..2", "is no range"),
        ("0..", "is no range"),
        ("0:2:0", "doesn't lead from 0 to 2"),
        ("2:0:0.5", "doesn't lead from 2 to 0"),
        ("0:2:1e-9", "more than 1,000 values"),
        ("0..2/1", "two values"),
        ("1..1/5", "two ends"),
        ("0..2/1000000", "more than 1,000 values"),
        ("0:9:1", "'6' is not a number from 0 to 5"),
        ("0:1:0.5,0.5", "'0.5' is given twice"),
        ("0.5,0:1:0.5", r"'0.5 \(of 0:1:0.5\)' is given twice"),
        ("nan:1:1", "is not a number|is no range"),
        ("0:1e99:1", "more than 1,000 values"),
        ("0:1:1e-99", "more than 1,000 values"),
        ("0:2:0.25:1", "is not a number"),
    ],
)
def test_a_wrong_range_says_what_is_wrong(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part) as caught:
        parse_axis("temperature", text)
    assert caught.value.message.startswith("temperature: ") and caught.value.hint


def test_whole_numbers_stay_whole() -> None:
    with pytest.raises(UsageError, match="no whole numbers"):
        parse_axis("top_k", "0..10/4")
    with pytest.raises(UsageError, match=r"'2\.5' is not a whole number"):
        parse_axis("top_k", "0:10:2.5")


def test_a_list_of_too_many_values_is_refused() -> None:
    with pytest.raises(UsageError, match="more than 1,000 values"):
        parse_axis("seed", ",".join(map(str, range(1001))))


@settings(deadline=None, max_examples=300)
@given(st.text("0123456789.:/-+e,", max_size=20))
def test_any_text_is_an_axis_or_a_usage_error(text: str) -> None:
    try:
        found = parse_axis("temperature", text)
    except UsageError as error:
        assert "temperature" in error.message
    else:
        assert found and len(found) <= 1000


def test_the_first_axis_is_the_slowest() -> None:
    found = list(places({"a": [1, 2], "b": ["x", "y"]}))
    assert found == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]


def test_zipped_axes_go_in_step_where_the_first_of_them_stands() -> None:
    axes: dict[str, list[Value]] = {"a": [1, 2], "b": [5, 6], "c": [None, 8]}
    found = list(places(axes, ("c", "a")))
    assert found == [
        {"a": 1, "b": 5, "c": None}, {"a": 1, "b": 6, "c": None}, {"a": 2, "b": 5, "c": 8}, {"a": 2, "b": 6, "c": 8},
    ]  # fmt: skip
    assert count(axes, ("c", "a")) == 4 and count(axes) == 8
    assert set_only(found[0]) == {"a": 1, "b": 5}


def test_zip_says_the_lengths_and_the_nearest_name() -> None:
    axes: dict[str, list[Value]] = {"temperature": [1, 2], "top_p": [0.1, 0.2, 0.3], "seed": [1, 2]}
    with pytest.raises(UsageError, match="temperature has 2, top_p has 3"):
        check_zip(axes, ("temperature", "top_p"))
    with pytest.raises(UsageError, match="no axis 'temprature'") as caught:
        check_zip(axes, ("temprature", "seed"))
    assert "'temperature'" in caught.value.hint
    for wrong in (("seed",), ("seed", "seed")):
        with pytest.raises(UsageError, match="two axes or more"):
            check_zip(axes, wrong)
    check_zip(axes, ("temperature", "seed"))
