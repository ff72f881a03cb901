"""What is true of a cell at a moment, as short words: the line under every pane, the same in every renderer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from promptlab.check import Outcome, carry_all
from promptlab.errors import Fault, Sentence
from promptlab.metrics import Cost, rate, timing, tokens
from promptlab.params import BODY, Value, show
from promptlab.plan import Cell
from promptlab.render.sanitise import clean_line
from promptlab.transcript import Transcript

SEPARATOR = " · "
# Finish reasons that say no more than "it is done", by vendor.
_ORDINARY = {"stop", "end_turn", "STOP", "completed", "eos", "stop_sequence"}
CUT = {"length", "max_output_tokens", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"}


def state(cell: Transcript, now: float) -> str:
    """One or two words on what the cell does at `now` (seconds since the run began)."""
    times = timing(cell, now)
    match cell.state:
        case "queued":
            return "queued"
        case "connecting" | "waiting":
            return f"{cell.state} {seconds(times.total)}"
        case "thinking":
            return f"thinking {seconds(times.thinking)}"
        case "answering":
            return f"answering {seconds(times.answer)}"
        case "retrying":
            return f"retrying after: {clean_line(cell.retried[-1].line())}"
        case "done":
            return "done"
        case "incomplete" | "failed" | "cancelled":
            return cell.state


def ending(cell: Transcript) -> str:
    """Why the cell ended as it did, where there is anything to say (a Sentence); an empty string for an ordinary
    end."""
    reason = clean_line(cell.finish_reason or "")
    if cell.fault is not None:
        return ""  # said in a line of its own
    if cell.state == "cancelled":
        return Sentence("cancelled: what had arrived is kept")
    if cell.cut_thinking:
        why = reason or Sentence("no finish reason")
        return Sentence("cut while thinking ({reason}): no answer came", reason=why)
    if cell.state == "incomplete" and reason:
        return Sentence("not complete: the endpoint says {reason}", reason=reason)
    if cell.state == "incomplete":
        return Sentence("not complete: the stream ended without a finish reason")
    if cell.finish_reason in CUT:
        return Sentence("cut at the token limit ({reason})", reason=reason)
    if not cell.answer and cell.state == "done":
        return Sentence("an empty answer ({reason})", reason=reason)
    return "" if cell.finish_reason in _ORDINARY else Sentence("finish reason: {reason}", reason=reason)


def facts(cell: Transcript, cost: Cost) -> list[str]:
    """The facts of a cell that has ended, the most telling first."""
    times, count, speed = timing(cell), tokens(cell), rate(cell)
    about, answer_about = "≈" * count.estimated, "≈" * count.answer_estimated
    found = []
    if cell.queued is not None and cell.queued >= 1.0:
        found.append(f"queued {seconds(cell.queued)}")
    loading = f" ({seconds(cell.loading)} of it loading or waiting for the model)" if cell.loading is not None else ""
    if times.first_thought is not None:
        found.append(f"first thought {seconds(times.first_thought)}{loading}")
        loading = ""
    if times.first_answer is not None:
        found.append(f"first answer {seconds(times.first_answer)}{loading}")
    if times.thinking is not None:
        tally = f" ({answer_about}{count.thinking} tok)" if count.thinking else ""
        found.append(f"thinking {seconds(times.thinking)}{tally}")
    elif cell.trace in ("hidden", "withheld"):
        tally = f" {count.thinking} tok" if count.thinking else ""
        found.append(f"thinking {cell.trace}{tally}")
    if times.answer is not None:
        found.append(f"answer {seconds(times.answer)}")
    if times.first_answer is None and times.total is not None:
        found.append(f"total {seconds(times.total)}")
    if count.output is not None:
        found.append(f"{about}{count.output} tok" + (" (litellm's count)" if _through_litellm(cell) else ""))
    if speed is not None:
        found.append(f"{answer_about}{speed:.3g} tok/s")
    found.append(money(cost))
    if cell.attempts > 1:
        found.append(f"attempt {cell.attempts}")
    return [fact for fact in found if fact]


def parameters(
    asked: Mapping[str, Value], sent: Mapping[str, Value], verdicts: Mapping[str, str], notes: Mapping[str, str], *,
    brief: bool = False,
) -> list[str]:  # fmt: skip
    """What was asked, what of it went out, and what becomes of it: a line on each that is not simply honoured, and one
    on all the others, with their notes unless it is to be `brief`; Sentences."""
    lines: list[str] = []
    quiet: dict[str, list[str]] = {"honoured": [], "unknown": []}
    for name, value in asked.items():
        word, told = verdicts.get(name, "unknown"), f"{clean_line(name.removeprefix(BODY))} {_value(value)}"
        if name in sent and _differs(value, sent[name]) and not (brief and isinstance(sent[name], dict)):
            told += f" → {_value(sent[name])}"
        if name in sent and word in quiet:
            if notes.get(name) and not brief:
                told = Sentence("{told} ({note})", told=told, note=Sentence.whole(_cleaned(notes[name])))
            quiet[word].append(told)
            continue
        fate = Sentence("{told} sent, {word}" if name in sent else "{told} left out, {word}", told=told,
                        word=Sentence.whole(word))  # fmt: skip
        lines.append(_noted(fate, notes.get(name, "")))
    for name in sent:
        if name not in asked:
            told = f"{clean_line(name)} {_value(sent[name])}"
            lines.append(_noted(Sentence("{told} sent, not asked", told=told), notes.get(name, "")))
    for word, all_ in quiet.items():
        if all_:
            lines.append(Sentence("{word}: {told}", word=Sentence.whole(word), told=Sentence.joined(", ", all_)))
    return lines


def _noted(fate: Sentence, note: str) -> Sentence:
    return Sentence("{fate}: {note}", fate=fate, note=Sentence.whole(_cleaned(note))) if note else fate


def _cleaned(text: str) -> str:
    """A line that is fit to be shown; a Sentence stays one, and has clean slots."""
    shown = clean_line(text)
    if shown == text:
        return text
    if isinstance(text, Sentence):
        # Blanks at a slot's ends part it from what stands beside it.
        made = text.changed(**{name: slot if clean_line(slot) == slot.strip(" ") else _cleaned(slot)
                               for name, slot in text.slots.items()})  # fmt: skip
        if clean_line(made) == made:
            return made
    return shown


def parameter_lines(cell: Transcript, *, brief: bool = False) -> list[str]:
    return parameters(cell.asked, cell.sent, cell.verdicts, cell.notes, brief=brief)


def unheeded(cell: Transcript) -> list[str]:
    """The parameters that are known not to be honoured, in few words: `temperature ignored`."""
    unheeded = ("ignored", "refused", "pinned")
    return [Sentence("{name} {word}", name=clean_line(name), word=Sentence.whole(word))
            for name, word in cell.verdicts.items() if word in unheeded]  # fmt: skip


def _value(value: Value) -> str:
    return clean_line(show(value))


def _differs(asked: Value, sent: Value) -> bool:
    return asked != sent and show(asked) != show(sent)


def usage(cell: Transcript, cost: Cost) -> str:
    """Everything that is counted, on one line (`--usage`)."""
    given = cell.usage
    if given is None:
        count = tokens(cell)
        guess = f"about {count.output} output tokens by our own estimate" if count.output else "nothing was counted"
        return f"the endpoint gave no token counts; {guess}"
    names = (("input", given.input), ("cached", given.cached), ("output", given.output), ("thinking", given.thinking),
             ("billed output", given.billed))  # fmt: skip
    counted = [f"{name} {'unknown' if value is None else value}" for name, value in names]
    return SEPARATOR.join([*counted, money(cost) or "not billed", f"counted by {given.source}"])


def money(cost: Cost) -> str:
    match cost.reason:
        case "reported" | "computed":
            assert cost.usd is not None
            return f"${cost.usd:.2g}" if cost.usd < 0.01 else f"${cost.usd:.4f}".rstrip("0")
        case "local":
            return "no price: local"
        case "cached":
            return "from the cache"
        case "unknown price":
            return "price unknown"
        case "no token count":
            return "cost unknown: no token count"
        case "not answered":
            return ""


_MARKS = {True: "✓", False: "✗", None: "?"}


def outcomes(cell: Cell, said: Transcript, *, allow_run: bool = False) -> tuple[Outcome, ...]:
    """A cell's checks, carried out on what it has answered, however it ended; a failed or cancelled one is not
    judged. Programs are started only where `allow_run` says so."""
    answered = said.state in ("done", "incomplete")
    return carry_all(cell.checks, said.answer if answered else None, run=allow_run)


def checks(found: Iterable[Outcome]) -> str:
    """How checks went, on one line: `checks: lines:4x7 ✗ line 3 has 6`; an empty string where there are none."""
    told = [_judged(one) for one in found]
    return Sentence("checks: {told}", told=Sentence.joined(SEPARATOR, told)) if told else ""


def _judged(one: Outcome) -> str:
    judged = clean_line(f"{one.name} {_MARKS[one.passed]}")
    return Sentence("{check} {note}", check=judged, note=Sentence.whole(_cleaned(one.note))) if one.note else judged


def fault_lines(fault: Fault) -> list[str]:
    """One line on what happened, and one on what to do."""
    lines = [_cleaned(fault.line())]
    return [*lines, Sentence("→ {hint}", hint=Sentence.whole(_cleaned(fault.hint)))] if fault.hint else lines


def context_text(count: int | None) -> str:
    """A number of tokens in short: 128000 and 131072 are both 128k, and 1048576 is 1M."""
    if count is None:
        return "?"
    if count >= 1_000_000:
        return f"{count / 1e6:.1f}".removesuffix(".0") + "M"
    by_1024 = count % 1024 == 0 and count % 1000
    return str(count) if count < 1000 else f"{count // 1024 if by_1024 else round(count / 1000)}k"


def dollars(price: tuple[float, float]) -> str:
    """A price of US dollars a token, in and out, as that of a million: `0.15 / 0.6`."""
    return " / ".join(f"{part:.0f}" if part >= 1000 else f"{part:.3g}" for part in (each * 1e6 for each in price))


def moment(created: str) -> str:
    """The time of something that was written down in UTC, as the user's clock had it: `2026-11-22 18:05`."""
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return created[:16].replace("T", " ")


def seconds(value: float | None) -> str:
    if value is None:
        return "0.0 s"
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def _through_litellm(cell: Transcript) -> bool:
    return cell.usage is not None and cell.usage.source == "litellm"
