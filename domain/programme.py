"""每月一题: the problems of a year, who answers for them, whether citizens feel the progress."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from domain.rules import Rules
from domain.schedule import Target

# The same week of the year before: 52 weeks keep weekdays together.
YEAR_OF_WEEKS = 52
Z_ONE_SIDED = 1.645


class Unit(NamedTuple):
    """A unit that answers for something."""

    code: str
    name: str


@dataclass(frozen=True)
class Topic:
    """One problem of the programme.

    ``leads`` (主责) and ``supports`` (配合) in the order of the reference; ``categories`` are the
    codes whose cases count towards it. ``closed_on``: struck off (销号); None: not yet.
    """

    code: str
    year: int
    month: int
    theme: str
    name: str
    launched_on: dt.date | None
    closed_on: dt.date | None
    is_example: bool
    leads: tuple[Unit, ...] = ()
    supports: tuple[Unit, ...] = ()
    categories: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Volume:
    """Complaints of the last whole weeks against expectation.

    ``expected`` is NaN without data of the year before. ``rising``: more than noise and more than
    the rule's smallest rise above expectation.
    """

    cases: int
    expected: float
    weeks: int
    rising: bool

    @property
    def change(self) -> float:
        """Relative to expectation: 0.2 is 20 % more; NaN without one."""
        return self.cases / self.expected - 1 if self.expected > 0 else float("nan")


def volumes(topics: np.ndarray, others: np.ndarray, rules: Rules) -> list[Volume]:
    """Return for each topic its recent cases against expectation.

    Expectation is the same week of the year before times how the cases of no topic changed
    against that week: what all complaints do is not the topic's doing.

    Args:
        topics: cases, topics × whole weeks, the newest last.
        others: cases of no topic in the same weeks.
        rules: how many weeks, how large a rise, how noisy a count.
    """
    weeks = rules.rise_weeks
    counted = topics[:, -weeks:].sum(axis=1)
    expected = np.full(len(topics), np.nan)
    if topics.shape[1] >= YEAR_OF_WEEKS + weeks:
        expected = expected_cases(topics, others)[:, -weeks:].sum(axis=1)
    # Both years are counts with noise.
    growth = np.divide(
        expected,
        topics[:, -YEAR_OF_WEEKS - weeks : -YEAR_OF_WEEKS].sum(axis=1),
        out=np.full(len(topics), np.nan),
        where=expected > 0,
    )
    spread = np.sqrt(rules.volume_dispersion * expected * (1 + growth))
    rising = (counted > expected + Z_ONE_SIDED * spread) & (
        counted >= (1 + rules.smallest_rise) * expected
    )
    return [
        Volume(int(cases), float(each), weeks, bool(rise))
        for cases, each, rise in zip(counted, expected, rising, strict=True)
    ]


def expected_cases(topics: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the expectation of every week that has one, the others NaN (topics × weeks)."""
    result = np.full(topics.shape, np.nan)
    then, now = others[:-YEAR_OF_WEEKS].astype("float64"), others[YEAR_OF_WEEKS:]
    change = np.divide(now, then, out=np.full(len(then), np.nan), where=then > 0)
    result[:, YEAR_OF_WEEKS:] = topics[:, :-YEAR_OF_WEEKS] * change
    return result


@dataclass(frozen=True)
class Tasks:
    """Milestones of a topic or a unit: how many were due by a day and what became of them."""

    total: int
    due: int
    done: int
    on_time: int
    late: int  # done after the day they were due
    overdue: int  # due and not done

    @property
    def on_time_rate(self) -> float:
        """Done on time of those that were due; NaN when none was due yet."""
        return self.on_time / self.due if self.due else float("nan")


def tasks(dates: Sequence[tuple[dt.date, dt.date | None]], as_of: dt.date) -> Tasks:
    """Return the account of milestones given as (due_on, done_on) at a day."""
    done = [(due, end) for due, end in dates if end is not None and end <= as_of]
    reached = [(due, end) for due, end in dates if due <= as_of]
    in_time = sum(1 for due, end in reached if end is not None and end <= due)
    return Tasks(
        total=len(dates),
        due=len(reached),
        done=len(done),
        on_time=in_time,
        late=sum(1 for due, end in reached if end is not None and due < end <= as_of),
        overdue=sum(1 for _, end in reached if end is None or end > as_of),
    )
