"""The words of tables and plots: English, unless whoever shows them brings those of another language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptlab.analysis.measure import About, about
from promptlab.render.sanitise import clean_line

EN: dict[str, str] = {
    "comma": ", ",
    "semicolon": "; ",
    "titled": "{title} ({unit})",
    "ignored": "ignored",
    "answers": "answers",
    "answered": "{count} of {all}",
    "brackets": "in brackets: 95% interval",
    "estimated": "≈: counted by an estimate of ours, where the endpoint gave no count",
    "shades": "shades: from the least to the greatest of a column, not from bad to good",
    "no_room": "no room for {names}: widen the terminal",
    "along": "along {axis}, with 95% intervals",
    "no_curve": "ignored: it does nothing there, so there is no curve",
    "bars": "▓ and ░: the 95% interval, within the bar and beyond it",
    "not_drawn": "not drawn: {names}",
    "idle": "{why}, so not drawn: {names}",
    "one": "one point only",
    "flat": "the same everywhere",
    "narrow": "a range too narrow to draw",
    "against": "{measure} against surprisal",
    "surprisal": "surprisal (nats a token)",
    "natural": "┊: as surprising as the model's own entropy (gap 0). Left of it texts are blander than the model "
               "itself, near it natural; far right of it they break, and what is diverse there is broken.",
    "no_natural": "The gap between surprisal and entropy does not cross zero within these values, so there is no line "
                  "for it.",
}  # fmt: skip
_UNITS = {"seconds": "s", "nats": "nats", "tokens": "tok", "tokens/s": "tok/s", "US dollars": "$"}


@dataclass(frozen=True, slots=True)
class Words:
    """`words("no_room", names=…)`. `titles` are those of measures by their names, and are English where there is none;
    `units` their short forms."""

    texts: Mapping[str, str] = field(default_factory=lambda: EN)
    titles: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=lambda: _UNITS)

    def __call__(self, key: str, **slots: object) -> str:
        return self.texts[key].format(**slots)

    def measure(self, name: str) -> str:
        """The title of a measure with its unit: `distinct-2`, `time (s)`; its own name where nobody knows more."""
        known = meaning(name)
        if known is None:
            return clean_line(name.replace("_", " "))
        unit = "" if known.unit == known.title else self.units.get(known.unit, "")
        title = clean_line(self.titles.get(name, known.title))
        return self("titled", title=title, unit=unit) if unit else title

    def listed(self, measures: list[str]) -> str:
        return self("comma").join(map(self.measure, measures))


ENGLISH = Words()


def meaning(name: str) -> About | None:
    """What a measure says, where it is a known one."""
    try:
        return about(name)
    except KeyError:
        return None
