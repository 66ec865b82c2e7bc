"""Types and draws that the generator's modules share."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]

DAY = 86_400
# One stream of random numbers per purpose, so that more of one thing does not move another.
STREAM_DAYS, STREAM_PLACES, STREAM_CASES, STREAM_PLANTED, STREAM_PROGRAMME = range(1, 6)


def generator(seed: int, stream: int, *keys: int) -> np.random.Generator:
    """Return the generator of one purpose; the same arguments always draw the same numbers."""
    return np.random.default_rng([seed, stream, *keys])


def sigmoid(x: Floats) -> Floats:
    """Return the probability of a log-odds."""
    return 1.0 / (1.0 + np.exp(-x))


def logit(p: Floats) -> Floats:
    """Return the log-odds of a probability."""
    return np.log(p / (1.0 - p))


def cumulative(weights: Floats) -> Floats:
    """Return what ``draw`` needs of a table of weights (one row per group, one column per choice).

    The cumulative shares of group g lie in (g, g + 1]: one binary search serves all groups.
    """
    shares = np.cumsum(weights, axis=1)
    shares /= shares[:, -1:]
    return (shares + np.arange(len(weights))[:, None]).ravel()


def draw(table: Floats, choices: int, group: Ints, random: Floats) -> Ints:
    """Return a choice (0 … choices − 1) for each row, by the weights of the row's group."""
    at = np.searchsorted(table, group + random, side="right")
    return np.asarray(np.clip(at - group * choices, 0, choices - 1))


def whole(values: Floats, total: int) -> Ints:
    """Return whole numbers close to ``values`` that sum to ``total`` (largest remainders)."""
    scaled = values * (total / values.sum()) if values.sum() > 0 else values
    floors = np.floor(scaled).astype(np.int64)
    missing = total - int(floors.sum())
    floors[np.argsort(floors - scaled, kind="stable")[:missing]] += 1
    return floors


def epoch_seconds(moment: dt.datetime) -> int:
    """Return a naive time as seconds since 1970, the clock of the generator."""
    return round((moment - dt.datetime(1970, 1, 1)).total_seconds())
