"""What a district's or a street's page asks beyond the counts of every page."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import UNPLACED, Windows, conditions, days_of_oldest_open
from data_access.limits import programme_conditions
from data_access.store import Snapshot
from data_access.sums import Sums, read_sums, summing
from data_access.words import near
from domain.filters import Filters
from domain.outcomes import COUNT_INDEX, RESOLVED_PARTLY, RESOLVED_YES
from domain.periods import Window
from domain.schedule import Figures
from domain.scope import Scope


def _asked(filters: Filters) -> Filters:
    """Return the filters without what these queries do not depend on, for their keys."""
    return filters.shared.narrowed(period="", compare="none", indicator="resolution", version="")


def _within(table: sa.Table, window: Window) -> sa.ColumnElement[bool]:
    return table.c.created_on.between(window.start, window.end)


def counts_by_own_category(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows
) -> pd.DataFrame:
    """Return counts by the category that the cases carry, whatever its level, and their topic.

    One row per window, category and topic that has cases, by name of the window and the ids of the
    reference. Columns: ``window`` (the name given), ``code`` (of the category) and ``topic`` (str,
    "" where there is none), then ``COUNT_COLUMNS`` (int64).
    """
    key = ("own categories", scope, _asked(filters), windows)
    return snapshot.cached(key, lambda: _by_category(snapshot, scope, filters, windows))


def categories_beside(
    snapshot: Snapshot, scope: Scope, whole: Filters, own: Filters, windows: Windows
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``counts_by_own_category`` of a part in all windows and of the whole in the first.

    One query where the same table has both. The whole has two rows per category and topic then,
    one of the part and one of the rest.

    Args:
        snapshot: the data version.
        scope: who asks.
        whole: filters of the whole.
        own: the same with one district or one street.
        windows: as in ``counts_by_own_category``.
    """
    key = ("categories beside", scope, _asked(whole), _asked(own), windows)
    return snapshot.cached(key, lambda: _beside(snapshot, scope, whole, own, windows))


def _beside(
    snapshot: Snapshot, scope: Scope, whole: Filters, own: Filters, windows: Windows
) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = _table_of_categories(scope, own)
    if table is not _table_of_categories(scope, whole) or not windows[0][1].days:
        return (
            counts_by_own_category(snapshot, scope, own, windows),
            counts_by_own_category(snapshot, scope, whole, windows[:1]),
        )
    (_, window), *before = windows
    everywhere, here = (conditions(snapshot, scope, each, table) for each in (whole, own))
    picked = [each for each in here if not any(each.compare(other) for other in everywhere)]
    # NULL, a place that is not known, is not the part. Nothing picked: a scope says the same.
    part = sa.case((sa.and_(*picked), 1), else_=0) if picked else sa.literal(1)
    sums = read_sums(
        snapshot,
        _summing(table, 0, part, [_within(table, window), *everywhere]),
        *(
            _summing(table, place, sa.literal(1), [_within(table, span), *here])
            for place, (_, span) in enumerate(before, start=1)
        ),
    )
    number, is_part, *_ = sums.keys
    return (
        _labelled(snapshot, sums.chosen(is_part == 1), windows),
        _labelled(snapshot, sums.chosen(number == 0), windows),
    )


def _table_of_categories(scope: Scope, filters: Filters) -> sa.Table:
    of_cases = filters.subdistrict or filters.channel or filters.unit or scope.units is not None
    return schema.cases if of_cases else schema.daily_category


def _by_category(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows
) -> pd.DataFrame:
    if not windows:
        return _labelled(snapshot, Sums.nothing(4), windows)
    table = _table_of_categories(scope, filters)
    where = conditions(snapshot, scope, filters, table)
    sums = read_sums(
        snapshot,
        *(
            _summing(table, place, sa.literal(1), [_within(table, window), *where])
            for place, (_, window) in enumerate(windows)
        ),
    )
    return _labelled(snapshot, sums, windows)


def _summing(
    table: sa.Table,
    window: int,
    part: sa.ColumnElement[int],
    where: list[sa.ColumnElement[bool]],
) -> sa.Select:
    """Return the statement for sums by number of the window, part, category and topic."""
    keys = (sa.literal(window), part, table.c.category_id, table.c.topic_id)
    return summing(table, keys, where)


