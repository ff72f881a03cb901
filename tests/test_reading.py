"""Samples folded into a reading: what each measure of a point is, what is left out, and what real texts show."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from promptlab.analysis import Point, Reading, Sample
from promptlab.analysis.interval import mean, wilson
from promptlab.analysis.reading import MEASURES, about, deterministic, read
from promptlab.analysis.text import distinct, vendi
from promptlab.check import Outcome
from promptlab.events import Token
from promptlab.params import Value
from promptlab.providers.embedded import EmbeddedServer
from promptlab.sweep import Axis

POEMS = (
    "the sea is wide and blue",
    "a ship goes over the sea",
    "waves and wind and salt",
    "the moon pulls at the tide",
)
VERSES = ("大海宽阔而蔚蓝", "一只小船越过大海", "波浪与风与盐", "月亮牵引着潮水")


def sweep(
    texts: dict[Value, tuple[str, ...]], target: str = "local", axis: str = "temperature", **more: Any
) -> list[Sample]:
    """One sample per text, in the plan's order."""
    told = [(value, repeat, text) for value, own in texts.items() for repeat, text in enumerate(own)]
    return [
        Sample(cell, target, {axis: value}, repeat, text, **more) for cell, (value, repeat, text) in enumerate(told)
    ]


def point(samples: list[Sample], **options: Any) -> Point:
    """The only point of the samples."""
    (found,) = read(samples, (), **options).points
    return found


# Points --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [POEMS, VERSES])
def test_a_point_has_the_measures_of_its_repeats(texts: tuple[str, ...]) -> None:
    reading = read(sweep({0.2: (texts[0],) * 4, 1.0: texts}), [Axis("temperature", (0.2, 1.0))])
    cold, hot = reading.points
    assert (cold.cells, hot.cells, hot.values, hot.answered) == ((0, 1, 2, 3), (4, 5, 6, 7), {"temperature": 1.0}, 4)
    assert cold.measures["vendi"].value == pytest.approx(1) and hot.measures["vendi"].value == vendi(texts)
    assert cold.measures["agreement"].value == 1 and hot.measures["agreement"].value == 0
    assert cold.measures["openings"].value == 1 / 4 and hot.measures["openings"].value == 1
    length = 4 if texts is POEMS else 6  # a length of the scale that no text is much shorter than
    assert hot.measures["distinct_2"].value == distinct(texts, 2, length)
    assert {hot.measures[name].n for name in ("vendi", "agreement", "openings", "distinct_2", "length", "cut")} == {4}
    assert cold.shown in cold.cells and hot.shown in hot.cells


def test_measures_stand_in_the_order_to_show_and_each_is_explained() -> None:
    outcomes = (Outcome("rhyme", True), Outcome("4x7", False, "3 lines"))
    reading = read(
        sweep({0.2: POEMS, 0.9: POEMS[::-1]}, outcomes=outcomes, seconds=2.0, usd=0.01), {"temperature": (0.2, 0.9)}
    )
    assert reading.measures[:3] == ("passed", "check:4x7", "check:rhyme")
    names = [name for name in reading.measures if name in MEASURES]
    assert names == [name for name in MEASURES if name in names]
    for name in reading.measures:
        told = about(name)
        assert told.title and told.help and len(told.title) <= 15, name
    assert all(tuple(found.measures) == reading.measures for found in reading.points)


def test_failed_and_unsent_samples_are_told_and_in_no_measure() -> None:
    samples = sweep({0.5: POEMS})
    lost = [Sample(4, "local", {"temperature": 0.5}, 4, "half of it", state="failed", seconds=99.0),
            Sample(5, "local", {"temperature": 0.5}, 5, "half", state="cancelled", seconds=99.0),
            Sample(6, "local", {"temperature": 0.5}, 6, "", state="queued"),
            Sample(7, "local", {"temperature": 0.5}, 7, "", state="done")]  # fmt: skip
    reading = read([*samples, *lost], {"temperature": (0.5,)})
    (found,) = reading.points
    assert (found.answered, found.failed, len(found.cells)) == (4, 1, 8)
    assert "time" not in found.measures and found.measures["length"].n == 4
    assert {(remark.code, remark.text.split(" of ")[0]) for remark in reading.remarks} >= {
        ("failed", "1"), ("missing", "2"), ("empty", "1")
    }  # fmt: skip


