"""Model files from a Hugging Face repository: chosen, fetched, gone on with where it stopped, and checked to the bit.

The hub is asked through huggingface_hub: its client, proxies, certificates and errors. The bytes are fetched here,
because its own download keeps nothing of one that was interrupted (hf_hub_download since 1.0 writes to a file of a
random name). Nothing is sent but the requests themselves; a token only where HF_TOKEN is set, and only to the hub.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from promptlab import __version__
from promptlab.errors import LabError, UsageError, WeightsError
from promptlab.providers import gguf
from promptlab.providers.http import LOOPBACK

if TYPE_CHECKING:
    from hashlib import _Hash

Progress = Callable[[int, int], None]

_HUB = "https://huggingface.co"
_PREFERRED = ("Q4_K_M", "Q8_0")
_CONNECT, _SILENCE = 10.0, 30.0  # seconds
_CHUNK = 1 << 20
_SPARE = 64 << 20  # bytes that stay free on the disk
_MOST_LISTED = 30

_REPOSITORY = re.compile(r"([\w.-]{1,96}/[\w.-]{1,96})(?::(.+)|/(?:(?:resolve|blob)/main/)?(.+\.gguf))?", re.ASCII)
_PREFIX = re.compile(r"(?:https?://)?(?:huggingface\.co|hf\.co)/|hf://")
_LABEL = re.compile(
    r"(?<![a-z0-9])(?:ud-)?(?:i?q\d\w*|tq\d\w*|bf16|f16|f32|mxfp4\w*|nvfp4)(?![a-z0-9_])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file in a repository. `digest` is its SHA-256 from LFS, or git's own where it is no LFS file."""

    path: str
    size: int
    digest: str
    is_lfs: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A model in a repository: one file, or all parts of a split one in their order."""

    parts: tuple[Remote, ...]

    @property
    def path(self) -> str:
        return self.parts[0].path

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def label(self) -> str:
        """Its quantisation as the name has it, or the name."""
        name = PurePosixPath(self.path).name
        found = _LABEL.findall(name) or _LABEL.findall(self.path)
        return str(found[-1]) if found else name


def pull(repository: str, into: Path, progress: Progress) -> Path:
    """Fetch a model to `into`/ORG/NAME/ and return its (first) file; `progress` gets bytes so far and in all. Blocks.

    `repository` is ORG/NAME, ORG/NAME:QUANT or ORG/NAME:FILE; without a choice Q4_K_M is taken, else Q8_0, else the
    only one. What an interruption leaves is gone on with by the next call. Raises UsageError for what can't be meant
    and WeightsError for what can't be had.
    """
    name, wanted = parse(repository)
    hub = _Hub(os.environ.get("HF_ENDPOINT", "").strip() or _HUB, os.environ.get("HF_TOKEN", "").strip())
    revision, remotes = hub.files(name)
    choice = choose(name, wanted, remotes)
    folder = into.joinpath(*name.split("/"))
    try:
        return _fetch(hub, name, revision, choice, folder, progress)
    except OSError as error:
        raise _disk_error(error, folder) from error


def parse(repository: str) -> tuple[str, str]:
    """Repository and what is wanted of it (empty where nothing is said), also from an address of the hub's pages."""
    found = _REPOSITORY.fullmatch(_PREFIX.sub("", repository.strip(), count=1).rstrip("/"))
    if not found or ".." in found[1]:
        raise UsageError(
            f"'{repository}' is no repository", "write it as ORG/NAME, ORG/NAME:Q4_K_M or ORG/NAME:FILE.gguf"
        )
    return found[1], found[2] or found[3] or ""


