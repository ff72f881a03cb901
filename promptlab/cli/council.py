"""Who takes part when answers are reviewed, ranked or fused: the answers of a run, and models that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from promptlab.arm import Place, parts_of, place_of, shown
from promptlab.cli.planning import Forms
from promptlab.config import Places
from promptlab.errors import UsageError
from promptlab.material import is_chinese
from promptlab.params import Value
from promptlab.plan import Cell, Filling, Plan, Run, Spot, Target, lay_out
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import gather, prepare, schema_for, unset
from promptlab.render.facts import CUT
from promptlab.request import Message
from promptlab.review import MOST
from promptlab.store import Store
from promptlab.transcript import Transcript

_LAST = 50  # runs that are looked at for the last one that asked
STEP = "step"  # what tells the cells of a run in stages apart: they are no answers to one question


@dataclass(frozen=True, slots=True)
class Seat:
    """One answer of a run; `arm` is what gave it, `name` the same beside others, `model` endpoint and model."""

    cell: int
    arm: str
    name: str
    target: str
    model: tuple[str, str]
    question: str
    answer: str


def answers_of(run: Run, samples: Sequence[tuple[Cell, Transcript]], row: int | None = None) -> list[Seat]:
    """The whole answers of a run to one question, `row` (from 1) of a dataset; the same text only once. Raises
    UsageError where there are fewer than two, more than 26, or several questions."""
    asked = [(cell, said) for cell, said in samples if STEP not in cell.values]
    if samples and not asked:
        raise UsageError(f"run {run.id} is made of steps, and those are no answers to one question",
                         "promptlab runs lists the others")  # fmt: skip
    places = _places(run, [cell for cell, _ in asked], row)
    found = [
        (cell, said) for cell, said in asked
        if place_of(cell) in places and said.answer and said.state == "done" and said.finish_reason not in CUT
    ]  # fmt: skip
    found = list({" ".join(said.answer.split()): (cell, said) for cell, said in reversed(found)}.values())[::-1]
    if len(found) < 2:
        raise UsageError(f"run {run.id} has {len(found) or 'no'} whole answer{'s' * (not found)} to fuse",
                         "fusing takes two or more, and what was cut or failed is none")  # fmt: skip
    if len(found) > MOST:
        raise UsageError(f"run {run.id} has {len(found)} different answers: {MOST} is the most that one model reads",
                         "promptlab vote --run counts them")  # fmt: skip
    question = question_of(run.plan, found[0][0])
    names = _names([parts_of(run.plan, cell) for cell, _ in found], [cell for cell, _ in found])
    return [
        Seat(cell.index, " ".join(parts_of(run.plan, cell)), name, cell.target, (cell.endpoint, cell.request.model),
             question, said.answer)
        for (cell, said), name in zip(found, names, strict=True)
    ]  # fmt: skip


def _places(run: Run, cells: Sequence[Cell], row: int | None) -> list[Place]:
    """The one question that is meant. Raises UsageError where there are several."""
    places = list(dict.fromkeys(place_of(cell) for cell in cells))
    if row is not None:
        rows = sorted({place[0] + 1 for place in places if place[0] is not None})
        places = [place for place in places if place[0] == row - 1]
        if not places:
            hint = f"--row {rows[0]} to {rows[-1]}" if rows else "it has no dataset: leave out --row"
            raise UsageError(f"run {run.id} has no row {row}", hint)
    if len(places) > 1:
        raise UsageError(f"run {run.id} asks {len(places)} different questions", "--row 1 fuses the answers to one")
    return places


def last_asked(store: Store) -> int | None:
    """The last run that asked a question, and is not made of steps; None where there is no run at all."""
    last = None
    for summary in store.runs(_LAST):
        last = last or summary.id
        if any(STEP not in cell.values for cell in store.run(summary.id).plan.cells):
            return summary.id
    return last


def question_of(plan: Plan, cell: Cell) -> str:
    """What a cell was asked, as readers of its answer are told: the user's turn, which holds the context too. Where a
    profile says what is wanted, it stands before it."""
    said = cell.request.messages[-1].text
    if cell.row is not None or "{{" in plan.prompt:  # the plan's prompt is then a template, or the first row's
        return "\n\n".join(message.text for message in cell.request.messages) if plan.profile else said
    return said if plan.prompt.strip() in said else f"{plan.prompt.strip()}\n\n{said}"


def _names(arms: Sequence[Sequence[str]], cells: Sequence[Cell]) -> list[str]:
    """Names that tell them apart: what differs, and the number of the cell where nothing does."""
    names = shown(arms) if len({tuple(arm) for arm in arms}) > 1 else [arm[0] for arm in arms]
    return [f"{name} #{cell.index + 1}" if names.count(name) > 1 else name
            for name, cell in zip(names, cells, strict=True)]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A model that reads answers: how it is asked."""

    target: Target
    profile: Profile
    asked: dict[str, Value]
    files: Sequence[tuple[str, str]]
    forms: Forms

    def messages(self, text: str) -> tuple[Message, ...]:
        return self.forms.messages(self.target, self.asked, prepare(text, profile=self.profile, files=self.files))

    def cell(self, index: int, varied: Mapping[str, Value], text: str, *, row: int | None = None) -> Cell:
        """Its cell in a plan. `text` holds the question and the answers; see `promptlab.review`."""
        spot = Spot(self.target, self.asked)
        (cell,) = lay_out([spot], lambda spot, row: Filling(self.messages(text)))
        return replace(cell, index=index, varied=dict(varied), values=dict(varied), row=row)


def member(
    target: Target, profile: str | None, usual: str, question: str, given: Mapping[str, list[Value]], places: Places,
    forms: Forms,
) -> Member:  # fmt: skip
    """Who reads: by the profile that is named, or the shipped one `usual` in the language of the question. Raises
    UsageError and ProfileError."""
    name = profile or (f"{usual}-zh" if is_chinese(question) else usual)
    found = read(find(name, places.profiles), places.profiles)
    if missing := unset(found, {}):
        raise UsageError(f"profile '{found.name}' needs {', '.join(missing)}", "a profile without open variables")
    asked = one_each({**found.parameters, **given, **target.axes}, found, target, forms, target.text)
    return Member(target, found, asked, gather(found), forms)


def one_each(
    axes: Mapping[str, Sequence[Value]], profile: Profile | None, target: Target, forms: Forms, who: str
) -> dict[str, Value]:  # fmt: skip
    """The parameters of a request that stands alone: one value of each. Raises UsageError."""
    for name, values in axes.items():
        if len(values) > 1:
            raise UsageError(f"{who}: one value of {name} here, and not {len(values)}",
                             "promptlab sweep tries several")  # fmt: skip
    asked: dict[str, Value] = {name: values[0] for name, values in axes.items() if values[0] is not None}
    for name, values in schema_for(profile, forms.facts(target)).items():
        asked.setdefault(name, values[0])
    return asked
