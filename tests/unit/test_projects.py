"""The project ledger: what moved when, what is left where, against plain loops."""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.filters import Filters
from domain.projects import (
    AND,
    Durations,
    LogEntry,
    Project,
    by_cause,
    chosen,
    done_at,
    grouped,
    ordered,
    place_by_remaining,
)

TODAY = dt.date(2021, 4, 12)
STAGES = ("摸底核查", "首次登记", "转移登记", "已办结")
CAUSES = ("土地征收", "建设手续", "资金链断裂")


def project(**changes) -> Project:
    """Return a project with nothing done, in 首次登记 for ten weeks."""
    known: dict[str, Any] = {
        "code": "P1", "name": "永安家园", "target": "t1", "district": "110101",
        "district_name": "东城", "subdistrict": "110101001", "subdistrict_name": "东华门街道",
        "community": "社区1", "units": 100, "done": 0, "stage": "首次登记",
        "stage_since": TODAY - dt.timedelta(weeks=10), "developer": "企业1", "owner": "专班",
        "blocker": "", "next_step": "", "deadline": None, "causes": (), "log": (),
    }  # fmt: skip
    return Project(**(known | changes))


def moved(on: dt.date, stage: str | None = None, done: int | None = None) -> LogEntry:
    return LogEntry(on, stage, done, None)


def ago(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


# Projects of every kind, in any order.
days = st.dates(dt.date(2020, 1, 1), dt.date(2021, 6, 30))
logs = st.lists(
    st.tuples(days, st.sampled_from([None, *STAGES]), st.none() | st.integers(0, 500)),
    max_size=6,
    unique_by=lambda each: each[0],
).map(lambda rows: tuple(LogEntry(*row, None) for row in sorted(rows)))
projects = st.lists(
    st.builds(
        project,
        district=st.sampled_from(["110101", "110102", ""]),
        subdistrict=st.sampled_from(["110101001", "110101002", ""]),
        units=st.integers(0, 500),
        done=st.integers(0, 500),
        stage=st.sampled_from(STAGES),
        stage_since=st.none() | days,
        developer=st.sampled_from(["企业1", "企业2", ""]),
        deadline=st.none() | days,
        causes=st.lists(st.sampled_from(CAUSES), unique=True).map(tuple),
        log=logs,
    ),
    max_size=8,
).map(
    lambda listed: [
        project(**(vars(each) | {"code": f"P{n}", "name": f"{n}号院"}))
        for n, each in enumerate(listed)
    ]
)


# --- Movement -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_since", "weeks"), [(0, 0), (6, 0), (7, 1), (27, 3), (28, 4), (34, 4), (35, 5)]
)
def test_weeks_without_movement_on_both_sides_of_a_threshold(days_since, weeks):
    entry = moved(ago(days_since), done=3)
    assert project(log=(entry,)).quiet_weeks(TODAY) == weeks
    # Without a log its stage is the last that is known of it.
    assert project(stage_since=ago(days_since)).quiet_weeks(TODAY) == weeks
    assert project(stage_since=ago(days_since)).weeks_in_stage(TODAY) == weeks


def test_a_remark_is_no_movement():
    log = (moved(ago(70), stage="首次登记"), LogEntry(ago(3), None, None, "已约谈开发单位"))
    assert project(log=log).moved_on == ago(70)
    assert project(log=log).quiet_weeks(TODAY) == 10
    only_remarks = project(log=log[1:], stage_since=None)
    assert only_remarks.moved_on is None
    assert only_remarks.quiet_weeks(TODAY) is None
    assert only_remarks.weeks_in_stage(TODAY) is None


def test_either_a_stage_or_units_are_movement():
    stage, done = moved(ago(30), stage="转移登记"), moved(ago(9), done=5)
    assert project(log=(stage,)).moved_on == ago(30)
    assert project(log=(stage, done)).moved_on == ago(9)
    assert project(log=(moved(ago(40), done=5), stage)).moved_on == ago(30)


def test_nothing_moves_after_the_day():
    assert project(log=(moved(ago(-3), done=1),)).quiet_weeks(TODAY) == 0


def test_only_what_is_not_finished_is_overdue():
    for since, late in ((0, 0), (1, 1), (30, 30), (-5, 0)):
        assert project(deadline=ago(since)).overdue_days(TODAY) == late
        assert project(deadline=ago(since), done=100).overdue_days(TODAY) == 0
    assert project().overdue_days(TODAY) == 0


def test_more_done_than_there_is_leaves_nothing():
    assert project(done=101).remaining == 0
    assert project(done=101).finished
    assert not project(done=99).finished


# --- Stages -------------------------------------------------------------------------------------


