"""The blanks of a prompt, from other tools' ways of writing them to ours, {{name}}, and back; all else stays text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from promptlab.errors import ProfileError
from promptlab.profile import Profile, Variable, template

BRACES = re.compile(r"\{\{[ \t]{0,8}([^\W\d]\w{0,63})[ \t]{0,8}\}\}")
# Words of the template language, which can't name a variable.
_WORDS = {"and", "or", "not", "if", "else", "elif", "in", "is", "true", "false", "none", "True", "False", "None",
          "self", "import", "recursive"}  # fmt: skip
_OPENING = re.compile(r"\{[{%#]+")
_OURS = re.compile(r"\{\{-?\s{0,9}(?:'([^'\\\n]{0,99})'|([^\W\d]\w{0,99}))\s{0,9}-?\}\}"
                   r"|\{#[^#]{0,2000}#\}|\{[{%][^{}]{0,2000}[%}]\}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one of our texts: plain words, a variable's name, or a piece of template code that is more."""

    text: str = ""
    variable: str = ""
    code: str = ""


def is_name(name: str) -> bool:
    """Whether this can be a variable of ours."""
    return name.isidentifier() and name not in _WORDS and len(name) <= 64


def plain(text: str) -> str:
    """A text that must stay as it is, written so that the template language sees no blank in it."""
    if "{" not in text:
        return text
    return _OPENING.sub(lambda found: "{{ '" + found[0] + "' }}", text)


def blanks(
    text: str, pattern: re.Pattern[str], name_of: Callable[[re.Match[str]], str | None]
) -> tuple[str, list[str]]:
    """The text with each match of `pattern` as our {{name}}, and the names in order. `name_of` gives the name of a
    match, None for one that is plain text, or `=…` for what is to be put there as plain text."""
    parts: list[str] = []
    names: list[str] = []
    words, end = "", 0
    for found in pattern.finditer(text):
        name = name_of(found)
        words += text[end : found.start()]
        end = found.end()
        if name is None:
            words += found[0]
        elif name.startswith("="):
            words += name[1:]
        else:
            parts += [_closed(words), "{{" + name + "}}"]
            words = ""
            names.append(name)
    parts.append(plain(words + text[end:]))
    return "".join(parts), list(dict.fromkeys(names))


def _closed(words: str) -> str:
    """Plain words with a blank after them: a brace at their end must not be read as one of the blank's."""
    if not words.endswith("{"):
        return plain(words)
    rest = words.rstrip("{")
    return plain(rest) + "{{ '" + words[len(rest) :] + "' }}"


def from_braces(text: str, known: Iterable[str] | None = None) -> tuple[str, list[str]]:
    """A text whose blanks are {{name}}; with `known`, only these are blanks."""
    wanted = None if known is None else set(known)

    def name_of(found: re.Match[str]) -> str | None:
        name = found[1]
        return name if is_name(name) and (wanted is None or name in wanted) else None

    return blanks(text, BRACES, name_of)


def from_template(text: str, where: str) -> tuple[str, list[str], list[str]]:
    """A text in a language like ours (Nunjucks, Jinja): as it is where ours can read it, else only its plain blanks.
    Text, names and notes."""
    try:
        return text, sorted(template.names(text, where)), []
    except ProfileError:
        kept, names = from_braces(text)
        return kept, names, ["its template code is more than ours can do, and stays as text"]


def variables(names: Iterable[str], defaults: dict[str, str] | None = None, help: str = "") -> dict[str, Variable]:
    """A variable for each name, in the order in which they are used; `help` is for `input`."""
    values = defaults or {}
    return {name: Variable(values.get(name), help=help if name == "input" else "") for name in dict.fromkeys(names)}


def pieces(text: str, where: str) -> Iterator[Piece]:
    """One of our texts in pieces. Raises ProfileError where it is no valid template."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        yield Piece(text)
        return
    template.names(text, where)
    end = 0
    for found in _OURS.finditer(text):
        yield Piece(text[end : found.start()])
        end = found.end()
        if found[1] is not None:
            yield Piece(found[1])
        elif found[2] is not None and is_name(found[2]):
            yield Piece(variable=found[2])
        elif not found[0].startswith("{#"):
            yield Piece(code=found[0])
    yield Piece(text[end:])


@dataclass(slots=True)
class Writer:
    """Writes our texts for another tool. `blank` writes a variable there, `word` escapes plain words, and `mark` finds
    what the tool would take for a blank in them, where it has no escape. `code` and `marked` say what was met."""

    profile: Profile
    blank: Callable[[str], str]
    word: Callable[[str], str] = str
    mark: re.Pattern[str] | None = None
    code: bool = False
    marked: str = ""

    def __call__(self, text: str) -> str:
        out: list[str] = []
        words = ""
        for piece in pieces(text, f"{self.profile.path}"):
            self.code = self.code or bool(piece.code)
            if piece.variable:
                out += [self._plain(words), self.blank(piece.variable)]
                words = ""
            else:
                words += piece.code or piece.text
        return "".join([*out, self._plain(words)])

    def _plain(self, words: str) -> str:
        if self.mark and (found := self.mark.search(words)):
            self.marked = found[0]
        return self.word(words)

    def lost(self, tool: str) -> list[str]:
        code = [f"template code such as {{% if %}}: it is plain text to {tool}"] if self.code else []
        return code + ([f"text such as {self.marked}: {tool} takes it for a variable"] if self.marked else [])


def stand_in(profile: Profile) -> Callable[[str], str]:
    """How a variable is written for a tool without variables: its default, or its name in brackets."""

    def blank(name: str) -> str:
        variable = profile.variables.get(name)
        return f"[{name}]" if variable is None or variable.default is None else variable.default

    return blank


def no_variables(profile: Profile, tool: str) -> list[str]:
    """What is lost of the variables where a tool has none."""
    if not profile.variables:
        return []
    return [f"variables ({', '.join(profile.variables)}): {tool} has none; "
            "each is written as its default, or as [name] for you to replace"]  # fmt: skip


def no_defaults(known: Mapping[str, Variable], tool: str) -> list[str]:
    """What is lost of the variables where a tool has names only."""
    more = [name for name, variable in known.items() if variable != Variable()]
    said = f"defaults, types, choices and help of variables ({', '.join(more)}): {tool} has names only"
    return [said] if more else []
