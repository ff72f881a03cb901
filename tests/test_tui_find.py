"""Find in all panes, and two panes as one text: by what was written, whatever the width."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import OptionList, Static

from promptlab.events import Answer, Stamped, Started, Thinking
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request
from promptlab.tui.board import Board, board_of
from promptlab.tui.marked import Span, wrapped
from promptlab.tui.picker import Compared
from promptlab.tui.seek import Sought
from tests.replay import Replay
from tests.test_tui import Screen, lab_at, named, slow
from tests.test_tui_ladder import DONE, SAY, costs
from tests.test_tui_pane import screen as rows_of

POEM = "千山鸟飞绝，万径人踪灭。“孤舟蓑笠翁”，独钓寒江雪。"


def a_board(answers: list[str], thinking: str = "", size: tuple[int, int] = (100, 30), *, ends: bool = True) -> Board:
    request = Request("m", (Message("user", "hi"),))
    cells = tuple(Cell(n, f"x/model-{n}", "x", request) for n in range(len(answers)))
    board = board_of(Run(1, "2026-01-01T00:00:00+00:00", Plan(cells, "hi")), costs, SAY, lambda: 9.0)
    board.resize(*size)
    for number, answer in enumerate(answers):
        board.take(Stamped(number, 0.0, Started({}, {}, 1)))
        if thinking:
            board.take(Stamped(number, 0.1, Thinking(thinking)))
        board.take(Stamped(number, 0.2, Answer(answer)))
        if ends:
            board.take(Stamped(number, 0.3, DONE))
    board.update()
    return board


# Rows -----------------------------------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("ab 雪，Aß“"), min_size=1, max_size=60), st.integers(2, 30), st.data())
def test_a_piece_of_a_line_is_found_in_the_row_where_it_begins_however_it_is_wrapped(
    text: str, cells: int, data: st.DataObject
) -> None:
    text = " ".join(text.split()) or "a"
    start = data.draw(st.integers(0, len(text) - 1))
    piece = text[start : data.draw(st.integers(start + 1, len(text)))].strip()
    if not piece:
        return
    rows = wrapped([Span(text, "answer")], cells)
    at, ends, begins = text.casefold().find(piece.casefold()), 0, 0
    while begins < len(rows):  # the first row that ends behind the place where it begins
        told = "".join(span.text for span in rows[begins])
        ends = text.find(told, ends) + len(told)
        if len(text[:ends].casefold()) > at:
            break
        begins += 1
    assert next(Sought(rows).find(piece))[0] == begins


def test_the_end_of_a_line_is_one() -> None:
    rows = [(Span("one two", "answer"),), (Span("three", "answer"),), (), (Span("▎ ", "mark"), Span("said", "quote"))]
    sought = Sought(rows)
    assert not list(sought.find("two three")) and not list(sought.find("twothree"))
    assert list(sought.find("THREE")) == [(1, "three")] and list(sought.find("said")) == [(3, "said")]
    assert not list(Sought([]).find("x"))


def test_hits_that_are_read_together_are_one_and_those_far_apart_are_led_to() -> None:
    line = "needle needle " + "hay " * 60 + "a needle " + "hay " * 60
    (first, text), (second, later) = Sought(wrapped([Span(line.strip(), "answer")], 40)).find("needle")
    assert (first, text.startswith("needle needle hay")) == (0, True)
    assert second == 6 and later.startswith("…") and later.index("needle") < 14


# Panes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 15), (61, 20), (80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("ends", [True, False])
def test_what_is_found_does_not_depend_on_the_width_and_is_led_to(size: tuple[int, int], ends: bool) -> None:
    answer = "雪 " * 150 + "\n\n" + "下" * 37 + POEM + "\n\n- a point **that is** long enough to be broken somewhere\n"
    board = a_board([answer, "nothing", answer], "想" * 33 + POEM + " and so on", size, ends=ends)
    for letters, count in (("孤舟蓑笠翁", 5), ("绝，万径人踪灭。“孤", 5), ("LONG ENOUGH TO BE BROKEN some", 2)):
        for _ in range(2):  # as it is made ready, and as it is then
            hits = board.find(letters)
            assert len(hits) == count and {number for number, *_ in hits} == ({0, 1, 2} if count == 5 else {0, 2})
            assert all(letters.casefold() in text.casefold() and "┊" not in text for *_, text in hits)
        board.zoom()
        for number, part, *_ in hits:
            board.go(number)
            (row,) = [hit[2] for hit in board.find(letters) if hit[:2] == (number, part)]
            board.current.reveal(part, row)
            board.update()
            seen = "".join("".join(line.strip("┊ ").split()) for line in rows_of(board)[3:])
            assert "".join(letters.split()).casefold() in seen.casefold()
        board.zoom()


def test_marks_within_a_word_hide_it_from_nobody_whether_it_sleeps_or_not() -> None:
    board = a_board(["孤舟**蓑笠**翁 and a `code`-like th*in*g"] * 20)
    asleep = [number for number, pane in enumerate(board.panes) if not getattr(pane, "awake", True)]
    assert asleep
    for letters in ("孤舟蓑笠翁", "翁 and a code-like"):
        assert [hit[0] for hit in board.find(letters)] == list(range(20))
    assert [n for n, pane in enumerate(board.panes) if not getattr(pane, "awake", True)] == asleep
    assert board.panes[asleep[0]].is_ready
    board.panes[asleep[0]].mark()  # as it was written
    assert len(board.find("孤舟蓑笠翁")) == 19 and len(board.find("孤舟**蓑")) == 1


def test_what_still_comes_is_found_too() -> None:
    board = a_board(["half an ans"], ends=False)
    assert len(board.find("half")) == 1 and not board.find("answer")
    board.take(Stamped(0, 0.5, Answer("wer")))
    assert len(board.find("an answer")) == 1


def test_finding_in_many_long_panes_is_quick() -> None:
    text = "\n".join("snow falls on the **river** and a cold wind blows " * 8 for _ in range(110))
    board = a_board([f"{text}\nneedle {n}" for n in range(32)])  # of 10,000 tokens each
    began = time.process_time()
    assert len(board.find("needle")) == 32
    first = time.process_time() - began
    began = time.process_time()
    for letters in ("s", "sno", "needle 3", "river and a cold wind"):
        assert board.find(letters)
    assert first < 4 and time.process_time() - began < first  # rows are made once


# On the screen --------------------------------------------------------------------------------------------------------


async def two(screen: Screen, home: Path, one: Replay, other: Replay) -> None:
    named(home, one=one, other=other)
    screen.app.lab_screen.words = "-m one/a -m other/b"
    await screen.ask("Snow?")
    await screen.shows("2/2 done")


def test_hits_are_listed_with_their_pane_and_target(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Replay(slow(["nothing"])) as one, Replay(slow(["下" * 17 + POEM])) as other,
            lab_at(tmp_path, "", (80, 24)) as screen,
        ):  # fmt: skip
            await two(screen, tmp_path, one, other)
            await screen.press("tab", "slash", *"孤舟蓑笠翁")
            listed = screen.app.screen.query_one(OptionList)
            (option,) = [str(listed.get_option_at_index(n).prompt) for n in range(listed.option_count)]
            assert option.split()[:2] == ["2", "other/b"] and "“孤舟蓑笠翁”" in option
            await screen.press("enter")
            assert screen.board.focus == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [("Snow falls.", "Snow falls.", "Panes 1 and 2 are equal, to the letter:\n\nSnow falls."),
     ("Snow falls.", "Snow melts.", "Snow [-falls-]{+melts+}."),
     ("a " * 2500 + "b", "a " * 2500 + "c", "Panes 1 and 2 are equal in their first 4000 words; the rest was not")],
)  # fmt: skip
def test_two_panes_are_compared_by_name_and_equal_ones_are_told_so(
    tmp_path: Path, first: str, second: str, told: str
) -> None:
    async def main() -> None:
        async with Replay(slow([first])) as one, Replay(slow([second])) as other, lab_at(tmp_path, "") as screen:
            await two(screen, tmp_path, one, other)
            await screen.press("tab", "d")
            await screen.until(lambda: isinstance(screen.app.screen, Compared), "the comparison")
            page = screen.app.screen
            assert str(page.query_one("#keys Static", Static).content).startswith(told)
            assert str(page.query_one("#box-title", Static).content) == "1 one/a ↔ 2 other/b"
            foot = str(page.query_one("#box-foot", Static).content)
            assert foot.startswith("Only in pane 1: [-…-]   only in pane 2: {+…+} · ") is ("melts" in second)

    asyncio.run(main())
