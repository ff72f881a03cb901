"""What an axis is at a target before anything is sent, on knowledge written for it and on the shipped one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from promptlab.axis import places
from promptlab.document import parse
from promptlab.errors import ConfigError
from promptlab.knowledge import Facts, Knowledge, Mode, judge, read
from promptlab.params import Value
from promptlab.prospect import Outlook, look_ahead, neutral, void
from promptlab.request import Message, Request, Wire

KNOWN = """\
efforts:
  three:
    levels: {none: {think: false}, minimal: {e: low}, low: {e: low}, medium: {e: high}, high: {e: high}, max: {e: max}}
    budget: tokens
    range: [1024, 8192]
families:
- {match: real, parameters: {temperature: honoured, top_p: honoured}}
- {match: deaf, effort: three, thinks: by default, parameters: {temperature: {verdict: ignored, note: no ear}}}
- {match: fixed, parameters: {temperature: {verdict: pinned, only: 1}}}
- {match: shut, parameters: {temperature: {verdict: refused, note: it takes none}}}
- {match: narrow, parameters: {temperature: {verdict: honoured, range: [0, 1]}}}
- match: both
  effort: three
  thinks: by default
  parameters:
    temperature: [{verdict: ignored, when: thinking}, {verdict: honoured, when: not thinking}]
- {match: either, parameters: {temperature: honoured, top_p: {verdict: refused, when: with temperature}}}
- match: cutter
  cuts: {top_k: 40, top_p: 0.95, min_p: 0}
  parameters: {temperature: honoured, top_k: honoured, top_p: honoured, min_p: honoured}
