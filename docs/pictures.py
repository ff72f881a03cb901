"""Makes the pictures of the README and of docs from real runs: `python docs/pictures.py [NAME …]`.

Everything is asked of the embedded model, in a home folder of its own that is thrown away; its weights are taken from
your cache, or fetched into it as promptlab does. Times differ from run to run, and what the model says where a picture
gives no seed. In the SVG every character stands at its own cell, so that wide ones are as wide as in a terminal.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import chdir
from html import escape
from io import StringIO
from itertools import groupby
from pathlib import Path

from rich.color import Color, ColorType
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.pilot import Pilot

from promptlab import config
from promptlab.plan import Run
from promptlab.providers import weights
from promptlab.render.record import Costing
from promptlab.render.wrap import width
from promptlab.store import Store
from promptlab.tui.app import LabApp

HERE = Path(__file__).resolve().parent
PATIENCE = 900  # seconds, for all that is asked for one picture

# -- drawing -----------------------------------------------------------------------------------------------------------

CELL, LINE, SIZE, EDGE = 8.4, 17, 14, 10
INK, PAPER = "#d6dae0", "#15181d"
FONTS = "Menlo,Consolas,DejaVu Sans Mono,Noto Sans Mono CJK SC,Noto Sans CJK SC,PingFang SC,Microsoft YaHei,monospace"
ANSI = ("#23272e", "#f0716b", "#6fc276", "#d7b35a", "#6aa2f7", "#c586c0", "#4fc1d0", "#d6dae0")
_DOTS = (1, 8, 2, 16, 4, 32, 64, 128)  # bits of a braille cell, row by row
_ARMS = {"LEFT": (-1, 0), "RIGHT": (1, 0), "UP": (0, -1), "DOWN": (0, 1)}
_QUADRANTS = {"UPPER LEFT": (0, 0), "UPPER RIGHT": (0.5, 0), "LOWER LEFT": (0, 0.5), "LOWER RIGHT": (0.5, 0.5)}
_EIGHTHS = {"ONE EIGHTH": 1, "ONE QUARTER": 2, "THREE EIGHTHS": 3, "HALF": 4, "FIVE EIGHTHS": 5, "THREE QUARTERS": 6,
            "SEVEN EIGHTHS": 7}  # fmt: skip
_SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
Row = Sequence[Segment]


def drawn(rows: Sequence[Row], cells: int, paper: str = PAPER) -> str:
    """Rows of styled text as an SVG of so many cells. Braille is dots, blocks and lines are shapes that meet; each
    other character stands in the middle of its cells, whatever font there is."""
    wide, high = cells * CELL + 2 * EDGE, len(rows) * LINE + 2 * EDGE
    found = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:g} {high:g}" font-size="{SIZE}" '
             f'font-family="{FONTS}" text-anchor="middle">'
             f'<rect width="100%" height="100%" rx="6" fill="{paper}"/>']  # fmt: skip
    for number, row in enumerate(rows):
        x, y = float(EDGE), EDGE + number * LINE
        parts = [(one.text, one.style or Style(), _cells(one.text)) for one in row if not one.control]
        found += _backs(parts, x, y)
        for text, style, span in parts:
            found += _segment(text, style, x, y, paper)
            x += span * CELL
    return "\n".join([*found, "</svg>\n"])


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Characters with what is set upon them, and how many cells each takes; nothing that XML can't hold."""
    held, cells = "", 0
    for char in map(_allowed, text):
        wide = width(char)
        if wide and held:
            yield held, cells
            held, cells = "", 0
        held, cells = held + char, cells + wide
    if held:
        yield held, cells


def _allowed(char: str) -> str:
    if char < " ":
        return chr(0x2400 + ord(char))
    return "�" if "\x7f" <= char < "\xa0" or "\ud800" <= char < "\ue000" or char in "\ufffe\uffff" else char


def _cells(text: str) -> int:
    return sum(cells for _, cells in clusters(text))


