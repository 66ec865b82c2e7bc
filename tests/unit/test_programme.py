"""Complaints against expectation, the account of tasks, the exceptions of topics."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.exceptions import exception_list, signal_sentence
from domain.programme import Tasks, Volume, expected_cases, tasks, volumes
from domain.rules import Rules
from domain.signals import Signal, SignalKind, TopicState, together, topic_exceptions

RULES = Rules()
NAN = float("nan")
# The same week of the year before.
BACK = 52


# --- Complaints against expectation -------------------------------------------------------------


def expectation(topic: list[int], others: list[int], week: int) -> float:
    """Return the expectation of one week; NaN without a year before."""
    if week < BACK or others[week - BACK] == 0:
        return NAN
    return topic[week - BACK] * others[week] / others[week - BACK]


def volume_by_hand(
    topic: list[int], others: list[int], rules: Rules
) -> tuple[int, float, float | None]:
    """Return cases, expectation and by how much they pass both thresholds; None: no comparison."""
    last = range(len(topic) - rules.rise_weeks, len(topic))
    cases = sum(topic[week] for week in last)
    expected = math.fsum(expectation(topic, others, week) for week in last)
    if math.isnan(expected) or expected == 0:
        return cases, expected, None
    before = sum(topic[week - BACK] for week in last)
    scale = expected / before
    # Both years vary: this one around its expectation, the one before as it is scaled up.
    variance = rules.volume_dispersion * (expected + before * scale**2)
    beyond_noise = cases - expected - 1.645 * math.sqrt(variance)
    beyond_rise = cases - (1 + rules.smallest_rise) * expected
    return cases, expected, min(beyond_noise, beyond_rise)


@st.composite
def programmes(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Draw cases of some topics and of no topic, in the same weeks."""
    weeks = draw(st.integers(BACK - 3, BACK + 12))
    counts = st.integers(0, 60)
    row = st.lists(counts, min_size=weeks, max_size=weeks)
    topics = draw(st.lists(row, min_size=1, max_size=3))
    # Recent weeks that stand out, so that some do rise.
    high = draw(st.integers(0, 400))
    topics[0][-4:] = [count + high for count in topics[0][-4:]]
    return topics, draw(st.lists(st.integers(0, 300), min_size=weeks, max_size=weeks))


@given(programme=programmes(), weeks=st.integers(2, 6), dispersion=st.floats(1, 20))
def test_volumes_equal_a_loop(
    programme: tuple[list[list[int]], list[int]], weeks: int, dispersion: float
) -> None:
    topics, others = programme
    rules = Rules(rise_weeks=weeks, volume_dispersion=dispersion)
    found = volumes(np.array(topics, dtype="float64"), np.array(others, dtype="float64"), rules)
    assert len(found) == len(topics)
    for volume, topic in zip(found, topics, strict=True):
        cases, expected, beyond = volume_by_hand(topic, others, rules)
        assert (volume.cases, volume.weeks) == (cases, weeks)
        assert volume.expected == pytest.approx(expected, nan_ok=True)
        if beyond is None:
            assert not volume.rising
        elif abs(beyond) > 1e-6:
            assert volume.rising == (beyond > 0)


@given(programme=programmes())
def test_expectation_of_every_week_equals_a_loop(
    programme: tuple[list[list[int]], list[int]],
) -> None:
    topics, others = programme
    for kind in ("int64", "float64"):
        found = expected_cases(np.array(topics, dtype=kind), np.array(others, dtype=kind))
        assert found.shape == (len(topics), len(others))
        for place, topic in enumerate(topics):
            by_hand = [expectation(topic, others, week) for week in range(len(others))]
            assert list(found[place]) == pytest.approx(by_hand, nan_ok=True)


