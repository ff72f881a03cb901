"""YAML files as people write and share them: safe tags only, bounded in size, with the line of every key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError, nearest

LARGEST = 1_000_000  # bytes; a prompt of that size is a file to pass with -f, not a profile
MOST_NODES = 50_000  # after aliases are followed: "billion laughs" ends here
DEEPEST = 40

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file's mapping; `lines` maps a path of keys to its line, counted from 1, and `texts` to a value as it was
    typed: YAML reads `yes` as true and 1.10 as 1.1, which a prompt doesn't want."""

    path: Path
    value: dict[str, Any]
    lines: dict[Path_, int] = field(default_factory=dict)
    texts: dict[Path_, str] = field(default_factory=dict)

    def where(self, *keys: str | int) -> str:
        """`file, line N` for a key, or for the nearest key above it that is in the file."""
        for length in range(len(keys), -1, -1):
            if keys[:length] in self.lines:
                return f"{self.path}, line {self.lines[keys[:length]]}"
        return str(self.path)

    def only(self, known: Iterable[str], value: dict[str, Any], *above: str | int) -> None:
        """Raise UsageError for the first key of `value` that is not known, with the nearest one that is."""
        names = list(known)
        for key in value:
            if key not in names:
                hint = nearest(str(key), names) or f"known keys: {', '.join(names)}"
                raise UsageError(f"{self.where(*above, key)}: unknown key '{key}'", hint)


def load(path: Path, top: str = "") -> Document:
    """The mapping in a YAML file; with `top`, a list is taken too, as if it stood under that key. Raises
    UsageError with file and line for everything it must not be."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UsageError(f"{path} is too large for a YAML file of ours ({size:,} bytes)", "1 MB is the limit")
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from None
    if "\0" in text:
        raise UsageError(f"{path} is a binary file", "a YAML file is text")
    return parse(text, path, top)


def parse(text: str, path: Path, top: str = "") -> Document:
    """The mapping in `text`; `path` is only named in errors."""
    import yaml

    loader = yaml.CSafeLoader(text)
    try:
        if _may_be_deep(text):
            _check_depth(yaml.parse(text, Loader=yaml.CSafeLoader), path)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: {error.problem or 'no valid YAML'}", "check quotes and indentation") from None
    except (yaml.YAMLError, RecursionError):
        raise UsageError(f"{path}: no valid YAML", "check quotes and indentation") from None
    finally:
        loader.dispose()
    if node is None:
        return Document(path, {})
    walk = _Walk(path, yaml)
    above: Path_ = (top,) if top and isinstance(node, yaml.SequenceNode) else ()
    value = walk.value(node, above)
    if above:
        value = {top: value}
    if not isinstance(value, dict):
        raise UsageError(f"{path}: a mapping of keys and values is wanted here", "for example: goal: …")
    return Document(path, value, walk.lines, walk.texts)


_OPENING = re.compile(r"^[\s\-?:]*", re.MULTILINE)


def _may_be_deep(text: str) -> bool:
    """Whether a text has enough of what opens a level to pass DEEPEST: brackets, and indents, dashes and marks at the
    beginning of a line. To count them takes a tenth of the time that it takes to parse."""
    brackets = text.count("[") + text.count("{")
    return brackets + max(len(found[0]) for found in _OPENING.finditer(text)) >= DEEPEST


def _check_depth(events: Iterable[Any], path: Path) -> None:
    """Raise UsageError for nesting that no person writes: composing it overflows the C stack."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > DEEPEST + 3:  # the stream, the document and its mapping are three
            line = event.start_mark.line + 1
            raise UsageError(f"{path}, line {line}: nested more than {DEEPEST} deep", "write it flat")


class _Walk:
    """Nodes to plain values, counting as it goes: an alias is followed, and paid for, each time."""

    def __init__(self, path: Path, yaml: Any) -> None:
        self._path, self._yaml = path, yaml
        self._construct = yaml.constructor.SafeConstructor()
        self._count = 0
        self.lines: dict[Path_, int] = {}
        self.texts: dict[Path_, str] = {}

    def value(self, node: Any, place: Path_) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > MOST_NODES or len(place) > DEEPEST:
            raise UsageError(f"{self._path}, line {line}: aliases that multiply are refused", "write it out")
        self.lines.setdefault(place, line)
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            raise UsageError(f"{self._path}, line {line}: the tag {node.tag} is refused", "plain values only")
        if isinstance(node, self._yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, self._yaml.SequenceNode):
            return [self.value(item, (*place, number)) for number, item in enumerate(node.value)]
        self.texts[place] = node.value
        if node.tag.rpartition(":")[2] in ("timestamp", "binary", "value"):  # 2026-11-22 is text to us
            return node.value
        try:
            return self._construct.construct_object(node)
        except (self._yaml.YAMLError, ValueError, LookupError):
            raise UsageError(f"{self._path}, line {line}: '{node.value}' can't be read", "put it in quotes") from None

    def _mapping(self, node: Any, place: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.value == "<<" or not isinstance(key_node, self._yaml.ScalarNode):
                raise UsageError(f"{self._path}, line {line}: keys are plain words here", "no merges, no lists")
            key = str(key_node.value)
            if key in found:
                raise UsageError(f"{self._path}, line {line}: '{key}' is given twice", "keep one of them")
            found[key] = self.value(value_node, (*place, key))
            self.lines[(*place, key)] = line
        return found
