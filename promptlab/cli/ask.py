"""`promptlab ask`: a plan carried out, shown and stored."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from promptlab import config
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.output import Output, tick
from promptlab.cli.planning import Asked, endpoints_of, make_plan
from promptlab.cli.ready import Ready, Way, costing, made_ready
from promptlab.cli.requests import print_requests
from promptlab.config import Settings
from promptlab.engine import Engine, Limits
from promptlab.events import Cancelled, Ending, Failed, Finished, Stamped
from promptlab.plan import Plan, Run
from promptlab.profile import find, read
from promptlab.providers.registry import facts_of
from promptlab.render.sanitise import clean_line
from promptlab.store import FLUSH, now

if TYPE_CHECKING:
    from promptlab.profile.finding import Finding


def ask(asked: Asked, output: Output, limits: Limits, way: Way) -> int:
    places = config.places()
    settings = config.settings(places)
    plan = make_plan(asked, places, settings)
    if asked.save is not None:
        from promptlab.cli.saving import save

        save(asked.save, asked, places, asked.force, quiet=output.quiet)
    code = carry_out(plan, output, limits, way, places, settings)
    # Behind the answers: it takes 30 ms to import, which nobody need wait for before the request is out.
    if not output.quiet and (line := advice(asked, plan, places, settings)):
        print(f"promptlab: {line}", file=sys.stderr)
    return code


def advice(asked: Asked, plan: Plan, places: config.Places, settings: Settings) -> str | None:
    """The lint of the prompt for its targets, as one line."""
    from promptlab.cli.lint import brief

    return brief(linted(asked, plan, places, settings))


def linted(asked: Asked, plan: Plan, places: config.Places, settings: Settings) -> list[Finding]:
    """What the lint finds in the prompt for its targets."""
    from promptlab.profile.lint import lint, lint_text

    found = endpoints_of(plan, settings)
    targets = {
        cell.target: (cell.target, facts_of(settings.knowledge, found[cell.endpoint], cell.request.model), None)
        for cell in plan.cells
    }
    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
        return lint(profile, None, list(targets.values()), sources=settings.knowledge.sources)
    context = bool(asked.files) or len(plan.cells[0].request.messages[-1].text) > len(plan.prompt)
    return lint_text(plan.prompt, list(targets.values()), has_context=context, sources=settings.knowledge.sources)


def carry_out(plan: Plan, output: Output, limits: Limits, way: Way, places: config.Places, settings: Settings) -> int:
    """Run a plan, shown and stored; the exit code says how it went."""
    with made_ready(plan, way, places, settings, quiet=output.quiet) as ready:
        ready.look_ahead(quiet=output.quiet)
        if way.dry_run:
            print_requests(ready.planned(), output.format)
            return 0
        return asyncio.run(_run(ready, output, limits))


class _Tally:
    """A sink that counts how cells ended."""

    def __init__(self, count: int) -> None:
        self.count, self.well, self.capped, self.cancelled = count, 0, False, False

    def __call__(self, stamped: Stamped) -> None:
        event = stamped.event
        if isinstance(event, Ending):
            self.well += isinstance(event, Finished) and event.complete
            self.cancelled |= isinstance(event, Cancelled)
            if isinstance(event, Failed) and event.fault.kind == "timeout" and event.fault.status is None:
                self.capped = True

    def code(self) -> int:
        if self.well == self.count:
            return 0
        if self.capped:
            return CAPPED
        return SOME_FAILED if self.well else ALL_FAILED


async def _run(ready: Ready, output: Output, limits: Limits) -> int:
    plan, store = ready.plan, ready.store
    run, recorder = Run(None, now(), plan), None
    if store is not None and ready.keeps:
        run, recorder = store.begin(plan, {c.index: wire for c in plan.cells if (wire := ready.wire(c))})
    tally = _Tally(len(plan.cells))
    engine = Engine(ready.providers, [], limits, adapt=plan.mode == "adapt")
    view = output.view(run, costing(ready.endpoints), engine.now)
    view.gone = lambda: engine.cancel(why="the reader of the output has left")
    engine.sinks = [*([recorder] if recorder else []), *ready.learner(), tally, view]
    interrupted = _on_interrupt(engine)
    view.start()
    timers = [asyncio.create_task(tick(0.1, view.refresh))]
    if recorder is not None:
        recorder.warn = lambda message: print(f"promptlab: {clean_line(message)}", file=sys.stderr)
        timers.append(asyncio.create_task(tick(FLUSH, recorder.flush)))
    state = "cancelled"
    try:
        await engine.run(plan)
        state = "cancelled" if tally.cancelled else "done"
    finally:
        for timer in timers:
            timer.cancel()
        if recorder is not None:
            recorder.close(state)
        view.close(state)
        await ready.registry.aclose()
    return CANCELLED if interrupted.is_set() else tally.code()


def _on_interrupt(engine: Engine) -> asyncio.Event:
    """Ctrl-C, a terminal that closes, or a plain kill: everything that runs is cancelled, shown and stored."""
    seen = asyncio.Event()

    def stop() -> None:
        if seen.is_set():  # a second time: now
            raise KeyboardInterrupt
        seen.set()
        engine.cancel(why="cancelled by the user")

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop)
    return seen
