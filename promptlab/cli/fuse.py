"""`promptlab fuse`: one answer out of the answers of a run; with `--council` reviewed blind and ranked before."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import SystemRandom
from typing import Any

from promptlab import config
from promptlab.axis import parse_options, split_option
from promptlab.cli.council import STEP, Member, Seat, answers_of, last_asked, member
from promptlab.cli.inputs import objects_read
from promptlab.cli.output import Output, console
from promptlab.cli.planning import Asked, Forms, Reach, check_mode, hashes, targets_of
from promptlab.cli.ready import Way, made_ready
from promptlab.cli.staging import (
    Following,
    Stages,
    agreed,
    carried,
    paints,
    pipes,
    print_text,
    show_steps,
    stood_in,
    view_of,
)
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.errors import UsageError
from promptlab.plan import Cell, Plan, Run, Target
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import wrap_line
from promptlab.review import Paper, ranks, read_fused, read_ranking, renamed, review_paper, shuffled
from promptlab.review import writing_paper as paper_for
from promptlab.store import Store

REVIEW, WRITE = "review", "write"


@dataclass(frozen=True, slots=True)
class Fusing:
    """What is fused, and by whom. `reviewers` of a council are the models of the run where none is named."""

    run: int | None = None
    by: str = ""
    council: bool = False
    reviewers: tuple[str, ...] = ()
    row: int | None = None
    profile: str | None = None
    yes: bool = False


@dataclass(slots=True)
class Fused:
    """What came of it: the answer, what each answer contributed, their mean ranks, and who ranked nothing."""

    answer: str = ""
    contributions: dict[int, str] = field(default_factory=dict)
    ranks: dict[int, float] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)


def fuse(fusing: Fusing, asked: Asked, output: Output, limits: Limits, way: Way) -> int:
    """Write one answer from those of a run; the exit code says how it went."""
    places = config.places()
    settings = config.settings(places)
    if not fusing.by:
        raise UsageError("who shall write the answer?", "promptlab fuse RUN --by openai/gpt-4.1")
    store = Store(places.database)
    try:
        run = store.run(fusing.run if fusing.run is not None else last_asked(store))
        assert run.id is not None
        seats = answers_of(run, list(store.samples(run.id)), fusing.row)
    finally:
        store.close()
    work = _Work(run, seats, fusing, asked, places, settings)
    with made_ready(work.plan, way, places, settings, quiet=output.quiet) as ready:
        told = f"run {run.id}: {len(seats)} answers" + (f", reviewed by {work.reviews}" if work.reviews else "")
        if (code := agreed(ready, work.guessed(), output, way, settings, yes=fusing.yes, notes=[told])) is not None:
            return code
        stages, code = asyncio.run(
            carried(ready, limits, work.following, lambda stages: view_of(stages, output, ready), quiet=output.quiet)
        )
    fused = work.read(stages)
    show_steps(stages, output, {"fuse": _object(run, seats, fused)})
    if pipes(output):
        print_text(fused.answer, output)
    if output.format in (None, "text"):
        _tell(seats, fused, output)
    return code


class _Work:
    """The council and the writer: their cells, and what each is asked once it is known."""

    def __init__(
        self, run: Run, seats: Sequence[Seat], fusing: Fusing, asked: Asked, places: Places, settings: Settings
    ) -> None:  # fmt: skip
        self._seats, self._chance = seats, SystemRandom()
        self._question = seats[0].question
        reach = _reach(run, fusing, asked)
        by = targets_of([fusing.by], settings, reach.base_url)
        if len(by) > 1:
            raise UsageError("one model writes the answer", f"--by {by[0].text}")
        given = parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))
        named = targets_of(fusing.reviewers, settings, reach.base_url) if fusing.reviewers else []
        own = [] if named or not fusing.council else targets_of(_models(seats), settings, reach.base_url)
        forms = Forms([*by, *named, *own], settings, reach)

        def seat(target: Target, profile: str | None, usual: str) -> Member:
            return member(target, profile, usual, self._question, given, places, forms)

        self._readers: list[tuple[Member, Paper]] = []
        for target in [*named, *own]:
            others = [n for n, one in enumerate(seats) if not own or one.model != (target.endpoint, target.model)]
            if others:
                paper = review_paper(self._question, self._texts(others), shuffled(others, self._chance))
                self._readers.append((seat(target, None, "council"), paper))
        if fusing.council and not self._readers:
            raise UsageError("a council wants answers of several models, and this run has those of one",
                             "--reviewer MODEL names who reviews them")  # fmt: skip
        self._writer = seat(by[0], fusing.profile, "fuse")
        self._order = shuffled(range(len(seats)), self._chance)
        self._paper = paper_for(self._question, self._texts(self._order), self._order)
        cells = [one.cell(number, {STEP: REVIEW}, paper.prompt) for number, (one, paper) in enumerate(self._readers)]
        cells.append(self._writer.cell(len(cells), {STEP: WRITE}, self._paper.prompt))
        profiles = {one.profile.name: one.profile for one in (self._writer, *(one for one, _ in self._readers))}
        self.plan = Plan(
            tuple(cells), self._question, self._writer.profile.name, reach.base_url, reach.key_env,
            check_mode(asked.mode), reach.plain_http, profiles=hashes(profiles),
        )  # fmt: skip

    @property
    def reviews(self) -> int:
        return len(self._readers)

    def _texts(self, numbers: Sequence[int]) -> dict[int, str]:
        return {number: self._seats[number].answer for number in numbers}

    def guessed(self) -> Plan:
        """The plan to price: with reviews of a usual length in the writer's prompt."""
        if not self._readers:
            return self.plan
        paper = paper_for(self._question, self._texts(self._order), self._order, [stood_in()] * len(self._readers))
        last = self._writer.cell(len(self._readers), {STEP: WRITE}, paper.prompt)
        return replace(self.plan, cells=(*self.plan.cells[:-1], last))

    def following(self, stages: Stages) -> Following:
        """All reviews at once, and then the answer."""
        left = [REVIEW, WRITE] if self._readers else [WRITE]

        async def next_stage() -> Sequence[Cell]:
            stage = left.pop(0) if left else ""
            return self.plan.cells[:-1] if stage == REVIEW else self._write(stages) if stage == WRITE else ()

        return next_stage

    def _write(self, stages: Stages) -> Sequence[Cell]:
        reviews = [
            renamed(said.answer, paper.order, self._order)
            for number, (_, paper) in enumerate(self._readers)
            if (said := stages.said[number]).answer and said.state in ("done", "incomplete")
        ]
        if len(reviews) < len(self._readers):
            stages.notes.append(f"{len(self._readers) - len(reviews)} of {len(self._readers)} reviews did not come")
        if reviews:
            self._paper = paper_for(self._question, self._texts(self._order), self._order, reviews)
        return (self._writer.cell(len(self._readers), {STEP: WRITE}, self._paper.prompt),)

    def read(self, stages: Stages) -> Fused:
        """What the council and the writer have said."""
        found = Fused()
        rankings = []
        for number, (one, paper) in enumerate(self._readers):
            ranking = read_ranking(stages.said[number].answer, len(paper.order))
            if ranking is None:
                found.silent.append(one.target.text)
            else:
                rankings.append((paper.order, ranking))
        found.ranks = ranks(rankings)
        said = stages.said[len(self._readers)].answer
        found.answer, contributed = read_fused(said, self._paper.mark, len(self._order))
        found.contributions = {self._order[place]: text for place, text in contributed.items()}
        return found


