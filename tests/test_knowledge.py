"""What is known of a model decides what is sent: patterns, conditions, modes, and what endpoints teach."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab import document
from promptlab.errors import ConfigError, Fault
from promptlab.knowledge import Facts, Finding, Knowledge, Mode, judge, learned, not_honoured, read
from promptlab.params import Value
from promptlab.request import Message, Request, Verdict, Wire

TEXT = """
efforts:
  words: {field: reasoning.effort, levels: {none: none, low: low, max: high}}
  tokens:
    levels: {none: {thinking: {type: disabled}}, high: {thinking: {type: enabled, budget_tokens: 9000}}}
    budget: {thinking: {type: enabled, budget_tokens: $}}
    range: [1024, 32000]
families:
  - match: "*"
    at: vendor
    parameters: {temperature: {verdict: honoured, range: [0, 2]}, top_k: refused}
  - match: "think*"
    at: vendor
    thinks: by default
    thinking: raw
    effort: tokens
    trace: {show: true}
    parameters:
      temperature:
        - {verdict: ignored, when: thinking}
        - {verdict: honoured, when: not thinking, range: [0, 1]}
      top_p: [{verdict: refused, when: with temperature, note: not both}, honoured]
  - match: "think-*-fixed"
    at: vendor
    thinks: always
    effort: words
    parameters: {temperature: {verdict: pinned, only: 1}}
  - match: "think*"
    role: user
    against: [system]
retired:
  - {match: "old*", at: vendor, date: 2026-01-01, successor: think-1}
