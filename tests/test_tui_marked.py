"""Markdown as it grows: the same however it is cut, never wider than its pane, and nothing of it lost."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.render.wrap import width
from promptlab.tui.fence import blocks
from promptlab.tui.finding import difference
from promptlab.tui.marked import LONGEST, Marked, Row
from promptlab.tui.selection import Selection, Spot, bounds, shaded, text_of, word
from promptlab.tui.sheet import Sheet
from promptlab.tui.syntax import Colours
from promptlab.tui.text import Say

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
              "是否满足": "strong", "while": "code-word", "not bold": "code-note", "after": "answer"}  # fmt: skip
    assert {word: styles(TEXT, word) for word in wanted} == wanted


def test_lines_of_a_poem_stay_lines() -> None:
    assert lines("独钓寒江雪\n千山鸟飞绝\nsnow\nice") == ["独钓寒江雪", "千山鸟飞绝", "snow", "ice"]


def test_what_is_no_mark_stays() -> None:
    for text in ("2 * 3 * 4 = 24", "snake_case_name and __init__", "a**b", "** not bold **", "#hashtag", "-5 degrees",
                 "`` ` ``"[:4], "| a lone bar", "1.5 is a number", "*", "**", "``"):  # fmt: skip
        assert lines(text) == [text]


def test_as_it_was_written() -> None:
    assert lines(TEXT, 80, plain=True) == TEXT.rstrip("\n").split("\n")
    sheet = Sheet(80, Say())
    sheet.append(TEXT)
    assert not sheet.plain and len(sheet) == len(lines(TEXT, 80))
    sheet.resize(80, plain=True)
    assert sheet.plain and len(sheet) == len(TEXT.rstrip("\n").split("\n"))


def test_a_table_that_has_little_room_is_wrapped_in_its_columns() -> None:
    text = "| a long heading | another long one |\n|---|---:|\n| 1 | 独钓寒江雪千山鸟飞绝 |\n| 2 | 3 |"
    assert lines(text, 60)[1] == "───────────────┼─────────────────────"
    assert lines(text, 20) == [
        "a long   │   another", "heading  │  long one", "─────────┼──────────",
        "1        │  独钓寒江", "         │  雪千山鸟", "         │      飞绝", "─────────┼──────────",
        "2        │         3",
    ]  # fmt: skip
    assert lines(text, 14)[0] == "| a long" and "1" in "".join(lines(text, 14))


PIECES = st.one_of(
    st.sampled_from([
        "# ", "## head ", "- ", "  * ", "12. ", "> ", "```", "```py", "~~~", "    ", "\t", "| a | b |",
        "|---|:-:|", "|", "\\|", "**", "*", "`", "``", "---", "\n", "\n\n", "雪落在江面上，", "word ", "x" * 50, "“引”",
        "：", "123456789) ", "- ```js\n", "   ```\n", "      ~~~ py\n", "````md\n", "def f(x):  # no\n", '"""', "/*",
        "*/", "let a = `", "| 雪 | 乌鸦 |\n|---|--:|\n| 江 | **x** |\n", "1. one\n   - two\n", "\t\tx = 1\n",
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
    resized = Sheet(80, Say())
    resized.append(text)
    resized.resize(cells)
    assert [resized[number] for number in range(len(resized))] == streamed


ANSWERS = """1. First, in a list:

   ```python
   def f(x):
       return "雪" * x  # snow
   ```
   - and in one below:
     ~~~sql
     SELECT 江 FROM 河 WHERE n > 10 -- all
     ~~~
2. A table | that is none
| 词 | n | meaning of it |
|:--|--:|:-:|
| 独钓寒江雪 | 1 | fishing **alone** |
| 千山 | 20 | `mountains` |
> 引用的一段话，很长很长，要在窗格里折行 and then some English words behind it
```json
{"a": [1, 2.5, null], "长": "这是一个很长的字符串，放不进窗格"}
```
"""


@settings(max_examples=100)
@given(st.integers(4, 90), st.sets(st.integers(0, len(ANSWERS)), max_size=60))
def test_a_real_answer_streamed_is_the_same_as_at_once(cells: int, at: set[int]) -> None:
    marked = Marked(cells)
    for start, end in pairwise(sorted(at | {0, len(ANSWERS)})):
        marked.append(ANSWERS[start:end])
        assert len(marked) >= 0
    assert [marked[number] for number in range(len(marked))] == rows(ANSWERS, cells)


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


