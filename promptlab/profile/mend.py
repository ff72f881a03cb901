"""Where things stand in a profile's YAML text, and safe changes to it as a text: comments and layout stay."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab import document, profile
from promptlab.document import Document
from promptlab.errors import LabError, ProfileError

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `start` to `end` (characters) by `text`. After it `key` must hold `wanted` (None: nothing), and all else
    what it held; `said` tells a person what was done."""

    start: int
    end: int
    text: str
    said: str
    key: str
    wanted: Any = None


@dataclass(frozen=True, slots=True)
class _Node:
    key: int  # where the key, or the value where it has none, begins
    start: int
    end: int
    kind: str  # scalar, block, flow or literal


class Marks:
    """The places of a document's keys and values in its text. Without the text, only the lines of its keys."""

    def __init__(self, doc: Document | None, source: str = "") -> None:
        self.doc, self.source = doc, source
        self._nodes: dict[Place, _Node] = {}
        if doc is not None and source and doc.value:
            import yaml

            root: Any = yaml.compose(source, Loader=yaml.CSafeLoader)
            self._walk(root, (), root.start_mark.index, yaml)

    def _walk(self, node: Any, place: Place, key: int, yaml: Any) -> None:
        """Down to the items of lists and the values of variables; `document` has bounded all of it before."""
        start, end = node.start_mark.index, node.end_mark.index
        inner = isinstance(node, (yaml.MappingNode, yaml.SequenceNode))
        kind = (
            ("flow" if node.flow_style else "block") if inner else "literal" if node.style in ("|", ">") else "scalar"
        )
        if start < key:  # an alias: what it says stands elsewhere
            start, end, kind, inner = key, key, "alias", False
        self._nodes[place] = _Node(key, start, end, kind)
        if not inner or len(place) > 3 or place[:1] == ("format",):
            return
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                self._walk(value, (*place, name.value), name.start_mark.index, yaml)
        else:
            for number, item in enumerate(node.value):
                self._walk(item, (*place, number), item.start_mark.index, yaml)

    def at(self, place: Place, phrase: str = "") -> tuple[int, int]:
        """Line and column, both from 1, of a phrase in a value, or else of the key."""
        node = next((self._nodes[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self._nodes), None)
        if node is None:
            lines = self.doc.lines if self.doc else {}
            return next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1), 1
        index = node.key
        words = phrase.split()
        if words and len(words) <= 200:
            found = re.compile(r"\s+".join(map(re.escape, words))).search(self.source, node.start, node.end)
            index = found.start() if found else node.key
        line = self.source.count("\n", 0, index) + 1
        return line, index - (self.source.rfind("\n", 0, index) + 1) + 1

    # -- edits ---------------------------------------------------------------------------------------------------------

    def drop(self, place: Place, said: str) -> Edit | None:
        """Take out an item of a list or an entry of a mapping; with the last one goes the key above."""
        node, above = self._nodes.get(place), self._nodes.get(place[:-1])
        if node is None or above is None or self.doc is None or len(place) != 2:
            return None
        held = self.doc.value[str(place[0])]
        if not isinstance(held, (list, dict)):
            return None
        wanted: Any = [item for n, item in enumerate(held) if n != place[1]] if isinstance(held, list) else {
            name: value for name, value in held.items() if name != place[1]}  # fmt: skip
        key = str(place[0])
        if above.kind == "flow":
            return self._drop_in_flow(place, said, key, wanted)
        first = self._line(node.key)
        mark = r"[ \t]*-[ \t]+" if isinstance(held, list) else r"[ \t]*"
        if above.kind != "block" or not re.fullmatch(mark, self.source[first : node.key]):
            return None
        indent = re.match(r"[ \t]*", self.source[first:])[0]  # type: ignore[index]
        last, comments = self._end(node, first, indent)
        if last is None:
            return None
        line = self._line(above.key)
        between = self.source[line:first].split()
        if not wanted and between == [f"{key}:"]:
            first = line
        return Edit(first, last, comments, said, key, wanted or None)

    def _end(self, node: _Node, first: int, indent: str) -> tuple[int | None, str]:
        """Where the lines of an item end, and its comments, which stay. None where they can't be told apart."""
        end = self._lines_end(max(node.end, node.key + 1, node.start))
        if node.kind in ("literal", "block"):
            end = node.end
            while True:  # back over blank lines, and over comments that are not deeper than the item
                end = len(self.source[first:end].rstrip()) + first
                line = self.source[self._line(end) : end]
                if not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) > len(indent):
                    break
                end = self._line(end)
            end = self._lines_end(end)
            return (end, "") if "#" not in self.source[first:end] else (None, "")
        kept = self.source[node.end : end].strip() if node.end > node.key else ""
        if node.end <= node.start:  # an empty value: all behind the colon is comment
            kept = self.source[node.key : end].partition("#")[2].strip()
            kept = f"# {kept}" if kept else ""
        elif "#" in self.source[first : node.start]:
            return None, ""
        if kept and not kept.startswith("#"):
            return None, ""
        return end, f"{indent}{kept}{self._newline}" if kept else ""

    def _drop_in_flow(self, place: Place, said: str, key: str, wanted: Any) -> Edit | None:
        above = self._nodes[place[:-1]]
        if not wanted:
            return Edit(above.start, above.end, "[]" if isinstance(place[1], int) else "{}", said, key, None)
        siblings = sorted((n for p, n in self._nodes.items() if len(p) == 2 and p[0] == key), key=lambda n: n.key)
        number = siblings.index(self._nodes[place])
        span = ((siblings[number].key, siblings[number + 1].key) if number + 1 < len(siblings) else
                (max(siblings[number - 1].end, siblings[number - 1].key), siblings[number].end))  # fmt: skip
        return Edit(*span, "", said, key, wanted) if "#" not in self.source[slice(*span)] else None

    def declare(self, name: str, said: str) -> Edit | None:
        """Put in a variable without a default."""
        if self.doc is None or not self._writable():
            return None
        held = self.doc.value.get("variables") or {}
        node, newline = self._nodes.get(("variables",)), self._newline
        if not isinstance(held, dict):
            return None
        wanted = {**held, name: None}
        if node is None:
            gap = "" if self.source.endswith("\n") else newline
            end = len(self.source)
            return Edit(end, end, f"{gap}variables:{newline}  {name}:{newline}", said, "variables", wanted)
        if node.kind == "flow":
            put = f"{name}: null" + (", " if held else "")
            return Edit(node.start + 1, node.start + 1, put, said, "variables", wanted)
        after, indent = self._lines_end(node.key), "  "
        if node.kind == "block":
            first = min(n.key for p, n in self._nodes.items() if len(p) == 2 and p[0] == "variables")
            indent = self.source[self._line(first) : first]
        gap = "" if self.source[after - 1 : after] == "\n" else newline
        return Edit(after, after, f"{gap}{indent}{name}:{newline}", said, "variables", wanted)

    def spare(self, parts: Iterable[str], said: str) -> Edit | None:
        """Add parts to `chat_only`."""
        if self.doc is None or not self._writable():
            return None
        held = self.doc.value.get("chat_only") or []
        held = held if isinstance(held, list) else [held]
        more = [part for part in parts if part not in held]
        node = self._nodes.get(("chat_only",))
        wanted = [*held, *more]
        if node is None:
            before = self._above(min(self._nodes[part,].key for part in parts if (part,) in self._nodes))
            line = f"chat_only: [{', '.join(wanted)}]{self._newline}"
            return Edit(before, before, line, said, "chat_only", wanted)
        if node.kind == "block":
            last = max((n for p, n in self._nodes.items() if len(p) == 2 and p[0] == "chat_only"), key=lambda n: n.key)
            first, after = self._line(last.key), self._lines_end(last.end)
            dash = self.source[first : last.key]
            gap = "" if self.source[after - 1 : after] == "\n" else self._newline
            new = gap + "".join(f"{dash}{part}{self._newline}" for part in more)
            return Edit(after, after, new, said, "chat_only", wanted)
        text = f"[{', '.join(wanted)}]"
        if node.end <= node.key:
            return None
        return Edit(node.start, node.end, text, said, "chat_only", wanted)

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.source else "\n"

    def _writable(self) -> bool:
        """Whether the file is keys line by line, from the first column on."""
        root = self._nodes.get(())
        return root is not None and root.kind == "block" and self._line(root.key) == root.key

    def _line(self, index: int) -> int:
        return self.source.rfind("\n", 0, index) + 1

    def _lines_end(self, index: int) -> int:
        return self.source.find("\n", index) + 1 or len(self.source)

    def _above(self, index: int) -> int:
        """The start of a key's line, or of the comments right above it where these do not open the file."""
        start = at = self._line(index)
        while at and self.source[self._line(at - 1) : at].startswith("#"):
            at = self._line(at - 1)
        return at or start


def apply(text: str, edit: Edit, path: Path) -> str:
    """The text with one edit. Raises ProfileError where it then would not mean just what was wanted."""
    new = text[: edit.start] + edit.text + text[edit.end :]
    try:
        before, after = dict(document.parse(text, path).value), dict(document.parse(new, path).value)
        profile.parse(new, path)
    except LabError as error:
        raise ProfileError(f"{path} is left as it is: {error.message}", "change it by hand") from None
    before.pop(edit.key, None)
    if (after.pop(edit.key, None) or None) != (edit.wanted or None) or before != after:
        raise ProfileError(f"{path} is left as it is: it is written in a way that a change would damage",
                           "change it by hand")  # fmt: skip
    return new
