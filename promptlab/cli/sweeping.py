"""Arguments to a sweep, and a sweep to its plan: every profile, row and text put where it belongs, and every axis
looked at before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promptlab import check, config, dataset
from promptlab.axis import check_zip, count, places, set_only, split_option
from promptlab.check import Check
from promptlab.cli.inputs import check_argument, file_text, objects_read, path_of, stdin_text
from promptlab.cli.planning import Asked, Forms, Reach, check_mode, hashes, profile_checks, targets_of, with_prompt
from promptlab.config import Settings
from promptlab.dataset import Dataset
from promptlab.errors import UsageError, nearest
from promptlab.knowledge import Facts, Knowledge, Mode
from promptlab.params import Value
from promptlab.plan import Filling, Plan, Spot, Target, check_size, lay_out, varying
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, blanks, gather, prepare, schema_for
from promptlab.profile.template import fill, names
from promptlab.prospect import Look, Place, Prospect, look_ahead, neutral, void
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import Registry
from promptlab.request import LOCAL, Message, Request, Wire
from promptlab.sweep import VAR, Axis, Seeds, Sweep, is_file, is_text_axis, read_axes

_MOST_DRY = 200  # litellm makes each body in 10 ms: for more than these, what is known of the model has to do
_ALTERNATIVES = 20  # the most that OpenAI, vLLM and others give
Learn = Callable[[Sequence[Target], Sequence[Prospect], Mapping[str, Endpoint]], Knowledge | None]
_STUB = (Message("user", "-"),)


@dataclass(frozen=True, slots=True)
class SweepAsked:
    """What `sweep` takes besides the arguments of `ask`, as typed; None is not given. `axes` are NAME=VALUES."""

    axes: Sequence[str] = ()
    zips: str | None = None
    repeats: int | None = None
    seeds: Seeds | None = None
    seed: int | None = None
    dataset: str | None = None
    checks: Sequence[str] = ()
    extract: str | None = None
    keep_samplers: bool = False
    max_cost: float | None = None
    max_tokens_total: int | None = None
    max_time: float | None = None


def make_sweep(asked: Asked, more: SweepAsked, base: Sweep | None = None) -> Sweep:
    """The sweep behind the arguments, over the one of a plan file. An axis that is typed takes the place of the file's
    of that name; lists are put together, targets replaced. Raises UsageError."""
    base = base or Sweep()
    typed = read_axes(objects_read([*asked.parameters, *map(split_option, (*asked.options, *more.axes))]))
    axes = {axis.name: axis for axis in (*base.axes, *typed)}
    given = {
        "prompt": check_argument(asked.prompt or "", "the prompt") or None, "profile": asked.profile,
        "targets": tuple(asked.models) or None, "system": check_argument(asked.system or "", "the system") or None,
        "zipped": tuple(part.strip() for part in more.zips.split(",")) if more.zips else None,
        "repeats": more.repeats, "seeds": more.seeds, "seed": more.seed,
        "dataset": str(path_of(more.dataset).resolve()) if more.dataset else None,
        "extract": more.extract, "keep_samplers": more.keep_samplers or None, "max_cost": more.max_cost,
        "max_tokens_total": more.max_tokens_total, "max_time": more.max_time,
    }  # fmt: skip
    return replace(
        base, axes=tuple(axes.values()),
        variables=tuple((dict(base.variables) | dict(map(split_option, asked.variables))).items()),
        files=(*base.files, *(str(path_of(name).resolve()) for name in asked.files)),
        checks=(*base.checks, *map(check.parse, more.checks)),
        **{name: value for name, value in given.items() if value is not None},  # type: ignore[arg-type]
    ).check()  # fmt: skip


def make_sweep_plan(
    sweep: Sweep, where: config.Places, settings: Settings, *, reach: Reach | None = None, mode: str = "adapt",
    cot: bool = False, allow_files: bool = False, scored: bool | None = None, learn: Learn | None = None,
) -> Plan:  # fmt: skip
    """The plan of a sweep: its cells in the order target, axes (the first slowest), row, repeat, what each axis is at
    each target, and what there is to tell. `scored` asks for log probabilities at every target that is known to give
    them, None at the embedded model alone. `learn` is asked once what more is known of the targets, given what their
    axes seem to be: it can find that out.

    Reads stdin, files, profiles and the dataset; sends nothing. Raises UsageError."""
    sweep, checked, reach = sweep.check(), check_mode(mode), reach or Reach()
    texts = _Texts(sweep, where, allow_files)
    _check_said(sweep, texts)
    models = sweep.targets or next((one.targets for one in texts.profiles.values() if one and one.targets), ())
    if reach.base_url and not models:
        raise UsageError("--base-url says where, and not which model", "add -m MODEL")
    targets = targets_of(models, settings, reach.base_url)
    forms = Forms(targets, settings, reach, cot=cot)
    rows = len(texts.dataset.rows) if texts.dataset else None
    axes = [_axes_at(target, sweep, texts.profiles) for target in targets]
    check_size(sum(count(one.values, one.zipped) for one in axes) * (1 if rows is None else rows) * sweep.repeats)
    varied = varying((target, one.values) for target, one in zip(targets, axes, strict=True))

    def look(known: Knowledge) -> tuple[list[Spot], list[Prospect]]:
        spots: list[Spot] = []
        prospects: list[Prospect] = []
        for target, one in zip(targets, axes, strict=True):
            found, said = _spots(target, one, sweep, texts, forms, known, checked, varied, scored)
            spots += found
            prospects += [each for each in said if each not in prospects]
        return spots, prospects

    spots, prospects = look(settings.knowledge)
    if learn is not None and (more := learn(targets, prospects, forms.endpoints)) is not None:
        spots, prospects = look(more)
    _check_seeds(sweep, spots)
    cells = lay_out(
        spots, lambda spot, row: _filling(spot, row, texts, forms),
        rows=rows, repeats=sweep.repeats, seeds=sweep.seeds, seed=sweep.seed,
    )  # fmt: skip
    profile = next((one.name for one in texts.profiles.values() if one is not None), None)
    plan = Plan(
        cells, sweep.prompt, profile if len(texts.profiles) == 1 else None, reach.base_url, reach.key_env, checked,
        reach.plain_http, sweep, tuple(prospects), (*texts.notes(), *_seed_notes(sweep, spots)),
        hashes({name or one.name: one for name, one in texts.profiles.items() if one is not None}),
        void(prospects) if checked == "adapt" else {},
    )  # fmt: skip
    return with_prompt(plan, texts.at(spots[0].place, None if rows is None else 0)[0])


def _check_said(sweep: Sweep, texts: _Texts) -> None:
    """Raise UsageError where there is nothing to send, or a dataset that nothing takes up."""
    if sweep.prompt or any(texts.profiles.values()) or texts.context:
        return
    if texts.dataset is None:
        raise UsageError("there is nothing to sweep", 'promptlab sweep "your prompt" -m local -t 0.2,0.7,1.2 -n 5')
    if dataset.PROMPT not in texts.dataset.columns:
        names = ", ".join(texts.dataset.columns)
        first = texts.dataset.columns[0]
        raise UsageError(
            f"{texts.dataset_name} has no column '{dataset.PROMPT}', and no prompt is given (it has: {names})",
            f"a prompt with {{{{{first}}}}} in it, or a column '{dataset.PROMPT}'",
        )


def _filling(spot: Spot, row: int | None, texts: _Texts, forms: Forms) -> Filling:
    filled, checks = texts.at(spot.place, row)
    return Filling(forms.messages(spot.target, spot.parameters, filled), checks)


# -- axes --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axes:
    """The axes at one target, those of one value too, and which of them go in step."""

    values: dict[str, list[Value]]
    zipped: tuple[str, ...]


def _axes_at(target: Target, sweep: Sweep, profiles: Mapping[str | None, Profile | None]) -> _Axes:
    """A target's own value wins over the sweep's, and the sweep's over the profile's."""
    axes: dict[str, list[Value]] = {axis.name: list(axis.values) for axis in sweep.axes}
    if len(profiles) == 1:
        for profile in filter(None, profiles.values()):
            axes |= {name: values for name, values in profile.parameters.items() if name not in axes}
    axes |= target.axes
    zipped = tuple(name for name in sweep.zipped if not (name in target.axes and len(axes[name]) == 1))
    if len(zipped) > 1:
        check_zip(axes, zipped)
    return _Axes(axes, zipped if len(zipped) > 1 else ())


def _spots(
    target: Target, axes: _Axes, sweep: Sweep, texts: _Texts, forms: Forms, knowledge: Knowledge, mode: Mode,
    varied: Sequence[str], scored: bool | None,
) -> tuple[list[Spot], tuple[Prospect, ...]]:  # fmt: skip
    """The spots of one target that are worth a request, and what its axes are."""
    facts = forms.facts(target)
    standing = [{**texts.defaults(place, facts), **place} for place in places(axes.values, axes.zipped)]
    swept = {name: values for name, values in axes.values.items() if len(values) > 1 and not is_text_axis(name)}
    given = {name for place in standing for name in place}
    added = {} if sweep.keep_samplers else neutral(facts, swept, given)
    scores = _scores(target, facts, scored) if "top_logprobs" not in given else {}
    base = {name: values[0] for name, values in axes.values.items() if name not in swept and not is_text_axis(name)}
    look = _look(target, forms.endpoints[target.endpoint], knowledge, mode, len(standing))
    outlook = look_ahead(target.text, facts, look, swept, standing, base=set_only(base | added | scores), added=added,
                         collapse=mode == "adapt")  # fmt: skip
    spots = []
    for place in outlook.places:
        asked = {name: value for name, value in set_only(place).items() if not is_text_axis(name)}
        values = {name: place.get(name) for name in varied}
        quiet = {*added, *scores, *({"schema"} - axes.values.keys())}  # nobody asked for these by name
        spots.append(Spot(target, {**asked, **added, **scores}, place, values, frozenset(quiet)))
    return spots, outlook.prospects


def _scores(target: Target, facts: Facts, scored: bool | None) -> dict[str, Value]:
    """The log probabilities that a sweep asks for of its own: they change nothing in an answer. Unasked, only of the
    embedded model, where they cost nobody anything."""
    wanted = target.endpoint == LOCAL if scored is None else scored
    verdict = facts.verdict("top_logprobs", {"top_logprobs": _ALTERNATIVES})
    return {"top_logprobs": _ALTERNATIVES} if wanted and verdict.word == "honoured" else {}


def _look(target: Target, endpoint: Endpoint, knowledge: Knowledge, mode: Mode, places: int) -> Look:
    """What becomes of parameters at a target: by its provider, which connects to nothing for it."""
    registry = Registry({endpoint.name: endpoint}, lambda model: Path(), secrets=lambda names: None,
                        knowledge=knowledge, mode=mode)  # fmt: skip
    if endpoint.dialect == "litellm" and places > _MOST_DRY:
        decide = registry.judge(endpoint)

        def known(asked: Mapping[str, Value]) -> Wire:
            judged = decide(Request(target.model, _STUB, dict(asked)))
            return Wire("", {**judged.send, "body": judged.body}, judged.sent, False, judged.verdicts)

        return known
    provider = registry.provider(target.endpoint, target.model, target.options)
    return lambda asked: provider.wire(Request(target.model, _STUB, dict(asked)))


def _check_seeds(sweep: Sweep, spots: Iterable[Spot]) -> None:
    if sweep.seeds != "absent" and any("seed" in spot.parameters for spot in spots):
        raise UsageError(f"the seeds shall be {sweep.seeds}, and the profile or a target sets a seed too",
                         "leave one of them out")  # fmt: skip


def _seed_notes(sweep: Sweep, spots: Sequence[Spot]) -> list[str]:
    """What repeats with one seed are worth: one sample, told many times."""
    fixed = sweep.seeds == "fixed" or any("seed" in spot.parameters for spot in spots)
    if sweep.repeats > 1 and fixed:
        return ["every repeat has the same seed: where it is honoured, the repeats are one answer many times"]
    return []


# -- texts -------------------------------------------------------------------------------------------------------------


class _Texts:
    """Everything that is said in a sweep: profiles, system prompts, variables and rows, each read and filled once."""

    def __init__(self, sweep: Sweep, where: config.Places, anywhere: bool) -> None:
        self._sweep, self._anywhere = sweep, anywhere
        self._axes = {axis.name: axis for axis in sweep.axes if is_text_axis(axis.name)}
        self.profiles = self._read_profiles(where)
        self.dataset: Dataset | None = dataset.read(Path(sweep.dataset)) if sweep.dataset else None
        columns = self.dataset.columns if self.dataset else ()
        self._variables = dict(sweep.variables)
        self._has_blanks = bool(self._variables or columns or any(name.startswith(VAR) for name in self._axes))
        self._blanks = names(sweep.prompt, "the prompt") if self._has_blanks else set()
        self._used = self._blanks.union(*(blanks(one) for one in self.profiles.values() if one))
        self._check_variables(columns)
        self._systems = {value: self._system(value) for value in self._axes.get("system", Axis("", (None,))).values}
        # A plan knows its files by their full path, which is nobody's business at the other end.
        self.context = [(Path(name).name, file_text(name)) for name in sweep.files]
        if piped := stdin_text():
            self.context.append(("stdin", piped))
        self._files = {key: gather(one, anywhere=anywhere) if one else [] for key, one in self.profiles.items()}
        self._made: dict[tuple[object, ...], tuple[Filled, tuple[Check, ...]]] = {}

    def _read_profiles(self, where: config.Places) -> dict[str | None, Profile | None]:
        """Each by the value that it has on its axis; None is the sweep's own, or none."""
        axis = self._axes.get("profile")
        found: dict[str | None, Profile | None] = {}
        for value in axis.values if axis else (None,):
            name = value if isinstance(value, str) else self._sweep.profile
            found[str(value) if value is not None else None] = (
                read(find(name, where.profiles), where.profiles) if name else None
            )
        several = {axis.name for axis in self._sweep.axes}
        for profile in found.values() if len(found) > 1 else ():
            for name, values in profile.parameters.items() if profile else ():
                if len(values) > 1 and name not in several:
                    raise UsageError(f"profile '{profile.name if profile else ''}' sweeps {name}, and is itself on an "
                                     "axis", f"--axis {name}=… for all of them")  # fmt: skip
        return found

    def _check_variables(self, columns: Sequence[str]) -> None:
        axes = [name.removeprefix(VAR) for name in self._axes if name.startswith(VAR)]
        for name in (*self._variables, *axes):
            if name not in self._used:
                hint = nearest(name, self._used) or f"used: {', '.join(sorted(self._used)) or 'none'}"
                raise UsageError(f"nothing uses the variable '{name}'", hint)
        for name in (*self._variables, *axes):
            sources = {"given": name in self._variables, "an axis": name in axes,
                       f"a column of {self.dataset_name}": name in columns}  # fmt: skip
            if sum(sources.values()) > 1:
                said = " and ".join(source for source, is_one in sources.items() if is_one)
                raise UsageError(f"the variable '{name}' is {said}", "one of them")
        if self._sweep.prompt and dataset.PROMPT in columns and dataset.PROMPT not in self._used:
            raise UsageError(f"a prompt is given, and {self.dataset_name} has a column '{dataset.PROMPT}'",
                             "write {{prompt}} in the prompt where the row's stands, or leave one out")  # fmt: skip

    @property
    def dataset_name(self) -> str:
        return Path(self._sweep.dataset or "").name

    def _system(self, value: Value) -> str:
        text = value if isinstance(value, str) else self._sweep.system
        return file_text(text.removeprefix("@")) if is_file(text) else check_argument(text, "the system prompt")

    def defaults(self, place: Place, facts: Facts) -> dict[str, Value]:
        """What the profile at a place asks of a model, where its value there is the only one."""
        profile = self.profiles[self._profile_key(place)]
        usual = {**schema_for(profile, facts), **(profile.parameters if profile else {})}
        return {name: values[0] for name, values in usual.items() if len(values) == 1}

    def _profile_key(self, place: Place) -> str | None:
        value = place.get("profile")
        return None if value is None else str(value)

    def at(self, place: Place, row: int | None) -> tuple[Filled, tuple[Check, ...]]:
        """The prompt at a place for a row, ready for any model, and the checks there. Raises UsageError."""
        said = {name: place[name] for name in self._axes if name in place}
        key = (*said.items(), row)
        if key not in self._made:
            try:
                self._made[key] = self._fill(self._profile_key(place), said, row)
            except UsageError as error:
                if row is None or self.dataset is None or error.message.startswith(str(self.dataset.path)):
                    raise
                raise UsageError(f"{self.dataset.rows[row].where}: {error.message}", error.hint) from None
        return self._made[key]

    def _fill(
        self, name: str | None, said: Mapping[str, Value], row: int | None
    ) -> tuple[Filled, tuple[Check, ...]]:  # fmt: skip
        profile = self.profiles[name]
        columns = self.dataset.rows[row].values if self.dataset and row is not None else {}
        values = self._variables | {key.removeprefix(VAR): str(value) for key, value in said.items()
                                    if key.startswith(VAR) and value is not None}  # fmt: skip
        values |= {key: text for key, text in columns.items() if key in self._used}
        known = blanks(profile) if profile else {}
        usual = {key: one.default for key, one in known.items() if one.default is not None}
        prompt = fill(self._sweep.prompt, usual | values, "the prompt") if self._has_blanks else self._sweep.prompt
        prompt = prompt or ("" if dataset.PROMPT in self._used else columns.get(dataset.PROMPT, ""))
        own = {key: text for key, text in values.items() if key in known}
        filled = prepare(prompt, profile=profile, system=self._systems[said.get("system")], context=self.context,
                         variables=own, files=self._files[name])  # fmt: skip
        checks = profile_checks(profile, own, anywhere=self._anywhere) if profile else ()
        if self.dataset and row is not None:
            home = self.dataset.path if self.dataset.path.is_dir() else self.dataset.path.parent
            checks += dataset.checks_of(self.dataset.rows[row], self._used, home)
        return filled, tuple(dict.fromkeys((*checks, *self._sweep.checks)))

    def notes(self) -> list[str]:
        """Columns that do nothing."""
        unused = self.dataset.unused(self._used) if self.dataset else ()
        if not unused:
            return []
        named = ", ".join(f"'{name}'" for name in unused[:8]) + (" …" if len(unused) > 8 else "")
        one = len(unused) == 1
        return [f"{self.dataset_name}: nothing uses the column{'' if one else 's'} {named}"]
