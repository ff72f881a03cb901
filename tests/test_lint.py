"""The linter: what is found in which words, what is left alone, and what --fix makes of a file."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab import config, document, places, profile
from promptlab.cli import lint as command
from promptlab.errors import LabError, UsageError
from promptlab.knowledge import Facts, Family, Knowledge
from promptlab.profile.finding import RULES, Finding, Target
from promptlab.profile.lint import lint, lint_text
from promptlab.profile.wording import estimate
from promptlab.providers import catalog
from promptlab.providers.registry import facts_of

PATH = Path("p.yaml")
SHIPPED = Path(__file__).parents[1] / "profiles"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    home = tmp_path_factory.mktemp("home")
    return config.settings(config.Places(home, home, home / "cache"))


def target(known: config.Settings, text: str, context: int | None = None) -> Target:
    endpoint, _, model = text.partition("/")
    return text, facts_of(known.knowledge, catalog.resolve(endpoint, known.endpoints), model), context


def found(text: str, *targets: Target, knowledge: Knowledge | None = None) -> list[Finding]:
    whole, doc = profile.parse(text, PATH), document.parse(text, PATH)
    return lint(whole, doc, targets, source=text, sources=knowledge.sources if knowledge else None)


def codes(text: str, *targets: Target) -> list[str]:
    return sorted({finding.code for finding in found(text, *targets)})


def goal(text: str, *more: str) -> str:
    """A profile with a goal and a format that nothing is to be said against."""
    return "\n".join([f"goal: {json.dumps(text, ensure_ascii=False)}", *(more or ("format: a few lines",)), ""])


REASONING = "kind: reasoning"
FORMAT = "format: a few lines"

# Each line: what it shows, the profile, and the codes that are found in it.
CASES: list[tuple[str, str, str]] = [
    # Orders to think, for a reasoning model
    ("step by step", goal("Prove the claim. Think step by step.", REASONING, FORMAT), "P001"),
    ("let's think", goal("Prove it. Let's think step-by-step about it.", REASONING, FORMAT), "P001"),
    ("carefully", goal("Prove the claim. Think carefully before answering.", REASONING, FORMAT), "P001"),
    ("deep breath", goal("Take a deep breath and prove the claim.", REASONING, FORMAT), "P001"),
    ("your reasoning", goal("Prove the claim and show your reasoning.", REASONING, FORMAT), "P001"),
    ("work through", goal("Work through it step by step: is 91 prime?", REASONING, FORMAT), "P001"),
    ("chain of thought", goal("Prove the claim. Use chain-of-thought.", REASONING, FORMAT), "P001"),
    ("as a rule", goal("Prove the claim.", REASONING, FORMAT, "rules: [Please think step by step.]"), "P001"),
    ("zh: step by step", goal("证明这个命题。请一步一步思考。", REASONING, "format: 一段话"), "P001"),
    ("zh: step by step, other words", goal("证明这个命题，逐步推理。", REASONING, "format: 一段话"), "P001"),
    ("zh: carefully", goal("请仔细思考后证明这个命题。", REASONING, "format: 一段话"), "P001"),
    ("zh: show the thinking", goal("证明这个命题，并写出思考过程。", REASONING, "format: 一段话"), "P001"),
    ("zh: think first", goal("先思考再回答：91 是不是质数？", REASONING, "format: 一段话"), "P001"),
    ("zh: deep breath", goal("深呼吸，证明这个命题。", REASONING, "format: 一段话"), "P001"),
    ("not for a chat model", goal("Prove the claim. Think step by step.", "kind: chat", FORMAT), ""),
    ("not for any model unless a target thinks", goal("Prove the claim. Think step by step."), ""),
    ("told not to", goal("Prove it. Do not think step by step, just answer.", REASONING, FORMAT), ""),
    ("zh: told not to", goal("证明它。不要一步一步思考。", REASONING, "format: 一段话"), ""),
    ("a step-by-step answer is a form", goal("Write step-by-step instructions for a lamp.", REASONING, FORMAT), ""),
    ("zh: steps are the answer", goal("一步一步地说明如何安装灯具。", REASONING, "format: 五行"), ""),
    ("quoted", goal('Say why "think step by step" works.', REASONING, FORMAT), ""),
    ("the reader's thinking", goal("Ask questions that make readers think carefully.", REASONING, FORMAT), ""),
    ("zh: the pupils' thinking", goal("设计问题，引导学生逐步思考。", REASONING, "format: 五行"), ""),
    ("R1's own words for mathematics",
     goal(r"Reason step by step, and put the answer within \boxed{}.", REASONING, FORMAT), ""),
    ("kept for chat models", goal("Prove it.", FORMAT, "steps: [Think step by step.]", "chat_only: [steps]"), ""),
    # Boasts
    ("expert", goal("Review it.", REASONING, FORMAT, "role: You are an expert in contract law."), "P002"),
    ("world-class", goal("Review it.", REASONING, FORMAT, "role: You are a world-class editor."), "P002"),
    ("zh: expert", goal("审阅合同。", REASONING, "format: 五行", "role: 你是一位资深的法律专家。"), "P002"),
    ("zh: act as an expert", goal("我想让你充当网络安全专家，审阅合同。", REASONING, "format: 五行"), "P002"),
    ("zh: the best", goal("审阅合同。", REASONING, "format: 五行", "role: 你是世界级的律师。"), "P002"),
    ("a plain role", goal("Review it.", REASONING, FORMAT, "role: You are a careful editor."), ""),
    ("an expert for a chat model", goal("Review it.", "kind: chat", FORMAT, "role: You are an expert."), ""),
    ("zh: for those who are none", goal("解释它。", REASONING, "format: 五行", "role: 你是为非专家写作的编辑。"), ""),
    # How instead of what
    ("numbered", "goal: |\n  Review it:\n  1. Read the diff.\n  2. Identify bugs.\nformat: a list\n", "P003"),
    ("steps by name", "goal: |\n  Review it.\n  Step 1: the diff\n  Step 2: its bugs\nformat: a list\n", "P003"),
    ("first, then", goal("First read the diff, then check the tests."), "P003"),
    ("zh: first, then", goal("首先阅读合同，然后找出风险，最后给出结论。", "format: 五行"), "P003"),
    ("zh: numbered", "goal: |\n  审阅合同：\n  1. 阅读全文\n  2. 找出风险\nformat: 五行\n", "P003"),
    ("a chat model may be told how", goal("First read the diff, then check the tests.", "kind: chat", FORMAT), ""),
    ("a list of what is wanted", "goal: |\n  Write:\n  1. a title\n  2. a summary\nformat: a list\n", ""),
    ("the order of the answer", goal("First the summary, then the details."), ""),
    # Goal, format
    ("no goal", "role: You are a careful editor.\nformat: a list\n", "P004"),
    ("no goal to speak of", goal("Help me."), "P004"),
    ("zh: no goal to speak of", goal("帮我", "format: 五行"), "P004"),
    ("only a blank", "prompt: '{{text}}'\nformat: a list\nvariables: {text: }\n", ""),
    ("only a blank and nothing told", "prompt: '{{text}}'\nvariables: {text: }\n", "P004 P005"),
    ("no format", "goal: Find what is wrong with the plan.\n", "P005"),
    ("zh: no format", "goal: 指出计划里的问题。\n", "P005"),
    ("a form in the goal", "goal: Write a haiku about snow.\n", ""),
    ("zh: a form in the goal", "goal: 写一首七言绝句。\n", ""),
    ("a schema is a form", "goal: Find names.\nformat: {type: object}\n", ""),
    ("examples show a form", "goal: Name its mood.\nkind: chat\nexamples: [{input: hurrah, output: glad}]\n", ""),
    # Context
    ("text below", goal("Find what is wrong with the text below."), "P006"),
    ("following text", goal("Find what is wrong with the following text."), "P006"),
    ("zh: text below", goal("总结以下文本。", "format: 一段话"), "P006"),
    ("zh: text above", goal("指出上述代码的问题。", "format: 五行"), "P006"),
    ("there is one", goal("Find what is wrong with the text below.", FORMAT, "context: Snow falls."), ""),
    ("a variable", goal("Correct the text below: {{text}}", FORMAT, "variables: {text: }"), ""),
    ("it follows", "goal: |\n  Correct the following sentence:\n  He go home.\nformat: one line\n", ""),
    ("zh: it follows", goal("改正以下句子：他去家了。", "format: 一行"), ""),
    ("given as context", goal("Correct the text given as context."), ""),
    ("the following rules are no text", goal("Play a game by the following rules.", "format: one line"), ""),
    # Contradictions
    ("JSON and prose", goal("Find names.", "format: Only JSON.", "rules: [Explain your choices.]"), "P008"),
    ("a schema and Markdown", goal("Find names.", "format: {type: object}", "rules: [Answer in Markdown.]"), "P008"),
    ("zh: JSON and prose", goal("找出人名。", "format: 只输出 JSON。", "rules: [同时说明理由。]"), "P008"),
    ("JSON without prose", goal("Find names.", "format: Only JSON.", "rules: [Do not explain your choices.]"), ""),
    ("zh: JSON without prose", goal("找出人名。", "format: 只输出 JSON。", "rules: [不要解释理由。]"), ""),
    ("short and long", goal("Say why.", "format: One sentence.", "rules: [Be very detailed.]"), "P008"),
    ("zh: short and long", goal("说说原因。", "format: 用一句话。", "rules: [详细说明原因。]"), "P008"),
    ("lengths", goal("Say why.", "format: At most 50 words.", "rules: [Write at least 200 words.]"), "P008"),
    ("zh: lengths", goal("说说原因。", "format: 不超过50字。", "rules: [至少200字。]"), "P008"),
    ("lengths that fit", goal("Say why.", "format: At most 200 words.", "rules: [Write at least 50 words.]"), ""),
    ("lengths of parts", goal("Say why.", "format: At most 200 words.", "rules: [Each title at least 300 words.]"), ""),
    ("lists", goal("Say why.", "format: A numbered list.", "rules: [Do not use lists.]"), "P008"),
    ("zh: lists", goal("说说原因。", "format: 编号列表。", "rules: [不要使用列表。]"), "P008"),
    ("Markdown", goal("Say why.", "format: A table in Markdown.", "rules: [No Markdown.]"), "P008"),
    ("languages", goal("Say why.", FORMAT, "rules: [Answer in English., Reply in Chinese.]"), "P008"),
    ("zh: languages", goal("说说原因。", "format: 五行", "rules: [用中文回答。, 用英文回答。]"), "P008"),
    ("on a condition", goal("Say why.", FORMAT, "rules: [Answer in English., If asked so reply in Chinese.]"), ""),
    # Temperature and task
    ("hot code", goal("Review this code.", FORMAT, "parameters: {temperature: 1.3}"), "P012"),
    ("hot mathematics", goal("Solve the equation x+1=2.", FORMAT, "parameters: {temperature: 1}"), "P012"),
    ("zh: hot code", goal("审查代码。", "format: 五行", "parameters: {temperature: 1.2}"), "P012"),
    ("hot extraction", goal("Extract all names.", FORMAT, "parameters: {temperature: 1.1}"), "P012"),
    ("hot translation", goal("Translate it.", FORMAT, "parameters: {temperature: 1.5}"), "P012"),
    ("cold verse", goal("Write a poem.", FORMAT, "parameters: {temperature: 0.1}"), "P012"),
    ("zh: cold verse", goal("写一首绝句。", "format: 四行", "parameters: {temperature: 0}"), "P012"),
    ("zh: cold ideas", goal("头脑风暴：十个点子。", "format: 十条", "parameters: {temperature: 0.2}"), "P012"),
    ("cool code", goal("Review this code.", FORMAT, "parameters: {temperature: 0.2}"), ""),
    ("warm verse", goal("Write a poem.", FORMAT, "parameters: {temperature: 1.3}"), ""),
    ("a sweep is on purpose", goal("Write a poem.", FORMAT, "parameters: {temperature: [0.1, 1.3]}"), ""),
    ("two tasks", goal("Translate the poem.", FORMAT, "parameters: {temperature: 1.3}"), ""),
    ("user stories are no stories", goal("Write user stories.", FORMAT, "parameters: {temperature: 0.1}"), ""),
    # Variables
    ("undefined", goal("Explain {{topic}}."), "P013"),
    ("unused", goal("Explain snow.", FORMAT, "variables: {topic: snow}"), "P014"),
    ("with a default of its own", goal("Explain {{topic|default('snow')}}."), ""),
    ("used in an example", goal("Explain snow.", "kind: chat", "variables: {a: b}",
                                "examples: [{input: '{{a}}', output: c}]"), ""),
    ("no template", goal("Explain {{ topic."), "P019"),
    # Languages
    ("two", goal("Explain what the law says to a newcomer.", "format: 三个短段落，不用术语"), "P016"),
    ("zh: two", goal("向初学者解释这条法律。", "format: 三段", "rules: [Do not use any of the terms.]"), "P016"),
    ("declared", goal("Explain what the law says to a newcomer.", "format: 五行", "language: zh"), "P016"),
    ("zh: declared", goal("向初学者解释这条法律的内容。", "format: 五行", "language: en"), "P016"),
    ("as declared", goal("Explain what the law says.", FORMAT, "language: English"), ""),
    ("zh: as declared", goal("向初学者解释这条法律。", "format: 三段", "language: zh-CN"), ""),
    ("another language", goal("Explique la loi à un débutant.", "format: trois paragraphes", "language: fr"), ""),
    ("quoted words", goal("Explain what “床前明月光，疑是地上霜” says to a newcomer."), ""),
    ("zh: names and terms", goal("用 Python 和 asyncio 写一个 HTTP 服务器。", "format: 代码"), ""),
    # Parts that reasoning models should not get
    ("steps", goal("Review it.", FORMAT, "steps: [Read it., Judge it.]"), "P018"),
    ("examples", goal("Name its mood.", FORMAT, "examples: [{input: hurrah, output: glad}]"), "P018"),
    ("marked", goal("Review it.", FORMAT, "steps: [Read it.]", "chat_only: [steps]"), ""),
    ("for chat models", goal("Review it.", FORMAT, "steps: [Read it.]", "kind: chat"), ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_words(text: str, wanted: str) -> None:
    assert codes(text) == wanted.split()


def test_there_are_cases_in_both_languages() -> None:
    chinese = [case for case in CASES if re.search("[\u4e00-\u9fff]", case[1])]
    assert len(CASES) >= 60 and len(chinese) >= 25 and sum(not case[2] for case in CASES) >= 25


def test_places_are_lines_and_columns_of_the_words() -> None:
    text = (
        "# a comment\nkind: reasoning\ngoal: |\n  证明它。\n  雪很大，请一步一步思考。\nformat: 一行\n"
        "rules:\n  # another\n  - \"Please  think\n    step by step.\"\n"
    )  # fmt: skip
    places = [(f.code, f.line, f.column, f.key) for f in found(text)]
    assert ("P001", 5, 8, "goal") in places
    assert ("P001", 9, 14, "rules.0") in places


def test_without_the_text_the_line_of_the_key_is_known() -> None:
    text = "kind: reasoning\nformat: a line\ngoal: |\n  Prove it.\n  Think step by step.\n"
    (finding,) = lint(profile.parse(text, PATH), document.parse(text, PATH))
    assert (finding.code, finding.line, finding.column, finding.fix) == ("P001", 3, 1, None)


def test_each_finding_has_a_reason_a_source_and_advice(known: config.Settings) -> None:
    targets = [target(known, "openai/o3", 10), ("nowhere/x", None, None)]
    for _, text, _ in CASES:
        for finding in found(text, *targets):
            assert finding.code in RULES and finding.message and finding.why and finding.advice
            assert finding.source and finding.source.name and finding.source.url.startswith("http")


# -- for targets -----------------------------------------------------------------------------------------------------


def test_a_target_that_thinks_makes_a_profile_of_any_kind_one_for_reasoning(known: config.Settings) -> None:
    text = goal("Prove the claim. Think step by step.")
    (finding,) = found(text, target(known, "openai/o3"))
    assert (finding.code, finding.target) == ("P001", "openai/o3")
    assert codes(text, target(known, "openai/gpt-4o")) == []
    assert "extended-thinking" in str(found(text, target(known, "anthropic/claude-opus-5-5"))[0].source)


def test_thinking_that_is_switched_off_makes_a_chat_model(known: config.Settings) -> None:
    model = target(known, "deepseek/deepseek-flash")
    assert codes(goal("Prove it. Think step by step."), model) == ["P001"]
    assert codes(goal("Prove it. Think step by step.", FORMAT, "parameters: {effort: none}"), model) == []


def test_examples_for_a_model_whose_maker_advises_none(known: config.Settings) -> None:
    r1 = target(known, "openrouter/deepseek/deepseek-r1")
    text = goal("Name its mood.", "kind: chat", "examples: [{input: hurrah, output: glad}]")
    finding = next(f for f in found(text, r1, knowledge=known.knowledge) if f.code == "P009")
    assert finding.source and "DeepSeek-R1" in finding.source.url
    assert codes(text, target(known, "openai/gpt-4o")) == []
    assert codes(text + "chat_only: [examples]\n", r1) == []


def test_a_system_message_that_should_be_none_is_only_a_note(known: config.Settings) -> None:
    text = goal("Name its mood.", FORMAT, "role: You are kind.")
    (finding,) = found(text, target(known, "openrouter/deepseek/deepseek-r1"))
    assert (finding.code, finding.level) == ("P010", "note")


@pytest.mark.parametrize(("model", "value", "wanted"), [
    ("openai/o3", "0.2", "pinned"), ("openai/o3", "1", ""), ("deepseek/deepseek-flash", "0.2", "ignored"),
    ("anthropic/claude-opus-5-5", "0.2", "refused"), ("openai/gpt-4o", "0.2", ""), ("openai/o3", "[1, 0.4]", "pinned"),
])  # fmt: skip
def test_a_temperature_that_is_not_honoured(known: config.Settings, model: str, value: str, wanted: str) -> None:
    text = goal("Name its mood.", FORMAT, f"parameters: {{temperature: {value}}}")
    said = [finding.message for finding in found(text, target(known, model)) if finding.code == "P011"]
    assert len(said) == bool(wanted) and all(wanted in message for message in said)


def test_the_makers_own_advice_suits_any_task() -> None:
    facts = Facts("x", "openai-chat", "y", Family(thinks="never", recommended=({"temperature": 1.3},)))
    text = goal("Translate it.", FORMAT, "parameters: {temperature: 1.3}")
    assert codes(text) == ["P012"]
    assert codes(text, ("x/y", facts, None)) == []


def test_targets_that_are_not_known(known: config.Settings) -> None:
    text = goal("Name its mood.", FORMAT, "targets: [nowhere/x]")
    (finding,) = found(text, ("nowhere/x", None, None))
    assert (finding.code, finding.level, finding.line, finding.column) == ("P017", "warning", 3, 11)
    (finding,) = found(text, target(known, "ollama/my-own-model"))
    assert (finding.code, finding.level) == ("P017", "note")


def test_a_prompt_longer_than_the_context_is_an_estimate(known: config.Settings) -> None:
    text = goal("Name its mood.", FORMAT, f"context: {'snow ' * 1000}")
    (finding,) = found(text, target(known, "openai/gpt-4o", 500))
    assert finding.code == "P015" and "estimated" in finding.message and finding.key == "context"
    assert codes(text, target(known, "openai/gpt-4o", 5000)) == []
    assert estimate("雪" * 100) == 70 and estimate("snow" * 100) == 100


LONG = "\n\n".join(f"The winter of {year} was long and the river froze." for year in range(1700, 1900))


def test_a_question_before_a_long_text() -> None:
    assert [f.code for f in lint_text(f"What froze in each winter?\n\n{LONG}")] == ["P007"]
    assert [f.code for f in lint_text("哪些年份的河结冰了？\n\n" + "那年冬天很长，河水结冰。\n\n" * 250)] == ["P007"]
    assert lint_text(f"{LONG}\n\nWhat froze in each winter?") == []
    assert lint_text(f"What froze?\n\n{LONG[:1000]}") == []
    assert lint_text(f"What froze?\n\n{LONG}\n\nNow list the rivers that froze.") == []


def test_a_bare_prompt_is_asked_for_less_than_a_profile(known: config.Settings) -> None:
    o3 = target(known, "openai/o3")
    for prompt in (
        "Why is the sky blue?",
        "雪为什么是白的？",
        "hello",
        "Write a poem about snow.",
        "{{x}}",
        "print(1)",
    ):
        assert lint_text(prompt, [o3]) == []
    (finding,) = lint_text("Is 91 prime?\nLet's think step by step.", [o3])
    assert (finding.code, finding.line, finding.column) == ("P001", 2, 1)
    assert [f.code for f in lint_text("总结以下文本。")] == ["P006"]
    assert lint_text("总结以下文本。", has_context=True) == []
    assert [f.code for f in lint_text("Why?", [o3], parameters={"temperature": [0.1]})] == ["P011"]
    for prompt in (
        "请翻译：\nWhat is your name and where do you live?",
        "润色这句话\nHe do not know what it is.",
        "Say what this means in a word.\n床前明月光，疑是地上霜。",
    ):
        assert lint_text(prompt, [o3]) == []
    assert [f.code for f in lint_text("Explain what the law says to a newcomer.\n请列出三个例子，不用术语。")] == [
        "P016"
    ]
    assert lint_text("") [0].code == "P004"  # fmt: skip


def test_one_line_for_ask(known: config.Settings) -> None:
    o3 = target(known, "openai/o3")
    assert command.brief(lint_text("Why?", [o3], parameters={"temperature": [0.1]})) is None
    line = command.brief(lint_text("Sum up the text below. Let's think step by step.\x1b[2J", [o3]))
    assert line and line.startswith("P006 ") and "and 1 more" in line and "\x1b" not in line


# -- inherited parts -------------------------------------------------------------------------------------------------


def test_what_is_inherited_stands_at_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("goal: Prove it. Think step by step.\nvariables: {n: 2}\n", "utf-8")
    text = "kind: reasoning\nextends: base\nformat: one line\nrules: ['Say {{n}} things.']\n"
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    whole, doc = profile.read(tmp_path / "own.yaml"), document.load(tmp_path / "own.yaml")
    (finding,) = lint(whole, doc, source=text)
    assert (finding.code, finding.line, finding.key, finding.fix) == ("P001", 2, "extends", None)


# -- --fix -----------------------------------------------------------------------------------------------------------


def run(
    capsys: pytest.CaptureFixture[str], *names: str, models: tuple[str, ...] = (), format: str | None = None,
    fix: bool = False,
) -> tuple[int, str, str]:  # fmt: skip
    code = command.lint(names, models, format, fix=fix)
    return (code, *capsys.readouterr())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an empty folder of profiles, and an empty home."""
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profiles").mkdir()
    return tmp_path


