"""Extraction: one class for one value however it is written, an abstention where there is none, nothing that hangs."""

from __future__ import annotations

import json
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import UsageError
from promptlab.extract import HOWS, boxed, check_how, equality, extract, normalise, number

THOUSAND = [
    "1000", "1,000", "１，０００", "1000.0", "1e3", "1×10^3", "$1\\times 10^{3}$", "10³",
    "一千", "1千", "0.1万", "壹仟",
    "$1,000", "\\$1000", "RMB 1000", "1000元", "1,000 元。", "总共是 1,000 元", "\\text{1000}", "2000/2", "100000%",
    "\\frac{2000}{2}", "\\dfrac{2000}{2}", "1{,}000", "1\\,000", "1\u202f000",
    "约1000", "x = 1000", "**1000**", "+1000",
    "1 thousand", "1000 apples", "1000 kg", "1000.",
]  # fmt: skip
HALF = ["0.5", ".5", "0.50", "5e-1", "1/2", "½", "50%", "50 percent", "50\\%", "\\frac12", "\\frac{1}{2}", "二分之一",
        "百分之五十", "零点五", "一半"]  # fmt: skip


@pytest.mark.parametrize("how", ["auto", "boxed", "number", "text", "re:<<(.*)>>", "json:answer"])
@pytest.mark.parametrize(("spellings", "value"), [(THOUSAND, "1000"), (HALF, "0.5")])
def test_one_value_in_many_spellings_is_one_class(how: str, spellings: list[str], value: str) -> None:
    def said(spelling: str) -> str:
        match how:
            case "auto":
                return f"I counted 7 twice.\nThe answer is: {spelling}"
            case "boxed":
                return f"So $\\boxed{{{spelling}}}$ and nothing else, in 3 steps."
            case "number":
                return f"7 and then {spelling}"
            case "text":
                return f" {spelling}\n"
            case "json:answer":
                return json.dumps({"answer": spelling})
            case _:
                return f"7 <<{spelling}>> 8"

    # 一半 and 1 thousandth-like words in running text may be words: only a whole answer reads them.
    taken = [one for one in spellings if not (how == "number" and one == "一半")]
    assert {one: extract(said(one), how) for one in taken if "总共" not in one or how in ("number", "auto")} == {
        one: value for one in taken if "总共" not in one or how in ("number", "auto")
    }


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So 3 + 4 = 7, and the total is 1,234.50 dollars.", "1234.5"),
        ("it fell to -7 degrees", "-7"), ("5-3 = 2", "2"), ("10 -3", "3"), ("from 1-5", "5"),
        ("it is GPT-4", "it is gpt-4"),
        ("The area is 25 cm^2.", "25"), ("about 10^6 people", "1000000"), ("$x = \\frac{3}{4}$", "0.75"),
        ("The probability is 3/8.", "0.375"), ("a third: 1/3", "1/3"),
        ("The answer is not 5, it is 6.", "6"), ("The answer is 12 apples in all, because 3*4", "12"),
        ("The answer is Apollo 11.", "apollo 11"),
        ("**Final Answer:**\n\n42\n\nI hope this helps 1 or 2 people!", "42"),
        ("5 of 6 do.\n#### 18", "18"), ("Answer: (B) Paris", "B"),
        ("The answer is \\boxed{x^2+1}, by step 3.", "x^2+1"),
        ("Is the answer 3? The answer to the question is 5.", "5"),
        ("共12个，所以一共二十五个。", "25"), ("小明有三个苹果，又买了五个。", "5"), ("约3.5万人", "35000"),
        ("第3步：答案是：一百二十三元。", "123"), ("答案：**42**。验算用了3步。", "42"), ("答案为（Ｂ）", "B"),
        ("故选C。", "C"),
        ("已知 3 个条件。因此答案应该是 3万5千。", "35000"),
        ('Sure:\n```json\n{"answer": "1,000", "n": 3}\n```\nI used 7 steps', "1000"), ("Paris", "paris"),
        ("“是的。”", "是的"),
        ("The sea sings softly to\nthe moon", None),
        ("一个人在海边走，十分快乐，千万不要打扰他。万一下雨，就回家去吧。", None),
        ("", None), ("   \n", None), ("。", None),
    ],
)  # fmt: skip
def test_auto_takes_what_is_meant_as_the_answer(text: str, answer: str | None) -> None:
    assert extract(text) == answer


