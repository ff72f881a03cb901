"""What each axis of a sweep really is at a target, before anything is sent: real, ignored, pinned, refused, cut by
other samplers, or nobody knows; and which of a plan's places are worth a request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from promptlab.axis import set_only
from promptlab.errors import Sentence
from promptlab.knowledge import SCALES, Facts
from promptlab.params import BODY, PARAMETERS, Value, show
from promptlab.request import Verdict, Wire

Word = Literal["real", "ignored", "pinned", "refused", "partly", "cut", "unknown"]
Look = Callable[[Mapping[str, Value]], Wire]  # what a request with these parameters becomes at one target
Place = Mapping[str, Value]
_VOID = ("ignored", "pinned", "refused")


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one axis is at one target, in a word and a sentence. `instead` says what can be swept there in its place;
    `dropped` are values that the endpoint refuses and `merged` groups of values that are one on the wire: of each, one
    is sent. `neutral` are samplers that are sent so that they don't cut."""

    target: str
    axis: str
    word: Word
    text: str
    instead: tuple[str, ...] = ()
    dropped: tuple[Value, ...] = ()
    merged: tuple[tuple[Value, ...], ...] = ()
    neutral: Mapping[str, Value] = field(default_factory=dict)

    @property
    def is_void(self) -> bool:
        """Whether the axis does nothing at this target, and is collapsed."""
        return self.word in _VOID

    @property
    def line(self) -> str:
        """The target and what the axis is there."""
        return Sentence("{target}: {what}", target=self.target, what=self.text)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A target's prospects, and those of its places that are sent: where an axis is void it is unset there (None),
    and no two places are one request."""

    prospects: tuple[Prospect, ...]
    places: tuple[Place, ...]


def void(prospects: Iterable[Prospect]) -> dict[str, tuple[str, ...]]:
    """The collapsed axes of each target."""
    found: dict[str, tuple[str, ...]] = {}
    for one in prospects:
        if one.is_void:
            found[one.target] = (*found.get(one.target, ()), one.axis)
    return found


def is_sampling(name: str) -> bool:
    """Whether a parameter is one of the sampler's, which other samplers can muffle."""
    return name in PARAMETERS and PARAMETERS[name].neutral is not None


def neutral(facts: Facts, axes: Iterable[str], given: Iterable[str]) -> dict[str, Value]:
    """The samplers that a clean sweep of `axes` sends neutral: those that the server would apply with values of its
    own, and nobody has `given`. llama.cpp and what is built on it cut to top_k 40 and top_p 0.95 before temperature."""
    swept = set(axes)
    if not any(map(is_sampling, swept)):
        return {}
    left = swept.union(given)
    return {name: PARAMETERS[name].neutral for name in facts.family.cuts or {} if name not in left}


def look_ahead(
    target: str, facts: Facts, look: Look, axes: Mapping[str, Sequence[Value]], places: Sequence[Place], *,
    base: Mapping[str, Value], added: Mapping[str, Value], collapse: bool = True,
) -> Outlook:  # fmt: skip
    """What the `axes`, which are parameters with several values, are at a target, and which `places` remain. `base` is
    what every place asks besides, `added` the neutral samplers among it. Without `collapse` (a plan that is sent as it
    is, or not at all) every place remains."""
    survey = _Survey(look, axes, base)
    better = [found for place in places if (found := survey.see(place)) is not None]
    kept = survey.merge(better)
    left = _left_cuts(facts, {*axes, *base})
    usual = {name: next((v for v in values if v is not None), None) for name, values in axes.items()}
    prospects = tuple(
        _prospect(target, name, survey, left if is_sampling(name) else {}, added if is_sampling(name) else {},
                  partial(_instead, facts, {**usual, **base}, name), collapse=collapse)
        for name in axes
    )  # fmt: skip
    return Outlook(prospects, tuple(kept if collapse else places))


@dataclass(frozen=True, slots=True)
class _Seen:
    """One value of an axis where it stands: `around` are the values of the other axes there."""

    value: Value
    around: Place
    verdict: Verdict
    is_dropped: bool


class _Sent(NamedTuple):
    """What of a wire is kept: the verdicts on the axes, and what tells its body from another one."""

    verdicts: dict[str, Verdict]
    body: bytes


