"""`promptlab rank`: what the votes say, of a run or of the whole history, for a terminal, a program or a reader."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from promptlab import config
from promptlab.ballot import USER, Ballot
from promptlab.cli.judged import judged_run
from promptlab.cli.output import notice
from promptlab.errors import StoreError, UsageError, nearest
from promptlab.params import show
from promptlab.plan import Cell
from promptlab.render.facts import moment
from promptlab.render.preference_report import Case, report
from promptlab.render.sanitise import clean_line
from promptlab.store import Store
from promptlab.transcript import Transcript

FORMATS = ("text", "json", "md", "html")
_TOLD = ("logprobs", "top_logprobs")  # what an endpoint is to tell beside the answer
_PIPE = 100  # columns of what goes into a pipe or a file


@dataclass(frozen=True, slots=True)
class Ranking:
    """What is wanted: of which `run` (None: all), by which `voter` (None: each by itself, or all `together`); `listed`
    shows the votes themselves. `aside` and `counted` are numbers of votes that shall not count, or again."""

    run: int | None = None
    voter: str | None = None
    together: bool = False
    listed: bool = False
    aside: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()


def rank(wanted: Ranking, format: str | None, target: Path | None, color: str, *, force: bool = False) -> int:
    """Print what the votes say, or write it to `target`. Raises UsageError and StoreError; gives 1 where there is no
    vote to speak of."""
    _examine(wanted, format, target, force=force)
    store = Store(config.places().database)
    try:
        for number in (*wanted.aside, *wanted.counted):
            store.put_aside(number, aside=number in wanted.aside)
            notice(f"vote {number} counts {'no more' if number in wanted.aside else 'again'}")
        votes = _votes(store, wanted)
        if not votes and format != "json":
            _complain(store, wanted)
            return 1
        _tell(store, votes, wanted, format or "text", target, color, force)
        return 0 if votes else 1
    finally:
        store.close()


def _examine(wanted: Ranking, format: str | None, target: Path | None, *, force: bool) -> None:
    if format is not None and format not in FORMATS:
        raise UsageError(f"--format: '{format}' is not one of {', '.join(FORMATS)}", nearest(format, FORMATS))
    if both := set(wanted.aside) & set(wanted.counted):
        raise UsageError(f"vote {min(both)}: --aside and --count at once", "one of them")
    if wanted.voter is not None and wanted.together:
        raise UsageError("--voter is one, and --together all of them", "leave one of them out")
    if wanted.listed and format in ("md", "html"):
        raise UsageError(f"--votes is a list for text and json, not {format}", "the html report shows every vote")
    if target is not None and target != Path("-"):
        if target.is_dir():
            raise UsageError(f"{target} is a folder", f"-o {target / 'votes.html'}")
        if target.exists() and not force:
            raise UsageError(f"{target} is already there", "--force replaces it")


def _votes(store: Store, wanted: Ranking) -> list[Ballot]:
    """The votes that are asked for. Raises UsageError for a voter that there isn't, StoreError for such a run."""
    if wanted.run is not None:
        store.run(wanted.run)
    votes = [ballot for ballot in store.votes(wanted.run) if ballot.compares]
    if wanted.voter is None:
        return votes
    voters = list(dict.fromkeys(ballot.voter for ballot in votes))
    if votes and wanted.voter not in voters:
        raise UsageError(f"--voter: nobody is called '{wanted.voter}'", f"votes are by {', '.join(voters)}")
    return [ballot for ballot in votes if ballot.voter == wanted.voter]


def _complain(store: Store, wanted: Ranking) -> None:
    if wanted.run is not None and (judged := judged_run(store.run(wanted.run).plan)) is not None:
        raise UsageError(f"run {wanted.run} is the judging of run {judged}", f"promptlab rank {judged}")
    of = "" if wanted.run is None else f" on run {wanted.run}"
    hint = "promptlab compare" + ("" if wanted.run is None else f" {wanted.run}")
    sys.stderr.write(f"promptlab: there are no votes{of} yet\n  → {hint}\n")


def _tell(
    store: Store, votes: Sequence[Ballot], wanted: Ranking, format: str, target: Path | None, color: str, force: bool
) -> None:
    from promptlab.cli.export import fill, into, print_text
    from promptlab.render.preference_record import markdown

    text: Iterable[str]
    match format:
        case "json":
            text = (_json(votes, wanted),)
        case "md":
            text = markdown(votes, together=wanted.together)
        case "html":
            seen = _Seen(store)
            text = report(votes, seen.arms(votes), seen.cases(votes), together=wanted.together)
        case _ if target is None or target == Path("-"):
            _print(votes, wanted, color)
            return
        case _:
            text = (f"{line}\n" for line in _lines(votes, wanted, _PIPE))
    if target is None or target == Path("-"):
        print_text(text)
    else:
        into(target, lambda path: fill(path, text), force=force)


