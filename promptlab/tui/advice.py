"""What is true of a prompt before it is sent, in one line: what is not honoured, what it takes, what the lint says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from promptlab.estimate import Estimate, Span
from promptlab.params import BODY, Value, show
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit
from promptlab.tui.lab import Advice, Foreseen
from promptlab.tui.text import Say

SEPARATOR = " · "
_NAME = 40  # cells that a target's name may take


def line(advice: Advice, say: Say) -> str:
    """What fails for want of a key comes first, then what is not simply honoured: it is what a user would change."""
    parts = [*keyless(advice.lacks, say), *fates(advice.cells, say)]
    if advice.price is not None:
        parts.append(price(advice.price, say))
    if advice.lint:
        parts.append(clean_line(say.ours(advice.lint)))
    return SEPARATOR.join(parts)


def keyless(lacks: Mapping[str, str], say: Say) -> Iterator[str]:
    """The targets whose key is not set, by the variable that it would be in."""
    names = short(set(lacks))
    for variable in dict.fromkeys(lacks.values()):
        those = say("comma").join(names[target] for target, lacked in lacks.items() if lacked == variable)
        yield say("ahead_no_key", targets=those, name=clean_line(variable))


def fates(cells: Sequence[Foreseen], say: Say) -> Iterator[str]:
    """What becomes of the parameters that are not simply honoured; targets that do the same with them stand
    together."""
    names = short({cell.target for cell in cells})
    told: dict[str, list[str]] = {}
    for target in dict.fromkeys(cell.target for cell in cells):
        if fate := _fate([cell for cell in cells if cell.target == target], say):
            told.setdefault(fate, []).append(names[target])
    yield from (say("fate_of", targets=say("comma").join(targets), fate=fate) for fate, targets in told.items())


def short(targets: set[str]) -> dict[str, str]:
    """The model alone, where it says enough."""
    last = [target.rpartition("/")[2] for target in targets]
    return {
        target: fit(clean_line(target if last.count(name) > 1 or not name else name), _NAME)
        for target, name in zip(targets, last, strict=True)
    }


def _fate(cells: Sequence[Foreseen], say: Say) -> str:
    """One target's, parameter by parameter."""
    names = dict.fromkeys(name for cell in cells for name in cell.asked)
    told = (f"{name.removeprefix(BODY)} {text}" for name in names for text in fate(cells, name, say))
    return say("comma").join(map(clean_line, told))


def fate(cells: Sequence[Foreseen], name: str, say: Say) -> list[str]:
    """What becomes of one parameter in one target's cells, where it is not simply honoured; a value is named where
    others fare better."""
    found: dict[str, list[str]] = {}  # what becomes of it: the values, one for each cell
    asked: list[str] = []
    for cell in cells:
        if name in cell.asked:
            asked.append(show(cell.asked[name]))
            if word := _word(cell, name, cell.asked[name], say):
                found.setdefault(word, []).append(asked[-1])
    told = []
    for word, values in found.items():
        which = ""
        if len(values) < len(asked):
            some = dict.fromkeys(values)
            which = (", ".join(some) if set(some) < set(asked) else f"({len(values)}/{len(asked)})") + " "
        told.append(which + word)
    return told


def _word(cell: Foreseen, name: str, value: Value, say: Say) -> str:
    """What becomes of a parameter in one cell; an empty text where it is simply honoured."""
    verdict, is_sent = cell.verdicts.get(name), name in cell.sent
    word = verdict.word if verdict is not None else "unknown"
    if word == "pinned" and verdict is not None:
        if verdict.value == value:
            return ""
        return say("fate_fixed") if verdict.value is None else say("fate_fixed_at", value=show(verdict.value))
    if word in ("ignored", "refused", "unknown"):
        return say(f"fate_{word}" if is_sent or word == "ignored" else f"fate_{word}_out")
    if not is_sent:
        return say("fate_out")
    return _changed(cell.sent, name, value, say)


def _changed(sent: Mapping[str, Value], name: str, value: Value, say: Say) -> str:
    """Honoured with another value: a mapping is how an endpoint words it, and no other value."""
    other = sent[name]
    return "" if isinstance(other, dict) or show(other) == show(value) else say("fate_sent_as", value=show(other))


def price(found: Estimate, say: Say) -> str:
    """What it takes; what nobody can know is said to be unknown."""
    parts = [say("cells", count=f"{found.cells:,}"), say("ahead_tokens", span=_span(found.tokens, "", say))]
    paid = [share for share in found.shares if not share.local]
    if not paid:
        parts.append(say("local"))
    elif not any(share.usd is not None for share in paid):
        parts.append(say("unknown price"))
    elif found.usd[1] is None and found.usd[0] < 0.0001:
        parts.append(say("no token count"))
    else:
        parts.append(_span(found.usd, "$", say))
        if found.unpriced:
            parts.append(say("ahead_unpriced", names=_list(found.unpriced, say)))
    if found.unbounded:
        parts.append(say("ahead_unbounded", names=_list(found.unbounded, say)))
    return say("comma").join(parts)


def _list(targets: Sequence[str], say: Say) -> str:
    return say("comma").join(short(set(targets))[target] for target in targets)


def _span(span: Span, sign: str, say: Say) -> str:
    low, high = span
    if high is None:
        return say("ahead_least", low=_amount(low, sign))
    if high <= low * 1.05:
        return say("ahead_about", low=_amount(low, sign))
    return say("ahead_range", low=_amount(low, sign), high=_amount(high, sign))


def _amount(value: float, sign: str) -> str:
    if sign:
        return f"{sign}{value:.4f}" if value < 0.1 else f"{sign}{value:,.2f}"
    return f"{float(f'{value:.2g}'):,.0f}"
