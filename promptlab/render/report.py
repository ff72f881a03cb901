"""A sweep as one HTML file that needs nothing else: what was asked, the findings, the measures, the plots as SVG, and
every answer beside its thinking, to be filtered by value and by what differs.

It comes in pieces with one answer in memory at a time. Answers are hostile until shown otherwise: every text is cleaned
of control and bidi characters and escaped, and a content policy by hash lets run only the script of ours and forbids
every address, so that what escaping might miss can neither run nor load nor send anything."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files

from promptlab.analysis import Reading, Remark, Sample
from promptlab.check import Outcome
from promptlab.params import show
from promptlab.render import svg
from promptlab.render.chart import charts, idle, plane
from promptlab.render.facts import SEPARATOR, seconds
from promptlab.render.group import (
    IGNORED,
    axis_name,
    count,
    groups,
    measure_name,
    numbers,
    of,
    shades,
    value_at,
    value_text,
)
from promptlab.render.picture import COLOURS, HEATS
from promptlab.render.plot import reading_aid, undrawn
from promptlab.render.sanitise import clean, clean_line
from promptlab.render.words import meaning

_TITLE = 80  # characters
_SHOWS = (("one", "one each, nearest to the others"), ("differs", "those that differ from it"),
          ("failed", "failed or cut"), ("all", "all"))  # fmt: skip


def report(
    reading: Reading, samples: Iterable[Sample], head: Mapping[str, str], *, more: Iterable[str] = (), style: str = ""
) -> Iterator[str]:  # fmt: skip
    """The file in pieces, to be written as UTF-8. `head` is what is told first, in its order: the prompt, the targets,
    what was asked, sent and honoured; its first value is the title. `samples` are read once, one at a time. `more` are
    sections that follow, already escaped, and `style` the file of ours that they need."""
    yield from _opening(head, style)
    yield from _asked(reading, head)
    yield from _remarks(reading)
    yield from _answers(reading, samples)
    yield from _table(reading)
    yield from _plots(reading)
    yield from more
    yield f"<script>{own('report.js')}</script>\n</body>\n</html>\n"


@cache
def own(name: str) -> str:
    """A file of ours that goes into a report whole."""
    return (files("promptlab.render") / name).read_text("utf-8")


def hashed(text: str) -> str:
    """What a content policy calls a text by."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def policy(style: str = "") -> str:
    """The content policy (W3C CSP 3): our script and our style by their hashes, and nothing else from anywhere."""
    return (
        f"default-src 'none'; script-src {hashed(own('report.js'))}; style-src {hashed(_style(style))}; "
        "base-uri 'none'; form-action 'none'"
    )


def _style(more: str) -> str:
    return own("report.css") + (own(more) if more else "")


def _line(text: str) -> str:
    return escape(clean_line(text))


def _text(text: str) -> str:
    return escape(clean(text, keep=True))


def _opening(head: Mapping[str, str], style: str) -> Iterator[str]:
    title = clean_line(next(iter(head.values()), "")) or "a sweep"
    short = escape(title if len(title) <= _TITLE else title[: _TITLE - 1] + "…")
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(style)}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="promptlab">\n'
        f"<title>{short} · promptlab</title>\n<style>{_style(style)}</style>\n</head>\n<body>\n<h1>{short}</h1>\n"
    )


def _asked(reading: Reading, head: Mapping[str, str]) -> Iterator[str]:
    yield "<section><dl>\n"
    for name, value in head.items():
        yield f"<dt>{_line(name)}</dt><dd>{_text(value)}</dd>\n"
    for name, values in reading.axes.items():
        told = ", ".join(value_text(value) for value in values)
        nowhere = dict.fromkeys(point.target for point in reading.points if name in point.void)
        if nowhere:
            told += f"\nignored at {', '.join(map(clean_line, nowhere))}: its repeats stand together there"
        yield f"<dt>{escape(axis_name(name))}</dt><dd>{escape(told)}</dd>\n"
    answered, failed = (sum(point.answered for point in reading.points), sum(point.failed for point in reading.points))
    bad = f' <span class="fault">{failed} failed</span>' if failed else ""
    yield f"<dt>answers</dt><dd>{answered}{bad}</dd>\n</dl></section>\n"


def _remarks(reading: Reading) -> Iterator[str]:
    if reading.remarks or reading.notes:
        yield "<section><h2>Findings</h2><ul>\n"
        for remark in reading.remarks:
            yield f"<li>{_remark(remark)}</li>\n"
        for note in reading.notes:
            yield f'<li class="soft">{_line(note)}</li>\n'
        yield "</ul></section>\n"


