"""A run as JSON: one object for a live run and for one out of the history, and as a line a cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from promptlab.errors import Fault
from promptlab.metrics import Cost, timing, tokens
from promptlab.plan import Cell, Run
from promptlab.render import facts
from promptlab.transcript import Transcript

Costing = Callable[[Cell, Transcript], Cost]


def run_object(run: Run, cells: dict[int, Transcript], costing: Costing) -> dict[str, Any]:
    """`{"run": …, "cells": […]}`, cells in the order of the plan."""
    found = [cell_object(cell, cells[cell.index], costing) for cell in run.plan.cells]
    return {"run": run_head(run), "cells": found}


def run_head(run: Run) -> dict[str, Any]:
    """A run without its cells."""
    plan = run.plan
    return {
        "id": run.id,
        "created": run.created,
        "state": run.state,
        "prompt": plan.prompt,
        "profile": plan.profile,
        "targets": list(dict.fromkeys(cell.target for cell in plan.cells)),
    }


def cell_object(cell: Cell, said: Transcript, costing: Costing, *, allow_run: bool = False) -> dict[str, Any]:
    """One cell. Times are seconds since the last attempt was sent; what is not known is null. `allow_run` lets checks
    start programs."""
    times, price = timing(said), costing(cell, said)
    return {
        "index": cell.index,
        "target": cell.target,
        "endpoint": cell.endpoint,
        "values": dict(cell.values), "repeat": cell.repeat, "row": cell.row,
        "cached": said.cached,
        "model": said.served.model if said.served and said.served.model else cell.request.model or None,
        "parameters": {"asked": dict(cell.request.parameters), "sent": dict(said.sent),
                       "verdicts": dict(said.verdicts), "notes": dict(said.notes)},
        "messages": [{"role": message.role, "content": message.text} for message in cell.request.messages],
        "state": said.state,
        "thinking": {"text": said.thinking, "kind": said.trace, "withheld": said.withheld or None,
                     "opaque": [{"kind": o.kind, "item": o.item or None, "text": o.text} for o in said.opaque]},
        "answer": said.answer,
        "checks": [{"name": one.name, "passed": one.passed, "note": one.note}
                   for one in facts.outcomes(cell, said, allow_run=allow_run)],
        "finish_reason": said.finish_reason,
        "complete": said.complete,
        "usage": _usage(said),
        "timing": {name: _seconds(getattr(times, name))
                   for name in ("first_thought", "first_answer", "thinking", "answer", "total")}
        | {"queued": _seconds(said.queued), "loading": _seconds(said.loading)},
        "cost": {"usd": price.usd, "reason": price.reason},
        "error": _fault(said.fault),
        "retries": [_fault(fault) for fault in said.retried],
        "served": _served(said),
    }  # fmt: skip


def dump(value: dict[str, Any], *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _usage(said: Transcript) -> dict[str, Any] | None:
    """The counts as the endpoint gave them; where it gave none, an estimate that is marked as one."""
    usage = said.usage
    if usage is not None:
        return {"input": usage.input, "output": usage.output, "thinking": usage.thinking, "cached": usage.cached,
                "billed_output": usage.billed, "source": usage.source, "raw": usage.raw}  # fmt: skip
    count = tokens(said)
    if count.output is None:
        return None
    return {"input": None, "output": count.output, "thinking": count.thinking, "cached": None, "billed_output": None,
            "source": "estimate", "raw": None}  # fmt: skip


def _fault(fault: Fault | None) -> dict[str, Any] | None:
    if fault is None:
        return None
    return {"kind": fault.kind, "message": fault.message, "hint": fault.hint, "provider": fault.provider,
            "status": fault.status, "code": fault.code, "param": fault.param, "retryable": fault.retryable}  # fmt: skip


def _served(said: Transcript) -> dict[str, Any] | None:
    if said.served is None:
        return None
    return {"model": said.served.model, "upstream": said.served.upstream, "fingerprint": said.served.fingerprint,
            "request_id": said.request_id}  # fmt: skip


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
