"""Real servers in child processes, on 127.0.0.1 alone: llama.cpp, and a LiteLLM proxy as a gateway in front of it."""

from __future__ import annotations

import json
import os
import re
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

PATIENCE = 120.0  # seconds; the proxy's imports take 7 of an idle core
# What the proxy imports to start; it does without the rest of litellm[proxy], which wants another rich than ours.
# prisma: without it a request that has no key is a crash of the proxy's (500), and not a refusal (401).
NEEDED = ("apscheduler", "backoff", "expression", "fastapi", "fastapi_sso", "mcp", "orjson", "prisma", "redis",
          "soundfile", "uvicorn", "websockets")  # fmt: skip

_ENDS_WITH_US = """
import json, os, sys, threading
settings = json.loads(sys.stdin.buffer.readline())

def end_with_parent():
    while os.read(0, 4096):
        pass
    os._exit(0)

threading.Thread(target=end_with_parent, daemon=True).start()
"""

_LLAMA = """
answer = os.dup(1)
os.dup2(2, 1)
import xllamacpp
p = xllamacpp.CommonParams()
p.model.path, p.model_alias, p.api_keys = settings["model"], {settings["name"]}, [settings["key"]]
p.hostnames, p.port = ["127.0.0.1"], 0
p.n_parallel, p.n_ctx, p.kv_unified = settings["slots"], settings["slots"] * settings["context"], False
# The same text every time, whatever is in the cache: see promptlab/providers/embedded_child.py.
p.n_ubatch = p.n_batch = 32
p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
p.n_gpu_layers, p.fit_params, p.warmup, p.ui = 0, False, False, False
p.endpoint_slots = p.use_jinja = True
p.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_AUTO
p.chat_template = settings["template"]
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1  # several wait for each other where the cores are busy
server = xllamacpp.Server(p)
os.write(answer, server.listening_address.encode() + b"\\n")
threading.Event().wait()
"""


class Llama:
    """llama.cpp's server as people run it: with a key, `/slots`, and a chat template of one's own. Ends with us."""

    slots, context = 2, 2048  # tokens a slot

    def __init__(self, model: Path, name: str, template: str = "") -> None:
        self.name, self.key = name, secrets.token_urlsafe(24)
        self._log = TemporaryFile()  # noqa: SIM115  # closed with the server
        settings = {"model": str(model), "name": name, "key": self.key, "template": template, "slots": self.slots,
                    "context": self.context}  # fmt: skip
        self._child = _child(_LLAMA, settings, os.environ, self._log)
        assert self._child.stdout
        if not select.select([self._child.stdout], [], [], PATIENCE)[0]:
            self._child.kill()
        self.url = self._child.stdout.readline().decode().strip()
        assert self.url, f"llama.cpp did not start:\n{_tail(self._log)}"
        self.base_url = f"{self.url}/v1"

    def seen(self) -> list[dict[str, Any]]:
        """`/slots`: what each slot does, and with which parameters."""
        host, _, port = self.url.rpartition("/")[2].partition(":")
        connection = HTTPConnection(host, int(port), timeout=10)
        try:
            connection.request("GET", "/slots", headers={"Authorization": f"Bearer {self.key}"})
            found: list[dict[str, Any]] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return found

    def last(self) -> dict[str, Any]:
        """The parameters of the request that came last, by llama.cpp's names."""
        found: dict[str, Any] = max(self.seen(), key=lambda slot: slot.get("id_task", -1))["params"]
        return found

    @property
    def is_idle(self) -> bool:
        return not any(slot["is_processing"] for slot in self.seen())

    def kill(self) -> None:
        """The end without a word: the kernel closes its connections."""
        self._child.kill()
        self._child.wait()

    def close(self) -> None:
        assert self._child.stdin and self._child.stdout
        self.kill()
        self._child.stdin.close()
        self._child.stdout.close()
        self._log.close()


# What `litellm --config …` starts, but on asyncio's loop: uvloop connects where no audit hook sees it. Whatever would
# leave this machine is told and fails.
_PROXY = """
os.dup2(2, 1)

def guard(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "127.0.0.1", "::1", "localhost"):
        print(f"outside: {host}", flush=True)
        raise OSError(f"{host} is not on this machine")

sys.addaudithook(guard)
import uvicorn
uvicorn.run("litellm.proxy.proxy_server:app", host="127.0.0.1", port=0, loop="asyncio")
"""


class Gateway:
    """A LiteLLM proxy in one process, with a master key and no database. `models` are its aliases, each with the
    `litellm_params` of a config file. Its log holds what it printed; raises AssertionError with it where it does not
    start."""

    def __init__(self, folder: Path, models: Mapping[str, object]) -> None:
        self.key = f"sk-{secrets.token_urlsafe(24)}"
        config, self._log = folder / "gateway.yaml", folder / "gateway.log"
        listed = [{"model_name": name, "litellm_params": given} for name, given in models.items()]
        config.write_text(json.dumps({  # JSON is YAML
            "model_list": listed, "general_settings": {"master_key": self.key},
            "litellm_settings": {"telemetry": False, "num_retries": 0},
            "router_settings": {"disable_cooldowns": True},  # or a failure is remembered into the next test
        }))  # fmt: skip
        environment = {
            "PATH": os.environ.get("PATH", ""), "HOME": str(folder), "LANG": "C.UTF-8", "NO_DOCS": "True",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "HF_HUB_OFFLINE": "1",
            "LITELLM_UI_PATH": str(folder / "ui"), "CONFIG_FILE_PATH": str(config),
        }  # fmt: skip
        with self._log.open("wb") as log:
            self._child = _child(_PROXY, None, environment, log, cwd=folder)
        try:
            self.base_url = f"{self._listening()}/v1"
        except BaseException:
            self.close()
            raise

    def _listening(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"running on (http://127\.0\.0\.1:\d+)", self.log())):
            assert self._child.poll() is None, f"the proxy ended with {self._child.returncode}:\n{self.log()[-4000:]}"
            assert time.monotonic() < deadline, f"the proxy did not start in {PATIENCE:g} s:\n{self.log()[-4000:]}"
            time.sleep(0.05)
        return found[1]

    def log(self, start: int = 0) -> str:
        return self._log.read_bytes()[start:].decode(errors="replace")

    def size(self) -> int:
        return self._log.stat().st_size

    def outside(self) -> list[str]:
        """Hosts that are not this machine and that it wanted to reach."""
        return re.findall(r"^outside: (.*)$", self.log(), re.MULTILINE)

    def close(self) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()


def missing() -> list[str]:
    """The proxy's packages that are not installed."""
    return [name for name in NEEDED if find_spec(name) is None]


def _child(
    script: str, settings: object, environment: Mapping[str, str], log: IO[bytes], cwd: Path | None = None
) -> subprocess.Popen[bytes]:  # fmt: skip
    """A Python process that has its settings from stdin, where no key can be seen, and that ends with us."""
    child = subprocess.Popen(
        [sys.executable, "-c", _ENDS_WITH_US + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        env=environment, cwd=cwd,
    )  # fmt: skip
    assert child.stdin
    child.stdin.write(json.dumps(settings).encode() + b"\n")
    child.stdin.flush()
    return child


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace")[-4000:]
