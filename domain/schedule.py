"""Targets against their timetable (序时进度): where they stand, whether they will be reached.

A target of a topic (每月一题) has a value to reach by a day, and dated progress figures. A
cumulative one is judged by the share that was due on the day of its newest figure, never on the
day somebody looks; one that is not cumulative (a level, such as days of approval) is met or not.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domain.rules import Rules

NAN = float("nan")
# A month in a sentence such as 0.84万套/月.
DAYS_IN_MONTH = 365 / 12

Figures = Sequence[tuple[dt.date, float]]  # in order of date, at most one a day

Status = Literal[
    "no_lead",
    "no_target",
    "stale",
    "overdue",
    "behind",
    "missed",
    "no_data",
    "recovering",
    "pending",
    "on_schedule",
    "ahead",
    "met",
    "done",
]
# In order of attention: what nobody answers for comes before what is late.
STATUS_WORDS: dict[Status, str] = {
    "no_lead": "无主责",
    "no_target": "无目标",
    "stale": "久未更新",
    "overdue": "逾期",
    "behind": "滞后",
    "missed": "未达标",
    "no_data": "数据不足",
    "recovering": "已追平",
    "pending": "未启动",
    "on_schedule": "达序时",
    "ahead": "超前",
    "met": "达标",
    "done": "已完成",
}
ATTENTION: dict[Status, int] = {status: place for place, status in enumerate(STATUS_WORDS)}
# Progress is as it should be: complaints that rise all the same are the news.
GOOD: frozenset[Status] = frozenset(("recovering", "on_schedule", "ahead", "met", "done"))
LATE: frozenset[Status] = frozenset(("overdue", "behind", "missed"))


@dataclass(frozen=True)
class Target:
    """What is to be reached. ``value`` and ``stock`` are NaN when there is none.

    ``plan``: planned cumulative values by date, in order; empty: linear by days.
    """

    code: str
    topic: str
    name: str
    unit: str
    value: float
    stock: float
    start_on: dt.date
    due_on: dt.date
    direction: Literal["up", "down"] = "up"
    cumulative: bool = True
    plan: tuple[tuple[dt.date, float], ...] = ()

    @property
    def scheduled(self) -> bool:
        """Whether there is a timetable to be compared with."""
        return self.cumulative and self.direction == "up" and self.value > 0

    def planned(self, on: dt.date) -> float:
        """Return the cumulative value that is due at the end of a day; NaN without a timetable."""
        if not self.scheduled:
            return NAN
        if on < self.start_on:
            return 0.0
        before = self.start_on - dt.timedelta(days=1)  # the first day counts as a day
        points = [(before, 0.0), *self.plan]
        if not self.plan or self.plan[-1][0] < self.due_on:
            points.append((self.due_on, self.value))
        days = [point[0].toordinal() for point in points]
        return float(np.interp(on.toordinal(), days, [point[1] for point in points]))


@dataclass(frozen=True)
class Standing:
    """A target at a day, from the newest figure that was known on it.

    Fractions 0–1 (``completion`` may pass 1), amounts in the target's unit, paces per day; NaN
    where there is nothing to compute from.

    ``by_figures``: the status by its figures alone, whoever answers for it and however old they
    are. ``on_date``: day of the figure. ``completion``: of the target's value; ``of_stock``: of the
    stock. ``scheduled``: share due at ``on_date``. ``gap``: completion − scheduled, in fractions;
    ``gap_units`` the same in units. ``days_left``: from the figure to the due day, of an old figure
    (``is_old``) from ``as_of``; 0 from the due day on. ``pace``: so far, from the start;
    ``required_pace``: needed on the days left; ``speed_up``: required ÷ pace − 1; ``plan_pace``:
    what the plan points ask of the days left, NaN without any. ``straight_line``: where the pace so
    far leads to at the due day; ``shortfall``: what is then missing. Of an old figure nobody knows
    today's pace: no ``speed_up``, ``straight_line`` and ``shortfall``. ``late_since``: day of the
    first figure of the present unbroken row of late ones. ``reached_on``: the same of those that
    reach a cumulative target.
    """

    target: Target
    as_of: dt.date
    status: Status
    by_figures: Status
    on_date: dt.date | None = None
    actual: float = NAN
    completion: float = NAN
    of_stock: float = NAN
    scheduled: float = NAN
    gap: float = NAN
    gap_units: float = NAN
    remaining: float = NAN
    days_left: int = 0
    pace: float = NAN
    required_pace: float = NAN
    speed_up: float = NAN
    straight_line: float = NAN
    shortfall: float = NAN
    late_since: dt.date | None = None
    is_old: bool = False
    plan_pace: float = NAN
    reached_on: dt.date | None = None

    @property
    def days_late(self) -> int:
        """Days from the due day to the figure that first reached the target; 0: in time, open."""
        return max((self.reached_on - self.target.due_on).days, 0) if self.reached_on else 0

    @property
    def is_accelerating(self) -> bool:
        """Whether the plan asks more of the days left than of those before."""
        passed = (self.on_date - self.target.start_on).days + 1 if self.on_date else 0
        # An even plan is not faster by the last binary digit.
        return self.plan_pace * passed > 1.000001 * self.scheduled * self.target.value

    @property
    def on_plan(self) -> bool:
        """Whether it keeps to plan points: a later part that is faster is no alarm."""
        return bool(self.target.plan) and self.by_figures in GOOD


def standing(
    target: Target, figures: Figures, as_of: dt.date, rules: Rules, has_lead: bool = True
) -> Standing:
    """Return how a target stands at a day.

    Args:
        target: the target.
        figures: its progress; later ones than ``as_of`` are not known yet.
        as_of: the day, usually the data cut-off.
        rules: thresholds.
        has_lead: whether somebody is responsible (主责).
    """
    known = known_at(figures, as_of)
    plain = _plain_status(target, known, as_of, rules)
    late_since = _late_since(target, known, rules) if plain in LATE else None
    status = plain
    if plain in ("on_schedule", "ahead") and _was_late(target, known, as_of, rules):
        status = "recovering"
    is_old = plain not in ("done", "pending", "no_data") and _stale(known, as_of, rules)
    has_target = not np.isnan(target.value) or bool(target.plan)
    # What nobody can answer for outranks every colour.
    if not has_lead:
        status = "no_lead"
    elif not has_target:
        status = "no_target"
    elif is_old:
        status = "stale"
    if not known:
        days = max((target.due_on - as_of).days, 0)
        return Standing(target, as_of, status, plain, days_left=days)
    on_date, actual = known[-1]
    days_left = 0
    if as_of < target.due_on:
        days_left = max((target.due_on - (as_of if is_old else on_date)).days, 0)
    common = {
        "on_date": on_date,
        "actual": actual,
        "completion": actual / target.value if target.value > 0 else NAN,
        "of_stock": actual / target.stock if target.cumulative and target.stock > 0 else NAN,
        "days_left": days_left,
        "late_since": late_since,
        "is_old": is_old,
    }
    if not target.scheduled:
        return Standing(target, as_of, status, plain, **common)  # type: ignore[arg-type]
    due = target.planned(on_date)
    elapsed = (on_date - target.start_on).days + 1
    pace = actual / elapsed if elapsed > 0 else NAN
    remaining = max(target.value - actual, 0.0)
    required = remaining / days_left if days_left else NAN
    straight = NAN if is_old else actual + pace * days_left
    return Standing(
        target,
        as_of,
        status,
        plain,
        **common,  # type: ignore[arg-type]
        scheduled=due / target.value,
        gap=(actual - due) / target.value,
        gap_units=actual - due,
        remaining=remaining,
        pace=pace,
        required_pace=required,
        speed_up=required / pace - 1 if pace > 0 and not is_old else NAN,
        straight_line=straight,
        shortfall=NAN if is_old else max(target.value - straight, 0.0),
        plan_pace=_plan_pace(target, as_of if is_old else on_date, days_left),
        reached_on=_reached_on(target, known),
    )


def _plan_pace(target: Target, day: dt.date, days_left: int) -> float:
    if not target.plan or not days_left:
        return NAN
    return max(target.value - target.planned(day), 0.0) / days_left


def _reached_on(target: Target, known: Figures) -> dt.date | None:
    reached = None
    for on_date, value in reversed(known):
        if value < target.value:
            break
        reached = on_date
    return reached


def own_target(target: Target, goal: float) -> Target:
    """Return a target as a district's own: its goal (NaN: none), the plan in proportion."""
    part = goal / target.value if target.value else NAN
    plan = tuple((on, value * part) for on, value in target.plan) if not np.isnan(part) else ()
    return dataclasses.replace(target, value=goal, stock=NAN, plan=plan)


