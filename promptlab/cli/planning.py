"""Arguments to a plan: targets, aliases and groups, the profile filled and arranged for each model."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from promptlab import config
from promptlab.axis import parse_options, split_option
from promptlab.check import Check
from promptlab.cli.inputs import ask_for, check_argument, file_text, objects_read, stdin_text
from promptlab.config import Settings
from promptlab.errors import ProfileError, Sentence, UsageError, nearest
from promptlab.knowledge import MODES, Facts, Mode
from promptlab.params import Value
from promptlab.plan import Plan, Target, expand, parse_target
from promptlab.profile import Profile, find, read
from promptlab.profile.compose import Filled, Shape, arrange, blanks, gather, prepare, schema_for, shape_of, unset
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
    targets = targets_of(asked.models or (profile.targets if profile else ()), settings, asked.base_url)
    axes = parse_options(objects_read([*asked.parameters, *map(split_option, asked.options)]))
    variables = _variables(asked, profile)
    filled = _filled(asked, profile, variables)
    forms = Forms(targets, settings, Reach(asked.base_url, asked.key_env, asked.plain_http), cot=asked.cot)
    checks = profile_checks(profile, variables, anywhere=asked.allow_files) if profile else ()
    plan = expand(
        targets, axes, lambda target, given: forms.messages(target, given, filled),
        prompt=check_argument(asked.prompt or "", "the prompt"),
        profile=profile.name if profile else None, base_url=asked.base_url, key_name=asked.key_env,
        defaults=profile.parameters if profile else None, mode=mode, plain_http=asked.plain_http, checks=checks,
        own=lambda target: schema_for(profile, forms.facts(target)),
    )  # fmt: skip
    plan = replace(plan, profiles=hashes({profile.name: profile}) if profile else {})
    return with_prompt(plan, filled)


def with_prompt(plan: Plan, filled: Filled) -> Plan:
    """A plan that has a prompt to be known by: where none was typed, the profile's goal, or its first cell's."""
    told = filled.parts.get("goal") or plan.cells[0].request.messages[-1].text
    return plan if plan.prompt else replace(plan, prompt=told)


def hashes(profiles: Mapping[str, Profile]) -> dict[str, str]:
    """The SHA-256 of each profile's file as it is now, in hexadecimal; one that is gone by now has none."""
    found = {}
    for name, profile in profiles.items():
        with suppress(OSError):
            found[name] = hashlib.sha256(profile.path.read_bytes()).hexdigest()
    return found


def _variables(asked: Asked, profile: Profile | None) -> dict[str, str]:
    """The profile's variables as given; one without a value is asked for on a terminal."""
    variables = dict(map(split_option, asked.variables))
    if profile is not None and sys.stdin.isatty() and sys.stderr.isatty():
        for name in unset(profile, variables):
            variables[name] = ask_for(name, blanks(profile)[name])
    return variables


def _filled(asked: Asked, profile: Profile | None, variables: Mapping[str, str]) -> Filled:
    """The prompt with its blanks filled."""
    context = [(name, file_text(name)) for name in asked.files]
    if piped := stdin_text():
        context.append(("stdin", piped))
    files = gather(profile, anywhere=asked.allow_files) if profile else []
    system = check_argument(asked.system or "", "the system prompt")
    prompt = check_argument(asked.prompt or "", "the prompt")
    return prepare(prompt, profile=profile, system=system, context=context, variables=variables, files=files)


def profile_checks(profile: Profile, variables: Mapping[str, str], *, anywhere: bool) -> tuple[Check, ...]:
    """The checks that a profile declares; a format that is a JSON schema is one, said or not. Raises ProfileError."""
    from promptlab import check
    from promptlab.profile.checks import checks_of

    found = checks_of(profile, variables, anywhere=anywhere)
    if profile.schema is None:
        return found
    try:
        own = check.parse(f"schema:{json.dumps(profile.schema)}")
    except UsageError as error:
        raise ProfileError(f"{profile.path}: format: {error.message}", error.hint) from None
    return found if any((one.kind, one.want) == (own.kind, own.want) for one in found) else (*found, own)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the targets of a command are, apart from the catalog: --base-url, --key-env, --plain-http."""

    base_url: str | None = None
    key_env: str | None = None
    plain_http: bool = False


class Forms:
    """The messages that each target gets: the form that suits its model, made once for each form of a prompt."""

    def __init__(self, targets: Sequence[Target], settings: Settings, reach: Reach, *, cot: bool = False) -> None:
        self._cot, self._knowledge = cot, settings.knowledge
        names = [target.endpoint for target in targets]
        self.endpoints = _resolved(names, settings, reach.base_url, reach.key_env, plain_http=reach.plain_http)
        self._facts: dict[tuple[str, str], Facts] = {}
        self._made: dict[tuple[int, Shape], tuple[Filled, tuple[Message, ...]]] = {}

    def facts(self, target: Target) -> Facts:
        key = target.endpoint, target.model
        if key not in self._facts:
            self._facts[key] = facts_of(self._knowledge, self.endpoints[target.endpoint], target.model)
        return self._facts[key]

    def messages(self, target: Target, asked: Mapping[str, Value], filled: Filled) -> tuple[Message, ...]:
        """Cells that get the same text share it: `filled` is told by its identity, and held as long as this is."""
        shape = shape_of(self.facts(target), asked)
        key = id(filled), shape
        if key not in self._made:
            self._made[key] = filled, arrange(filled, shape, cot=self._cot)
        return self._made[key][1]


def check_mode(word: str) -> Mode:
    if word not in MODES:
        raise UsageError(Sentence("--params: '{word}' is not one of {choices}", word=word, choices=", ".join(MODES)),
                         nearest(word, MODES))  # fmt: skip
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
                raise UsageError(Sentence("there is no group {name}", name=name), hint)
            found += [_query(settings.aliases.get(target, target), sign + query) for target in group]
        elif name in settings.groups and name not in settings.aliases:
            raise UsageError(Sentence("'{name}' is a group of targets", name=name), f"-m @{name}")
        else:
            found.append(_query(settings.aliases.get(name, name), sign + query))
    return found


def _query(target: str, more: str) -> str:
    return target + (more.replace("?", "&", 1) if "?" in target else more)


def targets_of(models: Sequence[str], settings: Settings, base_url: str | None = None) -> list[Target]:
    """The targets that are meant, the embedded model where none is. Raises UsageError."""
    return [_target(text, base_url) for text in named(list(models) or [LOCAL], settings)]


def _target(text: str, base_url: str | None) -> Target:
    """A target; with --base-url a bare model name is enough, and without one it is looked for among those here."""
    check_argument(text, "the target")
    name, sign, query = text.partition("?")
    if base_url and "/" not in name and name != LOCAL and not name.startswith(f"{LOCAL}:"):
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
