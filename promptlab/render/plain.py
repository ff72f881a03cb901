"""Append-only output: answers to stdout, all else to stderr. For pipes, files, screen readers, CI and dumb terminals.

Nothing here moves the cursor. In a terminal (`--plain`) several streams come as whole lines with their number in
front; in a pipe the answers come whole, in the order of the plan, under a heading each, or bare if there is one.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Literal, TextIO

from promptlab.events import Answer, Relabelled, Retrying, Stamped, Started, Thinking
from promptlab.plan import Cell, Plan, Run
from promptlab.render import facts
from promptlab.render.record import Costing, cell_object, dump, run_object
from promptlab.render.sanitise import Sanitiser, clean, clean_line
from promptlab.transcript import Transcript

Format = Literal["text", "md", "json", "jsonl"]


class Notes:
    """What goes to stderr about cells: thinking, states, facts, faults. `quiet` leaves the faults only."""

    def __init__(
        self, plan: Plan, err: TextIO, costing: Costing, *, thinking: bool = True, quiet: bool = False,
        usage: bool = False,
    ) -> None:  # fmt: skip
        self._err, self._costing, self._cells = err, costing, plan.cells
        self._thinking, self._quiet, self._usage = thinking and not quiet, quiet, usage
        self._many = len(plan.cells) > 1

    def say(self, cell: Cell, text: str) -> None:
        mark = f"[{clean_line(cell.label)}] " if self._many else ""
        for line in text.splitlines() or [""]:
            self._err.write(f"{mark}{line}\n")
        self._err.flush()

    def thinking(self, cell: Cell, said: Transcript) -> None:
        if self._thinking and said.thinking:
            self.say(cell, f"thinking ({said.trace}):\n" + clean(said.thinking))

    def end(self, cell: Cell, said: Transcript) -> None:
        if said.fault is not None:
            for line in facts.fault_lines(said.fault):
                self.say(cell, line)
        if note := facts.ending(said):
            self.say(cell, note)
        if self._quiet:
            return
        for line in facts.parameter_lines(said, brief=not self._usage):
            self.say(cell, line)
        if said.fault is None or said.answer:
            self.say(cell, facts.SEPARATOR.join(facts.facts(said, self._costing(cell, said))))
            if judged := facts.checks(facts.outcomes(cell, said)):
                self.say(cell, judged)
        if self._usage:
            self.say(cell, facts.usage(said, self._costing(cell, said)))


class Answers:
    """A sink for a stdout that is no terminal. One answer streams as it comes; of several, each is written when
    all before it have been, so that the output is the same whoever was fastest."""

    def __init__(self, plan: Plan, out: TextIO, notes: Notes, *, raw: bool = False) -> None:
        self._cells, self._out, self._notes, self._raw = plan.cells, out, notes, raw
        self._said = {cell.index: Transcript() for cell in plan.cells}
        self._next = 0
        self._streams = len(plan.cells) == 1
        self._thought = False  # the thinking has been told
        self._safe = Sanitiser(keep=True)
        self._written = ""  # the last characters on stdout

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        said = self._said[number]
        said.apply(at, event)
        if self._streams and type(event) is Answer:
            if said.first_answer == at and not self._thought:  # what came before the answer is read before it
                self._thought = True
                self._notes.thinking(self._cells[0], said)
            if said.first_answer is not None:
                first = said.first_answer == at and not self._written
                self._write(self._shown(event.text.lstrip() if first else event.text))
        elif self._streams and isinstance(event, Relabelled) and self._written:
            self._notes.say(self._cells[0], "what stands on stdout so far was thinking: its opening tag never came")
            self._write("\n")
        elif isinstance(event, Retrying):
            self._notes.say(self._cells[number], facts.state(said, at))
        elif said.ending:
            self._end()

    def _end(self) -> None:
        while self._next < len(self._cells) and self._said[self._next].ending:
            cell, said = self._cells[self._next], self._said[self._next]
            self._next += 1
            if self._streams:
                self._write("" if self._raw else self._safe.close())
                if self._written and not self._written.endswith("\n"):
                    self._write("\n")
                if not self._thought or said.relabelled:
                    self._notes.thinking(cell, said)
            else:
                self._notes.thinking(cell, said)
                self._block(cell, said)
            self._notes.end(cell, said)

    def _block(self, cell: Cell, said: Transcript) -> None:
        gap = "\n" if self._written else ""
        self._write(f"{gap}=== {clean_line(cell.label)} ===\n")
        self._write(said.answer if self._raw else clean(said.answer, keep=True))
        if said.answer:
            self._write("\n")

    def _shown(self, text: str) -> str:
        return text if self._raw else self._safe.feed(text)

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._written = text


class Lines:
    """A sink for a terminal that must not be repainted: whole lines, each with the number of its cell."""

    def __init__(self, plan: Plan, out: TextIO, notes: Notes, *, thinking: bool = True) -> None:
        self._cells, self._out, self._notes, self._thinking = plan.cells, out, notes, thinking
        self._said = {cell.index: Transcript() for cell in plan.cells}
        self._safe = {cell.index: Sanitiser() for cell in plan.cells}
        self._held = dict.fromkeys(self._said, "")
        self._kind: dict[int, str] = {}
        for cell in plan.cells if len(plan.cells) > 1 else ():
            out.write(f"[{cell.index + 1}] is {clean_line(cell.label)}\n")

    def __call__(self, stamped: Stamped) -> None:
        number, at, event = stamped
        said = self._said[number]
        said.apply(at, event)
        if type(event) is Answer or type(event) is Thinking:
            kind = "answer" if type(event) is Answer else "thinking"
            if kind == "thinking" and not self._thinking:
                return
            if self._kind.get(number) != kind:
                self._flush(number)
                self._kind[number] = kind
                self._write(number, f"({kind})")
            self._held[number] += self._safe[number].feed(event.text)
            *lines, self._held[number] = self._held[number].split("\n")
            for line in lines:
                self._write(number, line)
        elif isinstance(event, Relabelled):
            self._flush(number)
            self._write(number, "(what came so far was thinking)")
        elif isinstance(event, Started) and event.attempt == 1:
            self._write(number, "(sent)")
        elif isinstance(event, Retrying):
            self._write(number, f"({facts.state(said, at)})")
        elif said.ending:
            self._flush(number)
            self._notes.end(self._cells[number], said)

    def _flush(self, number: int) -> None:
        rest = self._held[number] + self._safe[number].close()
        self._held[number] = ""
        if rest.strip():
            self._write(number, rest)

    def _write(self, number: int, text: str) -> None:
        mark = f"[{number + 1}] " if len(self._cells) > 1 else ""
        self._out.write(f"{mark}{text}\n")
        self._out.flush()


class Records:
    """A sink that writes a run as data: a line of JSON a cell as each ends (`jsonl`), or the whole at the end as
    one object (`json`) or one document (`md`)."""

    def __init__(
        self, run: Run, out: TextIO, notes: Notes, costing: Costing, format: Format, *, thinking: bool = True
    ) -> None:
        self._run, self._out, self._notes, self._costing = run, out, notes, costing
        self._format, self._thinking = format, thinking
        self._said = {cell.index: Transcript() for cell in run.plan.cells}

    def __call__(self, stamped: Stamped) -> None:
        said = self._said[stamped.cell]
        said.apply(stamped.at, stamped.event)
        if said.ending:
            cell = self._run.plan.cells[stamped.cell]
            if self._format == "jsonl":
                self._write(escaped(dump(cell_object(cell, said, self._costing))) + "\n")
            self._notes.end(cell, said)

    def close(self, state: str) -> None:
        """The run has ended; `state` is how."""
        run = replace(self._run, state=state)
        if self._format == "json":
            self._write(escaped(dump(run_object(run, self._said, self._costing), indent=2)) + "\n")
        elif self._format == "md":
            self._write(markdown(run, self._said, self._costing, thinking=self._thinking))

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


_UNSAFE = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def escaped(text: str) -> str:
    """JSON in which nothing can act on a terminal: what JSON need not escape and a terminal obeys is escaped too."""
    return _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def markdown(run: Run, cells: dict[int, Transcript], costing: Costing, *, thinking: bool) -> str:
    """A run as one Markdown document: model, parameters and times beside each answer."""
    parts = [markdown_head(run)]
    parts += [markdown_cell(cell, cells[cell.index], costing, thinking=thinking) for cell in run.plan.cells]
    return "\n".join(parts)


def markdown_head(run: Run) -> str:
    """What stands above the cells of a run."""
    plan = run.plan
    parts = [f"# Run {run.id if run.id is not None else ''}".rstrip(), f"{run.created}"]
    if plan.profile:
        parts.append(f"Profile: {clean_line(plan.profile)}")
    parts.append("\n".join(f"> {line}" for line in clean(plan.prompt, keep=True).splitlines()))
    return _paragraphs(parts)


def markdown_cell(cell: Cell, said: Transcript, costing: Costing, *, thinking: bool, allow_run: bool = False) -> str:
    """One cell under a heading of its own."""
    parts = [f"## {clean_line(cell.label)}"]
    if told := facts.parameter_lines(said):
        parts.append("\n".join(f"- {line}" for line in told))
    if thinking and said.thinking:
        inner = clean(said.thinking, keep=True)
        parts.append(f"<details><summary>Thinking ({said.trace})</summary>\n\n{inner}\n\n</details>")
    parts.append(clean(said.answer, keep=True))
    end = facts.fault_lines(said.fault) if said.fault else [facts.ending(said)]
    judged = facts.checks(facts.outcomes(cell, said, allow_run=allow_run))
    lines = [*filter(None, end), judged, facts.SEPARATOR.join(facts.facts(said, costing(cell, said)))]
    parts.append("\n".join(f"*{line}*  " for line in lines if line))
    return _paragraphs(parts)


def _paragraphs(parts: list[str]) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"
