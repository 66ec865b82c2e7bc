"""A topic's targets against their timetables, its events, its complaints and rates: one time axis.

What is done stands as steps: certificates come in whole estates, and between two figures nothing
is known. Nothing is smoothed.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from components.figures.template import ACCENT, BAND, INK, PALE, RULE, SOFT, Figure, new_figure
from components.figures.trend import (
    middles,
    rate_lines,
    rate_panel,
    rates_axis,
    scatter,
    unbroken_runs,
    unfinished_from,
)
from components.formatting import PERCENT, RANGE_WORDS, amount, axis_ticks, count, day, week_text
from domain.metrics import METRICS
from domain.schedule import Figures, Forecast, Standing, Target, known_at

MOST_COURSES = 3
MOST_EVENTS = 9
CIRCLED = "①②③④⑤⑥⑦⑧⑨"

# Heights in pixels of the ordinary type; the wall enlarges figure and type alike.
_TOP, _RIGHT, _BOTTOM = 28, 80, 34
_COURSE_HEIGHT = {1: 212, 2: 136, 3: 104}
_LANE, _VOLUME, _RATE, _HEADING, _TEXT = 21, 92, 62, 28, 15
_BAR = "rgba(23, 69, 127, 0.30)"
_RANGE = "rgba(29, 39, 51, 0.09)"
_PAPER = "rgba(255, 255, 255, 0.88)"
_BAR_MS = 6 * 24 * 3600 * 1000
# Numbers of events stand no closer than this part of the time axis, else one below the other;
# the widest that needs no more than so many lines: on a phone the axis is short.
_CLOSEST = (0.085, 0.05, 0.03, 0.015)
_MOST_LANES = 4


@dataclass(frozen=True)
class Course:
    """A target as it is drawn: its figures up to a day, those invented among them, its outlook."""

    standing: Standing
    ahead: Forecast
    figures: Figures
    invented: frozenset[dt.date] = frozenset()

    @property
    def target(self) -> Target:
        """What is to be reached."""
        return self.standing.target

    @property
    def drawable(self) -> bool:
        """Whether there is anything to draw: a figure, or a value to reach."""
        return bool(self.figures) or not math.isnan(self.target.value)


@dataclass(frozen=True)
class Event:
    """Something of a topic with its day; ``done`` False: due then and still not done."""

    on: dt.date
    words: str
    done: bool = True


def time_axis(targets: Sequence[Target], year: int, as_of: dt.date) -> tuple[dt.date, dt.date]:
    """Return first and last day: from the year's first week to the last due day at least."""
    years = (dt.date(target.start_on.year, 1, 1) for target in targets)
    first = min([dt.date(year, 1, 1), as_of, *years])
    due = [target.due_on for target in targets] or [dt.date(year, 12, 31)]
    return first - dt.timedelta(days=first.weekday()), max([*due, as_of])


def figure_height(
    courses: int, events: Sequence[Event], axis: tuple[dt.date, dt.date], panels: int
) -> str:
    """Return the height of the figure as a css length.

    Args:
        courses: how many targets are drawn.
        events: those drawn.
        axis: first and last day.
        panels: of complaints and rates: 0 for none, else 1 (complaints) and one for each rate.
    """
    return f"{_rows(courses, _lanes(events, axis), panels)[1] / 16:g}rem"


