"""A profile's file as the sections that people edit, and back again: what was not changed stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.errors import ProfileError, UsageError
from promptlab.profile import READERS, parse
from promptlab.profile.writing import fields, write

FOUR = ("goal", "format", "rules", "context")
VARIABLES, MORE = "variables", "more"
ORDER = ("description", "role", *FOUR, "steps", "prompt", VARIABLES, MORE)
_LISTS = ("rules", "steps")
_DASH = re.compile(r"[ \t]*-[ \t]+")
_COMMENT = re.compile(r"[ \t]+(#.*)$")


@dataclass(frozen=True, slots=True)
class Sections:
    """The texts of a file by the names in ORDER; what is empty is absent. Rules and steps are lines that begin with
    `- `, and a line that is indented goes on with the one above. `variables` and `more` (all keys without a section of
    their own) are YAML, and so is `format` where it is a `schema`."""

    texts: Mapping[str, str] = field(default_factory=dict)
    schema: bool = False


@dataclass(frozen=True, slots=True)
class _Span:
    """A key with its value in a text, as whole lines: `lead` is where the comments above it begin."""

    lead: int
    start: int
    end: int


def split(text: str, path: Path) -> Sections:
    """The sections of a profile's file. Raises ProfileError for a text that is no profile."""
    own, text = parse(text, path), _plain(text)
    held, spans = document.parse(text, path).value, _spans(text)
    found = {key: getattr(own, key) for key in ("description", "role", "goal", "format", "context", "prompt")}
    found |= {key: "\n".join(map(_item, getattr(own, key))) for key in _LISTS}
    record = fields(own)
    if own.schema is not None:
        found["format"] = _value_text(text, spans, "format", own.schema)
    if own.variables:
        found[VARIABLES] = _value_text(text, spans, VARIABLES, record[VARIABLES])
    others = [key for key in held if key not in ORDER and key != "name"]
    written = (text[spans[key].lead : spans[key].end] if key in spans else write({key: record[key]})
               for key in others if key in spans or key in record)  # fmt: skip
    found[MORE] = "".join(written).strip("\n")
    return Sections({key: found[key] for key in ORDER if found.get(key)}, own.schema is not None)


def join(base: str, sections: Sections, path: Path) -> str:
    """The text of `base` with these sections: the lines of those that were not changed are as they were, with their
    comments. Raises ProfileError, with the section and its line, for what can't stand in such a file."""
    before, text = split(base, path), _plain(base)
    changes = dict(_changes(text, before, sections))
    if not changes:
        return base
    held = document.parse(text, path).value
    wanted = {key: value for key, value in held.items() if key not in changes}
    wanted |= _meaning("".join(lines for lines in changes.values() if lines))
    new = _exchanged(text, changes)
    if new is None or _meaning(new) != wanted:  # written in a way that lines can't be exchanged in
        record = fields(parse(text, path))
        lines_of = {key: write({key: record[key]}) for key in record if key not in changes} | changes
        new = "".join(lines_of[key] or "" for key in READERS if key in lines_of)
    try:
        parse(new, path)
    except ProfileError as error:
        raise _in_section(error, new) from None
    return new.replace("\n", "\r\n") if "\r\n" in base else new


def same(key: str, one: str, other: str) -> bool:
    """Whether two texts of a section would be the same in a file, however their lists are marked."""
    if key in _LISTS:
        return list(_items(one)) == list(_items(other))
    return one.strip() == other.strip()


def _in_section(error: ProfileError, text: str) -> ProfileError:
    """The same error, with the section in the place of the file, and the section's line."""
    line = re.search(r", line (\d+)", error.message)
    if line is None:
        return error
    section, at = place(text, int(line[1]))
    at -= section in (VARIABLES, "format")  # whose first line is the key, which no section shows
    return ProfileError(f"{section}{f', line {at}' if at else ''}: {error.message.partition(': ')[2]}", error.hint)


def section_of(key: str, sections: Iterable[str] = ORDER) -> str:
    """The section in which a place such as `rules.2` is edited."""
    top = key.partition(".")[0]
    return top if top in sections else MORE


def place(text: str, line: int) -> tuple[str, int]:
    """The section that a line of a whole file is in, and the line within its key; both counted from 1."""
    try:
        spans = _spans(_plain(text))
    except UsageError:
        spans = {}
    for key, span in spans.items():
        first = text.count("\n", 0, span.start) + 1
        if first <= line < first + text.count("\n", span.start, span.end):
            return section_of(key), line - first + 1
    return MORE, line


# -- what was changed --------------------------------------------------------------------------------------------------


