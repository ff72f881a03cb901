"""`promptlab keys set`, `list` and `remove`: a key is typed unseen or piped in, and nothing of it is ever shown.

`endpoints` is, in all of them, each endpoint's name with the variables that its key may be in, the first one first.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from promptlab.errors import UsageError, nearest
from promptlab.keys import LONGEST, KeyChain, Source, check_name
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

Endpoints = Sequence[tuple[str, Sequence[str]]]
FORMATS = ("text", "json")
WAIT = 1.0  # seconds of silence before it is said what is waited for


def set_key(name: str, chain: KeyChain, endpoints: Endpoints, rest: Sequence[str] = ()) -> int:
    """Ask for a key and keep it. `rest` is what else stood on the command line, where the key itself may be."""
    if rest:
        where = "other users and the shell's history see it there"
        raise UsageError(f"a key is not given on the command line: {where}", "promptlab keys set NAME asks for it")
    variable = variable_of(name, endpoints)
    chain.kept_in_file()  # where the file is refused, before anybody has typed a key
    value = _typed(variable) if sys.stdin and sys.stdin.isatty() else _piped(variable, sys.stdin)
    with _waiting():
        place = chain.store(variable, value)
    _say(f"{variable} is kept in {_place(place, chain)}{_why_in_file(chain) if place == 'file' else ''}")
    if chain.problem:
        _say(f"a key that the keyring has for {variable} from before is used again once it answers")
    _say_what_wins(variable, chain)
    if variable not in (known for _, variables in endpoints for known in variables):
        _say(f"no endpoint uses {variable} yet: give it as --key-env, or as an endpoint's key in config.yaml")
    return 0


def list_keys(chain: KeyChain, endpoints: Endpoints, format: str | None = None) -> int:
    """Which keys are set and from where, on stdout; what a keyring that doesn't answer may hold is unknown."""
    if format is not None and format not in FORMATS:
        raise UsageError(f"--format: '{format}' is not one of {', '.join(FORMATS)}", nearest(format, FORMATS))
    pairs: list[tuple[str | None, str]] = [(endpoint, name) for endpoint, names in endpoints for name in names]
    known = {name for _, name in pairs}
    pairs += [(None, name) for name in chain.kept_in_file() if name not in known]
    found = dict(chain.where([name for _, name in pairs]))
    rows = [(endpoint, name, found[name]) for endpoint, name in pairs]
    if format == "json":
        sys.stdout.write(json.dumps([_item(*row, chain) for row in rows], ensure_ascii=True) + "\n")
    else:
        _print_table(rows, chain)
    if chain.problem:
        _say(chain.problem)
    return 0


def remove_key(name: str, chain: KeyChain, endpoints: Endpoints) -> int:
    """Forget a key: 0, or 1 where there was none, or where the keyring may still have it."""
    variable = variable_of(name, endpoints)
    with _waiting():
        places = chain.remove(variable)
    for place in places:
        _say(f"{variable} is removed from {_place(place, chain)}")
    if chain.problem:
        _say(f"{chain.problem}, and may still have {variable}")
    elif not places:
        _say(f"{variable} is neither in a keyring nor in {chain.file}")
    _say_what_wins(variable, chain)
    return 0 if places and not chain.problem else 1


def variable_of(name: str, endpoints: Endpoints) -> str:
    """The variable that `name` means: an endpoint's first one, or the one of that name.

    Raises UsageError for what is neither; without repeating it, for it may be the key. A variable that no endpoint
    has must be in capitals: some vendors' keys would pass for a name (`gsk_…`, `hf_…`).
    """
    for endpoint, variables in endpoints:
        if endpoint == name:
            if variables:
                return variables[0]
            raise UsageError(f"the endpoint {name} takes no key", "promptlab keys list")
    known = [variable for _, variables in endpoints for variable in variables]
    if name in known or re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        check_name(name)
        return name
    names = [endpoint for endpoint, variables in endpoints if variables]
    hint = nearest(name.upper(), known) or nearest(name.lower(), names)
    what = "the name of a variable or of an endpoint is wanted, not a key"
    raise UsageError(what, hint or "for example OPENAI_API_KEY; promptlab keys list has them all")


def _typed(variable: str) -> str:
    from getpass import GetPassWarning, getpass

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", GetPassWarning)  # it would go on, and show what is typed
            return getpass(f"{variable} (what you type is not shown): ")
    except GetPassWarning:
        raise UsageError("this terminal can't hide what is typed", f"promptlab keys set {variable} < FILE") from None
    except EOFError:
        raise UsageError(f"no key for {variable} was given", "nothing has been changed") from None
    except UnicodeDecodeError:
        raise UsageError(f"what was given for {variable} is no text", "copy the key again") from None


def _piped(variable: str, stdin: TextIO | None) -> str:
    """The one line that comes by stdin; of more, nobody knows which is meant."""
    raw = stdin.buffer.read(4 * LONGEST) if stdin else b""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"what came by stdin for {variable} is no text", "one line with the key is wanted") from None


@contextmanager
def _waiting() -> Iterator[None]:
    """Say what is waited for where it takes long: a window that asks for the keyring's password is easily missed."""
    timer = threading.Timer(WAIT, _say, ["waiting for the system's keyring, which may want to be unlocked …"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _place(source: Source, chain: KeyChain) -> str:
    match source:
        case "environment":
            return "the environment"
        case ".env":
            return str(chain.dotenv)
        case "keyring":
            return "the system's keyring"
        case "file":
            return str(chain.file)


def _why_in_file(chain: KeyChain) -> str:
    return f", readable by you only: {chain.problem or 'this system has no keyring'}"


def _say_what_wins(variable: str, chain: KeyChain) -> None:
    """A key in the environment or in .env is taken before any that we keep, and is not ours to change."""
    [(_, source)] = chain.where([variable])
    if source in ("environment", ".env"):
        _say(f"{variable} is also set in {_place(source, chain)}, and that is what is used")


def _print_table(rows: Sequence[tuple[str | None, str, Source | None]], chain: KeyChain) -> None:
    lines = [("endpoint", "variable", "set", "from")]
    for endpoint, name, source in rows:
        state = "yes" if source else "unknown" if chain.problem else "no"
        lines.append((clean_line(endpoint or "-"), name, state, clean_line(_place(source, chain)) if source else ""))
    columns = [max(map(width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        text = "  ".join(pad(cell, cells) for cell, cells in zip(line, columns, strict=True)).rstrip()
        sys.stdout.write((fit(text, _terminal_cells()) if sys.stdout.isatty() else text) + "\n")


def _terminal_cells() -> int:
    import shutil

    return max(20, shutil.get_terminal_size().columns)


def _item(endpoint: str | None, name: str, source: Source | None, chain: KeyChain) -> dict[str, object]:
    path = {"file": str(chain.file), ".env": str(chain.dotenv)}.get(source or "")
    is_set = True if source else None if chain.problem else False
    return {"endpoint": endpoint, "variable": name, "set": is_set, "source": source, "path": path}


def _say(text: str) -> None:
    sys.stderr.write(clean_line(text) + "\n")
