"""Prompts of other tools in and out: what is taken, what is said to be lost, and strangers' files that do no harm."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptlab.cli.exchange import export_profile, import_profiles
from promptlab.errors import LabError, UsageError
from promptlab.profile import Example, Profile, Variable, parse
from promptlab.profile import read as load
from promptlab.profile.compose import arrange, prepare
from promptlab.profile.exchange import FORMATS, Entry, Imported, read, recognise, write
from promptlab.profile.exchange.blanks import from_braces, plain
from promptlab.profile.exchange.intake import LARGEST, named
from promptlab.profile.template import fill
from promptlab.profile.writing import write as as_yaml

HERE = Path(__file__).parent / "imports"
FILES = {
    "llm": HERE / "llm", "aichat": HERE / "aichat", "fabric": HERE / "fabric", "awesome": HERE / "awesome.csv",
    "cherry": HERE / "cherry.json", "promptfoo": HERE / "promptfoo", "text": HERE / "text",
}  # fmt: skip
RICH = Profile(
    "rich", Path("rich.yaml"), description="All parts", kind="reasoning", role="You are {{who}}.",
    goal="Sort {{thing}}.", prompt="Now: $5 {{ '{{' }}x}} __INPUT__", format="A list.", rules=("Short.", "Plain."),
    context="It rains.", files=("notes/*.md",), steps=("Look.",), examples=(Example("b a", "a b"),),
    chat_only=("steps",),
    variables={"who": Variable("a clerk"), "thing": Variable(None, "choice", ("x", "y"), "what")},
    parameters={"temperature": [0.2, 1.3], "top_p": [0.5], "min_p": [0.1], "effort": ["low"],
                "stop": [["END", "STOP"]]},
    targets=("openai/gpt-4o", "anthropic/claude-sonnet-4-6", "my-alias"), language="en", tags=("office",),
)  # fmt: skip


def by_name(imported: Imported) -> dict[str, Entry]:
    found = {entry.name: entry for entry in imported.entries}
    assert len(found) == len(imported.entries)
    return found


def exported(profile: Profile, format: str, folder: Path) -> Path:
    """The export of a profile on disk, as a path to import."""
    folder.mkdir(exist_ok=True)
    done = write(profile, format)
    assert bool(done.text) != bool(done.files)
    for name, text in (done.files or {f"{profile.name}{done.suffix}": done.text}).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder if done.files else folder / f"{profile.name}{done.suffix}"


@pytest.mark.parametrize("format", FILES)
def test_each_format_is_recognised_and_every_profile_of_it_loads_and_fills(format: str, tmp_path: Path) -> None:
    assert recognise(FILES[format]) == format
    imported = read(FILES[format])
    assert imported.entries
    for entry in imported.entries:
        file = tmp_path / f"{entry.name}.yaml"
        file.write_text(as_yaml(entry.profile), "utf-8")
        profile = load(file)
        assert replace(profile, path=entry.profile.path) == entry.profile
        values = {name: "VALUE" for name, variable in profile.variables.items() if variable.default is None}
        said = "".join(message.text for message in arrange(prepare("", profile=profile, variables=values)))
        assert said and ("VALUE" in said or not values.keys() - {"premium"})


def test_llm_templates() -> None:
    found = by_name(read(HERE / "llm"))
    summary, roast, people = found["summarize"], found["roast"], found["people"]
    assert summary.profile.role == "You write in the voice of {{voice}}. A price of $5 is written {{ '{{' }}5}}."
    assert summary.profile.prompt == "Summarize the following text in {{count}} lines.\n\nText: {{input}}"
    assert [(name, one.default) for name, one in summary.profile.variables.items()] == [
        ("count", "3"), ("input", None), ("voice", "GlaDOS"),
    ]  # fmt: skip
    assert summary.profile.parameters == {"temperature": [0.3], "max_tokens": [400], "effort": ["low"]}
    assert (summary.profile.targets, summary.notes) == (("openai/gpt-4o-mini",), [])
    assert roast.profile.goal.startswith("roast the user")
    assert roast.notes == ["not taken: extract, model: my-local-alias, options.logit_bias"]
    assert people.profile.schema == {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_an_llm_template_that_is_one_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("Summarize $input", "utf-8")
    assert read(tmp_path / "a.yaml").entries[0].profile.prompt == "Summarize {{input}}"


def test_aichat_roles() -> None:
    found = by_name(read(HERE / "aichat"))
    convert, shell, poet = found["convert"], found["shell-help"], found["诗人"]
    assert convert.profile.prompt == "Convert the text below to {{arg1}}, for a reader who knows {{arg2}}."
    assert convert.profile.parameters == {"temperature": [0.0], "top_p": [0.2]}
    assert (convert.profile.targets, convert.notes) == (("openai/gpt-4o",), [])
    assert shell.profile.goal.endswith("In a template {{ '{{' }} this }} stays.")
    assert shell.profile.examples[1] == Example("count the lines of a.txt", "wc -l a.txt")
    assert list(shell.profile.variables) == ["__shell__", "__os__"]
    assert shell.notes[1] == "not taken: use_tools" and "fills in {{__shell__}}, {{__os__}} by itself" in shell.notes[0]
    assert poet.profile.goal.startswith("你是一位唐代诗人")


def test_the_old_roles_file_of_aichat(tmp_path: Path) -> None:
    (tmp_path / "roles.yaml").write_text(
        "- name: grammar:fix\n  prompt: 'Fix __INPUT__ now'\n  temperature: 9\n- name: x\n- 3\n", "utf-8"
    )
    imported = read(tmp_path / "roles.yaml")
    assert recognise(tmp_path / "roles.yaml") == "aichat"
    assert imported.entries[0].profile.prompt == "Fix {{input}} now"
    assert imported.entries[0].notes == ["not taken: temperature: 9"]
    assert imported.refused == [("x", "it has no prompt"), ("role 3", "it has no prompt")]


def test_fabric_patterns() -> None:
    found = by_name(read(HERE / "fabric"))
    claims, notes = found["extract_claims"].profile, found["tidy_notes"].profile
    assert claims.goal == "You are a careful reader who finds the claims in a text about {{topic}}."
    assert claims.steps == ("Read the whole input first.", "Put each claim into one sentence.")
    assert claims.rules == ("Only output Markdown.", "Do not repeat a claim.")
    assert list(claims.variables) == ["topic"]
    assert "THINGS TO KNOW" in notes.role and notes.prompt == "Here are my notes:" and not notes.rules
    lone = HERE / "fabric" / "extract_claims"
    assert recognise(lone / "system.md") == recognise(lone) == "fabric"
    assert read(lone / "system.md") == read(lone)


def test_the_table_of_prompts() -> None:
    imported = read(HERE / "awesome.csv")
    found = by_name(imported)
    assert list(found) == ["linux-terminal", "travel-guide", "linux-terminal-2", "中文-老师"]
    assert found["linux-terminal"].profile.tags == ("for-devs",)
    assert found["linux-terminal"].notes == ["not taken: contributor"]
    assert found["travel-guide"].profile.prompt.endswith("guide.\n\nMy first request is [a place near me].")
    odd = found["linux-terminal-2"]
    assert odd.notes == ["not taken: type", "the name linux-terminal is taken by an earlier one"]
    assert fill(odd.profile.prompt, {}, "x") == "Another one, with {{not a blank}} and {% raw %} in it"
    assert imported.refused == [("row 6", "it has no prompt")]


def test_cherry_assistants() -> None:
    imported = read(HERE / "cherry.json")
    found = by_name(imported)
    manager = found["产品经理-product-manager"]
    assert manager.profile.goal == "你是一位经验丰富的产品经理。今天是 {{date}}。表格写成 {{ '{{' }}列}}。"
    assert (manager.profile.tags, manager.profile.description) == (("职业", "商业"), "扮演产品经理， 帮你写需求。")
    assert manager.profile.parameters == {
        "temperature": [0.7], "max_tokens": [2048], "effort": ["high"], "top_k": [20],
    }  # fmt: skip
    assert manager.profile.targets == ("deepseek/deepseek-chat",)
    assert manager.profile.examples == (Example("在吗", "在。"),)
    assert manager.notes == [
        "Cherry Studio fills in {{date}} by itself; here they are variables",
        "not taken: emoji, settings.contextCount, settings.safe, settings.streamOutput, settings.topP (switched off)",
    ]
    assert found["tester"].notes == ["not taken: defaultModel: m"]
    assert imported.refused == [("Nobody", "it has no prompt")]


def test_a_backup_of_cherry_studio_gives_its_assistants_and_nothing_else(tmp_path: Path) -> None:
    inner = json.dumps({"defaultAssistant": {}, "assistants": [{"name": "A", "prompt": "Do a."}]})
    store = json.dumps({"assistants": inner, "llm": json.dumps({"providers": [{"apiKey": "sk-secret"}]})})
    (tmp_path / "data.json").write_text(json.dumps({"version": 4, "localStorage": {"persist:cherry-studio": store}}))
    imported = read(tmp_path / "data.json")
    assert [entry.profile.goal for entry in imported.entries] == ["Do a."]
    assert "sk-secret" not in repr(imported)


def test_promptfoo_prompts() -> None:
    imported = read(HERE / "promptfoo")
    found = by_name(imported)
    first, support, tutor = found["promptfoo-1"], found["support-1"], found["tutor"]
    assert first.profile.prompt == "Translate to {{language}}: {{text | upper}}"
    assert first.profile.variables == {"language": Variable("French"), "text": Variable("Hello")}
    assert first.profile.targets == ("openai/gpt-4o", "anthropic/claude-sonnet-4-6")
    assert first.profile.parameters == {"temperature": [0.2]}
    assert first.notes == [
        "2 tests: the values of the first are defaults here; what they check is not taken",
        "not taken: outputPath, provider python:my_provider.py",
    ]
    assert set(support.profile.variables) == {"company", "premium"}
    assert found["support-2"].notes[-1] == "its template code is more than ours can do, and stays as text"
    loop = fill(found["support-2"].profile.prompt, {"one": "1", "name": "N"}, "x")
    assert loop == "{% for one in many %}1{% endfor %} Hello N"
    assert tutor.profile.role == "You are a tutor of {{company}}." and tutor.profile.prompt == "Show me in {{language}}"
    assert tutor.profile.examples == (Example("What is recursion?", "A function that calls itself."),)
    assert [name for name, _ in imported.refused] == ["prompt 4", "prompt 5", "prompt 6"]
    assert "outside" in imported.refused[0][1] and "run" in imported.refused[1][1] and "run" in imported.refused[2][1]


def test_plain_text_keeps_what_only_looks_like_a_template() -> None:
    entry = read(HERE / "text" / "letter.md").entries[0]
    assert list(entry.profile.variables) == ["name", "主题"]
    said = fill(entry.profile.prompt, {"name": "N", "主题": "雪"}, "x")
    assert said == (
        "# A letter\n\nWrite to N about 雪. Keep {{ this thing }}, {% that %} and {# the other #} as they are."
    )


@given(st.text(alphabet="{}%#'\" -ab\n\\", max_size=30))
def test_any_text_stays_as_it_is(text: str) -> None:
    assert fill(plain(text) + "|", {}, "x") == text + "|"
    kept, names = from_braces(text)
    assert fill(kept + "|", {name: "{{" + name + "}}" for name in names}, "x").replace(" ", "").replace("\t", "") == (
        text + "|"
    ).replace(" ", "").replace("\t", "")


# -- out, and in again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FILES)
def test_what_was_imported_survives_the_way_out_and_in(format: str, tmp_path: Path) -> None:
    """The same profile comes back, but for what `lost` names."""
    words = {
        "variables": ("variables",), "targets": ("targets",), "parameters": ("sweep", "parameters", "stop", "top_k"),
        "description": ("description",), "tags": ("tags",),
    }  # fmt: skip
    for number, entry in enumerate(read(FILES[format]).entries):
        profile = entry.profile
        done = write(profile, format)
        (again,) = read(exported(profile, format, tmp_path / str(number)), format).entries
        said = " ".join(done.lost)
        for key in Profile.__dataclass_fields__:
            if getattr(again.profile, key) != getattr(profile, key):
                assert any(word in said for word in words.get(key, (key,))), (entry.name, key, done.lost)


@pytest.mark.parametrize("format", FILES)
def test_what_a_rich_profile_loses_is_named(format: str, tmp_path: Path) -> None:
    done = write(RICH, format)
    said = "\n".join(done.lost)
    assert "kind reasoning" in said and "chat_only (steps)" in said and "notes/*.md" in said and "variables" in said
    assert (
        "language" in said
        and "my-alias" in said
        and ("min_p" in said or format == "promptfoo" or "parameters (" in said)
    )
    (entry,) = read(exported(RICH, format, tmp_path), format).entries
    values = {name: "VALUE" for name, one in entry.profile.variables.items() if one.default is None}
    messages = arrange(prepare("", profile=entry.profile, variables=values))
    text = "".join(message.text for message in messages)
    for word in ("You are", "Sort", "A list.", "Short.", "It rains.", "Look.", "b a", "Now: $5 "):
        assert word in text, word
    marked = {"aichat": "__INPUT__", "text": "{{x}}", "fabric": "{{x}}"}.get(format)
    assert f"text such as {marked}: " in said if marked else "$5 {{x}} __INPUT__" in text
    # A second time nothing more is lost: what came back is what the format holds.
    (twice,) = read(exported(entry.profile, format, tmp_path / "twice"), format).entries
    assert replace(twice.profile, description="") == replace(entry.profile, description="")


def test_exports_are_what_the_other_tool_reads() -> None:
    """Each in the tool's own layout, read here without ours."""
    template = yaml.safe_load(write(RICH, "llm").text)
    assert template["model"] == "gpt-4o" and template["options"]["reasoning_effort"] == "low"
    assert template["defaults"] == {"who": "a clerk"} and "$$5" in template["prompt"] and "${who}" in template["system"]
    head, _, body = write(RICH, "aichat").text.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(head) == {"model": "openai:gpt-4o", "temperature": 0.2, "top_p": 0.5}
    assert "You are __ARG1__." in body
    assert list(write(RICH, "fabric").files) == ["rich/system.md", "rich/user.md"]
    rows = list(csv.DictReader(io.StringIO(write(RICH, "awesome").text)))
    assert rows[0]["act"] == "rich" and "You are a clerk." in rows[0]["prompt"] and "[thing]" in rows[0]["prompt"]
    (assistant,) = json.loads(write(RICH, "cherry").text)
    assert assistant["name"] == "rich" and assistant["settings"]["enableTopP"] and assistant["group"] == ["office"]
    config = yaml.safe_load(write(RICH, "promptfoo").text)
    assert config["providers"][1]["id"] == "anthropic:messages:claude-sonnet-4-6"
    assert [turn["role"] for turn in json.loads(config["prompts"][0]["raw"])] == ["system", "user", "assistant", "user"]


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        write(RICH, "aichatt")
    assert "'aichat'" in caught.value.hint


