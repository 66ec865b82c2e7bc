"""Targets against their timetable: the published example, every status, the honest range."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rules import Rules
from domain.schedule import (
    ATTENTION,
    DAYS_IN_MONTH,
    STATUS_WORDS,
    Figures,
    Forecast,
    Stage,
    Status,
    Target,
    forecast,
    known_at,
    stage,
    standing,
    weekly_increments,
)

RULES = Rules()
NAN = float("nan")
CERTIFICATES = Target(
    "2021-01-1", "2021-01", "办理不动产权证书", "套", 100_000, 570_000,
    dt.date(2021, 1, 1), dt.date(2021, 12, 31),
)  # fmt: skip
PUBLISHED = [
    (dt.date(2021, 3, 31), 24_000.0),
    (dt.date(2021, 5, 31), 50_000.0),
    (dt.date(2021, 6, 30), 69_800.0),
    (dt.date(2021, 11, 30), 168_000.0),
]


def test_the_published_example_to_the_digit() -> None:
    now = standing(CERTIFICATES, PUBLISHED, dt.date(2021, 3, 31), RULES)
    assert now.on_date == dt.date(2021, 3, 31)
    assert now.completion == pytest.approx(0.24)
    assert now.of_stock == pytest.approx(24 / 570)
    assert round(100 * now.scheduled, 2) == 24.66
    assert round(100 * now.gap, 1) == -0.7
    assert now.remaining == 76_000
    assert now.days_left == 275
    assert round(now.required_pace * DAYS_IN_MONTH / 10_000, 2) == 0.84
    assert round(now.pace * DAYS_IN_MONTH / 10_000, 2) == 0.81
    assert round(100 * now.speed_up, 1) == 3.6
    assert round(now.straight_line / 10_000, 2) == 9.73
    assert round(now.shortfall / 10_000, 2) == 0.27
    assert now.status == "behind"


@pytest.mark.parametrize(
    ("day", "completion", "scheduled", "status"),
    [
        # Day 151 and 181 of 365; planned 41.37 and 49.59 %.
        (dt.date(2021, 5, 31), 0.5, 151 / 365, "ahead"),
        (dt.date(2021, 6, 30), 0.698, 181 / 365, "ahead"),
        (dt.date(2021, 11, 30), 1.68, 334 / 365, "done"),
    ],
)
def test_the_same_question_later(
    day: dt.date, completion: float, scheduled: float, status: Status
) -> None:
    now = standing(CERTIFICATES, PUBLISHED, day, RULES)
    assert now.completion == pytest.approx(completion)
    assert now.scheduled == pytest.approx(scheduled)
    assert now.gap == pytest.approx(completion - scheduled)
    # The red of March is more than four weeks ago.
    assert now.status == status
    if status == "done":
        assert (now.remaining, now.shortfall) == (0, 0)
        assert now.required_pace == 0


def test_judged_by_the_day_of_the_figure_not_of_the_look() -> None:
    early = standing(CERTIFICATES, PUBLISHED, dt.date(2021, 3, 31), RULES)
    late = standing(CERTIFICATES, PUBLISHED, dt.date(2021, 4, 12), RULES)
    assert (late.scheduled, late.gap, late.speed_up) == (
        early.scheduled, early.gap, early.speed_up,
    )  # fmt: skip
    assert known_at(PUBLISHED, dt.date(2021, 5, 30)) == PUBLISHED[:1]


def planned_slowly(target: Target, on: dt.date) -> float:
    """Count the plan day by day."""
    day, value = target.start_on - dt.timedelta(days=1), 0.0
    points = [*target.plan]
    if not points or points[-1][0] < target.due_on:
        points.append((target.due_on, target.value))
    for until, planned in points:
        days = (until - day).days
        step = (planned - value) / days
        for _ in range(days):
            if day >= on:
                return value
            day += dt.timedelta(days=1)
            value += step
        value = planned
    return value


@given(
    days=st.integers(0, 500),
    plan=st.dictionaries(st.integers(5, 300), st.floats(0, 1000), max_size=4),
)
def test_the_plan_equals_a_count_day_by_day(days: int, plan: dict[int, float]) -> None:
    start = dt.date(2021, 1, 1)
    values = sorted(plan.values())
    points = tuple(
        (start + dt.timedelta(days=day), value)
        for day, value in zip(sorted(plan), values, strict=True)
    )
    target = dataclasses.replace(CERTIFICATES, value=1000, plan=points)
    on = start + dt.timedelta(days=days)
    assert target.planned(on) == pytest.approx(planned_slowly(target, on), abs=1e-6)


def figures_at(gap_points: float, day: dt.date = dt.date(2021, 4, 11)) -> Figures:
    """Return one figure so many points from the plan."""
    return [(day, CERTIFICATES.planned(day) + gap_points * 1000)]


@pytest.mark.parametrize(
    ("gap", "status"),
    [
        (-0.51, "behind"), (-0.49, "on_schedule"), (0.0, "on_schedule"),
        (4.99, "on_schedule"), (5.01, "ahead"),
    ],
)  # fmt: skip
def test_both_sides_of_each_threshold(gap: float, status: Status) -> None:
    assert standing(CERTIFICATES, figures_at(gap), dt.date(2021, 4, 12), RULES).status == status


def test_a_red_stays_in_memory_for_four_weeks() -> None:
    slow = dt.date(2021, 3, 14)
    figures = [*figures_at(-3, slow), *figures_at(0, slow + dt.timedelta(weeks=1))]

    def status(days: int) -> Status:
        return standing(CERTIFICATES, figures, slow + dt.timedelta(days=days), RULES).status

    assert status(6) == "behind"
    assert [status(7), status(27)] == ["recovering", "recovering"]
    assert status(28) == "on_schedule"


def test_how_long_it_has_been_late() -> None:
    weeks = [dt.date(2021, 2, 7) + dt.timedelta(weeks=week) for week in range(6)]
    gaps = [-2, 1, -1, -3, -4, -2]
    figures = [
        figure for day, gap in zip(weeks, gaps, strict=True) for figure in figures_at(gap, day)
    ]
    assert standing(CERTIFICATES, figures, weeks[-1], RULES).late_since == weeks[2]
    assert standing(CERTIFICATES, figures, weeks[1], RULES).late_since is None


def test_of_an_old_figure_only_the_days_that_remain_are_known() -> None:
    figures = weekly([1000.0 * week for week in range(1, 9)])  # to 2021-02-21
    as_of = dt.date(2021, 11, 30)
    now = standing(CERTIFICATES, figures, as_of, RULES)
    assert (now.status, now.is_old, now.days_left) == ("stale", True, 31)
    assert now.required_pace == pytest.approx(92_000 / 31)
    assert math.isnan(now.speed_up)
    assert math.isnan(now.straight_line)
    assert math.isnan(now.shortfall)
    assert forecast(CERTIFICATES, figures, as_of, RULES) == Forecast("withheld", reason="久未更新")
    # Whoever answers for it.
    assert standing(CERTIFICATES, figures, as_of, RULES, has_lead=False).is_old
    assert not standing(CERTIFICATES, figures, figures[-1][0], RULES).is_old
    done = standing(CERTIFICATES, [(dt.date(2021, 2, 1), 1e5)], as_of, RULES)
    assert (done.status, done.is_old) == ("done", False)


@pytest.mark.parametrize(
    ("day", "status", "left"),
    [(dt.date(2021, 3, 30), "behind", 3), (dt.date(2021, 3, 31), "behind", 0),
     (dt.date(2021, 4, 1), "overdue", 0)],
)  # fmt: skip
def test_the_due_day_is_the_last_one_and_not_past(day: dt.date, status: Status, left: int) -> None:
    short = dataclasses.replace(CERTIFICATES, due_on=dt.date(2021, 3, 31))
    now = standing(short, [(dt.date(2021, 3, 28), 24_000.0)], day, RULES)
    assert (now.status, now.days_left) == (status, left)
    assert math.isnan(now.speed_up) == (left == 0)


def test_what_was_reached_late_stays_late() -> None:
    short = dataclasses.replace(CERTIFICATES, value=20_000, due_on=dt.date(2021, 3, 31))
    figures = [(dt.date(2021, 3, 28), 19_000.0), (dt.date(2021, 5, 30), 20_000.0),
               (dt.date(2021, 6, 30), 21_000.0)]  # fmt: skip
    now = standing(short, figures, dt.date(2021, 7, 1), RULES)
    assert (now.status, now.reached_on, now.days_late) == ("done", dt.date(2021, 5, 30), 60)
    assert standing(short, figures[:1], dt.date(2021, 3, 28), RULES).reached_on is None
    in_time = dataclasses.replace(short, due_on=dt.date(2021, 5, 30))
    assert standing(in_time, figures, dt.date(2021, 7, 1), RULES).days_late == 0
    # Corrected below the target and reached again: only the second time counts.
    again = [(dt.date(2021, 3, 1), 20_000.0), (dt.date(2021, 3, 8), 18_000.0), *figures[1:]]
    assert standing(short, again, dt.date(2021, 7, 1), RULES).days_late == 60


def test_a_plan_that_accelerates_is_what_the_pace_is_compared_with() -> None:
    plan = ((dt.date(2021, 6, 30), 20_000.0), (dt.date(2021, 12, 31), 100_000.0))
    planned = dataclasses.replace(CERTIFICATES, plan=plan)
    day = dt.date(2021, 6, 30)
    now = standing(planned, [(day, 20_000.0)], day, RULES)
    assert now.status == "on_schedule"
    assert now.required_pace == now.plan_pace == pytest.approx(80_000 / 184)
    assert now.is_accelerating
    assert now.on_plan
    slow = standing(planned, [(day, 10_000.0)], day, RULES)
    assert (slow.status, slow.on_plan, slow.is_accelerating) == ("behind", False, True)
    straight = standing(CERTIFICATES, [(day, 60_000.0)], day, RULES)
    assert math.isnan(straight.plan_pace)
    assert not straight.is_accelerating
    assert not straight.on_plan
    even = dataclasses.replace(CERTIFICATES, plan=((dt.date(2021, 12, 31), 100_000.0),))
    assert not standing(even, [(day, 60_000.0)], day, RULES).is_accelerating


@pytest.mark.parametrize(("age", "status"), [(35, "behind"), (36, "stale")])
def test_an_old_figure_outranks_its_colour(age: int, status: Status) -> None:
    day = dt.date(2021, 3, 31)
    as_of = day + dt.timedelta(days=age)
    assert standing(CERTIFICATES, PUBLISHED[:1], as_of, RULES).status == status


def test_what_nobody_answers_for_outranks_red() -> None:
    as_of = dt.date(2021, 4, 1)
    assert standing(CERTIFICATES, PUBLISHED, as_of, RULES, has_lead=False).status == "no_lead"
    aimless = dataclasses.replace(CERTIFICATES, value=NAN)
    now = standing(aimless, PUBLISHED, as_of, RULES)
    assert now.status == "no_target"
    assert math.isnan(now.completion)
    assert math.isnan(now.gap)
    order = [*STATUS_WORDS]
    for unanswered in ("no_lead", "no_target", "stale"):
        assert order.index(unanswered) < order.index("overdue") < order.index("on_schedule")
    assert sorted(ATTENTION.values()) == list(range(len(order)))


def test_due_and_not_reached_is_overdue_and_no_figure_is_no_data() -> None:
    short = dataclasses.replace(CERTIFICATES, due_on=dt.date(2021, 3, 31))
    assert standing(short, PUBLISHED[:1], dt.date(2021, 3, 31), RULES).status == "behind"
    assert standing(short, PUBLISHED[:1], dt.date(2021, 4, 1), RULES).status == "overdue"
    assert math.isnan(standing(short, PUBLISHED[:1], dt.date(2021, 4, 1), RULES).required_pace)
    assert standing(CERTIFICATES, [], dt.date(2021, 4, 1), RULES).status == "no_data"
    assert standing(CERTIFICATES, [], dt.date(2020, 12, 1), RULES).status == "pending"


@pytest.mark.parametrize(
    ("direction", "actual", "as_of", "status"),
    [
        ("down", 15.0, dt.date(2021, 4, 12), "met"),
        ("down", 15.01, dt.date(2021, 4, 12), "missed"),
        ("down", 16.0, dt.date(2022, 1, 1), "overdue"),
        ("up", 15.0, dt.date(2021, 4, 12), "met"),
        ("up", 14.99, dt.date(2021, 4, 12), "missed"),
    ],
)
def test_a_level_is_met_or_missed(
    direction: Literal["up", "down"], actual: float, as_of: dt.date, status: Status
) -> None:
    level = dataclasses.replace(
        CERTIFICATES, value=15, stock=NAN, direction=direction, cumulative=False
    )
    now = standing(level, [(as_of - dt.timedelta(days=1), actual)], as_of, RULES)
    assert now.status == status
    assert math.isnan(now.scheduled)
    assert forecast(level, [(as_of, actual)], as_of, RULES).reason == "不是累计目标"


def weekly(values: list[float], first: dt.date = dt.date(2021, 1, 3)) -> list:
    return [(first + dt.timedelta(weeks=week), value) for week, value in enumerate(values)]


def test_increments_by_week_spread_over_gaps() -> None:
    assert list(weekly_increments(weekly([10, 30, 30, 60]))) == [20, 0, 30]
    gap = [(dt.date(2021, 1, 3), 0.0), (dt.date(2021, 1, 24), 30.0), (dt.date(2021, 1, 31), 31.0)]
    assert list(weekly_increments(gap)) == pytest.approx([10, 10, 10, 1])


def test_no_forecast_without_enough_points_or_need() -> None:
    as_of = dt.date(2021, 3, 1)
    seven = weekly([1000.0 * week for week in range(1, 8)])
    assert forecast(CERTIFICATES, seven, as_of, RULES) == Forecast("withheld", reason="进度不足8期")
    eight = weekly([1000.0 * week for week in range(1, 9)])
    assert forecast(CERTIFICATES, eight, as_of, RULES).chance != "withheld"
    close = [(dt.date(2021, 1, 1) + dt.timedelta(days=day), 1.0 * day) for day in range(9)]
    assert forecast(CERTIFICATES, close, close[-1][0], RULES).reason == "进度不足8周"
    done = weekly([*range(8), 100_000])
    assert forecast(CERTIFICATES, done, as_of, RULES).reason == "目标已完成"
    over = dataclasses.replace(CERTIFICATES, due_on=dt.date(2021, 2, 28))
    assert forecast(over, eight, as_of, RULES).reason == "已过期限"
    assert forecast(over, eight, dt.date(2021, 2, 28), RULES).reason == "当日到期"
    assert forecast(over, eight, dt.date(2021, 2, 27), RULES).chance != "withheld"
    aimless = dataclasses.replace(CERTIFICATES, value=NAN)
    assert forecast(aimless, eight, as_of, RULES).reason == "无目标值"


def test_an_even_pace_leads_straight_to_the_end() -> None:
    figures = weekly([2_000.0 * week for week in range(1, 14)])
    as_of = figures[-1][0]
    ahead = forecast(CERTIFICATES, figures, as_of, RULES)
    weeks = (CERTIFICATES.due_on - as_of).days / 7
    expected = 26_000 + 2_000 * weeks
    assert (ahead.low, ahead.median, ahead.high) == pytest.approx((expected,) * 3)
    # 100,000 is 37 weeks after 26,000.
    assert ahead.reached_median == ahead.reached_early == as_of + dt.timedelta(weeks=37)
    assert (ahead.chance, ahead.probability) == ("safe", 1.0)
    slow = forecast(dataclasses.replace(CERTIFICATES, value=200_000), figures, as_of, RULES)
    assert (slow.chance, slow.probability) == ("hard", 0.0)
    stopped = forecast(CERTIFICATES, weekly([500.0] * 13), dt.date(2021, 4, 1), RULES)
    assert (stopped.reached_early, stopped.chance) == (None, "hard")
    assert stopped.high == 500


def test_the_same_figures_give_the_same_range_and_the_future_is_not_seen() -> None:
    random = np.random.default_rng(5)
    figures = weekly(list(np.cumsum(random.gamma(1, 2000, 40))))
    as_of = figures[15][0]
    assert forecast(CERTIFICATES, figures, as_of, RULES) == forecast(
        CERTIFICATES, figures[:16], as_of, RULES
    )


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
def test_the_range_holds_what_it_says(shape: float) -> None:
    # Lumpy increments (gamma, the smaller the shape the lumpier), 13 weeks known, 38 to come.
    held, trials = 0, 300
    random = np.random.default_rng(int(10 * shape))
    for _ in range(trials):
        path = np.cumsum(random.gamma(shape, 1.0, 52))
        target = dataclasses.replace(CERTIFICATES, value=1e9, due_on=dt.date(2021, 12, 26))
        figures = weekly(list(path[:14]))
        ahead = forecast(target, figures, figures[-1][0], RULES)
        weeks = (target.due_on - figures[-1][0]).days // 7
        held += ahead.low <= path[13 + weeks] <= ahead.high
    assert 0.70 <= held / trials <= 0.88, held / trials


@pytest.mark.parametrize(
    ("launched", "closed", "statuses", "rising", "expected"),
    [
        (dt.date(2021, 5, 1), None, ["pending"], False, "coming"),
        (dt.date(2021, 5, 1), None, ["behind"], False, "coming"),
        (dt.date(2021, 5, 1), None, ["done"], False, "routine"),
        (dt.date(2021, 4, 1), None, ["behind"], False, "launch"),
        (dt.date(2021, 3, 15), None, ["behind"], False, "push"),
        (None, None, ["behind", "done"], False, "push"),
        (dt.date(2021, 1, 1), None, ["done", "met"], False, "routine"),
        (dt.date(2021, 1, 1), dt.date(2021, 4, 1), ["done"], False, "closed"),
        (dt.date(2021, 1, 1), dt.date(2021, 4, 1), ["done"], True, "rebound"),
        (dt.date(2021, 1, 1), dt.date(2021, 5, 1), ["behind"], True, "push"),
    ],
)
def test_lifecycle(
    launched: dt.date | None,
    closed: dt.date | None,
    statuses: list[Status],
    rising: bool,
    expected: Stage,
) -> None:
    as_of = dt.date(2021, 4, 12)
    assert stage(launched, closed, statuses, rising, as_of, RULES) == expected
