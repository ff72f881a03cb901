"""Models as a table for people: grouped by server, or best first where words were searched for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from promptlab.providers.discovery import Server
from promptlab.providers.listing import Model
from promptlab.providers.roster import Wanted, gone, in_order, picked
from promptlab.render.facts import context_text, dollars
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import fit, pad, width

Line = list[tuple[str, str]]  # pieces of text, each with its style
_EACH = 12  # models of one endpoint, on a terminal
_FOUND = 20  # models that words fit, on a terminal
_HEADER = ("model", "kind", "thinking", "context", "$/M in / out", "size", "")
_LEAST_IMPORTANT = (5, 1, 2, 3, 6, 4)  # columns, in the order in which a narrow terminal loses them
_LEAST_TARGET = 16  # cells
_GAP = 2


class Table:
    """The models as lines for people: grouped by endpoint, or best first where words were given. `cells` is the width,
    or None for no limit and no shortening. Nothing in it can act on a terminal."""

    def __init__(self, servers: Sequence[Server], wanted: Wanted, cells: int | None, today: str) -> None:
        self._servers, self._wanted, self._cells, self._today = servers, wanted, cells, today
        self._picked = picked(servers, wanted, today)
        self.count = len(self._picked)
        self._shown = self._groups()
        rows = [self._row(model) for _, models, _ in self._shown for model in models]
        columns = [[width(text) for text in column] for column in zip(_HEADER, *rows, strict=True)]
        self._widths = self._fitting(list(map(max, columns)), columns[0][1:])

    def _groups(self) -> list[tuple[Server | None, list[Model], int]]:
        """What to show: a server (or none, for a ranking), its models, and how many more there are."""
        if self._wanted.words:
            groups: list[tuple[Server | None, list[Model]]] = [(None, self._picked)] if self._picked else []
        else:
            groups = []
            for server in in_order(self._servers):
                models = [model for model in self._picked if model.endpoint == server.name]
                if models or self._tells(server):
                    groups.append((server, [] if self._is_other_way(server) else models))
        whole = self._cells is None or self._wanted.all or bool(self._wanted.narrow and not self._wanted.words)
        most = len(self._picked) if whole else _FOUND if self._wanted.words else _EACH
        return [(server, models[:most], max(0, len(models) - most)) for server, models in groups]

    def _tells(self, server: Server) -> bool:
        """Whether a server without models is worth a line: one that the user configured, or asked for."""
        if self._wanted.endpoint is not None:
            return server.name == self._wanted.endpoint
        if self._wanted.narrow:
            return False
        unused = server.usual or server.state in ("no key", "not asked")
        return self._wanted.all or server.state == "answers" or not unused

    def _is_other_way(self, server: Server) -> bool:
        """Whether another endpoint above leads to the same models at the same address, in another dialect."""
        if self._cells is None or self._wanted.all or self._wanted.endpoint:
            return False
        ordered = in_order(self._servers)
        ids = {model.id for model in server.models}
        return any(other.base_url == server.base_url and {model.id for model in other.models} == ids
                   for other in ordered[: ordered.index(server)] if ids)  # fmt: skip

    def lines(self) -> Iterable[Line]:
        if self.count:
            yield [(self._cut(("" if self._wanted.words else "  ") + self._joined(_HEADER)), "dim")]
        for server, models, more in self._shown:
            if server is not None:
                yield self._headline(server)
            for model in models:
                yield self._line(model, indent=server is not None)
            if more:
                name = clean_line(server.name) if server else ""
                how = f"promptlab models --endpoint {name}" if server else "say it in more words, or --all"
                yield [(self._cut(f"{'  ' if server else ''}… {more} more: {how}"), "dim")]

    def notes(self, refreshed: bool = False) -> Iterable[str]:
        """What is not in the table, and what to do about it. `refreshed`: the servers had the longer time already."""
        if not self.count and self._wanted.narrow:
            words = f" '{clean_line(' '.join(self._wanted.words))}'" if self._wanted.words else ""
            yield f"no model fits{words} among those that can be used now"
        if not (self._wanted.narrow and self.count):
            yield from self._left_out([one for one in self._servers if not (one.models or self._tells(one))])
        if not refreshed and any(server.state == "silent" and not server.usual for server in self._servers):
            yield "promptlab models --refresh waits up to 10 s for those that were silent"

    def _left_out(self, servers: Sequence[Server]) -> Iterable[str]:
        if keyless := [server for server in servers if server.state == "no key" and server.key_names]:
            how = f"set {keyless[0].key_names[0]}, or promptlab keys set {clean_line(keyless[0].name)}"
            yield f"no key: {how}" if len(keyless) == 1 else f"no key: {_names(keyless)}"
            if len(keyless) > 1:
                yield f"  for example {how}"
        if off := [server for server in servers if server.local and server.state in ("refused", "silent")]:
            yield f"not running: {_names(off)}"
        for server in servers:
            if server not in keyless and server not in off and server.state not in ("not asked", "answers"):
                yield f"{clean_line(server.name)} at {clean_line(server.base_url)}: {clean_line(server.detail)}"

    def _headline(self, server: Server) -> Line:
        software = "" if server.software in ("", server.name, "openai-compatible") else server.software
        about = " ".join(filter(None, (software, server.version)))
        where = server.base_url if server.local or server.state != "answers" else ""
        same = "the same models in another dialect" if self._is_other_way(server) else ""
        said = "; ".join(filter(None, (where, about, _state(server), same or _age(server))))
        name = clean_line(server.name)
        style = "bold" if server.state == "answers" else "bold yellow"
        return [(self._cut(name), style), (self._cut(f"  {clean_line(said)}", width(name)), "dim")]

    def _line(self, model: Model, *, indent: bool) -> Line:
        text = self._cut(("  " if indent else "") + self._joined(self._row(model)))
        past, notes = gone(model, self._today), _notes(model, self._today)
        if not (notes and text.rstrip().endswith(notes)):
            return [(text.rstrip(), "dim" if past else "")]
        before = text.rstrip().removesuffix(notes)
        return [
            (before, "dim" if past else "bold" if model.loaded else ""),
            (notes, "yellow" if model.retires else "green"),
        ]

    def _row(self, model: Model) -> tuple[str, ...]:
        return (clean_line(model.target), clean_line(model.kind or "?"), model.thinks or "?",
                context_text(model.context), price_text(model), _size(model), _notes(model, self._today))  # fmt: skip

    def _joined(self, row: Sequence[str]) -> str:
        """The cells in their columns; a target that is longer than its column pushes the others to the right."""
        target, *others = zip(row, self._widths, strict=True)
        cells = [max(pad(*target), target[0], key=width), *(pad(text, cells) for text, cells in others if cells)]
        return (" " * _GAP).join(cells).rstrip()

    def _fitting(self, widths: list[int], targets: list[int]) -> list[int]:
        """Column widths that fit the terminal. Where not all of the targets do, the longest fifth of them sticks out;
        then columns go, for a target that is cut can't be used."""
        if self._cells is None:
            return widths
        room = self._cells - _GAP
        if _total(widths) > room and targets:
            widths[0] = max(sorted(targets)[len(targets) * 4 // 5 - 1], width(_HEADER[0]))
        for column in _LEAST_IMPORTANT:
            if _total(widths) <= room:
                break
            widths[column] = 0
        left = room - sum(cells + _GAP for cells in widths[1:] if cells)
        widths[0] = min(max(targets, default=_LEAST_TARGET), max(_LEAST_TARGET, left))
        return widths

    def _cut(self, text: str, before: int = 0) -> str:
        return text if self._cells is None else fit(text, max(0, self._cells - before))


def _names(servers: Sequence[Server]) -> str:
    return ", ".join(clean_line(server.name) for server in servers)


def _total(widths: Sequence[int]) -> int:
    kept = [cells for cells in widths if cells]
    return sum(kept) + _GAP * (len(kept) - 1)


def _state(server: Server) -> str:
    if server.state != "answers" or server.took is None:
        return server.detail or server.state
    return f"answers in {server.took * 1000:.0f} ms"


def _age(server: Server) -> str:
    if not server.models or server.state == "answers":
        return ""
    if server.age is None:
        return "models from the price list"
    for unit, seconds in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if server.age >= 2 * seconds:
            return f"models as of {server.age / seconds:.0f} {unit} ago"
    return "models as of just now" if server.age < 60 else "models as of a minute ago"


def _notes(model: Model, today: str) -> str:
    ending = f"{'retired' if gone(model, today) else 'until'} {model.retires}" if model.retires else ""
    return "  ".join(filter(None, ("loaded" if model.loaded else "", ending)))


def price_text(model: Model) -> str:
    if model.local:
        return "free: local"
    if model.price is None:
        return "unknown"
    return "free" if model.price == (0, 0) else dollars(model.price)


def _size(model: Model) -> str:
    size = model.size or 0
    said = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size else ""
    return clean_line(" ".join(filter(None, (said, model.quantisation))))


class Paper:
    """Where lines go: plain text into a pipe, colours onto a terminal."""

    def __init__(self, stream: TextIO, color: str) -> None:
        self._stream = stream
        self._console = None
        self.width: int | None = None
        if stream.isatty() or color == "always":
            from promptlab.cli.output import console

            self._console = console(color)
        if stream.isatty() and self._console is not None:
            self.width = self._console.width

    def write(self, line: Line) -> None:
        if self._console is None:
            self._stream.write("".join(text for text, _ in line).rstrip() + "\n")
            return
        from rich.text import Text

        self._console.print(Text.assemble(*line))

    def flush(self) -> None:
        self._stream.flush()
