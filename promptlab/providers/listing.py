"""What a list of models says of each of them, in the JSON of each server's own API. Pure: no network, no clock.

Everything here comes from outside: a field that is not of its documented kind is taken as not said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from promptlab.providers.shape import items, mapping

Thinks = Literal["yes", "no", "switchable"]
Origin = Literal["server", "cache", "price list", "disk"]

MOST = 5000  # models of one server
LONGEST = 200  # characters of an id or a name


@dataclass(frozen=True, slots=True)
class Model:
    """One model at one endpoint; None is unknown.

    `id` is what goes on the wire, `name` what its makers call it. `kind` is "chat", "embedding", "image" …. Of
    `thinks`, "yes" says no more than that it does; "switchable" that it can also be told not to. `context` is in
    tokens: what the model was loaded with where the server tells, otherwise the most that it can. `size` is in bytes,
    `price` US dollars per token (input, output). `retires` is a day, ISO 8601. `local`: it runs on the user's machine.
    """

    endpoint: str
    id: str
    name: str = ""
    kind: str | None = None
    thinks: Thinks | None = None
    context: int | None = None
    size: int | None = None
    quantisation: str | None = None
    loaded: bool | None = None
    price: tuple[float, float] | None = None
    retires: str | None = None
    local: bool = False
    source: Origin = "server"

    @property
    def target(self) -> str:
        """As it is written after -m."""
        if self.endpoint == "local":
            return f"local:{self.id}" if self.id else "local"
        return f"{self.endpoint}/{self.id}"


class NotAList(ValueError):
    """The JSON is not of the shape that a list of models has."""


def decode(body: bytes) -> object:
    """JSON as it stands. Raises NotAList."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        raise NotAList from None
    return found


# Narrowing -----------------------------------------------------------------------------------------------------------


def text(value: object, most: int = LONGEST) -> str:
    return value if isinstance(value, str) and len(value) <= most else ""


def count(value: object) -> int | None:
    """A positive whole number, as one or written out."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**15 else None


def amount(value: object) -> float | None:
    """A price: a number, as one or written out, that is not negative."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def day(value: object) -> str | None:
    """The day of an ISO 8601 date or time."""
    found = text(value)[:10]
    return found if len(found) == 10 and found[4] == found[7] == "-" and found.replace("-", "").isdigit() else None


def first(counts: Iterable[object]) -> int | None:
    return next((number for value in counts if (number := count(value)) is not None), None)


def words(value: object) -> set[str]:
    return {word for word in items(value) if isinstance(word, str)}


# OpenAI's list, and what vendors add to it -------------------------------------------------------------------------


def entries(found: object) -> Sequence[Mapping[str, object]]:
    """The entries of a list in OpenAI's shape (or a bare list, as Together gives), newest first. Raises NotAList."""
    listed = found.get("data", ...) if isinstance(found, dict) else found
    if listed is None and mapping(found).get("object") == "list":  # Ollama's way to say that it has none
        listed = []
    if not isinstance(listed, list):
        raise NotAList
    kept = [entry for entry in map(mapping, listed) if text(entry.get("id")) and entry.get("active") is not False]
    if listed and not kept and not any("id" in mapping(entry) for entry in listed):
        raise NotAList
    return sorted(kept, key=lambda entry: -(count(entry.get("created")) or 0))[:MOST]


def openai_like(endpoint: str, found: object, *, local: bool = False) -> tuple[Model, ...]:
    """Models of `GET /models`, with what OpenRouter, Together, Mistral, Groq, vLLM, SGLang, llama.cpp and LM Studio
    say beyond the id. Raises NotAList."""
    return tuple(_openai_like(endpoint, entry, local) for entry in entries(found))


def _openai_like(endpoint: str, entry: Mapping[str, object], local: bool) -> Model:
    meta, top = mapping(entry.get("meta")), mapping(entry.get("top_provider"))
    context = first(
        (entry.get("max_model_len"), entry.get("context_length"), top.get("context_length"),
         entry.get("context_window"), entry.get("max_context_length"), meta.get("n_ctx"), meta.get("n_ctx_train"))
    )  # fmt: skip
    id = text(entry["id"])
    named = text(entry.get("display_name")) or text(entry.get("name"))
    state = text(mapping(entry.get("status")).get("value")) or text(entry.get("state"))
    return Model(
        endpoint, id, named if named != id else "", _kind(entry), _thinks(entry), context, count(meta.get("size")),
        text(meta.get("ftype")) or text(entry.get("quantization")) or None,
        {"loaded": True, "unloaded": False, "not-loaded": False}.get(state), _price(entry),
        day(entry.get("expiration_date")) or day(entry.get("deprecation")), local,
    )  # fmt: skip


