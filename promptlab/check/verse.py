"""The form of verse: lines and their lengths in any language, and rhyme in Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache

from promptlab.errors import Sentence, UsageError

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_COUNTED = re.compile(f"[{HAN}\u3041-\u3096\u30a1-\u30fa]")  # characters that are counted: Han and kana
_HAN = re.compile(f"[{HAN}]")
_CLAUSE = re.compile(r"[\n，,。.！!？?；;]")  # verse is often written two lines on one
_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_FORM = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?(?:[x×](\d{1,5})(?:-(\d{1,5}))?\s*([wc]?))?", re.ASCII)
_UNITS = {"": "", "w": " words", "c": " characters"}
LEVEL, OBLIQUE = "level", "oblique"


@dataclass(frozen=True, slots=True)
class Form:
    """How many lines, and how long each is; both ends count. `unit`: w words, c characters, or whichever suits."""

    fewest: int
    most: int
    shortest: int | None = None
    longest: int | None = None
    unit: str = ""


def form(want: str) -> Form:
    """The form in `4x7`, `4`, `3-5x5-9`, `4x8w` (words) or `4x40c` (characters). Raises UsageError."""
    found = _FORM.fullmatch(want.replace(" ", ""))
    if found is None:
        raise UsageError(f"lines: '{want[:40]}' is no lines × length", "for example lines:4x7, or lines:4")
    fewest, most, shortest, longest, unit = found.groups()
    short = None if shortest is None else int(shortest)
    made = Form(int(fewest), int(most or fewest), short, int(longest) if longest else short, unit or "")
    if made.fewest > made.most or (made.longest or 0) < (made.shortest or 0):
        raise UsageError(f"lines: '{want[:40]}' is empty: from more to less", "for example lines:3-5x7")
    return made


def has_form(want: str, text: str) -> tuple[bool, str]:
    """Whether a text has so many lines of such a length.

    Where a length is wanted and the text has Chinese in it, its lines end at a line end and at ，。！？； and only Han
    characters and kana count. Otherwise a line is one with something on it, and its words count; or with `c` all its
    characters. `note` names the first line that is wrong."""
    wanted = form(want)
    if wanted.shortest is not None and not wanted.unit and _COUNTED.search(text):
        lengths = [len(line) for line in _clauses(text)]
    else:
        lengths = [_length(line, wanted.unit) for line in text.splitlines() if line.strip()]
    if not wanted.fewest <= len(lengths) <= wanted.most:
        return False, Sentence("{count} line" if len(lengths) == 1 else "{count} lines", count=len(lengths))
    if wanted.shortest is None or wanted.longest is None:
        return True, ""
    for number, length in enumerate(lengths, 1):
        if not wanted.shortest <= length <= wanted.longest:
            unit = Sentence.whole(_UNITS[wanted.unit])
            return False, Sentence("line {number} has {length}{unit}", number=number, length=length, unit=unit)
    return True, ""


def _length(line: str, unit: str) -> int:
    return len(line.strip()) if unit == "c" else len(_WORD.findall(line))


def _clauses(text: str) -> list[str]:
    """The lines of Chinese verse, nothing but their characters."""
    parts = (_COUNTED.findall(part) for part in _CLAUSE.split(unicodedata.normalize("NFC", text)))
    return ["".join(part) for part in parts if part]


# -- rhyme -----------------------------------------------------------------------------------------------------------

# The 14 classes of 中华新韵 (2005): finals that count as one rhyme in today's pronunciation. The old 平水韵 is finer,
# and pinyin can't tell it.
_CLASSES = (
    "a ia ua", "o e uo", "ie ve ue", "ai uai", "ei ui uei", "ao iao", "iu iou ou", "an ian uan van",
    "en in un uen vn", "ang iang uang", "eng ing ueng ong iong", "i er v", "-i", "u",
)  # fmt: skip
_CLASS = {final: number for number, finals in enumerate(_CLASSES) for final in finals.split()}
_BUZZING = {"zh", "ch", "sh", "r", "z", "c", "s"}  # initials whose i is a vowel of its own, class -i

Sound = tuple[int, str]  # class and tone: level (1, 2) or oblique (3, 4)


def need_pinyin() -> None:
    """Raise UsageError where the readings of characters are not installed."""
    from importlib.util import find_spec

    if find_spec("pypinyin") is None:
        raise UsageError(
            "the check 'rhyme' needs pypinyin, which is not installed", "pip install 'promptlab-tui[verse]'"
        )


def wanted(want: str) -> tuple[tuple[int, ...], bool]:
    """Line numbers that must rhyme (none: the even ones), and whether in a level tone: `level`, `2,4`, `level,2,4`.
    Raises UsageError."""
    numbers, level = [], False
    for word in filter(None, map(str.strip, want.split(","))):
        if word == LEVEL:
            level = True
        elif re.fullmatch(r"[1-9]\d{0,2}", word, re.ASCII):
            numbers.append(int(word))
        else:
            raise UsageError(f"rhyme: '{word[:40]}' is no line's number", "rhyme, rhyme:level, or rhyme:1,2,4")
    if len(numbers) == 1:
        raise UsageError("rhyme: one line alone can't rhyme", "for example rhyme:2,4")
    return tuple(dict.fromkeys(numbers)), level


def rhymes(want: str, text: str) -> tuple[bool | None, str]:
    """Whether lines of Chinese verse rhyme: their last characters have readings of one class and one kind of tone.

    The same character twice is no rhyme but a fault of its own (重韵). The note says how often lines that end on
    random characters would pass: the more readings characters have, the more that is. Characters with several
    readings pass with any of them."""
    try:
        need_pinyin()
    except UsageError as error:
        return None, error.message
    numbers, level = wanted(want)
    lines = [found for part in _clauses(text) if (found := _HAN.findall(part))]
    places = numbers or tuple(range(2, len(lines) + 1, 2))
    if len(places) < 2 or max(places) > len(lines):
        return False, Sentence("{count} Chinese line: too few to rhyme" if len(lines) == 1
                               else "{count} Chinese lines: too few to rhyme", count=len(lines))  # fmt: skip
    ends = [lines[place - 1][-1] for place in places]
    if twice := next((end for at, end in enumerate(ends) if end in ends[:at]), ""):
        return False, Sentence("the same character twice: {character}", character=twice)
    shared = frozenset.intersection(*map(sounds, ends))
    passed = any(tone == LEVEL or not level for _, tone in shared)
    told = " ".join(f"{place}{end}" for place, end in zip(places, ends, strict=True))
    share = f"{chance(len(ends), level=level):.2g}"
    return passed, Sentence("{told}; {share}% of random endings would pass", told=told, share=share)


@cache
def sounds(char: str) -> frozenset[Sound]:
    """The class and tone of every reading of a character; empty for one without."""
    from pypinyin import Style, pinyin
    from pypinyin.contrib.tone_convert import to_finals, to_initials, to_normal

    found = set()
    for reading in pinyin(char, style=Style.TONE3, heteronym=True, errors="ignore", neutral_tone_with_five=True)[:1]:
        for one in reading:
            bare, tone = to_normal(one[:-1], v_to_u=False), one[-1]
            final = to_finals(bare, strict=True, v_to_u=False)
            if final == "i" and to_initials(bare) in _BUZZING:
                final = "-i"
            if final in _CLASS and tone in "1234":
                found.add((_CLASS[final], LEVEL if tone in "12" else OBLIQUE))
    return frozenset(found)


@cache
def chance(lines: int, *, level: bool) -> float:
    """Of how many hundred sets of random endings would so many lines rhyme: over the 3,755 common characters of GB
    2312. It counts a set that rhymes in two ways twice, which is rare."""
    common = [bytes((row, cell)).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    counts = Counter(sound for char in filter(None, common) for sound in sounds(char))
    kept = [count for (_, tone), count in counts.items() if tone == LEVEL or not level]
    return 100 * sum((count / len(list(filter(None, common)))) ** lines for count in kept)
