"""Targets as people write them, and their expansion to cells."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping

import pytest

from promptlab.check import Check
from promptlab.errors import UsageError
from promptlab.params import Value
from promptlab.plan import Filling, Plan, Spot, Target, expand, lay_out, parse_target
from promptlab.request import Message
from promptlab.sweep import Seeds

SAID = (Message("user", "hi"),)


def said(target: Target, asked: Mapping[str, Value]) -> tuple[Message, ...]:
    return SAID


def plan(
    *targets: str, axes: dict[str, list[Value]] | None = None, defaults: dict[str, list[Value]] | None = None
) -> Plan:
    return expand(map(parse_target, targets), axes or {}, said, prompt="hi", defaults=defaults)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("local", Target("local", "local", "")),
        ("local:/m/a b.gguf", Target("local:/m/a b.gguf", "local", "/m/a b.gguf")),
        ("ollama/qwen3:4b", Target("ollama/qwen3:4b", "ollama", "qwen3:4b")),
        ("openrouter/deepseek/deepseek-r1", Target("openrouter/deepseek/deepseek-r1", "openrouter",
                                                   "deepseek/deepseek-r1")),
        (" local ", Target("local", "local", "")),
        ("local?temperature=0.2", Target("local", "local", "", {"temperature": [0.2]})),
        ("a/b?temperature=0.2,1.3&top_p=0.9", Target("a/b", "a", "b", {"temperature": [0.2, 1.3], "top_p": [0.9]})),
        ("a/b?temperature=default", Target("a/b", "a", "b", {"temperature": [None]})),
        ("a/b?stop=x%26y&stop=z", Target("a/b", "a", "b", {"stop": [["x&y", "z"]]})),
        ("a/b?body.thinking={%22type%22:%22disabled%22}",
         Target("a/b", "a", "b", {"body.thinking": [{"type": "disabled"}]})),
        ("a/b?tags=off&seed=1", Target("a/b", "a", "b", {"seed": [1]}, {"tags": "off"})),
    ],
)  # fmt: skip
def test_a_target_is_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["", "gpt-5", "/m", "openai/", "a b/c", "a/b c", "?seed=1"])
def test_what_is_no_target_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert f"'{text}'" in caught.value.message and "ENDPOINT/MODEL" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("local?temperature", "not name=value"),
        ("local?temprature=1", "unknown parameter 'temprature'"),
        ("local?temperature=9", "from 0 to 5"),
        ("local?seed=1&seed=2", "given twice"),
        ("local?tags=maybe", "auto, off, assume-open"),
    ],
)
def test_wrong_settings_of_a_target_are_refused(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        parse_target(text)


def test_cells_come_in_the_order_written() -> None:
    found = plan("a/x", "b/y", axes={"temperature": [0.2, 1.3]})
    assert [(cell.index, cell.endpoint, cell.request.model, cell.request.parameters) for cell in found.cells] == [
        (0, "a", "x", {"temperature": 0.2}),
        (1, "a", "x", {"temperature": 1.3}),
        (2, "b", "y", {"temperature": 0.2}),
        (3, "b", "y", {"temperature": 1.3}),
    ]
    assert all(cell.request.messages == SAID for cell in found.cells)


def test_the_target_wins_over_the_command_and_the_command_over_the_profile() -> None:
    found = plan(
        "a/x?temperature=1", "b/y", "c/z?temperature=default",
        axes={"temperature": [0.5]}, defaults={"temperature": [0.1], "seed": [3], "top_p": [0.9]},
    )  # fmt: skip
    assert [cell.request.parameters for cell in found.cells] == [
        {"temperature": 1.0, "seed": 3, "top_p": 0.9},
        {"temperature": 0.5, "seed": 3, "top_p": 0.9},
        {"seed": 3, "top_p": 0.9},
    ]


def test_an_unset_parameter_is_absent() -> None:
    (cell,) = plan("local").cells
    assert cell.request.parameters == {} and cell.varied == {} and cell.label == "local"


def test_labels_tell_what_sets_a_cell_apart() -> None:
    found = plan("local", axes={"temperature": [None, 0.2], "seed": [7]})
    assert [cell.label for cell in found.cells] == ["local", "local temperature 0.2"]


def test_a_value_that_only_one_target_has_is_varied() -> None:
    found = plan("a/x?seed=1", "b/y")
    assert [cell.varied for cell in found.cells] == [{"seed": 1}, {}]


def test_one_cell_alone_shows_its_parameters() -> None:
    (cell,) = plan("a/x?temperature=0.2&body.mode=fast").cells
    assert cell.label == "a/x temperature 0.2 mode fast"


def test_the_same_target_twice_is_two_cells() -> None:
    found = plan("local?temperature=0.2", "local?temperature=1.3")
    assert [cell.label for cell in found.cells] == ["local temperature 0.2", "local temperature 1.3"]
    assert len(plan("local", "local").cells) == 2


def test_a_plan_keeps_where_it_comes_from() -> None:
    found = expand([parse_target("a/x")], {}, said, prompt="hi", profile="p", base_url="http://h/v1", key_name="K")
    assert (found.prompt, found.profile, found.base_url, found.key_name) == ("hi", "p", "http://h/v1", "K")


# -- rows, repeats, seeds ----------------------------------------------------------------------------------------------


def spots(*values: Value, name: str = "temperature") -> list[Spot]:
    target = parse_target("a/x")
    return [Spot(target, {name: value} if value is not None else {}, {name: value}, {name: value}) for value in values]


def filling(spot: Spot, row: int | None) -> Filling:
    return Filling((Message("user", f"row {row}"),), (Check("contains", str(row)),))


def test_rows_and_then_repeats_are_the_fastest() -> None:
    cells = lay_out(spots(0.2, 1.3), filling, rows=2, repeats=2)
    assert [(cell.index, cell.values["temperature"], cell.row, cell.repeat) for cell in cells] == [
        (0, 0.2, 0, 0), (1, 0.2, 0, 1), (2, 0.2, 1, 0), (3, 0.2, 1, 1),
        (4, 1.3, 0, 0), (5, 1.3, 0, 1), (6, 1.3, 1, 0), (7, 1.3, 1, 1),
    ]  # fmt: skip
    assert [cell.request.messages[0].text for cell in cells[:4]] == ["row 0", "row 0", "row 1", "row 1"]
    assert cells[2].checks == (Check("contains", "1"),)


@pytest.mark.parametrize(("seeds", "sent"), [("absent", [None] * 3), ("fixed", [7] * 3), ("varied", [7, 8, 9])])
def test_seeds(seeds: Seeds, sent: list[int | None]) -> None:
    cells = lay_out(spots(0.2, None), filling, repeats=3, seeds=seeds, seed=7)
    assert [cell.request.parameters.get("seed") for cell in cells] == sent * 2
    assert [cell.label for cell in cells] == ["a/x temperature 0.2"] * 3 + ["a/x"] * 3
    assert cells[3].values == {"temperature": None}


def test_axes_in_a_plan_of_ask_are_where_its_cells_stand() -> None:
    found = plan("a/x", "b/y?top_p=0.1,1", axes={"temperature": [None, 1.3], "seed": [7]})
    assert [cell.values for cell in found.cells] == [
        {"temperature": None, "top_p": None}, {"temperature": 1.3, "top_p": None},
        {"temperature": None, "top_p": 0.1}, {"temperature": None, "top_p": 1.0},
        {"temperature": 1.3, "top_p": 0.1}, {"temperature": 1.3, "top_p": 1.0},
    ]  # fmt: skip


def test_a_plan_that_nobody_means_is_refused_before_it_is_made() -> None:
    axes: dict[str, list[Value]] = {name: list(range(1000)) for name in ("temperature", "seed", "top_k", "max_tokens")}
    with pytest.raises(UsageError, match="1,000,000,000,000 cells, and 100,000 is the most"):
        plan("a/x", axes=axes)


def test_ten_thousand_cells_share_what_they_have_in_common() -> None:
    text = "雪" * 100_000
    made = (Message("user", text),)
    tracemalloc.start()
    cells = lay_out(spots(*(number / 100 for number in range(100))), lambda spot, row: Filling(made), repeats=100)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cells) == 10_000 and used < 4_000_000
    assert all(cell.request is cells[0].request and cell.varied is cells[0].varied for cell in cells[:100])


def test_a_long_text_is_cut_in_a_label() -> None:
    target = parse_target("a/x")
    both = [Spot(target, {}, {"system": said}) for said in ("雪" * 100, None)]
    first, second = lay_out(both, filling)
    assert first.label.startswith("a/x system 雪雪") and first.label.endswith("…") and len(first.label) < 60
    assert second.label == "a/x"
