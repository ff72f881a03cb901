"""A bug in the making of Markdown: one pane shows its text as it was written, and the lab goes on."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.render.wrap import width
from promptlab.request import Message
from promptlab.tui import marked, syntax
from promptlab.tui.marked import Marked, Row, joint
from promptlab.tui.selection import Selection, Spot, text_of
from promptlab.tui.sheet import Sheet, Written
from promptlab.tui.text import Say
from promptlab.tui.turns import turns
from tests.replay import Replay
from tests.test_tui import Screen, lab_at, named, slow

TEXT = (
    "# Snow\n\nIt **falls** here\n\n| a | b |\n|---|---|\n| 1 | CRACK |\n\n"
    "```python\nx = 1  # CRACK\ny = 2\n```\nlast line"
)
NOTE = "this can't be shown as Markdown"


class Crack(Exception):
    """The bug that is planted."""


def plant(patch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Make a function fail for every text that has the word in it."""
    real = getattr(owner, name)

    def cracked(*arguments: object, **more: object) -> object:
        if any(isinstance(one, str) and "CRACK" in one for one in arguments):
            raise Crack(name)
        return real(*arguments, **more)

    patch.setattr(owner, name, cracked)


def taken(faults: list[BaseException]) -> list[type[BaseException]]:
    kinds = list(dict.fromkeys(map(type, faults)))
    faults.clear()
    return kinds


def told(rows: list[Row]) -> list[str]:
    return ["".join(span.text for span in row).rstrip() for row in rows]


