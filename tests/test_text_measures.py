"""Measures of texts against values worked by hand, rapidfuzz, and a plain second implementation; and invariances."""

from __future__ import annotations

import math
import random
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from promptlab.analysis.interval import jackknife
from promptlab.analysis.likeness import near_twins
from promptlab.analysis.text import (
    Texts,
    common_length,
    compression,
    curve,
    distinct,
    drift,
    medoid,
    near_duplicates,
    openings,
    plain,
    repetition,
    similarity,
    units,
    vendi,
)  # fmt: skip

SETS: list[Callable[[Sequence[str]], float | None]] = [distinct, compression, vendi, openings, near_duplicates]
SEA = ["The sea is wide and blue, and the waves roll softly to the shore.",
       "At night the ocean sings to the moon, and dark waves rise and fall.",
       "I walk along the beach at dawn. The tide has left small shells."]  # fmt: skip
HAI = [
    "大海辽阔而湛蓝，海浪轻轻涌向岸边。",
    "夜里，海洋对着月亮歌唱，黑色的波浪起起伏伏。",
    "清晨我沿着沙滩散步，潮水留下了小小的贝壳。",
]
TEXTS = st.lists(st.one_of(st.text(max_size=40), st.sampled_from(SEA + HAI)), max_size=7)


def test_units() -> None:
    assert units("Hello, World 42!") == ["hello", ",", "world", "42", "!"]
    assert units("大海3米") == ["大", "海", "3", "米"]
    assert units("ＡＢＣ，１２") == ["abc", ",", "12"]
    assert units("海のカモメ") == ["海", "の", "カ", "モ", "メ"]
    assert units("नमस्ते दुनिया") == ["नमस्ते", "दुनिया"]
    assert units("한국어 문장") == ["한국어", "문장"]
    assert units("\U00020000a_b") == ["\U00020000", "a", "_", "b"]
    assert units("") == [] and units(" \n") == []


def test_distinct_by_hand() -> None:
    # ab bc | ab bd: 3 of 4; 春眠 眠不 | 春眠 眠觉: 3 of 4.
    assert distinct(["a b c", "A b d"]) == 0.75
    assert distinct(["春眠不", "春眠觉"]) == 0.75
    assert distinct(["a b c", "a b c"], 1) == 0.5
    assert distinct(["a b c d", "a b c d"], 2, length=2) == 0.5
    assert distinct(["a", "b"]) is None  # no pair of units


@given(TEXTS, st.integers(0, 7))
def test_the_curve_is_distinct_at_each_length_and_of_each_part(texts: list[str], groups: int) -> None:
    some, lengths = Texts(texts), (1, 2, 3, 4, 6, 8, 12, 16, 24)
    for length, (value, parts) in zip(lengths, curve(some, lengths, groups), strict=True):
        assert len(texts) < 2 or value == distinct(texts, 2, length)
        assert len(parts) == groups
        for part in range(groups):
            left = some.without(range(part, len(texts), groups))
            assert len(left) < 2 or parts[part] == distinct(left, 2, length)


def test_a_curve_of_many_pairs_is_taken_in_blocks() -> None:
    chance = random.Random(1)
    texts = Texts(" ".join(f"w{chance.randrange(300)}" for _ in range(400)) for _ in range(1000))
    (value, parts), *_ = curve(texts, (401,), 4)
    assert value == distinct(texts, 2, 401)
    assert parts[3] == distinct(texts.without(range(3, 1000, 4)), 2, 401)


@given(TEXTS, st.integers(0, 20))
def test_a_packed_set_has_the_compression_of_the_set(texts: list[str], length: int) -> None:
    assert compression(Texts.unpack(Texts(texts).pack()), length) == compression(texts, length)


def test_texts_are_cut_to_one_length_and_a_refusal_cuts_nobody() -> None:
    assert common_length(["a b c d", "a b c", "a b c d e"]) == 3
    assert common_length(["no", "a b c d", "a b c d e", "a b c d e f"]) == 4
    assert common_length([]) == 0
    assert distinct(["a b c", "a b c x y z"]) == 0.5
    long, twice = distinct(["a b c d e f", "g h i j k l"]), distinct(["a b c d e f a b c d e f", "g h i j k l"])
    assert long == twice == 1.0


def test_compression_is_zlibs_and_sees_twins() -> None:
    joined = "\n".join(sorted(plain(text) for text in SEA)).encode()
    assert compression(SEA, length=1000) == len(joined) / len(zlib.compress(joined, 9))
    for texts in (SEA, HAI):
        same, differing = compression([texts[0]] * 3), compression(texts)
        assert same is not None and differing is not None and same > 1.5 * differing


