"""The project ledger as published, and the complaints around it, against loops, on both engines."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from data_access import schema
from data_access.projects import (
    Part,
    cases_around_by_month,
    durations,
    newest_cases_around,
    parts_by_district,
    project_of_code,
    projects_of,
)
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot, open_store
from domain.projects import Project
from domain.scope import CITY, Scope
from tests.data.staging import REFERENCE, stage

CUTOFF = dt.datetime(2021, 4, 2, 12, 30)
FIRST, DAYS = dt.date(2020, 11, 20), 140
TABLES = frozenset(REFERENCE) | {
    "targets", "district_targets", "projects", "project_causes", "project_log", "project_stages",
    "causes",
}  # fmt: skip
TOPIC = "2021-01"

# Few topics, streets and communities, the same names of communities in several streets.
CASES = """
UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 6;
UPDATE incoming SET district_id = CASE WHEN subdistrict_id IS NOT NULL
    THEN [2, 3, 4, 5, 3, 2][subdistrict_id] END;
UPDATE incoming SET community = '社区' || hash(case_id || 'k') % 3;
UPDATE incoming SET community = NULL WHERE hash(case_id || 'u') % 11 = 0;
UPDATE incoming SET subdistrict_id = NULL WHERE hash(case_id) % 17 = 0;
UPDATE incoming SET topic_id = [NULL, 1, 2, 1][1 + (hash(case_id || 't') % 4)::INT];
UPDATE incoming SET summary = NULL WHERE hash(case_id) % 23 = 0;
UPDATE incoming SET excluded = true WHERE hash(case_id || 'e') % 7 = 0;
UPDATE incoming SET created_at = TIMESTAMP '2021-03-20 08:00:00', created_on = DATE '2021-03-20'
    WHERE hash(case_id || 'c') % 20 = 0;
UPDATE incoming SET created_at = TIMESTAMP '2021-04-02 13:00:00', created_on = DATE '2021-04-02'
    WHERE hash(case_id || 'a') % 50 = 0;
UPDATE incoming SET closed_at = TIMESTAMP '2021-04-02 18:00:00'
    WHERE closed AND hash(case_id || 'z') % 9 = 0;
DELETE FROM incoming WHERE created_on BETWEEN DATE '2021-01-01' AND DATE '2021-01-31';
"""
LEDGER = """
INSERT INTO targets VALUES
    (1, 't1', 1, '办证', '套', 100000, 570000, DATE '2021-01-01', DATE '2021-12-31', 'up', true),
    (2, 't2', 2, '加装', '部', 500, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true),
    (3, 't3', 2, '改造', '个', 90, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true);
INSERT INTO district_targets VALUES
    (2, 2, 120, 300), (2, 3, 80, NULL), (2, 4, NULL, 70), (3, 5, 40, 44);
