"""Models to choose from: what is known of each, which are shown in what order, and each as a line of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from promptlab.render.facts import context_text, dollars
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

if TYPE_CHECKING:
    from promptlab.providers.listing import Model
    from promptlab.tui.text import Say

GROUP = "@"
NARROWINGS = ("local", "thinks", "key", "favourites")
MOST = 400  # rows
_LEAST_TARGET = 26  # cells
_GAP = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """A model and its key: `key` is where it is from, `lacks` the variable that it would be in where none is set; both
    are empty where none is needed. `here` is False where nobody said just now that there is such a model. `named` is
    how the user wrote it, where that differs: an alias, options of its own."""

    model: Model
    key: str = ""
    lacks: str = ""
    here: bool = True
    named: str = ""

    @property
    def target(self) -> str:
        return self.named or self.model.target


class Stock(Protocol):
    """What can be chosen, and what the user keeps of it. Every call takes a moment and is made from a thread."""

    def choices(self, *, fresh: bool = False) -> Sequence[Choice]:
        """All models, the most useful first; `fresh` looks again, and waits for slow servers."""

    def favourites(self) -> list[str]: ...

    def favour(self, target: str, *, on: bool) -> None: ...

    def groups(self) -> Mapping[str, Sequence[str]]:
        """Targets by the name of their group. Raises LabError."""

    def keep_group(self, name: str, targets: Sequence[str]) -> None:
        """Keep a group, in the place of one of that name. Raises LabError."""

    def drop_group(self, name: str) -> None:
        """Raises LabError."""


@dataclass(frozen=True, slots=True)
class Row:
    """What can be ticked: a target, or a group with its members. `id` is what stands behind -m."""

    id: str
    choice: Choice | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What is listed: the `rows`, and how many more there are."""

    rows: Sequence[Row]
    more: int = 0


@dataclass(slots=True)
class Choosing:
    """All that can be chosen and what was done with it: letters, narrowings, ticks, favourites. `single`: one target
    is chosen, be it one that is in no list, and there are neither ticks nor groups."""

    ticked: list[str]
    choices: Sequence[Choice] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    favourites: set[str] = field(default_factory=set)
    letters: str = ""
    narrowed: set[str] = field(default_factory=set)
    single: bool = False
    first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.first = tuple(self.ticked)

    @property
    def changed(self) -> bool:
        return tuple(self.ticked) != self.first

    def tick(self, id: str) -> bool:
        """Tick, or take the tick away; whether it is ticked now."""
        if id in self.ticked:
            self.ticked.remove(id)
            return False
        self.ticked.append(id)
        return True

    def members(self, ids: Iterable[str]) -> list[str]:
        """The targets behind these: a group's own in its place, each once."""
        found: dict[str, None] = {}
        for id in ids:
            found.update(dict.fromkeys(self.groups.get(id[1:], ()) if id.startswith(GROUP) else (id,)))
        return list(found)

    def chosen(self, id: str | None) -> list[str]:
        """What is asked from now on: the ticks; where none has changed, what is pointed at with them, and without any
        that alone."""
        if self.single:
            return [] if id is None else [id]
        if id is None or id in self.ticked or (self.changed and self.ticked):
            return list(self.ticked)
        return [*self.ticked, id]

    def shown(self) -> Shown:
        """What fits the letters, best first; without letters what was chosen before, groups and favourites first."""
        from promptlab.providers.roster import find

        known = {choice.target: choice for choice in self.choices}
        for target in (*self.first, *sorted(self.favourites)):
            if target not in known and not target.startswith(GROUP):
                known[target] = _unseen(target, known, looked=bool(self.choices))
        only_groups = self.letters.startswith(GROUP) and not self.single
        models = {id(one.model): one for one in known.values() if self._takes(one) and not only_groups}
        fitting = [models[id(model)] for model in find(self.letters.split(), [one.model for one in models.values()])]
        if not self.letters.strip():
            fitting.sort(key=lambda one: (one.target not in self.first, one.target not in self.favourites))
        fitting.sort(key=lambda one: bool(one.lacks) and one.target not in self.first)
        rows = [*self._groups(), *(Row(choice.target, choice) for choice in fitting)]
        more = max(0, len(rows) - MOST)
        return Shown([*rows[:MOST], *self._written(known)], more)

    def _written(self, known: Mapping[str, Choice]) -> list[Row]:
        """Where one target is chosen, it may be one that is in no list: the letters as they stand."""
        target = self.letters.strip()
        if not self.single or not target or target in known:
            return []
        return [Row(target, _unseen(target, known, looked=bool(self.choices)))]

    def _takes(self, choice: Choice) -> bool:
        model = choice.model
        tests = {
            "local": model.local or model.price == (0, 0),
            "thinks": model.thinks in ("yes", "switchable"),
            "key": not choice.lacks and choice.here,
            "favourites": choice.target in self.favourites,
        }
        return all(tests[name] for name in self.narrowed)

    def _groups(self) -> list[Row]:
        if self.single or self.narrowed:
            return []
        wanted = self.letters.casefold().removeprefix(GROUP).split()
        gone = (id[1:] for id in self.first if id.startswith(GROUP) and id[1:] not in self.groups)
        named = {**self.groups, **dict.fromkeys(gone, ())}
        return [Row(GROUP + name, members=tuple(members)) for name, members in named.items()
                if all(part in name.casefold() for part in wanted)]  # fmt: skip


