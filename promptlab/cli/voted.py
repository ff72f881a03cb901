"""What a vote came to: the distribution, who won, what was not needed; for people, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptlab.analysis.interval import wilson
from promptlab.analysis.tally import Tally
from promptlab.cli.counting import Poll, Saved
from promptlab.cli.output import Output, console
from promptlab.plan import Run
from promptlab.render.plain import escaped
from promptlab.render.record import Costing, cell_object, run_head
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.tally import by_target, distribution
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
            sys.stdout.write(clean_line(_chosen(voted, poll, best)) + "\n")
    else:
        _write_text(voted, output)


def _chosen(voted: Voted, poll: Poll, best: Best | None) -> str:
    """The answer alone; empty where there is none."""
    if best is not None and best.cell is not None:
        return voted.said[best.cell].answer
    winner = poll.counted().winner
    return winner.label if winner is not None and best is None else ""


# -- text --------------------------------------------------------------------------------------------------------------


def _write_text(voted: Voted, output: Output) -> None:
    paper = console(output.color)
    wide = paper.width if sys.stdout.isatty() else _PIPE
    run = voted.run
    head = f"run {run.id} · {run.created[:16].replace('T', ' ')} · {' '.join(run.plan.prompt.split())}"
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
        told, shown = [], None
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
            paper.print(f"  … {len(rows) - most} more lines: promptlab show {run.id} --cells", style="dim")


def _targets(poll: Poll) -> list[str]:
    return list(dict.fromkeys(poll.name(cell) for cell in poll.cells))


def _lines(poll: Poll, counted: Tally, best: Best | None, said: Mapping[int, Transcript]) -> Iterator[str]:
    """One vote, in sentences."""
    if best is not None:
        which = f"cell {best.cell + 1}, " if best.cell is not None else ""
        yield f"best of {len(poll.whole)}: {which}{best.why}"
        order = sorted(best.ranks, key=lambda number: best.ranks[number])
        if order:
            told = ", ".join(f"cell {number + 1} {best.ranks[number]:.2f}" for number in order)
            yield f"mean ranks (0: always first, 1: always last): {told}"
    elif winner := counted.winner:
        low, high = wilson(winner.votes, counted.votes)
        sure = f" (95%: {low:.0%} to {high:.0%} of its kind)" if not poll.skipped else ""
        after = f", settled after {poll.heard} of {poll.heard + len(poll.skipped)}" if poll.skipped else ""
        yield f"{fit(winner.label, _LONG)} wins with {winner.votes} of {counted.votes} votes{sure}{after}"
    elif counted.leaders:
        several = counted.leaders
        names = ", ".join(fit(clean_line(one.label), 20) for one in several[:4]) + (" …" if len(several) > 4 else "")
        count = several[0].votes
        yield f"no majority: {len(several)} are level with {count} vote{'s' * (count != 1)} each ({names})"
    else:
        yield "nobody voted: no answer was found in any text; --extract says how to look for it"
    if counted.abstained and best is None:
        yield f"{len(counted.abstained)} without an answer that could be found: abstentions, and no votes"
    cut = sum(said[index].state in ("done", "incomplete") for index in poll.lost)
    if cut:
        yield f"{cut} cut before their end, and without a vote: --max-tokens gives them room"
    if len(poll.lost) > cut:
        yield f"{len(poll.lost) - cut} failed or not sent, and without a vote"
    if (right := poll.is_right(counted)) is not None:
        yield f"the right answer is {poll.expected}: the majority is {'right' if right else 'wrong'}"
    voiced = [voice for voice in poll.voices if voice.label is not None]
    if len(voiced) > 2 and len(counted.standings) == 1 and best is None:
        yield from _suspicious(poll)


def _suspicious(poll: Poll) -> Iterator[str]:
    """Votes that are all one text are one sample told often, where nothing was left to chance."""
    seeds = {repr(cell.request.parameters.get("seed")) for cell in poll.cells[: poll.heard]}
    if len(seeds) == 1 and seeds != {"None"}:
        yield "all have the same seed: where it is honoured, that is one answer, counted several times"


def _table(voted: Voted, wide: int) -> Iterator[str]:
    for number, poll in enumerate(voted.polls[:_ROWS]):
        counted = poll.counted()
        winner = counted.winner
        right = {True: "✓", False: "✗", None: " "}[poll.is_right(counted)]
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
    judged = [right for poll in voted.polls if (right := poll.is_right(poll.counted())) is not None]
    if len(judged) > 1:
        low, high = wilson(sum(judged), len(judged))
        share = f"{sum(judged) / len(judged):.1%} (95%: {low:.1%} to {high:.1%})"
        yield f"the majority is right in {sum(judged)} of {len(judged)}: {share}"
    if voted.saved.cells:
        usd = f", ${voted.saved.usd:.4f}" if voted.saved.usd else ""
        tokens = f": about {voted.saved.tokens:,} tokens saved{usd}" if voted.saved.tokens else ""
        yield f"{voted.saved.cells} samples were not needed and not sent{tokens}"


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
        "skipped": poll.skipped, "expected": poll.expected, "right": poll.is_right(counted),
        "best": None if best is None else {"cell": best.cell, "why": best.why, "ranks": dict(best.ranks),
                                           "answer": voted.said[best.cell].answer if best.cell is not None else None},
    }  # fmt: skip


def _accuracy(votes: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    judged = [one["right"] for one in votes if one["right"] is not None]
    if not judged:
        return None
    low, high = wilson(sum(judged), len(judged))
    return {"right": sum(judged), "of": len(judged), "share": sum(judged) / len(judged), "low": low, "high": high}
