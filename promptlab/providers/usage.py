"""Each vendor's usage block as one Usage. What a block does not say is None.

`billed` is total - prompt where a total is given: it holds the thinking that some vendors (xAI, Gemini's OpenAI
layer) leave out of their output count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlab.events import Usage
from promptlab.providers.shape import count, mapping, shallow


def openai(raw: Mapping[str, Any]) -> Usage:
    """OpenAI's block and its kin's; the last line of Ollama's own dialect too."""
    given = count(raw.get("prompt_tokens", raw.get("prompt_eval_count")))
    output = count(raw.get("completion_tokens", raw.get("eval_count")))
    thinking = count(mapping(raw.get("completion_tokens_details")).get("reasoning_tokens"))
    cached = mapping(raw.get("prompt_tokens_details")).get("cached_tokens")
    elsewhere = raw.get("prompt_cache_hit_tokens", raw.get("cached_tokens"))  # DeepSeek; Kimi
    billed = _minus(count(raw.get("total_tokens")), given)
    cost = mapping(raw.get("cost")).get("total_cost", raw.get("cost"))  # Perplexity itemises it
    return Usage(given, output, thinking, count(elsewhere if cached is None else cached),
                 output if billed is None else billed, _dollars(cost), raw=_kept(raw))  # fmt: skip


def anthropic(raw: Mapping[str, Any]) -> Usage:
    """The prompt that was read from a cache, or put into one, is not in input_tokens."""
    given, cached, stored = (
        count(raw.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    if given is not None:
        given += (cached or 0) + (stored or 0)
    output = count(raw.get("output_tokens"))
    thinking = count(mapping(raw.get("output_tokens_details")).get("thinking_tokens"))
    return Usage(given, output, thinking, cached, output, raw=_kept(raw))


def gemini(raw: Mapping[str, Any]) -> Usage:
    """Thoughts are not in candidatesTokenCount, and are paid for; what tools read is not in promptTokenCount."""
    given, output, thinking, tools = (
        count(raw.get(f"{name}TokenCount")) for name in ("prompt", "candidates", "thoughts", "toolUsePrompt")
    )
    if given is not None:
        given += tools or 0
    billed = _minus(count(raw.get("totalTokenCount")), given)
    if billed is None or billed < 0:
        parts = [part for part in (output, thinking) if part is not None]
        billed = sum(parts) if parts else None
    return Usage(given, output, thinking, count(raw.get("cachedContentTokenCount")), billed, raw=_kept(raw))


def responses(raw: Mapping[str, Any]) -> Usage:
    """OpenAI Responses' block; the thinking is in output_tokens, except where the total shows that it is not."""
    given, output, total = (count(raw.get(f"{name}_tokens")) for name in ("input", "output", "total"))
    thinking = count(mapping(raw.get("output_tokens_details")).get("reasoning_tokens"))
    cached = count(mapping(raw.get("input_tokens_details")).get("cached_tokens"))
    billed = _minus(total, given)
    return Usage(given, output, thinking, cached, output if billed is None or billed < 0 else billed,
                 _dollars(raw.get("cost")), raw=_kept(raw))  # fmt: skip


def ollama(raw: Mapping[str, Any]) -> Usage:
    """The last line of Ollama's own API, with its durations in nanoseconds: what `total` has beyond `load`,
    `prompt_eval` and `eval` is mostly waiting for a slot."""
    numbers = {name: found for name, value in raw.items() if (found := count(value)) is not None}
    kept = {name: value for name, value in numbers.items() if name.endswith(("_count", "_duration"))}
    output = kept.get("eval_count")
    return Usage(kept.get("prompt_eval_count"), output, billed=output, raw=kept)


def _kept(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if shallow(value)}


def _dollars(cost: object) -> float | None:
    """What OpenRouter and Perplexity say was paid."""
    if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost < 1e9:
        return None
    return float(cost)


def _minus(total: int | None, part: int | None) -> int | None:
    return None if total is None or part is None else total - part
