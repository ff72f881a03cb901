"""Who is here: the endpoints, servers and model files that can be used now, and a model found among them by a name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptlab import config
from promptlab.cli import models
from promptlab.config import Places, Settings
from promptlab.errors import Sentence, UsageError
from promptlab.keys import KeyChain
from promptlab.providers import prices
from promptlab.providers.catalog import Endpoint
from promptlab.providers.discovery import Server, together, usual_local
from promptlab.providers.listing import Model, Thinks
from promptlab.providers.probe import Probe
from promptlab.providers.registry import facts_of
from promptlab.providers.roster import Cache, Wanted, find
from promptlab.request import LOCAL

_THINKS: dict[str | None, Thinks] = {
    "always": "yes", "by default": "switchable", "on request": "switchable", "never": "no",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A look around that has begun; `found` waits for it, no longer than its limit."""

    places: Places
    settings: Settings
    probes: Sequence[Probe]
    limit: float
    found: Callable[[], list[Server]]

    def servers(self) -> list[Server]:
        """All that was found, with what is known of each model, and the model files of this machine."""
        servers = models.survey(
            self.probes, Cache(self.places.cache / "models.json"), prices.entries, limit=self.limit,
            thinks=self._thinks, looking=self.found,
        )  # fmt: skip
        return [*servers, Server(LOCAL, "", state="answers", local=True, models=self._files())]

    def _thinks(self, endpoint: str, id: str) -> Thinks | None:
        known = self.settings.endpoints.get(endpoint)
        return _THINKS.get(facts_of(self.settings.knowledge, known, id).family.thinks) if known else None

    def _files(self) -> tuple[Model, ...]:
        from promptlab.cli import local
        from promptlab.providers import weights

        default = Model(LOCAL, "", kind="chat", thinks="no", context=8192, local=True, source="disk")
        found = [default]
        for one in local.models(self.places):
            if one.path == weights.cached(self.places.cache):
                continue  # the default model's, which is `local` itself
            header = one.header
            found.append(
                Model(
                    LOCAL, one.name, kind=header.kind if header else None, local=True, size=one.size, source="disk",
                    thinks=header.thinks if header and header.thinks != "unknown" else None,
                    context=header.context if header else None, quantisation=header.quantisation if header else None,
                )
            )  # fmt: skip
        return tuple(found)


def look(refresh: bool = False) -> Look:
    """Begin to look at everything that is configured, and at the usual ports."""
    places = config.places()
    settings = config.settings(places)
    probes = probes_of(settings, config.keys(places))
    limit = models.patience(refresh)
    return Look(places, settings, probes, limit, models.start(probes, limit))


def probes_of(settings: Settings, chain: KeyChain) -> list[Probe]:
    """A probe for each endpoint, and for each usual port that is nobody's yet."""
    configured = [
        _probe(endpoint, chain, usual=endpoint.local and name not in settings.own)
        for name, endpoint in settings.endpoints.items()
        if name != LOCAL
    ]
    return together(configured, usual_local())


def _probe(endpoint: Endpoint, chain: KeyChain, *, usual: bool) -> Probe:
    key = chain.find(endpoint.keys) if endpoint.keys else None
    return Probe(endpoint.name, endpoint.base_url, endpoint.dialect, key.value if key else None, endpoint.headers,
                 endpoint.local, endpoint.keys, usual)  # fmt: skip


def show(wanted: Wanted, begun: Look, *, format: str | None, color: str, refreshed: bool) -> int:
    return models.show(begun.servers(), wanted, format=format, color=color, refreshed=refreshed)


def meant(word: str, begun: Look) -> str:
    """The target that a bare model name means, among all that can be used here; asked for on a terminal where it may be
    several. Raises UsageError, with the nearest names."""
    usable = [model for server in begun.servers() for model in server.models]
    exact = _one_each(begun, [m for m in usable if word.lower() in (m.id.lower(), m.id.lower().rpartition("/")[2])])
    candidates = exact or find([word], usable)
    if not candidates:
        homes = [f"{name}/{word}" for name in prices.homes(word) if name in begun.settings.endpoints]
        hint = "write ENDPOINT/MODEL; promptlab models lists what is here"
        if homes:
            hint = Sentence("{target} would be one, once its key is set: promptlab keys set {endpoint}",
                            target=homes[0], endpoint=homes[0].partition("/")[0])  # fmt: skip
        raise UsageError(
            Sentence("'{word}' is no target: nothing that can be used here has such a model", word=word), hint
        )
    if len(candidates) == 1 and exact:
        return candidates[0].target
    if sys.stdin.isatty() and sys.stderr.isatty():
        from promptlab.cli.choice import choose

        return choose(candidates, word, stdin=sys.stdin, stderr=sys.stderr).target
    few = ", ".join(model.target for model in candidates[:5])
    raise UsageError(Sentence("'{text}' is no target", text=word), Sentence("did you mean {names}?", names=few))


def _one_each(begun: Look, models: Sequence[Model]) -> list[Model]:
    """The models without those that another endpoint has at the same address: two dialects of one host."""
    seen: dict[tuple[str, str], Model] = {}
    for model in models:
        known = begun.settings.endpoints.get(model.endpoint)
        seen.setdefault((known.base_url if known and known.base_url else model.endpoint, model.id), model)
    return list(seen.values())
