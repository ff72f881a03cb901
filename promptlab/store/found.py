"""What was found out about parameters: what endpoints said of them, and what audits measured."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from promptlab.knowledge import Finding
from promptlab.store.database import to_json, to_text, writing

if TYPE_CHECKING:
    from promptlab.audit import Audited


def learn(db: sqlite3.Connection, finding: Finding) -> None:
    row = (finding.endpoint, finding.base_url, finding.model, finding.parameter, finding.state,
           to_json(finding.asked), finding.word, to_json(finding.value), finding.said, finding.date)  # fmt: skip
    with writing(db):
        if finding.asked is None:  # refused or pinned whatever the value: single values say nothing more
            db.execute("DELETE FROM findings WHERE (endpoint, base_url, model, parameter, state) = (?, ?, ?, ?, ?)",
                       row[:5])  # fmt: skip
        db.execute(f"INSERT OR REPLACE INTO findings VALUES ({', '.join('?' * len(row))})", list(map(to_text, row)))


def findings(db: sqlite3.Connection, model: str | None) -> list[Finding]:
    rows = db.execute(
        "SELECT endpoint, base_url, model, parameter, verdict, state, said, date, value, asked FROM findings"
        " WHERE model = coalesce(?, model) ORDER BY date DESC",
        (model,),
    )
    return [
        Finding(endpoint, base_url, name, parameter, word, state, said, date, json.loads(value), json.loads(asked))
        for endpoint, base_url, name, parameter, word, state, said, date, value, asked in rows
    ]


def keep(db: sqlite3.Connection, audit: Audited) -> None:
    row = (*map(to_text, (audit.endpoint, audit.base_url, audit.model, audit.parameter, audit.word)), audit.p, audit.n,
           *map(to_text, (audit.text, to_json(audit.detail), audit.date)))  # fmt: skip
    with writing(db):
        db.execute(f"INSERT OR REPLACE INTO audits VALUES ({', '.join('?' * len(row))})", row)


def audits(db: sqlite3.Connection, at: str | None, model: str | None) -> list[Audited]:
    from promptlab.audit import Audited  # it brings the providers: only where audits are read

    rows = db.execute(
        "SELECT endpoint, base_url, model, parameter, word, text, date, p, n, detail FROM audits"
        " WHERE endpoint = coalesce(?, endpoint) AND model = coalesce(?, model) ORDER BY date DESC, parameter",
        (at, model),
    )
    return [
        Audited(endpoint, base_url, name, parameter, word, text, date, p, n, json.loads(detail))
        for endpoint, base_url, name, parameter, word, text, date, p, n, detail in rows
    ]


def forget(db: sqlite3.Connection, endpoint: str, model: str, parameter: str | None) -> int:
    with writing(db):
        return sum(
            db.execute(f"DELETE FROM {table} WHERE endpoint = ? AND model = ? AND parameter = coalesce(?, parameter)",
                       (endpoint, model, parameter)).rowcount
            for table in ("findings", "audits")
        )  # fmt: skip
