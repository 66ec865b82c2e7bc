"""Whether the complaints of a topic changed after its launch, against what others did.

Difference in differences on weekly counts. Within each district and week the cases of the topic
stand beside those of no topic (the control): whatever moves all complaints there, moves both. The
share of the topic is modelled with a level per district and, when last year's weeks are known, a
season per calendar week, so that heating launched in November is no effect. As the topic is a
small part, its odds against the control are a ratio of counts, and the effect is the relative
change of the volume.

Source of the method: a Poisson model with an effect for each district and week is the same as this
binomial model given their totals. Errors are robust against over-dispersion and against noise that
a district's weeks, or a week's districts, have in common, and partly against noise that lasts.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from domain.periods import Window
from domain.programme import YEAR_OF_WEEKS
from domain.rules import Rules

WEEKS_BEFORE = 12
_FEWEST_BEFORE, _FEWEST_AFTER, _MOST_AFTER = 8, 4, 26
_FEWEST_DISTRICTS, _FEWEST_CASES = 5, 30
_PRE_TREND_P = 0.05
_WEEK = dt.timedelta(weeks=1)
_LARGEST_LOG_CHANGE = 5.0
_BANDWIDTH = 0.15
# Of the logistic regression: the change of deviance that ends it, chances as good as never.
_STAYS, _MOST_STEPS, _NEVER = 1e-8, 100, 1e-15
Z = 1.959963984540054


@dataclass(frozen=True)
class Effect:
    """The change of a topic's volume after its launch, against the control.

    ``change``: relative (−0.12: 12 % fewer); NaN when withheld for ``reason``. ``low``, ``high``:
    95 % interval; ``p``: of no effect. ``cases``: topic cases after the launch. ``weeks_before``,
    ``weeks_after``: whole weeks used. ``seasonal``: last year's weeks were used.
    """

    change: float
    low: float
    high: float
    p: float
    cases: int
    weeks_before: int
    weeks_after: int
    seasonal: bool
    reason: str = ""

    @property
    def withheld(self) -> bool:
        """Whether no effect is told."""
        return bool(self.reason)

    @property
    def direction(self) -> Literal["up", "down", "flat", "withheld"]:
        """Which way; "flat" when the interval contains 0."""
        if self.withheld:
            return "withheld"
        if self.low <= 0 <= self.high:
            return "flat"
        return "up" if self.change > 0 else "down"


@dataclass(frozen=True)
class _Panel:
    """Counts by year (0 this, 1 last), district and week; one year only without a last one."""

    topic: np.ndarray
    control: np.ndarray
    after: np.ndarray  # by week: begins on or after the launch
    seasonal: bool

    def part(self, weeks: np.ndarray) -> _Panel:
        return _Panel(
            self.topic[:, :, weeks], self.control[:, :, weeks], self.after[weeks], self.seasonal
        )


def effect_of_launch(
    topic: pd.DataFrame,
    control: pd.DataFrame,
    launched_on: dt.date,
    last_day: dt.date,
) -> Effect:
    """Return the effect of a launch on the volume of a topic.

    Args:
        topic: weekly cases: ``week_start`` (date, a Monday), ``code`` (district), ``cases``; a
            missing row is 0 cases.
        control: the same of the cases of no topic.
        launched_on: first day of the topic.
        last_day: data cut-off; only whole weeks until then count. The week of the launch counts
            when it began on a Monday.
    """
    monday = launched_on - dt.timedelta(days=launched_on.weekday())
    first_after = monday if monday == launched_on else monday + _WEEK
    known_from = min(control["week_start"], default=None)
    if known_from is None:
        return _withheld("没有对照诉求")
    before = [monday - _WEEK * back for back in range(WEEKS_BEFORE, 0, -1)]
    before = [week for week in before if week >= known_from]
    after = [first_after + _WEEK * ahead for ahead in range(_MOST_AFTER)]
    after = [week for week in after if week + dt.timedelta(days=6) <= last_day]
    counts = {"weeks_before": len(before), "weeks_after": len(after)}
    if last_day < launched_on:
        return _withheld("尚未启动", **counts)
    if len(after) < _FEWEST_AFTER:
        return _withheld(f"启动后不足{_FEWEST_AFTER}个整周", **counts)
    if len(before) < _FEWEST_BEFORE:
        return _withheld(f"启动前不足{_FEWEST_BEFORE}个整周", **counts)
    weeks = [*before, *after]
    panel = _panel(topic, control, weeks, len(before), known_from)
    cases_before = int(panel.topic[0][:, : len(before)].sum())
    counts["cases"] = int(panel.topic[0][:, len(before) :].sum())
    if panel.topic.shape[1] < _FEWEST_DISTRICTS:
        return _withheld(f"有诉求的区不足{_FEWEST_DISTRICTS}个", **counts)
    if min(cases_before, counts["cases"]) < _FEWEST_CASES:
        return _withheld(f"启动前后有一段诉求不足{_FEWEST_CASES}件", **counts)
    try:
        trend = _fit(panel.part(~panel.after), _trend)
        if trend[1] > 0 and _p_value(trend) < _PRE_TREND_P:
            return _withheld("启动前走势与对照不一致", seasonal=panel.seasonal, **counts)
        log_change, error, freedom = _fit(panel, _after_launch)
    except _NoFitError:
        return _withheld("数据不足以估计", seasonal=panel.seasonal, **counts)
    half = _t_quantile(freedom) * error
    return Effect(
        float(np.expm1(log_change)),
        float(np.expm1(log_change - half)),
        float(np.expm1(log_change + half)),
        _p_value((log_change, error, freedom)),
        counts["cases"],
        len(before),
        len(after),
        panel.seasonal,
    )


def _withheld(reason: str, **known: Any) -> Effect:
    nan = float("nan")
    values = {"cases": 0, "weeks_before": 0, "weeks_after": 0, "seasonal": False} | known
    return Effect(nan, nan, nan, nan, reason=reason, **values)


def _panel(
    topic: pd.DataFrame,
    control: pd.DataFrame,
    weeks: list[dt.date],
    before: int,
    known_from: dt.date,
) -> _Panel:
    last_year = [week - _WEEK * YEAR_OF_WEEKS for week in weeks]
    # A topic whose categories did not exist yet has no season to be adjusted by.
    existed = topic.loc[topic["week_start"].isin(last_year), "cases"].sum() > 0
    seasonal = known_from <= last_year[0] and bool(existed)
    years = [weeks, last_year] if seasonal else [weeks]
    named = topic[(topic["code"] != "") & topic["week_start"].isin(weeks)]
    codes = sorted(named.loc[named["cases"] > 0, "code"].unique())
    grids = [np.stack([_grid(frame, codes, each) for each in years]) for frame in (topic, control)]
    after = np.arange(len(weeks)) >= before
    return _Panel(grids[0], grids[1], after, seasonal)


def _grid(frame: pd.DataFrame, codes: list[str], weeks: list[dt.date]) -> np.ndarray:
    row = {code: place for place, code in enumerate(codes)}
    column = {week: place for place, week in enumerate(weeks)}
    grid = np.zeros((len(codes), len(weeks)))
    for week, code, cases in zip(
        frame["week_start"].tolist(), frame["code"].tolist(), frame["cases"].tolist(), strict=True
    ):
        if code in row and week in column:
            grid[row[code], column[week]] += cases
    return grid


class _NoFitError(Exception):
    """The model has no sound answer for these counts."""


def _after_launch(panel: _Panel) -> np.ndarray:
    return np.asarray(panel.after, dtype="float64")


def _trend(panel: _Panel) -> np.ndarray:
    weeks = np.arange(len(panel.after), dtype="float64")
    return np.asarray(weeks - weeks.mean())


def _fit(panel: _Panel, regressor: Any) -> tuple[float, float, int]:
    """Return estimate, standard error and degrees of freedom of a regressor of this year's weeks.

    Raises:
        _NoFitError: not identified, separation, no convergence, too few districts.
    """
    districts = panel.topic.shape[1]
    year, district, week = np.indices(panel.topic.shape).reshape(3, -1)
    cases, others = panel.topic.ravel(), panel.control.ravel()
    unit = year * districts + district
    kept = _estimable(cases, others, [unit, week] if panel.seasonal else [unit])
    year, district, week, unit = (each[kept] for each in (year, district, week, unit))
    cases, others = cases[kept], others[kept]
    columns = [_dummies(unit)]
    if panel.seasonal:
        columns.append(_dummies(week)[:, 1:])
    columns.append((regressor(panel)[week] * (year == 0))[:, None])
    design = np.hstack(columns)
    clusters = len(np.unique(district))
    if clusters < _FEWEST_DISTRICTS or len(cases) <= design.shape[1]:
        raise _NoFitError
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise _NoFitError
    total = cases + others
    fitted = logistic(design, cases, total)
    estimate = float(fitted.estimates[-1])
    if not np.isfinite(estimate) or abs(estimate) > _LARGEST_LOG_CHANGE:
        raise _NoFitError
    residual = cases - total * fitted.chance
    # Each cell's pull on the estimate.
    pull = residual * (design @ fitted.covariance[:, -1])
    spread = np.maximum(total * fitted.chance * (1 - fitted.chance), 1e-12)
    dispersion = float(np.sum(residual**2 / spread)) / (len(cases) - design.shape[1])
    by_district = np.bincount(district, pull)[np.unique(district)]
    by_week = np.bincount(week, pull, minlength=len(panel.after))
    # The widest of four: noise of its own in every cell, in common in a district's weeks, in
    # common in a week's districts, lasting for weeks. Each alone may be too small by chance.
    few = _t_quantile(clusters - 1)
    alone = float(fitted.covariance[-1, -1]) * max(dispersion, 1.0)
    long_run, lasting = _long_run(by_week)
    weeks = len(by_week)
    widths = (
        few * np.sqrt(alone),
        few * np.sqrt(float(by_district @ by_district) * clusters / (clusters - 1)),
        few * np.sqrt(float(by_week @ by_week) * weeks / (weeks - 1)),
        max(few, lasting) * np.sqrt(long_run),
    )
    if not np.isfinite(widths).all():
        raise _NoFitError
    # As the error of t with districts - 1, so that p and interval agree.
    return estimate, float(max(widths) / few), clusters - 1


class Fitted(NamedTuple):
    """A logistic regression: ``estimates`` per regressor, ``chance`` per cell.

    ``covariance``: of the estimates, by chance alone.
    """

    estimates: np.ndarray
    chance: np.ndarray
    covariance: np.ndarray


def logistic(design: np.ndarray, cases: np.ndarray, total: np.ndarray) -> Fitted:
    """Return the most likely logistic regression of shares of cases.

    Iteratively reweighted least squares (McCullagh and Nelder 1989, 2.5), until the deviance stays.

    Args:
        design: cells × regressors, of full rank.
        cases: of each cell, from 0 to its total.
        total: of each cell, above 0.

    Raises:
        _NoFitError: no finite estimate.
    """
    chance = (cases + 0.5) / (total + 1)
    linear, deviance = special.logit(chance), np.inf
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
            for _ in range(_MOST_STEPS):
                spread = chance * (1 - chance)
                root = np.sqrt(total * spread)
                q, r = np.linalg.qr(design * root[:, None])
                aim = linear + (cases / total - chance) / spread
                estimates = np.linalg.solve(r, q.T @ (root * aim))
                linear = design @ estimates
                chance = np.clip(special.expit(linear), _NEVER, 1 - _NEVER)
                before, others = deviance, total - cases
                deviance = 2 * float(
                    np.sum(special.xlogy(cases, cases / (total * chance)))
                    + np.sum(special.xlogy(others, others / (total * (1 - chance))))
                )
                if abs(before - deviance) <= _STAYS:
                    inverse = np.linalg.inv(r)
                    return Fitted(estimates, chance, inverse @ inverse.T)
    except (FloatingPointError, np.linalg.LinAlgError) as error:
        raise _NoFitError from error
    raise _NoFitError


def _long_run(pulls: np.ndarray) -> tuple[float, float]:
    """Return the variance of a sum of weekly pulls that hang together, and its critical value.

    Bartlett weights over _BANDWIDTH of the weeks (Newey and West; over the districts together:
    Driscoll and Kraay). The critical value is that of a fixed share of the weeks (Kiefer and
    Vogelsang 2005, 97.5 %): from few weeks the variance itself is uncertain and too small.
    """
    number = len(pulls)
    reach = max(1, round(_BANDWIDTH * number))
    variance = float(pulls @ pulls)
    for lag in range(1, reach):
        variance += 2 * (1 - lag / reach) * float(pulls[lag:] @ pulls[:-lag])
    share = reach / number
    critical = 1.9600 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3
    return variance * number / (number - 1), critical


def _estimable(cases: np.ndarray, others: np.ndarray, labels: list[np.ndarray]) -> np.ndarray:
    """Return which cells to use: none of a level that has no case on one side (no finite fit)."""
    kept: np.ndarray = cases + others > 0
    while True:
        before = kept
        for label in labels:
            for side in (cases, others):
                kept = kept & (np.bincount(label, side * kept) > 0)[label]
        if kept.sum() == before.sum():
            return kept


def _dummies(labels: np.ndarray) -> np.ndarray:
    return np.asarray(labels[:, None] == np.unique(labels), dtype="float64")


def _p_value(fit: tuple[float, float, int]) -> float:
    estimate, error, freedom = fit
    if error <= 0:
        return 0.0 if estimate else 1.0
    return float(2 * special.stdtr(freedom, -abs(estimate / error)))


def _t_quantile(freedom: int) -> float:
    return float(special.stdtrit(freedom, 0.975))


def expected_weekly(
    topic: pd.DataFrame, control: pd.DataFrame, weeks: Sequence[Window], rules: Rules
) -> pd.DataFrame:
    """Return the city's weekly cases of a topic beside their expectation.

    Columns: ``week_start``, ``week_end`` (date), ``cases`` (float64), ``expected``, ``low``,
    ``high`` (float64; NaN without the week of the year before and for a week that is not over).
    The expectation is that of ``domain.programme.expected_cases``; the range holds 95 % of counts
    with the noise of the rules.

    Args:
        topic: as for ``effect_of_launch``.
        control: the same.
        weeks: Mon–Sun in order, without gaps.
        rules: how noisy a count is.
    """
    own, others = Counter[dt.date](), Counter[dt.date]()
    for summed, frame in ((own, topic), (others, control)):
        for start, cases in zip(frame["week_start"], frame["cases"].tolist(), strict=True):
            summed[start] += cases
    back = [week.start - _WEEK * YEAR_OF_WEEKS for week in weeks]
    known = min(others, default=None)
    result = {
        "week_start": np.array([week.start for week in weeks], dtype="object"),
        "week_end": np.array([week.end for week in weeks], dtype="object"),
        "cases": np.array([float(own.get(week.start, 0)) for week in weeks]),
    }
    then = np.array([float(own.get(start, 0)) for start in back])
    control_then = np.array([float(others.get(start, 0)) for start in back])
    control_now = np.array([float(others.get(week.start, 0)) for week in weeks])
    change = np.divide(
        control_now, control_then, out=np.full(len(weeks), np.nan), where=control_then > 0
    )
    usable = np.array(
        [week.days == 7 and known is not None and start >= known
         for week, start in zip(weeks, back, strict=True)],
        dtype=bool,
    )  # fmt: skip
    expected = np.where(usable, then * change, np.nan)
    spread = Z * np.sqrt(rules.volume_dispersion * expected * (1 + change))
    result |= {
        "expected": expected,
        "low": np.maximum(expected - spread, 0),
        "high": expected + spread,
    }
    return pd.DataFrame(result)
