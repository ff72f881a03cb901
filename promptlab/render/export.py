"""A run as rows that other programs read: CSV, JSON lines, Parquet, Markdown, chat messages. One cell at a time.

Every row says where it comes from: run, cell, target, model, endpoint, what was asked and what was sent, verdicts,
profile and its hash, times, tokens, cost, messages, thinking, answer and checks.

A CSV is opened by spreadsheets, which take a text that begins with = + - @ for a formula. Such a text, and one that
begins with ', has one ' before it (white space before the sign changes nothing); who takes one ' off where a text
begins with one has what was said, to the character. Numbers are written as numbers, what is not known is empty."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from promptlab.errors import UsageError
from promptlab.plan import Cell, Plan, Run
from promptlab.render.facts import CUT
from promptlab.render.plain import escaped, markdown_cell, markdown_head
from promptlab.render.record import Costing, cell_object, dump
from promptlab.transcript import Transcript

Said = tuple[Cell, Transcript]
ROWS = ("csv", "jsonl", "parquet", "md", "sft")
_BATCH = 256  # rows of a Parquet file that are held at once
_FORMULA = re.compile(r"\s*[=+\-@'＝＋－＠]|[\t\r\n]")
_TAGS = re.compile(r"</?think>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """What holds for all rows. `bom` writes a CSV as Excel wants it; `allow_run` lets checks start programs."""

    run: Run
    costing: Costing
    thinking: bool = True
    bom: bool = False
    allow_run: bool = False


def write(format: str, rows: Iterable[Said], given: Given) -> Iterator[str]:
    """The text of an export, piece by piece: csv, jsonl, md or sft. Raises UsageError for another format."""
    match format:
        case "csv":
            return _csv(rows, given)
        case "jsonl":
            return (escaped(dump(record(cell, said, given))) + "\n" for cell, said in rows)
        case "md":
            return _markdown(rows, given)
        case "sft":
            return (line for cell, said in rows if (line := chat(cell, said, thinking=given.thinking)) is not None)
    raise UsageError(f"--format: '{format}' is not one of {', '.join(ROWS)}")


def _markdown(rows: Iterable[Said], given: Given) -> Iterator[str]:
    yield markdown_head(given.run)
    for cell, said in rows:
        yield "\n" + markdown_cell(
            cell, said, given.costing, thinking=given.thinking, allow_run=given.allow_run
        )  # fmt: skip


def record(cell: Cell, said: Transcript, given: Given) -> dict[str, Any]:
    """A cell as `--format json` has it everywhere, with its run, its profile and its place in the sweep."""
    run, plan = given.run, given.run.plan
    found = cell_object(cell, said, given.costing, allow_run=given.allow_run)
    if not given.thinking:
        found["thinking"] |= {"text": None, "opaque": []}
    profile = str(cell.values["profile"]) if cell.values.get("profile") else plan.profile
    head = {"run": run.id, "created": run.created, "profile": profile,
            "profile_sha256": plan.profiles.get(profile or ""),
            "values": dict(cell.values), "repeat": cell.repeat, "row": cell.row}  # fmt: skip
    return head | found | {"requested_model": cell.request.model or None, "attempts": said.attempts}


# -- a flat row ------------------------------------------------------------------------------------------------------

_INT, _FLOAT, _BOOL, _TEXT = "int64", "float64", "bool_", "string"
# Column, type, and where it stands in a record.
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("run", _INT, "run"), ("created", _TEXT, "created"), ("profile", _TEXT, "profile"),
    ("profile_sha256", _TEXT, "profile_sha256"), ("cell", _INT, "index"), ("target", _TEXT, "target"),
    ("endpoint", _TEXT, "endpoint"), ("model", _TEXT, "model"), ("requested_model", _TEXT, "requested_model"),
    ("repeat", _INT, "repeat"), ("row", _INT, "row"), ("values", _TEXT, "values"), ("state", _TEXT, "state"),
    ("finish_reason", _TEXT, "finish_reason"), ("complete", _BOOL, "complete"), ("error", _TEXT, "error"),
    ("attempts", _INT, "attempts"), ("cached_from_run", _INT, "cached"),
    ("answer", _TEXT, "answer"), ("thinking", _TEXT, "thinking.text"),
    ("thinking_kind", _TEXT, "thinking.kind"), ("checks", _TEXT, "checks"), ("passed", _BOOL, "passed"),
    ("messages", _TEXT, "messages"), ("asked", _TEXT, "parameters.asked"), ("sent", _TEXT, "parameters.sent"),
    ("verdicts", _TEXT, "parameters.verdicts"), ("notes", _TEXT, "parameters.notes"),
    ("queued_s", _FLOAT, "timing.queued"), ("loading_s", _FLOAT, "timing.loading"),
    ("first_thought_s", _FLOAT, "timing.first_thought"), ("first_answer_s", _FLOAT, "timing.first_answer"),
    ("thinking_s", _FLOAT, "timing.thinking"), ("answer_s", _FLOAT, "timing.answer"),
    ("total_s", _FLOAT, "timing.total"), ("input_tokens", _INT, "usage.input"),
    ("output_tokens", _INT, "usage.output"), ("thinking_tokens", _INT, "usage.thinking"),
    ("cached_tokens", _INT, "usage.cached"), ("billed_tokens", _INT, "usage.billed_output"),
    ("counted_by", _TEXT, "usage.source"), ("cost_usd", _FLOAT, "cost.usd"), ("cost_reason", _TEXT, "cost.reason"),
    ("upstream", _TEXT, "served.upstream"), ("fingerprint", _TEXT, "served.fingerprint"),
    ("request_id", _TEXT, "served.request_id"),
)  # fmt: skip


def columns(plan: Plan) -> list[tuple[str, str, str]]:
    """The columns of a flat row. Beside the fixed ones, each axis and each parameter that some cell asks for has its
    own: `axis.NAME`, `asked.NAME`, `sent.NAME`, `verdict.NAME`; all that was sent stands in `sent` as JSON."""
    axes = dict.fromkeys(name for cell in plan.cells for name in cell.values)
    names = dict.fromkeys(name for cell in plan.cells for name in cell.request.parameters)
    found = list(_COLUMNS)
    for name in axes:
        found.append((f"axis.{name}", _kind(cell.values.get(name) for cell in plan.cells), f"values/{name}"))
    for name in names:
        kind = _kind(cell.request.parameters.get(name) for cell in plan.cells)
        found += [(f"asked.{name}", kind, f"parameters.asked/{name}"),
                  (f"sent.{name}", kind, f"parameters.sent/{name}"),
                  (f"verdict.{name}", _TEXT, f"parameters.verdicts/{name}")]  # fmt: skip
    return found


def _kind(values: Iterable[object]) -> str:
    """Numbers are a column of numbers, all else is text."""
    return _FLOAT if all(value is None or type(value) in (int, float) for value in values) else _TEXT


def flat(found: dict[str, Any], wanted: Iterable[tuple[str, str, str]]) -> list[Any]:
    """The values of a record in the order of the columns; None is "not known"."""
    verdicts = [one["passed"] for one in found["checks"]]
    passed = False if False in verdicts else True if verdicts and None not in verdicts else None
    return [_cast(_at(found | {"passed": passed}, place), kind) for _, kind, place in wanted]


def _at(found: Any, place: str) -> Any:
    """`a.b` is a key in a key; what stands behind / is one key, dots and all."""
    path, _, last = place.partition("/")
    for key in [*path.split("."), *([last] if last else [])]:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _cast(value: Any, kind: str) -> Any:
    match kind:
        case _ if value is None:
            return None
        case "int64":
            return int(value)
        case "float64":
            return float(value) if type(value) in (int, float) else None  # as JSON it stands in `sent`
        case "string":
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            return text.encode("utf-8", "replace").decode()  # a lone surrogate is in no file
    return bool(value)


# -- CSV -------------------------------------------------------------------------------------------------------------


def _csv(rows: Iterable[Said], given: Given) -> Iterator[str]:
    wanted = columns(given.run.plan)
    if given.bom:
        yield "\ufeff"
    yield _line(name for name, _, _ in wanted)
    for cell, said in rows:
        yield _line(map(_field, flat(record(cell, said, given), wanted)))


def _line(fields: Iterable[object]) -> str:
    held = io.StringIO(newline="")
    csv.writer(held, quoting=csv.QUOTE_NONNUMERIC).writerow(list(fields))
    return held.getvalue()


def _field(value: Any) -> object:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return harmless(value)
        case float() if value.is_integer() and abs(value) < 1e15:
            return int(value)
    return value


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula; see above for what becomes of it."""
    return f"'{text}" if _FORMULA.match(text) else text


