"""The course of one project: its stages, what is done, and the complaints of its community.

Stages are bars from the day one was entered to the day the next was; those to come, pale, take
their usual time. What is done stands as steps: nothing is known between two entries of the log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from components.figures.template import ACCENT, INK, PALE, RULE, SOFT, Figure, new_figure
from components.formatting import amount, count, day
from domain.projects import StageSpan
from domain.schedule import Figures

Axis = tuple[dt.date, dt.date]

# Heights in pixels of the ordinary type.
_TOP, _RIGHT, _BOTTOM, _LEFT = 70, 24, 30, 104
_STAGE, _GAP, _STEPS, _MONTHS = 25, 30, 96, 232
_LANE = 20
_AHEAD = "rgba(23, 69, 127, 0.16)"
_MS = 24 * 3600 * 1000
# The most labels that stand below a time axis; on a phone it is short.
_MOST_TICKS = 9


class Ahead(NamedTuple):
    """A stage that is still to be done, if it takes its usual time."""

    stage: str
    first: dt.date
    last: dt.date


class Mark(NamedTuple):
    """A day that matters, with its words."""

    on: dt.date
    words: str


def course_height(stages: int, steps: bool) -> str:
    """Return the height of ``course_figure`` as a css length."""
    return f"{_course_height(stages, steps) / 16:g}rem"


def _course_height(stages: int, steps: bool) -> int:
    return _TOP + _BOTTOM + stages * _STAGE + steps * (_GAP + _STEPS)


def course_figure(
    spans: Sequence[StageSpan],
    ahead: Sequence[Ahead],
    order: Sequence[str],
    done: Figures,
    units: int,
    unit: str,
    marks: Sequence[Mark],
    axis: Axis,
    as_of: dt.date,
) -> Figure:
    """Return the stages as bars on a time axis, and below what is done as steps.

    Args:
        spans: the stages so far.
        ahead: the stages to come, the present one's rest first.
        order: every stage, the first on top.
        done: cumulative; none leaves the lower panel out.
        units: all there is to do.
        unit: of both.
        marks: days that matter, in order.
        axis: first and last day.
        as_of: data cut-off.
    """
    figure = new_figure()
    steps = bool(done)
    height = _course_height(len(order), steps) - _TOP - _BOTTOM
    bottom = 1 - len(order) * _STAGE / height
    layout = figure["layout"]
    layout["margin"] = {"l": _LEFT, "r": _RIGHT, "t": _TOP, "b": _BOTTOM, "pad": 0}
    layout["barmode"] = "overlay"
    layout["bargap"] = 0.35
    layout["yaxis"] = {
        "domain": [bottom, 1], "anchor": "x", "type": "category",
        "categoryorder": "array", "categoryarray": list(reversed(order)),
        # Stages that were never entered keep their row.
        "range": [-0.5, len(order) - 0.5], "ticks": "", "showgrid": True,
    }  # fmt: skip
    layout["xaxis"] = _time_axis(axis, "y", last=not steps)
    layout["shapes"] = []
    _bars(figure, spans, as_of)
    _rest(figure, ahead)
    for lane, mark in enumerate(marks):
        _upright(figure, mark, lane, len(marks), axis)
    if steps:
        _steps(figure, done, units, unit, axis, as_of, (0.0, _STEPS / height))
    return figure


def _bars(figure: Figure, spans: Sequence[StageSpan], as_of: dt.date) -> None:
    """Add one bar per stage so far, its weeks beside it."""
    ends = [span.left_on or as_of for span in spans]
    days = [max((end - span.entered_on).days, 0) for span, end in zip(spans, ends, strict=True)]
    figure["data"].append({
        "type": "bar", "orientation": "h", "name": "停留",
        "y": [span.stage for span in spans],
        "base": [_at(span.entered_on) for span in spans],
        # A stage that was left on its day is still seen.
        "x": [max(each, 2) * _MS for each in days],
        "marker": {"color": [SOFT if span.left_on else ACCENT for span in spans]},
        "text": [f"{each // 7}周" for each in days],
        "textposition": "none",
        "hovertemplate": [
            f"{escape(span.stage)}<br>{day(span.entered_on)}至"
            f"{day(end) if span.left_on else '今'}，{each // 7}周<extra></extra>"
            for span, end, each in zip(spans, ends, days, strict=True)
        ],
    })  # fmt: skip
    for span, each in zip(spans, days, strict=True):
        figure["layout"]["annotations"].append({
            # Before the bar: behind it stands what is to come.
            "text": f"{each // 7}周", "x": _at(span.entered_on), "y": span.stage,
            "xref": "x", "yref": "y", "xanchor": "right", "xshift": -4, "showarrow": False,
            "font": {"color": SOFT if span.left_on else INK},
        })  # fmt: skip


def _rest(figure: Figure, ahead: Sequence[Ahead]) -> None:
    if not ahead:
        return
    figure["data"].append({
        "type": "bar", "orientation": "h", "name": "通常还需",
        "y": [each.stage for each in ahead],
        "base": [_at(each.first) for each in ahead],
        "x": [max((each.last - each.first).days, 2) * _MS for each in ahead],
        "marker": {
            "color": _AHEAD, "line": {"color": ACCENT, "width": 1},
            "pattern": {"shape": "/", "size": 5, "solidity": 0.25, "fgcolor": ACCENT},
        },
        "hovertemplate": [
            f"{escape(each.stage)}，通常用时<br>至{day(each.last)}<extra></extra>" for each in ahead
        ],
    })  # fmt: skip


def _upright(figure: Figure, mark: Mark, lane: int, lanes: int, axis: Axis) -> None:
    """Add a day as a line through every panel, its words above: each in a row of its own."""
    first = lane == 0
    figure["layout"]["shapes"].append({
        "type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1,
        "x0": _at(mark.on), "x1": _at(mark.on), "layer": "above",
        "line": {"color": SOFT if first else INK, "width": 1, "dash": "solid" if first else "dot"},
    })  # fmt: skip
    late = (mark.on - axis[0]).days > 0.55 * (axis[1] - axis[0]).days
    figure["layout"]["annotations"].append({
        "text": escape(mark.words), "x": _at(mark.on), "xref": "x", "y": 1, "yref": "paper",
        "xanchor": "right" if late else "left", "yanchor": "bottom", "showarrow": False,
        "xshift": 4 if late else -4, "yshift": 4 + (lanes - 1 - lane) * _LANE,
    })  # fmt: skip


def _steps(
    figure: Figure,
    done: Figures,
    units: int,
    unit: str,
    axis: Axis,
    as_of: dt.date,
    domain: tuple[float, float],
) -> None:
    layout = figure["layout"]
    top = 1.12 * max(units, 1)
    layout["xaxis2"] = _time_axis(axis, "y2", last=True) | {"matches": "x"}
    layout["yaxis2"] = {
        "domain": list(domain), "anchor": "x2", "range": [0, top], "tickmode": "array",
        "tickvals": [0, units], "ticktext": ["0", f"{count(units)}"],
    }  # fmt: skip
    points = [(done[0][0], 0.0), *done, (as_of, done[-1][1])]
    figure["data"].append({
        "type": "scatter", "mode": "lines", "name": "累计已办", "xaxis": "x2", "yaxis": "y2",
        "x": [_at(on) for on, _ in points], "y": [value for _, value in points],
        "line": {"color": ACCENT, "width": 2, "shape": "hv"},
        "hovertext": [f"{day(on)} 累计{count(value)}{escape(unit)}" for on, value in points],
        "hoverinfo": "text",
    })  # fmt: skip
    layout["annotations"].append({
        "text": f"<b>累计已办</b>  {escape(unit)}，至今{amount(done[-1][1], unit, done[-1][1])}",
        "x": 0, "xref": "paper", "xshift": 2, "y": domain[1], "yref": "paper", "yshift": 2,
        "xanchor": "left", "yanchor": "bottom", "showarrow": False,
    })  # fmt: skip


def months_figure(monthly: pd.DataFrame, as_of: dt.date, first_day: dt.date) -> Figure:
    """Return complaints per month as bars, those still open darker, months not whole hatched.

    Args:
        monthly: one row per month: ``month`` (date), ``cases``, ``open`` (int).
        as_of: data cut-off.
        first_day: day of the oldest case of the data.
    """
    figure = new_figure()
    months = list(monthly["month"])
    ends = [_next_month(month) for month in months]
    whole = [
        month >= first_day and end <= as_of + dt.timedelta(days=1)
        for month, end in zip(months, ends, strict=True)
    ]
    layout = figure["layout"]
    layout["margin"] = {"l": 48, "r": 12, "t": 16, "b": _BOTTOM, "pad": 0}
    layout["barmode"] = "overlay"
    layout["xaxis"] = _time_axis((months[0], ends[-1]), "y", last=True, most=_MOST_TICKS - 3)
    most = max([int(each) for each in monthly["cases"]], default=0)
    layout["yaxis"] = {
        "anchor": "x", "range": [0, max(1.1 * most, 4)], "nticks": 4, "tickformat": ",d",
        "rangemode": "tozero",
    }  # fmt: skip
    common = {
        "type": "bar",
        "x": [_at(month) for month in months],
        "offset": 0,
        "width": [0.86 * (end - month).days * _MS for month, end in zip(months, ends, strict=True)],
    }
    figure["data"] += [
        common | {
            "name": "诉求", "y": [int(each) for each in monthly["cases"]],
            "marker": {
                "color": [PALE if each else RULE for each in whole],
                "pattern": {"shape": ["" if each else "/" for each in whole], "fgcolor": SOFT,
                            "size": 5, "solidity": 0.25},
            },
            "hovertext": [
                f"{each.month.year}年{each.month.month}月 {count(each.cases)}件"
                for each in monthly.itertuples(index=False)
            ],
            "hoverinfo": "text",
        },
        common | {
            "name": "未办结", "y": [int(each) for each in monthly["open"]],
            "marker": {"color": ACCENT},
            "hovertext": [f"其中未办结{count(each)}件" for each in monthly["open"]],
            "hoverinfo": "text",
        },
    ]  # fmt: skip
    return figure


def months_height() -> str:
    """Return the height of ``months_figure`` as a css length."""
    return f"{_MONTHS / 16:g}rem"


def _next_month(month: dt.date) -> dt.date:
    return (month + dt.timedelta(days=32)).replace(day=1)


def _time_axis(axis: Axis, anchor: str, last: bool, most: int = _MOST_TICKS) -> dict[str, Any]:
    """Return a time axis whose ticks are years and, where there is room, months between them."""
    first, end = axis
    months = []
    month = _next_month(first) if first.day > 1 else first
    while month <= end:
        months.append(month)
        month = _next_month(month)
    step = next(each for each in (1, 3, 6, 12, 24, 1200) if len(months) / each <= most)
    shown = [
        each
        for each in months
        if (each.month - 1) % min(step, 12) == 0 and (step <= 12 or each.year % (step // 12) == 0)
    ]
    return {
        "anchor": anchor,
        "type": "date",
        "range": [_at(first), _at(end + dt.timedelta(days=1))],
        "showgrid": True,
        "ticks": "outside" if last else "",
        "showticklabels": last,
        "tickmode": "array",
        "tickvals": [_at(each) for each in shown],
        "ticktext": [f"{each.year}年" if each.month == 1 else f"{each.month}月" for each in shown],
        "tickangle": 0,
    }


def _at(on: dt.date) -> dt.datetime:
    return dt.datetime.combine(on, dt.time())
