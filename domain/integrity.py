"""How honest a denominator is: what stands beside the three rates of a place.

Fewer valid revisits, more cases left out, more put off or counted as repeats: each can make a rate
better without anything getting better. Read beside the rates; none of them is a verdict.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from domain.metrics import METRICS, Change, Columns, Counts, Metric, Z, columns_of, estimated
from domain.rules import Rules

_ALL = "全口径的诉求"
EXCLUSION = Metric(
    "exclusion_rate", "剔除率", "rate", "%", "neutral",
    "剔除的诉求", _ALL, _ALL,
    "剔除的不计入考核口径",
    lambda counts, rules: (counts["excluded"], counts["received"]),
    needs_maturity=False,
)  # fmt: skip
SHELVED = Metric(
    "shelved_rate", "挂账率", "rate", "%", "neutral",
    "截至数据截止日仍在挂账期内", "受理的诉求", "受理",
    "挂账期内的不算逾期",
    lambda counts, rules: (counts["shelved"], counts["cases"]),
    needs_maturity=False,
)  # fmt: skip
REPEATS = Metric(
    "repeat_rate", "重复诉求率", "rate", "%", "neutral",
    "来源标明重复的诉求", "受理的诉求", "受理",
    "同一事项再次反映",
    lambda counts, rules: (counts["repeats"], counts["cases"]),
    needs_maturity=False,
)  # fmt: skip
# Read from left to right: who was asked, who was left out, what was put off, what came again.
INTEGRITY: tuple[Metric, ...] = (METRICS["revisit_rate"], EXCLUSION, SHELVED, REPEATS)


@dataclass(frozen=True)
class Case:
    """Counts of one place in one window: in the chosen 口径, in 考核口径 and in 全口径."""

    chosen: Counts
    assessed: Counts
    everything: Counts

    @property
    def columns(self) -> Columns:
        """The counts as arrays, with ``received`` (全口径) and ``excluded`` of them."""
        received = self.everything["cases"].to_numpy(dtype="float64")
        left = self.assessed["cases"].to_numpy(dtype="float64")
        return {**columns_of(self.chosen), "received": received, "excluded": received - left}


@dataclass(frozen=True)
class Reading:
    """One share of a place: value and n (NaN and 0 where there is nothing), 95 % interval.

    ``change``: against the window compared with, None without one.
    """

    metric: Metric
    value: float
    n: int
    low: float
    high: float
    change: Change | None = None


def readings(now: Case, before: Case | None, rules: Rules) -> list[Reading]:
    """Return the shares of ``INTEGRITY`` of one place (one row of counts in each window)."""
    result = []
    for metric in INTEGRITY:
        points = {name: each[0] for name, each in estimated(now.columns, metric, rules).items()}
        own = Reading(
            metric,
            float(points["value"]),
            int(points["n"]),
            float(points["low"]),
            float(points["high"]),
        )
        if before is not None:
            moved = share_change(metric, now.columns, before.columns, rules)
            own = dataclasses.replace(own, change=moved)
        result.append(own)
    return result


def share_change(metric: Metric, now: Columns, before: Columns, rules: Rules) -> Change:
    """Return the change of a yes/no share in percentage points, by the test of two proportions."""
    (yes,), (n,) = (each[:1] for each in metric.sums(now, rules))
    (base_yes,), (base,) = (each[:1] for each in metric.sums(before, rules))
    least = rules.minimum_revisits
    if min(n, base) <= 0:
        return Change(
            float("nan"), "withheld", f"{'对比期' if n > 0 else '本期'}无{metric.n_words}"
        )
    if min(n, base) < least:
        return Change(float("nan"), "withheld", f"样本不足{least}件")
    if metric.needs_maturity and now["mature"][0] < rules.mature_share * now["cases"][0]:
        return Change(float("nan"), "withheld", "本期诉求尚未成熟")
    pooled = (yes + base_yes) / (n + base)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / base))
    difference = float(yes / n - base_yes / base)
    z = float(difference / error) if error > 0 else 0.0
    direction = "flat" if abs(z) < Z else "up" if z > 0 else "down"
    return Change(100 * difference, direction, z=z)  # type: ignore[arg-type]
