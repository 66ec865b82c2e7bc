"""Every query equals the slow oracle, for every grouping and filter, on both engines."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest
import sqlalchemy as sa

from data_access import case_counts, schema
from data_access.case_counts import (
    Group,
    closings_by_window,
    counts_by_week,
    counts_by_window,
    days_with_cases,
)
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import ResultCache, Snapshot, open_store
from domain.comparison import of_window
from domain.filters import Filters
from domain.metrics import METRICS, broken_identities, estimate, total
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window, weeks_before
from domain.rules import Rules
from domain.scope import CITY, Scope
from tests import oracle
from tests.data.staging import stage

RULES = Rules()
CUTOFF = dt.datetime(2021, 4, 2, 12, 30)
DAYS = 120
FIRST = dt.date(2020, 12, 5)

# Few places, units and categories, so that several filters at once still leave cases; a third
# level of categories; streets of which one is assessed by another district than its own; and
# answers and dates on the bounds of every rule.
CROWDED = """
INSERT INTO categories VALUES
    (221, 'c221', '分类221', 3, 2, 21, 221, NULL), (222, 'c222', '分类222', 3, 2, 21, 222, NULL),
    (223, 'c223', '分类223', 3, 3, 22, 223, NULL);
UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 6;
UPDATE incoming SET district_id = CASE WHEN subdistrict_id IS NOT NULL
    THEN [2, 3, 4, 5, 3, 2][subdistrict_id] END;
UPDATE incoming SET subdistrict_id = NULL WHERE hash(case_id) % 17 = 0;
UPDATE incoming SET lead_unit_id = CASE WHEN lead_unit_id % 7 > 0 THEN lead_unit_id % 4 + 1 END;
UPDATE incoming SET category_id =
    CASE WHEN category_id IS NOT NULL THEN [1, 2, 21, 22, 41, 221, 222, 223][1 + category_id % 8]
    END;
UPDATE incoming SET topic_id = CASE WHEN category_id IN (21, 221, 223) THEN 1
    WHEN category_id IN (22, 41) THEN 2 END;
UPDATE incoming SET closed_at = NULL, closed = false, on_time = NULL
    WHERE closed_at > TIMESTAMP '2021-04-09';
