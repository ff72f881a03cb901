"""What the user has set: config.yaml over the shipped knowledge."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlab import document, knowledge
from promptlab.document import Document
from promptlab.errors import ConfigError, UsageError, nearest
from promptlab.keys import PATIENCE, KeyChain
from promptlab.knowledge import Knowledge
from promptlab.places import Places as Places
from promptlab.places import places as places
from promptlab.places import shipped_profiles as shipped_profiles
from promptlab.providers import catalog
from promptlab.providers.catalog import Endpoint
from promptlab.request import LOCAL

_KEYS = ("endpoints", "aliases", "groups", "confirm_above", "tui", *knowledge.SECTIONS)  # `tui` is read by cli.tui
CONFIRM_ABOVE = 1.0  # US dollars


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds here: the shipped endpoints and knowledge under the user's own, and the user's names for targets."""

    endpoints: dict[str, Endpoint]
    knowledge: Knowledge
    aliases: dict[str, str]
    groups: dict[str, list[str]]
    own: frozenset[str] = frozenset()  # endpoints of config.yaml
    confirm_above: float = CONFIRM_ABOVE  # US dollars; what may cost more is asked for on a terminal


def settings(where: Places) -> Settings:
    """config.yaml over the shipped knowledge. Raises ConfigError with file, line and key."""
    known, facts = _shipped(where.cache)
    if said := os.environ.get("OLLAMA_HOST", "").strip():
        from promptlab.providers.discovery import ollama_host

        known["ollama"] = replace(known["ollama"], base_url=ollama_host(said), plain_http=True)
    if not where.settings.is_file():
        return Settings(known, facts, {}, {})
    try:
        doc = document.load(where.settings)
        doc.only(_KEYS, doc.value)
        entries = _section(doc, "endpoints")
        own = catalog.read(doc, entries, "endpoints", shipped=known)
        if "ollama" in own and own["ollama"].keys and not entries["ollama"].get("plain_http"):
            own["ollama"] = replace(own["ollama"], plain_http=False)  # OLLAMA_HOST lifts the ban for no key
        users = knowledge.read(doc)
        _check_efforts(doc, users, facts)
        aliases, groups = _names(doc)
        return Settings(known | own, users.above(facts), aliases, groups, frozenset(own), _dollars(doc))
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(error.message, error.hint) from None


def _check_efforts(doc: Document, users: Knowledge, shipped: Knowledge) -> None:
    names = shipped.efforts | users.efforts
    for number, family in enumerate(users.families):
        if family.effort is not None and family.effort not in names:
            hint = nearest(family.effort, names) or "promptlab models facts shows those that are used; or add one"
            where = doc.where("families", number, "effort")
            raise ConfigError(f"{where}: there are no efforts '{family.effort}'", hint)


def _shipped(cache: Path) -> tuple[dict[str, Endpoint], Knowledge]:
    """The shipped knowledge. Its YAML takes 30 ms to read and JSON two, which every start would pay: it is kept so,
    and what was kept is only believed where it reads as the YAML does."""
    source = knowledge.SHIPPED.stat()
    kept = cache / f"knowledge-{source.st_mtime_ns:x}-{source.st_size:x}.json"
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, UsageError):
        return _understood(Document(knowledge.SHIPPED, json.loads(kept.read_bytes())))
    doc = document.load(knowledge.SHIPPED)
    with suppress(OSError):  # a folder that can't be written costs 30 ms
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in cache.glob("knowledge-*.json"):
            old.unlink(missing_ok=True)
        written = kept.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(doc.value, ensure_ascii=False), "utf-8")
        written.replace(kept)
    return _understood(doc)


def _understood(doc: Document) -> tuple[dict[str, Endpoint], Knowledge]:
    doc.only((*_KEYS[:1], *knowledge.SECTIONS), doc.value)
    known, facts = catalog.read(doc, doc.value["endpoints"], "endpoints"), knowledge.read(doc)
    if LOCAL not in known or "openai" not in known or not facts.families:
        raise UsageError("the knowledge is not whole")
    return known, facts


def keys(
    where: Places, dotenv: Path | None = None, *, file: Path | None = None, patience: float = PATIENCE
) -> KeyChain:  # fmt: skip
    """Where keys are looked for; `file` in place of our own one, `patience` in seconds for the system's keyring."""
    ring = where.config / "keyring-names"
    return KeyChain(file or where.config / "keys", environ=os.environ, dotenv=dotenv, ring=ring, patience=patience)


def _section(doc: Document, name: str) -> dict[str, Any]:
    entries = doc.value.get(name) or {}
    if not isinstance(entries, dict):
        raise ConfigError(f"{doc.where(name)}: {name} must be names with keys", "name: …")
    return entries


def _dollars(doc: Document) -> float:
    value = doc.value.get("confirm_above", CONFIRM_ABOVE)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
        raise ConfigError(f"{doc.where('confirm_above')}: confirm_above is an amount in US dollars",
                          "confirm_above: 0.50")  # fmt: skip
    return float(value)


def _names(doc: Document) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The `aliases` (a name for one target) and `groups` (`@name` for several)."""
    aliases, groups = _section(doc, "aliases"), _section(doc, "groups")
    for name, target in aliases.items():
        if not isinstance(target, str):
            raise ConfigError(
                f"{doc.where('aliases', name)}: an alias stands for one target", f"{name}: ollama/qwen3:4b"
            )
        _check_name(doc, "aliases", name)
    for name, targets in groups.items():
        if not isinstance(targets, list) or not targets or not all(isinstance(target, str) for target in targets):
            raise ConfigError(f"{doc.where('groups', name)}: a group is a list of targets",
                              f"{name}: [deepseek/deepseek-flash, openai/o3]")  # fmt: skip
        _check_name(doc, "groups", name)
    return aliases, groups


def _check_name(doc: Document, section: str, name: str) -> None:
    if name == LOCAL or not re.fullmatch(r"[\w.-]+", name):
        raise ConfigError(f"{doc.where(section, name)}: '{name}' can't be a name for targets",
                          "letters, digits, - . and _; not 'local'")  # fmt: skip
