"""`promptlab profiles new`, `edit`, `copy`, `rename`, `remove` and `path`: profiles are kept in the
user's folder, whole or not at all; what is shipped stays as it is, and nothing that was typed is lost."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from promptlab import config, document
from promptlab.cli.inputs import agreed, check_argument, stdin_text
from promptlab.cli.shelf import decoded, file_bytes, file_text
from promptlab.config import Places
from promptlab.errors import LabError, ProfileError, Sentence, UsageError
from promptlab.profile import SUFFIXES, Profile, at_home, composed, find, listed, parse, read
from promptlab.profile.template import names
from promptlab.profile.writing import write
from promptlab.render.sanitise import clean_line

_LONGEST_NAME = 180  # bytes; a file's name takes 255, and .yaml.broken-2 goes behind it
_SIGNS = "letters, digits, - _ and . make a name, and it begins with a letter or a digit"


class Taken(UsageError):
    """There is a file of that name, and nobody said `force`."""


# -- new -------------------------------------------------------------------------------------------------------------


def new(name: str | None, places: Places, *, here: bool = False, force: bool = False) -> int:
    """Keep a new profile: its four parts asked for on a terminal, or its YAML piped in. Raises UsageError and
    ProfileError, and then nothing is written."""
    if sys.stdin.isatty():
        name = check_name(name if name is not None else _answer("name: "))
        folder = own_folder(places, here=here)
        free(folder, name, force)
        text = write(_asked_for())
    else:
        text = stdin_text()
        if not text.strip():
            raise UsageError("there is no terminal to ask on, and nothing comes by stdin",
                             "promptlab profiles new NAME <profile.yaml")  # fmt: skip
        source = Path("stdin")
        given = parse(text, source).name
        if name is None and given == source.stem:
            raise UsageError("the profile has no name", "promptlab profiles new NAME, or a line `name: …`")
        name = check_name(name if name is not None else given)
        folder = own_folder(places, here=here)
        text = renamed(text, name)
    file = free(folder, name, force)
    check(text, file, places, shown=Path("stdin"))
    put(text, file, force)
    say(f"kept as {file} → promptlab ask -p {name}")
    return 0


def _asked_for() -> dict[str, Any]:
    """The four parts, from whoever sits at the terminal; the blanks in them are variables."""
    say("goal: what is wanted, not how to get there; {{name}} is a blank that is filled later")
    goal = ""
    while not goal:
        goal = _part("goal: ")
    say("format: what the result looks like; empty for none")
    form = _part("format: ")
    say("rules: limits and warnings, a line each; an empty line ends them")
    rules = []
    while rule := _part("rule: "):
        rules.append(rule)
    say("context: all background that the model can't know; empty for none")
    context = _part("context: ")
    parts = {"goal": goal, "format": form, "rules": rules, "context": context}
    used = {name for text in (goal, form, context, *rules) for name in names(text, "it")}
    found: dict[str, Any] = {key: value for key, value in parts.items() if value}
    return found | ({"variables": dict.fromkeys(sorted(used))} if used else {})


def _part(question: str) -> str:
    """One line of text whose blanks can be read; asked again until they can."""
    while True:
        line = _answer(question)
        try:
            names(line, "this line")
        except ProfileError as error:
            say(error.message)
        else:
            return line


def _answer(question: str) -> str:
    """A line that is typed. Raises UsageError where they leave it."""
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise UsageError("what was typed is not valid UTF-8 text", "check the terminal's encoding") from None
    if not line:
        sys.stderr.write("\n")
        raise UsageError("nothing was written: the questions were left", "promptlab profiles new")
    return check_argument(line.strip(), "what was typed")


# -- edit ------------------------------------------------------------------------------------------------------------


def edit(name: str, places: Places, environ: Mapping[str, str] = os.environ) -> int:
    """Open a profile in the user's editor, and keep it if it is one. A shipped one is copied to the user's folder. A
    text that is none is kept beside it as NAME.yaml.broken, whatever happens. Raises UsageError and ProfileError."""
    source = find(name, places.profiles)
    before, file = file_bytes(source), source.resolve()
    if is_shipped(source):
        file = places.config / "profiles" / source.name
        if file.exists():  # the shipped file was given by its path
            raise UsageError(f"{source} is shipped with promptlab, and you have a copy of it", f"edit {file}")
        say(f"{source.stem} is shipped with promptlab: what you save goes into a copy of your own, {file}")
    command = _editor(environ)
    folder = Path(tempfile.mkdtemp(prefix="promptlab-"))
    draft = folder / source.name
    draft.write_bytes(before)
    kept = False
    try:
        kept = _edited(draft, before, file, source, places, command)
    finally:
        lost = not kept and draft.is_file() and draft.read_bytes() != before
        safe = _set_aside(draft, file) if lost else True
        if safe:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _edited(draft: Path, before: bytes, file: Path, source: Path, places: Places, command: Sequence[str]) -> bool:
    """Whether the draft was kept as the profile; the editor comes back where the text is none."""
    while True:
        _run(command, draft)
        if not draft.is_file():
            raise LabError("the draft is gone: nothing was changed", "let the editor save to the file it was given")
        after = draft.read_bytes()
        if after == before:
            say("nothing was changed")
            return False
        try:
            text = decoded(after, file)
            check(text, file, places, shown=file)
            break
        except UsageError as error:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            say(error.message)
            if error.hint:
                say(f"  → {error.hint}")
            if not agreed("edit it again?", usual=True):
                raise UsageError("the profile is as it was before", "") from None
    if file == source.resolve() and file_bytes(source) != before:
        raise LabError(f"{file} was changed by somebody else meanwhile: it is as they left it", "compare the two")
    _write_file(text, file, force=file.exists())
    say(f"kept as {file}")
    return True


def _run(command: Sequence[str], draft: Path) -> None:
    before = signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C is for the editor
    try:
        code = subprocess.run([*command, str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise LabError(f"the editor {command[0]} can't be started: {why}", "export EDITOR=nano") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise LabError(f"the editor ended with code {code}: the profile is as it was", "")


def _editor(environ: Mapping[str, str]) -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        if said := environ.get(name, "").strip():
            try:
                return shlex.split(said)
            except ValueError as error:
                raise UsageError(f"{name} can't be read: {error}", f"export {name}=nano") from None
    usual = ("notepad",) if sys.platform == "win32" else ("nano", "vi")
    found = next(filter(None, map(shutil.which, usual)), None)
    if found is None:
        raise UsageError("there is no editor: neither nano nor vi is here", "export EDITOR=…")
    return [found]


def _set_aside(draft: Path, file: Path) -> bool:
    """Keep a text that could not be the profile, beside it and over nothing; whether that went well."""
    for number in range(1, 1000):
        aside = file.with_name(f"{file.name}.broken{'' if number == 1 else f'-{number}'}")
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("xb") as out:
                out.write(draft.read_bytes())
        except FileExistsError:
            continue
        except OSError:
            break
        say(f"your text is kept: {aside}")
        return True
    say(f"your text is kept: {draft}")
    return False


# -- copy, rename, remove, path ----------------------------------------------------------------------------------------


def copy(source: str, name: str, places: Places, *, here: bool = False, force: bool = False) -> int:
    """Copy a profile, comments and all, under another name into the user's folder."""
    path = find(source, places.profiles)
    text = file_text(path)
    one = parse(text, path)
    file = free(own_folder(places, here=here), check_name(name), force)
    if file.resolve() == path.resolve():
        raise UsageError(f"{file} would be copied over itself", "choose another name")
    text = renamed(text, file.stem)
    check(text, file, places, shown=path)
    put(text, file, force)
    say(f"copied to {file}")
    if one.files and file.parent.resolve() != path.parent.resolve():
        say(f"its files of context ({', '.join(one.files)}) are now looked for beside it")
    return 0


