"""`promptlab models` and `models find`: which models can be used now, as a table or as JSON."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import date

from promptlab.cli.board import Paper, Table
from promptlab.errors import UsageError, nearest
from promptlab.providers.discovery import LIMIT, Server, look
from promptlab.providers.listing import Model
from promptlab.providers.probe import Probe
from promptlab.providers.roster import Cache, Knows, PriceList, Wanted, known, picked
from promptlab.render.wrap import wrap_line

FORMATS = ("text", "json", "jsonl")
REFRESH = 10.0  # seconds; the limit of --refresh
_PROCESS = 0.32  # seconds of its own work and of waiting that the command may take before it prints
_LEAST = 0.15  # seconds; a server on this machine answers in a hundredth of it


def tokens(text: str) -> int:
    """A number of tokens as people write it: 32000, 128k, 1M. Raises UsageError.

    A k is 1000: what is called 128k is 128000 here and 131072 there, and both are meant.
    """
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,3})?)([kKmM]?)", text.strip())
    if not found:
        raise UsageError(f"'{text}' is no number of tokens", "write it as 32000, 128k or 1M")
    return int(float(found[1]) * {"": 1, "k": 1000, "m": 1_000_000}[found[2].lower()])


def patience(refresh: bool = False) -> float:
    """How long to wait for servers, in seconds: what is left of the half second that the whole command may take, and
    no more than discovery's own limit. The time until now is nearly all work, so the process' own clock tells it."""
    return REFRESH if refresh else max(_LEAST, min(LIMIT, _PROCESS - time.process_time()))


def start(probes: Sequence[Probe], limit: float) -> Callable[[], list[Server]]:
    """Begin to look, in a thread of its own, and give the call that waits for what it found: what else a command has
    to read and to import is read and imported meanwhile."""
    import asyncio

    found: Future[list[Server]] = Future()

    def run() -> None:
        try:
            found.set_result(asyncio.run(look(probes, limit=limit)))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found.result


def survey(
    probes: Sequence[Probe], cache: Cache, prices: PriceList, *, limit: float, thinks: Knows | None = None,
    looking: Callable[[], list[Server]] | None = None,
) -> list[Server]:  # fmt: skip
    """Look at all servers (or take what was `start`ed earlier), remember what they said, and fill in what is known of
    their models (see roster.known)."""
    looking = looking or start(probes, limit)
    if paid := [probe.name for probe in probes if not probe.local and (probe.key or not probe.key_names)]:
        prices(paid[0])  # to read the list takes as long as a server to answer: it is read while they do
    servers, now = looking(), time.time()
    found = known(servers, cache, prices, now, thinks=thinks)
    cache.keep(servers, now)
    return found


def show(
    servers: Sequence[Server], wanted: Wanted, *, format: str | None = None, color: str = "auto",
    refreshed: bool = False,
) -> int:  # fmt: skip
    """Print the models that are wanted; exit code 1 where there are none. Raises UsageError for an unknown word.

    On a terminal long lists are shortened and lines are cut to its width; a pipe gets all of it. What is no model goes
    to stderr. `refreshed`: the servers were given the longer time already.
    """
    if format not in (None, *FORMATS):
        raise UsageError(f"--format: '{format}' is not one of {', '.join(FORMATS)}", nearest(format, FORMATS))
    names = [server.name for server in servers]
    if wanted.endpoint is not None and wanted.endpoint not in names:
        raise UsageError(f"unknown endpoint '{wanted.endpoint}'", nearest(wanted.endpoint, names))
    today = date.today().isoformat()
    if format in ("json", "jsonl"):
        return _print_json(servers, wanted, format, today)
    paper = Paper(sys.stdout, color)
    table = Table(servers, wanted, paper.width, today)
    for line in table.lines():
        paper.write(line)
    paper.flush()
    for note in table.notes(refreshed):
        for piece in [note] if paper.width is None else wrap_line(note, paper.width):
            sys.stderr.write(f"{piece.rstrip()}\n")
    return 0 if table.count else 1


def _print_json(servers: Sequence[Server], wanted: Wanted, format: str, today: str) -> int:
    models = picked(servers, wanted, today)
    ages = {server.name: server.age for server in servers}
    listed = [_model_record(model, ages.get(model.endpoint)) for model in models]
    if format == "json":
        asked = [server for server in servers if wanted.endpoint in (None, server.name)]
        records: list[object] = [{"servers": list(map(_server_record, asked)), "models": listed}]
    else:
        records = list(listed)
    for record in records:
        sys.stdout.write(json.dumps(record, ensure_ascii=True) + "\n")
    return 0 if models else 1


def _server_record(server: Server) -> dict[str, object]:
    return {"name": server.name, "base_url": server.base_url, "local": server.local, "software": server.software,
            "version": server.version, "state": server.state, "detail": server.detail, "took": server.took,
            "age": server.age, "key_names": list(server.key_names), "models": len(server.models)}  # fmt: skip


def _model_record(model: Model, age: float | None) -> dict[str, object]:
    price = model.price and {"input": model.price[0], "output": model.price[1]}
    return {"target": model.target, "endpoint": model.endpoint, "id": model.id, "name": model.name, "kind": model.kind,
            "thinks": model.thinks, "context": model.context, "size": model.size, "quantisation": model.quantisation,
            "loaded": model.loaded, "local": model.local, "price": price, "retires": model.retires,
            "source": model.source, "age": age}  # fmt: skip
