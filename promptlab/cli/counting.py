"""A vote on its way: which samples are sent next, and when no more are needed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from promptlab import metrics
from promptlab.analysis.tally import Stop, Tally, Voice, needed, tally
from promptlab.arm import Place, place_of
from promptlab.check import Check, all_passed, carry_out
from promptlab.extract import extract, normalise, number
from promptlab.extract.equality import classes, equal
from promptlab.plan import Cell
from promptlab.render.facts import CUT, outcomes
from promptlab.transcript import Transcript

_HOPELESS = 3  # failures of a target that has never answered
# Words, but no commands of LaTeX: math-verify takes "snow = 5" and "ice = 5" for the number 5, and seconds for it.
_PROSE = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{3,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
PATIENCE = 20.0  # seconds that the comparison of answers as mathematics may take, while nothing is sent


@dataclass(frozen=True, slots=True)
class How:
    """How votes are counted: how an answer is taken out of a text, what each target weighs (by its
    name, or a label), when to stop, and whether it is the checks that choose (best-of-n)."""

    extract: str = "auto"
    weights: Mapping[str, float] = field(default_factory=dict)
    stop: Stop = "decided"
    by_checks: bool = False
    allow_run: bool = False

    def weight(self, cell: Cell) -> float:
        return self.weights.get(cell.label, self.weights.get(cell.target, 1.0))


@dataclass(slots=True)
class Poll:
    """The vote on one question. `cells` are in the order in which they are asked, `asked` of them were begun; `skipped`
    were not needed, `lost` failed or were cut, or never sent. `passed` are those that pass all their checks."""

    place: Place
    cells: list[Cell]
    how: How
    checks: Sequence[Check] = ()
    asked: int = 0
    heard: int = 0
    voices: list[Voice] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    passed: dict[int, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    whole: list[int] = field(default_factory=list)
    _stands: dict[frozenset[str], dict[str, str]] = field(default_factory=dict)

    def hear(self, said: Mapping[int, Transcript]) -> None:
        """Take in what was begun and has ended since; what has not by then will not."""
        for cell in self.cells[self.heard : self.asked]:
            one = said[cell.index]
            if one.state != "done" or one.finish_reason in CUT or not one.answer:
                self.lost.append(cell.index)
                continue
            self.whole.append(cell.index)
            self.voices.append(Voice(extract(one.answer, self.how.extract), self.how.weight(cell), self.name(cell),
                                     cell.index))  # fmt: skip
            found = outcomes(cell, one, allow_run=self.how.allow_run)
            if all_passed(found):
                self.passed[cell.index] = len(self.passed)
        self.heard = self.asked

    def name(self, cell: Cell) -> str:
        """Who votes: the target, with what sets its samples apart where it is asked in several ways."""
        return self.names.get(cell.index, cell.target)

    def counted(self) -> Tally:
        """The vote as it stands; answers that are equal as mathematics are one."""
        labels = self._mathematics()
        known = frozenset(labels)
        if known not in self._stands:
            self._stands[known] = classes(labels, PATIENCE) if _open(known) else {}
        return tally(self.voices, self._stands[known])

    def is_slow(self) -> bool:
        """Whether counting has mathematics before it, which takes a process and seconds."""
        known = frozenset(self._mathematics())
        return known not in self._stands and _open(known)

    def _mathematics(self) -> list[str]:
        """The answers that can be equal in other ways than by their letters."""
        return [one.label for one in self.voices if one.label is not None and not _PROSE.search(one.label)]

    def left(self) -> list[Cell]:
        return self.cells[self.asked :]

    def next(self) -> list[Cell]:
        """The samples that are sent next: no more than it must be for the vote to be settled."""
        left = self.left()
        if self.how.stop == "all":
            count = len(left)
        elif self.how.by_checks:
            count = 0 if self.passed else min(len(left), max(1, self.asked))
        else:
            count = needed(self.counted(), [self.how.weight(cell) for cell in left], self.how.stop)
        if not count:
            self.skipped += [cell.index for cell in left]
            self.cells = self.cells[: self.asked]
            return []
        self.asked += count
        return left[:count]

    def drop(self, targets: Iterable[str]) -> None:
        """Send no more to these: they only fail."""
        hopeless = set(targets)
        gone = [cell.index for cell in self.left() if cell.target in hopeless]
        if gone:
            self.lost += gone
            self.cells = [cell for cell in self.cells if cell.index not in gone]

    @property
    def expected(self) -> str | None:
        """The right answer, where a check knows it."""
        known = self._knows()
        return known.want if known else None

    def is_right(self, chosen: str | None) -> bool | None:
        """Whether what was chosen is the right answer; None where nobody knows it."""
        known = self._knows()
        if known is None:
            return None
        return chosen is not None and _meets(chosen, known)

    def label(self, cell: int) -> str | None:
        """The answer that was found in a sample."""
        return next((one.label for one in self.voices if one.cell == cell), None)

    def _knows(self) -> Check | None:
        return next((one for one in self.checks if one.kind in ("answer", "equals", "number")), None)


def _open(known: Collection[str]) -> bool:
    """Whether there is something to compare: plain numbers are equal by their form alone."""
    return len(known) > 1 and any(number.read(number.flatten(label)) is None for label in known)


@lru_cache(1024)
def _meets(label: str, known: Check) -> bool:
    """Two plain numbers are not worth the process that mathematics takes."""
    if known.kind == "number":
        return carry_out(known, label).passed is True
    if normalise(label) == normalise(known.want):
        return True
    plain = all(number.read(number.flatten(text)) is not None for text in (label, known.want))
    return not plain and equal(label, known.want).same


def polls(cells: Sequence[Cell], how: How) -> list[Poll]:
    """One for each question, its samples in turn of all targets, so that none has more say by coming first."""
    found: dict[Place, list[Cell]] = {}
    for cell in cells:
        found.setdefault(place_of(cell), []).append(cell)
    labels: dict[str, set[str]] = {}
    for cell in cells:
        labels.setdefault(cell.target, set()).add(cell.label)
    names = {cell.index: cell.label for cell in cells if len(labels[cell.target]) > 1}
    return [Poll(place, sorted(each, key=lambda cell: cell.repeat), how, each[0].checks, names=names)
            for place, each in found.items()]  # fmt: skip


def hopeless(cells: Iterable[Cell], said: Mapping[int, Transcript]) -> list[str]:
    """Targets that have failed several times and never answered."""
    failed: Counter[str] = Counter()
    well: set[str] = set()
    for cell in cells:
        if said[cell.index].state == "failed":
            failed[cell.target] += 1
        elif said[cell.index].state in ("done", "incomplete"):
            well.add(cell.target)
    return [target for target, count in failed.items() if count >= _HOPELESS and target not in well]


@dataclass(frozen=True, slots=True)
class Saved:
    """What was not sent, and about what it would have taken: as much as the same target's other samples."""

    cells: int = 0
    tokens: int = 0
    usd: float | None = None


def saved(
    cells: Mapping[int, Cell], said: Mapping[int, Transcript], skipped: Sequence[int],
    usd_of: Callable[[Cell, Transcript], float | None],
) -> Saved:  # fmt: skip
    used: dict[str, list[tuple[int, float | None]]] = {}
    for index, one in said.items():
        if one.state in ("done", "incomplete"):
            counts = metrics.tokens(one)
            total = (counts.input or 0) + (counts.output or 0)
            used.setdefault(cells[index].target, []).append((total, usd_of(cells[index], one)))
    everybody = [pair for each in used.values() for pair in each]
    tokens, usd, priced = 0.0, 0.0, False
    for index in skipped:
        like = used.get(cells[index].target) or everybody
        if like:
            tokens += sum(total for total, _ in like) / len(like)
            known = [cost for _, cost in like if cost is not None]
            usd, priced = usd + (sum(known) / len(known) if known else 0.0), priced or bool(known)
    return Saved(len(skipped), round(tokens), usd if priced else None)
