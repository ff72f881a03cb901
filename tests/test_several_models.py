"""Local models that don't fit into memory together: one after another, and the wait is in no time of theirs."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from promptlab.engine import Engine
from promptlab.events import Stamped
from promptlab.metrics import timing
from promptlab.plan import Cell, Plan
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import Registry
from promptlab.providers.room import Room
from promptlab.request import LOCAL, Message, Request
from promptlab.transcript import Transcript

SAID = (Message("user", "Name a colour."),)


def carry_out(files: list[Path], free: int) -> dict[int, Transcript]:
    """Two cells for each file, on a machine with `free` bytes of memory."""
    said: dict[int, Transcript] = {}
    cells = [
        Cell(n, LOCAL, LOCAL, Request(str(files[n // 2]), SAID, {"max_tokens": 8, "temperature": 0}))
        for n in range(2 * len(files))
    ]

    def take(stamped: Stamped) -> None:
        said.setdefault(stamped.cell, Transcript()).apply(stamped.at, stamped.event)

    async def go() -> None:
        registry = Registry({LOCAL: Endpoint(LOCAL, local=True, slots=2)}, Path, room=Room(lambda: free, reserve=0))
        providers = {c.index: registry.provider(LOCAL, c.request.model, {}) for c in cells}
        try:
            async with asyncio.timeout(120):
                await Engine(providers, [take]).run(Plan(tuple(cells), "hi"))
        finally:
            await registry.aclose()

    asyncio.run(go())
    return said


def test_two_models_that_do_not_fit_together_run_one_after_another(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    shutil.copy(weights, other)
    said = carry_out([weights, other], free=1)
    assert {cell.state for cell in said.values()} == {"done"} and said[0].answer == said[2].answer
    first, second = ([said[0], said[1]], [said[2], said[3]])
    if (said[0].queued or 0) > (said[2].queued or 0):
        first, second = second, first
    assert max(cell.ended or 0 for cell in first) <= min(cell.queued or 0 for cell in second)
    for cell in second:
        answered = timing(cell).first_answer
        assert answered is not None and cell.first_answer is not None
        assert answered < cell.first_answer - max(c.ended or 0 for c in first), "its own loading is not in it either"


def test_a_file_that_is_no_model_does_not_keep_the_next_one_waiting(weights: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(weights.read_bytes()[:1_000_000])
    said = carry_out([broken, weights], free=1)
    assert [said[n].state for n in range(4)] == ["failed", "failed", "done", "done"]
    assert said[0].fault is not None and "broken.gguf" in said[0].fault.message
