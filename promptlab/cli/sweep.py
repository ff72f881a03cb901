"""`promptlab sweep` and `stable`: looked at and priced before anything is sent, shown on the way, read at the end."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab import config
from promptlab import sweep as sweeps
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED, UNDER
from promptlab.cli.auditor import Auditor
from promptlab.cli.forecast import axis_lines, confirmed, forecast, price_lines
from promptlab.cli.outcome import Wanted, show_outcome
from promptlab.cli.output import Output, notice, tick
from promptlab.cli.planning import Asked, Reach
from promptlab.cli.progress import Progress, line
from promptlab.cli.ready import Ready, Way, costing, made_ready
from promptlab.cli.requests import print_requests
from promptlab.cli.sweeping import SweepAsked, make_sweep, make_sweep_plan
from promptlab.cli.tracking import Caps, Tracking
from promptlab.config import Places, Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import UsageError, nearest
from promptlab.events import Cancelled, Ending, Failed, Finished, Stamped
from promptlab.extract import check_how
from promptlab.plan import Plan, Run
from promptlab.store import FLUSH, Recorder, Store
from promptlab.sweep import Seeds, Sweep

if TYPE_CHECKING:
    from promptlab.cli.options import Sweeping

_HOPELESS = ("auth", "no_credit", "model_missing", "connection_refused", "not_an_api")
_ENOUGH = 3  # such failures, with nothing else before them
LAST = "last"  # --resume without a number


@dataclass(frozen=True, slots=True)
class Carrying:
    """How a sweep is carried out, whatever is swept. `resume` is a run's number, or LAST."""

    resume: str | None = None
    retry_errors: bool = False
    cache: bool = False
    audit: bool | None = None
    logprobs: bool | None = None
    yes: bool = False
    until_decided: bool = False
    write_plan: Path | None = None
    wanted: Wanted = field(default_factory=Wanted)


def written(asked: Asked, sweeping: Sweeping) -> Sweep:
    """The sweep behind the arguments: what a plan file says, with what was typed in its place. Raises UsageError."""
    base = None
    given = asked.prompt or ""
    if given.endswith((".yaml", ".yml")) and "\n" not in given:
        base, asked = sweeps.load(Path(given).expanduser(), anywhere=asked.allow_files), replace(asked, prompt=None)
    seeds, seed = _how_seeded(sweeping.seeds), None
    if seeds is not None:  # --seed is then where the seeds begin, and no parameter of its own
        begins = [text for name, text in asked.parameters if name == "seed"]
        asked = replace(asked, parameters=[pair for pair in asked.parameters if pair[0] != "seed"])
        if len(begins) > 1 or (begins and not begins[0].strip().isdecimal()):
            raise UsageError(f"--seeds {seeds} takes one --seed to begin with", "--seed 7 --seeds varied")
        seed = int(begins[0]) if begins else None
    more = SweepAsked(
        tuple(sweeping.axis or ()), sweeping.zip, sweeping.repeat, seeds, seed, sweeping.dataset,
        tuple(sweeping.check or ()), sweeping.keep_samplers, sweeping.max_cost, sweeping.max_tokens_total,
        sweeps.parse_time(sweeping.max_time) if sweeping.max_time else None,
    )  # fmt: skip
    return make_sweep(asked, more, base)


def _how_seeded(word: str | None) -> Seeds | None:
    for known in sweeps.SEEDS:
        if word == known:
            return known
    if word is not None:
        raise UsageError(f"--seeds: '{word}' is not one of {', '.join(sweeps.SEEDS)}", nearest(word, sweeps.SEEDS))
    return None


def sweep(written: Sweep, asked: Asked, carrying: Carrying, output: Output, limits: Limits, way: Way) -> int:
    """Carry out a sweep, or go on with one; the exit code says how it went."""
    check_how(carrying.wanted.extract)
    with _places(way) as places:
        settings = config.settings(places)
        if carrying.write_plan is not None:
            _write_plan(written, carrying.write_plan)
        way = replace(way, save=True)  # where nothing is kept, it is kept in a folder that goes with the command
        if carrying.resume is not None or carrying.retry_errors:
            return _go_on(_resumed(written, carrying, places), carrying, output, limits, way, places, settings)
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        auditor = Auditor(reach, carrying.audit, way, limits, places, settings, quiet=output.quiet)
        plan = make_sweep_plan(
            written, places, settings, reach=reach, mode=asked.mode, cot=asked.cot, allow_files=asked.allow_files,
            scored=carrying.logprobs, learn=auditor,
        )  # fmt: skip
        with made_ready(plan, way, places, settings, quiet=output.quiet) as ready:
            return _begin(ready, carrying, output, limits, way, settings)