def rename(old: str, name: str, places: Places, *, force: bool = False) -> int:
    """Give a profile of the user's another name, in the folder where it is."""
    path = _own(old, places, f"promptlab profiles copy {shlex.quote(old)} {shlex.quote(name)}")
    if check_name(name) == path.stem:
        raise UsageError(Sentence("'{name}' is its name already", name=name), "choose another name")
    file = free(path.parent, check_name(name), force)
    users = _users(path.stem, places)
    with suppress(UsageError):  # a broken profile may be renamed too
        text = file_text(path)
        if (changed := renamed(text, name)) != text:
            _write_file(changed, path, force=True)
    try:
        if force:
            path.replace(file)
        else:
            _link(path, file)
            path.unlink()
    except OSError as error:
        raise LabError(Sentence("{file} can't be renamed: {why}", file=path, why=error.strerror),
                       "check whose it is") from None  # fmt: skip
    say(f"renamed to {file}")
    _say_users(users, path.stem)
    return 0


def remove(name: str, places: Places, *, yes: bool = False) -> int:
    """Delete a profile of the user's; asks first. 1 where they say no."""
    path = _own(name, places, "a nearer one of the same name hides it: promptlab profiles copy")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked whether to remove it", "add --yes")
        if not agreed(f"remove {path}?", usual=False):
            say("nothing was removed")
            return 1
    users = _users(path.stem, places)
    try:
        path.unlink()
    except OSError as error:
        raise LabError(Sentence("{file} can't be removed: {why}", file=path, why=error.strerror),
                       "check whose it is") from None  # fmt: skip
    say(f"removed {path}")
    if behind := listed(places.profiles).get(path.stem):
        say(f"{path.stem} is now {behind}")
    else:
        _say_users(users, path.stem)
    return 0


