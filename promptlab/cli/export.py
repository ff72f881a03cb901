"""`promptlab export`: a run out of the history into a file that other programs read, a cell at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from promptlab import config
from promptlab.analysis import Reading, Sample
from promptlab.check import all_passed
from promptlab.cli.outcome import Wanted, reading_of, samples
from promptlab.cli.planning import endpoints_of
from promptlab.cli.ready import costing
from promptlab.config import Places
from promptlab.errors import LabError, Sentence, UsageError, nearest
from promptlab.events import Cancelled
from promptlab.params import Value
from promptlab.plan import Cell, Run
from promptlab.render import facts
from promptlab.render.export import Given, Said, majority, maker, need_parquet, unfit, write, write_parquet
from promptlab.render.record import Costing
from promptlab.render.sanitise import clean, clean_line
from promptlab.store import Store
from promptlab.transcript import Transcript

FORMATS = ("csv", "jsonl", "parquet", "md", "html", "junit", "sft", "pairs")
FILTERS = ("check", "majority", "vote")


def export(
    run: int | None, format: str, target: Path | None = None, *, thinking: bool = True, filter: str | None = None,
    force: bool = False, bom: bool = False, allow_run: bool = False, extract: str = "auto",
    voter: str | None = None, places: Places | None = None,
) -> int:  # fmt: skip
    """Write a run (the last one without `run`) as `format`, to a file or, without `target`, to stdout; `-` is stdout.

    `filter`: `check` keeps what passes every check, `majority` the most frequent answer of each prompt, as `extract`
    takes it out of the text, `vote` what votes preferred. Votes are yours, or those of `voter`. Raises UsageError, and
    then nothing has been written."""
    if target == Path("-"):
        target = None
    _examine(format, filter, target, bom=bom, force=force)
    if voter is not None and filter != "vote" and format != "pairs":
        raise UsageError("--voter is for votes", "--format pairs, or --filter vote")
    places = places or config.places()
    store = Store(places.database)
    try:
        found = store.run(run)
        given = Given(found, _costing(found, places), thinking, bom, allow_run)
        tally = _Tally(thinking)
        if format == "parquet":
            assert target is not None
            rows = _rows(store, given, filter, extract, tally, voter)
            into(target, lambda path: write_parquet(path, rows, given), force=force)
            return 0
        text = _text(store, format, given, filter, extract, tally, voter)
        if target is None:
            print_text(text)
        else:
            into(target, lambda path: fill(path, text), force=force)
        if format in ("sft", "pairs"):
            tally.tell()
        return 0
    finally:
        store.close()


def _examine(format: str, filter: str | None, target: Path | None, *, bom: bool, force: bool) -> None:
    """Raise UsageError for what can't be, before anything is opened."""
    for name, word, known in (("--format", format, FORMATS), ("--filter", filter, FILTERS)):
        if word is not None and word not in known:
            raise UsageError(f"{name}: '{word}' is not one of {', '.join(known)}", nearest(word, known))
    if filter is not None and format in ("html", "junit"):
        raise UsageError(f"--filter is not for {format}, which shows all", "csv, jsonl, parquet, md and sft take it")
    if filter is not None and format == "pairs":
        raise UsageError("--filter is not for pairs, which votes choose", "leave it out")
    if bom and format != "csv":
        raise UsageError("--bom is for csv", "Excel alone needs it")
    if format == "parquet":
        if target is None:
            raise UsageError("Parquet is no text for a pipe or a terminal", "-o FILE.parquet")
        need_parquet()
    if target is not None and target.is_dir():
        raise UsageError(Sentence("{name} is a folder", name=target), f"-o {target / f'run.{format}'}")
    if target is not None and target.exists() and not force:
        raise UsageError(Sentence("{file} is already there", file=target), "--force replaces it")


def _text(
    store: Store, format: str, given: Given, filter: str | None, extract: str, tally: _Tally, voter: str | None
) -> Iterator[str]:
    match format:
        case "pairs":
            from promptlab.cli.preferred import pairs, votes_by

            assert given.run.id is not None
            return pairs(store, votes_by(store, given.run.id, voter), tally.gives)
        case "html":
            return _html(store, given, extract)
        case "junit":
            return _junit(store, given)
    return write(format, _rows(store, given, filter, extract, tally, voter), given)


def _html(store: Store, given: Given, extract: str) -> Iterator[str]:
    from promptlab.render.preference_report import STYLE, sections
    from promptlab.render.report import report

    run, plan = given.run, given.run.plan
    if plan.sweep is not None:
        reading = reading_of(store, run, given.costing, Wanted(extract, given.allow_run))
        shown: Iterable[Sample] = samples(store, run, given.costing, allow_run=given.allow_run)
    else:
        reading, shown = _asked(store, given, extract)
    if not given.thinking:
        shown = (replace(one, thinking="") for one in shown)
    head = {"prompt": plan.prompt, "run": f"{run.id}, {run.created}", "profile": plan.profile or "",
            "profile sha256": plan.profiles.get(plan.profile or "", ""),
            "targets": ", ".join(dict.fromkeys(cell.target for cell in plan.cells))}  # fmt: skip
    votes = [ballot for ballot in store.votes(run.id) if ballot.compares]
    return report(reading, shown, {name: text for name, text in head.items() if text}, more=sections(votes),
                  style=STYLE if votes else "")  # fmt: skip


