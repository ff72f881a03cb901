"""The real command as a subprocess: its streams, its exit code, and what a terminal would get from it."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from promptlab.cli import history
from promptlab.cli.output import Output
from tests.replay import EVENT_STREAM, Replay

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds; a deadline for what comes in a fraction of one


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended. `out` and `err` are its streams; `raw_out` the bytes."""

    code: int
    raw_out: bytes
    raw_err: bytes

    @property
    def out(self) -> str:
        return self.raw_out.decode()

    @property
    def err(self) -> str:
        return self.raw_err.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw_out)

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.raw_out.splitlines()]


@dataclass(slots=True)
class Lab:
    """Runs promptlab with everything it keeps in `home`, and an environment without anybody's keys."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(
        self, *arguments: str | bytes, env: Mapping[str, str] | None = None, through: Sequence[str] = (), **streams: Any
    ) -> subprocess.Popen[bytes]:
        clean = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.home), "LANG": "C.UTF-8",
                 "TERM": "xterm-256color", "PYTHONPATH": str(REPOSITORY), "PROMPTLAB_HOME": str(self.home)}  # fmt: skip
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen(
            [*through, sys.executable, "-m", "promptlab", *arguments], cwd=self.home,
            env={**clean, **self.environment, **(env or {})}, **streams,
        )  # fmt: skip

    def __call__(
        self, *arguments: str | bytes, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Done:
        process = self.start(*arguments, env=env, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=4 * PATIENCE)
        return Done(process.returncode, out, err)

    def each(self, *commands: Sequence[str]) -> list[Done]:
        """Several commands that don't mind each other, two at a time: most of each is its start."""
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(lambda command: self(*command), commands))

    def on_terminal(
        self, *arguments: str, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
    ) -> Done:
        """The bytes that a terminal of that size gets on stdout and stderr alike."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = self.start(*arguments, env=env, stdout=slave, stderr=slave)
        os.close(slave)
        got, deadline = b"", time.monotonic() + 60
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 0.5)[0]:
                    continue
                try:
                    part = os.read(master, 65536)
                except OSError:  # EIO: the last process has closed the terminal
                    break
                if not part:
                    break
                got += part
            return Done(process.wait(10), got, b"")
        finally:
            process.kill()
            process.wait()
            os.close(master)

    def shown(self) -> Any:
        """The newest run as `promptlab show --format json` has it, without the cost of a process."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setenv("PROMPTLAB_HOME", str(self.home))
            history.show(None, Output("json", False, "auto", False, False, False, False), requests=False)
        return json.loads(out.getvalue())


class Servers:
    """Replay servers in a loop of their own, so that a test can wait for a process meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open: list[Replay] = []

    def __call__(self, body: bytes = b"", headers: Mapping[str, str] = EVENT_STREAM, **reply: Any) -> Replay:
        return self.serve(Replay(body, headers=headers, **reply))

    def serve(self, server: Replay) -> Replay:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), self._loop).result(10)
        self._open.append(server)
        return server

    def close(self) -> None:
        for server in self._open:
            asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def until(claim: Callable[[], object], what: str = "it") -> None:
    """Wait until the claim holds. Fails after a deadline."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:g} s"
        time.sleep(0.01)


def read_until(process: subprocess.Popen[bytes], wanted: bytes) -> bytes:
    """What the process has written to stdout when `wanted` is in it. Fails after a deadline."""
    assert process.stdout is not None
    got, deadline = b"", time.monotonic() + PATIENCE
    while wanted not in got:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([process.stdout], [], [], left)[0], f"only {got!r} came"
        part = os.read(process.stdout.fileno(), 65536)
        assert part, f"it ended after {got!r}"
        got += part
    return got


def interrupt(process: subprocess.Popen[bytes]) -> Done:
    """Ctrl-C, and the end of the process; what was read before is not in the result."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out, err)
