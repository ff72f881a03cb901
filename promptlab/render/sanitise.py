"""The one sanitiser, at the boundary of what is shown: model text, names, error bodies and file names alike.

The store keeps raw text; this is for display only, and nothing reaches a terminal without it.

What it guarantees: no control character but newline and tab, no bidi control, no tag character and no lone
surrogate comes out, so that no text can move the cursor, talk to the terminal, reorder what is read or
hide a payload. A control becomes a mark that can be seen, and the rest of its sequence stays as plain text
(`ESC [ 2 J` is shown as `␛[2J`). Swallowing whole sequences would need a parser whose idea of where one ends
differs from some terminal's, and would let an unfinished one eat the honest text after it.

What it does not do: rich or Textual markup. `[red]` passes as it is, because it is only dangerous to who
parses it. These strings go into `rich.text.Text`, `textual.content.Content` or `markup=False`, and are never
passed to a markup parser; escaping here would show backslashes wherever that rule is kept.
"""

from __future__ import annotations

import re
import unicodedata

from rich.cells import get_character_cell_size

MARKS_IN_A_ROW = 6
"""How many characters without a cell of their own may follow one another. Burmese needs five
(မျှော်), the Sanskrit stacks of Tibetan about as many; what is called zalgo uses dozens."""

_PLAIN = (
    "\t\n -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0482\u048a-\u052f"  # Latin, Greek, Cyrillic
    "\u05d0-\u05ea\u060c\u061b\u061f-\u064a\u0660-\u066f\u0671-\u06d3\u06f0-\u06ff"  # Hebrew, Arabic
    "\u1e00-\u1fff\u2000-\u200a\u2010-\u2027\u202f-\u205f\u2070-\u20cf\u2100-\u2cee"  # punctuation, signs
    "\u2e80-\u3029\u3030-\u3098\u309b-\u3163\u3165-\ua4cf\uac00-\ud7a3"  # Han, kana, hangul
    "\ue000-\ufaff\uff01-\uff9f\uffe0-\uffef\ufffc\ufffd"  # private use, full and half width
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff\U00020000-\U0003ffff"  # emoji, rare Han
)
# A list of what is safe, not of what is bad: a character that nobody thought of takes the slow road.
_SUSPECTS = re.compile(f"[^{_PLAIN}]+")  # one pattern for both: to compile it takes 3 ms of every start
_find_suspect, _each_suspect_run = _SUSPECTS.search, _SUSPECTS.finditer

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LINE_ENDS = re.compile(r"[ \t]*\n[ \t\n]*|\t+")

# Invisible, and a terminal and rich may disagree about their width: dropped.
_DROPPED = (
    (0x00AD, 0x00AD),  # soft hyphen
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # hangul fillers, here and below
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian selectors, vowel separator
    (0x200B, 0x200B),  # zero width space
    (0x200D, 0x200D),  # zero width joiner; a family of emoji is 2 cells in rich and 6 in xterm.js
    (0x2060, 0x2064),  # word joiner, invisible operators
    (0x3164, 0x3164),  # no cell in rich, two in terminals
    (0xFE00, 0xFE0F),  # variation selectors; U+FE0F makes 2 cells of 1 in rich, but not in tmux
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0x1BCA0, 0x1BCA3),  # shorthand format controls
    (0x1D173, 0x1D17A),  # musical format controls
    (0x1F3FB, 0x1F3FF),  # skin tones; 2 cells with their emoji in rich, 4 in tmux
    (0xE0100, 0xE01EF),  # ideographic variation selectors
)
# These change how other text is read, or carry text nobody sees: shown as ⟨U+202E⟩.
_MARKED = (
    (0x0080, 0x009F),  # C1: 8-bit CSI, OSC, DCS …
    (0x061C, 0x061C),  # Arabic letter mark
    (0x200E, 0x200F),  # left-to-right and right-to-left mark
    (0x202A, 0x202E),  # bidi embeddings and overrides
    (0x2065, 0x206F),  # bidi isolates, deprecated format characters
    (0xFFF0, 0xFFFB),  # interlinear annotation and the unassigned ignorables before it
    (0xE0000, 0xE00FF),  # tags: invisible ASCII
    (0xE01F0, 0xE0FFF),  # the rest of the plane's ignorables
)


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _shown(char: str, keep: bool) -> str | None:
    """What stands for one character: itself, a mark, nothing, or None for "itself, if not too many in a row"."""
    code = ord(char)
    if code < 0x20:
        return char if char in "\t\n" else chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    if code in (0x2028, 0x2029):  # line and paragraph separator: what they mean is harmless
        return "\n"
    if _within(code, _MARKED):
        return f"⟨U+{code:04X}⟩"
    if _within(code, _DROPPED):
        return char if keep else ""
    # U+200C is among these: Persian can't be spelled without it, every terminal gives it no cell, and
    # dropping it would hide no less than keeping it, since both look the same where it has no effect.
    if unicodedata.category(char)[0] == "M" or get_character_cell_size(char) == 0:
        return None
    return char


