"""为何靠后: a unit's gap to the city, split exactly by indicator and category.

Each category of complaints adds two parts. Performance: how much better or worse the unit does
than the city with the same kind of complaint. Mix: how much its complaints are of kinds that go
better or worse in the whole city. Both are in the unit of the indicator (a fraction; of 综合成绩
points), and together they are the gap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from domain.comparison import aligned
from domain.metrics import METRICS, Columns, Counts, Metric, columns_of
from domain.rules import Rules

COLUMNS = ("component", "code", "n", "value", "city_value", "mix", "performance", "total")
# What stands for the category of all that is too small for a bar of its own.
OTHER = "其他"


def _components(metric: Metric, rules: Rules) -> list[tuple[Metric, float]]:
    """Return the rates that the indicator is the weighted sum of."""
    if metric.key != "composite":
        return [(metric, 1.0)]
    return [
        (METRICS["response"], 100 * rules.weight_response),
        (METRICS["resolution"], 100 * rules.weight_resolution),
        (METRICS["satisfaction"], 100 * rules.weight_satisfaction),
    ]


def decomposed(unit: Counts, city: Counts, metric: Metric, rules: Rules) -> pd.DataFrame:
    """Return the parts of value(unit) − value(city), largest in size first; Σ ``total`` is the gap.

    Args:
        unit: ``code`` (category) and counts, one row per code. Cases of no known category need a
            row, with a code of its own, or the sum is not that of the unit.
        city: the same of the whole to compare with.
        metric: the composite or a rate.
        rules: weights and credits.

    A row is a component × category that has cases in the unit or the city. Columns:
    ``component`` (key of METRICS: the three rates for the composite, else the indicator itself),
    ``code``, ``n`` (the unit's denominator in the category), ``value`` and ``city_value`` (the
    rate of the component there, NaN without cases), ``mix``, ``performance``, ``total`` (in units
    of the indicator, weighted). No rows when the unit or the city has no denominator: there is no
    gap then.

    With shares s of the categories in the denominator and rates r, the city's rate being R:
    performance = s_unit (r_unit − r_city), mix = (s_unit − s_city) (r_city − R). Mix is against
    R, so that a category as good as the city moves nothing however large it is. A category that
    the unit lacks has mix alone; one that the city lacks counts as of rate R, performance alone.

    Source: Kitagawa, Journal of the American Statistical Association 50 (1955), 1168–1194, with
    the city as the standard in place of the mean of both: performance is then told at the unit's
    own cases, and there is no third part.

    Raises:
        ValueError: the indicator is a count, or a code is missing or comes twice.
    """
    if metric.kind == "count":
        raise ValueError(f"{metric.key} is no rate")
    for rows in (unit, city):
        if rows["code"].isna().any() or rows["code"].duplicated().any():
            raise ValueError("a category without a code, or twice")
    codes = list(dict.fromkeys([*city["code"], *unit["code"]]))
    groups = pd.DataFrame({"code": codes})
    own, whole = columns_of(aligned(unit, groups)), columns_of(aligned(city, groups))
    parts = [
        _component(own, whole, component, weight, rules).assign(code=codes)
        for component, weight in _components(metric, rules)
    ]
    split = pd.concat(parts, ignore_index=True)
    held = split["n"] > 0
    known = split["city_value"].notna()
    split = split[held | known] if held.any() and known.any() else split.iloc[:0]
    order = np.argsort(-split["total"].abs().to_numpy(), kind="stable")
    return split.iloc[order][list(COLUMNS)].reset_index(drop=True)


def _component(
    own: Columns, whole: Columns, metric: Metric, weight: float, rules: Rules
) -> pd.DataFrame:
    """Return the parts of one rate, one row per category; parts are NaN without denominators."""
    total, n = metric.sums(own, rules)
    city_total, city_n = metric.sums(whole, rules)
    value, city_value = _rates(total, n), _rates(city_total, city_n)
    mean = _rates(city_total.sum(), city_n.sum())
    share, city_share = _rates(n, n.sum()), _rates(city_n, city_n.sum())
    standard = np.where(city_n > 0, city_value, mean)
    mix = weight * (share - city_share) * (standard - mean)
    performance = weight * share * (np.where(n > 0, value, standard) - standard)
    return pd.DataFrame(
        {
            "component": metric.key,
            "n": n,
            "value": value,
            "city_value": city_value,
            "mix": mix,
            "performance": performance,
            "total": mix + performance,
        }
    )


def _rates(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    rates: np.ndarray = numerator / np.where(denominator > 0, denominator, np.nan)
    return rates


def folded(parts: pd.DataFrame, keep: int) -> pd.DataFrame:
    """Return the ``keep`` largest parts and one row of all others, with the same sums.

    The last row has ``component`` "", ``code`` ``OTHER``, the sums of ``mix``, ``performance``
    and ``total``, and NaN for the rest. A single part left over keeps its own name.
    """
    if len(parts) <= keep + 1:
        return parts
    rest = parts.iloc[keep:]
    other = pd.DataFrame([{"component": "", "code": OTHER, "n": float("nan")}])
    other = other.assign(value=float("nan"), city_value=float("nan"))
    for name in ("mix", "performance", "total"):
        other[name] = rest[name].sum()
    return pd.concat([parts.iloc[:keep], other[list(COLUMNS)]], ignore_index=True)
