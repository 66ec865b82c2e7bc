"""The programme as published, and its cases against a plain count, on both engines."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from data_access import schema
from data_access.programme import (
    cases_of_topic,
    counts_by_topic_and_district,
    invented_dates,
    milestones_of_year,
    progress_by_district,
    progress_by_target,
    stock_by_district,
    topic_of_code,
    topic_years,
    topics_of_year,
    weekly_cases,
    weekly_cases_by_district,
)
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot, open_store
from domain.filters import Filters
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window, weeks_before
from domain.programme import Unit
from domain.rules import Rules
from domain.scope import CITY, Scope
from tests import oracle
from tests.data.staging import REFERENCE, stage

CUTOFF = dt.datetime(2021, 4, 2, 12, 30)
FIRST, DAYS = dt.date(2020, 12, 5), 121
TABLES = frozenset(REFERENCE) | {
    "topic_units", "targets", "target_plan", "progress", "milestones", "projects",
}  # fmt: skip

# Few topics, districts and streets; repeats of some of them, and of cases that are not there.
CASES = """
UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 6;
UPDATE incoming SET district_id = CASE WHEN subdistrict_id IS NOT NULL
    THEN [2, 3, 4, 5, 3, 2][subdistrict_id] END;
UPDATE incoming SET subdistrict_id = NULL WHERE hash(case_id) % 17 = 0;
UPDATE incoming SET topic_id = [NULL, 1, 2, 1, 3][1 + (hash(case_id || 't') % 5)::INT];
UPDATE incoming SET summary = NULL WHERE hash(case_id) % 23 = 0;
UPDATE incoming SET excluded = true WHERE hash(case_id || 'e') % 7 = 0;
UPDATE incoming SET created_at = TIMESTAMP '2021-03-20 08:00:00', created_on = DATE '2021-03-20'
    WHERE hash(case_id || 'c') % 40 = 0;
CREATE TEMP TABLE originals AS
    SELECT case_id, row_number() OVER (ORDER BY hash(case_id || 'o')) AS n FROM incoming;
UPDATE incoming SET repeat_of = NULL;
UPDATE incoming SET repeat_of = originals.case_id FROM originals
    WHERE n = 1 + hash(incoming.case_id || 'r') % 120 AND hash(incoming.case_id || 's') % 3 = 0
        AND originals.case_id <> incoming.case_id;
UPDATE incoming SET repeat_of = 'lost' || hash(case_id || 'l') % 2
    WHERE hash(case_id || 'm') % 6 = 0;
"""
PROGRAMME = """
UPDATE topics SET launched_on = NULL WHERE id = 4;
UPDATE topics SET closed_on = DATE '2021-03-01', is_example = true WHERE id = 2;
INSERT INTO topics VALUES
    (28, '2020-01', 2020, 1, '上年', '上年问题', DATE '2020-01-06', NULL, false);
INSERT INTO topic_units VALUES
    (1, 3, '主责'), (1, 7, '主责'), (1, 5, '配合'), (1, 9, '配合'), (1, 11, '配合'),
    (2, 5, '主责'), (3, 3, '配合'), (28, 1, '主责');
INSERT INTO topic_categories VALUES (1, 2), (28, 5);
INSERT INTO targets VALUES
    (1, 't1', 1, '办证', '套', 100000, 570000, DATE '2021-01-01', DATE '2021-12-31', 'up', true),
    (2, 't2', 1, '审批时限', '天', 15, NULL, DATE '2021-01-01', DATE '2021-06-30', 'down', false),
    (3, 't3', 2, '无数', '个', NULL, NULL, DATE '2021-02-01', DATE '2021-12-31', 'up', true),
    (4, 't4', 28, '上年目标', '个', 10, NULL, DATE '2020-01-01', DATE '2020-12-31', 'up', true),
    (5, 't5', 3, '无进度', '个', 10, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true);
