"""Datasets: every format, and where a wrong one is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptlab import dataset
from promptlab.check import Check
from promptlab.dataset import checks_of, read
from promptlab.errors import UsageError


def file(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def values(path: Path) -> list[dict[str, str]]:
    return [dict(row.values) for row in read(path).rows]


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(path) in caught.value.message
    return caught.value.message


ROWS = [{"prompt": "雪\n山, \"x\"", "topic": "1.10"}, {"prompt": "b", "topic": " "}]  # fmt: skip
CSV = 'prompt,topic\n"雪\n山, ""x""",1.10\nb, \n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.csv", CSV.replace("\n", "\r\n").replace("雪\r\n", "雪\n")),
        ("a.csv", "\n" + CSV + "\n\n"),
        ("a.csv", 'prompt;topic\n"雪\n山, ""x""";1.10\nb; \n'),
        ("a.TSV", 'prompt\ttopic\n"雪\n山, ""x"""\t1.10\nb\t \n'),
        ("a.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)),
        ("a.ndjson", "\n\n".join(json.dumps(row) for row in ROWS) + "\n"),
        ("a.yaml", '- prompt: "雪\\n山, \\"x\\""\n  topic: 1.10\n- {prompt: b, topic: " "}\n'),
        ("a.yml", 'rows:\n- {prompt: "雪\\n山, \\"x\\"", topic: 1.10}\n- {prompt: b, topic: " ", none: null}\n'),
    ],
)
def test_the_same_rows_from_every_format(tmp_path: Path, name: str, content: str | bytes) -> None:
    found = read(file(tmp_path, name, content))
    assert [dict(row.values) for row in found.rows] == ROWS
    assert found.columns == ("prompt", "topic")


def test_a_column_alone_and_its_empty_lines(tmp_path: Path) -> None:
    assert values(file(tmp_path, "a.csv", "prompt\na\nb\n")) == [{"prompt": "a"}, {"prompt": "b"}]


def test_a_plain_list_of_prompts(tmp_path: Path) -> None:
    assert values(file(tmp_path, "a.yaml", "- one\n- yes it is\n")) == [{"prompt": "one"}, {"prompt": "yes it is"}]


def test_values_of_json_are_texts(tmp_path: Path) -> None:
    line = '{"n": 3, "t": true, "l": ["雪", 1], "none": null, "checks": ["contains:a", "contains:b"]}'
    assert values(file(tmp_path, "a.jsonl", line)) == [
        {"n": "3", "t": "true", "l": '["雪", 1]', "checks": "contains:a\ncontains:b"}
    ]


def test_a_folder_of_texts(tmp_path: Path) -> None:
    for name, text in (("b.txt", "two\n"), ("a.md", "一"), ("c.png", "no"), (".hidden.txt", "no")):
        file(tmp_path, name, text)
    (tmp_path / "sub.txt").mkdir()
    assert values(tmp_path) == [{"prompt": "一", "file": "a.md"}, {"prompt": "two", "file": "b.txt"}]
    assert read(tmp_path).unused(()) == ()


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.csv", "a,b\n1,2\n1,2,3\n", ["line 3, column 3", "3 fields and not 2"]),
        ("a.csv", 'a,b\n"x\ny",2\n1\n', ["line 4, column 'b'", "1 fields"]),
        ("a.csv", "a,b,a\n", ["line 1, column 3", "'a' is there twice"]),
        ("a.csv", "a,,b\n1,2,3\n", ["line 1, column 2", "without a name"]),
        ("a.csv", 'a,b\n1,2\n1,"2\n', ["line 3"]),
        ("a.csv", 'a,b\n1,2\n1,"2"x\n', ["line 3"]),
        ("a.csv", "a,b\n", ["no rows"]),
        ("a.csv", "", ["no rows"]),
        ("a.csv", b"a\n\xc4\xe3\n", ["line 2", "not UTF-8"]),
        ("a.csv", b"a\n\x00\n", ["binary"]),
        ("a.jsonl", '{"a": 1}\n{"a": \n', ["line 2, column", ""]),
        ("a.jsonl", '{"a": 1}\n[1]\n', ["line 2", "an object is wanted"]),
        ("a.jsonl", '{"a": 1, "a": 2}\n', ["line 1", "'a' is there twice"]),
        ("a.jsonl", "[" * 100_000, ["line 1", "no valid JSON"]),
        ("a.jsonl", '{"a": ' + "9" * 5000 + "}", ["line 1", "no valid JSON"]),
        ("a.jsonl", '{"a": "\\u0000"}', ["line 1, column 'a'", "binary"]),
        ("a.yaml", "- a: 1\n- [1]\n", ["line 2", "a row is a text"]),
        ("a.yaml", "rowss: []\n", ["line 1", "'rowss'"]),
        ("a.yaml", "rows: 1\n", ["line 1", "a list of rows"]),
        ("a.yaml", "- a: !!python/name:os.system\n", ["line 1", "tag"]),
        ("a.xlsx", "x", [".csv"]),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, name: str, content: str | bytes, parts: list[str]) -> None:
    said = refusal(file(tmp_path, name, content))
    assert all(part in said for part in parts), said


