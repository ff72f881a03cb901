"""What a plan will take, told before anything is sent: cells, tokens and dollars as a range. Pure.

Thinking is where such estimates go wrong, and nobody can know it beforehand: it is taken from what the same model has
used in the user's own history, else bounded by `max_tokens`, else unknown and said to be so."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from promptlab import metrics
from promptlab.plan import Cell, Plan
from promptlab.providers.prices import Price

ENOUGH = 5  # past cells of a model, from which its own history says more than a bound
_SLACK = 0.3  # how far our count of a prompt's tokens may be off: vocabularies differ by about so much

Span = tuple[float, float | None]  # low and high; None: nobody can say


@dataclass(frozen=True, slots=True)
class Share:
    """One target's part. `input` and `output` are tokens of all its cells, `usd` dollars (None: the price is unknown);
    `why` says where the output comes from: history, max_tokens, or unknown."""

    target: str
    cells: int
    input: Span
    output: Span
    usd: Span | None
    local: bool
    why: str


@dataclass(frozen=True, slots=True)
class Estimate:
    shares: tuple[Share, ...]

    @property
    def cells(self) -> int:
        return sum(share.cells for share in self.shares)

    @property
    def tokens(self) -> Span:
        return _total([_total([share.input, share.output]) for share in self.shares])

    @property
    def usd(self) -> Span:
        """Of the targets with a known price; `unpriced` names the others."""
        return _total([share.usd for share in self.shares if share.usd is not None])

    @property
    def unpriced(self) -> tuple[str, ...]:
        return tuple(share.target for share in self.shares if share.usd is None and not share.local)

    @property
    def unbounded(self) -> tuple[str, ...]:
        return tuple(share.target for share in self.shares if share.output[1] is None and not share.local)


def estimate(
    plan: Plan,
    price_of: Callable[[Cell], Price | None],
    past_of: Callable[[Cell], Sequence[int]],
    is_local: Callable[[Cell], bool],
) -> Estimate:
    """`past_of` gives the output tokens, thinking included, of past cells at the same endpoint and model."""
    targets: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        targets.setdefault(cell.target, []).append(cell)
    return Estimate(tuple(_share(name, cells, price_of, past_of, is_local) for name, cells in targets.items()))


def _share(
    target: str,
    cells: Sequence[Cell],
    price_of: Callable[[Cell], Price | None],
    past_of: Callable[[Cell], Sequence[int]],
    is_local: Callable[[Cell], bool],
) -> Share:
    first = cells[0]
    lengths: dict[int, int] = {}  # cells share their messages: each is counted once
    asked = 0
    for cell in cells:
        messages = cell.request.messages
        if id(messages) not in lengths:
            lengths[id(messages)] = sum(metrics.estimate(message.text) for message in messages)
        asked += lengths[id(messages)]
    input: Span = (asked * (1 - _SLACK), asked * (1 + _SLACK))
    limits = [cell.request.parameters.get("max_tokens") for cell in cells]
    bound = float(sum(n for n in limits if isinstance(n, (int, float)))) if None not in limits else None
    output, why = _output(len(cells), past_of(first), bound)
    price, usd = price_of(first), None
    if price is not None:
        usd = _total([_times(input, price.input), _times(output, price.output)])
    return Share(target, len(cells), input, output, usd, is_local(first), why)


def _output(cells: int, past: Sequence[int], bound: float | None) -> tuple[Span, str]:
    """Two standard errors each way: of the mean of what was seen, and of the sum of what will be."""
    if len(past) < ENOUGH:
        return (float(cells), bound), "max_tokens" if bound is not None else "unknown"
    mean, spread = fmean(past), stdev(past)
    off = 2 * spread * (1 / math.sqrt(cells) + 1 / math.sqrt(len(past)))
    low, high = max(1.0, mean - off) * cells, (mean + off) * cells
    return (min(low, bound), min(high, bound)) if bound is not None else (low, high), "history"


def _times(span: Span, factor: float) -> Span:
    return span[0] * factor, None if span[1] is None else span[1] * factor


def _total(spans: Sequence[Span]) -> Span:
    highs = [high for _, high in spans]
    return sum(low for low, _ in spans), None if None in highs else sum(high for high in highs if high is not None)