def even(now: int, before: int, others: tuple[int, int] = (1000, 1000), weeks: int = 60) -> Volume:
    """Return the volume of a topic with so many cases in its newest four weeks and a year before.

    ``others``: cases of no topic in a week of each of the two years.
    """
    topic, rest = np.zeros(weeks), np.full(weeks, float(others[1]))
    rest[-4:] = others[0]
    for part, value in ((slice(-4, None), now), (slice(-56, -52), before)):
        topic[part] = [value // 4, value // 4, value // 4, value - 3 * (value // 4)]
    return volumes(topic[np.newaxis], rest, RULES)[0]


@pytest.mark.parametrize(
    ("now", "before", "rising"),
    [
        # Noise of so many is ±3.7 %: the smallest rise of 20 % decides, and is itself enough.
        (47_999, 40_000, False),
        (48_000, 40_000, True),
        # Noise of 100 is 1.645 · √(10 · 100 · 2) = 73.57.
        (173, 100, False),
        (174, 100, True),
        (100, 100, False),
        (20, 100, False),
    ],
)
def test_rising_needs_both_the_smallest_rise_and_more_than_noise(
    now: int, before: int, rising: bool
) -> None:
    volume = even(now, before)
    assert (volume.cases, volume.expected) == (now, before)
    assert volume.rising == rising
    assert volume.change == pytest.approx((now - before) / before)


def test_the_rules_set_both_thresholds() -> None:
    topic, others = np.zeros((1, 56)), np.full(56, 500.0)
    topic[0, :4], topic[0, -4:] = 25, 31  # 100 → 124: noise of Poisson counts is 23.26

    def rising(**changes: Any) -> bool:
        return volumes(topic, others, dataclasses.replace(RULES, **changes))[0].rising

    assert not rising()
    assert rising(volume_dispersion=1.0)
    assert not rising(volume_dispersion=1.1)
    assert not rising(volume_dispersion=1.0, smallest_rise=0.25)


def test_what_all_complaints_do_is_not_the_topics_doing() -> None:
    alone = even(20_000, 10_000)
    assert alone.rising
    with_the_city = even(20_000, 10_000, others=(2000, 1000))
    assert (with_the_city.expected, with_the_city.rising) == (20_000, False)
    assert with_the_city.change == pytest.approx(0)
    # As many as the year before, while everything else halves: that is a rise.
    steady = even(10_000, 10_000, others=(500, 1000))
    assert (steady.expected, steady.rising) == (5_000, True)
    assert steady.change == pytest.approx(1)


def test_only_the_newest_weeks_count() -> None:
    topic, others = np.full((1, 70), 100.0), np.full(70, 1000.0)
    topic[0, -5] = 1e6
    assert volumes(topic, others, RULES)[0] == Volume(400, 400.0, 4, False)
    topic[0, -4] = 1e6
    assert volumes(topic, others, RULES)[0].rising
    # And of the year before the same four, not a fifth one.
    topic[0, -4] = 100
    topic[0, [-52, -57]] = 1e6
    assert volumes(topic, others, RULES)[0].expected == 400


@pytest.mark.parametrize(("weeks", "known"), [(1, False), (4, False), (55, False), (56, True)])
def test_less_than_a_year_and_the_weeks_is_no_expectation(weeks: int, known: bool) -> None:
    topics, others = np.full((2, weeks), 10.0), np.full(weeks, 100.0)
    topics[1, -4:] = 1e5
    for volume in volumes(topics, others, RULES):
        assert math.isnan(volume.expected) != known
        assert math.isnan(volume.change) != known
    assert [volume.rising for volume in volumes(topics, others, RULES)] == [False, known]
    assert volumes(topics, others, RULES)[0].cases == 10 * min(weeks, 4)


def test_no_cases_a_year_before_gives_no_change_and_no_warning() -> None:
    new = even(500, 0)
    assert (new.cases, new.expected, new.rising) == (500, 0, False)
    assert math.isnan(new.change)
    nothing = even(0, 0)
    assert (nothing.cases, nothing.expected, nothing.rising) == (0, 0, False)
    # One week without any other case: how all changed is not known.
    topic, others = np.full((1, 60), 50.0), np.full(60, 100.0)
    others[-54] = 0
    lost = volumes(topic, others, RULES)[0]
    assert math.isnan(lost.expected)
    assert not lost.rising
    # None now: nothing is expected, and what came is no multiple of nothing.
    others = np.full(60, 100.0)
    others[-4:] = 0
    assert volumes(topic, others, RULES)[0].expected == 0


def test_no_topics_no_volumes() -> None:
    assert volumes(np.zeros((0, 60)), np.zeros(60), RULES) == []


# --- Tasks --------------------------------------------------------------------------------------

DAY = dt.date(2021, 4, 12)


def days(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("due", "done", "expected"),
    [
        # (due, done, on time, late, overdue) of one task; total is 1.
        (-10, -10, (1, 1, 1, 0, 0)),
        (-10, -20, (1, 1, 1, 0, 0)),
        (-10, -9, (1, 1, 0, 1, 0)),
        (-10, 0, (1, 1, 0, 1, 0)),
        (0, 0, (1, 1, 1, 0, 0)),
        (0, None, (1, 0, 0, 0, 1)),
        (-10, None, (1, 0, 0, 0, 1)),
        # Done, but only after the day that is told of.
        (-10, 1, (1, 0, 0, 0, 1)),
        (1, None, (0, 0, 0, 0, 0)),
        (1, 1, (0, 0, 0, 0, 0)),
        # Done before it is due.
        (30, -1, (0, 1, 0, 0, 0)),
        (30, 0, (0, 1, 0, 0, 0)),
    ],
)
def test_one_task(due: int, done: int | None, expected: tuple[int, ...]) -> None:
    found = tasks([(days(due), None if done is None else days(done))], DAY)
    assert (found.due, found.done, found.on_time, found.late, found.overdue) == expected
    assert found.total == 1
    if found.due:
        assert found.on_time_rate == found.on_time
    else:
        assert math.isnan(found.on_time_rate)


def test_no_tasks() -> None:
    assert tasks([], DAY) == Tasks(0, 0, 0, 0, 0, 0)
    assert math.isnan(tasks([], DAY).on_time_rate)


@given(
    st.lists(st.tuples(st.integers(-40, 40), st.none() | st.integers(-40, 40)), max_size=30),
)
def test_many_tasks_are_told_one_by_one(numbers: list[tuple[int, int | None]]) -> None:
    found = tasks([(days(a), None if b is None else days(b)) for a, b in numbers], DAY)
    due = done = in_time = late = overdue = 0
    for end, finished in numbers:
        known = finished is not None and finished <= 0
        done += known
        if end > 0:
            continue
        due += 1
        if not known or finished is None:
            overdue += 1
        elif finished <= end:
            in_time += 1
        else:
            late += 1
    assert found == Tasks(len(numbers), due, done, in_time, late, overdue)
    assert found.on_time + found.late + found.overdue == found.due
    if due:
        assert found.on_time_rate == pytest.approx(in_time / due)


# --- Exceptions of topics -----------------------------------------------------------------------

SOUND = TopicState(
    code="2021-01", name="房产证办理难", target="办理不动产权证书", status="on_schedule",
    good=True, hard=False, gap_points=0.4, late_days=0, quiet_days=2, cases=300, change=0.1,
    rising=False,
)  # fmt: skip
RISING = dataclasses.replace(SOUND, rising=True, change=0.5)
STALE = dataclasses.replace(SOUND, status="stale", good=False, quiet_days=43)
OVERDUE = dataclasses.replace(SOUND, status="overdue", good=False, late_days=12, gap_points=-10.7)
BEHIND = dataclasses.replace(SOUND, status="behind", good=False, hard=True, gap_points=-4.5)


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (SOUND, None),
        (RISING, "topic_rising"),
        (dataclasses.replace(RISING, status="recovering"), "topic_rising"),
        # Complaints that rise while the progress is late are no news of their own.
        (dataclasses.replace(RISING, status="behind", good=False), None),
        (dataclasses.replace(RISING, status="no_data", good=False), None),
        (STALE, "topic_unanswered"),
        (dataclasses.replace(STALE, status="no_lead"), "topic_unanswered"),
        (dataclasses.replace(STALE, status="no_target"), "topic_unanswered"),
        (dataclasses.replace(STALE, status="no_data"), None),
        (OVERDUE, "topic_overdue"),
        (dataclasses.replace(OVERDUE, status="missed"), "topic_behind"),
        (dataclasses.replace(BEHIND, hard=False, is_due=True), "topic_overdue"),
        (dataclasses.replace(BEHIND, is_due=True), "topic_overdue"),
        (dataclasses.replace(SOUND, is_due=True), None),
        (BEHIND, "topic_behind"),
        (dataclasses.replace(BEHIND, hard=False), None),
        # Hardly made, but not behind its timetable so far.
        (dataclasses.replace(BEHIND, status="on_schedule", good=True), None),
        (dataclasses.replace(BEHIND, status="pending"), None),
        # The more important reason is the one that is told.
        (dataclasses.replace(STALE, rising=True, change=0.6, hard=True), "topic_unanswered"),
        (dataclasses.replace(OVERDUE, rising=True, change=0.6, hard=True), "topic_overdue"),
        (dataclasses.replace(BEHIND, rising=True, change=0.6), "topic_behind"),
        (dataclasses.replace(RISING, hard=True), "topic_rising"),
    ],
)
def test_each_rule_on_both_sides(topic: TopicState, kind: SignalKind | None) -> None:
    checked = topic_exceptions([topic])
    assert [signal.kind for signal in checked.signals] == ([kind] if kind else [])
    # What is behind without being an exception is not normal.
    lesser = not kind and not topic.good and topic.status != "pending"
    assert (checked.checks, checked.lesser) == (1, int(lesser))
    assert checked.normal == (0 if kind or lesser else 1)