def choose(repository: str, wanted: str, remotes: Iterable[Remote]) -> Choice:
    """The model that is wanted. Raises UsageError, which lists what there is, where it isn't exactly one."""
    choices = _choices(remotes)
    if not choices:
        raise UsageError(f"{repository} holds no GGUF model", "look for one whose name ends in -GGUF")
    if wanted.lower().endswith(".gguf"):
        found = [one for one in choices
                 if any(wanted in (part.path, PurePosixPath(part.path).name) for part in one.parts)]  # fmt: skip
    elif wanted:
        found = _of_kind(choices, wanted)
    else:
        kinds = (_of_kind(choices, kind) for kind in _PREFERRED)
        found = next((of_kind for of_kind in kinds if of_kind), choices)
    if len(found) == 1:
        return found[0]
    several = found or choices
    labels = [one.label for one in several]
    listed = [f"{label if labels.count(label) == 1 else one.path} {gigabytes(one.size)}"
              for one, label in zip(several, labels, strict=True)]  # fmt: skip
    more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    what = f"{repository} has no {wanted}" if not found else f"{repository} has {len(found)} models"
    named = labels[0] if labels.count(labels[0]) == 1 else several[0].path
    raise UsageError(f"{what}: {', '.join(listed[:_MOST_LISTED])}{more}", f"say which: {repository}:{named}")


def gigabytes(size: int) -> str:
    """`2.5 GB`, or `93 MB` below one."""
    return f"{size / 1e9:.1f} GB" if size >= 999_500_000 else f"{size / 1e6:.0f} MB"


def _choices(remotes: Iterable[Remote]) -> list[Choice]:
    """The models among the files; not projectors, not split ones of which a part is missing."""
    groups: dict[str, dict[int, Remote]] = {}
    counts: dict[str, int] = {}
    for remote in sorted(remotes, key=lambda remote: remote.path):
        path = PurePosixPath(remote.path)
        if path.suffix.lower() != ".gguf" or "mmproj" in path.name.lower() or not _is_safe(remote.path):
            continue
        stem, number, count = gguf.split_number(path.name) or (path.name, 1, 1)
        key = f"{path.parent}/{stem}/{count}"
        groups.setdefault(key, {})[number] = remote
        counts[key] = count
    return [Choice(tuple(parts[number] for number in sorted(parts)))
            for key, parts in groups.items() if sorted(parts) == list(range(1, counts[key] + 1))]  # fmt: skip


def _of_kind(choices: Sequence[Choice], kind: str) -> list[Choice]:
    """Those with the quantisation as a word in their path; the plain one before Unsloth's dynamic one (UD-)."""
    word = re.compile(rf"(?<![a-z0-9]){re.escape(kind)}(?![a-z0-9_])", re.IGNORECASE)
    found = [one for one in choices if word.search(one.path)]
    plain = [one for one in found if f"ud-{kind}".lower() not in one.path.lower()]
    return plain or found


def _is_safe(path: str) -> bool:
    """Whether a name from the hub stays below the folder that it is put into, on every system."""
    parts = path.split("/")
    return path.isprintable() and not re.search(r'[\\:*?"<>|]', path) and all(
        0 < len(part) < 200 and not part.startswith(".") and not part.endswith((".", " ")) for part in parts
    )  # fmt: skip


# Fetching ----------------------------------------------------------------------------------------------------------


