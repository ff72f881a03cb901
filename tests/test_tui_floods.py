"""Streams that fail, stall, flood or attack, on a real terminal: the other panes, the clipboard, the title and the
terminal are unharmed, and keys are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from promptlab.store import Store
from tests.replay import Replay
from tests.test_openai_chat import STOP, sse, texts
from tests.test_tui import Terminal, restored, terminals

__all__ = ["terminals"]

EVIL = ["\x1b]52;c;ZXZpbA==\x07", "\x1b]0;PWNED\x07", "\x1b[2J\x1b[?1049l", "\x1b[31m[red]x[/oops]\x9b1m", "\u202edne"]
LINE = sse(*texts(["雪" * 1000] * 334), STOP)  # one line of 1 MB
EMPTY = sse(*texts([""] * 100_000), *texts(["after the empty ones"]), STOP)
TRACE = sse(*texts(["thought " * 1000 + "\n"] * 1250, "reasoning_content"), *texts(["after 10 MB"]), STOP)
GOOD = sse(*texts(["Snow ", "falls 雪"]), STOP)
STALLS = sse(*texts(["half a "]), done=False)
EVILS = sse(*texts(EVIL, "reasoning_content"), *texts(EVIL), STOP)
FAILS = json.dumps({"error": {"message": "\x1b]0;PWNED\x07 no such model [red]"}}).encode()


@pytest.fixture
def sites() -> Iterator[dict[str, str]]:
    """Servers by name, in a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    stack = AsyncExitStack()

    async def start() -> dict[str, str]:
        servers = {"good": Replay(GOOD), "line": Replay(LINE), "empty": Replay(EMPTY), "trace": Replay(TRACE),
                   "evil": Replay(EVILS), "stalls": Replay(STALLS, hold=True),
                   "fails": Replay(FAILS, status=404, headers={"content-type": "application/json"})}  # fmt: skip
        return {name: (await stack.enter_async_context(server)).url for name, server in servers.items()}

    yield asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def test_floods_failures_and_attacks_harm_nothing_else(
    tmp_path: Path, sites: dict[str, str], terminals: list[Terminal]
) -> None:
    lines = [f"  {name}: {{base_url: '{url}/v1'}}" for name, url in sites.items()]
    (tmp_path / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")
    words = [word for name in sites for word in ("-m", f"{name}/m")]
    terminal = Terminal(tmp_path, words, 160, 48)
    terminals.append(terminal)
    terminal.shows("Write a prompt below")
    terminal.type("go")
    terminal.shows("go")
    terminal.type("\n")
    terminal.shows("Snow falls 雪")
    terminal.type("typed while it floods")
    terminal.shows("typed while it floods", "half a", "no such model", "[red]x[/oops]")
    terminal.shows("after the empty ones", "after 10 MB", "5/7 done")
    assert psutil.Process(terminal.process.pid).memory_info().rss < 300e6
    terminal.type("\x03")  # ctrl+c cancels what stalls, and says so
    terminal.shows("cancelled; ctrl+q quits")
    terminal.type("\x11")
    assert terminal.end() == 0
    assert restored(terminal.raw)
    assert b"\x1b]52" not in terminal.raw and b"\x1b]0;" not in terminal.raw and b"\x9b" not in _utf8(terminal.raw)


def _utf8(raw: bytes) -> bytes:
    """What is no part of a character of several bytes."""
    return re.sub(rb"[\xc2-\xf4][\x80-\xbf]+", b"", raw)


@pytest.mark.parametrize("how", ["crash", "SIGTERM", "SIGHUP"])
def test_the_terminal_is_restored(tmp_path: Path, sites: dict[str, str], terminals: list[Terminal], how: str) -> None:
    (tmp_path / "config.yaml").write_text(f"endpoints: {{stalls: {{base_url: '{sites['stalls']}/v1'}}}}", "utf-8")
    crashing = "from promptlab.tui.screen import LabScreen\nLabScreen.action_zoom = lambda self: 1 / 0\n"
    if how == "crash":
        (tmp_path / "sitecustomize.py").write_text(crashing, "utf-8")
    terminal = Terminal(tmp_path, ["-m", "stalls/m"], 100, 30, extra=tmp_path)
    terminals.append(terminal)
    terminal.shows("Write a prompt below")
    terminal.type("go")
    terminal.shows("go")
    terminal.type("\n")
    terminal.shows("half a")
    if how == "crash":
        terminal.type("\x1b[21~")  # f10
    else:
        terminal.process.send_signal(getattr(signal, how))
    code = terminal.end()
    assert restored(terminal.raw)
    assert (code != 0) == (how == "crash") and (b"ZeroDivisionError" in terminal.raw) == (how == "crash")
    store = Store(tmp_path / "promptlab.db")
    (_, said), *_ = store.samples(1)
    assert said.answer == "half a" and said.ending  # what had come is kept
    store.close()
