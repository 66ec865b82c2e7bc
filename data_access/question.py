"""A query string resolved against the published data: what a page needs to know before it asks."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from data_access import schema
from data_access.case_counts import Windows, conditions, counts_by_window
from data_access.store import ResultCache, Snapshot, Store
from domain.comparison import of_window
from domain.filters import (
    COMPARE_LABELS,
    DIMENSION_LABELS,
    DIMENSIONS,
    Filters,
    from_search,
    in_words,
    known_codes,
    to_search,
)
from domain.metrics import INDICATORS
from domain.periods import (
    Period,
    PeriodError,
    Window,
    last_year_window,
    parse_period,
    period_key,
    previous_window,
    recent_periods,
)
from domain.rules import Rules, rules_in_force
from domain.scope import CITY, Scope


class NothingPublishedError(Exception):
    """There is no published data yet."""


@dataclass(frozen=True)
class Question:
    """One question to one data version, as far as the reader may see it (``seen_by``).

    ``asked`` are the filters of the query string as far as they make sense; ``filters`` the same
    with the period and the data version named; ``canonical`` is their query string. ``problems``
    says in Chinese which wishes of the query string could not be met.
    """

    snapshot: Snapshot
    asked: Filters
    filters: Filters
    period: Period
    rules: Rules
    problems: tuple[str, ...]

    @property
    def canonical(self) -> str:
        """The query string that names every field: absolute dates, data version."""
        return to_search(self.filters)

    @property
    def windows(self) -> Windows:
        """The windows of the page: ``now``, ``previous`` (环比), ``year`` (同比)."""
        first_day = self.rules.period_first_day
        return (
            ("now", self.period.window),
            ("previous", previous_window(self.period, first_day)),
            ("year", last_year_window(self.period)),
        )

    @property
    def compared(self) -> tuple[str, Window] | None:
        """The name and window of the chosen comparison; None when there is none."""
        if self.filters.compare == "none":
            return None
        return self.filters.compare, dict(self.windows)[self.filters.compare]

    @property
    def compare_word(self) -> str:
        """环比, 同比 or 不比较."""
        return COMPARE_LABELS[self.filters.compare]

    @property
    def words(self) -> str:
        """The filters in words."""
        return in_words(self.filters, self.period.label, names(self.snapshot), self.snapshot.city)

    @property
    def place(self) -> str:
        """The chosen places, or the name of the whole."""
        known = names(self.snapshot)
        places = [
            known[name].get(code, code)
            for name in ("district", "subdistrict")
            for code in getattr(self.filters, name)
        ]
        return "、".join(places) or self.snapshot.city


def names(snapshot: Snapshot) -> Mapping[str, Mapping[str, str]]:
    """Return dimension → code → name of a data version."""
    tables = {
        "district": "districts",
        "subdistrict": "subdistricts",
        "topic": "topics",
        "category": "categories",
        "channel": "channels",
        "unit": "units",
    }
    lookup = snapshot.reference.lookup
    return {name: lookup(table, "code", "name") for name, table in tables.items()}


# Results kept for each scope that is narrower than the city.
_ENTRIES_OF_A_SCOPE = 256


def seen_by(snapshot: Snapshot, scope: Scope) -> Snapshot:
    """Return a data version as a scope sees it; the version itself for the whole city.

    Districts, streets and units are the reader's own or named by the reader's own cases, so that no
    list, menu or name has any other; ``city``, which pages call the whole of what they count, is
    called by what may be counted. Results are kept apart from those of everyone else: even a key
    that forgot the scope cannot answer with another's figures.
    """
    if scope.is_whole:
        return snapshot
    return snapshot.cached(("seen by", scope), lambda: _seen_by(snapshot, scope))


def _seen_by(snapshot: Snapshot, scope: Scope) -> Snapshot:
    reference = snapshot.reference
    districts, streets, units = reference.districts, reference.subdistricts, reference.units
    words = []
    if scope.districts is not None:
        districts = _rows(districts, "code", scope.districts)
        streets = _rows(streets, "district_id", set(districts["id"]))
        words += list(districts["name"])
    if scope.units is not None:
        units = _rows(units, "code", scope.units)
        words += list(units["name"])
    else:
        units = _rows(units, "id", _units_of_cases(snapshot, scope))
    return dataclasses.replace(
        snapshot,
        city="、".join(words),
        reference=dataclasses.replace(
            reference, districts=districts, subdistricts=streets, units=units
        ),
        cache=ResultCache(_ENTRIES_OF_A_SCOPE),
    )


def _rows(frame: pd.DataFrame, column: str, values: set | frozenset) -> pd.DataFrame:
    return frame[frame[column].isin(list(values))].reset_index(drop=True)


def _units_of_cases(snapshot: Snapshot, scope: Scope) -> set[int]:
    """Return the ids of the units that cases of a scope name: another district's office is none."""
    unit = schema.cases.c.lead_unit_id
    where = conditions(snapshot, scope, Filters(basis="all"), schema.cases)
    with snapshot.engine.connect() as connection:
        return set(connection.scalars(sa.select(unit).where(unit.is_not(None), *where).distinct()))


