"""`promptlab runs`, `show`, `rerun`, `best`: the history through the same plans, events and renderers as a live run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from promptlab import config
from promptlab.cli.ask import carry_out
from promptlab.cli.output import Output, console
from promptlab.cli.planning import check_mode, endpoints_of
from promptlab.cli.ready import Way, costing
from promptlab.cli.requests import Outgoing, print_requests
from promptlab.engine import Limits
from promptlab.errors import UsageError
from promptlab.events import Cancelled, Ending, Sent, Stamped, Started
from promptlab.params import Value
from promptlab.plan import Cell, Run
from promptlab.providers.catalog import Endpoint
from promptlab.render.facts import moment
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit
from promptlab.store import Store, Summary
from promptlab.transcript import Transcript


def runs(count: int, format: str | None, color: str) -> int:
    if format not in (None, "text", "json", "jsonl"):
        raise UsageError(f"--format: '{format}' is not one of text, json, jsonl")
    store = Store(config.places().database)
    try:
        found = store.runs(count or None)
    finally:
        store.close()
    if format in ("json", "jsonl"):
        items = [_item(summary) for summary in found]
        for item in items if format == "jsonl" else [items]:
            sys.stdout.write(json.dumps(item, ensure_ascii=True) + "\n")
        return 0
    if not found:
        sys.stderr.write('no runs yet: promptlab ask "…" -m local\n')
        return 0
    out = console(color)
    width = out.width if sys.stdout.isatty() else 200
    for summary in found:
        out.print(fit(_line(summary), width))
    return 0


def _item(summary: Summary) -> dict[str, object]:
    return {"id": summary.id, "created": summary.created, "state": summary.state, "prompt": summary.prompt,
            "profile": summary.profile, "targets": list(dict.fromkeys(summary.targets)),
            "cells": len(summary.states), "repeats": summary.repeats,
            "axes": None if summary.axes is None else dict(summary.axes), "states": list(summary.states)}  # fmt: skip


def _line(summary: Summary) -> str:
    targets = ", ".join(dict.fromkeys(map(clean_line, summary.targets)))
    done = summary.states.count("done")
    tally = f"{done}/{len(summary.states)}" if done < len(summary.states) or summary.state != "done" else f"{done}"
    state = "" if summary.state == "done" else f" {summary.state}"
    prompt = clean_line(summary.prompt)
    profile = f" [{clean_line(summary.profile)}]" if summary.profile else ""
    swept = f" ({_swept(summary)})" if summary.axes is not None else ""
    when = moment(summary.created)
    return f"{summary.id:>5}  {when}  {tally:>5}{state}  {targets}{profile}{swept}  {prompt}"


def _swept(summary: Summary) -> str:
    """What a sweep varied: `temperature 7 × 5 repeats`."""
    parts = [f"{clean_line(name)} {count}" for name, count in summary.axes or () if count > 1]
    parts += [f"{summary.repeats} repeats"] if summary.repeats > 1 else []
    return " × ".join(parts) or "sweep"


def show(id: int | None, output: Output, *, requests: bool, cells: bool = False) -> int:
    store = Store(config.places().database)
    try:
        run = store.run(id)
        assert run.id is not None
        if run.plan.sweep is not None and not requests and not cells:
            from promptlab.cli.outcome import Wanted, show_outcome

            show_outcome(store, run, costing(endpoints_then(run)), Wanted(), output)
            return 0
        events, sent = list(ended(run, store.events(run.id))), store.sent(run.id)
    finally:
        store.close()
    if requests:
        print_requests(_went_out(run, sent, events), output.format)
        return 0
    last = max((stamped.at for stamped in events), default=0.0)
    view = output.view(run, costing(endpoints_then(run)), lambda: last)
    for stamped in events:
        view(stamped)
    view.start()
    view.close(run.state)
    return 0


def _went_out(run: Run, sent: Mapping[int, tuple[str, dict[str, Any]]], events: list[Stamped]) -> list[Outgoing]:
    """The requests of a run: as written down before sending, or as litellm's went out."""
    said = {cell.index: Transcript() for cell in run.plan.cells}
    for number, at, event in events:
        said[number].apply(at, event)
    found = []
    for cell in run.plan.cells:
        told = said[cell.index]
        wire, asked, on_wire = told.wire, cell.request.parameters, told.sent
        if wire is None and cell.index in sent:
            url, rest = sent[cell.index]
            messages: list[Value] = [
                {"role": message.role, "content": message.text} for message in cell.request.messages
            ]
            wire = Sent(url, {"model": rest.get("model"), "messages": messages, **rest})
        if wire is not None:
            found.append(Outgoing(cell.target, wire.url, None, asked, on_wire, True, wire.body, told.verdicts,
                                  told.notes))  # fmt: skip
    return found


