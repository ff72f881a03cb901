"""The profiles that come with promptlab: each reads, suits its task, and is rendered for a reasoning and a chat model.

The renderings of `quatrain` are kept in tests/golden. Where they change on purpose:
`PROMPTLAB_WRITE_GOLDEN=1 pytest tests/test_shipped_profiles.py -k golden` writes them anew, in docs/profiles.md too;
read the difference.
"""

from __future__ import annotations

import json
import os
import re
import time
from functools import cache
from pathlib import Path

import pytest

from promptlab import document, knowledge
from promptlab.config import Places, Settings, settings, shipped_profiles
from promptlab.knowledge import Facts, judge
from promptlab.params import Value, show
from promptlab.profile import PARTS, Profile, listed, read
from promptlab.profile.compose import CHINESE, arrange, prepare, shape_of, unset
from promptlab.profile.lint import lint
from promptlab.profile.template import names
from promptlab.providers.registry import facts_of
from promptlab.request import Message, Request
from tests.command import Lab

GOLDEN = Path(__file__).with_name("golden")
PAGE = Path(__file__).parents[1] / "docs" / "profiles.md"
FILES = listed((shipped_profiles(),))
EACH = pytest.mark.parametrize("name", FILES)
REASONING, CHAT = "openai/o3", "local"
TARGETS = ("openai/o1-mini", REASONING, "openrouter/deepseek/deepseek-r1", "anthropic/claude-sonnet-4-6", CHAT)
WANTED = {"reviewer", "explain", "mathematics", "data-analysis", "debugging", "requirements", "translate",
          "translate-zh", "translate-en", "summary", "brainstorm", "short-story", "quatrain", "english-quatrain",
          "report-writer", "devils-advocate", "json-extractor", "decision-memo"}  # fmt: skip
# Temperatures by task: code, mathematics and facts low, formal text below 1, verse and ideas above 1.
RANGES = {"code": (0, 0.3), "mathematics": (0, 0), "extraction": (0, 0), "data": (0, 0.3), "translation": (0, 0.5),
          "creative": (1, 1.5)}  # fmt: skip


@cache
def shipped() -> Settings:
    """What holds where the user has set nothing."""
    nowhere = Path(os.devnull)  # no folder, and none can be made in it
    return settings(Places(nowhere, nowhere, nowhere))


def facts(target: str) -> Facts:
    endpoint, _, model = target.partition("/")
    return facts_of(shipped().knowledge, shipped().endpoints[endpoint], model)


def asked(profile: Profile) -> dict[str, Value]:
    return {name: values[0] for name, values in profile.parameters.items()}


def rendered(profile: Profile, target: str, prompt: str = "") -> tuple[Message, ...]:
    return arrange(prepare(prompt, profile=profile), shape_of(facts(target), asked(profile)))


def whole(messages: tuple[Message, ...]) -> str:
    return "\n\n".join(f"[{message.role}]\n{message.text}" for message in messages) + "\n"


def texts(profile: Profile) -> list[str]:
    """All that may hold a blank."""
    examples = [text for one in profile.examples for text in (one.input, one.output)]
    return [profile.role, profile.goal, profile.prompt, profile.format, profile.context, *profile.rules,
            *profile.steps, *examples]  # fmt: skip


# -- each of them ------------------------------------------------------------------------------------------------------


def test_there_are_those_that_people_come_for() -> None:
    assert FILES.keys() >= WANTED
    assert sum(read(path).language == "zh" for path in FILES.values()) >= 5
    assert "七言绝句" in read(FILES["quatrain"]).goal


@EACH
def test_each_says_what_it_is_and_runs_as_it_is(name: str) -> None:
    profile = read(FILES[name])
    assert profile.name == name and profile.description and profile.language in ("en", "zh") and profile.tags
    assert "kind" in document.load(FILES[name]).value, "any is said too"
    assert profile.goal and (profile.format or profile.schema) and profile.rules
    assert not unset(profile, {})
    assert all(variable.help for variable in profile.variables.values())
    chinese = re.search(r"[\u4e00-\u9fff]", profile.goal + profile.description) is not None
    assert chinese == (profile.language == "zh")


@EACH
def test_its_variables_are_those_that_it_uses(name: str) -> None:
    profile = read(FILES[name])
    used = {variable for text in texts(profile) for variable in names(text, name)}
    assert used == profile.variables.keys()


@EACH
def test_steps_and_examples_are_for_chat_models_only(name: str) -> None:
    profile = read(FILES[name])
    given = {part for part in ("steps", "examples") if getattr(profile, part)}
    assert given == set(profile.chat_only)


