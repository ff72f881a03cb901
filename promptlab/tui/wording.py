"""The words of the field as tokens: what they say, and options put in or taken out while all else stays as written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from promptlab.errors import UsageError
from promptlab.params import PARAMETERS
from promptlab.tui.quote import quoted

MODEL, PROFILE, VARIABLE, OPTION, AXIS = "--model", "--profile", "--var", "--option", "--axis"
_BLANK = " \t\r\n"
_PIECE = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^ \t\r\n'"\\]""", re.DOTALL)

# The options of `ask` and `sweep` that take no value, and the short names; a test holds them against the declarations.
SWITCHES = frozenset(
    ("--plain-http", "--cot", "--allow-files", "--no-save", "--dry-run", "--offline", "--quiet", "--keep-samplers",
     "--retry-errors", "--cache", "--audit", "--no-audit", "--logprobs", "--no-logprobs", "--until-decided",
     "--allow-run", "--yes")
)  # fmt: skip
SHORT = {
    "-m": MODEL, "-p": PROFILE, "-o": OPTION, "-s": "--system", "-f": "--file", "-j": "--jobs", "-n": "--repeat",
    "-q": "--quiet", "-y": "--yes",
    **{parameter.flag: f"--{name.replace('_', '-')}" for name, parameter in PARAMETERS.items() if parameter.flag},
}  # fmt: skip
_ASKING = (MODEL, PROFILE, VARIABLE, OPTION, "--base-url", "--key-env", "--plain-http", "--cot", "--allow-files",
           "--params", "--env-file")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One word as the shell reads it, and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its long name; `value` is None for a switch, and where the value is still to be typed. `written` is
    what stands before its value, `beside` what else stands in the same token and stays when it goes (the -q of -qm)."""

    flag: str
    value: str | None
    start: int
    end: int
    written: str
    beside: str = ""


def tokens(words: str) -> list[Token]:
    """The words as shlex splits them. Raises UsageError where a quote is open."""
    found, at = [], 0
    while at < len(words):
        if words[at] in _BLANK:
            at += 1
            continue
        start, text = at, ""
        while at < len(words) and words[at] not in _BLANK:
            piece = _PIECE.match(words, at)
            if piece is None:
                raise UsageError("these words can't be read", "a quote is missing")
            text, at = text + _plain(piece[0]), piece.end()
        found.append(Token(text, start, at))
    return found


def _plain(piece: str) -> str:
    if piece[0] == "'":
        return piece[1:-1]
    if piece[0] == '"':
        return re.sub(r'\\(["\\])', r"\1", piece[1:-1])
    return piece[1:] if piece[0] == "\\" else piece


def options(words: str) -> list[Option]:
    """The options in the order in which they stand. Raises UsageError where a quote is open."""
    found: list[Option] = []
    left = tokens(words)[::-1]
    while left:
        token = left.pop()
        if token.text == "--":
            break
        if token.text.startswith("--"):
            flag, sign, value = token.text.partition("=")
            if sign:
                found.append(Option(flag, value, token.start, token.end, f"{flag}="))
            else:
                found.append(_with_next(flag, flag, token, left))
        elif len(token.text) > 1 and token.text[0] == "-":
            found += _short(token, left)
    return found


def _short(token: Token, left: list[Token]) -> list[Option]:
    """Short options in one token: switches, and at the end one that takes the rest for its value, or what follows."""
    letters, found = token.text[1:], []
    for at, letter in enumerate(letters):
        flag, rest = SHORT.get(f"-{letter}", f"-{letter}"), letters[at + 1 :]
        others = "".join(letters[:at])
        beside = f"-{others}" if others else ""
        if flag in SWITCHES:
            found.append(Option(flag, None, token.start, token.end, "", beside))
            continue
        written = " ".join(filter(None, (beside, f"-{letter}")))
        if rest:
            found.append(Option(flag, rest, token.start, token.end, f"{written} ", beside))
        else:
            found.append(_with_next(flag, written, token, left, beside))
        break
    return found


def _with_next(flag: str, written: str, token: Token, left: list[Token], beside: str = "") -> Option:
    if flag in SWITCHES:
        return Option(flag, None, token.start, token.end, "", beside)
    value = left.pop() if left else None
    end = token.end if value is None else value.end
    return Option(flag, None if value is None else value.text, token.start, end, f"{written} ", beside)


# Reading --------------------------------------------------------------------------------------------------------------


def values(words: str, flag: str) -> list[str]:
    """What is given for an option, by its long name."""
    return [one.value for one in options(words) if one.flag == flag and one.value is not None]


def targets(words: str) -> list[str]:
    return values(words, MODEL)


def profile(words: str) -> str | None:
    return next(iter(values(words, PROFILE)[-1:]), None)


def variables(words: str) -> dict[str, str]:
    """The variables of the profile that have a value."""
    return {name.strip(): value.strip() for name, _, value in (one.partition("=") for one in values(words, VARIABLE))}


def parameter(words: str, name: str) -> str:
    """What is asked of a decoding parameter, as it is written; several texts as words; empty where nothing is."""
    found = [_given(one) for one in options(words) if _is_of(one, name)]
    return " ".join(map(quoted, found)) if PARAMETERS[name].kind == "texts" else next(iter(found), "")


def _is_of(option: Option, name: str) -> bool:
    if option.flag in (OPTION, AXIS):
        return (option.value or "").partition("=")[0].strip() == name
    return option.flag == _long(name)


def _given(option: Option) -> str:
    value = option.value or ""
    return value.partition("=")[2].strip() if option.flag in (OPTION, AXIS) else value


def _long(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# Writing --------------------------------------------------------------------------------------------------------------


def put_targets(words: str, wanted: Sequence[str]) -> str:
    """The words with these targets: those that stay stay where they are."""
    left = list(wanted)
    gone = []
    for option in options(words):
        if option.flag == MODEL and option.value in left:
            left.remove(option.value)
        elif option.flag == MODEL:
            gone.append(option)
    words = _replace(words, [(option, None) for option in gone])
    standing = [option for option in options(words) if option.flag == MODEL]
    return _insert(words, [f"-m {quoted(target)}" for target in left], standing[-1].end if standing else None)


def put_profile(words: str, name: str | None) -> str:
    """The words with this profile, or with none."""
    return _put(words, lambda one: one.flag == PROFILE, [] if name is None else [name], lambda one, text: text, "-p")


def put_variable(words: str, name: str, value: str | None) -> str:
    """The words with this value of a variable of the profile, or without it."""

    def is_its(one: Option) -> bool:
        return one.flag == VARIABLE and (one.value or "").partition("=")[0].strip() == name

    said = [] if value is None else [f"{name}={value}"]
    return _put(words, is_its, said, lambda one, text: text, "--var")


def put_parameter(words: str, name: str, text: str) -> str:
    """The words with this of a decoding parameter; without it where `text` is empty. Several texts are given as
    words; with an open quote it is one text."""
    declared = PARAMETERS[name]
    said = [text.strip()] if text.strip() else []
    if declared.kind == "texts":
        with suppress(UsageError):
            said = [token.text for token in tokens(text)]

    def worded(one: Option | None, value: str) -> str:
        return f"{name}={value}" if one is not None and one.flag in (OPTION, AXIS) else value

    return _put(words, lambda one: _is_of(one, name), said, worded, declared.flag or _long(name))


def asking(words: str) -> str:
    """What of the words says whom is asked what, as `ask` takes it: axes of parameters as their values, and nothing of
    how a sweep is carried out."""
    names = {_long(name) for name in PARAMETERS}
    kept = []
    for one in options(words):
        if one.flag == AXIS and (one.value or "").partition("=")[0].strip() in PARAMETERS:
            kept.append(f"{OPTION} {quoted(one.value or '')}")
        elif one.flag in names or one.flag in _ASKING:
            kept.append(one.flag if one.value is None else f"{one.flag} {quoted(one.value)}")
    return " ".join(kept)


def _put(
    words: str, is_its: Callable[[Option], bool], said: Sequence[str], worded: Callable[[Option, str], str], flag: str
) -> str:  # fmt: skip
    """Options of one thing: the first ones are rewritten where they stand, others go, what is new comes behind."""
    old = [one for one in options(words) if is_its(one)]
    changed = [(one, worded(one, text)) for one, text in zip(old, said, strict=False)]
    words = _replace(words, [*changed, *((one, None) for one in old[len(said) :])])
    standing = [one for one in options(words) if is_its(one)]
    new = [f"{flag} {quoted(text)}" for text in said[len(old) :]]
    return _insert(words, new, standing[-1].end if standing else None)


def _replace(words: str, changes: Sequence[tuple[Option, str | None]]) -> str:
    """Each option with another value, or gone with the blank behind it; one whose value is the same stays as it is."""
    for option, value in sorted(changes, key=lambda change: -change[0].start):
        start, end, text = option.start, option.end, option.beside
        if value is not None:
            if value == option.value:
                continue
            text = option.written + quoted(value)
        elif not option.beside:
            behind = len(words[end:]) - len(words[end:].lstrip(_BLANK))
            if end + behind < len(words):
                end += behind
            else:
                start = len(words[:start].rstrip(_BLANK))
        words = words[:start] + text + words[end:]
    return words


def _insert(words: str, new: Sequence[str], at: int | None) -> str:
    if not new:
        return words
    if at is None:
        stop = next((token.start for token in tokens(words) if token.text == "--"), len(words))
        at = len(words[:stop].rstrip(_BLANK))
    return " ".join(filter(None, (words[:at], *new, words[at:].lstrip(_BLANK))))
