"""Wrapping by terminal cells, for text that grows. Knows neither Textual nor colour; rich only for cell widths.

All text is sanitised first (`render.sanitise`), so that a width is a plain sum over characters: what would make
it more (U+FE0F, joiners, skin tones) and what would move the cursor is not there any more.

Lines break at spaces, which vanish there, and beside any character that is two cells wide (Han, kana, hangul,
emoji), except where simple kinsoku forbids it: no closing punctuation begins a line, no opening one ends it.
A word longer than a line is cut. The filling is greedy, and a word that has left a line never goes back to it:
so all lines but the last are final, however the text goes on, and streamed is the same as wrapped at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import get_character_cell_size

TAB = 4
"""Tab stops, in cells, counted from where the logical line begins. Not 8: a pane may be 38 cells wide."""

_BLOCK = 512  # tokens

_NO_LINE_START = frozenset(
    "、。，．・：；？！…‥—–～〜％‰℃）］｝〉》」』】〕〗〙〟’”›»｠｡､･｣｝·"  # closing, full and half width
    "ーｰ゛゜々〻ゝゞヽヾぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶ"  # what lengthens or repeats
    ",.:;?!%)]}'\""
)
_NO_LINE_END = frozenset("（［｛〈《「『【〔〖〘〝‘“‹«｟｢￥￡＄$£€([{'\"")

_end_of_spaces = re.compile(" *").match


class _Widths(dict[str, int]):
    """Cells of one character, as rich counts them, remembered; bounded against hostile text."""

    def __missing__(self, char: str) -> int:
        # rich gives a control no cell; one cell keeps this in step with len() on ASCII text.
        cells = 1 if char < " " or char == "\x7f" else get_character_cell_size(char)
        if len(self) < 65536:
            self[char] = cells
        return cells


_WIDTHS = _Widths()
_width_of = _WIDTHS.__getitem__


def width(text: str) -> int:
    """Cells that a text without tabs or newlines takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_width_of, text))


def wrap_line(text: str, cells: int) -> list[str]:
    """One logical line (no newline) as visual lines, each at most `cells` (>= 2) wide; at least one."""
    if "\t" in text:
        text = _expand_tabs(text, 0)
    return [text[start:end] for start, end in _visual_lines(text, _at_least_two(cells))]


def fit(text: str, cells: int, *, ellipsis: str = "…") -> str:
    """The text, cut to `cells`, with the ellipsis if anything was cut; tabs and newlines become spaces."""
    if "\t" in text or "\n" in text:
        text = text.replace("\t", " ").replace("\n", " ")
    if len(text) * 2 <= cells or width(text) <= cells:
        return text
    room = cells - width(ellipsis)
    return _cut(text, room) + ellipsis if room >= 0 else _cut(text, cells)


def pad(text: str, cells: int) -> str:
    """The text, cut or filled up with spaces on its right to exactly `cells`."""
    text = fit(text, cells)
    return text + " " * (cells - width(text))


