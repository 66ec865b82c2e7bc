"""Numbers, changes and dates as printed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import formatting
from components.formatting import (
    axis_text,
    axis_ticks,
    change_text,
    count,
    count_in_words,
    cutoff_text,
    interval_text,
    joint_decimals,
    points,
    sample_text,
    share,
    value_parts,
    value_text,
    week_text,
)
from domain.metrics import METRICS, Change

NAN = float("nan")
RATE, SCORE, VOLUME = METRICS["resolution"], METRICS["composite"], METRICS["volume"]


def test_only_formatting_writes_a_percent_sign() -> None:
    folder = Path(formatting.__file__).parent
    guilty = [
        path.name
        for path in folder.rglob("*.py")
        if path.name != "formatting.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        # Prose of docstrings and comments speaks of percent too; code may not.
        if "%" in line.split("#")[0] and ('"' in line or "'" in line) and '"""' not in line
    ]
    assert guilty == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1234, "1,234"), (12_345.0, "12,345"), (-1234, "−1,234"), (NAN, "—")],
)
def test_a_count_is_exact_with_separators(number: float, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (9_999, "9,999 套"),
        (24_000, "2.4万套"),
        (100_000, "10万套"),
        (123_456_789, "1.2亿套"),
        (99_999_999, "1亿套"),
        (-24_000, "−2.4万套"),
    ],
)
def test_prose_counts_in_myriads(number: float, text: str) -> None:
    assert count_in_words(number, "套") == text


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (RATE, 0.873, "87.3 %"),
        (SCORE, 90.1, "90.1 分"),
        (VOLUME, 12345.0, "12,345 件"),
        (RATE, NAN, "—（无有效回访）"),
        (RATE, 0.0, "0.0 %"),
        (RATE, 1.0, "100.0 %"),
    ],
)
def test_a_value_has_its_unit_or_its_reason(metric, value, text) -> None:
    assert value_text(metric, value) == text


def test_a_given_reason_replaces_the_usual_one() -> None:
    assert value_text(RATE, NAN, "尚未回访") == "—（尚未回访）"


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.9996, "99.96 %"),
        (0.999_999, "99.99 %"),
        (0.0004, "0.04 %"),
        (0.000_001, "<0.01 %"),
        (NAN, "—"),
    ],
)
def test_rounding_never_reaches_a_bound(fraction: float, text: str) -> None:
    assert share(fraction) == text


@given(st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True))
def test_no_share_between_the_bounds_is_printed_as_one(fraction: float) -> None:
    assert share(fraction) not in ("0.0 %", "0.00 %", "100.0 %", "100.00 %")


def test_two_decimals_when_one_would_hide_a_gap() -> None:
    def texts(values: list[float]) -> list[str]:
        decimals = joint_decimals(RATE, values)
        return [value_text(RATE, value, decimals=decimals) for value in values]

    assert texts([0.8731, 0.8734, NAN]) == ["87.31 %", "87.34 %", "—（无有效回访）"]
    assert texts([0.871, 0.874]) == ["87.1 %", "87.4 %"]
    assert texts([0.871, 0.871]) == ["87.1 %", "87.1 %"]
    assert joint_decimals(VOLUME, [1.0, 2.0]) == 0


@pytest.mark.parametrize(
    ("metric", "change", "text"),
    [
        (RATE, Change(0.7, "up"), "上升0.7个百分点"),
        (RATE, Change(-0.72, "down"), "下降0.7个百分点"),
        (RATE, Change(0.02, "up"), "上升0.02个百分点"),
        (VOLUME, Change(-3.2, "down"), "下降3.2 %（日均）"),
        (SCORE, Change(1.5, "up"), "上升1.5分"),
        (RATE, Change(0.1, "flat"), "持平"),
        (RATE, Change(NAN, "withheld", "成熟度72%"), "不作比较：成熟度72%"),
        (RATE, Change(NAN, "withheld"), "不作比较"),
    ],
)
def test_a_change_in_words(metric, change, text) -> None:
    assert change_text(metric, change) == text


def test_intervals_samples_points() -> None:
    assert interval_text(RATE, 0.869, 0.877) == "86.9–87.7 %"
    assert interval_text(RATE, NAN, NAN) == "—"
    assert interval_text(VOLUME, 5.0, 5.0) == "—"
    assert sample_text(RATE, 1234) == "n=1,234 件有效回访"
    assert sample_text(VOLUME, 1234) == ""
    assert points(-2.3) == "2.3个百分点"
    assert value_parts(RATE, 0.5) == ("50.0", "%")
    assert value_parts(RATE, NAN) == ("—", "")


@pytest.mark.parametrize(
    ("metric", "axis", "texts"),
    [
        (RATE, (0.6, 1.0), ["60 %", "70 %", "80 %", "90 %", "100 %"]),
        (RATE, (0.8, 1.0), ["80 %", "85 %", "90 %", "95 %", "100 %"]),
        (METRICS["response"], (0.95, 1.0), ["95 %", "97.5 %", "100 %"]),
        (SCORE, (60.0, 100.0), ["60", "70", "80", "90", "100"]),
    ],
)
def test_ticks_are_round_and_hold_both_ends(metric, axis, texts) -> None:
    places, labels = axis_ticks(metric, axis)
    assert labels == texts
    assert (places[0], places[-1]) == pytest.approx(axis)
    assert axis_text(RATE, (0.8, 1.0)) == "80–100 %"


def test_dates() -> None:
    assert cutoff_text(dt.datetime(2025, 6, 30, 23, 59)) == "数据截至 2025-06-30 23:59（周一）"
    assert week_text(dt.date(2025, 6, 30), dt.date(2025, 7, 6)) == "6.30–7.6"
