"""Which models there are: what servers said just now, what they said before, what the price list says; and finding
one of them by a few letters."""

from __future__ import annotations

import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import cast, get_args

from promptlab.providers.discovery import Server
from promptlab.providers.http import base
from promptlab.providers.listing import MOST, Model, Thinks, amount, count, day, text
from promptlab.providers.prices import Entry
from promptlab.providers.shape import mapping

PriceList = Callable[[str], Iterable[Entry]]  # what the list has at an endpoint; providers.prices.entries
Knows = Callable[[str, str], Thinks | None]  # whether a model thinks, by endpoint and id

_LARGEST = 16 * 1024 * 1024
_MOST_SERVERS = 64


class Cache:
    """The lists that servers gave, with the time of each, in one JSON file; no key is in it.

    A file that can't be read is an empty one, and a folder that can't be written to is no error: it is a cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Mapping[str, object]] | None = None

    def recall(self, name: str, base_url: str) -> tuple[float, tuple[Model, ...]] | None:
        """When (UNIX time) the server gave which models, or None."""
        kept = self._read().get(_key(name, base_url))
        if kept is None:
            return None
        at, listed = amount(kept.get("time")), kept.get("models")
        if at is None or not isinstance(listed, list):
            return None
        read = (_model(name, mapping(entry)) for entry in listed[:MOST])
        return at, tuple(model for model in read if model is not None)

    def keep(self, servers: Iterable[Server], now: float) -> None:
        """Write down what answered; `now` in UNIX time."""
        fresh = {_key(server.name, server.base_url): {"time": now, "models": list(map(_plain, server.models))}
                 for server in servers if server.state == "answers" and server.models}  # fmt: skip
        if not fresh:
            return
        newest = sorted({**self._read(), **fresh}.items(), key=lambda pair: -(amount(pair[1].get("time")) or 0.0))
        self._kept = dict(newest[:_MOST_SERVERS])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix=".models-", dir=self._path.parent)
            try:
                with os.fdopen(number, "w", encoding="utf-8") as file:
                    json.dump({"version": 1, "servers": self._kept}, file)
                Path(name).replace(self._path)
            except OSError:
                Path(name).unlink(missing_ok=True)

    def _read(self) -> dict[str, Mapping[str, object]]:
        if self._kept is None:
            found: object = None
            with suppress(OSError, ValueError, RecursionError):
                if self._path.stat().st_size <= _LARGEST:
                    found = json.loads(self._path.read_bytes())
            servers = mapping(mapping(found).get("servers")) if mapping(found).get("version") == 1 else {}
            self._kept = {key: mapping(kept) for key, kept in servers.items()}
        return self._kept


def _key(name: str, base_url: str) -> str:
    return f"{name} {base(base_url)}"


def _plain(model: Model) -> dict[str, object]:
    """A model as JSON, without what is not known, what will not last, and the endpoint, which is in the key."""
    names = [field.name for field in fields(model) if field.name not in ("endpoint", "loaded", "source")]
    said = {name: value for name in names if (value := getattr(model, name)) not in (None, "", False)}
    return {**said, "price": list(model.price)} if model.price else said


def _model(endpoint: str, kept: Mapping[str, object]) -> Model | None:
    id, thinks = text(kept.get("id")), text(kept.get("thinks"))
    if not id:
        return None
    price = kept.get("price")
    pair = [amount(part) for part in price] if isinstance(price, list) and len(price) == 2 else [None]
    return Model(
        endpoint, id, text(kept.get("name")), text(kept.get("kind")) or None,
        cast(Thinks, thinks) if thinks in get_args(Thinks) else None,
        count(kept.get("context")), count(kept.get("size")), text(kept.get("quantisation")) or None, None,
        None if None in pair else cast(tuple[float, float], tuple(pair)), day(kept.get("retires")),
        kept.get("local") is True, "cache",
    )  # fmt: skip


# What is known of a server's models ----------------------------------------------------------------------------------

_MAY_STILL_BE_THERE = ("silent", "unreachable", "failing", "loading", "no list", "not asked")


def known(
    servers: Iterable[Server], cache: Cache, prices: PriceList, now: float, *, thinks: Knows | None = None
) -> list[Server]:
    """The servers with what is known of their models: as answered now, or remembered, or else on the price list.

    Where the server answered, `thinks` and the list only fill in what it left open. A server that refuses, or our key
    at it, can't be used, and shows no models. `now` in UNIX time.
    """
    return [_known(server, cache, prices, now, thinks or (lambda endpoint, id: None)) for server in servers]


def _known(server: Server, cache: Cache, prices: PriceList, now: float, thinks: Knows) -> Server:
    usable = server.state == "answers" or (server.state in _MAY_STILL_BE_THERE and not server.usual)
    if not usable:
        return server
    listed = {} if server.local else {entry.id: entry for entry in prices(server.name)}
    models, age = server.models, server.age
    if server.state != "answers":
        if remembered := cache.recall(server.name, server.base_url):
            at, models = remembered
            age = max(0.0, now - at)
        else:
            models = tuple(Model(server.name, id, source="price list") for id in _listed_order(listed.values())[:MOST])
    return replace(server, models=tuple(_filled(model, listed.get(model.id), thinks) for model in models), age=age)


_NUMBERS = re.compile(r"(\d+)")
_SNAPSHOT = re.compile(r"\d{4}-?\d{2}-?\d{2}$")


def _listed_order(listed: Iterable[Entry]) -> list[str]:
    """The ids on the list that stand for a model: names before their dated snapshots, high version numbers before low
    ones, and templates of the list's own (`ft:…`) last."""

    def place(id: str) -> tuple[bool, bool, list[tuple[bool, float, str]]]:
        parts = ((part.isdecimal(), -float(part) if part.isdecimal() else 0.0, part) for part in _NUMBERS.split(id))
        return ":" in id, bool(_SNAPSHOT.search(id)), list(parts)

    return sorted((entry.id for entry in listed if entry.price or entry.context), key=place)


