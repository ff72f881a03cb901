"""Which renderers a run gets, by what stdout is and what the user asked for; and the timer that drives them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlab.errors import UsageError, nearest
from promptlab.events import Stamped
from promptlab.plan import Run
from promptlab.render.plain import Answers, Lines, Notes, Records
from promptlab.render.record import Costing

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("text", "md", "json", "jsonl")
COLORS = ("auto", "always", "never")


def _nothing() -> None:
    pass


def _nothing_of(state: str) -> None:
    pass


@dataclass(slots=True)
class View:
    """A renderer as a run drives it: a sink, a timer, a beginning and an end.

    Where stdout is gone (`| head` has seen enough, the terminal was closed) it falls silent and calls `gone`:
    the run is then stopped, for what nobody reads need not be paid for, and what came is in the history.
    """

    sink: Callable[[Stamped], None]
    on_start: Callable[[], None] = _nothing
    on_refresh: Callable[[], None] = _nothing
    on_close: Callable[[str], None] = _nothing_of
    gone: Callable[[], None] = _nothing
    _silent: bool = False

    def __call__(self, stamped: Stamped) -> None:
        self._guarded(lambda: self.sink(stamped))

    def start(self) -> None:
        self._guarded(self.on_start)

    def refresh(self) -> None:
        self._guarded(self.on_refresh)

    def close(self, state: str) -> None:
        self._guarded(lambda: self.on_close(state))

    def _guarded(self, call: Callable[[], None]) -> None:
        if self._silent:
            return
        try:
            call()
        except OSError:
            self._silent = True
            with suppress(OSError):  # or the interpreter fails again when it flushes at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.gone()


@dataclass(frozen=True, slots=True)
class Output:
    """How the user wants to see a run. Raises UsageError for a word that is none of the known ones."""

    format: str | None
    plain: bool
    color: str
    raw: bool
    hide_thinking: bool
    quiet: bool
    usage: bool

    def __post_init__(self) -> None:
        for name, value, known in (("--format", self.format, FORMATS), ("--color", self.color, COLORS)):
            if value is not None and value not in known:
                raise UsageError(f"{name}: '{value}' is not one of {', '.join(known)}", nearest(value, known))

    @property
    def live(self) -> bool:
        """Whether panes are painted: a terminal that can be, and nobody who asked otherwise."""
        return self.format is None and sys.stdout.isatty() and not self.quiet and not self.appends

    @property
    def appends(self) -> bool:
        """A terminal that must not be repainted."""
        set_ = any(os.environ.get(name) for name in ("CI", "PROMPTLAB_PLAIN"))
        return self.plain or set_ or os.environ.get("TERM") == "dumb"

    def view(self, run: Run, costing: Costing, now: Callable[[], float]) -> View:
        thinking = not self.hide_thinking
        if self.live:
            from promptlab.render.live import Panes

            panes = Panes(run, console(self.color), costing, now, thinking=thinking)
            return View(panes, panes.start, panes.refresh, lambda state: panes.close())
        notes = Notes(run.plan, sys.stderr, costing, thinking=thinking, quiet=self.quiet, usage=self.usage)
        if self.format in ("json", "jsonl", "md"):
            records = Records(run, sys.stdout, notes, costing, self.format, thinking=thinking)  # type: ignore[arg-type]
            return View(records, on_close=records.close)
        if sys.stdout.isatty() and self.format is None and not self.quiet:
            return View(Lines(run.plan, sys.stdout, notes, thinking=thinking))
        return View(Answers(run.plan, sys.stdout, notes, raw=self.raw and not sys.stdout.isatty()))


def console(color: str) -> Console:
    """A rich console on stdout that interprets nothing in what it prints."""
    from rich.console import Console

    force = {"auto": None, "always": True, "never": None}[color]
    plain = {"auto": None, "always": False, "never": True}[color]  # None: as NO_COLOR says; a flag is above it
    return Console(
        file=sys.stdout, force_terminal=force, no_color=plain, markup=False,
        highlight=False, emoji=False, soft_wrap=True,
    )  # fmt: skip


async def tick(period: float, call: Callable[[], None]) -> None:
    """Call `call` every `period` seconds until cancelled."""
    while True:
        await asyncio.sleep(period)
        call()


def notice(text: str) -> None:
    """A line of ours on stderr: cleaned, and on a terminal broken between words."""
    from promptlab.render.sanitise import clean_line
    from promptlab.render.wrap import wrap_line

    whole = f"promptlab: {clean_line(text)}"
    cells = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    print("\n".join(wrap_line(whole, cells)) if cells else whole, file=sys.stderr, flush=True)
