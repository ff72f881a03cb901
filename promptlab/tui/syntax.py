"""Colours of code, a line at a time: words of the language, texts, comments, numbers; what is open at a line's end goes
on in the next one.

A scanner of our own and not pygments: the text is anybody's, some of its expressions take minutes for a line that is
made for it, and it can't go on from where a line has ended. Here each character is looked at once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from promptlab.tui.marked import Span

_C = ("abstract as async auto await bool boolean break byte case catch chan char class const constexpr continue "
      "default defer delete do double dyn else enum export extends extern false final finally float fn for foreach "
      "from func function go goto if impl implements import in inline instanceof int interface internal is let long "
      "loop match mod move mut namespace native new nil null nullptr object of operator override package private "
      "protected pub public range readonly ref return select self short signed sizeof static string struct super "
      "switch synchronized template this throw throws trait true try type typedef typename typeof undefined union "
      "unsafe unsigned use using val var virtual void volatile when where while with yield")  # fmt: skip
_PYTHON = (
    "False None True and as assert async await break case class continue def del elif else except finally for "
    "from global if import in is lambda match nonlocal not or pass raise return self try while with yield"
)
_SHELL = ("if then else elif fi for while until do done case esac in function select return exit export local readonly "
          "set unset shift source alias declare trap eval exec echo printf read cd test true false begin end def class "
          "module require unless elsif rescue ensure self nil puts lambda yield FROM RUN CMD COPY ADD WORKDIR ENV "
          "EXPOSE ENTRYPOINT ARG my sub use foreach")  # fmt: skip
_SQL = (
    "select from where insert into values update set delete create table drop alter add column primary key foreign "
    "references index view join inner left right full outer cross on group by order having limit offset union all "
    "distinct as and or not null is in between like exists case when then else end with recursive over partition "
    "begin commit rollback transaction default unique check cascade if return function local do while for repeat "
    "until true false nil elseif require let in of type data module import instance class deriving where then"
)
_PLAIN = "true false null yes no on off none nan inf"


@dataclass(frozen=True, slots=True)
class Language:
    """What a scanner needs to know of one: `lines` begin a comment to the line's end, `spans` are texts and comments
    that may have several lines, by what they begin and end with."""

    words: frozenset[str]
    lines: tuple[str, ...] = ()
    spans: tuple[tuple[str, str, str], ...] = ()  # begins with, ends with, style
    quotes: str = "\"'"
    folded: bool = False  # its words may be written large or small


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STARRED = ("/*", "*/", "code-note")
_FAMILIES: dict[str, tuple[str, Language]] = {
    "python": ("py python python3 py3 pycon", Language(
        _words(_PYTHON), ("#",), (('"""', '"""', "code-text"), ("'''", "'''", "code-text")))),
    "c": ("c h cpp c++ cc hpp objc cs csharp c# java kotlin kt scala swift rust rs go golang dart php zig v solidity "
          "groovy", Language(_words(_C), ("//",), (_STARRED,))),
    "script": ("js javascript jsx mjs ts typescript tsx node", Language(
        _words(_C), ("//",), (_STARRED, ("`", "`", "code-text")))),
    "shell": ("sh bash zsh fish shell console ksh ruby rb perl pl r make makefile dockerfile docker nix tcl julia jl "
              "elixir ex powershell ps1", Language(_words(_SHELL), ("#",))),
    "sql": ("sql mysql postgres postgresql psql sqlite plsql tsql lua haskell hs ada", Language(
        _words(_SQL), ("--",), (_STARRED,), folded=True)),
    "plain": ("yaml yml toml ini conf cfg properties env", Language(_words(_PLAIN), ("#",), folded=True)),
    "json": ("json json5 jsonc jsonl ndjson", Language(_words(_PLAIN), ("//",), (_STARRED,))),
    "css": ("css scss sass less", Language(_words("important media import keyframes from to"), (), (_STARRED,))),
    "tags": ("html xml xhtml svg vue svelte rss", Language(frozenset(), (), (("<!--", "-->", "code-note"),), '"')),
}  # fmt: skip
_NAMES = {name: family for family, (names, _) in _FAMILIES.items() for name in names.split()}
_DIFFS = ("diff", "patch")


class Colours:
    """The lines of one block of code, in order. A language that is not known has no colours."""

    def __init__(self, language: str) -> None:
        family = _NAMES.get(language)
        self._diff = language in _DIFFS
        self._language = _FAMILIES[family][1] if family else None
        self._scan = _scanner(family) if family else None
        self._open: tuple[str, str] | None = None  # what ends the text or comment that is open, and its style

    def line(self, text: str, *, ended: bool = True) -> list[Span]:
        """The next line, as spans; together they are the line. Where it has not `ended`, the next call has it again."""
        before = self._open
        spans = self._spans(text)
        if not ended:
            self._open = before
        return spans

    def _spans(self, text: str) -> list[Span]:
        if self._diff:
            return [Span(text, _DIFF.get(text[:1], "code"))]
        if self._language is None or self._scan is None:
            return [Span(text, "code")]
        spans: list[Span] = []
        at = 0
        while at < len(text):
            if self._open is None:
                at = self._plain(text, at, spans)
            else:
                ends, style = self._open
                end = text.find(ends, at)
                stop = len(text) if end < 0 else end + len(ends)
                _add(spans, text[at:stop], style)
                if end >= 0:
                    self._open = None
                at = stop
        return spans or [Span("", "code")]

    def _plain(self, text: str, at: int, spans: list[Span]) -> int:
        """From here to the line's end, or into something that may have several lines; gives where it stopped."""
        language = self._language
        assert language is not None and self._scan is not None
        for found in self._scan.finditer(text, at):
            _add(spans, text[at : found.start()], "code")
            at, kind = found.end(), found.lastgroup
            if kind == "span":
                ends, style = next((ends, style) for begins, ends, style in language.spans if begins == found[0])
                self._open = ends, style
                _add(spans, found[0], style)
                return at
            word = found[0].lower() if language.folded else found[0]
            style = _STYLES.get(kind or "") or ("code-word" if word in language.words else "code")
            _add(spans, found[0], style)
        _add(spans, text[at:], "code")
        return len(text)


