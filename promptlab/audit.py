"""The audit of a knob: does this parameter do anything at this model? Two dozen one-token calls decide it, and where
there are log probabilities, some texts more tell the temperature that the answers behave like."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from promptlab.errors import Fault, ProviderError, UsageError
from promptlab.knowledge import Facts, Finding
from promptlab.params import Value, show
from promptlab.plan import Cell, Plan
from promptlab.providers import Provider
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import EMBEDDED
from promptlab.request import LOCAL, Message, Request, State, Wire
from promptlab.transcript import Transcript

if TYPE_CHECKING:
    from promptlab.analysis.knob import Knob
    from promptlab.engine import Limits
    from promptlab.events import Stamped, Token

Word = Literal["works", "void", "inconclusive", "refused"]
Tell = Callable[[int, int], None]  # how many calls have ended, and of how many that are planned so far

# Questions whose first token can be many things, also for models that have learnt to answer alike.
PROMPTS = (
    "Pick a random number between 1 and 1000. Answer with the number only.",
    "Write one random word and nothing else.",
    "Name something that could lie on a table. Answer with one word.",
)
TEXTS = (
    "Write a short poem about the sea.",
    "Describe a strange dream.",
    "Write a short story about a dog.",
    "Tell me something that nobody knows.",
)
# The two ends of each knob; the hot one is the first that is taken, None is unset. (Anthropic ends at 1.)
ENDS: Mapping[str, tuple[Value, tuple[Value, ...]]] = {
    "temperature": (0.2, (1.2, 1.0)),
    "top_p": (0.01, (None,)),
    "top_k": (1, (None,)),
    "min_p": (0.95, (None,)),
    "seed": (7, (None,)),
}

_ASKED = 0.7  # the temperature whose effect is measured where there are log probabilities
_LENGTH = 64  # tokens of each text
_ALTERNATIVES = 20  # the most that OpenAI, vLLM and others give
_LEAST_LIMIT = 16  # tokens, at OpenAI's Responses API
_MISSING = 0.01  # p below which the tail is said to be missing
_UNIT = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|\w+|\S")


@dataclass(frozen=True, slots=True)
class Audited:
    """What one parameter does at one model, with its day (ISO 8601): `p` of the permutation test (None where nothing
    could be tested), `n` the answers behind it. `detail`, as JSON: the two `ends`, the labels of the answers at each
    by prompt, `false_alarm` and `missed` as rates of the test, the `state` of the model's thinking, `calls` and
    `tokens` that it took, and `decoding` where there were log probabilities."""

    endpoint: str
    base_url: str
    model: str
    parameter: str
    word: Word
    text: str
    date: str
    p: float | None = None
    n: int = 0
    detail: dict[str, Value] = field(default_factory=dict)

    def json(self) -> dict[str, Value]:
        return asdict(self)


def finding(kept: Audited) -> Finding | None:
    """What an audit says of a parameter's verdict: `ignored` for void, `honoured` for works, `refused`; else None."""
    word = {"void": "ignored", "works": "honoured", "refused": "refused"}.get(kept.word)
    if word is None:
        return None
    state = str(kept.detail.get("state", "unknown"))
    return Finding(kept.endpoint, kept.base_url, kept.model, kept.parameter, word, state, kept.text, kept.date)  # type: ignore[arg-type]


def findings(kept: Iterable[Audited], facts: Facts) -> tuple[Finding, ...]:
    """The findings of audits on one model that say more than is known of it: on parameters whose verdict is `unknown`,
    and void where the data says `honoured`, for a measurement here is above what somebody wrote. Put them into a
    Knowledge, above the others."""
    found = []
    for one in kept:
        if (one.endpoint, one.model) == (facts.endpoint, facts.model) and (new := finding(one)) is not None:
            value = ENDS[one.parameter][0] if one.parameter in ENDS else None
            word = facts.verdict(one.parameter, {one.parameter: value}).word
            if word == "unknown" or (word == "honoured" and new.word == "ignored"):
                found.append(new)
    return tuple(found)


