"""A blind contest as a value: which answers meet, on which side each stands, the votes, and what they tell so far.

Knows no Textual and does no IO: a vote that is cast here is kept by whoever asked for it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from promptlab.arm import Place, arm_of, parts_of, place_of, prompts_of, shown
from promptlab.ballot import KNOWN, MOST_SEEN, REVEALED, USER, Ballot, Seen, Verdict
from promptlab.errors import Sentence, UsageError
from promptlab.plan import Cell, Plan

if TYPE_CHECKING:
    from promptlab.analysis.preference import Pair

LIKELY = 0.75  # a preference that is worth finding


@dataclass(frozen=True, slots=True)
class Match:
    """Answers that meet, from the left, by the index of their cells. `key` tells the prompt from others; `asked` is the
    prompt as the first of the plan's arms got it, whichever stands where."""

    seats: tuple[int, ...]
    key: str
    asked: str


@dataclass(frozen=True, slots=True)
class Said:
    """What is known of one answer as the vote is cast."""

    length: int
    ended: bool


def matches_of(
    plan: Plan, rng: random.Random, *, answers: int = 2, usable: Callable[[int], bool] = lambda cell: True,
    known: Iterable[frozenset[int]] = (),
) -> list[Match]:  # fmt: skip
    """Which cells of a plan meet, in the order in which they are shown: those of one prompt and repeat, of different
    arms, `answers` at a time; every set of arms once. Each prompt comes once before any comes again, all pairs of
    arms come equally often at any time, and sides are shuffled by `rng`. Those `known` were voted on already.

    Raises UsageError where there is nothing to compare."""
    if not 2 <= answers <= MOST_SEEN:
        raise UsageError(f"--answers: {answers} is not from 2 to {MOST_SEEN}", "--answers 2")
    by_place: dict[tuple[int, Place], dict[str, Cell]] = {}
    for cell in plan.cells:
        if usable(cell.index):
            by_place.setdefault((cell.repeat, place_of(cell)), {}).setdefault(arm_of(plan, cell), cell)
    groups = [by_place[place] for place in sorted(by_place, key=lambda place: place[0])]
    arms = list(dict.fromkeys(arm for group in groups for arm in group))
    if len(arms) < 2:
        raise UsageError(Sentence("there is one arm alone, and nothing to compare it with" if arms else
                                  "there are no answers"),
                         Sentence("two of anything: -m a -m b, -t 0.2,1.2, --axis profile=a,b"))  # fmt: skip
    done, prompts, found = set(known), prompts_of(plan), []
    for cells in _rounds(groups, arms, min(answers, len(arms)), rng):
        seats = [cell.index for cell in cells]
        if frozenset(seats) not in done:
            rng.shuffle(seats)
            found.append(Match(tuple(seats), *prompts[place_of(cells[0])]))
    return found


def _rounds(
    groups: Iterable[dict[str, Cell]], arms: Sequence[str], answers: int, rng: random.Random
) -> list[list[Cell]]:  # fmt: skip
    """The sets of cells that meet: prompt by prompt, of each the set of arms that has met least often so far."""
    met: Counter[tuple[str, ...]] = Counter()
    left: list[tuple[dict[str, Cell], list[tuple[str, ...]]]] = []
    for group in groups:
        own = [arm for arm in arms if arm in group]
        sets = list(combinations(own, min(answers, len(own)))) if len(own) > 1 else []
        rng.shuffle(sets)
        left.append((group, sets))
    found = []
    while left := [one for one in left if one[1]]:
        for group, sets in left:
            chosen = min(sets, key=lambda arms: met[arms])
            sets.remove(chosen)
            met[chosen] += 1
            found.append([group[arm] for arm in chosen])
    return found


