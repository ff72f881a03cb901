"""What a sweep shows once it has ended, from the history: ladder, table, plots and findings, or the same as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab import metrics
from promptlab.analysis import Measure, Point, Reading, Remark, Sample
from promptlab.check import all_passed
from promptlab.cli.output import Output, console
from promptlab.errors import UsageError
from promptlab.params import Value
from promptlab.plan import Cell, Run
from promptlab.render import facts
from promptlab.render.plain import escaped
from promptlab.render.record import Costing, cell_object, dump, run_head
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import wrap_line
from promptlab.store import Store
from promptlab.transcript import Transcript

_PIPE = 100  # columns of what goes into a pipe or a file


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a sweep's answers are read: how an answer is taken from a text, and whether checks may run programs."""

    extract: str = "auto"
    allow_run: bool = False
    fail_under: float | None = None
    junit: Path | None = None
    stable: bool = False  # only whether answers are the same is told


def sample_of(cell: Cell, said: Transcript, costing: Costing, *, allow_run: bool) -> Sample:
    """What one cell gave, with its checks carried out."""
    times, counts = metrics.timing(said), metrics.tokens(said)
    outcomes = facts.outcomes(cell, said, allow_run=allow_run)
    return Sample(
        cell.index, cell.target, cell.values, cell.repeat, said.answer, cell.row, said.thinking, said.state,
        said.finish_reason, outcomes, tuple(said.tokens), times.total, times.thinking, counts.answer, counts.thinking,
        counts.estimated, metrics.rate(said), costing(cell, said).usd,
    )  # fmt: skip


def samples(store: Store, run: Run, costing: Costing, *, allow_run: bool = False) -> Iterator[Sample]:
    """The samples of a run, in the order of its cells, one at a time; a cell that never began is not among them."""
    assert run.id is not None
    for cell, said in store.samples(run.id):
        if said.ending:
            yield sample_of(cell, said, costing, allow_run=allow_run)


def reading_of(store: Store, run: Run, costing: Costing, wanted: Wanted) -> Reading:
    """The reading of a sweep out of the history."""
    from promptlab.analysis.reading import read

    axes: dict[str, tuple[Value, ...]] = {
        name: tuple(dict.fromkeys(cell.values[name] for cell in run.plan.cells if name in cell.values))
        for name in dict.fromkeys(name for cell in run.plan.cells for name in cell.values)
    }
    cells = {cell.index: cell for cell in run.plan.cells}

    def expected(sample: Sample) -> str | None:
        """The right answer, where a check of the cell knows it."""
        return next((c.want for c in cells[sample.cell].checks if c.kind in ("answer", "equals")), None)

    return read(
        samples(store, run, costing, allow_run=wanted.allow_run), axes, extract_how=wanted.extract,
        prompt_of=lambda sample: cells[sample.cell].request.messages[-1].text, expected_of=expected,
    )  # fmt: skip


def show_outcome(store: Store, run: Run, costing: Costing, wanted: Wanted, output: Output) -> bool | None:
    """Print the reading of a sweep as `output` wants it. Whether its checks passed often enough; None where nothing
    was asked of them."""
    if wanted.stable:
        from promptlab.cli.stable import tell

        tell(run, samples(store, run, costing), output)
        return None
    reading = reading_of(store, run, costing, wanted)
    if output.format == "json":
        write_json(store, run, reading, costing)
    elif output.format == "jsonl":
        _write_lines(store, run, reading, costing)
    else:
        _write_text(reading, answer_of(store, run, costing), output)
    if wanted.junit is not None:
        _write_junit(store, run, costing, wanted)
    return _enough(store, run, costing, wanted) if wanted.fail_under is not None else None


def _write_text(reading: Reading, shown: Callable[[int], Sample], output: Output) -> None:
    from promptlab.render.ladder import ladder
    from promptlab.render.plot import plots
    from promptlab.render.table import measures

    paper = console(output.color)
    wide = paper.width if sys.stdout.isatty() else _PIPE
    colored = paper.color_system is not None and not paper.no_color
    for picture in (ladder(reading, shown, wide), measures(reading, wide, color=colored), plots(reading, wide)):
        if picture.rows:
            paper.print(picture)
            paper.print()
    for remark in reading.remarks:
        for number, row in enumerate(wrap_line(clean_line(remark.text), wide - 2)):
            paper.print(("• " if number == 0 else "  ") + row)
    for note in reading.notes:
        paper.print(clean_line(note), style="dim")


def _enough(store: Store, run: Run, costing: Costing, wanted: Wanted) -> bool:
    """Whether the share of answers that pass all their checks is what --fail-under wants. Raises UsageError where there
    are no checks."""
    verdicts = [all_passed(one.outcomes) for one in samples(store, run, costing, allow_run=wanted.allow_run)]
    judged = [verdict is True for verdict in verdicts if verdict is not None]
    if not judged:
        raise UsageError("--fail-under, and no answer was checked", "--check, or checks: in the profile")
    share = sum(judged) / len(judged)
    print(f"promptlab: {sum(judged)} of {len(judged)} answers pass their checks ({share:.0%})", file=sys.stderr)
    return share >= (wanted.fail_under or 0)


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


def write_json(store: Store, run: Run, reading: Reading, costing: Costing) -> None:
    """One object, a cell at a time: ten thousand of them are never held at once."""
    assert run.id is not None
    write = sys.stdout.write
    write('{"run": ' + escaped(dump(run_head(run))) + ', "cells": [')
    comma = ""
    for cell, said in store.samples(run.id):
        write(comma + "\n  " + escaped(dump(cell_object(cell, said, costing))))
        comma = ","
    for name, value in points_object(reading).items():
        write("\n], " if name == "points" else ", ")
        write(f'"{name}": ' + escaped(json.dumps(value, ensure_ascii=False)))
    write("}\n")


def _write_lines(store: Store, run: Run, reading: Reading, costing: Costing) -> None:
    """A line a cell, then a line a point and a line a finding."""
    assert run.id is not None
    for cell, said in store.samples(run.id):
        sys.stdout.write(escaped(dump(cell_object(cell, said, costing))) + "\n")
    for name, values in points_object(reading).items():
        for value in values:
            sys.stdout.write(escaped(json.dumps({name.removesuffix("s"): value}, ensure_ascii=False)) + "\n")


def answer_of(store: Store, run: Run, costing: Costing) -> Callable[[int], Sample]:
    """The sample of a cell, read when it is asked for."""

    def read(number: int) -> Sample:
        assert run.id is not None
        cell, said = store.sample(run.id, number)
        return sample_of(cell, said, costing, allow_run=False)

    return read


def _write_junit(store: Store, run: Run, costing: Costing, wanted: Wanted) -> None:
    from promptlab.render.junit import junit

    assert run.id is not None and wanted.junit is not None
    judged = ((cell, said, facts.outcomes(cell, said, allow_run=wanted.allow_run))
              for cell, said in store.samples(run.id))  # fmt: skip
    try:
        with wanted.junit.open("w", encoding="utf-8") as file:
            file.writelines(junit(f"promptlab run {run.id}", judged, run.created))
    except OSError as error:
        raise UsageError(f"{wanted.junit} can't be written: {error.strerror}", "check the path of --junit") from None