async def audit(
    provider: Provider, endpoint: Endpoint, model: str, parameter: str = "temperature", *,
    beside: Mapping[str, Value] | None = None, thorough: bool = False, thinking: bool = False,
    limits: Limits | None = None, tell: Tell | None = None,
) -> Audited:  # fmt: skip
    """Find out whether a parameter does anything: 24 one-token answers, 12 at each end of it, and 24 or 48 more where
    they don't decide. `beside` is sent with each (samplers that a clean sweep sends neutral). `provider` should send
    what it is asked (mode "force"), and is released at the end.

    A model that always thinks is not asked unless `thinking`, for every answer is paid for with a whole thought. With
    log probabilities, temperature takes 8 texts of 64 tokens more, 32 where it is to be `thorough`.
    Raises UsageError for a parameter that has no such test, and ProviderError where nothing can be asked.
    """
    if parameter not in ENDS:
        raise UsageError(f"{parameter} can't be audited", f"these can: {', '.join(ENDS)}")
    held = _Held(provider)
    try:
        return await _Audit(held, endpoint, model, parameter, beside or {}, limits, tell).carry_out(thorough, thinking)
    finally:
        await provider.release()


class _Held:
    """A provider that stays ready between the engine's runs: a local model is loaded once."""

    def __init__(self, provider: Provider) -> None:
        self._provider, self.name, self.slots = provider, provider.name, provider.slots
        self._ready = False
        self.wire, self.stream, self.aclose = provider.wire, provider.stream, provider.aclose

    async def prepare(self) -> None:
        if not self._ready:
            await self._provider.prepare()
            self._ready = True

    async def release(self) -> None:
        pass


class _Refused(Exception):
    """The endpoint refuses the parameter; its words."""


