"""Exceptions: what a leader must hear first, each by a rule that can be looked up.

A check is one question about one place; it either fires or counts as normal. Checks of one kind
are made for every place at once, so a share of them would fire by chance: their p-values pass
through the false discovery rate of the rule set (Benjamini–Hochberg).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from domain.chance import discovered
from domain.metrics import METRICS, change, estimate
from domain.rules import Rules
from domain.schedule import Status
from domain.targeting import Targeting

SignalKind = Literal[
    "rate_fall",
    "overdue",
    "shrinking",
    "excluding",
    "stale",
    "gap",
    "unplaced",
    "topic_rising",
    "topic_unanswered",
    "topic_overdue",
    "topic_behind",
    "target_zero",
    "target_both",
    "promise_broken",
    "promise_due",
]
Tone = Literal["alert", "watch"]
WATCHED_RATES = ("resolution", "satisfaction", "response")


@dataclass(frozen=True)
class Signal:
    """One exception.

    ``code`` and ``place`` name the district, street or topic ("" for the whole). ``metric`` is a
    key of METRICS, a Status, the name of a target, the day of a promise (ISO) or "". ``value`` is
    a fraction, ``amount`` a change in percentage points or of a target what is left in its
    ``unit``, ``count`` a number of cases, promises, days or weeks, ``weight`` orders signals of
    one tone.
    """

    kind: SignalKind
    tone: Tone
    code: str = ""
    place: str = ""
    metric: str = ""
    value: float = float("nan")
    amount: float = float("nan")
    count: int = 0
    n: int = 0
    weight: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Checked:
    """The exceptions found, most important first, and how many checks were made.

    ``lesser``: checks that found something too small for an exception, which is not normal either.
    """

    signals: tuple[Signal, ...]
    checks: int
    lesser: int = 0

    @property
    def normal(self) -> int:
        """Number of checks that found nothing."""
        return self.checks - len(self.signals) - self.lesser


def together(*results: Checked) -> Checked:
    """Return several results as one, alerts first, then by weight."""
    signals = [signal for result in results for signal in result.signals]
    signals.sort(key=lambda signal: (signal.tone != "alert", -signal.weight))
    return Checked(
        tuple(signals),
        sum(result.checks for result in results),
        sum(result.lesser for result in results),
    )


def _discovered(p_values: np.ndarray, rules: Rules) -> np.ndarray:
    return discovered(p_values, rules.false_discovery_rate)


def falling_rates(
    groups: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame,
    rules: Rules,
    days: tuple[int, int],
) -> Checked:
    """Return places where one of the three rates fell beyond noise; one signal per place.

    ``groups`` has ``code`` and ``name``; the counts have the same order. A comparison that is
    withheld (small sample, not mature) is not a check.
    """
    found: list[Signal] = []
    made = 0
    for key in WATCHED_RATES:
        metric = METRICS[key]
        changes = change(metric, now, before, rules, days)
        estimates = estimate(now, metric, rules)
        fair = [place for place, each in enumerate(changes) if each.direction != "withheld"]
        made += len(fair)
        z_values = np.array([changes[place].z for place in fair], dtype=float)
        fired = _discovered(special.ndtr(z_values), rules)
        for place, hit in zip(fair, fired, strict=True):
            each = changes[place]
            if hit and each.amount <= -rules.smallest_rate_drop:
                found.append(
                    Signal(
                        "rate_fall",
                        "alert",
                        groups["code"].iloc[place],
                        groups["name"].iloc[place],
                        key,
                        float(estimates["value"].iloc[place]),
                        each.amount,
                        n=int(estimates["n"].iloc[place]),
                        weight=-each.amount,
                    )
                )
    worst: dict[str, Signal] = {}
    for signal in found:
        if signal.code not in worst or signal.weight > worst[signal.code].weight:
            worst[signal.code] = signal
    # Places, not rates, are what is exceptional: the other rates of a place are not "normal".
    return Checked(tuple(worst.values()), made - (len(found) - len(worst)))


def overdue_stock(groups: pd.DataFrame, now: pd.DataFrame, rules: Rules) -> Checked:
    """Return places whose share of overdue cases is beyond noise above the rest together."""
    cases, overdue = (now[name].to_numpy(dtype="float64") for name in ("cases", "overdue"))
    whole_cases, whole_overdue = cases.sum(), overdue.sum()
    places = np.flatnonzero(cases > 0)
    cases, overdue = cases[places], overdue[places]
    rest = whole_cases - cases
    alone = rest <= 0
    others = np.where(alone, 1.0, rest)
    base = np.where(alone, overdue / cases, (whole_overdue - overdue) / others)
    pooled = whole_overdue / whole_cases if whole_cases else 0.0
    error = np.sqrt(pooled * (1 - pooled) * (1 / cases + np.where(alone, 0.0, 1 / others)))
    z_values = (overdue / cases - base) / np.where(error > 0, error, np.inf)
    hits = _discovered(special.ndtr(-z_values), rules) & (overdue >= rules.overdue_floor)
    signals = tuple(
        Signal(
            "overdue",
            "alert",
            groups["code"].iloc[places[row]],
            groups["name"].iloc[places[row]],
            "overdue_rate",
            float(overdue[row] / cases[row]),
            count=int(overdue[row]),
            n=int(cases[row]),
            weight=100 * float(overdue[row] / cases[row]),
        )
        for row in np.flatnonzero(hits)
    )
    return Checked(signals, len(places))


def shrinking_denominators(
    groups: pd.DataFrame,
    now: pd.DataFrame,
    before: pd.DataFrame,
    now_all: pd.DataFrame,
    before_all: pd.DataFrame,
    rules: Rules,
) -> Checked:
    """Return places whose denominator shrank: 有效回访率 fell, or 剔除率 rose, beyond noise.

    ``now`` and ``before`` are counts in 考核口径, ``now_all`` and ``before_all`` in 全口径, all in
    the order of ``groups``. A smaller denominator is a known way to a better rate.
    """
    metric = METRICS["revisit_rate"]
    changes = change(metric, now, before, rules, (1, 1))
    estimates = estimate(now, metric, rules)
    fair = [place for place, each in enumerate(changes) if each.direction != "withheld"]
    z_values = np.array([changes[place].z for place in fair], dtype=float)
    fired = _discovered(special.ndtr(z_values), rules)
    signals = [
        Signal(
            "shrinking",
            "watch",
            groups["code"].iloc[place],
            groups["name"].iloc[place],
            "revisit_rate",
            float(estimates["value"].iloc[place]),
            changes[place].amount,
            n=int(estimates["n"].iloc[place]),
            weight=-changes[place].amount,
        )
        for place, hit in zip(fair, fired, strict=True)
        if hit and changes[place].amount <= -rules.smallest_revisit_drop
    ]
    checks = len(fair)
    kept, kept_before = (each["cases"].to_numpy(dtype="float64") for each in (now, before))
    sizes = [each["cases"].to_numpy(dtype="float64") for each in (now_all, before_all)]
    share, base = (
        (size - left) / np.where(size > 0, size, np.nan)
        for size, left in zip(sizes, (kept, kept_before), strict=True)
    )
    rise = share - base
    places = np.flatnonzero(np.isfinite(rise))
    checks += len(places)
    own, then = (size[places] for size in sizes)
    pooled = (share[places] * own + base[places] * then) / (own + then)
    error = np.sqrt(pooled * (1 - pooled) * (1 / own + 1 / then))
    fired = _discovered(special.ndtr(-rise[places] / np.where(error > 0, error, np.inf)), rules)
    signals += [
        Signal(
            "excluding",
            "watch",
            groups["code"].iloc[place],
            groups["name"].iloc[place],
            "",
            float(share[place]),
            float(100 * rise[place]),
            count=int(sizes[0][place] - kept[place]),
            n=int(sizes[0][place]),
            weight=float(100 * rise[place]),
        )
        for place, hit in zip(places, fired, strict=True)
        if hit and 100 * rise[place] >= rules.smallest_exclusion_jump
    ]
    return Checked(tuple(signals), checks)


@dataclass(frozen=True)
class TopicState:
    """A topic of 每月一题 as far as exceptions look at it.

    ``good``: its progress is as it should be. ``hard``: the forecast says the target is hardly
    reached in time. ``late_days``: past the due day; ``quiet_days``: since the last figure.
    ``cases``, ``change``, ``rising``: recent complaints against expectation (``Volume``).
    ``is_due``: its due day has come.
    """

    code: str
    name: str
    target: str
    status: Status
    good: bool
    hard: bool
    gap_points: float
    late_days: int
    quiet_days: int
    cases: int
    change: float
    rising: bool
    is_due: bool = False


def topic_exceptions(topics: Sequence[TopicState]) -> Checked:
    """Return what a leader must hear of the topics: one signal per topic at most.

    Progress as planned while complaints rise comes first: the work does not reach the citizens.
    Then what is overdue, what nobody answers for, and what is behind and hardly makes it or due
    today, or a level that is not kept. What is behind without that, or without data, is no
    exception and not normal either (``lesser``). The weights stand beside those of districts,
    which are percentage points.
    """
    signals = []
    lesser = 0
    for topic in topics:
        kind: SignalKind | None = None
        tone: Literal["alert", "watch"] = "alert"
        weight = 0.0
        if topic.good and topic.rising:
            kind, weight = "topic_rising", 10 + 10 * topic.change
        elif topic.status in ("no_lead", "no_target", "stale"):
            kind, weight = "topic_unanswered", 3 + min(topic.quiet_days / 365, 0.9)
        elif topic.status == "overdue":
            kind, weight = "topic_overdue", 4 + min(topic.late_days / 365, 0.9)
        elif topic.status == "behind" and topic.is_due:
            kind, weight = "topic_overdue", 4.0
        elif topic.status == "behind" and topic.hard:
            kind, tone, weight = "topic_behind", "watch", -topic.gap_points
        elif topic.status == "missed":
            # A level has no distance in percentage points to be weighed by.
            kind, tone = "topic_behind", "watch"
        elif not topic.good and topic.status != "pending":
            lesser += 1
        if kind is not None:
            signals.append(
                Signal(
                    kind,
                    tone,
                    topic.code,
                    topic.name,
                    topic.status,
                    topic.change if kind == "topic_rising" else float("nan"),
                    topic.gap_points,
                    count=topic.quiet_days if kind == "topic_unanswered" else topic.late_days,
                    n=topic.cases,
                    weight=weight,
                )
            )
    return Checked(tuple(signals), len(topics), lesser)


def targeting_exceptions(result: Targeting) -> Checked:
    """Return who is on 抓零, as an alert who is on both lists; the longest on it first."""
    signals = [
        Signal(
            "target_both" if each.large else "target_zero",
            "alert" if each.large else "watch",
            each.holder.code,
            each.holder.name,
            result.target.name,
            each.share,
            each.remaining,
            count=each.zero_weeks_on,
            weight=3 + min(each.zero_weeks_on / 52, 0.9),
            unit=result.target.unit,
        )
        for each in result.zero
    ]
    return Checked(tuple(signals), len(result.holdings))


def data_problems(
    cutoff: dt.datetime,
    clock: dt.datetime | None,
    days_missing: int,
    unplaced: int,
    cases: int,
    rules: Rules,
) -> Checked:
    """Return what is wrong with the data itself: stale, days without a case, cases without a place.

    Args:
        cutoff: data cut-off.
        clock: the present, the one place where a clock is asked; None for demo data, which is
            not expected to be fresh.
        days_missing: days of the period without a single case.
        unplaced: cases of the period without a known place.
        cases: cases of the period.
        rules: thresholds.
    """
    signals = []
    checks = 2
    if clock is not None:
        checks += 1
        hours = (clock - cutoff) / dt.timedelta(hours=1)
        if hours > rules.stale_hours:
            signals.append(Signal("stale", "alert", count=int(hours // 24), weight=1e6))
    if days_missing and cases:
        signals.append(Signal("gap", "watch", count=days_missing, weight=float(days_missing)))
    if cases and unplaced / cases > rules.reject_share:
        signals.append(
            Signal("unplaced", "watch", value=unplaced / cases, count=unplaced, n=cases, weight=50)
        )
    return Checked(tuple(signals), checks)
