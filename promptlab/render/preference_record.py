"""Votes and what they show as records for JSON, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from promptlab.analysis.interval import Estimate
from promptlab.analysis.preference import Pair, Share, anytime_sentence, length_sentence
from promptlab.analysis.ranking import Ranking
from promptlab.analysis.showing import Beside, Ladder, Showing, besides, showings
from promptlab.ballot import Ballot
from promptlab.render.preference import (
    bare_p,
    beside_text,
    cast,
    left,
    longer,
    notes,
    odds,
    places,
    plainly,
    share,
    who,
)
from promptlab.render.sanitise import clean_line


def record(votes: Sequence[Ballot], *, together: bool = False) -> dict[str, Any]:
    """All that the votes show: `showings` by voter, and `agreement` of judges with the user."""
    agreed = [] if together else [_beside(one) for one in besides(votes)]
    return {"showings": [_showing(one) for one in showings(votes, together=together)], "agreement": agreed}


def ballot_record(ballot: Ballot) -> dict[str, Any]:
    """One vote as it was cast."""
    seen = [{"run": one.run, "cell": one.cell, "arm": one.arm, "length": one.length, "stopped": one.stopped}
            for one in ballot.seen]  # fmt: skip
    return {"vote": ballot.id, "created": ballot.created, "voter": ballot.voter, "criteria": ballot.criteria,
            "prompt": ballot.prompt, "seen": seen, "verdict": ballot.verdict, "seconds": ballot.seconds,
            "note": ballot.note, "flags": list(ballot.flags), "aside": ballot.aside, "counts": ballot.counts,
            "words": [list(one) for one in ballot.words], "soft": ballot.soft}  # fmt: skip


def _showing(one: Showing) -> dict[str, Any]:
    return {
        "voters": list(one.voters), "criteria": one.criteria, "votes": one.votes, "prompts": one.prompts,
        "ties": one.ties, "bad": one.bad, "skipped": one.skipped, "aside": one.aside, "flagged": one.flagged,
        "unblind": one.unblind, "turned": one.turned, "seconds": one.seconds, "lengths": dict(one.lengths),
        "pairs": [_pair(pair) for pair in one.pairs],
        "graph": {"arms": list(one.graph.arms), "connected": one.graph.connected,
                  "groups": [list(group) for group in one.graph.groups],
                  "votes": [{"a": a, "b": b, "votes": n} for (a, b), n in one.graph.votes.items()],
                  "missing": [list(pair) for pair in one.bridges]},
        "rankings": [_ladder(ladder) for ladder in one.ladders], "notes": notes(one),
    }  # fmt: skip


def _pair(pair: Pair) -> dict[str, Any]:
    bound = pair.anytime
    return {
        "a": pair.a, "b": pair.b, "wins": pair.wins.won, "losses": pair.losses, "ties": pair.ties, "bad": pair.bad,
        "prompts": pair.prompts, "clustered": pair.clustered, "rate": _estimate(pair.wins.rate),
        "score": _estimate(pair.score), "p": pair.wins.p, "p_adjusted": pair.adjusted, "correction": "holm",
        "tests": pair.tests, "p_these_prompts": pair.wins.alone, "settled": pair.left == 0, "votes_left": pair.left,
        "anytime": {"evidence": bound.evidence, "best": bound.best, "needed": bound.needed, "settled": bound.settled,
                    "low": bound.low, "high": bound.high},
        "left": _tally(pair.first), "longer": _tally(pair.longer), "at_equal_length": _estimate(pair.controlled),
        "sentence": plainly(pair), "anytime_sentence": anytime_sentence(pair),
        "length_sentence": length_sentence(pair),
    }  # fmt: skip


def _ladder(ladder: Ladder) -> dict[str, Any]:
    even = ladder.even
    return {"arms": list(ladder.arms), **_ranking(ladder.ranking),
            "at_equal_length": None if even is None else _ranking(even)}  # fmt: skip


def _ranking(one: Ranking) -> dict[str, Any]:
    standings = [
        {"arm": each.arm, "strength": _estimate(each.strength), "wins": each.wins, "losses": each.losses,
         "ties": each.ties, "best": each.best, "worst": each.worst}
        for each in one.standings
    ]  # fmt: skip
    gaps = [
        {"a": gap.a, "b": gap.b, "odds": _estimate(gap.odds), "chance": _estimate(gap.chance), "p": gap.p,
         "p_adjusted": gap.adjusted, "votes": gap.votes}
        for gap in one.gaps
    ]  # fmt: skip
    return {"votes": one.votes, "standings": standings, "gaps": gaps, "position": _estimate(one.position),
            "length": _estimate(one.length), "notes": list(one.notes)}  # fmt: skip


def _tally(one: Share | None) -> dict[str, Any] | None:
    return None if one is None else {"won": one.won, "of": one.of, "rate": _estimate(one.rate), "p": one.p}


def _estimate(one: Estimate | None) -> dict[str, float | None] | None:
    return None if one is None else {"value": one.value, "low": one.low, "high": one.high}


def _beside(one: Beside) -> dict[str, Any]:
    found = one.agreement
    return {"judge": one.judge, "criteria": one.criteria, "shared": found.n, "agreed": found.agreed,
            "kappa": _estimate(found.kappa), "differ": [[list(place) for place in key] for key in _keys(one)],
            "sentence": beside_text(one)}  # fmt: skip


def _keys(one: Beside) -> list[tuple[tuple[int, int], ...]]:
    """The pairs of answers on which they differ, as (run, cell)."""
    return [key for key in one.agreement.differ if isinstance(key, tuple)]


# Markdown ------------------------------------------------------------------------------------------------------------


def markdown(votes: Sequence[Ballot], *, together: bool = False) -> Iterator[str]:
    """All that the votes show as Markdown, line by line with their ends."""
    found = showings(votes, together=together)
    if not found:
        yield "No votes yet.\n"
    for one in found:
        yield from _section(one)
    if not together:
        for beside in besides(votes):
            yield f"{_cell(beside_text(beside))}.\n\n"


def _section(one: Showing) -> Iterator[str]:
    yield f"## {_capital(_cell(who(one)))}\n\n{_cell(cast(one))}.\n\n"
    for pair in one.pairs:
        yield f"- **{_cell(plainly(pair))}.** {_capital(_cell(anytime_sentence(pair)))}."
        yield f" {_capital(_cell(length_sentence(pair)))}.\n"
    head = ("pair", "wins", "ties", "both bad", "rate, ties aside", "p", "votes left", "longer won", "at equal length")
    if one.pairs:
        yield "\n" + _table(head, [
            (f"{pair.a} : {pair.b}", f"{pair.wins.won} : {pair.losses}", str(pair.ties), str(pair.bad),
             share(pair.wins.rate) if pair.wins.rate else "–", bare_p(pair.adjusted), left(pair), longer(pair.longer),
             share(pair.controlled) if pair.controlled else "–")
            for pair in one.pairs
        ])  # fmt: skip
    for ladder in one.ladders:
        even = {each.arm: odds(each.strength) for each in ladder.even.standings} if ladder.even else {}
        rows = [
            (places(each.best, each.worst), each.arm, odds(each.strength), f"{each.wins}–{each.losses}–{each.ties}",
             even.get(each.arm, "–"))
            for each in ladder.ranking.standings
        ]  # fmt: skip
        yield "\n" + _table(("place", "arm", "strength (log-odds)", "won–lost–tied", "at equal length"), rows)
    said = [f"- {_cell(note)}\n" for note in notes(one)]
    yield ("\n" if said else "") + "".join(said) + "\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text that is no Markdown of its own."""
    said = clean_line(text).replace("\\", "\\\\")
    for sign in "|`*_<[]":
        said = said.replace(sign, f"\\{sign}")
    return said