@contextmanager
def _places(way: Way) -> Iterator[Places]:
    """The user's folders; with --no-save the history is one that goes with the command, for what is finished must
    live somewhere and not in memory."""
    places = config.places()
    if way.save:
        yield places
        return
    with tempfile.TemporaryDirectory(prefix="promptlab-") as folder:
        yield replace(places, data=Path(folder))


def _write_plan(written: Sweep, file: Path) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(sweeps.write(written, file.parent))
    except FileExistsError:
        raise UsageError(f"{file} is there already", "another name for --write-plan") from None
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}", "check the path") from None
    notice(f"the plan is in {file}")


# -- a new run ---------------------------------------------------------------------------------------------------------


def _begin(ready: Ready, carrying: Carrying, output: Output, limits: Limits, way: Way, settings: Settings) -> int:
    ready.look_ahead(quiet=output.quiet)
    found = forecast(ready)
    if not output.quiet:
        for said in (*axis_lines(ready.plan), *price_lines(found)):
            notice(said)
    if way.dry_run:
        print_requests(ready.planned(), output.format)
        return 0
    if not confirmed(found, settings.confirm_above, yes=carrying.yes, quiet=output.quiet):
        notice("nothing was sent")
        return 1
    assert ready.store is not None
    run, recorder = ready.store.begin(ready.plan, ready.wire)
    return asyncio.run(_carry(ready, run, recorder, ready.plan, carrying, output, limits))


# -- going on with one -------------------------------------------------------------------------------------------------


def _resumed(written: Sweep, carrying: Carrying, places: Places) -> Run:
    """The run that --resume means. Raises UsageError and StoreError."""
    store = Store(places.database)
    try:
        if carrying.resume in (None, LAST):
            by_plan = written != Sweep()
            id = store.last_sweep(sweeps.digest(written) if by_plan else None)
            if id is None:
                what = "no run of this plan is in the history" if by_plan else "there is no sweep to go on with"
                raise UsageError(what, "promptlab runs lists what there is")
            return store.run(id)
        if not (carrying.resume or "").isdecimal():
            raise UsageError(f"--resume: '{carrying.resume}' is no run's number", "promptlab runs lists them")
        return store.run(int(carrying.resume or 0))
    finally:
        store.close()


def _go_on(
    run: Run, carrying: Carrying, output: Output, limits: Limits, way: Way, places: Places, settings: Settings
) -> int:
    """Send what a run has not got yet."""
    assert run.id is not None
    with made_ready(run.plan, way, places, settings, quiet=output.quiet) as ready:
        store = ready.store
        assert store is not None
        missing = set(store.unfinished(run.id, errors=carrying.retry_errors))
        left = replace(run.plan, cells=tuple(cell for cell in run.plan.cells if cell.index in missing))
        if not output.quiet:
            here, all = len(run.plan.cells) - len(left.cells), len(run.plan.cells)
            said = f"run {run.id}: {here} of {all} cells are here, {len(left.cells)} are sent"
            notice(said)
        if way.dry_run:
            print_requests(replace(ready, plan=left).planned(), output.format)
            return 0
        if not left.cells:
            return _shown(ready, run, carrying, output)
        found = forecast(replace(ready, plan=left))
        if not confirmed(found, settings.confirm_above, yes=carrying.yes, quiet=output.quiet):
            return 1
        recorder = store.resume(run.id, sorted(missing), ready.wire)
        return asyncio.run(_carry(ready, run, recorder, left, carrying, output, limits))


# -- carrying it out ---------------------------------------------------------------------------------------------------


async def _carry(
    ready: Ready, run: Run, recorder: Recorder, left: Plan, carrying: Carrying, output: Output, limits: Limits
) -> int:
    """Send the cells of `left`, and read the whole run."""
    assert ready.store is not None
    of, store = run.plan.sweep or Sweep(), ready.store
    tracking = Tracking(left, costing(ready.endpoints), Caps(of.max_cost, of.max_tokens_total, of.max_time))
    engine = Engine(ready.providers, [], limits, adapt=run.plan.mode == "adapt")
    if carrying.cache:
        engine.replay = lambda cell: store.cached(cell, ready.wire(cell), before=run.id)
    watch = _Watch(engine, tracking, left)
    engine.sinks = [recorder, *ready.learner(), tracking, watch]
    if carrying.until_decided:
        engine.sinks = [*engine.sinks, _Decider(engine, recorder, left, carrying.wanted.extract)]
    interrupts = _on_interrupt(engine, tracking)
    recorder.warn = notice
    state = "cancelled"
    with Progress(tracking, quiet=output.quiet, paint=not output.appends) as progress:
        interrupts.say = watch.say = progress.say
        timers = [asyncio.create_task(tick(0.2, progress.refresh)), asyncio.create_task(tick(FLUSH, recorder.flush)),
                  asyncio.create_task(tick(0.5, watch.look))]  # fmt: skip
        try:
            await engine.run(left)
            state = "cancelled" if interrupts.seen else "stopped" if watch.met else "done"
        finally:
            for timer in timers:
                timer.cancel()
            recorder.close(state)
            await ready.registry.aclose()
    if not output.quiet:
        notice(f"run {run.id}: {line(tracking)}")
        if carrying.cache:
            said = f"{engine.progress().cached} of {len(left.cells)} answers are from the cache"
            notice(said)
    code = _shown(ready, replace(run, state=state), carrying, output)
    return _code(tracking, watch, interrupts) or code


