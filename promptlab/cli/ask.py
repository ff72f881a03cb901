"""`promptlab ask`: arguments to a plan, and the plan carried out."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from promptlab import config
from promptlab.cli import ALL_FAILED, CANCELLED, CAPPED, SOME_FAILED
from promptlab.cli.inputs import ask_for, check_argument, file_text, stdin_text
from promptlab.cli.output import Output, tick
from promptlab.cli.requests import Outgoing, print_requests
from promptlab.config import Settings
from promptlab.engine import Engine, Limits
from promptlab.errors import StoreError, UsageError, nearest
from promptlab.events import Cancelled, Ending, Failed, Finished, Learned, Stamped
from promptlab.keys import KeyChain
from promptlab.knowledge import MODES, Finding, Knowledge, Mode, Retired, not_honoured
from promptlab.metrics import Cost, cost
from promptlab.params import Value, parse_options, show, split_option
from promptlab.plan import Cell, Plan, Run, Target, expand, parse_target
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, Shape, arrange, gather, prepare, shape_of, unset
from promptlab.providers import Provider, catalog, prices
from promptlab.providers.catalog import Endpoint, Secret
from promptlab.providers.registry import Registry, facts_of
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.request import LOCAL, Message, State, Word
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
    mode: str = "adapt"
    plain_http: bool = False
    cot: bool = False
    allow_files: bool = False
    save: str | None = None


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
        from promptlab.cli.keep import save

        save(asked.save, asked, places, False, quiet=output.quiet)
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


def make_plan(asked: Asked, places: config.Places, settings: Settings) -> Plan:
    """The plan behind the arguments. Reads stdin, files and the profile. Raises UsageError."""
    mode = check_mode(asked.mode)
    profile: Profile | None = None
    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
    elif asked.variables:
        raise UsageError("--var fills a profile's variables, and there is no profile", "add -p NAME")
    models = asked.models or (list(profile.targets) if profile and profile.targets else [LOCAL])
    targets = [_target(text, asked.base_url) for text in named(models, settings)]
    axes = parse_options([*asked.parameters, *map(split_option, asked.options)])
    filled = _filled(asked, profile)
    forms = _Forms(filled, targets, settings, asked)
    plan = expand(
        targets, axes, forms, prompt=check_argument(asked.prompt or "", "the prompt"),
        profile=profile.name if profile else None, base_url=asked.base_url, key_name=asked.key_env,
        defaults=profile.parameters if profile else None, mode=mode, plain_http=asked.plain_http,
    )  # fmt: skip
    return plan if plan.prompt else replace(plan, prompt=plan.cells[0].request.messages[-1].text)


def _filled(asked: Asked, profile: Profile | None) -> Filled:
    """The prompt with its blanks filled; a variable without a value is asked for on a terminal."""
    variables = dict(map(split_option, asked.variables))
    context = [(name, file_text(name)) for name in asked.files]
    if piped := stdin_text():
        context.append(("stdin", piped))
    if profile is not None and sys.stdin.isatty() and sys.stderr.isatty():
        for name in unset(profile, variables):
            variables[name] = ask_for(name, profile.variables[name])
    files = gather(profile, anywhere=asked.allow_files) if profile else []
    system = check_argument(asked.system or "", "the system prompt")
    prompt = check_argument(asked.prompt or "", "the prompt")
    return prepare(prompt, profile=profile, system=system, context=context, variables=variables, files=files)


class _Forms:
    """The messages that each target gets: the form that suits its model, made once for each form."""

    def __init__(self, filled: Filled, targets: Sequence[Target], settings: Settings, asked: Asked) -> None:
        self._filled, self._cot, self._settings = filled, asked.cot, settings
        self._endpoints = {
            target.endpoint: catalog.resolve(
                target.endpoint, settings.endpoints, base_url=None if target.endpoint == LOCAL else asked.base_url,
                plain_http=asked.plain_http,
            )
            for target in targets
        }  # fmt: skip
        self._made: dict[Shape, tuple[Message, ...]] = {}

    def __call__(self, target: Target, asked: Mapping[str, Value]) -> tuple[Message, ...]:
        shape = shape_of(facts_of(self._settings.knowledge, self._endpoints[target.endpoint], target.model), asked)
        if shape not in self._made:
            self._made[shape] = arrange(self._filled, shape, cot=self._cot)
        return self._made[shape]


def check_mode(word: str) -> Mode:
    if word not in MODES:
        raise UsageError(f"--params: '{word}' is not one of {', '.join(MODES)}", nearest(word, MODES))
    return word


def named(models: list[str], settings: Settings) -> list[str]:
    """The targets behind aliases (`-m fast`) and groups (`-m @reasoners`); a target's `?name=value` stays with it.
    Raises UsageError for a group that is not there."""
    found = []
    for text in models:
        name, sign, query = text.partition("?")
        if name.startswith("@"):
            group = settings.groups.get(name[1:])
            if group is None:
                hint = nearest(name[1:], settings.groups) or "groups: stand in config.yaml"
                raise UsageError(f"there is no group {name}", hint)
            found += [_query(settings.aliases.get(target, target), sign + query) for target in group]
        else:
            found.append(_query(settings.aliases.get(name, name), sign + query))
    return found


def _query(target: str, more: str) -> str:
    return target + (more.replace("?", "&", 1) if "?" in target else more)


def _target(text: str, base_url: str | None) -> Target:
    """A target; with --base-url a bare model name is enough, and without one it is looked for among those here."""
    check_argument(text, "the target")
    name, sign, query = text.partition("?")
    if base_url and "/" not in name:
        return parse_target(f"custom/{text}")
    if "/" in name or name == LOCAL or name.startswith(f"{LOCAL}:") or not name.strip() or re.search(r"\s", name):
        return parse_target(text)
    from promptlab.cli import here

    target = here.meant(name, here.look())
    print(f"promptlab: {clean_line(name)} is {clean_line(target)}", file=sys.stderr)
    return parse_target(target + sign + query)


def endpoints_of(plan: Plan, settings: Settings) -> dict[str, Endpoint]:
    """The endpoint of every cell, by name. Raises UsageError for one that nobody knows."""
    found = {}
    for name in dict.fromkeys(cell.endpoint for cell in plan.cells):
        own = name == LOCAL
        found[name] = catalog.resolve(
            name, settings.endpoints, base_url=None if own else plan.base_url, key=None if own else plan.key_name,
            plain_http=plan.plain_http,
        )  # fmt: skip
    return found


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
        _look_ahead(plan, endpoints, knowledge, registry, providers, quiet=output.quiet)
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
    registry: Registry,
    providers: Mapping[int, Provider],
    *,
    quiet: bool,
) -> None:
    """What is known before anything is sent: retired models are told, and a strict plan ends here where a parameter
    would not be honoured. Raises UsageError."""
    broken: list[str] = []
    for cell in plan.cells if plan.mode == "strict" else ():
        verdicts = registry.judge(endpoints[cell.endpoint])(cell.request).verdicts
        if endpoints[cell.endpoint].litellm:  # which leaves out things of its own accord
            verdicts = providers[cell.index].wire(cell.request).verdicts
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
    verdicts = {name: verdict.word for name, verdict in wire.verdicts.items()}
    notes = {name: verdict.note for name, verdict in wire.verdicts.items() if verdict.note}
    return Outgoing(cell.target, wire.url, key, dict(cell.request.parameters), wire.sent, wire.exact, wire.body,
                    dict(verdicts), notes)  # fmt: skip


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
