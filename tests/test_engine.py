"""The engine over real HTTP: slots, retries, time-outs, cancel; and one well-formed stream of events per cell."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab.engine import Engine, Limits, Sink
from promptlab.errors import Fault, LabError, ProviderError, WeightsError
from promptlab.events import (
    Accepted,
    Answer,
    Cancelled,
    Ending,
    Event,
    Failed,
    Finished,
    Opaque,
    Retrying,
    Stamped,
    Started,
    Waiting,
)
from promptlab.metrics import timing
from promptlab.plan import Cell, Plan
from promptlab.providers import Provider
from promptlab.providers.direct import Direct
from promptlab.providers.http import Pool
from promptlab.providers.openai_chat import OpenAIChat
from promptlab.request import Message, Request, Wire
from promptlab.transcript import Transcript
from tests.replay import EVENT_STREAM, JSON, Replay, Reply

PATIENCE = 60  # seconds after which a test that waits for something gives up


def chunk(text: str = "", finish: str | None = None) -> bytes:
    body = {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


WELL = chunk("a") + chunk("b", "stop") + b"data: [DONE]\n\n"


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": message, "code": code}}).encode(), status, {**JSON, **named})


@dataclass
class Clock:
    """Time that only moves when somebody waits; `sleep` comes back at once and takes note."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Ran:
    """What the sinks were given, and the fold of it."""

    events: list[Stamped] = field(default_factory=list)
    cells: dict[int, Transcript] = field(default_factory=dict)

    def __call__(self, stamped: Stamped) -> None:
        self.events.append(stamped)
        self.cells.setdefault(stamped.cell, Transcript()).apply(stamped.at, stamped.event)

    def of(self, cell: int) -> list[Event]:
        return [stamped.event for stamped in self.events if stamped.cell == cell]

    def kinds(self, cell: int = 0) -> list[str]:
        return [type(event).__name__ for event in self.of(cell)]


def plan(endpoints: Sequence[str]) -> Plan:
    said = (Message("user", "hi"),)
    return Plan(tuple(Cell(n, name, name, Request("m", said)) for n, name in enumerate(endpoints)), "hi")


async def carry_out(
    urls: Sequence[str], *, limits: Limits | None = None, clock: Clock | None = None, slots: int = 16,
    sink: Callable[[Engine], Sink] | None = None,
) -> Ran:  # fmt: skip
    """A cell for each address; cells with the same address share a provider."""
    pool, ran = Pool(), Ran()
    shared = {
        url: Direct(f"v{n}", f"{url}/v1", pool, OpenAIChat(), slots=slots) for n, url in enumerate(dict.fromkeys(urls))
    }
    engine = Engine({n: shared[url] for n, url in enumerate(urls)}, [ran], limits or Limits())
    if clock:
        engine.clock, engine.sleep = clock, clock.sleep
    if sink:
        engine.sinks = [ran, sink(engine)]
    try:
        async with asyncio.timeout(PATIENCE):
            await engine.run(plan([shared[url].name for url in urls]))
    finally:
        await pool.aclose()
    for cell in range(len(urls)):
        check_order(ran.of(cell))
    return ran


def check_order(events: Sequence[Event]) -> None:
    """Started, then perhaps Accepted, then what is said; a Retrying before each other Started; one ending, last."""
    assert [isinstance(event, Ending) for event in events] == [False] * (len(events) - 1) + [True]
    accepted, attempt, between = False, 0, True
    for event in events[:-1]:
        match event:
            case Started():
                assert between and event.attempt == attempt + 1
                accepted, attempt, between = False, event.attempt, False
            case Accepted():
                assert not between and not accepted
                accepted = True
            case Retrying():
                assert not between and event.attempt == attempt
                between = True
            case _:
                assert accepted and not between, event
    if isinstance(events[-1], Finished):
        assert accepted


def replayed(server: Replay, count: int = 1, **options: Any) -> Ran:
    async def go() -> Ran:
        async with server:
            return await carry_out([server.url] * count, **options)

    return asyncio.run(go())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server of any behaviour; `handler` is called when a request's head has come."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answer_well(writer: asyncio.StreamWriter) -> None:
    lines = ("HTTP/1.1 200 OK", "content-type: text/event-stream", f"content-length: {len(WELL)}", "connection: close")
    writer.write("\r\n".join([*lines, "", ""]).encode() + WELL)


# Retries


