"""How long people wait: `promptlab --help`, and from process start to the request on the wire.

    python bench/start.py [RUNS]

The wire time is read by a server of ours when the first byte of the request arrives; process start is when
this bench calls exec. A bare interpreter and `import typer` stand beside them, for machines differ.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing

REPLY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def whole(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def to_wire(environment: dict[str, str]) -> float:
    """Seconds from exec to the first byte of the request at the server."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(30)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        command = [sys.executable, "-m", "promptlab", "ask", "hi", "-m", "openai/m", "--base-url", url, "-q"]
        start = time.perf_counter()
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)  # fmt: skip
        client, _ = server.accept()
        with client:
            client.recv(1)
            took = time.perf_counter() - start
            client.sendall(REPLY)
        child.terminate()
        child.wait()
        return took


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "PROMPTLAB_HOME": home}
        python = [sys.executable]
        rows: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: whole([*python, "-c", "pass"], environment),
            "import typer": lambda: whole([*python, "-c", "import typer"], environment),
            "promptlab --help": lambda: whole([*python, "-m", "promptlab", "--help"], environment),
            "ask, to the wire": lambda: to_wire(environment),
        }
        print(f"{'ms':20} {'min':>6} {'median':>7} {'max':>6}   of {runs}; {time.strftime('%F')}")
        for name, measure in rows.items():
            measure()
            took = sorted(measure() * 1e3 for _ in range(runs))
            print(f"{name:20} {took[0]:6.0f} {statistics.median(took):7.0f} {took[-1]:6.0f}")


if __name__ == "__main__":
    main()
