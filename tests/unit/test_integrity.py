"""How honest a denominator is: four shares and their change, against plain arithmetic."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.integrity import EXCLUSION, INTEGRITY, REPEATS, SHELVED, Case, readings, share_change
from domain.metrics import METRICS, Counts
from domain.outcomes import COUNT_COLUMNS
from domain.rules import Rules

RULES = Rules()
Z = 1.959963984540054


def counts(**more: int) -> Counts:
    row = dict.fromkeys(COUNT_COLUMNS, 0) | {"mature": more.get("cases", 0)} | more
    return pd.DataFrame([row], columns=list(COUNT_COLUMNS))


def case(received: int, excluded: int = 0, **more: int) -> Case:
    assessed = counts(cases=received - excluded, **more)
    return Case(assessed, assessed, counts(cases=received, **more))


def wilson(yes: int, n: int) -> tuple[float, float]:
    share = yes / n
    centre, half = (
        share + Z**2 / (2 * n),
        Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)),
    )
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)


@given(st.integers(1, 5000), st.data())
def test_shares_equal_plain_arithmetic(received: int, data: st.DataObject) -> None:
    excluded = data.draw(st.integers(0, received))
    left = received - excluded
    revisits, shelved, repeats = (data.draw(st.integers(0, left)) for _ in range(3))
    found = readings(
        case(received, excluded, revisits=revisits, shelved=shelved, repeats=repeats), None, RULES
    )
    assert [each.metric.name for each in found] == ["有效回访率", "剔除率", "挂账率", "重复诉求率"]
    sums = [(revisits, left), (excluded, received), (shelved, left), (repeats, left)]
    for each, (yes, n) in zip(found, sums, strict=True):
        assert each.n == n
        assert each.change is None
        if not n:
            assert math.isnan(each.value)
            continue
        assert each.value == yes / n
        assert (each.low, each.high) == pytest.approx(wilson(yes, n), abs=1e-12)


def test_the_share_left_out_is_of_all_whatever_is_looked_at() -> None:
    everything = counts(cases=200, revisits=100)
    assessed = counts(cases=180, revisits=90)
    for chosen in (assessed, everything):
        reading = readings(Case(chosen, assessed, everything), None, RULES)[1]
        assert (reading.value, reading.n) == (0.1, 200)


def test_a_place_without_cases_has_no_share_and_no_change() -> None:
    nothing, some = case(0), case(500, 20, revisits=300)
    for now, before, side in ((nothing, some, "本期"), (some, nothing, "对比期")):
        for each in readings(now, before, RULES):
            assert each.change is not None
            assert each.change.direction == "withheld"
            assert each.change.reason == f"{side}无{each.metric.n_words}"
    assert all(math.isnan(each.value) for each in readings(nothing, None, RULES))


@given(st.integers(30, 4000), st.integers(30, 4000), st.floats(0, 1), st.floats(0, 1))
def test_changes_are_told_beyond_the_noise_of_two_proportions(
    n: int, m: int, share: float, other: float
) -> None:
    yes, base = round(n * share), round(m * other)
    found = share_change(
        REPEATS, case(n, repeats=yes).columns, case(m, repeats=base).columns, RULES
    )
    pooled = (yes + base) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = (yes / n - base / m) / error if error else 0.0
    assert found.amount == pytest.approx(100 * (yes / n - base / m))
    if abs(abs(z) - Z) > 1e-9:
        assert found.direction == ("flat" if abs(z) < Z else "up" if z > 0 else "down")


def test_too_few_and_not_yet_final_are_not_compared() -> None:
    few, many = case(29, revisits=20), case(3000, revisits=2000)
    assert share_change(SHELVED, few.columns, many.columns, RULES).reason == "样本不足30件"
    assert share_change(SHELVED, many.columns, few.columns, RULES).direction == "withheld"
    young = Case(*[counts(cases=1000, revisits=500, mature=899)] * 3)
    revisit_rate = METRICS["revisit_rate"]
    assert share_change(revisit_rate, young.columns, many.columns, RULES).reason == (
        "本期诉求尚未成熟"
    )
    # Who was left out is known at once.
    assert share_change(EXCLUSION, young.columns, many.columns, RULES).direction == "flat"


def test_none_of_them_is_a_verdict() -> None:
    assert {metric.better for metric in INTEGRITY} == {"neutral"}
