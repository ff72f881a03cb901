"""Arithmetic with planted accuracies: what a scripted model answers, and what its votes must come to by mathematics."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlab.analysis.interval import wilson


@dataclass(frozen=True, slots=True)
class Item:
    """A sum with its answer, the planted chance to be right, and the wrong answers with their shares of the rest."""

    prompt: str
    answer: int
    right: float
    wrong: tuple[tuple[int, float], ...]


def items(count: int, seed: int = 0) -> list[Item]:
    """Sums of two-digit numbers, most of them easy for the planted model, some beyond it."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        a, b, c = chance.randint(11, 99), chance.randint(11, 99), chance.randint(2, 9)
        answer = a * c + b
        right = chance.choice((0.35, 0.45, 0.55, 0.65, 0.8, 0.9))
        wrong = ((answer + 10, 0.5), (answer - c, 0.3), (answer + 1, 0.2))
        found.append(Item(f"Item {number + 1}: what is {a} * {c} + {b}? End with the number.", answer, right, wrong))
    return found


def sums(count: int, seed: int = 0) -> list[Item]:
    """Sums that a model of 135 million parameters gets right now and then; nothing is planted in them."""
    chance = random.Random(seed)
    pairs = [(chance.randint(2, 9), chance.randint(2, 19)) for _ in range(count)]
    return [Item(f"What is {a} + {b}? Answer with the number alone.", a + b, 0.0, ()) for a, b in pairs]


def write_items(path: Path, chosen: Sequence[Item]) -> None:
    rows = ({"prompt": item.prompt, "answer": str(item.answer)} for item in chosen)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def answer_to(chosen: Sequence[Item], seed: int = 0) -> Callable[[Mapping[str, Any]], str]:
    """What a scripted model says to a request: a little reasoning, then a number."""
    by_prompt = {item.prompt: item for item in chosen}
    chance = random.Random(seed)

    def answer(body: Mapping[str, Any]) -> str:
        item = by_prompt[body["messages"][-1]["content"].strip()]
        if chance.random() < item.right:
            said = item.answer
        else:
            said = chance.choices([value for value, _ in item.wrong], [share for _, share in item.wrong])[0]
        return f"I multiply first, then add. The answer is {said}."

    return answer


def exact(item: Item, k: int) -> float:
    """The chance that the majority of k samples is right and alone in front: the sum over all outcomes."""
    shares = [item.right, *((1 - item.right) * share for _, share in item.wrong)]
    total = 0.0
    for first in range(1, k + 1):
        for others in _splits(k - first, len(shares) - 1):
            if max(others) < first:
                ways = math.factorial(k)
                chance = shares[0] ** first / math.factorial(first)
                for count, share in zip(others, shares[1:], strict=True):
                    chance *= share**count / math.factorial(count)
                total += ways * chance
    return total


def _splits(total: int, parts: int) -> list[tuple[int, ...]]:
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _splits(total - first, parts - 1)]


def accuracy(votes: Sequence[Mapping[str, Any]]) -> tuple[float, float, float]:
    """The share of votes whose majority is right, with its Wilson interval."""
    judged = [bool(vote["right"]) for vote in votes]
    low, high = wilson(sum(judged), len(judged))
    return sum(judged) / len(judged), low, high
