"""A process on a pty that pyte reads: keys in, what stands on the screen out."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any

import pyte

from tests.command import PATIENCE


class Pty:
    """`start` is given the terminal's end of the pty, and starts the process on it."""

    def __init__(self, start: Callable[[int], subprocess.Popen[Any]], columns: int, rows: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = start(slave)
        os.close(slave)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def read(self, seconds: float = 0.05) -> None:
        while select.select([self.master], [], [], seconds)[0]:
            try:
                got = os.read(self.master, 65536)
            except OSError:  # EIO: the process has closed it
                return
            if not got:
                return
            self.raw += got
            self.stream.feed(plain(got))
            seconds = 0.0

    def until(self, claim: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not claim():
            assert time.monotonic() < deadline, f"{what} did not happen:\n{self.text}"
            self.read()

    def shows(self, *words: str) -> None:
        self.until(lambda: all(word in self.text for word in words), f"showing {words}")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


def plain(got: bytes) -> bytes:
    """Without the private sequences that pyte takes for text."""
    return re.sub(rb"\x1b\[[<=>?][0-9;]*[a-zA-Z$]*[a-zA-Z]|\x1bP[^\x1b]*\x1b\\", b"", got)
