"""`promptlab local list`, `pull`, `remove` and `serve`: the model files on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from promptlab import config
from promptlab.cli.inputs import agreed
from promptlab.config import Places
from promptlab.errors import LabError, UsageError, nearest
from promptlab.providers import disk, gguf, room
from promptlab.providers.disk import Found
from promptlab.providers.gguf import Header, Need
from promptlab.providers.pull import gigabytes
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

_CONTEXT = 4096  # tokens that the table's memory is for
_SERVED = 8192
_FORMATS = ("text", "json")
# From the first that is given up to the last, where a terminal is too narrow for all.
_COLUMNS = ("name", "app", "architecture", "parameters", "quantisation", "context", "thinks", "size", "needs", "fits")
_GIVEN_UP = ("architecture", "app", "context", "parameters", "thinks", "quantisation")
_RIGHT = ("parameters", "context", "size", "needs")


def models(where: Places) -> list[Found]:
    """All model files that are found on this machine."""
    return disk.scan(disk.usual_places(Path.home(), os.environ, sys.platform, where.cache), where.cache)


# list --------------------------------------------------------------------------------------------------------------


def list_models(format: str | None, context: int | None = None) -> int:
    """A table of the models here, with the memory that each needs for a context (in tokens; its own one where that is
    smaller) and whether there is so much."""
    if format not in (None, *_FORMATS):
        raise UsageError(f"--format: '{format}' is not one of {', '.join(_FORMATS)}", nearest(format, _FORMATS))
    size = context or _CONTEXT
    found, free = models(config.places()), room.available()
    if format == "json":
        sys.stdout.write(json.dumps([_item(one, free, size) for one in found], ensure_ascii=True) + "\n")
        return 0
    if not found:
        sys.stderr.write("no model files here: promptlab local pull ORG/NAME fetches one\n")
        return 0
    cells = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in _table(found, free, size, cells):
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
    sys.stderr.write(f"{gigabytes(free)} of memory are free; needs: with a context of {size} tokens\n")
    return 0


def _need(header: Header, context: int) -> Need:
    return gguf.memory(header, min(context, header.context or context))


def _item(one: Found, free: int, context: int) -> dict[str, object]:
    item: dict[str, object] = {"name": one.name, "app": one.app, "path": str(one.path), "size": one.size}
    if one.header is None:
        return {**item, "problem": one.problem}
    header, need = one.header, _need(one.header, context)
    needs = {"context": min(context, header.context or context), "weights": need.weights, "kv": need.kv,
             "margin": need.margin, "total": need.total, "at_most": need.at_most}  # fmt: skip
    return {**item, "kind": header.kind, "architecture": header.architecture, "parameters": header.parameters,
            "quantisation": header.quantisation, "context": header.context, "thinks": header.thinks,
            "needs": needs, "fits": gguf.fits(need, free)}  # fmt: skip


def _table(found: Sequence[Found], free: int, context: int, cells: int | None) -> list[str]:
    """Lines of at most `cells`, where it is given: columns are given up first, and names cut last."""
    rows = [dict(zip(_COLUMNS, _COLUMNS, strict=True)), *(_row(one, free, context) for one in found)]
    columns = list(_COLUMNS)
    widths = {name: max(width(row[name]) for row in rows if name in row) for name in columns if
              any(name in row for row in rows)}  # fmt: skip
    for name in _GIVEN_UP:
        if cells is not None and sum(widths[column] + 2 for column in columns) - 2 > cells:
            columns.remove(name)
    lines = []
    for row in rows:
        texts = [_aligned(row.get(name, ""), name, widths[name]) for name in columns]
        if problem := row.get("problem"):
            texts = [_aligned(row[name], name, widths[name]) for name in columns if name in row] + [problem]
        line = "  ".join(texts).rstrip()
        lines.append(line if cells is None else fit(line, cells))
    return lines


def _aligned(text: str, column: str, cells: int) -> str:
    return " " * (cells - width(text)) + text if column in _RIGHT else pad(text, cells)


def _row(one: Found, free: int, context: int) -> dict[str, str]:
    """What the table says of a model; where its header can't be read, the problem instead."""
    row = {"name": clean_line(one.name), "app": one.app}
    if one.header is None:
        return {**row, "problem": clean_line(one.problem)}
    header, need = one.header, _need(one.header, context)
    return {
        **row,
        "architecture": clean_line(header.architecture)[:24],
        "parameters": _count(header.parameters),
        "quantisation": header.quantisation,
        "context": str(header.context or "?"),
        "thinks": header.thinks if header.kind == "chat" else header.kind,
        "size": gigabytes(one.size),
        "needs": ("≤ " if need.at_most else "") + gigabytes(need.total),
        "fits": "yes" if gguf.fits(need, free) else "no",
    }


