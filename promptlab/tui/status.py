"""What is true of a pane at a moment, as one line that fits: fields with ranks, the least important dropped first."""

from __future__ import annotations

from typing import NamedTuple

from promptlab.metrics import LEAST_SECONDS, LEAST_TOKENS, Cost, rate, timing, tokens
from promptlab.params import BODY, show
from promptlab.plan import Cell
from promptlab.render import facts
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, width
from promptlab.transcript import State, Transcript
from promptlab.tui.text import Say

ICONS: dict[State, str] = {
    "queued": "…", "connecting": "◌", "waiting": "◌", "thinking": "◔", "answering": "●", "retrying": "↻", "done": "✓",
    "incomplete": "!", "failed": "✗", "cancelled": "■",
}  # fmt: skip
SEPARATOR = " · "


class Field(NamedTuple):
    """A piece of a line; those of a high rank are dropped first."""

    rank: int
    text: str


class Live(NamedTuple):
    """What is counted while a cell runs, by our own estimate."""

    thought: int = 0
    answered: int = 0


def fitted(fields: list[Field], cells: int, separator: str = SEPARATOR) -> str:
    """As many fields as fit, in their order; only the most important one is ever cut."""
    kept = [field for field in fields if field.text]
    while len(kept) > 1 and sum(width(f.text) for f in kept) + (len(kept) - 1) * width(separator) > cells:
        worst = max(range(len(kept)), key=lambda at: (kept[at].rank, at))
        del kept[worst]
    return fit(separator.join(field.text for field in kept), cells)


def title(cell: Cell, cells: int) -> str:
    """The target and what sets the cell apart, in `cells`: the model's name is cut before its parameters are."""
    target = clean_line(cell.target)
    varied = clean_line(" ".join(f"{name.removeprefix(BODY)} {show(value)}" for name, value in cell.varied.items()))
    if not varied:
        return _middle(target, cells)
    varied = fit(varied, max(2, cells * 2 // 3))
    return f"{_middle(target, max(2, cells - width(varied) - 2))}  {varied}"


def _middle(name: str, cells: int) -> str:
    """A target in `cells`: whole, else without its endpoint, else cut."""
    if width(name) <= cells:
        return name
    model = name.rpartition("/")[2]
    return fit(model or name, cells)


def clock(value: float | None) -> str:
    value = value or 0.0
    return f"{value:.0f} s" if value >= 100 else f"{value:.1f} s"


def headline(said: Transcript, live: Live, now: float, say: Say) -> str:
    """The folded thinking, or the line above it: its tokens and its seconds, where there are such."""
    parts = [say("thinking_head")]
    if said.first_thought is None and said.trace in ("hidden", "withheld"):
        parts.append(say(said.trace))
    count = thought_tokens(said, live)
    if count:
        parts.append(say("tokens", count=count))
    if (seconds := timing(said, now).thinking) is not None:
        parts.append(clock(seconds))
    return " ".join(parts)


def thought_tokens(said: Transcript, live: Live) -> str:
    if said.ending:
        counted = tokens(said)
        return f"{'≈' * counted.answer_estimated}{counted.thinking:,}" if counted.thinking else ""
    return f"≈{live.thought:,}" if live.thought else ""


def line(said: Transcript, live: Live, now: float, cost: Cost, say: Say) -> list[Field]:
    """The facts of a cell at `now`, seconds since the run began."""
    fields = [Field(0, state(said, now, say))]
    fields += [Field(1, say.ours(note)) for note in facts.unheeded(said)]
    return fields + (_ended(said, cost, say) if said.ending else _running(said, live, say))


def state(said: Transcript, now: float, say: Say) -> str:
    times = timing(said, now)
    match said.state:
        case "connecting" | "waiting":
            return say(said.state, time=clock(times.total))
        case "thinking":
            return say("thinking", time=clock(times.thinking))
        case "answering":
            return say("answering", time=clock(None if said.first_answer is None else now - said.first_answer))
        case "retrying":
            return say("retrying", why=clean_line(say.ours(said.retried[-1].line())))
        case "failed":
            return say("failed", why=clean_line(say.ours(said.fault.line()) if said.fault else ""))
        case "done" | "incomplete" if said.cut_thinking:
            return say("cut_thinking")
        case "done" if said.finish_reason in facts.CUT:
            return say("cut")
        case "done" if not said.answer:
            return say("empty")
        case other:
            return say(other)


def _running(said: Transcript, live: Live, say: Say) -> list[Field]:
    if said.state == "thinking":
        count, first, last = live.thought, said.first_thought, said.last_thought
    elif said.state == "answering":
        count, first, last = live.answered, said.first_answer, said.last_answer
    else:
        return []
    fields = []
    seconds = last - first if first is not None and last is not None else 0.0
    if count >= LEAST_TOKENS and seconds >= LEAST_SECONDS:
        fields.append(Field(2, say("rate", rate=f"≈{count / seconds:.0f}")))
    if count:
        fields.append(Field(3, say("tokens", count=f"≈{count:,}")))
    return fields


def _ended(said: Transcript, cost: Cost, say: Say) -> list[Field]:
    times, count, speed = timing(said), tokens(said), rate(said)
    fields = []
    if speed is not None:
        fields.append(Field(2, say("rate", rate=f"{'≈' * count.answer_estimated}{speed:.3g}")))
    if count.output is not None:
        fields.append(Field(3, say("tokens", count=f"{'≈' * count.estimated}{count.output:,}")))
    if times.total is not None:
        fields.append(Field(4, say("total", time=clock(times.total))))
    if times.first_answer is not None:
        fields.append(Field(6, say("first", time=facts.seconds(times.first_answer))))
    if times.thinking is not None:
        fields.append(Field(7, say("thought", time=clock(times.thinking))))
    fields.append(Field(5, money(cost, say)))
    if said.attempts > 1:
        fields.append(Field(8, say("attempt", number=said.attempts)))
    if said.cached is not None:
        fields.append(Field(1, say("cached", run=said.cached)))
    return fields


def money(cost: Cost, say: Say) -> str:
    if cost.usd is not None:
        return facts.money(cost)
    return "" if cost.reason == "not answered" else say(cost.reason)


def context(said: Transcript, window: int | None, say: Say) -> str:
    """What of the model's room is used, the question and all before it and the answer together, as the endpoint
    counted them, and what is left; thinking does not go along to the next turn."""
    count = tokens(said)
    if count.input is None or count.answer is None:
        return ""
    used = count.input + count.answer
    about = "≈" * (count.estimated or count.answer_estimated)
    if window is None:
        return say("context_used", used=f"{about}{used:,}")
    return say("context_of", used=f"{about}{used:,}", whole=f"{window:,}", left=f"{about}{max(0, window - used):,}")
