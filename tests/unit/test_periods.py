"""Periods: the assessment month, like-for-like comparisons, and what is refused."""

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.periods import (
    PeriodError,
    Window,
    last_year_window,
    parse_period,
    period_key,
    previous_window,
    recent_periods,
    weeks_before,
)

CUTOFF = dt.date(2021, 4, 12)
DAY = dt.date


def window_of(key, cutoff=CUTOFF, first_day=19):
    return parse_period(key, cutoff, first_day).window


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("assess-2021-03", DAY(2021, 2, 19), DAY(2021, 3, 18)),
        ("assess-2021-01", DAY(2020, 12, 19), DAY(2021, 1, 18)),
        ("assess-2021-04", DAY(2021, 3, 19), DAY(2021, 4, 12)),
        ("week-2021-W14", DAY(2021, 4, 5), DAY(2021, 4, 11)),
        ("week-2020-W53", DAY(2020, 12, 28), DAY(2021, 1, 3)),
        ("month-2020-02", DAY(2020, 2, 1), DAY(2020, 2, 29)),
        ("quarter-2021-Q1", DAY(2021, 1, 1), DAY(2021, 3, 31)),
        ("year-2020", DAY(2020, 1, 1), DAY(2020, 12, 31)),
        ("days-7", DAY(2021, 4, 6), DAY(2021, 4, 12)),
        ("2021-01-05..2021-01-05", DAY(2021, 1, 5), DAY(2021, 1, 5)),
        ("2021-04-01..2021-12-31", DAY(2021, 4, 1), DAY(2021, 4, 12)),
    ],
)
def test_periods_cover_the_days_they_name(key, start, end):
    assert window_of(key) == Window(start, end)


@pytest.mark.parametrize(
    "key",
    [
        "", "x", "assess-2021-13", "assess-2021-00", "week-2021-W53", "week-2021-W00",
        "month-2021-13", "quarter-2021-Q5", "year-0001", "days-0", "days-9999",
        "2021-02-30..2021-03-01", "2021-03-02..2021-03-01", "1900-01-01..2021-01-01",
        "assess-2021-06", "2021-04-13..2021-04-14", "month-2021-4", "２０２１-01-01..2021-03-01",
    ],
)  # fmt: skip
def test_nonsense_and_the_future_are_refused(key):
    with pytest.raises(PeriodError):
        parse_period(key, CUTOFF, 19)


def test_finished_period_is_compared_with_the_whole_period_before():
    period = parse_period("assess-2021-03", CUTOFF, 19)
    assert period.finished
    assert previous_window(period, 19) == Window(DAY(2021, 1, 19), DAY(2021, 2, 18))
    assert last_year_window(period) == Window(DAY(2020, 2, 19), DAY(2020, 3, 18))


def test_unfinished_period_is_compared_like_for_like():
    period = parse_period("assess-2021-04", CUTOFF, 19)
    assert not period.finished
    assert "未结束" in period.label
    before = previous_window(period, 19)
    assert before == Window(DAY(2021, 2, 19), DAY(2021, 3, 15))
    assert before.days == period.window.days == 25


def test_elapsed_days_never_run_past_the_previous_period():
    period = parse_period("month-2021-03", DAY(2021, 3, 30), 19)
    assert previous_window(period, 19) == Window(DAY(2021, 2, 1), DAY(2021, 2, 28))


def test_week_of_last_year_has_the_same_weekdays():
    period = parse_period("week-2021-W14", CUTOFF, 19)
    year_ago = last_year_window(period)
    assert year_ago.start.weekday() == 0
    assert year_ago.start.isocalendar().week == 15  # 2020 had 53 weeks
    assert year_ago.days == 7


def test_29_february_becomes_the_28th():
    period = parse_period("2020-02-01..2020-02-29", CUTOFF, 19)
    assert last_year_window(period).end == DAY(2019, 2, 28)


def test_the_nineteenth_belongs_to_next_month():
    assert period_key("assess", DAY(2021, 3, 18), 19) == "assess-2021-03"
    assert period_key("assess", DAY(2021, 3, 19), 19) == "assess-2021-04"
    assert period_key("assess", DAY(2021, 12, 19), 19) == "assess-2022-01"
    assert period_key("assess", DAY(2021, 3, 31), 1) == "assess-2021-03"


@given(
    st.sampled_from(["assess", "week", "month", "quarter", "year"]),
    st.dates(DAY(1990, 1, 1), DAY(2100, 1, 1)),
    st.integers(1, 28),
)
def test_every_day_is_in_its_period_and_the_one_before_ends_the_day_before(kind, day, first_day):
    period = parse_period(period_key(kind, day, first_day), day, first_day)
    assert period.window.start <= day <= period.whole.end
    eve = period.whole.start - dt.timedelta(days=1)
    before = parse_period(period_key(kind, eve, first_day), eve, first_day)
    assert before.whole.end == eve


def test_recent_periods_join_without_gap_newest_first():
    periods = recent_periods("assess", CUTOFF, DAY(2020, 1, 1), 19)
    assert periods[0].key == "assess-2021-04"
    assert periods[-1].key == "assess-2020-01"
    for newer, older in itertools.pairwise(periods):
        assert older.whole.end + dt.timedelta(days=1) == newer.whole.start


def test_weeks_end_with_the_unfinished_one():
    weeks = weeks_before(CUTOFF, CUTOFF, 13)
    assert len(weeks) == 13
    assert weeks[-1] == Window(DAY(2021, 4, 12), DAY(2021, 4, 12))
    assert all(week.days == 7 for week in weeks[:-1])


def test_labels():
    assert Window(DAY(2021, 2, 19), DAY(2021, 3, 18)).label == "2021.2.19–3.18"
    assert Window(DAY(2020, 12, 19), DAY(2021, 1, 18)).label == "2020.12.19–2021.1.18"
    assert parse_period("assess-2021-03", CUTOFF, 19).label == "2021年3月考核期（2021.2.19–3.18）"
