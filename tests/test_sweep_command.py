"""`promptlab sweep`, `stable`, `audit`, `export` and `search`, as one types them, against real servers."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import pty
import random
import select
import signal
import struct
import termios
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from promptlab.store import Store
from tests.command import Lab
from tests.replay import JSON, Reply
from tests.test_audit import Body, Model, Start, refusal

CHANCE = random.Random(11)
NOUNS = ("snow", "ice", "river", "night", "bird", "moon", "stone", "reed", "wind", "light", "house", "boat", "road")


def told(body: Body) -> str:
    """A verse of a model that knows its temperature: one verse when cold, many when hot."""
    heat = body.get("temperature", 1)
    return " ".join(NOUNS[0] if CHANCE.random() > heat else CHANCE.choice(NOUNS) for _ in range(24))


def whatever(body: Body) -> str:
    """The same distribution whatever is asked."""
    return " ".join(CHANCE.choice(NOUNS) for _ in range(24))


def counted(model: Start) -> tuple[Model, threading.Semaphore]:
    """A model whose requests can be waited for."""
    seen = threading.Semaphore(0)

    def answer(body: Body) -> str:
        seen.release()
        return told(body)

    return model(answer), seen


def at(server: Model) -> tuple[str, ...]:
    return ("-m", "m", "--base-url", f"{server.url}/v1")


def test_a_sweep_shows_ladder_table_and_a_finding(lab: Lab, model: Start) -> None:
    server = model(told)
    done = lab("sweep", "verse", *at(server), "-t", "0,0.5,1", "-n", "6", "--no-audit")
    assert done.code == 0, done.err
    assert len(server.bodies) == 18
    assert Counter(body["temperature"] for body in server.bodies) == {0: 6, 0.5: 6, 1: 6}
    assert "temperature 0 " in done.out and "distinct-2" in done.out
    assert "temperature changes" in done.out or "effect" in done.out
    assert "18 cells" in done.err and "18 of 18 cells" in done.err
    assert "unknown" in done.err or "nobody knows" in done.err  # of the price, and of the knob


def test_json_has_points_with_measures_and_findings(lab: Lab, model: Start) -> None:
    done = lab("sweep", "verse", *at(model(told)), "-t", "0,1", "-n", "6", "--no-audit", "--format", "json")
    assert done.code == 0, done.err
    cold, hot = done.json["points"]
    assert (cold["parameters"], hot["parameters"]) == ({"temperature": 0.0}, {"temperature": 1.0})
    assert len(done.json["cells"]) == 12
    low, high = cold["measures"]["distinct_2"], hot["measures"]["distinct_2"]
    assert low["value"] < high["value"] and set(low) >= {"value", "low", "high", "n"}
    (effect,) = [one for one in done.json["findings"] if one["p"] is not None and one["p"] < 0.05][:1]
    assert effect["n"] == 12 and effect["text"]
    shown = lab("show", "--format", "json")
    assert shown.json["points"] == done.json["points"]
    lines = lab("show", "--format", "jsonl").records
    assert sum("index" in one for one in lines) == 12 and sum("point" in one for one in lines) == 2


def test_a_knob_that_nobody_knows_is_audited_and_a_void_one_collapsed(lab: Lab, model: Start) -> None:
    """The server ignores temperature: 24 calls of one token say so, and the axis becomes one point."""
    deck = itertools.cycle([f"word{n}" for n in range(40)])
    server = model(lambda body: next(deck) if body.get("max_tokens") == 1 else whatever(body))
    done = lab("sweep", "verse", *at(server), "-t", "0.2,0.7,1.2", "-n", "4", "--format", "json")
    assert done.code == 0, done.err
    tested = sum(body.get("max_tokens") == 1 for body in server.bodies)
    asked = [body for body in server.bodies if body["messages"][-1]["content"] == "verse"]
    assert tested == 24
    assert len(asked) == 4 and all("temperature" not in body for body in asked)
    (point,) = done.json["points"]
    assert point["answered"] == 4
    assert "no effect" in done.err
    again = lab("sweep", "verse", *at(server), "-t", "0.2,0.7,1.2", "-n", "4", "--dry-run")
    assert again.code == 0 and sum(body.get("max_tokens") == 1 for body in server.bodies) == 24  # not tested twice


def test_no_effect_is_found_where_a_server_ignores_it(lab: Lab, model: Start) -> None:
    done = lab("sweep", "verse", *at(model(whatever)), "-t", "0.2,1.2", "-n", "8", "--no-audit", "--format", "json")
    effects = [one for one in done.json["findings"] if "temperature" in one["text"]]
    assert effects and all(one["p"] is None or one["p"] > 0.05 for one in effects), effects


def test_the_other_answers_are_one_key_away(lab: Lab, model: Start) -> None:
    done = lab("sweep", "verse", *at(model(told)), "-t", "0,1", "-n", "3", "--no-audit", "--format", "json")
    texts = [cell["answer"] for cell in done.json["cells"] if cell["values"] == {"temperature": 1}]
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    process = lab.start("show", "1", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    got = b""

    def until(word: bytes) -> None:
        nonlocal got
        deadline = time.monotonic() + 30
        while word not in got and time.monotonic() < deadline:
            if select.select([master], [], [], 0.5)[0]:
                got += os.read(master, 65536)
        assert word in got, got

    try:
        until(b"(any other key to leave)")
        os.write(master, b"2")
        until(b"or any other key to leave")
        assert all(text.encode() in got for text in texts) and b"3 of 3" in got
        os.write(master, b"q")
        assert process.wait(10) == 0
        assert termios.tcgetattr(master)[3] & termios.ECHO  # the terminal is as it was
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_plan_is_written_shared_and_run_again(lab: Lab, model: Start) -> None:
    server = model(told)
    (lab.home / "rows.csv").write_text("place,check\nRome,contains:snow\nOslo,contains:snow\n", "utf-8")
    done = lab("sweep", "verse of {{place}}", *at(server), "-t", "0,1", "-n", "2", "--dataset", "rows.csv",
               "--no-audit", "--write-plan", "plan.yaml", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    prompts = Counter(body["messages"][-1]["content"] for body in server.bodies)
    assert prompts == {"verse of Rome": 4, "verse of Oslo": 4}
    assert all(cell["checks"] for cell in done.json["cells"])
    assert "temperature" in (lab.home / "plan.yaml").read_text("utf-8")
    again = lab("sweep", "plan.yaml", "--base-url", f"{server.url}/v1", "--no-audit", "--resume")
    assert again.code == 0 and len(server.bodies) == 8, again.err  # all of it is here
    more = lab("sweep", "plan.yaml", "--base-url", f"{server.url}/v1", "--no-audit", "-q")
    assert more.code == 0 and len(server.bodies) == 16
    assert lab("sweep", "verse", *at(server), "--write-plan", "plan.yaml").code == 2


def test_what_failed_is_sent_again_and_nothing_else(lab: Lab, model: Start) -> None:
    broken = threading.Event()
    broken.set()
    wrong = Reply(
        json.dumps({"error": {"message": "no such thing"}}).encode(), 400, {"content-type": "application/json"}
    )

    def flaky(body: Body) -> str | Reply:
        return wrong if broken.is_set() and body["temperature"] == 1 else told(body)

    server = model(flaky)
    done = lab("sweep", "verse", *at(server), "-t", "0,1", "-n", "3", "--no-audit")
    assert done.code == 3 and "3 failed" in done.err
    broken.clear()
    again = lab("sweep", "--resume", "1", "--retry-errors", "--format", "json")
    assert again.code == 0, again.err
    assert len(server.bodies) == 9
    assert [cell["state"] for cell in again.json["cells"]] == ["done"] * 6


def test_the_first_interrupt_ends_what_runs_and_resume_sends_the_rest(lab: Lab, model: Start) -> None:
    server, seen = counted(model)
    process = lab.start("sweep", "verse", *at(server), "-t", "0,1", "-n", "150", "--no-audit", "-j", "2")
    for _ in range(10):
        assert seen.acquire(timeout=120)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    before = len(server.bodies)
    assert before < 300 and b"--resume 1 goes on" in err
    store = Store(lab.home / "promptlab.db")
    assert sum(said.ending for _, said in store.samples(1)) == before  # what ran has ended, and is here
    store.close()
    again = lab("sweep", "--resume", "1", "-q")
    assert again.code == 0 and len(server.bodies) == 300


def test_a_killed_sweep_of_300_cells_loses_nothing_that_had_ended(lab: Lab, model: Start) -> None:
    server, seen = counted(model)
    process = lab.start("sweep", "verse", *at(server), "-t", "0,1", "-n", "150", "--no-audit", "-j", "4")
    for _ in range(100):
        assert seen.acquire(timeout=120)
    process.kill()
    process.communicate()
    store = Store(lab.home / "promptlab.db")
    ended = {cell.index: said.answer for cell, said in store.samples(1) if said.ending}
    store.close()
    before = len(server.bodies)
    assert 90 <= len(ended) <= before < 300
    again = lab("sweep", "--resume", "1", "--format", "json")
    assert again.code == 0, again.err
    assert len(server.bodies) - before == 300 - len(ended)  # the rest, and nothing twice
    kept = {cell["index"]: cell["answer"] for cell in again.json["cells"]}
    assert len(kept) == 300 and all(kept[index] == answer for index, answer in ended.items())


def test_a_cap_stops_it_and_a_gate_fails_it(lab: Lab, model: Start) -> None:
    server = model(told)
    done = lab("sweep", "verse", *at(server), "-t", "0,1", "-n", "50", "--no-audit", "--max-tokens-total", "200", "-j1")
    assert done.code == 4 and "--max-tokens-total 200" in done.err
    assert len(server.bodies) < 30
    gate = lab("sweep", "verse", *at(server), "-t", "0", "-n", "3", "--no-audit", "--check", "contains:dragon",
               "--fail-under", "0.5", "--junit", "checks.xml")  # fmt: skip
    assert gate.code == 100 and "0 of 3 answers pass" in gate.err
    assert (lab.home / "checks.xml").read_text("utf-8").count("<failure") == 3
    assert lab("sweep", "verse", *at(server), "-t", "0", "--no-audit", "--fail-under", "0.5").code == 2


def test_the_cache_gives_each_repeat_its_own_answer(lab: Lab, model: Start) -> None:
    server = model(told)
    command = ("sweep", "verse", *at(server), "-t", "1", "-n", "4", "--no-audit", "--format", "json")
    first, second = lab(*command), lab(*command, "--cache")
    assert len(server.bodies) == 4 and "4 from the cache" in second.err
    assert [cell["answer"] for cell in first.json["cells"]] == [cell["answer"] for cell in second.json["cells"]]
    assert len({cell["answer"] for cell in second.json["cells"]}) > 1


def test_a_wrong_key_is_not_tried_three_hundred_times(lab: Lab, model: Start) -> None:
    error = json.dumps({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}).encode()
    server = model(lambda body: Reply(error, 401, JSON))
    done = lab("sweep", "verse", *at(server), "-t", "0,1", "-n", "100", "--no-audit")
    assert done.code == 1 and len(server.bodies) < 20
    assert "are not sent" in done.err


def test_a_majority_that_can_not_change_ends_its_point(lab: Lab, model: Start) -> None:
    server = model(lambda body: "The answer is 42.")
    done = lab("sweep", "6 x 7", *at(server), "-t", "0.5", "-n", "21", "--no-audit", "-j1", "--until-decided",
               "--check", "answer:42", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    assert 11 <= len(server.bodies) <= 13
    assert done.json["points"][0]["measures"]["majority"]["value"] == 1


def test_stable_tells_where_answers_part(lab: Lab, model: Start) -> None:
    answers = itertools.cycle(["one two three", "one two four", "one two three"])
    server = model(lambda body: next(answers))
    done = lab("stable", "count", *at(server), "--runs", "6")
    assert done.code == 0, done.err
    assert "2 different answers of 6 (4, 2)" in done.out and "character 9" in done.out
    assert all(body["temperature"] == 0 for body in server.bodies)
    same = lab("stable", "count", *at(model(lambda body: "one")), "-n", "5", "--format", "json")
    assert same.json["stability"][0]["same"] is True


def test_what_a_sweep_found_is_exported_and_searched(lab: Lab, model: Start) -> None:
    server = model(lambda body: f"江雪与冰河 {body['temperature']}")
    assert lab("sweep", "写诗", *at(server), "-t", "0,1", "-n", "2", "--no-audit", "-q").code == 0
    page = lab("export", "1", "--format", "html")
    assert page.code == 0 and page.out.count("江雪与冰河") >= 4 and "<script src" not in page.out
    assert len(lab("export", "--format", "jsonl").records) == 4
    found = lab("search", "冰河", "--format", "json")
    assert found.code == 0 and len(found.json) == 4
    assert lab("search", "沙漠").code == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("-t", "0:2:0"), "step"),
        (("--axis", "temprature=0,1"), "temperature"),
        (("-t", "0,1", "--zip", "temperature,top_p"), "top_p"),
        (("-t", "0,1", "--seeds", "sometimes"), "varied"),
        (("-t", "0,1", "--extract", "bxed"), "boxed"),
        (("-t", "0,1", "--dataset", "none.csv"), "none.csv"),
        (("-t", "0,1", "--check", "contain:x"), "contains"),
        (("-t", "0,1", "--max-time", "soon"), "90s"),
        (("--resume", "7"), "no run 7"),
    ],
)
def test_what_can_not_be_swept_is_one_line(lab: Lab, model: Start, arguments: tuple[str, ...], word: str) -> None:
    done = lab("sweep", "verse", *at(model(told)), *arguments)
    assert done.code in (1, 2) and "Traceback" not in done.err
    assert word in done.err, done.err


def test_nothing_is_kept_with_no_save(lab: Lab, model: Start) -> None:
    done = lab("sweep", "verse", *at(model(told)), "-t", "0,1", "-n", "2", "--no-audit", "--no-save")
    assert done.code == 0 and "distinct-2" in done.out
    assert not (lab.home / "promptlab.db").exists()


def test_a_refused_axis_is_one_point_and_says_what_can_be_swept(lab: Lab) -> None:
    done = lab("sweep", "hi", "-m", "openai/o3", "-t", "0,1", "-n", "2", "--dry-run", "--format", "json")
    assert done.code == 0, done.err
    assert len(done.json) == 2 and all("temperature" not in request["sent"] for request in done.json)
    assert "effort" in done.err


def test_facts_of_decoding_hold_on_the_embedded_model(lab: Lab, weights: Path) -> None:
    """At temperature 0 with a seed all repeats are equal; distinct-2 rises over 0, 0.3, 0.7, 1, 1.3; the gap is zero
    at 1 within three standard errors, below it at 0.7 and above at 1.3. Above 1.3 nothing is asserted."""
    home = lab.home / "cache"
    home.mkdir()
    (home / weights.name).symlink_to(weights)
    done = lab("sweep", "Write a short poem about the sea.", "-m", "local", "-t", "0,0.3,0.7,1,1.3", "-n", "6",
               "--seeds", "varied", "--seed", "3", "--max-tokens", "48", "--format", "json")  # fmt: skip
    assert done.code == 0, done.err
    points: dict[float, Any] = {point["parameters"]["temperature"]: point for point in done.json["points"]}
    cold = [cell["answer"] for cell in done.json["cells"] if cell["parameters"]["asked"]["temperature"] == 0]
    assert len(cold) == 6 and len(set(cold)) == 1
    distinct = [points[t]["measures"]["distinct_2"]["value"] for t in (0, 0.3, 0.7, 1, 1.3)]
    assert distinct == sorted(set(distinct)), distinct
    gap = {t: points[t]["measures"]["gap"] for t in (0.7, 1, 1.3)}
    error = (gap[1]["high"] - gap[1]["low"]) / 4
    assert abs(gap[1]["value"]) <= 3 * error, gap
    assert gap[0.7]["high"] < 0 < gap[1.3]["low"], gap
    assert any(one["p"] is not None and one["p"] < 0.05 for one in done.json["findings"])


def test_a_target_that_learns_to_refuse_is_told(lab: Lab, model: Start) -> None:
    """A 400 in the middle of a sweep: the parameter is left out, the cells say so, and nothing is lost."""
    refused = refusal("top_k", "Unsupported parameter: 'top_k'")
    server = model(lambda body: refused if "top_k" in body else told(body))
    done = lab("sweep", "verse", *at(server), "-t", "0,1", "-o", "top_k=5", "-n", "1", "--no-audit", "--format", "json")
    assert done.code == 0, done.err
    assert {cell["parameters"]["verdicts"]["top_k"] for cell in done.json["cells"]} == {"refused"}
