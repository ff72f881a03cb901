"""The endpoints known by name, the user's own over them, whose key goes where, and prices."""

from __future__ import annotations

import urllib.parse
from pathlib import Path

import pytest

from promptlab import config
from promptlab.config import Places
from promptlab.errors import ConfigError, UsageError
from promptlab.params import PARAMETERS, Value
from promptlab.providers import prices
from promptlab.providers.catalog import Endpoint, Secret, from_environment, resolve
from promptlab.providers.direct import Direct
from promptlab.providers.prices import Price
from promptlab.providers.registry import Registry
from promptlab.request import LOCAL, Message, Request

SHIPPED = config.settings(Places(Path("/nowhere"), Path("/nowhere"), Path("/nowhere"))).endpoints


def known(tmp_path: Path, text: str) -> dict[str, Endpoint]:
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    return config.settings(Places(tmp_path, tmp_path, tmp_path)).endpoints


def refusal(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        known(tmp_path, text)
    assert "config.yaml" in caught.value.message and "\n" not in caught.value.message
    return caught.value


def no_weights(model: str) -> Path:
    return Path(model)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_endpoint_resolves_and_shows_what_it_would_send(name: str) -> None:
    endpoint = resolve(name, SHIPPED)
    assert endpoint == SHIPPED[name] and endpoint.slots >= 1
    if name != LOCAL:
        assert endpoint.base_url.startswith(("https://", "http://localhost:"))
        assert endpoint.keys or endpoint.local
    if not endpoint.litellm:
        provider = Registry({name: endpoint}, no_weights).provider(name, "/m.gguf" if name == LOCAL else "m", {})
        parameters: dict[str, Value] = {p: 1 for p in PARAMETERS if p not in ("stop", "effort", "schema")}
        parameters |= {"stop": ["x"], "effort": "low", "schema": {"type": "object"}}
        wire = provider.wire(Request("m", (Message("user", "hi"),), parameters))
        assert (
            wire.url.startswith(endpoint.base_url or "http://127.0.0.1") and wire.verdicts.keys() == PARAMETERS.keys()
        )
        assert {verdict.word for verdict in wire.verdicts.values()} == {"unknown"}, "no knowledge was given"


def test_the_embedded_model_is_local_and_has_no_key() -> None:
    endpoint = resolve(LOCAL, SHIPPED)
    assert endpoint.local and endpoint.keys == ()


def test_no_two_shipped_hosts_share_a_key() -> None:
    hosts: dict[str, set[str | None]] = {}
    for endpoint in SHIPPED.values():
        for key in endpoint.keys:
            hosts.setdefault(key, set()).add(urllib.parse.urlsplit(endpoint.base_url).hostname)
    assert all(len(found) == 1 for found in hosts.values()), hosts


def test_without_a_config_the_shipped_ones_are_known(tmp_path: Path) -> None:
    assert config.settings(Places(tmp_path, tmp_path, tmp_path)).endpoints == SHIPPED
    assert known(tmp_path, "") == SHIPPED == known(tmp_path, "endpoints:\n")


def test_the_users_config_wins(tmp_path: Path) -> None:
    found = known(
        tmp_path,
        "endpoints:\n  openai: {base_url: 'https://gateway:3000/v1', key: GATEWAY_KEY, slots: 2}\n"
        "  mine:\n    base_url: http://127.0.0.1:8000/v1\n    wire: {max_tokens: n_predict}\n    tags: assume-open\n",
    )
    assert found["openai"] == Endpoint("openai", "https://gateway:3000/v1", ("GATEWAY_KEY",), slots=2)
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
        ("endpoints:\n  a:\n    base_url: https://h/v1\n    slots: many\n", ["line 4", "whole number"]),
        ("endpoints:\n  a:\n    base_url: https://h/v1\n    slots: true\n", ["line 4", "whole number"]),
        ("endpoints:\n  a:\n    base_url: https://h/v1\n    slots: 0\n", ["line 4", "1 or more"]),
        ("endpoints:\n  a:\n    base_url: https://h/v1\n    local: maybe\n", ["line 4", "true or false"]),
        ("endpoints:\n  a:\n    base_url: https://h/v1\n    wire:\n      temprature: t\n",
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
        ("openai", "https://api.openai.com:8443/v1", None, None),  # another port may be another one's server
        ("ollama", "http://localhost:11434/v1", None, None),
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
    assert (endpoint.keys, endpoint.base_url, endpoint.litellm) == ((expected,) if expected else (), base_url, None)


def test_an_address_on_this_machine_is_local() -> None:
    for host, local in (("127.0.0.1:1", True), ("localhost", True), ("[::1]:1", True), ("h.example", False)):
        assert resolve("custom", SHIPPED, base_url=f"http://{host}/v1", plain_http=True).local is local
    assert not resolve("ollama", SHIPPED, base_url="https://box.example:11434").local, "it may cost money"
    assert not resolve("custom", SHIPPED, base_url="http://127.0.0.1:1/v1", key="GATEWAY_KEY").local


def test_another_key_for_a_known_endpoint() -> None:
    assert resolve("openai", SHIPPED, key="WORK_KEY").keys == ("WORK_KEY",)


@pytest.mark.parametrize("key", ["sk-planted-0123", "A B", "", "密钥"])
def test_a_key_in_the_place_of_its_name_is_not_repeated(key: str) -> None:
    if not key:
        assert resolve("openai", SHIPPED, key=key).keys == ("OPENAI_API_KEY",)
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
    assert resolve("cerebras", SHIPPED) == Endpoint(
        "cerebras", keys=("CEREBRAS_API_KEY",), litellm="cerebras", dialect="litellm"
    )
    assert resolve("bedrock", SHIPPED) == Endpoint("bedrock", litellm="bedrock", dialect="litellm")
    assert resolve("cerebras", SHIPPED, key="K").keys == ("K",)


@pytest.mark.parametrize(("typed", "meant"), [("opnai", "openai"), ("deepsek", "deepseek"), ("olama", "ollama")])
def test_an_unknown_endpoint_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(typed, SHIPPED)
    assert f"'{typed}'" in caught.value.message and f"'{meant}'" in caught.value.hint


def test_an_endpoint_near_to_nothing_is_told_of_base_url() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("qqqqqqqqqqq", SHIPPED)
    assert "--base-url" in caught.value.hint


def test_a_key_is_read_from_the_first_variable_that_is_set_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("PROMPTLAB_TEST_KEY", "PROMPTLAB_OTHER_KEY")
    monkeypatch.setenv("PROMPTLAB_OTHER_KEY", "other")
    for given, found in ((" k\n", (names[0], "k")), ("", (names[1], "other")), ("  ", (names[1], "other"))):
        monkeypatch.setenv("PROMPTLAB_TEST_KEY", given)
        assert from_environment(names) == found
    monkeypatch.delenv("PROMPTLAB_OTHER_KEY")
    assert from_environment(names) is None
    assert "planted" not in repr(Secret("NAME", "planted"))


def test_plain_http_to_another_machine_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plain http") as caught:
        resolve("custom", SHIPPED, base_url="http://10.0.0.7:8000/v1")
    assert "--plain-http" in caught.value.hint
    assert resolve("custom", SHIPPED, base_url="http://10.0.0.7:8000/v1", plain_http=True).plain_http
    text = "endpoints:\n  lab:\n    base_url: http://10.0.0.7:8000/v1\n"
    assert "plain_http: true" in refusal(tmp_path, text).hint
    assert known(tmp_path, text + "    plain_http: true\n")["lab"].plain_http


def test_a_header_is_no_place_for_a_key(tmp_path: Path) -> None:
    for header in ("Authorization: Bearer planted", "x-api-key: planted", "Cookie: planted"):
        error = refusal(tmp_path, f"endpoints:\n  a:\n    base_url: https://h/v1\n    headers: {{{header}}}\n")
        assert "planted" not in error.message + error.hint and "keys set" in error.hint
    found = known(tmp_path, "endpoints:\n  a:\n    base_url: https://h/v1\n    headers: {x-team: lab}\n")
    assert found["a"].headers == {"x-team": "lab"}


def test_an_entry_without_an_address_changes_the_shipped_one(tmp_path: Path) -> None:
    found = known(tmp_path, "endpoints:\n  openai: {slots: 2}\n")["openai"]
    assert (found.slots, found.base_url, found.keys) == (2, SHIPPED["openai"].base_url, SHIPPED["openai"].keys)


def test_cells_of_one_endpoint_share_their_provider() -> None:
    endpoints = {"a": Endpoint("a", "http://h/v1"), "b": Endpoint("b", "http://i/v1")}
    registry = Registry(endpoints, no_weights)
    one = registry.provider("a", "x", {})
    assert registry.provider("a", "y", {}) is one and isinstance(one, Direct)
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
