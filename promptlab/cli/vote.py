"""`promptlab vote`: of many samples one answer, by majority (self-consistency), or the best by checks or a judge."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import SystemRandom

from promptlab import config
from promptlab.analysis.tally import Stop
from promptlab.cli import CAPPED
from promptlab.cli.council import STEP, Member, member, question_of
from promptlab.cli.counting import How, Poll, hopeless, polls, saved
from promptlab.cli.output import Output, View, notice
from promptlab.cli.planning import Asked, Forms, Reach, named, targets_of
from promptlab.cli.progress import Progress, line
from promptlab.cli.ready import Ready, Way, costing, made_ready
from promptlab.cli.staging import Following, Stages, agreed, carried, stood_in
from promptlab.cli.sweep import kept_places
from promptlab.cli.sweeping import make_sweep_plan
from promptlab.cli.tracking import Caps, Tracking
from promptlab.cli.voted import Best, Voted, show
from promptlab.cli.watching import Watch
from promptlab.config import Places, Settings
from promptlab.engine import Engine, Limits, Sink
from promptlab.errors import UsageError, nearest
from promptlab.extract import check_how
from promptlab.plan import Cell, Plan, Run, Target
from promptlab.review import MOST, Paper, ranks, read_ranking, review_paper, shuffled
from promptlab.store import Store
from promptlab.sweep import Sweep
from promptlab.transcript import Transcript

SAMPLES = 5  # of each target, where nobody says how many
STOPS: tuple[Stop, ...] = ("decided", "confident", "all")
JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Voting:
    """How a vote is held, besides what is asked. `weights` are TARGET=NUMBER as typed; `judge` chooses the best of n,
    `run` counts what was already sent, `counted` says that somebody has said how many samples."""

    weights: tuple[str, ...] = ()
    stop: str = "decided"
    best_of: bool = False
    judge: str | None = None
    run: int | None = None
    allow_run: bool = False
    yes: bool = False
    counted: bool = False

    def how(self, extract: str, weights: Mapping[str, float]) -> How:
        """Raises UsageError."""
        stop = next((one for one in STOPS if one == self.stop), None)
        if stop is None:
            raise UsageError(f"--until: '{self.stop}' is not one of {', '.join(STOPS)}", nearest(self.stop, STOPS))
        if stop == "confident" and weights:
            raise UsageError("--until confident counts heads, and the votes are weighted", "--until decided")
        check_how(extract)
        stop = "all" if self.judge else stop
        return How(extract, weights, stop, self.best_of and not self.judge, self.allow_run)


def vote(written: Sweep, asked: Asked, voting: Voting, output: Output, limits: Limits, way: Way) -> int:
    """Hold a vote; the exit code says how the samples went."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if voting.run is not None:
        return _recount(written, asked, voting, output)
    if not (written.prompt or written.profile or written.dataset or written.files):
        raise UsageError("there is nothing to vote on",
                         'promptlab vote "your question" -m local -n 9, or --run RUN')  # fmt: skip
    if written.repeats == 1 and not voting.counted:
        written = replace(written, repeats=SAMPLES)
    with kept_places(way) as places:
        settings = config.settings(places)
        kept, way = way.save, replace(way, save=True)
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        plan = make_sweep_plan(written, places, settings, reach=reach, mode=asked.mode, cot=asked.cot,
                               allow_files=asked.allow_files, scored=False)  # fmt: skip
        work = _Work(plan, written, voting, asked, places, settings)
        with made_ready(work.plan, way, places, settings, quiet=output.quiet) as ready:
            told = (*work.plan.notes, *work.notes())
            code = agreed(
                ready, work.guessed(), output, way, settings, yes=voting.yes, cap=written.max_cost, notes=told
            )
            return code if code is not None else _held(ready, work, output, limits, kept=kept)


