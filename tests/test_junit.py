"""Checks as JUnit XML: counts that add up, one case a check, and nothing in it that XML may not have."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from promptlab.check import NOT_RUN, Outcome
from promptlab.errors import Fault
from promptlab.events import Answer, Cancelled, Event, Failed, Finished, Started
from promptlab.plan import Cell
from promptlab.render.junit import junit
from promptlab.request import Message, Request
from promptlab.transcript import Transcript

Judged = tuple[Cell, Transcript, tuple[Outcome, ...]]


def said(*events: Event) -> Transcript:
    told = Transcript()
    for number, event in enumerate(events):
        told.apply(number * 0.5, event)
    return told


def cell(number: int, target: str = "local", repeat: int = 0, row: int | None = None) -> Cell:
    request = Request("", (Message("user", "hi"),), {"temperature": 0.2})
    return Cell(number, target, "local", request, values={"temperature": 0.2}, repeat=repeat, row=row)


DONE = said(Started(), Answer("一"), Finished("stop", True))
FAILED = said(Started(), Failed(Fault("auth", "bad <key> & more", provider="x", status=401)))


def tree(*judged: Judged) -> ET.Element:
    return ET.fromstring("".join(junit("run 1", judged, "2026-11-22T10:00:00.123+00:00")))


def counts(element: ET.Element) -> list[int]:
    return [int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")]


def test_each_check_of_a_cell_is_a_case_and_the_counts_add_up() -> None:
    root = tree(
        (cell(0), DONE, (Outcome("lines:4x7", True), Outcome("contains:雪", False, "not in it"))),
        (cell(1, repeat=1), DONE, (Outcome("rhyme", None, "needs pypinyin"), Outcome("run:./x", None, NOT_RUN))),
        (cell(2, "ollama/b", row=0), FAILED, (Outcome("lines:4x7", None), Outcome("rhyme", None))),
        (cell(3, "ollama/b"), said(Started(), Cancelled()), ()),
        (cell(4, "ollama/b"), DONE, ()),
    )
    assert counts(root) == [8, 1, 4, 1]
    assert [(suite.attrib["name"], *counts(suite)) for suite in root] == [
        ("local", 4, 1, 1, 1),
        ("ollama/b", 4, 0, 3, 0),
    ]
    assert root[0].attrib["timestamp"] == "2026-11-22T10:00:00"
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert len(cases) == 8
    assert list(cases["cell 1 (temperature 0.2), repeat 1: lines:4x7"]) == []
    (failure,) = cases["cell 1 (temperature 0.2), repeat 1: contains:雪"]
    assert (failure.tag, failure.attrib["message"], failure.text) == ("failure", "not in it", "一")
    assert cases["cell 2 (temperature 0.2), repeat 2: rhyme"][0].tag == "error"
    assert cases["cell 2 (temperature 0.2), repeat 2: run:./x"][0].tag == "skipped"
    assert cases["cell 3 (temperature 0.2), row 1, repeat 1: rhyme"][0].attrib["message"] == "x 401: bad <key> & more"
    assert cases["cell 4 (temperature 0.2), repeat 1: answered"][0].attrib["message"] == "cancelled"
    assert list(cases["cell 5 (temperature 0.2), repeat 1: answered"]) == []
    assert float(cases["cell 5 (temperature 0.2), repeat 1: answered"].attrib["time"]) == 1.0


def test_hostile_texts_stay_texts() -> None:
    nasty = "]]><!-- \x00\x08\x1b[2J \ud800 \ufffe \u202e &amp; \"' </failure><testcase name='x'/>\r\n\t😀"
    answer = said(Started(), Answer("a" + nasty + "b" * 5_000), Finished("stop", True))
    root = tree((cell(0, nasty), answer, (Outcome(nasty, False, nasty),)))
    assert counts(root) == [1, 1, 0, 0]
    (case,) = root.iter("testcase")
    (failure,) = case
    text = failure.text or ""
    assert "</failure><testcase name='x'/>" in text and "😀" in text and len(text) <= 1_000
    assert "</failure>" in failure.attrib["message"]
    whole = "".join(junit("r", [(cell(0, nasty), answer, (Outcome("x", False, nasty),))]))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\u202e]", whole)
    whole.encode("utf-8")


def test_a_run_without_cells_is_a_document() -> None:
    assert counts(tree()) == [0, 0, 0, 0]
