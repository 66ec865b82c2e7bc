"""Exceptions: every rule on both sides of its threshold, and how often chance alone fires."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from domain.outcomes import COUNT_COLUMNS
from domain.rules import Rules
from domain.signals import (
    Checked,
    Signal,
    data_problems,
    falling_rates,
    overdue_stock,
    shrinking_denominators,
    together,
)

RULES = Rules()
SAME_DAYS = (28, 28)
# Everything but the rates themselves is as it should be.
SOUND = {"cases": 20_000, "mature": 20_000, "closed": 20_000, "revisits": 10_000,
         "contacted": 9_900, "resolved": 8_500, "satisfied": 9_000}  # fmt: skip


def counts_of(*rows):
    return pd.DataFrame([dict.fromkeys(COUNT_COLUMNS, 0) | row for row in rows])


def places(number):
    return pd.DataFrame(
        {
            "code": [f"d{place}" for place in range(number)],
            "name": [f"第{place}区" for place in range(number)],
        }
    )


def falls(now, before, rules=RULES):
    """Return the result of falling_rates for one place."""
    return falling_rates(places(1), counts_of(now), counts_of(before), rules, SAME_DAYS)


# --- Falling rates ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolved", "fires"),
    # From 85.00 %; the threshold is 1 percentage point, and so large a sample sees even less.
    [(8_500, False), (8_401, False), (8_400, True), (8_399, True), (8_700, False)],
)
def test_a_fall_counts_from_the_smallest_drop_on(resolved, fires):
    rules = Rules(false_discovery_rate=0.2)  # here the drop decides, not the noise
    checked = falls(SOUND | {"resolved": resolved}, SOUND, rules)
    assert [signal.metric for signal in checked.signals] == (["resolution"] if fires else [])
    assert checked.checks == 3
    if fires:
        (signal,) = checked.signals
        assert (signal.kind, signal.tone, signal.code) == ("rate_fall", "alert", "d0")
        assert signal.value == pytest.approx(resolved / 10_000)
        assert signal.amount == pytest.approx((resolved - 8_500) / 100)
        assert signal.n == 10_000
        assert checked.normal == 2


def scaled(row, part):
    return {name: round(value * part) for name, value in row.items()}


@pytest.mark.parametrize(("part", "fires"), [(1.0, True), (0.01, False)])
def test_the_same_fall_in_a_small_sample_is_noise(part, fires):
    now = scaled(SOUND | {"resolved": 8_200}, part)
    checked = falls(now, scaled(SOUND, part))
    assert bool(checked.signals) == fires
    assert checked.checks == 3


@pytest.mark.parametrize(("n", "checks"), [(29, 0), (30, 3)])
def test_a_small_sample_is_not_checked(n, checks):
    row = {"cases": 100, "mature": 100, "revisits": n, "contacted": n, "resolved": n}
    checked = falls(row, row)
    assert checked.checks == checks
    assert checked.normal == checks


@pytest.mark.parametrize(("mature", "checks"), [(17_999, 0), (18_000, 3)])
def test_an_immature_period_is_not_checked(mature, checks):
    fallen = SOUND | {"resolved": 7_000, "mature": mature}
    checked = falls(fallen, SOUND)
    assert (checked.checks, bool(checked.signals)) == (checks, bool(checks))


def test_a_place_is_one_exception_by_its_worst_rate():
    fallen = SOUND | {"resolved": 8_000, "satisfied": 7_000, "contacted": 9_500}
    checked = falls(fallen, SOUND)
    assert [signal.metric for signal in checked.signals] == ["satisfaction"]
    assert checked.signals[0].amount == pytest.approx(-20)
    # The two other rates are part of the same exception, not normal.
    assert checked.normal == 0


def test_each_place_speaks_for_itself():
    now = counts_of(SOUND, SOUND | {"resolved": 8_000}, SOUND | {"satisfied": 8_000})
    before = counts_of(SOUND, SOUND, SOUND)
    checked = falling_rates(places(3), now, before, RULES, SAME_DAYS)
    found = {(signal.place, signal.metric) for signal in checked.signals}
    assert found == {("第1区", "resolution"), ("第2区", "satisfaction")}
    assert checked.checks == 9
    assert checked.normal == 7


def draw(random, shares, n):
    """Return counts of places with n revisits each, answers by chance."""
    rows = []
    for share in shares:
        rows.append(
            {
                "cases": 2 * n,
                "mature": 2 * n,
                "revisits": n,
                "contacted": random.binomial(n, 0.97),
                "resolved": random.binomial(n, share),
                "satisfied": random.binomial(n, 0.9),
            }
        )
    return counts_of(*rows)


@pytest.mark.parametrize("n", [40, 400])
def test_chance_alone_hardly_ever_fires(n):
    random = np.random.default_rng(7)
    rules = Rules(smallest_rate_drop=0.0)
    rounds = 300
    alarms = 0
    for _ in range(rounds):
        now, before = draw(random, [0.85] * 17, n), draw(random, [0.85] * 17, n)
        alarms += bool(falling_rates(places(17), now, before, rules, SAME_DAYS).signals)
    # Three families at 1 % each: 3 % of weeks with a false alarm; at most 6 % seen in 300.
    assert alarms <= 0.06 * rounds


def test_real_falls_are_found_and_false_ones_stay_rare_among_them():
    random = np.random.default_rng(8)
    found = false = 0
    rounds = 60
    for _ in range(rounds):
        before = draw(random, [0.85] * 17, 1_500)
        now = draw(random, [0.77] * 4 + [0.85] * 13, 1_500)
        for signal in falling_rates(places(17), now, before, RULES, SAME_DAYS).signals:
            real = signal.metric == "resolution" and signal.code in {"d0", "d1", "d2", "d3"}
            found += real
            false += not real
    assert found >= 0.95 * 4 * rounds
    assert false <= 0.03 * (found + false)


# --- Overdue ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overdue", "fires"), [(29, False), (30, True)])
def test_overdue_cases_count_from_the_floor_on(overdue, fires):
    rest = {"cases": 1_000, "overdue": 1}
    now = counts_of({"cases": 1_000, "overdue": overdue}, *[rest] * 4)
    checked = overdue_stock(places(5), now, RULES)
    assert [signal.code for signal in checked.signals] == (["d0"] if fires else [])
    assert checked.checks == 5
    if fires:
        (signal,) = checked.signals
        assert (signal.kind, signal.count, signal.n) == ("overdue", 30, 1_000)
        assert signal.value == pytest.approx(0.03)


def test_many_overdue_are_no_exception_where_all_have_them():
    now = counts_of(*[{"cases": 1_000, "overdue": 60}] * 5)
    assert overdue_stock(places(5), now, RULES).signals == ()


def test_places_without_cases_and_a_place_alone_are_never_exceptions():
    now = counts_of({"cases": 0}, {"cases": 500, "overdue": 400})
    checked = overdue_stock(places(2), now, RULES)
    assert (checked.signals, checked.checks) == ((), 1)
    assert overdue_stock(places(0), counts_of().reindex(columns=COUNT_COLUMNS), RULES).checks == 0


def test_overdue_by_chance_hardly_ever_fires():
    random = np.random.default_rng(9)
    rules = Rules(overdue_floor=1)
    alarms = 0
    for _ in range(300):
        now = counts_of(
            *[{"cases": 1_000, "overdue": random.binomial(1_000, 0.05)} for _ in range(17)]
        )
        alarms += bool(overdue_stock(places(17), now, rules).signals)
    assert alarms <= 0.03 * 300


# --- Shrinking denominators ---------------------------------------------------------------------


def shrinks(now, before, now_all=None, before_all=None):
    now_all, before_all = now_all or now, before_all or before
    frames = [counts_of(each) for each in (now, before, now_all, before_all)]
    return shrinking_denominators(places(1), *frames, RULES)


@pytest.mark.parametrize(
    ("revisits", "fires"),
    # From 50 %; the threshold is 5 percentage points.
    [(10_000, False), (9_001, False), (8_999, True), (12_000, False)],
)
def test_fewer_valid_revisits_count_from_the_smallest_drop_on(revisits, fires):
    checked = shrinks(SOUND | {"revisits": revisits}, SOUND)
    assert [signal.kind for signal in checked.signals] == (["shrinking"] if fires else [])
    assert checked.checks == 2
    if fires:
        assert checked.signals[0].tone == "watch"
        assert checked.signals[0].amount == pytest.approx(-5.005)
        assert checked.signals[0].value == pytest.approx(0.44995)


@pytest.mark.parametrize(("excluded", "fires"), [(200, False), (399, False), (401, True)])
def test_more_excluded_cases_count_from_the_smallest_rise_on(excluded, fires):
    everything = SOUND
    before = SOUND | {"cases": 19_800, "mature": 19_800}  # 1 % of 20,000 excluded
    now = SOUND | {"cases": 20_000 - excluded, "mature": 20_000 - excluded}
    checked = shrinks(now, before, everything, everything)
    assert [signal.kind for signal in checked.signals] == (["excluding"] if fires else [])
    if fires:
        assert checked.signals[0].count == excluded
        assert checked.signals[0].n == 20_000
        assert checked.signals[0].value == pytest.approx(excluded / 20_000)


def test_few_excluded_cases_of_few_are_noise():
    everything = {"cases": 40, "mature": 40, "revisits": 35}
    checked = shrinks(everything | {"cases": 37}, everything, everything, everything)
    assert checked.signals == ()


def test_nothing_to_compare_with_is_no_check():
    assert shrinks(SOUND, {}).checks == 0
    assert shrinks({}, {}).checks == 0


# --- The data itself ----------------------------------------------------------------------------


CUTOFF = dt.datetime(2021, 4, 12, 23, 59)


def problems(**changes):
    asked = {
        "cutoff": CUTOFF,
        "clock": CUTOFF + dt.timedelta(hours=1),
        "days_missing": 0,
        "unplaced": 0,
        "cases": 1_000,
        "rules": RULES,
    } | changes
    checked = data_problems(**asked)
    return [signal.kind for signal in checked.signals], checked


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"clock": CUTOFF + dt.timedelta(hours=36)}, []),
        ({"clock": CUTOFF + dt.timedelta(hours=36, seconds=1)}, ["stale"]),
        ({"clock": None}, []),
        ({"days_missing": 1}, ["gap"]),
        ({"days_missing": 5, "cases": 0}, []),
        ({"unplaced": 50}, []),
        ({"unplaced": 51}, ["unplaced"]),
        ({"unplaced": 0, "cases": 0}, []),
    ],
)
def test_what_is_wrong_with_the_data_on_both_sides(changes, kinds):
    found, checked = problems(**changes)
    assert found == kinds
    assert checked.normal == checked.checks - len(kinds)
    assert checked.checks == (2 if changes.get("clock", CUTOFF) is None else 3)


def test_staleness_says_the_days():
    _, checked = problems(clock=CUTOFF + dt.timedelta(days=3, hours=5))
    assert checked.signals[0].count == 3
    assert checked.signals[0].tone == "alert"


def test_alerts_come_first_then_the_heavier():
    def signal(tone, weight):
        return Signal("gap", tone, weight=weight)

    first = Checked((signal("watch", 90), signal("alert", 1)), 5)
    second = Checked((signal("alert", 7), signal("watch", 2)), 4)
    result = together(first, second)
    assert [(each.tone, each.weight) for each in result.signals] == [
        ("alert", 7), ("alert", 1), ("watch", 90), ("watch", 2),
    ]  # fmt: skip
    assert (result.checks, result.normal) == (9, 5)
    assert together() == Checked((), 0)