def test_stages_follow_each_other_and_the_last_goes_on():
    log = (
        moved(ago(90), stage="摸底核查"), moved(ago(60), stage="首次登记"),
        moved(ago(50), done=4), moved(ago(20), stage="转移登记", done=9),
    )  # fmt: skip
    assert project(log=log, stage="转移登记", stage_since=ago(20)).stages == (
        ("摸底核查", ago(90), ago(60)),
        ("首次登记", ago(60), ago(20)),
        ("转移登记", ago(20), None),
    )


def test_the_ledger_outranks_a_log_that_ends_before_it():
    log = (moved(ago(90), stage="摸底核查"), moved(ago(10), stage="首次登记"))
    known = project(log=log[:1], stage="转移登记", stage_since=ago(30)).stages
    assert known == (("摸底核查", ago(90), ago(30)), ("转移登记", ago(30), None))
    # A log that begins late does not shorten the present stage.
    begun = project(log=(moved(ago(3), stage="首次登记", done=0),), stage_since=ago(300))
    assert begun.stages == (("首次登记", ago(300), None),)
    earlier = project(log=(moved(ago(60), stage="首次登记"),), stage_since=ago(55)).stages
    assert earlier == (("首次登记", ago(55), None),)
    # What the log has entered later than the present stage cannot have been left by it.
    contradicted = project(log=log, stage="转移登记", stage_since=ago(30)).stages
    assert contradicted == known
    assert project(log=(), stage_since=None).stages == ()
    assert project(log=(), stage_since=ago(5)).stages == (("首次登记", ago(5), None),)


# --- Usual time ---------------------------------------------------------------------------------

USUAL = Durations(
    {"摸底核查": 20.0, "首次登记": 8.0, "转移登记": 4.0, "已办结": 0.0},
    {"土地征收": 6.0, "资金链断裂": 26.0},
    STAGES,
)


def test_the_longest_cause_counts():
    assert USUAL.weeks_needed(project(stage="摸底核查")) == 20
    assert USUAL.weeks_needed(project(stage="摸底核查", causes=("土地征收",))) == 26
    both = project(stage="摸底核查", causes=("土地征收", "资金链断裂"))
    assert USUAL.weeks_needed(both) == 46
    # A cause of unknown length adds nothing.
    assert USUAL.weeks_needed(project(stage="摸底核查", causes=("建设手续",))) == 20


def test_causes_are_out_of_the_way_once_something_is_done():
    assert USUAL.weeks_needed(project(done=1, causes=("资金链断裂",))) == 8
    assert USUAL.weeks_needed(project(done=0, causes=("资金链断裂",))) == 34


def test_an_unknown_stage_has_no_usual_time():
    assert math.isnan(USUAL.weeks_needed(project(stage="别的", causes=("土地征收",))))
    assert math.isnan(USUAL.weeks_needed(project(stage="别的", done=1)))
    assert math.isnan(Durations({}, {}).weeks_needed(project()))


def test_a_stage_alone_takes_what_the_next_one_does_not():
    assert [USUAL.weeks_of_stage(stage) for stage in STAGES[:-1]] == [12, 4, 4]
    assert sum(USUAL.weeks_of_stage(stage) for stage in STAGES[:-1]) == USUAL.stages["摸底核查"]
    assert math.isnan(USUAL.weeks_of_stage("已办结"))
    assert math.isnan(USUAL.weeks_of_stage("别的"))
    gap = Durations({"摸底核查": 20.0, "转移登记": 4.0}, {}, STAGES)
    assert math.isnan(gap.weeks_of_stage("摸底核查"))


# --- What is chosen -----------------------------------------------------------------------------


def is_chosen(each: Project, filters: Filters) -> bool:
    """Return whether a project is asked for, word by word."""
    for wanted, has in (
        (filters.district, [each.district]),
        (filters.subdistrict, [each.subdistrict]),
        (filters.stage, [each.stage]),
        (filters.cause, each.causes),
    ):
        if wanted and not any(value in wanted for value in has):
            return False
    weeks = int(filters.stuck or 0)
    if weeks == 0:
        return True
    last = [e.on_date for e in each.log if e.stage is not None or e.done is not None]
    since = last[-1] if last else each.stage_since
    return each.done < each.units and since is not None and (TODAY - since).days >= 7 * weeks


@given(
    projects,
    st.builds(
        Filters,
        district=st.sampled_from([(), ("110101",), ("110101", "110102")]),
        subdistrict=st.sampled_from([(), ("110101002",)]),
        stage=st.sampled_from([(), ("首次登记",), ("首次登记", "已办结"), ("没有的",)]),
        cause=st.sampled_from([(), ("土地征收",), ("土地征收", "资金链断裂")]),
        stuck=st.sampled_from(["", "0", "1", "4", "26"]),
    ),
)
def test_every_condition_narrows_and_values_are_alternatives(listed, filters):
    found = chosen(listed, filters, TODAY)
    assert list(found) == [each for each in listed if is_chosen(each, filters)]


