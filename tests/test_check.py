"""Checks of an answer: how they are written, what passes, and what hostile patterns, schemas and answers can't do."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import sys
import time
from pathlib import Path

import pytest

from promptlab import check
from promptlab.check import KINDS, NOT_RUN, Check, Outcome, all_passed, carry_all, carry_out, program, verse
from promptlab.check import schema as json_schema
from promptlab.errors import ProfileError, UsageError
from promptlab.events import Answer, Cancelled, Event, Finished, Stamped, Started
from promptlab.metrics import Cost
from promptlab.plan import Cell, Plan, Run
from promptlab.profile import Profile, read
from promptlab.profile import parse as profile
from promptlab.profile.checks import checks_of
from promptlab.profile.writing import write
from promptlab.render import facts
from promptlab.render.pane import Pane
from promptlab.render.plain import Answers, Notes, Records
from promptlab.request import Message, Request
from promptlab.transcript import Transcript

QUATRAIN = "远上寒山石径斜，\n白云生处有人家。\n停车坐爱枫林晚，\n霜叶红于二月花。"
POEMS = {
    "山行": QUATRAIN,
    "早发白帝城": "朝辞白帝彩云间，千里江陵一日还。\n两岸猿声啼不住，轻舟已过万重山。",
    "枫桥夜泊": "月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。",
    "黄鹤楼送孟浩然": "故人西辞黄鹤楼，烟花三月下扬州。\n孤帆远影碧空尽，唯见长江天际流。",
}
FIVE = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"


def told(text: str, answer: str, *, run: bool = False) -> Outcome:
    return carry_out(check.parse(text), answer, run=run)


def passes(text: str, answer: str) -> bool | None:
    return told(text, answer).passed


# -- written ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("contians:x", "no kind 'contians'", "did you mean 'contains'?"),
        ("snow", "no kind 'snow'", "kinds: contains"),
        ("contains:", "wants something", "has this text"),
        ("re:(", "no regular expression", ""),
        ("re:" + "a" * 1001, "more than 1,000 characters", ""),
        ("number:many", "no number", "3.14±0.01"),
        ("number:1±-2", "no number", ""),
        ("lines:four", "no lines × length", "lines:4x7"),
        ("lines:5-3", "from more to less", ""),
        ("min-length:-1", "whole number", ""),
        ("rhyme:x", "no line's number", ""),
        ("rhyme:2", "one line alone", ""),
        ("run:", "wants something", ""),
        ('run:"./x', "run: No closing quotation", ""),
        ("schema:{", "no JSON", ""),
        ('schema:{"type": "objekt"}', "no JSON Schema: type", ""),
        ("schema:missing.json", "missing.json can't be read", ""),
        ("contains:a\0b", "zero byte", ""),
        ("contains:" + "a" * 20_001, "longer than 20,000", ""),
    ],
)
def test_what_is_no_check_is_said_with_what_to_do(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check.parse(text)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_a_check_has_a_short_name_of_one_line() -> None:
    assert check.parse(" lines : 4x7 ") == Check("lines", "4x7", "lines:4x7")
    name = check.parse("contains:" + "long\n" * 40).name
    assert len(name) <= 60 and "\n" not in name
    assert check.parse('schema:{"type": "object"}').name == "schema"


# -- texts -----------------------------------------------------------------------------------------------------------


def test_texts_are_compared_whatever_their_width_and_white_space() -> None:
    assert passes("contains:雪，Ａ", "大雪,A 了")
    assert told("contains:霜", "雪") == Outcome("contains:霜", False, "not in it")
    assert passes("not-contains:As an AI", "As  an\nAI model") is False
    assert passes("equals:four  rivers", "\n four rivers\n")
    assert told("equals:4", "five").note == "it is: five"


def test_patterns_are_found_anywhere_and_keep_their_flags() -> None:
    assert passes(r"re:(?mi)^dear \w+,$", "x\nDear Ann,\ny")
    assert told("re:^a$", "b") == Outcome("re:^a$", False, "no match")


def test_a_pattern_without_an_end_is_given_up() -> None:
    began = time.monotonic()
    outcome = told(r"re:^(?:(a|aa)+)+$", "a" * 5_000 + "!")
    assert time.monotonic() - began < 30
    assert outcome.passed is None or outcome.passed is False
    assert told(r"re:^(\w+\s?)*\d$", "word " * 2_000 + "!").passed is not True


@pytest.mark.parametrize(
    ("want", "answer", "passed"),
    [
        ("42", "The answer is 42.", True),
        ("42", "First 42, then 43", False),
        ("3.14±0.01", "so π ≈ 3.15", True),
        ("1.1±0.1", "1.0", True),  # as floats, 1.1 - 1.0 is more than 0.1
        ("1.1+-0.1", "1.21", False),
        ("100±5%", "It is 105", True),
        ("100+/-5%", "It is 106", False),
        ("-5", "It is -5", True),
        ("1000", "总共是 1,000 元", True),
        ("一千", "总共是 1e3", True),
        ("50%", "about a half: 50%", True),
        ("1/3±0.01", "0.33", True),
        ("7", "no idea", False),
    ],
)
def test_the_last_number_within_its_tolerance(want: str, answer: str, passed: bool) -> None:
    assert passes(f"number:{want}", answer) is passed


def test_the_extracted_answer_is_compared_as_a_number_or_a_text() -> None:
    assert passes("answer:0.50", r"Hence \boxed{0.5}")
    assert passes("answer:12", "The steps: 3 × 4.\nThe answer is 12.")
    assert told("answer:12", "The answer is 13.").note == "it answers 13"
    assert passes("answer:3", "") is False
    assert passes("answer:B", "Because it is cold, the answer is (B).") and passes("answer:B", "故选 B。")
    assert passes("answer:B", "The answer is (C).") is False
    assert passes("answer:Paris", "The answer is **Paris**.")


def test_length_is_in_characters_without_the_white_space_around() -> None:
    assert passes("max-length:4", "  雪与冰河\n")
    assert told("max-length:3", "雪与冰河").note == "it has 4"
    assert passes("min-length:5", "雪与冰河") is False


# -- verse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poem", POEMS.values(), ids=POEMS)
def test_quatrains_of_seven_have_the_form_and_rhyme(poem: str) -> None:
    assert told("lines:4x7", poem) == Outcome("lines:4x7", True)
    assert passes("rhyme:level", poem)


def test_quatrains_of_five() -> None:
    assert passes("lines:4x5", FIVE) and passes("rhyme", FIVE)
    assert told("lines:4x7", FIVE).note == "line 1 has 5"


def test_form_says_the_first_thing_that_is_wrong() -> None:
    assert told("lines:4x7", QUATRAIN.replace("枫", "")).note == "line 3 has 6"
    assert told("lines:4x7", "《山行》\n" + QUATRAIN).note == "5 lines"
    assert told("lines:4x7", "").note == "0 lines"


def test_marks_latin_words_and_full_stops_do_not_count_in_chinese() -> None:
    assert passes("lines:4x7", "> **" + QUATRAIN.replace("\n", "** \n> **") + "**")
    assert told("lines:4x7", QUATRAIN.replace("枫林晚", "maple晚")).note == "line 3 has 5"


def test_other_languages_count_words_or_characters() -> None:
    verse_ = "The river sleeps beneath its glass,\n\nAnd snow-clad pines don't move at all."
    assert passes("lines:2", verse_) and passes("lines:2x6-7", verse_)
    assert told("lines:2x6w", verse_).note == "line 2 has 7 words"
    assert told("lines:2x20c", verse_).note == "line 1 has 35 characters"
    assert passes("lines:3-5", verse_) is False


def test_free_verse_and_english_do_not_rhyme() -> None:
    assert passes("rhyme", "雪落在河上\n河水不说话\n我们走过桥\n灯还亮着呢") is False
    assert told("rhyme", "night\nlight").passed is False


def test_the_same_character_twice_is_no_rhyme() -> None:
    found = told("rhyme", "远上寒山石径斜，白云生处有人家。停车坐爱枫林晚，一夜归来不见家。")
    assert (found.passed, found.note) == (False, "the same character twice: 家")


def test_oblique_tones_rhyme_with_their_own_and_not_where_level_is_wanted() -> None:
    poem = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
    assert passes("rhyme", poem) and passes("rhyme:1,2,4", poem)
    assert passes("rhyme:level", poem) is False


def test_the_chance_rate_that_is_told_is_the_rate_of_random_endings() -> None:
    common = [bytes((row, cell)).decode("gb2312", "ignore") for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    chars, dice = [char for char in common if char], random.Random(7)
    assert len(chars) == 3755
    for level in (False, True):
        rate = verse.chance(2, level=level)
        want = "level" if level else ""
        pairs = 4_000
        poems = (f"雪，{dice.choice(chars)}。雪，{dice.choice(chars)}。" for _ in range(pairs))
        found = 100 * sum(bool(verse.rhymes(want, poem)[0]) for poem in poems) / pairs
        assert abs(found - rate) < 1.6  # four standard errors, and what is counted twice
    assert "8.2% of random endings would pass" in told("rhyme", QUATRAIN).note


# -- JSON ------------------------------------------------------------------------------------------------------------

PERSON = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "age": {"type": "number"}}}
SCHEMA = f"schema:{json.dumps(PERSON)}"


@pytest.mark.parametrize(
    "answer",
    ['{"name": "Li"}', 'Here it is:\n```json\n{"name": "Li"}\n```\nDone.', '~~~\n{"name": "Li"}\n~~~',
     'See [1]: {"name": "Li", "age": 3} as asked', '```python\nx\n```\n```\n{"name": "李"}\n```'],
)  # fmt: skip
def test_json_is_found_bare_in_fences_and_in_prose(answer: str) -> None:
    assert told(SCHEMA, answer) == Outcome("schema", True)


@pytest.mark.parametrize(
    ("answer", "note"),
    [("no idea", "no JSON in it"), ('{"age": 3}', "'name' is a required property"),
     ('{"name": 3}', "name: 3 is not of type 'string'"), ('{"name": NaN}', "no JSON in it"), ("", "no JSON in it")],
)  # fmt: skip
def test_what_does_not_fit_says_where(answer: str, note: str) -> None:
    assert told(SCHEMA, answer) == Outcome("schema", False, note)


def test_a_schema_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "person.json").write_text("\ufeff" + json.dumps(PERSON), "utf-8")
    found = check.parse("schema:person.json", tmp_path)
    assert found.name == "schema:person.json" and json.loads(found.want) == PERSON


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/s.json", "file:///etc/passwd", "other.json"])
def test_a_schema_that_points_elsewhere_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match="nothing is fetched"):
        check.parse("schema:" + json.dumps({"properties": {"a": {"$ref": target}}}))


def test_a_reference_that_hides_behind_an_id_is_not_fetched(capfd: pytest.CaptureFixture[str]) -> None:
    found = check.parse('schema:{"$id": "http://127.0.0.1:1/a", "$ref": "b.json"}')
    outcome = carry_out(found, "{}")
    assert outcome.passed is None and "nothing is fetched" in outcome.note


def test_references_within_the_schema_work() -> None:
    tree = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"next": {"$ref": "#/$defs/n"}},
                                                "additionalProperties": False}}}  # fmt: skip
    assert passes(f"schema:{json.dumps(tree)}", '{"next": {"next": {}}}')
    assert told(f"schema:{json.dumps(tree)}", '{"next": {"x": 1}}').note == "next: 'x' is not expected"


def test_schemas_that_never_end_are_given_up() -> None:
    bombs = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)} | {"a40": {}}
    pattern = {"type": "string", "pattern": r"^(\w+\s?)*\d$"}
    names = {"patternProperties": {r"^(\w+\s?)*\d$": {}}, "additionalProperties": False}
    circle = {"$ref": "#"}
    began = time.monotonic()
    for schema, answer in (({"$ref": "#/$defs/a0", "$defs": bombs}, "{}"), (circle, "{}"),
                           (pattern, json.dumps("word " * 2_000 + "!")),
                           (names, json.dumps({"word " * 2_000 + "!": 1}))):  # fmt: skip
        assert passes(f"schema:{json.dumps(schema)}", answer) is not True, schema
    assert time.monotonic() - began < 60


def test_unique_items_take_linear_time_and_tell_1_from_true() -> None:
    unique = f"schema:{json.dumps({'uniqueItems': True})}"
    assert passes(unique, "[1, true, [1], [true], {}]")
    assert passes(unique, '[{"a": 1, "b": 2}, {"b": 2, "a": 1.0}]') is False
    assert passes(unique, json.dumps([{"n": n} for n in range(30_000)]))


def test_hostile_answers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    for answer in ("[" * 200_000, "`" * 500_000, "```\n" * 100_000, '{"a":' * 50_000, "{" * 900_000, "9" * 100_000):
        assert passes(SCHEMA, answer) is not True
    assert passes(SCHEMA, " " * 1_000_001 + "{}") is None
    assert time.monotonic() - began < 60


def test_fences_are_read_in_linear_time() -> None:
    assert list(json_schema._fenced("a\n````x\n```\nb\n````\nc\n```\nd")) == ["```\nb"]


# -- programs --------------------------------------------------------------------------------------------------------


def script(folder: Path, body: str, name: str = "judge") -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_is_not_started_unless_that_is_allowed(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    path = script(tmp_path, f"open({str(trace)!r}, 'w')")
    assert told(f"run:{path}", "x") == Outcome(f"run:{path}"[:59] + "…" if len(f"run:{path}") > 60 else f"run:{path}",
                                               None, NOT_RUN)  # fmt: skip
    assert not trace.exists()
    assert told(f"run:{path}", "x", run=True).passed is True
    assert trace.exists()


def test_a_program_reads_the_answer_and_its_exit_code_decides(tmp_path: Path) -> None:
    path = script(tmp_path, "sys.exit('too cold' if '雪' in sys.stdin.buffer.read().decode() else 0)", "the judge")
    assert told(f"run:'{path}'", "river", run=True).passed is True
    assert told(f"run:'{path}'", "雪" * 100_000, run=True) == Outcome(
        told(f"run:'{path}'", "", run=True).name, False, "too cold"
    )


def test_a_program_gets_its_arguments_without_a_shell_and_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HARMLESS", "yes")
    path = script(tmp_path, "sys.exit(0 if sys.argv[1:] == ['a b', '$(id)', ';'] and 'OPENAI_API_KEY' not in os.environ"
                            " and os.environ['HARMLESS'] else 1)")  # fmt: skip
    assert told(f"run:{path} 'a b' $(id) ;", "", run=True).passed is True


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.5)
    pid = tmp_path / "pid"
    path = script(tmp_path, f"child = os.fork()\nopen({str(pid)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)")
    began = time.monotonic()
    outcome = told(f"run:{path}", "", run=True)
    assert outcome.passed is None and "no verdict within" in outcome.note
    assert time.monotonic() - began < 30
    for number in map(int, pid.read_text().split()):
        deadline = time.monotonic() + 30
        while _runs(number):
            assert time.monotonic() < deadline, "a child outlived the check"
            time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_program_that_floods_its_streams_or_is_not_there(tmp_path: Path) -> None:
    path = script(tmp_path, "sys.stderr.write('x' * 3_000_000)\nsys.stdout.write('y' * 3_000_000)\nsys.exit(3)")
    outcome = told(f"run:{path}", "", run=True)
    assert outcome.passed is False and len(outcome.note) <= 200
    missing = told(f"run:{tmp_path / 'nobody'}", "", run=True)
    assert missing.passed is None and "can't be started" in missing.note


# -- several -----------------------------------------------------------------------------------------------------------


def test_all_checks_of_an_answer_and_of_none() -> None:
    checks = [check.parse("contains:a"), check.parse("max-length:3")]
    assert [one.passed for one in carry_all(checks, "abcd")] == [True, False]
    assert [(one.passed, one.note) for one in carry_all(checks, None)] == [(None, "no answer came")] * 2
    assert all_passed(()) is None
    assert all_passed(carry_all(checks, "abc")) is True
    assert all_passed([Outcome("a", None), Outcome("b", False)]) is False
    assert all_passed([Outcome("a", None), Outcome("b", True)]) is None


def test_a_kind_of_another_version_is_said_and_not_raised() -> None:
    assert carry_out(Check("smells", "nice", "smells:nice"), "x") == Outcome(
        "smells:nice", None, "there is no kind 'smells'"
    )
    assert carry_out(Check("lines", "??", "lines"), "x").passed is None


# -- profiles ----------------------------------------------------------------------------------------------------------


def of(more: str) -> Profile:
    return profile(f"goal: g\n{more}\n", Path("p.yaml"))


def test_checks_of_a_profile_are_lines_or_mappings() -> None:
    found = of("checks:\n  - contains: snow\n  - lines:4x7\n  - rhyme\n  - number: 1.10\n  - schema: {type: object}")
    assert found.checks == ("contains:snow", "lines:4x7", "rhyme", "number:1.10", 'schema:{"type": "object"}')
    assert [one.kind for one in checks_of(found)] == ["contains", "lines", "rhyme", "number", "schema"]
    assert profile(write(found), found.path) == found
    assert of("checks: max-length:40").checks == ("max-length:40",)


@pytest.mark.parametrize("more", ["checks: [linse:4x7]", "checks: [{a: b, c: d}]", "checks: [[a]]", "checks: ['re:(']"])
def test_a_profile_with_what_is_no_check_is_refused_with_its_line(more: str) -> None:
    with pytest.raises(ProfileError, match=r"p\.yaml, line 2"):
        of(more)


def test_blanks_in_checks_are_filled_by_variables_but_not_in_programs() -> None:
    found = of(
        "variables: {subject: 雪, n: 3}\nchecks: ['contains:{{subject}}', 'number:{{ n }}', 'run:./{{subject}}']"
    )
    subject, number, judge = checks_of(found, {"subject": "冰"})
    assert (subject.want, number.want) == ("冰", "3")
    assert "{{subject}}" in judge.want
    with pytest.raises(ProfileError, match="no number"):
        checks_of(found, {"n": "many"})


def test_schema_alone_is_the_format_of_the_profile() -> None:
    (one,) = checks_of(of("format: {type: array}\nchecks: [schema]"))
    assert carry_out(one, "[1]").passed is True and one.name == "schema"
    with pytest.raises(ProfileError, match="no JSON Schema"):
        checks_of(of("format: a list\nchecks: [schema]"))


def test_a_profile_reads_schemas_below_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.json").write_text('{"type": "object"}')
    (home / "link.json").symlink_to(tmp_path / "secret.json")
    for name in ("../secret.json", str(tmp_path / "secret.json"), "link.json"):
        (home / "p.yaml").write_text(f"goal: g\nchecks: ['schema:{name}']\n")
        with pytest.raises(ProfileError, match="outside"):
            checks_of(read(home / "p.yaml"))
        assert checks_of(read(home / "p.yaml"), anywhere=True)
    (home / "p.yaml").write_text("goal: g\nchecks: ['schema:mine.json', 'run:./judge -x']\n")
    schema, judge = checks_of(read(home / "p.yaml"))
    assert schema.want == '{"type":"object"}' and schema.name == "schema:mine.json"
    assert judge.want == f"{home.resolve() / 'judge'} -x"


def test_a_profile_that_is_extended_from_another_folder_brings_its_files(tmp_path: Path) -> None:
    base, own = tmp_path / "base", tmp_path / "own"
    base.mkdir()
    own.mkdir()
    (base / "s.json").write_text('{"type": "array"}')
    (base / "b.yaml").write_text("goal: g\nchecks: ['schema:s.json', 'run:./judge', 'contains:a']\n")
    (own / "p.yaml").write_text("extends: b\nchecks: ['contains:b', 'contains:a']\n")
    found = checks_of(read(own / "p.yaml", [base]))
    assert [one.kind for one in found] == ["schema", "run", "contains", "contains"]
    assert found[0].want == '{"type":"array"}' and found[1].want == str(base.resolve() / "judge")


def test_every_kind_is_told_and_none_is_slow_to_import() -> None:
    assert all(text for text in KINDS.values())
    assert (
        "jsonschema"
        not in os.popen(  # the checks are parsed at every start that reads a profile
            f'{sys.executable} -c "import sys, promptlab.profile; print(*sys.modules)"'
        ).read()
    )


# -- shown -----------------------------------------------------------------------------------------------------------


def finished_cell(trace: Path, *wants: str) -> tuple[Cell, list[Stamped]]:
    checks = tuple(check.parse(text) for text in (*wants, f"run:touch {trace}"))
    cell = Cell(0, "local", "local", Request("", (Message("user", "题目：雪"),)), checks=checks)
    events: list[Event] = [Started(), Answer(QUATRAIN.replace("枫", "")), Finished("stop", True)]
    return cell, [Stamped(0, float(at), event) for at, event in enumerate(events)]


def test_renderers_tell_how_checks_went_and_start_no_program(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    cell, events = finished_cell(trace, "lines:4x7", "contains:霜\x1b[2J")
    costs = Cost(None, "local")
    pane, out, err, document = Pane(cell, 60), io.StringIO(), io.StringIO(), io.StringIO()
    run = Run(None, "now", Plan((cell,), "p"))
    notes = Notes(run.plan, err, lambda cell, said: costs)
    records = Records(run, document, notes, lambda cell, said: costs, "json")
    answers = Answers(run.plan, out, notes)
    for stamped in events:
        pane.take(stamped)
        answers(stamped)
        records(stamped)
    records.close("done")
    line = next(line for line in err.getvalue().splitlines() if line.startswith("checks: "))
    assert line.startswith("checks: lines:4x7 ✗ line 3 has 6 · contains:霜␛[2J ✗ not in it · run:touch")
    assert NOT_RUN in line
    assert any(line.kind == "note" and "lines:4x7 ✗ line 3 has 6" in line.text for line in pane.footer(costs))
    (told_,) = json.loads(document.getvalue())["cells"]
    assert told_["checks"][0] == {"name": "lines:4x7", "passed": False, "note": "line 3 has 6"}
    assert told_["checks"][2]["passed"] is None
    assert not trace.exists()


def test_a_cell_without_checks_or_without_an_answer_is_not_judged() -> None:
    said = Transcript()
    said.apply(0.0, Started())
    said.apply(1.0, Cancelled())
    bare = Cell(0, "local", "local", Request("", (Message("user", "x"),)))
    assert facts.checks(facts.outcomes(bare, said)) == ""
    judged = Cell(0, "local", "local", bare.request, checks=(check.parse("max-length:3"),))
    assert facts.checks(facts.outcomes(judged, said)) == "checks: max-length:3 ? no answer came"
