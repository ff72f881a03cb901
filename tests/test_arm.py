"""What is compared has one name, wherever it was asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from promptlab.arm import arm_of, parts_of, place_of, prompt_of, prompts_of, shown
from promptlab.cli.sweeping import make_sweep_plan
from promptlab.config import Places, settings
from promptlab.plan import Plan
from promptlab.sweep import Axis, Sweep


def plan(tmp_path: Path, **said: object) -> Plan:
    places = Places(tmp_path, tmp_path, tmp_path / "cache")
    sweep = replace(Sweep(prompt="Of the sea"), **said)  # type: ignore[arg-type]
    return make_sweep_plan(sweep, places, settings(places), scored=False)


def arms(of: Plan) -> list[str]:
    return list(dict.fromkeys(arm_of(of, cell) for cell in of.cells))


def told(of: Plan) -> list[str]:
    parts = dict.fromkeys(parts_of(of, cell) for cell in of.cells)
    return shown(list(parts))


def test_models_and_parameters_are_arms_and_repeats_are_not(tmp_path: Path) -> None:
    found = plan(tmp_path, targets=("ollama/a", "ollama/b"), axes=(Axis("temperature", (0.2, 1.2)),), repeats=3)
    assert arms(found) == ["ollama/a temperature 0.2", "ollama/a temperature 1.2", "ollama/b temperature 0.2",
                           "ollama/b temperature 1.2"]  # fmt: skip


def test_an_arm_has_the_same_name_in_another_run(tmp_path: Path) -> None:
    several = plan(tmp_path, targets=("local",), axes=(Axis("temperature", (0.7, 1.2)),))
    fixed = plan(tmp_path, targets=("local", "ollama/b"), axes=(Axis("temperature", (0.7,)),))
    assert arms(several) == ["local temperature 0.7", "local temperature 1.2"]
    assert arms(fixed) == ["local temperature 0.7", "ollama/b temperature 0.7"]


def test_only_what_differs_is_shown(tmp_path: Path) -> None:
    assert told(plan(tmp_path, targets=("local",), axes=(Axis("temperature", (0.7, 1.2)),))) == [
        "temperature 0.7", "temperature 1.2"]  # fmt: skip
    assert told(plan(tmp_path, targets=("local", "ollama/b"), axes=(Axis("temperature", (0.7,)),))) == [
        "local", "ollama/b"]  # fmt: skip
    assert shown([("local", "temperature 1")]) == ["local temperature 1"]
    assert shown([("a", "x 1"), ("a", "x 1")]) == ["a", "a"], "nothing differs"


def test_what_a_sweep_sets_of_its_own_seeds_and_limits_make_no_arm(tmp_path: Path) -> None:
    found = plan(tmp_path, targets=("local",), seeds="varied", seed=7, repeats=2,
                 axes=(Axis("temperature", (0.2, 1.2)), Axis("max_tokens", (40,))))  # fmt: skip
    assert found.cells[0].request.parameters["top_k"] == 0, "set so that it doesn't cut"
    assert arms(found) == ["local temperature 0.2", "local temperature 1.2"]
    asked = plan(tmp_path, targets=("local",), axes=(Axis("top_k", (0, 40)),))
    assert arms(asked) == ["local top_k 0", "local top_k 40"], "where it is asked for, it is one"


def test_system_prompts_and_profiles_are_arms_and_share_their_prompt(tmp_path: Path) -> None:
    long = "You write in the voice of an old keeper of a lighthouse, "
    found = plan(tmp_path, targets=("local",), axes=(Axis("system", (None, long + "gruffly.", long + "gently.")),))
    names = arms(found)
    assert names[0] == "local" and len(set(names)) == 3, "texts that begin alike are told apart"
    assert all(len(name) < 70 and "\n" not in name for name in names)
    assert len({prompt_of(cell) for cell in found.cells}) == len({prompt_of(c, found) for c in found.cells}) == 1
    profiles = plan(tmp_path, targets=("local",), prompt="Of the sea",
                    axes=(Axis("profile", (None, _profile(tmp_path, "terse"))),))  # fmt: skip
    assert [name.partition(" ")[0] for name in arms(profiles)] == ["local", "local"]
    assert len(set(arms(profiles))) == 2
    assert len({prompt_of(cell, profiles) for cell in profiles.cells}) == 1, "though they word it differently"


def _profile(home: Path, name: str) -> str:
    file = home / f"{name}.yaml"
    file.write_text("goal: Answer in three words.\n", "utf-8")
    return str(file)


def test_rows_and_variables_are_prompts(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("place\nthe sea\nthe hill\n", "utf-8")
    found = plan(tmp_path, targets=("local",), prompt="Of {{place}} in {{form}}", dataset=str(rows),
                 axes=(Axis("temperature", (0.2, 1.2)), Axis("var.form", ("prose", "verse"))))  # fmt: skip
    assert len(arms(found)) == 2
    assert len({place_of(cell) for cell in found.cells}) == 4 == len(prompts_of(found))
    assert {asked for _, asked in prompts_of(found).values()} == {
        "Of the sea in prose", "Of the sea in verse", "Of the hill in prose", "Of the hill in verse"}  # fmt: skip
    for cell in found.cells:
        assert prompt_of(cell, found) == prompts_of(found)[place_of(cell)][0]


def test_a_prompt_has_one_key_in_all_runs_and_another_prompt_another(tmp_path: Path) -> None:
    one = plan(tmp_path, targets=("local",), axes=(Axis("temperature", (0.2, 1.2)),))
    two = plan(tmp_path, targets=("ollama/a", "local"))
    other = plan(tmp_path, targets=("local",), prompt="Of the hill")
    assert prompt_of(one.cells[0], one) == prompt_of(two.cells[1], two) != prompt_of(other.cells[0], other)


@pytest.mark.parametrize("hostile", ["\x1b[2J\x07", "雪" * 500])
def test_hostile_names_stay_short(tmp_path: Path, hostile: str) -> None:
    found = plan(tmp_path, targets=("local",), axes=(Axis("system", (None, "x" + hostile)),))
    assert len(arms(found)[1]) < 80
