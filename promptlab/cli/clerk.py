"""What judges say, read into votes and grades: as it comes, and again out of the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from promptlab import verdict
from promptlab.analysis.hearing import BY_SOFT, Hearing
from promptlab.analysis.rating import Odds, Preferred, Soft, odds, preferred, soft, swapped
from promptlab.ballot import NO_VERDICT, SPEAKS, TURNED, Ballot, Grade
from promptlab.ballot import Verdict as Cast
from promptlab.cli.judging import Brief, Call, Way
from promptlab.errors import StoreError
from promptlab.events import Ending, Stamped
from promptlab.store import Store, now
from promptlab.transcript import Transcript
from promptlab.verdict import FIRST, SECOND, Word

_CAST: dict[Preferred, Cast] = {"a": 0, "b": 1, "tie": "tie"}


def said_of(said: Transcript) -> tuple[Word | None, Odds | None]:
    """The verdict in a judge's answer, and the log-odds of its two words where it says it."""
    heard = verdict.read(said.answer)
    if heard is None:
        return None, None
    spoken = verdict.spoken([token.text for token in said.tokens]) if said.tokens else None
    if spoken is None or spoken[0].word != heard.word:
        return heard.word, None
    return heard.word, odds(said.tokens[spoken[1]].top, FIRST, SECOND)


def hearing_of(ballot: Ballot, said: Sequence[Transcript]) -> Hearing:
    """A ballot with the one or two answers of the judge behind it, in the order of its `words`."""
    told = [said_of(each) for each in said]
    (forward, one), (backward, other) = (*told, (None, None))[:2]
    both = soft(one.value, other.value) if one is not None and other is not None else None
    return Hearing(ballot, forward, backward, both)


def ballot_of(
    call: Call, said: Sequence[tuple[tuple[int, int], Transcript]], criteria: str, by_soft: bool, seconds: float
) -> Hearing:  # fmt: skip
    """The vote that one or two calls on a pair come to: a verdict that turns with the order is a tie, one that can't be
    read no vote. `by_soft` lets the log probabilities decide where both calls have them."""
    flags = [SPEAKS] if any(verdict.speaks_to_judge(one.answer) for one in call.case.subjects) else []
    seen = tuple(one.seen for one in call.case.subjects)
    blank = Ballot(now(), call.voter, call.case.subjects[0].prompt, seen, "skip", seconds, criteria=criteria,
                   words=tuple(place for place, _ in said))  # fmt: skip
    heard = hearing_of(blank, [each for _, each in said])
    if heard.forward is None or (heard.backward is None and len(said) > 1):
        return replace(heard, ballot=replace(blank, flags=(*flags, NO_VERDICT)))
    if heard.backward is None:
        cast: Cast = {"first": 0, "second": 1}.get(heard.forward, "tie")
    else:
        both = swapped(heard.forward, heard.backward)
        flags += [TURNED] if both.turned else []
        cast = _CAST[both.preferred]
    ballot = replace(blank, verdict=cast, flags=tuple(flags), soft=heard.soft.quality if heard.soft else None)
    return replace(heard, ballot=softened(ballot) if by_soft else ballot)


def softened(ballot: Ballot) -> Ballot:
    """A vote as the log probabilities have it, where both calls have them; else as it is."""
    if ballot.soft is None or ballot.verdict == "skip":
        return ballot
    return replace(ballot, verdict=_CAST[preferred(Soft(ballot.soft, 0.0))], note=BY_SOFT)


@dataclass(slots=True)
class Clerk:
    """A sink that casts a judge's vote as soon as all its calls on a case have ended well, so that whatever breaks off
    a judging loses no vote that was paid for. `judging` is the run of the calls; nothing is kept without a store."""

    calls: Mapping[int, Call]
    brief: Brief
    way: Way
    judging: int
    store: Store | None = None
    old: Mapping[tuple[str, frozenset[tuple[int, int]]], Sequence[int]] = field(default_factory=dict)
    warn: Callable[[str], None] = lambda message: None
    heard: list[Hearing] = field(default_factory=list)
    graded: list[Grade] = field(default_factory=list)
    failed: int = 0
    _running: dict[int, Transcript] = field(default_factory=dict)
    _ended: dict[tuple[str, frozenset[tuple[int, int]]], dict[int, Transcript]] = field(default_factory=dict)

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        said = self._running.setdefault(number, Transcript())
        said.apply(at, event)
        if not isinstance(event, Ending):
            return
        del self._running[number]
        if said.state not in ("done", "incomplete"):
            self.failed += said.state == "failed"
            return
        call = self.calls[number]
        key = call.voter, call.case.key
        ended = self._ended.setdefault(key, {})
        ended[number] = said
        wanted = 1 if self.brief.rubric is not None or self.way.once else 2
        if len(ended) == wanted:
            del self._ended[key]
            try:
                self._cast(call, ended)
            except StoreError as error:
                self.warn(f"a vote of {call.voter} is not kept: {error.message}")

    def _cast(self, call: Call, ended: Mapping[int, Transcript]) -> None:
        calls = sorted(ended, key=lambda number: self.calls[number].backward)
        said = [((self.judging, number), ended[number]) for number in calls]
        if self.brief.rubric is not None:
            self._grade(call, *said[0])
            return
        seconds = sum((each.ended or 0.0) - (each.started or 0.0) for _, each in said)
        heard = ballot_of(call, said, self.brief.criteria, self.way.soft, round(seconds, 3))
        self.heard.append(heard)
        if self.store is not None:
            number = self.store.cast(heard.ballot)
            self.heard[-1] = replace(heard, ballot=replace(heard.ballot, id=number))
            for vote in self.old.get((call.voter, call.case.key), ()):
                self.store.put_aside(vote)

    def _grade(self, call: Call, words: tuple[int, int], said: Transcript) -> None:
        assert self.brief.rubric is not None
        (one,) = call.case.subjects
        marks = verdict.marks(said.answer, self.brief.rubric) or {}
        grade = Grade(now(), call.voter, one.run, one.cell, one.arm, self.brief.criteria, marks, words)
        self.graded.append(grade)
        if self.store is not None:
            self.graded[-1] = replace(grade, id=self.store.keep_grade(grade))


def hearings(store: Store, ballots: Iterable[Ballot]) -> Iterator[Hearing]:
    """Votes of the past with what the judge said; calls that are gone from the history tell nothing."""
    for ballot in ballots:
        said = []
        for run, cell in ballot.words:
            try:
                said.append(store.sample(run, cell)[1])
            except StoreError:
                said.append(Transcript())
        yield hearing_of(ballot, said)
