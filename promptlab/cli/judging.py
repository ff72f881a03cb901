"""A run put before judges: which answers stand beside each other, and the plan of what is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from promptlab import config, verdict
from promptlab.analysis.showing import length_of
from promptlab.arm import arm_of, place_of, prompts_of
from promptlab.axis import set_only
from promptlab.ballot import USER, Ballot, Seen
from promptlab.cli.judged import JUDGED
from promptlab.cli.planning import Forms, Reach, check_mode, hashes
from promptlab.config import Settings
from promptlab.errors import UsageError
from promptlab.knowledge import Facts
from promptlab.material import is_chinese, new_mark
from promptlab.params import Value, show
from promptlab.plan import Cell, Filling, Plan, Run, Spot, Target, lay_out
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, blanks, prepare, schema_for
from promptlab.request import LOCAL
from promptlab.store import Store
from promptlab.verdict import Rubric

_ALTERNATIVES = 20  # the most that OpenAI, vLLM and others give
_SHIPPED = {(False, False): "judge", (False, True): "judge-zh", (True, False): "judge-rubric",
            (True, True): "judge-rubric-zh"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Way:
    """How a run is judged. `criteria` None leaves them to the profile; `most` pairs (of a rubric, answers) at most."""

    criteria: str | None = None
    profile: str | None = None
    rubric: bool = False
    once: bool = False
    soft: bool = False
    again: bool = False
    most: int | None = None
    scored: bool | None = None
    cot: bool = False
    mode: str = "adapt"


@dataclass(frozen=True, slots=True)
class Subject:
    """One answer that can be judged, and what it answers: `said` are the texts of its messages, `asked` is what the
    first of the plan's arms was asked in its place."""

    run: int
    cell: int
    arm: str
    prompt: str
    answer: str
    said: tuple[str, ...]
    asked: str

    @property
    def place(self) -> tuple[int, int]:
        return self.run, self.cell

    @property
    def seen(self) -> Seen:
        return Seen(self.run, self.cell, self.arm, length_of(self.answer))


