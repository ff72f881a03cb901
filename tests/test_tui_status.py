"""What is said at a pane's end, of a fault and of an error, in the language of the screen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from types import MappingProxyType

import pytest
import typer

from promptlab import document
from promptlab.cli.tui.refusal import FORMS, VALUE, WHY, refusal
from promptlab.cli.tui.words import hear, plan_of
from promptlab.config import settings
from promptlab.errors import Fault, LabError, Sentence, UsageError, fill, nearest
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Event,
    Failed,
    Finished,
    Relabelled,
    Retrying,
    Stamped,
    Started,
    Thinking,
    pack,
    unpack,
)  # fmt: skip
from promptlab.knowledge import SHIPPED, Rule, read
from promptlab.metrics import Cost
from promptlab.params import PARAMETERS, lookup
from promptlab.places import Places
from promptlab.plan import Cell
from promptlab.providers import fault
from promptlab.request import Message, Request
from promptlab.tui.aside import told
from promptlab.tui.pane import Pane
from promptlab.tui.text import SYSTEM, Say, axis, lint, remark, request, sentence, sentences, vote

PACKAGE = Path(__file__).parents[1] / "promptlab"
SAY, ZH_SAY = Say("en"), Say("zh")
ENGLISH = re.compile(r"\b[a-z][a-z']+,? [a-z][a-z']+\b")  # two words in a row
VENDOR = "Rate limit reached for requests"
BEGUN: list[Event] = [Started({}, {}, 1), Accepted()]


def a_pane(say: Say, *events: Event, checks: tuple[str, ...] = ()) -> Pane:
    from promptlab.check import parse

    request = Request("m", (Message("user", "hi"),), {})
    cell = Cell(0, "lab/m", "lab", request, {}, checks=tuple(map(parse, checks)))
    pane = Pane(cell, say, lambda cell, said: Cost(None, "local"), 400)
    pane.place(400, 40)
    for at, event in enumerate(events):
        pane.take(Stamped(0, float(at), event))
    return pane


def tail(pane: Pane, answer: str = "") -> list[str]:
    """The pane's own lines: all but title and answer."""
    rows = ["".join(span.text for span in row).strip() for row in pane.paint(99.0, focused=False)]
    return [row for row in rows[1:] if row and row != answer]