def progress_figure(
    courses: Sequence[Course],
    events: Sequence[Event],
    volume: pd.DataFrame | None,
    rates: Mapping[str, pd.DataFrame],
    axis: tuple[dt.date, dt.date],
    as_of: dt.date,
) -> Figure:
    """Return targets, events, weekly complaints and rates below each other on one time axis.

    A target: what is done as steps, the timetable dashed, the value to reach as a line, the range
    of the forecast as a cone to the due day, published figures as dots (invented ones have none).
    Complaints: bars, their expectation as a line with a band. Rates: as ``trend`` draws them.
    Scatter and bar only.

    Args:
        courses: at most ``MOST_COURSES``.
        events: at most ``MOST_EVENTS``, by day; drawn as their numbers.
        volume: one row per week: ``week_start``, ``week_end`` (date), ``cases``, ``expected``,
            ``low``, ``high`` (float, NaN for no expectation); None for no panel.
        rates: indicator → its weeks, as ``domain.comparison.weekly_estimates`` gives them.
        axis: first and last day.
        as_of: data cut-off.
    """
    figure = new_figure()
    lanes = _lanes(events, axis)
    panels = (volume is not None) + len(rates)
    domains, _ = _rows(len(courses), lanes, panels)
    layout = figure["layout"]
    layout["margin"] = {"l": 62, "r": _RIGHT, "t": _TOP, "b": _BOTTOM, "pad": 0}
    layout["barmode"] = "overlay"
    # Row by row: the headings between them stay free of it.
    layout["shapes"] = [_upright(as_of, each) for each in domains]
    place = 0
    for course in courses:
        _course(figure, course, _suffix(place), domains[place], axis, len(courses))
        place += 1
    _events(figure, events, lanes, _suffix(place), domains[place], as_of)
    place += 1
    if volume is not None:
        _volume(figure, volume, _suffix(place), domains[place])
        place += 1
    for key, frame in rates.items():
        _rate(figure, key, frame, _suffix(place), domains[place])
        place += 1
    for each in range(place):
        layout[f"xaxis{_suffix(each)}"] = _days(axis, _suffix(each), last=each == place - 1)
    layout[f"xaxis{_suffix(len(courses))}"]["showline"] = False
    return figure


def _suffix(place: int) -> str:
    return "" if place == 0 else str(place + 1)


def _rows(
    courses: int, lanes: Sequence[int], panels: int
) -> tuple[list[tuple[float, float]], float]:
    """Return lower and upper edge of each row as parts of the plot, and the figure's height."""
    size = float(_COURSE_HEIGHT.get(courses, 0))
    heights = [(float(_HEADING) if place else 0.0, size) for place in range(courses)]
    heights.append((8.0, float(_LANE * (max(lanes, default=0) + 1))))
    # The first panel below the events needs no room above it but for its heading.
    heights += [(24.0, float(_VOLUME))] * (panels > 0)
    heights += [(float(_HEADING), float(_RATE))] * (panels - 1)
    whole = sum(gap + height for gap, height in heights)
    domains, top = [], 0.0
    for gap, height in heights:
        top += gap
        domains.append((max(0.0, 1 - (top + height) / whole), 1 - top / whole))
        top += height
    return domains, whole + _TOP + _BOTTOM


def _days(axis: tuple[dt.date, dt.date], suffix: str, last: bool) -> dict[str, Any]:
    """Return a time axis in months; their numbers stand in the middle, below the last row."""
    first, end = axis
    months = []
    month = first.replace(day=1)
    while month <= end:
        months.append(month)
        month = (month + dt.timedelta(days=32)).replace(day=1)
    step = 1 + (len(months) - 1) // 14
    named = [each for each in months if (each.month - 1) % step == 0 and each >= first]
    middle = [_at(min(each + dt.timedelta(days=15), end)) for each in named]
    # Only the first has its 月: twelve of them are wider than a phone.
    texts = [
        f"{str(each.year)[2:]}年" if place and each.month == 1 else
        f"{each.month}{'' if place else '月'}"
        for place, each in enumerate(named)
    ]  # fmt: skip
    return {
        "anchor": f"y{suffix}",
        "type": "date",
        "range": [_at(first), _at(end + dt.timedelta(days=1))],
        "showgrid": False,
        "showticklabels": last,
        "ticks": "",
        "tickmode": "array",
        "tickvals": middle,
        "ticktext": texts,
        "tickangle": 0,
        "minor": {
            "tickmode": "array",
            "tickvals": [_at(each) for each in months if each > first],
            "ticks": "outside" if last else "",
            "tickcolor": PALE,
            "showgrid": True,
            "gridcolor": RULE,
        },
        **({"matches": "x"} if suffix else {}),
    }