@pytest.mark.parametrize(
    ("reply", "delay"),
    [
        (refusal(429, retry_after="11"), 11.0),
        (refusal(429, retry_after="2", retry_after_ms="1840"), 1.84),
        (refusal(429, retry_after="0"), 0.05),
        (refusal(503, retry_after="3"), 3.0),
        (refusal(429), None), (refusal(408), None), (refusal(500), None), (refusal(502), None), (refusal(503), None),
        (refusal(504), None), (refusal(529), None),
        (Reply(b"<html>502</html>", 502, {"content-type": "text/html"}), None),
        (Reply(chunk(), cut_after=20), None),
        (Reply(b"data: {\"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n\n"), None),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_after_the_wait_asked_for(reply: Reply, delay: float | None) -> None:
    clock = Clock()
    server = Replay(reply.body, status=reply.status, headers=reply.headers, cut_after=reply.cut_after).then(Reply(WELL))
    ran = replayed(server, clock=clock)
    assert (ran.cells[0].state, ran.cells[0].answer, ran.cells[0].attempts) == ("done", "ab", 2)
    assert len(server.requests) == 2 and server.requests[0].body == server.requests[1].body
    (retrying,) = [event for event in ran.of(0) if isinstance(event, Retrying)]
    assert [retrying.delay] == clock.slept and retrying.fault.line().startswith("v0")
    assert retrying.delay == delay if delay is not None else 0.5 <= retrying.delay <= 1.0


def test_tries_are_counted_and_spread_out() -> None:
    clock, server = Clock(), Replay(b"{}", status=500, headers=JSON)
    ran = replayed(server, clock=clock, limits=Limits(attempts=4))
    assert ran.kinds() == ["Started", "Retrying", "Started", "Retrying", "Started", "Retrying", "Started", "Failed"]
    assert len(server.requests) == 4 and ran.cells[0].attempts == 4
    for number, slept in enumerate(clock.slept):
        assert 2**number / 2 <= slept <= 2**number


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (refusal(401), "auth"),
        (refusal(402), "no_credit"),
        (refusal(429, code="insufficient_quota"), "no_credit"),
        (refusal(400), "bad_request"),
        (refusal(404, "no such model"), "model_missing"),
        (refusal(503, "No available channel for model m", "model_not_found"), "model_missing"),
        (Reply(b"<html>hello</html>", 200, {"content-type": "text/html"}), "not_an_api"),
        (refusal(429, retry_after="121"), "rate_limit"),
    ],
)
def test_what_will_not_pass_or_not_soon_is_not_tried_again(reply: Reply, kind: str) -> None:
    clock, server = Clock(), Replay(reply.body, status=reply.status, headers=reply.headers)
    ran = replayed(server, clock=clock, limits=Limits(longest_wait=120))
    assert ran.kinds() == ["Started", "Failed"] and len(server.requests) == 1 and clock.slept == []
    fault = ran.cells[0].fault
    assert fault is not None and fault.kind == kind


def test_a_refused_connection_fails_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        ran = asyncio.run(carry_out([f"http://127.0.0.1:{held.getsockname()[1]}"], clock=(clock := Clock())))
    assert ran.kinds() == ["Started", "Failed"] and clock.slept == []


@pytest.mark.parametrize(
    ("body", "cut", "state"),
    [
        (chunk("a") + chunk("b"), 100, "incomplete"),
        (chunk("a") + b'data: {"error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n', None, "failed"),
        (b'data: {"choices": [{"delta": {"reasoning": "a"}}]}\n\ndata: {"error": {"message": "x", "code": 500}}\n\n',
         None, "failed"),
    ],
)  # fmt: skip
def test_nothing_is_sent_again_once_something_was_said(body: bytes, cut: int | None, state: str) -> None:
    server = Replay(body, cut_after=cut).then(Reply(WELL))
    ran = replayed(server, clock=Clock())
    assert (ran.cells[0].state, len(server.requests), ran.cells[0].attempts) == (state, 1, 1)
    assert ran.cells[0].answer == "a" or ran.cells[0].thinking == "a"


def test_times_are_measured_from_the_last_attempt() -> None:
    server = Replay(b"{}", status=429, headers={**JSON, "retry-after": "50"}).then(Reply(WELL))
    ran = replayed(server, clock=Clock())
    cell = ran.cells[0]
    assert (cell.started, cell.first_answer) == (50.0, 50.0)
    assert timing(cell).first_answer == 0.0 == timing(cell).total