# -- the command -------------------------------------------------------------------------------------------------------


def hundred(folder: Path) -> Path:
    rows = [["act", "prompt", "contributor"], *([f"Role {n}", f'Be "{n}",\nplainly.', "x"] for n in range(98))]
    rows += [["Role 5", "Be five.", ""], ["Nothing", "", ""]]
    with (folder / "prompts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "prompts.csv"


def test_a_hundred_entries_give_counts_and_the_exceptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "profiles"
    assert import_profiles(hundred(tmp_path), into) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "98 of them: not taken: contributor",
        "role-5-2: the name role-5 is taken by an earlier one",
        lines[2],
        f"99 of 100 written into {into}, 99 in part",
    ]
    assert lines[2].endswith("not taken: it has no prompt")
    assert len(list(into.iterdir())) == 99
    assert load(into / "role-7.yaml").prompt == 'Be "7",\nplainly.'


def test_files_that_are_there_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "profiles"
    into.mkdir()
    (into / "roast.yml").write_text("goal: mine\n")
    assert import_profiles(HERE / "llm", into) == 1
    assert "roast: not taken: roast.yml is there already (--force replaces it)" in capsys.readouterr().out
    assert (into / "roast.yml").read_text() == "goal: mine\n" and not (into / "roast.yaml").exists()
    assert import_profiles(HERE / "llm", into, force=True) == 0
    assert "roast the user" in (into / "roast.yml").read_text() and len(list(into.iterdir())) == 3