def _at(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time())


def _upright(on: dt.date, domain: tuple[float, float]) -> dict[str, Any]:
    return {
        "type": "line", "layer": "below", "xref": "x", "yref": "paper",
        "x0": _at(on), "x1": _at(on), "y0": domain[0], "y1": domain[1],
        "line": {"color": SOFT, "width": 1},
    }  # fmt: skip


def _note(figure: Figure, text: str, suffix: str, **where: Any) -> None:
    figure["layout"]["annotations"].append(
        {"text": text, "showarrow": False, "xref": f"x{suffix}", "yref": f"y{suffix}", **where}
    )


def _heading(figure: Figure, text: str, domain: tuple[float, float]) -> None:
    figure["layout"]["annotations"].append({
        "text": text, "x": 0, "xref": "paper", "xshift": 6, "y": domain[1], "yref": "paper",
        "xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False,
    })  # fmt: skip


# --- Targets ------------------------------------------------------------------------------------


def _course(
    figure: Figure,
    course: Course,
    suffix: str,
    domain: tuple[float, float],
    axis: tuple[dt.date, dt.date],
    courses: int,
) -> None:
    target = course.target
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    top, step = _scale(course, most=5 if courses == 1 else 3)
    ticks = [step * place for place in range(int(top / step) + 1)]
    figure["layout"][f"yaxis{suffix}"] = {
        "domain": domain,
        "range": [0, top],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [_bare(target, tick, max(top, target.value)) for tick in ticks],
        "anchor": f"x{suffix}",
    }
    kind = "累计" if target.cumulative else "数值"
    missing = "，无目标值" if math.isnan(target.value) else ""
    _heading(
        figure, f"<b>{escape(target.name)}</b>  {kind}，{escape(target.unit)}{missing}", domain
    )
    _cone(figure, course, suffix, axes, line=_TEXT / _COURSE_HEIGHT[courses] * top)
    if target.scheduled:
        days = [target.start_on - dt.timedelta(days=1), *(on for on, _ in target.plan)]
        days = [*(on for on in days if on < target.due_on), target.due_on]
        figure["data"].append(scatter(
            x=[_at(on) for on in days], y=[target.planned(on) for on in days], mode="lines",
            line={"color": SOFT, "width": 1.6, "dash": "dash"}, hoverinfo="skip", name="序时",
            **axes,
        ))  # fmt: skip
        middle = target.start_on + (target.due_on - target.start_on) * 0.62
        # On the line itself, like the height on a contour; beside it where the steps are near.
        done = known_at(course.figures, middle)
        beside: dict[str, Any] = {"bgcolor": _PAPER}
        if course.figures and course.figures[-1][0] >= middle:
            below = not done or done[-1][1] >= target.planned(middle)
            beside = (
                {"xanchor": "left", "yanchor": "top", "xshift": 4}
                if below
                else {
                    "xanchor": "right",
                    "yanchor": "bottom",
                    "xshift": -4,
                }
            )
        _note(figure, "序时", suffix, x=_at(middle), y=target.planned(middle),
              font={"color": SOFT}, **beside)  # fmt: skip
    if not math.isnan(target.value):
        _goal(figure, course, suffix, axes, axis)
    _steps(figure, course, suffix, axes, axis, top)


def _scale(course: Course, most: int) -> tuple[float, float]:
    """Return the upper end of a target's axis and the distance of its ticks."""
    drawn = [value for _, value in course.figures]
    drawn += [course.target.value, *(value for _, value in course.target.plan), course.ahead.high]
    largest = max((value for value in drawn if not math.isnan(value)), default=1.0) or 1.0
    rough = largest / most
    size = 10 ** math.floor(math.log10(rough))
    step = next(part * size for part in (1, 2, 2.5, 5, 10) if part * size >= rough * 0.999)
    if step < 1 and course.target.unit != PERCENT and largest >= 3:
        step = 1.0
    # Room for a text above what is highest.
    return largest * (1.13 if most > 3 else 1.2), step


