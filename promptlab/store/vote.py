"""Votes and grades in the history."""

from __future__ import annotations

import json
import sqlite3
from typing import cast

from promptlab.ballot import Ballot, Grade, Seen, Verdict
from promptlab.store.database import to_json, to_text, writing


def cast_vote(db: sqlite3.Connection, ballot: Ballot) -> int:
    """Keep a vote; gives its number. One that has a number already takes the place of that one."""
    row = (ballot.id, *map(to_text, (ballot.created, ballot.voter, ballot.prompt)),
           to_json([[one.run, one.cell, one.arm, one.length, one.stopped] for one in ballot.seen]),
           ballot.seen[0].run, to_json(ballot.verdict), ballot.seconds, to_text(ballot.note), to_json(ballot.flags),
           ballot.aside, to_text(ballot.criteria), to_json(ballot.words), ballot.soft)  # fmt: skip
    with writing(db):
        found = db.execute(
            "INSERT OR REPLACE INTO votes (id, created, voter, prompt, seen, run, verdict, seconds, note, flags, aside,"
            f" criteria, words, soft) VALUES ({', '.join('?' * len(row))})",
            row,
        ).lastrowid
    assert found is not None
    return found


def votes(db: sqlite3.Connection, run: int | None, voter: str | None) -> list[Ballot]:
    """In the order in which they were cast: of one run or all, of one voter or all."""
    rows = db.execute(
        "SELECT created, voter, prompt, seen, verdict, seconds, note, flags, aside, criteria, words, soft, id"
        " FROM votes WHERE run = coalesce(?, run) AND voter = coalesce(?, voter) ORDER BY id",
        (run, voter),
    )
    return [
        Ballot(created, by, prompt, tuple(Seen(*one) for one in json.loads(seen)),
               cast(Verdict, json.loads(verdict)), seconds, note, tuple(json.loads(flags)), bool(aside), criteria,
               tuple((first, second) for first, second in json.loads(words)), soft, id)
        for created, by, prompt, seen, verdict, seconds, note, flags, aside, criteria, words, soft, id in rows
    ]  # fmt: skip


def put_aside(db: sqlite3.Connection, vote: int, aside: bool) -> bool:
    """Whether a vote counts no more, or again; gives whether there is such a vote."""
    with writing(db):
        return db.execute("UPDATE votes SET aside = ? WHERE id = ?", (aside, vote)).rowcount > 0


def take_back(db: sqlite3.Connection, vote: int) -> None:
    """Undo: as if it had never been cast."""
    with writing(db):
        db.execute("DELETE FROM votes WHERE id = ?", (vote,))


def keep_grade(db: sqlite3.Connection, grade: Grade) -> int:
    row = (*map(to_text, (grade.created, grade.voter)), grade.run, grade.cell,
           *map(to_text, (grade.arm, grade.criteria)), to_json(dict(grade.marks)), to_json(grade.words))  # fmt: skip
    with writing(db):
        found = db.execute("INSERT INTO grades (created, voter, run, cell, arm, criteria, marks, words)"
                           f" VALUES ({', '.join('?' * len(row))})", row).lastrowid  # fmt: skip
    assert found is not None
    return found


def grades(db: sqlite3.Connection, run: int | None, voter: str | None) -> list[Grade]:
    """In the order in which they were given: of one run or all, of one judge or all."""
    rows = db.execute("SELECT created, voter, run, cell, arm, criteria, marks, words, id FROM grades WHERE"
                      " run = coalesce(?, run) AND voter = coalesce(?, voter) ORDER BY id", (run, voter))  # fmt: skip
    return [
        Grade(created, by, number, cell, arm, criteria, json.loads(marks),
              tuple(pair) if (pair := json.loads(words)) else None, id)
        for created, by, number, cell, arm, criteria, marks, words, id in rows
    ]  # fmt: skip
