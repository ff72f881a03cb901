"""Which HTTP client carries the streams: CPU per streamed chunk, import time and memory of each.

    python bench/wire.py [REQUESTS] [AT_ONCE]

Every client reads the same streams of 100 chunks from the same local server, splits lines and parses JSON,
in a process of its own. Compare rows of one run, not digits of two.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
CHUNKS = 100
REQUEST = {"model": "bench", "messages": [{"role": "user", "content": "hi"}], "stream": True}

READERS = {
    "httpx": """
import httpx as client_library
async def read(url, count, width):
    async with client_library.AsyncClient(limits=client_library.Limits(max_connections=width), timeout=60) as client:
        async def one():
            async with client.stream("POST", url, json=REQUEST) as response:
                return await take(response.aiter_bytes())
        return await many(one, count, width)
""",
    "aiohttp": """
import aiohttp
async def read(url, count, width):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=width)) as client:
        async def one():
            async with client.post(url, json=REQUEST) as response:
                return await take(response.content.iter_any())
        return await many(one, count, width)
""",
    "niquests": """
import niquests
async def read(url, count, width):
    async with niquests.AsyncSession(pool_maxsize=width) as client:
        async def one():
            response = await client.post(url, json=REQUEST, stream=True)
            return await take(await response.iter_content(-1))
        return await many(one, count, width)
""",
}
READERS["httpx2"] = READERS["httpx"].replace("import httpx as", "import httpx2 as")

COMMON = """
import time
started = time.perf_counter()
{reader}
imported = time.perf_counter() - started
import asyncio, json, resource, sys
REQUEST = {request!r}

async def take(parts):
    found, rest = 0, b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\\n")
        for line in lines:
            if line.startswith(b"data: ") and line != b"data: [DONE]":
                json.loads(line[6:])
                found += 1
    return found

async def many(one, count, width):
    gate = asyncio.Semaphore(width)
    async def held():
        async with gate:
            return await one()
    return sum(await asyncio.gather(*(held() for _ in range(count))))

before, clock = time.process_time(), time.perf_counter()
found = asyncio.run(read(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
cpu, wall = time.process_time() - before, time.perf_counter() - clock
print(json.dumps(dict(imported=imported, cpu=cpu, wall=wall, found=found,
                      rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
"""


def measure(name: str, url: str, count: int, width: int) -> dict[str, float] | None:
    code = COMMON.format(reader=READERS[name], request=REQUEST)
    done = subprocess.run([sys.executable, "-c", code, url, str(count), str(width)], capture_output=True, text=True)
    if done.returncode:
        print(f"{name:10} not measured: {done.stderr.strip().splitlines()[-1]}")
        return None
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    count, width = (int(n) for n in [*sys.argv[1:], "300", "100"][:2])
    server = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(CHUNKS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout and server.stdin
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/chat/completions"
    print(
        f"{count} streams of {CHUNKS} chunks, {width} at once; Python {sys.version.split()[0]}, {time.strftime('%F')}"
    )
    print(f"{'client':10} {'import ms':>9} {'CPU us/chunk':>12} {'wall s':>7} {'RSS MB':>7}")
    for name in READERS:
        measure(name, url, 5, 1)
        row = measure(name, url, count, width)
        if row:
            print(
                f"{name:10} {row['imported'] * 1e3:9.0f} {row['cpu'] * 1e6 / row['found']:12.1f} "
                f"{row['wall']:7.2f} {row['rss']:7.0f}"
            )
    server.stdin.close()
    server.wait()
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime > 0


if __name__ == "__main__":
    main()