UPDATE incoming SET due_at = TIMESTAMP '2021-04-02 12:30:00' WHERE hash(case_id) % 61 = 0;
UPDATE incoming SET due_at = TIMESTAMP '2021-03-26 12:30:00' WHERE hash(case_id) % 67 = 0;
UPDATE incoming SET shelved_until = DATE '2021-04-02' WHERE NOT closed AND hash(case_id) % 3 = 0;
UPDATE incoming SET shelved_until = DATE '2021-04-01' WHERE NOT closed AND hash(case_id) % 3 = 1;
"""

GROUPS: tuple[Group, ...] = ("district", "subdistrict", "category", "topic", "unit")
FILTERS = {
    "everything": Filters(basis="all"),
    "assessed": Filters(),
    "district": Filters(district=("110103",)),
    "two districts": Filters(district=("110103", "110105"), basis="all"),
    "subdistrict": Filters(subdistrict=("110100002",)),
    "topic": Filters(topic=("2021-01",)),
    "two topics": Filters(topic=("2021-01", "2021-02")),
    "level 1": Filters(category=("c002",)),
    "level 2": Filters(category=("c021",), basis="all"),
    "level 3": Filters(category=("c221",)),
    "levels mixed": Filters(category=("c003", "c021")),
    "channel": Filters(channel=("web",)),
    "unit": Filters(unit=("u002", "u003")),
    "district, topic": Filters(district=("110102",), topic=("2021-01",)),
    "street, level 2": Filters(subdistrict=("110100001", "110100006"), category=("c021",)),
    "district, unit, channel": Filters(district=("110102",), unit=("u002",), channel=("phone",)),
    "all at once": Filters(
        district=("110102",),
        subdistrict=("110100001", "110100006"),
        topic=("2021-01",),
        category=("c002",),
        channel=("phone",),
        unit=("u001", "u002", "u003"),
        basis="all",
    ),
    "street of another district": Filters(district=("110103",), subdistrict=("110100001",)),
    "unknown code beside a known": Filters(district=("110103", "nowhere")),
    "only unknown codes": Filters(unit=("nobody",)),
    "unknown category": Filters(category=("c999",)),
}
# Overlapping, of one day, before all data, empty, and beyond the cut-off.
WINDOWS = (
    ("now", Window(dt.date(2021, 2, 19), dt.date(2021, 3, 18))),
    ("long", Window(dt.date(2020, 12, 19), dt.date(2021, 3, 1))),
    ("day", Window(dt.date(2021, 3, 18), dt.date(2021, 3, 18))),
    ("before", Window(dt.date(2019, 1, 1), dt.date(2019, 12, 31))),
    ("empty", Window(dt.date(2021, 3, 2), dt.date(2021, 3, 1))),
    ("after", Window(dt.date(2021, 3, 30), dt.date(2021, 5, 30))),
)
NOW = dict(WINDOWS)["now"]
SCOPES = {
    "city": CITY,
    "two districts": Scope(frozenset({"110103", "110104"})),
    "nothing": Scope(frozenset()),
    "unknown district": Scope(frozenset({"nowhere"})),
}


def whole(cases: list[oracle.Case]) -> dict[str, int]:
    """Return the counts of all cases together."""
    counts = oracle.tally(cases, CUTOFF, RULES)
    return {name: counts[name] for name in COUNT_COLUMNS}


@dataclass(frozen=True)
class Published:
    snapshot: Snapshot
    cases: list[oracle.Case]
    levels: dict[str, int]

    def chosen(self, filters: Filters, scope: Scope = CITY) -> list[oracle.Case]:
        return oracle.chosen(self.cases, filters, scope.districts)

    def tallies(
        self, cases: list[oracle.Case], group: Group, filters: Filters
    ) -> dict[str, dict[str, int]]:
        """Return code → counts."""
        grouped: dict[str, list[oracle.Case]] = {}
        for case in cases:
            code = oracle.shown_as(case, group, filters, self.levels)
            grouped.setdefault(code, []).append(case)
        return {code: whole(members) for code, members in grouped.items()}


@pytest.fixture(scope="module")
def published(shared_settings: Settings) -> Iterator[Published]:
    staged = stage(
        shared_settings, cases=2000, first=FIRST, days=DAYS, cutoff=CUTOFF, change=CROWDED
    )
    publish(shared_settings, staged, lambda *_: None)
    store = open_store(shared_settings)
    snapshot = store.current()
    assert snapshot is not None
    categories = snapshot.reference.categories
    levels = {row.code: int(row.level) for row in categories.itertuples(index=False)}
    yield Published(snapshot, oracle.read_cases(snapshot), levels)
    store.close()


def counted(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return code → counts of a frame."""
    assert rows["code"].is_unique
    return {
        row["code"]: {name: row[name] for name in COUNT_COLUMNS} for row in rows.to_dict("records")
    }


# --- Against the oracle -------------------------------------------------------------------------


def test_the_data_holds_what_the_tests_are_about(published: Published):
    cases = published.cases
    assert any(not case.assessed for case in cases)
    assert any(case.district and not case.subdistrict for case in cases)
    assert any(not case.district for case in cases)
    assert any(not case.category for case in cases)
    assert any(case.closed_at and case.closed_at > CUTOFF for case in cases)
    assert any(case.due_at == CUTOFF and not case.closed for case in cases)
    assert {len(case.category) for case in cases} == {0, 1, 2, 3}
    counts = whole(published.chosen(FILTERS["everything"]))
    assert min(counts.values()) >= 5
    empty = {"street of another district", "only unknown codes", "unknown category"}
    for name, filters in FILTERS.items():
        in_period = oracle.created_in(published.chosen(filters), NOW)
        assert bool(in_period) != (name in empty), name


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_counts_by_window(published: Published, filters: Filters, group: Group):
    rows = counts_by_window(published.snapshot, CITY, filters, WINDOWS, group)
    chosen = published.chosen(filters)
    for name, window in WINDOWS:
        cases = oracle.created_in(chosen, window)
        assert counted(of_window(rows, name)) == published.tallies(cases, group, filters), name


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_counts_by_week(published: Published, filters: Filters, group: Group):
    weeks = tuple(weeks_before(CUTOFF.date(), CUTOFF.date(), 9))
    rows = counts_by_week(published.snapshot, CITY, filters, weeks, group)
    assert set(rows["week_start"]) <= {week.start for week in weeks}
    chosen = published.chosen(filters)
    for week in weeks:
        cases = oracle.created_in(chosen, week)
        found = rows[rows["week_start"] == week.start]
        assert counted(found) == published.tallies(cases, group, filters), week