class Contest:
    """The state behind the screen: the match that is shown, whether its sides are told, and the votes so far. `before`
    are earlier votes of the same run, which count along."""

    def __init__(self, plan: Plan, run: int, matches: Sequence[Match], before: Sequence[Ballot] = ()) -> None:
        self.plan, self.run, self.matches = plan, run, list(matches)
        self.at, self.told = 0, False
        self.note = ""
        self.votes: list[Ballot] = []  # of this session, one for each match up to `at` that was voted on
        self._before = list(before)
        self._cells = {cell.index: cell for cell in plan.cells}
        self._places: list[int] = []  # of each vote, the match
        self._known: set[int] = set()  # matches whose sides were told

    # -- what is shown ---------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        return self.at >= len(self.matches)

    @property
    def match(self) -> Match:
        return self.matches[self.at]

    @property
    def last(self) -> Ballot | None:
        """The vote on the match that is shown, once there is one."""
        return self.votes[-1] if self.told else None

    def cell(self, index: int) -> Cell:
        return self._cells[index]

    def names(self) -> list[str]:
        """What stood where: names of the arms from the left, only what tells them apart."""
        return shown([parts_of(self.plan, self._cells[seat]) for seat in self.match.seats])

    def coming(self, ahead: int) -> set[int]:
        """The cells of the match that is shown and of those `ahead` of it."""
        return {seat for match in self.matches[self.at : self.at + 1 + ahead] for seat in match.seats}

    def done_with(self) -> list[int]:
        """The cells of this match that no later one needs."""
        later = {seat for match in self.matches[self.at + 1 :] for seat in match.seats}
        return [seat for seat in self.match.seats if seat not in later]

    def needs_no_more(self, cell: int) -> bool:
        """Whether neither this match nor a later one has this cell, nor the one that can be gone back to."""
        return all(cell not in match.seats for match in self.matches[max(0, self.at - 1) :])

    # -- what the voter does ---------------------------------------------------------------------------------------

    def vote(
        self, verdict: Verdict, said: Sequence[Said], created: str, seconds: float | None, flags: Sequence[str] = ()
    ) -> Ballot:  # fmt: skip
        """The ballot for this match; `keep` it once it has a number. ValueError for a place that nobody sits at, and
        for a match that has a vote."""
        if self.told or (isinstance(verdict, int) and not 0 <= verdict < len(self.match.seats)):
            raise ValueError("no such vote")
        seen = tuple(
            Seen(self.run, seat, arm_of(self.plan, self._cells[seat]), one.length, not one.ended)
            for seat, one in zip(self.match.seats, said, strict=True)
        )
        return Ballot(created, USER, self.match.key, seen, verdict, seconds, self.note, (*flags, *self._not_blind()))

    def _not_blind(self) -> list[str]:
        """What keeps this vote from being blind: its sides were told already, or one of its answers stood in another
        match, whose names were told."""
        if self.at in self._known:
            return [REVEALED]
        told = {one.cell for ballot in self._before for one in ballot.seen if one.run == self.run}
        told |= {seat for place in self._known for seat in self.matches[place].seats}
        return [KNOWN] if told.intersection(self.match.seats) else []

    def keep(self, ballot: Ballot) -> None:
        """A vote that is kept: its sides are told."""
        self.votes.append(ballot)
        self._places.append(self.at)
        self._known.add(self.at)
        self.told, self.note = True, ""

    def change(self, ballot: Ballot) -> None:
        """The same vote with another note, or set aside."""
        self.votes[-1] = ballot

    def go_on(self) -> None:
        """To the next match."""
        if self.told:
            self.at, self.told = self.at + 1, False

    def pass_over(self) -> None:
        """Leave a match out: one of its answers never came."""
        self.at, self.told = self.at + 1, False

    def undo(self) -> Ballot | None:
        """Take the last vote back, and go to its match; gives the ballot that is no more. None where there is none."""
        if not self.votes:
            return None
        taken = self.votes.pop()
        self.at, self.told, self.note = self._places.pop(), False, taken.note
        return taken

    # -- what they tell --------------------------------------------------------------------------------------------

    def ballots(self) -> list[Ballot]:
        return [*self._before, *self.votes]

    def so_far(self) -> SoFar:
        """What the votes tell by now. numpy is imported here."""
        from promptlab.analysis.exact import votes_left
        from promptlab.analysis.preference import pairs
        from promptlab.analysis.showing import votes_of

        ballots = self.ballots()
        counted = [ballot for ballot in ballots if ballot.counts]
        arms = {arm_of(self.plan, self._cells[seat]) for match in self.matches for seat in match.seats}
        arms |= {one.arm for ballot in ballots for one in ballot.seen}
        found = pairs(votes_of(counted))
        guess = votes_left((), LIKELY) if not found else None
        return SoFar(len(counted), sum(ballot.aside for ballot in ballots), len(arms), found, guess or 0)


@dataclass(frozen=True, slots=True)
class SoFar:
    """`votes` count, `aside` were set aside; `pairs` are those that have met, of `arms` arms in all. Before the first
    vote, `first` is how many it takes where one arm wins `LIKELY` of them."""

    votes: int
    aside: int
    arms: int
    pairs: tuple[Pair, ...]
    first: int = 0

    @property
    def settled(self) -> int:
        """How many pairs are settled however often one looked."""
        return sum(pair.anytime.settled for pair in self.pairs)

    @property
    def left(self) -> int | None:
        """Votes left to decide the pair that is farthest from it; None where nobody can say."""
        known = [pair.left for pair in self.pairs if not pair.anytime.settled]
        return None if None in known or not known else max(left for left in known if left is not None)


def again(ballot: Ballot, *, note: str | None = None, aside: bool | None = None) -> Ballot:
    """A vote with another note, or set aside."""
    return replace(ballot, note=ballot.note if note is None else note, aside=ballot.aside if aside is None else aside)
