"""A few whole screens as they are to look, in tests/golden: the clock stands, and nothing of a terminal is in them.

`PROMPTLAB_WRITE_GOLDEN=1 pytest tests/test_tui_pictures.py` writes them anew; look at them before they are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptlab.errors import Fault
from promptlab.events import Accepted, Answer, Event, Failed, Finished, Stamped, Started, Thinking, Usage
from promptlab.metrics import Cost
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request
from promptlab.tui.board import Board, board_of
from promptlab.tui.text import Say
from tests.test_tui_pane import screen

GOLDEN = Path(__file__).parent / "golden"
POEM = "# 江雪\n\n千山鸟飞绝，**万径**人踪灭。\n孤舟蓑笠翁，独钓寒江雪。\n\n| 词 | word |\n|---|---|\n| 雪 | snow |\n"
CODE = "It melts at `0` °C:\n\n```python\ndef frozen(t: float) -> bool:\n    return t < 0  # 结冰\n```\n\n- ice\n- 雪"


def told(*events: tuple[float, Event]) -> list[tuple[float, Event]]:
    return [(0.0, Started({}, {}, 1)), (0.2, Accepted()), *events]


CELLS = {
    "openai/gpt-5-mini": told((1.0, Thinking("Weigh the words.\n先想一想。")), (3.0, Answer(POEM)),
                              (5.0, Usage(input=12, output=80, thinking=30)), (5.0, Finished("stop", True))),
    "deepseek/deepseek-v4-pro": told((0.5, Thinking("First the river, then the snow; " * 6)),
                                     (6.0, Thinking("\n然后是结尾。"))),
    "ollama/qwen3:4b": told((0.4, Answer(CODE)), (7.0, Answer("\n- still writing"))),
    "groq/llama": told((0.3, Failed(Fault("rate_limit", "groq 429: rate limit", "wait a minute, or lower -j")))),
}  # fmt: skip


def a_board(language: str, cells: int, rows: int, *, follow: bool = False) -> Board:
    before = (Message("user", "写一首诗"), Message("assistant", "好的。\n\n*雪*落无声。")) if follow else ()
    request = Request("m", (*before, Message("user", "Again, about snow")), {})
    made = [Cell(n, target, target.split("/")[0], request, {"temperature": n / 2} if n else {})
            for n, target in enumerate(CELLS)]  # fmt: skip
    run = Run(7, "2026-11-22T10:00:00.000Z", Plan(tuple(made), "Again, about 雪\x1b[31m"))
    windows = {"openai/gpt-5-mini": 128_000}
    board = board_of(run, lambda cell, said: Cost(0.0021, "reported"), Say(language), lambda: 9.0, "", windows)
    for cell, events in zip(made, CELLS.values(), strict=True):
        for at, event in events:
            board.take(Stamped(cell.index, at, event))
    board.resize(cells, rows)
    return board


@pytest.mark.parametrize(
    ("name", "board"),
    [("grid-120x34", a_board("en", 120, 34)), ("grid-zh-80x19", a_board("zh", 80, 19)),
     ("one-40x11", a_board("en", 40, 11)), ("follow-100x30", a_board("en", 100, 30, follow=True))],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_screen_looks_as_it_should(name: str, board: Board) -> None:
    if name.startswith("follow"):
        board.zoom()
    board.update(everything=True)
    rows = screen(board)
    assert not [char for line in rows for char in line if ord(char) < 32]
    seen = "\n".join(line.rstrip() for line in rows) + "\n"
    file = GOLDEN / f"lab-{name}.txt"
    if os.environ.get("PROMPTLAB_WRITE_GOLDEN"):
        file.write_text(seen, "utf-8")
    assert seen == file.read_text("utf-8")
