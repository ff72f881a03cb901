"""What is known of models and endpoints, as data with sources (knowledge.yaml under the user's config.yaml): what
each takes of a request's parameters, how it thinks, and so what a request becomes before it is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from promptlab.document import Document
from promptlab.errors import ConfigError, Fault, Sentence, nearest
from promptlab.events import Learned
from promptlab.params import BODY, PARAMETERS, Value, show
from promptlab.request import Request, State, Verdict, Word

SHIPPED = Path(__file__).with_name("knowledge.yaml")

Mode = Literal["strict", "adapt", "force"]
Thinks = Literal["always", "by default", "on request", "never"]
Trace = Literal["raw", "summary", "hidden", "none"]
MODES: tuple[Mode, ...] = get_args(Mode)
SCALES = ("effort", "thinking_budget")  # the parameters that become pieces of the body


@dataclass(frozen=True, slots=True)
class Rule:
    """One fact on one parameter. `when` is `thinking`, `not thinking`, `with NAME`, `without NAME` or always ("");
    outside `low` to `high` a value is refused."""

    word: Word
    when: str = ""
    low: float | None = None
    high: float | None = None
    only: Value = None
    default: Value = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How one scale of effort and a budget of thinking tokens are put on the wire: `levels` maps each word of ours to
    a fragment of the body, `budget` is a fragment in which `$` stands for the number of tokens."""

    levels: dict[str, dict[str, Value]] = field(default_factory=dict)
    budget: dict[str, Value] | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an endpoint itself said of a parameter, with its day (ISO 8601). It holds where the thinking was `state`;
    `asked` is the one value that was refused, or None where the parameter was refused whatever its value."""

    endpoint: str
    base_url: str
    model: str
    parameter: str
    word: Word
    state: State
    said: str
    date: str
    value: Value = None
    asked: Value = None


@dataclass(frozen=True, slots=True)
class Family:
    """Facts on the models that match one of the `match` patterns, at the endpoints `at`, or in a dialect, or anywhere.

    Every field but these selectors may be None: not said here."""

    match: tuple[str, ...] = ("*",)
    at: tuple[str, ...] = ()
    dialect: tuple[str, ...] = ()
    thinking: Trace | None = None
    thinks: Thinks | None = None
    effort: str | None = None
    trace: dict[str, Value] | None = None
    role: str | None = None
    against: tuple[str, ...] | None = None
    sections: Literal["markdown", "xml"] | None = None
    order: tuple[str, ...] | None = None
    recommended: tuple[dict[str, Value], ...] | None = None
    cuts: dict[str, Value] | None = None
    parameters: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    source: tuple[str, ...] = ()

    def fit(self, endpoint: str, dialect: str, model: str) -> tuple[int, int] | None:
        """How well this fits a model: (letters of its pattern, narrowness of its selectors), or None."""
        if (self.at and endpoint not in self.at) or (self.dialect and dialect not in self.dialect):
            return None
        id = model.lower()
        names = {id, id.rpartition("/")[2]}
        letters = [_letters(p) for p in self.match if any(_matches(name, p) for name in names)]
        return (max(letters), (2 if self.at else 0) + (1 if self.dialect else 0)) if letters else None


@dataclass(frozen=True, slots=True)
class Retired:
    match: tuple[str, ...]
    at: tuple[str, ...]
    date: str
    successor: str | None = None
    source: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact is from: an address, the day it was read, and how sure (A run here … D common knowledge)."""

    name: str
    url: str = ""
    date: str = ""
    sure: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one model at one endpoint, merged; what nobody has said is None."""

    endpoint: str
    dialect: str
    model: str
    family: Family
    effort: Effort = Effort()
    retired: Retired | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether anything is known of this very model, and not of its endpoint only."""
        return self.family.thinks is not None or self.family.thinking is not None

    def state(self, asked: Mapping[str, Value]) -> State:
        """Whether the model thinks when it is asked so."""
        thinks = self.family.thinks
        if thinks in ("always", "never"):
            return "on" if thinks == "always" else "off"
        effort, budget = asked.get("effort"), asked.get("thinking_budget")
        if effort == "none" or budget == 0:
            return "off"
        if effort is not None or budget is not None:
            return "on"
        return "unknown" if thinks is None else "on" if thinks == "by default" else "off"

    def verdict(self, name: str, asked: Mapping[str, Value]) -> Verdict:
        """What becomes of parameter `name` with the value it has in `asked`, beside the others there."""
        value, state = asked[name], self.state(asked)
        if name.startswith(BODY):
            return Verdict("unknown", "a raw field of the body")
        for finding in self.findings:
            if finding.parameter == name and finding.state == state and finding.asked in (None, value):
                return _found(finding, value)
        rules = self.family.parameters.get(name, ())
        rule = next((rule for rule in rules if _holds(rule.when, state, asked)), None)
        if rule is not None and rule.word in ("ignored", "refused"):
            return Verdict(rule.word, rule.note)
        if self.family.effort and name in SCALES and (gap := self._no_way(name, value)):
            return gap
        if rule is None:
            conditional = any("thinking" in rule.when for rule in rules) and state == "unknown"
            return Verdict("unknown", "it depends on whether the model thinks" if conditional else "")
        return _by_rule(rule, value)

    def _no_way(self, name: str, value: Value) -> Verdict | None:
        """The verdict for an effort or a budget that this model has no word for."""
        effort = self.effort
        if name == "effort":
            if value in effort.levels and not (value == "none" and self.family.thinks == "always"):
                return None
            takes = Sentence("it takes {levels}", levels=", ".join(effort.levels))
            levels = takes if effort.levels else "it has no such setting"
            if value == "none" and self.family.thinks == "always":
                levels = "its thinking can't be switched off"
            return Verdict("refused", levels)
        if value == 0 and "none" in effort.levels and self.family.thinks != "always":
            return None
        if effort.budget is None:
            return Verdict("refused", "it takes an effort, and no budget" if effort.levels else "no such setting")
        return _outside(effort.low, effort.high, value)


