"""`promptlab doctor`: what works here and what does not, on one screen, with the fix beside each. Nothing is changed,
and nobody is asked but the servers on this machine and the user's own."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

from promptlab import __version__, config, document
from promptlab.cli.check import Check, State, Work, print_checks, without_keys
from promptlab.cli.terminal import check_terminal
from promptlab.cli.trial import described, probe
from promptlab.config import Places, Settings
from promptlab.errors import ConfigError, LabError, UsageError, nearest
from promptlab.keys import Key, KeyChain
from promptlab.knowledge import Knowledge
from promptlab.providers.catalog import Endpoint
from promptlab.providers.discovery import Server
from promptlab.request import LOCAL

_MOST, _MOST_SERVERS = 1.7, 0.9  # seconds for everything, and of it for the servers, who are asked alone: see `examine`
_KEYRING = 0.7  # seconds, twice at most
_HASHING, _LOADING = 0.8, 1.2  # seconds for the weights' SHA-256, and for llama.cpp to load
_LITTLE = 200 << 20  # bytes left on a disk
_SMALL = 20 << 20  # bytes of a history that is read through
_IN_USE = 0.2  # seconds for a history that somebody else writes to
_CONTEXT = 8192  # tokens for each answer of the embedded model
_NOWHERE = Path(os.devnull, "none")  # a folder that nobody can make, for those that have none
_NO_FILE = Path(f"{os.devnull}.none")


def doctor(format: str | None = None, color: str = "auto") -> int:
    """Print every check: 0 where nothing is broken, 1 where something is. Raises UsageError for an unknown format."""
    if format not in (None, "text", "json"):
        raise UsageError(f"--format: '{format}' is not one of text, json", nearest(format, ("text", "json")))
    checks = examine(measures=format != "json")
    if format == "json":
        sys.stdout.write(json.dumps([asdict(check) for check in checks], ensure_ascii=True) + "\n")
    else:
        print_checks(checks, color)
    return 1 if any(check.state == "broken" for check in checks) else 0


def examine(*, measures: bool = True) -> list[Check]:
    """All checks, in their order on the screen. Never raises. `measures`: the terminal may be written to."""
    began = time.monotonic()
    places, no_home = _places()
    settings, config_check = _settings(places)
    own = [endpoint for endpoint in settings.endpoints.values() if endpoint.name in settings.own]
    library = Work("local model", lambda: [_library()])
    # The servers have 0.3 s: whatever else computes here at that time would be taken for their silence.
    servers = Work("servers", lambda: _servers(places, own))
    terminal = Work("terminal", lambda: check_terminal(os.environ, measures), here=True)
    servers.wait(began + _MOST_SERVERS)
    folders = Work("folders", lambda: no_home or _folders(places))
    keys = Work("keys", lambda: _keys(places, settings, own))
    local = Work("local model", lambda: _model(places, settings))
    versions = Work("versions", _versions)
    work = (terminal, folders, keys, servers, local, library)
    found = [check for one in work for check in one.checks(began + _MOST)]
    found += [config_check, *versions.checks(began + _MOST)]
    hidden = [os.environ[name] for e in settings.endpoints.values() for name in e.keys if os.environ.get(name)]
    return [without_keys(check, hidden) for check in found]


def _places() -> tuple[Places, list[Check]]:
    """The user's folders, or none and what is wrong with them."""
    try:
        return config.places(), []
    except (ConfigError, OSError, KeyError, ValueError):  # where nobody knows a home
        fix = "set HOME, or PROMPTLAB_HOME to a folder of yours"
        return Places(_NOWHERE, _NOWHERE, _NOWHERE), [
            Check("folders", "home", "broken", "no home folder is known", fix)
        ]


# Folders, history, config.yaml -------------------------------------------------------------------------------------


def _folders(places: Places) -> Iterator[Check]:
    named: dict[Path, list[str]] = {}
    for name, folder in (("config", places.config), ("data", places.data), ("cache", places.cache)):
        named.setdefault(folder, []).append(name)
    for folder, names in named.items():
        yield _folder(", ".join(names), folder)
    yield _history(places.database)


