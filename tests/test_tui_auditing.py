"""An audit before a sweep, in the lab: it says what it checks, and escape or ctrl+c end it at once."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from promptlab.audit import ENDS
from promptlab.cli.tui import under
from promptlab.cli.tui.auditing import Stoppable
from promptlab.cli.tui.under import Under
from promptlab.errors import Sentence
from promptlab.render.wrap import width
from promptlab.store import Store
from promptlab.tui.lab import Ended, News, Said
from promptlab.tui.text import Say
from tests.replay import JSON, Reply
from tests.test_audit import Answer, Body, Start, ignores
from tests.test_tui import lab_at, named, places, runs

WORDS = "sweep -y -m fast/a -t 0.2,1.3 -n 2 --max-tokens 9 --audit"


def kept(home: Path) -> list[str]:
    with closing(Store(places(home).database)) as store:
        return [one.parameter for one in store.audits()]


class Stuck:
    """Answers, and from some call on never again."""

    def __init__(self, calls: int) -> None:
        self.calls, self.asked, self._lock = calls, 0, threading.Lock()

    def __call__(self, body: Body) -> Answer:
        with self._lock:
            self.asked += 1
            return ignores(body) if self.asked <= self.calls else Reply(hold=True)


@pytest.mark.parametrize("key", ["escape", "ctrl+c"])
def test_it_says_what_it_checks_and_a_key_ends_it_at_once(tmp_path: Path, model: Start, key: str) -> None:
    server = model(Stuck(5))

    async def main() -> None:
        async with lab_at(tmp_path, WORDS) as screen:
            named(tmp_path, fast=server)
            await screen.ask("Snow?")
            await screen.until(
                lambda: "temperature does anything at fast/a: 5 of 24 calls" in screen.notice, "checking"
            )
            assert screen.notice.startswith("checking whether") and "esc stops it" in screen.notice
            began = time.monotonic()
            await screen.press(key)
            await screen.until(lambda: not screen.app.lab_screen.runs, "the end")
            assert time.monotonic() - began < 20
            assert screen.notice == "the audit was stopped; nothing was sent" and not screen.text.count("failed")
            assert screen.app.lab_screen.board is None and screen.editor.text == "Snow?"  # nothing is lost
            asked = len(server.requests)
            server.answer = ignores
            screen.app.lab_screen.words = WORDS.replace("--audit", "--no-audit")
            await screen.press("ctrl+j")
            await screen.shows("4/4 done")
            assert len(server.requests) == asked + 4

    asyncio.run(main())
    assert len(runs(tmp_path)) == 1 and not kept(tmp_path)


def test_what_was_found_before_it_was_stopped_is_kept(tmp_path: Path, model: Start) -> None:
    server = model(lambda body: Reply(hold=True) if body.get("top_p") == ENDS["top_p"][0] else ignores(body))

    async def main() -> None:
        async with lab_at(tmp_path, f"{WORDS} --axis top_p=0.5,0.9") as screen:
            named(tmp_path, fast=server)
            await screen.ask("Snow?")
            await screen.until(lambda: "whether top_p does anything" in screen.notice, "the second knob")
            await screen.press("escape")
            await screen.until(lambda: not screen.app.lab_screen.runs, "the end")

    asyncio.run(main())
    assert kept(tmp_path) == ["temperature"] and not runs(tmp_path)


def taken(session: Under) -> list[News]:
    """All news of a session, until it has ended."""
    news: list[News] = []
    deadline = time.monotonic() + 20
    while not any(isinstance(one, Ended) for one in news):
        assert time.monotonic() < deadline, news
        news += session.take(100)
        time.sleep(0.005)
    return news


def test_it_is_told_in_both_languages_and_once_for_each_change(tmp_path: Path, model: Start) -> None:
    server = model(ignores)
    named(tmp_path, fast=server)
    news = taken(Under(places(tmp_path), WORDS, None, "Snow?", lambda: True))
    said = [one.text for one in news if isinstance(one, Said)]
    checking = [text for text in said if text.startswith("checking")]
    assert checking and len(set(checking)) == len(checking)
    assert all(isinstance(text, Sentence) for text in checking)
    zh = [Say("zh").ours(text) for text in checking]
    assert all(text.startswith("正在检查 temperature 在 fast/a 是否起作用") for text in zh)
    offer = next(text for text in said if "first it is tested" in text)
    assert Say("zh").ours(offer).startswith("fast/a：先测试 temperature")
    # What stands there once it is over: the finding, in one row, and no offer.
    assert re.fullmatch(r"fast/a: temperature has no effect \(p = [0-9.e-]+, n = \d+\)", said[-1])
    assert re.fullmatch(r"fast/a：temperature 不起作用（p = [0-9.e-]+，n = \d+）", Say("zh").ours(said[-1]))
    assert width(said[-1]) <= 2 * 78
    assert [one for one in news if isinstance(one, Ended)] == [Ended("done")] and kept(tmp_path) == ["temperature"]


def test_why_nothing_could_be_seen_is_told_with_the_finding(tmp_path: Path, model: Start) -> None:
    named(tmp_path, fast=model(lambda body: "word"))
    news = taken(Under(places(tmp_path), WORDS, None, "Snow?", lambda: True))
    said = [one.text for one in news if isinstance(one, Said)]
    assert said[-1].startswith("fast/a: temperature: inconclusive (p = ")
    assert said[-1].endswith("): both ends give the same answer nearly always")
    assert Say("zh").ours(said[-1]).endswith("）：两端几乎总给出同一回答")


def test_a_stopped_audit_says_so_above_the_panes_of_another_run(tmp_path: Path, model: Start) -> None:
    server = model(ignores)

    async def main() -> None:
        async with lab_at(tmp_path, "-m fast/a", (80, 24), "zh") as screen:
            named(tmp_path, fast=server)
            await screen.ask("Snow?")
            await screen.shows("1/1 完成")
            await screen.until(lambda: not screen.app.lab_screen.runs, "the end")
            server.answer = Stuck(3)
            screen.app.lab_screen.words = WORDS
            await screen.press("ctrl+j")
            await screen.until(lambda: "第 3/24 次请求" in screen.notice, "checking")
            await screen.press("escape")
            await screen.until(lambda: not screen.app.lab_screen.runs, "the end")
            assert screen.notice == "审计已停止，什么都没有发送"

    asyncio.run(main())


def test_what_takes_long_is_told_again(tmp_path: Path, model: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice on the screen fades."""
    monkeypatch.setattr(under, "_TOLD", 0.05)
    named(tmp_path, fast=model(Stuck(0)))
    session, told = Under(places(tmp_path), WORDS, None, "Snow?", lambda: True), list[str]()
    deadline = time.monotonic() + 20
    while len([text for text in told if text.startswith("checking")]) < 3:
        assert time.monotonic() < deadline, told
        told += [one.text for one in session.take(100) if isinstance(one, Said)]
    session.cancel()
    assert taken(session)[-1] == Ended("cancelled")