def test_what_is_not_there_or_empty(tmp_path: Path) -> None:
    assert "can't be read" in refusal(tmp_path / "no.csv")
    (tmp_path / "empty").mkdir()
    assert "no rows" in refusal(tmp_path / "empty")


def test_sizes_are_bounded(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as opened:
        opened.truncate(dataset.LARGEST + 1)
    assert "too large" in refusal(huge)
    assert "more than 100,000 rows" in refusal(file(tmp_path, "b.csv", "a\n" + "1\n" * 100_001))
    assert "line 2, column 'a'" in refusal(file(tmp_path, "c.csv", "a\n" + "x" * 1_000_001 + "\n"))
    assert "line 2" in refusal(file(tmp_path, "d.csv", "a\n" + "x" * 1_500_000 + "\n"))
    assert "line 1, column 'a'" in refusal(file(tmp_path, "c.jsonl", json.dumps({"a": "x" * 1_000_001})))
    assert "more than 200 columns" in refusal(file(tmp_path, "e.jsonl", json.dumps({f"c{n}": 1 for n in range(201)})))


def test_a_cell_longer_than_the_readers_own_limit(tmp_path: Path) -> None:
    import csv

    before = csv.field_size_limit()
    long = "雪" * 200_000
    assert values(file(tmp_path, "a.csv", f"a\n{long}\n")) == [{"a": long}]
    assert csv.field_size_limit() == before


def test_checks_of_a_row(tmp_path: Path) -> None:
    text = 'prompt,check,checks,expected,answer\np,contains:a,"contains:b\ncontains:c",42,\n'
    (row,) = read(file(tmp_path, "a.csv", text)).rows
    assert [(one.kind, one.want) for one in checks_of(row)] == [
        ("contains", "a"), ("contains", "b"), ("contains", "c"), ("equals", "42"),
    ]  # fmt: skip
    assert checks_of(row)[-1] == Check("equals", "42", "expected")
    assert [one.want for one in checks_of(row, {"expected", "checks"})] == ["a"]  # then they are variables


def test_a_wrong_check_of_a_row_names_line_and_column(tmp_path: Path) -> None:
    _, row = read(file(tmp_path, "a.csv", "prompt,check\np,contains:a\nq,contians:a\n")).rows
    with pytest.raises(UsageError, match="line 3, column 'check'") as caught:
        checks_of(row)
    assert "'contains'" in caught.value.hint


def test_columns_that_do_nothing(tmp_path: Path) -> None:
    found = read(file(tmp_path, "a.csv", "prompt,topic,id,expected\np,t,1,2\n"))
    assert found.unused({"topic"}) == ("id",)
