"""A run put before judges: which answers stand beside each other, the plan of what is asked, and votes as they come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from promptlab import config, verdict
from promptlab.analysis.hearing import BY_SOFT, Hearing
from promptlab.analysis.rating import Odds, Preferred, Soft, odds, preferred, soft, swapped
from promptlab.analysis.unit import units
from promptlab.arm import arm_of, place_of, prompts_of
from promptlab.axis import set_only
from promptlab.ballot import NO_VERDICT, SPEAKS, TURNED, USER, Ballot, Grade, Seen
from promptlab.ballot import Verdict as Cast
from promptlab.cli.planning import Forms, Reach, check_mode, hashes
from promptlab.config import Settings
from promptlab.errors import StoreError, UsageError
from promptlab.events import Ending, Stamped
from promptlab.knowledge import Facts
from promptlab.material import is_chinese, new_mark
from promptlab.params import Value, show
from promptlab.plan import Cell, Filling, Plan, Run, Spot, Target, lay_out
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, blanks, prepare, schema_for
from promptlab.request import LOCAL
from promptlab.store import Store, now
from promptlab.transcript import Transcript
from promptlab.verdict import FIRST, SECOND, Rubric, Word

JUDGED = "judged"  # on each cell of a judging: the run whose answers stand before the judge
_CAST: dict[Preferred, Cast] = {"a": 0, "b": 1, "tie": "tie"}
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
        length = sum(unit[0].isalnum() for unit in units(self.answer))  # words and Chinese characters, no marks
        return Seen(self.run, self.cell, self.arm, length)


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


def judged_run(plan: Plan) -> int | None:
    """The run that this one judges; None where it is no judging."""
    found = plan.cells[0].values.get(JUDGED) if plan.cells else None
    return found if isinstance(found, int) else None


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


# -- what judges say ---------------------------------------------------------------------------------------------------


def said_of(said: Transcript) -> tuple[Word | None, Odds | None]:
    """The verdict in a judge's answer, and the log-odds of its two words where it says it."""
    heard = verdict.read(said.answer)
    if heard is None:
        return None, None
    spoken = verdict.spoken([token.text for token in said.tokens]) if said.tokens else None
    if spoken is None or spoken[0].word != heard.word:
        return heard.word, None
    return heard.word, odds(said.tokens[spoken[1]].top, FIRST, SECOND)


def hearing_of(ballot: Ballot, said: Sequence[Transcript]) -> Hearing:
    """A ballot with the one or two answers of the judge behind it, in the order of its `words`."""
    told = [said_of(each) for each in said]
    (forward, one), (backward, other) = (*told, (None, None))[:2]
    both = soft(one.value, other.value) if one is not None and other is not None else None
    return Hearing(ballot, forward, backward, both)


def ballot_of(
    call: Call, said: Sequence[tuple[tuple[int, int], Transcript]], criteria: str, by_soft: bool, seconds: float
) -> Hearing:  # fmt: skip
    """The vote that one or two calls on a pair come to: a verdict that turns with the order is a tie, one that can't be
    read no vote. `by_soft` lets the log probabilities decide where both calls have them."""
    flags = [SPEAKS] if any(verdict.speaks_to_judge(one.answer) for one in call.case.subjects) else []
    seen = tuple(one.seen for one in call.case.subjects)
    blank = Ballot(now(), call.voter, call.case.subjects[0].prompt, seen, "skip", seconds, criteria=criteria,
                   words=tuple(place for place, _ in said))  # fmt: skip
    heard = hearing_of(blank, [each for _, each in said])
    if heard.forward is None or (heard.backward is None and len(said) > 1):
        return replace(heard, ballot=replace(blank, flags=(*flags, NO_VERDICT)))
    if heard.backward is None:
        cast: Cast = {"first": 0, "second": 1}.get(heard.forward, "tie")
    else:
        both = swapped(heard.forward, heard.backward)
        flags += [TURNED] if both.turned else []
        cast = _CAST[both.preferred]
    ballot = replace(blank, verdict=cast, flags=tuple(flags), soft=heard.soft.quality if heard.soft else None)
    return replace(heard, ballot=softened(ballot) if by_soft else ballot)


def softened(ballot: Ballot) -> Ballot:
    """A vote as the log probabilities have it, where both calls have them; else as it is."""
    if ballot.soft is None or ballot.verdict == "skip":
        return ballot
    return replace(ballot, verdict=_CAST[preferred(Soft(ballot.soft, 0.0))], note=BY_SOFT)


@dataclass(slots=True)
class Clerk:
    """A sink that casts a judge's vote as soon as all its calls on a case have ended well, so that whatever breaks off
    a judging loses no vote that was paid for. `judging` is the run of the calls; nothing is kept without a store."""

    calls: Mapping[int, Call]
    brief: Brief
    way: Way
    judging: int
    store: Store | None = None
    old: Mapping[tuple[str, frozenset[tuple[int, int]]], Sequence[int]] = field(default_factory=dict)
    warn: Callable[[str], None] = lambda message: None
    heard: list[Hearing] = field(default_factory=list)
    graded: list[Grade] = field(default_factory=list)
    failed: int = 0
    _running: dict[int, Transcript] = field(default_factory=dict)
    _ended: dict[tuple[str, frozenset[tuple[int, int]]], dict[int, Transcript]] = field(default_factory=dict)

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        said = self._running.setdefault(number, Transcript())
        said.apply(at, event)
        if not isinstance(event, Ending):
            return
        del self._running[number]
        if said.state not in ("done", "incomplete"):
            self.failed += said.state == "failed"
            return
        call = self.calls[number]
        key = call.voter, call.case.key
        ended = self._ended.setdefault(key, {})
        ended[number] = said
        wanted = 1 if self.brief.rubric is not None or self.way.once else 2
        if len(ended) == wanted:
            del self._ended[key]
            try:
                self._cast(call, ended)
            except StoreError as error:
                self.warn(f"a vote of {call.voter} is not kept: {error.message}")

    def _cast(self, call: Call, ended: Mapping[int, Transcript]) -> None:
        calls = sorted(ended, key=lambda number: self.calls[number].backward)
        said = [((self.judging, number), ended[number]) for number in calls]
        if self.brief.rubric is not None:
            self._grade(call, *said[0])
            return
        seconds = sum((each.ended or 0.0) - (each.started or 0.0) for _, each in said)
        heard = ballot_of(call, said, self.brief.criteria, self.way.soft, round(seconds, 3))
        self.heard.append(heard)
        if self.store is not None:
            number = self.store.cast(heard.ballot)
            self.heard[-1] = replace(heard, ballot=replace(heard.ballot, id=number))
            for vote in self.old.get((call.voter, call.case.key), ()):
                self.store.put_aside(vote)

    def _grade(self, call: Call, words: tuple[int, int], said: Transcript) -> None:
        assert self.brief.rubric is not None
        (one,) = call.case.subjects
        marks = verdict.marks(said.answer, self.brief.rubric) or {}
        grade = Grade(now(), call.voter, one.run, one.cell, one.arm, self.brief.criteria, marks, words)
        self.graded.append(grade)
        if self.store is not None:
            self.graded[-1] = replace(grade, id=self.store.keep_grade(grade))


def hearings(store: Store, ballots: Iterable[Ballot]) -> Iterator[Hearing]:
    """Votes of the past with what the judge said; calls that are gone from the history tell nothing."""
    for ballot in ballots:
        said = []
        for run, cell in ballot.words:
            try:
                said.append(store.sample(run, cell)[1])
            except StoreError:
                said.append(Transcript())
        yield hearing_of(ballot, said)
