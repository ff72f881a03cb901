"""Other tools' names for decoding parameters and models, and ours: the tables, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptlab.errors import UsageError
from promptlab.params import PARAMETERS, Value, show
from promptlab.profile import Profile

# Ours to theirs. llm: the options of its OpenAI models (llm/default_plugins/openai_models.py); aichat: the front matter
# of a role (src/config/role.rs); Cherry Studio: AssistantSettings; promptfoo: a provider's config.
HELD: dict[str, dict[str, str]] = {
    "llm": {
        "temperature": "temperature", "top_p": "top_p", "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty", "seed": "seed", "max_tokens": "max_tokens", "stop": "stop",
        "effort": "reasoning_effort",
    },
    "aichat": {"temperature": "temperature", "top_p": "top_p"},
    "cherry": {
        "temperature": "temperature", "top_p": "topP", "max_tokens": "maxTokens", "effort": "reasoning_effort",
    },
    "promptfoo": {name: name for name in PARAMETERS if name != "effort"} | {"effort": "reasoning_effort"},
}  # fmt: skip
_OTHER = {
    "num_predict": "max_tokens", "max_output_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
    "reasoning_effort": "effort", "repetition_penalty": "repeat_penalty", "stop_sequences": "stop",
    "budget_tokens": "thinking_budget",
}  # fmt: skip

# Their names of vendors, where ours differ; the same names need no entry. Only vendors whose name says all.
_VENDORS = {
    "openai": "openai", "anthropic": "anthropic", "claude": "anthropic", "gemini": "gemini", "google": "gemini",
    "deepseek": "deepseek", "openrouter": "openrouter", "silicon": "siliconflow", "siliconflow": "siliconflow",
    "moonshot": "moonshot", "zhipu": "zhipu", "zhipuai": "zhipu", "qianwen": "dashscope", "dashscope": "dashscope",
    "xai": "xai", "grok": "xai", "mistral": "mistral", "groq": "groq", "together": "together", "ollama": "ollama",
    "lmstudio": "lmstudio", "cohere": "cohere", "perplexity": "perplexity", "fireworks": "fireworks",
}  # fmt: skip
_TARGET = re.compile(r"([a-z0-9-]{1,40})/([\w.:/-]{1,200})")
_MODES = ("chat", "messages", "completion", "responses")  # promptfoo: openai:chat:MODEL


def take(given: Mapping[str, object]) -> tuple[dict[str, list[Value]], list[str]]:
    """Their settings as our parameters, and those that are none of ours, or have a value that we don't take."""
    found: dict[str, list[Value]] = {}
    rest: list[str] = []
    for key, value in given.items():
        name = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", key).lower()
        name = _OTHER.get(name, name)
        if value is None:
            continue
        if name not in PARAMETERS or name in found or not isinstance(value, (str, int, float, bool, list)):
            rest.append(key)
            continue
        try:
            if isinstance(value, list) and not all(isinstance(item, str) for item in value):
                raise UsageError(name)
            found[name] = [PARAMETERS[name].check(value)]
        except (UsageError, OverflowError):
            rest.append(f"{key}: {str(value)[:40]}")
    return found, rest


def put(profile: Profile, tool: str) -> tuple[dict[str, Value], list[str]]:
    """Our parameters under their names there, and what is lost of them. Of a sweep, the first value is kept."""
    found: dict[str, Value] = {}
    lost: list[str] = []
    for name, values in profile.parameters.items():
        theirs = HELD.get(tool, {}).get(name)
        said = ", ".join(map(show, values))
        if theirs is None:
            lost.append(f"{name} {said}")
            continue
        first = next((value for value in values if value is not None), None)
        if len(values) > 1:
            lost.append(f"the sweep of {name} ({said}): only {show(first)} is kept")
        if first is not None:
            found[theirs] = first
    return found, lost


def take_target(vendor: str, model: str) -> str | None:
    """Our target for their vendor and model; None where the vendor is none that every one knows by that name."""
    ours = _VENDORS.get(vendor.strip().lower())
    target = f"{ours}/{model.strip()}"
    return target if ours and _TARGET.fullmatch(target) else None


def take_colon(text: str) -> str | None:
    """Our target for `vendor:model`, as aichat and promptfoo write it."""
    vendor, sign, model = text.partition(":")
    head, colon, rest = model.partition(":")
    if colon and head in _MODES:
        model = rest
    return take_target(vendor, model) if sign else None


def take_id(text: str) -> str | None:
    """Our target for a model id of llm: its own models are OpenAI's, a plugin's begin with the vendor."""
    if re.match(r"(gpt-|chatgpt-|o[1-9](-|$))", text):
        return take_target("openai", text)
    vendor, sign, model = text.partition("/")
    return take_target(vendor, model) if sign else None


def put_targets(profile: Profile) -> tuple[list[tuple[str, str]], list[str]]:
    """The targets that are plain vendors and models, as such pairs, and the others as they stand."""
    pairs: list[tuple[str, str]] = []
    others: list[str] = []
    for target in profile.targets:
        found = _TARGET.fullmatch(target)
        if found and found[1] in _VENDORS.values():
            pairs.append((found[1], found[2]))
        else:
            others.append(target)
    return pairs, others
