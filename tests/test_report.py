"""The HTML report: it needs nothing else, holds everything, streams, and nothing that a model wrote can run in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from promptlab.analysis import Point, Reading, Remark, Sample
from promptlab.check import Outcome
from promptlab.render.report import policy, report
from tests import reading as made

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the report with")

EVIL = (
    "<script>document.title='PWNED'</script>",
    "</script><script>document.title='PWNED'</script>",
    "</pre></article><img src=x onerror=\"document.title='PWNED'\">",
    "<svg onload=document.title='PWNED'><iframe srcdoc='<script>top.document.title=1</script>'>",
    "<!--<script>", "]]><style>*{display:none}</style>", "javascript:document.title='PWNED'",
    "\" onmouseover=\"document.title='PWNED'", "&lt;script&gt;", "\x00\x1b]0;PWNED\x07 \u202eevil\u2066 \ud800 \x9b",
    "<base href=https://example.invalid><meta http-equiv=refresh content='0;url=https://example.invalid'>",
)  # fmt: skip


def text(reading: Reading | None = None, samples: Iterator[Sample] | None = None, **head: str) -> str:
    return "".join(report(reading or made.reading(), samples or made.samples(), head or {"prompt": "写一首绝句"}))


def hostile() -> str:
    """A report in which every text that comes from outside is an attack."""
    every = " ".join(EVIL)
    points, samples = [], []
    for number, evil in enumerate(EVIL):
        points.append(Point(evil, {evil: evil}, (number,), number, {}, answered=1))
        outcome = Outcome(evil, False, evil)
        samples.append(Sample(number, evil, {evil: evil}, 0, evil, thinking=evil, finish_reason=evil,
                              state=evil, outcomes=(outcome,)))  # fmt: skip
    axes = {evil: (evil, None) for evil in EVIL}
    reading = Reading(axes, tuple(points), (Remark("x", every, every),), ("check:" + every,), EVIL)
    return "".join(report(reading, samples, {every: every}))


class Seen(HTMLParser):
    """What a parser finds in it: elements, their attributes, and which are still open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("page", [text(), hostile(), text(made.efforts(), made.one_each(made.efforts()))])
def test_every_element_is_closed_and_nothing_comes_from_elsewhere(page: str) -> None:
    seen = Seen(page)
    assert seen.open == []
    assert [tag for tag, _ in seen.elements].count("script") == 1
    assert not {tag for tag, _ in seen.elements} & {"img", "iframe", "link", "object", "base", "a", "image", "use"}
    for _, attributes in seen.elements:
        assert not {name for name in attributes if name.startswith("on") or name in ("style", "src", "href")}
    page.encode()  # no lone surrogate is left


def test_the_policy_allows_our_script_and_our_style_only() -> None:
    assert "unsafe" not in policy()
    assert policy().startswith("default-src 'none'; script-src 'sha256-")
    page = text()
    assert page.index("Content-Security-Policy") < page.index("<style")


def test_control_and_bidi_characters_become_marks() -> None:
    page = hostile()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    assert "⟨U+202E⟩" in page


def test_it_holds_what_was_asked_the_findings_the_numbers_and_every_answer() -> None:
    page = text(prompt="写一首绝句 & more", sent="temperature 0.1 to 2", honoured="at local")
    assert "<dt>honoured</dt><dd>at local</dd>" in page
    assert "写一首绝句 &amp; more · promptlab</title>" in page
    assert "0.1, 0.4, 0.7, 1, 1.3, 1.8, 2\nignored at deepseek/deepseek-reasoner" in page
    assert "usable up to about 1.3: from 1.8 on 80% of the answers break the form" in page
    assert "(p = 0.003, n = 10)" in page
    assert "0.12<small>[0.03, 0.19]</small>" in page
    assert page.count("<article") == len(list(made.samples()))
    assert page.count("<details><summary>thinking") == 14
    assert page.count('class="shown"') == len(made.reading().points)
    assert "夜来风雨声，\n花落知多少。" in page
    assert '<span class="fault">failed</span>' in page
    assert "✗ lines 4x5 (2 lines of 4)" in page
    assert "≈75 tok" in page
    assert page.count("<svg viewBox") == 9  # eight measures and the plane
    assert "one point only, so not drawn: cost ($)" in page
    assert '"Noto Sans CJK SC"' in page
    assert "@media print" in page
    assert "prefers-color-scheme:dark" in page


def test_the_answers_come_right_after_the_findings() -> None:
    page = text()
    places = [page.index(f"<h2>{name}</h2>") for name in ("Findings", "Answers", "Measures", "Plots")]
    assert places == sorted(places)


