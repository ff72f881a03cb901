"""`promptlab audit` and `sweep --audit`: whether a parameter does anything at a target, tested and kept."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from promptlab import audit as auditing
from promptlab import config
from promptlab.audit import Audited
from promptlab.cli import ALL_FAILED, SOME_FAILED
from promptlab.cli.planning import Reach, targets_of
from promptlab.cli.ready import Ready, Way, made_ready
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.errors import LabError, Sentence, StoreError, UsageError, nearest
from promptlab.plan import Cell, Plan, Target
from promptlab.prospect import neutral
from promptlab.providers.registry import facts_of
from promptlab.render.sanitise import clean_line
from promptlab.request import Message, Request

FORMATS = ("text", "json")
Found = tuple[list[Audited], int]  # and how many could not be audited
_SAID = {
    "works": "{knob} works{number}",
    "void": "{knob} has no effect{number}",
    "refused": "{knob} is refused{number}",
    "inconclusive": "{knob}: inconclusive{number}",
}


@dataclass(frozen=True, slots=True)
class Auditing:
    """How knobs are audited. `thorough` takes four times the texts where there are log probabilities, `thinking` asks
    models that always think, too; `keep_samplers` leaves the server's own samplers on."""

    knobs: tuple[str, ...] = ("temperature",)
    thorough: bool = False
    thinking: bool = False
    keep_samplers: bool = False


def audit_targets(
    models: Sequence[str], how: Auditing, way: Way, limits: Limits, *, reach: Reach | None = None,
    format: str = "text", quiet: bool = False,
) -> int:  # fmt: skip
    """Audit the knobs of some targets (the embedded model where none is named), print and keep what is found; the exit
    code says whether all could be asked. Raises UsageError."""
    if format not in FORMATS:
        raise UsageError(f"--format: '{format}' is not one of {', '.join(FORMATS)}", nearest(format, FORMATS))
    places = config.places()
    settings = config.settings(places)
    reach = reach or Reach()
    targets = targets_of(models, settings, reach.base_url)
    if way.dry_run:
        for line in _planned(targets, how):
            print(clean_line(line))
        return 0
    found, failed = run_audits(targets, how, way, limits, places, settings, reach=reach, quiet=quiet)
    if format == "json":
        print(json.dumps({"audits": [one.json() for one in found]}, ensure_ascii=False, indent=2))
    else:
        for one in found:
            print("\n".join(lines(one)))
    return SOME_FAILED if found and failed else ALL_FAILED if failed else 0


def run_audits(
    targets: Sequence[Target], how: Auditing, way: Way, limits: Limits, places: Places, settings: Settings, *,
    reach: Reach | None = None, quiet: bool = False, progress: Progress | None = None,
    carry_out: Callable[[Coroutine[None, None, Found]], Found] = asyncio.run,
) -> Found:  # fmt: skip
    """What was found, one knob of one target after the other, and how many could not be audited, which `progress` tells
    (stderr). All of it is kept as it is found, unless the way says otherwise. `carry_out` runs it.
    Raises UsageError for a knob that has no test."""
    for knob in how.knobs:
        if knob not in auditing.ENDS:
            hint = nearest(knob, auditing.ENDS) or f"these can: {', '.join(auditing.ENDS)}"
            raise UsageError(f"'{knob}' can't be audited", hint)
    reach = reach or Reach()
    cells = tuple(
        Cell(n, target.text, target.endpoint, Request(target.model, (Message("user", "-"),)), options=target.options)
        for n, target in enumerate(targets)
    )
    plan = Plan(cells, "audit", base_url=reach.base_url, key_name=reach.key_env, mode="force",
                plain_http=reach.plain_http)  # fmt: skip
    with made_ready(plan, way, places, settings, quiet=quiet) as ready:
        return carry_out(_audit_all(ready, how, limits, progress or Progress(quiet=quiet)))


async def _audit_all(ready: Ready, how: Auditing, limits: Limits, progress: Progress) -> Found:
    found, failed = [], 0
    try:
        for cell in ready.plan.cells:
            endpoint = ready.endpoints[cell.endpoint]
            facts = facts_of(ready.knowledge, endpoint, cell.request.model)
            for knob in how.knobs:
                beside = {} if how.keep_samplers else neutral(facts, [knob], ())
                progress.begin(knob, cell.target)
                try:
                    audited = await auditing.audit(
                        ready.providers[cell.index], endpoint, cell.request.model, knob, beside=beside,
                        thorough=how.thorough, thinking=how.thinking, limits=limits, tell=progress,
                    )  # fmt: skip
                except LabError as error:
                    failed += 1
                    progress.end()
                    progress.warn(Sentence("{target}: {what}", target=cell.target, what=error.message), error.hint)
                    break  # the next knob would fail there alike
                progress.end()
                found.append(audited)
                _keep(ready, audited, progress)
    finally:
        await ready.registry.aclose()
    return found, failed


def _keep(ready: Ready, one: Audited, progress: Progress) -> None:
    if ready.store is None or not ready.keeps:
        return
    try:
        ready.store.keep_audit(one)
    except StoreError as error:
        progress.warn(Sentence("the audit is not kept: {why}", why=error.message))


def verdict(one: Audited) -> Sentence:
    """The finding with its number, in one line."""
    number = Sentence(" (p = {p}, n = {n})", p=f"{one.p:.2g}", n=one.n) if one.p is not None else ""
    said = Sentence(_SAID[one.word], knob=one.parameter, number=number)
    return Sentence("{target}: {what}", target=f"{one.endpoint}/{one.model}", what=said)


def lines(one: Audited) -> list[str]:
    """An audit as people read it: the finding with its number, then what it rests on. Clean for a terminal."""
    details = [part for part in one.text.split(". ") if part]
    if one.p is not None:
        wrong, missed = one.detail.get("false_alarm"), one.detail.get("missed")
        details.append(f"a dead knob is said to work in at most {wrong:.0%} of such tests, "
                       f"a live one to be dead in at most {missed:.0%} (by simulation)")  # fmt: skip
    return [clean_line(verdict(one)), *(f"  {clean_line(line)}" for line in details)]


def _planned(targets: Sequence[Target], how: Auditing) -> list[str]:
    most = 8 * (4 if how.thorough else 1)
    return [
        f"{target.text}: {knob}: 24 one-token calls (72 where they don't decide)"
        + (f", and {most} texts of 64 tokens where there are log probabilities" if knob == "temperature" else "")
        for target in targets for knob in how.knobs
    ]  # fmt: skip


class Progress:
    """How an audit goes: one line on stderr that is written over on a terminal, and written once elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._what, self._quiet = "", quiet
        self._paints = sys.stderr.isatty()

    def begin(self, knob: str, target: str) -> None:
        self._what = clean_line(f"{knob} at {target}")
        if not self._quiet and not self._paints:
            print(f"promptlab: auditing {self._what}", file=sys.stderr)

    def __call__(self, done: int, planned: int) -> None:
        if self._paints and not self._quiet:
            print(f"\r\x1b[Kpromptlab: auditing {self._what}: {done} of {planned}", end="", file=sys.stderr, flush=True)

    def warn(self, message: str, hint: str = "") -> None:
        """What went wrong, which ends nothing."""
        print(f"promptlab: {clean_line(message)}", file=sys.stderr)
        if hint:
            print(f"  → {clean_line(hint)}", file=sys.stderr)

    def end(self) -> None:
        if self._paints and not self._quiet:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
