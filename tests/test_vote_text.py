"""What votes, requests and the form of a profile say on a Chinese screen; in English it is what it always was."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from promptlab.ballot import KNOWN, SPEAKS, TURNED
from promptlab.cli.blind import Rules, past
from promptlab.cli.export import export
from promptlab.cli.judged import JUDGED
from promptlab.cli.preferred import votes_by
from promptlab.cli.requests import Outgoing, request_text
from promptlab.cli.tui.rooms import Rooms
from promptlab.errors import LabError, Sentence
from promptlab.places import Places
from promptlab.plan import Cell, Plan
from promptlab.render.preference import text
from promptlab.render.wrap import width
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.tui.aside import told
from promptlab.tui.contest import matches_of
from promptlab.tui.text import Say, sentences
from tests.polling import HIGH, LOW, OTHER, ballot, kept, score, seen

ZH = Say("zh")
ENGLISH = re.compile(r"\b[a-z][a-z']+,? [a-z][a-z']+\b")  # two words in a row
OURS = re.compile(r"promptlab rank --votes|local temperature|Cohen's kappa")
VOTES = {
    "one pair": score(LOW, HIGH, 14, 5, 3),
    "settled": score(LOW, HIGH, 30, 0),
    "level": score(LOW, HIGH, 4, 4),
    "ties alone": score(LOW, HIGH, 0, 0, 2),
    "both bad": [*score(LOW, HIGH, 3, 1, 1), ballot(LOW, HIGH, "bad"), ballot(LOW, HIGH, "skip")],
    "aside": [*score(LOW, HIGH, 3, 1), replace(ballot(LOW, HIGH), aside=True)],
    "marked": [ballot(LOW, HIGH, flags=("answer 1: model gpt",)), ballot(LOW, HIGH, flags=(KNOWN,))],
    "one prompt": [ballot(LOW, HIGH, prompt="p") for _ in range(4)],
    "some prompts": [ballot(LOW, HIGH, prompt=str(n % 3)) for n in range(9)],
    "three": score(LOW, HIGH, 14, 5) + score(HIGH, OTHER, 8, 0) + score(LOW, OTHER, 9, 0),
    "apart": score(LOW, HIGH, 3, 1) + score(OTHER, "x", 2, 1) + score("y", "z", 2, 1),
    "judge": score(LOW, HIGH, 14, 5, 3) + score(LOW, HIGH, 3, 9, voter="j", criteria="vivid"),
    "judge's flags": [ballot(LOW, HIGH, voter="j", flags=(SPEAKS,)), ballot(LOW, HIGH, "skip", voter="j"),
                      ballot(LOW, HIGH, voter="j", flags=(TURNED,))],
}  # fmt: skip


@pytest.mark.parametrize("cells", [40, 70, 160])
@pytest.mark.parametrize("name", VOTES)
def test_the_page_of_the_votes_is_chinese_and_as_wide_as_it_may_be(name: str, cells: int) -> None:
    lines = text(VOTES[name], cells, words=ZH.ours).lines()
    assert max(map(width, lines)) <= cells
    assert not ENGLISH.findall(OURS.sub("", " ".join(lines))), lines
    assert text(VOTES[name], cells, words=Say("en").ours).lines() == text(VOTES[name], cells).lines()


def test_together_and_without_a_vote_it_is_chinese_too() -> None:
    assert str(text([], 80, words=ZH.ours)) == "还没有投票"
    assert "you + j 的投票（2 位合为一位），按“vivid”" in str(text(VOTES["judge"], 80, together=True, words=ZH.ours))


def test_what_the_sentences_say() -> None:
    said = "".join(str(text(VOTES["one pair"], 400, words=ZH.ours)).split("\n"))
    assert f"{LOW} 领先，14 : 5（另平 3 票）；p = 0.06；照此比例，约再投 17 票可定" in said
    assert "22 个提示词，22 票，其中平 3 票；每票用时 12.5 s（中位数）" in said
    said = str(text(VOTES["one pair"], 70, words=ZH.ours))
    assert "放不下：长度相同时。请加宽终端" in said
    said = "".join(str(text(VOTES["both bad"], 400, words=ZH.ours)).split("\n"))
    assert "其中平 1 票、都不好 1 票；不计入：跳过 1 组" in said and "（另平 1 票、都不好 1 票）" in said
    said = "".join(str(text(VOTES["apart"], 400, words=ZH.ours)).split("\n"))
    assert f"给 {LOW} 对 {OTHER} 和 {LOW} 对 y 各投一票即可连通" in said


def test_columns_stand_under_each_other_in_chinese() -> None:
    lines = text(VOTES["three"], 160, words=ZH.ours).lines()
    head = next(line for line in lines if line.startswith("对阵"))
    rows = [line for line in lines if re.match(r"[ABC] : [ABC] ", line)]
    column = width(head[: head.index("还需票数")])
    assert len(rows) == 3
    for line in rows:
        starts = {width(line[: found.start()]) for found in re.finditer(r"(?<=  )\S", line)}
        assert column in starts, line


def at(home: Path) -> Places:
    return Places(home, home, home / "cache")


def test_a_mark_for_the_best_is_no_vote_on_the_page(tmp_path: Path) -> None:
    mark = replace(ballot(LOW, HIGH), seen=(seen(0, LOW),), prompt="another")
    kept(tmp_path, [ballot(LOW, HIGH), mark]).close()
    assert "1 个提示词，1 票；" in Rooms(at(tmp_path)).votes(1, 80, ZH.ours)
    assert "1 vote on 1 prompt;" in Rooms(at(tmp_path)).votes(1, 80, str)


# Nothing to vote on, or to export ------------------------------------------------------------------------------------


def refused(error: LabError) -> tuple[str, str]:
    return told(error), told(error, ZH)


def test_what_has_nothing_to_compare_says_so(tmp_path: Path) -> None:
    request = Request("m", (Message("user", "hi"),), {})
    with pytest.raises(LabError) as alone:
        matches_of(Plan((Cell(0, "lab/m", "lab", request),), "hi"), Random(0))
    with pytest.raises(LabError) as empty:
        matches_of(Plan((), "hi"), Random(0))
    assert refused(alone.value) == (
        "✗ there is one arm alone, and nothing to compare it with → two of anything: -m a -m b, -t 0.2,1.2, "
        "--axis profile=a,b",
        "✗ 只有一种设置，没有可比较的 → 任一项给两个值：-m a -m b、-t 0.2,1.2、--axis profile=a,b",
    )
    assert refused(empty.value)[1].startswith("✗ 没有回答 → ")
    kept(tmp_path, [ballot(LOW, HIGH)], ["a", "b"]).close()
    with pytest.raises(LabError) as done:
        past(at(tmp_path), 1, Rules(), Random(0))
    assert refused(done.value) == ("✗ run 1: everything that can be compared has a vote → promptlab rank 1",
                                   "✗ 运行 1：可比较的都已投过票 → promptlab rank 1")  # fmt: skip


def test_a_judging_is_not_voted_on(tmp_path: Path) -> None:
    store = Store(tmp_path / "promptlab.db")
    store.begin(Plan((Cell(0, "lab/m", "lab", Request("m", (), {}), values={JUDGED: 7}),), "hi"), {})[1].close("done")
    store.close()
    with pytest.raises(LabError) as error:
        past(at(tmp_path), 1, Rules(), Random(0))
    assert refused(error.value)[1] == "✗ 运行 1 是对运行 7 的评审 → promptlab compare 7"


def test_an_export_that_fails_says_why(tmp_path: Path) -> None:
    store = kept(tmp_path, score(LOW, HIGH, 1, 0, voter="i") + score(LOW, HIGH, 1, 0, voter="j"), ["a", "b"])
    with pytest.raises(LabError) as mixed:
        votes_by(store, 1, None)
    assert refused(mixed.value)[1] == "✗ 运行 1 有 i, j 的投票，不能混用 → 用 --voter 指明是谁的"
    store.close()
    (tmp_path / "there.md").touch()
    (tmp_path / "none").mkdir()
    kept(tmp_path / "none", [], ["a", "b"]).close()
    said = {
        "there.md": "已存在 → 请换个文件名，或在命令行用 --force 替换",
        "no/x.md": "没有这个文件 → 请检查文件夹与磁盘空间",
        "none": "是文件夹 → -o",
    }
    for name, chinese in said.items():
        with pytest.raises(LabError) as error:
            export(1, "md", tmp_path / name, places=at(tmp_path))
        english, zh = refused(error.value)
        assert chinese in zh and str(tmp_path / name) in zh and str(tmp_path / name) in english
    with pytest.raises(LabError) as nobody:
        export(1, "pairs", tmp_path / "x.jsonl", places=at(tmp_path / "none"))
    assert refused(nobody.value) == ("✗ nobody has voted on run 1 → promptlab compare 1",
                                     "✗ 运行 1 还没有投票 → promptlab compare 1")  # fmt: skip


# Requests and profiles -----------------------------------------------------------------------------------------------


def test_what_stands_above_a_request_is_said_in_chinese_and_its_body_is_what_is_sent() -> None:
    outgoing = Outgoing(
        "lab/m", "http://h/v1", "Authorization: Bearer $KEY", {"temperature": 0.3, "top_p": 0.5, "seed": 7},
        {"temperature": 0.3, "seed": 7}, False, {"prompt": "none {braces}", "say": "never"},
        {"temperature": "honoured", "top_p": "pinned", "seed": "unknown"},
        {"temperature": "the last sampler: min_p 0.05 cuts before it; for a clean sweep min_p=0",
         "top_p": Sentence("fixed at {value}", value=1)},
    )  # fmt: skip
    body = '{\n  "prompt": "none {braces}",\n  "say": "never"\n}'
    assert request_text(outgoing) == (
        "POST http://h/v1  (before litellm makes the body)\nAuthorization: Bearer $KEY\n"
        "# top_p 0.5 left out, pinned: fixed at 1\n"
        "# honoured: temperature 0.3 (the last sampler: min_p 0.05 cuts before it; for a clean sweep min_p=0)\n"
        f"# unknown: seed 7\n{body}"
    )
    assert ZH.ours(request_text(outgoing)) == (
        "POST http://h/v1  （litellm 生成请求体之前）\nAuthorization: Bearer $KEY\n"
        "# top_p 0.5：未发送，取值固定（固定为 1）\n"
        "# 生效：temperature 0.3（最后一步采样：之前先按 min_p 0.05 截断；要纯净的扫描请设 min_p=0）\n"
        f"# 效果未知：seed 7\n{body}"
    )


MODELS = ("local", "openai/o3 --cot", "openai/gpt-4o --cot", "deepseek/deepseek-r1", "anthropic/claude-sonnet-4-5",
          "ollama/gemma3:4b", "openai/o1-preview")  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_the_form_in_which_a_model_gets_a_profile_is_told_in_chinese(model: str, tmp_path: Path) -> None:
    shelf = Rooms(at(tmp_path)).shelf
    for name in ("summary", "debugging", "json-extractor"):
        look = shelf.look(name, f"-m {model}", "x")
        ours = [line for line, style in look.lines if style == "dim"]
        assert len(ours) > 2 and all(isinstance(line, Sentence) for line in ours)
        for part in (part for line in ours if isinstance(line, Sentence) for part in line.parts()):
            own = re.sub(r"\{\w*\}", "", part.form)
            assert part.form in sentences("zh") or not ENGLISH.search(own), part.form