def _folder(name: str, folder: Path) -> Check:
    fix = f"make {folder} a folder that you can write to, or set PROMPTLAB_HOME to one"
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            return Check("folders", name, "broken", f"{folder} is no folder", fix)
        there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
        if there == folder:
            with tempfile.TemporaryFile(dir=folder):
                pass
        elif not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            return Check("folders", name, "broken", f"{folder} can't be made: {there} is in the way", fix)
        free = shutil.disk_usage(there).free
    except OSError as error:
        state: State = "warn" if name == "config" else "broken"  # whoever has it read-only may want it so
        return Check("folders", name, state, f"{folder} can't be written to: {error.strerror}", fix)
    said = f"{folder}{'' if there == folder else ' (made when it is needed)'}, {_bytes(free)} free"
    if free < _LITTLE:
        return Check("folders", name, "warn", said, "free some space: answers are kept there")
    return Check("folders", name, "ok", said)


def _history(path: Path) -> Check:
    """The history's state, read without changing it."""
    import sqlite3

    from promptlab.store import MIGRATIONS

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Check("folders", "history", "broken", f"{path} is no file", "move it away: a new history is begun")
        # Without a log nobody is writing; `immutable` then spares the files that even a reader leaves behind.
        way = "mode=ro" if os.path.lexists(f"{path}-wal") else "immutable=1"
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{way}", uri=True, timeout=_IN_USE)) as db:
            [version] = db.execute("PRAGMA user_version").fetchone()
            [runs] = db.execute("SELECT count(*) FROM runs").fetchone() if version else [0]
            [sound] = db.execute("PRAGMA quick_check(1)").fetchone() if status.st_size < _SMALL else ["ok"]
    except (FileNotFoundError, NotADirectoryError):
        return Check("folders", "history", "ok", "none yet")
    except (sqlite3.Error, OSError) as error:
        if "locked" in str(error):
            return Check("folders", "history", "warn", f"{path} is in use: it could not be read now", "run it again")
        what = error.strerror if isinstance(error, OSError) else error
        return Check("folders", "history", "broken", f"{path} can't be opened: {what}",
                     "move it away, and a new one is begun; or answer without one: --no-save")  # fmt: skip
    said = f"{runs} run{'s' if runs != 1 else ''}, format {version}, {_bytes(status.st_size)}"
    if version > len(MIGRATIONS):
        return Check("folders", "history", "broken", f"{said}: of a newer promptlab", "upgrade promptlab-tui")
    if sound != "ok":
        return Check("folders", "history", "broken", f"{said}: damaged ({sound})", f"move {path} away, or mend it")
    if sys.platform != "win32" and status.st_mode & 0o077:
        return Check("folders", "history", "warn", f"{said}: others can open it", f"chmod 600 {shlex.quote(str(path))}")
    return Check("folders", "history", "ok", said if sys.platform == "win32" else f"{said}, yours alone")


def _settings(places: Places) -> tuple[Settings, Check]:
    """What config.yaml says, or what holds without it where it can't be read."""
    try:
        if os.path.lexists(places.settings) and not places.settings.is_file():
            raise UsageError(f"{places.settings} is no file", "move it away")
        settings = config.settings(places)
        if not places.settings.is_file():
            return settings, Check("config", "config.yaml", "ok", "none: everything is as shipped")
        sections = document.load(places.settings).value
        counts = [f"{name}: {len(entries)}" for name, entries in sections.items() if isinstance(entries, (dict, list))]
        return settings, Check("config", "config.yaml", "ok", ", ".join(counts) or "nothing in it")
    except (LabError, OSError, ValueError) as error:
        what, fix = (error.message, error.hint) if isinstance(error, LabError) else (str(error), "")
        check = Check("config", "config.yaml", "broken", what, fix)
    with suppress(LabError, OSError):
        return config.settings(Places(_NOWHERE, _NOWHERE, _NOWHERE)), check
    return Settings({}, Knowledge(), {}, {}), check


# Keys --------------------------------------------------------------------------------------------------------------