def test_auto_prefers_json_then_a_box_then_the_phrase_then_the_last_number() -> None:
    box, phrase, rest = "\\boxed{2}", "The answer is 3.", "In 4 steps"
    assert extract(f'{{"answer": 1}}\n{box} {phrase} {rest}') == "1"
    assert extract(f"{rest} {box} {phrase} {rest}") == "2"
    assert extract(f"{phrase} {rest}") == "3"
    assert extract(rest) == "4"
    assert extract('{"else": 1} and 9') == "9"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("\\boxed{1} \\boxed{2}", "2"), ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"), ("\\boxed{\\boxed{5}}", "5"),
        ("\\boxed{5} and \\boxed{6", "5"), ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"), ("\\boxed {7}", "7"),
        ("\\boxed", None),
        ("\\boxed{a}b}", "a"), ("\\fbox{9}", "9"), ("\\boxed{答案}", "答案"),
    ],
)  # fmt: skip
def test_the_last_box_whose_braces_match(text: str, inside: str | None) -> None:
    assert boxed(text) == inside


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("The answer is (B).", "B"), ("The answer is B, not option A.", "B"), ("答案：ACD", "ACD"),
        ("Answer: C, A", "AC"),
        ("答案是B", "B"), ("我选C", "C"), ("A", "A"), ("**B**", "B"), ("(C)", "C"), ("B) Paris", "B"),
        ("\\boxed{\\text{D}}", "D"),
        ("A) Rome\nB) Paris\nC) Bonn", None), ("A) Rome\nB) Paris\nThe correct answer is B) Paris", "B"),
        ("Option A is wrong. Option B is right.", "B"), ("正确答案是选项Ｄ", "D"),
        ("The answer is A because it is", "A"),
        ("A good answer is a rare thing.", None), ("The answer is A good one", None), ("BAD IDEA", None), ("", None),
    ],
)  # fmt: skip
def test_options(text: str, letters: str | None) -> None:
    assert extract(text, "option") == letters


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ('{"a": {"b": "Yes!"}}', "a.b", "yes"), ('{"a.b": 1, "a": {"b": 2}}', "a.b", "1"),
        ('{"a": [1, {"b": 7}]}', "a.1.b", "7"),
        ('x {"a": 1} y {"a": 2} z', "a", "2"), ('~~~\n{"a": 1}\n~~~', "a", "1"), ('{"a": null}', "a", None),
        ('{"a": true}', "a", "true"), ('{"a": [2, 1]}', "a", "[2,1]"), ('{"b": 1}', "a", None), ('{"a": 1', "a", None),
        ('{"a": 0.1000}', "a", "0.1"), ('{"a": 12345678901234567890123}', "a", "12345678901234567890123"),
        ('{"答案": "二十"}', "答案", "20"), ('[{"a": 3}]', "0.a", "3"), ('{"a": "line\nbreak"}', "a", "line break"),
        ('first {"x": 1} then ```json\n{"a": 5}\n```', "a", "5"),
    ],
)  # fmt: skip
def test_a_field_of_json(text: str, path: str, value: str | None) -> None:
    assert extract(text, f"json:{path}") == value


def test_a_pattern_gives_its_last_match_and_its_group() -> None:
    assert extract("a=1 a=2 b", r"re:a.\d b?") == "2"  # a number with its name and unit
    assert extract("a-1 a-2", r"re:a-\d") == "a-2"
    assert extract("a=1 a=２", r"re:a=(\w)") == "2"
    assert extract("x1y2", r"re:(x)(?P<answer>\d)") == "1"
    assert extract("none here", r"re:\d+") is None
    assert extract("价格：三十元", "re:价格：(.+)") == "30"
    assert extract("a: ", r"re:a:(b)?") is None


@pytest.mark.parametrize("how", ["re:(", "re:", "json:", "numbr", "", "json"])
def test_a_way_that_there_is_not_is_told_before_anything_is_sent(how: str) -> None:
    with pytest.raises(UsageError) as told:
        check_how(how)
    assert told.value.hint
    with pytest.raises(UsageError):
        extract("5", how)
    for known in (*HOWS[:4], "text", "json:a", "re:a"):
        check_how(known)


def test_a_pattern_that_never_ends_is_stopped_and_told() -> None:
    began = time.monotonic()
    with pytest.raises(UsageError, match="takes more than"):
        extract("a" * 60 + "b", r"re:^(?:(?:a|aa)+)+$")
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000, "[" * 200_000, '{"a":' * 40_000, "\\boxed{" * 30_000,
        "9" * 200_000, "1," * 100_000, "一" * 200_000,
        "万" * 200_000, "answer is " * 20_000, "\\frac{" * 30_000, "-" * 200_000,
        "1/" * 100_000, "$" * 200_000, "(" * 200_000,
        "1e99999999 9^9^9^9 9^999 1×10^999999999", "```\n" * 50_000, " " * 200_000, "百分之" * 60_000, "A" * 200_000,
        "The answer is " + "1 " * 90_000, "_" * 200_000, "(A, " * 50_000, "\n" * 200_000,
    ],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_hostile_texts_end_soon(text: str) -> None:
    began = time.monotonic()
    for how in ("auto", "boxed", "number", "option", "json:a.b", "text"):
        extract(text, how)
    assert time.monotonic() - began < 60