def known_at(figures: Figures, day: dt.date) -> Figures:
    """Return the figures up to a day, that day included."""
    return figures[: bisect.bisect_right(figures, day, key=lambda figure: figure[0])]


def _plain_status(target: Target, known: Figures, as_of: dt.date, rules: Rules) -> Status:
    """Return the status by figures alone, without memory."""
    if not known:
        return "pending" if as_of < target.start_on else "no_data"
    on_date, actual = known[-1]
    if not target.cumulative or target.direction == "down":
        if np.isnan(target.value):
            return "no_target"
        met = actual >= target.value if target.direction == "up" else actual <= target.value
        if met:
            return "met"
        return "overdue" if as_of > target.due_on else "missed"
    if not target.scheduled:
        return "no_target"
    if actual >= target.value:
        return "done"
    if as_of > target.due_on:
        return "overdue"
    if on_date < target.start_on:
        return "pending"
    return _pace_status(target, on_date, actual, rules)


def _pace_status(target: Target, on_date: dt.date, actual: float, rules: Rules) -> Status:
    # Compared unrounded: what is shown as 0.5 may be on either side.
    gap = 100 * (actual - target.planned(on_date)) / target.value
    if gap < -rules.behind_points:
        return "behind"
    return "ahead" if gap >= rules.ahead_points else "on_schedule"


