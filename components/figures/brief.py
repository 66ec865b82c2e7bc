"""Charts of a packet on the screen: the same numbers as in its files."""

from __future__ import annotations

import math

from components.figures.template import ACCENT, PALE, SOFT, Figure, new_figure
from components.formatting import PERCENT, count, share
from domain.brief import Chart

_COLOURS = (ACCENT, "#9a4a12", "#0c6a63")
_SYMBOLS = ("circle", "square", "triangle-up")


def chart_figure(chart: Chart) -> Figure:
    """Return a chart of a packet."""
    figure = new_figure()
    names = list(chart.categories)
    lying = chart.kind == "bars"
    scale = 100 if chart.unit == PERCENT else 1
    for place, series in enumerate(chart.series):
        values = [None if math.isnan(value) else scale * value for value in series.values]
        figure["data"].append(_trace(chart, place, names, values, scale, lying))
    layout = figure["layout"]
    if lying:
        layout["yaxis"] = {"autorange": "reversed", "automargin": True}
        layout["xaxis"] = {"visible": False}
        layout["margin"] = {"l": 8, "r": 48, "t": 8, "b": 28}
    else:
        layout["xaxis"] = {"type": "category", "automargin": True}
        layout["yaxis"] = {"title": {"text": chart.unit}, "tickformat": ","}
        layout["margin"] = {"l": 56, "r": 16, "t": 8, "b": 40}
        if chart.axis is not None:
            low, high = (scale * bound for bound in chart.axis)
            layout["yaxis"]["range"] = [high, low] if chart.kind == "ranks" else [low, high]
    layout["showlegend"] = len(chart.series) > 1
    layout["legend"] = {"orientation": "h", "y": -0.16 if not lying else -0.02}
    return figure


def _trace(
    chart: Chart,
    place: int,
    names: list[str],
    values: list[float | None],
    scale: float,
    lying: bool,
) -> Figure:
    series = chart.series[place]
    colour, symbol = _COLOURS[place % len(_COLOURS)], _SYMBOLS[place % len(_SYMBOLS)]
    axes = {"x": values, "y": names} if lying else {"x": names, "y": values}
    if chart.kind in ("bars", "columns"):
        return {
            "type": "bar",
            "name": series.name,
            **axes,
            "orientation": "h" if lying else "v",
            "marker": {"color": ACCENT if not place else PALE},
            "text": [_text(value, chart) for value in series.values],
            "textposition": "outside",
            "cliponaxis": False,
        }
    trace = {
        "type": "scatter",
        "name": series.name,
        "mode": "lines+markers",
        **axes,
        "connectgaps": False,
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 7},
    }
    if chart.kind == "dots" and series.low:
        trace["mode"] = "markers"
        high = [
            scale * (top - value) for value, top in zip(series.values, series.high, strict=True)
        ]
        low = [
            scale * (value - base) for value, base in zip(series.values, series.low, strict=True)
        ]
        trace["error_y"] = {
            "type": "data", "symmetric": False, "array": high, "arrayminus": low, "width": 0,
            "thickness": 1.5, "color": colour,
        }  # fmt: skip
    elif chart.kind == "dots":
        trace["mode"] = "lines"
        trace["line"] = {"color": SOFT, "width": 1.5, "dash": "dash"}
    return trace


def _text(value: float, chart: Chart) -> str:
    if math.isnan(value):
        return ""
    return share(value) if chart.unit == PERCENT else count(value)
