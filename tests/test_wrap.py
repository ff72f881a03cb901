"""Wrapping by cells: nothing too wide, nothing lost, and streamed is the same as wrapped at once."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from promptlab.render import wrap
from promptlab.render.sanitise import clean
from promptlab.render.wrap import WrapBuffer, fit, pad, width, wrap_line

ALPHABET = [*"aaabcd     \n\t。，、！？」』）】》「（『“”…—字漢あーっ한😀é.,()\"'-\u0301\u0303\u200c\u1161\xa0\u3000ﾊ"]


def texts(*, newlines: bool = True) -> st.SearchStrategy[str]:
    every_character = st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None)
    # The few characters are there to meet at the edges: spaces over them, tabs and marks right behind them.
    few = st.text(st.sampled_from("aa   \t字。（\u0301\n"), max_size=40)
    text = st.one_of(few, st.text(st.one_of(*[st.sampled_from(ALPHABET)] * 6, every_character), max_size=80)).map(clean)
    return text if newlines else text.map(lambda text: text.replace("\n", ""))


def streamed(text: str, cuts: list[int], cells: int) -> WrapBuffer:
    buffer = WrapBuffer(cells)
    for start, end in pairwise([0, *sorted(cuts), len(text)]):
        buffer.append(text[start:end])
    return buffer


def at_once(text: str, cells: int) -> list[str]:
    """What a buffer must show, by way of wrap_line alone."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [visual for line in lines for visual in wrap_line(line, cells)]


def without_spaces(text: str) -> str:
    return text.translate(str.maketrans("", "", " \n\t"))


widths = st.integers(2, 24)


@given(texts(newlines=False))
def test_width_is_what_rich_measures(text: str) -> None:
    text = text.replace("\t", "")
    assert width(text) == cell_len(text)


@given(texts(newlines=False), widths)
def test_no_line_is_too_wide_and_nothing_is_lost(text: str, cells: int) -> None:
    lines = wrap_line(text, cells)
    assert lines
    assert all(cell_len(line) <= cells for line in lines)
    assert without_spaces("".join(lines)) == without_spaces(text)
    assert len(lines) == 1 or all(lines)


@given(texts(), st.lists(st.integers(0, 80)), widths)
def test_streamed_is_the_same_as_at_once(text: str, cuts: list[int], cells: int) -> None:
    assert streamed(text, cuts, cells).lines == at_once(text, cells)


@given(texts(), widths)
def test_finished_lines_never_change(text: str, cells: int) -> None:
    buffer = WrapBuffer(cells)
    final: list[str] = []
    for char in text:
        buffer.append(char)
        assert buffer.lines[: len(final)] == final
        assert len(buffer.lines) - 1 <= buffer.finished() <= len(buffer.lines)
        final = buffer.lines[: buffer.finished()]


@given(texts(), texts(), widths, widths)
def test_resize_is_the_same_as_having_been_that_wide(text: str, more: str, cells: int, other: int) -> None:
    buffer = WrapBuffer(other)
    buffer.append(text)
    buffer.resize(cells)
    assert buffer.lines == at_once(text, cells)
    buffer.append(more)
    assert buffer.lines == at_once(text + more, cells)


@given(st.text("ab  ", max_size=60), widths)
def test_ascii_breaks_where_any_text_does(text: str, cells: int) -> None:
    """The road for ASCII is the road for everything, only shorter: é makes no difference but the road."""
    assert [line.replace("é", "a") for line in wrap_line(text.replace("a", "é"), cells)] == wrap_line(text, cells)


@given(texts(newlines=False), st.integers(4, 24))
def test_kinsoku_holds_unless_a_line_has_no_other_break(text: str, cells: int) -> None:
    text = without_spaces(text)
    position = 0
    for line, following in pairwise(wrap_line(text, cells)):
        position += len(line)
        broken_badly = following[0] in wrap._NO_LINE_START or line[-1] in wrap._NO_LINE_END
        if broken_badly:
            start = position - len(line)
            assert not any(wrap._may_break(text, index) for index in range(start + 1, position + 1))


@given(texts(), st.integers(0, 24))
def test_fit_and_pad(text: str, cells: int) -> None:
    cut = fit(text, cells)
    assert cell_len(cut) <= cells
    assert cell_len(pad(text, cells)) == cells
    assert cut == text.replace("\n", " ").replace("\t", " ") or cells == 0 or cut.endswith("…")
    assert fit(cut, cells) == cut