def _vendi(texts: Sequence[str], sizes: range) -> float:
    grams = [{form[i : i + n] for n in sizes for i in range(len(form) - n + 1)} for form in map(plain, texts)]
    kernel = [[len(a & b) / math.sqrt(len(a) * len(b)) for b in grams] for a in grams]
    values = np.linalg.eigvalsh(np.array(kernel) / len(texts))
    return math.exp(-sum(value * math.log(value) for value in values if value > 1e-12))


def test_vendi_equals_a_plain_second_one() -> None:
    assert vendi(SEA) == pytest.approx(_vendi(SEA, range(3, 6)))
    assert vendi(HAI) == pytest.approx(_vendi(HAI, range(1, 3)))
    # By hand: abc and abd share one of the n-grams that each has three of (3: 1, 4: 2 ... of abcx and abcy).
    share = 1 / 3  # abcx: abc bcx abcx; abcy: abc bcy abcy
    lam = ((1 + share) / 2, (1 - share) / 2)
    assert vendi(["abcx", "abcy"]) == pytest.approx(math.exp(-sum(one * math.log(one) for one in lam)))


def test_vendi_is_one_for_equal_and_n_for_disjoint_texts() -> None:
    assert vendi(["海上生明月"] * 5) == pytest.approx(1)
    assert vendi([letter * 9 for letter in "abcdefg"]) == pytest.approx(7)
    assert vendi(["春眠", "不觉", "处处"]) == pytest.approx(3)
    assert vendi(["", "", "abc"]) == pytest.approx(math.exp(-2 / 3 * math.log(2 / 3) - 1 / 3 * math.log(1 / 3)))


def test_vendi_reads_alike_in_english_and_chinese() -> None:
    alike = vendi(["Paris is the capital of France.", "The capital of France is Paris.", "France's capital is Paris."])
    alike_zh = vendi(["巴黎是法国的首都。", "法国的首都是巴黎。", "法国首都是巴黎。"])
    assert alike is not None and alike_zh is not None
    assert alike == pytest.approx(alike_zh, abs=0.5)
    for texts, close in ((SEA, alike), (HAI, alike_zh)):
        score = vendi(texts)
        assert score is not None and score > close + 0.5


def test_openings_by_hand() -> None:
    assert openings(["The sea is", "the sea is not", "A sea is"]) == pytest.approx(2 / 3)
    assert openings(["大海啊你", "大海啊我", "小河"]) == pytest.approx(2 / 3)


@given(st.one_of(st.text("ab c海", max_size=60), st.sampled_from(SEA + HAI)), st.text("ab c海", max_size=60))
def test_similarity_is_rapidfuzzs_on_units(a: str, b: str) -> None:
    assert similarity(a, b) == pytest.approx(Indel.normalized_similarity(units(a), units(b)))
    assert similarity(a, b) == similarity(b, a)
    assert similarity(a, a) == 1


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30).map(" ".join), min_size=2, max_size=6),
    st.randoms(),
)
def test_near_duplicates_are_rapidfuzzs(texts: list[str], chance: random.Random) -> None:
    texts = [*texts, *(" ".join(unit for unit in text.split() if chance.random() > 0.05) for text in texts)]
    pairs = [(a, b) for i, a in enumerate(texts) for b in texts[:i]]
    near = sum(Indel.normalized_similarity(units(a), units(b)) >= 0.9 for a, b in pairs)
    assert near_duplicates(texts) == pytest.approx(near / len(pairs))


def test_where_most_pairs_are_close_calls_the_first_texts_are_compared_and_rightly() -> None:
    chance = random.Random(2)
    centre = ["".join(chance.choices("abcdefghijkl", k=3)) for _ in range(900)]

    def edited() -> str:
        return " ".join(chance.choice(centre) if chance.random() < 0.053 else unit for unit in centre)

    texts = [edited() for _ in range(60)]
    texts[7] = texts[3]
    began = time.process_time()
    near = near_twins(Texts(texts)._whole.units)
    assert time.process_time() - began < 5
    assert 25 <= len(near) < 60  # 1,770 comparisons of 900 units are more than it takes the time for
    for a in range(len(near)):
        for b in range(len(near)):
            alike = Indel.normalized_similarity(units(texts[a]), units(texts[b])) >= 0.9
            assert near[a, b] == (alike and a != b), (a, b)
    assert 0 < near.mean() < 0.9


