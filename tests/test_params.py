"""Decoding parameters: values, ranges, the grammar of sweeps, and what is said to a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.axis import parse_axis, parse_options, points, split_option
from promptlab.errors import UsageError
from promptlab.params import PARAMETERS, Value, lookup, show


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0", 0.0),
        ("temperature", "0.2", 0.2),
        ("temperature", "5", 5.0),
        ("top_p", "1", 1.0),
        ("seed", "0", 0),
        ("seed", "1" + "0" * 400, 10**400),
        ("max_tokens", "1", 1),
        ("presence_penalty", "-2", -2.0),
        ("effort", "xhigh", "xhigh"),
        ("effort", "none", "none"),
        ("stop", "a,b", ["a,b"]),
    ],
)
def test_a_value_in_range_is_read(name: str, text: str, value: Value) -> None:
    assert lookup(name).parse(text) == value
    assert type(lookup(name).parse(text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "range_"),
    [
        ("temperature", "-0.1", "from 0 to 5"),
        ("temperature", "5.01", "from 0 to 5"),
        ("temperature", "nan", "from 0 to 5"),
        ("temperature", "inf", "from 0 to 5"),
        ("temperature", "warm", "from 0 to 5"),
        ("temperature", "", "from 0 to 5"),
        ("top_p", "1.1", "from 0 to 1"),
        ("top_k", "3.5", "a whole number, 0 or more"),
        ("seed", "-1", "0 or more"),
        ("max_tokens", "0", "1 or more"),
        ("effort", "higth", "none, minimal, low, medium, high, xhigh, max"),
    ],
)
def test_a_value_out_of_range_names_parameter_value_and_range(name: str, text: str, range_: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_axis(name, text)
    assert caught.value.exit_code == 2
    for part in (name, f"'{text}'", range_):
        assert part in caught.value.message


def test_a_wrong_choice_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        lookup("effort").parse("hihg")
    assert "'high'" in caught.value.hint


@pytest.mark.parametrize(("typed", "meant"), [("temprature", "temperature"), ("top-p", "top_p"), ("sed", "seed")])
def test_an_unknown_parameter_names_the_nearest_and_the_raw_field(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        lookup(typed)
    assert f"'{typed}'" in caught.value.message
    assert f"'{meant}'" in caught.value.hint and f"body.{typed}" in caught.value.hint


def test_a_name_near_to_nothing_is_told_all_names() -> None:
    with pytest.raises(UsageError) as caught:
        lookup("zzz")
    assert all(name in caught.value.hint for name in PARAMETERS)


def test_an_axis_keeps_the_order_written() -> None:
    assert parse_axis("temperature", "1.3, 0.2,0.7") == [1.3, 0.2, 0.7]


def test_default_in_an_axis_is_the_unset_parameter() -> None:
    assert parse_axis("temperature", "default,1.3") == [None, 1.3]
    assert points({"temperature": [None, 1.3]}) == [{}, {"temperature": 1.3}]


@pytest.mark.parametrize("text", ["0.2,0.2", "1,1.0", "default,1,default"])
def test_the_same_value_twice_in_an_axis_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="given twice"):
        parse_axis("temperature", text)


@pytest.mark.parametrize("text", ["0.2,", ",0.2", "0.2,,0.3"])
def test_an_empty_place_in_an_axis_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="''"):
        parse_axis("temperature", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("true", True),
        ('{"type": "disabled"}', {"type": "disabled"}),
        ("[1,2]", [1, 2]),
        ("1,2", "1,2"),
        ("plain words", "plain words"),
        ('"1"', "1"),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_raw_body_field_is_json_or_else_text_and_never_a_sweep(text: str, value: Value) -> None:
    assert parse_axis("body.x", text) == [value]


def test_null_in_a_raw_body_field_is_sent() -> None:
    (point,) = points(parse_options([("body.thinking", "null")]))
    assert point == {"body.thinking": None}


def test_options_gather_texts_and_refuse_other_repeats() -> None:
    assert parse_options([("stop", "a"), ("stop", "b"), ("seed", "1,2")]) == {"stop": [["a", "b"]], "seed": [1, 2]}
    for name in ("seed", "body.x"):
        with pytest.raises(UsageError, match=f"{name} is given twice"):
            parse_options([(name, "1"), (name, "2")])


@pytest.mark.parametrize("text", ["temperature", "=1", " =1", ""])
def test_an_option_without_its_name_or_sign_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not name=value"):
        split_option(text)


def test_an_option_is_cut_at_its_first_sign() -> None:
    assert split_option(" stop = a=b ") == ("stop", "a=b")


def test_points_vary_the_last_axis_fastest() -> None:
    found = points({"temperature": [0.2, 1.3], "seed": [1, 2]})
    assert [tuple(point.values()) for point in found] == [(0.2, 1), (0.2, 2), (1.3, 1), (1.3, 2)]
    assert points({}) == [{}]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=3, unique=True)))
def test_points_are_every_combination_once(axes: dict[str, Any]) -> None:
    found = points(axes)
    count = 1
    for values in axes.values():
        count *= len(values)
    assert len(found) == count == len({tuple(point.items()) for point in found})
    assert all(point.keys() == axes.keys() for point in found)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "0.2"), (1.0, "1"), (None, "default"), ("high", "high"), (["a", "雪"], '["a", "雪"]'), (True, "true")],
)
def test_values_are_shown_as_people_write_them(value: Value, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [("temperature", 1, 1.0), ("seed", 7, 7), ("stop", "a", ["a"]), ("stop", ["a", 1], ["a", "1"]),
     ("effort", "low", "low")],
)  # fmt: skip
def test_typed_values_get_the_same_checks(name: str, typed: Value, value: Value) -> None:
    assert lookup(name).check(typed) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [("temperature", True), ("temperature", [1]), ("temperature", None), ("seed", 1.5), ("seed", {"a": 1}),
     ("effort", False), ("temperature", 9)],
)  # fmt: skip
def test_typed_values_of_the_wrong_kind_are_refused(name: str, typed: Value) -> None:
    with pytest.raises(UsageError, match=name):
        lookup(name).check(typed)


@settings(deadline=None)
@given(st.sampled_from(sorted(PARAMETERS)), st.text())
def test_any_text_is_a_value_or_a_usage_error(name: str, text: str) -> None:
    try:
        value = lookup(name).parse(text)
    except UsageError as error:
        assert name in error.message
    else:
        assert lookup(name).check(value) == value


def test_every_parameter_has_help_and_a_range_to_show() -> None:
    for name, parameter in PARAMETERS.items():
        assert parameter.name == name and parameter.help and parameter.range_text()