# Time-outs


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(first=0.2), "no answer within 0.2 s"), (Limits(total=0.2), "not finished after 0.2 s")],
)
def test_an_endpoint_that_never_answers(limits: Limits, words: str) -> None:
    async def go() -> Ran:
        left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1000):
                pass
            left.set()

        async with serving(silent) as url:
            ran = await carry_out([url], limits=limits)
            await asyncio.wait_for(left.wait(), PATIENCE)
        return ran

    ran = asyncio.run(go())
    fault = ran.cells[0].fault
    assert ran.kinds() == ["Started", "Failed"]
    assert fault is not None and fault.kind == "timeout" and words in fault.message
    assert fault.provider == "v0" and "--timeout" in fault.hint and fault.status is None


@pytest.mark.parametrize(
    ("limits", "words"),
    [(Limits(silence=0.2), "silent for 0.2 s"), (Limits(total=0.3), "not finished after 0.3 s")],
)
def test_a_stream_that_falls_silent_keeps_what_came_and_is_closed(limits: Limits, words: str) -> None:
    async def go() -> Ran:
        async with Replay(chunk("a"), hold=True) as server:
            ran = await carry_out([server.url], limits=limits)
            await asyncio.wait_for(server.disconnected.wait(), PATIENCE)
        return ran

    ran = asyncio.run(go())
    fault = ran.cells[0].fault
    assert fault is not None and fault.kind == "timeout" and words in fault.message
    assert (ran.cells[0].answer, ran.cells[0].state) == ("a", "failed")


def test_keep_alives_are_signs_of_life() -> None:
    clock = Clock()

    def wait_long(engine: Engine) -> Sink:
        def sink(stamped: Stamped) -> None:
            if isinstance(stamped.event, Waiting):
                clock.now += 200  # of 300 seconds that a stream may be silent

        return sink

    body = b": keep-alive\n\n" * 12
    ran = replayed(Replay(body + WELL, slice=14, pause=0.05), clock=clock, sink=wait_long)
    assert ran.kinds().count("Waiting") == 12 and ran.cells[0].state == "done"
    assert ran.cells[0].ended is not None and ran.cells[0].ended >= 2400


# Cancel


def when(kind: type[Event], act: Callable[[Engine, Stamped], None]) -> Callable[[Engine], Sink]:
    def make(engine: Engine) -> Sink:
        return lambda stamped: act(engine, stamped) if isinstance(stamped.event, kind) else None

    return make


def test_one_cell_is_cancelled_and_the_others_go_on() -> None:
    async def go() -> Ran:
        async with Replay(chunk("a"), hold=True) as holding, Replay(WELL) as well:
            ran = await carry_out(
                [holding.url, well.url],
                sink=when(Answer, lambda engine, said: None if said.cell else engine.cancel(0, "enough")),
            )
            await asyncio.wait_for(holding.disconnected.wait(), PATIENCE)
        return ran

    ran = asyncio.run(go())
    assert ran.of(0)[-1] == Cancelled("enough") and ran.cells[0].answer == "a"
    assert ran.cells[1].state == "done"


def test_all_are_cancelled_and_every_connection_is_closed() -> None:
    async def go() -> Ran:
        said: set[int] = set()

        def act(engine: Engine, stamped: Stamped) -> None:
            said.add(stamped.cell)
            if len(said) == 3:
                engine.cancel()

        async with Replay(chunk("a"), hold=True) as one, Replay(chunk("a"), hold=True) as two:
            ran = await carry_out([one.url, one.url, two.url], sink=when(Answer, act))
            for server in (one, two):
                await asyncio.wait_for(server.disconnected.wait(), PATIENCE)
        return ran

    ran = asyncio.run(go())
    assert [ran.of(n)[-1] for n in range(3)] == [Cancelled("cancelled")] * 3


@pytest.mark.parametrize("slots", [1, 16])
def test_cancelling_at_the_first_event_ends_every_cell_once(slots: int) -> None:
    """Cells whose tasks have not taken a step, and cells that wait for a slot, say so too."""
    server = Replay(WELL)
    ran = replayed(server, 4, slots=slots, sink=when(Started, lambda engine, _: engine.cancel(why="left")))
    assert [ran.of(n)[-1] for n in range(4)] == [Cancelled("left")] * 4


