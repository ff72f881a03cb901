"""Every text of the screen, by language: plain tables, one module for each part of the screen. What a language lacks is
said in English."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from promptlab.errors import Sentence
from promptlab.tui.text import compose, history, lab, profile, sweep, watch

_PARTS = (lab, compose, watch, sweep, history, profile)
TEXTS: dict[str, dict[str, str]] = {
    "en": {key: text for part in _PARTS for key, text in part.EN.items()},
    "zh": {key: text for part in _PARTS for key, text in part.ZH.items()},
}


@cache
def sentences(language: str) -> Mapping[str, str]:
    """Sentences of ours that are made elsewhere, by their English form; made as the first one is to be said."""
    from promptlab.params import PARAMETERS
    from promptlab.tui.text import axis, lint, remark, sentence

    if language != "zh":
        return {}
    about = {one.help: compose.ZH[f"about_{name}"] for name, one in PARAMETERS.items()}
    return sentence.ZH | lint.ZH | remark.ZH | axis.ZH | about


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
            return known.get(text, text)
        slots = {name: self.ours(slot) if isinstance(slot, Sentence) else slot for name, slot in text.slots.items()}
        try:
            return known.get(text.form, text.form).format(**slots)
        except (KeyError, IndexError, ValueError):  # out of the history, as another version has kept it
            return text

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
