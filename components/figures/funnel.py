"""Funnel plot: the value of many units against their size, with the limits of chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from components.figures.template import ACCENT, INK, PALE, SOFT, Figure, new_figure
from components.formatting import axis_ticks, count, value_text
from domain.metrics import Metric

_GOOD, _BAD = "#0a5c56", "#93400a"
# The plot that labels are placed for, in pixels of ordinary type, and the size of a character.
_PLOT = (1080.0, 330.0)
_CHARACTER, _LINE = 12.0, 15.0
_MOST_LABELS = 24


class Dot(NamedTuple):
    """A unit of the funnel; ``side``: 1 above, −1 below the limits, 0 within.

    ``beyond``: 0 within 95 %, 1 outside 95 %, 2 outside 99.8 %. ``distance``: from the whole in
    standard errors, of whatever scale: the farthest are labelled first.
    """

    name: str
    n: float
    value: float
    side: int
    beyond: int
    distance: float
    words: str
    marked: bool = False


def funnel_figure(
    dots: Sequence[Dot], limits: pd.DataFrame, metric: Metric, axis: tuple[float, float]
) -> Figure:
    """Return the units as dots on a logarithmic axis of n, the limits as lines.

    Args:
        dots: the units with a value.
        limits: as ``domain.ranking.funnel_limits`` gives them, by n.
        metric: the indicator.
        axis: bounds of the axis of values; what lies beyond is drawn at its edge.
    """
    figure = new_figure()
    sizes = [float(n) for n in limits["n"]]
    low_n, high_n = math.log10(min(sizes)), math.log10(max(sizes))
    for bound in ("low", "high"):
        for name, dash in (("95", "dot"), ("998", "solid")):
            figure["data"].append(_line(sizes, limits[f"{bound}_{name}"], axis, dash, SOFT))
    figure["data"].append(_line(sizes, limits["whole"], axis, "dash", INK))
    for beyond, side, symbol, colour in (
        (0, 0, "circle", PALE),
        (1, 1, "triangle-up-open", SOFT),
        (1, -1, "triangle-down-open", SOFT),
        (2, 1, "triangle-up", _GOOD if metric.better != "lower" else _BAD),
        (2, -1, "triangle-down", _BAD if metric.better != "lower" else _GOOD),
    ):
        own = [dot for dot in dots if dot.beyond == beyond and (not beyond or dot.side == side)]
        if own:
            figure["data"].append(_markers(own, axis, symbol, colour, 6 if not beyond else 9))
    chosen = [dot for dot in dots if dot.marked]
    if chosen:
        figure["data"].append(_markers(chosen, axis, "circle-open", ACCENT, 14))
    ticks, words = axis_ticks(metric, axis)
    n_ticks = _size_ticks(low_n, high_n)
    figure["layout"] |= {
        "margin": {"l": 52, "r": 52, "t": 24, "b": 44},
        "xaxis": {
            "type": "log",
            "range": [low_n, high_n],
            "tickvals": n_ticks,
            "ticktext": [count(tick) for tick in n_ticks],
            "title": {
                "text": f"{metric.n_words}（件，对数）", "font": {"size": 12, "color": SOFT},
            },
        },
        "yaxis": {"range": _roomy(axis), "tickvals": ticks, "ticktext": words},
    }  # fmt: skip
    figure["layout"]["annotations"] = [
        *_edge_labels(limits, metric, axis, high_n),
        *_labels(dots, axis, (low_n, high_n)),
    ]
    return figure


def _line(
    sizes: Sequence[float], values: pd.Series, axis: tuple[float, float], dash: str, colour: str
) -> dict[str, Any]:
    low, high = axis
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(sizes),
        # Beyond the axis there is nothing to draw; a line along its edge would be a limit.
        "y": [float(each) if low <= each <= high else None for each in values],
        "line": {"color": colour, "width": 1.2, "dash": dash},
        "hoverinfo": "skip",
        "connectgaps": False,
    }


def _markers(
    dots: Sequence[Dot], axis: tuple[float, float], symbol: str, colour: str, size: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [dot.n for dot in dots],
        "y": [_on_axis(dot.value, axis) for dot in dots],
        "marker": {
            "symbol": symbol, "color": colour, "size": size, "opacity": 0.9,
            "line": {"width": 1.6 if "open" in symbol else 0},
        },
        "hovertext": [dot.words for dot in dots],
        "hoverinfo": "text",
        "cliponaxis": False,
    }  # fmt: skip


def _on_axis(value: float, axis: tuple[float, float]) -> float:
    return min(max(value, axis[0]), axis[1])


def _roomy(axis: tuple[float, float]) -> list[float]:
    room = 0.02 * (axis[1] - axis[0])
    return [axis[0] - room, axis[1] + room]


def _size_ticks(low: float, high: float) -> list[float]:
    """Return 1, 3 of every power of ten within the axis (of logarithms)."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [float(step * 10**power) for power in powers if power >= 0 for step in (1, 3)]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def _note(text: str, x: float, y: float, colour: str, **place: Any) -> dict[str, Any]:
    """Return an annotation; on a logarithmic axis x is the logarithm."""
    return {
        "text": text, "x": x, "y": y, "xref": "x", "yref": "y", "showarrow": False,
        "font": {"size": 12, "color": colour},
    } | place  # fmt: skip