def _labelled(snapshot: Snapshot, sums: Sums, windows: Windows) -> pd.DataFrame:
    """Return the frame of sums of ``_summing``, by name of the window and ids, part by part."""
    reference = snapshot.reference
    code_of, topic_of = (
        reference.lookup(table, "id", "code") for table in ("categories", "topics")
    )
    number, part, category, topic = sums.keys
    by_name = np.argsort(np.argsort([name for name, _ in windows]))
    # An order of its own: the database has none, and what is summed or tied must not depend on it.
    order = np.lexsort((part, topic, category, by_name[number]))
    frame = pd.DataFrame(sums.counts[order], columns=COUNT_INDEX)
    for column, listed in (
        ("topic", [str(topic_of.get(each, "")) for each in topic[order].tolist()]),
        ("code", [str(code_of.get(each, UNPLACED)) for each in category[order].tolist()]),
        ("window", [windows[each][0] for each in number[order].tolist()]),
    ):
        frame.insert(0, column, pd.Series(listed, dtype="object"))
    return frame


def _read(snapshot: Snapshot, statement: sa.Select | sa.CompoundSelect) -> list[tuple]:
    with snapshot.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]


# --- Points ---------------------------------------------------------------------------------------


# What is counted of a community: enough for its number of cases and its 解决率.
COMMUNITY_COUNTS = ("cases", "revisits", "resolved", "partly_resolved", "before")


def communities_by_volume(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, limit: int
) -> pd.DataFrame:
    """Return the communities with most cases in the first window, one row each.

    Most cases first, equal ones by their first case in the window, then by name. Columns:
    ``subdistrict`` (code, "" where not known), ``street`` (its name), ``community`` (str), then
    ``COMMUNITY_COUNTS`` (int64): those of the first window, and ``before``, the cases of the
    second window (0 without one). A community is told apart by its district and street: names
    repeat. Cases that name no community belong to none.
    """
    key = ("communities", scope, _asked(filters), windows, limit)
    return snapshot.cached(key, lambda: _communities(snapshot, scope, filters, windows, limit))


def _communities(
    snapshot: Snapshot, scope: Scope, filters: Filters, windows: Windows, limit: int
) -> pd.DataFrame:
    cases = schema.cases.c
    keys = [cases.district_id, cases.subdistrict_id, cases.community]
    where = [cases.community.is_not(None), *conditions(snapshot, scope, filters, schema.cases)]
    answered = [
        sa.func.count().filter(cases.valid_revisit, *more)
        for more in (
            (),
            (cases.resolved == RESOLVED_YES,),
            (cases.resolved == RESOLVED_PARTLY,),
        )
    ]
    nothing, never = sa.literal(0), sa.cast(sa.null(), sa.DateTime)
    first = sa.func.min(cases.created_at)
    # A branch per window, as everywhere: each reads its own days only.
    branches = [
        sa.select(
            *keys,
            *((sa.func.count(), *answered, nothing, first) if place == 0
              else (nothing, nothing, nothing, nothing, sa.func.count(), never)),
        ).where(_within(schema.cases, window), *where).group_by(*keys)
        for place, (_, window) in enumerate(windows[:2])
        if window.days
    ]  # fmt: skip
    names = [key.name for key in keys] + [*COMMUNITY_COUNTS, "first"]
    counted = sa.union_all(*branches).subquery().c
    column = dict(zip(names, counted, strict=True))
    of_key = [column[key.name] for key in keys]
    sums = {
        name: sa.cast(sa.func.sum(column[name]), sa.BigInteger).label(name)
        for name in COMMUNITY_COUNTS
    }
    statement = (
        sa.select(*of_key[1:], *sums.values())
        .group_by(*of_key)
        .having(sums["cases"] > 0)
        .order_by(
            sums["cases"].desc(), sa.func.min(column["first"]), column["community"],
            column["subdistrict_id"], column["district_id"],
        )
        .limit(limit)
    )  # fmt: skip
    code_of, name_of = (
        snapshot.reference.lookup("subdistricts", "id", each) for each in ("code", "name")
    )
    records = [
        (str(code_of.get(row[0], "")), str(name_of.get(row[0], "")), *row[1:])
        for row in _read(snapshot, statement)
    ]
    columns = ["subdistrict", "street", "community", *COMMUNITY_COUNTS]
    return pd.DataFrame(records, columns=columns).astype(dict.fromkeys(COMMUNITY_COUNTS, "int64"))


