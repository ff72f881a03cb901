"""A profile of what was asked: `ask --save` of the command just typed, `profiles new --run` of a past run."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlab.axis import parse_options, split_option
from promptlab.cli.inputs import check_argument, objects_read, path_of
from promptlab.cli.keep import check, check_name, free, own_folder, put, say
from promptlab.config import Places
from promptlab.errors import UsageError, nearest
from promptlab.params import BODY, Value
from promptlab.profile import Profile, find, listed, read
from promptlab.profile.compose import blanks
from promptlab.profile.writing import fields, variable_fields, write

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.plan import Run


def save(name: str, asked: Asked, places: Places, force: bool, *, quiet: bool = False) -> Path:
    """Make a profile of a command that was typed, in the user's folder: asked with it alone, a model gets the same.
    What a profile can't hold is said. Raises UsageError and ProfileError, and then nothing is written."""
    folder = own_folder(places)
    file = free(folder, check_name(name), force)
    base: Profile | None = None
    found: dict[str, Any] = {}
    if asked.profile is not None:
        source = find(asked.profile, places.profiles)
        if source.resolve() == file.resolve() or source.stem == file.stem:
            raise UsageError(f"a profile can't extend itself: '{name}'", "choose another name for --save")
        base = read(source, places.profiles)
        by_name = asked.profile in listed(places.profiles)
        found["extends"] = [asked.profile if by_name else str(source.resolve())]
    found |= _texts(asked, base)
    notes = _unkept(asked)
    if base is not None and base.files and base.path.parent.resolve() != folder.resolve():
        notes.append(f"the files of context of {base.name} ({', '.join(base.files)}) are looked for beside this one")
    if asked.files:
        paths = [path_of(one).resolve() for one in asked.files]
        below = [one.is_relative_to(folder.resolve()) for one in paths]
        found["context"] = {"files": [_pattern(one, folder) for one in paths]}
        if not all(below):
            notes.append(f"a profile reads only files below its folder ({folder}): move them there, or ask with "
                         "--allow-files")  # fmt: skip
    variables = dict(map(split_option, asked.variables))
    if base is not None and variables:
        known = blanks(base)
        for key in variables:
            if key not in known:
                hint = nearest(key, known) or f"it has: {', '.join(known) or 'none'}"
                raise UsageError(f"profile '{base.name}' has no variable '{key}'", hint)
        found["variables"] = {key: variable_fields(replace(known[key], default=text))
                              for key, text in variables.items()}  # fmt: skip
    if parameters := _parameters(asked, notes):
        found["parameters"] = parameters
    if asked.models:
        found["targets"] = list(asked.models)
    _put(found, file, places, force)
    if not quiet:
        _tell(name, file, notes)
    return file


def save_run(name: str, run: Run, places: Places, force: bool) -> tuple[Path, list[str]]:
    """Make a profile of a past run, in the user's folder: the texts as they were sent, with the blanks filled; the
    targets; the parameters with all their values. Gives its file, and what it can't hold. Raises UsageError and
    ProfileError, and then nothing is written."""
    file = free(own_folder(places), check_name(name), force)
    cells, notes = run.plan.cells, []
    if len({cell.request.messages for cell in cells}) > 1:
        notes.append("the cells did not all ask the same: the texts are those of the first one")
    messages = cells[0].request.messages
    turns = [message.text for message in messages if message.role == "user"]
    if len(turns) > 1:
        notes.append(f"of a conversation of {len(turns)} turns the first is kept")
    roles = [message.text for message in messages if message.role in ("system", "developer")]
    found: dict[str, Any] = {"role": _verbatim("\n\n".join(roles))} if roles else {}
    found["prompt"] = _verbatim(turns[0])
    given: dict[str, list[Value]] = {}
    for cell in cells:
        for key, value in cell.request.parameters.items():
            values = given.setdefault(key, [])
            if value not in values:
                values.append(value)
    if parameters := _fields(given, notes):
        found["parameters"] = parameters
    found["targets"] = list(dict.fromkeys(cell.target for cell in cells))
    _put(found, file, places, force)
    return file, notes


def new_of_run(name: str | None, run: int, places: Places, force: bool) -> int:
    """`profiles new NAME --run RUN`. Raises UsageError, ProfileError and StoreError."""
    from promptlab.store import Store

    if name is None:
        raise UsageError("the profile has no name", f"promptlab profiles new NAME --run {run}")
    store = Store(places.database)
    try:
        _tell(name, *save_run(name, store.run(run), places, force))
    finally:
        store.close()
    return 0


def _put(found: dict[str, Any], file: Path, places: Places, force: bool) -> None:
    text = write(found)
    check(text, file, places, shown=file)
    put(text, file, force)


def _tell(name: str, file: Path, notes: Sequence[str]) -> None:
    say(f"kept as {file} → promptlab ask -p {name}")
    for note in notes:
        say(f"  {note}")


def _texts(asked: Asked, base: Profile | None) -> dict[str, str]:
    """Role and prompt, behind those of the profile that was asked with; what was typed is no template."""
    found = {}
    for key, typed, above in (("role", asked.system, base.role if base else ""),
                              ("prompt", asked.prompt, base.prompt if base else "")):  # fmt: skip
        text = check_argument((typed or "").strip(), f"the {key}")
        if text:
            found[key] = "\n\n".join(filter(None, (above, _verbatim(text))))
    if base is None and "prompt" not in found:
        raise UsageError("there is no prompt to keep: what comes by stdin is context", "give it as an argument")
    return found


def _verbatim(text: str) -> str:
    """A text that stays as it is when blanks are filled."""
    if not any(sign in text for sign in ("{{", "{%", "{#")):
        return text
    return re.sub(r"\{\{|\{%|\{#", lambda sign: f"{{{{ '{sign[0]}' }}}}", text)


def _pattern(file: Path, folder: Path) -> str:
    home = folder.resolve()
    return glob.escape(str(file.relative_to(home) if file.is_relative_to(home) else file))


def _parameters(asked: Asked, notes: list[str]) -> dict[str, Any]:
    """As fields of a file; a raw field of the body has no place there, and is said."""
    given = parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))
    return _fields(given, notes)


def _fields(given: Mapping[str, list[Value]], notes: list[str]) -> dict[str, Any]:
    found: dict[str, list[Value]] = {}
    for name, values in given.items():
        if name.startswith(BODY):
            notes.append(f"not kept: -o {name}, a field that only one server knows")
        else:
            found[name] = values
    shown: dict[str, Any] = fields(Profile("p", Path("p"), parameters=found)).get("parameters", {})
    return shown


def _unkept(asked: Asked) -> list[str]:
    said = {"--base-url: give the address a name with promptlab endpoints add": asked.base_url,
            "--key-env": asked.key_env, "--cot": asked.cot, "--plain-http": asked.plain_http,
            f"--params {asked.mode}": asked.mode != "adapt", "--allow-files": asked.allow_files}  # fmt: skip
    return [f"not kept: {what}" for what, given in said.items() if given]