def test_a_profile_that_will_be_hidden_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = tmp_path / "shipped" / "roast.yaml"
    assert import_profiles(HERE / "llm" / "roast.yaml", tmp_path / "own", known={"roast": shipped}) == 0
    assert f"it comes before {shipped}" in capsys.readouterr().out


def test_force_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    into = tmp_path / "profiles"
    into.mkdir()
    (tmp_path / "precious").write_text("keep")
    (into / "roast.yaml").symlink_to(tmp_path / "precious")
    assert import_profiles(HERE / "llm" / "roast.yaml", into) == 1
    assert import_profiles(HERE / "llm" / "roast.yaml", into, force=True) == 0
    assert (tmp_path / "precious").read_text() == "keep" and not (into / "roast.yaml").is_symlink()


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert import_profiles(HERE / "fabric", tmp_path / "new", dry_run=True) == 0
    assert capsys.readouterr().out == f"extract_claims\ntidy_notes\n2 of 2 would be written into {tmp_path / 'new'}\n"
    assert not (tmp_path / "new").exists()


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        import_profiles(HERE / "llm" / "roast.yaml", tmp_path / "file")
    assert import_profiles(HERE / "llm" / "roast.yaml", tmp_path / "file" / "inner") == 1
    assert "can't be written" in capsys.readouterr().out


