"""The figure of a topic by its data, and what the page of a topic says in words."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import math
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.io.json import to_json_plotly

from components.figures.progress import (
    CIRCLED,
    MOST_EVENTS,
    Course,
    Event,
    figure_height,
    progress_figure,
    time_axis,
)
from components.topic import (
    DistrictProgress,
    case_list,
    effect_card,
    effect_words,
    event_list,
    milestone_list,
    more_or_less,
    progress_tiles,
    status_line,
    tasks_words,
    topic_answer,
    topic_card,
    volume_card,
    volume_words,
)
from domain.effect import Effect
from domain.programme import Tasks, Volume, tasks
from domain.rules import Rules
from domain.schedule import Figures, Forecast, Standing, Status, Target, forecast, standing
from tests.app.board import nodes, of_class, of_type, table_rows, words

RULES = Rules()
NAN = float("nan")
START, END = dt.date(2021, 1, 1), dt.date(2021, 12, 31)
MARCH, NOVEMBER = dt.date(2021, 3, 31), dt.date(2021, 11, 30)
CERTIFICATES = Target(
    "2021-01-1", "2021-01", "办理不动产权证书", "套", 100_000, 570_000, START, END
)
APPROVAL = Target(
    "2021-13-1", "2021-13", "维修资金审批时限", "天", 15, NAN, START, END, "down", False
)
AXIS = (dt.date(2020, 12, 28), END)
DAY = dt.timedelta(days=1)


def weekly(last: float, until: dt.date = MARCH, steps: int = 12) -> list[tuple[dt.date, float]]:
    """Return figures a week apart that end with ``last``, not in equal steps."""
    parts = [1 + place % 3 for place in range(steps)]
    return [
        (until - 7 * DAY * (steps - 1 - place), last * sum(parts[: place + 1]) / sum(parts))
        for place in range(steps)
    ]


def course(
    figures: Figures, target: Target = CERTIFICATES, as_of: dt.date = MARCH, **more: Any
) -> Course:
    return Course(
        standing(target, figures, as_of, RULES), forecast(target, figures, as_of, RULES),
        figures, **more,
    )  # fmt: skip


def drawn(
    courses: Sequence[Course] = (),
    events: Sequence[Event] = (),
    volume: pd.DataFrame | None = None,
    rates: dict[str, pd.DataFrame] | None = None,
    axis: tuple[dt.date, dt.date] = AXIS,
    as_of: dt.date = MARCH,
) -> dict[str, Any]:
    figure = progress_figure(courses, events, volume, rates or {}, axis, as_of)
    assert {trace["type"] for trace in figure["data"]} <= {"scatter", "bar"}
    # Plotly's own objects refuse what they do not know.
    go.Figure(figure)
    return figure


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in figure["data"] if each.get("name") == name)
    return found


def names(figure: dict[str, Any]) -> list[str]:
    return [each.get("name", "") for each in figure["data"]]


def texts(figure: dict[str, Any]) -> list[str]:
    return [each["text"] for each in figure["layout"]["annotations"]]


def at(*days: dt.date) -> list[dt.datetime]:
    return [dt.datetime.combine(each, dt.time()) for each in days]


# --- Targets ------------------------------------------------------------------------------------


def test_what_is_done_stands_as_steps_from_nothing() -> None:
    figures = weekly(24_000)
    shown = trace(drawn([course(figures)]), "办理不动产权证书")
    assert shown["line"]["shape"] == "hv"
    assert shown["x"] == at(START, *(on for on, _ in figures))
    assert shown["y"] == [0, *(value for _, value in figures)]
    assert shown["hovertext"][-1] == "2021-03-31 2.4万套"


def test_steps_begin_with_the_first_figure_where_nothing_else_is_known() -> None:
    # On the first day there is a figure; a level was never zero.
    first = trace(drawn([course([(START, 7.0), (MARCH, 24_000.0)])]), "办理不动产权证书")
    assert first["x"] == at(START, MARCH)
    level = trace(drawn([course([(dt.date(2021, 2, 1), 30.0)], APPROVAL)]), "维修资金审批时限")
    assert (level["x"], level["y"]) == (at(dt.date(2021, 2, 1)), [30.0])


def test_only_published_figures_have_a_dot() -> None:
    figures = weekly(24_000)
    invented = frozenset(on for on, _ in figures[:-1])
    figure = drawn([course(figures, invented=invented)])
    dots = trace(figure, "公布的进度")
    assert (dots["x"], dots["y"]) == (at(MARCH), [24_000])
    assert "虚构" not in dots["hovertext"][0]
    steps = trace(figure, "办理不动产权证书")
    assert [text.endswith("（虚构）") for text in steps["hovertext"]] == [
        False, *([True] * 11), False,
    ]  # fmt: skip


def test_the_timetable_is_straight_without_a_plan_and_follows_one() -> None:
    plain = trace(drawn([course(weekly(24_000))]), "序时")
    assert plain["line"]["dash"] == "dash"
    # The first day counts as a day: it begins at the end of the day before.
    assert (plain["x"], plain["y"]) == (at(START - DAY, END), [0, 100_000])
    points = ((dt.date(2021, 6, 30), 10_000.0), (dt.date(2021, 9, 30), 70_000.0))
    planned = dataclasses.replace(CERTIFICATES, plan=points)
    shown = trace(drawn([course(weekly(24_000), planned)]), "序时")
    assert shown["x"] == at(START - DAY, points[0][0], points[1][0], END)
    assert shown["y"] == [0, 10_000, 70_000, 100_000]
    assert "序时" not in names(drawn([course([(MARCH, 27.0)], APPROVAL)]))


def test_the_target_is_a_line_from_start_to_due_day() -> None:
    figure = drawn([course(weekly(24_000))])
    goal = trace(figure, "目标")
    assert (goal["x"], goal["y"]) == (at(START, END), [100_000, 100_000])
    assert "目标10万套" in texts(figure)
    assert "目标不高于15天" in texts(drawn([course([(MARCH, 27.0)], APPROVAL)]))
    aimless = dataclasses.replace(CERTIFICATES, value=NAN)
    figure = drawn([course(weekly(24_000), aimless)])
    assert "目标" not in names(figure)
    assert any("无目标值" in text for text in texts(figure))


def test_the_forecast_is_a_cone_from_the_last_figure_to_the_due_day() -> None:
    figures = weekly(24_000)
    own = course(figures)
    assert own.ahead.chance != "withheld"
    figure = drawn([own])
    cone = trace(figure, "预测（80 %区间）")
    assert cone["x"] == at(MARCH, END, END, MARCH)
    assert cone["y"] == [24_000, own.ahead.high, own.ahead.low, 24_000]
    assert cone["fill"] == "toself"
    # Both ends in figures, unless they stand too close to be read apart.
    ends = [
        note for note in figure["layout"]["annotations"]
        if note.get("x") == at(END)[0] and note["xref"] == "x"
    ]  # fmt: skip
    assert sorted(note["y"] for note in ends) == sorted([own.ahead.low, own.ahead.high])
    near = dataclasses.replace(own.ahead, low=99_000.0, high=101_000.0)
    joined = drawn([dataclasses.replace(own, ahead=near)])
    assert "9.9–10.1万" in texts(joined)
    assert "预测（80 %区间）" not in names(drawn([course(weekly(24_000, steps=3))]))


@pytest.mark.parametrize("value", [168_000.0, 1_000.0, 100_000.0, 4_000_000.0])
def test_everything_is_inside_the_axis_whatever_was_done(value: float) -> None:
    figure = drawn([course(weekly(value, NOVEMBER, 40), as_of=NOVEMBER)], as_of=NOVEMBER)
    low, high = figure["layout"]["yaxis"]["range"]
    assert low == 0
    for each in figure["data"]:
        if each["yaxis"] == "y":
            assert all(low <= y <= high for y in each["y"])
    ticks = figure["layout"]["yaxis"]["tickvals"]
    assert ticks[0] == 0
    assert 3 <= len(ticks) <= 7
    assert ticks[-1] <= high
    # The text above what is highest has its room too.
    assert max(value, 100_000) <= high / 1.1


def test_a_hundred_and_sixty_eight_percent_passes_the_line_of_the_target() -> None:
    figure = drawn([course(weekly(168_000, NOVEMBER, 40), as_of=NOVEMBER)], as_of=NOVEMBER)
    assert trace(figure, "目标")["y"] == [100_000, 100_000]
    assert trace(figure, "办理不动产权证书")["y"][-1] == 168_000
    assert "<b>16.8万套</b>" in texts(figure)
    assert "预测（80 %区间）" not in names(figure)


@given(
    value=st.floats(1, 1e7),
    goal=st.floats(1, 1e7),
    unit=st.sampled_from(["套", "万元", "%", "件"]),
)
def test_ticks_are_few_and_do_not_repeat(value: float, goal: float, unit: str) -> None:
    target = dataclasses.replace(CERTIFICATES, value=goal, unit=unit)
    for number in (1, 3):
        layout = drawn([course(weekly(value), target)] * number)["layout"]
        axis = layout["yaxis"]
        assert len(axis["tickvals"]) <= 7
        assert axis["tickvals"] == sorted(set(axis["tickvals"]))
        assert len(set(axis["ticktext"])) == len(axis["ticktext"])


def test_a_target_without_a_figure_says_so() -> None:
    figure = drawn([course([])])
    assert "还没有进度" in texts(figure)
    assert names(figure) == ["序时", "目标", "事件"]
    assert course([]).drawable
    assert not course([], dataclasses.replace(CERTIFICATES, value=NAN)).drawable


def test_nothing_done_is_drawn_after_the_cut_off() -> None:
    as_of = dt.date(2021, 4, 12)
    figures = weekly(28_000, dt.date(2021, 4, 11))
    events = [Event(dt.date(2021, 4, 10), "甲"), Event(as_of, "乙")]
    figure = drawn([course(figures, as_of=as_of)], events, weeks_of(as_of), as_of=as_of)
    for name in ("办理不动产权证书", "公布的进度", "事件"):
        assert max(trace(figure, name)["x"]) <= at(as_of)[0]
    # The bar of a week stands in its middle; the last begins before the cut-off.
    for name in ("诉求量", "诉求量（本周未结束）"):
        assert max(trace(figure, name)["x"]) - dt.timedelta(days=3.5) <= at(as_of)[0]
    ahead = {"目标", "序时", "预测（80 %区间）"}
    late = {each["name"] for each in figure["data"] if max(each["x"]) > at(END - 90 * DAY)[0]}
    assert late == ahead
    # And the day is marked in every row.
    uprights = figure["layout"]["shapes"]
    assert (
        {shape["x0"] for shape in uprights} == {shape["x1"] for shape in uprights} == {at(as_of)[0]}
    )
    assert len(uprights) == 3
    assert "截至4.12" in texts(figure)


def test_a_topic_without_a_target_has_its_events_and_complaints() -> None:
    figure = drawn([], [Event(START, "启动")], weeks_of(MARCH))
    assert names(figure)[0] == "事件"
    assert "诉求量" in names(figure)
    assert figure["layout"]["yaxis"]["domain"][1] > figure["layout"]["yaxis2"]["domain"][1]


def test_several_targets_stand_below_each_other_on_one_time_axis() -> None:
    other = dataclasses.replace(CERTIFICATES, name="其他", value=400, unit="部")
    figure = drawn(
        [course(weekly(24_000)), course(weekly(80), other), course([(MARCH, 27.0)], APPROVAL)],
        [Event(START, "启动")],
        weeks_of(MARCH),
        {"resolution": rate_of(MARCH), "satisfaction": rate_of(MARCH)},
    )
    layout = figure["layout"]
    rows = sorted((key for key in layout if key.startswith("yaxis")), key=lambda k: int(k[5:] or 1))
    assert len(rows) == 3 + 1 + 1 + 2
    domains = [layout[row]["domain"] for row in rows]
    assert domains[0][1] == 1
    assert domains[-1][0] == pytest.approx(0, abs=1e-9)
    for above, below in itertools.pairwise(domains):
        assert below[0] < below[1] < above[0]
    across = [layout[row.replace("y", "x", 1)] for row in rows]
    assert {tuple(each["range"]) for each in across} == {tuple(at(AXIS[0], END + DAY))}
    assert [each["showticklabels"] for each in across] == [False] * 6 + [True]
    assert [each.get("matches") for each in across] == [None] + ["x"] * 6
    assert trace(figure, "其他")["yaxis"] == "y2"


# --- Time axis and height -----------------------------------------------------------------------


def test_the_time_axis_goes_from_the_first_week_to_the_last_due_day() -> None:
    assert time_axis([CERTIFICATES], 2021, MARCH) == AXIS
    assert AXIS[0].weekday() == 0
    # Without targets: the year; it never ends before the day.
    assert time_axis([], 2021, MARCH) == AXIS
    short = dataclasses.replace(CERTIFICATES, due_on=dt.date(2021, 6, 30))
    assert time_axis([short], 2021, MARCH)[1] == dt.date(2021, 6, 30)
    assert time_axis([short], 2021, NOVEMBER)[1] == NOVEMBER
    assert time_axis([short, CERTIFICATES], 2021, MARCH) == AXIS
    # A target that began earlier shows the year in which it did.
    early = dataclasses.replace(
        CERTIFICATES, start_on=dt.date(2019, 7, 1), due_on=dt.date(2022, 6, 30)
    )
    assert time_axis([early], 2021, MARCH) == (dt.date(2018, 12, 31), dt.date(2022, 6, 30))


def test_months_are_named_once() -> None:
    layout = drawn([course(weekly(24_000))])["layout"]
    # The row of events is the last one here.
    assert layout["xaxis2"]["ticktext"] == ["1月", *(str(month) for month in range(2, 13))]
    long = drawn([course(weekly(24_000))], axis=(AXIS[0], dt.date(2022, 1, 31)))["layout"]
    assert long["xaxis2"]["ticktext"][11:] == ["12", "22年"]
    years = drawn([course(weekly(24_000))], axis=(dt.date(2018, 12, 31), dt.date(2022, 6, 30)))
    assert len(years["layout"]["xaxis2"]["ticktext"]) <= 15


def test_the_height_follows_from_what_is_drawn() -> None:
    def rem(courses: int, events: Sequence[Event], panels: int) -> float:
        return float(figure_height(courses, events, AXIS, panels).removesuffix("rem"))

    far = [Event(START, "甲"), Event(dt.date(2021, 9, 1), "乙")]
    near = [Event(START, "甲"), Event(START + DAY, "乙")]
    # Margins, a target, a row of events: 28 + 212 + 8 + 21 + 34 pixels.
    assert rem(1, (), 0) == rem(1, far, 0) == 303 / 16
    assert rem(1, near, 0) == 324 / 16
    assert rem(0, (), 0) < rem(1, (), 0) < rem(2, (), 0) < rem(3, (), 0)
    assert rem(1, (), 1) - rem(1, (), 0) == (24 + 92) / 16
    assert rem(1, (), 3) - rem(1, (), 2) == rem(1, (), 2) - rem(1, (), 1) == (28 + 62) / 16


# --- Events -------------------------------------------------------------------------------------


def test_events_are_numbered_by_day_and_open_ones_are_hollow() -> None:
    events = [
        Event(START, "启动"),
        Event(dt.date(2021, 2, 20), "印发<b>"),
        Event(dt.date(2021, 3, 25), "台账", done=False),
    ]
    shown = trace(drawn([course(weekly(24_000))], events), "事件")
    assert shown["text"] == ["1", "2", "3"]
    assert shown["x"] == at(*(event.on for event in events))
    fills = shown["marker"]["color"]
    assert fills[0] == fills[1] != fills[2]
    assert shown["textfont"]["color"][0] != shown["textfont"]["color"][2]
    assert shown["hovertext"][1] == "2021-02-20 印发&lt;b&gt;"


def lanes_of(*days: int) -> list[int]:
    events = [Event(AXIS[0] + DAY * each, "任务") for each in days]
    return list(trace(drawn([course(weekly(24_000))], events), "事件")["y"])


def test_events_close_to_each_other_stand_in_lanes() -> None:
    # The axis has 368 days: numbers need 31 of them.
    assert lanes_of(0, 100, 200) == [0, 0, 0]
    assert lanes_of(0, 10, 50) == [0, 1, 0]
    assert lanes_of(0, 10, 20, 30) == [0, 1, 2, 3]
    assert lanes_of(5, 5, 5) == [0, 1, 2]
    # More on one day than there are lanes.
    assert set(lanes_of(*[7] * 9)) == {0, 1, 2, 3}


@given(st.lists(st.integers(0, 368), min_size=1, max_size=MOST_EVENTS).map(sorted))
def test_no_more_than_four_lanes_and_no_number_hides_another(days: list[int]) -> None:
    lanes = lanes_of(*days)
    assert len(lanes) == len(days)
    assert max(lanes) <= 3
    if max(days.count(day) for day in days) == 1 and max(lanes) < 3:
        for lane in set(lanes):
            own = [day for day, each in zip(days, lanes, strict=True) if each == lane]
            assert all(b - a >= 0.015 * 368 for a, b in itertools.pairwise(own))


def test_no_events_is_a_row_with_the_day_only() -> None:
    figure = drawn([course(weekly(24_000))])
    assert trace(figure, "事件")["x"] == []
    assert "截至3.31" in texts(figure)


def test_events_in_words() -> None:
    events = [Event(START, "启动"), Event(dt.date(2021, 3, 25), "台账（任务清单）", done=False)]
    items = [words(each) for each in of_type(tree(event_list(events, 3, MARCH)), "Li")]
    assert items == [
        f"{CIRCLED[0]}01-01 启动",
        f"{CIRCLED[1]}03-25应完成 台账（任务清单），逾期6天",
        "另有3项见下面的清单",
    ]
    assert len(of_class(tree(event_list(events, 0, MARCH)), "event-late")) == 1
    assert words(tree(event_list([], 0, MARCH))) == "截至该日没有启动、政策或任务事件。"
    assert len(CIRCLED) >= MOST_EVENTS


# --- Complaints and rates -----------------------------------------------------------------------


def weeks_of(as_of: dt.date, expected: float = 50.0) -> pd.DataFrame:
    """Return weeks from the beginning of the axis, the last one cut at the day."""
    starts = [AXIS[0] + 7 * DAY * place for place in range((as_of - AXIS[0]).days // 7 + 1)]
    ends = [min(start + 6 * DAY, as_of) for start in starts]
    over = [(end - start).days == 6 for start, end in zip(starts, ends, strict=True)]
    known = [expected if each and place != 4 else NAN for place, each in enumerate(over)]
    return pd.DataFrame(
        {
            "week_start": starts,
            "week_end": ends,
            "cases": [40.0 + place for place in range(len(starts))],
            "expected": known,
            "low": [value - 20 for value in known],
            "high": [value + 20 for value in known],
        }
    )


def rate_of(as_of: dt.date) -> pd.DataFrame:
    weeks = weeks_of(as_of)[["week_start", "week_end"]]
    size = len(weeks)
    mature = [place < size - 2 for place in range(size)]
    return weeks.assign(value=0.8, n=100.0, low=0.75, high=0.85, mature=mature)


def test_complaints_are_bars_beside_their_expectation() -> None:
    weeks = weeks_of(MARCH)  # a Wednesday
    figure = drawn([course(weekly(24_000))], volume=weeks)
    whole, rest = trace(figure, "诉求量"), trace(figure, "诉求量（本周未结束）")
    assert [whole["type"], rest["type"]] == ["bar", "bar"]
    assert [*whole["y"], *rest["y"]] == list(weeks["cases"])
    assert len(rest["y"]) == 1
    assert rest["marker"]["pattern"]["shape"] == "/"
    assert whole["x"][0] == at(AXIS[0])[0] + dt.timedelta(days=3.5)
    assert whole["hovertext"][0] == "12.28–1.3 诉求量40件<br>预期50件（30–70）"
    assert rest["hovertext"] == ["3.29–3.31 诉求量53件，本周未结束"]
    line = trace(figure, "预期")
    assert [value is None for value in line["y"]] == [math.isnan(v) for v in weeks["expected"]]
    # A band does not cross the week without an expectation.
    bands = [each for each in figure["data"] if each.get("name") == "预期范围"]
    assert [len(band["x"]) for band in bands] == [8, 16]
    assert {value for band in bands for value in band["y"]} == {30, 70}
    axis = figure["layout"]["yaxis3"]
    assert axis["range"][1] >= 70
    assert all(tick == int(tick) for tick in axis["tickvals"])


def test_without_a_year_before_there_is_no_expectation() -> None:
    figure = drawn([course(weekly(24_000))], volume=weeks_of(MARCH, NAN))
    assert {"预期", "预期范围"}.isdisjoint(names(figure))
    assert any("上年同期无可比数据，无预期" in text for text in texts(figure))
    assert "诉求量" in names(figure)
    assert {"诉求量", "预期"}.isdisjoint(names(drawn([course(weekly(24_000))])))


def test_rates_have_their_rows_and_their_unfinished_tail() -> None:
    figure = drawn(
        [course(weekly(24_000))], volume=weeks_of(MARCH),
        rates={"resolution": rate_of(MARCH), "satisfaction": rate_of(MARCH)},
    )  # fmt: skip
    assert trace(figure, "解决率")["yaxis"] == "y4"
    assert trace(figure, "满意率")["yaxis"] == "y5"
    assert len(trace(figure, "解决率")["y"]) == 12
    assert len(trace(figure, "解决率（未成熟）")["y"]) == 2
    assert "<b>解决率</b>  斜纹为未成熟" in texts(figure)


# --- The title ----------------------------------------------------------------------------------


def tree(component: Any) -> Any:
    """Return a component as the browser gets it."""
    return json.loads(to_json_plotly(component))


STEADY = Volume(200, 190.0, 4, rising=False)
RISING = Volume(260, 130.0, 4, rising=True)


def state(
    value: float | None, day: dt.date = MARCH, target: Target = CERTIFICATES, **more: Any
) -> Standing:
    figures = [] if value is None else [(day, value)]
    figures = more.pop("figures", figures)
    return standing(target, figures, more.pop("as_of", day), RULES, **more)


APRIL = dt.date(2021, 4, 12)
SOON = dataclasses.replace(CERTIFICATES, start_on=dt.date(2021, 6, 1))
SAID: dict[Status, tuple[Standing, str]] = {
    "no_lead": (
        state(24_000, has_lead=False),
        "办理不动产权证书24.0 %，慢于序时0.7个百分点，须提速3.6 %，没有主责单位",
    ),
    "no_target": (
        state(24_000, target=dataclasses.replace(CERTIFICATES, value=NAN)),
        "办理不动产权证书2.4万套，没有目标值",
    ),
    # The day of the figures decides the gap, not the day of the look.
    "stale": (
        state(24_000, as_of=dt.date(2021, 5, 13)),
        "办理不动产权证书24.0 %，慢于序时0.7个百分点，43天没有更新",
    ),
    "overdue": (
        state(24_000, target=dataclasses.replace(CERTIFICATES, due_on=MARCH), as_of=APRIL),
        "办理不动产权证书24.0 %，逾期12天，还差7.6万套",
    ),
    "behind": (state(24_000), "办理不动产权证书24.0 %，慢于序时0.7个百分点，须提速3.6 %"),
    "missed": (state(27, target=APPROVAL), "维修资金审批时限27天，目标不高于15天，未达标"),
    "no_data": (state(None, as_of=MARCH), "办理不动产权证书还没有进度"),
    "recovering": (
        state(None, figures=[(dt.date(2021, 3, 24), 10_000), (MARCH, 25_000)], as_of=MARCH),
        "办理不动产权证书25.0 %，快于序时0.3个百分点，现有速度够用",
    ),
    "pending": (state(0, target=SOON), "办理不动产权证书0.0 %，尚未启动"),
    "on_schedule": (
        state(90 / 365 * 100_000), "办理不动产权证书24.7 %，与序时持平，现有速度够用",
    ),
    "ahead": (state(40_000), "办理不动产权证书40.0 %，快于序时15.3个百分点，现有速度够用"),
    "met": (state(14, target=APPROVAL), "维修资金审批时限14天，目标不高于15天，达标"),
    "done": (state(168_000, NOVEMBER), "办理不动产权证书168.0 %，已完成"),
}  # fmt: skip


@pytest.mark.parametrize("status", get_args(Status))
def test_the_title_of_every_status(status: Status) -> None:
    now, said = SAID[status]
    assert now.status == status
    assert topic_answer("题", now, now.as_of, STEADY) == f"题：{said}"
    # Complaints that rise are news where progress is sound.
    good = status in ("recovering", "on_schedule", "ahead", "met", "done")
    more = "，但近4周诉求比预期多100 %" if good else ""
    assert topic_answer("题", now, now.as_of, RISING) == f"题：{said}{more}"


def test_the_title_without_target_figure_or_lead() -> None:
    assert topic_answer("题", None, MARCH, RISING) == "题：没有目标"
    nobody = state(None, as_of=MARCH, has_lead=False)
    assert topic_answer("题", nobody, MARCH, RISING) == (
        "题：办理不动产权证书还没有进度，没有主责单位"
    )
    level = state(16, target=APPROVAL, as_of=dt.date(2022, 1, 5))
    assert topic_answer("题", level, dt.date(2022, 1, 5), STEADY) == (
        "题：维修资金审批时限16天，目标不高于15天，逾期，280天没有更新"
    )
    least = dataclasses.replace(APPROVAL, name="签约率", unit="%", value=95, direction="up")
    assert "目标不低于95%" in topic_answer("题", state(90, target=least), MARCH, STEADY)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (state(24_000), "■ 滞后 第1周"),
        (SAID["stale"][0], "◇ 久未更新 滞后第7周"),
        (SAID["no_lead"][0], "◇ 无主责 滞后第1周"),
        (state(40_000, has_lead=False), "◇ 无主责 按数字超前"),
        (SAID["recovering"][0], "◐ 已追平 近期曾滞后"),
        (SAID["done"][0], "✓ 已完成"),
        (SAID["overdue"][0], "◆ 逾期 滞后第2周"),
        (
            state(100_000, target=dataclasses.replace(CERTIFICATES, due_on=MARCH), day=APRIL),
            "✓ 已完成 迟12天完成",
        ),
    ],
)
def test_the_status_says_for_how_long_or_what_the_figures_say(now: Standing, said: str) -> None:
    assert words(tree(status_line(now, now.as_of))) == said


# --- The card of a target -----------------------------------------------------------------------


def lines_of(card: Any) -> dict[str, str]:
    return dict(zip(map(words, of_type(card, "Dt")), map(words, of_type(card, "Dd")), strict=True))


def test_the_card_of_the_published_example() -> None:
    withheld = Forecast("withheld", reason="进度不足8期")
    card = tree(topic_card(state(24_000), withheld, MARCH, invented=False))
    assert words(of_class(card, "figure-value")) == "24.0 % ■ 滞后 第1周"
    assert words(of_class(card, "figure-sample")) == "2.4万套 / 10万套，占存量57万套的4.2 %，03-31"
    assert lines_of(card) == {
        "序时": "24.66 %，慢0.7个百分点（−658套）",
        "须达速度": "0.84万套/月，迄今0.81万套/月，须提速3.6 %",
        "按现有速度": "到期9.73万套，缺口0.27万套",
        "预测": "不作预测（进度不足8期）",
        "期限": "2021-12-31，还有275天",
    }
    ahead = Forecast(
        "possible", 88_000.0, 97_000.0, 106_000.0, 0.44,
        dt.date(2021, 11, 14), dt.date(2022, 1, 9), dt.date(2022, 4, 3),
    )  # fmt: skip
    told = lines_of(tree(topic_card(state(24_000), ahead, MARCH, invented=True)))
    assert told["预测"] == "8.8万套–10.6万套（80 %区间），按期完成可能"
    assert told["达到目标"] == "2022-01-09（2021-11-14至2022-04-03）"


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (
            SAID["done"][0],
            {"目标": "10万套", "序时": "91.51 %，快76.5个百分点（+7.65万套）",
             "期限": "2021-12-31，还有31天"},
        ),
        (SAID["no_data"][0], {"目标": "10万套", "期限": "2021-12-31，还有275天"}),
        (SAID["no_target"][0], {"目标": "没有目标值", "期限": "2021-12-31，还有275天"}),
        (
            SAID["missed"][0],
            {"目标": "不高于15天", "现状": "27天，未达标", "期限": "2021-12-31，还有275天"},
        ),
        (
            SAID["overdue"][0],
            {"序时": "100.00 %，慢76.0个百分点（−7.6万套）", "还差": "7.6万套",
             "预测": "不作预测（已过期限）", "期限": "2021-03-31，已过12天"},
        ),
        (
            state(24_000, target=dataclasses.replace(CERTIFICATES, due_on=MARCH)),
            {"序时": "100.00 %，慢76.0个百分点（−7.6万套）", "还差": "7.6万套",
             "预测": "不作预测（当日到期）", "期限": "2021-03-31，当日到期"},
        ),
        (
            state(87_300, day=dt.date(2021, 2, 28), as_of=dt.date(2021, 11, 30)),
            {"序时": "16.16 %，快71.1个百分点（+7.11万套）",
             "还差": "1.27万套（02-28的数字，275天没有更新）",
             "须达速度": "1.25万套/月，自11-30计，现速不明",
             "预测": "不作预测（久未更新）", "期限": "2021-12-31，还有31天"},
        ),
        (
            state(None, figures=[(MARCH, 90_000.0), (dt.date(2021, 5, 30), 100_000.0)],
                  target=dataclasses.replace(CERTIFICATES, due_on=MARCH),
                  as_of=dt.date(2021, 6, 30)),
            {"目标": "10万套", "完成": "2021-05-30，迟60天完成",
             "期限": "2021-03-31，已过91天"},
        ),
    ],
)  # fmt: skip
def test_the_lines_of_other_cards(now: Standing, told: dict[str, str]) -> None:
    figures = [] if now.on_date is None else [(now.on_date, now.actual)]
    ahead = forecast(now.target, figures, now.as_of, RULES)
    card = tree(topic_card(now, ahead, now.as_of, invented=False))
    assert lines_of(card) == told
    assert "nan" not in words(card)


def test_an_invented_figure_is_marked_on_its_card() -> None:
    withheld = Forecast("withheld", reason="进度不足8期")
    marked = tree(topic_card(state(24_000), withheld, MARCH, invented=True))
    assert words(of_class(marked, "figure-sample")).endswith("03-31（虚构）")


# --- Complaints in words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (0.12, "多12 %"),
        (-0.08, "少8 %"),
        (0.0, "多0 %"),
        # Rounding never makes nothing of something.
        (0.004, "多0.4 %"),
        (-0.0004, "少0.04 %"),
        (11.0, "多1,100 %"),
        (-1.0, "少100 %"),
        (-0.999, "少99.9 %"),
    ],
)
def test_more_or_less(change: float, said: str) -> None:
    assert more_or_less(change) == said


def test_complaints_against_expectation_in_words() -> None:
    assert volume_words(STEADY) == "近4周诉求200件，比预期多5 %（在波动之内）"
    assert volume_words(RISING) == "近4周诉求260件，比预期多100 %（明显高于预期）"
    # No data of last year is another thing than a year without complaints.
    assert volume_words(Volume(9, NAN, 4, rising=False)) == (
        "近4周诉求9件，上年同期无可比数据，没有预期"
    )
    assert volume_words(Volume(9, 0.0, 4, rising=False)) == (
        "近4周诉求9件，上年同期无诉求，没有预期"
    )


def test_the_card_of_complaints() -> None:
    weekly_cases = {
        "week_start": np.array([dt.date(2021, 3, 15) + 7 * DAY * place for place in range(4)]),
        "week_end": np.array([dt.date(2021, 3, 21) + 7 * DAY * place for place in range(4)]),
        "value": np.array([40.0, 50.0, 60.0, 50.0]),
        "mature": np.ones(4, dtype=bool),
    }
    card = tree(volume_card(RISING, weekly_cases))
    assert words(of_class(card, "figure-value")) == "260 件 ▲ 明显高于预期"
    assert of_class(card, "is-bad")
    assert words(of_class(card, "figure-sample")) == "预期130件，多100 %"
    assert words(of_class(card, "figure-extra")).startswith("整周，至2021-04-11；")
    calm = tree(volume_card(STEADY, weekly_cases))
    assert words(of_class(calm, "figure-value")) == "200 件 ● 在波动之内"
    assert not of_class(calm, "is-bad")
    for expected, reason in ((NAN, "上年同期无可比数据"), (0.0, "上年同期无诉求")):
        card = tree(volume_card(Volume(9, expected, 4, rising=False), weekly_cases))
        assert words(of_class(card, "figure-value")) == "9 件 "
        assert words(of_class(card, "figure-sample")) == f"{reason}，没有预期"


UP = Effect(0.25, 0.1, 0.42, 0.001, 1_234, 12, 14, seasonal=True)
DOWN = Effect(-0.2, -0.3, -0.08, 0.002, 900, 12, 26, seasonal=False)
FLAT = Effect(0.02, -0.08, 0.13, 0.7, 500, 12, 14, seasonal=True)
WITHHELD = Effect(NAN, NAN, NAN, NAN, 0, 12, 3, seasonal=False, reason="启动后不足4个整周")


def test_the_effect_of_a_launch_in_words() -> None:
    assert effect_words(UP) == (
        "启动后诉求量比对照多25 %（95 %区间 多10 %–多42 %），"
        "启动前12周、后14周，按上年同期作季节调整"
    )
    assert effect_words(DOWN) == (
        "启动后诉求量比对照少20 %（95 %区间 少30 %–少8 %），"
        "启动前12周、后26周，无上年可比数据，未作季节调整"
    )
    assert effect_words(FLAT) == (
        "启动后诉求量与对照无明显差别（95 %区间 少8 %–多13 %），"
        "启动前12周、后14周，按上年同期作季节调整"
    )
    assert effect_words(WITHHELD) == "启动后诉求量与对照的比较不作估计：启动后不足4个整周"


@pytest.mark.parametrize(
    ("effect", "value", "sample"),
    [
        (UP, "多25%", "95 %区间 多10 %–多42 %，启动后n=1,234件"),
        (DOWN, "少20%", "95 %区间 少30 %–少8 %，启动后n=900件"),
        # An estimate inside the noise is not told.
        (FLAT, "无明显差别", "95 %区间 少8 %–多13 %，启动后n=500件"),
        (WITHHELD, "—（启动后不足4个整周）", "对照为同区同周不属每月一题的诉求"),
    ],
)
def test_the_card_of_the_effect(effect: Effect, value: str, sample: str) -> None:
    card = tree(effect_card(effect))
    assert words(of_class(card, "figure-value")) == value
    assert words(of_class(card, "figure-sample")) == sample
    pictures = of_type(card, "Svg")
    assert len(pictures) == (0 if effect.withheld else 1)
    assert all(picture["props"]["aria-label"] == effect_words(effect) for picture in pictures)


# --- Tasks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Tasks(3, 0, 0, 0, 0, 0), "共3项，到期0项"),
        (Tasks(3, 0, 1, 0, 0, 0), "共3项，到期0项；另有1项提前完成"),
        (
            Tasks(9, 4, 3, 2, 1, 1),
            "共9项，到期4项：按时2项，迟完成1项，逾期未完1项；到期不足5项，不算按时完成率",
        ),
        (
            Tasks(23, 8, 9, 4, 4, 0),
            "共23项，到期8项：按时4项，迟完成4项，逾期未完0项；另有1项提前完成；"
            "按时完成率50.0 %（n=8）",
        ),
    ],
)
def test_the_account_of_tasks_in_words(done: Tasks, said: str) -> None:
    assert tasks_words(done, RULES) == said


MILESTONES = {
    "按时完成": (dt.date(2021, 3, 10), dt.date(2021, 3, 10), "✓ 按时"),
    "迟了": (dt.date(2021, 3, 10), dt.date(2021, 3, 17), "■ 迟7天"),
    "未完": (dt.date(2021, 3, 30), None, "◆ 逾期1天"),
    "后来才完": (dt.date(2021, 3, 30), dt.date(2021, 4, 2), "◆ 逾期1天"),
    "今日": (MARCH, None, "◆ 当日到期未完"),
    "今日已完": (MARCH, MARCH, "✓ 按时"),
    "明日已完": (dt.date(2021, 4, 1), dt.date(2021, 3, 20), "✓ 提前"),
    "明日": (dt.date(2021, 4, 1), None, "○ 未到期"),
    "明日才完": (dt.date(2021, 4, 1), dt.date(2021, 4, 1), "○ 未到期"),
}


def test_milestones_with_what_became_of_each() -> None:
    rows = pd.DataFrame(
        [(name, "" if name == "今日" else "某局", due, done)
         for name, (due, done, _) in MILESTONES.items()],
        columns=["name", "unit", "due_on", "done_on"], dtype="object",
    )  # fmt: skip
    account = tasks([(due, done) for due, done, _ in MILESTONES.values()], MARCH)
    shown = tree(milestone_list("任务清单", rows, account, MARCH))
    cells = table_rows(shown)[1:]
    assert [row[3] for row in cells] == [state for _, _, state in MILESTONES.values()]
    # What came after the day is not known yet.
    told = {name: row[2] for name, row in zip(MILESTONES, cells, strict=True)}
    assert told["后来才完"] == told["明日才完"] == "—"
    assert told["迟了"] == "2021-03-17"
    assert cells[4][0] == "今日未写单位"
    head = words(of_type(shown, "H3"))
    assert head.startswith("任务清单9项，到期6，按时2，迟1，")
    assert head.endswith("，提前1")


# --- Districts ----------------------------------------------------------------------------------


def district(code: str, value: float = 10.0, **more: Any) -> DistrictProgress:
    figures = () if math.isnan(value) else ((dt.date(2021, 2, 1), value / 2), (MARCH, value))
    known: dict[str, Any] = {
        "recent": value / 2, "idle": False, "of_stock": NAN, "of_city": 0.25, "href": f"?{code}",
    }  # fmt: skip
    return DistrictProgress(code, f"区{code}", figures, value, **(known | more))


def tiles(*rows: DistrictProgress) -> Any:
    return tree(progress_tiles(rows, CERTIFICATES, "近4周", (START, MARCH)))


def test_tiles_say_how_much_what_share_and_what_was_added() -> None:
    shown = tiles(
        district("a", 1_234.0),
        district("b", 12_345.0, of_stock=0.021, recent=0.0, idle=True),
        district("c", NAN, recent=NAN, of_city=NAN),
    )
    first, second, third = of_class(shown, "tile")
    assert words(first) == "区a1,234套占全市25.0 %+617套"
    assert words(second) == "区b零1.23万套占存量2.1 %0套"
    assert words(third) == "区c—没有进度"
    assert [bool(of_class(each, "spark")) for each in (first, second, third)] == [True, True, False]
    assert of_type(first, "Link")[0]["props"]["href"] == "?a"


def test_only_idle_districts_have_the_mark_and_the_legend_counts_them() -> None:
    shown = tiles(district("a"), district("b", recent=0.0, idle=True), district("c", recent=0.0))
    assert [words(of_class(each, "tile-name")) for each in of_class(shown, "tile-idle")] == ["区b"]
    marked = [bool(of_class(each, "nothing-mark")) for each in of_class(shown, "tile")]
    assert marked == [False, True, False]
    legend = words(of_class(shown, "progress-legend"))
    assert legend.endswith("零 近4周没有进展，1个区")
    assert "占全市已完成" in legend
    assert "零" not in words(of_class(tiles(district("a")), "progress-legend"))
    assert "占本区存量" in words(tiles(district("a", of_stock=0.5)))


def test_tiles_stand_in_their_places_and_others_below() -> None:
    shown = tiles(
        district("a", place=(3, 2)), district("b"), district("c", place=(4, 4)), district("d"),
        district("e"), district("f"), district("g", chosen=True),
    )  # fmt: skip
    styles = [each["props"]["style"] for each in of_class(shown, "tile")]
    places = [(style["gridRow"], style["gridColumn"]) for style in styles]
    assert places[0] == ("1", "1")
    assert places[2] == ("2", "3")
    below = [place for n, place in enumerate(places) if n not in (0, 2)]
    assert below == [("3", "1"), ("3", "2"), ("3", "3"), ("4", "1"), ("4", "2")]
    assert len(set(places)) == 7
    (chosen,) = of_class(shown, "is-chosen")
    assert words(of_class(chosen, "tile-name")) == "区g"
    flow = tiles(district("a"), district("b"))
    assert of_class(flow, "tiles-flow")
    assert all(each["props"].get("style") is None for each in of_class(flow, "tile"))


# --- Cases --------------------------------------------------------------------------------------


def test_cases_on_one_line_each() -> None:
    cutoff = dt.datetime(2021, 3, 31, 18)
    rows = pd.DataFrame(
        [
            ("A1", dt.datetime(2021, 3, 1, 9), dt.datetime(2021, 3, 16), "甲区", "分类", "摘要"),
            ("A2", dt.datetime(2021, 3, 30, 9), dt.datetime(2021, 3, 31, 9), "", "", ""),
            ("A3", dt.datetime(2021, 3, 31, 9), dt.datetime(2021, 4, 15), "甲区", "分类", "摘要"),
            ("A4", dt.datetime(2021, 3, 31, 9), None, "甲区", "分类", "摘要"),
            ("A5", dt.datetime(2021, 3, 1, 9), dt.datetime(2021, 3, 2), "甲区", "分类", "摘要"),
        ],
        columns=["case_id", "created_at", "due_at", "place", "category", "summary"],
    ).assign(closed=[False] * 4 + [True], repeats=[3, 2, 1, 1, 1])  # fmt: skip
    cells = table_rows(tree(case_list("最久未办结", "oldest_open", rows, cutoff)))
    assert cells[0] == ["工单", "创建", "地点", "分类", "摘要", "已过天", "办理期限"]
    # Past its day is not 逾期: whether a case is shelved (挂账) is not told here.
    assert [row[-1] for row in cells[1:]] == [
        "已过15天", "已过不足1天", "至2021-04-15", "—（未给期限）", "已办结",
    ]  # fmt: skip
    assert [row[-2] for row in cells[1:]] == ["30", "1", "0", "0", "30"]
    assert cells[2][2:5] == ["未定位", "未归类", "—（无摘要）"]
    again = table_rows(tree(case_list("重复最多", "repeated", rows, cutoff)))
    assert [row[-2] for row in again] == ["重复件", "3", "2", "1", "1", "1"]
    empty = tree(case_list("最新", "newest", rows.iloc[:0], cutoff))
    assert words(of_class(empty, "table-empty")) == "没有最新的诉求"
    assert [each for each in nodes(empty) if each["type"] == "H3"]
