"""Small pictures for cards, tiles and tables: inline SVG, since Dash has no elements for it.

An ``img`` would make the browser open a document for each, a millisecond apiece. Colours are fixed
in the picture; the style sheet inverts it on the dark wall. No text inside, and no ids, which
would be there once per picture. The label says what the picture shows.
"""

from __future__ import annotations

import math
from html import escape

import numpy as np
import pandas as pd

from components.axes import spark_window
from components.formatting import interval_text, value_text, week_text
from components.plain import Html
from domain.comparison import Weeks
from domain.metrics import Metric

_INK = "#42505f"
_ACCENT = "#17457f"
_PALE = "#8d98a5"
_RULE = "#d3d9e0"
_PAD = 4.0


def svg_image(
    parts: list[str], width: int, height: int, alt: str, class_name: str, fit: str = "none"
) -> Html:
    """Return a small picture of SVG parts with the words that stand for it.

    Args:
        parts: elements, without text and ids.
        width: in pixels, where the style sheet says nothing.
        height: in pixels, as well.
        alt: what it shows.
        class_name: for the style sheet.
        fit: ``preserveAspectRatio``, where the style sheet gives another shape; by default it is
            stretched to that.
    """
    return Html(
        f'<svg class="{class_name}" role="img" aria-label="{escape(alt)}" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'preserveAspectRatio="{fit}">{"".join(parts)}</svg>'
    )


