"""Judgings among the runs: which run each of them judges, and whose answers are meant where none is named."""

from __future__ import annotations

from promptlab.errors import Sentence, UsageError
from promptlab.plan import Plan, Run
from promptlab.store import Store

JUDGED = "judged"  # on each cell of a judging: the run whose answers stand before the judge


def judged_run(plan: Plan) -> int | None:
    """The run that this one judges; None where it is no judging."""
    found = plan.cells[0].values.get(JUDGED) if plan.cells else None
    return found if isinstance(found, int) else None


def run_to_judge(store: Store, number: int | None, command: str) -> Run:
    """The run that is meant: without a number, the last one that is no judging itself. Raises UsageError where one is
    named, with how to `command` the run behind it, and StoreError."""
    if number is None:
        for summary in store.runs():
            run = store.run(summary.id)
            if judged_run(run.plan) is None:
                return run
    run = store.run(number)
    if (judged := judged_run(run.plan)) is not None:
        raise UsageError(Sentence("run {run} is the judging of run {judged}", run=run.id, judged=judged),
                         f"promptlab {command} {judged}")  # fmt: skip
    return run
