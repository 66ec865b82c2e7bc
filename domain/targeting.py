"""抓零、抓大户: who of those that hold the stock of a target gets guidance, and who gets help.

Two lists with two actions, not one ranking: 抓零 (定向指导) is for who does not move, 抓大户
(重点帮扶) for who holds most of what is left. The same rules are applied to every week before with
what was known then: the weeks on a list come from the figures and from nothing that is kept.
"""

from __future__ import annotations

import bisect
import datetime as dt
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domain.rules import Rules
from domain.schedule import Figures, Target, known_at

NAN = float("nan")

# Why somebody is on 抓零: has reported and done nothing; has not reported; is far behind 序时.
Reason = Literal["quiet", "unreported", "slow"]
# What is to be asked of somebody on a list (追问).
QuestionKey = Literal["quiet", "unreported", "slow", "large", "both"]

# Shares and sums that are equal on paper may differ by less than this part.
_EQUAL = 1e-12
# Ordinals of days: before every day; more than any.
_NEVER, _SPAN = 0, 4_000_000


@dataclass(frozen=True)
class Holder:
    """Who holds part of a target's stock: a district, street, project, developer or cause.

    ``stock``: what existed at the start, in the target's unit; NaN: not known. ``goal``: its own
    target; NaN: none, its part of the city's target by stock is taken. ``figures``: cumulative
    done by date. ``goal_is_own``: False where ``goal`` was apportioned by whoever made this.
    ``moves``: days on which something else moved, in order: a project that enters its next stage
    is not stuck. ``by_pace``: whether it can be slow: a project is done as a whole, and before its
    last weeks there is nothing to be counted.
    """

    code: str
    name: str
    stock: float
    goal: float
    figures: Figures
    goal_is_own: bool = True
    moves: tuple[dt.date, ...] = ()
    by_pace: bool = True


@dataclass(frozen=True)
class Holding:
    """A holder of known stock at a day. Fractions 0–1, amounts in the target's unit.

    ``done``: by its newest figure; NaN: never reported. ``remaining``: stock − done, at least 0,
    all of the stock where nothing was reported. ``completion``: done ÷ goal, NaN without a goal.
    ``scheduled``: the target's share due on the day of the newest figure of all holders, the same
    for each of them; ``gap``: completion − scheduled.

    ``recent``: done in the last ``zero_weeks`` weeks, or since the start where that is later;
    NaN when it reported nothing in them, or not yet before them. ``pace``: the same per week.
    ``quiet_weeks``: whole weeks since its last increase or other move; None: no increase since the
    target started, and no other move known.

    ``share``: of what is left with all holders; ``cumulative``: the same together with all that
    have more; both NaN when nothing is left. ``zero_reasons``: empty unless on 抓零.
    ``zero_weeks_on``, ``large_weeks_on``: in how many weeks on end it has been on the list, this
    one included; 0 when it is not on it.
    """

    holder: Holder
    done: float
    remaining: float
    goal: float
    completion: float
    scheduled: float
    gap: float
    recent: float
    pace: float
    quiet_weeks: int | None
    share: float
    cumulative: float
    zero_reasons: tuple[Reason, ...]
    large: bool
    zero_weeks_on: int
    large_weeks_on: int

    @property
    def zero(self) -> bool:
        """Whether it is on 抓零."""
        return bool(self.zero_reasons)

    @property
    def both(self) -> bool:
        """Whether it is on both lists (双抓)."""
        return self.zero and self.large

    @property
    def relative_pace(self) -> float:
        """Share of its own goal that it does in a week; NaN when pace or goal is not known."""
        return self.pace / self.goal if self.goal > 0 else NAN

    @property
    def questions(self) -> tuple[QuestionKey, ...]:
        """What is to be asked (追问), from the reasons; empty for who is on no list."""
        large: tuple[QuestionKey, ...] = ("large",) if self.large else ()
        both: tuple[QuestionKey, ...] = ("both",) if self.both else ()
        return (*self.zero_reasons, *large, *both)


