"""The models that the lab can choose from, the user's favourites, and groups of targets in config.yaml."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptlab.cli.tui.kept import favour, favourites
from promptlab.errors import LabError, Sentence, UsageError
from promptlab.places import Places
from promptlab.tui.choice import Choice

if TYPE_CHECKING:
    from promptlab.keys import KeyChain
    from promptlab.providers.discovery import Server
    from promptlab.providers.listing import Model

_FRESH = 60.0  # seconds for which a list is good enough
_WAIT = 1.0  # seconds for servers: nobody is kept waiting, for it is done aside
_UNEDITABLE = ("its {name} are an alias for something else", "its {name} are written in braces")
Change = Callable[[str], str]
Meaning = Callable[[dict[str, Any]], dict[str, Any]]


class Stocked:
    """The stock of the screen (`tui.choice.Stock`), as `promptlab models` finds it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._choices: list[Choice] = []
        self._looked = -_FRESH
        self._lock = threading.Lock()  # one look at a time, which serves all who wait for it

    def choices(self, *, fresh: bool = False) -> list[Choice]:
        with self._lock:
            if fresh or not self._choices or time.monotonic() - self._looked > _FRESH:
                self._choices, self._looked = self._look(fresh), time.monotonic()
            return self._choices

    def _look(self, fresh: bool) -> list[Choice]:
        from promptlab import config
        from promptlab.cli import here, models
        from promptlab.providers import prices
        from promptlab.providers.roster import Cache, Wanted, known, picked

        settings, chain = config.settings(self._places), config.keys(self._places)
        probes, limit = here.probes_of(settings, chain), models.REFRESH if fresh else _WAIT
        look = here.Look(self._places, settings, probes, limit, models.start(probes, limit))
        servers = look.servers()
        closed = [replace(server, state="not asked", usual=False) for server in servers
                  if server.state in ("no key", "wrong key") and not server.models]  # fmt: skip
        listed = known(closed, Cache(self._places.cache / "models.json"), prices.entries, time.time())
        today = time.strftime("%Y-%m-%d")
        found = picked(servers, Wanted(), today)
        for server in listed:
            chats = tuple(model for model in server.models if model.kind in ("chat", None))
            found += picked([replace(server, models=chats)], Wanted(), today)
        states = {server.name: server for server in servers}
        sources = {name: _source(chain, server) for name, server in states.items()}
        return [_choice(model, states[model.endpoint], sources[model.endpoint]) for model in found]

    def favourites(self) -> list[str]:
        return favourites(self._places)

    def favour(self, target: str, *, on: bool) -> None:
        favour(self._places, target, on=on)

    def groups(self) -> Mapping[str, Sequence[str]]:
        from promptlab import config

        return config.settings(self._places).groups

    def keep_group(self, name: str, targets: Sequence[str]) -> None:
        from promptlab.cli.entries import put

        if not targets:
            raise UsageError("there is nothing to keep as a group", "tick some targets first")
        if name in self._aliases():
            raise UsageError(Sentence("'{name}' is an alias already", name=name), "another name")
        self._edit(lambda text: put(text, name, targets, "groups"), lambda groups: groups | {name: list(targets)})

    def drop_group(self, name: str) -> None:
        from promptlab.cli.entries import take

        self._edit(lambda text: take(text, name, "groups"),
                   lambda groups: {one: targets for one, targets in groups.items() if one != name})  # fmt: skip

    def _aliases(self) -> Mapping[str, str]:
        from promptlab import config

        return config.settings(self._places).aliases

    def _edit(self, change: Change, meaning: Meaning) -> None:
        from promptlab.cli.entries import Uneditable, edit

        file = self._places.settings
        try:
            edit(self._places, change, meaning, "groups")
        except Uneditable as error:
            why = Sentence.read(str(error), _UNEDITABLE) or Sentence.whole(str(error))
            raise LabError(Sentence("{file} was not changed: {why}", file=file, why=why),
                           "groups:  name: [target, target]") from None  # fmt: skip
        except (OSError, UnicodeDecodeError) as error:
            raise LabError(Sentence("{file} can't be changed: {why}", file=file, why=error),
                           "it is as before") from None  # fmt: skip


def _source(chain: KeyChain, server: Server) -> str:
    key = chain.find(server.key_names) if server.key_names else None
    return key.source if key else ""


def _choice(model: Model, server: Server, source: str) -> Choice:
    if server.state in ("no key", "wrong key"):
        return Choice(model, source, source if server.state == "wrong key" else next(iter(server.key_names), "?"))
    return Choice(model, "" if server.local else source)
