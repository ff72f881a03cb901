"""The shipped model knowledge: every fact has its source, and of known models it says what their makers say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from promptlab import document, knowledge
from promptlab.knowledge import Effort, Facts, Family, Judged, Retired, judge
from promptlab.params import PARAMETERS, Value
from promptlab.providers import catalog
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import facts_of
from promptlab.request import Message, Request

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT.parent / "shared" / "temperature_rules.json"
DOC = document.load(knowledge.SHIPPED)
KNOWN = knowledge.read(DOC)
ENDPOINTS = catalog.read(DOC, DOC.value["endpoints"], "endpoints")
SPOKEN = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama")
CUSTOM = Endpoint("custom", "https://llm.example.org/v1")
Asked = dict[str, Value]
ENTRIES: list[Family | Retired] = [*KNOWN.families, *KNOWN.retired]


def facts(target: str) -> Facts:
    """Of ENDPOINT/MODEL; an endpoint that is not shipped is the custom one."""
    name, _, model = target.partition("/")
    return facts_of(KNOWN, ENDPOINTS.get(name, CUSTOM), model)


def judged(target: str, **asked: Value) -> Judged:
    found = facts(target)
    return judge(found, Request(found.model, (Message("user", "hi"),), asked))


def words(of: Judged) -> dict[str, str]:
    return {name: verdict.word for name, verdict in of.verdicts.items()}


# -- the data holds together -------------------------------------------------------------------------------------------


def test_every_source_that_is_named_exists_and_says_where_when_and_how_sure() -> None:
    named = {name for entry in ENTRIES for name in entry.source}
    assert named == KNOWN.sources.keys(), "none is missing, none is left over"
    for source in KNOWN.sources.values():
        assert source.url and source.sure in ("A", "B", "C", "D"), source
        assert date(2024, 1, 1) <= date.fromisoformat(source.date) <= date(2026, 12, 31), source


def test_every_family_that_states_a_fact_has_a_source() -> None:
    silent = [family for family in KNOWN.families if not family.source]
    assert all(not family.parameters and family.thinks is None and family.thinking is None for family in silent)
    assert [family.effort for family in silent] == ["reasoning_effort"], "the way to write an effort for any server"
    assert all(retired.source for retired in KNOWN.retired)


def test_every_effort_and_endpoint_that_is_named_exists() -> None:
    assert {family.effort for family in KNOWN.families if family.effort} == KNOWN.efforts.keys()
    named = {name for entry in ENTRIES for name in entry.at}
    assert named <= ENDPOINTS.keys()
    dialects = {name for family in KNOWN.families for name in family.dialect}
    assert dialects == set(SPOKEN)


def test_every_endpoint_has_facts_of_its_own() -> None:
    """Of its own, or of its dialect where only one endpoint speaks it; litellm knows the parameters of the rest."""
    own = {name for family in KNOWN.families for name in family.at}
    spoken = {name for family in KNOWN.families for name in family.dialect} - {"openai-chat"}
    bare = {endpoint.name for endpoint in ENDPOINTS.values()
            if (endpoint.like or endpoint.name) not in own and endpoint.dialect not in spoken}  # fmt: skip
    assert bare == {endpoint.name for endpoint in ENDPOINTS.values() if endpoint.litellm}


def test_no_fact_is_hidden_behind_an_earlier_one() -> None:
    """The first rule that holds counts: after one without a condition no other is ever reached."""
    for family in KNOWN.families:
        for name, rules in family.parameters.items():
            assert all(rule.when for rule in rules[:-1]), (family.match, family.at, name)


def test_a_pinned_value_and_a_default_lie_in_the_range() -> None:
    for family in KNOWN.families:
        for name, rules in family.parameters.items():
            for rule in rules:
                for value in (rule.only, rule.default):
                    if isinstance(value, (int, float)):
                        PARAMETERS[name].check(value)
                        assert (rule.low is None or rule.low <= value) and (rule.high is None or value <= rule.high)


def test_recommended_values_are_ones_that_the_parameter_takes() -> None:
    advice = [one for family in KNOWN.families for one in family.recommended or ()]
    assert len(advice) > 10
    for one in advice:
        for name, value in one.items():
            assert name == "for" or PARAMETERS[name].check(value) == value, one


def scalars(fragment: Value) -> list[Value]:
    if isinstance(fragment, dict):
        return [leaf for inner in fragment.values() for leaf in scalars(inner)]
    return [fragment]


def budgets() -> list[tuple[str, Effort]]:
    return [(name, effort) for name, effort in KNOWN.efforts.items() if effort.budget is not None]


def test_none_is_a_word_or_a_number_and_never_yamls_false_by_accident() -> None:
    """`no`, `off` and `none` are read differently by YAML: what goes on the wire as a switch is meant as one."""
    switches = {"enable_thinking", "thinking", "think", "enabled", "includeThoughts"}
    for name, effort in KNOWN.efforts.items():
        for fragment in effort.levels.values():
            assert None not in scalars(fragment), name
            for key, value in leaves(fragment):
                assert isinstance(value, bool) <= (key in switches), (name, key, value)


def leaves(fragment: dict[str, Value]) -> list[tuple[str, Value]]:
    found: list[tuple[str, Value]] = []
    for key, value in fragment.items():
        found += leaves(value) if isinstance(value, dict) else [(key, value)]
    return found


def test_a_budget_has_one_place_for_its_number() -> None:
    assert len(budgets()) > 10
    for name, effort in budgets():
        assert [leaf for leaf in scalars(effort.budget) if leaf == "$"] == ["$"], name


def test_no_model_that_always_thinks_is_said_to_honour_an_effort_of_none() -> None:
    checked = 0
    for family in KNOWN.families:
        for target in samples(family.match, family.at, family.dialect):
            found = facts(target)
            if found.family.thinks == "always":
                assert found.verdict("effort", {"effort": "none"}).word != "honoured", target
                checked += 1
    assert checked > 500


def test_no_model_that_never_thinks_is_said_to_honour_an_effort() -> None:
    checked = 0
    for family in KNOWN.families:
        for target in samples(family.match, family.at, family.dialect):
            found = facts(target)
            if found.family.thinks == "never":
                assert found.verdict("effort", {"effort": "high"}).word != "honoured", target
                assert found.family.thinking in (None, "none"), target
                checked += 1
    assert checked > 200


def samples(match: tuple[str, ...], at: tuple[str, ...], dialect: tuple[str, ...]) -> list[str]:
    """A target for each pattern at each endpoint that it may stand for."""
    ids = [re.sub(r"\[(.)[^]]*\]", r"\1", pattern).replace("*", "") for pattern in match]
    return [
        f"{endpoint.name}/{id}" for endpoint in ENDPOINTS.values() for id in ids
        if not endpoint.litellm and endpoint.name in (at or ENDPOINTS) and endpoint.dialect in (dialect or SPOKEN)
    ]  # fmt: skip


def test_retired_ids_have_a_day_and_successors_that_answer() -> None:
    today = date(2026, 11, 22)
    assert len(KNOWN.retired) >= 40
    for retired in KNOWN.retired:
        day = date.fromisoformat(retired.date)
        assert retired.at, "an id is retired by an endpoint, and its weights live on elsewhere"
        if retired.successor:
            for endpoint in retired.at:
                later = facts(f"{endpoint}/{retired.successor}").retired
                assert later is None or date.fromisoformat(later.date) > max(day, today), retired


def test_loading_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        known = knowledge.read(document.load(knowledge.SHIPPED))
        took.append(time.perf_counter() - began)
    with capsys.disabled():
        sys.stdout.write(f"\n  knowledge.yaml is read in {min(took) * 1000:.0f} ms (50 are wanted)\n")
    assert len(known.families) == len(KNOWN.families) > 100


def test_the_page_is_what_the_data_says() -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "models.py"), "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr


# -- what nobody knows -------------------------------------------------------------------------------------------------

EVERYTHING: Asked = {
    "temperature": 0.7, "top_p": 0.9, "top_k": 20, "min_p": 0.1, "presence_penalty": 0.5, "frequency_penalty": 0.5,
    "repeat_penalty": 1.1, "seed": 7, "max_tokens": 100, "stop": ["x"], "effort": "high", "thinking_budget": 2000,
    "schema": {"type": "object"}, "top_logprobs": 5,
}  # fmt: skip


@pytest.mark.parametrize("name", [*ENDPOINTS, "custom"])
def test_a_model_that_nobody_knows_is_judged_everywhere(name: str) -> None:
    assert EVERYTHING.keys() == PARAMETERS.keys()
    found = facts(f"{name}/vendor/never-heard-of-1")
    assert not found.is_known and found.retired is None and found.state({}) == "unknown"
    result = judge(found, Request(found.model, (Message("user", "hi"),), EVERYTHING))
    assert result.verdicts.keys() == EVERYTHING.keys()
    left_out = {name for name, verdict in result.verdicts.items() if verdict.left_out}
    assert left_out == {name for name, verdict in result.verdicts.items() if verdict.word == "refused"
                        or "in its place" in verdict.note}  # fmt: skip
    assert result.sent.keys() == EVERYTHING.keys() - left_out, "what is not known is sent as it was asked"
    json.dumps(result.body)


def test_at_an_unknown_server_nothing_is_claimed() -> None:
    result = judged("custom/never-heard-of-1", **EVERYTHING)
    assert set(words(result).values()) == {"unknown"} and not any(v.note for v in result.verdicts.values())
    assert result.body == {"reasoning_effort": "high", "thinking_budget": 2000}
    assert result.send == {name: EVERYTHING[name] for name in EVERYTHING.keys() - result.body.keys() - {"effort"}}


@pytest.mark.parametrize("name", ["oneapi", "newapi"])
def test_a_gateways_names_may_stand_for_anything(name: str) -> None:
    endpoint = ENDPOINTS[name]
    assert not endpoint.local and endpoint.keys
    result = judged(f"{name}/my-alias", **EVERYTHING)
    assert set(words(result).values()) == {"unknown"} and all(v.note for v in result.verdicts.values())


def test_of_known_weights_at_an_unknown_server_only_the_weights_are_known() -> None:
    found = facts("custom/Qwen/Qwen3-8B")
    assert (found.family.thinks, found.family.thinking, found.effort.levels["low"]) == (
        "by default", "raw", {"reasoning_effort": "low"},
    )  # fmt: skip
    assert words(judged("custom/Qwen/Qwen3-8B", temperature=0.5, top_k=20)) == {
        "temperature": "unknown",
        "top_k": "unknown",
    }


# -- spot checks: what the makers say ----------------------------------------------------------------------------------

ON: Asked = {"thinking": {"type": "enabled"}}
OFF: Asked = {"thinking": {"type": "disabled"}}


def adaptive(effort: str) -> Asked:
    return {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": effort}}


def thoughts(**config: Value) -> Asked:
    return {"generationConfig": {"thinkingConfig": {**config}}}


def template(effort: str, thinks: bool) -> Asked:
    return {"reasoning_effort": effort, "chat_template_kwargs": {"enable_thinking": thinks}}


# A target, what is asked, the verdicts in the order of what is asked, and the pieces that go into the body. A verdict
# with a minus is left out of the request.
CHECKS: list[tuple[str, Asked, str, Asked]] = [
    # OpenAI, Chat Completions and Responses
    ("openai/gpt-4o", {"temperature": 1.7, "top_p": 0.5, "top_k": 5, "seed": 1}, "honoured honoured refused- honoured",
     {}),
    ("openai/gpt-4o", {"temperature": 2.5, "effort": "low"}, "refused- refused-", {}),
    ("openai/gpt-4.1-mini", {"frequency_penalty": 1, "stop": ["x"], "min_p": 0.1}, "honoured honoured refused-", {}),
    ("openai/gpt-4o-search-preview", {"temperature": 0.5}, "refused-", {}),
    ("openai/o1", {"temperature": 0.5, "top_p": 0.5, "stop": ["x"]}, "pinned- refused- refused-", {}),
    ("openai/o3", {"temperature": 1, "effort": "none"}, "pinned refused-", {}),
    ("openai/o3", {"effort": "max"}, "honoured", {"reasoning_effort": "high"}),
    ("openai/o4-mini", {"effort": "minimal"}, "honoured", {"reasoning_effort": "low"}),
    ("openai/gpt-5", {"temperature": 0.2, "effort": "minimal"}, "pinned- honoured", {"reasoning_effort": "minimal"}),
    ("openai/gpt-5-mini", {"effort": "none", "thinking_budget": 500}, "refused- refused-", {}),
    ("openai/gpt-5.1", {"temperature": 0.5, "top_p": 0.5}, "honoured honoured", {}),
    ("openai/gpt-5.1", {"temperature": 0.5, "effort": "none"}, "honoured honoured", {"reasoning_effort": "none"}),
    ("openai/gpt-5.2", {"temperature": 0.5, "effort": "low"}, "refused- honoured", {"reasoning_effort": "low"}),
    ("openai/gpt-5.2-codex", {"effort": "max"}, "honoured", {"reasoning_effort": "xhigh"}),
    ("openai/gpt-5.4-mini", {"temperature": 0.3}, "honoured", {}),
    ("openai/gpt-5.4-pro", {"temperature": 0.3, "effort": "low"}, "pinned- refused-", {}),
    ("openai/gpt-5.6-sol", {"temperature": 0.3}, "refused-", {}),
    ("openai/gpt-5.6-sol", {"temperature": 0.3, "effort": "none"}, "honoured honoured", {"reasoning_effort": "none"}),
    ("openai/gpt-5.3-codex", {"temperature": 0.3}, "unknown", {}),
    ("openai/gpt-6-astra", {"temperature": 0.3, "effort": "none"}, "pinned- refused-", {}),
    ("openai-responses/gpt-4o", {"temperature": 0.3, "seed": 1, "effort": "low"}, "honoured refused- refused-", {}),
    ("openai-responses/gpt-5.6-sol", {"temperature": 0.3, "effort": "max"}, "refused- honoured",
     {"reasoning": {"effort": "max", "summary": "auto"}}),
    ("openai-responses/o3", {"seed": 1}, "refused-", {"reasoning": {"summary": "auto"}}),
    # Anthropic
    ("anthropic/claude-sonnet-4-6", {"temperature": 0.5, "seed": 1}, "honoured refused-", {}),
    ("anthropic/claude-sonnet-4-6", {"temperature": 1.5}, "refused-", {}),
    ("anthropic/claude-sonnet-4-6", {"temperature": 0.5, "top_p": 0.9}, "honoured refused-", {}),
    ("anthropic/claude-sonnet-4-6", {"temperature": 0.5, "effort": "xhigh"}, "pinned- honoured",
     {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ("anthropic/claude-haiku-4-5", {"effort": "low", "top_k": 5, "top_p": 0.5}, "honoured refused- refused-",
     {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
    ("anthropic/claude-haiku-4-5", {"thinking_budget": 500}, "refused-", {}),
    ("anthropic/claude-opus-4-8", {"temperature": 0.5, "thinking_budget": 4000}, "refused- refused-", {}),
    ("anthropic/claude-opus-4-8", {"effort": "xhigh"}, "honoured", adaptive("xhigh")),
    ("anthropic/claude-sonnet-5", {"effort": "none"}, "honoured", OFF),
    ("anthropic/claude-sonnet-5-5", {"effort": "none", "temperature": 0.5}, "honoured refused-",
     {"thinking": {"type": "between_tools"}}),
    ("anthropic/claude-opus-5-5", {"effort": "none"}, "refused-", {"thinking": adaptive("")["thinking"]}),
    # Gemini
    ("gemini/gemini-2.0-flash", {"temperature": 1.5, "effort": "low"}, "honoured refused-", {}),
    ("gemini/gemini-2.5-flash", {"thinking_budget": 0}, "honoured", thoughts(thinkingBudget=0)),
    ("gemini/gemini-2.5-flash", {"effort": "medium", "min_p": 0.1}, "honoured refused-",
     thoughts(thinkingBudget=8192, includeThoughts=True)),
    ("gemini/gemini-2.5-flash-lite", {"thinking_budget": 100}, "refused-", {}),
    ("gemini/gemini-2.5-pro", {"effort": "none", "temperature": 0.5}, "refused- honoured",
     thoughts(includeThoughts=True)),
    ("gemini/gemini-3.1-pro-preview", {"effort": "minimal", "temperature": 0.2}, "honoured honoured",
     thoughts(thinkingLevel="low", includeThoughts=True)),
    ("gemini/gemini-3.8-flash", {"temperature": 0.1, "effort": "xhigh"}, "ignored honoured",
     thoughts(thinkingLevel="high", includeThoughts=True)),
    # DeepSeek
    ("deepseek/deepseek-flash", {"temperature": 0.5, "presence_penalty": 1}, "ignored ignored", {}),
    ("deepseek/deepseek-flash", {"temperature": 0.5, "effort": "none"}, "honoured honoured", OFF),
    ("deepseek/deepseek-v4-pro", {"effort": "medium", "top_k": 5}, "honoured refused-",
     {**ON, "reasoning_effort": "high"}),
    ("deepseek/deepseek-v4-pro", {"effort": "max", "seed": 1}, "honoured refused-", {**ON, "reasoning_effort": "max"}),
    # Gateways and hosts
    ("openrouter/deepseek/deepseek-r1", {"effort": "high", "temperature": 0.6}, "unknown unknown",
     {"reasoning": {"effort": "high"}}),
    ("openrouter/qwen/qwen3-32b", {"thinking_budget": 900}, "unknown", {"reasoning": {"max_tokens": 900}}),
    ("openrouter/qwen/qwen3-32b", {"effort": "low", "thinking_budget": 900}, "unknown refused-",
     {"reasoning": {"effort": "low"}}),
    ("siliconflow/Qwen/Qwen2.5-72B-Instruct", {"temperature": 1, "effort": "high"}, "honoured refused-", {}),
    ("siliconflow/Qwen/Qwen3-8B", {"min_p": 0.1, "effort": "none"}, "honoured unknown", {"enable_thinking": False}),
    ("siliconflow/deepseek-ai/DeepSeek-R1", {"effort": "none", "temperature": 1}, "refused- unknown", {}),
    ("siliconflow/Pro/deepseek-ai/DeepSeek-R1", {"thinking_budget": 100}, "refused-", {}),
    ("siliconflow-intl/deepseek-ai/DeepSeek-V4", {"effort": "low"}, "honoured",
     {"enable_thinking": True, "reasoning_effort": "high"}),
    ("groq/openai/gpt-oss-120b", {"effort": "none", "temperature": 0.5}, "refused- honoured", {}),
    ("groq/qwen/qwen3-32b", {"effort": "max"}, "honoured", {"reasoning_effort": "default"}),
    # Moonshot, GLM, Qwen, xAI, Mistral
    ("moonshot/moonshot-v1-8k", {"temperature": 0.5}, "honoured", {}),
    ("moonshot/moonshot-v1-8k", {"temperature": 1.5}, "refused-", {}),
    ("moonshot/kimi-k2.6", {"effort": "none", "temperature": 0.6}, "honoured pinned-", OFF),
    ("moonshot-intl/kimi-k3", {"effort": "xhigh", "top_p": 0.5}, "honoured pinned-", {"reasoning_effort": "max"}),
    ("zai/glm-4.6", {"effort": "high", "temperature": 0.5}, "honoured honoured", ON),
    ("zhipu/glm-5.2", {"effort": "low", "top_k": 5}, "honoured refused-", {**ON, "reasoning_effort": "high"}),
    ("zai/glm-5.3", {"effort": "none"}, "refused-", {}),
    ("dashscope/qwen-plus", {"thinking_budget": 500}, "honoured", {"enable_thinking": True, "thinking_budget": 500}),
    ("dashscope/qwen-plus", {"temperature": 1.99, "effort": "none"}, "honoured honoured", {"enable_thinking": False}),
    ("dashscope/qwen3-coder-plus", {"temperature": 2, "effort": "low"}, "refused- refused-", {}),
    ("dashscope-intl/qwq-plus", {"effort": "none"}, "refused-", {}),
    ("xai/grok-4.3", {"effort": "none", "stop": ["x"]}, "honoured refused-", {"reasoning_effort": "none"}),
    ("xai/grok-4.6", {"effort": "max", "presence_penalty": 1}, "honoured refused-", {"reasoning_effort": "xhigh"}),
    ("xai/grok-4", {"effort": "low", "temperature": 0.5}, "refused- unknown", {}),
    ("mistral/mistral-large-latest", {"temperature": 1.6, "effort": "high", "seed": 1}, "refused- refused- honoured",
     {}),
    ("mistral/mistral-medium-latest", {"temperature": 0.7, "effort": "low"}, "honoured honoured",
     {"reasoning_effort": "high"}),
    # On your own machine
    ("ollama/qwen3:4b", {"effort": "none", "min_p": 0.1}, "honoured honoured", {"think": False}),
    ("ollama/gpt-oss:20b", {"effort": "none"}, "refused-", {}),
    ("ollama/gpt-oss:20b", {"effort": "minimal"}, "honoured", {"think": "low"}),
    ("ollama/gemma3:1b", {"effort": "low", "top_k": 40}, "refused- honoured", {}),
    ("ollama/deepseek-r1:7b", {"thinking_budget": 500}, "refused-", {}),
    ("llamacpp/Qwen3-8B", {"effort": "none", "repeat_penalty": 1.1}, "unknown honoured", template("none", False)),
    ("local//models/Qwen3-4B-Q4_K_M.gguf", {"effort": "high"}, "unknown", template("high", True)),
    ("local//models/gpt-oss-20b.gguf", {"effort": "max"}, "unknown", {"reasoning_effort": "high"}),
    ("vllm/Qwen/Qwen3-8B", {"effort": "none", "thinking_budget": 0}, "unknown unknown",
     {"chat_template_kwargs": {"enable_thinking": False}}),
    ("vllm/deepseek-ai/DeepSeek-V3.1", {"effort": "none"}, "unknown", {"chat_template_kwargs": {"thinking": False}}),
    ("vllm/meta-llama/Llama-3.1-8B-Instruct", {"temperature": 1.5, "effort": "low"}, "honoured ignored",
     template("low", True)),
    ("lmstudio/google/gemma-3-12b", {"temperature": 1.5, "effort": "low"}, "honoured ignored",
     {"reasoning_effort": "low"}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "asked", "verdicts", "body"), CHECKS)
def test_what_the_makers_say(target: str, asked: Asked, verdicts: str, body: Asked) -> None:
    result = judged(target, **asked)
    said = [verdict.word + "-" * verdict.left_out for verdict in result.verdicts.values()]
    assert (" ".join(said), result.body) == (verdicts, body)


def test_there_are_enough_spot_checks_and_every_vendor_is_among_them() -> None:
    seen = {target.partition("/")[0] for target, *_ in CHECKS}
    assert len(CHECKS) >= 60
    bare = {"oneapi", "newapi", "together", "sglang", "jan", "tgwui", "koboldcpp", "cohere", "perplexity", "fireworks",
            "llamacpp-8080"}  # fmt: skip
    assert ENDPOINTS.keys() - seen == bare, "gateways and servers of which little is known have tests of their own"


@pytest.mark.parametrize(
    ("target", "thinks", "arrives", "role", "against"),
    [
        ("openai/o3", "always", "hidden", "developer", ("steps",)),
        ("openai-responses/o3", "always", "summary", "developer", ("steps",)),
        ("openai/gpt-4o", "never", "none", "system", None),
        ("openai/o1-mini", "always", "hidden", "user", ("steps",)),
        ("openai/gpt-5.1", "on request", "hidden", "developer", ()),
        ("openai/gpt-5.6-sol", "by default", "hidden", "developer", ("steps",)),
        ("deepseek/deepseek-flash", "by default", "raw", "system", None),
        ("anthropic/claude-opus-4-5", "on request", "summary", "system", None),
        ("anthropic/claude-opus-5-5", "always", "summary", "system", ("steps",)),
        ("gemini/gemini-2.5-flash", "by default", "summary", "system", None),
        ("gemini/gemini-3-pro", "always", "summary", "system", None),
        ("openrouter/deepseek/deepseek-r1", "always", "raw", "user", ("system", "examples")),
        ("siliconflow/deepseek-ai/DeepSeek-R1", "always", "raw", "user", ("system", "examples")),
        ("ollama/deepseek-r1:7b", "by default", "raw", "user", ("system", "examples")),
        ("together/deepseek-ai/DeepSeek-R1-0528", "always", "raw", "system", ("examples",)),
        ("local//m/QwQ-32B-Q4.gguf", "always", "raw", None, None),
        ("oneapi/qwen3-8b", "by default", "raw", None, None),
        ("dashscope/qwen-plus", "on request", "raw", None, None),
        ("xai/grok-4.3", "by default", "hidden", None, None),
        ("openrouter/openai/gpt-4o", None, None, None, None),
    ],
)  # fmt: skip
def test_how_a_model_thinks(
    target: str, thinks: str | None, arrives: str | None, role: str | None, against: tuple[str, ...] | None
) -> None:
    family = facts(target).family
    assert (family.thinks, family.thinking, family.role, family.against) == (thinks, arrives, role, against)


@pytest.mark.parametrize(
    ("target", "date", "successor"),
    [
        ("deepseek/deepseek-chat", "2026-07-24", "deepseek-flash"),
        ("deepseek/deepseek-reasoner", "2026-07-24", "deepseek-flash"),
        ("openai/o1", "2026-10-23", "gpt-5.6-sol"),
        ("openai/o1-preview", "2025-07-28", None),
        ("openai/gpt-4-turbo", "2026-10-23", "gpt-5.6-sol"),
        ("openai/gpt-4o-mini", "2027-01-14", "gpt-6-luna"),
        ("anthropic/claude-3-5-sonnet-20241022", "2025-10-28", None),
        ("anthropic/claude-sonnet-4-5", "2026-11-30", "claude-sonnet-5-5"),
        ("gemini/gemini-1.5-pro", "2025-09-29", None),
        ("gemini/gemini-2.0-flash", "2026-06-01", "gemini-3.1-flash-lite"),
        ("moonshot-intl/kimi-k2-0905-preview", "2026-05-25", "kimi-k2.6"),
        ("groq/mixtral-8x7b-32768", "2025-03-20", "openai/gpt-oss-20b"),
        ("xai/grok-3", "2026-05-15", "grok-4.3"),
    ],
)
def test_ids_that_people_still_type_are_known_as_retired(target: str, date: str, successor: str | None) -> None:
    retired = facts(target).retired
    assert retired is not None and (retired.date, retired.successor) == (date, successor)


@pytest.mark.parametrize(
    "target", ["openrouter/openai/o1", "openai/gpt-5.6-sol", "deepseek/deepseek-flash", "ollama/deepseek-r1",
               "custom/deepseek-chat", "openai/o3-custom", "anthropic/claude-sonnet-4-6"]
)  # fmt: skip
def test_what_answers_still_is_not_called_retired(target: str) -> None:
    assert facts(target).retired is None


@pytest.mark.parametrize("name", ["local", "llamacpp", "ollama"])
def test_a_sweep_of_temperature_on_a_local_server_is_warned_of_the_samplers_before_it(name: str) -> None:
    alone = judged(f"{name}/m", temperature=1.5).verdicts["temperature"]
    assert alone.word == "honoured" and "top_k=0" in alone.note and "top_p=1" in alone.note
    half = judged(f"{name}/m", temperature=1.5, top_k=0).verdicts["temperature"]
    assert "top_k" not in half.note and "top_p=1" in half.note
    clean = judged(f"{name}/m", temperature=1.5, top_k=0, top_p=1, min_p=0)
    assert all(verdict.word == "honoured" and not verdict.note for verdict in clean.verdicts.values())


def test_thinking_that_comes_unasked_is_asked_to_be_shown_and_only_then() -> None:
    assert judged("gemini/gemini-2.5-flash").body == thoughts(includeThoughts=True)
    assert judged("gemini/gemini-2.0-flash").body == {} == judged("gemini/gemini-2.5-flash-lite").body
    assert judged("anthropic/claude-sonnet-5").body == {"thinking": {"type": "adaptive", "display": "summarized"}}
    assert judged("anthropic/claude-opus-4-8").body == {}
    assert judged("openai-responses/gpt-5.6-sol").body == {"reasoning": {"summary": "auto"}}
    assert judged("openai-responses/gpt-5.4").body == {} == judged("openai/o3").body


def test_each_level_is_a_whole_switch_wherever_thinking_is_one() -> None:
    """A level that turns thinking on says so, for a model that does not think by itself."""
    for target in ("dashscope/qwen-plus", "anthropic/claude-opus-4-8", "vllm/deepseek-ai/DeepSeek-V3.1", "zai/glm-5.2"):
        levels = facts(target).effort.levels
        assert tuple(levels) == PARAMETERS["effort"].choices, target
        shapes = {level: repr(sorted(leaves(fragment))) for level, fragment in levels.items()}
        assert shapes["none"] not in {shapes[level] for level in levels if level != "none"}, target


# -- temperature: the rules that were gathered from vendors' pages -----------------------------------------------------

AT = {  # the rules' names on the left, the endpoints that stand for them on the right; others have the same name
    "openai": ("openai", "openai-responses"),
    "zai": ("zai", "zhipu"),
    "moonshot": ("moonshot", "moonshot-intl"),
    "dashscope": ("dashscope", "dashscope-intl"),
    "siliconflow": ("siliconflow", "siliconflow-intl"),
    "gateway": ("oneapi", "newapi"),
    "llamacpp": ("llamacpp", "local"),
    "ollama-openai": (),  # Ollama is spoken to natively
}
IDS = {
    "openai": (
        "o1 o3 o3-mini o4-mini gpt-5.1 gpt-5.1-2025-11-13 gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.4-nano gpt-5.5 "
        "gpt-5.6-sol gpt-5.6-terra gpt-6-sol gpt-6-luna gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro gpt-5.1-codex "
        "gpt-5.2-chat-latest gpt-6-astra gpt-6.1-sol gpt-6.2 gpt-4o gpt-4o-mini gpt-4.1 gpt-4-turbo "
        "gpt-3.5-turbo chatgpt-4o-latest"
    ),
    "deepseek": "deepseek-flash deepseek-v4-pro deepseek-v4-flash deepseek-chat deepseek-reasoner",
    "anthropic": (
        "claude-haiku-4-5 claude-sonnet-4-0 claude-sonnet-4-5-20250929 claude-sonnet-4-6 claude-opus-4-1 "
        "claude-opus-4-5 claude-opus-4-6 claude-opus-4-20250514 claude-sonnet-4-20250514 claude-opus-4-7 "
        "claude-opus-4-8 claude-sonnet-5 claude-sonnet-5-5 claude-opus-5 claude-opus-5-5 claude-haiku-5 "
        "claude-fable-5 claude-mythos-5"
    ),
    "gemini": (
        "gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-4-pro "
        "gemini-3-pro-preview gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite "
        "gemini-2.0-flash gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite"
    ),
    "moonshot": "moonshot-v1-8k moonshot-v1-auto kimi-k2.5 kimi-k2.6 kimi-k2.7-code kimi-k3 kimi-latest",
    "zai": "glm-4.5 glm-4.6 glm-4.7 glm-5 glm-5.2 glm-5.3 glm-4-flash",
    "dashscope": "qwen-plus qwen-max qwen3-max qwen3-235b-a22b qwq-plus qwen3-coder-plus qwen2.5-72b-instruct",
    "mistral": (
        "mistral-large-latest mistral-medium-latest mistral-small-latest magistral-medium-latest "
        "codestral-latest"
    ),
    "groq": "llama-3.3-70b-versatile openai/gpt-oss-20b qwen/qwen3-32b",
    "xai": "grok-4 grok-4.3 grok-4.6 grok-5 grok-3-mini grok-2-1212 grok-3",
    "openrouter": "deepseek/deepseek-r1 openai/gpt-4o anthropic/claude-opus-4.6 qwen/qwen3-32b vendor/unheard-of",
    "siliconflow": "Qwen/Qwen2.5-72B-Instruct THUDM/glm-4-9b-chat",  # of thinking nothing is documented
    "gateway": "gpt-4o deepseek-chat my-alias",
    "ollama": "qwen3:4b gemma3:1b deepseek-r1:7b unheard-of",
    "llamacpp": "Qwen3-8B gpt-oss-20b /models/unheard-of.gguf",
    "vllm": "Qwen/Qwen3-8B meta-llama/Llama-3.1-8B-Instruct unheard-of",
    "lmstudio": "google/gemma-3-12b qwen3-4b unheard-of",
}  # fmt: skip
ASKED: dict[str, list[Asked]] = {
    "always": [{}],
    "effort absent or none": [{}, {"effort": "none"}],
    "effort other than none": [{"effort": "high"}],
    "effort sent as none": [{"effort": "none"}],
    "effort absent or other": [{}, {"effort": "high"}],
    "thinking on (default)": [{}, {"effort": "high"}],
    "thinking disabled": [{"effort": "none"}],
    "thinking off, anthropic-version 2023-06-01": [{}, {"effort": "none"}],
    "thinking on": [{"effort": "high"}, {"thinking_budget": 2000}],
    "do_sample not false": [{}],
    "native API, top_k/top_p not sent": [{}],
    "top_k/top_p/min_p not sent": [{}],
    "preset active": [{}],
}
LATER_VERSION = "anthropic-version >= 2026-10-21"  # a header: no part of the judgement, the notes speak of it
OURS = {"works": "honoured", "truncated": "honoured", "ignored": "ignored", "rejected": "refused", "fixed": "pinned",
        "unknown": "unknown", "ask": "unknown"}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    """In their order: the first pattern that fits a model counts."""
    found = json.loads(RULES.read_text("utf-8"))["rules"] if RULES.is_file() else []
    return [rule for rule in found if rule["when"] != LATER_VERSION]


def rule_name(rule: dict[str, Any]) -> str:
    return f"{rule['provider']} {rule['match']} {rule['when']}"


def fitting(rule: dict[str, Any]) -> list[str]:
    """The targets that a rule is about."""
    provider = rule["provider"]
    patterns = [other["match"] for other in rules() if other["provider"] == provider]
    return [
        f"{endpoint}/{id}"
        for id in IDS.get(provider, "").split()
        if next((pattern for pattern in patterns if re.search(pattern, id)), None) == rule["match"]
        for endpoint in AT.get(provider, (provider,))
    ]


needs_rules = pytest.mark.skipif(not RULES.is_file(), reason=f"the rules of temperature are not at {RULES}")


@needs_rules
def test_every_rule_of_temperature_is_about_a_model_of_ours() -> None:
    assert [rule_name(rule) for rule in rules() if not fitting(rule)] == ["ollama-openai .* always"]
    assert {rule["when"] for rule in rules()} <= ASKED.keys()


@needs_rules
@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule_name(rule)) for rule in rules() if fitting(rule)])
def test_the_rules_of_temperature_agree(rule: dict[str, Any]) -> None:
    for target in fitting(rule):
        if rule["temperature"] == "gone":
            retired = facts(target).retired
            assert retired is not None and retired.date == "2026-07-24", target
            continue
        for beside in ASKED[rule["when"]]:
            verdict = judged(target, temperature=0.7, **beside).verdicts["temperature"]
            assert verdict.word == OURS[rule["temperature"]], (target, beside, verdict)
            if rule["temperature"] == "fixed":
                assert verdict.value in (1, None), (target, "None: where the one value that holds may not be sent")
            if rule["temperature"] == "truncated":
                assert verdict.note, (target, "which samplers come first is said")
            endpoint = target.partition("/")[0]
            if rule["temperature"] == "works" and not ENDPOINTS[endpoint].local:
                top = rule["range"][1]
                edges = [
                    judged(target, temperature=value, **beside).verdicts["temperature"] for value in (top, top + 0.01)
                ]
                assert [edge.word for edge in edges] == ["honoured", "refused"], (target, beside, edges)


def test_what_a_later_version_of_the_anthropic_api_refuses_is_said() -> None:
    note = judged("anthropic/claude-sonnet-4-6", temperature=0.5).verdicts["temperature"].note
    assert "2026-10-21" in note and "2023-06-01" in note
