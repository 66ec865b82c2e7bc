"""What the page of one place asks, against plain counts over the case table, on both engines."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import Windows
from data_access.places import (
    COMMUNITY_COUNTS,
    Share,
    categories_beside,
    communities_by_volume,
    counts_by_own_category,
    oldest_open_cases,
    targets_of_district,
)
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot, open_store
from domain.filters import Filters
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window
from domain.rules import Rules
from domain.scope import CITY, Scope
from tests import oracle
from tests.data.staging import REFERENCE, stage

CUTOFF = dt.datetime(2021, 4, 2, 12, 30)
FIRST, DAYS = dt.date(2020, 12, 5), 121
TABLES = frozenset(REFERENCE) | {"targets", "progress", "district_targets"}
# Few streets; communities whose names repeat from street to street, some without a street.
CASES = """
UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 6;
UPDATE incoming SET district_id = 1 + subdistrict_id % 3 WHERE subdistrict_id IS NOT NULL;
UPDATE incoming SET subdistrict_id = NULL WHERE hash(case_id) % 17 = 0;
UPDATE incoming SET community = CASE WHEN hash(case_id || 'k') % 8 > 0
    THEN '社区' || (hash(case_id || 'k') % 7 * (hash(case_id || 'm') % 3)) END;
UPDATE incoming SET summary = NULL WHERE hash(case_id) % 3 = 0;
UPDATE incoming SET created_at = TIMESTAMP '2021-03-20 08:00:00', created_on = DATE '2021-03-20'
    WHERE hash(case_id || 'c') % 40 = 0;
UPDATE incoming SET due_at = NULL WHERE hash(case_id || 'd') % 5 = 0;
INSERT INTO targets VALUES
    (1, 't1', 1, '办证', '套', 100000, 570000, DATE '2021-01-01', DATE '2021-12-31', 'up', true),
    (2, 't2', 1, '不报', '个', 10, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true),
    (3, 't3', 2, '只报', '个', 10, NULL, DATE '2021-01-01', DATE '2021-12-31', 'up', true);
INSERT INTO district_targets VALUES
    (1, 2, 9000.5, 50000), (1, 3, NULL, 40000), (2, 2, 4, NULL);
INSERT INTO progress VALUES
    (1, 2, DATE '2021-03-31', 700.5, true), (1, 2, DATE '2021-02-28', 300, true),
    (1, 3, DATE '2021-02-28', 5, true), (3, 2, DATE '2021-03-31', 1, false),
    (1, NULL, DATE '2021-03-31', 24000, false);