def test_what_each_exception_says() -> None:
    def only(topic: TopicState) -> Signal:
        (signal,) = topic_exceptions([topic]).signals
        assert (signal.code, signal.place) == ("2021-01", "房产证办理难")
        return signal

    rising = only(RISING)
    assert (rising.tone, rising.n, rising.value) == ("alert", 300, 0.5)
    stale = only(STALE)
    assert (stale.tone, stale.metric, stale.count) == ("alert", "stale", 43)
    overdue = only(OVERDUE)
    assert (overdue.tone, overdue.count, overdue.amount) == ("alert", 12, -10.7)
    behind = only(BEHIND)
    assert (behind.tone, behind.amount, behind.weight) == ("watch", -4.5, 4.5)
    assert signal_sentence(behind, "某市") == "房产证办理难慢于序时4.5个百分点，按期完成难"
    today = only(dataclasses.replace(BEHIND, is_due=True))
    assert today.tone == "alert"
    assert signal_sentence(today, "某市") == "房产证办理难当日到期，尚未完成，慢于序时4.5个百分点"
    nan = float("nan")
    missed = only(dataclasses.replace(BEHIND, status="missed", hard=False, gap_points=nan))
    assert missed.tone == "watch"
    assert signal_sentence(missed, "某市") == "房产证办理难未达到目标值"