def test_a_wait_for_the_next_try_is_cancelled() -> None:
    async def go() -> Ran:
        never = asyncio.Event()

        class Stuck(Clock):
            async def sleep(self, seconds: float) -> None:
                await never.wait()

        def act(engine: Engine, stamped: Stamped) -> None:
            asyncio.get_running_loop().call_soon(engine.cancel)

        async with Replay(b"{}", status=500, headers=JSON) as server:
            return await carry_out([server.url], clock=Stuck(), sink=when(Retrying, act))

    assert asyncio.run(go()).kinds() == ["Started", "Retrying", "Cancelled"]


def test_whoever_cancels_the_run_hears_of_it_and_the_cells_are_ended() -> None:
    async def go() -> Ran:
        ran = Ran()
        async with Replay(chunk("a"), hold=True) as server:
            pool = Pool()
            answered = asyncio.Event()
            engine = Engine(
                {n: Direct("v", server.url, pool, OpenAIChat(), slots=2) for n in range(3)},
                [ran, lambda stamped: answered.set() if isinstance(stamped.event, Answer) else None],
            )
            task = asyncio.create_task(engine.run(plan(["v"] * 3)))
            await asyncio.wait_for(answered.wait(), PATIENCE)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await pool.aclose()
        return ran

    ran = asyncio.run(go())
    for cell in range(3):
        check_order(ran.of(cell))
        assert isinstance(ran.of(cell)[-1], Cancelled)


# Slots


@pytest.mark.parametrize(("cells", "slots", "jobs", "most"), [(9, 3, 64, 3), (9, 16, 2, 2), (4, 16, 64, 4)])
def test_never_more_at_once_than_slots_and_jobs(cells: int, slots: int, jobs: int, most: int) -> None:
    async def go() -> tuple[Ran, int]:
        open_, peak, full = 0, 0, asyncio.Event()

        async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_, peak
            open_ += 1
            peak = max(peak, open_)
            if open_ >= most:
                full.set()
            await asyncio.wait_for(full.wait(), PATIENCE)  # nobody leaves before so many have come
            for _ in range(5):
                await asyncio.sleep(0)
            open_ -= 1
            answer_well(writer)

        async with serving(handler) as url:
            ran = await carry_out([url] * cells, slots=slots, limits=Limits(jobs=jobs))
        return ran, peak

    ran, peak = asyncio.run(go())
    assert peak == most
    assert all(ran.cells[n].state == "done" for n in range(cells))


def test_slots_are_per_endpoint() -> None:
    async def go() -> Ran:
        here = {"one": 0, "two": 0}
        both = asyncio.Event()

        def at(name: str) -> Handler:
            async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                here[name] += 1
                assert here[name] <= 2
                if sum(here.values()) == 4:
                    both.set()
                await asyncio.wait_for(both.wait(), PATIENCE)
                here[name] -= 1
                answer_well(writer)

            return handler

        async with serving(at("one")) as one, serving(at("two")) as two:
            return await carry_out([one, one, one, two, two, two], slots=2)

    ran = asyncio.run(go())
    assert all(ran.cells[n].state == "done" for n in range(6))


# Providers of any kind


class Scripted:
    """A provider that yields what it is given, and then does what it is told."""

    def __init__(
        self, *events: Event, then: BaseException | None = None, hang: bool = False, unready: LabError | None = None
    ) -> None:
        self.name, self.slots = "scripted", 8
        self._events, self._then, self._hang, self._unready = events, then, hang, unready
        self.prepared, self.closed, self.released = 0, 0, 0

    def wire(self, request: Request) -> Wire:
        return Wire("http://x", {}, {})

    async def prepare(self) -> None:
        self.prepared += 1
        if self._unready:
            raise self._unready

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        try:
            for event in self._events:
                yield event
            if self._then:
                raise self._then
            if self._hang:
                await asyncio.Event().wait()
        finally:
            self.closed += 1

    async def release(self) -> None:
        self.released += 1

    async def aclose(self) -> None: ...


def scripted(*providers: Provider, limits: Limits | None = None, sinks: Sequence[Sink] = ()) -> Ran:
    async def go() -> Ran:
        ran = Ran()
        engine = Engine(dict(enumerate(providers)), [ran, *sinks], limits or Limits())
        async with asyncio.timeout(PATIENCE):
            await engine.run(plan([provider.name for provider in providers]))
        return ran

    return asyncio.run(go())


