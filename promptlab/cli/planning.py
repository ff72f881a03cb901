"""Arguments to a plan: targets, aliases and groups, the profile filled and arranged for each model."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from promptlab import config
from promptlab.cli.inputs import ask_for, check_argument, file_text, stdin_text
from promptlab.config import Settings
from promptlab.errors import UsageError, nearest
from promptlab.knowledge import MODES, Mode
from promptlab.params import Value, parse_options, split_option
from promptlab.plan import Plan, Target, expand, parse_target
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, Shape, arrange, gather, prepare, shape_of, unset
from promptlab.providers import catalog
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import facts_of
from promptlab.render.sanitise import clean_line
from promptlab.request import LOCAL, Message


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments of `ask`, as typed."""

    prompt: str | None
    models: list[str]
    base_url: str | None
    key_env: str | None
    profile: str | None
    variables: list[str]
    system: str | None
    files: list[str]
    options: list[str]
    parameters: list[tuple[str, str]]
    mode: str = "adapt"
    plain_http: bool = False
    cot: bool = False
    allow_files: bool = False
    save: str | None = None
    force: bool = False


def make_plan(asked: Asked, places: config.Places, settings: Settings) -> Plan:
    """The plan behind the arguments. Reads stdin, files and the profile. Raises UsageError."""
    mode = check_mode(asked.mode)
    profile: Profile | None = None
    if asked.profile is not None:
        profile = read(find(asked.profile, places.profiles), places.profiles)
    elif asked.variables:
        raise UsageError("--var fills a profile's variables, and there is no profile", "add -p NAME")
    if asked.base_url and not asked.models and not (profile and profile.targets):
        raise UsageError("--base-url says where, and not which model", "add -m MODEL")
    models = asked.models or (list(profile.targets) if profile and profile.targets else [LOCAL])
    targets = [_target(text, asked.base_url) for text in named(models, settings)]
    axes = parse_options([*asked.parameters, *map(split_option, asked.options)])
    filled = _filled(asked, profile)
    forms = _Forms(filled, targets, settings, asked)
    plan = expand(
        targets, axes, forms, prompt=check_argument(asked.prompt or "", "the prompt"),
        profile=profile.name if profile else None, base_url=asked.base_url, key_name=asked.key_env,
        defaults=profile.parameters if profile else None, mode=mode, plain_http=asked.plain_http,
    )  # fmt: skip
    return plan if plan.prompt else replace(plan, prompt=plan.cells[0].request.messages[-1].text)


def _filled(asked: Asked, profile: Profile | None) -> Filled:
    """The prompt with its blanks filled; a variable without a value is asked for on a terminal."""
    variables = dict(map(split_option, asked.variables))
    context = [(name, file_text(name)) for name in asked.files]
    if piped := stdin_text():
        context.append(("stdin", piped))
    if profile is not None and sys.stdin.isatty() and sys.stderr.isatty():
        for name in unset(profile, variables):
            variables[name] = ask_for(name, profile.variables[name])
    files = gather(profile, anywhere=asked.allow_files) if profile else []
    system = check_argument(asked.system or "", "the system prompt")
    prompt = check_argument(asked.prompt or "", "the prompt")
    return prepare(prompt, profile=profile, system=system, context=context, variables=variables, files=files)


class _Forms:
    """The messages that each target gets: the form that suits its model, made once for each form."""

    def __init__(self, filled: Filled, targets: Sequence[Target], settings: Settings, asked: Asked) -> None:
        self._filled, self._cot, self._settings = filled, asked.cot, settings
        names = [target.endpoint for target in targets]
        self._endpoints = _resolved(names, settings, asked.base_url, asked.key_env, plain_http=asked.plain_http)
        self._made: dict[Shape, tuple[Message, ...]] = {}

    def __call__(self, target: Target, asked: Mapping[str, Value]) -> tuple[Message, ...]:
        shape = shape_of(facts_of(self._settings.knowledge, self._endpoints[target.endpoint], target.model), asked)
        if shape not in self._made:
            self._made[shape] = arrange(self._filled, shape, cot=self._cot)
        return self._made[shape]


def check_mode(word: str) -> Mode:
    if word not in MODES:
        raise UsageError(f"--params: '{word}' is not one of {', '.join(MODES)}", nearest(word, MODES))
    return word


def named(models: list[str], settings: Settings) -> list[str]:
    """The targets behind aliases (`-m fast`) and groups (`-m @reasoners`); a target's `?name=value` stays with it.
    Raises UsageError for a group that is not there."""
    found = []
    for text in models:
        name, sign, query = text.partition("?")
        if name.startswith("@"):
            group = settings.groups.get(name[1:])
            if group is None:
                hint = nearest(name[1:], settings.groups) or "groups: stand in config.yaml"
                raise UsageError(f"there is no group {name}", hint)
            found += [_query(settings.aliases.get(target, target), sign + query) for target in group]
        elif name in settings.groups and name not in settings.aliases:
            raise UsageError(f"'{name}' is a group of targets", f"-m @{name}")
        else:
            found.append(_query(settings.aliases.get(name, name), sign + query))
    return found


def _query(target: str, more: str) -> str:
    return target + (more.replace("?", "&", 1) if "?" in target else more)


def _target(text: str, base_url: str | None) -> Target:
    """A target; with --base-url a bare model name is enough, and without one it is looked for among those here."""
    check_argument(text, "the target")
    name, sign, query = text.partition("?")
    if base_url and "/" not in name:
        return parse_target(f"custom/{text}")
    if "/" in name or name == LOCAL or name.startswith(f"{LOCAL}:") or not name.strip() or re.search(r"\s", name):
        return parse_target(text)
    from promptlab.cli import here

    target = here.meant(name, here.look())
    print(f"promptlab: {clean_line(name)} is {clean_line(target)}", file=sys.stderr)
    return parse_target(target + sign + query)


def endpoints_of(plan: Plan, settings: Settings) -> dict[str, Endpoint]:
    """The endpoint of every cell, by name. Raises UsageError for one that nobody knows."""
    names = [cell.endpoint for cell in plan.cells]
    return _resolved(names, settings, plan.base_url, plan.key_name, plain_http=plan.plain_http)


def _resolved(
    names: Sequence[str], settings: Settings, base_url: str | None, key: str | None, *, plain_http: bool
) -> dict[str, Endpoint]:
    """Endpoints by name; an address and a key that are given are not for the embedded model."""
    found = {}
    for name in dict.fromkeys(names):
        own = name == LOCAL
        found[name] = catalog.resolve(
            name, settings.endpoints, base_url=None if own else base_url, key=None if own else key,
            plain_http=plain_http,
        )  # fmt: skip
    return found