@dataclass(frozen=True, slots=True)
class Judged:
    """A request as it goes out: `send` by promptlab's names, `body` the fragments that effort, budget and the wish to
    see the thinking become, `sent` what of the asked is on the wire with the value there, and a verdict on each."""

    send: dict[str, Value]
    body: dict[str, Value]
    sent: dict[str, Value]
    verdicts: dict[str, Verdict]
    state: State = "unknown"


Judge = Callable[[Request], Judged]


def judge(facts: Facts, request: Request, mode: Mode = "adapt") -> Judged:
    """What of a request goes out. `adapt` leaves out what would be refused and what the endpoint has just refused
    (`request.without`); `force` and `strict` send all of it (the caller stops a strict plan before it is sent)."""
    asked = request.parameters
    kept, verdicts = dict(asked), {}
    # Effort and budget first: whether the model thinks, and so what it takes besides, depends on what is left of them.
    for name in sorted(asked, key=lambda name: name not in SCALES):
        verdict = facts.verdict(name, kept)
        if name in request.without:
            verdict = replace(verdict, word="refused" if verdict.word != "pinned" else "pinned", left_out=True)
        elif mode == "adapt" and (
            verdict.word == "refused" or (verdict.word == "pinned" and verdict.value != kept[name])
        ):
            verdict = replace(verdict, left_out=True)
        verdicts[name] = verdict
        if verdict.left_out:
            del kept[name]
    if (twice := _overlap(facts.effort, kept)) is not None:
        del kept["effort"]
        verdicts["effort"] = twice
    verdicts = {name: verdicts[name] for name in asked}
    body: dict[str, Value] = {}
    if facts.family.trace and facts.state(kept) == "on":
        merge(body, facts.family.trace)
    send, sent = dict(kept), dict(kept)
    for name in SCALES:
        if name in kept and (fragment := _fragment(facts.effort, name, kept[name])) is not None:
            del send[name]
            sent[name] = _leaf(fragment)
            merge(body, fragment)
            if name == "effort" and sent[name] in _LEVELS and sent[name] != kept[name] and not verdicts[name].note:
                verdicts[name] = replace(verdicts[name], note="the nearest that it has")
    return Judged(send, body, sent, verdicts, facts.state(kept))


_LEVELS = PARAMETERS["effort"].choices


