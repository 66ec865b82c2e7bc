"""Commitments (承诺) as supervisors entered them; judged in ``domain.commitments``."""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from data_access.office.book import Book, metadata
from domain.commitments import LONGEST_WORDS, Commitment, CommitmentError, Verdict, checked
from domain.scope import Scope

commitments = sa.Table(
    "commitments",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("made_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False, index=True),
    sa.Column("made_by", sa.String(60), nullable=False),  # who promised
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("district", sa.String(60), nullable=False),
    sa.Column("topic", sa.String(60), nullable=False),
    sa.Column("project", sa.String(60), nullable=False),
    sa.Column("measure", sa.String(60), nullable=False),
    sa.Column("goal", sa.Double, nullable=True),
    sa.Column("account", sa.String(60), nullable=False),
    sa.Column("entered_at", sa.DateTime, nullable=False),
)

# What was said of a commitment later; lines are added, never changed: the newest of a kind holds.
commitment_remarks = sa.Table(
    "commitment_remarks",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column(
        "commitment", sa.Integer, sa.ForeignKey("commitments.number"), nullable=False, index=True
    ),
    sa.Column("kind", sa.String(20), nullable=False),  # kept, broken, withdrawn
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("account", sa.String(60), nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),
)

Remark = Verdict | Literal["withdrawn"]
# More than an office makes in years; a page shows them all.
MOST = 5_000


def add_commitment(book: Book, commitment: Commitment, account: str, now: dt.datetime) -> int:
    """Enter a commitment (its own number is not used) and return the number that it got.

    Raises:
        CommitmentError: it is none, or the book is full.
        OfficeError: the book cannot be opened.
    """
    sound = checked(commitment)
    with book.writing() as connection:
        held = connection.scalar(sa.select(sa.func.count()).select_from(commitments)) or 0
        if held >= MOST:
            raise CommitmentError(f"承诺台账已满{MOST}条")
        number = connection.scalar(
            commitments.insert()
            .values(
                made_on=sound.made_on,
                due_on=sound.due_on,
                made_by=sound.by.strip(),
                words=sound.words.strip(),
                district=sound.district,
                topic=sound.topic,
                project=sound.project,
                measure=sound.measure,
                goal=None if math.isnan(sound.goal) else sound.goal,
                account=account,
                entered_at=now.replace(microsecond=0),
            )
            .returning(commitments.c.number)
        )
    return int(number or 0)


def remark(
    book: Book, scope: Scope, number: int, kind: Remark, note: str, account: str, now: dt.datetime
) -> None:
    """Say that a commitment in words was kept or broken, or that any of them no longer holds.

    Raises:
        CommitmentError: no such commitment in the scope, no reason given, it is withdrawn already,
            or a figure judges it and nobody else can.
        OfficeError: the book cannot be opened.
    """
    note = note.strip()
    if not note or len(note) > LONGEST_WORDS:
        raise CommitmentError(f"须写明理由，不超过{LONGEST_WORDS}字")
    with book.writing() as connection:
        found = [each for each in _read(connection, scope) if each.number == number]
        if not found:
            raise CommitmentError("没有这条承诺")
        if found[0].withdrawn:
            raise CommitmentError("这条承诺已撤回")
        if kind != "withdrawn" and found[0].measure:
            raise CommitmentError("按指标判定的承诺不能人工认定")
        connection.execute(
            commitment_remarks.insert().values(
                commitment=number, kind=kind, note=note, account=account,
                at=now.replace(microsecond=0),
            )
        )  # fmt: skip


def commitments_of(book: Book, scope: Scope) -> tuple[Commitment, ...]:
    """Return the commitments of a scope in the order of their numbers.

    A district sees those about itself; about the whole city, only who sees it.

    Raises:
        OfficeError: the book cannot be opened.
    """
    with book.reading() as connection:
        return _read(connection, scope)


def stamp(book: Book) -> str:
    """Return a text that is another one after every entry: part of the key of what is kept drawn.

    Raises:
        OfficeError: the book cannot be opened.
    """
    newest = [sa.select(sa.func.max(table.c.number)).scalar_subquery()
              for table in (commitments, commitment_remarks)]  # fmt: skip
    with book.reading() as connection:
        row = connection.execute(sa.select(*newest)).one()
    return ".".join(str(each or 0) for each in row)


def _read(connection: Connection, scope: Scope) -> tuple[Commitment, ...]:
    statement = sa.select(commitments).order_by(commitments.c.number)
    if scope.units is not None:
        # A unit is named in free text only: nothing tells whose promise it is.
        return ()
    if scope.districts is not None:
        statement = statement.where(commitments.c.district.in_(sorted(scope.districts)))
    rows = connection.execute(statement).mappings().all()
    remarks = connection.execute(
        sa.select(commitment_remarks).order_by(commitment_remarks.c.number)
    ).mappings()
    none: tuple[Verdict | Literal[""], str, str] = ("", "", "")
    verdicts: dict[int, tuple[Verdict | Literal[""], str, str]] = {}
    withdrawn: dict[int, str] = {}
    for each in remarks:
        if each["kind"] == "withdrawn":
            withdrawn[each["commitment"]] = each["note"]
        else:
            verdicts[each["commitment"]] = each["kind"], each["note"], each["account"]
    result = []
    for row in rows:
        verdict, note, account = verdicts.get(row["number"], none)
        result.append(
            Commitment(
                number=row["number"],
                made_on=row["made_on"],
                due_on=row["due_on"],
                by=row["made_by"],
                words=row["words"],
                district=row["district"],
                topic=row["topic"],
                project=row["project"],
                measure=row["measure"],
                goal=float("nan") if row["goal"] is None else row["goal"],
                verdict=verdict,
                verdict_note=note,
                verdict_by=account,
                withdrawn=withdrawn.get(row["number"], ""),
            )
        )
    return tuple(result)
