"""The embedded server for real: its bits, its door, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from promptlab.errors import LabError, WeightsError
from promptlab.providers.embedded import Address, EmbeddedServer, last_error

ROOT = Path(__file__).parents[1]
Body = dict[str, Any]


def eventually(claim: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether `claim` comes true before the deadline."""
    deadline = time.monotonic() + seconds
    while not (true := claim()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return true


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def body(prompt: str, **more: Any) -> Body:
    return {"messages": [{"role": "user", "content": prompt}], "max_tokens": 8, "temperature": 0, **more}


async def post(address: Address, sent: Body, key: str | None = None) -> tuple[int, Any]:
    """Status and JSON of one chat completion on a connection of its own."""
    headers = {"Authorization": f"Bearer {address.key if key is None else key}"}
    url, limit = f"{address.base_url}/chat/completions", aiohttp.ClientTimeout(300)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.post(url, json=sent, headers=headers) as response,
    ):
        return response.status, await response.json()


@pytest.fixture(scope="module")
def server(weights: Path) -> Iterator[EmbeddedServer]:
    running = EmbeddedServer(weights)
    yield running
    asyncio.run(running.aclose())


@pytest.fixture(scope="module")
def address(server: EmbeddedServer) -> Address:
    return asyncio.run(server.start())


# Reproducibility -----------------------------------------------------------------------------------------------------


class Text(NamedTuple):
    content: str
    logprobs: str  # as the server wrote them: equal strings are equal bits


NAMES = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "inlet",
    "jetty",
    "knoll",
    "ledge",
    "maple",
    "north",
    "ocean",
    "pearl",
)


def prompt(number: int, words: int) -> str:
    """A prompt that shares no opening with another number's; a word is about 1.4 tokens."""
    listed = " ".join(NAMES[(number * 5 + i * 7 + i * i) % len(NAMES)] for i in range(words))
    return f"{NAMES[number]}: tell a short story with these words. {listed}."


PROMPTS = [prompt(n, words) for n, words in enumerate((4, 9, 35, 45, 55, 70, 355, 365))]
LONG = PROMPTS[2:]  # more than 64 tokens
LONGER = PROMPTS[6:]  # more than 512 tokens


async def ask(address: Address, prompt: str, temperature: float, cache: bool) -> Text:
    sent = body(prompt, max_tokens=16, temperature=temperature, seed=7, logprobs=True, top_logprobs=3,
                cache_prompt=cache)  # fmt: skip
    status, answer = await post(address, sent)
    assert status == 200, answer
    if prompt in LONG:
        assert answer["usage"]["prompt_tokens"] > 64
    if prompt in LONGER:
        assert 512 < answer["usage"]["prompt_tokens"] < 1024
    choice = answer["choices"][0]
    return Text(choice["message"]["content"], json.dumps(choice["logprobs"], sort_keys=True))


async def differences(server: EmbeddedServer, prompts: list[str]) -> list[str]:
    """Where a text, or a bit of its logprobs, depends on the load or the cache."""
    found = []
    address = await server.start()
    try:
        for temperature in (0.0, 0.8):
            # The warm round takes its prompts from the cache: that, too, must not show.
            fresh = temperature == 0
            alone = [await ask(address, prompt, temperature, cache=not fresh) for prompt in prompts]
            for load, cache in (("at once", not fresh), ("again", True)):
                together = await asyncio.gather(*(ask(address, prompt, temperature, cache) for prompt in prompts))
                found += [f"T={temperature} prompt {i} {load}" for i, text in enumerate(together) if text != alone[i]]
    finally:
        await server.aclose()
    return found


def test_same_bits_alone_at_once_and_cached(weights: Path) -> None:
    assert asyncio.run(differences(EmbeddedServer(weights), PROMPTS)) == []


def seen_to_differ(make: Callable[[], EmbeddedServer], prompts: list[str]) -> None:
    """It shows only where prompts meet in a batch, which a busy machine may prevent for once, not for ever."""
    if not any(asyncio.run(differences(make(), prompts)) for _ in range(4)):
        pytest.skip("on this machine prompts never met in a batch")