def _overlap(effort: Effort, kept: Mapping[str, Value]) -> Verdict | None:
    """The verdict on an effort that the budget beside it would write over in the body."""
    if not all(name in kept for name in SCALES):
        return None
    first, second = (_fragment(effort, name, kept[name]) for name in SCALES)
    if first is None or second is None:
        return None
    alone: dict[str, Value] = {}
    merge(alone, first)
    merge(alone, second)
    again: dict[str, Value] = deepcopy(alone)
    merge(again, first)
    return None if again == alone else Verdict("ignored", "the thinking budget is sent in its place", left_out=True)


def as_asked(request: Request) -> Judged:
    """A judge that knows nothing: all is sent as it was asked."""
    asked = dict(request.parameters)
    return Judged(asked, {}, dict(asked), {name: Verdict("unknown") for name in asked})


def not_honoured(verdicts: Mapping[str, Verdict], asked: Mapping[str, Value]) -> dict[str, Verdict]:
    """The parameters that are known not to be honoured as they were asked."""
    return {
        name: verdict for name, verdict in verdicts.items()
        if verdict.word in ("ignored", "refused") or (verdict.word == "pinned" and verdict.value != asked.get(name))
    }  # fmt: skip


def learned(fault: Fault, parameter: str, value: Value, state: State) -> Learned:
    """What an endpoint's refusal of a parameter teaches: refused whatever its value, pinned to one, or this value only.

    Wordings are those of OpenAI, Anthropic, Moonshot and Pydantic-based servers, November 2026."""
    said, code = fault.message, (fault.code or "").lower()
    if found := _ONLY.search(said):
        return Learned(parameter, "pinned", said, state, value=_typed(next(filter(None, found.groups()))))
    of_value = _SOME.search(said) or (parameter == "schema" and _ITS_PART.search(said))
    if "unsupported_parameter" in code or (code != "unsupported_value" and _WHOLE.search(said) and not of_value):
        return Learned(parameter, "refused", said, state)
    return Learned(parameter, "refused", said, state, asked=value)


_ONLY = re.compile(
    r"only the default \(([^)\s]+)\)|only `?(?:\w+=)?([\w.]+)`? is (?:allowed|supported)"
    r"|(?:must|may only|can only) be (?:set to )?`?(1)`?\b(?!\.\d|\s+(?:or|and)\b|\s*[<>])",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"unsupported parameter|not support(?:ed)?\b|deprecated|extra inputs|un(?:known|recognized)|not permitted"
    r"|no such|not allowed|unavailable",
    re.IGNORECASE,
)


_ITS_PART = re.compile(r"(?<!json[_ -])schema\b", re.IGNORECASE)  # this schema, not such a format
_SOME = re.compile(r"unsupported value|supported values|between|must be one of|should be", re.IGNORECASE)


def _typed(text: str) -> Value:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def merge(body: dict[str, Value], fragment: Mapping[str, Value]) -> None:
    """Put a fragment into a body, mapping into mapping; the fragment wins."""
    for key, value in fragment.items():
        inner = body.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            merge(inner, value)
        else:
            body[key] = deepcopy(value)


class Knowledge:
    """All families, efforts and retired ids, the user's above the shipped; and what was found out here."""

    def __init__(
        self, families: Iterable[Family] = (), efforts: Mapping[str, Effort] | None = None,
        retired: Iterable[Retired] = (), sources: Mapping[str, Source] | None = None,
        findings: Iterable[Finding] = (),
    ) -> None:  # fmt: skip
        self.families, self.efforts, self.retired = tuple(families), dict(efforts or {}), tuple(retired)
        self.sources, self.findings = dict(sources or {}), tuple(findings)

    def above(self, other: Knowledge) -> Knowledge:
        """This knowledge over `other`: of two facts that fit equally well this one's holds."""
        return Knowledge(
            [*other.families, *self.families], other.efforts | self.efforts, [*self.retired, *other.retired],
            other.sources | self.sources, [*self.findings, *other.findings],
        )  # fmt: skip

    def facts(self, endpoint: str, dialect: str, model: str, *, like: str | None = None, base_url: str = "") -> Facts:
        """What is known of `model`. `like` names the endpoint whose facts hold here, where it is another one ("" for
        none); findings are of this very endpoint and address."""
        home = endpoint if like is None else like
        fits = [(fit, family) for family in self.families if (fit := family.fit(home, dialect, model)) is not None]
        fits.sort(key=lambda pair: pair[0])  # stable: of equals the later one, the user's, is merged last and wins
        family = Family()
        for _, nearer in fits:
            family = _over(nearer, family)
        id = model.lower()
        retired = next((r for r in self.retired if (not r.at or home in r.at)
                        and any(_matches(id, pattern) for pattern in r.match)), None)  # fmt: skip
        found = tuple(f for f in self.findings if (f.endpoint, f.base_url, f.model) == (endpoint, base_url, model))
        return Facts(endpoint, dialect, model, family, self.efforts.get(family.effort or "", Effort()), retired, found)