def test_a_chunk_in_a_table_costs_no_more_than_a_look_at_its_rows() -> None:
    def cost(before: int) -> float:
        best = 9.0
        for _ in range(5):
            marked = Marked(60)
            marked.append("| n | 词 |\n|---|--:|\n" + "| **word** and more | 独钓寒江雪 |\n" * before + "| ")
            assert len(marked)
            began = time.process_time()
            for _ in range(30):
                marked.append("a")
                assert len(marked)
            best = min(best, time.process_time() - began)
        return best

    assert cost(160) < 40 * cost(5) + 0.02  # 32 times the rows


@pytest.mark.parametrize("text", ["| a | b |\n|---|---|---|\n", "| a |\n|---|---|\n| 1 | 2 | 3 |", "a | b\n|-|\n",
                                  "|\n|-|-|\n", "||\n|-|\n| x | y |"])  # fmt: skip
def test_a_rule_that_fits_no_head_makes_no_table(text: str) -> None:
    for cells in (2, 4, 30):
        for end in range(len(text) + 1):
            rows(text[:end], cells)
    assert lines("| a | b |\n|---|---|---|\n")[1] == "|---|---|---|"


def test_a_line_of_any_length_is_shown() -> None:
    text = "**word** " * LONGEST
    assert "".join(lines(text, 50)).replace(" ", "") == text.replace(" ", "")


# Code ----------------------------------------------------------------------------------------------------------------


def test_a_fence_in_a_list_is_one_and_its_code_keeps_its_width() -> None:
    text = "- so:\n  - ```py\n    x  =  1\n    ```\n- **after**"
    assert lines(text) == ["• so:", "  - ```py", "    x  =  1", "    ```", "• after"]
    assert lines("```\na  b  cccc   dd\n```", 6) == ["```", "a  b  ", "cccc  ", " dd", "```"]
    assert lines("```\n雪落在江面上\n```", 5) == ["```", "雪落", "在江", "面上", "```"]
    assert lines("~~~ a `tick`\n# no heading\n~~~\n# heading") == ["~~~ a `tick`", "# no heading", "~~~", "heading"]


def test_blocks_of_code_are_found_as_they_are_shown() -> None:
    text = ("```python\nx = 1\n\n  y\n```\n1. in a list\n   ```sh\n   ls\n     -l\n   ```\n````md\n```\ninner\n```\n"
            "````\n```\n\n```\n~~~\r\nopen 雪")  # fmt: skip
    assert [tuple(block) for block in blocks(text)] == [
        ("python", "x = 1\n\n  y", False), ("sh", "ls\n  -l", False), ("md", "```\ninner\n```", False),
        ("", "open 雪", True),
    ]  # fmt: skip
    assert blocks("no `code` here, nor ``` inline ``` code") == []


def coloured(language: str, *code: str) -> list[list[tuple[str, str]]]:
    colours = Colours(language)
    return [[(text, style.removeprefix("code-")) for text, style in colours.line(line)] for line in code]


def test_code_has_colours_that_go_on_in_the_next_line() -> None:
    assert coloured("python", 'def f(x="#"): # why', '"""from', 'here""" + 12') == [
        [("def", "word"), (" f(x=", "code"), ('"#"', "text"), ("): ", "code"), ("# why", "note")],
        [('"""from', "text")], [('here"""', "text"), (" + ", "code"), ("12", "number")],
    ]  # fmt: skip
    rust = coloured("rust", "fn f<'a>(s: &'a str) /* 注", "释 */ 'x'")
    assert rust[0][1:] == [(" f<'a>(s: &'a str) ", "code"), ("/* 注", "note")]
    assert rust[1] == [("释 */", "note"), (" ", "code"), ("'x'", "text")]
    assert coloured("sql", "Select 'a' -- b") == [
        [("Select", "word"), (" ", "code"), ("'a'", "text"), (" ", "code"), ("-- b", "note")],
    ]  # fmt: skip
    assert coloured("yaml", "a: don't, it's # so")[0] == [("a: don't, it's ", "code"), ("# so", "note")]
    assert coloured("diff", "+new", "-old", " same") == [[("+new", "text")], [("-old", "word")], [(" same", "code")]]
    assert coloured("klingon", "while 1") == [[("while 1", "code")]]
    colours = Colours("js")
    assert colours.line("`open", ended=False) == colours.line("`open", ended=False)
    assert colours.line("a`", ended=False)[0].style == "code"


