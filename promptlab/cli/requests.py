"""Requests as they go out, for `--dry-run`, and as they went out, for `show --requests`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from promptlab.errors import Sentence
from promptlab.params import Value
from promptlab.render import facts
from promptlab.render.plain import escaped
from promptlab.render.sanitise import clean_line


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request. `key` is the header that carries it, with its variable's name in its place; `exact` is False where
    litellm makes the body and only the sending can tell."""

    target: str
    url: str
    key: str | None
    asked: dict[str, Value]
    sent: dict[str, Value]
    exact: bool
    body: dict[str, Value]
    verdicts: dict[str, str]
    notes: dict[str, str]


def print_requests(requests: Sequence[Outgoing], format: str | None) -> None:
    """Print them as text, as a JSON list, or as a line of JSON each."""
    if format == "json":
        _write(escaped(json.dumps([asdict(request) for request in requests], ensure_ascii=False, indent=2)))
    for request in requests:
        if format == "jsonl":
            _write(escaped(json.dumps(asdict(request), ensure_ascii=False)))
        elif format != "json":
            _write(request_text(request) + "\n")


def request_text(request: Outgoing) -> str:
    """One request as text: keys by their names, nothing that acts on a terminal. A Sentence, whose parts are the lines
    of ours and the body."""
    post = f"POST {clean_line(request.url)}"
    lines = [post if request.exact else Sentence("{line}  (before litellm makes the body)", line=post)]
    lines += [clean_line(request.key)] if request.key else []
    told = facts.parameters(request.asked, request.sent, request.verdicts, request.notes)
    lines += [Sentence("# {line}", line=line) for line in told]
    return Sentence.joined("\n", [*lines, escaped(json.dumps(request.body, ensure_ascii=False, indent=2))])


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
