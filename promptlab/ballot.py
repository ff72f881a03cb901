"""Votes as they were cast, on answers seen side by side; and grades, that a judge gave single answers. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Verdict = int | Literal["tie", "bad", "skip"]
USER = "you"
MOST_SEEN = 4

# Flags of your votes besides what stood in the answers: that a vote was not blind, or not wholly.
REVEALED = "voted again after the sides were told"
KNOWN = "an answer was seen before, with its name"
# Flags of a judge's votes: another answer in the other order, nothing to be read, an answer that addresses it.
TURNED, NO_VERDICT, SPEAKS = "turned", "no verdict", "an answer speaks to the judge"
_OF_THE_VOTE = frozenset((REVEALED, KNOWN, TURNED, NO_VERDICT))


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer as it stood there. `arm` names what is compared, the same wherever it was asked the same way;
    `length` is that of the answer, in words or Chinese characters; `stopped` where a vote cut it off."""

    run: int
    cell: int
    arm: str
    length: int
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote. `seen` are the answers from the left; `verdict` is the place of the best one (from 0), or that there is
    none: `tie`, `bad` (both or all bad), `skip` (no vote). `voter` is `you`, or a judge by its name.

    `prompt` tells the prompts apart: votes on one belong together. `seconds` is how long it took from when all could
    be read. `flags` say what could have given an arm away, `aside` that the vote is not to count.

    Of a judge, `criteria` are what it judged by, `words` the runs and cells where it said so, and `soft` how much it
    preferred the first over the second with position taken out (log-odds; None where there are no log
    probabilities)."""

    created: str
    voter: str
    prompt: str
    seen: tuple[Seen, ...]
    verdict: Verdict
    seconds: float | None = None
    note: str = ""
    flags: tuple[str, ...] = ()
    aside: bool = False
    criteria: str = ""
    words: tuple[tuple[int, int], ...] = ()
    soft: float | None = None
    id: int | None = None

    @property
    def hints(self) -> tuple[str, ...]:
        """The flags that tell of something in the answers, and not of the vote."""
        return tuple(flag for flag in self.flags if flag not in _OF_THE_VOTE)

    @property
    def compares(self) -> bool:
        """Whether several stood there. A ballot on one alone marks it as the best, and is no vote."""
        return len(self.seen) > 1

    @property
    def counts(self) -> bool:
        return not self.aside and self.verdict != "skip"


@dataclass(frozen=True, slots=True)
class Grade:
    """A judge's marks for one answer, by criterion; `words` are the run and the cell where it gave them."""

    created: str
    voter: str
    run: int
    cell: int
    arm: str
    criteria: str
    marks: Mapping[str, float] = field(default_factory=dict)
    words: tuple[int, int] | None = None
    id: int | None = None
