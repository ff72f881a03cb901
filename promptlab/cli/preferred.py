"""Which answers of a run votes preferred, for an export: the answers alone, or pairs of chosen and rejected."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from promptlab.ballot import USER, Ballot
from promptlab.errors import Sentence, UsageError
from promptlab.plan import Cell
from promptlab.render.export import Said, unfit
from promptlab.render.plain import escaped
from promptlab.render.record import dump
from promptlab.render.sanitise import clean_line
from promptlab.request import Message
from promptlab.store import Store

Place = tuple[int, int]  # run and cell


def votes_by(store: Store, run: int, voter: str | None) -> list[Ballot]:
    """The votes on a run that count, of one voter: of `voter`, else yours, else of the only judge there is. Raises
    UsageError where there is none, or several judges voted and nobody says which is meant."""
    votes = [ballot for ballot in store.votes(run) if ballot.counts]
    voters = list(dict.fromkeys(ballot.voter for ballot in votes))
    if not votes:
        raise UsageError(Sentence("nobody has voted on run {run}", run=run), f"promptlab compare {run}")
    if voter is None and USER not in voters and len(voters) > 1:
        raise UsageError(Sentence("run {run} has votes of {voters}, which are not mixed", run=run,
                                  voters=", ".join(voters)), Sentence("--voter says whose"))  # fmt: skip
    chosen = voter or (USER if USER in voters else voters[0])
    if chosen not in voters:
        raise UsageError(f"--voter: '{chosen}' has not voted on run {run}", f"votes are by {', '.join(voters)}")
    return [ballot for ballot in votes if ballot.voter == chosen]


def preferred(ballots: Iterable[Ballot], run: int) -> set[int]:
    """The numbers of the cells of a run that won more often than they lost."""
    won: Counter[Place] = Counter()
    for better, worse in _choices(ballots):
        won[better] += 1
        won[worse] -= 1
    return {cell for (where, cell), more in won.items() if more > 0 and where == run}


def _choices(ballots: Iterable[Ballot]) -> Iterator[tuple[Place, Place]]:
    """The better and the worse one of every two of whom a vote says it."""
    for ballot in ballots:
        if isinstance(ballot.verdict, int):
            best = ballot.seen[ballot.verdict]
            for place, other in enumerate(ballot.seen):
                if place != ballot.verdict:
                    yield (best.run, best.cell), (other.run, other.cell)


def pairs(store: Store, ballots: list[Ballot], sees: Callable[[Cell, Any], None]) -> Iterator[str]:
    """A line of JSON for every two answers of which one won more votes: the prompt, `chosen` and `rejected` as chat
    messages, as trainers of preferences take them, and where they come from. The vote was on answers, so thinking is
    not in it. `sees` is told of the answers that are given away. What can't be a pair is counted on stderr."""
    won = Counter(_choices(ballots))
    left: Counter[str] = Counter()
    arms = {(one.run, one.cell): one.arm for ballot in ballots for one in ballot.seen}
    given = 0
    for (better, worse), count in won.items():
        more = count - won[worse, better]
        if more <= 0:
            left["as many votes for the one as for the other"] += more == 0 and better < worse
            continue
        chosen, rejected = store.sample(*better), store.sample(*worse)
        prompt = _prompt(chosen[0], rejected[0])
        if why := unfit(chosen[1]) or unfit(rejected[1]) or ("" if prompt is not None else "not asked the same"):
            left[why] += 1
            continue
        given += 1
        for cell, said in (chosen, rejected):
            sees(cell, said)
        about = {"voter": ballots[0].voter, "votes": more, "chosen_arm": arms[better], "rejected_arm": arms[worse],
                 "chosen_from": list(better), "rejected_from": list(worse)}  # fmt: skip
        yield escaped(dump(_record(prompt or [], chosen, rejected) | about)) + "\n"
    ties = sum(not isinstance(ballot.verdict, int) for ballot in ballots)
    left["ties or both bad"] += ties
    rest = "".join(f"; {number} {why}" for why, number in left.items() if number)
    sys.stderr.write(f"promptlab: {given} pairs from votes of {clean_line(ballots[0].voter)}{rest}\n")


def _record(prompt: list[dict[str, str]], chosen: Said, rejected: Said) -> dict[str, Any]:
    return {"prompt": prompt, "chosen": [{"role": "assistant", "content": chosen[1].answer}],
            "rejected": [{"role": "assistant", "content": rejected[1].answer}]}  # fmt: skip


def _prompt(one: Cell, other: Cell) -> list[dict[str, str]] | None:
    """What both were asked; without system prompts where those are what was compared. None where they differ."""
    first, second = one.request.messages, other.request.messages
    if first != second:
        first, second = (tuple(each for each in said if each.role not in ("system", "developer"))
                         for said in (first, second))  # fmt: skip
    return [_message(each) for each in first] if first == second else None


def _message(one: Message) -> dict[str, str]:
    return {"role": one.role, "content": one.text}
