"""The child process that holds llama.cpp; `embedded.py` starts it by its path and talks to it over pipes.

It reads one JSON line on stdin (the settings and the key), writes one on stdout (`port` or `error`), and ends
when stdin does: whoever started it is gone then, whatever killed it. It imports nothing of promptlab.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    """Serve until stdin ends. Exits with 1 after an `error` line."""
    answer = os.dup(1)  # llama.cpp prints where it likes; only this descriptor leads to the parent
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        server = _serve(settings)
    except ImportError as error:
        _say(answer, error=f"xllamacpp can't be imported: {error}", kind="import")
        os._exit(1)
    except RuntimeError as error:  # xllamacpp's only exception; the reason is in what llama.cpp printed
        _say(answer, error=str(error), kind="load")
        os._exit(1)
    _silence()
    _say(answer, port=urlsplit(server.listening_address).port)
    threading.Event().wait()


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def _say(descriptor: int, **line: str | int | None) -> None:
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)


def _silence() -> None:
    """From now on nobody reads what llama.cpp prints, and a file that only grows would fill a disk."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _serve(settings: dict[str, Any]) -> Any:
    """The running server. Raises ImportError, RuntimeError."""
    import xllamacpp

    kind = xllamacpp.ggml_type
    if not settings["exact"]:
        return xllamacpp.Server(_parameters(settings, kind.GGML_TYPE_F16, kind.GGML_TYPE_F16))
    # With K and V both F16, llama.cpp's CPU attention takes another path for a lone sequence of 512 keys or
    # more (its keys split among the threads) than for several at once: same prompt, other bits. Quantised or
    # unequal types have one path only. Q8_0 takes half the memory; it needs flash attention and head sizes
    # that are multiples of 32, and the other pair is for the models that lack them.
    try:
        return xllamacpp.Server(_parameters(settings, kind.GGML_TYPE_Q8_0, kind.GGML_TYPE_Q8_0))
    except RuntimeError:
        return xllamacpp.Server(_parameters(settings, kind.GGML_TYPE_F16, kind.GGML_TYPE_BF16))


def _parameters(settings: dict[str, Any], keys: Any, values: Any) -> Any:
    import xllamacpp

    slots, ubatch = settings["slots"], settings["ubatch"]
    p = xllamacpp.CommonParams()
    p.model.path = settings["model"]
    p.model_alias = {settings["alias"]}  # /v1/models answers without a key: no path there
    p.hostnames, p.port = ["127.0.0.1"], 0
    p.api_keys = [settings["key"]]
    p.cors_origins = "http://127.0.0.1"  # its default lets every web page read the answers
    p.ui = False
    p.endpoint_slots = False
    # More idle kept-alive connections than threads would make new requests wait.
    p.n_threads_http = 2 * slots + 16

    p.n_parallel, p.n_ctx, p.kv_unified = slots, slots * settings["context"], False
    p.n_predict = settings["most"]
    p.cache_type_k, p.cache_type_v = keys, values
    # Small batches: under 64 rows attention is never tiled, whatever the types, and one slot's long prompt
    # holds up the others' next token for one batch only.
    p.n_ubatch, p.n_batch = ubatch, max(ubatch, slots)
    p.cache_ram_mib = settings["cache_mib"]
    p.n_gpu_layers, p.no_op_offload, p.no_kv_offload = 0, True, True  # bits are promised for the CPU only
    p.fit_params = False
    p.warmup = False
    p.use_jinja = True
    p.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_AUTO
    p.verbosity = 2
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings["threads"]
    return p


if __name__ == "__main__":
    main()