def test_the_comparison_fails_on_llama_cpp_as_it_comes(weights: Path) -> None:
    seen_to_differ(lambda: EmbeddedServer(weights, ubatch=512, exact=False), PROMPTS[:6])


def test_small_batches_alone_do_not_keep_the_bits_of_long_prompts(weights: Path) -> None:
    seen_to_differ(lambda: EmbeddedServer(weights, exact=False), LONGER)


# The door ------------------------------------------------------------------------------------------------------------


def test_wrong_or_no_key_is_refused(address: Address) -> None:
    for key in ("", "wrong"):
        status, answer = asyncio.run(post(address, body("Hi"), key))
        assert status == 401, answer


def test_listens_on_the_loopback_address_alone(address: Address, server: EmbeddedServer) -> None:
    port = int(address.base_url.removesuffix("/v1").rpartition(":")[2])
    assert address.base_url == f"http://127.0.0.1:{port}/v1"
    sockets = {str(link.readlink()) for link in Path(f"/proc/{server.pid}/fd").iterdir() if link.is_symlink()}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in sockets and fields[3] == "0A":
                listening.append(fields[1])
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert listening == [f"{loopback}:{port:04X}"]


def test_key_is_neither_in_argv_nor_in_the_environment(address: Address, server: EmbeddedServer) -> None:
    for place in ("cmdline", "environ"):
        assert address.key.encode() not in Path(f"/proc/{server.pid}/{place}").read_bytes()


def test_models_without_a_key_names_no_path(address: Address, weights: Path) -> None:
    async def models() -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{address.base_url}/models") as response:
            assert response.headers.get("Access-Control-Allow-Origin") != "*"
            return await response.text()

    assert str(weights.parent) not in asyncio.run(models())


def test_stream_ends_with_usage(address: Address) -> None:
    async def stream() -> list[Body]:
        sent = body("Hi", stream=True, stream_options={"include_usage": True})
        headers = {"Authorization": f"Bearer {address.key}"}
        url = f"{address.base_url}/chat/completions"
        async with aiohttp.ClientSession() as session, session.post(url, json=sent, headers=headers) as response:
            lines = (await response.text()).splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    chunks = asyncio.run(stream())
    usage = next(chunk["usage"] for chunk in chunks if chunk.get("usage"))
    assert usage["completion_tokens"] == 8 and usage["prompt_tokens"] > 0
    assert sum(bool(choice["delta"].get("content")) for chunk in chunks for choice in chunk["choices"]) > 1


def test_survives_hostile_requests(address: Address, server: EmbeddedServer) -> None:
    pid = server.pid

    async def attack() -> None:
        status, answer = await post(address, body("word " * 20_000))
        assert status == 400 and answer["error"]["type"] == "exceed_context_size_error", answer
        assert answer["error"]["n_ctx"] == 8192
        for sent in (body("Hi", messages="no list"), body("Hi", grammar="root ::= ((("), body("Hi", max_tokens="x"),
                     body("Hi", temperature="hot"), body("Hi", response_format={"type": "json_schema"}),
                     body("Hi", messages=[]), body("\0\ud83d\ufffe", logit_bias=[[-1, 5], [10**9, 5]])):  # fmt: skip
            await post(address, sent)
        status, _ = await post(address, body("Hi"))
        assert status == 200

    asyncio.run(attack())
    assert server.pid == pid


# Beginning and end ---------------------------------------------------------------------------------------------------


def test_importing_the_module_loads_neither_llama_cpp_nor_aiohttp() -> None:
    code = "import sys, promptlab.providers.embedded; print([m for m in ('xllamacpp', 'aiohttp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_two_starts_make_one_child_and_closing_twice_is_harmless(weights: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(weights, slots=1, context=512)
        await server.aclose()
        first, second = await asyncio.gather(server.start(), server.start())
        assert first == second
        pid = server.pid
        assert pid and alive(pid)
        await server.aclose()
        await server.aclose()
        assert server.pid is None and not alive(pid)

    asyncio.run(scenario())


