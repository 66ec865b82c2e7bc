"""Weekly course of rates: one panel per rate, one time axis, the unfinished tail apart."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from components.axes import stable_axis
from components.figures.template import ACCENT, BAND, INK, PALE, SOFT, Figure, new_figure
from components.formatting import (
    DAY_TICKS,
    axis_ticks,
    count,
    interval_text,
    value_text,
    week_text,
)
from domain.metrics import METRICS

_GAP = 0.085
_HALF_WEEK = dt.timedelta(days=3, hours=12)
_WEEK_MS = 7 * 24 * 3600 * 1000


def rates_trend_figure(
    weekly: Mapping[str, pd.DataFrame],
    city: Mapping[str, pd.DataFrame] | None = None,
    city_name: str = "全市",
) -> Figure:
    """Return one panel per indicator, below each other, on one time axis.

    Each has its fixed axis, the 95 % interval as a light band, its last mature value as text, the
    unfinished weeks dashed on a hatched field, and the city in grey behind. Scatter and bar only.

    Args:
        weekly: key of an indicator → one row per week, oldest first: ``week_start``,
            ``week_end`` (date), ``value``, ``n``, ``low``, ``high`` (float), ``mature`` (bool).
        city: the same of the whole, when the figure is of a part; None for none.
        city_name: what the whole is called.
    """
    figure = new_figure()
    panels = len(weekly)
    for place, (key, frame) in enumerate(weekly.items()):
        suffix = "" if place == 0 else str(place + 1)
        size = (1 - _GAP * (panels - 1)) / panels
        top = 1 - place * (size + _GAP)
        behind = city.get(key) if city is not None else None
        axis = rates_axis(key, [frame] if behind is None else [frame, behind])
        heading = f"<b>{METRICS[key].name}</b>"
        if behind is not None:
            heading += f"  灰线为{city_name}"
        domain = (max(0.0, top - size), top)
        rate_panel(figure, key, frame, suffix, domain, axis, heading, last=place == panels - 1)
        if behind is not None:
            _behind(figure, behind, suffix, city_name)
        rate_lines(figure, key, frame, suffix, axis)
    return figure


def rates_axis(key: str, frames: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Return the axis of a panel; unfinished weeks have no say in it."""
    ripe = [frame.iloc[: unfinished_from(frame)] for frame in frames]
    drawn = [value for frame in ripe for value in frame["value"]]
    bounds = [bound for column in ("low", "high") for bound in ripe[0][column]]
    return stable_axis(METRICS[key], [*drawn, *bounds])


def middles(frame: pd.DataFrame) -> list[dt.datetime]:
    """Return the middle of every week: where it is drawn."""
    return [dt.datetime.combine(start, dt.time()) + _HALF_WEEK for start in frame["week_start"]]


def unfinished_from(frame: pd.DataFrame) -> int:
    """Return where the unfinished tail begins: after the last mature week."""
    return max((place + 1 for place, each in enumerate(frame["mature"]) if each), default=0)


def rate_panel(
    figure: Figure,
    key: str,
    frame: pd.DataFrame,
    suffix: str,
    domain: tuple[float, float],
    axis: tuple[float, float],
    heading: str,
    last: bool,
) -> None:
    """Add the axes of an indicator's panel and its heading.

    Args:
        figure: what is added to.
        key: the indicator.
        frame: its weeks, from which the time axis follows.
        suffix: of the names of its axes: "" or a number.
        domain: its lower and upper edge as parts of the figure.
        axis: bounds of the indicator's axis.
        heading: what stands above it.
        last: whether the days stand below it.
    """
    metric = METRICS[key]
    places, texts = axis_ticks(metric, axis)
    layout = figure["layout"]
    layout.update(
        {
            f"yaxis{suffix}": {
                "domain": domain,
                "range": list(axis),
                "tickmode": "array",
                "tickvals": places,
                "ticktext": texts,
                "anchor": f"x{suffix}",
            },
            f"xaxis{suffix}": {
                "anchor": f"y{suffix}",
                "type": "date",
                "tickformat": DAY_TICKS,
                "showgrid": False,
                "showticklabels": last,
                "ticks": "outside" if last else "",
                "nticks": 8,
                **({"matches": "x"} if suffix else {}),
            },
        }
    )
    if len(frame):
        edges = [middles(frame)[0] - _HALF_WEEK, middles(frame)[-1] + _HALF_WEEK]
        layout[f"xaxis{suffix}"]["range"] = edges
    figure["layout"]["annotations"].append({
        "text": heading, "x": 0, "xref": "paper", "xshift": 6, "y": domain[1], "yref": "paper",
        "xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False,
    })  # fmt: skip


