"""The real command against real servers: llama.cpp, and a LiteLLM proxy as a gateway in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from promptlab.providers.discovery import Server, look
from promptlab.providers.probe import Probe
from tests.command import Lab, interrupt, read_until, until
from tests.gateway import Gateway, Llama, missing

# A template that opens the thinking itself, as those of Qwen3 and DeepSeek-R1 do: llama.cpp's own parser then splits
# what comes. The small model never thinks by itself, so a grammar writes for it.
THINKS = """
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {{- '<|im_start|>assistant\n<think>\n' + (message.reasoning_content or '') + '\n</think>\n\n' }}
        {{- message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n<think>\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '\n</think>\n\n' }}
    {%- endif %}
{%- endif %}
"""
GRAMMAR = 'root ::= "Two and two, and nothing else." "\\n</think>\\n\\n" "It is four."'
SENTENCE = 'root ::= [A-Z] [a-z ]{40,80} "."'
SWITCH = '{"enable_thinking": false}'
ENDLESS = ("--max-tokens", "1800", "-o", "body.ignore_eos=true")
WRONG = "sk-a-key-of-nobody"


@pytest.fixture(scope="module")
def llama(weights: Path) -> Iterator[Llama]:
    with closing(Llama(weights, "smol")) as server:
        yield server


@pytest.fixture(scope="module")
def thinker(weights: Path) -> Iterator[Llama]:
    with closing(Llama(weights, "thinker", THINKS)) as server:
        yield server


@pytest.fixture(scope="module")
def doomed(weights: Path) -> Iterator[Llama]:
    """Behind the gateway, for the one test that kills it."""
    with closing(Llama(weights, "doomed")) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(
    llama: Llama, thinker: Llama, doomed: Llama, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:  # fmt: skip
    if absent := missing():
        pytest.skip(f"the packages of the LiteLLM proxy are not installed: {', '.join(absent)}")

    def at(server: Llama, model: str, **more: object) -> dict[str, object]:
        return {"model": model, "api_base": server.base_url, "api_key": server.key, **more}

    models: dict[str, object] = {
        "smol": at(llama, "openai/smol"),
        "thinker": at(thinker, "openai/thinker"),
        "doomed": at(doomed, "openai/doomed"),
        "glm": at(llama, "zai/glm-4.6"),  # litellm itself refuses a seed for these, before it sends
        "glm-dropping": at(llama, "zai/glm-4.6", drop_params=True),
        "o3": at(llama, "openai/o3-mini"),  # and a temperature for these
        "stranger": at(llama, "openai/smol") | {"api_key": WRONG},
        "afar": {"model": "openai/x", "api_base": "http://model.invalid/v1", "api_key": "none"},
    }
    with closing(Gateway(tmp_path_factory.mktemp("gateway"), models)) as running:
        yield running


@pytest.fixture
def gateway(proxy: Gateway) -> Iterator[Gateway]:
    start = proxy.size()
    yield proxy
    print(proxy.log(start))  # shown where the test failed


@dataclass(frozen=True, slots=True)
class Road:
    """A way to the models: `plain` and `thinker` are targets, `verdict` what can be said of a parameter there."""

    plain: str
    thinker: str
    verdict: str


def configure(lab: Lab, **servers: Llama | Gateway) -> None:
    """A config.yaml in which each server has a name, and its key in NAME_KEY. What is known of llama.cpp holds for
    its servers; of the gateway nothing is known."""
    lines = ["endpoints:"]
    for name, server in servers.items():
        like = ", like: llamacpp" if isinstance(server, Llama) else ""
        lines.append(f"  {name}: {{base_url: '{server.base_url}', key: {name.upper()}_KEY{like}}}")
    (lab.home / "config.yaml").write_text("\n".join(lines), "utf-8")
    lab.environment = {f"{name.upper()}_KEY": server.key for name, server in servers.items()}


@pytest.fixture(params=["direct", "gateway"])
def road(request: pytest.FixtureRequest, lab: Lab, llama: Llama, thinker: Llama) -> Road:
    if request.param == "direct":
        configure(lab, llama=llama, thinker=thinker)
        return Road("llama/smol", "thinker/thinker", "honoured")
    configure(lab, gateway=request.getfixturevalue("gateway"))
    return Road("gateway/smol", "gateway/thinker", "unknown")


@pytest.fixture
def through(lab: Lab, gateway: Gateway) -> Lab:
    """The command with nothing but the gateway in its config.yaml."""
    configure(lab, gateway=gateway)
    return lab


def ask(lab: Lab, *arguments: str, code: int = 0) -> Any:
    """The one cell of a run. The command must end with `code`."""
    done = lab("ask", "What is two and two?", *arguments, "--format", "json")
    assert done.code == code, done.err
    (cell,) = done.json["cells"]
    return cell


# Discovery -----------------------------------------------------------------------------------------------------------


def found(*probes: Probe) -> list[Server]:
    return asyncio.run(look(probes, limit=10))


def test_llama_cpp_is_recognised_and_its_models_are_described(llama: Llama, thinker: Llama) -> None:
    plain, thinking = found(*(Probe(s.name, s.base_url, key=s.key, local=True) for s in (llama, thinker)))
    for server in (plain, thinking):
        assert (server.software, server.state, server.detail) == ("llama.cpp", "answers", "")
        (model,) = server.models
        assert (model.endpoint, model.id) == (server.name, server.name)
        assert (model.kind, model.loaded, model.local, model.quantisation) == ("chat", True, True, "Q4_1")
        assert model.context == Llama.context, "what one slot has: a prompt can have no more"
        assert model.size and 90e6 < model.size < 100e6
    assert (plain.models[0].thinks, thinking.models[0].thinks) == ("no", "switchable"), "by their chat templates"


def test_a_gateway_lists_its_aliases_and_more_is_not_claimed(gateway: Gateway) -> None:
    (server,) = found(Probe("gateway", gateway.base_url, key=gateway.key, local=True))
    assert (server.software, server.state) == ("openai-compatible", "answers")
    models = {model.id: model for model in server.models}
    assert sorted(models) == ["afar", "doomed", "glm", "glm-dropping", "o3", "smol", "stranger", "thinker"]
    smol = models["smol"]
    assert (smol.kind, smol.thinks, smol.context, smol.size, smol.loaded, smol.price) == (None,) * 6


def test_promptlab_models_lists_both(lab: Lab, llama: Llama, thinker: Llama, gateway: Gateway) -> None:
    configure(lab, llama=llama, thinker=thinker, gateway=gateway)
    listed = lab("models", "--refresh", "--format", "json").json
    servers = {server["name"]: (server["software"], server["state"]) for server in listed["servers"]}
    assert servers["llama"] == servers["thinker"] == ("llama.cpp", "answers")
    assert servers["gateway"] == ("openai-compatible", "answers")
    targets = {model["target"]: model for model in listed["models"]}
    assert {"llama/smol", "thinker/thinker", "gateway/smol", "gateway/thinker"} <= targets.keys()
    assert targets["thinker/thinker"]["thinks"] == "switchable" and targets["gateway/thinker"]["thinks"] is None


def states(base_url: str) -> list[str]:
    return [server.state for server in found(Probe("a", base_url, key=WRONG), Probe("b", base_url))]


def test_llama_cpp_with_a_wrong_key_and_without_one(llama: Llama) -> None:
    assert states(llama.base_url) == ["wrong key", "no key"]


def test_the_gateway_with_a_wrong_key_and_without_one(gateway: Gateway) -> None:
    assert states(gateway.base_url) == ["wrong key", "no key"]


# Answers -------------------------------------------------------------------------------------------------------------


def test_an_answer_streams_and_is_counted(lab: Lab, road: Road) -> None:
    cell = ask(lab, "-m", road.plain, "-o", f"body.grammar={SENTENCE}")
    assert (cell["state"], cell["finish_reason"], cell["complete"], cell["error"]) == ("done", "stop", True, None)
    assert 41 < len(cell["answer"]) < 83 and cell["answer"].endswith(".") and cell["thinking"]["kind"] == "none"
    assert cell["model"] == cell["served"]["model"] == "smol"
    usage = cell["usage"]
    assert usage["source"] == "provider" and 2 < usage["output"] == usage["billed_output"] < 83
    assert usage["raw"]["total_tokens"] == usage["input"] + usage["output"]
    assert 0 < cell["timing"]["answer"] < cell["timing"]["total"], "it came in several pieces"
    assert lab.shown()["cells"] == [cell], "the history says the same"


def test_same_text_at_temperature_0_directly_and_through_the_gateway(lab: Lab, llama: Llama, gateway: Gateway) -> None:
    configure(lab, llama=llama, gateway=gateway)
    done = lab("ask", "Describe a frozen river", "-m", "llama/smol", "-m", "gateway/smol", "-t", "0", "--max-tokens",
               "40", "--format", "json")  # fmt: skip
    first, second = done.json["cells"]
    assert done.code == 0 and first["answer"] == second["answer"] and len(first["answer"]) > 80
    for same in ("input", "output"):
        assert first["usage"][same] == second["usage"][same]


# Thinking ------------------------------------------------------------------------------------------------------------


def test_thinking_on_inline_off_and_cut(lab: Lab, road: Road) -> None:
    written = f"?body.grammar={quote(GRAMMAR)}&max_tokens=60"
    targets = [f"{road.thinker}{written}", f"{road.thinker}{written}&body.reasoning_format=none",
               f"{road.thinker}?effort=none&max_tokens=20",
               f"{road.thinker}?body.chat_template_kwargs={quote(SWITCH)}&max_tokens=20",
               f"{road.thinker}?max_tokens=3"]  # fmt: skip
    done = lab("ask", "What is two and two?", "-t", "0", *(a for t in targets for a in ("-m", t)), "--format", "json")
    assert done.code == 0, done.err
    on, inline, off, switched, cut = done.json["cells"]
    for cell in (on, inline):
        assert cell["thinking"]["text"] == "Two and two, and nothing else." and cell["thinking"]["kind"] == "raw"
        assert (cell["answer"], cell["finish_reason"], cell["complete"]) == ("It is four.", "stop", True)
        assert cell["timing"]["first_thought"] < cell["timing"]["first_answer"]
    for cell in (off, switched):
        assert (cell["thinking"]["text"], cell["thinking"]["kind"]) == ("", "none")
        assert cell["answer"] and cell["complete"]
        assert cell["usage"]["input"] > on["usage"]["input"], "the template closed the thinking that it opens"
    assert "effort" in off["parameters"]["sent"] and off["answer"] == switched["answer"]
    assert cut["thinking"]["text"].strip() and (cut["answer"], cut["finish_reason"]) == ("", "length")
    assert "cut while thinking (length): no answer came" in done.err


def test_a_budget_ends_the_thinking_and_the_answer_follows(lab: Lab, thinker: Llama) -> None:
    configure(lab, thinker=thinker)
    cell = ask(lab, "-m", "thinker/thinker", "-t", "0", "--thinking-budget", "4", "--max-tokens", "16")
    assert 1 <= len(cell["thinking"]["text"].split()) <= 4 and cell["complete"]
    assert cell["answer"], "without a budget this model thinks to its end and answers nothing"


def test_thinking_that_only_the_gateway_counted_is_told_as_a_guess(through: Lab) -> None:
    target = f"gateway/thinker?body.grammar={quote(GRAMMAR)}"
    done = through("ask", "What is two and two?", "-m", target, "-t", "0")
    assert done.code == 0 and done.out == "It is four.\n"
    assert "(≈" in done.err, "llama.cpp does not count it, and the proxy's own tokenizer is another model's"


# Keys ----------------------------------------------------------------------------------------------------------------


def refused(lab: Lab, target: str, key_name: str) -> Any:
    """The fault of a request with a wrong key, which is nowhere shown."""
    lab.environment[key_name] = WRONG
    done = lab("ask", "hi", "-m", target, "--format", "json")
    (cell,) = done.json["cells"]
    assert done.code == 1 and cell["state"] == "failed" and cell["retries"] == []
    assert WRONG not in done.out + done.err
    return cell["error"]


def test_a_wrong_key_of_llama_cpp_is_a_fault_with_a_hint(lab: Lab, llama: Llama) -> None:
    configure(lab, llama=llama)
    fault = refused(lab, "llama/smol", "LLAMA_KEY")
    assert (fault["kind"], fault["status"], fault["message"]) == ("auth", 401, "Invalid API Key")
    assert fault["hint"] == "check the key in LLAMA_KEY"


def test_a_wrong_key_of_the_gateway_is_a_fault_with_a_hint(through: Lab) -> None:
    fault = refused(through, "gateway/smol", "GATEWAY_KEY")
    assert (fault["kind"], fault["hint"]) == ("auth", "check the key in GATEWAY_KEY")


def test_a_wrong_key_behind_the_gateway_is_not_the_users(through: Lab) -> None:
    fault = ask(through, "-m", "gateway/stranger", code=1)["error"]
    assert (fault["kind"], fault["status"]) == ("auth", 401)
    assert "Invalid API Key" in fault["message"], "llama.cpp's own words"
    assert "GATEWAY_KEY" not in fault["hint"]


def test_a_model_that_the_gateway_does_not_have(through: Lab) -> None:
    cell = ask(through, "-m", "gateway/nobody", code=1)
    assert cell["error"]["kind"] == "model_missing" and "nobody" in cell["error"]["hint"]


# Stopped in the middle -----------------------------------------------------------------------------------------------


def test_interrupted_what_came_is_kept_and_the_server_stops_too(lab: Lab, road: Road, llama: Llama) -> None:
    process = lab.start("ask", "Tell a long story", "-m", road.plain, *ENDLESS)
    start = read_until(process, b" ")
    assert not llama.is_idle
    done = interrupt(process)
    until(lambda: llama.is_idle, "the slot's release")
    assert done.code == 130 and "cancelled: what had arrived is kept" in done.err
    (cell,) = lab.shown()["cells"]
    assert (cell["state"], cell["complete"], cell["finish_reason"]) == ("cancelled", False, None)
    assert cell["answer"].strip() == (start + done.raw_out).decode().strip()


def kill_in_the_middle(lab: Lab, target: str, server: Llama) -> tuple[Any, str]:
    """The cell that is left, and what stderr says, where the server dies while it answers."""
    process = lab.start("ask", "Tell a long story", "-m", target, *ENDLESS)
    start = read_until(process, b" ")
    server.kill()
    out, err = process.communicate(timeout=60)
    (cell,) = lab.shown()["cells"]
    assert process.returncode == 1
    assert cell["complete"] is False and cell["finish_reason"] is None
    assert cell["answer"].strip() == (start + out).decode().strip(), "every word that had come is kept"
    return cell, err.decode()


def test_llama_cpp_dies_in_the_middle(lab: Lab, weights: Path) -> None:
    with closing(Llama(weights, "smol")) as server:
        configure(lab, llama=server)
        cell, err = kill_in_the_middle(lab, "llama/smol", server)
        assert cell["state"] == "incomplete" and "not complete: the stream ended without a finish reason" in err


def test_llama_cpp_dies_in_the_middle_behind_the_gateway(through: Lab, doomed: Llama) -> None:
    cell, err = kill_in_the_middle(through, "gateway/doomed", doomed)
    assert cell["state"] == "failed" and cell["error"]["kind"] == "server"
    assert cell["retries"] == [], "nothing is asked twice once something has come"
    assert "gateway 500: " in err and "→ the fault is at the endpoint" in err


# Parameters ----------------------------------------------------------------------------------------------------------

ALL = {"temperature": 0.3, "top_p": 0.8, "top_k": 7, "min_p": 0.1, "presence_penalty": 0.5, "frequency_penalty": 0.25,
       "repeat_penalty": 1.5, "seed": 7, "max_tokens": 4}  # fmt: skip


def test_what_is_called_honoured_has_arrived_and_a_gateway_may_do_anything(lab: Lab, road: Road, llama: Llama) -> None:
    options = (a for name, value in ALL.items() for a in ("-o", f"{name}={value}"))
    cell = ask(lab, "-m", road.plain, *options)
    assert cell["parameters"]["asked"] == cell["parameters"]["sent"] == ALL
    arrived = {name: llama.last()[name] for name in ALL}
    assert arrived == pytest.approx(ALL)
    verdicts = cell["parameters"]["verdicts"]
    assert verdicts.keys() == ALL.keys()
    assert set(verdicts.values()) == {road.verdict}
    assert (cell["finish_reason"], cell["complete"], cell["usage"]["output"]) == ("length", True, 4)


def test_a_parameter_that_the_gateway_refuses_is_told_got_over_and_remembered(through: Lab, llama: Llama) -> None:
    arguments = ("-m", "gateway/glm", "--seed", "7", "--max-tokens", "4")
    first = ask(through, *arguments)
    assert (first["state"], first["complete"]) == ("done", True)
    assert first["parameters"]["sent"] == {"max_tokens": 4}
    assert first["parameters"]["verdicts"] == {"seed": "refused", "max_tokens": "unknown"}
    (refusal,) = first["retries"]
    assert refusal["status"] == 400 and "zai does not support parameters: ['seed']" in refusal["message"]
    assert llama.last()["seed"] != 7

    again = ask(through, *arguments)
    assert again["retries"] == [] and again["parameters"]["sent"] == {"max_tokens": 4}
    assert "found here on 20" in again["parameters"]["notes"]["seed"]
    facts = through("models", "facts", "gateway/glm", "--format", "json").json
    (finding,) = facts["findings"]
    assert (finding["parameter"], finding["word"], finding["asked"]) == ("seed", "refused", None)


def test_a_value_that_the_gateway_fixes_is_pinned(through: Lab) -> None:
    cell = ask(through, "-m", "gateway/o3", "-t", "0.2", "--max-tokens", "4")
    assert cell["state"] == "done" and cell["parameters"]["sent"] == {"max_tokens": 4}
    assert "Only temperature=1 is supported" in cell["retries"][0]["message"]
    assert cell["parameters"]["verdicts"]["temperature"] == "pinned"
    assert "fixed at 1" in cell["parameters"]["notes"]["temperature"]


def test_what_the_gateway_drops_in_silence_is_never_called_honoured(through: Lab, llama: Llama) -> None:
    cell = ask(through, "-m", "gateway/glm-dropping", "--seed", "7", "--top-k", "5", "--max-tokens", "4")
    assert cell["state"] == "done" and cell["parameters"]["sent"]["seed"] == 7
    assert llama.last()["seed"] != 7, "it left us and did not arrive"
    assert set(cell["parameters"]["verdicts"].values()) == {"unknown"}


# The last one: all of the above has been asked by now.
def test_the_gateway_wanted_nothing_outside_this_machine(through: Lab, gateway: Gateway) -> None:
    before = len(gateway.outside())
    process = through.start("ask", "hi", "-m", "gateway/afar")
    until(lambda: len(gateway.outside()) > before, "an attempt that the guard sees")
    assert interrupt(process).code == 130
    assert set(gateway.outside()) == {"model.invalid"}, "the one address elsewhere that its own file names"
