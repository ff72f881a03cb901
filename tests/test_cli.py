"""The command as people use it: what goes to stdout, to stderr, to the endpoint and into the history."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.command import PATIENCE, Lab, Servers, interrupt, read_until, until
from tests.replay import JSON, Replay
from tests.test_openai_chat import STOP, delta, sse, texts

USAGE = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14,
         "completion_tokens_details": {"reasoning_tokens": 4},
         "prompt_tokens_details": {"cached_tokens": 2}}  # fmt: skip
ANSWER = sse(
    *texts(["Let me ", "think."], "reasoning_content"), *texts(["Snow ", "falls 雪"]), STOP,
    {"choices": [], "usage": USAGE},
)  # fmt: skip
BEGUN = sse(*texts(["First ", "words"]), done=False)
REFUSED = b'{"error": {"message": "no such thing", "type": "invalid_request_error"}}'


def at(server: Replay) -> tuple[str, str]:
    return "--base-url", f"{server.url}/v1"


def named(lab: Lab, **servers: Replay) -> None:
    """A config.yaml in which each server has a name."""
    lines = [f"  {name}: {{base_url: '{server.url}/v1'}}" for name, server in servers.items()]
    (lab.home / "config.yaml").write_text("\n".join(["endpoints:", *lines]), "utf-8")


def bodies(server: Replay) -> list[Any]:
    return [json.loads(request.body) for request in server.requests]


def test_one_model_gives_nothing_but_its_answer(lab: Lab, serve: Servers) -> None:
    done = lab("ask", "hi", "-m", "openai/x", *at(serve(ANSWER, slice=1)))
    assert (done.code, done.out) == (0, "Snow falls 雪\n")
    head, facts = done.err.rstrip("\n").rsplit("\n", 1)
    assert head == "thinking (raw):\nLet me think."
    for fact in ("first thought", "first answer", "thinking", "(4 tok)", "answer", "9 tok", "no price: local"):
        assert fact in facts


def test_several_models_get_a_heading_each_in_the_order_asked(lab: Lab, serve: Servers) -> None:
    slow, quick = serve(ANSWER, slice=60, pause=0.02), serve(sse(*texts(["B"]), STOP))
    named(lab, slow=slow, quick=quick)
    done = lab("ask", "hi", "-m", "slow/a", "-m", "quick/b")
    assert (done.code, done.out) == (0, "=== slow/a ===\nSnow falls 雪\n\n=== quick/b ===\nB\n")
    assert "[slow/a] thinking (raw):\n[slow/a] Let me think.\n" in done.err
    assert all(line.startswith(("[slow/a] ", "[quick/b] ")) for line in done.err.splitlines())
    again = lab("show")
    assert (again.out, again.err) == (done.out, done.err)


def test_a_live_run_and_the_history_are_the_same_json(lab: Lab, serve: Servers) -> None:
    hidden = sse(*texts(["C"]), STOP, {"choices": [], "usage": USAGE})
    again = {"content-type": "application/json", "retry-after-ms": "1"}
    serve_twice = serve.serve(Replay(b"{}", status=503, headers=again).then(reply(hidden)))
    named(lab, good=serve(ANSWER), bad=serve(REFUSED, status=400, headers=JSON), later=serve_twice)
    done = lab("ask", "hi 雪", "-m", "good/a", "-m", "bad/b", "-m", "later/c", "-t", "0.5", "--format", "json")
    assert done.code == 3
    assert done.json == lab("show", "--format", "json").json == lab.shown()
    assert set(done.json) == {"run", "cells"}
    good, bad, later = done.json["cells"]
    assert good["target"] == "good/a" and good["answer"] == "Snow falls 雪" and good["complete"] is True
    assert good["thinking"] == {"text": "Let me think.", "kind": "raw", "withheld": None, "opaque": []}
    assert good["parameters"] == {
        "asked": {"temperature": 0.5}, "sent": {"temperature": 0.5}, "verdicts": {"temperature": "unknown"},
        "notes": {},
    }  # fmt: skip
    assert good["finish_reason"] == "stop" and good["error"] is None and good["usage"]["raw"] == USAGE
    assert set(good["timing"]) == {"first_thought", "first_answer", "thinking", "answer", "total", "queued", "loading"}
    assert 0 <= good["timing"]["first_thought"] <= good["timing"]["first_answer"] <= good["timing"]["total"] < PATIENCE
    assert bad["error"]["status"] == 400 and bad["error"]["message"] == "no such thing" and bad["state"] == "failed"
    assert [fault["status"] for fault in later["retries"]] == [503]
    assert later["thinking"]["kind"] == "hidden" and later["answer"] == "C"
    live, kept = (lab(*words, "--format", "md") for words in (("rerun",), ("show",)))
    assert live.out == kept.out and "## good/a" in live.out and "Thinking (raw)" in live.out
    assert live.out.startswith("# Run 2\n") and "> hi 雪" in live.out and "*good/a" not in live.out


def reply(body: bytes) -> Any:
    from tests.replay import Reply

    return Reply(body)


def test_jsonl_is_a_line_a_cell_as_each_ends(lab: Lab, serve: Servers) -> None:
    held = serve(BEGUN, hold=True)
    named(lab, held=held, quick=serve(ANSWER))
    process = lab.start("ask", "hi", "-m", "held/a", "-m", "quick/b", "--format", "jsonl")
    first = json.loads(read_until(process, b"\n"))
    assert (first["target"], first["answer"]) == ("quick/b", "Snow falls 雪")
    until(lambda: held.requests, "the request")
    done = interrupt(process)
    (second,) = done.records
    assert (done.code, second["target"], second["state"]) == (130, "held/a", "cancelled")
    assert lab("show", "--format", "jsonl").records == [first, second]


def test_quiet_hidden_thinking_usage_and_no_history(lab: Lab, serve: Servers) -> None:
    ask = ("ask", "hi", "-m", "openai/x", *at(serve(ANSWER)))
    quiet = lab(*ask, "-q", "--no-save")
    assert (quiet.code, quiet.out, quiet.err) == (0, "Snow falls 雪\n", "")
    assert [path.name for path in lab.home.iterdir()] == ["cache"]
    hidden = lab(*ask, "-R", "-u", "--no-save")
    assert "Let me think" not in hidden.out + hidden.err and "first thought" in hidden.err
    assert "input 5 · cached 2 · output 9 · thinking 4 · billed output 9 · no price: local" in hidden.err
    empty = lab("runs")
    assert (empty.code, empty.out) == (0, "") and "no runs yet" in empty.err


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_dry_run_says_exactly_what_would_be_sent_and_sends_nothing(lab: Lab, serve: Servers, format: str) -> None:
    server = serve(ANSWER)
    ask = ("ask", "hi", "-m", "openai/x?seed=7", "-s", "Be brief.", *at(server))
    done = lab(*ask, "--dry-run", "--format", format)
    assert (done.code, done.err, server.requests) == (0, "", [])
    assert not (lab.home / "promptlab.db").exists()
    if format == "json":
        (shown,) = done.json
        url, body = shown["url"], shown["body"]
        assert (shown["target"], shown["asked"], shown["key"]) == ("openai/x", {"seed": 7}, None)
    else:
        first, told, rest = done.out.split("\n", 2)
        url, body = first.removeprefix("POST "), json.loads(rest)
        assert told == "# unknown: seed 7"
    assert url == f"{server.url}/v1/chat/completions"
    assert lab(*ask).code == 0
    assert bodies(server) == [body]


def test_stdin_and_files_are_context_before_the_instruction(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "a.txt").write_text("雪 A\n", "utf-8")
    ask = ("ask", "Review this", "-m", "openai/x", "-s", "Be brief.", "-f", "a.txt", *at(server))
    assert lab(*ask, stdin="diff 国\n".encode()).code == 0
    assert bodies(server)[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": '<file name="a.txt">\n雪 A\n</file>\n\ndiff 国\n\nReview this'},
    ]


def test_stdin_alone_is_the_prompt(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    assert lab("ask", "-m", "openai/x", *at(server), stdin=b"Only this.\n").code == 0
    assert bodies(server)[0]["messages"] == [{"role": "user", "content": "Only this."}]


def test_a_profile_by_name_and_by_file(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    mine = "goal: Praise {{who}}.\nformat: One line.\nrules: [No title.]\ncontext: It is {{when}}.\n"
    mine += "variables: {who: , when: winter}\nparameters: {temperature: 0.9, top_p: 0.5}\n"
    (lab.home / "mine.yaml").write_text(mine, "utf-8")
    ask = ("ask", "-m", "openai/x", *at(server))
    assert lab(*ask, "-p", "english-quatrain", "--var", "subject=a cold pier").code == 0
    done = lab(*ask, "Go", "-p", "mine.yaml", "--var", "who=杜甫", "-t", "0.1", "--format", "json")
    shipped, own = bodies(server)
    assert "a cold pier" in shipped["messages"][-1]["content"] and "ABAB" in shipped["messages"][0]["content"]
    assert own["messages"] == [
        {"role": "system", "content": "# Goal\nPraise 杜甫.\n\n# Format\nOne line.\n\n# Rules\n- No title."},
        {"role": "user", "content": "It is winter.\n\nGo"},
    ]
    assert (own["temperature"], own["top_p"]) == (0.1, 0.5)  # the command's value is above the profile's
    assert done.json["run"]["profile"] == "mine"
    assert "[mine]" in lab("runs").out


def test_a_sweep_a_target_s_own_setting_and_raw_fields(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    targets = ("-m", "openai/x", "-m", "openai/x?temperature=0.7")
    done = lab("ask", "hi", *targets, "-t", "0.2,1.3", "-o", "top_p=0.9", "-o", 'body.extra={"a": [1]}',
               "--stop", "a", "--stop", "b,c", *at(server))  # fmt: skip
    assert done.code == 0
    headings = re.findall(r"^=== (.*) ===$", done.out, re.M)
    assert headings == [f"openai/x temperature {value}" for value in ("0.2", "1.3", "0.7")]
    sent = bodies(server)
    assert sorted(body["temperature"] for body in sent) == [0.2, 0.7, 1.3]
    for body in sent:
        assert (body["top_p"], body["extra"], body["stop"]) == (0.9, {"a": [1]}, ["a", "b,c"])
    assert {request.path for request in server.requests} == {"/v1/chat/completions"}


def test_rerun_sends_the_same_bytes_again(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "p.yaml").write_text("goal: '雪 {{x}}'\nvariables: {x: 😀}\n", "utf-8")
    ask = ("ask", "é\t国", "-m", "openai/x", "-p", "p.yaml", "-t", "0.1", "--seed", "3", "-o", "body.z=null")
    assert lab(*ask, *at(server), stdin=b"from a pipe").code == 0
    (lab.home / "p.yaml").unlink()
    done = lab("rerun", "1", "--format", "json")
    assert done.code == 0 and done.json["run"]["id"] == 2
    first, second = server.requests
    assert first.body == second.body and first.path == second.path
    assert bodies(server)[0]["z"] is None


def test_runs_show_and_path(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    named(lab, good=server, bad=serve(REFUSED, status=400, headers=JSON))
    first = lab("ask", "the first 雪", "-m", "good/a")
    assert lab("ask", "the second", "-m", "good/a", "-m", "bad/b").code == 3
    newest, oldest = lab("runs").out.splitlines()
    assert re.match(r" +2  20..-..-.. ..:.. +1/2  good/a, bad/b  the second$", newest)
    assert re.match(r" +1  20..-..-.. ..:.. +1  good/a  the first 雪$", oldest)
    assert [run["id"] for run in lab("runs", "-n", "1", "--format", "json").json] == [2]
    assert lab("show", "1").out == first.out
    assert lab("show").out.startswith("=== good/a ===\n")
    missing = lab("show", "99")
    assert missing.code == 1 and missing.err.startswith("promptlab: there is no run 99\n")
    database = lab.home / "promptlab.db"
    assert f"history   {database}" in lab("path").out
    assert database.stat().st_mode & 0o777 == 0o600


def test_exit_codes_of_failures_and_time_outs(lab: Lab, serve: Servers) -> None:
    held = serve(BEGUN, hold=True)
    named(lab, good=serve(ANSWER), bad=serve(REFUSED, status=400, headers=JSON), held=held)
    assert lab("ask", "hi", "-m", "bad/a", "-m", "bad/b").code == 1
    assert lab("ask", "hi", "-m", "bad/a", "-m", "good/b").code == 3
    late = lab("ask", "hi", "-m", "good/a", "-m", "held/b", "--timeout", "1.5")
    assert late.code == 4 and "held: not finished after 1.5 s" in late.err and "--timeout" in late.err
    until(held.disconnected.is_set, "the end of the connection")
    good, cut = lab.shown()["cells"]
    assert (good["state"], cut["state"], cut["answer"]) == ("done", "failed", "First words")
    assert cut["error"]["kind"] == "timeout"


def test_an_answer_that_is_not_complete_is_no_success(lab: Lab, serve: Servers) -> None:
    done = lab("ask", "hi", "-m", "openai/x", *at(serve(BEGUN)))
    assert (done.code, done.out) == (1, "First words\n")
    assert "not complete: the stream ended without a finish reason" in done.err


def test_ctrl_c_keeps_what_has_arrived_and_closes_every_connection(lab: Lab, serve: Servers) -> None:
    held, other = serve(BEGUN, hold=True), serve(b"", hold=True)
    named(lab, held=held, other=other)
    process = lab.start("ask", "hi", "-m", "held/a", "-m", "other/b")
    until(lambda: held.requests and other.requests, "the requests")
    done = interrupt(process)
    assert done.code == 130 and "Traceback" not in done.err
    assert done.err.count("cancelled: what had arrived is kept") == 2
    for server in (held, other):
        until(server.disconnected.is_set, "the end of the connection")
    kept = lab.shown()
    assert kept["run"]["state"] == "cancelled" and {cell["state"] for cell in kept["cells"]} == {"cancelled"}


def test_ctrl_c_keeps_every_word_that_was_read(lab: Lab, serve: Servers) -> None:
    server = serve(BEGUN, hold=True)
    process = lab.start("ask", "hi", "-m", "openai/x", *at(server))
    assert read_until(process, b"words") == b"First words"
    done = interrupt(process)
    assert (done.code, done.out) == (130, "\n")
    until(server.disconnected.is_set, "the end of the connection")
    (cell,) = lab.shown()["cells"]
    assert (cell["state"], cell["answer"], cell["complete"]) == ("cancelled", "First words", False)
    assert "cancelled" in lab("runs").out


def test_a_killed_process_loses_no_finished_cell(lab: Lab, serve: Servers) -> None:
    held = serve(BEGUN, hold=True)
    named(lab, held=held, quick=serve(ANSWER))
    process = lab.start("ask", "hi", "-m", "quick/a", "-m", "held/b", "--format", "jsonl")
    read_until(process, b"\n")
    until(lambda: held.requests, "the request")

    def kept() -> bool:
        return len(lab.shown()["cells"][1]["answer"]) > 0

    until(kept, "the flush of the running cell")
    process.kill()
    process.communicate()
    shown = lab.shown()
    assert shown["run"]["state"] == "broken off"
    assert [(cell["state"], cell["answer"]) for cell in shown["cells"]] == [
        ("done", "Snow falls 雪"), ("cancelled", "First words"),
    ]  # fmt: skip


@pytest.mark.parametrize("streams", ["stdout", "both"])
def test_a_reader_that_leaves_stops_the_run_and_loses_nothing(lab: Lab, serve: Servers, streams: str) -> None:
    endless = serve(sse(*texts(["word "] * 3000), STOP), slice=200, pause=0.005)
    err = subprocess.STDOUT if streams == "both" else subprocess.PIPE
    process = lab.start("ask", "hi", "-m", "openai/x", *at(endless), stderr=err)
    assert process.stdout is not None
    read_until(process, b"word")
    process.stdout.close()
    assert process.wait(PATIENCE) == 1
    if process.stderr:
        assert "Traceback" not in process.stderr.read().decode()
        process.stderr.close()
    until(endless.disconnected.is_set, "the end of the connection")
    shown = lab.shown()
    assert shown["run"]["state"] == "cancelled" and shown["cells"][0]["answer"].startswith("word word")


@pytest.mark.parametrize("words", [("runs",), ("show",), ("show", "--format", "json"), ("ask", "hi", "--dry-run")])
def test_the_history_into_a_pipe_that_nobody_reads(lab: Lab, serve: Servers, words: tuple[str, ...]) -> None:
    assert lab("ask", "hi", "-m", "openai/x", *at(serve(ANSWER))).code == 0
    reading, writing = os.pipe()
    os.close(reading)
    process = lab.start(*words, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in err and b"Exception" not in err


COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m")


@pytest.mark.parametrize(
    ("options", "env", "coloured"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--plain",), {}, False),
        ((), {"TERM": "dumb"}, False),
        ((), {"CI": "true"}, False),
    ],
)
def test_colours_on_a_terminal(
    lab: Lab, serve: Servers, options: tuple[str, ...], env: dict[str, str], coloured: bool
) -> None:
    done = lab.on_terminal("ask", "hi", "-m", "openai/x", *at(serve(ANSWER)), *options, env=env)
    assert done.code == 0 and "falls 雪" in done.out
    assert bool(COLOUR.search(done.raw_out)) is coloured
    appends = "--plain" in options or "TERM" in env or "CI" in env
    assert (b"\x1b" not in done.raw_out) is appends


def test_no_escape_sequence_in_a_pipe(lab: Lab, serve: Servers) -> None:
    done = lab("ask", "hi", "-m", "openai/x", *at(serve(ANSWER)), env={"FORCE_COLOR": "1", "COLUMNS": "40"})
    assert b"\x1b" not in done.raw_out + done.raw_err


def test_an_encoding_without_the_answer_s_characters(lab: Lab, serve: Servers) -> None:
    done = lab("ask", "hi", "-m", "openai/x", *at(serve(ANSWER)), env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.raw_out) == (0, b"Snow falls \\u96ea\n")
    assert lab.shown()["cells"][0]["answer"] == "Snow falls 雪"


def test_closed_streams_do_not_end_up_in_the_history(lab: Lab, serve: Servers) -> None:
    shell = ("/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
    process = lab.start("ask", "hi", "-m", "openai/x", *at(serve(ANSWER)), through=shell)
    assert process.wait(PATIENCE) == 0
    process.communicate()
    assert lab.shown()["cells"][0]["answer"] == "Snow falls 雪"


@pytest.mark.parametrize("words", [("tui",), ("profiles", "new", "x")])
def test_a_closed_stdin_is_an_empty_one(lab: Lab, words: tuple[str, ...]) -> None:
    process = lab.start(*words, through=("/bin/sh", "-c", 'exec "$@" <&-', "sh"))
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and b"Traceback" not in told and told.count(b"\n") == 2


@pytest.mark.parametrize("words", [("--help",), ("ask", "--help"), ("--version",)])
def test_help_says_what_there_is(lab: Lab, words: tuple[str, ...]) -> None:
    done = lab(*words)
    assert (done.code, done.err) == (0, "")
    wanted = {"--help": ["ask", "runs", "show", "rerun"], "--version": ["promptlab "], "ask": ["--temperature", "-t"]}
    assert all(word in done.out for word in wanted[words[0]])


def test_a_delta_of_another_model_is_named_as_served(lab: Lab, serve: Servers) -> None:
    body = sse({**delta(content="c"), "model": "x-2026-11", "provider": "Upstream"}, STOP)
    done = lab("ask", "hi", "-m", "openai/x", "--format", "json", *at(serve(body)))
    (cell,) = done.json["cells"]
    assert cell["target"] == "openai/x" and cell["model"] == "x-2026-11"
    assert cell["served"]["upstream"] == "Upstream"


def test_the_requests_of_a_run_are_shown_as_they_went_out(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    asked = lab("ask", "雪?", "-m", "openai/m", *at(server), "-t", "0.2,1.3", "-s", "be short")
    assert asked.code == 0
    shown = json.loads(lab("show", "--requests", "--format", "json").out)
    assert [item["body"] for item in shown] == sorted(
        (json.loads(request.body) for request in server.requests), key=lambda body: float(body["temperature"])
    )
    assert "POST http://127.0.0.1" in lab("show", "--requests").out


def test_the_embedded_model_from_the_command_to_the_history(lab: Lab, weights: Path) -> None:
    cache = lab.home / "cache"
    cache.mkdir(parents=True)
    (cache / weights.name).hardlink_to(weights)
    question = ("ask", "Write a quatrain about snow and a frozen river", "-m", "local", "-t", "0,1.3", "--seed", "7",
                "--max-tokens", "24", "--format", "json")  # fmt: skip
    first, second = lab(*question), lab(*question)
    assert first.code == second.code == 0
    one, two = json.loads(first.out), json.loads(second.out)
    answers = [cell["answer"] for cell in one["cells"]]
    assert all(answers) and answers[0] != answers[1]
    assert answers == [cell["answer"] for cell in two["cells"]]  # a seed, and nothing that depends on the load
    for cell in one["cells"]:
        assert cell["usage"]["source"] == "provider" and 0 < cell["usage"]["output"] <= 24
        assert cell["cost"] == {"usd": None, "reason": "local"} and cell["complete"]
    assert json.loads(lab("show", str(one["run"]["id"]), "--format", "json").out) == one
    with closing(sqlite3.connect(lab.home / "promptlab.db")) as database:
        rows = database.execute(
            "SELECT answer FROM cells WHERE run = ? ORDER BY number", (one["run"]["id"],)
        ).fetchall()
    assert [answer for (answer,) in rows] == answers
    panes = lab.on_terminal(
        "ask", "Count to five", "-m", "local", "-t", "0,1", "--max-tokens", "8", columns=80, rows=24
    )
    assert panes.code == 0
