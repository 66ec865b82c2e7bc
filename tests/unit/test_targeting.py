"""抓零、抓大户: every rule on both sides of its threshold, and the whole against plain loops."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Sequence
from random import Random

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.rules import Rules
from domain.schedule import Figures, Target
from domain.targeting import (
    Gains,
    Holder,
    Holding,
    Reason,
    Targeting,
    gains,
    leverage,
    targeting,
)

RULES = Rules()
NAN = float("nan")
START = dt.date(2021, 1, 1)
# 1,000 days from the day before the start: a thousandth is due per day.
TARGET = Target(
    "t", "2021-01", "办证", "套", 10_000, 20_000, START, START + dt.timedelta(days=999)
)  # fmt: skip
# 200 days of the target have passed, 100 are half of what was due.
TODAY = START + dt.timedelta(days=199)
WEEK = dt.timedelta(weeks=1)


def days_ago(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


def holder(
    code: str, figures: Figures, stock: float = 2_000, goal: float = 1_000, own: bool = True
) -> Holder:
    return Holder(code, f"{code}区", stock, goal, figures, own)


def moving(code: str, done: float, stock: float = 2_000, goal: float = 1_000) -> Holder:
    """Return a holder that did 30 in the last week, so that only its completion can be wrong."""
    return holder(code, [(days_ago(7), done - 30), (TODAY, done)], stock, goal)


def of(result: Targeting, code: str) -> Holding:
    return next(each for each in result.holdings if each.holder.code == code)


def codes(holdings: Sequence[Holding]) -> list[str]:
    return [each.holder.code for each in holdings]


def reasons(
    *holders: Holder,
    as_of: dt.date = TODAY,
    rules: Rules = RULES,
    target: Target = TARGET,
    floor: float | None = None,
) -> dict[str, tuple[Reason, ...]]:
    result = targeting(target, holders, as_of, rules, floor)
    return {each.holder.code: each.zero_reasons for each in result.holdings}


# --- 抓零 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_increase", "quiet_weeks", "expected"),
    [(27, 3, ()), (28, 4, ("quiet",)), (34, 4, ("quiet",)), (35, 5, ("quiet",))],
)
def test_nothing_done_in_the_last_weeks(
    last_increase: int, quiet_weeks: int, expected: tuple[Reason, ...]
) -> None:
    figures = [(days_ago(60), 300.0), (days_ago(last_increase), 400.0), (TODAY, 400.0)]
    result = targeting(TARGET, [holder("a", figures)], TODAY, RULES)
    (found,) = result.holdings
    assert found.quiet_weeks == quiet_weeks
    assert found.zero_reasons == expected
    assert found.zero == bool(expected)
    # By the rule, not by the number four.
    longer = dataclasses.replace(RULES, zero_weeks=5)
    again = reasons(holder("a", figures), rules=longer)
    assert again == {"a": ("quiet",) if last_increase >= 35 else ()}


@pytest.mark.parametrize(
    ("done", "expected"), [(99.99, ("slow",)), (100, ()), (100.01, ())]
)  # fmt: skip
def test_less_than_half_of_what_was_due(done: float, expected: tuple[Reason, ...]) -> None:
    result = targeting(TARGET, [moving("a", done)], TODAY, RULES)
    (found,) = result.holdings
    assert found.scheduled == pytest.approx(0.2)
    assert found.completion == done / 1_000
    assert found.gap == pytest.approx(done / 1_000 - 0.2)
    assert found.zero_reasons == expected


def test_a_young_target_has_nobody_slow() -> None:
    """In the first days everybody has done nothing: that tells nobody apart."""
    last = START + dt.timedelta(days=27)
    for day, expected in ((last - dt.timedelta(days=1), ()), (last, ("slow",))):
        moved = [(day - WEEK, 0.0), (day, 1.0)]
        assert reasons(holder("a", moved), as_of=day)["a"] == expected


@pytest.mark.parametrize(
    ("moved", "quiet_weeks", "expected"),
    [((), None, ("quiet",)), ((200,), 28, ("quiet",)), ((60, 28), 4, ("quiet",)), ((27,), 3, ())],
)
def test_a_project_that_enters_its_next_stage_is_not_stuck(
    moved: tuple[int, ...], quiet_weeks: int | None, expected: tuple[Reason, ...]
) -> None:
    figures = [(day, 0.0) for day in (days_ago(60), days_ago(20), TODAY)]
    moves = tuple(days_ago(days) for days in moved)
    project = Holder("a", "甲", 2_000, 2_000, figures, False, moves, by_pace=False)
    (found,) = targeting(TARGET, [project], TODAY, RULES).holdings
    assert (found.quiet_weeks, found.zero_reasons) == (quiet_weeks, expected)
    # A move still to come is not known yet.
    later = dataclasses.replace(project, moves=(*moves, TODAY + WEEK))
    assert reasons(later)["a"] == expected


def test_plan_points_are_the_timetable_of_every_holder() -> None:
    late = dataclasses.replace(TARGET, plan=((TODAY, 1_000.0),))
    result = targeting(late, [moving("a", 51), moving("b", 49)], TODAY, RULES)
    assert [each.scheduled for each in result.holdings] == pytest.approx([0.1, 0.1])
    assert codes(result.zero) == ["b"]


@pytest.mark.parametrize(("left", "listed"), [(99, False), (100, True), (101, True)])
def test_who_has_little_left_is_not_shamed(left: float, listed: bool) -> None:
    # Mean stock 2,000, of which a twentieth; a holder of nothing is no holder.
    silent = [(days_ago(60), 2_000 - left), (TODAY, 2_000 - left)]
    small = holder("a", silent, 2_000, 5_000)
    others = [moving("b", 500, 3_000), moving("c", 500, 1_000), holder("d", [], 0, NAN)]
    result = targeting(TARGET, [small, *others], TODAY, RULES)
    assert result.floor == pytest.approx(100)
    assert of(result, "a").zero is listed
    # The reasons are for those on the list alone.
    assert ("quiet" in of(result, "a").zero_reasons) is listed


def test_three_flats_are_not_shamed_and_the_floor_can_be_set() -> None:
    tiny = holder("a", [(days_ago(60), 0.0), (TODAY, 0.0)], stock=3, goal=3)
    large = moving("b", 5_000, 60_000, 10_000)
    assert reasons(tiny, large)["a"] == ()
    assert reasons(tiny, large, floor=4)["a"] == ()
    assert reasons(tiny, large, floor=3)["a"] == ("quiet", "slow")
    assert reasons(tiny, large, floor=0)["a"] == ("quiet", "slow")
    finished = dataclasses.replace(tiny, figures=[(days_ago(60), 3.0), (TODAY, 3.0)], goal=5)
    assert reasons(finished, large, floor=0)["a"] == ()


@pytest.mark.parametrize(("done", "expected"), [(999, ("quiet",)), (1_000, ()), (1_001, ())])
def test_who_reached_its_own_goal_is_not_slow_but_may_be_large(
    done: float, expected: tuple[Reason, ...]
) -> None:
    still = holder("a", [(days_ago(60), done), (TODAY, done)], stock=9_000)
    result = targeting(TARGET, [still, moving("b", 300)], TODAY, RULES)
    assert of(result, "a").zero_reasons == expected
    assert of(result, "a").large
    assert of(result, "a").both == bool(expected)


def test_no_task_this_year_is_a_task_done() -> None:
    result = targeting(TARGET, [holder("a", [], goal=0), moving("b", 300)], TODAY, RULES)
    assert not of(result, "a").zero
    assert math.isnan(of(result, "a").completion)


def test_nobody_is_on_the_list_before_the_start() -> None:
    early = [(START - dt.timedelta(days=60), 0.0), (START - dt.timedelta(days=1), 0.0)]
    holders = [holder("a", early), holder("b", [])]
    before = targeting(TARGET, holders, START - dt.timedelta(days=1), RULES)
    assert before.zero == ()
    # What is left is known already; weeks before the start do not count.
    assert codes(before.large) == ["a", "b"]
    assert {each.large_weeks_on for each in before.large} == {1}
    assert math.isnan(before.holdings[0].pace)


@pytest.mark.parametrize(("days", "expected"), [(27, ()), (28, ("quiet",))])
def test_weeks_before_the_start_are_not_quiet(days: int, expected: tuple[Reason, ...]) -> None:
    # No timetable, so that quiet is all there is.
    target = dataclasses.replace(TARGET, value=NAN)
    on = START + dt.timedelta(days=days - 1)  # so many days of the target have passed
    figures = [(START - dt.timedelta(days=50), 0.0), (on, 0.0)]
    assert reasons(holder("a", figures), as_of=on, target=target) == {"a": expected}


def test_old_data_are_judged_at_their_newest_day_not_at_the_clock() -> None:
    holders = [moving("a", 300), holder("b", [(days_ago(21), 300.0), (TODAY, 300.0)])]
    later = targeting(TARGET, holders, TODAY + 10 * WEEK, RULES)
    now = targeting(TARGET, holders, TODAY, RULES)
    assert later.on_date == now.on_date == TODAY
    assert not later.zero
    assert [(each.quiet_weeks, each.recent, each.gap) for each in later.holdings] == [
        (each.quiet_weeks, each.recent, each.gap) for each in now.holdings
    ]


@pytest.mark.parametrize(("days", "expected"), [(27, ()), (28, ("unreported",))])
def test_who_stops_to_report_is_told_apart_from_who_does_nothing(
    days: int, expected: tuple[Reason, ...]
) -> None:
    # It did something on its last day; whether it has since, nobody knows.
    stopped = holder("a", [(days_ago(days + 7), 50.0), (days_ago(days), 300.0)])
    result = targeting(TARGET, [stopped, moving("b", 300)], TODAY, RULES)
    found = of(result, "a")
    assert found.zero_reasons == expected
    assert math.isnan(found.recent) == math.isnan(found.pace) == bool(expected)
    # When nobody reports any more, nobody has stopped.
    assert reasons(stopped) == {"a": ()}


def test_who_never_reported_has_all_of_its_stock_left() -> None:
    result = targeting(TARGET, [holder("a", []), moving("b", 300)], TODAY, RULES)
    found = of(result, "a")
    assert found.zero_reasons == ("unreported",)
    assert found.remaining == 2_000
    assert found.quiet_weeks is None
    assert math.isnan(found.done)
    assert math.isnan(found.completion)
    assert math.isnan(found.gap)


def test_where_nobody_reported_nobody_is_accused() -> None:
    result = targeting(TARGET, [holder("a", []), holder("b", [], 1_000)], TODAY, RULES)
    assert result.on_date is None
    assert result.zero == ()
    assert codes(result.large) == ["a"]
    assert math.isnan(result.weeks_left)
    assert leverage(result, RULES) == ()


def test_unknown_stock_stands_apart() -> None:
    unknown = holder("a", [(days_ago(60), 0.0), (TODAY, 0.0)], stock=NAN)
    result = targeting(TARGET, [unknown, moving("b", 300)], TODAY, RULES)
    assert result.unknown == (unknown,)
    assert codes(result.holdings) == codes(result.large) == ["b"]
    assert result.holdings[0].share == 1
    # Its figures are figures of the target all the same.
    newer = dataclasses.replace(unknown, figures=[(TODAY + 5 * WEEK, 1.0)])
    later = targeting(TARGET, [newer, moving("b", 300)], TODAY + 5 * WEEK, RULES)
    assert later.holdings[0].zero_reasons == ("unreported",)


def test_a_goal_of_none_is_its_part_of_the_citys() -> None:
    holders = [holder("a", [], 6_000, NAN, own=False), holder("b", [], 2_000, 900)]
    # 10,000 for the 20,000 of the city, whoever is seen.
    assert of(targeting(TARGET, holders, TODAY, RULES), "a").goal == pytest.approx(3_000)
    alone = targeting(TARGET, holders[:1], TODAY, RULES)
    assert alone.holdings[0].goal == pytest.approx(3_000)
    nothing_known = dataclasses.replace(TARGET, stock=NAN)
    result = targeting(nothing_known, holders, TODAY, RULES)
    assert of(result, "a").goal == pytest.approx(7_500)
    assert of(result, "b").goal == 900


@pytest.mark.parametrize("change", [{"direction": "down"}, {"cumulative": False}])
def test_a_level_has_no_stock(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="level"):
        targeting(dataclasses.replace(TARGET, **change), [], TODAY, RULES)  # type: ignore[arg-type]


def test_nobody() -> None:
    result = targeting(TARGET, [], TODAY, RULES)
    assert result.holdings == result.zero == result.large == result.both == ()
    assert math.isnan(result.floor)
    assert math.isnan(result.large_share_held)
    assert math.isnan(result.median_pace)
    assert result.remaining == 0


# --- What was done lately -----------------------------------------------------------------------


def recent(figures: Figures, as_of: dt.date = TODAY) -> float:
    """Return what was done lately, beside somebody who reports every day."""
    daily = holder("z", [(as_of - dt.timedelta(days=day), 500.0) for day in range(40, -1, -1)])
    return of(targeting(TARGET, [holder("a", figures), daily], as_of, RULES), "a").recent


def test_what_was_done_in_the_last_weeks() -> None:
    assert recent([(days_ago(35), 10.0), (days_ago(28), 40.0), (TODAY, 100.0)]) == 60
    # 100 in 40 days, of which 28 lie in the weeks.
    assert recent([(days_ago(40), 0.0), (TODAY, 100.0)]) == pytest.approx(70)
    # First told of within the weeks: nobody knows how much of it is new.
    assert math.isnan(recent([(days_ago(20), 60.0), (TODAY, 100.0)]))
    # But it cannot be less than nothing that it had before.
    assert recent([(days_ago(20), 0.0), (TODAY, 100.0)]) == 100
    # 120 was too much: 110 of it were there, so nothing new came; then ten came.
    corrected = [(days_ago(28), 120.0), (days_ago(14), 110.0)]
    assert recent([*corrected, (TODAY, 110.0)]) == 0
    assert recent([*corrected, (TODAY, 120.0)]) == 10


def test_a_young_target_counts_from_its_start() -> None:
    tenth = START + dt.timedelta(days=9)
    first = holder("a", [(tenth, 50.0)])
    (found,) = targeting(TARGET, [first], tenth, RULES).holdings
    assert found.recent == 50
    assert found.pace == pytest.approx(50 / 10 * 7)
    assert found.quiet_weeks == 0
    assert found.zero_reasons == ()


def test_a_correction_is_no_progress() -> None:
    figures = [(days_ago(50), 300.0), (days_ago(42), 420.0), (days_ago(10), 400.0), (TODAY, 400.0)]
    (found,) = targeting(TARGET, [holder("a", figures)], TODAY, RULES).holdings
    assert found.recent == 0
    assert found.quiet_weeks == 6
    assert found.zero_reasons == ("quiet",)


def test_no_increase_since_the_start_is_never() -> None:
    before = [(START - dt.timedelta(days=20), 50.0), (TODAY, 50.0)]
    for figures in (before, [(START, 0.0), (TODAY, 0.0)]):
        (found,) = targeting(TARGET, [holder("a", figures)], TODAY, RULES).holdings
        assert found.quiet_weeks is None
        assert found.zero_reasons == ("quiet", "slow")


# --- 抓大户 ---------------------------------------------------------------------------------------


def left(amounts: dict[str, float]) -> list[Holder]:
    return [holder(code, [(TODAY, 0.0)], stock) for code, stock in amounts.items()]


@pytest.mark.parametrize(
    ("stocks", "expected"),
    [
        ({"a": 59.9, "b": 25.1, "c": 15}, ["a", "b"]),
        ({"a": 60, "b": 25, "c": 15}, ["a"]),
        ({"a": 60.1, "b": 24.9, "c": 15}, ["a"]),
        ({"c": 30, "a": 20, "b": 25, "d": 25}, ["c", "b", "d"]),
        # Who has as much left as the last of them is one of them.
        ({"a": 40, "b": 20, "c": 20, "d": 20}, ["a", "b", "c", "d"]),
        ({"a": 0.1, "b": 0.1, "c": 0.1, "d": 0.2}, ["d", "a", "b", "c"]),
        ({"a": 5, "b": 0}, ["a"]),
        ({"a": 0, "b": 0}, []),
    ],
)
def test_the_fewest_that_hold_most_of_what_is_left(
    stocks: dict[str, float], expected: list[str]
) -> None:
    result = targeting(TARGET, left(stocks), TODAY, RULES)
    assert codes(result.large) == expected
    total = sum(stocks.values())
    if total:
        assert result.large_share_held == pytest.approx(
            sum(stocks[code] for code in expected) / total
        )
    else:
        assert math.isnan(result.large_share_held)


def test_the_share_is_of_what_is_left_not_of_the_stock() -> None:
    nearly = holder("a", [(days_ago(7), 8_000.0), (TODAY, 9_500.0)], stock=10_000)
    result = targeting(TARGET, [nearly, holder("b", [(TODAY, 0.0)], 1_500)], TODAY, RULES)
    assert codes(result.large) == ["b"]
    assert of(result, "b").share == 0.75
    every = dataclasses.replace(RULES, large_share=1)
    assert len(targeting(TARGET, [nearly, *left({"b": 1_500})], TODAY, every).large) == 2


def test_a_share_that_is_reached_to_the_digit_is_reached() -> None:
    # 0.55 × 100 is a little more than 55 for a computer.
    rules = dataclasses.replace(RULES, large_share=0.55)
    assert codes(targeting(TARGET, left({"a": 55, "b": 45}), TODAY, rules).large) == ["a"]


def test_pareto_against_pandas() -> None:
    holders = [moving(code, 100 + 7 * at, 500 * at**2) for at, code in enumerate("cadbe", 1)]
    result = targeting(TARGET, holders, TODAY, RULES)
    frame = pd.DataFrame(
        [(each.code, each.stock - each.figures[-1][1]) for each in holders],
        columns=["code", "left"],
    ).sort_values("left", ascending=False)
    shares = frame["left"] / frame["left"].sum()
    assert codes(result.holdings) == frame["code"].tolist()
    assert [each.share for each in result.holdings] == pytest.approx(shares.tolist())
    assert [each.cumulative for each in result.holdings] == pytest.approx(shares.cumsum().tolist())
    assert result.remaining == frame["left"].sum()


# --- Weeks on the lists -------------------------------------------------------------------------


def test_weeks_on_a_list_are_counted_from_the_history() -> None:
    # Its last increase is four whole weeks old first at 12 weeks ago.
    weekly = [(TODAY - WEEK * week, 400.0 if week <= 16 else 300.0) for week in range(20, -1, -1)]
    result = targeting(TARGET, [holder("a", weekly)], TODAY, RULES)
    assert result.holdings[0].zero_weeks_on == 13
    earlier = targeting(TARGET, [holder("a", weekly)], TODAY - 5 * WEEK, RULES)
    assert earlier.holdings[0].zero_weeks_on == 8
    assert targeting(TARGET, [holder("a", weekly)], TODAY - 13 * WEEK, RULES).zero == ()
    # A week of progress begins the count anew.
    again = [(day, value + (50 if day >= TODAY - 6 * WEEK else 0)) for day, value in weekly]
    result = targeting(TARGET, [holder("a", again)], TODAY, RULES)
    assert result.holdings[0].zero_weeks_on == 3


def test_both_lists_count_for_themselves_and_not_beyond_the_start() -> None:
    large = holder("a", [(START, 0.0), (days_ago(7), 500.0), (TODAY, 500.0)], 9_000)
    small = holder("b", [(START, 0.0), (days_ago(21), 500.0), (TODAY, 500.0)], 2_000)
    result = targeting(TARGET, [large, small], TODAY, RULES)
    assert of(result, "a").large_weeks_on == 29  # 0, 7, … 196 days ago; the start is 199 ago
    assert of(result, "a").zero_weeks_on == 0
    assert of(result, "b").large_weeks_on == 0


# --- Leverage -----------------------------------------------------------------------------------


def test_what_attention_brings_against_plain_loops() -> None:
    paces = {"a": (0, 6_000, 2_000), "b": (40, 3_000, 1_000), "c": (280, 9_000, 4_000),
             "d": (120, 550, 900), "e": (400, 8_000, 3_000), "f": (60, 700, 500)}  # fmt: skip
    holders = [
        holder(code, [(days_ago(28), 440.0), (TODAY, 440.0 + done)], stock, goal)
        for code, (done, stock, goal) in paces.items()
    ]
    result = targeting(TARGET, holders, TODAY, RULES)
    weeks = (TARGET.due_on - TODAY).days / 7
    assert result.weeks_left == pytest.approx(weeks)
    # "d" has nothing left: 560 of 550.
    median = pd.Series(
        {code: done / 4 / goal for code, (done, _, goal) in paces.items() if code != "d"}
    ).median()
    assert result.median_pace == pytest.approx(median)
    expected: dict[str, tuple[float, float]] = {}
    for code, (done, stock, goal) in paces.items():
        if code == "d":
            continue
        remaining = stock - 440 - done
        going_on = at_median = faster = 0.0
        for _ in range((TARGET.due_on - TODAY).days):
            going_on = min(going_on + done / 28, remaining)
            at_median = min(at_median + median * goal / 7, remaining)
            faster = min(faster + 1.1 * done / 28, remaining)
        expected[code] = (max(at_median - going_on, 0), faster - going_on)
    order = leverage(result, RULES)
    found = {each.holding.holder.code: (each.to_median, each.faster) for each in order}
    assert found.keys() == expected.keys()
    for code, (to_median, faster) in expected.items():
        assert found[code] == pytest.approx((to_median, faster))
    assert [max(pair) for pair in found.values()] == sorted(map(max, found.values()), reverse=True)
    sums = gains(order)
    assert codes(result.zero) == ["a"]
    assert sums.zero == pytest.approx(expected["a"][0])
    assert sums.large == pytest.approx(sum(expected[code][1] for code in codes(result.large)))
    assert sums.large > 0


def test_the_pace_is_compared_by_the_own_goal() -> None:
    # Both do two hundredths of their goal in a week; one is twenty times the other.
    holders = [
        holder("a", [(days_ago(28), 20_000.0), (TODAY, 24_800.0)], 90_000, 60_000),
        holder("b", [(days_ago(28), 1_000.0), (TODAY, 1_240.0)], 4_500, 3_000),
    ]
    result = targeting(TARGET, holders, TODAY, RULES)
    assert result.median_pace == pytest.approx(0.02)
    assert [each.to_median for each in leverage(result, RULES)] == pytest.approx([0, 0], abs=1e-6)


def test_nothing_is_promised_where_nobody_reports_or_no_time_is_left() -> None:
    silent = holder("a", [(days_ago(40), 50.0)])
    paced = [
        holder("b", [(days_ago(28), 50.0), (TODAY, 60.0)]),
        holder("c", [(days_ago(28), 50.0), (TODAY, 160.0)]),
    ]
    result = targeting(TARGET, [silent, *paced], TODAY, RULES)
    order = leverage(result, RULES)
    assert codes(result.zero) == ["a", "b"]
    assert [each.holding.holder.code for each in order] == ["b", "c"]
    assert gains(order).zero == order[0].to_median > 0
    over = dataclasses.replace(TARGET, due_on=TODAY)
    order = leverage(targeting(over, paced, TODAY, RULES), RULES)
    assert [(each.to_median, each.faster) for each in order] == [(0, 0), (0, 0)]
    assert gains(order) == Gains(0, 0)
    assert gains(()) == Gains(0, 0)


# --- Questions ----------------------------------------------------------------------------------


def test_questions_follow_the_reasons() -> None:
    quiet = holder("a", [(days_ago(60), 300.0), (TODAY, 300.0)], 30_000)
    slow = moving("b", 40)
    silent = holder("c", [])
    result = targeting(TARGET, [quiet, slow, silent, moving("d", 500)], TODAY, RULES)
    assert of(result, "a").questions == ("quiet", "large", "both")
    assert of(result, "b").questions == ("slow",)
    assert of(result, "c").questions == ("unreported",)
    assert of(result, "d").questions == ()
    assert codes(result.both) == ["a"]


# --- Everything against plain loops --------------------------------------------------------------


def zero_slowly(
    target: Target, holders: Sequence[Holder], day: dt.date, rules: Rules
) -> dict[str, set[str]]:
    """Return code → reasons of those on 抓零 at a day, figure by figure and day by day."""
    known = {each.code: [f for f in each.figures if f[0] <= day] for each in holders}
    dates = [on for figures in known.values() for on, _ in figures]
    if not dates or day < target.start_on:
        return {}
    newest = max(dates)
    days_of_target = max((newest - target.start_on).days + 1, 0)
    with_stock = [each for each in holders if not math.isnan(each.stock)]
    held = sum(each.stock for each in with_stock)
    floor = rules.zero_floor_share * held / max(sum(each.stock > 0 for each in with_stock), 1)
    found: dict[str, set[str]] = {}
    for each in with_stock:
        figures = known[each.code]
        done = figures[-1][1] if figures else 0.0
        goal = each.goal
        if math.isnan(goal):
            goal = target.value * each.stock / max(held, target.stock)
        remaining = each.stock - done
        if remaining <= 0 or remaining < floor - 1e-9 or done >= goal - 1e-9:
            continue
        why = set()
        looked_at = min(7 * rules.zero_weeks, days_of_target)
        window = [f for f in figures if (newest - f[0]).days < looked_at]
        all_weeks = days_of_target >= 7 * rules.zero_weeks
        if not window:
            if all_weeks:
                why.add("unreported")
        else:
            # Nothing done: at no day of the weeks, nor just before, was less done than now.
            before = [f for f in figures if (newest - f[0]).days >= looked_at][-1:]
            less = [f for f in [*before, *window] if f[1] < done]
            if not before and done > 0:
                less.append((target.start_on, 0.0))
            if all_weeks and not less:
                why.add("quiet")
            due = target.planned(newest) / target.value
            if all_weeks and goal > 0 and done / goal < rules.zero_schedule_share * due - 1e-12:
                why.add("slow")
        if why:
            found[each.code] = why
    return found


def large_slowly(holders: Sequence[Holder], day: dt.date, rules: Rules) -> set[str]:
    remaining = {}
    for each in holders:
        done = [value for on, value in each.figures if on <= day]
        if not math.isnan(each.stock):
            remaining[each.code] = max(each.stock - (done[-1] if done else 0.0), 0.0)
    total = sum(remaining.values())
    chosen: set[str] = set()
    while total > 0 and sum(remaining[code] for code in chosen) < rules.large_share * total - 1e-9:
        rest = {code: amount for code, amount in remaining.items() if code not in chosen}
        most = max(rest.values())
        chosen |= {code for code, amount in rest.items() if amount == most}
    return chosen


def weeks_slowly(listed: Sequence[bool]) -> int:
    return next((week for week, on in enumerate(listed) if not on), len(listed))


@st.composite
def some_holders(draw: st.DrawFn) -> list[Holder]:
    """Return up to seven holders: figures of any rhythm, from before the start, some corrected."""
    holders = []
    for code in "abcdefg"[: draw(st.integers(1, 7))]:
        days = sorted(draw(st.sets(st.integers(-20, 199), max_size=9)))
        steps = draw(
            st.lists(
                st.sampled_from([0, 0, 0, 10, 100, 400, -10]),
                min_size=len(days),
                max_size=len(days),
            )
        )
        figures, done = [], 0.0
        for day, step in zip(days, steps, strict=True):
            done = max(done + step, 0.0)
            figures.append((START + dt.timedelta(days=day), done))
        stock = draw(st.sampled_from([0.0, 30.0, 400.0, 1_000.0, 1_000.0, 5_000.0, NAN]))
        goal = draw(st.sampled_from([0.0, 200.0, 900.0, NAN]))
        holders.append(holder(code, figures, stock, goal))
    return holders


RULE_SETS = st.builds(
    Rules,
    zero_weeks=st.integers(1, 8),
    zero_schedule_share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    zero_floor_share=st.sampled_from([0.0, 0.05, 0.5]),
    large_share=st.sampled_from([0.1, 0.6, 0.75, 1.0]),
)
DAYS = st.integers(-10, 260).map(lambda days: START + dt.timedelta(days=days))


@given(some_holders(), DAYS, RULE_SETS)
def test_the_lists_equal_plain_loops(holders: list[Holder], as_of: dt.date, rules: Rules) -> None:
    result = targeting(TARGET, holders, as_of, rules)
    days = [as_of - week * WEEK for week in range(40)]
    days = [day for day in days if day >= TARGET.start_on] or [as_of]
    zero = [zero_slowly(TARGET, holders, day, rules) for day in days]
    large = [large_slowly(holders, day, rules) for day in days]
    for each in result.holdings:
        code = each.holder.code
        assert set(each.zero_reasons) == zero[0].get(code, set())
        assert each.large == (code in large[0])
        assert each.zero_weeks_on == weeks_slowly([code in found for found in zero])
        assert each.large_weeks_on == weeks_slowly([code in found for found in large])
        # What the words say and what the list says is one thing.
        if "quiet" in each.zero_reasons:
            assert each.recent == 0
            assert each.quiet_weeks is None or each.quiet_weeks >= rules.zero_weeks
        if "unreported" in each.zero_reasons:
            assert math.isnan(each.recent)


@given(some_holders(), DAYS, RULE_SETS)
def test_properties_of_the_lists(holders: list[Holder], as_of: dt.date, rules: Rules) -> None:
    result = targeting(TARGET, holders, as_of, rules)
    total = result.remaining
    if total > 0:
        assert sum(each.share for each in result.holdings) == pytest.approx(1)
        assert result.holdings[-1].cumulative == pytest.approx(1)
        assert result.large_share_held >= rules.large_share - 1e-9
        # As few as can be: without the smallest of them, or its equals, it is too little.
        least = min(each.remaining for each in result.large)
        without = sum(each.remaining for each in result.large if each.remaining > least)
        assert without < rules.large_share * total
    else:
        assert result.large == ()
    amounts = [each.remaining for each in result.holdings]
    assert amounts == sorted(amounts, reverse=True)
    for each in result.holdings:
        assert each.zero_weeks_on > 0 if each.zero else each.zero_weeks_on == 0
        assert each.large_weeks_on > 0 if each.large else each.large_weeks_on == 0
        assert not (each.zero and each.remaining < result.floor * (1 - 1e-9))
        assert math.isnan(each.recent) or 0 <= each.recent <= each.done
    for gain in leverage(result, rules):
        assert 0 <= gain.to_median <= gain.holding.remaining
        assert 0 <= gain.faster <= gain.holding.remaining
    apart = [each.code for each in result.unknown]
    assert sorted([*apart, *codes(result.holdings)]) == [each.code for each in holders]


def told(result: Targeting) -> str:
    """Return everything but the figures it is computed from, as text: NaN equals NaN."""
    bare = [
        dataclasses.replace(each, holder=dataclasses.replace(each.holder, figures=()))
        for each in result.holdings
    ]
    gained = [(each.to_median, each.faster) for each in leverage(result, RULES)]
    return repr((result.on_date, result.floor, bare, gained))


@given(some_holders(), DAYS, st.randoms(use_true_random=False))
def test_the_same_figures_give_the_same_lists(
    holders: list[Holder], as_of: dt.date, random: Random
) -> None:
    before = told(targeting(TARGET, holders, as_of, RULES))
    again = [dataclasses.replace(each, figures=tuple(each.figures)) for each in holders]
    random.shuffle(again)
    assert told(targeting(TARGET, again, as_of, RULES)) == before
    # What comes later is not known yet.
    later = [
        dataclasses.replace(each, figures=[*each.figures, (as_of + 60 * WEEK, 9_999.0)])
        for each in holders
    ]
    assert told(targeting(TARGET, later, as_of, RULES)) == before


@given(some_holders(), st.floats(0, 50))
def test_older_history_does_not_change_the_present(holders: list[Holder], older: float) -> None:
    first = START - dt.timedelta(days=40)
    holders = [
        dataclasses.replace(
            each, figures=[(START, 0.0), *(f for f in each.figures if f[0] > START)]
        )
        for each in holders
    ]
    longer = [
        dataclasses.replace(each, figures=[(first, older), *each.figures]) for each in holders
    ]
    now = targeting(TARGET, holders, TODAY, RULES)
    assert told(targeting(TARGET, longer, TODAY, RULES)) == told(now)


@given(some_holders(), st.integers(0, 6))
def test_who_finishes_leaves_both_lists(holders: list[Holder], which: int) -> None:
    assume(which < len(holders) and not math.isnan(holders[which].stock))
    one = holders[which]
    earlier = [figure for figure in one.figures if figure[0] < TODAY]
    holders[which] = dataclasses.replace(one, figures=[*earlier, (TODAY, one.stock)])
    found = of(targeting(TARGET, holders, TODAY, RULES), one.code)
    assert not found.zero
    assert not found.large
    assert found.remaining == 0
