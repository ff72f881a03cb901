"""GGUF headers: made ones of every kind, hostile ones, and the real one; and the memory that follows from them."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.errors import WeightsError
from promptlab.providers import gguf
from promptlab.providers.gguf import fits, memory, read, thinks
from tests.gguf_writer import (
    F16,
    F32,
    LLAMA,
    Q4_K,
    Q6_K,
    TENSORS,
    As,
    Given,
    Tensor,
    build,
    head,
    text,
    value,
    write,
    write_split,
)


def refused(path: Path, *words: str, part: bool = False) -> None:
    """A file that must not be read: its error names it (or another `part` of it) and holds the words."""
    with pytest.raises(WeightsError) as caught:
        read(path)
    error = caught.value
    assert (part or path.name in error.message) and "\n" not in error.message and error.hint
    for word in words:
        assert word in error.message


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# What a header says --------------------------------------------------------------------------------------------------


def test_the_real_file(weights: Path) -> None:
    header = read(weights)
    assert (header.architecture, header.kind, header.quantisation) == ("llama", "chat", "Q4_1")
    assert (header.context, header.blocks, header.embedding, header.heads) == (8192, 30, 576, 9)
    assert header.kv_heads == (3,) * 30
    assert (header.key_length, header.value_length, header.sliding_window, header.keeps_less) == (64, 64, 0, False)
    assert header.parameters == 134_515_008
    assert header.size == weights.stat().st_size
    assert header.template is not None and "<|im_start|>" in header.template
    assert (header.thinks, header.splits) == ("no", 1)


def test_a_made_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf")
    header = read(path)
    assert header.path == path and header.size == path.stat().st_size
    assert (header.name, header.quantisation, header.parameters) == ("Test 雪", "Q4_K_M", 512 * 4 + 512)
    assert (header.blocks, header.heads, header.kv_heads) == (4, 8, (2, 2, 2, 2))
    assert (header.key_length, header.value_length) == (64, 64)  # embedding by heads, where the file doesn't say


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions(version: int, tmp_path: Path) -> None:
    lists: dict[str, Given] = {
        **LLAMA,
        "tokenizer.ggml.tokens": ["a", "雪", ""],
        "tokenizer.ggml.scores": As("f32", [1.5]),
    }
    header = read(put(tmp_path / "a.gguf", build(lists, TENSORS, version=version)))
    assert (header.name, header.parameters, header.context) == ("Test 雪", 2560, 4096)


def test_all_types_of_values_are_passed_over_or_read(tmp_path: Path) -> None:
    every: dict[str, Given] = {}
    for number, name in enumerate(("u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "u64", "i64", "f64")):
        every[f"llama.one{number}"] = As(name, 1)
        every[f"llama.many{number}"] = As(name, [1, 0, 1])
        every[f"llama.none{number}"] = As(name, [])
        every[f"llama.thousands{number}"] = As(name, [1] * 5000)
    every |= {"other.text": "x" * 3000, "other.texts": ["", "y" * 300, "雪"], "other.nothing": As("u8", [])}
    header = read(put(tmp_path / "a.gguf", build({**every, **LLAMA}, TENSORS)))
    assert (header.context, header.parameters) == (4096, 2560)


@pytest.mark.parametrize("name", ["u8", "i16", "u32", "i32", "u64", "i64"])
def test_numbers_of_any_width(name: str, tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.gguf", llama__context_length=As(name, 100))).context == 100


def test_heads_for_each_layer(tmp_path: Path) -> None:
    """Hybrid models have layers without a cache; a list that is too short is filled up with its largest number."""
    listed = write(tmp_path / "a.gguf", llama__attention__head_count_kv=As("i32", [0, 4, 0, 2]))
    assert read(listed).kv_heads == (0, 4, 0, 2)
    short = write(tmp_path / "b.gguf", llama__attention__head_count_kv=As("u32", [1, 4]))
    assert read(short).kv_heads == (1, 4, 4, 4)
    assert read(write(tmp_path / "c.gguf", "llama.attention.head_count_kv")).kv_heads == (8, 8, 8, 8)


def test_lengths_that_the_file_tells(tmp_path: Path) -> None:
    header = read(write(tmp_path / "a.gguf", llama__attention__key_length=192, llama__attention__value_length=128))
    assert (header.key_length, header.value_length) == (192, 128)


@pytest.mark.parametrize(
    ("file_type", "kinds", "said"),
    [
        (15, (Q4_K, Q6_K), "Q4_K_M"),
        (7, (Q4_K,), "Q8_0"),
        (1, (F16,), "F16"),
        (0, (F32,), "F32"),
        (1, (Q4_K,), "Q4_K"),  # a converter that left the number as it was
        (1024, (Q6_K,), "Q6_K"),  # "guessed"
        (999, (Q6_K,), "Q6_K"),
        (None, (Q4_K, Q4_K, Q6_K), "Q4_K"),
        (None, (99,), "type 99"),
    ],
)
def test_quantisation(file_type: int | None, kinds: tuple[int, ...], said: str, tmp_path: Path) -> None:
    keys: dict[str, Given] = {key: given for key, given in LLAMA.items() if key != "general.file_type"}
    if file_type is not None:
        keys["general.file_type"] = file_type
    tensors = [Tensor(f"blk.{i}.weight", (256, 2), kind if kind != 99 else F32) for i, kind in enumerate(kinds)]
    content = build(keys, tensors)
    if 99 in kinds:
        place = content.index(b"blk.0.weight") + len("blk.0.weight") + 4 + 16
        content = content[:place] + struct.pack("<I", 99) + content[place + 4 :]
    assert read(put(tmp_path / "a.gguf", content)).quantisation == said


KINDS: list[tuple[dict[str, Given], str]] = [
    ({}, "chat"),
    ({"general.type": "model"}, "chat"),
    ({"llama.pooling_type": 1}, "embedding"),
    ({"general.architecture": "nomic-bert"}, "embedding"),
    ({"general.architecture": "clip"}, "projector"),
    ({"general.type": "mmproj"}, "projector"),
    ({"general.type": "adapter", "adapter.type": "lora"}, "adapter"),
    ({"general.type": "imatrix"}, "other"),
]


@pytest.mark.parametrize(("keys", "kind"), KINDS)
def test_kinds(keys: dict[str, Given], kind: str, tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.gguf", build({**LLAMA, **keys}, TENSORS))).kind == kind


def test_a_file_without_template_or_tensors(tmp_path: Path) -> None:
    base = read(write(tmp_path / "a.gguf", "tokenizer.chat_template"))
    assert (base.kind, base.thinks, base.template) == ("text", "unknown", None)
    assert read(write(tmp_path / "b.gguf", tensors=())).kind == "vocabulary"


# Thinking ------------------------------------------------------------------------------------------------------------

QWEN3 = """{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1] %}{%- endif %}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"""
GPT_OSS = """{%- if "thinking" in message %}{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking }}
{%- set reasoning_effort = "medium" %}"""
DEEPSEEK_V31 = """{% if not thinking is defined %}{% set thinking = false %}{% endif %}
{%- if thinking %}{{'<think>'}}{%- else %}{{'</think>'}}{% endif %}"""
FILLED = "{%- set thinking = message.reasoning %}{%- if thinking %}<think>{{ thinking }}</think>{% endif %}"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "unknown"),
        ("{{ messages }} I think, therefore the thinking goes on", "no"),
        (QWEN3, "switchable"),
        (DEEPSEEK_V31, "switchable"),
        ("{%- if thinking %}Write your thoughts{%- endif %}", "switchable"),  # Granite
        ("{% if '/no_think' in system %}", "switchable"),  # SmolLM3, Nemotron
        ("{{ '<|Assistant|><think>\\n' }}", "yes"),  # DeepSeek R1
        ("{% set content = content.split('</think>')[-1] %}", "yes"),  # R1 of May 2025
        (GPT_OSS, "yes"),
        (FILLED, "yes"),
        ("[SYSTEM_PROMPT]…[THINK]…[/THINK]", "yes"),  # Magistral
        ("<|START_THINKING|>", "yes"),  # Cohere
        ("<seed:think>", "yes"),
        ("{{ '<thought>\\n' }}", "yes"),
    ],
)
def test_thinking_is_told_by_the_template(template: str | None, said: str) -> None:
    assert thinks(template) == said


# Split files ---------------------------------------------------------------------------------------------------------


def test_a_split_model_is_one(tmp_path: Path) -> None:
    paths = write_split(tmp_path, "big", 3)
    header = read(paths[0])
    assert header.splits == 3
    assert header.size == sum(path.stat().st_size for path in paths)
    assert header.parameters == 3 * 2560


def test_what_can_be_wrong_with_parts(tmp_path: Path) -> None:
    paths = write_split(tmp_path, "big", 3)
    refused(paths[1], "part 2 of 3")
    paths[2].unlink()
    refused(paths[0], "big-00003-of-00003.gguf is missing")
    paths[1].replace(paths[2])
    write_split(tmp_path / "other", "big", 3)[1].replace(paths[1])
    refused(paths[0], paths[2].name, "part 3 of 3", part=True)
    renamed = paths[0].rename(tmp_path / "mine.gguf")
    refused(renamed, "first of 3 parts")


def test_a_part_that_is_cut_short_is_named(tmp_path: Path) -> None:
    paths = write_split(tmp_path, "big", 2)
    os.truncate(paths[1], paths[1].stat().st_size - 1000)
    refused(paths[0], paths[1].name, "cut short", part=True)


# Files that are none -------------------------------------------------------------------------------------------------


def test_what_is_no_gguf(tmp_path: Path) -> None:
    for content in (b"", b"GG", b"PK\x03\x04" + bytes(100), b"<!DOCTYPE html>", b"tjgg" + bytes(100)):
        refused(put(tmp_path / "a.gguf", content), "is not a GGUF")
    refused(put(tmp_path / "a.gguf", b"GGUF"), "cut short")
    refused(tmp_path / "none.gguf", "No such file")
    refused(tmp_path, "is not a file")
    os.mkfifo(tmp_path / "pipe.gguf")
    refused(tmp_path / "pipe.gguf", "is not a file")


def test_what_is_another_gguf(tmp_path: Path) -> None:
    refused(put(tmp_path / "a.gguf", b"GGUF" + struct.pack(">IQQ", 3, 1, 1)), "big-endian")
    refused(put(tmp_path / "a.gguf", b"GGUF" + struct.pack("<IQQ", 4, 1, 1)), "version 4")
    refused(put(tmp_path / "a.gguf", b"GGUF" + struct.pack("<IQQ", 0, 1, 1)), "version 0")
    refused(write(tmp_path / "a.gguf", "general.architecture"), "no architecture")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = build({**LLAMA, "tokenizer.ggml.tokens": ["a", "b", "c"] * 20}, TENSORS)
    path = tmp_path / "a.gguf"
    for end in range(len(whole)):
        refused(put(path, whole[:end]))
    read(put(path, whole))


def test_an_interrupted_download_says_how_much_is_missing(weights: Path, tmp_path: Path) -> None:
    with weights.open("rb") as file:
        path = put(tmp_path / "half.gguf", file.read(50_000_000))
    refused(path, "cut short", "98,362,432 bytes", "50,000,000")


HOSTILE: dict[str, bytes] = {
    "keys without end": head(1, 1 << 62),
    "tensors without end": head(1 << 62, 1),
    "a key longer than the file": head(0, 1) + struct.pack("<Q", 1 << 40),
    "a key longer than any": head(0, 1) + text("k" * 70_000) + value(1),
    "a text longer than any": head(0, 1) + text("general.name") + value("n" * (2 << 20)),
    "a text with a negative length": head(0, 1) + text("other") + struct.pack("<IQ", 8, (1 << 64) - 1),
    "a list of more texts than bytes": head(0, 1) + text("t") + struct.pack("<IIQ", 9, 8, 1 << 60) + bytes(1000),
    "a list with a text without end": head(0, 1) + text("t") + struct.pack("<IIQQ", 9, 8, 2, (1 << 64) - 1) + bytes(99),
    "a list of more numbers than bytes": head(0, 1) + text("t") + struct.pack("<IIQ", 9, 10, 1 << 60) + bytes(1000),
    "a list of lists": head(0, 1) + text("t") + struct.pack("<IIQ", 9, 9, 2) + bytes(1000),
    "an unknown type": head(0, 1) + text("t") + struct.pack("<I", 13) + bytes(1000),
    "a list of an unknown type": head(0, 1) + text("t") + struct.pack("<IIQ", 9, 99, 2) + bytes(1000),
    "a tensor of a hundred dimensions": head(1, 0) + text("t") + struct.pack("<I", 100) + bytes(2000),
    "a tensor larger than the world": head(1, 0) + text("t") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 40, 0, 0),
    "a tensor beyond the end": head(1, 0) + text("t") + struct.pack("<IQIQ", 1, 1, 0, (1 << 64) - 1) + bytes(1000),
    "more layers than any": build({**LLAMA, "llama.block_count": As("u32", 4_000_000_000)}, TENSORS),
    "a negative context": build({**LLAMA, "llama.context_length": As("i32", -1)}, TENSORS),
    "heads that are a fraction": build({**LLAMA, "llama.attention.head_count": 8.5}, TENSORS),
    "an alignment without end": build({**LLAMA, "general.alignment": As("u32", 1 << 31)}, TENSORS),
    "parts without end": build({**LLAMA, "split.count": As("u16", 65535)}, TENSORS),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_at_once(content: bytes, tmp_path: Path) -> None:
    path = put(tmp_path / "a.gguf", content)
    began = time.process_time()
    refused(path)
    assert time.process_time() - began < 1


def test_a_number_that_is_a_text_counts_as_not_said(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.gguf", llama__context_length="many")).context == 0


def test_a_header_without_end_is_given_up(tmp_path: Path) -> None:
    """Texts of no length: the slowest way to fill a header."""
    path = tmp_path / "a.gguf"
    count = 9 << 20
    path.write_bytes(head(0, 1) + text("t") + struct.pack("<IIQ", 9, 8, count))
    os.truncate(path, 200 << 20)
    began = time.process_time()
    refused(path, "longer than 64 MiB")
    assert time.process_time() - began < 5


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_bytes_changed_anywhere_never_do_more_than_be_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(build({**LLAMA, "tokenizer.ggml.tokens": ["a", "b"], "x.y": As("i64", [1, 2])}, TENSORS))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = put(tmp_path / "a.gguf", bytes(whole))
    try:
        header = read(path)
    except WeightsError:
        return
    assert len(header.kv_heads) == header.blocks <= 4096
    assert memory(header, 4096).total > 0


def test_a_large_vocabulary_is_passed_over_quickly(tmp_path: Path) -> None:
    """150,000 tokens with scores and types, as many merges, and the template after them."""
    rng = random.Random(7)
    tokens = ["x" * rng.randint(1, 14) for _ in range(150_000)]
    large: dict[str, Given] = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": As("f32", [0.0] * 150_000),
        "tokenizer.ggml.token_type": As("i32", [1] * 150_000),
        "tokenizer.ggml.merges": tokens,
    }
    path = put(tmp_path / "a.gguf", build({**large, **LLAMA}, TENSORS))
    assert read(path).template is not None

    def seconds() -> float:
        began = time.process_time()
        read(path)
        return time.process_time() - began

    assert min(seconds() for _ in range(8)) < 0.1  # 0.04 on a quiet machine


# Memory --------------------------------------------------------------------------------------------------------------

MIB = 1 << 20


def test_memory_of_the_real_model(weights: Path) -> None:
    """30 layers of 3 heads of 64 + 64 values: 22.5 KiB for a token in F16, so 180 MiB for 8192."""
    header = read(weights)
    half = memory(header, 8192, cache="f16")
    assert half.kv == 180 * MIB and half.cache == "f16"
    eighth = memory(header, 8192)
    assert eighth.kv == 180 * MIB * 34 // 64 and eighth.cache == "q8_0"
    assert memory(header, 8192, slots=4).kv == 4 * eighth.kv
    assert eighth.weights == weights.stat().st_size
    assert 300 * MIB < eighth.margin < 310 * MIB
    assert eighth.total == eighth.weights + eighth.kv + eighth.margin
    assert not eighth.at_most


def test_contexts_are_rounded_up(weights: Path) -> None:
    header = read(weights)
    assert memory(header, 1).kv == memory(header, 256).kv < memory(header, 257).kv == memory(header, 512).kv


def test_heads_of_other_lengths_are_not_quantised(tmp_path: Path) -> None:
    need = memory(read(write(tmp_path / "a.gguf", llama__attention__key_length=80)), 256)
    assert need.cache == "f16" and need.kv == 256 * 8 * (80 + 64) * 2


def test_the_margin_is_bounded(tmp_path: Path) -> None:
    header = read(write(tmp_path / "a.gguf"))
    large = gguf.Header(**{**{name: getattr(header, name) for name in header.__slots__}, "size": 400 << 30})
    assert memory(large, 256).margin == 1 << 30


@pytest.mark.parametrize(
    "key",
    ["attention.sliding_window", "attention.kv_lora_rank", "ssm.conv_kernel", "wkv.head_size", "shortconv.l_cache",
     "full_attention_interval"],
)  # fmt: skip
def test_models_that_keep_less_are_an_upper_bound(key: str, tmp_path: Path) -> None:
    header = read(put(tmp_path / "a.gguf", build({**LLAMA, f"llama.{key}": 512}, TENSORS)))
    assert memory(header, 4096).at_most
    assert not memory(read(write(tmp_path / "b.gguf", llama__attention__sliding_window=0)), 4096).at_most


def test_a_recurrent_model_without_heads_has_no_cache(tmp_path: Path) -> None:
    header = read(write(tmp_path / "a.gguf", llama__attention__head_count=0, llama__attention__head_count_kv=0))
    assert memory(header, 4096).kv == 0


def test_fits(weights: Path) -> None:
    need = memory(read(weights), 4096)
    assert fits(need, need.total) and not fits(need, need.total - 1)


def test_the_estimate_covers_the_running_server(weights: Path, memory_of_server: Callable[[int, int], int]) -> None:
    """Resident memory of the real server with a prompt in each slot: within the estimate, and not far below."""
    header = read(weights)
    for slots, context in ((1, 2048), (4, 8192)):
        need, used = memory(header, context, slots=slots), memory_of_server(slots, context)
        assert need.weights / 2 + need.kv < used <= need.total, (slots, context)


@pytest.fixture
def memory_of_server(weights: Path) -> Callable[[int, int], int]:
    import asyncio

    import aiohttp
    import psutil

    from promptlab.providers.embedded import EmbeddedServer

    async def measure(slots: int, context: int) -> int:
        server = EmbeddedServer(weights, slots=slots, context=context)
        try:
            address = await server.start()
            headers = {"Authorization": f"Bearer {address.key}"}
            async with aiohttp.ClientSession(headers=headers) as session:

                async def ask(number: int) -> None:
                    messages = [{"role": "user", "content": f"{number} " + "word " * 60}]
                    url = f"{address.base_url}/chat/completions"
                    async with session.post(url, json={"messages": messages, "max_tokens": 2}) as response:
                        assert response.status == 200

                await asyncio.gather(*(ask(number) for number in range(slots)))
            return int(psutil.Process(server.pid).memory_info().rss)
        finally:
            await server.aclose()

    return lambda slots, context: asyncio.run(measure(slots, context))
