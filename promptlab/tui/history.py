"""Past runs: a list to search and to filter, and what can be done with one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static

from promptlab.render.facts import moment
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, width
from promptlab.tui.board import board_of
from promptlab.tui.key import translate
from promptlab.tui.past import FORMATS, KINDS, about, file_name, fits, line, pieces, wanted
from promptlab.tui.picker import Item, Line, Picker

if TYPE_CHECKING:
    from promptlab.store import Summary
    from promptlab.tui.board import Board
    from promptlab.tui.lab import Past
    from promptlab.tui.screen import LabScreen
    from promptlab.tui.text import Say

SIDE_FROM = 110  # cells, from which what is known of a run stands beside the list
_BAR = 2  # cells that the list's scrollbar takes
_PROMPT = 20  # cells that a prompt gets before all but the run's number
_TARGETS = 32  # cells that the targets of a row may take: what was asked is to be seen, too
_GAP = "  "


class Runs(Picker):
    """Gives what is to be done, a space and the run's number."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "choose('again')", "k_again", id="history.again", show=False, priority=True),
        Binding("ctrl+s", "choose('keep')", "k_keep", id="history.keep", show=False, priority=True),
        Binding("ctrl+e", "choose('export')", "k_export", id="history.export", show=False, priority=True),
        Binding("f1", "help", "k_help", id="history.help", show=False, priority=True),
    ]

    def __init__(self, screen: LabScreen) -> None:
        self._say, self._history = screen.say, screen.lab.history
        self._runs: dict[int, Summary] = {}
        self._texts: dict[str, Mapping[int, str]] = {}
        self._cells = 0  # of a row
        say = self._say
        super().__init__(say("history"), say("history_filter"), say("history_keys"), say("history_empty"), self._wanted)
        translate(self, say)

    def compose_list(self) -> ComposeResult:
        with Horizontal(id="runs"):
            yield from super().compose_list()
            with VerticalScroll(id="about", can_focus=False):
                yield Static(id="about-text", markup=False)

    def on_resize(self) -> None:
        self.query_one("#about").display = self.app.size.width >= SIDE_FROM
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """The rows that stand there have the width that the list has now."""
        listed = self.query_one(OptionList)
        if self._cells != (cells := listed.region.width - _BAR):
            self._cells = cells
            for at, item in enumerate(self._items):
                listed.replace_option_prompt_at_index(at, Content(self._row(int(item.id.split()[1]))))

    def _row(self, run: int) -> str:
        return row(self._runs[run], self._say, self._cells)

    def fill(self, letters: str, items: list[Item], why: str) -> None:
        self._fit()
        super().fill(letters, [Item(item.id, self._row(int(item.id.split()[1]))) for item in items], why)

    def _wanted(self, letters: str) -> list[Item]:
        """In a thread: the runs that the letters ask for."""
        if not self._runs:
            self._runs = {one.id: one for one in self._history.runs()}
        what = wanted(letters)
        if what.unknown:
            self._none = self._say("history_unknown", what=what.unknown[0], kinds="|".join(KINDS))
            return []
        self._none = self._say("find_none") if self._runs else self._say("history_empty")
        self._texts = {word: self._history.found(word) for word in what.words}
        lines = ((one, line(one, self._say)) for one in self._runs.values())
        return [Item(f"open {one.id}", text) for one, text in lines if fits(one, what, self._texts, text)]

    @on(OptionList.OptionHighlighted)
    def highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index < len(self._items):
            run = self._runs[int(self._items[event.option_index].id.split()[1])]
            self.query_one("#about-text", Static).update(_told(run, self._say, self._excerpt(run.id)))

    def _excerpt(self, run: int) -> str:
        return " … ".join(dict.fromkeys(texts[run] for texts in self._texts.values() if run in texts))

    def action_help(self) -> None:
        from promptlab.tui.pages import open_help_of

        open_help_of(self, self._say, self._say("history"))

    def action_choose(self, what: str) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._items):
            self.dismiss(f"{what} {self._items[at].id.split()[1]}")


