"""The next turn of a conversation: a plan made of the cells of another one, and of what they answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptlab import config
from promptlab.cli.output import Output
from promptlab.cli.ready import Way
from promptlab.config import Places
from promptlab.engine import Limits
from promptlab.errors import UsageError
from promptlab.plan import Cell, Plan
from promptlab.request import Message, Sealed
from promptlab.transcript import Transcript


def followed(plan: Plan, turns: Sequence[tuple[Cell, Transcript]], prompt: str) -> Plan:
    """The next turn of cells that have an answer, each with its own conversation; the checks were of the turn
    before. Raises UsageError where there is none."""
    if not turns:
        raise UsageError("there is no answer to follow up", "send a prompt first")
    cells = []
    for number, (cell, said) in enumerate(turns):
        sealed = tuple(Sealed(one.kind, one.text, one.item) for one in said.opaque)
        answered = Message("assistant", said.answer, said.thinking if sealed else "", sealed)
        messages = (*cell.request.messages, answered, Message("user", prompt))
        cells.append(replace(cell, index=number, request=replace(cell.request, messages=messages), checks=()))
    return replace(plan, cells=tuple(cells), prompt=prompt, sweep=None, prospects=(), notes=())


def follow(prompt: str, run: int | None, pane: int | None, output: Output, limits: Limits, way: Way) -> int:
    """Send a follow-up to a run of the history. Raises UsageError and StoreError."""
    from promptlab.cli.ask import carry_out

    places = config.places()
    return carry_out(after(run, prompt, places, only=pane), output, limits, way, places, config.settings(places))


def after(run: int | None, prompt: str, places: Places, *, only: int | None = None) -> Plan:
    """A follow-up to a run of the history (the last one without `run`): to each cell that has an answer, or to `only`
    one, counted from 1. Raises UsageError and StoreError."""
    from promptlab.store import Store

    if not prompt.strip():
        raise UsageError("a follow-up has no words", 'promptlab follow "And why?"')
    store = Store(places.database)
    try:
        begun = store.run(run)
        turns = [(cell, said) for cell, said in store.samples(begun.id or 0)
                 if said.answer and said.ending and only in (None, cell.index + 1)]  # fmt: skip
    finally:
        store.close()
    if not turns:
        where = f"run {begun.id}" if only is None else f"pane {only} of run {begun.id}"
        raise UsageError(f"{where} has no answer to follow up", f"promptlab show {begun.id}")
    return followed(begun.plan, turns, prompt)
