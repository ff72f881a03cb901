"""What a GGUF file says of itself, and the memory that its model needs here: the header is read, the weights are not.

The file is untrusted: every count and length is bounded, and what doesn't fit together is refused with the reason.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from promptlab.errors import WeightsError

Thinks = Literal["no", "yes", "switchable", "unknown"]
Kind = Literal["chat", "text", "embedding", "projector", "adapter", "vocabulary", "other"]
Cache = Literal["q8_0", "f16"]
Value = int | float | bool | str | tuple[int, ...]

_MOST_BYTES = 64 << 20  # of one header; 262,000 tokens with 500,000 merges take 20
_MOST_KEYS, _MOST_TENSORS, _MOST_SPLITS = 1 << 16, 1 << 18, 1000
_MOST_LAYERS, _MOST_HEADS, _MOST_LENGTH = 4096, 1 << 16, 1 << 20
_MOST_TEXT = 1 << 20  # a chat template has some 10,000 characters
_FIRST_READ = 1 << 20

_TEMPLATE = "tokenizer.chat_template"
_SPLIT = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_WIDTHS = {kind: struct.calcsize("<" + code) for kind, code in _SCALARS.items()}

# ggml's tensor types: name, values in a block, bytes of a block (GGML_QUANT_SIZES in llama.cpp's gguf-py/constants.py).
_TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip

# general.file_type, as people say it (LlamaFileType, same source). Plain floats are left to the tensors: 0 and 1 are
# what converters write that don't know.
_FILE_TYPES = {
    2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L",
    14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S",
    22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4", 39: "NVFP4", 40: "Q1_0",
}  # fmt: skip

_EMBEDDERS = ("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3",
              "eurobert", "gemma-embedding", "t5encoder")  # fmt: skip

# The thinking can be turned off: by a variable of the template, or by a word in the prompt that the template knows.
# `thinking` is such a variable in an `if`, where the template doesn't fill it from a message itself.
_SWITCH = re.compile(r"enable_thinking|thinking_budget|/no_think|detailed thinking")
_VARIABLE = re.compile(r"\{%-?\s*(?:el)?if\s+(?:not\s+)?thinking\b")
_FILLED = re.compile(r"\{%-?\s*set\s+thinking\s*=(?!\s*(?:true|false)\b)", re.IGNORECASE)
# What a trace begins or ends with: Qwen, DeepSeek and most others; gpt-oss and Gemma; Magistral; Cohere; Kimi-VL.
_TRACE = re.compile(
    r"</?(?:\w+:)?(?:think|thinking|thought)>|<\|/?think(?:ing)?\|>|<\|channel\|?>|\[THINK\]|<\|START_THINKING\|>|◁think▷"
)


@dataclass(frozen=True, slots=True)
class Header:
    """One model file, or all files of a split one.

    `size` is in bytes and `parameters` counts the tensors' values, both over all `splits`. `context` is the trained
    one, in tokens. `kv_heads` has one number for each layer; lengths are those of one head, in values. What the file
    doesn't say is 0, "" or None. `keeps_less` claims that the model caches less than `memory` counts.
    """

    path: Path
    size: int
    kind: Kind
    architecture: str
    name: str
    parameters: int
    quantisation: str
    context: int
    blocks: int
    embedding: int
    heads: int
    kv_heads: tuple[int, ...]
    key_length: int
    value_length: int
    sliding_window: int
    keeps_less: bool
    template: str | None
    thinks: Thinks
    splits: int


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory. `at_most` claims that the model may get along with less; `cache` is the cache's type."""

    weights: int
    kv: int
    margin: int
    at_most: bool
    cache: Cache

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.margin


def read(path: Path) -> Header:
    """The header of a model file, or of a split one by its first part.

    Little-endian GGUF 1 to 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). Raises WeightsError, which
    names the file and what is wrong with it: not a GGUF, cut short, a part missing, numbers that can't be.
    """
    first = _read_part(path)
    parts = [first]
    if (count := first.count("split.count", _MOST_SPLITS)) > 1:
        if number := first.count("split.no", _MOST_SPLITS):
            raise WeightsError(f"{path} is part {number + 1} of {count}", "give the first part: …-00001-of-…")
        for place, other in enumerate(split_files(path, count)[1:], 1):
            if not other.is_file():
                raise WeightsError(f"{path}: {other.name} is missing, one of {count} parts", "download it as well")
            parts.append(_read_part(other))
            if parts[-1].count("split.no", _MOST_SPLITS) != place:
                raise _wrong(other, f"its name says part {place + 1} of {count}, and its header doesn't")
    return _header(path, first, parts)