class _Watch:
    """A sink, and a timer's call: begins no more cells once a cap is met, and none of a target that refuses all that it
    is sent for a reason that the next cell would meet too (a wrong key, an empty account, an unknown model)."""

    def __init__(self, engine: Engine, tracking: Tracking, plan: Plan) -> None:
        self._engine, self._tracking = engine, tracking
        self._cells = {cell.index: cell for cell in plan.cells}
        self._hopeless: Counter[str] = Counter()
        self.met: str | None = None
        self.say: Callable[[str], None] = notice

    def __call__(self, stamped: Stamped) -> None:
        event = stamped.event
        if isinstance(event, Ending):
            self._count(self._cells[stamped.cell].target, event)
            self.look()

    def _count(self, target: str, event: Finished | Failed | Cancelled) -> None:
        if not isinstance(event, Failed) or event.fault.kind not in _HOPELESS:
            self._hopeless[target] = -sys.maxsize  # it answers, or fails in its own ways: no more is said of it
            return
        self._hopeless[target] += 1
        if self._hopeless[target] == _ENOUGH:
            left = self._engine.skip(index for index, cell in self._cells.items() if cell.target == target)
            if left:
                why = f"{target}: {event.fault.message}; {len(left)} of its cells are not sent; --resume sends them"
                self.say(why)

    def look(self) -> None:
        if self.met is None and (why := self._tracking.met()) is not None:
            self.met = why
            self._engine.drain(why)
            self.say(f"stopped by {why}; --resume goes on")


class _Decider:
    """A sink that spares the repeats of a point whose majority can't change any more."""

    def __init__(self, engine: Engine, recorder: Recorder, plan: Plan, how: str) -> None:
        self._engine, self._recorder, self._how = engine, recorder, how
        self._cells = {cell.index: cell for cell in plan.cells}
        self._left: dict[str, set[int]] = {}
        self._answers: dict[int, list[str]] = {}
        self._counts: dict[str, dict[str, int]] = {}
        for cell in plan.cells:
            self._left.setdefault(self._key(cell.index), set()).add(cell.index)

    def _key(self, index: int) -> str:
        cell = self._cells[index]
        return repr((cell.target, cell.values, cell.row))

    def __call__(self, stamped: Stamped) -> None:
        from promptlab.analysis.agreement import decided
        from promptlab.events import Answer, Finished, Started
        from promptlab.extract import extract

        number, _, event = stamped
        if isinstance(event, Started):
            self._answers[number] = []
        elif isinstance(event, Answer):
            self._answers.setdefault(number, []).append(event.text)
        elif isinstance(event, Ending):
            key = self._key(number)
            left, counts = self._left[key], self._counts.setdefault(key, {})
            left.discard(number)
            text = "".join(self._answers.pop(number, []))
            if isinstance(event, Finished) and (answer := extract(text, self._how)) is not None:
                counts[answer] = counts.get(answer, 0) + 1
            if left and counts and decided(counts, len(left)):
                self._recorder.skip(self._engine.skip(left))
                left.clear()


@dataclass(slots=True)
class _Interrupts:
    seen: int = 0
    say: Callable[[str], None] = notice


def _on_interrupt(engine: Engine, tracking: Tracking) -> _Interrupts:
    """Ctrl-C once: what runs ends, and no more begins. Twice: all stops. Both keep what came."""
    found = _Interrupts()

    def stop() -> None:
        found.seen += 1
        if found.seen == 1:
            engine.drain("stopped by the user")
            running = tracking.count("running")
            said = f"{running} cells end, no more begin; Ctrl-C again stops them; --resume goes on"
            found.say(said)
        elif found.seen == 2:
            engine.cancel(why="cancelled by the user")
        else:
            raise KeyboardInterrupt

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop)
    return found


def _code(tracking: Tracking, watch: _Watch, interrupts: _Interrupts) -> int:
    if interrupts.seen:
        return CANCELLED
    if watch.met or tracking.timed_out:
        return CAPPED
    well = tracking.count("done") + tracking.count("cut")
    if tracking.count("failed"):
        return SOME_FAILED if well else ALL_FAILED
    return 0


def _shown(ready: Ready, run: Run, carrying: Carrying, output: Output) -> int:
    """Print what the run shows; the exit code of its checks."""
    assert ready.store is not None
    passed = show_outcome(ready.store, run, costing(ready.endpoints), carrying.wanted, output)
    return UNDER if passed is False else 0
