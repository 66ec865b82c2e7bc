"""The registry of indicators (口径): the only place where a rate is computed.

An indicator turns a frame of counts (columns ``domain.outcomes.COUNT_COLUMNS``, one row per
group) into estimates: value, n, 95 % interval. Values are fractions 0–1 (综合成绩: 0–100);
0/0 is NaN. Group rates are Σ numerator / Σ denominator: sum the counts, then call ``estimate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy import special

from domain.outcomes import COUNT_COLUMNS, COUNT_INDEX
from domain.rules import Rules

Z = float(special.ndtri(0.975))
Better = Literal["higher", "lower", "neutral"]
MetricKind = Literal["count", "rate", "score", "ratio"]

Counts: TypeAlias = pd.DataFrame
# The columns of a frame of counts as float64 arrays.
Columns: TypeAlias = Mapping[str, np.ndarray]
# Numerator and denominator of a rate; the numerator may carry fractional credit.
_Sums = Callable[[Columns, Rules], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Metric:
    """One indicator: how it is computed and every word the screen needs to define it."""

    key: str
    name: str
    kind: MetricKind
    unit: str
    better: Better
    numerator: str
    denominator: str
    n_words: str
    note: str
    sums: _Sums
    # Σ of squared per-case scores, for scores that are not yes/no; None: Wilson applies.
    squares: Callable[[Columns, Rules], np.ndarray] | None = None
    # Which cases must be mature before the value may be compared.
    needs_maturity: bool = True
    # The axis of charts: fixed from week to week.
    axis: tuple[float, float] = (0.0, 1.0)


def _weights(rules: Rules) -> tuple[float, float, float, float, float]:
    """Return the score of a case for: contacted, resolved, partly, satisfied, basically."""
    return (
        rules.weight_response,
        rules.weight_resolution,
        rules.weight_resolution * rules.partly_resolved_credit,
        rules.weight_satisfaction,
        rules.weight_satisfaction * rules.basic_satisfied_credit,
    )


def _composite_sums(counts: Columns, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    contacted, resolved, partly, satisfied, basically = _weights(rules)
    score = (
        contacted * counts["contacted"]
        + resolved * counts["resolved"]
        + partly * counts["partly_resolved"]
        + satisfied * counts["satisfied"]
        + basically * counts["basically_satisfied"]
    )
    return 100 * score, counts["revisits"]


def _composite_squares(counts: Columns, rules: Rules) -> np.ndarray:
    """Return Σ score², exact: resolved and partly, satisfied and basically exclude each other."""
    contacted, resolved, partly, satisfied, basically = _weights(rules)
    squares = (
        contacted**2 * counts["contacted"]
        + resolved**2 * counts["resolved"]
        + partly**2 * counts["partly_resolved"]
        + satisfied**2 * counts["satisfied"]
        + basically**2 * counts["basically_satisfied"]
        + 2 * contacted * resolved * counts["contacted_resolved"]
        + 2 * contacted * partly * counts["contacted_partly_resolved"]
        + 2 * contacted * satisfied * counts["contacted_satisfied"]
        + 2 * contacted * basically * counts["contacted_basically_satisfied"]
        + 2 * resolved * satisfied * counts["resolved_satisfied"]
        + 2 * resolved * basically * counts["resolved_basically_satisfied"]
        + 2 * partly * satisfied * counts["partly_resolved_satisfied"]
        + 2 * partly * basically * counts["partly_resolved_basically_satisfied"]
    )
    return 100**2 * squares


_METRICS = (
    Metric(
        "volume", "诉求量", "count", "件", "neutral",
        "创建于本期的诉求工单", "—", "受理",
        "咨询当场答复的不计；按创建时间归期",
        lambda counts, rules: (counts["cases"], np.ones_like(counts["cases"])),
        needs_maturity=False,
    ),
    Metric(
        "response", "响应率", "rate", "%", "higher",
        "联系 = 是", "有效回访", "有效回访",
        "回访未接通、拒答、尚未回访的不进分母",
        lambda counts, rules: (counts["contacted"], counts["revisits"]),
        axis=(0.9, 1.0),
    ),
    Metric(
        "resolution", "解决率", "rate", "%", "higher",
        "解决 = 是（部分解决按规则折算）", "有效回访", "有效回访",
        "回访未接通、拒答、尚未回访的不进分母",
        lambda counts, rules: (
            counts["resolved"] + rules.partly_resolved_credit * counts["partly_resolved"],
            counts["revisits"],
        ),
        squares=lambda counts, rules: (
            counts["resolved"] + rules.partly_resolved_credit**2 * counts["partly_resolved"]
        ),
        axis=(0.6, 1.0),
    ),
    Metric(
        "satisfaction", "满意率", "rate", "%", "higher",
        "满意 + 折算 × 基本满意", "有效回访", "有效回访",
        "与解决是两个问题，满意率高于解决率属正常",
        lambda counts, rules: (
            counts["satisfied"] + rules.basic_satisfied_credit * counts["basically_satisfied"],
            counts["revisits"],
        ),
        squares=lambda counts, rules: (
            counts["satisfied"] + rules.basic_satisfied_credit**2 * counts["basically_satisfied"]
        ),
        axis=(0.6, 1.0),
    ),
    Metric(
        "composite", "综合成绩", "score", "分", "higher",
        "100 ×（权重 × 三率）之和", "有效回访", "有效回访",
        "三率同一分母，综合成绩即每件得分的平均，误差由应答组合精确算出",
        _composite_sums,
        squares=_composite_squares,
        axis=(60.0, 100.0),
    ),
    Metric(
        "on_time", "按时办结率", "rate", "%", "higher",
        "在办理期限内办结", "已办结（知道是否按时）+ 逾期未办", "到期应办",
        "逾期未办的进分母，挂账期内的不算逾期",
        lambda counts, rules: (
            counts["on_time"],
            counts["on_time"] + counts["late"] + counts["overdue"],
        ),
        needs_maturity=False,
        axis=(0.6, 1.0),
    ),
    Metric(
        "revisit_rate", "有效回访率", "rate", "%", "neutral",
        "有效回访", "受理的诉求", "受理",
        "分母收缩会抬高三率，故单列监测",
        lambda counts, rules: (counts["revisits"], counts["cases"]),
    ),
    Metric(
        "overdue_rate", "逾期未办率", "rate", "%", "lower",
        "截至数据截止日已过期限、仍未办结", "受理的诉求", "受理",
        "挂账期内的不算逾期",
        lambda counts, rules: (counts["overdue"], counts["cases"]),
        needs_maturity=False,
    ),
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.key: metric for metric in _METRICS}
# What a user may choose for maps, tables and lists.
INDICATORS = ("resolution", "satisfaction", "response", "composite", "on_time", "volume")
HEADLINE = ("volume", "response", "resolution", "satisfaction", "on_time")


def estimate(counts: Counts, metric: Metric, rules: Rules) -> pd.DataFrame:
    """Return one estimate per row of counts, same index.

    Columns, all float64: ``value`` (fraction; 综合成绩 0–100; a count as it is), ``n`` (the
    denominator; of a count the count), ``low`` and ``high`` (95 % interval; equal to the value
    for a count). A row with n = 0 has NaN but for n. low ≤ value ≤ high, the ends of the scale
    included. Wilson for yes/no answers; for scores between, at either end what reaches farther:
    the mean's own error, or Wilson's interval with the variance of the scores.
    """
    return pd.DataFrame(estimated(columns_of(counts), metric, rules), index=counts.index)


def columns_of(counts: Counts) -> Columns:
    """Return the counts as float64 arrays by column, for several calls of ``estimated``."""
    if counts.columns is not COUNT_INDEX:
        counts = counts[COUNT_INDEX]
    values = counts.to_numpy(dtype="float64")
    return dict(zip(COUNT_COLUMNS, values.T, strict=True))


def estimated(columns: Columns, metric: Metric, rules: Rules) -> dict[str, np.ndarray]:
    """Return the columns of ``estimate`` as arrays; a frame per call would cost more than it."""
    numerator, denominator = metric.sums(columns, rules)
    if metric.kind == "count":
        return dict.fromkeys(("value", "n", "low", "high"), numerator)
    n = np.where(denominator > 0, denominator, np.nan)
    scale = 100.0 if metric.kind == "score" else 1.0
    share = numerator / n / scale
    # Weights that add up to 1 do so but for the last digit: all yes is the whole.
    share = np.where(share >= 1 - 1e-12, 1.0, share)
    variance = share * (1 - share)
    squares = metric.squares(columns, rules) if metric.squares else None
    if squares is not None:
        variance = np.maximum(squares / n / scale**2 - share**2, 0)
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(variance / n + Z**2 / (4 * n**2))
    low, high = centre - half, centre + half
    if squares is not None:
        # Scores between: their own error alone claims too much of a few cases that nearly all
        # score the same, Wilson's alone draws a small variance too far inwards. Whichever reaches
        # farther; for yes/no Wilson's, by row: it does not depend on the groups beside it.
        own = Z * np.sqrt(variance / n)
        if metric.kind == "rate":
            own = np.where(np.isclose(squares, numerator), 0.0, own)
        low, high = np.minimum(low, share - own), np.maximum(high, share + own)
    # Within the scale, and around the value to the last digit.
    return {
        "value": share * scale,
        "n": denominator,
        "low": np.minimum(np.maximum(low, 0), share) * scale,
        "high": np.maximum(np.minimum(high, 1), share) * scale,
    }


def total(counts: Counts) -> Counts:
    """Return a one-row frame of the summed counts; zeros for no rows."""
    if counts.columns is not COUNT_INDEX:
        counts = counts[COUNT_INDEX]
    summed = counts.to_numpy().sum(axis=0, keepdims=True)
    return pd.DataFrame(summed, columns=COUNT_INDEX)


def mature_share(counts: Counts) -> pd.Series:
    """Return the share of mature cases per row; NaN where there are no cases."""
    return pd.Series(_shares(columns_of(counts)), index=counts.index)


def _shares(columns: Columns) -> np.ndarray:
    cases = columns["cases"]
    shares: np.ndarray = columns["mature"] / np.where(cases > 0, cases, np.nan)
    return shares


Direction = Literal["up", "down", "flat", "withheld"]
DIRECTION_WORDS: dict[Direction, str] = {
    "up": "上升",
    "down": "下降",
    "flat": "持平",
    "withheld": "不作比较",
}


@dataclass(frozen=True)
class Change:
    """A change from one window to another.

    ``amount``: of a rate in percentage points (0.7 = 0.7 个百分点), of 综合成绩 in points, of a
    count in percent of the daily average; NaN when there is nothing to compare. ``direction`` is
    "flat" when the difference is within the noise, "withheld" with a ``reason`` when no
    comparison is fair. ``z``: the difference in standard errors.
    """

    amount: float
    direction: Direction
    reason: str = ""
    z: float = float("nan")


def change(
    metric: Metric,
    now: Counts,
    before: Counts,
    rules: Rules,
    days: tuple[int, int] = (1, 1),
) -> list[Change]:
    """Return the change of an indicator per row, from ``before`` to ``now`` (same length).

    Args:
        metric: the indicator.
        now: counts of the period.
        before: counts of what it is compared with.
        rules: minimum sample, maturity and dispersion.
        days: days of the two windows; counts are compared by daily average.
    """
    columns = columns_of(now)
    new = estimated(columns, metric, rules)
    old = estimated(columns_of(before), metric, rules)
    if metric.kind == "count":
        return [
            _count_change(count, base, rules, days)
            for count, base in zip(new["n"], old["n"], strict=True)
        ]
    amounts = (new["value"] - old["value"]) * (1.0 if metric.kind == "score" else 100.0)
    z_values = _difference_z(new, old)
    shares = _shares(columns)
    changes = []
    for row, (n, base) in enumerate(zip(new["n"], old["n"], strict=True)):
        reason = ""
        if not n or not base:
            reason = f"{'对比期' if n else '本期'}无{metric.n_words}"
        elif min(n, base) < rules.minimum_revisits:
            reason = f"样本不足{rules.minimum_revisits}件"
        elif metric.needs_maturity and shares[row] < rules.mature_share:
            reason = "本期诉求尚未成熟"
        if reason:
            changes.append(Change(float("nan"), "withheld", reason))
        else:
            z = float(z_values[row])
            changes.append(Change(float(amounts[row]), _direction(z), z=z))
    return changes


def _direction(z: float) -> Direction:
    if abs(z) < Z:
        return "flat"
    return "up" if z > 0 else "down"


def _difference_z(new: Columns, old: Columns) -> np.ndarray:
    """Return the difference of estimates in standard errors, row by row; 0 where undefined.

    The error of the difference comes from the two intervals (Newcombe's method), which need not
    be symmetric: the halves that face each other count.
    """
    value, base = new["value"], old["value"]
    rise = np.hypot(value - new["low"], old["high"] - base)
    fall = np.hypot(new["high"] - value, base - old["low"])
    difference = value - base
    half = np.where(difference >= 0, rise, fall)
    ratio = np.divide(difference, half, where=half > 0, out=np.zeros_like(half))
    z_values: np.ndarray = np.nan_to_num(ratio * Z)
    return z_values


def _count_change(now: float, before: float, rules: Rules, days: tuple[int, int]) -> Change:
    if before <= 0 or min(days) <= 0:
        return Change(float("nan"), "withheld", "对比期无数据")
    ratio = (now / days[0]) / (before / days[1])
    # Quasi-Poisson error of the log ratio; complaints come in waves, not one by one.
    error = np.sqrt(rules.volume_dispersion * (1 / max(now, 1) + 1 / before))
    z = float(np.log(max(ratio, 1e-9)) / error)
    return Change(float((ratio - 1) * 100), _direction(z), z=z)


Standing = Literal["above", "level", "below", "insufficient", "immature", "neutral"]


def standings(counts: Counts, metric: Metric, rules: Rules) -> list[Standing]:
    """Return per row how it stands against the rest of the rows together, by interval.

    Against the rest, not the whole: a large district is part of the whole it is compared with.
    """
    if metric.kind == "count":
        return ["neutral"] * len(counts)
    columns = columns_of(counts)
    own = estimated(columns, metric, rules)
    rest = estimated({name: each.sum() - each for name, each in columns.items()}, metric, rules)
    z_values = _difference_z(own, rest)
    shares = _shares(columns)
    result: list[Standing] = []
    for n, rest_n, z, share in zip(own["n"], rest["n"], z_values, shares, strict=True):
        if n < rules.minimum_revisits:
            result.append("insufficient")
        elif metric.needs_maturity and share < rules.mature_share:
            result.append("immature")
        elif not rest_n or abs(z) < Z:
            result.append("level")
        else:
            result.append("above" if z > 0 else "below")
    return result


def broken_identities(counts: Mapping[str, int]) -> list[str]:
    """Return which identities a summed row of counts breaks, in Chinese; empty when sound."""
    broken = []
    open_cases = counts["cases"] - counts["closed"]
    if open_cases < 0:
        broken.append("办结多于受理")
    if counts["overdue"] > open_cases:
        broken.append("逾期未办多于在办")
    if counts["on_time"] + counts["late"] > counts["closed"]:
        broken.append("按时与超时办结之和多于办结")
    if counts["resolved"] + counts["partly_resolved"] > counts["revisits"]:
        broken.append("解决多于有效回访")
    if counts["satisfied"] + counts["basically_satisfied"] > counts["revisits"]:
        broken.append("满意多于有效回访")
    return broken
