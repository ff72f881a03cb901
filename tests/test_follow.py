"""Conversations that go on: what was said before goes back, and what a vendor wants back goes with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptlab.cli.follow import followed
from promptlab.errors import UsageError
from promptlab.events import Answer, Event, Finished, Opaque, Thinking
from promptlab.knowledge import Judged
from promptlab.plan import Cell, Plan
from promptlab.providers.anthropic import Anthropic
from promptlab.providers.direct import Dialect
from promptlab.providers.gemini import Gemini
from promptlab.providers.openai_responses import OpenAIResponses
from promptlab.request import Message, Request, Wire
from promptlab.store import Store
from promptlab.transcript import Transcript
from tests.command import Lab, Servers
from tests.test_openai_chat import STOP, sse, texts

ANSWER = sse(*texts(["hm"], "reasoning_content"), *texts(["Snow."]), STOP)


def a_plan(*opaque: Opaque, thinking: str = "let me see") -> Plan:
    cell = Cell(0, "x/m", "x", Request("m", (Message("system", "Be brief."), Message("user", "why?")), {}))
    said = Transcript()
    events: tuple[Event, ...] = (Thinking(thinking), *opaque, Answer("Because."), Finished("stop", True))
    for event in events:
        said.apply(0.0, event)
    return followed(Plan((cell,), "why?"), [(cell, said)], "and then?")


def body(dialect: Dialect, plan: Plan) -> Any:
    return dialect.body(plan.cells[0].request, Judged({}, {}, {}, {}))


def test_the_conversation_goes_on_in_each_pane_by_itself(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    assert lab("ask", "first", "-m", "m", "--base-url", f"{server.url}/v1", "-t", "0.2,1.3").code == 0
    done = lab("follow", "还有呢？", "--format", "json")
    assert done.code == 0, done.err
    told = [[(m["role"], m["content"]) for m in json.loads(seen.body)["messages"]] for seen in server.requests[2:]]
    # The thinking of an earlier turn stays here: vendors of open traces want it left out.
    assert told == [[("user", "first"), ("assistant", "Snow."), ("user", "还有呢？")]] * 2
    one = lab("follow", "more", "--run", "1", "--pane", "2", "--format", "json")
    assert [json.loads(seen.body)["temperature"] for seen in server.requests[4:]] == [1.3] and one.code == 0


def test_what_can_not_be_followed_says_so(lab: Lab, serve: Servers) -> None:
    server = serve(sse(STOP))
    lab("ask", "first", "-m", "m", "--base-url", f"{server.url}/v1")
    for arguments, code, told in [(("--run", "7"), 1, "there is no run 7"), ((), 2, "run 1 has no answer"),
                                  (("--pane", "3"), 2, "pane 3 of run 1 has no answer")]:  # fmt: skip
        done = lab("follow", "why", *arguments)
        assert done.code == code and told in done.err and "Traceback" not in done.err
    with pytest.raises(UsageError):
        followed(Plan((), ""), [], "x")


def test_claude_gets_its_signed_and_sealed_thinking_back() -> None:
    said = body(Anthropic(), a_plan(Opaque("redacted", "zzz"), Opaque("signature", "sig")))["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == [
        {"type": "redacted_thinking", "data": "zzz"},
        {"type": "thinking", "thinking": "let me see", "signature": "sig"},
        {"type": "text", "text": "Because."},
    ]
    unsigned = body(Anthropic(), a_plan())["messages"]
    assert unsigned[1]["content"] == "Because."  # a block without its signature would be refused
    parted = body(Anthropic(), a_plan(Opaque("signature", "one"), Opaque("signature", "two")))["messages"]
    assert parted[1]["content"] == "Because."


def test_encrypted_reasoning_goes_back_before_its_answer() -> None:
    said = body(OpenAIResponses(), a_plan(Opaque("encrypted", "abc", "rs_1")))["input"]
    assert said[2:4] == [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"},
                         {"role": "assistant", "content": "Because."}]  # fmt: skip


def test_a_thought_signature_goes_back_with_its_part() -> None:
    said = body(Gemini(), a_plan(Opaque("signature", "sig")))["contents"]
    assert said[1] == {"role": "model", "parts": [{"text": "Because.", "thoughtSignature": "sig"}]}
    assert body(Gemini(), a_plan())["contents"][1] == {"role": "model", "parts": [{"text": "Because."}]}


def test_what_goes_back_is_kept_as_it_goes_out(tmp_path: Path) -> None:
    store, plan = Store(tmp_path / "h.db"), a_plan(Opaque("signature", "sig"))
    wire = Wire("http://x/v1/messages", body(Anthropic(), plan), {})
    run, _ = store.begin(plan, {0: wire})
    assert store.run(run.id).plan.cells[0].request.messages == plan.cells[0].request.messages
    assert store.sent(1)[0][1]["messages"] == wire.body["messages"]
    assert [hit.run for hit in store.search("Because")] == [1]


def test_a_profile_made_of_a_run_asks_the_same(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "config.yaml").write_text(f"endpoints: {{lab: {{base_url: '{server.url}/v1'}}}}", "utf-8")
    asked = ("ask", "写一首 {{ 七言绝句 }}", "-s", "You are 李白.", "-m", "lab/a", "-m", "lab/b", "-t", "0.2,1.3")
    assert lab(*asked).code == 0
    done = lab("profiles", "new", "libai", "--run", "1")
    assert done.code == 0 and "promptlab ask -p libai" in done.err, done.err
    assert lab("ask", "-p", "libai").code == 0
    bodies = [json.loads(seen.body) for seen in server.requests]
    assert sorted(map(str, bodies[:4])) == sorted(map(str, bodies[4:])) and len(bodies) == 8
    again = lab("profiles", "new", "libai", "--run", "1")
    assert again.code == 2 and "--force" in again.err
    assert "there is no run 9" in lab("profiles", "new", "other", "--run", "9").err


def test_one_pane_is_sent_again_or_asked_of_another(lab: Lab, serve: Servers) -> None:
    one, two = serve(ANSWER), serve(ANSWER)
    (lab.home / "config.yaml").write_text(
        f"endpoints: {{one: {{base_url: '{one.url}/v1'}}, two: {{base_url: '{two.url}/v1'}}}}", "utf-8"
    )
    assert lab("ask", "雪", "-s", "Be brief.", "-m", "one/a", "-t", "0.2,1.3").code == 0
    assert lab("rerun", "1", "--pane", "2").code == 0
    assert one.requests[2].body in (one.requests[0].body, one.requests[1].body)
    assert json.loads(one.requests[2].body)["temperature"] == 1.3
    assert lab("rerun", "1", "--pane", "1", "-m", "two/b").code == 0
    said = json.loads(two.requests[0].body)
    assert (said["model"], said["temperature"]) == ("b", 0.2) and said["messages"][-1]["content"] == "雪"
    for arguments, told in [(("--pane", "3"), "no pane 3"), (("-m", "two/b"), "none is named")]:
        done = lab("rerun", "1", *arguments)
        assert done.code == 2 and told in done.err


def test_the_best_one_is_marked_told_and_taken_back(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    lab("ask", "雪", "-m", "m", "--base-url", f"{server.url}/v1", "-t", "0.2,1.3")
    assert lab("best").code == 1
    marked = lab("best", "--cell", "2")
    assert (marked.code, marked.out) == (0, "Snow.\n") and "1.3" in marked.err
    assert lab("best", "1").out == "Snow.\n"
    assert lab("best", "1", "--cell", "2").code == 1  # again: its mark is taken
    assert "no pane 9" in lab("best", "--cell", "9").err


def test_favourites_are_kept_in_their_order(lab: Lab) -> None:
    assert lab("models", "favourite").out == ""
    lab("models", "favourite", "ollama/qwen3:4b")
    assert lab("models", "favourite", "local").out.split() == ["ollama/qwen3:4b", "local"]
    assert lab("models", "favourite", "local", "--remove").out.split() == ["ollama/qwen3:4b"]
