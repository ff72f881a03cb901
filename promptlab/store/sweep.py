"""A sweep as it stands in the history."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from promptlab.check import Check
from promptlab.store.database import to_json
from promptlab.sweep import Axis, Sweep


def dump(sweep: Sweep) -> str:
    return to_json(asdict(sweep))


def load(text: str) -> Sweep:
    """The sweep that `dump` wrote, be it with fewer fields than today's."""
    said: dict[str, Any] = json.loads(text)
    known = {f.name for f in fields(Sweep)}
    values = {name: _tuples(value) for name, value in said.items() if name in known}
    # The values of an axis are JSON of the user's: a list among them is a list.
    values["axes"] = tuple(Axis(axis["name"], tuple(axis["values"])) for axis in said.get("axes", ()))
    values["checks"] = tuple(Check(**check) for check in said.get("checks", ()))
    return Sweep(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
