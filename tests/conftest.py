"""What several test modules share."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptlab.providers import weights as default_weights
from tests.command import Lab, Servers
from tests.test_audit import Answer, Body, Model, Start


class _Keeping(logging.Handler):
    """Keeps the errors that are told to it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kept: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.kept.append(record.exc_info[1])


@pytest.fixture(autouse=True)
def faults() -> Iterator[list[BaseException]]:
    """The errors that were kept from ending a screen. A test that plants one takes it out; any other fails by it."""
    handler, logger = _Keeping(), logging.getLogger("promptlab")
    logger.addHandler(handler)
    yield handler.kept
    logger.removeHandler(handler)
    if handler.kept:
        raise handler.kept[0]


@pytest.fixture(autouse=True)
def _collections() -> Iterator[None]:
    """The screen lets garbage be collected seldom, in all of its process: a later test would measure its memory so."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()
    gc.unfreeze()


@pytest.fixture(scope="session")
def weights() -> Path:
    """The embedded model's file: kept in PROMPTLAB_TEST_CACHE or .cache/weights, and fetched for real, once."""
    repository = Path(__file__).parents[1]
    cache = Path(os.environ.get("PROMPTLAB_TEST_CACHE") or repository / ".cache" / "weights")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # several workers: one fetches, the others wait for it
        fcntl.flock(lock, fcntl.LOCK_EX)
        return default_weights.cached(cache) or default_weights.fetch(cache, lambda done, total: None)


@pytest.fixture
def serve() -> Iterator[Servers]:
    """Starts servers that answer with given bytes, for a test that runs the command against them."""
    servers = Servers()
    try:
        yield servers
    finally:
        servers.close()


@pytest.fixture
def model(serve: Servers) -> Start:
    """Starts a server that answers each request by what it asks, and says that this was all."""

    def start(answer: Callable[[Body], Answer]) -> Model:
        server = Model(answer)
        server.reason = "stop"
        serve.serve(server)
        return server

    return start


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The command itself, with an empty home."""
    return Lab(tmp_path)