INSERT INTO projects VALUES
    (7, 'P2', '和景花园', 1, 2, 1, '社区0', 2000000000, 0, '摸底核查', DATE '2020-10-01',
     '企业1', '专班', '资料不全', '报送方案', DATE '2021-06-30'),
    (3, 'P1', '永安家园', 1, 2, 6, '社区1', 500, 100, '首次登记', DATE '2021-01-05',
     '企业2', NULL, NULL, NULL, NULL),
    (5, 'P3', '安澜苑', 1, 3, 2, '社区1', 30, 30, '已办结', NULL, NULL, NULL, NULL, NULL, NULL),
    (6, 'P4', '福泽里', 1, 4, NULL, '社区2', 41, 0, '摸底核查', NULL, '企业1', NULL, NULL, NULL,
     NULL),
    (8, 'P5', '未知', 1, NULL, NULL, '社区0', 11, 0, '摸底核查', NULL, '', NULL, NULL, NULL, NULL),
    (9, 'P6', '无社区', 1, 3, 5, NULL, 12, 0, '摸底核查', NULL, NULL, NULL, NULL, NULL, NULL),
    (10, 'P7', '加装电梯', 2, 3, 2, '社区0', 60, 5, '摸底核查', NULL, NULL, NULL, NULL, NULL, NULL),
    (11, 'P8', '无诉求', 1, 5, 4, '社区9', 60, 5, '摸底核查', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO project_causes VALUES
    (7, '资金链断裂'), (7, '土地征收'), (7, '土地征收'), (3, '工程核验'), (6, '建设手续');
INSERT INTO project_log VALUES
    (7, DATE '2020-10-01', '摸底核查', NULL, NULL),
    (3, DATE '2021-03-15', NULL, 100, NULL), (3, DATE '2021-01-05', '首次登记', NULL, '补录'),
    (3, DATE '2021-02-01', NULL, 40, NULL), (3, DATE '2021-04-02', NULL, NULL, '约谈'),
    (3, DATE '2021-04-03', '已办结', 500, '截至之后');
INSERT INTO project_stages VALUES
    ('首次登记', 2, 8), ('摸底核查', 1, 38.5), ('已办结', 3, NULL);
INSERT INTO causes VALUES ('土地征收', 6), ('资金链断裂', 26), ('工程核验', NULL);
"""
PART = Scope(frozenset({"110103", "110104"}))
SCOPES = {
    "city": CITY,
    "two districts": PART,
    "one district": Scope(frozenset({"110102"})),
    "nothing": Scope(frozenset()),
    "unknown": Scope(frozenset({"nowhere"})),
}


@dataclass(frozen=True)
class Published:
    """The published data; rows of tables, those of cases with places and topics by their codes."""

    snapshot: Snapshot
    cases: list[dict[str, Any]]
    projects: list[dict[str, Any]]

    def project(self, code: str) -> Project:
        found = project_of_code(self.snapshot, CITY, code)
        assert found is not None
        return found


def rows_of(snapshot: Snapshot, table: sa.Table) -> list[dict[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


@pytest.fixture(scope="module")
def published(shared_settings: Settings) -> Iterator[Published]:
    staged = stage(
        shared_settings, cases=3000, first=FIRST, days=DAYS, cutoff=CUTOFF,
        change=CASES + LEDGER, tables=TABLES,
    )  # fmt: skip
    publish(shared_settings, staged, lambda *_: None)
    store = open_store(shared_settings)
    snapshot = store.current()
    assert snapshot is not None
    cases, projects = rows_of(snapshot, schema.cases), rows_of(snapshot, schema.projects)
    for name, table in (
        ("district", schema.districts),
        ("subdistrict", schema.subdistricts),
        ("topic", schema.topics),
        ("target", schema.targets),
    ):
        codes = {row["id"]: row["code"] for row in rows_of(snapshot, table)}
        for row in [*cases, *projects]:
            row[name] = codes.get(row.get(f"{name}_id"), "")
    yield Published(snapshot, cases, projects)
    store.close()


def seen(scope: Scope, district: str) -> bool:
    return scope.districts is None or district in scope.districts


# --- Ledger -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
def test_the_ledger_equals_the_tables(published: Published, scope: Scope):
    snapshot = published.snapshot
    found = projects_of(snapshot, scope)
    wanted = sorted(
        (row for row in published.projects if seen(scope, row["district"])),
        key=lambda row: row["code"],
    )
    assert [project.code for project in found] == [row["code"] for row in wanted]
    short = {row["code"]: row["short_name"] for row in rows_of(snapshot, schema.districts)}
    street = {row["code"]: row["name"] for row in rows_of(snapshot, schema.subdistricts)}
    causes, log = (rows_of(snapshot, t) for t in (schema.project_causes, schema.project_log))
    for project, row in zip(found, wanted, strict=True):
        for name in ("name", "units", "done", "stage", "stage_since", "deadline"):
            assert getattr(project, name) == row[name], name
        for name in ("community", "developer", "owner", "blocker", "next_step"):
            assert getattr(project, name) == (row[name] or ""), name
        assert (project.target, project.district) == (row["target"], row["district"])
        assert project.subdistrict == row["subdistrict"]
        assert project.district_name == short.get(row["district"], "")
        assert project.subdistrict_name == street.get(row["subdistrict"], "")
        own = {each["cause"] for each in causes if each["project_id"] == row["id"]}
        assert project.causes == tuple(sorted(own))
        entries = sorted(
            (each["on_date"], each["stage"], each["done"], each["note"])
            for each in log
            if each["project_id"] == row["id"] and each["on_date"] <= CUTOFF.date()
        )
        assert [tuple(vars(entry).values()) for entry in project.log] == entries


def test_what_the_ledger_says_of_one_project(published: Published):
    project = published.project("P1")
    assert project.figures == ((dt.date(2021, 2, 1), 40.0), (dt.date(2021, 3, 15), 100.0))
    # A remark is no movement, and what happens after the cut-off is not known.
    assert project.moved_on == dt.date(2021, 3, 15)
    assert (project.remaining, project.owner, project.deadline) == (400, "", None)
    assert type(project.stage_since) is dt.date
    assert published.project("P2").causes == ("土地征收", "资金链断裂")
    unknown = published.project("P5")
    assert (unknown.district, unknown.subdistrict, unknown.subdistrict_name) == ("", "", "")


def test_a_code_names_a_project_of_the_scope_only(published: Published):
    snapshot = published.snapshot
    assert project_of_code(snapshot, PART, "P3") is not None
    assert project_of_code(snapshot, PART, "P1") is None
    assert project_of_code(snapshot, SCOPES["nothing"], "P3") is None
    for code in ("P99", "", "' OR 1=1 --", "\x00"):
        assert project_of_code(snapshot, CITY, code) is None


def test_usual_times_in_the_order_of_the_stages(published: Published):
    usual = durations(published.snapshot)
    assert usual.order == ("摸底核查", "首次登记", "已办结")
    assert dict(usual.stages) == {"摸底核查": 38.5, "首次登记": 8.0}
    assert dict(usual.causes) == {"土地征收": 6.0, "资金链断裂": 26.0}
    assert usual.weeks_needed(published.project("P2")) == 64.5


# --- Parts of a target --------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize("target", ["t1", "t2", "t3", "t9", ""])
def test_parts_equal_a_loop(published: Published, scope: Scope, target: str):
    snapshot = published.snapshot
    districts = {row["id"]: row["code"] for row in rows_of(snapshot, schema.districts)}
    targets = {row["code"]: row["id"] for row in rows_of(snapshot, schema.targets)}
    units: Counter[str] = Counter()
    for row in published.projects:
        if row["target"] == target and row["district"] and seen(scope, row["district"]):
            units[row["district"]] += row["units"]
    wanted = {code: (math.nan, float(stock)) for code, stock in units.items()}
    for row in rows_of(snapshot, schema.district_targets):
        code = districts[row["district_id"]]
        if row["target_id"] == targets.get(target) and seen(scope, code):
            stock = row["stock"] if row["stock"] is not None else units.get(code, math.nan)
            wanted[code] = (math.nan if row["value"] is None else row["value"], stock)
    found = parts_by_district(snapshot, scope, target)
    assert list(found) == sorted(wanted)
    for code, part in found.items():
        assert tuple(part) == pytest.approx(wanted[code], nan_ok=True), code


def test_parts_with_and_without_targets_of_the_districts(published: Published):
    given = parts_by_district(published.snapshot, CITY, "t2")
    # A stock that is not given is that of the projects, if there are any.
    assert given["110103"] == Part(80, 60)
    assert given["110102"] == Part(120, 300)
    assert math.isnan(given["110104"].goal)
    of_projects = parts_by_district(published.snapshot, CITY, "t1")
    assert {code: part.stock for code, part in of_projects.items()} == {
        "110102": 2_000_000_500, "110103": 42, "110104": 41, "110105": 60,
    }  # fmt: skip
    assert all(math.isnan(part.goal) for part in of_projects.values())


# --- Complaints around a project ----------------------------------------------------------------


def is_open(row: dict[str, Any]) -> bool:
    return not row["closed"] or (row["closed_at"] is not None and row["closed_at"] > CUTOFF)


def around(
    published: Published, scope: Scope, basis: str, topic: str, project: Project
) -> list[dict[str, Any]]:
    """Return the cases of a topic in a project's community."""
    if not project.community or not (project.subdistrict or project.district):
        return []
    return [
        row
        for row in published.cases
        if row["assessed"]
        and (basis == "all" or not row["excluded"])
        and seen(scope, row["district"])
        and row["topic"] == topic
        and row["community"] == project.community
        and row["created_at"] <= CUTOFF
        and (
            row["subdistrict"] == project.subdistrict
            if project.subdistrict
            else row["district"] == project.district
        )
    ]


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize("basis", ["assessed", "all"])
@pytest.mark.parametrize("topic", [TOPIC, "2021-02", "2021-99"])
def test_complaints_around_a_project_equal_a_loop(
    published: Published, scope: Scope, basis: Any, topic: str
):
    snapshot = published.snapshot
    for code in [row["code"] for row in published.projects]:
        project = published.project(code)
        wanted = around(published, scope, basis, topic, project)
        counted = Counter(row["created_on"].replace(day=1) for row in wanted)
        still = Counter(row["created_on"].replace(day=1) for row in wanted if is_open(row))
        monthly = cases_around_by_month(snapshot, scope, basis, topic, project)
        assert list(monthly["month"]) == [
            dt.date(2020, 11, 1), dt.date(2020, 12, 1), dt.date(2021, 1, 1),
            dt.date(2021, 2, 1), dt.date(2021, 3, 1), dt.date(2021, 4, 1),
        ]  # fmt: skip
        assert [monthly[name].dtype for name in ("cases", "open")] == [np.dtype("int64")] * 2
        for row in monthly.itertuples(index=False):
            assert (row.cases, row.open) == (counted[row.month], still[row.month]), code
        assert monthly["cases"].sum() == len(wanted)
        in_order = sorted(wanted, key=lambda row: row["case_id"])
        in_order.sort(key=lambda row: row["created_at"], reverse=True)
        for limit in (1, 8, 5000):
            newest = newest_cases_around(snapshot, scope, basis, topic, project, limit)
            ids = [row["case_id"] for row in in_order[:limit]]
            assert list(newest["case_id"]) == ids, code


def test_the_loop_finds_what_the_tests_are_about(published: Published):
    number = {
        row["code"]: len(around(published, CITY, "assessed", TOPIC, published.project(row["code"])))
        for row in published.projects
    }
    assert all(number[code] > 20 for code in ("P1", "P2", "P3", "P4"))
    # Nowhere, in no community, in a community that nobody complains of.
    assert [number[code] for code in ("P5", "P6", "P8")] == [0, 0, 0]
    # The same community of another street is another one.
    assert number["P4"] > number["P3"] / 2
    found = around(published, CITY, "assessed", TOPIC, published.project("P2"))
    assert {is_open(row) for row in found} == {True, False}
    late = [row for row in published.cases if row["created_at"] > CUTOFF]
    assert any(row["topic"] == TOPIC and row["community"] == "社区0" for row in late)
    assert not any(row["created_on"].replace(day=1) == dt.date(2021, 1, 1) for row in found)


def test_what_a_complaint_says(published: Published):
    snapshot = published.snapshot
    category = {row["id"]: row["name"] for row in rows_of(snapshot, schema.categories)}
    rows = {row["case_id"]: row for row in published.cases}
    project = published.project("P2")
    found = newest_cases_around(snapshot, CITY, "all", TOPIC, project, 5000)
    assert list(found.columns) == [
        "case_id", "created_at", "due_at", "place", "category", "summary", "closed", "repeats",
    ]  # fmt: skip
    for case in found.to_dict("records"):
        row = rows[case["case_id"]]
        assert case["created_at"] == row["created_at"]
        assert pd.isna(case["due_at"]) if row["due_at"] is None else case["due_at"] == row["due_at"]
        assert (case["place"], case["repeats"]) == ("社区0", 0)
        assert case["category"] == category.get(row["category_id"], "")
        assert case["summary"] == (row["summary"] or "")
        assert case["closed"] == (not is_open(row))
    assert (found["summary"] == "").any()
    assert found["closed"].any()
    assert not found["closed"].all()


def test_no_complaint_of_another_district_leaks(published: Published):
    snapshot, project = published.snapshot, published.project("P2")
    for scope in (PART, SCOPES["nothing"], SCOPES["unknown"]):
        monthly = cases_around_by_month(snapshot, scope, "all", TOPIC, project)
        assert monthly["cases"].sum() == 0
        assert newest_cases_around(snapshot, scope, "all", TOPIC, project, 10).empty
    own = cases_around_by_month(snapshot, SCOPES["one district"], "all", TOPIC, project)
    assert own["cases"].sum() > 20


# --- No ledger ----------------------------------------------------------------------------------


def test_a_city_without_a_ledger(settings: Settings):
    staged = stage(settings, cases=300, first=FIRST, days=DAYS, cutoff=CUTOFF)
    publish(settings, staged, lambda *_: None)
    store = open_store(settings)
    snapshot = store.current()
    assert snapshot is not None
    assert projects_of(snapshot, CITY) == ()
    assert project_of_code(snapshot, CITY, "P1") is None
    assert parts_by_district(snapshot, CITY, "t1") == {}
    usual = durations(snapshot)
    assert (dict(usual.stages), dict(usual.causes), usual.order) == ({}, {}, ())
    store.close()