def test_near_duplicates_in_chinese() -> None:
    assert near_duplicates([HAI[0], HAI[0].replace("轻轻", "慢慢"), HAI[1]]) == 0  # 15 of 17 characters
    assert near_duplicates([HAI[1], HAI[1].replace("黑色", "黑黑"), HAI[2]]) == pytest.approx(1 / 3)


def test_repetition_by_hand() -> None:
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)  # abcd bcda cdab dabc abcd
    assert repetition("春眠不觉春眠不觉") == pytest.approx(1 / 5)
    assert repetition("a b c d e") == 0
    assert repetition("a b c") is None and repetition("") is None
    looped = repetition("海" * 100)
    assert looped is not None and looped > 0.95


def test_drift_by_hand() -> None:
    assert drift("海ab", "写一首诗") == pytest.approx(2 / 3)
    assert drift("ＡＢ 12 ", "abc") == 0
    assert drift("привет", "hello") == 1
    assert drift("カもめ", "ひらがな") == 0  # the two kana are one script
    assert drift("12", "abc") is None and drift("abc", "12?") is None and drift("", "abc") is None


def test_the_medoid_is_nearest_to_the_others() -> None:
    assert medoid(["zzzz zzzz", "the sea is blue", "the sea is", "the sea is wide"]) == 2
    assert medoid(["夜里很黑", "大海很蓝很大", "大海很蓝", "大海很大"]) == 1
    assert medoid(["one"]) == 0 and medoid(["same", "same"]) == 0
    with pytest.raises(ValueError, match="no text"):
        medoid([])


@pytest.mark.parametrize("measure", SETS)
@pytest.mark.parametrize("texts", [[], ["one text"], ["只有一首"]])
def test_fewer_than_two_texts_have_no_measure(
    measure: Callable[[Sequence[str]], float | None], texts: list[str]
) -> None:
    assert measure(texts) is None


@given(TEXTS, st.randoms())
@settings(deadline=None)
def test_the_order_of_texts_makes_no_difference(texts: list[str], chance: random.Random) -> None:
    shuffled = chance.sample(texts, len(texts))
    for measure in SETS:
        a, b = measure(texts), measure(shuffled)
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=1e-6)


@given(st.lists(st.text("abcdef ", max_size=30), min_size=2, max_size=6))
@settings(deadline=None)
def test_other_letters_of_the_same_script_make_no_difference(texts: list[str]) -> None:
    renamed = [text.translate(str.maketrans("abcdef", "ufotsq")) for text in texts]
    for measure in (distinct, vendi, openings, near_duplicates):
        a, b = measure(texts), measure(renamed)
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, abs=1e-6)


@given(TEXTS, st.data())
@settings(deadline=None)
def test_a_part_of_a_set_measures_like_a_set_of_its_own(texts: list[str], data: st.DataObject) -> None:
    out = set(data.draw(st.lists(st.integers(0, max(0, len(texts) - 1)), max_size=3)))
    whole = Texts(texts)
    rest = [text for place, text in enumerate(texts) if place not in out]
    part = whole.without(out)
    assert list(part) == rest and part[:2] == tuple(rest[:2])
    for measure in (distinct, compression, openings, near_duplicates):
        assert measure(part) == measure(rest)


@given(TEXTS, st.text(max_size=20))
@settings(deadline=None)
def test_shares_stay_shares_whatever_the_text(texts: list[str], prompt: str) -> None:
    for measure in (distinct, openings, near_duplicates):
        value = measure(texts)
        assert value is None or 0 <= value <= 1
    score = vendi(texts)
    assert score is None or 1 <= score <= len(texts)
    for text in texts:
        for share in (repetition(text), drift(text, prompt)):
            assert share is None or 0 <= share <= 1


def test_lone_surrogates_break_nothing() -> None:
    for measure in SETS:
        measure(["\ud800 broken", "whole \udfff"])
    assert medoid(["\ud800", "b"]) == 0


@pytest.mark.parametrize("near", [False, True])
def test_two_hundred_long_texts_take_seconds(near: bool) -> None:
    chance = random.Random(5)
    words = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 8))) for _ in range(3000)]
    base = [words[int(chance.paretovariate(0.7)) % 3000] for _ in range(1000)]

    def draw() -> str:
        if near:
            return " ".join(word if chance.random() > 0.02 else "x" for word in base)
        return " ".join(words[int(chance.paretovariate(0.7)) % 3000] for _ in range(1000))

    texts = Texts(draw() for _ in range(200))
    began = time.process_time()
    for measure in SETS:
        jackknife(measure, texts)
    medoid(texts)
    assert (
        time.process_time() - began < 60
    )  # measured: 4 s, and 12 s where all are near-duplicates; several times that on a busy machine
