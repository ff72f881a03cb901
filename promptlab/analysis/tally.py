"""A vote among answers: who leads, with what weight, whether that can still change, and how many more samples it would
take until it can't. Pure.

A sample whose text has no answer abstains, and is never counted as a vote (Wang et al. 2203.11171 vote over what could
be extracted)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from promptlab.analysis.agreement import confident

Stop = Literal["decided", "confident", "all"]
SURE = 0.95  # where the authors of adaptive consistency stop (2305.11860)
_SLACK = 1e-9  # weights such as 0.1 don't add up to the last bit


class Voice(NamedTuple):
    """One sample: the answer in it (None abstains), what it weighs, and which cell of which target it is."""

    label: str | None
    weight: float = 1.0
    target: str = ""
    cell: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """One answer: its votes, what they weigh, how many came from each target, and the cells that gave it."""

    label: str
    votes: int
    weight: float
    targets: Mapping[str, int]
    cells: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """A vote as it stands, the heaviest answer first. `winner` is None where nobody voted or several lead."""

    standings: tuple[Standing, ...] = ()
    abstained: tuple[int, ...] = ()

    @property
    def votes(self) -> int:
        return sum(one.votes for one in self.standings)

    @property
    def weight(self) -> float:
        return sum(one.weight for one in self.standings)

    @property
    def leaders(self) -> tuple[Standing, ...]:
        return tuple(one for one in self.standings if one.weight > self.standings[0].weight - _SLACK)

    @property
    def winner(self) -> Standing | None:
        return self.standings[0] if len(self.leaders) == 1 else None


@dataclass(slots=True)
class _Sum:
    votes: int = 0
    weight: float = 0.0
    targets: dict[str, int] = field(default_factory=dict)
    cells: list[int] = field(default_factory=list)


def tally(voices: Iterable[Voice], stands: Mapping[str, str] | None = None) -> Tally:
    """Count a vote. `stands` gives for an answer the one that stands for it, where several are equal."""
    sums: dict[str, _Sum] = {}
    abstained: list[int] = []
    for label, weight, target, cell in voices:
        if label is None:
            abstained.append(cell)
            continue
        one = sums.setdefault((stands or {}).get(label, label), _Sum())
        one.votes, one.weight = one.votes + 1, one.weight + weight
        one.targets[target] = one.targets.get(target, 0) + 1
        one.cells.append(cell)
    order = sorted(sums.items(), key=lambda pair: -pair[1].weight)  # stable: of equals the first that came
    return Tally(
        tuple(Standing(label, one.votes, one.weight, one.targets, tuple(one.cells)) for label, one in order),
        tuple(abstained),
    )


def is_settled(counted: Tally, left: Sequence[float], stop: Stop = "decided") -> bool:
    """Whether no more samples are needed. `left` are the weights of those that could still be sent.

    decided: no outcome of them can change who wins, or make it a tie. confident: or the leader is the likelier one of
    the two first at SURE (votes are then counted by heads). all: only where none is left.
    """
    if not left:
        return True
    if stop == "all":
        return False
    first, second = _two_first(counted)
    if first - second > sum(left) + _SLACK:
        return True
    if stop == "confident":
        heads = [*sorted((one.votes for one in counted.standings), reverse=True), 0, 0]
        return confident(heads[0], heads[1]) >= SURE
    return False


def needed(counted: Tally, left: Sequence[float], stop: Stop = "decided") -> int:
    """The fewest of `left`, from its beginning, after which the vote could be settled: all of them for the leader.

    To send fewer would decide nothing, and to send more may be to pay for what is not needed. 0 where it is settled.
    """
    if is_settled(counted, left, stop):
        return 0
    first = counted.standings[0] if counted.standings else Standing("", 0, 0.0, {}, ())
    for count in range(1, len(left)):
        best = Standing(first.label, first.votes + count, first.weight + sum(left[:count]), {}, ())
        if is_settled(Tally((best, *counted.standings[1:])), left[count:], stop):
            return count
    return len(left)


def _two_first(counted: Tally) -> tuple[float, float]:
    weights = [*(one.weight for one in counted.standings[:2]), 0.0, 0.0]
    return weights[0], weights[1]