def _edge_labels(
    limits: pd.DataFrame, metric: Metric, axis: tuple[float, float], right: float
) -> list[dict[str, Any]]:
    """Return what the lines are, at their right ends."""
    last = limits.iloc[-1]
    placed: list[float] = []
    notes = []
    gap = (axis[1] - axis[0]) * _LINE / _PLOT[1]
    told = [("whole", "汇总"), ("high_998", "99.8"), ("low_998", "99.8"), ("high_95", "95"),
            ("low_95", "95")]  # fmt: skip
    for name, text in told:
        y = float(last[name])
        if not axis[0] <= y <= axis[1] or any(abs(y - other) < gap for other in placed):
            continue
        placed.append(y)
        notes.append(_note(text, right, y, SOFT, xanchor="left", yanchor="middle", xshift=5))
    return notes


def _labels(
    dots: Sequence[Dot], axis: tuple[float, float], x_range: tuple[float, float]
) -> list[dict[str, Any]]:
    """Return the names of those outside 99.8 %, as far as they cover neither a name nor a dot.

    Chosen ones first, then the farthest from the whole.
    """

    def at(dot: Dot) -> tuple[float, float]:
        across = (math.log10(dot.n) - x_range[0]) / (x_range[1] - x_range[0])
        up = (_on_axis(dot.value, axis) - axis[0]) / (axis[1] - axis[0])
        return across * _PLOT[0], (1 - up) * _PLOT[1]

    spots = [at(dot) for dot in dots]
    taken: list[tuple[float, float, float, float]] = []
    strong = [(x - 5, y - 5, x + 5, y + 5) for dot, (x, y) in zip(dots, spots, strict=True)
              if dot.beyond == 2 or dot.marked]  # fmt: skip
    wanted = sorted(
        (place for place, dot in enumerate(dots) if dot.beyond == 2 or dot.marked),
        key=lambda place: (not dots[place].marked, -dots[place].distance),
    )
    notes = []
    for place in wanted[: 3 * _MOST_LABELS]:
        dot, (x, y) = dots[place], spots[place]
        wide = _CHARACTER * len(dot.name)
        for side, box in (
            ("right", (x + 7, y - _LINE / 2, x + 7 + wide, y + _LINE / 2)),
            ("left", (x - 7 - wide, y - _LINE / 2, x - 7, y + _LINE / 2)),
        ):
            # Beyond the right end stand the names of the lines.
            inside = box[0] >= 0 and box[2] <= _PLOT[0]
            if inside and not any(_overlap(box, other) for other in [*taken, *strong]):
                taken.append(box)
                notes.append(
                    _note(
                        dot.name, math.log10(dot.n), _on_axis(dot.value, axis), INK,
                        xanchor="left" if side == "right" else "right", yanchor="middle",
                        xshift=6 if side == "right" else -6,
                    )
                )  # fmt: skip
                break
        if len(notes) == _MOST_LABELS:
            break
    return notes


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def dot_words(dot_name: str, metric: Metric, value: float, n: float, where: str) -> str:
    """Return what a dot says on hovering."""
    return f"{dot_name}<br>{value_text(metric, value)}，n={count(n)}<br>{where}"
