"""A sweep's reading as tests of what is shown take it: temperature 0.1 to 2 at a model that heeds it and one that does
not, in English and Chinese. The numbers are of the kind that SCIENCE measured; the texts are written for this."""

from __future__ import annotations

import math
from collections.abc import Iterator

from promptlab.analysis import Measure, Point, Reading, Remark, Sample
from promptlab.check import Outcome
from promptlab.params import Value

LOCAL, REMOTE = "local", "deepseek/deepseek-reasoner"
TEMPERATURES = (0.1, 0.4, 0.7, 1.0, 1.3, 1.8, 2.0)
REPEATS = 5
_QUATRAINS = (
    "春眠不觉晓，\n处处闻啼鸟。\n夜来风雨声，\n花落知多少。",
    "月落乌啼霜满天，江枫渔火对愁眠。\n姑苏城外寒山寺，夜半钟声到客船。",
    "The tide forgets the names we wrote in sand,\nand keeps the shape of every vanished hand.",
    "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\n\n（五言绝句，押尤韵。）",
    "A lamp, a window, rain that will not end;\nthe letter starts, and stops, at “dear old friend”.",
)
_BROKEN = "雨 lattice 的 quorum… bright‐ness 乎 7 乎 sine\nvelvet 之 kiln, ∂ok 灯灯灯 (but) ]] omen 然而 fjord"


def samples() -> Iterator[Sample]:
    number = 0
    for value in TEMPERATURES:
        for repeat in range(REPEATS):
            yield _sample(number, LOCAL, value, repeat, _local(value, repeat))
            number += 1
    for value in TEMPERATURES:
        for repeat in range(2):
            yield _sample(number, REMOTE, value, repeat, _QUATRAINS[(number * 3) % 5])
            number += 1


def _local(value: float, repeat: int) -> str:
    if value < 0.3:
        return _QUATRAINS[0]
    if value > 1.5 and repeat != 1:
        return f"{_BROKEN}\n{'灯' * (repeat + 1)} {'again ' * 60}"
    return _QUATRAINS[(repeat * (1 if value > 0.5 else 0) + round(value * 10)) % 5]


def _sample(number: int, target: str, value: float, repeat: int, answer: str) -> Sample:
    failed = target == LOCAL and value == 1.8 and repeat == 4
    cut = target == LOCAL and value == 2.0 and repeat == 3
    return Sample(
        number, target, {"temperature": value}, repeat, "" if failed else answer,
        thinking=f"The user wants a quatrain. 押韵要对。Attempt {number}." if target == REMOTE else "",
        state="failed" if failed else "incomplete" if cut else "done", finish_reason="length" if cut else "stop",
        outcomes=() if failed else (Outcome("lines 4x5", value < 1.5, "" if value < 1.5 else "2 lines of 4"),),
        seconds=1.5 + value, answer_tokens=40 + number, estimated=target == REMOTE, rate=61.5,
        usd=None if target == LOCAL else 0.00012,
    )  # fmt: skip


def _measure(value: float, half: float, *, share: bool = True, n: int = REPEATS, estimated: bool = False) -> Measure:
    low, high = value - half, value + half * 0.8
    return Measure(value, max(0.0, low) if share else low, min(1.0, high) if share else high, n, estimated)


def reading() -> Reading:
    points = [_heeding(place, value) for place, value in enumerate(TEMPERATURES)]
    return Reading(
        {"temperature": TEMPERATURES}, (*points, _ignoring()),
        (
            Remark("collapse", "answers collapse to one below 0.4", LOCAL, n=5),
            Remark("form", "usable up to about 1.3: from 1.8 on 80% of the answers break the form", LOCAL, 0.003, 10),
            Remark("no_effect", "temperature had no measurable effect (n = 14)", REMOTE, 0.71, 14),
        ),
        ("distinct_2", "vendi", "openings", "surprisal", "gap", "check:lines 4x5", "answer_tokens", "time", "cost"),
    )  # fmt: skip


def _heeding(place: int, value: float) -> Point:
    cells = tuple(range(place * REPEATS, (place + 1) * REPEATS))
    distinct = 0.98 / (1 + math.exp(-4 * (value - 0.6)))
    surprisal = 0.8 + 0.55 * math.exp(1.25 * value) * (0.2 + value / 2.4)
    failed = int(value == 1.8)
    return Point(
        LOCAL, {"temperature": value}, cells, cells[1],
        {
            "distinct_2": _measure(distinct, 0.09), "vendi": _measure(1 + 3.9 * distinct, 0.4, share=False),
            "openings": _measure(min(1.0, 0.2 + distinct), 0.15),
            "surprisal": _measure(surprisal, 0.12 + surprisal / 12, share=False),
            "gap": _measure((value - 1) * (1.7 if value < 1 else 5.5), 0.15 + value / 8, share=False),
            "check:lines 4x5": _measure(1.0 if value < 1.5 else 0.2, 0.3),
            "answer_tokens": _measure(41.5 + place * 3, 4.5, share=False),
            "time": _measure(1.5 + value, 0.2, share=False),
        },
        answered=REPEATS - failed, failed=failed, cut=int(value == 2.0),
        distinct=len({_local(value, repeat) for repeat in range(REPEATS - failed)}),
    )  # fmt: skip


def _ignoring() -> Point:
    cells = tuple(range(35, 49))
    values: dict[str, Value] = {"temperature": None}
    return Point(
        REMOTE, values, cells, 37,
        {
            "distinct_2": _measure(0.55, 0.06, n=14), "vendi": _measure(4.6, 0.5, share=False, n=14),
            "openings": _measure(0.36, 0.2, n=14), "check:lines 4x5": _measure(0.93, 0.2, n=14),
            "answer_tokens": _measure(66, 5, share=False, n=14, estimated=True),
            "time": _measure(2.6, 0.3, share=False, n=14),
            "cost": Measure(0.00012, 0.00011, 0.00013, 14),
        },
        ("temperature",), 14, distinct=5,
    )  # fmt: skip


def efforts() -> Reading:
    """An axis that is no number, crossed with one that is, at two targets: bars."""
    points = [
        Point(target, {"effort": effort, "top_p": top_p}, (number,), number,
              {"check:格律": _measure(0.3 + 0.08 * number, 0.15), "gap": _measure(0.4 * number - 1, 0.3, share=False)},
              answered=1)
        for number, (target, top_p, effort) in enumerate(
            (target, top_p, effort) for target in ("a/模型一号", "b/m2") for top_p in (0.9, None)
            for effort in ("low", "high"))
    ]  # fmt: skip
    return Reading({"effort": ("low", "high"), "top_p": (0.9, None)}, tuple(points), (), ("check:格律", "gap"))


def one_each(reading: Reading) -> Iterator[Sample]:
    for point in reading.points:
        for repeat, cell in enumerate(point.cells):
            yield Sample(cell, point.target, point.values, repeat, f"答案 {cell}")
