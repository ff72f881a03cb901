"""The JSON Schema of profiles agrees with what reads them, and profiles are written as they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.config import shipped_profiles
from promptlab.errors import ProfileError
from promptlab.params import PARAMETERS
from promptlab.profile import PARTS, READERS, Example, Profile, Variable, parse
from promptlab.profile import schema as profile_schema
from promptlab.profile.writing import write

KEPT = Path(__file__).parents[1] / "docs" / "profile.schema.json"
SCHEMA = profile_schema.schema()
SHIPPED = sorted(shipped_profiles().glob("*.yaml"))


def suits(text: str) -> bool:
    return not list(jsonschema.Draft7Validator(SCHEMA).iter_errors(yaml.load(text, Loader=yaml.CSafeLoader)))


def reads(text: str) -> bool:
    try:
        parse(text, Path("p.yaml"))
    except ProfileError:
        return False
    return True


def test_the_kept_schema_is_what_the_types_say() -> None:
    assert KEPT.read_text("utf-8") == profile_schema.text(), "python -m promptlab.profile.schema >docs/…"
    jsonschema.Draft7Validator.check_schema(json.loads(KEPT.read_text("utf-8")))


def test_every_key_and_parameter_is_in_it_with_its_meaning() -> None:
    assert list(SCHEMA["properties"]) == list(READERS)
    assert list(SCHEMA["properties"]["parameters"]["properties"]) == list(PARAMETERS)
    assert all(one["description"] for one in SCHEMA["properties"].values())


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_profiles_suit_it_and_are_written_as_they_are_read(file: Path) -> None:
    assert suits(file.read_text("utf-8"))
    profile = parse(file.read_text("utf-8"), file)
    text = write(profile)
    assert parse(text, file) == profile
    assert suits(text)


@pytest.mark.parametrize(
    "more",
    ["kind: reasoning", "rules: one alone", "rules: [a, 1, yes]", "context: {text: a, files: '*.md'}",
     "context: {files: [a.md]}", "format: {type: object}", "variables: {a: , b: 3, c: {choices: [x, y], default: x}}",
     "parameters: {temperature: 0.2, effort: [low, high], stop: [a, 1], seed: '1,2'}", "targets: local",
     "examples: [{input: a, output: 2}]", "chat_only: [steps]", "language: no", "$schema: profile.schema.json",
     "variables:", "parameters: {temperature: 'default,1.3'}", "checks: [lines:4x7, rhyme, contains: a, schema: {}]",
     "checks: 'max-length:{{n}}'", "checks: [schema, number: 3]"],
)  # fmt: skip
def test_what_is_read_suits_it(more: str) -> None:
    text = f"goal: g\n{more}\n"
    assert reads(text)
    assert suits(text)


@pytest.mark.parametrize(
    "more",
    ["gaol: x", "kind: clever", "rules: [{a: b}]", "context: {file: a}", "context: {files: [1]}",
     "variables: {a: {typ: text}}", "variables: {a: {type: choice}}", "variables: {a-b: c}", "variables: [a]",
     "parameters: {temprature: 1}", "parameters: {temperature: 9}", "parameters: {temperature: []}",
     "parameters: {effort: huge}", "examples: [{input: a}]", "chat_only: [thinking]", "role: [a]",
     "checks: [linse:4x7]", "checks: [{a: b}]", "checks: ['contains:']"],
)  # fmt: skip
def test_what_is_refused_does_not_suit_it(more: str) -> None:
    text = f"goal: g\n{more}\n"
    assert not reads(text)
    assert not suits(text)


def test_it_is_written_as_a_person_would() -> None:
    profile = Profile(
        "zh", Path("zh.yaml"), description="写诗", kind="chat", goal="以“{{subject}}”为题，写一首诗。",
        format="四行。\n不写标题。", rules=("yes", "句一: 句二", "plain"), tags=("verse", "诗"),
        variables={"subject": Variable("雪"), "count": Variable("3", "integer", help="how many")},
        parameters={"temperature": [0.2, 1.0], "effort": [None, "high"], "stop": [["END"]]},
    )  # fmt: skip
    assert write(profile) == (
        "description: 写诗\nkind: chat\ngoal: 以“{{subject}}”为题，写一首诗。\nformat: |\n  四行。\n  不写标题。\n"
        'rules:\n  - "yes"\n  - "句一: 句二"\n  - plain\n'
        "variables:\n  subject: 雪\n  count:\n    default: 3\n    type: integer\n    help: how many\n"
        "parameters:\n  temperature: [0.2, 1]\n  effort: default,high\n  stop: [END]\ntags: [verse, 诗]\n"
    )
    assert parse(write(profile), profile.path) == profile


NASTY = ["yes", "null", "~", "1.10", "- x", "a: b", "# c", "<<", "=", "'q'", '"q"', "a\\b", "{{x}}", "{% if a %}",
         "*a", "&a", "!t", "|", ">", "%x", "@x", "`x", "2026-11-22", "0b_", "1:30", "---", "...", "a\n  b", "a\n\n b ",
         "中文：好", "? x", "[a", "{a", "a #b", "a:", "\x85x", "\u2028y", "\ufeffz", "\x1b[2J", "a\tb", "\tb", "😀",
         "a, b", "-", "x" * 200, "a: " * 60]  # fmt: skip
LOOSE = st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8"), max_size=12)
TEXT = LOOSE.map(str.strip)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
KEYS = LOOSE.filter(lambda key: key != "<<")  # as a key it is a merge, which is refused
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | LOOSE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6,
)  # fmt: skip
VARIABLES = st.builds(Variable, st.none() | LOOSE, help=LOOSE) | st.lists(LOOSE, min_size=1, max_size=3).map(
    lambda choices: Variable(choices[0], "choice", tuple(choices))
)
PARAMETER_SETS = st.fixed_dictionaries(
    {}, optional={"temperature": st.sampled_from([[0.2], [0.2, 1.3], [None, 1e-5], [1e-5], [1.0]]),
                  "stop": st.lists(LOOSE, max_size=3).map(lambda texts: [texts]), "seed": st.just([1, 2])},
)  # fmt: skip
PROFILES = st.builds(
    Profile, name=TEXT.map(lambda text: text or "x"), path=st.just(Path("x.yaml")), description=TEXT, role=TEXT,
    goal=TEXT, prompt=TEXT, schema=st.none() | st.dictionaries(KEYS, JSON, max_size=2), rules=TEXTS, context=TEXT,
    files=st.lists(LOOSE.filter(str.strip), max_size=2).map(tuple), steps=TEXTS,
    examples=st.lists(st.builds(Example, TEXT, TEXT), max_size=2).map(tuple),
    chat_only=st.lists(st.sampled_from(PARTS), max_size=3).map(tuple),
    variables=st.dictionaries(st.sampled_from(["a", "null", "yes", "主题"]), VARIABLES, max_size=2),
    checks=st.lists(st.just("schema") | TEXT.filter(bool).map("contains:{}".format), max_size=2).map(tuple),
    parameters=PARAMETER_SETS, targets=TEXTS, extends=TEXTS, language=TEXT, tags=TEXTS,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(PROFILES)
def test_what_is_written_is_read_back_the_same(profile: Profile) -> None:
    assert parse(write(profile), profile.path) == profile
