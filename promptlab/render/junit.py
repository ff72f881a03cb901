"""A run's checks as JUnit XML, which CI systems read: a suite for each target, a test case for each check of a cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from promptlab.check import NOT_RUN, Outcome
from promptlab.metrics import timing
from promptlab.params import BODY, show
from promptlab.plan import Cell
from promptlab.transcript import Transcript

# What XML 1.0 may have in it (section 2.2); and direction overrides, which would show a report other than it is.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")
_SHOWN = 1_000  # characters of an answer that a failure shows


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    seconds: float | None
    kind: str  # passed, failure, error or skipped
    message: str = ""
    text: str = ""


class Suites:
    """The checks of a run as they are carried out, cell by cell; of an answer is kept only what a failure shows."""

    def __init__(self) -> None:
        self._suites: dict[str, list[_Case]] = {}

    def add(self, cell: Cell, said: Transcript, outcomes: tuple[Outcome, ...]) -> None:
        """A check that failed is a failure; one that could not be carried out is an error, as is a cell without an
        answer; a program that nobody has allowed is skipped. A cell without checks is one case: whether it has
        answered."""
        self._suites.setdefault(cell.target, []).extend(_cases(cell, said, outcomes))

    def pieces(self, name: str, created: str = "") -> Iterator[str]:
        """The document, piece by piece; `name` names the run, `created` is ISO 8601."""
        everything = [case for cases in self._suites.values() for case in cases]
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield f"<testsuites name={_attribute(name)} {_counts(everything)}>\n"
        for target, cases in self._suites.items():
            when = f" timestamp={_attribute(created[:19])}" if created else ""
            yield f"  <testsuite name={_attribute(target)} {_counts(cases)}{when}>\n"
            for case in cases:
                yield _written(target, case)
            yield "  </testsuite>\n"
        yield "</testsuites>\n"


def junit(
    name: str, judged: Iterable[tuple[Cell, Transcript, tuple[Outcome, ...]]], created: str = ""
) -> Iterator[str]:
    """The document of cells that are all at hand: see `Suites`."""
    suites = Suites()
    for each in judged:
        suites.add(*each)
    return suites.pieces(name, created)


def _cases(cell: Cell, said: Transcript, outcomes: tuple[Outcome, ...]) -> Iterator[_Case]:
    place = ", ".join(
        f"{name.removeprefix(BODY)} {show(value)}" for name, value in (cell.values or cell.varied).items()
    )
    row = "" if cell.row is None else f", row {cell.row + 1}"
    label = f"cell {cell.index + 1}{f' ({place})' if place else ''}{row}, repeat {cell.repeat + 1}"
    seconds = timing(said).total
    answered = said.state in ("done", "incomplete")
    if not answered:
        why = said.fault.line() if said.fault else said.state
        for outcome in outcomes or (Outcome("answered", None),):
            yield _Case(f"{label}: {outcome.name}", seconds, "error", why)
    elif not outcomes:
        yield _Case(f"{label}: answered", seconds, "passed")
    for outcome in outcomes if answered else ():
        kind = {True: "passed", False: "failure", None: "skipped" if outcome.note == NOT_RUN else "error"}
        text = said.answer[:_SHOWN] if outcome.passed is False else ""
        yield _Case(f"{label}: {outcome.name}", seconds, kind[outcome.passed], outcome.note, text)


def _counts(cases: list[_Case]) -> str:
    kinds = [case.kind for case in cases]
    seconds = sum(case.seconds or 0.0 for case in cases)
    return (f'tests="{len(cases)}" failures="{kinds.count("failure")}" errors="{kinds.count("error")}" '
            f'skipped="{kinds.count("skipped")}" time="{seconds:.3f}"')  # fmt: skip


def _written(target: str, case: _Case) -> str:
    head = f'    <testcase classname={_attribute(target)} name={_attribute(case.name)} time="{case.seconds or 0:.3f}"'
    if case.kind == "passed":
        return f"{head}/>\n"
    inside = f"<{case.kind} message={_attribute(case.message)}>{escape(_legal(case.text))}</{case.kind}>"
    return f"{head}>{inside}</testcase>\n"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("", text)