def _held(ready: Ready, work: _Work, output: Output, limits: Limits, *, kept: bool) -> int:
    tell = costing(ready.endpoints)
    written = work.written
    tracking = Tracking(work.plan, tell, Caps(written.max_cost, written.max_tokens_total, written.max_time))
    with Progress(tracking, quiet=output.quiet, paint=not output.appends) as progress:
        met: list[Watch] = []

        def watch(stages: Stages) -> Callable[[Engine], Sequence[Sink]]:
            def sinks(engine: Engine) -> Sequence[Sink]:
                # a judge's words are no point of a sweep, which nothing else can take up again
                again = f"promptlab sweep --resume {stages.run.id}" if kept and stages.run.plan.sweep else "asking anew"
                met.append(Watch(engine, tracking, work.plan, again))
                met[-1].say = progress.say
                return (met[-1],)

            return sinks

        def screen(stages: Stages) -> View:
            return View(tracking, on_refresh=progress.refresh)

        stages, code = asyncio.run(
            carried(ready, limits, lambda stages: work.following(stages, tracking), screen, watch)
        )
    if not output.quiet:
        notice((f"run {stages.run.id}: " if kept else "") + line(tracking, over=True))
    skipped = [index for poll in work.polls for index in poll.skipped]
    spared = saved(stages.cells, stages.said, skipped, lambda cell, said: tell(cell, said).usd)
    whole = stages.whole() if kept else replace(stages.whole(), id=None)
    show(Voted(whole, work.polls, stages.said, work.best(stages), spared, tell), output)
    return CAPPED if any(one.met for one in met) and not code else code


