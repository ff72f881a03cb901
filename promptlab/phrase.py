"""Something to be said, before anybody says it: which sentence, and what stands in its blanks. Whoever shows it has the
sentences, in a language of his own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Phrase:
    """`form` is the key of a sentence with blanks, `slots` has their values: texts as they are, names in a row, other
    phrases."""

    form: str
    slots: Mapping[str, str | int | Phrase | tuple[str | Phrase, ...]] = field(default_factory=dict)


def worded(phrase: Phrase, sentences: Mapping[str, str], listed: Callable[[tuple[str, ...]], str]) -> str:
    """The phrase in the words of a table; `listed` makes names in a row one text. Raises KeyError for a form that the
    table does not have."""

    def text(value: str | int | Phrase | tuple[str | Phrase, ...]) -> str:
        if isinstance(value, Phrase):
            return worded(value, sentences, listed)
        return listed(tuple(map(text, value))) if isinstance(value, tuple) else str(value)

    return sentences[phrase.form].format_map({name: text(value) for name, value in phrase.slots.items()})