_TYPES = {"llm": "chat", "vlm": "chat", "chat": "chat", "language": "completion", "embedding": "embedding",
          "embeddings": "embedding", "image": "image", "rerank": "rerank", "moderation": "moderation",
          "audio": "speech", "video": "video", "transcribe": "transcription"}  # fmt: skip


def _kind(entry: Mapping[str, object]) -> str | None:
    if kind := _TYPES.get(text(entry.get("type"))):
        return kind
    out = words(mapping(entry.get("architecture")).get("output_modalities")) or words(entry.get("output_modalities"))
    for modality, kind in (("text", "chat"), ("embeddings", "embedding"), ("image", "image"), ("audio", "speech")):
        if modality in out:
            return kind
    return "chat" if mapping(entry.get("capabilities")).get("completion_chat") is True else None


def _thinks(entry: Mapping[str, object]) -> Thinks | None:
    reasoning = mapping(entry.get("reasoning"))  # OpenRouter; its `mandatory` says whether it can be switched off
    if reasoning:
        return "switchable" if reasoning.get("mandatory") is False else "yes"
    taken = words(entry.get("supported_parameters")) | words(entry.get("supported_features"))
    if taken:
        return "yes" if taken & {"reasoning", "include_reasoning", "reasoning_effort"} else "no"
    says = mapping(entry.get("capabilities")).get("reasoning")  # Mistral
    return None if not isinstance(says, bool) else "yes" if says else "no"


def _price(entry: Mapping[str, object]) -> tuple[float, float] | None:
    pricing = mapping(entry.get("pricing"))
    asked, written, unit = amount(pricing.get("prompt")), amount(pricing.get("completion")), 1.0
    if asked is None and "hourly" in pricing:  # Together, in dollars per million
        asked, written, unit = amount(pricing.get("input")), amount(pricing.get("output")), 1e6
    return None if asked is None or written is None else (asked / unit, written / unit)


# Anthropic and Gemini ------------------------------------------------------------------------------------------------


def anthropic(endpoint: str, found: object) -> tuple[Model, ...]:
    """Models of Anthropic's `GET /v1/models`. Raises NotAList."""
    return tuple(
        Model(endpoint, text(entry["id"]), text(entry.get("display_name")), "chat",
              _claude_thinks(mapping(mapping(entry.get("capabilities")).get("thinking"))),
              count(entry.get("max_input_tokens")))
        for entry in entries(found)
    )  # fmt: skip


def _claude_thinks(thinking: Mapping[str, object]) -> Thinks | None:
    """Where thinking is opt-in (type `enabled`) it can be left out; where it is adaptive only, nothing is said."""
    says = thinking.get("supported")
    if not isinstance(says, bool):
        return None
    opt_in = mapping(mapping(thinking.get("types")).get("enabled")).get("supported") is True
    return "no" if not says else "switchable" if opt_in else "yes"


def gemini(endpoint: str, found: object) -> tuple[Model, ...]:
    """Models of Gemini's `GET /v1beta/models`. Raises NotAList."""
    listed = mapping(found).get("models", ...)
    if not isinstance(listed, list):
        raise NotAList
    kept = [entry for entry in map(mapping, listed) if text(entry.get("name"))][:MOST]
    says = any("thinking" in entry for entry in kept)  # proto3: a false field is left out
    return tuple(_gemini(endpoint, entry, says) for entry in kept)


def _gemini(endpoint: str, entry: Mapping[str, object], says: bool) -> Model:
    methods = words(entry.get("supportedGenerationMethods"))
    kinds = (("generateContent", "chat"), ("embedContent", "embedding"), ("predict", "image"),
             ("predictLongRunning", "video"), ("bidiGenerateContent", "realtime"))  # fmt: skip
    kind = next((kind for method, kind in kinds if method in methods), None)
    thinks: Thinks | None = "yes" if entry.get("thinking") is True else "no" if says and kind == "chat" else None
    return Model(endpoint, text(entry["name"]).removeprefix("models/"), text(entry.get("displayName")), kind, thinks,
                 count(entry.get("inputTokenLimit")))  # fmt: skip


# Local servers' own APIs ---------------------------------------------------------------------------------------------


def ollama(endpoint: str, found: object, *, local: bool = True) -> tuple[Model, ...]:
    """Models of Ollama's `GET /api/tags`; newer servers tell capabilities and context there too. Raises NotAList."""
    listed = mapping(found).get("models", ...)
    if listed is None:
        listed = []
    if not isinstance(listed, list):
        raise NotAList
    return tuple(_ollama(endpoint, entry, local) for entry in map(mapping, listed) if text(entry.get("name")))[:MOST]


