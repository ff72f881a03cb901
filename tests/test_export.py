"""Runs given away: each format read back by a reader of its own, whole, harmless, and over nobody's file."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab import check
from promptlab.cli.export import export
from promptlab.errors import Fault, LabError, StoreError, UsageError
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Served,
    Stamped,
    Started,
    Thinking,
    Usage,
)
from promptlab.params import Value
from promptlab.plan import Cell, Plan
from promptlab.render.export import chat, harmless, maker
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.transcript import Transcript

REPOSITORY = Path(__file__).parents[1]
NASTY = '=HYPERLINK("http://x")\x1b[2J\r\n"q", \u202e雪\u2028 😀 \x00'


def cell(number: int, temperature: float = 0.2, **more: Any) -> Cell:
    model = more.pop("model", "m")
    parameters: dict[str, Value] = {"temperature": temperature, "stop": ["END"]}
    request = Request(model, (Message("system", "sys"), Message("user", more.pop("prompt", "hi"))), parameters)
    return Cell(number, f"openai/{model}", "openai", request, {"temperature": temperature},
                values={"temperature": temperature}, checks=(check.parse("contains:雪"),), **more)  # fmt: skip


def finished(answer: str, thinking: str = "", reason: str = "stop", kind: Any = "raw") -> list[Event]:
    return [
        Started({"temperature": 0.2, "stop": ["END"]}, {"temperature": 0.2, "max_tokens": 9},
                verdicts={"temperature": "honoured", "stop": "ignored"}),
        Accepted(), Served("m-2026", None, "fp"), *([Thinking(thinking, kind)] if thinking else []), Answer(answer),
        Usage(10, 20, 5, cost=0.25), Finished(reason, True),
    ]  # fmt: skip


CELLS: list[tuple[Cell, list[Event]]] = [
    (cell(0), finished("雪 " + NASTY, "hm <b>\n=1+1")),
    (cell(1, 1.3, repeat=0, row=2), finished("-river", "a summary", kind="summary")),
    (cell(2, model="other"), [Started(), Failed(Fault("auth", "no\nkey", provider="openai", status=401))]),
    (cell(3, 1.3, repeat=1), finished("雪 <think>x</think>")),
    (cell(4), finished("雪, cut", reason="length")),
    (cell(5), []),
    (cell(6), [Started(), Answer("雪"), Cancelled()]),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keep(home: Path, cells: list[tuple[Cell, list[Event]]] = CELLS, profile: str | None = None) -> int:
    store = Store(home / "promptlab.db")
    run, recorder = store.begin(Plan(tuple(one for one, _ in cells), "hi", profile), {})
    for one, events in cells:
        for number, event in enumerate(events):
            recorder(Stamped(one.index, 1.0 + number / 4, event))
    recorder.close("done")
    store.close()
    assert run.id is not None
    return run.id


def written(home: Path, format: str, **more: Any) -> str:
    target = home / f"out.{format}"
    assert export(None, format, target, force=True, **more) == 0
    return target.read_bytes().decode("utf-8")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# -- CSV -------------------------------------------------------------------------------------------------------------


def test_a_csv_row_says_all_there_is_to_say(home: Path) -> None:
    keep(home)
    one, two, three, _, _, six, _ = rows(written(home, "csv"))
    assert one["run"] == "1" and one["endpoint"] == "openai" and one["target"] == "openai/m"
    assert (one["model"], one["requested_model"]) == ("m-2026", "m")
    assert (one["asked.temperature"], one["sent.temperature"], one["verdict.temperature"]) == ("0.2", "0.2", "honoured")
    assert (one["asked.stop"], one["sent.stop"], one["verdict.stop"]) == ('["END"]', "", "ignored")
    assert json.loads(one["sent"]) == {"temperature": 0.2, "max_tokens": 9}
    assert json.loads(one["messages"])[0] == {"role": "system", "content": "sys"}
    assert (one["input_tokens"], one["output_tokens"], one["thinking_tokens"]) == ("10", "20", "5")
    assert (one["cost_usd"], one["cost_reason"]) == ("0.25", "reported")
    assert float(one["total_s"]) == 1.5 and one["passed"] == "true" and one["complete"] == "true"
    assert (two["axis.temperature"], two["row"], two["passed"]) == ("1.3", "2", "false")
    assert json.loads(two["checks"]) == [{"name": "contains:雪", "passed": False, "note": "not in it"}]
    assert json.loads(three["error"])["status"] == 401 and three["passed"] == "" and three["state"] == "failed"
    assert six["state"] == "queued" and six["cost_usd"] == ""


def test_a_csv_holds_texts_to_the_character_and_no_formula(home: Path) -> None:
    keep(home, [(cell(0), finished(NASTY, "'quoted'")), (cell(1), finished("-1"))])
    one, two = rows(written(home, "csv"))
    assert one["answer"] == "'" + NASTY.strip() and one["thinking"] == "''quoted'" and two["answer"] == "'-1"
    assert one["cost_usd"] == "0.25"  # a number is a number


@given(st.text(st.sampled_from("=+-@'\t\r\n＝ a1\u00a0")))
def test_what_is_put_before_a_formula_can_be_taken_off(text: str) -> None:
    safe = harmless(text)
    assert (safe[1:] if safe.startswith("'") else safe) == text
    assert safe.lstrip()[:1] not in ("=", "+", "-", "@", "＝")


def test_the_bom_is_for_excel_alone(home: Path) -> None:
    keep(home)
    assert written(home, "csv", bom=True).startswith('\ufeff"run"')
    assert written(home, "csv").startswith('"run"')
    with pytest.raises(UsageError, match="--bom"):
        export(None, "jsonl", home / "x", bom=True)


# -- JSON lines, Markdown, JUnit, Parquet ----------------------------------------------------------------------------


def test_json_lines_are_the_cells_as_everywhere_with_their_place(home: Path) -> None:
    keep(home)
    found = [json.loads(line) for line in written(home, "jsonl").splitlines()]
    assert len(found) == 7
    assert found[0]["answer"] == ("雪 " + NASTY).strip() and found[0]["thinking"]["text"] == "hm <b>\n=1+1"
    assert (found[1]["row"], found[1]["values"], found[3]["repeat"]) == (2, {"temperature": 1.3}, 1)
    assert found[0]["parameters"]["sent"] == {"temperature": 0.2, "max_tokens": 9}
    assert found[0]["checks"] == [{"name": "contains:雪", "passed": True, "note": ""}]


def test_thinking_can_be_left_out_everywhere(home: Path) -> None:
    keep(home, [(cell(0), finished("雪 answer", "SECRET plan"))])
    for format in ("csv", "jsonl", "md", "sft", "junit"):
        assert "SECRET" not in written(home, format, thinking=False), format
        assert "SECRET" in written(home, format) or format == "junit"


def test_markdown_is_readable_and_harmless(home: Path) -> None:
    keep(home)
    text = written(home, "md")
    assert text.startswith("# Run 1\n") and "## openai/m temperature 1.3" in text
    assert "*checks: contains:雪 ✗ not in it*" in text and "- stop" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_junit_comes_from_the_history(home: Path) -> None:
    keep(home)
    text = written(home, "junit")
    assert 'tests="7" failures="1" errors="3" skipped="0"' in text.splitlines()[1]


def test_parquet_has_types_and_all_rows(home: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    keep(home, [(cell(number, number / 100), finished(NASTY + "\ud800")) for number in range(600)])
    target = home / "out.parquet"
    assert export(None, "parquet", target) == 0
    table = parquet.read_table(target)
    assert table.num_rows == 600 and str(table.schema.field("asked.temperature").type) == "double"
    last = table.slice(599).to_pylist()[0]
    assert last["answer"].startswith("=HYPERLINK") and last["asked.temperature"] == 5.99
    assert last["cell"] == 599 and last["passed"] is True and last["cost_usd"] == 0.25


def test_parquet_without_its_library_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(home)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        export(None, "parquet", home / "x.parquet")
    assert "promptlab-tui[parquet]" in caught.value.hint
    with pytest.raises(UsageError, match="pipe"):
        export(None, "parquet", None)


# -- chat messages ---------------------------------------------------------------------------------------------------


def test_chat_messages_have_the_trace_in_tags_and_only_what_is_whole(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(home)
    first, second = (json.loads(line)["messages"] for line in written(home, "sft").splitlines())
    assert [one["role"] for one in first] == ["system", "user", "assistant"]
    assert first[-1]["content"].startswith("<think>\nhm <b>\n=1+1\n</think>\n\n雪 =HYPERLINK")
    assert second[-1]["content"] == "-river"  # what the vendor wrote of the trace is not the trace
    told = capsys.readouterr().err
    assert "2 of 7 answers" in told and "not complete" in told and "<think> tags of its own" in told
    assert "1 traces are summaries" in told and "m-2026 at openai" in told and "terms of use" in told


def test_the_check_is_the_filter(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(home)
    assert len(written(home, "sft", filter="check").splitlines()) == 1
    assert "1 filtered out" in capsys.readouterr().err
    found = rows(written(home, "csv", filter="check"))
    assert [row["cell"] for row in found] == ["0", "3", "4"]
    keep(home, [(Cell(0, "local", "local", Request("", (Message("user", "x"),))), finished("x"))])
    with pytest.raises(UsageError, match="no checks"):
        export(None, "sft", home / "none", filter="check")
    assert not (home / "none").exists()


def test_the_majority_is_the_filter(home: Path) -> None:
    answers = ["The answer is 4.", "so 4", "it is 5", "no idea", "4", "5"]
    other = [(cell(10 + n, prompt="other"), finished(text)) for n, text in enumerate(["1", "2", "1", "2"])]  # a tie
    alone = [(cell(20, prompt="alone"), finished("3"))]
    keep(home, [(cell(n), finished(text)) for n, text in enumerate(answers)] + other + alone)
    found = rows(written(home, "csv", filter="majority", extract="number"))
    assert [row["cell"] for row in found] == ["0", "1", "4"]


def test_makers_are_told_by_the_name_of_the_model() -> None:
    assert (
        maker("claude-opus-4") == "Anthropic" and maker("openai/gpt-5") == "OpenAI" and maker("qwen3:4b") == "Alibaba"
    )
    assert maker("local") is None and maker("o3-mini") == "OpenAI" and maker("proto3") is None


def test_chat_lines_can_not_break_out_of_their_line() -> None:
    said = Transcript()
    for at, event in enumerate(finished("a\u2028\u0085b\n")):
        said.apply(at, event)
    line = chat(cell(0), said, thinking=True)
    assert line is not None and len(line.splitlines()) == 1


# -- files -----------------------------------------------------------------------------------------------------------


def test_no_file_is_overwritten_unless_forced(home: Path) -> None:
    keep(home)
    target = home / "mine.csv"
    target.write_text("precious")
    with pytest.raises(UsageError) as caught:
        export(None, "csv", target)
    assert "--force" in caught.value.hint and target.read_text() == "precious"
    assert export(None, "csv", target, force=True) == 0
    assert target.read_text("utf-8").startswith('"run"')
    assert [path.name for path in home.iterdir() if ".part" in path.name] == []


def test_an_export_that_fails_leaves_nothing_and_keeps_what_was(home: Path) -> None:
    keep(home)
    target = home / "mine.csv"
    target.write_text("precious")
    with pytest.raises(StoreError):
        export(99, "csv", target, force=True)
    with pytest.raises(UsageError):
        export(None, "csv", target, force=True, filter="majorty")
    with pytest.raises(UsageError) as caught:
        export(None, "cvs", target, force=True)
    assert caught.value.hint == "did you mean 'csv'?"
    with pytest.raises(LabError, match="can't be written"):
        export(None, "csv", home / "nowhere" / "x.csv")
    with pytest.raises(UsageError, match="is a folder"):
        export(None, "csv", home)
    assert target.read_text() == "precious"
    assert [path.name for path in home.iterdir() if ".part" in path.name] == []


COMMAND = "import sys; from promptlab.cli.export import export; sys.exit(export(None, sys.argv[1]))"


def test_a_pipe_gets_the_text_as_it_is_and_a_terminal_nothing_that_acts(home: Path) -> None:
    keep(home)
    where = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    piped = subprocess.run([sys.executable, "-c", COMMAND, "csv"], capture_output=True, env=where, timeout=60)
    assert piped.returncode == 0 and "\x1b[2J" in piped.stdout.decode()
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, "csv"], stdout=slave, env=where)
    os.close(slave)
    got = b"".join(_read(master))
    assert process.wait(30) == 0
    assert b"HYPERLINK" in got and b"\x1b" not in got and "\u202e".encode() not in got


def _read(descriptor: int) -> Iterator[bytes]:
    try:
        while part := os.read(descriptor, 65_536):
            yield part
    except OSError:  # EIO: the other end is closed
        return


# -- profiles --------------------------------------------------------------------------------------------------------


def test_each_row_has_the_hash_of_its_profile(home: Path) -> None:
    """The file as it was when it was sent, whatever became of it since; of profiles on an axis, each its own."""
    store = Store(home / "promptlab.db")
    cells = [replace(one, values={"profile": name}) for (one, _), name in zip(CELLS, ("a", "b", None), strict=False)]
    store.begin(Plan(tuple(cells), "hi", profiles={"a": "1" * 64, "b": "2" * 64}), {})[1].close("done")
    store.close()
    rows = [json.loads(line) for line in written(home, "jsonl").splitlines()]
    assert [(row["profile"], row["profile_sha256"]) for row in rows[:2]] == [("a", "1" * 64), ("b", "2" * 64)]


def test_memory_does_not_grow_with_the_run(home: Path) -> None:
    import tracemalloc

    text = "雪" * 20_000
    keep(home, [(cell(number), finished(f"{number}{text}")) for number in range(300)])
    tracemalloc.start()
    try:
        export(None, "csv", home / "big.csv")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (home / "big.csv").stat().st_size > 15_000_000
    assert peak < 6_000_000, f"{peak:,} bytes at once"


def test_html_is_one_file_with_every_answer_and_nothing_that_acts(home: Path) -> None:
    keep(home, [(cell(0), finished("<script>alert(1)</script> 雪 \u202e", "SECRET")), (cell(1), finished("河"))])
    text = written(home, "html")
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text and "\u202e" not in text
    assert "SECRET" in text and "SECRET" not in written(home, "html", thinking=False)
    with pytest.raises(UsageError, match="shows all"):
        export(None, "html", home / "x.html", filter="check")


def test_html_takes_a_run_with_equal_requests_apart(home: Path) -> None:
    requests = [Request("", (Message("user", "hi"),), {"temperature": value}) for value in (0.2, 1.3, 0.2)]
    same = [Cell(n, "local", "local", one, dict(one.parameters)) for n, one in enumerate(requests)]
    keep(home, [(one, finished(f"answer {one.index}")) for one in same])
    text = written(home, "html")
    assert all(f"answer {number}" in text for number in range(3))