def _remark(remark: Remark) -> str:
    said = remark.text
    facts = [f"p = {remark.p:.2g}"] if remark.p is not None and not re.search(r"\bp [=<] ", said) else []
    facts += [f"n = {remark.n}"] if remark.n and "n = " not in said and f"of {remark.n} " not in said else []
    facts += [f"needs {count(remark.needs, 'more repeat')}"] if remark.needs else []
    about = f' <span class="soft">({escape(", ".join(facts))})</span>' if facts else ""
    named = re.search(rf"(?<!\w){re.escape(remark.target)}(?!\w)", said)
    target = f"<b>{_line(remark.target)}</b>: " if remark.target and not named else ""
    return f"{target}{_line(said)}{about}"


def _table(reading: Reading) -> Iterator[str]:
    if not (reading.points and reading.measures):
        return
    together = groups(reading)
    points = [point for group in together for point in group.points]
    columns = []
    for name in reading.measures:
        found = of(points, name)
        heat = shades({at: each.value for at, each in enumerate(found) if each}, HEATS)
        columns.append((name, numbers(found), heat))
    yield '<section><h2>Measures</h2><div class="wide"><table>\n<thead><tr>'
    yield "".join(f"<th>{escape(name)}</th>" for name in [*map(axis_name, reading.axes), "answers"])
    yield "".join(f"<th{_help(name)}>{escape(measure_name(name))}</th>" for name in reading.measures)
    yield "</tr></thead>\n<tbody>\n"
    number, target = 0, None
    for group in together:
        if group.target != target:
            span = len(reading.axes) + 1 + len(columns)
            yield f'<tr class="target"><th colspan="{span}">{_line(group.target)}</th></tr>\n'
            target = group.target
        for point in group.points:
            said = f"{point.answered} of {len(point.cells)}" if point.failed else str(point.answered)
            yield "<tr>" + "".join(f"<th>{escape(value_at(point, axis))}</th>" for axis in reading.axes)
            yield f"<td>{said}</td>"
            for name, how, heat in columns:
                measure = point.measures.get(name)
                shade = f' class="h{heat[number]}"' if number in heat else ""
                about = f' title="n = {measure.n}"' if measure else ""
                yield f"<td{shade}{about}>{how.value(measure)}<small>{how.interval(measure)}</small></td>"
            yield "</tr>\n"
            number += 1
    yield '</tbody></table></div><p class="note">In brackets: 95% interval. Shades run from the least to the greatest '
    yield "of a column, not from bad to good. ≈: counted by an estimate of ours.</p></section>\n"


def _help(name: str) -> str:
    known = meaning(name)
    if known is None:
        return ""
    source = f" ({known.source})" if known.source else ""
    return f' title="{_line(known.help + source)}"'


def _plots(reading: Reading) -> Iterator[str]:
    still = idle(reading, reading.measures)
    named = [name for name in reading.measures if name not in still]
    drawn = charts(reading, named) if named else ()
    if not drawn and not still:
        return
    yield "<section><h2>Plots</h2>\n"
    if drawn and len(drawn[0].series) > 1 and drawn[0].curve:
        yield "<p>"
        for series in drawn[0].series:
            shape = svg.sign(series.number, 8, 8)
            drawing = f'<g class="mark s{series.number % COLOURS}">{shape}</g>'
            yield f'<span class="key"><svg width="16" height="16" aria-hidden="true">{drawing}</svg>'
            yield f"{escape(series.title)}</span>"
        yield "</p>\n"
    if drawn:
        yield '<div class="plots">\n'
        for each in drawn:
            yield svg.chart(each) + "\n"
        yield '</div><p class="note">Whiskers are 95% intervals. Where an axis is ignored there is one mark and no '
        yield "curve.</p>\n"
    for told in undrawn(still):
        yield f'<p class="note">{escape(told)}</p>\n'
    if (surface := plane(reading)) is not None:
        yield f"<figure>{svg.plane(surface)}<figcaption>{escape(reading_aid(surface))}</figcaption></figure>\n"
    yield "</section>\n"


@dataclass(frozen=True, slots=True)
class _Index:
    """Where things stand, as numbers: cells in points, targets, and on each axis its values as they are written (1 and
    True are not the same choice)."""

    points: dict[int, int]
    targets: dict[str, int]
    axes: dict[str, dict[str, int]]


def _index(reading: Reading) -> _Index:
    targets = dict.fromkeys(point.target for point in reading.points)
    return _Index(
        {cell: number for number, point in enumerate(reading.points) for cell in point.cells},
        {target: number for number, target in enumerate(targets)},
        {name: {show(value): at for at, value in enumerate(values)} for name, values in reading.axes.items()},
    )


