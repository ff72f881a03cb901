"""What a sweep shows once it has ended, from the history: ladder, table, plots and findings, or the same as JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from promptlab import metrics
from promptlab.analysis import Measure, Point, Reading, Remark, Sample
from promptlab.check import Outcome, all_passed
from promptlab.cli.output import Output, console
from promptlab.errors import UsageError
from promptlab.params import Value, show
from promptlab.plan import Cell, Plan, Run
from promptlab.render import facts
from promptlab.render.facts import moment
from promptlab.render.plain import escaped
from promptlab.render.record import Costing, cell_object, dump, run_head
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, wrap_line
from promptlab.store import Store
from promptlab.transcript import Transcript

_PIPE = 100  # columns of what goes into a pipe or a file
_PATIENCE, _EVERY = 1.0, 0.2  # seconds before it is told how far the reading is, and between two words on it


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a sweep's answers are read: how an answer is taken from a text, and whether checks may run programs."""

    extract: str | None = None  # None: as the sweep has it
    allow_run: bool = False
    fail_under: float | None = None
    junit: Path | None = None
    stable: bool = False  # only whether answers are the same is told


def sample_of(cell: Cell, said: Transcript, costing: Costing, *, allow_run: bool) -> Sample:
    """What one cell gave, with its checks carried out."""
    times, counts = metrics.timing(said), metrics.tokens(said)
    state = "incomplete" if said.state == "done" and said.finish_reason in facts.CUT else said.state
    outcomes = facts.outcomes(cell, said, allow_run=allow_run)
    return Sample(
        cell.index, cell.target, cell.values, cell.repeat, said.answer, cell.row, said.thinking, state,
        said.finish_reason, outcomes, tuple(said.tokens), times.total, times.thinking, counts.answer, counts.thinking,
        counts.estimated, metrics.rate(said), costing(cell, said).usd,
        said.fault.message if said.fault else "",
    )  # fmt: skip


Each = Callable[[Cell, Transcript, tuple[Outcome, ...]], None]


def samples(
    store: Store, run: Run, costing: Costing, *, allow_run: bool = False, each: Each | None = None
) -> Iterator[Sample]:
    """The samples of a run, in the order of its cells, one at a time; a cell that never began is not among them.
    `each` is told of every cell, with its checks carried out."""
    assert run.id is not None
    for cell, said in store.samples(run.id):
        sample = sample_of(cell, said, costing, allow_run=allow_run) if said.ending else None
        if each is not None:
            each(cell, said, sample.outcomes if sample else facts.outcomes(cell, said))
        if sample:
            yield sample


