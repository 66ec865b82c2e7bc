"""Settled packets in the office book: kept as they were, for those who may see them."""

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa

from data_access.office.book import OfficeError, metadata, open_book
from data_access.office.packets import (
    keep_packet,
    packet_before,
    packet_of_id,
    packets,
    packets_kept,
)
from domain.brief import Packet, Paragraph, Section, edited, to_json
from domain.scope import CITY, Scope

NOON = dt.datetime(2021, 4, 12, 12, 0, 0, 123456)
EAST = Scope(districts=frozenset({"110101"}))


@pytest.fixture
def book(settings):
    opened = open_book(settings.model_copy(update={"office_url": settings.database_url}))
    opened.upgrade()
    yield opened
    opened.close()


def packet(week, more=""):
    section = Section("overall", "总体情况", (Paragraph("overall.1", ("受理 5 件。",)),))
    return Packet(
        "北京市接诉即办周报", "北京市", "week", f"week-2021-W{week}", f"2021年第{week}周",
        "数据截至 2021-04-12", "考核口径", "默认-2025", "demo.1", True,
        f"?period=week-2021-W{week}{more}&version=demo.1", (("范围", "全市"),), (section,),
    )  # fmt: skip


def monday(week):
    return dt.date.fromisocalendar(2021, week, 1)


def kept(book, week, scope=CITY, more="", made_at=NOON):
    return keep_packet(book, scope, packet(week, more), monday(week), made_at, "writer")


def test_a_packet_opens_as_it_was_settled(book):
    settled = edited(packet(14), {"overall.1": "受理五件。"})
    identity = keep_packet(book, CITY, settled, monday(14), NOON, "writer")
    found = packet_of_id(book, CITY, identity)
    assert to_json(found.packet) == to_json(settled)
    assert found.entry.made_at == NOON.replace(microsecond=0)
    assert (found.entry.account, found.entry.edits, found.entry.data_version) == (
        "writer", 1, "demo.1",
    )  # fmt: skip


def test_nobody_of_another_scope_finds_it(book):
    identity = kept(book, 14)
    own = kept(book, 14, EAST)
    assert packet_of_id(book, EAST, identity) is None
    assert packet_of_id(book, CITY, own) is None
    assert packet_of_id(book, Scope(units=frozenset({"110101"})), own) is None
    assert [each.id for each in packets_kept(book, EAST)] == [own]
    assert [each.id for each in packets_kept(book, CITY)] == [identity]
    later = packet_of_id(book, CITY, kept(book, 15))
    assert packet_before(book, EAST, later).entry.id == own
    assert packet_before(book, CITY, later).entry.id == identity


@pytest.mark.parametrize("text", ["", "0", "' OR 1=1 --", "é" * 50])
def test_an_unknown_id_finds_nothing(book, text):
    kept(book, 14)
    assert packet_of_id(book, CITY, text) is None


def test_the_list_has_the_newest_first(book):
    hours = [kept(book, 10 + hour, made_at=NOON + dt.timedelta(hours=hour)) for hour in range(4)]
    assert [each.id for each in packets_kept(book, CITY, 3)] == hours[:0:-1]


def test_the_packet_before_is_that_of_the_period_before_with_the_same_filters(book):
    first, again = kept(book, 13), kept(book, 13, made_at=NOON + dt.timedelta(hours=1))
    kept(book, 13, more="&district=110105")
    kept(book, 12)
    now = packet_of_id(book, CITY, kept(book, 15, made_at=NOON - dt.timedelta(days=9)))
    kept(book, 15)
    assert packet_before(book, CITY, now).entry.id == again != first
    assert packet_before(book, CITY, packet_of_id(book, CITY, kept(book, 12))) is None


def test_a_packet_of_another_layout_is_refused_not_half_read(book):
    identity = kept(book, 14)
    with book.writing() as connection:
        connection.execute(packets.update().values(content='{"layout": 99}'))
    with pytest.raises(OfficeError, match=identity):
        packet_of_id(book, CITY, identity)


def test_the_migration_leads_to_the_table(book):
    with book.reading() as connection:
        columns = {each["name"]: each for each in sa.inspect(connection).get_columns("packets")}
        indexes = {each["name"] for each in sa.inspect(connection).get_indexes("packets")}
    table = metadata.tables["packets"]
    assert set(columns) == {column.name for column in table.columns}
    assert {name: each["nullable"] for name, each in columns.items()} == {
        column.name: column.nullable for column in table.columns
    }
    assert indexes == {index.name for index in table.indexes}


def test_long_titles_fit(book):
    long = dataclasses.replace(packet(14), title="长" * 900, period="长" * 900)
    identity = keep_packet(book, CITY, long, monday(14), NOON)
    assert packet_of_id(book, CITY, identity).packet.title == "长" * 900
