"""How far a sweep is, on stderr: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from promptlab.cli.output import notice
from promptlab.cli.tracking import Part, Tracking
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

_EVERY = 10.0  # seconds between two lines, where nothing is painted
_BAR = 24


def duration(seconds: float) -> str:
    """About how long, as one says it: 8 s, 3 min, 1 h 20 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def line(tracking: Tracking, *, over: bool = False) -> str:
    """One line on the whole run; `over` where no more comes."""
    parts = [f"{tracking.ended} of {tracking.total} cells"]
    counts = {name: tracking.count(name) for name in ("running", "failed", "cut", "cancelled")}
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    if tracking.retried:
        parts.append(f"{tracking.retried} retried")
    if tracking.waiting:
        parts.append(f"{tracking.waiting} waiting for another try")
    if tracking.priced:
        parts.append(f"${tracking.usd:.4f}" + (" and what has no price" if tracking.unpriced else ""))
    elif tracking.unpriced:
        parts.append("cost unknown")
    if tracking.cached:
        parts.append(f"{tracking.cached} from the cache")
    if tracking.skipped:
        parts.append(f"{tracking.skipped} not needed or given up")
    if not over and tracking.ended < tracking.total:
        rest = tracking.rest()
        parts.append(f"about {duration(rest)} left" if rest is not None else "")
    return " · ".join(filter(None, parts))


class Progress:
    """`with Progress(tracking):`, and `refresh` by a timer. Painted where stderr is a terminal that can be."""

    def __init__(self, tracking: Tracking, *, quiet: bool, paint: bool) -> None:
        self._tracking, self._quiet = tracking, quiet
        self._live: Live | None = None
        self._told = time.monotonic()
        if paint and not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, markup=False, highlight=False, emoji=False)
            self._live = Live(console=console, auto_refresh=False, transient=True,
                              redirect_stdout=False, redirect_stderr=False)  # fmt: skip

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
            self.refresh()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(self._live.console.width), refresh=True)
        elif not self._quiet and time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            notice(line(self._tracking))

    def say(self, text: str) -> None:
        """A notice above the bars."""
        if self._live is not None:
            self._live.console.print(f"promptlab: {clean_line(text)}")
        else:
            notice(text)

    def _picture(self, cells: int) -> RenderableType:
        from rich.text import Text

        tracking = self._tracking
        found = Text(no_wrap=True, overflow="crop")
        names = {name: clean_line(name) for name in tracking.parts}
        longest = min(max(map(width, names.values()), default=0), cells // 3)
        for name, part in tracking.parts.items():
            found.append(pad(fit(names[name], longest), longest) + "  ")
            found.append_text(_bar(part))
            found.append(f" {part.ended}/{part.total}", "bold")
            if part.failed:
                found.append(f"  {part.failed} failed", "red")
            found.append("\n")
        found.append(fit(line(tracking), cells), "dim")
        return found


def _bar(part: Part) -> Text:
    from rich.text import Text

    total = max(1, part.total)
    done, failed, running = (round(count / total * _BAR) for count in (
        part.done + part.cut, part.failed + part.cancelled, part.running))  # fmt: skip
    running = min(_BAR - done - failed, max(running, 1 if part.running else 0))
    bar = Text("█" * done, "green")
    bar.append("█" * failed, "red")
    bar.append("▒" * max(0, running), "cyan")
    return bar.append("░" * max(0, _BAR - done - failed - max(0, running)), "dim")
