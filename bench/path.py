"""The whole path of a streamed chunk against raw httpx and litellm, in one run on one local server.

    python bench/path.py [REQUESTS] [AT_ONCE]

Ours is decode, split, stamp, fold and store in SQLite, as `promptlab ask` does it. Each candidate runs in a
process of its own; CPU is that process's alone. Compare rows of one run, not digits of two.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
CHUNKS = 100

SETUP = """
import asyncio, json, resource, sys, time
port, count, width = (int(n) for n in sys.argv[1:4])
url = f"http://127.0.0.1:{port}/v1"
MESSAGES = [{"role": "user", "content": "hi"}]
async def many(one):
    gate = asyncio.Semaphore(width)
    async def held():
        async with gate:
            return await one()
    return sum(await asyncio.gather(*(held() for _ in range(count))))
"""
FINISH = """
before, clock = time.process_time(), time.perf_counter()
chunks = asyncio.run(go())
print(json.dumps(dict(cpu=time.process_time() - before, wall=time.perf_counter() - clock, chunks=chunks,
                      rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
"""
CANDIDATES = {
    "promptlab, stored": """
import tempfile
from pathlib import Path
from promptlab.engine import Engine, Limits
from promptlab.plan import Cell, Plan
from promptlab.providers.http import Pool
from promptlab.providers.direct import Direct
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.events import Answer, Thinking
async def go():
    found = 0
    def count_chunks(stamped):
        nonlocal found
        found += isinstance(stamped.event, (Answer, Thinking))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.db")
        pool = Pool()
        provider = Direct("bench", url, pool, OpenAIChat(), slots=width)
        request = Request("bench", (Message("user", "hi"),))
        plan = Plan(tuple(Cell(n, "bench/bench", "bench", request) for n in range(count)), "hi")
        _, recorder = store.begin(plan, {c.index: provider.wire(request) for c in plan.cells})
        engine = Engine(dict.fromkeys(range(count), provider), [recorder, count_chunks], Limits(jobs=width))
        await engine.run(plan)
        recorder.close("done")
        await pool.aclose()
        assert all(state == "done" for summary in store.runs() for state in summary.states)
        store.close()
    return found
""",
    "raw httpx": """
import httpx
async def go():
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=width), timeout=600) as client:
        async def one():
            n = 0
            body = {"model": "bench", "messages": MESSAGES, "stream": True}
            async with client.stream("POST", url + "/chat/completions", json=body) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: ") and line != "data: [DONE]":
                        json.loads(line[6:])
                        n += 1
            return n
        return await many(one)
""",
    "litellm": """
import os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True
async def go():
    async def one():
        n = 0
        stream = await litellm.acompletion(model="openai/bench", messages=MESSAGES, stream=True, api_base=url,
                                           api_key="none", max_retries=0)
        async for chunk in stream:
            n += 1
        return n
    return await many(one)
""",
}


def measure(code: str, port: str, count: int, width: int) -> dict[str, float] | str:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code + FINISH, port, str(count), str(width)],
        capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir(),
    )  # fmt: skip
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    count, width = int((sys.argv[1:] or ["1000"])[0]), int((sys.argv[2:] or ["100"])[0])
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(CHUNKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout and server.stdin
    port = server.stdout.readline().strip()
    python = sys.version.split()[0]
    print(f"{count} requests of {CHUNKS} tokens, {width} at once; Python {python}, {time.strftime('%F')}")
    print(f"{'':20} {'CPU us/chunk':>12} {'times ours':>10} {'wall s':>7} {'RSS MB':>7}")
    ours = None
    for name, code in CANDIDATES.items():
        some = count if name.startswith("promptlab") else max(width, count // 5)  # the slow ones need no thousand
        row = measure(code, port, some, width)
        if isinstance(row, str):
            print(f"{name:20} not measured: {row}")
            continue
        cost = row["cpu"] * 1e6 / row["chunks"]
        ours = ours or cost
        wall = f"{row['wall']:7.2f}" if some == count else f"{row['wall'] * count / some:6.1f}~"
        print(f"{name:20} {cost:12.1f} {cost / ours:10.1f} {wall} {row['rss']:7.0f}")
    print("~: from a fifth of the requests")
    server.stdin.close()
    server.wait()


if __name__ == "__main__":
    main()
