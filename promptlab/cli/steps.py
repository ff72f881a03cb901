"""How a run of several steps is shown: panes on a terminal, the last answer alone into a pipe, or as data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from promptlab.cli.output import Output, View
from promptlab.cli.ready import Ready, costing
from promptlab.cli.staging import Stages
from promptlab.events import Ending, Stamped
from promptlab.render.plain import Notes, escaped, markdown
from promptlab.render.record import cell_object, dump, run_object
from promptlab.render.sanitise import clean

USUAL = 300  # tokens of an answer that nobody has seen yet, where a price wants some number


def stood_in(tokens: int = USUAL) -> str:
    """A text that counts as so many tokens."""
    return "word" * tokens


def pipes(output: Output) -> bool:
    """Whether stdout is for the wanted text alone."""
    return output.format in (None, "text") and not paints(output)


def paints(output: Output) -> bool:
    """Whether all steps are seen on a terminal, in panes or in lines."""
    return output.format is None and sys.stdout.isatty() and not output.quiet


def view_of(stages: Stages, output: Output, ready: Ready) -> View:
    """What is seen while it runs: all on a terminal, else the facts of each cell on stderr."""
    run, tell = stages.run, costing(ready.endpoints)
    if paints(output):
        return output.view(run, tell, stages.now)
    notes = Notes(run.plan, sys.stderr, tell, thinking=not output.hide_thinking, quiet=output.quiet, usage=output.usage)

    def facts(stamped: Stamped) -> None:
        if isinstance(stamped.event, Ending):
            cell, said = stages.cells[stamped.cell], stages.said[stamped.cell]
            notes.thinking(cell, said)
            notes.end(cell, said)

    return View(facts)


def print_text(text: str, output: Output) -> None:
    """The wanted text to stdout."""
    if text:
        sys.stdout.write((text if output.raw and not sys.stdout.isatty() else clean(text, keep=True)) + "\n")


def show_steps(stages: Stages, output: Output, more: Mapping[str, Any]) -> None:
    """Write the run as data where that was asked for; `more` stands beside its cells."""
    run, tell, said = stages.whole(), costing(stages.ready.endpoints), stages.said
    if output.format == "json":
        sys.stdout.write(escaped(dump({**run_object(run, said, tell), **more}, indent=2)) + "\n")
    elif output.format == "jsonl":
        told = [cell_object(cell, said[cell.index], tell) for cell in run.plan.cells]
        sys.stdout.writelines(escaped(dump(one)) + "\n" for one in [*told, dict(more)])
    elif output.format == "md":
        sys.stdout.write(markdown(run, said, tell, thinking=not output.hide_thinking))
