"""A run with answers, and votes on them, as a history has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from promptlab.ballot import USER, Ballot, Seen, Verdict
from promptlab.events import Accepted, Answer, Event, Finished, Served, Stamped, Started, Thinking
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Request
from promptlab.store import Store

LOW, HIGH, OTHER = "local temperature 0.2", "local temperature 1.3", "ollama/通义千问:4b"
ARMS = (LOW, HIGH, OTHER)


def seen(cell: int, arm: str, length: int = 40) -> Seen:
    return Seen(1, cell, arm, length)


def ballot(
    left: str, right: str, verdict: Verdict = 0, prompt: str = "p", voter: str = USER,
    lengths: tuple[int, int] = (40, 40), cells: tuple[int, int] = (0, 1),
    flags: Sequence[str] = (), criteria: str = "", note: str = "",
) -> Ballot:  # fmt: skip
    both = (Seen(1, cells[0], left, lengths[0]), Seen(1, cells[1], right, lengths[1]))
    return Ballot("2026-11-22T10:00:00.000Z", voter, prompt, both, verdict, 12.5, note, tuple(flags), criteria=criteria)


def score(a: str, b: str, won: int, lost: int, ties: int = 0, voter: str = USER, criteria: str = "") -> list[Ballot]:
    """Votes on a and b, each on a prompt of its own, sides in turn; wins, losses and ties are spread over the time."""
    order = sorted([*((n / won, a) for n in range(won)), *((n / lost, b) for n in range(lost)),
                    *((n / ties, "") for n in range(ties))], key=lambda each: each[0])  # fmt: skip
    found = []
    for number, (_, better) in enumerate(order):
        left, right = (b, a) if number % 2 else (a, b)
        verdict: Verdict = "tie" if not better else 0 if better == left else 1
        lengths = (50 + number, 40) if number % 3 else (40, 50 + number)
        cells = (2 * number, 2 * number + 1)
        found.append(ballot(left, right, verdict, f"prompt {number}", voter, lengths, cells, criteria=criteria))
    return found


def kept(home: Path, votes: Sequence[Ballot], answers: Sequence[str] = (), thinking: str = "") -> Store:
    """A history in `home` with one run of a cell for every answer (their targets by turns) and these votes on it."""
    store = Store(home / "promptlab.db")
    said = list(answers) or [f"answer {number}" for number in range(64)]
    cells = tuple(
        Cell(n, "local", "local", Request("m", (Message("user", f"写第{n // 2}首"),), {"temperature": 0.2 + n % 2}))
        for n in range(len(said))
    )
    _, recorder = store.begin(Plan(cells, "写诗"), {})
    for number, text in enumerate(said):
        events: list[Event] = [Started(), Accepted(), Served("m-2026"), *([Thinking(thinking)] if thinking else []),
                               Answer(text), Finished("stop", True)]  # fmt: skip
        for at, event in enumerate(events):
            recorder(Stamped(number, 1.0 + at / 4, event))
    recorder.close("done")
    for vote in votes:
        store.cast(vote)
    return store