"""
KNOWN = read(document.parse(TEXT, Path("k.yaml")))


def ask(**parameters: Value) -> Request:
    return Request("m", (Message("user", "hi"),), parameters)


def facts(model: str, endpoint: str = "vendor") -> Facts:
    return KNOWN.facts(endpoint, "openai-chat", model)


def words(model: str, mode: Mode = "adapt", **parameters: Value) -> dict[str, str]:
    judged = judge(facts(model), ask(**parameters), mode)
    return {name: verdict.word + (" left out" if verdict.left_out else "") for name, verdict in judged.verdicts.items()}


def test_a_model_that_nobody_knows_runs_with_everything_unknown() -> None:
    judged = judge(facts("x", "elsewhere"), ask(temperature=3, effort="low", **{"body.y": 1}))
    assert judged.send == judged.sent == {"temperature": 3, "effort": "low", "body.y": 1} and judged.body == {}
    assert {verdict.word for verdict in judged.verdicts.values()} == {"unknown"}
    assert not facts("x", "elsewhere").is_known and facts("think-1").is_known


def test_the_longest_pattern_wins_and_the_shorter_ones_fill_in() -> None:
    family = facts("vendor/Think-2-fixed").family
    assert (family.thinks, family.effort, family.thinking, family.role) == ("always", "words", "raw", "user")
    assert words("think-2-fixed", top_k=5, top_p=0.5) == {"top_k": "refused left out", "top_p": "honoured"}
    assert facts("thinker", "elsewhere").family.against == ("system",), "of the weights, wherever they are served"


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("plain", {"temperature": 1.5}, {"temperature": "honoured"}),
        ("plain", {"temperature": 2.5}, {"temperature": "refused left out"}),
        ("think-1", {"temperature": 0.5}, {"temperature": "ignored"}),
        ("think-1", {"temperature": 0.5, "effort": "none"}, {"temperature": "honoured", "effort": "unknown"}),
        ("think-1", {"temperature": 1.5, "thinking_budget": 0},
         {"temperature": "refused left out", "thinking_budget": "unknown"}),
        ("think-1", {"temperature": 0.5, "top_p": 0.9}, {"temperature": "ignored", "top_p": "refused left out"}),
        ("think-1", {"effort": "low"}, {"effort": "refused left out"}),
        ("think-1", {"thinking_budget": 500}, {"thinking_budget": "refused left out"}),
        ("think-2-fixed", {"temperature": 1}, {"temperature": "pinned"}),
        ("think-1", {"temperature": 0.5, "thinking_budget": 0},
         {"temperature": "honoured", "thinking_budget": "unknown"}),
        ("think-1", {"temperature": 0.5, "effort": "low"}, {"temperature": "ignored", "effort": "refused left out"}),
        ("think-1", {"effort": "high", "thinking_budget": 2000}, {"effort": "ignored left out",
                                                                  "thinking_budget": "unknown"}),
        ("think-2-fixed", {"temperature": 0.3}, {"temperature": "pinned left out"}),
        ("think-2-fixed", {"thinking_budget": 2000}, {"thinking_budget": "refused left out"}),
    ],
)  # fmt: skip
def test_verdicts(model: str, asked: dict[str, Value], expected: dict[str, str]) -> None:
    assert words(model, "adapt", **asked) == expected


def test_effort_and_budget_become_pieces_of_the_body() -> None:
    high = judge(facts("think-1"), ask(effort="high"))
    assert high.body == {"show": True, "thinking": {"type": "enabled", "budget_tokens": 9000}} and high.send == {}
    budget = judge(facts("think-1"), ask(thinking_budget=4000))
    assert budget.body["thinking"] == {"type": "enabled", "budget_tokens": 4000} and budget.state == "on"
    off = judge(facts("think-1"), ask(thinking_budget=0))
    assert off.body == {"thinking": {"type": "disabled"}} and off.sent == {"thinking_budget": "disabled"}
    top = judge(facts("think-2-fixed"), ask(effort="max"))
    assert top.body["reasoning"] == {"effort": "high"} and top.sent == {"effort": "high"}


def test_force_sends_as_asked_and_the_verdict_stays() -> None:
    judged = judge(facts("think-2-fixed"), ask(temperature=0.3, top_k=5), "force")
    assert judged.send == {"temperature": 0.3, "top_k": 5}
    assert [verdict.word for verdict in judged.verdicts.values()] == ["pinned", "refused"]
    assert not any(verdict.left_out for verdict in judged.verdicts.values())


def test_not_honoured_is_what_a_strict_plan_stops_at() -> None:
    asked = {"temperature": 0.3, "top_k": 5, "seed": 7}
    judged = judge(facts("think-2-fixed"), ask(**asked), "strict")
    assert set(not_honoured(judged.verdicts, asked)) == {"temperature", "top_k"}
    assert not_honoured({"temperature": Verdict("pinned", value=1)}, {"temperature": 1}) == {}


def test_a_parameter_that_was_just_refused_is_left_out() -> None:
    judged = judge(facts("plain"), Request("m", (), {"temperature": 1, "seed": 7}, without=("temperature",)))
    assert judged.send == {"seed": 7} and judged.verdicts["temperature"] == Verdict("refused", left_out=True)


def test_a_finding_holds_where_it_was_made() -> None:
    def finding(**more: Value) -> Finding:
        return Finding("vendor", "http://h/v1", "plain", "seed", "refused", "unknown", "no", "2026-11-22", **more)

    known = Knowledge(findings=[finding()]).above(KNOWN)

    def word(model: str, base_url: str, **asked: Value) -> str:
        found = known.facts("vendor", "openai-chat", model, base_url=base_url)
        return judge(found, ask(seed=7, **asked)).verdicts["seed"].word

    assert word("plain", "http://h/v1") == "refused"
    assert word("plain", "http://other/v1") == word("plain2", "http://h/v1") == "unknown"
    assert word("plain", "http://h/v1", effort="none") == "unknown", "found while nobody had switched thinking"
    one = Knowledge(findings=[finding(asked=7)]).facts("vendor", "openai-chat", "plain", base_url="http://h/v1")
    assert one.verdict("seed", {"seed": 7}).word == "refused" and one.verdict("seed", {"seed": 8}).word == "unknown"


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        ("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is "
         "supported.", "unsupported_value", ("pinned", 1, None)),
        ("Unsupported parameter: 'temperature' is not supported with this model.", "unsupported_parameter",
         ("refused", None, None)),
        ("`temperature` is deprecated for this model.", None, ("refused", None, None)),
        ("`temperature` may only be set to 1 when thinking is enabled.", None, ("pinned", 1, None)),
        ("invalid temperature: only 1 is allowed for this model", None, ("pinned", 1, None)),
        ("temperature: Extra inputs are not permitted", None, ("refused", None, None)),
        ("temperature must be in [0, 1.5]", "3051", ("refused", None, 0.2)),
        ("temperature must be 1 or less", None, ("refused", None, 0.2)),
        ("Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: "
         "'low'.",
         "unsupported_value", ("refused", None, 0.2)),
        ("Invalid 'temperature': decimal above maximum value.", "decimal_above_max_value", ("refused", None, 0.2)),
    ],
)  # fmt: skip
def test_what_a_refusal_teaches(message: str, code: str | None, expected: tuple[str, Value, Value]) -> None:
    found = learned(Fault("param_rejected", message, status=400, code=code), "temperature", 0.2, "unknown")
    assert (found.verdict, found.value, found.asked) == expected and found.said == message


def test_an_endpoint_blames_a_parameter_by_its_own_name() -> None:
    wire = Wire("u", {}, {}, fields={"max_tokens": ("max_completion_tokens",), "effort": ("thinking", "type")})
    assert wire.blamed("max_completion_tokens", "") == "max_tokens"
    assert wire.blamed("body.maxCompletionTokens", "") == "max_tokens"
    assert wire.blamed(None, "the thinking type must be one of …") == "effort"
    assert wire.blamed("input[0].content", "thinking is too long") is None, "it says what it means, and it is not ours"
    assert wire.blamed(None, "max_completion_tokens and thinking don't go together") is None, "either may be meant"
    assert wire.blamed("messages[0]", "too long") is None


def test_the_users_knowledge_is_above_the_shipped() -> None:
    text = "families:\n  - {match: '*', at: vendor, parameters: {temperature: ignored}}\n"
    known = read(document.parse(text, Path("config.yaml"))).above(KNOWN)
    plain = judge(known.facts("vendor", "openai-chat", "plain"), ask(temperature=1))
    assert plain.verdicts["temperature"].word == "ignored"
    fixed = judge(known.facts("vendor", "openai-chat", "think-2-fixed"), ask(temperature=1))
    assert fixed.verdicts["temperature"].word == "pinned", "a longer pattern is nearer, whoever wrote it"


def test_a_retired_id_names_its_successor() -> None:
    retired = facts("OLD-7").retired
    assert retired is not None and (retired.date, retired.successor) == ("2026-01-01", "think-1")
    assert facts("OLD-7", "elsewhere").retired is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("families:\n  - {mach: x}\n", ["line 2", "'mach'", "'match'"]),
        ("families: {a: b}\n", ["line 1", "must be a list"]),
        ("families:\n  - match: x\n    parameters: {temprature: honoured}\n",
         ["line 3", "'temprature'", "'temperature'"]),
        ("families:\n  - match: x\n    parameters: {seed: honored}\n", ["line 3", "'honored'", "'honoured'"]),
        ("families:\n  - match: x\n    parameters:\n      seed: {verdict: honoured, range: 7}\n",
         ["line 4", "two numbers"]),
        ("families:\n  - match: x\n    parameters:\n      seed: {verdict: honoured, when: sometimes}\n",
         ["line 4", "'sometimes'", "not thinking"]),
        ("families:\n  - match: x\n    thinks: often\n", ["line 3", "'often'", "by default"]),
        ("efforts:\n  a: {levels: {low: x}}\n", ["line 2", "field"]),
        ("efforts:\n  a: {field: x, levels: {lowest: x}}\n", ["line 2", "'lowest'", "'low'"]),
        ("retired:\n  - {date: 2026-01-01, sucessor: b}\n", ["line 2", "'sucessor'", "'successor'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_it_is_told_with_file_and_line(text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(document.parse(text, Path("config.yaml")))
    assert "config.yaml" in caught.value.message
    for part in parts:
        assert part in f"{caught.value.message} {caught.value.hint}"
