"""What the lint and the analysis find, on a screen in Chinese: every finding has its sentence, with the same blanks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from string import Formatter

import numpy as np
import pytest

from promptlab import config
from promptlab.analysis import Reading, Sample
from promptlab.analysis.measure import MEASURES
from promptlab.analysis.reading import read
from promptlab.check import Outcome
from promptlab.cli.lint import first
from promptlab.errors import Sentence
from promptlab.events import Token
from promptlab.params import Value
from promptlab.profile.finding import RULES, Finding, of_all
from promptlab.profile.lint import lint_text
from promptlab.profile.sentence import EN as LINT
from promptlab.render import words as chart_en
from promptlab.render.plot import plots
from promptlab.render.table import measures
from promptlab.render.wrap import width
from promptlab.tui.text import Say, chart, remark, sentences
from tests import reading as made
from tests.test_lint import CASES, LONG, found, goal, target
from tests.test_prospect import look
from tests.test_remark import text as words_of

EN, ZH = Say("en"), Say("zh")
# Parts of findings that none of the sweeps below has.
RARE = {
    "length", "thinking", "breaks", "odd words", "look broken", "only {value} is", "a quarter", "token {number}",
    "below it {share}", "above it {share}", "surprisal {value} nats", "letters in another script {value}",
    ": odd words, loops, another script or a surprisal above 5 nats", " (as with {count} of {all} prompts)",
    "not even a change of all answers",
}  # fmt: skip
THEIRS = {"fault", "hint", "note", "reason"}  # texts that are made elsewhere, and worded there
# What is written the same in any language: names, parameters, commands, keys of a profile, units.
_NAMES = re.compile(
    r"“[^”]*”|\{\{[^}]*\}\}|[a-z_]+: |chat_only: \[[^]]*\]|kind: chat|promptlab [a-z ]+|JSON schema|--?[a-z-]+"
    r"|max_tokens|nats|token|tok(/s)?|gram"
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    home = tmp_path_factory.mktemp("home")
    return config.settings(config.Places(home, home, home / "cache"))


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def is_chinese(text: str) -> bool:
    """Whether a sentence is Chinese: with no three English words in a row but names."""
    return not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,} [A-Za-z]{2,}", _NAMES.sub("·", text))


def forms(said: str) -> Iterator[str]:
    """The forms of a sentence and of those within it."""
    if isinstance(said, Sentence):
        yield said.form
        for slot in said.slots.values():
            yield from forms(slot)


# -- the tables --------------------------------------------------------------------------------------------------------


def test_each_word_of_tables_and_plots_is_there_in_chinese_with_the_same_blanks() -> None:
    assert chart_en.EN.keys() == chart.ZH.keys()
    for form, text in chart_en.EN.items():
        assert blanks(text) == blanks(chart.ZH[form]), form


def test_each_rule_of_the_lint_is_there_in_chinese() -> None:
    known = sentences("zh")
    assert {form.partition(".")[0] for form in LINT} | {"P000"} == RULES.keys()
    for form, texts in LINT.items():
        for text in texts:
            assert text in known, form
            assert is_chinese(known[text]), known[text]


def test_each_measure_has_a_chinese_name() -> None:
    assert chart.TITLES.keys() == MEASURES.keys()
    assert len(set(chart.TITLES.values())) == len(chart.TITLES)
    assert all(re.search("[\u4e00-\u9fff]", title) and width(title) <= 12 for title in chart.TITLES.values())
    told = {MEASURES[name].title: chart.TITLES[name] for name in ("thinking", "distinct_2", "length")}
    assert told.items() <= sentences("zh").items(), "what a finding names"
    assert chart.UNITS.keys() == {about.unit for about in MEASURES.values()} - {"", "share", "texts", "units"}


# -- the lint ----------------------------------------------------------------------------------------------------------


def bad(known: config.Settings) -> list[Finding]:
    """Findings of every rule and every form of it."""
    o3, r1 = target(known, "openai/o3", 10), target(known, "openrouter/deepseek/deepseek-r1")
    v3, nobody = target(known, "deepseek/deepseek-flash"), ("nowhere/x", None, None)
    shown = goal("Name its mood.", "kind: chat", "examples: [{input: hurrah, output: glad}]", "role: You are kind.")
    profiles = [text for _, text, _ in CASES]
    profiles += [
        goal("Explain {{topic}}.", "variables: {topics: }"),
        shown,
        shown + "parameters: {effort: none}\n",
        goal("Name it.", "parameters: {temperature: 0.2}"),
        "prompt: |\n  Sum it up.\n" + "  snow falls\n" * 400,
    ]
    several = lint_text(f"What froze in each winter?\n\n{LONG}")
    several += [one for text in profiles for one in found(text, o3, v3, nobody)]
    several += [one for text in profiles for one in found(text, r1, knowledge=known.knowledge)]
    several += [one for text in profiles for one in found(text)]
    return several + lint_text("Only JSON. Explain your choices, and think step by step.", [o3])


def test_every_finding_is_told_in_chinese(known: config.Settings) -> None:
    findings = bad(known)
    told = {(one.message.form, one.advice.form) for one in findings if isinstance(one.advice, Sentence)}
    # All but P009, examples for one that never thinks.
    assert told == {(message, advice) for form, (message, _, advice) in LINT.items() if form != "P009"}
    for one in findings:
        said = [ZH.ours(text) for text in (one.message, one.why, one.advice)]
        assert [EN.ours(text) for text in (one.message, one.why, one.advice)] == [one.message, one.why, one.advice]
        assert all(re.search("[\u4e00-\u9fff]", text) for text in said[:2]), said
        if not THEIRS & one.message.slots.keys():
            assert all(is_chinese(text) for text in said), said
        assert not any("  " in text or text != text.strip() for text in said), said


def test_names_of_models_stand_apart_from_chinese_and_a_kind_of_them_does_not(known: config.Settings) -> None:
    (named,) = found(goal("Prove it. Think step by step."), target(known, "openai/o3"))
    (any_,) = found(goal("Prove it. Think step by step.", "kind: reasoning", "format: a line"))
    assert ZH.ours(named.message) == "“Think step by step”要 openai/o3 做它本来就会做的事"
    assert ZH.ours(any_.message) == "“Think step by step”要推理模型做它本来就会做的事"
    thinkers = [target(known, f"openai/{name}") for name in ("o1", "o3", "o3-mini", "o4-mini")]
    (all_,) = found(goal("Prove it. Think step by step."), *thinkers)
    assert "tells openai/o1, openai/o3, openai/o3-mini and 1 more to do" in all_.message
    assert "要 openai/o1、openai/o3、openai/o3-mini 及另外 1 个模型做它" in ZH.ours(all_.message)


def test_one_finding_on_several_targets_names_all_of_them() -> None:
    one, other = lint_text("Why is snow white? Two lines.", [("a/x", None, None), ("b/y", None, None)])
    both = of_all(one, ["a/x", "b/y"])
    assert (one.code, other.code, both.target) == ("P017", "P017", "a/x, b/y")
    assert both.message == "nothing is known of a/x, b/y"
    assert ZH.ours(both.message) == "对 a/x、b/y 一无所知"


def test_the_line_of_a_prompt_tells_the_first_and_counts_the_others() -> None:
    findings = lint_text("Only JSON. Explain your choices about the text below.")
    assert len(findings) == 2
    one, several = first(findings[:1]), first(findings)
    assert one is not None and several is not None and first([]) is None
    assert ZH.ours(one) == f"{findings[0].code} {ZH.ours(findings[0].message)} → {ZH.ours(findings[0].advice)}"
    assert ZH.ours(several) == f"{ZH.ours(one)}（另有 1 条：promptlab profiles lint）"


# -- the sweep ---------------------------------------------------------------------------------------------------------


def samples(
    values: Sequence[Value], repeats: int, answer: dict[Value, str] | None = None, axis: str = "temperature",
    passed: Sequence[Value] | None = None, **more: object,
) -> list[Sample]:  # fmt: skip
    """Answers by value: one text, or random ones; `passed` names the values at which the check passes."""
    random = np.random.default_rng(len(values) * repeats)
    found_ = []
    for cell, (value, repeat) in enumerate(itertools.product(values, range(repeats))):
        said = (answer or {}).get(value) or words_of(random)
        outcomes = () if passed is None else (Outcome("form", value in passed),)
        found_.append(Sample(cell, "m", {axis: value}, repeat, said, outcomes=outcomes, **more))  # type: ignore[arg-type]
    return found_


def readings() -> Iterator[Reading]:
    """Sweeps that show each kind of finding."""
    three, six = (0.1, 0.5, 0.9), (0.1, 0.4, 0.7, 1.0, 1.3, 1.8)
    for repeats in (1, 2, 4, 12):
        yield read(samples(three, repeats), {"temperature": three})
    yield read(samples(three, 5, dict.fromkeys(three, "四")), {"temperature": three})
    yield read(samples(three, 8, {0.1: "the same old sea"}), {"temperature": three})
    yield read(samples(three, 8, {0.9: "the same old sea"}), {"temperature": three})
    for passed in ((0.1, 0.4, 0.7), (1.0, 1.3, 1.8), (0.7, 1.0)):
        yield read(samples(six, 5, passed=passed), {"temperature": six})
    loops: dict[Value, str] = {0.1: "over and over and " * 9, 0.4: "again and again and " * 9, 1.8: "\ufffd 乎 ∂" * 9}
    yield read(samples(six, 5, loops), {"temperature": six}, prompt_of=lambda sample: "Write of the sea")  # fmt: skip
    yield read(samples(("plain", "strict"), 9, axis="system", passed=("strict",)), {"system": ("plain", "strict")})
    yield read(samples((0.0, 1.0), 5, {0.0: "one text"}), {"temperature": (0.0, 1.0)})
    yield read(samples((0.0, 1.0), 5), {"temperature": (0.0, 1.0)})
    states = ("failed", "failed", "failed", "cancelled", "incomplete", "done")
    for limit, faults in (("length", ("timeout", "timeout", "no model")), ("other", ("",) * 3)):
        yield read([Sample(cell, "m", {"temperature": 0.5}, cell, "a b" * (cell != 5), state=state, finish_reason=limit,
                           fault=faults[cell] if cell < 3 else "") for cell, state in enumerate(states)],
                   {"temperature": (0.5, 0.9)})  # fmt: skip
    prose = "Snow falls.\n\nIt is white, it lies on the hills and the woods, and nobody comes."
    rows = [Sample(cell, "m", {"temperature": 0.5}, 0, "7" if cell == 0 else prose, row=cell)
            for cell in range(5)]  # fmt: skip
    yield read(rows, {"temperature": (0.5,)}, expected_of=lambda sample: "7")
    yield read(samples((0.5,), 201, {0.5: "one"}, tokens=(Token("a", -1.0),)), {"temperature": (0.5,)})


def test_every_finding_of_a_sweep_is_told_in_chinese() -> None:
    seen: set[str] = set()
    for reading in readings():
        for text in (*(one.text for one in reading.remarks), *reading.notes):
            seen |= set(forms(text))
            told = ZH.ours(text)
            assert EN.ours(text) is text
            assert re.search("[\u4e00-\u9fff]", told) and is_chinese(told), told
    assert set(remark.ZH) - seen == RARE


@pytest.mark.parametrize(("name", "values", "told"), [
    ("deaf", [0.2, 1.0], "deaf：temperature 可以发送，但不起作用（no ear）；只发送一列，不带此参数。"
                         "可改为：--axis effort=none,low,high,max（是否起作用尚不清楚）；--axis thinking_budget=…"),
    ("narrow", [0.5, 1.5, 2.0], "narrow：temperature 1.5 和 2 不被接受（不大于 1），不发送"),
    ("real", [0.2, 1.0], "real：temperature 生效"),
])  # fmt: skip
def test_what_an_axis_is_at_a_target_is_told_in_chinese(name: str, values: list[Value], told: str) -> None:
    (one,) = look(name, {"temperature": values}).prospects
    assert ZH.ours(one.line).startswith(told), ZH.ours(one.line)
    assert EN.ours(one.line) == f"{one.target}: {one.text}"
    assert is_chinese(ZH.ours(one.line))


# -- tables and plots --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [60, 90, 200])
def test_table_and_plots_are_chinese_and_no_wider_than_there_is_room(cells: int) -> None:
    reading, told = made.reading(), chart.words(ZH)
    assert chart.words(EN) is chart_en.ENGLISH
    for picture in (measures(reading, cells, color=False, words=told), plots(reading, cells, words=told)):
        lines = picture.lines()
        assert all(width(line) <= cells for line in lines)
        assert not any(word in "\n".join(lines) for word in ("distinct", "interval", "drawn", "answers", "ignored"))
        assert is_chinese("\n".join(lines).replace("deepseek", "")), lines
    english = plots(reading, cells), measures(reading, cells, color=False)
    assert "distinct-2" in str(english[0]) and "answers" in str(english[1])


def test_columns_of_a_table_stand_under_their_chinese_headings() -> None:
    lines = measures(made.reading(), 200, color=False, words=chart.words(ZH)).lines()
    head = next(number for number, line in enumerate(lines) if "回答" in line)
    column = width(lines[head][: lines[head].index("词汇丰富度")])
    cut = [next(place for place in range(len(line) + 1) if width(line[:place]) >= column) for line in lines[head + 1 :]
           if re.match(r"(local|deepseek)?\s*[\d.]+ ", line)]  # fmt: skip
    assert cut and len(set(cut)) == 1
