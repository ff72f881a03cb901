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

from collections.abc import Iterable
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


class Sentence(str):
    """A text of ours that still knows its parts, so that the screen can say it in another language; everywhere else a
    text like any other, and a copy of it is no more than that.

    `form` is the English text with names in braces, `slots` is what stands in them, which may be a Sentence again."""

    form: str
    slots: dict[str, str]

    def __new__(cls, form: str, /, **slots: object) -> Self:
        texts = {name: slot if isinstance(slot, str) else str(slot) for name, slot in slots.items()}
        made = super().__new__(cls, form.format(**texts))
        made.form, made.slots = form, texts
        return made

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    @classmethod
    def whole(cls, text: str) -> Self:
        """A text without parts; a Sentence stays what it is."""
        return text if isinstance(text, cls) else cls(text.replace("{", "{{").replace("}", "}}"))

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


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one request failed, as a value: it is stored, shown and counted, and holds no key.

    `status` is the HTTP status, or None where no answer came. `retry_after` is in seconds.
    `param` is the vendor's name of the refused parameter, where the vendor says which. `sentences` has the forms and
    slots of what in message and hint is ours (`Sentence`), as a stored fault has no other place for them.
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
        kept = dict(self.sentences)
        known = [Sentence(form, **slots) for form, slots in kept.items()]
        for name, text in (("message", self.message), ("hint", self.hint)):
            if isinstance(text, Sentence):
                kept[text.form] = dict(text.slots)
            elif text in known:
                object.__setattr__(self, name, known[known.index(text)])  # type: ignore[arg-type]
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