BROKEN = """\
# yaml-language-server: $schema=profile.json
kind: reasoning   # for o3
goal: Prove {{claim}}.

format: one line
# what must hold
rules:
  - No pictures.  # ever
  - Think step by step.  # from the old prompt
  - 请仔细思考。
  # the last one
  - "Say: done"
variables:
  # what to prove
  old: x
  other:  # not used
  claim: 1+1=2  # the default
# how
steps:
  - Read it.
examples:
  - {input: a, output: b}
# the end
"""


def test_fix_keeps_every_comment_and_a_second_run_is_clean(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "own.yaml"
    file.write_text(BROKEN, "utf-8")
    file.chmod(0o640)
    code, out, err = run(capsys, "own.yaml")
    assert code == 1 and {line.split()[1] for line in out.splitlines()} == {"P001", "P014", "P018"}
    code, out, err = run(capsys, "own.yaml", fix=True)
    assert (code, out) == (0, "")
    for said in ("“Think step by step.” is gone", "“请仔细思考。” is gone", "variable old is gone",
                 "variable other is gone", "steps and examples are marked chat_only"):  # fmt: skip
        assert said in err
    after = file.read_text("utf-8")
    comments = [line[line.index("#") :] for line in BROKEN.splitlines() if "#" in line]
    assert [line[line.index("#") :] for line in after.splitlines() if "#" in line] == comments
    assert yaml.safe_load(after) == {
        "kind": "reasoning", "goal": "Prove {{claim}}.", "format": "one line", "rules": ["No pictures.", "Say: done"],
        "variables": {"claim": "1+1=2"}, "chat_only": ["steps", "examples"], "steps": ["Read it."],
        "examples": [{"input": "a", "output": "b"}],
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o640 and {p.name for p in here.iterdir()} >= {"own.yaml", "profiles"}
    assert not list(here.glob(".promptlab-*"))
    assert run(capsys, "own.yaml", fix=True)[:2] == (0, "") and file.read_text("utf-8") == after


@pytest.mark.parametrize(("before", "after"), [
    ("goal: Explain {{a}}.\nformat: x lines\n", "goal: Explain {{a}}.\nformat: x lines\nvariables:\n  a:\n"),
    ("goal: Explain {{a}}.\nformat: x lines", "goal: Explain {{a}}.\nformat: x lines\nvariables:\n  a:\n"),
    ("variables: {b: 1}\ngoal: Explain {{a}} {{b}}.\nformat: x lines\n",
     "variables: {a: null, b: 1}\ngoal: Explain {{a}} {{b}}.\nformat: x lines\n"),
    ("variables:\n    # c\n    b: 1\ngoal: Explain {{aaa}} {{b}}.\nformat: x lines\n",
     "variables:\n    aaa:\n    # c\n    b: 1\ngoal: Explain {{aaa}} {{b}}.\nformat: x lines\n"),
    ("goal: Explain it.\nformat: x lines\nvariables: {a: 1}\n", "goal: Explain it.\nformat: x lines\nvariables: {}\n"),
    ("goal: Explain it.\nformat: x lines\nvariables:\n  a: 1\n", "goal: Explain it.\nformat: x lines\n"),
    ("goal: Explain {{b}}.\nformat: x lines\nvariables: {a: 1, b: 2}\n",
     "goal: Explain {{b}}.\nformat: x lines\nvariables: {b: 2}\n"),
    ("goal: Explain {{b}}.\nformat: x lines\nvariables:\n  aaa:\n    type: text\n    help: h\n  b: 2\n",
     "goal: Explain {{b}}.\nformat: x lines\nvariables:\n  b: 2\n"),
    ("goal: Explain it.\r\nformat: x lines\r\nsteps:\r\n- Read it.\r\n",
     "goal: Explain it.\r\nformat: x lines\r\nchat_only: [steps]\r\nsteps:\r\n- Read it.\r\n"),
    ("goal: Explain it.\nformat: x lines\nchat_only: role\nsteps: [Read it.]\n",
     "goal: Explain it.\nformat: x lines\nchat_only: [role, steps]\nsteps: [Read it.]\n"),
    ("goal: Explain it.\nformat: x lines\nchat_only:\n  - role  # r\nsteps: [Read it.]\n",
     "goal: Explain it.\nformat: x lines\nchat_only:\n  - role  # r\n  - steps\nsteps: [Read it.]\n"),
    ("kind: reasoning\ngoal: Explain it.\nformat: x lines\nrules: [Think step by step., Be kind.]\n",
     "kind: reasoning\ngoal: Explain it.\nformat: x lines\nrules: [Be kind.]\n"),
    ("kind: reasoning\ngoal: Explain it.\nformat: x lines\nrules:\n- |\n  Think step by step.\n# c\ntags: [a]\n",
     "kind: reasoning\ngoal: Explain it.\nformat: x lines\n# c\ntags: [a]\n"),
])  # fmt: skip
def test_fixes(here: Path, capsys: pytest.CaptureFixture[str], before: str, after: str) -> None:
    (here / "own.yaml").write_bytes(b"\xef\xbb\xbf" + before.encode())
    code, out, _ = run(capsys, "own.yaml", fix=True)
    assert (code, out) == (0, "")
    assert (here / "own.yaml").read_bytes() == b"\xef\xbb\xbf" + after.encode()


@pytest.mark.parametrize("text", [
    "goal: Explain {{topci}}.\nformat: a line\nvariables: {topic: }\n",  # a slip of the pen: which of them is meant?
    "{goal: 'Explain {{a}}.', format: a line}\n",  # braces
    "kind: reasoning\ngoal: Prove it. Think step by step.\nformat: a line\n",  # inside a sentence that says more
])  # fmt: skip
def test_what_is_not_safe_is_left_to_people(here: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (here / "own.yaml").write_text(text, "utf-8")
    code, out, _ = run(capsys, "own.yaml", fix=True)
    assert code == 1 and out and (here / "own.yaml").read_text("utf-8") == text


def test_a_slip_of_the_pen_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "own.yaml").write_text("goal: Explain {{topci}}.\nformat: a line\nvariables: {topic: }\n", "utf-8")
    assert "did you mean 'topic'?" in run(capsys, "own.yaml")[1]


def test_a_file_that_cant_be_written_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "own.yaml").write_text("goal: Explain {{a}}.\nformat: a line\n", "utf-8")
    with pytest.raises(LabError, match="somebody else"):
        command._write(here / "own.yaml", "what was read before", "new")
    assert (here / "own.yaml").read_text("utf-8") == "goal: Explain {{a}}.\nformat: a line\n"


def test_shipped_files_are_left_as_they_are(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    shipped = here / "installed"
    shipped.mkdir()
    (shipped / "own.yaml").write_text("goal: Explain {{a}}.\nformat: x lines\n", "utf-8")
    for module in (config, places):
        monkeypatch.setattr(module, "shipped_profiles", lambda: shipped)
    monkeypatch.chdir(here / "profiles")
    code, out, err = run(capsys, "own", fix=True)
    assert code == 1 and "P013" in out and "shipped" in err
    assert (shipped / "own.yaml").read_text("utf-8") == "goal: Explain {{a}}.\nformat: x lines\n"


def test_a_link_stays_a_link(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "real.yaml").write_text("goal: Explain {{a}}.\nformat: x lines\n", "utf-8")
    (here / "link.yaml").symlink_to("real.yaml")
    assert run(capsys, "link.yaml", fix=True)[0] == 0
    assert (here / "link.yaml").is_symlink() and "variables:" in (here / "real.yaml").read_text("utf-8")


# -- the command -----------------------------------------------------------------------------------------------------


def test_all_profiles_of_here_without_a_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "profiles" / "one.yaml").write_text("goal: Find what is wrong with the plan.\n", "utf-8")
    (here / "profiles" / "two.yaml").write_text("gaol: x\n", "utf-8")
    code, out, err = run(capsys)
    assert code == 2  # one of them can't be read, and does not hide the other
    assert re.search(r"^profiles/one\.yaml:1:1: P005 .*\(.*\[.*https://.*\]; fix: .*\)$", out, re.M)
    assert re.search(r"^profiles/two\.yaml:1:1: P000 unknown key 'gaol'", out, re.M)
    assert "1 error, 1 warning" in err


def test_exit_codes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "good.yaml").write_text(goal("Name its mood.", FORMAT, "role: You are kind."), "utf-8")
    assert run(capsys, "good.yaml") == (0, "", "1 profile, no findings\n")
    code, out, _ = run(capsys, "good.yaml", models=("openrouter/deepseek/deepseek-r1",))
    assert code == 0 and "P010 note: " in out  # a note is no fault
    for names, models, format, fix in [
        (["nothing"], [], None, False), (["good.yaml"], ["nowhere/x"], None, False),
        (["good.yaml"], ["x"], None, False), (["good.yaml"], [], "xml", False), (["-"], [], None, True),
    ]:  # fmt: skip
        with pytest.raises(UsageError):
            command.lint(names, models, format, fix=fix)


