"""The model files that are on this machine already: in the folders of the apps that keep them, and in our own."""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, Literal

from promptlab.errors import Sentence, UsageError, WeightsError
from promptlab.providers import gguf
from promptlab.providers.gguf import Header

Layout = Literal["tree", "hub", "ollama"]

_SECONDS = 5.0  # for one look at everything; what wasn't read is read by the next one
_MOST_ENTRIES, _MOST_FILES = 50_000, 2000
_MOST_JSON, _MOST_CACHE = 1 << 20, 32 << 20  # bytes of a manifest or a setting, and of our own file
_CACHE, _VERSION = "gguf-headers.json", 1
_OLLAMA_MODEL = "application/vnd.ollama.image.model"
_UNNAMED = ("model", "ggml-model")  # files that only their folder names
_NO_MODELS = ("projector", "adapter", "vocabulary", "other")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of an app. A `tree` is searched for *.gguf, in `depth` levels of folders below it too; a `hub` is a
    Hugging Face cache."""

    app: str
    path: Path
    layout: Layout = "tree"
    depth: int = 5


@dataclass(frozen=True, slots=True)
class Found:
    """One model file. `name` is short and unique among those found together: `local:NAME` means this file.

    `size` is in bytes, of all parts. Where there is no header, `problem` says why. The header is without its
    template: `gguf.read` has it.
    """

    name: str
    app: str
    path: Path
    size: int
    header: Header | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A file before it is read; `names` are what it may be called, the shortest first."""

    app: str
    path: Path
    names: tuple[str, ...]
    status: os.stat_result | None  # None: it should be there and isn't


# Where to look -----------------------------------------------------------------------------------------------------


def usual_places(home: Path, environ: Mapping[str, str], platform: str, own: Path) -> list[Place]:
    """Where the apps keep their models, ours first; `own` is promptlab's cache folder, `platform` is `sys.platform`.

    Sources: huggingface_hub's constants.py; Ollama's FAQ; LM Studio's settings.json and .lmstudio-home-pointer;
    llama.cpp's fs_get_cache_directory; Jan's data folder.
    """
    cache = _variable("XDG_CACHE_HOME", environ, home) or home / ".cache"
    apps = {"win32": _variable("APPDATA", environ, home) or home / "AppData/Roaming",
            "darwin": home / "Library/Application Support"}.get(
                platform, _variable("XDG_DATA_HOME", environ, home) or home / ".local/share")  # fmt: skip
    places = [
        Place("promptlab", own / "models"),
        Place("promptlab", own, depth=0),  # the embedded model
        Place("huggingface", _hub(home, environ, cache), "hub"),
        *(Place("lmstudio", path) for path in _lm_studio(home)),
        *(Place("ollama", path, "ollama") for path in _ollama(home, environ, platform)),
        Place("llama.cpp", _variable("LLAMA_CACHE", environ, home) or _llama_cpp(home, environ, platform, cache)),
        *(Place("jan", base / below) for base in (apps / "Jan/data", home / "jan")
          for below in ("models", "llamacpp/models")),
    ]  # fmt: skip
    return list(dict.fromkeys(places))


def _variable(name: str, environ: Mapping[str, str], home: Path) -> Path | None:
    """The folder that a variable names, with ~ and $NAME in it; None where it is not set."""
    text = environ.get(name, "").strip()
    if not text:
        return None
    text = re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: environ.get(found[1] or found[2], found[0]), text)
    return home / text[2:] if text.startswith(("~/", "~\\")) else home if text == "~" else Path(text)


def _hub(home: Path, environ: Mapping[str, str], cache: Path) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if path := _variable(name, environ, home):
            return path
    return (_variable("HF_HOME", environ, home) or cache / "huggingface") / "hub"


