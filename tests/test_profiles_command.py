"""`promptlab profiles list` and `show`: every name with its file, and exactly what each target gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab import config
from promptlab.cli import profiles, shelf
from promptlab.cli.planning import Asked as AskAsked
from promptlab.cli.planning import make_plan
from promptlab.config import Places
from promptlab.errors import LabError, ProfileError, UsageError
from promptlab.profile import parse, read

FIVE = ("openai/o1-mini", "openai/o3", "openrouter/deepseek/deepseek-r1", "anthropic/claude-sonnet-4-6", "local")
PARTS = """\
description: All parts.
role: You are a reviewer.
goal: Review {{what}} for {{whom}}.
format: A list.
rules: [be brief]
steps: [read, think]
examples: [{input: a, output: b}]
chat_only: [steps, examples]
context: some background
variables:
  what:
  whom: us
parameters: {temperature: 0.5}
"""
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path / "home"))
    return config.places()


@pytest.fixture
def kept(places: Places) -> Callable[..., Path]:
    def keep(name: str, text: str = PARTS, folder: Path | None = None) -> Path:
        folder = folder or places.config / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.yaml"
        file.write_text(text, "utf-8")
        return file

    return keep


def listing(places: Places, capsys: Capture) -> dict[str, Any]:
    shelf.list_profiles(places, "json")
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def shown(places: Places, capsys: Capture, name: str, *targets: str, **more: Any) -> Any:
    profiles.show_profile(profiles.Asked(name, targets, format="json", **more), places)
    return json.loads(capsys.readouterr().out)


# -- list ----------------------------------------------------------------------------------------------------------


def test_a_name_means_the_nearest_file_and_what_it_hides_is_told(
    places: Places, kept: Callable[..., Path], capsys: Capture
) -> None:
    near = kept("reviewer", "goal: near\nkind: chat\nlanguage: zh\ndescription: 近的", Path.cwd() / "profiles")
    middle = kept("reviewer", "goal: middle")
    found = listing(places, capsys)
    one = found["reviewer"]
    assert one["file"] == str(near)
    assert (one["kind"], one["language"], one["description"], one["own"]) == ("chat", "zh", "近的", True)
    assert one["hides"] == [str(middle), str(config.shipped_profiles() / "reviewer.yaml")]
    assert not found["explain"]["own"]
    shelf.list_profiles(places)
    out = capsys.readouterr().out
    assert out.index(f"{near.parent}  (yours)") < out.index("reviewer") < out.index("(shipped)")
    assert f"hides {middle}" in out


def test_a_broken_file_is_one_line_and_not_the_end(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("bad", "goal: x\nkind: clever")
    kept("worse", "goal: [")
    kept("empty", "description: nothing else")
    kept("lost", "extends: nobody")
    kept("circle", "extends: circle")
    kept("binary").write_bytes(b"goal: \0")
    kept("old").write_bytes("goal: 雪与冰河".encode("gb18030"))
    kept("good", "goal: fine")
    (places.config / "profiles" / "folder.yaml").mkdir()
    assert shelf.list_profiles(places) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {name: next(line for line in lines if line.startswith(f"  {name} "))
            for name in ("bad", "worse", "empty", "lost", "circle", "binary", "old", "folder", "good")}  # fmt: skip
    assert [name for name, line in said.items() if "broken: " not in line] == ["good"]
    assert "bad.yaml, line 2: 'clever' is not one of" in said["bad"]
    assert "goal is missing" in said["empty"]
    assert "nobody" in said["lost"]
    assert "without end" in said["circle"]
    assert "any" in said["good"]


def test_what_is_extended_counts_in_the_list(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("base", "goal: g\nkind: reasoning\nlanguage: de")
    kept("near", "extends: base\ndescription: mine")
    kept("far", "extends: [near, reviewer]")
    found = listing(places, capsys)
    assert found["near"]["kind"] == "reasoning"
    for name in ("near", "far"):
        whole = read(Path(found[name]["file"]), places.profiles)
        assert (found[name]["kind"], found[name]["language"]) == (whole.kind, whole.language)


def test_hostile_names_and_texts_do_not_reach_the_terminal(
    places: Places, kept: Callable[..., Path], capsys: Capture
) -> None:
    kept("a\x1b[2Jb", 'goal: "\\e[2J"\ndescription: "\\e]0;x\\a\\u202e"')
    shelf.list_profiles(places)
    profiles.show_profile(profiles.Asked("a\x1b[2Jb"), places)
    profiles.show_profile(profiles.Asked("a\x1b[2Jb", ("local",)), places)
    profiles.show_profile(profiles.Asked("a\x1b[2Jb", ("local",), format="json"), places)
    out = capsys.readouterr().out
    assert not set("\x1b\x07\u202e") & set(out)


def test_two_hundred_are_listed_fast_though_all_extend_one(
    places: Places, kept: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In work, not in time, which this machine may not have: each file is read once."""
    kept("base")
    for number in range(200):
        kept(f"p{number}", "extends: base")
    parsed: list[Path] = []

    def counted(text: str, path: Path, parse: Any = parse) -> Any:
        parsed.append(path)
        return parse(text, path)

    monkeypatch.setattr(shelf, "parse", counted)
    found = shelf.entries(places)
    assert len(found) > 200
    assert not any(one.fault for one in found)
    assert len(parsed) == len(set(parsed)) == len(found)