def _ollama(endpoint: str, entry: Mapping[str, object], local: bool) -> Model:
    details = mapping(entry.get("details"))
    remote = bool(text(entry.get("remote_host")))  # a model of their cloud, listed beside those on the disk
    model = Model(
        endpoint, text(entry["name"]), size=None if remote else count(entry.get("size")), local=local and not remote,
        context=count(details.get("context_length")), quantisation=text(details.get("quantization_level")) or None,
    )  # fmt: skip
    return _with_capabilities(model, entry.get("capabilities"), text(details.get("family")))


def ollama_shown(model: Model, found: object) -> Model:
    """`model` with what `POST /api/show` tells: capabilities, and the context that it was trained for."""
    details, facts = mapping(mapping(found).get("details")), mapping(mapping(found).get("model_info"))
    family = text(facts.get("general.architecture"))
    context = count(facts.get(f"{family}.context_length"))
    shown = _with_capabilities(model, mapping(found).get("capabilities"), family or text(details.get("family")))
    return replace(shown, context=shown.context or context)


def ollama_running(models: tuple[Model, ...], found: object) -> tuple[Model, ...]:
    """`models` with what `GET /api/ps` tells: which are loaded, and with how much context."""
    listed = mapping(found).get("models", ...)
    if not isinstance(listed, list):
        return models
    running = {text(entry.get("name")): entry for entry in map(mapping, listed)}
    return tuple(
        replace(model, loaded=model.id in running,
                context=count(running.get(model.id, {}).get("context_length")) or model.context)
        for model in models
    )  # fmt: skip


def _with_capabilities(model: Model, capabilities: object, family: str) -> Model:
    said = words(capabilities)
    if not said:
        return model
    kinds = (("completion", "chat"), ("embedding", "embedding"), ("image", "image"))
    kind = next((kind for word, kind in kinds if word in said), None)
    # gpt-oss takes levels only (docs.ollama.com/capabilities/thinking); every other family takes think: false.
    thinks: Thinks = "no" if "thinking" not in said else "yes" if family in ("gptoss", "gpt-oss") else "switchable"
    return replace(model, kind=kind, thinks=thinks if kind == "chat" else None)


def lmstudio(endpoint: str, found: object, *, local: bool = True) -> tuple[Model, ...]:
    """Models of LM Studio's `GET /api/v1/models`. Raises NotAList."""
    listed = mapping(found).get("models", ...)
    if not isinstance(listed, list):
        raise NotAList
    kept = [entry for entry in map(mapping, listed) if text(entry.get("key"))]
    if listed and not kept:
        raise NotAList
    return tuple(_lmstudio(endpoint, entry, local) for entry in kept[:MOST])


def _lmstudio(endpoint: str, entry: Mapping[str, object], local: bool) -> Model:
    running = [mapping(mapping(instance).get("config")) for instance in items(entry.get("loaded_instances"))]
    context = first((*(config.get("context_length") for config in running), entry.get("max_context_length")))
    options = mapping(mapping(entry.get("capabilities")).get("reasoning")).get("allowed_options")
    thinks: Thinks | None = None if not words(options) else "switchable" if "off" in words(options) else "yes"
    return Model(
        endpoint, text(entry["key"]), text(entry.get("display_name")), _TYPES.get(text(entry.get("type"))), thinks,
        context, count(entry.get("size_bytes")), text(mapping(entry.get("quantization")).get("name")) or None,
        bool(running), local=local,
    )  # fmt: skip


def llamacpp(models: tuple[Model, ...], listed: object, props: object) -> tuple[Model, ...]:
    """`models` of a llama-server with what `/props` tells of the one that it serves, and the list of capabilities that
    its `/v1/models` gives beside OpenAI's."""
    said = {text(entry.get("name")): words(entry.get("capabilities"))
            for entry in map(mapping, items(mapping(listed).get("models")))}  # fmt: skip
    models = tuple(
        replace(model, kind="chat" if "completion" in said.get(model.id, ()) else
                "embedding" if "embedding" in said.get(model.id, ()) else model.kind)
        for model in models
    )  # fmt: skip
    facts = mapping(props)
    if len(models) != 1 or not facts or facts.get("role") == "router":
        return models
    context = count(mapping(facts.get("default_generation_settings")).get("n_ctx"))  # per slot: what a prompt can have
    template = text(facts.get("chat_template"), 1_000_000)
    return (replace(models[0], context=context or models[0].context, loaded=True, thinks=template_thinks(template),
                    quantisation=models[0].quantisation or text(facts.get("model_ftype")) or None),)  # fmt: skip


def template_thinks(template: str) -> Thinks | None:
    """Whether a chat template has room for thinking, by the marks of the known families; None without a template."""
    if "enable_thinking" in template:
        return "switchable"
    marks = ("<think>", "</think>", "<|channel|>", "<|channel>", "reasoning_content", "[THINK]")
    return None if not template.strip() else "yes" if any(mark in template for mark in marks) else "no"