def _lm_studio(home: Path) -> list[Path]:
    """Where the pointer file says; there, the folder that the user has set, and the usual one; and the old one."""
    base = home / ".lmstudio"
    with suppress(OSError, ValueError):
        pointer = _text(home / ".lmstudio-home-pointer").strip()
        base = Path(pointer) if pointer and PurePath(pointer).is_absolute() else base
    chosen = []
    with suppress(OSError, ValueError):
        settings = json.loads(_text(base / "settings.json"))
        folder = settings.get("downloadsFolder") if isinstance(settings, dict) else None
        chosen = [Path(folder)] if isinstance(folder, str) and PurePath(folder).is_absolute() else []
    return [*chosen, base / "models", home / ".cache/lm-studio/models"]


def _ollama(home: Path, environ: Mapping[str, str], platform: str) -> list[Path]:
    chosen = _variable("OLLAMA_MODELS", environ, home)
    service = [Path("/usr/share/ollama/.ollama/models")] if platform == "linux" else []
    return [*([chosen] if chosen else []), home / ".ollama/models", *service]


def _llama_cpp(home: Path, environ: Mapping[str, str], platform: str, cache: Path) -> Path:
    if platform == "win32":
        return (_variable("LOCALAPPDATA", environ, home) or home / "AppData/Local") / "llama.cpp"
    return (home / "Library/Caches" if platform == "darwin" else cache) / "llama.cpp"


# Looking -----------------------------------------------------------------------------------------------------------


def scan(
    places: Sequence[Place],
    cache: Path | None = None,
    *,
    seconds: float = _SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Found]:
    """The model files in these places, in their order; each file once, whatever leads to it.

    Projectors (mmproj), adapters, bare vocabularies and parts of a split model after its first are left out. What
    can't be read is passed over. Headers are kept in `cache` (a folder), so that the next look is fast; the search
    ends after `seconds`, and files that weren't read by then have that as their problem.
    """
    deadline = clock() + seconds
    walk = _Walk(lambda: clock() > deadline)
    known, seen = _Known(cache), set()
    found: list[Found] = []
    names: set[str] = set()
    for file in walk.files(places):
        identity = (file.status.st_dev, file.status.st_ino) if file.status else str(file.path)
        if identity in seen:
            continue
        seen.add(identity)
        one = _look(file, known, walk.late)
        if one.header is None or one.header.kind not in _NO_MODELS:
            name = next(name for name in _candidates(file) if name.casefold() not in names)
            names.add(name.casefold())
            found.append(replace(one, name=name))
    known.save()
    return found


def resolve(name: str, found: Sequence[Found]) -> Path:
    """The file that `local:NAME` means: by its name (in any case; Ollama's `:latest` may be left out), or by its path.

    Raises UsageError with the nearest names.
    """
    wanted = name.casefold()
    for one in found:
        if one.name.casefold() in (wanted, f"{wanted}:latest"):
            return one.path
    with suppress(OSError, RuntimeError):  # the latter for the home of a user that is none
        path = Path(name).expanduser()
        if path.is_file():
            return path
    if name.lower().endswith(".gguf"):
        raise UsageError(Sentence("no model file {name}", name=name),
                         "give the path of a GGUF file: local:/path/model.gguf")  # fmt: skip
    names = {one.name.casefold(): one.name for one in found}
    near = [names[known] for known in names if wanted in known]
    near += [names[known] for known in get_close_matches(wanted, names, 3, 0.5) if names[known] not in near]
    if near:
        hint = Sentence("did you mean {names}? promptlab local list shows what there is",
                        names=Sentence.joined(" or ", map(repr, near[:3])))  # fmt: skip
    else:
        hint = Sentence("promptlab local list shows what there is, and promptlab local pull ORG/NAME gets more")
    raise UsageError(Sentence("no model '{name}' on this machine", name=name), hint)


def _candidates(file: _File) -> Iterator[str]:
    """Names for a file, ever longer; the last ones are numbered."""
    yield from file.names
    yield f"{file.app}/{file.names[0]}"
    number = 2
    while True:
        yield f"{file.app}/{file.names[0]}~{number}"
        number += 1


