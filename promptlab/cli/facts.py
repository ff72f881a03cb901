"""`promptlab models facts` and `forget`: what is known of one model, from the data and from its own refusals."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict

from promptlab import config
from promptlab.cli.planning import named
from promptlab.cli.ready import retirement, today
from promptlab.errors import StoreError, UsageError
from promptlab.knowledge import Facts, Finding, Knowledge, Rule, Source
from promptlab.params import PARAMETERS, Value, show
from promptlab.plan import Target, parse_target
from promptlab.providers import catalog, prices
from promptlab.providers.registry import facts_of
from promptlab.render.sanitise import clean_line
from promptlab.store import Store


def facts(model: str, base_url: str | None, format: str | None, *, plain_http: bool = False) -> int:
    """Print what is known of a target, each fact with its source."""
    if format not in (None, "text", "json"):
        raise UsageError(f"--format: '{format}' is not one of text, json")
    places = config.places()
    settings = config.settings(places)
    target = _target(model, base_url, settings)
    endpoint = catalog.resolve(target.endpoint, settings.endpoints, base_url=base_url, plain_http=plain_http)
    known = Knowledge(findings=_findings(places)).above(settings.knowledge)
    found = facts_of(known, endpoint, target.model)
    sources = [known.sources[name] for name in found.family.source if name in known.sources]
    if format == "json":
        sys.stdout.write(json.dumps(_object(target, found, sources), ensure_ascii=True, indent=2) + "\n")
    else:
        for line in _lines(target, endpoint.base_url, found, sources):
            margin = len(line) - len(line.lstrip())
            sys.stdout.write(" " * margin + clean_line(line[margin:]).rstrip() + "\n")
    return 0


def forget(model: str, parameter: str | None) -> int:
    """Forget what endpoints have said of a model's parameters; 1 where nothing was known."""
    places = config.places()
    if parameter is not None and parameter not in PARAMETERS:
        raise UsageError(f"unknown parameter '{parameter}'", f"known: {', '.join(PARAMETERS)}")
    target = _target(model, None if "/" in model else "any", config.settings(places))
    store = Store(places.database)
    try:
        count = store.forget(target.endpoint, target.model, parameter)
    finally:
        store.close()
    what = f"{parameter} of " if parameter else ""
    said = (
        f"nothing was found out on {what}" if not count else f"forgotten: {count} finding{'s' * (count > 1)} on {what}"
    )
    sys.stderr.write(f"{said}{clean_line(target.text)}\n")
    return 0 if count else 1


def _target(text: str, base_url: str | None, settings: config.Settings) -> Target:
    text, *more = named([text], settings)
    if more:
        raise UsageError("a group has several models", f"one of them: {text}")
    return parse_target(f"custom/{text}" if base_url and "/" not in text else text)


def _findings(places: config.Places) -> list[Finding]:
    if not places.database.exists():
        return []
    try:
        store = Store(places.database)
    except StoreError as error:
        sys.stderr.write(f"promptlab: {clean_line(error.message)}; what was found out here is not shown\n")
        return []
    try:
        return store.findings()
    finally:
        store.close()


def _lines(target: Target, base_url: str, found: Facts, sources: Iterable[Source]) -> Iterable[str]:
    family = found.family
    yield f"{target.text}  ({found.dialect}{f', {base_url}' if base_url else ''})"
    if not found.is_known:
        yield "nothing is known of this model itself: what is not said below is unknown, and sent as it is asked"
    if found.retired:
        yield retirement(target.text, found.retired, today())
    yield f"thinking     {family.thinks or 'unknown'}" + (
        f", arrives {family.thinking}" if family.thinking not in (None, "none") else ""
    )
    if found.effort.levels:
        for number, (ours, theirs) in enumerate(found.effort.levels.items()):
            yield f"{'' if number else 'effort':<12} {ours:<8} → {_short(theirs)}"
    if found.effort.budget is not None:
        limits = f" ({found.effort.low or 0} to {found.effort.high or '…'})" if found.effort.high else ""
        yield f"budget       {_short(found.effort.budget)}{limits}"
    if family.role:
        yield f"instructions {family.role} message"
    if family.against:
        yield f"advised against: {', '.join(family.against)}"
    for advice in family.recommended or ():
        wanted = ", ".join(f"{name} {show(value)}" for name, value in advice.items() if name != "for")
        yield f"recommended  {wanted}" + (f" (for {advice['for']})" if "for" in advice else "")
    for name in PARAMETERS:
        if rules := family.parameters.get(name):
            yield f"{name:<17} {'; '.join(map(_rule, rules))}"
    said = {*family.parameters, *(finding.parameter for finding in found.findings)}
    unsaid = [name for name in PARAMETERS if name not in said]
    if unsaid:
        yield f"unknown: {', '.join(unsaid)}"
    for finding in found.findings:
        yield _finding(finding)
    if entry := prices.entry(target.endpoint, target.model):
        yield f"price list   {_listed(entry)}"
    for source in sources:
        yield f"source: {source.name} {source.url} (read {source.date}, {source.sure})"


def _rule(rule: Rule) -> str:
    parts: list[str] = [rule.word]
    if rule.low is not None or rule.high is not None:
        parts.append(
            f"{'…' if rule.low is None else f'{rule.low:g}'} to {'…' if rule.high is None else f'{rule.high:g}'}"
        )
    if rule.only is not None:
        parts.append(f"at {show(rule.only)}")
    if rule.default is not None:
        parts.append(f"default {show(rule.default)}")
    if rule.when:
        parts.append(f"when {rule.when}")
    return " ".join(parts) + (f" ({rule.note})" if rule.note else "")


def _finding(finding: Finding) -> str:
    value = f" at {show(finding.value)}" if finding.value is not None else ""
    only = f" for the value {show(finding.asked)}" if finding.asked is not None else ""
    return f"{finding.parameter:<17} {finding.word}{value}{only}, found here on {finding.date}: {finding.said}"


def _short(fragment: Value) -> str:
    return json.dumps(fragment, ensure_ascii=False) if isinstance(fragment, dict) else show(fragment)


def _listed(entry: prices.Entry) -> str:
    parts = []
    if entry.context:
        parts.append(f"context {entry.context}")
    if entry.price:
        parts.append(f"${entry.price.input * 1e6:g} in, ${entry.price.output * 1e6:g} out per million tokens")
    return ", ".join(parts) or "no price, no context"


def _object(target: Target, found: Facts, sources: Iterable[Source]) -> dict[str, object]:
    family = asdict(found.family)
    return {
        "target": target.text,
        "endpoint": found.endpoint,
        "dialect": found.dialect,
        "model": found.model,
        "known": found.is_known,
        **{key: family[key] for key in ("thinking", "thinks", "role", "against", "recommended", "parameters")},
        "effort": asdict(found.effort),
        "retired": asdict(found.retired) if found.retired else None,
        "findings": [asdict(finding) for finding in found.findings],
        "sources": [asdict(source) for source in sources],
    }
