"""The user's endpoints and groups in config.yaml, edited as a text: an entry is put in or taken out, and all else that
people wrote stays as it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlab import config, document
from promptlab.config import Places
from promptlab.document import Document
from promptlab.errors import LabError

_HEAD = """\
# What promptlab knows beside what it is shipped with: your endpoints, aliases and groups.
# No key belongs in here: promptlab keys set NAME keeps one.
"""


class Uneditable(Exception):
    """A text that can't be changed without losing, or maybe losing, something of it; says why."""


def own_entries(places: Places) -> dict[str, Any]:
    """The endpoints in the user's config.yaml, as they stand there. Raises UsageError where it is no YAML."""
    if not places.settings.is_file():
        return {}
    found = document.load(places.settings).value.get("endpoints")
    return found if isinstance(found, dict) else {}


def edit(
    places: Places, change: Callable[[str], str], meaning: Callable[[dict[str, Any]], dict[str, Any]],
    section: str = "endpoints",
) -> None:  # fmt: skip
    """Change config.yaml as a text, where what it then means is the old meaning with `meaning` of its `section`.

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
    _check_same(old, _parse(new, file), meaning, section)
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


def _check_same(
    old: Document, new: Document, meaning: Callable[[dict[str, Any]], dict[str, Any]], section: str
) -> None:  # fmt: skip
    before, after = dict(old.value), dict(new.value)
    wanted = meaning(before.pop(section, None) or {})
    if wanted != (after.pop(section, None) or {}) or before != after:
        raise Uneditable("it is written in a way that a change would damage")


@dataclass(frozen=True, slots=True)
class _Section:
    """Where a section such as `endpoints:` stands in a text: its `start`, the `column` of its entries, and each entry's
    `lines`, from the start of the first to the end of the last. Without entries, `value` is where `{}` or `null`
    stands, if it does."""

    start: int
    value: tuple[int, int]
    column: int
    lines: dict[str, tuple[int, int]]


Entry = Mapping[str, object] | Sequence[str]  # an endpoint's keys, a group's targets


def put(text: str, name: str, entry: Entry, into: str = "endpoints") -> str:
    """The text with the entry: in the place of the old one, or behind the last one. Raises Uneditable."""
    section, end = _section(text, into), "\r\n" if "\r\n" in text else "\n"
    if section is None:
        gap = "" if not text.strip() or text.endswith(("\n\n", "\n\r\n")) else end
        return _joined(text, end, gap, [f"{into}:", *as_lines(name, entry)], "")
    lines = as_lines(name, entry, section.column)
    if name in section.lines:
        at, drop = section.lines[name]
    elif section.lines:
        at = drop = list(section.lines.values())[-1][1]
    else:
        first, last = section.value
        text = text[:first].rstrip(" ") + text[last:]
        at = drop = _line_end(text, section.start)
    return _joined(text[:at], end, "", lines, text[drop:])


def take(text: str, name: str, out_of: str = "endpoints") -> str:
    """The text without the entry; what stands around it stays. Raises Uneditable."""
    section = _section(text, out_of)
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


def _section(text: str, name: str) -> _Section | None:
    """None where there is no such section. Raises Uneditable where it stands otherwise than line by line."""
    import yaml

    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    pairs = root.value if root else []
    if isinstance(root, yaml.MappingNode) and root.flow_style:
        raise Uneditable("it is written in braces")
    place = next((n for n, (key, _) in enumerate(pairs) if key.value == name), None)
    if place is None:
        return None
    key, value = pairs[place]
    if value.start_mark.index < key.end_mark.index:
        raise Uneditable(f"its {name} are an alias for something else")
    bound = pairs[place + 1][0].start_mark.index if place + 1 < len(pairs) else len(text)
    if not value.value or isinstance(value, yaml.ScalarNode):
        span = value.start_mark.index, value.end_mark.index
        return _Section(key.start_mark.index, span, 2, {})
    if value.flow_style:
        raise Uneditable(f"its {name} are written in braces")
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


def as_lines(name: str, entry: Entry, column: int = 2) -> list[str]:
    """An entry as YAML, its name at `column`."""
    if not isinstance(entry, Mapping):
        return [f"{' ' * column}{_plain(name)}: {_scalar(list(entry))}"]
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
