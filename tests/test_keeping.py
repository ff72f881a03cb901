"""Profiles are made, edited, copied, renamed and removed; nothing is overwritten, and nothing typed is lost."""

from __future__ import annotations

import io
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab import config
from promptlab.cli import keep, saving
from promptlab.cli.planning import Asked, make_plan
from promptlab.config import Places
from promptlab.errors import LabError, ProfileError, UsageError
from promptlab.profile import Profile, listed, read
from promptlab.profile.template import fill
from promptlab.profile.writing import fields
from tests.command import PATIENCE, REPOSITORY

Capture = pytest.CaptureFixture[str]
GOOD = "# mine\ngoal: Say it.\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path / "home"))
    return config.places()


@pytest.fixture
def own(places: Places) -> Path:
    folder = places.config / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(GOOD, "utf-8")
    return folder


@pytest.fixture
def editor(tmp_path: Path) -> Callable[[str], Mapping[str, str]]:
    """An editor that does one thing to the file that it is given."""

    def made(script: str) -> Mapping[str, str]:
        program = tmp_path / "an editor.py"
        program.write_text(f"import sys, pathlib\nfile = pathlib.Path(sys.argv[-1])\n{script}\n", "utf-8")
        return {"VISUAL": f"'{sys.executable}' '{program}'", "EDITOR": "/no/such/editor"}

    return made


def pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | bytes) -> None:
    file = tmp_path / "piped"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file.open("rb"), "utf-8"))


