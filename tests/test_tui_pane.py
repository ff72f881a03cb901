"""The panes without a screen: what they say at each moment, how they fold, scroll, page and wrap; no Textual."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from itertools import pairwise
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import Fault
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Relabelled,
    Retrying,
    Stamped,
    Started,
    Thinking,
    Usage,
    Withheld,
)
from promptlab.metrics import Cost
from promptlab.params import PARAMETERS, Value
from promptlab.plan import Cell, Plan, Run
from promptlab.render.sanitise import clean
from promptlab.render.wrap import width
from promptlab.request import Message, Request
from promptlab.tui import grid
from promptlab.tui.board import Board, Layout, about, board_of
from promptlab.tui.pane import HEAD, Pane
from promptlab.tui.selection import Selection
from promptlab.tui.text import TEXTS, Say, language

SAY = Say("en")


def a_cell(index: int = 0, target: str = "openai/gpt-5-mini", **varied: Value) -> Cell:
    request = Request(target.partition("/")[2], (Message("user", "hi"),), dict(varied))
    return Cell(index, target, target.partition("/")[0], request, dict(varied))


def a_pane(cells: int = 60, height: int = 12, *, say: Say = SAY) -> Pane:
    pane = Pane(a_cell(), say, lambda cell, said: Cost(0.0021, "reported"), cells)
    pane.place(cells, height)
    return pane


def feed(pane: Pane, *events: tuple[float, Event]) -> None:
    for at, event in events:
        pane.take(Stamped(pane.cell.index, at, event))


def rows(pane: Pane, now: float = 0.0, *, focused: bool = False) -> list[str]:
    return ["".join(span.text for span in row) for row in pane.paint(now, focused=focused)]


def text_of(pane: Pane, now: float = 0.0) -> list[str]:
    return [row.rstrip() for row in rows(pane, now)]


BEGUN: list[tuple[float, Event]] = [(1.0, Started({}, {}, 1)), (1.5, Accepted())]
USAGE = Usage(input=9, output=320, thinking=120, billed=320)


def test_the_facts_are_true_at_each_moment() -> None:
    pane = a_pane(cells=100)
    assert rows(pane)[1].strip() == "queued"
    feed(pane, BEGUN[0])
    assert rows(pane, 2.2)[1].strip() == "connecting 1.2 s"
    feed(pane, BEGUN[1])
    assert rows(pane, 3.2)[1].strip() == "waiting 2.2 s"
    feed(pane, (4.0, Thinking("let me think about it ")), (5.0, Thinking("for a while, step by step")))
    assert rows(pane, 16.3)[1].strip().startswith("thinking 12.3 s · ≈")
    feed(pane, (17.0, Answer("The answer, ")), (18.0, Answer("which is rather long, is here: it is 42.")))
    assert rows(pane, 19.0)[1].strip().startswith("answering 2.0 s · ≈13 tok/s · ≈13 tok")
    feed(pane, (20.0, USAGE), (20.0, Finished("stop", True)))
    ended = "done · 200 tok/s · 320 tok · 19.0 s · first answer 16.0 s · thought 13.0 s · $0.0021"
    assert rows(pane, 90.0)[1].strip() == ended


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([(2.0, Cancelled())], "cancelled"),
        ([(2.0, Thinking("hm")), (3.0, Finished("length", True))], "cut while thinking"),
        ([(2.0, Answer("so")), (3.0, Finished("length", True))], "cut at the token limit"),
        ([(2.0, Answer("so")), (3.0, Finished(None, False))], "not complete"),
        ([(3.0, Finished("stop", True))], "an empty answer"),
        ([(2.0, Retrying(Fault("rate_limit", "slow down"), 1.0, 1))], "retrying after: "),
        ([(2.0, Failed(Fault("auth", "the key is wrong", "set another")))], "failed: "),
    ],
)
def test_every_end_is_said(events: list[tuple[float, Event]], told: str) -> None:
    pane = a_pane(cells=100)
    feed(pane, *BEGUN, *events)
    assert rows(pane, 9.0)[1].strip().startswith(told)


def test_a_fault_stands_in_the_pane_with_what_to_do() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Failed(Fault("auth", "the key is wrong", "promptlab keys set openai", "openai", 401))))
    assert any("the key is wrong" in row for row in text_of(pane))
    assert "→ promptlab keys set openai" in text_of(pane)


def test_facts_are_dropped_whole_and_the_state_last() -> None:
    for cells in range(20, 100):
        pane = a_pane(cells=cells)
        feed(pane, *BEGUN, (2.0, Answer("word " * 30)), (9.0, Answer("end")), (9.0, USAGE))
        feed(pane, (9.0, Finished("stop", True)))
        parts = rows(pane)[1].strip().split(" · ")
        assert parts[0] == "done"
        assert set(parts) <= {"done", "28.6 tok/s", "320 tok", "8.0 s", "$0.0021", "first answer 1.00 s"}


def test_thinking_is_open_while_it_comes_and_one_line_once_the_answer_begins() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Thinking("first thought\nsecond thought")))
    assert text_of(pane, 3.0)[2:5] == ["▾ thinking ≈7 tok 1.0 s", "┊ first thought", "┊ second thought"]
    feed(pane, (6.0, Answer("\n\n")))
    assert "┊ second thought" in text_of(pane, 6.0)  # white space is no answer
    feed(pane, (7.0, Answer("It is 42.")), (8.0, USAGE), (8.0, Finished("stop", True)))
    assert text_of(pane, 8.0)[2:5] == ["▸ thinking 120 tok 5.0 s", "", "It is 42."]


def test_t_goes_through_shown_hidden_and_one_line() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Thinking("thought")), (3.0, Answer("answer")))
    assert pane.shows == "line"
    assert pane.cycle() == "shown" and "┊ thought" in text_of(pane, 3.0)
    assert pane.cycle() == "hidden" and text_of(pane, 3.0)[2] == "answer"
    assert pane.cycle() == "line" and text_of(pane, 3.0)[2].startswith("▸ thinking")


def test_what_somebody_reads_is_not_folded_away() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Thinking("\n".join(f"thought {n}" for n in range(50)))))
    rows(pane, 2.0)
    pane.scroll(-30)
    before = text_of(pane, 2.5)[2:]
    feed(pane, (3.0, Answer("answer\n" * 30)))
    assert text_of(pane, 3.0)[2:] == before
    pane.to_end()
    assert pane.shows == "line" and text_of(pane, 3.0)[-1] == "answer"


def test_it_follows_until_scrolled_up_and_again_from_the_end() -> None:
    pane = a_pane(height=HEAD + 5)
    feed(pane, *BEGUN, (2.0, Answer("".join(f"line {n}\n" for n in range(20)))))
    assert text_of(pane, 2.0)[2:] == [f"line {n}" for n in range(15, 20)]
    pane.scroll(-3)
    feed(pane, (3.0, Answer("line 20\n")))
    assert text_of(pane, 3.0)[2:] == [f"line {n}" for n in range(12, 17)]
    assert rows(pane, 3.0)[1].rstrip().endswith("↓4")
    pane.scroll(100)
    feed(pane, (4.0, Answer("line 21\n")))
    assert text_of(pane, 4.0)[-1] == "line 21"
    pane.to_start()
    assert text_of(pane, 4.0)[2] == "line 0"
    pane.to_end()
    assert text_of(pane, 4.0)[-1] == "line 21"


def test_withheld_and_relabelled_thinking_are_told() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Withheld("encrypted")), (3.0, Answer("so")), (4.0, USAGE), (4.0, Finished("stop", True)))
    assert text_of(pane, 4.0)[2] == "▸ thinking withheld 120 tok"
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Answer("it was thinking")), (3.0, Relabelled()), (4.0, Answer("now the answer")))
    pane.cycle()
    assert {"┊ it was thinking", "now the answer"} <= set(text_of(pane, 4.0))


def test_a_retry_begins_anew() -> None:
    pane = a_pane()
    feed(pane, *BEGUN, (2.0, Thinking("old")), (3.0, Retrying(Fault("server", "oops"), 1.0, 1)))
    feed(pane, (4.0, Started({}, {}, 2)))
    assert not any("old" in row for row in text_of(pane, 4.5))


HOSTILE = "a\x1b]52;c;ZXZpbA==\x07b\x1b[2Jc\x9b31md\rE\u202ef\U000e0041g[red]h[/oops]\x00"


def test_nothing_hostile_reaches_the_rows() -> None:
    cell = Cell(0, "openai/\x1b[31mevil\u202e", "openai", Request("m", ()), {"stop": ["\x1b]0;x\x07"]})
    pane = Pane(cell, SAY, lambda cell, said: Cost(None, "local"), 60)
    pane.place(60, 30)
    for event in (Thinking(HOSTILE), Answer(HOSTILE), Failed(Fault("server", HOSTILE, HOSTILE, HOSTILE), HOSTILE)):
        feed(pane, (2.0, event))
        pane.show("shown")
        text = "".join(rows(pane, 3.0))
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\U000e0041" for char in text)
        assert "[red]" in text or isinstance(event, Thinking)


@given(st.text(max_size=300), st.integers(20, 90), st.data())
def test_rows_fill_the_pane_and_are_the_same_however_cut(text: str, cells: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)) | {0, len(text)})
    whole, cut = a_pane(cells=cells, height=40), a_pane(cells=cells, height=40)
    for kind in (Thinking, Answer):
        feed(whole, (2.0, kind(text)))
        for start, end in pairwise(cuts):
            feed(cut, (2.0, kind(text[start:end])))
    for pane in (whole, cut):
        pane.show("shown")
        feed(pane, (3.0, Finished("stop", True)))
    assert all(width(row) == cells for row in rows(whole, 3.0))
    assert rows(whole, 3.0)[2:] == rows(cut, 3.0)[2:]


def test_resized_is_the_same_as_made_so() -> None:
    made, resized = a_pane(cells=50), a_pane(cells=90, height=30)
    for pane in (made, resized):
        feed(pane, *BEGUN, (2.0, Thinking("雪落在江面上，一只乌鸦数着冬天。" * 9)))
        feed(pane, (3.0, Answer("words and 词语 " * 30)))
        rows(pane, 3.0)
    resized.place(50, 12)
    assert rows(made, 3.0) == rows(resized, 3.0)


def test_a_chunk_costs_the_same_whatever_came_before() -> None:
    def cost(before: int) -> float:
        pane = a_pane()
        feed(pane, *BEGUN, *((2.0, Thinking("some thought of it. ")) for _ in range(before)))
        best = 9.0
        for _ in range(5):
            began = time.process_time()
            for _ in range(100):
                feed(pane, (3.0, Thinking("another thought. ")))
                pane.paint(3.0, focused=True)
            best = min(best, time.process_time() - began)
        return best

    assert cost(30_000) < 3 * cost(100) + 0.005


def test_floods_end() -> None:
    pane = a_pane()
    began = time.process_time()
    feed(pane, *BEGUN, (2.0, Answer("x" * 1_000_000)), *((2.0, Answer("")) for _ in range(100_000)))
    feed(pane, *((2.0, Answer("\n" * 1000)) for _ in range(100)), (3.0, Finished("stop", True)))
    assert len(rows(pane, 3.0)) == 12
    assert time.process_time() - began < 10


def test_a_selection_is_of_the_text_and_ends_when_the_text_moves() -> None:
    pane = a_pane(cells=14, height=20)
    feed(pane, *BEGUN, (2.0, Thinking(" one thought of some words\n雪落在江面上，一只乌鸦\n\nlast\n")))
    assert text_of(pane, 2.0)[3:6] == ["┊ one thought", "┊ of some", "┊ words"]
    pane.select(Selection(pane.spot(6, 3), pane.spot(5, 7)))
    assert pane.selected == "thought of some words\n雪落在江面上，"
    shown = [[span.text for span in row if span.style == "selected"] for row in pane.paint(2.0, focused=True)]
    assert shown[3][0].startswith("thought") and shown[5] == ["┊ words       "] and shown[7] == ["┊ 上，"]
    pane.select_word(pane.spot(3, 6))
    assert pane.selected == "雪落在江面上"
    pane.select_line(pane.spot(8, 4))
    assert pane.selected == "one thought of some words"
    feed(pane, (3.0, Thinking("more")))
    assert pane.selected == "one thought of some words"  # what grows below moves nothing
    feed(pane, (4.0, Answer("The answer.")))
    assert pane.selection is None and pane.selected == ""
    pane.select_line(pane.spot(0, 90))
    assert pane.selected == "The answer."
    for move in (lambda: pane.place(30, 9), pane.mark, pane.cycle):
        pane.select_line(pane.spot(0, 90))
        assert pane.selection is not None
        move()
        assert pane.selection is None


@given(st.text(max_size=200), st.integers(20, 50))
def test_anything_can_be_selected(text: str, cells: int) -> None:
    pane = a_pane(cells=cells, height=40)
    for kind in (Thinking, Answer):
        feed(pane, (2.0, kind(text)))
    pane.show("shown")
    pane.select(Selection(pane.spot(0, 0), pane.spot(cells, 99)))
    assert all(width(row) == cells for row in rows(pane, 2.0))
    letters = [char for char in clean(text.strip()) if char.isalnum()]
    assert "".join(letters) in "".join(char for char in pane.selected if char.isalnum())


def test_scrolled_as_far_as_another() -> None:
    one, two = a_pane(height=HEAD + 5), a_pane(height=HEAD + 5)
    for pane, count in ((one, 25), (two, 45)):
        feed(pane, *BEGUN, (2.0, Answer("".join(f"line {n}\n" for n in range(count)))))
    assert one.part is None
    one.scroll(-10)
    assert one.part == 0.5
    two.to_part(one.part)
    assert text_of(two, 2.0)[2] == "line 20" and not two.follows
    one.to_start()
    two.to_part(one.part)
    assert text_of(two, 2.0)[2] == "line 0"
    one.to_end()
    two.to_part(one.part)
    assert two.follows


# The board -----------------------------------------------------------------------------------------------------------


def a_board(count: int, cells: int, height: int) -> Board:
    panes = [Pane(a_cell(n, temperature=n / 10), SAY, lambda cell, said: Cost(None, "local")) for n in range(count)]
    board = Board(panes, SAY, lambda: 9.0, about(SAY, 12, "Write about 雪\x1b[31m and ice"))
    board.resize(cells, height)
    board.update()
    return board


def screen(board: Board) -> list[str]:
    lines = []
    for y in range(board.height):
        line, at = "", 0
        for x, row in board.row(y):
            line += " " * (x - at) + "".join(span.text for span in row)
            at = width(line)
        lines.append(line)
    return lines


@pytest.mark.parametrize("size", [(40, 10), (80, 19), (120, 34), (200, 55), (39, 4), (20, 3)])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16, 32, 33])
def test_panes_stand_apart_inside_the_screen_and_are_never_too_small(count: int, size: tuple[int, int]) -> None:
    board = a_board(count, *size)
    seen = set()
    for layout in ("grid", "focus"):
        board.layout = layout
        board._arrange()
        for _ in range(board.pages):
            places = [rect for _, rect in board.visible]
            for rect in places:
                assert rect.x >= 0 and rect.y >= 1
                assert rect.x + rect.width <= size[0] and rect.y + rect.height <= size[1]
                if len(places) > 1:
                    assert rect.width >= grid.LEAST_WIDTH and rect.height >= grid.LEAST_HEIGHT
            taken = [(x, y) for r in places for x in range(r.x, r.x + r.width) for y in range(r.y, r.y + r.height)]
            assert len(taken) == len(set(taken))
            seen |= {number for number, _ in board.visible}
            board.update()
            assert all(width(line) <= size[0] for line in screen(board))
            board.turn(1)
    assert seen == set(range(count))


def test_the_usual_sizes_hold_what_was_measured_to_be_readable() -> None:
    assert grid.shape(32, 200, 60) == (4, 4, 2) or grid.shape(32, 200, 60).pages == 2
    assert grid.shape(2, 120, 34) == (2, 1, 1)
    assert grid.shape(4, 80, 18) == (2, 2, 1)
    assert grid.shape(8, 120, 34).pages == 1
    assert grid.shape(2, 40, 10) == (1, 1, 2)


def test_focus_takes_its_page_along() -> None:
    board = a_board(6, 80, 10)
    board.layout = "grid"
    board._arrange()
    assert [number for number, _ in board.visible] == [0, 1]
    board.go(4)
    assert [number for number, _ in board.visible] == [4, 5]
    board.step(-1)
    assert board.focus == 3 and [number for number, _ in board.visible] == [2, 3]
    board.turn(1)
    assert board.focus == 4
    board.zoom()
    assert [number for number, _ in board.visible] == [4]
    board.step(1)
    assert [number for number, _ in board.visible] == [5]


def test_many_panes_stand_in_a_strip_and_the_mouse_finds_them() -> None:
    board = a_board(8, 80, 19)
    assert board.style == "focus"
    lines = screen(board)
    assert lines[0].startswith(" promptlab  run 12  “Write about 雪␛[31m and ice”  0/8 done  pane 1/8")
    assert sum("temperature" in line[:30] for line in lines) == 8
    assert board.at(3, 4) == 1 and board.at(60, 4) == 0
    assert "▶" in lines[1] and "temperature 0.7" in lines[15]


@pytest.mark.parametrize("layout", ["grid", "focus"])
def test_what_is_found_in_a_pane_that_was_never_shown_is_the_line_that_is_shown_then(layout: Layout) -> None:
    board = a_board(20, 100, 20)
    board.layout = layout
    board._arrange()
    last = board.panes[-1]
    said = "".join(f"{n} {'word ' * 14}\n\n" for n in range(30))
    feed(last, (0.1, Started({}, {}, 1)), (0.2, Answer(f"{said}needle")))
    (hit,) = board.find("needle")
    board.go(hit[0])
    last.reveal(hit[1], hit[2])
    board.update()
    assert hit[0] == 19 and any("needle" in line for line in screen(board))


def test_a_board_that_is_closed_is_let_go_at_once() -> None:
    cells = tuple(a_cell(n, temperature=n / 10) for n in range(4))
    run = Run(1, "2026-11-22T10:00:00", Plan(cells, "hi"))
    gc.collect()
    gc.disable()  # as good as: the lab collects garbage seldom
    try:
        board = board_of(run, lambda cell, said: Cost(None, "local"), SAY, lambda: 0.0)
        assert board.ladder is not None
        board.update()
        gone = weakref.ref(board)
        del board
        assert gone() is None
    finally:
        gc.enable()


def test_only_what_changed_is_painted() -> None:
    board = a_board(4, 120, 41)
    assert board.update() == []
    board.take(Stamped(2, 2.0, Started({}, {}, 1)))
    board.take(Stamped(2, 2.5, Answer("one line")))
    board.update()
    board.take(Stamped(2, 2.6, Answer(" more")))
    changed = board.update()
    place = next(rect for number, rect in board.visible if number == 2)
    assert changed and all(rect.x == place.x and rect.width == place.width for rect in changed)
    assert sum(rect.height for rect in changed) <= 2  # the line itself, and the facts
    assert board.update() == []


# The rest ------------------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_texts() -> None:
    own = {key for key in TEXTS["zh"] if key.startswith("range_") or key.removeprefix("about_") in PARAMETERS}
    english = {key: text for key, text in TEXTS["en"].items() if text}
    zh = {key for key, text in TEXTS["zh"].items() if text}
    assert zh - own == set(english), "in English, a parameter says itself what it is"
    for key, text in english.items():
        assert _fields(TEXTS["zh"][key]) == _fields(text), key


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_language_is_the_locales() -> None:
    assert language({"LANG": "zh_CN.UTF-8"}) == "zh" and language({"LANG": "de_DE.UTF-8"}) == "en"
    assert language({"LC_ALL": "C", "LANG": "zh_CN"}) == "en"
    assert language({"PROMPTLAB_LANG": "zh", "LANG": "C"}) == "zh"
    assert language({}) == "en"


def test_a_chinese_pane_says_so() -> None:
    pane = a_pane(say=Say("zh"))
    feed(pane, *BEGUN, (2.0, Thinking("雪")), (3.0, Answer("冰")))
    assert rows(pane, 4.0)[1].strip().startswith("回答中 1.0 s")


def test_panes_need_no_textual() -> None:
    code = ("import sys, promptlab.tui.board, promptlab.tui.pane, promptlab.tui.lab, promptlab.tui.past;"
            "print([name for name in sys.modules if name.startswith('textual')])")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout.strip() == "[]", done.stderr
