"""Words to the places where they stand, in prompts, thinking and answers of the whole history.

SQLite's own tokenisers take a Chinese clause for one word, or find nothing below three characters. So the words are
ours: what is written with spaces goes in by the word, what is not by pairs of characters. They are found from their
beginning (temp finds temperature), and only where that finds nothing, anywhere inside. The tables of words hold no
text; a match is looked up in the text itself, which also says no to pairs that stand in another order.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import add
from typing import Literal

from promptlab.store.database import to_text, writing

Where = Literal["prompt", "thinking", "answer"]
AROUND = 40  # characters of an excerpt before and after the match
AT_ONCE = 100  # texts whose words go in with one transaction: others write as well

# Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han; and Hangul, whose words carry endings.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_PIECE = re.compile(rf"([{_UNSPACED}]+)|[^\W_{_UNSPACED}]+")
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+")
_RUN = re.compile(rf"[{_UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """One text that holds what was looked for; the match is `excerpt[start:end]`. A prompt is told once a run, with its
    first cell."""

    run: int
    cell: int
    target: str
    where: Where
    excerpt: str
    start: int
    end: int


def words(text: str) -> set[str]:
    """What a text is found by: its words, and the pairs and the last character of what is written without spaces."""
    folded = text.casefold()
    found = set(_WORD.findall(folded))
    for run in _RUN.findall(folded):
        found.add(run[-1])
        found.update(map(add, run, run[1:]))
    return found


def search(db: sqlite3.Connection, text: str, limit: int) -> list[Hit]:
    """The newest texts in which every word of `text` stands, newest first; upper and lower case are one."""
    wanted = [re.compile(re.escape(word), re.IGNORECASE) for word in (to_text(text) or "").split()]
    if not wanted or limit < 1:
        return []
    bring_up(db)
    asked = _query(text)
    hits: list[Hit] = []
    if asked is not None:
        hits = _found(_prompts(db, asked), wanted, limit) + _found(_answers(db, asked), wanted, limit)
    if not hits:  # inside a word, or no word at all
        hits = _found(_prompts(db, None), wanted, limit) + _found(_answers(db, None), wanted, limit)
    order = ("prompt", "thinking", "answer")
    return sorted(hits, key=lambda hit: (-hit.run, hit.cell, order.index(hit.where)))[:limit]


def bring_up(db: sqlite3.Connection) -> None:
    """Put the words of all that has ended since the last time into the index."""
    _index(db, "message_words", "messages", "SELECT id, content FROM messages WHERE indexed = 0 LIMIT ?", _said)
    _index(db, "cell_words", "cells", "SELECT id, thinking, answer FROM cells WHERE indexed = 0 AND answer IS NOT NULL"
           " LIMIT ?", _both)  # fmt: skip


def forget(db: sqlite3.Connection, cell: int) -> None:
    """Take a cell out of the index, before its texts are others."""
    row = db.execute("SELECT thinking, answer FROM cells WHERE id = ? AND indexed = 1", (cell,)).fetchone()
    if row is not None:
        db.execute("INSERT INTO cell_words (cell_words, rowid, words) VALUES ('delete', ?, ?)",
                   (cell, _joined(_both(*row))))  # fmt: skip
        db.execute("UPDATE cells SET indexed = 0 WHERE id = ?", (cell,))


def _index(db: sqlite3.Connection, table: str, of: str, select: str, read: Callable[..., str]) -> None:
    while True:
        if db.execute(select, (1,)).fetchone() is None:  # nearly always: no lock for that
            return
        with writing(db):
            rows = db.execute(select, (AT_ONCE,)).fetchall()
            db.executemany(f"INSERT INTO {table} (rowid, words) VALUES (?, ?)",
                           ((id, _joined(read(*texts))) for id, *texts in rows))  # fmt: skip
            db.executemany(f"UPDATE {of} SET indexed = 1 WHERE id = ?", ((row[0],) for row in rows))


def _joined(text: str) -> str:
    return " ".join(words(text))


def _both(thinking: str | None, answer: str | None) -> str:
    return f"{thinking or ''}\n{answer or ''}"


def _said(content: str) -> str:
    """The texts of a request's messages."""
    return to_text("\n".join(text for _, text, *_ in json.loads(content))) or ""


def _query(text: str) -> str | None:
    """What to ask the index for; None where `text` has no word."""
    terms = []
    for word in text.casefold().split():
        pieces = list(_PIECE.finditer(word))
        for match in pieces:
            piece = match[0]
            if match[1] and len(piece) > 1:
                terms += [f'"{piece[n : n + 2]}"' for n in range(len(piece) - 1)]
            else:  # the last word may go on in the text, and a character may be the first of a pair
                terms.append(f'"{piece}"*' if match[1] or match is pieces[-1] else f'"{piece}"')
    return " AND ".join(dict.fromkeys(terms)) or None


Place = tuple[int, int, str, tuple[tuple[Where, str], ...]]  # run, cell, target, texts


def _prompts(db: sqlite3.Connection, asked: str | None) -> Iterator[Place]:
    rows = db.execute(
        f"SELECT run, min(number), target, messages FROM cells {_where('messages', 'message_words', asked)}"
        " GROUP BY run, messages ORDER BY run DESC, number",
        () if asked is None else (asked,),
    ).fetchall()
    for run, cell, target, id in rows:
        (content,) = db.execute("SELECT content FROM messages WHERE id = ?", (id,)).fetchone()
        yield run, cell, target, (("prompt", _said(content)),)


def _answers(db: sqlite3.Connection, asked: str | None) -> Iterator[Place]:
    rows = db.execute(
        f"SELECT id, run, number, target FROM cells {_where('id', 'cell_words', asked)} ORDER BY run DESC, number",
        () if asked is None else (asked,),
    ).fetchall()
    for id, run, cell, target in rows:
        thinking, answer = db.execute("SELECT thinking, answer FROM cells WHERE id = ?", (id,)).fetchone()
        yield run, cell, target, (("thinking", thinking or ""), ("answer", answer or ""))


def _where(column: str, table: str, asked: str | None) -> str:
    return "" if asked is None else f"WHERE {column} IN (SELECT rowid FROM {table} WHERE {table} MATCH ?)"


def _found(places: Iterable[Place], wanted: list[re.Pattern[str]], limit: int) -> list[Hit]:
    def hits() -> Iterator[Hit]:
        for run, cell, target, texts in places:
            for where, text in texts:
                matches = [pattern.search(text) for pattern in wanted]
                if (first := matches[0]) is not None and all(matches):
                    yield _hit(run, cell, target, where, text, first)

    return list(islice(hits(), limit))


def _hit(run: int, cell: int, target: str, where: Where, text: str, match: re.Match[str]) -> Hit:
    before, after = text[max(0, match.start() - AROUND) : match.start()], text[match.end() : match.end() + AROUND]
    head = ("…" if match.start() > AROUND else "") + " ".join(before.split()) + " " * before[-1:].isspace()
    tail = " " * after[:1].isspace() + " ".join(after.split()) + ("…" if len(text) - match.end() > AROUND else "")
    return Hit(run, cell, target, where, head + match[0] + tail, len(head), len(head) + len(match[0]))
