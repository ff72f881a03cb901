"""What is shown of a sweep at its end: read once, whatever is asked of it, and with word of how far it is."""

from __future__ import annotations

import io
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlab.check import parse
from promptlab.cli import outcome
from promptlab.cli.outcome import Wanted, show_outcome
from promptlab.cli.output import Output
from promptlab.errors import Fault, UsageError
from promptlab.events import Answer, Failed, Finished, Stamped, Started
from promptlab.metrics import Cost
from promptlab.plan import Cell, Plan, Run
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.sweep import Axis, Sweep
from promptlab.transcript import Transcript

TEXTS = ("the sea is wide", "a ship goes out", "the sea is wide", "waves and salt", "", "the moon and the sea")
VALUES = (0.2, 0.9)


class Counted(Store):
    """A history that counts how often all of a run's cells are read, and which are read alone."""

    whole = 0
    alone: list[int]

    def samples(self, run: int) -> Iterator[tuple[Cell, Transcript]]:
        self.whole += 1
        return super().samples(run)

    def sample(self, run: int, number: int) -> tuple[Cell, Transcript]:
        self.alone.append(number)
        return super().sample(run, number)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Counted]:
    """A sweep of two values and three repeats: two answers without the sea, one failure."""
    found = Counted(tmp_path / "promptlab.db")
    found.alone = []
    check = (parse("contains:sea"),)
    cells = tuple(
        Cell(n, "sim/m", "sim", Request("m", (Message("user", "hi"),), {"temperature": VALUES[n // 3]}),
             values={"temperature": VALUES[n // 3]}, repeat=n % 3, checks=check)
        for n in range(6)
    )  # fmt: skip
    sweep = Sweep(prompt="hi", targets=("sim/m",), axes=(Axis("temperature", VALUES),), repeats=3)
    _, recorder = found.begin(Plan(cells, "hi", sweep=sweep), lambda cell: None)
    for n, text in enumerate(TEXTS):
        recorder(Stamped(n, float(n), Started()))
        if text:
            recorder(Stamped(n, n + 0.5, Answer(text)))
        recorder(Stamped(n, n + 0.9, Finished("stop", True) if text else Failed(Fault("server", "busy"))))
    recorder.close("done")
    yield found
    found.close()


def price(cell: Cell, said: Transcript) -> Cost:
    return Cost(None, "local")


def show(store: Store, wanted: Wanted, format: str | None = None) -> bool | None:
    run: Run = store.run(1)
    return show_outcome(
        store,
        run,
        price,
        wanted,
        Output(format, True, "never", raw=False, hide_thinking=False, quiet=False, usage=False),
    )


@pytest.mark.parametrize("format", [None, "json", "jsonl"])
def test_the_run_is_read_once_whatever_is_asked(
    store: Counted, tmp_path: Path, format: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checks.xml"
    assert show(store, Wanted(fail_under=0.5, junit=file), format) is True
    assert store.whole == 1
    assert len(store.alone) == (2 if format is None else 0)  # an answer for each value of the ladder
    said = capsys.readouterr()
    assert "3 of 5 answers pass their checks (60%)" in said.err
    suite = ET.parse(file).getroot()
    assert [suite.attrib[name] for name in ("tests", "failures", "errors")] == ["6", "2", "1"]
    if format == "json":
        told = json.loads(said.out)
        assert len(told["cells"]) == 6
        assert [point["answered"] for point in told["points"]] == [3, 2] and "findings" in told
    elif format == "jsonl":
        lines = [json.loads(line) for line in said.out.splitlines()]
        assert len(lines) == 6 + 2 + sum("finding" in line for line in lines)
    else:
        assert "3 answers, 2 distinct" in said.out
        assert "2 answers, 2 distinct" in said.out and "1 failed: busy" in said.out


def test_too_few_that_pass_is_told_and_no_checks_are_a_fault(store: Counted) -> None:
    assert show(store, Wanted(fail_under=0.7)) is False
    assert show(store, Wanted()) is None
    with pytest.raises(UsageError, match="no answer was checked"):
        outcome._Verdicts().enough(0.5)


def test_a_file_that_cannot_be_written_is_a_fault(store: Counted, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"checks\.xml can't be written"):
        show(store, Wanted(junit=tmp_path / "nowhere" / "checks.xml"))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_reading_says_how_far_it_is_on_one_line_that_goes_away(
    store: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "_PATIENCE", 0.0)
    monkeypatch.setattr(outcome, "_EVERY", 0.0)
    for err, painted in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", err)
        show(store, Wanted())
        lines = [line.strip() for line in err.getvalue().split("\r")]
        assert lines == (["", *(f"reading {n} of 6 answers" for n in range(1, 7)), "", ""] if painted else [""])
        assert not re.search(r"\n", err.getvalue())


def test_a_short_reading_says_nothing(store: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    show(store, Wanted())
    assert isinstance(sys.stderr, Terminal) and sys.stderr.getvalue() == ""
