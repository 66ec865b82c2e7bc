"""Counts side by side: order, gaps, maturity, totals, people per district."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from domain.comparison import (
    aligned,
    group_rows,
    measured,
    of_window,
    per_ten_thousand,
    weekly_estimates,
    weeks_by_group,
)
from domain.metrics import METRICS, estimate, total
from domain.outcomes import COUNT_COLUMNS
from domain.periods import weeks_before
from domain.rules import Rules

RULES = Rules()
RESOLUTION, VOLUME, ON_TIME = METRICS["resolution"], METRICS["volume"], METRICS["on_time"]
CUTOFF = dt.date(2021, 4, 14)  # a Wednesday: the last week is cut
WEEKS = weeks_before(CUTOFF, CUTOFF, 4)


def counts_of(*rows, **columns):
    frame = pd.DataFrame([dict.fromkeys(COUNT_COLUMNS, 0) | row for row in rows])
    for name, values in columns.items():
        frame.insert(0, name, values)
    return frame


def week(place, **counts):
    return {"week_start": WEEKS[place].start} | counts


def test_aligned_follows_the_groups_and_fills_with_zeros():
    rows = counts_of({"cases": 3}, {"cases": 5}, {"cases": 7}, code=["c", "a", ""])
    groups = pd.DataFrame({"code": ["a", "b", "c"]})
    counts = aligned(rows, groups)
    assert list(counts["cases"]) == [5, 0, 3]
    assert list(counts.columns) == list(COUNT_COLUMNS)
    assert list(counts.index) == [0, 1, 2]
    assert (counts.dtypes == "int64").all()
    assert list(aligned(rows.iloc[:0], groups)["cases"]) == [0, 0, 0]


def test_of_window_keeps_only_that_window():
    rows = counts_of({"cases": 1}, {"cases": 2}, {"cases": 3}, window=["now", "year", "now"])
    assert list(of_window(rows, "now")["cases"]) == [1, 3]
    assert of_window(rows, "previous").empty


def test_measured_carries_every_comparison_by_name():
    row = {"cases": 4_000, "mature": 4_000, "revisits": 2_000, "resolved": 1_600}
    now = counts_of(row, {"cases": 3, "mature": 3})
    better = counts_of(row | {"resolved": 1_700}, {"cases": 3, "mature": 3})
    same = counts_of(row, {"cases": 3, "mature": 3})
    first, second = measured(RESOLUTION, now, {"环比": (better, 28), "同比": (same, 28)}, RULES, 28)
    assert (first.value, first.n) == (0.8, 2_000)
    assert first.low < 0.8 < first.high
    assert first.changes["环比"].direction == "down"
    assert first.changes["环比"].amount == pytest.approx(-5)
    assert first.changes["同比"].direction == "flat"
    assert math.isnan(second.value)
    assert second.n == 0
    assert second.changes["环比"].direction == "withheld"
    assert second.changes["环比"].reason == "本期无有效回访"


def test_counts_are_compared_by_the_days_of_each_window():
    now, before = counts_of({"cases": 2_000}), counts_of({"cases": 4_000})
    (half_the_days,) = measured(VOLUME, now, {"环比": (before, 28)}, RULES, 14)
    assert half_the_days.changes["环比"].direction == "flat"
    (same_days,) = measured(VOLUME, now, {"环比": (before, 28)}, RULES, 28)
    assert same_days.changes["环比"].direction == "down"
    assert same_days.changes["环比"].amount == pytest.approx(-50)


# --- Weeks --------------------------------------------------------------------------------------


def test_every_week_has_a_point_and_rows_of_one_week_are_summed():
    rows = pd.concat(
        [
            counts_of({"cases": 10, "mature": 10, "revisits": 4, "resolved": 4}),
            counts_of({"cases": 30, "mature": 30, "revisits": 36, "resolved": 16}),
        ]
    ).assign(week_start=[WEEKS[1].start] * 2)
    points = weekly_estimates(rows, WEEKS, RESOLUTION, RULES)
    assert list(points.columns) == [
        "week_start", "week_end", "value", "n", "low", "high", "mature",
    ]  # fmt: skip
    assert list(points["week_start"]) == [each.start for each in WEEKS]
    assert list(points["week_end"]) == [each.end for each in WEEKS]
    assert points["week_end"].iloc[-1] == CUTOFF
    # Σ resolved / Σ revisits, not the mean of 100 % and 44 %.
    assert points["value"].iloc[1] == 0.5
    assert points["n"].iloc[1] == 40
    assert np.isnan(points["value"].iloc[[0, 2, 3]]).all()
    assert list(points["n"].iloc[[0, 2, 3]]) == [0, 0, 0]


@pytest.mark.parametrize(("mature", "expected"), [(89, False), (90, True), (100, True)])
def test_a_week_is_mature_from_the_share_on(mature, expected):
    rows = counts_of(week(0, cases=100, mature=mature, revisits=50, resolved=40))
    points = weekly_estimates(rows, WEEKS, RESOLUTION, RULES)
    assert list(points["mature"]) == [expected, False, False, False]
    # Volume and on-time closing do not wait for revisits; but an unfinished week is unfinished.
    for metric in (VOLUME, ON_TIME):
        assert list(weekly_estimates(rows, WEEKS, metric, RULES)["mature"]) == [True] * 3 + [False]


def test_weeks_of_groups_equal_those_of_each_alone():
    random = np.random.default_rng(3)
    rows = counts_of(
        *[
            week(place, cases=50, mature=int(random.integers(40, 51)), revisits=30,
                 resolved=int(random.integers(20, 31)))
            for place in (0, 1, 2, 0, 2)
        ],
        code=["a", "a", "a", "b", "b"],
    )  # fmt: skip
    frames = weeks_by_group(rows, ["b", "none", "a"], WEEKS, RESOLUTION, RULES)
    for code, frame in zip(["b", "none", "a"], frames, strict=True):
        alone = weekly_estimates(rows[rows["code"] == code], WEEKS, RESOLUTION, RULES)
        pd.testing.assert_frame_equal(pd.DataFrame(frame), alone)


# --- Places -------------------------------------------------------------------------------------


GROUPS = pd.DataFrame(
    {"code": ["a", "b", "c"], "name": ["甲", "乙", "丙"], "zone": ["x", "y", "z"]}
)


def test_group_rows_hold_every_indicator_and_the_chosen_one():
    now = counts_of(
        {"cases": 2_000, "mature": 2_000, "revisits": 1_000, "resolved": 900, "satisfied": 800},
        {"cases": 2_000, "mature": 2_000, "revisits": 1_000, "resolved": 600, "satisfied": 800},
        {"cases": 40, "mature": 40, "revisits": 29, "resolved": 0},
    )
    rows = group_rows(GROUPS, now, now, "resolution", RULES, (28, 28))
    assert list(rows[["code", "name", "zone"]].itertuples(index=False, name=None)) == list(
        GROUPS.itertuples(index=False, name=None)
    )
    for key, metric in METRICS.items():
        points = estimate(now, metric, RULES)
        pd.testing.assert_series_equal(rows[f"{key}_value"], points["value"], check_names=False)
        pd.testing.assert_series_equal(rows[f"{key}_n"], points["n"], check_names=False)
    assert list(rows["value"]) == [0.9, 0.6, 0.0]
    assert list(rows["standing"]) == ["above", "below", "insufficient"]
    assert [each.direction for each in rows["change"]] == ["flat", "flat", "withheld"]
    assert rows["change"].iloc[2].reason == "样本不足30件"


def test_group_rows_without_comparison_or_without_groups():
    now = counts_of({"cases": 1}, {"cases": 2}, {"cases": 3})
    rows = group_rows(GROUPS, now, None, "volume", RULES, (1, 1))
    assert list(rows["change"]) == [None] * 3
    assert list(rows["standing"]) == ["neutral"] * 3
    none = group_rows(GROUPS.iloc[:0], now.iloc[:0], now.iloc[:0], "resolution", RULES, (1, 1))
    assert none.empty
    assert {"value", "standing", "change", "composite_value"} <= set(none.columns)


def test_the_city_is_not_the_mean_of_its_districts():
    now = counts_of(
        {"cases": 900, "revisits": 900, "resolved": 810},
        {"cases": 100, "revisits": 100, "resolved": 50},
        {"cases": 5},
    )
    rows = group_rows(GROUPS, now, None, "resolution", RULES, (1, 1))
    city = group_rows(
        pd.DataFrame({"code": [""], "name": ["汇总"]}),
        total(now),
        None,
        "resolution",
        RULES,
        (1, 1),
    )
    assert city["value"].iloc[0] == 0.86
    assert rows["value"].mean() == pytest.approx(0.7)


def test_people_are_counted_once():
    groups = pd.DataFrame(
        {
            "code": ["big", "zone", "plain", "unknown"],
            "population": pd.array([200_000, None, 50_000, None], dtype="Int64"),
            "counted_in": [None, "big", None, None],
        }
    )
    now = counts_of({"cases": 300}, {"cases": 100}, {"cases": 10}, {"cases": 7})
    ratios = per_ten_thousand(groups, now)
    assert ratios.iloc[0] == pytest.approx(20)  # with the cases of the zone in it
    assert np.isnan(ratios.iloc[1])
    assert ratios.iloc[2] == pytest.approx(2)
    assert np.isnan(ratios.iloc[3])


def test_no_people_is_no_ratio():
    groups = pd.DataFrame({"code": ["a"], "population": [0], "counted_in": [None]})
    assert np.isnan(per_ten_thousand(groups, counts_of({"cases": 3})).iloc[0])
