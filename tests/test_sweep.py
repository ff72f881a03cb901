"""Sweeps as values: axes of any kind, plan files, their errors, and the digest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from promptlab import sweep as sweeps
from promptlab.check import Check
from promptlab.errors import UsageError
from promptlab.sweep import Axis, Sweep, as_fields, digest, load, parse, parse_time, read_axes, write

WHOLE = Sweep(
    prompt="写一首诗 about {{topic}}: yes", profile="quatrain", targets=("local", "a/b?temperature=1"),
    axes=(Axis("temperature", (None, 0.1, 1.25)), Axis("top_p", (0.9, 1.0, None)), Axis("effort", ("low", "high")),
          Axis("var.topic", ("雪", "1.10", "a, b")), Axis("system", (None, "Be brief, please.")),
          Axis("stop", (["a", "b"],)), Axis("body.x", ({"y": [1, None]},)), Axis("max_tokens", (64,))),
    zipped=("temperature", "top_p"), repeats=5, seeds="varied", seed=7, system="no", variables=(("place", "1.10"),),
    files=("notes.md",), dataset="rows.csv",
    checks=(Check("contains", "雪", "contains:雪"), Check("equals", "x", "mine")),
    keep_samplers=True, max_cost=2.0, max_tokens_total=1000, max_time=90.0,
)  # fmt: skip


def plan_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def failure(tmp_path: Path, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(plan_file(tmp_path, text))
    return caught.value


@pytest.mark.parametrize("what", [WHOLE, Sweep(), Sweep(axes=(Axis("body.z", (None,)),))])
def test_a_sweep_goes_to_yaml_and_json_and_comes_back(what: Sweep) -> None:
    assert parse(write(what), Path("plan.yaml")) == what
    assert parse(json.dumps(as_fields(what)), Path("plan.yaml")) == what


def test_a_plan_file_takes_the_grammar_of_the_command_line(tmp_path: Path) -> None:
    found = load(plan_file(tmp_path, "prompt: hi\ntargets: [local]\naxes:\n  temperature: 0:2:0.5\n"
                                     "  top_p: [0.5, default]\n  effort: low,high\n  var.x: a,b\nrepeat: 3\n"
                                     "max_time: 1h30m\n"))  # fmt: skip
    assert found.axes == (
        Axis("temperature", (0.0, 0.5, 1.0, 1.5, 2.0)), Axis("top_p", (0.5, None)), Axis("effort", ("low", "high")),
        Axis("var.x", ("a", "b")),
    )  # fmt: skip
    assert (found.repeats, found.max_time) == (3, 5400)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("prompt: hi\naxess:\n  top_p: 1\n", ["line 2", "'axess'", "'axes'"]),
        ("axes:\n  top_p: 1\n  temprature: 1\n", ["line 3", "'temprature'", "'temperature'"]),
        ("axes:\n  temperature: [0.1, 9]\n", ["line 2", "'9'", "from 0 to 5"]),
        ("axes:\n  temperature: [1, 1.0]\n", ["line 2", "'1.0' is given twice"]),
        ("axes:\n  temperature: []\n", ["line 2", "needs a value"]),
        ("axes:\n  var.x: [[1]]\n", ["line 2", "texts"]),
        ("axes:\n  var.x: a,b,a\n", ["line 2", "'a' is given twice"]),
        ("axes:\n  target: a\n", ["line 2", "-m TARGET"]),
        ("axes: 1\n", ["line 1", "names with values"]),
        ("repeat: 0\n", ["line 1", "'0'", "1 or more"]),
        ("repeat: 99999\n", ["99999", "10,000"]),
        ("repeat: yes\n", ["line 1", "'yes'"]),
        ("seeds: varies\n", ["line 1", "'varies'", "'varied'"]),
        ("seeds: varied\naxes: {seed: '1,2'}\n", ["seed is an axis"]),
        ("axes: {temperature: '0,1', top_p: '0.1,0.2,1'}\nzip: [temperature, top_p]\n", ["has 2", "has 3"]),
        ("max_cost: -1\n", ["line 1", "'-1'"]),
        ("max_cost: .inf\n", ["line 1", "'.inf'"]),
        ("max_time: soon\n", ["line 1", "'soon'", "15m"]),
        ("keep_samplers: 1\n", ["line 1", "true or false"]),
        ("targets: {a: b}\n", ["line 1", "list of texts"]),
        ("checks: ['contians:x']\n", ["line 1", "'contains'"]),
        ("checks: [{kind: contains, wnat: x}]\n", ["line 1", "'wnat'", "'want'"]),
        ("profile: p\naxes: {profile: 'a,b'}\n", ["profile"]),
        ("prompt: !!python/object:os.system x\n", ["line 1", "tag"]),
    ],
)
def test_a_wrong_plan_names_file_line_value_and_the_nearest_key(tmp_path: Path, text: str, parts: list[str]) -> None:
    error = failure(tmp_path, text)
    assert "plan.yaml" in error.message
    for part in parts:
        assert part in f"{error.message} {error.hint}"


def test_files_of_a_plan_are_found_beside_it_and_not_outside(tmp_path: Path) -> None:
    text = "prompt: hi\ndataset: rows.csv\nfiles: [a/n.txt]\nsystem: '@sys'\naxes:\n  system: [b.md, Be kind.]\n"
    found = load(plan_file(tmp_path, text))
    assert found.dataset == str(tmp_path / "rows.csv") and found.files == (str(tmp_path / "a/n.txt"),)
    assert found.system == f"@{tmp_path}/sys" and found.axes[0].values == (f"@{tmp_path}/b.md", "Be kind.")
    back = parse(write(found, tmp_path), tmp_path / "plan.yaml")
    assert (back.dataset, back.files, back.system) == ("rows.csv", ("a/n.txt",), "@sys")
    for outside in ("dataset: ../rows.csv", "files: [/etc/passwd]", "system: '@~/.ssh/id_rsa'",
                    "axes: {system: ['@/etc/passwd']}", "profile: ../../p.yaml"):  # fmt: skip
        assert "outside the plan's folder" in failure(tmp_path, outside + "\n").message
    assert load(plan_file(tmp_path, "files: [/etc/passwd]\n"), anywhere=True).files == ("/etc/passwd",)


def test_a_link_out_of_the_folder_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("/etc/passwd")
    assert "outside" in failure(tmp_path, "dataset: rows.csv\n").message


def test_axes_of_texts_on_the_command_line() -> None:
    found = read_axes([("system", "Be brief, please."), ("system", "a.md,@b"), ("system", "default"),
                       ("profile", "quatrain, essay"), ("var.topic", '海,"山, 水"'), ("stop", "a,b"), ("stop", "c"),
                       ("temperature", "0.1,default")])  # fmt: skip
    assert found == (
        Axis("system", ("Be brief, please.", "a.md", "@b", None)), Axis("profile", ("quatrain", "essay")),
        Axis("var.topic", ("海", "山, 水")), Axis("stop", (["a,b"], ["c"])), Axis("temperature", (0.1, None)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"),
    [("temprature", "'temperature'"), ("profil", "'profile'"), ("target", "-m"), ("model", "-m"), ("var.", "var"),
     ("var.a b", "axes:|var"), ("body.", "axes:|body")],
)  # fmt: skip
def test_no_axis_has_such_a_name(name: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_axes([(name, "1")])
    assert any(one in caught.value.hint for one in part.split("|"))


@pytest.mark.parametrize(("name", "text"), [("var.x", "a,,b"), ("profile", ""), ("system", " ")])
def test_an_empty_text_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="empty value"):
        read_axes([(name, text)])


def test_one_axis_is_given_once_but_texts_gather() -> None:
    with pytest.raises(UsageError, match="temperature is given twice"):
        read_axes([("temperature", "1"), ("temperature", "2")])
    with pytest.raises(UsageError, match="'a' is given twice"):
        read_axes([("var.x", "a"), ("var.x", "b,a")])


def test_the_digest_tells_sweeps_apart_but_not_by_their_caps() -> None:
    others = [replace(WHOLE, repeats=6), replace(WHOLE, seed=8), replace(WHOLE, axes=WHOLE.axes[::-1]),
              replace(WHOLE, prompt="x"), replace(WHOLE, keep_samplers=False), replace(WHOLE, zipped=())]  # fmt: skip
    assert len({digest(one) for one in [WHOLE, *others]}) == 7
    assert digest(replace(WHOLE, max_cost=9, max_time=None, max_tokens_total=1)) == digest(WHOLE)
    assert digest(parse(write(WHOLE), Path("p"))) == digest(WHOLE) and len(digest(WHOLE)) == 32


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1.5h", 5400), ("1h30m", 5400)])
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "m", "-1", "1d", "1.2.3h", "soon"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="no time"):
        parse_time(text)


def test_what_a_file_is() -> None:
    assert sweeps.is_file("@x") and sweeps.is_file("a/b.md") and sweeps.is_file("雪.txt")
    assert not sweeps.is_file("Look into notes.md") and not sweeps.is_file("be brief")
