"""`promptlab compare`: a blind vote on answers that come, or that a run of the history has; then the numbers."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab import config
from promptlab.cli.output import notice
from promptlab.cli.tui.own import Own, own
from promptlab.errors import UsageError, nearest

if TYPE_CHECKING:
    from promptlab.cli.blind import Live, Past, Rules
    from promptlab.cli.options import Sweeping
    from promptlab.cli.planning import Asked
    from promptlab.cli.ready import Way
    from promptlab.config import Places, Settings
    from promptlab.engine import Limits
    from promptlab.plan import Plan
    from promptlab.tui.contest import Match

FORMATS = ("text", "json", "md")


@dataclass(frozen=True, slots=True)
class Comparing:
    """How it is held and told, as typed."""

    answers: int = 2
    votes: int | None = None
    ahead: int = 1
    wait: bool = False
    yes: bool = False
    quiet: bool = False
    format: str | None = None
    color: str = "auto"

    def rules(self) -> Rules:
        from promptlab.cli.blind import Rules

        return Rules(self.answers, self.votes, self.ahead, self.wait)


def compare(asked: Asked, sweeping: Sweeping, comparing: Comparing, limits: Limits, way: Way) -> int:
    """Hold a blind vote, keep the votes, and print what they say. Raises UsageError where there is no terminal, and
    where there is nothing to compare."""
    if comparing.format is not None and comparing.format not in FORMATS:
        raise UsageError(f"--format: '{comparing.format}' is not one of {', '.join(FORMATS)}",
                         nearest(comparing.format, FORMATS))  # fmt: skip
    is_past, run = past_of(asked, sweeping)
    if way.dry_run:
        raise UsageError("--dry-run sends nothing that could be compared", "promptlab sweep --dry-run shows it")
    if not way.save:
        raise UsageError("votes are kept, and with them what was seen", "leave out --no-save")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = f"promptlab rank {run or ''}".rstrip() + " prints what the votes say" if is_past else "promptlab sweep"
        raise UsageError("a blind vote needs a terminal: keys in, and answers shown side by side", hint)
    places, rng = config.places(), random.SystemRandom()
    mine = own(places, _ids)
    if is_past:
        from promptlab.cli.blind import past

        return _held(past(places, run, comparing.rules(), rng), comparing, places, mine)
    from promptlab.cli.blind import drawn, live

    settings = config.settings(places)
    plan = _plan(asked, sweeping, places, settings)
    matches = drawn(plan, comparing.rules(), rng)
    if not _agreed(plan, matches, comparing, way, places, settings):
        return 1
    # The screen has the terminal: whatever asks by reading stdin is told that nobody is there, and says so.
    sys.stdin = Path(os.devnull).open()  # noqa: SIM115
    return _held(live(plan, matches, way, limits, places, settings), comparing, places, mine)


def past_of(asked: Asked, sweeping: Sweeping) -> tuple[bool, int | None]:
    """Whether a run of the history is meant, and which (None: the last one): what stands in the prompt's place is a
    number, or nothing is asked at all. Raises UsageError where a run is meant and something is to be sent, too."""
    text = (asked.prompt or "").strip()
    if asked.profile or asked.models or sweeping.dataset or (text and not text.isdecimal()):
        return False, None
    number = int(text[:18]) if text else None
    if asked.parameters or asked.options or asked.system or asked.files or asked.variables or sweeping.axis:
        what = f"run {number} has its answers" if text else "there is no prompt"
        raise UsageError(f"{what}, and what else stands here is for a new run", 'promptlab compare "your prompt" -m …')
    return True, number


def _plan(asked: Asked, sweeping: Sweeping, places: Places, settings: Settings) -> Plan:
    from promptlab.cli.planning import Reach
    from promptlab.cli.sweep import written
    from promptlab.cli.sweeping import make_sweep_plan

    sweep = written(asked, sweeping)
    if any(cap is not None for cap in (sweep.max_cost, sweep.max_tokens_total, sweep.max_time)):
        raise UsageError("caps are for a sweep: here nothing is sent that is not about to be shown", "--votes N")
    return make_sweep_plan(
        sweep, places, settings, reach=Reach(asked.base_url, asked.key_env, asked.plain_http), mode=asked.mode,
        cot=asked.cot, allow_files=asked.allow_files, scored=False,
    )  # fmt: skip


def _agreed(
    plan: Plan, matches: Sequence[Match], comparing: Comparing, way: Way, places: Places, settings: Settings
) -> bool:  # fmt: skip
    """Whether it is to be sent, once it is told what it takes."""
    from promptlab.cli.blind import order_of
    from promptlab.cli.forecast import axis_lines, confirmed, forecast, must_ask, price_lines
    from promptlab.cli.ready import made_ready

    with made_ready(plan, way, places, settings, quiet=comparing.quiet) as ready:
        ready.look_ahead(quiet=comparing.quiet)
        found = forecast(replace(ready, plan=replace(plan, cells=tuple(order_of(plan, matches)))))
        asks = must_ask(found, settings.confirm_above, None) and not comparing.yes
        if not comparing.quiet or asks:
            for said in (*axis_lines(plan), *price_lines(found)):
                notice(said)
        if asks and not confirmed(found, settings.confirm_above):
            notice("nothing was sent")
            return False
    return True


def _ids() -> list[str]:
    from promptlab.tui.app import binding_ids

    return binding_ids()


def _held(booth: Live | Past, comparing: Comparing, places: Places, mine: Own) -> int:
    """The vote on the screen, as the user has set it, and what it says."""
    from promptlab.cli.rank import Ranking, rank
    from promptlab.cli.tui.kept import remembered
    from promptlab.tui.blind_app import BlindApp
    from promptlab.tui.seats import BlindSay
    from promptlab.tui.text import language

    contest = booth.contest
    try:
        app = BlindApp(booth, BlindSay(mine.language or language()), ahead=comparing.ahead, wait=comparing.wait,
                       theme=remembered(places, "theme") or mine.theme or "", themes=mine.made(),
                       keymap=mine.keys)  # fmt: skip
        app.run()
        left_out, error = app.blind.left_out, app.blind.error
    finally:
        booth.close()
    if error is not None:
        raise error
    if left_out and not comparing.quiet:
        what = "comparison was" if left_out == 1 else "comparisons were"
        notice(f"{left_out} {what} left out, for an answer did not come: promptlab show {contest.run} --cells")
    if not contest.ballots():
        notice(f"no votes; promptlab compare {contest.run} takes it up again")
        return 1
    return rank(Ranking(contest.run, "you"), comparing.format, None, comparing.color)