def test_a_finding_says_nothing_twice() -> None:
    remarks = (
        Remark("effect", "temperature changes the answers of local (n = 20, p = 0.001)", "local", 0.001, 20),
        Remark("failed", "2 of 4 requests failed: no <model> (local)", "local", None, 4),
        Remark("collapse", "answers collapse to one", "loc", None, 5),
    )
    page = text(Reading({}, (), remarks), iter(()))
    assert re.findall("<li>(.*?)</li>", page) == [
        "temperature changes the answers of local (n = 20, p = 0.001)",
        "2 of 4 requests failed: no &lt;model&gt; (local)",
        '<b>loc</b>: answers collapse to one <span class="soft">(n = 5)</span>',
    ]  # fmt: skip


def test_a_failed_answer_says_why() -> None:
    lost = Sample(0, "local", {}, 0, "", state="failed", fault="no <b>model</b>\x1b[2J")
    page = text(Reading({}, (Point("local", {}, (0,), None, {}, failed=1),)), iter([lost]))
    assert "no &lt;b&gt;model&lt;/b&gt;" in page and "\x1b" not in page


def test_a_void_axis_has_no_line_in_its_drawing() -> None:
    lines = re.findall(r'<polyline class="line s(\d)"', text())
    assert set(lines) == {"0"}


def test_one_answer_is_held_at_a_time() -> None:
    pulled = 0

    def samples() -> Iterator[Sample]:
        nonlocal pulled
        for sample in made.samples():
            pulled += 1
            yield sample

    seen = 0
    for piece in report(made.reading(), samples(), {}):
        seen += "<article" in piece
        assert pulled <= seen + 1
    assert seen == pulled


def test_memory_is_flat_with_the_number_of_answers() -> None:
    def samples() -> Iterator[Sample]:
        for number in range(2000):
            yield Sample(number, "local", {"temperature": 0.1}, 0, f"{number} " + "字" * 20_000)

    tracemalloc.start()
    size = sum(map(len, report(made.reading(), samples(), {})))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 40_000_000
    assert peak < 3_000_000


def opened(page: str, folder: Path, fragment: str = "") -> str:
    """The page's elements after its script has run, as Chromium has them."""
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={folder / 'browser'}",
         "--dump-dom", f"{file.as_uri()}{fragment}"],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout.decode()


def cards(page: str) -> list[dict[str, str | None]]:
    """The attributes of the answers that are not hidden."""
    seen = [attributes for tag, attributes in Seen(page).elements if tag == "article"]
    return [attributes for attributes in seen if "hidden" not in attributes]


@browser
def test_no_script_of_an_answer_runs_in_a_browser(tmp_path: Path) -> None:
    page = opened(hostile(), tmp_path, "#show=all")
    title = re.search("<title>(.*?)</title>", page, re.DOTALL)
    assert title
    assert title[1].endswith("· promptlab")
    assert f"{len(EVIL)} of {len(EVIL)} answers" in page  # and ours did run
    assert "&lt;script&gt;document.title='PWNED'&lt;/script&gt;" in page
    assert not re.search("<(img|iframe|base|a)[ >]", page)


@browser
def test_the_policy_holds_even_where_escaping_would_not(tmp_path: Path) -> None:
    inline = (
        "<script>document.title='PWNED'</script><img src=x onerror=\"document.title='PWNED'\"><p style='color:red'>"
    )
    page = opened(text().replace("<h2>Answers</h2>", f"<h2>Answers</h2>{inline}"), tmp_path)
    assert "<title>写一首绝句 · promptlab</title>" in page
    assert "8 of 49 answers" in page


@browser
@pytest.mark.parametrize(
    ("fragment", "count"),
    [("", 8), ("#show=all", 49), ("#show=all&a0=0", 5 + 14), ("#show=all&a0=0&target=0", 5), ("#a0=6&target=0", 1),
     ("#show=failed", 2), ("#show=differs&a0=0&target=0", 0), ("#show=differs&a0=2&target=0", 4),
     ("#show=nonsense&a0=99", 1), ("#%00&=&__proto__=1", 8)],
)  # fmt: skip
def test_the_filter_by_value_and_by_what_differs(fragment: str, count: int, tmp_path: Path) -> None:
    page = opened(text(), tmp_path, fragment)
    assert len(cards(page)) == count
    assert f"{count} of 49 answers" in page


def test_without_a_script_every_answer_stands() -> None:
    assert len(cards(text())) == 49
    assert '<form id="filter" hidden>' in text()


def test_an_empty_reading_is_still_a_page() -> None:
    page = "".join(report(Reading({}, ()), [], {}))
    assert Seen(page).open == []
    assert "a sweep · promptlab</title>" in page
