"""`promptlab endpoints add`, `list` and `remove`: an address is tried before it is written into config.yaml, where
everything that people wrote stays as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from promptlab import config, document
from promptlab.cli.address import Address, corrections, parse_address
from promptlab.cli.entries import Uneditable, as_lines, edit, own_entries, put, take
from promptlab.cli.inputs import agreed
from promptlab.cli.keys import variable_of
from promptlab.cli.trial import THERE, Found, Way, described, try_way
from promptlab.config import Places, Settings
from promptlab.errors import LabError, UsageError, nearest
from promptlab.keys import Key, KeyChain
from promptlab.providers import catalog
from promptlab.providers.catalog import DialectName, Endpoint
from promptlab.providers.discovery import Server
from promptlab.providers.fault import without_key
from promptlab.providers.http import LOOPBACK
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, pad, width
from promptlab.request import LOCAL

DIALECTS = tuple(name for name in get_args(DialectName) if name != "litellm")
PATIENCE = 2.5  # seconds for an address by http or https; the other of the two is tried after it
_LONGEST_NAME = 40
_OF_SOFTWARE = {"ollama": "ollama", "lmstudio": "lmstudio", "llama.cpp": "llamacpp", "vllm": "vllm"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of `endpoints add`, as typed. `yes`: nobody is asked anything."""

    name: str
    base_url: str
    dialect: str | None = None
    key: str | None = None
    plain_http: bool = False
    tries: bool = True
    yes: bool = False
    replace: bool = False


# add ---------------------------------------------------------------------------------------------------------------


def add(wanted: Wanted, places: Places, chain: KeyChain, *, patience: float = PATIENCE) -> int:
    """Try the address, say what is there, and write the entry: 0, or 1 where nothing was written.

    Raises UsageError for what can't be an endpoint, ConfigError where config.yaml is broken already, and LabError
    where nothing usable answers and nobody said that it is to be added all the same.
    """
    settings, own = config.settings(places), own_entries(places)
    _check(wanted, settings, own)
    address = parse_address(wanted.base_url)
    shipped = [] if wanted.plain_http else [e for name, e in settings.endpoints.items() if name not in own]
    home = _home(address, shipped)
    names = (variable_of(wanted.key, ()),) if wanted.key else home.keys if home else ()
    key = chain.find(names) if names else None
    hint = wanted.dialect or address.speaks or (home.dialect if home else _by_name(address))
    ways = [Way(address, scheme, hint, wanted.dialect is not None) for scheme in address.schemes]
    found = _tried(ways, wanted, key, patience) if wanted.tries else None
    url, dialect = (found.url, found.dialect) if found else ways[0].candidates()[0]
    for note in corrections(address, url):
        _say(f"  corrected: {note}")
    if found:
        names = _say_found(found, wanted, names, key, known=settings)
        home = home or settings.endpoints.get(_OF_SOFTWARE.get(found.server.software, ""))
    endpoint = _entry(wanted, url, dialect, names, home)
    catalog.check_plain(_as_endpoint(wanted, url), "BASE_URL", "--plain-http")
    chats = [model.id for model in (found.server.models if found else ()) if model.kind in ("chat", None)]
    model = without_key(chats[0], key.value if key else None) if chats else "MODEL"
    return _write(wanted.name, places, endpoint, own.get(wanted.name), model)


def _check(wanted: Wanted, settings: Settings, own: Mapping[str, Any]) -> None:
    """Raise UsageError for a name that can't be one or is taken, or for a dialect that there is not."""
    name = wanted.name
    if not re.fullmatch(r"[^\W_][\w.-]*", name) or len(name) > _LONGEST_NAME or name in (LOCAL, "custom"):
        what = f"at most {_LONGEST_NAME} letters, digits, - . and _; not '{LOCAL}', not 'custom'"
        raise UsageError(f"'{fit(name, 60)}' can't be an endpoint's name", what)
    if wanted.dialect is not None and wanted.dialect not in DIALECTS:
        hint = nearest(wanted.dialect, DIALECTS)
        raise UsageError(f"--dialect: '{wanted.dialect}' is not one of {', '.join(DIALECTS)}", hint)
    if wanted.replace:
        return
    if name in own:
        raise UsageError(f"you have an endpoint '{name}' already", "choose another name, or say --replace")
    try:
        taken = catalog.resolve(name, settings.endpoints)
    except UsageError:
        return
    how = f"through litellm, as '{taken.litellm}'" if taken.litellm else f"at {taken.base_url}"
    raise UsageError(f"'{name}' is known already, {how}", "choose another name, or say --replace")