def _letters(pattern: str) -> int:
    """How much of a name a pattern says: its letters, a [set] counted as one."""
    return len(_SET.sub("x", pattern).replace("*", "").replace("?", ""))


_SET = re.compile(r"\[[^\]]+\]")


def _matches(name: str, pattern: str) -> bool:
    """fnmatch, with the usual patterns done by hand: it would compile, and forget again, each of some hundred patterns
    for each of some hundred models."""
    if "[" in pattern or "?" in pattern:
        return fnmatchcase(name, pattern)
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    at, end = len(first), len(name) - len(last)
    if not (name.startswith(first) and name.endswith(last)) or at > end:
        return False
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _over(nearer: Family, farther: Family) -> Family:
    """`nearer` with what it leaves unsaid filled in from `farther`; parameters are merged one by one."""
    filled = {
        f.name: getattr(farther, f.name) for f in fields(Family)
        if getattr(nearer, f.name) is None and f.name not in ("match", "at", "dialect")
    }  # fmt: skip
    parameters = {**farther.parameters, **nearer.parameters}
    source = tuple(dict.fromkeys([*nearer.source, *farther.source]))
    return replace(nearer, **filled, parameters=parameters, source=source)


def _holds(when: str, state: State, asked: Mapping[str, Value]) -> bool:
    match when.split():
        case []:
            return True
        case ["thinking"]:
            return state == "on"
        case ["not", "thinking"]:
            return state == "off"
        case ["with", name]:
            return name in asked
        case ["without", name]:
            return name not in asked
    return False


def _by_rule(rule: Rule, value: Value) -> Verdict:
    if rule.word == "pinned":
        fixed = Sentence("fixed at {value}", value=show(rule.only)) if rule.only is not None else "fixed"
        return Verdict("pinned", rule.note or fixed, rule.only)
    return _outside(rule.low, rule.high, value) or Verdict(rule.word, rule.note)


def _outside(low: float | None, high: float | None, value: Value) -> Verdict | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if high is not None and value > high:
            return Verdict("refused", Sentence("at most {most}", most=f"{high:g}"))
        if low is not None and value < low:
            return Verdict("refused", Sentence("at least {least}", least=f"{low:g}"))
    return None


def _found(finding: Finding, value: Value) -> Verdict:
    day = finding.date[:10]
    if finding.word == "pinned" and finding.value is not None:
        fixed = Sentence("fixed at {value}, found here on {day}", value=show(finding.value), day=day)
        return Verdict("pinned", fixed, finding.value)
    return Verdict(finding.word, Sentence("found here on {day}", day=day))


def _fragment(effort: Effort, name: str, value: Value) -> dict[str, Value] | None:
    """What goes into the body for an effort or a budget, or None where this model has no word for it."""
    if name == "effort":
        return effort.levels.get(str(value))
    if value == 0 and "none" in effort.levels:
        return effort.levels["none"]
    filled = _fill(effort.budget, value) if effort.budget is not None else None
    return filled if isinstance(filled, dict) else None


def _fill(template: Value, value: Value) -> Value:
    if isinstance(template, dict):
        return {key: _fill(inner, value) for key, inner in template.items()}
    return value if template == "$" else template