def _unseen(target: str, known: Mapping[str, Choice], *, looked: bool) -> Choice:
    """A target that is in no list: one with options of its own, an alias, or one whose server does not answer."""
    from promptlab.providers.listing import Model

    name = target.partition("?")[0]
    if name in known:
        return replace(known[name], model=replace(known[name].model), named=target)
    endpoint, _, model = name.partition("/")
    return Choice(Model(endpoint, model), here=not looked, named=target)


# A line ---------------------------------------------------------------------------------------------------------------

Columns = tuple[str, ...]
HEADS = ("models_target", "models_kind", "models_thinking", "models_context", "models_price", "models_key", "")
_LOST_FIRST = (6, 1, 3, 4, 2, 5)  # columns, in the order in which a narrow screen loses them


def columns(row: Row, say: Say) -> Columns:
    """What a row says, column by column, safe on a terminal."""
    if row.choice is None:
        members = ", ".join(map(clean_line, row.members)) or say("models_group_gone")
        return (f"{clean_line(row.id)}  {members}", "", "", "", "", "", "")
    model, choice = row.choice.model, row.choice
    notes = [say("models_retires", day=model.retires)] if model.retires else []
    notes += [] if choice.here else [say("models_not_seen")]
    return (
        clean_line(choice.target), kind_text(model, say) or "?" if choice.here else "",
        say(f"models_thinks_{model.thinks}") if model.thinks else "?" if choice.here else "",
        context_text(model.context), say("free") if model.local else dollars(model.price) if model.price else "?",
        key_text(choice, say), "  ".join(notes),
    )  # fmt: skip


def kind_text(model: Model, say: Say) -> str:
    return say.known(f"models_kind_{model.kind}", clean_line(model.kind)) if model.kind else ""


def key_text(choice: Choice, say: Say) -> str:
    if choice.lacks:
        return say("models_no_key")
    return say.known(f"models_key_{choice.key}", clean_line(choice.key)) if choice.key else "-"


def widths(rows: Sequence[Columns], heads: Columns, cells: int) -> list[int]:
    """Cells for each column, so that a line fits; targets get what is left, and columns go before those do."""
    columns = list(zip(*rows, strict=True)) or [()] * len(heads)
    found = [max(map(width, (head, *column))) for head, column in zip(heads, columns, strict=True)]
    targets = sorted(map(width, columns[0]))
    longest = max((width(heads[0]), *targets[: len(targets) * 9 // 10 + 1]))  # a few may be cut
    for column in (None, *_LOST_FIRST):
        if column is not None:
            found[column] = 0
        left = cells - sum(each + _GAP for each in found[1:] if each)
        if left >= min(longest, max(_LEAST_TARGET, cells // 3)):
            break
    found[0] = max(1, min(longest, cells - sum(each + _GAP for each in found[1:] if each)))
    return found


def table(rows: Sequence[Row], cells: int, say: Say) -> tuple[str, list[str]]:
    """The heads, and a line for each row, none wider than so many cells."""
    heads = tuple(say(head) if head else "" for head in HEADS)
    told = [columns(row, say) for row in rows]
    found = widths([one for one in told if any(one[1:])], heads, cells)
    return joined(heads, found), [joined(one, found, cells) for one in told]


def joined(row: Columns, widths: Sequence[int], most: int = 0) -> str:
    """The columns as a line; a group's, which is one column, over all of them and up to `most` cells."""
    if not any(row[1:]):
        return fit(row[0], most or widths[0])
    parts = [pad(fit(text, cells), cells) for text, cells in zip(row, widths, strict=True) if cells]
    return (" " * _GAP).join(parts).rstrip()


def detail(row: Row, say: Say) -> str:
    """All that is known of one row, for the line below the list."""
    if row.choice is None:
        return f"{clean_line(row.id)}: {', '.join(map(clean_line, row.members)) or say('models_group_gone')}"
    model, said = row.choice.model, columns(row, say)
    thinks = say("models_no_thinking") if model.thinks == "no" else said[2].replace("?", "")
    key = key_text(row.choice, say) + (f" ({clean_line(row.choice.lacks)})" if row.choice.lacks else "")
    price = say("free") if model.local else f"${said[4]}" if model.price else ""
    parts = [
        said[0], clean_line(model.name), kind_text(model, say), thinks, say("loaded") if model.loaded else "",
        say("context", count=said[3]) if model.context else "", price,
        f"{model.size / 1e9:.1f} GB" if model.size else "", clean_line(model.quantisation or ""),
        f"{say('models_key')}: {key}" if key != "-" else "", said[-1],
    ]  # fmt: skip
    return " · ".join(part for part in parts if part)
