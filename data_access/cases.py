"""The ledger of cases: pages of rows by keyset, what they add up to, one case and its matter.

A page is found by the place of a case in the order (``domain.cases.Mark``): it costs the same
however deep it lies. A page by its number is found through the ladder, the counts by step of the
order, which also give the exact total; the longest way that is ever skipped is one step.

Nothing here is wider than the scope, and no condition comes from text: values are bound. Texts that
people wrote are masked once more on their way out.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import conditions
from data_access.loading.privacy import mask
from data_access.store import Snapshot
from data_access.words import (
    STRETCH,
    Positions,
    among,
    has_term,
    is_indexed,
    likely_positions,
    near,
    positions_of,
)
from domain.cases import Case, Ladder, Listing, Mark, Step, ladder_of, step_of
from domain.filters import CaseSort, Filters, Preset
from domain.periods import Window
from domain.rules import least_group
from domain.scope import Scope

# What is counted by day of creation, and the preset that lists it.
DAY_COUNTS: Mapping[str, Preset] = {
    "cases": "",
    "open": "open",
    "overdue": "overdue",
    "shelved": "shelved",
    "repeats": "repeat",
    "unplaced": "unplaced",
}
_COUNTED: Mapping[Preset, str] = {preset: name for name, preset in DAY_COUNTS.items()} | {
    "long_open": "open"
}
# Rows of an export that are in memory at a time.
_BATCH = 5_000
# For the first page of a search so many stretches of the index are looked through, and of words
# that are not indexed so many candidates read, for each case that it shows.
_TRIED_STRETCHES, _TRIED = 8, 20
# Then the days of so many times the cases that are wanted: some of them may be filtered out.
_SPARE = 2
_ASCENDING: frozenset[CaseSort] = frozenset({"oldest", "overdue"})

_cases = schema.cases.c


def _read(snapshot: Snapshot, statement: sa.Select | sa.CompoundSelect) -> list[Any]:
    with snapshot.engine.connect() as connection:
        return list(connection.execute(statement))


# --- What is listed -----------------------------------------------------------------------------


def _created_in(window: Window) -> sa.ColumnElement[bool]:
    return _cases.created_on.between(window.start, window.end)


def _named(snapshot: Snapshot, listing: Listing, window: Window) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on what people wrote, for cases created in a window."""
    named = []
    if listing.terms:
        found = _within(snapshot, positions_of(snapshot, listing.terms), window)
        named.append(among(snapshot, found))
    if listing.communities:
        named.append(_cases.community.in_(listing.communities))
    return named


def _within(snapshot: Snapshot, positions: Positions, window: Window) -> Positions:
    """Return those of some positions whose cases were created in a window."""
    if not len(positions):
        return positions
    first, after = (
        _position_at(snapshot, day) for day in (window.start, window.end + dt.timedelta(days=1))
    )
    return positions[np.searchsorted(positions, first) : np.searchsorted(positions, after)]


def _position_at(snapshot: Snapshot, day: dt.date) -> int:
    """Return the position of the first case of a day, or of the first one after it."""
    if snapshot.first_day is None or day <= snapshot.first_day:
        return 0

    def read() -> int:
        moment = dt.datetime.combine(day, dt.time())
        behind = (
            sa.select(_cases.position)
            .where(_cases.created_at < moment)
            .order_by(_cases.created_at.desc(), _cases.case_id.desc())
            .limit(1)
        )
        return int(_read(snapshot, behind)[0][0]) + 1

    return snapshot.cached(("position at", day), read)


