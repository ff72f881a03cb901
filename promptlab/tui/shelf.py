"""Profiles as the screen sees them: cards to look through, a draft to edit, what is found in it; and who keeps them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from promptlab.profile.section import FOUR, MORE, ORDER, VARIABLES, Sections, same
from promptlab.render.sanitise import clean

ALWAYS = ("description", *FOUR, VARIABLES)  # sections that are there to be filled, whatever the file has
FILE = "file"  # the one section of a text that can't be read as a profile: all of it


@dataclass(frozen=True, slots=True)
class Card:
    """One profile of the list. `fault` is why its file can't be used; `waits` where an unsaved text of it is kept."""

    name: str
    own: bool
    file: str
    description: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    fault: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile as it is edited. `origin` is the name that it was opened by (none: it is new), `base` the text of that
    file then, `old` its sections. Where the file is no profile, its whole text is the one section FILE."""

    name: str
    sections: Sections
    origin: str = ""
    base: str = ""
    old: Sections = field(default_factory=Sections)

    @property
    def is_whole(self) -> bool:
        return FILE in self.old.texts

    @property
    def keys(self) -> tuple[str, ...]:
        """The sections that it is edited in."""
        return (FILE,) if self.is_whole else ORDER

    @property
    def is_changed(self) -> bool:
        now, old = self.sections, self.old
        texts = any(not alike(key, now.texts.get(key, ""), old.texts.get(key, "")) for key in self.keys)
        return texts or self.name != self.origin or now.schema != old.schema

    def put(self, key: str, text: str) -> Draft:
        """The draft with another text in one section."""
        return replace(self, sections=replace(self.sections, texts={**self.sections.texts, key: text}))


@dataclass(frozen=True, slots=True)
class Opened:
    """A draft to edit. `inherited` are the texts of what it extends, by section; `since` is when a text that was not
    saved was kept, where it is such a one, and `stale` where the file was changed after that."""

    draft: Draft
    own: bool = True
    inherited: Mapping[str, str] = field(default_factory=dict)
    since: str = ""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A finding: its section, its level (error, warning, note), and what is said of it. `line` is one of the whole
    file, where that is known."""

    section: str
    level: str
    text: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Attached:
    """A file of context: its name, its bytes, about how many tokens these are; or the `fault` that keeps it out."""

    name: str
    size: int = 0
    tokens: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a profile would come to: each target's messages as lines with their styles (bold, dim or none), what is
    found in it, and its files of context."""

    lines: Sequence[tuple[str, str]] = ()
    findings: Sequence[Told] = ()
    files: Sequence[Attached] = ()


@dataclass(frozen=True, slots=True)
class Saved:
    """A draft that is in a file now."""

    draft: Draft
    file: str
    hides: bool = False  # a shipped profile of the same name


@dataclass(frozen=True, slots=True)
class Renamed:
    """A profile has another name now: that one, the profiles that extend the old one and no longer find it, and the
    file into which went what waited for an earlier profile of the new name."""

    name: str
    users: Sequence[str] = ()
    apart: str = ""


class Shelf(Protocol):
    """All calls take a moment, and are made from a thread; they raise LabError."""

    def cards(self) -> Sequence[Card]:
        """Every profile that a name can mean here: the user's own first."""

    def look(self, name: str, words: str, prompt: str) -> Look:
        """A profile as the targets among the words would get it beside a prompt (empty: alone)."""

    def open(self, name: str, prompt: str = "") -> Opened:
        """A profile to edit; without a name a new one, which may begin with a prompt. What was typed and not saved
        before is there again."""

    def judge(self, draft: Draft, words: str, prompt: str) -> Look:
        """The same as `look` for a draft; what can't be read is a finding."""

    def save(self, draft: Draft, *, unread: bool = False) -> Saved:
        """Keep a draft in the user's own folder, or in its own file where it has its name; never over another one.
        Raises ProfileError for what is no profile, unless the draft is a whole text that may be `unread`."""

    def keep(self, draft: Draft) -> None:
        """Keep what is not saved, so that it is not lost. Nothing goes wrong here that would be worth an error."""

    def forget(self, draft: Draft) -> None:
        """What was kept of a draft is not wanted any more."""

    def users(self, name: str) -> Sequence[str]:
        """The profiles that extend one."""

    def rename(self, name: str, file: str, new: str) -> Renamed:
        """Give a profile of the user's another name, and what was not saved of it with it. Nothing is done where the
        name no longer means that file."""

    def remove(self, name: str, file: str) -> str:
        """Delete a profile of the user's, and what was not saved of it; gives the file that has its name now, if any
        has. Nothing is done where the name no longer means that file."""