def _behind(figure: Figure, frame: pd.DataFrame, suffix: str, city_name: str) -> None:
    tail = unfinished_from(frame)
    ripe = frame.iloc[:tail]
    figure["data"].append(scatter(
        x=middles(ripe), y=list(ripe["value"]), mode="lines",
        line={"color": PALE, "width": 1.5}, hoverinfo="skip", name=city_name,
        xaxis=f"x{suffix}", yaxis=f"y{suffix}",
    ))  # fmt: skip


def rate_lines(
    figure: Figure,
    key: str,
    frame: pd.DataFrame,
    suffix: str,
    axis: tuple[float, float],
    end: dt.datetime | None = None,
) -> None:
    """Add an indicator's weeks to its panel: line, band, unfinished tail, the last value as text.

    ``end``: where the value stands when the weeks end before the figure does, which then has
    room for no other word; None: at the edge.
    """
    metric = METRICS[key]
    edge = {"x": 1, "xref": "paper"} if end is None else {"x": end, "xref": f"x{suffix}"}
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    tail = unfinished_from(frame)
    when = middles(frame)
    low, high = axis
    values, lows, highs = (frame[name].tolist() for name in ("value", "low", "high"))
    ripe = frame.iloc[:tail]
    # A band cannot skip a week: each unbroken run of weeks is a band of its own.
    for run in unbroken_runs(ripe):
        x = when[run[0] : run[1]]
        upper, lower = (
            [min(max(bound, low), high) for bound in bounds[run[0] : run[1]]]
            for bounds in (highs, lows)
        )
        figure["data"].append(scatter(
            x=[*x, *reversed(x)],
            y=[*upper, *reversed(lower)],
            mode="lines", line={"width": 0}, fill="toself", fillcolor=BAND, hoverinfo="skip",
            **axes,
        ))  # fmt: skip
    if tail < len(frame):
        figure["data"].append(dict(
            type="bar",
            x=when[tail:], y=[high - low] * (len(frame) - tail), base=low,
            width=_WEEK_MS, hoverinfo="skip",
            marker={
                "color": "rgba(0,0,0,0)",
                "line": {"width": 0},
                "pattern": {"shape": "/", "fgcolor": PALE, "size": 6, "solidity": 0.12},
            },
            **axes,
        ))  # fmt: skip
        if end is None:
            figure["layout"]["annotations"].append({
                "text": "未成熟", "x": 1, "xref": "paper", "y": high, "yref": f"y{suffix}",
                "xanchor": "right", "yanchor": "bottom", "align": "right", "showarrow": False,
                "font": {"color": SOFT},
            })  # fmt: skip
        start = max(0, tail - 1)
        figure["data"].append(scatter(
            x=when[start:], y=values[start:], mode="lines",
            line={"color": SOFT, "width": 1.6, "dash": "dot"}, hoverinfo="skip", **axes,
        ))  # fmt: skip
    weeks = zip(frame["week_start"], frame["week_end"], strict=True)
    hover = [
        f"{week_text(*week)} {metric.name} "
        f"{value_text(metric, value)}<br>区间 {interval_text(metric, *bounds)}，"
        f"n={count(n)}{'' if mature else '，未成熟'}"
        for week, value, bounds, n, mature in zip(
            weeks,
            values,
            zip(lows, highs, strict=True),
            frame["n"].tolist(),
            frame["mature"].tolist(),
            strict=True,
        )
    ]
    figure["data"].append(scatter(
        x=when[:tail], y=values[:tail], mode="lines+markers",
        line={"color": ACCENT, "width": 2}, marker={"size": 5, "color": ACCENT},
        hovertext=hover[:tail], hoverinfo="text", name=metric.name, connectgaps=False, **axes,
    ))  # fmt: skip
    if tail < len(frame):
        figure["data"].append(scatter(
            x=when[tail:], y=values[tail:], mode="markers",
            marker={"size": 6, "color": "#ffffff", "line": {"color": SOFT, "width": 1.4}},
            hovertext=hover[tail:], hoverinfo="text", name=f"{metric.name}（未成熟）", **axes,
        ))  # fmt: skip
    known = [value for value in values[:tail] if not math.isnan(value)]
    if known:
        value = known[-1]
        figure["layout"]["annotations"].append({
            "text": f"<b>{value_text(metric, value)}</b>", **edge,
            "y": min(max(value, low), high), "yref": f"y{suffix}", "xanchor": "left", "xshift": 6,
            "align": "left", "showarrow": False, "font": {"color": INK},
        })  # fmt: skip


def scatter(**properties: Any) -> dict[str, Any]:
    """Return a trace of points or lines."""
    return {"type": "scatter", **properties}


def unbroken_runs(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Return start and stop of each unbroken run of weeks with an interval."""
    runs: list[tuple[int, int]] = []
    start: int | None = None
    bounds = [*zip(frame["low"], frame["high"], strict=True), (math.nan, math.nan)]
    for place, (low, high) in enumerate(bounds):
        known = not (math.isnan(low) or math.isnan(high))
        if known and start is None:
            start = place
        if not known and start is not None:
            runs.append((start, place))
            start = None
    return runs
