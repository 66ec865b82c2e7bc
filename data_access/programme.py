"""The programme 每月一题 as published: topics, targets, progress, milestones, and their cases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import conditions, days_of_oldest_open
from data_access.limits import programme_conditions
from data_access.store import Snapshot
from data_access.sums import (
    added_up,
    day_of,
    looked_up,
    number_of_day,
    or_unknown,
    read_columns,
    read_sums,
    summing,
)
from data_access.words import near
from domain.filters import Filters
from domain.outcomes import COUNT_COLUMNS
from domain.periods import Window
from domain.programme import Topic, Unit
from domain.schedule import Figures, Target
from domain.scope import Scope


def topic_years(snapshot: Snapshot) -> tuple[int, ...]:
    """Return the years that have topics, in order."""
    return tuple(sorted(int(year) for year in set(snapshot.reference.topics["year"])))


def topics_of_year(snapshot: Snapshot, year: int) -> tuple[Topic, ...]:
    """Return the topics of a year by month and code, with their targets."""
    topics = snapshot.cached(("programme",), lambda: _topics(snapshot))
    return tuple(topic for topic in topics if topic.year == year)


def topic_of_code(snapshot: Snapshot, code: str) -> Topic | None:
    """Return the topic that a code names; None when the data has none."""
    topics = snapshot.cached(("programme",), lambda: _topics(snapshot))
    return next((topic for topic in topics if topic.code == code), None)


def _topics(snapshot: Snapshot) -> tuple[Topic, ...]:
    reference = snapshot.reference
    categories = reference.lookup("categories", "id", "code")
    with snapshot.engine.connect() as connection:
        # Who answers for a topic is known to everyone, whichever units a reader's cases name.
        units = {
            row.id: Unit(row.code, row.name) for row in connection.execute(sa.select(schema.units))
        }
        of_units = connection.execute(
            sa.select(schema.topic_units).order_by(schema.topic_units.c.unit_id)
        ).all()
        of_categories = connection.execute(sa.select(schema.topic_categories)).all()
        targets = connection.execute(sa.select(schema.targets).order_by(schema.targets.c.id)).all()
        plans = connection.execute(
            sa.select(schema.target_plan).order_by(schema.target_plan.c.on_date)
        ).all()
    code_of = reference.lookup("topics", "id", "code")
    result = []
    for row in reference.topics.sort_values(["year", "month", "code"]).itertuples(index=False):
        roles = {
            role: tuple(
                units[each.unit_id]
                for each in of_units
                if each.topic_id == row.id and each.role == role and each.unit_id in units
            )
            for role in ("主责", "配合")
        }
        result.append(
            Topic(
                str(row.code),
                int(row.year),
                int(row.month),
                str(row.theme),
                str(row.name),
                _day(row.launched_on),
                _day(row.closed_on),
                bool(row.is_example),
                roles["主责"],
                roles["配合"],
                tuple(
                    str(categories[each.category_id])
                    for each in of_categories
                    if each.topic_id == row.id and each.category_id in categories
                ),
                tuple(
                    Target(
                        each.code,
                        str(code_of[each.topic_id]),
                        each.name,
                        each.unit,
                        _number(each.value),
                        _number(each.stock),
                        each.start_on,
                        each.due_on,
                        each.direction,
                        bool(each.cumulative),
                        tuple((p.on_date, float(p.value)) for p in plans if p.target_id == each.id),
                    )
                    for each in targets
                    if each.topic_id == row.id
                ),
            )
        )
    return tuple(result)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _day(value: Any) -> dt.date | None:
    if value is None or pd.isna(value):
        return None
    return value.date() if isinstance(value, dt.datetime) else value


def progress_by_target(snapshot: Snapshot, year: int) -> dict[str, Figures]:
    """Return target code → the city's progress in order of date, for the targets of a year."""

    def read() -> dict[str, Figures]:
        figures: dict[str, list[tuple[dt.date, float]]] = {}
        for code, on_date, value in _progress(
            snapshot, [t.code for topic in topics_of_year(snapshot, year) for t in topic.targets]
        ):
            figures.setdefault(code, []).append((on_date, value))
        return dict(figures)

    return snapshot.cached(("progress", year), read)