@given(st.text(), st.sampled_from(["auto", "boxed", "number", "option", "json:a", "text", r"re:\w+"]))
@settings(deadline=None)
def test_any_text_gives_an_answer_or_none_and_normal_forms_stay(text: str, how: str) -> None:
    found = extract(text, how)
    assert found is None or found
    assert extract(text, how) == found


@given(st.fractions(max_denominator=1000).filter(lambda value: abs(value) < 10**12))
def test_a_form_reads_as_its_value(value: Fraction) -> None:
    assert number.read(number.form(value)) == value
    assert normalise(number.form(value)) == number.form(value)


def _said(n: int) -> str:
    """A number below 10^12 in standard Chinese, by another road than the reader's."""
    digits = "零一二三四五六七八九"

    def section(value: int) -> str:
        text, gap = "", False
        for size, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit, value = divmod(value, size)
            if digit:
                text += ("零" if gap else "") + digits[digit] + unit
                gap = False
            elif text:
                gap = True
        return text

    text, skipped = "", False
    for value, unit in ((n // 10**8, "亿"), (n // 10**4 % 10**4, "万"), (n % 10**4, "")):
        if value:
            text += ("零" if text and (value < 1000 or skipped) else "") + section(value) + unit
        skipped = bool(text) and not value
    return (text.removeprefix("一") if text.startswith("一十") else text) or "零"


@given(st.integers(0, 10**12 - 1))
def test_chinese_numerals_read_as_they_are_said(n: int) -> None:
    assert number.han(_said(n)) == n, _said(n)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("两", 2), ("两百", 200), ("二百五", 250), ("一万二", 12_000), ("一百零二", 102), ("三千零五", 3005),
        ("十", 10), ("一百一十", 110),
        ("二〇二四", 2024), ("负三", -3), ("三点一四", Fraction(314, 100)), ("三分之二", Fraction(2, 3)),
        ("一万亿", 10**12),
        ("一又四分之三", Fraction(7, 4)), ("千分之五", Fraction(5, 1000)), ("一亿零三万", 100_030_000), ("贰拾叁", 23),
        ("三两", None), ("万一", None), ("千万", None), ("一百零", None), ("十百", None), ("一千一千", None),
        ("点五", None),
        ("", None), ("负负三", None), ("三分之", None), ("一点一点", None), ("零分之一", None), ("两十", None),
    ],
)  # fmt: skip
def test_chinese_numerals_that_are_said_and_those_that_are_none(text: str, value: int | None) -> None:
    assert number.han(text) == value


@pytest.mark.parametrize(
    "text", ["5x", "5 x", "5 or 6", "(1, 2)", "2024-05-01", "3/0", "1,50", "三个半", "5个多", "1e999999", "x+1"]
)
def test_what_is_not_one_number_is_not_read_as_one(text: str) -> None:
    assert number.read(number.flatten(text)) is None
    assert normalise(text) == text.casefold()


def test_what_follows_a_million_characters_is_still_found() -> None:
    assert extract("x" * 1_000_000 + " The answer is 5") == "5"


def test_forms_alone_decide_without_the_extra_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "available", lambda: False)
    assert equality.equal("1,000", "1e3") == (True, "form")
    assert equality.equal("x(x+1)", "x^2+x") == (False, "form")
    assert equality.classes(["1", None, "x+1", "1"]) == {"1": "1", "x+1": "x+1"}


def test_mathematics_decides_with_the_extra() -> None:
    pytest.importorskip("math_verify", reason="the extra math is not installed")
    pairs = [
        ("x(x+1)", "x^2+x"),
        ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"),
        ("x+1", "x+2"),
        ("1,000", "1000"),
        ("yes", "no"),
    ]
    assert equality.equal_each(pairs, 60) == [
        (True, "math"),
        (True, "math"),
        (False, "math"),
        (True, "form"),
        (False, "form"),
    ]
    labels = ["x^2+x", "x(x+1)", "x(x+1)", None, "7"]
    assert equality.classes(labels, 60) == {"x(x+1)": "x(x+1)", "x^2+x": "x(x+1)", "7": "7"}


def test_an_expression_that_would_take_for_ever_is_left_to_forms() -> None:
    pytest.importorskip("math_verify", reason="the extra math is not installed")
    began = time.monotonic()
    found = equality.equal("9^{9^{9^{9^{9}}}}+1", "8^{8^{8^{8^{8}}}}", seconds=8)
    assert not found.same
    assert time.monotonic() - began < 60