def _leaf(fragment: Value) -> Value:
    """The one value inside a fragment, or the fragment where it has several."""
    while isinstance(fragment, dict) and len(fragment) == 1:
        (fragment,) = fragment.values()
    return fragment


# -- reading -----------------------------------------------------------------------------------------------------

_WORDS: tuple[Word, ...] = get_args(Word)
_FAMILY = ("match", "at", "dialect", "thinking", "thinks", "effort", "trace", "role", "against", "sections", "order",
           "recommended", "cuts", "parameters", "source")  # fmt: skip
_RULE = ("verdict", "when", "range", "only", "default", "note")
_CHOICES: dict[str, tuple[str, ...]] = {
    "thinking": get_args(Trace),
    "thinks": get_args(Thinks),
    "role": ("developer", "system", "user"),
    "sections": ("markdown", "xml"),
}
_AGAINST = ("system", "examples", "steps")
_PARTS = ("role", "goal", "format", "rules", "steps", "examples", "context")
SECTIONS = ("sources", "efforts", "families", "retired")


def read(doc: Document) -> Knowledge:
    """The knowledge in a checked document's sections. Raises ConfigError with file, line and the nearest key."""
    efforts = {name: _effort(doc, name, entry) for name, entry in _mapping(doc, "efforts").items()}
    families = [_family(doc, n, entry) for n, entry in enumerate(_sequence(doc, "families"))]
    retired = [_retired(doc, n, entry) for n, entry in enumerate(_sequence(doc, "retired"))]
    sources = {}
    for name, entry in _mapping(doc, "sources").items():
        entry = _only(doc, entry, ("url", "date", "sure"), "sources", name)
        sources[name] = Source(name, *(str(entry.get(key, "")) for key in ("url", "date", "sure")))
    return Knowledge(families, efforts, retired, sources)


def _mapping(doc: Document, section: str) -> dict[str, Any]:
    value = doc.value.get(section) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"{doc.where(section)}: {section} must be names with keys")
    return value


def _sequence(doc: Document, section: str) -> list[Any]:
    value = doc.value.get(section) or []
    if not isinstance(value, list):
        raise ConfigError(f"{doc.where(section)}: {section} must be a list", "- match: …")
    return value


def _only(doc: Document, entry: object, known: tuple[str, ...] | None, *place: str | int) -> dict[str, Any]:
    """A mapping with no other keys than the known ones; None for any."""
    if not isinstance(entry, dict):
        hint = f"known keys: {', '.join(known)}" if known else "write them as  name: value"
        raise ConfigError(f"{doc.where(*place)}: names with values are wanted here", hint)
    for key in entry:
        if known is not None and key not in known:
            hint = nearest(str(key), known) or f"known keys: {', '.join(known)}"
            raise ConfigError(f"{doc.where(*place, key)}: unknown key '{key}'", hint)
    return entry


def _one_of(doc: Document, value: object, known: Iterable[str], *place: str | int) -> str:
    names = list(known)
    if value not in names:
        hint = nearest(str(value), names) or f"one of {', '.join(names)}"
        raise ConfigError(f"{doc.where(*place)}: '{value}' is not known here", hint)
    return str(value)


def _texts(doc: Document, value: object, *place: str | int) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in found):
        raise ConfigError(f"{doc.where(*place)}: a text, or a list of texts", "put it in quotes")
    return tuple(found)


def _family(doc: Document, number: int, entry: object) -> Family:
    place = ("families", number)
    entry = _only(doc, entry, _FAMILY, *place)
    found: dict[str, Any] = {}
    for key in ("match", "at", "dialect", "against", "order", "source"):
        if key in entry:
            found[key] = _texts(doc, entry[key], *place, key) if entry[key] != [] else ()
    if "match" in found:
        found["match"] = tuple(pattern.lower() for pattern in found["match"])
    for word in found.get("against", ()):
        _one_of(doc, word, _AGAINST, *place, "against")
    for word in found.get("order", ()):
        _one_of(doc, word, _PARTS, *place, "order")
    for key, known in _CHOICES.items():
        if key in entry:
            found[key] = _one_of(doc, entry[key], known, *place, key)
    if "effort" in entry:
        found["effort"] = str(entry["effort"])
    if "trace" in entry:
        found["trace"] = _only(doc, entry["trace"], None, *place, "trace")
    if "recommended" in entry:
        sets = entry["recommended"] if isinstance(entry["recommended"], list) else [entry["recommended"]]
        found["recommended"] = tuple(
            _only(doc, one, (*PARAMETERS, "for"), *place, "recommended") for one in sets
        )  # fmt: skip
    if "cuts" in entry:
        found["cuts"] = _only(doc, entry["cuts"], tuple(PARAMETERS), *place, "cuts")
    given = entry.get("parameters") or {}
    found["parameters"] = {
        name: _rules(doc, rules, *place, "parameters", _parameter(doc, name, *place, "parameters"))
        for name, rules in _only(doc, given, None, *place, "parameters").items()
    }
    return Family(**found)


