"""Markdown as it grows: the same however it is cut, never wider than its pane, and nothing of it lost."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.render.wrap import width
from promptlab.tui.difference import difference
from promptlab.tui.marked import LONGEST, Marked, Row

TEXT = """# The answer

The **smallest** n is *30*, see `bit_length`:

- 2^29 = 536,870,912 is below
  - 雪落在江面上，一只乌鸦数着冬天，水在冰下流过
1. first
10. tenth
> quoted text
---
| n | 2^n | 是否满足 |
|---|---:|:---|
| 29 | 536870912 | 否 |
| 30 | 1073741824 | **是** |
```python
while 2**n <= 10**9:
    n += 1  # **not bold**
```
after
"""


def rows(text: str, cells: int = 60, *, plain: bool = False) -> list[Row]:
    marked = Marked(cells, plain=plain)
    marked.append(text)
    return [marked[number] for number in range(len(marked))]


def lines(text: str, cells: int = 60, *, plain: bool = False) -> list[str]:
    return ["".join(span.text for span in row) for row in rows(text, cells, plain=plain)]


def styles(text: str, word: str) -> str:
    return next(span.style for row in rows(text) for span in row if word in span.text)


def test_what_it_looks_like() -> None:
    assert lines(TEXT, 40) == [
        "The answer", "", "The smallest n is 30, see bit_length:", "", "• 2^29 = 536,870,912 is below",
        "  • 雪落在江面上，一只乌鸦数着冬天，水在", "    冰下流过", "1. first", "10. tenth", "▎ quoted text", "─" * 40,
        "n  │        2^n │ 是否满足", "───┼────────────┼─────────", "29 │  536870912 │ 否      ",
        "30 │ 1073741824 │ 是      ", "```python", "while 2**n <= 10**9:", "    n += 1  # **not bold**", "```", "after",
    ]  # fmt: skip
    wanted = {"The answer": "heading", "smallest": "strong", "30": "mild", "bit_length": "code", "quoted": "quote",
              "是否满足": "strong", "while": "code", "not bold": "code", "after": "answer"}  # fmt: skip
    assert {word: styles(TEXT, word) for word in wanted} == wanted


def test_lines_of_a_poem_stay_lines() -> None:
    assert lines("独钓寒江雪\n千山鸟飞绝\nsnow\nice") == ["独钓寒江雪", "千山鸟飞绝", "snow", "ice"]


def test_what_is_no_mark_stays() -> None:
    for text in ("2 * 3 * 4 = 24", "snake_case_name and __init__", "a**b", "** not bold **", "#hashtag", "-5 degrees",
                 "`` ` ``"[:4], "| a lone bar", "1.5 is a number", "*", "**", "``"):  # fmt: skip
        assert lines(text) == [text]


def test_as_it_was_written() -> None:
    assert lines(TEXT, 80, plain=True) == TEXT.rstrip("\n").split("\n")
    marked = Marked(80)
    marked.append(TEXT)
    marked.resize(80, plain=True)
    assert len(marked) == len(TEXT.rstrip("\n").split("\n"))


def test_a_table_that_has_no_room_is_shown_as_written() -> None:
    text = "| a long heading | another long one |\n|---|---|\n| 1 | 2 |"
    assert lines(text, 20)[0] == "| a long heading |" and "1" in "".join(lines(text, 20))
    assert lines(text, 60)[1] == "───────────────┼─────────────────"


PIECES = st.one_of(
    st.sampled_from([
        "# ", "## head ", "- ", "  * ", "12. ", "> ", "```", "```py", "~~~", "    ", "\t", "| a | b |",
        "|---|:-:|", "|", "\\|", "**", "*", "`", "``", "---", "\n", "\n\n", "雪落在江面上，", "word ", "x" * 50, "“引”",
        "：", "123456789) ",
    ]),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Mn", "Me", "Mc", "Zl", "Zp", "Co", "Cn")), max_size=8),
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40), st.integers(4, 70), st.data())
def test_streamed_is_the_same_as_at_once(pieces: list[str], cells: int, data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    marked = Marked(cells)
    for start, end in pairwise(cuts):
        marked.append(text[start:end])
        assert all(marked[number] is not None for number in range(len(marked)))  # it is looked at while it grows
    streamed = [marked[number] for number in range(len(marked))]
    assert streamed == rows(text, cells)
    assert all(sum(width(span.text) for span in row) <= cells for row in streamed)
    resized = Marked(80)
    resized.append(text)
    resized.resize(cells)
    assert [resized[number] for number in range(len(resized))] == streamed


@given(st.lists(st.sampled_from(["word", "雪", "**b**", "`c`", "- i", "# h", "| t |", "\n", " "]), max_size=30))
def test_no_letter_is_lost(pieces: list[str]) -> None:
    text = "".join(pieces)
    letters = [char for char in text if char.isalpha()]
    assert [char for line in lines(text) for char in line if char.isalpha()] == letters


@pytest.mark.parametrize(
    "text",
    ["*" * 100_000, "`" * 100_000, "**a" * 30_000, "`a" * 1400, "**a " * 370, "*a" * 740, "| " * 100_000,
     "|a|\n" * 5000, "|-|\n" * 5000, "# " * 50_000, "\n" * 200_000, "> " * 50_000, "- " * 50_000, "x" * 1_000_000],
)  # fmt: skip
def test_hostile_marks_take_no_time(text: str) -> None:
    began = time.process_time()
    marked = Marked(60)
    for start in range(0, len(text), max(1, len(text) // 50)):
        marked.append(text[start : start + max(1, len(text) // 50)])
        assert len(marked) >= 0
    assert time.process_time() - began < 6


def test_a_chunk_costs_the_same_whatever_came_before() -> None:
    def cost(before: int) -> float:
        marked = Marked(60)
        marked.append("A **line** of `text` that is wrapped somewhere, as lines are.\n" * before)
        best = 9.0
        for _ in range(5):
            began = time.process_time()
            for _ in range(100):
                marked.append("more of it ")
                assert len(marked)
            marked.append("\n")
            best = min(best, time.process_time() - began)
        return best

    assert cost(5000) < 3 * cost(10) + 0.01


def test_a_line_of_any_length_is_shown() -> None:
    text = "**word** " * LONGEST
    assert "".join(lines(text, 50)).replace(" ", "") == text.replace(" ", "")


# What only one of two says --------------------------------------------------------------------------------------------


def test_a_difference_is_by_words_and_by_characters() -> None:
    assert difference("The old snow falls.", "The new snow falls!") == [
        ("The ", "same"), ("[-old-]", "gone"), ("{+new+}", "new"), (" snow falls", "same"), ("[-.-]", "gone"),
        ("{+!+}", "new"),
    ]  # fmt: skip
    assert difference("雪落在江面上", "雪落在河面上")[1:3] == [("[-江-]", "gone"), ("{+河+}", "new")]


@given(st.text(max_size=80), st.text(max_size=80))
def test_both_texts_can_be_read_out_of_their_difference(first: str, second: str) -> None:
    spans = difference(first, second)
    for text, other in ((first, "new"), (second, "gone")):
        read = "".join(span.text if span.style == "same" else span.text[2:-2] for span in spans if span.style != other)
        assert read == text


def test_long_texts_are_compared_as_far_as_it_goes() -> None:
    began = time.process_time()
    assert difference("a b " * 50_000, "b a " * 50_000)[-1] == ("\n…", "same")
    assert time.process_time() - began < 8
