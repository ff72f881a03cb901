"""The blind screen: answers side by side, a key for each vote, and what stood where once it is cast."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from promptlab.arm import arm_of, parts_of, shown
from promptlab.ballot import KNOWN, Verdict
from promptlab.errors import LabError
from promptlab.giveaway import Flag, flags_of
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit
from promptlab.tui.aside import told
from promptlab.tui.booth import Booth, Over
from promptlab.tui.contest import Said, SoFar, again
from promptlab.tui.foot import Foot
from promptlab.tui.key import keys_of, translate
from promptlab.tui.reading import Reading, Stage
from promptlab.tui.seats import BlindPane, BlindSay, Seats, told_so_far
from promptlab.tui.status import Field

if TYPE_CHECKING:
    from promptlab.events import Stamped
    from promptlab.tui.screen import LabScreen

RATE = 12.5  # frames a second
_AT_ONCE = 2000
_LONGEST_NOTE = 2000


def _key(keys: str, action: str, says: str, *, id: str, show: bool = True, key_display: str | None = None) -> Binding:
    return Binding(keys, action, says, id=id, show=show, key_display=key_display, priority=True)


class BlindScreen(Reading):
    """`ahead` matches are asked for before they are shown; with `wait` an answer is shown once all of its match are
    there, so that speed tells nothing."""

    CSS = """
    #told { height: auto; min-height: 1; max-height: 3; padding: 0 1; color: $text-accent; background: $panel; }
    #note { height: 1; padding: 0 1; border: none; background: $surface; }
    #note:focus { border: none; }
    #note.-hidden { display: none; }
    """
    # All of priority, so that keys are taken in the order in which they are typed, a note's letters among them.
    BINDINGS: ClassVar[list[BindingType]] = [
        _key("left", "vote_two(0)", "k_vote_left", id="blind.left", key_display="←"),
        _key("right", "vote_two(1)", "k_vote_right", id="blind.right", key_display="→"),
        *(_key(str(n + 1), f"vote({n})", "k_vote_n", id=f"blind.vote{n + 1}", show=False) for n in range(4)),
        _key("t", "vote_none('tie')", "k_tie", id="blind.tie"),
        _key("b", "vote_none('bad')", "k_bad", id="blind.bad"),
        _key("s", "vote_none('skip')", "k_skip", id="blind.skip"),
        _key("space,enter", "on", "k_on", id="blind.on", key_display="space"),
        _key("u", "undo", "k_undo", id="blind.undo"),
        _key("n", "note", "k_note", id="blind.note"),
        _key("x", "aside", "k_aside", id="blind.aside"),
        _key("p", "whole", "k_whole", id="blind.whole", show=False),
        _key("m", "mark", "k_mark", id="blind.mark", show=False),
        _key("tab", "one", "k_one", id="blind.one", show=False),
        _key("down,j", "lines(1)", "k_down", id="blind.down", show=False),
        _key("up,k", "lines(-1)", "k_up", id="blind.up", show=False),
        _key("pagedown", "pages(1)", "k_page_down", id="blind.page_down", show=False),
        _key("pageup", "pages(-1)", "k_page_up", id="blind.page_up", show=False),
        _key("home,g", "ends(-1)", "k_home", id="blind.home", show=False),
        _key("end,G", "ends(1)", "k_end", id="blind.end", show=False),
        _key("escape", "leave_note", "k_back", id="blind.back", show=False),
        _key("f1,question_mark", "help", "k_help", id="blind.help", key_display="?"),
        _key("q,ctrl+c", "leave", "k_leave", id="blind.leave", key_display="q"),
    ]

    def __init__(self, booth: Booth, say: BlindSay, *, ahead: int = 1, wait: bool = False) -> None:
        super().__init__()
        self._booth, self._contest, self._say = booth, booth.contest, say
        self._ahead, self._wait = ahead, wait
        self._panes: dict[int, BlindPane] = {}
        self._so_far: SoFar | None = None
        self._readable: float | None = None  # when all of the match could be read
        self._noted = ""
        self.left_out = 0
        self.error: LabError | None = None
        translate(self, say)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a note is written, keys are its letters."""
        return action == "leave_note" or not isinstance(self.focused, Input)

    def compose(self) -> ComposeResult:
        yield Stage([self._say("b_waiting")], id="stage")
        yield Static(id="told")
        yield Input(placeholder=self._say("b_note"), id="note", max_length=_LONGEST_NOTE, classes="-hidden",
                    select_on_focus=False)  # fmt: skip
        yield Foot()

    def on_mount(self) -> None:
        self.stage.focus()
        self._come()
        self._timer = self.set_interval(1 / RATE, self.pump)
        self.count()

    def tell(self, text: str) -> None:
        self.query_one("#told", Static).update(Content(clean_line(text)))

    @work(thread=True, exclusive=True, group="count", exit_on_error=False)
    def count(self) -> None:
        """What the votes tell, in a thread: numpy takes a moment to come."""
        so_far = self._contest.so_far()
        if not get_current_worker().is_cancelled:  # else there is a newer one
            self.app.call_from_thread(self._counted, so_far)

    def _counted(self, so_far: SoFar) -> None:
        self._so_far = so_far
        self._write_bar()

    # -- a match ---------------------------------------------------------------------------------------------------

    def _pane(self, cell: int) -> BlindPane:
        pane = self._panes.get(cell)
        if pane is None:
            pane = self._panes[cell] = BlindPane(self._contest.cell(cell), self._say, self._booth.costing)
            for stamped in self._booth.answers(cell):
                pane.take(stamped)
        return pane

    def _come(self) -> None:
        """Show the match that comes, or leave where none does; one whose answers will never come is passed over."""
        contest, say = self._contest, self._say
        while not contest.over and any(self._lost(cell) for cell in contest.match.seats):
            self._booth.stop([cell for cell in contest.done_with() if not self._pane(cell).said.ending])
            self.left_out += 1
            contest.pass_over()
        if contest.over:
            self._leave()
            return
        self._booth.want(contest.coming(self._ahead))
        seats = contest.match.seats
        for cell in set(self._panes) - contest.coming(self._ahead):
            if self._panes[cell].said.ending and contest.needs_no_more(cell):
                del self._panes[cell]
        panes = [self._pane(cell) for cell in seats]
        self._seats = Seats(panes, contest.match.asked, say, self._booth.now)
        self._readable = None
        for pane in panes:
            pane.told(None)
            pane.to_start()
        self._look()
        self._write_bar()
        self.stage.seat(self._seats)
        self._ask()

    def _lost(self, cell: int) -> bool:
        """Whether an answer has ended and is none."""
        pane = self._panes.get(cell)
        return pane is not None and pane.said.ending and not pane.begun

    def _side(self, place: int) -> str:
        if len(self._contest.match.seats) == 2:
            return self._say("b_right" if place else "b_left")
        return self._say("b_seat", number=place + 1)

    def _ask(self) -> None:
        say, count = self._say, len(self._contest.match.seats)
        keys = "  ".join(map(str, range(1, count + 1)))
        self.tell(say("b_ask") if count == 2 else say("b_ask_many", keys=keys))

    def _look(self) -> None:
        """Seat the answers as they are by now."""
        seats, contest = self._seats, self._contest
        if seats is None or contest.told or contest.over:
            return
        panes = seats.panes
        if any(self._lost(cell) for cell in contest.match.seats):
            self._come()
            if not contest.over:
                self.tell(self._say("b_left_out"))
            return
        held = self._wait and not all(pane.said.ending for pane in panes)
        for place, pane in enumerate(panes):
            pane.seated(self._side(place), held=held)
        if self._readable is None and not held and all(pane.begun for pane in panes):
            self._readable = time.monotonic()

    def _write_bar(self) -> None:
        contest, say = self._contest, self._say
        if self._seats is None or contest.over:
            return
        named = self._named if contest.told else None
        where = say("b_of", number=contest.at + 1, count=len(contest.matches))
        self._seats.fields = [Field(0, where), *told_so_far(self._so_far, say, named)]
        self.stage.paint()

    def _named(self, arm: str) -> str:
        """What an arm is called beside the others of this match."""
        contest = self._contest
        cells = [contest.cell(seat) for seat in contest.match.seats]
        arms = [arm_of(contest.plan, cell) for cell in cells]
        names = shown([parts_of(contest.plan, cell) for cell in cells])
        return dict(zip(arms, names, strict=True)).get(arm, arm)

    def pump(self) -> None:
        """Take what has come, and paint what has changed."""
        for one in self._booth.take(_AT_ONCE):
            if isinstance(one, Over):
                if one.error is not None:
                    self.error = one.error
                    self._leave()
            else:
                self._take(one)
        self._look()
        self.stage.paint()

    def _take(self, stamped: Stamped) -> None:
        self._pane(stamped.cell).take(stamped)

    # -- votes -----------------------------------------------------------------------------------------------------

    def action_vote_two(self, place: int) -> None:
        if not self._contest.over and len(self._contest.match.seats) == 2:
            self._vote(place)

    def action_vote(self, place: int) -> None:
        if not self._contest.over and place < len(self._contest.match.seats):
            self._vote(place)

    def action_vote_none(self, verdict: str) -> None:
        self._vote(cast("Verdict", verdict))

    def _vote(self, verdict: Verdict) -> None:
        from promptlab.analysis.showing import length_of

        contest, seats, say = self._contest, self._seats, self._say
        if contest.over or seats is None:
            return
        if contest.told:
            self.tell(say("b_next"))
            return
        if verdict != "skip" and self._readable is None:
            self.tell(say("b_wait_for_text"))
            return
        seconds = None if self._readable is None else round(time.monotonic() - self._readable, 3)
        answers = [pane.said.answer for pane in seats.panes]
        said = [Said(length_of(pane.said.answer), pane.whole) for pane in seats.panes]
        flags = flags_of(answers, {cell.target for cell in contest.plan.cells}, contest.match.asked)
        told = [f"answer {flag.place + 1}: {flag.kind} {fit(clean_line(flag.text), 60)}" for flag in flags]
        # What was stopped is what was seen: first the vote is kept, then the streams are cut.
        ballot = contest.vote(verdict, said, self._booth.clock(), seconds, told)
        if self._kept(lambda: contest.keep(self._booth.cast(ballot))):
            self._booth.stop([cell for cell in contest.done_with() if not self._panes[cell].said.ending])
            self._reveal(flags)

    def _kept(self, do: Callable[[], object]) -> bool:
        """Whether the history took it; why not is told."""
        try:
            do()
        except LabError as error:
            self.tell(told(error, self._say))
            return False
        return True

    def _reveal(self, flags: tuple[Flag, ...] = ()) -> None:
        contest, say, ballot = self._contest, self._say, self._contest.last
        assert self._seats is not None and ballot is not None
        for place, (pane, name) in enumerate(zip(self._seats.panes, contest.names(), strict=True)):
            pane.seated(self._side(place), held=False)
            pane.told(name, best=ballot.verdict == place)
        if isinstance(ballot.verdict, int):
            what = say("b_is_best", side=self._side(ballot.verdict))
        else:
            what = say(f"b_is_{ballot.verdict}")
        if flags:
            each = [say(f"b_flag_{flag.kind}", side=self._side(flag.place), text=fit(clean_line(flag.text), 40))
                    for flag in flags]  # fmt: skip
            what += say("b_stop") + say("b_flag", what=say("b_comma").join(each))
        if KNOWN in ballot.flags:
            what += say("b_stop") + say("b_known")
        last = contest.at + 1 >= len(contest.matches)
        self.tell(say("b_voted", what=what, next=say("b_no_more") if last else say("b_next")))
        self._write_bar()
        self.count()

    def action_on(self) -> None:
        if self._contest.told:
            self._contest.go_on()
            self._come()
        else:
            self._ask()

    def action_undo(self) -> None:
        contest = self._contest
        if not contest.votes:
            self.tell(self._say("b_nothing_back"))
            return
        if self._kept(lambda: self._booth.take_back(contest.votes[-1])):
            contest.undo()
            self._come()
            self.count()
            self.tell(self._say("b_not_blind"))

    def action_aside(self) -> None:
        ballot = self._contest.last
        if ballot is None:
            self._ask()
            return
        changed = again(ballot, aside=not ballot.aside)
        if self._kept(lambda: self._booth.put_aside(changed)):
            self._contest.change(changed)
            self.count()
            self.tell(self._say("b_set_aside" if changed.aside else "b_counts"))

    # -- a note ----------------------------------------------------------------------------------------------------

    def action_note(self) -> None:
        note, last = self.query_one(Input), self._contest.last
        note.value = last.note if last is not None else self._contest.note
        note.cursor_position = len(note.value)
        note.remove_class("-hidden")
        self.set_focus(note)

    def action_leave_note(self) -> None:
        self.query_one(Input).add_class("-hidden")
        self.set_focus(self.stage)

    @on(Input.Submitted)
    def noted(self, event: Input.Submitted) -> None:
        text, last = event.value.strip(), self._contest.last
        self.action_leave_note()
        if last is None:
            self._contest.note = text
            self.tell(self._say("b_noted"))
        elif self._kept(lambda: self._renoted(text)):
            self.tell(self._say("b_noted"))

    def _renoted(self, text: str) -> None:
        last = self._contest.last
        assert last is not None
        self._contest.change(self._booth.cast(again(last, note=text)))  # its number is the same

    def action_help(self) -> None:
        from promptlab.tui.picker import Help

        say = self._say
        self.app.push_screen(Help(say("help"), say("help_foot"), [(say("b_help_where"), keys_of(self))]))

    def action_leave(self) -> None:
        self._leave()

    def _leave(self) -> None:
        """Out of the app, or back to the screen that this one stands on."""
        if self.app.screen_stack[0] is self:
            self.app.exit()
        else:
            self.dismiss()


def open_votes(screen: LabScreen) -> None:
    """Vote blindly on the run that the panes show, and then see what the votes say."""
    from promptlab.tui.picker import Compared

    say, board = screen.say, screen.board
    run = board.run.id if board is not None and board.run is not None else None
    if board is None or run is None or board.running:
        screen.tell(say("vote_none" if board is None or not board.running else "vote_runs"))
        return

    def show(told: str) -> None:
        screen.canvas.repaint()
        if told:
            screen.app.push_screen(Compared(say("votes", run=run), say("votes_foot"), [(told, "same")]))

    try:
        booth = screen.lab.booth(run)  # not in a thread: what it has open is used here
    except LabError as error:
        screen.refuse(error)
        return

    def over(_: None) -> None:
        booth.close()
        cells = max(40, min(screen.size.width * 24 // 25, 96) - 6)  # in the box: its border, its bar
        screen.aside("votes", lambda: screen.lab.votes(run, cells, say.ours), show)

    screen.app.push_screen(BlindScreen(booth, BlindSay(say.language)), over)