def test_what_can_not_be_audited_is_told_on_the_screen_and_the_sweep_goes_on(tmp_path: Path, model: Start) -> None:
    def broken(body: Body) -> Answer:
        return Reply(b'{"error": {"message": "no such model"}}', 404, JSON) if "do" not in body else ignores(body)

    server = model(broken)
    named(tmp_path, fast=server)
    news = taken(Under(places(tmp_path), WORDS, None, "Snow?", lambda: True))
    assert any(isinstance(one, Said) and "no such model" in one.text for one in news)
    assert [one for one in news if isinstance(one, Ended)] == [Ended("done")]


def test_a_run_that_is_cancelled_before_anything_is_checked_sends_nothing(tmp_path: Path, model: Start) -> None:
    server = model(ignores)
    named(tmp_path, fast=server)
    session = Under(places(tmp_path), WORDS, None, "Snow?", lambda: True)
    session.cancel()
    news = taken(session)
    told = [one.text for one in news if isinstance(one, Said) and "first it is tested" not in one.text]
    assert news[-1] == Ended("cancelled") and told in ([], ["the audit was stopped; nothing was sent"])
    session.close()
    assert not server.requests and not runs(tmp_path)


def test_a_stop_holds_for_what_begins_after_it_too() -> None:
    begun = []

    async def work() -> int:
        begun.append(1)
        return 1

    carry_out = Stoppable()
    assert carry_out(work()) == 1
    carry_out.stop()
    with pytest.raises(asyncio.CancelledError):
        carry_out(work())
    assert begun == [1]
