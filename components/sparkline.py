"""Small pictures for cards, tiles and tables: SVG in an ``img``, since Dash has no inline SVG.

Colours are fixed in the picture; the style sheet inverts it on the dark wall. No text inside:
an ``img`` cannot use the page's fonts. The alt text says what the picture shows.
"""

from __future__ import annotations

import math
from urllib.parse import quote

import pandas as pd
from dash import html

from components.axes import spark_window
from components.formatting import interval_text, value_text, week_text
from domain.comparison import Weeks
from domain.metrics import Metric

_INK = "#42505f"
_ACCENT = "#17457f"
_PALE = "#8d98a5"
_RULE = "#d3d9e0"
_PAD = 4.0


def svg_image(parts: list[str], width: int, height: int, alt: str, class_name: str) -> html.Img:
    """Return a small picture of SVG parts with the words that stand for it."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
    return html.Img(
        src="data:image/svg+xml," + quote(svg, safe=" =:/'(),;"),
        width=width,
        height=height,
        alt=alt,
        className=class_name,
    )


def _text(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _hatch(left: float, right: float, height: int) -> str:
    """Return a hatched field: what lies in it is unfinished."""
    return (
        '<pattern id="h" width="4" height="4" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)">'
        f'<path d="M0 0V4" stroke="{_PALE}" stroke-width="1.2"/></pattern>'
        f'<rect x="{_text(left)}" y="0" width="{_text(right - left)}" height="{height}" '
        'fill="url(#h)" opacity=".55"/>'
    )


def sparkline(
    weekly: pd.DataFrame | Weeks, metric: Metric, width: int = 104, height: int = 28
) -> html.Img:
    """Return the course of an indicator over some weeks, the unfinished tail hatched.

    A rate or score is a line, its last mature week marked, on a stretch of axis of the same
    length for all places (``components.axes``); a count is bars from zero on its own scale.

    Args:
        weekly: one row per week, oldest first: ``week_start``, ``week_end`` (date), ``value``
            (float, NaN is a gap), ``mature`` (bool).
        metric: the indicator.
        width: in pixels.
        height: in pixels.
    """
    alt = _course(weekly, metric)
    values = [float(value) for value in weekly["value"]]
    if not values or all(math.isnan(value) for value in values):
        rule = f'<path d="M0 {height / 2}H{width}" stroke="{_RULE}" stroke-dasharray="2 3"/>'
        return svg_image([rule], width, height, alt, "spark")
    # The tail: every week after the last mature one.
    mature = [bool(each) for each in weekly["mature"]]
    tail = max((place + 1 for place, each in enumerate(mature) if each), default=0)
    draw = _bars if metric.kind in ("count", "ratio") else _line
    return svg_image(draw(values, tail, metric, width, height), width, height, alt, "spark")


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
    for place, value in enumerate(values):
        if math.isnan(value) or value <= 0:
            continue
        tall = max(1.0, value / most * (height - 3))
        left = step * place + step * 0.16
        look = f'fill="{_ACCENT if place == tail - 1 else _PALE}"'
        if place >= tail:
            look = f'fill="none" stroke="{_INK}" stroke-dasharray="2 1.5"'
        parts.append(
            f'<rect x="{_text(left)}" y="{_text(height - 1 - tall)}" '
            f'width="{_text(step * 0.68)}" height="{_text(tall)}" {look}/>'
        )
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
) -> html.Img:
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
