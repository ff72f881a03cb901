"""A profile's file as sections and back: what is edited is what is meant, and the rest stays as it was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.errors import ProfileError, UsageError
from promptlab.places import shipped_profiles
from promptlab.profile import parse
from promptlab.profile.section import ORDER, Sections, join, place, section_of, split
from promptlab.profile.writing import fields

FILE = Path("x.yaml")
TEXT = """\
# my own profile
description: Reviews.  # one line
goal: Review {{what}}.  # short

# what it must look like
format: |  # four lines
  One.
  Two.
rules:
  # the first
  - be brief
  - yes
  # the last
  - "no: jokes"
context: 读者是工程师。
variables:
  what: {help: the thing}  # no default
  whom: us
# how warm
parameters:
  temperature: 1.10
tags: [review, 评审]
"""


def edited(text: str, **changes: str) -> str:
    before = split(text, FILE)
    return join(text, replace(before, texts={**before.texts, **changes}), FILE)


def test_the_sections_of_a_file() -> None:
    found = split(TEXT, FILE)
    assert found.texts == {
        "description": "Reviews.", "goal": "Review {{what}}.", "format": "One.\nTwo.",
        "rules": "- be brief\n- yes\n- no: jokes", "context": "读者是工程师。",
        "variables": "what: {help: the thing}  # no default\nwhom: us",
        "more": "# how warm\nparameters:\n  temperature: 1.10\ntags: [review, 评审]",
    }  # fmt: skip
    assert not found.schema and list(found.texts) == [key for key in ORDER if key in found.texts]


def test_what_is_not_changed_stays_to_the_byte() -> None:
    assert join(TEXT, split(TEXT, FILE), FILE) == TEXT
    new = edited(TEXT, goal="Review {{what}} and say why.\n\nAt length.")
    assert parse(new, FILE).goal == "Review {{what}} and say why.\n\nAt length."
    changed = set(TEXT.split("\n")) - set(new.split("\n"))
    assert changed == {"goal: Review {{what}}.  # short"} and "goal: |  # short" in new


def test_comments_stay_with_what_they_are_about() -> None:
    new = edited(TEXT, rules="- be very brief\n- yes\n- no: jokes\nnor puns\n  of any kind", format="三行。")
    assert parse(new, FILE).rules == ("be very brief", "yes", "no: jokes", "nor puns\nof any kind")
    assert '# the last\n  - "no: jokes"\n' in new and "  - yes\n" in new
    assert "format: 三行。  # four lines\n" in new and "# what it must look like\n" in new
    new = edited(TEXT, more="# how warm, really\nparameters:\n  temperature: 1.10\n  seed: 3\nlanguage: zh\n# the end")
    assert "# how warm, really\nparameters:\n  temperature: 1.10\n  seed: 3\n" in new and "# the end" in new
    assert "tags" not in new and parse(new, FILE).language == "zh"


def test_a_section_comes_and_goes() -> None:
    new = edited(TEXT, role="You know.", steps="- one\n- two", context="")
    assert new.index("role: You know.") < new.index("goal:") and "context" not in new
    assert parse(new, FILE).steps == ("one", "two")
    assert edited(new, role="", steps="", context="读者是工程师。").count("\n") == TEXT.count("\n")
    new = edited("", goal="Say 雪.", rules="one\ntwo", variables="a: b")
    assert fields(parse(new, FILE)) == {"goal": "Say 雪.", "rules": ["one", "two"], "variables": {"a": "b"}}


def test_a_schema_is_edited_as_yaml_and_may_become_a_text() -> None:
    text = "goal: g\nformat:\n  type: object  # always\n  required: [a]\n"
    found = split(text, FILE)
    assert found.schema and found.texts["format"] == "type: object  # always\nrequired: [a]"
    new = edited(text, format='{"type": "array", "items": {"type": "string"}}')
    assert parse(new, FILE).schema == {"type": "array", "items": {"type": "string"}}
    as_text = join(text, Sections({**found.texts, "format": "a list"}, schema=False), FILE)
    assert (parse(as_text, FILE).schema, parse(as_text, FILE).format) == (None, "a list")
    with pytest.raises(UsageError, match="format, line 2"):
        edited(text, format="type: object\n  required: [")


@pytest.mark.parametrize(("section", "said", "told"), [
    ("variables", "a: b\n c: d", "variables, line 2"),
    ("more", "temperature: 1", "unknown key 'temperature'"),
    ("more", "goal: again", "goal has a field of its own"),
    ("more", "[1, 2]", "mapping"),
    ("variables", "a b: c", "no variable"),
])  # fmt: skip
def test_what_can_not_stand_there_is_told(section: str, said: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        edited(TEXT, **{section: said})


@pytest.mark.parametrize("text", [
    "{goal: g, rules: [a, b], tags: [x], language: zh}",
    "---\ngoal: g\nrules: [a, b]\ntags: [x]\nlanguage: zh\n...\n",
    "goal: &g g\nrules:\n- *g\n- b\ntags: [x]\nlanguage: zh",
    "goal: g\r\nrules:\r\n- a\r\n- b\r\ntags: [x]\r\nlanguage: zh\r\n",
    'goal: "g\n\n  g"\nrules:\n  - >-\n    a\n    b\ntags: [x]\nlanguage: zh\n',
    "  goal: g\n  rules: [a]\n  tags: [x]\n  language: zh\n",
])  # fmt: skip
def test_a_file_written_in_any_way_means_what_was_edited(text: str) -> None:
    new = edited(text, goal="another: goal #1", rules="- a\n- c\n  d")
    one = parse(new, FILE)
    assert (one.goal, one.rules, one.tags, one.language) == ("another: goal #1", ("a", "c\nd"), ("x",), "zh")
    assert ("\r\n" in new) == ("\r\n" in text) and new.count("\r\n") in (0, new.count("\n"))
    assert parse(edited(text, more=""), FILE).tags == ()


def test_files_of_context_stay() -> None:
    text = "goal: g\ncontext:\n  text: old\n  files: [notes/*.md]\n"
    for said in ("new\n雪", ""):
        one = parse(edited(text, context=said), FILE)
        assert (one.context, one.files) == (said, ("notes/*.md",))


@pytest.mark.parametrize("file", sorted(shipped_profiles().glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_profile_survives_an_edit_of_each_section(file: Path) -> None:
    text = file.read_text("utf-8")
    before = split(text, file)
    assert join(text, before, file) == text
    for key in before.texts:
        if key in ("variables", "more") or (key == "format" and before.schema):
            continue
        new = join(
            text, replace(before, texts={**before.texts, key: before.texts[key] + "\n雪: 'and' # \"more\""}), file
        )
        after = split(new, file)
        assert {k: v for k, v in after.texts.items() if k != key} == {
            k: v for k, v in before.texts.items() if k != key}  # fmt: skip
        assert after.texts[key].endswith("雪: 'and' # \"more\"")
        assert fields(parse(join(new, before, file), file)) == fields(parse(text, file))


def test_a_place_is_told_by_its_section() -> None:
    assert section_of("rules.2") == "rules" and section_of("parameters.seed") == "more"
    assert place(TEXT, TEXT[: TEXT.index("whom")].count("\n") + 1) == ("variables", 3)
    assert place(TEXT, TEXT[: TEXT.index("tags")].count("\n") + 1) == ("more", 1)
    with pytest.raises(ProfileError):
        split("goal: [a]", FILE)