@dataclass(frozen=True)
class Targeting:
    """The two lists of a target at a day.

    ``on_date``: day of the newest figure of all holders, at which everything is judged; None:
    nobody reported. ``floor``: the least that must be left for 抓零, in units; NaN when nobody
    holds a stock. ``holdings``: holders of known stock, the most left first, equals by code.
    ``unknown``: holders of unknown stock, by code; they are on no list and in no sum.
    """

    as_of: dt.date
    on_date: dt.date | None
    target: Target
    floor: float
    holdings: tuple[Holding, ...]
    unknown: tuple[Holder, ...]

    @property
    def zero(self) -> tuple[Holding, ...]:
        """Who gets 定向指导, the most left first."""
        return tuple(each for each in self.holdings if each.zero)

    @property
    def large(self) -> tuple[Holding, ...]:
        """Who gets 重点帮扶, the most left first."""
        return tuple(each for each in self.holdings if each.large)

    @property
    def both(self) -> tuple[Holding, ...]:
        """Who is on both lists (双抓), the most left first."""
        return tuple(each for each in self.holdings if each.both)

    @property
    def remaining(self) -> float:
        """What is left with all holders of known stock."""
        return math.fsum(each.remaining for each in self.holdings)

    @property
    def large_share_held(self) -> float:
        """Share of what is left that 抓大户 hold together; NaN when nothing is left."""
        large = self.large
        return large[-1].cumulative if large else NAN

    @property
    def median_pace(self) -> float:
        """Median share of the own goal done in a week, of holders with something left.

        NaN when the pace of none is known.
        """
        paces = [each.relative_pace for each in self.holdings if each.remaining > 0]
        known = [pace for pace in paces if not math.isnan(pace)]
        return statistics.median(known) if known else NAN

    @property
    def weeks_left(self) -> float:
        """Weeks from the newest figure to the due day, at least 0; NaN when nobody reported."""
        if self.on_date is None:
            return NAN
        return max((self.target.due_on - self.on_date).days, 0) / 7


def targeting(
    target: Target,
    holders: Sequence[Holder],
    as_of: dt.date,
    rules: Rules,
    floor: float | None = None,
) -> Targeting:
    """Return who is on 抓零 and who on 抓大户 at a day, and for how long.

    Independent of the order of the holders.

    Args:
        target: what is to be reached; its timetable holds for every holder.
        holders: who holds the stock; figures later than ``as_of`` are not known yet.
        as_of: the day, usually the data cut-off.
        rules: weeks, shares.
        floor: least that must be left for 抓零, in units; None: as the rules say, their share of
            the mean stock of those that hold any.

    Raises:
        ValueError: a target that is not cumulative or has to fall has no stock to work off.
    """
    if not target.cumulative or target.direction == "down":
        raise ValueError(f"{target.code}: no stock is worked off towards a level")
    ordered = sorted(holders, key=lambda each: (each.code, each.name))
    known = [each for each in ordered if not math.isnan(each.stock)]
    if floor is None:
        stocks = [each.stock for each in known if each.stock > 0]
        floor = rules.zero_floor_share * math.fsum(stocks) / len(stocks) if stocks else NAN
    goals = _goals(target, known)
    clock = _clock(target, ordered, as_of, rules)
    lists = _lists(known, goals, clock, rules, floor)
    holdings = [
        _holding(target, each, float(goals[place]), lists, place, clock)
        for place, each in enumerate(known)
    ]
    return Targeting(
        as_of=as_of,
        on_date=clock.newest,
        target=target,
        floor=floor,
        holdings=tuple(holdings[place] for place in lists.order),
        unknown=tuple(each for each in ordered if math.isnan(each.stock)),
    )


