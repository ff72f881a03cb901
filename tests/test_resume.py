"""A sweep that is killed: nothing finished is lost, and taking it up sends only the rest."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from promptlab.store import Store

REPOSITORY = Path(__file__).parents[1]
CELLS, AT_ONCE = 300, 8
PATIENCE = 60

SCRIPT = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from promptlab.engine import Engine
from promptlab.plan import Cell, Plan
from promptlab.providers.direct import Direct
from promptlab.providers.http import Pool
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request
from promptlab.store import Store

url, path, count, run = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
errors = sys.argv[5:] == ["errors"]

async def main():
    store, pool = Store(path), Pool()
    provider = Direct("v", url, pool, OpenAIChat(), slots=8)
    wire = lambda cell: provider.wire(cell.request)
    if run:
        plan, numbers = store.run(run).plan, set(store.unfinished(run, errors))
        recorder = store.resume(run, numbers, wire)
        plan = replace(plan, cells=tuple(cell for cell in plan.cells if cell.index in numbers))
    else:
        said = (Message("user", "hi"),)
        plan = Plan(tuple(Cell(n, "v/m", "v", Request("m", said, {"seed": n}), repeat=n) for n in range(count)), "hi")
        _, recorder = store.begin(plan, wire)
    recorder.warn = lambda message: sys.exit(message)
    await Engine({cell.index: provider for cell in plan.cells}, [recorder]).run(plan)
    recorder.close("done")
    await pool.aclose()

asyncio.run(main())
"""


class Server:
    """Answers every request with its own seed; from `hold` requests on with half an answer, and holds the line."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.answered: Counter[int] = Counter()
        self.hold: int | None = None
        self.refused: set[int] = set()
        self.holding = asyncio.Semaphore(0)
        self.url = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                seed = json.loads(await reader.readexactly(length))["seed"]
                self.asked.append(seed)
                await self._answer(seed, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, seed: int, writer: asyncio.StreamWriter) -> None:
        if seed in self.refused:
            body = b'{"error": {"message": "no"}}'
            writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                         % (len(body), body))  # fmt: skip
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(_chunk(f"answer {seed} ") + _chunk("and"))
        await writer.drain()
        if self.hold is not None and len(self.asked) > self.hold:
            self.holding.release()
            await asyncio.Event().wait()
        writer.write(_chunk(" its end", "stop") + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        self.answered[seed] += 1


def _framed(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _chunk(text: str, finish: str | None = None) -> bytes:
    body: dict[str, Any] = {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    return _framed(b"data: " + json.dumps(body).encode() + b"\n\n")


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.meet, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()


async def start(server: Server, path: Path, run: int = 0, *more: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, server.url, str(path), str(CELLS), str(run), *more, cwd=REPOSITORY
    )


async def kill(child: asyncio.subprocess.Process) -> None:
    child.send_signal(signal.SIGKILL)
    await child.wait()


def kept(path: Path) -> dict[int, tuple[str, str]]:
    with closing(Store(path)) as store:
        return {cell.index: (said.state, said.answer) for cell, said in store.samples(1)}


def test_a_killed_sweep_of_300_cells_loses_nothing_finished_and_sends_only_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"

    async def go() -> None:
        async with serving() as server:
            for hold in (100, 80):  # killed in the middle, twice
                server.hold, before = hold, len(server.asked)
                server.asked.clear()
                child = await start(server, path, run=1 if before else 0)
                try:
                    async with asyncio.timeout(PATIENCE):
                        for _ in range(AT_ONCE):  # all that is under way is held: the rest has ended
                            await server.holding.acquire()
                finally:
                    await kill(child)
                found = kept(path)
                done = {number for number, (state, _) in found.items() if state == "done"}
                # An ending is in the history before its place goes to the next request.
                assert done == set(server.answered), "nothing finished is lost"
                assert all(found[number][1] == f"answer {number} and its end" for number in done)
                with closing(Store(path)) as store:
                    assert store.run(1).state == "broken off"
                    assert store.unfinished(1) == sorted(set(range(CELLS)) - done)
            server.hold = None
            server.asked.clear()
            missing = set(range(CELLS)) - set(server.answered)
            child = await start(server, path, run=1)
            assert await asyncio.wait_for(child.wait(), PATIENCE) == 0
            assert sorted(server.asked) == sorted(missing), "only what was missing was sent, and once"
            assert server.answered == Counter(range(CELLS)), "nobody was asked for an answer twice"

    asyncio.run(go())
    assert kept(path) == {n: ("done", f"answer {n} and its end") for n in range(CELLS)}
    with closing(Store(path)) as store:
        assert store.run(1).state == "done" and len(store.runs()) == 1


def test_only_what_failed_is_sent_again_and_its_error_stays_if_the_retry_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "promptlab.db"

    async def go() -> None:
        async with serving() as server:
            server.refused = {3, 50, 299}
            child = await start(server, path)
            assert await asyncio.wait_for(child.wait(), PATIENCE) == 0
            assert {n for n, (state, _) in kept(path).items() if state == "failed"} == server.refused
            server.asked.clear()
            child = await start(server, path, 1)
            assert await asyncio.wait_for(child.wait(), PATIENCE) == 0
            assert server.asked == [], "nothing is missing"
            server.refused, server.hold = {3}, 0
            child = await start(server, path, 1, "errors")
            async with asyncio.timeout(PATIENCE):
                await server.holding.acquire()
                await server.holding.acquire()
                while len(server.asked) < 3:
                    await asyncio.sleep(0.01)
            await kill(child)
            assert sorted(server.asked) == [3, 50, 299]
            assert {n for n, (state, _) in kept(path).items() if state == "failed"} == {3, 50, 299}
            server.hold = None
            server.asked.clear()
            child = await start(server, path, 1, "errors")
            assert await asyncio.wait_for(child.wait(), PATIENCE) == 0
            assert sorted(server.asked) == [3, 50, 299]
            assert {n for n, (state, _) in kept(path).items() if state == "failed"} == {3}

    asyncio.run(go())