@EACH
def test_its_temperature_suits_its_task(name: str) -> None:
    profile = read(FILES[name])
    for tag in RANGES.keys() & set(profile.tags):
        low, high = RANGES[tag]
        assert low <= float(str(asked(profile).get("temperature", low))) <= high, tag
    if profile.kind == "reasoning":
        assert "temperature" not in profile.parameters, "their makers fix it or have one of their own"
    if profile.kind == "chat":
        assert "effort" not in profile.parameters


@EACH
def test_each_lints_clean(name: str) -> None:
    """And for a model it says no more than that a parameter has no effect there, which is left out."""
    profile, doc, source = read(FILES[name]), document.load(FILES[name]), FILES[name].read_text("utf-8")
    assert lint(profile, doc, source=source) == []
    targets = [(target, facts(target), None) for target in TARGETS]
    found = lint(profile, doc, targets, source=source, sources=shipped().knowledge.sources)
    assert {finding.key.partition(".")[0] for finding in found if finding.level != "note"} <= {"parameters"}


@EACH
@pytest.mark.parametrize("target", [REASONING, CHAT])
def test_each_is_rendered_with_its_parts_apart(name: str, target: str) -> None:
    profile = read(FILES[name])
    messages = rendered(profile, target, "what is asked")
    text = whole(messages)
    assert "{{" not in text and "{%" not in text
    assert messages[-1].role == "user" and messages[-1].text.endswith("what is asked")
    assert messages[0].role == ("developer" if target == REASONING else "system")
    spared = profile.chat_only if target == REASONING else ()
    present = [part for part in PARTS if part not in spared
               and (getattr(profile, part) or (part == "format" and profile.schema))]  # fmt: skip
    headings = re.findall(r"^# (\w+)$", messages[0].text, re.MULTILINE)
    assert sorted(headings) == sorted(
        CHINESE[part] if profile.language.startswith("zh") else part.capitalize()
        for part in present if part not in ("role", "context")
    )  # fmt: skip
    assert profile.role in messages[0].text.partition("# ")[0]
    if profile.context:
        assert profile.context in messages[-1].text and profile.context not in messages[0].text
    for rule in profile.rules:
        assert "{" in rule or f"- {rule}" in messages[0].text


@EACH
@pytest.mark.parametrize("target", TARGETS)
def test_its_parameters_are_honoured_or_left_out_and_said(name: str, target: str) -> None:
    profile = read(FILES[name])
    wanted = asked(profile)
    found = judge(facts(target), Request("m", (Message("user", "hi"),), wanted))
    assert found.verdicts.keys() == wanted.keys()
    for parameter, verdict in found.verdicts.items():
        assert (parameter in found.sent) != verdict.left_out
        assert verdict.word == "honoured" or verdict.note, (parameter, verdict)


def test_a_schema_of_a_shipped_profile_is_one_that_strict_endpoints_take() -> None:
    """OpenAI's structured output: each object closed, and each of its properties required."""

    def check(schema: object) -> int:
        if not isinstance(schema, dict):
            return 0
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert list(schema["properties"]) == schema["required"]
            return 1 + sum(map(check, schema["properties"].values()))
        return check(schema.get("items"))

    profile = read(FILES["json-extractor"])
    assert check(profile.schema) >= 4
    assert profile.schema is not None
    for example in profile.examples:
        assert json.loads(example.output).keys() == set(profile.schema["required"])


