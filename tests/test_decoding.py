"""The numbers on decoding against a model whose distribution is known, and against the embedded one."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest

from promptlab.analysis.decoding import Tail, convention, effective_temperature, gap, surprisal, truncated
from promptlab.engine import Engine
from promptlab.events import KEPT, Stamped, Token
from promptlab.params import Value
from promptlab.plan import Cell, Plan
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import Registry
from promptlab.request import LOCAL, Message, Request
from promptlab.transcript import Transcript

VOCABULARY = 400


def text(
    temperature: float, n: int, seed: int = 0, *, kept: int = KEPT, top_p: float = 1.0, with_drawn: bool = False
) -> list[Token]:
    """Tokens of a model with a new distribution at each position, peaked or flat, and raw log probabilities.

    `with_drawn` puts the drawn token in place of the last alternative, as vLLM does."""
    random = np.random.default_rng(seed)
    tokens = []
    for _ in range(n):
        logits = random.normal(0, random.uniform(0.5, 4), VOCABULARY)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        order = np.argsort(-p)
        q = np.exp((logits - logits.max()) / temperature)
        q /= q.sum()
        keep = np.cumsum(q[order]) - q[order] < top_p
        allowed = np.where(keep, q[order], 0)
        drawn = int(random.choice(order, p=allowed / allowed.sum()))
        shown = [int(i) for i in order[:kept]]
        if with_drawn and drawn not in shown:
            shown[-1] = drawn
        entropy = float(-(p * np.log(p)).sum())
        top = tuple((str(i), float(np.log(p[i]))) for i in shown)
        tokens.append(Token(str(drawn), float(np.log(p[drawn])), entropy, entropy, top))
    return tokens


def test_surprisal_is_the_mean_and_leaves_out_what_is_none() -> None:
    assert surprisal([Token("a", -1.0), Token("b", -3.0), Token("c", -math.inf)]) == 2.0
    assert surprisal([]) is None


@pytest.mark.parametrize("kept", [2, 5, 20])
def test_the_gap_is_zero_at_1_whatever_is_shown_and_has_the_right_sign_elsewhere(kept: int) -> None:
    at = {t: gap(text(t, 1500, kept=kept)) for t in (0.7, 1.0, 1.4)}
    cold, one, hot = at[0.7], at[1.0], at[1.4]
    assert cold and one and hot
    assert abs(one.value) < 3.5 * one.se and one.slack == 0
    assert cold.value < -4 * cold.se and hot.value > 4 * hot.se


def test_the_standard_error_of_the_gap_is_what_it_says() -> None:
    found = [gap(text(1.0, 60, seed)) for seed in range(150)]
    scores = np.array([one.value / one.se for one in found if one])
    assert 0.85 < scores.std() < 1.2 and abs(scores.mean()) < 0.2


def test_the_gap_from_bounds_alone_says_how_far_it_can_be_off() -> None:
    bounded = [Token(t.text, t.logprob, (t.low or 0) - 0.3, (t.high or 0) + 0.5) for t in text(1.0, 1000)]
    found = gap(bounded)
    assert found is not None and found.slack == pytest.approx(0.4)
    assert abs(found.value + 0.1) < 4 * found.se


def test_no_gap_without_entropy_or_from_one_token() -> None:
    assert gap([Token("a", -1.0)] * 9) is None
    assert gap(text(1.0, 1)) is None


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 1.5])
def test_the_interval_of_the_temperature_holds_the_true_one(temperature: float) -> None:
    found = [effective_temperature(text(temperature, 150, seed)) for seed in range(60)]
    held = [one for one in found if one and one.low <= temperature <= one.high]
    assert len(held) >= 53  # 95% of 60 is 57; fewer than 53 happen once in 50
    assert all(one and one.off(temperature) < 4 for one in found)


def test_the_temperature_is_right_where_the_server_puts_the_drawn_token_among_the_alternatives() -> None:
    tokens = text(1.0, 3000, with_drawn=True)
    found, difference = effective_temperature(tokens), gap(tokens)
    assert found is not None and found.off(1.0) < 4
    assert difference is not None and abs(difference.value) < 4 * difference.se


def test_greedy_text_is_cold_with_a_bound_from_above() -> None:
    found = effective_temperature(text(0.001, 60))
    assert found is not None and found.value == found.low == 0.0
    assert 0 < found.high < 0.4


def test_text_as_from_dice_is_hot_without_a_bound() -> None:
    found = effective_temperature(text(1000.0, 400, kept=20))
    assert found is None or found.high == math.inf


def test_too_few_or_senseless_tokens_tell_no_temperature() -> None:
    assert effective_temperature(text(1.0, 3)) is None
    alike = Token("a", -1.0, None, None, (("a", -1.0), ("b", -1.0), ("c", -1.0)))
    assert effective_temperature([alike] * 50) is None
    assert effective_temperature([Token("a", math.nan, None, None, (("a", -1.0), ("b", -2.0)))] * 50) is None


def test_hidden_truncation_is_found_and_a_whole_tail_is_left_alone() -> None:
    cut = truncated(text(1.0, 256, kept=20, top_p=0.9))
    assert isinstance(cut, Tail) and cut.p < 0.001
    alarms = [one.p < 0.05 for seed in range(100) if (one := truncated(text(1.0, 120, seed))) is not None]
    assert len(alarms) == 100 and sum(alarms) <= 12
    assert truncated(text(1.0, 20)) is None


def alternatives(scale: float, count: int = 5, noise: float = 0.0) -> list[tuple[str, float]]:
    logits = np.array([2.0, 1.2, 0.3, -0.5, -1.1, -1.5, -2.0, -3.0]) * scale
    scores = logits - np.log(np.exp(logits).sum())
    random = np.random.default_rng(3)
    return [(str(n), float(s + random.normal(0, noise))) for n, s in enumerate(scores[:count])]


def test_the_convention_of_log_probabilities() -> None:
    assert convention(alternatives(1), alternatives(1)) == "raw"
    assert convention(alternatives(1), alternatives(1, noise=0.1)) == "raw"
    assert convention(alternatives(1), alternatives(2)) == "scaled"
    assert convention(alternatives(1), alternatives(1 / 0.7), 0.7) == "scaled"
    assert convention(alternatives(1), alternatives(1 / 1.5), 1.5) == "scaled"
    assert convention(alternatives(1), [("0", -0.01), ("1", -4.6)]) == "sampled"
    assert convention(alternatives(1), alternatives(-1)) is None
    assert convention(alternatives(1), [("x", -1.0), ("y", -2.0)]) is None
    assert convention([], []) is None


# -- the embedded model ------------------------------------------------------------------------------------------------

CUT = -1.0
CLEAN: dict[str, Value] = {"top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 64, "top_logprobs": 20}
ASKED = ("Write a short poem about the sea.", "Describe a strange dream.", "Write a short story about a dog.")


@pytest.fixture(scope="module")
def written(weights: Path) -> dict[float, list[Token]]:
    """The tokens of 6 texts at each of three temperatures, every seed its own; and under CUT, of texts at 1 with the
    samplers that the server has of its own accord."""
    points: list[tuple[float, dict[str, Value]]] = [(t, {**CLEAN, "temperature": t}) for t in (0.7, 1.0, 1.3)]
    points.append((CUT, {"temperature": 1, "max_tokens": 64, "top_logprobs": 20}))
    asked = [(key, prompt, given) for key, given in points for prompt in ASKED for _ in range(2)]
    cells = [
        Cell(number, LOCAL, LOCAL, Request("", (Message("user", prompt),), {**given, "seed": number}))
        for number, (_, prompt, given) in enumerate(asked)
    ]
    said = {cell.index: Transcript() for cell in cells}

    def take(stamped: Stamped) -> None:
        said[stamped.cell].apply(stamped.at, stamped.event)

    async def go() -> None:
        registry = Registry({LOCAL: Endpoint(LOCAL, local=True, slots=4)}, lambda model: weights)
        provider = registry.provider(LOCAL, "", {})
        try:
            await Engine({cell.index: provider for cell in cells}, [take]).run(Plan(tuple(cells), "-"))
        finally:
            await registry.aclose()

    asyncio.run(go())
    found: dict[float, list[Token]] = {}
    for cell in cells:
        assert said[cell.index].fault is None
        found.setdefault(asked[cell.index][0], []).extend(said[cell.index].tokens)
    return found


def test_the_gap_of_the_real_model(written: dict[float, list[Token]]) -> None:
    cold, one, hot = (gap(written[t]) for t in (0.7, 1.0, 1.3))
    assert cold and one and hot
    assert abs(one.value) < 3 * one.se
    assert cold.value < -3 * cold.se and hot.value > 3 * hot.se


def test_the_temperature_of_the_real_model(written: dict[float, list[Token]]) -> None:
    for temperature in (0.7, 1.0, 1.3):
        found = effective_temperature(written[temperature])
        assert found is not None and found.off(temperature) <= 4
        assert (found.high - found.low) < 0.6 * temperature


def test_nothing_is_missing_from_the_clean_tail_of_the_real_model(written: dict[float, list[Token]]) -> None:
    found = truncated(written[1.0])
    assert found is not None and found.p > 0.001


def test_the_server_s_own_samplers_show_as_hidden_truncation(written: dict[float, list[Token]]) -> None:
    found = truncated(written[CUT])
    assert found is not None and found.p < 0.001


def test_surprisal_rises_with_the_temperature(written: dict[float, list[Token]]) -> None:
    cold, one, hot = (surprisal(written[t]) for t in (0.7, 1.0, 1.3))
    assert cold is not None and one is not None and hot is not None and cold < one < hot


def test_the_gap_is_that_of_one_token_after_another() -> None:
    """The formula token by token, with any number of alternatives and some that say nothing."""
    tokens = [*text(1.3, 30, kept=5), *text(1.0, 20, kept=2), *text(0.7, 20, kept=3), Token("x", -1.0),
              Token("y", -2.0, None, None, (("y", -2.0), ("z", -math.inf))),
              Token("v", math.nan, None, None, (("v", -0.5), ("w", -1.5))),
              Token("u", -9.0, None, None, (("u", -0.3), ("w", -2000.0), ("t", -1.5)))]  # fmt: skip
    scores = []
    for token in tokens:
        top = sorted((score for _, score in token.top if math.isfinite(score) and score > -1000), reverse=True)
        if len(top) < 2 or math.isnan(token.logprob):
            continue
        rest = max(0.0, 1 - sum(map(math.exp, top)))
        expected = -sum(math.exp(score) * score for score in top) - rest * top[-1]
        scores.append(min(-token.logprob, -top[-1]) - expected)
    found = gap(tokens)
    assert found is not None
    assert found.value == pytest.approx(np.mean(scores))
    assert found.se == pytest.approx(np.std(scores, ddof=1) / math.sqrt(len(scores)))
    assert found.slack == 0
    heat = effective_temperature(text(1.0, 200, kept=5) + text(1.0, 200, kept=2))
    assert heat is not None and heat.low < 1 < heat.high  # tokens with fewer alternatives tell less, and nothing wrong
