"""Checks of an answer: written in a profile, a dataset's row or on the command line, and carried out on its text.

A check is `KIND:WANT`. Texts that come from strangers are bounded here: patterns and schemas in time, programs in time
and only where the user allows them; nothing is fetched from anywhere."""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from promptlab.errors import Sentence, UsageError, nearest

LONGEST_WANT = 20_000  # characters of a check as written; a longer schema is a file
LONGEST_PATTERN = 1_000
PATIENCE = 1.0  # seconds that a pattern or a schema may take on one answer
NOT_RUN = "not run: --allow-run lets it"  # the note of a program that nobody has allowed
KINDS = {
    "contains": "the answer has this text",
    "not-contains": "the answer does not have this text",
    "re": "the pattern is found in the answer: re:^Dear",
    "equals": "the answer is this text, whatever its white space and the width of its letters",
    "number": "the last number of the answer: number:42, number:3.14±0.01, number:100±5%",
    "answer": "the answer in the text is this: boxed, in JSON, an option's letter, or the last number",
    "schema": "JSON in the answer fits a JSON Schema: schema:FILE, or the schema itself",
    "lines": "lines × length: lines:4x7, lines:3-5x5-9; Chinese characters, else words; 4x40c for characters",
    "rhyme": "the even lines of Chinese verse rhyme: rhyme, rhyme:level, rhyme:1,2,4",
    "min-length": "at least so many characters",
    "max-length": "at most so many characters",
    "run": "a program of yours: the answer comes on its stdin, exit code 0 passes; needs --allow-run",
}
_BARE = ("rhyme",)  # kinds that want nothing more


@dataclass(frozen=True, slots=True)
class Check:
    """One check as declared: `kind` is one of KINDS, `want` what it wants as text (a pattern, a schema as JSON, a
    number, `4x7`), `name` how it is told in tables."""

    kind: str
    want: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check went on one answer; `note` says why it failed, or its chance rate. `passed` is None where it
    could not be carried out."""

    name: str
    passed: bool | None
    note: str = ""


def parse(text: str, folder: Path | None = None, *, confined: bool = False) -> Check:
    """The check that is written as `KIND:WANT`. A schema's file is read, and a program's path taken, from `folder`
    (the working directory without one), and with `confined` a schema from nowhere else: a plan and a dataset are
    texts that strangers share. Raises UsageError with the nearest kind."""
    kind, want = split(text)
    if kind == "schema":
        from promptlab.check import schema

        inline = want.lstrip().startswith("{")
        return Check(
            kind, schema.load(want, folder or Path(), confined=confined), kind if inline else _named(kind, want)
        )
    if kind == "run":
        from promptlab.check import program

        return Check(kind, program.located(want, folder), _named(kind, want))
    if kind == "rhyme":
        from promptlab.check import verse

        verse.need_pinyin()
    return Check(kind, want, _named(kind, want))


def split(text: str, *, examine: bool = True) -> tuple[str, str]:
    """Kind and want of a check as written; the want is looked at as far as it goes without opening a file, unless
    it is not whole yet (`examine`). Raises UsageError."""
    kind, _, want = text.partition(":") if ":" in text[:20] else text.partition("：")  # as an input method types it
    kind, want = kind.strip(), want.strip()
    if kind not in KINDS:
        hint = nearest(kind, KINDS) or f"kinds: {', '.join(KINDS)}"
        raise UsageError(f"'{_short(text)}' is no check: there is no kind '{_short(kind)}'", hint)
    if not want and kind not in _BARE:
        raise UsageError(f"the check '{kind}' wants something: {kind}:…", KINDS[kind])
    if len(want) > LONGEST_WANT:
        raise UsageError(f"the check '{kind}' is longer than {LONGEST_WANT:,} characters", "a schema can be a file")
    if "\0" in want:
        raise UsageError(f"the check '{kind}' has a zero byte in it", KINDS[kind])
    if examine:
        _examine(kind, want)
    return kind, want


def file_of(text: str) -> str:
    """The file that a check reads, or an empty string."""
    want = text.removeprefix("schema:").strip()
    return want if text.startswith("schema:") and not want.startswith("{") else ""


def at_home(text: str, home: Path) -> str:
    """The check as written, with the full path of what it names, seen from `home`. Raises UsageError."""
    if name := file_of(text):
        return f"schema:{home / name}"
    return f"run:{parse(text, home).want}" if text.startswith("run:") else text


def _examine(kind: str, want: str) -> None:
    """Raise UsageError for a want that its kind can't read."""
    match kind:
        case "re":
            _examine_pattern(want)
        case "number":
            _span(want)
        case "lines" | "rhyme":
            from promptlab.check import verse

            (verse.form if kind == "lines" else verse.wanted)(want)
        case "min-length" | "max-length":
            if not re.fullmatch(r"\d{1,9}", want, re.ASCII):
                raise UsageError(f"{kind}: '{_short(want)}' is not a whole number", f"for example {kind}:200")
        case "schema" if want.startswith("{"):
            from promptlab.check import schema

            schema.read(want, "schema")
        case "run":
            from promptlab.check import program

            program.words(want)


