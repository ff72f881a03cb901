"""Axes as people write them: values, ranges, counts and `default`, for any declared parameter; and their crossing."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, DecimalException
from fractions import Fraction
from itertools import product

from promptlab.errors import Sentence, UsageError, nearest
from promptlab.params import BODY, DEFAULT, PARAMETERS, Parameter, Value, lookup

MOST_VALUES = 1_000  # of one axis
_NUMBER = r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,2})?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):({_NUMBER})")
_COUNT = re.compile(rf"({_NUMBER})\.\.({_NUMBER})/(\d{{1,9}})")


def parse_axis(name: str, text: str) -> list[Value]:
    """The values of one parameter as written: `0.2`, `0.2,1.3`, `default,1.3`, a range with its step `0:2:0.25` (both
    ends are in it), a count of even steps `0..2/9`; and any of these with commas between.

    None stands for `default`. A raw body field (`body.NAME`) is JSON and always one value.
    """
    if name.startswith(BODY):
        return [_json(text)]
    parameter = lookup(name)
    if is_whole(parameter):
        return [None if text == DEFAULT and parameter.kind == "object" else parameter.parse(text)]
    values: list[Value] = []
    for part in unicodedata.normalize("NFKC", text).split(","):  # 0，1 is what a Chinese input method types
        written = part.strip()
        for each in _spelled(parameter, written):
            value = None if each == DEFAULT else parameter.parse(each)
            add(values, value, name, each if each == written else f"{each} (of {written})")
    return values


def is_whole(parameter: Parameter) -> bool:
    """Whether a comma in its text is a part of the value: texts and objects."""
    return parameter.kind not in ("number", "integer", "choice", "switch")


def add(values: list[Value], value: Value, name: str, written: str) -> None:
    """Put a value behind those that an axis has. Raises UsageError where it is there, or where there are too many."""
    if any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in values):
        raise UsageError(Sentence("{name}: '{value}' is given twice", name=name, value=written),
                         "each value of a sweep once")  # fmt: skip
    if len(values) >= MOST_VALUES:
        raise UsageError(Sentence("{name}: more than {most} values", name=name, most=f"{MOST_VALUES:,}"),
                         "a wider step, or a count: 0..2/9")  # fmt: skip
    values.append(value)


def _spelled(parameter: Parameter, text: str) -> list[str]:
    """The values that one piece of an axis stands for, each as text; anything but a range or a count is one value."""
    if parameter.kind not in ("number", "integer"):
        return [text]
    if found := _RANGE.fullmatch(text):
        return _stepped(parameter.name, text, Decimal(found[1]), Decimal(found[2]), Decimal(found[3]))
    if found := _COUNT.fullmatch(text):
        return _counted(parameter, text, Decimal(found[1]), Decimal(found[2]), int(found[3]))
    if re.fullmatch(r"[^:]+:[^:]+(:[^:]*)?", text) or ".." in text:
        raise UsageError(Sentence("{name}: '{text}' is no range", name=parameter.name, text=text),
                         "0:2:0.25 is from 0 to 2 in steps of 0.25; 0..2/9 is 9 values from 0 to 2")  # fmt: skip
    return [text]


def _stepped(name: str, text: str, first: Decimal, last: Decimal, step: Decimal) -> list[str]:
    try:
        steps = (last - first) / step
    except DecimalException:  # a step of 0
        steps = Decimal(-1)
    if steps < 0:
        raise UsageError(Sentence("{name}: the step of '{text}' doesn't lead from {first} to {last}", name=name,
                                  text=text, first=first, last=last), "for example 0:2:0.25")  # fmt: skip
    if steps >= MOST_VALUES:
        raise UsageError(f"{name}: '{text}' has more than {MOST_VALUES:,} values", "a wider step, or a count: 0..2/9")
    return [_plain(first + step * number) for number in range(int(steps) + 1)]


def _counted(parameter: Parameter, text: str, first: Decimal, last: Decimal, count: int) -> list[str]:
    name = parameter.name
    if count < 2 or first == last:
        raise UsageError(f"{name}: '{text}' needs two ends and two values at least", "0..2/9 is 9 values from 0 to 2")
    if count > MOST_VALUES:
        raise UsageError(f"{name}: '{text}' has more than {MOST_VALUES:,} values", "fewer of them")
    low, width = Fraction(first), Fraction(last) - Fraction(first)
    found = [low + width * number / (count - 1) for number in range(count)]
    if parameter.kind == "integer":
        if any(each.denominator != 1 for each in found):
            raise UsageError(f"{name}: '{text}' gives values that are no whole numbers",
                             "a range with a step: 0:100:25")  # fmt: skip
        return [str(each) for each in found]
    return [_even(each) for each in found]


def _even(value: Fraction) -> str:
    """A decimal that is exact where there is one, and else of six digits: what is shown is what is sent."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return _plain(Decimal(value.numerator) / Decimal(value.denominator))
    return f"{float(value):.6g}"


