"""The endpoints known by name: shipped data (knowledge.yaml) under the user's own (config.yaml)."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, get_args

from promptlab.document import Document
from promptlab.errors import ConfigError, Sentence, UsageError, nearest
from promptlab.params import PARAMETERS
from promptlab.providers.http import LOOPBACK
from promptlab.providers.prices import litellm_file
from promptlab.request import LOCAL

DialectName = Literal["openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "litellm"]
# litellm reads the credentials of these itself, and they are more than one key.
_AMBIENT = ("bedrock", "bedrock_converse", "vertex_ai", "azure", "azure_ai", "watsonx", "sagemaker", "sagemaker_chat",
            "oci", "databricks", "snowflake")  # fmt: skip


class Secret(NamedTuple):
    """A key and the name of the variable that it is kept under."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Secret({self.name})"


Secrets = Callable[[Sequence[str]], Secret | None]


def from_environment(names: Sequence[str]) -> Secret | None:
    """The first of the variables that is set."""
    return next((Secret(name, value) for name in names if (value := os.environ.get(name, "").strip())), None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how one endpoint is spoken to; the meaning of each field stands at the head of knowledge.yaml."""

    name: str
    base_url: str = ""
    keys: tuple[str, ...] = ()
    dialect: DialectName = "openai-chat"
    local: bool = False
    slots: int = 16
    wire: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    include_usage: bool = True
    tags: str = "auto"
    litellm: str | None = None
    plain_http: bool = False
    like: str | None = None


_FIELDS = {f.name: f for f in fields(Endpoint)}
_KEYS = ("base_url", "key", *(name for name in _FIELDS if name not in ("name", "base_url", "keys")))
_TYPES: dict[str, type] = {"local": bool, "slots": int, "wire": dict, "headers": dict, "include_usage": bool,
                           "plain_http": bool}  # fmt: skip
_KINDS = {"str": "text", "int": "a whole number", "bool": "true or false", "dict": "a mapping"}


def read(
    doc: Document, entries: Mapping[str, Any], *above: str, shipped: Mapping[str, Endpoint] | None = None
) -> dict[str, Endpoint]:
    """Endpoints from the `entries` of a document, which stand under the keys `above`. An entry without an address
    changes the `shipped` one of its name; with one it stands alone, for a key belongs to an address."""
    found = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise ConfigError(f"{doc.where(*above, name)}: endpoint '{name}' must have keys", "base_url, key …")
        doc.only(_KEYS, entry, *above, name)
        usual = (shipped or {}).get(name) if "base_url" not in entry else None
        found[name] = _endpoint(doc, name, entry, above, usual)
    return found


def _endpoint(
    doc: Document, name: str, entry: dict[str, Any], above: tuple[str, ...], usual: Endpoint | None
) -> Endpoint:
    given = dict(entry)
    names = given.pop("key", None)
    for key, value in given.items():
        wanted = _TYPES.get(key, str)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{doc.where(*above, name, key)}: {key} must be {_KINDS[wanted.__name__]}")
    for parameter in given.get("wire", {}):
        if parameter not in PARAMETERS:
            hint = nearest(parameter, PARAMETERS)
            raise ConfigError(f"{doc.where(*above, name, 'wire', parameter)}: unknown parameter '{parameter}'", hint)
    if given.get("litellm"):
        given.setdefault("dialect", "litellm")
    if (dialect := str(given.get("dialect", "openai-chat"))) not in get_args(DialectName):
        hint = nearest(dialect, get_args(DialectName)) or f"one of {', '.join(get_args(DialectName))}"
        raise ConfigError(f"{doc.where(*above, name, 'dialect')}: unknown dialect '{dialect}'", hint)
    if names is not None:
        given["keys"] = _key_names(names, doc.where(*above, name, "key"))
    endpoint = replace(usual, **given) if usual else Endpoint(name, **given)
    if endpoint.dialect == "litellm" and not endpoint.litellm:
        raise ConfigError(f"{doc.where(*above, name)}: the litellm dialect needs litellm's name of the vendor",
                          "litellm: cohere_chat")  # fmt: skip
    if not endpoint.litellm and name != LOCAL:
        check_url(endpoint.base_url, doc.where(*above, name, "base_url"))
        check_plain(endpoint, doc.where(*above, name, "base_url"), "plain_http: true")
    if endpoint.tags not in ("auto", "off", "assume-open"):
        raise ConfigError(f"{doc.where(*above, name, 'tags')}: tags must be auto, off or assume-open")
    if not all(isinstance(wanted, str) and wanted for wanted in endpoint.wire.values()):
        raise ConfigError(f"{doc.where(*above, name, 'wire')}: wire maps our names to theirs", "max_tokens: n_predict")
    if endpoint.slots < 1:
        raise ConfigError(f"{doc.where(*above, name, 'slots')}: slots must be 1 or more")
    _check_headers(endpoint, doc.where(*above, name, "headers"))
    return endpoint


def _key_names(names: object, where: str) -> tuple[str, ...]:
    found = names if isinstance(names, list) else [names]
    for name in found:
        if not isinstance(name, str):
            raise ConfigError(f"{where}: key must be text", "the name of an environment variable")
        check_key_name(name, where)
    return tuple(found)


_SECRET_HEADERS = ("authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization")


def _check_headers(endpoint: Endpoint, where: str) -> None:
    for name, value in endpoint.headers.items():
        if not isinstance(value, str) or not (name + value).isascii() or not (name + value).isprintable():
            raise ConfigError(f"{where}: header '{name}' must be printable ASCII text", "put it in quotes")
        if name.lower() in _SECRET_HEADERS:
            raise ConfigError(f"{where}: the header '{name}' would hold a key, and this file is no place for one",
                              "key: NAME, and promptlab keys set NAME")  # fmt: skip


def check_plain(endpoint: Endpoint, where: str, way: str) -> None:
    """Raise ConfigError where prompts and key would travel readable to another machine, unless the user said so."""
    parts = urllib.parse.urlsplit(endpoint.base_url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not endpoint.plain_http:
        raise ConfigError(Sentence("{where}: {host} is reached by plain http: everybody on the way reads it",
                                   where=where, host=parts.hostname),
                          Sentence("use https, or say that you mean it: {way}", way=way))  # fmt: skip


def check_url(url: str, where: str) -> None:
    """Raise ConfigError where `url` is no http(s) address, or holds what would be kept in the history with it."""
    if "@" in url or "?" in url:
        raise ConfigError(Sentence("{where}: an address is no place for a key", where=where),
                          "name the key's variable: --key-env, or key:")  # fmt: skip
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket without its partner, a port that is no port
        usable = False
    if not usable:
        raise ConfigError(Sentence("{where}: '{url}' is no base URL", where=where, url=url),
                          "write it as http://HOST:PORT/v1")  # fmt: skip


def check_key_name(name: str, where: str) -> None:
    """Raise ConfigError where `name` can't be a variable's: it may be the key itself, and is not repeated."""
    if not (name.isascii() and name.isidentifier()):
        raise ConfigError(f"{where}: the name of an environment variable is wanted, not a key", "export NAME=…; NAME")


def resolve(
    name: str, known: Mapping[str, Endpoint], *, base_url: str | None = None, key: str | None = None,
    plain_http: bool = False,
) -> Endpoint:  # fmt: skip
    """The endpoint called `name`, or one on the spot at `base_url`. Raises UsageError with the nearest name.

    A key set for one host is not sent to another: with `base_url`, only `key` (a variable's name) is read,
    or the endpoint's own one where the host is its own, and never in the clear where that is reached by https.
    What is known of the endpoint's models is not taken for true at another address either.
    """
    if key:
        check_key_name(key, "--key-env")
    if base_url:
        check_url(base_url, "--base-url")
        usual = known.get(name, Endpoint(name))
        here, home = urllib.parse.urlsplit(base_url), urllib.parse.urlsplit(usual.base_url)
        own = _site(here) == _site(home) and (home.scheme == "http" or here.scheme == "https")
        dialect = usual.dialect if usual.dialect != "litellm" else "openai-chat"
        at = replace(
            usual, base_url=base_url, keys=(key,) if key else usual.keys if own else (), litellm=None, dialect=dialect,
            local=(here.hostname in LOOPBACK and not key) or (own and usual.local), like=usual.like if own else "",
            headers=usual.headers if own else {},
            plain_http=plain_http or (own and usual.plain_http),
        )  # fmt: skip
        check_plain(at, "--base-url", "--plain-http")
        return at
    if name in known:
        if not known[name].litellm and name != LOCAL:
            check_plain(known[name], f"endpoint {name}", "plain_http: true in config.yaml")
        return replace(known[name], keys=(key,) if key else known[name].keys)
    if name in _litellm_names():
        keys = (key,) if key else () if name in _AMBIENT else (f"{name.upper()}_API_KEY",)
        return Endpoint(name, keys=keys, litellm=name, dialect="litellm")
    hint = nearest(name, [*known, *_litellm_names()])
    raise UsageError(Sentence("unknown endpoint '{name}'", name=name),
                     hint or "for any other server: --base-url http://HOST:PORT/v1")  # fmt: skip


def _site(address: urllib.parse.SplitResult) -> tuple[str | None, int | None]:
    """Host and port: another port of a host may be another one's server."""
    return address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)


def _litellm_names() -> list[str]:
    """Provider prefixes that litellm knows, read from the file that it ships, without importing it."""
    found = litellm_file("provider_endpoints_support_backup.json")
    providers = found.get("providers") if isinstance(found, dict) else None
    return list(providers) if isinstance(providers, dict) else []