WHOLE = (Accepted(), Answer("a"), Finished("stop", True))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderError(Fault("auth", "no key", "export it", "scripted")), "auth"),
        (WeightsError("no weights", "be online"), "unknown"),
    ],
)
def test_a_provider_that_can_not_be_readied_fails_its_own_cells_only(error: LabError, kind: str) -> None:
    broken, well = Scripted(*WHOLE, unready=error), Scripted(*WHOLE)
    ran = scripted(broken, broken, well)
    assert ran.kinds(0) == ran.kinds(1) == ["Failed"] and ran.cells[2].state == "done"
    fault = ran.cells[0].fault
    assert fault is not None and fault.kind == kind and fault.hint == error.hint
    assert broken.prepared == well.prepared == 1


def test_a_provider_is_readied_once_for_all_its_cells() -> None:
    provider = Scripted(*WHOLE)
    ran = scripted(provider, provider, provider)
    assert provider.prepared == 1 and provider.closed == 3
    assert [ran.cells[n].state for n in range(3)] == ["done"] * 3


def test_a_stream_that_hangs_after_its_end_is_over() -> None:
    provider = Scripted(*WHOLE, hang=True)
    assert scripted(provider, limits=Limits(silence=0.1)).kinds() == ["Started", "Accepted", "Answer", "Finished"]
    assert provider.closed == 1


def test_a_stream_without_its_end_is_a_failure() -> None:
    ran = scripted(Scripted(Accepted(), Answer("a")))
    assert ran.kinds() == ["Started", "Accepted", "Answer", "Failed"] and ran.cells[0].answer == "a"


def test_a_bug_in_a_provider_is_seen_and_ends_the_others() -> None:
    holding = Scripted(Accepted(), hang=True)
    with pytest.raises(ZeroDivisionError):
        scripted(holding, Scripted(Accepted(), then=ZeroDivisionError()))
    assert holding.closed == 1


@pytest.mark.parametrize("kind", [Started, Answer, Finished])
def test_a_bug_in_a_sink_is_seen(kind: type[Event]) -> None:
    def sink(stamped: Stamped) -> None:
        if isinstance(stamped.event, kind):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        scripted(Scripted(*WHOLE), sinks=[sink])


# Any server

REPLIES = st.builds(
    Reply,
    st.one_of(
        st.just(WELL),
        st.lists(st.sampled_from([
            chunk("a"), chunk("<think>"), chunk("</think>"), chunk("", "stop"), b": c\n\n", b"data: [DONE]\n\n",
            b"data: {}\n\n", b"data: [1]\n\n", b"data: nonsense\n\n", b"\n\n", b'data: {"error": "x"}\n\n',
            b'data: {"usage": {"prompt_tokens": 1}}\n\n', b"<html>", b"\xff\xfe",
        ]), max_size=5).map(b"".join),
    ),
    status=st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 404, 408, 429, 500, 503, 529]),
    headers=st.sampled_from([EVENT_STREAM, EVENT_STREAM, JSON, {"content-type": "text/html"}, {},
                             {**JSON, "retry-after": "1"}, {**JSON, "retry-after": "x"}]),
    slice=st.sampled_from([1, 7, None]),
    cut_after=st.none() | st.integers(0, 80),
)  # fmt: skip


CUT_PAGE = Reply(b"<html>", headers={"content-type": "text/html"}, cut_after=3)


