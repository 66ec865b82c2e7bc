"""Indicators against the worked example of the definitions and against per-case loops."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metrics import (
    INDICATORS,
    METRICS,
    broken_identities,
    change,
    estimate,
    mature_share,
    standings,
    total,
)
from domain.outcomes import COUNT_COLUMNS, PAIRS, STATES, outcome_of, state_of, states
from domain.rules import Rules

RULES = Rules()
Z = 1.959963984540054
WORKED = {
    "cases": 120,
    "mature": 120,
    "revisits": 100,
    "contacted": 95,
    "resolved": 90,
    "satisfied": 80,
    "basically_satisfied": 10,
}


def counts_of(*rows):
    return pd.DataFrame([dict.fromkeys(COUNT_COLUMNS, 0) | row for row in rows])


def value(key, row, rules=RULES):
    return estimate(counts_of(row), METRICS[key], rules)["value"].iloc[0]


def test_worked_example():
    assert value("response", WORKED) == pytest.approx(0.95)
    assert value("resolution", WORKED) == pytest.approx(0.90)
    assert value("satisfaction", WORKED) == pytest.approx(0.89)
    assert value("composite", WORKED) == pytest.approx(90.1)


def test_other_weights():
    rules = Rules(weight_response=0.3, weight_resolution=0.35, weight_satisfaction=0.35)
    assert value("composite", WORKED, rules) == pytest.approx(
        100 * (0.3 * 0.95 + 0.35 * 0.90 + 0.35 * 0.89)
    )


def test_partly_resolved_counts_only_by_its_credit():
    row = WORKED | {"partly_resolved": 8}
    assert value("resolution", row) == pytest.approx(0.90)
    assert value("resolution", row, Rules(partly_resolved_credit=0.5)) == pytest.approx(0.94)


@pytest.mark.parametrize("key", ["response", "resolution", "satisfaction", "composite", "on_time"])
def test_nothing_over_nothing_is_nan_not_zero(key):
    estimates = estimate(counts_of({"cases": 7}), METRICS[key], RULES).iloc[0]
    assert estimates["n"] == 0
    assert all(math.isnan(estimates[column]) for column in ("value", "low", "high"))


def test_group_rate_is_not_the_mean_of_rates():
    small = {"cases": 10, "revisits": 10, "resolved": 10}
    large = {"cases": 990, "revisits": 990, "resolved": 495}
    both = counts_of(small, large)
    rates = estimate(both, METRICS["resolution"], RULES)["value"]
    city = estimate(total(both), METRICS["resolution"], RULES)["value"].iloc[0]
    assert city == pytest.approx(505 / 1000)
    assert abs(city - rates.mean()) > 0.2


def test_wilson_interval_against_published_values():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    for successes, n, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)]:
        row = counts_of({"cases": n, "revisits": n, "resolved": successes})
        interval = estimate(row, METRICS["resolution"], RULES).iloc[0]
        assert interval["low"] == pytest.approx(low, abs=5e-5)
        assert interval["high"] == pytest.approx(high, abs=5e-5)


answers = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60
)


@given(answers, st.floats(0, 1), st.floats(0, 1))
def test_composite_and_its_error_equal_those_of_the_cases(cases, partly, basically):
    rules = Rules(partly_resolved_credit=partly, basic_satisfied_credit=basically)
    table = states().set_index("state")
    rows = [table.loc[state_of(outcome_of(*case), 0, 1, 1, 0, 0)].astype("int64") for case in cases]
    counts = pd.DataFrame(rows).assign(cases=1)
    result = estimate(total(counts), METRICS["composite"], rules).iloc[0]
    scores = np.array(
        [
            100
            * (
                0.1 * contacted
                + 0.5 * {0: 0, 1: 1, 2: partly}[resolved]
                + 0.4 * {0: 0, 1: 1, 2: basically}[satisfied]
            )
            for contacted, resolved, satisfied in cases
        ]
    )
    assert result["value"] == pytest.approx(scores.mean(), abs=1e-9)
    z, n, mean, variance = Z, len(scores), scores.mean() / 100, scores.var() / 100**2
    centre = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(variance / n + z**2 / (4 * n**2))
    own = z * math.sqrt(variance / n)
    assert result["low"] == pytest.approx(100 * max(0, min(centre - half, mean - own)), abs=1e-5)
    assert result["high"] == pytest.approx(100 * min(1, max(centre + half, mean + own)), abs=1e-5)
    assert result["low"] <= result["value"] <= result["high"]
    assert result["low"] < result["high"]


@pytest.mark.parametrize("key", ["response", "resolution", "satisfaction", "composite", "on_time"])
@pytest.mark.parametrize("rules", [RULES, Rules(weight_response=0.3, weight_resolution=0.35,
                                                weight_satisfaction=0.35)])  # fmt: skip
def test_all_and_nothing_lie_within_their_own_interval(key, rules):
    n = np.arange(1, 1_501)
    everything = ("revisits", "contacted", "resolved", "satisfied", "cases", "on_time",
                  "contacted_resolved", "contacted_satisfied", "resolved_satisfied")  # fmt: skip
    full = pd.DataFrame(dict.fromkeys(COUNT_COLUMNS, 0), index=n)
    none = full.assign(cases=n, revisits=n, late=n)
    full = full.assign(**dict.fromkeys(everything, n))
    scale = 100 if key == "composite" else 1
    best, worst = (estimate(each, METRICS[key], rules) for each in (full, none))
    assert (best["value"] == scale).all()
    assert (best["high"] == scale).all()
    assert (best["low"] < scale).all()
    assert (worst["value"] == 0).all()
    assert (worst["low"] == 0).all()
    assert (worst["high"] > 0).all()


def test_every_value_lies_within_its_own_interval():
    for n in (*range(1, 120), 500, 1_499):
        yes = np.arange(n + 1)
        basically = (n - yes) // 2
        counts = pd.DataFrame(dict.fromkeys(COUNT_COLUMNS, 0), index=yes)
        counts = counts.assign(
            revisits=n, contacted=yes, resolved=yes, satisfied=yes, basically_satisfied=basically
        )
        for key in ("response", "resolution", "satisfaction"):
            found = estimate(counts, METRICS[key], RULES)
            assert (found["low"] >= 0).all()
            assert (found["low"] <= found["value"]).all()
            assert (found["value"] <= found["high"]).all()
            assert (found["high"] <= 1).all()


# Shares of cases that are (contacted, resolved, satisfaction: 1 yes, 2 basically), near 0.97.
COVERED = [
    {(1, 1, 1): 0.96, (0, 0, 0): 0.03, (1, 1, 2): 0.01},
    {(1, 1, 1): 0.85, (1, 1, 2): 0.133, (0, 0, 0): 0.017},
    {(1, 1, 1): 0.70, (1, 1, 2): 0.29, (1, 0, 0): 0.01},
    {(1, 1, 1): 0.60, (1, 1, 2): 0.399, (1, 0, 0): 0.001},
    {(1, 1, 1): 0.93, (1, 1, 0): 0.05, (1, 0, 0): 0.02},
    {(1, 1, 1): 0.88, (1, 1, 2): 0.06, (1, 1, 0): 0.04, (0, 0, 0): 0.02},
]


@pytest.mark.parametrize("n", [30, 60, 200])
@pytest.mark.parametrize("key", ["satisfaction", "composite"])
@pytest.mark.parametrize("shares", COVERED)
def test_intervals_of_scores_hold_what_they_promise(shares, key, n):
    table = states().set_index("state")
    rows = pd.DataFrame(
        [table.loc[state_of(outcome_of(*case), 0, 1, 1, 0, 0)] for case in shares]
    ).assign(cases=1)[list(COUNT_COLUMNS)]
    draws = np.random.default_rng(n).multinomial(n, list(shares.values()), size=4_000)
    found = estimate(
        pd.DataFrame(draws @ rows.to_numpy(dtype="int64"), columns=list(COUNT_COLUMNS)),
        METRICS[key], RULES,
    )  # fmt: skip
    truth = sum(
        part * {"satisfaction": (0, 1, 0.9)[s],
                "composite": 100 * (0.1 * c + 0.5 * (r == 1) + 0.4 * (0, 1, 0.9)[s])}[key]
        for (c, r, s), part in shares.items()
    )  # fmt: skip
    held = (found["low"] - 1e-9 <= truth) & (truth <= found["high"] + 1e-9)
    assert held.mean() >= 0.93


def test_states_are_complete_and_consistent():
    table = states()
    assert list(table["state"]) == list(range(STATES))
    assert set(table.columns) == {"state", *COUNT_COLUMNS} - {"cases"}
    for pair in PAIRS:
        first = next(name for name in COUNT_COLUMNS if pair.startswith(name + "_"))
        second = pair.removeprefix(first + "_")
        assert (table[pair] == table[first] * table[second]).all()
    assert (table["contacted"] <= table["revisits"]).all()
    for contacted, resolved, satisfied in itertools.product((0, 1), (0, 1, 2), (0, 1, 2)):
        row = table.iloc[state_of(outcome_of(contacted, resolved, satisfied), 0, 0, 0, 0, 0)]
        assert row["revisits"] == 1
        assert row["contacted"] == contacted
        assert row["resolved"] == (resolved == 1)
        assert row["partly_resolved"] == (resolved == 2)
        assert row["satisfied"] == (satisfied == 1)
        assert row["basically_satisfied"] == (satisfied == 2)


def test_change_beyond_noise_within_noise_and_withheld():
    big = {"cases": 20_000, "mature": 20_000, "revisits": 10_000, "resolved": 9_000}
    lower = big | {"resolved": 8_500}
    same = big | {"resolved": 9_010}
    now = counts_of(lower, same, {"cases": 40, "mature": 40, "revisits": 20, "resolved": 10})
    before = counts_of(big, big, big)
    fall, flat, small = change(METRICS["resolution"], now, before, RULES)
    assert (fall.direction, round(fall.amount, 6)) == ("down", -5.0)
    assert flat.direction == "flat"
    assert small.direction == "withheld"
    assert "30" in small.reason
    immature = counts_of(big | {"mature": 10_000})
    withheld = change(METRICS["resolution"], immature, counts_of(big), RULES)[0]
    assert withheld.direction == "withheld"
    assert math.isnan(withheld.amount)


def test_minimum_sample_is_inclusive():
    enough = counts_of({"cases": 30, "mature": 30, "revisits": 30, "resolved": 20})
    short = counts_of({"cases": 30, "mature": 30, "revisits": 29, "resolved": 20})
    assert change(METRICS["resolution"], enough, enough, RULES)[0].direction == "flat"
    assert change(METRICS["resolution"], short, enough, RULES)[0].direction == "withheld"


def test_volume_is_compared_by_daily_average():
    now, before = counts_of({"cases": 28_000}), counts_of({"cases": 31_000})
    result = change(METRICS["volume"], now, before, RULES, (28, 31))[0]
    assert result.amount == pytest.approx(0)
    assert result.direction == "flat"
    twice = change(METRICS["volume"], counts_of({"cases": 62_000}), before, RULES, (31, 31))[0]
    assert twice.amount == pytest.approx(100)
    assert twice.direction == "up"


def test_standing_is_against_the_rest_and_small_groups_stand_apart():
    rows = counts_of(
        {"cases": 9_000, "mature": 9_000, "revisits": 5_000, "resolved": 4_000},
        {"cases": 9_000, "mature": 8_100, "revisits": 5_000, "resolved": 4_500},
        {"cases": 9_000, "mature": 8_099, "revisits": 5_000, "resolved": 4_500},
        {"cases": 50, "mature": 50, "revisits": 20, "resolved": 0},
    )
    words = standings(rows, METRICS["resolution"], RULES)
    assert words == ["below", "above", "immature", "insufficient"]
    assert standings(rows, METRICS["volume"], RULES) == ["neutral"] * 4
    assert standings(rows.iloc[[0]], METRICS["resolution"], RULES) == ["level"]


def test_noise_is_rarely_called_a_difference():
    random = np.random.default_rng(7)
    called = 0
    for _ in range(200):
        n = random.integers(200, 20_000, 17)
        resolved = random.binomial(n, 0.87)
        rows = counts_of(
            *(
                {"cases": a, "mature": a, "revisits": a, "resolved": b}
                for a, b in zip(n, resolved, strict=True)
            )
        )
        called += sum(
            word in ("above", "below") for word in standings(rows, METRICS["resolution"], RULES)
        )
    assert 0.03 < called / (200 * 17) < 0.07


def test_identities_name_what_is_broken():
    sound = dict.fromkeys(COUNT_COLUMNS, 0) | {"cases": 10, "closed": 8, "on_time": 7, "overdue": 2}
    assert broken_identities(sound) == []
    assert broken_identities(sound | {"overdue": 3}) == ["逾期未办多于在办"]
    assert "办结多于受理" in broken_identities(sound | {"closed": 11, "overdue": 0})
    assert broken_identities(sound | {"on_time": 9}) == ["按时与超时办结之和多于办结"]


def test_mature_share_of_nothing_is_nan():
    assert math.isnan(mature_share(counts_of({})).iloc[0])


def test_registry_is_complete():
    assert set(INDICATORS) <= set(METRICS)
    for key, metric in METRICS.items():
        assert metric.key == key
        assert metric.name
        assert metric.note
        assert metric.numerator
        assert metric.axis[0] < metric.axis[1]
