"""Profiles: four parts to messages, variables in a sandbox, and errors that say where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptlab.config import shipped_profiles
from promptlab.errors import ProfileError, UsageError
from promptlab.profile import Profile, Variable, find, read
from promptlab.profile.compose import arrange, prepare
from promptlab.request import Message


def compose(prompt: str, **more: Any) -> tuple[Message, ...]:
    """The messages for a model of which nothing is known."""
    return arrange(prepare(prompt, **more))


WHOLE = """\
name: poet
description: writes
role: You are a poet.
goal: Write about {{subject}}.
format: |
  Four lines.
  No title.
rules:
  - Rhyme.
  - 'One image: kept.'
context: The day is {{day}}.
variables:
  subject: snow
  day:
parameters:
  temperature: 1.1
  stop: [END]
"""


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def profile(folder: Path, text: str) -> Profile:
    return read(write(folder, text))


def refusal(folder: Path, text: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        profile(folder, text)
    assert "\n" not in caught.value.message and caught.value.exit_code == 2
    return caught.value


def test_every_part_is_read(tmp_path: Path) -> None:
    found = profile(tmp_path, WHOLE)
    assert (found.name, found.description, found.role) == ("poet", "writes", "You are a poet.")
    assert (found.goal, found.format) == ("Write about {{subject}}.", "Four lines.\nNo title.")
    assert (found.rules, found.context) == (("Rhyme.", "One image: kept."), "The day is {{day}}.")
    assert found.variables == {"subject": Variable("snow"), "day": Variable(None)}
    assert found.parameters == {"temperature": [1.1], "stop": [["END"]]}


def test_the_four_parts_are_rendered(tmp_path: Path) -> None:
    said = compose("Now.", profile=profile(tmp_path, WHOLE), variables={"day": "Monday"}, system="Be brief.")
    assert said == (
        Message(
            "system",
            "You are a poet.\n\n# Goal\nWrite about snow.\n\n# Format\nFour lines.\nNo title.\n\n"
            "# Rules\n- Rhyme.\n- One image: kept.\n\nBe brief.",
        ),
        Message("user", "The day is Monday.\n\nNow."),
    )


def test_context_stands_before_the_instruction_and_files_are_named(tmp_path: Path) -> None:
    (said,) = compose("Sum up.", context=[("a.txt", "A\n"), ("stdin", "B\n")])
    assert said == Message("user", '<file name="a.txt">\nA\n</file>\n\nB\n\nSum up.')


def test_a_profile_alone_is_what_the_user_says(tmp_path: Path) -> None:
    (said,) = compose("", profile=profile(tmp_path, "goal: Write.\n"))
    assert said == Message("user", "Write.")


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to send"):
        compose("  ")


def test_the_file_names_a_profile_without_a_name(tmp_path: Path) -> None:
    assert profile(tmp_path, "goal: x\nrules: one rule\n").name == "p"
    assert profile(tmp_path, "goal: x\nrules: one rule\n").rules == ("one rule",)


def test_a_variable_without_value_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        compose("", profile=profile(tmp_path, WHOLE))
    assert "context needs the variable 'day'" in caught.value.message and "--var day=" in caught.value.hint
    assert "p.yaml" in caught.value.message


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        compose("", profile=profile(tmp_path, WHOLE), variables={"subjct": "x"})
    assert "'subjct'" in caught.value.message and "'subject'" in caught.value.hint


def test_a_value_is_text_and_never_a_template(tmp_path: Path) -> None:
    (said,) = compose(
        "", profile=profile(tmp_path, "goal: '{{v}}'\nvariables: {v: x}\n"), variables={"v": "{{7*7}} <b>"}
    )
    assert said.text == "{{7*7}} <b>"


def test_jinja_can_choose_and_repeat(tmp_path: Path) -> None:
    text = "goal: \"{% if v == 'x' %}yes{% else %}no{% endif %} {{ v|upper }}\"\nvariables: {v: x}\n"
    (said,) = compose("", profile=profile(tmp_path, text))
    assert said.text == "yes X"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ v|attr('__class__') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ joiner.__init__.__globals__['os'].system('id') }}",
        "{{ self._TemplateReference__context }}",
        "{{ '%s'.__mod__.__self__.__class__ }}",
        "{{ '{0.__class__}'.format(v) }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ 1/0 }}",
        "{{ '{}'.format() }}",
        "{{ v.nothing }}",
        "{{ v() }}",
        "{{ v",
        "{% if %}",
        "{{ v|nofilter }}",
    ],
)
def test_a_template_can_not_get_out_nor_bring_us_down(tmp_path: Path, template: str) -> None:
    found = Profile("p", tmp_path / "p.yaml", goal=template, variables={"v": Variable("x")})
    with pytest.raises(ProfileError) as caught:
        compose("", profile=found)
    assert "p.yaml: goal: " in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("role: x\n", ["the goal is missing"]),
        ("", ["the goal is missing"]),
        ("goal: ''\n", ["the goal is missing"]),
        ("goal: x\nrulez: [a]\n", ["line 2", "'rulez'", "'rules'"]),
        ("goal: x\nformat: [a]\n", ["line 2", "format must be text"]),
        ("goal: x\nrules: {a: b}\n", ["line 2", "rules must be a list"]),
        ("goal: x\nrules:\n  - a: b\n", ["line 2", "rules must be a list", "quotes"]),
        ("goal: x\nvariables: [a]\n", ["line 2", "variables must be names"]),
        ("goal: x\nvariables:\n  my place: b\n", ["line 3", "'my place'"]),
        ("goal: x\nvariables:\n  a: [b]\n", ["line 3", "'a'"]),
        ("goal: x\nvariables:\n  a: {tpye: text}\n", ["line 3", "'tpye'", "'type'"]),
        ("goal: x\nvariables:\n  a: {choices: [b, c], default: d}\n", ["line 3", "'d'", "b, c"]),
        ("goal: x\nvariables:\n  a: {type: integer, default: 1.5}\n", ["line 3", "'1.5'", "whole"]),
        ("goal: x\nkind: chatty\n", ["line 2", "'chatty'", "'chat'"]),
        ("goal: x\nexamples: [{input: a}]\n", ["line 2", "an input and an output"]),
        ("goal: x\nchat_only: [stepz]\n", ["line 2", "'stepz'", "'steps'"]),
        ("goal: x\ncontext: {fils: [a]}\n", ["line 2", "'fils'", "'files'"]),
        ("goal: x\nparameters: 1\n", ["line 2", "parameters must be names"]),
        ("goal: x\nparameters:\n  temprature: 1\n", ["line 3", "'temprature'", "'temperature'"]),
        ("goal: x\nparameters:\n  temperature: 9\n", ["line 3", "'9'", "from 0 to 5"]),
        ("goal: x\nparameters:\n  temperature: [[1]]\n", ["line 3", "a number"]),
        ("goal: x\ngoal: y\n", ["line 2", "twice"]),
        ("goal: x\n role: y\n", ["line 2"]),
        ("goal: !!python/name:os.system\n", ["line 1", "tag"]),
    ],
)
def test_what_is_wrong_in_a_profile_is_told_with_file_and_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    error = refusal(tmp_path, text)
    assert "p.yaml" in error.message
    for part in parts:
        assert part in f"{error.message} {error.hint}"


def test_a_profile_is_found_by_name_the_nearest_folder_first(tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    first, _, other = write(near, "goal: x", "a.yaml"), write(far, "goal: y", "a.yml"), write(far, "goal: z", "b.yml")
    (far / "notes.txt").write_text("no profile")
    folders = (near, tmp_path / "missing", far)
    assert (find("a", folders), find("b", folders)) == (first, other)
    with pytest.raises(UsageError) as caught:
        find("bb", (far,))
    assert "'bb'" in caught.value.message
    with pytest.raises(UsageError) as caught:
        find("zzzz", folders)
    assert "known: a, b" in caught.value.hint


@pytest.mark.parametrize("name", ["none.yaml", "a/b", "~nobody-of-that-name/x.yaml", "a" * 300 + ".yaml", "/", "./x"])
def test_a_path_to_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no profile file"):
        find(name, ())


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "goal: x")
    assert find(str(path), ()) == path


SHIPPED = sorted(shipped_profiles().glob("*.y*ml"))


def test_there_are_shipped_profiles() -> None:
    assert len(SHIPPED) >= 3


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.stem))
def test_every_shipped_profile_reads_and_renders(path: Path) -> None:
    found = read(path)
    assert found.description and found.name == path.stem
    given = {name: "雪" for name, one in found.variables.items() if one.default is None}
    said = compose("the text", profile=found, variables=given)
    assert [message.role for message in said] == ["system", "user"]
    goal = "# 目标\n" if found.language.startswith("zh") else "# Goal\n"
    assert "{{" not in said[0].text and goal in said[0].text
    for rule in found.rules:
        assert "{{" in rule or f"- {rule}" in said[0].text


def test_words_stay_as_they_were_typed(tmp_path: Path) -> None:
    file = tmp_path / "plain.yaml"
    file.write_text(
        "goal: yes\nformat: 1.10\nrules: [010, 12:30, no]\nvariables: {a: 0x10, b: }\ncontext: ~\n", "utf-8"
    )
    profile = read(file)
    assert (profile.goal, profile.format, profile.rules) == ("yes", "1.10", ("010", "12:30", "no"))
    assert profile.variables == {"a": Variable("0x10"), "b": Variable(None)} and profile.context == ""
