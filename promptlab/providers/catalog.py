"""The endpoints known by name: shipped data (endpoints.yaml) under the user's own (config.yaml)."""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from promptlab import document
from promptlab.document import Document
from promptlab.errors import ConfigError, UsageError, nearest
from promptlab.params import PARAMETERS
from promptlab.providers.http import LOOPBACK
from promptlab.request import LOCAL

SHIPPED = Path(__file__).with_name("endpoints.yaml")
# litellm reads the credentials of these itself, and they are more than one key.
_AMBIENT = ("bedrock", "bedrock_converse", "vertex_ai", "azure", "azure_ai", "watsonx", "sagemaker", "sagemaker_chat",
            "oci", "databricks", "snowflake")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how one endpoint is spoken to; the meaning of each field stands at the head of endpoints.yaml."""

    name: str
    base_url: str = ""
    key: str | None = None
    local: bool = False
    slots: int = 16
    wire: dict[str, str] = field(default_factory=dict)
    include_usage: bool = True
    tags: str = "auto"
    litellm: str | None = None

    def secret(self) -> str | None:
        """The key itself, from the environment; it goes into the header of this endpoint and nowhere else."""
        return os.environ.get(self.key, "").strip() or None if self.key else None


_KEYS = tuple(f.name for f in fields(Endpoint) if f.name != "name")


def shipped() -> dict[str, Endpoint]:
    found = read(document.load(SHIPPED))
    found[LOCAL] = Endpoint(LOCAL, local=True, slots=4)
    return found


def read(doc: Document, entries: Mapping[str, Any] | None = None, *above: str) -> dict[str, Endpoint]:
    """Endpoints from a checked document: its own mapping, or `entries` under the keys `above`."""
    found = {}
    for name, entry in (entries or doc.value).items():
        if not isinstance(entry, dict):
            raise ConfigError(f"{doc.where(*above, name)}: endpoint '{name}' must have keys", "base_url, key …")
        doc.only(_KEYS, entry, *above, name)
        found[name] = _endpoint(doc, name, entry, above)
    return found


def _endpoint(doc: Document, name: str, entry: dict[str, Any], above: tuple[str, ...]) -> Endpoint:
    wanted = {"base_url": str, "key": str, "local": bool, "slots": int, "wire": dict, "include_usage": bool,
              "tags": str, "litellm": str}  # fmt: skip
    for key, value in entry.items():
        if not isinstance(value, wanted[key]) or (wanted[key] is int and isinstance(value, bool)):
            kind = {"str": "text", "int": "a whole number", "bool": "true or false", "dict": "a mapping"}
            raise ConfigError(f"{doc.where(*above, name, key)}: {key} must be {kind[wanted[key].__name__]}")
    for parameter in entry.get("wire", {}):
        if parameter not in PARAMETERS:
            hint = nearest(parameter, PARAMETERS)
            raise ConfigError(f"{doc.where(*above, name, 'wire', parameter)}: unknown parameter '{parameter}'", hint)
    endpoint = Endpoint(name, **entry)
    if not endpoint.litellm:
        check_url(endpoint.base_url, doc.where(*above, name, "base_url"))
    if endpoint.key:
        check_key_name(endpoint.key, doc.where(*above, name, "key"))
    if endpoint.slots < 1:
        raise ConfigError(f"{doc.where(*above, name, 'slots')}: slots must be 1 or more")
    return endpoint


def check_url(url: str, where: str) -> None:
    """Raise ConfigError where `url` is no http(s) address, or holds what would be kept in the history with it."""
    if "@" in url or "?" in url:
        raise ConfigError(f"{where}: an address is no place for a key", "name the key's variable: --key-env, or key:")
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket without its partner, a port that is no port
        usable = False
    if not usable:
        raise ConfigError(f"{where}: '{url}' is no base URL", "write it as http://HOST:PORT/v1")


def check_key_name(name: str, where: str) -> None:
    """Raise ConfigError where `name` can't be a variable's: it may be the key itself, and is not repeated."""
    if not (name.isascii() and name.isidentifier()):
        raise ConfigError(f"{where}: the name of an environment variable is wanted, not a key", "export NAME=…; NAME")


def resolve(
    name: str, known: Mapping[str, Endpoint], *, base_url: str | None = None, key: str | None = None
) -> Endpoint:
    """The endpoint called `name`, or one on the spot at `base_url`. Raises UsageError with the nearest name.

    A key set for one host is not sent to another: with `base_url`, only `key` (a variable's name) is read,
    or the endpoint's own one where the host is its own, and never in the clear where that is reached by https.
    """
    if key:
        check_key_name(key, "--key-env")
    if base_url:
        check_url(base_url, "--base-url")
        usual = known.get(name, Endpoint(name))
        host, home = urllib.parse.urlsplit(base_url).hostname, urllib.parse.urlsplit(usual.base_url)
        own = host == home.hostname and (home.scheme == "http" or base_url.startswith("https:"))
        return replace(usual, base_url=base_url, key=key or (usual.key if own else None), litellm=None,
                       local=host in LOOPBACK or usual.local)  # fmt: skip
    if name in known:
        return replace(known[name], key=key or known[name].key)
    if name in _litellm_names():
        return Endpoint(name, key=key or (None if name in _AMBIENT else f"{name.upper()}_API_KEY"), litellm=name)
    hint = nearest(name, [*known, *_litellm_names()])
    raise UsageError(f"unknown endpoint '{name}'", hint or "for any other server: --base-url http://HOST:PORT/v1")


def _litellm_names() -> list[str]:
    """Provider prefixes that litellm knows, read from the file that it ships, without importing it."""
    from importlib import metadata  # 15 ms, for names that are not ours only

    try:
        files = metadata.files("litellm") or []
        file = next(f for f in files if f.name == "provider_endpoints_support_backup.json" and len(f.parts) == 2)
        return list(json.loads(file.locate().read_text("utf-8"))["providers"])  # type: ignore[attr-defined]
    except (metadata.PackageNotFoundError, StopIteration, OSError, ValueError, KeyError):
        return []