class _Audit:
    def __init__(
        self, provider: Provider, endpoint: Endpoint, model: str, parameter: str, beside: Mapping[str, Value],
        limits: Limits | None, tell: Tell | None,
    ) -> None:  # fmt: skip
        self._provider, self._endpoint, self._model, self._parameter = provider, endpoint, model, parameter
        # One sample told many times is what a fixed seed would give.
        self._beside = {name: value for name, value in beside.items() if name not in (parameter, "seed")}
        self._limits, self._tell = limits, tell
        self._limit: int | None = 1
        self._calls = self._planned = self._tokens = 0
        self._cold, hots = ENDS[parameter]
        self._hots = list(hots)
        self._state: State = "unknown"
        self._last: Fault | None = None  # of the calls that failed behind the first two

    async def carry_out(self, thorough: bool, thinking: bool) -> Audited:
        wire = self._look()
        verdict = wire.verdicts.get(self._parameter)
        if verdict is not None and verdict.left_out:
            return self._said("refused", f"known to be {verdict.word}{f': {verdict.note}' if verdict.note else ''}")
        if self._state == "on":
            if not thinking:
                return self._said("inconclusive", "it always thinks: about 24 answers would each be paid for with a "
                                  "whole thought; --thinking asks for them")  # fmt: skip
            self._limit = None
        try:
            cells, knob = await self._test()
        except _Refused as refused:
            return self._said("refused", str(refused))
        text = knob.text
        if knob.p is None:
            text += f"; {self._last.line()}" if self._last else "; what came had no text (does it think first?)"
        decoding = await self._decoding(thorough) if self._parameter == "temperature" and self._state != "on" else None
        if decoding is not None:
            text += f". {decoding.pop('text')}"
        return self._said(knob.word, text, knob, cells, decoding)

    def _look(self) -> Wire:
        """The wire of a call at the cold end, with the thinking switched off where it can be."""
        wire = self._provider.wire(self._request(PROMPTS[0], self._cold))
        if wire.state == "on":
            off = {**self._beside, "effort": "none"}
            quiet = self._provider.wire(self._request(PROMPTS[0], self._cold, off))
            effort = quiet.verdicts.get("effort")
            if quiet.state == "off" and effort is not None and effort.word not in ("refused", "ignored"):
                wire, self._beside = quiet, off
        self._state = wire.state
        return wire

    # -- the test of the knob ------------------------------------------------------------------------------------------

    async def _test(self) -> tuple[list[tuple[list[str], list[str]]], Knob]:
        """The labels at both ends by prompt, and what they show. Raises _Refused, ProviderError."""
        from promptlab.analysis.knob import CALLS, judge

        self._planned = 2 * CALLS
        first, hot = await self._scout()
        cells: list[tuple[list[str], list[str]]] = []
        for number, prompt in enumerate(PROMPTS):
            missing = CALLS - (1 if number == 0 else 0)
            self._planned += 0 if number == 0 else 2 * CALLS
            said = await self._ask(
                [self._request(prompt, self._cold)] * missing + [self._request(prompt, hot)] * missing
            )
            ends = said[:missing], said[missing:]
            if number == 0:
                ends = [first[0], *ends[0]], [first[1], *ends[1]]
            cells.append((_labels(ends[0]), _labels(ends[1])))
            knob = judge(cells[0][0], cells[0][1], *cells[1:], last=number == len(PROMPTS) - 1)
            if not knob.more:
                break
        self._hots = [hot]
        return cells, knob

    async def _scout(self) -> tuple[tuple[Transcript, Transcript], Value]:
        """One answer from each end, and the hot end that is taken. Raises _Refused, ProviderError."""
        hots = list(self._hots)
        while True:
            requests = [self._request(PROMPTS[0], self._cold), self._request(PROMPTS[0], hots[0])]
            cold, hot = await self._ask(requests)
            blamed = [self._blamed(said, request) for said, request in zip((cold, hot), requests, strict=True)]
            if "max_tokens" in blamed and self._limit == 1:
                self._limit = _LEAST_LIMIT
            elif blamed[0] is None and blamed[1] == self._parameter and len(hots) > 1:
                hots.pop(0)
            elif self._parameter in blamed:
                fault = cold.fault if blamed[0] == self._parameter else hot.fault
                value = self._cold if blamed[0] == self._parameter else hots[0]
                raise _Refused(f"{show(value)} is refused: {fault.message if fault else ''}")
            elif (fault := cold.fault or hot.fault) is not None:
                raise ProviderError(fault)
            else:
                return (cold, hot), hots[0]

    def _blamed(self, said: Transcript, request: Request) -> str | None:
        """The parameter that a request was refused for, if it was for one."""
        fault = said.fault
        if fault is None or fault.kind not in ("param_rejected", "bad_request"):
            return None
        if said.learned:
            return said.learned[-1].parameter
        return self._provider.wire(request).blamed(fault.param, fault.message)

    # -- the decoding, where there are log probabilities ---------------------------------------------------------------

    async def _decoding(self, thorough: bool) -> dict[str, Value] | None:
        """What the log probabilities of some texts tell; None where there are none."""
        from promptlab.analysis.decoding import effective_temperature, truncated

        asked = self._request(TEXTS[0], _ASKED, {**self._beside, "top_logprobs": _ALTERNATIVES}, _LENGTH)
        verdict = self._provider.wire(asked).verdicts.get("top_logprobs")
        if verdict is not None and (verdict.left_out or verdict.word in ("refused", "ignored")):
            return None
        self._planned += 1
        first = await self._ask([asked])
        if not any(token.top for token in first[0].tokens):
            return None
        rounds = 4 if thorough else 1
        self._planned += 2 * rounds * len(TEXTS) - 1
        requests = [
            self._request(text, value, {**self._beside, "top_logprobs": _ALTERNATIVES}, _LENGTH)
            for _ in range(rounds) for value in (_ASKED, 1.0) for text in TEXTS
        ]  # fmt: skip
        said = [*first, *await self._ask(requests[1:])]
        warm, plain = (
            [one for one, request in zip(said, requests, strict=True) if request.parameters[self._parameter] == value]
            for value in (_ASKED, 1.0)
        )
        whose = _convention(warm, plain)
        if whose not in ("raw", "scaled"):
            return {"convention": whose, "text": "Its log probabilities are not the model's own: they tell nothing"}
        heat, at_one = effective_temperature(_tokens(warm)), effective_temperature(_tokens(plain))
        tail = truncated(_tokens(plain))
        scale = _ASKED if whose == "scaled" else 1.0
        known: dict[str, Value] = {
            "convention": whose, "asked": _ASKED, "temperature": _heat(heat, scale), "at_one": _heat(at_one, 1.0),
            "tail": {"p": tail.p, "n": tail.n} if tail else None,
        }  # fmt: skip
        return {**known, "text": _words(known)}

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _request(
        self, prompt: str, value: Value, beside: Mapping[str, Value] | None = None, limit: int | None = None
    ) -> Request:
        given = {**(self._beside if beside is None else beside), self._parameter: value,
                 "max_tokens": limit or self._limit}  # fmt: skip
        return Request(self._model, (Message("user", prompt),), {k: v for k, v in given.items() if v is not None})

    async def _ask(self, requests: Sequence[Request]) -> list[Transcript]:
        """Send them at once; a transcript of each, in order."""
        from promptlab.engine import Engine, Limits

        said = [Transcript() for _ in requests]
        cells = tuple(
            Cell(index, self._endpoint.name, self._endpoint.name, request, repeat=index)
            for index, request in enumerate(requests)
        )

        def take(stamped: Stamped) -> None:
            transcript = said[stamped.cell]
            transcript.apply(stamped.at, stamped.event)
            if transcript.ending:
                self._calls += 1
                if self._tell is not None:
                    self._tell(self._calls, max(self._planned, self._calls))

        providers = dict.fromkeys(range(len(cells)), self._provider)
        await Engine(providers, [take], self._limits or Limits(), adapt=False).run(Plan(cells, "audit", mode="force"))
        for one in said:
            self._last = one.fault or self._last
            if one.usage is not None:
                self._tokens += one.usage.billed or one.usage.output or 0
        return said

    def _said(
        self, word: Word, text: str, knob: Knob | None = None,
        cells: Sequence[tuple[list[str], list[str]]] = (), decoding: dict[str, Value] | None = None,
    ) -> Audited:  # fmt: skip
        from promptlab.analysis.knob import FALSE_ALARM, MISSED

        labels = {"cold": [list[Value](pair[0]) for pair in cells], "hot": [list[Value](pair[1]) for pair in cells]}
        detail: dict[str, Value] = {
            "ends": {"cold": self._cold, "hot": self._hots[0]}, "state": self._state, "calls": self._calls,
            "tokens": self._tokens, "false_alarm": FALSE_ALARM, "missed": MISSED,
            **{name: list[Value](found) for name, found in labels.items()},
        }  # fmt: skip
        if decoding is not None:
            detail["decoding"] = decoding
        date = datetime.now(UTC).date().isoformat()
        model = self._model or (EMBEDDED if self._endpoint.name == LOCAL else "")
        return Audited(self._endpoint.name, self._endpoint.base_url, model, self._parameter, word, text, date,
                       knob.p if knob else None, knob.n if knob else 0, detail)  # fmt: skip