def _keys(places: Places, settings: Settings, own: Sequence[Endpoint]) -> Iterator[Check]:
    chain = _chain(places)
    try:
        if kept := chain.kept_in_file():
            yield Check("keys", "file", "ok", f"{chain.file}: {len(kept)} in it, readable by you only")
    except LabError as error:
        yield Check("keys", "file", "broken", error.message, error.hint)
        chain = _chain(places, file=False)
    found = {e.name: key for e in settings.endpoints.values() if e.keys and (key := chain.find(e.keys))}
    by_source: dict[str, list[str]] = {}
    for name, key in found.items():
        by_source.setdefault(key.source, []).append(name)
    listed = "; ".join(f"{', '.join(names)} ({source})" for source, names in by_source.items())
    yield Check("keys", "set", "ok", listed or "none; local models need none (promptlab keys set NAME)")
    for key in {key.name: key for key in found.values()}.values():
        if not (key.value.isascii() and key.value.isprintable()):
            what = f"{key.name} holds a line break or another character that no key has"
            yield Check("keys", key.name, "broken", what, f"promptlab keys set {key.name}")
    for endpoint in own:
        if endpoint.keys and endpoint.name not in found:
            what = f"{endpoint.keys[0]} is not set, and your '{endpoint.name}' wants it"
            yield Check("keys", endpoint.name, "warn", what, f"promptlab keys set {endpoint.keys[0]}")
    yield _keyring(chain.problem)


def _chain(places: Places, *, file: bool = True) -> KeyChain:
    """The user's keys, with less patience for a keyring than elsewhere. `file`: our own file is read."""
    reads = file and places.config != _NOWHERE
    return config.keys(places, file=None if reads else _NO_FILE, patience=_KEYRING)


def _keyring(problem: str) -> Check:
    """Whether the system's keyring answers; `problem` is what one question to it has shown already."""
    import keyring

    if not problem:
        asked = KeyChain(_NO_FILE, environ={}, patience=_KEYRING)  # for a name that nobody has
        asked.find(["PROMPTLAB_DOCTOR"])
        problem = asked.problem
    if problem:
        return Check("keys", "keyring", "warn", problem, "unlock it, or have the keys in the environment")
    ring = keyring.get_keyring()
    if ring.priority < 1:  # those that keep nothing, or plain text
        return Check("keys", "keyring", "ok", "none here: a file that only you can read is used")
    return Check("keys", "keyring", "ok", f"{ring.name} answers")


# Servers -----------------------------------------------------------------------------------------------------------

_GONE = ("refused", "silent", "unreachable")


def _servers(places: Places, own: Sequence[Endpoint]) -> Iterator[Check]:
    import asyncio

    from promptlab.providers.discovery import look, together, usual_local

    asked = [endpoint for endpoint in own if endpoint.base_url and endpoint.dialect != "litellm"]
    chain = _chain(places)
    keys = {endpoint.name: _key(chain, endpoint) for endpoint in asked}
    probes = [probe(e, key.value if (key := keys[e.name]) else None) for e in asked]
    servers = asyncio.run(look(together(probes, usual_local(os.environ))))
    hidden = [key.value for key in keys.values() if key]
    if there := [f"{server.name} ({described(server)})" for server in servers if server.state == "answers"]:
        yield without_keys(Check("servers", "answering", "ok", ", ".join(there)), hidden)
    for server in servers:
        if check := _usual(server) if server.usual else _configured(server, keys[server.name]):
            yield without_keys(check, hidden)
    if gone := [server.name for server in servers if server.usual and server.state in _GONE]:
        yield Check("servers", "not running", "skipped", ", ".join(gone))


def _key(chain: KeyChain, endpoint: Endpoint) -> Key | None:
    with suppress(LabError):  # the keys' own check says it
        return chain.find(endpoint.keys) if endpoint.keys else None
    return None


def _usual(server: Server) -> Check | None:
    """A server where nobody has configured one; at such a port, anything may listen."""
    if server.state == "answers" and not server.models:
        how = "ollama pull qwen3:4b" if server.software == "ollama" else "load one in it"
        return Check("servers", server.name, "warn", "it has no model yet", how)
    if server.state in ("answers", *_GONE):
        return None
    return Check("servers", server.name, "skipped", f"{server.base_url}: {server.detail}")


def _configured(server: Server, key: Key | None) -> Check | None:
    where = f"{server.base_url}: {server.detail}"
    match server.state:
        case "answers" if server.models:
            return None
        case "answers":
            return Check("servers", server.name, "warn", f"{server.base_url}: it has no models", "load one in it")
        case "loading" | "no list" | "not asked":
            return Check("servers", server.name, "ok", where)
        case "wrong key" if key:
            return Check("servers", server.name, "broken", f"{where}, {key.name}", f"promptlab keys set {key.name}")
        case "no key" | "wrong key":
            return Check(
                "servers", server.name, "warn", where, "name its variable in config.yaml, key: NAME, and set it"
            )
        case "silent" if not server.local:
            wait = "promptlab models --refresh waits longer"
            return Check("servers", server.name, "skipped", f"{where}; {wait}")
    fix = f"start it, or correct its address; promptlab endpoints remove {server.name}"
    return Check("servers", server.name, "warn", where, fix)