# -- one profile, five models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_the_rendering_of_the_quatrain_is_the_golden_one(target: str) -> None:
    text = whole(rendered(read(FILES["quatrain"]), target))
    golden = GOLDEN / f"quatrain-{target.replace('/', '-')}.txt"
    if os.environ.get("PROMPTLAB_WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text, "utf-8")
        page = PAGE.read_text("utf-8")
        page = re.sub(
            f"(<!-- rendering: {target} -->\n```text\n).*?```", lambda m: f"{m[1]}{text}```", page, flags=re.S
        )
        PAGE.write_text(page, "utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("target", TARGETS[:-1])
def test_the_page_shows_the_golden_renderings(target: str) -> None:
    golden = (GOLDEN / f"quatrain-{target.replace('/', '-')}.txt").read_text("utf-8")
    assert f"<!-- rendering: {target} -->\n```text\n{golden}```" in PAGE.read_text("utf-8")


def test_the_page_names_each_shipped_profile_with_its_parameters() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    for name, path in FILES.items():
        said = ", ".join(f"{key} {show(value)}" for key, value in asked(read(path)).items())
        assert any(f"`{name}`" in row.split("|")[1] and row.split("|")[3].strip() == said for row in rows), name


def test_the_five_renderings_differ_as_the_facts_say() -> None:
    o1, o3, r1, claude, local = (rendered(read(FILES["quatrain"]), target) for target in TARGETS)
    assert [message.role for message in o1] == [message.role for message in r1] == ["user"]
    assert [one[0].role for one in (o3, claude, local)] == ["developer", "system", "system"]
    assert "# 目标" in o3[0].text and "# 目标" in local[0].text and "<goal>\n" in claude[0].text
    for messages in (o1, o3, r1):
        assert "乌衣巷" not in whole(messages) and "韵部" not in whole(messages)
    for messages in (claude, local):
        assert "乌衣巷" in whole(messages) and "韵部" in whole(messages)
    assert r1[0].text.index("唐诗三百首") < r1[0].text.index("# 目标"), "its maker puts the context first"
    assert o1[0].text.index("唐诗三百首") > o1[0].text.index("# 格式"), "and OpenAI last"
    assert len({whole(messages) for messages in (o1, o3, r1, claude, local)}) == 5


@pytest.mark.parametrize(
    ("target", "chat"),
    [("anthropic/claude-sonnet-4-6", True), ("openai/gpt-5.1", True), ("deepseek/deepseek-v4", False)],
)
def test_thinking_that_is_switched_makes_another_model_of_it(target: str, chat: bool) -> None:
    profile, known = read(FILES["quatrain"]), facts(target)
    assert shape_of(known, {}).reasoning is not chat
    assert shape_of(known, {"effort": "high"}).reasoning
    assert not shape_of(known, {"effort": "none"}).reasoning
    assert "韵部" in whole(arrange(prepare("", profile=profile), shape_of(known, {"effort": "none"})))


@pytest.mark.parametrize(
    ("target", "carrier", "sections", "first"),
    [
        ("openai/o1-preview", "user", "markdown", "role"),
        ("openai/o3", "developer", "markdown", "role"),
        ("openai/gpt-4.1", "system", "markdown", "role"),
        ("openrouter/openai/gpt-5", "system", "markdown", "role"),
        ("anthropic/claude-opus-5", "system", "xml", "context"),
        ("openrouter/anthropic/claude-sonnet-4.6", "system", "xml", "context"),
        ("gemini/gemini-3-pro", "system", "xml", "role"),
        ("siliconflow/deepseek-ai/DeepSeek-R1", "user", "markdown", "context"),
        ("ollama/deepseek-r1:8b", "user", "markdown", "context"),
        ("ollama/deepseek-r1:8b-0528-qwen3", "system", "markdown", "context"),
        ("openai/nobody-knows-it", "system", "markdown", "role"),
    ],
)
def test_what_makers_say_of_a_prompt_s_form(target: str, carrier: str, sections: str, first: str) -> None:
    shape = shape_of(facts(target), {})
    assert (shape.carrier, shape.sections, shape.order[0]) == (carrier, sections, first)
    assert sorted(shape.order) == sorted(PARTS)


def test_every_fact_on_a_prompt_s_form_has_its_source() -> None:
    known = knowledge.read(document.load(knowledge.SHIPPED))
    told = [family for family in known.families if family.sections or family.order or family.role or family.against]
    assert len(told) > 10
    assert all(family.source for family in told)


# -- many, and one for real --------------------------------------------------------------------------------------------


def test_a_thousand_are_read_and_rendered_in_two_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = [path.read_text("utf-8") for path in FILES.values()]
    for number in range(1000):
        (tmp_path / f"p{number}.yaml").write_text(sources[number % len(sources)], "utf-8")
    shapes = [shape_of(facts(target), {}) for target in (REASONING, CHAT)]
    began = time.process_time()
    count = sum(
        bool(arrange(prepare("", profile=read(path)), shapes[number % 2]))
        for number, path in enumerate(listed((tmp_path,)).values())
    )
    took = time.process_time() - began
    with capsys.disabled():
        print(f"\n  1,000 profiles are read and rendered in {took:.2f} s (2 are wanted)")
    assert count == 1000 and took < 6


def test_one_is_run_on_the_embedded_model(lab: Lab, weights: Path) -> None:
    cache_folder = lab.home / "cache"
    cache_folder.mkdir(parents=True)
    (cache_folder / weights.name).hardlink_to(weights)
    done = lab("ask", "-p", "english-quatrain", "--var", "subject=a night train", "-m", "local", "-t", "0",
               "--max-tokens", "40", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    (cell,) = done.json["cells"]
    assert cell["answer"].strip() and cell["complete"] and cell["parameters"]["sent"]["temperature"] == 0
    assert done.json["run"]["profile"] == "english-quatrain"
    (sent,) = json.loads(lab("show", "--requests", "--format", "json").out)
    assert "a night train" in json.dumps(sent["body"]["messages"])