class _Survey:
    """The verdicts on every value of every axis, wherever it stands: a temperature can be real at one effort and
    ignored at another."""

    def __init__(self, look: Look, axes: Mapping[str, Sequence[Value]], base: Mapping[str, Value]) -> None:
        self._look, self._axes, self._base = look, axes, base
        self._sent: dict[str, _Sent] = {}
        self._works: dict[tuple[str, str], bool] = {}
        self.seen: dict[str, list[_Seen]] = {name: [] for name in axes}
        self.merged: dict[str, dict[str, list[Value]]] = {name: {} for name in axes}

    def sent(self, place: Place) -> _Sent:
        """What goes out at a place; our own texts are no parameters, and need no look of their own."""
        asked = {**self._base, **set_only(_parameters(place))}
        key = json.dumps(asked, sort_keys=True)
        if key not in self._sent:
            wire = self._look(asked)
            verdicts = {name: verdict for name, verdict in wire.verdicts.items() if name in self._axes}
            body = json.dumps(wire.body, sort_keys=True).encode()
            self._sent[key] = _Sent(verdicts, hashlib.sha256(body).digest())
        return self._sent[key]

    def see(self, place: Place) -> Place | None:
        """The place with its void axes unset; None where one of its values is refused and another one is not."""
        verdicts = self.sent(place).verdicts
        better = dict(place)
        is_dropped = False
        for name in self._axes:
            value = place.get(name)
            verdict = verdicts.get(name) if value is not None else None
            if verdict is None:
                continue
            void = verdict.word in _VOID
            dropped = verdict.word == "refused" and self._another_works(name, place)
            around = {n: place[n] for n in self._axes if n != name and n in place}
            self.seen[name].append(_Seen(value, around, verdict, dropped))
            is_dropped |= dropped
            if void:
                better[name] = None
        return None if is_dropped else better

    def _another_works(self, name: str, place: Place) -> bool:
        """Whether another value of this axis, everything else alike, is taken."""
        around = name, json.dumps(_parameters({n: v for n, v in place.items() if n != name}), sort_keys=True)
        if around not in self._works:
            verdicts = (self.sent({**place, name: v}).verdicts.get(name) for v in self._axes[name] if v is not None)
            self._works[around] = any(one is not None and one.word not in _VOID for one in verdicts)
        return self._works[around]

    def merge(self, places: Sequence[Place]) -> list[Place]:
        """One place for each body that goes out. Names of efforts fall together: DeepSeek has three for six."""
        first: dict[str, Place] = {}
        for place in places:
            texts = {name: value for name, value in place.items() if name not in _parameters(place)}
            key = self.sent(place).body.hex() + json.dumps(texts, sort_keys=True)
            known = first.setdefault(key, place)
            other = [name for name in self._axes if known.get(name) != place.get(name)]
            if known is not place and len(other) == 1:
                group = self.merged[other[0]].setdefault(key, [known.get(other[0])])
                if place.get(other[0]) not in group:
                    group.append(place.get(other[0]))
        return list(first.values())


def _parameters(place: Place) -> dict[str, Value]:
    return {name: value for name, value in place.items() if name in PARAMETERS or name.startswith(BODY)}


# -- words -------------------------------------------------------------------------------------------------------------

_NEUTRAL = ("{samplers} is sent with it, so that the server's own samplers don't cut first; "
            "--keep-samplers leaves them")  # fmt: skip
_NEUTRALS = ("{samplers} are sent with it, so that the server's own samplers don't cut first; "
             "--keep-samplers leaves them")  # fmt: skip
_BUDGET = "--axis thinking_budget=…, from {low} tokens{doubt}"
_BUDGET_TO = "--axis thinking_budget=…, from {low} to {high} tokens{doubt}"


def _note(note: str) -> str:
    return Sentence(" ({note})", note=Sentence.whole(note)) if note else ""


def _prospect(
    target: str, name: str, survey: _Survey, cuts: Mapping[str, Value], added: Mapping[str, Value],
    instead: Callable[[], tuple[str, ...]], *, collapse: bool,
) -> Prospect:  # fmt: skip
    seen = survey.seen[name]
    dead = [one for one in seen if one.verdict.word in _VOID]
    if seen and len(dead) == len(seen):
        return _dead(target, name, dead, instead(), collapse=collapse)
    merged: list[tuple[Value, ...]] = []
    for group in survey.merged[name].values():
        if tuple(group) not in merged:
            merged.append(tuple(group))
    dropped = _distinct(one.value for one in dead if one.is_dropped)
    said: list[str] = []
    word: Word = "real"
    if dead:
        word = "partly"
        said += _in_part(dead, seen, dropped, collapse=collapse)
    elif any(one.verdict.word == "unknown" for one in seen):
        word = "unknown"
        note = next((one.verdict.note for one in seen if one.verdict.note), "")
        said.append(Sentence("nobody knows whether it does anything there{note}: --audit finds out", note=_note(note)))
    if cuts:
        word = "cut" if word == "real" else word
        said.append(Sentence("the server cuts to {samplers} first: what is left varies less than the axis says",
                             samplers=_samplers(cuts)))  # fmt: skip
    if added:
        said.append(Sentence(_NEUTRALS if len(added) > 1 else _NEUTRAL, samplers=_samplers(added)))
    once = Sentence(", and sent once") if collapse else ""
    said += [Sentence("{values} are one there{once}", values=_shown(group), once=once) for group in merged]
    told = Sentence.joined("; ", said) or Sentence("it is honoured")
    return Prospect(target, name, word, Sentence("{axis}: {told}", axis=name, told=told), (), dropped, tuple(merged),
                    dict(added))  # fmt: skip


