"""Structured output as OpenAI and its kin take it: a JSON schema with a name, and `strict` where it may be strict."""

from __future__ import annotations

import re

from promptlab.params import Value

NAME = "answer"  # the API wants one; it means nothing

# What OpenAI enforces of JSON Schema (openai 2.54, lib/_pydantic.py; the guide on structured outputs, November 2026).
_STRICT = {
    "$schema", "type", "enum", "const", "title", "description", "properties", "required", "additionalProperties",
    "items", "anyOf", "$ref", "$defs", "definitions", "pattern", "format", "multipleOf", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
}  # fmt: skip
_TELLING = ("type", "anyOf", "$ref", "enum", "const")  # a value is told by one of these
_DEEPEST, _MOST = 10, 5000  # levels; properties in all


def named(schema: Value) -> dict[str, Value]:
    """The schema with its name (its title, where that can be one). `strict` is there where the schema is of the subset
    that can be enforced; elsewhere it would be refused, and what is not strict is followed as well as the model can."""
    title = schema.get("title") if isinstance(schema, dict) else None
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", title).strip("_")[:64] if isinstance(title, str) else ""
    wanted: dict[str, Value] = {"name": plain or NAME, "schema": schema}
    return wanted | {"strict": True} if is_strict(schema) else wanted


def response_format(schema: Value) -> dict[str, Value]:
    """`response_format` of the chat completions of OpenAI, and of all that speak them."""
    return {"type": "json_schema", "json_schema": named(schema)}


def is_strict(schema: Value) -> bool:
    """Whether a schema is of the strict subset: an object, all of whose properties are required, with no others
    beside them, and so on inside, in no keywords but the supported ones."""
    if not isinstance(schema, dict) or schema.get("type") != "object" or "anyOf" in schema:
        return False
    found: list[str] = []
    return _fits(schema, 0, found) and len(found) <= _MOST


def _fits(node: Value, depth: int, found: list[str]) -> bool:
    """Whether one part of a schema is strict; its properties are put into `found`."""
    if not isinstance(node, dict) or not node.keys() <= _STRICT or not any(word in node for word in _TELLING):
        return False
    if depth > _DEEPEST:
        return False
    kinds = node.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if ("array" in kinds) != ("items" in node):
        return False
    if ("object" in kinds or "properties" in node) and not _is_closed(node):
        return False
    inner = _values(node.get("properties"))
    found += inner
    parts = [*inner.values(), *_values(node.get("$defs")).values(), *_values(node.get("definitions")).values()]
    parts += [node["items"]] if "items" in node else []
    choices = node.get("anyOf", [])
    parts += choices if isinstance(choices, list) else [choices]
    return all(_fits(part, depth + 1, found) for part in parts)


def _is_closed(node: dict[str, Value]) -> bool:
    """Whether an object has its properties, all of them, and no others."""
    required = node.get("required", [])
    return (
        node.get("additionalProperties") is False
        and isinstance(required, list)
        and {str(name) for name in required} == _values(node.get("properties")).keys()
    )


def _values(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}
