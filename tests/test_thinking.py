"""Thinking inside the content: wherever the stream is cut, the same trace and the same answer, and nothing lost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlab.events import Answer, Relabelled, Thinking
from promptlab.providers.thinking import PAIRS, Mode, ThinkSplitter
from promptlab.transcript import Transcript

HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>")
ORPHANS = ("</think>", "</thinking>", "[/THINK]", "◁/think▷")


def split(pieces: Iterable[str], mode: Mode = "auto") -> Transcript:
    splitter, cell = ThinkSplitter(mode), Transcript()
    at = 0.0
    for piece in pieces:
        for event in splitter.feed(piece):
            cell.apply(at := at + 1, event)
    for event in splitter.close():
        cell.apply(at := at + 1, event)
    return cell


def texts(cell: Transcript) -> tuple[str, str]:
    return cell.thinking, cell.answer


def everywhere(content: str) -> Iterable[list[str]]:
    """The content whole, character by character, and cut once at each place."""
    yield [content]
    yield list(content)
    for place in range(1, len(content)):
        yield [content[:place], content[place:]]


@pytest.mark.parametrize("opener", PAIRS)
@pytest.mark.parametrize("space", ["", "\n", " \n\n"])
def test_every_known_pair_of_tags_holds_thinking(opener: str, space: str) -> None:
    content = f"{space}{opener}{space}if a < b, 甲[0]{space}{PAIRS[opener]}{space}the answer"
    for pieces in everywhere(content):
        cell = split(pieces)
        assert texts(cell) == ("if a < b, 甲[0]", "the answer"), pieces
        assert cell.trace == ("summary" if opener == "<thought>" else "raw")


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        # the opening tag is missing: everything before the closing one was thinking
        ("so a\n</think>\n\nb", "so a", "b"),
        ("</think>b", "", "b"),
        ("so a</thinking>b", "so a", "b"),
        ("so a[/THINK]b", "so a", "b"),
        ("so a◁/think▷b", "so a", "b"),
        # only the first one counts
        ("so a</think>b</think>c", "so a", "b</think>c"),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
        # merely mentioned
        ("Write `<think>` and `</think>`.", "", "Write `<think>` and `</think>`."),
        ("The tag '</think>' ends it.", "", "The tag '</think>' ends it."),
        ("“</think>” ends it, not <think>.", "", "“</think>” ends it, not <think>."),
        ("Use <think>x</think> so.", "", "Use <think>x</think> so."),
        ("a <think> alone", "", "a <think> alone"),
        # never closed
        ("<think>a b", "a b", ""),
        ("<think>a </thin", "a </thin", ""),
        ("<think>", "", ""),
        # almost a tag
        ("<thin ice", "", "<thin ice"),
        ("<thi", "", "<thi"),
        ("< think>a</ think>", "", "< think>a</ think>"),
        ("a < b and c </b>", "", "a < b and c </b>"),
        ("[THIN] [", "", "[THIN] ["),
        # another tag's end inside
        ("<think>a</thought> b</think>c", "a</thought> b", "c"),
        ("<think>a<think>b</think>c", "a<think>b", "c"),
        ("", "", ""),
        ("  \n ", "", ""),
        ("  b ", "", "b"),
    ],
)
def test_tags_missing_mentioned_unclosed(content: str, thinking: str, answer: str) -> None:
    for pieces in everywhere(content):
        assert texts(split(pieces)) == (thinking, answer), pieces


def test_an_orphan_moves_what_was_shown_as_answer_once() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("so a") == [Answer("so a")]
    assert splitter.feed("</think>") == [Relabelled()]
    assert splitter.feed("\n\nb") == [Answer("b")]
    assert splitter.feed("</think>c") == [Answer("</think>c")] or splitter.close() == []


def test_text_is_given_as_soon_as_it_can_be_no_tag() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<thi") == []
    assert splitter.feed("s is") == [Answer("<this is")]
    assert splitter.feed(" <") == [Answer(" ")] and splitter.feed("b") == [Answer("<b")]
    splitter = ThinkSplitter()
    assert splitter.feed("<think>now") == [Thinking("now")]


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("<think>a</think>b", "", "<think>a</think>b"),
        ("so a</think>b", "", "so a</think>b"),
        ("<|channel|>analysis<|message|>a", "", "<|channel|>analysis<|message|>a"),
    ],
)
def test_off_takes_all_as_answer(content: str, thinking: str, answer: str) -> None:
    for pieces in everywhere(content):
        assert texts(split(pieces, "off")) == (thinking, answer)


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [("a\n</think>\n\nb", "a", "b"), ("a b", "a b", ""), ("a</think>b</think>c", "a", "b</think>c")],
)
def test_assume_open_begins_inside_the_trace(content: str, thinking: str, answer: str) -> None:
    for pieces in everywhere(content):
        cell = split(pieces, "assume-open")
        assert texts(cell) == (thinking, answer) and not cell.relabelled


def test_after_a_field_carried_the_trace_tags_are_text() -> None:
    splitter = ThinkSplitter()
    splitter.field_seen()
    assert splitter.feed("<think>a</think>") == [Answer("<think>a</think>")]


@pytest.mark.parametrize(
    ("content", "thinking", "answer"),
    [
        ("<|channel|>analysis<|message|>a < b<|end|><|start|>assistant<|channel|>final<|message|>c<|return|>",
         "a < b", "c"),
        ("<|start|>assistant<|channel|>analysis<|message|>a<|end|>", "a", ""),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>"
         "<|start|>assistant<|channel|>final<|message|>c", "ab", "c"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>First this.<|end|>"
         "<|start|>assistant<|channel|>final<|message|> c", "a", "First this. c"),
        ('<|channel|>commentary to=functions.x <|constrain|>json<|message|>{"a": 1}<|call|>', "", '{"a": 1}'),
        ("<|channel|>final<|message|>x <| y < z <|nothing|> |> w", "", "x <| y < z <|nothing|> |> w"),
        ("<|channel|>final<|message|>a <|abcdefghijklmn<", "", "a <|abcdefghijklmn<"),
        ("<|channel|>final<|message|>a <|abcdefghijklmn<|return|>", "", "a <|abcdefghijklmn"),
        # no harmony at all: a text that begins with one of its tokens
        ("<|channel|> is a token of gpt-oss.", "", "<|channel|> is a token of gpt-oss."),
        ("<|start|>", "", "<|start|>"),
    ],
)  # fmt: skip
def test_harmony(content: str, thinking: str, answer: str) -> None:
    for pieces in everywhere(content):
        assert texts(split(pieces)) == (thinking, answer), pieces


MARKERS = (*PAIRS, *PAIRS.values(), *HARMONY)
WORDS = st.sampled_from(
    [*MARKERS, "a", "b ", "\n", " ", "`", "<", "<|", "</", "[", "◁", "雪", "analysis", "final", "<thi"]
)
CONTENT = st.lists(WORDS, max_size=14).map("".join)
OPENED = st.tuples(st.sampled_from(["", " ", *PAIRS, "<|channel|>analysis<|message|>"]), CONTENT).map("".join)


@settings(deadline=None)
@given(OPENED, st.data(), st.sampled_from(["auto", "off", "assume-open"]))
@example("<|channel|>final<|message|><|aaaaaaaaaaaaaaa<|end|>x", None, "auto")
def test_any_cut_gives_the_same(content: str, data: st.DataObject | None, mode: Mode) -> None:
    whole = split([content], mode)
    cuts = [list(content)]
    if data is not None:
        places = sorted(data.draw(st.sets(st.integers(0, len(content)))))
        cuts.append([content[a:b] for a, b in zip([0, *places], [*places, len(content)], strict=True)])
    for pieces in cuts:
        cell = split(pieces, mode)
        assert texts(cell) == texts(whole), pieces
        assert (cell.trace, cell.relabelled) == (whole.trace, whole.relabelled)


def letters(text: str) -> str:
    return re.sub(r"\s", "", text)


@settings(deadline=None)
@given(OPENED.filter(lambda content: "<|" not in content.replace("<|begin_of", "").replace("<|end_of", "")))
def test_nothing_is_ever_lost_nor_said_twice(content: str) -> None:
    """At most one opening and one closing marker are taken out; all else comes out once, in its order."""
    cell = split([content])
    out, given_ = letters(cell.thinking + cell.answer), letters(content)
    if out == given_:
        return
    candidates = []
    for opener in ("", *PAIRS):
        rest = given_.removeprefix(opener)
        closers = ORPHANS if not opener else (PAIRS[opener],)
        candidates.append(rest)
        for closer in closers:
            for found in re.finditer(re.escape(closer), rest):
                candidates.append(rest[: found.start()] + rest[found.end() :])
    assert out in candidates


@settings(deadline=None)
@given(OPENED)
def test_harmony_loses_headers_and_tokens_only(content: str) -> None:
    """Every character of a message body comes out, and none comes out that did not go in."""
    cell = split([content])
    lost = Counter(letters(content)) - Counter(letters(cell.thinking + cell.answer))
    made = Counter(letters(cell.thinking + cell.answer)) - Counter(letters(content))
    assert not made
    if content.startswith("<|channel|>analysis<|message|>"):
        body = re.split(r"<\|(?:start|channel)\|>.*?(?:<\|message\|>|$)", content, flags=re.DOTALL)
        kept = letters(re.sub(r"<\|(start|channel|message|end|return|call|constrain)\|>", "", "".join(body)))
        assert len(kept) <= len(letters(cell.thinking + cell.answer)), lost


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_without_a_tag_is_the_answer(content: str) -> None:
    if not any(marker in content for marker in MARKERS):
        assert texts(split(list(content))) == ("", content.strip())
