"""Asked, sent, honoured: planted endpoints that refuse, pin or ignore a parameter, through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import Lab, Servers
from tests.replay import EVENT_STREAM, JSON, Replay, Reply

ANSWER = b"".join(
    b"data: " + json.dumps(chunk).encode() + b"\n\n"
    for chunk in (
        {"model": "m", "choices": [{"delta": {"content": "Snow."}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    )
) + b"data: [DONE]\n\n"  # fmt: skip
# OpenAI's own bodies.
ERROR = {"type": "invalid_request_error", "param": "temperature"}
REFUSED = {
    "error": {
        **ERROR, "code": "unsupported_parameter",
        "message": "Unsupported parameter: 'temperature' is not supported with this model.",
    }
}  # fmt: skip
PINNED = {
    "error": {
        **ERROR, "code": "unsupported_value",
        "message": "Unsupported value: 'temperature' does not support 0.2 with this model. "
        "Only the default (1) value is supported.",
    }
}  # fmt: skip


def planted(serve: Servers, body: dict[str, Any]) -> Replay:
    """A server that answers the first request with a 400, and every other one well."""
    first = Replay(json.dumps(body).encode(), status=400, headers=JSON)
    return serve.serve(first.then(Reply(ANSWER, headers=EVENT_STREAM)))


def ask(lab: Lab, server: Replay, *more: str) -> Any:
    return lab("ask", "hi", "-m", "m", "--base-url", f"{server.url}/v1", "-t", "0.2", "--seed", "7", *more)


def bodies(server: Replay) -> list[Any]:
    return [json.loads(request.body) for request in server.requests]


@pytest.mark.parametrize(
    ("body", "word", "note"),
    [(REFUSED, "refused", "temperature 0.2 left out, refused"),
     (PINNED, "pinned", "temperature 0.2 left out, pinned: fixed at 1")],
)  # fmt: skip
def test_a_refusal_is_told_got_over_once_and_remembered(
    lab: Lab, serve: Servers, body: dict[str, Any], word: str, note: str
) -> None:
    server = planted(serve, body)
    done = ask(lab, server, "--format", "json")
    (cell,) = done.json["cells"]
    assert (done.code, cell["state"], cell["answer"]) == (0, "done", "Snow.")
    assert cell["parameters"]["asked"] == {"temperature": 0.2, "seed": 7}
    assert cell["parameters"]["sent"] == {"seed": 7}
    assert cell["parameters"]["verdicts"] == {"temperature": word, "seed": "unknown"}
    assert cell["retries"][0]["param"] == "temperature"
    assert ["temperature" in sent for sent in bodies(server)] == [True, False]
    assert lab.shown()["cells"] == [cell], "the history says the same"

    again = ask(lab, server)
    assert again.code == 0 and len(server.requests) == 3, "asked once: it is known now"
    assert "temperature" not in bodies(server)[2]
    assert note in again.err and "unknown: seed 7" in again.err and "found here on 20" in again.err
    for renderer in (("show",), ("show", "--plain")):
        assert note in lab(*renderer).err + lab(*renderer).out
    assert note in lab("show", "--format", "md").out
    panes = lab.on_terminal("rerun", columns=120, rows=40)
    assert note in panes.out and len(server.requests) == 4

    facts = lab("models", "facts", "m", "--base-url", f"{server.url}/v1")
    assert facts.code == 0 and word in facts.out and "custom" in facts.out
    assert lab("models", "forget", "m").code == 0
    assert lab("models", "forget", "m").code == 1, "nothing is known of it any more"


def test_what_is_accepted_is_not_called_honoured(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    done = ask(lab, server, "--format", "json")
    (cell,) = done.json["cells"]
    assert cell["parameters"]["verdicts"] == {"temperature": "unknown", "seed": "unknown"}
    assert cell["parameters"]["sent"] == {"temperature": 0.2, "seed": 7}


def test_force_sends_as_asked_fails_and_still_learns(lab: Lab, serve: Servers) -> None:
    server = planted(serve, REFUSED)
    done = ask(lab, server, "--params", "force")
    assert done.code == 1 and "Unsupported parameter: 'temperature'" in done.err
    assert len(server.requests) == 1
    assert lab.shown()["cells"][0]["parameters"]["verdicts"]["temperature"] == "refused"
    forced = ask(lab, server, "--params", "force")
    assert forced.code == 0 and "temperature" in bodies(server)[1], "what is known doesn't hold it back"


def test_strict_stops_before_sending(lab: Lab, serve: Servers) -> None:
    server = planted(serve, REFUSED)
    first = ask(lab, server, "--params", "strict")
    assert first.code == 1 and len(server.requests) == 1, "nothing was known: it went out, and was refused"
    done = ask(lab, server, "--params", "strict")
    assert done.code == 2 and len(server.requests) == 1
    assert "nothing was sent" in done.err and "temperature 0.2 is refused" in done.err and "--params adapt" in done.err


def test_one_value_that_is_refused_says_nothing_of_the_others(lab: Lab, serve: Servers) -> None:
    body = {"error": {"message": "temperature must be in [0, 1]", "code": "bad_value", "param": "temperature"}}
    server = planted(serve, body)
    assert ask(lab, server).code == 0
    other = lab("ask", "hi", "-m", "m", "--base-url", f"{server.url}/v1", "-t", "0.9", "--format", "json")
    assert other.json["cells"][0]["parameters"]["sent"] == {"temperature": 0.9}


def test_a_refusal_of_something_else_is_no_reason_to_send_less(lab: Lab, serve: Servers) -> None:
    body = {"error": {"message": "the prompt is bad", "type": "invalid_request_error", "param": "messages"}}
    server = planted(serve, body)
    assert ask(lab, server).code == 1 and len(server.requests) == 1


def test_no_save_keeps_no_finding(lab: Lab, serve: Servers) -> None:
    server = planted(serve, REFUSED)
    assert ask(lab, server, "--no-save").code == 0
    assert not (lab.home / "promptlab.db").exists()


def test_a_wrong_mode_is_named(lab: Lab) -> None:
    done = lab("ask", "hi", "--params", "stric")
    assert done.code == 2 and "'stric'" in done.err and "'strict'" in done.err


def test_a_retired_id_is_told_with_its_successor(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "config.yaml").write_text(
        f"endpoints:\n  v: {{base_url: '{server.url}/v1'}}\n"
        "retired:\n  - {match: old, at: v, date: 2026-01-01, successor: new}\n", "utf-8",
    )  # fmt: skip
    done = lab("ask", "hi", "-m", "v/old")
    assert done.code == 0 and "v/old was retired on 2026-01-01; its successor is new" in done.err


def test_aliases_and_groups(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "config.yaml").write_text(
        f"endpoints:\n  v: {{base_url: '{server.url}/v1'}}\n"
        "aliases: {fast: 'v/small?seed=1'}\ngroups: {both: [fast, v/big]}\n", "utf-8",
    )  # fmt: skip
    done = lab("ask", "hi", "-m", "@both", "-m", "fast?top_p=0.5", "--format", "json")
    told = [(cell["target"], cell["parameters"]["asked"]) for cell in done.json["cells"]]
    assert told == [("v/small", {"seed": 1}), ("v/big", {}), ("v/small", {"seed": 1, "top_p": 0.5})]
    missing = lab("ask", "hi", "-m", "@bot")
    assert missing.code == 2 and "@bot" in missing.err and "'both'" in missing.err


def test_unknown_paths_stay_out_of_the_way(tmp_path: Path, lab: Lab, serve: Servers) -> None:
    """A key kept for one endpoint is read from where `keys set` put it, and an env file only where it is asked for."""
    server = serve(ANSWER)
    (lab.home / "config.yaml").write_text(f"endpoints:\n  v: {{base_url: '{server.url}/v1', key: V_KEY}}\n", "utf-8")
    env = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    refused = lab("ask", "hi", "-m", "v/m", env=env)
    assert refused.code == 1 and "promptlab keys set V_KEY" in refused.err
    kept = lab("keys", "set", "v", stdin=b"planted-key-1\n", env=env)
    assert kept.code == 0 and "planted" not in kept.out + kept.err
    assert lab("ask", "hi", "-m", "v/m", env=env).code == 0
    (tmp_path / "some.env").write_text("V_KEY=planted-key-2\n", "utf-8")
    assert lab("ask", "hi", "-m", "v/m", "--env-file", str(tmp_path / "some.env"), env=env).code == 0
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer planted-key-1", "Bearer planted-key-2"]


def test_a_400_that_was_about_something_else_teaches_nothing(lab: Lab, serve: Servers) -> None:
    """It blames the parameter, and says the same of a request without it: then it was not that."""
    first = Replay(json.dumps(REFUSED).encode(), status=400, headers=JSON)
    server = serve.serve(first)
    done = ask(lab, server)
    assert done.code == 1 and len(server.requests) == 2
    assert lab("models", "forget", "m").code == 1, "nothing was kept"


def test_headers_of_an_endpoint_do_not_go_to_another_address(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "config.yaml").write_text(
        "endpoints:\n  team: {base_url: 'http://127.0.0.1:9/v1', headers: {x-team-token: planted}}\n", "utf-8"
    )
    assert lab("ask", "hi", "-m", "team/m", "--base-url", f"{server.url}/v1").code == 0
    assert "x-team-token" not in server.requests[0].headers


def test_a_kept_knowledge_of_another_shape_is_read_anew(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    assert ask(lab, server).code == 0
    (kept,) = (lab.home / "cache").glob("knowledge-*.json")
    for content in ("[]", "{}", '{"endpoints": 5}', '{"endpoints": {"a": {"base_url": 7}}}', "nonsense"):
        kept.write_text(content)
        done = ask(lab, server)
        assert done.code == 0 and "Traceback" not in done.err, content
        assert len(kept.read_text()) > 10_000


def test_without_a_home_it_says_so(lab: Lab) -> None:
    done = lab("ask", "hi", env={"PROMPTLAB_HOME": "~nobody-of-that-name/x"})
    assert done.code == 2 and "PROMPTLAB_HOME" in done.err and "Traceback" not in done.err


def test_a_broken_history_does_not_stop_a_run_that_keeps_nothing(lab: Lab, serve: Servers) -> None:
    (lab.home / "promptlab.db").write_text("garbage")
    done = ask(lab, serve(ANSWER), "--no-save")
    assert done.code == 0 and "can't be opened" in done.err and "Snow." in done.out
