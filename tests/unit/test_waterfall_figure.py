"""The bars between two values: printed parts add up, bars begin where the last one ended."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.figures.waterfall import (
    End,
    Step,
    hundredths,
    signed,
    waterfall_figure,
    waterfall_height,
)

amounts = st.lists(st.floats(-50, 50, allow_nan=False), max_size=30)


@given(amounts)
def test_printed_parts_add_up_to_the_printed_sum(drawn: list[float]) -> None:
    found = hundredths(drawn)
    assert sum(found) == round(100 * sum(drawn)) or abs(
        sum(found) - 100 * sum(drawn)
    ) == pytest.approx(0.5, abs=1e-6)
    for number, amount in zip(found, drawn, strict=True):
        assert abs(number - 100 * amount) < 1 + 1e-6


@given(amounts.filter(bool), st.integers(-3, 3))
def test_parts_add_up_to_what_is_printed_elsewhere(drawn: list[float], off: int) -> None:
    wanted = round(100 * sum(drawn)) + off
    found = hundredths(drawn, wanted)
    assert sum(found) == wanted
    for number, amount in zip(found, drawn, strict=True):
        assert abs(number - 100 * amount) < 1 + (abs(off) + 1) / len(drawn) + 1


def test_rounded_one_by_one_they_would_not() -> None:
    parts = [0.004, 0.004, 0.004]
    alone = [int(Decimal(str(100 * each)).quantize(Decimal(1), ROUND_HALF_EVEN)) for each in parts]
    assert sum(alone) == 0
    assert sorted(hundredths(parts)) == [0, 0, 1]
    assert hundredths([-0.004, -0.004, -0.004]) != [0, 0, 0]
    assert hundredths([]) == []


def test_whole_hundredths_stay_as_they_are() -> None:
    # 0.29 × 100 is 28.999…: the floor of it would be another number.
    assert hundredths([0.29, -0.57, 1.13]) == [29, -57, 113]


@pytest.mark.parametrize(
    ("number", "text"), [(12, "+0.12"), (-30, "−0.30"), (0, "0.00"), (-1234, "−12.34")]
)
def test_signed(number: int, text: str) -> None:
    assert signed(number) == text


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["解决率 · 供暖", "响应率 · 其余各类"]),
        st.floats(-20, 20, allow_nan=False),
        st.just("+0.10"),
        rest=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(steps, st.floats(60, 95))
def test_bars_lead_from_the_whole_to_the_place(drawn: list[Step], start: float) -> None:
    end = start + sum(step.amount for step in drawn)
    figure = waterfall_figure(End("某市", start, "a"), drawn, End("甲区", end, "b"))
    go.Figure(figure)  # Plotly checks every property
    (bars,) = (trace for trace in figure["data"] if trace["type"] == "bar")
    at = start
    for base, x, step in zip(bars["base"], bars["x"], drawn, strict=True):
        assert base == pytest.approx(at)
        assert x == step.amount
        at += step.amount
    assert at == pytest.approx(end)
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < min(start, end, *bars["base"])
    assert high > max(start, end, *bars["base"])
    ends = figure["data"][-1]
    assert ends["x"] == [start, end]
    # The whole is at the top, the place at the bottom, one row each between.
    assert ends["y"] == [0, len(drawn) + 1]
    assert len(figure["layout"]["yaxis"]["ticktext"]) == len(drawn) + 2
    assert {trace["type"] for trace in figure["data"]} == {"bar", "scatter"}


def test_a_fax_tells_what_raises_from_what_lowers() -> None:
    drawn = [Step("甲", -1.0, "−1.00"), Step("乙", 0.5, "+0.50"), Step("丙", 0.1, "", rest=True)]
    figure = waterfall_figure(End("某市", 90, "90"), drawn, End("甲区", 89.6, "89.6"))
    (bars,) = (trace for trace in figure["data"] if trace["type"] == "bar")
    filled, hollow, rest = bars["marker"]["color"]
    assert filled != hollow == rest
    assert bars["marker"]["pattern"]["shape"] == ["", "", "/"]
    text = next(trace for trace in figure["data"] if trace.get("mode") == "text")
    # Beside the end to which the value moves.
    assert text["textposition"] == ["middle left", "middle right", "middle right"]
    assert [each.strip() for each in text["text"]] == ["−1.00", "+0.50", ""]


def test_no_gap_is_a_sound_figure_too() -> None:
    figure = waterfall_figure(End("某市", 90, ""), [Step("甲", 0.0, "0.00")], End("甲区", 90, ""))
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < 90 < high


def test_a_longer_list_is_higher() -> None:
    heights = [float(waterfall_height(number).removesuffix("rem")) for number in (1, 5, 11)]
    assert heights == sorted(set(heights))
