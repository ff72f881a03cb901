"""Sweeps of many cells: time, CPU, memory and the size of the history, beside litellm's own asynchronous client.

    python bench/sweep.py [--long] [AT_ONCE]

1,000 and 10,000 cells of 100 tokens against a server on this machine, each in a process of its own; litellm carries
out the 1,000 only, and stores nothing; `promptlab sweep` is the whole command, with the reading of what came. `--long`
adds 10,000 cells of 1,000 tokens, which takes some minutes and is there for its memory. CPU is the client's alone.
Compare rows of one run, not digits of two.
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
TOKENS, LONG = 100, 1000

SETUP = """
import asyncio, json, resource, sys, time
port, count, width, tokens = (int(n) for n in sys.argv[1:5])
url = f"http://127.0.0.1:{port}/v1"
told = {}
"""
FINISH = """
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
loaded = peak()
before, clock = time.process_time(), time.perf_counter()
chunks = asyncio.run(go())
told |= dict(cpu=time.process_time() - before, wall=time.perf_counter() - clock, chunks=chunks, loaded=loaded,
             rss=peak())
after()
print(json.dumps(told))
"""
OURS = """
import os, tempfile
from pathlib import Path
import aiohttp, tenacity
from promptlab.engine import Engine, Limits
from promptlab.events import Answer, Thinking
from promptlab.plan import Cell, Plan
from promptlab.providers.direct import Direct
from promptlab.providers.http import Pool
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request
from promptlab.store import Store
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "bench.db"
async def go():
    found = 0
    def count_chunks(stamped):
        nonlocal found
        found += isinstance(stamped.event, (Answer, Thinking))
    store, pool = Store(path), Pool()
    provider = Direct("bench", url, pool, OpenAIChat(), slots=width)
    said = (Message("user", "hi"),)
    cells = (Cell(n, "bench/bench", "bench", Request("bench", said, {"temperature": n % 7 / 5}),
                  values={"temperature": n % 7 / 5}, repeat=n // 7) for n in range(count))
    plan = Plan(tuple(cells), "hi")
    _, recorder = store.begin(plan, lambda cell: provider.wire(cell.request))
    engine = Engine(dict.fromkeys(range(count), provider), [recorder, count_chunks], Limits(jobs=width))
    await engine.run(plan)
    recorder.close("done")
    await pool.aclose()
    assert engine.progress().done == count
    store.close()
    return found
def size():
    return sum(file.stat().st_size for file in path.parent.iterdir())
def after():
    store, whole = Store(path), size()
    clock = time.perf_counter()
    assert sum(said.ending for _, said in store.samples(1)) == count
    told["read"] = time.perf_counter() - clock
    clock = time.perf_counter()
    assert len(store.search("glass", 10)) == 10
    told["index"] = time.perf_counter() - clock
    clock = time.perf_counter()
    assert len(store.search("冰", 10)) == 10
    told["search"] = time.perf_counter() - clock
    store.close()
    told.update(size=whole, indexed=size() - whole, last=peak())
"""
LITELLM = """
import os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True
MESSAGES = [{"role": "user", "content": "hi"}]
async def go():
    gate = asyncio.Semaphore(width)
    async def one(n):
        found = 0
        async with gate:
            stream = await litellm.acompletion(model="openai/bench", messages=MESSAGES, stream=True, api_base=url,
                                               api_key="none", max_retries=0, temperature=n % 7 / 5)
            async for chunk in stream:
                found += 1
        return found
    return sum(await asyncio.gather(*(one(n) for n in range(count))))
def after():
    pass
"""

COMMAND = """
import os, subprocess, tempfile
folder = tempfile.TemporaryDirectory()
async def go():
    words = ["sweep", "hi", "-m", "bench", "--base-url", url, "-t", "0,1", "-n", str(count // 2), "--no-audit", "--yes",
             "-q", "-j", str(width)]
    subprocess.run([sys.executable, "-m", "promptlab", *words], env={**os.environ, "PROMPTLAB_HOME": folder.name},
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return count * tokens
def after():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    told["cpu"], told["rss"] = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
"""


def measure(code: str, tokens: int, count: int, width: int) -> dict[str, float] | str:
    """One candidate against a server of its own; its figures, or why there are none."""
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(tokens)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout and server.stdin
    try:
        port = server.stdout.readline().strip()
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(
            [sys.executable, "-c", SETUP + code + FINISH, port, str(count), str(width), str(tokens)],
            capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir(),
        )  # fmt: skip
    finally:
        server.stdin.close()
        server.wait()
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    width = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 32)
    rows = [("promptlab, stored", OURS, TOKENS, 1000), ("litellm, not stored", LITELLM, TOKENS, 1000),
            ("promptlab, stored", OURS, TOKENS, 10_000), ("promptlab sweep", COMMAND, TOKENS, 10_000)]  # fmt: skip
    if "--long" in sys.argv:
        rows += [("promptlab, stored", OURS, LONG, 10_000), ("promptlab sweep", COMMAND, LONG, 10_000)]
    print(f"{width} at once; Python {sys.version.split()[0]}, {time.strftime('%F')}")
    print(f"{'':20} {'cells':>7} {'tokens':>6} {'wall s':>7} {'CPU s':>7} {'us/token':>8} {'times':>6} {'peak MB':>8}"
          f" {'of which imports':>17}")  # fmt: skip
    ours: float | None = None
    kept = []
    for name, code, tokens, count in rows:
        row = measure(code, tokens, count, width)
        if isinstance(row, str):
            print(f"{name:20} {count:7} not measured: {row}")
            continue
        cost = row["cpu"] * 1e6 / row["chunks"]
        ours = ours or cost
        print(f"{name:20} {count:7} {tokens:6} {row['wall']:7.1f} {row['cpu']:7.1f} {cost:8.1f} {cost / ours:6.1f}"
              f" {row['rss']:8.0f} {row['loaded']:17.0f}", flush=True)  # fmt: skip
        if "size" in row:
            kept.append((count, tokens, row))
    print(f"\n{'the history':20} {'cells':>7} {'tokens':>6} {'bytes a cell':>13} {'index a cell':>13} {'read s':>7}"
          f" {'first search s':>15} {'next s':>7} {'peak MB':>8}")  # fmt: skip
    for count, tokens, row in kept:
        print(f"{'':20} {count:7} {tokens:6} {row['size'] / count:13.0f} {row['indexed'] / count:13.0f}"
              f" {row['read']:7.1f} {row['index']:15.2f} {row['search']:7.3f} {row['last']:8.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