def _reach(run: Run, fusing: Fusing, asked: Asked) -> Reach:
    """Where the models are: the run's own --base-url holds again for models of that run, and for a bare name."""
    known = {cell.endpoint for cell in run.plan.cells}
    names = (fusing.by, *fusing.reviewers)
    again = all(name.partition("?")[0].partition("/")[0] in known or "/" not in name for name in names)
    if asked.base_url or not again:
        return Reach(asked.base_url, asked.key_env, asked.plain_http)
    return Reach(run.plan.base_url, asked.key_env or run.plan.key_name, asked.plain_http or run.plan.plain_http)


def _models(seats: Sequence[Seat]) -> list[str]:
    """A target for each model of the run, as it was written there."""
    return list({one.model: one.target for one in seats}.values())


def _object(run: Run, seats: Sequence[Seat], fused: Fused) -> dict[str, Any]:
    return {
        "of": run.id, "answer": fused.answer or None, "unranked": fused.silent,
        "answers": [{"cell": one.cell, "arm": one.arm, "rank": fused.ranks.get(number),
                     "contributed": fused.contributions.get(number)} for number, one in enumerate(seats)],
    }  # fmt: skip


def _tell(seats: Sequence[Seat], fused: Fused, output: Output) -> None:
    """Who stood where, and what the writer says that each contributed: on a terminal below the panes, else stderr."""
    lines = []
    order = sorted(range(len(seats)), key=lambda number: fused.ranks.get(number, 2.0))
    if fused.ranks:
        lines.append("ranked by the council (0: always first, 1: always last)")
        lines += [f"  {fused.ranks[n]:.2f}  {seats[n].name}" if n in fused.ranks else f"     –  {seats[n].name}"
                  for n in order]  # fmt: skip
    if fused.silent:
        lines.append(f"no ranking could be read from {', '.join(fused.silent)}")
    if fused.contributions:
        lines.append("what each contributed, as the writer says")
        lines += [f"  {seats[n].name}: {fused.contributions[n]}" for n in order if n in fused.contributions]
    elif fused.answer:
        lines.append("the writer does not say what each answer contributed")
    if output.quiet:
        return
    paper = console(output.color) if paints(output) else None
    for line in lines:
        if paper is not None:
            margin = len(line) - len(line.lstrip())
            rows = wrap_line(clean_line(line), max(2, paper.width - 4))
            paper.print("\n".join(" " * (margin if number == 0 else margin + 2) + row.lstrip()
                                  for number, row in enumerate(rows)))  # fmt: skip
        else:
            sys.stderr.write(f"{clean_line(line)}\n")
