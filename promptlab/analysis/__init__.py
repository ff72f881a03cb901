"""Many transcripts to numbers: diversity, repetition, agreement, decoding, and what they can and can't show.

Pure: no IO, no clock, numpy only. `reading` folds the samples of a run into a Reading, which every renderer and
export takes; what a measure means, its unit and its source stand in `MEASURES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptlab.check import Outcome
from promptlab.events import Token
from promptlab.params import Value


@dataclass(frozen=True, slots=True)
class Sample:
    """What one cell of a finished run gave. Times in seconds, None where nobody knows.

    `values` is where it stands: the value of every axis of the plan by its name (None: `default`, unset). Axes are
    parameters, and `profile`, `system`, `var.NAME`; `target` is one of its own. `row` is the dataset's row (from 0),
    None without a dataset; `repeat` counts from 0. `state` is the transcript's: done, incomplete (cut), failed,
    cancelled. `outcomes` are those of the checks, `tokens` what the endpoint said of each token of the answer.
    `fault` is why it failed, in a sentence: untrusted text, empty where nobody knows.
    """

    cell: int
    target: str
    values: Mapping[str, Value]
    repeat: int
    answer: str
    row: int | None = None
    thinking: str = ""
    state: str = "done"
    finish_reason: str | None = None
    outcomes: tuple[Outcome, ...] = ()
    tokens: tuple[Token, ...] = ()
    seconds: float | None = None
    thinking_seconds: float | None = None
    answer_tokens: int | None = None
    thinking_tokens: int | None = None
    estimated: bool = False
    rate: float | None = None
    usd: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number with its 95% interval (None where there is none to give) and how many samples it rests on:
    repeats that are all one text are one sample of a share. `estimated`: some of them were counted by our own
    estimate, not by the endpoint."""

    value: float
    low: float | None
    high: float | None
    n: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep: a target at one value of every axis that is real there. `void` names axes that do
    nothing at this target and were collapsed: their samples are all here. `cells` are its cells' numbers in order,
    `shown` the one whose answer stands for them: the medoid, nearest to the others. None where none answered.
    `distinct` counts the different answers, `cut` those that ended at a limit, `rows` the prompts; `prompt` is the
    beginning of the one that the shown answer answers. `faults` are the reasons why requests failed with how many
    times each, the commonest first."""

    target: str
    values: Mapping[str, Value]
    cells: tuple[int, ...]
    shown: int | None
    measures: Mapping[str, Measure]
    void: tuple[str, ...] = ()
    answered: int = 0
    failed: int = 0
    distinct: int = 0
    cut: int = 0
    rows: int = 1
    prompt: str = ""
    faults: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding in words. `p` is of its test, None where there is none; `n` the samples behind it. `needs` is how many
    more repeats a point would need where there were too few to find anything."""

    code: str
    text: str
    target: str
    p: float | None = None
    n: int = 0
    needs: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sweep shows. `axes` are the names of the varied axes in the plan's order with their values in order
    (the first is drawn along); `points` in the plan's order; `measures` names those that some point has, in the order
    to show them. `notes` are what is to be known of the numbers."""

    axes: Mapping[str, tuple[Value, ...]]
    points: tuple[Point, ...]
    remarks: tuple[Remark, ...] = ()
    measures: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
