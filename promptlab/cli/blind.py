"""What the blind screen stands on: a run under way in a thread of its own, or one of the history; and the votes.

A run is carried out in the order in which its answers are shown, and no farther ahead than is asked for."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from promptlab.ballot import USER, Ballot
from promptlab.cli.history import endpoints_then
from promptlab.cli.judged import run_to_judge
from promptlab.cli.output import tick
from promptlab.cli.ready import Ready, Way, costing, made_ready
from promptlab.config import Places, Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import LabError, Sentence, UsageError
from promptlab.events import Answer, Cancelled, Ending, Event, Failed, Finished, Stamped, Started, Thinking
from promptlab.plan import Cell, Plan, Run
from promptlab.render.record import Costing
from promptlab.store import FLUSH, Store, now
from promptlab.transcript import Transcript
from promptlab.tui.booth import News, Over
from promptlab.tui.contest import Contest, Match, matches_of

PATIENCE = 5.0  # seconds that a run may take to write down what it has
_USABLE = ("done", "incomplete")
VOTED = "the vote was cast"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a contest is held: `answers` side by side, at most `votes` of them (None: as many as there are), `ahead`
    matches asked for before they are shown, `wait` for all of a match before any of it is shown."""

    answers: int = 2
    votes: int | None = None
    ahead: int = 1
    wait: bool = False


class _Votes:
    """The part of a booth that keeps votes; in the thread of the screen."""

    def __init__(self, store: Store, contest: Contest, costing: Costing) -> None:
        self.store, self.contest, self.costing = store, contest, costing

    def clock(self) -> str:
        return now()

    def cast(self, ballot: Ballot) -> Ballot:
        return replace(ballot, id=self.store.cast(ballot))

    def take_back(self, ballot: Ballot) -> None:
        assert ballot.id is not None
        self.store.take_back(ballot.id)

    def put_aside(self, ballot: Ballot) -> None:
        assert ballot.id is not None
        self.store.put_aside(ballot.id, aside=ballot.aside)

    def close(self) -> None:
        self.store.close()


# A run of the history ------------------------------------------------------------------------------------------------


class Past(_Votes):
    """Answers that are all there."""

    def take(self, most: int) -> Sequence[News]:
        return ()

    def answers(self, cell: int) -> Sequence[Stamped]:
        return said_again(cell, self.store.sample(self.contest.run, cell)[1])

    def now(self) -> float:
        return 0.0

    def want(self, cells: Collection[int]) -> None: ...

    def stop(self, cells: Collection[int]) -> None: ...


def past(places: Places, number: int | None, rules: Rules, rng: random.Random) -> Past:
    """A run of the history (None: the last one that is no judging), without what was voted on already. Raises
    UsageError and StoreError."""
    store = Store(places.database)
    try:
        found = run_to_judge(store, number, "compare")
        assert found.id is not None
        run = found.id
        usable = {cell.index for cell, said in store.samples(run) if said.state in _USABLE and said.answer}
        before = [ballot for ballot in store.votes(run, USER) if ballot.compares]
        known = {frozenset(seen.cell for seen in ballot.seen) for ballot in before}
        matches = matches_of(found.plan, rng, answers=rules.answers, usable=usable.__contains__, known=known)
        if not matches:
            raise UsageError(Sentence("run {run}: everything that can be compared has a vote", run=run),
                             f"promptlab rank {run}")  # fmt: skip
        contest = Contest(found.plan, run, matches[: rules.votes], before)
        return Past(store, contest, costing(endpoints_then(found)))
    except BaseException:
        store.close()
        raise


def said_again(cell: int, said: Transcript) -> list[Stamped]:
    """A transcript as events that fold to it, as far as the screen shows it."""
    start, end = said.started or 0.0, said.ended if said.ended is not None else said.last_answer or 0.0
    told: list[tuple[float, Event]] = [
        (start, Started(said.asked, said.sent, max(1, said.attempts), said.verdicts, said.notes, said.cached))
    ]
    if said.thinking:
        told.append((said.first_thought or start, Thinking(said.thinking, "summary" if said.summary else "raw")))
        told.append((said.last_thought or start, Thinking("", "summary" if said.summary else "raw")))
    if said.answer:
        told.append((said.first_answer or start, Answer(said.answer)))
        told.append((said.last_answer or start, Answer("")))
    if said.usage is not None:
        told.append((end, said.usage))
    if said.state == "failed" and said.fault is not None:
        told.append((end, Failed(said.fault, said.finish_reason)))
    elif said.state in _USABLE:
        told.append((end, Finished(said.finish_reason, said.complete)))
    else:
        told.append((end, Cancelled()))
    return [Stamped(cell, at, event) for at, event in told]


# A run under way -----------------------------------------------------------------------------------------------------