def _plain(value: Decimal) -> str:
    """Without exponent, trailing zeros and a negative zero."""
    text = format(value.normalize(), "f")
    return "0" if text == "-0" else text


def parse_options(pairs: Iterable[tuple[str, str]]) -> dict[str, list[Value]]:
    """Axes from `name=value` pairs; a parameter of texts gathers its values, any other may come once."""
    axes: dict[str, list[Value]] = {}
    for name, text in pairs:
        values = parse_axis(name, text)
        known = axes.setdefault(name, values)
        if known is values:
            continue
        if name.startswith(BODY) or PARAMETERS[name].kind != "texts":
            raise UsageError(Sentence("{name} is given twice", name=name),
                             Sentence("several values of one parameter: {name}=1,2", name=name))  # fmt: skip
        axes[name] = [[*_texts(known[0]), *_texts(values[0])]]
    return axes


def split_option(text: str) -> tuple[str, str]:
    """`name=value` as two texts. Raises UsageError where there is no `=`."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError(Sentence("'{text}' is not name=value", text=text), "for example -o top_p=0.9")
    return name.strip(), value.strip()


def places(axes: Mapping[str, Sequence[Value]], zipped: Sequence[str] = ()) -> Iterator[dict[str, Value]]:
    """Every combination of the axes' values, the first axis slowest; those that are `zipped` go in step, at the place
    of the first of them. `check_zip` says beforehand whether they can."""
    together = [name for name in axes if name in zipped]
    groups: list[tuple[tuple[str, ...], Sequence[tuple[Value, ...]]]] = []
    for name, values in axes.items():
        if name not in together:
            groups.append(((name,), [(value,) for value in values]))
        elif name == together[0]:
            groups.append((tuple(together), list(zip(*(axes[each] for each in together), strict=True))))
    for picked in product(*(rows for _, rows in groups)):
        found = {name: value for (names, _), row in zip(groups, picked, strict=True)
                 for name, value in zip(names, row, strict=True)}  # fmt: skip
        yield {name: found[name] for name in axes}


def count(axes: Mapping[str, Sequence[Value]], zipped: Sequence[str] = ()) -> int:
    """How many combinations `places` gives."""
    together = [len(values) for name, values in axes.items() if name in zipped]
    return math.prod(len(values) for name, values in axes.items() if name not in zipped) * (min(together, default=1))


def check_zip(axes: Mapping[str, Sequence[Value]], zipped: Sequence[str]) -> None:
    """Raise UsageError where axes that shall go in step can't: their lengths differ, one is alone or not there."""
    for name in zipped:
        if name not in axes:
            raise UsageError(f"--zip: there is no axis '{name}'", nearest(name, axes) or f"axes: {', '.join(axes)}")
    if len(zipped) == 1 or len(set(zipped)) != len(zipped):
        raise UsageError("--zip pairs two axes or more, each named once", "--zip temperature,top_p")
    lengths = {len(axes[name]) for name in zipped}
    if len(lengths) > 1:
        said = ", ".join(f"{name} has {len(axes[name])}" for name in zipped)
        raise UsageError(f"--zip: the axes have different numbers of values: {said}", "as many values in each")


def points(axes: Mapping[str, list[Value]]) -> list[dict[str, Value]]:
    """Every combination of the axes' values as parameters: an unset value is absent."""
    return [set_only(place) for place in places(axes)]


def set_only(place: Mapping[str, Value]) -> dict[str, Value]:
    """What of a place is sent. A raw body field has no `default`: there, None is JSON's null, and is sent."""
    return {name: value for name, value in place.items() if value is not None or name.startswith(BODY)}


def _texts(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _json(text: str) -> Value:
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value
