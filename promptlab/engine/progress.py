"""How far a run is, in numbers that can be read at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """One endpoint now: `limit` is how many it is given at once, `waiting` those of `running` between two tries."""

    limit: int
    queued: int
    running: int
    waiting: int
    ended: int

    def __add__(self, other: Load) -> Load:
        return Load(self.limit + other.limit, self.queued + other.queued, self.running + other.running,
                    self.waiting + other.waiting, self.ended + other.ended)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: cells by what became of them, how often a try was repeated, and each endpoint's load.

    `waiting` are those of `running` between two tries; `cached` those of `done` that were not sent; `skipped` and,
    once drained, `queued` are never sent."""

    queued: int
    running: int
    waiting: int
    done: int
    incomplete: int
    failed: int
    cancelled: int
    skipped: int
    cached: int
    retried: int
    endpoints: Mapping[str, Load]

    @property
    def ended(self) -> int:
        return self.done + self.incomplete + self.failed + self.cancelled


@dataclass(slots=True)
class Tally:
    """What the engine counts as it goes."""

    done: int = 0
    incomplete: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    cached: int = 0
    retried: int = 0