def _dead(
    target: str, name: str, dead: Sequence[_Seen], instead: tuple[str, ...], *, collapse: bool
) -> Prospect:  # fmt: skip
    verdict = dead[0].verdict
    note = _note(verdict.note)
    word: Word
    match verdict.word:
        case "pinned":
            word = "pinned"
            at = Sentence(" at {value}", value=show(verdict.value)) if verdict.value is not None else note
            what = Sentence("it is fixed{at}", at=at)
        case "refused":
            word, what = "refused", Sentence("it is refused{note}", note=note)
        case _:
            word, what = "ignored", Sentence("it is accepted and has no effect{note}", note=note)
    told = Sentence.joined("; ", [what, Sentence("one column is sent, without it")]) if collapse else what
    text = Sentence("{axis}: {told}", axis=name, told=told)
    if instead:
        text = Sentence("{what}. Instead: {ways}", what=text, ways=Sentence.joined("; ", instead))
    return Prospect(target, name, word, text, instead)


def _in_part(
    dead: Sequence[_Seen], seen: Sequence[_Seen], dropped: tuple[Value, ...], *, collapse: bool
) -> list[str]:  # fmt: skip
    """What is not sent as it stands: values that are refused, and surroundings in which nothing helps."""
    said: list[str] = []
    if dropped:
        note = next((one.verdict.note for one in dead if one.is_dropped and one.verdict.note), "")
        said.append(Sentence(
            "{values} are refused{note}{unsent}" if len(dropped) > 1 else "{values} is refused{note}{unsent}",
            values=_shown(dropped), note=_note(note), unsent=Sentence(", and not sent") if collapse else "",
        ))  # fmt: skip
    groups: dict[tuple[str, str], list[_Seen]] = {}
    for one in dead:
        if not one.is_dropped:
            groups.setdefault((one.verdict.word, one.verdict.note), []).append(one)
    for (word, note), group in groups.items():
        said.append(Sentence("{word} {where}{note}", word=Sentence.whole(word), where=_where(group, seen),
                             note=_note(note)))  # fmt: skip
    return said


def _where(group: Sequence[_Seen], seen: Sequence[_Seen]) -> str:
    """Where an axis does nothing: at values of another axis at which it never does anything, or at its own."""
    alive = [one for one in seen if one.verdict.word not in _VOID]
    for name in group[0].around:
        there = _distinct(one.around.get(name) for one in group)
        if not any(one.around.get(name) in there for one in alive):
            return Sentence("at {axis} {values}", axis=name, values=_shown(there))
    return Sentence("at {values}", values=_shown(_distinct(one.value for one in group)))


def _left_cuts(facts: Facts, asked: Iterable[str]) -> dict[str, Value]:
    """The server's samplers that cut before temperature all the same."""
    given = set(asked)
    return {name: value for name, value in (facts.family.cuts or {}).items()
            if name not in given and value != PARAMETERS[name].neutral}  # fmt: skip


def _instead(facts: Facts, base: Mapping[str, Value], name: str) -> tuple[str, ...]:
    """What can be swept where `name` is void: the scales of thinking, and `name` itself with the thinking off."""
    found: list[str] = []
    asked = {key: value for key, value in base.items() if key not in (*SCALES, name)}
    levels: dict[str, str] = {}
    words: set[str] = set()
    for level, fragment in facts.effort.levels.items():
        word = facts.verdict("effort", {**asked, "effort": level}).word
        if name != "effort" and word not in _VOID:
            body = json.dumps(fragment, sort_keys=True)
            words.add(word)
            if f'"{level}"' in body:  # of names that are one on the wire, the vendor's own
                levels[body] = level
            levels.setdefault(body, level)
    if len(levels) > 1:
        found.append(Sentence("--axis effort={levels}{doubt}", levels=",".join(levels.values()), doubt=_doubt(words)))
    low, high = facts.effort.low, facts.effort.high
    if name != "thinking_budget" and facts.effort.budget is not None:
        middle = max(low or 1024, 4096)
        if (word := facts.verdict("thinking_budget", {**asked, "thinking_budget": middle}).word) not in _VOID:
            found.append(Sentence(_BUDGET_TO if high else _BUDGET, low=low or 0, high=high, doubt=_doubt({word})))
    usual = PARAMETERS[name].neutral if name in PARAMETERS else None
    if "none" in facts.effort.levels and usual is not None:
        off = {**asked, "effort": "none", name: usual}
        taken = facts.verdict("effort", off).word not in _VOID and facts.verdict(name, off).word not in _VOID
        if taken and facts.verdict(name, off).word != "unknown":
            found.append(Sentence("{axis} with --effort none", axis=name))
    return tuple(found)


def _doubt(words: Collection[str]) -> str:
    return "" if "honoured" in words else Sentence(" (nobody knows whether it does anything there)")


def _distinct(values: Iterable[Value]) -> tuple[Value, ...]:
    found: list[Value] = []
    for value in values:
        if value not in found:
            found.append(value)
    return tuple(found)


def _samplers(values: Mapping[str, Value]) -> Sentence:
    told = (Sentence("its own {name}", name=name) if value is None else f"{name} {show(value)}"
            for name, value in values.items())  # fmt: skip
    return Sentence.joined(", ", told, last=" and ")


def _shown(values: Iterable[Value]) -> Sentence:
    return Sentence.joined(", ", map(show, values), last=" and ")