def _goals(target: Target, known: Sequence[Holder]) -> np.ndarray:
    """Return the goal of each holder, its part of the city's by stock where it has none."""
    held = math.fsum(each.stock for each in known)
    # The holders that are seen may be few of all: then the city's stock is what is apportioned.
    whole = target.stock if target.stock > held else held
    part = target.value / whole if whole > 0 else NAN
    return np.array(
        [part * each.stock if math.isnan(each.goal) else each.goal for each in known],
        dtype="float64",
    )


@dataclass(frozen=True)
class _Clock:
    """The weeks back from a day to the target's start, the present first; days as ordinals.

    ``on``: day of the newest figure of all holders known then, ``_NEVER``: none. ``since``: the
    end of this day begins the weeks that are looked at. ``ripe``: whether the target has lasted
    for all these weeks. ``scheduled``: share due at ``on``. ``newest``: ``on`` of the present.
    """

    days: np.ndarray
    on: np.ndarray
    since: np.ndarray
    ripe: np.ndarray
    scheduled: np.ndarray
    newest: dt.date | None


def _clock(target: Target, holders: Sequence[Holder], as_of: dt.date, rules: Rules) -> _Clock:
    start = target.start_on.toordinal()
    weeks = 1 + max(as_of.toordinal() - start, 0) // 7
    days = as_of.toordinal() - 7 * np.arange(weeks)
    reported = sorted({day.toordinal() for each in holders for day, _ in each.figures})
    on = np.array([_NEVER, *reported])[np.searchsorted(reported, days, side="right")]
    share = {
        day: target.planned(dt.date.fromordinal(day)) / target.value
        if day != _NEVER and target.scheduled
        else NAN
        for day in set(on.tolist())
    }
    before = start - 1  # the first day counts as a day
    return _Clock(
        days,
        on,
        np.maximum(on - 7 * rules.zero_weeks, before),
        on - 7 * rules.zero_weeks >= before,
        np.array([share[day] for day in on.tolist()]),
        dt.date.fromordinal(int(on[0])) if on[0] != _NEVER else None,
    )


@dataclass(frozen=True)
class _Lists:
    """By holder: what is left now, why it is on 抓零 now, weeks on each list (0: not on it).

    ``order``: places of the holders, the most left first, equals as they came. ``share`` and
    ``cumulative`` as in ``Holding``.
    """

    order: list[int]
    remaining: np.ndarray
    share: np.ndarray
    cumulative: np.ndarray
    reasons: list[tuple[Reason, ...]]
    zero_weeks: np.ndarray
    large_weeks: np.ndarray


def _lists(
    known: Sequence[Holder], goals: np.ndarray, clock: _Clock, rules: Rules, floor: float
) -> _Lists:
    """Apply the rules to every week at once: arrays are weeks × holders, the present first."""
    stock = np.array([each.stock for each in known], dtype="float64")
    reported_on, done, moved_on = _known_then(known, clock.days)
    left = np.maximum(stock - done, 0.0)
    since, ripe = clock.since[:, None], clock.ripe[:, None]
    reported = reported_on > since
    unreported = ~reported & ripe
    quiet = reported & ripe & (moved_on <= since)
    completion = np.divide(done, goals, out=np.full(done.shape, NAN), where=goals > 0)
    due = rules.zero_schedule_share * clock.scheduled[:, None]
    paced = np.array([each.by_pace for each in known], dtype=bool)
    slow = reported & ripe & paced & (completion < due * (1 - _EQUAL))
    # The year's task is done: what is left of the stock is not late.
    reached = done >= goals * (1 - _EQUAL)
    counts = (left > 0) & (left >= floor * (1 - _EQUAL)) & ~reached
    zero = (unreported | quiet | slow) & counts
    large = _largest(left, rules.large_share)
    words: tuple[tuple[Reason, np.ndarray], ...] = (
        ("quiet", quiet[0]), ("unreported", unreported[0]), ("slow", slow[0]),
    )  # fmt: skip
    reasons: list[tuple[Reason, ...]] = [
        tuple(word for word, holds in words if holds[at]) if zero[0, at] else ()
        for at in range(len(known))
    ]
    order = np.argsort(-left[0], kind="stable")
    part, cumulative = np.full(len(known), NAN), np.full(len(known), NAN)
    total = math.fsum(left[0])
    if total > 0:
        part = left[0] / total
        cumulative[order] = np.minimum(np.cumsum(part[order]), 1.0)
        # All together hold all, whatever the sum of the parts lost.
        cumulative[order[np.count_nonzero(left[0]) - 1 :]] = 1.0
    return _Lists(
        order.tolist(), left[0], part, cumulative, reasons, _weeks_on(zero), _weeks_on(large)
    )