def _changes(text: str, before: Sections, now: Sections) -> Iterator[tuple[str, str | None]]:
    """Each key of the file that is to be another, with its lines (None: it goes)."""
    for key in ORDER:
        said = now.texts.get(key, "").strip("\n")
        if key == MORE:
            if said != before.texts.get(key, ""):
                yield from _changes_of_more(before.texts.get(key, ""), said)
        elif said.strip() != before.texts.get(key, "").strip() or (key == "format" and now.schema != before.schema):
            yield key, _lines(text, key, said, now.schema) if said.strip() else _emptied(text, key)


def _lines(text: str, key: str, said: str, schema: bool) -> str:
    if key == VARIABLES or (key == "format" and schema):
        document.parse(said, Path(key))  # so that what is wrong is told with the section's own lines
        return f"{key}:\n" + "".join(f"  {line}\n" if line.strip() else "\n" for line in said.split("\n"))
    if key in _LISTS:
        return _list_lines(text, key, list(_items(said)))
    if key == "context" and (files := _files(text)):
        return write({key: {"text": said.strip(), "files": files}})
    return write({key: said.strip()})


def _emptied(text: str, key: str) -> str | None:
    files = _files(text) if key == "context" else None
    return write({key: {"files": files}}) if files else None


def _files(text: str) -> Any:
    context = document.parse(text, Path()).value.get("context")
    return context.get("files") if isinstance(context, dict) else None


def _changes_of_more(before: str, said: str) -> Iterator[tuple[str, str | None]]:
    """Each key of the YAML of `more` whose lines are not what they were."""
    said += "\n"
    new = document.parse(said, Path(MORE)).value
    old = _spans(before + "\n")
    spans = _spans(said)
    if new and not spans:
        raise ProfileError(f"{MORE}: keys are wanted line by line here", "for example  language: zh")
    for key in new:
        if key in ORDER or key == "name":
            raise ProfileError(f"{MORE}: {key} has a field of its own", "write it there")
    for key in old.keys() - new.keys():
        yield key, None
    last = max((span.end for span in spans.values()), default=0)
    for key, span in spans.items():
        lines = said[span.lead : len(said) if span.end == last else span.end]
        if key not in old or lines.strip("\n") != (before + "\n")[old[key].lead : old[key].end].strip("\n"):
            yield key, lines.strip("\n") + "\n"


def _item(text: str) -> str:
    """A rule as a line that begins with a dash; what goes on is indented."""
    return "- " + "\n  ".join(text.split("\n"))


def _items(said: str) -> Iterator[str]:
    """The texts behind dashes. A line without one is an item, too: nobody has to know of dashes."""
    held: list[str] = []
    for line in said.split("\n"):
        if held and (line[:1].isspace() or not line):
            held.append(line.removeprefix("  "))
            continue
        if held:
            yield "\n".join(held).strip()
        if not line.strip():
            held = []
            continue
        held = [line.removeprefix("-").strip() if line.startswith(("- ", "-\t")) or line == "-" else line.strip()]
    if held:
        yield "\n".join(held).strip()


def _value_text(text: str, spans: Mapping[str, _Span], key: str, value: Any) -> str:
    """The YAML of a mapping without its key: as it was written where it is written line by line."""
    if key in spans:
        head, _, rest = text[spans[key].start : spans[key].end].partition("\n")
        if head.partition("#")[0].rstrip() == f"{key}:":
            lines = rest.rstrip("\n").split("\n")
            deep = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
            plain = "\n".join(line[deep:] for line in lines)
            if deep and _meaning(plain) == _meaning(f"{head}\n{rest}").get(key):
                return plain
    return "\n".join(line.removeprefix("  ") for line in write({key: value}).rstrip("\n").split("\n")[1:])


# -- lines of a file ---------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return text if not text or text.endswith("\n") else f"{text}\n"


def _meaning(text: str) -> dict[str, Any]:
    try:
        return document.parse(text, Path()).value
    except UsageError:
        return {}


def _texts(text: str) -> list[str]:
    """What a list says, as it is typed: `yes` is a word."""
    try:
        return [said.strip() for said in document.parse(text, Path()).texts.values()]
    except UsageError:
        return []


def _nodes(text: str) -> list[tuple[Any, Any]]:
    """The keys and values of a file that is keys line by line, from the first column on; else none."""
    import yaml

    document.parse(text, Path())  # bounded, before the library composes all of it
    root: Any = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is None or root.flow_style:
        return []
    straight = all(key.start_mark.column == 0 for key, _ in root.value)
    return list(root.value) if straight else []


