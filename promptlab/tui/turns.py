"""What was said before in a conversation, as rows above the answer of this turn."""

from __future__ import annotations

from typing import NamedTuple

from promptlab.render.sanitise import clean
from promptlab.request import Message
from promptlab.tui.marked import Row, Span, wrapped
from promptlab.tui.sheet import Sheet
from promptlab.tui.text import Say

_ASKED = "› "


class Turns(NamedTuple):
    """Rows, and where among them this turn's question begins."""

    rows: list[Row]
    last: int


def turns(messages: tuple[Message, ...], cells: int, say: Say) -> Turns:
    """Questions and answers up to this turn's question; none for a first turn, whose question stands in the bar."""
    rows: list[Row] = []
    last = 0
    if not any(message.role == "assistant" for message in messages):
        return Turns(rows, last)
    for message in messages:
        text = clean(message.text, keep=True)
        if message.role == "assistant":
            answer = Sheet(cells, say)
            answer.append(text)
            rows += [answer[number] for number in range(len(answer))]
        elif message.role == "user":
            rows += [()] if rows else []
            last = len(rows)
            for line in (_ASKED + text).rstrip().split("\n"):
                rows += wrapped([Span(line, "asked")], cells)
            rows.append(())
    return Turns(rows, last)
