"""Chance, against the distributions of ``scipy.stats``, which the app does not load."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from domain.chance import (
    binomial_quantile,
    discovered,
    normal_density,
)


@given(
    st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.04, 0.05, 0.2, 0.9, 1.0]) | st.floats(0, 1)),
    st.sampled_from([0.01, 0.05, 0.1]),
)
def test_discoveries_are_those_of_scipy(p_values: list[float], rate: float):
    given_ = np.array(p_values)
    adjusted = stats.false_discovery_control(given_, method="bh") if p_values else given_
    assert discovered(given_, rate).tolist() == (adjusted <= rate).tolist()


def test_some_are_discovered_and_some_are_not():
    assert discovered(np.array([0.001, 0.5, 0.02, 0.9]), 0.05).tolist() == [
        True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1])
def test_what_is_no_probability_is_refused(wrong: float):
    with pytest.raises(ValueError, match="from 0 to 1"):
        discovered(np.array([0.5, wrong]), 0.05)


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=30),
    st.just(0.0) | st.floats(1e-9, 1),
    st.sampled_from([0.001, 0.025, 0.5, 0.975, 0.999]),
)
def test_binomial_quantiles_are_those_of_scipy(draws: list[int], chance: float, probability: float):
    n = np.array(draws, dtype="float64")
    found = binomial_quantile(probability, n, chance)
    assert found.tolist() == stats.binom.ppf(probability, n, chance).tolist()


@pytest.mark.parametrize("x", [-3.0, 0.0, 1.2816])
def test_the_density_is_that_of_scipy(x: float):
    assert normal_density(x) == pytest.approx(stats.norm.pdf(x), rel=1e-14)


def test_a_server_loads_no_library_that_it_seldom_needs():
    """Each takes 10 to 45 MB of every worker."""
    seldom = [
        "statsmodels",
        "scipy.stats",
        "scipy.optimize",
        "pptx",
        "docx",
        "authlib",
        "psycopg",
        "pyarrow.csv",
    ]
    program = (
        "import sys, app; app.create_app(); "
        f"print([name for name in {seldom!r} if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "[]"
