"""What the lab's screen costs: many panes that stream, through the real engine, on a real terminal.

    python bench/tui.py [PANES] [TOKENS A SECOND] [SECONDS] [WIDTHxHEIGHT]

A server process streams to every pane, English and Chinese, prose, code and tables; each has BEFORE tokens of thinking
already. The lab runs on a pty: its processor time (screen and engine together), the time from a key to its letter on
the screen, and from a token's writing at the server to the screen are printed. Idle is the same screen once all has
ended. Beside it the same screen made of Textual's own Markdown widgets, each fed by a MarkdownStream from the same
engine: only its shares and times are to be compared.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil

BEFORE = 10_000  # tokens of each trace that are there when measuring begins
WORDS = ["the ", "river ", "冰", "雪", "sleeps ", "under ", "glass; ", "one ", "crow ", "counts ", "winter.\n"]
EVERY = 25  # tokens between two that carry their time
ANSWER = """## 冬 · Winter

The **river** sleeps under `glass`; one crow counts the winter. 江雪如银，孤舟独钓。

```python
def frozen(river: str) -> bool:
    return river in ("Lena", "黑龙江")  # in January
```

| river | 河 | frozen |
|-------|----|-------:|
| Lena | 勒拿河 | 210 d |
| Amur | 黑龙江 | 150 d |

- snow falls
- 雪落无声

"""
PIECES = re.findall(r"\s*[^\s]{1,6}|\s+", ANSWER)
LAB = "import sys; from promptlab.cli.tui import tui; sys.exit(tui(sys.argv[1:]))"
STOCK = "import sys, runpy; sys.exit(runpy.run_path(sys.argv[1])['stock'](sys.argv[2:]))"


def chunk(field: str, text: str) -> bytes:
    body = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {field: text}}]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(body), body)


async def serve(rate: float, seconds: float) -> None:
    """Every connection gets its trace at once, and then tokens at the rate: thinking for the first half."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(BEFORE // 100):
                writer.write(chunk("reasoning_content", "".join(WORDS[n % len(WORDS)] for n in range(100))))
                await writer.drain()  # raises once the reader has left
            began, count = time.monotonic() + 2.0, round(rate * seconds)
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                field = "reasoning_content" if number < count // 2 else "content"
                words = WORDS if field == "reasoning_content" else PIECES
                text = f" @{time.monotonic():.3f}@ " if number % EVERY == 0 else words[number % len(words)]
                writer.write(chunk(field, text))
                if writer.is_closing():
                    return
            end = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
            writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