def _look(file: _File, known: _Known, late: Callable[[], bool]) -> Found:
    one = Found("", file.app, file.path, file.status.st_size if file.status else 0)
    if file.status is None:
        return replace(one, problem="its file is missing")
    header = known.get(file)
    if header is None:
        if late():
            return replace(one, problem="not read yet: look again")
        try:
            header = replace(gguf.read(file.path), template=None)
        except WeightsError as error:
            return replace(one, problem=error.message)
        known.keep(file, header)
    return replace(one, size=header.size, header=header)


@dataclass(slots=True)
class _Walk:
    """A bounded search: `late` claims that time is up. Folders that links lead to are entered, and none twice."""

    late: Callable[[], bool]
    entries: int = 0
    count: int = 0
    entered: set[tuple[int, int]] = field(default_factory=set)

    def files(self, places: Sequence[Place]) -> Iterator[_File]:
        for place in places:
            layout = {"tree": self._tree, "hub": self._hub, "ollama": self._ollama}[place.layout]
            for file in layout(place):
                self.count += 1
                if self.count > _MOST_FILES:
                    return
                yield file

    def _tree(self, place: Place) -> Iterator[_File]:
        for path, status in self._models(place.path, place.depth):
            yield _File(place.app, path, _names(path, path.parent.name), status)

    def _hub(self, place: Place) -> Iterator[_File]:
        """models--ORG--NAME/snapshots/REVISION/…: the newest revision, and what only older ones have."""
        for repository in self._folders(place.path):
            parts = repository.name.split("--")
            if parts[0] != "models" or len(parts) < 2:
                continue
            current = ""
            with suppress(OSError, ValueError):
                current = _text(repository / "refs" / "main").strip()
            taken = set()
            for snapshot in sorted(self._folders(repository / "snapshots"), key=lambda path: path.name != current):
                for path, status in self._models(snapshot, 3):
                    if (relative := path.relative_to(snapshot)) not in taken:
                        taken.add(relative)
                        yield _File(place.app, path, _names(path, parts[-1]), status)

    def _ollama(self, place: Place) -> Iterator[_File]:
        """manifests/HOST/NAMESPACE/MODEL/TAG name the file in blobs/ that holds the model."""
        for host in self._folders(place.path / "manifests"):
            for manifest in self._leaves(host, 4):
                *space, model, tag = manifest.relative_to(host).parts
                if len(space) != 1:
                    continue
                digest = _model_layer(manifest)
                if digest is None:  # no file of one's own: a model that runs elsewhere
                    continue
                path = place.path / "blobs" / f"sha256-{digest}"
                prefix = "" if host.name == "registry.ollama.ai" else f"{host.name}/"
                owner = "" if not prefix and space[0] == "library" else f"{space[0]}/"
                yield _File(place.app, path, (_clean(f"{prefix}{owner}{model}:{tag}"),), _status(path))

    def _models(self, folder: Path, depth: int) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._leaves(folder, depth):
            name = path.name.lower()
            part = gguf.split_number(path.name)
            if not name.endswith(".gguf") or "mmproj" in name or (part and part[1] != 1):
                continue
            if status := _status(path):
                yield path, status

    def _folders(self, folder: Path) -> list[Path]:
        return [path for path, is_folder in self._list(folder) if is_folder]

    def _leaves(self, folder: Path, depth: int) -> Iterator[Path]:
        """Files in a folder and those `depth` below it, in the order of their names."""
        for path, is_folder in self._list(folder):
            if not is_folder:
                yield path
            elif depth:
                yield from self._leaves(path, depth - 1)

    def _list(self, folder: Path) -> list[tuple[Path, bool]]:
        """What is in a folder and not hidden, and whether it is a folder; nothing where it was entered or can't be."""
        found = []
        with suppress(OSError, ValueError):  # the latter for a name that is none
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self.entered:
                return []
            with os.scandir(folder) as entries:
                self.entered.add((status.st_dev, status.st_ino))
                for entry in entries:
                    self.entries += 1
                    if self.entries > _MOST_ENTRIES or self.late():
                        break
                    if not entry.name.startswith("."):
                        found.append((entry.name, _is_folder(entry)))
        return [(folder / name, is_folder) for name, is_folder in sorted(found)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link into itself
        return False


def _status(path: Path) -> os.stat_result | None:
    """The status of a regular file; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _names(path: Path, owner: str) -> tuple[str, ...]:
    """What a file may be called: by itself, or with the folder or repository that it is from."""
    part = gguf.split_number(path.name)
    stem, owner = _clean(part[0] if part else path.stem), _clean(owner)
    if stem.lower() in _UNNAMED and owner:
        return (owner, f"{owner}/{stem}")
    return (stem, f"{owner}/{stem}") if owner else (stem,)


def _clean(name: str) -> str:
    """A name that can be typed: `?` begins the parameters of a target, and some characters can't be seen."""
    return "".join("_" if char == "?" or not char.isprintable() else char for char in name) or "_"


def _model_layer(manifest: Path) -> str | None:
    """The digest of a manifest's model; None where it names none, or isn't a manifest."""
    try:
        layers = json.loads(_text(manifest))["layers"]
        for layer in layers:
            if layer["mediaType"] == _OLLAMA_MODEL:
                found = re.fullmatch(r"sha256:([0-9a-f]{64})", layer["digest"])
                return found[1] if found else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _text(path: Path) -> str:
    """A small file. Raises OSError, and ValueError where it is not a small regular file of text."""
    status = _status(path)
    if status is None or status.st_size > _MOST_JSON:
        raise ValueError(f"{path} is no small file")
    return path.read_text("utf-8")


# Headers that were read before --------------------------------------------------------------------------------------

_KINDS = {"int": int, "str": str, "bool": bool, "Kind": str, "Thinks": str}
_SIMPLE = {f.name: _KINDS[str(f.type)] for f in fields(Header) if str(f.type) in _KINDS}


class _Known:
    """Headers by path, time of change and size, in a file that may be lost, broken or old at any time."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _CACHE if folder else None
        self._kept: dict[str, Any] = {}
        self._is_news = False
        with suppress(OSError, ValueError, RecursionError):
            if self._path and self._path.stat().st_size <= _MOST_CACHE:
                kept = json.loads(self._path.read_text("utf-8"))
                if isinstance(kept, dict) and kept.get("version") == _VERSION and isinstance(kept.get("files"), dict):
                    self._kept = kept["files"]

    def get(self, file: _File) -> Header | None:
        """What was kept for exactly this file; for a split one, while all of its parts are there."""
        entry = self._kept.get(str(file.path))
        if not isinstance(entry, dict) or entry.get("stamp") != _stamp(file):
            return None
        header = _header(entry.get("header"), file.path)
        if header is None or header.splits < 2:
            return header
        try:
            parts = [_status(path) for path in gguf.split_files(file.path, header.splits)]
        except WeightsError:
            return None
        return header if sum(part.st_size if part else 0 for part in parts) == header.size else None

    def keep(self, file: _File, header: Header) -> None:
        kept = {name: value for name, value in asdict(header).items() if name not in ("path", "template")}
        self._kept[str(file.path)] = {"stamp": _stamp(file), "header": kept}
        self._is_news = True

    def save(self) -> None:
        """Write what there is, where it is news. A folder that can't be written to is no reason to fail."""
        if self._path is None or not self._is_news:
            return
        work = self._path.with_name(f".{_CACHE}-{secrets.token_hex(4)}")
        kept = {path: entry for path, entry in self._kept.items() if _status(Path(path))}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            work.write_text(json.dumps({"version": _VERSION, "files": kept}), "utf-8")
            work.replace(self._path)
        except OSError:
            with suppress(OSError):
                work.unlink()


def _stamp(file: _File) -> list[int]:
    return [file.status.st_mtime_ns, file.status.st_size] if file.status else []


def _header(entry: object, path: Path) -> Header | None:
    if not isinstance(entry, dict):
        return None
    heads = entry.get("kv_heads")
    if not isinstance(heads, list) or not all(type(number) is int for number in heads):
        return None
    if not all(type(entry.get(name)) is kind for name, kind in _SIMPLE.items()):
        return None
    try:
        return Header(**{**entry, "kv_heads": tuple(heads), "path": path, "template": None})
    except TypeError:  # a field that is none
        return None