def _bare(target: Target, value: float, scale: float) -> str:
    """Return an amount as ``amount`` does, without the unit, which stands in the heading."""
    if value == 0:
        return "0"
    scale = target.value if target.value >= 10_000 or math.isnan(scale) else scale
    return amount(value, target.unit, scale).removesuffix(target.unit.removeprefix("万"))


def _goal(
    figure: Figure,
    course: Course,
    suffix: str,
    axes: dict[str, str],
    axis: tuple[dt.date, dt.date],
) -> None:
    target = course.target
    start = max(target.start_on, axis[0])
    figure["data"].append(scatter(
        x=[_at(start), _at(target.due_on)], y=[target.value] * 2, mode="lines",
        line={"color": INK, "width": 1.6}, hoverinfo="skip", name="目标", **axes,
    ))  # fmt: skip
    falling = target.direction == "down"
    bound = "" if target.scheduled else "不高于" if falling else "不低于"
    goal = amount(target.value, target.unit, target.value)
    _note(figure, f"目标{bound}{escape(goal)}", suffix, x=_at(start), y=target.value,
          xanchor="left", yanchor="top" if falling else "bottom", align="left",
          font={"color": INK})  # fmt: skip


def _cone(figure: Figure, course: Course, suffix: str, axes: dict[str, str], line: float) -> None:
    ahead, standing, due = course.ahead, course.standing, course.target.due_on
    if ahead.chance == "withheld" or standing.on_date is None or not course.figures:
        return
    last, done = course.figures[-1]
    figure["data"].append(scatter(
        x=[_at(last), _at(due), _at(due), _at(last)], y=[done, ahead.high, ahead.low, done],
        mode="lines", line={"width": 0}, fill="toself", fillcolor=BAND, hoverinfo="skip",
        name=f"预测（{RANGE_WORDS}）", **axes,
    ))  # fmt: skip
    target = course.target
    texts = [_bare(target, each, target.value) for each in (ahead.low, ahead.high)]
    places = [(ahead.low, texts[0]), (ahead.high, texts[1])]
    if ahead.high - ahead.low < line:
        joined = texts[1] if texts[0] == texts[1] else f"{texts[0].rstrip('万亿')}–{texts[1]}"
        places = [((ahead.low + ahead.high) / 2, joined)]
    for value, text in places:
        _note(figure, text, suffix, x=_at(due), y=value, xanchor="left", xshift=4,
              font={"color": ACCENT})  # fmt: skip


def _steps(
    figure: Figure,
    course: Course,
    suffix: str,
    axes: dict[str, str],
    axis: tuple[dt.date, dt.date],
    top: float,
) -> None:
    target, figures = course.target, course.figures
    if not figures:
        middle = axis[0] + (axis[1] - axis[0]) / 2
        _note(figure, "还没有进度", suffix, x=_at(middle), y=top / 2, bgcolor=_PAPER,
              font={"color": SOFT})  # fmt: skip
        return
    days, values = [on for on, _ in figures], [value for _, value in figures]
    hover = [
        f"{day(on)} {escape(amount(value, target.unit, target.value))}"
        f"{'（虚构）' if on in course.invented else ''}"
        for on, value in figures
    ]
    if target.cumulative and days[0] > target.start_on:
        # Nothing was done when it began; before the first figure nothing is known.
        days, values, hover = [target.start_on, *days], [0.0, *values], ["", *hover]
    figure["data"].append(scatter(
        x=[_at(on) for on in days], y=values, mode="lines",
        line={"color": ACCENT, "width": 2.4, "shape": "hv"}, hovertext=hover, hoverinfo="text",
        name=escape(target.name), **axes,
    ))  # fmt: skip
    published = [
        place for place, on in enumerate(days) if on not in course.invented and hover[place]
    ]
    figure["data"].append(scatter(
        x=[_at(days[place]) for place in published], y=[values[place] for place in published],
        mode="markers", marker={"size": 8 if len(published) < 20 else 5, "color": ACCENT},
        hovertext=[hover[place] for place in published], hoverinfo="text", name="公布的进度",
        **axes,
    ))  # fmt: skip
    if len(days) == 1 and not published:
        figure["data"].append(scatter(
            x=[_at(days[0])], y=values, mode="markers", hovertext=hover, hoverinfo="text",
            marker={"symbol": "line-ew-open", "size": 14, "color": ACCENT, "line": {"width": 2.4}},
            name=escape(target.name), **axes,
        ))  # fmt: skip
    _last_value(figure, course, suffix, axis, top)