def test_names_of_strangers_reach_the_terminal_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"name": "a\x1b[2J", "prompt": "x", "k\x1b]0;": 1}]))
    assert import_profiles(tmp_path / "a.json", tmp_path / "out") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_export_to_stdout_and_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export_profile(RICH, "text") == 0
    out, err = capsys.readouterr()
    assert out == write(RICH, "text").text and "lost: kind reasoning" in err
    assert export_profile(RICH, "cherry", tmp_path) == 0
    assert json.loads((tmp_path / "rich.json").read_text("utf-8"))[0]["name"] == "rich"
    with pytest.raises(UsageError, match="there already"):
        export_profile(RICH, "cherry", tmp_path)
    assert export_profile(RICH, "cherry", tmp_path, force=True) == 0
    with pytest.raises(UsageError, match="several files"):
        export_profile(RICH, "fabric")
    with pytest.raises(UsageError, match="folder"):
        export_profile(RICH, "fabric", tmp_path / "rich.json")
    assert export_profile(RICH, "fabric", tmp_path / "patterns") == 0
    assert sorted(file.name for file in (tmp_path / "patterns" / "rich").iterdir()) == ["system.md", "user.md"]


# -- strangers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("../../etc/passwd", "etc-passwd"), ("..", "prompt"), ("", "prompt"), ("/", "prompt"), ("CON", "con-prompt"),
        ("写诗 🎋", "写诗"), ("a" * 300, "a" * 60), ("é\u0301", "é\u0301"), ("A  B", "a-b"), (".hidden", "hidden"),
        ("a\x00\x1b[31mb", "a-31mb"), ("--force", "force"), ("हिन्दी", "हिन्दी"),
    ],
)  # fmt: skip
def test_a_name_is_never_a_path(title: str, name: str) -> None:
    assert named(title) == name


