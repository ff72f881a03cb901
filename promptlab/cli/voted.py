"""What a vote came to: the distribution, who won, what was not needed; for people, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptlab.analysis.interval import wilson
from promptlab.analysis.tally import Standing, Tally
from promptlab.cli.counting import Poll, Saved
from promptlab.cli.output import Output, console
from promptlab.plan import Run
from promptlab.render.facts import moment
from promptlab.render.plain import escaped
from promptlab.render.record import Costing, cell_object, run_head
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.tally import by_heads, by_target, distribution
from promptlab.render.wrap import fit, wrap_line
from promptlab.transcript import Transcript

_PIPE = 100  # columns of what goes into a pipe or a file
_ROWS = 40  # votes that have a line of their own
_LONG = 60  # cells of an answer in a sentence
_LINES = 12  # of the answer that is shown under a vote


@dataclass(frozen=True, slots=True)
class Best:
    """The best sample: its cell (None where none is), and how it is known; mean ranks by cell, where a judge ranked."""

    cell: int | None
    why: str
    ranks: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Voted:
    """A vote that is over. `best` has one entry a poll; `saved` is what an early stop spared."""

    run: Run
    polls: Sequence[Poll]
    said: Mapping[int, Transcript]
    best: Sequence[Best | None]
    saved: Saved = field(default_factory=Saved)
    costing: Costing | None = None


def show(voted: Voted, output: Output) -> None:
    """Print what a vote came to: JSON, the answer alone where it is to be quiet, else the distribution."""
    if output.format in ("json", "jsonl"):
        _write_json(voted, lines=output.format == "jsonl")
    elif output.quiet:
        for poll, best in zip(voted.polls, voted.best, strict=True):
            text = voted.said[best.cell].answer if best and best.cell is not None else chosen(poll, best) or ""
            # of many a line each; of one the best as it is, which may be a poem or a program
            sys.stdout.write((clean_line(text) if len(voted.polls) > 1 or not best else clean(text)) + "\n")
    else:
        _write_text(voted, output)


def chosen(poll: Poll, best: Best | None) -> str | None:
    """The answer that was chosen, as it was found in its text; None where there is none."""
    if best is not None:
        return poll.label(best.cell) if best.cell is not None else None
    winner = poll.counted().winner
    return winner.label if winner is not None else None


# -- text --------------------------------------------------------------------------------------------------------------


def _write_text(voted: Voted, output: Output) -> None:
    paper = console(output.color)
    wide = paper.width if sys.stdout.isatty() else _PIPE
    run = voted.run
    head = (
        f"run {run.id} · " if run.id is not None else ""
    ) + f"{moment(run.created)} · {' '.join(run.plan.prompt.split())}"
    paper.print(fit(clean_line(head), wide), style="dim")
    paper.print()
    if len(voted.polls) == 1:
        poll, best = voted.polls[0], voted.best[0]
        counted = poll.counted()
        picture = distribution(counted, wide)
        if picture.rows and best is None:
            paper.print(picture)
            paper.print()
        told = [*_lines(poll, counted, best, voted.said), *([] if best else by_target(counted, _targets(poll)))]
        shown = best.cell if best else (counted.winner.cells[0] if counted.winner else None)
    else:
        for text in _table(voted, wide):
            paper.print(text)
        paper.print()
        told, shown = list(_without([(poll, poll.counted()) for poll in voted.polls], voted.said)), None
    for text in (*told, *_totals(voted)):
        paper.print("\n".join(wrap_line(clean_line(text), wide)))
    if shown is not None and voted.said[shown].answer.strip():
        paper.print()
        cell = voted.run.plan.cells[shown]
        word = "the best" if voted.best[0] else "one that says so"
        paper.print(fit(clean_line(f"{word}: cell {shown + 1}, {cell.label}"), wide), style="dim")
        parts = clean(voted.said[shown].answer).splitlines()
        rows = [row for part in parts for row in wrap_line(part, wide - 2) or [""]]
        most = len(rows) if voted.best[0] else _LINES
        paper.print("\n".join(f"  {row}".rstrip() for row in rows[:most]))
        if len(rows) > most:
            paper.print(
                f"  … {len(rows) - most} more lines"
                + (f": promptlab show {run.id} --cells" if run.id is not None else ""),
                style="dim",
            )


def _targets(poll: Poll) -> list[str]:
    return list(dict.fromkeys(poll.name(cell) for cell in poll.cells))


def _lines(poll: Poll, counted: Tally, best: Best | None, said: Mapping[int, Transcript]) -> Iterator[str]:
    """One vote, in sentences."""
    if best is not None:
        yield from _best_lines(poll, best)
    elif winner := counted.winner:
        yield _won(poll, counted, winner)
    elif counted.leaders:
        several = counted.leaders
        names = ", ".join(fit(clean_line(one.label), 20) for one in several[:4]) + (" …" if len(several) > 4 else "")
        count = several[0].votes
        each = f"{count} vote{'s' * (count != 1)}" if by_heads(counted) else f"a weight of {several[0].weight:g}"
        yield f"no majority: {len(several)} are level with {each} each ({names})"
    elif counted.abstained:
        yield "nobody voted: no answer was found in any text; --extract says how to look for it"
    else:
        yield "nobody voted"
    yield from _without([(poll, counted)] if best is None else [(poll, Tally())], said)
    label = chosen(poll, best)
    if label is not None and (right := poll.is_right(label)) is not None:
        what = "the majority" if best is None else "what was chosen"
        yield f"the right answer is {poll.expected}: {what} is {'right' if right else 'wrong'}"
    if counted.votes > 2 and len(counted.standings) == 1 and best is None:
        yield from _suspicious(poll)


def _best_lines(poll: Poll, best: Best) -> Iterator[str]:
    which = f"cell {best.cell + 1}, " if best.cell is not None else ""
    yield f"best of {len(poll.whole)}: {which}{best.why}"
    order = sorted(best.ranks, key=lambda number: best.ranks[number])
    if order:
        told = ", ".join(f"cell {number + 1} {best.ranks[number]:.2f}" for number in order)
        yield f"mean ranks (0: always first, 1: always last): {told}"


def _won(poll: Poll, counted: Tally, winner: Standing) -> str:
    label = fit(winner.label, _LONG)
    heads = f"{winner.votes} of {counted.votes} votes"
    if poll.skipped:
        after = f", settled after {poll.heard} of {poll.heard + len(poll.skipped)}"
    elif by_heads(counted):
        low, high = wilson(winner.votes, counted.votes)
        after = f" (its share, 95% interval: {low:.0%} to {high:.0%})"
    else:
        after = ""
    weight = "" if by_heads(counted) else f", by weight {winner.weight:g} of {counted.weight:g}"
    return f"{label} wins with {heads}{weight}{after}"


def _without(counts: Sequence[tuple[Poll, Tally]], said: Mapping[int, Transcript]) -> Iterator[str]:
    """Samples that have no vote, by why."""
    abstained = sum(len(counted.abstained) for _, counted in counts)
    if abstained:
        yield f"{abstained} without an answer that could be found: abstentions, and no votes"
    lost = [index for poll, _ in counts for index in poll.lost]
    cut = sum(said[index].state in ("done", "incomplete") for index in lost)
    if cut:
        yield f"{cut} cut before their end, and without a vote: --max-tokens gives them room"
    failed = sum(said[index].state == "failed" for index in lost)
    if failed:
        yield f"{failed} failed, and without a vote"
    if rest := len(lost) - cut - failed + sum(len(poll.left()) for poll, _ in counts):
        yield f"{rest} stopped or not sent, and without a vote"


def _suspicious(poll: Poll) -> Iterator[str]:
    """Votes that are all one text are one sample told often, where nothing was left to chance."""
    asked = [cell.request.parameters for cell in poll.cells[: poll.heard]]
    seeds = {repr(one.get("seed")) for one in asked}
    if len(seeds) == 1 and seeds != {"None"}:
        yield "all have the same seed: where it is honoured, that is one answer, counted several times"
    elif len({cell.target for cell in poll.cells[: poll.heard]}) == 1 and all(
        one.get("temperature") == 0 for one in asked
    ):
        yield "all are at temperature 0: that is about one answer, counted several times"


def _table(voted: Voted, wide: int) -> Iterator[str]:
    for number, poll in enumerate(voted.polls[:_ROWS]):
        counted = poll.counted()
        winner = counted.winner
        right = {True: "✓", False: "✗", None: " "}[poll.is_right(chosen(poll, voted.best[number]))]
        votes, label = (str(winner.votes), winner.label) if winner else ("–", "no majority")
        told = f"{votes:>3} of {counted.votes:<3} {right} {label}"
        best = voted.best[number]
        told += f"  best: cell {best.cell + 1}" if best and best.cell is not None else ""
        yield fit(clean_line(f"{_name(poll, number):>6}  {told}"), wide)
    if len(voted.polls) > _ROWS:
        yield f"… and {len(voted.polls) - _ROWS} more: --format json"


def _name(poll: Poll, number: int) -> str:
    row = poll.place[0]
    return f"row {row + 1}" if row is not None else f"#{number + 1}"


def _totals(voted: Voted) -> Iterator[str]:
    judged = [right for poll, best in zip(voted.polls, voted.best, strict=True)
              if (right := poll.is_right(chosen(poll, best))) is not None]  # fmt: skip
    if len(judged) > 1:
        low, high = wilson(sum(judged), len(judged))
        share = f"{sum(judged) / len(judged):.1%} (95%: {low:.1%} to {high:.1%})"
        what = "what was chosen" if any(voted.best) else "the majority"
        yield f"{what} is right in {sum(judged)} of {len(judged)}: {share}"
    if voted.saved.cells:
        usd = f", ${voted.saved.usd:.4f}" if voted.saved.usd else ""
        tokens = f": about {voted.saved.tokens:,} tokens saved{usd}" if voted.saved.tokens else ""
        many = "samples were" if voted.saved.cells > 1 else "sample was"
        yield f"{voted.saved.cells} {many} not needed and not sent{tokens}"


# -- JSON --------------------------------------------------------------------------------------------------------------


def _write_json(voted: Voted, *, lines: bool) -> None:
    votes = [_vote_object(voted, poll, best) for poll, best in zip(voted.polls, voted.best, strict=True)]
    spared = {"cells": voted.saved.cells, "tokens": voted.saved.tokens, "usd": voted.saved.usd}
    if lines:
        for one in votes:
            sys.stdout.write(escaped(json.dumps(one, ensure_ascii=False)) + "\n")
        return
    cells = []
    if voted.costing is not None:
        cells = [cell_object(cell, voted.said[cell.index], voted.costing) for cell in voted.run.plan.cells]
    whole = {"run": run_head(voted.run), "votes": votes, "accuracy": _accuracy(votes), "saved": spared, "cells": cells}
    sys.stdout.write(escaped(json.dumps(whole, ensure_ascii=False)) + "\n")


def _vote_object(voted: Voted, poll: Poll, best: Best | None) -> dict[str, Any]:
    counted = poll.counted()
    answers = []
    for one in counted.standings:
        low, high = wilson(one.votes, counted.votes)
        answers.append({"answer": one.label, "votes": one.votes, "weight": one.weight,
                        "share": one.weight / counted.weight, "low": low, "high": high,
                        "targets": dict(one.targets), "cells": list(one.cells)})  # fmt: skip
    return {
        "row": poll.place[0], "winner": counted.winner.label if counted.winner else None,
        "level": [one.label for one in counted.leaders] if len(counted.leaders) > 1 else [],
        "votes": counted.votes, "answers": answers, "abstained": list(counted.abstained), "lost": poll.lost,
        "skipped": poll.skipped, "unsent": [cell.index for cell in poll.left()],
        "expected": poll.expected, "right": poll.is_right(chosen(poll, best)),
        "best": None if best is None else {"cell": best.cell, "why": best.why, "ranks": dict(best.ranks),
                                           "answer": voted.said[best.cell].answer if best.cell is not None else None},
    }  # fmt: skip


def _accuracy(votes: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    judged = [one["right"] for one in votes if one["right"] is not None]
    if not judged:
        return None
    low, high = wilson(sum(judged), len(judged))
    return {"right": sum(judged), "of": len(judged), "share": sum(judged) / len(judged), "low": low, "high": high}
