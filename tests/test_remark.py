"""Findings in words: what is found, with the right rate of false alarms, and what is never said of too few samples."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from promptlab.analysis import Reading, Remark, Sample
from promptlab.analysis.effect import breaks, holm, judge, least_p, reach, repeats_needed, shuffles, sketch
from promptlab.analysis.extent import window
from promptlab.analysis.reading import read
from promptlab.check import Outcome
from promptlab.events import Token
from promptlab.params import Value

ENGLISH = [a + b for a in ("ba", "den", "fol", "gri", "mo", "nar") for b in ("d", "ling", "ma", "rest", "y")]
CHINESE = [chr(0x4E00 + 97 * i) for i in range(30)]


def text(random: np.random.Generator, heat: float = 1.0, words: Sequence[str] = ENGLISH, count: int = 12) -> str:
    shares = (1.0 / np.arange(1, len(words) + 1)) ** (1 / heat)
    return ("" if words is CHINESE else " ").join(random.choice(words, count, p=shares / shares.sum()))


def sweep(values: Sequence[Value], repeats: int, answer: Callable[[Value, int], str], axis: str = "temperature",
          **options: object) -> list[Sample]:  # fmt: skip
    return [Sample(cell, "m", {axis: value}, repeat, answer(value, repeat))
            for cell, (value, repeat) in enumerate(itertools.product(values, range(repeats)))]  # fmt: skip


def found(reading: Reading, code: str) -> Remark | None:
    return next((remark for remark in reading.remarks if remark.code == code), None)


def codes(samples: Sequence[Sample], axes: dict[str, tuple[Value, ...]]) -> list[str]:
    return [remark.code for remark in read(samples, axes).remarks]


# The test behind "has an effect" --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
@pytest.mark.parametrize(("values", "repeats", "rows"), [(3, 4, 1), (3, 2, 4)])
def test_false_alarms_are_at_most_five_in_a_hundred(words: list[str], values: int, repeats: int, rows: int) -> None:
    random = np.random.default_rng(7)
    labels = [value for _ in range(rows) for value in range(values) for _ in range(repeats)]
    strata = [row for row in range(rows) for _ in range(values * repeats)]
    alarms = 0
    for number in range(100):
        texts = [
            text(random, words=np.roll(words, 5 * row).tolist(), count=int(random.integers(8, 15))) for row in strata
        ]
        sketches = np.stack([sketch(one) for one in texts])
        alarms += judge(labels, strata, sketches, {"length": [float(len(one)) for one in texts]}, number).p <= 0.05
    assert alarms <= 12  # of Binomial(100, 0.05), exceeded once in 2,000


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
def test_a_change_of_spread_is_found(words: list[str]) -> None:
    random = np.random.default_rng(8)
    hits = 0
    for number in range(20):
        texts = [text(random, heat, words) for heat in (0.5, 0.8, 1.3) for _ in range(6)]
        sketches = np.stack([sketch(one) for one in texts])
        hits += judge([n // 6 for n in range(18)], [0] * 18, sketches, {}, number).p <= 0.05
    assert hits >= 16


def test_one_repeat_of_each_row_is_enough_where_rows_are_many() -> None:
    random = np.random.default_rng(9)
    strata, labels = [row for row in range(12) for _ in range(2)], [0, 1] * 12
    texts = [
        f"topic {row} {text(random)}" + (" !!! indeed !!!" if label else "")
        for row, label in zip(strata, labels, strict=True)
    ]
    sketches = np.stack([sketch(one) for one in texts])
    assert judge(labels, strata, sketches, {}).p <= 0.01


def test_few_permutations_are_gone_through_one_by_one() -> None:
    every = shuffles([0, 0, 1, 1, 1], [0] * 5)
    assert len(every) == 10 and len({tuple(row) for row in every.tolist()}) == 10
    assert every[0].tolist() == [0, 0, 1, 1, 1]
    rows = shuffles([0, 1, 0, 1], [0, 0, 1, 1])
    assert sorted(map(tuple, rows.tolist())) == [(0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0)]
    drawn = shuffles(list(range(10)) * 2, [0] * 10 + [1] * 10)
    assert drawn.shape == (1000, 20) and all(sorted(row[:10]) == list(range(10)) for row in drawn.tolist())


def test_p_is_the_share_of_permutations_as_extreme() -> None:
    same, other = sketch("one and the same"), sketch("quite different words")
    # Three of each, apart: of the 20 ways to divide six only this one and its mirror part them so well.
    effect = judge([0, 0, 0, 1, 1, 1], [0] * 6, np.stack([same] * 3 + [other] * 3), {})
    assert effect.p == pytest.approx(2 / 20) == effect.least
    assert judge([0, 0, 0, 1, 1, 1], [0] * 6, np.stack([same] * 6), {}).p == 1


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]])
def test_the_least_p_is_that_of_texts_wholly_apart(labels: list[int]) -> None:
    kinds = ["first words here", "wholly other text", "nothing in common"]
    sketches = np.stack([sketch(kinds[label]) for label in labels])
    assert judge(labels, [0] * len(labels), sketches, {}).p == pytest.approx(least_p(labels, [0] * len(labels)))


def test_an_effect_is_found_among_many_values() -> None:
    random = np.random.default_rng(18)
    labels = [n // 2 for n in range(40)]
    twins = [text(random) for _ in range(20)]
    texts = np.stack([sketch(twins[label]) for label in labels])
    assert judge(labels, [0] * 40, texts, {}).p <= 0.005
    assert judge(labels, [n % 2 for n in range(40)], texts, {}).p <= 0.005
    order = random.permutation(40)
    assert judge(labels, [0] * 40, texts[order], {}).p > 0.05


def test_sketches_keep_how_alike_texts_are() -> None:
    a, b = "the quick brown fox jumps over the lazy dog", "the quick brown cat jumps over the lazy dog"
    grams = [{f"\x02{one}\x03"[i : i + n] for n in (3, 4, 5) for i in range(len(one) + 3 - n)} for one in (a, b)]
    cosine = len(grams[0] & grams[1]) / (len(grams[0]) * len(grams[1])) ** 0.5
    assert float(sketch(a).astype(float) @ sketch(b).astype(float)) == pytest.approx(cosine, abs=0.1)
    for one in ("x", "42", "好", "\ud800", ""):
        assert float(np.linalg.norm(sketch(one).astype(float))) == pytest.approx(1, abs=0.01)
    assert abs(float(sketch("42").astype(float) @ sketch("17").astype(float))) < 0.5


def test_what_would_have_been_found_shrinks_with_more_samples() -> None:
    random = np.random.default_rng(3)

    def least(repeats: int) -> float | None:
        texts = np.stack([sketch(text(random)) for _ in range(2 * repeats)])
        return reach([n // repeats for n in range(2 * repeats)], [0] * (2 * repeats), texts, {})

    few, many = least(4), least(20)
    assert many is not None and many <= 0.5
    assert few is None or few > many


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({}) == {}


def test_how_many_repeats_it_takes_to_find_anything() -> None:
    # Two values of n: 2 / C(2n, n) is at most 0.05 from n = 4 on; three values from n = 3 (280 ways of dividing nine).
    assert (repeats_needed(2), repeats_needed(3), repeats_needed(7)) == (4, 3, 2)
    assert repeats_needed(2, rows=10) == 1


# Effects in words -----------------------------------------------------------------------------------------------------


def test_an_effect_names_what_changed_with_its_numbers() -> None:
    random = np.random.default_rng(1)
    samples = sweep((0.1, 0.9), 8, lambda value, _: text(random, 0.3 if value == 0.1 else 2.0))
    remark = found(read(samples, {"temperature": (0.1, 0.9)}), "effect")
    assert remark and remark.p is not None and remark.p <= 0.01 and remark.n == 16
    assert remark.text.startswith("temperature changes the answers of m (n = 16, p = 0.0")
    assert "distinct-2 " in remark.text and " at 0.1, " in remark.text and remark.text.endswith(" at 0.9")


def test_no_effect_says_what_would_have_shown() -> None:
    random = np.random.default_rng(2)
    samples = sweep((0.1, 0.5, 0.9), 12, lambda value, _: text(random))
    remark = found(read(samples, {"temperature": (0.1, 0.5, 0.9)}), "no-effect")
    assert remark and remark.p is not None and remark.p > 0.05
    assert remark.text.startswith("temperature had no measurable effect on m (n = 36, p = 0.")
    assert "of the answers at one value turning into one same text would have shown" in remark.text


def test_one_text_everywhere_is_no_effect_of_a_prompt_that_leaves_no_room() -> None:
    remark = found(read(sweep((0.1, 0.5, 0.9), 5, lambda *_: "四"), {"temperature": (0.1, 0.5, 0.9)}), "no-effect")
    assert remark and "every answer is the same text" in remark.text and remark.n == 15


@pytest.mark.parametrize(("values", "repeats"), [((0.1, 0.9), 1), ((0.1, 0.9), 3), ((0.1, 0.5, 0.9), 2)])
def test_of_too_few_samples_only_their_number_is_told(values: tuple[float, ...], repeats: int) -> None:
    samples = sweep(
        values, repeats, lambda value, repeat: f"text {value}" if value == 0.1 else f"{repeat} other {value}"
    )
    reading = read(samples, {"temperature": values})
    (remark,) = reading.remarks
    assert (remark.code, remark.p) == ("too-few", None)
    assert remark.needs is not None and repeats + remark.needs == 5
    assert remark.text.endswith("5 would do")


def test_what_too_few_asks_for_is_enough_to_find_a_plain_effect() -> None:
    random = np.random.default_rng(4)
    samples = sweep((0.1, 0.9), 5, lambda value, _: "one and the same" if value == 0.1 else text(random))
    assert "effect" in codes(samples, {"temperature": (0.1, 0.9)})


def test_little_power_is_never_called_no_effect() -> None:
    random = np.random.default_rng(5)
    remark = found(read(sweep((0.1, 0.9), 4, lambda *_: text(random)), {"temperature": (0.1, 0.9)}), "not-detected")
    assert remark and "little can be said" in remark.text and remark.needs and remark.needs > 0


def test_one_value_gives_no_finding() -> None:
    random = np.random.default_rng(6)
    assert codes(sweep((0.7,), 9, lambda *_: text(random)), {"temperature": (0.7,)}) == []


def test_a_longer_thought_is_an_effect_though_answers_are_the_same() -> None:
    places = itertools.product((("low", 50), ("high", 900)), range(6))
    samples = [Sample(cell, "m", {"effort": value}, repeat, "42", thinking="…", thinking_tokens=size + repeat)
               for cell, ((value, size), repeat) in enumerate(places)]  # fmt: skip
    remark = found(read(samples, {"effort": ("low", "high")}), "effect")
    assert remark and remark.text.endswith(": thinking 52 at low, 902 at high")


def test_axes_in_step_are_one_finding_and_crossed_ones_are_two() -> None:
    random = np.random.default_rng(10)
    pairs = [(0.1, 0.5), (0.9, 1.0)]

    def samples(places: Sequence[tuple[float, float]]) -> list[Sample]:
        return [Sample(cell, "m", {"temperature": t, "top_p": p}, n, text(random, 0.3 if t == 0.1 else 2.0))
                for cell, ((t, p), n) in enumerate(itertools.product(places, range(8)))]  # fmt: skip

    axes: dict[str, tuple[Value, ...]] = {"temperature": (0.1, 0.9), "top_p": (0.5, 1.0)}
    told = [remark.text for remark in read(samples(pairs), axes).remarks if remark.code == "effect"]
    assert len(told) == 1 and told[0].startswith("temperature with top_p changes")
    crossed = read(samples([(t, p) for t in (0.1, 0.9) for p in (0.5, 1.0)]), axes).remarks
    by_axis = {remark.text.split()[0]: remark.code for remark in crossed if remark.code != "length"}
    assert by_axis["temperature"] == "effect" and by_axis["top_p"] != "effect"


# Kinds of effect ------------------------------------------------------------------------------------------------------


def test_collapse_is_told_up_to_its_last_value() -> None:
    random = np.random.default_rng(11)
    values = (0.1, 0.4, 0.7, 1.0)
    samples = sweep(values, 5, lambda value, _: "the same old sea" if float(str(value)) <= 0.4 else text(random))
    remark = found(read(samples, {"temperature": values}), "collapse")
    assert remark and remark.text.startswith("answers collapse to one up to temperature 0.4 (n = 10, p = 0.0")
    same_twice = sweep(values, 5, lambda value, n: text(random) if n % 2 else "now and then the same")
    assert "collapse" not in codes(same_twice, {"temperature": values})


def test_the_usable_range_ends_where_answers_break_the_form() -> None:
    random = np.random.default_rng(12)
    values = (0.1, 0.5, 1.0, 1.5, 1.8, 2.0)
    samples = []
    for cell, (value, repeat) in enumerate(itertools.product(values, range(5))):
        broken = value >= 1.8 and repeat < 3
        samples.append(Sample(cell, "m", {"temperature": value}, repeat, text(random, 0.4 + value),
                              outcomes=(Outcome("4x7", not broken),)))  # fmt: skip
    remark = found(read(samples, {"temperature": values}), "range")
    assert remark and remark.p is not None and remark.p <= 0.05
    assert remark.text.startswith(
        "usable up to about temperature 1.5: from 1.8 on 60% of the answers break the form, nothing below it breaks ("
    )


def test_copies_of_one_text_are_one_sample_of_the_range() -> None:
    random = np.random.default_rng(20)
    values = (0.0, 0.4, 0.7, 1.0)
    samples = []
    for cell, (value, repeat) in enumerate(itertools.product(values, range(5))):
        answer = "the one text" if value == 0 else text(random)
        passed = value == 0 or (repeat == 0 and value == 0.7)
        samples.append(Sample(cell, "m", {"temperature": value}, repeat, answer, outcomes=(Outcome("form", passed),)))
    assert found(read(samples, {"temperature": values}), "range") is None
    apart = [Sample(one.cell, "m", one.values, one.repeat, f"{one.answer} {one.repeat}", outcomes=one.outcomes)
             for one in samples]  # fmt: skip
    remark = found(read(apart, {"temperature": values}), "range")
    assert remark and remark.text.startswith("usable up to about temperature 0: from 0.4 on 93% of the answers")


def test_copies_decide_nothing_of_values_without_an_order() -> None:
    samples = [Sample(cell, "m", {"system": value}, n, f"text of {value}" + " again" * (own == "no") * n,
                      outcomes=(Outcome("form", value == "strict"),))
               for cell, (value, n) in enumerate(itertools.product(("plain", "strict"), range(6)))
               for own in ["yes"]]  # fmt: skip
    assert "form" not in codes(samples, {"system": ("plain", "strict")})


@pytest.mark.parametrize("checked", [False, True])
def test_both_bad_ends_are_told_with_what_is_usable_between(checked: bool) -> None:
    random = np.random.default_rng(21)
    values = (0.1, 0.4, 0.7, 1.0, 1.3, 1.8)
    samples = []
    for cell, (value, n) in enumerate(itertools.product(values, range(5))):
        good = 0.4 < value < 1.3
        answer = f"{n} {'over and over and ' * 12}" if value <= 0.4 else text(random)
        tokens = tuple(Token("a", -8.0 if value >= 1.3 else -1.0) for _ in range(20))
        outcomes = (Outcome("form", good or n == 0),) if checked else ()
        samples.append(Sample(cell, "m", {"temperature": value}, n, answer, tokens=tokens, outcomes=outcomes))
    remark = found(read(samples, {"temperature": values}), "range")
    assert remark and remark.p is not None and remark.p <= 0.05
    told = ("80% of the answers break the form at and below temperature 0.4, 80% from 1.3 on" if checked else
            "repeats itself at and below temperature 0.4 (repeated 4-grams 0.93), breaks from 1.3 on "
            "(surprisal 8 nats)")  # fmt: skip
    assert remark.text.startswith(f"{told}: between them 0.7 and 1 are usable (n = 30, p = 0.0"), remark.text


def test_two_bad_ends_where_there_are_none_are_found_in_five_of_a_hundred() -> None:
    random = np.random.default_rng(22)
    labels, strata = [n // 5 for n in range(25)], [0] * 25
    alarms = 0
    for number in range(100):
        found_ = window(labels, strata, (random.random(25) < 0.4).tolist(), number)
        alarms += found_ is not None and found_.p <= 0.05
    assert alarms <= 5  # it asks for three tests at once
    assert window(labels, strata, [label >= 3 for label in labels]) is None  # one end alone is no window


def test_signs_of_breaking_serve_where_there_are_no_checks() -> None:
    random = np.random.default_rng(13)
    salad = (
        "umboallWell contradict oftenZhildren plightQmsg deanostat ke\ufffdps vis◆ible universeEven lautPhen",
        "海 the слово sea 浪",
    )
    values = (0.2, 0.7, 1.2, 2.0)
    samples = sweep(values, 6, lambda value, n: f"{salad[n % 2]} {n}" if value == 2.0 else text(random))
    reading = read(samples, {"temperature": values}, prompt_of=lambda sample: "Write of the sea")
    remark = found(reading, "range")
    assert remark and remark.text.startswith(
        "usable up to about temperature 1.2: from 2 on 100% of the answers look broken"
    )


def test_where_values_have_no_order_the_best_and_worst_are_told() -> None:
    random = np.random.default_rng(14)
    samples = [Sample(cell, "m", {"system": value}, n, text(random), outcomes=(Outcome("form", passed),))
               for cell, (value, n) in enumerate(itertools.product(("plain", "strict"), range(9)))
               for passed in [value == "strict" or n == 0]]  # fmt: skip
    remark = found(read(samples, {"system": ("plain", "strict")}), "form")
    assert remark and remark.text.startswith("89% of the answers break the form at system plain, 0% at strict")


def test_lengths_are_told_unless_answers_were_cut() -> None:
    random = np.random.default_rng(15)

    def told(state: str) -> list[str]:
        samples = [Sample(cell, "m", {"temperature": value}, n, text(random, count=int(value * 20) + n), state=state,
                          finish_reason="length" if state == "incomplete" else "stop")
                   for cell, (value, n) in enumerate(itertools.product((0.5, 1.0, 2.0), range(6)))]  # fmt: skip
        return [
            remark.text
            for remark in read(samples, {"temperature": (0.5, 1.0, 2.0)}).remarks
            if remark.code in ("length", "cut")
        ]

    (length,) = told("done")
    assert length.startswith("lengths change with temperature: 12 units at 0.5, 42 at 2 (n = 18")
    assert told("incomplete") == ["100% of m's answers were cut at max_tokens: lengths are not comparable (n = 18)"]


def test_a_break_where_there_is_none_is_found_in_five_of_a_hundred() -> None:
    random = np.random.default_rng(16)
    labels, strata = [n // 5 for n in range(20)], [0] * 20
    alarms = 0
    for number in range(150):
        change = breaks(labels, strata, (random.random(20) < 0.3).tolist(), number)
        alarms += change is not None and change.p <= 0.05
    assert alarms <= 17  # of Binomial(150, 0.05), exceeded once in 1,000


def test_a_break_is_found_where_it_is() -> None:
    labels = [n // 5 for n in range(25)]
    change = breaks(labels, [0] * 25, [label >= 3 for label in labels])
    assert change and (change.at, change.below, change.above, change.n_above) == (3, 0.0, 1.0, 10) and change.p < 0.01
    assert breaks(labels, [0] * 25, [False] * 25) is None


# Counted, not tested --------------------------------------------------------------------------------------------------


def test_determinism_at_temperature_0() -> None:
    answers = ["The sea is wide", "The sea was wide", "The sky is wide"]
    samples = sweep((0.0,), 10, lambda _, n: answers[1] if n == 3 else answers[2] if n in (5, 6) else answers[0])
    remark = found(read(samples, {"temperature": (0.0,)}), "not-deterministic")
    assert remark and remark.text == (
        "3 distinct answers of 10 at temperature 0: not deterministic at m, first difference at character 6"
    )
    same = found(read(sweep((0,), 4, lambda *_: "yes"), {"temperature": (0,)}), "deterministic")
    assert same and same.text == "all repeats at temperature 0 are the same text at m (n = 4)"
    assert codes(sweep((0,), 2, lambda *_: "yes"), {"temperature": (0,)}) == []


def test_findings_are_the_same_each_time_they_are_read() -> None:
    random = np.random.default_rng(17)
    samples = sweep((0.1, 0.5, 0.9), 5, lambda value, _: text(random, 0.5 + float(str(value))))
    assert read(samples, {"temperature": (0.1, 0.5, 0.9)}) == read(samples, {"temperature": (0.1, 0.5, 0.9)})
