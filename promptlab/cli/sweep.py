"""`promptlab sweep`: looked at and priced before anything is sent, shown on the way, read at the end."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab import config, metrics
from promptlab import sweep as sweeps
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED, UNDER, inputs
from promptlab.cli.auditor import Auditor
from promptlab.cli.forecast import axis_lines, confirmed, forecast, must_ask, price_lines
from promptlab.cli.outcome import Wanted, show_outcome
from promptlab.cli.output import Output, notice, tick
from promptlab.cli.planning import Asked, Reach
from promptlab.cli.progress import Progress, line
from promptlab.cli.ready import Ready, Way, costing, made_ready
from promptlab.cli.requests import print_requests
from promptlab.cli.sweeping import SweepAsked, make_sweep, make_sweep_plan
from promptlab.cli.tracking import Caps, Tracking
from promptlab.cli.watching import Decider, Interrupts, Watch, on_interrupt
from promptlab.config import Places, Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import UsageError, nearest
from promptlab.extract import check_how
from promptlab.plan import Plan, Run
from promptlab.store import FLUSH, Recorder, Store
from promptlab.sweep import Seeds, Sweep

if TYPE_CHECKING:
    from promptlab.cli.options import Sweeping

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


def written(asked: Asked, sweeping: Sweeping, extract: str | None = None) -> Sweep:
    """The sweep behind the arguments: what a plan file says, with what was typed in its place. Raises UsageError."""
    base = None
    given = asked.prompt or ""
    if given.endswith((".yaml", ".yml")) and not re.search(r"\s", given):
        base, asked = sweeps.load(inputs.path_of(given), anywhere=asked.allow_files), replace(asked, prompt=None)
    seeds, seed = _how_seeded(sweeping.seeds), None
    if seeds is not None:  # --seed is then where the seeds begin, and no parameter of its own
        begins = [text for name, text in asked.parameters if name == "seed"]
        asked = replace(asked, parameters=[pair for pair in asked.parameters if pair[0] != "seed"])
        if len(begins) > 1 or (begins and not begins[0].strip().isdecimal()):
            raise UsageError(f"--seeds {seeds} takes one --seed to begin with", "--seed 7 --seeds varied")
        seed = int(begins[0]) if begins else None
    more = SweepAsked(
        tuple(sweeping.axis or ()), sweeping.zip, sweeping.repeat, seeds, seed, sweeping.dataset,
        tuple(sweeping.check or ()), extract, sweeping.keep_samplers, sweeping.max_cost, sweeping.max_tokens_total,
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
    check_how(written.extract)
    with kept_places(way) as places:
        settings = config.settings(places)
        if carrying.write_plan is not None:
            _write_plan(written, carrying.write_plan)
        way = replace(way, save=True)  # where nothing is kept, it is kept in a folder that goes with the command
        if carrying.resume is not None or carrying.retry_errors:
            run = _resumed(written, carrying, places)
            return _go_on(run, written, carrying, output, limits, way, places, settings)
        reach = Reach(asked.base_url, asked.key_env, asked.plain_http)
        capped = written.max_cost is not None or written.max_tokens_total is not None
        auditor = Auditor(reach, carrying.audit, way, limits, places, settings, capped, output.quiet)
        plan = make_sweep_plan(
            written, places, settings, reach=reach, mode=asked.mode, cot=asked.cot, allow_files=asked.allow_files,
            scored=carrying.logprobs, learn=auditor,
        )  # fmt: skip
        with made_ready(plan, way, places, settings, quiet=output.quiet) as ready:
            return _begin(ready, carrying, output, limits, way, settings)


@contextmanager
def kept_places(way: Way) -> Iterator[Places]:
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
    notice(f"the plan is in {file}; --base-url, --key-env, --params and --cot are no part of it")
    if written.dataset and not Path(written.dataset).resolve().is_relative_to(file.absolute().parent):
        notice(f"its dataset lies outside of {file.absolute().parent}: --allow-files lets the plan read it there")


# -- a new run ---------------------------------------------------------------------------------------------------------


def rerun(plan: Plan, output: Output, limits: Limits, way: Way, places: Places, settings: Settings) -> int:
    """Send a sweep of the past again, exactly as it was."""
    with made_ready(plan, way, places, settings, quiet=output.quiet) as ready:
        return _begin(ready, Carrying(), output, limits, way, settings)


def _begin(ready: Ready, carrying: Carrying, output: Output, limits: Limits, way: Way, settings: Settings) -> int:
    ready.look_ahead(quiet=output.quiet)
    plan = ready.plan
    _check_gate(plan, carrying.wanted)
    if not output.quiet:
        for said in axis_lines(plan):
            notice(said)
    if not _agreed(ready, plan, carrying, output, way, settings):
        return 0 if way.dry_run else 1
    assert ready.store is not None
    run, recorder = ready.store.begin(plan, ready.wire)
    return _carried(ready, run, recorder, plan, _caps(plan.sweep), carrying, output, limits)


def _agreed(ready: Ready, plan: Plan, carrying: Carrying, output: Output, way: Way, settings: Settings) -> bool:
    """Whether the cells of `plan` are to be sent, once it is told what they take; a dry run prints them instead."""
    found = forecast(replace(ready, plan=plan))
    asks = must_ask(found, settings.confirm_above, plan.sweep.max_cost if plan.sweep else None)
    if not output.quiet or (asks and not carrying.yes):
        for said in price_lines(found):
            notice(said)
    if way.dry_run:
        print_requests(replace(ready, plan=plan).planned(), output.format)
        return False
    if not asks or carrying.yes or confirmed(found, settings.confirm_above):
        return True
    notice("nothing was sent")
    return False


def _check_gate(plan: Plan, wanted: Wanted) -> None:
    """Raise UsageError for a gate that could not be judged once all is paid for."""
    if wanted.fail_under is not None and not any(cell.checks for cell in plan.cells):
        raise UsageError("--fail-under, and no answer is checked", "--check, or checks: in the profile")
    if not wanted.allow_run and any(check.kind == "run" for cell in plan.cells for check in cell.checks):
        notice("checks of kind run: start programs, and are left out without --allow-run")
    if wanted.junit is not None and (wanted.junit.is_dir() or not wanted.junit.absolute().parent.is_dir()):
        raise UsageError(f"{wanted.junit} can't be written: no such folder", "check the path of --junit")


def _caps(of: Sweep | None, typed: Sweep | None = None) -> Caps:
    """The caps of a sweep; what was typed beside --resume is above them."""
    of, typed = of or Sweep(), typed or Sweep()
    return Caps(
        typed.max_cost if typed.max_cost is not None else of.max_cost,
        typed.max_tokens_total if typed.max_tokens_total is not None else of.max_tokens_total,
        typed.max_time if typed.max_time is not None else of.max_time,
    )


# -- going on with one -------------------------------------------------------------------------------------------------


def _resumed(written: Sweep, carrying: Carrying, places: Places) -> Run:
    """The run that --resume means. Raises UsageError and StoreError."""
    asked = replace(written, max_cost=None, max_tokens_total=None, max_time=None)
    store = Store(places.database)
    try:
        if carrying.resume in (None, LAST):
            by_plan = asked != Sweep()
            id = store.last_sweep(sweeps.digest(asked) if by_plan else None)
            if id is None:
                what = "no run of this plan is in the history" if by_plan else "there is no sweep to go on with"
                raise UsageError(what, "promptlab runs lists what there is")
            return store.run(id)
        if not (carrying.resume or "").isdecimal():
            raise UsageError(f"--resume: '{carrying.resume}' is no run's number", "promptlab runs lists them")
        run = store.run(int(carrying.resume or 0))
    finally:
        store.close()
    if run.plan.sweep is None:
        raise UsageError(f"run {run.id} is no sweep", f"promptlab rerun {run.id} sends it again")
    if asked != Sweep() and sweeps.digest(asked) != sweeps.digest(run.plan.sweep):
        raise UsageError(f"run {run.id} is of another sweep than the one that is typed",
                         f"--resume {run.id} alone goes on with it; only its caps can be changed")  # fmt: skip
    return run


def _go_on(
    run: Run, typed: Sweep, carrying: Carrying, output: Output, limits: Limits, way: Way, places: Places,
    settings: Settings,
) -> int:  # fmt: skip
    """Send what a run has not got yet."""
    assert run.id is not None
    with made_ready(run.plan, way, places, settings, quiet=output.quiet) as ready:
        store = ready.store
        assert store is not None
        missing = set(store.unfinished(run.id, errors=carrying.retry_errors))
        left = replace(run.plan, cells=tuple(cell for cell in run.plan.cells if cell.index in missing))
        _check_gate(run.plan, carrying.wanted)
        if not output.quiet:
            here, all = len(run.plan.cells) - len(left.cells), len(run.plan.cells)
            notice(f"run {run.id}: {here} of {all} cells are here, {len(left.cells)} are to be sent")
        if not left.cells:
            return _shown(ready, run, carrying, output)
        if not _agreed(ready, left, carrying, output, way, settings):
            return 0 if way.dry_run else 1
        recorder = store.resume(run.id, sorted(missing), ready.wire)
        return _carried(ready, run, recorder, left, _caps(run.plan.sweep, typed), carrying, output, limits)


# -- carrying it out ---------------------------------------------------------------------------------------------------


def _carried(
    ready: Ready, run: Run, recorder: Recorder, left: Plan, caps: Caps, carrying: Carrying, output: Output,
    limits: Limits,
) -> int:  # fmt: skip
    """Send the cells of `left`, and show the whole run; the exit code says how it went."""
    tracking = Tracking(left, costing(ready.endpoints), caps)
    if caps.usd is not None or caps.tokens is not None:
        _count_spent(ready, run, tracking)
    state, code = asyncio.run(_carry(ready, run, recorder, left, tracking, carrying, output, limits))
    # Out of the loop, whose signal handlers would make the reading of a large run deaf to Ctrl-C.
    return code or _shown(ready, replace(run, state=state), carrying, output)


def _count_spent(ready: Ready, run: Run, tracking: Tracking) -> None:
    """What the run has cost before it is gone on with: a cap is one of the whole run."""
    assert ready.store is not None and run.id is not None
    tell = costing(ready.endpoints)
    for cell, said in ready.store.samples(run.id):
        if said.ending and said.cached is None:
            counts = metrics.tokens(said)
            tracking.spent_tokens += (counts.input or 0) + (counts.output or 0)
            tracking.spent_usd += tell(cell, said).usd or 0.0


async def _carry(
    ready: Ready, run: Run, recorder: Recorder, left: Plan, tracking: Tracking, carrying: Carrying, output: Output,
    limits: Limits,
) -> tuple[str, int]:  # fmt: skip
    """How the run ended, and the exit code of its cells."""
    store = ready.store
    assert store is not None and run.id is not None
    engine = Engine(ready.providers, [], limits, adapt=run.plan.mode == "adapt")
    if carrying.cache:
        engine.replay = lambda cell: store.cached(cell, ready.wire(cell), before=run.id)
    watch = Watch(engine, tracking, left, run.id)
    engine.sinks = [recorder, *ready.learner(), tracking, watch]
    if carrying.until_decided:
        decider = Decider(engine, recorder, tracking, left, run.plan.sweep.extract if run.plan.sweep else "auto")
        for cell, said in store.samples(run.id):
            if said.state == "done":
                decider.know(cell, said.answer)
        engine.sinks = [*engine.sinks, decider]
    interrupts = on_interrupt(engine, tracking, run.id)
    recorder.warn = notice
    state = "cancelled"
    with Progress(tracking, quiet=output.quiet, paint=not output.appends) as progress:
        interrupts.say = watch.say = progress.say
        timers = [asyncio.create_task(tick(0.2, progress.refresh)), asyncio.create_task(tick(FLUSH, recorder.flush)),
                  asyncio.create_task(tick(0.5, watch.look))]  # fmt: skip
        try:
            await engine.run(left)
            state = "cancelled" if interrupts.seen else "stopped" if watch.met or watch.given_up else "done"
        finally:
            for timer in timers:
                timer.cancel()
            recorder.close(state)
            await ready.registry.aclose()
    if not output.quiet:
        notice(f"run {run.id}: {line(tracking, over=True)}")
    return state, _code(tracking, watch, interrupts)


def _code(tracking: Tracking, watch: Watch, interrupts: Interrupts) -> int:
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