INSERT INTO target_plan VALUES
    (1, DATE '2021-06-30', 40000), (4, DATE '2020-06-30', 5), (1, DATE '2021-12-31', 100000),
    (1, DATE '2021-03-31', 20000.5);
INSERT INTO progress VALUES
    (1, NULL, DATE '2021-03-31', 24000, false), (1, NULL, DATE '2021-02-28', 9000.5, true),
    (1, NULL, DATE '2021-03-07', 11000, true),
    (1, 3, DATE '2021-03-31', 14000, true), (1, 3, DATE '2021-02-28', 7000.5, true),
    (1, 2, DATE '2021-03-31', 10000, true), (1, 4, DATE '2021-02-28', 1, true),
    (2, NULL, DATE '2021-03-31', 27, false), (2, 2, DATE '2021-03-31', 30, false),
    (3, NULL, DATE '2021-03-31', 5, false), (4, NULL, DATE '2020-12-31', 9, false),
    (5, 2, DATE '2021-03-31', 1, false);
INSERT INTO milestones VALUES
    (2, '任务清单', '任务3', 5, DATE '2021-03-31', DATE '2021-04-15'),
    (1, '政策清单', '任务2', 7, DATE '2021-03-31', DATE '2021-03-20'),
    (1, '任务清单', '任务1', 3, DATE '2021-03-31', NULL),
    (1, '责任清单', '任务9', NULL, DATE '2021-02-28', NULL),
    (28, '任务清单', '上年任务', 1, DATE '2020-03-31', DATE '2020-04-01');
INSERT INTO projects (id, code, name, target_id, district_id, subdistrict_id, units, done, stage)
    VALUES
    (1, 'P1', '永安家园', 1, 2, 1, 500, 100, '首次登记'),
    (2, 'P2', '和景花园', 1, 2, 1, 2000000000, 0, '摸底核查'),
    (3, 'P3', '安澜苑', 1, 4, NULL, 30, 30, '已办结'),
    (4, 'P4', '福泽里', 4, 2, 1, 7, 0, '摸底核查'),
    (5, 'P5', '未知', 1, NULL, NULL, 11, 0, '摸底核查');
