"""`promptlab ask`: arguments to a plan, and the plan carried out."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptlab import config
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.inputs import check_argument, file_text, stdin_text
from promptlab.cli.output import Output, tick
from promptlab.cli.requests import Outgoing, print_requests
from promptlab.engine import Engine, Limits
from promptlab.errors import UsageError
from promptlab.events import Cancelled, Ending, Failed, Finished, Stamped
from promptlab.metrics import Cost, cost
from promptlab.params import parse_options, split_option
from promptlab.plan import Cell, Plan, Run, Target, expand, parse_target
from promptlab.profile import Profile, compose, find, read
from promptlab.providers import Provider, catalog, prices
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import Registry
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.request import LOCAL
from promptlab.store import FLUSH, Store, now
from promptlab.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of `ask`, as typed."""

    prompt: str | None
    models: list[str]
    base_url: str | None
    key_env: str | None
    profile: str | None
    variables: list[str]
    system: str | None
    files: list[str]
    options: list[str]
    parameters: list[tuple[str, str]]


def ask(asked: Asked, output: Output, limits: Limits, *, save: bool, dry_run: bool, offline: bool) -> int:
    plan = make_plan(asked, config.places())
    return carry_out(plan, output, limits, save=save, dry_run=dry_run, offline=offline)


def make_plan(asked: Asked, places: config.Places) -> Plan:
    """The plan behind the arguments. Reads stdin, files and the profile. Raises UsageError."""
    targets = [_target(text, asked.base_url) for text in asked.models or [LOCAL]]
    axes = parse_options([*asked.parameters, *map(split_option, asked.options)])
    profile: Profile | None = None
    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles))
    elif asked.variables:
        raise UsageError("--var fills a profile's variables, and there is no profile", "add -p NAME")
    variables = dict(map(split_option, asked.variables))
    context = [(name, file_text(name)) for name in asked.files]
    if piped := stdin_text():
        context.append(("stdin", piped))
    prompt = check_argument(asked.prompt or "", "the prompt")
    system = check_argument(asked.system or "", "the system prompt")
    messages = compose(prompt, profile=profile, system=system, context=context, variables=variables)
    return expand(
        targets, axes, messages, prompt=prompt or messages[-1].text, profile=profile.name if profile else None,
        base_url=asked.base_url, key_name=asked.key_env, defaults=profile.parameters if profile else None,
    )  # fmt: skip


def _target(text: str, base_url: str | None) -> Target:
    """A target; with --base-url a bare model name is enough."""
    check_argument(text, "the target")
    name = text.partition("?")[0]
    if base_url and "/" not in name:
        return parse_target(f"custom/{text}")
    try:
        return parse_target(text)
    except UsageError as error:
        if homes := prices.homes(name):
            raise UsageError(
                error.message, f"did you mean {' or '.join(f'{home}/{name}' for home in homes)}?"
            ) from None
        raise


def endpoints_of(plan: Plan, places: config.Places) -> dict[str, Endpoint]:
    """The endpoint of every cell, by name. Raises UsageError for one that nobody knows."""
    known = config.endpoints(places)
    found = {}
    for name in dict.fromkeys(cell.endpoint for cell in plan.cells):
        base_url = None if name == LOCAL else plan.base_url
        found[name] = catalog.resolve(name, known, base_url=base_url, key=None if name == LOCAL else plan.key_name)
    return found


def carry_out(plan: Plan, output: Output, limits: Limits, *, save: bool, dry_run: bool, offline: bool) -> int:
    """Run a plan, shown and stored; the exit code says how it went."""
    places = config.places()
    endpoints = endpoints_of(plan, places)
    _check_files(plan)
    weights = None if dry_run else _weights(plan, places, offline=offline, quiet=output.quiet)
    registry = Registry(endpoints, lambda: weights or Path())
    providers = {c.index: registry.provider(c.endpoint, c.request.model, c.options) for c in plan.cells}
    if dry_run:
        print_requests([_planned(cell, providers[cell.index], endpoints[cell.endpoint]) for cell in plan.cells],
                       output.format)  # fmt: skip
        return 0
    store = Store(places.database) if save else None
    try:
        return asyncio.run(_run(plan, providers, registry, store, output, limits, endpoints))
    finally:
        if store is not None:
            store.close()


def _check_files(plan: Plan) -> None:
    for cell in plan.cells:
        model = cell.request.model
        if cell.endpoint == LOCAL and model and not _is_file(model):
            raise UsageError(f"no model file {model}", "give the path of a GGUF file: local:/path/model.gguf")


def _planned(cell: Cell, provider: Provider, endpoint: Endpoint) -> Outgoing:
    wire = provider.wire(cell.request)
    key = f"${endpoint.key}" if endpoint.key else None
    return Outgoing(cell.target, wire.url, key, dict(cell.request.parameters), wire.sent, wire.exact, wire.body)


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError):  # too long for a path; ~ of nobody
        return False


def costing(endpoints: Mapping[str, Endpoint]) -> Costing:
    """How a cell's cost is told, by what its endpoint is."""

    def tell(cell: Cell, said: Transcript) -> Cost:
        endpoint = endpoints.get(cell.endpoint)
        local = endpoint is not None and endpoint.local
        counted = said.usage is not None and said.usage.cost is None and not local
        return cost(said, prices.lookup(cell.endpoint, cell.request.model) if counted else None, local=local)

    return tell


def _weights(plan: Plan, places: config.Places, *, offline: bool, quiet: bool) -> Path | None:
    """The embedded model's file, fetched on first need; None where no cell asks for it."""
    if not any(cell.endpoint == LOCAL and not cell.request.model for cell in plan.cells):
        return None
    from promptlab.cli.fetch import default_weights

    return default_weights(places.cache, offline=offline, quiet=quiet)


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


async def _run(
    plan: Plan, providers: Mapping[int, Provider], registry: Registry, store: Store | None, output: Output,
    limits: Limits, endpoints: Mapping[str, Endpoint],
) -> int:  # fmt: skip
    run, recorder = Run(None, now(), plan), None
    if store is not None:
        direct = [cell for cell in plan.cells if not endpoints[cell.endpoint].litellm]  # the others tell as they send
        run, recorder = store.begin(plan, {c.index: providers[c.index].wire(c.request) for c in direct})
    tally = _Tally(len(plan.cells))
    engine = Engine(providers, [], limits)
    view = output.view(run, costing(endpoints), engine.now)
    view.gone = lambda: engine.cancel(why="the reader of the output has left")
    engine.sinks = [*([recorder] if recorder else []), tally, view]
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
