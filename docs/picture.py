"""The README's pictures, out of the history: `python docs/picture.py RUN FILE.svg [WIDTH [TITLE]]`. The panes of a run
as rich exports them; a sweep as its ladder, table and plots, with every character drawn at its cell."""

import io
import sys
from html import escape
from pathlib import Path

from rich.color import ColorType
from rich.console import Console, RenderableType
from rich.style import Style

from promptlab import config
from promptlab.cli.outcome import Wanted, answer_of, reading_of
from promptlab.cli.planning import endpoints_of
from promptlab.cli.ready import costing
from promptlab.plan import Run
from promptlab.render.ladder import ladder
from promptlab.render.live import Panes
from promptlab.render.plot import plots
from promptlab.render.record import Costing
from promptlab.render.table import measures
from promptlab.render.wrap import width
from promptlab.store import Store

CELL, LINE, SIZE = 8.4, 17, 14
INK, PAPER = "#d6dae0", "#15181d"
NAMED = {"cyan": "#4fc1d0", "yellow": "#d7b35a", "magenta": "#c586c0", "green": "#6fc276", "blue": "#6aa2f7",
         "red": "#f0716b"}  # fmt: skip
DOTS = {1: (0, 0), 2: (0, 1), 4: (0, 2), 8: (1, 0), 16: (1, 1), 32: (1, 2), 64: (0, 3), 128: (1, 3)}  # of braille


def panes(store: Store, run: Run, how: Costing, cells: int, title: str) -> str:
    console = Console(record=True, width=cells, height=60, file=io.StringIO(), force_terminal=True,
                      color_system="truecolor")  # fmt: skip
    view = Panes(run, console, how, lambda: 0.0)
    for stamped in store.events(run.id or 0):
        view(stamped)
    view.close()
    return console.export_svg(title=title)


def sweep(store: Store, run: Run, how: Costing, cells: int) -> str:
    reading = reading_of(store, run, how, Wanted())
    parts: list[RenderableType] = []
    for part in (ladder(reading, answer_of(store, run, how), cells, height=4), measures(reading, cells, color=True),
                 plots(reading, cells)):  # fmt: skip
        parts += [part, ""]
    return drawn([*parts, *(f"• {remark.text}" for remark in reading.remarks)], cells)


def drawn(parts: list[RenderableType], cells: int) -> str:
    """An SVG in which braille is dots and all else stands at its cell: fonts space neither as a terminal does."""
    console = Console(width=cells, force_terminal=True, color_system="truecolor", file=io.StringIO())
    lines = [line for part in parts for line in console.render_lines(part, console.options, pad=False)]
    wide, high = cells * CELL + 20, len(lines) * LINE + 20
    found = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high}" font-size="{SIZE}" '
             f'font-family="Menlo,Consolas,DejaVu Sans Mono,Noto Sans CJK SC,monospace">'
             f'<rect width="100%" height="100%" rx="6" fill="{PAPER}"/>']  # fmt: skip
    for row, line in enumerate(lines):
        x, y = 10.0, 10 + row * LINE
        for segment in line:
            ink = _ink(segment.style)
            if segment.style and (back := segment.style.bgcolor) and back.type is not ColorType.DEFAULT:
                span = width(segment.text) * CELL
                found.append(f'<rect x="{x:.1f}" y="{y}" width="{span:.1f}" height="{LINE}" fill="{_hex(back)}"/>')
            for char in segment.text:
                found += _char(char, x, y, ink)
                x += width(char) * CELL
    return "".join([*found, "</svg>\n"])


def _char(char: str, x: float, y: float, ink: str) -> list[str]:
    if char == " ":
        return []
    if 0x2800 <= ord(char) < 0x2900:
        return [f'<circle cx="{x + (0.28 + 0.45 * dx) * CELL:.1f}" cy="{y + 2.5 + dy * 4:.1f}" r="1.1" {ink}/>'
                for bit, (dx, dy) in DOTS.items() if (ord(char) - 0x2800) & bit]  # fmt: skip
    return [f'<text x="{x:.1f}" y="{y + 13}" {ink}>{escape(char)}</text>']


def _ink(style: Style | None) -> str:
    if style is None:
        return f'fill="{INK}"'
    weight = ' font-weight="bold"' if style.bold else ""
    return f'fill="{_hex(style.color) if style.color else INK}"{weight}' + (' opacity=".6"' if style.dim else "")


def _hex(color: object) -> str:
    name = getattr(color, "name", "")
    return NAMED.get(name) or getattr(color, "get_truecolor")().hex  # noqa: B009


store = Store(config.places().database)
run = store.run(int(sys.argv[1]))
how = costing(endpoints_of(run.plan, config.settings(config.places())))
cells = int((sys.argv[3:] or ["100"])[0])
title = (sys.argv[4:] or ["promptlab"])[0]
text = sweep(store, run, how, cells) if run.plan.sweep else panes(store, run, how, cells, title)
Path(sys.argv[2]).write_text(text, "utf-8")
