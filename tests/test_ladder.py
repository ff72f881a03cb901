"""The ladder: an answer for every value, cut and cleaned, in step with the cells, and honest on what is void."""

from __future__ import annotations

import io
import re

import pyte
import pytest
from rich.console import Console

from promptlab.analysis import Point, Reading, Sample
from promptlab.render import wrap
from promptlab.render.ladder import ladder
from promptlab.render.picture import Picture, Piece, clipped
from tests import reading as given


def draw(width: int) -> Picture:
    by_cell = {sample.cell: sample for sample in given.samples()}
    return ladder(given.reading(), by_cell.__getitem__, width)


def one(answers: list[str], width: int = 80) -> list[str]:
    """The lines of a ladder of one point."""
    samples = [Sample(number, "local", {}, number, answer) for number, answer in enumerate(answers)]
    shown = 0 if answers else None
    point = Point(
        "local",
        {"temperature": 1.0},
        tuple(range(len(answers))),
        shown,
        {},
        answered=len(answers),
        distinct=len(set(answers)),
    )
    return ladder(Reading({"temperature": (1.0, 2.0)}, (point,)), samples.__getitem__, width).lines()


@pytest.mark.parametrize("width", [24, 44, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(wrap.width, draw(width).lines())) <= width


def test_narrow_terminals_get_one_rung_under_another_and_wide_ones_columns() -> None:
    narrow, wide = draw(80).lines(), draw(200).lines()
    assert [line.split(" · ")[0] for line in narrow if line.startswith("temperature")] == [
        "temperature 0.1", "temperature 0.4", "temperature 0.7", "temperature 1", "temperature 1.3",
        "temperature 1.8", "temperature 2", "temperature ignored here: 14 repeats",
    ]  # fmt: skip
    assert [line for line in wide if line.count("temperature") == 4]
    assert "temperature 0.1" in wide[1]
    assert "temperature 1" in wide[1]


def test_columns_stand_straight_on_a_screen_with_chinese() -> None:
    screen = pyte.Screen(120, 60)
    pyte.Stream(screen).feed(str(draw(120)).replace("\n", "\r\n"))
    rules = [[place for place in range(120) if screen.buffer[line][place].data == "│"] for line in range(60)]
    assert {tuple(places) for places in rules if places} == {(38 + 1, 38 + 3 + 38 + 1)}


def test_says_how_many_answered_how_many_are_distinct_and_what_failed() -> None:
    lines = draw(80).lines()
    assert "temperature 0.1 · 5 answers, 1 distinct" in lines
    assert "temperature 1.8 · 4 answers, 4 distinct · 1 failed" in lines
    assert "temperature 2 · 5 answers, 5 distinct · 1 cut" in lines
    assert "1 failed" in str(draw(28))


def test_a_void_axis_is_one_row_with_its_repeats() -> None:
    for width in (80, 200):
        lines = draw(width).lines()
        assert [line for line in lines if "ignored" in line] == [
            "temperature ignored here: 14 repeats · 14 answers, 5 distinct"
        ]


def test_a_long_answer_is_cut_with_word_of_the_rest() -> None:
    lines = one(["\n".join(f"line {number}" for number in range(20))])
    assert lines[-2:] == ["  line 7", "  … 12 more lines"]
    assert one(["\n".join("abcdefghi")])[-1] == "  … 1 more line"
    assert one(["\n".join("abcdefgh")])[-1] == "  h"


def test_no_answer_is_said() -> None:
    point = Point("local", {"temperature": 1.0}, (0, 1), None, {}, failed=2)
    samples = [Sample(number, "local", {}, number, "", state="failed") for number in range(2)]
    lines = ladder(Reading({"temperature": (1.0,)}, (point,)), samples.__getitem__, 80).lines()
    assert lines == ["local", "temperature 1 · no answer · 2 failed"]


def test_answers_to_different_prompts_are_not_counted_as_distinct() -> None:
    samples = [Sample(number, "local", {}, number % 2, f"answer {number}", row=number // 2) for number in range(6)]
    point = Point("local", {"temperature": 1.0}, tuple(range(6)), 0, {}, answered=6, rows=3)
    lines = ladder(Reading({"temperature": (1.0,)}, (point,)), samples.__getitem__, 80).lines()
    assert "temperature 1 · 6 answers to 3 prompts" in lines


@pytest.mark.parametrize("width", [30, 80, 200])
def test_the_prompt_and_the_reason_of_failure_are_named(width: int) -> None:
    samples = [Sample(number, "local", {}, 0, f"answer {number}", row=number) for number in range(3)]
    points = tuple(
        Point("local", {"temperature": at}, (0, 1, 2), 1, {}, answered=3, failed=4, rows=3,
              prompt="写一首关于冰河的绝句", faults=(("no such model\x1b[2J", 3), ("timeout", 1)))
        for at in (0.1, 0.7, 1.0)
    )  # fmt: skip
    lines = ladder(Reading({"temperature": (0.1, 0.7, 1.0)}, points), samples.__getitem__, width).lines()
    text = " ".join(" ".join(lines).split())
    assert "row 2: 写一首关于冰河的绝句"[: width // 4] in text and "4 failed, 3 of them: no" in text
    assert "\x1b" not in text and max(map(wrap.width, lines)) <= width
    alone = Point("local", {"temperature": 1.0}, (0, 1), None, {}, failed=2, faults=(("no such model", 2),))
    lines = ladder(Reading({"temperature": (1.0,)}, (alone,)), samples.__getitem__, 80).lines()
    assert lines == ["local", "temperature 1 · no answer", "  2 failed: no such model"]


def test_targets_alone_are_the_rungs() -> None:
    points = tuple(Point(name, {}, (number,), number, {}, answered=1) for number, name in enumerate(("a/x", "b/y")))
    samples = [Sample(number, "", {}, 0, f"say {number}") for number in range(2)]
    assert ladder(Reading({}, points), samples.__getitem__, 60).lines() == [
        "a/x · 1 answer", "  say 0", "b/y · 1 answer", "  say 1"
    ]  # fmt: skip


def test_other_axes_set_the_groups_apart() -> None:
    reading = given.efforts()
    samples = {sample.cell: sample for sample in given.one_each(reading)}
    lines = ladder(reading, samples.__getitem__, 60).lines()
    assert [line for line in lines if line.startswith(("a/", "b/"))] == [
        "a/模型一号 · top_p 0.9", "a/模型一号 · top_p default", "b/m2 · top_p 0.9", "b/m2 · top_p default"
    ]  # fmt: skip
    assert "  答案 3" in lines


def test_axes_in_step_are_one_ladder() -> None:
    pairs = ((0.2, 0.9), (0.7, 0.95), (1.0, None))
    points = tuple(
        Point(target, {"temperature": warm, "top_p": mass}, (number,), number, {}, answered=1)
        for target in ("a", "b") for number, (warm, mass) in enumerate(pairs)
    )  # fmt: skip
    reading = Reading({"temperature": (0.2, 0.7, 1.0), "top_p": (0.9, 0.95, None)}, points)
    lines = ladder(reading, [Sample(number, "", {}, 0, "x") for number in range(3)].__getitem__, 60).lines()
    assert lines[:4] == ["a", "temperature 0.2, top_p 0.9 · 1 answer", "  x", "temperature 0.7, top_p 0.95 · 1 answer"]
    assert lines.count("b") == 1


def test_only_the_answer_that_is_shown_is_asked_for() -> None:
    by_cell = {sample.cell: sample for sample in given.samples()}
    asked: list[int] = []

    def answer_of(cell: int) -> Sample:
        asked.append(cell)
        return by_cell[cell]

    ladder(given.reading(), answer_of, 80)
    assert asked == [point.shown for point in given.reading().points]


def test_a_hostile_answer_and_a_hostile_name_are_harmless() -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07[red]hi[/oops] \u202eabc\x9b2J\x00" + "x" * 100_000
    reading = Reading({"temp\x1b[2J": ("\x1b]0;x\x07", 2)}, (
        Point("lo\x1bcal\n", {"temp\x1b[2J": "\x1b]0;x\x07"}, (0,), 0, {}, answered=1),))  # fmt: skip
    picture = ladder(reading, [Sample(0, "", {}, 0, evil)].__getitem__, 80)
    text = str(picture)
    assert not {sign for sign in text if ord(sign) < 32 and sign != "\n"} & set(map(chr, range(32)))
    assert "\u202e" not in text
    assert "[red]hi[/oops]" in text
    assert max(map(wrap.width, picture.lines())) <= 80
    assert len(picture.lines()) < 15
    assert re.fullmatch(r"  … over \d+ more lines", picture.lines()[-1])


def test_plain_without_a_terminal_coloured_on_one_and_no_colour_where_asked() -> None:
    def written(**options: object) -> str:
        out = io.StringIO()
        Console(file=out, width=80, markup=False, **options).print(draw(80))  # type: ignore[arg-type]
        return out.getvalue()

    assert "\x1b" not in str(draw(80))
    assert [line.rstrip() for line in written().splitlines()] == draw(80).lines()
    assert "\x1b[1;36m" in written(force_terminal=True, color_system="truecolor")
    assert "\x1b[1;36m" not in written(force_terminal=True, color_system="truecolor", no_color=True)


def test_a_row_is_cut_between_and_within_its_pieces() -> None:
    row = (Piece("春眠", "title"), Piece("不觉晓", ""))
    assert clipped(row, 10) == row
    for cells in range(1, 10):
        cut = clipped(row, cells)
        assert sum(wrap.width(piece.text) for piece in cut) == cells
        assert "…" in "".join(piece.text for piece in cut)