def on_terminal(call: str, typed: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and what a terminal shows of a call, whose questions are answered with `typed`."""
    program = (
        "import sys, os\nfrom promptlab import config\nfrom promptlab.cli import keep, complain\n"
        "from promptlab.errors import LabError\nplaces = config.places()\n"
        f"try:\n    code = {call}\nexcept LabError as error:\n    complain(error)\n    code = error.exit_code\n"
        "sys.exit(code)\n"
    )
    master, slave = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], stdin=slave, stdout=slave, stderr=slave,
                               env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1",
                                    **(environ or {})})  # fmt: skip
    os.close(slave)
    os.write(master, typed.encode())
    said = b""
    try:
        while part := os.read(master, 65536):
            said += part
    except OSError:  # EIO: nobody has the terminal open any more
        pass
    finally:
        os.close(master)
    return process.wait(PATIENCE), said.decode()


# -- new -------------------------------------------------------------------------------------------------------------


def test_the_four_parts_are_asked_for_on_a_terminal(places: Places) -> None:
    typed = "诗\n\n{% for %}\n写{{题目}}。\n四行\n不用成句\n: 不要标题\n\n读者懂诗\n"
    code, said = on_terminal("keep.new(None, places)", typed)
    assert code == 0, said
    file = places.config / "profiles" / "诗.yaml"
    assert file.read_text("utf-8") == (
        'goal: 写{{题目}}。\nformat: 四行\nrules:\n  - 不用成句\n  - ": 不要标题"\ncontext: 读者懂诗\n'
        "variables:\n  题目:\n"
    )
    assert read(file).rules == ("不用成句", ": 不要标题")
    assert "for statement" in said or "tag" in said.lower() or "expected" in said.lower()


def test_questions_that_are_left_write_nothing(places: Places) -> None:
    code, said = on_terminal("keep.new('x', places)", "a goal\n\x04")
    assert code == 2
    assert "nothing was written" in said
    assert not (places.config / "profiles").exists()


def test_a_piped_profile_is_checked_and_kept(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    pipe(monkeypatch, tmp_path, "# a note\nname: other # old\ngoal: g\n")
    assert keep.new("名字", places) == 0
    file = places.config / "profiles" / "名字.yaml"
    assert file.read_text("utf-8") == "# a note\nname: 名字 # old\ngoal: g\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~_umask()
    assert list(file.parent.iterdir()) == [file]
    pipe(monkeypatch, tmp_path, "name: by-itself\ngoal: '{{x}}'")
    assert keep.new(None, places, here=True) == 0
    assert read(Path("profiles/by-itself.yaml")).name == "by-itself"
    assert "{{x}} is used and not declared" in capsys.readouterr().err


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    ("text", "said"),
    [("goal: [", "stdin, line"), ("gaol: x", "unknown key 'gaol'"), ("role: x", "goal is missing"), ("", "no terminal"),
     ("extends: nobody", "no profile 'nobody'"), ("extends: x", "no profile 'x'|this profile itself"),
     ("goal: '{{ 3 * 3 }}'", "can't use"), (b"\xff\xfe", "UTF-8"), (b"a\0", "binary"),
     ("a: &a [x, x]\nb: &b [*a, *a]\ngoal: x", "unknown key"), ("goal: !!python/object:os.x {}", "tag")],
)  # fmt: skip
def test_a_piped_text_that_is_none_is_refused(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | bytes, said: str
) -> None:
    pipe(monkeypatch, tmp_path, text)
    with pytest.raises(UsageError, match=said):
        keep.new("x", places)
    assert not (places.config / "profiles").exists()


def test_nothing_is_overwritten_without_force(
    places: Places, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (own / "short.yml").write_text(GOOD, "utf-8")
    (own / "dangling.yaml").symlink_to("nowhere")
    for name in ("mine", "short", "dangling"):
        pipe(monkeypatch, tmp_path, "goal: new")
        with pytest.raises(UsageError, match="already"):
            keep.new(name, places)
        with pytest.raises(UsageError, match="already"):
            keep.copy("reviewer", name, places)
    with pytest.raises(UsageError, match="already"):
        keep.rename("mine", "short", places)
    assert (own / "mine.yaml").read_text("utf-8") == GOOD
    pipe(monkeypatch, tmp_path, "goal: new")
    assert keep.new("short", places, force=True) == 0
    assert (own / "short.yml").read_text("utf-8") == "goal: new\n"
    assert not (own / "short.yaml").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "../x", "/x", "-x", ".x", "a b", "a\nb", "a\x1b[2J",
                                  "x.yaml", "x.YML", "a:b", "ㅤ", "a" * 200,
                                  "雪" * 61, "\udcff", "a\u202eb"])  # fmt: skip
def test_names_that_can_not_be(places: Places, name: str) -> None:
    with pytest.raises(UsageError) as error:
        keep.copy("reviewer", name, places)
    assert error.value.hint
    assert not (places.config / "profiles").exists()


@pytest.mark.parametrize("name", ["x", "七言绝句", "हिन्दी", "a-b_c.d", "2nd", "Ünï", "雪" * 60])
def test_names_of_any_script(places: Places, name: str) -> None:
    assert keep.copy("reviewer", name, places) == 0
    assert keep.path(name, places) == 0


# -- edit ------------------------------------------------------------------------------------------------------------


def test_an_edited_profile_is_kept(places: Places, own: Path, editor: Callable[[str], Mapping[str, str]]) -> None:
    (own / "mine.yaml").chmod(0o600)
    assert keep.edit("mine", places, editor("file.write_text(file.read_text() + 'role: me\\n')")) == 0
    assert (own / "mine.yaml").read_text("utf-8") == GOOD + "role: me\n"
    assert stat.S_IMODE((own / "mine.yaml").stat().st_mode) == 0o600


def test_a_shipped_profile_is_copied_and_it_is_said(
    places: Places, editor: Callable[[str], Mapping[str, str]], capsys: Capture
) -> None:
    shipped = config.shipped_profiles() / "reviewer.yaml"
    before = shipped.read_bytes()
    assert keep.edit("reviewer", places, editor("pass")) == 0
    assert not (places.config / "profiles").exists()  # nothing was changed: no copy that would grow old
    keep.edit("reviewer", places, editor("file.write_text(file.read_text() + '# seen\\n')"))
    copied = places.config / "profiles" / "reviewer.yaml"
    assert copied.read_bytes() == before + b"# seen\n"
    assert shipped.read_bytes() == before
    assert f"shipped with promptlab: what you save goes into a copy of your own, {copied}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [("goal: x\\nkind: clever\\n", "mine.yaml, line 2: 'clever'"), ("goal: [", "line"), ("\\x80", "UTF-8"),
     ("gaol: x", "unknown key 'gaol'"), ("", "goal is missing")],
)  # fmt: skip
def test_a_broken_text_is_refused_and_never_lost(
    places: Places, own: Path, editor: Callable[[str], Mapping[str, str]], capsys: Capture, text: str, said: str
) -> None:
    write = f"file.write_bytes(b'{text}')"
    for aside in ("mine.yaml.broken", "mine.yaml.broken-2"):
        with pytest.raises(UsageError, match=said):
            keep.edit("mine", places, editor(write))
        assert (own / aside).read_bytes() == text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        assert f"your text is kept: {own / aside}" in capsys.readouterr().err
    assert (own / "mine.yaml").read_text("utf-8") == GOOD
    assert [file.name for file in listed((own,)).values()] == ["mine.yaml"]


@pytest.mark.parametrize("script", ["file.write_text('goal: y'); sys.exit(1)", "file.unlink()"])
def test_an_editor_that_fails_changes_nothing(
    places: Places, own: Path, editor: Callable[[str], Mapping[str, str]], script: str
) -> None:
    with pytest.raises(LabError):
        keep.edit("mine", places, editor(script))
    assert (own / "mine.yaml").read_text("utf-8") == GOOD
    kept = list(own.glob("*.broken"))
    assert [file.read_text("utf-8") for file in kept] == (["goal: y"] if "write" in script else [])


def test_what_somebody_else_wrote_meanwhile_stays(
    places: Places, own: Path, editor: Callable[[str], Mapping[str, str]]
) -> None:
    script = f"pathlib.Path({str(own / 'mine.yaml')!r}).write_text('goal: theirs'); file.write_text('goal: ours')"
    with pytest.raises(LabError, match="somebody else"):
        keep.edit("mine", places, editor(script))
    assert (own / "mine.yaml").read_text("utf-8") == "goal: theirs"
    assert (own / "mine.yaml.broken").read_text("utf-8") == "goal: ours"


def test_on_a_terminal_the_editor_comes_back(
    places: Places, own: Path, editor: Callable[[str], Mapping[str, str]]
) -> None:
    script = "text = file.read_text(); file.write_text('goal: new' if 'clever' in text else 'kind: clever')"
    code, said = on_terminal("keep.edit('mine', places)", "y\n", editor(script))
    assert code == 0, said
    assert "mine.yaml, line 1: 'clever' is not one of" in said
    assert (own / "mine.yaml").read_text("utf-8") == "goal: new"
    code, said = on_terminal("keep.edit('mine', places)", "n\n", editor("file.write_text('kind: clever')"))
    assert code == 2
    assert (own / "mine.yaml.broken").read_text("utf-8") == "kind: clever"
    assert (own / "mine.yaml").read_text("utf-8") == "goal: new"


@pytest.mark.parametrize("environ", [{"EDITOR": "/no/such/editor"}, {"EDITOR": "'unbalanced"}])
def test_an_editor_that_is_not_there(places: Places, own: Path, environ: Mapping[str, str]) -> None:
    with pytest.raises(LabError, match=r"editor|EDITOR") as error:
        keep.edit("mine", places, environ)
    assert "EDITOR" in error.value.hint


def test_a_broken_profile_can_be_mended(places: Places, own: Path, editor: Callable[[str], Mapping[str, str]]) -> None:
    (own / "mine.yaml").write_bytes(b"goal: \xff[")
    assert keep.edit("mine", places, editor("file.write_text('goal: well')")) == 0
    assert read(own / "mine.yaml").goal == "well"


# -- copy, rename, remove, path ----------------------------------------------------------------------------------------


def test_a_copy_keeps_comments_and_has_its_own_name(places: Places, own: Path, capsys: Capture) -> None:
    (own / "mine.yaml").write_text("name: mine  # me\n" + GOOD + "context: {files: [a.md]}\n", "utf-8")
    assert keep.copy("mine", "yours", places, here=True) == 0
    file = Path("profiles/yours.yaml")
    assert file.read_text("utf-8").startswith("name: yours  # me\n# mine\ngoal:")
    assert "(a.md) are now looked for beside it" in capsys.readouterr().err
    with pytest.raises(UsageError):
        keep.copy("mine", "mine", places, force=True)
    (own / "broken.yaml").write_text("goal: [", "utf-8")
    with pytest.raises(UsageError, match=r"broken\.yaml"):
        keep.copy("broken", "whole", places)


def test_renaming(places: Places, own: Path, capsys: Capture) -> None:
    (own / "child.yaml").write_text("extends: mine", "utf-8")
    assert keep.rename("mine", "新", places) == 0
    assert (own / "新.yaml").read_text("utf-8") == GOOD
    assert not (own / "mine.yaml").exists()
    assert "child.yaml extends mine, which it no longer finds" in capsys.readouterr().err
    (own / "broken.yaml").write_text("goal: [", "utf-8")
    assert keep.rename("broken", "mended", places) == 0
    with pytest.raises(UsageError, match="already"):
        keep.rename("mended", "mended", places)
    assert keep.rename("mended", "新", places, force=True) == 0
    assert (own / "新.yaml").read_text("utf-8") == "goal: ["


def test_only_the_users_own_can_be_renamed_or_removed(places: Places, own: Path, tmp_path: Path) -> None:
    shipped = config.shipped_profiles() / "reviewer.yaml"
    stranger = tmp_path / "stranger.yaml"
    stranger.write_text(GOOD, "utf-8")
    for name in ("reviewer", str(shipped), str(stranger)):
        with pytest.raises(UsageError) as error:
            keep.remove(name, places, yes=True)
        assert error.value.hint
        with pytest.raises(UsageError):
            keep.rename(name, "x", places)
    assert shipped.exists()
    assert stranger.exists()


def test_removing_asks_first(places: Places, own: Path, capsys: Capture) -> None:
    code, said = on_terminal("keep.remove('mine', places)", "\n")
    assert (code, (own / "mine.yaml").exists()) == (1, True)
    assert "[y/N]" in said
    code, _ = on_terminal("keep.remove('mine', places)", "y\n")
    assert (code, (own / "mine.yaml").exists()) == (0, False)


def test_removing_without_a_terminal_wants_yes(
    places: Places, own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    pipe(monkeypatch, tmp_path, "y\n")
    (own / "reviewer.yaml").write_text(GOOD, "utf-8")
    with pytest.raises(UsageError) as error:
        keep.remove("reviewer", places)
    assert error.value.hint == "add --yes"
    assert keep.remove("reviewer", places, yes=True) == 0
    assert f"reviewer is now {config.shipped_profiles() / 'reviewer.yaml'}" in capsys.readouterr().err


def test_the_path_of_a_profile(places: Places, own: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    keep.path("mine", places)
    keep.path(None, places)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.decode().splitlines() == [str(own / "mine.yaml"), str(own)]
    with pytest.raises(UsageError, match="no profile"):
        keep.path("min", places)


def test_a_folder_that_can_not_be_written_is_told(places: Places) -> None:
    places.config.mkdir(parents=True)
    (places.config / "profiles").write_text("a file", "utf-8")
    with pytest.raises(LabError, match="can't be written"):
        keep.copy("reviewer", "x", places)


# -- ask --save ------------------------------------------------------------------------------------------------------


def asked(prompt: str | None = None, **more: Any) -> Asked:
    usual: dict[str, Any] = {"models": [], "base_url": None, "key_env": None, "profile": None, "variables": [],
                             "system": None, "files": [], "options": [], "parameters": []}  # fmt: skip
    return Asked(prompt, **(usual | more))


@pytest.mark.parametrize(
    "typed",
    [
        asked("why?"),
        asked("why {{not}}? {%x%} {#y#}", system="You are {{who}}."),
        asked("yes", models=["local", "openai/o3?effort=low"], parameters=[("temperature", "0.2,1.3")]),
        asked("x", parameters=[("temperature", "default,1"), ("stop", "a"), ("stop", "b")], options=["seed=3"]),
        asked("a: b\n\n  c", models=["openai/o3", "anthropic/claude-sonnet-4-6", "openrouter/deepseek/deepseek-r1"]),
        asked("the code", profile="reviewer", variables=["focus=security"], models=["local", "openai/o3"]),
        asked(None, profile="explain", variables=["topic={{snow}}"]),
        asked("雪", profile="quatrain"),
    ],
    ids=lambda typed: typed.prompt or typed.profile,
)
def test_what_was_typed_is_asked_again_by_its_name(places: Places, typed: Asked) -> None:
    settings = config.settings(places)
    file = saving.save("again", typed, places, False)
    assert file == places.config / "profiles" / "again.yaml"
    first, second = make_plan(typed, places, settings), make_plan(asked(profile="again"), places, settings)
    assert [(one.target, one.request) for one in second.cells] == [(one.target, one.request) for one in first.cells]


def test_what_a_profile_can_not_hold_is_said(places: Places, tmp_path: Path, capsys: Capture) -> None:
    outside, inside = tmp_path / "a[1].txt", places.config / "profiles" / "b.txt"
    inside.parent.mkdir(parents=True)
    outside.write_text("out", "utf-8")
    inside.write_text("in", "utf-8")
    file = saving.save("x", asked("p", files=[str(outside), str(inside)], base_url="http://127.0.0.1:1", cot=True,
                                options=["body.mirostat=2"]), places, False)  # fmt: skip
    said = capsys.readouterr().err
    for words in ("--base-url", "--cot", "body.mirostat", "files below its folder"):
        assert words in said
    profile = read(file, places.profiles)
    assert profile.files[1] == "b.txt"
    from promptlab.profile.compose import gather

    with pytest.raises(ProfileError, match="outside"):
        gather(profile)
    assert [text for _, text in gather(profile, anywhere=True)] == ["out", "in"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [(asked(), "no prompt"), (asked("x", profile="x"), "no profile|extend itself"),
     (asked("x", profile="explain", variables=["tpic=1"]), "no variable 'tpic'"),
     (asked("x", profile="reviewer", variables=["focus=all"]), "not one of")],
)  # fmt: skip
def test_what_can_not_be_saved(places: Places, typed: Asked, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        saving.save("x", typed, places, False)
    assert not (places.config / "profiles").exists()


def test_saving_overwrites_nothing(places: Places, own: Path) -> None:
    with pytest.raises(UsageError, match="already"):
        saving.save("mine", asked("p"), places, False)
    saving.save("mine", asked("p"), places, True, quiet=True)
    assert read(own / "mine.yaml").prompt == "p"
    with pytest.raises(UsageError, match="extend itself"):
        saving.save("mine", asked("p", profile="mine"), places, True)


@given(st.text(st.sampled_from("{}%# a'\\\n"), max_size=12))
def test_a_typed_text_is_no_template(text: str) -> None:
    text = text.strip()
    assert fill(saving._verbatim(text), {}, "it") == text


def test_a_profile_of_nothing_but_a_name() -> None:
    assert fields(Profile("p", Path("p.yaml"))) == {}
