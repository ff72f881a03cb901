"""`promptlab ask`: a plan carried out, shown and stored."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from promptlab import config
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.output import Output, tick
from promptlab.cli.planning import Asked, endpoints_of, make_plan
from promptlab.cli.requests import Outgoing, print_requests
from promptlab.config import Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import StoreError, UsageError
from promptlab.events import Cancelled, Ending, Failed, Finished, Learned, Stamped
from promptlab.keys import KeyChain
from promptlab.knowledge import Finding, Knowledge, Retired, not_honoured
from promptlab.metrics import Cost, cost
from promptlab.params import show
from promptlab.plan import Cell, Plan, Run
from promptlab.profile import find, read
from promptlab.providers import Provider, prices
from promptlab.providers.catalog import Endpoint, Secret
from promptlab.providers.registry import Registry, facts_of
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.request import LOCAL, State, Word
from promptlab.store import FLUSH, Store, now
from promptlab.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Way:
    """How a plan is carried out, whatever it is."""

    save: bool = True
    dry_run: bool = False
    offline: bool = False
    env_file: Path | None = None


def ask(asked: Asked, output: Output, limits: Limits, way: Way) -> int:
    places = config.places()
    settings = config.settings(places)
    plan = make_plan(asked, places, settings)
    if asked.save is not None:
        from promptlab.cli.saving import save

        save(asked.save, asked, places, asked.force, quiet=output.quiet)
    code = carry_out(plan, output, limits, way, places, settings)
    # Behind the answers: it takes 30 ms to import, which nobody need wait for before the request is out.
    if not output.quiet and (line := _advice(asked, plan, places, settings)):
        print(f"promptlab: {line}", file=sys.stderr)
    return code


def _advice(asked: Asked, plan: Plan, places: config.Places, settings: Settings) -> str | None:
    """The lint of the prompt for its targets, as one line."""
    from promptlab.cli.lint import brief
    from promptlab.profile.lint import lint, lint_text

    found = endpoints_of(plan, settings)
    targets = {
        cell.target: (cell.target, facts_of(settings.knowledge, found[cell.endpoint], cell.request.model), None)
        for cell in plan.cells
    }
    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
        return brief(lint(profile, None, list(targets.values()), sources=settings.knowledge.sources))
    context = bool(asked.files) or len(plan.cells[0].request.messages[-1].text) > len(plan.prompt)
    return brief(
        lint_text(plan.prompt, list(targets.values()), has_context=context, sources=settings.knowledge.sources)
    )


def carry_out(plan: Plan, output: Output, limits: Limits, way: Way, places: config.Places, settings: Settings) -> int:
    """Run a plan, shown and stored; the exit code says how it went."""
    endpoints = endpoints_of(plan, settings)
    files = _files(plan, places, way, quiet=output.quiet)
    keeps = way.save and not way.dry_run
    store = _store(places, keeps=keeps)
    try:
        knowledge = Knowledge(findings=store.findings() if store else ()).above(settings.knowledge)
        chain = config.keys(places, way.env_file)
        registry = Registry(
            endpoints, lambda model: files[model], secrets=lambda names: _secret(chain, names), knowledge=knowledge,
            mode=plan.mode,
        )  # fmt: skip
        providers = {c.index: registry.provider(c.endpoint, c.request.model, c.options) for c in plan.cells}
        _look_ahead(plan, endpoints, knowledge, providers, quiet=output.quiet)
        if way.dry_run:
            print_requests([_planned(cell, providers[cell.index], endpoints[cell.endpoint]) for cell in plan.cells],
                           output.format)  # fmt: skip
            return 0
        return asyncio.run(_run(plan, providers, registry, store if keeps else None, output, limits, endpoints))
    finally:
        if store is not None:
            store.close()


def _store(places: config.Places, *, keeps: bool) -> Store | None:
    """The history, for what was found out and, where the run is kept, for its events. Raises StoreError for that."""
    if not keeps and not places.database.exists():
        return None
    try:
        return Store(places.database)
    except StoreError as error:
        if keeps:
            raise
        print(f"promptlab: {clean_line(error.message)}; what was found out of models is not known", file=sys.stderr)
        return None


def _secret(chain: KeyChain, names: Sequence[str]) -> Secret | None:
    key = chain.find(names)
    return Secret(key.name, key.value) if key else None


def _look_ahead(
    plan: Plan,
    endpoints: Mapping[str, Endpoint],
    knowledge: Knowledge,
    providers: Mapping[int, Provider],
    *,
    quiet: bool,
) -> None:
    """What is known before anything is sent: retired models are told, and a strict plan ends here where a parameter
    would not be honoured. Raises UsageError."""
    broken: list[str] = []
    for cell in plan.cells if plan.mode == "strict" else ():
        verdicts = providers[cell.index].wire(cell.request).verdicts  # litellm leaves out things of its own accord
        for name, verdict in not_honoured(verdicts, cell.request.parameters).items():
            note = f" ({verdict.note})" if verdict.note else ""
            broken.append(f"{cell.target}: {name} {show(cell.request.parameters[name])} is {verdict.word}{note}")
    if broken:
        raise UsageError("nothing was sent: " + "; ".join(dict.fromkeys(broken)),
                         "leave these out, or use --params adapt")  # fmt: skip
    if quiet:
        return
    for target, (endpoint, model) in {c.target: (c.endpoint, c.request.model) for c in plan.cells}.items():
        retired = facts_of(knowledge, endpoints[endpoint], model).retired
        if retired is not None:
            print(f"promptlab: {clean_line(retirement(target, retired, today()))}", file=sys.stderr)


def retirement(target: str, retired: Retired, today: str) -> str:
    """One line on an id that the vendor has retired, or will."""
    when = "was retired" if retired.date <= today else "will be retired"
    instead = f"; its successor is {retired.successor}" if retired.successor else ""
    return f"{target} {when} on {retired.date}{instead}"


def today() -> str:
    return now()[:10]


_KEY_HEADERS = {"anthropic": "x-api-key: ", "gemini": "x-goog-api-key: "}


def _planned(cell: Cell, provider: Provider, endpoint: Endpoint) -> Outgoing:
    wire = provider.wire(cell.request)
    header = _KEY_HEADERS.get(endpoint.dialect, "Authorization: Bearer ")
    key = f"{header}${endpoint.keys[0]}" if endpoint.keys else None
    return Outgoing(cell.target, wire.url, key, dict(cell.request.parameters), wire.sent, wire.exact, wire.body,
                    wire.words, wire.notes)  # fmt: skip


def costing(endpoints: Mapping[str, Endpoint]) -> Costing:
    """How a cell's cost is told, by what its endpoint is."""

    def tell(cell: Cell, said: Transcript) -> Cost:
        endpoint = endpoints.get(cell.endpoint)
        local = endpoint is not None and endpoint.local
        counted = said.usage is not None and said.usage.cost is None and not local
        return cost(said, prices.lookup(cell.endpoint, cell.request.model) if counted else None, local=local)

    return tell


