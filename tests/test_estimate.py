"""What a sweep will take, before it is sent: ranges that hold, and unknowns that stay unknown."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from promptlab.estimate import ENOUGH, Estimate, estimate
from promptlab.params import Value
from promptlab.plan import Cell, Plan
from promptlab.providers.prices import Price
from promptlab.request import Message, Request

PRICE = Price(1e-6, 10e-6)


def plan(
    count: int, parameters: Mapping[str, Value] | None = None, target: str = "openai/x", text: str = "雪" * 100
) -> Plan:
    messages = (Message("user", text),)
    cells = [Cell(n, target, "openai", Request("x", messages, dict(parameters or {}))) for n in range(count)]
    return Plan(tuple(cells), "p")


def told(of: Plan, past: Sequence[int] = (), price: Price | None = PRICE, *, local: bool = False) -> Estimate:
    return estimate(of, lambda _: price, lambda _: past, lambda _: local)


def test_a_bound_of_tokens_bounds_the_cost() -> None:
    found = told(plan(10, {"max_tokens": 200}))
    assert found.cells == 10
    low, high = found.usd
    assert high == pytest.approx(10 * 70 * 1.3 * 1e-6 + 10 * 200 * 10e-6)
    assert 0 < low < (high or 0)
    assert found.shares[0].why == "max_tokens" and found.unpriced == () and found.unbounded == ()


def test_without_a_bound_or_a_past_the_most_is_unknown() -> None:
    found = told(plan(10))
    assert found.tokens[1] is None and found.usd[1] is None
    assert found.usd[0] > 0
    assert found.unbounded == ("openai/x",)


def test_an_unknown_price_is_not_free() -> None:
    found = told(plan(3, {"max_tokens": 5}), price=None)
    assert found.unpriced == ("openai/x",)
    assert found.shares[0].usd is None
    assert told(plan(3), price=None, local=True).unpriced == ()


def test_the_models_own_past_tells_its_thinking() -> None:
    """Of 200 runs of 20 cells, drawn from the same skewed lengths, the range holds nearly all."""
    rng = random.Random(7)
    held = 0
    for _ in range(200):
        past = [int(rng.lognormvariate(6, 0.6)) for _ in range(40)]
        low, high = told(plan(20), past).shares[0].output
        assert high is not None
        held += low <= sum(int(rng.lognormvariate(6, 0.6)) for _ in range(20)) <= high
    assert held >= 180
    assert told(plan(20), [5] * (ENOUGH - 1)).shares[0].why == "unknown"


def test_a_bound_holds_above_the_past() -> None:
    found = told(plan(10, {"max_tokens": 50}), [400, 500, 600, 500, 400, 450])
    assert found.shares[0].output == (500.0, 500.0)