"""
PART = Scope(frozenset({"110103", "110104"}))
SCOPES = {
    "city": CITY,
    "two districts": PART,
    "one district": Scope(frozenset({"110102"})),
    "nothing": Scope(frozenset()),
    "unknown": Scope(frozenset({"nowhere"})),
}
# What narrows the place, and what must not narrow anything here.
FILTERS = {
    "assessed": Filters(),
    "everything": Filters(basis="all"),
    "district": Filters(district=("110103",)),
    "two districts": Filters(district=("110102", "110105"), basis="all"),
    "street": Filters(subdistrict=("110100002",)),
    "street and district": Filters(district=("110103",), subdistrict=("110100002", "110100005")),
    "nowhere": Filters(district=("110104",), subdistrict=("110100002",)),
    "other dimensions": Filters(
        topic=("2021-02",), category=("c021",), channel=("web",), unit=("u002",),
        period="month-2021-01", compare="year", order="gap", indicator="volume",
    ),
}  # fmt: skip
WEEKS = weeks_before(CUTOFF.date(), CUTOFF.date(), 9)
TOPICS = ("2021-01", "2021-02", "2021-03", "2021-04")


@dataclass(frozen=True)
class Published:
    """The published data; ``cases`` are the rows of the case table with places and topics by
    their codes ("" for none).
    """

    snapshot: Snapshot
    cases: pd.DataFrame

    def counted(self, filters: Filters, scope: Scope) -> pd.DataFrame:
        """Return the cases that count at a place."""
        cases = self.cases
        kept = cases["assessed"].to_numpy(dtype=bool)
        if filters.basis == "assessed":
            kept &= ~cases["excluded"].to_numpy(dtype=bool)
        for column, codes in (
            ("district", filters.district or None),
            ("subdistrict", filters.subdistrict or None),
            ("district", scope.districts),
        ):
            if codes is not None:
                kept &= np.array([code in codes for code in cases[column]], dtype=bool)
        return cases[kept]


def rows_of(snapshot: Snapshot, table: sa.Table) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture(scope="module")
def published(shared_settings: Settings) -> Iterator[Published]:
    staged = stage(
        shared_settings, cases=2000, first=FIRST, days=DAYS, cutoff=CUTOFF,
        change=CASES + PROGRAMME, tables=TABLES,
    )  # fmt: skip
    publish(shared_settings, staged, lambda *_: None)
    store = open_store(shared_settings)
    snapshot = store.current()
    assert snapshot is not None
    cases = pd.DataFrame(rows_of(snapshot, schema.cases), dtype="object")
    for name, table in (
        ("district", schema.districts),
        ("subdistrict", schema.subdistricts),
        ("topic", schema.topics),
    ):
        codes = {row["id"]: row["code"] for row in rows_of(snapshot, table)}
        cases[name] = [codes.get(each, "") for each in cases[f"{name}_id"]]
    yield Published(snapshot, cases)
    store.close()


def test_the_data_holds_what_the_tests_are_about(published: Published):
    cases = published.cases
    assert set(cases["topic"]) == {"", "2021-01", "2021-02", "2021-03"}
    assert set(cases["district"]) == {"", "110102", "110103", "110104", "110105"}
    assert not cases["assessed"].all()
    assert cases["excluded"].any()
    assert (cases["created_on"] > CUTOFF.date()).any()
    lost = cases["repeat_of"].isin(["lost0", "lost1"])
    repeats = cases["repeat_of"].notna() & ~lost
    assert lost.sum() > 100
    assert repeats.sum() > 300
    topic_of = dict(zip(cases["case_id"], cases["topic"], strict=True))
    of_originals = [topic_of[each] for each in cases.loc[repeats, "repeat_of"]]
    assert (pd.Series(of_originals) != cases.loc[repeats, "topic"].to_numpy()).any()


# --- Topics, targets ----------------------------------------------------------------------------


def test_the_years(published: Published):
    assert topic_years(published.snapshot) == (2020, 2021)
    assert topics_of_year(published.snapshot, 2019) == ()
    assert [topic.code for topic in topics_of_year(published.snapshot, 2020)] == ["2020-01"]


def test_topics_by_month_and_code(published: Published):
    topics = topics_of_year(published.snapshot, 2021)
    # tests/data/staging.py: the month of topic n is 1 + n % 12.
    wanted = sorted(range(1, 28), key=lambda n: (1 + n % 12, n))
    assert [topic.code for topic in topics] == [f"2021-{n:02d}" for n in wanted]
    for n, topic in zip(wanted, topics, strict=True):
        assert (topic.year, topic.month, topic.name) == (2021, 1 + n % 12, f"问题{n}")
        assert (topic.theme, type(topic.year), type(topic.month)) == ("主题", int, int)


def test_a_topic_with_its_units_categories_and_dates(published: Published):
    snapshot = published.snapshot
    topic = topic_of_code(snapshot, "2021-01")
    assert topic is not None
    assert topic.leads == (Unit("u003", "单位3"), Unit("u007", "单位7"))
    assert topic.supports == (Unit("u005", "单位5"), Unit("u009", "单位9"), Unit("u011", "单位11"))
    assert sorted(topic.categories) == ["c002", "c021"]
    assert (topic.launched_on, topic.closed_on) == (dt.date(2021, 1, 1), None)
    assert topic.is_example is False
    assert topic in topics_of_year(snapshot, 2021)

    second = topic_of_code(snapshot, "2021-02")
    assert second is not None
    assert (second.leads, second.supports) == ((Unit("u005", "单位5"),), ())
    assert (second.closed_on, second.is_example) == (dt.date(2021, 3, 1), True)
    assert type(second.closed_on) is dt.date
    third = topic_of_code(snapshot, "2021-03")
    assert third is not None
    assert (third.leads, third.supports) == ((), (Unit("u003", "单位3"),))
    fourth = topic_of_code(snapshot, "2021-04")
    assert fourth is not None
    assert (fourth.launched_on, fourth.leads, fourth.targets) == (None, (), ())
    for code in ("2021-99", "", "' OR 1=1 --", "\x00"):
        assert topic_of_code(snapshot, code) is None


def test_targets_with_their_plan_in_order(published: Published):
    topic = topic_of_code(published.snapshot, "2021-01")
    assert topic is not None
    first, second = topic.targets
    assert (first.code, first.topic, first.name, first.unit) == ("t1", "2021-01", "办证", "套")
    assert (first.value, first.stock) == (100_000, 570_000)
    assert (first.start_on, first.due_on) == (dt.date(2021, 1, 1), dt.date(2021, 12, 31))
    assert (first.direction, first.cumulative) == ("up", True)
    assert first.plan == (
        (dt.date(2021, 3, 31), 20_000.5),
        (dt.date(2021, 6, 30), 40_000.0),
        (dt.date(2021, 12, 31), 100_000.0),
    )
    assert first.planned(dt.date(2021, 3, 31)) == 20_000.5
    assert (second.code, second.direction, second.cumulative) == ("t2", "down", False)
    assert (second.value, second.plan) == (15, ())
    assert math.isnan(second.stock)
    other = topic_of_code(published.snapshot, "2021-02")
    assert other is not None
    (aimless,) = other.targets
    assert math.isnan(aimless.value)
    assert math.isnan(aimless.stock)
    assert not aimless.scheduled


def test_progress_is_the_citys_in_order_of_date(published: Published):
    found = progress_by_target(published.snapshot, 2021)
    assert {code: list(figures) for code, figures in found.items()} == {
        "t1": [
            (dt.date(2021, 2, 28), 9_000.5),
            (dt.date(2021, 3, 7), 11_000.0),
            (dt.date(2021, 3, 31), 24_000.0),
        ],
        "t2": [(dt.date(2021, 3, 31), 27.0)],
        "t3": [(dt.date(2021, 3, 31), 5.0)],
    }
    assert dict(progress_by_target(published.snapshot, 2020)) == {
        "t4": [(dt.date(2020, 12, 31), 9.0)]
    }
    assert progress_by_target(published.snapshot, 2019) == {}


def test_what_nobody_published_is_known(published: Published):
    snapshot = published.snapshot
    assert invented_dates(snapshot, "t1") == {dt.date(2021, 2, 28), dt.date(2021, 3, 7)}
    # A district's figures do not make the city's invented.
    assert invented_dates(snapshot, "t2") == frozenset()
    assert invented_dates(snapshot, "nothing") == frozenset()


def test_progress_by_district_within_the_scope(published: Published):
    snapshot = published.snapshot
    end, before = dt.date(2021, 3, 31), dt.date(2021, 2, 28)
    everywhere = {
        "110102": [(end, 10_000.0)],
        "110103": [(before, 7_000.5), (end, 14_000.0)],
        "110104": [(before, 1.0)],
    }
    # The narrower reader first: the wider must not be given what was kept for it.
    for scope in reversed(SCOPES.values()):
        allowed = scope.districts
        wanted = {
            code: figures
            for code, figures in everywhere.items()
            if allowed is None or code in allowed
        }
        assert progress_by_district(snapshot, scope, "t1") == wanted
    assert progress_by_district(snapshot, CITY, "t2") == {"110102": [(end, 30.0)]}
    assert progress_by_district(snapshot, CITY, "t3") == {}
    assert progress_by_district(snapshot, CITY, "nothing") == {}


def test_stock_by_district_within_the_scope(published: Published):
    snapshot = published.snapshot
    # More than a 32-bit number holds would be lost in a sum of its own type.
    everywhere = {"110102": 2_000_000_500.0, "110104": 30.0}
    for scope in reversed(SCOPES.values()):
        allowed = scope.districts
        wanted = {c: n for c, n in everywhere.items() if allowed is None or c in allowed}
        assert stock_by_district(snapshot, scope, "t1") == wanted
    assert stock_by_district(snapshot, CITY, "t4") == {"110102": 7.0}
    assert stock_by_district(snapshot, CITY, "t2") == {}


def test_milestones_by_topic_due_date_and_name(published: Published):
    found = milestones_of_year(published.snapshot, 2021)
    columns = ["topic", "list", "name", "unit_code", "unit", "due_on", "done_on"]
    assert list(found.columns) == columns
    february, march = dt.date(2021, 2, 28), dt.date(2021, 3, 31)
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        ("2021-01", "责任清单", "任务9", "", "", february, None),
        ("2021-01", "任务清单", "任务1", "u003", "单位3", march, None),
        ("2021-01", "政策清单", "任务2", "u007", "单位7", march, dt.date(2021, 3, 20)),
        ("2021-02", "任务清单", "任务3", "u005", "单位5", march, dt.date(2021, 4, 15)),
    ]
    assert list(milestones_of_year(published.snapshot, 2020)["name"]) == ["上年任务"]
    empty = milestones_of_year(published.snapshot, 2019)
    assert (len(empty), list(empty.columns)) == (0, columns)


# --- Cases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_weekly_cases_equal_a_plain_count(published: Published, filters: Filters, scope: Scope):
    found = weekly_cases(published.snapshot, scope, filters, WEEKS)
    counted = published.counted(filters, scope)
    wanted: dict[str, list[int]] = {}
    for code, own in counted.groupby("topic"):
        series = [
            int(sum(week.start <= day <= week.end for day in own["created_on"])) for week in WEEKS
        ]
        if any(series):
            wanted[str(code)] = series
    assert {code: list(series) for code, series in found.items()} == wanted
    assert all(series.dtype == np.float64 for series in found.values())
    if filters is FILTERS["assessed"] and scope is CITY:
        assert set(found) == {"", "2021-01", "2021-02", "2021-03"}
        assert min(min(series) for series in found.values()) > 0


def test_weeks_before_all_data_are_empty(published: Published):
    early = weeks_before(dt.date(2019, 3, 3), dt.date(2019, 3, 3), 4)
    assert weekly_cases(published.snapshot, CITY, Filters(), early) == {}
    for frame in weekly_cases_by_district(published.snapshot, CITY, Filters(), early, "2021-01"):
        assert (len(frame), list(frame.columns)) == (0, ["week_start", "code", "cases"])


def test_frames_of_no_cases_have_their_types(published: Published):
    nobody = Scope(frozenset())
    for topic in ("2021-01", "2021-99"):
        frames = weekly_cases_by_district(published.snapshot, nobody, Filters(), WEEKS, topic)
        assert [frame["cases"].dtype for frame in frames] == [np.dtype("int64")] * 2
    full = weekly_cases_by_district(published.snapshot, CITY, Filters(), WEEKS, "2021-01")
    assert [frame["cases"].dtype for frame in full] == [np.dtype("int64")] * 2


def test_other_weeks_are_another_question(published: Published):
    snapshot = published.snapshot
    long = weekly_cases(snapshot, CITY, Filters(), WEEKS)
    short = weekly_cases(snapshot, CITY, Filters(), WEEKS[3:])
    for code, series in long.items():
        assert list(short[code]) == list(series[3:])


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
@pytest.mark.parametrize("topic", [TOPICS[0], TOPICS[2], "2021-99"])
def test_weekly_cases_by_district_equal_a_plain_count(
    published: Published, filters: Filters, scope: Scope, topic: str
):
    frames = weekly_cases_by_district(published.snapshot, scope, filters, WEEKS, topic)
    counted = published.counted(filters, scope)
    for code, frame in zip((topic, ""), frames, strict=True):
        wanted: dict[tuple[dt.date, str], int] = {}
        for row in counted.itertuples(index=False):
            for week in WEEKS:
                if row.topic == code and week.start <= row.created_on <= week.end:
                    key = (week.start, row.district)
                    wanted[key] = wanted.get(key, 0) + 1
        rows = list(zip(frame["week_start"], frame["code"], frame["cases"], strict=True))
        assert len({row[:2] for row in rows}) == len(rows)
        assert {row[:2]: row[2] for row in rows} == wanted
        assert all(type(row[0]) is dt.date for row in rows)


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize(
    "filters", [FILTERS[name] for name in ("assessed", "everything", "street", "other dimensions")]
)
def test_counts_by_topic_and_district_equal_the_oracle(
    published: Published, filters: Filters, scope: Scope
):
    window = Window(dt.date(2020, 12, 19), dt.date(2021, 3, 18))
    found = counts_by_topic_and_district(published.snapshot, scope, filters, window)
    # Every district, whatever place is chosen: only 口径 narrows.
    counted = oracle.chosen(
        oracle.read_cases(published.snapshot), Filters(basis=filters.basis), scope.districts
    )
    wanted: dict[str, dict[str, list[oracle.Case]]] = {}
    for case in oracle.created_in(counted, window):
        if case.topic:
            wanted.setdefault(case.topic, {}).setdefault(case.district, []).append(case)
    assert set(found) == set(wanted)
    for topic, counts in found.items():
        districts = [
            code
            for code in published.snapshot.reference.districts["code"]
            if scope.districts is None or code in scope.districts
        ]
        assert set(wanted[topic]) <= {*districts, ""}
        for district, row in zip([*districts, ""], counts.tolist(), strict=True):
            tally = oracle.tally(wanted[topic].get(district, []), CUTOFF, Rules())
            assert row == [tally[name] for name in COUNT_COLUMNS]
    if scope is CITY:
        assert set(found) == {"2021-01", "2021-02", "2021-03"}
        assert found["2021-01"][-1].any()


# --- Cases of a topic ---------------------------------------------------------------------------

COLUMNS = ["case_id", "created_at", "due_at", "place", "category", "summary", "closed", "repeats"]
KINDS = ("newest", "oldest_open", "repeated")


def is_closed(row: dict) -> bool:
    """Return whether a case was closed by the cut-off: what comes later has not happened yet."""
    return bool(row["closed"]) and not (not pd.isna(row["closed_at"]) and row["closed_at"] > CUTOFF)


def expected_cases(
    published: Published, scope: Scope, filters: Filters, topic: str, kind: str
) -> list[tuple[str, int]]:
    """Return case id and repeats of all cases of a kind, in order."""
    counted = published.counted(filters, scope)
    own = counted[counted["topic"] == topic]
    records = own.to_dict("records")
    if kind == "newest":
        records.sort(key=lambda row: row["case_id"])
        records.sort(key=lambda row: row["created_at"], reverse=True)
        return [(row["case_id"], 0) for row in records]
    if kind == "oldest_open":
        records = [row for row in records if not is_closed(row)]
        records.sort(key=lambda row: (row["created_at"], row["case_id"]))
        return [(row["case_id"], 0) for row in records]
    again: dict[str, int] = {}
    known = {row["case_id"] for row in records}
    for row in records:
        is_recent = row["created_at"].date() > CUTOFF.date() - dt.timedelta(days=365)
        if row["repeat_of"] in known and is_recent:
            again[row["repeat_of"]] = again.get(row["repeat_of"], 0) + 1
    return sorted(again.items(), key=lambda each: (-each[1], each[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 3, 10, 5000])
def test_cases_of_a_topic_in_order(published: Published, kind: str, limit: int):
    for topic in TOPICS:
        wanted = expected_cases(published, CITY, Filters(), topic, kind)
        assert (len(wanted) > 10) == (topic != "2021-04"), "ties and limits are met"
        found = cases_of_topic(published.snapshot, CITY, Filters(), topic, limit)[kind]
        assert list(found.columns) == COLUMNS
        rows = list(zip(found["case_id"], found["repeats"], strict=True))
        assert rows == wanted[:limit], topic


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
def test_cases_of_a_topic_at_a_place(
    published: Published, scope: Scope, filters: Filters, kind: str
):
    wanted = expected_cases(published, scope, filters, "2021-01", kind)
    found = cases_of_topic(published.snapshot, scope, filters, "2021-01", 5000)[kind]
    assert list(zip(found["case_id"], found["repeats"], strict=True)) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_another_district_never_leaks(published: Published, kind: str):
    district = dict(zip(published.cases["case_id"], published.cases["district"], strict=True))
    for filters in (Filters(), Filters(basis="all"), Filters(district=("110102", "110103"))):
        for scope in (PART, SCOPES["one district"]):
            found = cases_of_topic(published.snapshot, scope, filters, "2021-01", 5000)[kind]
            assert scope.districts is not None
            assert {district[each] for each in found["case_id"]} <= scope.districts
            assert len(found) > 0
    for scope in (SCOPES["nothing"], SCOPES["unknown"]):
        assert cases_of_topic(published.snapshot, scope, Filters(), "2021-01")[kind].empty
    elsewhere = Filters(district=("110102",))
    assert cases_of_topic(published.snapshot, PART, elsewhere, "2021-01")[kind].empty


def test_what_a_case_says(published: Published):
    snapshot = published.snapshot
    names = {
        table.name: {row["id"]: row["name"] for row in rows_of(snapshot, table)}
        for table in (schema.districts, schema.subdistricts, schema.categories)
    }
    rows = {row["case_id"]: row for row in published.cases.to_dict("records")}
    found = cases_of_topic(snapshot, CITY, Filters(basis="all"), "2021-01", 5000)["newest"]
    places = set()
    for case in found.to_dict("records"):
        row = rows[case["case_id"]]
        district = names["districts"].get(row["district_id"])
        street = names["subdistricts"].get(row["subdistrict_id"])
        assert case["place"] == (district or "") + (street or "")
        assert case["category"] == (names["categories"].get(row["category_id"]) or "")
        assert case["summary"] == (row["summary"] or "")
        assert case["closed"] == is_closed(row)
        assert case["created_at"] == row["created_at"]
        assert pd.isna(case["due_at"]) if row["due_at"] is None else case["due_at"] == row["due_at"]
        places.add((district is None, street is None))
    assert places == {(False, False), (False, True), (True, True)}
    assert (found["summary"] == "").any()
    assert (found["category"] == "").any()
    assert found["due_at"].isna().any()


def test_a_topic_that_does_not_exist_has_no_cases(published: Published):
    for code in ("2021-99", "", "' OR 1=1 --"):
        for kind in KINDS:
            found = cases_of_topic(published.snapshot, CITY, Filters(), code)[kind]
            assert (len(found), list(found.columns)) == (0, COLUMNS)


# --- No programme -------------------------------------------------------------------------------


def test_a_city_without_a_programme(settings: Settings):
    change = "UPDATE incoming SET topic_id = NULL; DELETE FROM topics;DELETE FROM topic_categories"
    staged = stage(
        settings, cases=300, first=FIRST, days=DAYS, cutoff=CUTOFF, change=change, tables=TABLES
    )
    publish(settings, staged, lambda *_: None)
    store = open_store(settings)
    snapshot = store.current()
    assert snapshot is not None
    assert topic_years(snapshot) == ()
    assert topics_of_year(snapshot, 2021) == ()
    assert topic_of_code(snapshot, "2021-01") is None
    assert progress_by_target(snapshot, 2021) == {}
    assert milestones_of_year(snapshot, 2021).empty
    assert set(weekly_cases(snapshot, CITY, Filters(), WEEKS)) == {""}
    window = Window(FIRST, CUTOFF.date())
    assert counts_by_topic_and_district(snapshot, CITY, Filters(), window) == {}
    store.close()