PARAMETERS_ASKED = Started(
    {"temperature": 0.3, "top_k": 5, "seed": 7, "top_p": 0.5}, {"temperature": 0.3, "seed": 7, "max_tokens": 99}, 1,
    {"temperature": "ignored", "top_k": "refused", "seed": "unknown", "top_p": "pinned"},
    {"temperature": "taken and without effect", "top_k": "the API has no such field",
     "top_p": Sentence("fixed at {value}", value=1), "max_tokens": "this API wants one; the thinking counts in it"},
)  # fmt: skip
ENDINGS: dict[str, tuple[list[Event], list[str], list[str]]] = {
    "limit": ([*BEGUN, Answer("snow"), Finished("length", True)], ["cut at the token limit (length)"],
              ["达到 token 上限，被截断（length）"]),
    "cancelled": ([*BEGUN, Answer("snow"), Cancelled()], ["cancelled: what had arrived is kept"],
                  ["已取消：已收到的内容保留"]),
    "thinking": ([*BEGUN, Thinking("先想"), Finished("length", True)], ["cut while thinking (length): no answer came"],
                 ["思考时被截断（length），没有回答"]),
    "no reason": ([*BEGUN, Answer("snow"), Finished(None, False)],
                  ["not complete: the stream ended without a finish reason"], ["不完整：数据流中断，没有给出结束原因"]),
    "empty": ([*BEGUN, Finished("stop", True)], ["an empty answer (stop)"], ["回答为空（stop）"]),
    "other": ([*BEGUN, Answer("snow"), Finished("odd", True)], ["finish reason: odd"], ["结束原因：odd"]),
    "untagged": ([*BEGUN, Answer("先想"), Relabelled(), Answer("snow"), Finished("stop", True)],
                 ["the opening tag of the thinking never came"], ["没有出现思考的起始标签"]),
    "parameters": ([PARAMETERS_ASKED, Answer("snow"), Finished("stop", True)],
                   ["temperature 0.3 sent, ignored: taken and without effect",
                    "top_k 5 left out, refused: the API has no such field", "top_p 0.5 left out, pinned: fixed at 1"],
                   ["temperature 0.3：已发送，被忽略（接受但不起作用）", "top_k 5：未发送，不被接受（API 没有此字段）",
                    "top_p 0.5：未发送，取值固定（固定为 1）"]),
    "refused": ([*BEGUN, Failed(fault.from_connection("lab", ConnectionRefusedError(), base_url="http://127.0.0.1:9"))],
                ["lab: nothing listens at http://127.0.0.1:9",
                 "→ start the server there, or give the right --base-url"],
                ["lab：连接被拒绝，http://127.0.0.1:9 没有服务在监听", "→ 请在该地址启动服务，或改正 --base-url"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_each_ending_is_said_in_the_language_of_the_screen(name: str) -> None:
    events, english, chinese = ENDINGS[name]
    said = tail(a_pane(SAY, *events))
    assert set(english) <= set(said), said
    said = tail(a_pane(ZH_SAY, *events), "snow")
    assert set(chinese) <= set(said), said
    assert not [line for line in said if ENGLISH.search(line)], said


@pytest.mark.parametrize(
    ("status", "message", "hint"),
    [(401, "invalid key", "请检查 LAB_API_KEY 中的密钥"), (402, "no money", "请充值，或换用其他端点"),
     (404, "the model is not there", "请检查名称“m”"), (404, "nothing", "base URL 是否正确？多以 /v1 结尾"),
     (429, VENDOR, "请在 30 秒后重试"), (503, "busy", "请稍后重试"), (500, "crash", "端点出错，请稍后重试"),
     (400, "prompt is too long", "请缩短提示词，或选上下文更大的模型"),
     (400, "Unsupported parameter: 'seed'", "此模型请不要设 seed"),
     (418, "teapot", "请看端点返回的信息；f4 预览所发内容")],
)  # fmt: skip
def test_a_vendor_speaks_for_itself_and_the_hint_is_ours(status: int, message: str, hint: str) -> None:
    headers = {"retry-after": "30"} if status == 429 else {}
    body = b'{"error": {"message": "%s"}}' % message.encode()
    found = fault.from_response("lab", status, headers, body, model="m", key_name="LAB_API_KEY")
    assert tail(a_pane(ZH_SAY, *BEGUN, Failed(found)))[1:] == [f"lab {status}: {message}", f"→ {hint}"]
    assert tail(a_pane(SAY, *BEGUN, Failed(found)))[1:] == [f"lab {status}: {message}", f"→ {found.hint}"]


def test_a_fault_out_of_the_history_is_said_alike() -> None:
    found = fault.from_connection("lab", TimeoutError("slow"), base_url="http://h")
    kept = unpack(0, pack(Stamped(0, 1.0, Failed(found)))).event
    assert isinstance(kept, Failed) and kept.fault == found
    assert tail(a_pane(ZH_SAY, *BEGUN, kept)) == tail(a_pane(ZH_SAY, *BEGUN, Failed(found)))
    assert tail(a_pane(ZH_SAY, *BEGUN, kept))[1:] == ["lab：连接 http://h 超时", "→ 请检查网络，或重试"]
    plain = Fault("rate_limit", VENDOR, "try again", "lab", 429)  # of a history that has no sentences yet
    assert tail(a_pane(ZH_SAY, *BEGUN, Failed(plain)))[1:] == [f"lab 429: {VENDOR}", "→ 请重试"]


def test_while_it_is_sent_again_it_says_why() -> None:
    again = Retrying(fault.from_connection("lab", ConnectionRefusedError(), base_url="http://h"), 1.0, 2)
    assert tail(a_pane(ZH_SAY, *BEGUN, again)) == ["重试，原因：lab：连接被拒绝，http://h 没有服务在监听"]
    assert tail(a_pane(SAY, *BEGUN, again)) == ["retrying after: lab: nothing listens at http://h"]


def test_checks_say_what_is_wrong() -> None:
    events = [*BEGUN, Answer("snow falls"), Finished("stop", True)]
    wanted = ("contains:ice", "lines:2", "number:4", "max-length:3", "lines:1x5c")
    assert tail(a_pane(ZH_SAY, *events, checks=wanted), "snow falls")[1:] == [
        "检查：contains:ice ✗ 其中没有 · lines:2 ✗ 共 1 行 · number:4 ✗ 其中没有数 · max-length:3 ✗ 实有 10 · "
        "lines:1x5c ✗ 第 1 行为 10 字符"
    ]
    assert tail(a_pane(SAY, *events, checks=wanted), "snow falls")[1:] == [
        "checks: contains:ice ✗ not in it · lines:2 ✗ 1 line · number:4 ✗ no number in it · max-length:3 ✗ it has 10 · "
        "lines:1x5c ✗ line 1 has 10 characters"
    ]


def test_errors_are_told_in_the_language_of_the_screen() -> None:
    with pytest.raises(UsageError) as unknown:
        lookup("temprature")
    with pytest.raises(UsageError) as wrong:
        PARAMETERS["temperature"].parse("9")
    assert told(unknown.value, ZH_SAY) == (
        "✗ 没有参数“temprature” → 是否想写“temperature”？（仅此服务器认得的字段写作 body.temprature=JSON）"
    )
    assert told(unknown.value) == told(unknown.value, SAY)
    assert told(unknown.value, SAY) == (
        "✗ unknown parameter 'temprature' → did you mean 'temperature'?; a field only this server knows is "
        "body.temprature=JSON"
    )
    assert told(wrong.value, ZH_SAY) == (
        "✗ temperature：“9”不是 0 到 5 之间的数 → 随机程度：0 最低，1 为模型本来的分布"
    )
    with pytest.raises(UsageError) as low:
        PARAMETERS["max_tokens"].parse("0")
    assert told(low.value, ZH_SAY).startswith("✗ max_tokens：“0”不是不小于 1 的整数")
    assert told(LabError("nobody knows this one", "a {strange} hint"), ZH_SAY) == (
        "✗ nobody knows this one → a {strange} hint"
    )


def test_what_typer_refuses_is_told_too() -> None:
    lab = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    @lab.command()
    def send(jobs: int = typer.Option(1, "--jobs", "-j", min=1, max=9), job_time: float = typer.Option(1.0, min=0.5),
             raw: bool = typer.Option(False, "--raw")) -> None: ...  # fmt: skip

    def refused(*words: str) -> tuple[str, str]:
        with pytest.raises(typer.TyperException) as error:
            lab(args=list(words), standalone_mode=False)
        assert refusal(error.value) == error.value.format_message()
        return refusal(error.value), ZH_SAY.ours(refusal(error.value))

    assert refused("--job", "3")[1] == "没有选项 --job（相近的有 --job-time, --jobs）"
    assert refused("--zzz")[1] == "没有选项 --zzz"
    assert refused("-j")[1] == "选项 -j 缺少值"
    assert refused("-j", "x")[1] == "选项 '--jobs' / '-j' 的值无效：应为整数"
    assert refused("-j", "1.5")[1] == "选项 '--jobs' / '-j' 的值无效：应为整数"
    assert refused("--job-time", "x")[1] == "选项 '--job-time' 的值无效：应为数"
    assert refused("-j", "0")[1] == "选项 '--jobs' / '-j' 的值无效：应不小于 1"
    assert refused("-j", "10")[1] == "选项 '--jobs' / '-j' 的值无效：应不大于 9"
    assert refused("--job-time", "0")[1] == "选项 '--job-time' 的值无效：应不小于 0.5"
    assert refused("--raw=yes")[1] == "选项 --raw 不带值"
    assert refused("snow {falls}", "here")[1] == "参数栏里有多余的词：snow {falls} here"


@pytest.mark.parametrize(("words", "chinese"), [
    ("--schema nope.json", "无法读取 nope.json：没有这个文件 → 请检查路径"),
    ("sweep -m local --check schema:nope.json",
     "无法读取 schema nope.json：没有这个文件 → 请写 schema:文件，或 schema 本身"),
    ("-f .", ". 是文件夹 → 请给出文件；几个文件各用一个 -f"),
    ("-f nope.txt", "无法读取 nope.txt：没有这个文件 → 请检查路径"),
    ("sweep nope.yaml", "无法读取 nope.yaml：没有这个文件"),
    ("hello", "参数栏里有多余的词：hello → 写法与 promptlab ask 相同：promptlab ask --help"),
    ("'open", "参数栏无法解析：引号没有成对 → 缺少引号"),
    ("open\\", "参数栏无法解析：末尾的 \\ 后面没有字符"),
])  # fmt: skip
def test_what_is_mistyped_is_told_in_chinese(
    words: str, chinese: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = Places(tmp_path, tmp_path, tmp_path / "cache")
    with pytest.raises(LabError) as error:
        plan_of(hear(words if words[0] not in "-" else f"-m local {words}", "hi"), places, settings(places))
    assert told(error.value, ZH_SAY) == f"✗ {chinese}"


def test_a_sentence_is_a_text_whose_parts_are_no_templates() -> None:
    made = Sentence("no profile '{name}'", name="{name}{0}")
    assert made == "no profile '{name}{0}'" and ZH_SAY.ours(made) == "没有档案“{name}{0}”"
    assert ZH_SAY.ours(Sentence("known: {names}", names="none")) == "可用：none"  # a name, and no word of ours
    assert ZH_SAY.ours(Sentence("known: {names}", names=Sentence("none"))) == "可用：无"
    assert Sentence.whole(made) is made and Sentence.whole("a {b}") == "a {b}"
    assert ZH_SAY.ours(Sentence.joined(" and ", ["a", Sentence("none")])) == "a 和 无"
    assert Sentence.joined(", ", ["none"], last=" and ") == "none" and not Sentence.joined(", ", [], last=" and ")
    several = Sentence.joined(", ", ["{a}", "b", Sentence("none")], last=" and ")
    assert several == "{a}, b and none" and ZH_SAY.ours(several) == "{a}、b 和 无"
    assert nearest("temprature", ["temperature"]) == "did you mean 'temperature'?"


# -- the table, and what is said in the code -------------------------------------------------------------------------


def _texts(node: ast.AST, named: Mapping[str, ast.AST] = MappingProxyType({})) -> Iterator[str]:
    """The forms that an expression can be: texts, those of a choice, f-strings of plain names; and of what the module
    has given a name, a text or a table of some."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*_texts(node.body, named), *_texts(node.orelse, named))
    elif isinstance(node, ast.Name) and node.id in named:
        yield from _texts(named[node.id], named)
    elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        table = named.get(node.value.id)
        yield from (text for value in table.values for text in _texts(value)) if isinstance(table, ast.Dict) else ()
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) and isinstance(part.value, str)
                      else f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else ""
                      for part in node.values)  # fmt: skip


TREES = {path: ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py") if path.parent.name != "text"}
# Forms that are the same in every language.
BARE = {"{name} {word}", "{check} {note}", "{code} {message}", "# {line}", "✗ {message}", "  → {hint}", "\n"}
# Those of the lint are in test_tui_findings.
OPEN = {PACKAGE / "errors.py", PACKAGE / "profile" / "sentence.py"}
SHLEX = {"No closing quotation", "No escaped character"}


def _forms(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the form of each Sentence that a module makes, of parts or whole, and of what joins several."""
    named = {target.id: node.value for node in tree.body if isinstance(node, ast.Assign)
             for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("Sentence"), args=[first, *_]):
                found = list(_texts(first, named)) or ([] if path in OPEN else ["not to be read from the code"])
                yield from ((node.lineno, form) for form in found)
            case ast.Call(func=ast.Attribute(ast.Name("Sentence"), "whole"), args=[first]):
                yield from ((node.lineno, text) for text in _texts(first, named) if text)
            case ast.Call(func=ast.Attribute(ast.Name("Sentence"), "joined"), args=[first, *_], keywords=more):
                marks = (text for one in (first, *(each.value for each in more)) for text in _texts(one, named))
                yield from ((node.lineno, text) for text in marks if text != " · ")


def test_every_sentence_has_its_chinese_with_the_same_parts() -> None:
    known = sentences("zh")
    for path, tree in TREES.items():
        for line, form in _forms(path, tree):
            assert form in BARE or form in known, f"{path.relative_to(PACKAGE)}:{line}: no Chinese for {form!r}"
    for form, text in known.items():
        slots = [{name for _, name, _, _ in Formatter().parse(one) if name} for one in (form, text)]
        assert slots[0] == slots[1], form


def test_all_that_typer_is_known_to_say_has_its_chinese() -> None:
    assert {*FORMS, VALUE, *WHY} <= sentences("zh").keys()


def test_every_form_is_filled_as_python_would() -> None:
    made = {form for path, tree in TREES.items() for _, form in _forms(path, tree) if form in sentences("zh")}
    for form in {*made, *BARE, *(text for pair in sentences("zh").items() for text in pair), *FORMS, VALUE, *WHY}:
        slots = {name: f"{{{name}}}}}:>9{{{{" for _, name, _, _ in Formatter().parse(form) if name}
        assert fill(form, slots) == Sentence(form, **slots) == form.format(**slots), form


def test_no_sentence_is_in_two_tables() -> None:
    helps = {one.help: name for name, one in PARAMETERS.items()}
    tables = (sentence.ZH, lint.ZH, remark.ZH, axis.ZH, vote.ZH, request.ZH, helps)
    assert sum(len(table) for table in tables) == len(sentences("zh"))


def test_every_chinese_sentence_is_of_something_that_is_said() -> None:
    written = {text for tree in TREES.values() for node in ast.walk(tree) for text in _texts(node)}
    notes = {rule.note for rule in _rules()}
    notes |= {note.replace("{", "{{").replace("}", "}}") for note in notes}
    loose = {re.sub(r"\{[^}]*\}", "{}", text) for text in written}
    unsaid = {form for form in sentences("zh") if re.sub(r"\{[^}]*\}", "{}", form) not in loose} - written - notes
    assert unsaid == {*SYSTEM, *SHLEX}, "texts that nobody says"


def _rules() -> Iterator[Rule]:
    for family in read(document.load(SHIPPED)).families:
        for rules in family.parameters.values():
            yield from rules


def test_what_is_known_of_a_parameter_is_told_in_chinese() -> None:
    notes = {rule.note for rule in _rules() if rule.note}
    assert len(notes) > 50
    assert not [note for note in notes if ZH_SAY.ours(Sentence.whole(note)) == note]
