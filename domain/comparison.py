"""Counts of several windows and groups laid side by side: what tables, maps and cards show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from domain.metrics import (
    METRICS,
    Change,
    Columns,
    Metric,
    change,
    columns_of,
    estimated,
    standings,
    total,
)
from domain.outcomes import COUNT_COLUMNS, COUNT_INDEX
from domain.periods import Window
from domain.rules import Rules


@dataclass(frozen=True)
class Measured:
    """An indicator of one group: value, n, 95 % interval, changes by name (环比, 同比)."""

    metric: Metric
    value: float
    n: int
    low: float
    high: float
    changes: dict[str, Change]


def aligned(rows: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of each group in the order of ``groups``; zeros where it has none.

    Args:
        rows: counts with ``code``, at most one row per code.
        groups: frame with ``code``.
    """
    position = {code: row for row, code in enumerate(rows["code"])}
    counts = np.vstack(
        [rows[COUNT_INDEX].to_numpy(), np.zeros((1, len(COUNT_COLUMNS)), dtype="int64")]
    )
    # The row of zeros is the last one.
    order = [position.get(code, -1) for code in groups["code"]]
    return pd.DataFrame(counts[order], columns=COUNT_INDEX)


def of_window(rows: pd.DataFrame, window: str) -> pd.DataFrame:
    """Return the rows of one window."""
    found = np.flatnonzero(rows["window"].to_numpy() == window)
    # As counted they lie together, and a slice copies nothing.
    together = len(found) > 0 and found[-1] - found[0] + 1 == len(found)
    chosen = slice(found[0], found[-1] + 1) if together else found
    return rows.iloc[chosen].reset_index(drop=True)


def measured(
    metric: Metric,
    now: pd.DataFrame,
    before: dict[str, tuple[pd.DataFrame, int]],
    rules: Rules,
    days: int,
) -> list[Measured]:
    """Return an indicator per row of ``now``, with its change against each comparison.

    Args:
        metric: the indicator.
        now: counts, one row per group.
        before: name of the comparison → counts of the same groups, and days of its window.
        rules: the rule set of the period.
        days: days of the window of ``now``.
    """
    estimates = estimated(columns_of(now), metric, rules)
    changes = {
        name: change(metric, now, counts, rules, (days, length))
        for name, (counts, length) in before.items()
    }
    return [
        Measured(
            metric,
            value,
            int(n),
            low,
            high,
            {name: listed[place] for name, listed in changes.items()},
        )
        for place, (value, n, low, high) in enumerate(
            zip(*(estimates[name].tolist() for name in ("value", "n", "low", "high")), strict=True)
        )
    ]


def weekly_estimates(
    rows: pd.DataFrame, weeks: Sequence[Window], metric: Metric, rules: Rules
) -> pd.DataFrame:
    """Return an indicator week by week, one row per week, gaps included.

    Args:
        rows: counts with ``week_start``; several rows of one week are summed.
        weeks: Mon–Sun, the newest possibly cut at the data cut-off.
        metric: the indicator.
        rules: maturity.

    Columns: ``week_start``, ``week_end`` (date), ``value``, ``n``, ``low``, ``high`` (float64),
    ``mature`` (bool: the week is over and mature enough to be compared).
    """
    return pd.DataFrame(weeks_of_all(rows, weeks, metric, rules))


# Week by week, the columns of ``weekly_estimates`` as arrays: a frame takes longer to make.
Weeks: TypeAlias = Mapping[str, np.ndarray]


def weeks_of_all(
    rows: pd.DataFrame, weeks: Sequence[Window], metric: Metric, rules: Rules
) -> Weeks:
    """Return ``weekly_estimates`` as arrays."""
    return _weekly(rows, np.zeros(len(rows), dtype="intp"), 1, weeks, metric, rules)[0]


def weeks_by_group(
    rows: pd.DataFrame,
    codes: Sequence[str],
    weeks: Sequence[Window],
    metric: Metric,
    rules: Rules,
) -> list[Weeks]:
    """Return ``weekly_estimates`` of each group as arrays, in the order of ``codes``.

    Args:
        rows: counts with ``code`` and ``week_start``.
        codes: the groups.
        weeks: Mon–Sun, the newest possibly cut at the data cut-off.
        metric: the indicator.
        rules: maturity.
    """
    place = {code: position for position, code in enumerate(codes)}
    groups = np.array([place.get(code, -1) for code in rows["code"].tolist()], dtype="intp")
    return _weekly(rows, groups, len(codes), weeks, metric, rules)