def _last_value(
    figure: Figure,
    course: Course,
    suffix: str,
    axis: tuple[dt.date, dt.date],
    top: float,
) -> None:
    """Add what was done last as text on the side where neither timetable nor steps are."""
    target, (on, value) = course.target, course.figures[-1]
    early = (on - axis[0]).days < 0.08 * (axis[1] - axis[0]).days
    behind = target.scheduled and course.standing.gap < 0 and value > 0.14 * top
    right = behind or early
    below = behind or target.direction == "down"
    _note(figure, f"<b>{escape(amount(value, target.unit, target.value))}</b>", suffix,
          x=_at(on), y=value, xanchor="left" if right else "right",
          yanchor="top" if below else "bottom", xshift=6 if right else -4,
          bgcolor=_PAPER, font={"color": ACCENT})  # fmt: skip


# --- Events -------------------------------------------------------------------------------------


def _lanes(events: Sequence[Event], axis: tuple[dt.date, dt.date]) -> list[int]:
    """Return for each event how far below the others its number stands."""
    whole = max((axis[1] - axis[0]).days, 1)
    places = [(event.on - axis[0]).days / whole for event in events]
    lanes: list[int] = []
    for closest in _CLOSEST:
        last: list[float] = []
        lanes = []
        for at in places:
            lane = next((n for n, other in enumerate(last) if at - other >= closest), len(last))
            last[lane : lane + 1] = [at]
            lanes.append(lane)
        if len(last) <= _MOST_LANES:
            return lanes
    # Many on the same day: more than that is not to be read anyway.
    return [lane % _MOST_LANES for lane in lanes]


def _events(
    figure: Figure,
    events: Sequence[Event],
    lanes: Sequence[int],
    suffix: str,
    domain: tuple[float, float],
    as_of: dt.date,
) -> None:
    rows = max(lanes, default=0) + 1
    figure["layout"][f"yaxis{suffix}"] = {
        "domain": domain,
        "range": [rows - 0.5, -0.5],
        "visible": False,
        "anchor": f"x{suffix}",
    }
    figure["data"].append(scatter(
        x=[_at(event.on) for event in events], y=list(lanes), mode="markers+text",
        text=[str(place + 1) for place in range(len(events))], textposition="middle center",
        textfont={"size": 11, "color": ["#ffffff" if event.done else INK for event in events]},
        marker={
            "size": 18,
            "color": [INK if event.done else "#ffffff" for event in events],
            "line": {"color": INK, "width": 1.4},
        },
        hovertext=[f"{day(event.on)} {escape(event.words)}" for event in events],
        hoverinfo="text", cliponaxis=False, name="事件",
        xaxis=f"x{suffix}", yaxis=f"y{suffix}",
    ))  # fmt: skip
    _note(figure, f"截至{as_of.month}.{as_of.day}", suffix, x=_at(as_of), y=0, xanchor="left",
          xshift=11, font={"color": SOFT})  # fmt: skip


# --- Complaints and rates -----------------------------------------------------------------------