def _json(votes: Sequence[Ballot], wanted: Ranking) -> str:
    from promptlab.render.preference_record import ballot_record, record

    found: object = [ballot_record(one) for one in votes] if wanted.listed else record(votes, together=wanted.together)
    return json.dumps(found, ensure_ascii=True) + "\n"


def _print(votes: Sequence[Ballot], wanted: Ranking, color: str) -> None:
    from promptlab.cli.output import console
    from promptlab.render.picture import Picture, row

    cells = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE
    if wanted.listed:
        picture = Picture(tuple(row(line) for line in _lines(votes, wanted, cells)))
    else:
        from promptlab.render.preference import text

        picture = text(votes, cells, together=wanted.together)
    if sys.stdout.isatty() or color == "always":
        console(color).print(picture)
    else:
        sys.stdout.write(f"{picture}\n")


def _lines(votes: Sequence[Ballot], wanted: Ranking, cells: int) -> Iterator[str]:
    from promptlab.render.preference import text
    from promptlab.render.wrap import wrap_line

    if not wanted.listed:
        yield from text(votes, cells, together=wanted.together).lines()
        return
    for ballot in votes:
        first, *others = wrap_line(clean_line(_told(ballot)), max(2, cells - 7))
        yield f"{ballot.id:>5}  {first}"
        yield from (f"{'':7}{line}" for line in others)


def _told(ballot: Ballot) -> str:
    """A vote on one line: when, by whom, what it says, and what is to be known of it."""
    from promptlab.render.preference import flags

    verdict, arms = ballot.verdict, [one.arm for one in ballot.seen]
    if isinstance(verdict, int):
        said = f"{arms[verdict]} over {', '.join(arm for place, arm in enumerate(arms) if place != verdict)}"
    else:
        said = {"tie": "tie", "bad": "both bad", "skip": "skipped"}[verdict] + f": {', '.join(arms)}"
    parts = [moment(ballot.created), said]
    parts += [] if ballot.voter == USER else [f"by {ballot.voter}"]
    parts += flags(ballot)
    parts += ["set aside"] if ballot.aside else []
    parts += [f"“{ballot.note}”"] if ballot.note else []
    runs = dict.fromkeys(one.run for one in ballot.seen)
    return " · ".join([*parts, f"run {', '.join(map(str, runs))}"])


class _Seen:
    """What was seen in votes, out of the history; of a run that is gone nothing is known."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def arms(self, votes: Sequence[Ballot]) -> dict[str, dict[str, str]]:
        """What each arm is, by the first cell that stood for it."""
        first: dict[str, tuple[int, int]] = {}
        for ballot in votes:
            for one in ballot.seen:
                first.setdefault(one.arm, (one.run, one.cell))
        return {arm: self._about(*place) for arm, place in first.items()}

    def _about(self, run: int, number: int) -> dict[str, str]:
        found = self._sample(run, number)
        if found is None:
            return {}
        cell, said = found
        served = said.served.model if said.served and said.served.model else cell.request.model
        about = {"target": cell.target, "model": served, "system prompt": _system(cell)}
        about |= {"profile": str(cell.values.get("profile") or self._store.run(run).plan.profile or "")}
        about |= {name: show(value) for name, value in cell.request.parameters.items() if name not in _TOLD}
        return {name: value for name, value in about.items() if value}

    def cases(self, votes: Sequence[Ballot]) -> Iterator[Case]:
        """Each vote with its prompt and its answers; one at a time is held."""
        for ballot in votes:
            found = [self._sample(one.run, one.cell) for one in ballot.seen]
            cell = next((each[0] for each in found if each), None)
            asked = "\n\n".join(one.text for one in cell.request.messages if one.role == "user") if cell else ""
            yield Case(ballot, asked, tuple(each[1].answer if each else None for each in found),
                       tuple(each[1].thinking if each else "" for each in found))  # fmt: skip

    def _sample(self, run: int, number: int) -> tuple[Cell, Transcript] | None:
        with suppress(StoreError):
            return self._store.sample(run, number)
        return None


def _system(cell: Cell) -> str:
    return "\n\n".join(one.text for one in cell.request.messages if one.role in ("system", "developer"))
