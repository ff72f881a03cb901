"""The answer in a text: a boxed one, a number, an option, a field of JSON, a match; as one normal form for one value.

No match is None: an abstention, which has no vote. Texts are untrusted: only the last 200,000 characters of one are
looked at, and a pattern of the user's has two seconds a text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from promptlab.errors import UsageError, nearest
from promptlab.extract import number

if TYPE_CHECKING:
    import regex

HOWS = ("auto", "boxed", "number", "option", "json:FIELD", "re:PATTERN", "text")
"""The ways to extract, as they are written."""

PATIENCE = 2.0
"""Seconds that a pattern may search one text."""

_LONGEST = 200_000  # characters
_SHORT = 24  # characters of a text without a number that is an answer as it stands
_TRIES = 64  # places to begin reading JSON or a box at: hostile texts are all beginnings

_FIELDS = ("answer", "final_answer", "finalAnswer", "result", "答案", "最终答案")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)^[ \t]*\1", re.MULTILINE | re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_MARKUP = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_PHRASE = re.compile(
    r"\b(?:answer(?:\s+to\s[^.\n]{1,80})?(?:\s+(?:is|was|equals)\b(?!\s+not\b)|\s*[:=])|####)\s*:?"
    r"|####|(?:答案|得数)\s*(?:应?该?(?:是|为)|等于|[:=])\s*:?"
    r"|(?:故|应|因此|所以)选(?=\W{0,3}[A-H](?![A-Za-z]))",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\n|[.!?](?=\s|$)|[。;]|,?\s+(?:because|since|which|where)\b|,?(?:因为|由于|因此|所以|即|也就是)"
)
_LETTERED = re.compile(r"\(?([A-H])(?:\)|[).:、](?=\s|[\u4e00-\u9fff]|$).*|)", re.DOTALL)
_EDGES = " \t\n.。,，;；:!！?？\"'“”‘’「」『』《》"

_CHOSEN = re.compile(
    r"(?:(?i:\banswers?\b)(?:\s+(?i:is|are|was)|\s*[:=])+|答案\s*(?:应?该?[是为选]|[:=])+|(?:故|应|因此|所以)选择?[项了]?:?)"
    r"\s*:?\s*(?:(?i:option|choice)|选项?)?\s*[(\[{\"']?(?!A\s+(?!because\b|since\b|as\b|and\b)[a-z])"
    r"(?P<letters>[A-H](?:\s?(?:,|、|和|&|and)?\s?[A-H])*)(?![\w'])"
)
_NAMED = re.compile(
    r"(?:(?i:\b(?:option|choice|choose|select|pick))|选项?择?)\s*:?\s*[(\[\"']?(?P<letters>[A-H])(?![A-Za-z0-9'])"
)
_ALONE = re.compile(r"^[^\w\n]{0,20}(?P<letters>[A-H](?:[ \t]?[,、]?[ \t]?[A-H])*)[^\w\n]{0,20}$", re.MULTILINE)
_LISTED = re.compile(r"^[ \t]{0,20}[(\[]?(?P<letters>[A-H])[)\].:、](?=\s|[\u4e00-\u9fff])", re.MULTILINE)
_BRACKETED = re.compile(r"[(\[](?P<letters>[A-H])[)\]]")
_STANDING = re.compile(r"(?<![\w'])(?P<letters>[B-H])(?![\w'])")


def extract(text: str, how: str = "auto") -> str | None:
    """The answer in a text in its normal form (`normalise`), or None where there is none.

    auto: a field `answer` of JSON, else the last \\boxed{}, else what follows the last `answer is` or `答案是`, else
    the last number, else the whole where it is a few words on one line. boxed, number: the last one. option: a
    letter A to H, several as ACD. json:FIELD: the last JSON value that has the field, in fenced code or the open;
    a path a.b.0 goes into objects and lists. re:PATTERN: the last match, its group `answer` or first one if it has
    any. text: the whole. UsageError for another `how`, a bad pattern, or one that is too slow for the text.
    """
    text = text[-_LONGEST:]
    kind, _, want = how.partition(":")
    if how == "auto":
        return _auto(text)
    if how == "boxed":
        return _normal(boxed(text))
    if how == "number":
        value = number.last(number.flatten(_MARKUP.sub("", text)))
        return None if value is None else number.form(value)
    if how == "option":
        return _option(text)
    if how == "text":
        return _normal(text)
    if kind == "json" and want:
        return _field(text, want)
    if kind == "re" and want:
        return _match(text, want)
    raise _unknown(how)


def check_how(how: str) -> None:
    """Raises the UsageError that `extract` would raise for this way, before anything is sent."""
    kind, _, want = how.partition(":")
    if kind == "re" and want:
        _pattern(want)
    elif how not in HOWS[:4] and how != "text" and not (kind == "json" and want):
        raise _unknown(how)


def normalise(text: str) -> str:
    """The form that all spellings of one value share: 1,000 元, 1e3 and 一千 are 1000; 50%, 1/2 and ½ are 0.5.

    A text that is not a number loses case, markup, quotes, end marks and the width of its characters; one letter is
    a capital. Empty for what is only that.
    """
    flat = _MARKUP.sub("", number.flatten(text))
    flat = _unwrapped(" ".join(flat.split()))
    value = number.read(flat)
    if value is not None:
        return number.form(value)
    return flat.upper() if len(flat) == 1 and flat.isascii() else flat.casefold()


def boxed(text: str) -> str | None:
    """What stands in the last \\boxed{} whose braces match."""
    for start in [found.end() for found in _BOX.finditer(text)][: -_TRIES - 1 : -1]:
        depth, place = 1, start
        while place < len(text) and depth:
            char = text[place]
            if char == "\\":
                place += 1
            elif char in "{}":
                depth += 1 if char == "{" else -1
            place += 1
        if not depth:
            return text[start : place - 1]
    return None


def _auto(text: str) -> str | None:
    if "{" in text:
        for value in reversed(list(_values(text))):
            for field in _FIELDS:
                if (found := _normal(_said(_inside(value, field)))) is not None:
                    return found
        if (found := _normal(boxed(text))) is not None:
            return found
    flat = _MARKUP.sub("", number.flatten(text))
    for phrase in reversed(list(_PHRASE.finditer(flat))):
        if (found := _after(flat[phrase.end() :])) is not None:
            return found
    value = number.last(flat)
    if value is not None:
        return number.form(value)
    whole = text.strip()
    return _normal(whole) if len(whole) <= _SHORT and "\n" not in whole else None


def _after(tail: str) -> str | None:
    """The answer at the beginning of what follows `the answer is`."""
    tail = tail.lstrip()
    end = _SENTENCE.search(tail)
    tail = tail[: end.start()] if end else tail
    if letter := _LETTERED.fullmatch(_unwrapped(tail)):
        return letter[1]
    if number.read(tail) is None and re.match(r"[-+]?\W{0,2}\d", tail):
        values = list(number.every(tail))
        if len(values) == 1 and " " in tail.strip():  # 12 apples in all
            return number.form(values[0])
    return _normal(tail)


def _option(text: str) -> str | None:
    flat = _MARKUP.sub("", number.flatten(_BOX.sub("{", text))).replace("$", "")
    flat = re.sub(r"[{}]", " ", flat)
    if found := list(_CHOSEN.finditer(flat)):
        return _letters(found[-1])
    inside = boxed(text)
    if inside is not None and (only := _ALONE.fullmatch(_MARKUP.sub("", number.flatten(inside)).strip("{}() "))):
        return _letters(only)
    for pattern in (_ALONE, _NAMED):
        if found := list(pattern.finditer(flat)):
            return _letters(found[-1])
    for pattern in (_LISTED, _BRACKETED, _STANDING):
        found = list(pattern.finditer(flat))
        if len({one["letters"] for one in found}) == 1:  # several are the question told again
            return _letters(found[-1])
    return None


def _letters(found: re.Match[str]) -> str:
    return "".join(sorted(set(re.findall("[A-H]", found["letters"]))))


def _field(text: str, path: str) -> str | None:
    for value in reversed(list(_values(text))):
        found = _said(_inside(value, path))
        if found is not None:
            return _normal(found)
    return None


def _values(text: str) -> Iterator[object]:
    """JSON objects and lists in a text: the whole, those in fenced code, else those in the open."""
    for part in (text, *(fence[2] for fence in _FENCE.finditer(text))):
        if part.lstrip()[:1] in ("{", "["):
            try:
                yield _decoder().decode(part.strip())
                continue
            except (ValueError, RecursionError):
                pass
        if part is text:
            yield from _open_values(text)


def _open_values(text: str) -> Iterator[object]:
    starts = [found.start() for found in re.finditer(r"[{\[]", text)]
    reached = tries = 0
    # The last ones count, so many beginnings are cut at the front.
    for start in starts[-_TRIES * 16 :]:
        if start < reached or tries >= _TRIES * 4:
            continue
        try:
            value, reached = _decoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            tries += text[start] == "{"
            continue
        yield value


@lru_cache(maxsize=1)
def _decoder() -> json.JSONDecoder:
    # Numbers stay text: 0.1 and 12345678901234567890 exactly as they were written.
    return json.JSONDecoder(strict=False, parse_float=_Written, parse_int=_Written)


class _Written(str):
    __slots__ = ()


def _inside(value: object, path: str) -> object:
    """The value at a path; a field whose name holds a dot is found as well. None where there is none."""
    if isinstance(value, dict) and path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    if isinstance(value, dict):
        inner = value.get(head)
    elif isinstance(value, list) and head.isdecimal() and len(head) < 10 and int(head) < len(value):
        inner = value[int(head)]
    else:
        return None
    return _inside(inner, rest) if dot else inner


def _said(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return None


def _plain(value: object) -> object:
    """JSON whose numbers are numbers again, for writing it out."""
    if isinstance(value, _Written):
        return float(value) if set(value) & set(".eEN") else int(value) if len(value) < 400 else str(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def _match(text: str, pattern: str) -> str | None:
    found = None
    try:
        for one in _pattern(pattern).finditer(text, timeout=PATIENCE):
            found = one
    except TimeoutError:
        raise UsageError(
            f"the pattern {pattern!r} takes more than {PATIENCE:g} s for a text of {len(text):,} characters",
            "repeats within repeats are what makes patterns slow: write [ab]+ for (a|b)+, or (?>…) to never go back",
        ) from None
    if found is None:
        return None
    groups = found.groupdict()
    chosen = groups["answer"] if "answer" in groups else found[1] if found.re.groups else found[0]
    return _normal(chosen)


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> regex.Pattern[str]:
    import regex  # not the standard library's: a search by that can't be given a time limit

    try:
        return regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as error:
        raise UsageError(
            f"{pattern!r} is no regular expression: {error}", "see `pydoc re` for how they are written"
        ) from None


def _normal(text: str | None) -> str | None:
    return (normalise(text) or None) if text is not None else None


def _unwrapped(text: str) -> str:
    """Without quotes, end marks, and the dollars or brackets around a whole."""
    while True:
        inner = text.strip(_EDGES) if not re.match(r"\.\d", text) else text.rstrip(_EDGES)
        if len(inner) > 2 and inner[0] == inner[-1] == "$":
            inner = inner[1:-1]
        if found := re.fullmatch(r"[(\[{]([^()\[\]{},]*)[)\]}]", inner):
            inner = found[1]
        if inner == text:
            return text
        text = inner


def _unknown(how: str) -> UsageError:
    kind = how.partition(":")[0]
    hint = nearest(kind, [known.partition(":")[0] for known in HOWS])
    return UsageError(f"no way {how!r} to extract an answer", hint or f"one of {', '.join(HOWS)}")