def _tried(ways: Sequence[Way], wanted: Wanted, key: Key | None, patience: float) -> Found | None:
    """What is there; None where nothing is, and it is wanted all the same. Raises LabError where it is not."""
    founds = []
    for way in ways:
        exposed = way.scheme == "http" and way.address.name not in LOOPBACK and not wanted.plain_http
        with _Notice(f"trying {way.candidates()[0][0]} …"):
            found = try_way(wanted.name, way, None if exposed else key, patience)
        founds.append(found)
        if found.server.state in THERE and not exposed:
            break
    best = next((found for found in reversed(founds) if found.server.state in THERE), founds[0])
    answers = best.server.state == "answers"
    _say(f"{best.url}: {_described(best.server) if answers else best.server.detail}", key)
    if best.server.state in THERE:
        return best
    behind = [urllib.parse.urlsplit(url).path or "/" for url, _ in ways[0].candidates()]
    _say(f"  tried: {', '.join(dict.fromkeys(behind))} by {' and '.join(way.scheme for way in ways)}")
    if wanted.yes or _confirmed(f"no model server was found; add '{wanted.name}' all the same?"):
        return None
    raise LabError(f"no model server was found for '{wanted.name}': nothing was written",
                   "start it, correct the address, or add it as it is: --no-try")  # fmt: skip


def _described(server: Server) -> str:
    names = [model.id for model in server.models[:5]]
    more = ", …" if len(server.models) > len(names) else ""
    listed = f": {', '.join(names)}{more}" if names else ""
    return described(server) + listed


def _say_found(
    found: Found, wanted: Wanted, names: Sequence[str], key: Key | None, *, known: Settings
) -> tuple[str, ...]:
    """Say which dialect is taken and how it stands with the key. The variables for the entry: one that is named
    after the endpoint where a key is wanted and no variable was given."""
    _say(f"  dialect: {found.dialect}, because {found.why}")
    state = found.server.state
    taken = {name for endpoint in known.endpoints.values() for name in endpoint.keys}
    if state == "no key" and not names:
        own = re.sub(r"\W", "_", f"{wanted.name.upper()}_API_KEY")
        if not own.isascii() or not own.isidentifier() or own in taken or own in os.environ:
            _say("  key: one is wanted → name its variable: --key NAME, with --replace")
            return ()
        _say(f"  key: one is wanted → promptlab keys set {own}")
        return (own,)
    where = f"the key {key.name}, from {'the ' if key.source != '.env' else ''}{key.source}," if key else ""
    if state == "wrong key" and key:
        _say(f"  key: {where} is not accepted → promptlab keys set {key.name}")
    elif key and found.free:
        _say(f"  key: {where} was not put to the test: the list of models needs none")
    elif key and state == "answers":
        _say(f"  key: {where} is accepted")
    elif names and not key:
        _say(f"  key: {names[0]} is not set{'' if state == 'no key' else ', and the list of models needs none'}"
             f" → promptlab keys set {names[0]}")  # fmt: skip
    elif state == "answers":
        _say("  key: the list of models needs none")
    return tuple(names)


def _home(address: Address, shipped: Sequence[Endpoint]) -> Endpoint | None:
    """The shipped endpoint on the same host: its key and its ways hold there too."""
    same = (e for e in shipped if e.base_url and not e.litellm and not e.local
            and urllib.parse.urlsplit(e.base_url).netloc == address.host)  # fmt: skip
    return None if address.scheme == "http" else next(same, None)


def _by_name(address: Address) -> str:
    if "anthropic" in address.host + address.path:
        return "anthropic"
    return "gemini" if re.search(r"/v\d+(?:beta|alpha)\d*$", address.path) else ""


def _entry(
    wanted: Wanted, url: str, dialect: str, names: Sequence[str], like: Endpoint | None
) -> dict[str, object]:  # fmt: skip
    """What stands in config.yaml: nothing that holds anyhow, and the ways of the shipped endpoint that it is `like`."""
    entry: dict[str, object] = {"base_url": url}
    if names:
        entry["key"] = names[0] if len(names) == 1 else list(names)
    if dialect != "openai-chat":
        entry["dialect"] = dialect
    at = _as_endpoint(wanted, url)
    if at.local and not names:  # a gateway with a key may well cost something
        entry["local"] = True
    if at.plain_http and not at.local and url.startswith("http:"):
        entry["plain_http"] = True
    if like and like.name != wanted.name and like.dialect == dialect:
        entry["like"] = like.name
        usual = Endpoint(like.name)
        entry |= {name: getattr(like, name) for name in ("slots", "wire", "include_usage", "tags")
                  if getattr(like, name) != getattr(usual, name)}  # fmt: skip
    return entry


def _as_endpoint(wanted: Wanted, url: str) -> Endpoint:
    local = urllib.parse.urlsplit(url).hostname in LOOPBACK
    return Endpoint(wanted.name, url, local=local, plain_http=wanted.plain_http)