def row(run: Summary, say: Say, cells: int) -> str:
    """Number, day, how many cells ended well, targets, profile, axes, prompt. What is least of all looked for gives way
    to the prompt, and is left out whole."""
    parts = pieces(run, say)
    day, tally, targets, prompt = parts[1][:5], parts[2], parts[4], parts[-1]
    parts[4] = fit(targets, _TARGETS)
    ways = [(6, ""), (5, ""), (1, day), (4, fit(targets, _TARGETS // 2)), (4, ""),
            (2, tally if "/" in tally else ""), (1, ""), (3, "")]  # fmt: skip
    for at, less in ways:
        if _room(parts, cells) >= min(width(prompt), max(_PROMPT, cells // 3)):
            break
        parts[at] = less
    return fit(_GAP.join(part for part in parts if part), max(1, cells))


def _room(parts: Sequence[str], cells: int) -> int:
    """Cells that are left for the prompt, the last of them."""
    return cells - sum(width(part) + len(_GAP) for part in parts[:-1] if part)


def _told(run: Summary, say: Say, excerpt: str) -> Content:
    parts: list[Content] = []
    for name, text in about(run, say, excerpt):
        parts.append(Content.assemble((name, "$text-muted"), "\n" if name else "", (text, "" if name else "bold")))
    return Content("\n\n").join(parts)


def open_history(screen: LabScreen) -> None:
    def chosen(what: str | None) -> None:
        screen.canvas.repaint()
        if what is not None:
            do, run = what.split()
            _DO[do](screen, int(run))

    screen.app.push_screen(Runs(screen), chosen)


def _open(screen: LabScreen, run: int) -> None:
    _aside(screen, run, lambda board: show(screen, board))


def _again(screen: LabScreen, run: int) -> None:
    def send(board: Board) -> None:
        show(screen, board)
        screen.action_again()

    _aside(screen, run, send)


def _aside(screen: LabScreen, run: int, then: Callable[[Board], object]) -> None:
    """Read a run, and fold what it said: both take a moment."""
    history, say = screen.lab.history, screen.say
    screen.aside("open", lambda: past_board(history.open(run), say), then)


def _keep(screen: LabScreen, run: int) -> None:
    say = screen.say

    def named(name: str | None) -> None:
        screen.canvas.repaint()
        if name and name.strip():
            screen.aside("keep", lambda: screen.lab.history.keep(run, name.strip()), lambda notes: screen.tell(
                "  ".join([say("kept_as", name=clean_line(name.strip())), *notes])))  # fmt: skip

    screen.app.push_screen(Line(say("keep_name"), "", say("line_keys")), named)


def _export(screen: LabScreen, run: int) -> None:
    say = screen.say

    def load(letters: str) -> list[Item]:
        return [Item(name, say(f"export_{name}")) for name in FORMATS if letters.lower() in say(f"export_{name}")]

    def chosen(format: str | None) -> None:
        if format is None:
            screen.canvas.repaint()
        else:
            field = Line(say("export_file"), file_name(run, format), say("line_keys"))
            screen.app.push_screen(field, lambda file: named(format, file))

    def named(format: str, file: str | None) -> None:
        screen.canvas.repaint()
        if file is not None:
            screen.aside("export", lambda: screen.lab.history.export(run, format, file),
                         lambda path: screen.tell(say("export_done", file=clean_line(str(path)))))  # fmt: skip

    picker = Picker(say("export_format", run=run), say("models_filter"), say("export_format_keys"), say("find_none"),
                    load, quick=True)  # fmt: skip
    screen.app.push_screen(picker, chosen)


_DO: dict[str, Callable[[LabScreen, int], None]] = {"open": _open, "again": _again, "keep": _keep, "export": _export}


def past_board(past: Past, say: Say) -> Board:
    """A run of the history in panes."""
    latest = 0.0
    board = board_of(past.run, past.costing, say, lambda: latest, moment(past.run.created), past.windows)
    for stamped in past.events:
        latest = max(latest, stamped.at)
        board.take(stamped)
    for pane in board.panes:
        pane.to_turn()
    return board


def show(screen: LabScreen, board: Board) -> None:
    screen.canvas.show(board)
    screen.tell("")
    screen.refresh_bindings()
    screen.measure()