def _count(parameters: int) -> str:
    """`135M`, `4.0B`, as models are called."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1000, "K")):
        if parameters >= size:
            return f"{parameters / size:.1f}{unit}" if unit == "B" else f"{parameters / size:.0f}{unit}"
    return str(parameters)


# pull --------------------------------------------------------------------------------------------------------------


def pull(repository: str, *, quiet: bool) -> int:
    """Fetch a model into our own folder; its path goes to stdout, everything else to stderr."""
    from promptlab.providers.pull import pull

    where = config.places()
    meter = _Meter(sys.stderr.isatty() and not quiet)
    try:
        path = pull(repository, where.cache / "models", meter.show)
    except KeyboardInterrupt:
        meter.clear()
        sys.stderr.write("promptlab: interrupted; what came is kept, and the same command goes on with it\n")
        raise
    finally:
        meter.clear()
    need, free = _need(gguf.read(path), _CONTEXT), room.available()
    name = next((one.name for one in models(where) if one.path == path), str(path))
    sys.stdout.write(f"{path}\n")
    if not quiet:
        fits = "fits" if gguf.fits(need, free) else "does not fit"
        sys.stderr.write(
            f"{gigabytes(need.weights)}, needs {gigabytes(need.total)} of memory and {fits} into the "
            f'{gigabytes(free)} that are free\npromptlab ask "…" -m {shlex.quote(clean_line(f"local:{name}"))}\n'
        )
    return 0


class _Meter:
    """One line that is painted again, at most ten times a second; the speed is that of this call, not of one before."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._last = shown, 0.0
        self._began: tuple[float, int] | None = None

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began = now, done
        if not self._shown or (now - self._last < 0.1 and done < total):
            return
        self._last = now
        speed = (done - self._began[1]) / 1e6 / max(0.1, now - self._began[0])
        filled = "█" * round(24 * done / total) if total else ""
        text = f"\r  {filled:░<24} {done / 1e6:7.0f} of {total / 1e6:.0f} MB  {speed:.1f} MB/s"
        sys.stderr.write(text[:78].ljust(78))
        sys.stderr.flush()

    def clear(self) -> None:
        if self._shown and self._last:
            sys.stderr.write("\r" + " " * 79 + "\r")
            sys.stderr.flush()
            self._last = 0.0


# remove ------------------------------------------------------------------------------------------------------------


def remove(name: str, *, yes: bool) -> int:
    """Delete a model that promptlab fetched, all parts of it; asks first. Others' models are theirs to delete."""
    where = config.places()
    found = models(where)
    path = disk.resolve(name, found)
    one = next((one for one in found if one.path.absolute() == path.absolute()), None)
    if one is None or one.app != "promptlab" or not _is_ours(path, where):
        raise UsageError(f"{name} is not promptlab's to remove: {path}", _how_to_remove(one, path))
    files = _files(path)
    size = gigabytes(sum(file.stat().st_size for file in files))
    if not yes and not _confirmed(f"remove {one.name} ({size}, {path})?"):
        sys.stderr.write("nothing was removed\n")
        return 1
    try:
        for file in files:
            file.unlink()
    except OSError as error:
        raise LabError(f"{file} can't be removed: {error.strerror or error}", "check whose it is") from error
    _tidy(path.parent, where.cache / "models")
    sys.stderr.write(f"removed {clean_line(one.name)} ({size})\n")
    return 0


def _is_ours(path: Path, where: Places) -> bool:
    """Whether the file really lies in our folder: a link in it may lead elsewhere."""
    own = where.cache.resolve()
    return path.parent.resolve().is_relative_to(own)


def _files(path: Path) -> list[Path]:
    part = gguf.split_number(path.name)
    files = gguf.split_files(path, part[2]) if part and part[1] == 1 else [path]
    return [file for file in files if file.is_file()]


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to remove it", "add --yes")
    return agreed(question, usual=False)


