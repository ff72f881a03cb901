"""A sweep to its plan: profiles, rows, variables, checks and prospects, with the shipped knowledge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptlab import config
from promptlab.cli.planning import Asked, make_plan
from promptlab.cli.sweeping import SweepAsked, make_sweep, make_sweep_plan
from promptlab.config import Places
from promptlab.errors import UsageError
from promptlab.plan import Plan
from promptlab.sweep import Axis, Sweep, load, write

Make = Callable[..., Plan]


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path / "home"))
    found = config.places()
    (found.config / "profiles").mkdir(parents=True)
    return found


@pytest.fixture
def made(where: Places) -> Make:
    def make(sweep: Sweep, **more: Any) -> Plan:
        return make_sweep_plan(sweep, where, config.settings(where), **({"scored": False} | more))

    return make


def keep(where: Places, name: str, text: str) -> None:
    (where.config / "profiles" / f"{name}.yaml").write_text(text, "utf-8")


def asked(prompt: str | None = None, **more: Any) -> Asked:
    usual: dict[str, Any] = {"models": [], "base_url": None, "key_env": None, "profile": None, "variables": [],
                             "system": None, "files": [], "options": [], "parameters": []}  # fmt: skip
    return Asked(prompt, **(usual | more))


def said(plan: Plan) -> list[str]:
    return [" | ".join(message.text for message in cell.request.messages) for cell in plan.cells]


def test_the_first_command_of_the_readme(made: Make) -> None:
    typed = asked(profile="quatrain", models=["local"], parameters=[("temperature", "0.1,0.4,0.7,1.0,1.3,1.8,2.0")])
    plan = made(make_sweep(typed, SweepAsked(repeats=5)))
    assert len(plan.cells) == 35 and plan.profile == "quatrain"
    assert [cell.values["temperature"] for cell in plan.cells[::5]] == [0.1, 0.4, 0.7, 1.0, 1.3, 1.8, 2.0]
    assert all(cell.request.parameters.items() >= {"top_k": 0, "top_p": 1, "min_p": 0}.items() for cell in plan.cells)
    assert plan.cells[0].label == "local temperature 0.1"  # what we add is in no label
    assert [one.word for one in plan.prospects] == ["real"]


@pytest.mark.parametrize("target", ["local", "llamacpp/m", "llamacpp-8080/m", "ollama/qwen3:4b"])
def test_servers_that_cut_first_get_neutral_samplers(made: Make, target: str) -> None:
    sweep = Sweep("hi", targets=(target,), axes=(Axis("temperature", (0.1, 1.0)),))
    one, _ = made(sweep).cells
    assert one.request.parameters == {"temperature": 0.1, "top_k": 0, "top_p": 1, "min_p": 0}
    kept = make_sweep(asked(), SweepAsked(keep_samplers=True), sweep)
    plan = made(kept)
    assert plan.cells[0].request.parameters == {"temperature": 0.1}
    assert plan.prospects[0].word == "cut" and "top_k 40" in plan.prospects[0].text
    own = made(Sweep("hi", targets=(f"{target}?top_k=7",), axes=(Axis("temperature", (0.1, 1.0)),)))
    assert own.cells[0].request.parameters == {"temperature": 0.1, "top_k": 7, "top_p": 1, "min_p": 0}
    one_value = made(Sweep("hi", targets=(target,), axes=(Axis("temperature", (0.1,)),)))
    assert one_value.cells[0].request.parameters == {"temperature": 0.1}  # no sweep of it, no change to it


@pytest.mark.parametrize(
    ("target", "word", "columns"),
    [("openai/gpt-4o", "real", 2), ("openai/gpt-5", "pinned", 1), ("anthropic/claude-opus-5", "refused", 1),
     ("anthropic/claude-sonnet-4-6", "partly", 1), ("deepseek/deepseek-v4-pro", "ignored", 1),
     ("oneapi/any", "unknown", 2)],
)  # fmt: skip
def test_shipped_knowledge_of_temperature(made: Make, target: str, word: str, columns: int) -> None:
    plan = made(Sweep("hi", targets=(target,), axes=(Axis("temperature", (0.5, 1.5)),), repeats=3))
    assert [one.word for one in plan.prospects] == [word]
    assert len(plan.cells) == 3 * columns
    assert [cell.repeat for cell in plan.cells] == [0, 1, 2] * columns
    if word in ("ignored", "pinned", "refused"):
        assert all(cell.values == {"temperature": None} and not cell.request.parameters for cell in plan.cells)
        assert plan.prospects[0].instead


def test_efforts_of_deepseek_are_three(made: Make) -> None:
    efforts = ("minimal", "low", "medium", "high", "xhigh", "max")
    plan = made(Sweep("hi", targets=("deepseek/deepseek-v4-pro",), axes=(Axis("effort", efforts),)))
    assert [cell.values["effort"] for cell in plan.cells] == ["minimal", "medium", "max"]
    assert plan.prospects[0].merged == (("minimal", "low"), ("medium", "high", "xhigh"))


def test_targets_side_by_side_and_in_order(made: Make) -> None:
    sweep = Sweep("hi", targets=("openai/gpt-5", "openai/gpt-4o?temperature=0.3", "openai/gpt-4o"),
                  axes=(Axis("temperature", (0.5, 1.5)), Axis("max_tokens", (10, 20))))  # fmt: skip
    plan = made(sweep)
    assert [(cell.target, cell.values["temperature"], cell.values["max_tokens"]) for cell in plan.cells] == [
        ("openai/gpt-5", None, 10), ("openai/gpt-5", None, 20),
        ("openai/gpt-4o", 0.3, 10), ("openai/gpt-4o", 0.3, 20),
        ("openai/gpt-4o", 0.5, 10), ("openai/gpt-4o", 0.5, 20), ("openai/gpt-4o", 1.5, 10), ("openai/gpt-4o", 1.5, 20),
    ]  # fmt: skip


def test_zipped_axes_go_in_step(made: Make) -> None:
    sweep = Sweep("hi", targets=("openai/gpt-4o", "openai/gpt-4o?top_p=1"), zipped=("temperature", "top_p"),
                  axes=(Axis("temperature", (0.5, 1.5)), Axis("top_p", (0.1, 0.9))))  # fmt: skip
    assert [cell.request.parameters for cell in made(sweep).cells] == [
        {"temperature": 0.5, "top_p": 0.1}, {"temperature": 1.5, "top_p": 0.9},
        {"temperature": 0.5, "top_p": 1.0}, {"temperature": 1.5, "top_p": 1.0},
    ]  # fmt: skip


def test_profiles_systems_and_variables_are_axes(made: Make, where: Places) -> None:
    keep(where, "one", "goal: One of {{topic}}\nvariables: {topic: sea}\nparameters: {max_tokens: 10}\n")
    keep(where, "two", "goal: Two of {{topic}}\nvariables: {topic: sky}\nparameters: {max_tokens: 20}\n")
    Path("kind.txt").write_text("Be kind.", "utf-8")
    sweep = Sweep(targets=("openai/gpt-4o",), axes=(
        Axis("profile", ("one", "two")), Axis("var.topic", (None, "雪")), Axis("system", (None, "kind.txt")),
    ))  # fmt: skip
    plan = made(sweep)
    texts = said(plan)
    assert len(texts) == 8
    assert "One of sea" in texts[0] and "One of 雪" in texts[2]
    assert "Be kind." not in texts[0] and "Be kind." in texts[1]
    assert "Two of sky" in texts[4]
    assert [cell.request.parameters for cell in plan.cells] == [{"max_tokens": 10}] * 4 + [{"max_tokens": 20}] * 4
    assert plan.cells[3].values == {"profile": "one", "var.topic": "雪", "system": "kind.txt"}
    assert plan.cells[3].label == "openai/gpt-4o max_tokens 10 profile one var.topic 雪 system kind.txt"


def test_a_profile_that_sweeps_itself_is_an_axis_but_not_on_an_axis(made: Make, where: Places) -> None:
    keep(where, "wide", "goal: x\nparameters: {temperature: 0:1:0.5, top_p: [0.5, 1]}\n")
    plan = made(Sweep(profile="wide", targets=("openai/gpt-4o",), axes=(Axis("top_p", (0.9,)),)))
    assert [cell.request.parameters for cell in plan.cells] == [
        {"top_p": 0.9, "temperature": value} for value in (0.0, 0.5, 1.0)
    ]
    with pytest.raises(UsageError, match="'wide' sweeps temperature"):
        made(Sweep(axes=(Axis("profile", ("wide", "quatrain")), Axis("top_p", (1.0,)))))


def test_a_dataset_fills_prompts_and_checks(made: Make) -> None:
    Path("rows.csv").write_text('topic,expected,id\n雪,snow,1\n"a, {{x}}",sea,2\n', "utf-8")
    sweep = Sweep("Translate {{topic}}!", targets=("local",), dataset="rows.csv", repeats=2,
                  axes=(Axis("max_tokens", (5, 6)),))  # fmt: skip
    plan = made(sweep)
    assert [(cell.values["max_tokens"], cell.row, cell.repeat) for cell in plan.cells] == [
        (tokens, row, repeat) for tokens in (5, 6) for row in (0, 1) for repeat in (0, 1)
    ]
    assert said(plan)[:3] == ["Translate 雪!", "Translate 雪!", "Translate a, {{x}}!"]  # a row is no template
    assert [(one.kind, one.want) for one in plan.cells[2].checks] == [("equals", "sea")]
    assert plan.notes == ("rows.csv: nothing uses the column 'id'",)


def test_rows_can_be_the_prompts(made: Make, where: Places) -> None:
    keep(where, "p", "goal: Answer in {{language}}\nvariables: {language: Chinese}\n")
    rows = [{"prompt": "why {{x}}?"}, {"prompt": "how?", "language": "English"}]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    texts = said(made(Sweep(profile="p", targets=("local",), dataset="rows.jsonl")))
    assert "Answer in Chinese" in texts[0] and texts[0].endswith("why {{x}}?")
    assert "Answer in English" in texts[1] and texts[1].endswith("how?")


def test_a_variable_that_a_row_lacks_is_an_error_with_its_line(made: Make, where: Places) -> None:
    keep(where, "p", "goal: Answer in {{language}}\nvariables: {language: }\n")
    Path("rows.jsonl").write_text('{"language": "a"}\n{"prompt": "how?"}\n', "utf-8")
    with pytest.raises(UsageError, match=r"rows\.jsonl, line 2: .*needs the variable 'language'"):
        made(Sweep(profile="p", targets=("local",), dataset="rows.jsonl"))
    Path("rows.jsonl").write_text('{"a": "a"}\n{"b": "how?"}\n', "utf-8")
    with pytest.raises(UsageError, match=r"rows\.jsonl, line 2: the prompt needs the variable 'a'"):
        made(Sweep("{{a}}", targets=("local",), dataset="rows.jsonl"))


@pytest.mark.parametrize(
    ("sweep", "part"),
    [
        (Sweep("hi {{topic}}", variables=(("topik", "x"),)), "nothing uses the variable 'topik'"),
        (Sweep("hi {{topic}}", axes=(Axis("var.topik", ("x",)),)), "nothing uses the variable 'topik'"),
        (Sweep("{{a}}", variables=(("a", "x"),), dataset="rows.csv"), "given and a column of rows.csv"),
        (Sweep("{{a}}", axes=(Axis("var.a", ("x",)),), dataset="rows.csv"), "an axis and a column of rows.csv"),
        (Sweep("{{a}}", axes=(Axis("var.a", ("x",)),), variables=(("a", "x"),)), "given and an axis"),
        (Sweep("hi", dataset="prompts.csv"), "a prompt is given, and prompts.csv has a column 'prompt'"),
        (Sweep("hi", dataset="no.csv"), "no.csv can't be read"),
        (Sweep("hi", repeats=100_001), "repeat"),
        (Sweep("hi", repeats=10_000, axes=(Axis("max_tokens", tuple(range(1, 12))),)), "110,000 cells"),
        (Sweep("hi", axes=(Axis("system", ("no.txt",)),)), "no.txt can't be read"),
        (Sweep("hi", seeds="fixed", targets=("local?seed=3",)), "sets a seed too"),
        (Sweep("hi", seeds="varied", axes=(Axis("seed", (1, 2)),)), "seed is an axis"),
        (Sweep("hi", seeds="varied", profile="seeded"), "sets a seed too"),
        (Sweep(), "nothing to sweep"),
    ],
)
def test_what_does_not_go_together(made: Make, where: Places, sweep: Sweep, part: str) -> None:
    keep(where, "seeded", "goal: x\nparameters: {seed: 3}\n")
    Path("rows.csv").write_text("a\nx\n", "utf-8")
    Path("prompts.csv").write_text("prompt\nx\n", "utf-8")
    with pytest.raises(UsageError, match=part):
        made(sweep)


def test_log_probabilities_are_asked_for_where_they_cost_nothing_or_are_wanted(made: Make) -> None:
    def asked_of(target: str, scored: bool | None) -> object:
        (cell,) = made(Sweep("hi", targets=(target,)), scored=scored).cells
        assert cell.varied == {}  # nobody asked for it by name
        return cell.request.parameters.get("top_logprobs")

    assert [asked_of("local", how) for how in (None, True, False)] == [20, 20, None]
    assert [asked_of("openai/gpt-4o", how) for how in (None, True, False)] == [None, 20, None]
    assert asked_of("anthropic/claude-haiku-4-5", True) is None


def test_seeds_go_with_the_repeats_and_a_seed_for_all_is_told(made: Make) -> None:
    varied = made(Sweep("hi", targets=("local",), repeats=3, seeds="varied", seed=5))
    assert [cell.request.parameters for cell in varied.cells] == [{"seed": 5}, {"seed": 6}, {"seed": 7}]
    assert varied.notes == ()
    fixed = made(Sweep("hi", targets=("local",), repeats=3, seeds="fixed", seed=5))
    assert [cell.request.parameters for cell in fixed.cells] == [{"seed": 5}] * 3
    assert "the same seed" in fixed.notes[0]


def test_checks_come_from_profile_row_and_command_and_a_schema_is_one(made: Make, where: Places) -> None:
    keep(where, "p", "goal: x\nformat: {type: object}\nchecks: ['contains:a']\n")
    Path("rows.csv").write_text("prompt,check\nq,contains:b\n", "utf-8")
    sweep = make_sweep(asked(profile="p", models=["local"]),
                       SweepAsked(dataset="rows.csv", checks=["contains:c", "contains:a"]))  # fmt: skip
    (cell,) = made(sweep).cells
    assert [(one.kind, one.want) for one in cell.checks] == [
        ("contains", "a"), ("schema", '{"type":"object"}'), ("contains", "b"), ("contains", "c"),
    ]  # fmt: skip
    (cell,) = make_plan(asked(profile="p", models=["local"]), where, config.settings(where)).cells
    assert [one.kind for one in cell.checks] == ["contains", "schema"]


def test_the_command_goes_over_the_plan_file(tmp_path: Path) -> None:
    base = Sweep("file", targets=("a/b",), axes=(Axis("temperature", (0.1,)), Axis("seed", (1, 2))), repeats=3,
                 variables=(("x", "1"), ("y", "2")), dataset="/d.csv")  # fmt: skip
    typed = asked("typed", models=["local"], options=["seed=5"], variables=["y=3"], files=["n.txt"])
    over = make_sweep(typed, SweepAsked(axes=["top_p=0.1,1"], zips=None, max_cost=2), base)
    assert (over.prompt, over.targets, over.repeats, over.dataset, over.max_cost) == (
        "typed", ("local",), 3, "/d.csv", 2)  # fmt: skip
    assert over.axes == (Axis("temperature", (0.1,)), Axis("seed", (5,)), Axis("top_p", (0.1, 1.0)))
    assert over.variables == (("x", "1"), ("y", "3")) and over.files == (str(Path("n.txt").resolve()),)
    assert make_sweep(asked(), SweepAsked(), base) == base


def test_a_plan_file_says_the_same_again(made: Make, where: Places) -> None:
    Path("rows.csv").write_text("topic\n雪\n山\n", "utf-8")
    sweep = make_sweep(asked("On {{topic}}", models=["local", "openai/gpt-5"], parameters=[("temperature", "0:2:0.5")]),
                       SweepAsked(dataset="rows.csv", repeats=2, seeds="varied", checks=["min-length:3"]))  # fmt: skip
    Path("plan.yaml").write_text(write(sweep, Path.cwd()), "utf-8")
    assert "dataset: rows.csv" in Path("plan.yaml").read_text("utf-8")
    again = load(Path("plan.yaml"))
    assert again == sweep and made(again).cells == made(sweep).cells


def test_strict_and_force_send_every_value(made: Make) -> None:
    sweep = Sweep("hi", targets=("openai/gpt-5",), axes=(Axis("temperature", (0.5, 1.5)),))
    for mode in ("strict", "force"):
        plan = made(sweep, mode=mode)
        assert [cell.values["temperature"] for cell in plan.cells] == [0.5, 1.5] and plan.prospects[0].word == "pinned"


def test_cells_of_a_wide_sweep_share_their_texts(made: Make) -> None:
    sweep = Sweep("雪" * 50_000, targets=("openai/gpt-4o",), repeats=100,
                  axes=(Axis("temperature", tuple(number / 100 for number in range(100))),))  # fmt: skip
    plan = made(sweep)
    assert len(plan.cells) == 10_000
    assert len({id(cell.request.messages) for cell in plan.cells}) == 1
    assert len({id(cell.request) for cell in plan.cells}) == 100


def test_a_files_folder_is_not_told_to_the_model(made: Make) -> None:
    Path("notes.txt").write_text("some notes", "utf-8")
    text = said(made(make_sweep(asked("hi", models=["openai/gpt-4o"], files=["notes.txt"]), SweepAsked())))[0]
    assert '<file name="notes.txt">' in text and "some notes" in text and str(Path.cwd()) not in text


def test_a_folder_is_a_dataset_of_prompts(made: Make) -> None:
    Path("texts").mkdir()
    for name in ("b.txt", "a.md"):
        Path("texts", name).write_text(f"text of {name}", "utf-8")
    plan = made(Sweep("Shorten this: {{prompt}}", targets=("local",), dataset="texts"))
    assert said(plan) == ["Shorten this: text of a.md", "Shorten this: text of b.txt"] and plan.notes == ()


def test_a_row_that_asks_for_a_wrong_choice_names_its_line(made: Make, where: Places) -> None:
    keep(where, "p", "goal: In {{tone}}\nvariables: {tone: {choices: [warm, cold]}}\n")
    Path("rows.csv").write_text("tone\nwarm\ncolt\n", "utf-8")
    with pytest.raises(UsageError, match=r"rows\.csv, line 3: tone: 'colt' is not one of") as caught:
        made(Sweep("x", profile="p", targets=("local",), dataset="rows.csv"))
    assert "'cold'" in caught.value.hint


def test_an_unknown_endpoint_names_the_nearest(made: Make) -> None:
    with pytest.raises(UsageError, match="unknown endpoint 'opneai'") as caught:
        made(Sweep("hi", targets=("opneai/gpt-4o",)))
    assert "openai" in caught.value.hint