def test_stuck_is_neither_what_is_finished_nor_what_nobody_knows_of():
    listed = [
        project(code="still", stage_since=ago(28)),
        project(code="moves", stage_since=ago(27)),
        project(code="finished", stage_since=ago(280), done=100),
        project(code="unknown", stage_since=None),
    ]
    found = chosen(listed, Filters(stuck="4"), TODAY)
    assert [each.code for each in found] == ["still"]
    assert len(chosen(listed, Filters(stuck="0"), TODAY)) == 4


# --- Order --------------------------------------------------------------------------------------


def test_orders_say_what_they_promise():
    listed = [
        project(code="late", deadline=ago(30), units=10, stage_since=ago(10)),
        project(code="later", deadline=ago(90), units=20, stage_since=ago(30)),
        project(code="soon", deadline=ago(-3), units=30, stage_since=ago(20)),
        project(code="far", deadline=ago(-300), units=40, stage_since=None),
        project(code="open", deadline=None, units=50, stage_since=ago(5)),
        project(code="finished", deadline=ago(400), units=60, done=60, stage_since=ago(500)),
    ]
    wanted = {
        "remaining": ["open", "far", "soon", "later", "late", "finished"],
        "quiet": ["later", "soon", "late", "open", "far", "finished"],
        "deadline": ["soon", "far", "late", "later", "open", "finished"],
        "overdue": ["later", "late", "soon", "far", "open", "finished"],
    }
    for sort, codes in wanted.items():
        for seed in range(5):
            mixed = random.Random(seed).sample(listed, len(listed))
            assert [each.code for each in ordered(mixed, sort, TODAY)] == codes, sort


def test_what_is_due_today_is_not_past():
    listed = [project(code="past", deadline=ago(1)), project(code="today", deadline=TODAY)]
    assert [each.code for each in ordered(listed, "deadline", TODAY)] == ["today", "past"]
    assert [each.code for each in ordered(listed, "overdue", TODAY)] == ["past", "today"]


@given(projects, st.sampled_from(["remaining", "quiet", "deadline", "overdue"]))
def test_an_order_loses_nothing_and_depends_on_nothing_else(listed, sort):
    found = ordered(listed, sort, TODAY)
    assert sorted(each.code for each in found) == sorted(each.code for each in listed)
    assert ordered(listed[::-1], sort, TODAY) == found
    assert [each.finished for each in found] == sorted(each.finished for each in found)


def test_equals_share_a_place():
    listed = [project(code=f"P{units}{n}", units=units) for n, units in enumerate((9, 7, 7, 5))]
    assert [place_by_remaining(each, listed) for each in listed] == [1, 2, 2, 4]


# --- Groups -------------------------------------------------------------------------------------


@given(projects, st.sampled_from(["subdistrict", "project", "developer", "cause"]))
def test_groups_partition_the_units(listed, by):
    groups = grouped(listed, by)
    members = [each for group in groups.values() for each in group]
    assert sorted(each.code for each in members) == sorted(each.code for each in listed)
    assert sum(each.units for each in members) == sum(each.units for each in listed)
    assert all(groups.values())


def test_causes_that_come_together_are_one_group():
    listed = [
        project(code="a", causes=("土地征收", "建设手续")),
        project(code="b", causes=("土地征收",)),
        project(code="c", causes=()),
    ]
    together = f"土地征收{AND}建设手续"
    assert list(grouped(listed, "cause")) == [(together, together), ("土地征收",) * 2, ("", "")]


@given(projects)
def test_a_project_stands_in_each_of_its_causes(listed):
    groups = by_cause(listed)
    for cause in ("", *CAUSES):
        own = [p.code for p in listed if cause in p.causes or (cause == "" and not p.causes)]
        assert [each.code for each in groups.get(cause, [])] == own
    assert all(groups.values())


# --- What was done when -------------------------------------------------------------------------


@given(projects, st.lists(days, max_size=8, unique=True).map(sorted))
def test_what_was_done_together_equals_a_loop(listed, on_days):
    found = done_at(listed, on_days)
    assert [day for day, _ in found] == on_days
    for place, (day, value) in enumerate(found):
        total = 0
        for each in listed:
            told = [entry for entry in each.log if entry.done is not None]
            before = [entry.done for entry in told if entry.on_date <= day]
            if told:
                total += before[-1] if before else 0
            elif place == len(on_days) - 1:
                total += each.done
        assert value == total


def test_nothing_is_done_on_no_day():
    assert done_at([project(done=5)], []) == ()
    assert done_at([], [TODAY]) == ((TODAY, 0.0),)
