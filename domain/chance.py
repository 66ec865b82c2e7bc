"""What chance does: false discoveries and quantiles, as ``scipy.stats`` has them.

``scipy.special`` has the same distributions; ``scipy.stats`` would take 45 MB of every process.
"""

from __future__ import annotations

import numpy as np
from scipy import special


def discovered(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Return which of a family of tests hold at a false discovery rate (Benjamini–Hochberg).

    Args:
        p_values: float64, one per test.
        rate: the share of those returned that may be chance, 0–1.

    Raises:
        ValueError: a p-value is not a number from 0 to 1.
    """
    if not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError("p-values are from 0 to 1")
    tests = len(p_values)
    order = np.argsort(p_values)
    # As adjusted p-values, compared at the end: what stands exactly on the limit is in.
    grown = p_values[order] * (tests / np.arange(1, tests + 1))
    adjusted = np.empty(tests)
    adjusted[order] = np.minimum.accumulate(grown[::-1])[::-1]
    return np.asarray(np.clip(adjusted, 0.0, 1.0) <= rate)


def normal_density(x: float) -> float:
    """Return the density of the standard normal distribution."""
    return float(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def binomial_quantile(probability: float, n: np.ndarray, chance: float) -> np.ndarray:
    """Return the smallest number of hits in ``n`` that is not exceeded with a probability.

    Args:
        probability: 0 < probability < 1.
        n: number of draws, whole numbers above 0 as float64.
        chance: of one draw: 0, or from 1e-9 to 1, as a share of some cases is.
    """
    if not chance:
        return np.zeros(len(n))
    hits = np.ceil(special.bdtrik(probability, n, chance))
    # The continuous inverse may land one too high.
    fewer = np.maximum(hits - 1, 0.0)
    return np.asarray(
        np.where(special.bdtr(fewer, n.astype("int64"), chance) >= probability, fewer, hits)
    )