def _parameter(doc: Document, name: str, *place: str | int) -> str:
    return _one_of(doc, name, PARAMETERS, *place, name)


def _rules(doc: Document, value: object, *place: str | int) -> tuple[Rule, ...]:
    entries = value if isinstance(value, list) else [value]
    return tuple(_rule(doc, entry, *place) for entry in entries)


def _rule(doc: Document, entry: object, *place: str | int) -> Rule:
    if isinstance(entry, str):
        return Rule(_one_of(doc, entry, _WORDS, *place))  # type: ignore[arg-type]
    entry = _only(doc, entry, _RULE, *place)
    word = _one_of(doc, entry.get("verdict"), _WORDS, *place, "verdict")
    when = str(entry.get("when", ""))
    match when.split():
        case [] | ["thinking"] | ["not", "thinking"]:
            pass
        case ["with" | "without", name] if name in PARAMETERS:
            pass
        case _:
            raise ConfigError(f"{doc.where(*place)}: when '{when}' is not known",
                              "thinking, not thinking, with PARAMETER, without PARAMETER")  # fmt: skip
    low, high = _range(doc, entry.get("range"), *place)
    return Rule(word, when, low, high, entry.get("only"), entry.get("default"), str(entry.get("note", "")))  # type: ignore[arg-type]


def _range(doc: Document, value: object, *place: str | int) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    ends = value if isinstance(value, list) else []
    if len(ends) != 2 or not all(end is None or _is_finite(end) for end in ends):
        raise ConfigError(f"{doc.where(*place)}: a range is two numbers", "range: [0, 2]")
    return ends[0], ends[1]


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _effort(doc: Document, name: str, entry: object) -> Effort:
    """`field` names where a plain level goes, dotted for a field inside; a level may be a fragment itself."""
    place = ("efforts", name)
    known = PARAMETERS["effort"].choices
    entry = _only(doc, entry, ("field", "levels", "budget", "range"), *place)
    levels: dict[str, dict[str, Value]] = {}
    for level, value in _only(doc, entry.get("levels") or {}, known, *place, "levels").items():
        if isinstance(value, dict):
            levels[level] = value
        elif not isinstance(entry.get("field"), str):
            raise ConfigError(f"{doc.where(*place)}: a level that is no mapping needs a field", "field: NAME")
        else:
            levels[level] = _nested(entry["field"], value)
    budget = entry.get("budget")
    if isinstance(budget, str):
        budget = _nested(budget, "$")
    low, high = _range(doc, entry.get("range"), *place, "range")
    return Effort(levels, budget, None if low is None else int(low), None if high is None else int(high))


def _nested(field: str, value: Value) -> dict[str, Value]:
    inner: Value = value
    for part in reversed(field.split(".")):
        inner = {part: inner}
    assert isinstance(inner, dict)
    return inner


def _retired(doc: Document, number: int, entry: object) -> Retired:
    place = ("retired", number)
    entry = _only(doc, entry, ("match", "at", "date", "successor", "source"), *place)
    if "match" not in entry:
        raise ConfigError(f"{doc.where(*place)}: which ids are retired?", "match: old-model")
    match, at, source = (
        _texts(doc, entry[key], *place, key) if key in entry else () for key in ("match", "at", "source")
    )
    successor = str(entry["successor"]) if entry.get("successor") else None
    return Retired(tuple(p.lower() for p in match), at, str(entry.get("date", "")), successor, source)