def _files(plan: Plan, places: config.Places, way: Way, *, quiet: bool) -> dict[str, Path]:
    """The file of each local model of a plan: by its path, by its name on this machine, or the embedded default's
    weights, fetched on first need. Raises UsageError with the nearest names."""
    found: dict[str, Path] = {}
    for model in dict.fromkeys(cell.request.model for cell in plan.cells if cell.endpoint == LOCAL):
        if model:
            from promptlab.cli.local import models
            from promptlab.providers.disk import resolve

            if (path := _path(model)) is None and ("/" in model or model.lower().endswith(".gguf")):
                raise UsageError(f"no model file {model}", "give the path of a GGUF file: local:/path/model.gguf")
            found[model] = path or resolve(model, models(places))
        elif way.dry_run:
            found[model] = Path()
        else:
            from promptlab.cli.fetch import default_weights

            found[model] = default_weights(places.cache, offline=way.offline, quiet=quiet)
    return found


def _path(name: str) -> Path | None:
    """A file of that path, if there is one."""
    try:
        path = Path(name).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # too long for a path; ~ of nobody
        return None


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


class _Learner:
    """A sink that keeps what endpoints say of parameters, for the next plan."""

    def __init__(self, store: Store, plan: Plan, endpoints: Mapping[str, Endpoint]) -> None:
        self._store, self._cells = store, {cell.index: cell for cell in plan.cells}
        self._endpoints = endpoints

    def __call__(self, stamped: Stamped) -> None:
        event = stamped.event
        if not isinstance(event, Learned):
            return
        cell = self._cells[stamped.cell]
        finding = Finding(
            cell.endpoint, self._endpoints[cell.endpoint].base_url, cell.request.model, event.parameter,
            cast(Word, event.verdict), cast(State, event.state), event.said, today(), event.value, event.asked,
        )  # fmt: skip
        with suppress(StoreError):  # the next run finds it out again
            self._store.learn(finding)


async def _run(
    plan: Plan, providers: Mapping[int, Provider], registry: Registry, store: Store | None, output: Output,
    limits: Limits, endpoints: Mapping[str, Endpoint],
) -> int:  # fmt: skip
    run, recorder = Run(None, now(), plan), None
    if store is not None:
        direct = [cell for cell in plan.cells if not endpoints[cell.endpoint].litellm]  # the others tell as they send
        run, recorder = store.begin(plan, {c.index: providers[c.index].wire(c.request) for c in direct})
    tally = _Tally(len(plan.cells))
    engine = Engine(providers, [], limits, adapt=plan.mode == "adapt")
    view = output.view(run, costing(endpoints), engine.now)
    view.gone = lambda: engine.cancel(why="the reader of the output has left")
    learner = [_Learner(store, plan, endpoints)] if store else []
    engine.sinks = [*([recorder] if recorder else []), *learner, tally, view]
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
        await registry.aclose()
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
