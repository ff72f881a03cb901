"""`promptlab endpoints add`, `list` and `remove`: an address is tried before it is written into config.yaml, where
everything that people wrote stays as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast, get_args

from promptlab import config, document
from promptlab.cli.keys import variable_of
from promptlab.config import Places, Settings
from promptlab.document import Document
from promptlab.errors import LabError, UsageError, nearest
from promptlab.keys import Key, KeyChain
from promptlab.providers import catalog, listing
from promptlab.providers.catalog import DialectName, Endpoint
from promptlab.providers.discovery import Server, look
from promptlab.providers.fault import without_key
from promptlab.providers.http import LOOPBACK
from promptlab.providers.listing import NotAList
from promptlab.providers.probe import Asker, Probe, Unheard
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.wrap import fit, pad, width
from promptlab.request import LOCAL

DIALECTS = tuple(name for name in get_args(DialectName) if name != "litellm")
PATIENCE = 2.5  # seconds for an address by http or https; the other of the two is tried after it
_LONGEST_NAME = 40
_HEAD = """\
# What promptlab knows beside what it is shipped with: your endpoints, aliases and groups.
# No key belongs in here: promptlab keys set NAME keeps one.
"""
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
        sys.stdout.write(clean("\n".join(["endpoints:", *_lines(name, entry, 2)])) + "\n")
        return 1
    if isinstance(old, dict) and (lost := [key for key in old if key not in entry]):
        _say(f"the old entry '{name}' is replaced, and with it its {', '.join(map(str, lost))}")
    target = shlex.quote(f"{name}/{model}")  # to be copied into a shell: a server's word is not ours
    _say(f"'{name}' is written into {places.settings}: promptlab ask \"…\" -m {target}")
    return 0


# The address ---------------------------------------------------------------------------------------------------------

_WIDE = str.maketrans("：／．。？＠＃", ":/..?@#")  # as a Chinese keyboard types them
_SCHEME = re.compile(r"(https?)(?::/*|/{2,})", re.IGNORECASE)
# What a dialect puts behind a base URL, and people copy with it.
_TAILS = {"/chat/completions": "openai-chat", "/completions": "openai-chat", "/embeddings": "openai-chat",
          "/responses": "openai-responses", "/messages": "anthropic", "/api/chat": "ollama",
          "/api/generate": "ollama", "/api/tags": "ollama", "/api/version": "ollama", "/models": ""}  # fmt: skip
_GEMINI_TAIL = re.compile(r"/models/[^/]+:\w+$")
# Without a scheme: only what looks like an address, for a key in its place must not be looked up as a host.
_HOST = re.compile(r"localhost|[\d.]+|\[[0-9a-f:.]+\]|(?:[a-z0-9-]+\.)+[a-z]{2,12}")


@dataclass(frozen=True, slots=True)
class Address:
    """An address as typed, taken apart. `scheme` is empty where none was; `host` has its port; `tail` is what a
    dialect puts behind a base URL, and `speaks` that dialect."""

    scheme: str
    host: str
    path: str = ""
    tail: str = ""
    speaks: str = ""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return urllib.parse.urlsplit(f"//{self.host}").hostname or ""

    @property
    def schemes(self) -> tuple[str, str]:
        """The likelier one first."""
        plain = self.scheme == "http" or (not self.scheme and (self.name in LOOPBACK or _is_private(self.name)))
        return ("http", "https") if plain else ("https", "http")


def parse_address(text: str) -> Address:
    """Raises UsageError, which repeats nothing that may be a key, for what can't be meant as a base URL."""
    plain = text.strip().strip("<>\"'`").translate(_WIDE).rstrip("/")
    if not plain.isprintable() or re.search(r"[\s\\]", plain):
        raise _no_address()
    if "://" in _SCHEME.sub("", plain, count=1):
        raise UsageError("BASE_URL: only http:// and https:// are spoken", "write it as http://HOST:PORT/v1")
    if set("@?#") & set(plain):
        raise UsageError("BASE_URL: an address is no place for a key: it has no @, ? or #",
                         "name the variable that holds the key: --key NAME")  # fmt: skip
    notes = ["full-width characters turned into plain ones"] if text.translate(_WIDE) != text else []
    match = _SCHEME.match(plain)
    scheme, rest = (match[1].lower(), plain[match.end() :]) if match else ("", plain)
    rest = f"localhost:{rest.lstrip(':')}" if re.match(r":?\d+(?:/|$)", rest) else rest
    typed, slash, path = rest.partition("/")
    host, name = _host(typed)
    if not scheme and not (_HOST.fullmatch(name) or (":" in typed and re.fullmatch(r"[a-z0-9.-]{1,63}", name))):
        raise _no_address()
    if name in ("0.0.0.0", "[::]"):
        host = host.replace(name, "localhost", 1)
        notes.append(f"{name} is where a server listens, localhost where it is reached")
    path, tail, speaks = _without_tail(re.sub("/{2,}", "/", slash + path))
    return Address(scheme, host, path, tail, speaks, tuple(notes))


