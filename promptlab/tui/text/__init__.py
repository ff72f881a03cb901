"""Every text of the screen, by language: plain tables, one module for each part of the screen. What a language lacks is
said in English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from promptlab.errors import Sentence, fill
from promptlab.tui.text import compose, history, lab, profile, sweep, watch

_PARTS = (lab, compose, watch, sweep, history, profile)
TEXTS: dict[str, dict[str, str]] = {
    "en": {key: text for part in _PARTS for key, text in part.EN.items()},
    "zh": {key: text for part in _PARTS for key, text in part.ZH.items()},
}


# What the system says of a file, and our plain texts of one that can't be read, made in many places.
SYSTEM = ("No such file or directory", "Permission denied", "Is a directory", "Not a directory")
_UNREAD = ("the schema {want} can't be read: {why}", "{name} can't be read: {why}", "{name} is a folder")
_ENDS = (*SYSTEM, " is a folder")


@cache
def sentences(language: str) -> Mapping[str, str]:
    """Sentences of ours that are made elsewhere, by their English form; made as the first one is to be said."""
    from promptlab.params import PARAMETERS
    from promptlab.tui.text import axis, lint, remark, request, sentence, vote

    if language != "zh":
        return {}
    about = {one.help: compose.ZH[f"about_{name}"] for name, one in PARAMETERS.items()}
    return sentence.ZH | lint.ZH | remark.ZH | axis.ZH | vote.ZH | request.ZH | about


def _unread(text: str) -> str:
    """What says of a file why it can't be read, as a Sentence."""
    found = Sentence.read(text, _UNREAD)
    if found is None:
        return text
    return found.changed(why=Sentence.whole(found.slots["why"])) if "why" in found.slots else found


class Say:
    """The texts of one language: `say("page", page=1, pages=2)`."""

    def __init__(self, language: str = "en") -> None:
        self.language = language if language in TEXTS else "en"
        self._table = TEXTS["en"] | TEXTS[self.language]

    def __call__(self, key: str, **values: object) -> str:
        text = self._table[key]
        return text.format(**values) if values else text

    def ours(self, text: str) -> str:
        """A text that was made elsewhere, in this language where it is ours; what others have said stays as it is."""
        if not (known := sentences(self.language)):
            return text
        if not isinstance(text, Sentence):
            if text in known or not text.endswith(_ENDS):
                return known.get(text, text)
            text = _unread(text)
        if not isinstance(text, Sentence):
            return text
        slots = {name: self.ours(slot) if isinstance(slot, Sentence) else slot for name, slot in text.slots.items()}
        return fill(known.get(text.form, text.form), slots)

    def known(self, key: str, otherwise: str) -> str:
        """A text that may not be in the table: a word that comes from elsewhere."""
        return self._table.get(key, otherwise)

    def long(self, key: str) -> str:
        """What a key does, where there is room."""
        return self._table.get(f"h_{key[2:]}", self._table[key])


def language(environment: Mapping[str, str] = os.environ) -> str:
    """The language that the user's locale asks for; PROMPTLAB_LANG is above it."""
    for name in ("PROMPTLAB_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if said := environment.get(name):
            return "zh" if said.lower().startswith("zh") else "en"
    return "en"
