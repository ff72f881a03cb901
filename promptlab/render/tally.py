"""A vote as a picture: each answer with a bar, its votes and its share."""

from __future__ import annotations

from collections.abc import Sequence

from promptlab.analysis.tally import Standing, Tally
from promptlab.render.picture import Picture, Piece, Row, row
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

_BAR = 24  # cells of the longest bar
_LABEL = 32  # the most of an answer
MOST = 12  # answers that have a line of their own


def distribution(counted: Tally, wide: int) -> Picture:
    """The answers of a vote from the heaviest down. Weights are told where they are not heads."""
    if not counted.standings:
        return Picture()
    shown, rest = counted.standings[:MOST], counted.standings[MOST:]
    names = [fit(clean_line(one.label), _LABEL) for one in shown]
    cells = max(map(width, names))
    tails = [_tail(one, counted) for one in shown]
    bar = max(4, min(_BAR, wide - cells - max(map(width, tails)) - 4))
    leaders = {one.label for one in counted.leaders}
    rows: list[Row] = []
    for one, name, tail in zip(shown, names, tails, strict=True):
        filled = max(1, round(one.weight / counted.standings[0].weight * bar))
        style = "series3" if one.label in leaders else "series0"
        rows.append((Piece(pad(name, cells) + "  "), Piece("█" * filled, style), Piece(" " * (bar - filled)),
                     Piece(f"  {tail}")))  # fmt: skip
    if rest:
        votes = sum(one.votes for one in rest)
        rows.append(row(f"and {len(rest)} other answers with {votes} votes", "dim"))
    return Picture(tuple(rows))


def _tail(one: Standing, counted: Tally) -> str:
    told = f"{one.votes:>3} of {counted.votes}  {one.weight / counted.weight:>4.0%}"
    return told if by_heads(counted) else f"{told}  weight {one.weight:g} of {counted.weight:g}"


def by_heads(counted: Tally) -> bool:
    """Whether every vote weighs 1."""
    return all(abs(one.weight - one.votes) < 1e-9 for one in counted.standings)


def by_target(counted: Tally, targets: Sequence[str]) -> list[str]:
    """What each target voted for, a line each; nothing where there is only one."""
    if len(targets) < 2:
        return []
    lines = []
    for target in targets:
        told = [f"{clean_line(one.label)} ×{one.targets[target]}" for one in counted.standings if target in one.targets]
        lines.append(f"{clean_line(target)}: {', '.join(told) or 'no vote'}")
    return lines