def _known_then(
    holders: Sequence[Holder], days: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return day of the newest figure, its value, and the day of the last increase or move.

    Each days × holders, as known at the end of each day; ``_NEVER``, 0 and ``_NEVER`` where
    nothing was reported.
    """
    # Every holder has a first row for "nothing reported", so that every search finds one.
    keys: list[int] = []
    values: list[float] = []
    moved: list[int] = []
    for place, each in enumerate(holders):
        dates = [day.toordinal() for day, _ in each.figures]
        own = [value for _, value in each.figures]
        offset = place * _SPAN
        keys.append(offset + _NEVER)
        keys.extend(offset + date for date in dates)
        values.append(0.0)
        values.extend(own)
        moved.append(_NEVER)
        moved.extend(_increases(dates, own))
    table = np.array(keys, dtype="int64")
    asked = days[:, None] + _SPAN * np.arange(len(holders), dtype="int64")
    found = np.searchsorted(table, asked, side="right") - 1
    return (
        table[found] % _SPAN,
        np.array(values, dtype="float64")[found],
        np.maximum(np.array(moved, dtype="int64")[found], _last_moves(holders, days)),
    )


def _last_moves(holders: Sequence[Holder], days: np.ndarray) -> np.ndarray:
    """Return the day of the last other move, days × holders; ``_NEVER`` before any."""
    result = np.full((len(days), len(holders)), _NEVER, dtype="int64")
    for place, each in enumerate(holders):
        if each.moves:
            moves = np.array([_NEVER, *(day.toordinal() for day in each.moves)])
            result[:, place] = moves[np.searchsorted(moves, days, side="right") - 1]
    return result


def _increases(dates: Sequence[int], values: Sequence[float]) -> list[int]:
    """Return for every figure the day since when so much has been done.

    That is the first figure after the last lower one: a figure that was corrected downwards
    corrects those before it, and is no increase when it rises to where it was. ``_NEVER`` when
    nothing has been done.
    """
    result: list[int] = []
    lower: list[int] = []  # places of figures below all that follow them
    for place, value in enumerate(values):
        while lower and values[lower[-1]] >= value:
            lower.pop()
        if lower:
            result.append(dates[lower[-1] + 1])
        else:
            result.append(dates[0] if value > 0 else _NEVER)
        lower.append(place)
    return result


def _largest(left: np.ndarray, share: float) -> np.ndarray:
    """Return who is among the fewest that hold a share of what is left; by row.

    Who has as much left as the last of them is among them too: nothing but the order of codes
    would tell them apart.
    """
    if not left.shape[1]:
        return np.zeros(left.shape, dtype=bool)
    falling = -np.sort(-left, axis=1)
    held = np.cumsum(falling, axis=1)
    enough = held >= share * held[:, -1:] * (1 - _EQUAL)
    least = np.take_along_axis(falling, enough.argmax(axis=1)[:, None], axis=1)
    among: np.ndarray = (left > 0) & (left >= least * (1 - _EQUAL))
    return among


def _weeks_on(listed: np.ndarray) -> np.ndarray:
    """Return by holder the weeks on end from the present (row 0) in which it is listed."""
    on_end: np.ndarray = np.logical_and.accumulate(listed, axis=0).sum(axis=0)
    return on_end


def _holding(
    target: Target, holder: Holder, goal: float, lists: _Lists, place: int, clock: _Clock
) -> Holding:
    figures = known_at(holder.figures, dt.date.fromordinal(int(clock.days[0])))
    dates = [day.toordinal() for day, _ in figures]
    values = [value for _, value in figures]
    done = values[-1] if values else NAN
    completion = done / goal if goal > 0 else NAN
    scheduled = float(clock.scheduled[0])
    on, since, start = int(clock.on[0]), int(clock.since[0]), target.start_on.toordinal()
    recent = _recent(dates, values, since, start)
    moves = [day.toordinal() for day in holder.moves if day.toordinal() <= int(clock.days[0])]
    moved_on = max([*_increases(dates, values)[-1:], *moves[-1:]], default=_NEVER)
    return Holding(
        holder,
        done=done,
        remaining=float(lists.remaining[place]),
        goal=goal,
        completion=completion,
        scheduled=scheduled,
        gap=completion - scheduled,
        recent=recent,
        pace=7 * recent / (on - since) if on > since else NAN,
        quiet_weeks=max(on - moved_on, 0) // 7 if moved_on >= start or moves else None,
        share=float(lists.share[place]),
        cumulative=float(lists.cumulative[place]),
        zero_reasons=lists.reasons[place],
        large=bool(lists.large_weeks[place]),
        zero_weeks_on=int(lists.zero_weeks[place]),
        large_weeks_on=int(lists.large_weeks[place]),
    )


def _recent(dates: Sequence[int], values: Sequence[float], since: int, start: int) -> float:
    """Return what was done after a day; NaN when not known.

    Between two figures the increase is spread evenly, because it is not known when it came.
    """
    after = bisect.bisect_right(dates, since)
    if after == len(dates):
        return NAN
    # As corrected by later figures (see _increases).
    upper = min(values[after:])
    if after:
        first = after - 1
        lower = min(values[first], upper)
        part = (since - dates[first]) / (dates[after] - dates[first])
        return values[-1] - (lower + part * (upper - lower))
    # Work is counted from the target's start: between 0 then and 0 in a figure lies nothing.
    return values[-1] if since < start or upper <= 0 else NAN


# --- Leverage -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Leverage:
    """What attention to a holder would bring by the due day, in units; at least 0.

    Measured against its present pace going on. ``to_median``: if it did the median share of its
    own goal in a week; ``faster``: if it became ``faster_share`` faster. Neither is more than what
    is left.
    """

    holding: Holding
    to_median: float
    faster: float


@dataclass(frozen=True)
class Gains:
    """What attention to the lists would bring by the due day, in units.

    ``zero``: if 抓零 reached the median pace; ``large``: if 抓大户 became faster. Not to be added
    up: who is on both lists is in both.
    """

    zero: float
    large: float


def leverage(result: Targeting, rules: Rules) -> tuple[Leverage, ...]:
    """Return what attention to each holder would bring, the largest gain first, equals by code.

    Left out are those with nothing left and those of unknown pace or goal: nobody can say what
    attention brings where nobody reports, and a sum that leaves them out promises too little
    rather than too much.
    """
    median, weeks = result.median_pace, result.weeks_left
    found = []
    for each in result.holdings:
        if each.remaining <= 0 or math.isnan(each.pace) or math.isnan(each.goal):
            continue
        left = each.remaining
        expected = min(each.pace * weeks, left)
        at_median = 0.0 if math.isnan(median) else min(median * each.goal * weeks, left)
        at_speed = min((1 + rules.faster_share) * each.pace * weeks, left)
        found.append(Leverage(each, max(at_median - expected, 0.0), at_speed - expected))
    found.sort(key=lambda each: (-max(each.to_median, each.faster), each.holding.holder.code))
    return tuple(found)


def gains(order: Sequence[Leverage]) -> Gains:
    """Return what attention to the two lists would bring, 0 for an empty one."""
    return Gains(
        zero=math.fsum(each.to_median for each in order if each.holding.zero),
        large=math.fsum(each.faster for each in order if each.holding.large),
    )