def test_one_signal_per_topic_and_the_rest_is_normal() -> None:
    states = [SOUND, RISING, STALE, OVERDUE, BEHIND]
    topics = [
        dataclasses.replace(state, code=f"2021-{place:02d}")
        for place, state in enumerate(states * 3)
    ]
    checked = topic_exceptions(topics)
    codes = [signal.code for signal in checked.signals]
    assert len(codes) == len(set(codes)) == 12
    assert {f"2021-{place:02d}" for place in (0, 5, 10)}.isdisjoint(codes)
    assert (checked.checks, checked.normal) == (15, 3)
    assert topic_exceptions([]).checks == 0
    slow = topic_exceptions([SOUND, dataclasses.replace(BEHIND, hard=False)])
    assert (slow.checks, slow.normal, slow.lesser) == (2, 1, 1)
    both = together(slow, topic_exceptions([SOUND]))
    assert (both.checks, both.normal, both.lesser) == (3, 2, 1)


def test_what_is_no_exception_is_told_as_it_stands() -> None:
    others = "其余3题：2题达序时或更好、1题滞后（未列为例外）"
    assert f"没有例外，{others}" in str(exception_list([], [], 2, "某市", others))
    (signal,) = topic_exceptions([OVERDUE]).signals
    shown = str(exception_list([signal], ["/topics/2021-01"], 2, "某市", others))
    assert others in shown
    assert "正常" not in shown


def test_in_order_of_importance() -> None:
    overdue = dataclasses.replace(OVERDUE, late_days=60)
    checked = together(topic_exceptions([BEHIND, STALE, overdue, RISING, SOUND]))
    assert [signal.kind for signal in checked.signals] == [
        "topic_rising", "topic_overdue", "topic_unanswered", "topic_behind",
    ]  # fmt: skip


def first_of(one: TopicState, other: TopicState) -> str:
    """Return the code of the exception that is told first; "one" or "other"."""
    named = [
        dataclasses.replace(one, code="one"),
        dataclasses.replace(other, code="other"),
    ]
    first, second = together(topic_exceptions(named)).signals
    assert {first.code, second.code} == {"one", "other"}
    return first.code


@pytest.mark.parametrize(
    ("lighter", "heavier"),
    [
        (RISING, dataclasses.replace(RISING, change=0.9)),
        (OVERDUE, dataclasses.replace(OVERDUE, late_days=40)),
        (STALE, dataclasses.replace(STALE, quiet_days=90)),
        (BEHIND, dataclasses.replace(BEHIND, gap_points=-9.0)),
    ],
)
def test_the_heavier_of_one_kind(lighter: TopicState, heavier: TopicState) -> None:
    assert first_of(lighter, heavier) == "other"
    assert first_of(heavier, lighter) == "one"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # Progress as planned while complaints rise comes first, whatever else there is.
        (dataclasses.replace(RISING, change=0.2), dataclasses.replace(OVERDUE, late_days=270)),
        (dataclasses.replace(RISING, change=0.2), dataclasses.replace(STALE, quiet_days=320)),
        # Then what is overdue, then what nobody answers for.
        (OVERDUE, STALE),
        (dataclasses.replace(OVERDUE, late_days=1), dataclasses.replace(STALE, quiet_days=36)),
    ],
)
def test_kinds_keep_their_order_however_old_the_news(first: TopicState, second: TopicState) -> None:
    assert first_of(second, first) == "other"
