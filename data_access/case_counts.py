"""Counts of cases by place, category or week: what every indicator is computed from.

Each function returns a small frame of counts (``domain.outcomes.COUNT_COLUMNS``, int64), never
rates and never cases. It reads the daily aggregates when they can answer and the case table
(in order of time) when the filters name something the aggregates do not keep. Results are kept
in the snapshot's cache: a snapshot never changes, so nothing is ever invalidated.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
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
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window
from domain.scope import Scope

Group = Literal["district", "subdistrict", "category"]
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
    return snapshot.cached(key, lambda: _by_window(snapshot, scope, filters, windows, group))


def counts_by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> pd.DataFrame:
    """Return counts, one row per week (Mon–Sun) and group that has cases.

    Columns: ``week_start`` (datetime.date), ``code``, ``name``, then ``COUNT_COLUMNS``.
    """
    key = ("week", scope, _asked(filters), weeks, group)
    return snapshot.cached(key, lambda: _by_week(snapshot, scope, filters, weeks, group))


def closings_by_window(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows
) -> dict[str, int]:
    """Return window name → 办结量: cases closed in the window, whenever they were created."""
    key = ("closed", scope, _asked(filters), windows)
    return snapshot.cached(key, lambda: _closings(snapshot, scope, filters, windows))


def days_with_cases(snapshot: Snapshot, scope: Scope, filters: Filters, window: Window) -> int:
    """Return on how many days of a window at least one case was created."""
    key = ("days", scope, _asked(filters), window)
    return snapshot.cached(key, lambda: _days(snapshot, scope, filters, window))


def _asked(filters: Filters) -> Filters:
    """Return the filters as far as counts depend on them, so that equal questions share a key."""
    return filters.narrowed(period="", compare="none", indicator="resolution", version="")


def _ids(frame: pd.DataFrame, codes: Sequence[str]) -> list[int]:
    return [int(value) for value in frame.loc[frame["code"].isin(list(codes)), "id"]]


def _source(filters: Filters, group: Group | None) -> Table:
    """Return the smallest table that keeps every column the question needs."""
    by_category = group == "category" or filters.topic or filters.category
    by_street = group == "subdistrict" or filters.subdistrict
    if filters.channel or filters.unit or (by_category and by_street):
        return schema.cases
    return schema.daily_category if by_category else schema.daily_place


def conditions(
    snapshot: Snapshot, scope: Scope, filters: Filters, table: Table
) -> list[ColumnElement[bool]]:
    """Return the WHERE conditions for a scope and filters on the case table or an aggregate.

    Several values of one dimension are alternatives; dimensions narrow each other. A code that
    the data does not have matches nothing.
    """
    reference = snapshot.reference
    columns = {
        "district": ("district_id", reference.districts),
        "subdistrict": ("subdistrict_id", reference.subdistricts),
        "topic": ("topic_id", reference.topics),
        "channel": ("channel_id", reference.channels),
        "unit": ("lead_unit_id", reference.units),
    }
    result: list[ColumnElement[bool]] = []
    if table is schema.cases:
        result.append(schema.cases.c.assessed == true())
    if filters.basis == "assessed":
        result.append(table.c.excluded == false())
    if scope.districts is not None:
        ids = _ids(reference.districts, sorted(scope.districts))
        result.append(table.c.district_id.in_(ids))
    for dimension in DIMENSIONS:
        codes = getattr(filters, dimension)
        if not codes:
            continue
        if dimension == "category":
            result.append(table.c.category_id.in_(_category_ids(reference.categories, codes)))
        else:
            column, frame = columns[dimension]
            result.append(table.c[column].in_(_ids(frame, codes)))
    return result


def _category_ids(categories: pd.DataFrame, codes: Sequence[str]) -> list[int]:
    """Return the chosen categories and everything below them."""
    chosen = _ids(categories, codes)
    below = (
        categories["id"].isin(chosen)
        | categories["level1_id"].isin(chosen)
        | categories["level2_id"].isin(chosen)
    )
    return [int(value) for value in categories.loc[below, "id"]]


def _n(table: Table) -> ColumnElement[int]:
    return func.sum(table.c.n) if "n" in table.c else func.count()


def _by_window(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, group: Group
) -> pd.DataFrame:
    table = _source(filters, group)
    where = conditions(snapshot, scope, filters, table)
    key = table.c[f"{group}_id"]
    # One branch per window, not one CASE: windows may overlap (a long period and its 同比).
    branches = [
        select(
            literal(name).label("window"),
            key.label("id"),
            table.c.state,
            _n(table).label("n"),
        )
        .where(table.c.created_on.between(window.start, window.end), *where)
        .group_by(key, table.c.state)
        for name, window in windows
        if window.days
    ]
    if not branches:
        return _labelled(snapshot, [], filters, group, "window", str)
    rows = _read(snapshot, _counted(union_all(*branches).subquery(), "window"))
    order = {name: place for place, (name, _) in enumerate(windows)}
    return _labelled(snapshot, rows, filters, group, "window", order.__getitem__)


def _by_week(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: tuple[Window, ...], group: Group
) -> pd.DataFrame:
    table = _source(filters, group)
    week = cast(func.date_trunc("week", table.c.created_on), Date)
    key = table.c[f"{group}_id"]
    grouped = (
        select(week.label("week_start"), key.label("id"), table.c.state, _n(table).label("n"))
        .where(
            table.c.created_on.between(weeks[0].start, weeks[-1].end),
            *conditions(snapshot, scope, filters, table),
        )
        .group_by(week, key, table.c.state)
        .subquery()
    )
    rows = [
        (_as_date(row[0]), *row[1:]) for row in _read(snapshot, _counted(grouped, "week_start"))
    ]
    return _labelled(snapshot, rows, filters, group, "week_start", dt.date.toordinal)


def _as_date(value: dt.date | dt.datetime) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _counted(grouped: object, bucket: str) -> Select:
    """Return the statement that turns (bucket, id, state, n) into counts per bucket and id."""
    states = schema.states
    columns = grouped.c  # type: ignore[attr-defined]
    sums = [cast(func.sum(columns.n), BigInteger).label("cases")] + [
        cast(func.sum(columns.n * states.c[name]), BigInteger).label(name)
        for name in COUNT_COLUMNS
        if name != "cases"
    ]
    return (
        select(columns[bucket], columns.id, *sums)
        .select_from(grouped)  # type: ignore[arg-type]
        .join(states, states.c.state == columns.state)
        .group_by(columns[bucket], columns.id)
    )


def _read(snapshot: Snapshot, statement: Select) -> list[tuple]:
    """Return rows of bucket, id (None: unknown) and counts."""
    with snapshot.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def _labelled(
    snapshot: Snapshot,
    rows: list[tuple],
    filters: Filters,
    group: Group,
    bucket: str,
    order: Callable[[Any], Any],
) -> pd.DataFrame:
    """Return rows with code and name for id, categories rolled up to the level to show.

    Plain Python: pandas takes longer to build its indexes than to sum a few hundred rows.
    """
    reference = snapshot.reference
    frames: Mapping[str, pd.DataFrame] = {
        "district": reference.districts,
        "subdistrict": reference.subdistricts,
        "category": reference.categories,
    }
    frame = frames[group]
    labels = {
        int(identity): (position, str(code), str(name))
        for position, (identity, code, name) in enumerate(
            zip(frame["id"], frame["code"], frame["name"], strict=True)
        )
    }
    unknown = (len(labels), UNPLACED, "")
    shown = _shown_level(reference.categories, filters.category) if group == "category" else {}
    summed: dict[tuple, np.ndarray] = {}
    for key, identity, *counts in rows:
        label = unknown if identity is None else labels[shown.get(identity, identity)]
        values = np.array(counts, dtype="int64")
        known = summed.get((key, label))
        summed[key, label] = values if known is None else known + values
    ordered = sorted(summed, key=lambda pair: (order(pair[0]), pair[1][0]))
    counted = pd.DataFrame(
        np.array([summed[pair] for pair in ordered]).reshape(-1, len(COUNT_COLUMNS)),
        columns=list(COUNT_COLUMNS),
        dtype="int64",
    )
    for column, values in (
        ("name", [label[2] for _, label in ordered]),
        ("code", [label[1] for _, label in ordered]),
        (bucket, [key for key, _ in ordered]),
    ):
        counted.insert(0, column, pd.Series(values, dtype="object"))
    return counted


def _shown_level(categories: pd.DataFrame, chosen: Sequence[str]) -> dict[int, int]:
    """Return category id → id of the category it is shown under."""
    levels = categories.loc[categories["code"].isin(list(chosen)), "level"]
    level = min(int(levels.max()) + 1 if len(levels) else 1, 3)
    shown: dict[int, int] = {}
    for row in categories.itertuples(index=False):
        path = [row.level1_id, row.level2_id, row.level3_id]
        known = [int(step) for step in path[:level] if pd.notna(step)]
        shown[int(row.id)] = known[-1]
    return shown


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
    table = _source(filters, None)
    statement = select(func.count(table.c.created_on.distinct())).where(
        table.c.created_on.between(window.start, window.end),
        *conditions(snapshot, scope, filters, table),
    )
    with snapshot.engine.connect() as connection:
        return int(connection.execute(statement).scalar_one())