class _Work:
    """A vote for each question of a plan: which samples go out, and the judge's part behind them."""

    def __init__(
        self, plan: Plan, written: Sweep, voting: Voting, asked: Asked, places: Places, settings: Settings
    ) -> None:  # fmt: skip
        self.written, self._voting, self._chance = written, voting, SystemRandom()
        how = voting.how(written.extract, weights_of(voting.weights, plan, settings))
        self.polls = polls(plan.cells, how)
        self.plan, self._samples = plan, len(plan.cells)
        self._judge: Member | None = None
        self._papers: dict[int, Paper] = {}
        if voting.judge is not None:
            self._seat_judge(asked, places, settings)
        elif voting.best_of and not any(cell.checks for cell in plan.cells):
            raise UsageError("--best-of, and nothing says what is best",
                             "--check KIND:TEXT, or --judge MODEL")  # fmt: skip

    def _seat_judge(self, asked: Asked, places: Places, settings: Settings) -> None:
        """The judge's cells behind the samples: each question in two orders, the one the other's reverse."""
        most = max(len(poll.cells) for poll in self.polls)
        if most > MOST:
            raise UsageError(f"{most} samples of one question, and {MOST} is the most that a judge reads", "fewer: -n")
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        targets: list[Target] = targets_of([self._voting.judge or ""], settings, reach.base_url)
        if len(targets) > 1:
            raise UsageError("one model judges", f"--judge {targets[0].text}")
        forms = Forms(targets, settings, reach)
        question = question_of(self.plan, self.polls[0].cells[0])
        self._judge = member(targets[0], None, "council", question, {}, places, forms)
        cells = list(self.plan.cells)
        for poll in self.polls:
            for turn in (0, 1):
                cells.append(self._judge.cell(len(cells), {STEP: JUDGE, "turn": turn + 1},
                                              self._stand_in(poll), row=poll.place[0]))  # fmt: skip
        self.plan = replace(self.plan, cells=tuple(cells), sweep=None)  # a judge's words are no point of a sweep

    def _stand_in(self, poll: Poll) -> str:
        question = question_of(self.plan, poll.cells[0])
        order = range(len(poll.cells))
        return review_paper(question, dict.fromkeys(order, "(a sample's answer)"), order).prompt

    def notes(self) -> Iterator[str]:
        samples = sum(len(poll.cells) for poll in self.polls)
        per = len(self.polls[0].cells)
        if len(self.polls) > 1:
            yield f"{len(self.polls)} votes of {per} samples each: {samples} at the most"
        if per < 2:
            yield "one sample is no vote: -n 9"

    def guessed(self) -> Plan:
        """The plan to price, with answers of a usual length before the judge."""
        if self._judge is None:
            return self.plan
        cells = []
        for number, cell in enumerate(self.plan.cells):
            if number >= self._samples:
                poll = self.polls[(number - self._samples) // 2]
                text = self._stand_in(poll) + stood_in() * len(poll.cells)
                cell = self._judge.cell(number, dict(cell.varied), text, row=cell.row)
            cells.append(cell)
        return replace(self.plan, cells=tuple(cells))

    def following(self, stages: Stages, tracking: Tracking) -> Following:
        """Wave after wave of no more samples than it must be; then the judge."""
        judged = False

        async def next_wave() -> Sequence[Cell]:
            nonlocal judged
            if judged:
                return ()
            self._hear(stages)
            for poll in self.polls:  # mathematics may take seconds: a Ctrl-C is heard meanwhile
                if stages.why:
                    return ()
                if poll.is_slow():
                    await asyncio.to_thread(poll.counted)
            if gone := hopeless(self.plan.cells, stages.said):
                for poll in self.polls:
                    poll.drop(gone)
            if wave := [cell for poll in self.polls for cell in poll.next()]:
                return sorted(wave, key=lambda cell: cell.index)
            left_out = [index for poll in self.polls for index in poll.skipped]
            stages.skip(left_out)
            tracking.skip(left_out)
            judged = True
            return self._judging(stages, tracking)

        return next_wave

    def _hear(self, stages: Stages) -> None:
        for poll in self.polls:
            poll.hear(stages.said)

    def _judging(self, stages: Stages, tracking: Tracking) -> list[Cell]:
        """The judge's requests: for each question with answers that differ."""
        if self._judge is None:
            return []
        cells, idle = [], []
        for number, poll in enumerate(self.polls):
            answers = candidates(poll, stages.said)
            order = shuffled(list(answers), self._chance)
            for turn in (0, 1):
                index = self._samples + 2 * number + turn
                if len(answers) < 2:
                    idle.append(index)
                    continue
                paper = review_paper(question_of(self.plan, poll.cells[0]), answers, order[:: 1 - 2 * turn])
                self._papers[index] = paper
                planned = self.plan.cells[index]
                cells.append(self._judge.cell(index, dict(planned.varied), paper.prompt, row=planned.row))
        stages.skip(idle)
        tracking.skip(idle)
        return cells

    def best(self, stages: Stages) -> list[Best | None]:
        """The best sample of each question, where it was asked for."""
        self._hear(stages)
        found: list[Best | None] = []
        for poll in self.polls:
            if self._judge is not None:
                found.append(self._judged(poll, stages))
            elif poll.how.by_checks:
                found.append(best_by_checks(poll))
            else:
                found.append(None)
        return found

    def _judged(self, poll: Poll, stages: Stages) -> Best:
        answers = candidates(poll, stages.said)
        if not answers:
            return Best(None, "there is no answer to choose from")
        if len(answers) == 1:
            (only,) = answers
            return Best(only, "the only answer to choose")
        papers = {index: paper for index, paper in self._papers.items() if set(paper.order) == set(answers)}
        rankings = [
            (paper.order, ranking) for index, paper in papers.items()
            if (ranking := read_ranking(stages.said[index].answer, len(paper.order))) is not None
        ]  # fmt: skip
        if not rankings:
            return Best(None, "no ranking can be read in what the judge says")
        mean = ranks(rankings)
        first = {order[place] for order, groups in rankings for place in groups[0]}
        order = sorted(mean, key=lambda number: mean[number])
        level = [number for number in order if mean[number] < mean[order[0]] + 1e-9]
        if len(level) > 1:
            return Best(None, f"the judge's verdict turns with the order: {len(level)} are level", mean)
        said = "in both orders" if len(first) == 1 and len(rankings) == 2 else "on the mean of two orders that differ"
        return Best(order[0], said if len(rankings) == 2 else "in one order; the other gave no ranking", mean)


def candidates(poll: Poll, said: Mapping[int, Transcript]) -> dict[int, str]:
    """What a judge chooses from, by cell: the whole answers that differ; where some pass their checks, only those."""
    cells = list(poll.passed) or poll.whole
    found: dict[str, int] = {}
    for index in cells:
        found.setdefault(" ".join(said[index].answer.split()), index)
    return {index: said[index].answer for index in found.values()}


def best_by_checks(poll: Poll) -> Best:
    if not poll.passed:
        return Best(None, f"none of {len(poll.whole)} passes its checks")
    count = len(poll.passed)
    return Best(next(iter(poll.passed)), f"passes its checks, as {count} of {poll.heard} did")


def weights_of(texts: Sequence[str], plan: Plan, settings: Settings) -> dict[str, float]:
    """What each target's votes weigh, from TARGET=NUMBER. Raises UsageError."""
    known = list(dict.fromkeys(name for cell in plan.cells for name in (cell.target, cell.label)))
    found: dict[str, float] = {}
    for text in texts:
        name, sign, number = text.rpartition("=")
        try:
            weight = float(number) if sign else -1.0
        except ValueError:
            weight = -1.0
        if not 0 < weight < float("inf"):
            raise UsageError(f"--weight: '{text}' is not TARGET=NUMBER, with a number above 0", "--weight local=2")
        meant = {name, f"custom/{name}", *(one.partition("?")[0] for one in named([name], settings))}
        targets = [target for target in known if target in meant]
        if not targets:
            raise UsageError(f"--weight: no target of this vote is called '{name}'",
                             nearest(name, known) or f"targets: {', '.join(known)}")  # fmt: skip
        found |= dict.fromkeys(targets, weight)
    return found


# -- a run of the past -------------------------------------------------------------------------------------------------


def _recount(written: Sweep, asked: Asked, voting: Voting, output: Output) -> int:
    """Count the answers of a run that is there; nothing is sent."""
    if asked.prompt or asked.models or voting.judge:
        raise UsageError("--run counts what was sent, and sends nothing", "leave out the prompt, -m and --judge")
    if voting.counted or voting.stop != "decided" or written != Sweep(targets=written.targets, extract=written.extract):
        raise UsageError("--run counts a run as it is", "beside it: --extract, --weight, --best-of, --format")
    with past(voting.run) as (run, said, settings):
        cells = [cell for cell in run.plan.cells if STEP not in cell.values and said[cell.index].ending]
        if not cells:
            raise UsageError(f"run {run.id} has no answers to count", "promptlab runs lists what there is")
        extract = written.extract
        if extract == "auto" and run.plan.sweep is not None:
            extract = run.plan.sweep.extract
        if voting.best_of and not any(cell.checks for cell in cells):
            raise UsageError(f"--best-of, and run {run.id} has no checks", "a --check with the vote itself")
        how = replace(voting.how(extract, weights_of(voting.weights, run.plan, settings)), stop="all")
        counted = polls(cells, how)
        for poll in counted:
            poll.asked = len(poll.cells)
            poll.hear(said)
        best = [best_by_checks(poll) if voting.best_of else None for poll in counted]
        show(Voted(run, counted, said, best), output)
    return 0


@contextmanager
def past(number: int | None) -> Iterator[tuple[Run, dict[int, Transcript], Settings]]:
    places = config.places()
    store = Store(places.database)
    try:
        run = store.run(number)
        assert run.id is not None
        yield run, {cell.index: said for cell, said in store.samples(run.id)}, config.settings(places)
    finally:
        store.close()