def _fetch(hub: _Hub, name: str, revision: str, choice: Choice, folder: Path, progress: Progress) -> Path:
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder.joinpath(*part.path.split("/")) for part in choice.parts]
    pairs = list(zip(choice.parts, targets, strict=True))
    try:
        with FileLock(folder / ".lock", timeout=0):
            _check_room(folder, choice.size - sum(_had(remote, target) for remote, target in pairs))
            before = 0
            for remote, target in pairs:
                if not _is_there(remote, target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _download(hub, name, revision, remote, target, _after(before, choice.size, progress))
                before += remote.size
                progress(before, choice.size)
            return targets[0]
    except Timeout:
        raise WeightsError(f"{name} is being fetched by another promptlab already", "wait for it") from None


def _after(before: int, total: int, progress: Progress) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def _had(remote: Remote, target: Path) -> int:
    """Bytes of it that are here."""
    return min(remote.size, max(_size(target), _size(_part(remote, target))))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_there(remote: Remote, target: Path) -> bool:
    return _size(target) == remote.size and _hash(remote, target).hexdigest() == remote.digest


def _part(remote: Remote, target: Path) -> Path:
    """Where it grows: the digest in the name keeps what came of another version from being gone on with."""
    return target.with_name(f".{target.name}.{remote.digest[:16]}.part")


def _hash(remote: Remote, path: Path | None = None) -> _Hash:
    """The hash that the hub names a file by, of nothing or of what is in a file; ready for more."""
    digest = hashlib.sha256() if remote.is_lfs else hashlib.sha1(b"blob %d\0" % remote.size, usedforsecurity=False)
    if path is not None and path.is_file():
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest


def _download(hub: _Hub, name: str, revision: str, remote: Remote, target: Path, report: Callable[[int], None]) -> None:
    """Fetch one file under its own name once it is whole and right; connects again as long as each time brings more."""
    part = _part(remote, target)
    for other in target.parent.glob(f".{_literal(target.name)}.*.part"):
        if other != part or _size(part) > remote.size:
            other.unlink()
    digest = _hash(remote, part)
    while (before := _size(part)) < remote.size:
        try:
            digest = hub.append(name, revision, remote, part, digest, report)
        except _Interrupted as error:
            if _size(part) <= before:
                raise error.reason from error
            digest = _hash(remote, part)
    if _size(part) != remote.size or digest.hexdigest() != remote.digest:
        part.unlink()
        raise WeightsError(f"{target.name} is not what {hub.host} promised (its checksum is wrong) and was thrown away",
                           "run it again; if it stays so, a proxy or the mirror alters the file")  # fmt: skip
    part.replace(target)


def _literal(name: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", name)


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted + _SPARE > free:
        raise WeightsError(f"{gigabytes(wanted)} are to be fetched, and {gigabytes(free)} are free in {folder}",
                           "make room, take a smaller quantisation, or set PROMPTLAB_HOME to another disk")  # fmt: skip


def _disk_error(error: OSError, folder: Path) -> WeightsError:
    if errno.errorcode.get(error.errno or 0) in ("ENOSPC", "EDQUOT"):  # the latter is not known to Windows
        return WeightsError(f"the disk of {folder} is full", "make room and run it again: it goes on where it stopped")
    return WeightsError(f"{folder} can't be written to: {error.strerror or error}", "make that folder writable")


# The hub -----------------------------------------------------------------------------------------------------------


class _Interrupted(Exception):
    """The connection broke in the middle; `reason` is what to say if it doesn't come back."""

    def __init__(self, reason: LabError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class _Hub:
    """The hub at an address. Raises WeightsError in its own words: the library's run over pages."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        try:
            parts = urlsplit(self._endpoint)
            self.host = parts.hostname or ""
            usable = parts.scheme in ("http", "https") and bool(self.host) and "@" not in parts.netloc
        except ValueError:
            usable = False
        if not usable:
            raise UsageError("HF_ENDPOINT is no address of a hub", f"write it as {_HUB}, or unset it")
        if token and not (token.isascii() and token.isprintable()):
            raise UsageError("HF_TOKEN holds a character that no token has", "export HF_TOKEN=… again")
        self._token = token if token and _may_carry(self._endpoint) else None

    def files(self, repository: str) -> tuple[str, list[Remote]]:
        """The newest revision, and its files."""
        import httpx
        from huggingface_hub import HfApi, constants
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        constants.HF_HUB_DISABLE_TELEMETRY = True  # or it asks the hub which programs to look for on this machine
        api = HfApi(self._endpoint, token=False, library_name="promptlab", library_version=__version__)
        try:
            found = api.model_info(repository, files_metadata=True, timeout=_CONNECT, token=self._token or False)
        except HFValidationError as error:
            raise UsageError(f"'{repository}' is no repository", "write it as ORG/NAME") from error
        except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
            raise self._refusal(error, repository) from error
        except (ValueError, TypeError, KeyError, AttributeError, httpx.InvalidURL) as error:
            raise self._no_hub() from error
        remotes = []
        for file in found.siblings or ():
            digest = file.lfs.sha256 if file.lfs else file.blob_id
            if not isinstance(file.size, int) or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", str(digest)):
                if str(file.rfilename).lower().endswith(".gguf"):
                    raise WeightsError(f"{self.host} gives no checksum for the files of {repository}",
                                       "use a hub that does: unset HF_ENDPOINT")  # fmt: skip
                continue
            remotes.append(Remote(str(file.rfilename), file.size, str(digest), bool(file.lfs)))
        return found.sha or "main", remotes

    def append(
        self, repository: str, revision: str, remote: Remote, part: Path, digest: _Hash, report: Callable[[int], None]
    ) -> _Hash:
        """Fetch what is missing at the end of the file, or all of it where the server knows no middle; its new hash.

        Raises _Interrupted where the connection breaks, WeightsError for a refusal.
        """
        import httpx
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError
        from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

        start = _size(part)
        url = hf_hub_url(repository, remote.path, revision=revision, endpoint=self._endpoint)
        headers = {"user-agent": f"promptlab/{__version__}", "accept-encoding": "identity"}
        if start:
            headers["range"] = f"bytes={start}-"
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"  # httpx drops it where it is sent on to another host
        timeout = httpx.Timeout(_SILENCE, connect=_CONNECT)
        try:
            with get_session().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=True) as response:
                hf_raise_for_status(response)
                if start and not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
                    start, digest = 0, _hash(remote)
                with part.open("r+b" if start else "wb") as file:
                    file.seek(start)
                    for chunk in response.iter_bytes():
                        file.write(chunk)
                        digest.update(chunk)
                        start += len(chunk)
                        report(min(start, remote.size))
                        if start > remote.size:
                            break
                    file.flush()
                    os.fsync(file.fileno())  # before it gets its name
        except (httpx.TransportError, httpx.StreamError) as error:
            raise _Interrupted(self._refusal(error, repository)) from error
        except HfHubHTTPError as error:
            if error.response.status_code == 416:  # no such middle: what is here can't be gone on with
                part.unlink()
            raise self._refusal(error, repository) from error
        if start < remote.size:  # a body that ended early and said that it was all
            raise _Interrupted(self._broken_off())
        return digest

    def _broken_off(self) -> WeightsError:
        return WeightsError(f"the connection to {self.host} broke off", "run it again: it goes on where it stopped")

    def _no_hub(self) -> WeightsError:
        return WeightsError(f"{self.host} doesn't answer as a Hugging Face hub", "check HF_ENDPOINT and your proxy")

    def _refusal(self, error: Exception, repository: str) -> WeightsError:
        """Why the hub gave nothing, and what to do."""
        import httpx
        from huggingface_hub import errors

        match error:
            case errors.OfflineModeIsEnabled():
                return WeightsError(f"{self.host} is not asked: HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
            case errors.GatedRepoError():
                return WeightsError(f"{repository} is given only to those who accept its terms",
                                    f"accept them at {self._endpoint}/{repository}, and export HF_TOKEN=…")  # fmt: skip
            case errors.RepositoryNotFoundError() | errors.DisabledRepoError():
                return WeightsError(f"{self.host} has no repository {repository}, or hides it",
                                    "check the name; for a private one, export HF_TOKEN=…")  # fmt: skip
            case errors.HfHubHTTPError():
                status = error.response.status_code
                hint = {401: "HF_TOKEN is not valid there", 403: "HF_TOKEN lacks the right, or your network forbids it",
                        404: "check the name of the repository", 429: "try again later, or export HF_TOKEN=…",
                        }.get(status, "try again later")  # fmt: skip
                return WeightsError(f"{self.host} refuses {repository}: HTTP {status}", hint)
            case httpx.ReadTimeout() | httpx.ReadError() | httpx.RemoteProtocolError():
                return self._broken_off()
            case httpx.TransportError() if "CERTIFICATE" in str(error).upper():
                return WeightsError(
                    f"the certificate of {self.host} is not trusted", "check SSL_CERT_FILE and your proxy"
                )
        return WeightsError(
            f"{self.host} can't be reached",
            "connect and run it again, name a mirror (HF_ENDPOINT=https://…), or use a file: -m local:/path/model.gguf",
        )


def _may_carry(url: str) -> bool:
    """Whether a token may go there: not readable on the way, or not on any way at all."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK
