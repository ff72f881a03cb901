"""Checks of an answer: written in a profile, a dataset's row or on the command line, and carried out on its text."""

from __future__ import annotations

from dataclasses import dataclass


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
