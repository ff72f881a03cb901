"""YAML files as strangers write them: every refusal says where, and nothing takes the process down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.document import LARGEST, MOST_NODES, Document, load, parse
from promptlab.errors import UsageError

HERE = Path("here.yaml")


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse(text, HERE)
    assert "\n" not in caught.value.message
    return caught.value


def test_values_and_the_line_of_each_key() -> None:
    doc = parse("a: 1\nb:\n  c: [x, y]\n  d: 雪\n\ne: true\n", HERE)
    assert doc.value == {"a": 1, "b": {"c": ["x", "y"], "d": "雪"}, "e": True}
    assert [doc.lines[key] for key in (("a",), ("b",), ("b", "c"), ("b", "c", 1), ("b", "d"), ("e",))] == [
        1, 2, 3, 3, 4, 6,
    ]  # fmt: skip


def test_where_names_the_nearest_key_above() -> None:
    doc = parse("a:\n  b: 1\n", HERE)
    assert doc.where("a", "b") == "here.yaml, line 2"
    assert doc.where("a", "zzz") == "here.yaml, line 1"
    assert Document(HERE, {}).where("a") == "here.yaml"


def test_an_unknown_key_names_its_line_and_the_nearest() -> None:
    doc = parse("goal: x\nrulez: y\n", HERE)
    with pytest.raises(UsageError) as caught:
        doc.only(("goal", "rules"), doc.value)
    assert caught.value.message == "here.yaml, line 2: unknown key 'rulez'"
    assert "'rules'" in caught.value.hint


def test_an_unknown_key_near_to_nothing_names_all_known() -> None:
    doc = parse("zzz: 1\n", HERE)
    with pytest.raises(UsageError) as caught:
        doc.only(("goal", "rules"), doc.value)
    assert "goal, rules" in caught.value.hint


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse("", HERE).value == {} == parse("# only a comment\n", HERE).value


def test_dates_and_binaries_are_text() -> None:
    assert parse("a: 2026-11-22\nb: !!binary QQ==\nc: !!timestamp x\n", HERE).value == {
        "a": "2026-11-22", "b": "QQ==", "c": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: [1, 2\n", 3, ""),
        ("a: 1\n\tb: 2\n", 2, ""),
        ("a: 1\nb: 'x\n", 3, ""),
        ("a: 1\na: 2\n", 2, "'a' is given twice"),
        ("x:\n  a: 1\n  a: 2\n", 3, "'a' is given twice"),
        ("a: 1\nb: *c\n", 2, "alias"),
        ("a: 1\n? [b]\n: c\n", 2, "keys are plain words"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "no merges"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tag"),
        ("a: 1\nb: !foo 2\n", 2, "tag !foo"),
        ("a: !!int twelve\n", 1, "can't be read"),
        ("a: !!int ''\n", 1, "can't be read"),
        ("a: !!float ''\n", 1, "can't be read"),
        ("a: !!bool maybe\n", 1, "can't be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, part: str) -> None:
    error = refusal(text)
    assert f"here.yaml, line {line}: " in error.message
    assert part in error.message + error.hint


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words\n", "1\n"])
def test_a_file_that_is_no_mapping_is_refused(text: str) -> None:
    assert "mapping" in refusal(text).message


def test_billion_laughs_end_early() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "aliases that multiply" in refusal("\n".join(lines)).message


def test_an_alias_of_itself_ends() -> None:
    assert "aliases" in refusal("a: &x [*x]\n").message


def test_a_shared_value_may_be_written_once() -> None:
    assert parse("a: &x 雪\nb: *x\n", HERE).value == {"a": "雪", "b": "雪"}


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 300 + "]" * 300, "{a: " * 100_000, "- " * 50_000])
def test_nesting_that_would_overflow_the_stack_is_refused(text: str) -> None:
    error = refusal("x:\n  " + text)
    assert "here.yaml, line 2: nested more than" in error.message


def test_more_nodes_than_a_person_writes_are_refused() -> None:
    assert "line" in refusal("a: [" + "x," * (MOST_NODES + 1) + "]").message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    for raw, part in (
        ("é".encode("latin-1"), "is not UTF-8 text (byte 0)"),
        ("目标: 写诗".encode("gb18030"), "is not UTF-8 text"),
        (b"goal: a\0b", "is a binary file"),
        (b"x" * (LARGEST + 1), "is too large"),
    ):
        path.write_bytes(raw)
        with pytest.raises(UsageError) as caught:
            load(path)
        assert str(path) in caught.value.message and part in caught.value.message


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfgoal: x\r\nrules: y\r\n")
    assert load(path).value == {"goal": "x", "rules": "y"}


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match="can't be read"):
            load(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(UsageError, match="Permission denied"):
        load(path)


YAML_BITS = st.text("ab:-?![]{}&*#|>'\"%@`,\n \t~<=.0123:é雪\x07\x85\u2028", max_size=60)


@settings(deadline=None)
@given(YAML_BITS)
def test_any_text_is_a_mapping_or_a_usage_error(text: str) -> None:
    try:
        value: Any = parse(text, HERE).value
    except UsageError as error:
        assert error.message.startswith("here.yaml")
    else:
        assert isinstance(value, dict)
