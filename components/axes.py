"""Axes that stay the same from week to week, and still let a change be seen.

An axis is chosen from a few fixed ones, never fitted to the data: the same place looks the same
next Monday, and the same slope means the same change everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from domain.metrics import Metric


def stable_axis(metric: Metric, values: Iterable[float]) -> tuple[float, float]:
    """Return the narrowest of an indicator's axes that holds all values.

    The axes are the registered one, its halves, and the outer quarter at either end; values
    beyond the registered one are drawn at its edge.

    Args:
        metric: the indicator.
        values: everything that will be drawn on the axis, bounds of intervals too; NaN is left
            out. No value at all gives the whole axis.
    """
    low, high = metric.axis
    known = [min(max(value, low), high) for value in values if not math.isnan(value)]
    whole = high - low
    if not known:
        return low, high
    for part in (whole / 4, whole / 2):
        for bottom in (high - part, low):
            if bottom <= min(known) and max(known) <= bottom + part:
                return bottom, bottom + part
    return low, high


def spark_window(metric: Metric, values: Iterable[float]) -> tuple[float, float]:
    """Return the stretch of the axis that a sparkline shows.

    Its length is a quarter of the indicator's axis (10 points of a 60–100 axis), doubled where
    the values need more, so that equal slopes are equal changes from tile to tile; its place
    follows the values, whose level stands beside it as a number.
    """
    low, high = metric.axis
    known = sorted(value for value in values if not math.isnan(value))
    if not known:
        return low, high
    span = (high - low) / 4
    while known[-1] - known[0] > span:
        span *= 2
    bottom = known[len(known) // 2] - span / 2
    bottom = max(low, min(bottom, high - span))
    bottom = max(min(bottom, known[0]), known[-1] - span)
    return bottom, bottom + span