def _volume(figure: Figure, volume: pd.DataFrame, suffix: str, domain: tuple[float, float]) -> None:
    axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    most = max(
        (value for name in ("cases", "high") for value in volume[name] if not math.isnan(value)),
        default=1.0,
    )
    top = max(most, 1.0) * 1.08
    step = _whole_step(top)
    ticks = [step * place for place in range(int(top / step) + 1)]
    figure["layout"][f"yaxis{suffix}"] = {
        "domain": domain,
        "range": [0, top],
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [count(tick) for tick in ticks],
        "anchor": f"x{suffix}",
    }
    known = [not math.isnan(value) for value in volume["expected"]]
    words = "线与灰带为预期" if any(known) else "上年同期无可比数据，无预期"
    _heading(figure, f"<b>诉求量</b>  件/周，{words}", domain)
    when = middles(volume)
    whole = [(end - start).days == 6 for start, end in
             zip(volume["week_start"], volume["week_end"], strict=True)]  # fmt: skip
    hover = [
        f"{week_text(row.week_start, row.week_end)} 诉求量{count(row.cases)}件"
        + (
            f"<br>预期{count(row.expected)}件（{count(row.low)}–{count(row.high)}）"
            if over and not math.isnan(row.expected)
            else "" if over else "，本周未结束"
        )
        for row, over in zip(volume.itertuples(index=False), whole, strict=True)
    ]  # fmt: skip
    for start, stop in unbroken_runs(volume):
        run, x = volume.iloc[start:stop], when[start:stop]
        figure["data"].append(scatter(
            x=[*x, *reversed(x)], y=[*run["high"], *reversed(list(run["low"]))], mode="lines",
            line={"width": 0}, fill="toself", fillcolor=_RANGE, hoverinfo="skip",
            name="预期范围", **axes,
        ))  # fmt: skip
    for over, look in (
        (True, {"color": _BAR}),
        (False, {
            "color": "rgba(0,0,0,0)",
            "line": {"color": PALE, "width": 1},
            "pattern": {"shape": "/", "fgcolor": PALE, "size": 5, "solidity": 0.2},
        }),
    ):  # fmt: skip
        chosen = [place for place, each in enumerate(whole) if each == over]
        if chosen:
            figure["data"].append(dict(
                type="bar", x=[when[place] for place in chosen],
                y=[float(volume["cases"].iloc[place]) for place in chosen], width=_BAR_MS,
                marker=look, hovertext=[hover[place] for place in chosen], hoverinfo="text",
                name="诉求量" if over else "诉求量（本周未结束）", **axes,
            ))  # fmt: skip
    if any(known):
        figure["data"].append(scatter(
            x=when, y=[None if math.isnan(value) else value for value in volume["expected"]],
            mode="lines", line={"color": INK, "width": 1.4}, hoverinfo="skip", name="预期",
            connectgaps=False, **axes,
        ))  # fmt: skip
        last = max(place for place, each in enumerate(known) if each)
        # Not on the line of the axis.
        height = max(float(volume["expected"].iloc[last]), 0.12 * top)
        _note(figure, "预期", suffix, x=_end(volume), y=height,
              xanchor="left", xshift=6, font={"color": INK})  # fmt: skip


def _whole_step(top: float) -> float:
    """Return the distance of at most four whole-numbered ticks."""
    size = 10 ** math.floor(math.log10(max(top / 3, 1)))
    return max(1.0, next(part * size for part in (1, 2, 5, 10) if part * size * 3.999 >= top))


def _end(weekly: pd.DataFrame) -> dt.datetime:
    return _at(max(weekly["week_end"]) + dt.timedelta(days=1))


def _rate(
    figure: Figure, key: str, frame: pd.DataFrame, suffix: str, domain: tuple[float, float]
) -> None:
    axis = rates_axis(key, [frame])
    heading = f"<b>{METRICS[key].name}</b>"
    if unfinished_from(frame) < len(frame):
        heading += "  斜纹为未成熟"
    rate_panel(figure, key, frame, suffix, domain, axis, heading, last=False)
    places, texts = axis_ticks(METRICS[key], axis, most=3)
    figure["layout"][f"yaxis{suffix}"] |= {"tickvals": places, "ticktext": texts}
    rate_lines(figure, key, frame, suffix, axis, _end(frame))