def _answers(reading: Reading, samples: Iterable[Sample]) -> Iterator[str]:
    index = _index(reading)
    yield "<section><h2>Answers</h2>\n"
    yield from _filter(reading, [*index.targets])
    yield '<div class="cards">\n'
    for sample in samples:
        yield _card(reading, sample, index)
    yield "</div></section>\n"


def _filter(reading: Reading, targets: list[str]) -> Iterator[str]:
    """The choices. Only the script makes them work, so only the script shows them: without it every answer stands."""
    yield '<form id="filter" hidden>\n'
    yield _select("show", "show", _SHOWS)
    if len(targets) > 1:
        yield _select(
            "target", "at", [("", "every target"), *((str(at), clean_line(t)) for at, t in enumerate(targets))]
        )
    for number, (name, values) in enumerate(reading.axes.items()):
        options = [(str(at), value_text(value)) for at, value in enumerate(values)]
        yield _select(f"a{number}", axis_name(name), [("", "every value"), *options])
    yield '</form>\n<p class="note"><output id="count"></output></p>\n'


def _select(name: str, label: str, options: Iterable[tuple[str, str]]) -> str:
    inside = "".join(f'<option value="{value}">{escape(text)}</option>' for value, text in options)
    return f'<label>{escape(label)} <select name="{name}" autocomplete="off">{inside}</select></label>\n'


def _card(reading: Reading, sample: Sample, index: _Index) -> str:
    """One answer with its thinking. What the script reads of it are numbers and a digest, never its text."""
    place = index.points.get(sample.cell)
    point = reading.points[place] if place is not None else None
    void = point.void if point else ()
    digest = sha256(sample.answer.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16] if sample.answer else ""
    target = index.targets.get(sample.target, "")
    kept: dict[str, object] = {"point": "" if place is None else place, "text": digest, "target": target}
    kept["state"] = clean_line(sample.state)
    for number, (name, values) in enumerate(index.axes.items()):
        kept[f"a{number}"] = "any" if name in void else values.get(show(sample.values.get(name)), "")
    attributes = "".join(f' data-{key}="{escape(str(value))}"' for key, value in kept.items())
    shown = ' class="shown"' if point and point.shown == sample.cell else ""
    where = [f"{axis_name(name)} {IGNORED if name in void else value_text(sample.values.get(name))}"
             for name in reading.axes]  # fmt: skip
    where += [f"row {sample.row + 1}"] if sample.row is not None else []
    title = SEPARATOR.join([*where, f"repeat {sample.repeat + 1}"])
    thinking = ""
    if sample.thinking:
        inside = f"<summary>{_thought(sample)}</summary><pre>{_text(sample.thinking)}</pre>"
        thinking = f"<details>{inside}</details>"
    bad = f'<span class="fault">{_line(sample.state)}</span> ' if sample.state != "done" else ""
    if sample.fault:
        bad += f'<span class="fault">{_line(sample.fault)}</span> '
    answer = _text(sample.answer) or '<span class="soft">no answer</span>'
    return (
        f"<article{shown}{attributes}><header><h3>{escape(title)}</h3>"
        f'<div class="soft">{_line(sample.target)}</div></header>{thinking}<pre dir="auto">{answer}</pre>'
        f'<div class="facts">{bad}{escape(SEPARATOR.join(_facts(sample)))}</div></article>\n'
    )


def _thought(sample: Sample) -> str:
    facts = []
    if sample.thinking_seconds is not None:
        facts.append(seconds(sample.thinking_seconds))
    if sample.thinking_tokens is not None:
        facts.append(f"{'≈' * sample.estimated}{sample.thinking_tokens} tok")
    return SEPARATOR.join(["thinking", *facts])


def _facts(sample: Sample) -> list[str]:
    about = "≈" * sample.estimated
    facts = [f"cell {sample.cell + 1}", *map(_outcome, sample.outcomes)]
    if sample.finish_reason:
        facts.append(clean_line(sample.finish_reason))
    if sample.seconds is not None:
        facts.append(seconds(sample.seconds))
    if sample.answer_tokens is not None:
        facts.append(f"{about}{sample.answer_tokens} tok")
    if sample.rate is not None:
        facts.append(f"{about}{sample.rate:.3g} tok/s")
    if sample.usd is not None:
        facts.append(f"${sample.usd:.2g}")
    return facts


def _outcome(outcome: Outcome) -> str:
    sign = {True: "✓", False: "✗", None: "?"}[outcome.passed]
    note = f" ({clean_line(outcome.note)})" if outcome.note else ""
    return f"{sign} {clean_line(outcome.name)}{note}"