def _examine_pattern(want: str) -> None:
    if len(want) > LONGEST_PATTERN:
        raise UsageError(f"re: a pattern of more than {LONGEST_PATTERN:,} characters", "make it shorter")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that may change one day
            re.compile(want)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"re: '{_short(want)}' is no regular expression: {error}", KINDS["re"]) from None


def _named(kind: str, want: str) -> str:
    return _short(f"{kind}:{want}" if want else kind)


def _short(text: str, most: int = 60) -> str:
    line = " ".join(text.split())
    if line == text and len(line) <= most:
        return text  # which may be a Sentence
    return line if len(line) <= most else f"{line[: most - 1]}…"


# -- carried out -----------------------------------------------------------------------------------------------------


def carry_all(checks: Iterable[Check], answer: str | None, *, run: bool = False) -> tuple[Outcome, ...]:
    """Each check on an answer, in their order; None is a cell that gave none. `run` as for `carry_out`."""
    if answer is None:
        return tuple(Outcome(check.name or check.kind, None, "no answer came") for check in checks)
    return tuple(carry_out(check, answer, run=run) for check in checks)


def all_passed(outcomes: Iterable[Outcome]) -> bool | None:
    """Whether every check passed: False where one failed, None where there is none, or one could not be told."""
    words = [outcome.passed for outcome in outcomes]
    if False in words:
        return False
    return True if words and None not in words else None


def carry_out(check: Check, answer: str, *, run: bool = False) -> Outcome:
    """How a check goes on an answer. It never raises: what can't be carried out has `passed` None and says why.

    `run` says that the user lets programs be started; without it, `run:` checks are not carried out."""
    try:
        passed, note = _carried(check, answer, run=run)
    except TimeoutError:
        passed, note = None, Sentence("took longer than {seconds} s", seconds=f"{PATIENCE:g}")
    except RecursionError:
        passed, note = None, "nested too deep to tell"
    except UsageError as error:  # a check out of the history of another version
        passed, note = None, error.message
    except (ArithmeticError, ValueError, TypeError, MemoryError) as error:  # numbers of a thousand digits
        passed, note = None, f"can't be told: {error}"
    return Outcome(check.name or check.kind, passed, _short(note, 200))


def _carried(check: Check, answer: str, *, run: bool) -> tuple[bool | None, str]:
    want = check.want
    match check.kind:
        case "contains":
            return (True, "") if plain(want) in plain(answer) else (False, "not in it")
        case "not-contains":
            return (False, "it is in it") if plain(want) in plain(answer) else (True, "")
        case "re":
            return _found(want, answer)
        case "equals":
            same = plain(want) == plain(answer)
            return same, "" if same else Sentence("it is: {text}", text=_short(answer))
        case "number":
            return _near(want, answer)
        case "answer":
            return _same(want, answer)
        case "min-length" | "max-length":
            return _long(check.kind, int(want), answer)
        case "schema":
            from promptlab.check import schema

            return schema.fits(want, answer)
        case "lines":
            from promptlab.check import verse

            return verse.has_form(want, answer)
        case "rhyme":
            from promptlab.check import verse

            return verse.rhymes(want, answer)
        case "run":
            from promptlab.check import program

            return program.judge(want, answer) if run else (None, NOT_RUN)
    return None, f"there is no kind '{check.kind}'"


