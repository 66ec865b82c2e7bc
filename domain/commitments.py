"""Commitments (承诺): who promised what by when, and whether it came true.

What was promised as a figure is judged by that figure, as the pages show it; nobody can write
over it. What was promised in words is judged by a person, whose name stays with the verdict.
Everything is told at the data cut-off: without a figure for the promised day nothing is said.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from domain.metrics import METRICS
from domain.periods import Window
from domain.rules import Rules
from domain.schedule import Figures, Target, known_at
from domain.signals import Checked, Signal, SignalKind, Tone

NAN = float("nan")

Verdict = Literal["kept", "broken"]
Standing = Literal["broken", "unjudged", "waiting", "late", "open", "kept", "withdrawn"]
# In order of attention.
STANDING_WORDS: dict[Standing, str] = {
    "broken": "未兑现",
    "unjudged": "到期待认定",
    "waiting": "到期待数据",
    "late": "逾期兑现",
    "open": "未到期",
    "kept": "已兑现",
    "withdrawn": "已撤回",
}
ATTENTION: dict[Standing, int] = {standing: place for place, standing in enumerate(STANDING_WORDS)}
# Due and not settled: what the next meeting begins with.
OVERDUE: frozenset[Standing] = frozenset(("broken", "unjudged", "waiting"))

# What can be promised as a figure besides a target (by its code) and a project.
RATES = ("response", "resolution", "satisfaction", "composite", "on_time")
PROJECT = "project"
LONGEST_WORDS, LONGEST_NAME = 400, 60
# A promise for later than this is a plan.
MOST_DAYS = 2 * 366
# How old the figure of a level may be on the promised day.
LEVEL_DAYS = 31


class CommitmentError(ValueError):
    """What was entered is no commitment; the message says why, in Chinese."""


@dataclass(frozen=True)
class Commitment:
    """One promise as it was entered; nothing of it changes afterwards.

    ``by``: who promised. ``district``, ``topic``, ``project``: codes of what it is about, "" for
    none. ``measure``: "" for words alone, a key of ``RATES``, ``PROJECT``, or the code of a target.
    ``goal``: to be reached, a fraction for a rate, points for 综合成绩, units of a target; NaN
    otherwise. ``verdict``: of a person, "" without one. ``withdrawn``: why it no longer holds.
    """

    number: int
    made_on: dt.date
    due_on: dt.date
    by: str
    words: str
    district: str = ""
    topic: str = ""
    project: str = ""
    measure: str = ""
    goal: float = NAN
    verdict: Verdict | Literal[""] = ""
    verdict_note: str = ""
    verdict_by: str = ""
    withdrawn: str = ""

    @property
    def window(self) -> Window:
        """The days whose complaints a promised rate is told from: from the promise to its day."""
        return Window(self.made_on, self.due_on)


@dataclass(frozen=True)
class Outcome:
    """How a commitment stands.

    ``value``: the figure it was judged by, NaN without one; ``on``: its day; ``n`` and the bounds
    of the interval for a rate. ``near``: the difference to the goal is inside the noise.
    ``reason``: why there is no judgement yet, in Chinese.
    """

    standing: Standing
    value: float = NAN
    on: dt.date | None = None
    n: int = 0
    low: float = NAN
    high: float = NAN
    near: bool = False
    reason: str = ""


@dataclass(frozen=True)
class RateReading:
    """A rate over the window of a commitment: value, n, interval, and why it may not be told."""

    value: float
    n: int
    low: float
    high: float
    withheld: str = ""


def checked(commitment: Commitment) -> Commitment:
    """Return a commitment that can be kept in the book.

    Raises:
        CommitmentError: a field is missing, too long or contradicts another.
    """
    if not commitment.by.strip() or len(commitment.by) > LONGEST_NAME:
        raise CommitmentError(f"承诺单位须填写，不超过{LONGEST_NAME}字")
    if not commitment.words.strip() or len(commitment.words) > LONGEST_WORDS:
        raise CommitmentError(f"承诺事项须填写，不超过{LONGEST_WORDS}字")
    if commitment.due_on <= commitment.made_on:
        raise CommitmentError("兑现日期须晚于承诺日期")
    if (commitment.due_on - commitment.made_on).days > MOST_DAYS:
        raise CommitmentError("兑现日期不能晚于承诺日期两年以上")
    if commitment.measure == PROJECT and not commitment.project:
        raise CommitmentError("按项目判定的，须写明项目")
    if commitment.measure in ("", PROJECT):
        if not math.isnan(commitment.goal):
            raise CommitmentError("没有选择指标的，不能填写目标值")
        return commitment
    if not math.isfinite(commitment.goal) or commitment.goal < 0:
        raise CommitmentError("选择了指标的，须填写目标值")
    if commitment.measure in RATES:
        most = 1.0 if METRICS[commitment.measure].kind == "rate" else 100.0
        if commitment.goal > most:
            raise CommitmentError(f"{METRICS[commitment.measure].name}的目标值不能超过满分")
    return commitment


def in_words_only(commitment: Commitment, as_of: dt.date) -> Outcome:
    """Return how a promise without a figure stands: as a person said, or not yet judged."""
    if commitment.withdrawn:
        return Outcome("withdrawn")
    if commitment.verdict:
        return Outcome(commitment.verdict)
    if as_of < commitment.due_on:
        return Outcome("open")
    return Outcome("unjudged", reason="承诺没有指标，须由督查人员认定")


def by_progress(
    commitment: Commitment, target: Target | None, figures: Figures, as_of: dt.date
) -> Outcome:
    """Return how a promise of progress stands.

    Kept when a figure dated up to the day reaches the goal; late when only a later one does; broken
    when a figure of that day or later does not. Without such a figure nobody knows.

    Args:
        commitment: with the target's code as measure.
        target: None when the data no longer has it.
        figures: of the target, in the district when one is named, in order of date.
        as_of: data cut-off.
    """
    if commitment.withdrawn:
        return Outcome("withdrawn")
    if target is None:
        return Outcome("waiting", reason="数据中已没有这个目标")
    known = known_at(figures, as_of)
    if not known:
        waiting: Standing = "open" if as_of < commitment.due_on else "waiting"
        return Outcome(waiting, reason="没有进度数据")

    def reached(value: float) -> bool:
        met = value <= commitment.goal if target.direction == "down" else value >= commitment.goal
        return met or math.isclose(value, commitment.goal, rel_tol=1e-12)

    until = [each for each in known if each[0] <= commitment.due_on]
    last = known[-1]
    if not target.cumulative:
        # A level must hold on the day; what it is weeks later says nothing about it.
        if as_of < commitment.due_on:
            return Outcome("open", last[1], last[0])
        if not until or (commitment.due_on - until[-1][0]).days > LEVEL_DAYS:
            return Outcome("waiting", reason=f"到期前{LEVEL_DAYS}天内没有进度数据")
        value, on = until[-1][1], until[-1][0]
        return Outcome("kept" if reached(value) else "broken", value, on)
    early = next((each for each in until if reached(each[1])), None)
    if early is not None:
        return Outcome("kept", early[1], early[0])
    if as_of < commitment.due_on:
        return Outcome("open", last[1], last[0])
    decisive = next((each for each in known if each[0] >= commitment.due_on), None)
    if decisive is None:
        return Outcome("waiting", last[1], last[0], reason=f"进度只更新到{last[0].isoformat()}")
    after = next((each for each in known if each[0] > commitment.due_on and reached(each[1])), None)
    if after is None:
        return Outcome("broken", decisive[1], decisive[0])
    if until and until[-1][0] == commitment.due_on:
        return Outcome("late", after[1], after[0])
    if after is decisive:
        # Reached some time between the last figure before the day and the first after it.
        return Outcome(
            "waiting", after[1], after[0], reason="到期当日没有进度，其后的进度已达到，须人工核对"
        )
    return Outcome("late", after[1], after[0])


def by_rate(
    commitment: Commitment, reading: RateReading | None, as_of: dt.date, rules: Rules
) -> Outcome:
    """Return how a promise of a rate stands, told from the complaints made after the promise.

    Judged by the value; ``near`` says that the difference is inside the noise.

    Args:
        commitment: with a key of ``RATES`` as measure.
        reading: over ``commitment.window`` up to the cut-off; None before there is a day of it.
        as_of: data cut-off.
        rules: for the days of a revisit.
    """
    if commitment.withdrawn:
        return Outcome("withdrawn")
    metric = METRICS[commitment.measure]
    value, low, high, n = NAN, NAN, NAN, 0
    if reading is not None:
        value, low, high, n = reading.value, reading.low, reading.high, reading.n
    if as_of < commitment.due_on:
        return Outcome("open", value, as_of, n, low, high)
    if reading is None or math.isnan(value):
        return Outcome("waiting", reason=f"没有{metric.n_words}")
    if reading.withheld:
        return Outcome("waiting", value, commitment.due_on, n, low, high, reason=reading.withheld)
    if n < rules.minimum_revisits:
        reason = f"{metric.n_words}不足{rules.minimum_revisits}件，不能判定"
        return Outcome("waiting", value, commitment.due_on, n, low, high, reason=reason)
    lower = metric.better == "lower"
    met = value <= commitment.goal if lower else value >= commitment.goal
    near = low <= commitment.goal <= high
    return Outcome("kept" if met else "broken", value, commitment.due_on, n, low, high, near=near)


def by_project(
    commitment: Commitment, figures: Figures | None, units: float, as_of: dt.date
) -> Outcome:
    """Return how the promise to finish a project stands.

    Args:
        commitment: with ``PROJECT`` as measure.
        figures: cumulative units done by date; None when the data no longer has the project.
        units: of the project.
        as_of: data cut-off.
    """
    if commitment.withdrawn:
        return Outcome("withdrawn")
    if figures is None:
        return Outcome("waiting", reason="数据中已没有这个项目")
    known = known_at(figures, as_of)
    finished = next((each for each in known if each[1] >= units), None)
    if finished is not None:
        kept = finished[0] <= commitment.due_on
        return Outcome("kept" if kept else "late", finished[1], finished[0])
    value, on = (known[-1][1], known[-1][0]) if known else (0.0, None)
    # A ledger is complete up to its cut-off: what it does not say did not happen.
    return Outcome("open" if as_of < commitment.due_on else "broken", value, on)


def by_attention(
    judged: Sequence[tuple[Commitment, Outcome]],
) -> list[tuple[Commitment, Outcome]]:
    """Return commitments with outcomes, what needs attention first, the earliest day first."""
    return sorted(judged, key=lambda each: (ATTENTION[each[1].standing], each[0].due_on,
                                            each[0].number))  # fmt: skip


def of_week(
    judged: Sequence[tuple[Commitment, Outcome]], week: Window
) -> list[tuple[Commitment, Outcome]]:
    """Return what a meeting looks back on: due in that week, or overdue from before."""
    return [
        (commitment, outcome)
        for commitment, outcome in judged
        if outcome.standing != "withdrawn"
        and (
            week.start <= commitment.due_on <= week.end
            or (commitment.due_on < week.start and outcome.standing in OVERDUE)
        )
    ]


def promise_exceptions(judged: Sequence[tuple[Commitment, Outcome]]) -> Checked:
    """Return the promises that were not kept as one exception, those not settled as another.

    One line each, however many there are: the list of exceptions has room for five. A meeting
    begins with them, hence a weight above most. ``place`` and
    ``metric`` tell who promised and the day (ISO) of the newest; ``count`` how many.
    Two checks, none where nothing is due.
    """
    due = [
        (commitment, outcome)
        for commitment, outcome in judged
        if outcome.standing not in ("open", "withdrawn")
    ]
    signals = []
    kinds: tuple[tuple[SignalKind, Tone, frozenset[Standing]], ...] = (
        ("promise_broken", "alert", frozenset(("broken",))),
        ("promise_due", "watch", OVERDUE - {"broken"}),
    )
    for kind, tone, standings in kinds:
        own = [commitment for commitment, outcome in due if outcome.standing in standings]
        if own:
            newest = max(own, key=lambda each: (each.due_on, each.number))
            day = newest.due_on.isoformat()
            signals.append(
                Signal(kind, tone, "", newest.by, day, count=len(own), weight=50.0 + len(own))
            )
    return Checked(tuple(signals), len(kinds) if due else 0)
