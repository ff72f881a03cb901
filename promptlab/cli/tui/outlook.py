"""What the words lead to, for the form: what every target does with every parameter, and the profile's variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from promptlab.cli.tui.words import hear, parse, plan_of
from promptlab.errors import LabError
from promptlab.params import PARAMETERS, Parameter, Value, show
from promptlab.places import Places
from promptlab.tui.lab import Foreseen
from promptlab.tui.outlook import Blank, Outlook
from promptlab.tui.wording import asking

if TYPE_CHECKING:
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Ready, Way
    from promptlab.config import Settings
    from promptlab.plan import Cell
    from promptlab.profile import Profile, Variable

_MOST = 300  # cells that are looked at
_SAMPLES: dict[str, Value] = {"object": {"type": "object"}, "texts": ["."], "switch": True}
_TOKENS = 2048  # of a parameter that counts tokens: within every model's range


def outlook(words: str, places: Places) -> Outlook:
    """Nothing is sent or kept. Raises LabError only where the words can't be read at all; else it is in the outlook."""
    from promptlab import config
    from promptlab.profile import find, read

    asked, _, way = parse(asking(words), "?")
    settings = config.settings(places)
    found = Outlook()
    try:
        if asked.profile is not None:
            profile = read(find(asked.profile, places.profiles), places.profiles)
            found = _of_profile(profile)
            asked = replace(asked, variables=[*asked.variables, *_stand_ins(profile, asked)])
        found = _looked(found, asked, replace(way, dry_run=True), places, settings)
    except LabError as error:
        return replace(found, problem=error)
    if asking(words) != words:  # a sweep, whose cells are repeated
        with suppress(LabError):  # where variables have no value yet, it can't be known
            found = replace(found, panes=len(plan_of(hear(words, "?"), places, settings).cells))
    return found


def _of_profile(profile: Profile) -> Outlook:
    from promptlab.profile.compose import blanks, unset

    missing = unset(profile, {})
    found = [
        Blank(name, None if name in missing else one.default or "", one.kind, one.choices, one.help)
        for name, one in blanks(profile).items()
    ]
    defaults = {name: ",".join(map(show, values)) for name, values in profile.parameters.items()}
    return Outlook(profile.name, found, defaults)


def _stand_ins(profile: Profile, asked: Asked) -> Iterator[str]:
    """A value for each variable that has none yet, so that the rest can be told."""
    from promptlab.axis import split_option
    from promptlab.profile.compose import blanks, unset

    known = blanks(profile)
    for name in unset(profile, dict(map(split_option, asked.variables))):
        yield f"{name}={_stand_in(known[name])}"


def _stand_in(variable: Variable) -> str:
    if variable.choices:
        return variable.choices[0]
    return {"number": "1", "integer": "1", "boolean": "true"}.get(variable.kind, "…")


def _looked(found: Outlook, asked: Asked, way: Way, places: Places, settings: Settings) -> Outlook:
    from promptlab.cli.planning import make_plan
    from promptlab.cli.ready import made_ready

    plan = make_plan(asked, places, settings)
    panes, plan = len(plan.cells), replace(plan, cells=plan.cells[:_MOST])
    with made_ready(plan, way, places, settings, quiet=True) as ready:
        cells = [_foreseen(cell, cell.request.parameters, ready) for cell in plan.cells]
        first = {cell.target: cell for cell in plan.cells[::-1]}
        tried = {
            name: [one for cell in first.values() for one in _tries(cell, parameter, ready)]
            for name, parameter in PARAMETERS.items()
            if not any(name in cell.request.parameters for cell in plan.cells)
        }
    return replace(found, cells=cells, tried=tried, panes=panes, targets=[cell.target for cell in cells])


def _tries(cell: Cell, parameter: Parameter, ready: Ready) -> Iterator[Foreseen]:
    """What would become of a parameter beside what is asked already; of a choice, each."""
    values: tuple[Value, ...] = parameter.choices or (_sample(parameter),)
    for value in values:
        found = _foreseen(cell, {**cell.request.parameters, parameter.name: value}, ready)
        yield replace(found, asked={parameter.name: value})


def _sample(parameter: Parameter) -> Value:
    """A value that is within the range of every model that has the parameter, and not what it would do anyway."""
    if parameter.kind in _SAMPLES:
        return _SAMPLES[parameter.kind]
    if parameter.high is not None and parameter.kind == "number":
        return (parameter.neutral or 0) / 2 or parameter.high / 4
    return _TOKENS if "tokens" in parameter.help and parameter.neutral is None and parameter.high is None else 1


def _foreseen(cell: Cell, asked: Mapping[str, Value], ready: Ready) -> Foreseen:
    request = replace(cell.request, parameters=dict(asked))
    judged = ready.registry.judge(ready.endpoints[cell.endpoint])(request)
    return Foreseen(cell.target, dict(asked), judged.sent, judged.verdicts)
