"""What the terminal can show: its size, colours and encoding, and how wide it draws a Chinese character."""

from __future__ import annotations

import codecs
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from promptlab.cli.check import Check, can_show

ANSWER = 0.2  # seconds for a terminal to say where its cursor is
_NARROW = 40  # columns; a pane wants 38
_SNOW = "雪"


def check_terminal(environ: Mapping[str, str], measures: bool) -> Iterator[Check]:
    """The checks of the terminal on stdout. `measures`: it may be written to."""
    yield _screen(environ)
    encoding = sys.stdout.encoding or "ascii"
    if can_show(_SNOW, encoding):
        yield Check("terminal", "text", "ok", codecs.lookup(encoding).name.upper())
    else:
        fix = "choose a UTF-8 locale: export LC_ALL=C.UTF-8"
        yield Check("terminal", "text", "warn", f"{encoding} has no Chinese, and no signs beyond it", fix)
    yield _wide(environ, measures and can_show(_SNOW, encoding))


def _screen(environ: Mapping[str, str]) -> Check:
    if not sys.stdout.isatty():
        return Check("terminal", "screen", "skipped", "the output is no terminal")
    columns, lines = os.get_terminal_size(sys.stdout.fileno())
    term = environ.get("TERM", "")
    size = f"{columns}x{lines}" if columns and lines else "of unknown size"
    said = f"{size}, {term or 'no TERM'}, {colours(environ)}"
    if term in ("", "dumb") and sys.platform != "win32":
        return Check("terminal", "screen", "warn", f"{said}: lines are printed, no panes are painted",
                     "export TERM=xterm-256color, if it can do that")  # fmt: skip
    if 0 < columns < _NARROW:
        return Check("terminal", "screen", "warn", f"{said}: a pane wants {_NARROW} columns", "widen the window")
    return Check("terminal", "screen", "ok", said)


def colours(environ: Mapping[str, str]) -> str:
    """How many colours a terminal has, by what is usual (https://no-color.org, https://github.com/termstandard)."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        return "no colours (NO_COLOR)"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or environ.get("WT_SESSION") or "direct" in term:
        return "16 million colours"
    return "no colours" if term in ("", "dumb") else "256 colours" if "256color" in term else "16 colours"


def _wide(environ: Mapping[str, str], measures: bool) -> Check:
    """Whether the terminal gives 雪 the two cells that are counted for it."""

    def skipped(why: str) -> Check:
        return Check("terminal", "width", "skipped", f"{_SNOW} was not measured: {why}")

    if not sys.stdout.isatty():
        return skipped("the output is no terminal")
    if not measures or environ.get("TERM") in (None, "", "dumb"):
        return skipped("this terminal may not be written to" if not measures else "TERM names no terminal that answers")
    if sys.platform == "win32":
        return skipped("not possible on Windows")
    descriptor = sys.stdout.fileno()
    with suppress(OSError):  # no terminal of ours: then nobody stops us either
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return skipped("promptlab runs in the background")
    try:
        sys.stdout.flush()
        cells = measure(_SNOW, descriptor)
    except OSError as error:
        return skipped(f"the terminal can't be asked ({error.strerror})")
    if cells is None:
        return skipped(f"the terminal did not say where its cursor is, in {ANSWER:g} s")
    if cells != 2:
        what = (
            f"{_SNOW} takes {cells} column{'s' if cells != 1 else ''} here where 2 are counted: panes will be crooked"
        )
        return Check(
            "terminal", "width", "warn", what, "choose a terminal, or a setting of it, with wide CJK characters"
        )
    return Check("terminal", "width", "ok", f"{_SNOW} takes 2 columns")


def measure(text: str, descriptor: int, limit: float = ANSWER) -> int | None:
    """The cells that a terminal gives a text, by where its cursor then is (CSI 6n); None where it does not say so
    within `limit` seconds. The line is blank afterwards. Raises OSError where it can't be asked."""
    import re
    import select
    import termios

    try:
        before = termios.tcgetattr(descriptor)
        quiet = [*before[:3], before[3] & ~(termios.ICANON | termios.ECHO), *before[4:]]
        termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
    except termios.error as error:  # which is no OSError
        raise OSError(*error.args) from None
    said, found = b"", None
    try:
        os.write(descriptor, b"\r" + text.encode() + b"\x1b[6n")
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0 and select.select([descriptor], [], [], left)[0]:
            said = (said + os.read(descriptor, 256))[-4096:]
            if found := re.search(rb"\x1b\[\d{1,4};(\d{1,4})R", said):
                return int(found[1]) - 1
        return None
    finally:
        os.write(descriptor, b"\r" + b" " * 2 * len(text) + b"\r")
        if not found:  # or a late answer stands in the shell's next line
            termios.tcflush(descriptor, termios.TCIFLUSH)
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
