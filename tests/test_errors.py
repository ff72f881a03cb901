"""Sentences that know their parts: how they are filled in, cut and cleaned, and what a stored fault may bring back."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.errors import Fault, Sentence, fill
from promptlab.events import Failed, Stamped, Started, pack, unpack
from promptlab.plan import Cell, Plan
from promptlab.providers import fault
from promptlab.render.facts import fault_lines
from promptlab.request import Message, Request
from promptlab.store import Store
from promptlab.tui.text import SYSTEM, Say
from tests.command import Lab

ZH = Say("zh")
PAGE = "{url} answered with a web page, not as a model server: {title}"
HOSTILE: dict[str, Any] = {
    "an attribute": {"{a.nope}": {"a": "x"}},
    "a method": {"{a.format}": {"a": "x"}},
    "no slot": {"{b}": {}},
    "an index": {"{a[0][1]}": {"a": "x"}},
    "an open brace": {"{a": {"a": "x"}},
    "a closed brace": {"a}": {"a": "x"}},
    "no name": {"{}": {}},
    "a conversion": {"{a!r}": {"a": "x"}},
    "padding": {"{a:1500000000}": {"a": "x"}},
    "null": {"{a}": {"a": None}},
    "a number": {"{a}": {"a": 1}},
    "an object": {"{a}": {"a": {"b": "c"}}},
    "no slots": {"it broke": None},
    "a list of slots": {"it broke": ["a"]},
    "a list": ["it broke"],
    "null for all": None,
    "a text": "it broke",
    "many": {f"form {number}": {} for number in range(17)},
    "many slots": {"{a0}": {f"a{number}": "x" for number in range(17)}},
    "a long slot": {"{a}": {"a": "x" * 2001}},
    "a long form": {"{a}" * 200: {"a": "x"}},
}


def stored(sentences: Any, message: str = "it broke", hint: str = "mend it") -> Fault:
    return Fault(**json.loads(json.dumps({"kind": "server", "message": message, "hint": hint,
                                          "sentences": sentences})))  # fmt: skip


def again(found: Fault) -> Fault:
    """A fault as it comes out of the history."""
    event = unpack(0, json.loads(json.dumps(pack(Stamped(0, 1.0, Failed(found)))))).event
    assert isinstance(event, Failed)
    return event.fault


@given(st.lists(st.sampled_from(["{a}", "{b_2}", "{{", "}}", " snow", "雪", ": "])),
       st.text("{}ab!:", max_size=9), st.text(max_size=9))  # fmt: skip
def test_a_form_is_filled_as_python_would(pieces: list[str], one: str, other: str) -> None:
    form = "".join(pieces)
    assert fill(form, {"a": one, "b_2": other}) == form.format(a=one, b_2=other)
    assert Sentence(form, a=one, b_2=other) == form.format(a=one, b_2=other)


@given(st.text())
def test_a_whole_text_has_no_blanks(text: str) -> None:
    assert Sentence.whole(text) == text and Sentence.whole(text).slots == {}


@pytest.mark.parametrize("name", HOSTILE)
def test_sentences_that_are_not_as_we_write_them_are_left_out(name: str) -> None:
    found = stored(HOSTILE[name])
    assert (found.message, found.hint, found.sentences) == ("it broke", "mend it", {})
    assert not isinstance(found.message, Sentence) and not isinstance(found.hint, Sentence)
    assert [ZH.ours(line) for line in fault_lines(found)] == ["it broke", "→ mend it"]
    good = stored({"it {a}": {"a": "broke"}})
    assert isinstance(good.message, Sentence) and good.sentences == {"it {a}": {"a": "broke"}}
    spare = stored({"it {a}": {"a": "broke", "more": "x"}, "not said": {}})
    assert spare.sentences == good.sentences and spare.message == good.message


def _unused(level: int) -> tuple[str, dict[str, str]]:
    return "x" * (level + 1), {f"a{number}": "x" * level for number in range(16)}


def _empty(level: int) -> tuple[str, dict[str, str]]:
    slots = dict.fromkeys((f"a{level}_{number}" for number in range(16)), "")
    return "".join(f"{{{name}}}" for name in slots), slots


def _doubled(level: int) -> tuple[str, dict[str, str]]:
    if not level:
        return "x", {}
    return f"{{a{level}}}{{b{level}}}", {f"{name}{level}": "x" * 2 ** (level - 1) for name in "ab"}


@pytest.mark.parametrize(("nested", "levels"), [(_unused, 16), (_empty, 16), (_doubled, 12)])
def test_sentences_in_each_other_cost_no_more_than_their_text(nested: Any, levels: int) -> None:
    known = dict(nested(level) for level in range(levels))
    form, slots = nested(levels - 1)
    found = stored(known, form.format(**slots))
    assert isinstance(found.message, Sentence) and found.message.form == form
    assert sum(1 for _ in found.message.parts()) <= 2 * len(found.message) + 1
    assert ZH.ours(found.message) == found.message


def test_sentences_that_would_be_in_each_other_are_not() -> None:
    found = stored({"{a}": {"a": "x"}, "{b}": {"b": "x"}}, "x")  # each has the other's text
    assert isinstance(found.message, Sentence) and [one.form for one in found.message.parts()] == ["{a}", "{b}"]
    assert again(found).sentences == found.sentences == {"{a}": {"a": "x"}, "{b}": {"b": "x"}}


@pytest.mark.parametrize("sentences", [HOSTILE["an attribute"], HOSTILE["padding"], HOSTILE["null"]])
def test_a_run_with_a_hostile_fault_is_shown_and_exported(tmp_path: Path, sentences: Any) -> None:
    cell = Cell(0, "lab/m", "lab", Request("m", (Message("user", "hi"),), {}), {})
    store = Store(tmp_path / "promptlab.db")
    _, recorder = store.begin(Plan((cell,), "hi"), {})
    recorder(Stamped(0, 1.0, Started({}, {})))
    recorder(Stamped(0, 2.0, Failed(Fault("server", "it broke", Sentence("mend it"), "lab", 500))))
    recorder.close("done")
    store.close()
    with sqlite3.connect(tmp_path / "promptlab.db") as db:
        db.execute("UPDATE events SET content = replace(content, ?, ?)",
                   ('{"mend it":{}}', json.dumps(sentences)))  # fmt: skip
        assert json.dumps(sentences) in db.execute("SELECT group_concat(content) FROM events").fetchone()[0]
    for done in Lab(tmp_path).each(["show", "1"], ["export", "1", "--format", "jsonl"]):
        assert done.code == 0 and "it broke" in done.out + done.err and "Traceback" not in done.err, done.err


# -- the same out of the history ---------------------------------------------------------------------------------------


def test_a_fault_out_of_the_history_knows_the_sentences_within_its_own() -> None:
    page = fault.from_response("lab", 404, {"content-type": "text/html"}, b"<html></html>", base_url="http://h")
    kept = again(page)
    live = [ZH.ours(line) for line in fault_lines(page)]
    assert live[0] == "lab 404：http://h 返回的是网页，不是模型服务：空白页"
    assert [ZH.ours(line) for line in fault_lines(kept)] == live
    assert again(kept) == kept and again(kept).sentences == kept.sentences == page.sentences
    deep = Sentence("{where}: {what}", where="lab", what=Sentence(PAGE, url="u", title=Sentence("an empty page")))
    assert ZH.ours(again(Fault("server", deep)).message) == ZH.ours(deep) == "lab：u 返回的是网页，不是模型服务：空白页"
    (hint,) = (again(Fault("server", "x", Sentence("leave out {param} for this model", param=one))).hint
               for one in [Sentence("the parameter")])  # fmt: skip
    assert ZH.ours(hint) == "此模型请不要设 该参数"


def test_what_is_stored_is_plain() -> None:
    page = fault.from_response("lab", 404, {"content-type": "text/html"}, b"<html></html>", base_url="http://h")
    slots = asdict(page)["sentences"][PAGE]
    assert slots == {"url": "http://h", "title": "an empty page"} and {type(slot) for slot in slots.values()} == {str}
    assert list(page.sentences) == ["an empty page", PAGE, fault.BASE_URL.form]


# -- cleaned, and cut --------------------------------------------------------------------------------------------------


def test_a_fault_with_a_control_character_is_still_ours() -> None:
    message = Sentence(PAGE, url="http://h", title="A\x1b[31m \u202ec\nd")
    found = Fault("server", message, Sentence("leave out {param} for this model", param="se\x1b[2Jed"), "lab", 502)
    happened, hint = fault_lines(found)
    assert happened == "lab 502: http://h answered with a web page, not as a model server: A␛[31m ⟨U+202E⟩c d"
    assert ZH.ours(happened) == "lab 502：http://h 返回的是网页，不是模型服务：A␛[31m ⟨U+202E⟩c d"
    assert (hint, ZH.ours(hint)) == ("→ leave out se␛[2Jed for this model", "→ 此模型请不要设 se␛[2Jed")
    assert fault_lines(Fault("server", Sentence.whole("a\x1b[2Jb"))) == ["a␛[2Jb"]
    spaced = Sentence("line {number} has {length}{unit}", number="\x071", length=7, unit=Sentence(" words"))
    assert [ZH.ours(line) for line in fault_lines(Fault("server", spaced))] == ["第 ␇1 行为 7 词"]


@pytest.mark.parametrize("detail", ["x" * 900, "x y\n" * 300, "a\tb\n c"])
def test_a_long_fault_is_still_ours(detail: str) -> None:
    cut = fault.one_line(Sentence("TLS failed at {host}: {detail}", host="http://h", detail=detail))
    assert isinstance(cut, Sentence) and cut.startswith("TLS failed at http://h: ") and len(cut) <= 300
    assert cut.endswith("…") == (len(detail) > 300) and cut == " ".join(cut.split())
    assert ZH.ours(cut) == f"http://h 的 TLS 握手失败：{cut.removeprefix('TLS failed at http://h: ')}"


def test_a_sentence_whose_parts_can_not_give_way_is_cut_as_a_text() -> None:
    many = Sentence.joined(", ", ["snow"] * 200)
    assert len(fault.one_line(many)) == 300 and fault.one_line(many).endswith("…")
    nested = Sentence("{where}: {what}", where="lab", what=Sentence(PAGE, url="u", title="t" * 900))
    assert ZH.ours(fault.one_line(nested)).startswith("lab：u 返回的是网页，不是模型服务：ttt")
    assert len(fault.one_line(nested)) == 300
    assert fault.one_line("snow " * 99) == ("snow " * 60)[:299] + "…"


# -- what others have made ---------------------------------------------------------------------------------------------


def test_a_text_of_others_is_read_by_the_first_form_that_fits() -> None:
    forms = ("No such {what}: {name} (known: {names})", "No such {what}: {name}")
    assert Sentence.read("No such file: a: {b}\n(c)", forms) == "No such file: a: {b}\n(c)"
    long, short = Sentence.read("No such x: y (known: a, b)", forms), Sentence.read("No such x: y", forms)
    assert long is not None and long.slots == {"what": "x", "name": "y", "names": "a, b"}
    assert short is not None and short.form == forms[1]
    assert Sentence.read("no such x: y", forms) is None and Sentence.read("No such x: ", forms) is None


def test_what_the_system_says_of_a_file_is_told_in_chinese(tmp_path: Path) -> None:
    from errno import EACCES, EISDIR, ENOENT, ENOTDIR

    assert tuple(map(os.strerror, (ENOENT, EACCES, EISDIR, ENOTDIR))) == SYSTEM
    assert ZH.ours("a b.yaml can't be read: No such file or directory") == "无法读取 a b.yaml：没有这个文件"
    assert ZH.ours("the schema x can't be read: Is a directory") == "无法读取 schema x：这是文件夹"
    assert ZH.ours("x can't be read: Too many open files") == "x can't be read: Too many open files"
    assert ZH.ours("the server says: Permission denied") == "the server says: Permission denied"
    assert Say("en").ours("x can't be read: Is a directory") == "x can't be read: Is a directory"
