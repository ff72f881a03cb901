"""Runs of the history as lines, and which of them are wanted. Knows no Textual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from promptlab.render.facts import moment
from promptlab.render.sanitise import clean_line
from promptlab.tui.advice import short
from promptlab.tui.text import Say

if TYPE_CHECKING:
    from promptlab.store import Summary
    from promptlab.tui.lab import Past

_ENDINGS = {"junit": "xml", "sft": "sft.jsonl", "pairs": "pairs.jsonl"}  # of files, where a format has another
FORMATS = ("md", "html", "csv", "jsonl", "junit", "sft", "pairs", "parquet")
KINDS = ("sweep", "done", "failed", "running", "cancelled", "profile")
FILTERS = ("is", "target", "profile", "since")
_TARGETS = 32  # cells that the targets of a line may take: what was asked is to be seen, too


def file_name(run: int, format: str) -> str:
    """What the file of a run that is exported is called, unless the user has another name for it."""
    return f"run-{run}.{_ENDINGS.get(format, format)}"


class History(Protocol):
    """All calls take a moment and are made from a thread; they raise LabError."""

    def runs(self) -> list[Summary]:
        """The newest runs, newest first."""

    def found(self, word: str) -> Mapping[int, str]:
        """The runs in whose prompts, thinking or answers a word stands, and where it does."""

    def open(self, run: int) -> Past: ...

    def export(self, run: int, format: str, file: str) -> Path:
        """Write a run to a file that is not there yet; an empty name is one of its own."""

    def keep(self, run: int, name: str) -> Sequence[str]:
        """Make a profile of a run; gives what it can't hold."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`is:failed target:qwen profile:poet since:7d` and words; `unknown` are filters that there are not."""

    kinds: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    since: date | None = None
    words: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def wanted(letters: str, today: date | None = None) -> Wanted:
    """What was typed, read. A filter that is not whole yet asks for nothing; what only looks like one is a word."""
    kinds, targets, profiles, words, unknown = [], [], [], [], []
    since = None
    for part in letters.split():
        name, colon, value = part.partition(":")
        if not colon or name.lower() not in FILTERS:
            words.append(part.casefold())
        elif not value:
            continue
        elif name.lower() == "target":
            targets.append(value.casefold())
        elif name.lower() == "profile":
            profiles.append(value.casefold())
        elif name.lower() == "since" and (day := _day(value, today)) is not None:
            since = day
        elif name.lower() == "is" and any(kind.startswith(value.lower()) for kind in KINDS):
            kinds.append(next(kind for kind in KINDS if kind.startswith(value.lower())))
        else:
            unknown.append(part)
    return Wanted(tuple(kinds), tuple(targets), tuple(profiles), since, tuple(words), tuple(unknown))


def _day(text: str, today: date | None) -> date | None:
    """`7d`, `2w`, `2026-11-22`."""
    if text[:-1].isascii() and text[:-1].isdigit() and text[-1] in "dw":
        days = int(text[:-1][:9]) * (7 if text[-1] == "w" else 1)
        return (today or datetime.now().astimezone().date()) - timedelta(min(days, 36_500))
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def fits(one: Summary, what: Wanted, texts: Mapping[str, Mapping[int, str]], line: str) -> bool:
    """Whether a run is wanted: each word stands in its line or in its `texts` (by the word, where it was found)."""
    return (
        all(_is(one, kind) for kind in what.kinds)
        and all(any(part in target.casefold() for target in one.targets) for part in what.targets)
        and all(part in (one.profile or "").casefold() for part in what.profiles)
        and (what.since is None or moment(one.created)[:10] >= what.since.isoformat())
        and all(_has(one, word, line) or one.id in texts.get(word, ()) for word in what.words)
    )


def _has(one: Summary, word: str, line: str) -> bool:
    return word in line.casefold() or any(word in target.casefold() for target in one.targets)


def _is(one: Summary, kind: str) -> bool:
    if kind == "sweep":
        return one.axes is not None
    if kind == "profile":
        return one.profile is not None
    if kind == "failed":
        return any(state in ("failed", "incomplete") for state in one.states)
    return one.state == kind


def pieces(run: Summary, say: Say) -> list[str]:
    """Number, day and time, how many cells ended well, how it ended if not well, targets, profile, axes, prompt; empty
    where there is nothing to say."""
    done, count = run.states.count("done"), len(run.states)
    names = short(set(run.targets))
    return [
        str(run.id), moment(run.created)[5:], f"{done}/{count}" if done < count else f"{count}",
        "" if run.state == "done" else say.known(f"state_{run.state}", run.state),
        ", ".join(names[target] for target in dict.fromkeys(run.targets)),
        f"[{clean_line(run.profile)}]" if run.profile else "",
        clean_line(" × ".join(f"{name} ({count})" for name, count in run.axes or () if count > 1)),
        clean_line(run.prompt),
    ]  # fmt: skip


def line(run: Summary, say: Say) -> str:
    """All of it, for the words that are looked for."""
    return "  ".join(filter(None, pieces(run, say)))


def about(summary: Summary, say: Say, excerpt: str = "") -> list[tuple[str, str]]:
    """All that is known of a run without reading it: names and texts, several lines among them."""
    going = summary.state == "running"  # what is queued may yet be sent
    names = {state: say("queued") if going and state == "queued" else say.known(f"run_{state}", state)
             for state in dict.fromkeys(summary.states)}  # fmt: skip
    states = say("comma").join(f"{summary.states.count(state)} {name}" for state, name in names.items())
    told = [("", f"{say('run', run=summary.id)}  {moment(summary.created)}"),
            (say("about_state"), f"{say.known(f'state_{summary.state}', summary.state)}: {states}"),
            (say("about_targets"), "\n".join(dict.fromkeys(map(clean_line, summary.targets)))),
            (say("about_profile"), clean_line(summary.profile or ""))]  # fmt: skip
    if summary.axes:
        axes = " × ".join(f"{name} ({count})" for name, count in summary.axes)
        told.append((say("about_axes"), f"{clean_line(axes)} × {summary.repeats}"))
    told.append((say("about_found"), clean_line(excerpt)))
    told.append((say("about_prompt"), "\n".join(map(clean_line, summary.prompt[:4000].splitlines()))))
    return [(name, text) for name, text in told if text]
