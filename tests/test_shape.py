"""Text in pieces is joined to whole characters, wherever it was cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlab.providers.shape import Characters


def joined(*pieces: str) -> list[str]:
    characters = Characters()
    return [characters.join(piece) for piece in pieces]


@given(st.text(st.characters(codec="utf-8"), max_size=12), st.lists(st.integers(0, 24), max_size=6))
def test_a_text_cut_anywhere_is_whole_again(text: str, cuts: list[int]) -> None:
    """The pieces are what a gateway sends that counts in UTF-16: each unit an escape of its own."""
    units = text.encode("utf-16-le")
    places = [0, *sorted(2 * cut for cut in cuts), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(places)]
    assert "".join(joined(*pieces)) == text


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [
        (["a\ud83d", "\ude00b"], ["a", "😀b"]),
        (["\ud83d", "", "\ude00"], ["", "", "😀"]),  # nothing has come between them
        (["\ud83d", "plain", "é"], ["", "\ufffdplain", "é"]),  # alone, and given in its place
        (["\ude00"], ["\ufffd"]),
        (["\ud83d\ud83d", "\ude00"], ["\ufffd", "😀"]),
    ],
)
def test_a_half_waits_or_is_marked(pieces: list[str], wanted: list[str]) -> None:
    assert joined(*pieces) == wanted