def nested(sign: str, end: str) -> str:
    return sign * 100_000 + end * 100_000


HOSTILE: dict[str, tuple[str, bytes]] = {
    "binary": ("a.md", b"\x7fELF\0\0"),
    "not UTF-8": ("a.txt", "你好世界".encode("gb18030")),
    "deep JSON": ("a.json", nested("[", "]").encode()),
    "deep objects": ("a.json", (nested('{"name":', "}")).encode()),
    "deep YAML": ("a.yaml", nested("[", "]").encode()),
    "laughs": ("a.yaml", ("a: &a [x,x]\n" + "".join(f"{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n"
                          for p, c in zip("abcdefghi", "bcdefghij", strict=True)) + "prompt: *j\n").encode()),
    "round YAML": ("a.yaml", b"&a [*a]"),
    "object": ("a.yaml", b"prompt: !!python/object/apply:os.system [id]"),
    "broken JSON": ("a.json", b'[{"name": '),
    "quotes": ("a.json", b'["' + b'\\"' * 2_000_000),
    "many": ("a.yaml", b"- a\n" * 1_000_000),
    "many numbers": ("a.json", b"[" + b"1," * 1_000_000 + b"1]"),
    "NaN": ("a.json", b"NaN"),
    "wide number": ("a.json", b"[" + b"9" * 100_000 + b"]"),
    "nothing": ("a.md", b""),
    "no columns": ("a.csv", b"x,y\n1,2\n"),
    "unclosed quote": ("a.csv", b'act,prompt\n"x'),
    "picture": ("a.png", b"abc"),
    "a profile": ("a.yaml", b"goal: x\nrules: [y]\n"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    name, raw = HOSTILE[kind]
    (tmp_path / name).write_bytes(raw)
    for format in (None, *FORMATS):
        try:
            read(tmp_path / name, format)
        except UsageError as error:
            assert "\n" not in error.message
        else:
            assert format is not None, kind


def test_what_fits_nowhere_is_told_the_formats(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(UsageError) as caught:
        recognise(tmp_path / "a.json")
    assert all(name in caught.value.hint for name in FORMATS)
    with pytest.raises(UsageError, match="no file or folder"):
        read(tmp_path / "none")
    with pytest.raises(UsageError, match="holds several formats"):
        recognise(HERE)


def test_too_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(UsageError, match="10 MB"):
        read(tmp_path / "a.txt")
    (tmp_path / "b.csv").write_text("act,prompt\n" + "a,b\n" * 5_001)
    with pytest.raises(UsageError, match="5,000"):
        read(tmp_path / "b.csv")
    (tmp_path / "c.txt").write_bytes(b"x" * 2_000_000)
    assert read(tmp_path / "c.txt").refused == [("c", "it is too large for a profile")]
    (tmp_path / "d.txt").write_text("{{x}} " * 50_000)
    assert "200,000 characters" in read(tmp_path / "d.txt").refused[0][1]
    (tmp_path / "e.txt").write_text("{{" * 150_000 + " " * 150_000 + "x")
    assert "200,000 characters" in read(tmp_path / "e.txt").refused[0][1]


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    home = tmp_path / "home"
    home.mkdir()
    (home / "link.txt").symlink_to(tmp_path / "secret.txt")
    (home / "round.txt").symlink_to(home / "round.txt")
    names = ["file://../secret.txt", f"file://{tmp_path}/secret.txt", "file://link.txt", "file://*.txt", "round.txt",
             "file://a\\..\\b.txt", "file://" + "a/" * 3000 + "b.txt", "https://example.org/x",
             "file://**"]  # fmt: skip
    (home / "promptfooconfig.yaml").write_text(json.dumps({"prompts": names}))
    imported = read(home)
    assert "SECRET" not in repr(imported) and len(imported.refused) >= len(names) - 1
    (home / "promptfooconfig.yaml").unlink()
    assert "SECRET" not in repr(read(home, "text"))
    pattern = home / "pattern"
    pattern.mkdir()
    (pattern / "system.md").symlink_to(tmp_path / "secret.txt")
    assert read(home, "fabric").refused[0][0] == "pattern"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(UsageError):
        read(tmp_path / "a.md")


WORDS = ["prompt", "system", "name", "act", "prompts", "role", "content", "user", "settings", "options", "defaults",
         "temperature", "{{x}}", "{{ if }}", "{% if x %}", "$input", "__ARG1__", "file://a.txt", "openai:gpt-4o",
         "### INPUT:", "### OUTPUT:", "---", "assistants", "model", "messages", "providers", "tests", "vars", "group",
         "customParameters", "maxTokens", "localStorage", "persist:cherry-studio", "label", "raw",
         "config"]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(WORDS), st.text(max_size=12), st.lists(st.sampled_from(WORDS), max_size=4).map("\n".join)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=25,
)  # fmt: skip
RECORDS = st.fixed_dictionaries(
    {"name": TEXTS, "prompt": TEXTS},
    optional=dict.fromkeys(("system", "settings", "options", "defaults", "messages", "group", "model"), VALUES),
)
CONFIGS = st.fixed_dictionaries(
    {"prompts": st.lists(TEXTS | RECORDS | st.fixed_dictionaries({"raw": TEXTS, "label": TEXTS}), min_size=1)},
    optional=dict.fromkeys(("providers", "tests", "defaultTest", "description"), VALUES),
)
CHATS = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS}))
SHAPED = VALUES | RECORDS | st.lists(RECORDS, max_size=3) | CONFIGS | CHATS
NAMES = ("a.json", "a.yaml", "a.md", "a.csv", "a.txt", "system.md")
FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def unharmed(folder: Path, name: str, raw: bytes) -> None:
    """Whatever the file says, every reader takes it or refuses it, and what it takes can be kept and exported."""
    (folder / name).write_bytes(raw)
    for format in (None, *FORMATS):
        try:
            imported = read(folder / name, format)
        except LabError:
            continue
        for entry in imported.entries:
            assert parse(as_yaml(entry.profile), entry.profile.path) == entry.profile
            for out in FORMATS:
                write(entry.profile, out)