@dataclass(frozen=True, slots=True)
class Case:
    """What is put before a judge at once: one answer, or two in the order of the ballot to be."""

    subjects: tuple[Subject, ...]

    @property
    def key(self) -> frozenset[tuple[int, int]]:
        return frozenset(one.place for one in self.subjects)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a judge: a case, with its answers in their order or the other way round."""

    voter: str
    case: Case
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Brief:
    """What every judge of a judging goes by. `rubric` is None where two answers are compared."""

    criteria: str
    profile: Profile
    variables: Mapping[str, str]
    rubric: Rubric | None


# -- what is judged ----------------------------------------------------------------------------------------------------


def subjects(store: Store, run: Run) -> list[Subject]:
    """The answers of a run, in the order of its plan; cells without one are left out."""
    assert run.id is not None
    prompts, found = prompts_of(run.plan), []
    for cell, said in store.samples(run.id):
        if said.state in ("done", "incomplete") and said.answer:
            key, asked = prompts[place_of(cell)]
            texts = tuple(message.text for message in cell.request.messages)
            found.append(Subject(run.id, cell.index, arm_of(run.plan, cell), key, said.answer, texts, asked))
    return found


def paired(found: Sequence[Subject], votes: Iterable[Ballot] = (), most: int | None = None) -> list[Case]:
    """Every two arms on every prompt, repeat by repeat, and what the user voted on. Of these `most`, the user's first
    and then as chance has it, but the same ones every time. Who stands first on a ballot is left to chance, too."""
    by_place = {one.place: one for one in found}
    cases: dict[frozenset[tuple[int, int]], Case] = {}
    for ballot in votes:
        if ballot.voter == USER and ballot.counts:
            seen = [by_place[one.run, one.cell] for one in ballot.seen if (one.run, one.cell) in by_place]
            for one, other in combinations(seen, 2):
                _add(cases, one, other)
    own = len(cases)
    arms: dict[str, dict[str, list[Subject]]] = {}
    for each in found:
        arms.setdefault(each.prompt, {}).setdefault(each.arm, []).append(each)
    for by_arm in arms.values():
        for first, second in combinations(by_arm.values(), 2):
            for one, other in zip(first, second, strict=False):
                _add(cases, one, other)
    listed = list(cases.values())
    if most is not None and most < len(listed):
        listed = [*listed[:own], *sorted(listed[own:], key=lambda case: _chance(case.subjects))][:most]
    return listed


def _add(cases: dict[frozenset[tuple[int, int]], Case], one: Subject, other: Subject) -> None:
    if one.arm != other.arm:
        sides = (one, other) if _chance((one, other))[0] % 2 else (other, one)
        case = Case(sides)
        cases.setdefault(case.key, case)


def _chance(found: Sequence[Subject]) -> bytes:
    """Bytes as good as random, and always the same for the same answers."""
    told = repr(sorted((one.place, one.answer) for one in found))
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def singly(found: Sequence[Subject], most: int | None = None) -> list[Case]:
    """Each answer alone, for a rubric."""
    listed = [Case((one,)) for one in found]
    return listed if most is None else sorted(listed, key=lambda case: _chance(case.subjects))[:most]


def task_of(case: Case) -> str:
    """What the answers answer, as both were asked it: the texts that they share. Where the last words of the user
    differ, by the form that suits a model, it is the lines at their end."""
    first, *others = [one.said for one in case.subjects]
    shared = [text for text in first[:-1] if all(text in other[:-1] for other in others)]
    lines = [said[-1].split("\n") for said in (first, *others)]
    count = 0
    while all(len(each) > count for each in lines) and len({each[-1 - count] for each in lines}) == 1:
        count += 1
    asked = "\n".join(lines[0][len(lines[0]) - count :]).strip() or case.subjects[0].asked
    return "\n\n".join([*shared, asked])


# -- what judges are asked ---------------------------------------------------------------------------------------------


def brief_of(way: Way, where: config.Places, prompt: str) -> Brief:
    """The profile and the criteria. Without a profile it is the shipped one in the language of the criteria. Raises
    UsageError and ProfileError."""
    name = way.profile or _SHIPPED[way.rubric, is_chinese(way.criteria or prompt)]
    profile = read(find(name, where.profiles), where.profiles)
    known = blanks(profile)
    if way.criteria is not None and "criteria" not in known:
        raise UsageError(f"profile '{profile.name}' has criteria of its own", "leave --criteria out, or write "
                         "{{criteria}} where it is to have them")  # fmt: skip
    default = known["criteria"].default if "criteria" in known else None
    criteria = way.criteria if way.criteria is not None else default
    if criteria is None and "criteria" in known:
        raise UsageError(f"profile '{profile.name}' needs criteria", '--criteria "vivid, coherent"')
    rubric = None
    if way.rubric:
        rubric = verdict.rubric_of(profile.schema) if profile.schema else verdict.rubric(
            verdict.criteria_of(criteria or "") or ("as a whole",))  # fmt: skip
        if not rubric.keys:
            raise UsageError(f"profile '{profile.name}' has a schema without a number", "marks are integers or numbers")
    told = criteria or profile.name
    own = way.profile is not None and profile.name not in _SHIPPED.values()
    return Brief(f"{told} (profile {profile.name})" if own and criteria else told, profile,
                 {"criteria": criteria} if criteria is not None and "criteria" in known else {}, rubric)  # fmt: skip


def voter_of(target: Target) -> str:
    """The name of a judge: the target, with the parameters that were written behind it."""
    said = [f"{name} {show(values[0])}" for name, values in target.axes.items() if len(values) == 1]
    return " ".join([target.text, *said])


def judging_plan(
    run: Run, targets: Sequence[Target], calls: Sequence[Call], brief: Brief, way: Way, settings: Settings,
    reach: Reach, asked: Mapping[str, list[Value]],
) -> tuple[Plan, dict[int, Call]]:  # fmt: skip
    """The plan of these calls, and which call each of its cells is. Raises UsageError."""
    forms = Forms(targets, settings, reach, cot=way.cot)
    spots = {voter_of(target): _spot(run, target, brief, way, forms.facts(target), asked) for target in targets}
    # Both orders of a pair have the same mark: they must not differ in anything else.
    marks: dict[frozenset[tuple[int, int]], str] = {}
    filled: dict[tuple[frozenset[tuple[int, int]], bool], Filled] = {}
    own: dict[str, list[Call]] = {voter: [] for voter in spots}
    for call in calls:
        own[call.voter].append(call)
        key = call.case.key
        if key not in marks:
            marks[key] = new_mark([*(one.answer for one in call.case.subjects), task_of(call.case)])
        if (key, call.backward) not in filled:
            filled[key, call.backward] = _filled(call, brief, marks[key])

    def fill(spot: Spot, row: int | None) -> Filling:
        call = own[voter_of(spot.target)][row or 0]
        told = filled[call.case.key, call.backward]
        return Filling(forms.messages(spot.target, spot.parameters, told))

    cells: list[Cell] = []
    sent: dict[int, Call] = {}
    laid = [(voter, lay_out([spot], fill, rows=len(own[voter]))) for voter, spot in spots.items() if own[voter]]
    for voter, several in laid:
        for cell in several:
            call = own[voter][cell.row or 0]
            sent[len(cells)] = call
            cells.append(replace(cell, index=len(cells), row=None, varied=_label(call)))
    prompt = f"judge run {run.id}: {brief.criteria}"
    return Plan(
        tuple(cells), prompt, brief.profile.name, reach.base_url, reach.key_env, check_mode(way.mode),
        reach.plain_http, profiles=hashes({brief.profile.name: brief.profile}),
    ), sent  # fmt: skip


def _label(call: Call) -> dict[str, Value]:
    """What sets a cell of a judging apart: the cells that are judged, in the order in which they stand there."""
    cells = [one.cell for one in call.case.subjects]
    return dict(zip(("cell", "beside"), cells[::-1] if call.backward else cells, strict=False))


def _filled(call: Call, brief: Brief, mark: str) -> Filled:
    case = call.case
    order = case.subjects[::-1] if call.backward else case.subjects
    task, answers = task_of(case), [one.answer for one in order]
    in_words = brief.rubric.schema if brief.rubric is not None and brief.profile.schema is None else None
    told = verdict.material(task, answers, mark, language=brief.profile.language, schema=in_words)
    return prepare(told, profile=brief.profile, variables=brief.variables)


def _spot(
    run: Run, target: Target, brief: Brief, way: Way, facts: Facts, asked: Mapping[str, list[Value]]
) -> Spot:  # fmt: skip
    """One judge with what it is asked: the profile's parameters under those that were typed, its own on top; a schema
    and log probabilities where it is known to have them."""
    given = {**brief.profile.parameters, **asked, **target.axes}
    for name, values in given.items():
        if len(values) > 1:
            raise UsageError(f"{voter_of(target)}: a judge has one value of {name}, and there are {len(values)}",
                             f"several judges: --judge '{target.text}?{name}=…', each with its own")  # fmt: skip
    parameters = set_only({name: values[0] for name, values in given.items()})
    quiet: dict[str, Value] = {}
    if brief.rubric is not None and facts.verdict("schema", {"schema": brief.rubric.schema}).word == "honoured":
        quiet["schema"] = brief.rubric.schema
    elif brief.rubric is None:
        quiet |= {name: values[0] for name, values in schema_for(brief.profile, facts).items()}
        quiet |= _scores(target, facts, way.scored)
    quiet = {name: value for name, value in quiet.items() if name not in parameters}
    assert run.id is not None
    return Spot(target, parameters | quiet, {}, {JUDGED: run.id}, frozenset(quiet))


def _scores(target: Target, facts: Facts, scored: bool | None) -> dict[str, Value]:
    """Log probabilities change nothing in a verdict: asked for where they are known to be had, or where told to."""
    word = facts.verdict("top_logprobs", {"top_logprobs": _ALTERNATIVES}).word
    wanted = target.endpoint == LOCAL or word == "honoured" if scored is None else scored
    return {"top_logprobs": _ALTERNATIVES} if wanted and word not in ("refused", "ignored") else {}