def _asked(store: Store, given: Given, extract: str) -> tuple[Reading, list[Sample]]:
    """What `ask` sent, as a sweep of what its cells differ in, with equal requests side by side."""
    from promptlab.analysis.reading import read

    plan = given.run.plan
    varied = {cell.index: cell.varied for cell in plan.cells}
    names = dict.fromkeys(name for values in varied.values() for name in values)
    axes: dict[str, tuple[Value, ...]] = {}
    for name in names:
        values = [one.get(name) for one in varied.values()]
        axes[name] = tuple(value for number, value in enumerate(values) if value not in values[:number])
    groups: dict[str, list[Sample]] = {}
    for one in samples(store, given.run, given.costing, allow_run=given.allow_run):
        point = {name: varied[one.cell].get(name) for name in names}
        group = groups.setdefault(repr((one.target, point)), [])
        group.append(replace(one, values=point, repeat=len(group)))
    found = [one for group in groups.values() for one in group]
    return read(found, axes, prompt_of=lambda sample: plan.prompt, extract_how=extract), found


def _junit(store: Store, given: Given) -> Iterator[str]:
    from promptlab.render.junit import junit

    judged = (
        (cell, said, facts.outcomes(cell, said, allow_run=given.allow_run)) for cell, said in _samples(store, given.run)
    )
    return junit(f"promptlab run {given.run.id}", judged, given.run.created)


def _samples(store: Store, run: Run) -> Iterator[Said]:
    """The cells of a run; one that was under way when its process was killed is cancelled, as `show` has it."""
    assert run.id is not None
    for cell, said in store.samples(run.id):
        if said.started is not None and not said.ending and run.state != "running":
            at = max(filter(None, (said.last_answer, said.last_thought, said.accepted)), default=said.started)
            said.apply(at, Cancelled(run.state))
        yield cell, said


def _rows(store: Store, given: Given, filter: str | None, how: str, tally: _Tally, voter: str | None) -> Iterator[Said]:
    """The cells that are wanted, in their order; the tally sees all."""
    kept: set[int] = set()
    if filter == "majority":
        from promptlab.extract import extract

        kept = majority(_samples(store, given.run), lambda text: extract(text, how))
    elif filter == "vote":
        from promptlab.cli.preferred import preferred, votes_by

        assert given.run.id is not None
        kept = preferred(votes_by(store, given.run.id, voter), given.run.id)
    elif filter == "check" and not any(cell.checks for cell in given.run.plan.cells):
        raise UsageError("--filter check: this run has no checks", "send it with --check, or a profile that has some")

    def wanted(cell: Cell, said: Transcript) -> bool:
        match filter:
            case "majority" | "vote":
                return cell.index in kept
            case "check":
                return all_passed(facts.outcomes(cell, said, allow_run=given.allow_run)) is True
        return True

    return (one for one in _samples(store, given.run) if tally.sees(*one, kept=wanted(*one)))


def _costing(run: Run, places: Places) -> Costing:
    """How cost is told; an endpoint that is gone from the settings does not keep a run from being exported."""
    with suppress(UsageError):
        return costing(endpoints_of(run.plan, config.settings(places)))
    return costing({})


# -- where it goes ---------------------------------------------------------------------------------------------------


def into(target: Path, fill: Callable[[Path], None], *, force: bool) -> None:
    """Fill a file beside the wanted one, and give it its name once it is whole; over nothing unless `force`."""
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        fill(part)
        if force:
            part.replace(target)
        else:
            _name(part, target)
    except OSError as error:
        raise LabError(
            Sentence("{file} can't be written: {why}", file=target, why=Sentence.whole(error.strerror or str(error))),
            "check the folder and its space",
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _name(part: Path, target: Path) -> None:
    """Give a file its name, if nobody else has it: a file that came meanwhile stays as it is."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise UsageError(Sentence("{file} is already there", file=target), "--force replaces it") from None
    except OSError:  # a file system without links
        with target.open("xb"):
            pass
        part.replace(target)


def fill(path: Path, text: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", errors="replace", newline="") as out:
        out.writelines(text)


def print_text(text: Iterable[str]) -> None:
    """To a pipe as it is, to a terminal with nothing in it that could act there."""
    terminal = sys.stdout.isatty()
    for piece in text:
        said = clean(piece, keep=True) if terminal else piece
        sys.stdout.buffer.write(said.encode("utf-8", "replace"))
    sys.stdout.flush()


class _Tally:
    """What became of the cells on their way to a file of examples, and whose answers those are."""

    def __init__(self, thinking: bool) -> None:
        self._thinking = thinking
        self._seen = self._good = self._summaries = 0
        self._left: dict[str, int] = {}
        self._by: dict[str, None] = {}

    def sees(self, cell: Cell, said: Transcript, *, kept: bool) -> bool:
        """Count a cell; gives `kept` back."""
        self._seen += 1
        if why := unfit(said) or ("" if kept else "filtered out"):
            self._left[why] = self._left.get(why, 0) + 1
            return kept
        self.gives(cell, said)
        return kept

    def gives(self, cell: Cell, said: Transcript) -> None:
        """Remember whose answer is given away."""
        self._good += 1
        self._summaries += self._thinking and said.trace == "summary"
        model = (said.served.model if said.served else None) or cell.request.model or cell.target
        by = maker(model)
        self._by[f"{model} at {cell.endpoint}{f' (by {by})' if by else ''}"] = None

    def tell(self) -> None:
        """Say on stderr how many there are, and whose terms are to be read before anybody learns from them."""
        rest = "".join(f"; {count} {why}" for why, count in self._left.items())
        lines = [f"{self._good} of {self._seen} answers{rest}"] if self._seen else []  # pairs count themselves
        if self._summaries and self._seen:
            lines.append(f"{self._summaries} traces are summaries that the vendor wrote, and left out")
        if self._by:
            lines.append(f"these are answers of {'; '.join(self._by)}. Whether you may train on them is for the"
                         " vendor's terms of use and the model's licence to say: read them first")  # fmt: skip
        for line in lines:
            sys.stderr.write(f"promptlab: {clean_line(line)}\n")
