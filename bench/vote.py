"""Self-consistency on 200 arithmetic items: accuracy at k = 1, 5, 9 with intervals, and what stopping early saves.

A scripted server answers each item right with a planted probability, or with one of three wrong answers; what the votes
show is set beside what mathematics expects. `python -m bench.vote [--local] [--items 200]`; with --local the embedded
model answers instead, and nothing is planted."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.arithmetic import Item, accuracy, answer_to, exact, items, sums, write_items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--local", action="store_true", help="the embedded model, in your own home")
    chosen = parser.parse_args()
    wanted = (sums if chosen.local else items)(chosen.items, chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_items(home / "items.jsonl", wanted)
        if chosen.local:
            _table(home, ("-m", "local", "--max-tokens", "60"), None)
        else:
            url = _serve(answer_to(wanted, chosen.seed))
            _table(home, ("-m", "scripted", "--base-url", url), wanted)


def _table(home: Path, to: Sequence[str], planted: Sequence[Item] | None) -> None:
    head = f"{'k':>2} {'until':9}  {'accuracy':>8}  {'95% interval':>16}  {'expected':>8}"
    print(f"{head}  {'sent':>5} {'of':>5}  saved tokens")
    for k, until in ((1, "all"), (5, "decided"), (9, "decided"), (9, "confident")):
        told = _vote(home, to, k, until)
        share, low, high = accuracy(told["votes"])
        used = [cell["usage"] or {} for cell in told["cells"] if cell["state"] in ("done", "incomplete")]
        tokens = sum((one.get(name) or 0) for one in used for name in ("input", "output"))
        skipped = told["saved"]["cells"]
        total = len(told["cells"])
        known = f"{sum(exact(item, k) for item in planted) / len(planted):8.1%}" if planted else f"{'':8}"
        spared = f"{told['saved']['tokens']:,} of {told['saved']['tokens'] + tokens:,}"
        told_of = f"{k:>2} {until:9}  {share:8.1%}  {low:7.1%} to {high:5.1%}  {known}"
        print(f"{told_of}  {total - skipped:>5} {total:>5}  {spared}")


def _vote(home: Path, to: Sequence[str], k: int, until: str) -> Any:
    own = {} if "local" in to else {"PROMPTLAB_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "promptlab", "vote", "--dataset", str(home / "items.jsonl"), *to, "-n", str(k),
         "--until", until, "--extract", "number", "--format", "json", "-q", "--yes", "--no-save"],
        env={**os.environ, **own}, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def _serve(answer: Callable[[Mapping[str, Any]], str]) -> str:
    """A chat server on 127.0.0.1 in a thread of its own; gives its base URL."""
    from aiohttp import web

    ready: list[str] = []
    up = threading.Event()

    async def chat(request: web.Request) -> web.Response:
        said = answer(await request.json())
        usage = {"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32}
        chunk = {"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": "stop"}], "usage": usage}
        text = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        return web.Response(text=text, content_type="text/event-stream")

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready.append(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        up.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    up.wait(10)
    return ready[0]


if __name__ == "__main__":
    main()
