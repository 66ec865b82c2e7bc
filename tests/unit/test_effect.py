"""The effect of a launch: planted effects come back, none is found where none is."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

from domain.effect import Effect, effect_of_launch, expected_weekly, logistic
from domain.periods import Window
from domain.programme import expected_cases
from domain.rules import Rules

LAUNCH = dt.date(2021, 3, 1)  # a Monday
LAST = dt.date(2021, 6, 6)
MONTHS = dt.timedelta(weeks=26)
COLUMNS = ["week_start", "code", "cases"]


def simulated(
    seed: int,
    *,
    effect: float = 0.0,
    season: float = 0.0,
    trend: float = 0.0,
    lasting: float = 0.0,
    years: int = 2,
    districts: int = 9,
    level: float = 3.3,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts of a topic and of others: over-dispersed, with ups and downs in common.

    ``trend`` is of the topic this year, ``lasting`` the size of ups and downs of the topic alone
    of which 0.7 is left a week later.
    """
    random = np.random.default_rng(seed)
    week = np.arange(-52 * (years - 1) - 13, (LAST - LAUNCH).days // 7 + 1)
    starts = [LAUNCH + dt.timedelta(weeks=int(each)) for each in week]
    day = np.array([start.timetuple().tm_yday for start in starts])
    mean = np.exp(random.normal(level, 0.5, (districts, 1)) + random.normal(0, 0.15, len(week)))
    own = season * np.sin(2 * np.pi * day / 365) + trend * week * (week > -26)
    if lasting:
        shocks = lasting * random.normal(size=len(week))
        for place in range(1, len(week)):
            shocks[place] = 0.7 * shocks[place - 1] + np.sqrt(1 - 0.7**2) * shocks[place]
        own += shocks
    change = np.exp(own) * np.where(week >= 0, 1 + effect, 1.0)
    frames = [
        pd.DataFrame(
            {
                "week_start": np.tile(np.array(starts, dtype="object"), districts),
                "code": np.repeat([str(each) for each in range(districts)], len(week)),
                "cases": random.negative_binomial(expected / 2, 1 / 3).ravel(),
            }
        )
        for expected in (mean * change, 30 * mean)
    ]
    return frames[0], frames[1]


def effects(runs: int, **planted: Any) -> list[Effect]:
    return [effect_of_launch(*simulated(seed, **planted), LAUNCH, LAST) for seed in range(runs)]


def shares(runs: int, **planted: Any) -> dict[str, float]:
    """Return the shares that docs/definitions.md states, of the runs that tell an effect."""
    found = effects(runs, **planted)
    told = [each for each in found if not each.withheld]
    truth = planted.get("effect", 0.0)
    return {
        "withheld": 1 - len(told) / runs,
        "held": sum(each.low <= truth <= each.high for each in told) / len(told),
        "mean": sum(each.change for each in told) / len(told),
        "not flat": sum(each.direction != "flat" for each in told) / len(told),
    }


@pytest.mark.parametrize("planted", [-0.2, 0.3])
def test_a_planted_effect_comes_back(planted: float) -> None:
    found = shares(60, effect=planted)
    assert found["withheld"] <= 0.15
    assert found["held"] >= 0.88
    assert found["mean"] == pytest.approx(planted, abs=0.04)
    assert found["not flat"] >= 0.6


def test_none_is_reported_where_none_was_planted() -> None:
    found = shares(120)
    assert found["withheld"] <= 0.15
    assert found["not flat"] <= 0.1


def test_a_season_of_both_years_is_no_effect() -> None:
    told = [each for each in effects(25, season=0.6) if not each.withheld]
    assert len(told) >= 20
    assert sum(each.direction != "flat" for each in told) <= 3
    assert all(each.seasonal for each in told)


@pytest.mark.parametrize("years", [1, 2])
def test_a_trend_of_its_own_before_the_launch_is_withheld(years: int) -> None:
    found = effects(15, trend=0.08, years=years)
    assert sum(each.reason == "启动前走势与对照不一致" for each in found) >= 14
    assert {each.seasonal for each in found} == {years == 2}


def test_without_last_year_the_season_is_seen_before_the_launch_and_the_effect_withheld() -> None:
    found = effects(10, season=0.6, years=1)
    assert sum(each.reason == "启动前走势与对照不一致" for each in found) >= 9
    assert not found[0].seasonal


def exact(
    topic: dict[bool, float], control: dict[bool, float], districts: int = 6, before: int = 12
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return counts without noise, one year: after launch (True) and before (False)."""
    rows: list[list[Any]] = [[], []]
    for week in range(-before, 14):
        start = LAUNCH + dt.timedelta(weeks=week)
        for district in range(districts):
            for place, of in enumerate((topic, control)):
                rows[place].append((start, str(district), int((district + 1) * of[week >= 0])))
    return pd.DataFrame(rows[0], columns=COLUMNS), pd.DataFrame(rows[1], columns=COLUMNS)


def test_without_noise_it_is_the_ratio_of_ratios() -> None:
    topic, control = exact({False: 20, True: 15}, {False: 400, True: 500})
    effect = effect_of_launch(topic, control, LAUNCH, LAST)
    assert effect.change == pytest.approx(15 / 20 / (500 / 400) - 1, abs=1e-6)
    assert (effect.weeks_before, effect.weeks_after) == (12, 14)
    assert effect.cases == 14 * 15 * sum(range(1, 7))
    assert effect.low < effect.change < effect.high
    assert effect.direction == "down"


def test_a_missing_row_is_no_case() -> None:
    topic, control = exact({False: 20, True: 15}, {False: 400, True: 500})
    fewer = topic[~((topic["code"] == "0") & (topic["week_start"] == LAUNCH))]
    zero = topic.assign(
        cases=topic["cases"].where(~((topic["code"] == "0") & (topic["week_start"] == LAUNCH)), 0)
    )
    assert effect_of_launch(fewer, control, LAUNCH, LAST) == effect_of_launch(
        zero, control, LAUNCH, LAST
    )


def test_a_launch_within_a_week_leaves_that_week_out() -> None:
    topic, control = exact({False: 20, True: 15}, {False: 400, True: 500})
    effect = effect_of_launch(topic, control, LAUNCH + dt.timedelta(days=2), LAST)
    assert (effect.weeks_before, effect.weeks_after) == (12, 13)


def test_a_topic_without_cases_last_year_has_no_season() -> None:
    topic, control = simulated(1, effect=-0.3)
    new = topic[topic["week_start"] > LAUNCH - dt.timedelta(weeks=26)]
    effect = effect_of_launch(new, control, LAUNCH, LAST)
    assert (effect.withheld, effect.seasonal, effect.direction) == (False, False, "down")


def test_a_week_without_any_case_is_left_out() -> None:
    frames = simulated(1, effect=-0.3)
    for week in (-12, -5, 3):
        gap = [LAUNCH + dt.timedelta(weeks=each) for each in (week, week - 52)]
        topic, control = (frame[~frame["week_start"].isin(gap)] for frame in frames)
        effect = effect_of_launch(topic, control, LAUNCH, LAST)
        assert effect.direction == "down", week


def test_last_years_cases_on_one_side_of_the_launch_only_tell_nothing() -> None:
    topic, control = simulated(2)
    turn = LAUNCH - dt.timedelta(weeks=52)
    for lost in (topic["week_start"] < turn, topic["week_start"].between(turn, LAUNCH - MONTHS)):
        effect = effect_of_launch(topic[~lost], control, LAUNCH, LAST)
        assert (effect.reason, effect.seasonal) == ("数据不足以估计", True)


def test_warnings_of_other_threads_stay_as_they_are() -> None:
    topic, control = simulated(2)
    effect_of_launch(topic, control, LAUNCH, LAST)
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: effect_of_launch(topic, control, LAUNCH, LAST), range(24)))
    assert list(warnings.filters) == before


NOTHING = pd.DataFrame(columns=COLUMNS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"last_day": LAUNCH - dt.timedelta(days=1)}, "尚未启动"),
        ({"last_day": LAUNCH + dt.timedelta(days=26)}, "启动后不足4个整周"),
        ({"before": 7}, "启动前不足8个整周"),
        ({"districts": 4}, "有诉求的区不足5个"),
        ({"topic": {False: 20, True: 0}}, "启动前后有一段诉求不足30件"),
        ({"control": None}, "没有对照诉求"),
    ],
)
def test_every_reason_to_withhold(change: dict[str, Any], reason: str) -> None:
    topic, control = exact(
        change.get("topic", {False: 20, True: 15}),
        {False: 400, True: 500},
        change.get("districts", 6),
        change.get("before", 12),
    )
    if "control" in change:
        control = NOTHING
    effect = effect_of_launch(topic, control, LAUNCH, change.get("last_day", LAST))
    assert (effect.reason, effect.direction, effect.withheld) == (reason, "withheld", True)
    assert math.isnan(effect.change)


def test_counts_that_fit_nothing_are_withheld_not_an_error() -> None:
    topic, control = exact({False: 20, True: 15}, {False: 0, True: 0})
    assert effect_of_launch(topic, control, LAUNCH, LAST).reason == "数据不足以估计"


def whole_weeks(first: dt.date, number: int) -> list[Window]:
    starts = [first + dt.timedelta(weeks=week) for week in range(number)]
    return [Window(start, start + dt.timedelta(days=6)) for start in starts]


def test_the_expectation_is_last_year_times_what_the_others_did() -> None:
    topic, control = simulated(3)
    weeks = whole_weeks(LAUNCH, 14)
    weeks[-1] = Window(weeks[-1].start, weeks[-1].start + dt.timedelta(days=3))
    told = expected_weekly(topic, control, weeks, Rules())
    for place, week in enumerate(weeks):
        then = week.start - dt.timedelta(weeks=52)
        sums = {
            (name, start): sum(row.cases for row in frame.itertuples() if row.week_start == start)
            for name, frame in (("topic", topic), ("control", control))
            for start in (week.start, then)
        }
        assert told["cases"][place] == sums["topic", week.start]
        if place == len(weeks) - 1:
            assert math.isnan(told["expected"][place])  # not over yet
            continue
        expected = sums["topic", then] * sums["control", week.start] / sums["control", then]
        assert told["expected"][place] == pytest.approx(expected)
        assert told["low"][place] < expected < told["high"][place]


def test_the_board_and_the_topic_page_expect_the_same() -> None:
    topic, control = simulated(4)
    weeks = whole_weeks(LAUNCH - dt.timedelta(weeks=52), 52 + 14)
    by_week = [frame.groupby("week_start")["cases"].sum() for frame in (topic, control)]
    own, others = (
        np.array([float(series.get(week.start, 0)) for week in weeks]) for series in by_week
    )
    board = expected_cases(own[None, :], others)[0]
    page = expected_weekly(topic, control, weeks, Rules())["expected"].to_numpy()
    assert list(board[52:]) == pytest.approx(list(page[52:]))


def test_no_expectation_without_last_year() -> None:
    topic, control = simulated(5, years=1)
    told = expected_weekly(topic, control, whole_weeks(LAUNCH, 3), Rules())
    assert told["expected"].isna().all()
    assert told["low"].isna().all()


@pytest.mark.parametrize("seed", range(8))
def test_the_regression_is_that_of_statsmodels(seed: int):
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    random = np.random.default_rng(seed)
    cells, groups = 240, 6
    label = random.integers(0, groups, cells)
    design = np.column_stack([label[:, None] == np.arange(groups), random.normal(size=cells)])
    total = random.integers(1, 400 if seed % 2 else 9, cells)
    chance = 1 / (1 + np.exp(-(design @ random.normal(-0.5, 0.5, groups + 1))))
    cases = random.binomial(total, chance)
    found = logistic(design.astype("float64"), cases, total)
    wanted = GLM(np.column_stack([cases, total - cases]), design, family=Binomial()).fit()
    assert found.estimates == pytest.approx(wanted.params, rel=1e-6, abs=1e-9)
    assert found.chance == pytest.approx(wanted.mu, rel=1e-6)
    assert found.covariance == pytest.approx(
        np.asarray(wanted.normalized_cov_params), rel=1e-4, abs=1e-9
    )


def test_a_regression_without_a_finite_answer_has_an_endless_one():
    apart = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    cases, total = np.array([3, 5, 9, 9]), np.array([9, 9, 9, 9])
    found = logistic(apart, cases, total)
    # Told by its size: ``effect_of_launch`` believes no change that large.
    assert found.estimates[1] > 15