class WrapBuffer:
    """A text that grows at its end, wrapped as it grows: only the last visual line is wrapped again.

    The text is already sanitised. A newline ends a line, it does not begin one: after "a\\n" there is one line.
    """

    __slots__ = ("_before", "_blocks", "_cells", "_lines", "_open", "_recent", "_tail", "_tail_cells")

    def __init__(self, cells: int) -> None:
        self._cells = _at_least_two(cells)
        # All of the text, for resize. Tokens are joined by the block: one by one they take 12 times the memory.
        self._blocks: list[str] = []
        self._recent: list[str] = []
        self._lines: list[str] = []
        self._open = False  # whether the last visual line may still change
        self._tail = ""  # the open line with its trailing spaces, tabs expanded
        self._tail_cells = 0
        self._before = 0  # cells of the logical line before the tail, for tab stops

    @property
    def lines(self) -> list[str]:
        """All visual lines so far. The buffer's own list, not a copy: read it, don't change or keep it."""
        return self._lines

    def finished(self) -> int:
        """How many visual lines at the front can't change any more (until the next resize)."""
        return len(self._lines) - self._open

    def tail(self, count: int) -> list[str]:
        """The last `count` visual lines, or fewer."""
        return self._lines[-count:] if count > 0 else []

    def append(self, text: str) -> None:
        """Add sanitised text, which may begin and end anywhere."""
        self._recent.append(text)
        if len(self._recent) == _BLOCK:
            self._blocks.append("".join(self._recent))
            self._recent.clear()
        self._wrap(text)

    def resize(self, cells: int) -> None:
        """Wrap all of the text again, at another width."""
        cells = _at_least_two(cells)
        if cells == self._cells:
            return
        self._cells = cells
        self._lines.clear()
        self._begin_line()
        self._wrap("".join(self._blocks + self._recent))

    def _wrap(self, text: str) -> None:
        if "\n" not in text:
            self._extend(text)
            return
        *ended, last = text.split("\n")
        for piece in ended:
            self._extend(piece)
            if not self._open:
                self._lines.append("")
            self._begin_line()
        self._extend(last)

    def _begin_line(self) -> None:
        self._open = False
        self._tail = ""
        self._tail_cells = 0
        self._before = 0

    def _extend(self, piece: str) -> None:
        """Add text without a newline to the open line."""
        if not piece:
            return
        if "\t" in piece:
            piece = _expand_tabs(piece, self._before + self._tail_cells)
        self._tail += piece
        self._tail_cells += len(piece) if piece.isascii() else sum(map(_width_of, piece))
        if not self._open:
            self._open = True
            self._lines.append("")
        if self._tail_cells <= self._cells:
            self._lines[-1] = self._tail
        else:
            self._overflow()

    def _overflow(self) -> None:
        text = self._tail
        start = 0
        self._lines.pop()
        for start, end in _visual_lines(text, self._cells):
            self._lines.append(text[start:end])
        tail = text[start:]
        tail_cells = width(tail)
        if (excess := tail_cells - self._cells - 1) > 0:
            # More spaces than fit hang over the edge: one of them says so as well as a million.
            tail = tail[:-excess]
            tail_cells -= excess
        self._before += self._tail_cells - tail_cells
        self._tail = tail
        self._tail_cells = tail_cells


def _at_least_two(cells: int) -> int:
    if cells < 2:
        raise ValueError(f"a line needs at least 2 cells, not {cells}: a wide character takes two")
    return cells


def _visual_lines(text: str, cells: int) -> Iterator[tuple[int, int]]:
    """Where each visual line of a logical one starts and ends; the last start is where the unfinished line begins."""
    start = 0
    while True:
        end, following = _break(text, start, cells)
        # An indent that leaves its first word no room is given up, rather than shown as a blank line.
        if following == len(text) or end > start:
            yield start, end
        if following == len(text):
            return
        start = following


def _break(text: str, start: int, cells: int) -> tuple[int, int]:
    """Where the visual line from `start` ends and where the next one starts; len(text) if there is none."""
    limit = start + cells
    if text[start : limit + 1].isascii():
        if limit >= len(text):
            return len(text), len(text)
        space = text.rfind(" ", start, limit + 1)
        return (limit, limit) if space < 0 else _at_spaces(text, start, space)
    overflow = _overflow_index(text, start, cells)
    if overflow == len(text):
        return overflow, overflow
    for index in range(overflow, start, -1):
        if text[index] == " " or (text[index - 1] == " " and _WIDTHS[text[index]]):
            return _at_spaces(text, start, index)
        if _may_break(text, index):
            return index, index
    return overflow, overflow


def _at_spaces(text: str, start: int, index: int) -> tuple[int, int]:
    end = index
    while end > start and text[end - 1] == " ":
        end -= 1
    spaces = _end_of_spaces(text, index)
    return end, spaces.end() if spaces else index


def _overflow_index(text: str, start: int, cells: int) -> int:
    """The first character that does not fit; it has a cell of its own, so marks stay with their base."""
    for index in range(start, len(text)):
        cells -= _WIDTHS[text[index]]
        if cells < 0:
            return index
    return len(text)


def _may_break(text: str, index: int) -> bool:
    """Whether a line may end before this character although there is no space."""
    right = text[index]
    right_cells = _WIDTHS[right]
    if right_cells == 0 or right in _NO_LINE_START:
        return False
    index -= 1
    while index > 0 and _WIDTHS[text[index]] == 0:
        index -= 1
    left = text[index]
    return (right_cells == 2 or _WIDTHS[left] == 2) and left not in _NO_LINE_END


def _cut(text: str, cells: int) -> str:
    return text[: _overflow_index(text, 0, cells)]


def _expand_tabs(text: str, column: int) -> str:
    """Tabs as spaces; `column` is the width of the logical line before the text."""
    first, *rest = text.split("\t")
    expanded = [first]
    column += width(first)
    for piece in rest:
        spaces = TAB - column % TAB
        expanded += (" " * spaces, piece)
        column += spaces + width(piece)
    return "".join(expanded)
