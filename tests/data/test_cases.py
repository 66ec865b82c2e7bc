"""The ledger of cases as the database answers it, against loops over the rows, on both engines."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from data_access import cases as ledger_queries
from data_access import schema
from data_access.case_counts import counts_by_window
from data_access.cases import (
    batches_of_cases,
    case_of_number,
    cases_of_matter,
    day_counts,
    groups,
    ladder,
    neighbours_in_month,
    number_until,
    page_of_cases,
    repeats_of,
    shelved_until,
)
from data_access.publishing import publish
from data_access.settings import Settings
from data_access.store import Snapshot, open_store
from domain.cases import Listing, listing, sorts_of
from domain.filters import AGE_DAYS, PRESET_LABELS, Filters
from domain.periods import Window
from domain.rules import Rules
from domain.scope import CITY, Scope
from tests.data.staging import REFERENCE, stage

CUTOFF = dt.datetime(2021, 4, 2, 12, 30)
FIRST, DAYS = dt.date(2020, 11, 20), 140
RULES = Rules(group_cases=3, return_days=9, long_open_days=45)
PERIOD = Window(dt.date(2020, 12, 10), CUTOFF.date())
SOME = Scope(frozenset({"110102", "110104"}))
# Of the matter of every tenth case the third, fifth and seventh behind it are repeats. Many cases
# have the same moment, the same time limit, the same community.
CASES = """
UPDATE incoming SET subdistrict_id = 1 + subdistrict_id % 6;
UPDATE incoming SET district_id = CASE WHEN subdistrict_id IS NOT NULL
    THEN [2, 3, 4, 5, 3, 2][subdistrict_id] END;
UPDATE incoming SET category_id = 21 + category_id % 7;
UPDATE incoming SET community = '社区' || hash(case_id || 'k') % 3;
UPDATE incoming SET community = NULL WHERE hash(case_id || 'u') % 11 = 0;
UPDATE incoming SET summary = NULL WHERE hash(case_id) % 23 = 0;
UPDATE incoming SET summary = summary || ' 100%_a\\b''c' WHERE hash(case_id) % 29 = 0;
UPDATE incoming SET summary = '=HYPERLINK("x") 电话13912345678' WHERE hash(case_id) % 97 = 0;
UPDATE incoming SET created_at = TIMESTAMP '2021-03-20 08:00:00', created_on = DATE '2021-03-20'
    WHERE hash(case_id || 'c') % 15 = 0;
UPDATE incoming SET due_at = TIMESTAMP '2021-03-25 08:00:00'
    WHERE due_at IS NOT NULL AND hash(case_id || 'd') % 3 = 0;
UPDATE incoming SET closed = false, closed_at = NULL, on_time = NULL
    WHERE hash(case_id || 'o') % 4 = 0;
UPDATE incoming SET shelved_until = created_on + 90
    WHERE NOT closed AND hash(case_id || 's') % 3 = 0;
UPDATE incoming SET closed_at = TIMESTAMP '2021-04-02 18:00:00'
    WHERE closed AND hash(case_id || 'z') % 9 = 0;
CREATE TEMP TABLE numbered AS
    SELECT case_id, row_number() OVER (ORDER BY created_at, case_id) AS n FROM incoming;
UPDATE incoming SET repeat_of = NULL;
UPDATE incoming SET repeat_of = first.case_id
    FROM numbered AS own, numbered AS first
    WHERE own.case_id = incoming.case_id AND own.n % 10 IN (3, 5, 7)
        AND first.n = own.n - own.n % 10 - CASE WHEN own.n % 3 = 0 THEN 60 ELSE 0 END;
"""

GROUPS = """
INSERT INTO rules VALUES ('甲', DATE '2020-01-01', 'group_cases', '3'),
    ('乙', DATE '2021-01-01', 'group_cases', '5')
