"""`promptlab judge`: models judge the answers of a run; what it takes is told before, what it is worth behind."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from promptlab import config
from promptlab.analysis.hearing import BY_SOFT, Hearing, graded, opinions, panel, weigh
from promptlab.axis import parse_options, split_option
from promptlab.ballot import USER, Ballot, Grade
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.clerk import Clerk, hearings, softened
from promptlab.cli.forecast import confirmed, forecast, must_ask, price_lines
from promptlab.cli.inputs import check_argument, objects_read
from promptlab.cli.judged import run_to_judge
from promptlab.cli.judging import (
    Brief,
    Call,
    Case,
    Subject,
    Way,
    brief_of,
    judging_plan,
    paired,
    singly,
    subjects,
    voter_of,
)
from promptlab.cli.output import COLORS, console, notice, tick
from promptlab.cli.planning import Reach, targets_of
from promptlab.cli.progress import Progress, line
from promptlab.cli.ready import Ready, costing, made_ready
from promptlab.cli.ready import Way as Sent
from promptlab.cli.requests import print_requests
from promptlab.cli.tracking import Caps, Tracking
from promptlab.cli.watching import Watch, on_interrupt
from promptlab.config import Places, Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import UsageError, nearest
from promptlab.params import Value
from promptlab.plan import Plan, Run, Target
from promptlab.render.judgement import Judgement, as_record, text
from promptlab.render.record import dump
from promptlab.store import FLUSH, Store, now

_PIPE = 100  # columns of what goes into a pipe or a file
_AGAIN = "the same command"
_FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True)
class Judging:
    """The arguments of `judge`, as typed."""

    run: int | None
    judges: Sequence[str]
    way: Way
    reach: Reach = field(default_factory=Reach)
    parameters: Sequence[tuple[str, str]] = ()
    options: Sequence[str] = ()
    caps: Caps = field(default_factory=Caps)
    yes: bool = False
    format: str | None = None
    color: str = "auto"
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """What is judged and by whom: a run, its answers, and the cases that each judge has before it."""

    run: Run
    subjects: tuple[Subject, ...]
    targets: tuple[Target, ...]
    brief: Brief
    calls: tuple[Call, ...]
    old: Mapping[tuple[str, frozenset[tuple[int, int]]], Sequence[int]]
    done: int


def judge(asked: Judging, limits: Limits, sent: Sent) -> int:
    """Have a run judged, and say what came of it; the exit code says how it went. Raises UsageError and StoreError."""
    _examine(asked)
    places = config.places()
    settings = config.settings(places)
    with closing(Store(places.database)) as store:
        run = run_to_judge(store, asked.run, "judge")
        if not asked.judges:
            return _tell(store, run, _former(store, run, asked.way.criteria), asked, None, ())
        bench = _bench(store, run, asked, places, settings)
        if asked.way.soft and not asked.way.again and sent.save and not sent.dry_run:
            _soften(store, run, bench)
    voters = tuple(dict.fromkeys(map(voter_of, bench.targets)))
    clerk, code = None, 0
    if bench.calls:
        plan, calls = judging_plan(run, bench.targets, bench.calls, bench.brief, asked.way, settings, asked.reach,
                                   _typed(asked))  # fmt: skip
        with made_ready(plan, sent, places, settings, quiet=asked.quiet) as ready:
            if not _agreed(ready, bench, asked, sent, settings):
                return 0 if sent.dry_run else 1
            clerk = Clerk(calls, bench.brief, asked.way, 0, old=bench.old, warn=notice)
            code = asyncio.run(_carry(ready, clerk, asked, limits))
    elif not asked.quiet:
        notice(f"run {run.id}: all {bench.done} are judged already; --again judges them anew")
    if sent.dry_run:
        return 0
    with closing(Store(places.database)) as store:
        kept = clerk if clerk is not None and clerk.store is None else None
        return _tell(store, run, bench.brief.criteria, asked, kept, voters) or code


def _examine(asked: Judging) -> None:
    for name, word, known in (("--format", asked.format, _FORMATS), ("--color", asked.color, COLORS)):
        if word is not None and word not in known:
            raise UsageError(f"{name}: '{word}' is not one of {', '.join(known)}", nearest(word, known))
    if asked.way.criteria is not None and not check_argument(asked.way.criteria, "the criteria").strip():
        raise UsageError("--criteria is empty", '--criteria "vivid, coherent"')
    if asked.way.rubric and (asked.way.once or asked.way.soft):
        raise UsageError("--rubric marks one answer at a time, and has no order", "leave --once and --soft out")


def _typed(asked: Judging) -> dict[str, list[Value]]:
    return parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))


# -- who is asked what -------------------------------------------------------------------------------------------------


def _bench(store: Store, run: Run, asked: Judging, places: Places, settings: Settings) -> Bench:
    """What is to be judged, less what is judged already. Raises UsageError where there is nothing."""
    way = asked.way
    found = subjects(store, run)
    brief = brief_of(way, places, run.plan.prompt)
    targets = {voter_of(one): one for one in targets_of(asked.judges, settings, asked.reach.base_url)}
    votes = store.votes(run.id)
    cases = singly(found, way.most) if way.rubric else paired(found, votes, way.most)
    if not cases:
        arms = len({one.arm for one in found})
        what = "no answer" if not found else "nothing to compare: its answers are all of one arm" if arms == 1 else (
            "no two answers to one prompt")  # fmt: skip
        raise UsageError(f"run {run.id} has {what}", "--rubric marks single answers" if found else "promptlab show")
    old: dict[tuple[str, frozenset[tuple[int, int]]], list[int]] = {}
    if way.rubric:
        for grade in store.grades(run.id):
            if grade.criteria == brief.criteria:
                old.setdefault((grade.voter, frozenset([(grade.run, grade.cell)])), []).append(grade.id or 0)
    for ballot in votes if not way.rubric else ():
        if ballot.criteria == brief.criteria and not ballot.aside:
            key = frozenset((one.run, one.cell) for one in ballot.seen)
            old.setdefault((ballot.voter, key), []).append(ballot.id or 0)
    before = {} if way.again else old
    wanted = [(voter, case) for voter in targets for case in cases]
    left = [(voter, case) for voter, case in wanted if (voter, case.key) not in before]
    calls = tuple(call for voter, case in left for call in _calls(voter, case, way))
    if not asked.quiet:
        _warn_of_own(run, found, targets.values())
    return Bench(run, tuple(found), tuple(targets.values()), brief, calls, old if way.again else {},
                 len(wanted) - len(left))  # fmt: skip


def _soften(store: Store, run: Run, bench: Bench) -> None:
    """Votes of before that went by the words and have log probabilities are cast anew by these: no call is needed."""
    voters = set(map(voter_of, bench.targets))
    for ballot in store.votes(run.id):
        mine = ballot.voter in voters and ballot.criteria == bench.brief.criteria and not ballot.aside
        if mine and ballot.note != BY_SOFT and (new := softened(ballot)).note == BY_SOFT and ballot.id is not None:
            store.cast(replace(new, created=now(), id=None))
            store.put_aside(ballot.id)


def _calls(voter: str, case: Case, way: Way) -> Iterable[Call]:
    yield Call(voter, case)
    if not way.rubric and not way.once:
        yield Call(voter, case, backward=True)


def _warn_of_own(run: Run, found: Sequence[Subject], targets: Iterable[Target]) -> None:
    judged = {one.cell for one in found}
    models = {(cell.endpoint, cell.request.model) for cell in run.plan.cells if cell.index in judged}
    for target in targets:
        if (target.endpoint, target.model) in models:
            notice(f"{target.text} judges answers of its own, which models tend to prefer")


# -- carrying it out ---------------------------------------------------------------------------------------------------


def _agreed(ready: Ready, bench: Bench, asked: Judging, sent: Sent, settings: Settings) -> bool:
    """Whether it is to be sent, once it is told what it takes; a dry run prints the requests instead."""
    ready.look_ahead(quiet=asked.quiet)
    found = forecast(ready)
    asks = must_ask(found, settings.confirm_above, asked.caps.usd)
    if not asked.quiet or (asks and not asked.yes):
        if bench.done and not asked.quiet:
            notice(f"{bench.done} are judged already, and not judged again")
        cases = len({(call.voter, call.case.key) for call in bench.calls})
        what = ("answer" if asked.way.rubric else "pair") + ("" if cases == 1 else "s")
        how = "" if asked.way.rubric else " in one order" if asked.way.once else " in both orders"
        notice(f"run {bench.run.id}: {cases} {what}{how} by {bench.brief.criteria}")
        for said in price_lines(found):
            notice(said)
    if sent.dry_run:
        print_requests(ready.planned(), asked.format)
        return False
    if not asks or asked.yes or confirmed(found, settings.confirm_above):
        return True
    notice("nothing was sent")
    return False


async def _carry(ready: Ready, clerk: Clerk, asked: Judging, limits: Limits) -> int:
    """Send the calls, and cast votes as they come; gives the exit code of the cells."""
    plan, recorder, run = ready.plan, None, None
    if ready.keeps and ready.store is not None:
        run, recorder = ready.store.begin(plan, ready.wire)
        assert run.id is not None
        clerk.judging, clerk.store = run.id, ready.store
        recorder.warn = notice
    tracking = Tracking(plan, costing(ready.endpoints), asked.caps)
    engine = Engine(ready.providers, [], limits, adapt=plan.mode == "adapt")
    watch = Watch(engine, tracking, plan, _AGAIN)
    engine.sinks = [*([recorder] if recorder else []), *ready.learner(), tracking, clerk, watch]
    interrupts = on_interrupt(engine, tracking, _AGAIN)
    state = "cancelled"
    with Progress(tracking, quiet=asked.quiet, paint=True) as progress:
        interrupts.say = watch.say = clerk.warn = progress.say
        timers = [asyncio.create_task(tick(0.2, progress.refresh)), asyncio.create_task(tick(0.5, watch.look))]
        if recorder is not None:
            timers.append(asyncio.create_task(tick(FLUSH, recorder.flush)))
        try:
            await engine.run(plan)
            state = "cancelled" if interrupts.seen else "stopped" if watch.met or watch.given_up else "done"
        finally:
            for timer in timers:
                timer.cancel()
            if recorder is not None:
                recorder.close(state)
            await ready.registry.aclose()
    if not asked.quiet:
        notice(f"{f'run {run.id}: ' if run else ''}{line(tracking, over=True)}")
        _tell_failures(plan, clerk)
    if interrupts.seen:
        return CANCELLED
    if watch.met or tracking.timed_out:
        return CAPPED
    if tracking.count("failed"):
        return SOME_FAILED if tracking.count("done") + tracking.count("cut") else ALL_FAILED
    return 0


def _tell_failures(plan: Plan, clerk: Clerk) -> None:
    if clerk.failed:
        notice(f"{clerk.failed} of {len(plan.cells)} calls failed: their votes are missing; {_AGAIN} asks for them")


# -- what came of it ---------------------------------------------------------------------------------------------------


def _former(store: Store, run: Run, criteria: str | None) -> str:
    """The criteria by which a run was judged last. Raises UsageError where it never was."""
    judged = [(one.created, one.criteria) for one in store.votes(run.id) if one.voter != USER]
    judged += [(one.created, one.criteria) for one in store.grades(run.id)]
    if not judged or (criteria is not None and criteria not in {said for _, said in judged}):
        by = f' by "{criteria}"' if criteria is not None else ""
        raise UsageError(f"no judge has seen run {run.id}{by}", f"promptlab judge {run.id} --judge TARGET")
    return criteria if criteria is not None else max(judged)[1]


def _tell(
    store: Store, run: Run, criteria: str, asked: Judging, clerk: Clerk | None, voters: Sequence[str]
) -> int:  # fmt: skip
    """Print what the judges say of a run, of `voters` or of all; of what a `clerk` has kept for itself, too."""
    found = judgement(store, run, criteria, voters, clerk, rubric=asked.way.rubric if voters else None)
    if asked.format == "json":
        sys.stdout.write(dump(as_record(found), indent=2) + "\n")
    elif not found.ballots and not found.grades:
        notice("no vote came of it")
    else:
        cells = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE
        console(asked.color).print(text(found, cells))
    told = any(one.counts for one in found.ballots) or any(one.marks for one in found.grades)
    return 0 if told else ALL_FAILED


def judgement(
    store: Store, run: Run, criteria: str, voters: Sequence[str] = (), clerk: Clerk | None = None,
    rubric: bool | None = None,
) -> Judgement:  # fmt: skip
    """All that judges said of a run by these criteria, of `voters` or of all, with how far they agree with each other
    and with the user. `rubric` wants marks alone, or votes alone."""
    ballots = [one for one in store.votes(run.id) if one.criteria == criteria and one.voter != USER and not one.aside]
    ballots = [one for one in ballots if (not voters or one.voter in voters) and rubric is not True]
    grades = [one for one in store.grades(run.id) if one.criteria == criteria and rubric is not False]
    grades = [one for one in grades if not voters or one.voter in voters]
    heard = list(hearings(store, ballots))
    if clerk is not None:
        heard, grades = [*heard, *clerk.heard], [*grades, *clerk.graded]
    found = subjects(store, run)
    return _judgement(run, criteria, heard, grades, found, store.votes(run.id, USER))


def _judgement(
    run: Run, criteria: str, heard: Sequence[Hearing], grades: Sequence[Grade], found: Sequence[Subject],
    own: Sequence[Ballot],
) -> Judgement:  # fmt: skip
    ballots = [one.ballot for one in heard]
    keys = [tuple(sorted(case.key)) for case in paired(found, own)]
    couples = [(first, second) for first, second in keys]
    views = {USER: opinions(own)} if own else {}
    judges = []
    for voter in dict.fromkeys(one.voter for one in ballots):
        judges.append(weigh(voter, [one for one in heard if one.ballot.voter == voter]))
        views[voter] = opinions(one for one in ballots if one.voter == voter)
    for voter in dict.fromkeys(one.voter for one in grades):
        name = f"{voter} (marks)" if voter in views else voter
        views[name] = graded([one for one in grades if one.voter == voter], couples)
    words = [number for one in ballots for number, _ in one.words] + [one.words[0] for one in grades if one.words]
    assert run.id is not None
    return Judgement(
        run.id, tuple(sorted({number for number in words if number})), criteria, tuple(ballots), tuple(grades),
        tuple(judges), panel(views, USER), views, {one.place: one.arm for one in found},
        {one.place: one.prompt for one in found},
    )  # fmt: skip
