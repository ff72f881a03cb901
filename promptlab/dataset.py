"""A dataset: rows that fill a sweep's variables, from CSV, JSON lines, a YAML list or a folder of texts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from promptlab import check, document
from promptlab.check import Check
from promptlab.errors import UsageError, nearest

LARGEST = 50_000_000  # bytes of a file, or of a folder's files
LONGEST = 1_000_000  # characters of one cell
MOST_ROWS = 100_000
MOST_COLUMNS = 200
PROMPT = "prompt"  # the column that is the prompt itself
CHECKS = ("check", "checks")  # columns of checks, one a line
EXPECTED = ("expected", "answer")  # columns of the answer that is right
FILE = "file"  # a folder's second column: the name of the file
_TEXTS = (".txt", ".md")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: texts by column. `where` is its file and line, for errors."""

    values: Mapping[str, str]
    where: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """All rows; `columns` in their order, of every row that has some."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def unused(self, used: Collection[str]) -> tuple[str, ...]:
        """Columns that fill nothing and check nothing; a folder's file names are for people."""
        special = {PROMPT, *CHECKS, *EXPECTED} | ({FILE} if self.path.is_dir() else set())
        return tuple(name for name in self.columns if name not in used and name not in special)


def read(path: Path) -> Dataset:
    """The dataset in a file or a folder. Raises UsageError that names file, line and column."""
    try:
        if path.is_dir():
            rows: Iterable[Row] = _folder(path)
        elif path.suffix.lower() not in _SUFFIXES:
            raise UsageError(f"{path}: a dataset is one of {', '.join(_SUFFIXES)}, or a folder of texts",
                             nearest(path.suffix, _SUFFIXES))  # fmt: skip
        elif path.suffix.lower() in (".csv", ".tsv"):
            rows = _csv(path)
        else:
            rows = _yaml(path) if path.suffix.lower() in (".yaml", ".yml") else _jsonl(path)
        kept = tuple(_bounded(path, rows))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", "check the path") from None
    if not kept:
        raise UsageError(f"{path} has no rows", "a heading and a line below it; or a file of text in the folder")
    return Dataset(path, tuple(dict.fromkeys(name for row in kept for name in row.values)), kept)


def checks_of(row: Row, variables: Collection[str] = (), folder: Path | None = None) -> tuple[Check, ...]:
    """The checks that a row declares, in columns that are not `variables` of the prompt; files that they name are
    looked for in `folder`. Raises UsageError."""
    found = []
    for column, text in row.values.items():
        if column in variables or not text.strip():
            continue
        if column in CHECKS:
            found += [_check(row, column, line, folder) for line in text.splitlines() if line.strip()]
        elif column in EXPECTED:
            # `expected` is the whole answer, `answer` what is to be taken out of it.
            found.append(Check("answer" if column == "answer" else "equals", text.strip(), column))
    return tuple(found)


def _check(row: Row, column: str, line: str, folder: Path | None) -> Check:
    try:
        return check.parse(line.strip(), folder, confined=folder is not None)
    except UsageError as error:
        raise UsageError(f"{row.where}, column '{column}': {error.message}", error.hint) from None


def _bounded(path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise UsageError(f"{path} has more than {MOST_ROWS:,} rows", "take a part of it")
        if len(row.values) > MOST_COLUMNS:
            raise UsageError(f"{row.where} has more than {MOST_COLUMNS} columns", "those that the prompt uses do")
        for column, text in row.values.items():
            if len(text) > LONGEST:
                raise UsageError(f"{row.where}, column '{column}' is longer than {LONGEST:,} characters",
                                 "no model takes more")  # fmt: skip
            if "\0" in text:
                raise UsageError(f"{row.where}, column '{column}' is binary, not text", "a model reads text")
        yield row


def _text(path: Path, most: int = LARGEST) -> str:
    with path.open("rb") as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise UsageError(f"{path} is too large: {LARGEST // 1_000_000} MB is the limit", "take a part of it")
    if b"\0" in raw:
        raise UsageError(f"{path} is binary, not text", "save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: not UTF-8 text (byte {error.start})",
                         "for older Chinese files: iconv -f GB18030 -t UTF-8") from None  # fmt: skip


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _csv(path: Path) -> Iterator[Row]:
    text = _text(path)
    first = text.partition("\n")[0]
    # A spreadsheet of a country with decimal commas writes semicolons; .tsv says it by its name.
    sign = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count) if first else ","
    before = csv.field_size_limit(LONGEST + 1)
    try:
        yield from _csv_rows(path, text, sign)
    finally:
        csv.field_size_limit(before)


