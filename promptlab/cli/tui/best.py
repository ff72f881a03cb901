"""The best sample of a run, as a user marked it in the lab: kept among the votes, where it is set aside.

Nobody compared anything blind, so that it says nothing of arms: it counts in no ranking."""

from __future__ import annotations

from promptlab.arm import arm_of, prompt_of
from promptlab.ballot import USER, Ballot, Seen
from promptlab.plan import Cell, Run
from promptlab.store import Store, now

BEST = "best of its run"


def best_of(store: Store, run: int) -> int | None:
    """The number of the cell that is marked."""
    return next((seen[0].cell for _, seen in _marks(store, run)), None)


def mark(store: Store, run: Run, cell: Cell, answer: str) -> bool:
    """Mark a cell in the place of another; one that is marked loses its mark. Gives whether it has one now."""
    from promptlab.analysis.unit import units

    assert run.id is not None
    before = best_of(store, run.id)
    for number, _ in _marks(store, run.id):
        store.take_back(number)
    if before == cell.index:
        return False
    seen = Seen(run.id, cell.index, arm_of(run.plan, cell), len(units(answer)))
    store.cast(Ballot(now(), USER, prompt_of(cell, run.plan), (seen,), 0, note=BEST, aside=True))
    return True


def _marks(store: Store, run: int) -> list[tuple[int, tuple[Seen, ...]]]:
    votes = store.votes(run, USER)
    return [(vote.id, vote.seen) for vote in votes if vote.aside and vote.note == BEST and vote.id is not None]
