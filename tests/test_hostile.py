"""Text that attacks the terminal, in every place from which text comes, through every renderer: the raw bytes."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from promptlab.errors import Fault
from promptlab.events import Answer, Failed, Finished, Stamped, Started, Thinking
from promptlab.metrics import Cost
from promptlab.plan import Cell, Run, expand, parse_target
from promptlab.render.live import Panes
from promptlab.render.plain import Answers, Format, Lines, Notes, Records
from promptlab.request import Message
from promptlab.transcript import Transcript
from tests.command import Done, Lab, Servers
from tests.replay import JSON, Replay, Reply
from tests.test_cli import ANSWER
from tests.test_openai_chat import delta, sse, texts

ATTACKS = [
    "\x1b[2J", "\x1b[7A", "\x1b[35;45m", "\x1b[?1049h", "\x1b[6n",  # clear, move, colour, other screen, report
    "\x1b]52;c;cHduZWQ=\x07", "\x1b]0;pwned\x07", "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1bP$qm\x1b\\", "\x1b_G\x1b\\", "\x1bc", "\x1b",  # DCS, APC, reset, one that goes on in what follows
    "\x9b2J", "\x9d0;pwned\x9c", "\x90$qm\x9c", "\x85", "\x8d",  # the same in 8 bits; next line, reverse index
    "\x07", "\x08\x08\x08", "shown\rhidden", "\x00", "\x7f", "\x0b\x0c", "\x0e",
    "\u202eabc\u202c", "\u2066x\u2069", "\u200f", "\U000e0041\U000e0042", "\u2028",
    "[red]", "[/oops]", "[link=http://evil.example]x[/link]", "[@click=app.bell]",
]  # fmt: skip
PAYLOAD = " 雪 ".join(["start", *ATTACKS, "end."])
NAME = "".join(["m", *ATTACKS]).replace("\x00", "").replace("?", "").replace("&", "")  # argv can't hold a NUL
NAME = re.sub(r"\s", "", NAME)  # a target holds no white space
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e01ef]"
)
# All that rich writes of its own: the styles of render/live.py, and the cursor's way back to the top of the region.
RICHS_OWN = re.compile(
    r"\x1b\[(?:0|1|2|1;36|2;3|3;2|32|33|31|1;31)m|\x1b\[\?25[lh]|\x1b\[1A|\x1b\[2K|\r(?=\x1b\[)|\r(?=\n)"
)


def innocent(done: Done, *, terminal: bool = False) -> str:
    """The text, where no byte of it can act on a terminal; on one, beside what rich writes of its own."""
    assert "Traceback" not in done.out + done.err
    text = done.out + done.err
    if terminal:
        text = RICHS_OWN.sub("", text)
    found = FORBIDDEN.search(text)
    assert found is None, f"{found and found[0]!r} in {text[max(0, found.start() - 40) : found.end() + 20]!r}"
    return text


def screen(raw: bytes, columns: int, rows: int) -> pyte.HistoryScreen:
    shown = pyte.HistoryScreen(columns, rows, history=10_000)
    pyte.ByteStream(shown).feed(raw)
    return shown


def as_yaml(texts: dict[str, str]) -> str:
    """A YAML file that holds any characters at all, in escapes."""

    def quoted(text: str) -> str:
        return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'

    return "".join(f"{quoted(key)}: {quoted(text)}\n" for key, text in texts.items())


def answer(pieces: Iterable[str], reason: str = "stop") -> bytes:
    pieces = list(pieces)
    model = {**delta(), "model": NAME, "system_fingerprint": NAME}
    return sse(model, *texts(pieces, "reasoning_content"), *texts(pieces), delta(reason), {"usage": {NAME: NAME}})


@pytest.fixture
def hostile(lab: Lab, serve: Servers) -> tuple[Lab, tuple[str, ...]]:
    """A home whose endpoints answer, fail and retry with attacks; and the arguments that ask them all."""
    error = json.dumps({"error": {"message": PAYLOAD, "code": PAYLOAD, "type": PAYLOAD, "param": PAYLOAD}}).encode()
    servers = {
        "whole": serve(answer([PAYLOAD])),
        "split": serve(answer(PAYLOAD, reason=PAYLOAD), slice=7000),
        "bad": serve(error, JSON, status=400),
        "later": serve.serve(
            Replay(error, status=503, headers={**JSON, "retry-after-ms": "1"}).then(
                Reply(sse({"error": {"message": PAYLOAD, "code": 400}}))
            )
        ),
        "page": serve(f"<title>{PAYLOAD}</title>".encode(), {"content-type": "text/html"}),
    }
    lines = [f"  {name}: {{base_url: '{server.url}'}}" for name, server in servers.items()]
    (lab.home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")
    profile = {"name": PAYLOAD, "goal": PAYLOAD, "context": PAYLOAD}
    (lab.home / "p.yaml").write_text(as_yaml(profile), "utf-8")
    name = "".join(ATTACKS).replace("/", "").replace("\x00", "")[:80]
    (lab.home / name).write_text(PAYLOAD.replace("\x00", ""), "utf-8")
    targets = [word for endpoint in servers for word in ("-m", f"{endpoint}/{NAME}")]
    return lab, (PAYLOAD.replace("\x00", ""), "-p", "p.yaml", "-f", name, *targets)


def test_into_a_pipe_and_out_of_the_history(hostile: tuple[Lab, tuple[str, ...]]) -> None:
    lab, arguments = hostile
    text = lab("ask", *arguments, "-u")
    assert text.code == 3
    shown = innocent(text)
    assert text.out.count("start 雪 ␛[2J 雪 ␛[7A") == 2 and "[red] 雪 [/oops]" in text.out
    for word in ("start 雪 ␛[2J", "finish reason: start 雪 ␛[2J", "bad 400: start 雪 ␛[2J", "later 503: start 雪"):
        assert word in text.err
    assert "⟨U+202E⟩" in shown and "⟨U+009B⟩" in shown
    views = lab.each(
        ("show",), ("show", "--format", "md"), ("show", "--format", "jsonl"), ("runs",), ("runs", "--format", "json"),
        ("ask", *arguments, "--dry-run"), ("ask", *arguments, "--dry-run", "--format", "json"),
    )  # fmt: skip
    for done in views:
        assert done.code == 0
        innocent(done)
    kept = lab("show", "--format", "json")
    innocent(kept)
    whole, split, *_ = kept.json["cells"]  # escaped, and nothing of it lost
    assert whole["answer"] == split["answer"] == whole["thinking"]["text"] == PAYLOAD
    assert whole["target"] == f"whole/{NAME}" and kept.json["run"]["profile"] == PAYLOAD


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_in_live_panes(hostile: tuple[Lab, tuple[str, ...]], columns: int, rows: int) -> None:
    lab, arguments = hostile
    live = lab.on_terminal("ask", *arguments, columns=columns, rows=rows)
    assert live.code == 3
    text = innocent(live, terminal=True)
    assert "␛[2J" in text and "[/oops]" in text
    shown = screen(live.raw_out, columns, rows)
    assert shown.title == "" and not shown.cursor.hidden and shown.mode == pyte.HistoryScreen(1, 1).mode
    again = lab.on_terminal("show", columns=columns, rows=rows)
    innocent(again, terminal=True)


@pytest.mark.parametrize("words", [("--plain",), ("-q",), ("--format", "text"), ("--format", "md"),
                                   ("--format", "json"), ("--raw",)])  # fmt: skip
def test_on_a_terminal_without_panes(hostile: tuple[Lab, tuple[str, ...]], words: tuple[str, ...]) -> None:
    lab, arguments = hostile
    done = lab.on_terminal("ask", *arguments, *words)
    assert done.code == 3
    if "--raw" not in words:  # the panes' own sequences are no part of the other renderers
        assert b"\x1b" not in done.raw_out
    innocent(done, terminal=True)
    if words == ("--plain",):
        innocent(lab.on_terminal("runs"), terminal=True)


def test_in_what_is_wrong_with_the_arguments(lab: Lab) -> None:
    name = NAME.replace("/", "")[:90]
    (lab.home / "p.yaml").write_text(as_yaml({"goal": "x", PAYLOAD[:60]: "1"}), "utf-8")
    (lab.home / "q.yaml").write_text(as_yaml({"goal": "{{ " + "".join(ATTACKS) + " }}"}), "utf-8")
    x = ("hi", "-m", "openai/x")
    wrong = (
        (*x, "-f", name), (*x, "-p", name), (*x, "-p", "p.yaml"), (*x, "-p", "q.yaml"), ("hi", "-m", f"{name}/x"),
        (*x, "-o", f"{name}=1"), (*x, f"--{name}"), (*x, "b", name), (*x, "-t", name),
    )  # fmt: skip
    for done in lab.each(*(("ask", *words) for words in wrong)):
        shown = innocent(done)
        assert done.code == 2 and len(shown.splitlines()) == 2
        assert "␛" in shown or "\\x1b" in shown, shown


WIDE = (
    "江雪：千山鸟飞绝，万径人踪灭。😀 孤舟蓑笠翁 🎉🀄 独钓寒江雪\n"
    "\te\u0301 ❤\ufe0f 👩\u200d💻 👍\U0001f3fd ｗｉｄｅ ﾊﾝｶｸ café\n"
) * 3


@pytest.mark.parametrize(("columns", "edges"), [(80, {39}), (120, {39, 80})])
def test_panes_line_up_with_wide_characters(lab: Lab, serve: Servers, columns: int, edges: set[int]) -> None:
    body = sse(*texts(WIDE, "reasoning_content"), *texts(WIDE[::-1].replace("\t", "")), delta("stop"))
    (lab.home / "config.yaml").write_text(
        f"endpoints:\n  a: {{base_url: '{serve(body, slice=3000, pause=0.02).url}'}}\n"
        f"  雪: {{base_url: '{serve(ANSWER).url}'}}\n",
        "utf-8",
    )
    targets = ("-m", "a/雪", "-m", "雪/😀x", "-m", "a/third", "-m", "雪/four", "-m", "a/5", "-m", "雪/6")
    done = lab.on_terminal("ask", "hi", *targets, columns=columns, rows=100)
    assert done.code == 0
    shown = pyte.HistoryScreen(columns, 300, history=10_000)
    stream = pyte.ByteStream(shown)
    rows = 0
    for frame in re.split(rb"(?<=\n)", done.raw_out):  # a row at a time: every frame that was painted
        stream.feed(frame)
        row = shown.buffer[shown.cursor.y - 1]
        found = {column for column in range(columns) if row[column].data == "│"}
        assert found <= edges, "".join(cell.data for cell in row.values())
        rows += bool(found)
    assert rows > 40
    assert any("千山鸟飞绝" in line.replace(" ", "") for line in shown.display)


def _events(pieces: list[str]) -> list[Stamped]:
    fault = Fault("server", PAYLOAD, PAYLOAD, PAYLOAD, 500, PAYLOAD, PAYLOAD)
    events: list[Stamped] = [Stamped(0, 0.0, Started()), Stamped(1, 0.0, Started())]
    for piece in pieces:
        events += [Stamped(0, 1.0, Thinking(piece)), Stamped(1, 1.0, Answer(piece))]
    events += [Stamped(0, 2.0, Answer(piece)) for piece in pieces]
    return [*events, Stamped(1, 3.0, Failed(fault)), Stamped(0, 3.0, Finished(PAYLOAD, True))]


def _costing(cell: Cell, said: Transcript) -> Cost:
    return Cost(None, "local")


def _written(pieces: list[str], renderer: str) -> str:
    out = io.StringIO()
    run = Run(1, "2026-11-22T00:00:00Z", expand([parse_target(f"a/{NAME}"), parse_target("b/x")], {},
              lambda target, asked: (Message("user", PAYLOAD),), prompt=PAYLOAD, profile=PAYLOAD))  # fmt: skip
    notes = Notes(run.plan, out, _costing, usage=True)
    if renderer == "panes":
        console = Console(file=out, force_terminal=True, width=80, height=24, markup=False, highlight=False,
                          emoji=False, soft_wrap=True, color_system="standard")  # fmt: skip
        panes = Panes(run, console, _costing, lambda: 1.0)
        panes.start()
        for stamped in _events(pieces):
            panes(stamped)
            panes.refresh()
        panes.close()
        return out.getvalue()
    if renderer in ("md", "json", "jsonl"):
        format: Format = renderer  # type: ignore[assignment]
        records = Records(run, out, notes, _costing, format)
        for stamped in _events(pieces):
            records(stamped)
        records.close("done")
        return out.getvalue()
    sink = Lines(run.plan, out, notes) if renderer == "lines" else Answers(run.plan, out, notes)
    for stamped in _events(pieces):
        sink(stamped)
    return out.getvalue()


def _cut(places: list[int]) -> list[str]:
    edges = [0, *sorted({place % len(PAYLOAD) for place in places}), len(PAYLOAD)]
    return [PAYLOAD[start:end] for start, end in pairwise(edges) if end > start]


@pytest.mark.parametrize("renderer", ["answers", "lines", "md", "json", "jsonl", "panes"])
def test_split_anywhere(renderer: str) -> None:
    whole = _written([PAYLOAD], renderer)

    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.integers(1, 10_000), max_size=60))
    def check(places: list[int]) -> None:
        text = _written(_cut(places), renderer)
        innocent(Done(0, text.encode("utf-8", "surrogatepass"), b""), terminal=renderer == "panes")
        if renderer not in ("panes", "lines"):
            assert text == whole

    check()


def test_a_profile_folder_s_names_are_shown_harmless(lab: Lab) -> None:
    folder = lab.home / "profiles"
    folder.mkdir()
    (folder / "\x1b]0;pwned\x07\u202e.yaml").write_text("goal: x", "utf-8")
    done = lab("ask", "hi", "-m", "openai/x", "-p", "zzqq")
    assert done.code == 2 and "␛]0;pwned␇⟨U+202E⟩" in innocent(done)
    assert Path(folder).is_dir()