_MODES = {"responses": "chat", "image_generation": "image", "image_edit": "image", "video_generation": "video",
          "audio_transcription": "transcription", "audio_speech": "speech"}  # fmt: skip


def _filled(model: Model, entry: Entry | None, thinks: Knows) -> Model:
    """`model` with what is known beside what its server says. That the list does not name a model's thinking means
    nothing: it misses many."""
    model = replace(model, thinks=model.thinks or thinks(model.endpoint, model.id))
    if entry is None:
        return model
    return replace(
        model, kind=model.kind or _MODES.get(entry.kind or "", entry.kind), context=model.context or entry.context,
        thinks=model.thinks or ("yes" if entry.thinks else None),
        price=model.price or (None if entry.price is None else (entry.price.input, entry.price.output)),
        retires=model.retires or day(entry.retired),
    )  # fmt: skip


# Choosing ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which models to show. `max_price` is in US dollars per million tokens, of input and of output; `min_context` in
    tokens; `all` shows every model, and every server that was looked for."""

    words: tuple[str, ...] = ()
    endpoint: str | None = None
    thinks: bool = False
    local: bool = False
    max_price: float | None = None
    min_context: int | None = None
    all: bool = False

    @property
    def narrow(self) -> bool:
        """Whether less was asked for than all that there is."""
        return bool(self.words) or self != Wanted(all=self.all)

    def takes(self, model: Model) -> bool:
        """What is not known does not pass: an unknown price may be any."""
        return (
            (self.endpoint is None or model.endpoint == self.endpoint)
            and (not self.thinks or model.thinks in ("yes", "switchable"))
            and (not self.local or model.local)
            and (self.max_price is None or _affordable(model, self.max_price))
            and (not self.min_context or (model.context or 0) >= self.min_context)
        )


def _affordable(model: Model, most: float) -> bool:
    return model.local or (model.price is not None and max(model.price) * 1e6 <= most)


# Finding -------------------------------------------------------------------------------------------------------------

_SEPARATORS = re.compile(r"[\s\-_./:@+,|()\[\]]+")
_SHORTEST_SCATTERED = 3  # letters; fewer, scattered, fit everything


def find(words: Sequence[str], models: Iterable[Model]) -> list[Model]:
    """The models that every word fits, best first.

    A word fits where its letters stand together in "endpoint/id name", separators and case aside, or scattered over
    it in order (`dsr1` for deepseek-r1). Whole parts of a name count most: `qwen3 4b` is qwen3:4b before qwen3-14b.
    """
    wanted = [_plain_text(word) for phrase in words for word in phrase.split()]
    if not (wanted := [word for word in wanted if word]):
        return list(models)
    ranked = []
    for order, model in enumerate(models):
        scores = _scores(wanted, model)
        if scores is not None:
            usable = (model.kind in (None, "chat"), bool(model.loaded))
            ranked.append((-sum(scores), [not claim for claim in usable], len(model.target), order, model))
    return [model for *_, model in sorted(ranked, key=lambda entry: entry[:4])]


def _scores(words: list[str], model: Model) -> list[float] | None:
    best: list[float] = []
    places = [_Place(f"{model.endpoint} {model.id}"), _Place(model.name)]
    for word in words:
        score = max(place.score(word) * weight for place, weight in zip(places, (1.0, 0.9), strict=True))
        if score <= 0:
            return None
        best.append(score)
    return best


def _plain_text(said: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", said).casefold())


class _Place:
    """A name without its separators; where its parts begin and end, and where letters and digits meet."""

    __slots__ = ("_edges", "_starts", "_text")

    def __init__(self, name: str) -> None:
        parts = _SEPARATORS.split(unicodedata.normalize("NFKC", name).casefold())
        self._text = "".join(parts)
        self._edges = {0}
        end = 0
        for part in parts:
            end += len(part)
            self._edges.add(end)
        meets = (at for at in range(1, end) if self._text[at - 1].isdigit() != self._text[at].isdigit())
        self._starts = sorted(self._edges.union(meets))

    def score(self, word: str) -> float:
        """0 where the word does not fit, up to 120 where it is one or more whole parts."""
        best = 0.0
        start = self._text.find(word)
        while start >= 0:
            best = max(best, 60 + 30 * self._is_edge(start) + 30 * self._is_edge(start + len(word)))
            start = self._text.find(word, start + 1)
        return best or self._scattered(word)

    def _is_edge(self, at: int) -> float:
        """1 between two parts, 0.5 where letters and digits meet (qwen|3)."""
        return 1.0 if at in self._edges else 0.5 if at in self._starts else 0.0

    def _scattered(self, word: str) -> float:
        """Up to 40 for letters that stand in order, nearer and more often at the beginning of parts being better."""
        if len(word) < _SHORTEST_SCATTERED:
            return 0.0
        best = 0.0
        for begin in self._starts:
            if self._text.startswith(word[0], begin):
                best = max(best, self._greedy(word, begin))
        return best

    def _greedy(self, word: str, begin: int) -> float:
        at, starts, together = begin, 1, 0
        for letter in word[1:]:
            next_ = self._next(letter, at)
            if next_ < 0:
                return 0.0
            starts += next_ in self._starts
            together += next_ == at + 1
            at = next_
        held = (starts + together) / len(word)
        return 40 * held if held >= 0.75 else 0.0  # less than that is chance

    def _next(self, letter: str, at: int) -> int:
        """Where the next letter is: right behind, or at the beginning of a later part, or anywhere later."""
        if self._text.startswith(letter, at + 1):
            return at + 1
        later = (start for start in self._starts if start > at and self._text.startswith(letter, start))
        return next(later, self._text.find(letter, at + 1))


def picked(servers: Iterable[Server], wanted: Wanted, today: str) -> list[Model]:
    """The wanted models: best first where words were given, otherwise server by server, in the order that they are
    of use. `today` is a day, ISO 8601."""
    models = [model for server in in_order(servers) for model in _useful(server.models, today) if wanted.takes(model)]
    return find(wanted.words, models)


def in_order(servers: Iterable[Server]) -> list[Server]:
    """Who answers first, and this machine before the rest."""
    return sorted(servers, key=lambda server: (server.state != "answers", not server.local))


def _useful(models: Iterable[Model], today: str) -> list[Model]:
    """What is gone last, what is loaded first, what chats before what does not; otherwise as the server has them."""

    def place(model: Model) -> tuple[bool, bool, bool]:
        return gone(model, today), not model.loaded, model.kind not in ("chat", None)

    return sorted(models, key=place)


def gone(model: Model, today: str) -> bool:
    return model.retires is not None and model.retires <= today