def reading_of(
    store: Store, run: Run, costing: Costing, wanted: Wanted, each: Each | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Reading:  # fmt: skip
    """The reading of a sweep out of the history. `each` sees every cell on the way, so that nothing else need read the
    run again; `tell` is told how many were read, of how many."""
    return read_samples(run.plan, samples(store, run, costing, allow_run=wanted.allow_run, each=each), wanted, tell)


def read_samples(
    plan: Plan, came: Iterable[Sample], wanted: Wanted, tell: Callable[[int, int], None] | None = None
) -> Reading:  # fmt: skip
    """The reading of samples of a plan, in the order of its cells; some may be missing."""
    # Matrices here are small: the threads of a BLAS would wait for each other longer than they work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from promptlab.analysis.reading import read

    seen: dict[str, dict[str, Value]] = {}  # by their text: a list is a value too, and 1 is not true
    for cell in plan.cells:
        for name, value in cell.values.items():
            seen.setdefault(name, {}).setdefault(show(value), value)
    axes = {name: tuple(values.values()) for name, values in seen.items()}
    cells = {cell.index: cell for cell in plan.cells}

    def expected(sample: Sample) -> str | None:
        """The right answer, where a check of the cell knows it."""
        return next((c.want for c in cells[sample.cell].checks if c.kind in ("answer", "equals")), None)

    how = wanted.extract or (plan.sweep.extract if plan.sweep else "auto")
    return read(
        came, axes, extract_how=how,
        prompt_of=lambda sample: cells[sample.cell].request.messages[-1].text, expected_of=expected,
        void=plan.void, tell=tell, total=len(cells),
    )  # fmt: skip


def show_outcome(store: Store, run: Run, costing: Costing, wanted: Wanted, output: Output) -> bool | None:
    """Print the reading of a sweep as `output` wants it. Whether its checks passed often enough; None where nothing
    was asked of them. The run is read once."""
    if wanted.stable:
        from promptlab.cli.stable import tell

        tell(run, samples(store, run, costing), output)
        return None
    verdicts = _Verdicts()
    each: list[Each] = [verdicts] if wanted.fail_under is not None else []
    writer = _Writer(run, costing, output.format) if output.format in ("json", "jsonl") else None
    each += [writer] if writer else []
    suites = None
    if wanted.junit is not None:
        from promptlab.render.junit import Suites

        suites = Suites()
        each.append(suites.add)
    with _Meter(quiet=output.quiet or (writer is not None and sys.stdout.isatty())) as meter:
        reading = reading_of(store, run, costing, wanted, _together(each), meter.tell)
    if writer:
        writer.close(reading)
    else:
        _write_text(run, reading, answer_of(store, run, costing), output)
    if suites is not None and wanted.junit is not None:
        _write_file(wanted.junit, suites.pieces(f"promptlab run {run.id}", run.created))
    return verdicts.enough(wanted.fail_under) if wanted.fail_under is not None else None


def _together(each: Sequence[Each]) -> Each:
    def all_of(cell: Cell, said: Transcript, outcomes: tuple[Outcome, ...]) -> None:
        for one in each:
            one(cell, said, outcomes)

    return all_of


class _Meter:
    """How far the reading is, on one line of a terminal that goes away; nothing where it takes less than a second."""

    def __init__(self, *, quiet: bool) -> None:
        self._paints = not quiet and sys.stderr.isatty()
        self._next = time.monotonic() + _PATIENCE
        self._cells = 0

    def __enter__(self) -> _Meter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._paint("")

    def tell(self, done: int, total: int) -> None:
        if self._paints and (now := time.monotonic()) >= self._next:
            self._next = now + _EVERY
            self._paint(f"reading {done:,} of {total:,} answers")

    def _paint(self, text: str) -> None:
        if text or self._cells:
            sys.stderr.write("\r" + text.ljust(self._cells) + ("" if text else "\r"))
            sys.stderr.flush()
            self._cells = max(self._cells, len(text))


def _headline(run: Run) -> str:
    """What this is a reading of, on one line."""
    plan = run.plan
    parts = [f"run {run.id}", moment(run.created), plan.profile or "", " ".join(plan.prompt.split())]
    return " · ".join(clean_line(part) for part in parts if part)


def _write_text(run: Run, reading: Reading, shown: Callable[[int], Sample], output: Output) -> None:
    from promptlab.render.ladder import ladder
    from promptlab.render.plot import plots
    from promptlab.render.table import measures

    paper = console(output.color)
    wide = paper.width if sys.stdout.isatty() else _PIPE
    colored = paper.color_system is not None and not paper.no_color
    paper.print(fit(_headline(run), wide), style="dim")
    paper.print()
    for picture in (ladder(reading, shown, wide), measures(reading, wide, color=colored), plots(reading, wide)):
        if picture.rows:
            paper.print(picture)
            paper.print()
    for remark in reading.remarks:
        for number, row in enumerate(wrap_line(clean_line(remark.text), wide - 2)):
            paper.print(("• " if number == 0 else "  ") + row)
    for note in reading.notes:
        paper.print(clean_line(note), style="dim")
    if sys.stdout.isatty() and not output.quiet:
        more = f"every answer: promptlab show {run.id} --cells; as a page: promptlab export {run.id} --format html"
        paper.print(more, style="dim")
        if sys.stdin.isatty() and not output.appends:
            from promptlab.cli.leafing import leaf

            leaf(reading, shown, paper)


class _Verdicts:
    """How many answers pass all their checks, of those that were checked."""

    def __init__(self) -> None:
        self._passed = self._judged = 0

    def __call__(self, cell: Cell, said: Transcript, outcomes: tuple[Outcome, ...]) -> None:
        verdict = all_passed(outcomes)
        self._judged += verdict is not None
        self._passed += verdict is True

    def enough(self, share: float) -> bool:
        """Whether the share is what --fail-under wants. Raises UsageError where there are no checks."""
        if not self._judged:
            raise UsageError("--fail-under, and no answer was checked", "--check, or checks: in the profile")
        found = self._passed / self._judged
        print(f"promptlab: {self._passed} of {self._judged} answers pass their checks ({found:.0%})", file=sys.stderr)
        return found >= share


def points_object(reading: Reading) -> dict[str, Any]:
    """`points` and `findings`, as `--format json` has them beside `cells`."""
    return {"points": [_point(point) for point in reading.points],
            "findings": [_finding(remark) for remark in reading.remarks]}  # fmt: skip


def _point(point: Point) -> dict[str, Any]:
    return {"target": point.target, "parameters": dict(point.values), "void": list(point.void),
            "cells": list(point.cells), "shown": point.shown, "answered": point.answered, "failed": point.failed,
            "measures": {name: _measure(one) for name, one in point.measures.items()}}  # fmt: skip


def _measure(one: Measure) -> dict[str, Any]:
    return {"value": one.value, "low": one.low, "high": one.high, "n": one.n}


def _finding(one: Remark) -> dict[str, Any]:
    return {"code": one.code, "text": one.text, "target": one.target, "p": one.p, "n": one.n, "needs": one.needs}


class _Writer:
    """A run as JSON, a cell at a time as it is read: ten thousand of them are never held at once. `json` is one object
    with cells, points and findings; `jsonl` a line a cell, then a line a point and a line a finding."""

    def __init__(self, run: Run, costing: Costing, format: str | None) -> None:
        self._run, self._costing, self._lines = run, costing, format == "jsonl"
        self._first = True

    def __call__(self, cell: Cell, said: Transcript, outcomes: tuple[Outcome, ...]) -> None:
        text = escaped(dump(cell_object(cell, said, self._costing)))
        sys.stdout.write(f"{text}\n" if self._lines else f"{self._begin()}\n  {text}")

    def close(self, reading: Reading) -> None:
        for name, values in points_object(reading).items():
            if self._lines:
                told = (json.dumps({name.removesuffix("s"): value}, ensure_ascii=False) for value in values)
                sys.stdout.writelines(escaped(line) + "\n" for line in told)
            else:
                before = f"{self._begin() if self._first else ''}\n], " if name == "points" else ", "
                sys.stdout.write(f'{before}"{name}": ' + escaped(json.dumps(values, ensure_ascii=False)))
        if not self._lines:
            sys.stdout.write("}\n")

    def _begin(self) -> str:
        """What stands before a cell."""
        if not self._first:
            return ","
        self._first = False
        return '{"run": ' + escaped(dump(run_head(self._run))) + ', "cells": ['


def answer_of(store: Store, run: Run, costing: Costing) -> Callable[[int], Sample]:
    """The sample of a cell, read when it is asked for."""

    def read(number: int) -> Sample:
        assert run.id is not None
        cell, said = store.sample(run.id, number)
        return sample_of(cell, said, costing, allow_run=False)

    return read


def _write_file(path: Path, pieces: Iterator[str]) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}", "check the path of --junit") from None