def is_hidden(store: Store, question: Question, code: str) -> bool:
    """Return whether a code names a district, street or unit that the reader may not see."""
    whole = store.get(question.snapshot.key)
    if whole is None or whole is question.snapshot:
        return False
    every, seen = names(whole), names(question.snapshot)
    return any(
        code in every[name] and code not in seen[name]
        for name in ("district", "subdistrict", "unit")
    )


def _without_hidden(
    filters: Filters, every: Mapping[str, Mapping[str, str]], seen: Mapping[str, Mapping[str, str]]
) -> tuple[Filters, tuple[str, ...]]:
    """Return the filters without what the reader may not see, and what was left out.

    It is not named: whether a code stands for anything is not told either way by its name.
    """
    changes: dict[str, tuple[str, ...]] = {}
    problems = []
    for name in ("district", "subdistrict", "unit"):
        chosen = getattr(filters, name)
        hidden = [code for code in chosen if code in every[name] and code not in seen[name]]
        if hidden:
            changes[name] = tuple(code for code in chosen if code not in hidden)
            problems.append(f"无权查看所选的{DIMENSION_LABELS[name]}：不在本账号的范围内")
    return (filters.narrowed(**changes) if changes else filters), tuple(problems)


def _within(filters: Filters, snapshot: Snapshot, scope: Scope) -> Filters:
    """Return filters that name the scope, where they name no place or unit within it.

    The conditions hold without it; but then every page says of itself what it counts.
    """
    changes: dict[str, tuple[str, ...]] = {}
    if scope.districts is not None and not (filters.district or filters.subdistrict):
        changes["district"] = tuple(snapshot.reference.districts["code"])
    if scope.units is not None and not filters.unit:
        changes["unit"] = tuple(snapshot.reference.units["code"])
    return filters.narrowed(**changes) if changes else filters


def ask(store: Store, scope: Scope, search: object) -> Question:
    """Return the question a query string asks; whatever it holds, it never fails for it.

    Args:
        store: the published data.
        scope: who asks.
        search: the query string, from the browser: anything at all.

    Raises:
        NothingPublishedError: there is no data yet.
    """
    parsed = from_search(search if isinstance(search, str) else None, INDICATORS)
    problems = list(parsed.problems)
    if search is not None and not isinstance(search, str):
        problems.append("筛选条件不是文字，未采用")
    filters = parsed.filters
    current = store.current()
    snapshot = store.get(filters.version) if filters.version else None
    if snapshot is None:
        snapshot = current
        if snapshot is None:
            raise NothingPublishedError
        if filters.version:
            problems.append(
                f"链接所指的数据版本 {filters.version} 已不在，现按 {snapshot.key} 显示"
            )
    every = names(snapshot)
    newest_asked = snapshot is current
    snapshot = seen_by(snapshot, scope)
    known = names(snapshot)
    filters, hidden = _without_hidden(filters, every, known)
    problems += hidden
    filters, unknown = known_codes(filters, {name: frozenset(known[name]) for name in DIMENSIONS})
    problems += unknown
    cutoff = snapshot.cutoff.date()
    newest = rules_in_force(snapshot.rule_sets, cutoff)
    if newest_asked:
        # A link made from here must not hold on to this version when the next one comes.
        filters = filters.narrowed(version="")
    period = None
    if filters.period:
        try:
            period = parse_period(filters.period, cutoff, newest.period_first_day)
        except PeriodError as error:
            problems.append(str(error))
            filters = filters.narrowed(period="")
    if period is None:
        period = default_period(snapshot, newest)
    rules = rules_in_force(snapshot.rule_sets, period.window.end)
    resolved = _within(filters, snapshot, scope).narrowed(period=period.key, version=snapshot.key)
    return Question(snapshot, filters, resolved, period, rules, tuple(problems))


def default_period(snapshot: Snapshot, rules: Rules) -> Period:
    """Return the newest finished and mature 考核期, else the newest with cases, else the newest.

    A leader who opens the page must not be shown rates that will still move; the running period
    is one click away.
    """
    return snapshot.cached(("default_period", rules.version), lambda: _default(snapshot, rules))


def _default(snapshot: Snapshot, rules: Rules) -> Period:
    cutoff = snapshot.cutoff.date()
    first = cutoff - dt.timedelta(days=130)
    recent = recent_periods("assess", cutoff, first, rules.period_first_day)
    rows = counts_by_window(
        snapshot,
        CITY,
        Filters(),
        tuple((period.key, period.window) for period in recent),
        "district",
    )
    with_cases: list[Period] = []
    for period in recent:
        counts = of_window(rows, period.key)
        cases = counts["cases"].sum()
        if not cases:
            continue
        with_cases.append(period)
        if period.finished and counts["mature"].sum() >= rules.mature_share * cases:
            return period
    if with_cases:
        return next((period for period in with_cases if period.finished), with_cases[0])
    return parse_period(
        period_key("assess", cutoff, rules.period_first_day), cutoff, rules.period_first_day
    )
