"""The checks of `promptlab doctor`: what one says, how those of a group are made in a thread, how all are printed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.cli.board import Paper
from promptlab.errors import LabError
from promptlab.providers.fault import without_key
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import pad, width, wrap_line

State = Literal["ok", "warn", "broken", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `fix` says what to do where it is not well."""

    group: str
    name: str
    state: State
    detail: str
    fix: str = ""


Job = Callable[[], Iterable[Check]]


class Work:
    """The checks of one group, made in a thread of their own, or here; what goes wrong in it is a check too."""

    def __init__(self, group: str, job: Job, *, here: bool = False) -> None:
        self._group, self._job = group, job
        self._found: list[Check] = []
        # A daemon: a keyring or a disk that hangs must not hold up the end.
        self._thread = threading.Thread(target=self._run, name=group, daemon=True)
        if here:
            self._run()
        else:
            self._thread.start()

    def _run(self) -> None:
        try:
            for check in self._job():
                self._found.append(check)
        except LabError as error:
            self._found.append(Check(self._group, "", "broken", error.message, error.hint))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self._found.append(Check(self._group, "", "broken", f"{where}{error.strerror or error}"))
        except Exception as error:
            what = f"this check itself failed ({type(error).__name__})"
            self._found.append(Check(self._group, "", "broken", what, "it is a fault of promptlab: report it"))

    def wait(self, until: float) -> None:
        """Until it is done, or until that time of the monotonic clock."""
        if self._thread.ident:
            self._thread.join(max(0.0, until - time.monotonic()))

    def checks(self, until: float) -> list[Check]:
        """What is there at that time, and a warning where more was to come."""
        self.wait(until)
        late = [Check(self._group, "", "warn", "it took too long to find out", "run it again")]
        return list(self._found) + (late if self._thread.is_alive() else [])


def without_keys(check: Check, keys: Iterable[str]) -> Check:
    """The check with each of the `keys` blanked, wherever a server or a file has put it."""
    for key in keys:
        check = replace(check, detail=without_key(check.detail, key), fix=without_key(check.fix, key))
    return check


# The screen --------------------------------------------------------------------------------------------------------

_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "green"), "warn": ("!", "yellow"), "broken": ("✗", "bold red"), "skipped": ("–", "dim"),
}  # fmt: skip
_ASCII = {"✓": "+", "✗": "x", "–": "-", "→": "->", "…": "..."}


def print_checks(checks: Sequence[Check], color: str) -> None:
    """The checks as aligned lines on stdout, cleaned, and a summary under them. `color`: as `--color` has it."""
    paper = Paper(sys.stdout, color)
    encoding = sys.stdout.encoding or "ascii"
    names, groups = ([width(getattr(check, what)) for check in checks] for what in ("name", "group"))
    left, middle = max(groups) + 1, min(14, max(names)) + 1
    cells = max(30, paper.width - left - 2 - middle) if paper.width else None
    group = ""
    for check in checks:
        mark, style = _MARKS[check.state]
        lines = _wrapped(check.detail.replace(f"{os.environ.get('HOME') or '~'}/", "~/"), cells)
        head = f"{pad(check.group if check.group != group else '', left)}"
        group = check.group
        paper.write([(head, "bold"), (_shown(mark, encoding), style),
                     (_shown(f" {pad(clean_line(check.name), middle)}{lines[0]}", encoding), "")])  # fmt: skip
        fix = _wrapped(f"→ {check.fix}", cells) if check.fix and check.state != "ok" else []
        for line in [*lines[1:], *fix]:
            paper.write([(_shown(" " * (left + 2 + middle) + line, encoding), "")])
    paper.write([(_shown(_summary(checks), encoding), "bold")])
    paper.flush()


def _wrapped(text: str, cells: int | None) -> list[str]:
    return wrap_line(clean_line(text), cells) if cells else [clean_line(text)]


def _shown(text: str, encoding: str) -> str:
    """The text with what the encoding has no room for in ASCII."""
    for sign, plain in _ASCII.items():
        if sign in text and not can_show(sign, encoding):
            text = text.replace(sign, plain)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _summary(checks: Sequence[Check]) -> str:
    broken, warned = (sum(check.state == state for check in checks) for state in ("broken", "warn"))
    parts = [f"{broken} broken"] * bool(broken) + [f"{warned} to look at"] * bool(warned)
    return ", ".join(parts) or "nothing is broken"


def can_show(text: str, encoding: str) -> bool:
    """Whether an encoding has all signs of a text; one that nobody knows has none."""
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