def _progress(snapshot: Snapshot, codes: Sequence[str]) -> list[tuple[str, dt.date, float]]:
    progress, targets = schema.progress.c, schema.targets.c
    statement = (
        sa.select(targets.code, progress.on_date, progress.value)
        .select_from(schema.progress.join(schema.targets, targets.id == progress.target_id))
        .where(progress.district_id.is_(None), targets.code.in_(codes))
        .order_by(progress.on_date)
    )
    with snapshot.engine.connect() as connection:
        return [(row[0], row[1], float(row[2])) for row in connection.execute(statement)]


def invented_dates(snapshot: Snapshot, target: str) -> frozenset[dt.date]:
    """Return the dates of a target's city figures that nobody published (demo data)."""
    progress, targets = schema.progress.c, schema.targets.c
    statement = (
        sa.select(progress.on_date)
        .select_from(schema.progress.join(schema.targets, targets.id == progress.target_id))
        .where(progress.district_id.is_(None), targets.code == target, progress.invented)
    )

    def read() -> frozenset[dt.date]:
        with snapshot.engine.connect() as connection:
            return frozenset(connection.scalars(statement))

    return snapshot.cached(("invented", target), read)


def progress_by_district(
    snapshot: Snapshot, scope: Scope, target: str
) -> dict[str, list[tuple[dt.date, float]]]:
    """Return district code → the progress of a target there, in order of date.

    Only districts that report, and only those of the scope.
    """

    def read() -> dict[str, list[tuple[dt.date, float]]]:
        progress, targets, districts = schema.progress.c, schema.targets.c, schema.districts.c
        statement = (
            sa.select(districts.code, progress.on_date, progress.value)
            .select_from(
                schema.progress.join(schema.targets, targets.id == progress.target_id).join(
                    schema.districts, districts.id == progress.district_id
                )
            )
            .where(targets.code == target, *programme_conditions(scope))
            .order_by(progress.on_date)
        )
        result: dict[str, list[tuple[dt.date, float]]] = {}
        with snapshot.engine.connect() as connection:
            for code, on_date, value in connection.execute(statement):
                result.setdefault(code, []).append((on_date, float(value)))
        return result

    return snapshot.cached(("district progress", scope, target), read)


def stock_by_district(snapshot: Snapshot, scope: Scope, target: str) -> dict[str, float]:
    """Return district code → units of the projects of a target there; empty without projects."""

    def read() -> dict[str, float]:
        projects, targets, districts = schema.projects.c, schema.targets.c, schema.districts.c
        statement = (
            sa.select(districts.code, sa.cast(sa.func.sum(projects.units), sa.BigInteger))
            .select_from(
                schema.projects.join(schema.targets, targets.id == projects.target_id).join(
                    schema.districts, districts.id == projects.district_id
                )
            )
            .where(targets.code == target, *programme_conditions(scope))
            .group_by(districts.code)
        )
        with snapshot.engine.connect() as connection:
            return {row[0]: float(row[1]) for row in connection.execute(statement)}

    return snapshot.cached(("district stock", scope, target), read)