def _late(target: Target, figure: tuple[dt.date, float], rules: Rules) -> bool:
    on_date, actual = figure
    if not target.scheduled:
        return actual < target.value if target.direction == "up" else actual > target.value
    if actual >= target.value:
        return False
    return on_date > target.due_on or _pace_status(target, on_date, actual, rules) == "behind"


def _late_since(target: Target, known: Figures, rules: Rules) -> dt.date | None:
    since = None
    for figure in reversed(known):
        if figure[0] < target.start_on or not _late(target, figure, rules):
            break
        since = figure[0]
    return since


def _was_late(target: Target, known: Figures, as_of: dt.date, rules: Rules) -> bool:
    """Return whether a figure of the last weeks was late: a red turns amber before green."""
    first = as_of - dt.timedelta(weeks=rules.memory_weeks)
    return any(
        first < figure[0] and figure[0] >= target.start_on and _late(target, figure, rules)
        for figure in known
    )


def _stale(known: Figures, as_of: dt.date, rules: Rules) -> bool:
    return bool(known) and (as_of - known[-1][0]).days > rules.stale_progress_days


# --- Forecast -----------------------------------------------------------------------------------

Chance = Literal["safe", "possible", "hard", "withheld"]
CHANCE_WORDS: dict[Chance, str] = {
    "safe": "稳",
    "possible": "可能",
    "hard": "难",
    "withheld": "不作预测",
}
# Weekly increments the future is drawn from: recent ones, because a programme changes its pace.
RECENT_WEEKS = 16
_DRAWS = 1_000
# How far a date of reaching is looked for.
_MOST_WEEKS = 156
# 80 % of the futures lie between.
_LOW, _HIGH = 10, 90
# A resample of skewed weeks is a little too sure of itself. Found by simulation
# (tests/unit/test_schedule.py): with it the range holds about 80 % of what comes.
_WIDER = 1.07


@dataclass(frozen=True)
class Forecast:
    """The range of a target at its due day: 80 % of the futures drawn.

    ``low``, ``median``, ``high`` in the target's unit. ``reached_*``: the day on which the target
    is reached in the quick, the middle and the slow tenth of the futures; None when that is more
    than three years away. ``probability`` of reaching it in time.
    """

    chance: Chance
    low: float = NAN
    median: float = NAN
    high: float = NAN
    probability: float = NAN
    reached_early: dt.date | None = None
    reached_median: dt.date | None = None
    reached_late: dt.date | None = None
    reason: str = ""


