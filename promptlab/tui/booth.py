"""What the blind screen asks of the rest of promptlab; `cli.blind` makes it, tests make their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from promptlab.ballot import Ballot
from promptlab.errors import LabError
from promptlab.events import Stamped

if TYPE_CHECKING:
    from promptlab.render.record import Costing
    from promptlab.tui.contest import Contest


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more will come of the run; where there is an `error`, it could not be carried out."""

    error: LabError | None = None


News = Stamped | Over


class Booth(Protocol):
    """A contest with its run, under way or past, and the history that keeps the votes. Its calls are quick; those that
    write raise StoreError."""

    contest: Contest
    costing: Costing

    def take(self, most: int) -> Sequence[News]:
        """What has come since the last time, in order, at most so much."""

    def answers(self, cell: int) -> Sequence[Stamped]:
        """What a cell said in a run of the past; nothing of one under way."""

    def now(self) -> float:
        """Seconds since the run began."""

    def clock(self) -> str:
        """The time of a vote: UTC, ISO 8601."""

    def close(self) -> None:
        """End what runs, and let go of the history."""

    def want(self, cells: Collection[int]) -> None:
        """These may be sent now."""

    def stop(self, cells: Collection[int]) -> None:
        """Nobody will read any more of these."""

    def cast(self, ballot: Ballot) -> Ballot:
        """Keep a vote, or what has changed of one; it comes back with its number."""

    def take_back(self, ballot: Ballot) -> None: ...

    def put_aside(self, ballot: Ballot) -> None:
        """Keep whether a vote counts, as the ballot has it."""
