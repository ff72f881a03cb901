"""Panes side by side while they stream, with rich: a live region of tails, and what is finished above it, once.

Only the tail of each stream is painted, so a frame costs the same after a million tokens as after ten
(TUI measurements: 1.3% of a core at 32 streams, where repainting whole texts takes 90% at 8), and the
scrollback holds every line once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from promptlab.events import Stamped
from promptlab.metrics import Cost
from promptlab.plan import Run
from promptlab.render.pane import Line, Pane
from promptlab.render.record import Costing
from promptlab.render.wrap import fit, pad

GAP = " │ "
LEAST = 38  # cells of a pane; with the gap that is two panes at 80, three at 120, four at 200
FRAMES = 10  # a second
_STYLES = {
    "title": Style(bold=True, color="cyan"),
    "thinking": Style(dim=True, italic=True),
    "answer": Style(),
    "facts": Style(color="green"),
    "fault": Style(color="red", bold=True),
    "note": Style(color="yellow"),
    "blank": Style(),
}
_RULE = Style(dim=True)


def columns(count: int, width: int) -> int:
    """How many panes stand side by side: as many as fit, evenly spread over the rows."""
    most = max(1, (width + len(GAP)) // (LEAST + len(GAP)))
    rows = -(-count // min(count, most))
    return -(-count // rows)


class Panes:
    """A sink that shows the run live; `refresh` is called by the run's timer, `close` at its end."""

    def __init__(
        self, run: Run, console: Console, costing: Costing, now: Callable[[], float], *, thinking: bool = True,
    ) -> None:  # fmt: skip
        cells = run.plan.cells
        self._run, self._console, self._costing, self._now = run, console, costing, now
        self._width, self._columns = console.width, columns(len(cells), console.width)
        self._panes = [Pane(cell, self._pane_width(), thinking=thinking) for cell in cells]
        self._printed = 0  # panes that stand above, whole
        self._begun = -1  # the pane whose lines go up as they are finished (one column only)
        self._lines = 0  # how many of them have
        self._live = Live(
            console=console, auto_refresh=False, transient=True, vertical_overflow="crop",
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._dirty = True

    def start(self) -> None:
        self._live.start()

    def __call__(self, stamped: Stamped) -> None:
        self._panes[stamped.cell].take(stamped)
        self._dirty = True

    def refresh(self) -> None:
        """Paint a frame, if anything can have changed since the last one."""
        if self._console.width != self._width:
            self._resize()
        running = any(not pane.said.ending for pane in self._panes)
        if not (self._dirty or running):
            return
        self._dirty = False
        self._print_finished()
        self._live.update(_Region(self._region()), refresh=True)

    def close(self) -> None:
        """Take the live region away and print all that is not yet above it."""
        self._print_finished(final=True)
        self._live.update(_Region([]), refresh=True)
        self._live.stop()
        if self._run.id is not None:
            self._console.print(
                _Region([[Segment(f"run {self._run.id} · promptlab show {self._run.id}", _RULE)]]), end=""
            )

    def _pane_width(self) -> int:
        return (self._width - len(GAP) * (self._columns - 1)) // self._columns

    def _resize(self) -> None:
        self._width = self._console.width
        self._columns = columns(len(self._panes), self._width)
        for pane in self._panes:
            pane.resize(self._pane_width())
        self._lines = 0 if self._begun < 0 else self._panes[self._begun].settled()
        self._dirty = True

    def _rows(self) -> Iterator[list[Pane]]:
        """The rows of panes that are not above yet."""
        left = self._panes[self._printed :]
        for start in range(0, len(left), self._columns):
            yield left[start : start + self._columns]

    def _print_finished(self, *, final: bool = False) -> None:
        for row in list(self._rows()):
            if not final and not all(pane.said.ending for pane in row):
                break
            if self._columns == 1:
                self._print_lines(row[0], ended=True)
            else:
                self._print([[self._whole(pane)] for pane in row])
            self._printed += len(row)
        if self._columns == 1 and self._printed < len(self._panes):
            self._print_lines(self._panes[self._printed], ended=False)

    def _whole(self, pane: Pane) -> list[Line]:
        return [Line("title", pane.title), *pane.body(), *pane.footer(self._cost(pane)), Line("blank", "")]

    def _print(self, columns_: list[list[list[Line]]]) -> None:
        blocks = [column[0] for column in columns_]
        self._console.print(_Region(list(_beside(blocks, self._pane_width()))), end="")

    def _print_lines(self, pane: Pane, *, ended: bool) -> None:
        """One column: lines go up as they can't change any more, so that the scrollback grows with the text."""
        ready: list[Line] = []
        if self._begun != pane.cell.index:
            if not ended and not pane.said.thinking and not pane.said.answer:
                return
            self._begun, self._lines = pane.cell.index, 0
            ready.append(Line("title", pane.title))
        body = pane.body(self._lines) if ended else pane.body(self._lines)[: max(0, pane.settled() - self._lines)]
        self._lines += len(body)
        ready += body
        if ended:
            ready += [*pane.footer(self._cost(pane)), Line("blank", "")]
        if ready:
            self._print([[ready]])

    def _cost(self, pane: Pane) -> Cost:
        return self._costing(pane.cell, pane.said)

    def _region(self) -> list[list[Segment]]:
        """The rows still running, each with as many lines of its tails as the terminal has room for."""
        rows = list(self._rows())
        room = max(3, self._console.height - 2)
        if not rows:
            return []
        shown = rows[: max(1, room // 4)]
        height = max(3, min(16, room // len(shown))) - 3  # title, status, blank
        now, width = self._now(), self._pane_width()
        lines: list[list[Segment]] = []
        for row in shown:
            lines += _beside([self._running(pane, max(1, height), now) for pane in row], width)
        hidden = sum(len(row) for row in rows[len(shown) :])
        if hidden:
            lines = [*lines[: room - 1], [Segment(f"and {hidden} more below", _RULE)]]
        return lines[: max(3, self._console.height - 2)]

    def _running(self, pane: Pane, height: int, now: float) -> list[Line]:
        inside = self._columns == 1 and pane.cell.index == self._begun
        body = pane.body(self._lines)[-height:] if inside else pane.tail(height)
        title = [] if inside else [Line("title", pane.title)]
        status = Line("fault" if pane.said.state == "failed" else "facts", pane.status(now, self._cost(pane)))
        filler = [] if self._columns == 1 else [Line("blank", "")] * (height - len(body))
        return [*title, *body, *filler, status, Line("blank", "")]


class _Region:
    """Lines of segments as something rich can print; nothing in them is markup."""

    def __init__(self, lines: list[list[Segment]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            yield from line
            yield Segment.line()


def _beside(blocks: list[list[Line]], width: int) -> Iterator[list[Segment]]:
    """Blocks of lines side by side. A lone block is not padded: its lines end where their text ends."""
    height = max(len(block) for block in blocks)
    for number in range(height):
        row: list[Segment] = []
        for place, block in enumerate(blocks):
            line = block[number] if number < len(block) else Line("blank", "")
            last = place == len(blocks) - 1
            text = fit(line.text, width) if last else pad(line.text, width)
            row.append(Segment(text, _STYLES[line.kind]))
            if not last:
                row.append(Segment(GAP, _RULE))
        yield row
