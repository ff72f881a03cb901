"""The embedded model server: llama.cpp in a child process of ours, on 127.0.0.1 alone, and gone when we are.

Same request, same bits, whatever else runs, on one machine: see `embedded_child.py` for the settings that do it.
The server drops a kept-alive connection that idles for some seconds: a client that reuses one sends again, once,
when it is reset before any answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from promptlab.errors import LabError, Sentence, WeightsError

_CHILD = Path(__file__).with_name("embedded_child.py")
_CACHE_MIB = 64  # for prompts that left their slot: about 5,000 tokens of the default model
_SURROUNDINGS = {
    "GGML_NO_BACKTRACE": "1",
    # Its threads meet at a barrier some hundred times a token. By default they spin there for milliseconds: where
    # one core is busy with anything else, 100 tokens/s become 1 to 8; with a short spin, 35, and 100 stay 100.
    "GOMP_SPINCOUNT": "1000",
}
_LOAD_SECONDS = 300.0  # a file of many GB on a slow disk
_EXIT_SECONDS = 5.0
_OTHER_MODEL = "give a GGUF file: -m local:/path/to/model.gguf, or another endpoint: -m NAME/MODEL"


@dataclass(frozen=True, slots=True)
class Address:
    base_url: str  # "http://127.0.0.1:PORT/v1"
    key: str


class EmbeddedServer:
    """One model file, served. `context` is in tokens per slot, prompt and answer together. `most` tokens are
    written where a request sets no limit of its own (-1: as many as the context holds).

    `exact` keeps texts and logprobs the same to the bit under any load; without it and with a `ubatch` of 512
    the server is llama.cpp as it comes, which does not.
    """

    def __init__(
        self, model: Path, *, slots: int = 4, context: int = 8192, most: int = -1, ubatch: int = 32, exact: bool = True
    ) -> None:
        self._model, self._slots, self._context, self._most = model, slots, context, most
        self._ubatch, self._exact = ubatch, exact
        self._child: subprocess.Popen[bytes] | None = None
        self._address: Address | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    async def start(self) -> Address:
        """The server's address; starts it where it isn't running (again, if it died).

        Raises WeightsError where the file can't be used, and LabError where the server can't.
        """
        async with self._starting:
            if self._address and self.pid:
                return self._address
            await self._end()
            _check(self._model)
            self._address = await self._spawn()
            return self._address

    async def aclose(self) -> None:
        """End the child, if there is one."""
        async with self._starting:
            await self._end()

    async def _end(self) -> None:
        child, self._child, self._address = self._child, None, None
        if child is not None:
            await asyncio.to_thread(_stop, child)

    async def _spawn(self) -> Address:
        key = secrets.token_urlsafe(32)
        settings = {
            "model": str(self._model.resolve()),
            "alias": self._model.stem,
            "key": key,
            "slots": self._slots,
            "context": self._context,
            "most": self._most,
            "ubatch": self._ubatch,
            "exact": self._exact,
            "cache_mib": _CACHE_MIB,
            "threads": _cores(),
        }
        with tempfile.TemporaryFile() as log:
            child = self._child = _launch(log)
            try:
                line = await asyncio.to_thread(_hand_over, child, settings)
                if "port" not in line:
                    child.wait()
                    log.seek(0)
                    raise self._refusal(line, child.returncode, log)
            except BaseException:
                child.kill()  # unblocks the thread that may still wait for its line
                await self._end()
                raise
        return Address(f"http://127.0.0.1:{line['port']}/v1", key)

    def _refusal(self, line: dict[str, str], code: int, log: IO[bytes]) -> LabError:
        text = log.read().decode(errors="replace")
        match line.get("kind"):
            case "import":
                return LabError(
                    Sentence("the embedded model can't run: {error}", error=line["error"]),
                    "reinstall promptlab with its dependencies, or use another endpoint: -m NAME/MODEL",
                )
            case "load":
                reason = last_error(text) or line["error"]
                return WeightsError(Sentence("{file} can't be loaded: {error}", file=self._model.name, error=reason),
                                    _OTHER_MODEL)  # fmt: skip
        how = f"exit code {code}"
        if code < 0:
            try:
                how = signal.Signals(-code).name
            except ValueError:
                how = f"signal {-code}"
        hint = {
            "SIGILL": "this processor lacks instructions (AVX2) that the prebuilt llama.cpp uses",
            "SIGKILL": "there may be too little memory for the model",
        }.get(how, _OTHER_MODEL)
        reason = last_error(text)
        return LabError(f"the embedded model server died while it loaded {self._model.name} ({how})"
                        + (f": {reason}" if reason else ""), hint)  # fmt: skip


def last_error(log: str) -> str:
    """The last line of llama.cpp's log that tells a reason, without its time stamp; empty where none does."""
    reason = ""
    for line in log.splitlines():
        found = re.match(r"[\d.]+ E \s*(?:(?:srv|cmn|slot) +)?\w*: *(.+)", line) or re.match(
            r"(?:\S+: )?(GGML_ASSERT.+|\w+Error: .+)", line
        )
        if found and not re.search(r"failed to load model|exiting due to|failed to (?:initiali[sz]e|create)", line):
            reason = found[1].removeprefix("error loading model: ").strip()
    return reason[:200]


def _check(model: Path) -> None:
    """Raises WeightsError where the file can't be read or isn't a GGUF, before a process is spent on it."""
    try:
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise WeightsError(f"{model}: {error.strerror or error}", _OTHER_MODEL) from error
    if magic != b"GGUF":
        raise WeightsError(Sentence("{file} is not a GGUF file", file=model), _OTHER_MODEL)


def _launch(log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: the script's own directory has modules with the names of the standard library's.
        [sys.executable, "-P", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C is ours to handle; the child ends with its stdin
        env={**_SURROUNDINGS, **os.environ},
    )


def _hand_over(child: subprocess.Popen[bytes], settings: dict[str, object]) -> dict[str, str]:
    """Give the child its settings and wait for its one line; empty where it died or never answered."""
    assert child.stdin and child.stdout
    late = threading.Timer(_LOAD_SECONDS, child.kill)
    late.daemon = True
    late.start()
    try:
        child.stdin.write(json.dumps(settings).encode() + b"\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except OSError:  # it died before it read
        return {}
    finally:
        late.cancel()
    try:
        answer: dict[str, str] = json.loads(line)
    except ValueError:
        return {}
    return answer


def _stop(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin and child.stdout
    with contextlib.suppress(OSError):  # what was still buffered has no reader any more
        child.stdin.close()
    try:
        child.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()


def _cores() -> int:
    """Physical cores that we may use: a hyperthread's second half slows llama.cpp down."""
    usable = os.sched_getaffinity(0) if sys.platform == "linux" else set(range(os.cpu_count() or 1))
    siblings = set()
    for cpu in usable:
        try:
            siblings.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text())
        except OSError:
            return len(usable)
    return len(siblings)
