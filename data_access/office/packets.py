"""Packets (简报) that were settled: kept as they were, whatever is published later."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from data_access.office.book import Book, OfficeError, metadata
from domain.brief import Packet, from_json, to_json
from domain.filters import from_search, to_search
from domain.metrics import INDICATORS
from domain.scope import Scope

packets = sa.Table(
    "packets",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("made_at", sa.DateTime, nullable=False, index=True),
    sa.Column("account", sa.String(60), nullable=False),
    sa.Column("scope", sa.Text, nullable=False),  # JSON: what its maker may see
    # What packets of one row after another have in common: kind of period and filters.
    sa.Column("series", sa.Text, nullable=False),
    sa.Column("starts_on", sa.Date, nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("period", sa.String(120), nullable=False),
    sa.Column("data_version", sa.String(60), nullable=False),
    sa.Column("edits", sa.Integer, nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # JSON of domain.brief
)

_ENTRY = (
    "id", "made_at", "account", "title", "period", "data_version", "edits",
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A packet in the list. ``made_at``: naive, Asia/Shanghai; ``edits``: paragraphs changed."""

    id: str
    made_at: dt.datetime
    account: str
    title: str
    period: str
    data_version: str
    edits: int


@dataclass(frozen=True)
class Kept:
    """A packet as it was settled."""

    entry: Entry
    packet: Packet


def keep_packet(
    book: Book, scope: Scope, packet: Packet, starts_on: dt.date, made_at: dt.datetime,
    account: str = "",
) -> str:  # fmt: skip
    """Keep a packet and return its id, which tells nothing and cannot be guessed.

    Args:
        book: the office book.
        scope: of whoever made it; nobody else's opens it.
        packet: what is kept.
        starts_on: first day of its period: what is "the one before" goes by it.
        made_at: the present, Asia/Shanghai.
        account: who made it; "" where nobody signs in.

    Raises:
        OfficeError: the book cannot be opened.
    """
    identity = secrets.token_hex(8)
    with book.writing() as connection:
        connection.execute(
            packets.insert().values(
                id=identity,
                # SQLite keeps microseconds and PostgreSQL too, but file times know seconds only.
                made_at=made_at.replace(microsecond=0),
                account=account,
                scope=_scope_text(scope),
                series=_series(packet),
                starts_on=starts_on,
                title=packet.title[:200],
                period=packet.period[:120],
                data_version=packet.data_version,
                edits=len(packet.edits),
                content=to_json(packet),
            )
        )
    return identity


def packet_of_id(book: Book, scope: Scope, identity: str) -> Kept | None:
    """Return the packet that an id names; None when there is none for this scope.

    Raises:
        OfficeError: the book cannot be opened, or the packet is of a layout unknown to this code.
    """
    return _one(book, packets.c.id == identity, packets.c.scope == _scope_text(scope))


def packet_before(book: Book, scope: Scope, kept: Kept) -> Kept | None:
    """Return the packet of the period before with the same filters, the newest made of it.

    None when none was kept.
    """
    own = sa.select(packets.c.starts_on).where(packets.c.id == kept.entry.id).scalar_subquery()
    return _one(
        book,
        packets.c.scope == _scope_text(scope),
        packets.c.series == _series(kept.packet),
        packets.c.starts_on < own,
    )


def packets_kept(book: Book, scope: Scope, limit: int = 50) -> list[Entry]:
    """Return the newest packets of a scope, newest first."""
    statement = (
        sa.select(*(packets.c[name] for name in _ENTRY))
        .where(packets.c.scope == _scope_text(scope))
        .order_by(packets.c.made_at.desc(), packets.c.id)
        .limit(limit)
    )
    with book.reading() as connection:
        return [Entry(**row) for row in connection.execute(statement).mappings()]


def _one(book: Book, *where: sa.ColumnElement[bool]) -> Kept | None:
    statement = (
        sa.select(*(packets.c[name] for name in _ENTRY), packets.c.content)
        .where(*where)
        .order_by(packets.c.starts_on.desc(), packets.c.made_at.desc(), packets.c.id)
        .limit(1)
    )
    with book.reading() as connection:
        row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    try:
        packet = from_json(row["content"])
    except ValueError as error:
        raise OfficeError(f"简报 {row['id']} 由其他版本的程序保存，无法打开：{error}") from error
    return Kept(Entry(**{name: row[name] for name in _ENTRY}), packet)


def _scope_text(scope: Scope) -> str:
    if scope.is_whole:
        return ""
    limits = {
        "districts": None if scope.districts is None else sorted(scope.districts),
        "units": None if scope.units is None else sorted(scope.units),
    }
    return json.dumps(limits, ensure_ascii=False)


def _series(packet: Packet) -> str:
    filters = from_search(packet.filters, INDICATORS).filters
    return packet.kind + to_search(filters.shared.narrowed(period="", version=""))