@given(
    st.sampled_from(["python", "rust", "js", "sh", "sql", "yaml", "json", "css", "html", "diff", "x"]),
    st.lists(st.text(st.sampled_from("\"'`#/*-<!>\\ a1_雪=.$&{"), max_size=30), max_size=6),
)
def test_colours_change_no_letter(language: str, code: list[str]) -> None:
    colours = Colours(language)
    for line in code:
        assert "".join(span.text for span in colours.line(line)) == line


@pytest.mark.parametrize("language", ["python", "c", "js", "sh", "sql", "html", "yaml"])
def test_hostile_code_takes_no_time(language: str) -> None:
    began = time.process_time()
    for piece in ('\\"', "'", '"', "/*", "\\", "`", "<", "'''", '"""', "a", "1.", "#", "-- ", "'\\"):
        colours = Colours(language)
        for _ in range(5):
            colours.line((piece * LONGEST)[:LONGEST])
            colours.line((piece * LONGEST)[1:LONGEST])
    assert time.process_time() - began < 5


# What is selected ----------------------------------------------------------------------------------------------------


def whole(text: str, cells: int, *, plain: bool = False) -> str:
    made = rows(text, cells, plain=plain)
    return text_of(Selection(Spot(0, 0), Spot(len(made) - 1, cells)), made) if made else ""


def test_soft_wrapped_lines_are_selected_whole() -> None:
    poem = "a line of words\n独钓寒江雪，千山鸟飞绝，万径人踪灭\n- an item  that has two rows\n> a quotation of two"
    assert whole(poem, 12) == poem.replace("- ", "• ").replace("> ", "▎ ")
    assert whole("```\nx = [1,  2,   3,    4]\n```", 6) == "```\nx = [1,  2,   3,    4]\n```"
    long = "雪落在江面上，" * 300
    assert whole(long, 40) == long and whole(f"{long}\nend", 40) == f"{long}\nend"
    long = "some words " * 300
    assert whole(f"{long}\nend", 40) == f"{long.strip()}\nend" and whole(long, 40) == long.strip()


@given(
    st.lists(st.sampled_from(["word", "  ", " ", "雪落", "，", "\n", "x" * 30, "**", "- ", "```"]), max_size=60),
    st.integers(2, 40),
)
def test_all_that_is_selected_as_written_is_what_was_written(pieces: list[str], cells: int) -> None:
    text = "\n".join(line.strip() for line in "".join(pieces).split("\n"))
    assert whole(text, cells, plain=True) == text.strip("\n")


def test_cells_of_a_wide_character_are_selected_together() -> None:
    row = rows("ab雪落 **c**")[0]
    assert [tuple(span) for span in shaded(row, 3, 5)] == [
        ("ab", "answer"), ("雪落", "selected"), (" ", "answer"), ("c", "strong"),
    ]  # fmt: skip
    assert text_of(Selection(Spot(0, 3), Spot(0, 5)), [row]) == "雪落"
    assert text_of(Selection(Spot(0, 5), Spot(0, 1)), [row]) == "b雪落"


@given(st.text(st.sampled_from("ab 雪，é\u0301-"), max_size=20), st.integers(0, 25), st.integers(0, 25))
def test_what_is_shaded_is_what_is_copied(text: str, start: int, end: int) -> None:
    start, end = sorted((start, end))
    made = rows(text, 60, plain=True)
    row = made[0] if made else ()
    shown = "".join(span.text for span in shaded(row, start, end) if span.style == "selected")
    assert "".join(span.text for span in shaded(row, start, end)) == "".join(span.text for span in row)
    assert text_of(Selection(Spot(0, start), Spot(0, end)), [row]) == shown.rstrip()


def test_words_are_letters_of_one_kind() -> None:
    row = rows("- call some_name(雪落，x) now")[0]
    text = "".join(span.text for span in row)
    for at, wanted in (("me_n", "some_name"), ("落", "雪落"), ("，", "，"), ("ow", "now"), ("(", "(")):
        assert text_of(word([row], Spot(0, width(text[: text.index(at)]))), [row]) == wanted
    assert word([row], Spot(0, 50)) == (Spot(0, 50), Spot(0, 50))
    broken = rows("- 独钓寒江雪 x", 8)
    assert text_of(word(broken, Spot(1, 3)), broken) == "独钓寒江雪"
    made = rows("one line of several rows that goes on\nanother", 10)
    assert bounds(made, 1) == (0, len(made) - 2) and bounds(made, len(made) - 1) == (len(made) - 1, len(made) - 1)


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
