"""Writes GGUF files for the tests: sound ones, and with `head` and `value` also those that no converter would write."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TYPES = {"u8": (0, "B"), "i8": (1, "b"), "u16": (2, "H"), "i16": (3, "h"), "u32": (4, "I"), "i32": (5, "i"),
         "f32": (6, "f"), "bool": (7, "?"), "u64": (10, "Q"), "i64": (11, "q"), "f64": (12, "d")}  # fmt: skip
BLOCKS = {0: (1, 4), 1: (1, 2), 8: (32, 34), 12: (256, 144), 14: (256, 210)}  # F32, F16, Q8_0, Q4_K, Q6_K
F32, F16, Q8_0, Q4_K, Q6_K = BLOCKS


@dataclass(frozen=True)
class As:
    """A value with its type told: a number, or a list of numbers."""

    type: str
    value: float | Sequence[float]


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int = F32


Given = bool | int | float | str | Sequence[str] | As


def text(string: str | bytes, version: int = 3) -> bytes:
    raw = string.encode() if isinstance(string, str) else string
    return struct.pack("<I" if version == 1 else "<Q", len(raw)) + raw


def value(given: Given, version: int = 3) -> bytes:
    """A value with its type in front."""
    length = "<I" if version == 1 else "<Q"
    match given:
        case As(name, list() | tuple() as items):
            number, code = TYPES[name]
            return struct.pack("<II", 9, number) + struct.pack(length, len(items)) + struct.pack(
                f"<{len(items)}{code}", *items)  # fmt: skip
        case As(name, item):
            return struct.pack("<I" + TYPES[name][1], TYPES[name][0], item)
        case bool():
            return value(As("bool", given), version)
        case int():
            return value(As("u32", given), version)
        case float():
            return value(As("f32", given), version)
        case str():
            return struct.pack("<I", 8) + text(given, version)
    return struct.pack("<II", 9, 8) + struct.pack(length, len(given)) + b"".join(text(one, version) for one in given)


def head(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<III" if version == 1 else "<IQQ", version, tensors, keys)


def build(keys: Mapping[str, Given], tensors: Sequence[Tensor] = (), *, version: int = 3, alignment: int = 32) -> bytes:
    """A whole file; the tensors hold zeros."""
    out = bytearray(head(len(tensors), len(keys), version))
    for key, given in keys.items():
        out += text(key, version) + value(given, version)
    offset = 0
    for tensor in tensors:
        dimensions = f"<I{len(tensor.shape)}{'I' if version == 1 else 'Q'}"
        out += text(tensor.name, version) + struct.pack(dimensions, len(tensor.shape), *tensor.shape)
        out += struct.pack("<IQ", tensor.kind, offset)
        offset += -(-_bytes(tensor) // alignment) * alignment
    if tensors:
        out += bytes(-len(out) % alignment + offset)
    return bytes(out)


def _bytes(tensor: Tensor) -> int:
    count = 1
    for size in tensor.shape:
        count *= size
    block, width = BLOCKS[tensor.kind]
    return -(-count // block) * width


LLAMA: Mapping[str, Given] = {
    "general.architecture": "llama",
    "general.name": "Test 雪",
    "general.file_type": 15,
    "llama.block_count": 4,
    "llama.context_length": 4096,
    "llama.embedding_length": 512,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 2,
    "tokenizer.chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
}
TENSORS = (Tensor("token_embd.weight", (512, 4), Q4_K), Tensor("norm.weight", (512,)))


def write(path: Path, *without: str, tensors: Sequence[Tensor] = TENSORS, **more: Given) -> Path:
    """A small chat model, with more keys (`__` is a dot) and without some; its folders are made."""
    keys = {**LLAMA, **{name.replace("__", "."): given for name, given in more.items()}}
    return _put(path, {key: given for key, given in keys.items() if key not in without}, tensors)


def write_split(folder: Path, stem: str, count: int) -> list[Path]:
    """A model in parts, of which each holds the same tensors; only the first one says what it is."""
    paths = []
    for number in range(count):
        keys: dict[str, Given] = {"split.no": As("u16", number), "split.count": As("u16", count)}
        if number == 0:
            keys = {**LLAMA, **keys}
        paths.append(_put(folder / f"{stem}-{number + 1:05}-of-{count:05}.gguf", keys, TENSORS))
    return paths


def _put(path: Path, keys: Mapping[str, Given], tensors: Sequence[Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build(keys, tensors))
    return path