def split_files(path: Path, count: int) -> list[Path]:
    """The files of a model in `count` parts, by the name of its first one. Raises WeightsError."""
    found = _SPLIT.fullmatch(path.name)
    if not found or found[2] != "00001" or int(found[3]) != count:
        raise WeightsError(f"{path}: it is the first of {count} parts, and its name doesn't say so",
                           f"give it back its name: NAME-00001-of-{count:05}.gguf")  # fmt: skip
    return [path.with_name(f"{found[1]}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]


def split_number(name: str) -> tuple[str, int, int] | None:
    """Name without its ending, number and count of a file that is named as a part; None for any other."""
    found = _SPLIT.fullmatch(name)
    return (found[1], int(found[2]), int(found[3])) if found else None


def thinks(template: str | None) -> Thinks:
    """Whether a model thinks, judged by its chat template: whether a trace is in it, and whether it has a switch."""
    if template is None:
        return "unknown"
    if _SWITCH.search(template) or (_VARIABLE.search(template) and not _FILLED.search(template)):
        return "switchable"
    return "yes" if _TRACE.search(template) else "no"


def memory(header: Header, context: int, *, slots: int = 1, cache: Cache = "q8_0") -> Need:
    """What the embedded server takes with `slots` places of `context` tokens each, in bytes:

        weights  the size of the files: llama.cpp maps or copies each tensor once
        kv       slots × context × Σ over layers of kv_heads × (key_length + value_length) × bytes of a value
        margin   300 MiB + 5% of the weights, at most 1 GiB: the process, compute buffers, cached prompts

    A value takes 2 bytes in F16 and 34/32 in Q8_0 (32 values and a 2-byte scale; ggml-common.h, block_q8_0), and
    llama.cpp rounds contexts up to 256 tokens (llama_context). Q8_0 is what the embedded server takes wherever head
    lengths are multiples of 32, and 16 bits where not. Measured with SmolLM2-135M: 536 MiB at 4 × 8192 tokens, of
    which weights 94 and kv 383; the margin is llama.cpp's usual 0.3 to 1 GiB, and ample here with batches of 32.
    Layers that look back over a window only, recurrent layers and latent attention (MLA) keep less: `at_most`.
    """
    kind: Cache = "q8_0" if cache == "q8_0" and not (header.key_length % 32 or header.value_length % 32) else "f16"
    tokens = slots * math.ceil(context / 256) * 256
    values = tokens * sum(header.kv_heads) * (header.key_length + header.value_length)
    kv = values * 34 // 32 if kind == "q8_0" else values * 2
    margin = min(1 << 30, (300 << 20) + header.size // 20)
    return Need(header.size, kv, margin, header.keeps_less, kind)


def fits(need: Need, free: int) -> bool:
    """Whether the model can be loaded into `free` bytes (see `room.available`)."""
    return need.total <= free


# The header --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    """One file as it was read. `values` counts what its tensors hold, by ggml type."""

    path: Path
    size: int
    keys: dict[str, Value]
    values: dict[int, int] = field(default_factory=dict)  # of tensors with two dimensions or more: what is quantised
    parameters: int = 0

    def count(self, key: str, most: int) -> int:
        """A number that can't be negative; the largest one of a list; 0 where it isn't said. Raises WeightsError."""
        value = self.keys.get(key, 0)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(isinstance(number, int) and 0 <= number <= most for number in numbers):
            raise _wrong(self.path, f"its {key} can't be")
        return max((int(number) for number in numbers), default=0)

    def text(self, key: str) -> str | None:
        value = self.keys.get(key)
        return value if isinstance(value, str) else None


class _Reader:
    """The file's beginning, as far as it is asked for. Not mapped: a mapped file that shrinks kills the process."""

    def __init__(self, file: IO[bytes], path: Path, size: int) -> None:
        self._file, self._path, self._size = file, path, size
        self._bytes = bytearray()
        self.at = 0
        self.length = "<Q"  # version 1 had 32 bits

    def number(self, code: str) -> int:
        return int(self.scalar(code))

    def scalar(self, code: str) -> int | float | bool:
        start = self._take(struct.calcsize(code))
        value: int | float | bool = struct.unpack_from(code, self._bytes, start)[0]
        return value

    def numbers(self, code: str, count: int) -> tuple[int, ...]:
        start = self._take(count * struct.calcsize("<" + code))
        return struct.unpack_from(f"<{count}{code}", self._bytes, start)

    def string(self, most: int) -> str:
        length = self.number(self.length)
        if length > most:
            raise _wrong(self._path, f"it has a text of {length:,} bytes where {most:,} are the most")
        start = self._take(length)
        return self._bytes[start : start + length].decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        self._take(count)

    def skip_strings(self, count: int) -> None:
        """Pass over a list of texts: some 0.1 µs each, for a vocabulary may have 500,000."""
        take, width, at = struct.Struct(self.length).unpack_from, struct.calcsize(self.length), self.at
        self._check(at + count * width)
        left = count
        while left:
            try:
                while left:
                    at += width + take(self._bytes, at)[0]
                    left -= 1
            except (struct.error, OverflowError):  # beyond what is read, or beyond any file
                self._fill(at + width)
        self.at = at

    def _take(self, count: int) -> int:
        start = self.at
        self._fill(start + count)
        self.at = start + count
        return start

    def _fill(self, end: int) -> None:
        if end <= len(self._bytes):
            return
        self._check(end)
        self._bytes += self._file.read(max(end, 2 * len(self._bytes), _FIRST_READ) - len(self._bytes))
        if end > len(self._bytes):  # it shrank while we read
            raise _short(self._path)

    def _check(self, end: int) -> None:
        if end > self._size:
            raise _short(self._path)
        if end > _MOST_BYTES:
            raise _wrong(self._path, f"its header is longer than {_MOST_BYTES >> 20} MiB")


def _read_part(path: Path) -> _Part:
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise WeightsError(f"{path} is not a file", "give a GGUF file")
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return _parse(_Reader(file, path, size), path, size)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}", "give a GGUF file that can be read") from error


def _parse(reader: _Reader, path: Path, size: int) -> _Part:
    magic = reader.numbers("B", 4) if size >= 4 else ()
    if bytes(magic) != b"GGUF":
        raise WeightsError(f"{path} is not a GGUF file", "a GGUF file begins with the letters GGUF")
    version = reader.number("<I")
    if version and not version & 0xFFFF:
        raise WeightsError(f"{path} is a big-endian GGUF file", "use a little-endian one: nearly all are")
    if not 1 <= version <= 3:
        raise WeightsError(f"{path} is GGUF version {version}, and 1 to 3 are known here", "use an older conversion")
    reader.length = "<I" if version == 1 else "<Q"
    tensors, keys = reader.number(reader.length), reader.number(reader.length)
    if tensors > _MOST_TENSORS or keys > _MOST_KEYS:
        raise _wrong(path, f"it claims {tensors:,} tensors and {keys:,} keys")
    part = _Part(path, size, {})
    for _ in range(keys):
        key = reader.string(1 << 16)
        if (value := _value(reader, key, path)) is not None:
            part.keys[key] = value
    _tensors(reader, part, tensors)
    return part


def _value(reader: _Reader, key: str, path: Path) -> Value | None:
    """The value of one key, or None where it is of no interest: long lists, texts that aren't about the model."""
    kind = reader.number("<I")
    if code := _SCALARS.get(kind):
        return reader.scalar("<" + code)
    if kind == _STRING:
        if key.startswith("general.") or key == _TEMPLATE:
            return reader.string(_MOST_TEXT)
        reader.skip(reader.number(reader.length))
        return None
    if kind != _ARRAY:
        raise _wrong(path, f"its key {key[:60]!r} has the unknown type {kind}")
    inner, count = reader.number("<I"), reader.number(reader.length)
    if inner == _STRING:
        reader.skip_strings(count)
    elif inner not in _SCALARS:
        raise _wrong(path, f"its key {key[:60]!r} is a list of the unknown type {inner}")
    elif count <= _MOST_LAYERS and _SCALARS[inner] not in "fd":
        return reader.numbers(_SCALARS[inner], count)
    else:
        reader.skip(count * _WIDTHS[inner])
    return None


def _tensors(reader: _Reader, part: _Part, count: int) -> None:
    """Count what the tensors hold, and see that the file is long enough for them."""
    end = 0
    for _ in range(count):
        reader.skip(reader.number(reader.length))
        dimensions = reader.number("<I")
        if dimensions > 8:
            raise _wrong(part.path, f"a tensor has {dimensions:,} dimensions")
        values = math.prod(reader.numbers("I" if reader.length == "<I" else "Q", dimensions))
        kind, offset = reader.number("<I"), reader.number("<Q")
        if values > 1 << 50:
            raise _wrong(part.path, "a tensor is larger than any can be")
        _, block, width = _TENSOR_TYPES.get(kind, ("", 1, 0))
        end = max(end, offset + math.ceil(values / block) * width)
        part.parameters += values
        if dimensions > 1:
            part.values[kind] = part.values.get(kind, 0) + values
    alignment = part.count("general.alignment", 1 << 20) or 32
    begin = math.ceil(reader.at / alignment) * alignment
    if count and begin + end > part.size:
        raise _short(part.path, f"{begin + end:,} bytes belong to it and {part.size:,} are here")


def _short(path: Path, what: str = "it ends inside its header") -> WeightsError:
    return WeightsError(f"{path} is cut short: {what}", "download it again; an interrupted download looks like this")


def _wrong(path: Path, what: str) -> WeightsError:
    return WeightsError(f"{path} is a broken GGUF file: {what}", "download it again, or use another file")


# What it means -----------------------------------------------------------------------------------------------------


def _header(path: Path, first: _Part, parts: list[_Part]) -> Header:
    architecture = first.text("general.architecture") or ""
    if not architecture:
        raise _wrong(path, "it names no architecture")
    count: Callable[[str, int], int] = lambda key, most: first.count(f"{architecture}.{key}", most)  # noqa: E731
    values: dict[int, int] = {}
    for part in parts:
        for kind, held in part.values.items():
            values[kind] = values.get(kind, 0) + held
    blocks, heads = count("block_count", _MOST_LAYERS), count("attention.head_count", _MOST_HEADS)
    embedding = count("embedding_length", _MOST_LENGTH)
    usual = embedding // heads if heads else 0
    template, parameters = first.text(_TEMPLATE), sum(part.parameters for part in parts)
    return Header(
        path=path,
        size=sum(part.size for part in parts),
        kind=_kind(first.keys, architecture, template, parameters),
        architecture=architecture,
        name=first.text("general.name") or "",
        parameters=parameters,
        quantisation=_quantisation(first.count("general.file_type", 1 << 32), values),
        context=count("context_length", 1 << 31),
        blocks=blocks,
        embedding=embedding,
        heads=heads,
        kv_heads=_kv_heads(first, f"{architecture}.attention.head_count_kv", blocks, heads),
        key_length=count("attention.key_length", _MOST_LENGTH) or usual,
        value_length=count("attention.value_length", _MOST_LENGTH) or usual,
        sliding_window=count("attention.sliding_window", 1 << 31),
        keeps_less=_keeps_less(first, architecture),
        template=template,
        thinks=thinks(template),
        splits=len(parts),
    )


def _kv_heads(part: _Part, key: str, blocks: int, heads: int) -> tuple[int, ...]:
    """Heads in the cache for each layer: a list in the file, one number for all, or as many as there are heads."""
    most = part.count(key, _MOST_HEADS)
    listed = part.keys.get(key)
    if isinstance(listed, tuple):
        # Fewer than there are layers: the rest is taken as the largest one.
        return (*listed[:blocks], *[most] * (blocks - len(listed)))
    return (most if key in part.keys else heads,) * blocks


def _keeps_less(part: _Part, architecture: str) -> bool:
    """Windows, recurrent layers, latent attention, layers that share their cache."""
    recurrent = tuple(f"{architecture}.{name}." for name in ("ssm", "wkv", "shortconv"))
    marks = ("attention.sliding_window", "attention.kv_lora_rank", "attention.shared_kv_layers",
             "full_attention_interval")  # fmt: skip
    return any(key.startswith(recurrent) for key in part.keys) or any(
        part.count(f"{architecture}.{mark}", 1 << 31) for mark in marks
    )


def _kind(keys: Mapping[str, Value], architecture: str, template: str | None, parameters: int) -> Kind:
    declared = keys.get("general.type")
    if declared == "adapter" or "adapter.type" in keys:
        return "adapter"
    if declared == "mmproj" or architecture == "clip":
        return "projector"
    if declared not in (None, "model"):
        return "other"
    if not parameters:
        return "vocabulary"
    if architecture in _EMBEDDERS or keys.get(f"{architecture}.pooling_type"):
        return "embedding"
    return "chat" if template else "text"


def _quantisation(file_type: int, values: Mapping[int, int]) -> str:
    """As the file says it, or else the type that holds the most values. Small models have few tensors of the type that
    they are called after (rows that are no multiple of 256 fall back to another one), so the file comes first."""
    if said := _FILE_TYPES.get(file_type):
        return said
    if not values:
        return ""
    kind = max(values, key=lambda kind: values[kind])
    return _TENSOR_TYPES[kind][0] if kind in _TENSOR_TYPES else f"type {kind}"
