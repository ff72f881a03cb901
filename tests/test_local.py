"""`promptlab local`: what is listed, fetched, removed and served; with made models, a hub here, and the real server."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from promptlab.cli import local
from promptlab.config import places
from promptlab.errors import LabError, UsageError, WeightsError
from promptlab.providers import room
from promptlab.providers.disk import Found, Place, resolve, scan
from promptlab.render.wrap import width
from tests.command import interrupt, read_until, until
from tests.fake_hub import MODEL, Hub, forget_settings, running
from tests.gguf_writer import write, write_split
from tests.test_disk import in_hub, in_ollama

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with nothing: no models, no settings."""
    forget_settings(monkeypatch)
    for name in ("OLLAMA_MODELS", "LLAMA_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path / "lab"))
    return tmp_path


@pytest.fixture
def ours() -> Path:
    """Where promptlab keeps what it fetched."""
    return places().cache / "models"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        made.files["m-Q4_K_M.gguf"] = MODEL
        yield made


class Terminal(io.StringIO):
    """A stdin at which a user sits."""

    def isatty(self) -> bool:
        return True


def said(error: LabError, *words: str) -> None:
    for word in words:
        assert word in f"{error.message} {error.hint}", f"{error.message} → {error.hint}"


# list ----------------------------------------------------------------------------------------------------------------


def test_nothing_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert local.list_models(None) == 0
    out, err = capsys.readouterr()
    assert out == "" and "promptlab local pull" in err


def test_the_table(home: Path, ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ours / "org/name/Mine-Q4_K_M.gguf")
    write(home / ".lmstudio/models/p/r/窗口.gguf", llama__attention__sliding_window=512, llama__context_length=2048)
    in_ollama(home / ".ollama/models", "registry.ollama.ai/library/qwen3/4b")
    half = write(home / ".cache/huggingface/hub/models--o--n/snapshots/c/half.gguf")
    os.truncate(half, half.stat().st_size - 1)
    assert local.list_models(None) == 0
    out, err = capsys.readouterr()
    head, *rows = [line.split() for line in out.splitlines()]
    assert head == ["name", "app", "architecture", "parameters", "quantisation", "context", "thinks", "size", "needs",
                    "fits"]  # fmt: skip
    assert rows[0][:7] == ["Mine-Q4_K_M", "promptlab", "llama", "3K", "Q4_K_M", "4096", "no"]
    assert rows[0][-1] == "yes"
    assert rows[1][:2] == ["half", "huggingface"] and "cut short" in out.splitlines()[2]
    assert rows[2][:2] == ["窗口", "lmstudio"] and "≤" in rows[2]
    assert rows[3][:2] == ["qwen3:4b", "ollama"]
    assert "of memory are free" in err and "4096 tokens" in err
    column = {width(line[: line.index(app)]) for line in out.splitlines() for app in ("app", "promptlab", "lmstudio",
              "ollama", "huggingface") if f"  {app}  " in line}  # fmt: skip
    assert len(column) == 1  # counted in cells, a wide name is in line with the others


def test_a_model_that_does_not_fit(
    ours: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ours / "m.gguf")
    monkeypatch.setattr(room, "available", lambda: 100_000_000)
    local.list_models(None)
    out, err = capsys.readouterr()
    assert out.split()[-1] == "no" and "100 MB of memory are free" in err


def test_the_list_as_json(home: Path, ours: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours.mkdir(parents=True)
    (ours / "smol.gguf").symlink_to(weights)
    (home / ".ollama/models/blobs").mkdir(parents=True)
    in_ollama(home / ".ollama/models", "registry.ollama.ai/library/gone/latest").unlink()
    assert local.list_models("json") == 0
    smol, gone = json.loads(capsys.readouterr().out)
    assert smol.pop("needs") == {"context": 4096, "weights": weights.stat().st_size, "kv": 90 * 1024 * 1024 * 34 // 64,
                                 "margin": (300 << 20) + weights.stat().st_size // 20, "total": 467_988_393,
                                 "at_most": False}  # fmt: skip
    assert smol == {"name": "smol", "app": "promptlab", "path": str(ours / "smol.gguf"), "kind": "chat",
                    "size": weights.stat().st_size, "architecture": "llama", "parameters": 134_515_008,
                    "quantisation": "Q4_1", "context": 8192, "thinks": "no", "fits": True}  # fmt: skip
    assert (gone["name"], gone["problem"]) == ("gone:latest", "its file is missing") and "fits" not in gone


def test_needs_for_another_context(ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ours / "m.gguf", llama__context_length=100_000)
    local.list_models("json", 65536)
    (item,) = json.loads(capsys.readouterr().out)
    assert item["needs"]["context"] == 65536 and item["needs"]["kv"] == 65536 * 8 * 128 * 34 // 32
    local.list_models(None, 65536)
    assert "65536 tokens" in capsys.readouterr().err
    local.list_models("json", 1_000_000)  # more than it was trained for
    assert json.loads(capsys.readouterr().out)[0]["needs"]["context"] == 100_000


def test_a_format_that_is_none() -> None:
    with pytest.raises(UsageError) as caught:
        local.list_models("jason")
    said(caught.value, "jason", "did you mean 'json'?")


@pytest.mark.parametrize("cells", [200, 120, 100, 80, 60, 40, 20])
def test_a_narrow_terminal_gets_fewer_columns(cells: int, tmp_path: Path) -> None:
    write(tmp_path / ("a-model-with-a-long-name" + "雪" * 10 + ".gguf"))
    os.truncate(write(tmp_path / "half.gguf"), 500)
    lines = local._table(scan([Place("promptlab", tmp_path)]), 1 << 40, 4096, cells)
    assert all(width(line) <= cells for line in lines)
    assert lines[0].startswith("name")
    if cells >= 80:
        assert "fits" in lines[0] and "雪雪雪" in lines[1]


def test_hostile_names_and_headers_do_not_reach_the_terminal(ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(ours / "a\x1b]0;x\x07.gguf", general__architecture="ll\x1b[2Jama\u202e", general__name="\x1b[31m")
    local.list_models(None)
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x07\u202e")


# resolve -------------------------------------------------------------------------------------------------------------


def test_names_that_mean_a_model(tmp_path: Path) -> None:
    listed = [Found(name, "x", Path(f"/models/{number}"), 1) for number, name in enumerate(
        ("Qwen3-4B-Q4_K_M", "qwen3:latest", "qwen3:4b", "lmstudio/Qwen3-4B-Q4_K_M"))]  # fmt: skip
    assert resolve("Qwen3-4B-Q4_K_M", listed) == Path("/models/0")
    assert resolve("qwen3-4b-q4_k_m", listed) == Path("/models/0")
    assert resolve("qwen3", listed) == Path("/models/1")
    assert resolve("qwen3:4b", listed) == Path("/models/2")
    assert resolve("lmstudio/Qwen3-4B-Q4_K_M", listed) == Path("/models/3")
    path = write(tmp_path / "mine.gguf")
    assert resolve(str(path), listed) == path
    assert resolve("~/mine.gguf", listed) == path


def test_names_that_mean_nothing(tmp_path: Path) -> None:
    listed = [Found("Qwen3-4B-Q4_K_M", "x", Path("/m"), 1), Found("gemma3:12b", "x", Path("/g"), 1)]
    for name, words in {
        "Qwen3": ("no model 'Qwen3'", "did you mean 'Qwen3-4B-Q4_K_M'?"),
        "gema3:12b": ("did you mean 'gemma3:12b'?",),
        "zzz": ("promptlab local pull",),
        "~nobody/x": ("no model",),
        "a\0b": ("no model",),
        "x" * 5000: ("no model",),
        "/nowhere/m.gguf": ("no model file /nowhere/m.gguf", "local:/path"),
    }.items():
        with pytest.raises(UsageError) as caught:
            resolve(name, listed)
        said(caught.value, *words)


# pull ----------------------------------------------------------------------------------------------------------------


def test_pull_and_then_it_is_listed(hub: Hub, ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert local.pull("org/name", quiet=False) == 0
    out, err = capsys.readouterr()
    assert out == f"{ours / 'org/name/m-Q4_K_M.gguf'}\n"
    assert "needs" in err and "fits into" in err and "-m local:m-Q4_K_M" in err and "\r" not in err
    local.list_models(None)
    assert "m-Q4_K_M" in capsys.readouterr().out


def test_pull_quietly(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    local.pull("org/name:Q4_K_M", quiet=True)
    assert capsys.readouterr().err == ""


def test_pull_of_nothing(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        local.pull("org/name:Q8_0", quiet=False)
    said(caught.value, "has no Q8_0: Q4_K_M 3 MB")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsError) as offline:
        local.pull("org/name", quiet=False)
    said(offline.value, "can't be reached")


def test_pull_shows_how_far_it_is_on_a_terminal(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    local.pull("org/name", quiet=False)
    lines = capsys.readouterr().err.split("\r")
    assert any("3 of 3 MB" in line and "████████████████████████" in line for line in lines)
    assert all(width(line) < 80 for line in lines[:-1]) and lines[-2].isspace()


def test_interrupted_pull_says_that_it_can_go_on(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: object, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local._Meter, "show", press)
        with pytest.raises(KeyboardInterrupt):
            local.pull("org/name", quiet=False)
    assert "goes on with it" in capsys.readouterr().err
    assert local.pull("org/name", quiet=False) == 0
    assert hub.downloads[1][0].startswith("bytes=")


# remove --------------------------------------------------------------------------------------------------------------


def test_remove_one_of_ours(ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(ours / "org/name/m.gguf")
    (path.parent / ".lock").touch()
    stays = write(ours / "other/name/n.gguf")
    assert local.remove("m", yes=True) == 0
    assert "removed m" in capsys.readouterr().err
    assert not (ours / "org").exists() and stays.is_file()


def test_remove_all_parts(ours: Path) -> None:
    write_split(ours / "org/name", "big", 3)
    stays = write(ours / "org/name/small.gguf")
    local.remove("big", yes=True)
    assert [path for path in (ours / "org/name").iterdir() if path.name != ".lock"] == [stays]


def test_remove_what_is_broken(ours: Path) -> None:
    os.truncate(write(ours / "half.gguf"), 500)
    write_split(ours, "big", 3)[1].unlink()
    local.remove("half", yes=True)
    local.remove("big", yes=True)
    assert list(ours.iterdir()) == []


def test_remove_by_path(ours: Path) -> None:
    path = write(ours / "m.gguf")
    local.remove(str(path), yes=True)
    assert not path.exists()


@pytest.mark.parametrize(
    ("answer", "gone"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_remove_asks(
    answer: str, gone: bool, ours: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(ours / "m.gguf")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert local.remove("m", yes=False) == (0 if gone else 1)
    assert path.exists() is not gone
    assert "remove m (0 MB, " in capsys.readouterr().err


def test_remove_asks_nobody_in_a_pipe(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(ours / "m.gguf")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError) as caught:
        local.remove("m", yes=False)
    said(caught.value, "--yes")
    assert path.exists()


def test_models_of_others_are_not_removed(home: Path, ours: Path) -> None:
    """Each with what its own app calls for; also what only a link in our folder leads to."""
    in_ollama(home / ".ollama/models", "registry.ollama.ai/library/qwen3/4b")
    in_hub(home / ".cache/huggingface/hub", "org/repo", "hubbed.gguf")
    write(home / ".lmstudio/models/p/r/studio.gguf")
    write(home / "jan/models/janned/model.gguf")
    mine = write(home / "mine.gguf")
    write(home / "elsewhere/linked.gguf")
    ours.mkdir(parents=True)
    (ours / "away").symlink_to(home / "elsewhere")
    for name, words in {
        "qwen3:4b": ("ollama rm qwen3:4b",),
        "hubbed": ("hf cache rm model/org/repo",),
        "studio": ("LM Studio",),
        "janned": ("Jan",),
        str(mine): (f"rm {mine}",),
        "linked": (f"rm {ours / 'away/linked.gguf'}",),
    }.items():
        with pytest.raises(UsageError) as caught:
            local.remove(name, yes=True)
        said(caught.value, *words)
    assert len(list(home.rglob("*.gguf"))) == 5 and list(home.rglob("blobs/sha256-*"))


def test_a_link_of_ours_is_removed_and_not_what_it_leads_to(home: Path, ours: Path) -> None:
    target = write(home / "elsewhere.gguf")
    ours.mkdir(parents=True)
    (ours / "m.gguf").symlink_to(target)
    local.remove("m", yes=True)
    assert target.is_file() and not (ours / "m.gguf").is_symlink()


# serve ---------------------------------------------------------------------------------------------------------------


def start(name: Path | str, port: int, home: Path, **more: object) -> subprocess.Popen[bytes]:
    """The server in a process of its own, as the command runs it."""
    arguments = {"port": port, "context": 512, "slots": 1, "anyway": False, **more}
    code = ("import sys\nfrom promptlab.cli import complain, local\nfrom promptlab.errors import LabError\n"
            f"try: sys.exit(local.serve({str(name)!r}, **{arguments!r}))\n"
            "except LabError as error: complain(error); sys.exit(error.exit_code)")  # fmt: skip
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PROMPTLAB_HOME": str(home / "lab"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def facts(out: bytes) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in out.decode().splitlines())


async def post(url: str, key: str, **more: Any) -> tuple[int, bytes]:
    body = {"messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 8, "temperature": 0, **more}
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.post(f"{url}/chat/completions", json=body) as response,
    ):
        return response.status, await response.read()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_serve_at_a_port_until_ctrl_c(weights: Path, home: Path) -> None:
    port = free_port()
    process = start(weights, port, home)
    try:
        told = facts(read_until(process, b"model "))
        assert told["base_url"] == f"http://127.0.0.1:{port}/v1"

        async def ask() -> None:
            status, answer = await post(told["base_url"], told["key"])
            assert status == 200 and json.loads(answer)["choices"][0]["message"]["content"]
            assert (await post(told["base_url"], "another"))[0] == 401
            streams = await asyncio.gather(*(post(told["base_url"], told["key"], stream=True) for _ in range(3)))
            assert all(status == 200 and body.rstrip().endswith(b"data: [DONE]") for status, body in streams)

        asyncio.run(ask())
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    finally:
        done = interrupt(process)
    assert done.code == 0 and "Traceback" not in done.err, done.err
    assert "512 tokens until Ctrl-C" in done.err and "--key-env LOCAL_KEY" in done.err and told["key"] not in done.err
    assert children
    until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the end of the server")


def test_serve_at_any_port(weights: Path, home: Path) -> None:
    process = start(weights, 0, home)
    try:
        told = facts(read_until(process, b"model "))
        assert asyncio.run(post(told["base_url"], told["key"]))[0] == 200
    finally:
        assert interrupt(process).code == 0


def test_serve_notices_that_its_server_died(weights: Path, home: Path) -> None:
    process = start(weights, 0, home)
    read_until(process, b"model ")
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), 9)
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 1 and b"has died" in err and b"Traceback" not in err


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(weights: Path, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        out, err = start(weights, taken.getsockname()[1], home).communicate(timeout=120)
    assert b"can't be used" in err and b"--port 0" in err and b"Traceback" not in err and out == b""


def serve(name: object, *, context: int | None = None, slots: int = 1) -> LabError:
    """The refusal of what must not be served."""
    with pytest.raises(LabError) as caught:
        local.serve(str(name), port=0, context=context, slots=slots, anyway=False)
    return caught.value


def test_what_can_not_be_served(home: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(serve("nothing"), "no model 'nothing'")
    said(serve(write(home / "e.gguf", llama__pooling_type=1)), "no model that answers: embedding")
    os.truncate(write(home / "half.gguf"), 500)
    said(serve(home / "half.gguf"), "cut short")
    said(serve(write(home / "made.gguf")), "can't be loaded")  # a header without the weights that belong to it
    monkeypatch.setattr(room, "available", lambda: 700_000_000)
    said(serve(weights, context=8192, slots=4), "needs 819 MB of memory with 4 × 8192 tokens, and 700 MB are free",
         "--context", "--anyway")  # fmt: skip