# -- Parquet ---------------------------------------------------------------------------------------------------------


def need_parquet() -> None:
    """Raise UsageError where Parquet can't be written."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow, which is not installed", "pip install 'promptlab-tui[parquet]'")


def write_parquet(path: Path, rows: Iterable[Said], given: Given) -> None:
    """Write a Parquet file, a batch of rows at a time, with the types of its columns. Raises UsageError."""
    need_parquet()
    import pyarrow  # type: ignore[import-untyped, unused-ignore]
    from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

    wanted = columns(given.run.plan)
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind, _ in wanted])
    left = iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(left, _BATCH)):
            values = [flat(record(cell, said, given), wanted) for cell, said in batch]
            arrays = [pyarrow.array([row[place] for row in values], field.type) for place, field in enumerate(schema)]
            writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=schema))


# -- chat messages ---------------------------------------------------------------------------------------------------


def unfit(said: Transcript) -> str:
    """Why a cell is no example to learn from; an empty string where it is one."""
    if said.state != "done" or said.finish_reason in CUT:
        return "not complete"
    if not said.answer:
        return "empty"
    return "has <think> tags of its own" if _TAGS.search(said.answer) or _TAGS.search(said.thinking) else ""


def chat(cell: Cell, said: Transcript, *, thinking: bool) -> str | None:
    """A line of chat messages as trainers take them: the prompt as it was sent, and the answer with the trace in
    <think> tags before it. A summary that a vendor wrote is no trace, and left out. None for a cell that is unfit."""
    if unfit(said):
        return None
    own = thinking and said.trace == "raw"
    text = f"<think>\n{said.thinking}\n</think>\n\n{said.answer}" if own else said.answer
    messages = [{"role": message.role, "content": message.text} for message in cell.request.messages]
    return escaped(dump({"messages": [*messages, {"role": "assistant", "content": text}]})) + "\n"


_MAKERS = (
    (r"gpt|chatgpt|\bo[134]\b|codex", "OpenAI"), ("claude", "Anthropic"), ("gemini|gemma", "Google"),
    ("deepseek", "DeepSeek"), ("qwen|qwq", "Alibaba"), ("kimi|moonshot", "Moonshot AI"), ("glm", "Z.ai"),
    ("grok", "xAI"), ("mistral|magistral|codestral|ministral", "Mistral AI"), ("llama", "Meta"),
    ("smollm", "Hugging Face"), ("command", "Cohere"), ("phi-?[0-9]", "Microsoft"), ("nova", "Amazon"),
)  # fmt: skip


def maker(model: str) -> str | None:
    """Who makes a model, by its name; None for a name that says nothing."""
    return next((name for pattern, name in _MAKERS if re.search(pattern, model, re.IGNORECASE)), None)


# -- filters ---------------------------------------------------------------------------------------------------------


def majority(rows: Iterable[Said], extract: Callable[[str], str | None]) -> set[int]:
    """The numbers of the cells whose answer is the most frequent one of their target and prompt. An answer that can't
    be taken out of its text is no vote; where two are equally frequent, or none came twice, there is no majority."""
    votes: dict[tuple[object, ...], dict[int, str]] = {}
    for cell, said in rows:
        if said.state == "done" and (found := extract(said.answer)) is not None:
            votes.setdefault((cell.target, cell.request.messages), {})[cell.index] = found
    kept: set[int] = set()
    for given in votes.values():
        counts = Counter(given.values()).most_common(2)
        best, most = counts[0]
        if most > 1 and (len(counts) == 1 or counts[1][1] < most):
            kept |= {number for number, answer in given.items() if answer == best}
    return kept
