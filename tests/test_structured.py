"""Structured output: a JSON schema asked for by name, file or profile, on the wire of every dialect and for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from promptlab.errors import Fault, ProfileError, UsageError
from promptlab.knowledge import judge, learned
from promptlab.params import PARAMETERS, Value, show
from promptlab.plan import expand, parse_target
from promptlab.profile import Profile, parse
from promptlab.profile.compose import arrange, prepare, schema_for
from promptlab.providers.anthropic import Anthropic
from promptlab.providers.direct import Dialect, Direct
from promptlab.providers.http import Pool
from promptlab.providers.litellm_road import LiteLLMRoad, parameters_in
from promptlab.providers.ollama import Ollama
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.providers.openai_responses import OpenAIResponses
from promptlab.providers.structured import is_strict, named, response_format
from promptlab.request import Message, Request, Wire
from tests.command import Lab, Servers
from tests.test_honoured import ANSWER, ask, bodies, planted
from tests.test_knowledge_data import facts, judged, words
from tests.test_logprobs import Local

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = TEXT
    for _ in range(levels):
        schema = closed(a=schema)
    return schema


def wire(dialect: Dialect, **parameters: Value) -> Wire:
    named_ = {name.replace("__", "."): value for name, value in parameters.items()}
    return Direct("v", "http://127.0.0.1:9/v1", Pool(), dialect).wire(Request("m", (Message("user", "hi"),), named_))


# -- the strict subset -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [PERSON, {"$schema": "https://json-schema.org/draft/2020-12/schema", **PERSON}, closed(), deep(9),
     closed(a={"type": ["string", "null"], "description": "d"}, b={"type": "array", "items": closed(c={"enum": [1]})}),
     closed(a={"anyOf": [TEXT, closed(b=TEXT)]}), {**closed(a={"$ref": "#/$defs/x"}), "$defs": {"x": closed(y=TEXT)}},
     closed(a={"type": "number", "minimum": 0, "multipleOf": 2}, properties=closed(required=TEXT))],
)  # fmt: skip
def test_a_schema_that_can_be_enforced(schema: dict[str, Any]) -> None:
    assert is_strict(schema) and named(schema) == {"name": "answer", "schema": schema, "strict": True}


@pytest.mark.parametrize(
    "schema",
    [{}, TEXT, {"type": "array", "items": PERSON}, {**PERSON, "required": ["name"]}, {**PERSON, "anyOf": [PERSON]},
     {"type": "object", "properties": PERSON["properties"], "required": ["name", "age"]}, {"type": "object"},
     {**PERSON, "additionalProperties": True}, closed(a={"type": "string", "maxLength": 3}), closed(a={}),
     closed(a=True), closed(a={"type": "array"}), closed(a={"type": "object"}), closed(a={"allOf": [TEXT]}),
     closed(a={"type": "string", "default": "x"}), closed(a={"anyOf": [TEXT, {"type": "object"}]}), deep(12),
     {**closed(a=TEXT), "$defs": {"x": {"type": "object"}}}, closed(**{str(n): TEXT for n in range(5001)}),
     {**PERSON, "required": "name"}, {**PERSON, "properties": []}, 1, None, "x"],
)  # fmt: skip
def test_a_schema_that_can_not_is_sent_without_the_word(schema: Value) -> None:
    assert not is_strict(schema) and named(schema) == {"name": "answer", "schema": schema}


def test_its_title_is_its_name_where_it_can_be() -> None:
    assert named({**PERSON, "title": "A person!"})["name"] == "A_person"
    assert named({**PERSON, "title": "人"})["name"] == "answer" == named({**PERSON, "title": 7})["name"]
    assert len(str(named({**PERSON, "title": "x" * 99})["name"])) == 64


# -- as a parameter ----------------------------------------------------------------------------------------------------


def test_a_schema_is_an_object_and_json() -> None:
    schema = PARAMETERS["schema"]
    assert schema.parse('{"type": "object"}') == {"type": "object"} == schema.check({"type": "object"})
    for text in ('{"a":', "[1]", "1", "null", "x.json", "{'a': 1}", '{"a": ' * 100_000, '{"a": NaN}'):
        with pytest.raises(UsageError, match=r"schema: '.*JSON") as caught:
            schema.parse(text)
        assert len(caught.value.message) < 200
    for value in ([1], 1, None, True, {"a": {1, 2}}, {"a": float("inf")}):
        with pytest.raises(UsageError):
            schema.check(value)  # type: ignore[arg-type]
    assert schema.range_text() == "a JSON object" and PARAMETERS["top_logprobs"].range_text().endswith("0 to 1000")


def test_a_long_object_is_shown_by_its_beginning() -> None:
    assert show({"type": "object"}) == '{"type": "object"}'
    assert show(PERSON).startswith('{"type": "object"') and len(show(PERSON)) == 60 and show(PERSON).endswith("…")


def test_a_file_or_json_on_the_command_line_and_never_a_file_from_a_target_or_a_profile(lab: Lab) -> None:
    (lab.home / "p.json").write_text(json.dumps(PERSON), "utf-8")
    (lab.home / "p.yaml").write_text("goal: x\nparameters: {schema: p.json}\n", "utf-8")
    base = ("ask", "hi", "--dry-run", "--format", "json", "-m")
    file, inline, target, profile, none = lab.each(
        (*base, "openai/gpt-4o", "-o", "schema=p.json"), (*base, "openai/gpt-4o", "--schema", json.dumps(PERSON)),
        (*base, "openai/gpt-4o?schema=p.json"), (*base, "openai/gpt-4o", "-p", "p.yaml"),
        (*base, "openai/gpt-4o", "-o", "schema=nowhere.json"),
    )  # fmt: skip
    assert file.code == inline.code == 0 and file.out == inline.out and '"json_schema"' in file.out
    assert target.code == profile.code == none.code == 2
    assert "not a JSON object" in target.err and "not a JSON object" in profile.err and "nowhere.json" in none.err


# -- on the wire -------------------------------------------------------------------------------------------------------


def test_the_chat_completions_of_openai() -> None:
    body = wire(OpenAIChat(), schema=PERSON, top_logprobs=5).body
    assert body["response_format"] == {"type": "json_schema",
                                       "json_schema": {"name": "answer", "schema": PERSON, "strict": True}}  # fmt: skip
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)
    bare = wire(OpenAIChat(), top_logprobs=0).body
    assert bare["logprobs"] is True and "top_logprobs" not in bare and "response_format" not in bare
    assert wire(OpenAIChat(wire_names={"schema": "guided_json"}), schema=PERSON).body["guided_json"] == PERSON


def test_the_others() -> None:
    body = wire(OpenAIResponses(), schema=PERSON, top_logprobs=0, body__text={"verbosity": "low"}).body
    assert body["text"] == {"verbosity": "low", "format": {"type": "json_schema", "name": "answer", "schema": PERSON,
                                                           "strict": True}}  # fmt: skip
    assert body["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert "top_logprobs" not in body and "logprobs" not in body
    known = facts("anthropic/claude-sonnet-4-6")
    request = Request("m", (Message("user", "hi"),), {"effort": "low", "schema": PERSON})
    both = Direct("v", "http://x", Pool(), Anthropic(), judge=lambda asked: judge(known, asked)).wire(request)
    assert both.body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": PERSON}}


@pytest.mark.parametrize(("dialect", "field"), [(OpenAIChat(), "response_format"), (Ollama(), "format")])
def test_a_raw_field_stands_in_its_place_whole(dialect: Dialect, field: str) -> None:
    plain: Value = {"type": "json_object"}
    found = wire(dialect, schema=PERSON, **{f"body__{field}": plain})
    assert found.body[field] == plain and "schema" not in found.sent and found.verdicts["schema"].left_out


def test_through_litellm() -> None:
    road = LiteLLMRoad("v", "fireworks_ai", base_url="http://127.0.0.1:9/v1", key="k")
    asked: dict[str, Value] = {"schema": PERSON, "top_logprobs": 3}
    request = Request("accounts/fireworks/models/deepseek-v3", (Message("user", "hi"),), asked)
    found = road.wire(request)
    assert found.sent == {"schema": PERSON, "top_logprobs": 3} and found.body["logprobs"] is True
    cohere = LiteLLMRoad("v", "cohere_chat", base_url="http://127.0.0.1:9/v2/chat", key="k")
    lost = cohere.wire(Request("command-r", (Message("user", "hi"),), {"top_logprobs": 3}))
    assert not lost.exact, "the client library refuses it for this vendor, and the endpoint is not asked"


def test_what_is_in_a_schema_is_no_parameter() -> None:
    inner = closed(temperature=TEXT, seed={"type": "integer"})
    body: dict[str, Value] = {"response_format": response_format(inner), "top_p": 0.5}
    assert parameters_in(body).keys() == {"schema", "top_p"}
    config: dict[str, Value] = {"responseMimeType": "application/json", "responseSchema": inner,
                                "responseLogprobs": True, "logprobs": 4}  # fmt: skip
    assert parameters_in({"generationConfig": config}) == {"schema": inner, "top_logprobs": 4}
    assert parameters_in({"logprobs": True}) == {"top_logprobs": 0} and parameters_in({"logprobs": False}) == {}


# -- what is known, and what is learned --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "schema", "logprobs"),
    [
        ("openai/gpt-4o", "honoured", "honoured"), ("openai/gpt-4o-2024-05-13", "refused", "honoured"),
        ("openai/gpt-4-turbo", "refused", "honoured"), ("openai/ft:gpt-4.1-mini:me", "honoured", "honoured"),
        ("openai/o3", "honoured", "refused"), ("openai/o1-mini", "refused", "refused"),
        ("openai-responses/gpt-5.6-sol", "honoured", "refused"), ("openai/gpt-5.1", "honoured", "honoured"),
        ("anthropic/claude-sonnet-4-5", "honoured", "refused"), ("anthropic/claude-opus-4-8", "honoured", "refused"),
        ("anthropic/claude-3-haiku-20240307", "refused", "refused"),
        ("anthropic/claude-opus-4-20250514", "refused", "refused"),
        ("anthropic/claude-opus-4-1", "unknown", "refused"),
        ("gemini/gemini-3.8-flash", "honoured", "unknown"), ("gemini/gemini-2.5-pro", "honoured", "unknown"),
        ("deepseek/deepseek-flash", "refused", "refused"), ("openrouter/openai/gpt-4o", "unknown", "unknown"),
        ("oneapi/gpt-4o", "unknown", "unknown"), ("siliconflow/Qwen/Qwen3-8B", "unknown", "unknown"),
        ("groq/openai/gpt-oss-20b", "honoured", "refused"), ("groq/qwen/qwen3-32b", "unknown", "refused"),
        ("zai/glm-5.2", "unknown", "unknown"), ("dashscope/qwen3.8-max", "honoured", "unknown"),
        ("dashscope/qwen-plus", "unknown", "unknown"), ("xai/grok-4.6", "honoured", "unknown"),
        ("xai/grok-4.20-non-reasoning", "honoured", "honoured"),
        ("mistral/mistral-large-latest", "honoured", "refused"),
        ("moonshot/kimi-k3", "unknown", "unknown"), ("local/", "honoured", "honoured"),
        ("llamacpp/Qwen3-8B", "honoured", "honoured"), ("ollama/qwen3:4b", "honoured", "honoured"),
        ("lmstudio/qwen3", "honoured", "ignored"), ("vllm/Qwen/Qwen3-8B", "honoured", "honoured"),
        ("jan/x", "unknown", "unknown"), ("custom/x", "unknown", "unknown"),
    ],
)  # fmt: skip
def test_what_is_known_of_them(target: str, schema: str, logprobs: str) -> None:
    assert words(judged(target, schema=PERSON, top_logprobs=5)) == {"schema": schema, "top_logprobs": logprobs}


def test_log_probabilities_where_the_thinking_is_off_and_no_more_than_there_are() -> None:
    assert words(judged("openai/gpt-5.6-sol", top_logprobs=5, effort="none"))["top_logprobs"] == "honoured"
    assert words(judged("deepseek/deepseek-flash", top_logprobs=5, effort="none"))["top_logprobs"] == "honoured"
    assert words(judged("openai/gpt-4o", top_logprobs=21)) == words(judged("ollama/x", top_logprobs=21))
    assert judged("ollama/x", top_logprobs=21).verdicts["top_logprobs"].note == "at most 20"
    assert words(judged("local/", top_logprobs=1000)) == {"top_logprobs": "honoured"}


@pytest.mark.parametrize(
    ("message", "code", "whole"),
    [
        ("This response_format type is unavailable now", "invalid_request_error", True),
        ("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", None, True),
        ("This model does not support response format `json_schema`.", None, True),
        ("Invalid schema for response_format 'answer': In context=(), 'minLength' is not permitted.",
         "invalid_json_schema", False),
        ("output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported", None, False),
    ],
)  # fmt: skip
def test_a_refused_schema_is_this_one_or_every_one(message: str, code: str | None, whole: bool) -> None:
    dialect: Dialect = Anthropic() if message.startswith("output") else OpenAIChat()
    assert wire(dialect, schema=PERSON, temperature=0.5).blamed(None, message) == "schema"
    found = learned(Fault("bad_request", message, code=code), "schema", PERSON, "off")
    assert (found.verdict, found.asked) == ("refused", None if whole else PERSON)


def test_a_format_in_the_message_is_not_the_schema() -> None:
    assert wire(OpenAIResponses(), schema=PERSON).blamed(None, "the format of this image is not known") is None
    assert wire(OpenAIResponses(), schema=PERSON).blamed("text.format.schema", "x") == "schema"
    refusal = "logprobs are not supported with reasoning models."
    assert wire(OpenAIResponses(), top_logprobs=3, schema=PERSON).blamed(None, refusal) == "top_logprobs"


def test_an_endpoint_that_refuses_it_is_asked_again_without_and_remembered(lab: Lab, serve: Servers) -> None:
    refusal = {"error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error",
                         "param": None, "code": "invalid_request_error"}}  # fmt: skip
    server = planted(serve, refusal)
    schema = ("-o", f"schema={json.dumps(PERSON)}")
    done = ask(lab, server, *schema, "--format", "json")
    (cell,) = done.json["cells"]
    assert (done.code, cell["state"], cell["parameters"]["verdicts"]["schema"]) == (0, "done", "refused")
    assert ["response_format" in sent for sent in bodies(server)] == [True, False]
    again = ask(lab, server, *schema)
    assert again.code == 0 and len(server.requests) == 3 and 'schema {"type": "object"' in again.err
    assert "additionalProperties" not in again.err, "its beginning, and not all of it"
    assert ask(lab, server, *schema, "--params", "strict").code != 0


# -- of a profile ------------------------------------------------------------------------------------------------------


def profile(text: str) -> Profile:
    return parse(text, Path("p.yaml"))


EXTRACT = "goal: Say who this is about.\nformat: " + json.dumps(PERSON) + "\n"


def test_a_profiles_schema_goes_where_it_is_known_to_be_honoured_and_its_words_everywhere() -> None:
    one = profile(EXTRACT)
    targets = [parse_target(text) for text in ("openai/gpt-4o", "deepseek/deepseek-flash", "custom/x")]
    filled = prepare("Anna is 5.", profile=one)

    def plan(axes: dict[str, list[Value]]) -> list[dict[str, Value]]:
        found = expand(targets, axes, lambda target, asked: arrange(filled), prompt="x",
                       own=lambda target: schema_for(one, facts(target.text)))  # fmt: skip
        assert [cell.label for cell in found.cells] == [target.text for target in targets]
        assert all('"additionalProperties": false' in cell.request.messages[0].text for cell in found.cells)
        return [cell.request.parameters for cell in found.cells]

    assert plan({}) == [{"schema": PERSON}, {}, {}]
    assert plan({"schema": [None]}) == [{}, {}, {}], "default: left out"
    assert schema_for(profile("goal: x\n"), facts("local/")) == {} == schema_for(None, facts("local/"))
    with pytest.raises(ProfileError, match=r"not a JSON object|not JSON"):
        profile("goal: x\nparameters: {schema: [1]}\n")


def test_the_command_sends_a_profiles_schema(lab: Lab, serve: Servers) -> None:
    server = serve(ANSWER)
    (lab.home / "who.yaml").write_text(EXTRACT, "utf-8")
    (lab.home / "config.yaml").write_text(f"endpoints:\n  mine: {{base_url: '{server.url}/v1', like: vllm}}\n", "utf-8")
    assert lab("ask", "Anna is 5.", "-p", "who.yaml", "-m", "mine/m").code == 0
    assert lab("ask", "Anna is 5.", "-p", "who.yaml", "-m", "mine/m", "-o", "schema=default").code == 0
    first, second = bodies(server)
    assert first["response_format"]["json_schema"]["schema"] == PERSON and "response_format" not in second
    assert "JSON that fits this schema" in json.dumps(second)


def test_the_embedded_model_answers_a_schema_profile_with_what_fits_it(weights: Path) -> None:
    schema: dict[str, Any] = closed(name=TEXT, age={"type": "integer"}, mood={"enum": ["glad", "sad"]})
    one = profile("goal: Say who this is about.\nformat: " + json.dumps(schema) + "\n")
    (given,) = schema_for(one, facts("local/"))["schema"]
    messages = arrange(prepare("Anna is five years old today, and laughs.", profile=one))
    local = Local(weights)
    try:
        for seed in (1, 2, 3):
            said = local.ask(messages, schema=given, seed=seed, temperature=1.0, max_tokens=400)
            assert said.state == "done" and said.verdicts == {}
            jsonschema.validate(json.loads(said.answer), schema)
        free = local.ask(messages, seed=1, temperature=1.0, max_tokens=60)
        assert not is_json(free.answer), "without the schema on the wire, its words alone don't do it"
    finally:
        local.close()


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