def _write(name: str, places: Places, entry: dict[str, object], old: object, model: str) -> int:
    try:
        edit(places, lambda text: put(text, name, entry), lambda own: own | {name: entry})
    except (Uneditable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        _say(f"{places.settings} can't be edited safely: {reason}")
        _say("  → put this into it yourself (it is on stdout):")
        sys.stdout.write(clean("\n".join(["endpoints:", *as_lines(name, entry)])) + "\n")
        return 1
    if isinstance(old, dict) and (lost := [key for key in old if key not in entry]):
        _say(f"the old entry '{name}' is replaced, and with it its {', '.join(map(str, lost))}")
    target = shlex.quote(f"{name}/{model}")  # to be copied into a shell: a server's word is not ours
    _say(f"'{name}' is written into {places.settings}: promptlab ask \"…\" -m {target}")
    return 0


# list and remove -----------------------------------------------------------------------------------------------------


def list_endpoints(places: Places, chain: KeyChain, format: str | None = None) -> int:
    """All endpoints by name, the user's own first: address, dialect, and whether the key is set. Raises UsageError."""
    if format not in (None, "text", "json"):
        raise UsageError(f"--format: '{format}' is not one of text, json", nearest(format, ("text", "json")))
    own, known = own_entries(places), config.settings(places).endpoints
    order = sorted(known.values(), key=lambda endpoint: endpoint.name not in own)
    keys = {endpoint.name: chain.find(endpoint.keys) if endpoint.keys else None for endpoint in order}
    if format == "json":
        items = [_item(endpoint, keys[endpoint.name], chain, endpoint.name in own) for endpoint in order]
        sys.stdout.write(json.dumps(items, ensure_ascii=True) + "\n")
    else:
        _print_table([_row(endpoint, keys[endpoint.name], chain, endpoint.name in own) for endpoint in order])
    if chain.problem:
        _say(chain.problem)
    return 0


def _item(endpoint: Endpoint, key: Key | None, chain: KeyChain, own: bool) -> dict[str, object]:
    is_set = None if not endpoint.keys else True if key else None if chain.problem else False
    return {"name": endpoint.name, "base_url": endpoint.base_url or None, "dialect": endpoint.dialect,
            "key_names": list(endpoint.keys), "key_set": is_set, "key_from": key.source if key else None,
            "local": endpoint.local, "own": own}  # fmt: skip


def _row(endpoint: Endpoint, key: Key | None, chain: KeyChain, own: bool) -> tuple[str, ...]:
    state = "-" if not endpoint.keys else "yes" if key else "unknown" if chain.problem else "no"
    name = key.name if key else next(iter(endpoint.keys), "-")
    cells = (endpoint.name, endpoint.base_url or "-", endpoint.dialect, name, state, "yours" if own else "shipped")
    return tuple(map(clean_line, cells))


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    lines = [("endpoint", "address", "dialect", "key", "set", "whose"), *rows]
    columns = [max(map(width, column)) for column in zip(*lines, strict=True)]
    cells = max(20, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None
    for line in lines:
        text = "  ".join(pad(cell, size) for cell, size in zip(line, columns, strict=True)).rstrip()
        sys.stdout.write((fit(text, cells) if cells else text) + "\n")


def remove(name: str, places: Places) -> int:
    """Take an endpoint of the user's out of config.yaml: 0, or 1 where that can't be done safely. Raises UsageError for
    one that is not there."""
    settings, own = config.settings(places), own_entries(places)
    if name not in own:
        if name in settings.endpoints:
            raise UsageError(f"'{name}' is shipped with promptlab, and not yours to remove", "promptlab endpoints list")
        raise UsageError(f"you have no endpoint '{name}'", nearest(name, own) or "promptlab endpoints list")
    doc = document.load(places.settings)
    above = places.settings.read_text("utf-8-sig").splitlines()[: doc.lines["endpoints", name] - 1]
    try:
        edit(places, lambda text: take(text, name), lambda own: {key: own[key] for key in own if key != name})
    except (Uneditable, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        by_hand = f"take it out by hand: {doc.where('endpoints', name)}"
        raise LabError(f"'{name}' can't be removed safely: {reason}", by_hand) from None
    _say(f"'{name}' is removed from {places.settings}")
    if above and above[-1].lstrip().startswith("#"):
        _say(f"the comment above it stays: {above[-1].strip()}")
    left = config.settings(places)
    if name in left.endpoints:
        _say(f"the shipped '{name}' is used again")
    users = [f"@{group}" for group, targets in left.groups.items() if any(t.startswith(f"{name}/") for t in targets)]
    users += [alias for alias, target in left.aliases.items() if target.startswith(f"{name}/")]
    if users and name not in left.endpoints:
        _say(f"still pointing at it: {', '.join(users)}")
    return 0


# The screen --------------------------------------------------------------------------------------------------------


class _Notice:
    """A line on a terminal for as long as something is waited for."""

    def __init__(self, text: str) -> None:
        self._text = fit(clean_line(text), max(20, shutil.get_terminal_size().columns - 1))
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> None:
        if self._shown:
            sys.stderr.write(self._text)
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write(f"\r{' ' * width(self._text)}\r")
            sys.stderr.flush()


def _confirmed(question: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return agreed(question, usual=False)


def _say(text: str, key: Key | None = None) -> None:
    indent = "  " if text.startswith("  ") else ""
    sys.stderr.write(indent + clean_line(without_key(text, key.value if key else None)) + "\n")
