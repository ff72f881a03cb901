"""The JSON Schema of a profile's file, made from the package's own types, so that editors complete and check it.

`python -m promptlab.profile.schema` prints it; docs/profile.schema.json is kept equal to that.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from promptlab.check import KINDS
from promptlab.params import DEFAULT, PARAMETERS, Parameter
from promptlab.profile import PARTS, READERS, Kind, VariableKind

Schema = dict[str, Any]

_SCALAR = ["string", "number", "boolean"]  # YAML reads `yes` and 1.10 as no text; a profile takes them as typed
_TEXT: Schema = {"type": [*_SCALAR, "null"]}
_LINES: Schema = {"type": "array", "items": {"type": [*_SCALAR, "null"]}}
_MEANINGS = {
    "$schema": "The address of this schema, for editors.",
    "name": "The profile's name; without it, that of its file.",
    "description": "One line on what it is for.",
    "kind": "The kind of model that it is written for.",
    "role": "Who the model is to be.",
    "goal": "What is wanted, not how to get there. {{name}} is a blank.",
    "prompt": "The user's turn as it stands, where the profile is one text rather than parts.",
    "format": "The form of the result: a text, or a JSON Schema that the answer must fit.",
    "rules": "Limits and warnings, one each.",
    "context": "All background: a text, or files beside the profile.",
    "steps": "How to go about it, for models that need it; see chat_only.",
    "examples": "Pairs of what comes in and what goes out.",
    "chat_only": "Parts that a reasoning model does not get.",
    "variables": "Blanks with their defaults; one without a default must be given.",
    "parameters": "Decoding parameters; a list of values is a sweep.",
    "checks": "What an answer must pass, as kind:want.",
    "targets": "Models that it is asked of where none is named: ENDPOINT/MODEL, an alias or @group.",
    "extends": "Profiles that it builds on, by name or file, in order.",
    "language": "The language that it is written in, such as en or zh.",
    "tags": "Words to find it by.",
}


def schema() -> Schema:
    """The schema (draft 7, which editors know best) of everything that `profile.read` takes."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A profile of promptlab",
        "description": "A reusable prompt in parts; each model gets it in the form that suits it.",
        "type": "object",
        "properties": {key: {"description": _MEANINGS[key], **_of(key)} for key in READERS},
        "additionalProperties": False,
        "anyOf": [{"required": [key]} for key in ("goal", "prompt", "extends")],
    }


def text() -> str:
    """The schema as it stands in docs/profile.schema.json."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _of(key: str) -> Schema:
    special = {
        "kind": lambda: {"enum": list(get_args(Kind))},
        "format": lambda: {"type": [*_SCALAR, "null", "object"]},
        "context": _context,
        "examples": _examples,
        "chat_only": lambda: _several({"enum": list(PARTS)}),
        "variables": _variables,
        "parameters": _parameters,
        "checks": _checks,
    }
    if key in special:
        return special[key]()
    if READERS[key] is READERS["goal"]:
        return dict(_TEXT)
    if READERS[key] is READERS["rules"]:
        return {"anyOf": [dict(_LINES), dict(_TEXT)]}
    raise LookupError(f"no schema for {key}")  # a key with a reader of its own needs a line above


def _several(one: Schema) -> Schema:
    """A list of such values, or one alone, or nothing."""
    return {"anyOf": [{"type": "array", "items": one}, one, {"type": "null"}]}


def _context() -> Schema:
    name = {"type": "string", "pattern": r"\S"}
    within = {
        "text": dict(_TEXT),
        "files": {"description": "Names or patterns such as notes/*.md, from the profile's folder.", **_several(name)},
    }
    return {"anyOf": [dict(_TEXT), {"type": "object", "properties": within, "additionalProperties": False}]}


def _examples() -> Schema:
    side = dict(_TEXT)
    one = {"type": "object", "properties": {"input": side, "output": side}, "required": ["input", "output"],
           "additionalProperties": False}  # fmt: skip
    return {"type": ["array", "null"], "items": one}


def _variables() -> Schema:
    within: Schema = {
        "type": {"description": "What a value must be.", "enum": list(get_args(VariableKind))},
        "default": {"description": "Its value where none is given.", **_TEXT},
        "choices": {"description": "All values that it can have.", "type": ["array", "null"],
                    "items": {"type": [*_SCALAR, "null"]}},
        "help": {"description": "One line for whoever is asked for it.", **_TEXT},
    }  # fmt: skip
    choice = {"properties": {"type": {"const": "choice"}}, "required": ["type"]}
    full = {"type": "object", "properties": within, "additionalProperties": False, "if": choice,
            "then": {"required": ["choices"]}}  # fmt: skip
    return {"type": ["object", "null"], "propertyNames": {"pattern": r"^[^\W\d]\w*$"},
            "additionalProperties": {"anyOf": [dict(_TEXT), full]}}  # fmt: skip


def _checks() -> Schema:
    """`kind:want`, or `kind: want`, which is a mapping to YAML; a schema can be one."""
    words = "|".join(kind for kind in KINDS if kind not in ("rhyme", "schema"))
    line = {"type": "string", "pattern": rf"^\s*(({words})\s*:\s*\S|(rhyme|schema)\s*(:|$))"}
    more = {"schema": ["object", "null"], "rhyme": ["null"]}
    within = {kind: {"description": told, "type": [*_SCALAR, *more.get(kind, ())]} for kind, told in KINDS.items()}
    one = {"anyOf": [line, {"type": "object", "properties": within, "additionalProperties": False,
                            "minProperties": 1, "maxProperties": 1}]}  # fmt: skip
    return _several(one)


def _parameters() -> Schema:
    return {"type": ["object", "null"], "properties": {name: _parameter(one) for name, one in PARAMETERS.items()},
            "additionalProperties": False}  # fmt: skip


def _parameter(parameter: Parameter) -> Schema:
    """A value, a list of values (a sweep), or a sweep as the command line has it."""
    told = {"description": f"{parameter.help} ({parameter.range_text()})"}
    if parameter.kind == "object":
        return told | {"type": "object"}
    if parameter.kind == "texts":
        return told | {"anyOf": [{"type": "array", "items": {"type": _SCALAR}}, {"type": _SCALAR}]}
    if parameter.kind == "choice":
        one: Schema = {"enum": list(parameter.choices)}
    elif parameter.kind == "switch":
        one = {"type": "boolean"}
    else:
        one = {"type": parameter.kind}
        one |= {} if parameter.low is None else {"minimum": parameter.low}
        one |= {} if parameter.high is None else {"maximum": parameter.high}
    form = r",|^[^:]+:[^:]+:[^:]+$|\.\.[^/]+/" if parameter.kind in ("number", "integer") else ","
    sweep = {"description": f"A sweep; '{DEFAULT}' in it leaves the parameter unset.", "type": "string",
             "pattern": form}  # fmt: skip
    return told | {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}, sweep]}


if __name__ == "__main__":
    import sys

    sys.stdout.write(text())
