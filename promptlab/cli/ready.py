"""A plan made ready to be sent: its endpoints, keys and providers, the history, and what is known of its models."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from promptlab import audit, config
from promptlab.cli.planning import endpoints_of
from promptlab.cli.requests import Outgoing
from promptlab.config import Settings
from promptlab.errors import Sentence, StoreError, UsageError
from promptlab.events import Learned, Stamped
from promptlab.keys import KeyChain
from promptlab.knowledge import Finding, Knowledge, Retired, not_honoured
from promptlab.metrics import Cost, cost
from promptlab.params import show
from promptlab.plan import Cell, Plan
from promptlab.providers import Provider, prices
from promptlab.providers.catalog import Endpoint, Secret
from promptlab.providers.registry import CONTEXT, EMBEDDED, Registry, facts_of
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean_line
from promptlab.request import LOCAL, State, Wire, Word
from promptlab.store import Store, now
from promptlab.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Way:
    """How a plan is carried out, whatever it is."""

    save: bool = True
    dry_run: bool = False
    offline: bool = False
    env_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan with all that its sending takes. `store` is None where nothing is kept and nothing was."""

    plan: Plan
    endpoints: Mapping[str, Endpoint]
    knowledge: Knowledge
    registry: Registry
    providers: Mapping[int, Provider]
    store: Store | None
    keeps: bool

    def look_ahead(self, *, quiet: bool) -> None:
        """What is known before anything is sent: retired models are told, and a strict plan ends here where a parameter
        would not be honoured. Raises UsageError."""
        broken: list[str] = []
        for cell in self.plan.cells if self.plan.mode == "strict" else ():
            verdicts = (
                self.providers[cell.index].wire(cell.request).verdicts
            )  # litellm leaves out things of its own accord
            for name, verdict in not_honoured(verdicts, cell.request.parameters).items():
                asked, word = show(cell.request.parameters[name]), Sentence.whole(verdict.word)
                note = Sentence(" ({note})", note=Sentence.whole(verdict.note)) if verdict.note else ""
                broken.append(Sentence("{target}: {name} {value} is {word}{note}", target=cell.target, name=name,
                                       value=asked, word=word, note=note))  # fmt: skip
        if broken:
            raise UsageError(
                Sentence("nothing was sent: {why}", why=Sentence.joined("; ", dict.fromkeys(broken))),
                "leave these out, or use --params adapt",
            )
        if quiet:
            return
        for target, (endpoint, model) in {c.target: (c.endpoint, c.request.model) for c in self.plan.cells}.items():
            retired = facts_of(self.knowledge, self.endpoints[endpoint], model).retired
            if retired is not None:
                print(f"promptlab: {clean_line(retirement(target, retired, today()))}", file=sys.stderr)

    def planned(self) -> list[Outgoing]:
        """Every request as it would go out."""
        return [_planned(cell, self.providers[cell.index], self.endpoints[cell.endpoint]) for cell in self.plan.cells]

    def wire(self, cell: Cell) -> Wire | None:
        """What goes out for a cell; None where only the sending can tell."""
        if self.endpoints[cell.endpoint].litellm:
            return None
        return self.providers[cell.index].wire(cell.request)

    def learner(self) -> list[Learner]:
        """The sink that keeps what endpoints say of parameters, where there is a history."""
        return [Learner(self.store, self.plan, self.endpoints)] if self.keeps and self.store else []


@contextmanager
def made_ready(plan: Plan, way: Way, places: config.Places, settings: Settings, *, quiet: bool) -> Iterator[Ready]:
    """Open what a plan needs; the history is closed behind it. Raises UsageError and StoreError."""
    endpoints = endpoints_of(plan, settings)
    files = _files(plan, places, way, quiet=quiet)
    keeps = way.save and not way.dry_run
    store = _store(places, keeps=keeps)
    try:
        asked = {(cell.endpoint, cell.request.model) for cell in plan.cells}
        knowledge = known(store, settings.knowledge, [(endpoints[name], model) for name, model in asked])
        chain = config.keys(places, way.env_file)
        registry = Registry(
            endpoints, lambda model: files[model], secrets=lambda names: _secret(chain, names), knowledge=knowledge,
            mode=plan.mode,
        )  # fmt: skip
        providers = {c.index: registry.provider(c.endpoint, c.request.model, c.options) for c in plan.cells}
        yield Ready(plan, endpoints, knowledge, registry, providers, store, keeps)
    finally:
        if store is not None:
            store.close()


def known(store: Store | None, shipped: Knowledge, models: Iterable[tuple[Endpoint, str]]) -> Knowledge:
    """What is known, under what was found out here: refusals, and audits of these models."""
    if store is None:
        return shipped
    found = Knowledge(findings=store.findings()).above(shipped)
    audited: list[Finding] = []
    for endpoint, model in models:
        facts = facts_of(found, endpoint, model)
        audited += audit.findings(store.audits(facts.endpoint, facts.model), facts)
    return Knowledge(findings=audited).above(found) if audited else found


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


def windows(plan: Plan, endpoints: Mapping[str, Endpoint]) -> dict[str, int]:
    """How many tokens each target's model has room for, where the price list knows; a slot of a local model has what
    the registry gives it."""
    found: dict[str, int] = {}
    for target, (endpoint, model) in {c.target: (c.endpoint, c.request.model) for c in plan.cells}.items():
        if endpoint == LOCAL:
            found[target] = CONTEXT
        elif (at := endpoints.get(endpoint)) is not None and not at.local:
            listed = prices.entry(endpoint, model)
            if listed is not None and listed.context:
                found[target] = listed.context
    return found


def _files(plan: Plan, places: config.Places, way: Way, *, quiet: bool) -> dict[str, Path]:
    """The file of each local model of a plan: by its path, by its name on this machine, or the embedded default's
    weights, fetched on first need. Raises UsageError with the nearest names."""
    found: dict[str, Path] = {}
    for model in dict.fromkeys(cell.request.model for cell in plan.cells if cell.endpoint == LOCAL):
        if model:
            from promptlab.cli.local import models
            from promptlab.providers.disk import resolve

            if (path := _path(model)) is None and ("/" in model or model.lower().endswith(".gguf")):
                raise UsageError(Sentence("no model file {name}", name=model),
                                 "give the path of a GGUF file: local:/path/model.gguf")  # fmt: skip
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


class Learner:
    """A sink that keeps what endpoints say of parameters, for the next plan."""

    def __init__(self, store: Store, plan: Plan, endpoints: Mapping[str, Endpoint]) -> None:
        self._store, self._cells = store, {cell.index: cell for cell in plan.cells}
        self._endpoints = endpoints

    def __call__(self, stamped: Stamped) -> None:
        event = stamped.event
        if not isinstance(event, Learned):
            return
        cell = self._cells[stamped.cell]
        name = cell.request.model or EMBEDDED  # only the embedded default has no name in a target
        finding = Finding(
            cell.endpoint, self._endpoints[cell.endpoint].base_url, name, event.parameter,
            cast(Word, event.verdict), cast(State, event.state), event.said, today(), event.value, event.asked,
        )  # fmt: skip
        with suppress(StoreError):  # the next run finds it out again
            self._store.learn(finding)
