"""One pane again: the same request, or the same prompt at another target; it comes in the pane's own place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.tui.target import open_one

if TYPE_CHECKING:
    from promptlab.plan import Cell, Run
    from promptlab.tui.board import Board
    from promptlab.tui.screen import LabScreen


def origin(board: Board, number: int) -> tuple[Run, Cell] | None:
    """The run and the cell that a pane shows; None where its run is not known."""
    pane = board.panes[number]
    if pane.origin is not None:
        return pane.origin
    return (board.run, pane.cell) if board.run is not None else None


def retry(screen: LabScreen, target: str | None = None) -> None:
    """Send the request of the pane in focus again, or make it anew for another target."""
    board = screen.board
    if board is not None and board.panes:
        _retry(screen, board, board.focus, target)


def _retry(screen: LabScreen, board: Board, number: int, target: str | None) -> None:
    say, found = screen.say, origin(board, number)
    if any(flight.waits(board, number) for flight in screen.flights):
        screen.tell(say("sending"))
    elif any(flight.cell_of(board, number) is not None for flight in screen.flights) and not _ended(board, number):
        screen.tell(say("retry_runs", pane=number + 1))
    elif found is not None and screen.board is board:
        run, cell = found
        screen.fly(screen.lab.retry(screen.words, run, cell, target), run.plan.prompt, into={0: number})


def _ended(board: Board, number: int) -> bool:
    return bool(board.panes[number].said.ending)


def open_other_target(screen: LabScreen) -> None:
    """Choose a target from what is here, or write any other one; the pane that had the focus gets it."""
    board = screen.board
    if board is not None and board.panes:
        number = board.focus
        open_one(screen, screen.say("other_target", pane=number + 1),
                 lambda target: _retry(screen, board, number, target))  # fmt: skip