@FUZZ
@given(name=st.sampled_from(NAMES), raw=st.binary(max_size=60) | TEXTS.map(lambda text: text.encode("utf-8", "ignore")))
def test_any_bytes(tmp_path: Path, name: str, raw: bytes) -> None:
    unharmed(tmp_path, name, raw)


@FUZZ
@given(value=SHAPED)
def test_any_json(tmp_path: Path, value: Any) -> None:
    unharmed(tmp_path, "a.json", json.dumps(value).encode())


@FUZZ
@given(value=SHAPED)
def test_any_yaml(tmp_path: Path, value: Any) -> None:
    try:
        raw = yaml.safe_dump(value, allow_unicode=True).encode()
    except UnicodeEncodeError:
        raw = b""
    unharmed(tmp_path, "a.yaml", raw)


@FUZZ
@given(rows=st.lists(st.lists(TEXTS, max_size=4), max_size=5))
def test_any_table(tmp_path: Path, rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["act", "prompt"], *rows])
    unharmed(tmp_path, "a.csv", out.getvalue().encode("utf-8", "ignore"))


@FUZZ
@given(head=st.dictionaries(TEXTS, VALUES, max_size=4), body=TEXTS)
def test_any_role(tmp_path: Path, head: dict[str, Any], body: str) -> None:
    unharmed(tmp_path, "a.md", f"---\n{json.dumps(head)}\n---\n{body}".encode("utf-8", "ignore"))