def test_a_point_tells_how_many_answers_are_distinct_and_cut_and_of_how_many_prompts() -> None:
    samples = [Sample(n, "local", {}, n % 2, POEMS[n // 3], row=n // 2, state="incomplete" if n == 5 else "done")
               for n in range(6)]  # fmt: skip
    found = point([*samples, Sample(6, "local", {}, 0, "half", row=3, state="failed")])
    assert (found.answered, found.distinct, found.cut, found.rows, found.failed) == (6, 2, 1, 4, 1)


def test_it_is_told_how_far_the_reading_is() -> None:
    told: list[tuple[int, int]] = []
    read(sweep({0.2: POEMS}), {"temperature": (0.2,)}, tell=lambda *each: told.append(each), total=9)
    assert told == [(1, 9), (2, 9), (3, 9), (4, 9)]


def test_what_is_of_the_first_texts_only_is_said() -> None:
    many = read(sweep({0.2: tuple(f"text {n % 50}" for n in range(201))}), {"temperature": (0.2,)})
    assert many.points[0].answered == 201 and many.points[0].distinct == 50
    (note,) = many.notes
    assert note.startswith("up to 201 repeats of one prompt") and note.endswith("are of the first 200")
    assert not read(sweep({0.2: POEMS}), {"temperature": (0.2,)}).notes


def test_a_measure_of_the_only_row_that_has_it_keeps_its_interval() -> None:
    lost = [Sample(n, "local", {}, n, "", row=0, state="failed") for n in range(4)]
    told = [Sample(4 + n, "local", {}, n, text, row=1) for n, text in enumerate(POEMS)]
    alone, within = point(told).measures, point([*lost, *told]).measures
    for name in ("distinct_2", "vendi", "compression", "openings", "agreement"):
        assert within[name] == alone[name], name
    assert alone["vendi"].low is not None and alone["compression"].low is not None


def test_nothing_answered_is_a_point_without_measures() -> None:
    found = point([Sample(n, "local", {}, n, "", state="failed") for n in range(3)])
    assert (found.shown, found.answered, found.failed, found.measures) == (None, 0, 3, {})


def test_cut_answers_are_a_share_of_their_own_and_have_no_vote() -> None:
    samples = [Sample(n, "local", {}, n, f"The answer is {n % 2}.", state=state)
               for n, state in enumerate(("done", "done", "done", "incomplete"))]  # fmt: skip
    measures = point(samples, extract_how="number").measures
    assert measures["cut"].value == 0.25 and (measures["cut"].low, measures["cut"].high) == wilson(1, 4)
    assert measures["unread"].value == 0.25 and measures["majority"].n == 3
    assert measures["majority"].value == pytest.approx(2 / 3)
    assert measures["answer_agreement"].value == pytest.approx(1 / 3)


def test_texts_without_an_answer_in_them_get_no_vote_of_chance_numbers() -> None:
    samples = sweep({0.5: (*(f"{poem}\n{poem}" for poem in POEMS), "seven ships, 7 of them")})
    assert not {"majority", "answer_agreement", "unread"} & set(read(samples, {"temperature": (0.5,)}).measures)


def test_checks_that_could_not_be_carried_out_are_no_failures() -> None:
    told = [(True, True), (True, False), (True, None), (False, None)]
    samples = [
        Sample(n, "local", {}, n, "a b c", outcomes=(Outcome("a", a), Outcome("b", b))) for n, (a, b) in enumerate(told)
    ]
    measures = point(samples).measures
    assert measures["passed"].value == pytest.approx(1 / 3) and measures["passed"].n == 3
    assert (measures["check:a"].value, measures["check:a"].n) == (0.75, 4)
    assert (measures["check:b"].value, measures["check:b"].n) == (0.5, 2)


def test_pass_and_majority_of_k_equal_the_mean_over_all_draws() -> None:
    answers = ["7", "7", "7", "8", "8", "9"]
    samples = [Sample(n, "local", {}, n, f"The answer is {answer}") for n, answer in enumerate(answers)]
    measures = point(samples, extract_how="number", expected_of=lambda sample: "7", k=3).measures
    draws = list(itertools.combinations(answers, 3))

    def won(draw: tuple[str, ...]) -> float:
        most = max(draw.count(label) for label in draw)
        first = {label for label in draw if draw.count(label) == most}
        return ("7" in first) / len(first)

    assert measures["correct"].value == 0.5
    assert measures["pass@3"].value == pytest.approx(sum("7" in draw for draw in draws) / len(draws))
    assert measures["maj@3"].value == pytest.approx(sum(map(won, draws)) / len(draws))
    low, high = measures["pass@3"].low, measures["pass@3"].high
    assert low is not None and high is not None and low < measures["pass@3"].value <= high


def test_k_is_left_out_where_repeats_are_too_few_for_it() -> None:
    samples = [Sample(n, "local", {}, n, f"{n}", outcomes=(Outcome("a", True),)) for n in range(3)]
    assert not [name for name in point(samples).measures if "@" in name]
    assert not [name for name in point(samples, k=2).measures if "@" in name]
    many = [Sample(n, "local", {}, n, "7", outcomes=(Outcome("a", True),)) for n in range(9)]
    assert [name for name in point(many).measures if "@" in name] == ["pass@4"]


def test_estimated_tokens_say_so() -> None:
    measures = point(
        [Sample(n, "local", {}, n, "a b", answer_tokens=5, estimated=n == 1, seconds=1.0) for n in range(3)]
    ).measures
    assert measures["answer_tokens"].estimated and not measures["time"].estimated


def test_surprisal_and_gap_come_from_the_tokens() -> None:
    tokens = tuple(Token("a", -2.0, 0.5, 0.7) for _ in range(50))
    measures = point([Sample(n, "local", {}, n, "a " * 50, tokens=tokens) for n in range(3)]).measures
    assert measures["surprisal"].value == 2.0
    gap = measures["gap"]
    assert gap.value == pytest.approx(1.4) and gap.low is not None and gap.high is not None
    assert gap.low == pytest.approx(1.3) and gap.high == pytest.approx(1.5)  # what the bounds leave open


def test_distinct_is_told_at_one_length_for_all_points() -> None:
    short, long = tuple(f"{poem} {poem}" for poem in POEMS), tuple(" ".join([poem] * 4) for poem in POEMS)
    cold, hot = read(sweep({0.1: short, 0.9: long}), {"temperature": (0.1, 0.9)}).points
    assert cold.measures["distinct_2"].value == pytest.approx(hot.measures["distinct_2"].value)
    assert distinct(short) != distinct(long)


def test_copies_of_one_text_are_one_sample_of_a_share() -> None:
    told = (Outcome("a", True), Outcome("b", True))
    texts = [Sample(n, "local", {"temperature": 0}, n, "one and the same", outcomes=told) for n in range(5)]
    (found,) = read(texts, {"temperature": (0,)}).points
    copies = found.measures
    for name in ("passed", "check:a", "cut"):
        assert copies[name].n == 1, name
    assert (copies["passed"].low, copies["passed"].high) == wilson(1, 1)
    assert copies["pass@2"].value == 1 and copies["pass@2"].low == wilson(1, 1)[0]
    drawn = point([Sample(n, "local", {}, n, "one and the same", outcomes=told) for n in range(5)]).measures
    assert (drawn["passed"].n, drawn["passed"].low) == (5, wilson(5, 5)[0])  # above 0 equal answers are draws, too
    different = point([Sample(n, "local", {}, n, poem, outcomes=told) for n, poem in enumerate(POEMS)]).measures
    assert (different["passed"].n, different["passed"].low) == (4, wilson(4, 4)[0])
    mixed = [Sample(n, "local", {}, n, "same", outcomes=(Outcome("a", n > 1),)) for n in range(5)]
    assert point(mixed).measures["passed"].n == 5


def test_values_that_are_all_equal_have_no_interval() -> None:
    samples = [Sample(n, "local", {}, n, f"a b c {n}", seconds=2.0, usd=0.1) for n in range(2)]
    measures = point(samples).measures
    for name in ("length", "time", "cost", "repetition"):
        assert (measures[name].low, measures[name].high) == (None, None), name
    right = (Outcome("a", True),)
    answers = [Sample(n, "local", {}, n % 4, f"7 and {n}", row=n // 4, outcomes=right) for n in range(12)]
    drawn = point(answers).measures["pass@2"]
    assert (drawn.value, drawn.low, drawn.high) == (1, *wilson(3, 3))  # of three rows


def test_one_check_alone_is_shown_once() -> None:
    def shown(*outcomes: Outcome) -> tuple[str, ...]:
        return read(sweep({0.2: POEMS}, outcomes=outcomes), {"temperature": (0.2,)}).measures

    assert [name for name in shown(Outcome("a", True)) if name in ("passed", "check:a")] == ["check:a"]
    assert shown(Outcome("a", True), Outcome("b", True))[:3] == ("passed", "check:a", "check:b")
    assert point(sweep({0.2: POEMS}, outcomes=(Outcome("a", True),))).measures["passed"].value == 1  # for programs


def test_a_point_says_why_requests_failed_and_how_its_prompt_begins() -> None:
    faults = ("no such model\n'x'", "timeout", "no such model\n'x'")
    lost = [Sample(n, "local", {}, n, "", state="failed", fault=fault) for n, fault in enumerate(faults)]
    (found,) = read([*lost, Sample(3, "local", {}, 3, "yes")], (), prompt_of=lambda one: "Write\nof the sea").points
    assert (found.failed, found.faults) == (3, (("no such model 'x'", 2), ("timeout", 1)))
    assert found.prompt == "Write of the sea"
    (remark,) = read([*lost, Sample(3, "local", {}, 3, "yes")], ()).remarks
    assert remark.text == "3 of 4 requests failed, 2 of them: no such model 'x' (local)"
    (remark,) = read([lost[1], Sample(1, "local", {}, 1, "yes")], ()).remarks
    assert remark.text == "1 of 2 requests failed: timeout (local)"


# Rows of a dataset ---------------------------------------------------------------------------------------------------


def rows(shares: list[float], repeats: int = 10) -> list[Sample]:
    flags = [(row, n, n < share * repeats) for row, share in enumerate(shares) for n in range(repeats)]
    return [Sample(cell, "local", {}, n, f"{row} {flag}", row=row, outcomes=(Outcome("a", flag),), seconds=float(row))
            for cell, (row, n, flag) in enumerate(flags)]  # fmt: skip


def test_intervals_with_a_dataset_are_between_rows() -> None:
    shares = [0.0, 0.2, 0.9, 1.0, 0.6]
    passed = point(rows(shares)).measures["passed"]
    told = mean(shares, limits=(0, 1))
    assert told and (passed.value, passed.low, passed.high) == pytest.approx(tuple(told)) and passed.n == 50
    low, high = wilson(27, 50)
    assert passed.low is not None and passed.high is not None and passed.high - passed.low > 1.5 * (high - low)
    seconds = point(rows(shares)).measures["time"]
    told = mean([0.0, 1.0, 2.0, 3.0, 4.0])
    assert told and (seconds.value, seconds.low, seconds.high) == pytest.approx(
        (told.value, max(0, told.low or 0), told.high)
    )


def test_rows_that_all_pass_are_as_many_samples_as_rows() -> None:
    passed = point(rows([1.0] * 4)).measures["passed"]
    assert (passed.value, passed.low, passed.high, passed.n) == (1.0, *wilson(4, 4), 40)
    once = point(rows([1.0, 0.0, 1.0], repeats=1)).measures["passed"]
    assert (once.low, once.high) == wilson(2, 3)


def test_diversity_is_within_a_row_not_between_prompts() -> None:
    samples = [Sample(2 * row + n, "local", {}, n, poem, row=row) for row, poem in enumerate(POEMS) for n in range(2)]
    measures = point(samples).measures
    assert measures["agreement"].value == 1 and measures["vendi"].value == pytest.approx(1)
    assert "vendi" not in point([sample for sample in samples if sample.repeat == 0]).measures


# Axes ----------------------------------------------------------------------------------------------------------------


def test_an_axis_of_one_value_at_a_target_is_void_there() -> None:
    samples = [*sweep({0.1: POEMS[:2], 0.9: POEMS[2:]}), *sweep({None: POEMS}, target="pinned")]
    samples = [Sample(cell, one.target, one.values, one.repeat, one.answer) for cell, one in enumerate(samples)]
    reading = read(samples, {"temperature": (0.1, 0.9)})
    assert [(one.target, dict(one.values), one.void, len(one.cells)) for one in reading.points] == [
        ("local", {"temperature": 0.1}, (), 2), ("local", {"temperature": 0.9}, (), 2),
        ("pinned", {}, ("temperature",), 4),
    ]  # fmt: skip
    assert list(reading.axes) == ["temperature"]
    assert read(samples, {"temperature": (0.1, 0.9)}, void={"pinned": ("temperature",)}) == reading


def test_an_axis_that_turned_out_void_joins_its_values() -> None:
    texts = {(t, p): POEMS[:2] for t in (0.1, 0.9) for p in (0.5, 1.0)}
    samples = [Sample(cell, "local", {"temperature": t, "top_p": p}, n, text) for cell, ((t, p), n, text) in
               enumerate((key, n, text) for key, own in texts.items() for n, text in enumerate(own))]  # fmt: skip
    axes = {"temperature": (0.1, 0.9), "top_p": (0.5, 1.0)}
    reading = read(samples, axes, void={"local": ("temperature",)})
    assert [(dict(one.values), one.cells, one.void) for one in reading.points] == [
        ({"top_p": 0.5}, (0, 1, 4, 5), ("temperature",)), ({"top_p": 1.0}, (2, 3, 6, 7), ("temperature",))
    ]  # fmt: skip


def test_default_is_a_point_of_its_own_and_objects_are_values() -> None:
    schemas: tuple[Value, ...] = (None, {"type": "object"}, {"type": "array"}, 1, True)
    samples = [Sample(n, "local", {"schema": value}, 0, "a b") for n, value in enumerate(schemas)]
    assert [one.values["schema"] for one in read(samples, {"schema": schemas}).points] == list(schemas)


def test_samples_out_of_order_are_refused() -> None:
    mixed = sweep({0.1: POEMS, 0.9: POEMS})
    with pytest.raises(ValueError, match="side by side"):
        read(sorted(mixed, key=lambda sample: sample.repeat), {"temperature": (0.1, 0.9)})


def test_memory_stays_flat() -> None:
    def samples(count: int) -> Iterator[Sample]:
        for cell in range(count):
            text = " ".join(f"w{cell * 31 + n * n % 977}" for n in range(200))
            tokens = tuple(Token(word, -1.0, 0.5, 0.8) for word in text.split())
            yield Sample(cell, "local", {"var.topic": cell // 10}, cell % 10, text, thinking=text * 9, tokens=tokens)

    def peak(count: int) -> int:
        tracemalloc.start()
        reading = read(samples(count), {"var.topic": tuple(range(count // 10))})
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(reading.points) == count // 10
        return most

    peak(10)
    # A sample here weighs 50 kB, and what is kept of it some 3; up to 12 where garbage in cycles is not yet collected.
    # A thread of another test may add its own for once.
    assert min((peak(80) - peak(30)) / 50 for _ in range(3)) < 20_000


def test_many_long_answers_are_read_in_good_time() -> None:
    """10,000 of them in 90 s leaves 9 ms each; so many times over that only a price that grows with n² fails here."""
    chance = random.Random(3)
    words = [f"w{n}" for n in range(3000)]
    for repeats, rows in ((400, 1), (4, 100)):
        samples = [Sample(n, "local", {}, n % repeats, " ".join(chance.choices(words, k=750)), row=n // repeats)
                   for n in range(repeats * rows)]  # fmt: skip
        began = time.process_time()
        assert point(samples).answered == 400
        assert time.process_time() - began < 400 * 0.03


# Determinism ---------------------------------------------------------------------------------------------------------


def test_the_first_difference_is_told_by_token_where_tokens_are_known() -> None:
    def told(cell: int, *words: str) -> Sample:
        return Sample(cell, "local", {}, cell, "".join(words), tokens=tuple(Token(word, -1.0) for word in words))

    found = deterministic([told(0, "The ", "sea ", "is"), told(1, "The ", "sky ", "is"), told(2, "The ", "sea ", "is"),
                           told(3, "The ", "sea ", "was")])  # fmt: skip
    assert (found.n, found.distinct, found.same) == (4, 3, False)
    assert found.groups == ((0, 2), (1,), (3,))
    assert (found.character, found.token, found.place) == (5, 1, "token 2")
    assert (found.left, found.right) == ("The sea is", "The sky is")


def test_the_first_difference_of_chinese_texts_is_a_character() -> None:
    found = deterministic(
        [Sample(n, "local", {}, n, text) for n, text in enumerate(("大海宽阔", "大海宽阔", "大海蔚蓝"))]
    )
    assert (found.place, found.left, found.right, found.token) == ("character 3", "大海宽阔", "大海蔚蓝", None)


def test_equal_answers_are_the_same_and_failures_are_left_out() -> None:
    samples = [Sample(n, "local", {}, n, "yes", thinking=f"hm {n % 2}") for n in range(3)]
    found = deterministic([*samples, Sample(3, "local", {}, 3, "ye", state="failed")])
    assert (found.same, found.n, found.left_out, found.place, found.thoughts) == (True, 3, 1, "", 2)
    assert not deterministic(samples[:1]).same and deterministic([]).n == 0
    longer = deterministic([samples[0], Sample(1, "local", {}, 1, "yes!")])
    assert (longer.character, longer.place) == (3, "character 4")


# Real texts ----------------------------------------------------------------------------------------------------------

PROMPT = "Write a short poem about the sea."
HEATS = (0.0, 0.3, 0.7, 1.0, 1.3)


@pytest.fixture(scope="module")
def poems(weights: Path) -> Reading:
    """Poems of the embedded model over temperatures, with nothing cut off its distribution, and its log
    probabilities."""

    async def one(session: aiohttp.ClientSession, url: str, cell: int, heat: float, repeat: int) -> Sample:
        messages = [{"role": "user", "content": PROMPT}]
        body = {"messages": messages, "max_tokens": 40, "temperature": heat, "top_k": 0, "top_p": 1, "min_p": 0,
                "seed": 0 if heat == 0 else cell, "logprobs": True, "top_logprobs": 5}  # fmt: skip
        async with session.post(f"{url}/chat/completions", json=body) as response:
            choice = (await response.json())["choices"][0]
        tokens = tuple(
            Token(told["token"], told["logprob"], None, None,
                  tuple((other["token"], other["logprob"]) for other in told["top_logprobs"]))
            for told in choice["logprobs"]["content"]
        )  # fmt: skip
        state = "incomplete" if choice["finish_reason"] == "length" else "done"
        return Sample(cell, "local", {"temperature": heat}, repeat, choice["message"]["content"].strip(), state=state,
                      finish_reason=choice["finish_reason"], tokens=tokens)  # fmt: skip

    async def every() -> list[Sample]:
        server = EmbeddedServer(weights)
        address = await server.start()
        headers = {"Authorization": f"Bearer {address.key}"}
        try:
            async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(600)) as session:
                cells = enumerate(itertools.product(HEATS, range(6)))
                return await asyncio.gather(*(one(session, address.base_url, n, *place) for n, place in cells))
        finally:
            await server.aclose()

    return read(asyncio.run(every()), {"temperature": HEATS}, prompt_of=lambda sample: PROMPT)


def test_diversity_of_real_texts_rises_with_temperature(poems: Reading) -> None:
    values = [one.measures["distinct_2"].value for one in poems.points]
    assert values == sorted(set(values)), values


def test_real_repeats_at_temperature_0_are_equal(poems: Reading) -> None:
    assert poems.points[0].measures["agreement"].value == 1
    assert "deterministic" in {remark.code for remark in poems.remarks}


def test_an_effect_is_found_on_real_texts(poems: Reading) -> None:
    (effect,) = [remark for remark in poems.remarks if remark.code == "effect"]
    assert effect.p is not None and effect.p <= 0.005 and effect.n == 30
    assert effect.text.startswith("temperature changes the answers of local (n = 30")


def test_the_gap_of_real_texts_crosses_zero_at_temperature_1(poems: Reading) -> None:
    gaps = [one.measures["gap"] for one in poems.points]
    cool, natural, hot = gaps[2], gaps[3], gaps[4]
    assert cool.high is not None and cool.high < 0
    assert hot.low is not None and hot.low > 0
    half = (natural.high or math.inf) - natural.value
    assert abs(natural.value) < 3 / 1.96 * half
