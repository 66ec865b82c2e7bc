"""Commitments: what is kept, what is late, what nobody knows, and what is no commitment at all."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.commitments import (
    OVERDUE,
    PROJECT,
    Commitment,
    CommitmentError,
    Outcome,
    RateReading,
    by_attention,
    by_progress,
    by_project,
    by_rate,
    checked,
    in_words_only,
    of_week,
    promise_exceptions,
)
from domain.periods import Window
from domain.rules import Rules
from domain.schedule import Target

RULES = Rules()
MADE, DUE = dt.date(2021, 4, 1), dt.date(2021, 6, 30)
TARGET = Target(
    "T1", "2021-01", "办证", "套", 100_000, 570_000, dt.date(2021, 1, 1), dt.date(2021, 12, 31)
)
LEVEL = dataclasses.replace(TARGET, cumulative=False, direction="down")


def promise(**fields: Any) -> Commitment:
    plain = Commitment(1, MADE, DUE, by="昌平区", words="办理")
    return dataclasses.replace(plain, **fields)


def on(month: int, day: int) -> dt.date:
    return dt.date(2021, month, day)


# --- Progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "as_of", "standing", "value"),
    [
        # Reached before its day: kept, by the first figure that reached it.
        ([(on(5, 1), 900), (on(5, 8), 1_000), (on(6, 30), 1_400)], on(7, 9), "kept", 1_000),
        ([(on(6, 30), 1_000)], on(6, 30), "kept", 1_000),
        # One short on the day.
        ([(on(6, 30), 999)], on(6, 30), "broken", 999),
        # Not there yet, and not due.
        ([(on(5, 1), 900)], on(6, 29), "open", 900),
        # Reached, but the data of that day are not known yet to be so.
        ([(on(6, 1), 900), (on(7, 8), 1_100)], on(7, 5), "waiting", 900),
        # The figure of the next week is short: so it was on the day.
        ([(on(6, 1), 900), (on(7, 4), 950)], on(7, 5), "broken", 950),
        # Short on the day, reached later.
        ([(on(6, 30), 900), (on(7, 7), 1_000)], on(7, 9), "late", 1_000),
        ([(on(6, 29), 900), (on(7, 2), 950), (on(7, 7), 1_000)], on(7, 9), "late", 1_000),
        # Reached between two figures around the day: a person must look.
        ([(on(6, 27), 900), (on(7, 4), 1_000)], on(7, 9), "waiting", 1_000),
        ([], on(7, 9), "waiting", math.nan),
        ([], on(6, 1), "open", math.nan),
    ],
)
def test_progress_is_told_by_the_figures_of_the_day(figures, as_of, standing, value):
    outcome = by_progress(promise(measure="T1", goal=1_000), TARGET, figures, as_of)
    assert outcome.standing == standing
    assert outcome.value == pytest.approx(value, nan_ok=True)
    assert bool(outcome.reason) == (standing == "waiting" or not figures)


@pytest.mark.parametrize(
    ("figures", "standing"),
    [
        ([(on(6, 30), 5.0)], "kept"),
        ([(on(6, 30), 5.1)], "broken"),
        # What a level was once, or weeks later, says nothing about its day.
        ([(on(5, 1), 4.0), (on(6, 30), 6.0)], "broken"),
        ([(on(5, 1), 4.0)], "waiting"),
        ([(on(5, 30), 4.0), (on(7, 4), 9.0)], "kept"),
    ],
)
def test_a_level_must_hold_on_the_day(figures, standing):
    assert (
        by_progress(promise(measure="T1", goal=5.0), LEVEL, figures, on(7, 9)).standing == standing
    )


def test_what_the_data_no_longer_have_is_not_judged():
    for outcome in (
        by_progress(promise(measure="T1", goal=1), None, [(DUE, 5.0)], on(7, 9)),
        by_project(promise(measure=PROJECT, project="P1"), None, 10, on(7, 9)),
    ):
        assert outcome.standing == "waiting"
        assert "没有这个" in outcome.reason


# --- Rates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "n", "as_of", "standing", "near"),
    [
        (0.90, 500, DUE, "kept", True),
        (0.899, 500, DUE, "broken", True),
        (0.97, 500, DUE, "kept", False),
        (0.80, 500, DUE, "broken", False),
        (0.80, RULES.minimum_revisits - 1, DUE, "waiting", False),
        (0.80, RULES.minimum_revisits, DUE, "broken", False),
        (0.80, 500, DUE - dt.timedelta(days=1), "open", False),
    ],
)
def test_a_rate_is_judged_by_its_value_and_says_when_it_was_near(value, n, as_of, standing, near):
    reading = RateReading(value, n, value - 0.03, value + 0.03)
    outcome = by_rate(promise(measure="resolution", goal=0.9), reading, as_of, RULES)
    assert (outcome.standing, outcome.near) == (standing, near)


def test_a_rate_that_is_not_ripe_or_empty_is_waited_for():
    goal = promise(measure="resolution", goal=0.9)
    unripe = RateReading(0.95, 500, 0.93, 0.97, withheld="诉求尚未成熟")
    assert by_rate(goal, unripe, DUE, RULES).reason == "诉求尚未成熟"
    assert by_rate(goal, None, DUE, RULES).standing == "waiting"
    assert by_rate(goal, RateReading(math.nan, 0, 0, 1), DUE, RULES).standing == "waiting"
    assert by_rate(goal, None, on(5, 1), RULES).standing == "open"


# --- Projects and words ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "as_of", "standing"),
    [
        ([(on(6, 30), 10.0)], on(7, 9), "kept"),
        ([(on(7, 1), 10.0)], on(7, 9), "late"),
        ([(on(6, 30), 9.0)], on(6, 30), "broken"),
        ([], on(6, 30), "broken"),
        ([(on(6, 1), 9.0)], on(6, 29), "open"),
        ([(on(7, 1), 10.0)], on(6, 30), "broken"),
    ],
)
def test_a_project_is_finished_or_not(figures, as_of, standing):
    assert (
        by_project(promise(measure=PROJECT, project="P1"), figures, 10, as_of).standing == standing
    )


def test_words_need_a_person():
    assert in_words_only(promise(), DUE - dt.timedelta(days=1)).standing == "open"
    assert in_words_only(promise(), DUE).standing == "unjudged"
    assert in_words_only(promise(verdict="kept"), DUE).standing == "kept"
    # Kept before its day is kept.
    assert in_words_only(promise(verdict="kept"), MADE).standing == "kept"


def test_a_withdrawn_promise_is_neither_kept_nor_broken():
    gone = promise(withdrawn="误录", measure="T1", goal=1)
    assert by_progress(gone, TARGET, [(DUE, 5.0)], DUE).standing == "withdrawn"
    assert by_rate(dataclasses.replace(gone, measure="resolution"), None, DUE, RULES).standing == (
        "withdrawn"
    )
    assert by_project(gone, [], 1, DUE).standing == "withdrawn"
    assert in_words_only(gone, DUE).standing == "withdrawn"
    assert of_week([(gone, Outcome("withdrawn"))], Window(DUE, DUE)) == []


@given(
    st.lists(st.tuples(st.dates(MADE, on(8, 1)), st.integers(0, 2_000)), max_size=8),
    st.dates(MADE, on(8, 1)),
)
def test_more_data_never_turn_a_kept_promise_into_a_broken_one(points, as_of):
    """Cumulative figures that only grow: kept stays kept, broken becomes late at most."""
    total, figures = 0.0, []
    for day in sorted({day for day, _ in points}):
        total += next(value for each, value in points if each == day)
        figures.append((day, total))
    goal = promise(measure="T1", goal=1_500)
    first = by_progress(goal, TARGET, figures, as_of).standing
    later = by_progress(goal, TARGET, figures, on(8, 1)).standing
    if first == "kept":
        assert later == "kept"
    if first == "broken":
        assert later in ("broken", "late")
    if as_of < DUE:
        assert first in ("open", "kept")


def test_unkept_promises_are_one_exception_and_unsettled_ones_another():
    def told(*standings):
        return promise_exceptions(
            [
                (promise(number=place, by=f"第{place}家"), Outcome(standing))
                for place, standing in enumerate(standings)
            ]
        )

    nothing = told("open", "withdrawn")
    assert (nothing.signals, nothing.checks) == ((), 0)
    settled = told("kept", "late", "open")
    assert (settled.signals, settled.checks) == ((), 2)
    found = told("broken", "unjudged", "broken", "waiting", "kept", "withdrawn", "waiting")
    assert found.checks == 2
    assert [(each.kind, each.tone, each.count, each.place) for each in found.signals] == [
        ("promise_broken", "alert", 2, "第2家"),
        ("promise_due", "watch", 3, "第6家"),
    ]
    assert {each.metric for each in found.signals} == {DUE.isoformat()}


# --- What is entered ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"by": " "}, "承诺单位"),
        ({"words": ""}, "承诺事项"),
        ({"words": "长" * 401}, "不超过400字"),
        ({"due_on": MADE}, "晚于"),
        ({"due_on": dt.date(2031, 1, 1)}, "两年"),
        ({"goal": 5.0}, "没有选择指标"),
        ({"measure": PROJECT}, "写明项目"),
        ({"measure": PROJECT, "project": "P1", "goal": 3.0}, "没有选择指标"),
        ({"measure": "T1"}, "须填写目标值"),
        ({"measure": "T1", "goal": math.inf}, "须填写目标值"),
        ({"measure": "T1", "goal": -1.0}, "须填写目标值"),
        ({"measure": "resolution", "goal": 1.01}, "满分"),
        ({"measure": "composite", "goal": 101.0}, "满分"),
    ],
)
def test_what_is_no_commitment_is_refused(fields, words):
    with pytest.raises(CommitmentError, match=words):
        checked(promise(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"words": "长" * 400},
        {"measure": "resolution", "goal": 1.0},
        {"measure": "composite", "goal": 92.5},
        {"measure": "T1", "goal": 1_000.0},
        {"measure": PROJECT, "project": "P1"},
    ],
)
def test_what_is_one_passes_unchanged(fields):
    assert checked(promise(**fields)) == promise(**fields)


# --- The meeting --------------------------------------------------------------------------------


def test_a_meeting_looks_back_on_its_week_and_on_what_is_still_open_from_before():
    week = Window(on(7, 5), on(7, 11))
    judged = [
        (promise(number=1, due_on=on(7, 5)), Outcome("kept")),
        (promise(number=2, due_on=on(7, 11)), Outcome("broken")),
        (promise(number=3, due_on=on(7, 12)), Outcome("open")),
        (promise(number=4, due_on=on(6, 1)), Outcome("broken")),
        (promise(number=5, due_on=on(6, 1)), Outcome("late")),
        (promise(number=6, due_on=on(6, 2)), Outcome("unjudged")),
    ]
    assert [each[0].number for each in of_week(judged, week)] == [1, 2, 4, 6]
    assert [each[0].number for each in by_attention(judged)] == [4, 2, 6, 5, 3, 1]
    assert {each[1].standing for each in judged} >= OVERDUE - {"waiting"}