class Terminal:
    """The lab on a pty; `read` takes what it writes and notes when."""

    def __init__(self, code: str, words: list[str], home: str, columns: int, rows: int) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "PROMPTLAB_HOME": home, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.began = time.monotonic()
        self.process = subprocess.Popen([sys.executable, "-c", code, *words], stdin=slave, stdout=slave, stderr=slave,
                                        env=environment, start_new_session=True)  # fmt: skip
        os.close(slave)
        self.written = 0
        self.frames = 0
        self.tokens: list[float] = []
        self.keys: list[float] = []
        self._key: tuple[bytes, float] | None = None
        self._seen: set[bytes] = set()

    def read(self, until: float, claim: Callable[[bytes], bool] = lambda got: False) -> bool:
        """Read until then, or until the claim holds of what was just written."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.master], [], [], min(left, 0.01))[0]:
                continue
            try:
                got, now = os.read(self.master, 1 << 20), time.monotonic()
            except OSError:  # EIO: the lab has gone
                return False
            self.written += len(got)
            self.frames += 1
            for stamp in re.findall(rb"@(\d+\.\d{3})@", got):
                if stamp not in self._seen:
                    self._seen.add(stamp)
                    self.tokens.append(now - float(stamp))
            if self._key is not None and self._key[0] in got:
                self.keys.append(now - self._key[1])
                self._key = None
            if claim(got):
                return True
        return False

    def key(self, letter: str) -> None:
        self._key = letter.encode(), time.monotonic()
        os.write(self.master, letter.encode())


def spread(values: list[float]) -> str:
    if len(values) < 2:
        return "too few seen"
    ordered = sorted(values)
    half, late, most = statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1]
    return f"p50 {half * 1e3:4.0f} ms   p95 {late * 1e3:4.0f} ms   max {most * 1e3:4.0f} ms   of {len(ordered)}"


def _own(process: psutil.Process) -> float:
    """Seconds of the thread that has the screen."""
    return next((one.user_time + one.system_time for one in process.threads() if one.id == process.pid), 0.0)


def measure(
    panes: int, rate: float, seconds: float, columns: int, rows: int, port: str, home: str, *, ours: bool
) -> None:
    # An endpoint each: one that is new is not asked for everything at once.
    entries = [f"  b{number}: {{base_url: 'http://127.0.0.1:{port}/v1'}}" for number in range(panes)]
    (Path(home) / "config.yaml").write_text("\n".join(["endpoints:", *entries]), "utf-8")
    words = [part for number in range(panes) for part in ("-m", f"b{number}/model")]
    print("\nthe lab" if ours else "\na Markdown widget and a MarkdownStream a pane")
    terminal = Terminal(LAB if ours else STOCK, words if ours else [__file__, *words], home, columns, rows)
    try:
        assert terminal.read(time.monotonic() + 20, lambda got: b"promptlab ask" in got or b"stock" in got), (
            "no first frame"
        )
        print(f"first frame            {(time.monotonic() - terminal.began) * 1e3:.0f} ms")
        terminal.read(time.monotonic() + 1.5)
        os.write(terminal.master, b"hi")
        terminal.read(time.monotonic() + 0.3)
        os.write(terminal.master, b"\n" if ours else b"\r")
        assert terminal.read(time.monotonic() + 90, lambda got: bool(re.search(rb"@\d", got))), "nothing streams"
        if panes > 16 and ours:
            os.write(terminal.master, b"\x1b[20~\x1b[20~")  # f9: all of a page at once, not one beside a list
        process = psutil.Process(terminal.process.pid)
        terminal.read(time.monotonic() + 1.0)  # until all traces are there
        terminal.tokens.clear()
        own = _own(process)
        used, written, frames, began = process.cpu_times(), terminal.written, terminal.frames, time.monotonic()
        letters = "QXZJKVWYFBGUPHDLMRCNOTI"  # of which each is typed once, and stands in no token
        for letter in letters[: max(1, int((seconds - 2) / 0.37))]:
            terminal.key(letter)
            terminal.read(time.monotonic() + 0.37)
        after, took = process.cpu_times(), time.monotonic() - began
        screen = (_own(process) - own) / took
        share = (after.user + after.system - used.user - used.system) / took
        print(f"{panes} panes at {rate:g} tokens/s, {columns}x{rows}, {BEFORE:,} tokens each before")
        print(f"processor              {share:.0%} of a core, engine and screen together; the screen {screen:.0%}")
        print(f"key to screen          {spread(terminal.keys)}")
        print(f"token to screen        {spread(terminal.tokens)}")
        print(f"written                {(terminal.written - written) / took / 1e3:.0f} kB/s in "
              f"{(terminal.frames - frames) / took:.0f} pieces/s")  # fmt: skip
        print(f"memory                 {process.memory_info().rss / 1e6:.0f} MB")
        if not ours:
            return
        terminal.read(began + seconds + 8, lambda got: f"{panes}/{panes} done".encode() in got)
        terminal.read(time.monotonic() + 8)  # the notices go, the garbage is collected
        used, written = process.cpu_times(), terminal.written
        terminal.read(time.monotonic() + 3)
        after = process.cpu_times()
        idle = (after.user + after.system - used.user - used.system) / 3
        print(f"idle                   {idle:.1%} of a core, {terminal.written - written} bytes")
    finally:
        terminal.process.send_signal(signal.SIGTERM)
        terminal.read(time.monotonic() + 1)
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)


def stock(words: list[str]) -> int:
    """The same screen of stock widgets: a grid of Markdown, each with its stream; the same engine behind."""
    import shlex

    from textual.app import App, ComposeResult
    from textual.containers import Grid, VerticalScroll
    from textual.widgets import Input, Markdown

    from promptlab.cli.tui.rooms import Rooms
    from promptlab.events import Answer, Stamped, Thinking
    from promptlab.places import places

    count, rooms = words.count("-m"), Rooms(places())

    class Stock(App[None]):
        CSS = "Grid { grid-size: 4; height: 1fr; } VerticalScroll { height: 1fr; } Input { height: 3; }"

        def compose(self) -> ComposeResult:
            with Grid():
                for _ in range(count):
                    with VerticalScroll():
                        yield Markdown()
            yield Input(placeholder="stock")

        def on_mount(self) -> None:
            self.query_one(Input).focus()

        def on_input_submitted(self) -> None:
            panes = list(self.query(Markdown))
            for pane in panes:
                assert isinstance(pane.parent, VerticalScroll)
                pane.parent.anchor()
            streams, session = [Markdown.get_stream(pane) for pane in panes], rooms.send(shlex.join(words), "hi")

            async def pump() -> None:
                for one in session.take(5000):
                    if isinstance(one, Stamped) and isinstance(one.event, (Answer, Thinking)):
                        await streams[one.cell].write(one.event.text)

            self.set_interval(1 / 12.5, pump)

    Stock().run()
    return 0


def main() -> None:
    panes, rate, seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 32, 100.0, 8.0
    if len(sys.argv) > 2:
        rate = float(sys.argv[2])
    if len(sys.argv) > 3:
        seconds = float(sys.argv[3])
    columns, rows = map(int, (sys.argv[4] if len(sys.argv) > 4 else "200x60").split("x"))
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(rate), str(seconds)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert server.stdin is not None and server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as home:
            measure(panes, rate, seconds, columns, rows, port, home, ours=True)
            measure(panes, rate, seconds, columns, rows, port, home, ours=False)
    finally:
        server.stdin.close()
        server.wait(10)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(float(sys.argv[2]), float(sys.argv[3])))
    else:
        main()