def ended(run: Run, events: Iterable[Stamped]) -> Iterator[Stamped]:
    """The events, one at a time, and an end for every cell: one whose process was killed has none of its own."""
    still, last = {cell.index for cell in run.plan.cells}, 0.0
    for stamped in events:
        last = max(last, stamped.at)
        if isinstance(stamped.event, Ending):
            still.discard(stamped.cell)
        elif isinstance(stamped.event, Started):
            still.add(stamped.cell)
        yield stamped
    for number in sorted(still):
        yield Stamped(number, last, Cancelled(run.state))


def endpoints_then(run: Run) -> Mapping[str, Endpoint]:
    """What is known of the run's endpoints today; an endpoint that is gone doesn't keep a run from being seen."""
    with suppress(UsageError):
        return endpoints_of(run.plan, config.settings(config.places()))
    return {}


def rerun(id: int | None, output: Output, limits: Limits, way: Way, mode: str | None) -> int:
    places = config.places()
    store = Store(places.database)
    try:
        plan = store.run(id).plan
    finally:
        store.close()
    if mode is not None:
        plan = replace(plan, mode=check_mode(mode))
    if plan.sweep is not None:
        from promptlab.cli import sweep

        return sweep.rerun(plan, output, limits, way, places, config.settings(places))
    return carry_out(plan, output, limits, way, places, config.settings(places))


def rerun_pane(id: int | None, pane: int | None, target: str | None, output: Output, limits: Limits, way: Way) -> int:
    """One cell of a run again, or its prompt at another target. Raises UsageError and StoreError."""
    from promptlab.cli.planning import Asked
    from promptlab.cli.tui.retry import retried

    places, store = config.places(), Store(config.places().database)
    try:
        found = store.run(id)
    finally:
        store.close()
    cell = _cell(found, 1 if pane is None and len(found.plan.cells) == 1 else pane)
    settings = config.settings(places)
    asked = Asked(found.plan.prompt, [], None, None, found.plan.profile, [], None, [], [], [])
    return carry_out(retried(found.plan, cell, target, asked, places, settings), output, limits, way, places, settings)


def best(id: int | None, number: int | None) -> int:
    """Tell which cell of a run is marked as the best one, or mark one. Gives 1 where none is."""
    from promptlab.cli.export import print_text
    from promptlab.cli.tui.best import best_of, mark

    store = Store(config.places().database)
    try:
        run = store.run(id)
        assert run.id is not None
        if number is not None:
            cell, said = store.sample(run.id, _cell(run, number).index)
            mark(store, run, cell, said.answer)
        marked = best_of(store, run.id)
        if marked is None:
            sys.stderr.write(f"promptlab: nothing of run {run.id} is marked: promptlab best {run.id} --cell NUMBER\n")
            return 1
        cell, said = store.sample(run.id, marked)
    finally:
        store.close()
    sys.stderr.write(f"run {run.id}, {marked + 1}: {clean_line(cell.label)}\n")
    print_text([said.answer, "\n"])
    return 0


def _cell(run: Run, number: int | None) -> Cell:
    """A cell by its number from 1. Raises UsageError."""
    if number is None:
        raise UsageError(f"run {run.id} has {len(run.plan.cells)} panes, and none is named", "--pane NUMBER")
    if number > len(run.plan.cells):
        raise UsageError(f"run {run.id} has no pane {number}: it has {len(run.plan.cells)}", f"promptlab show {run.id}")
    return run.plan.cells[number - 1]
