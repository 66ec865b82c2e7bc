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
from typing import Any, Literal

import numpy as np
import pandas as pd
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Date,
    FromClause,
    Select,
    Table,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from data_access import schema
from data_access.store import Snapshot
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
    key = ("window", scope, _asked(filters), windows, group)
    order = {name: place for place, (name, _) in enumerate(windows)}

    def labelled() -> pd.DataFrame:
        both = filters.narrowed(basis="all")
        rows = snapshot.cached(key, lambda: _by_window(snapshot, scope, both, windows, group))
        return _labelled(snapshot, rows, filters, group, "window", order.__getitem__)

    return snapshot.cached((*key, filters.basis), labelled)


def counts_by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> pd.DataFrame:
    """Return counts, one row per week (Mon–Sun) and group that has cases.

    Columns: ``week_start`` (datetime.date), ``code``, ``name``, then ``COUNT_COLUMNS``.
    """
    key = ("week", scope, _asked(filters), weeks, group)

    def labelled() -> pd.DataFrame:
        rows = snapshot.cached(key, lambda: _by_week(snapshot, scope, filters, weeks, group))
        return _labelled(snapshot, rows, filters, group, "week_start", dt.date.toordinal)

    return snapshot.cached((*key, filters.basis), labelled)


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
) -> list[tuple]:
    """Return rows of window, id, excluded and counts."""
    table = _source(scope, filters, group)
    where = conditions(snapshot, scope, filters, table)
    source, key = _key(snapshot, filters, table, group)
    # One branch per window, not one CASE: windows may overlap (a long period and its 同比).
    branches = [
        _counted(table, source, literal(name), key, [_created_in(table, window), *where])
        for name, window in windows
        if window.days
    ]
    return _read(snapshot, union_all(*branches)) if branches else []


def _of_all(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> list[pd.DataFrame]:
    frame = _own(scope, getattr(snapshot.reference, _TABLES[group]), group)
    place = {int(identity): row for row, identity in enumerate(frame["id"])}
    number = {name: position for position, (name, _) in enumerate(windows)}
    counts = np.zeros((len(windows), len(frame), len(COUNT_COLUMNS)), dtype="int64")
    rows = [row for row in _by_window(snapshot, scope, filters, windows, group) if row[1] in place]
    if rows:
        where = ([number[row[0]] for row in rows], [place[row[1]] for row in rows])
        np.add.at(counts, where, np.array([row[3:] for row in rows], dtype="int64"))
    index = pd.Index(frame["code"].astype(str), name="code")
    return [pd.DataFrame(each, columns=COUNT_INDEX, index=index) for each in counts]


def _by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> list[tuple]:
    """Return rows of week, id, excluded and counts."""
    table = _source(scope, filters, group)
    source, key = _key(snapshot, filters, table, group)
    week = cast(func.date_trunc("week", table.c.created_on), Date)
    where = conditions(snapshot, scope, filters.narrowed(basis="all"), table)
    inside = _created_in(table, Window(weeks[0].start, weeks[-1].end))
    rows = _read(snapshot, _counted(table, source, week, key, [inside, *where]))
    return [(_as_date(row[0]), *row[1:]) for row in rows]


def _as_date(value: dt.date | dt.datetime) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _created_in(table: Table, window: Window) -> ColumnElement[bool]:
    return table.c.created_on.between(window.start, window.end)


def _counted(
    table: Table,
    source: FromClause,
    bucket: ColumnElement[Any],
    key: ColumnElement[int],
    where: Sequence[ColumnElement[bool]],
) -> Select:
    """Return the statement for rows of bucket, id, excluded and ``COUNT_COLUMNS``."""
    labelled = (bucket.label("bucket"), key.label("id"), table.c.excluded)
    keys = [key, table.c.excluded]
    if not isinstance(bucket, BindParameter):  # a constant is not grouped by
        keys.append(bucket)
    if table is not schema.cases:
        sums = [cast(func.sum(table.c[name]), BigInteger).label(name) for name in COUNT_COLUMNS]
        return select(*labelled, *sums).select_from(source).where(*where).group_by(*keys)
    # Cases are counted by state first: one integer to group by instead of two dozen sums.
    grouped = (
        select(*labelled, table.c.state, func.count().label("cases"))
        .select_from(source)
        .where(*where)
        .group_by(*keys, table.c.state)
        .subquery()
    )
    counted = (grouped.c.bucket, grouped.c.id, grouped.c.excluded)
    return (
        select(*counted, *schema.counts_of_states(grouped.c.cases))
        .select_from(grouped.join(schema.states, schema.states.c.state == grouped.c.state))
        .group_by(*counted)
    )


def _read(snapshot: Snapshot, statement: Select | CompoundSelect) -> list[tuple]:
    with snapshot.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


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
    rows: list[tuple],
    filters: Filters,
    group: Group,
    bucket: str,
    order: Callable[[Any], Any],
) -> pd.DataFrame:
    """Return the rows of the chosen 口径 with code and name for id, in order.

    Plain Python: pandas takes longer to build its indexes than to sum a few hundred rows.
    """
    reference, table = snapshot.reference, _TABLES[group]
    rank = reference.rank(table)
    code_of, name_of = (reference.lookup(table, "id", column) for column in ("code", "name"))
    unknown = (len(rank), UNPLACED, "")
    wanted = [row for row in rows if not (row[2] and filters.basis == "assessed")]
    labels = {
        each: (rank[each], code_of[each], name_of[each]) if each in rank else unknown
        for each in {row[1] for row in wanted}
    }
    pairs = [(row[0], labels[row[1]]) for row in wanted]
    ordered = sorted(set(pairs), key=lambda pair: (order(pair[0]), pair[1][0]))
    place = {pair: position for position, pair in enumerate(ordered)}
    summed = np.zeros((len(ordered), len(COUNT_COLUMNS)), dtype="int64")
    if wanted:
        counts = np.array([row[3:] for row in wanted], dtype="int64")
        np.add.at(summed, [place[pair] for pair in pairs], counts)
    counted = pd.DataFrame(summed, columns=COUNT_INDEX)
    for column, listed in (
        ("name", [label[2] for _, label in ordered]),
        ("code", [label[1] for _, label in ordered]),
        (bucket, [key for key, _ in ordered]),
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