def _csv_rows(path: Path, text: str, sign: str) -> Iterator[Row]:
    # Not by splitlines, to which U+2028 and a form feed end a line, too.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    names: list[str] = []
    start = 1
    while True:
        try:
            fields = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            raise UsageError(f"{path}, line {start}: {error}", 'a quote within quotes is written twice: ""') from None
        where, start = f"{path}, line {start}", lines.line_num + 1
        if not fields or (len(fields) == 1 and not fields[0].strip() and len(names) != 1):
            continue
        if not names:
            names = _heading(where, [name.strip() for name in fields])
            continue
        if len(fields) != len(names):
            at = f", column {len(names) + 1}" if len(fields) > len(names) else f", column '{names[len(fields)]}'"
            raise UsageError(f"{where}{at}: {len(fields)} fields and not {len(names)}",
                             'a text with commas or line breaks stands in quotes: "a, b"')  # fmt: skip
        yield Row(dict(zip(names, fields, strict=True)), where)


def _heading(where: str, names: list[str]) -> list[str]:
    for number, name in enumerate(names):
        if not name:
            raise UsageError(f"{where}, column {number + 1}: a column without a name", "the first line names them")
        if name in names[:number]:
            raise UsageError(f"{where}, column {number + 1}: '{name}' is there twice", "each column has its own name")
    return names


# -- JSON lines, YAML, a folder ----------------------------------------------------------------------------------------


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        where = f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            found = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            at = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            said = error.msg if isinstance(error, json.JSONDecodeError) else "no valid JSON"
            raise UsageError(f"{where}{at}: {said}", 'one object a line: {"prompt": "…"}') from None
        except UsageError as error:
            raise UsageError(f"{where}: {error.message}", error.hint) from None
        if not isinstance(found, dict):
            raise UsageError(f"{where}: an object is wanted", '{"prompt": "…"}')
        yield Row({name: _said(name, value) for name, value in found.items() if value is not None}, where)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise UsageError(f"'{name}' is there twice", "keep one of them")
        found[name] = value
    return found


def _said(name: str, value: object) -> str:
    """A value of JSON as text; checks in a list stand one a line."""
    if name in CHECKS and isinstance(value, list):
        return "\n".join(str(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _yaml(path: Path) -> Iterator[Row]:
    doc = document.load(path, "rows")
    doc.only(("rows",), doc.value)
    rows = doc.value.get("rows") or []
    if not isinstance(rows, list):
        raise UsageError(f"{doc.where('rows')}: a list of rows is wanted", "- prompt: …")
    for number, item in enumerate(rows):
        where = doc.where("rows", number)
        if isinstance(item, str):  # a plain list of prompts
            yield Row({PROMPT: item}, where)
        elif not isinstance(item, dict):
            raise UsageError(f"{where}: a row is a text, or names with texts", "- {prompt: …, topic: …}")
        else:
            yield Row({name: doc.texts[place] if (place := ("rows", number, name)) in doc.texts else _said(name, value)
                       for name, value in item.items() if value is not None}, where)  # fmt: skip


def _folder(path: Path) -> Iterator[Row]:
    left = LARGEST
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") or file.suffix.lower() not in _TEXTS or not file.is_file():
            continue
        if not file.resolve().is_relative_to(path.resolve()):
            raise UsageError(f"{file} is a link to outside of the folder", "put the text itself there")
        text = _text(file, left)
        left -= len(text.encode())
        yield Row({PROMPT: text.strip(), FILE: file.name}, str(file))