# The sheet ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(marked, "inline"), (marked, "_cells"), (syntax.Colours, "line"), (Marked, "_end_line"), (Marked, "append"),
     (Marked, "__len__")],
)  # fmt: skip
def test_wherever_it_fails_the_text_stands_whole(
    monkeypatch: pytest.MonkeyPatch, faults: list[BaseException], owner: object, name: str, first: int, size: int
) -> None:
    real, calls = getattr(owner, name), 0

    def cracked(*arguments: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls >= first:
            raise Crack(name)
        return real(*arguments, **more)

    monkeypatch.setattr(owner, name, cracked)
    sheet = Sheet(40, Say())
    for start in range(0, len(TEXT), size):
        sheet.append(TEXT[start : start + size])
        assert all(sheet[number] is not None for number in range(len(sheet)))
    count = len(TEXT.split("\n"))
    lines = told([sheet[number] for number in range(len(sheet))])
    assert lines[:count] == TEXT.split("\n") and lines[count] == "" and lines[count + 1].startswith(NOTE[:20])
    assert "Crack, " in " ".join(lines[count + 1 :]) and sheet.plain
    assert sheet[len(sheet)] == ()  # what was counted before it failed may be looked up
    assert taken(faults) == [Crack]


def test_where_the_fault_is_gone_it_is_markdown_again(
    monkeypatch: pytest.MonkeyPatch, faults: list[BaseException]
) -> None:
    with monkeypatch.context() as patch:
        plant(patch, marked, "inline")
        sheet = Sheet(40, Say())
        sheet.append(TEXT)
        sheet.append(" that goes on")
        assert sheet.plain and "last line that goes on" in told([sheet[n] for n in range(len(sheet))])
        sheet.resize(30)
        assert sheet.plain and sheet.fallen == 2
    sheet.resize(44)
    assert not sheet.plain
    again = Marked(44)
    again.append(TEXT + " that goes on")
    assert [sheet[n] for n in range(len(sheet))] == [again[n] for n in range(len(again))]
    assert taken(faults) == [Crack]


def test_earlier_turns_are_kept_from_ending_it_too(
    monkeypatch: pytest.MonkeyPatch, faults: list[BaseException]
) -> None:
    plant(monkeypatch, marked, "inline")
    said = (Message("user", "one"), Message("assistant", TEXT), Message("user", "two"))
    rows = told(turns(said, 40, Say("zh")).rows)
    assert "It **falls** here" in rows and "› two" in rows and any("请报告" in row for row in rows)
    assert taken(faults) == [Crack]


def test_an_error_of_its_own_is_not_swallowed(monkeypatch: pytest.MonkeyPatch, faults: list[BaseException]) -> None:
    plant(monkeypatch, marked, "inline")
    monkeypatch.setattr(Written, "_extend", lambda self, piece: 1 / 0)
    sheet = Sheet(40, Say())
    with pytest.raises(ZeroDivisionError):
        sheet.append(TEXT)
    assert taken(faults) == [Crack]


@given(st.text(st.sampled_from("ab 雪，\n\t“"), max_size=80), st.integers(2, 30), st.data())
def test_as_written_streamed_is_the_same_as_at_once(text: str, cells: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    streamed, whole = Written(cells, "note"), Written(cells, "note")
    for start, end in pairwise(cuts):
        streamed.append(text[start:end])
    whole.append(text)
    rows = [whole[number] for number in range(len(whole))]
    assert [streamed[number] for number in range(len(streamed))] == rows
    assert all(sum(width(span.text) for span in row) <= cells for row in rows)


def test_a_line_that_was_too_long_is_copied_whole() -> None:
    written = Written(12, "note")
    written.append("two words and more\n独钓寒江雪千山鸟飞绝")
    rows = [written[number] for number in range(len(written))]
    assert text_of(Selection(Spot(0, 0), Spot(3, 12)), rows[:4]) == "two words and more\n独钓寒江雪千山鸟飞绝"


# On the screen --------------------------------------------------------------------------------------------------------


async def two(screen: Screen, home: Path, one: Replay, other: Replay) -> None:
    named(home, one=one, other=other)
    screen.app.lab_screen.words = "-m one/a -m other/b"
    await screen.ask("Snow?")
    await screen.shows("2/2 done")


@pytest.mark.parametrize(("owner", "name"), [(marked, "inline"), (syntax.Colours, "line")])
def test_other_panes_go_on_keys_work_and_the_pane_has_all_of_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[BaseException], owner: object, name: str
) -> None:
    plant(monkeypatch, owner, name)
    good = "## Ice\n\nIt is **cold**\n\n```python\ny = 2\n```"

    async def main() -> None:
        pieces = [TEXT[at : at + 5] for at in range(0, len(TEXT), 5)]
        async with (
            Replay(slow(pieces), slice=60) as one, Replay(slow([good])) as other, lab_at(tmp_path, "") as screen,
        ):  # fmt: skip
            await two(screen, tmp_path, one, other)
            for line in filter(None, TEXT.split("\n")):
                assert line in screen.text, f"{line!r} is not in\n{screen.text}"
            assert NOTE in screen.text and "Crack, test_tui_sheet.py" in screen.text
            assert "It is cold" in screen.text and "**cold**" not in screen.text
            await screen.press("tab", "y")
            assert screen.app.clipboard == TEXT
            await screen.press("m", "m", "t", "z", "z", "n")  # each of which makes rows anew
            assert "copied" not in screen.notice and screen.board.focus == 1
            await screen.pilot.resize_terminal(60, 40)
            await screen.pilot.pause()
            await screen.press("slash", *"falls", "enter")
            await screen.until(lambda: screen.board.focus == 0, "the place that was found")
            assert "It **falls** here" in screen.text and not screen.board.current.follows
            pane = screen.board.current
            pane.select_line(Spot(pane.top, 0))
            assert pane.selected
            await screen.ask("And then?")
            await screen.until(lambda: len(one.requests) == 2)

    asyncio.run(main())
    assert taken(faults) == [Crack]


def test_a_row_that_fails_only_as_it_is_painted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[BaseException]
) -> None:
    """The run has ended, and nothing but this paint would ever show its rows again."""

    async def main() -> None:
        async with Replay(slow([TEXT])) as one, Replay(slow(["fine"])) as other, lab_at(tmp_path, "") as screen:
            await two(screen, tmp_path, one, other)
            real = Marked.__getitem__

            def cracked(self: Marked, number: int) -> Row:
                if number == 2:
                    raise Crack
                return real(self, number)

            monkeypatch.setattr(Marked, "__getitem__", cracked)
            await screen.press("tab", "z")
            assert "It **falls** here" in screen.text and "last line" in screen.text and NOTE in screen.text

    asyncio.run(main())
    assert taken(faults) == [Crack]


def test_it_is_said_in_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[BaseException]) -> None:
    plant(monkeypatch, marked, "inline")

    async def main() -> None:
        async with Replay(slow([TEXT])) as one, lab_at(tmp_path, "", say="zh") as screen:
            named(tmp_path, one=one)
            screen.app.lab_screen.words = "-m one/a"
            await screen.ask("雪？")
            await screen.shows("此处无法以 Markdown 显示", "请报告：Crack", "It **falls** here")

    asyncio.run(main())
    assert taken(faults) == [Crack]


def test_a_word_that_was_cut_is_copied_whole_once_its_line_has_ended() -> None:
    written = Written(8, "note")
    for piece in ("aaaaaaaa", "aaaa bbb", "\nnext"):
        written.append(piece)
    rows = [written[number] for number in range(3)]
    assert [[span.text for span in row] for row in rows] == [["aaaaaaaa"], ["", "aaaa bbb"], ["next"]]
    assert rows[1][0] == joint("")