def test_stdin_and_several_targets(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    (here / "in").write_text(goal("Prove it. Think step by step.", FORMAT, "parameters: {temperature: 0}"), "utf-8")
    with (here / "in").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        code, out, _ = run(capsys, "-", models=("openai/o3", "anthropic/claude-opus-5-5"))
    assert code == 1
    assert re.search(r"^stdin:1:18: P001 .*openai/o3, anthropic/claude-opus-5-5", out, re.M)
    assert out.count("P011") == 2


def test_targets_of_the_profile_where_none_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = goal("Prove it. Think step by step.", FORMAT, "targets: [openai/o3, nowhere/x, not a target]")
    (here / "own.yaml").write_text(text, "utf-8")
    code, out, _ = run(capsys, "own.yaml")
    assert code == 1 and out.count("P017") == 2 and out.count("P001") == 1


def test_nothing_of_a_hostile_file_reaches_the_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "evil\x1b[2J.yaml"
    (here / name).write_text('goal: "Help me"\nformat: "\\e[31m x"\nrules: ["{{ \\e]0;x\\a }}"]\n', "utf-8")
    for format in (None, "github"):
        _, out, _ = run(capsys, f"./{name}", format=format)
        assert "\x1b" not in out and "\x07" not in out and "P004" in out


LEVELS = ("error", "warning", "note")


@pytest.fixture
def reported(here: Path) -> Path:
    (here / "profiles" / "a b,c.yaml").write_text("kind: reasoning\ngoal: '100% sure: think step by step.'\n", "utf-8")
    return here


def test_json(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "profiles/a b,c.yaml", format="json")
    told: list[dict[str, Any]] = json.loads(out)
    assert code == 1 and [one["code"] for one in told] == ["P005", "P001"]
    assert told[1] | {"why": "", "advice": "", "message": "", "source": ""} == {
        "file": "profiles/a b,c.yaml", "rule": "order-to-think", "code": "P001", "level": "warning", "key": "goal",
        "line": 2, "column": 19, "message": "", "why": "", "source": "", "advice": "", "fix": None, "target": None,
    }  # fmt: skip
    assert told[1]["source"]["url"].startswith("https://")


def test_sarif(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = json.loads(run(capsys, "profiles/a b,c.yaml", format="sarif")[1])
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert driver["name"] == "promptlab" and driver["version"] and driver["informationUri"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] and rule["defaultConfiguration"]["level"] in LEVELS
    assert one["columnKind"] == "unicodeCodePoints" and len(one["results"]) == 2
    for result in one["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS and result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "profiles/a%20b%2Cc.yaml"
        assert place["region"]["startLine"] == 2 and place["region"]["startColumn"] >= 1


def test_github(reported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "profiles/a b,c.yaml", format="github")
    lines = out.splitlines()
    assert lines[1].startswith("::warning file=profiles/a b%2Cc.yaml,line=2,col=19,title=P001::P001 ")
    assert all(
        re.match(r"::(?:warning|notice|error) file=[^,:]+,line=\d+,col=\d+,title=P\d{3}::", line) for line in lines
    )


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_profiles_are_clean(file: Path, known: config.Settings) -> None:
    whole, doc, text = profile.read(file, [SHIPPED]), document.load(file), file.read_text("utf-8")
    for targets in ([], [target(known, "openai/o3")], [target(known, "openai/gpt-4o")]):
        told = [f for f in lint(whole, doc, targets, source=text) if f.level != "note" and f.code != "P011"]
        assert told == []


# -- nothing crashes it ----------------------------------------------------------------------------------------------

_words = st.sampled_from([
    "think step by step", "一步一步思考", "only JSON", "explain your choice", "{{x}}", "{{ y|upper }}", "{% if x %}",
    "雪",
    "`", "in one sentence", "详细说明", "the text below",
    "以下文本", "You are an expert", "你是专家", "at most 5 words", "- ",
    "# ", "至少十字", "1. Read", "2. Check", ": ", "\n", "\n\n", '"', "“", "”", "```", "<output>", "\r\n", "\t",
    "numbered list", "answer in English", "用中文回答", "no lists", r"\boxed",
])  # fmt: skip
_text = st.one_of(st.lists(_words, max_size=8).map(" ".join), st.text(max_size=60)).map(
    lambda text: "".join(c for c in text if c >= " " or c in "\n\t")
)
_profile = st.fixed_dictionaries(
    {"goal": _text},
    optional={
        "role": _text, "prompt": _text, "format": st.one_of(_text, st.just({"type": "object"})), "context": _text,
        "rules": st.lists(_text, max_size=4), "steps": st.lists(_text, max_size=3), "language": _text,
        "kind": st.sampled_from(["reasoning", "chat", "any"]),
        "chat_only": st.lists(st.sampled_from(profile.PARTS), max_size=3, unique=True),
        "examples": st.lists(st.fixed_dictionaries({"input": _text, "output": _text}), max_size=2),
        "variables": st.dictionaries(st.sampled_from(["x", "y", "zed"]), st.one_of(st.none(), _text), max_size=3),
        "parameters": st.fixed_dictionaries({"temperature": st.floats(0, 2)}), "tags": st.lists(_text, max_size=2),
    },
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_profile, st.booleans(), st.booleans())
def test_no_profile_crashes_it(given_: dict[str, Any], flow: bool, wide: bool) -> None:
    from promptlab.profile.mend import apply

    text = yaml.safe_dump(given_, allow_unicode=True, default_flow_style=flow or None, width=10**6 if wide else 40)
    try:
        whole, doc = profile.parse(text, PATH), document.parse(text, PATH)
    except UsageError:
        return
    lines = text.count("\n") + 1
    o3 = Facts("openai", "openai-chat", "o3", Family(thinks="always", against=("steps", "examples", "system")))
    for finding in lint(whole, doc, [("openai/o3", o3, 20)], source=text):
        assert 1 <= finding.line <= lines and finding.column >= 1 and command.as_line(finding)
        if finding.fix:
            try:
                changed = apply(text, finding.fix, PATH)
            except LabError:
                continue
            again = lint(profile.parse(changed, PATH), document.parse(changed, PATH), source=changed)
            told = [one.fix.said for one in again if one.fix]
            before = [one.fix.said for one in lint(whole, doc, source=text) if one.fix]
            assert told.count(finding.fix.said) < max(1, before.count(finding.fix.said))


@settings(max_examples=200, deadline=None)
@given(_text)
def test_no_prompt_crashes_it(text: str) -> None:
    for finding in lint_text(text):
        assert finding.line >= 1 and finding.column >= 1


@pytest.mark.parametrize("piece", [
    "think ", "think step ", "“", "<output>", "{{ ", "`", "first read ", "一步一步", "\n1. Read", "write in ",
    "at most ", '"', "请先阅读", "$", "the text below ",
])  # fmt: skip
def test_a_long_text_takes_no_time(piece: str) -> None:
    text = "kind: reasoning\ngoal: " + json.dumps(piece * (100_000 // len(piece)), ensure_ascii=False) + "\n"
    whole, doc = profile.parse(text, PATH), document.parse(text, PATH)
    began = time.process_time()
    lint(whole, doc, source=text)
    assert time.process_time() - began < 5