def _spans(text: str) -> dict[str, _Span]:
    found: dict[str, _Span] = {}
    nodes, lead = _nodes(text), 0
    for number, (key, value) in enumerate(nodes):
        start = key.start_mark.index
        end = nodes[number + 1][0].start_mark.index if number + 1 < len(nodes) else len(text)
        inner = value.end_mark.index if getattr(value, "style", None) not in ("|", ">", None) else start
        while True:  # back over what stands between this key and the next
            line = text.rfind("\n", 0, max(end - 1, 0)) + 1
            if line <= start or line < inner or not _is_between(text[line:end]):
                break
            end = line
        found[str(key.value)] = _Span(lead, start, end)
        lead = end
    return found


def _is_between(line: str) -> bool:
    return not line.strip() or line.startswith(("#", "...", "---"))


def _exchanged(text: str, changes: Mapping[str, str | None]) -> str | None:
    """A text with the lines of these keys; None where it is not written key by key, or one says what another means."""
    if not _spans(text) and _meaning(text):
        return None
    try:
        for key, lines in changes.items():
            text = _put(text, key, lines)
    except UsageError:
        return None
    return text


def _put(text: str, key: str, lines: str | None) -> str:
    """A text with the lines of one key exchanged, taken out, or put where the usual order has them."""
    spans = _spans(text)
    if key in spans:
        span = spans[key]
        own_lead = key not in ORDER  # its comments were edited with it
        start = span.lead if own_lead else span.start
        head = "\n" if own_lead and text[start : start + 1] == "\n" else ""
        return text[:start] + (head + _commented(text, key, lines) if lines else "") + text[span.end :]
    if not lines:
        return text
    order = list(READERS)
    before = [spans[name].end for name in order[: order.index(key) if key in order else None] if name in spans]
    at = max(before) if before else min((span.start for span in spans.values()), default=len(text))
    return text[:at] + lines + text[at:]


def _commented(text: str, key: str, lines: str) -> str:
    """The new lines of a key, with the comment that stood behind the old ones."""
    if key not in ORDER:
        return lines
    value = next(value for name, value in _nodes(text) if name.value == key)
    literal = value.style in ("|", ">") if hasattr(value, "style") else False
    at = value.start_mark.index if literal else value.end_mark.index
    found = _COMMENT.search(text[at : text.find("\n", at)]) if text.find("\n", at) > at else None
    first, _, rest = lines.partition("\n")
    if found is None or "#" in first:
        return lines
    with_it = f"{first}  {found[1]}\n{rest}"
    return with_it if _meaning(with_it) == _meaning(lines) else lines


def _list_lines(text: str, key: str, items: Sequence[str]) -> str:
    """The lines of a list: an item that stays keeps its own, and the comments above it."""
    fresh = write({key: list(items)})
    span, nodes = _spans(text).get(key), _nodes(text)
    value = next((value for name, value in nodes if name.value == key), None)
    if span is None or value is None or not isinstance(value.value, list) or value.flow_style or not value.value:
        return fresh
    starts = []
    for node in value.value:
        line = text.rfind("\n", 0, node.start_mark.index) + 1
        if not _DASH.fullmatch(text[line : node.start_mark.index]):
            return fresh
        starts.append(line)
    indent = text[starts[0] :][: len(text[starts[0] :]) - len(text[starts[0] :].lstrip(" \t"))]
    starts = [_with_comments(text, line, len(indent), span.start) for line in starts]
    chunks = [text[first:last] for first, last in zip(starts, [*starts[1:], span.end], strict=True)]
    old, made = [" ".join(node.value.split()) for node in value.value if isinstance(node.value, str)], ""
    if len(old) != len(chunks):
        return fresh
    for what, i, j, m, n in SequenceMatcher(None, old, [" ".join(one.split()) for one in items], False).get_opcodes():
        if what == "equal":
            made += "".join(chunks[i:j])
        elif n > m:
            new = write({key: list(items[m:n])}).rstrip("\n").split("\n")[1:]
            made += "".join(f"{indent}{line.removeprefix('  ')}\n" if line else "\n" for line in new)
    whole = text[span.start : starts[0]] + made
    return whole if _texts(whole) == _texts(fresh) else fresh


def _with_comments(text: str, line: int, indent: int, floor: int) -> int:
    """Where an item begins, with the comments right above it."""
    while True:
        above = text.rfind("\n", 0, max(line - 1, 0)) + 1
        said = text[above:line]
        if above <= floor or not said.lstrip().startswith("#") or len(said) - len(said.lstrip()) > indent:
            return line
        line = above
