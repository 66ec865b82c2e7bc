"""The pictures and words of 抓零抓大户: by their data, not by pixels."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.exceptions import signal_sentence
from components.figures.targeting import (
    MOST_NAMES,
    Spot,
    label_boxes,
    pareto_figure,
    quadrant_figure,
)
from components.targeting import answer, gap_words, kind_of, questions, recent_words, why
from domain.rules import Rules
from domain.schedule import Target, fastest_pace
from domain.signals import targeting_exceptions
from domain.targeting import Holder, Targeting, targeting

NAN = float("nan")
RULES = Rules()
START = dt.date(2021, 1, 1)
TODAY = dt.date(2021, 4, 11)
TARGET = Target("t", "2021-01", "办证", "套", 10_000, 40_000, START, dt.date(2021, 12, 31))


def spot(name: str = "甲", remaining: float = 1_000, gap: float = 0.0, **more: object) -> Spot:
    given = {"recent": 10.0, "part": 0.1, "cumulative": 0.1, "kind": "", "words": name, **more}
    return Spot(name, name, remaining, gap, **given)  # type: ignore[arg-type]


spots = st.lists(
    st.builds(
        spot,
        st.sampled_from(["朝阳", "经开区", "石景山", "土地征收＋建设手续"]),
        st.floats(1, 1e6),
        st.floats(-1, 3),
        recent=st.one_of(st.just(NAN), st.floats(0, 1e4)),
        kind=st.sampled_from(["", "zero", "large", "both"]),
    ),
    max_size=40,
)


@given(spots)
def test_no_name_covers_another(drawn: list[Spot]) -> None:
    boxes = list(label_boxes(drawn, (0.0, 6.5), (-120.0, 320.0)).values())
    assert len(boxes) <= MOST_NAMES
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            apart = (
                one[2] <= other[0] or other[2] <= one[0]
                or one[3] <= other[1] or other[3] <= one[1]
            )  # fmt: skip
            assert apart


@given(spots, st.floats(0, 1e5), st.one_of(st.just(NAN), st.floats(1, 1e5)))
def test_any_quadrant_is_a_sound_figure(drawn: list[Spot], floor: float, cut: float) -> None:
    figure = quadrant_figure(drawn, "套", floor, cut)
    go.Figure(figure)  # Plotly checks every property
    low, high = figure["layout"]["xaxis"]["range"]
    bottom, top = figure["layout"]["yaxis"]["range"]
    shown = 0
    for trace in figure["data"]:
        shown += len(trace["x"])
        assert trace["type"] == "scatter"
        assert all(low <= math.log10(x) <= high for x in trace["x"])
        assert all(bottom <= y <= top for y in trace["y"])
        assert all(size >= 9 for size in trace["marker"]["size"])
    assert shown == len(drawn)


def test_a_bubble_is_as_large_as_what_was_done() -> None:
    drawn = [spot("甲", recent=100.0), spot("乙", recent=400.0, remaining=9_000)]
    (trace,) = quadrant_figure(drawn, "套", 0, NAN)["data"]
    small, big = trace["marker"]["size"]
    assert big / small == pytest.approx(2)  # four times the area


def test_who_has_nothing_left_is_not_in_the_quadrant() -> None:
    drawn = [spot("甲", 0.0), spot("乙", 10.0, NAN), spot("丙", 10.0)]
    (trace,) = quadrant_figure(drawn, "套", 0, NAN)["data"]
    assert trace["hovertext"] == ["丙"]


def test_shapes_tell_the_lists_apart_without_colour() -> None:
    drawn = [spot(kind, kind=kind) for kind in ("zero", "large", "both", "")]
    symbols = {t["hovertext"][0]: t["marker"]["symbol"] for t in
               quadrant_figure(drawn, "套", 0, NAN)["data"]}  # fmt: skip
    assert len(set(symbols.values())) == 4


def test_the_pareto_is_cut_after_the_large() -> None:
    drawn = [
        spot("甲", 50, kind="both", cumulative=0.5), spot("乙", 25, kind="large", cumulative=0.75),
        spot("丙", 15, cumulative=0.9),
    ]  # fmt: skip
    figure = pareto_figure(drawn, "套", 4, 0.1)
    go.Figure(figure)
    bars, texts = figure["data"]
    assert bars["x"] == pytest.approx([50, 25, 15, 10])
    assert figure["layout"]["yaxis"]["ticktext"] == ["甲", "乙", "丙", "其余4个"]
    assert [text.strip() for text in texts["text"]] == [
        "50套 · 累计50.0 %", "25套 · 累计75.0 %", "15套 · 累计90.0 %", "10套",
    ]  # fmt: skip
    (cut,) = figure["layout"]["shapes"]
    assert cut["y0"] == 1.5
    assert bars["marker"]["color"][0] == bars["marker"]["color"][1] != bars["marker"]["color"][2]


# --- Words --------------------------------------------------------------------------------------


def weekly(*values: float) -> list[tuple[dt.date, float]]:
    last = len(values) - 1
    return [(TODAY - dt.timedelta(weeks=last - n), value) for n, value in enumerate(values)]


def lists(*holders: Holder, floor: float | None = None) -> Targeting:
    return targeting(TARGET, holders, TODAY, RULES, floor)


QUIET = Holder("a", "甲", 8_000, 2_000, weekly(500, 500, 500, 500, 500, 500))
LARGE = Holder("b", "乙", 30_000, 7_000, weekly(1_000, 1_200, 1_500, 1_800, 2_000, 2_400))
SMALL = Holder("c", "丙", 2_000, 1_000, weekly(100, 150, 200, 250, 280, 300))


def test_the_title_counts_both_lists() -> None:
    assert answer(lists(QUIET, LARGE, SMALL), TARGET, "区") == (
        "办证：1区列入抓零，1区列入抓大户，没有双抓"
    )
    slow = dataclasses.replace(LARGE, figures=weekly(100, 100, 100, 100, 100, 100))
    assert answer(lists(QUIET, slow, SMALL), TARGET, "区").endswith("双抓1区")
    assert answer(lists(SMALL, LARGE), TARGET, "个项目") == (
        "办证：没有项目列入抓零，1个项目列入抓大户，没有双抓"
    )
    assert answer(lists(), TARGET, "区") == "办证：没有分区的存量"


def test_why_somebody_is_listed() -> None:
    result = lists(QUIET, LARGE, SMALL)
    found = {each.holder.code: each for each in result.holdings}
    assert why(found["a"], RULES, TARGET) == "5周没有进展，剩余7,500套"
    assert why(found["b"], RULES, TARGET) == "剩余2.76万套，占全部剩余的75.0 %"
    assert [kind_of(found[code]) for code in "abc"] == ["zero", "large", ""]
    assert questions(found["a"]).startswith("卡在哪个环节")
    assert questions(found["c"]) == ""
    slow = dataclasses.replace(SMALL, figures=weekly(10, 20, 30, 40, 50, 60), goal=1_000)
    (each,) = lists(slow).holdings
    assert "完成率6.0 %，不到序时27.7 %的50 %" in why(each, RULES, TARGET)


def test_what_was_not_reported_is_not_told_as_nothing_done() -> None:
    silent = dataclasses.replace(QUIET, figures=weekly(500, 510, 520, 530, 540, 550, 560)[:1])
    found = {each.holder.code: each for each in lists(silent, LARGE).holdings}
    assert "没有上报" in why(found["a"], RULES, TARGET)
    assert recent_words(found["a"], TARGET) == "没有上报"
    assert recent_words(found["b"], TARGET) == "+1,200套"


def test_a_gap_is_told_in_points() -> None:
    found = {each.holder.code: each for each in lists(QUIET, LARGE, SMALL).holdings}
    assert gap_words(found["a"]) == "完成率25.0 %，慢于序时2.7个百分点"
    assert gap_words(found["b"]) == "完成率34.3 %，快于序时6.6个百分点"


def test_exceptions_name_the_list_the_weeks_and_what_is_left() -> None:
    checked = targeting_exceptions(lists(QUIET, LARGE, SMALL))
    assert checked.normal == 2
    (signal,) = checked.signals
    weeks = lists(QUIET, LARGE, SMALL).zero[0].zero_weeks_on
    assert signal_sentence(signal, "某市") == f"甲抓零（办证）：连续第{weeks}周，剩余7,500套"
    assert signal.tone == "watch"
    alone = targeting_exceptions(lists(QUIET)).signals[0]
    assert (alone.tone, signal_sentence(alone, "某市")[:3]) == ("alert", "甲双抓")


@pytest.mark.parametrize(
    ("figures", "weeks", "pace"),
    [
        ([], 4, NAN),
        (weekly(0, 10, 10, 70, 80), 1, 60.0),
        (weekly(0, 10, 10, 70, 80), 4, 20.0),
        (weekly(0, 10, 10, 70, 80), 2, 35.0),
        (weekly(40, 40), 4, 0.0),
        (weekly(0, 8), 4, 2.0),  # a short history counts as the whole
    ],
)
def test_the_fastest_weeks_of_a_history(
    figures: list[tuple[dt.date, float]], weeks: int, pace: float
) -> None:
    assert fastest_pace(figures, weeks) == pytest.approx(pace, nan_ok=True)
