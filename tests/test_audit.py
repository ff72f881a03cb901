"""Audits over HTTP: servers that honour a knob, ignore it, refuse it, or have one answer only; and the real model."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlab.audit import ENDS, Audited, audit, finding, findings
from promptlab.cli.audit import Auditing, audit_targets
from promptlab.cli.planning import Reach
from promptlab.cli.ready import Way
from promptlab.engine import Limits
from promptlab.errors import ProviderError, UsageError
from promptlab.knowledge import Effort, Family, Knowledge, Rule
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import EMBEDDED, Registry
from promptlab.request import LOCAL
from promptlab.store import Store
from tests.command import Servers
from tests.replay import JSON, Replay, Reply

Body = dict[str, Any]
Answer = str | Reply
WORDS = [f"word{n}" for n in range(40)]
ONCE = Limits(attempts=1)


class Model(Replay):
    """A chat server that answers each request by what it asks."""

    reason = "length"

    def __init__(self, answer: Callable[[Body], Answer]) -> None:
        super().__init__()
        self.answer = answer

    @property
    def bodies(self) -> list[Body]:
        return [json.loads(request.body) for request in self.requests]

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        said = self.answer(json.loads(self.requests[-1].body))
        if isinstance(said, str):
            chunk = {"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": self.reason}]}
            said = Reply(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        return await super()._answer(said, reader, writer)


Start = Callable[[Callable[[Body], Answer]], Model]  # of the fixtures called `model`


CHANCE = random.Random(4)


def draw(temperature: float) -> str:
    """A word of a model that has some favourites, at a temperature."""
    weights = [(1 / (n + 1)) ** (1 / max(temperature, 0.01)) for n in range(len(WORDS))]
    return CHANCE.choices(WORDS, weights)[0]


def honours(body: Body) -> str:
    return draw(body.get("temperature", 1))


DECK = itertools.cycle(WORDS)


def ignores(body: Body) -> str:
    """One draw from one distribution whatever is asked; without repeats, so that no chance is in the verdict."""
    return next(DECK)


def refusal(parameter: str, message: str) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": parameter, "code": "unsupported_parameter"}
    return Reply(json.dumps({"error": error}).encode(), 400, JSON)


def refuses(body: Body) -> Answer:
    said = "Unsupported parameter: 'temperature' is not supported with this model."
    return refusal("temperature", said) if "temperature" in body else "word"


def run(server: Model, parameter: str = "temperature", knowledge: Knowledge | None = None, **more: Any) -> Audited:
    endpoint = Endpoint("lab", f"{server.url}/v1", slots=8)

    async def go() -> Audited:
        registry = Registry({"lab": endpoint}, Path, knowledge=knowledge, mode="force")
        try:
            return await audit(registry.provider("lab", "m", {}), endpoint, "m", parameter, limits=ONCE, **more)
        finally:
            await registry.aclose()

    return asyncio.run(go())


@pytest.fixture
def model(serve: Servers) -> Callable[[Callable[[Body], Answer]], Model]:
    def start(answer: Callable[[Body], Answer]) -> Model:
        server = Model(answer)
        serve.serve(server)
        return server

    return start


def test_a_knob_that_is_honoured_works(model: Start) -> None:
    server = model(honours)
    found = run(server)
    assert (found.word, found.n) == ("works", 24) and found.p is not None and found.p < 0.02
    sent = [body["temperature"] for body in server.bodies if body["max_tokens"] == 1]
    assert len(sent) == 24 and set(sent) == {0.2, 1.2}
    assert not any("seed" in body for body in server.bodies)
    assert found.detail["ends"] == {"cold": 0.2, "hot": 1.2} and found.detail["calls"] == len(server.bodies)
    assert json.loads(json.dumps(found.json()))["detail"]["missed"] == found.detail["missed"]


def test_a_knob_that_is_ignored_is_void(model: Start) -> None:
    found = run(model(ignores))
    assert found.word == "void" and found.p is not None and found.p > 0.05
    said = finding(found)
    assert said is not None and (said.word, said.parameter, said.date) == ("ignored", "temperature", found.date)


def test_a_refused_knob_is_its_own_verdict_and_costs_two_calls(model: Start) -> None:
    server = model(refuses)
    found = run(server)
    assert (found.word, found.p, found.n) == ("refused", None, 0) and "not supported" in found.text
    said = finding(found)
    assert len(server.requests) == 2 and said is not None and said.word == "refused"


def test_a_hot_end_out_of_range_is_tried_lower(model: Start) -> None:
    def up_to_one(body: Body) -> Answer:
        if body["temperature"] > 1:
            return refusal("temperature", "temperature: must be between 0 and 1")
        return honours(body)

    found = run(model(up_to_one))
    assert found.word == "works" and found.detail["ends"] == {"cold": 0.2, "hot": 1.0}


def test_a_model_of_one_answer_is_inconclusive_after_three_prompts(model: Start) -> None:
    server = model(lambda body: "blue")
    found = run(server)
    assert (found.word, found.n) == ("inconclusive", 72) and finding(found) is None
    assert len({body["messages"][-1]["content"] for body in server.bodies if body["max_tokens"] == 1}) == 3


def test_answers_without_text_are_inconclusive(model: Start) -> None:
    found = run(model(lambda body: ""))
    assert found.word == "inconclusive" and found.p is None and "think" in found.text


def test_other_knobs_have_the_same_test(model: Start) -> None:
    def cuts(body: Body) -> str:
        return WORDS[0] if body.get("top_p", 1) < 0.1 else next(DECK)

    assert run(model(cuts), "top_p").word == "works"
    assert run(model(ignores), "top_p").word == "void"
    steady = model(lambda body: WORDS[body["seed"]] if "seed" in body else next(DECK))
    assert run(steady, "seed").word == "works"
    assert {body.get("seed") for body in steady.bodies} == {7, None}


def test_what_is_sent_beside_is_never_a_seed_nor_the_knob_itself(model: Start) -> None:
    server = model(honours)
    run(server, beside={"seed": 5, "temperature": 0.5, "top_k": 0})
    for body in server.bodies:
        assert body["top_k"] == 0 and "seed" not in body and body["temperature"] != 0.5


def test_a_least_number_of_tokens_is_respected(model: Start) -> None:
    def at_least_16(body: Body) -> Answer:
        if body["max_tokens"] < 16:
            return refusal("max_tokens", "max_tokens: expected a value >= 16, but got 1 instead.")
        return f"{honours(body)} and more"

    server = model(at_least_16)
    assert run(server).word == "works"
    assert sum(body["max_tokens"] == 1 for body in server.bodies) == 2


def test_a_knob_that_can_not_be_tested_and_an_endpoint_that_is_not_there(model: Start) -> None:
    server = model(lambda body: Reply(b'{"error": {"message": "no such key"}}', 401, JSON))
    with pytest.raises(UsageError, match="stop"):
        run(server, "stop")
    assert not server.requests
    with pytest.raises(ProviderError, match="no such key"):
        run(server)
    assert len(server.requests) == 2


ALWAYS = Knowledge([Family(("m",), thinks="always")])


def test_a_model_that_always_thinks_is_not_asked_without_leave(model: Start) -> None:
    server = model(honours)
    found = run(server, knowledge=ALWAYS)
    assert found.word == "inconclusive" and "always thinks" in found.text and not server.requests
    asked = run(server, knowledge=ALWAYS, thinking=True)
    assert asked.word == "works" and not any("max_tokens" in body for body in server.bodies)


def test_thinking_is_switched_off_where_it_can_be(model: Start) -> None:
    efforts = {"e": Effort({"none": {"thinking": "off"}, "high": {"thinking": "on"}})}
    server = model(honours)
    found = run(server, knowledge=Knowledge([Family(("m",), thinks="by default", effort="e")], efforts))
    assert found.word == "works" and found.detail["state"] == "off"
    assert all(body["thinking"] == "off" for body in server.bodies)


def test_an_audit_is_above_what_nobody_knows_and_void_above_what_is_written(model: Start) -> None:
    void = run(model(ignores))
    unknown, known = Knowledge(), Knowledge([Family(("m",), parameters={"temperature": (Rule("honoured"),)})])
    facts = unknown.facts("lab", "openai-chat", "m", base_url=void.base_url)
    [said] = findings([void], facts)
    merged = Knowledge(findings=[said]).above(unknown).facts("lab", "openai-chat", "m", base_url=void.base_url)
    assert merged.verdict("temperature", {"temperature": 0.5}).word == "ignored"
    written = known.facts("lab", "openai-chat", "m", base_url=void.base_url)
    assert [one.word for one in findings([void], written)] == ["ignored"]  # what was measured here is above it
    assert findings([replace(void, word="works")], written) == ()
    assert findings([replace(void, model="other")], facts) == ()


def scored(body: Body, factor: float, *, scaled: bool = False) -> Reply:
    """A text drawn at the asked temperature times `factor`, with its log probabilities: raw ones, or `scaled`."""
    asked = body.get("temperature", 1)
    content = []
    for place in range(body["max_tokens"]):
        logits = [-(0.5 + place % 3) * n * 0.4 for n in range(30)]
        shown = _normal([x / asked for x in logits] if scaled else logits)
        drawn = CHANCE.choices(range(30), [math.exp(x) for x in _normal([x / (asked * factor) for x in logits])])[0]
        top = [{"token": f" w{n}", "logprob": shown[n]} for n in range(body.get("top_logprobs", 0))]
        content.append({"token": f" w{drawn}", "logprob": shown[drawn], "top_logprobs": top})
    choice: Body = {"index": 0, "delta": {"content": "".join(str(one["token"]) for one in content)}}
    choice |= {"logprobs": {"content": content}, "finish_reason": "length"}
    return Reply(f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode())


def _normal(logits: list[float]) -> list[float]:
    whole = math.log(sum(math.exp(x) for x in logits))
    return [x - whole for x in logits]


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_rescaled_temperature_shows_where_there_are_log_probabilities(
    model: Start, factor: float, scaled: bool
) -> None:
    found = run(model(lambda body: scored(body, factor, scaled=scaled)), thorough=True)
    decoding = found.detail["decoding"]
    assert found.word == "works" and isinstance(decoding, dict)
    assert decoding["convention"] == ("scaled" if scaled else "raw")
    heat = decoding["temperature"]
    assert isinstance(heat, dict)
    value, low, high = (float(str(heat[name])) for name in ("value", "low", "high"))
    error = (1 / low - 1 / high) / (2 * 1.96)
    assert abs(1 / value - 1 / (0.7 * factor)) < 4 * error and high - low < 0.2
    assert factor == 1.0 or high < 0.6
    assert ("asked 0.7, behaves like" in found.text) and (f"[{low:.2f}, {high:.2f}]" in found.text)


# -- the embedded model ------------------------------------------------------------------------------------------------


def of_the_real_one(weights: Path, parameter: str, beside: Mapping[str, Any]) -> Audited:
    async def go() -> Audited:
        endpoint = Endpoint(LOCAL, local=True, slots=4)
        registry = Registry({LOCAL: endpoint}, lambda model: weights, mode="force")
        try:
            return await audit(registry.provider(LOCAL, "", {}), endpoint, "", parameter, beside=beside)
        finally:
            await registry.aclose()

    return asyncio.run(go())


def test_temperature_works_at_the_embedded_model_and_is_what_was_asked(weights: Path) -> None:
    found = of_the_real_one(weights, "temperature", {"top_k": 0, "top_p": 1, "min_p": 0})
    assert found.word == "works" and found.model == EMBEDDED
    decoding = found.detail["decoding"]
    assert isinstance(decoding, dict) and decoding["convention"] == "raw"
    heat, tail = decoding["temperature"], decoding["tail"]
    assert isinstance(heat, dict) and isinstance(tail, dict)
    value, low, high = (float(str(heat[name])) for name in ("value", "low", "high"))
    error = (1 / low - 1 / high) / (2 * 1.96)
    assert abs(1 / value - 1 / 0.7) <= 4 * error and high - low < 0.6
    assert float(str(tail["p"])) > 0.0005


# -- the command -------------------------------------------------------------------------------------------------------


def command(tmp_path: Path, server: Model, monkeypatch: pytest.MonkeyPatch, how: Auditing, **more: Any) -> int:
    monkeypatch.setenv("PROMPTLAB_HOME", str(tmp_path))
    way = more.pop("way", Way())
    return audit_targets(["m"], how, way, ONCE, reach=Reach(f"{server.url}/v1"), **more)


def test_the_command_tells_and_keeps(
    model: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = model(ignores)
    assert command(tmp_path, server, monkeypatch, Auditing(("temperature", "top_p"))) == 0
    shown = capsys.readouterr()
    assert "temperature has no effect (p = " in shown.out and "top_p has no effect" in shown.out
    assert "at most 5%" in shown.out and "auditing temperature" in shown.err
    [store] = [Store(file) for file in tmp_path.rglob("*.db")]
    kept = {one.parameter: one for one in store.audits()}
    store.close()
    assert set(kept) == {"temperature", "top_p"} and kept["top_p"].word == "void" and kept["top_p"].n >= 24
    said = finding(kept["top_p"])
    assert said is not None and said.word == "ignored"


def test_the_command_gives_json_and_keeps_nothing_where_it_shall_not(
    model: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(tmp_path, model(honours), monkeypatch, Auditing(), way=Way(save=False), format="json", quiet=True)
    shown = capsys.readouterr()
    assert code == 0 and shown.err == ""
    [one] = json.loads(shown.out)["audits"]
    assert one["word"] == "works" and one["detail"]["ends"]["cold"] == ENDS["temperature"][0]
    assert not list(tmp_path.rglob("*.db"))


def test_a_target_that_fails_is_told_without_a_traceback(
    model: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = model(lambda body: Reply(b'{"error": {"message": "no \\u001b[31msuch key"}}', 401, JSON))
    assert command(tmp_path, server, monkeypatch, Auditing()) == 1
    shown = capsys.readouterr()
    assert "such key" in shown.err and "\x1b" not in shown.err and "Traceback" not in shown.err


def test_a_dry_run_sends_nothing_and_a_wrong_knob_is_named(
    model: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = model(honours)
    assert command(tmp_path, server, monkeypatch, Auditing(), way=Way(dry_run=True)) == 0
    assert "24 one-token calls" in capsys.readouterr().out and not server.requests
    with pytest.raises(UsageError, match="temprature"):
        command(tmp_path, server, monkeypatch, Auditing(("temprature",)))
