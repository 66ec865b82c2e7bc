"""Counts of cases by place, category or week: what every indicator is computed from.

Each function returns a small frame of counts (``domain.outcomes.COUNT_COLUMNS``, int64), never
rates and never cases. It reads the daily aggregates when they can answer and the case table
(in order of time) when the filters name something the aggregates do not keep. Results are kept
in the snapshot's cache: a snapshot never changes, so nothing is ever invalidated. A frame is shared
by everyone who asks the same: nobody may change it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    FromClause,
    Table,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from data_access import schema
from data_access.store import Snapshot
from data_access.sums import UNKNOWN, Sums, added_up, day_of, looked_up, read_sums, summing
from domain.filters import DIMENSIONS, Filters
from domain.outcomes import COUNT_COLUMNS, COUNT_INDEX
from domain.periods import Window
from domain.scope import Scope

Group = Literal["district", "subdistrict", "category", "topic", "unit"]
Windows = tuple[tuple[str, Window], ...]
UNPLACED = ""  # the code of a group of cases whose place or category is not known


def counts_by_window(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> pd.DataFrame:
    """Return counts, one row per window and group that has cases.

    Columns: ``window`` (str, the name given), ``code`` and ``name`` (str; both "" for cases whose
    place or category is unknown), then ``COUNT_COLUMNS``. Ordered by window as given, then by the
    reference's order, unknown last. No cases: no rows.

    Categories are one level below the categories filtered by: level 1 without such a filter.
    """
    if _is_part(scope, filters, group):
        whole = counts_by_window(snapshot, scope, filters.narrowed(district=()), windows, group)
        return _rows_of(whole, filters.district)
    key = ("window", scope, _asked(filters), windows, group)

    def labelled() -> pd.DataFrame:
        both = filters.narrowed(basis="all")
        sums = snapshot.cached(key, lambda: _by_window(snapshot, scope, both, windows, group))
        names = [name for name, _ in windows]
        return _labelled(snapshot, sums, filters, group, "window", names.__getitem__)

    return snapshot.cached((*key, filters.basis), labelled)


def counts_by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> pd.DataFrame:
    """Return counts, one row per week (Mon–Sun) and group that has cases.

    Columns: ``week_start`` (datetime.date), ``code``, ``name``, then ``COUNT_COLUMNS``.
    """
    if _is_part(scope, filters, group):
        whole = counts_by_week(snapshot, scope, filters.narrowed(district=()), weeks, group)
        return _rows_of(whole, filters.district)
    key = ("week", scope, _asked(filters), weeks, group)

    def labelled() -> pd.DataFrame:
        sums = snapshot.cached(key, lambda: _by_week(snapshot, scope, filters, weeks, group))
        return _labelled(snapshot, sums, filters, group, "week_start", day_of)

    return snapshot.cached((*key, filters.basis), labelled)


def _is_part(scope: Scope, filters: Filters, group: Group) -> bool:
    """Return whether the answer is some rows of that for all districts, which is kept.

    Where an aggregate has it, all of them cost no more than one.
    """
    return bool(
        group == "district"
        and filters.district
        and not filters.subdistrict
        and _source(scope, filters, group) is not schema.cases
    )


def _rows_of(counted: pd.DataFrame, codes: Sequence[str]) -> pd.DataFrame:
    chosen = [row for row, code in enumerate(counted["code"]) if code in codes]
    return counted.iloc[chosen].reset_index(drop=True)


def counts_of_all(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> list[pd.DataFrame]:
    """Return a frame per window with the counts of every group of the reference, zeros included.

    Index: the codes, in the reference's order; columns: ``COUNT_COLUMNS``. Cases of no known
    group are left out. For many groups in many windows: half the rows of ``counts_by_window``
    and no sorting.
    """
    key = ("all", scope, _asked(filters), filters.basis, windows, group)
    return snapshot.cached(key, lambda: _of_all(snapshot, scope, filters, windows, group))


def closings_by_window(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows
) -> dict[str, int]:
    """Return window name → 办结量: cases closed in the window, whenever they were created."""
    key = ("closed", scope, _asked(filters), filters.basis, windows)
    return snapshot.cached(key, lambda: _closings(snapshot, scope, filters, windows))


def days_with_cases(snapshot: Snapshot, scope: Scope, filters: Filters, window: Window) -> int:
    """Return on how many days of a window at least one case was created."""
    key = ("days", scope, _asked(filters), filters.basis, window)
    return snapshot.cached(key, lambda: _days(snapshot, scope, filters, window))


def _asked(filters: Filters) -> Filters:
    """Return the filters as far as counted rows depend on them: equal questions share a key.

    Both 口径 come from one query, which tells excluded cases apart.
    """
    return filters.shared.narrowed(
        period="", compare="none", indicator="resolution", version="", basis="all"
    )


def _ids(snapshot: Snapshot, table: str, codes: Iterable[str]) -> list[int]:
    known = snapshot.reference.lookup(table, "code", "id")
    return sorted(known[code] for code in set(codes) if code in known)


def _source(scope: Scope, filters: Filters, group: Group | None) -> Table:
    """Return the smallest table that keeps every column the question and the scope need."""
    by_category = group in ("category", "topic") or filters.topic or filters.category
    by_street = group == "subdistrict" or filters.subdistrict
    by_unit = group == "unit" or filters.unit or scope.units is not None
    if filters.channel or by_unit or (by_category and by_street):
        return schema.cases
    if by_category:
        return schema.daily_category
    return schema.daily_place if by_street else schema.daily_district


def days_of_oldest_open(
    snapshot: Snapshot, scope: Scope, filters: Filters, limit: int
) -> list[ColumnElement[bool]]:
    """Return conditions on the case table: the days on which the oldest open cases were created.

    An aggregate tells them at once; without them the whole history would be read for a few cases.
    Where none knows all filters, the days of all open cases of those that it knows. PostgreSQL has
    an index of the open cases.

    Args:
        snapshot: the data version.
        scope: what the reader may see.
        filters: which cases; not when.
        limit: how many cases are looked for.
    """
    if snapshot.engine.dialect.name != "duckdb" or scope.units is not None:
        return []
    known = filters
    if _source(scope, filters, None) is schema.cases:
        by_category = filters.topic or filters.category
        streets = () if by_category else filters.subdistrict
        known = filters.narrowed(channel=(), unit=(), subdistrict=streets)
    table = _source(scope, known, None)
    still_open = func.sum(table.c.cases - table.c.closed)
    statement = (
        select(table.c.created_on, cast(still_open, BigInteger))
        .where(table.c.cases > table.c.closed, *conditions(snapshot, scope, known, table))
        .group_by(table.c.created_on)
    )
    with snapshot.engine.connect() as connection:
        days = sorted(tuple(row) for row in connection.execute(statement))
    if not days:
        return [false()]
    last = days[-1][0]
    if known is filters:
        together = accumulate(number for _, number in days)
        reached = zip(days, together, strict=True)
        last = next((day for (day, _), cases in reached if cases >= limit), last)
    return [schema.cases.c.created_on.between(days[0][0], last)]


def conditions(
    snapshot: Snapshot, scope: Scope, filters: Filters, table: Table
) -> list[ColumnElement[bool]]:
    """Return the WHERE conditions for a scope and filters on the case table or an aggregate.

    Several values of one dimension are alternatives; dimensions narrow each other. A code that
    the data does not have matches nothing.

    Raises:
        KeyError: the scope is of units and the table is an aggregate.
    """
    columns = {
        "district": ("district_id", "districts"),
        "subdistrict": ("subdistrict_id", "subdistricts"),
        "topic": ("topic_id", "topics"),
        "channel": ("channel_id", "channels"),
        "unit": ("lead_unit_id", "units"),
    }
    result: list[ColumnElement[bool]] = []
    if table is schema.cases:
        result.append(schema.cases.c.assessed == true())
    if filters.basis == "assessed":
        result.append(table.c.excluded == false())
    if scope.districts is not None:
        ids = _ids(snapshot, "districts", scope.districts)
        result.append(table.c.district_id.in_(ids))
    if scope.units is not None:
        # An aggregate has no such column: a KeyError rather than the figures of everybody.
        ids = _ids(snapshot, "units", scope.units)
        result.append(table.c.lead_unit_id.in_(ids))
    for dimension in DIMENSIONS:
        codes = getattr(filters, dimension)
        if not codes:
            continue
        if dimension == "category":
            result.append(table.c.category_id.in_(_category_ids(snapshot, codes)))
        else:
            column, known = columns[dimension]
            result.append(table.c[column].in_(_ids(snapshot, known, codes)))
    return result


def _category_ids(snapshot: Snapshot, codes: Sequence[str]) -> list[int]:
    """Return the chosen categories and everything below them."""
    categories = snapshot.reference.categories
    chosen = _ids(snapshot, "categories", codes)
    below = (
        categories["id"].isin(chosen)
        | categories["level1_id"].isin(chosen)
        | categories["level2_id"].isin(chosen)
    )
    return [int(value) for value in categories.loc[below, "id"]]


def _key(
    snapshot: Snapshot, filters: Filters, table: Table, group: Group
) -> tuple[FromClause, ColumnElement[int]]:
    """Return what to select from and the column to group by; categories at the level shown."""
    if group != "category":
        return table, table.c["lead_unit_id" if group == "unit" else f"{group}_id"]
    categories = schema.categories
    # A case of a category that ends above the level shown stays under its own name.
    levels = [f"level{step}_id" for step in range(_level(snapshot, filters), 0, -1)]
    shown = func.coalesce(*(categories.c[name] for name in levels))
    joined = table.outerjoin(categories, table.c.category_id == categories.c.id)
    return joined, shown


def _level(snapshot: Snapshot, filters: Filters) -> int:
    """Return the level of the categories to show: one below those filtered by, 1 without any."""
    categories = snapshot.reference.categories
    chosen = categories.loc[categories["code"].isin(list(filters.category)), "level"]
    return min(int(chosen.max()) + 1, 3) if len(chosen) else 1


def _by_window(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> Sums:
    """Return sums by number of the window, id and excluded."""
    if not windows:
        return Sums.nothing(3)
    table = _source(scope, filters, group)
    where = conditions(snapshot, scope, filters, table)
    source, key = _key(snapshot, filters, table, group)
    branches = [
        summing(table, (number, key, table.c.excluded), [within, *where], source)
        for number, within in _numbered(snapshot, table, [window for _, window in windows])
    ]
    return read_sums(snapshot, *branches)


def _numbered(
    snapshot: Snapshot, table: Table, windows: Sequence[Window]
) -> list[tuple[ColumnElement[int], ColumnElement[bool]]]:
    """Return the number of the window a row lies in, and in which windows that is.

    One of each per branch of a statement: windows may overlap (a long period and its 同比). DuckDB
    takes longer to plan a branch on an aggregate than to read it, so there those that do not
    overlap share one; of the case table, and on PostgreSQL, a branch reads its own days only.
    """
    within = [_created_in(table, window) for window in windows]
    each: list[tuple[ColumnElement[int], ColumnElement[bool]]] = [
        (literal(number), inside) for number, inside in enumerate(within)
    ]
    if table is schema.cases or snapshot.engine.dialect.name != "duckdb":
        return each
    spans = sorted((window.start, window.end) for window in windows if window.days)
    if len(spans) < 2 or any(start <= end for (_, end), (start, _) in pairwise(spans)):
        return each
    number = case(*((inside, place) for place, inside in enumerate(within)))
    # Without the ends DuckDB would look at every day there is.
    ends = Window(spans[0][0], spans[-1][1])
    return [(number, and_(_created_in(table, ends), or_(*within)))]


def _of_all(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> list[pd.DataFrame]:
    frame = _own(scope, getattr(snapshot.reference, _TABLES[group]), group)
    place_of = {int(identity): row for row, identity in enumerate(frame["id"])}
    counts = np.zeros((len(windows) * len(frame), len(COUNT_COLUMNS)), dtype="int64")
    (window, id_, _), counted = _by_window(snapshot, scope, filters, windows, group)
    place = looked_up(id_, place_of, UNKNOWN)
    kept = place != UNKNOWN
    places, sums = added_up((window * len(frame) + place)[kept], counted[kept])
    counts[places] = sums
    index = pd.Index(frame["code"].astype(str), name="code")
    return [
        pd.DataFrame(each, columns=COUNT_INDEX, index=index)
        for each in counts.reshape(len(windows), len(frame), len(COUNT_COLUMNS))
    ]


def _by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> Sums:
    """Return sums by Monday, id and excluded."""
    table = _source(scope, filters, group)
    source, key = _key(snapshot, filters, table, group)
    week = cast(func.date_trunc("week", table.c.created_on), Date)
    where = conditions(snapshot, scope, filters.narrowed(basis="all"), table)
    inside = _created_in(table, Window(weeks[0].start, weeks[-1].end))
    keys = (week, key, table.c.excluded)
    return read_sums(snapshot, summing(table, keys, [inside, *where], source))


def _created_in(table: Table, window: Window) -> ColumnElement[bool]:
    return table.c.created_on.between(window.start, window.end)


# The table of the reference that has the groups.
_TABLES: Mapping[Group, str] = {
    "district": "districts",
    "subdistrict": "subdistricts",
    "category": "categories",
    "topic": "topics",
    "unit": "units",
}


def _own(scope: Scope, frame: pd.DataFrame, group: Group) -> pd.DataFrame:
    """Return the rows of a reference that a scope names; all where it does not limit them."""
    own = scope.names(group)
    return frame if own is None else frame[frame["code"].isin(sorted(own))]


def _labelled(
    snapshot: Snapshot,
    sums: Sums,
    filters: Filters,
    group: Group,
    bucket: str,
    label: Callable[[int], Any],
) -> pd.DataFrame:
    """Return the sums of the chosen 口径 with code and name for id, in order.

    ``label`` says what the number of a bucket stands for.
    """
    reference, table = snapshot.reference, _TABLES[group]
    codes, names = (
        [*reference.lookup(table, "id", column).values(), ""] for column in ("code", "name")
    )
    if filters.basis == "assessed":
        sums = sums.chosen(sums.keys[2] == 0)
    (buckets, id_, _), counts = sums
    # Unknown ones are last.
    rank = looked_up(id_, reference.rank(table), len(codes) - 1)
    places, summed = added_up(buckets * len(codes) + rank, counts)
    numbers, ranks = (each.tolist() for each in np.divmod(places, len(codes)))
    labels = {number: label(number) for number in set(numbers)}
    counted = pd.DataFrame(summed, columns=COUNT_INDEX)
    for column, listed in (
        ("name", [names[each] for each in ranks]),
        ("code", [codes[each] for each in ranks]),
        (bucket, [labels[number] for number in numbers]),
    ):
        counted.insert(0, column, pd.Series(listed, dtype="object"))
    return counted


def _closings(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows
) -> dict[str, int]:
    table = schema.cases
    where = conditions(snapshot, scope, filters, table)
    cutoff = snapshot.cutoff
    counted = [
        func.count()
        .filter(
            table.c.closed_at >= dt.datetime.combine(window.start, dt.time()),
            table.c.closed_at < dt.datetime.combine(window.end + dt.timedelta(days=1), dt.time()),
        )
        .label(f"n{place}")
        for place, (_, window) in enumerate(windows)
    ]
    spans = [
        and_(
            table.c.closed_at >= dt.datetime.combine(window.start, dt.time()),
            table.c.closed_at < dt.datetime.combine(window.end + dt.timedelta(days=1), dt.time()),
        )
        for _, window in windows
        if window.days
    ]
    if not spans:
        return {name: 0 for name, _ in windows}
    statement = select(*counted).where(or_(*spans), table.c.closed_at <= cutoff, *where)
    with snapshot.engine.connect() as connection:
        row = connection.execute(statement).one()
    return {name: int(row[place]) for place, (name, _) in enumerate(windows)}


def _days(snapshot: Snapshot, scope: Scope, filters: Filters, window: Window) -> int:
    table = _source(scope, filters, None)
    statement = select(func.count(table.c.created_on.distinct())).where(
        table.c.created_on.between(window.start, window.end),
        *conditions(snapshot, scope, filters, table),
    )
    with snapshot.engine.connect() as connection:
        return int(connection.execute(statement).scalar_one())