class _Shown(dict[str, str | None]):
    """`_shown`, remembered; bounded, because a hostile text can name a million characters."""

    def __init__(self, keep: bool) -> None:
        self._keep = keep

    def __missing__(self, char: str) -> str | None:
        shown = _shown(char, self._keep)
        if len(self) < 8192:
            self[char] = shown
        return shown


_SHOWN = _Shown(keep=False)
_KEPT = _Shown(keep=True)


class Sanitiser:
    """Feed it a text in any pieces; what comes out, joined, is the same as for the text in one piece.

    Its whole state: a CR (CRLF and a lone CR both become a newline) or a high surrogate that ends a piece,
    which waits for the next one, and the number of marks that the text so far ends with. A pair of
    surrogates becomes its character: gateways that cut UTF-16 send an emoji as two escapes in two chunks.

    `keep`: the text goes to a file or a pipe, where no cells are counted. What is dropped for their sake
    (joiners, selectors, skin tones, soft hyphens) stays; controls, bidi controls and tags are marks there too.
    """

    __slots__ = ("_held", "_marks", "_table")

    def __init__(self, *, keep: bool = False) -> None:
        self._table = _KEPT if keep else _SHOWN
        self._held = ""
        self._marks = 0

    def feed(self, text: str) -> str:
        """What can be shown of the text so far and has not been returned yet."""
        if not self._held and _find_suspect(text) is None:
            if text:
                self._marks = 0
            return text
        text = self._held + text
        self._held = ""
        last = text[-1:]
        if last == "\r" or "\ud800" <= last <= "\udbff":
            self._held = last
            text = text[:-1]
        return self._convert(text)

    def close(self) -> str:
        """What was held back; after this a new text begins."""
        rest = self._convert(self._held)
        self._held = ""
        self._marks = 0
        return rest

    def _convert(self, text: str) -> str:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = _SURROGATE_PAIR.sub(_join_pair, text)
        shown: list[str] = []
        end = 0
        for run in _each_suspect_run(text):
            start = run.start()
            if start > end:
                self._marks = 0
                shown.append(text[end:start])
            for char in run[0]:
                replacement = self._table[char]
                if replacement is None:
                    self._marks += 1
                    if self._marks <= MARKS_IN_A_ROW:
                        shown.append(char)
                elif replacement:
                    self._marks = 0
                    shown.append(replacement)
            end = run.end()
        if end < len(text):
            self._marks = 0
            shown.append(text[end:])
        return "".join(shown)


def _join_pair(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def clean(text: str, *, keep: bool = False) -> str:
    """A whole text, fit to be shown; newlines and tabs stay. `keep` as for Sanitiser."""
    if _find_suspect(text) is None:
        return text
    sanitiser = Sanitiser(keep=keep)
    return sanitiser.feed(text) + sanitiser.close()


def clean_line(text: str) -> str:
    """A name or a message, fit to be shown, as one line: newlines and tabs become single spaces."""
    return _LINE_ENDS.sub(" ", clean(text)).strip()