_COUNTS = re.compile(r"\{\d{0,9},?(\d{1,9})\}")
_MOST_COUNTED = 100_000


def plain(text: str) -> str:
    """A text for comparing: NFKC (full and half width are one), and white space as single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def found_within(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text. Raises TimeoutError: a pattern can take for ever, and Python's own `re`
    has no way to end that; and UsageError for one whose counts multiply, which would fill the memory as it is read."""
    import regex

    if math.prod(max(1, int(count)) for count in _COUNTS.findall(pattern)) > _MOST_COUNTED:
        raise UsageError(f"the pattern '{_short(pattern)}' repeats too much", f"at most {_MOST_COUNTED:,} times in all")
    return regex.search(pattern, text, timeout=PATIENCE) is not None


def _found(pattern: str, answer: str) -> tuple[bool | None, str]:
    import regex

    try:
        return (True, "") if found_within(pattern, answer) else (False, "no match")
    except regex.error as error:
        return None, f"the pattern can't be used: {error}"


def _long(kind: str, want: int, answer: str) -> tuple[bool, str]:
    """Length in characters (code points), the white space around the answer left out."""
    length = len(answer.strip())
    passed = length >= want if kind == "min-length" else length <= want
    return passed, "" if passed else Sentence("it has {length}", length=f"{length:,}")


# -- numbers and answers ---------------------------------------------------------------------------------------------

_SPAN = re.compile(r"(?P<value>[^±]+?)(?:\s*(?:±|\+/?-)\s*(?P<slack>[^%\s]+)\s*(?P<percent>%)?)?")
_EXACT = re.compile(r"-?\d{1,2000}(?:\.\d{1,2000})?(?:/\d{1,2000})?", re.ASCII)


def _span(want: str) -> tuple[Fraction, Fraction]:
    """Value and tolerance of `42`, `3.14±0.01`, `100±5%`; `+-` and `+/-` do for ±. Raises UsageError."""
    found = _SPAN.fullmatch(want)
    value = _number(found["value"]) if found else None
    slack = _number(found["slack"] or "0") if found else None
    if found is None or value is None or slack is None or slack < 0:
        raise UsageError(f"number: '{_short(want)}' is no number with a tolerance", "for example number:3.14±0.01")
    return value, abs(value) * slack / 100 if found["percent"] else slack


def _number(text: str) -> Fraction | None:
    """The number that a text is, however it is spelt, exact; None for another text."""
    from promptlab.extract import normalise

    spelt = normalise(text)
    with suppress(ZeroDivisionError):
        return Fraction(spelt) if _EXACT.fullmatch(spelt) else None
    return None


def _near(want: str, answer: str) -> tuple[bool, str]:
    from promptlab.extract import extract

    found = extract(answer, "number")
    number = None if found is None else _number(found)
    if number is None:
        return False, "no number in it"
    value, slack = _span(want)
    passed = abs(number - value) <= slack
    return passed, "" if passed else Sentence("the last number is {number}", number=found)


def _same(want: str, answer: str) -> tuple[bool, str]:
    """Whether the answer in a text is the wanted one, in their normal forms: 1/2 is 0.5. A letter A to H is looked
    for as an option as well."""
    from promptlab.extract import extract, normalise

    found, wanted = extract(answer), normalise(want)
    if found == wanted or (re.fullmatch("[A-H]", want) and extract(answer, "option") == want):
        return True, ""
    return False, "no answer found in it" if found is None else Sentence("it answers {text}", text=_short(found))