@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_closings_and_days(published: Published, filters: Filters):
    chosen = published.chosen(filters)
    closings = closings_by_window(published.snapshot, CITY, filters, WINDOWS)
    assert closings == {name: oracle.closed_in(chosen, each, CUTOFF) for name, each in WINDOWS}
    for _, window in WINDOWS:
        days = {case.day for case in oracle.created_in(chosen, window)}
        assert days_with_cases(published.snapshot, CITY, filters, window) == len(days)


@pytest.mark.parametrize("scope", SCOPES.values(), ids=list(SCOPES))
@pytest.mark.parametrize("group", GROUPS)
def test_a_scope_narrows_every_query(published: Published, group: Group, scope: Scope):
    weeks = (NOW, Window(NOW.end + dt.timedelta(1), CUTOFF.date()))
    for filters in (FILTERS["assessed"], FILTERS["channel"], FILTERS["street, level 2"]):
        chosen = published.chosen(filters, scope)
        cases = oracle.created_in(chosen, NOW)
        rows = counts_by_window(published.snapshot, scope, filters, WINDOWS, group)
        assert counted(of_window(rows, "now")) == published.tallies(cases, group, filters)
        weekly = counts_by_week(published.snapshot, scope, filters, weeks, group)
        reach = Window(weeks[0].start, weeks[-1].end)
        assert weekly["cases"].sum() == len(oracle.created_in(chosen, reach))
        closings = closings_by_window(published.snapshot, scope, filters, WINDOWS)
        assert closings["now"] == oracle.closed_in(chosen, NOW, CUTOFF)
        days = days_with_cases(published.snapshot, scope, filters, NOW)
        assert days == len({case.day for case in cases})


def test_no_filter_widens_a_scope(published: Published):
    scope = Scope(frozenset({"110103"}))
    for name, filters in FILTERS.items():
        for widened in (filters, filters.narrowed(district=("110102", "110103", "110105"))):
            rows = counts_by_window(published.snapshot, scope, widened, WINDOWS, "district")
            assert set(rows["code"]) <= {"110103"}, name
    elsewhere = Filters(district=("110102",))
    for group in GROUPS:
        rows = counts_by_window(published.snapshot, scope, elsewhere, WINDOWS, group)
        assert rows.empty
        unfiltered = counts_by_window(published.snapshot, scope, Filters(), WINDOWS, group)
        widened = Filters(district=("110102", "110103"))
        pd.testing.assert_frame_equal(
            counts_by_window(published.snapshot, scope, widened, WINDOWS, group), unfiltered
        )
    assert closings_by_window(published.snapshot, scope, elsewhere, WINDOWS)["long"] == 0
    assert days_with_cases(published.snapshot, scope, elsewhere, NOW) == 0


def test_equal_questions_of_different_readers_do_not_share_an_answer(published: Published):
    city = counts_by_window(published.snapshot, CITY, Filters(), WINDOWS, "district")
    part = counts_by_window(
        published.snapshot, SCOPES["two districts"], Filters(), WINDOWS, "district"
    )
    assert part["cases"].sum() < city["cases"].sum()


# --- Aggregates, sums, rates --------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_aggregates_equal_the_case_table(
    published: Published, group: Group, monkeypatch: pytest.MonkeyPatch
):
    by_aggregate = {
        name: counts_by_window(published.snapshot, CITY, filters, WINDOWS, group)
        for name, filters in FILTERS.items()
    }
    monkeypatch.setattr(case_counts, "_source", lambda *_: schema.cases)
    afresh = dataclasses.replace(published.snapshot, cache=ResultCache(999))
    for name, filters in FILTERS.items():
        rows = counts_by_window(afresh, CITY, filters, WINDOWS, group)
        pd.testing.assert_frame_equal(rows, by_aggregate[name])


@pytest.mark.parametrize("table", schema.AGGREGATES, ids=str)
def test_aggregates_hold_every_assessed_case_once(published: Published, table: sa.Table):
    columns = [column for column in table.columns if column.name not in COUNT_COLUMNS]
    from_cases = (
        sa.select(*(schema.cases.c[column.name] for column in columns), sa.func.count())
        .where(schema.cases.c.assessed)
        .group_by(*(schema.cases.c[column.name] for column in columns))
    )
    with published.snapshot.engine.connect() as connection:
        kept = {tuple(row) for row in connection.execute(sa.select(*columns, table.c.cases))}
        counted_now = {tuple(row) for row in connection.execute(from_cases)}
    assert kept == counted_now