# -- show ----------------------------------------------------------------------------------------------------------


def test_without_a_target_its_parts_are_shown(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    file = kept("mine", PARTS + "  seed: 3\n".replace("  seed: 3\n", ""))
    profiles.show_profile(profiles.Asked("mine"), places)
    out = capsys.readouterr().out
    assert f"# {file}" in out
    assert "goal: Review {{what}} for {{whom}}." in out
    record = shown(places, capsys, "mine")
    assert record["variables"] == {"what": None, "whom": "us"}
    assert record["parameters"] == {"temperature": 0.5}
    assert record["file"] == str(file)


@pytest.mark.parametrize("target", FIVE)
def test_a_target_gets_what_ask_would_send(
    places: Places, kept: Callable[..., Path], capsys: Capture, target: str
) -> None:
    kept("mine")
    (one,) = shown(places, capsys, "mine", target, variables=("what=it",), prompt="the code")
    asked = AskAsked("the code", [target], None, None, "mine", ["what=it"], None, [], [], [])
    request = make_plan(asked, places, config.settings(places)).cells[0].request
    assert one["messages"] == [{"role": sent.role, "content": sent.text} for sent in request.messages]
    assert one["parameters"]["asked"] == request.parameters


def test_each_fact_behind_a_form_has_its_source(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("mine")
    why = {one["target"]: one["why"] for one in shown(places, capsys, "mine", *FIVE, prompt="x")}
    told = {target: {fact["fact"]: fact["sources"] for fact in facts} for target, facts in why.items()}
    known = config.settings(places).knowledge.sources
    assert told["openai/o3"]["instructions in a developer message"]
    assert told[FIVE[2]]["all in one user message: its maker advises against a system message"]
    assert told[FIVE[3]]["sections marked by XML tags"]
    assert told["openai/o1-mini"]["all in one user message: it takes no system message"]
    assert "left out as chat-only: steps, examples" in told["openai/o3"]
    assert not any(fact.startswith("left out") for fact in told["local"])
    assert {source for facts in told.values() for names in facts.values() for source in names} <= set(known)


def test_what_a_maker_advises_against_is_told_where_it_is_sent(
    places: Places, kept: Callable[..., Path], capsys: Capture
) -> None:
    kept("mine", "goal: g\nexamples: [{input: a, output: b}]")
    (one,) = shown(places, capsys, "mine", FIVE[2])
    assert any(fact["fact"].startswith("its maker advises against examples") for fact in one["why"])


def test_the_fate_of_its_parameters_is_told(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("mine")
    profiles.show_profile(profiles.Asked("mine", ("openai/o3", "local")), places)
    out = capsys.readouterr().out
    assert "# temperature 0.5 left out, pinned: fixed at 1" in out
    assert "# honoured: temperature 0.5" in out


def test_a_sweep_and_a_switched_off_thinking_are_shown_apart(
    places: Places, kept: Callable[..., Path], capsys: Capture
) -> None:
    kept("mine", "goal: g\nsteps: [one]\nchat_only: [steps]\nparameters: {effort: [none, high]}")
    off, on = shown(places, capsys, "mine", "anthropic/claude-sonnet-4-6")
    assert "<steps>" in off["messages"][0]["content"]
    assert "<steps>" not in on["messages"][0]["content"]


def test_an_unset_variable_is_shown_as_it_is_written(
    places: Places, kept: Callable[..., Path], capsys: Capture
) -> None:
    kept("mine", "goal: Count to {{n}}.\nvariables: {n: {type: integer}}")
    (one,) = shown(places, capsys, "mine", "local")
    assert "Count to {{n}}." in one["messages"][0]["content"]
    (one,) = shown(places, capsys, "mine", "local", variables=("n=3",))
    assert "Count to 3." in one["messages"][0]["content"]
    with pytest.raises(UsageError, match="not a whole number"):
        shown(places, capsys, "mine", "local", variables=("n=x",))
    with pytest.raises(UsageError, match="no variable 'm'"):
        shown(places, capsys, "mine", "local", variables=("m=x",))


def test_cot_is_for_chat_models(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("mine")
    local, o3 = shown(places, capsys, "mine", "local", "openai/o3", cot=True, prompt="x")
    assert "<think>" in local["messages"][0]["content"]
    assert "<think>" not in json.dumps(o3["messages"])
    assert {"fact": "--cot adds nothing: it thinks by itself", "sources": []} in o3["why"]


def test_aliases_and_groups_are_targets_too(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("mine")
    places.settings.write_text("aliases: {big: openai/o3}\ngroups: {all: [big, local]}\n", "utf-8")
    assert [one["target"] for one in shown(places, capsys, "mine", "@all")] == ["openai/o3", "local"]
    with pytest.raises(UsageError, match="compares two"):
        shown(places, capsys, "mine", diff=("@all", "local"))


def test_two_renderings_are_compared(places: Places, kept: Callable[..., Path], capsys: Capture) -> None:
    kept("mine")
    profiles.show_profile(profiles.Asked("mine", diff=("openai/o3", "anthropic/claude-sonnet-4-6")), places)
    out = capsys.readouterr().out
    assert out.startswith("--- openai/o3\n+++ anthropic/claude-sonnet-4-6\n@@")
    assert "-# Goal\n" in out
    assert "+<goal>\n" in out
    assert "\x1b" not in out
    profiles.show_profile(profiles.Asked("mine", diff=("openai/o3", "local"), color="always"), places)
    assert "\x1b[3" in capsys.readouterr().out
    profiles.show_profile(profiles.Asked("mine", diff=("local", "local")), places)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "local and local get the same\n")
    assert shown(places, capsys, "mine", diff=("openai/o3", "local"))["from"][0]["target"] == "openai/o3"


def test_its_files_of_context_are_in_it_and_stay_below_its_folder(
    places: Places, kept: Callable[..., Path], capsys: Capture, tmp_path: Path
) -> None:
    file = kept("mine", "goal: g\ncontext: {files: [notes.md]}")
    (file.parent / "notes.md").write_text("what I know", "utf-8")
    (one,) = shown(places, capsys, "mine", "local")
    assert "what I know" in json.dumps(one["messages"])
    (tmp_path / "secret").write_text("secret", "utf-8")
    kept("thief", f"goal: g\ncontext: {{files: ['{tmp_path}/secret']}}")
    with pytest.raises(ProfileError, match="outside the profile's folder"):
        shown(places, capsys, "thief", "local")
    assert "secret" in json.dumps(shown(places, capsys, "thief", "local", allow_files=True))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (profiles.Asked("minne"), "no profile 'minne'"),
        (profiles.Asked("mine", ("nonsense",)), "no target"),
        (profiles.Asked("mine", ("nobody/knows",)), "nobody"),
        (profiles.Asked("mine", format="yaml"), "--format"),
        (profiles.Asked("mine", ("local",), color="pink"), "--color"),
        (profiles.Asked("mine", ("local",), diff=("local", "local")), "--diff"),
        (profiles.Asked("mine", variables=("what=x",)), "no target is given"),
        (profiles.Asked("mine", ("local",), variables=("what",)), "not name=value"),
        (profiles.Asked("./no.yaml"), "no profile file"),
    ],
)
def test_errors_are_for_people(places: Places, kept: Callable[..., Path], asked: profiles.Asked, said: str) -> None:
    kept("mine")
    with pytest.raises(LabError, match=said) as error:
        profiles.show_profile(asked, places)
    assert error.value.hint