_TEXT = r"'(?:\\.|[^'\\])*'"
_TEXTS = defaultdict(lambda: r"(?<!\w)" + _TEXT, {  # in prose it is an apostrophe
    "": r'"(?:\\.|[^"\\])*(?:"|\\?$)', "python": _TEXT, "script": _TEXT,
    "c": r"'(?:\\.[^']{0,8}|[^'\\])'",  # a character; else the lifetime of a reference
})  # fmt: skip
_STYLES = {"note": "code-note", "text": "code-text", "number": "code-number", "tag": "code-word"}
_DIFF = {"+": "code-text", "-": "code-word", "@": "code-note"}


def _add(spans: list[Span], text: str, style: str) -> None:
    if text and spans and spans[-1].style == style:
        spans[-1] = Span(spans[-1].text + text, style)
    elif text:
        spans.append(Span(text, style))


@cache
def _scanner(family: str) -> re.Pattern[str]:
    language = _FAMILIES[family][1]
    parts = []
    if language.spans:
        parts.append("(?P<span>" + "|".join(re.escape(begins) for begins, _, _ in language.spans) + ")")
    if language.lines:  # `#` inside a word is none, as in $#, a#b and C#
        marks = "|".join((r"(?<![\w$&{])" if mark == "#" else "") + re.escape(mark) for mark in language.lines)
        parts.append(f"(?P<note>(?:{marks}).*)")
    parts.append("(?P<text>" + "|".join(_TEXTS[family if mark == "'" else ""] for mark in language.quotes) + ")")
    if family == "tags":
        parts.append(r"(?P<tag></?[A-Za-z][\w:.-]*|/?>)")
    parts += [r"(?P<word>[^\W\d]\w*)", r"(?P<number>\d[\w.]*)"]
    return re.compile("|".join(parts))
