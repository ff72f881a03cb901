"""What may reach a terminal, and that cutting a text into pieces changes nothing."""

from __future__ import annotations

import io
import re
import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size
from rich.console import Console
from rich.text import Text

from promptlab.render import sanitise
from promptlab.render.sanitise import MARKS_IN_A_ROW, Sanitiser, clean, clean_line

# name, payload, what is shown
PAYLOADS = [
    ("CSI clear", "a\x1b[2J\x1b[Hb", "a␛[2J␛[Hb"),
    ("CSI colour", "\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
    ("reset", "\x1bcgone", "␛cgone"),
    ("OSC 52 clipboard, BEL", "\x1b]52;c;ZXZpbA==\x07", "␛]52;c;ZXZpbA==␇"),
    ("OSC 52 clipboard, ST", "\x1b]52;c;ZXZpbA==\x1b\\", "␛]52;c;ZXZpbA==␛\\"),
    ("OSC 8 link", "\x1b]8;;https://evil\x1b\\bank\x1b]8;;\x1b\\", "␛]8;;https://evil␛\\bank␛]8;;␛\\"),
    ("title", "\x1b]0;PWNED\x07", "␛]0;PWNED␇"),
    ("DCS", '\x1bP$q"p\x1b\\', '␛P$q"p␛\\'),
    ("APC, PM, SOS", "\x1b_G\x1b\\\x1b^x\x1b\\\x1bXx", "␛_G␛\\␛^x␛\\␛Xx"),
    ("unfinished", "honest\x1b]0;", "honest␛]0;"),
    ("C1 CSI", "\x9b2J", "⟨U+009B⟩2J"),
    ("C1 OSC", "\x9d52;c;eA==\x9c", "⟨U+009D⟩52;c;eA==⟨U+009C⟩"),
    ("C1 DCS", "\x90q\x9c", "⟨U+0090⟩q⟨U+009C⟩"),
    ("C1 NEL", "a\x85b", "a⟨U+0085⟩b"),
    ("NUL, DEL", "a\x00b\x7fc", "a␀b␡c"),
    ("BEL, BS", "a\x07b\x08\x08c", "a␇b␈␈c"),
    ("VT, FF, shift out", "a\x0bb\x0cc\x0e", "a␋b␌c␎"),
    ("CR spinner", "10%\r20%\r30%", "10%\n20%\n30%"),
    ("CRLF", "a\r\nb\r\r\nc\r", "a\nb\n\nc\n"),
    ("bidi override", "user\u202egnp.exe\u202c", "user⟨U+202E⟩gnp.exe⟨U+202C⟩"),
    ("bidi isolates", "\u2066a\u2067b\u2068c\u2069", "⟨U+2066⟩a⟨U+2067⟩b⟨U+2068⟩c⟨U+2069⟩"),
    ("bidi marks", "a\u200eb\u200fc\u061cd", "a⟨U+200E⟩b⟨U+200F⟩c⟨U+061C⟩d"),
    ("zero width", "pa\u200bss\u2060wo\ufeffrd\u00ad\u180e", "password"),
    ("tags", "hi\U000e0041\U000e007f", "hi⟨U+E0041⟩⟨U+E007F⟩"),
    ("annotation", "\ufff9a\ufffab\ufffb", "⟨U+FFF9⟩a⟨U+FFFA⟩b⟨U+FFFB⟩"),
    ("separators", "a\u2028b\u2029c", "a\nb\nc"),
    ("lone surrogates", "a\ud83dx\ude00", "a\ufffdx\ufffd"),
    ("surrogate pair", "a\ud83d\ude00b", "a😀b"),
    ("tag as surrogates", "\udb40\udc41", "⟨U+E0041⟩"),
    ("noncharacters, private", "\ufffe\uffff\ue000", "\ufffe\uffff\ue000"),
    ("presentation selector", "❤\ufe0f 1\ufe0f\u20e3", "❤ 1\u20e3"),
    ("hangul fillers", "a\u115f\u1160b\u3164c\uffa0", "abc"),
    ("skin tone", "👍🏽", "👍"),
    ("family", "👨\u200d👩\u200d👧", "👨👩👧"),
    ("variation selectors", "葛\U000e0100a\ufe00", "葛a"),
    ("markup", "[red]x[/red]", "[red]x[/red]"),
    ("broken markup", "[/oops]", "[/oops]"),
    ("action link", "[@click=app.quit]q[/]", "[@click=app.quit]q[/]"),
    ("zalgo", "e" + "\u0301" * 50 + "f", "e" + "\u0301" * MARKS_IN_A_ROW + "f"),
    ("zalgo, hidden breaks", "e" + "\u0301\u200b" * 50, "e" + "\u0301" * MARKS_IN_A_ROW),
    ("marks, apart", ("e" + "\u0301" * 5) * 3, ("e" + "\u0301" * 5) * 3),
    ("ordinary", "a\tb\nç 温度。…“x” 🙂 Ω", "a\tb\nç 温度。…“x” 🙂 Ω"),
    ("Persian", "می\u200cخواهم", "می\u200cخواهم"),
    ("Burmese", "မျှော်လင့်", "မျှော်လင့်"),
    ("Hindi", "क्षत्रिय नि", "क्षत्रिय नि"),
]
HOSTILE = [
    *"\x1b\x9b\x9d\x9c\x90\x07\x08\r\n\t\x0b\x0c\x00\x7f\u202e\u2066\u200b\u200c\u200d\ufe0f\ufeff\u2028\u0301\u0903",
    *"\ud83d\ude00\udb40\udc41\U000e0041[]a 字🏽👍\u1161",
]


def texts() -> st.SearchStrategy[str]:
    every_character = st.characters(min_codepoint=0, max_codepoint=0x10FFFF, categories=None)
    return st.text(st.one_of(st.sampled_from(HOSTILE), every_character), max_size=60)


def fed(pieces: list[str]) -> str:
    sanitiser = Sanitiser()
    return "".join([*map(sanitiser.feed, pieces), sanitiser.close()])


def forbidden(char: str) -> bool:
    """Written from Unicode's categories, not from the sanitiser's own ranges."""
    if char in "\t\n":
        return False
    return (
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or char in "\u061c\u200b\u200d\u200e\u200f\u00ad\u180e\u2060\ufeff\ufe0e\ufe0f\ufff9\ufffa\ufffb"
        or "\U000e0000" <= char <= "\U000e007f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


@pytest.mark.parametrize(("payload", "shown"), [row[1:] for row in PAYLOADS], ids=[row[0] for row in PAYLOADS])
def test_payload_is_shown_the_same_however_it_is_cut(payload: str, shown: str) -> None:
    assert clean(payload) == shown
    assert fed(list(payload)) == shown
    for cut in range(len(payload) + 1):
        assert fed([payload[:cut], payload[cut:]]) == shown
    assert not any(map(forbidden, shown))


@pytest.mark.parametrize("payload", [row[1] for row in PAYLOADS], ids=[row[0] for row in PAYLOADS])
def test_rich_writes_no_escape_of_the_payloads(payload: str) -> None:
    raw = io.StringIO()
    console = Console(file=raw, force_terminal=True, color_system="truecolor", width=200)
    console.print(Text(clean(payload), style="bold red"), Text(clean_line(payload), style="blue"))
    written = raw.getvalue()
    written.encode("utf-8")
    assert "\x1b" in written, "the styles are meant to be there, or this proves nothing"
    rest = re.sub(r"\x1b\[[0-9;]*m", "", written)
    assert not any(map(forbidden, rest)), rest


def test_every_code_point() -> None:
    """All planes that hold anything but private use; a space after each, or the marks would be too many."""
    every = [chr(code) for code in (*range(0x40000), *range(0xE0000, 0xE1000))]
    assert not [char for char in set(clean(" ".join(every))) if forbidden(char)]
    plain = re.compile(f"[{sanitise._PLAIN}]").fullmatch
    without_cell = [char for char in every if char not in "\t\n" and plain(char) and not get_character_cell_size(char)]
    assert not without_cell, "the fast road would let them through uncounted"
    assert not [char for char in every if plain(char) and unicodedata.category(char)[0] == "M"]


@given(texts())
def test_nothing_forbidden_comes_out(text: str) -> None:
    shown = clean(text)
    assert not any(map(forbidden, shown))
    shown.encode("utf-8")


@given(texts())
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(texts(), st.lists(st.integers(0, 60)))
def test_pieces_give_the_same_as_the_whole(text: str, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(text)]
    assert fed([text[start:end] for start, end in pairwise(bounds)]) == clean(text)


@given(st.lists(texts(), max_size=4))
def test_a_closed_sanitiser_begins_anew(parts: list[str]) -> None:
    sanitiser = Sanitiser()
    assert [sanitiser.feed(part) + sanitiser.close() for part in parts] == [clean(part) for part in parts]


@given(texts())
def test_marks_without_a_cell_are_few(text: str) -> None:
    marks = 0
    for char in clean(text):
        marks = marks + 1 if char not in "\t\n" and get_character_cell_size(char) == 0 else 0
        assert marks <= MARKS_IN_A_ROW


@given(texts())
def test_a_line_is_one_line(text: str) -> None:
    line = clean_line(text)
    assert len(line.splitlines()) <= 1
    assert "\t" not in line
    assert line == line.strip() == clean_line(line)


def test_line_examples() -> None:
    assert clean_line(" a\r\n\tb  c\t\td \n") == "a b  c d"
    assert clean_line("model\x1b]0;x\x07\nname") == "model␛]0;x␇ name"


def test_marks_are_counted_anew_after_close() -> None:
    sanitiser = Sanitiser()
    for _ in range(3):
        assert sanitiser.feed("\u0301" * 5) + sanitiser.close() == "\u0301" * 5


def test_ordinary_text_is_the_same_object() -> None:
    for token in (" temperature", "温度", "\n\n", "“Ω”…", "🙂"):
        assert Sanitiser().feed(token) is token
        assert clean(token) is token


def test_speed_is_printed() -> None:
    for language, token in (("English", " sampling"), ("Chinese", "采样"), ("Hindi", " भाषा")):
        feed = Sanitiser().feed
        begun = time.perf_counter()
        for _ in range(20_000):
            feed(token)
        print(f"sanitiser, {language}: {(time.perf_counter() - begun) / 20_000 * 1e6:.2f} us per token")