def test_a_dead_child_is_replaced(weights: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(weights, slots=1, context=512)
        first = await server.start()
        pid = server.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: server.pid is None)
        second = await server.start()
        assert second != first
        assert (await post(second, body("Hi")))[0] == 200
        await server.aclose()

    asyncio.run(scenario())


def test_a_cancelled_start_leaves_no_child(weights: Path) -> None:
    async def scenario() -> None:
        server = EmbeddedServer(weights, slots=1, context=512)
        starting = asyncio.create_task(server.start())
        while not server.pid:
            await asyncio.sleep(0)
        pid = server.pid
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert server.pid is None and not alive(pid)

    asyncio.run(scenario())


PARENT = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from promptlab.providers.embedded import EmbeddedServer

    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: print("interrupted", flush=True))
        server = EmbeddedServer(Path(sys.argv[1]), slots=1, context=512)
        await server.start()
        print(server.pid, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(server.pid, flush=True)
        await server.aclose()
        print(server.pid, flush=True)

    asyncio.run(main())
"""


@pytest.fixture
def parent(weights: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs a server, the leader of its own group, as a shell's job is."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(weights)], cwd=ROOT, process_group=0, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_killed_parent_ends_the_child(parent: subprocess.Popen[str]) -> None:
    pid = int(said(parent))
    assert alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    assert eventually(lambda: not alive(pid))


def test_interrupt_reaches_the_parent_alone(parent: subprocess.Popen[str]) -> None:
    pid = said(parent)
    os.killpg(parent.pid, signal.SIGINT)
    assert said(parent) == "interrupted"
    assert parent.stdin and parent.stderr
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert said(parent) == pid  # it still ran
    assert said(parent) == "None"
    assert not alive(int(pid))
    assert parent.wait(20) == 0
    assert parent.stderr.read() == ""  # nothing of llama.cpp's on the terminal


# Errors --------------------------------------------------------------------------------------------------------------


def failed(model: Path) -> LabError:
    async def scenario() -> LabError:
        server = EmbeddedServer(model, slots=1, context=512)
        with pytest.raises(LabError) as caught:
            await server.start()
        assert server.pid is None
        await server.aclose()
        return caught.value

    error = asyncio.run(scenario())
    assert error.hint and "\n" not in error.message
    return error


def test_text_file_as_model(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    error = failed(path)
    assert isinstance(error, WeightsError) and error.message == f"{path} is not a GGUF file"


def test_missing_file_and_directory(tmp_path: Path) -> None:
    assert "No such file" in failed(tmp_path / "none.gguf").message
    assert "directory" in failed(tmp_path).message


def test_truncated_model_is_told_with_its_reason(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    with weights.open("rb") as whole:
        path.write_bytes(whole.read(40_000_000))
    error = failed(path)
    assert isinstance(error, WeightsError)
    assert "corrupted or incomplete" in error.message


def test_bare_magic_and_garbage_behind_it(tmp_path: Path) -> None:
    for rest in (b"", b"\x03\0\0\0" + b"\xff" * 100):
        path = tmp_path / "odd.gguf"
        path.write_bytes(b"GGUF" + rest)
        assert failed(path).message.startswith(("odd.gguf can't be loaded: ", "the embedded model server died"))


def test_last_error_skips_what_tells_no_reason() -> None:
    log = (
        "0.00.004.1 I srv    load_model: loading model 'x'\n"
        "0.00.036.3 E llama_model_load: error loading model: tensor 'a' is missing\n"
        "0.00.036.4 E llama_model_load_from_file_impl: failed to load model\n"
        "0.00.036.5 E srv          init: exiting due to model loading error\n"
    )
    assert last_error(log) == "tensor 'a' is missing"
    assert last_error("") == ""
