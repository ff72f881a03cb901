"""The error tree. Each error says what happened (`message`) and what to do next (`hint`), for a person.

LabError                 exit code 1
├── UsageError           2: the command line, a file or a value is not what it must be
│   ├── ProfileError     2: a profile, with file and line
│   └── ConfigError      2: config.yaml, with file and key
├── StoreError           1: the history can't be read or written
├── WeightsError         1: the embedded model's weights can't be had
└── ProviderError        1: one request failed at its endpoint; a value in the run, never its end
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, Self

FaultKind = Literal[
    "auth",  # the key is missing, wrong or not allowed here
    "no_credit",  # the account can't pay for it
    "rate_limit",  # too many requests; later may do
    "overloaded",  # the server can't take more now; later may do
    "loading",  # a local server still loads the model
    "param_rejected",  # a parameter's name or value is refused
    "context_overflow",  # prompt and answer don't fit into the model's context
    "model_missing",  # no such model at this endpoint
    "moderation",  # refused for what the prompt says
    "bad_request",  # any other 4xx
    "server",  # any other 5xx, or an error inside the stream
    "connection_refused",  # nobody listens there
    "connection",  # name not found, TLS, reset, closed in the middle
    "not_an_api",  # the address answers, but not as a model server (HTML, no event stream)
    "timeout",  # one of our own limits was reached
    "unknown",
]


_BLANK = re.compile(r"\{\{|\}\}|\{(\w+)\}|[{}]")
# What a stored fault's sentences may have: forms, slots of each, characters of a form and of a slot.
_FORMS, _SLOTS, _LONGEST_FORM, _LONGEST_SLOT = 16, 16, 500, 2000


def fill(form: str, slots: Mapping[str, str]) -> str:
    """A form with its slots in its blanks: `{name}`, and doubled braces that stand for one. Raises ValueError for any
    other brace and for a blank without a slot: a form may come out of the history, and `str.format` would look into
    objects for it and pad without end."""

    def part(found: re.Match[str]) -> str:
        if (name := found[1]) is None:
            if len(found[0]) == 2:
                return found[0][0]
        elif name in slots:
            return slots[name]
        raise ValueError(f"{found[0]} in {form[:80]!r} can't be filled in")

    return _BLANK.sub(part, form)


class Sentence(str):
    """A text of ours that still knows its parts, so that the screen can say it in another language; everywhere else a
    text like any other, and a copy of it is no more than that.

    `form` is the English text with names in braces, `slots` is what stands in them, which may be a Sentence again."""

    form: str
    slots: dict[str, str]

    def __new__(cls, form: str, /, **slots: object) -> Self:
        texts = {name: slot if isinstance(slot, str) else str(slot) for name, slot in slots.items()}
        made = super().__new__(cls, fill(form, texts))
        made.form, made.slots = form, texts
        return made

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    @classmethod
    def whole(cls, text: str) -> Self:
        """A text without parts; a Sentence stays what it is."""
        return text if isinstance(text, cls) else cls(text.replace("{", "{{").replace("}", "}}"))

    @classmethod
    def read(cls, text: str, forms: Iterable[str]) -> Self | None:
        """A text that others have made, with the parts that the first form that fits it finds; None where none fits.
        Forms here have no doubled braces."""
        for form in forms:
            texts = _BLANK.split(form)  # text and name in turn
            pattern = "".join(f"(?P<{one}>.+?)" if at % 2 else re.escape(one) for at, one in enumerate(texts))
            if found := re.fullmatch(pattern, text, re.DOTALL):
                return cls(form, **found.groupdict())
        return None

    def parts(self) -> Iterator[Sentence]:
        """The sentences within this one, each before that which it is a part of, and this one last."""
        for slot in self.slots.values():
            if isinstance(slot, Sentence):
                yield from slot.parts()
        yield self

    def changed(self, **slots: object) -> Self:
        """The same with other parts in some of its slots."""
        return type(self)(self.form, **{**self.slots, **slots})

    @classmethod
    def joined(cls, separator: str, texts: Iterable[str], last: str = "") -> Self:
        """Several, each of which keeps its parts; what stands between them is a Sentence too, and so is what stands
        before the `last` one, where that differs."""
        slots = {f"t{number}": text for number, text in enumerate(texts)}
        form = "{between}".join(f"{{{name}}}" for name in slots)
        if last:
            form = "{last}".join(form.rsplit("{between}", 1))
            slots["last"] = cls.whole(last)
        return cls(form, between=cls.whole(separator), **slots)


class LabError(Exception):
    """Anything promptlab can foresee. Shown as one line, and the hint as a second one."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LabError):
    exit_code = 2


class ProfileError(UsageError):
    pass


class ConfigError(UsageError):
    pass


class StoreError(LabError):
    pass


class WeightsError(LabError):
    pass


def _restored(stored: object) -> dict[str, Sentence]:
    """The sentences of a stored fault, by their texts: each is put into those behind it that have its text in a slot.
    None at all where one of them is not as we write it, since the history may come from anybody.

    Only a slot that is not empty and has a blank may hold one: so they can't have more parts than text, however deep
    they lie in each other."""
    known: dict[str, Sentence] = {}
    if not isinstance(stored, dict) or len(stored) > _FORMS:
        return known
    for form, slots in stored.items():
        if len(form) > _LONGEST_FORM or not isinstance(slots, dict) or len(slots) > _SLOTS:
            return {}
        if not all(isinstance(slot, str) and len(slot) <= _LONGEST_SLOT for slot in slots.values()):
            return {}
        blanks = set(_BLANK.findall(form))
        try:
            made = Sentence(form, **{name: known.get(slot, slot) if slot else slot
                                     for name, slot in slots.items() if name in blanks})  # fmt: skip
        except ValueError:
            return {}
        known[made] = made
    return known


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one request failed, as a value: it is stored, shown and counted, and holds no key.

    `status` is the HTTP status, or None where no answer came. `retry_after` is in seconds.
    `param` is the vendor's name of the refused parameter, where the vendor says which. `sentences` has the forms and
    slots of what in message and hint is ours (`Sentence`), and of the sentences within, as a stored fault has no other
    place for them; where they are not as we write them, message and hint are plain texts.
    """

    kind: FaultKind
    message: str
    hint: str = ""
    provider: str = ""
    status: int | None = None
    code: str | None = None
    param: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    sentences: dict[str, dict[str, str]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        known = _restored(self.sentences)
        kept: dict[str, dict[str, str]] = {}
        for name, text in (("message", self.message), ("hint", self.hint)):
            if type(text) is str and text in known:
                object.__setattr__(self, name, text := known[text])
            if isinstance(text, Sentence):
                for one in text.parts():
                    kept[one.form] = {slot: str(said) for slot, said in one.slots.items()}
        object.__setattr__(self, "sentences", kept)

    def line(self) -> str:
        """One line: provider, status and the vendor's own words, or ours."""
        where = f"{self.provider} {self.status}" if self.status is not None else self.provider
        if not where:
            return self.message
        ours = isinstance(self.message, Sentence)
        return Sentence("{where}: {what}", where=where, what=self.message) if ours else f"{where}: {self.message}"


class ProviderError(LabError):
    """A request that failed at its endpoint. The engine turns it into a Failed event."""

    def __init__(self, fault: Fault, reason: str | None = None) -> None:
        """`reason` is the finish reason that the vendor gave beside the error, if any."""
        super().__init__(fault.line(), fault.hint)
        self.fault = fault
        self.reason = reason


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the known word nearest to `word`, or an empty string."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return Sentence("did you mean '{word}'?", word=found[0]) if found else ""
