"""What the words lead to: the fate of every parameter at every target, and the blanks of the profile; as values, and as
the texts of the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptlab.errors import LabError, Sentence
from promptlab.params import PARAMETERS, Parameter, show
from promptlab.render.sanitise import clean_line
from promptlab.tui.advice import fate, short
from promptlab.tui.lab import Foreseen
from promptlab.tui.text import Say

FINE = "✓"


@dataclass(frozen=True, slots=True)
class Blank:
    """A variable of the profile; `default` is None where a value must be given."""

    name: str
    default: str | None = None
    kind: str = "text"
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """`cells` are those that the words make. `tried` has, of each parameter that nobody asks for, what would become of
    it at each target with one or more of its values; `defaults` what the profile asks. With a `problem` the words lead
    to nothing, and only the blanks and defaults are known."""

    profile: str = ""
    blanks: Sequence[Blank] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    targets: Sequence[str] = ()
    cells: Sequence[Foreseen] = ()
    tried: Mapping[str, Sequence[Foreseen]] = field(default_factory=dict)
    panes: int = 0
    problem: LabError | None = None

    def is_asked(self, name: str) -> bool:
        return any(name in cell.asked for cell in self.cells)


def fates(outlook: Outlook, name: str, say: Say) -> list[tuple[list[str], str]]:
    """What becomes of one parameter, with the targets that do the same; last where it is simply honoured, a tick."""
    cells = outlook.cells if outlook.is_asked(name) else outlook.tried.get(name, ())
    names, is_tried = short(set(outlook.targets)), not outlook.is_asked(name)
    told: dict[str, list[str]] = {}
    for target in dict.fromkeys(outlook.targets):
        own = [cell for cell in cells if cell.target == target and name in cell.asked]
        if own:
            is_choice = is_tried and PARAMETERS[name].kind == "choice"
            said = _taken(own, name, say) if is_choice else ", ".join(_said(own, name, say, is_tried=is_tried))
            told.setdefault(clean_line(said) or f"{FINE} {say('form_honoured')}", []).append(names[target])
    return sorted(((targets, text) for text, targets in told.items()), key=lambda one: one[1].startswith(FINE))


def _said(cells: Sequence[Foreseen], name: str, say: Say, *, is_tried: bool) -> list[str]:
    """The fate; of what is only tried, nothing is left out or sent."""
    if not is_tried:
        return fate(cells, name, say)
    plain = {say("fate_refused_out"): say("form_refused"), say("fate_refused"): say("form_refused"),
             say("fate_unknown_out"): say("fate_unknown"), say("fate_out"): say("form_refused")}  # fmt: skip
    return [plain.get(text, text) for text in fate(cells, name, say)]


def _taken(cells: Sequence[Foreseen], name: str, say: Say) -> str:
    """Of a choice that nobody has made: what can be chosen there."""
    taken = [cell for cell in cells if not fate([cell], name, say)]
    several = {word for cell in cells for word in _said([cell], name, say, is_tried=True)}
    if not taken or len(taken) == len(cells):
        return ", ".join(sorted(several))
    return say("form_takes", values=", ".join(show(cell.asked[name]) for cell in taken))


def line(outlook: Outlook, name: str, say: Say) -> str:
    """The same in one line: what is not simply honoured first, and no names where all targets do the same."""
    told = fates(outlook, name, say)
    if len(told) == 1:
        return told[0][1]
    parts = []
    for targets, text in told:
        names = say("comma").join(targets)
        fine = text.startswith(FINE)
        parts.append(f"{FINE} {names}" if fine else Sentence("{fate}: {targets}", fate=text, targets=names))
    return say.ours(Sentence.joined("; ", parts))


def explained(outlook: Outlook | None, name: str, say: Say) -> str:
    """What a parameter is, and its fates in full."""
    declared = PARAMETERS[name]
    said = [say("form_about", name=name, help=say.known(f"about_{name}", declared.help), range=_range(declared, say))]
    if declared.kind == "texts":
        said.append(say("form_several"))
    if outlook is not None:
        for targets, text in fates(outlook, name, say):
            notes = Sentence.joined("; ", (note for note in _notes(outlook, name, targets) if note not in text))
            told = say("fate_of", targets=say("comma").join(targets), fate=text)
            said.append(told + (say.ours(Sentence(" ({note})", note=notes)) if notes else ""))
    return "\n".join(said)


def _range(declared: Parameter, say: Say) -> str:
    """Its values, in the user's language where it has words for them."""
    kind = say.known(f"range_{declared.kind}", "")
    if declared.choices:
        return say("form_one_of", values=", ".join(declared.choices))
    if not kind:
        return declared.range_text()
    low, high = declared.low, declared.high
    if low is not None and high is not None:
        return say("range_between", kind=kind, low=f"{low:g}", high=f"{high:g}")
    return say("range_least", kind=kind, low=f"{low:g}") if low is not None else kind


def _notes(outlook: Outlook, name: str, targets: Sequence[str]) -> list[str]:
    """What more is known of it at these targets. A choice that nobody has made has too many."""
    is_asked, names = outlook.is_asked(name), short(set(outlook.targets))
    if not is_asked and PARAMETERS[name].kind == "choice":
        return []
    cells = outlook.cells if is_asked else outlook.tried.get(name, ())
    verdicts = (cell.verdicts.get(name) for cell in cells if names[cell.target] in targets)
    said = dict.fromkeys(Sentence.whole(verdict.note) for verdict in verdicts if verdict is not None and verdict.note)
    return [note for note in said if not note.startswith("fixed at")]  # that is the fate itself


def described(blank: Blank, say: Say) -> str:
    """What a variable is, safe on a terminal."""
    kind = say("form_one_of", values=", ".join(blank.choices)) if blank.choices else say(f"form_kind_{blank.kind}")
    said = [f"{blank.name}: {blank.help}" if blank.help else blank.name, kind]
    return "\n".join(map(clean_line, said))