def _host(typed: str) -> tuple[str, str]:
    """Host with port, and without, in lower case and ASCII. Raises UsageError."""
    with suppress(ValueError):  # an IPv6 address without its brackets
        typed = f"[{ip_address(typed)}]" if ":" in typed else typed
    try:
        parts = urllib.parse.urlsplit(f"//{typed}")
        name = (parts.hostname or "").encode("idna").decode() if "[" not in typed else f"[{parts.hostname}]"
        port = parts.port
    except ValueError:
        raise _no_address() from None
    if not re.fullmatch(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", name) or port == 0:
        raise _no_address()
    return name if port is None else f"{name}:{port}", name


def _without_tail(path: str) -> tuple[str, str, str]:
    if found := _GEMINI_TAIL.search(path):
        return path[: found.start()], found[0], "gemini"
    for tail, dialect in _TAILS.items():
        if path.endswith(tail):
            return path.removesuffix(tail), tail, dialect
    return path, "", ""


def _no_address() -> UsageError:
    return UsageError("BASE_URL: that is no address of a server", "write it as http://HOST:PORT/v1")


def _is_private(name: str) -> bool:
    with suppress(ValueError):
        return ip_address(name.strip("[]")).is_private
    return "." not in name or name.endswith((".local", ".lan", ".internal", ".home"))


def corrections(address: Address, url: str) -> list[str]:
    """What was changed of what was typed, each in a few words."""
    parts = urllib.parse.urlsplit(url)
    notes, path = list(address.notes), parts.path
    if not address.scheme:
        notes.append(f"{parts.scheme}:// put in front")
    elif parts.scheme != address.scheme:
        notes.append(f"{address.scheme}:// turned into {parts.scheme}://")
    if address.tail:
        notes.append(f"{address.tail} taken off")
    if path != address.path:
        if path.startswith(address.path):
            notes.append(f"{path.removeprefix(address.path)} put behind it")
        else:
            notes.append(f"{address.path} turned into {path}" if path else f"{address.path} taken off")
    return notes


# Trying ------------------------------------------------------------------------------------------------------------

_THERE = ("answers", "loading", "wrong key", "no key")
_BEST_FIRST = (*_THERE, "failing", "no list", "not a model server", "silent", "unreachable", "refused", "not asked")


@dataclass(frozen=True, slots=True)
class Way:
    """One scheme to reach an address by, and the dialect that it seems to speak: its only one where it is `certain`."""

    address: Address
    scheme: str
    hint: str = ""
    certain: bool = False

    def candidates(self) -> list[tuple[str, DialectName]]:
        """Base URLs with a dialect each, the likeliest first."""
        path = self.address.path
        versioned = re.search(r"/v\d+\w*$", path)
        tries = {"openai-chat": [path] if versioned else [path, f"{path}/v1"] if path else ["/v1", ""],
                 "ollama": [""] if path in ("", "/v1", "/api") else [],
                 "anthropic": [path.removesuffix("/v1")],
                 "gemini": [path if versioned and path != "/v1" else f"{path.removesuffix('/v1')}/v1beta"]}  # fmt: skip
        tries["openai-chat"] += ["/v1"] if path not in ("", "/v1") else []
        tries["openai-responses"] = tries["openai-chat"]
        tries["ollama"] = tries["ollama"] or ([re.sub("/(?:api|v1)$", "", path)] if self.hint == "ollama" else [])
        usual = [self.hint] if self.certain else [self.hint, "openai-chat", "ollama", "anthropic", "gemini"]
        at = f"{self.scheme}://{self.address.host}"
        pairs = [
            (at + behind, cast(DialectName, dialect)) for dialect in filter(None, usual) for behind in tries[dialect]
        ]
        return list(dict.fromkeys(pairs))


@dataclass(frozen=True, slots=True)
class Found:
    """The reading of an address that answered best, and why its dialect is taken. `free`: it needs no key for its
    list."""

    url: str
    dialect: DialectName
    server: Server
    why: str = ""
    free: bool = False


def _tried(ways: Sequence[Way], wanted: Wanted, key: Key | None, patience: float) -> Found | None:
    """What is there; None where nothing is, and it is wanted all the same. Raises LabError where it is not."""
    founds = []
    for way in ways:
        exposed = way.scheme == "http" and way.address.name not in LOOPBACK and not wanted.plain_http
        with _Notice(f"trying {way.candidates()[0][0]} …"):
            found = _best(wanted.name, way, None if exposed else key, patience)
        founds.append(found)
        if found.server.state in _THERE and not exposed:
            break
    best = next((found for found in reversed(founds) if found.server.state in _THERE), founds[0])
    answers = best.server.state == "answers"
    _say(f"{best.url}: {_described(best.server) if answers else best.server.detail}", key)
    if best.server.state in _THERE:
        return best
    behind = [urllib.parse.urlsplit(url).path or "/" for url, _ in ways[0].candidates()]
    _say(f"  tried: {', '.join(dict.fromkeys(behind))} by {' and '.join(way.scheme for way in ways)}")
    if wanted.yes or _agreed(f"no model server was found; add '{wanted.name}' all the same?"):
        return None
    raise LabError(f"no model server was found for '{wanted.name}': nothing was written",
                   "start it, correct the address, or add it as it is: --no-try")  # fmt: skip


def _best(name: str, way: Way, key: Key | None, patience: float) -> Found:
    import asyncio

    value = key.value if key else None
    pairs = way.candidates()
    probes = [probe(Endpoint(name, url, dialect=dialect), value) for url, dialect in pairs]
    servers = asyncio.run(look(probes, limit=patience))
    founds = [Found(url, dialect, server) for (url, dialect), server in zip(pairs, servers, strict=True)]
    best = min(founds, key=lambda found: _BEST_FIRST.index(found.server.state))
    if way.certain:
        best = replace(best, why="you said so")
    elif best.server.state == "answers":
        best = _native(best, founds)
    elif best.server.state in _THERE:
        best = _by_refusal(best, founds, asyncio.run(_refusal(best, name, value)), way.hint)
    if value and best.server.state == "answers":
        keyless = probe(Endpoint(name, best.url, dialect=best.dialect), None)
        [again] = asyncio.run(look([keyless], limit=patience))
        best = replace(best, free=again.state == "answers")
    return best


def _native(best: Found, founds: Sequence[Found]) -> Found:
    """Ollama's own API where OpenAI's was the first to be asked; koboldcpp and others imitate both."""
    server = best.server
    if best.dialect == "openai-chat" and (server.software == "ollama" or not server.models):
        for found in founds:
            if found.dialect == "ollama" and found.server.state == "answers" and found.server.version:
                return replace(found, why="it is Ollama, whose own API tells more than the OpenAI one")
    whose = {"anthropic": "Anthropic's", "gemini": "Gemini's", "ollama": "Ollama's"}.get(best.dialect, "OpenAI's")
    return replace(best, why=f"its list of models is {whose}")


def _by_refusal(best: Found, founds: Sequence[Found], said: str, hint: str) -> Found:
    for found in founds:
        if said and found.dialect == said and found.server.state == best.server.state:
            return replace(found, why="it refuses in the words of that API")
    return replace(best, why="the address says so" if hint == best.dialect else "nothing says otherwise")


async def _refusal(found: Found, name: str, key: str | None) -> str:
    """The dialect that a refusal is in the words of, or an empty string."""
    import asyncio

    asked = probe(Endpoint(name, found.url), key)
    try:
        reply = await asyncio.wait_for(Asker().ask(asked, f"{found.url}/models"), 1.0)
        said = listing.mapping(listing.decode(reply.body))
    except (Unheard, NotAList, TimeoutError):
        return ""
    error = listing.mapping(said.get("error"))
    if said.get("type") == "error" and listing.text(error.get("type")):
        return "anthropic"
    return "gemini" if isinstance(error.get("code"), int) and listing.text(error.get("status")).isupper() else ""


def probe(endpoint: Endpoint, key: str | None) -> Probe:
    """How an endpoint is looked at. Without a key it is asked all the same: it may want none."""
    local = endpoint.local or urllib.parse.urlsplit(endpoint.base_url).hostname in LOOPBACK
    return Probe(endpoint.name, endpoint.base_url, endpoint.dialect, key, endpoint.headers, local)


def described(server: Server) -> str:
    """`ollama 0.14.2, 3 models`"""
    count = len(server.models)
    software = " ".join(filter(None, (server.software, server.version)))
    return f"{software}, {count or 'no'} model{'s' if count != 1 else ''}"


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


# config.yaml -------------------------------------------------------------------------------------------------------


class Uneditable(Exception):
    """A text that can't be changed without losing, or maybe losing, something of it; says why."""


def own_entries(places: Places) -> dict[str, Any]:
    """The endpoints in the user's config.yaml, as they stand there. Raises UsageError where it is no YAML."""
    if not places.settings.is_file():
        return {}
    found = document.load(places.settings).value.get("endpoints")
    return found if isinstance(found, dict) else {}


def edit(
    places: Places, change: Callable[[str], str], meaning: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:  # fmt: skip
    """Change config.yaml as a text, where what it then means is the old meaning with `meaning` of its endpoints.

    It is replaced as a whole, after it was read in again as the program reads it. Raises Uneditable, OSError.
    """
    file = Path(os.path.realpath(places.settings))  # a link stays one
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if file.exists() and not file.is_file():  # reading a pipe would wait for ever
        raise Uneditable("it is no regular file")
    raw, mode = (file.read_bytes(), file.stat().st_mode & 0o777) if file.exists() else (b"", 0o600)
    bom, text = (b"\xef\xbb\xbf", raw[3:].decode()) if raw[:3] == b"\xef\xbb\xbf" else (b"", raw.decode())
    old = _parse(text, file)
    new = change(text or _HEAD)
    _check_same(old, _parse(new, file), meaning)
    folder = Path(tempfile.mkdtemp(prefix=".promptlab-", dir=file.parent))
    try:
        draft = replace(places, config=folder).settings
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            draft.chmod(mode)  # what it had, whatever the umask is
            out.write(bom + new.encode())
            out.flush()
            os.fsync(out.fileno())
        config.settings(replace(places, config=folder))
        if raw != (file.read_bytes() if file.exists() else b""):
            raise Uneditable("somebody else changes it at this moment")
        draft.replace(file)
    except LabError as error:
        raise Uneditable(error.message.replace(str(folder), str(file.parent))) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parse(text: str, file: Path) -> Document:
    try:
        return document.parse(text, file)
    except LabError as error:
        raise Uneditable(error.message) from None


def _check_same(old: Document, new: Document, meaning: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    before, after = dict(old.value), dict(new.value)
    wanted = meaning(before.pop("endpoints", None) or {})
    if wanted != (after.pop("endpoints", None) or {}) or before != after:
        raise Uneditable("it is written in a way that a change would damage")


@dataclass(frozen=True, slots=True)
class _Section:
    """Where `endpoints:` stands in a text: its `start`, the `column` of its entries, and each entry's `lines`, from the
    start of the first to the end of the last. Without entries, `value` is where `{}` or `null` stands, if it does."""

    start: int
    value: tuple[int, int]
    column: int
    lines: dict[str, tuple[int, int]]


def put(text: str, name: str, entry: Mapping[str, object]) -> str:
    """The text with the entry: in the place of the old one, or behind the last one. Raises Uneditable."""
    section, end = _section(text), "\r\n" if "\r\n" in text else "\n"
    if section is None:
        gap = "" if not text.strip() or text.endswith(("\n\n", "\n\r\n")) else end
        return _joined(text, end, gap, ["endpoints:", *_lines(name, entry, 2)], "")
    lines = _lines(name, entry, section.column)
    if name in section.lines:
        at, drop = section.lines[name]
    elif section.lines:
        at = drop = list(section.lines.values())[-1][1]
    else:
        first, last = section.value
        text = text[:first].rstrip(" ") + text[last:]
        at = drop = _line_end(text, section.start)
    return _joined(text[:at], end, "", lines, text[drop:])


def take(text: str, name: str) -> str:
    """The text without the entry; what stands around it stays. Raises Uneditable."""
    section = _section(text)
    if section is None or name not in section.lines:
        raise Uneditable("the entry is not where it is looked for")
    first, last = section.lines[name]
    blank = re.match(r"[ \t]*\r?\n", text[last:])
    if blank and re.search(r"(?:^|\n)[ \t]*\r?\n\Z", text[:first]):
        last += blank.end()  # one blank line of two
    return text[:first] + text[last:]


def _joined(before: str, end: str, gap: str, lines: Sequence[str], after: str) -> str:
    before += end if before and not before.endswith("\n") else ""
    return before + gap + "".join(line + end for line in lines) + after


def _section(text: str) -> _Section | None:
    """None where there is no `endpoints:`. Raises Uneditable where it stands otherwise than line by line."""
    import yaml

    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    pairs = root.value if root else []
    if isinstance(root, yaml.MappingNode) and root.flow_style:
        raise Uneditable("it is written in braces")
    place = next((n for n, (key, _) in enumerate(pairs) if key.value == "endpoints"), None)
    if place is None:
        return None
    key, value = pairs[place]
    if value.start_mark.index < key.end_mark.index:
        raise Uneditable("its endpoints are an alias for something else")
    bound = pairs[place + 1][0].start_mark.index if place + 1 < len(pairs) else len(text)
    if not value.value or isinstance(value, yaml.ScalarNode):
        span = value.start_mark.index, value.end_mark.index
        return _Section(key.start_mark.index, span, 2, {})
    if value.flow_style:
        raise Uneditable("its endpoints are written in braces")
    # Tokens of no width mark where a block ends, which is behind the comments that follow it.
    ends = [(t.start_mark.index, t.end_mark.index) for t in yaml.scan(text, Loader=yaml.CSafeLoader)
            if t.end_mark.index > t.start_mark.index and not isinstance(t, yaml.DocumentEndToken)]  # fmt: skip
    starts = [entry.start_mark.index for entry, _ in value.value]
    column = value.value[0][0].start_mark.column
    lines = {}
    for (entry, _), start, next_start in zip(value.value, starts, [*starts[1:], bound], strict=True):
        first = text.rfind("\n", 0, start) + 1
        if text[first:start].strip(" "):
            raise Uneditable("more than one thing stands on a line")
        last = max(end for begin, end in ends if start <= begin < next_start)
        last = last if text[last - 1] == "\n" else _line_end(text, last)
        lines[entry.value] = first, _with_comments(text, last, column)
    return _Section(key.start_mark.index, (0, 0), column, lines)


def _with_comments(text: str, end: int, column: int) -> int:
    """The end of an entry with the comments that stand in it, which are deeper than its name."""
    while comment := re.compile(r"( *)#[^\n]*(?:\n|\Z)").match(text, end):
        if len(comment[1]) <= column:
            break
        end = comment.end()
    return end


def _line_end(text: str, start: int) -> int:
    return text.find("\n", start) + 1 or len(text)


def _lines(name: str, entry: Mapping[str, object], column: int) -> list[str]:
    inner = " " * (column + 2)
    return [f"{' ' * column}{_plain(name)}:", *(f"{inner}{key}: {_scalar(value)}" for key, value in entry.items())]


def _scalar(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return f"{{{', '.join(f'{_in_braces(k)}: {_in_braces(v)}' for k, v in value.items())}}}"
        case list():
            return f"[{', '.join(map(_in_braces, value))}]"
        case str():
            return _plain(value)
    return str(value)


def _plain(text: str) -> str:
    """A text as YAML, in quotes where it would otherwise mean something else."""
    import yaml

    with suppress(yaml.YAMLError):
        if yaml.load(f"{text}: 0", Loader=yaml.CSafeLoader) == {text: 0}:
            return text
    return json.dumps(text, ensure_ascii=False)


def _in_braces(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z]\w*", text) and _plain(text) == text else json.dumps(value)


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


def _agreed(question: str) -> bool:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"{clean_line(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


def _say(text: str, key: Key | None = None) -> None:
    indent = "  " if text.startswith("  ") else ""
    sys.stderr.write(indent + clean_line(without_key(text, key.value if key else None)) + "\n")