def _text(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _hatch(left: float, right: float, height: int) -> str:
    """Return a hatched field: what lies in it is unfinished."""
    # Where the lines, all at 45°, would meet the upper edge of the picture.
    starts = [float(start) for start in np.arange(left, right + height, 4 * math.sqrt(2))]
    lines = [
        f"M{_text(start - top)} {_text(top)}L{_text(start - bottom)} {_text(bottom)}"
        for start in starts
        for top, bottom in [(max(0.0, start - right), min(float(height), start - left))]
    ]
    return (
        f'<path class="hatch" d="{"".join(lines)}" stroke="{_PALE}" stroke-width="1.2" '
        'opacity=".55"/>'
    )


def sparkline(
    weekly: pd.DataFrame | Weeks,
    metric: Metric,
    width: int = 104,
    height: int = 28,
    fit: str = "none",
) -> Html:
    """Return the course of an indicator over some weeks, the unfinished tail hatched.

    A rate or score is a line, its last mature week marked, on a stretch of axis of the same
    length for all places (``components.axes``); a count is bars from zero on its own scale.

    Args:
        weekly: one row per week, oldest first: ``week_start``, ``week_end`` (date), ``value``
            (float, NaN is a gap), ``mature`` (bool).
        metric: the indicator.
        width: in pixels.
        height: in pixels.
        fit: as of ``svg_image``.
    """
    alt = _course(weekly, metric)
    values = [float(value) for value in weekly["value"]]
    if not values or all(math.isnan(value) for value in values):
        rule = f'<path d="M0 {height / 2}H{width}" stroke="{_RULE}" stroke-dasharray="2 3"/>'
        return svg_image([rule], width, height, alt, "spark", fit)
    # The tail: every week after the last mature one.
    mature = [bool(each) for each in weekly["mature"]]
    tail = max((place + 1 for place, each in enumerate(mature) if each), default=0)
    draw = _bars if metric.kind in ("count", "ratio") else _line
    return svg_image(draw(values, tail, metric, width, height), width, height, alt, "spark", fit)


def _line(values: list[float], tail: int, metric: Metric, width: int, height: int) -> list[str]:
    low, high = spark_window(metric, values[:tail] or values)
    step = (width - 2 * _PAD) / max(1, len(values) - 1)

    def x(place: float) -> float:
        return _PAD + step * place

    def y(value: float) -> float:
        part = (min(max(value, low), high) - low) / (high - low)
        return _PAD + (1 - part) * (height - 2 * _PAD)

    def path(start: int, stop: int) -> str:
        commands, pen = [], "M"
        for place in range(start, stop):
            if math.isnan(values[place]):
                pen = "M"
                continue
            commands.append(f"{pen}{_text(x(place))} {_text(y(values[place]))}")
            pen = "L"
        return "".join(commands)

    parts = [f'<path d="M0 {height - 0.5}H{width}" stroke="{_RULE}"/>']
    if tail < len(values):
        parts.append(_hatch(max(0.0, x(tail - 0.5)), width, height))
        parts.append(
            f'<path d="{path(max(0, tail - 1), len(values))}" fill="none" stroke="{_PALE}" '
            'stroke-width="1.4" stroke-dasharray="2.5 2.5"/>'
        )
    parts.append(
        f'<path d="{path(0, tail)}" fill="none" stroke="{_INK}" stroke-width="1.5" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )
    known = [place for place in range(tail) if not math.isnan(values[place])]
    if known:
        last = known[-1]
        parts.append(
            f'<circle cx="{_text(x(last))}" cy="{_text(y(values[last]))}" r="2.8" '
            f'fill="{_ACCENT}"/>'
        )
    return parts


def _bars(values: list[float], tail: int, metric: Metric, width: int, height: int) -> list[str]:
    most = max((value for value in values if not math.isnan(value)), default=0) or 1.0
    step = width / len(values)
    parts = []
    if tail < len(values):
        parts.append(_hatch(step * tail, width, height))
    before: list[str] = []
    last: list[str] = []
    unfinished: list[str] = []
    for place, value in enumerate(values):
        if math.isnan(value) or value <= 0:
            continue
        tall = max(1.0, value / most * (height - 3))
        bar = (
            f"M{_text(step * place + step * 0.16)} {_text(height - 1 - tall)}"
            f"h{_text(step * 0.68)}v{_text(tall)}h{_text(-step * 0.68)}z"
        )
        (before if place < tail - 1 else last if place < tail else unfinished).append(bar)
    looks = {
        f'fill="{_PALE}"': before,
        f'fill="{_ACCENT}"': last,
        f'fill="none" stroke="{_INK}" stroke-dasharray="2 1.5"': unfinished,
    }
    parts += [f'<path d="{"".join(bars)}" {look}/>' for look, bars in looks.items() if bars]
    parts.append(f'<path d="M0 {height - 0.5}H{width}" stroke="{_INK}"/>')
    return parts


def _course(weekly: pd.DataFrame | Weeks, metric: Metric) -> str:
    """Return the course in words: first and last mature week, range, what is not finished."""
    weeks = list(
        zip(
            weekly["week_start"],
            weekly["week_end"],
            weekly["value"].tolist(),
            weekly["mature"].tolist(),
            strict=True,
        )
    )
    ripe = [week for week in weeks if week[3] and not math.isnan(week[2])]
    unripe = sum(not week[3] for week in weeks)
    tail = f"；另有{unripe}周未成熟" if unripe else ""
    if not ripe:
        return f"{metric.name}近{len(weeks)}周：尚无成熟的数据{tail}"
    told = [
        f"{week_text(start, end)}为{value_text(metric, value)}"
        for start, end, value, _ in (ripe[0], ripe[-1])
    ]
    course = told[0] if len(ripe) == 1 else f"{told[0]}，至{told[1]}"
    values = [week[2] for week in ripe]
    span = f"最低{value_text(metric, min(values))}，最高{value_text(metric, max(values))}"
    return f"{metric.name}近{len(weeks)}周：{course}；{span}{tail}"


def interval_bar(
    metric: Metric,
    value: float,
    low: float,
    high: float,
    city: float = float("nan"),
    axis: tuple[float, float] | None = None,
    width: int = 132,
    height: int = 18,
) -> Html:
    """Return a dot with its 95 % interval on a fixed axis, and the whole city as a dashed line.

    Args:
        metric: the indicator.
        value: the estimate; NaN draws the axis alone.
        low: lower bound of the interval.
        high: upper bound.
        city: value of the whole; NaN draws no line.
        axis: bounds of the axis, the same for every row of a table; None takes the indicator's.
        width: in pixels.
        height: in pixels.
    """
    left, right = axis or metric.axis

    def x(point: float) -> float:
        part = (min(max(point, left), right) - left) / (right - left)
        return _PAD + part * (width - 2 * _PAD)

    middle = height / 2
    parts = [f'<path d="M0 {middle}H{width}" stroke="{_RULE}"/>']
    if not math.isnan(city):
        parts.append(
            f'<path d="M{_text(x(city))} 0V{height}" stroke="{_PALE}" stroke-width="1.5" '
            'stroke-dasharray="3 2"/>'
        )
    if math.isnan(value):
        alt = f"{metric.name}：无数据"
        return svg_image(parts, width, height, alt, "spark")
    if not (math.isnan(low) or math.isnan(high)):
        parts.append(
            f'<path d="M{_text(x(low))} {middle}H{_text(x(high))}M{_text(x(low))} {middle - 4}v8'
            f'M{_text(x(high))} {middle - 4}v8" stroke="{_INK}" stroke-width="1.6" fill="none"/>'
        )
    parts.append(f'<circle cx="{_text(x(value))}" cy="{middle}" r="3.2" fill="{_ACCENT}"/>')
    alt = f"{metric.name}{value_text(metric, value)}，区间{interval_text(metric, low, high)}"
    if not math.isnan(city):
        alt += f"，汇总{value_text(metric, city)}"
    return svg_image(parts, width, height, alt, "spark")
