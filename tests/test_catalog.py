"""The endpoints known by name, the user's own over them, whose key goes where, and prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptlab import config
from promptlab.config import Places
from promptlab.errors import ConfigError, UsageError
from promptlab.params import PARAMETERS
from promptlab.providers import prices
from promptlab.providers.catalog import Endpoint, resolve, shipped
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.providers.prices import Price
from promptlab.providers.registry import Registry
from promptlab.request import LOCAL, Message, Request

SHIPPED = shipped()


def known(tmp_path: Path, text: str) -> dict[str, Endpoint]:
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    return config.endpoints(Places(tmp_path, tmp_path, tmp_path))


def refusal(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        known(tmp_path, text)
    assert "config.yaml" in caught.value.message and "\n" not in caught.value.message
    return caught.value


def no_weights() -> Path:
    raise AssertionError("no embedded model is asked for")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_endpoint_resolves_and_shows_what_it_would_send(name: str) -> None:
    endpoint = resolve(name, SHIPPED)
    assert endpoint == SHIPPED[name] and endpoint.slots >= 1
    if name != LOCAL:
        assert endpoint.base_url.startswith("https://") or endpoint.local
        assert endpoint.key or endpoint.local
    if not endpoint.litellm:
        provider = Registry({name: endpoint}, no_weights).provider(name, "/m.gguf" if name == LOCAL else "m", {})
        parameters = {p: 1 for p in PARAMETERS if p not in ("stop", "effort")}
        wire = provider.wire(Request("m", (Message("user", "hi"),), {**parameters, "stop": ["x"], "effort": "low"}))
        assert wire.url.endswith("/chat/completions") and wire.sent.keys() == PARAMETERS.keys()
        assert len(wire.body) == len(PARAMETERS) + (4 if endpoint.include_usage else 3), "two parameters, one name"


def test_the_embedded_model_is_local_and_has_no_key() -> None:
    endpoint = resolve(LOCAL, SHIPPED)
    assert endpoint.local and endpoint.key is None and endpoint.secret() is None


def test_no_two_shipped_endpoints_share_a_key_between_hosts() -> None:
    keys = [endpoint.key for endpoint in SHIPPED.values() if endpoint.key]
    assert len(keys) == len(set(keys))


def test_without_a_config_the_shipped_ones_are_known(tmp_path: Path) -> None:
    assert config.endpoints(Places(tmp_path, tmp_path, tmp_path)) == SHIPPED
    assert known(tmp_path, "") == SHIPPED == known(tmp_path, "endpoints:\n")


def test_the_users_config_wins(tmp_path: Path) -> None:
    found = known(
        tmp_path,
        "endpoints:\n  openai: {base_url: 'http://gateway:3000/v1', key: GATEWAY_KEY, slots: 2}\n"
        "  mine:\n    base_url: http://127.0.0.1:8000/v1\n    wire: {max_tokens: n_predict}\n    tags: assume-open\n",
    )
    assert found["openai"] == Endpoint("openai", "http://gateway:3000/v1", "GATEWAY_KEY", slots=2)
    assert (found["mine"].wire, found["mine"].tags) == ({"max_tokens": "n_predict"}, "assume-open")
    assert found["deepseek"] == SHIPPED["deepseek"]
    assert resolve("mine", found).base_url == "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("endpointz:\n", ["line 1", "'endpointz'", "'endpoints'"]),
        ("endpoints: [a]\n", ["line 1", "names with keys"]),
        ("endpoints:\n  a: http://h/v1\n", ["line 2", "'a'"]),
        ("endpoints:\n  a:\n    base_ur: http://h/v1\n", ["line 3", "'base_ur'", "'base_url'"]),
        ("endpoints:\n  a:\n    slots: 2\n", ["line 2", "no base URL"]),
        ("endpoints:\n  a:\n    base_url: h:8000/v1\n", ["line 3", "no base URL", "http://HOST"]),
        ("endpoints:\n  a:\n    base_url: 'http://[h/v1'\n", ["line 3", "no base URL"]),
        ("endpoints:\n  a:\n    base_url: http://h:99999/v1\n", ["line 3", "no base URL"]),
        ("endpoints:\n  a:\n    base_url: 7\n", ["line 3", "must be text"]),
        ("endpoints:\n  a:\n    base_url: http://h/v1\n    slots: many\n", ["line 4", "whole number"]),
        ("endpoints:\n  a:\n    base_url: http://h/v1\n    slots: true\n", ["line 4", "whole number"]),
        ("endpoints:\n  a:\n    base_url: http://h/v1\n    slots: 0\n", ["line 4", "1 or more"]),
        ("endpoints:\n  a:\n    base_url: http://h/v1\n    local: maybe\n", ["line 4", "true or false"]),
        ("endpoints:\n  a:\n    base_url: http://h/v1\n    wire:\n      temprature: t\n",
         ["line 5", "'temprature'", "'temperature'"]),
        ("endpoints:\n  a: {\n", ["line"]),
        ("- a\n", ["mapping"]),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_config_is_told_with_file_and_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    error = refusal(tmp_path, text)
    for part in parts:
        assert part in f"{error.message} {error.hint}"


def test_an_address_with_a_secret_in_it_is_refused_without_showing_it(tmp_path: Path) -> None:
    for url in ("http://user:planted@h/v1", "https://h/v1?key=planted", "https://planted@h/v1"):
        error = refusal(tmp_path, f"endpoints:\n  a:\n    base_url: {url}\n")
        assert "planted" not in error.message + error.hint
        with pytest.raises(ConfigError) as caught:
            resolve("custom", SHIPPED, base_url=url)
        assert "planted" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("name", "base_url", "key", "expected"),
    [
        ("openai", "http://127.0.0.1:8000/v1", None, None),
        ("openai", "https://api.openai.com.evil.example/v1", None, None),
        ("openai", "https://evil.example/api.openai.com", None, None),
        ("openai", "https://eu.api.openai.com/v1", None, None),
        ("openai", "https://api.openai.com/v2", None, "OPENAI_API_KEY"),
        ("openai", "https://API.OpenAI.com/v1", None, "OPENAI_API_KEY"),
        ("openai", "http://api.openai.com/v1", None, None),  # its own host, and in the clear
        ("openai", "http://127.0.0.1:8000/v1", "OTHER_KEY", "OTHER_KEY"),
        ("anthropic", "http://127.0.0.1:8000/v1", None, None),
        ("custom", "http://127.0.0.1:8000/v1", None, None),
        ("custom", "https://h/v1", "OTHER_KEY", "OTHER_KEY"),
    ],
)
def test_a_key_is_not_taken_along_to_another_host(
    name: str, base_url: str, key: str | None, expected: str | None
) -> None:
    endpoint = resolve(name, SHIPPED, base_url=base_url, key=key)
    assert (endpoint.key, endpoint.base_url, endpoint.litellm) == (expected, base_url, None)


def test_an_address_on_this_machine_is_local() -> None:
    for host, local in (("127.0.0.1:1", True), ("localhost", True), ("[::1]:1", True), ("h.example", False)):
        assert resolve("custom", SHIPPED, base_url=f"http://{host}/v1").local is local
    assert resolve("ollama", SHIPPED, base_url="http://box.example:11434/v1").local


def test_another_key_for_a_known_endpoint() -> None:
    assert resolve("openai", SHIPPED, key="WORK_KEY").key == "WORK_KEY"


@pytest.mark.parametrize("key", ["sk-planted-0123", "A B", "", "密钥"])
def test_a_key_in_the_place_of_its_name_is_not_repeated(key: str) -> None:
    if not key:
        assert resolve("openai", SHIPPED, key=key).key == "OPENAI_API_KEY"
        return
    with pytest.raises(ConfigError) as caught:
        resolve("openai", SHIPPED, key=key)
    assert key not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("url", ["h:8000", "ftp://h/v1", "http://", "", "http://[h", "http://h:port/v1", "file:///etc"])
def test_what_is_no_address_is_refused(url: str) -> None:
    if not url:
        return
    with pytest.raises(ConfigError, match="--base-url"):
        resolve("custom", SHIPPED, base_url=url)


def test_a_provider_that_litellm_knows_needs_no_entry() -> None:
    assert resolve("cerebras", SHIPPED) == Endpoint("cerebras", key="CEREBRAS_API_KEY", litellm="cerebras")
    assert resolve("bedrock", SHIPPED) == Endpoint("bedrock", litellm="bedrock")
    assert resolve("cerebras", SHIPPED, key="K").key == "K"


@pytest.mark.parametrize(("typed", "meant"), [("opnai", "openai"), ("deepsek", "deepseek"), ("olama", "ollama")])
def test_an_unknown_endpoint_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(typed, SHIPPED)
    assert f"'{typed}'" in caught.value.message and f"'{meant}'" in caught.value.hint


def test_an_endpoint_near_to_nothing_is_told_of_base_url() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("qqqqqqqqqqq", SHIPPED)
    assert "--base-url" in caught.value.hint


def test_a_key_is_read_from_its_variable_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("a", "http://h/v1", "PROMPTLAB_TEST_KEY")
    for given, found in ((" k\n", "k"), ("", None), ("  ", None)):
        monkeypatch.setenv("PROMPTLAB_TEST_KEY", given)
        assert endpoint.secret() == found
    monkeypatch.delenv("PROMPTLAB_TEST_KEY")
    assert endpoint.secret() is None
    assert "k" not in repr(endpoint).replace("key", "").replace("tok", "")


def test_cells_of_one_endpoint_share_their_provider() -> None:
    endpoints = {"a": Endpoint("a", "http://h/v1"), "b": Endpoint("b", "http://i/v1")}
    registry = Registry(endpoints, no_weights)
    one = registry.provider("a", "x", {})
    assert registry.provider("a", "y", {}) is one and isinstance(one, OpenAIChat)
    assert registry.provider("b", "x", {}) is not one and registry.provider("a", "x", {"tags": "off"}) is not one


# Prices


def test_a_listed_price_is_found_by_endpoint_and_model() -> None:
    for endpoint, model in (("openai", "gpt-4o"), ("deepseek", "deepseek-chat"), ("gemini", "gemini-2.5-flash"),
                            ("mistral", "mistral-large-latest"), ("zhipu", "glm-4.5")):  # fmt: skip
        price = prices.lookup(endpoint, model)
        assert isinstance(price, Price), endpoint
        assert 0 < price.input < 1e-3 and 0 < price.output < 1e-3
        assert price.cached is None or price.cached <= price.input


def test_a_price_is_of_that_endpoint_or_none_at_all() -> None:
    assert prices.lookup("openai", "no-such-model-7") is None
    assert prices.lookup("anthropic", "claude-sonnet-4-5") is not None
    assert prices.lookup("openai", "claude-sonnet-4-5") is None, "of another vendor"
    assert prices.lookup("custom", "gpt-4o") is None, "a model's name says nothing about an unknown server"
    assert prices.lookup("openai", "sample_spec") is None
    assert prices.lookup("openai", "") is None
