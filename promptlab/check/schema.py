"""JSON in an answer against a JSON Schema, in bounded time and without fetching anything."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError

LARGEST = 1_000_000  # bytes of a schema's file, characters of an answer
_TRIES = 50  # opening brackets at which JSON is looked for in an answer
_OPENING = re.compile(r"[{\[]")
_OPAQUE = ("const", "enum", "default", "examples")  # keywords whose values are no schemas


def load(want: str, folder: Path, *, confined: bool = False) -> str:
    """A schema as JSON text: `want` itself where it is one, or the file that it names, with `confined` only one below
    `folder`. Raises UsageError."""
    if want.lstrip().startswith("{"):
        return read(want, "schema")
    try:
        path = folder / Path(want).expanduser()
        if confined and not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"the schema {want} is outside of {folder}", "put it beside the file that names it")
        with path.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"the schema {want} can't be read: {why}", "schema:FILE, or the schema itself") from None
    if len(raw) > LARGEST:
        raise UsageError(f"the schema {want} is larger than 1 MB", "make it smaller")
    return read(text, f"the schema {want}")


def read(text: str, where: str) -> str:
    """A schema in its shortest form. Raises UsageError for what is no schema, and for one that points elsewhere."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    try:
        schema = _loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {error}", "check quotes and commas") from None
    if not isinstance(schema, dict):
        raise UsageError(f"{where} is no JSON Schema: an object is wanted", '{"type": "object", …}')
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
        _look_around(schema, where)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        raise UsageError(f"{where} is no JSON Schema: {place + ': ' if place else ''}{error.message[:200]}") from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deep", "write it flat") from None
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _look_around(schema: dict[str, Any], where: str) -> None:
    """Raise UsageError for references that would have to be fetched, and for what can't be kept within a time."""
    parts = list(_parts(schema))
    keys = {key for part in parts for key in part}
    for part in parts:
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = part.get(key)
            if isinstance(target, str) and not target.startswith("#") and not keys & {"$id", "id"}:
                raise UsageError(f"{where} refers to {target[:100]}, and nothing is fetched", "put it under $defs")
    if {"patternProperties", "unevaluatedProperties"} <= keys:
        raise UsageError(f"{where} has patternProperties beside unevaluatedProperties",
                         "use additionalProperties")  # fmt: skip


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a schema that may be a schema."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in _OPAQUE:
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def fits(want: str, answer: str) -> tuple[bool | None, str]:
    """Whether the JSON in an answer fits: its first fault otherwise. Raises TimeoutError and RecursionError."""
    from referencing.exceptions import Unresolvable

    if len(answer) > LARGEST:
        return None, f"an answer of {len(answer):,} characters"
    try:
        value = find(answer)
    except ValueError:
        return False, "no JSON in it"
    clock, validator = _validator(want)
    clock.start()
    try:
        error = next(validator.iter_errors(value), None)
    except Unresolvable as missing:
        return None, f"the schema refers to {str(missing)[:100]}, and nothing is fetched"
    except re.error as fault:
        return None, f"the schema has a pattern that can't be used: {fault}"
    if error is None:
        return True, ""
    place = ".".join(map(str, error.absolute_path))
    return False, f"{place[:80] + ': ' if place else ''}{error.message[:120]}"


def find(text: str) -> Any:
    """The JSON in a text: all of it, else the first fenced block that is JSON, else the longest object or list that
    stands in it. Raises ValueError where there is none."""
    for candidate in (text.strip(), *_fenced(text)):
        try:
            return _loads(candidate)
        except ValueError:
            continue
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    found: list[tuple[int, Any]] = []
    at = 0
    for _ in range(_TRIES):
        if (opening := _OPENING.search(text, at)) is None:
            break
        at = opening.start()
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            at += 1
        else:
            found.append((end - at, value))
            at = end
    if not found:
        raise ValueError("no JSON")
    return max(found, key=lambda one: one[0])[1]


def _fenced(text: str) -> Iterator[str]:
    """What stands between the fences of Markdown, one block after the other; a block that never ends is none."""
    mark, held = "", list[str]()
    for line in text.splitlines():
        bare = line.strip()
        if mark and bare.startswith(mark) and not bare.strip(mark[0]):
            yield "\n".join(held)
            mark = ""
        elif mark:
            held.append(line)
        elif bare.startswith(("```", "~~~")):
            mark, held = bare[: len(bare) - len(bare.lstrip(bare[0]))], []


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


# -- jsonschema, kept within a time ------------------------------------------------------------------------------------


class _Clock:
    """When the check under way has to be over."""

    def __init__(self) -> None:
        self._end = 0.0

    def start(self) -> None:
        from promptlab.check import PATIENCE

        self._end = time.monotonic() + PATIENCE

    def look(self) -> None:
        if time.monotonic() > self._end:
            raise TimeoutError


@lru_cache(maxsize=64)
def _validator(want: str) -> tuple[_Clock, Any]:
    """A validator that looks at a clock before every keyword, finds patterns within a time, and has a registry that
    knows nothing else: jsonschema's own one fetches."""
    from jsonschema import validators
    from referencing.jsonschema import EMPTY_REGISTRY

    schema = json.loads(want)
    base = validators.validator_for(schema, default=validators.Draft202012Validator)
    extend: Any = validators.extend
    clock = _Clock()
    own = {"pattern": _pattern, "patternProperties": _pattern_properties, "uniqueItems": _unique_items,
           "additionalProperties": _additional_properties}  # fmt: skip
    guarded = {name: _guarded(own.get(name, rule), clock) for name, rule in base.VALIDATORS.items()}
    return clock, extend(base, guarded)(schema, registry=EMPTY_REGISTRY)


def _guarded(rule: Any, clock: _Clock) -> Any:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        clock.look()
        yield from rule(validator, value, instance, schema) or ()

    return check


def _search(pattern: str, text: str) -> bool:
    import regex

    from promptlab.check import found_within

    try:
        return found_within(pattern, text)
    except regex.error as error:
        raise re.error(str(error)) from None


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(instance, str) and not _search(pattern, instance):
        yield ValidationError(f"{instance[:60]!r} does not match {pattern[:60]!r}")


def _pattern_properties(validator: Any, patterns: dict[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    for pattern, inner in patterns.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if _search(pattern, name):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in known or any(_search(pattern, name) for pattern in patterns):
            continue
        if isinstance(wanted, dict):
            yield from validator.descend(value, wanted, path=name)
        elif not wanted:
            yield ValidationError(f"{name[:60]!r} is not expected")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """As jsonschema has it, in linear time."""
    from jsonschema import ValidationError

    if wanted and isinstance(instance, list) and len({_canonical(item) for item in instance}) < len(instance):
        yield ValidationError("its items are not unique")


def _canonical(value: Any) -> str:
    """A text that two JSON values share when they are equal: 1 and 1.0 are, 1 and true are not."""

    def same(item: Any) -> Any:
        if isinstance(item, float) and item.is_integer():
            return int(item)
        if isinstance(item, dict):
            return {key: same(inner) for key, inner in item.items()}
        return [same(inner) for inner in item] if isinstance(item, list) else item

    return json.dumps(same(value), sort_keys=True)
