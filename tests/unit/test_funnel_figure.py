"""The funnel by its data: every unit once, in its place, with the shape of where it lies."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.figures.funnel import Dot, dot_words, funnel_figure
from domain.metrics import METRICS

RESOLUTION = METRICS["resolution"]
AXIS = (0.6, 1.0)
PLOT = (1080.0, 330.0)  # what labels are placed for


def limits(low: float = 30, high: float = 3000) -> pd.DataFrame:
    sizes = [low * (high / low) ** (step / 40) for step in range(41)]
    half = [0.9 / math.sqrt(n) for n in sizes]
    return pd.DataFrame(
        {
            "n": sizes,
            "whole": 0.85,
            "low_95": [0.85 - 2 * each for each in half],
            "high_95": [0.85 + 2 * each for each in half],
            "low_998": [0.85 - 3 * each for each in half],
            "high_998": [0.85 + 3 * each for each in half],
        }
    )


def dot(name: str = "甲街道", n: float = 300, value: float = 0.9, beyond: int = 0,
        side: int = 1, distance: float = 0.5, marked: bool = False) -> Dot:  # fmt: skip
    return Dot(name, n, value, side, beyond, distance, f"{name}<br>x<br>y", marked)


dots = st.lists(
    st.builds(
        dot,
        st.sampled_from(["甲街道", "和平里街道", "西北旺镇"]),
        st.floats(30, 3000),
        st.floats(0, 1),
        st.integers(0, 2),
        st.sampled_from([-1, 1]),
        st.floats(0, 9),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def markers(figure: dict[str, Any]) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace["mode"] == "markers"]


@given(dots)
def test_every_unit_is_drawn_once_in_its_place(drawn: list[Dot]) -> None:
    figure = funnel_figure(drawn, limits(), RESOLUTION, AXIS)
    go.Figure(figure)
    # Rings of chosen units lie over the units themselves.
    of_units = [each for each in markers(figure) if each["marker"]["symbol"] != "circle-open"]
    shown = sorted((x, y) for each in of_units for x, y in zip(each["x"], each["y"], strict=True))
    assert shown == sorted((each.n, min(max(each.value, 0.6), 1.0)) for each in drawn)
    rings = [each for each in markers(figure) if each["marker"]["symbol"] == "circle-open"]
    assert sum(len(each["x"]) for each in rings) == sum(each.marked for each in drawn)
    # WebGL prints blank.
    assert {trace["type"] for trace in figure["data"]} == {"scatter"}


@given(dots)
def test_no_name_covers_another_or_leaves_the_plot(drawn: list[Dot]) -> None:
    figure = funnel_figure(drawn, limits(), RESOLUTION, AXIS)
    low, high = figure["layout"]["xaxis"]["range"]
    boxes = []
    for note in figure["layout"]["annotations"]:
        if note["text"] in ("汇总", "95", "99.8"):
            assert note["x"] == high  # at the right end, outside of the plot
            continue
        x = (note["x"] - low) / (high - low) * PLOT[0] + note["xshift"]
        y = (1 - (note["y"] - AXIS[0]) / (AXIS[1] - AXIS[0])) * PLOT[1]
        wide = 12 * len(note["text"])
        left = x if note["xanchor"] == "left" else x - wide
        boxes.append((left, y - 7, left + wide, y + 7))
    assert len(boxes) <= 24
    for place, one in enumerate(boxes):
        assert one[0] >= -2
        assert one[2] <= PLOT[0] + 2
        for other in boxes[place + 1 :]:
            assert (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )


def test_shapes_tell_the_sides_apart_without_colour() -> None:
    drawn = [dot(beyond=beyond, side=side) for beyond in (0, 1, 2) for side in (1, -1)]
    symbols = [each["marker"]["symbol"] for each in markers(
        funnel_figure(drawn, limits(), RESOLUTION, AXIS))]  # fmt: skip
    assert len(set(symbols)) == 5  # inside there are no sides
    assert all(("up" in each) != ("down" in each) for each in symbols if "triangle" in each)


def test_only_those_far_out_and_the_chosen_are_named_the_chosen_first() -> None:
    drawn = [
        dot("外", 100, 0.7, 2, -1, 4.0), dot("里", 1000, 0.86), dot("选", 400, 0.85, marked=True),
        dot("边", 2000, 0.95, 1),
    ]  # fmt: skip
    figure = funnel_figure(drawn, limits(), RESOLUTION, AXIS)
    named = [note["text"] for note in figure["layout"]["annotations"]]
    assert [name for name in named if len(name) == 1] == ["选", "外"]


def test_limits_stop_at_the_edge_of_the_axis() -> None:
    figure = funnel_figure([dot()], limits(), RESOLUTION, AXIS)
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    assert len(lines) == 5
    frame = limits()
    for line, name in zip(lines, ("low_95", "low_998", "high_95", "high_998", "whole"),
                          strict=True):  # fmt: skip
        assert line["x"] == list(frame["n"])
        # Drawn along the edge it would be a limit that is none.
        assert line["y"] == [each if 0.6 <= each <= 1 else None for each in frame[name]]
        assert line["connectgaps"] is False
    assert any(value is None for line in lines for value in line["y"])


@pytest.mark.parametrize("high", [90, 700, 40_000])
def test_ticks_of_the_sizes_lie_on_the_axis(high: float) -> None:
    axis = funnel_figure([dot()], limits(30, high), RESOLUTION, AXIS)["layout"]["xaxis"]
    low, end = axis["range"]
    assert axis["tickvals"]
    assert all(low <= math.log10(tick) <= end for tick in axis["tickvals"])
    assert [int(text.replace(",", "")) for text in axis["ticktext"]] == axis["tickvals"]


def test_what_a_dot_says() -> None:
    assert dot_words("甲街道", RESOLUTION, 0.8768, 1234, "在内") == (
        "甲街道<br>87.7 %，n=1,234<br>在内"
    )
