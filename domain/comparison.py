"""Counts of several windows and groups laid side by side: what tables, maps and cards show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from domain.metrics import (
    METRICS,
    Change,
    Metric,
    change,
    estimate,
    mature_share,
    standings,
)
from domain.outcomes import COUNT_COLUMNS
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
    counts = rows.set_index("code")[list(COUNT_COLUMNS)]
    return counts.reindex(groups["code"], fill_value=0).reset_index(drop=True)


def of_window(rows: pd.DataFrame, window: str) -> pd.DataFrame:
    """Return the rows of one window."""
    return rows[rows["window"] == window].drop(columns="window").reset_index(drop=True)


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
    estimates = estimate(now, metric, rules)
    changes = {
        name: change(metric, now, counts, rules, (days, length))
        for name, (counts, length) in before.items()
    }
    return [
        Measured(
            metric,
            float(row.value),
            int(row.n),
            float(row.low),
            float(row.high),
            {name: listed[place] for name, listed in changes.items()},
        )
        for place, row in enumerate(estimates.itertuples(index=False))
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
    return weekly_by_group(rows.assign(code=""), [""], weeks, metric, rules)[0]


def weekly_by_group(
    rows: pd.DataFrame,
    codes: Sequence[str],
    weeks: Sequence[Window],
    metric: Metric,
    rules: Rules,
) -> list[pd.DataFrame]:
    """Return ``weekly_estimates`` of each group, in the order of ``codes``.

    Args:
        rows: counts with ``code`` and ``week_start``.
        codes: the groups.
        weeks: Mon–Sun, the newest possibly cut at the data cut-off.
        metric: the indicator.
        rules: maturity.
    """
    starts = [week.start for week in weeks]
    counts = (
        rows.groupby(["code", "week_start"])[list(COUNT_COLUMNS)]
        .sum()
        .reindex(pd.MultiIndex.from_product([list(codes), starts]), fill_value=0)
    )
    points = estimate(counts, metric, rules).reset_index(drop=True)
    points.insert(0, "week_start", starts * len(codes))
    points.insert(1, "week_end", [week.end for week in weeks] * len(codes))
    over = [week.days == 7 for week in weeks] * len(codes)
    ripe = mature_share(counts).fillna(0).to_numpy() >= rules.mature_share
    points["mature"] = np.array(over) & (ripe | (not metric.needs_maturity))
    size = len(starts)
    return [
        points.iloc[place * size : (place + 1) * size].reset_index(drop=True)
        for place in range(len(codes))
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
    rows = groups.reset_index(drop=True).copy()
    for key, each in METRICS.items():
        points = estimate(now, each, rules)
        rows[f"{key}_value"], rows[f"{key}_n"] = points["value"], points["n"]
    chosen = estimate(now, metric, rules)
    for column in ("value", "n", "low", "high"):
        rows[column] = chosen[column]
    rows["standing"] = pd.Series(standings(now, metric, rules), dtype="object")
    if before is None:
        rows["change"] = pd.Series([None] * len(rows), dtype="object")
    else:
        rows["change"] = pd.Series(change(metric, now, before, rules, days), dtype="object")
    return rows


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


def last_mature_day(weekly: pd.DataFrame) -> dt.date | None:
    """Return the last day of the newest mature week; None when there is none."""
    ripe = weekly[weekly["mature"]]
    return None if ripe.empty else ripe["week_end"].iloc[-1]
