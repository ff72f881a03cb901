"""One text in the form in which texts are compared: its units, how far it repeats itself, and which scripts it is in.

A unit is one character of a script without spaces between words (Chinese, Japanese, Thai …), else a word, a number or
a sign, after NFKC and without regard to case: so no segmenter is needed and full-width forms count as plain ones."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

# Han with its marks and extensions, kana, bopomofo.
HAN = "\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# And Thai, Lao, Myanmar and Khmer, whose marks are units as well.
_UNSPACED = HAN + "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_ASCII = re.compile(r"[a-z]+|\d+|[^\w\s]|_")  # what `_unit` comes to where all is ASCII and small, three times as fast


def pattern(form: str) -> re.Pattern[str]:
    """The pattern of one unit in this plain text."""
    return _ASCII if form.isascii() else _unit()


@lru_cache(maxsize=1)
def _unit() -> re.Pattern[str]:
    # Vowel signs of Indic and Hebrew or Arabic points are not \w to Python, yet belong to their words.
    unspaced = re.compile(f"[{_UNSPACED}]")
    points = (chr(code) for code in range(0x300, 0x1B00))
    marks = "".join(c for c in points if unicodedata.category(c) in ("Mn", "Mc") and not unspaced.match(c))
    return re.compile(
        rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W\d_])(?:(?![{_UNSPACED}])[^\W\d_]|[{marks}])*|\d+|[^\w\s]|_"
    )


def plain(text: str) -> str:
    """NFKC, and without case: the form in which texts are compared."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def units(text: str) -> list[str]:
    """The units of a text in order."""
    return Text(text).units


class Text:
    """A text with its plain form and its units, each worked out once for all that is counted in it."""

    __slots__ = ("plain", "text", "units")

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = plain(text)
        self.units: list[str] = pattern(self.plain).findall(self.plain)

    @staticmethod
    def of(text: str | Text) -> Text:
        return text if isinstance(text, Text) else Text(text)


def repetition(text: str | Text, n: int = 4) -> float | None:
    """The share of n-grams of units that came before in this text: seq-rep-n of Welleck et al. 1908.04319.

    Catches loops. None for fewer than n units.
    """
    own = Text.of(text).units
    grams = len(own) - n + 1
    return 1 - len(set(zip(*(own[start:] for start in range(n)), strict=False))) / grams if grams > 0 else None


def drift(text: str | Text, prompt: str) -> float | None:
    """The share of a text's letters in scripts that the prompt has no letter of; None where one has no letters.

    A description, not a fault: a prompt may ask for a translation.
    """
    known, own = _scripts(prompt), Text.of(text).plain
    if own.isascii():  # all of its letters are of one script
        return None if not known or own.upper() == own else float("LATIN" not in known)
    scripts = [(_script(letter), count) for letter, count in Counter(own).items()]
    total = sum(count for script, count in scripts if script)
    if not known or not total:
        return None
    return sum(count for script, count in scripts if script and script not in known) / total


@lru_cache(maxsize=64)
def _scripts(prompt: str) -> frozenset[str]:
    return frozenset(_script(letter) for letter in set(plain(prompt))) - {""}


@lru_cache(maxsize=16_384)
def _script(letter: str) -> str:
    """The script of a letter as Unicode's name for it begins; empty for what is no letter. The two kana are one."""
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return "KANA" if name in ("HIRAGANA", "KATAKANA") else name