"""


@dataclass(frozen=True)
class Rows:
    """Every case of the version as it is stored, and codes by id."""

    snapshot: Snapshot
    cases: list[dict[str, Any]]
    district: Mapping[int | None, str]
    category: Mapping[int | None, str]

    def by_number(self) -> dict[str, dict[str, Any]]:
        return {case["case_id"]: case for case in self.cases}


@pytest.fixture(scope="module")
def rows(shared_settings: Settings) -> Iterator[Rows]:
    staged = stage(
        shared_settings, cases=1_500, first=FIRST, days=DAYS, change=CASES + GROUPS,
        cutoff=CUTOFF, city="某市", tables=frozenset(REFERENCE) | {"rules"},
    )  # fmt: skip
    publish(shared_settings, staged, lambda _words, _done: None)
    store = open_store(shared_settings)
    snapshot = store.current()
    assert snapshot is not None
    with snapshot.engine.connect() as connection:
        cases = [dict(row) for row in connection.execute(sa.select(schema.cases)).mappings()]
    reference = snapshot.reference
    yield Rows(
        snapshot,
        cases,
        dict(zip(reference.districts["id"], reference.districts["code"], strict=True)),
        dict(zip(reference.categories["id"], reference.categories["code"], strict=True)),
    )
    store.close()


# --- The same by loops --------------------------------------------------------------------------


def is_closed(case: Mapping[str, Any]) -> bool:
    return case["closed"] and (case["closed_at"] is None or case["closed_at"] <= CUTOFF)


def is_shelved(case: Mapping[str, Any]) -> bool:
    until = case["shelved_until"]
    return not is_closed(case) and until is not None and until >= CUTOFF.date()


def is_overdue(case: Mapping[str, Any]) -> bool:
    due = case["due_at"]
    return not is_closed(case) and not is_shelved(case) and due is not None and due < CUTOFF


def folded(text: str) -> str:
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def group_of(case: Mapping[str, Any]) -> tuple[Any, ...] | None:
    key = (case["subdistrict_id"], case["community"], case["category_id"])
    if not case["assessed"] or None in key:
        return None
    return *key, case["created_on"].year, case["created_on"].month


def matters(rows: Rows, scope: Scope = CITY) -> Counter[str]:
    found: Counter[str] = Counter()
    for case in rows.cases:
        if case["assessed"] and case["repeat_of"] is not None and is_seen(rows, case, scope):
            found[case["repeat_of"]] += 1
    return found


def is_seen(rows: Rows, case: Mapping[str, Any], scope: Scope) -> bool:
    return scope.districts is None or rows.district.get(case["district_id"]) in scope.districts


def came_back(rows: Rows, case: Mapping[str, Any]) -> bool:
    first = rows.by_number().get(case["repeat_of"] or "")
    if first is None or first["closed_at"] is None:
        return False
    days = (case["created_at"] - first["closed_at"]) / dt.timedelta(days=1)
    return 0 <= days <= RULES.return_days


def expected(
    rows: Rows, filters: Filters, sort: str, scope: Scope = CITY, window: Window = PERIOD
) -> list[dict[str, Any]]:
    """Return the rows that a listing has, in its order."""
    in_group = Counter(group_of(case) for case in rows.cases)
    kept = []
    for case in rows.cases:
        age = (CUTOFF.date() - case["created_on"]).days
        chosen = {
            "": True,
            "open": not is_closed(case),
            "overdue": is_overdue(case),
            "long_open": not is_closed(case) and age > RULES.long_open_days,
            "repeat": case["repeat_of"] is not None,
            "returned": filters.preset == "returned" and came_back(rows, case),
            "shelved": is_shelved(case),
            "group": group_of(case) is not None and in_group[group_of(case)] >= RULES.group_cases,
            "unplaced": case["district_id"] is None,
        }[filters.preset]
        if not chosen or not case["assessed"] or not is_seen(rows, case, scope):
            continue
        if not window.start <= case["created_on"] <= window.end:
            continue
        if filters.basis == "assessed" and case["excluded"]:
            continue
        if filters.district and rows.district.get(case["district_id"]) not in filters.district:
            continue
        if filters.category and rows.category.get(case["category_id"]) not in filters.category:
            continue
        if filters.channel == ("phone",) and case["channel_id"] != 1:
            continue
        if filters.community and case["community"] not in filters.community:
            continue
        if not all(folded(term) in folded(case["summary"] or "") for term in filters.terms):
            continue
        if filters.age:
            _, least, most = AGE_DAYS[filters.age]
            if age < least or (most is not None and age > most):
                continue
        kept.append(case)
    number = matters(rows, scope)

    def key(case: Mapping[str, Any]) -> tuple[Any, ...]:
        moment = case["due_at"] if sort == "overdue" else case["created_at"]
        times = number[case["repeat_of"]] if sort == "repeats" else 0
        return times, moment, case["case_id"]

    return sorted(kept, key=key, reverse=sort in ("newest", "repeats"))


FILTERS = {
    "all": Filters(),
    "both kinds": Filters(basis="all"),
    "place": Filters(district=("110102", "110103"), basis="all"),
    "category and place": Filters(district=("110104",), category=("c021", "c023")),
    "words": Filters(q="市民 供暖"),
    "odd letters": Filters(q="100%_A\\B'c"),
    "long words": Filters(q="希望尽快处理 供暖不热"),
    "one letter": Filters(q="暖"),
    "community": Filters(community=("社区1",)),
    "unit": Filters(channel=("phone",)),
    "age": Filters(age="90"),
    "nothing": Filters(q="没有这样的词"),
}
ORDERS = [(preset, sort) for preset in PRESET_LABELS for sort in sorts_of(preset)]


def listed(filters: Filters, window: Window = PERIOD) -> Listing:
    return listing(filters, window, CUTOFF.date(), RULES)


# --- Pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "sort"), ORDERS)
@pytest.mark.parametrize("name", ["all", "category and place", "words"])
def test_every_case_is_on_one_page_forward_and_back(rows: Rows, name: str, preset, sort):
    filters = FILTERS[name].narrowed(preset=preset)
    asked, snapshot = listed(filters), rows.snapshot
    wanted = [case["case_id"] for case in expected(rows, filters, sort)]
    steps = ladder(snapshot, CITY, asked, sort)
    assert steps.total == len(wanted)
    limit = max(len(wanted) // 5, 3)
    found: list[str] = []
    page = page_of_cases(snapshot, CITY, asked, sort, limit)
    assert not page.has_before
    while page.cases:
        number = len(found)
        first = page.cases[0].mark(sort)
        assert number_until(snapshot, CITY, asked, sort, first, itself=False) == number
        assert number_until(snapshot, CITY, asked, sort, first, itself=True) == number + 1
        if number:
            by_number = page_of_cases(snapshot, CITY, asked, sort, limit, skip=number)
            assert by_number == page
        found += [case.case_id for case in page.cases]
        assert page.has_after == (len(found) < len(wanted))
        last = page.cases[-1].mark(sort)
        page = page_of_cases(snapshot, CITY, asked, sort, limit, after=last)
    assert found == wanted
    if not wanted:
        return
    back: list[str] = []
    page = page_of_cases(snapshot, CITY, asked, sort, limit, before=last)
    while page.cases:
        back[:0] = [case.case_id for case in page.cases]
        assert page.has_after
        assert page.has_before == (len(back) < len(wanted) - 1)
        page = page_of_cases(snapshot, CITY, asked, sort, limit,
                             before=page.cases[0].mark(sort))  # fmt: skip
    assert back == wanted[:-1]


@pytest.mark.parametrize("preset", PRESET_LABELS)
@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_lists_what_a_loop_lists(rows: Rows, name: str, preset):
    filters = FILTERS[name].narrowed(preset=preset)
    sort = sorts_of(preset)[0]
    wanted = [case["case_id"] for case in expected(rows, filters, sort)]
    page = page_of_cases(rows.snapshot, CITY, listed(filters), sort, 2_000)
    assert [case.case_id for case in page.cases] == wanted
    assert ladder(rows.snapshot, CITY, listed(filters), sort).total == len(wanted)


def test_the_test_data_has_something_of_everything(rows: Rows):
    for preset, sort in ORDERS:
        assert len(expected(rows, Filters(preset=preset), sort)) > 5, preset
    assert max(matters(rows).values()) >= 3
    assert expected(rows, FILTERS["odd letters"], "newest")


def test_smaller_groups_than_were_counted_are_refused(rows: Rows):
    fewer = dataclasses.replace(listed(Filters(preset="group")), group_cases=2)
    with pytest.raises(ValueError, match="groups of 2"):
        ladder(rows.snapshot, CITY, fewer, "newest")
    more = dataclasses.replace(fewer, group_cases=5)
    some = ladder(rows.snapshot, CITY, more, "newest").total
    number = Counter(group_of(case) for case in rows.cases)
    assert some == sum(
        group_of(case) is not None and number[group_of(case)] >= 5
        and not case["excluded"] and PERIOD.start <= case["created_on"] <= PERIOD.end
        for case in rows.cases
    )  # fmt: skip
    assert 0 < some < ladder(rows.snapshot, CITY, listed(Filters(preset="group")), "newest").total


def test_two_readers_see_the_same(rows: Rows, shared_settings: Settings):
    store = open_store(shared_settings)
    other = store.current()
    assert other is not None
    asked = listed(Filters(preset="open"))
    for sort in sorts_of("open"):
        one, two = (
            page_of_cases(each, CITY, asked, sort, 40, skip=40) for each in (rows.snapshot, other)
        )
        assert one == two
    store.close()


@pytest.mark.parametrize("place", ["after", "before"])
def test_a_place_that_is_not_in_the_list_is_a_place_all_the_same(rows: Rows, place: str):
    filters = Filters(preset="overdue")
    wanted = expected(rows, filters, "oldest")
    middle = wanted[len(wanted) // 2]
    everyone = page_of_cases(rows.snapshot, CITY, listed(Filters()), "oldest", 2_000).cases
    outside = next(
        case for case in everyone
        if case.created_at > middle["created_at"] and not case.overdue
    )  # fmt: skip
    mark = outside.mark("oldest")
    after, before_it = (mark, None) if place == "after" else (None, mark)
    page = page_of_cases(
        rows.snapshot, CITY, listed(filters), "oldest", 4, after=after, before=before_it
    )
    key = (outside.created_at, outside.case_id)
    behind = [case for case in wanted if (case["created_at"], case["case_id"]) > key]
    before = [case for case in wanted if (case["created_at"], case["case_id"]) < key]
    near = behind[:4] if place == "after" else before[-4:]
    assert [case.case_id for case in page.cases] == [case["case_id"] for case in near]


# --- Counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "both kinds", "place", "category and place", "unit"])
def test_counts_of_presets_are_those_of_every_other_page(rows: Rows, name: str):
    filters = FILTERS[name]
    counts = counts_by_window(rows.snapshot, CITY, filters, (("now", PERIOD),), "district")
    by_preset = {
        preset: ladder(rows.snapshot, CITY, listed(filters.narrowed(preset=preset)), "newest").total
        for preset in PRESET_LABELS
    }
    assert by_preset[""] == counts["cases"].sum()
    assert by_preset["overdue"] == counts["overdue"].sum()
    assert by_preset["shelved"] == counts["shelved"].sum()
    assert by_preset["repeat"] == counts["repeats"].sum()
    assert by_preset["open"] == (counts["cases"] - counts["closed"]).sum()
    assert by_preset["unplaced"] == counts.loc[counts["code"] == "", "cases"].sum()


def test_counts_by_day_are_the_same_from_aggregates_and_from_cases(rows: Rows):
    by_hand = listed(Filters(community=("社区0", "社区1", "社区2")))
    unnamed = Counter(
        case["created_on"] for case in expected(rows, Filters(), "oldest")
        if case["community"] is None
    )  # fmt: skip
    whole = day_counts(rows.snapshot, CITY, listed(Filters()))
    some = day_counts(rows.snapshot, CITY, by_hand)
    for on, number in whole["cases"].items():
        assert number == (some["cases"].get(on, 0) + unnamed[on])


def test_shelved_cases_that_end_soon(rows: Rows):
    last = CUTOFF.date() + dt.timedelta(days=30)
    wanted = [
        case for case in expected(rows, Filters(preset="shelved"), "oldest")
        if case["shelved_until"] <= last
    ]  # fmt: skip
    assert shelved_until(rows.snapshot, CITY, listed(Filters(preset="shelved")), last) == len(
        wanted
    )
    assert wanted


def test_groups_are_counted_as_they_are_listed(rows: Rows):
    filters = Filters(preset="group")
    found = groups(rows.snapshot, CITY, listed(filters))
    wanted = Counter(group_of(case) for case in expected(rows, filters, "newest"))
    assert sorted(found["cases"], reverse=True) == list(found["cases"])
    assert Counter(found["cases"]) == Counter(wanted.values())
    assert found["cases"].sum() == wanted.total()
    open_ones = sum(not is_closed(case) for case in expected(rows, filters, "newest"))
    assert found["open"].sum() == open_ones


# --- Scope --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESET_LABELS)
def test_no_filter_widens_a_scope(rows: Rows, preset):
    snapshot = rows.snapshot
    for filters in (Filters(), Filters(district=("110105",)), Filters(district=("110102",)),
                    Filters(q="市民")):  # fmt: skip
        asked = listed(filters.narrowed(preset=preset))
        for sort in sorts_of(preset):
            wanted = expected(rows, filters.narrowed(preset=preset), sort, SOME)
            page = page_of_cases(snapshot, SOME, asked, sort, 2_000)
            assert [case.case_id for case in page.cases] == [case["case_id"] for case in wanted]
            assert {case.district for case in page.cases} <= SOME.districts
            assert ladder(snapshot, SOME, asked, sort).total == len(wanted)
            if sort == "repeats":
                number = matters(rows, SOME)
                assert all(case.repeats == number[case.repeat_of] for case in page.cases)


def test_a_case_outside_of_the_scope_is_not_there(rows: Rows):
    outside = next(
        case for case in rows.cases
        if case["assessed"] and rows.district.get(case["district_id"]) == "110105"
    )  # fmt: skip
    inside = next(
        case for case in rows.cases
        if case["assessed"] and rows.district.get(case["district_id"]) == "110102"
    )  # fmt: skip
    assert case_of_number(rows.snapshot, SOME, outside["case_id"]) is None
    assert case_of_number(rows.snapshot, CITY, outside["case_id"]) is not None
    assert case_of_number(rows.snapshot, SOME, inside["case_id"]) is not None
    assert case_of_number(rows.snapshot, Scope(frozenset()), inside["case_id"]) is None


def test_a_matter_shows_what_the_scope_shows(rows: Rows):
    number, _ = matters(rows).most_common(1)[0]
    by_number = rows.by_number()
    case = case_of_number(rows.snapshot, CITY, number)
    if case is None:
        pytest.skip("the first case of the matter is a consultation")
    for scope in (CITY, SOME):
        wanted = sorted(
            (each["created_at"], each["case_id"]) for each in by_number.values()
            if each["assessed"] and is_seen(rows, each, scope)
            and number in (each["case_id"], each["repeat_of"])
        )  # fmt: skip
        found = cases_of_matter(rows.snapshot, scope, case, 50)
        assert [(each.created_at, each.case_id) for each in found] == wanted
        repeats = matters(rows, scope)[number]
        assert repeats_of(rows.snapshot, scope, {number}).get(number, 0) == repeats


# --- One case -----------------------------------------------------------------------------------


def test_a_case_is_what_its_row_says(rows: Rows):
    for row in rows.cases[::37]:
        case = case_of_number(rows.snapshot, CITY, row["case_id"])
        if not row["assessed"]:
            assert case is None
            continue
        assert case is not None
        assert (case.closed, case.shelved, case.overdue) == (
            is_closed(row), is_shelved(row), is_overdue(row),
        )  # fmt: skip
        assert case.district == rows.district.get(row["district_id"], "")
        assert case.closed_at is None or case.closed_at <= CUTOFF
        if case.overdue:
            assert case.late_days(CUTOFF) == (CUTOFF - row["due_at"]).days
        key = group_of(row)
        same = sum(group_of(other) == key for other in rows.cases)
        assert neighbours_in_month(rows.snapshot, CITY, case) == (0 if key is None else same)


@pytest.mark.parametrize(
    "number", ["", "no such", "\x00", "' OR 1=1 --", "%", "_" * 12, "\ud800", "x" * 10_000]
)
def test_nonsense_names_no_case(rows: Rows, number: str):
    assert case_of_number(rows.snapshot, CITY, number) is None


def test_what_looks_like_a_telephone_is_masked_on_the_way_out(rows: Rows):
    found = page_of_cases(rows.snapshot, CITY, listed(Filters(q="HYPERLINK")), "newest", 99).cases
    assert found
    assert {case.summary for case in found} == {'=HYPERLINK("x") 电话***'}


# --- Export -------------------------------------------------------------------------------------


def test_an_export_is_bounded_and_comes_in_batches(rows: Rows, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger_queries, "_BATCH", 40)
    filters = Filters(preset="open")
    wanted = [case["case_id"] for case in expected(rows, filters, "newest")]
    batches = list(batches_of_cases(rows.snapshot, CITY, listed(filters), "newest", 101))
    assert [len(batch) for batch in batches] == [40, 40, 21]
    assert [case.case_id for batch in batches for case in batch] == wanted[:101]
    everything = batches_of_cases(rows.snapshot, CITY, listed(filters), "newest", 10**6)
    assert [case.case_id for batch in everything for case in batch] == wanted