def path(name: str | None, places: Places) -> int:
    """Print the file of a profile, or the folder of the user's own."""
    found = find(name, places.profiles) if name is not None else places.config / "profiles"
    if sys.stdout.isatty():
        sys.stdout.write(f"{clean_line(str(found))}\n")
    else:  # its bytes, whatever they are, for whoever opens it
        sys.stdout.buffer.write(os.fsencode(found) + b"\n")
    return 0


def _own(name: str, places: Places, instead: str) -> Path:
    """The file of a profile that is the user's to change. Raises UsageError for any other."""
    found = find(name, places.profiles)
    if is_shipped(found):
        raise UsageError(Sentence("{name} is shipped with promptlab, and not yours to change: {file}", name=found.stem,
                                  file=found), instead)  # fmt: skip
    own = {folder.resolve() for folder in places.profiles}
    if found.parent.resolve() not in own:
        raise UsageError(Sentence("{file} is in no folder of profiles", file=found),
                         "it is a file like any other: mv, rm")  # fmt: skip
    return found


def is_shipped(file: Path) -> bool:
    return file.parent.resolve() == config.shipped_profiles().resolve()


def _users(name: str, places: Places) -> list[Path]:
    """The profiles here that extend the one of this name."""
    found = []
    for file in listed(places.profiles).values():
        with suppress(LabError):
            if name in parse(file_text(file), file).extends:
                found.append(file)
    return found


def _say_users(users: Sequence[Path], name: str) -> None:
    for file in users:
        if file.is_file():
            say(f"{file} extends {name}, which it no longer finds")


# -- names and files ---------------------------------------------------------------------------------------------------


def check_name(name: str) -> str:
    """A name that a file can have anywhere and a shell need not quote. Raises UsageError."""
    try:
        name = unicodedata.normalize("NFC", check_argument(name, "the name"))
    except UsageError as error:
        raise UsageError(Sentence("the name is not valid UTF-8 text"), error.hint) from None
    fine = bool(name) and all(unicodedata.category(char)[0] in "LMN" or char in "-_." for char in name)
    if not fine or unicodedata.category(name[0])[0] not in "LN" or clean_line(name) != name:
        raise UsageError(Sentence("'{name}' can't be a profile's name", name=name), _SIGNS)
    if name.lower().endswith(SUFFIXES):
        raise UsageError(Sentence("'{name}' is the name of a file", name=name),
                         Sentence("say {name}", name=name.rpartition(".")[0]))  # fmt: skip
    if len(name.encode()) > _LONGEST_NAME:
        raise UsageError(Sentence("'{name}…' is too long for a name", name=name[:40]),
                         Sentence("at most {most} bytes", most=_LONGEST_NAME))  # fmt: skip
    return name


