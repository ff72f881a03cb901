"""What the screen asks of the rest of promptlab, as values and calls; `cli.tui` makes it, tests make their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from promptlab.errors import LabError

if TYPE_CHECKING:
    from promptlab.analysis import Reading, Sample
    from promptlab.estimate import Estimate
    from promptlab.events import Stamped
    from promptlab.params import Value
    from promptlab.plan import Cell, Plan, Run
    from promptlab.render.record import Costing
    from promptlab.request import Verdict
    from promptlab.transcript import Transcript
    from promptlab.tui.booth import Booth
    from promptlab.tui.choice import Stock
    from promptlab.tui.outlook import Outlook
    from promptlab.tui.past import History
    from promptlab.tui.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Began:
    """A plan has been made ready, and its run has a number. `windows` is how many tokens a target's model has room for
    at all, question and answer together, where that is known."""

    run: Run
    costing: Costing
    windows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """Something to be told, which ends nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more will come: `state` is done or cancelled. Where there is an `error`, it could not be carried out."""

    state: str
    error: LabError | None = None


News: TypeAlias = "Began | Said | Ended | Stamped"
Turns = Sequence[tuple["Cell", "Transcript"]]


class Session(Protocol):
    """A run under way, in a thread of its own."""

    def take(self, most: int) -> Sequence[News]:
        """What has come since the last time, in order, at most so much."""

    def now(self) -> float:
        """Seconds since the run began."""

    def cancel(self, cell: int | None = None) -> None:
        """Stop one cell, or all."""

    def close(self) -> None:
        """Stop everything and wait until it is written down."""


@dataclass(frozen=True, slots=True)
class Past:
    """A run of the history, with an end for every cell; its events can be read more than once."""

    run: Run
    events: Iterable[Stamped]
    costing: Costing
    windows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What will become of one cell's parameters: those asked for, those on the wire, and the verdicts."""

    target: str
    asked: Mapping[str, Value]
    sent: Mapping[str, Value]
    verdicts: Mapping[str, Verdict]


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known before anything is sent. Without a prompt there is neither a price nor a lint. `lacks` has, by its
    target, each key's variable that is not set."""

    cells: Sequence[Foreseen]
    price: Estimate | None = None
    lint: str | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """A cell's request as text, safe on a terminal, with the names of keys in their places."""

    target: str
    text: str


class Lab(Protocol):
    """All calls but those that give a session take a moment, and are made from a thread; they raise LabError."""

    @property
    def history(self) -> History: ...

    @property
    def shelf(self) -> Shelf: ...

    def warm(self) -> None:
        """Import what the first run will need, now that the first frame stands."""

    def keep_theme(self, name: str) -> None:
        """The theme that the user has chosen, for the next time."""

    def send(self, words: str, prompt: str) -> Session:
        """Begin; what is wrong with the words comes as news."""

    def go_on(self, words: str, run: Run, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Session:
        """Send a follow-up to these cells, each with its own conversation; its cells count them from 0."""

    def again(self, words: str, run: Run) -> Session:
        """Send a run's requests once more, exactly as they were."""

    def retry(self, words: str, run: Run, cell: Cell, target: str | None = None) -> Session:
        """Send one cell of a run once more, or what it asks to another target; its cell is 0."""

    def request(self, words: str, run: Run, cell: Cell, said: Transcript) -> str:
        """A cell's request as text, as it went out or would, with the names of keys in their places."""

    def check(self, words: str, prompt: str) -> int:
        """How many cells the words would make."""

    def advise(self, words: str, prompt: str) -> Advice:
        """What would come of sending this now."""

    def preview(self, words: str, prompt: str) -> Sequence[Preview]:
        """Every request that would be sent now."""

    def booth(self, run: int) -> Booth:
        """A blind vote on a run of the history; to be closed, and used in the thread that asked for it."""

    def votes(self, run: int, cells: int, words: Callable[[str], str]) -> str:
        """What the votes on a run show, in so many columns, in the language of `words`; empty without votes."""

    def read(self, plan: Plan, ended: Turns, costing: Costing, known: dict[int, Sample]) -> Reading:
        """What these cells of a sweep show, which have ended; `known` keeps what was worked out of each of them."""

    def best(self, run: int) -> int | None:
        """The cell of a run that the user has marked as the best one."""

    def mark_best(self, run: Run, cell: Cell, answer: str) -> bool:
        """Mark a cell as the best one of its run, in the place of another; the one that is marked loses its mark.
        Gives whether it has one now."""

    @property
    def models(self) -> Stock: ...

    def outlook(self, words: str) -> Outlook:
        """What every target does with every parameter, and the variables of the profile."""
