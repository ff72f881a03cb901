"""What in an answer could give away who wrote it: a model's name, its maker's, the tags of its template. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["model", "vendor", "tags"]

_MODELS = ("chatgpt", "gpt", "claude", "gemini", "gemma", "llama", "qwen", "qwq", "deepseek", "mistral", "mixtral",
           "grok", "kimi", "glm", "chatglm", "minimax", "hunyuan", "ernie", "doubao", "smollm", "falcon", "yi",
           "command r", "phi", "olmo", "granite", "nemotron", "internlm", "baichuan", "copilot",
           "通义千问", "千问", "文心一言", "豆包", "混元", "智谱清言", "星火", "百川")  # fmt: skip
_VENDORS = ("openai", "anthropic", "google", "deepmind", "meta ai", "alibaba", "moonshot", "mistral ai", "xai", "zhipu",
            "hugging face", "microsoft", "nvidia", "cohere", "baidu", "tencent", "bytedance", "阿里云", "阿里巴巴",
            "达摩院", "百度", "腾讯", "字节跳动", "深度求索", "月之暗面", "智谱", "科大讯飞")  # fmt: skip
_PLAIN = frozenset((
    "chat", "instruct", "base", "mini", "nano", "small", "medium", "large", "tiny", "turbo", "flash", "pro",
    "plus", "max", "lite", "preview", "latest", "free", "model", "local", "custom", "text", "vision", "coder",
    "code", "thinking", "reasoning", "think", "fast", "air", "hub", "tune"
))  # fmt: skip
_TAGS = re.compile(
    r"</?(?:think|thinking|thought|reasoning|seed:think|answer|reflection|scratchpad|output)>|◁/?think▷|"
    r"<\|[^|<>\n]{1,40}\|>|<\uff5c[^\uff5c<>\n]{1,40}\uff5c>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>",
    re.IGNORECASE,
)
_MOST = 6  # of one answer


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing in the answer at `place` (from 0); `text` is a piece of that answer, untrusted."""

    place: int
    kind: Kind
    text: str


def flags_of(answers: Sequence[str], targets: Iterable[str], prompt: str) -> tuple[Flag, ...]:
    """What could give away who wrote each answer. `targets` are those that are compared, whose names are looked for
    besides the well-known ones; what the prompt itself says is no sign."""
    asked = prompt.casefold()
    names = {*_MODELS, *(name for target in targets for name in names_of(target))}
    wanted: dict[Kind, re.Pattern[str]] = {"model": _any(names), "vendor": _any(_VENDORS), "tags": _TAGS}
    found: dict[Flag, None] = {}
    for place, answer in enumerate(answers):
        seen: dict[str, Flag] = {}
        for kind, pattern in wanted.items():
            for match in pattern.finditer(answer):
                word = match.group()
                if word.casefold() not in asked:
                    seen.setdefault(word.casefold(), Flag(place, kind, word))
        found |= dict.fromkeys(list(seen.values())[:_MOST])
    return tuple(found)


def names_of(target: str) -> set[str]:
    """The words of a target that are a model's name: `ollama/qwen3:4b` has `qwen3` and `qwen`."""
    if target.startswith("local:"):
        model = re.split(r"[/\\]", target)[-1].removeprefix("local:")  # of a file's folders nothing
    else:
        model = target.partition("/")[2] or ("smollm" if target == "local" else "")
    found = set()
    for word in re.split(r"[^0-9A-Za-z]+", model.removesuffix(".gguf").casefold()):
        letters = word.rstrip("0123456789")
        for name in (word, letters):
            if len(letters) >= 3 and letters.isalpha() and letters not in _PLAIN:
                found.add(name)
    return found


def _any(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the words as a word of its own, which a version may follow; Chinese has no words to stand between."""
    latin = sorted((word for word in words if word.isascii()), key=len, reverse=True)
    other = [re.escape(word) for word in words if not word.isascii()]
    parts = [rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, latin))})(?:[-.]?\d[\w.]*)?(?![A-Za-z])"] if latin else []
    return re.compile("|".join([*parts, *other]), re.IGNORECASE)