def _labels(said: Iterable[Transcript]) -> list[str]:
    """The first word (or number, or Chinese character) that each answer drew; thinking will do where it is raw, for it
    was drawn first. An answer without any is no label."""
    found = []
    for one in said:
        text = one.thinking if one.thinking and not one.summary else one.answer
        if one.fault is None and (unit := _UNIT.search(text)) is not None:
            found.append(unit[0].casefold())
    return found


def _tokens(said: Iterable[Transcript]) -> list[Token]:
    return [token for one in said for token in one.tokens]


def _convention(warm: Sequence[Transcript], plain: Sequence[Transcript]) -> str | None:
    """Whose log probabilities they are, from the same prompt's first token at both temperatures."""
    from promptlab.analysis.decoding import convention

    for one, other in zip(plain, warm, strict=True):
        if one.tokens and other.tokens and (found := convention(one.tokens[0].top, other.tokens[0].top, _ASKED)):
            return found
    return None


def _heat(heat: object, scale: float) -> dict[str, Value] | None:
    from promptlab.analysis.decoding import Heat

    if not isinstance(heat, Heat):
        return None
    ends = {"value": heat.value * scale, "low": heat.low * scale, "high": heat.high * scale}
    return {**{name: end if math.isfinite(end) else None for name, end in ends.items()}, "n": heat.n}


def _words(known: Mapping[str, Value]) -> str:
    """`asked 0.7, behaves like 0.72 [0.64, 0.82] (231 tokens)`, and whether the tail is there."""
    said = []
    for name, asked in (("temperature", _ASKED), ("at_one", 1.0)):
        found = known[name]
        if isinstance(found, dict):
            value, low, high = (_number(found[key]) for key in ("value", "low", "high"))
            said.append(f"asked {show(asked)}, behaves like {value} [{low}, {high}] ({found['n']} tokens)")
    tail, one = known["tail"], known["at_one"]
    if isinstance(tail, dict) and isinstance(tail["p"], float):
        p = tail["p"]
        if p >= _MISSING:
            said.append(f"no sign of hidden truncation (p = {p:.2g})")
        elif isinstance(one, dict) and _within(1.0, one["low"], one["high"]):
            said.append(f"unlikely tokens are missing: a hidden top_p, top_k or min_p cuts them (p = {p:.2g})")
        else:
            said.append(f"at 1 the answers don't come from the model's own distribution (p = {p:.2g})")
    return "; ".join(said) or "too few tokens for the rest"


def _number(value: Value) -> str:
    return f"{value:.2f}" if isinstance(value, (int, float)) else "∞"


def _within(value: float, low: Value, high: Value) -> bool:
    return isinstance(low, (int, float)) and low <= value and (not isinstance(high, (int, float)) or value <= high)