class Live(_Votes):
    """A run that goes on while its answers are judged."""

    def __init__(self, store: Store, contest: Contest, costing: Costing, under: Under) -> None:
        super().__init__(store, contest, costing)
        self._under = under
        self._ended: set[int] = set()

    def take(self, most: int) -> Sequence[News]:
        news = self._under.news
        taken = [news.popleft() for _ in range(min(most, len(news)))]
        self._ended |= {one.cell for one in taken if isinstance(one, Stamped) and isinstance(one.event, Ending)}
        return taken

    def answers(self, cell: int) -> Sequence[Stamped]:
        if cell not in self._ended:
            return ()
        return said_again(cell, self.store.sample(self.contest.run, cell)[1])

    def now(self) -> float:
        return self._under.now()

    def want(self, cells: Collection[int]) -> None:
        self._under.want(cells)

    def stop(self, cells: Collection[int]) -> None:
        self._under.stop(cells)

    def close(self) -> None:
        self._under.close()
        super().close()


def drawn(plan: Plan, rules: Rules, rng: random.Random) -> list[Match]:
    """Which answers of a new run meet, and where they stand. Raises UsageError where there is nothing to compare."""
    return matches_of(plan, rng, answers=rules.answers)[: rules.votes]


def live(
    plan: Plan, matches: Sequence[Match], way: Way, limits: Limits, places: Places, settings: Settings
) -> Live:  # fmt: skip
    """Begin a run whose answers are judged as they come. Raises UsageError and StoreError."""
    under = Under(plan, order_of(plan, matches), way, limits, places, settings)
    run, tell = under.begun()
    assert run.id is not None
    try:
        store = Store(places.database)
    except BaseException:
        under.close()
        raise
    return Live(store, Contest(plan, run.id, matches), tell, under)


def order_of(plan: Plan, matches: Sequence[Match]) -> list[Cell]:
    """The cells of a plan in the order in which they are shown, from the left; those of no match are not sent."""
    cells = {cell.index: cell for cell in plan.cells}
    return [cells[seat] for seat in dict.fromkeys(seat for match in matches for seat in match.seats)]


class Under:
    """The thread of a run. What it says waits in `news` until the screen takes it."""

    def __init__(
        self, plan: Plan, order: Sequence[Cell], way: Way, limits: Limits, places: Places, settings: Settings
    ) -> None:  # fmt: skip
        self.news: deque[News] = deque()
        self._plan, self._order, self._way, self._limits = plan, order, way, limits
        self._places, self._settings = places, settings
        self._wanted: set[int] = set()
        self._engine: Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing, self._lock, self._known = False, threading.Lock(), threading.Event()
        self._begun: tuple[Run, Costing] | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._carry_out, daemon=True)
        self._thread.start()

    def begun(self) -> tuple[Run, Costing]:
        """The run, once it has a number. Raises what kept it from beginning."""
        self._known.wait()
        if self._begun is None:
            raise self._failure or LabError("the run did not begin")
        return self._begun

    def now(self) -> float:
        return self._engine.now() if self._engine is not None else 0.0

    def want(self, cells: Collection[int]) -> None:
        self._wanted |= set(cells)  # only ever grows, and is looked into by the loop's thread
        self._call(lambda engine: engine.look_again())

    def stop(self, cells: Collection[int]) -> None:
        def cancel(engine: Engine) -> None:
            for cell in cells:
                engine.cancel(cell, VOTED)

        if cells:
            self._call(cancel)

    def close(self) -> None:
        """Begin nothing more, stop what runs, and wait until it is written down."""

        def end(engine: Engine) -> None:
            engine.drain("the votes were ended")
            for cell in self._order:
                if cell.index in self._wanted:
                    engine.cancel(cell.index, "the votes were ended")

        with self._lock:
            self._closing = True
        self._call(end)
        self._thread.join(PATIENCE)

    def _call(self, do: Callable[[Engine], None]) -> None:
        with self._lock:
            if self._loop is not None and self._engine is not None:
                self._loop.call_soon_threadsafe(do, self._engine)

    def _carry_out(self) -> None:
        failure: LabError | None = None
        try:
            with made_ready(self._plan, self._way, self._places, self._settings, quiet=True) as ready:
                asyncio.run(self._run(ready))
        except LabError as error:
            failure = error
        except Exception as error:  # a bug, and the screen has to live on to say so
            failure = LabError(f"{type(error).__name__}: {error}", "this is a bug: please report it")
        self._failure = failure
        self._known.set()
        self.news.append(Over(failure))

    async def _run(self, ready: Ready) -> None:
        assert ready.store is not None
        run, recorder = ready.store.begin(ready.plan, ready.wire)
        engine = Engine(ready.providers, [recorder, *ready.learner(), self.news.append], self._limits,
                        adapt=ready.plan.mode == "adapt")  # fmt: skip
        engine.may_begin = lambda cell: cell.index in self._wanted
        self._begun = run, costing(ready.endpoints)
        state = "cancelled"
        timer = asyncio.create_task(tick(FLUSH, recorder.flush))
        try:
            running = asyncio.create_task(engine.run(replace(ready.plan, cells=tuple(self._order))))
            await asyncio.sleep(0)
            with self._lock:
                self._engine, self._loop = engine, asyncio.get_running_loop()
                if self._closing:
                    engine.drain("the votes were ended")
                engine.look_again()  # what was wanted meanwhile
            self._known.set()
            await running
            state = "stopped" if self._closing else "done"
        finally:
            with self._lock:
                self._loop = None
            timer.cancel()
            recorder.close(state)
            await ready.registry.aclose()