def test_parts_add_up_to_the_city(published: Published):
    for basis in ("assessed", "all"):
        filters = Filters(basis=basis)
        city = whole(oracle.created_in(published.chosen(filters), NOW))
        for group in GROUPS:
            rows = of_window(
                counts_by_window(published.snapshot, CITY, filters, WINDOWS, group), "now"
            )
            assert (rows["code"] == case_counts.UNPLACED).sum() == 1
            assert total(rows).iloc[0].to_dict() == city
            for row in rows.to_dict("records"):
                assert broken_identities({name: row[name] for name in COUNT_COLUMNS}) == []


def test_the_two_bases_differ_by_the_excluded_cases(published: Published):
    every, assessed = (
        counts_by_window(published.snapshot, CITY, Filters(basis=basis), WINDOWS, "district")
        for basis in ("all", "assessed")
    )
    excluded = [case for case in published.chosen(Filters(basis="all")) if case.excluded]
    difference = of_window(every, "now")["cases"].sum() - of_window(assessed, "now")["cases"].sum()
    assert difference == len(oracle.created_in(excluded, NOW)) > 0


@pytest.mark.parametrize("key", METRICS)
@pytest.mark.parametrize(
    "rules",
    [RULES, Rules(weight_response=0.3, weight_resolution=0.35, weight_satisfaction=0.35,
                  basic_satisfied_credit=0.7, partly_resolved_credit=0.5)],
    ids=["default", "other credits"],
)  # fmt: skip
def test_indicators_of_districts_and_city(published: Published, key: str, rules: Rules):
    rows = of_window(
        counts_by_window(published.snapshot, CITY, Filters(), WINDOWS, "district"), "long"
    )
    cases = oracle.created_in(published.chosen(Filters()), dict(WINDOWS)["long"])
    by_district = estimate(rows, METRICS[key], rules)
    for code, value, n in zip(rows["code"], by_district["value"], by_district["n"], strict=True):
        members = [case for case in cases if case.district == code]
        assert (value, n) == pytest.approx(
            oracle.indicator(key, members, CUTOFF, rules), abs=1e-12, nan_ok=True
        )
    city = estimate(total(rows), METRICS[key], rules).iloc[0]
    assert (city["value"], city["n"]) == pytest.approx(
        oracle.indicator(key, cases, CUTOFF, rules), abs=1e-9
    )
    if METRICS[key].kind != "count":
        # The data is such that a mean of the districts' rates would be seen.
        assert abs(city["value"] - by_district["value"].mean()) > 1e-4


# --- Form ---------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_windows_and_reference(published: Published):
    rows = counts_by_window(published.snapshot, CITY, Filters(), WINDOWS, "subdistrict")
    order = [name for name, _ in WINDOWS]
    assert list(rows["window"]) == sorted(rows["window"], key=order.index)
    reference = published.snapshot.reference.subdistricts
    names = dict(zip(reference["code"], reference["name"], strict=True))
    listed = [*reference["code"], case_counts.UNPLACED]
    for name, each in rows.groupby("window"):
        assert list(each["code"]) == sorted(each["code"], key=listed.index), name
    assert list(rows["name"]) == [names.get(code, "") for code in rows["code"]]
    assert (rows.dtypes[list(COUNT_COLUMNS)] == "int64").all()


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("windows", [WINDOWS[3:4], WINDOWS[4:5], ()], ids=["past", "empty", "none"])
def test_no_cases_no_rows(published: Published, group: Group, windows: case_counts.Windows):
    rows = counts_by_window(published.snapshot, CITY, Filters(), windows, group)
    assert rows.empty
    assert list(rows.columns) == ["window", "code", "name", *COUNT_COLUMNS]
    assert total(rows)["cases"].iloc[0] == 0
    every = case_counts.counts_of_all(published.snapshot, CITY, Filters(), windows, group)
    assert [each["cases"].sum() for each in every] == [0] * len(windows)


def test_what_does_not_change_counts_does_not_ask_again(published: Published):
    afresh = dataclasses.replace(published.snapshot, cache=ResultCache(99))
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    sa.event.listen(afresh.engine, "before_cursor_execute", note)
    try:
        for filters in (Filters(), Filters(indicator="composite", compare="year", period="days-9")):
            counts_by_window(afresh, CITY, filters, WINDOWS, "district")
            counts_by_week(afresh, CITY, filters, (NOW,), "district")
            closings_by_window(afresh, CITY, filters, WINDOWS)
            days_with_cases(afresh, CITY, filters, NOW)
    finally:
        sa.event.remove(afresh.engine, "before_cursor_execute", note)
    assert len(asked) == 4
