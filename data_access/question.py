"""A query string resolved against the published data: what a page needs to know before it asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from data_access.case_counts import Windows, counts_by_window
from data_access.store import Snapshot, Store
from domain.comparison import of_window
from domain.filters import (
    COMPARE_LABELS,
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
from domain.scope import Scope


class NothingPublishedError(Exception):
    """There is no published data yet."""


@dataclass(frozen=True)
class Question:
    """One question to one data version.

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
    reference = snapshot.reference
    frames = {
        "district": reference.districts,
        "subdistrict": reference.subdistricts,
        "topic": reference.topics,
        "category": reference.categories,
        "channel": reference.channels,
        "unit": reference.units,
    }
    return snapshot.cached(
        ("names",),
        lambda: {
            name: dict(zip(frame["code"], frame["name"], strict=True))
            for name, frame in frames.items()
        },
    )


def ask(store: Store, scope: Scope, search: object) -> Question:
    """Return the question a query string asks; whatever it holds, it never fails for it.

    Args:
        store: the published data.
        scope: who asks.
        search: the query string, from the browser: anything at all.

    Raises:
        NothingPublishedError: there is no data yet.
    """
    readable = isinstance(search, str)
    parsed = from_search(search if readable else None, INDICATORS)  # type: ignore[arg-type]
    problems = list(parsed.problems)
    if search is not None and not readable:
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
    known = names(snapshot)
    filters, unknown = known_codes(filters, {name: frozenset(known[name]) for name in DIMENSIONS})
    problems += unknown
    cutoff = snapshot.cutoff.date()
    newest = rules_in_force(snapshot.rule_sets, cutoff)
    if snapshot is current:
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
    resolved = filters.narrowed(period=period.key, version=snapshot.key)
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
        Scope(),
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