@settings(max_examples=60, deadline=None)
@example([[CUT_PAGE]])
@given(st.lists(st.lists(REPLIES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_every_cell_is_started_and_ended_once_whatever_the_server_does(servers: list[list[Reply]]) -> None:
    async def go() -> None:
        live: list[Replay] = []
        for first, *others in servers:
            server = Replay(
                first.body, status=first.status, headers=first.headers, slice=first.slice, cut_after=first.cut_after
            )
            for reply in others:
                server.then(reply)
            live.append(await server.__aenter__())
        try:
            ran = await carry_out([server.url for server in live] * 2, clock=Clock(), limits=Limits(attempts=2))
        finally:
            for server in live:
                await server.__aexit__(None, None, None)
        assert [stamped.at for stamped in ran.events] == sorted(stamped.at for stamped in ran.events)
        for event in ran.of(0):
            if isinstance(event, Failed):
                assert event.fault.provider and "\n" not in event.fault.line()

    asyncio.run(go())


def test_a_provider_is_let_go_once_after_its_last_cell_though_one_never_began() -> None:
    async def go() -> tuple[Scripted, Scripted]:
        shared, other = Scripted(Answer("a"), Finished("stop", True)), Scripted(Finished("stop", True))
        engine = Engine({0: shared, 1: shared, 2: other}, [])
        running = asyncio.create_task(engine.run(plan(["a", "a", "b"])))
        asyncio.get_running_loop().call_soon(engine.cancel, 1)
        async with asyncio.timeout(PATIENCE):
            await running
            while not shared.released:
                await asyncio.sleep(0)
        return shared, other

    shared, other = asyncio.run(go())
    assert (shared.released, other.released) == (1, 1)


def test_what_was_paid_for_is_not_sent_again_though_no_text_came() -> None:
    """Encrypted reasoning, and then a failure that would pass: thousands of tokens are billed already."""
    failure = ProviderError(Fault("server", "internal error", "", "scripted", retryable=True))
    ran = scripted(Scripted(Opaque("encrypted", "x"), then=failure))
    assert ran.kinds() == ["Started", "Opaque", "Failed"]


# Many cells


class Desk(Scripted):
    """A provider whose requests wait until they are let go, in the order they came, each with its own outcome."""

    def __init__(self, name: str = "desk", slots: int = 32) -> None:
        super().__init__()
        self.name, self.slots = name, slots
        self.waiting: list[asyncio.Future[BaseException | None]] = []
        self.most = 0

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        self.most = max(self.most, len(self.waiting))
        try:
            if error := await turn:
                raise error
        finally:
            if turn in self.waiting:
                self.waiting.remove(turn)
        for event in WHOLE:
            yield event

    def let_go(self, count: int = 1, error: BaseException | None = None) -> None:
        for turn in self.waiting[:count]:
            self.waiting.remove(turn)
            turn.set_result(error)


REFUSED = ProviderError(Fault("rate_limit", "too many requests", "", "desk", 429, retryable=True))


async def settled() -> None:
    """All that can happen without an answer has happened."""
    for _ in range(200):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(engine: Engine, cells: Sequence[str]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(engine.run(plan(cells)))
    try:
        async with asyncio.timeout(PATIENCE):
            await settled()
            yield task
            await task
    finally:
        task.cancel()


def test_ten_thousand_cells_are_not_ten_thousand_tasks_and_go_out_in_order() -> None:
    count, order, tasks = 10_000, [], 0

    def watch(stamped: Stamped) -> None:
        nonlocal tasks
        if isinstance(stamped.event, Started):
            order.append(stamped.cell)
            tasks = max(tasks, len(asyncio.all_tasks()))

    async def go() -> None:
        one, two = Scripted(*WHOLE), Scripted(*WHOLE)
        engine = Engine({n: (one, two)[n % 2] for n in range(count)}, [watch])
        await engine.run(plan(["one", "two"] * (count // 2)))
        assert engine.progress().done == count and not engine._running

    asyncio.run(go())
    assert tasks <= 2 * 8 + 8
    assert [n for n in order if n % 2] == list(range(1, count, 2))
    assert [n for n in order if not n % 2] == list(range(0, count, 2))


def test_a_slow_endpoint_does_not_keep_another_from_its_cells() -> None:
    async def go() -> None:
        slow, quick = Desk("slow", slots=4), Scripted(*WHOLE)
        names = ["slow"] * 50 + ["quick"] * 50
        engine = Engine({n: slow if n < 50 else quick for n in range(100)}, [Ran()], Limits(jobs=6))
        async with running(engine, names):
            await settled()
            assert engine.progress().done == 50 and engine.progress().endpoints["slow"].running == 4
            while slow.waiting:
                slow.let_go(50)
                await settled()
        assert engine.progress().done == 100

    asyncio.run(go())


def test_where_jobs_are_short_every_endpoint_has_its_turn() -> None:
    async def go() -> list[int]:
        ran = Ran()
        providers = [Scripted(*WHOLE) for _ in range(3)]
        engine = Engine({n: providers[n // 10] for n in range(30)}, [ran], Limits(jobs=1))
        async with running(engine, ["s"] * 30):
            pass
        return [stamped.cell // 10 for stamped in ran.events if isinstance(stamped.event, Started)]

    order = asyncio.run(go())
    for at in range(0, 30, 3):
        assert sorted(order[at : at + 3]) == [0, 1, 2]


def test_it_begins_with_few_at_once_and_takes_more_while_all_goes_well() -> None:
    async def go() -> None:
        desk = Desk(slots=32)
        engine = Engine(dict.fromkeys(range(200), desk), [Ran()])
        async with running(engine, ["desk"] * 200):
            assert len(desk.waiting) == 8
            desk.let_go(4)
            await settled()
            assert len(desk.waiting) == 12 == engine.progress().endpoints["desk"].limit
            while desk.waiting:
                desk.let_go(100)
                await settled()
        assert desk.most == 32

    asyncio.run(go())


def test_a_burst_of_refusals_takes_it_down_once_and_nothing_new_begins_while_they_wait() -> None:
    async def go() -> None:
        clock, awake, ran = Clock(), asyncio.Event(), Ran()

        async def sleep(seconds: float) -> None:
            clock.slept.append(seconds)
            await awake.wait()

        desk = Desk(slots=32)
        engine = Engine(dict.fromkeys(range(40), desk), [ran], clock=clock, sleep=sleep)
        async with running(engine, ["desk"] * 40):
            desk.let_go(12)  # 16 at once from here on
            await settled()
            assert len(desk.waiting) == 16
            clock.now += 1
            desk.let_go(8, REFUSED)
            await settled()
            now = engine.progress()
            assert (now.endpoints["desk"].limit, now.waiting, now.retried) == (12, 8, 8)  # 16 × 0.8, once
            desk.let_go(8)
            await settled()
            assert not desk.waiting and engine.progress().running == 8, "new ones wait with those that were refused"
            clock.now += 1
            awake.set()
            await settled()
            assert len(desk.waiting) == 12 and engine.progress().waiting == 0
            for cell in (cell for cell, said in ran.cells.items() if said.retried):
                assert ran.cells[cell].attempts == 2, "they go before the new ones"
            desk.let_go(1)  # sent after the fall: the way up is slower now
            await settled()
            assert len(desk.waiting) == 12
            while desk.waiting:
                desk.let_go(100)
                await settled()
        assert engine.progress().done == 40

    asyncio.run(go())


def test_those_that_were_refused_come_back_no_more_at_once_than_the_limit() -> None:
    async def go() -> None:
        clock = Clock()
        desk = Desk(slots=32)
        engine = Engine(dict.fromkeys(range(8), desk), [Ran()], clock=clock, sleep=clock.sleep)
        async with running(engine, ["desk"] * 8):
            clock.now += 1
            desk.let_go(8, REFUSED)
            await settled()
            assert len(desk.waiting) == 6 and engine.progress().waiting == 2
            desk.let_go(1)
            await settled()
            assert len(desk.waiting) == 6 and engine.progress().waiting == 1
            engine.cancel()
            await settled()
        assert (engine.progress().done, engine.progress().cancelled) == (1, 7)

    asyncio.run(go())


def test_it_never_falls_below_one_at_once() -> None:
    async def go() -> None:
        clock = Clock()
        desk = Desk()
        engine = Engine({0: desk, 1: desk}, [Ran()], Limits(attempts=30), clock=clock, sleep=clock.sleep)
        async with running(engine, ["desk"] * 2):
            for _ in range(20):
                clock.now += 1
                desk.let_go(2, REFUSED)
                await settled()
                assert desk.waiting and engine.progress().endpoints["desk"].limit >= 1
            while desk.waiting:
                desk.let_go(2)
                await settled()
        assert engine.progress().done == 2

    asyncio.run(go())


def test_the_embedded_model_has_all_its_slots_at_once() -> None:
    async def go() -> None:
        desk = Desk("local", slots=12)
        async with running(Engine(dict.fromkeys(range(40), desk), [Ran()]), ["local"] * 40):
            assert len(desk.waiting) == 12
            while desk.waiting:
                desk.let_go(100)
                await settled()

    asyncio.run(go())


# Stopping early


def test_a_drained_run_lets_what_runs_end_and_says_nothing_of_the_rest() -> None:
    async def go() -> tuple[Ran, Desk]:
        ran, desk = Ran(), Desk()
        engine = Engine(dict.fromkeys(range(100), desk), [ran])
        async with running(engine, ["desk"] * 100):
            engine.drain("the cap of $2.00 is reached")
            desk.let_go(3)
            await settled()
            assert len(desk.waiting) == 5
            desk.let_go(5)
        assert engine.drained == "the cap of $2.00 is reached"
        assert (engine.progress().done, engine.progress().queued) == (8, 92)
        return ran, desk

    ran, desk = asyncio.run(go())
    assert sorted(ran.cells) == list(range(8)) and desk.released == 1


def test_draining_while_a_model_waits_for_memory_ends_the_run() -> None:
    class Unready(Scripted):
        async def prepare(self) -> None:
            await asyncio.Event().wait()

    async def go() -> tuple[Ran, Scripted]:
        ran, provider = Ran(), Unready(*WHOLE)
        engine = Engine(dict.fromkeys(range(3), provider), [ran])
        async with running(engine, ["s"] * 3):
            engine.drain("enough")
        return ran, provider

    ran, provider = asyncio.run(go())
    assert not ran.events and provider.released == 1


def test_a_cell_that_waits_is_cancelled_at_once_though_every_place_is_taken() -> None:
    async def go() -> None:
        ran, desk = Ran(), Desk(slots=1)
        engine = Engine(dict.fromkeys(range(3), desk), [ran], Limits(jobs=1))
        async with running(engine, ["desk"] * 3):
            engine.cancel(2, "not wanted")
            await settled()
            assert ran.of(2) == [Cancelled("not wanted")] and len(desk.waiting) == 1
            desk.let_go()
            await settled()
            desk.let_go()
        assert [ran.cells[n].state for n in range(3)] == ["done", "done", "cancelled"] and desk.released == 1

    asyncio.run(go())


def test_skipped_cells_are_left_out_without_a_word_unless_they_have_begun() -> None:
    async def go() -> None:
        ran, desk = Ran(), Desk(slots=2)
        engine = Engine(dict.fromkeys(range(6), desk), [ran])
        async with running(engine, ["desk"] * 6):
            assert engine.skip([1, 3, 5, 7]) == [3, 5]
            while desk.waiting:
                desk.let_go(9)
                await settled()
        assert sorted(ran.cells) == [0, 1, 2, 4]
        assert (engine.progress().done, engine.progress().skipped, engine.progress().queued) == (4, 2, 0)

    asyncio.run(go())


# From an earlier run


OLD = [Stamped(0, 5.0, Started(cached=3)), Stamped(0, 5.5, Accepted()), Stamped(0, 6.0, Answer("old")),
       Stamped(0, 9.0, Finished("stop", True))]  # fmt: skip


def test_a_replayed_cell_is_not_sent_and_keeps_its_own_times() -> None:
    async def go() -> tuple[Ran, Scripted]:
        ran, provider = Ran(), Scripted(*WHOLE)
        engine = Engine(dict.fromkeys(range(3), provider), [ran])
        engine.replay = lambda cell: None if cell.index == 1 else [s._replace(cell=cell.index) for s in OLD]
        async with running(engine, ["s"] * 3):
            pass
        assert (engine.progress().done, engine.progress().cached) == (3, 2)
        return ran, provider

    ran, provider = asyncio.run(go())
    assert provider.closed == 1 and [ran.cells[n].answer for n in range(3)] == ["old", "a", "old"]
    assert [ran.cells[n].cached for n in range(3)] == [3, None, 3]
    for number in (0, 2):
        assert timing(ran.cells[number]).total == pytest.approx(4.0, abs=0.01)
        assert timing(ran.cells[number]).first_answer == pytest.approx(1.0, abs=0.01)
        assert (ran.cells[number].ended or 0) >= 0


def test_a_model_of_which_nothing_is_sent_is_not_loaded() -> None:
    async def go() -> Scripted:
        provider = Scripted(*WHOLE)
        engine = Engine(dict.fromkeys(range(500), provider), [Ran()])
        engine.replay = lambda cell: [s._replace(cell=cell.index) for s in OLD]
        async with running(engine, ["s"] * 500):
            pass
        assert engine.progress().cached == 500
        return provider

    provider = asyncio.run(go())
    assert (provider.prepared, provider.released) == (0, 1)


def test_progress_tells_what_became_of_every_cell() -> None:
    failing = Scripted(then=ProviderError(Fault("auth", "no", "", "f")))
    cut, well = Scripted(Accepted(), Finished(None, False)), Scripted(*WHOLE)
    failing.name, cut.name, well.name = "failing", "cut", "well"

    async def go() -> None:
        engine = Engine({0: failing, 1: cut, 2: well, 3: well}, [Ran()])
        async with running(engine, ["failing", "cut", "well", "well"]):
            pass
        told = engine.progress()
        assert (told.done, told.incomplete, told.failed, told.cancelled, told.ended) == (2, 1, 1, 0, 4)
        assert (told.queued, told.running, told.waiting) == (0, 0, 0)
        assert {name: load.ended for name, load in told.endpoints.items()} == {"failing": 1, "cut": 1, "well": 2}

    asyncio.run(go())
