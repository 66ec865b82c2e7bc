"""Every count and indicator once more, by slow loops over cases, to test the product against.

Nothing here is shared with the code that it judges but the names of the counts: no states, no
aggregates, no SQL beyond reading whole tables, no arrays.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from data_access import schema
from data_access.store import Snapshot
from domain.filters import Filters
from domain.periods import Window
from domain.rules import Rules

ANSWERS = (
    "contacted",
    "resolved",
    "partly_resolved",
    "satisfied",
    "basically_satisfied",
)


@dataclass(frozen=True)
class Case:
    """One row of ``cases``, places and kinds by their codes ("" where unknown)."""

    created_at: dt.datetime
    due_at: dt.datetime | None
    closed_at: dt.datetime | None
    closed: bool
    on_time: bool | None
    district: str
    subdistrict: str
    topic: str
    category: tuple[str, ...]  # the codes from level 1 down to the case's own
    channel: str
    unit: str
    valid_revisit: bool | None
    contacted: bool | None
    resolved: int | None
    satisfaction: int | None
    excluded: bool
    shelved_until: dt.date | None
    repeat: bool
    assessed: bool

    @property
    def day(self) -> dt.date:
        """The day of creation."""
        return self.created_at.date()


def _rows(snapshot: Snapshot, table: sa.Table) -> list[Mapping[str, Any]]:
    with snapshot.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def read_cases(snapshot: Snapshot) -> list[Case]:
    """Return every case of a version."""
    codes = {
        table.name: {row["id"]: row["code"] for row in _rows(snapshot, table)}
        for table in (
            schema.districts,
            schema.subdistricts,
            schema.topics,
            schema.categories,
            schema.channels,
            schema.units,
        )
    }
    paths: dict[int, tuple[str, ...]] = {}
    for row in _rows(snapshot, schema.categories):
        steps = [row["level1_id"], row["level2_id"], row["level3_id"]]
        paths[row["id"]] = tuple(codes["categories"][step] for step in steps if step is not None)
    return [
        Case(
            **{
                name: row[name]
                for name in (
                    "created_at", "due_at", "closed_at", "closed", "on_time", "valid_revisit",
                    "contacted", "resolved", "satisfaction", "excluded", "shelved_until",
                    "assessed",
                )
            },
            district=codes["districts"].get(row["district_id"], ""),
            subdistrict=codes["subdistricts"].get(row["subdistrict_id"], ""),
            topic=codes["topics"].get(row["topic_id"], ""),
            category=paths.get(row["category_id"], ()),
            channel=codes["channels"].get(row["channel_id"], ""),
            unit=codes["units"].get(row["lead_unit_id"], ""),
            repeat=row["repeat_of"] is not None,
        )
        for row in _rows(snapshot, schema.cases)
    ]  # fmt: skip


def chosen(
    cases: Iterable[Case], filters: Filters, districts: frozenset[str] | None = None
) -> list[Case]:
    """Return the assessed cases that pass the filters, within some districts (None: all)."""
    kept = []
    for case in cases:
        if not case.assessed or (filters.basis == "assessed" and case.excluded):
            continue
        if districts is not None and case.district not in districts:
            continue
        passes = True
        for dimension in ("district", "subdistrict", "topic", "channel", "unit"):
            wanted = getattr(filters, dimension)
            if wanted and getattr(case, dimension) not in wanted:
                passes = False
        if filters.category and not any(step in filters.category for step in case.category):
            passes = False
        if passes:
            kept.append(case)
    return kept


def created_in(cases: Iterable[Case], window: Window) -> list[Case]:
    """Return the cases created in a window."""
    return [case for case in cases if window.start <= case.day <= window.end]


def closed_in(cases: Iterable[Case], window: Window, cutoff: dt.datetime) -> int:
    """Return how many cases were closed in a window, as known at the cut-off."""
    number = 0
    for case in cases:
        closed_at = case.closed_at
        if closed_at is not None and closed_at <= cutoff:
            number += window.start <= closed_at.date() <= window.end
    return number


def shown_as(case: Case, group: str, filters: Filters, levels: Mapping[str, int]) -> str:
    """Return the code of the group a case is shown in; "" for none.

    ``levels``: code of a category → its level. Categories are shown one level below the deepest
    that is filtered by.
    """
    if group != "category":
        return str(getattr(case, group))
    deepest = 0
    for code in filters.category:
        deepest = max(deepest, levels.get(code, 0))
    shown = case.category[: min(deepest + 1, 3)]
    return shown[-1] if shown else ""


def tally(cases: Iterable[Case], cutoff: dt.datetime, rules: Rules) -> Counter[str]:
    """Return every count of ``COUNT_COLUMNS`` over the cases, as things stood at the cut-off."""
    counts: Counter[str] = Counter()
    for case in cases:
        counts["cases"] += 1
        counts["repeats"] += case.repeat
        closed = case.closed and (case.closed_at is None or case.closed_at <= cutoff)
        shelved = (
            not closed and case.shelved_until is not None and case.shelved_until >= cutoff.date()
        )
        counts["closed"] += closed
        counts["shelved"] += shelved
        if closed:
            counts["on_time"] += case.on_time is True
            counts["late"] += case.on_time is False
        elif case.due_at is not None and case.due_at < cutoff and not shelved:
            counts["overdue"] += 1
        due = case.due_at or case.created_at + dt.timedelta(days=rules.default_limit_days)
        ripe = due + dt.timedelta(days=rules.revisit_window_days) <= cutoff
        counts["mature"] += case.valid_revisit is not None or ripe
        counts["revisited"] += case.valid_revisit is not None
        if not case.valid_revisit:
            continue
        counts["revisits"] += 1
        answers = {
            "contacted": bool(case.contacted),
            "resolved": case.resolved == 1,
            "partly_resolved": case.resolved == 2,
            "satisfied": case.satisfaction == 1,
            "basically_satisfied": case.satisfaction == 2,
        }
        for name, yes in answers.items():
            counts[name] += yes
        for first in ANSWERS[:3]:
            for second in ANSWERS[1:] if first == "contacted" else ANSWERS[3:]:
                counts[f"{first}_{second}"] += answers[first] and answers[second]
    return counts


def _scores(case: Case, rules: Rules) -> tuple[float, float, float]:
    response = 1.0 if case.contacted else 0.0
    resolution = {1: 1.0, 2: rules.partly_resolved_credit}.get(case.resolved or 0, 0.0)
    satisfaction = {1: 1.0, 2: rules.basic_satisfied_credit}.get(case.satisfaction or 0, 0.0)
    return response, resolution, satisfaction


def indicator(
    key: str, cases: Iterable[Case], cutoff: dt.datetime, rules: Rules
) -> tuple[float, int]:
    """Return value and n of an indicator over the cases; the value is NaN where n is 0."""
    listed = list(cases)
    if key == "volume":
        return float(len(listed)), len(listed)
    if key in ("response", "resolution", "satisfaction", "composite"):
        sums, n = [0.0, 0.0, 0.0], 0
        for case in listed:
            if case.valid_revisit:
                n += 1
                for place, score in enumerate(_scores(case, rules)):
                    sums[place] += score
        if not n:
            return math.nan, 0
        response, resolution, satisfaction = (each / n for each in sums)
        return {
            "response": response,
            "resolution": resolution,
            "satisfaction": satisfaction,
            "composite": 100
            * (
                rules.weight_response * response
                + rules.weight_resolution * resolution
                + rules.weight_satisfaction * satisfaction
            ),
        }[key], n
    counts = tally(listed, cutoff, rules)
    parts = {
        "on_time": (
            counts["on_time"],
            counts["on_time"] + counts["late"] + counts["overdue"],
        ),
        "revisit_rate": (counts["revisits"], counts["cases"]),
        "overdue_rate": (counts["overdue"], counts["cases"]),
    }
    numerator, denominator = parts[key]
    return (numerator / denominator if denominator else math.nan), denominator