# The embedded model, and versions ----------------------------------------------------------------------------------


def _model(places: Places, settings: Settings) -> Iterator[Check]:
    from promptlab.providers import gguf, room, weights

    path = weights.cached(places.cache)
    yield _weights(places.cache, path)
    free = room.available()
    said = f"{_bytes(free)} free"
    if path is None:
        yield Check("local model", "memory", "ok", said)
        return
    slots = settings.endpoints.get(LOCAL, Endpoint(LOCAL, slots=4)).slots
    need = gguf.memory(gguf.read(path), _CONTEXT, slots=slots)
    said += f"; the default model takes {_bytes(need.total)}"
    if gguf.fits(need, free):
        yield Check("local model", "memory", "ok", said)
    else:
        yield Check("local model", "memory", "warn", said, "close something, or use a model elsewhere: -m NAME/MODEL")


def _weights(cache: Path, path: Path | None) -> Check:
    from promptlab.providers.weights import DEFAULT

    wanted, file = _bytes(DEFAULT.size), cache / Path(DEFAULT.member).name
    if path is None and os.path.lexists(file):
        what = f"{file} is not the {wanted} that it must be"
        return Check("local model", "weights", "warn", what, "delete it: it is fetched again with -m local")
    if path is None:
        what = f"not here yet: the first -m local fetches {_bytes(DEFAULT.download_size)}"
        return Check("local model", "weights", "skipped", what)
    digest = _sha256(path)
    if digest and digest != DEFAULT.sha256:
        return Check("local model", "weights", "broken", f"{path} is damaged (SHA-256)",
                     "delete it: it is fetched again with -m local")  # fmt: skip
    how = "SHA-256 and size are right" if digest else "its size is right; its SHA-256 was, when it was fetched"
    return Check("local model", "weights", "ok", f"{path.stem}: {how}")


def _sha256(path: Path) -> str:
    """Empty where the disk is too slow for it."""
    import hashlib

    digest, until = hashlib.sha256(), time.monotonic() + _HASHING
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            if time.monotonic() > until:
                return ""
            digest.update(part)
    return digest.hexdigest()


def _library() -> Check:
    """Whether llama.cpp loads, in a process of its own: on a processor that is too old it dies of it."""
    import subprocess

    # -P: no module of the folder where the user happens to be is taken for it.
    command = [sys.executable, "-P", "-c", "import xllamacpp"]
    began = time.monotonic()
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LOADING)
    except subprocess.TimeoutExpired:
        return Check("local model", "llama.cpp", "warn", f"it does not load within {_LOADING:g} s", "run it again")
    if done.returncode == 0:
        return Check("local model", "llama.cpp", "ok", f"loads, in {time.monotonic() - began:.1f} s")
    if done.returncode in (-4, 0xC000001D):  # SIGILL, and what Windows calls it
        what, fix = "this processor lacks instructions (AVX2) that it uses", "use models elsewhere: -m NAME/MODEL"
    elif done.returncode < 0:
        what, fix = f"it dies when it loads (signal {-done.returncode})", "use models elsewhere: -m NAME/MODEL"
    else:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        what, fix = f"it can't be loaded: {(lines or ['no reason given'])[-1][:200]}", "reinstall promptlab-tui"
    return Check("local model", "llama.cpp", "broken", what, fix)


def _versions() -> Iterator[Check]:
    import sqlite3
    from importlib import metadata

    found, missing = [__version__, f"Python {platform.python_version()}"], []
    for name in ("litellm", "textual", "xllamacpp"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("versions", "promptlab", "ok", ", ".join([*found, f"SQLite {sqlite3.sqlite_version}"]))
    if missing:
        yield Check("versions", "missing", "broken", f"not installed: {', '.join(missing)}", "reinstall promptlab-tui")


def _bytes(count: int) -> str:
    return (
        f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.0f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
    )
