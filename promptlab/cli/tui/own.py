"""The section `tui:` of config.yaml: language, what enter does, keys, themes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlab.errors import ConfigError, UsageError, nearest
from promptlab.places import Places

if TYPE_CHECKING:
    from textual.theme import Theme

    from promptlab.document import Document

_KEYS = ("language", "enter", "theme", "keys", "themes")
_LANGUAGES = ("en", "zh")
_ENTER = ("send", "newline")
_COLOURS = ("primary", "secondary", "warning", "error", "success", "accent", "foreground", "background", "surface",
            "panel")  # fmt: skip
_COLOUR = re.compile(r"#[0-9a-fA-F]{3}([0-9a-fA-F]{3})?|ansi_[a-z_]+|[a-z]+")
_KEY = re.compile(r"[a-zA-Z0-9_]+(\+[a-zA-Z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Own:
    """What the user has set of the screen; None where nothing is said. `keys` are by the ids of bindings, several with
    commas between them; `themes` are colours by their roles, and whether the theme is dark."""

    language: str | None = None
    enter: str | None = None
    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    themes: Mapping[str, Mapping[str, str | bool]] = field(default_factory=dict)

    def made(self) -> list[Theme]:
        """The themes, as Textual has them."""
        from textual.theme import Theme

        return [Theme(name=name, **colours) for name, colours in self.themes.items()]  # type: ignore[arg-type]


def own(places: Places, ids: Callable[[], list[str]]) -> Own:
    """`ids` gives those of the bindings that there are, where any is spoken of.
    Raises ConfigError with file, line and key."""
    if not _speaks_of_us(places):
        return Own()  # the parser takes 30 ms of the first frame
    from promptlab import document

    try:
        doc = document.load(places.settings)
        return _read(doc, ids)
    except ConfigError:
        raise
    except UsageError as error:
        raise ConfigError(error.message, error.hint) from None


def _speaks_of_us(places: Places) -> bool:
    with suppress(OSError):
        return re.search(rb"^\W*tui\W*:", places.settings.read_bytes(), re.MULTILINE) is not None
    return False


def _read(doc: Document, ids: Callable[[], list[str]]) -> Own:
    said = _mapping(doc, doc.value.get("tui"), "tui")
    doc.only(_KEYS, said, "tui")
    keys = _mapping(doc, said.get("keys"), "tui", "keys")
    known = ids() if keys else []
    for id, key in keys.items():
        where = doc.where("tui", "keys", id)
        if id not in known:
            hint = nearest(str(id), known) or "docs/tui.md lists them"
            raise ConfigError(f"{where}: there is no binding '{id}'", hint)
        if not isinstance(key, str) or not all(_KEY.fullmatch(one.strip()) for one in key.split(",")):
            raise ConfigError(f"{where}: {id}: '{key}' is no key", f"{id}: ctrl+y, or several: f12,ctrl+y")
    themes = _mapping(doc, said.get("themes"), "tui", "themes")
    return Own(
        _one_of(doc, said, "language", _LANGUAGES), _one_of(doc, said, "enter", _ENTER), _text(doc, said, "theme"),
        {id: ",".join(one.strip() for one in key.split(",")) for id, key in keys.items()},
        {str(name): _theme(doc, str(name), colours) for name, colours in themes.items()},
    )  # fmt: skip


def _theme(doc: Document, name: str, given: Any) -> dict[str, str | bool]:
    colours = _mapping(doc, given, "tui", "themes", name)
    doc.only((*_COLOURS, "dark"), colours, "tui", "themes", name)
    for key, value in colours.items():
        where = doc.where("tui", "themes", name, key)
        if key == "dark":
            if not isinstance(value, bool):
                raise ConfigError(f"{where}: dark is true or false", "dark: true")
        elif not isinstance(value, str) or not _COLOUR.fullmatch(value):
            raise ConfigError(f"{where}: '{value}' is no colour", f'{key}: "#ff8800", in quotes')
    if "primary" not in colours:
        raise ConfigError(f"{doc.where('tui', 'themes', name)}: a theme has a primary colour", 'primary: "#ff8800"')
    return colours


def _mapping(doc: Document, value: Any, *place: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{doc.where(*place)}: {place[-1]} must be names with values", f"{place[-1]}: {{…}}")
    return value


def _one_of(doc: Document, said: Mapping[str, Any], key: str, words: tuple[str, ...]) -> str | None:
    text = _text(doc, said, key)
    if text is not None and text not in words:
        raise ConfigError(f"{doc.where('tui', key)}: {key} is {' or '.join(words)}", nearest(text, words) or "")
    return text


def _text(doc: Document, said: Mapping[str, Any], key: str) -> str | None:
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{doc.where('tui', key)}: {key} is a word", f"{key}: …")
    return value
