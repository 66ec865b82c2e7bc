"""Dates and times in every notation that exports use."""

import datetime as dt

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_access.loading.times import day_only_sql, time_sql

MOMENT = dt.datetime(2021, 4, 1, 9, 5)


def read(text, formats=()):
    statement = f"SELECT {time_sql('x', formats)} FROM (SELECT ?::VARCHAR AS x)"
    return duckdb.execute(statement, [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    "text",
    [
        "2021-04-01 09:05:00",
        "2021-4-1 9:05",
        "2021/04/01 09:05:00",
        "2021/4/1 9:05",
        "2021.4.1 9:05",
        "2021年4月1日 9:05",
        "2021年04月01日09时05分00秒",
        "2021年4月1日9点5分",
        "2021-04-01 09：05",
        "2021/4/1 上午 9:05:00",
        "20210401090500",
        "202104010905",
        "2021-04-01T09:05:00",
        "2021-04-01T09:05:00.000",
        "2021-04-01 09:05:00.999999",
        "2021-04-01T01:05:00Z",
        "2021-04-01T01:05:00+00:00",
        "2021-04-01 09:05:00+08",
        "2021-03-31T20:05:00-0500",
        "2021-04-01 06:35+05:30",
    ],
)
def test_a_moment_in_every_notation(text):
    assert read(text) == MOMENT


@pytest.mark.parametrize(
    "text", ["2021-04-01", "2021/4/1", "2021年4月1日", "20210401", "2021.4.1", "2021年4月1号"]
)
def test_a_day_in_every_notation(text):
    assert read(text) == dt.datetime(2021, 4, 1)
    statement = f"SELECT {day_only_sql('x')} FROM (SELECT ?::VARCHAR AS x)"
    assert duckdb.execute(statement, [text]).fetchall() == [(True,)]


def test_afternoon_and_the_end_of_a_day():
    assert read("2021/4/1 下午 3:05") == dt.datetime(2021, 4, 1, 15, 5)
    assert read("2021-04-01 24:00:00") == dt.datetime(2021, 4, 2)


@pytest.mark.parametrize(
    "text",
    ["1/4/2021", "04/01/2021", "44287", "2021-02-30", "2021-13-01", "已办结", "2021", "12:30"],
)
def test_what_is_ambiguous_or_no_date_is_not_guessed(text):
    assert read(text) is None


def test_formats_of_the_mapping():
    assert read("1/4/2021", ["%d/%m/%Y"]) == dt.datetime(2021, 4, 1)
    assert read("2021-04-01", ["%d/%m/%Y"]) == dt.datetime(2021, 4, 1)
    assert read("44287.5", ["excel"]) == dt.datetime(2021, 4, 1, 12)
    assert read("44287", ["excel"]) == dt.datetime(2021, 4, 1)


@given(st.text(max_size=40))
def test_no_text_breaks_the_expression(text):
    moment = read(text.replace("\0", ""))
    assert moment is None or isinstance(moment, dt.datetime)


@given(
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2099, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    )
)
def test_what_python_writes_is_read_back(moment):
    assert read(str(moment)) == moment
    assert read(moment.isoformat()) == moment
    assert read(moment.strftime("%Y%m%d%H%M%S")) == moment
