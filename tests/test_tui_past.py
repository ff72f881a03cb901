"""A past run is read as it is folded: little is held of it at once, and what its panes have is the same."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from promptlab.cli.history import ended
from promptlab.cli.tui.past import Chronicle
from promptlab.errors import Fault
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Finished,
    Relabelled,
    Retrying,
    Scored,
    Stamped,
    Started,
    Thinking,
    Token,
    Usage,
    pack,
    unpack,
)
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.store.database import joined
from promptlab.transcript import Transcript
from promptlab.tui.history import past_board
from promptlab.tui.text import Say
from tests.test_tui import lab_at, places

TEXTS = st.sampled_from(["a", " ", "\n\n", "雪 ", "word ", "", " b"])
EVENTS = st.one_of(
    st.builds(Answer, TEXTS), st.builds(Answer, TEXTS), st.builds(Thinking, TEXTS, st.sampled_from(["raw", "summary"])),
    st.just(Relabelled()), st.just(Usage(1, 2)), st.just(Scored((Token("a", -1.0),))), st.just(Started({}, {}, 2)),
    st.just(Retrying(Fault("unknown", "x", "", "y"), 1.0, 1)), st.just(Accepted()), st.just(Finished("stop", True)),
)  # fmt: skip


def fold(events: Iterator[Stamped]) -> tuple[object, ...]:
    said = Transcript()
    for _, at, event in events:
        said.apply(at, event)
    texts = (said.thinking, said.answer, said.written)
    return (*texts, said.state, said.first_thought, said.last_thought, said.first_answer, said.last_answer, said.ended,
            said.summary, said.relabelled, said.attempts, said.tokens, len(said.retried))  # fmt: skip


@given(st.lists(EVENTS, max_size=30))
def test_joined_pieces_make_the_same_transcript(events: list[Event]) -> None:
    batch = [pack(Stamped(0, number / 8, event)) for number, event in enumerate(events)]
    fewer = list(joined(batch))
    assert fold(unpack(0, one) for one in fewer) == fold(unpack(0, one) for one in batch)
    assert len(fewer) <= len(batch)


def test_a_long_answer_is_two_pieces() -> None:
    batch = [pack(Stamped(0, float(n), Answer(f"{n} "))) for n in range(1000)]
    first, rest = joined(batch)
    assert first == [0.0, "Answer", "0 "] and rest[0] == 999.0 and rest[2].split() == [str(n) for n in range(1, 1000)]


def plan(count: int) -> Plan:
    cells = (Cell(n, "fast/a", "fast", Request("a", (Message("user", "hi"),))) for n in range(count))
    return Plan(tuple(cells), "hi")


def test_every_cell_gets_an_end_whatever_the_order() -> None:
    run = Run(3, "2026-11-22T10:00:00Z", plan(4), "broken off")
    events = [Stamped(0, 1.0, Answer("a")), Stamped(0, 7.0, Finished("stop", True)), Stamped(1, 2.0, Answer("b")),
              Stamped(2, 1.0, Finished("stop", True)), Stamped(2, 3.0, Started({}, {}, 2))]  # fmt: skip
    found = list(ended(run, iter(events)))
    assert found[:5] == events
    assert found[5:] == [Stamped(number, 7.0, Cancelled("broken off")) for number in (1, 2, 3)]
    assert list(ended(run, [])) == [Stamped(number, 0.0, Cancelled("broken off")) for number in range(4)]


def write(home: Path, cells: int, pieces: int) -> int:
    """A run whose cells streamed side by side: the last one was killed. Gives the letters of all texts."""
    letters = 0
    with closing(Store(places(home).database)) as store:
        _, recorder = store.begin(plan(cells), lambda cell: None)
        for number in range(cells):
            recorder(Stamped(number, 0.0, Started({}, {}, 1)))
        for at in range(pieces):
            for number in range(cells):
                text = f"piece {at} "
                letters += len(text)
                kind = Thinking if at < pieces // 2 else Answer
                recorder(Stamped(number, 1 + at / 100, kind(text)))
        for number in range(cells - 1):
            recorder(Stamped(number, 2 + pieces / 100, Finished("stop", True)))
        recorder.close("cancelled")
    return letters


def test_a_sweep_is_opened_in_little_more_memory_than_its_texts_take(tmp_path: Path) -> None:
    cells, pieces = 40, 1000
    letters = write(tmp_path, cells, pieces)
    past_board(Chronicle(places(tmp_path)).open(1), Say())  # what is imported and remembered is no part of it
    tracemalloc.start()
    try:
        board = past_board(Chronicle(places(tmp_path)).open(1), Say())
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < now + 2_000_000 and now < 3 * letters + cells * 20_000, f"{now:,} and {peak:,} for {letters:,}"
    whole = "".join(f"piece {at} " for at in range(pieces))
    for pane in board.panes:
        assert pane.said.written == (whole[: whole.index("piece 500")], whole[whole.index("piece 500") :])
        assert (pane.said.first_thought, pane.said.first_answer) == (1.0, 6.0)
    assert [pane.said.state for pane in board.panes] == ["done"] * (cells - 1) + ["cancelled"]


def test_a_past_run_may_be_read_twice_and_in_another_thread(tmp_path: Path) -> None:
    write(tmp_path, 3, 10)
    past = Chronicle(places(tmp_path)).open(1)
    first = list(past.events)
    assert first == asyncio.run(asyncio.to_thread(lambda: list(past.events))) and len(first) == 3 * 5 + 3


def test_the_loop_is_not_held_up_while_a_large_run_is_opened(tmp_path: Path) -> None:
    from promptlab.tui import history

    write(tmp_path, 100, 1000)

    async def main() -> None:
        async with lab_at(tmp_path, "-m local", size=(120, 40)) as screen:
            lab = screen.app.lab_screen
            clock, turns, longest = asyncio.get_running_loop().time, 0, 0.0
            history._open(lab, 1)
            while lab.board is None:
                began = clock()
                await asyncio.sleep(0.005)
                turns, longest = turns + 1, max(longest, clock() - began)
            assert turns >= 5, "it was read in one go"
            assert longest < 2, f"the loop stood still for {longest:.2f} s"
            assert len(lab.board.panes) == 100

    asyncio.run(main())


def test_a_run_without_events_opens(tmp_path: Path) -> None:
    with closing(Store(places(tmp_path).database)) as store:
        store.begin(plan(2), lambda cell: None)[1].close("cancelled")
    board = past_board(Chronicle(places(tmp_path)).open(1), Say())
    assert [pane.said.state for pane in board.panes] == ["cancelled", "cancelled"] and board.current.said.ended == 0.0