def check(text: str, file: Path, places: Places, *, shown: Path) -> Profile:
    """The same, and variables that are used and not declared are said."""
    whole = sound(text, file, places, shown=shown)
    texts = {"role": whole.role, "goal": whole.goal, "prompt": whole.prompt, "format": whole.format,
             "context": whole.context, "rules": "\n".join(whole.rules), "steps": "\n".join(whole.steps),
             "examples": "\n".join(f"{one.input}\n{one.output}" for one in whole.examples)}  # fmt: skip
    used = dict.fromkeys(name for key, part in texts.items() for name in sorted(names(part, f"{shown}: {key}")))
    for name in used:
        if name not in whole.variables:
            say(f"{{{{{name}}}}} is used and not declared → add it under `variables:`")
    return whole


def sound(text: str, file: Path, places: Places, *, shown: Path) -> Profile:
    """The profile in `text`, with all that it extends, as if it stood in `file`; errors name `shown`. Raises
    ProfileError."""
    own = parse(text, shown)
    bases = []
    for name in own.extends:
        try:
            base = find(name, (file.parent, *places.profiles))
        except UsageError as error:
            raise ProfileError(f"{shown}: extends: {error.message}", error.hint) from None
        if base.resolve() == file.resolve():
            raise ProfileError(f"{shown}: extends: '{name}' is this profile itself", "extend one of another name")
        bases.append(at_home(read(base, places.profiles), file.parent.resolve()))
    whole = composed([*bases, own])
    if not whole.goal and not whole.prompt:
        raise ProfileError(f"{shown}: the goal is missing", "add a line `goal: what is wanted` (or `prompt:`)")
    return whole


def renamed(text: str, name: str) -> str:
    """The text with its `name:` line, if it has one, saying the name that it is kept under."""
    line = re.search(r"(?m)^name:[ \t]*\S[^\n#|>]*?(?=[ \t]+#|[ \t]*\r?$)", text)
    if line is None:
        return text
    changed = text[: line.start()] + write({"name": name}).rstrip("\n") + text[line.end() :]
    with suppress(UsageError):
        before, after = document.parse(text, Path()).value, document.parse(changed, Path()).value
        return changed if after == before | {"name": name} else text
    return text


def own_folder(places: Places, *, here: bool = False) -> Path:
    return Path.cwd() / "profiles" if here else places.config / "profiles"


def free(folder: Path, name: str, force: bool) -> Path:
    """Where a profile of that name goes. Raises Taken where there is one and nobody says `force`."""
    file = listed((folder,)).get(name, folder / f"{name}.yaml")
    if folder.resolve() == config.shipped_profiles().resolve():
        raise UsageError(Sentence("{folder} is the folder of the shipped profiles", folder=folder), "leave --here out")
    if (file.exists() or file.is_symlink()) and not force:
        raise Taken(Sentence("you have a profile '{name}' already: {file}", name=name, file=file),
                    "choose another name, or add --force")  # fmt: skip
    return file


def put(text: str, file: Path, force: bool) -> None:
    _write_file(text if text.endswith("\n") else f"{text}\n", file, force=force)


def _write_file(text: str, file: Path, *, force: bool) -> None:
    """Write a file whole or not at all. Raises LabError where it can't be, or is there and not `force`d."""
    draft = file.with_name(f".{file.name[:60]}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        if force and file.exists():
            shutil.copymode(file, draft)
        if force:
            draft.replace(file)
        else:
            _link(draft, file)
    except OSError as error:
        if isinstance(error, FileExistsError) and file.parent.is_dir():
            raise Taken(Sentence("{file} is there already", file=file),
                        "choose another name, or add --force") from None  # fmt: skip
        raise LabError(Sentence("{file} can't be written: {why}", file=file, why=error.strerror),
                       "check the folder's permissions") from None  # fmt: skip
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _link(source: Path, file: Path) -> None:
    """Another name for a file, over nothing that is there; a copy where the file system knows no links."""
    try:
        file.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:
        with file.open("xb") as out:
            out.write(source.read_bytes())


def say(text: str) -> None:
    sys.stderr.write(f"{clean_line(text)}\n")