def _colours(style: Style, paper: str = PAPER) -> tuple[str, str]:
    """Of the letters, and of what is behind them: nothing where that is the paper."""
    ink, back = _hex(style.color, INK), _hex(style.bgcolor, "")
    return (back or paper, ink) if style.reverse else (ink, back)


def _backs(parts: Sequence[tuple[str, Style, int]], x: float, y: int) -> Iterator[str]:
    for back, several in groupby(parts, lambda part: _colours(part[1])[1]):
        span = sum(part[2] for part in several) * CELL
        if back:
            yield (f'<rect x="{x:.1f}" y="{y}" width="{span:.1f}" height="{LINE}" fill="{back}" '
                   'shape-rendering="crispEdges"/>')  # fmt: skip
        x += span


def _segment(text: str, style: Style, x: float, y: int, paper: str) -> list[str]:
    ink, back = _colours(style, paper)
    if style.dim:
        ink = _mixed(ink, back or paper)
    span = _cells(text) * CELL
    found = [f'<path d="M{x:.1f} {y + at}h{span:.1f}" stroke="{ink}"/>'
             for at, on in ((LINE - 2, style.underline), (LINE // 2, style.strike)) if on]  # fmt: skip
    places: list[str] = []
    shades: list[str] = []
    lone: list[tuple[str, str]] = []
    letters, lines, dots, fill = "", "", "", ""
    for cluster, cells in clusters(text):
        code, middle = ord(cluster[0]), f"{x + cells * CELL / 2:.1f}"
        if 0x2800 <= code < 0x2900:
            dots += _dots(code - 0x2800, x, y)
        elif cluster in _SHADES:
            shades.append(f'<rect x="{x:.1f}" y="{y}" width="{CELL}" height="{LINE}" fill="{ink}" '
                          f'opacity="{_SHADES[cluster]}" shape-rendering="crispEdges"/>')  # fmt: skip
        elif block := _block(cluster, x, y):
            fill += block
        elif line := _line(cluster, x, y):
            lines += line
        elif len(cluster) > 1 or code > 0xFFFF:  # a place of a list is one unit of UTF-16, to some viewers
            lone.append((middle, cluster))
        elif not cluster.isspace():
            places.append(middle)
            letters += cluster
        x += cells * CELL
    heavy = ' font-weight="bold"' if style.bold else ""
    leans = ' font-style="italic"' if style.italic else ""
    for where, what in ([(" ".join(places), letters)] if letters else []) + lone:
        found.append(f'<text x="{where}" y="{y + 13}" fill="{ink}"{heavy}{leans}>{escape(what)}</text>')
    found += shades
    if fill:
        found.append(f'<path d="{fill}" fill="{ink}" shape-rendering="crispEdges"/>')
    if lines:
        found.append(f'<path d="{lines}" fill="none" stroke="{ink}" stroke-width="{2 if style.bold else 1.2}"/>')
    if dots:
        found.append(f'<path d="{dots}" stroke="{ink}" stroke-width="2.2" stroke-linecap="round"/>')
    return found


def _dots(bits: int, x: float, y: float) -> str:
    return "".join(f"M{x + (0.28 + 0.45 * (at % 2)) * CELL:.1f} {y + 2.5 + at // 2 * 4:.1f}h0"
                   for at, bit in enumerate(_DOTS) if bits & bit)  # fmt: skip


def _block(char: str, x: float, y: float) -> str:
    """Block elements as rectangles, of the whole cell; of any other character, and of shades, nothing."""
    name = unicodedata.name(char[0], "")
    if char == "█":
        parts = [(0.0, 0.0, 1.0, 1.0)]
    elif name.startswith("QUADRANT "):
        parts = [(*_QUADRANTS[at], 0.5, 0.5) for at in name.removeprefix("QUADRANT ").split(" AND ")]
    elif name.endswith(" BLOCK") and 0x2580 <= ord(char[0]) < 0x25A0:
        side, _, part = name.removesuffix(" BLOCK").partition(" ")
        share = _EIGHTHS[part] / 8
        parts = [{"UPPER": (0, 0, 1, share), "LOWER": (0, 1 - share, 1, share), "LEFT": (0, 0, share, 1),
                  "RIGHT": (1 - share, 0, share, 1)}[side]]  # fmt: skip
    else:
        return ""
    return "".join(f"M{x + left * CELL:.2f} {y + top * LINE:.2f}h{wide * CELL:.2f}v{high * LINE:.2f}"
                   f"h{-wide * CELL:.2f}z" for left, top, wide, high in parts)  # fmt: skip


def _line(char: str, x: float, y: float) -> str:
    """Box drawings as lines between the middle of the cell and its edges; double and slanted ones stay letters."""
    name = unicodedata.name(char[0], "")
    if not name.startswith("BOX DRAWINGS ") or "DOUBLE" in name.split() or "DIAGONAL" in name:
        return ""
    words = name.replace("HORIZONTAL", "LEFT RIGHT").replace("VERTICAL", "UP DOWN").split()
    arms = [_ARMS[word] for word in words if word in _ARMS]
    across, down = x + CELL / 2, y + LINE / 2
    ends = [(across + dx * CELL / 2, down + dy * LINE / 2) for dx, dy in arms]
    if "ARC" in words:
        (ax, ay), (bx, by) = ends
        return f"M{ax:.2f} {ay:.2f}Q{across:.2f} {down:.2f} {bx:.2f} {by:.2f}"
    if "DASH" in words:  # two strokes, with air between them
        (ax, ay), (bx, by) = ends
        wide, high = bx - ax, by - ay
        return "".join(f"M{ax + wide * at:.2f} {ay + high * at:.2f}l{wide * 0.3:.2f} {high * 0.3:.2f}"
                       for at in (0.1, 0.6))  # fmt: skip
    return "".join(f"M{across:.2f} {down:.2f}L{ax:.2f} {ay:.2f}" for ax, ay in ends)


def _mixed(ink: str, back: str) -> str:
    """Dim: six parts of the ink in ten."""
    parts = ((int(ink[at : at + 2], 16) * 6 + int(back[at : at + 2], 16) * 4) // 10 for at in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _hex(color: Color | None, otherwise: str) -> str:
    if color is None or color.type is ColorType.DEFAULT:
        return otherwise
    if color.number is not None and color.number < 16:
        return ANSI[color.number % 8]
    return color.get_truecolor().hex


# -- what is on a screen -----------------------------------------------------------------------------------------------


def screen_of(app: App[None]) -> list[Row]:
    """What stands on the screen of an application that runs, as rows of its width. Textual gives only its own SVG, in
    which Chinese is squeezed: this is what it makes that of."""
    compositor = app.screen._compositor
    update = compositor.render_update(full=True, screen_stack=app._background_screens)
    strips = getattr(update, "strips")  # noqa: B009
    return [[_anywhere(segment) for strip in line for segment in strip] for line in strips]


def _anywhere(segment: Segment) -> Segment:
    """A picture doesn't tell in which folder it was made."""
    text = segment.text.replace(str(HERE.parent), "~")
    return Segment(text.ljust(len(segment.text)), segment.style, segment.control) if text != segment.text else segment


class Seen:
    """An application as a picture needs it driven."""

    def __init__(self, app: App[None], pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        return "\n".join("".join(segment.text for segment in row) for row in screen_of(self.app))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def shows(self, *words: str) -> None:
        """Wait until all of it stands on the screen."""
        deadline = time.monotonic() + PATIENCE
        while not all(word in self.text for word in words):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{words} did not come:\n{self.text}")
            await asyncio.sleep(0.05)

    async def still(self) -> None:
        """Wait until nothing changes for a while: what is told for a moment has gone, what is worked out has come."""
        if isinstance(self.app, LabApp):
            self.app.lab_screen.tell("")
        text, since = self.text, time.monotonic()
        while time.monotonic() - since < 1.5:
            await asyncio.sleep(0.1)
            if self.text != text:
                text, since = self.text, time.monotonic()


Drive = Callable[[Seen], Awaitable[None]]


async def _shot(app: App[None], size: tuple[int, int], drive: Drive) -> str:
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seen = Seen(app, pilot)
        await drive(seen)
        await seen.still()
        return drawn(screen_of(app), size[0], app.get_css_variables()["background"])


def lab(words: str, size: tuple[int, int], drive: Drive, language: str = "en") -> str:
    """The lab with these words in its field of targets, driven so far."""
    from promptlab.cli.tui.rooms import Rooms
    from promptlab.tui.text import Say

    async def main() -> str:
        app = LabApp(Rooms(config.places()), Say(language), words)
        try:
            return await _shot(app, size, drive)
        finally:
            await asyncio.to_thread(app.lab_screen.close)

    return asyncio.run(main())


# -- the pictures ------------------------------------------------------------------------------------------------------


def grammar(*rules: str) -> str:
    """The words by which an answer follows a grammar, as llama.cpp takes it."""
    return "-o " + shlex.quote("body.grammar=" + json.dumps("\n".join(rules), ensure_ascii=False))


# The embedded model does not think by itself, and knows no Chinese. The first grammar has it begin with two sentences
# between tags; the second, too, and holds it to lines of five Han characters.
ALOUD = grammar('root ::= "<think>" s s "</think>" a a a', 's ::= " "? [A-Z] [^<>.\n]{50,150} "."',
                'a ::= "- **" [A-Z] [a-z ]{3,20} "**: " [^<>.\n*]{30,90} ".\n"')  # fmt: skip
VERSE = grammar('root ::= "<think>" t "</think>" v v', 't ::= [一-龥]{4,9} "，" [一-龥]{4,9} "。"',
                'v ::= [一-龥]{5} "，\n" [一-龥]{5} "。\n"')  # fmt: skip
SEVEN = "0.1,0.4,0.7,1.0,1.3,1.8,2.0"
SNOW = "Write a quatrain about snow and a frozen river"
RIVER = "请写出这首诗：千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。"
SEVERAL = "-m local -m openai/o3 -m anthropic/claude-haiku-4-5 -m deepseek/deepseek-v4-pro"


def grid() -> str:
    async def drive(seen: Seen) -> None:
        await send(seen, "Name three animals that live in the snow.")
        await seen.shows("2/2 done")
        await seen.press("f8", "ctrl+t")  # the thinking of the second one stays open

    return lab(f"-m local -t 0.5,0.8 --seed 5 {ALOUD}", (120, 24), drive)


def ladder() -> str:
    async def drive(seen: Seen) -> None:
        await send(seen, "")
        await seen.shows("35/35 done")
        await seen.press("tab", "down", "down", "down", "i")

    return lab(f"sweep -p english-quatrain -m local -t {SEVEN} -n 5 --seed 7 --seeds varied --max-tokens 100",
               (132, 46), drive)  # fmt: skip


def form() -> str:
    async def drive(seen: Seen) -> None:
        await seen.press("ctrl+o")
        await seen.shows("temperature", "effort")

    return lab(f"{SEVERAL} -p english-quatrain -t 0.2,1.3 --effort high", (132, 38), drive)


def profiles() -> str:
    async def drive(seen: Seen) -> None:
        await seen.press("ctrl+l")
        await seen.shows("english-quatrain")

    return lab("-m local -m openai/o3 -p english-quatrain", (126, 38), drive)


def desk() -> str:
    async def drive(seen: Seen) -> None:
        await seen.press("ctrl+l")
        await seen.shows("english-quatrain")
        await seen.press(*"reviewer")
        await seen.press("f2")
        await seen.shows("goal", "rules")

    return lab("-m local -m openai/o3", (126, 38), drive)


def blind() -> str:
    from promptlab.cli.blind import Rules, past
    from promptlab.tui.blind_app import BlindApp
    from promptlab.tui.seats import BlindSay

    prompt = "Why does ice float on water? Answer in two sentences."
    command("ask", prompt, "-m", "local", "-t", "0.2,0.7,1.3", "--seed", "3", "--max-tokens", "110")
    booth = past(config.places(), None, Rules(), random.Random(1))

    async def drive(seen: Seen) -> None:
        await seen.shows("Which is better?")

    try:
        return asyncio.run(_shot(BlindApp(booth, BlindSay()), (110, 18), drive))
    finally:
        booth.close()


def chinese() -> str:
    async def drive(seen: Seen) -> None:
        await send(seen, RIVER)
        await seen.shows("2/2 完成")
        await seen.press("f8", "ctrl+t")

    return lab(f"-m local -t 0,0.7 --seed 3 {VERSE}", (110, 22), drive, "zh")


async def send(seen: Seen, prompt: str) -> None:
    assert isinstance(seen.app, LabApp)
    seen.app.lab_screen.editor.text = prompt
    await seen.press("ctrl+j")


def ask() -> str:
    """The panes of `promptlab ask`, as the terminal shows them."""
    from promptlab.render.live import Panes

    command("ask", SNOW, "-m", "local", "-t", "0.2,1.3", "--seed", "6", "--max-tokens", "110")
    store, run, how = _last()
    console = Console(record=True, width=100, height=60, file=StringIO(), force_terminal=True, color_system="truecolor")
    view = Panes(run, console, how, lambda: 0.0)
    for stamped in store.events(run.id or 0):
        view(stamped)
    view.close()
    store.close()
    return of([Text.from_ansi(console.export_text(styles=True).rstrip("\n"))], 100)


def sweep() -> str:
    """What `promptlab sweep` prints at its end."""
    from promptlab.cli.outcome import Wanted, answer_of, reading_of
    from promptlab.render.ladder import ladder as rungs
    from promptlab.render.plot import plots
    from promptlab.render.table import measures

    command("sweep", "-p", "english-quatrain", "-m", "local", "-t", SEVEN, "-n", "5")
    store, run, how = _last()
    cells, parts = 118, list[RenderableType]()
    reading = reading_of(store, run, how, Wanted())
    for part in (rungs(reading, answer_of(store, run, how), cells, height=4), measures(reading, cells, color=True),
                 plots(reading, cells)):  # fmt: skip
        parts += [part, ""]
    store.close()
    return of([*parts, *(Text(f"• {remark.text}") for remark in reading.remarks)], cells)


def of(parts: Iterable[RenderableType], cells: int) -> str:
    console = Console(width=cells, force_terminal=True, color_system="truecolor", file=StringIO())
    return drawn([line for part in parts for line in console.render_lines(part, console.options, pad=False)], cells)


def command(*arguments: str) -> None:
    """Carry out a command of promptlab's as a user does."""
    subprocess.run([sys.executable, "-m", "promptlab", *arguments], check=True, capture_output=True, timeout=PATIENCE)


def _last() -> tuple[Store, Run, Costing]:
    from promptlab.cli.planning import endpoints_of
    from promptlab.cli.ready import costing

    store = Store(config.places().database)
    run = store.run(None)
    return store, run, costing(endpoints_of(run.plan, config.settings(config.places())))


PICTURES: dict[str, Callable[[], str]] = {
    "tui-grid": grid, "tui-ladder": ladder, "tui-form": form, "tui-profiles": profiles, "tui-desk": desk,
    "tui-blind": blind, "tui-zh": chinese, "ask": ask, "sweep": sweep,
}  # fmt: skip


def main(names: Sequence[str]) -> int:
    if unknown := set(names) - set(PICTURES):
        print(f"no such picture: {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    kept = config.places().cache
    model = weights.cached(kept) or weights.fetch(kept, lambda done, all: None)
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_TOKEN")) or name == "PROMPTLAB_LANG"]:
        del os.environ[name]  # pictures don't tell which keys you have
    for name in names or PICTURES:
        with tempfile.TemporaryDirectory() as home, chdir(home):  # no profiles of the folder that you are in
            os.environ["PROMPTLAB_HOME"] = home
            (Path(home) / "cache").mkdir()
            (Path(home) / "cache" / model.name).symlink_to(model.resolve())
            (HERE / f"{name}.svg").write_text(PICTURES[name](), "utf-8")
            print(f"docs/{name}.svg", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