def milestones_of_year(snapshot: Snapshot, year: int) -> pd.DataFrame:
    """Return the milestones of a year's topics, by topic, due date and name.

    Columns: ``topic`` (code), ``list`` (任务清单, 政策清单, 责任清单), ``name``, ``unit_code``,
    ``unit`` (str; "" for none), ``due_on`` (date), ``done_on`` (date or None).
    """

    def read() -> pd.DataFrame:
        milestones, topics, units = schema.milestones.c, schema.topics.c, schema.units.c
        statement = (
            sa.select(
                topics.code,
                milestones.list,
                milestones.name,
                sa.func.coalesce(units.code, ""),
                sa.func.coalesce(units.name, ""),
                milestones.due_on,
                milestones.done_on,
            )
            .select_from(
                schema.milestones.join(schema.topics, topics.id == milestones.topic_id).outerjoin(
                    schema.units, units.id == milestones.unit_id
                )
            )
            .where(topics.year == year)
            .order_by(topics.code, milestones.due_on, milestones.name)
        )
        with snapshot.engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(statement)]
        columns = ["topic", "list", "name", "unit_code", "unit", "due_on", "done_on"]
        return pd.DataFrame(rows, columns=columns, dtype="object")

    return snapshot.cached(("milestones", year), read)


def weekly_cases(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: Sequence[Window]
) -> dict[str, np.ndarray]:
    """Return topic code → cases per week (float64, in the order of ``weeks``).

    The key "" has the cases of no topic. ``filters`` narrow the place only; a topic without a
    case in these weeks is left out.
    """

    def compute() -> dict[str, np.ndarray]:
        counted = _topic_weeks(snapshot, scope, filters, weeks)
        series = counted.chosen(filters).sum(axis=1, dtype="float64")
        return {code: own for code, own in zip(counted.topics, series, strict=True) if own.any()}

    return snapshot.cached(("weekly cases", scope, _place_only(filters), *_ends(weeks)), compute)


def _place_only(filters: Filters) -> Filters:
    return Filters(basis=filters.basis, district=filters.district, subdistrict=filters.subdistrict)


def _ends(weeks: Sequence[Window]) -> tuple[dt.date, dt.date]:
    return weeks[0].start, weeks[-1].end


