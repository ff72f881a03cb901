"""A profile as YAML text, written as a person would write it: what `parse` reads back is the same profile."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.errors import UsageError
from promptlab.params import Value, show
from promptlab.profile import READERS, Profile, Variable

_LONG = 80  # characters; a longer text that would need quotes is a block instead
_WIDE = 60  # characters of a list on one line
# Whose lists may be one line.
_FLOW = {"checks", "targets", "extends", "tags", "chat_only", "choices", "parameters", "format"}
_EXACT = {"variables", "format", "parameters", "files"}  # where blanks around a text are not taken off
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_Place = tuple[str | int, ...]


def write(profile: Profile | Mapping[str, Any]) -> str:
    """The text of a profile's file; of a mapping, its fields as they are called in a file, in the usual order."""
    given = fields(profile) if isinstance(profile, Profile) else profile
    order = [*(key for key in READERS if key in given), *(key for key in given if key not in READERS)]
    return "".join(f"{line}\n" for key in order for line in _entry(key, given[key], (key,)))


def fields(profile: Profile) -> dict[str, Any]:
    """What stands in a profile's file, by its keys; what is not said is absent. Of a schema and a text for the format,
    which only a profile that extends others can have both, it is the schema that counts."""
    found: dict[str, Any] = {}
    if profile.name != profile.path.stem:
        found["name"] = profile.name
    for key in ("description", "role", "goal", "prompt", "format", "context", "language"):
        if text := getattr(profile, key):
            found[key] = text
    for key in ("rules", "steps", "chat_only", "checks", "targets", "extends", "tags"):
        if texts := getattr(profile, key):
            found[key] = list(texts)
    if profile.kind != "any":
        found["kind"] = profile.kind
    if profile.schema is not None:
        found["format"] = profile.schema
    if profile.files:
        found["context"] = ({"text": profile.context} if profile.context else {}) | {"files": list(profile.files)}
    if profile.examples:
        found["examples"] = [{"input": one.input, "output": one.output} for one in profile.examples]
    if profile.variables:
        found["variables"] = {name: variable_fields(one) for name, one in profile.variables.items()}
    if parameters := {name: _axis(values) for name, values in profile.parameters.items() if values != [None]}:
        found["parameters"] = parameters
    return {key: found[key] for key in READERS if key in found}


def variable_fields(variable: Variable) -> Any:
    """A variable as it stands in a file: its default alone where there is no more to say of it."""
    more: dict[str, Any] = {}
    if variable.kind != ("choice" if variable.choices else "text"):
        more["type"] = variable.kind
    if variable.choices:
        more["choices"] = list(variable.choices)
    if variable.help:
        more["help"] = variable.help
    if not more:
        return variable.default
    return more if variable.default is None else {"default": variable.default, **more}


def _axis(values: list[Value]) -> Value:
    if None in values:  # only the grammar of the command line has a word for "unset"
        return ",".join(map(show, values))
    plain = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return plain[0] if len(plain) == 1 else plain


# -- lines -----------------------------------------------------------------------------------------------------------


def _entry(key: str, value: Any, place: _Place) -> Iterator[str]:
    """The lines of a key with its value, at no indentation."""
    name = key if key.isidentifier() or key == "$schema" else _name(key)
    match value:
        case None:
            yield f"{name}:"
        case dict() if value:
            yield f"{name}:"
            for inner, item in value.items():
                yield from _indented(_entry(inner, item, (*place, inner)))
        case list() | tuple() if value:
            if (line := _on_one_line(value, place)) is not None:
                yield f"{name}: {line}"
                return
            yield f"{name}:"
            for number, item in enumerate(value):
                yield from _indented(_item(item, (*place, number)))
        case _:
            first, *rest = _leaf(value, place).split("\n")
            yield f"{name}: {first}"
            yield from rest


def _item(value: Any, place: _Place) -> Iterator[str]:
    """The lines of one item of a list."""
    if isinstance(value, dict) and value:
        lines = [line for key, inner in value.items() for line in _entry(key, inner, (*place, key))]
    elif isinstance(value, (list, tuple)) and value:
        lines = [line for number, inner in enumerate(value) for line in _item(inner, (*place, number))]
    else:
        first, *rest = _leaf(value, place).split("\n")
        yield f"- {first}"
        yield from rest
        return
    for number, line in enumerate(lines):
        yield f"{'  ' if number else '- '}{line}" if line else ""


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)


def _on_one_line(values: list[Any] | tuple[Any, ...], place: _Place) -> str | None:
    """A short list of words or numbers in brackets, or None."""
    if not _FLOW & set(place) or any(isinstance(value, (dict, list, tuple)) for value in values):
        return None
    texts = [_leaf(value, (*place, number)) for number, value in enumerate(values)]
    line = f"[{', '.join(texts)}]"
    if len(line) > _WIDE or "\n" in line:
        return None
    try:
        doc = document.parse(f"k: {line}\n", Path())
    except UsageError:
        return None
    read = doc.value["k"] if not _is_loose(place) else [doc.texts.get(("k", number)) for number in range(len(values))]
    return line if read == list(values) else None


def _leaf(value: Any, place: _Place) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case dict():
            return "{}"
        case list() | tuple():
            return "[]"
    return _scalar(str(value), place)


def _number(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        return text.replace("inf", ".inf").replace("nan", ".nan")
    mantissa, sign, exponent = text.partition("e")  # 1e+22 is a text to YAML 1.1, and 1.0e+22 a number
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{exponent}" if sign else text


def _name(key: str) -> str:
    try:
        return key if key.isprintable() and document.parse(f"{key}: 0\n", Path()).value == {key: 0} else _quoted(key)
    except UsageError:
        return _quoted(key)


def _scalar(text: str, place: _Place) -> str:
    """A text in the plainest way that is read back as the same; later lines are indented by two."""
    lines = "".join(f"\n  {line}" if line else "\n" for line in text.split("\n"))
    exact = not _EXACT.isdisjoint(place) and place != ("format",)
    ways = [text] if "\n" not in text else []
    if "\n" in text or len(text) > _LONG:
        ways.append(f"|-{lines}" if exact else f"|{lines}")
    if text.isprintable() and "'" not in text and ('"' in text or "\\" in text):
        ways.append(f"'{text}'")
    return next((way for way in ways if _reads(way, text, _is_loose(place), exact)), _quoted(text))


def _is_loose(place: _Place) -> bool:
    """The default of a variable and its choices are taken as they are typed, whatever YAML makes of them."""
    return place[0] == "variables" and place[-1] != "help"


def _reads(written: str, text: str, loose: bool, exact: bool) -> bool:
    try:
        doc = document.parse(f"k: {written}\n", Path())
    except UsageError:
        return False
    value, read = doc.value.get("k"), doc.texts.get(("k",), "")
    if read != text and (exact or read.strip() != text):
        return False
    return value is not None if loose else isinstance(value, str)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
