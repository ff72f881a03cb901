"""Whether two answers are one value by mathematics: x(x+1) and x^2+x. By math-verify where it is installed.

It works in a process of its own: hostile expressions (9^9^9^9) can't be stopped in ours, and math-verify's own time
limit is an alarm, which raises in threads. Without it normal forms decide, and the result says so.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from itertools import combinations
from typing import Literal, NamedTuple

from promptlab.extract import normalise

"""The extra of the package that brings math-verify."""

_LONGEST = 2_000  # characters of an expression
_DIFFERENT = 40  # answers that are compared each with each
_MEMORY = 2 << 30  # bytes of address space


class Equal(NamedTuple):
    """`by` says who decided: `math`, or `form` where the normal forms are all that was compared (or the same)."""

    same: bool
    by: Literal["math", "form"]


def available() -> bool:
    """Whether math-verify is installed."""
    return find_spec("math_verify") is not None


def equal(a: str, b: str, seconds: float = 60.0) -> Equal:
    """Whether two answers are equal: the same normal form, or the same value by math-verify."""
    return equal_each([(a, b)], seconds)[0]


def equal_each(pairs: Sequence[tuple[str, str]], seconds: float = 60.0) -> list[Equal]:
    """`equal` for many pairs in one process, which takes about a second to start. What it has not decided after
    `seconds` is decided by normal forms."""
    found = [Equal(normalise(a) == normalise(b), "form") for a, b in pairs]
    open_pairs = [place for place, one in enumerate(found) if not one.same and _fits(*pairs[place])]
    if open_pairs and available():
        for place, same in zip(open_pairs, _asked([pairs[place] for place in open_pairs], seconds), strict=False):
            if same is not None:
                found[place] = Equal(same, "math")
    return found


def classes(labels: Iterable[str | None], seconds: float = 60.0) -> dict[str, str]:
    """For each different answer the one that stands for all equal to it: the commonest of them, else the first.

    The 40 commonest are compared each with each; others stand for themselves.
    """
    counts = Counter(label for label in labels if label is not None)
    order = [label for label, _ in counts.most_common()]
    stands = {label: label for label in order}
    pairs = list(combinations(order[:_DIFFERENT], 2))
    for (first, second), verdict in zip(pairs, equal_each(pairs, seconds), strict=True):
        if verdict.same and stands[second] == second:
            stands[second] = stands[first]
    return stands


def serve() -> None:
    """The process's own part: pairs as JSON from stdin, one verdict a line to stdout."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no limits on this system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    from math_verify import parse, verify

    for a, b in json.load(sys.stdin):
        try:
            one, other = (parse(f"${text}$", raise_on_error=False) for text in (a, b))
            same = bool(one and other and verify(one, other, raise_on_error=False))
            said = json.dumps(same if one and other else None)
        except Exception:
            said = "null"
        print(said, flush=True)


def _asked(pairs: Sequence[tuple[str, str]], seconds: float) -> list[bool | None]:
    # -P: a math_verify.py that lies in the current folder is not what was meant.
    command = [sys.executable, "-P", "-c", "from promptlab.extract.equality import serve; serve()"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
    ) as process:
        try:
            said, _ = process.communicate(json.dumps(pairs), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
    return [{"true": True, "false": False}.get(line) for line in said.splitlines()]


def _fits(a: str, b: str) -> bool:
    """Whether there is mathematics to compare: words alone are not worth a process."""
    return all(
        0 < len(text) <= _LONGEST and any(char.isdigit() or char in "\\^=+-*/" for char in text) for text in (a, b)
    )
