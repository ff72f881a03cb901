"""What a sweep will be, told before anything is sent: what each axis really is, what it takes, and whether to go on."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from promptlab.cli.inputs import agreed
from promptlab.cli.ready import Ready
from promptlab.errors import Sentence, UsageError
from promptlab.estimate import ENOUGH, Estimate, Span, estimate
from promptlab.plan import Plan
from promptlab.providers import prices
from promptlab.render.sanitise import clean_line


def forecast(ready: Ready) -> Estimate:
    """What the plan will take, by the price list and the user's own history."""
    store = ready.store
    past = {
        (cell.endpoint, cell.request.model): store.spent(cell.endpoint, cell.request.model) if store else ()
        for cell in {(c.endpoint, c.request.model): c for c in ready.plan.cells}.values()
    }
    return estimate(
        ready.plan,
        lambda cell: prices.lookup(cell.endpoint, cell.request.model),
        lambda cell: [(one.answer or 0) + (one.thinking or 0) for one in past[cell.endpoint, cell.request.model]],
        lambda cell: ready.endpoints[cell.endpoint].local,
    )


def axis_lines(plan: Plan) -> Iterator[str]:
    """What each axis really is at each target, and what else there is to tell of the plan."""
    for one in plan.prospects:
        if one.word != "real" or one.text:
            yield one.line
    yield from plan.notes


def price_lines(found: Estimate) -> Iterator[str]:
    """What it takes: one line on the whole, and one for each thing that nobody can know."""
    paid = [share for share in found.shares if not share.local]
    cost = ""
    if found.usd[1] is None and found.usd[0] < 0.0001 and paid:
        cost = Sentence(", cost unknown")
    elif any(share.usd is not None for share in paid):
        cost = Sentence(", {cost} and what has no price" if found.unpriced else ", {cost}",
                        cost=_span(found.usd, "$"))  # fmt: skip
    elif paid:
        cost = Sentence(", price unknown")
    cells = Sentence("{count} cell" if found.cells == 1 else "{count} cells", count=f"{found.cells:,}")
    yield Sentence("{cells}, {tokens} tokens{cost}", cells=cells, tokens=_span(found.tokens, ""), cost=cost)
    if found.unbounded:
        yield Sentence("the most is unknown for {names}: neither --max-tokens nor {count} past answers of it here",
                       names=", ".join(map(clean_line, found.unbounded)), count=ENOUGH)  # fmt: skip
    if found.unpriced:
        yield Sentence("no price is known for {names}: --max-cost can't count it",
                       names=", ".join(map(clean_line, found.unpriced)))  # fmt: skip


def must_ask(found: Estimate, above: float, cap: float | None) -> bool:
    """Whether somebody must agree: it may cost more than `above`, or nobody knows how much; and no cap is below it."""
    high = found.usd[1]
    paid = any(not share.local for share in found.shares)
    if not paid or (high is not None and high <= above and not found.unpriced):
        return False
    return cap is None or cap > above or bool(found.unpriced)


def confirmed(found: Estimate, above: float) -> bool:
    """Whether whoever sits at the terminal agrees. Where nobody does, what nobody can know goes on, and what is known
    to cost more raises UsageError."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return agreed("send it?", usual=False)
    if found.usd[0] > above:
        raise UsageError(f"this would cost more than ${above:g} (confirm_above), and nobody can be asked",
                         "--yes, or a --max-cost below it")  # fmt: skip
    return True


def _span(span: Span, sign: str) -> str:
    low, high = span
    least, most = _amount(low, sign), _amount(low if high is None else high, sign)
    if high is None:
        return Sentence("at least {least}", least=least)
    return Sentence("about {least}" if high <= low * 1.05 else "{least} to {most}", least=least, most=most)


def _amount(value: float, sign: str) -> str:
    if sign:
        return f"{sign}{value:.4f}" if value < 0.1 else f"{sign}{value:,.2f}"
    return f"{float(f'{value:.2g}'):,.0f}"