@pytest.mark.parametrize(
    ("text", "cells", "lines"),
    [
        ("", 10, [""]),
        ("hello world", 20, ["hello world"]),
        ("hello world", 11, ["hello world"]),
        ("hello world", 10, ["hello", "world"]),
        ("hello   world", 6, ["hello", "world"]),
        ("hello ", 5, ["hello"]),
        ("a bb ccc dddd", 4, ["a bb", "ccc", "dddd"]),
        ("an incomprehensible word", 6, ["an", "incomp", "rehens", "ible", "word"]),
        ("  indented code", 12, ["  indented", "code"]),
        ("      verylongword x", 12, ["verylongword", "x"]),
        ("       ", 4, [""]),
        ("a\tb\tc", 20, ["a   b   c"]),
        ("\tif x:", 20, ["    if x:"]),
        ("温\tb", 20, ["温  b"]),
        ("温度越高越随机", 6, ["温度越", "高越随", "机"]),
        ("温度越高越随机", 7, ["温度越", "高越随", "机"]),
        ("温度越高。随机", 8, ["温度越", "高。随机"]),
        ("温度越高！？」随机", 8, ["温度越", "高！？」", "随机"]),
        ("他说「好」了", 6, ["他说", "「好」", "了"]),
        ("他说（“好”）了", 6, ["他说", "（“好”", "）了"]),  # （“好”） is too wide: cut where the line is full
        ("ファー", 4, ["ファ", "ー"]),  # no break is allowed
        ("用temperature采样", 8, ["用", "temperat", "ure采样"]),
        ("模型 GPT 很好", 8, ["模型 GPT", "很好"]),
        ("。。。。", 4, ["。。", "。。"]),
        ("ab😀😀cd", 4, ["ab😀", "😀cd"]),
        ("❤ 👍 🙂", 5, ["❤ 👍", "🙂"]),
        ("e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301"]),
        ("漢字\u0301。", 4, ["漢", "字\u0301。"]),
        ("字\u0301。字", 4, ["字\u0301。", "字"]),
    ],
)
def test_examples(text: str, cells: int, lines: list[str]) -> None:
    assert wrap_line(text, cells) == lines


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("abc", 3), ("温度", 4), ("かな", 4), ("ｆｕｌｌ", 8), ("ﾊﾝｶｸ", 4), ("한국어", 6), ("─│┌", 3), ("…“”①✓●◌", 7),
        ("❤", 1), ("👍", 2), ("😀", 2), ("e\u0301", 1), ("␛[2J", 4), ("⟨U+202E⟩", 8), ("می\u200cخواهم", 7),
    ],
)  # fmt: skip
def test_widths(text: str, cells: int) -> None:
    assert width(text) == cells == cell_len(text)


@pytest.mark.parametrize(
    ("text", "cells", "cut"),
    [
        ("temperature", 11, "temperature"),
        ("temperature", 10, "temperatu…"),
        ("温度越高", 7, "温度越…"),
        ("温度越高", 6, "温度…"),
        ("温度", 1, "…"),
        ("温度", 0, ""),
        ("a\nb\tc", 9, "a b c"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_fit_examples(text: str, cells: int, cut: str) -> None:
    assert fit(text, cells) == cut


def test_fit_with_another_ellipsis() -> None:
    assert fit("temperature", 6, ellipsis="...") == "tem..."
    assert fit("temperature", 2, ellipsis="...") == "te"
    assert fit("temperature", 4, ellipsis="") == "temp"
    assert pad("温度越高", 6) == "温度… "


def test_buffer_lines_begin_with_their_first_character() -> None:
    buffer = WrapBuffer(10)
    assert (buffer.lines, buffer.finished(), buffer.tail(3)) == ([], 0, [])
    buffer.append("one\n")
    assert (buffer.lines, buffer.finished()) == (["one"], 1)
    buffer.append("\n")
    assert (buffer.lines, buffer.finished()) == (["one", ""], 2)
    buffer.append("two three four")
    assert (buffer.lines, buffer.finished()) == (["one", "", "two three", "four"], 3)
    assert buffer.tail(2) == ["two three", "four"]
    assert buffer.tail(0) == []


def test_a_word_that_grows_takes_its_whole_self_along() -> None:
    buffer = WrapBuffer(8)
    seen = []
    for piece in ("the tem", "per", "ature", "。"):
        buffer.append(piece)
        seen.append(list(buffer.lines))
    assert seen == [["the tem"], ["the", "temper"], ["the", "temperat", "ure"], ["the", "temperat", "ure。"]]


def test_kinsoku_across_pieces() -> None:
    buffer = WrapBuffer(8)
    buffer.append("温度越高")
    buffer.append("。")
    assert buffer.lines == ["温度越", "高。"]


def test_spaces_over_the_edge_and_tabs_behind_it() -> None:
    buffer = WrapBuffer(5)
    for piece in ("to be", "  ", "  ", "a\tb"):
        buffer.append(piece)
    assert buffer.lines == ["to be", "a  b"], "the tab stop is at 12, counted over the spaces that are not shown"


def test_resize_keeps_all_of_many_tokens() -> None:
    tokens = [f"{number} " for number in range(2 * wrap._BLOCK + 7)]
    buffer = WrapBuffer(60)
    for token in tokens:
        buffer.append(token)
    buffer.resize(33)
    assert buffer.lines == wrap_line("".join(tokens), 33)


def test_too_narrow() -> None:
    for cells in (1, 0, -1):
        with pytest.raises(ValueError, match="at least 2 cells"):
            wrap_line("a", cells)
        with pytest.raises(ValueError, match="at least 2 cells"):
            WrapBuffer(cells)


@pytest.mark.parametrize("piece", ["word ", "x", "字", "！", " ", "字「", "e\u0301", "a\t"], ids=ascii)
def test_one_endless_paragraph_costs_no_more_at_its_end(piece: str) -> None:
    """The part that is wrapped again stays as short as a line, so the whole is not quadratic."""
    buffer = WrapBuffer(40)
    longest = 0
    for _ in range(5_000):
        buffer.append(piece)
        longest = max(longest, len(buffer._tail))
    assert longest <= 41 * len(piece)


def test_speed_is_printed() -> None:
    for language, token in (("English", " sampling"), ("Chinese", "采样，"), ("mixed", "用top_p")):
        buffer = WrapBuffer(60)
        begun = time.perf_counter()
        for _ in range(10_000):
            buffer.append(token)
        streamed_in = time.perf_counter()
        buffer.resize(61)
        print(
            f"wrap, {language}: {(streamed_in - begun) / 10_000 * 1e6:.2f} us per token, "
            f"{(time.perf_counter() - streamed_in) * 1e3:.1f} ms to resize 10,000 tokens in one paragraph"
        )
