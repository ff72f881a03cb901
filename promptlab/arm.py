"""An arm: what is compared with what. Its name is the same wherever the same was asked, so that votes add up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from promptlab.params import BODY, PARAMETERS, Value, show
from promptlab.plan import Cell, Plan
from promptlab.sweep import VAR

_APART = ("profile", "system")  # axes of texts that make an arm; those of variables make another prompt
_QUIET = ("seed", "top_logprobs", "logprobs", "schema", "max_tokens")  # which sample, what is told of it, how much
_LONGEST = 40  # characters of a value
Place = tuple[int | None, tuple[tuple[str, str], ...]]


def arm_of(plan: Plan, cell: Cell) -> str:
    """The name and key of a cell's arm: its target, and what was asked of it (`local temperature 0.2`). Repeats, rows
    and variables are no arms. What arms of one run have in common `shown` leaves out."""
    return " ".join(parts_of(plan, cell))


def parts_of(plan: Plan, cell: Cell) -> tuple[str, ...]:
    """What an arm's name is made of: the target, its profile and system prompt where the plan has several, and each
    parameter that was asked for. Samplers that only keep out of the way (top_k 0) are told where they vary."""
    asked = cell.request.parameters
    said = [f"{name} {_short(cell.values[name])}" for name in _APART if cell.values.get(name) is not None]
    said += [
        f"{name.removeprefix(BODY)} {_short(value)}"
        for name, value in asked.items()
        if name != "seed" and (name in cell.varied or not (name in _QUIET or _is_neutral(plan, name, value)))
    ]
    said += [f"{name} {value}" for name, value in cell.options.items()]
    return (cell.target, *said)


def shown(arms: Sequence[Sequence[str]]) -> list[str]:
    """Names for arms that stand beside each other, out of their parts: only what tells them apart, and the target
    where nothing does."""
    common = set(arms[0]).intersection(*map(set, arms)) if len(arms) > 1 else set()
    return [" ".join(part for part in parts if part not in common) or parts[0] for parts in arms]


def place_of(cell: Cell) -> Place:
    """What a cell is asked, whatever its arm: the row and the variables. Cells of one place can be compared."""
    return cell.row, tuple((name, show(value)) for name, value in cell.values.items() if name.startswith(VAR))


def prompt_of(cell: Cell, plan: Plan | None = None) -> str:
    """A digest that tells prompts apart, without a system text that is the arm.

    Give the plan: then all cells of one place have one prompt, though profiles, or the forms that suit their models,
    word it differently."""
    if plan is not None:
        place = place_of(cell)
        return _digest(next((one for one in plan.cells if place_of(one) == place), cell))
    return _text_digest(repr(place_of(cell))) if "profile" in cell.values else _digest(cell)


def prompts_of(plan: Plan) -> dict[Place, tuple[str, str]]:
    """Of each place of a plan `prompt_of` it, and the prompt as the first of the plan's arms got it."""
    first: dict[Place, Cell] = {}
    for cell in plan.cells:
        first.setdefault(place_of(cell), cell)
    return {place: (_digest(cell), cell.request.messages[-1].text) for place, cell in first.items()}


def _digest(cell: Cell) -> str:
    own = ("system", "developer") if "system" in cell.values else ()
    return _text_digest("\n\n".join(m.text for m in cell.request.messages if m.role not in own))


def _text_digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _is_neutral(plan: Plan, name: str, value: Value) -> bool:
    """Whether a sweep set it of its own, so that it doesn't cut what is swept."""
    asked = {axis.name for axis in plan.sweep.axes} if plan.sweep is not None else {name}
    return name not in asked and name in PARAMETERS and PARAMETERS[name].neutral == value


def _short(value: Value) -> str:
    """A value on one line; a long text with a digest, for two may begin alike."""
    line = " ".join(show(value).split())
    if len(line) <= _LONGEST:
        return line
    digest = hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{line[: _LONGEST - 8].rstrip()}… #{digest}"