def oldest_open_cases(
    snapshot: Snapshot, scope: Scope, filters: Filters, limit: int
) -> pd.DataFrame:
    """Return the cases that have been open for longest at the cut-off, of every period.

    Columns: ``case_id``, ``created_at`` (datetime), ``due_at`` (datetime or NaT),
    ``shelved_until`` (date or None), ``street``, ``community``, ``category``, ``summary`` (str, ""
    where not known). The summary is masked as stored; no caller is in the data.
    """
    key = ("oldest open", scope, _asked(filters), limit)
    return snapshot.cached(key, lambda: _oldest(snapshot, scope, filters, limit))


def _oldest(snapshot: Snapshot, scope: Scope, filters: Filters, limit: int) -> pd.DataFrame:
    cases = schema.cases.c
    where = [
        # The state knows what was closed by the cut-off, in one small number.
        schema.is_open(cases.state),
        cases.created_on <= snapshot.cutoff.date(),
        *days_of_oldest_open(snapshot, scope, filters, limit),
        *conditions(snapshot, scope, filters, schema.cases),
    ]
    # Which, then what: wide columns are read of the cases shown only. Positions are in order of
    # time and number, by which PostgreSQL has its index of open cases.
    is_duckdb = snapshot.engine.dialect.name == "duckdb"
    order = (cases.position,) if is_duckdb else (cases.created_at, cases.case_id)
    which = sa.select(cases.position).where(*where).order_by(*order).limit(limit)
    positions = np.array([row[0] for row in _read(snapshot, which)], np.uint32)
    names = ("case_id", "created_at", "due_at", "shelved_until", "subdistrict_id", "community",
             "category_id", "summary", "position")  # fmt: skip
    wide = sa.select(*(cases[name] for name in names))
    parts = [wide.where(each) for each in near(snapshot, positions)] if len(positions) else []
    found = _read(snapshot, sa.union_all(*parts)) if parts else []
    reference = snapshot.reference
    street, category = (
        reference.lookup(table, "id", "name") for table in ("subdistricts", "categories")
    )
    records = [
        (
            *row[:4],
            str(street.get(row[4], "")),
            row[5] or "",
            category.get(row[6], ""),
            row[7] or "",
        )
        for row in sorted(found, key=lambda row: row[-1])
    ]
    columns = ["case_id", "created_at", "due_at", "shelved_until", "street", "community",
               "category", "summary"]  # fmt: skip
    return pd.DataFrame(records, columns=columns)


# --- Targets --------------------------------------------------------------------------------------


class Share(NamedTuple):
    """A district's part of a target: its own goal (NaN: none set) and its progress by date."""

    goal: float
    figures: Figures


def targets_of_district(snapshot: Snapshot, scope: Scope, district: str) -> dict[str, Share]:
    """Return target code → the district's part, of every target it has a goal for or reports on.

    Two queries for all of them: a page about one district would else ask sixty.
    """
    key = ("district targets", scope, district)
    return snapshot.cached(key, lambda: _targets(snapshot, scope, district))


def _targets(snapshot: Snapshot, scope: Scope, district: str) -> dict[str, Share]:
    reference = snapshot.reference.districts
    ids = reference.loc[reference["code"] == district, "id"].tolist()
    if not ids or (scope.districts is not None and district not in scope.districts):
        return {}
    targets, given, progress = schema.targets, schema.district_targets, schema.progress
    of_topics = programme_conditions(Scope(units=scope.units))
    goals = (
        sa.select(targets.c.code, given.c.value)
        .select_from(given.join(targets, targets.c.id == given.c.target_id))
        .where(given.c.district_id == ids[0], *of_topics)
    )
    reported = (
        sa.select(targets.c.code, progress.c.on_date, progress.c.value)
        .select_from(progress.join(targets, targets.c.id == progress.c.target_id))
        .where(progress.c.district_id == ids[0], *of_topics)
        .order_by(progress.c.on_date)
    )
    goal_of = {code: float("nan") if goal is None else float(goal) for code, goal in
               _read(snapshot, goals)}  # fmt: skip
    figures: dict[str, list[tuple[dt.date, float]]] = {}
    for code, on_date, value in _read(snapshot, reported):
        figures.setdefault(code, []).append((on_date, float(value)))
    return {
        code: Share(goal_of.get(code, float("nan")), tuple(figures.get(code, ())))
        for code in sorted({*goal_of, *figures})
    }