"""
NOW: Windows = (("now", Window(dt.date(2021, 2, 19), dt.date(2021, 3, 18))),)
BOTH: Windows = (*NOW, ("previous", Window(dt.date(2021, 1, 19), dt.date(2021, 2, 18))))
# A window within the other, one before all cases, one without a day.
ODD: Windows = (
    ("year", Window(dt.date(2020, 12, 5), dt.date(2021, 4, 30))),
    ("now", Window(dt.date(2021, 2, 19), dt.date(2021, 3, 18))),
    ("long ago", Window(dt.date(1999, 1, 1), dt.date(1999, 12, 31))),
    ("empty", Window(dt.date(2021, 3, 18), dt.date(2021, 3, 17))),
)
FILTERS = {
    "assessed": Filters(),
    "everything": Filters(basis="all"),
    "district": Filters(district=("110102",)),
    "street": Filters(subdistrict=("110100002",), basis="all"),
    "nowhere": Filters(district=("110103",), subdistrict=("110100003", "nothing")),
    "channel": Filters(channel=("web",)),
    "unit": Filters(unit=("u002", "u003")),
    "category": Filters(category=("c021", "c022", "c001"), district=("110102",)),
    "topic": Filters(topic=("2021-01", "2021-02")),
    "what does not count here": Filters(
        period="month-2021-01", compare="year", indicator="volume", page="3", weights="20-40-40"
    ),
}
SCOPES = {
    "nothing": Scope(frozenset()),
    "one district": Scope(frozenset({"110102"})),
    "unknown": Scope(frozenset({"nowhere"})),
    "city": CITY,
}


@dataclass(frozen=True)
class Published:
    """The published data: its cases, and the same as rows of the table, in one order."""

    snapshot: Snapshot
    cases: list[oracle.Case]
    rows: Sequence[Mapping[str, Any]]

    def chosen(self, filters: Filters, scope: Scope) -> list[tuple[oracle.Case, Mapping[str, Any]]]:
        kept = {id(case) for case in oracle.chosen(self.cases, filters, scope.districts)}
        return [pair for pair in zip(self.cases, self.rows, strict=True) if id(pair[0]) in kept]


@pytest.fixture(scope="module")
def published(shared_settings: Settings) -> Iterator[Published]:
    staged = stage(
        shared_settings, cases=3000, first=FIRST, days=DAYS, cutoff=CUTOFF, change=CASES,
        tables=TABLES,
    )  # fmt: skip
    publish(shared_settings, staged, lambda *_: None)
    store = open_store(shared_settings)
    snapshot = store.current()
    assert snapshot is not None
    with snapshot.engine.connect() as connection:
        found = connection.execute(sa.select(schema.cases)).mappings()
        rows = [dict(row) for row in found]
    cases = oracle.read_cases(snapshot)
    assert [row["created_at"] for row in rows] == [case.created_at for case in cases]
    yield Published(snapshot, cases, rows)
    store.close()


every = pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))


@every
@pytest.mark.parametrize("windows", [NOW, BOTH, ODD], ids=["now", "both", "odd"])
def test_counts_by_own_category_and_topic(published: Published, filters: Filters, windows: Windows):
    # The narrower reader first: the wider must not be given what was kept for it.
    for scope in SCOPES.values():
        counts: dict[tuple[str, str, str], list[oracle.Case]] = {}
        for case, _ in published.chosen(filters, scope):
            code = case.category[-1] if case.category else ""
            for name, window in windows:
                if window.start <= case.day <= window.end:
                    counts.setdefault((name, code, case.topic), []).append(case)
        found = counts_by_own_category(published.snapshot, scope, filters, windows)
        shown = {
            (row["window"], row["code"], row["topic"]): tuple(row[each] for each in COUNT_COLUMNS)
            for row in found.to_dict("records")
        }
        assert len(found) == len(shown)
        assert shown == {
            key: tuple(oracle.tally(own, CUTOFF, Rules())[each] for each in COUNT_COLUMNS)
            for key, own in counts.items()
        }
        assert all(found[each].dtype == "int64" for each in COUNT_COLUMNS)
    if filters == Filters():
        assert len(shown) > 50


@every
@pytest.mark.parametrize("windows", [NOW, BOTH, ODD], ids=["now", "both", "odd"])
@pytest.mark.parametrize("limit", [3, 100])
def test_communities_by_volume(
    published: Published, filters: Filters, windows: Windows, limit: int
):
    streets = published.snapshot.reference.subdistricts
    names = dict(zip(streets["id"], zip(streets["code"], streets["name"], strict=True),
                     strict=True))  # fmt: skip
    for scope in SCOPES.values():
        inside: dict[tuple[Any, Any, str], list[Mapping[str, Any]]] = {}
        before: Counter[tuple[Any, Any, str]] = Counter()
        for case, row in published.chosen(filters, scope):
            if row["community"] is None:
                continue
            key = (row["district_id"], row["subdistrict_id"], row["community"])
            first = windows[0][1]
            if first.start <= case.day <= first.end:
                inside.setdefault(key, []).append(row)
            if len(windows) > 1 and windows[1][1].start <= case.day <= windows[1][1].end:
                before[key] += 1
        order = sorted(
            inside,
            key=lambda key: (
                -len(inside[key]), min(row["created_at"] for row in inside[key]), key[2]
            ),
        )  # fmt: skip
        wanted = []
        for key in order[:limit]:
            rows = inside[key]
            answered = [row for row in rows if row["valid_revisit"]]
            wanted.append(
                (*names.get(key[1], ("", "")), key[2], len(rows), len(answered),
                 sum(row["resolved"] == 1 for row in answered),
                 sum(row["resolved"] == 2 for row in answered), before[key])
            )  # fmt: skip
        found = communities_by_volume(published.snapshot, scope, filters, windows, limit)
        assert list(found.itertuples(index=False, name=None)) == wanted
        assert list(found.columns[3:]) == list(COMMUNITY_COUNTS)
        assert all(found[each].dtype == "int64" for each in COMMUNITY_COUNTS)
    if filters == Filters():
        assert len(wanted) > 2
        assert any(row[0] == "" for row in wanted) or limit == 3


@every
def test_oldest_open_cases(published: Published, filters: Filters):
    reference = published.snapshot.reference
    streets = dict(zip(reference.subdistricts["id"], reference.subdistricts["name"], strict=True))
    kinds = dict(zip(reference.categories["id"], reference.categories["name"], strict=True))
    for scope in SCOPES.values():
        rows = []
        for case, row in published.chosen(filters, scope):
            closed = case.closed and (case.closed_at is None or case.closed_at <= CUTOFF)
            if not closed and case.day <= CUTOFF.date():
                rows.append(row)
        rows.sort(key=lambda row: (row["created_at"], row["case_id"]))
        found = oldest_open_cases(published.snapshot, scope, filters, 12)
        shown = found.astype("object").where(found.notna(), None).to_dict("records")
        assert [row["case_id"] for row in shown] == [row["case_id"] for row in rows[:12]]
        for own, row in zip(shown, rows, strict=False):
            assert own["created_at"] == row["created_at"]
            assert own["due_at"] == row["due_at"]
            assert own["shelved_until"] == row["shelved_until"]
            assert own["street"] == streets.get(row["subdistrict_id"], "")
            assert own["community"] == (row["community"] or "")
            assert own["category"] == kinds.get(row["category_id"], "")
            assert own["summary"] == (row["summary"] or "")
    if filters == Filters():
        assert len(shown) == 12
        assert {row["summary"] == "" for row in shown} == {True, False}


@every
@pytest.mark.parametrize("windows", [NOW, BOTH, ODD], ids=["now", "both", "odd"])
def test_a_part_beside_the_whole_is_what_each_is_alone(
    published: Published, filters: Filters, windows: Windows
):
    def summed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.groupby(["window", "code", "topic"])[list(COUNT_COLUMNS)].sum().sort_index()

    snapshot = published.snapshot
    for scope in SCOPES.values():
        for part in ({"district": ("110102",)}, {"subdistrict": ("110100002",)}, {}):
            whole = filters.narrowed(district=(), subdistrict=())
            own = whole.narrowed(**part)
            found = categories_beside(snapshot, scope, whole, own, windows)
            alone = (
                counts_by_own_category(snapshot, scope, own, windows),
                counts_by_own_category(snapshot, scope, whole, windows[:1]),
            )
            for each, expected in zip(found, alone, strict=True):
                pd.testing.assert_frame_equal(summed(each), summed(expected))


def test_both_bases_are_told_apart(published: Published):
    assessed, everything = (
        counts_by_own_category(published.snapshot, CITY, filters, NOW)["cases"].sum()
        for filters in (Filters(), Filters(basis="all"))
    )
    assert assessed < everything


def test_targets_of_a_district(published: Published):
    snapshot = published.snapshot
    end, before = dt.date(2021, 3, 31), dt.date(2021, 2, 28)
    assert targets_of_district(snapshot, Scope(frozenset({"110103"})), "110102") == {}
    own = targets_of_district(snapshot, CITY, "110102")
    assert list(own) == ["t1", "t2", "t3"]
    assert own["t1"] == Share(9000.5, ((before, 300.0), (end, 700.5)))
    assert own["t2"] == Share(4.0, ())
    assert math.isnan(own["t3"].goal)
    assert own["t3"].figures == ((end, 1.0),)
    other = targets_of_district(snapshot, Scope(frozenset({"110103"})), "110103")
    assert list(other) == ["t1"]
    # A stock alone is no goal.
    assert math.isnan(other["t1"].goal)
    for nobody in ("110101", "", "' OR 1=1 --", "\x00"):
        assert targets_of_district(snapshot, CITY, nobody) == {}
