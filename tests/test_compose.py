"""One profile, each model in the form that suits it; files of context; profiles that extend others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlab.errors import LabError, ProfileError, UsageError
from promptlab.knowledge import Facts, Family
from promptlab.profile import Example, Profile, Variable, parse, read
from promptlab.profile.compose import COT, Shape, arrange, gather, prepare, shape_of, unset
from promptlab.profile.template import fill
from promptlab.request import Message

WHOLE = Profile(
    "p", Path("p.yaml"), role="You are a poet.", goal="Write on {{s}}.", format="Four lines.", rules=("Rhyme.",),
    context="It snows.", steps=("Think of an image.", "Write."), examples=(Example("ice", "cold"),),
    chat_only=("steps", "examples"), variables={"s": Variable("snow")},
)  # fmt: skip


def said(shape: Shape, profile: Profile = WHOLE, prompt: str = "Now.", *, cot: bool = False) -> tuple[Message, ...]:
    return arrange(prepare(prompt, profile=profile), shape, cot=cot)


def facts(**family: object) -> Facts:
    return Facts("e", "openai-chat", "m", Family(**family))  # type: ignore[arg-type]


def test_a_chat_model_gets_all_of_it_as_a_system_message() -> None:
    system, user = said(Shape())
    assert (system.role, user.role) == ("system", "user")
    heads = [line for line in system.text.splitlines() if line.startswith("# ")]
    assert heads == ["# Goal", "# Format", "# Rules", "# Steps", "# Examples"]
    assert system.text.startswith("You are a poet.\n\n# Goal\nWrite on snow.")
    assert "1. Think of an image.\n2. Write." in system.text and "<input>\nice\n</input>" in system.text
    assert user.text == "It snows.\n\nNow."


def test_a_reasoning_model_is_spared_what_is_for_chat_models() -> None:
    developer, user = said(Shape("developer", reasoning=True))
    assert developer.role == "developer" and "# Steps" not in developer.text and "ice" not in developer.text
    assert "# Rules\n- Rhyme." in developer.text and user.text == "It snows.\n\nNow."


def test_where_a_system_prompt_is_advised_against_all_is_the_users_turn() -> None:
    (only,) = said(Shape("user", reasoning=True))
    assert only.role == "user" and only.text.startswith("You are a poet.\n\n# Goal") and only.text.endswith("\n\nNow.")
    (bare,) = arrange(prepare("Now.", system="Be brief."), Shape("user"))
    assert bare == Message("user", "Be brief.\n\nNow.")


def test_sections_are_marked_and_ordered_as_the_maker_would_have_them() -> None:
    order = ("context", "role", "goal", "format", "rules", "steps", "examples")
    (only,) = said(Shape("user", "xml", order))
    assert only.text.startswith(
        "<context>\nIt snows.\n</context>\n\nYou are a poet.\n\n<goal>\nWrite on snow.\n</goal>\n\n<format>"
    )
    assert "# Goal" not in only.text


@pytest.mark.parametrize(
    ("family", "asked", "expected"),
    [
        ({}, {}, Shape()),
        ({"thinks": "always", "role": "developer"}, {}, Shape("developer", reasoning=True)),
        ({"thinks": "by default"}, {}, Shape(reasoning=True)),
        ({"thinks": "by default"}, {"effort": "none"}, Shape()),
        ({"thinks": "on request"}, {"effort": "low"}, Shape(reasoning=True)),
        ({"against": ("system",), "thinks": "always"}, {}, Shape("user", reasoning=True)),
        ({"role": "user"}, {}, Shape("user")),
        ({"sections": "xml"}, {}, Shape(sections="xml")),
    ],
)
def test_the_form_follows_the_facts(family: dict[str, object], asked: dict[str, str], expected: Shape) -> None:
    assert shape_of(facts(**family), asked) == expected


def test_an_order_that_names_some_parts_keeps_the_others_behind_them() -> None:
    assert shape_of(facts(order=("context", "rules")), {}).order[:3] == ("context", "rules", "role")


def test_chain_of_thought_is_for_chat_models_alone() -> None:
    assert said(Shape(), cot=True)[0].text.endswith(COT) and COT not in said(Shape(reasoning=True), cot=True)[0].text
    system, user = arrange(prepare("2+2?"), Shape(), cot=True)
    assert (system.text, user.text) == (COT, "2+2?")


def test_a_profile_without_prompt_or_context_asks_for_its_goal(tmp_path: Path) -> None:
    found = parse("role: You are a poet.\ngoal: Write.\nrules: [Rhyme.]\n", tmp_path / "p.yaml")
    assert said(Shape(), found, "") == (
        Message("system", "You are a poet.\n\n# Rules\n- Rhyme."), Message("user", "Write."),
    )  # fmt: skip
    assert said(Shape("user"), found, "") == (
        Message("user", "You are a poet.\n\n# Goal\nWrite.\n\n# Rules\n- Rhyme."),
    )


def test_chinese_profiles_have_chinese_headings(tmp_path: Path) -> None:
    found = parse("goal: 写诗。\nrules: [押韵。]\nlanguage: zh\n", tmp_path / "p.yaml")
    assert said(Shape(), found)[0].text == "# 目标\n写诗。\n\n# 规则\n- 押韵。"
    assert said(Shape(sections="xml"), found)[0].text.startswith("<goal>\n写诗。")


def test_a_prompt_profile_is_one_text(tmp_path: Path) -> None:
    found = parse("prompt: Say {{x}}.\nvariables: {x: hi}\n", tmp_path / "p.yaml")
    assert said(Shape(), found, "Twice.") == (Message("user", "Say hi.\n\nTwice."),)


def test_a_schema_is_asked_for_as_json(tmp_path: Path) -> None:
    found = parse("goal: x\nformat: {type: object, properties: {名: {type: string}}}\n", tmp_path / "p.yaml")
    assert found.schema is not None and '"名"' in said(Shape(), found)[0].text


# Files


def profile(folder: Path, *files: str) -> Profile:
    return Profile("p", folder / "p.yaml", goal="x", files=files)


def test_files_below_the_profile_are_its_context(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    for name, text in (("b.md", "B"), ("a.md", "A 雪"), ("c.txt", "C")):
        (tmp_path / "notes" / name).write_text(text, "utf-8")
    found = gather(profile(tmp_path, "notes/*.md", "notes/c.txt", "notes/a.md"))
    assert found == [("notes/a.md", "A 雪"), ("notes/b.md", "B"), ("notes/c.txt", "C")]
    (only,) = arrange(prepare("Go.", profile=Profile("p", tmp_path / "p.yaml", prompt="x"), files=found))
    assert '<file name="notes/a.md">\nA 雪\n</file>' in only.text


def test_a_profile_reads_nothing_outside_its_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.txt").write_text("planted")
    (home / "link.txt").symlink_to(tmp_path / "secret.txt")
    (home / "up").symlink_to(tmp_path)
    for name in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "*.txt", "up/secret.txt", "/etc/*"):
        with pytest.raises(ProfileError) as caught:
            gather(profile(home, name))
        assert "planted" not in caught.value.message and "--allow-files" in caught.value.hint, name
        if not name.startswith("/etc"):
            assert gather(profile(home, name), anywhere=True)[0][1] == "planted", name


@pytest.mark.parametrize(
    ("content", "why"), [(b"a\0b", "binary"), ("中".encode("gb18030"), "UTF-8"), (b"x" * 10_000_001, "10 MB")]
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ProfileError, match=why):
        gather(profile(tmp_path, "f"))


def test_missing_files_and_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("none.md", "*.none", "pipe", "."):
        with pytest.raises(ProfileError, match="no file"):
            gather(profile(tmp_path, name))


# Extending


def test_a_profile_extends_others_in_order(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "goal: base goal\nrole: base\nrules: [a, b]\nvariables: {x: 1, y: 2}\nparameters: {temperature: 0.2, seed: 1}\n"
    )
    (tmp_path / "tone.yaml").write_text("goal: tone goal\nrules: [b, c]\nkind: chat\n")
    (tmp_path / "own.yaml").write_text(
        "extends: [base, tone]\nrules: [d]\nvariables: {y: 3}\nparameters: {temperature: [0.1, 1]}\n"
    )
    found = read(tmp_path / "own.yaml")
    assert (found.name, found.goal, found.role, found.kind) == ("own", "tone goal", "base", "chat")
    assert found.rules == ("a", "b", "c", "d")
    assert found.variables == {"x": Variable("1"), "y": Variable("3")}
    assert found.parameters == {"temperature": [0.1, 1], "seed": [1]}


def test_the_files_of_an_extended_profile_lie_beside_it(tmp_path: Path) -> None:
    for name in ("base", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.md").write_text(name)
    (tmp_path / "base" / "b.yaml").write_text("goal: x\ncontext: {files: notes.md}\n")
    (tmp_path / "own" / "o.yaml").write_text("extends: b\ncontext: {files: [notes.md]}\n")
    found = read(tmp_path / "own" / "o.yaml", (tmp_path / "base",))
    assert [text for _, text in gather(found)] == ["base", "own"]


def test_circles_and_missing_bases_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("goal: x\nextends: b\n")
    (tmp_path / "b.yaml").write_text("goal: x\nextends: a\n")
    (tmp_path / "c.yaml").write_text("goal: x\nextends: aa\n")
    with pytest.raises(ProfileError, match="extend each other"):
        read(tmp_path / "a.yaml")
    with pytest.raises(ProfileError) as caught:
        read(tmp_path / "c.yaml", (tmp_path,))
    assert "line 2" in caught.value.message and "'aa'" in caught.value.message


# Templates


@pytest.mark.parametrize(
    "template",
    ["{{ 'a' * 10**10 }}", "{{ v ~ v }}", "{% for a in v %}x{% endfor %}", "{{ [v, v]|join(v) }}",
     "{{ v|center(9**9) }}", "{{ v[0] }}", "{{ range(9) }}", "{% set x = v %}", "{% macro m() %}{% endmacro %}",
     "{{ v|list }}", "{{ 2**9 }}",
     "{% raw %}" + "{{ v }}" * 50_000],
)  # fmt: skip
def test_a_template_that_could_run_away_is_refused_at_once(template: str) -> None:
    began = time.process_time()
    with pytest.raises(ProfileError):
        fill(template, {"v": "x" * 1000}, "p.yaml: goal")
    assert time.process_time() - began < 2


def test_what_a_template_may_do() -> None:
    text = "{% if a == 'x' and b is defined %}{{ a|upper }} {{ c|default('雪') }}{% else %}no{% endif %}"
    assert fill(text, {"a": "x", "b": ""}, "p") == "X 雪"
    assert fill("{{ '{{' }}name}}", {}, "p") == "{{name}}"


BITS = st.sampled_from(["{{", "}}", "{%", "%}", "{#", "#}", "a", " ", "|upper", "if", "endif", "else", "'", "1", "(",
                        ")", "for", "in", "**", "*", "雪", "\n", "raw", "endraw", "default", ".", "[", "]",
                        "\0"])  # fmt: skip


@settings(max_examples=1000, deadline=2000)
@given(st.lists(BITS, max_size=25).map("".join))
def test_no_template_brings_us_down(text: str) -> None:
    try:
        assert len(fill(text, {"a": "x"}, "p.yaml: goal")) <= len(text) + 100
    except LabError as error:
        assert "\n" not in error.message


KEYS = st.sampled_from(["goal", "prompt", "format", "rules", "variables", "parameters", "examples", "context",
                        "extends", "kind", "steps", "chat_only", "targets", "role", "nonsense"])  # fmt: skip
YAMLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["{{a}}", "chat", "0.1,1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | KEYS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=1000, deadline=2000)
@given(st.dictionaries(KEYS, YAMLS, max_size=5) | st.text(max_size=60))
def test_no_file_brings_us_down(content: object) -> None:
    import yaml

    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    try:
        found = parse(text, Path("p.yaml"))
        arrange(prepare("x", profile=found), Shape())
    except LabError as error:
        assert "p.yaml" in error.message or error.hint


def test_a_variable_that_only_the_text_names_can_be_given() -> None:
    profile = parse("goal: Write about {{topic}} {{mood|default('calmly')}}\n", Path("p.yaml"))
    assert unset(profile, {}) == ["topic"]
    assert unset(profile, {"topic": "ice"}) == []
    filled = prepare("", profile=profile, variables={"topic": "ice"})
    assert filled.parts["goal"] == "Write about ice calmly"
    assert prepare("", profile=profile, variables={"topic": "ice", "mood": "loudly"}).parts["goal"].endswith("loudly")
    with pytest.raises(UsageError, match="no variable 'topci'"):
        prepare("", profile=profile, variables={"topci": "ice"})