def forecast(target: Target, figures: Figures, as_of: dt.date, rules: Rules) -> Forecast:
    """Return where a target is likely to stand at its due day.

    Draws futures from the recent weekly increments. Each future first draws which weeks it takes
    for typical, then its weeks from these: so the range also holds that a few weeks tell little of
    the pace. Certificates come in lumps, hence no smooth curve. The same figures always give the
    same range.

    Withheld under ``rules.forecast_points`` figures, from the due day on, when it is reached, and
    when the newest figure is old: what was done since is not known.
    """
    known = [figure for figure in known_at(figures, as_of) if figure[0] >= target.start_on]
    reason = _no_forecast(target, known, as_of, rules)
    if reason:
        return Forecast("withheld", reason=reason)
    on_date, actual = known[-1]
    increments = weekly_increments(known)[-RECENT_WEEKS:]
    if len(increments) + 1 < rules.forecast_points:
        return Forecast("withheld", reason=f"进度不足{rules.forecast_points}周")
    n = len(increments)
    left = (target.due_on - on_date).days / 7
    weeks = max(_MOST_WEEKS, int(np.ceil(left)))
    random = np.random.default_rng(20210412)
    typical = random.integers(0, n, size=(_DRAWS, n))
    drawn_weeks = np.take_along_axis(typical, random.integers(0, n, size=(_DRAWS, weeks)), axis=1)
    # A resample of n weeks varies less than the weeks themselves, by (n − 1) / n; Student's t
    # against the normal distribution is 1 + 0.66 / (n − 1) at these shares.
    wider = np.sqrt(n / (n - 1)) * (1 + 0.66 / (n - 1)) * _WIDER
    drawn = increments[drawn_weeks]
    # Whole paths are widened, not weeks: the steps keep their size.
    straight = increments.mean() * np.arange(1, weeks + 1)
    path = actual + straight + (np.cumsum(drawn, axis=1) - straight) * wider
    path = np.maximum.accumulate(np.maximum(path, actual), axis=1)
    whole = int(left)
    at_whole = path[:, whole - 1] if whole else np.full(_DRAWS, actual)
    at_due = at_whole + (left - whole) * (path[:, whole] - at_whole)
    low, median, high = np.percentile(at_due, [_LOW, 50, _HIGH])
    probability = float(np.mean(at_due >= target.value))
    reached = path >= target.value
    first = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, weeks + 1)
    early, middle, late = (
        int(np.percentile(first, share, method="higher")) for share in (_LOW, 50, _HIGH)
    )
    chance: Chance = "possible"
    if probability >= 0.8:
        chance = "safe"
    elif probability < 0.2:
        chance = "hard"

    def day(week: int) -> dt.date | None:
        return on_date + dt.timedelta(weeks=week) if week <= _MOST_WEEKS else None

    return Forecast(
        chance, float(low), float(median), float(high), probability,
        day(early), day(middle), day(late),
    )  # fmt: skip


def _no_forecast(target: Target, known: Figures, as_of: dt.date, rules: Rules) -> str:
    """Return why nothing is said of the due day; "" when something can be."""
    if np.isnan(target.value):
        return "无目标值"
    if not target.scheduled:
        return "不是累计目标"
    if known and known[-1][1] >= target.value:
        return "目标已完成"
    if as_of >= target.due_on:
        return "已过期限" if as_of > target.due_on else "当日到期"
    if _stale(known, as_of, rules):
        return "久未更新"
    if len(known) < rules.forecast_points:
        return f"进度不足{rules.forecast_points}期"
    return ""


def weekly_increments(known: Figures) -> np.ndarray:
    """Return what was added in each week before the last figure, the oldest first, float64.

    Weeks are counted back from the last figure; within a longer gap between figures the increase
    is spread evenly, because it is not known when it came.
    """
    days = np.array([day.toordinal() for day, _ in known], dtype="float64")
    values = np.array([value for _, value in known], dtype="float64")
    weeks = int((days[-1] - days[0]) // 7)
    at = days[-1] - 7.0 * np.arange(weeks, -1, -1)
    return np.diff(np.interp(at, days, values))


def fastest_pace(figures: Figures, weeks: int) -> float:
    """Return the largest increase per week over so many weeks in a row; NaN without a figure.

    Before the first figure nothing is known, so a history shorter than the weeks counts as a whole.
    """
    if not figures:
        return NAN
    days = np.array([day.toordinal() for day, _ in figures], dtype="float64")
    values = np.array([value for _, value in figures], dtype="float64")
    then = np.maximum(days - 7.0 * weeks, days[0])
    added = values - np.interp(then, days, values)
    return float(max(added.max() / weeks, 0.0))


# --- Lifecycle ----------------------------------------------------------------------------------

Stage = Literal["coming", "launch", "push", "routine", "closed", "rebound"]
STAGE_WORDS: dict[Stage, str] = {
    "coming": "待启动",
    "launch": "启动",
    "push": "攻坚",
    "routine": "常态",
    "closed": "销号",
    "rebound": "回弹",
}


def stage(
    launched_on: dt.date | None,
    closed_on: dt.date | None,
    statuses: Sequence[Status],
    rising: bool,
    as_of: dt.date,
    rules: Rules,
) -> Stage:
    """Return where a topic is in its life.

    Args:
        launched_on: its first day; None: not known.
        closed_on: the day it was struck off (销号); None: not yet.
        statuses: of its targets.
        rising: whether its complaints are above expectation.
        as_of: the day.
        rules: how long the launch lasts.
    """
    if closed_on is not None and closed_on <= as_of:
        return "rebound" if rising else "closed"
    if statuses and all(status in ("done", "met") for status in statuses):
        return "routine"
    if launched_on is None:
        return "push"
    if as_of < launched_on:
        return "coming"
    return "push" if (as_of - launched_on).days >= 7 * rules.launch_weeks else "launch"
