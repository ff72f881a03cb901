"""Files of strangers as plain values: bounded in size, number and depth, and never from outside their own folder."""

from __future__ import annotations

import json
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab.document import DEEPEST
from promptlab.errors import UsageError

LARGEST = 10_000_000  # bytes of all files of one import
MOST = 5_000  # entries of one import
MOST_NODES = 200_000  # values of one file, aliases followed
LONGEST_NAME = 60
_SURROGATE = re.compile("[\ud800-\udfff]")
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@dataclass(slots=True)
class Reader:
    """Reads the files of one import, below `home` only, until there are too many or too much of them."""

    home: Path
    _bytes: int = 0
    _files: int = 0

    def text(self, path: Path) -> str:
        """A file's text with plain line ends. Raises UsageError for what can't be read, is no text or is too much."""
        try:
            if not path.resolve().is_relative_to(self.home.resolve()):
                raise UsageError(f"{path} leads out of {self.home}", "only files below the imported folder are read")
            if not stat.S_ISREG(path.stat().st_mode):
                raise UsageError(f"{path} is not a file")
            with path.open("rb") as file:
                raw = file.read(LARGEST - self._bytes + 1)
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror or error}") from None
        except (ValueError, RuntimeError):  # a NUL in the name; links in a circle
            raise UsageError(f"{path} can't be read") from None
        self._bytes += len(raw)
        self._files += 1
        if self._bytes > LARGEST:
            raise UsageError(f"{path}: more than {LARGEST // 1_000_000} MB to import", "import it in parts")
        if self._files > MOST:
            raise UsageError(f"{self.home}: more than {MOST:,} files to import", "import it in parts")
        return decoded(raw, path)

    def files(self, folder: Path, *suffixes: str) -> list[Path]:
        """The files in a folder that end so, by name; none in its folders, none that is hidden."""
        try:
            found = [file for file in _first(folder.iterdir(), folder) if file.suffix.lower() in suffixes]
            return sorted(file for file in found if file.is_file() and not file.name.startswith("."))
        except OSError as error:
            raise UsageError(f"{folder} can't be read: {error.strerror or error}") from None

    def folders(self, folder: Path) -> list[Path]:
        try:
            found = [one for one in _first(folder.iterdir(), folder) if one.is_dir() and not one.name.startswith(".")]
        except OSError as error:
            raise UsageError(f"{folder} can't be read: {error.strerror or error}") from None
        return sorted(found)


def _first(found: Iterator[Path], folder: Path) -> Iterator[Path]:
    for number, path in enumerate(found):
        if number >= 4 * MOST:
            raise UsageError(f"{folder} has more than {4 * MOST:,} files", "import it in parts")
        yield path


def decoded(raw: bytes, path: Path) -> str:
    if b"\0" in raw:
        raise UsageError(f"{path} is binary, not text", "import takes text files; UTF-16 must be made UTF-8 first")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})",
                         "for older Chinese files: iconv -f GB18030 -t UTF-8") from None  # fmt: skip
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str, path: Path) -> Any:
    """The value in a JSON text. Raises UsageError with the line."""
    try:
        return _plain(json.loads(text, parse_int=_int), _Count(path), 0)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: no valid JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{path}: nested more than {DEEPEST} deep", "no tool writes prompts so") from None
    except ValueError:
        raise UsageError(f"{path}: no valid JSON") from None


def _int(digits: str) -> int | float:
    return int(digits) if len(digits) < 100 else float(digits)


@dataclass(slots=True)
class _Count:
    path: Path
    number: int = 0

    def one(self) -> None:
        self.number += 1
        if self.number > MOST_NODES:
            raise UsageError(f"{self.path}: more than {MOST_NODES:,} values", "aliases that multiply are refused")


def _plain(value: Any, count: _Count, depth: int) -> Any:
    """The value with texts that can be written again: half an emoji becomes U+FFFD."""
    count.one()
    if depth > DEEPEST:
        raise UsageError(f"{count.path}: nested more than {DEEPEST} deep", "no tool writes prompts so")
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, list):
        return [_plain(item, count, depth + 1) for item in value]
    if isinstance(value, dict):
        return {tidy(key): _plain(item, count, depth + 1) for key, item in value.items()}
    return value


def tidy(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def parse_yaml(text: str, path: Path) -> Any:
    """The value in a YAML text: plain tags only, scalars other than numbers, booleans and null as they were typed.
    Raises UsageError with the line."""
    import yaml

    loader = yaml.CSafeLoader(text)
    depth, events = 0, _Count(path)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            events.one()
            kind = type(event).__name__
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            if depth > DEEPEST + 3:  # composing what is deeper overflows the C stack
                raise UsageError(f"{path}: nested more than {DEEPEST} deep", "no tool writes prompts so")
        node = loader.get_single_node()
        return None if node is None else _value(node, path, _Count(path), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: {error.problem or 'no valid YAML'}", "check quotes and indentation") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise UsageError(f"{path}: no valid YAML", "check quotes and indentation") from None
    finally:
        loader.dispose()


def _value(node: Any, path: Path, count: _Count, depth: int) -> Any:
    count.one()
    tag, line = str(node.tag), node.start_mark.line + 1
    if depth > DEEPEST:  # an alias to what it is in
        raise UsageError(f"{path}, line {line}: aliases that multiply are refused", "write it out")
    if not tag.startswith("tag:yaml.org,2002:") or "python" in tag:
        raise UsageError(f"{path}, line {line}: the tag {tag[:80]} is refused", "plain values only")
    if node.id == "sequence":
        return [_value(item, path, count, depth + 1) for item in node.value]
    if node.id == "mapping":
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.id != "scalar" or key.value == "<<":
                raise UsageError(f"{path}, line {key.start_mark.line + 1}: keys are plain words here", "no merges")
            found[tidy(str(key.value))] = _value(value, path, count, depth + 1)
        return found
    return _scalar(tag.rpartition(":")[2], tidy(node.value))


def _scalar(kind: str, text: str) -> Any:
    try:
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "int":
                return int(text) if len(text) < 100 else text
            case "float":
                return float(text)
    except ValueError:  # 0x1F, 1:30: a number to YAML 1.1, a text to people
        pass
    return text


def named(title: str, fallback: str = "prompt") -> str:
    """A profile's name from any title: letters and digits of any script, - and _; never a path, never empty."""
    kept = [char if unicodedata.category(char)[0] in "LMN" or char in "_-" else " "
            for char in unicodedata.normalize("NFC", title[:500]).lower()]  # fmt: skip
    words = "-".join("".join(kept).split())
    name = re.sub(r"-{2,}", "-", words)[:LONGEST_NAME].strip("-")
    if not any(unicodedata.category(char)[0] in "LN" for char in name):
        return fallback
    return f"{name}-prompt" if name in _DEVICES else name


def short(title: object) -> str:
    """A title, short enough for a line."""
    text = " ".join(str(title)[:400].split())
    return text if len(text) <= 60 else f"{text[:59]}…"