def _weekly(
    rows: pd.DataFrame,
    groups: np.ndarray,
    number: int,
    weeks: Sequence[Window],
    metric: Metric,
    rules: Rules,
) -> list[Weeks]:
    """Return the weeks of so many groups; ``groups`` has that of each row, -1 for none."""
    week = {each.start: position for position, each in enumerate(weeks)}
    starts = np.array([week.get(start, -1) for start in rows["week_start"].tolist()], dtype="intp")
    counts = np.zeros((number, len(weeks), len(COUNT_COLUMNS)))
    kept = np.flatnonzero((groups >= 0) & (starts >= 0))
    if len(kept):
        # Sums of neighbours: to add row after row takes ten times as long.
        cells = groups[kept] * len(weeks) + starts[kept]
        order = np.argsort(cells, kind="stable")
        filled, first = np.unique(cells[order], return_index=True)
        added = np.add.reduceat(rows[COUNT_INDEX].to_numpy()[kept[order]], first, axis=0)
        counts.reshape(-1, len(COUNT_COLUMNS))[filled] = added
    columns = dict(zip(COUNT_COLUMNS, np.moveaxis(counts, 2, 0), strict=True))
    points = estimated(columns, metric, rules)
    over = np.array([each.days == 7 for each in weeks])
    cases = columns["cases"]
    ripe = columns["mature"] >= rules.mature_share * np.where(cases > 0, cases, np.inf)
    mature = over & (ripe | (not metric.needs_maturity))
    days = {
        "week_start": np.array([each.start for each in weeks], dtype="object"),
        "week_end": np.array([each.end for each in weeks], dtype="object"),
    }
    return [
        days
        | {name: values[position] for name, values in points.items()}
        | {"mature": mature[position]}
        for position in range(number)
    ]


def group_rows(
    groups: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame | None,
    indicator: str,
    rules: Rules,
    days: tuple[int, int],
) -> pd.DataFrame:
    """Return one row per group: every headline indicator, and standing and change of the chosen.

    Args:
        groups: ``code`` and ``name`` (and whatever else is to be kept), in the order to show.
        now: counts of the groups, same order.
        before: counts of the comparison, same order; None without one.
        indicator: the chosen indicator, key of METRICS.
        rules: the rule set of the period.
        days: days of the two windows.

    Columns: those of ``groups``; ``value``, ``n``, ``low``, ``high`` of the chosen indicator;
    ``standing`` (Standing); ``change`` (Change or None); and for every indicator
    ``<key>_value``, ``<key>_n`` (float64).
    """
    metric = METRICS[indicator]
    columns: dict[str, object] = {**_of_every_indicator(columns_of(now), metric, rules)}
    changes: list[Change | None] = [None] * len(groups)
    if before is not None:
        changes = [*change(metric, now, before, rules, days)]
    columns["standing"] = pd.Series(standings(now, metric, rules), dtype="object")
    columns["change"] = pd.Series(changes, dtype="object")
    return pd.concat([groups.reset_index(drop=True), pd.DataFrame(columns)], axis=1)


def _of_every_indicator(counted: Columns, metric: Metric, rules: Rules) -> dict[str, np.ndarray]:
    """Return ``<key>_value`` and ``<key>_n`` of every indicator, and all of the chosen one."""
    columns: dict[str, np.ndarray] = {}
    for key, each in METRICS.items():
        points = estimated(counted, each, rules)
        columns |= {f"{key}_value": points["value"], f"{key}_n": points["n"]}
        if each is metric:
            columns |= points
    return columns


def summed_row(name: str, counts: pd.DataFrame, indicator: str, rules: Rules) -> dict[str, Any]:
    """Return rows of counts taken together as a row of ``group_rows``, which stands nowhere."""
    columns = _of_every_indicator(columns_of(total(counts)), METRICS[indicator], rules)
    figures = {key: float(each[0]) for key, each in columns.items()}
    return {"code": "", "name": name, "change": None, **figures}


def per_ten_thousand(groups: pd.DataFrame, now: pd.DataFrame) -> pd.Series:
    """Return 万人诉求比 per district: cases per 10,000 residents, NaN where people are not known.

    A district whose people are counted in another's census figure (经开区 in 大兴区) has no
    ratio of its own; its cases are added to that other district, whose people include its own.

    Args:
        groups: ``code``, ``population`` (may be NA), ``counted_in`` (code or NA).
        now: counts, same order.
    """
    counted_in = groups["counted_in"].where(groups["counted_in"].notna(), groups["code"])
    cases = now["cases"].groupby(counted_in.to_numpy()).sum()
    people = pd.to_numeric(groups["population"], errors="coerce").astype("float64")
    own = groups["code"].map(cases).astype("float64")
    return (10_000 * own / people.where(people > 0)).where(groups["code"] == counted_in)
