"""A pane's text in the user's pager or editor, and the prompt in the editor: the screen steps aside, runs go on."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from promptlab.errors import LabError, Sentence, UsageError
from promptlab.render.sanitise import clean
from promptlab.tui.status import title
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.tui.pane import Pane
    from promptlab.tui.screen import LabScreen

_PAGERS = (("PAGER",), ("less", "more"))
_EDITORS = (("VISUAL", "EDITOR"), ("nano", "vim", "vi", "notepad"))
LARGEST = 10_000_000  # bytes that are read back


def open_pager(screen: LabScreen) -> None:
    """Everything that the pane in focus says."""
    board = screen.board
    if board is not None and board.panes:
        _opened(screen, _PAGERS, document(board.current, screen.say))


def open_editor(screen: LabScreen) -> None:
    """The prompt, where it is being written: what becomes of it comes back. Else what the pane in focus says, as a
    copy."""
    board, editor = screen.board, screen.editor
    if screen.focused is screen.canvas and board is not None and board.panes:
        if _opened(screen, _EDITORS, document(board.current, screen.say)) is not None:
            screen.tell(screen.say("edited_copy"))
        return
    written = _opened(screen, _EDITORS, editor.text)
    if written is not None and written != editor.text:
        editor.replace(written, editor.document.start, editor.document.end)  # so that it can be undone
        editor.move_cursor(editor.document.end)


def document(pane: Pane, say: Say) -> str:
    """What a pane says, as Markdown: thinking and answer under headings of their own."""
    said = pane.said
    parts = [f"# {pane.cell.index + 1} {title(pane.cell, 200)}"]
    if said.thinking.strip():
        parts += [f"## {say('thinking_head')}", said.thinking.strip("\n")]
    if said.answer.strip():
        parts += [f"## {say('answer_head')}", said.answer.strip("\n")]
    if said.fault is not None:
        parts.append(f"{say.ours(said.fault.line())}\n{say.ours(said.fault.hint)}".strip())
    return clean("\n\n".join(parts), keep=True) + "\n"


def command(named: Sequence[str], usual: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """The program that the user has named, with its arguments, else a usual one that is here. Raises UsageError."""
    for name in named:
        if text := environment.get(name, "").strip():
            try:
                words = shlex.split(text)
            except ValueError as error:
                raise UsageError(f"${name} can't be read: {error}", "a quote is missing") from None
            if shutil.which(words[0]) is None:
                raise UsageError(
                    Sentence("${name} is {program}, and there is no such program", name=name, program=words[0]),
                    Sentence("set {name} to one that is", name=name),
                )
            return words
    for program in usual:
        if path := shutil.which(program):
            return [path]
    raise UsageError(Sentence("none of {programs} is here", programs=", ".join(usual)),
                     Sentence("set {name} to a program", name=named[-1]))  # fmt: skip


def _opened(screen: LabScreen, which: tuple[Sequence[str], Sequence[str]], text: str) -> str | None:
    """What the text is once the program has ended; None where it could not be opened, or failed: that is told."""
    from textual.app import SuspendNotSupported

    try:
        words = command(*which)
        with screen.app.suspend():
            written = carry_out(words, text)
    except SuspendNotSupported:
        screen.tell(screen.say("outside_none"), error=True)
        written = None
    except LabError as error:
        screen.refuse(error)
        written = None
    screen.refresh(layout=True)
    screen.canvas.call_after_refresh(screen.canvas.repaint)
    return written


def carry_out(words: Sequence[str], text: str) -> str:
    """Run a program on a file that has the text and that nobody else can read; gives what is in the file then. Raises
    UsageError."""
    with tempfile.TemporaryDirectory(prefix="promptlab-") as folder:  # 0700
        path = Path(folder) / "promptlab.md"
        path.touch(0o600, exist_ok=False)
        path.write_text(text, "utf-8", "replace", "\n")
        try:
            process = subprocess.Popen([*words, str(path)])
        except OSError as error:
            raise UsageError(f"{words[0]} can't be run: {error.strerror}", "") from None
        status = _waited(process)
        if status:
            raise UsageError(Sentence("{program} ended with status {status}", program=words[0], status=status),
                             "nothing was changed")  # fmt: skip
        try:
            if path.stat().st_size > LARGEST:
                raise UsageError(f"what {words[0]} has written is over {LARGEST:,} bytes", "nothing was changed")
            written = path.read_bytes().decode("utf-8", "replace")
            return written if text.endswith("\n") else written.removesuffix("\n")  # which editors put there
        except OSError as error:
            raise UsageError(f"what {words[0]} has written can't be read: {error.strerror}", "") from None


def _waited(process: subprocess.Popen[bytes]) -> int:
    """Its status. ctrl+c is the program's while it has the terminal, and not ours."""
    before = None
    with suppress(ValueError):  # not in the main thread
        before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return process.wait()
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