"""
KNOWLEDGE = read(parse(KNOWN, Path("known.yaml")))
Axes = dict[str, list[Value]]


def facts(model: str) -> Facts:
    return KNOWLEDGE.facts("e", "openai-chat", model)


def look(
    model: str, axes: Axes, *, base: Mapping[str, Value] | None = None, keep: bool = False, mode: Mode = "adapt",
    knowledge: Knowledge = KNOWLEDGE,
) -> Outlook:  # fmt: skip
    known = knowledge.facts("e", "openai-chat", model)
    asked = dict(base or {})
    added = {} if keep else neutral(known, axes, asked)

    def wire(parameters: Mapping[str, Value]) -> Wire:
        found = judge(known, Request(model, (Message("user", "-"),), dict(parameters)), mode)
        return Wire("", {**found.send, **found.body}, found.sent, True, found.verdicts)

    return look_ahead(model, known, wire, axes, list(places(axes)), base=asked | added, added=added,
                      collapse=mode == "adapt")  # fmt: skip


TEMPERATURES: list[Value] = [None, 0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize(
    ("model", "word", "left", "said"),
    [
        ("real", "real", 5, "it is honoured"),
        ("deaf", "ignored", 1, "no effect (no ear); one column"),
        ("fixed", "pinned", 1, "fixed at 1; one column"),
        ("shut", "refused", 1, "refused (it takes none); one column"),
        ("narrow", "partly", 4, "1.5 is refused (at most 1), and not sent"),
        ("nobody", "unknown", 5, "--audit finds out"),
        ("cutter", "real", 5, "top_k 0, top_p 1 and min_p 0 are sent with it"),
    ],
)
def test_what_a_temperature_is(model: str, word: str, left: int, said: str) -> None:
    outlook = look(model, {"temperature": TEMPERATURES})
    (one,) = outlook.prospects
    assert (one.target, one.axis, one.word) == (model, "temperature", word)
    assert said in one.text and one.is_void == (word in ("ignored", "pinned", "refused"))
    assert len(outlook.places) == left
    if one.is_void:
        assert outlook.places == ({"temperature": None},) and void(outlook.prospects) == {model: ("temperature",)}


def test_refused_values_are_named_and_left_out() -> None:
    outlook = look("narrow", {"temperature": [0.5, 1.5, 1.0, 2.0]})
    assert outlook.prospects[0].dropped == (1.5, 2.0) and "1.5 and 2 are refused" in outlook.prospects[0].text
    assert [place["temperature"] for place in outlook.places] == [0.5, 1.0]


def test_names_of_efforts_that_are_one_on_the_wire_are_sent_once() -> None:
    outlook = look("deaf", {"effort": ["minimal", "low", "medium", "high", "max"]})
    (one,) = outlook.prospects
    assert one.merged == (("minimal", "low"), ("medium", "high"))
    assert "minimal and low are one there" in one.text
    assert [place["effort"] for place in outlook.places] == ["minimal", "medium", "max"]


def test_an_axis_can_be_void_at_some_values_of_another() -> None:
    outlook = look("both", {"effort": ["none", "low", "max"], "temperature": [0.2, 1.0]})
    effort, temperature = outlook.prospects
    assert effort.word == "unknown"
    assert temperature.word == "partly" and "ignored at effort low and max" in temperature.text
    assert [tuple(place.values()) for place in outlook.places] == [
        ("none", 0.2), ("none", 1.0), ("low", None), ("max", None),
    ]  # fmt: skip


def test_what_can_be_swept_instead() -> None:
    (one,) = look("deaf", {"temperature": [0.2, 1.0]}).prospects
    efforts, budget = one.instead
    assert efforts.startswith("--axis effort=none,low,high,max (nobody knows")  # the vendor's own names
    assert "from 1024 to 8192 tokens" in budget
    (one,) = look("both", {"temperature": [0.2, 1.0]}).prospects
    assert one.instead[-1] == "temperature with --effort none" and one.instead[-1] in one.text
    (one,) = look("shut", {"temperature": [0.2, 1.0]}).prospects
    assert one.instead == () and "Instead" not in one.text


def test_one_of_two_that_exclude_each_other_is_collapsed() -> None:
    outlook = look("either", {"temperature": [0.2, 1.0], "top_p": [0.5, 1.0]})
    assert [one.word for one in outlook.prospects] == ["real", "refused"]
    assert [tuple(place.values()) for place in outlook.places] == [(0.2, None), (1.0, None)]


def test_samplers_that_cut_are_neutral_unless_asked_swept_or_kept() -> None:
    assert neutral(facts("cutter"), ["temperature"], []) == {"top_k": 0, "top_p": 1, "min_p": 0}
    assert neutral(facts("cutter"), ["temperature", "top_p"], ["top_k"]) == {"min_p": 0}
    assert neutral(facts("cutter"), ["effort", "max_tokens"], []) == {}
    assert neutral(facts("real"), ["temperature"], []) == {}
    (kept,) = look("cutter", {"temperature": [0.2, 1.0]}, keep=True).prospects
    assert kept.word == "cut" and "cuts to top_k 40 and top_p 0.95 first" in kept.text and "min_p" not in kept.text
    (asked,) = look("cutter", {"temperature": [0.2, 1.0]}, keep=True, base={"top_k": 5, "top_p": 0.5}).prospects
    assert asked.word == "real"


@pytest.mark.parametrize("mode", ["strict", "force"])
def test_what_is_sent_as_asked_is_not_collapsed_but_told(mode: Mode) -> None:
    for model, word in (("deaf", "ignored"), ("shut", "refused"), ("narrow", "partly")):
        outlook = look(model, {"temperature": TEMPERATURES}, mode=mode)
        assert len(outlook.places) == 5 and outlook.prospects[0].word == word
        assert "one column" not in outlook.prospects[0].text and "not sent" not in outlook.prospects[0].text


def test_texts_are_no_parameters_and_keep_their_places() -> None:
    axes: Axes = {"var.x": ["a", "b"], "temperature": [0.2, 1.0]}
    known = facts("shut")
    calls: list[Mapping[str, Value]] = []

    def wire(parameters: Mapping[str, Value]) -> Wire:
        calls.append(parameters)
        found = judge(known, Request("shut", (), dict(parameters)))
        return Wire("", found.send, found.sent, True, found.verdicts)

    outlook = look_ahead("shut", known, wire, {"temperature": [0.2, 1.0]}, list(places(axes)), base={}, added={})
    assert outlook.places == ({"var.x": "a", "temperature": None}, {"var.x": "b", "temperature": None})
    assert all("var.x" not in call for call in calls) and len(calls) == 3  # 0.2, 1.0, and unset


def test_axes_of_lists_and_objects_are_looked_at_too() -> None:
    outlook = look("real", {"stop": [["a"], ["b", "c"], None], "temperature": [0.2, 1.0]})
    assert len(outlook.places) == 6 and [one.word for one in outlook.prospects] == ["unknown", "real"]


def test_cuts_are_data_and_checked_as_such() -> None:
    with pytest.raises(ConfigError, match="line 2: unknown key 'topk'") as caught:
        read(parse("families:\n- {match: x, cuts: {topk: 40}}\n", Path("config.yaml")))
    assert "'top_k'" in caught.value.hint
    mine = read(parse("families:\n- {match: cutter, cuts: {}}\n", Path("config.yaml"))).above(KNOWLEDGE)
    assert neutral(mine.facts("e", "openai-chat", "cutter"), ["temperature"], []) == {}  # the user's own word wins