def weekly_cases_by_district(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: Sequence[Window], topic: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the weekly cases of a topic and those of no topic, by district.

    Columns of both: ``week_start`` (date), ``code`` (str, "" where the place is not known),
    ``cases`` (int64). ``filters`` narrow the place only.
    """

    def compute() -> tuple[pd.DataFrame, pd.DataFrame]:
        counted = _topic_weeks(snapshot, scope, filters, weeks)
        own, others = (
            _by_district(counted, counted.chosen(filters), weeks, each) for each in (topic, "")
        )
        return own, others

    key = ("topic weeks by district", scope, _place_only(filters), *_ends(weeks), topic)
    return snapshot.cached(key, compute)


class _TopicWeeks(NamedTuple):
    """Cases of every topic and of none by district, both 口径 and week.

    ``topics``, ``districts``: codes, the last "" for none and for an unknown place. ``counts``:
    int64, topic × district × (counted, excluded) × week.
    """

    topics: list[str]
    districts: list[str]
    counts: np.ndarray

    def chosen(self, filters: Filters) -> np.ndarray:
        """Return topic × district × week of a 口径; zeros for districts that are not chosen."""
        own = self.counts[:, :, 0] if filters.basis == "assessed" else self.counts.sum(axis=2)
        if not filters.district:
            return own
        # Not the unknown places, whatever is asked for.
        within = np.array([code != "" and code in filters.district for code in self.districts])
        return np.asarray(own * within[:, np.newaxis])


def _by_district(
    counted: _TopicWeeks, chosen: np.ndarray, weeks: Sequence[Window], topic: str
) -> pd.DataFrame:
    place = counted.topics.index(topic) if topic in counted.topics else None
    own = chosen[place] if place is not None else np.zeros(chosen.shape[1:], dtype="int64")
    rows, columns = np.nonzero(own)
    codes, starts = counted.districts, [week.start for week in weeks]
    return pd.DataFrame(
        {
            "week_start": pd.Series([starts[each] for each in columns.tolist()], dtype="object"),
            "code": pd.Series([codes[each] for each in rows.tolist()], dtype="str"),
            "cases": own[rows, columns],
        }
    )


def _topic_weeks(
    snapshot: Snapshot, scope: Scope, filters: Filters, weeks: Sequence[Window]
) -> _TopicWeeks:
    """Return the weekly cases of all topics, of all districts unless a street is chosen.

    Read once for all of them: the next topic, place or 口径 asks the database for nothing.
    """
    place = filters.district if filters.subdistrict else ()
    asked = Filters(basis="all", district=place, subdistrict=filters.subdistrict)

    def read() -> _TopicWeeks:
        reference = snapshot.reference
        # Only the case table knows units, and street and topic together.
        by_case = filters.subdistrict or scope.units is not None
        table = schema.cases if by_case else schema.daily_category
        week = sa.cast(sa.func.date_trunc("week", table.c.created_on), sa.Date)
        number = sa.func.count() if table is schema.cases else sa.func.sum(table.c.cases)
        keys = [week, table.c.topic_id, table.c.district_id, table.c.excluded]
        statement = (
            sa.select(
                *(or_unknown(key).label(f"key_{place}") for place, key in enumerate(keys)),
                sa.cast(number, sa.BigInteger).label("cases"),
            )
            .where(
                table.c.created_on.between(*_ends(weeks)),
                *conditions(snapshot, scope, asked, table),
            )
            .group_by(*keys)
        )
        mondays, topic_ids, district_ids, excluded, cases = read_columns(snapshot, statement)
        topics, districts = (
            reference.lookup(name, "id", "code") for name in ("topics", "districts")
        )
        of_topic, of_district = (
            looked_up(ids, {id_: place for place, id_ in enumerate(known)}, len(known))
            for ids, known in ((topic_ids, topics), (district_ids, districts))
        )
        counts = np.zeros((len(topics) + 1, len(districts) + 1, 2, len(weeks)), dtype="int64")
        columns = (mondays - number_of_day(weeks[0].start)) // 7
        np.add.at(counts, (of_topic, of_district, excluded, columns), cases)
        return _TopicWeeks(
            [*map(str, topics.values()), ""], [*map(str, districts.values()), ""], counts
        )

    return snapshot.cached(("topic weeks", scope, asked, *_ends(weeks)), read)


# Repeats of so many days count: what was repeated years ago is nobody's task today.
REPEATED_DAYS = 365


def cases_of_topic(
    snapshot: Snapshot, scope: Scope, filters: Filters, topic: str, limit: int = 10
) -> Mapping[str, pd.DataFrame]:
    """Return "newest", "oldest_open" and "repeated" cases of a topic, at most so many each.

    Columns: ``case_id``, ``created_at`` (datetime), ``due_at`` (datetime or NaT), ``place``,
    ``category``, ``summary`` (str), ``closed`` (bool). No caller is in the data. ``repeated`` has
    the cases that most others repeat, with the number of these in ``repeats`` (int64; else 0):
    those of the last ``REPEATED_DAYS`` up to the cut-off.
    """
    asked = _place_only(filters).narrowed(topic=(topic,))
    key = ("topic cases", scope, asked, limit)
    return snapshot.cached(key, lambda: _cases(snapshot, scope, asked, limit))


def _cases(
    snapshot: Snapshot, scope: Scope, filters: Filters, limit: int
) -> Mapping[str, pd.DataFrame]:
    cases = schema.cases
    where = conditions(snapshot, scope, filters, cases)
    # By state: what was closed after the cut-off is open, as in every figure.
    is_open = schema.is_open(cases.c.state)
    of_newest, of_oldest = _days_of_the_first(snapshot, scope, filters, limit)
    position = sa.select(cases.c.position).where(*where).limit(limit)
    newest = position.where(*of_newest).order_by(cases.c.created_at.desc(), cases.c.case_id)
    # Positions are in order of time and number.
    oldest = position.where(is_open, *of_oldest).order_by(cases.c.position)
    names = ("position", "case_id", "created_at", "due_at", "summary")
    places = ("district_id", "subdistrict_id", "category_id")
    columns = [cases.c[name] for name in (*names, *places)]
    with snapshot.engine.connect() as connection:
        since = snapshot.cutoff.date() - dt.timedelta(days=REPEATED_DAYS)
        repeats = _most_repeated(connection, where, cases.c.created_on > since, limit)
        lists: dict[str, list[int]] = {
            "newest": list(connection.execute(newest).scalars()),
            "oldest_open": list(connection.execute(oldest).scalars()),
            "repeated": list(repeats),
        }
        # Wide columns last, once, and of known positions: what is read of each case is what counts.
        shown = np.array(sorted({each for those in lists.values() for each in those}), np.uint32)
        wide = sa.select(*columns, (~is_open).label("closed"))
        parts = [wide.where(each) for each in near(snapshot, shown)] if len(shown) else []
        rows = connection.execute(sa.union_all(*parts)).all() if parts else []
    row_at = {row.position: row for row in rows}
    reference = snapshot.reference
    district, street, category = (
        reference.lookup(table, "id", "name")
        for table in ("districts", "subdistricts", "categories")
    )

    def record(row: sa.Row[Any], number: int) -> tuple[object, ...]:
        names_of_place = (district.get(row.district_id), street.get(row.subdistrict_id))
        return (
            row.case_id,
            row.created_at,
            row.due_at,
            "".join(filter(None, names_of_place)),
            category.get(row.category_id, ""),
            row.summary or "",
            bool(row.closed),
            number,
        )

    return {
        kind: pd.DataFrame(
            [
                record(row_at[each], repeats[each] if kind == "repeated" else 0)
                for each in positions
            ],
            columns=["case_id", "created_at", "due_at", "place", "category", "summary", "closed",
                     "repeats"],
        )
        for kind, positions in lists.items()
    }  # fmt: skip


def _most_repeated(
    connection: sa.Connection,
    where: Sequence[sa.ColumnElement[bool]],
    when: sa.ColumnElement[bool],
    limit: int,
) -> dict[int, int]:
    """Return position → number of repeats of the cases that most others repeat, most first.

    ``when`` is of the repeats; what they repeat may be as old as it is.

    In steps, not as a join of the case table with itself: a few cases are found by their ids at
    once, and no database has to match all with all.
    """
    cases, number = schema.cases.c, sa.func.count()
    matters = (
        sa.select(cases.repeat_of, number)
        .where(cases.repeat_of.is_not(None), when, *where)
        .group_by(cases.repeat_of)
        .order_by(number.desc(), cases.repeat_of)
    )
    known = sa.select(cases.case_id, cases.position).where(*where)
    asked = 5 * limit
    while True:
        repeats = {str(row[0]): int(row[1]) for row in connection.execute(matters.limit(asked))}
        # The first case of a matter may be of another topic or place: then it is not listed.
        rows = list(connection.execute(known.where(cases.case_id.in_(list(repeats)))))
        if len(rows) >= limit or len(repeats) < asked:
            break
        asked *= 10
    rows.sort(key=lambda row: (-repeats[row.case_id], row.case_id))
    return {row.position: repeats[row.case_id] for row in rows[:limit]}


def _days_of_the_first(
    snapshot: Snapshot, scope: Scope, filters: Filters, limit: int
) -> tuple[list[sa.ColumnElement[bool]], list[sa.ColumnElement[bool]]]:
    """Return conditions for the days on which the newest and the oldest open cases were created.

    An aggregate tells them at once; without them the whole history would be read for ten cases.
    Where the aggregates do not know the place: none for the newest, wider ones for the oldest.
    """
    if filters.subdistrict or scope.units is not None:
        return [], days_of_oldest_open(snapshot, scope, filters, limit)
    daily = _topic_days(snapshot, scope, filters)
    chosen = np.ones(len(daily.day), dtype=bool)
    if filters.basis == "assessed":
        chosen &= daily.excluded == 0
    if filters.district:
        known = snapshot.reference.lookup("districts", "code", "id")
        ids = [known[code] for code in filters.district if code in known]
        chosen &= np.isin(daily.district, ids)
    days, rows = np.unique(daily.day[chosen], return_inverse=True)
    dates = [day_of(day) for day in days.tolist()]
    every, still_open = (
        np.bincount(rows, each[chosen], minlength=len(days)).astype("int64").tolist()
        for each in (daily.cases, daily.open)
    )
    created = schema.cases.c.created_on
    newest = _enough(list(zip(reversed(dates), reversed(every), strict=True)), limit)
    oldest = _enough(list(zip(dates, still_open, strict=True)), limit)
    return (
        [created >= newest[-1]] if newest else [sa.false()],
        [created.in_(oldest)] if oldest else [sa.false()],
    )


class _TopicDays(NamedTuple):
    """Days of a topic by district and 口径, int64: what is open is so at the cut-off."""

    day: np.ndarray  # since 1970-01-01
    district: np.ndarray  # id
    excluded: np.ndarray  # 0 or 1
    cases: np.ndarray
    open: np.ndarray


def _topic_days(snapshot: Snapshot, scope: Scope, filters: Filters) -> _TopicDays:
    """Return the days of a topic, of every place and 口径: the next place asks for nothing."""
    asked = Filters(basis="all", topic=filters.topic)

    def read() -> _TopicDays:
        daily = schema.daily_category
        keys = [daily.c.created_on, daily.c.district_id, daily.c.excluded]
        numbers = [daily.c.cases, daily.c.cases - daily.c.closed]
        statement = (
            sa.select(
                *(or_unknown(key).label(f"key_{place}") for place, key in enumerate(keys)),
                *(
                    sa.cast(sa.func.sum(number), sa.BigInteger).label(f"number_{place}")
                    for place, number in enumerate(numbers)
                ),
            )
            .where(*conditions(snapshot, scope, asked, daily))
            .group_by(*keys)
        )
        return _TopicDays(*read_columns(snapshot, statement))

    return snapshot.cached(("topic days", scope, asked), read)


def _enough(days: Sequence[tuple[dt.date, int]], limit: int) -> list[dt.date]:
    """Return the first days with a case that together have so many."""
    found, result = 0, []
    for day, number in days:
        if number and found < limit:
            found += number
            result.append(day)
    return result


def counts_by_topic_and_district(
    snapshot: Snapshot, scope: Scope, filters: Filters, window: Window
) -> dict[str, np.ndarray]:
    """Return topic code → counts by district, int64, ``COUNT_COLUMNS`` across.

    One row per district of the scope in the reference's order, zeros where it has no case; the
    last row has the cases without a known district. A topic without cases is left out.
    ``filters`` narrow 口径 only: the rug shows every district.
    """

    def read() -> dict[str, np.ndarray]:
        table = schema.daily_category if scope.units is None else schema.cases
        asked = Filters(basis=filters.basis)
        (topics, district_ids), counts = read_sums(
            snapshot,
            summing(
                table,
                (table.c.topic_id, table.c.district_id),
                [
                    table.c.created_on.between(window.start, window.end),
                    table.c.topic_id.is_not(None),
                    *conditions(snapshot, scope, asked, table),
                ],
            ),
        )
        districts = snapshot.reference.districts
        if scope.districts is not None:
            districts = districts[districts["code"].isin(sorted(scope.districts))]
        topic_of = snapshot.reference.lookup("topics", "id", "code")
        row_of = {int(identity): row for row, identity in enumerate(districts["id"])}
        known, rows = np.unique(topics, return_inverse=True)
        places = looked_up(district_ids, row_of, len(row_of))
        summed = np.zeros((len(known), len(row_of) + 1, len(COUNT_COLUMNS)), dtype="int64")
        cells, added = added_up(rows * (len(row_of) + 1) + places, counts)
        summed.reshape(-1, len(COUNT_COLUMNS))[cells] = added
        return {
            str(topic_of[topic]): own for topic, own in zip(known.tolist(), summed, strict=True)
        }

    return snapshot.cached(("topic districts", scope, filters.basis, window), read)
