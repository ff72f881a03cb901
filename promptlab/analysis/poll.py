"""Ballots as the votes that numbers are made of."""

from __future__ import annotations

from collections.abc import Iterable

from promptlab.analysis.preference import Vote, picked
from promptlab.ballot import Ballot


def votes_of(ballots: Iterable[Ballot]) -> list[Vote]:
    """What counts of them, pair by pair: of several answers seen at once, the best one won against each of the others,
    and where there is none, every two of them are level."""
    found: list[Vote] = []
    for ballot in ballots:
        if not ballot.counts:
            continue
        arms, lengths, verdict = [one.arm for one in ballot.seen], [one.length for one in ballot.seen], ballot.verdict
        if isinstance(verdict, int) and len(arms) > 2:
            found += picked(arms, arms[verdict], ballot.prompt, lengths)
            continue
        for left, first in enumerate(arms):
            for right in range(left + 1, len(arms)):
                outcome = verdict if not isinstance(verdict, int) else "left" if verdict == 0 else "right"
                found.append(Vote(first, arms[right], outcome, ballot.prompt, (lengths[left], lengths[right]),
                                  ballot.seconds))  # fmt: skip
    return found