def _where(
    snapshot: Snapshot, scope: Scope, listing: Listing, within: Window | None = None
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a listing on the case table; ``within``: fewer days of creation."""
    window = within or listing.window
    where = [
        _created_in(window),
        *conditions(snapshot, scope, listing.filters, schema.cases),
        *_named(snapshot, listing, window),
    ]
    match listing.preset:
        case "open" | "long_open":
            where.append(schema.is_open(_cases.state))
        case "overdue":
            where.append(schema.is_overdue(_cases.state))
        case "shelved":
            where.append(schema.is_shelved(_cases.state))
        case "repeat":
            where.append(schema.is_repeat(_cases.state))
        case "returned":
            where += [
                schema.is_repeat(_cases.state),
                # Follows from it; an index knows the few that have it.
                _cases.matter_repeats.is_not(None),
                _came_back(listing.return_days),
            ]
        case "unplaced":
            where.append(_cases.district_id.is_(None))
        case "group":
            where.append(_in_a_group(snapshot, listing.group_cases))
    return where


def _in_a_group(snapshot: Snapshot, least: int) -> sa.ColumnElement[bool]:
    """Return that a case is one of a group: street, community, category, month.

    Whether cases are a group depends on the assessed cases of the city alone, not on the filters.

    Raises:
        ValueError: so small groups were not looked for when the version was published.
    """
    if least < least_group(snapshot.rule_sets):
        raise ValueError(f"no rule of version {snapshot.key} has groups of {least}")
    return _cases.group_cases >= least


def _came_back(days: int) -> sa.ColumnElement[bool]:
    """Return that the case which one repeats was closed at most so many days before."""
    closed = _cases.first_closed_at
    return sa.and_(
        closed <= _cases.created_at, closed + dt.timedelta(days=days) >= _cases.created_at
    )


# --- How many -----------------------------------------------------------------------------------


def day_counts(snapshot: Snapshot, scope: Scope, listing: Listing) -> pd.DataFrame:
    """Return counts by day of creation, one row per day that has cases, the oldest first.

    Of every day of the period, whatever the preset and the age. Index: the day (datetime.date);
    columns: ``DAY_COUNTS``, int64. Without conditions on what people wrote they come from the
    aggregates that every page counts with.
    """
    words = (listing.terms, listing.communities)
    key = ("day counts", scope, listing.filters, listing.asked, *words)
    return snapshot.cached(key, lambda: _day_counts(snapshot, scope, listing))


def _table_of(scope: Scope, listing: Listing) -> sa.Table:
    """Return the smallest table that knows every column of the conditions."""
    filters = listing.filters
    by_category = bool(filters.topic or filters.category)
    by_case = filters.channel or filters.unit or listing.terms or listing.communities
    if by_case or scope.units is not None or (by_category and filters.subdistrict):
        return schema.cases
    if by_category:
        return schema.daily_category
    return schema.daily_place if filters.subdistrict else schema.daily_district


def _day_counts(snapshot: Snapshot, scope: Scope, listing: Listing) -> pd.DataFrame:
    table = _table_of(scope, listing)
    unplaced = table.c.district_id.is_(None)
    if table is schema.cases:
        state = _cases.state
        kinds = (
            schema.is_open(state), schema.is_overdue(state), schema.is_shelved(state),
            schema.is_repeat(state), unplaced,
        )  # fmt: skip
        counts: list[sa.ColumnElement[Any]] = [
            sa.func.count(),
            *(sa.func.count().filter(each) for each in kinds),
        ]
    else:
        sums = [
            table.c.cases,
            table.c.cases - table.c.closed,
            table.c.overdue,
            table.c.shelved,
            table.c.repeats,
            sa.case((unplaced, table.c.cases), else_=0),
        ]
        counts = [sa.cast(sa.func.sum(each), sa.BigInteger) for each in sums]
    rows = _read(
        snapshot,
        sa.select(table.c.created_on, *counts)
        .where(
            table.c.created_on.between(listing.asked.start, listing.asked.end),
            *conditions(snapshot, scope, listing.filters, table),
            *_named(snapshot, listing, listing.asked),
        )
        .group_by(table.c.created_on)
        .order_by(table.c.created_on),
    )
    days = pd.Index([row[0] for row in rows], name="created_on", dtype="object")
    return pd.DataFrame([row[1:] for row in rows], index=days, columns=[*DAY_COUNTS]).astype(
        "int64"
    )


def ladder(snapshot: Snapshot, scope: Scope, listing: Listing, sort: CaseSort) -> Ladder:
    """Return how many cases of a listing stand on each step of an order."""
    key = ("ladder", scope, listing, sort)
    return snapshot.cached(key, lambda: _ladder(snapshot, scope, listing, sort))


def _ladder(snapshot: Snapshot, scope: Scope, listing: Listing, sort: CaseSort) -> Ladder:
    column = _COUNTED.get(listing.preset)
    if column is not None and sort in ("newest", "oldest"):
        counted = day_counts(snapshot, scope, listing)
        window = listing.window
        return ladder_of(
            [
                ((0, day), int(number))
                for day, number in counted[column].items()
                if window.start <= day <= window.end
            ],
            sort,
        )
    source, repeats = _source(snapshot, scope, sort)
    day = sa.cast(_cases.due_at, sa.Date) if sort == "overdue" else _cases.created_on
    steps = [day] if repeats is None else [day, repeats]
    statement = (
        sa.select(sa.func.count(), *steps)
        .select_from(source)
        .where(*_where(snapshot, scope, listing), *(step.is_not(None) for step in steps))
        .group_by(*steps)
    )
    rows = _read(snapshot, statement)
    return ladder_of(
        [((0 if repeats is None else int(row[2]), row[1]), int(row[0])) for row in rows], sort
    )


def _source(
    snapshot: Snapshot, scope: Scope, sort: CaseSort
) -> tuple[sa.FromClause, sa.ColumnElement[int] | None]:
    """Return what to select from, and how many repeats the matter has if the order asks for it;
    NULL where it has none.
    """
    if sort != "repeats":
        return schema.cases, None
    if scope.districts is None and scope.units is None:
        return schema.cases, _cases.matter_repeats
    own = schema.matter_repeats.c
    matters = (
        sa.select(own.repeat_of, sa.cast(sa.func.sum(own.repeats), sa.Integer).label("repeats"))
        .where(*_seen(snapshot, scope, schema.matter_repeats))
        .group_by(own.repeat_of)
        .subquery("matters")
    )
    return (
        schema.cases.join(matters, matters.c.repeat_of == _cases.repeat_of),
        matters.c.repeats,
    )


def _seen(snapshot: Snapshot, scope: Scope, table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    """Return what a scope lets be seen of a table of districts and units."""
    reference = snapshot.reference
    where: list[sa.ColumnElement[bool]] = []
    for codes, frame, column in (
        (scope.districts, reference.districts, table.c.district_id),
        (scope.units, reference.units, table.c.lead_unit_id),
    ):
        if codes is not None:
            ids = frame.loc[frame["code"].isin(sorted(codes)), "id"]
            where.append(column.in_([int(each) for each in ids]))
    return where


def shelved_until(snapshot: Snapshot, scope: Scope, listing: Listing, last: dt.date) -> int:
    """Return how many cases of a listing are shelved until a day at the latest."""

    def read() -> int:
        where = [schema.is_shelved(_cases.state), _cases.shelved_until <= last]
        statement = sa.select(sa.func.count()).where(*where, *_where(snapshot, scope, listing))
        return int(_read(snapshot, statement)[0][0])

    return snapshot.cached(("shelved until", scope, listing, last), read)


def groups(snapshot: Snapshot, scope: Scope, listing: Listing) -> pd.DataFrame:
    """Return the groups (群诉) that cases of a listing belong to, the largest first.

    One row per group with cases of the listing. Columns: ``street``, ``street_code``,
    ``community``, ``category``, ``category_code`` (str), ``month`` (date, its first day), ``cases``
    and ``open`` (int64, of the listing), ``first`` and ``last`` (datetime, when created).
    """

    def read() -> pd.DataFrame:
        month = schema.month_number(_cases.created_on)
        keys = [_cases.subdistrict_id, _cases.community, _cases.category_id, month]
        number = sa.func.count()
        first, last = sa.func.min(_cases.created_at), sa.func.max(_cases.created_at)
        statement = (
            sa.select(
                *keys, number, sa.func.count().filter(schema.is_open(_cases.state)), first, last
            )
            .where(*_where(snapshot, scope, listing))
            .group_by(*keys)
            .order_by(number.desc(), first, *keys[:3])
        )
        reference = snapshot.reference
        street, category = (
            {
                identity: (str(code), str(name))
                for identity, code, name in zip(
                    frame["id"], frame["code"], frame["name"], strict=True
                )
            }
            for frame in (reference.subdistricts, reference.categories)
        )
        records = [
            (
                *street.get(row[0], ("", "")),
                mask(row[1] or ""),
                *category.get(row[2], ("", "")),
                dt.date((row[3] - 1) // 12, (row[3] - 1) % 12 + 1, 1),
                *row[4:],
            )
            for row in _read(snapshot, statement)
        ]
        columns = ["street_code", "street", "community", "category_code", "category", "month",
                   "cases", "open", "first", "last"]  # fmt: skip
        return pd.DataFrame(records, columns=columns)

    return snapshot.cached(("groups", scope, listing), read)


# --- Pages --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Page:
    """Some cases in the order of the listing, and whether there are others on either side."""

    cases: tuple[Case, ...]
    has_before: bool
    has_after: bool


def page_of_cases(
    snapshot: Snapshot,
    scope: Scope,
    listing: Listing,
    sort: CaseSort,
    limit: int,
    *,
    after: Mark | None = None,
    before: Mark | None = None,
    skip: int = 0,
) -> Page:
    """Return one page of a listing, at most ``limit`` cases.

    It begins behind the place ``after``, else ends before the place ``before``, else begins behind
    the first ``skip`` cases.
    """
    if before is not None and after is None:
        rows = _rows(snapshot, scope, listing, sort, limit + 1, before, backwards=True)
        return Page(tuple(reversed(rows[:limit])), len(rows) > limit, True)
    rows = _rows(snapshot, scope, listing, sort, limit + 1, after, skip=skip)
    return Page(tuple(rows[:limit]), after is not None or skip > 0, len(rows) > limit)


def _rows(
    snapshot: Snapshot,
    scope: Scope,
    listing: Listing,
    sort: CaseSort,
    limit: int,
    mark: Mark | None = None,
    *,
    backwards: bool = False,
    skip: int = 0,
) -> list[Case]:
    """Return cases in the order of the listing, or against it, from a place on."""
    if listing.terms and mark is None and sort in ("newest", "oldest"):
        keys = [] if skip else _likely_keys(snapshot, scope, listing, sort, limit)
        if len(keys) == limit:
            return _cases_of(snapshot, keys)
        listing = _days_with(snapshot, scope, listing, sort, skip + limit)
    steps = ladder(snapshot, scope, listing, sort)
    rising = sort in _ASCENDING
    if mark is None:
        reach = steps.reach(skip, skip + limit - 1)
    else:
        passed, stand = steps.around(step_of(mark), rising)
        first, last = (passed - limit, stand - 1) if backwards else (passed, stand + limit - 1)
        reach = steps.reach(first, last)
    if reach is None:
        return []
    if mark is None:
        skip -= steps.around(reach[0], rising)[0]
    keys = _keys_within(
        snapshot, scope, listing, sort, limit, reach, mark, backwards=backwards, skip=skip
    )
    return _cases_of(snapshot, keys)


def _likely_keys(
    snapshot: Snapshot, scope: Scope, listing: Listing, sort: CaseSort, limit: int
) -> Sequence[Any]:
    """Return the first cases of a search, ``limit`` of them unless more must be looked through,
    as ``_keys_within``.

    A common word fills the page from the first stretches of the index; only a rare one needs all
    of it, and the summaries of all its candidates.
    """
    window = listing.window
    if window.days <= 0:
        return []
    first = _position_at(snapshot, window.start)
    last = _position_at(snapshot, window.end + dt.timedelta(days=1)) - 1
    stretches = range(first // STRETCH, last // STRETCH + 1)
    rising = sort in _ASCENDING
    some = stretches[:_TRIED_STRETCHES] if rising else stretches[-_TRIED_STRETCHES:]
    likely = _within(snapshot, likely_positions(snapshot, listing.terms, some), window)
    unsure = [has_term(term) for term in listing.terms if not is_indexed(term)]
    if unsure:
        few = _TRIED * limit
        likely = likely[:few] if rising else likely[-few:]
    untold = dataclasses.replace(listing, terms=())
    reach = ((0, window.start), (0, window.end))
    tried = [among(snapshot, likely), *unsure]
    return _keys_within(snapshot, scope, untold, sort, limit, reach, also=tried)


def _days_with(
    snapshot: Snapshot, scope: Scope, listing: Listing, sort: CaseSort, number: int
) -> Listing:
    """Return the search for the first days only that have so many of its cases, or the search.

    How many days those are is known from the index; what stands on each must be counted.
    """
    positions = _within(snapshot, positions_of(snapshot, listing.terms), listing.window)
    looked_at = _SPARE * number
    if looked_at >= len(positions):
        return listing
    rising = sort in _ASCENDING
    day = _day_at(snapshot, int(positions[looked_at if rising else -looked_at - 1]))
    window = listing.window
    days = Window(window.start, day) if rising else Window(day, window.end)
    fewer = dataclasses.replace(listing, asked=days, window=days)
    return fewer if ladder(snapshot, scope, fewer, sort).total >= number else listing


def _day_at(snapshot: Snapshot, position: int) -> dt.date:
    """Return the day of creation of the case at a position."""
    day = sa.select(_cases.created_on).where(_cases.position == position)
    result: dt.date = _read(snapshot, day)[0][0]
    return result


def _keys_within(
    snapshot: Snapshot,
    scope: Scope,
    listing: Listing,
    sort: CaseSort,
    limit: int,
    reach: tuple[Step, Step],
    mark: Mark | None = None,
    *,
    backwards: bool = False,
    skip: int = 0,
    also: Sequence[sa.ColumnElement[bool]] = (),
) -> Sequence[Any]:
    """Return cases as ``_rows``, of the steps from one to another only: ``repeats``, ``position``,
    ``case_id``. ``also``: conditions.
    """
    low, high = sorted(reach)
    source, number = _source(snapshot, scope, sort)
    moment = _cases.due_at if sort == "overdue" else _cases.created_at
    order = [*([] if number is None else [number]), moment, _cases.case_id]
    rising = (sort in _ASCENDING) is not backwards
    (least, first), (most, last) = low, high
    from_first = moment >= dt.datetime.combine(first, dt.time())
    to_last = moment < dt.datetime.combine(last + dt.timedelta(days=1), dt.time())
    # Only where the order is by creation are the days of the steps those of creation.
    days = Window(first, last) if sort in ("newest", "oldest") else None
    where = [*_where(snapshot, scope, listing, days), *also]
    if number is None:
        where += [from_first, to_last]
    else:
        where += [
            number.between(least, most),
            sa.or_(number > least, from_first),
            sa.or_(number < most, to_last),
        ]
    if mark is not None:
        place = [*([] if number is None else [mark.repeats]), mark.moment, mark.case_id]
        where.append(_beyond(order, place, rising))
    known = sa.literal(0) if number is None else number
    chosen = (
        sa.select(known.label("repeats"), _cases.position, _cases.case_id)
        .select_from(source)
        .where(*where)
        .order_by(*(each.asc() if rising else each.desc() for each in order))
        .limit(limit)
    )
    return _read(snapshot, chosen.offset(skip) if skip else chosen)


def _beyond(
    order: Sequence[sa.ColumnElement[Any]], place: Sequence[Any], rising: bool
) -> sa.ColumnElement[bool]:
    """Return that a row lies behind a place in an order by several columns.

    The first column is bounded by itself, which indexes and the bounds of row groups can use.
    """
    column, value = order[0], place[0]
    past: sa.ColumnElement[bool] = column > value if rising else column < value
    reached = column >= value if rising else column <= value
    if len(order) == 1:
        return past
    return sa.and_(reached, sa.or_(past, _beyond(order[1:], place[1:], rising)))


_FIELDS = (
    "case_id", "created_at", "dispatched_at", "responded_at", "due_at", "closed_at", "on_time",
    "district_id", "subdistrict_id", "place_text", "community", "category_id", "category_text",
    "topic_id", "kind_id", "channel_id", "lead_unit_id", "unit_text", "direct_dispatch",
    "valid_revisit", "contacted", "resolved", "satisfaction", "excluded", "shelved_until",
    "repeat_of", "summary", "state",
)  # fmt: skip


def _cases_of(snapshot: Snapshot, keys: Sequence[Any]) -> list[Case]:
    """Return the cases of some rows of ``repeats``, ``position``, ``case_id``, in their order.

    Which cases was asked before, in narrow columns: reading whole rows to sort or to judge them
    costs a column store several times as much. The positions lead to the few blocks that have them.
    """
    if not keys:
        return []
    positions = np.array(sorted(key.position for key in keys), np.uint32)
    fields = [_cases[name] for name in _FIELDS]
    statement = sa.union_all(
        *(sa.select(*fields).where(each) for each in near(snapshot, positions))
    )
    repeats = {key.case_id: int(key.repeats) or None for key in keys}
    found = {
        row.case_id: _case(snapshot, row, repeats[row.case_id])
        for row in _read(snapshot, statement)
    }
    return [found[key.case_id] for key in keys]


class _Labels:
    """Codes and names of the reference by id."""

    def __init__(self, snapshot: Snapshot) -> None:
        reference = snapshot.reference
        self.of: dict[str, dict[int, tuple[str, str]]] = {}
        for name in ("districts", "subdistricts", "categories", "topics", "units", "channels",
                     "kinds"):  # fmt: skip
            frame = getattr(reference, name)
            self.of[name] = {
                int(identity): (str(code), str(label))
                for identity, code, label in zip(
                    frame["id"], frame["code"], frame["name"], strict=True
                )
            }

    def __call__(self, table: str, identity: int | None) -> tuple[str, str]:
        """Return code and name; "" where there is none."""
        return ("", "") if identity is None else self.of[table].get(identity, ("", ""))


def _case(snapshot: Snapshot, row: Any, repeats: int | None) -> Case:
    labels = snapshot.cached(("labels of cases",), lambda: _Labels(snapshot))
    cutoff, state = snapshot.cutoff, row.state

    def known(time: dt.datetime | None) -> dt.datetime | None:
        return time if time is not None and time <= cutoff else None

    district, street = labels("districts", row.district_id), labels("subdistricts",
                                                                    row.subdistrict_id)  # fmt: skip
    category, topic = labels("categories", row.category_id), labels("topics", row.topic_id)
    unit = labels("units", row.lead_unit_id)
    closed = bool(state & schema.CLOSED_BITS)
    return Case(
        case_id=row.case_id,
        created_at=row.created_at,
        dispatched_at=known(row.dispatched_at),
        responded_at=known(row.responded_at),
        due_at=row.due_at,
        closed_at=known(row.closed_at) if closed else None,
        closed=closed,
        on_time=row.on_time if closed else None,
        overdue=state & schema.TIMELINESS_BITS == schema.OVERDUE_BITS,
        shelved=bool(state & schema.SHELVED_BITS),
        shelved_until=row.shelved_until,
        repeat_of=row.repeat_of or "",
        district=district[0],
        district_name=district[1],
        subdistrict=street[0],
        subdistrict_name=street[1],
        community=mask(row.community or ""),
        place_text=mask(row.place_text or ""),
        category=category[0],
        category_name=category[1],
        category_text=mask(row.category_text or ""),
        topic=topic[0],
        topic_name=topic[1],
        kind=labels("kinds", row.kind_id)[1],
        channel=labels("channels", row.channel_id)[1],
        unit=unit[0],
        unit_name=unit[1],
        unit_text=mask(row.unit_text or ""),
        direct_dispatch=row.direct_dispatch,
        valid_revisit=row.valid_revisit,
        contacted=row.contacted,
        resolved=row.resolved,
        satisfaction=row.satisfaction,
        excluded=bool(row.excluded),
        summary=mask(row.summary or ""),
        repeats=repeats,
    )


def number_until(
    snapshot: Snapshot,
    scope: Scope,
    listing: Listing,
    sort: CaseSort,
    mark: Mark,
    *,
    itself: bool,
) -> int:
    """Return how many cases of a listing stand before a place in an order; with ``itself`` at it,
    too.
    """

    def read() -> int:
        step = step_of(mark)
        rising = sort in _ASCENDING
        source, repeats = _source(snapshot, scope, sort)
        moment = _cases.due_at if sort == "overdue" else _cases.created_at
        morning = dt.datetime.combine(step[1], dt.time())
        before = _beyond([moment, _cases.case_id], [mark.moment, mark.case_id], not rising)
        if itself:
            here = sa.and_(moment == mark.moment, _cases.case_id == mark.case_id)
            before = sa.or_(before, here)
        passed, _ = ladder(snapshot, scope, listing, sort).around(step, rising)
        days = None
        if sort != "overdue":
            days = Window(step[1], step[1])
            if not listing.window.start <= step[1] <= listing.window.end:
                return passed
        where = [
            *_where(snapshot, scope, listing, days),
            moment >= morning,
            moment < morning + dt.timedelta(days=1),
            before,
        ]
        if repeats is not None:
            where.append(repeats == mark.repeats)
        counted = sa.select(sa.func.count()).select_from(source).where(*where)
        return passed + int(_read(snapshot, counted)[0][0])

    key = ("number until", scope, listing, sort, mark, itself)
    return snapshot.cached(key, read)


def repeats_of(snapshot: Snapshot, scope: Scope, matters: Collection[str]) -> dict[str, int]:
    """Return number of a first case → how many repeats it has, where it has any."""
    if not matters:
        return {}
    own = schema.matter_repeats.c
    statement = (
        sa.select(own.repeat_of, sa.func.sum(own.repeats))
        .where(
            own.repeat_of.in_(sorted(set(matters))),
            *_seen(snapshot, scope, schema.matter_repeats),
        )
        .group_by(own.repeat_of)
    )
    return {row[0]: int(row[1]) for row in _read(snapshot, statement)}


def batches_of_cases(
    snapshot: Snapshot, scope: Scope, listing: Listing, sort: CaseSort, most: int
) -> Iterator[tuple[Case, ...]]:
    """Yield the cases of a listing in its order, at most so many, a few thousand at a time."""
    mark: Mark | None = None
    while most > 0:
        rows = _rows(snapshot, scope, listing, sort, min(_BATCH, most), mark)
        if not rows:
            return
        yield tuple(rows)
        most -= len(rows)
        mark = rows[-1].mark(sort)


# --- One case -----------------------------------------------------------------------------------


def case_of_number(snapshot: Snapshot, scope: Scope, number: str) -> Case | None:
    """Return the case with a number; None when there is none that the scope lets be seen.

    Consultations that were answered on the spot are no cases of the ledger.
    """
    # No control character is in a number, and a database may refuse one.
    if not number or not number.isprintable():
        return None
    return snapshot.cached(("case", scope, number), lambda: _case_of(snapshot, scope, number))


def _case_of(snapshot: Snapshot, scope: Scope, number: str) -> Case | None:
    rows = _read(
        snapshot,
        sa.select(*(_cases[name] for name in _FIELDS)).where(
            _cases.case_id == number,
            *conditions(snapshot, scope, Filters(basis="all"), schema.cases),
        ),
    )
    return _case(snapshot, rows[0], None) if rows else None


def cases_of_matter(snapshot: Snapshot, scope: Scope, case: Case, limit: int) -> tuple[Case, ...]:
    """Return the cases of the matter of a case, itself among them, the oldest first.

    They are the first case, those that repeat it, and those that repeat this one; of more than
    ``limit`` the oldest.
    """

    def read() -> tuple[Case, ...]:
        asked = conditions(snapshot, scope, Filters(basis="all"), schema.cases)
        numbers = sorted({case.matter, case.case_id})
        # One column, one value each: blocks that cannot have it are passed over unread.
        found = {
            row.case_id: row
            for column in (_cases.case_id, _cases.repeat_of)
            for number in numbers
            for row in _read(
                snapshot,
                sa.select(*(_cases[name] for name in _FIELDS))
                .where(column == number, *asked)
                .order_by(_cases.created_at, _cases.case_id)
                .limit(limit),
            )
        }
        rows = sorted(found.values(), key=lambda row: (row.created_at, row.case_id))
        return tuple(_case(snapshot, row, None) for row in rows[:limit])

    return snapshot.cached(("matter", scope, case.case_id, limit), read)


def neighbours_in_month(snapshot: Snapshot, scope: Scope, case: Case) -> int:
    """Return how many cases its community has of its category in its month, itself among them.

    As a group (群诉) is counted; 0 where street, community or category is not known.
    """
    if not (case.subdistrict and case.community and case.category):
        return 0
    first = case.created_at.date().replace(day=1)
    last = (first + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)

    def read() -> int:
        # As it is stored: what a case shows of it is masked.
        named = sa.select(_cases.community).where(_cases.case_id == case.case_id)
        community = _read(snapshot, named)[0][0]
        reference = snapshot.reference
        streets, categories = reference.subdistricts, reference.categories
        street = streets.loc[streets["code"] == case.subdistrict, "id"].iloc[0]
        # The category itself: a filter would take those below it as well.
        category = categories.loc[categories["code"] == case.category, "id"].iloc[0]
        statement = sa.select(sa.func.count()).where(
            _created_in(Window(first, last)),
            _cases.subdistrict_id == int(street),
            _cases.category_id == int(category),
            _cases.community == community,
            *conditions(snapshot, scope, Filters(basis="all"), schema.cases),
        )
        return int(_read(snapshot, statement)[0][0])

    return snapshot.cached(("neighbours", scope, case.case_id), read)
