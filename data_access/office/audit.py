"""The audit: who did what, when, with which filter. Lines are added, never changed.

Each line holds the hash of itself and of the line before it. Who changes or takes out a line has to
compute all later hashes anew; they stand in the server's log as well, so that even that is seen.
Nothing personal is kept beside the name of the account.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
import structlog

from data_access.office.book import Book, metadata
from domain.periods import present

log = structlog.get_logger(__name__)

Action = Literal[
    "sign_in", "sign_in_failed", "sign_out", "export", "packet", "load", "rollback", "rules",
    "account", "audit_export", "commitment", "restore",
]  # fmt: skip
ACTION_LABELS: dict[Action, str] = {
    "sign_in": "登录",
    "sign_in_failed": "登录失败",
    "sign_out": "退出",
    "export": "导出",
    "packet": "简报",
    "load": "导入",
    "rollback": "回退",
    "rules": "口径变更",
    "account": "账号",
    "audit_export": "导出审计",
    "commitment": "承诺",
    "restore": "恢复备份",
}


def action_label(action: str) -> str:
    """Return what an action is called; the action itself where it has no name."""
    return next((words for name, words in ACTION_LABELS.items() if name == action), action)


audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1, 2, 3, … no gap
    sa.Column("at", sa.DateTime, nullable=False, index=True),
    sa.Column("account", sa.String(60), nullable=False, index=True),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("filters", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

BEFORE_THE_FIRST = "0" * 64
_LONGEST = 4_000
# Any number, the same in every process: who holds it adds the next line.
_CHAIN_LOCK = 7_412_346
_CHUNK = 1_000


@dataclass(frozen=True)
class Line:
    """One line; ``filters`` is the canonical query string or the filters in words."""

    number: int
    at: dt.datetime
    account: str
    action: str
    what: str
    filters: str
    hash: str


@dataclass(frozen=True)
class AuditFilter:
    """Which lines are listed; "" and None are all."""

    account: str = ""
    action: str = ""
    day: dt.date | None = None


def record(book: Book, account: str, action: Action, what: str, filters: str = "") -> Line:
    """Add a line and return it; what was recorded is on the disk.

    Args:
        book: the office book.
        account: who; 命令行 for the command line.
        action: one of ``ACTION_LABELS``.
        what: on what, in a few words.
        filters: the canonical query string of what was asked, or its words.
    """
    with book.writing() as connection:
        if connection.dialect.name == "postgresql":
            # Writers come one after the other, so that there is one chain. (To lock the table
            # takes the right to change its rows, which nobody has.)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CHAIN_LOCK)))
        last = connection.execute(
            sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
        ).first()
        number, previous = (last.number + 1, last.hash) if last else (1, BEFORE_THE_FIRST)
        values = (
            number,
            present().replace(microsecond=0),
            _kept(account)[:60],
            action,
            _kept(what),
            _kept(filters),
        )
        line = Line(*values, hash=_hash(previous, values))
        connection.execute(audit.insert().values(**vars(line)))
    # A second place, which who can write to the book need not be able to change.
    log.info("audit", number=line.number, action=action, hash=line.hash)
    return line


def _kept(text: str) -> str:
    """Return a text as every engine keeps it: no NUL, no lone surrogate, not endless."""
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST]


def _hash(previous: str, values: tuple) -> str:
    number, at, *rest = values
    text = json.dumps([previous, number, at.isoformat(), *rest], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _where(chosen: AuditFilter) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    if chosen.account:
        where.append(audit.c.account == chosen.account)
    if chosen.action:
        where.append(audit.c.action == chosen.action)
    if chosen.day is not None:
        start = dt.datetime.combine(chosen.day, dt.time())
        where += [audit.c.at >= start, audit.c.at < start + dt.timedelta(days=1)]
    return where


def page_of_lines(book: Book, chosen: AuditFilter, page: int, size: int) -> tuple[list[Line], int]:
    """Return the lines of a page, the newest first, and how many lines there are in all."""
    where = _where(chosen)
    with book.reading() as connection:
        total = connection.scalar(sa.select(sa.func.count()).select_from(audit).where(*where)) or 0
        rows = connection.execute(
            sa.select(audit)
            .where(*where)
            .order_by(audit.c.number.desc())
            .limit(size)
            .offset((max(page, 1) - 1) * size)
        ).all()
    return [Line(*row) for row in rows], total


def all_lines(book: Book, chosen: AuditFilter) -> Iterator[Line]:
    """Yield every line of a filter, the oldest first."""
    after = 0
    while True:
        with book.reading() as connection:
            rows = connection.execute(
                sa.select(audit)
                .where(audit.c.number > after, *_where(chosen))
                .order_by(audit.c.number)
                .limit(_CHUNK)
            ).all()
        yield from (Line(*row) for row in rows)
        if len(rows) < _CHUNK:
            return
        after = rows[-1].number


def accounts_in_audit(book: Book) -> list[str]:
    """Return the accounts that have lines, in order of name."""
    with book.reading() as connection:
        return list(
            connection.scalars(sa.select(audit.c.account).distinct().order_by(audit.c.account))
        )


def verify(book: Book) -> tuple[int, str, int | None]:
    """Return how many lines there are, the last hash, and the first line that is wrong (or None).

    A line is wrong when its hash does not follow from it and the line before, or when a number is
    missing before it. Lines taken off the end are seen by comparing the last number and hash with
    the server's log.
    """
    previous, count = BEFORE_THE_FIRST, 0
    for line in all_lines(book, AuditFilter()):
        count += 1
        values = (line.number, line.at, line.account, line.action, line.what, line.filters)
        if line.number != count or line.hash != _hash(previous, values):
            return count, previous, line.number
        previous = line.hash
    return count, previous, None
