"""The book of commitments: nothing changes once entered, and nobody reads beyond his scope."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from data_access.office import commitments as office
from data_access.office.book import Book, open_book
from data_access.settings import Settings
from domain.commitments import Commitment, CommitmentError
from domain.scope import CITY, NOTHING, Scope

NOW = dt.datetime(2021, 4, 12, 9, 30, 15, 123)
CHANGPING, HAIDIAN = "110114", "110108"


@pytest.fixture
def book(settings: Settings) -> Iterator[Book]:
    """Give an empty book, once on each engine."""
    own = settings.model_copy(update={"office_url": settings.database_url})
    book = open_book(own)
    book.upgrade()
    yield book
    book.close()


PLAIN = Commitment(
    0,
    dt.date(2021, 4, 12),
    dt.date(2021, 6, 30),
    by="昌平区",
    words="办证1万套",
    district=CHANGPING,
)


def promise(**fields: Any) -> Commitment:
    return dataclasses.replace(PLAIN, **fields)


def test_what_was_entered_comes_back(book: Book) -> None:
    entered = promise(
        topic="2021-01", measure="T1", goal=10_000.0, words=" '); DROP TABLE x -- <b>"
    )
    number = office.add_commitment(book, entered, "duban", NOW)
    (kept,) = office.commitments_of(book, CITY)
    assert kept == dataclasses.replace(entered, number=number, words="'); DROP TABLE x -- <b>")
    second = office.add_commitment(book, promise(), "duban", NOW)
    assert second > number
    assert math.isnan(office.commitments_of(book, CITY)[1].goal)


def test_what_is_no_commitment_is_not_entered(book: Book) -> None:
    with pytest.raises(CommitmentError):
        office.add_commitment(book, promise(words=""), "duban", NOW)
    assert office.commitments_of(book, CITY) == ()


def test_a_verdict_stays_with_its_name_and_the_newest_holds(book: Book) -> None:
    number = office.add_commitment(book, promise(), "duban", NOW)
    office.remark(book, CITY, number, "broken", "未见方案", "duban", NOW)
    office.remark(book, CITY, number, "kept", "方案已报送", "chuzhang", NOW)
    (kept,) = office.commitments_of(book, CITY)
    assert (kept.verdict, kept.verdict_note, kept.verdict_by) == ("kept", "方案已报送", "chuzhang")
    with book.reading() as connection:
        lines = connection.execute(sa.select(office.commitment_remarks)).all()
    assert [(line.kind, line.account) for line in lines] == [
        ("broken", "duban"), ("kept", "chuzhang"),
    ]  # fmt: skip


def test_a_figure_is_not_overruled(book: Book) -> None:
    number = office.add_commitment(book, promise(measure="resolution", goal=0.9), "duban", NOW)
    with pytest.raises(CommitmentError, match="人工认定"):
        office.remark(book, CITY, number, "kept", "看着不错", "duban", NOW)
    office.remark(book, CITY, number, "withdrawn", "误录", "duban", NOW)
    (gone,) = office.commitments_of(book, CITY)
    assert (gone.withdrawn, gone.verdict) == ("误录", "")
    with pytest.raises(CommitmentError, match="已撤回"):
        office.remark(book, CITY, number, "withdrawn", "再撤", "duban", NOW)


@pytest.mark.parametrize("note", ["", "  ", "长" * 401])
def test_a_remark_needs_a_reason(book: Book, note: str) -> None:
    number = office.add_commitment(book, promise(), "duban", NOW)
    with pytest.raises(CommitmentError, match="理由"):
        office.remark(book, CITY, number, "kept", note, "duban", NOW)


def test_a_district_sees_its_own_only(book: Book) -> None:
    own = office.add_commitment(book, promise(), "duban", NOW)
    other = office.add_commitment(book, promise(district=HAIDIAN, by="海淀区"), "duban", NOW)
    office.add_commitment(book, promise(district=""), "duban", NOW)
    scope = Scope(districts=frozenset({CHANGPING}))
    assert [each.number for each in office.commitments_of(book, scope)] == [own]
    assert office.commitments_of(book, NOTHING) == ()
    assert office.commitments_of(book, Scope(units=frozenset({"u1"}))) == ()
    with pytest.raises(CommitmentError, match="没有这条"):
        office.remark(book, scope, other, "kept", "越权", "changping", NOW)
    assert len(office.commitments_of(book, CITY)) == 3


def test_the_stamp_changes_with_every_entry(book: Book) -> None:
    seen = [office.stamp(book)]
    number = office.add_commitment(book, promise(), "duban", NOW)
    seen.append(office.stamp(book))
    office.remark(book, CITY, number, "kept", "已办", "duban", NOW)
    seen.append(office.stamp(book))
    assert len(set(seen)) == 3


def test_the_book_is_not_endless(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office, "MOST", 1)
    office.add_commitment(book, promise(), "duban", NOW)
    with pytest.raises(CommitmentError, match="已满"):
        office.add_commitment(book, promise(), "duban", NOW)
