"""Ranks that say how sure they are: rank bands, tiers, leagues, the four lists, funnel limits.

With a few hundred streets most differences of rank are chance, and the smallest samples swing
most: sorted by value alone they fill both ends of the table. A rank is therefore shown with its
band, and the first and last places and the lists are taken by those whose difference from the
rest is more than chance.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special

from domain.chance import binomial_quantile, discovered, normal_density
from domain.metrics import METRICS, Columns, Counts, Metric, Standing, columns_of, estimated
from domain.rules import Rules

Tier = Literal["above", "level", "below"]
TIER_WORDS: dict[Tier, str] = {"above": "明显高于", "level": "持平", "below": "明显低于"}
# What "level" rests on; the interval beside a value is of that unit alone.
LEVEL_WORDS = "多重检验后未见明显差别"
# Why a unit has no rank: nothing to measure, too little, not yet final.
Unranked = Literal["none", "small", "immature"]
# Values closer than this share of the scale are the same value computed in another order.
TIE = 1e-12


def unranked_words(reason: Unranked, metric: Metric) -> str:
    """Return why a unit is not ranked, in Chinese."""
    return {
        "none": f"无{metric.n_words}",
        "small": "样本不足",
        "immature": "诉求尚未成熟",
    }[reason]


@dataclass(frozen=True, eq=False)
class Ranking:
    """The units of a frame of counts, ranked by one indicator; both frames keep its index.

    ``whole``: the value of all units together, ranked or not (Σ numerator / Σ denominator).

    ``ranked``: one row per ranked unit, in the order to show (``position`` 1, 2, …):
    ``value``, ``n``, ``low``, ``high`` (float64, as of ``estimate``); ``rank`` (int, 1 is the
    best value, ties share a rank: 1, 2, 2, 4); ``band_low``, ``band_high`` (int: the true rank
    lies between them with probability ≥ 1 − ``rank_error``); ``tier`` (Tier by the *value*
    against all other units together; None for an indicator that is neither good nor bad);
    ``position`` (int).

    ``unranked``: the other units in the order of the counts: ``value``, ``n``, ``low``, ``high``
    and ``reason`` (Unranked).
    """

    metric: Metric
    whole: float
    ranked: pd.DataFrame
    unranked: pd.DataFrame


@dataclass(frozen=True)
class _Scores:
    """Per unit: number of cases, Σ of their scores and Σ of the squares."""

    n: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean score of the cases."""
        return _ratio(self.total, self.n)

    @property
    def variance(self) -> np.ndarray:
        """Variance between cases, not the error of the mean."""
        spread: np.ndarray = np.maximum(_ratio(self.squares, self.n) - self.mean**2, 0.0)
        return spread

    def __add__(self, other: _Scores) -> _Scores:
        return _Scores(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def of(self, chosen: Any) -> _Scores:
        """Return some of the units, by any index of numpy."""
        return _Scores(self.n[chosen], self.total[chosen], self.squares[chosen])

    def others(self) -> _Scores:
        """Return for every unit all other units of its row together."""
        return _Scores(
            *(
                each.sum(axis=-1, keepdims=True) - each
                for each in (self.n, self.total, self.squares)
            )
        )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, 0 over nothing: who has nothing is left out by the caller."""
    quotient: np.ndarray = numerator / np.where(denominator > 0, denominator, np.inf)
    return quotient


def _scores(columns: Columns, metric: Metric, rules: Rules) -> _Scores:
    total, n = metric.sums(columns, rules)
    # A yes is its own square.
    return _Scores(n, total, metric.squares(columns, rules) if metric.squares else total)


def _scale(metric: Metric) -> float:
    return 100.0 if metric.kind == "score" else 1.0


def _squared_error(first: _Scores, second: _Scores) -> np.ndarray:
    """Return the squared standard error of the difference of two means.

    The larger of two: as if both drew from the same cases, so that 30 yes of 30 is not taken for
    certainty (the score test of two proportions); and from the variance of each, so that a small
    unit does not borrow the smaller variance of a large one.
    """
    one = np.ones(1)
    alike = (first + second).variance * (_ratio(one, first.n) + _ratio(one, second.n))
    own = _ratio(first.variance, first.n) + _ratio(second.variance, second.n)
    larger: np.ndarray = np.maximum(alike, own)
    return larger


def _in_errors(difference: np.ndarray, squared_error: np.ndarray, metric: Metric) -> np.ndarray:
    """Return differences in standard errors; 0 for a tie."""
    tied = np.abs(difference) <= TIE * _scale(metric)
    return np.where(tied, 0.0, _ratio(difference, np.sqrt(squared_error)))


def _against_others(scores: _Scores, chosen: np.ndarray, metric: Metric) -> np.ndarray:
    """Return by how many standard errors the chosen units differ from all others; 0 without any."""
    own, rest = scores.of(chosen), scores.others().of(chosen)
    z_values = _in_errors(own.mean - rest.mean, _squared_error(own, rest), metric)
    return np.where(rest.n > 0, z_values, 0.0)


def _beyond_chance(z_values: np.ndarray, rules: Rules) -> np.ndarray:
    """Return which of a family of two-sided tests hold under the false discovery rate."""
    return discovered(2 * special.ndtr(-np.abs(z_values)), rules.false_discovery_rate)


def _shared_ranks(values: np.ndarray, tie: float) -> np.ndarray:
    """Return the rank of each value, 1 the largest; equal values share the smallest: 1, 2, 2, 4."""
    order = np.argsort(-values, kind="stable")
    new = np.append(True, -np.diff(values[order]) > tie)[: len(values)]
    ranks = np.empty(len(values), dtype="int64")
    ranks[order] = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0)) + 1
    return ranks


def _bands(scores: _Scores, metric: Metric, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last rank that the data do not rule out, per unit.

    Every unit is compared with every other; Holm's step-down holds the probability of any wrong
    "better" or "worse" among the comparisons of one unit to ``rank_error``. Who is better for
    sure stands before it, who is worse for sure behind it.

    Source: Mogstad, Romano, Shaikh, Wilhelm, Review of Economic Studies 91 (2024), 476–518, the
    two-sided marginal confidence set; Holm in place of the bootstrap needs no draws and no
    assumption on how the comparisons depend on each other.
    """
    size = len(scores.n)
    each, other = scores.of(np.s_[:, None]), scores.of(np.s_[None, :])
    z_values = _in_errors(each.mean - other.mean, _squared_error(each, other), metric)
    if metric.better == "lower":
        z_values = -z_values
    # A unit with itself is 0: last in the order of |z|, and never beyond a limit.
    ordered = -np.sort(-np.abs(z_values), axis=1)[:, : size - 1]
    limits = -special.ndtri(rules.rank_error / (2 * np.arange(size - 1, 0, -1)))
    # The tests held before the first one that fails.
    held = np.logical_and.accumulate(ordered >= limits, axis=1).sum(axis=1)
    smallest = np.append(ordered, np.zeros((size, 1)), axis=1)[np.arange(size), held - 1]
    cut = np.where(held > 0, smallest, np.inf)[:, None]
    return 1 + (z_values <= -cut).sum(axis=1), size - (z_values >= cut).sum(axis=1)


@dataclass(frozen=True)
class _Placed:
    """The units of a frame of counts; ranks, tiers and order are of ``rows`` alone."""

    estimates: Mapping[str, np.ndarray]
    scores: _Scores
    reasons: np.ndarray  # Unranked or ""
    rows: np.ndarray  # of the ranked units, in the order of the counts
    ranks: np.ndarray
    tiers: np.ndarray  # Tier or None
    order: np.ndarray  # positions in ``rows``, in the order to show


def _placed(counts: Counts, metric: Metric, rules: Rules) -> _Placed:
    columns = columns_of(counts)
    estimates = estimated(columns, metric, rules)
    scores = _scores(columns, metric, rules)
    reasons = np.full(len(counts), "", dtype="object")
    if metric.kind != "count":
        if metric.needs_maturity:
            reasons[columns["mature"] < rules.mature_share * columns["cases"]] = "immature"
        reasons[scores.n < rules.minimum_revisits] = "small"
        reasons[scores.n == 0] = "none"
    rows = np.flatnonzero(reasons == "")
    values = estimates["value"][rows]
    sign = -1.0 if metric.better == "lower" else 1.0
    ranks = _shared_ranks(sign * values, TIE * _scale(metric))
    tiers = np.full(len(rows), None, dtype="object")
    if metric.better == "neutral":
        order = np.argsort(ranks, kind="stable")
        return _Placed(estimates, scores, reasons, rows, ranks, tiers, order)
    own, z_values = scores.of(rows), _against_others(scores, rows, metric)
    hit = _beyond_chance(z_values, rules)
    tiers[:] = "level"
    tiers[hit & (z_values > 0)] = "above"
    tiers[hit & (z_values < 0)] = "below"
    # Better than the rest for sure: by the level that is reached at least. Worse for sure: by the
    # level that is reached at most. Between: by the difference in standard errors, which for
    # units of one quality is the same lottery whatever their size.
    block = np.where(hit, np.sign(sign * z_values), 0.0)
    bounds = [sign * estimates[name][rows] for name in ("low", "high")]
    worst, best = np.minimum(*bounds), np.maximum(*bounds)
    within = np.select([block > 0, block < 0], [worst, best], sign * z_values)
    order = np.lexsort((-own.n, -sign * values, -within, -block))
    return _Placed(estimates, scores, reasons, rows, ranks, tiers, order)


def ranking(counts: Counts, metric: Metric, rules: Rules) -> Ranking:
    """Return the units (rows of counts, each label of the index once) ranked by an indicator.

    ``rank`` goes by the value, best first (an indicator that is neither good nor bad: largest
    first). ``position`` is the order to show: first the units better than all others together
    beyond chance, by the bound of their interval next to the others; then those that are level,
    by their difference in standard errors; last those that are worse, the worst at the end. Units
    of the same quality thus reach both ends equally often whatever their size.

    The tests against the others control the false discovery rate (``false_discovery_rate``).
    A count has no error: its band is its rank. Counts are ranked whatever their size.
    """
    placed = _placed(counts, metric, rules)
    low, high = placed.ranks, placed.ranks
    if metric.kind != "count" and len(placed.rows):
        low, high = _bands(placed.scores.of(placed.rows), metric, rules)
    order, left = placed.order, np.flatnonzero(placed.reasons != "")
    shown = placed.rows[order]
    ranked = pd.DataFrame(
        {name: each[shown] for name, each in placed.estimates.items()}
        | {
            "rank": placed.ranks[order],
            "band_low": low[order],
            "band_high": high[order],
            "tier": pd.Series(placed.tiers[order], dtype="object", index=counts.index[shown]),
            "position": np.arange(1, len(shown) + 1),
        },
        index=counts.index[shown],
    )
    unranked = pd.DataFrame(
        {name: each[left] for name, each in placed.estimates.items()}
        | {"reason": pd.Series(placed.reasons[left], dtype="object", index=counts.index[left])},
        index=counts.index[left],
    )
    n, total = placed.scores.n.sum(), placed.scores.total.sum()
    if metric.kind == "count":
        n = 1.0
    return Ranking(metric, float(total / n) if n else float("nan"), ranked, unranked)


def last_by_value(ranked: pd.DataFrame, number: int) -> list[Hashable]:
    """Return the labels of the last ``number`` by value, the worst first.

    Who ties with the last of them is among them, unless that would make more than twice as many:
    of the equals those shown last, with the most cases behind them, are then taken.

    Args:
        ranked: as of ``Ranking``.
        number: how many, at most half of the ranked.
    """
    number = min(number, len(ranked) // 2)
    ranks = ranked["rank"].to_numpy()
    # From the end of the order to show: of equals that which stands last there.
    order = np.argsort(-ranks[::-1], kind="stable")
    worst = len(ranks) - 1 - order
    if not number:
        return []
    tied = int((ranks >= ranks[worst[number - 1]]).sum())
    return [ranked.index[row] for row in worst[: tied if tied <= 2 * number else number]]


def standings_together(columns: Columns, metric: Metric, rules: Rules) -> list[list[Standing]]:
    """Return how each unit stands against the others of its row, many rows judged together.

    One family of tests under ``false_discovery_rate``: one at a time, one in twenty of hundreds
    would stand out by chance.

    Args:
        columns: counts as of ``columns_of``, rows × units.
        metric: a rate or score of which more is better.
        rules: the rule set.
    """
    scores = _scores(columns, metric, rules)
    few = scores.n < rules.minimum_revisits
    unripe = metric.needs_maturity & (columns["mature"] < rules.mature_share * columns["cases"])
    z_values = np.zeros(scores.n.shape)
    judged = ~(few | unripe)
    tested = _against_others(scores, judged, metric)
    z_values[judged] = np.where(_beyond_chance(tested, rules), tested, 0.0)
    told = np.select(
        [few, unripe, z_values > 0, z_values < 0],
        ["insufficient", "immature", "above", "below"],
        "level",
    )
    standings: list[list[Standing]] = told.tolist()
    return standings


# --- Leagues ------------------------------------------------------------------------------------


def leagues(
    counts: Counts, groups: Sequence[str | int | None], metric: Metric, rules: Rules
) -> dict[str | int, Ranking]:
    """Return a ranking within each group, against that group alone, in order of first appearance.

    Args:
        counts: one row per unit.
        groups: the group of each row; a row of None (or NaN) is in no league.
        metric: the indicator.
        rules: the rule set.
    """
    rows: dict[str | int, list[int]] = {}
    for row, group in enumerate(groups):
        if group is not None and not pd.isna(group):
            rows.setdefault(group, []).append(row)
    return {group: ranking(counts.iloc[chosen], metric, rules) for group, chosen in rows.items()}


def volume_bands(counts: Counts, rules: Rules) -> pd.Series:
    """Return the band of volume of each unit: 1 the largest, up to ``volume_bands``; same index.

    Bands are of equal size; units with the same number of cases stay together, in the band in
    which the middle of them lies.
    """
    cases = counts["cases"].to_numpy()
    middle = (-counts["cases"]).rank(method="average").to_numpy() - 0.5
    bands = np.floor(rules.volume_bands * middle / max(len(cases), 1)).astype("int64") + 1
    return pd.Series(bands, index=counts.index, name="volume_band")


# --- Change of rank -----------------------------------------------------------------------------


@dataclass(frozen=True)
class RankChange:
    """How a rank moved.

    ``places``: nearer to the first place is positive; 0 unless ``direction`` is "up" or "down".
    "flat": within chance. "withheld": no rank in one of the periods; ``reason`` says why.
    ``before``: the rank then, 0 when there was none.
    """

    places: int
    direction: Literal["up", "down", "flat", "withheld"]
    reason: str = ""
    before: int = 0


def rank_changes(now: Counts, before: Counts, metric: Metric, rules: Rules) -> list[RankChange]:
    """Return the change of rank of each unit (same rows in both frames).

    Ranks move when others move, and a small unit jumps a hundred places by chance. A move is told
    only if the unit's value changed against all others together beyond chance (false discovery
    rate over all units), and its rank moved the same way.
    """
    return _moves(_placed(now, metric, rules), _placed(before, metric, rules), metric, rules)


def _moves(now: _Placed, before: _Placed, metric: Metric, rules: Rules) -> list[RankChange]:
    if len(now.reasons) != len(before.reasons):
        raise ValueError("the two periods have different units")
    ranks = np.zeros((2, len(now.reasons)), dtype="int64")
    for line, each in zip(ranks, (now, before), strict=True):
        line[each.rows] = each.ranks
    fair = np.flatnonzero(ranks.all(axis=0) & (metric.kind != "count"))
    new, old = now.scores.of(fair), before.scores.of(fair)
    new_rest, old_rest = now.scores.others().of(fair), before.scores.others().of(fair)
    gain = (new.mean - old.mean) - (new_rest.mean - old_rest.mean)
    error = _squared_error(new, old) + _squared_error(new_rest, old_rest)
    z_values = _in_errors(gain, error, metric)
    hit = _beyond_chance(z_values, rules)
    sign = -1.0 if metric.better == "lower" else 1.0
    better = np.zeros(len(now.reasons), dtype="int64")
    better[fair] = np.where(hit, np.sign(sign * z_values), 0)
    compared = set(fair.tolist())
    changes = []
    for row, (rank, base) in enumerate(ranks.T.tolist()):
        if row not in compared:
            changes.append(RankChange(0, "withheld", _why(now, before, row, metric), base))
        elif better[row] * (base - rank) > 0:
            changes.append(RankChange(base - rank, "up" if base > rank else "down", "", base))
        else:
            changes.append(RankChange(0, "flat", "", base))
    return changes


def _why(now: _Placed, before: _Placed, row: int, metric: Metric) -> str:
    if now.reasons[row]:
        return "本期" + unranked_words(now.reasons[row], metric)
    if before.reasons[row]:
        return "上期" + unranked_words(before.reasons[row], metric)
    return "数量的名次不判断升降"


# --- The four lists of 街道乡镇 -------------------------------------------------------------------

ListName = Literal["advanced", "improved", "rectify", "govern"]
LIST_NAMES: dict[ListName, str] = {
    "advanced": "先进",
    "improved": "进步",
    "rectify": "整改",
    "govern": "治理",
}


@dataclass(frozen=True)
class Listed:
    """A unit on a list: its label in the index, how many periods in a row up to the newest."""

    unit: Hashable
    periods: int


def four_lists(history: Sequence[Counts], rules: Rules) -> dict[ListName, tuple[Listed, ...]]:
    """Return who is on each list in the newest period, first to last.

    Args:
        history: counts of all units period by period, the newest last; the same index in each.
        rules: ``list_size``, the minimum sample, the composite.

    先进 are the best of those whose composite is above all others together beyond chance, by the
    lower bound of the interval; 整改 the worst of those below, by the upper bound, worst first.
    进步 are the largest rises of rank among those that ``rank_changes`` tells as risen (no list
    in the first period). 治理 are the largest volumes. All need the minimum sample. A list may be
    shorter than ``list_size``, even empty: chance fills no place. 先进 and 整改 take at most half
    of the ranked units each. Exact ties go by n, then by the order of the units.

    Raises:
        ValueError: the periods have different units.
    """
    metric = METRICS["composite"]
    lists: dict[ListName, dict[int, int]] = {name: {} for name in LIST_NAMES}
    earlier: _Placed | None = None
    for counts in history:
        if not counts.index.equals(history[-1].index):
            raise ValueError("the periods have different units")
        placed = _placed(counts, metric, rules)
        for name, rows in _members(counts, placed, earlier, metric, rules).items():
            lists[name] = {row: lists[name].get(row, 0) + 1 for row in rows}
        earlier = placed
    return {
        name: tuple(Listed(history[-1].index[row], weeks) for row, weeks in rows.items())
        for name, rows in lists.items()
    }


def _members(
    counts: Counts, placed: _Placed, earlier: _Placed | None, metric: Metric, rules: Rules
) -> dict[ListName, list[int]]:
    """Return the rows on each list in one period."""
    shown, tiers = placed.rows[placed.order], placed.tiers[placed.order]
    size = min(rules.list_size, len(shown) // 2)
    moves = _moves(placed, earlier, metric, rules) if earlier else []
    risen = [row for row, move in enumerate(moves) if move.direction == "up"]
    risen.sort(key=lambda row: (-moves[row].places, -placed.scores.n[row]))
    large = np.flatnonzero(placed.scores.n >= rules.minimum_revisits)
    cases = counts["cases"].to_numpy()[large]
    return {
        "advanced": shown[tiers == "above"][:size].tolist(),
        "improved": risen[: rules.list_size],
        "rectify": shown[tiers == "below"][::-1][:size].tolist(),
        "govern": large[np.lexsort((-placed.scores.n[large], -cases))][: rules.list_size].tolist(),
    }


# --- Funnel -------------------------------------------------------------------------------------

# Two-sided: 95 % and 99.8 %.
FUNNEL_TAILS = {"95": 0.025, "998": 0.001}
# Share of the units at each end whose z is moved in to the next one before the spread is taken.
WINSORISED = 0.1


def funnel_limits(
    counts: Counts, sizes: Sequence[float], metric: Metric, rules: Rules, spread: float = 1.0
) -> pd.DataFrame:
    """Return the limits within which a unit of the common quality lies, one row per size.

    Columns (float64): ``n`` (as given), ``whole`` (the value of all units together), ``low_95``,
    ``high_95``, ``low_998``, ``high_998``; NaN without cases. A unit is outside when strictly
    beyond. Yes/no answers: the exact binomial, in whole numbers of cases, so that chance alone
    puts at most the stated share outside; scores and fractional credit: normal, with the variance
    of all cases. ``spread``: variance between units in multiples of chance (``overdispersion``);
    it widens the limits by its root.

    Source: Spiegelhalter, Statistics in Medicine 24 (2005), 1185–1202.

    Raises:
        ValueError: the indicator is a count.
    """
    if metric.kind == "count":
        raise ValueError(f"{metric.key} has no funnel")
    scores = _scores(columns_of(counts), metric, rules)
    whole = _Scores(*(np.array([each.sum()]) for each in (scores.n, scores.total, scores.squares)))
    n = np.asarray(sizes, dtype="float64")
    value = float(whole.mean[0]) if whole.n[0] else float("nan")
    yes_no = metric.kind == "rate" and np.allclose(scores.squares, scores.total)
    columns = {"n": n, "whole": np.full(len(n), value)}
    known = (n > 0) & np.isfinite(value)
    for name, tail in FUNNEL_TAILS.items():
        for side, probability in (("low", tail), ("high", 1 - tail)):
            limit = np.full(len(n), np.nan)
            if yes_no:
                limit[known] = binomial_quantile(probability, n[known], value) / n[known]
            else:
                error = np.sqrt(whole.variance[0] / n[known])
                limit[known] = value + special.ndtri(probability) * error
            widened = limit + (np.sqrt(spread) - 1) * (limit - value)
            columns[f"{side}_{name}"] = np.clip(widened, 0.0, _scale(metric))
    return pd.DataFrame(columns)


def overdispersion(counts: Counts, metric: Metric, rules: Rules) -> float:
    """Return the variance between units in multiples of chance, at least 1.

    Σ z² / units, with the outer tenths moved in to the next value, so that the units that the
    funnel is to find do not widen it, over what that is for chance alone. Units below the minimum
    sample are left out; 1 without any.
    """
    scores = _scores(columns_of(counts), metric, rules)
    whole = _Scores(*(np.array([each.sum()]) for each in (scores.n, scores.total, scores.squares)))
    enough = scores.of(scores.n >= rules.minimum_revisits)
    z_values = _in_errors(enough.mean - whole.mean, whole.variance / enough.n, metric)
    if not len(z_values):
        return 1.0
    moved_in = np.clip(z_values, *np.quantile(z_values, [WINSORISED, 1 - WINSORISED]))
    edge = -special.ndtri(WINSORISED)
    chance = 1 - 2 * WINSORISED - 2 * edge * normal_density(edge) + 2 * WINSORISED * edge**2
    return max(1.0, float(np.mean(moved_in**2) / chance))
