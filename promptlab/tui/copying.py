"""Pieces of a pane to the clipboard: a block of code, the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlab.render.wrap import fit
from promptlab.tui.fence import blocks
from promptlab.tui.picker import Item, Picker
from promptlab.tui.retry import origin

if TYPE_CHECKING:
    from promptlab.tui.fence import Block
    from promptlab.tui.panes import PanesScreen
    from promptlab.tui.screen import LabScreen


def open_blocks(screen: PanesScreen) -> None:
    """Copy the one block of code of the answer in focus, or the one that is picked; the last one comes first."""
    say, board = screen.say, screen.board
    if board is None or not board.panes:
        return
    found = blocks(board.current.said.answer)
    if not found:
        screen.tell(say("code_none"))
    elif len(found) == 1:
        screen.copy(say("code"), found[0].text)
    else:
        items = [Item(str(number), _line(number, found[number])) for number in reversed(range(len(found)))]

        def load(letters: str) -> list[Item]:
            words = letters.casefold()
            return [item for item in items if words in found[int(item.id)].text.casefold() or words in item.line]

        def chosen(number: str | None) -> None:
            screen.canvas.repaint()
            if number is not None:
                screen.copy(say("code"), found[int(number)].text)

        picker = Picker(say("code_which"), say("find_filter"), say("code_keys"), say("find_none"), load, quick=True)
        screen.app.push_screen(picker, chosen)


def _line(number: int, block: Block) -> str:
    """A block as one line: its number, its language, how long it is, how it begins."""
    lines = block.text.strip().split("\n")
    begins = next((line.strip() for line in lines if line.strip()), "")
    return f"{number + 1:>3}  {fit(block.language or '-', 12):<12} {len(lines):>4}  {fit(begins, 200)}"


def copy_request(screen: LabScreen) -> None:
    """Copy what the pane in focus was asked, with the names of keys in their places."""
    board, words = screen.board, screen.words
    found = origin(board, board.focus) if board is not None and board.panes else None
    if board is None or found is None:
        return
    run, cell = found
    said = board.current.said
    screen.aside("request", lambda: screen.lab.request(words, run, cell, said),
                 lambda text: screen.copy(screen.say("request"), text))  # fmt: skip