def pick(cards: Sequence[Card], letters: str, origins: tuple[str, str]) -> list[Card]:
    """The cards that all of the words fit (name, description, tags, language, or whose they are as `origins` calls
    it: own, shipped), those first whose name does."""
    wanted = _plain(letters).split()

    def rank(card: Card) -> int:
        name = _plain(card.name)
        first = wanted[0] if wanted else ""
        return 0 if name == first else 1 if name.startswith(first) else 2 if first in name else 3

    def fits(card: Card) -> bool:
        said = _plain(" ".join([card.name, card.description, *card.tags]))
        exact = {_plain(card.language), _plain(origins[0 if card.own else 1])}
        return all(word in said or word in exact for word in wanted)

    return sorted(filter(fits, cards), key=rank) if wanted else list(cards)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def alike(key: str, one: str, other: str) -> bool:
    """Whether two texts of a section would be the same in a file."""
    return one.rstrip("\n") == other.rstrip("\n") if key == FILE else same(key, one, other)


def shown(draft: Draft, inherited: Mapping[str, str]) -> list[str]:
    """The sections that a draft shows at first: the four parts, and those that say something."""
    if draft.is_whole:
        return [FILE]
    return [
        key for key in ORDER if key in ALWAYS or draft.sections.texts.get(key) or (key in inherited and key != MORE)
    ]


def whole(text: str) -> Sections:
    """A file's whole text as the only section."""
    return Sections({FILE: text.replace("\r\n", "\n")})


# -- what an editor shows of a text ------------------------------------------------------------------------------------

_END = re.compile("(\r\n|[\n\r\u2028\u2029])")  # what is shown as the end of a line


def unshown(raw: str, text: str) -> str:
    """The text behind what an editor shows, which was made of `raw` with `clean(raw, keep=True)` and edited since. A
    line that was not edited is what it was, and ends as it did; it is found by its place. Of a line that may be one of
    several, which are not the same and look alike, nobody knows: it is what is shown."""
    parts = _END.split(raw)
    lines = list(zip(parts[::2], [*parts[1::2], "\n"], strict=True))
    before, now = [clean(line, keep=True) for line, _ in lines], text.split("\n")
    found = _same_ends(lines, before, now)
    old, new = set(range(len(before))) - set(found.values()), [at for at in range(len(now)) if at not in found]
    in_place = len(before) == len(now)
    waiting: dict[str, list[int]] = {}
    for at in sorted(old):
        if in_place and before[at] == now[at]:
            found[at] = at
        else:
            waiting.setdefault(before[at], []).append(at)
    typed: dict[str, list[int]] = {}
    for at in new:
        if at not in found:
            typed.setdefault(now[at], []).append(at)
    for seen, places in typed.items():
        of = waiting.get(seen, [])
        if len(of) == len(places) or len({lines[at][0] for at in of}) == 1:
            found |= dict(zip(places, of, strict=False))
    made: list[str] = []
    for at, line in enumerate(now):
        was = lines[found[at]] if at in found else (line, lines[at][1] if in_place else "\n")
        made += was
    return "".join(made[:-1])  # the last line has no end


def _same_ends(lines: Sequence[tuple[str, str]], before: Sequence[str], now: Sequence[str]) -> dict[int, int]:
    """The lines at either end that look as before, with the lines that they were. One that could belong to either end,
    for a like one went or came beside it, is left out unless that makes no difference."""
    least, gap = min(len(before), len(now)), len(before) - len(now)
    head = next((at for at in range(least) if before[at] != now[at]), least)
    tail = next((at for at in range(least) if before[-1 - at] != now[-1 - at]), least)
    both = max(0, head + tail - least)
    found = {}
    for at in range(head):
        other = at + gap if at >= head - both and at + gap >= 0 else at
        if before[other] != now[at] or lines[other][0] == lines[at][0]:
            found[at] = at
    return found | {len(now) - 1 - at: len(before) - 1 - at for at in range(tail - both)}