def _tidy(folder: Path, top: Path) -> None:
    """Remove folders that are empty now, but for the lock of a download."""
    with suppress(OSError):
        while folder != top and folder.is_relative_to(top):
            if any(left.name != ".lock" for left in folder.iterdir()):
                return
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()
            folder = folder.parent


def _how_to_remove(one: Found | None, path: Path) -> str:
    match one.app if one else "":
        case "ollama":
            return f"ollama rm {one.name if one else ''}"
        case "huggingface":
            cached = next((part for part in path.parts if part.startswith("models--")), "models--ORG--NAME")
            return f"hf cache rm model/{cached.removeprefix('models--').replace('--', '/')}"
        case "lmstudio":
            return "delete it in LM Studio, under My Models"
        case "jan":
            return "delete it in Jan, in the settings of llama.cpp"
    return f"it is a file of yours: rm {path}"


# serve -------------------------------------------------------------------------------------------------------------


def serve(name: str, *, port: int, context: int | None, slots: int, anyway: bool) -> int:
    """Serve a model on 127.0.0.1 until Ctrl-C, in the OpenAI chat dialect. `port` 0 takes a free one.

    The key is made for this server and ends with it, so it may be shown: without one, any web page that is open in a
    browser here could use the model.
    """
    path = disk.resolve(name, models(config.places()))
    header = gguf.read(path)
    if header.kind not in ("chat", "text"):
        raise UsageError(f"{name} is no model that answers: {header.kind}", "promptlab local list")
    size = context or min(_SERVED, header.context or _SERVED)
    need, free = gguf.memory(header, size, slots=slots), room.available()
    if not gguf.fits(need, free) and not anyway:
        raise LabError(
            f"{name} needs {'at most ' if need.at_most else ''}{gigabytes(need.total)} of memory with {slots} × {size} "
            f"tokens, and {gigabytes(free)} are free", "make --context smaller, or add --anyway")  # fmt: skip
    if header.context and size > header.context:
        sys.stderr.write(f"promptlab: {size} tokens are more than the {header.context} that it was trained for\n")
    try:
        asyncio.run(_serve(path, port, size, slots))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
    return 0


async def _serve(path: Path, port: int, context: int, slots: int) -> None:
    from promptlab.providers.embedded import EmbeddedServer

    server, door = EmbeddedServer(path, slots=slots, context=context), _Door()
    try:
        if port:
            await door.bind(port)  # one that is taken is told before the model is loaded
        address = await server.start()
        url = await door.open(address.base_url) if port else address.base_url
        _explain(url, address.key, path.stem, context, slots)
        while server.pid:
            await asyncio.sleep(0.5)
        raise LabError(f"the server of {path.name} has died", "there may be too little memory: make --context smaller")
    finally:
        door.close()
        await server.aclose()


class _Door:
    """A port that the user chose; it leads to the server, which listens on one that was free."""

    def __init__(self) -> None:
        self._door: asyncio.Server | None = None
        self._port = self._target = 0

    async def bind(self, port: int) -> None:
        try:
            self._door = await asyncio.start_server(self._let_in, "127.0.0.1", port, start_serving=False)
        except (OSError, OverflowError) as error:
            raise LabError(f"port {port} can't be used: it is taken, or not yours to take",
                           "give another one, or --port 0 for any that is free") from error  # fmt: skip
        self._port = port

    async def open(self, base_url: str) -> str:
        """Lead to the server at that address; returns the address of the door."""
        assert self._door
        self._target = urlsplit(base_url).port or 0
        await self._door.start_serving()
        return f"http://127.0.0.1:{self._port}{urlsplit(base_url).path}"

    def close(self) -> None:
        if self._door:
            self._door.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner: asyncio.StreamWriter | None = None
        # A cancelled handler would be logged as an error.
        with suppress(OSError, asyncio.CancelledError):
            answers, inner = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_pass_on(reader, inner), _pass_on(answers, writer))
        for one in (writer, inner):
            if one:
                one.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


def _explain(url: str, key: str, model: str, context: int, slots: int) -> None:
    sys.stdout.write(f"base_url  {url}\nkey       {key}\nmodel     {clean_line(model)}\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"serving {slots} × {context} tokens until Ctrl-C. In another terminal:\n"
        "  export LOCAL_KEY=…  (the key above)\n"
        f'  promptlab ask "hi" -m {shlex.quote(clean_line(model))} --base-url {url} --key-env LOCAL_KEY\n'
    )
