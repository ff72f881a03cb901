"""One cell under way, and when it has taken too long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from promptlab.engine.lane import Lane
from promptlab.errors import Fault, Sentence
from promptlab.events import Learned
from promptlab.request import Wire


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and counts. `first` is from sending to the first byte, `silence` between any two bytes after it:
    a keep-alive counts as a sign of life. `total` is for one attempt."""

    jobs: int = 64
    first: float = 600.0
    silence: float = 300.0
    total: float | None = None
    attempts: int = 4
    longest_wait: float = 120.0


@dataclass(slots=True)
class Running:
    """One cell under way, as the watchdog sees it."""

    lane: Lane
    endpoint: str
    task: asyncio.Task[None] | None = None
    started: float | None = None
    sent: float = 0.0  # when the last attempt went out, be it over or not
    last: float | None = None
    said: bool = False
    sent_away: bool = False  # for being one too many
    number: int = 0  # of the attempt
    learning: Learned | None = None  # from a refusal, until an attempt without the parameter proves it
    wire: Wire | None = None  # of the attempt
    overdue: Fault | None = None
    why: str = ""
    over: bool = False  # its ending has been said


def overdue(running: Running, limits: Limits, now: float) -> Fault | None:
    """Why an attempt has taken too long, if it has. It must have been started."""
    assert running.started is not None
    if limits.total is not None and now - running.started > limits.total:
        return Fault("timeout", Sentence("not finished after {seconds} s", seconds=f"{limits.total:g}"),
                     Sentence("raise --timeout to wait longer"))  # fmt: skip
    if running.last is None:
        if now - running.started > limits.first:
            return Fault("timeout", Sentence("no answer within {seconds} s", seconds=f"{limits.first:g}"),
                         Sentence("try again, or raise --timeout-first"))  # fmt: skip
    elif now - running.last > limits.silence:
        silence = Sentence("silent for {seconds} s in the middle of the stream", seconds=f"{limits.silence:g}")
        return Fault("timeout", silence, Sentence("try again, or raise --timeout-silence"))
    return None
